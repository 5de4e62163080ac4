//! Runbooks of git repositories, by real git: a team shares them, each at a commit that somebody has looked at.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Desk, Done, bin};

const HELLO: &str = "name: hello\ntitle: hello is on its way\nanswers: ['the greeting is (gone|late)']\nsteps:\n- {name: it greets, check: {command: 'true'}}\n";

/// A bare repository and those who work with it, each with a home of their own.
pub struct Team {
    pub desk: Desk,
}

impl Team {
    pub fn new() -> Self {
        let team = Self { desk: Desk::new() };
        for who in ["ann", "bob"] {
            fs::create_dir_all(team.home(who)).unwrap();
            let config = format!(
                "[user]\n\tname = {who}\n\temail = {who}@example.com\n[init]\n\tdefaultBranch = main\n[gpg]\n\tformat = ssh\n[gpg \"ssh\"]\n\tallowedSignersFile = {}\n",
                team.desk.path("signers").display()
            );
            fs::write(team.home(who).join(".gitconfig"), config).unwrap();
        }
        team.git("ann", &["init", "-q", "--bare", &team.url()]);
        team.git("ann", &["clone", "-q", &team.url(), &team.work().display().to_string()]);
        team.push("hello.yaml", HELLO, "hello: the first one", &[]);
        team
    }
    pub fn url(&self) -> String {
        self.desk.path("ops.git").display().to_string()
    }
    /// Ann's clone.
    fn work(&self) -> PathBuf {
        self.desk.path("work")
    }
    fn home(&self, who: &str) -> PathBuf {
        self.desk.path(who)
    }
    fn git(&self, who: &str, args: &[&str]) -> String {
        let mut c = Command::new("git");
        c.args(args).current_dir(if self.work().exists() { self.work() } else { self.desk.path("") });
        let done = Done::from(c.env("HOME", self.home(who)).env("GIT_CONFIG_NOSYSTEM", "1").output().unwrap());
        assert_eq!(done.code, 0, "git {args:?}: {}", done.stderr);
        done.stdout.trim().to_owned()
    }
    /// Ann commits a file and pushes; the commit.
    pub fn push(&self, path: &str, text: &str, subject: &str, how: &[&str]) -> String {
        let file = self.work().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        self.git("ann", &["add", "-A"]);
        self.git("ann", &[&["commit", "-q", "-m", subject], how].concat());
        self.git("ann", &["push", "-q", "--force", "origin", "HEAD:main"]);
        self.git("ann", &["rev-parse", "HEAD"])
    }
    pub fn command(&self, who: &str, args: &[&str]) -> Command {
        let mut c = Command::new(bin());
        c.args(args).current_dir(self.home(who)).env("HOME", self.home(who)).env("GIT_CONFIG_NOSYSTEM", "1");
        for v in ["XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "RUNBOOK_LOCK"] {
            c.env_remove(v);
        }
        c.stdin(Stdio::null());
        c
    }
    pub fn run(&self, who: &str, args: &[&str]) -> Done {
        self.command(who, args).output().unwrap().into()
    }
    pub fn fine(&self, who: &str, args: &[&str]) -> String {
        let done = self.run(who, args);
        assert_eq!(done.code, 0, "{args:?}: {}{}", done.stdout, done.stderr);
        done.stdout
    }
    /// What is said to bad input.
    pub fn refused(&self, who: &str, args: &[&str]) -> String {
        let done = self.run(who, args);
        assert_eq!(done.code, 2, "{args:?}: {}{}", done.stdout, done.stderr);
        done.stderr.replace("\n       ", " ")
    }
    fn locked(&self, who: &str) -> Value {
        let list = self.fine(who, &["source", "list", "-o", "json"]);
        serde_json::from_str::<Value>(&list).unwrap()["sources"][0].clone()
    }
    /// Ann signs from now on; a stranger's key is `other`.
    fn key(&self, name: &str) -> String {
        let key = self.desk.path(name);
        let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status().unwrap();
        assert!(made.success());
        format!("user.signingkey={}", key.with_extension("pub").display())
    }
}

