//! Where a password may go, by what the programs that we start really get: their arguments, environment and prompts.

use std::process::Command;

use crate::support::{Desk, Done, bin};

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
    let mut command = Command::new(bin());
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

/// What a host's own entry in the inventory gives is as secret as what the command line gives.
#[test]
fn a_password_of_the_inventory_is_not_shown() {
    let desk = Desk::new();
    let book = "name: leak\ntitle: t\nsteps:\n  - {name: s, check: {command: {sh: 'echo told Correct-Horse-9 >&2; exit 1'}}, manual: m}\n";
    let book = desk.write("leak.yaml", book);
    let shell = desk.program("shell", "exec sh");
    let inventory = format!(
        "hosts:\n  web1:\n    become: {{password: {{env: WEBPW}}}}\n    channels:\n      - exec: {{command: {}}}\n",
        shell.display()
    );
    let inventory = desk.write("inventory.yaml", &inventory);
    for format in ["human", "json", "jsonl"] {
        let args = ["-i", inventory.to_str().unwrap(), "-t", "web1", "-v", "-o", format];
        let mut command = desk.runbook(&[], "plan", &book, &args);
        let done: Done = command.env("WEBPW", PASSWORD).env("RUNBOOK_LOG", "trace").output().unwrap().into();
        let all = done.stdout + &done.stderr;
        assert!(all.contains("told ********"), "{format}: {all}");
        assert!(!all.contains("Correct-Horse"), "{format}: {all}");
    }
}

/// Nor what a console says back to `ping`.
#[test]
fn a_password_that_a_console_repeats_is_not_shown() {
    let desk = Desk::new();
    let asks = "u=; while [ -z \"$u\" ]; do printf 'login: '; read -r u || exit; done
        stty -echo; printf 'Password: '; read -r p; echo \"no entry for $u/$p\"";
    let login = desk.program("login", asks);
    for format in ["human", "json"] {
        let done: Done = Command::new(bin())
            .args(["ping", "--login", "root", "-o", format, "--via", &format!("console:{}", login.display())])
            .env("RUNBOOK_PASSWORD", PASSWORD)
            .env("RUNBOOK_LOG", "trace")
            .output()
            .unwrap()
            .into();
        let all = done.stdout + &done.stderr;
        assert_eq!(done.code, 3, "{format}: {all}");
        assert!(all.contains("no entry for root/********"), "{format}: {all}");
        assert!(!all.contains("Correct-Horse"), "{format}: {all}");
    }
}

/// Like virsh with libvirt's agent behind it: from its arguments, else from stdin with a prompt and an echo; what it runs
/// it runs at once.
const VIRSH: &str = r#"printf '%s\n' "$@" >>DIR/arguments
dir=$XDG_CACHE_HOME/libvirt/virsh
case $* in
*qemu-agent-command*) for line; do :; done ;;
*) IFS= read -r line; printf 'virsh # %s\n' "$line"; mkdir -p "$dir"; [ "$VIRSH_HISTSIZE" = 0 ] || printf '%s\n' "$line" >>"$dir/history" ;;
esac
case $line in
*'"guest-exec"'*)
    printf '%s' "$line" | sed 's/.*"input-data":"\([^"]*\)".*/\1/' | base64 -d >DIR/in
    case $line in *'gzip -dc'*) gzip -dc <DIR/in | sh >DIR/out 2>DIR/err ;; *) sh <DIR/in >DIR/out 2>DIR/err ;; esac
    echo $? >DIR/status
    echo '{"return":{"pid":7}}' ;;
*) printf '{"return":{"exited":true,"exitcode":%s,"out-data":"%s","err-data":"%s"}}\n' "$(cat DIR/status)" "$(base64 -w 0 <DIR/out)" "$(base64 -w 0 <DIR/err)" ;;
esac
case $* in *qemu-agent-command*) ;; *) printf 'virsh # \n' ;; esac"#;

