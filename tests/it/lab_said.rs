//! What a plan says of what it would do: whom a rule lets in, whose right a line is, what was not waited for.

use std::process::Stdio;
use std::time::Instant;

use crate::support::{Done, Host, Run, shipped};

/// The plan as people read it, on one line: it is wrapped for them.
fn human(host: &Host, book: &str, args: &[&str]) -> String {
    let plan = Done::from(host.command(&[], "plan", &shipped(book), None, args).output().unwrap());
    plan.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn attributes(run: &Run) -> String {
    run.changes(0).iter().map(|c| c["attributes"].to_string()).collect()
}

#[test]
fn whom_a_rule_lets_in() {
    let Some(host) = Host::up("said-whom") else { return };
    host.sh("PATH=$PATH:/usr/sbin; iptables -A INPUT -p tcp --dport 22 -j DROP");
    let everybody = "for everybody: you named no client; -e client=10.77.0.1 lets in you alone";
    let book = shipped("ssh-timeout");
    let open = host.run("plan", &book, None, &[]);
    assert!(attributes(&open).contains(everybody), "{}", open.seen());
    assert!(human(&host, "ssh-timeout", &[]).contains(everybody));
    let named = ["-e", "client=10.77.0.1"];
    let one = host.run("plan", &book, None, &named);
    let title = one.changes(0)[0]["title"].to_string();
    assert!(title.contains("-I INPUT 1 -s 10.77.0.1/32 -p tcp"), "{}", one.seen());
    assert!(!attributes(&one).contains("everybody") && !human(&host, "ssh-timeout", &named).contains("everybody"));
}

#[test]
fn whose_right_a_line_of_sudo_s_is() {
    let Some(host) = Host::up("said-right") else { return };
    let plan = |what: &str| {
        host.sh(&format!(
            "PATH=$PATH:/usr/sbin; printf 'admin ALL=(ALL:ALL NOPASSWD: ALL\\n' >/etc/sudoers.d/admin; {what}"
        ));
        host.run("plan", &shipped("sudo-broken"), None, &["-e", "user=admin"])
    };
    let more = plan("id -nG admin | grep -qw sudo");
    assert!(attributes(&more).contains("line 1 is a right of admin, who may still use sudo"), "{}", more.seen());
    let only = plan("gpasswd -d admin sudo");
    let said = "line 1 is the only right of admin, who may not use sudo without it";
    assert!(attributes(&only).contains(said), "{} {}", attributes(&only), only.seen());
    assert!(human(&host, "sudo-broken", &["-e", "user=admin"]).contains(said));
}

#[test]
fn a_home_that_hangs_is_not_waited_for() {
    let Some(host) = Host::up("said-hangs") else { return };
    // A file system that nobody serves: the first question to it is not answered, and so is no other.
    let mut c = std::process::Command::new(crate::support::LAB);
    let mount = "mknod /dev/fuse c 10 229; exec 9<>/dev/fuse
        mount -i -t fuse -o fd=9,rootmode=40000,user_id=0,group_id=0 far /home/admin && echo mounted && exec sleep 120";
    let mut far = c.args(["sh", &host.name, "-c", mount]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(far.stdout.take().unwrap()), &mut said).unwrap();
    assert_eq!(said, "mounted\n");
    let begun = Instant::now();
    let run = host.run("plan", &shipped("ssh-permission-denied"), None, &["-e", "user=admin"]);
    let took = begun.elapsed();
    let of = |user: &str| host.run("plan", &shipped("ssh-permission-denied"), None, &["-e", &format!("user={user}")]);
    let root = of("root");
    far.kill().unwrap();
    far.wait().unwrap();
    let wanted = "/home/admin is on a file system of the network that did not answer in three seconds: a login waits there as well";
    assert!(run.exit == 1 && run.seen().contains(wanted), "{}", run.seen());
    assert!(took.as_secs() < 15, "{took:?}");
    assert_eq!(root.exit, 0, "{}", root.seen());
}

/// Without a name, those are logged in who have a key that this machine offers, and the others are named.
#[test]
fn whose_login_was_tried() {
    let Some(host) = Host::up("said-whose") else { return };
    host.sh(r#"
        PATH=$PATH:/usr/sbin; ssh-keygen -q -t ed25519 -N '' -f /tmp/k
        for u in alice bob; do useradd -m -s /bin/bash $u; cp -r /home/admin/.ssh /home/$u; chown -R $u:$u /home/$u; chmod 777 /home/$u; done
        cat /tmp/k.pub >/home/bob/.ssh/authorized_keys; cat /tmp/k.pub >/root/.ssh/authorized_keys"#);
    let add = format!("ssh-add -q /run/runbook-lab/{}/key && exec \"$@\"", host.name);
    let prefix = ["ssh-agent", "sh", "-c", &add, "sh"];
    let apply = host.command(&prefix, "apply", &shipped("ssh-permission-denied"), None, &["-y"]).output().unwrap();
    let apply = Done::from(apply);
    let told = apply.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(apply.code, 0, "{}", apply.stdout);
    let tried = "ssh logs admin and alice in, and a session begins; no login of root and bob was tried: this machine has no key of theirs";
    assert!(told.contains(tried), "{}", apply.stdout);
}