/// One adds a runbook; the other sees what has come, moves to it, is asked for trust, and plans it.
#[test]
fn a_team_shares_its_runbooks() {
    let team = Team::new();
    let added = team.fine("bob", &["source", "add", &team.url()]);
    assert!(added.contains("runbooks: hello"), "{added}");
    let first = team.locked("bob")["commit"].as_str().unwrap().to_owned();
    team.fine("bob", &["plan", "ops/hello", "--trust"]);

    let second = team.push("bye.yaml", &HELLO.replace("hello", "bye"), "bye: \x1b[31mfor those who leave", &[]);
    // Nothing moves by itself.
    assert!(team.refused("bob", &["plan", "bye"]).contains("no runbook \"bye\""));
    let nobody = team.run("bob", &["source", "update"]);
    assert_eq!((nobody.code, team.locked("bob")["commit"].as_str()), (2, Some(first.as_str())), "{}", nobody.stdout);
    let moved = team.fine("bob", &["source", "update", "-y"]);
    for seen in [&first[..12], &second[..12], "ann: bye: ", "+name: bye", "for those who leave"] {
        assert!(moved.contains(seen), "{seen}: {moved}");
    }
    assert!(!moved.contains('\x1b'), "{moved:?}");

    // What it would run, and nothing of it has.
    let asked = team.refused("bob", &["plan", "bye", "-o", "json"]);
    assert!(asked.contains("nobody has trusted it") && asked.contains("runs on the target: true"), "{asked}");
    let planned = team.fine("bob", &["plan", "bye", "--trust", "-o", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&planned).unwrap()["exit"], 0, "{planned}");
    // At this commit, for good; at the next one it is asked anew.
    team.fine("bob", &["plan", "bye"]);
    team.push("bye.yaml", &HELLO.replace("hello", "bye").replace("'true'", "'! false'"), "bye: another way", &[]);
    team.fine("bob", &["source", "update", "ops", "-y"]);
    assert!(team.refused("bob", &["plan", "bye"]).contains("runs on the target: ! false"));

    // Every line is shown, not the first one alone.
    let long = "name: long\ntitle: long\nsteps:\n- name: s\n  check:\n    command:\n      sh: |\n        echo fine\n        rm -rf /tmp/nothing\n";
    team.push("long.yaml", long, "long", &[]);
    team.fine("bob", &["source", "update", "-y"]);
    assert!(team.refused("bob", &["plan", "long"]).contains("rm -rf /tmp/nothing"));

    // Explaining and finding run nothing, and need no trust.
    team.fine("bob", &["show", "bye"]);
    let found = team.fine("bob", &["find", "it says: the greeting is late"]);
    assert!(found.starts_with("bye\n") && found.contains("matches: the greeting is late"), "{found}");
    assert!(team.fine("bob", &["list"]).contains("hello is on its way"));
    team.fine("bob", &["source", "remove", "ops"]);
    assert!(team.refused("bob", &["plan", "bye"]).contains("no runbook \"bye\""));
}

