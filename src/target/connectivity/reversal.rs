//! The command that reverses another one, where there is exactly one: for a person to type. How things were before is not known
//! here, so that only what does no harm wherever they were already so is said: nothing is stopped, unlocked or deleted.

use super::shell::read_script;
use super::{LoginPath, login_path};

/// What reverses a script, its last command first; `None` if nothing in it is known to be reversible.
#[must_use]
pub fn reversal(sh: &str) -> Option<String> {
    let script = read_script(sh);
    if script.unclear.is_some() {
        return None;
    }
    let reversed: Vec<String> = script
        .commands
        .iter()
        .rev()
        .filter_map(|c| reverse_command(&c.words.iter().map(String::as_str).collect::<Vec<_>>()))
        .collect();
    (!reversed.is_empty()).then(|| reversed.join("; "))
}

fn reverse_command(words: &[&str]) -> Option<String> {
    let words = if matches!(words.first(), Some(&"sudo" | &"doas")) { &words[1..] } else { words };
    let plain = |w: &str| !w.is_empty() && w.chars().all(|c| c.is_ascii_alphanumeric() || "/._-:@+~,".contains(c));
    if !words.iter().all(|w| plain(w)) {
        return None;
    }
    match words {
        ["mv", from, to] => reverse_move(from, to),
        ["ifdown", name] => Some(format!("ifup {name}")),
        ["nmcli", what @ ("con" | "connection"), "down", name] => Some(format!("nmcli {what} up {name}")),
        ["ip", "link", "set", rest @ .., "down"] => Some(format!("ip link set {} up", rest.join(" "))),
        ["ip", what @ ("addr" | "address"), "del", rest @ ..] if rest.contains(&"dev") => {
            Some(format!("ip {what} add {}", rest.join(" ")))
        }
        // Without the way that it took it cannot be added again.
        ["ip", "route", "del", rest @ ..] if rest.contains(&"via") || rest.contains(&"dev") => {
            Some(format!("ip route add {}", rest.join(" ")))
        }
        _ => None,
    }
}

/// Where the target may have been a directory, the line does nothing if it was one.
fn reverse_move(from: &str, to: &str) -> Option<String> {
    if !from.starts_with('/') || !to.starts_with('/') || from.ends_with('/') {
        return None;
    }
    let name = from.rsplit('/').next()?;
    if let Some(dir) = to.strip_suffix('/') {
        return Some(format!("mv {}/{name} {from}", dir.trim_end_matches('/')));
    }
    let (dir, new) = to.rsplit_once('/')?;
    let is_directory = dir.is_empty() || dir == "/home" || matches!(new, "." | "..");
    if is_directory || login_path(to) == Some(LoginPath::Above) {
        return None;
    }
    // `x` and `x.bak`: its new name.
    let renamed = new.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '-', '_', '~']));
    Some(if renamed { format!("mv {to} {from}") } else { format!("[ -e {to}/{name} ] || mv {to} {from}") })
}

#[cfg(test)]
mod tests {
    use super::reversal;

    #[test]
    fn only_what_is_certain_is_reversed() {
        for (sh, back) in [
            (
                "touch /root/done3; mv /root/.ssh/authorized_keys /root/ak",
                Some("[ -e /root/ak/authorized_keys ] || mv /root/ak /root/.ssh/authorized_keys"),
            ),
            ("mv /etc/ssh /etc/ssh.bak", Some("mv /etc/ssh.bak /etc/ssh")),
            ("mv /root/.ssh/authorized_keys /root/", Some("mv /root/authorized_keys /root/.ssh/authorized_keys")),
            ("mv /root/.ssh/authorized_keys /", Some("mv /authorized_keys /root/.ssh/authorized_keys")),
            ("mv /root/.ssh/authorized_keys /root", None),
            ("mv /root/.ssh/authorized_keys /home/ops", None),
            ("mv /etc/ssh/sshd_config /etc/systemd/system", None),
            ("mv /etc/ssh/sshd_config /tmp", None),
            ("mv /etc/ssh/ /root/x", None),
            ("mv '/a b' /c; rm /d", None),
            ("cd /root; mv .ssh x", None),
            ("systemctl restart networking; ifdown eth0", Some("ifup eth0")),
            ("ip addr del 10.0.0.1/24 dev eth0", Some("ip addr add 10.0.0.1/24 dev eth0")),
            ("ip route del default via 10.0.0.1", Some("ip route add default via 10.0.0.1")),
            ("ip route del default", None),
            // What was there before is not known.
            ("systemctl disable --now ssh", None),
            ("systemctl enable ssh", None),
            ("systemctl start ssh", None),
            ("systemctl stop ssh", None),
            ("systemctl mask ssh", None),
            ("ufw --force enable", None),
            ("usermod -L ops", None),
            ("ufw allow 22/tcp", None),
            ("ufw deny 22/tcp", None),
            ("ip addr add 10.0.0.1/24 dev eth0", None),
            ("ip route add default via 10.0.0.1", None),
            ("mv /a/b /a/b.old; echo don't", None),
        ] {
            assert_eq!(reversal(sh).as_deref(), back, "{sh}");
        }
    }
}
