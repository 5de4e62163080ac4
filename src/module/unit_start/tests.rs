use super::*;

/// A state as probe.sh prints it for `ssh.service`: these properties, these lines of files, and then that.
fn found(properties: &str, files: &str, more: &str) -> Option<StartObstacle> {
    let out = format!("uptime 1000\n-- unit\nId=ssh.service\n{properties}\n-- files\n{files}\n{more}");
    find_obstacle(&StartState::parse(&out))
}

const VENDOR: &str = "file 566 /usr/lib/systemd/system/ssh.service\nline /usr/lib/systemd/system/ssh.service:6:[Service]\n\
    line /usr/lib/systemd/system/ssh.service:8:ExecStartPre=/usr/sbin/sshd -t\n\
    line /usr/lib/systemd/system/ssh.service:9:ExecStart=/usr/sbin/sshd -D $SSHD_OPTS\n";
const DROP_IN: &str = "/etc/systemd/system/ssh.service.d/override.conf";

fn drop_in(lines: &[&str]) -> String {
    let mut text = VENDOR.to_owned();
    for (at, l) in lines.iter().enumerate() {
        text += &format!("line {DROP_IN}:{}:{l}\n", at + 1);
    }
    text
}

#[test]
fn a_unit_that_can_start_has_no_obstacle() {
    assert_eq!(found("LoadState=loaded\nActiveState=inactive", VENDOR, ""), None);
    // A drop-in as systemctl-edit(1) wants it.
    let good = drop_in(&["[Service]", "ExecStart=", "ExecStart=/usr/sbin/sshd -D -e"]);
    assert_eq!(found("LoadState=loaded", &good, ""), None);
}

#[test]
fn an_empty_unit_file_is_damage_of_its_package() {
    let o = found("LoadState=masked", "file 0 /usr/lib/systemd/system/ssh.service", "").unwrap();
    assert_eq!((o.problem, o.fix), ("package_file", StartFix::Reinstall));
    assert_eq!(o.evidence, "/usr/lib/systemd/system/ssh.service is empty, and systemd takes that for a mask");
    let both = "file 0 /etc/systemd/system/ssh.service\nfile 566 /usr/lib/systemd/system/ssh.service";
    let o = found("LoadState=masked", both, "").unwrap();
    assert_eq!(o.fix, StartFix::Remove("/etc/systemd/system/ssh.service".into()));
    let o = found("LoadState=not-found", "", "").unwrap();
    assert_eq!((o.problem, o.file.as_str()), ("package_file", "/usr/lib/systemd/system/ssh.service"));
    let cut = "file 20 /usr/lib/systemd/system/ssh.service\nline /usr/lib/systemd/system/ssh.service:1:[Unit]";
    assert_eq!(found("LoadState=bad-setting", cut, "").unwrap().fix, StartFix::Reinstall);
}

#[test]
fn a_second_exec_start_gets_a_reset_before_it() {
    let twice = drop_in(&["[Service]", "ExecStart=/usr/sbin/sshd -D -e"]);
    let o = found("LoadState=bad-setting", &twice, "").unwrap();
    let StartFix::Reset(line) = &o.fix else { panic!("{o:?}") };
    assert_eq!((line.file.as_str(), line.number), (DROP_IN, 2));
    assert!(o.evidence.starts_with(&format!("{DROP_IN}:2 gives ssh.service more than one ExecStart=")), "{o:?}");
    let text = b"[Service]\r\nExecStart=/usr/sbin/sshd -D -e\r\n";
    assert_eq!(edit_line(text, line, &o.fix), b"[Service]\r\nExecStart=\r\nExecStart=/usr/sbin/sshd -D -e\r\n");
    // Which of two in one file is meant, a person knows.
    let two = drop_in(&["[Service]", "ExecStart=/usr/sbin/sshd -D -e", "ExecStart=/usr/sbin/sshd -D"]);
    assert!(matches!(found("LoadState=bad-setting", &two, "").unwrap().fix, StartFix::Manual(_)));
    let none = drop_in(&["[Service]", "ExecStart="]);
    assert!(matches!(found("LoadState=bad-setting", &none, "").unwrap().fix, StartFix::Comment(l) if l.number == 2));
    let other = drop_in(&["[Service]", "Type=dbus"]);
    let log = "-- log ssh.service\nssh.service: Service is of type D-Bus but no D-Bus service name has been specified. Refusing.\n";
    let o = found(&format!("LoadState=bad-setting\nDropInPaths={DROP_IN}"), &other, log).unwrap();
    assert!(o.evidence.contains("no D-Bus service name") && o.evidence.contains("override.conf"), "{o:?}");
}

