//! `runbook test` and `runbook new`; and every shipped runbook on hosts that are files, recorded from the lab's
//! (`RUNBOOK_RECORD`, see CONTRIBUTING.md).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use runbook::book::{self, Runbook};
use runbook::fixture::{self, Expected, Fixture};
use runbook::plan::{Plan, StepStatus};

use crate::support::{Desk, Done, bin};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn run(desk: &Desk, args: &[&str]) -> Done {
    Command::new(bin()).args(args).current_dir(desk.path("")).output().unwrap().into()
}

/// Causes that no fixture has: a stand-in of a cloud's own program shows the first (clouds.rs); the other is only found once
/// a first round has started sshd, and a fixture is of one (the lab's `sandbox_network`).
const ELSEWHERE: &[&str] = &["the cloud's firewall lets the client in", "nothing keeps a running sshd from listening"];

/// What a module answered has every field that its table lists, and no other.
fn fields_are_listed(book: &Runbook, plan: &Plan) {
    for of in &plan.steps {
        let answered = of.result.as_object().filter(|r| r.contains_key("evidence"));
        let Some((call, answered)) = book.steps[of.step].check.as_ref().zip(answered) else { continue };
        let spec = call.module.spec();
        // What only mends says nothing about the login.
        if spec.name == "login" && call.params.contains_key("mend") {
            continue;
        }
        let listed = spec.fields.iter().map(|f| f.name).chain(["ok", "status", "evidence"]).collect();
        assert_eq!(answered.keys().map(String::as_str).collect::<BTreeSet<_>>(), listed, "{}", spec.name);
    }
}

/// Every fixture of a shipped runbook passes, and each cause that it repairs, or leaves to a person, is found in one.
fn passes(name: &str) {
    let path = root().join(format!("runbooks/{name}.yaml"));
    let book = book::load(&path).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = fixture::folder(&path);
    let (mut seen, mut wrong) = (BTreeSet::new(), Vec::new());
    for case in fixture::names(&folder) {
        let fixture = Fixture::read(&folder, &case).unwrap();
        let (plan, missing) = runtime.block_on(fixture.plan(&book)).unwrap();
        let expected = Expected::read(&fixture.dir.join(fixture::EXPECT)).unwrap();
        if !missing.is_empty() || expected.as_ref() != Some(&Expected::of(&plan)) {
            wrong.push(case);
        }
        let at_fault = |s: StepStatus| matches!(s, StepStatus::Change | StepStatus::Manual | StepStatus::Failed);
        fields_are_listed(&book, &plan);
        seen.extend(plan.steps.iter().filter(|s| at_fault(s.status)).map(|s| s.step));
    }
    assert!(wrong.is_empty(), "see runbook test runbooks/{name}.yaml: {wrong:?}");
    let causes = book.steps.iter().enumerate().filter(|(_, s)| !s.looks_only());
    let open = causes.filter(|(n, s)| !seen.contains(n) && !ELSEWHERE.contains(&s.name.text.as_str()));
    let open: Vec<&str> = open.map(|(_, s)| s.name.text.as_str()).collect();
    assert!(open.is_empty(), "no fixture of {name} has these causes: {open:#?}");
}

macro_rules! shipped {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            passes($name);
        })*

        #[test]
        fn every_shipped_runbook_is_here() {
            let here: BTreeSet<&str> = [$($name),*].into();
            let shipped: BTreeSet<&str> = book::SHIPPED.iter().map(|s| s.name).collect();
            assert_eq!(here, shipped);
        }
    };
}

shipped! {
    disk_full: "disk-full",
    fstab_broken: "fstab-broken",
    ssh_closed: "ssh-closed",
    ssh_permission_denied: "ssh-permission-denied",
    ssh_prevent: "ssh-prevent",
    ssh_refused: "ssh-refused",
    ssh_timeout: "ssh-timeout",
    sudo_broken: "sudo-broken",
}

