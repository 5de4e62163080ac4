//! `negotiation`: can a client of today agree with sshd on how to talk, and is it heard at all?

use serde_json::{Value, json};

use super::{Decision, Field, Halt, Module, Params, Spec};
use crate::edit::sshd_config::{Directive, Tree};
use crate::plan::{View, first_line};
use crate::target::frame::Status;
use crate::target::tree::SSHD;

/// What comes after the banner and before a login.
pub struct Negotiation;

static SPEC: Spec = Spec {
    name: "negotiation",
    summary: "Whether a client of today can agree with sshd on how to talk: a host key, a key exchange, a cipher, a MAC; and whether sshd is told to close every connection (RefuseConnection). `sshd -T` is held against what ssh of OpenSSH 8.2 to 10 offers unless it is told otherwise.",
    scalar: None,
    params: &[],
    fields: &[Field {
        name: "refusals",
        help: "lines that let no client get that far: a list of {file, line, text, what, todo}; file is empty where no line is found",
    }],
    reads: "file:/etc/ssh/**, package:*",
    writes: "",
    open: false,
};

const LINES: &str = r#"^[[:space:]]*"?(hostkeyalgorithms|kexalgorithms|ciphers|macs|refuseconnection|hostkey|include|match)[[:space:]="]"#;

/// A list of algorithms: its keyword, what a person calls it, the client's option, and what ssh offers in OpenSSH 8.2 to 10.0
/// (myproposal.h): those of each version that a later or an earlier one still has.
const LISTS: &[(&str, &str, &[&str])] = &[
    (
        "HostKeyAlgorithms",
        "a type of host key",
        &[
            "ssh-ed25519",
            "ecdsa-sha2-nistp256",
            "ecdsa-sha2-nistp384",
            "ecdsa-sha2-nistp521",
            "rsa-sha2-512",
            "rsa-sha2-256",
        ],
    ),
    (
        "KexAlgorithms",
        "a key exchange",
        &[
            "mlkem768x25519-sha256",
            "sntrup761x25519-sha512",
            "sntrup761x25519-sha512@openssh.com",
            "curve25519-sha256",
            "curve25519-sha256@libssh.org",
            "ecdh-sha2-nistp256",
            "ecdh-sha2-nistp384",
            "ecdh-sha2-nistp521",
            "diffie-hellman-group-exchange-sha256",
            "diffie-hellman-group16-sha512",
            "diffie-hellman-group18-sha512",
            "diffie-hellman-group14-sha256",
        ],
    ),
    (
        "Ciphers",
        "a cipher",
        &[
            "chacha20-poly1305@openssh.com",
            "aes128-gcm@openssh.com",
            "aes256-gcm@openssh.com",
            "aes128-ctr",
            "aes192-ctr",
            "aes256-ctr",
        ],
    ),
    (
        "MACs",
        "a MAC",
        &[
            "umac-64-etm@openssh.com",
            "umac-128-etm@openssh.com",
            "hmac-sha2-256-etm@openssh.com",
            "hmac-sha2-512-etm@openssh.com",
            "hmac-sha1-etm@openssh.com",
            "umac-64@openssh.com",
            "umac-128@openssh.com",
            "hmac-sha2-256",
            "hmac-sha2-512",
            "hmac-sha1",
        ],
    ),
];

/// The name of its unit is another one on each system.
const RESTART: &str = "{ systemctl restart ssh || systemctl restart sshd || service sshd restart; }";

/// A host key that an authority has signed: clients take those types, too (PROTOCOL.certkeys).
fn is_certificate(algorithm: &str) -> bool {
    algorithm.contains("-cert-v01@") && !algorithm.starts_with("ssh-dss") && !algorithm.starts_with("ssh-rsa")
}

/// What `sshd -T` said, and the types of its host keys.
struct Offer {
    settings: Vec<(String, String)>,
    types: Vec<String>,
}

