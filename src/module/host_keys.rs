//! `host_keys`: sshd has a host key that it can load.

use super::sshd::{Key, Seen};
use super::{Decision, Field, Halt, Module, Params, Spec};
use crate::payload::sh_quote;
use crate::plan::{Change, CommandChange, Resource, View};
use crate::target::files::{FileState, Look, Owner};

/// sshd's host keys.
pub struct HostKeys;

static SPEC: Spec = Spec {
    name: "host_keys",
    summary: "sshd can load a host key. Where none loads: keys that others may read are closed to them again, and damaged line endings are mended (clients notice nothing); only if none of that helps, what is missing or damaged is made anew (clients are told of a new fingerprint), the old file being kept beside it. One good key is enough: the others are left alone.",
    scalar: None,
    params: &[],
    fields: &[
        Field { name: "keys", help: "where none loads: a list of {path, state, mode, type}" },
        Field { name: "new", help: "paths of the keys that would be made anew" },
    ],
    reads: "file:/etc/ssh/**",
    writes: "file:/etc/ssh/**",
    open: false,
};

impl Module for HostKeys {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn decide(&self, _: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let seen =
            Seen::read(view)?.ok_or_else(|| Halt::Skipped("not checked: this disk's sshd can't run here".into()))?;
        let new: Vec<&Key> = to_make(&seen.keys);
        let done = Decision::new(!seen.no_keys(), seen.keys_evidence())
            .with("keys", seen.keys.iter().map(Key::value).collect::<Vec<_>>())
            .with("new", new.iter().map(|k| k.path.clone()).collect::<Vec<_>>());
        if !seen.no_keys() {
            return Ok(done);
        }
        if let Some(key) = seen.keys.iter().find(|k| !k.path.starts_with('/')) {
            let todo = format!("HostKey {} is no absolute path: write it as one", key.path);
            return Err(Halt::Person { why: seen.keys_evidence(), todo, param: None });
        }
        if let Some(key) = new.iter().find(|k| !k.path.starts_with("/etc/ssh/")) {
            let dir = crate::target::parent(&key.path);
            let todo =
                format!("is {dir} on a disk that is not mounted? Mount it; a new key there would be a new identity");
            return Err(Halt::Person { why: seen.keys_evidence(), todo, param: None });
        }
        let mut changes = Vec::new();
        for key in seen.keys.iter().filter(|k| k.state == "open") {
            let found = view.file(&key.path, Look::Digest)?;
            // sshd(8), FILES: host keys "should only be owned by root, readable only by root".
            let owner = Owner { uid: 0, gid: 0, user: "root".into(), group: "root".into() };
            let after = FileState { mode: Some(0o600), owner: Some(owner), ..found.state.clone() };
            changes.extend(view.change_file(&key.path, &found, after, true)?);
        }
        let nul = || Halt::unknown("a key's path with a NUL");
        for key in seen.keys.iter().filter(|k| k.state == "endings") {
            changes.push(Change::Command(mend(key).ok_or_else(nul)?));
        }
        for key in new {
            changes.push(Change::Command(make(key).ok_or_else(nul)?));
        }
        Ok(done.changing(changes))
    }
}

/// Keys to make: none as long as closing or mending some would do.
fn to_make(keys: &[Key]) -> Vec<&Key> {
    if keys.iter().any(|k| matches!(k.state.as_str(), "open" | "endings" | "good")) {
        Vec::new()
    } else {
        keys.iter().collect()
    }
}

/// Keeps what is at `$p`, and its public half, under a name of its own: `PATH.before-runbook-CHECKSUM`.
const KEEP: &str = r#"b=$p.before-runbook-$(cksum <"$p" 2>/dev/null | cut -d' ' -f1)"#;
/// Takes back the last that was kept.
const BACK: &str = r#"b=$(ls -dt "$p".before-runbook-* | grep -v '[.]pub$' | head -n 1) && rm -f "$p" "$p.pub" && mv -f "$b" "$p" && { [ ! -e "$b.pub" ] || mv -f "$b.pub" "$p.pub"; }"#;

fn command(key: &Key, sh: &str, shown: String, undo: &str) -> Option<CommandChange> {
    let path = sh_quote(&key.path)?;
    let with = |sh: &str| format!("p={path}; {sh}");
    let writes = vec![Resource::File(key.path.clone())];
    Some(CommandChange::new(with(sh), shown).undone_by(Some(with(undo))).writing(writes).by_root())
}

/// The same key with the line endings that sshd can read; its bytes never leave the target, and it is replaced whole.
fn mend(key: &Key) -> Option<CommandChange> {
    let sh = format!(
        r#"{KEEP}; cp -p "$p" "$b" && cp -p "$p" "$p.new" && {{ tr -d '\r' <"$b"; echo; }} >"$p.new" && mv -f "$p.new" "$p""#
    );
    let back = r#"b=$(ls -dt "$p".before-runbook-* | head -n 1) && mv -f "$b" "$p""#;
    command(key, &sh, format!("tr -d '\\r' <{} (the key itself stays the same)", key.path), back)
}

/// ssh-keygen(1), -A makes the default keys only, whatever `HostKey` says: so each by its path.
fn make(key: &Key) -> Option<CommandChange> {
    let kind = key.kind();
    let dir = sh_quote(crate::target::parent(&key.path))?;
    let new = format!(r#"mkdir -p {dir} && [ ! -e "$p" ] && ssh-keygen -q -t {kind} -N '' -f "$p" </dev/null"#);
    let shown = format!("ssh-keygen -t {kind} -f {}", key.path);
    if key.state == "missing" {
        let aside = r#"[ ! -e "$p.pub" ] || mv -f "$p.pub" "$p.pub.before-runbook""#;
        return command(key, &format!("{{ {aside}; }} && {new}"), shown, r#"rm -f "$p" "$p.pub""#);
    }
    let aside = format!(r#"{KEEP}; mv "$p" "$b" && {{ [ ! -e "$p.pub" ] || mv -f "$p.pub" "$b.pub"; }}"#);
    command(key, &format!("{aside} && {new}"), shown, BACK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(states: &[&str]) -> Vec<Key> {
        let key = |s: &&str| Key { path: format!("/k/{s}_rsa"), state: (*s).to_owned(), mode: "0644".into() };
        states.iter().map(key).collect()
    }

    #[test]
    fn a_fingerprint_is_kept_where_it_can_be() {
        assert!(to_make(&keys(&["open", "missing"])).is_empty());
        assert_eq!(to_make(&keys(&["empty", "missing"])).len(), 2);
    }

    #[test]
    fn each_key_is_made_by_its_own_path() {
        let c = make(&keys(&["missing"])[0]).unwrap();
        assert!(
            c.sh.starts_with("p='/k/missing_rsa'; ") && c.sh.contains("-t rsa") && c.sh.contains("[ ! -e \"$p\" ]")
        );
        let c = make(&keys(&["corrupt"])[0]).unwrap();
        assert!(c.sh.contains("mv \"$p\" \"$b\"") && c.undo.unwrap().contains("mv -f \"$b\" \"$p\""));
    }
}