#[test]
fn a_script_for_the_guest_agent_is_no_argument() {
    let desk = Desk::new();
    let dir = desk.path("").display().to_string();
    desk.program("virsh", &VIRSH.replace("DIR", dir.trim_end_matches('/')));
    let mut command = Command::new(bin());
    command.args(["ping", "--via", "guest-agent:it's web1", "-b"]);
    let path = format!("{dir}:{}", std::env::var("PATH").unwrap());
    let done = command
        .env("PATH", path)
        .env("XDG_CACHE_HOME", desk.path("cache"))
        .env("RUNBOOK_BECOME_PASSWORD", PASSWORD)
        .output()
        .unwrap();
    let done = Done::from(done);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let arguments = std::fs::read_to_string(desk.path("arguments")).unwrap();
    assert!(arguments.contains("-q") && !arguments.contains("input-data"), "{arguments}");
    assert!(!desk.path("cache").exists(), "a history was written");
}

/// libvirt's own test driver has a domain, and no agent: the line was read, and said to be impossible.
#[test]
fn virsh_reads_what_we_write() {
    if Command::new("virsh").arg("--version").output().is_err() {
        eprintln!("skipped: no virsh here");
        return;
    }
    let ping = |domain: &str| {
        let via = format!("guest-agent:{domain}?connect=test:///default");
        Done::from(Command::new(bin()).args(["ping", "-o", "json", "--via", &via]).output().unwrap()).stdout
    };
    assert!(ping("test").contains("not supported by the connection driver"), "{}", ping("test"));
    assert!(ping("it's \"web1\"").contains(r#"failed to get domain 'it's \"web1\"'"#), "{}", ping("it's \"web1\""));
}

/// `--login` is another user than the inventory's: he is not given that one's password.
#[test]
fn the_password_of_the_inventory_is_that_of_its_user() {
    let desk = Desk::new();
    let dir = desk.path("").display().to_string();
    desk.program("ssh", &format!("[ \"$1\" = -G ] || echo \"asks=$SSH_ASKPASS_REQUIRE $*\" >>{dir}asked; exit 255"));
    let inventory = desk.write("hosts", "web1 ansible_host=192.0.2.1 ansible_user=admin ansible_password=s3cret\n");
    let asked = |login: &[&str]| {
        let _ = std::fs::remove_file(desk.path("asked"));
        let mut command = Command::new(bin());
        command.args(["ping", "-i", inventory.to_str().unwrap(), "-t", "web1"]).args(login);
        let path = format!("{dir}:{}", std::env::var("PATH").unwrap());
        let done = Done::from(command.env("PATH", path).env_remove("RUNBOOK_PASSWORD").output().unwrap());
        assert_eq!(done.code, 3, "{}{}", done.stdout, done.stderr);
        std::fs::read_to_string(desk.path("asked")).unwrap()
    };
    let own = asked(&[]);
    assert!(own.starts_with("asks=force ") && own.contains("-l admin "), "{own}");
    let other = asked(&["--login", "bob"]);
    assert!(other.starts_with("asks= ") && other.contains("-l bob "), "{other}");
}

/// Three ways: two as joe, whose su refuses, and one as root.
const THREE_WAYS: &str = "hosts:\n  web1:\n    become: {method: su, password: {env: WEBPW}}\n    channels:\n\
    \x20     - exec: {command: env PATH=DIR/joe:$PATH sh, login: joe}\n\
    \x20     - exec: {command: env PATH=DIR/joe:$PATH sh, login: joe}\n";

#[test]
fn a_refused_password_is_not_tried_again_as_the_same_user() {
    let desk = Desk::new();
    let dir = desk.path("").display().to_string();
    let dir = dir.trim_end_matches('/');
    for name in ["joe", "root"] {
        std::fs::create_dir(desk.path(name)).unwrap();
    }
    desk.program("joe/id", "echo 1000");
    desk.program("joe/su", &format!("echo tried >>{dir}/tried; echo 'su: Authentication failure' >&2; exit 1"));
    desk.program("root/id", "[ $1 != -un ] && echo 0 || echo root");
    let book = desk.write("book.yaml", "name: t\ntitle: t\nsteps:\n  - {name: a, check: {command: {sh: ':'}}}\n");
    let run = |inventory: &str, targets: &str| {
        let inventory = desk.write("inv.yaml", &inventory.replace("DIR", dir));
        let args = ["-i", inventory.to_str().unwrap(), "-t", targets];
        let done = Done::from(desk.runbook(&[], "plan", &book, &args).env("WEBPW", PASSWORD).output().unwrap());
        let tried = std::fs::read_to_string(desk.path("tried")).unwrap_or_default().lines().count();
        std::fs::write(desk.path("tried"), "").unwrap();
        (done.code, tried, done.stdout + &done.stderr)
    };
    let (code, tried, said) = run(THREE_WAYS, "web1");
    assert_eq!((code, tried), (1, 1), "{said}");
    assert!(said.contains("we cannot become root there: su: Authentication failure"), "{said}");
    assert!(!said.contains("No channel works") && !said.contains("healthy"), "{said}");
    let two = format!("{THREE_WAYS}{}", THREE_WAYS.replace("hosts:\n", "").replace("web1", "web2"));
    let (code, tried, said) = run(&two, "web1,web2");
    assert_eq!((code, tried), (1, 2), "{said}");
    assert!(said.contains("Authentication failure") && !said.contains("No channel works"), "{said}");
    let (code, tried, said) =
        run(&format!("{THREE_WAYS}      - exec: {{command: env PATH=DIR/root:$PATH sh, login: root}}\n"), "web1");
    assert_eq!((code, tried), (0, 1), "{said}");
    // A way that is lost in between changes nothing of it: the first works, and refuses.
    let lost = "      - exec: {command: exit 1, login: bob}\n";
    let again = THREE_WAYS.lines().last().unwrap();
    let (code, tried, said) = run(&format!("{THREE_WAYS}{lost}{again}\n"), "web1");
    assert_eq!((code, tried), (1, 1), "{said}");
    assert!(!said.contains("No channel works"), "{said}");
    // Where nobody says who we are, another command may be another user.
    let nameless = THREE_WAYS.replace(", login: joe", "");
    let (code, tried, said) =
        run(&format!("{nameless}      - exec: {{command: env PATH=DIR/root:$PATH sh}}\n"), "web1");
    assert_eq!((code, tried), (0, 1), "{said}");
}

#[test]
fn a_password_that_cannot_be_had_is_a_channel_that_does_not_work() {
    let desk = Desk::new();
    let book = desk.write("book.yaml", "name: t\ntitle: t\nsteps:\n  - {name: a, check: {command: {sh: ':'}}}\n");
    let host = |n| format!("  {n}: {{channels: [{{exec: {{command: sh, password: {{env: RUNBOOK_NOPE}}}}}}]}}\n");
    let inventory = desk.write("inv.yaml", &format!("hosts:\n{}{}", host("a"), host("b")));
    let inventory = inventory.to_str().unwrap();
    for targets in ["a", "a,b"] {
        let args = ["-i", inventory, "-t", targets, "-o", "json"];
        let done = Done::from(desk.runbook(&[], "plan", &book, &args).output().unwrap());
        let json: serde_json::Value = serde_json::from_str(&done.stdout).unwrap_or_else(|e| panic!("{e}: {done:?}"));
        assert_eq!(done.code, 3, "{json:#}");
        let one = if targets == "a" { &json } else { &json["targets"][0] };
        assert!(one["error"]["why"].as_str().unwrap().contains("RUNBOOK_NOPE is not in the environment"), "{json:#}");
    }
    let done = Done::from(ping(&desk, &["-i", inventory, "-t", "a"]).output().unwrap());
    assert_eq!(done.code, 3, "{done:?}");
}

/// An ssh that writes down its environment, and is slow to say where it goes.
const SLOW_SSH: &str = "env >DIR/environment.$1\n[ \"$1\" != -G ] || { sleep 60; echo hostname 192.0.2.1; }\nexit 255";

#[test]
fn what_the_ssh_configuration_runs_sees_no_password_and_holds_up_nothing_for_long() {
    let desk = Desk::new();
    desk.program("ssh", &SLOW_SSH.replace("DIR", &desk.path("").display().to_string()));
    let book = desk.write("book.yaml", "name: t\ntitle: t\nsteps:\n  - {name: a, check: {command: {sh: ':'}}}\n");
    let run = |args: &[&str]| {
        let path = format!("{}:{}", desk.path("").display(), std::env::var("PATH").unwrap());
        let mut command = desk.runbook(&[], "plan", &book, args);
        command.env("PATH", path).env("RUNBOOK_PASSWORD", PASSWORD).env("RUNBOOK_BECOME_PASSWORD", PASSWORD);
        Done::from(command.output().unwrap())
    };
    let begun = std::time::Instant::now();
    let hosts = run(&["-t", "a,b,c,d,e,f,g,h", "--list-hosts"]);
    assert_eq!((hosts.code, hosts.stdout.as_str()), (0, "a\nb\nc\nd\ne\nf\ng\nh\n"), "{}", hosts.stderr);
    assert!(!desk.path("environment.-G").exists(), "names alone need no ssh");
    assert_eq!(run(&["-t", "a,b,c,d,e,f,g,h", "-b"]).code, 3);
    // Side by side; one after the other would be 40 s.
    assert!(begun.elapsed().as_secs() < 35, "{:?}", begun.elapsed());
    for name in ["environment.-G", "environment.-M"] {
        let seen = std::fs::read_to_string(desk.path(name)).unwrap();
        assert!(!seen.contains(PASSWORD), "{name}: {seen}");
    }
}

/// Secrets in a file, a check, a command, a validation of what would be written, and one that is tried again.
const EVERYWHERE: &str = "name: t\ntitle: t\nvars:\n  token: {type: secret, from: {env: TOKEN}}\nhandlers:\n\
    - {id: h, validate: {command: {sh: 'grep {{ token }} DIR/file'}}, command: {sh: 'test {{ token }}'}}\nsteps:\n\
    - {name: file, ensure: {file: {path: DIR/file, content: \"{{ token }}\\n\"}}, notify: [h]}\n\
    - {name: check, check: {command: {sh: 'test -e DIR/made || test x = {{ token }}'}}, remediation: [{command: {sh: 'echo {{ token }} >DIR/made'}}]}\n\
    - {name: again, check: {command: {sh: 'test x != {{ token }}'}}, retries: {times: 2, delay: 1s}}\n";

/// mksh is such a shell, here for every `sh`; programs of ours write down what they were given.
#[test]
fn a_shell_without_printf_shows_no_secret_in_an_argument() {
    let there = |name: &str| {
        std::env::split_paths(&std::env::var_os("PATH").unwrap()).map(|d| d.join(name)).find(|p| p.exists())
    };
    let Some(mksh) = there("mksh") else {
        eprintln!("skipped: no mksh here");
        return;
    };
    let desk = Desk::new();
    let dir = desk.path("").display().to_string();
    std::os::unix::fs::symlink(mksh, desk.path("sh")).unwrap();
    for name in ["printf", "cat", "unshare", "chroot"] {
        let real = there(name).unwrap();
        desk.program(name, &format!("printf '%s\\n' \"$@\" >>{dir}/arguments\nexec {} \"$@\"", real.display()));
    }
    // An account that is not root's, and a sudo that takes the password.
    desk.program("id", "echo 1000");
    desk.program(
        "sudo",
        &format!("read -r p; printf '%s\\n' \"$p\" >>{dir}/got; while [ \"$1\" != sh ]; do shift; done; exec \"$@\""),
    );
    desk.program("su", &format!("read -r p; printf '%s\\n' \"$p\" >>{dir}/got; exec sh -c \"$3\""));
    let path = format!("{dir}:{}", std::env::var("PATH").unwrap());
    let password = "it's $HOME `id` \\n 100%";
    for method in ["sudo", "su"] {
        let mut command = Command::new(bin());
        command.args(["ping", "--via", "exec:sh", "--become-method", method]);
        let done = Done::from(command.env("PATH", &path).env("RUNBOOK_BECOME_PASSWORD", password).output().unwrap());
        assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    }
    let got = std::fs::read_to_string(desk.path("got")).unwrap();
    assert!(got.lines().count() > 2 && got.lines().all(|l| l == password), "{got}");
    std::fs::remove_file(desk.path("id")).unwrap();
    let book = desk.write("book.yaml", &EVERYWHERE.replace("DIR", dir.trim_end_matches('/')));
    let mut command = desk.runbook(&[], "apply", &book, &["-y", "--via", "exec:sh"]);
    let done = Done::from(command.env("PATH", &path).env("TOKEN", "such-a-token").output().unwrap());
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert_eq!(std::fs::read_to_string(desk.path("file")).unwrap().trim_end(), "such-a-token");
    let arguments = std::fs::read_to_string(desk.path("arguments")).unwrap();
    let shown: Vec<&str> = arguments.lines().filter(|l| l.contains(password) || l.contains("such-a-token")).collect();
    assert!(shown.is_empty(), "{shown:#?}");
    assert!(arguments.contains("%4096s"), "the shell has a printf of its own: nothing was seen");
}