/// A new runbook lints and passes its own test; a change of it shows as a diff, and is written down when asked for.
#[test]
fn a_new_runbook_is_a_tested_one() {
    let desk = Desk::new();
    let made = run(&desk, &["new", "mail-queue"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert!(made.stdout.contains("runbook test mail-queue.yaml"), "{}", made.stdout);
    assert_eq!(run(&desk, &["lint", "mail-queue.yaml"]).stdout, "1 file: no errors, 0 warnings\n");
    let passed = run(&desk, &["test", "mail-queue.yaml"]);
    assert_eq!((passed.code, passed.stdout.lines().last()), (0, Some("3 passed")), "{}", passed.stdout);
    let again = run(&desk, &["new", "mail-queue"]);
    assert!(again.code == 2 && again.stderr.contains("is there already"), "{}", again.stderr);
    for bad in ["", "../x", "Upper", "-x"] {
        assert_eq!(run(&desk, &["new", "--", bad]).code, 2, "{bad}");
    }

    let file = desk.path("mail-queue.yaml");
    let text = fs::read_to_string(&file).unwrap().replace("cannot write", "may not write");
    fs::write(&file, text).unwrap();
    let failed = run(&desk, &["test", "mail-queue.yaml"]);
    assert_eq!(failed.code, 1);
    for part in [
        "  FAIL    denied\n",
        "    -  says: mail-queue cannot write",
        "    +  says: mail-queue may not",
        "2 passed, 1 failed",
    ] {
        assert!(failed.stdout.contains(part), "{part}: {}", failed.stdout);
    }
    let junit = run(&desk, &["test", "mail-queue.yaml", "-o", "junit"]).stdout;
    assert!(junit.contains("<testsuite name=\"mail-queue.yaml\" tests=\"3\" failures=\"1\""), "{junit}");
    let json: serde_json::Value =
        serde_json::from_str(&run(&desk, &["test", "mail-queue.yaml", "-o", "json"]).stdout).unwrap();
    assert_eq!(json["fixtures"][0]["outcome"], "fail");
    assert_eq!(run(&desk, &["test", "mail-queue.yaml", "--update"]).code, 0);
    assert_eq!(run(&desk, &["test", "mail-queue.yaml"]).code, 0);
}

/// What is wrong with a fixture is said with its place.
#[test]
fn a_fixture_that_is_wrong_says_where() {
    let desk = Desk::new();
    run(&desk, &["new", "demo"]);
    let host = desk.path("tests/demo/denied/host.yaml");
    let good = fs::read_to_string(&host).unwrap();
    for (text, said) in [
        ("facts: [", "host.yaml: "),
        ("nonsense: 1\n", "unknown field `nonsense`"),
        ("from: ../healthy\n", "from: ../healthy is no fixture beside this one"),
        ("from: denied\n", "from: denied is no fixture beside this one"),
        ("about: nothing is said\n", "  facts\n"),
        ("from: healthy\nvars: {nope: 1}\n", "vars: "),
        ("from: healthy\nfiles: {/a/../../x: {kind: directory}}\nanswers: {}\n", ""),
    ] {
        fs::write(&host, text).unwrap();
        let done = run(&desk, &["test", "demo.yaml", "--only", "denied"]);
        assert!(done.code == 1 || said.is_empty(), "{text}: {}", done.stdout);
        assert!(done.stdout.contains(said), "{text}: {}", done.stdout);
    }
    fs::write(&host, good.replace("  $ test -w /var/lib/demo: {status: 1}", "  $ other: x")).unwrap();
    assert_eq!(run(&desk, &["test", "demo.yaml", "--only", "denied"]).code, 1);
    let done = run(&desk, &["test", "demo.yaml", "--only", "none"]);
    assert!(done.code == 2 && done.stderr.contains("there are: denied, healthy, stopped"), "{}", done.stderr);
    fs::remove_dir_all(desk.path("tests")).unwrap();
    let done = run(&desk, &["test", "demo.yaml"]);
    assert!(done.code == 2 && done.stderr.contains("--record"), "{}", done.stderr);
    let noted = run(&desk, &["lint", "demo.yaml"]);
    assert_eq!(noted.stdout, "1 file: no errors, 0 warnings, untested (see runbook test)\n");
}

/// Of a real machine: its files, its answers, and no secret of them; played back, it is the same host.
#[test]
fn a_host_is_recorded_without_its_secrets() {
    let desk = Desk::new();
    let disk = desk.path("disk/etc");
    fs::create_dir_all(&disk).unwrap();
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----\n";
    fs::write(disk.join("app.conf"), format!("user = me\nurl = http://me:hunter22@db/\n{key}token = sesame-street\n"))
        .unwrap();
    let text = "name: app\ntitle: app\nvars: {token: {type: secret, from: {env: TOKEN}}}\nsteps:\n\
                - {name: it is on, ensure: {edit: {path: /etc/app.conf, line: 'on = 1'}}}\n\
                - {name: it has the token, check: {edit: {path: /etc/app.conf, line: 'token = {{ token }}'}}}\n";
    desk.write("app.yaml", text);
    let via = format!("root:{}", desk.path("disk").display());
    let args = ["test", "app.yaml", "--record", "off", "--via", &via, "--about", "it is off"];
    let made =
        Command::new(bin()).args(args).current_dir(desk.path("")).env("TOKEN", "sesame-street").output().unwrap();
    let made = Done::from(made);
    let all = |dir: &str| -> String {
        let grep = Command::new("grep").args(["-r", ""]).arg(desk.path(dir)).output().unwrap();
        String::from_utf8(grep.stdout).unwrap()
    };
    let kept = all("tests/app/off");
    for secret in ["hunter22", "b3BlbnNzaC1rZXk", "sesame-street"] {
        assert!(!kept.contains(secret), "{secret}: {kept}");
    }
    assert!(kept.contains("user = me") && kept.contains("+on = 1"), "{kept}");
    // What the runbook knows to be a secret has a stand-in here and there, so the plan is the same one.
    assert!(made.code == 0 && made.stderr.starts_with("note: its diffs"), "{}{}", made.stdout, made.stderr);
    assert!(!made.stderr.contains("b3BlbnNzaC1rZXk"), "{}", made.stderr);
    let twice = Command::new(bin()).args(args).current_dir(desk.path("")).env("TOKEN", "x").output().unwrap();
    assert_eq!(Done::from(twice).code, 2);
}
