//! `--become` on a real host: sudo, su and doas, with and without a password, with a terminal demanded, and refused.

use std::process::Command;

use crate::support::{Done, Host, LAB, bin};

const PASSWORD: &str = "s3cret pa$$'";

/// `plan ssh-refused` as the user joe of the host; what `--become` needs comes by the environment.
fn plan(host: &Host, method: &[&str], password: Option<&str>) -> Done {
    let via = format!("exec:{LAB} sh {} -c 'exec /sbin/runuser -u joe -- sh'", host.name);
    let mut command = Command::new(LAB);
    command.args(["ctl", bin(), "plan", "ssh-refused", "--via", &via, "--address", &host.address]).args(method);
    command.env_remove("RUNBOOK_BECOME_PASSWORD");
    if let Some(p) = password {
        command.env("RUNBOOK_BECOME_PASSWORD", p);
    }
    command.env("RUNBOOK_LOG", "trace").output().unwrap().into()
}

#[test]
fn root_is_had_or_it_is_said_why_not() {
    let Some(host) = Host::up("become") else { return };
    let sudoers = |lines: &str| host.sh(&format!("printf '%s\\n' {lines} >/etc/sudoers.d/joe"));
    host.sh("PATH=$PATH:/usr/sbin; useradd -m joe");
    let quoted = PASSWORD.replace('\'', r"'\''");
    host.sh(&format!("printf '%s\\n' 'joe:{quoted}' 'root:root pw' | /usr/sbin/chpasswd"));
    // Every command line of the host, again and again: none may hold the password.
    host.sh("(while [ ! -e /run/stop ]; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -o 's3[c]ret' >>/run/seen; done) >/dev/null 2>&1 &");

    let any = &["--become"][..];
    let well = |done: Done, what: &str| {
        assert_eq!(done.code, 0, "{what}: {}{}", done.stdout, done.stderr);
        assert!(
            !done.stdout.contains("s3cret") && !done.stderr.contains("s3cret"),
            "{what}: the password is in the log"
        );
    };
    let refused = |done: Done, why: &str| {
        assert_eq!(done.code, 1, "{}{}", done.stdout, done.stderr);
        let text: String = done.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(why) && text.contains("hint:"), "{why}: {text}");
        assert!(
            !done.stdout.contains("s3cret") && !done.stderr.contains("s3cret"),
            "{why}: the password is in the log"
        );
    };

    refused(plan(&host, any, None), "sudo: a password is required");
    refused(plan(&host, any, Some(PASSWORD)), "joe is not in the sudoers file");
    sudoers("'joe ALL=(ALL) ALL'");
    refused(plan(&host, any, None), "sudo: a password is required");
    well(plan(&host, any, Some(PASSWORD)), "sudo with a password");
    refused(plan(&host, any, Some("wrong")), "incorrect password attempt");
    sudoers("'joe ALL=(ALL) ALL' 'Defaults requiretty'");
    well(plan(&host, any, Some(PASSWORD)), "sudo with a password on a terminal");
    refused(plan(&host, any, Some("wrong")), "incorrect password attempt");
    sudoers("'joe ALL=(ALL) NOPASSWD: ALL' 'Defaults requiretty'");
    well(plan(&host, any, None), "sudo without a password on a terminal");
    sudoers("'joe ALL=(ALL) NOPASSWD: ALL'");
    well(plan(&host, any, None), "sudo without a password");
    well(plan(&host, any, Some(PASSWORD)), "sudo with a password that is not asked for");
    well(plan(&host, &["--become-method", "su"], Some("root pw")), "su");
    refused(plan(&host, &["--become-method", "su"], Some("wrong")), "su: Authentication failure");

    let doas = &["--become-method", "doas"][..];
    refused(plan(&host, doas, None), "none of these is there: doas");
    host.sh("DEBIAN_FRONTEND=noninteractive apt-get -qq install opendoas >/dev/null 2>&1");
    let permit = |rule: &str| host.sh(&format!("printf '%s\\n' '{rule}' >/etc/doas.conf"));
    permit("permit nopass joe");
    well(plan(&host, doas, None), "doas without a password");
    permit("permit joe");
    well(plan(&host, doas, Some(PASSWORD)), "doas with a password");
    refused(plan(&host, doas, Some("wrong")), "doas: Authentication failed");
    refused(plan(&host, doas, None), "doas: Authentication required");
    permit("deny joe");
    refused(plan(&host, doas, Some(PASSWORD)), "doas: Operation not permitted");

    host.sh(": >/run/stop");
    assert_eq!(host.sh("cat /run/seen").trim(), "", "the password stood in a command line");
    assert_eq!(host.sh("ls -A /dev/shm").trim(), "", "something was left behind");
}