/// The lock is text that a team commits; whoever has it has the same commit, and needs no network once it is there.
#[test]
fn a_lock_is_shared_and_works_offline() {
    let team = Team::new();
    let old = team.git("ann", &["rev-parse", "HEAD"]);
    team.fine("ann", &["source", "add", "--here", &team.url()]);
    let lock = fs::read_to_string(team.home("ann").join("runbook.lock")).unwrap();
    insta::assert_snapshot!(lock.replace(&team.url(), "URL").replace(&old, "COMMIT"), @r"
    # Written by `runbook source`. Commit it, and everybody runs the same commits.
    version: 1
    sources:
    - name: ops
      url: URL
      commit: COMMIT
    ");
    team.push("hello.yaml", &HELLO.replace("it greets", "it waves"), "hello: it waves", &[]);
    fs::create_dir(team.home("bob").join("below")).unwrap();
    fs::write(team.home("bob").join("runbook.lock"), lock).unwrap();
    let shown = team.command("bob", &["show", "hello"]).current_dir(team.home("bob").join("below")).output().unwrap();
    assert!(Done::from(shown).stdout.contains("it greets"));

    fs::rename(team.url(), team.desk.path("away.git")).unwrap();
    assert!(team.fine("bob", &["show", "hello"]).contains("it greets"));
    let offline = team.refused("bob", &["source", "update"]);
    assert!(offline.contains("does not appear to be a git repository"), "{offline}");
    // On another machine, where nothing was fetched yet: what comes with the program does not wait for it.
    let lock = fs::read_to_string(team.home("ann").join("runbook.lock")).unwrap();
    fs::remove_dir_all(team.home("bob").join(".cache")).unwrap();
    fs::write(team.home("bob").join("runbook.lock"), lock).unwrap();
    team.fine("bob", &["show", "ssh-refused"]);
    let list = team.run("bob", &["list"]);
    assert!(
        list.code == 0 && list.stdout.contains("ssh-refused") && list.stderr.contains("does not appear to be a git")
    );
    assert!(team.refused("bob", &["show", "hello"]).contains("does not appear to be a git repository"));
    fs::write(team.home("bob").join("runbook.lock"), "version: 1\nsources: [{name: x, url: y, commit: z}]\n").unwrap();
    assert!(team.refused("bob", &["show", "hello"]).contains("a commit of 40 or 64 hex digits"));
}

/// Signed by somebody whom the user's git knows, or not at all.
#[test]
fn only_signed_commits_are_taken_where_that_is_asked() {
    let team = Team::new();
    let (own, other) = (team.key("own"), team.key("other"));
    let public = fs::read_to_string(team.desk.path("own.pub")).unwrap();
    fs::write(team.desk.path("signers"), format!("ann@example.com {public}")).unwrap();
    assert!(
        team.refused("bob", &["source", "add", "--require-signed", &team.url()])
            .contains("is not signed by anybody you trust")
    );
    let sign = |key: &str, subject: &str| {
        fs::write(team.work().join("hello.yaml"), HELLO.replace("it greets", subject)).unwrap();
        team.git("ann", &["-c", key, "commit", "-qaS", "-m", subject]);
        team.git("ann", &["push", "-q", "--force", "origin", "HEAD:main"]);
        team.git("ann", &["rev-parse", "HEAD"])
    };
    let good = sign(&own, "signed");
    let added = team.fine("bob", &["source", "add", "--require-signed", &team.url()]);
    assert!(added.contains("signed by ann@example.com"), "{added}");
    let stays = |what: &str| {
        let said = team.refused("bob", &["source", "update", "-y"]);
        assert!(said.contains("is not signed by anybody you trust"), "{what}: {said}");
        assert!(!said.contains("sorry"), "nothing of it is shown: {said}");
        assert_eq!(team.locked("bob")["commit"], good.as_str(), "{what}");
        team.git("ann", &["reset", "-q", "--hard", &good]);
    };
    team.push("hello.yaml", &HELLO.replace("it greets", "sorry"), "sorry, no key here", &["--no-gpg-sign"]);
    stays("unsigned");
    sign(&other, "sorry, another key");
    stays("signed by a stranger");
    // The signature is Ann's, and the text is not.
    let commit = team.git("ann", &["cat-file", "commit", &good]).replace("\n\nsigned", "\n\nsorry") + "\n";
    assert!(commit.contains("sorry"));
    fs::write(team.desk.path("forged"), commit).unwrap();
    let forged =
        team.git("ann", &["hash-object", "-t", "commit", "-w", &team.desk.path("forged").display().to_string()]);
    team.git("ann", &["push", "-q", "--force", "origin", &format!("{forged}:refs/heads/main")]);
    stays("tampered with");
}

/// What can go wrong between here and a repository has a clear word and a way on.
#[test]
fn what_cannot_be_had_is_said_clearly() {
    let team = Team::new();
    let url = team.url();
    assert!(
        team.refused("bob", &["source", "add", "/nowhere/ops.git"]).contains("does not appear to be a git repository")
    );
    assert!(
        team.refused("bob", &["source", "add", &url, "--rev", "nope"])
            .contains("has no branch, tag or commit \"nope\"")
    );
    assert!(team.refused("bob", &["source", "add", &url, "--rev=--output=x"]).contains("\"--output=x\""));
    // Whatever helper of git's is on the PATH.
    let mark = team.desk.path("helped");
    let helper = team.desk.path("bin/git-remote-other");
    fs::create_dir_all(helper.parent().unwrap()).unwrap();
    fs::write(&helper, format!("#!/bin/sh\ntouch {}\n", mark.display())).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", helper.parent().unwrap().display(), std::env::var("PATH").unwrap());
    for url in [format!("ext::touch {}", mark.display()), "other::x".to_owned()] {
        let done = Done::from(team.command("bob", &["source", "add", &url]).env("PATH", &path).output().unwrap());
        assert!(done.code == 2 && done.stderr.contains("not allowed") && !mark.exists(), "{}", done.stderr);
    }
    assert!(team.refused("bob", &["plan", &format!("{url}//none.yaml")]).contains("has no file none.yaml"));
    assert!(team.refused("bob", &["plan", &format!("{url}//../../bob/.gitconfig")]).contains("has no file"));
    let none = Done::from(team.command("bob", &["source", "add", &url]).env("PATH", "/nowhere").output().unwrap());
    assert!(none.code == 2 && none.stderr.contains("git cannot be started"), "{}", none.stderr);
    team.fine("bob", &["source", "add", &url]);
    assert!(team.refused("bob", &["source", "add", &url]).contains("there is a source \"ops\" already"));
    assert!(team.refused("bob", &["plan", "ops/helo"]).contains("did you mean \"ops/hello\"?"));

    // A name that could mean two is an error that names both.
    team.push("ssh-refused.yaml", HELLO, "our own", &[]);
    team.fine("bob", &["source", "update", "-y"]);
    let two = team.refused("bob", &["show", "ssh-refused"]);
    assert!(two.contains("ops/ssh-refused") && two.contains("comes with the program"), "{two}");
    assert!(team.fine("bob", &["show", "ops/ssh-refused"]).contains("hello is on its way"));

    // Somebody rewrites history.
    team.git("ann", &["commit", "-q", "--amend", "-m", "as if it had always been so"]);
    team.git("ann", &["push", "-q", "--force", "origin", "HEAD:main"]);
    let before = team.locked("bob")["commit"].clone();
    let forced = team.refused("bob", &["source", "update", "-y"]);
    assert!(forced.contains("history was rewritten") && team.locked("bob")["commit"] == before, "{forced}");
    // What was locked is still to be had here, and nowhere else.
    team.fine("bob", &["show", "ops/hello"]);
    team.fine("bob", &["source", "update", "-y", "--force"]);
    assert_ne!(team.locked("bob")["commit"], before);
}

/// A url names one at a commit; nothing of the repository but its text is used.
#[test]
fn a_url_is_a_runbook_and_a_repository_runs_nothing() {
    let team = Team::new();
    let first = team.git("ann", &["rev-parse", "HEAD"]);
    team.push("ssh/more.yaml", "name: more\ntitle: more\nsteps:\n- include: ../steps/one.yaml\n", "more", &[]);
    team.push("steps/one.yaml", "- {name: shared, check: {command: 'true'}}\n", "one", &[]);
    let url = team.url();
    assert!(team.fine("bob", &["show", &format!("{url}//ssh/more.yaml@main")]).contains("shared"));
    assert!(team.fine("bob", &["show", &format!("{url}//hello.yaml@{first}")]).contains("it greets"));

    // Hooks, filters and links that lead out are the repository's, and nobody asked for them.
    let mark = team.desk.path("ran");
    let config = team.home("bob").join(".gitconfig");
    let hooks = team.home("bob").join("template/hooks");
    let touch = format!("touch {}", mark.display());
    fs::create_dir_all(&hooks).unwrap();
    for hook in ["post-checkout", "reference-transaction", "post-index-change"] {
        fs::write(hooks.join(hook), format!("#!/bin/sh\n{touch}\n")).unwrap();
        fs::set_permissions(hooks.join(hook), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let own = fs::read_to_string(&config).unwrap();
    let template = team.home("bob").join("template");
    let with = format!(
        "{own}[filter \"evil\"]\n\tsmudge = {touch}\n\trequired = true\n[init]\n\ttemplateDir = {}\n[core]\n\thooksPath = {}\n",
        template.display(),
        hooks.display()
    );
    fs::write(&config, with).unwrap();
    fs::write(team.work().join(".gitattributes"), "*.yaml filter=evil\n").unwrap();
    std::os::unix::fs::symlink("/etc/hostname", team.work().join("steps/link.yaml")).unwrap();
    std::os::unix::fs::symlink("/etc", team.work().join("out")).unwrap();
    let text = "name: out\ntitle: out\nsteps:\n- include: steps/link.yaml\n- include: out/hostname\n- include: ../../etc/hostname\n";
    team.push("out.yaml", text, "out", &[]);
    let said = team.refused("bob", &["lint", &format!("{url}//out.yaml")]);
    let gone = |what: &str| said.contains(&format!("cannot read \"{what}\": there is no such file"));
    assert!(gone("steps/link.yaml") && gone("out/hostname") && said.contains("leads out of the repository"), "{said}");
    assert!(!mark.exists());
}

/// What somebody has trusted is what runs: a commit, all of it, and nothing that is elsewhere.
#[test]
fn trust_is_of_a_commit_and_of_nothing_else() {
    let team = Team::new();
    let (good, url) = (team.git("ann", &["rev-parse", "HEAD"]), team.url());

    // A branch may have the name of a commit.
    let evil = team.push("hello.yaml", &HELLO.replace("'true'", "echo evil"), "evil", &[]);
    team.git("ann", &["push", "-q", "origin", &format!("{evil}:refs/heads/{good}")]);
    let shown = team.fine("bob", &["plan", &format!("{url}//hello.yaml@{good}"), "--trust", "-v"]);
    assert!(!shown.contains("evil"), "{shown}");
    team.push("hello.yaml", HELLO, "good again", &[]);

    // Runbooks and modules that are links are none: what they lead to could change at any time.
    let outside = team.desk.path("outside");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("theirs.yaml"), HELLO).unwrap();
    fs::write(outside.join("private.key"), "a secret of bob's").unwrap();
    std::os::unix::fs::symlink(&outside, team.work().join("runbooks")).unwrap();
    fs::create_dir_all(team.work().join("modules")).unwrap();
    std::os::unix::fs::symlink(outside.join("private.key"), team.work().join("modules/leak.sh")).unwrap();
    fs::write(team.work().join("odd\x1b]0;x\x07;touch pwned;.yaml"), HELLO).unwrap();
    let leak = "name: leak\ntitle: leak\nsteps:\n- {name: it leaks, check: {leak: {}}}\n";
    team.push("leak.yaml", leak, "links", &[]);
    let added = team.fine("bob", &["source", "add", &url]);
    assert!(added.contains("hello") && !added.contains("theirs"), "{added}");
    assert!(team.refused("bob", &["plan", "ops/leak", "--trust"]).contains("no module \"leak\""));
    for args in [&["list"][..], &["find", "the greeting is gone"]] {
        let said = team.fine("bob", args);
        assert!(said.contains("hello") && !said.contains('\x1b') && !said.contains("pwned"), "{said:?}");
    }

    // All of a program is in what is shown, also behind a NUL; and where it runs.
    let program = "#!/bin/sh\necho '{\"ok\": true}'\nexit 0\n";
    let own = "name: own\ntitle: own\nsteps:\n- {name: it is ours, check: {ours: {}}}\n";
    team.push("modules/ours", program, "a program", &[]);
    team.push("own.yaml", own, "its runbook", &[]);
    team.fine("bob", &["source", "update", "-y"]);
    let asked = team.refused("bob", &["plan", "ops/own"]);
    assert!(asked.contains("runs here: modules/ours") && asked.contains("exit 0"), "{asked}");
    team.push("modules/ours", &format!("{program}\0\ntouch /pwned\n"), "a small change", &[]);
    let update = team.fine("bob", &["source", "update", "-y"]);
    assert!(update.contains("touch /pwned"), "{update}");

    // With --yes nobody is asked about changes: then somebody has to have trusted them.
    let file = team.desk.path("made");
    let makes = format!(
        "name: makes\ntitle: makes\nsteps:\n- {{name: it is there, ensure: {{file: {{path: {}, content: x}}}}}}\n",
        file.display()
    );
    team.push("makes.yaml", &makes, "it makes a file", &[]);
    team.fine("bob", &["source", "update", "-y"]);
    assert_eq!(team.run("bob", &["plan", "ops/makes"]).code, 4);
    assert!(team.refused("bob", &["apply", "ops/makes", "-y"]).contains("it is not trusted") && !file.exists());
}

/// Somebody else's lock in a directory above is not read.
#[test]
fn a_strangers_lock_names_nothing() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return;
    }
    let team = Team::new();
    let lock = team.desk.path("runbook.lock");
    let text = format!("version: 1\nsources:\n- name: theirs\n  url: {}\n  commit: {}\n", team.url(), "0".repeat(40));
    fs::write(&lock, text).unwrap();
    assert!(team.run("bob", &["list"]).stderr.contains("theirs"));
    std::os::unix::fs::chown(&lock, Some(4711), None).unwrap();
    let listed = team.run("bob", &["list"]);
    assert!(listed.code == 0 && !listed.stderr.contains("theirs"), "{}", listed.stderr);
}

