//! Small runbooks that went wrong when others wrote them (fixtures/authoring): each in its kind.

use std::time::Instant;

use serde_json::json;

use crate::bench::Bench;
use crate::support::{Host, Run, fixture};

/// A host with a service of its own and packages to install.
fn host(tag: &str) -> Option<Host> {
    let host = Host::up(tag)?;
    host.sh(include_str!("fixtures/authoring/host.sh"));
    Some(host)
}

fn run(host: &Host, verb: &str, book: &str) -> Run {
    host.run(verb, &fixture(&format!("authoring/{book}.yaml")), None, &[])
}

/// One word or text of each step of a round.
fn each(run: &Run, round: usize, key: &str) -> Vec<String> {
    let steps = run.json["rounds"][round]["steps"].as_array().cloned().unwrap_or_default();
    steps.iter().map(|s| s[key].as_str().unwrap_or_default().to_owned()).collect()
}

fn titles(run: &Run, round: usize) -> Vec<String> {
    run.changes(round).iter().map(|c| c["title"].as_str().unwrap_or_default().to_owned()).collect()
}

/// t1.
#[test]
fn a_default_is_made_from_other_variables() {
    let b = Bench::new();
    let book = |vars: &str| {
        let steps = "steps:\n- {name: s, check: {command: 'echo {{ conf }}'}, condition: true, finding: '{{ check.stdout }}', manual: x}";
        b.write("book.yaml", &format!("name: book\ntitle: t\nvars:\n{vars}{steps}\n"));
    };
    let finding = |args: &[&str]| {
        let run = b.run(&[&["plan", "./book.yaml", "-o", "json"], args].concat());
        run.json["rounds"][0]["steps"][0]["finding"].as_str().unwrap_or(&run.text).to_owned()
    };
    book(
        "  conf: {type: path, default: '/etc/pg/{{ v }}/{{ name }}'}\n  name: {type: string, default: 'c{{ v }}'}\n  v: {type: int, default: 15}\n",
    );
    assert_eq!(finding(&[]), "/etc/pg/15/c15");
    assert_eq!(finding(&["-e", "v=16"]), "/etc/pg/16/c16");
    assert_eq!(finding(&["-e", "v=16", "-e", "conf=/x"]), "/x");
    assert!(!b.run(&["lint", "./book.yaml"]).text.contains("never used"));
    // A value of the wrong type is found when it is made.
    book("  conf: {type: path, default: '{{ v }}/x'}\n  v: {type: string, default: here}\n");
    let said = b.run(&["plan", "./book.yaml"]).expect(2).text;
    assert!(said.contains("conf: \"here/x\" is not an absolute path"), "{said}");
    for (vars, said) in [
        (
            "  conf: {type: string, default: '{{ a }}'}\n  a: {type: string, default: '{{ conf }}'}\n",
            "these defaults need one another: conf, a, conf",
        ),
        ("  conf: {type: string, default: '{{ nosuch }}'}\n", "\"nosuch\" is no variable"),
        ("  conf: {type: string, default: '{{ facts.hostname }}'}\n", "\"facts\" is no variable"),
        (
            "  conf: {type: string, default: '{{ s }}'}\n  s: {type: secret, from: prompt}\n",
            "would show the secret \"s\"",
        ),
        ("  conf: {type: string, default: '{{ 1 + }}'}\n", "syntax"),
    ] {
        book(vars);
        let lint = b.run(&["lint", "./book.yaml"]).expect(2);
        assert!(lint.text.contains(said), "{}", lint.text);
    }
}

/// t2: what runs is what is printed.
#[test]
fn a_validation_is_shown_as_it_runs() {
    let b = Bench::new();
    b.write(
        "book.yaml",
        "name: book\ntitle: t\nvars: {v: {type: int, default: 2}}\nhandlers:\n\
         - {id: h, validate: {command: \"grep -q 'a = {{ v }}' DIR/conf\"}, command: {run: 'true', writes: []}}\n\
         steps:\n- {name: s, ensure: {edit: {path: DIR/conf, line: a = 3, create: true}}, notify: [h]}\n",
    );
    let run = b.run(&["plan", "./book.yaml"]).expect(1);
    assert!(run.text.contains("pass command grep -q 'a = 2'") && !run.text.contains("{{"), "{}", run.text);
    let run = b.run(&["plan", "./book.yaml", "-e", "v=3"]).expect(4);
    assert!(run.text.contains("pass command grep -q 'a = 3'") && !run.text.contains("{{"), "{}", run.text);
}

