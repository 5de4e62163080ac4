//! For every module and every sort of change: snapshot, apply, undo, snapshot, and the two are equal; on a host that runs,
//! and on a disk that does not. With `RUNBOOK_FULL` the counts go to docs/lab-undo-host.md and docs/lab-undo-disk.md.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Desk, Done, Host, LAB, Run, difference, fed, full, lab_is_on};

/// What a run changes and an undo puts back.
struct Case {
    /// The module, and the sort of change.
    name: &'static str,
    /// Sh that makes the host one where there is something to change; on a disk it runs in a chroot.
    setup: &'static str,
    /// `handlers:` and `steps:` of the runbook.
    book: &'static str,
    /// Something has to run for it.
    live: bool,
    /// It is in every run of the tests, not only in the long ones.
    always: bool,
    /// Undo cannot put it back, ends with 1, and says this.
    left: &'static str,
}

const fn case(name: &'static str, setup: &'static str, book: &'static str) -> Case {
    Case { name, setup, book, live: false, always: false, left: "" }
}

impl Case {
    const fn live(self) -> Self {
        Self { live: true, ..self }
    }
    const fn always(self) -> Self {
        Self { always: true, ..self }
    }
    const fn left(self, left: &'static str) -> Self {
        Self { left, ..self }
    }
}

const HAS_SSH: &str = "ln -sf /lib/systemd/system/ssh.service /etc/systemd/system/multi-user.target.wants/ssh.service; ln -sf /lib/systemd/system/ssh.service /etc/systemd/system/sshd.service";
const NO_SSH: &str = "rm -f /etc/systemd/system/sshd.service /etc/systemd/system/*.wants/ssh.service";
const RESTART: &str = "handlers:\n- {id: restart, service: {name: app, restarted: true}}\n";

