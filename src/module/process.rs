//! `process`: who holds a port, or goes by a name; and stopping it, by its unit where it has one of its own.

use serde_json::{Value, json};

use super::{Decision, Field, Halt, Module, Param, Params, Rule, Spec, Ty};
use crate::payload::sh_quote;
use crate::plan::{Change, CommandChange, Resource, UnitChange, View, first_line};
use crate::target::frame::Status;
use crate::target::units::{UnitState, Verb};

/// Processes.
pub struct Process;

static SPEC: Spec = Spec {
    name: "process",
    summary: "Processes by the TCP port that they listen on, by name or by pid. `running: false` stops them: by systemd where they are a unit of their own, else by a signal.",
    scalar: None,
    params: &[
        Param { name: "port", ty: Ty::Port, required: false, help: "those that listen on this TCP port" },
        Param { name: "name", ty: Ty::Str, required: false, help: "those of this name (/proc/PID/comm)" },
        Param { name: "pid", ty: Ty::Str, required: false, help: "this one" },
        Param { name: "except", ty: Ty::List, required: false, help: "names that do not count" },
        Param {
            name: "running",
            ty: Ty::Bool,
            required: false,
            help: "false: there are none, and what there is is stopped; else ok is: there are some",
        },
    ],
    fields: &[Field {
        name: "processes",
        help: "a list of {pid, ppid, name, command, unit, user, deleted, stopped}; unit is empty where it has none of its own, deleted: its program file was replaced or removed, stopped: by a signal or a debugger, so that it does nothing",
    }],
    reads: "socket:*",
    writes: "unit:NAME, socket:*",
    open: false,
};

/// What every process that is found is told by; `A` is what leads to ourselves, which is never stopped.
const ONE: &str = r#"A=' '; a=$$; while [ "$a" -gt 0 ] 2>/dev/null; do A="$A$a "; s=$(cat /proc/$a/stat 2>/dev/null) || break; s=${s##*) }; s=${s#* }; a=${s%% *}; done
one() { s=$(cat "/proc/$1/stat" 2>/dev/null) || return 0; s=${s##*) }; set -- "$1" $s; o=0; case $A in *" $1 "*) o=1;; esac
x=0; case $(readlink "/proc/$1/exe" 2>/dev/null) in *' (deleted)') x=1;; esac
case $2 in [Tt]) x=$((x+2));; esac; echo "p $1 $3 ${21} $x $o $(stat -c %U "/proc/$1" 2>/dev/null || echo '?') $(sed -n -e 's/^0:://p' -e 's/^[0-9]*:name=systemd://p' "/proc/$1/cgroup" 2>/dev/null | tail -n 1)"
echo "n $(cat "/proc/$1/comm" 2>/dev/null)"; echo "c $(tr '\000\n' '  ' <"/proc/$1/cmdline" 2>/dev/null | cut -c 1-300)"; }
"#;

/// `ss`, else the kernel's table and everybody's open files.
const BY_PORT: &str = r#"if command -v ss >/dev/null && o=$(ss -Hltnp "sport = :$port" 2>/dev/null); then [ -z "$o" ] || echo held
l=$(printf '%s\n' "$o" | tr ',' '\n' | sed -n 's/^pid=\([0-9]*\).*/\1/p' | sort -un)
else h=$(printf '%04X' "$port"); e=
i=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | while read -r _ k _ s _ _ _ _ _ n _; do case $s$k in 0A*:$h) echo "$n";; esac; done)
for n in $i; do echo held; e="$e -e /socket:\\[$n\\]/s/.*/+/p"; done
l=; [ -z "$i" ] || l=$(ls -l /proc/[0-9]*/fd 2>/dev/null | sed -n -e 's/^\/proc\/\([0-9]*\)\/fd:$/\1/p' $e | while read -r n; do case $n in +) echo "$d";; *) d=$n;; esac; done | sort -un)
fi
for n in $l; do one "$n"; done"#;

const BY_NAME: &str = r#"k=0; for d in /proc/[0-9]*; do n=; { read -r n <"$d/comm"; } 2>/dev/null; if [ "$n" = "$name" ] && [ $k -lt 64 ]; then k=$((k+1)); one "${d#/proc/}"; fi; done"#;

/// A process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Proc {
    pid: u32,
    ppid: u32,
    /// In clock ticks since boot: with the pid, one process and no other.
    start: u64,
    name: String,
    command: String,
    user: String,
    unit: String,
    deleted: bool,
    /// By a signal or a debugger: its state is T or t (proc_pid_stat(5)).
    stopped: bool,
    /// It leads to us: a shell of this very connection.
    ours: bool,
}