impl Offer {
    fn read(out: &str) -> Self {
        let pairs = out.lines().filter_map(|l| l.split_once(' ')).map(|(k, v)| (k.to_ascii_lowercase(), v.to_owned()));
        let (types, settings): (Vec<_>, Vec<_>) = pairs.partition(|(k, _)| k == "type");
        Self { settings, types: types.into_iter().map(|(_, v)| v).collect() }
    }
    fn list(&self, key: &str) -> Vec<&str> {
        let found = self.settings.iter().find(|(k, _)| k == key);
        found.map(|(_, v)| v.split(',').map(str::trim).filter(|w| !w.is_empty()).collect()).unwrap_or_default()
    }
    /// Whether one of the host keys can be used for an algorithm (RFC 8332: an ssh-rsa key signs rsa-sha2-*).
    fn has_key_for(&self, algorithm: &str) -> bool {
        if is_certificate(algorithm) {
            return self.settings.iter().any(|(k, v)| k == "hostcertificate" && v != "none");
        }
        self.types.is_empty()
            || self.types.iter().any(|t| t == algorithm || t == "ssh-rsa" && algorithm.starts_with("rsa-sha2-"))
    }
    /// Ciphers that need no MAC of their own (RFC 5647).
    fn needs_mac(&self) -> bool {
        let own = |c: &&str| c.contains("gcm") || c.contains("poly1305");
        let ours = LISTS[2].2;
        !self.list("ciphers").iter().filter(|c| ours.contains(c)).any(own)
    }
}

fn refusals(offer: &Offer, tree: &Tree) -> Vec<Value> {
    let mut out = Vec::new();
    let refusal = |line: Option<&Directive>, what: String, todo: String| {
        let text = line.map(|d| format!("{} {}", d.keyword, d.args.join(" "))).unwrap_or_default();
        let file = line.map(|d| d.file.clone()).unwrap_or_default();
        json!({"file": file, "line": line.map(|d| d.line), "text": text, "what": what, "todo": todo})
    };
    let says = |d: &Directive| {
        let block = d.scope.as_ref().filter(|_| !d.global()).map(|b| format!(" (for Match {})", b.criteria));
        format!("{}:{} says \"{} {}\"{}", d.file, d.line, d.keyword, d.args.join(" "), block.unwrap_or_default())
    };
    // Whom a Match block means is not known here, and somebody may mean it so.
    for d in tree.directives().iter().filter(|d| d.key == "refuseconnection" && d.global()) {
        if d.args.first().is_some_and(|a| a.eq_ignore_ascii_case("yes")) {
            out.push(refusal(
                Some(d),
                format!("sshd is told to close every connection: {}", says(d)),
                format!("if the maintenance is over: sed -i '{}s/^/#/' {} && {RESTART}", d.line, d.file),
            ));
        }
    }
    for (keyword, thing, client) in LISTS {
        let key = keyword.to_ascii_lowercase();
        let offered = offer.list(&key);
        if offered.is_empty() || *keyword == "MACs" && !offer.needs_mac() {
            continue;
        }
        let host_key = *keyword == "HostKeyAlgorithms";
        let usable: Vec<&str> = offered.iter().copied().filter(|a| !host_key || offer.has_key_for(a)).collect();
        if usable.iter().any(|a| client.contains(a) || host_key && is_certificate(a)) {
            continue;
        }
        let line = tree.values(keyword).first().copied();
        let at = line.map_or_else(|| format!("{keyword} {}", shorten(&offered.join(","))), says);
        let keys = if host_key && usable.is_empty() {
            format!("; its host keys are {}", offer.types.join(", "))
        } else {
            String::new()
        };
        let meanwhile = match usable.first() {
            Some(first) => format!("; until then a client that still has it gets in with: ssh -o {keyword}=+{first} …"),
            None => String::new(),
        };
        let todo = match line {
            Some(d) => format!(
                "take that line out, and sshd offers what is safe today: sed -i '{}s/^/#/' {} && sshd -t && {RESTART}{meanwhile}",
                d.line, d.file
            ),
            None => format!("see what its command line says: pgrep -a sshd{meanwhile}"),
        };
        out.push(refusal(line, format!("no client of today agrees with sshd on {thing}: {at}{keys}"), todo));
    }
    out
}

fn shorten(text: &str) -> String {
    if text.len() <= 80 { text.to_owned() } else { format!("{}…", text.chars().take(79).collect::<String>()) }
}

