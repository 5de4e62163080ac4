//! Runbooks that cut the line, tried over a real ssh connection: what the guard does for commands that do not say that they are
//! risky, for rounds that end early, for what acts later than its command, and for who hides from it. Whatever happens, the
//! client gets in again and the exit code tells the truth: 5 was seen, 6 was not or needs a person.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::{Done, Host, LAB, Run, fixture, full, until};

/// Seconds: the shortest window that there is.
const WINDOW: u64 = 5;

/// What `runbook` is run with: over ssh, with the lab's own configuration.
fn over_ssh(host: &Host, book: &Path, args: &[&str]) -> Run {
    let config = Done::from(std::process::Command::new(LAB).args(["ssh-config", &host.name]).output().unwrap());
    let via = format!("ssh:{}?config={}", host.name, config.stdout.trim());
    let own =
        ["--via", &via, "--address", &host.address, "-y", "-o", "json", "--confirm-within", &format!("{WINDOW}s")];
    let mut c = host.desk.runbook(&[LAB, "ctl"], "apply", book, &own);
    Done::from(c.args(args).output().unwrap()).into()
}

/// The last news of the guard.
fn news(run: &Run) -> serde_json::Value {
    run.json["guard"].as_array().and_then(|g| g.last()).cloned().unwrap_or_default()
}

/// A runbook of one command.
fn command(host: &Host, name: &str, risk: bool, command: &str) -> PathBuf {
    let risk = if risk { "risk: connectivity, " } else { "" };
    let text = format!(
        "name: {name}\ntitle: t\nsteps:\n- {{name: s, {risk}check: {{command: 'test -e /run/{name}'}}, remediation: [{{command: {command}}}]}}\n"
    );
    host.desk.write(&format!("{name}.yaml"), &text)
}

fn gets_in_again(host: &Host, run: &Run) {
    assert!(
        until(20, || host.lets_in(&["-o", "ConnectTimeout=2"]).is_ok()),
        "the client is not in again: {} {}",
        news(run),
        run.seen()
    );
    assert!(host.try_sh("test -e /var/lib/runbook/guard").code != 0, "{} {}", news(run), run.seen());
}

/// The kept rule set is restored, whether the command says that it writes rules or not.
#[test]
fn rules_come_back_without_an_undo() {
    let Some(host) = Host::up("lo-rules") else { return };
    for book in ["guard/nocmd.yaml", "guard/ipt.yaml"] {
        let run = over_ssh(&host, &fixture(book), &[]);
        assert_eq!(
            (run.exit, news(&run)["state"].as_str()),
            (5, Some("back")),
            "{book}: {} {}",
            news(&run),
            run.seen()
        );
        gets_in_again(&host, &run);
        assert!(host.sh("/usr/sbin/iptables -S").contains("-P INPUT ACCEPT"), "{book}");
    }
    if !full() {
        return;
    }
    // A table that was there is restored to what it was, and one that was not is gone.
    host.sh("/usr/sbin/nft -f - <<'X'\ntable inet mine { chain a { counter drop; }; }\nX\n/usr/sbin/iptables -A INPUT -s 192.0.2.1 -j DROP");
    let before = host.sh("/usr/sbin/nft list ruleset | sed 's/packets.*bytes [0-9]*//'; /usr/sbin/iptables -S");
    let book =
        command(&host, "flush", false, "\"nft flush ruleset; nft add table inet other; iptables -P INPUT DROP\"");
    let run = over_ssh(&host, &book, &[]);
    assert_eq!(run.exit, 5, "{} {}", news(&run), run.seen());
    gets_in_again(&host, &run);
    let after = host.sh("/usr/sbin/nft list ruleset | sed 's/packets.*bytes [0-9]*//'; /usr/sbin/iptables -S");
    assert_eq!(before, after);
}