#[test]
fn what_is_named_and_is_not_there() {
    let gone = |line: &str| {
        let files = drop_in(&["[Service]", line]) + &format!("gone {DROP_IN}:2:{line}\n");
        found("LoadState=loaded", &files, "").map(|o| o.fix)
    };
    assert!(matches!(gone("ExecStartPre=/usr/local/bin/wait-vpn wg0"), Some(StartFix::Comment(_))));
    assert!(matches!(gone("ExecCondition=/usr/local/bin/wait-vpn"), Some(StartFix::Comment(_))));
    let Some(StartFix::Optional(line)) = gone("EnvironmentFile=/etc/default/sshd-extra") else { panic!() };
    let text = b"[Service]\nEnvironmentFile=/etc/default/sshd-extra\n";
    let fixed = edit_line(text, &line, &StartFix::Optional(line.clone()));
    assert_eq!(fixed, b"[Service]\nEnvironmentFile=-/etc/default/sshd-extra\n");
    for fine in ["ExecStartPre=-/usr/local/bin/x", "EnvironmentFile=-/etc/x", "ExecStop=/gone"] {
        assert_eq!(gone(fine), None, "{fine}");
    }
    // Taken back by a later line.
    let files = drop_in(&["[Service]", "ExecStartPre=/gone", "ExecStartPre="])
        + &format!("gone {DROP_IN}:2:ExecStartPre=/gone\n");
    assert_eq!(found("LoadState=loaded", &files, ""), None);
}

#[test]
fn what_it_requires_is_named_with_its_line_and_its_log() {
    let files = drop_in(&["[Unit]", "Requires=wg-quick-wg0.service", "After=wg-quick-wg0.service"]);
    let needs = "-- needs\nId=sysinit.target\nLoadState=loaded\nActiveState=active\n\nId=wg-quick-wg0.service\nLoadState=loaded\nActiveState=failed\nResult=exit-code\n\
        -- log wg-quick-wg0.service\nStarting wg-quick-wg0.service - WireGuard...\nRTNETLINK answers: Operation not supported\nwg-quick-wg0.service: Failed with result 'exit-code'.\n";
    let o = found("LoadState=loaded\nActiveState=inactive", &files, needs).unwrap();
    assert_eq!((o.problem, o.other.as_str(), o.file.as_str()), ("required", "wg-quick-wg0.service", DROP_IN));
    assert_eq!(
        o.evidence,
        format!(
            "wg-quick-wg0.service failed (RTNETLINK answers: Operation not supported): {DROP_IN}:2 says \
             \"Requires=wg-quick-wg0.service\", so ssh.service cannot start without it"
        )
    );
    let masked = needs.replace("LoadState=loaded\nActiveState=failed", "LoadState=masked\nActiveState=inactive");
    assert!(found("LoadState=loaded", &files, &masked).unwrap().evidence.starts_with("wg-quick-wg0.service is masked"));
    let idle = needs.replace("ActiveState=failed", "ActiveState=inactive");
    assert_eq!(found("LoadState=loaded", &files, &idle), None);
    let requisite = drop_in(&["[Unit]", "Requisite=wg-quick-wg0.service"]);
    let o = found("LoadState=loaded\nRequisite=wg-quick-wg0.service", &requisite, &idle).unwrap();
    assert!(o.evidence.starts_with("wg-quick-wg0.service does not run"), "{o:?}");
}

#[test]
fn a_start_that_waits_is_named_with_what_it_waits_for() {
    let files = drop_in(&["[Unit]", "Wants=network-online.target", "After=network-online.target"]);
    let jobs = "-- jobs\n80 ssh.service start waiting\n81 network-online.target start waiting\n82 wait-online.service start running\n\
        -- after\nId=ssh.service\nAfter=network.target network-online.target\n\nId=network-online.target\nAfter=wait-online.service\n\n\
        Id=wait-online.service\nAfter=basic.target\nInactiveExitTimestampMonotonic=910000000\n";
    let o = found("LoadState=loaded\nActiveState=inactive", &files, jobs).unwrap();
    assert_eq!((o.problem, o.other.as_str()), ("waits", "wait-online.service"));
    assert_eq!(
        o.evidence,
        format!(
            "the start of ssh.service waits for wait-online.service, which is being started since 90 s; {DROP_IN}:3 says \
             \"After=network-online.target\""
        )
    );
    let runs = jobs.replace("ssh.service start waiting", "ssh.service start running");
    assert_eq!(found("LoadState=loaded", &files, &runs), None);
    let other = jobs.replace("After=network.target network-online.target", "After=network.target");
    assert_eq!(found("LoadState=loaded", &files, &other), None);
}

