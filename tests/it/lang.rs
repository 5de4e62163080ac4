//! The corpus of bad inputs, through the built binary: what a person reads who made the mistake.
//!
//! A file is named after the rule that it breaks, `RULE.yaml` or `RULE.variant.yaml`; what is printed for all files of
//! a folder is one snapshot under `fixtures/lang/`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/lang")
}

/// A repository with a copy of the corpus, so that messages name short paths and nothing leads out of it by chance.
struct Repo(tempfile::TempDir);

/// What a run printed, and whether it could have touched the target: the channel leaves a mark.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Repo {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let run = |program: &str, args: &[&str]| {
            assert!(Command::new(program).args(args).current_dir(dir.path()).status().unwrap().success());
        };
        run("cp", &["-r", &format!("{}/.", fixtures().display()), "."]);
        std::fs::create_dir(dir.path().join(".git")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("lint/steps/outside.yaml")).unwrap();
        Self(dir)
    }

    fn run(&self, args: &[&str]) -> Ran {
        let out = Command::new(crate::support::bin())
            .args(args)
            .current_dir(self.0.path())
            .env_clear()
            .env("HOME", self.0.path())
            .output()
            .unwrap();
        assert!(!self.0.path().join("ran").exists(), "{args:?} ran something");
        let text = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            assert!(!text.contains("panicked"), "{text}");
            text.replace(&*self.0.path().to_string_lossy(), "REPO")
        };
        Ran { code: out.status.code(), stdout: text(&out.stdout), stderr: text(&out.stderr) }
    }

    /// `plan` over a channel that would leave a mark.
    fn plan(&self, args: &[&str]) -> Ran {
        self.run(&[&["plan"], args, &["--via", "exec:touch ran; exit 1"]].concat())
    }
}

/// The rule that a file is named after.
fn rule(file: &str) -> &str {
    file.split('.').next().unwrap_or(file)
}

fn corpus(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(fixtures().join(folder)).unwrap();
    let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|n| n.ends_with(".yaml")).collect();
    names.sort();
    names
}

/// Every error has its place, its line with a caret, and a hint.
fn complete(text: &str, level: &str) {
    let place = Regex::new(r"(?m)^ *--> \S.*:\d+:\d+$").unwrap();
    let caret = Regex::new(r"(?m)^ *\| .*\^").unwrap();
    let errors: Vec<&str> = text.split(&format!("{level}: ")).skip(1).collect();
    assert!(!errors.is_empty(), "{text}");
    for e in errors {
        assert!(place.is_match(e), "no place: {e}");
        assert!(caret.is_match(e), "no caret: {e}");
        assert!(e.contains("= hint: "), "no hint: {e}");
    }
}

fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(fixtures());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn runbooks_that_are_wrong() {
    let repo = Repo::new();
    let mut all = String::new();
    for name in corpus("lint") {
        let file = format!("lint/{name}");
        let ran = repo.run(&["lint", &file]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{name}");
        complete(&ran.stderr, "error");
        let json = repo.run(&["lint", "-o", "json", &file]).stdout;
        assert!(json.contains(&format!("\"rule\":\"{}\"", rule(&name))), "{name}: {json}");
        // It is refused alike by what would run it.
        assert_eq!(repo.plan(&[&file]).stderr, ran.stderr, "{name}");
        // Of a hundred errors alike the last one tells enough.
        let last = ran.stderr.rfind("\nerror: ").filter(|_| rule(&name) == "too-many");
        let shown = &ran.stderr[last.map_or(0, |at| at + 1)..];
        all.push_str(&format!("===== {name}\n{shown}\n"));
    }
    snapshot("lint", &all);
}

#[test]
fn runbooks_that_are_unwise() {
    let repo = Repo::new();
    let mut all = String::new();
    for name in corpus("warn") {
        let file = format!("warn/{name}");
        let ran = repo.run(&["lint", &file]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{name}");
        complete(&ran.stdout, "warning");
        let json = repo.run(&["lint", "-o", "json", &file]).stdout;
        assert!(json.contains(&format!("\"rule\":\"{}\"", rule(&name))), "{name}: {json}");
        all.push_str(&format!("===== {name}\n{}\n", ran.stdout));
    }
    snapshot("warn", &all);
}

#[test]
fn inventories_that_are_wrong() {
    let repo = Repo::new();
    let mut all = String::new();
    for name in corpus("inventory") {
        let ran = repo.plan(&["vars.yaml", "-t", "web1", "-i", &format!("inventory/{name}")]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{name}");
        complete(&ran.stderr, "error");
        all.push_str(&format!("===== {name}\n{}\n", ran.stderr));
    }
    snapshot("inventory", &all);
}

/// The rule, and the variables that are given.
const GIVEN: &[(&str, &[&str])] = &[
    ("usage", &["port", "port=22"]),
    ("unknown-variable", &["port=22", "prot=22", "password=hunter2"]),
    ("missing-variable", &[]),
    ("variable-type", &["port=ssh"]),
    ("variable-type", &["port=0", "bool=yes", "enum=servr", "ip=1.2.3", "path=etc/x", "duration=soon", "int=1.5"]),
    ("variable-type", &["port=22", "user=", "key="]),
    ("variable-type", &["port=22", "user=a b", "key=foo"]),
    ("variable-type", &["port=22", "key=SHA256:abc"]),
    ("variable-type", &["port=22", "key=./given.yaml"]),
    ("variable-type", &["@given.yaml"]),
    ("wrong-type", &["@given-list.yaml"]),
    ("tab", &["@lint/tab.yaml"]),
];

#[test]
fn variables_that_are_wrong() {
    let repo = Repo::new();
    let mut all = String::new();
    for (_, given) in GIVEN {
        let args: Vec<&str> = given.iter().flat_map(|g| ["-e", g]).collect();
        let ran = repo.plan(&[&["vars.yaml"][..], &args].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{given:?}");
        complete(&ran.stderr, "error");
        assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
        all.push_str(&format!("===== {}\n{}\n", args.join(" "), ran.stderr));
    }
    snapshot("given", &all);
}

/// What has no text to point into: the rule, and the command.
const NO_FILE: &[(&str, &[&str])] = &[
    ("unreadable", &["lint", "missing.yaml"]),
    ("unreadable", &["show", "./lint"]),
    ("unreadable", &["plan", "vars.yaml", "-e", "@missing.yaml"]),
    ("unreadable", &["plan", "vars.yaml", "-i", "missing.yaml", "-t", "web1"]),
    ("unknown-runbook", &["lint", "ssh-refusde"]),
    ("unknown-runbook", &["show", "nonsense"]),
    ("ambiguous", &["lint", "ssh-refused"]),
];

#[test]
fn files_that_are_not_there() {
    let repo = Repo::new();
    std::fs::write(repo.0.path().join("ssh-refused"), "").unwrap();
    let mut all = String::new();
    for (_, args) in NO_FILE {
        let ran = repo.run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
        all.push_str(&format!("===== {}\n{}\n", args.join(" "), ran.stderr));
    }
    snapshot("no-file", &all);
}

#[test]
fn what_is_fine_is_silent() {
    let repo = Repo::new();
    let ran = repo.run(&["lint", "vars.yaml"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "1 file: no errors, 0 warnings, untested (see runbook test)\n")
    );
    let json = repo.run(&["lint", "-o", "json", "vars.yaml"]).stdout;
    assert!(json.contains("\"rule\":\"untested\"") && json.contains("\"warnings\":[]"), "{json}");
    let ran = repo.run(&["lint", "lint/steps/../../vars.yaml", "vars.yaml"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

/// Rules that other tests show: too large to keep (`lang_hostile.rs`), of a file's name (`hand.rs`), or no error.
const ELSEWHERE: &[&str] = &["too-large", "secret-on-command-line", "untested", "file-name-differs"];

#[test]
fn every_rule_has_an_example() {
    let mut shown: BTreeSet<String> = ELSEWHERE.iter().map(|r| (*r).to_owned()).collect();
    shown.extend(GIVEN.iter().chain(NO_FILE).map(|(rule, _)| (*rule).to_owned()));
    for folder in ["lint", "warn", "inventory"] {
        shown.extend(corpus(folder).iter().map(|n| rule(n).to_owned()));
    }
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let in_src: BTreeSet<String> = ["book", "inventory", "cli"].iter().flat_map(|d| rules(&src.join(d))).collect();
    assert!(in_src.len() > 40, "{in_src:?}");
    assert_eq!(in_src.difference(&shown).collect::<Vec<_>>(), Vec::<&String>::new(), "rules without an example");
    assert_eq!(shown.difference(&in_src).collect::<Vec<_>>(), Vec::<&String>::new(), "examples of no rule");
}

/// The rule ids in the sources below a directory: the first word in quotes, followed by a comma, of a diagnostic.
fn rules(dir: &Path) -> BTreeSet<String> {
    let made =
        Regex::new(r#"(?s)(?:Diagnostic::(?:at|new)|at_key)\((?:[^"]|"\.|"[^",]*"\.)*?"([a-z0-9-]+)","#).unwrap();
    let mut out = BTreeSet::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            out.extend(rules(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            out.extend(made.captures_iter(code).map(|c| c[1].to_owned()));
        }
    }
    out
}