/// Each with a fresh directory /etc/p.
const CASES: &[Case] = &[
    case("file: new", "", "- ensure: {file: {path: /etc/p/new, content: x, mode: '0640', owner: daemon, group: adm}}"),
    case("file: content", "printf 'a\\r\\nb' >/etc/p/f; chmod 4750 /etc/p/f; chown 12345:54321 /etc/p/f", "- ensure: {file: {path: /etc/p/f, content: x}}").always(),
    case("file: bytes that are no text", "printf '\\377\\000\\376' >/etc/p/f", "- ensure: {file: {path: /etc/p/f, content: x}}"),
    case("file: mode and owner", "echo a >/etc/p/f; chmod 2755 /etc/p/f", "- ensure: {file: {path: /etc/p/f, mode: '0600', owner: daemon}}"),
    case("file: sensitive", "echo a >/etc/p/f; chmod 600 /etc/p/f", "- ensure: {file: {path: /etc/p/f, content: x, sensitive: true}}"),
    case("file: absent", "printf a >/etc/p/f; chown 12345 /etc/p/f; chmod 751 /etc/p/f", "- ensure: {file: {path: /etc/p/f, state: absent}}").always(),
    case("file: absent, with attributes", "printf a >/etc/p/f; setfacl -m u:admin:rw /etc/p/f; setfattr -n user.test -v kept /etc/p/f", "- ensure: {file: {path: /etc/p/f, state: absent}}"),
    case("file: content, with attributes", "printf a >/etc/p/f; setfacl -m u:admin:rw /etc/p/f; setfattr -n user.test -v kept /etc/p/f", "- ensure: {file: {path: /etc/p/f, content: b}}"),
    case("file: empty directory absent", "mkdir -m 2750 /etc/p/d; chown 12345 /etc/p/d", "- ensure: {file: {path: /etc/p/d, state: absent}}"),
    case("file: directories", "", "- ensure: {file: {path: /etc/p/a/b/c, state: directory, parents: true}}\n- ensure: {file: {path: /etc/p/a/b/c/f, content: x}}").always(),
    case("file: directory's mode", "mkdir -m 2750 /etc/p/d", "- ensure: {file: {path: /etc/p/d, state: directory, mode: '0755', owner: daemon}}"),
    case("file: new link", "", "- ensure: {file: {path: /etc/p/l, state: link, to: nowhere}}"),
    case("file: another link", "ln -s 'a b' /etc/p/l", "- ensure: {file: {path: /etc/p/l, state: link, to: b}}").always(),
    case("file: a file becomes a link", "echo a >/etc/p/l; chmod 640 /etc/p/l", "- ensure: {file: {path: /etc/p/l, state: link, to: b}}"),
    case("file: link absent", "ln -s a /etc/p/l", "- ensure: {file: {path: /etc/p/l, state: absent}}"),
    case("file: behind a link", "echo a >/etc/p/real; ln -s real /etc/p/l", "- ensure: {file: {path: /etc/p/l, content: b}}"),
    case("edit: a line", "printf 'x = 1\\r\\na = 1' >/etc/p/f", "- ensure: {edit: {path: /etc/p/f, match: ^a, line: a = 2}}"),
    case("edit: created", "", "- ensure: {edit: {path: /etc/p/f, line: a = 2, create: true}}"),
    case("edit: twice", "printf 'a\\n' >/etc/p/f", "- ensure: {edit: {path: /etc/p/f, line: b}}\n- ensure: {edit: {path: /etc/p/f, block: \"c\\nd\", name: x}}"),
    case("ini: set and unset", "printf '[s]\\na=1\\nb = 2' >/etc/p/f", "- ensure: {ini: {path: /etc/p/f, section: s, set: {a: 2}, unset: [b]}}"),
    case("sshd_config: set", "", "- ensure: {sshd_config: {set: {Banner: none, MaxAuthTries: 3}}}"),
    case("host_keys: made", "rm -f /etc/ssh/ssh_host_*", "- ensure: {host_keys: {}}").live(),
    case("user: new", "", "- ensure: {user: {name: worker, system: true, home: /srv/worker, shell: /usr/sbin/nologin}}").live(),
    case("user: another shell", "", "- ensure: {user: {name: admin, shell: /bin/sh}}").live(),
    case("command: with undo", "", "- check: {command: test -e /etc/p/c}\n  remediation: [{command: {run: touch /etc/p/c, undo: rm /etc/p/c}}]").live(),
    case("command: without undo", "", "- check: {command: test -e /etc/p/c}\n  remediation: [{command: {run: touch /etc/p/c}}]").live().left("nothing on record takes this back"),
    case("sudo: mode", "chmod 666 /etc/sudoers", "- check: {sudo: {}}\n  remediation: [{file: {path: /etc/sudoers, mode: '0440'}}]").live(),
    case("mount: a device that is gone", "echo '/dev/nosuch /mnt ext4 defaults 0 2' >>/etc/fstab; test ! -d /run/systemd/system || systemctl daemon-reload", "- ensure: {mount: {}}").live(),
    case("mount: a misspelt option", "echo 'tmpfs /mnt tmpfs defualts 0 0' >>/etc/fstab; test ! -d /run/systemd/system || systemctl daemon-reload", "- ensure: {mount: {}}"),
    case("firewall: iptables", "iptables -I INPUT -p tcp --dport 22 -j REJECT", "- ensure: {firewall: {port: 22}}").live(),
    case("firewall: nft", "nft add table inet t; nft add chain inet t in '{ type filter hook input priority 0; }'; nft add rule inet t in tcp dport 22 drop", "- ensure: {firewall: {port: 22}}").live(),
    case("firewall: ufw", "ufw --force reset >/dev/null; ufw deny 22/tcp >/dev/null; ufw --force enable >/dev/null", "- ensure: {firewall: {port: 22}}").live(),
    case("bans: one of fail2ban's", "ufw --force disable >/dev/null; systemctl restart fail2ban; for i in $(seq 50); do fail2ban-client ping >/dev/null 2>&1 && break; sleep 0.1; done; fail2ban-client set sshd banip 192.0.2.7", "- ensure: {bans: {client: 192.0.2.7}}").live(),
    case("process: by a signal", "cp /bin/sleep /usr/local/bin/idler; setsid /usr/local/bin/idler 4321 >/dev/null 2>&1 </dev/null &", "- ensure: {process: {name: idler, running: false}}").live().left("idler"),
    case("process: a unit", "cp /bin/sleep /usr/local/bin/idler; printf '[Service]\\nExecStart=/usr/local/bin/idler 4321\\n' >/etc/systemd/system/idler.service; systemctl daemon-reload; systemctl restart idler", "- ensure: {process: {name: idler, running: false}}").live(),
    case("disk: rotated logs", "mkdir -p /var/log/p; head -c 200000 /dev/urandom >/var/log/p/x.log.2; touch -d '30 days ago' /var/log/p/x.log.2", "- check: {disk: {path: /var/log, full: 1, may_go: logs}}\n  condition: check.frees_kb > 0\n  remediation: [{disk: {path: /var/log, full: 1, may_go: logs}}]").live().left("nothing on record takes this back"),
    case("login: a damaged key", "ssh-keygen -A >/dev/null; useradd -m keyed 2>/dev/null; install -d -m 700 -o keyed /home/keyed/.ssh; printf 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ\\n' >/home/keyed/.ssh/authorized_keys; sed 's/\\(.\\{30\\}\\)/\\1\\r\\n/' /etc/ssh/ssh_host_ed25519_key.pub >>/home/keyed/.ssh/authorized_keys", "- ensure: {login: {user: keyed, mend: /home/keyed/.ssh/authorized_keys}}").live(),
    case("hosts_access: allow", "echo 'sshd: ALL' >>/etc/hosts.deny", "- ensure: {hosts_access: {client: 10.77.0.1}}").live(),
    case("package: with a conflict", "", "- ensure: {package: clock}\n").live(),
    case("service: start", "systemctl stop app", "- ensure: {service: {name: app, running: true}}").live(),
    case("service: stop", "systemctl restart app", "- ensure: {service: {name: app, running: false}}").live(),
    case("service: enable", NO_SSH, "- ensure: {service: {name: ssh, enabled: true}}").always(),
    case("service: disable", HAS_SSH, "- ensure: {service: {name: ssh, enabled: false}}").always(),
    case("service: mask", HAS_SSH, "- ensure: {service: {name: ssh, masked: true}}"),
    case("service: unmask", "rm -f /etc/systemd/system/sshd.service; ln -sf /dev/null /etc/systemd/system/ssh.service; systemctl daemon-reload || test ! -d /run/systemd/system", "- ensure: {service: {name: ssh, masked: false}}").always(),
    case("service: unmask what is masked until the reboot", "systemctl mask --runtime ssh", "- ensure: {service: {name: ssh, masked: false}}").live(),
    case("service: a handler's restart", "systemctl restart app", "- ensure: {edit: {path: /etc/app.conf, line: x, create: true}}\n  notify: [restart]").live(),
    case("service: a handler's reload", "systemctl restart app", "- ensure: {edit: {path: /etc/app.conf, line: x, create: true}}\n  notify: [reload]").live(),
    case("service: started by a handler (t15)", "systemctl stop app", "- ensure: {service: {name: app, running: true}}\n- ensure: {edit: {path: /etc/app.conf, line: x, create: true}}\n  notify: [restart]").live().always(),
    case("service: started by a handler alone", "systemctl stop app", "- ensure: {edit: {path: /etc/app.conf, line: x, create: true}}\n  notify: [restart]").live(),
    case("service: started, then edited in another round (t3)", "systemctl stop app", "- ensure: {service: {name: app, running: true}}\n- check: {command: grep -q x /etc/app.conf}\n  remediation: [{edit: {path: /etc/app.conf, line: x, create: true}}]\n  notify: [restart]").live(),
    case("service: restarted by a step (t11)", "systemctl restart app", "- ensure: {ini: {path: /etc/systemd/system/app.service, section: Service, set: {Environment: 'APP_SOCKET=/run/app/app.sock APP_MODE=666'}}}\n  id: conf\n- check: {command: 'tr \"\\0\" \"\\n\" < /proc/$(systemctl show -P MainPID app)/environ | grep -q APP_MODE=666'}\n  needs: [conf]\n  reads: []\n  remediation: [{service: {name: app, restarted: true}}]").live().always(),
    // Last, as it leaves the app ill.
    case("sandbox: a line of a drop-in", "mkdir -p /etc/systemd/system/app.service.d; printf '[Service]\\nWorkingDirectory=/gone\\n' >/etc/systemd/system/app.service.d/x.conf; systemctl daemon-reload; systemctl restart app; sleep 0.5", "- ensure: {sandbox: {name: app}}").live(),
];

