//! `file`: a whole file, directory or link.

use serde_json::{Map, Value};

use super::{Decision, Field, Halt, IMMUTABLE, IN_PLACE, Module, Param, Params, Rule, Spec, Ty, writing};
use crate::plan::{Change, View};
use crate::target::files::{Content, FileReading, FileState, Kind, Look, Owner, always_sensitive, cksum, sha256};
use crate::target::parent;

/// What is at a path.
pub struct File;

static SPEC: Spec = Spec {
    name: "file",
    summary: "What is at a path: a file with this content, a directory, a link, or nothing; with mode and owner.",
    scalar: Some("path"),
    params: &[
        Param {
            name: "path",
            ty: Ty::Path,
            required: true,
            help: "absolute path; links are followed, except for state: link and absent",
        },
        Param {
            name: "state",
            ty: Ty::OneOf(&["file", "directory", "link", "absent"]),
            required: false,
            help: "file unless said otherwise",
        },
        Param { name: "content", ty: Ty::Str, required: false, help: "the whole text" },
        Param {
            name: "template",
            ty: Ty::Template,
            required: false,
            help: "in place of content: a file beside the runbook, with {{ … }}",
        },
        Param {
            name: "source",
            ty: Ty::Source,
            required: false,
            help: "in place of content: a file beside the runbook, as it is",
        },
        Param {
            name: "copy",
            ty: Ty::Path,
            required: false,
            help: "in place of content: another file on the target; its mode and owner stay behind",
        },
        Param { name: "to", ty: Ty::Str, required: false, help: "where a link points" },
        Param {
            name: "mode",
            ty: Ty::Mode,
            required: false,
            help: "permission bits; a new file gets 0644, a new directory 0755",
        },
        Param {
            name: "owner",
            ty: Ty::Str,
            required: false,
            help: "user, by name or number; a new file is its creator's",
        },
        Param { name: "group", ty: Ty::Str, required: false, help: "group, by name or number" },
        Param {
            name: "parents",
            ty: Ty::Bool,
            required: false,
            help: "true: directories above it that are missing are made, with mode 0755",
        },
        Param {
            name: "sensitive",
            ty: Ty::Bool,
            required: false,
            help: "the content is never shown and never brought back",
        },
        IN_PLACE,
        IMMUTABLE,
    ],
    fields: &[
        Field { name: "exists", help: "whether anything is there" },
        Field { name: "kind", help: "what is there: nothing, a file, a directory, a symbolic link, …" },
        Field { name: "mode", help: "octal text" },
        Field { name: "owner", help: "user name" },
        Field {
            name: "content",
            help: "the text, if it is a file that is not sensitive; not where its mode or owner alone is asked",
        },
    ],
    reads: "file:PATH",
    writes: "file:PATH",
    open: false,
};

fn nothing_to_make(path: &str) -> Halt {
    Halt::error("path", format!("{path} does not exist, and no content is given to create it with"))
}

fn in_the_way(path: &str, facts: &FileState) -> Halt {
    Halt::error("path", format!("{path} is {}", facts.noun()))
}