/// Addresses and routes are restored; nothing in the runbook says `risk:` or `undo:`.
#[test]
fn addresses_come_back_without_an_undo() {
    let Some(host) = Host::up("lo-net") else { return };
    let device = host.sh(&format!("ip -o addr | awk '$4 ~ /^{}\\// {{print $2}}'", host.address)).trim().to_owned();
    let state = "ip -o addr show scope global | awk '{print $2, $4}'; ip route";
    let before = host.sh(state);
    for (name, line) in [
        ("gone", format!("\"ip addr del $(ip -o -4 addr show dev {device} | awk '{{print $4}}') dev {device}\"")),
        ("down", format!("'ip link set {device} down'")),
    ] {
        let run = over_ssh(&host, &command(&host, name, false, &line), &[]);
        assert_eq!(
            (run.exit, news(&run)["state"].as_str()),
            (5, Some("back")),
            "{name}: {} {}",
            news(&run),
            run.seen()
        );
        gets_in_again(&host, &run);
        assert_eq!(host.sh(state), before, "{name}");
    }
    if full() {
        let text = std::fs::read_to_string(fixture("guard/net-bad0.yaml")).unwrap();
        let text = text.replace("10.99.0.230", &host.address).replace("host0", &device);
        let run = over_ssh(&host, &host.desk.write("net-bad0.yaml", &text), &[]);
        assert_eq!(run.exit, 5, "{} {}", news(&run), run.seen());
        gets_in_again(&host, &run);
    }
}

/// What nothing rolls back is told, before and after, with what to type.
#[test]
fn what_cannot_be_rolled_back_is_exit_6() {
    let Some(host) = Host::up("lo-stays") else { return };
    let run = over_ssh(&host, &fixture("guard/keysgone.yaml"), &[]);
    assert_eq!(run.exit, 6, "{} {}", news(&run), run.seen());
    assert_eq!(run.json["rounds"][0]["guard"]["irreversible"], serde_json::json!([1]), "{}", run.json["rounds"][0]);
    host.sh("mv /root/ak /root/.ssh/authorized_keys");
    gets_in_again(&host, &run);
    // Over a channel that stays, the switch's own words are seen.
    host.sh("rm /root/done3");
    let book = host.desk.write(
        "near.yaml",
        &std::fs::read_to_string(fixture("guard/keysgone.yaml"))
            .unwrap()
            .replace("mv /root", "systemctl stop ssh; mv /root"),
    );
    let run = host.run("apply", &book, None, &["--confirm-within", "5s"]);
    assert_eq!(run.exit, 6, "{} {}", news(&run), run.seen());
    let rest = news(&run)["rest"].to_string();
    assert!(
        rest.contains("to reverse it: [ -e /root/ak/authorized_keys ] || mv /root/ak /root/.ssh/authorized_keys"),
        "{rest}"
    );
    host.sh("mv /root/ak /root/.ssh/authorized_keys");
    // The unit that it had stopped runs again all the same.
    gets_in_again(&host, &run);
}

/// A round that ended early is kept only with what it owes.
#[test]
fn a_half_round_is_not_kept() {
    let Some(host) = Host::up("lo-half") else { return };
    host.sh("printf '[Service]\\nExecStart=/bin/false\\nType=oneshot\\n' >/etc/systemd/system/other.service; systemctl daemon-reload; cp /etc/ssh/sshd_config /root/was");
    let run = over_ssh(&host, &fixture("guard/half3.yaml"), &[]);
    assert_eq!((run.exit, news(&run)["state"].as_str()), (5, Some("back")), "{} {}", news(&run), run.seen());
    gets_in_again(&host, &run);
    host.sh("cmp /etc/ssh/sshd_config /root/was && systemctl restart ssh");
    host.lets_in(&[]).unwrap();
    // An edit that locks nobody out stays, and its restart was done.
    let harmless =
        std::fs::read_to_string(fixture("guard/half3.yaml")).unwrap().replace("AllowUsers nobody", "MaxSessions 20");
    let pid = host.sh("systemctl show -p MainPID --value ssh");
    let run = over_ssh(&host, &host.desk.write("harmless.yaml", &harmless), &[]);
    assert_eq!((run.exit, news(&run)["state"].as_str()), (1, Some("kept")), "{} {}", news(&run), run.seen());
    assert_ne!(host.sh("systemctl show -p MainPID --value ssh"), pid, "{}", run.seen());
    assert_eq!(host.try_sh("cat /var/lib/runbook/owed").stdout, "");
}