/// All of a tree that an undo has to put back: content, mode, owner, links, names, attributes. `$1` is its root.
const FILES: &str = r#"cd "$1/" && { find etc usr/local root home opt srv lib/systemd usr/lib/systemd run/systemd/system run/systemd/generator* -path root/deb -prune -o -name '.runbook-*' -prune -o -printf '%p\t%y\t%m\t%U\t%G\t%l\n' 2>/dev/null | grep -vE '^(etc/(\.pwd\.lock|ld\.so\.cache|mtab|ssl/|passwd-|shadow-|group-|gshadow-)|root/\.|run/systemd/system/(session|user))' | sort
find etc usr/local root/d home opt srv -xdev -type f ! -name 'ssh_host_*' -exec sha256sum {} + 2>/dev/null | grep -vE ' etc/(ld\.so\.cache|passwd-|shadow-|group-|gshadow-|\.pwd\.lock)' | sort -k2
getfattr -R -d -m 'user\.' etc/p 2>/dev/null; getfacl -Rn etc/p 2>/dev/null; stat -c '%n %h' etc/p/* 2>/dev/null; }; "#;

/// What runs: units, what the service has read, rules, packages.
const LIVE: &str = r#"PATH=$PATH:/usr/sbin; systemctl is-active app ssh.service ssh.socket chrony clock; systemctl is-enabled app ssh.service sshd.service ssh.socket 2>&1
if systemctl -q is-active app; then sleep 0.3; cat /run/app/conf; tr '\0' '\n' </proc/$(systemctl show -P MainPID app)/environ | grep APP_; systemctl show -P NeedDaemonReload app; fi
nft -s list ruleset | sed 's/counter packets [0-9]* bytes [0-9]*/counter/'; fail2ban-client status sshd 2>/dev/null | grep 'Banned IP'; ls /var/log/p 2>/dev/null; pidof idler | wc -w; systemctl is-active idler; dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n'; :"#;