impl Module for Process {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn rules(&self) -> &'static [Rule] {
        &[Rule::One(&["port", "name", "pid"], None)]
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        view.needs_running_host()?;
        let wanted = Wanted::of(p)?;
        // Where all is well, nobody asks for processes.
        view.not_ahead()?;
        let sh = wanted.script().ok_or_else(|| Halt::unknown("a name with a NUL"))?;
        let a = view.script(&wanted.about(), &sh, false, &[Resource::Socket])?;
        if a.status != Status::Exit(0) {
            return Err(Halt::unknown(format!("the processes cannot be told: {}", first_line(&a.stderr))));
        }
        let out = String::from_utf8_lossy(&a.stdout);
        let except = p.list("except");
        let all = parse(&out);
        let found: Vec<&Proc> = all.iter().filter(|x| !except.contains(&x.name)).collect();
        let hidden = all.is_empty() && out.lines().any(|l| l == "held");
        if hidden && !view.facts()?.root {
            return Err(view.takes_root(format!("{} held, and only root can tell by whom", wanted.subject())));
        }
        let away = p.bool("running") == Some(false);
        let none = found.is_empty() && !hidden;
        let changes = if away { stop(&found, view)? } else { Vec::new() };
        let evidence = match found.first() {
            Some(x) => wanted.evidence(x, found.len() - 1),
            None if hidden => format!("{} held by no process that can be seen from here", wanted.subject()),
            None => wanted.nobody(!all.is_empty()),
        };
        let list: Vec<Value> = found.iter().map(|x| x.json()).collect();
        Ok(Decision::new(none == away, evidence).with("processes", list).changing(changes))
    }
}

/// What is looked for.
enum Wanted<'a> {
    Port(u16),
    Name(&'a str),
    Pid(u32),
}

impl<'a> Wanted<'a> {
    fn of(p: &'a Params) -> Result<Self, Halt> {
        match (p.port("port"), p.str("name"), p.str("pid")) {
            (Some(port), ..) => Ok(Wanted::Port(port)),
            (_, Some(name), _) => Ok(Wanted::Name(name)),
            (_, _, Some(pid)) => {
                pid.parse().map(Wanted::Pid).map_err(|_| Halt::error("pid", format!("\"{pid}\" is no pid")))
            }
            _ => Err(Halt::error("port", "one of port, name, pid is missing")),
        }
    }
    fn script(&self) -> Option<String> {
        Some(match self {
            Wanted::Port(port) => format!("{ONE}port={port}\n{BY_PORT}"),
            Wanted::Name(name) => {
                // comm has 15 bytes (proc_pid_comm(5)).
                let end = (0..=name.len().min(15)).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
                format!("{ONE}name={}\n{BY_NAME}", sh_quote(&name[..end])?)
            }
            Wanted::Pid(pid) => format!("{ONE}one {pid}"),
        })
    }
    /// What a fixture calls the question.
    fn about(&self) -> String {
        match self {
            Wanted::Port(port) => format!("processes that have port {port}"),
            Wanted::Name(name) => format!("processes called {name}"),
            Wanted::Pid(pid) => format!("process {pid}"),
        }
    }
    fn subject(&self) -> String {
        match self {
            Wanted::Port(port) => format!("port {port} is"),
            Wanted::Name(name) => format!("{name} is"),
            Wanted::Pid(pid) => format!("process {pid} is"),
        }
    }
    fn nobody(&self, others: bool) -> String {
        let none = if others { "no other" } else { "no" };
        match self {
            Wanted::Port(port) if !others => format!("nothing listens on port {port}"),
            Wanted::Port(port) => format!("nothing else listens on port {port}"),
            Wanted::Name(name) => format!("{none} process is called {name}"),
            Wanted::Pid(pid) => format!("there is no process {pid}"),
        }
    }
    fn evidence(&self, x: &Proc, more: usize) -> String {
        let what = match self {
            Wanted::Port(port) => format!("holds port {port}"),
            _ => "runs".into(),
        };
        let unit = if x.unit.is_empty() { format!("of {}", x.user) } else { x.unit.clone() };
        let replaced = match (x.stopped, x.deleted) {
            (true, _) => ", stopped by a signal",
            (_, true) => ", its program was replaced",
            _ => "",
        };
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        let text = format!("{} (pid {}, {unit}{replaced}) {what}{more}: {}", x.name, x.pid, x.command);
        match text.char_indices().nth(99) {
            Some((at, _)) => format!("{}…", &text[..at]),
            None => text.trim_end_matches([' ', ':']).to_owned(),
        }
    }
}

