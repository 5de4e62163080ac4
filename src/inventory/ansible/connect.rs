//! How Ansible would get to a host, as channels: `ansible_host`, `ansible_connection` and the like.
//!
//! What becomes of each connection plugin's variables is in the table of [`super::plugins`]; here it is done. Of names that
//! mean the same, the later in Ansible's list wins (the options' `vars` in `plugins/connection/ssh.py`,
//! `plugins/become/sudo.py`, ansible-core 2.19). A variable is looked at only where it counts.

use serde_json::Value;

use super::plugins::{self, CommandLine, Fate, Kind, Plugin, User};
use super::yaml::VAULT;
use super::{ssh, words};
use crate::book::{Diagnostic, Given, SecretFrom};
use crate::channel::{ChannelError, Password, Url, plain};
use crate::inventory::data::Values;
use crate::inventory::text::is_secret;
use crate::inventory::{Elevate, Host, Way};
use crate::payload::sh_quote;

const ADDRESS: &[&str] = &["ansible_host", "ansible_ssh_host", "ansible_paramiko_host", "ansible_libssh_host"];
const PORT: &[&str] = &["ansible_port", "ansible_ssh_port", "ansible_paramiko_port"];
const USER: &[&str] = &["ansible_user", "ansible_ssh_user", "ansible_paramiko_user", "ansible_libssh_user"];
const PASSWORD: &[&str] = &[
    "ansible_password",
    "ansible_ssh_pass",
    "ansible_ssh_password",
    "ansible_paramiko_pass",
    "ansible_paramiko_password",
    "ansible_libssh_pass",
    "ansible_libssh_password",
];
const PASSPHRASE: &[&str] =
    &["ansible_private_key_password", "ansible_private_key_passphrase", "ansible_ssh_private_key_passphrase"];
const KEY: &[&str] = &["ansible_private_key_file", "ansible_ssh_private_key_file", "ansible_paramiko_private_key_file"];
const PROXY: &[&str] = &["ansible_paramiko_proxy_command", "ansible_libssh_proxy_command"];
const BECOME: &[&str] = &["ansible_become"];
const METHOD: &[&str] = &["ansible_become_method"];
const BECOME_USER: &[&str] = &["ansible_become_user", "ansible_sudo_user", "ansible_su_user"];
const BECOME_PASSWORD: &[&str] =
    &["ansible_become_password", "ansible_become_pass", "ansible_sudo_pass", "ansible_su_pass"];
const CONNECTION: &[&str] = &["ansible_connection"];
const BECOME_OTHER: &[&str] = &["ansible_become_exe", "ansible_become_flags"];

/// Names whose meaning is in the host itself: they are no variables.
fn is_translated(name: &str) -> bool {
    [BECOME, METHOD, BECOME_USER, BECOME_PASSWORD, BECOME_OTHER, CONNECTION].iter().any(|l| l.contains(&name))
        || plugins::is_variable(name)
        || (name.starts_with("ansible_") && is_secret(name))
}

/// Reads values, and collects why the host cannot be used.
struct Reader<'a> {
    name: &'a str,
    values: &'a Values,
    /// The connection plugin, where it is known: what is none of its variables does not count.
    plugin: Option<&'static Plugin>,
    errors: Vec<Diagnostic>,
}

