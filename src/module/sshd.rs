//! `sshd`: what the real sshd says of its configuration.

use serde_json::{Value, json};

use super::{Decision, Field, Halt, Module, Param, Params, Spec, Ty};
use crate::plan::{Resource, View, first_line};
use crate::target::files::Look;
use crate::target::frame::Status;

/// sshd, asked by `sshd -T`.
pub struct Sshd;

static SPEC: Spec = Spec {
    name: "sshd",
    summary: "Asks the real sshd (one `sshd -T`) whether it accepts its configuration, and where it would listen.",
    scalar: Some("what"),
    params: &[Param {
        name: "what",
        ty: Ty::OneOf(&["config", "listen"]),
        required: true,
        help: "config: it accepts its configuration; listen: also on an address that is not loopback",
    }],
    fields: &[
        Field { name: "errors", help: "what sshd refuses: a list of {file, line, message}" },
        Field { name: "ports", help: "the ports it would listen on" },
        Field { name: "addresses", help: "the addresses it would listen on, with ports" },
        Field { name: "loopback_only", help: "it would be reachable from this host alone" },
        Field {
            name: "explicit_ports",
            help: "a ListenAddress line has a port of its own, so that Port lines do not apply to it",
        },
        Field { name: "port_lines", help: "the Port lines of its files: a list of {file, line, value}" },
        Field { name: "port_file", help: "the file of the first of them, else the main file" },
        Field { name: "listen_lines", help: "the ListenAddress lines, likewise" },
        Field { name: "listen_files", help: "the files that have such lines" },
    ],
    reads: "file:/etc/ssh/**",
    writes: "",
    open: false,
};

const MAIN: &str = "/etc/ssh/sshd_config";

