//! How Ansible would get to a host, as channels: `ansible_host`, `ansible_connection` and the like.
//!
//! Of names that mean the same, the later in Ansible's list wins (the options' `vars` in `plugins/connection/ssh.py`,
//! `plugins/become/sudo.py`, ansible-core 2.19).

use serde_json::Value;

use super::ssh;
use super::yaml::VAULT;
use crate::book::{Diagnostic, Given, SecretFrom};
use crate::channel::{Password, Url, plain};
use crate::inventory::data::Values;
use crate::inventory::text::is_secret;
use crate::inventory::{Elevate, Host, Way};
use crate::payload::sh_quote;

const ADDRESS: &[&str] = &["ansible_host", "ansible_ssh_host"];
const PORT: &[&str] = &["ansible_port", "ansible_ssh_port"];
const USER: &[&str] = &["ansible_user", "ansible_ssh_user"];
const PASSWORD: &[&str] = &["ansible_password", "ansible_ssh_pass", "ansible_ssh_password"];
const KEY: &[&str] = &["ansible_private_key_file", "ansible_ssh_private_key_file"];
const ARGUMENTS: &[&str] = &["ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"];
const BECOME: &[&str] = &["ansible_become"];
const METHOD: &[&str] = &["ansible_become_method"];
const BECOME_USER: &[&str] = &["ansible_become_user", "ansible_sudo_user", "ansible_su_user"];
const BECOME_PASSWORD: &[&str] =
    &["ansible_become_password", "ansible_become_pass", "ansible_sudo_pass", "ansible_su_pass"];
const CONNECTION: &[&str] = &["ansible_connection"];
/// Of one kind of connection.
const OTHER: &[&str] = &[
    "ansible_docker_host",
    "ansible_podman_host",
    "ansible_lxc_host",
    "ansible_lxd_host",
    "ansible_incus_host",
    "ansible_libvirt_qemu_host",
    "ansible_aws_ssm_instance_id",
    "ansible_kubectl_pod",
    "ansible_kubectl_namespace",
    "ansible_kubectl_container",
    "ansible_become_exe",
    "ansible_become_flags",
];

/// Names whose meaning is in the host itself: they are no variables.
fn is_translated(name: &str) -> bool {
    let lists = [ADDRESS, PORT, USER, PASSWORD, KEY, ARGUMENTS, BECOME, METHOD, BECOME_USER, BECOME_PASSWORD];
    lists.iter().chain(&[CONNECTION, OTHER]).any(|l| l.contains(&name))
        || (name.starts_with("ansible_") && is_secret(name))
}

/// Reads values, and collects why the host cannot be used.
struct Reader<'a> {
    name: &'a str,
    values: &'a Values,
    errors: Vec<Diagnostic>,
}

impl Reader<'_> {
    /// The value that counts.
    fn given(&self, names: &[&str]) -> Option<&Given> {
        names.iter().rev().find_map(|n| self.values.get(*n).filter(|g| !g.value.is_null()))
    }

    fn error(&mut self, g: &Given, rule: Why, message: &str, hint: &str) {
        let message = format!("{} of \"{}\" {message}", g.name, self.name);
        let error = match rule {
            Why::Hidden => Diagnostic::at(g.named.clone(), "unreadable", message),
            Why::Wrong => Diagnostic::at(g.spot.clone(), "wrong-type", message),
            Why::Channel => Diagnostic::at(g.spot.clone(), "channel", message),
        };
        self.errors.push(error.hint(hint));
    }

    /// A value as text, if it is one that can be known.
    fn text(&mut self, names: &[&str]) -> Option<String> {
        let g = self.given(names)?.clone();
        let hint = format!("-i with an inventory of our own, or --via, says how to get to {}", self.name);
        match &g.value {
            Value::String(s) if s.contains("{{") || s.contains("{%") => {
                self.error(&g, Why::Hidden, "is a template, and templates of inventories are not evaluated", &hint);
                None
            }
            Value::String(s) => Some(s.trim().to_owned()).filter(|s| !s.is_empty()),
            Value::Number(n) => Some(n.to_string()),
            Value::Bool(b) => Some(b.to_string()),
            Value::Object(map) if map.contains_key(VAULT) => {
                self.error(&g, Why::Hidden, "is encrypted with ansible-vault, and is not known here", &hint);
                None
            }
            _ => {
                self.error(&g, Why::Wrong, "must be text", "one word or number");
                None
            }
        }
    }

    fn secret(&mut self, names: &[&str]) -> Option<SecretFrom> {
        // Blanks around a password are its own.
        let plain = self.given(names).and_then(|g| g.value.as_str()).map(str::to_owned);
        let text = self.text(names)?;
        Some(SecretFrom::Literal(Password(plain.unwrap_or(text))))
    }

    fn port(&mut self) -> Option<u16> {
        let text = self.text(PORT)?;
        let port = text.parse().ok().filter(|p| *p > 0);
        if port.is_none()
            && let Some(g) = self.given(PORT).cloned()
        {
            self.error(&g, Why::Wrong, "is not a port, 1 to 65535", "like ansible_port=22");
        }
        port
    }
}

