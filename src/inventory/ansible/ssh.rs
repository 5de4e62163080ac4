//! `ansible_ssh_common_args` and its kin: what of ssh's command line can be kept in an `ssh:` URL.

use super::words;

/// Keys of ssh's URL with their values, and what is left out, each with the reason.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub keys: Vec<(&'static str, String)>,
    pub ignored: Vec<String>,
}

/// ssh_config(5) options that the connection sets itself, or that would accept any host key.
const OURS: &[(&str, &str)] = &[
    ("controlmaster", "the connection is shared anyway"),
    ("controlpersist", "the connection is shared anyway"),
    ("controlpath", "the connection is shared anyway"),
    ("stricthostkeychecking", "an unknown host key is never accepted unseen"),
    ("userknownhostsfile", "an unknown host key is never accepted unseen"),
    ("globalknownhostsfile", "an unknown host key is never accepted unseen"),
    ("batchmode", "it is set where nobody can be asked"),
    ("requesttty", "scripts have no terminal"),
];

/// Reads the words of a command line.
pub(super) fn arguments(line: &str) -> Kept {
    let mut out = Kept::default();
    // Unlike in an inventory's line, # is nothing special here; ssh's arguments do not have it.
    let Ok(all) = words::split(line) else {
        out.ignored.push("all of it: a quote is not closed".into());
        return out;
    };
    let mut all = all.into_iter().map(|w| w.text);
    while let Some(word) = all.next() {
        let Some(letter) = word.strip_prefix('-').and_then(|w| w.chars().next()) else {
            out.ignored.push(format!("{word}: not an option"));
            continue;
        };
        if !"oiJF".contains(letter) {
            if "BbcDEeIlLmOopQRSWw".contains(letter) && word.len() == 2 {
                let value = all.next().unwrap_or_default();
                out.ignored.push(format!("{word} {value}: not kept"));
            } else {
                out.ignored.push(format!("{word}: not kept"));
            }
            continue;
        }
        let value = if word.len() > 2 { Some(word[2..].to_owned()) } else { all.next() };
        let Some(value) = value else {
            out.ignored.push(format!("{word}: nothing follows"));
            continue;
        };
        match letter {
            'o' => option(&value, &mut out),
            'i' => out.keys.push(("identity", value)),
            'J' => out.keys.push(("jump", value)),
            _ => out.keys.push(("config", value)),
        }
    }
    out
}

fn option(value: &str, out: &mut Kept) {
    let name = value.trim_start().split(['=', ' ', '\t']).next().unwrap_or_default();
    match OURS.iter().find(|o| name.eq_ignore_ascii_case(o.0)) {
        Some((_, why)) => out.ignored.push(format!("{name}: {why}")),
        None => out.keys.push(("option", value.to_owned())),
    }
}

/// The value of a key in a URL (RFC 3986, 2.1).
pub(in crate::inventory) fn percent(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/:@=,".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_command_line() {
        let kept = arguments(
            "-o ProxyCommand=\"ssh -W %h:%p -q bastion\" -J gate:2222 -oStrictHostKeyChecking=no -C -p 99 -i ~/.ssh/id -F x web",
        );
        let keys: Vec<String> = kept.keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            keys,
            ["option=ProxyCommand=ssh -W %h:%p -q bastion", "jump=gate:2222", "identity=~/.ssh/id", "config=x"]
        );
        assert_eq!(
            kept.ignored,
            [
                "StrictHostKeyChecking: an unknown host key is never accepted unseen",
                "-C: not kept",
                "-p 99: not kept",
                "web: not an option"
            ]
        );
        assert_eq!(percent("ProxyCommand=ssh -W %h:%p"), "ProxyCommand=ssh%20-W%20%25h:%25p");
        assert_eq!(arguments("'x").ignored, ["all of it: a quote is not closed"]);
    }
}