/// A key that merely lies in the keyring is nobody's word.
#[test]
fn a_key_that_nobody_trusts_signs_nothing() {
    if Command::new("gpg").arg("--version").output().is_err() {
        return;
    }
    let team = Team::new();
    let short = tempfile::Builder::new().prefix("g").tempdir_in("/tmp").unwrap();
    let gpg = |who: &str, args: &[&str]| {
        let home = short.path().join(who);
        fs::create_dir_all(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        let done = Command::new("gpg").arg("--homedir").arg(&home).args(["--batch", "--yes", "-q"]).args(args).output();
        Done::from(done.unwrap())
    };
    let name = "mallory@example.com";
    let made =
        gpg("ann", &["--passphrase", "", "--pinentry-mode", "loopback", "--quick-gen-key", name, "ed25519", "sign"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let key = short.path().join("key");
    gpg("ann", &["--output", key.to_str().unwrap(), "--export", name]);
    assert_eq!(gpg("bob", &["--import", key.to_str().unwrap()]).code, 0);
    let program = |who: &str| {
        let path = short.path().join(format!("gpg-{who}"));
        let home = short.path().join(who);
        fs::write(&path, format!("#!/bin/sh\nexec gpg --homedir {} \"$@\"\n", home.display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let config = team.home("bob").join(".gitconfig");
    let own = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{own}[gpg]\n\tformat = openpgp\n\tprogram = {}\n", program("bob").display())).unwrap();
    let sign = format!("gpg.program={}", program("ann").display());
    fs::write(team.work().join("hello.yaml"), format!("{HELLO}# signed\n")).unwrap();
    let how = [
        "-c",
        "gpg.format=openpgp",
        "-c",
        &sign,
        "-c",
        &format!("user.signingkey={name}"),
        "commit",
        "-q",
        "-S",
        "-a",
        "-m",
        "x",
    ];
    team.git("ann", &how);
    team.git("ann", &["push", "-q", "origin", "HEAD:main"]);
    let said = team.refused("bob", &["source", "add", &team.url(), "--require-signed"]);
    assert!(said.contains("not signed by anybody you trust"), "{said}");
    // Bob says whose it is.
    let listed = gpg("bob", &["--list-keys", "--with-colons"]).stdout;
    let print = listed.lines().find_map(|l| l.strip_prefix("fpr:")).unwrap().trim_matches(':').to_owned();
    let owner = short.path().join("owner");
    fs::write(&owner, format!("{print}:6:\n")).unwrap();
    assert_eq!(gpg("bob", &["--import-ownertrust", owner.to_str().unwrap()]).code, 0);
    team.fine("bob", &["source", "add", &team.url(), "--require-signed"]);
}

/// A lock in a directory adds to the user's own sources; of two with one name the nearer one counts.
#[test]
fn a_lock_here_hides_nobody_s_own_sources() {
    let team = Team::new();
    team.fine("ann", &["source", "add", "--name", "mine", &team.url()]);
    team.fine("ann", &["source", "add", "--here", "--name", "ours", &team.url()]);
    let listed = team.fine("ann", &["source", "list"]);
    assert!(listed.contains("mine  ") && listed.contains("ours  "), "{listed}");
    let shown = team.fine("ann", &["list"]);
    assert!(shown.contains("mine at ") && shown.contains("ours at "), "{shown}");
    // Each is removed from where it is.
    team.fine("ann", &["source", "remove", "mine"]);
    let listed = team.fine("ann", &["source", "list"]);
    assert!(!listed.contains("mine  ") && listed.contains("ours  "), "{listed}");
}