impl Module for File {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn rules(&self) -> &'static [Rule] {
        &[
            Rule::When("mode", "state", &["file", "directory"], "file"),
            Rule::When("owner", "state", &["file", "directory"], "file"),
            Rule::When("group", "state", &["file", "directory"], "file"),
            Rule::When("sensitive", "state", &["file", "absent"], "file"),
            Rule::When("parents", "state", &["file", "directory", "link"], "file"),
            Rule::When("in_place", "state", &["file"], "file"),
            Rule::Only("in_place", &["content", "template", "source", "copy"]),
        ]
    }
    fn lint(&self, p: &Map<String, Value>) -> Vec<(&'static str, String, String)> {
        let state = p.get("state").and_then(Value::as_str).unwrap_or("file");
        let mut out = Vec::new();
        if (state == "link") != p.contains_key("to") {
            out.push((
                "state",
                "\"to\" and \"state: link\" belong together".to_owned(),
                "to: /where/it/points".to_owned(),
            ));
        }
        let texts: Vec<&str> =
            ["content", "template", "source", "copy"].into_iter().filter(|k| p.contains_key(*k)).collect();
        if let [_, second, ..] = texts[..] {
            out.push((
                "content",
                format!("\"{}\" and \"{second}\" exclude one another", texts[0]),
                "keep one of them".to_owned(),
            ));
        }
        if p.contains_key("copy") && p.get("sensitive").is_some_and(|v| *v == Value::Bool(true)) {
            out.push((
                "copy",
                "a sensitive file cannot be copied: its content would have to be brought here".to_owned(),
                "copy it with a command: cp -p FROM TO".to_owned(),
            ));
        }
        if state != "file" && !texts.is_empty() {
            out.push((
                "content",
                format!("content is for a file, not for state: {state}"),
                "leave out one of them".to_owned(),
            ));
        }
        out
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let path = p.text("path");
        let state = p.str("state").unwrap_or("file");
        let secret = p.is("sensitive") || always_sensitive(path);
        let look = match state {
            "link" | "absent" => Look::Link,
            _ if secret || attributes_alone(p) => Look::Digest,
            _ => Look::Follow,
        };
        let (found, copied) = (view.file(path, look), p.str("copy").map(|from| copied(from, secret, view)).transpose());
        let (found, copied) = (found?, copied?);
        let content = p.str("content").map(|text| text.as_bytes().to_vec()).or(copied);
        let facts = &found.state;
        let content_less = content.is_none();
        let mut wanted = FileState { kind: facts.kind.clone(), mode: p.mode("mode"), owner: None };
        match state {
            "absent" => wanted = FileState::ABSENT,
            "directory" => wanted.kind = Kind::Directory,
            "link" => wanted = FileState { kind: Kind::Link(p.text("to").to_owned()), mode: None, owner: None },
            _ => {
                if let Some(bytes) = content {
                    // Where only a digest was brought back, equal digests are equal content.
                    wanted.kind = match &facts.kind {
                        Kind::File(Content::Digest(d)) if [sha256(&bytes), cksum(&bytes)].contains(d) => {
                            facts.kind.clone()
                        }
                        _ => Kind::File(Content::Bytes(bytes)),
                    };
                } else if facts.kind == Kind::Absent && (p.has("mode") || p.has("owner") || p.has("group")) {
                    return Err(nothing_to_make(path));
                }
            }
        }
        let clash = match (&facts.kind, &wanted.kind) {
            (Kind::Directory, Kind::File(_) | Kind::Link(_)) | (Kind::File(_) | Kind::Link(_), Kind::Directory) => true,
            (Kind::Other(_), k) => *k != Kind::Absent && facts.kind != *k,
            _ => false,
        };
        if clash {
            return Err(in_the_way(path, facts));
        }
        if facts.kind == Kind::Absent {
            wanted.mode = wanted.mode.or(match wanted.kind {
                Kind::File(_) => Some(0o644),
                Kind::Directory => Some(0o755),
                _ => None,
            });
        }
        if p.has("owner") || p.has("group") {
            wanted.owner = Some(owner(p, facts, view)?);
        }
        let above = if p.is("parents") && wanted.kind != Kind::Absent { parents(&found, view)? } else { Vec::new() };
        let differences = differences(facts, &wanted);
        let how = crate::plan::Writing { sensitive: secret, ..writing(p) };
        let change = view.with_changes(&above, |view| view.write_file(path, &found, wanted, how));
        let change = change.map_err(|halt| with_parents(halt, p))?;
        // A path alone asks for a file there, whatever is in it; that cannot be made of nothing.
        let bare = state == "file" && content_less && !(p.has("mode") || p.has("owner") || p.has("group"));
        let amiss = bare && !matches!(facts.kind, Kind::File(_));
        if amiss && view.wants_changes() {
            return Err(if facts.kind == Kind::Absent { nothing_to_make(path) } else { in_the_way(path, facts) });
        }
        let content = facts.bytes().map(|b| String::from_utf8_lossy(b).into_owned());
        let said = match &change {
            None if amiss && facts.kind == Kind::Absent => format!("{path} does not exist"),
            None if amiss => format!("{path} is {}", facts.noun()),
            None => format!("{path} is as it should be"),
            Some(_) => match (&facts.kind, state) {
                (Kind::Absent, _) => format!("{path} does not exist"),
                (_, "absent") => format!("{path} exists"),
                _ => format!("{path}: {}", differences.join("; ")),
            },
        };
        Ok(Decision::new(change.is_none() && !amiss, said)
            .with("exists", facts.kind != Kind::Absent)
            .with("kind", facts.noun())
            .with("mode", facts.mode.map(|m| format!("{m:04o}")))
            .with("owner", facts.owner.as_ref().map(|o| o.user.clone()))
            .with("content", content)
            .changing(if change.is_some() { above.into_iter().chain(change).collect() } else { Vec::new() }))
    }
}

