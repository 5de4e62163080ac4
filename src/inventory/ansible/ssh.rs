//! `ansible_ssh_common_args` and its kin: what of ssh's command line can be kept in an `ssh:` URL.

use super::words;

/// Keys of ssh's URL with their values, what is left out, each with the reason, and what cannot be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub keys: Vec<(&'static str, String)>,
    pub ignored: Vec<String>,
    /// The first thing that may say which machine, and is not understood.
    pub refused: Option<String>,
}

/// Letters of ssh(1) that are an option of ssh_config(5).
const OPTIONS: &[(char, &str)] = &[
    ('l', "User"),
    ('p', "Port"),
    ('b', "BindAddress"),
    ('B', "BindInterface"),
    ('c', "Ciphers"),
    ('m', "MACs"),
    ('I', "PKCS11Provider"),
];

/// Letters that say neither where ssh goes nor how: what it prints, forwards and compresses.
const HARMLESS: &str = "ACGKNTXYafgknqstvxy";
/// The same, with a value.
const HARMLESS_VALUES: &str = "DELRew";

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
    let all = match words::split(line, words::Comments::No) {
        Ok(all) => all,
        Err((why, _)) => {
            out.refused = Some(why.into());
            return out;
        }
    };
    let mut all = all.into_iter().map(|w| w.text);
    while let Some(word) = all.next() {
        let Some(letters) = word.strip_prefix('-').filter(|w| !w.is_empty()) else {
            out.refused.get_or_insert(format!("\"{word}\" is not an option"));
            continue;
        };
        // As getopt(3) has it: letters without a value may stand together, and the rest of the word is a value.
        for (at, letter) in letters.char_indices() {
            match letter {
                '4' => out.keys.push(("option", "AddressFamily=inet".into())),
                '6' => out.keys.push(("option", "AddressFamily=inet6".into())),
                c if HARMLESS.contains(c) => out.ignored.push(format!("-{c}: not needed")),
                c => {
                    let rest = &letters[at + c.len_utf8()..];
                    let value = if rest.is_empty() { all.next() } else { Some(rest.to_owned()) };
                    valued(c, value, &mut out);
                    break;
                }
            }
        }
    }
    out
}

/// A letter that has a value.
fn valued(letter: char, value: Option<String>, out: &mut Kept) {
    let known = "oiJF".contains(letter) || HARMLESS_VALUES.contains(letter) || OPTIONS.iter().any(|o| o.0 == letter);
    let Some(value) = value.filter(|_| known) else {
        let why = if known { "has no value" } else { "is not understood here" };
        out.refused.get_or_insert(format!("-{letter} {why}"));
        return;
    };
    match letter {
        'o' => option(&value, out),
        'i' => out.keys.push(("identity", value)),
        'J' => out.keys.push(("jump", value)),
        'F' => out.keys.push(("config", value)),
        c => match OPTIONS.iter().find(|o| o.0 == c) {
            Some((_, name)) => out.keys.push(("option", format!("{name}={value}"))),
            None => out.ignored.push(format!("-{c} {value}: not needed")),
        },
    }
}

fn option(value: &str, out: &mut Kept) {
    let name = value.trim_start().split(['=', ' ', '\t']).next().unwrap_or_default();
    match OURS.iter().find(|o| name.eq_ignore_ascii_case(o.0)) {
        Some((_, why)) => out.ignored.push(format!("{name}: {why}")),
        // In one form, so that it can be told what it says.
        None => match value.trim_start().split_at(name.len()) {
            (name, rest) if !rest.is_empty() => {
                let rest = rest.trim_start_matches([' ', '\t']);
                let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start_matches([' ', '\t']);
                let name = ["Port", "User"].into_iter().find(|n| n.eq_ignore_ascii_case(name)).unwrap_or(name);
                out.keys.push(("option", format!("{name}={rest}")));
            }
            _ => {
                out.refused.get_or_insert(format!("-o {value} has no value"));
            }
        },
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
            "-o ProxyCommand=\"ssh -W %h:%p -q bastion\" -J gate:2222 -oStrictHostKeyChecking=no -Cqp 99 -l root -4 -i ~/.ssh/id -F x",
        );
        let keys: Vec<String> = kept.keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            keys,
            [
                "option=ProxyCommand=ssh -W %h:%p -q bastion",
                "jump=gate:2222",
                "option=Port=99",
                "option=User=root",
                "option=AddressFamily=inet",
                "identity=~/.ssh/id",
                "config=x"
            ]
        );
        assert_eq!(
            kept.ignored,
            ["StrictHostKeyChecking: an unknown host key is never accepted unseen", "-C: not needed", "-q: not needed"]
        );
        assert_eq!(kept.refused, None);
        assert_eq!(percent("ProxyCommand=ssh -W %h:%p"), "ProxyCommand=ssh%20-W%20%25h:%25p");
    }

    /// What is not understood may say which machine.
    #[test]
    fn what_cannot_be_kept_is_refused() {
        for (line, why) in [
            ("'x", "the quote that opens here is not closed"),
            ("-C web", "\"web\" is not an option"),
            ("-W host:22", "-W is not understood here"),
            ("-S /tmp/master", "-S is not understood here"),
            ("-o", "-o has no value"),
            ("-o ProxyJump", "-o ProxyJump has no value"),
            ("-J", "-J has no value"),
        ] {
            assert_eq!(arguments(line).refused.as_deref(), Some(why), "{line}");
        }
        assert_eq!(arguments("-o \"port = 99\"").keys, [("option", "Port=99".to_owned())]);
        assert_eq!(arguments("-o ProxyCommand=a#b").keys, [("option", "ProxyCommand=a#b".to_owned())]);
    }
}
