//! Modules on real hosts: what systemd, dpkg and the kernel answer, and what becomes of a host.

use crate::support::{Host, Run};

fn titles(run: &Run) -> Vec<String> {
    run.changes(0).iter().map(|c| c["title"].as_str().unwrap_or_default().to_owned()).collect()
}

fn evidence(run: &Run) -> String {
    run.json["rounds"][0]["steps"][0]["evidence"].as_str().unwrap_or_default().to_owned()
}

fn book(host: &Host, steps: &str) -> std::path::PathBuf {
    host.desk.write("book.yaml", &format!("name: t\ntitle: t\n{steps}\n"))
}

#[test]
fn a_service_and_its_socket() {
    let Some(host) = Host::up("pair") else { return };
    let up = book(&host, "steps:\n- {name: up, ensure: {service: {name: sshd, running: true, enabled: true}}}");

    host.sh("systemctl stop ssh; systemctl mask --runtime ssh 2>/dev/null");
    let run = host.run("apply", &up, None, &[]);
    assert_eq!(
        (run.exit, titles(&run)),
        (0, vec!["unmask ssh.service: it may be started again".into(), "start ssh.service".into()])
    );

    host.sh("touch /etc/ssh/sshd_not_to_be_run; systemctl restart ssh");
    let run = host.run("plan", &up, None, &[]);
    assert_eq!(titles(&run), Vec::<String>::new(), "{}", run.seen());
    assert!(evidence(&run).ends_with("as long as /etc/ssh/sshd_not_to_be_run exists"), "{}", run.seen());
    host.sh("rm /etc/ssh/sshd_not_to_be_run");

    host.sh("systemctl disable --now ssh.service 2>/dev/null; systemctl enable ssh.socket 2>/dev/null");
    let run = host.run("apply", &up, None, &[]);
    assert_eq!((run.exit, titles(&run).last().unwrap().as_str()), (0, "start ssh.socket"), "{}", run.seen());
    assert_eq!(host.lets_in(&[]), Ok(()));

    // The client made the service run; now both do.
    let again = book(
        &host,
        "handlers:\n- {id: h, service: {name: ssh, restarted: true}}\nsteps:\n- {name: e, ensure: {edit: {path: /etc/ssh/sshd_config, line: Banner none}}, notify: [h]}",
    );
    let run = host.run("apply", &again, None, &[]);
    assert_eq!(
        (run.exit, &titles(&run)[2..]),
        (0, &["stop ssh.service".into(), "restart ssh.socket".into(), "start ssh.service".into()][..]),
        "{}",
        run.seen()
    );
    assert_eq!(host.sh("systemctl is-active ssh.service ssh.socket; :"), "active\nactive\n");
    assert_eq!(host.lets_in(&[]), Ok(()));
}

#[test]
fn who_holds_the_port_goes_by_its_unit_or_alone() {
    let Some(host) = Host::up("holds") else { return };
    let free =
        book(&host, "steps:\n- {name: free, ensure: {process: {port: 22, except: [sshd, systemd], running: false}}}");
    let unit = "[Service]\nExecStart=/usr/bin/python3 -m http.server 22\n[Install]\nWantedBy=multi-user.target\n";
    host.sh(&format!(
        "systemctl stop ssh; printf '{}' >/etc/systemd/system/squat.service; systemctl enable --now squat 2>/dev/null; sleep 1",
        unit.replace('\n', "\\n")
    ));
    let run = host.run("apply", &free, None, &[]);
    assert_eq!((run.exit, titles(&run)), (0, vec!["disable squat.service".into(), "stop squat.service".into()]));
    // Without a unit, and without ss.
    host.sh("mv \"$(command -v ss)\" /root/; setsid python3 -m http.server 22 >/dev/null 2>&1 & sleep 1");
    let run = host.run("apply", &free, None, &[]);
    assert_eq!((run.exit, titles(&run).len()), (0, 1), "{}", run.seen());
    assert!(titles(&run)[0].ends_with("which is python3   (cannot be undone)"), "{}", run.seen());
}

