//! `runbook find` with what people paste: the program that ships, as a user calls it.
#![allow(clippy::disallowed_methods)] // A test may start what it tests.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Desk, Done, bin};

fn find(desk: &Desk, text: &str, args: &[&str]) -> Done {
    let mut c = Command::new(bin());
    c.arg("find").args(args).env("XDG_CONFIG_HOME", desk.path("config")).env("XDG_STATE_HOME", desk.path("state"));
    c.current_dir(desk.path("")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = c.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

/// The names that `find -o json` gives, and its exit code, which must agree.
fn names(text: &str) -> Vec<String> {
    let done = find(&Desk::new(), text, &["-o", "json"]);
    let json: Value =
        serde_json::from_str(&done.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", done.stdout, done.stderr));
    let found: Vec<String> =
        json["found"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(done.code, i32::from(found.is_empty()), "{text}");
    found
}

/// What people paste around it.
fn noise(error: &str) -> [String; 4] {
    [
        error.to_owned(),
        format!("joe@laptop:~$ ssh -v web1\n\u{1b}[31m{error}\u{1b}[0m\r\njoe@laptop:~$ "),
        format!("> hi all, since the upgrade tonight I get this, any idea?\n>\n> {error}\n> thanks!"),
        format!(
            "Nov 26 03:12:44 web1 systemd[1]: run-u12.mount: Deactivated successfully.\nNov 26 03:12:45 web1 sshd[812]: {error}\nNov 26 03:12:46 web1 CRON[99]: pam_unix(cron:session): session closed for user root"
        ),
    ]
}

/// The triage of the fault space, and sshd's own messages (OpenSSH's log.c, servconf.c, sshd.c, authfile.c; systemd's).
const ERRORS: &[(&str, &str)] = &[
    ("ssh: connect to host web1 port 22: Connection refused", "ssh-refused"),
    ("ssh: connect to host 2001:db8::7 port 2222: Connection refused", "ssh-refused"),
    ("ssh: connect to host web1 port 22: Connection timed out", "ssh-timeout"),
    ("ssh: connect to host web1 port 22: Operation timed out", "ssh-timeout"),
    ("ssh: connect to host web1 port 22: No route to host", "ssh-timeout"),
    ("kex_exchange_identification: Connection closed by remote host", "ssh-closed"),
    ("kex_exchange_identification: read: Connection reset by peer", "ssh-closed"),
    ("ssh_exchange_identification: Connection closed by remote host", "ssh-closed"),
    ("Connection timed out during banner exchange", "ssh-timeout"),
    ("ssh: Could not resolve hostname web1: Name or service not known", "ssh-timeout"),
    ("admin@web1: Permission denied (publickey,password).", "ssh-permission-denied"),
    (
        "\"System is booting up. Unprivileged users are not permitted to log in yet. Please come back later. For technical details, see pam_nologin(8).\"",
        "ssh-permission-denied",
    ),
    ("/etc/ssh/sshd_config: line 14: Bad configuration option: PermitRootLogn", "ssh-refused"),
    ("/etc/ssh/sshd_config line 31: Directive 'UsePAM' is not allowed within a Match block", "ssh-refused"),
    ("sshd: no hostkeys available -- exiting.", "ssh-refused"),
    ("Missing privilege separation directory: /run/sshd", "ssh-refused"),
    ("/run/sshd must be owned by root and not group or world-writable.", "ssh-refused"),
    ("Privilege separation user sshd does not exist", "ssh-refused"),
    ("error: Bind to port 22 on 0.0.0.0 failed: Address already in use.", "ssh-refused"),
    ("error: Bind to port 22 on 192.0.2.7 failed: Cannot assign requested address.", "ssh-refused"),
    ("fatal: Cannot bind any address.", "ssh-refused"),
    ("Permissions 0644 for '/etc/ssh/ssh_host_ed25519_key' are too open.", "ssh-refused"),
    ("Unable to load host key \"/etc/ssh/ssh_host_rsa_key\": error in libcrypto", "ssh-refused"),
    ("OpenSSL version mismatch. Built against 30000070, you have 30200020", "ssh-refused"),
    ("ssh.service: Start request repeated too quickly.", "ssh-refused"),
    ("Failed to start ssh.service: Unit ssh.service is masked.", "ssh-refused"),
    ("Job for ssh.service failed because the control process exited with error code.", "ssh-refused"),
    ("There were too many logins for 'admin'.", "ssh-permission-denied"),
    ("sign_and_send_pubkey: no mutual signature supported", "ssh-permission-denied"),
    ("sshd[712]: PAM unable to dlopen(pam_ldap.so): cannot open shared object file", "ssh-permission-denied"),
    ("packet_write_wait: Connection to 192.0.2.7 port 22: Broken pipe", "ssh-permission-denied"),
    ("shell request failed on channel 0", "ssh-permission-denied"),
    ("drop connection #10 from [192.0.2.9]:51413 on [192.0.2.7]:22 past MaxStartups", "ssh-closed"),
    ("User bob from 192.0.2.9 not allowed because not listed in AllowUsers", "ssh-permission-denied"),
    ("Authentication refused: bad ownership or modes for directory /home/bob", "ssh-permission-denied"),
    ("You are in emergency mode. After logging in, type \"journalctl -xb\" to view system logs", "fstab-broken"),
    ("cp: error writing '/var/lib/x': No space left on device", "disk-full"),
    ("sudo: /usr/bin/sudo must be owned by uid 0 and have the setuid bit set", "sudo-broken"),
];

/// The texts of issues and forum posts, with their typing: other clients, other languages, logs and plain words.
const PASTED: &[(&str, &str)] = &[
    (
        "$ ssh -T git@203.0.113.4\nkex_exchange_identification: Connection closed by remote host\nConnection closed by 203.0.113.4 port 22",
        "ssh-closed",
    ),
    (
        "debug1: connect to address ::1 port 22: Connection refused\ndebug1: Connecting to localhost [127.0.0.1] port 22.\ndebug1: connect to address 127.0.0.1 port 22: Connection refused\nssh: connect to host localhost port 22: Connection refused",
        "ssh-refused",
    ),
    ("2022/11/17 09:12:01 dial tcp 203.0.113.9:22: connect: connection refused\nerr: exit status 1", "ssh-refused"),
    ("出现ssh: connect to host 10.15.89.41 port 22732: Connection refused，请管理员帮忙排查", "ssh-refused"),
    (
        "Apr 28 10:10:40 client.box sshd[928]: /etc/ssh/sshd_config: line 156: Bad configuration option: StrictHostKeyChecking\nApr 28 10:10:40 client.box sshd[928]: /etc/ssh/sshd_config: terminating, 1 bad configuration options\nApr 28 10:10:40 client.box systemd[1]: sshd.service: main process exited, code=exited, status=255/n/a",
        "ssh-refused",
    ),
    (
        "sshd[38383]: /etc/ssh/sshd_config line 90: invalid time value.\nssh.service: Failed with result 'exit-code'.",
        "ssh-refused",
    ),
    (
        "PS C:\\Users\\user> ssh skdjg@host.example\nskdjg@host.example: Permission denied (publickey).\nPS C:\\Users\\user>",
        "ssh-permission-denied",
    ),
    (
        "fatal: unable to read from remote repository\ndeploy@build7: Permission denied (publickey,gssapi-keyex,gssapi-with-mic).",
        "ssh-permission-denied",
    ),
    (
        ">>> /etc/sudoers.d/zabbix: syntax error near line 6 <<<\nsudo: parse error in /etc/sudoers.d/zabbix near line 6\nsudo: no valid sudoers sources found, quitting\nsudo: unable to initialize policy plugin",
        "sudo-broken",
    ),
    (
        "sudo: /etc/sudoers is not a regular file\nsudo: no valid sudoers sources found, quitting\nsudo: error initializing audit plugin sudoers_audit",
        "sudo-broken",
    ),
    (
        "[FAILED] Failed to mount /home.\nSee 'systemctl status home.mount' for details.\n[DEPEND] Dependency failed for Local File Systems.\n[  OK  ] Reached target Emergency Mode.",
        "fstab-broken",
    ),
    (
        "Jul 08 15:19:11 station systemd[1]: Dependency failed for /mnt/data.\nJul 08 15:19:11 station systemd[1]: mnt-data.mount: Job mnt-data.mount/start failed with result 'dependency'.",
        "fstab-broken",
    ),
    ("after a power cut my server comes up in emergency mode and nothing else", "fstab-broken"),
    ("mount: /mnt/backup: special device UUID=0b1c does not exist.", "fstab-broken"),
    ("E: Write error - write (28: No space left on device)\nE: IO Error saving source cache", "disk-full"),
    ("tar: linux-6.14/virt/kvm/eventfd.c: Cannot write: No space left on device", "disk-full"),
    ("npm ERR! code ENOSPC\nnpm ERR! errno -28\nnpm ERR! ENOSPC: no space left on device, write", "disk-full"),
    ("Help, my disk is full and I cannot find by what", "disk-full"),
    ("since yesterday I can't ssh to the web server any more, connection refused it says", "ssh-refused"),
    ("ssh: connect to host vps.example port 22: Connection timed out\nlost connection", "ssh-timeout"),
];

/// Errors of other things, most with words in common with a runbook.
const OTHERS: &[&str] = &[
    "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)\nnginx: [emerg] still could not bind()",
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
    "curl: (7) Failed to connect to shop.example port 443 after 2 ms: Connection refused",
    "psql: error: connection to server at \"db1\" (10.0.0.5), port 5432 failed: Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?",
    "@@@@@@@@@@@@@@@@@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
    "/etc/ssh/ssh_config: line 11: Bad configuration option: hostkey\n/etc/ssh/ssh_config: terminating, 1 bad configuration options",
    "Error: ENOSPC: System limit for number of file watchers reached, watch '/srv/app'",
    "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 4711 (apt-get)",
    "awk: cmd. line:1: syntax error near line 1",
    "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
    "curl: (60) SSL certificate problem: certificate has expired",
    "Traceback (most recent call last):\n  File \"app.py\", line 3, in <module>\nPermissionError: [Errno 13] Permission denied: '/srv/app/data'",
    "Unable to connect to the server: dial tcp 10.0.0.1:6443: i/o timeout",
    "segmentation fault in libfoo.so.1",
    "how do I forward a port over ssh?",
];

#[test]
fn an_error_finds_its_runbook_first_whatever_stands_around_it() {
    let texts = ERRORS.iter().flat_map(|(error, name)| noise(error).map(|text| (text, *name)));
    let texts = texts.chain(PASTED.iter().map(|(text, name)| ((*text).to_owned(), *name)));
    let wrong: Vec<String> = texts
        .map(|(text, name)| (names(&text), text, name))
        .filter(|(found, _, name)| found.first().map(String::as_str) != Some(name))
        .map(|(found, text, name)| format!("{name}, not {found:?}: {text}"))
        .collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_no_runbook_is_about_finds_none() {
    let wrong: Vec<String> = OTHERS
        .iter()
        .map(|text| (names(text), text))
        .filter(|(found, _)| !found.is_empty())
        .map(|(found, text)| format!("{found:?}: {text}"))
        .collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    let done = find(&Desk::new(), OTHERS[0], &[]);
    assert_eq!((done.code, done.stdout.as_str()), (1, ""), "{}", done.stderr);
    assert!(done.stderr.starts_with("no runbook answers this\n"), "{}", done.stderr);
}

/// A terminal has cut it in two.
#[test]
fn a_wrapped_line_is_one() {
    for text in [
        "ssh: connect to host a-very-long-name.example.com port 22: Connec\ntion refused",
        "ssh: connect to host a-very-long-name.example.com port 22:\n  Connection refused",
    ] {
        assert_eq!(names(text).first().map(String::as_str), Some("ssh-refused"), "{text}");
    }
}

/// The line that `find` prints can be pasted as it stands: its words are taken.
#[test]
fn the_line_that_it_suggests_works() {
    for (text, line) in [
        ("ssh: connect to host web1 port 2222: Connection refused", "runbook plan ssh-refused -e port=2222"),
        ("admin@web1: Permission denied (publickey).", "runbook plan ssh-permission-denied -e user=admin"),
        ("No space left on device", "runbook plan disk-full"),
    ] {
        let desk = Desk::new();
        let done = find(&desk, text, &[]);
        let found = done.stdout.lines().find(|l| l.starts_with("    runbook plan")).unwrap_or_default().trim();
        assert_eq!((done.code, found), (0, line), "{}", done.stdout);
        let words: Vec<&str> = line.split(' ').skip(1).collect();
        // On a host that answers nothing, so that only the words are judged: 3 is "no channel", 2 would be bad input.
        let ran: Done = Command::new(bin()).args(words).args(["--via", "exec:false"]).output().unwrap().into();
        assert_eq!(ran.code, 3, "{line}: {}{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn case_does_not_matter_and_a_pattern_that_does_not_compile_is_an_error() {
    let desk = Desk::new();
    let book = |answers: &str| {
        format!(
            "name: t\ntitle: t\nanswers: ['{answers}']\nsteps:\n- {{name: a, check: {{command: 'true'}}, reads: []}}\n"
        )
    };
    std::fs::create_dir_all(desk.path("")).unwrap();
    for (pattern, code) in [("(?i)hello", 0), (r"\p{Greek}+ error", 0), ("(?=x)", 2), ("[a", 2)] {
        let file = desk.write("t.yaml", &book(pattern));
        for verb in ["lint", "plan"] {
            let mut c = Command::new(bin());
            c.arg(verb).arg(&file).env("XDG_STATE_HOME", desk.path("state"));
            if verb == "plan" {
                c.args(["--via", "exec:sh"]);
            }
            let done: Done = c.output().unwrap().into();
            assert_eq!(done.code, code, "{verb} {pattern}: {}{}", done.stdout, done.stderr);
            assert_eq!(code == 2, done.stderr.contains("t.yaml:3:"), "{verb} {pattern}: {}", done.stderr);
        }
    }
}
