//! `host_keys`: sshd has a host key that it can load.

use super::sshd::{Key, Seen};
use super::{Decision, Field, Halt, Module, Params, Spec};
use crate::plan::{Change, CommandChange, Resource, View};
use crate::target::files::{FileState, Look, Owner};
use crate::target::quote::sh_quote;

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
        let seen = Seen::read(view)?.ok_or_else(|| Halt::Skipped("not tried: no sshd can run in this tree".into()))?;
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

/// The same key with the line endings that sshd can read; its bytes never leave the target.
fn mend(key: &Key) -> Option<CommandChange> {
    let (path, old) = (sh_quote(&key.path)?, sh_quote(&format!("{}.before-runbook", key.path))?);
    Some(CommandChange {
        sh: format!("cp -p {path} {old} && {{ tr -d '\\r' <{old}; echo; }} >{path}"),
        shown: format!("tr -d '\\r' <{} (the key itself stays the same)", key.path),
        undo: Some(format!("mv -f {old} {path}")),
        writes: vec![Resource::File(key.path.clone())],
        root: true,
    })
}

/// ssh-keygen(1), -A makes the default keys only, whatever `HostKey` says: so each by its path.
fn make(key: &Key) -> Option<CommandChange> {
    let (path, kind) = (sh_quote(&key.path)?, key.kind());
    let old = sh_quote(&format!("{}.before-runbook", key.path))?;
    let dir = sh_quote(crate::target::parent(&key.path))?;
    let make = format!("mkdir -p {dir} && [ ! -e {path} ] && ssh-keygen -q -t {kind} -N '' -f {path} </dev/null");
    let (sh, undo) = if key.state == "missing" {
        (make, format!("rm -f {path} {path}.pub"))
    } else {
        (format!("mv -f {path} {old} && {make}"), format!("rm -f {path}.pub && mv -f {old} {path}"))
    };
    Some(CommandChange {
        sh,
        shown: format!("ssh-keygen -t {kind} -f {}", key.path),
        undo: Some(undo),
        writes: vec![Resource::File(key.path.clone())],
        root: true,
    })
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
    fn a_damaged_key_is_kept_beside_the_new_one() {
        let c = make(&keys(&["corrupt"])[0]).unwrap();
        assert!(
            c.sh.starts_with("mv -f '/k/corrupt_rsa' '/k/corrupt_rsa.before-runbook' && mkdir -p '/k' && [ ! -e '/k/corrupt_rsa' ] && ssh-keygen"),
            "{}",
            c.sh
        );
        assert!(c.undo.unwrap().contains("mv -f '/k/corrupt_rsa.before-runbook' '/k/corrupt_rsa'"));
    }
}