/// What is there and what should be, a clause for each that differs: `mode is 0644, should be 0600`.
fn differences(found: &FileState, wanted: &FileState) -> Vec<String> {
    let mut out = Vec::new();
    match (&found.kind, &wanted.kind) {
        (Kind::Link(there), Kind::Link(to)) if there != to => {
            out.push(format!("it points to {there}, should point to {to}"));
        }
        (Kind::File(a), Kind::File(b)) if a != b => out.push("its content is another one".to_owned()),
        (a, b) if std::mem::discriminant(a) != std::mem::discriminant(b) => {
            out.push(format!("it is {}, should be {}", found.noun(), wanted.noun()));
        }
        _ => {}
    }
    if let (Some(is), Some(should)) = (found.mode, wanted.mode)
        && is != should
    {
        out.push(format!("mode is {is:04o}, should be {should:04o}"));
    }
    if let (Some(is), Some(should)) = (&found.owner, &wanted.owner)
        && (is.uid, is.gid) != (should.uid, should.gid)
    {
        out.push(format!("owner is {}:{}, should be {}:{}", is.user, is.group, should.user, should.group));
    }
    out
}

/// The directories above it that are missing, the highest first, as changes that make them.
fn parents(found: &FileReading, view: &View<'_>) -> Result<Vec<Change>, Halt> {
    if !found.orphan {
        return Ok(Vec::new());
    }
    let above = std::iter::successors(Some(parent(&found.real)), |d| Some(parent(d)).filter(|_| *d != "/"));
    let all: Vec<_> = above.map(|dir| (dir, view.file(dir, Look::Follow))).collect();
    let mut made = Vec::new();
    for (dir, there) in all.into_iter().rev() {
        let there = there?;
        if there.state.kind == Kind::Absent {
            let wanted = FileState { kind: Kind::Directory, mode: Some(0o755), owner: None };
            made.extend(view.with_changes(&made, |view| view.change_file(dir, &there, wanted, false))?);
        }
    }
    Ok(made)
}

/// Here one parameter makes the missing directory, too.
fn with_parents(halt: Halt, p: &Params) -> Halt {
    match halt {
        Halt::Error { param, why, hint: Some(_) } if !p.is("parents") && why.ends_with("does not exist") => {
            Halt::Error { param, why, hint: Some("parents: true makes it, with all that is missing above it".into()) }
        }
        halt => halt,
    }
}

/// Its mode or owner is asked, and nothing that its bytes would tell: they may be many, and stay where they are.
fn attributes_alone(p: &Params) -> bool {
    ["mode", "owner", "group"].iter().any(|k| p.has(k))
        && !["content", "template", "source", "copy"].iter().any(|k| p.has(k))
}