#[derive(Clone, Copy)]
enum Why {
    Hidden,
    Wrong,
    Channel,
}

/// What a connection plugin becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ssh,
    Local,
    /// A scheme with the name of what is entered, which another variable may give.
    Named(&'static str, &'static str),
    Kubectl,
    /// A command with the name in the middle.
    Exec(&'static str, &'static str),
}

/// By the last part of the plugin's name.
const CONNECTIONS: &[(&str, Kind)] = &[
    ("ssh", Kind::Ssh),
    ("smart", Kind::Ssh),
    ("paramiko", Kind::Ssh),
    ("paramiko_ssh", Kind::Ssh),
    ("libssh", Kind::Ssh),
    ("local", Kind::Local),
    ("docker", Kind::Named("docker", "ansible_docker_host")),
    ("docker_api", Kind::Named("docker", "ansible_docker_host")),
    ("podman", Kind::Named("podman", "ansible_podman_host")),
    ("buildah", Kind::Exec("buildah run", "-- sh")),
    ("lxc", Kind::Named("lxc", "ansible_lxc_host")),
    ("libvirt_lxc", Kind::Exec("virsh -c lxc:/// lxc-enter-namespace", "-- /bin/sh")),
    ("lxd", Kind::Exec("lxc exec", "-- sh")),
    ("incus", Kind::Exec("incus exec", "-- sh")),
    ("libvirt_qemu", Kind::Named("guest-agent", "ansible_libvirt_qemu_host")),
    ("aws_ssm", Kind::Named("ssm", "ansible_aws_ssm_instance_id")),
    ("kubectl", Kind::Kubectl),
    ("oc", Kind::Kubectl),
    ("chroot", Kind::Named("root", "")),
];

/// A host as its variables describe it.
pub(in crate::inventory) fn host(name: &str, values: &Values) -> Host {
    let mut r = Reader { name, values, errors: Vec::new() };
    let mut out = Host { name: name.to_owned(), ..Host::default() };
    let address = r.text(ADDRESS);
    out.port = r.port();
    let user = r.text(USER);
    let password = r.secret(PASSWORD);
    let plugin = r.text(CONNECTION).unwrap_or_else(|| "ssh".into());
    let short = plugin.rsplit('.').next().unwrap_or_default();
    let Some((_, kind)) = CONNECTIONS.iter().find(|c| c.0 == short) else {
        if let Some(g) = r.given(CONNECTION).cloned() {
            let known: Vec<&str> = CONNECTIONS.iter().map(|c| c.0).collect();
            let hint = format!("--via says how else; connections: {}", known.join(", "));
            r.error(&g, Why::Channel, &format!("is \"{plugin}\", and no channel does that"), &hint);
        }
        out.errors = r.errors;
        return out;
    };
    let entered = address.clone().unwrap_or_else(|| name.to_owned());
    // What stands in the URL as one word each.
    let mut entries = vec![entered.clone()];
    let (url, rest) = match *kind {
        Kind::Ssh => {
            out.address = Some(entered.clone());
            let keys = ssh_keys(&mut r, &mut out.notes);
            ssh_url(user.as_deref(), &entered, out.port, &keys)
        }
        Kind::Local => {
            entries.clear();
            ("local:".into(), None)
        }
        Kind::Named(scheme, other) => {
            let entered = if other.is_empty() { None } else { r.text(&[other]) }.unwrap_or(entered);
            entries = if scheme == "root" { Vec::new() } else { vec![entered.clone()] };
            (format!("{scheme}:{entered}"), user)
        }
        Kind::Exec(before, after) => {
            let quoted = sh_quote(&entered).unwrap_or_default();
            (format!("exec:{before} {quoted} {after}"), user)
        }
        Kind::Kubectl => {
            let mut rest = r.text(&["ansible_kubectl_pod"]).unwrap_or(entered);
            entries.push(rest.clone());
            for (flag, names) in [("-n", "ansible_kubectl_namespace"), ("-c", "ansible_kubectl_container")] {
                let value = r.text(&[names]);
                entries.extend(value.clone());
                rest.extend(value.map(|v| format!(" {flag} {v}")));
            }
            (format!("kubectl:{rest}"), user)
        }
    };
    let unfit = entries.iter().find_map(|e| plain(e).err());
    match unfit.map_or_else(|| Url::parse(&url), Err) {
        Ok(url) => out.channels.push(Way { url, user: rest, password }),
        Err(e) => {
            let spot = r.given(ADDRESS).or(r.given(CONNECTION)).map(|g| g.spot.clone());
            let mut error = Diagnostic::at(spot.unwrap_or_else(super::super::text::here), "channel", e.why);
            error.hint = e.hint;
            r.errors.push(error);
        }
    }
    out.elevate = elevate(&mut r, &mut out.notes);
    for unused in ["ansible_host_key_checking", "ansible_ssh_host_key_checking"] {
        if r.given(&[unused]).is_some() {
            out.notes.push(format!("{unused} is not used: an unknown host key is never accepted unseen"));
        }
    }
    out.vars = values.values().filter(|g| !is_translated(&g.name)).cloned().collect();
    out.errors = r.errors;
    out
}