impl Module for Negotiation {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn decide(&self, _: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let script = crate::target::squeeze(concat!(include_str!("sshd_t.sh"), include_str!("negotiation.sh")));
        let answer = view.own_script("sshd offers", &script, &[]);
        let lines = view.lines(super::sshd::MAIN, SSHD, LINES, &[]);
        let (answer, lines) = (answer?, lines?);
        if answer.status != Status::Exit(0) {
            return Err(Halt::unknown(format!("what sshd offers cannot be told: {}", first_line(&answer.stderr))));
        }
        let out = String::from_utf8_lossy(&answer.stdout);
        if let Some(why) = match out.trim() {
            "nosshd" => Some("there is no sshd"),
            "refused" if !view.facts()?.root => {
                return Err(view.takes_root("sshd tells what it offers to root alone"));
            }
            "refused" => Some("sshd refuses its configuration"),
            _ => None,
        } {
            return Err(Halt::Skipped(why.into()));
        }
        let all = refusals(&Offer::read(&out), &Tree::new(super::sshd::MAIN, lines));
        let evidence = match all.as_slice() {
            [] => "a client of today and sshd can agree on how to talk".to_owned(),
            all => all.iter().filter_map(|r| r["what"].as_str()).collect::<Vec<_>>().join("; "),
        };
        Ok(Decision::new(all.is_empty(), evidence).with("refusals", all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(offer: &str, config: &str) -> Vec<String> {
        let files = [("/etc/ssh/sshd_config".to_owned(), config.as_bytes().to_vec())].into_iter().collect();
        let all = refusals(&Offer::read(offer), &Tree::new("/etc/ssh/sshd_config", files));
        all.iter().map(|r| r["what"].as_str().unwrap().to_owned()).collect()
    }

    const WELL: &str = "hostkeyalgorithms ssh-ed25519,rsa-sha2-512\nkexalgorithms curve25519-sha256\nciphers aes256-ctr,aes128-cbc\n\
                        macs hmac-sha2-256\ntype ssh-ed25519\ntype ssh-rsa\n";

    #[test]
    fn nothing_in_common() {
        assert!(found(WELL, "").is_empty());
        let with = |old: &str, new: &str, config: &str| {
            assert!(WELL.contains(old));
            found(&WELL.replace(old, new), config)
        };
        assert_eq!(
            with("ssh-ed25519,rsa-sha2-512", "ssh-dss,ssh-rsa", "HostKeyAlgorithms ssh-dss,ssh-rsa\n"),
            [
                "no client of today agrees with sshd on a type of host key: /etc/ssh/sshd_config:1 says \"HostKeyAlgorithms ssh-dss,ssh-rsa\""
            ]
        );
        assert_eq!(with("curve25519-sha256", "diffie-hellman-group1-sha1", "").len(), 1);
        assert_eq!(with("aes256-ctr,", "", "Port 22\nCiphers aes128-cbc\n").len(), 1);
        assert_eq!(with("hmac-sha2-256", "hmac-md5", "MACs hmac-md5\n").len(), 1);
        // A cipher with a MAC of its own.
        assert!(
            found(&WELL.replace("hmac-sha2-256", "hmac-md5").replace("aes256-ctr", "aes256-gcm@openssh.com"), "")
                .is_empty()
        );
        // Of the keys that there are, none is of a type that is offered.
        let lone = WELL.replace("type ssh-ed25519\ntype ssh-rsa\n", "type ecdsa-sha2-nistp256\n");
        assert!(found(&lone, "")[0].ends_with("; its host keys are ecdsa-sha2-nistp256"));
        assert_eq!(
            found(WELL, "Port 22\nRefuseConnection yes\n"),
            ["sshd is told to close every connection: /etc/ssh/sshd_config:2 says \"RefuseConnection yes\""]
        );
        // For some, whoever they are, it may be meant.
        assert!(found(WELL, "Match User test\n  RefuseConnection yes\n").is_empty());
        // Certificates alone are enough for a client, where the host has one.
        let signed =
            WELL.replace("hostkeyalgorithms ssh-ed25519,", "hostkeyalgorithms ssh-ed25519-cert-v01@openssh.com,");
        let signed = signed.replace(",rsa-sha2-512", "");
        assert_eq!(found(&signed, "").len(), 1);
        assert!(found(&format!("{signed}hostcertificate /etc/ssh/c.pub\n"), "").is_empty());
    }
}