#[test]
fn a_command_before_it_that_has_just_failed() {
    let files = drop_in(&["[Service]", "ExecStartPre=/usr/local/bin/check-vpn wg0"]);
    let shown = |status: &str, at: u64| {
        format!(
            "LoadState=loaded\nActiveState=failed\nInactiveEnterTimestampMonotonic={at}\n\
             ExecStartPre={{ path=/usr/sbin/sshd ; argv[]=/usr/sbin/sshd -t ; ignore_errors=no ; code=exited ; status=0 }}\n\
             ExecStartPre={{ path=/usr/local/bin/check-vpn ; argv[]=/usr/local/bin/check-vpn wg0 ; ignore_errors=no ; pid=7 ; code=exited ; status={status} }}"
        )
    };
    let o = found(&shown("3", 990_000_000), &files, "").unwrap();
    assert_eq!(o.problem, "failed_before");
    assert!(o.evidence.contains("override.conf:2 says") && o.evidence.contains("status 3"), "{o:?}");
    assert_eq!(found(&shown("0", 990_000_000), &files, ""), None);
    assert_eq!(found(&shown("3", 100_000_000), &files, ""), None);
}

#[test]
fn a_user_that_does_not_exist() {
    let gone = |lines: &[&str], n: usize| {
        let files = drop_in(lines) + &format!("gone {DROP_IN}:{n}:{}\n", lines[n - 1]);
        found("LoadState=loaded\nActiveState=failed", &files, "")
    };
    let o = gone(&["[Service]", "User=sshadm"], 2).unwrap();
    assert_eq!(o.problem, "dangling");
    assert!(matches!(&o.fix, StartFix::Comment(l) if l.number == 2), "{o:?}");
    assert_eq!(
        o.evidence,
        format!("{DROP_IN}:2 says \"User=sshadm\", and there is no such user, so systemd cannot start ssh.service")
    );
    // A later line counts, and a dynamic user is made.
    assert_eq!(gone(&["[Service]", "User=sshadm", "User=root"], 2), None);
    assert_eq!(gone(&["[Service]", "User=sshadm", "DynamicUser=yes"], 2), None);
}

#[test]
fn a_condition_that_does_not_hold() {
    let lines = ["[Unit]", "ConditionPathExists=/etc/ssh/enabled"];
    let files = drop_in(&lines) + &format!("gone {DROP_IN}:2:{}\n", lines[1]);
    let o = found("LoadState=loaded\nActiveState=inactive", &files, "").unwrap();
    assert_eq!(o.problem, "condition");
    assert!(o.evidence.ends_with("and that is not so: systemd skips the start of ssh.service"), "{o:?}");
    // It holds by now.
    assert_eq!(found("LoadState=loaded", &drop_in(&lines), ""), None);
    // The package's own is a person's choice, and a step of its own.
    let own = "/usr/lib/systemd/system/ssh.service:4:ConditionPathExists=!/etc/ssh/sshd_not_to_be_run";
    assert_eq!(found("LoadState=loaded", &format!("{VENDOR}line {own}\ngone {own}\n"), ""), None);
    let out = format!(
        "uptime 1000\n-- unit\nId=ssh.service\nLoadState=loaded\n-- files\n{}",
        drop_in(&["[Unit]", "ConditionVirtualization=!container"])
    );
    let mut state = StartState::parse(&out);
    assert_eq!(find_obstacle(&state), None);
    state.units[0].unmet = vec!["ConditionVirtualization=!container".into()];
    assert_eq!(find_obstacle(&state).unwrap().problem, "condition");
}

#[test]
fn a_device_that_is_not_there() {
    let unit = "sys-subsystem-net-devices-wg0.device";
    let files = drop_in(&["[Unit]", &format!("BindsTo={unit}")]);
    let needs = format!("-- needs\nId={unit}\nLoadState=loaded\nActiveState=inactive\n");
    let o = found("LoadState=loaded\nActiveState=inactive", &files, &needs).unwrap();
    assert_eq!((o.problem, o.other.as_str()), ("required", unit));
    assert!(o.evidence.starts_with(&format!("{unit} is not there (no such device): {DROP_IN}:2 says")), "{o:?}");
    assert_eq!(found("LoadState=loaded", &files, &needs.replace("inactive", "active")), None);
}

#[test]
fn a_start_that_hangs_in_a_command_of_its_own() {
    let files = drop_in(&["[Service]", "ExecStartPre=/bin/sleep infinity"]);
    let shown = |began: u64| {
        format!(
            "LoadState=loaded\nActiveState=activating\nSubState=start-pre\nType=notify\nInactiveExitTimestampMonotonic={began}\n\
             ExecStartPre={{ path=/usr/sbin/sshd ; argv[]=/usr/sbin/sshd -t ; start_time=[Tue] ; stop_time=[Tue] ; pid=7 }}\n\
             ExecStartPre={{ path=/bin/sleep ; argv[]=/bin/sleep infinity ; start_time=[Tue] ; stop_time=[n/a] ; pid=8 }}"
        )
    };
    let o = found(&shown(910_000_000), &files, "").unwrap();
    assert_eq!(o.problem, "waits");
    assert_eq!(
        o.evidence,
        format!(
            "{DROP_IN}:2 says \"ExecStartPre=/bin/sleep infinity\", and that runs since 90 s and does not end, so the start \
             of ssh.service waits"
        )
    );
    assert_eq!(found(&shown(999_000_000), &files, ""), None);
}