fn ssh_keys(r: &mut Reader<'_>, notes: &mut Vec<String>) -> Vec<(&'static str, String)> {
    let mut keys: Vec<(&str, String)> = r.text(KEY).map(|k| ("identity", k)).into_iter().collect();
    for name in ARGUMENTS {
        if let Some(line) = r.text(&[name]) {
            let kept = ssh::arguments(&line);
            keys.extend(kept.keys);
            notes.extend(kept.ignored.into_iter().map(|i| format!("{name}: {i}")));
        }
    }
    keys
}

/// `ssh://USER@HOST:PORT?KEY=VALUE`, and the user where the URL cannot say it.
pub(in crate::inventory) fn ssh_url(
    user: Option<&str>,
    host: &str,
    port: Option<u16>,
    keys: &[(&str, String)],
) -> (String, Option<String>) {
    let plain = |u: &&str| !u.is_empty() && u.chars().all(|c| c.is_alphanumeric() || "._-+@\\".contains(c));
    let login = user.filter(plain);
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let query: Vec<String> = keys.iter().map(|(k, v)| format!("{k}={}", ssh::percent(v))).collect();
    let url = format!(
        "ssh://{}{host}{}{}{}",
        login.map(|u| format!("{u}@")).unwrap_or_default(),
        port.map(|p| format!(":{p}")).unwrap_or_default(),
        if query.is_empty() { "" } else { "?" },
        query.join("&")
    );
    (url, user.filter(|u| login.is_none() && !u.is_empty()).map(str::to_owned))
}

/// Ansible's booleans (`module_utils/parsing/convert_bool.py`).
fn truth(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "y" | "yes" | "on" | "1" | "1.0" | "true" | "t")
}