/// t6.
#[test]
fn an_empty_list_of_writes_is_nothing() {
    let b = Bench::new();
    let statuses = |writes: &str| {
        b.write(
            "book.yaml",
            &format!(
                "name: book\ntitle: t\nsteps:\n\
                 - {{name: one, check: {{command: test -e DIR/one}}, remediation: [{{command: {{run: touch DIR/one{writes}}}}}]}}\n\
                 - {{name: two, ensure: {{edit: {{path: DIR/two, line: x, create: true}}}}}}\n"
            ),
        );
        b.plan().statuses().join(" ")
    };
    assert_eq!(statuses(""), "change unknown", "it may write what two looks at");
    assert_eq!(statuses(", writes: []"), "change change");
    b.apply().expect(0);
    assert!(b.path("one").exists() && b.path("two").exists());
}

/// t7: a check looks when the steps that it needs have come to their end, also those behind them, and those that its
/// `when` asks for.
#[test]
fn a_check_waits_for_the_steps_that_it_needs() {
    let b = Bench::new();
    b.write(
        "book.yaml",
        "name: book\ntitle: t\nsteps:\n\
         - {name: one, id: one, check: {command: DIR/one-sleeps 1; date +%s%N}}\n\
         - {name: two, id: two, needs: [one], check: {file: DIR/book.yaml}}\n\
         - {name: three, needs: [two], check: {command: date +%s%N}}\n\
         - {name: four, when: steps.one.ok, check: {process: {name: one-sleeps}}, condition: 'false'}\n\
         - {name: free, check: {command: date +%s%N; sleep 1}}\n",
    );
    std::fs::copy("/bin/sleep", b.path("one-sleeps")).unwrap();
    let begun = Instant::now();
    let run = b.plan().expect(0);
    let result = |n: usize, key: &str| run.json["rounds"][0]["steps"][n]["result"][key].clone();
    let at = |n: usize| result(n, "stdout").as_str().unwrap().parse::<u128>().unwrap();
    assert!(at(2) >= at(0), "three ran before one had ended: {}", run.text);
    assert!(at(4) < at(0), "what needs nothing does not wait");
    assert_eq!(result(3, "processes"), json!([]), "four saw one at work: {}", run.text);
    assert!(begun.elapsed().as_secs() < 20);
}

/// t8: as everywhere else, `reads` may have templates.
#[test]
fn what_a_check_reads_is_rendered() {
    let b = Bench::new();
    let write = |reads: &str| {
        b.write(
            "book.yaml",
            &format!(
                "name: book\ntitle: t\nvars: {{dir: {{type: path, default: DIR}}}}\nsteps:\n\
                 - {{name: edit, ensure: {{edit: {{path: DIR/conf, line: x, create: true}}}}}}\n\
                 - {{name: sees, check: {{command: grep -q x DIR/conf}}, reads: ['{reads}']}}\n"
            ),
        );
    };
    let book = |reads: &str| {
        write(reads);
        let run = b.plan();
        (run.statuses().join(" "), run.text)
    };
    // Only what reads the file is tried on its new content.
    assert_eq!(book("file:{{ dir }}/conf").0, "change ok");
    assert_eq!(book("file:{{ dir }}/other").0, "change failed");
    let (_, text) = book("{{ dir }}");
    assert!(text.contains("is no resource"), "{text}");
    write("unit:{{ nosuch }}");
    let lint = b.run(&["lint", "./book.yaml"]).expect(2);
    assert!(lint.text.contains("\"nosuch\" is not defined"), "{}", lint.text);
}

/// t4, t9, t12.
#[test]
fn what_is_wrong_is_said() {
    let Some(host) = host("said-small") else { return };
    host.sh("systemctl start app; for f in a b c; do echo x >/etc/t4$f; chmod 644 /etc/t4$f; done");
    let t4 = run(&host, "plan", "t4");
    let mode = |f: &str| format!("/etc/t4{f}: mode is 0644, should be 0600");
    assert_eq!(
        each(&t4, 0, "evidence"),
        [
            mode("a"),
            mode("b"),
            "/etc/t4c: its content is another one; mode is 0644, should be 0600".to_owned(),
            "/etc/t4d does not exist, and no content is given to create it with".to_owned(),
        ]
    );

    let t12 = run(&host, "plan", "t12");
    let hint = "parents: true makes it, with all that is missing above it";
    assert_eq!(each(&t12, 0, "hint")[..2], [hint, hint], "{}", t12.seen());
    assert_eq!(each(&t12, 0, "finding")[2], "app.service is running, should be stopped");
    let book = std::fs::read_to_string(fixture("authoring/t12.yaml")).unwrap();
    let book = book
        .replace("state: directory", "state: directory, parents: true")
        .replace(", content", ", parents: true, content");
    let path = host.desk.write("t12.yaml", &book);
    let t12 = host.run("apply", &path, None, &[]);
    let last = t12.json["rounds"].as_array().unwrap().len() - 1;
    assert_eq!(each(&t12, last, "status"), ["ok", "ok", "ok", "ok", "failed", "ok"], "{}", t12.seen());
    assert_eq!(
        each(&t12, last, "hint")[4],
        "its repair has nothing to do (nothing to do: true), and the fault is there"
    );
    host.sh("test -d /opt/a/b/c && test -f /opt/x/y.conf && grep -q '^10.0.0.2 b' /etc/hosts && ! systemctl -q is-active app");
    let back = host.run("undo", std::path::Path::new(t12.json["run"].as_str().unwrap()), None, &["-y"]);
    host.sh("test ! -e /opt/a && test ! -e /opt/x && ! grep -q '^10.0.0.2 b' /etc/hosts && systemctl -q is-active app");
    assert_eq!(back.exit, 1, "the command of that step has no undo: {}", back.seen());

    host.sh(
        r#"mkdir -p /etc/docker
printf '[plugins]\n  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]\n    SystemdCgroup = false\n' >/etc/docker/config.toml
printf 'global:\n  scrape_interval: 15s # short\n  other: 1\n' >/etc/docker/p.yml"#,
    );
    let t9 = run(&host, "apply", "t9");
    assert_eq!(t9.exit, 0, "{}", t9.seen());
    host.sh("grep -qx '    SystemdCgroup = true' /etc/docker/config.toml && grep -qx '  scrape_interval: 30s' /etc/docker/p.yml");
    assert_eq!(run(&host, "plan", "t9").exit, 0);
}