#[test]
fn a_lost_program_and_a_lost_account() {
    let Some(host) = Host::up("lost") else { return };
    host.sh("rm /usr/sbin/sshd; echo '#' >>/etc/pam.d/sshd; /usr/sbin/userdel sshd");
    let lost = book(&host, "steps:\n- {name: whole, ensure: {package: {name: openssh-server, intact: true}}}");
    let run = host.run("plan", &lost, None, &[]);
    assert_eq!(evidence(&run), "the package openssh-server has lost /usr/sbin/sshd");
    let damaged = &run.json["rounds"][0]["steps"][0]["result"]["damaged"];
    assert_eq!(*damaged, serde_json::json!(["/usr/sbin/sshd"]), "an edited configuration is no damage");
    let user = book(
        &host,
        "steps:\n- {name: user, ensure: {user: {name: sshd, system: true, home: /run/sshd, shell: /usr/sbin/nologin, group: nogroup}}}",
    );
    let run = host.run("apply", &user, None, &[]);
    assert_eq!(run.exit, 0, "{}", run.seen());
    assert!(host.sh("grep ^sshd: /etc/passwd").ends_with(":/run/sshd:/usr/sbin/nologin\n"));
    assert_eq!(host.run("plan", &user, None, &[]).exit, 0);
}

#[test]
fn a_lost_library_comes_back_with_its_package() {
    let Some(host) = Host::up("library") else { return };
    host.sh("mv /usr/lib/x86_64-linux-gnu/libwrap.so.0 /root");
    let library = book(
        &host,
        "steps:\n- {name: runs, check: {command: /usr/sbin/sshd -t}, remediation: [{package: {owns: libwrap.so.0, intact: true}}]}",
    );
    let run = host.run("apply", &library, None, &[]);
    let want = vec!["run apt-get: install again libwrap0:amd64   (cannot be undone)".to_owned()];
    assert_eq!((run.exit, titles(&run)), (0, want), "{}", run.seen());
    assert_eq!(host.run("apply", &library, None, &[]).all_changes(), 0);
}

/// What sshd would refuse is not written, with a handler or without one; an alias is the keyword that it stands for.
#[test]
fn an_edit_that_sshd_would_refuse_is_not_written() {
    let Some(host) = Host::up("refused-edit") else { return };
    let set = |what: &str| book(&host, &format!("steps:\n- {{name: x, ensure: {{sshd_config: {{set: {what}}}}}}}"));

    let run = host.run("apply", &set("{ChallengeResponseAuthentication: true}"), None, &[]);
    assert_eq!((run.exit, run.changes(0).len()), (0, 1), "{}", run.seen());
    assert_eq!(run.json["rounds"][0]["steps"][0]["result"]["proven"], true, "{}", run.seen());
    assert!(host.sh("/usr/sbin/sshd -T").contains("kbdinteractiveauthentication yes"));

    host.sh("echo AddressFamily inet >/etc/ssh/sshd_config.d/50-lab.conf");
    let before = host.files("/etc/ssh");
    let run = host.run("apply", &set("{ListenAddress: \"::\"}"), None, &[]);
    assert_eq!(run.exit, 1, "{}", run.seen());
    assert!(evidence(&run).starts_with("sshd would refuse the result, so nothing is done: "), "{}", run.seen());
    assert!(host.files("/etc/ssh") == before, "something was written: {}", run.seen());

    let run = host.run("plan", &set("{Prot: 22}"), None, &[]);
    let hint = run.json["rounds"][0]["steps"][0]["hint"].as_str().unwrap_or_default().to_owned();
    assert_eq!((run.exit, hint.as_str()), (1, "did you mean Port?"), "{}", run.seen());
}

/// A key that was made anew: the damaged one and its public half are kept, and the change's own undo brings them back.
#[test]
fn a_damaged_key_comes_back_with_undo() {
    let Some(host) = Host::up("key-undo") else { return };
    host.sh("for k in /etc/ssh/ssh_host_*_key; do echo damaged >$k; done");
    let keys = || host.files("/etc/ssh").into_iter().filter(|(p, _)| p.contains("ssh_host_")).collect::<Vec<_>>();
    let before = keys();
    let run = host.run("apply", &book(&host, "steps:\n- {name: keys, ensure: {host_keys: {}}}"), None, &[]);
    assert_eq!((run.exit, run.changes(0).len()), (0, 3), "{}", run.seen());
    host.sh("/usr/sbin/sshd -t");
    assert_eq!(keys().len(), 12, "three keys, their public halves, and the old ones");
    for c in run.changes(0) {
        host.sh(c["undo"].as_str().unwrap());
    }
    assert!(keys() == before, "not as it was");
}