fn elevate(r: &mut Reader<'_>, notes: &mut Vec<String>) -> Option<Elevate> {
    let wanted = r.text(BECOME).is_some_and(|t| truth(&t));
    if !wanted {
        return None;
    }
    if let Some(user) = r.text(BECOME_USER).filter(|u| u != "root") {
        notes.push(format!("ansible_become_user is \"{user}\": repairs become root"));
    }
    let method = r.text(METHOD).unwrap_or_else(|| "sudo".into());
    let short = method.rsplit('.').next().unwrap_or_default();
    if !matches!(short, "sudo" | "doas" | "su")
        && let Some(g) = r.given(METHOD).cloned()
    {
        r.error(&g, Why::Wrong, &format!("is \"{method}\""), "sudo, doas and su are known here");
        return None;
    }
    Some(Elevate { method: Some(short.to_owned()), password: r.secret(BECOME_PASSWORD) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::text::Text;

    fn values(line: &str) -> Values {
        let text = Text::new("hosts", line);
        let all = line.split('|').filter_map(|w| w.split_once('='));
        let given = |(k, v): (&str, &str)| (k.to_owned(), text.given(k, 0..1, super::super::literal::value(v), 0..1));
        all.map(given).collect()
    }

    #[test]
    fn connections_become_channels() {
        for (vars, url) in [
            ("", "ssh://web1"),
            ("ansible_host=10.0.0.5|ansible_port=2222|ansible_user=admin", "ssh://admin@10.0.0.5:2222"),
            (
                "ansible_host=10.0.0.5|ansible_ssh_host=10.0.0.6|ansible_ssh_user=old|ansible_ssh_port=23",
                "ssh://old@10.0.0.6:23",
            ),
            ("ansible_host=2001:db8::5", "ssh://[2001:db8::5]"),
            ("ansible_connection=smart|ansible_ssh_private_key_file=~/.ssh/a b", "ssh://web1?identity=~/.ssh/a%20b"),
            ("ansible_ssh_common_args=-J gate -o ConnectTimeout=5", "ssh://web1?jump=gate&option=ConnectTimeout=5"),
            ("ansible_connection=local|ansible_host=x", "local:"),
            ("ansible_connection=community.docker.docker|ansible_user=app", "docker:web1"),
            ("ansible_connection=docker|ansible_host=web-1", "docker:web-1"),
            ("ansible_connection=containers.podman.podman", "podman:web1"),
            (
                "ansible_connection=kubernetes.core.kubectl|ansible_kubectl_namespace=prod|ansible_kubectl_container=app",
                "kubectl:web1 -n prod -c app",
            ),
            ("ansible_connection=community.general.lxd", "exec:lxc exec 'web1' -- sh"),
            ("ansible_connection=chroot|ansible_host=/mnt", "root:/mnt"),
        ] {
            let h = host("web1", &values(vars));
            assert!(h.errors.is_empty(), "{vars}: {:?}", h.errors);
            assert_eq!(h.channels[0].url.text(), url, "{vars}");
            assert!(h.vars.is_empty(), "{vars}: {:?}", h.vars);
        }
    }

    #[test]
    fn passwords_never_show() {
        let h = host(
            "web1",
            &values("ansible_password=hunter2|ansible_become=yes|ansible_become_pass=hunter3|ansible_user=a b|port=22"),
        );
        let way = &h.channels[0];
        assert_eq!(way.password, Some(SecretFrom::Literal(Password("hunter2".into()))));
        assert_eq!((way.url.text(), way.user.as_deref()), ("ssh://web1", Some("a b")));
        let become_root = h.elevate.clone().unwrap();
        assert_eq!(become_root.method.as_deref(), Some("sudo"));
        assert_eq!(become_root.password, Some(SecretFrom::Literal(Password("hunter3".into()))));
        assert_eq!(h.vars.iter().map(|g| g.name.as_str()).collect::<Vec<_>>(), ["port"]);
        assert!(!format!("{h:?}").contains("hunter"));
    }

    #[test]
    fn what_cannot_be_known_is_an_error_of_the_host() {
        for (vars, message) in [
            (
                "ansible_host={{ ip }}",
                "ansible_host of \"web1\" is a template, and templates of inventories are not evaluated",
            ),
            (
                "ansible_become=True|ansible_become_pass={'__ansible_vault': 'x'}",
                "ansible_become_pass of \"web1\" is encrypted with ansible-vault, and is not known here",
            ),
            (
                "ansible_host=10.0.0.1?option=ProxyCommand=x",
                "the name \"10.0.0.1?option=ProxyCommand=x\" has '?', which means something to a shell or in a URL",
            ),
            (
                "ansible_connection=docker|ansible_host=--privileged",
                "the name \"--privileged\" would be taken for an option",
            ),
            (
                "ansible_connection=kubectl|ansible_kubectl_namespace=a -- sh",
                "the name \"a -- sh\" has ' ', which means something to a shell or in a URL",
            ),
            ("ansible_connection=winrm", "ansible_connection of \"web1\" is \"winrm\", and no channel does that"),
            ("ansible_port=70000", "ansible_port of \"web1\" is not a port, 1 to 65535"),
            ("ansible_become=true|ansible_become_method=runas", "ansible_become_method of \"web1\" is \"runas\""),
        ] {
            let h = host("web1", &values(vars));
            let all: Vec<&str> = h.errors.iter().map(|e| e.message.as_str()).collect();
            assert_eq!(all, [message], "{vars}");
            assert!(h.errors[0].hint.is_some() && h.errors[0].spot.is_some());
        }
    }
}