/// Either of the two that a case is tried on.
enum Place {
    Live(Host),
    Disk { root: PathBuf, name: String, desk: Desk },
}

impl Place {
    fn sh(&self, script: &str) -> Done {
        match self {
            Place::Live(host) => host.try_sh(script),
            Place::Disk { root, .. } => fed(Command::new("chroot").arg(root).arg("sh"), script.as_bytes()),
        }
    }
    fn snapshot(&self) -> String {
        match self {
            Place::Live(host) => host.try_sh(&format!("set -- ''; {FILES}{LIVE}")).stdout,
            Place::Disk { root, .. } => {
                fed(Command::new("sh").args(["-s", root.to_str().unwrap()]), FILES.as_bytes()).stdout
            }
        }
    }
    fn run(&self, verb: &str, book: &Path) -> Run {
        match self {
            Place::Live(host) => host.run(verb, book, None, if verb == "undo" { &["-y"] } else { &[] }),
            Place::Disk { root, desk, .. } => {
                let via = format!("root:{}", root.display());
                let mut c = desk.runbook(&[LAB, "ctl"], verb, book, &["--via", &via, "-y", "-o", "json"]);
                Done::from(c.output().unwrap()).into()
            }
        }
    }
    fn write(&self, text: &str) -> PathBuf {
        match self {
            Place::Live(host) => host.desk.write("book.yaml", text),
            Place::Disk { desk, .. } => desk.write("book.yaml", text),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Place::Disk { name, .. } = self {
            drop(Command::new(LAB).args(["down", name]).output());
        }
    }
}

/// What is as it was; `Err`: what is not.
fn undone(place: &Place, case: &Case) -> Result<&'static str, String> {
    let reset = "PATH=$PATH:/usr/sbin:/sbin; rm -rf /etc/p; mkdir /etc/p";
    let made = place.sh(&format!("{reset}; {}", case.setup));
    if made.code != 0 {
        return Err(format!("setup: {}{}", made.stdout, made.stderr));
    }
    let mut steps = String::new();
    for (n, line) in case.book.lines().enumerate() {
        let line = line.strip_prefix("- ").map_or_else(|| line.to_owned(), |l| format!("- name: s{n}\n  {l}"));
        steps += &format!("{line}\n");
    }
    let reload = "- {id: reload, service: {name: app, reloaded: true}}\n";
    let handlers = if case.book.contains("notify") { format!("{RESTART}{reload}") } else { String::new() };
    let book = place.write(&format!("name: book\ntitle: t\n{handlers}steps:\n{steps}"));
    let before = place.snapshot();
    let run = place.run("apply", &book);
    if run.exit != 0 {
        return Err(format!("apply: {}", run.seen()));
    }
    let id = run.json["run"].as_str().unwrap_or_default().to_owned();
    if place.snapshot() == before && case.left.is_empty() && !case.name.starts_with("host_keys") {
        return Err(format!("apply changed nothing that a snapshot shows: {}", run.seen()));
    }
    let back = place.run("undo", Path::new(&id));
    let after = place.snapshot();
    match (back.exit, case.left) {
        (0, "") if after == before => Ok("as before"),
        (0, "") => Err(format!("it is not as it was:\n{}{}", difference(&before, &after), back.seen())),
        (1, left) if !left.is_empty() && back.json.to_string().contains(left) => Ok("said what it leaves"),
        _ => Err(format!("undo: {}{}", difference(&before, &after), back.seen())),
    }
}

