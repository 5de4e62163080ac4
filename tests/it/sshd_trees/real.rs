//! The real sshd, asked about many trees of configuration files in few processes.
//!
//! It runs in a chroot into the lab's base tree, in a mount namespace of its own: /run is a tmpfs there, and each
//! configuration is mounted over /etc/ssh in its turn. Nothing of the tree itself changes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::Digest;

/// Files by their absolute path, all below /etc/ssh.
pub type Files = BTreeMap<String, Vec<u8>>;

pub const MAIN: &str = "/etc/ssh/sshd_config";

/// What sshd said.
#[derive(Debug, Clone)]
pub struct Answer {
    pub accepted: bool,
    /// `sshd -T`: keyword to its lines, each without the keyword.
    pub values: BTreeMap<String, Vec<String>>,
    pub stderr: String,
}

/// Which sshd: bookworm's 9.2, or with `RUNBOOK_SUITE=trixie` OpenSSH 10.
pub fn suite() -> String {
    std::env::var("RUNBOOK_SUITE").unwrap_or("bookworm".into())
}

/// The lab's base tree.
pub fn base() -> PathBuf {
    let recipe = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/recipe")).unwrap();
    let hash: String = sha2::Sha256::digest(recipe).iter().map(|byte| format!("{byte:02x}")).collect();
    let cache = std::env::var_os("RUNBOOK_LAB_CACHE").unwrap_or("/var/cache/runbook-lab".into());
    Path::new(&cache).join(format!("{}-{}", &hash[..12], suite())).join("tree")
}

const SCRIPT: &str = r#"
set -e
mount --make-rprivate /
mount -t tmpfs none "$1/run"
mkdir "$1/run/sshd" "$1/run/cases"
mount --bind "$2" "$1/run/cases"
exec chroot "$1" /bin/sh -s <<'EOF'
cp /etc/ssh/ssh_host_ed25519_key /run/key
cd /run/cases
for case in *; do
    mount --bind "/run/cases/$case/ssh" /etc/ssh
    read -r query <"$case/query" || query=
    rc=0
    /usr/sbin/sshd -T -h /run/key ${query:+-C "$query"} >"$case/out" 2>"$case/err" || rc=$?
    echo $rc >"$case/rc"
    umount /etc/ssh
done
EOF
"#;

/// `sshd -T` for each tree, with `-C` where a query is given.
pub fn ask(cases: &[(Files, Option<&str>)]) -> Vec<Answer> {
    let half = cases.len().div_ceil(2).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = cases.chunks(half).map(|part| scope.spawn(|| ask_in_order(part))).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    })
}

fn ask_in_order(cases: &[(Files, Option<&str>)]) -> Vec<Answer> {
    let desk = tempfile::tempdir().unwrap();
    fs::set_permissions(desk.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let place = |number: usize| desk.path().join(format!("{number:05}"));
    for (number, (files, query)) in cases.iter().enumerate() {
        for (path, bytes) in files {
            let inside = path.strip_prefix("/etc/ssh/").unwrap();
            let file = place(number).join("ssh").join(inside);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
        fs::write(place(number).join("query"), query.map(|query| format!("{query}\n")).unwrap_or_default()).unwrap();
    }
    let done = Command::new("unshare")
        .args(["-m", "sh", "-c", SCRIPT, "sh"])
        .args([base(), desk.path().to_owned()])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    (0..cases.len())
        .map(|number| {
            let text = |name| String::from_utf8_lossy(&fs::read(place(number).join(name)).unwrap()).into_owned();
            Answer { accepted: text("rc").trim() == "0", values: values(&text("out")), stderr: text("err") }
        })
        .collect()
}

fn values(out: &str) -> BTreeMap<String, Vec<String>> {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in out.lines().filter(|line| *line != "hostkey /run/key") {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        values.entry(key.to_owned()).or_default().push(value.to_owned());
    }
    values
}
