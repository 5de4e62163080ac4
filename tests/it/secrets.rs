//! Where a password may go, by what the programs that we start really get: their arguments, environment and prompts.

use std::process::Command;

use crate::support::{BIN, Desk, Done};

const PASSWORD: &str = "Correct-Horse-9";

/// An ssh that asks as OpenSSH does, and writes down what it is told: first its ProxyCommand's ssh, then itself.
const ASKING_SSH: &str = r#"[ "$1" != -G ] || exit 1
ask() { echo "$1 <- $("$SSH_ASKPASS" "$1")" >>DIR/asked; }
(sh -c '"$SSH_ASKPASS" "bob@gate'"'"'s password: "; "$SSH_ASKPASS" "(bob@gate) (joe@web1) Password: "; :' >DIR/jump)
ask "The authenticity of host 'password-vault (192.0.2.1)' can't be established. (yes/no/[fingerprint])? "
ask "Enter passphrase for key '/home/joe/.ssh/id': "
ask "Enter passphrase for key '/home/joe/.ssh/other': "
ask "(joe@web1) Verification code: "
ask "(joe@web1) Password: "
ask "joe@web1's password: "
exit 255"#;

/// `ping` with tools of ours in front of the others.
fn ping(desk: &Desk, args: &[&str]) -> Command {
    let path = format!("{}:{}", desk.path("").display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(BIN);
    command.arg("ping").args(args).env("PATH", path).env("RUNBOOK_PASSWORD", PASSWORD);
    command
}

#[test]
fn a_jump_host_is_not_told_the_password_of_the_target() {
    let desk = Desk::new();
    desk.program("ssh", &ASKING_SSH.replace("DIR", &desk.path("").display().to_string()));
    let done = Done::from(ping(&desk, &["--via", "ssh:joe@web1"]).output().unwrap());
    assert_eq!(done.code, 3, "{}{}", done.stdout, done.stderr);
    let read = |name: &str| std::fs::read_to_string(desk.path(name)).unwrap();
    assert_eq!(read("jump"), "", "what goes to the jump host");
    let asked = read("asked");
    let told: Vec<&str> =
        asked.lines().filter(|l| l.contains(PASSWORD)).filter_map(|l| l.split(" <- ").next()).collect();
    assert_eq!(
        told,
        [
            "Enter passphrase for key '/home/joe/.ssh/id': ",
            "Enter passphrase for key '/home/joe/.ssh/other': ",
            "(joe@web1) Password: ",
        ],
        "{asked}"
    );
}
