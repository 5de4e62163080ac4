//! `sshd`: what the real sshd would do at its next start.

mod errors;
mod key;
mod listen;
mod place;
mod placeless;
mod seen;

pub(super) use errors::{from_value, shown};
pub(super) use key::Key;
use place::Place;
pub(super) use seen::{MAIN, Seen};

use serde_json::json;

use super::{Decision, Field, Halt, Module, Param, Params, Spec, Ty};
use crate::plan::View;

/// sshd, asked by `sshd -T` and by a look at all that it needs.
pub struct Sshd;

static SPEC: Spec = Spec {
    name: "sshd",
    summary: "What the real sshd would do at its next start: one `sshd -T`, and a look at its program, user, directory, host keys and command line. What is missing beside the configuration does not hide the configuration: it is stood in for, in a private namespace.",
    scalar: Some("what"),
    params: &[Param {
        name: "what",
        ty: Ty::OneOf(&["program", "config", "user", "keys", "directory", "listen"]),
        required: true,
        help: "what `ok` and `evidence` are about; listen: on an address that is not loopback",
    }],
    fields: &[
        Field { name: "program", help: "its path; empty if there is none" },
        Field {
            name: "problem",
            help: "why it cannot be started: empty, none (there is no sshd), stray (the unit starts a program that is not there), mode (it may not be executed), library, damaged",
        },
        Field { name: "library", help: "the shared library that is missing, else empty" },
        Field {
            name: "main",
            help: "the configuration file that it begins with: /etc/ssh/sshd_config, unless its command line says otherwise",
        },
        Field { name: "version", help: "OpenSSH's, such as 9.2; empty if it cannot be told" },
        Field { name: "errors", help: "what it refuses in its configuration: a list of {file, line, message, shown}" },
        Field { name: "no_config", help: "its main file is not there" },
        Field { name: "template", help: "a copy of the main file as the package ships it; empty if there is none" },
        Field { name: "no_user", help: "the user sshd does not exist" },
        Field {
            name: "no_lookup",
            help: "/etc/passwd has the user sshd, and the host does not find it (nsswitch.conf)",
        },
        Field {
            name: "directory",
            help: "what is wrong with the privilege separation directory: {kind, path, problem, by_unit}; by_unit: the unit makes it at each start; kind is empty (all is well, or the unit makes it at each start), missing, mode, inway (something else is there), unit (a line of path makes it wrongly)",
        },
        Field {
            name: "keys",
            help: "its host keys, where none of them loads: a list of {path, state, mode, type}; state is good, open, missing, empty, corrupt, nofile",
        },
        Field { name: "no_keys", help: "no host key loads" },
        Field { name: "ports", help: "the ports it would listen on" },
        Field { name: "addresses", help: "the addresses it would listen on, with ports" },
        Field { name: "family", help: "AddressFamily: any, inet or inet6" },
        Field { name: "v6_only", help: "all of these addresses are IPv6: ssh.socket may take no IPv4 clients" },
        Field { name: "loopback_only", help: "it would be reachable from this host alone" },
        Field {
            name: "unreachable",
            help: "no address it would listen on can be reached: each is loopback, or not this host's",
        },
        Field { name: "families", help: "of these addresses: ipv4, ipv6" },
        Field {
            name: "counterparts",
            help: "addresses that ListenAddress lines lack: 0.0.0.0 where they have ::, and the reverse",
        },
        Field { name: "by_socket", help: "systemd listens in its place (ssh.socket), and what that unit says counts" },
        Field {
            name: "hosts",
            help: "where a socket unit should listen: 0.0.0.0 and [::], or the addresses that it has; empty if a person must name one",
        },
        Field { name: "streams", help: "its present ports on those: a list of HOST:PORT" },
        Field {
            name: "socket",
            help: "that unit: {unit, active, enabled, listen, result}; the unit is empty if there is none",
        },
        Field { name: "absent", help: "addresses that it would listen on and that this host does not have" },
        Field { name: "port_lines", help: "the lines that give it ports: a list of {file, line, text}" },
        Field { name: "listen_lines", help: "the ListenAddress lines, likewise" },
        Field { name: "options", help: "options on its command line, likewise; they overrule the files" },
        Field { name: "listen_options", help: "those of them that say where it listens" },
        Field { name: "bad_option", help: "the one with an option that sshd does not have, else null" },
        Field { name: "exec", help: "the line of the unit that starts a program that is not there, else null" },
        Field {
            name: "unclear",
            help: "what its command line comes to could not be told (a wrapper, quotes): it may listen elsewhere",
        },
        Field {
            name: "runs",
            help: "its service runs, or systemd listens in its place, and no other program has its port",
        },
        Field {
            name: "stale",
            help: "a file that it reads may have been changed after it read it: it does not run, or was started in the same second",
        },
        Field {
            name: "edited",
            help: "it runs, and what it reads was touched since: written, moved, taken away, given another mode or owner",
        },
        Field {
            name: "generator",
            help: "a generator makes ssh.socket listen where the files say (Ubuntu 24.04), and nobody overruled it",
        },
        Field { name: "libwrap", help: "it heeds hosts.allow and hosts.deny" },
    ],
    reads: "file:/etc/ssh/**, file:/etc/default/ssh, file:/etc/sysconfig/sshd, package:*",
    writes: "",
    open: false,
};

