//! Channels as our inventories write them: `- local`, a URL, `- exec: COMMAND`, or a map under the scheme.

use super::Way;
use super::ansible::connect::ssh_url;
use super::ours::{LIKE, port};
use crate::book::{Diagnostic, Node, SecretFrom, did_you_mean};
use crate::channel::{ChannelError, Url, names, plain};

/// The host that a channel leads to.
pub(super) struct Host<'a> {
    pub name: &'a str,
    pub address: Option<&'a str>,
    pub port: Option<u16>,
}

/// What a channel's map says, apart from who to be there.
#[derive(Debug, Default)]
struct Parts {
    /// What follows the scheme, under the key that is the scheme's own.
    rest: Option<String>,
    user: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    /// Of a serial line, as `baud` and the like.
    query: Vec<(&'static str, String)>,
}

/// The keys of a scheme's map: the one that is needed, with an example, and the others.
struct Keys {
    scheme: &'static str,
    main: &'static str,
    like: &'static str,
    more: &'static [&'static str],
}

const KEYS: &[Keys] = &[
    Keys {
        scheme: "ssh",
        main: "host",
        like: "ssh: {user: admin, host: web1, port: 22}",
        more: &["user", "port", "identity", "jump", "config"],
    },
    Keys { scheme: "console", main: "command", like: "console: {command: virsh console web1, login: root}", more: &[] },
    Keys { scheme: "exec", main: "command", like: "exec: {command: docker exec -i web1 sh}", more: &[] },
    Keys { scheme: "unix", main: "path", like: "unix: {path: /run/web1.console, login: root}", more: &[] },
    Keys { scheme: "root", main: "path", like: "root: {path: /mnt}", more: &[] },
    Keys { scheme: "tcp", main: "host", like: "tcp: {host: console1, port: 7001, login: root}", more: &["port"] },
    Keys {
        scheme: "serial",
        main: "device",
        like: "serial: {device: /dev/ttyUSB0, baud: 115200, login: root}",
        more: &["baud"],
    },
];
/// Every other scheme, presets too.
const OTHER: Keys = Keys { scheme: "", main: "target", like: "docker: {target: web1}", more: &[] };

/// One item of `channels`.
pub(super) fn read(c: &Node, to: &Host<'_>, errors: &mut Vec<Diagnostic>) -> Option<Way> {
    let entries = c.entries();
    let (scheme, node) = match (c.as_str(), entries.as_deref()) {
        (Some(s), _) => (s.split(':').next().unwrap_or_default().to_owned(), c),
        (None, Some([e])) => (e.key().unwrap_or_default().to_owned(), e),
        _ => {
            errors.push(c.expected("a channel").hint("like: - exec: docker exec -i web1 sh"));
            return None;
        }
    };
    if !names().any(|n| n.0 == scheme) {
        let near = did_you_mean(&scheme, names().map(|n| n.0));
        let hint = near.map_or_else(
            || format!("channels: {}", names().map(|n| n.0).collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean \"{near}\"?"),
        );
        errors.push(Diagnostic::at(node.key_place(), "channel", format!("no channel \"{scheme}\"")).hint(hint));
        return None;
    }
    let before = errors.len();
    let made = match (c.as_str(), node.entries()) {
        // Where nothing is said, the host's own address and port.
        (Some("ssh" | "ssh:"), _) => whole("ssh", Parts::default(), to),
        (Some(s), _) => Ok((s.to_owned(), None, None)),
        (None, None) if scheme == "ssh" && node.is_null() => whole("ssh", Parts::default(), to),
        (None, None) => {
            let text = node.spelled().unwrap_or_default();
            if text.is_empty() && !node.is_null() {
                errors.push(node.expected("text or a map").hint(keys_of(&scheme).like));
                return None;
            }
            Ok((format!("{scheme}:{text}"), None, None))
        }
        (None, Some(_)) => {
            let (parts, login, password) = map(&scheme, node, errors)?;
            whole(&scheme, parts, to).map(|(text, user, _)| (text, user.or(login), password))
        }
    };
    if errors.len() > before {
        return None;
    }
    let way = made.and_then(|(text, user, password)| Ok(Way { url: Url::parse(&text)?, user, password }));
    way.map_err(|e| {
        let hint = e.hint.unwrap_or_else(|| LIKE.into());
        errors.push(Diagnostic::at(node.key_place(), "channel", e.why).hint(hint));
    })
    .ok()
}

fn keys_of(scheme: &str) -> &'static Keys {
    KEYS.iter().find(|k| k.scheme == scheme).unwrap_or(&OTHER)
}

type Read = (Parts, Option<String>, Option<SecretFrom>);

/// The map under a scheme.
fn map(scheme: &str, node: &Node, errors: &mut Vec<Diagnostic>) -> Option<Read> {
    let keys = keys_of(scheme);
    // Of a scheme without words of its own, what is entered may be called many things.
    const WORDS: &[&str] = &["target", "name", "container", "domain", "instance", "machine", "pod", "command"];
    let other = keys.scheme.is_empty();
    let main: &[&str] = if other { WORDS } else { &[keys.main] };
    let known: Vec<&str> = main.iter().chain(keys.more).chain(&["login", "user", "password"]).copied().collect();
    errors.extend(node.unknown_keys(&known));
    let text = |key: &str, errors: &mut Vec<Diagnostic>| {
        let n = node.get(key)?;
        let text = n.spelled().filter(|t| !t.is_empty()).map(str::to_owned);
        if text.is_none() {
            errors.push(n.expected("text").hint(keys.like));
        }
        text
    };
    let rest = main.iter().find_map(|k| text(k, errors));
    let named = main.iter().any(|k| node.get(k).is_some());
    if !named && scheme != "ssh" {
        errors.push(node.missing(main[0]).hint(format!("like: - {}", keys.like)));
    }
    let mut parts =
        Parts { port: if keys.more.contains(&"port") { port(node, errors) } else { None }, ..Parts::default() };
    if scheme == "tcp" && node.get("port").is_none() {
        errors.push(node.missing("port").hint(format!("like: - {}", keys.like)));
    }
    for key in ["baud", "identity", "jump", "config"] {
        if keys.more.contains(&key) {
            parts.query.extend(text(key, errors).map(|v| (key, v)));
        }
    }
    let login = text("login", errors);
    let login = login.or_else(|| text("user", errors));
    if keys.main == "host" {
        parts.host = rest
    } else {
        parts.rest = rest
    }
    if scheme == "ssh" {
        parts.user = login.clone();
    }
    let password = node.get("password").and_then(|p| SecretFrom::decode(&p, errors));
    Some((parts, login.filter(|_| scheme != "ssh"), password))
}