impl Reader<'_> {
    /// The value that counts.
    fn given(&self, names: &[&str]) -> Option<&Given> {
        let counts = |n: &str| match self.plugin {
            // Those of ssh's own name have always been said for other plugins too.
            Some(p) => p.fate(n).is_some() || !plugins::is_variable(n) || n.starts_with("ansible_ssh_"),
            None => true,
        };
        let value = |n: &str| self.values.get(n).filter(|g| !g.value.is_null());
        names.iter().rev().filter(|n| counts(n)).find_map(|n| value(n))
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

    /// A value as text, where a mistake in it is nobody's loss: it is not what decides how to get there.
    fn quietly(&mut self, names: &[&str]) -> Option<String> {
        let before = self.errors.len();
        let text = self.text(names);
        self.errors.truncate(before);
        text
    }

    /// The words of a value that is the rest of a command line.
    fn words(&mut self, names: &[&str]) -> Vec<String> {
        let Some(line) = self.text(names) else { return Vec::new() };
        match words::split(&line, words::Comments::No) {
            Ok(words) => words.into_iter().map(|w| w.text).collect(),
            Err((why, _)) => {
                if let Some(g) = self.given(names).cloned() {
                    self.error(&g, Why::Wrong, &format!("cannot be taken apart: {why}"), "close the quote");
                }
                Vec::new()
            }
        }
    }

    /// A map of text as `NAME=VALUE`, each.
    fn environment(&mut self, names: &[&str]) -> Vec<String> {
        let Some(g) = self.given(names).cloned() else { return Vec::new() };
        let parsed = g.value.as_str().and_then(|s| serde_json::from_str::<Value>(s).ok());
        let map = parsed.as_ref().unwrap_or(&g.value).as_object();
        let plain = |v: &Value| v.as_str().filter(|s| !s.contains("{{")).map(str::to_owned);
        let pairs = map.map(|m| m.iter().map(|(k, v)| Some(format!("{k}={}", plain(v)?))).collect::<Option<Vec<_>>>());
        pairs.flatten().unwrap_or_else(|| {
            self.error(&g, Why::Wrong, "must be a map of text", "like {KUBECONFIG: /etc/east.yaml}");
            Vec::new()
        })
    }

    /// What a plugin's variables say and nothing here can do, and what is none of them and may say which machine.
    fn refuse(&mut self, plugin: &Plugin) {
        let given: Vec<Given> = self.values.values().filter(|g| !g.value.is_null()).cloned().collect();
        for g in given {
            let hint = format!("-i with an inventory of our own, or --via, says how to get to {}", self.name);
            let own = !plugin.prefix.is_empty() && g.name.starts_with(plugin.prefix);
            match plugin.fate(&g.name) {
                Some(Fate::Refused(why)) => self.error(&g, Why::Channel, why, &hint),
                Some(Fate::Checked(why)) if self.text(&[g.name.as_str()]).is_some_and(|v| !truth(&v)) => {
                    self.error(&g, Why::Channel, &format!("is false, which {why}"), &hint);
                }
                None if own => {
                    let why = format!("is no variable that is known of {}, and may say which machine", plugin.names[0]);
                    self.error(&g, Why::Channel, &why, &hint);
                }
                _ => {}
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

/// A host as its variables describe it.
pub(in crate::inventory) fn host(name: &str, values: &Values) -> Host {
    let mut r = Reader { name, values, plugin: None, errors: Vec::new() };
    let mut out = Host { name: name.to_owned(), ..Host::default() };
    let connection = r.text(CONNECTION).unwrap_or_else(|| "ssh".into());
    r.plugin = plugins::find(&connection);
    match (r.plugin, r.errors.is_empty()) {
        (Some(plugin), true) => channel(&mut r, plugin, &mut out),
        (None, true) => {
            if let Some(g) = r.given(CONNECTION).cloned() {
                let known: Vec<&str> = plugins::PLUGINS.iter().flat_map(|p| p.names).copied().collect();
                let hint = format!("--via says how else; connections: {}", known.join(", "));
                r.error(&g, Why::Channel, &format!("is \"{connection}\", and no channel does that"), &hint);
            }
            out.address = r.quietly(ADDRESS);
        }
        _ => out.address = r.quietly(ADDRESS),
    }
    out.errors = std::mem::take(&mut r.errors);
    out.elevate = elevate(&mut r, &mut out.notes);
    out.elevate_errors = r.errors;
    for unused in ["ansible_host_key_checking", "ansible_ssh_host_key_checking"] {
        if values.get(unused).is_some_and(|g| !g.value.is_null()) {
            out.notes.push(format!("{unused} is not used: an unknown host key is never accepted unseen"));
        }
    }
    out.vars = values.values().filter(|g| !is_translated(&g.name)).cloned().collect();
    out
}

/// The channel of a plugin, with what its variables say.
fn channel(r: &mut Reader<'_>, plugin: &'static Plugin, out: &mut Host) {
    let name = r.name;
    let ssh = plugin.kind == Kind::Ssh;
    r.refuse(plugin);
    let made = match plugin.kind {
        Kind::Ssh => {
            out.address = Some(r.text(ADDRESS).unwrap_or_else(|| name.to_owned()));
            ssh_channel(r, out)
        }
        Kind::Local => Ok(("local:".to_owned(), None)),
        Kind::Disk => Ok((format!("root:{}", r.text(ADDRESS).unwrap_or_else(|| name.to_owned())), None)),
        Kind::Scheme(scheme) => scheme_channel(r, scheme),
        Kind::Command(line) => command(r, plugin, line),
    };
    if !ssh {
        // What clients use: none of the plugin's variables.
        r.plugin = None;
        out.port = r.quietly(PORT).and_then(|p| p.parse().ok()).filter(|p| *p > 0);
    }
    let password = if ssh { r.secret(PASSWORD).or_else(|| r.secret(PASSPHRASE)) } else { None };
    match made.and_then(|(url, user)| Ok((Url::parse(&url)?, user))) {
        _ if !r.errors.is_empty() => {}
        Ok((url, user)) => out.channels.push(Way { url, user, password }),
        Err(e) => {
            let spot = r.given(ADDRESS).or(r.given(CONNECTION)).map(|g| g.spot.clone());
            let mut error = Diagnostic::at(spot.unwrap_or_else(super::super::text::here), "channel", e.why);
            error.hint = e.hint;
            r.errors.push(error);
        }
    }
}

/// A URL, and the user if the URL cannot say it.
type Made = Result<(String, Option<String>), ChannelError>;

fn ssh_channel(r: &mut Reader<'_>, out: &mut Host) -> Made {
    out.port = r.port();
    let user = r.text(USER);
    let mut keys: Vec<(&str, String)> = r.text(KEY).map(|k| ("identity", k)).into_iter().collect();
    let option = |name: &str, value: String| ("option", format!("{name}={value}"));
    keys.extend(r.text(PROXY).map(|c| option("ProxyCommand", c)));
    keys.extend(r.text(&["ansible_libssh_config_file"]).map(|c| ("config", c)));
    keys.extend(r.text(&["ansible_ssh_pkcs11_provider"]).map(|p| option("PKCS11Provider", p)));
    const EXECUTABLE: &[&str] = &["ansible_ssh_executable"];
    if r.text(EXECUTABLE).is_some_and(|p| p != "ssh" && !p.ends_with("/ssh"))
        && let Some(g) = r.given(EXECUTABLE).cloned()
    {
        let hint = format!("--via 'exec:PROGRAM … {}' goes there by it", r.name);
        r.error(&g, Why::Channel, "is not ssh itself, and only ssh is run", &hint);
    }
    for name in ["ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"] {
        let Some(line) = r.text(&[name]) else { continue };
        let kept = ssh::arguments(&line);
        if let (Some(why), Some(g)) = (kept.refused, r.given(&[name]).cloned()) {
            r.error(
                &g,
                Why::Channel,
                &format!("cannot be kept: {why}"),
                "-i, -J, -F, -o, -l, -p and the like are kept",
            );
        }
        // Ansible gives the port and the user between the first of the three and the others, and ssh takes the first.
        let first = name == "ansible_ssh_args";
        for (is, given) in [("Port=", out.port.is_some()), ("User=", user.is_some())] {
            let of = |k: &&(&str, String)| k.0 == "option" && k.1.starts_with(is);
            if let Some((_, value)) = kept.keys.iter().find(of).filter(|_| first || !given)
                && is == "Port="
            {
                out.port = value.trim_start_matches(is).parse().ok().or(out.port);
            }
            keys.extend(kept.keys.iter().filter(of).filter(|_| first || !given).cloned());
        }
        let place = |k: &&(&str, String)| k.0 == "option" && (k.1.starts_with("Port=") || k.1.starts_with("User="));
        keys.extend(kept.keys.iter().filter(|k| !place(k)).cloned());
        out.notes.extend(kept.ignored.into_iter().map(|i| format!("{name}: {i}")));
    }
    let address = out.address.as_deref().unwrap_or(r.name);
    Ok(ssh_url(user.as_deref(), plain(address)?, out.port, &keys))
}

fn scheme_channel(r: &mut Reader<'_>, scheme: &str) -> Made {
    let query = |r: &mut Reader<'_>, keys: &[(&str, &str)]| {
        let all: Vec<String> =
            keys.iter().filter_map(|(key, v)| Some(format!("{key}={}", ssh::percent(&r.text(&[v])?)))).collect();
        if all.is_empty() { String::new() } else { format!("?{}", all.join("&")) }
    };
    let (own, after) = match scheme {
        "nsenter" => ("ansible_nsenter_pid", String::new()),
        "lxc" => ("ansible_lxc_host", String::new()),
        "ssm" => (
            "ansible_aws_ssm_instance_id",
            query(r, &[("region", "ansible_aws_ssm_region"), ("profile", "ansible_aws_ssm_profile")]),
        ),
        _ => {
            let uri = query(r, &[("connect", "ansible_libvirt_uri")]);
            // virsh itself would take qemu:///session for anybody but root.
            ("ansible_libvirt_qemu_host", if uri.is_empty() { "?connect=qemu:///system".into() } else { uri })
        }
    };
    let own = r.text(&[own]).or_else(|| if scheme == "nsenter" { Some("1".into()) } else { r.text(ADDRESS) });
    let entered = own.unwrap_or_else(|| r.name.to_owned());
    Ok((format!("{scheme}:{}{after}", plain(&entered)?), None))
}

/// `PROGRAM OPTIONS VERB NAME TAIL`; the preset that is the same, where there is one and its words are plain.
fn command(r: &mut Reader<'_>, plugin: &Plugin, line: CommandLine) -> Made {
    let short = plugin.names[0];
    let own: Vec<&str> = plugin.variables[0].0.to_vec();
    let entered = r.text(&own).or_else(|| r.text(ADDRESS)).unwrap_or_else(|| r.name.to_owned());
    let mut entered = plain(&entered)?.to_owned();
    if line.user == Some(User::Su) {
        // As both plugins have it: an instance's name has no dots, and a remote is always given.
        let remote = r.text(&[&format!("ansible_{short}_remote")]).unwrap_or_else(|| "local".into());
        entered = format!("{}:{}", plain(&remote)?, entered.split('.').next().unwrap_or_default());
    }
    let (mut before, mut environment): (Vec<String>, Vec<String>) = Default::default();
    let (mut global, mut local): (Vec<String>, Vec<String>) = Default::default();
    let mut always = line.always.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    for (names, fate) in plugin.variables {
        match fate {
            Fate::Option(option) => {
                let Some(value) = r.text(names) else { continue };
                if always.first().is_some_and(|w| w == option) {
                    always.clear();
                }
                if matches!(*option, "-n" | "-c") {
                    plain(&value)?;
                }
                let to = if *option == "-c" { &mut local } else { &mut global };
                to.extend([(*option).to_owned(), value]);
            }
            Fate::Switch(option) if r.text(names).is_some_and(|v| truth(&v)) => global.push((*option).to_owned()),
            Fate::Words => before.extend(r.words(names)),
            Fate::Environment => environment = r.environment(names),
            _ => {}
        }
    }
    let user = if plugin.names == ["kubectl"] || plugin.names == ["oc"] { None } else { r.text(own_user(plugin)) };
    let mut tail = line.tail.to_owned();
    let mut within = Vec::new();
    match (line.user, user) {
        (Some(User::Option(option)), Some(user)) => within.extend([option.to_owned(), user]),
        (Some(User::Su), Some(user)) if user != "root" => {
            let su = r.text(&[&format!("{short}_become_method")]).unwrap_or_else(|| "/bin/su".into());
            tail = format!("-- {} -c sh", quoted(&[su, user])?);
        }
        _ => {}
    }
    for (name, option) in
        [("ansible_docker_privileged", "--privileged"), ("ansible_libvirt_lxc_noseclabel", "--noseclabel")]
    {
        if plugin.fate(name).is_some() && r.text(&[name]).is_some_and(|v| truth(&v)) {
            within.push(option.to_owned());
        }
    }
    let program = match r.text(&["ansible_podman_executable"]).filter(|_| short == "podman") {
        Some(program) if program != "podman" => sh_quote(&program).ok_or_else(nul)?,
        _ => line.program.to_owned(),
    };
    let tame = |w: &String| !w.is_empty() && !w.contains(|c: char| c.is_whitespace() || c.is_control());
    let nothing_else = before.is_empty() && environment.is_empty() && within.is_empty() && program == line.program;
    // kubectl takes its options behind the pod too.
    let options_fit = if short == "kubectl" { global.iter().chain(&local).all(tame) } else { global.is_empty() };
    if let Some(preset) = line.preset.filter(|_| nothing_else && options_fit) {
        let words: Vec<String> = std::iter::once(entered).chain(global).chain(local).collect();
        return Ok((format!("{preset}:{}", words.join(" ")), None));
    }
    let mut out = String::from("exec:");
    if !environment.is_empty() {
        out.push_str(&format!("env {} ", quoted(&environment)?));
    }
    out.push_str(&program);
    for words in [&always, &global, &before] {
        if !words.is_empty() {
            out.push_str(&format!(" {}", quoted(words)?));
        }
    }
    out.push_str(&format!(" {}", line.verb));
    within.push(entered);
    within.extend(local);
    out.push_str(&format!(" {} {tail}", quoted(&within)?));
    Ok((out, None))
}

/// The names of a plugin's user, for those that pass him on.
fn own_user(plugin: &Plugin) -> &'static [&'static str] {
    let user = |names: &&'static [&'static str]| names.contains(&"ansible_user");
    plugin.variables.iter().map(|v| v.0).find(user).unwrap_or_default()
}

fn quoted(words: &[String]) -> Result<String, ChannelError> {
    let all: Option<Vec<String>> = words.iter().map(|w| sh_quote(w)).collect();
    all.map(|w| w.join(" ")).ok_or_else(nul)
}

fn nul() -> ChannelError {
    ChannelError::new("a value of the inventory has a NUL in it").hint("remove it")
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
    for name in BECOME_OTHER.iter().copied() {
        let usual = |t: &str| matches!(t, "sudo" | "doas" | "su" | "-H" | "-n" | "-S" | "-H -S -n" | "-H -S");
        if let Some(value) = r.quietly(&[name]).filter(|v| !usual(v)) {
            notes.push(format!("{name} is \"{value}\", and is not used"));
        }
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
            ("ansible_connection=community.docker.docker", "docker:web1"),
            ("ansible_connection=docker|ansible_host=web-1", "docker:web-1"),
            // Who to be there is passed on, as Ansible does.
            ("ansible_connection=docker|ansible_user=app", "exec:docker exec -i '-u' 'app' 'web1' sh"),
            (
                "ansible_connection=docker|ansible_docker_extra_args=-H tcp://10.0.0.9:2376 --tlsverify",
                "exec:docker '-H' 'tcp://10.0.0.9:2376' '--tlsverify' exec -i 'web1' sh",
            ),
            (
                "ansible_connection=community.docker.docker_api|ansible_docker_docker_host=tcp://10.0.0.9:2376|ansible_docker_tls=yes",
                "exec:docker '-H' 'tcp://10.0.0.9:2376' '--tls' exec -i 'web1' sh",
            ),
            (
                "ansible_connection=podman|ansible_podman_extra_args=--connection east",
                "exec:podman '--connection' 'east' exec -i 'web1' sh",
            ),
            (
                "ansible_connection=kubectl|ansible_kubectl_context=east|ansible_kubectl_pod=pod1",
                "kubectl:pod1 --context east",
            ),
            (
                "ansible_connection=kubectl|ansible_kubectl_kubeconfig=/etc/my east.yaml|ansible_kubectl_container=app",
                "exec:kubectl '--kubeconfig' '/etc/my east.yaml' exec -i 'web1' '-c' 'app' -- sh",
            ),
            (
                "ansible_connection=kubectl|ansible_kubectl_extra_args=--as admin|ansible_kubectl_local_env_vars={'AWS_PROFILE': 'east'}",
                "exec:env 'AWS_PROFILE=east' kubectl '--as' 'admin' exec -i 'web1' -- sh",
            ),
            (
                "ansible_connection=community.okd.oc|ansible_oc_pod=pod1|ansible_oc_context=east",
                "exec:oc '--context' 'east' exec -i 'pod1' -- sh",
            ),
            (
                "ansible_connection=lxd|ansible_lxd_remote=east|ansible_lxd_project=shop|ansible_host=web1.lxd",
                "exec:lxc '--project' 'shop' exec 'east:web1' -- sh",
            ),
            (
                "ansible_connection=incus|ansible_incus_remote=east|ansible_user=ops",
                "exec:incus '--project' 'default' exec 'east:web1' -- '/bin/su' 'ops' -c sh",
            ),
            ("ansible_connection=libvirt_qemu", "guest-agent:web1?connect=qemu:///system"),
            (
                "ansible_connection=libvirt_qemu|ansible_libvirt_uri=qemu+ssh://east/system",
                "guest-agent:web1?connect=qemu%2Bssh://east/system",
            ),
            (
                "ansible_connection=aws_ssm|ansible_aws_ssm_instance_id=i-1|ansible_aws_ssm_region=eu-west-1|ansible_aws_ssm_profile=ops",
                "ssm:i-1?region=eu-west-1&profile=ops",
            ),
            ("ansible_connection=nsenter", "nsenter:1"),
            (
                "ansible_connection=paramiko|ansible_paramiko_host=10.0.0.5|ansible_paramiko_port=99",
                "ssh://10.0.0.5:99",
            ),
            (
                "ansible_connection=libssh|ansible_libssh_proxy_command=ssh -W %h:%p east",
                "ssh://web1?option=ProxyCommand=ssh%20-W%20%25h:%25p%20east",
            ),
            // What is another plugin's does not count, and need not be known.
            ("ansible_docker_host={{ c }}|ansible_paramiko_host=x|ansible_kubectl_x=1", "ssh://web1"),
            ("ansible_connection=local|ansible_user={{ u }}|ansible_port={{ p }}", "local:"),
            // ssh takes the first of two, and Ansible's own stand behind the first of the three.
            ("ansible_ssh_args=-p 99 -l ops|ansible_port=22", "ssh://web1:99?option=Port=99&option=User=ops"),
            ("ansible_ssh_common_args=-p 99|ansible_port=22", "ssh://web1:22"),
            ("ansible_connection=containers.podman.podman", "podman:web1"),
            (
                "ansible_connection=kubernetes.core.kubectl|ansible_kubectl_namespace=prod|ansible_kubectl_container=app",
                "kubectl:web1 -n prod -c app",
            ),
            ("ansible_connection=community.general.lxd", "exec:lxc exec 'local:web1' -- sh"),
            ("ansible_connection=chroot|ansible_host=/mnt", "root:/mnt"),
        ] {
            let h = host("web1", &values(vars));
            assert!(h.errors.is_empty(), "{vars}: {:?}", h.errors);
            assert_eq!(h.channels[0].url.text(), url, "{vars}");
            let own = |g: &&Given| g.name != "ansible_kubectl_x";
            assert!(h.vars.iter().filter(own).count() == 0, "{vars}: {:?}", h.vars);
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
            (
                "ansible_connection=docker|ansible_docker_context=east",
                "ansible_docker_context of \"web1\" is no variable that is known of docker, and may say which machine",
            ),
            (
                "ansible_connection=libvirt_lxc|ansible_libvirt_uri=lxc+ssh://east/",
                "ansible_libvirt_uri of \"web1\" is no variable that is known of libvirt_lxc, and may say which machine",
            ),
            (
                "ansible_connection=kubectl|ansible_kubectl_token=abc",
                "ansible_kubectl_token of \"web1\" is a secret that would show in ps: keep it in the kubeconfig",
            ),
            (
                "ansible_connection=kubectl|ansible_kubectl_validate_certs=no",
                "ansible_kubectl_validate_certs of \"web1\" is false, which would accept any server: give its certificate authority",
            ),
            (
                "ansible_connection=kubectl|ansible_kubectl_context={{ c }}",
                "ansible_kubectl_context of \"web1\" is a template, and templates of inventories are not evaluated",
            ),
            (
                "ansible_connection=podman|ansible_podman_extra_args=--connection 'east",
                "ansible_podman_extra_args of \"web1\" cannot be taken apart: the quote that opens here is not closed",
            ),
            (
                "ansible_ssh_executable=/usr/local/bin/gate-ssh",
                "ansible_ssh_executable of \"web1\" is not ssh itself, and only ssh is run",
            ),
            (
                "ansible_ssh_common_args=-J 'gate",
                "ansible_ssh_common_args of \"web1\" cannot be kept: the quote that opens here is not closed",
            ),
            ("ansible_port=70000", "ansible_port of \"web1\" is not a port, 1 to 65535"),
            ("ansible_become=true|ansible_become_method=runas", "ansible_become_method of \"web1\" is \"runas\""),
        ] {
            let h = host("web1", &values(vars));
            let all: Vec<&Diagnostic> = h.errors.iter().chain(&h.elevate_errors).collect();
            assert_eq!(all.iter().map(|e| e.message.as_str()).collect::<Vec<_>>(), [message], "{vars}");
            assert!(all[0].hint.is_some() && all[0].spot.is_some());
        }
    }
}
