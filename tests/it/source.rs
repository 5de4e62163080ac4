//! Runbooks of git repositories, by real git: a team shares them, each at a commit that somebody has looked at.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{BIN, Desk, Done};

const HELLO: &str = "name: hello\ntitle: hello is on its way\nanswers: ['the greeting is (gone|late)']\nsteps:\n- {name: it greets, check: {command: 'true'}}\n";

/// A bare repository and those who work with it, each with a home of their own.
struct Team {
    desk: Desk,
}

impl Team {
    fn new() -> Self {
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
    fn url(&self) -> String {
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
    fn push(&self, path: &str, text: &str, subject: &str, how: &[&str]) -> String {
        let file = self.work().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        self.git("ann", &["add", "-A"]);
        self.git("ann", &[&["commit", "-q", "-m", subject], how].concat());
        self.git("ann", &["push", "-q", "--force", "origin", "HEAD:main"]);
        self.git("ann", &["rev-parse", "HEAD"])
    }
    fn command(&self, who: &str, args: &[&str]) -> Command {
        let mut c = Command::new(BIN);
        c.args(args).current_dir(self.home(who)).env("HOME", self.home(who)).env("GIT_CONFIG_NOSYSTEM", "1");
        for v in ["XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "RUNBOOK_LOCK"] {
            c.env_remove(v);
        }
        c.stdin(Stdio::null());
        c
    }
    fn run(&self, who: &str, args: &[&str]) -> Done {
        self.command(who, args).output().unwrap().into()
    }
    fn fine(&self, who: &str, args: &[&str]) -> String {
        let done = self.run(who, args);
        assert_eq!(done.code, 0, "{args:?}: {}{}", done.stdout, done.stderr);
        done.stdout
    }
    /// What is said to bad input.
    fn refused(&self, who: &str, args: &[&str]) -> String {
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
    assert!(found.starts_with("bye\n") && found.contains("it answers: the greeting is late"), "{found}");
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
    assert!(team.refused("bob", &["source", "add", &url, "--rev", "--output=x"]).contains("error"));
    assert!(team.refused("bob", &["source", "add", "ext::sh -c 'touch /tmp/x'"]).contains("error"));
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
    fs::write(team.work().join(".gitattributes"), "*.yaml filter=evil\n").unwrap();
    std::os::unix::fs::symlink("/etc/hostname", team.work().join("steps/link.yaml")).unwrap();
    std::os::unix::fs::symlink("/etc", team.work().join("out")).unwrap();
    let text = "name: out\ntitle: out\nsteps:\n- include: steps/link.yaml\n- include: out/hostname\n- include: ../../etc/hostname\n";
    team.push("out.yaml", text, "out", &[]);
    let said = team.refused("bob", &["lint", &format!("{url}//out.yaml")]);
    assert!(
        said.contains("a symbolic link leads out of the repository") && said.contains("leads out of the repository"),
        "{said}"
    );
    assert!(!Path::new("/tmp/x").exists());
}