/// t5, t14: what a package brings is judged when it is there; what its installation takes away is shown, and comes back.
#[test]
fn install_then_configure_then_start() {
    let Some(host) = host("install") else { return };
    let t14 = run(&host, "plan", "t14");
    let attributes = &t14.changes(0)[0]["attributes"];
    assert_eq!(*attributes, json!(["removes clock 1.0", "changes libclock from 1.0 to 2.0"]), "{}", t14.seen());

    let t5 = run(&host, "plan", "t5");
    assert_eq!((t5.exit, each(&t5, 0, "status")), (4, ["change", "unknown", "unknown"].map(str::to_owned).to_vec()));
    assert_eq!(
        each(&t5, 0, "evidence")[1..],
        ["it waits for: chrony is installed", "it waits for: chrony is installed"]
    );
    assert_eq!(titles(&t5, 0), ["run apt-get: install chrony"]);
    // Without `needs` too: a file and a unit that are not there may come with it.
    let book = std::fs::read_to_string(fixture("authoring/t5.yaml")).unwrap().replace("    needs: [pkg]\n", "");
    let free = host.run("plan", &host.desk.write("t5.yaml", &book), None, &[]);
    assert_eq!(each(&free, 0, "evidence"), each(&t5, 0, "evidence"), "{}", free.seen());

    let t5 = run(&host, "apply", "t5");
    assert_eq!(t5.exit, 0, "{}", t5.seen());
    let conf = host.sh("cat /etc/default/chrony");
    assert!(
        conf.starts_with("# This is a configuration file") && conf.ends_with("\nDAEMON_OPTS=\"-F 1 -x\"\n"),
        "{conf}"
    );
    assert_eq!(host.sh("systemctl is-active chrony; systemctl is-enabled chrony"), "active\nenabled\n");
    assert_eq!(run(&host, "apply", "t5").all_changes(), 0);

    let id = t5.json["run"].as_str().unwrap().to_owned();
    let back = host.run("undo", std::path::Path::new(&id), None, &["-y"]);
    assert_eq!(back.exit, 0, "{}", back.seen());
    let there = host.sh("dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n' chrony clock libclock");
    assert_eq!(there, "chrony 4.3 rc \nclock 1.0 ii \nlibclock 1.0 ii \n");

    // A package that another one needs by now is not taken away with it, and undo says so.
    let clock = "name: clock\ntitle: t\nsteps:\n- {name: p, ensure: {package: clock}}\n";
    host.sh("apt-get -y remove clock >/dev/null 2>&1");
    let spare = host.run("apply", &host.desk.write("clock.yaml", clock), None, &[]);
    assert_eq!(spare.exit, 0, "{}", spare.seen());
    host.sh("mkdir -p /root/n/DEBIAN; printf 'Package: needy\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@y.z>\\nDepends: clock\\nDescription: x\\n' >/root/n/DEBIAN/control; dpkg-deb -b /root/n /root/n.deb >/dev/null; PATH=$PATH:/usr/sbin dpkg -i /root/n.deb >/dev/null");
    let id = spare.json["run"].as_str().unwrap().to_owned();
    let back = host.run("undo", std::path::Path::new(&id), None, &["-y"]);
    assert_eq!(back.exit, 1, "{}", back.seen());
    assert!(
        back.why().contains("needy depends on clock") || back.json.to_string().contains("needy depends on clock"),
        "{}",
        back.seen()
    );
    host.sh("dpkg -s clock needy >/dev/null");
}
