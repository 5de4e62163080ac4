//! `sshd`: what the real sshd says of its configuration.

use serde_json::{Value, json};

use super::{Decision, Field, Halt, Module, Param, Params, Spec, Ty};
use crate::plan::{Resource, View, first_line};
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
echo '-- lines'; grep -nHiE '^[[:space:]]*(port|listenaddress)[[:space:]=]' /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf 2>/dev/null
exit $r"#;

impl Module for Sshd {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
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
        let errors = if a.status == Status::Exit(0) { Vec::new() } else { errors(&err) };
        let addresses: Vec<&str> = settings.lines().filter_map(|l| l.strip_prefix("listenaddress ")).collect();
        let mut ports: Vec<u16> = addresses.iter().filter_map(|a| a.rsplit_once(':')?.1.parse().ok()).collect();
        ports.sort_unstable();
        ports.dedup();
        let loopback_only = !addresses.is_empty() && addresses.iter().all(|a| loopback(a));
        let found = config_lines(lines);
        let of = |key: &str| found.iter().filter(|l| l["keyword"] == key).cloned().collect::<Vec<Value>>();
        let (port_lines, listen_lines) = (of("port"), of("listenaddress"));
        let mut listen_files: Vec<String> =
            listen_lines.iter().filter_map(|l| l["file"].as_str().map(str::to_owned)).collect();
        listen_files.dedup();
        let port_file = port_lines.first().and_then(|l| l["file"].as_str()).unwrap_or(MAIN).to_owned();
        let ok =
            errors.is_empty() && a.status == Status::Exit(0) && (p.str("what") == Some("config") || !loopback_only);
        let evidence = match (errors.first(), &port_lines[..], loopback_only) {
            (Some(e), ..) => place(e),
            (None, ..) if a.status != Status::Exit(0) => format!("sshd -T: {}", first_line(&a.stderr)),
            (None, _, true) => match listen_lines.first() {
                Some(l) => format!("{}:{} says ListenAddress {}", text(l, "file"), l["line"], text(l, "value")),
                None => format!("sshd would listen on {} only", addresses.join(", ")),
            },
            (None, [l, ..], _) => format!("{}:{} says Port {}", text(l, "file"), l["line"], text(l, "value")),
            (None, [], _) => format!("sshd accepts its configuration and would listen on {}", addresses.join(", ")),
        };
        Ok(Decision::new(ok, evidence)
            .with("errors", errors)
            .with("ports", json!(ports))
            .with("addresses", json!(addresses))
            .with("loopback_only", loopback_only)
            .with("port_lines", port_lines)
            .with("port_file", port_file)
            .with("listen_lines", listen_lines)
            .with("listen_files", json!(listen_files)))
    }
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

fn loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |x| x.0);
    host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|a| a.is_loopback())
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