/// The bytes of another file on the target, with what earlier steps would change.
fn copied(from: &str, secret: bool, view: &View<'_>) -> Result<Vec<u8>, Halt> {
    if secret || always_sensitive(from) {
        return Err(Halt::error(
            "copy",
            "a sensitive file cannot be copied: its content would have to be brought here",
        ));
    }
    let state = view.file(from, Look::Follow)?.state;
    match (&state.kind, state.bytes()) {
        (_, Some(bytes)) => Ok(bytes.to_vec()),
        (Kind::Absent, _) => Err(Halt::error("copy", format!("{from} does not exist"))),
        (Kind::File(_), None) => Err(Halt::error("copy", format!("{from} is sensitive, and cannot be copied"))),
        _ => Err(Halt::error("copy", format!("{from} is {}", state.noun()))),
    }
}

/// The numbers behind the names, from the target's own passwd(5) and group(5).
fn owner(p: &Params, found: &FileState, view: &View<'_>) -> Result<Owner, Halt> {
    let (users, groups) = (view.file("/etc/passwd", Look::Follow), view.file("/etc/group", Look::Follow));
    let (users, groups) = (users?, groups?);
    let id = |param: &str, name: &str, table: &FileState| -> Result<u32, Halt> {
        if let Ok(n) = name.parse() {
            return Ok(n);
        }
        let text = String::from_utf8_lossy(table.bytes().unwrap_or_default()).into_owned();
        let line = text.lines().map(|l| l.split(':').collect::<Vec<_>>()).find(|f| f[0] == name);
        line.and_then(|f| f.get(2)?.parse().ok())
            .ok_or_else(|| Halt::error(param, format!("the target has no {param} {name}")))
    };
    let had = found.owner.clone().unwrap_or(Owner { uid: 0, gid: 0, user: "root".into(), group: "root".into() });
    let mut out = had;
    if let Some(u) = p.str("owner") {
        out.uid = id("owner", u, &users.state)?;
        u.clone_into(&mut out.user);
    }
    if let Some(g) = p.str("group") {
        out.gid = id("group", g, &groups.state)?;
        g.clone_into(&mut out.group);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::canned::Canned;
    use super::*;
    use serde_json::json;

    fn host(there: &'static str) -> Canned<'static> {
        Canned::new(move |sh| {
            let from = "regular file|600|0|0|root|root|1|w\n/usr/share/openssh/sshd_config\nPort 22\n";
            let out = match sh {
                s if s.contains("/usr/share/openssh/sshd_config") => from.to_owned(),
                s if s.contains("/etc/ssh/sshd_config") => there.to_owned(),
                _ => "absent|w\n/nowhere\n".to_owned(),
            };
            (0, out)
        })
    }

    #[test]
    fn for_its_mode_alone_the_bytes_stay_where_they_are() {
        let sshd = Canned::new(|sh| {
            assert_eq!(sh, "rb_look d '/usr/sbin/sshd'");
            (0, "digest|644|0|0|root|root|1|w\n/usr/sbin/sshd\n1234567890:7\n".to_owned())
        });
        let p = json!({"path": "/usr/sbin/sshd", "mode": "0755"});
        assert_eq!(sshd.titles(&File, &p), ["set the mode or owner of /usr/sbin/sshd"]);
        let d = sshd.decide(&File, &p).unwrap();
        assert_eq!(d.changes[0].attributes(), ["mode 0644 becomes 0755"]);
        assert_eq!((d.changes[0].diff(), &d.fields["content"]), (vec![], &Value::Null));
        assert!(sshd.decide(&File, &json!({"path": "/usr/sbin/sshd", "mode": "0644"})).unwrap().ok);
    }

    #[test]
    fn a_fault_says_what_differs() {
        let there = "regular file|644|0|0|root|root|1|w\n/etc/x\nold\n";
        let on = |out: &'static str| {
            Canned::new(move |sh| match sh {
                s if s.contains("passwd") => {
                    (0, "regular file|644|0|0|root|root|1|w\n/etc/passwd\napp:x:7:8::/:\n".into())
                }
                s if s.contains("group") => (0, "regular file|644|0|0|root|root|1|w\n/etc/group\napp:x:8:\n".into()),
                _ => (0, out.to_owned()),
            })
        };
        let said = |out, p: Value| on(out).decide(&File, &p).unwrap().evidence;
        let digest = "digest|644|0|0|root|root|1|w\n/etc/x\n1234567890:7\n";
        assert_eq!(said(digest, json!({"path": "/etc/x", "mode": "0600"})), "/etc/x: mode is 0644, should be 0600");
        assert_eq!(
            said(there, json!({"path": "/etc/x", "content": "new\n", "owner": "app", "group": "app"})),
            "/etc/x: its content is another one; owner is root:root, should be app:app"
        );
        assert_eq!(
            said("link|w\n/etc/x\n/a\n", json!({"path": "/etc/x", "state": "link", "to": "/b"})),
            "/etc/x: it points to /a, should point to /b"
        );
        assert_eq!(
            said(there, json!({"path": "/etc/x", "state": "link", "to": "/b"})),
            "/etc/x: it is a file, should be a symbolic link"
        );
    }

    #[test]
    fn missing_directories_are_made_where_that_is_asked_for() {
        let host = Canned::new(|sh| {
            let path = sh.rsplit_once('\'').unwrap().0.rsplit_once('\'').unwrap().1;
            match path {
                "/opt" | "/" => (0, format!("directory|755|0|0|root|root|2|w\n{path}\n")),
                "/opt/a" => (0, "absent|w\n/opt/a\n".into()),
                _ => (0, format!("absent|orphan|w\n{path}\n")),
            }
        });
        let p = json!({"path": "/opt/a/b/c", "content": "x", "parents": true});
        assert_eq!(
            host.titles(&File, &p),
            ["create directory /opt/a", "create directory /opt/a/b", "create /opt/a/b/c"]
        );
        let p = json!({"path": "/opt/a/b/c", "state": "directory"});
        let Err(Halt::Error { why, hint, .. }) = host.decide(&File, &p) else { panic!("it was made of nothing") };
        assert_eq!(why, "its directory /opt/a/b does not exist");
        assert_eq!(hint.as_deref(), Some("parents: true makes it, with all that is missing above it"));
    }

    #[test]
    fn content_from_another_file_of_the_target() {
        let p = json!({"path": "/etc/ssh/sshd_config", "copy": "/usr/share/openssh/sshd_config"});
        let d = host("absent|w\n/etc/ssh/sshd_config\n").decide(&File, &p).unwrap();
        assert_eq!(d.changes[0].title(), "create /etc/ssh/sshd_config");
        assert!(String::from_utf8_lossy(&d.changes[0].diff()).contains("+Port 22\n"));
        assert_eq!(d.changes[0].attributes(), ["mode 0644"]);
        let same = "regular file|644|0|0|root|root|1|w\n/etc/ssh/sshd_config\nPort 22\n";
        assert!(host(same).decide(&File, &p).unwrap().ok);
        let p = json!({"path": "/etc/ssh/sshd_config", "copy": "/none"});
        assert!(matches!(host(same).decide(&File, &p), Err(Halt::Error { why, .. }) if why == "/none does not exist"));
        let p = json!({"path": "/etc/x", "copy": "/etc/ssh/ssh_host_rsa_key"});
        assert!(matches!(host(same).decide(&File, &p), Err(Halt::Error { .. })));
        let lint = |p: Value| File.lint(p.as_object().unwrap()).len();
        assert_eq!(lint(json!({"path": "/a", "copy": "/b", "content": "x"})), 1);
        assert_eq!(lint(json!({"path": "/a", "copy": "/b", "sensitive": true})), 1);
    }
}