/// TERM between an edit and its restart.
#[test]
fn an_interrupted_round_is_not_kept() {
    let Some(host) = Host::up("lo-term") else { return };
    let text = "name: term\ntitle: t\nhandlers: [{id: h, service: {name: ssh, restarted: true}}]\nsteps:\n\
        - {name: only nobody, ensure: {edit: {path: /etc/ssh/sshd_config, line: AllowUsers nobody}}, notify: [h]}\n\
        - {name: slow, check: {command: 'test -e /run/slow'}, remediation: [{command: {run: 'sleep 3; touch /run/slow', undo: 'rm /run/slow', writes: ['file:/run/slow']}}]}\n";
    let book = host.desk.write("term.yaml", text);
    let config = Done::from(std::process::Command::new(LAB).args(["ssh-config", &host.name]).output().unwrap());
    let via = format!("ssh:{}?config={}", host.name, config.stdout.trim());
    let pid = host.desk.path("pid");
    let note = format!("echo $$ >{}; exec \"$@\"", pid.display());
    let args = ["--via", &via, "--address", &host.address, "-y", "-o", "json", "--confirm-within", "10s"];
    let mut child = host
        .desk
        .runbook(&[LAB, "ctl", "sh", "-c", &note, "sh"], "apply", &book, &args)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    assert!(until(30, || host
        .try_sh("grep -q '^AllowUsers' /etc/ssh/sshd_config && test -e /var/lib/runbook/guard/busy")
        .code
        == 0));
    let runs = std::fs::read_to_string(&pid).unwrap();
    assert!(std::process::Command::new("kill").args(["-TERM", runs.trim()]).status().unwrap().success());
    let code = child.wait().unwrap().code();
    assert_eq!(code, Some(5));
    assert!(until(20, || host.lets_in(&["-o", "ConnectTimeout=2"]).is_ok()));
    host.sh("! grep -q '^AllowUsers' /etc/ssh/sshd_config && systemctl restart ssh");
    host.lets_in(&[]).unwrap();
}

/// What detaches itself takes effect after its command has ended.
#[test]
fn a_detached_command_is_waited_for() {
    let Some(host) = Host::up("lo-later") else { return };
    let detached = "{run: '(sleep 1; iptables -P INPUT DROP) >/dev/null 2>&1 &', undo: 'iptables -P INPUT ACCEPT'}";
    let run = over_ssh(&host, &command(&host, "later", true, detached), &[]);
    assert_eq!((run.exit, news(&run)["state"].as_str()), (5, Some("back")), "{} {}", news(&run), run.seen());
    gets_in_again(&host, &run);
}

/// A mount over the guard's directory hides nothing from it, and a unit that is stopped ends only one of two processes.
#[test]
fn who_hides_the_guard_does_not_end_it() {
    let Some(host) = Host::up("lo-hidden") else { return };
    let mount =
        "{run: 'mount -t tmpfs none /var; iptables -P INPUT DROP', undo: 'iptables -P INPUT ACCEPT; umount /var'}";
    let stop = "{run: \"systemctl stop 'runbook-guard*'; iptables -P INPUT DROP\", undo: iptables -P INPUT ACCEPT}";
    for (name, line) in [("hidden", mount), ("stopped", stop)] {
        let begun = Instant::now();
        let run = over_ssh(&host, &command(&host, name, true, line), &[]);
        assert_eq!(
            (run.exit, news(&run)["state"].as_str()),
            (5, Some("back")),
            "{name}: {} {}",
            news(&run),
            run.seen()
        );
        gets_in_again(&host, &run);
        assert!(begun.elapsed() < Duration::from_secs(60), "{name}: {:?}", begun.elapsed());
        assert_eq!(host.try_sh("grep ' /var ' /proc/mounts").stdout, "", "{name}");
    }
}