impl Module for Sshd {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let what = p.text("what");
        let seen = match Seen::read(view)? {
            Some(seen) => seen,
            None if matches!(what, "listen" | "config") => Seen::offline(view)?,
            None => return Err(Halt::Skipped("not checked: this disk's sshd can't run here".into())),
        };
        let (ok, evidence) = answer(what, &seen)?;
        Ok(fields(Decision::new(ok, evidence), &seen))
    }
}

fn answer(what: &str, s: &Seen) -> Result<(bool, String), Halt> {
    let refused = || {
        let all: Vec<String> = s.said.faults.iter().map(shown).collect();
        (!all.is_empty()).then(|| all.join("; ")).or_else(|| s.said.other.clone())
    };
    // What sshd says first hides what it would say next.
    let known = |about: &str| match refused() {
        Some(why) if s.settings.is_none() => Err(Halt::unknown(format!("{about} is not known while sshd says: {why}"))),
        _ => Ok(()),
    };
    if what == "program" {
        return Ok(match (&s.said.broken, &s.stray) {
            (Some(why), _) => (false, why.clone()),
            (None, Some(line)) => (false, format!("{}, which is not there", line.says())),
            (None, None) => (true, format!("{} runs", s.program)),
        });
    }
    if let Some(why) = &s.said.broken {
        return Err(Halt::unknown(why.clone()));
    }
    Ok(match what {
        "config" if s.said.no_config => (false, "/etc/ssh/sshd_config does not exist".into()),
        "config" if s.bad_option().is_some() => {
            let line = s.bad_option().map(Place::says).unwrap_or_default();
            (false, format!("{line}, and sshd has no such option"))
        }
        "config" => match refused() {
            Some(why) if !s.tried => (false, format!("{why} (by the table of runbook: no sshd can run here)")),
            Some(why) => (false, why),
            None if !s.tried => {
                (true, "its files hold no line that is known to be bad (this disk's sshd can't run here)".into())
            }
            None => (true, "sshd accepts its configuration".into()),
        },
        "user" if s.no_user && (s.said.no_user || s.again || s.settings.is_none()) => {
            (false, "the user sshd does not exist, and sshd does not start without it".into())
        }
        "user" if s.no_lookup() => (false, "/etc/passwd has the user sshd, and the host does not find it there".into()),
        "user" => (true, "the user sshd exists".into()),
        "keys" => {
            known("whether its host keys load")?;
            (!s.no_keys(), s.keys_evidence())
        }
        "directory" => {
            known("its directory")?;
            let d = s.directory_problem();
            match d.kind {
                "" => (true, "its directory is as it should be, or made at each start".into()),
                _ => (false, format!("{} {}", d.path, d.problem)),
            }
        }
        _ => {
            known("where it would listen")?;
            (!s.unreachable(), s.listen_evidence())
        }
    })
}

/// Why it cannot be started.
fn problem(s: &Seen) -> &'static str {
    match &s.said.broken {
        None if s.stray.is_some() => "stray",
        None => "",
        Some(_) if s.program.is_empty() => "none",
        Some(_) if s.not_executable => "mode",
        Some(_) if library(s).is_some() => "library",
        Some(_) => "damaged",
    }
}

/// `…: error while loading shared libraries: libwrap.so.0: cannot open shared object file: …` (ld.so(8)).
fn library(s: &Seen) -> Option<&str> {
    let (_, rest) = s.said.broken.as_deref()?.split_once("loading shared libraries: ")?;
    Some(rest.split(':').next().unwrap_or(rest).trim())
}

fn fields(d: Decision, s: &Seen) -> Decision {
    let directory = s.directory_problem();
    let directory =
        json!({"kind": directory.kind, "path": directory.path, "problem": directory.problem, "by_unit": s.runtime});
    d.with("program", s.program.clone())
        .with("problem", problem(s))
        .with("library", library(s).unwrap_or_default())
        .with("main", s.main())
        .with("version", s.version.clone())
        .with("errors", s.said.faults.iter().map(errors::value).collect::<Vec<_>>())
        .with("no_config", s.said.no_config)
        .with("template", s.template.clone())
        .with("no_user", s.no_user)
        .with("no_lookup", s.no_lookup())
        .with("directory", directory)
        .with("keys", s.keys.iter().map(Key::value).collect::<Vec<_>>())
        .with("no_keys", s.no_keys())
        .with("ports", json!(s.ports()))
        .with("addresses", json!(s.addresses()))
        .with("family", s.setting("addressfamily").unwrap_or("any"))
        .with("loopback_only", s.loopback_only())
        .with("unreachable", s.unreachable())
        .with("v6_only", s.v6_only())
        .with("families", json!(s.families()))
        .with("counterparts", json!(s.counterparts()))
        .with("hosts", json!(s.hosts()))
        .with("streams", json!(s.streams()))
        .with("by_socket", s.by_socket())
        .with("socket", s.socket_value())
        .with("absent", json!(s.absent))
        .with("port_lines", s.places("port"))
        .with("listen_lines", s.places("listenaddress"))
        .with("options", s.options.iter().map(Place::value).collect::<Vec<_>>())
        .with("listen_options", s.options.iter().filter(|o| o.listens()).map(Place::value).collect::<Vec<_>>())
        .with("bad_option", s.bad_option().map(Place::value))
        .with("exec", s.stray.as_ref().map(Place::value))
        .with("unclear", s.unclear)
        .with("runs", (s.running || s.by_socket()) && !s.foreign)
        .with("stale", s.stale)
        .with("edited", s.edited)
        .with("generator", s.generator)
        .with("libwrap", s.libwrap)
}