fn all(place: &Place, live: bool) -> Vec<(&'static str, &'static str)> {
    let cases = CASES.iter().filter(|c| (live || !c.live) && (full() || c.always));
    let mut wrong = Vec::new();
    let mut right = Vec::new();
    for case in cases {
        match undone(place, case) {
            Ok(how) => right.push((case.name, how)),
            Err(why) => wrong.push(format!("{}: {why}", case.name)),
        }
    }
    assert!(wrong.is_empty(), "{} wrong, {} right:\n{}", wrong.len(), right.len(), wrong.join("\n"));
    right
}

fn report(place: &str, file: &str, right: &[(&str, &str)]) {
    eprintln!("{file}: {} cases as before, or said", right.len());
    if !full() {
        return;
    }
    let mut by: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (name, how) in right {
        let module = name.split(':').next().unwrap_or_default();
        let of = by.entry(module).or_default();
        if *how == "as before" { of.0 += 1 } else { of.1 += 1 }
    }
    let rows: String = by.iter().map(|(m, (a, b))| format!("| {m} | {a} | {b} |\n")).collect();
    let path =
        std::env::var_os("RUNBOOK_WRITE_DOCS").map(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(file));
    let (today, all) = (jiff::Zoned::now().date(), right.len());
    let text = format!(
        "# Snapshot, apply, undo, snapshot: {place}\n\n{today}, `tests/run --full`: {all} cases. As before: files with mode, owner, links and attributes, units, what services\nhave read, rules and packages.\n\n| module | as before | undo says what it leaves |\n| --- | --- | --- |\n{rows}"
    );
    eprintln!("{text}");
    if let Some(path) = path {
        std::fs::write(path, text).unwrap();
    }
}

#[test]
fn on_a_host() {
    let Some(host) = Host::up("property") else { return };
    host.sh(include_str!("fixtures/authoring/host.sh"));
    host.sh("PATH=$PATH:/usr/sbin; apt-get -y install chrony >/dev/null 2>&1");
    let place = Place::Live(host);
    let right = all(&place, true);
    report("on a host that runs", "lab-undo-host.md", &right);
}

#[test]
fn on_a_disk() {
    if !lab_is_on() {
        return;
    }
    let name = format!("t-property-disk-{}", std::process::id());
    let up = fed(Command::new(LAB).args(["up", "--off", &name]), b"");
    assert_eq!(up.code, 0, "{}", up.stderr);
    let root = fed(Command::new(LAB).args(["root", &name]), b"").stdout.trim().to_owned();
    let place = Place::Disk { root: root.into(), name, desk: Desk::new() };
    let right = all(&place, false);
    report("on a disk", "lab-undo-disk.md", &right);
}