type Whole = (String, Option<String>, Option<SecretFrom>);

/// The URL of a channel's parts, and the user if the URL cannot say it.
fn whole(scheme: &str, parts: Parts, to: &Host<'_>) -> Result<Whole, ChannelError> {
    let Parts { rest, user, host, port, query } = parts;
    let (text, user) = match scheme {
        "ssh" => {
            // The host's own port is that of its own address.
            let port = port.or(if host.is_none() { to.port } else { None });
            let host = host.as_deref().or(to.address).unwrap_or(to.name);
            ssh_url(user.as_deref(), plain(host)?, port, &query)
        }
        "tcp" => {
            let host = host.unwrap_or_default();
            plain(&host)?;
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            (format!("tcp:{host}:{}", port.unwrap_or_default()), None)
        }
        _ => {
            let query: Vec<String> = query.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
            (format!("{scheme}:{}{query}", rest.unwrap_or_default()), None)
        }
    };
    Ok((text, user, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::Document;

    /// The URL that a map becomes, whether its scheme exists or not.
    fn url(yaml: &str) -> Result<String, Vec<String>> {
        let doc = Document::parse("i.yaml", yaml.as_bytes()).unwrap();
        let node = &doc.root().entries().unwrap()[0];
        let scheme = node.key().unwrap();
        let to = Host { name: "web1", address: Some("203.0.113.5"), port: Some(2222) };
        let mut errors = Vec::new();
        let read = map(scheme, node, &mut errors).filter(|_| errors.is_empty());
        let Some((parts, login, password)) = read else {
            return Err(errors.into_iter().map(|e| e.message).collect());
        };
        let (text, user, _) = whole(scheme, parts, &to).map_err(|e| vec![e.why])?;
        let password = password.map(|p| format!(" {p:?}")).unwrap_or_default();
        Ok(format!("{text}{}{password}", user.or(login).map(|u| format!(" {u}")).unwrap_or_default()))
    }

    #[test]
    fn maps_become_urls() {
        for (yaml, out) in [
            ("ssh: {user: admin}", "ssh://admin@203.0.113.5:2222"),
            ("ssh: {}", "ssh://203.0.113.5:2222"),
            ("ssh: {host: gate}", "ssh://gate"),
            ("ssh: {host: \"2001:db8::5\", port: 22, user: a b}", "ssh://[2001:db8::5]:22 a b"),
            ("ssh: {jump: gate, identity: /k e}", "ssh://203.0.113.5:2222?identity=/k%20e&jump=gate"),
            (
                "console: {command: virsh console web1, login: root, password: {env: P}}",
                "console:virsh console web1 root Env(\"P\")",
            ),
            ("unix: {path: /run/web1.console, login: root, password: prompt}", "unix:/run/web1.console root Prompt"),
            ("tcp: {host: c1, port: 7001, login: root, password: {file: /p}}", "tcp:c1:7001 root File(\"/p\")"),
            ("tcp: {host: \"2001:db8::5\", port: 7001}", "tcp:[2001:db8::5]:7001"),
            ("serial: {device: /dev/ttyUSB0, baud: 9600, user: root}", "serial:/dev/ttyUSB0?baud=9600 root"),
            ("exec: {command: docker exec -i web1 sh}", "exec:docker exec -i web1 sh"),
            ("docker: {target: web1}", "docker:web1"),
            ("kubectl: {pod: web-0 -n prod}", "kubectl:web-0 -n prod"),
            ("guest-agent: {domain: web1, password: {command: pass web1}}", "guest-agent:web1 Command(\"pass web1\")"),
        ] {
            assert_eq!(url(yaml), Ok(out.to_owned()), "{yaml}");
        }
    }

    #[test]
    fn maps_that_are_wrong() {
        for (yaml, out) in [
            (
                "ssh: {host: \"a?option=x\"}",
                "the name \"a?option=x\" has '?', which means something to a shell or in a URL",
            ),
            (
                "ssh: {host: -oProxyCommand=x}",
                "the name \"-oProxyCommand=x\" has '=', which means something to a shell or in a URL",
            ),
            ("tcp: {host: a}", "the key \"port\" is missing"),
            ("tcp: {host: a, port: 0}", "\"port\" must be a port, 1 to 65535, and this is a number"),
            ("console: {login: root}", "the key \"command\" is missing"),
            ("unix: {path: /x, pasword: {env: A}}", "unknown key \"pasword\""),
            ("serial: {device: [a]}", "\"device\" must be text, and this is a list"),
            ("docker: {login: a}", "the key \"target\" is missing"),
            ("unix: {path: /x, password: hunter2}", "\"password\" must be one source, and this is text"),
        ] {
            assert_eq!(url(yaml), Err(vec![out.to_owned()]), "{yaml}");
        }
    }
}