impl Proc {
    fn json(&self) -> Value {
        json!({
            "pid": self.pid, "ppid": self.ppid, "name": self.name, "command": self.command, "unit": self.unit,
            "user": self.user, "deleted": self.deleted, "stopped": self.stopped,
        })
    }
    /// Stops this one process and never another: a pid that was given to somebody else has another start time.
    fn kill(&self) -> Change {
        let Proc { pid, start, name, .. } = self;
        let sh = format!(
            "same() {{ s=$(cat /proc/{pid}/stat 2>/dev/null) || return 1; s=${{s##*) }}; set -- $s; [ \"${{20}}\" = {start} ] && [ \"$1\" != Z ]; }}\n\
             gone() {{ i=0; while same; do [ $i -lt \"$1\" ] || return 1; i=$((i+1)); sleep 1; done; }}\n\
             same || exit 0\n\
             kill {pid} && gone 5 || {{ same && kill -9 {pid}; gone 3; }} || {{ echo 'it does not end' >&2; exit 1; }}"
        );
        let change = CommandChange::new(sh, format!("kill {pid}, which is {name}"));
        Change::Command(change.writing(vec![Resource::Socket]).by_root())
    }
}

/// A unit is stopped, and kept from coming back at boot, where the process is its main one. What merely runs within a unit
/// (docker-proxy in docker.service, an sshd that its unit has lost) is ended alone: its unit would take more with it.
fn stop(found: &[&Proc], view: &View<'_>) -> Result<Vec<Change>, Halt> {
    let mut names: Vec<&str> = found.iter().map(|x| x.unit.as_str()).filter(|u| !u.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    let units = if names.is_empty() { Vec::new() } else { view.units(&names)? };
    let mut sockets: Vec<&str> = units.iter().flat_map(|u| &u.triggered_by).map(String::as_str).collect();
    sockets.retain(|s| s.ends_with(".socket"));
    let sockets = if sockets.is_empty() { Vec::new() } else { view.units(&sockets)? };
    let mut changes = Vec::new();
    let mut off = |u: &UnitState| {
        let before = format!("{}, {}", u.active, u.enabled);
        let change =
            |verb| Change::Unit(UnitChange { unit: u.name().to_owned(), verb, before: before.clone(), links: None });
        if u.wants_boot() {
            changes.push(change(Verb::Disable));
        }
        if u.running() {
            changes.push(change(Verb::Stop));
        }
    };
    let main = |u: &&UnitState| u.pid != 0 && found.iter().any(|x| x.pid == u.pid && !x.ours);
    let own: Vec<&UnitState> = units.iter().filter(main).collect();
    for u in &own {
        // Its socket first: it would start the service again.
        sockets.iter().filter(|k| u.triggered_by.iter().any(|t| t == k.name())).for_each(&mut off);
        off(u);
    }
    let single = found.iter().filter(|x| !x.ours && x.pid > 2 && x.ppid != 2);
    let by_unit = |x: &&&Proc| own.iter().any(|u| u.asked == x.unit);
    changes.extend(single.filter(|x| !by_unit(x)).map(|x| x.kill()));
    Ok(changes)
}

fn parse(out: &str) -> Vec<Proc> {
    let mut all: Vec<Proc> = Vec::new();
    for line in out.lines() {
        let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (key, all.last_mut()) {
            ("p", _) => {
                let mut w = rest.splitn(7, ' ');
                let mut number = || w.next().and_then(|n| n.parse::<u64>().ok()).unwrap_or_default();
                let (pid, ppid, start, flags, ours) = (number(), number(), number(), number(), number() == 1);
                let (deleted, stopped) = (flags & 1 != 0, flags & 2 != 0);
                let user = w.next().unwrap_or_default().to_owned();
                let unit = unit_of(w.next().unwrap_or_default());
                let id = |n: u64| u32::try_from(n).unwrap_or_default();
                all.push(Proc {
                    pid: id(pid),
                    ppid: id(ppid),
                    start,
                    user,
                    unit,
                    deleted,
                    stopped,
                    ours,
                    ..Proc::default()
                });
            }
            ("n", Some(x)) => rest.clone_into(&mut x.name),
            ("c", Some(x)) => rest.trim().clone_into(&mut x.command),
            _ => {}
        }
    }
    all
}

/// `/system.slice/nginx.service`, also below a container's own path, and `/system.slice/system-getty.slice/…`; a session's
/// scope and what a user's own systemd runs are no units of the system.
fn unit_of(cgroup: &str) -> String {
    let mut parts = cgroup.split('/').skip_while(|p| *p != "system.slice").skip(1);
    let unit = parts.find(|p| !p.ends_with(".slice")).unwrap_or_default();
    if unit.ends_with(".service") { unit.to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::super::canned::Canned;
    use super::*;

    const NGINX: &str = "held\np 812 1 4711 0 0 root /system.slice/nginx.service\nn nginx\nc nginx: master process /usr/sbin/nginx -g daemon on; master_process on; \n\
                         p 813 812 4712 0 0 www-data /system.slice/nginx.service\nn nginx\nc nginx: worker process\n";

    fn host(list: &'static str, units: &'static str) -> Canned<'static> {
        Canned::new(move |sh| (0, if sh.starts_with("rb_units") { units } else { list }.into()))
    }
    fn off() -> Value {
        json!({"port": 22, "except": ["sshd", "systemd"], "running": false})
    }

    #[test]
    fn a_service_of_its_own_is_stopped_by_systemd() {
        let units = "Id=nginx.service\nLoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nMainPID=812\n\nWanted=nginx.service\n";
        let h = host(NGINX, units);
        assert_eq!(h.titles(&Process, &off()), ["disable nginx.service", "stop nginx.service"]);
        let d = h.decide(&Process, &off()).unwrap();
        assert_eq!(
            d.evidence,
            "nginx (pid 812, nginx.service) holds port 22, and 1 more: nginx: master process /usr/sbin/nginx -g …"
        );
        assert!(d.evidence.chars().count() <= 100);
        assert_eq!(d.fields["processes"][1]["ppid"], 812);
    }

    #[test]
    fn what_a_signal_stopped() {
        let h = host("held\np 60 1 4711 3 0 root /system.slice/ssh.service\nn sshd\nc sshd: /usr/sbin/sshd -D\n", "");
        let d = h.decide(&Process, &json!({"port": 22})).unwrap();
        let x = &d.fields["processes"][0];
        assert_eq!((&x["stopped"], &x["deleted"]), (&json!(true), &json!(true)));
        assert_eq!(
            d.evidence,
            "sshd (pid 60, ssh.service, stopped by a signal) holds port 22: sshd: /usr/sbin/sshd -D"
        );
    }

    #[test]
    fn what_only_lives_in_a_unit_is_ended_alone() {
        let list = "held\np 900 812 4711 0 0 root /system.slice/docker.service\nn docker-proxy\nc /usr/bin/docker-proxy -host-port 22\n";
        let units = "Id=docker.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\nMainPID=812\n\n";
        let h = host(list, units);
        assert_eq!(h.titles(&Process, &off()), ["run kill 900, which is docker-proxy   (cannot be undone)"]);
        let d = h.decide(&Process, &off()).unwrap();
        let Change::Command(c) = &d.changes[0] else { panic!() };
        assert!(c.sh.contains("= 4711 ]") && c.root);
    }

    #[test]
    fn a_session_of_a_user_and_our_own_shell() {
        let list = "held\np 950 1 99 1 0 mallory /user.slice/user-1000.slice/session-4.scope\nn python3\nc python3 -m http.server 22\n\
                    p 951 1 99 0 1 root /user.slice/user-0.slice/session-5.scope\nn sh\nc sh\n";
        let h = host(list, "");
        assert_eq!(h.titles(&Process, &off()), ["run kill 950, which is python3   (cannot be undone)"]);
        let d = h.decide(&Process, &off()).unwrap();
        assert_eq!(
            d.evidence,
            "python3 (pid 950, of mallory, its program was replaced) holds port 22, and 1 more: python3 -m http.…"
        );
        assert_eq!(
            (&d.fields["processes"][0]["unit"], &d.fields["processes"][0]["deleted"]),
            (&json!(""), &json!(true))
        );
    }

    #[test]
    fn those_who_may_and_nobody() {
        let list = "held\np 77 1 99 0 0 root /system.slice/ssh.service\nn sshd\nc sshd: /usr/sbin/sshd -D\n";
        let d = host(list, "").decide(&Process, &off()).unwrap();
        assert!(d.ok && d.changes.is_empty());
        assert_eq!(d.evidence, "nothing else listens on port 22");
        let d = host(list, "").decide(&Process, &json!({"name": "sshd"})).unwrap();
        assert_eq!((d.ok, d.evidence.as_str()), (true, "sshd (pid 77, ssh.service) runs: sshd: /usr/sbin/sshd -D"));
        // The kernel, or another namespace: said, and left.
        let d = host("held\n", "").decide(&Process, &off()).unwrap();
        assert_eq!((d.ok, d.changes.len()), (false, 0));
        let d = host("", "").decide(&Process, &json!({"pid": "12"})).unwrap();
        assert_eq!((d.ok, d.evidence.as_str()), (false, "there is no process 12"));
    }

    #[test]
    fn units_of_cgroups() {
        assert_eq!(unit_of("/system.slice/nginx.service"), "nginx.service");
        assert_eq!(unit_of("/runbook-lab.x/host/payload/system.slice/nginx.service"), "nginx.service");
        assert_eq!(unit_of("/system.slice/system-getty.slice/getty@tty1.service"), "getty@tty1.service");
        assert_eq!(unit_of("/system.slice/docker-0123.scope"), "");
        assert_eq!(unit_of("/user.slice/user-0.slice/user@0.service/app.slice/x.service"), "");
        assert_eq!(unit_of("/init.scope"), "");
    }
}
