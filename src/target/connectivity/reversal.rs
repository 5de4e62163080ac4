//! The command that reverses another one, where there is exactly one: for a person to type.

use super::shell::read_script;

/// What reverses a script, its last command first; `None` if nothing in it is known to be reversible.
#[must_use]
pub fn reversal(sh: &str) -> Option<String> {
    let reversed: Vec<String> = read_script(sh)
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
    let of = |word: &str, pairs: &[(&'static str, &'static str)]| {
        pairs.iter().find_map(|(a, b)| if *a == word { Some(*b) } else { (*b == word).then_some(*a) })
    };
    const VERBS: &[(&str, &str)] = &[("start", "stop"), ("enable", "disable"), ("mask", "unmask")];
    match words {
        ["mv", from, to] if to.starts_with('/') && from.starts_with('/') => Some(match to.strip_suffix('/') {
            Some(dir) => format!("mv {dir}/{} {from}", from.rsplit('/').next()?),
            None => format!("mv {to} {from}"),
        }),
        ["systemctl", verb, unit] if !unit.starts_with('-') => Some(format!("systemctl {} {unit}", of(verb, VERBS)?)),
        ["systemctl", verb, "--now", unit] => Some(format!("systemctl {} --now {unit}", of(verb, VERBS)?)),
        ["ufw", "enable"] | ["ufw", "--force", "enable"] => Some("ufw disable".into()),
        ["ufw", verb @ ("allow" | "deny" | "limit" | "reject"), rest @ ..] => {
            Some(format!("ufw delete {verb} {}", rest.join(" ")))
        }
        ["usermod", "-L", user] => Some(format!("usermod -U {user}")),
        ["passwd", "-l", user] => Some(format!("passwd -u {user}")),
        ["ifdown", name] => Some(format!("ifup {name}")),
        ["nmcli", what @ ("con" | "connection"), "down", name] => Some(format!("nmcli {what} up {name}")),
        ["ip", "link", "set", rest @ .., "down"] => Some(format!("ip link set {} up", rest.join(" "))),
        ["ip", what @ ("addr" | "address" | "route"), "del", rest @ ..] => {
            Some(format!("ip {what} add {}", rest.join(" ")))
        }
        ["ip", what @ ("addr" | "address" | "route"), "add", rest @ ..] => {
            Some(format!("ip {what} del {}", rest.join(" ")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::reversal;

    #[test]
    fn only_what_is_certain_is_reversed() {
        for (sh, back) in [
            (
                "touch /root/done3; mv /root/.ssh/authorized_keys /root/ak",
                Some("mv /root/ak /root/.ssh/authorized_keys"),
            ),
            ("systemctl restart networking; ufw --force enable", Some("ufw disable")),
            ("ip addr del 10.0.0.1/24 dev eth0", Some("ip addr add 10.0.0.1/24 dev eth0")),
            ("systemctl disable --now ssh", Some("systemctl enable --now ssh")),
            ("mv '/a b' /c; rm /d", None),
        ] {
            assert_eq!(reversal(sh).as_deref(), back, "{sh}");
        }
    }
}