/// A change that outlives the window is rolled back while it runs, once the line is dead; over a line that lives it is let finish.
#[test]
fn a_long_command_is_ended_where_the_line_is_dead() {
    let Some(host) = Host::up("lo-long") else { return };
    let fine = "{run: 'sleep 8; touch /run/fine; iptables -L >/dev/null', undo: 'rm /run/fine'}";
    let run = over_ssh(&host, &command(&host, "fine", true, fine), &[]);
    assert_eq!((run.exit, news(&run)["state"].as_str()), (0, Some("kept")), "{} {}", news(&run), run.seen());
    let begun = Instant::now();
    let run = over_ssh(&host, &command(&host, "long", false, "'iptables -P INPUT DROP; sleep 40'"), &[]);
    assert_eq!((run.exit, news(&run)["state"].as_str()), (5, Some("back")), "{} {}", news(&run), run.seen());
    assert!(begun.elapsed() < Duration::from_secs(35), "{:?}", begun.elapsed());
    gets_in_again(&host, &run);
}

/// Everything that a login depends on: its mode, its owner, its shell and what that reads.
#[test]
fn what_a_login_depends_on_is_guarded() {
    let Some(host) = Host::up("lo-login") else { return };
    let steps = [
        "file: {path: /root/.ssh, mode: '0777'}",
        "file: {path: //root/.bashrc, content: \"exit 1\\n\"}",
        "file: {path: /root, owner: nobody}",
        "file: {path: /bin/bash, mode: '0644'}",
        "file: {path: /run/sshd, state: absent}",
    ];
    for (n, ensure) in steps.iter().enumerate().take(if full() { steps.len() } else { 2 }) {
        let text = format!("name: login{n}\ntitle: t\nsteps:\n- {{name: s, ensure: {{{ensure}}}}}\n");
        let run = over_ssh(&host, &host.desk.write("login.yaml", &text), &[]);
        assert_eq!(
            (run.exit, news(&run)["state"].as_str()),
            (5, Some("back")),
            "{ensure}: {} {}",
            news(&run),
            run.seen()
        );
        gets_in_again(&host, &run);
    }
}

/// A line that is cut for good: it is not known what became of the round.
#[test]
fn a_line_that_stays_cut_is_exit_6() {
    if !full() {
        return;
    }
    let Some(host) = Host::up("lo-cut") else { return };
    let table = format!("cut_{}", host.address.replace('.', "_"));
    let rule = format!(
        "table inet {table} {{ chain out {{ type filter hook output priority 0; ip daddr {} drop; }}; }}",
        host.address
    );
    let cut = "{run: 'sleep 3; touch /run/cut', undo: 'rm /run/cut'}";
    let book = command(&host, "cut", true, cut);
    let cutter = std::thread::spawn({
        let busy = host.disk("/var/lib/runbook/guard/busy");
        move || {
            assert!(until(20, || busy.exists()));
            Done::from(std::process::Command::new(LAB).args(["ctl", "nft", &rule]).output().unwrap())
        }
    });
    let run = over_ssh(&host, &book, &[]);
    let deleted =
        std::process::Command::new(LAB).args(["ctl", "nft", "delete", "table", "inet", &table]).output().unwrap();
    assert!(deleted.status.success() && cutter.join().unwrap().code == 0);
    assert_eq!((run.exit, news(&run)["state"].as_str()), (6, Some("unknown")), "{} {}", news(&run), run.seen());
    gets_in_again(&host, &run);
}
