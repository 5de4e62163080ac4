//! Commands that may cut the connection, in steps that do not say so.

use std::sync::LazyLock;

use regex::Regex;

use super::Linter;
use crate::book::{Call, Diagnostic, Step, Where};
use crate::target::units::connects;

/// Tools that change what a connection goes through.
const TOOLS: &str = r"(?:^|[\s;&|(/])(iptables|ip6tables|iptables-restore|ip6tables-restore|nft|ufw|firewall-cmd|ipset|ifdown|ifconfig|nmcli|netplan|(?:ip\s+(?:-\S+\s+)*(?:link|addr|address|route|rule)))\s";
/// What acts on a service, and its name.
const SERVICES: &str = r"(?:systemctl|rc-service|service|sv|invoke-rc\.d)\s+([^;&|\n]*)";
/// Words that only look.
const LOOKS: &[&str] = &["status", "show", "list", "cat", "is-active", "is-enabled", "is-failed", "start", "enable"];

/// The word of a command by which it may cut the connection.
fn told(sh: &str) -> Option<String> {
    static ALL: LazyLock<Option<(Regex, Regex)>> =
        LazyLock::new(|| Some((Regex::new(TOOLS).ok()?, Regex::new(SERVICES).ok()?)));
    let (tools, services) = ALL.as_ref()?;
    if let Some(found) = tools.captures(&format!("{sh} ")) {
        return Some(found[1].split_whitespace().next().unwrap_or_default().to_owned());
    }
    services.captures_iter(sh).find_map(|found| {
        let words: Vec<&str> = found[1].split_whitespace().collect();
        let unit = words.iter().find(|w| connects(w))?;
        let looks = words.iter().any(|w| LOOKS.contains(w));
        (!looks).then(|| (*unit).to_owned())
    })
}

impl Linter<'_> {
    /// The guard takes back only what is known to be risky; of a command its step has to say that, or what it writes.
    pub(super) fn risk(&mut self, c: &Call, s: &Step) {
        if s.risk || c.name != "command" || c.params.contains_key("writes") || s.vantage == Where::Controller {
            return;
        }
        let text = ["run", "sh"].iter().find_map(|k| c.params.get(*k)?.as_str());
        let Some(word) = text.and_then(told) else { return };
        let message = format!("this command may cut the connection ({word}), and its step does not say so");
        self.warnings.push(Diagnostic::at(c.place.clone(), "connectivity-risk", message).hint(
            "add risk: connectivity to the step: then the target takes it back by itself, unless it is confirmed",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn what_may_cut_is_told_from_what_looks() {
        for (sh, word) in [
            ("iptables -F", Some("iptables")),
            ("x && ip -6 route flush table main", Some("ip")),
            ("systemctl restart ssh.service", Some("ssh.service")),
            ("service networking stop", Some("networking")),
            ("systemctl status ssh", None),
            ("systemctl restart nginx", None),
            ("zip link a", None),
            ("echo ok", None),
        ] {
            assert_eq!(told(sh).as_deref(), word, "{sh}");
        }
    }
}