/// sshd is not on a user's PATH; Debian's /run/sshd goes away with the unit (RuntimeDirectory=), so where it is missing
/// it is made in a namespace of our own, else for the moment. `-T` finds every error that `-t` finds (sshd(8)).
const SCRIPT: &str = r#"s=$(command -v sshd) || { echo 'no sshd on this host' >&2; exit 127; }
if [ -d /run/sshd ]; then "$s" -T; r=$?
elif unshare -m true 2>/dev/null; then unshare -m sh -c 'mount -t tmpfs -o mode=755 none /run && mkdir -m 755 /run/sshd && exec "$0" -T' "$s"; r=$?
elif mkdir -m 755 /run/sshd; then "$s" -T; r=$?; rmdir /run/sshd
else exit 126; fi
echo '-- lines'; f=; grep -qiE '^[[:space:]]*include[[:space:]=].*sshd_config\.d/' /etc/ssh/sshd_config && f=/etc/ssh/sshd_config.d/*.conf
grep -nHiE '^[[:space:]]*(port|listenaddress)[[:space:]=]' /etc/ssh/sshd_config $f 2>/dev/null
exit $r"#;

/// The files that Debian's sshd_config includes, by name.
const DROP_INS: &str =
    r#"for f in "$R"/etc/ssh/sshd_config.d/*.conf; do if [ -f "$f" ]; then echo "${f#"$R"}"; fi; done"#;

impl Module for Sshd {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        if !view.place().live && !view.facts()?.can_run {
            return match p.str("what") {
                Some("config") => Err(Halt::Skipped("not tried: no sshd can run in this tree".into())),
                _ => offline(p, view),
            };
        }
        let a = view.script(SCRIPT, true, &[Resource::File("/etc/ssh/**".into())])?;
        if !view.facts()?.root {
            return Err(Halt::Unknown {
                why: "sshd reads its host keys as root only".into(),
                hint: Some("run it as root".into()),
            });
        }
        let (out, err) = (String::from_utf8_lossy(&a.stdout), String::from_utf8_lossy(&a.stderr));
        if matches!(a.status, Status::Exit(126 | 127)) {
            return Err(Halt::unknown(first_line(&a.stderr)));
        }
        let (settings, lines) = out.split_once("-- lines\n").unwrap_or((&out, ""));
        let accepted = a.status == Status::Exit(0);
        let addresses: Vec<String> =
            settings.lines().filter_map(|l| l.strip_prefix("listenaddress ")).map(str::to_owned).collect();
        let ports = addresses.iter().filter_map(|a| a.rsplit_once(':')?.1.parse().ok()).collect();
        let errors = if accepted { Vec::new() } else { errors(&err) };
        let refused = (!accepted && errors.is_empty()).then(|| format!("sshd -T: {}", first_line(&a.stderr)));
        Ok(Seen { errors, refused, ports, addresses, lines: config_lines(lines), tried: true }.decision(p))
    }
}

/// What is known of sshd's configuration.
struct Seen {
    errors: Vec<Value>,
    /// It failed, and named no line.
    refused: Option<String>,
    ports: Vec<u16>,
    addresses: Vec<String>,
    lines: Vec<Value>,
    /// The real sshd was asked.
    tried: bool,
}

impl Seen {
    fn decision(mut self, p: &Params) -> Decision {
        self.ports.sort_unstable();
        self.ports.dedup();
        let of = |key: &str| self.lines.iter().filter(|l| l["keyword"] == key).cloned().collect::<Vec<Value>>();
        let (port_lines, listen_lines) = (of("port"), of("listenaddress"));
        let mut listen_files: Vec<&str> = listen_lines.iter().map(|l| text(l, "file")).collect();
        listen_files.dedup();
        let loopback_only = !self.addresses.is_empty() && self.addresses.iter().all(|a| loopback(a));
        let says =
            |l: &Value, word: &str| format!("{}:{} says {word} {}", text(l, "file"), l["line"], text(l, "value"));
        let evidence = match (self.errors.first(), &self.refused, listen_lines.first(), port_lines.first()) {
            (Some(e), ..) => place(e),
            (None, Some(why), ..) => why.clone(),
            (None, None, Some(l), _) if loopback_only => says(l, "ListenAddress"),
            (None, None, _, Some(l)) if self.ports.len() == 1 => says(l, "Port"),
            (None, None, _, Some(_)) => format!("it is told to listen on ports {}", join(&self.ports)),
            (None, None, ..) if !self.tried => "its files were only read: no sshd can run in this tree".to_owned(),
            (None, None, ..) => {
                format!("sshd accepts its configuration and would listen on {}", self.addresses.join(", "))
            }
        };
        let sound = self.errors.is_empty() && self.refused.is_none();
        Decision::new(sound && (p.str("what") == Some("config") || !loopback_only), evidence)
            .with("port_file", port_lines.first().map_or(MAIN, |l| text(l, "file")))
            .with("listen_files", json!(listen_files))
            .with("errors", self.errors)
            .with("ports", json!(self.ports))
            .with("addresses", json!(self.addresses))
            .with("loopback_only", loopback_only)
            .with("explicit_ports", listen_lines.iter().any(|l| has_port(text(l, "value"))))
            .with("port_lines", port_lines)
            .with("listen_lines", listen_lines)
    }
}

/// Where no sshd can run, its files are read by our own rules: `Port` and `ListenAddress` add up, wherever they stand
/// before a `Match` (sshd_config(5)). Whether sshd would accept them is not known, and the evidence says so.
fn offline(p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
    let list = view.script(DROP_INS, false, &[])?;
    let names = String::from_utf8_lossy(&list.stdout).into_owned();
    let readings: Vec<_> =
        std::iter::once(MAIN).chain(names.lines()).map(|f| (f, view.file(f, Look::Follow))).collect();
    let (mut lines, mut includes) = (Vec::new(), true);
    for (name, reading) in readings {
        let state = reading?.state;
        let all = String::from_utf8_lossy(state.bytes().unwrap_or_default());
        if name == MAIN && !all.lines().any(includes_drop_ins) {
            includes = false;
        }
        if name != MAIN && !includes {
            continue;
        }
        let global = |l: &str| !l.trim_start().to_ascii_lowercase().starts_with("match ");
        let numbered = all.lines().enumerate().take_while(|(_, l)| global(l));
        lines.extend(config_lines(&numbered.map(|(n, l)| format!("{name}:{}:{l}\n", n + 1)).collect::<String>()));
    }
    let of = |key: &str| lines.iter().filter(|l| l["keyword"] == key).collect::<Vec<_>>();
    let mut ports: Vec<u16> = of("port").iter().filter_map(|l| text(l, "value").parse().ok()).collect();
    if ports.is_empty() {
        ports.push(22);
    }
    let addresses = of("listenaddress").iter().map(|l| text(l, "value").to_owned()).collect();
    Ok(Seen { errors: Vec::new(), refused: None, ports, addresses, lines, tried: false }.decision(p))
}

/// `ADDRESS:PORT`, `[ADDRESS]:PORT`; a bare IPv6 address has colons too (sshd_config(5), ListenAddress).
fn has_port(address: &str) -> bool {
    let after = address.rsplit_once("]:").or_else(|| address.split_once(':').filter(|(_, port)| !port.contains(':')));
    after.is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

fn join(ports: &[u16]) -> String {
    ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}

fn text<'a>(v: &'a Value, key: &str) -> &'a str {
    v[key].as_str().unwrap_or_default()
}

fn place(e: &Value) -> String {
    match (text(e, "file"), e["line"].as_u64()) {
        ("", _) | (_, None) => text(e, "message").to_owned(),
        (file, Some(line)) => format!("{file}:{line}: {}", text(e, "message")),
    }
}

/// `Include /etc/ssh/sshd_config.d/*.conf`
fn includes_drop_ins(line: &str) -> bool {
    let l = line.trim_start().to_ascii_lowercase();
    l.starts_with("include") && l.contains("sshd_config.d/")
}

/// With a port or without: `127.0.0.1:22`, `[::1]:22`, `::1`, `localhost`.
fn loopback(address: &str) -> bool {
    let is = |host: &str| {
        let host = host.trim_matches(['[', ']']);
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|a| a.is_loopback())
    };
    is(address) || address.rsplit_once(':').is_some_and(|(host, _)| is(host))
}

/// `FILE: line N: MESSAGE` and `FILE line N: MESSAGE` (both occur), or a message alone; the closing count is no error.
fn errors(stderr: &str) -> Vec<Value> {
    let mut out = Vec::new();
    for line in stderr.lines().map(str::trim).filter(|l| !l.is_empty()) {
        if line.contains(": terminating, ") || line.contains("Deprecated option") {
            continue;
        }
        let located = line.split_once(" line ").and_then(|(file, rest)| {
            let (n, message) = rest.split_once(": ")?;
            Some(json!({"file": file.trim_end_matches(':'), "line": n.parse::<u64>().ok()?, "message": message.trim_end_matches('.')}))
        });
        out.push(located.unwrap_or_else(|| json!({"file": null, "line": null, "message": line.trim_end_matches('.')})));
    }
    out
}

/// `FILE:N:  Port 2222` as grep prints it.
fn config_lines(text: &str) -> Vec<Value> {
    text.lines()
        .filter_map(|l| {
            let mut parts = l.splitn(3, ':');
            let (file, line, rest) = (parts.next()?, parts.next()?.parse::<u64>().ok()?, parts.next()?.trim());
            let at = rest.find(|c: char| c.is_whitespace() || c == '=')?;
            let value = rest[at..].trim_start_matches(|c: char| c.is_whitespace() || c == '=').trim().trim_matches('"');
            Some(json!({"file": file, "line": line, "keyword": rest[..at].to_ascii_lowercase(), "value": value}))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_of_errors() {
        let e = errors(
            "/etc/ssh/sshd_config: line 3: Bad configuration option: Prot\r\n/etc/ssh/sshd_config line 9: unsupported option \"True\".\n\
             /etc/ssh/sshd_config: terminating, 1 bad configuration options\n",
        );
        assert_eq!(e.len(), 2);
        assert_eq!(
            (place(&e[0]).as_str(), e[1]["line"].as_u64()),
            ("/etc/ssh/sshd_config:3: Bad configuration option: Prot", Some(9))
        );
    }

    #[test]
    fn lines_in_any_spelling() {
        let l = config_lines(
            "/etc/ssh/sshd_config:14:  pOrt=2222\n/etc/ssh/sshd_config.d/a.conf:1:ListenAddress 127.0.0.1\n",
        );
        assert_eq!((text(&l[0], "keyword"), text(&l[0], "value")), ("port", "2222"));
        assert!(loopback("127.0.0.1:22") && loopback("[::1]:22") && !loopback("0.0.0.0:22"));
    }
}