#[test]
fn a_program_that_does_not_say_that_it_is_ready() {
    let files = drop_in(&["[Service]", "ExecStart=", "ExecStart=/usr/local/bin/sshd-start"]);
    let log = "-- log ssh.service\nssh.service: start operation timed out. Terminating.\nssh.service: Failed with result 'timeout'.\n";
    let shown = "LoadState=loaded\nActiveState=failed\nResult=timeout\nType=notify";
    let o = found(shown, &files, log).unwrap();
    assert_eq!((o.problem, o.file.as_str()), ("setting", DROP_IN));
    assert!(o.evidence.contains(":3 says") && o.evidence.ends_with("(Type=notify): its start timed out"), "{o:?}");
    // The package's own program says so: what was slow is not known.
    assert_eq!(found(shown, VENDOR, log), None);
    let short = drop_in(&["[Service]", "RuntimeMaxSec=2"]);
    let log = "-- log ssh.service\nssh.service: Service reached runtime time limit. Stopping.\n";
    assert!(matches!(found(shown, &short, log).unwrap().fix, StartFix::Comment(l) if l.number == 2));
}

#[test]
fn a_command_right_after_the_start_that_fails() {
    let files = drop_in(&["[Service]", "ExecStartPost=/bin/false"]);
    let shown = "LoadState=loaded\nActiveState=failed\nInactiveEnterTimestampMonotonic=990000000\n\
        ExecStartPost={ path=/bin/false ; argv[]=/bin/false ; ignore_errors=no ; pid=7 ; code=exited ; status=1 }";
    let o = found(shown, &files, "").unwrap();
    assert_eq!(o.problem, "failed_before");
    assert!(o.evidence.starts_with(&format!("{DROP_IN}:2 says \"ExecStartPost=/bin/false\"")), "{o:?}");
}

#[test]
fn units_that_are_each_to_come_after_the_other() {
    let cycle = "-- cycle\nsysinit.target: Found ordering cycle on ssh.service/start\n\
        sysinit.target: Found dependency on sysinit.target/start\n";
    let files = drop_in(&["[Unit]", "Before=sysinit.target"]);
    let o = found("LoadState=loaded\nActiveState=inactive", &files, cycle).unwrap();
    assert_eq!(o.problem, "cycle");
    assert!(matches!(&o.fix, StartFix::Comment(l) if l.number == 2), "{o:?}");
    assert_eq!(
        o.evidence,
        format!(
            "{DROP_IN}:2 says \"Before=sysinit.target\", and that makes an ordering cycle with sysinit.target, and systemd may leave \
             ssh.service out at boot"
        )
    );
    // Another unit's line.
    let drop_in = "/etc/systemd/system/sysinit.target.d/x.conf";
    let others = format!("{cycle}line {drop_in}:1:[Unit]\nline {drop_in}:2:After=ssh.service\n");
    let o = found("LoadState=loaded", VENDOR, &others).unwrap();
    assert!(o.file == drop_in && matches!(&o.fix, StartFix::Comment(l) if l.number == 2), "{o:?}");
    // Nobody's: a person has to look.
    let o = found("LoadState=loaded", VENDOR, cycle).unwrap();
    assert!(matches!(&o.fix, StartFix::Manual(todo) if todo.contains("sysinit.target")), "{o:?}");
    // Not this one's.
    let other = cycle.replace("ssh.service", "x.service");
    assert_eq!(found("LoadState=loaded", &files, &other), None);
}

#[test]
fn a_socket_without_the_unit_that_it_starts() {
    let out = "uptime 1000\n-- unit\nId=ssh.socket\nLoadState=loaded\nActiveState=failed\nAccept=yes\nTemplate=not-found\n\
        -- files\nfile 100 /usr/lib/systemd/system/ssh.socket\n";
    let o = find_obstacle(&StartState::parse(out)).unwrap();
    assert_eq!((o.problem, o.file.as_str()), ("package_file", "/usr/lib/systemd/system/ssh@.service"));
    assert_eq!(find_obstacle(&StartState::parse(&out.replace("not-found", "loaded"))), None);
    // The package means it otherwise: a person's line is one too many.
    let line = "/etc/systemd/system/ssh.socket.d/lab.conf:2:Accept=yes";
    let o = find_obstacle(&StartState::parse(&format!("{out}line {line}\n"))).unwrap();
    assert!(o.problem == "setting" && matches!(&o.fix, StartFix::Comment(l) if l.number == 2), "{o:?}");
}
