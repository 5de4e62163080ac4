//! The command line of this run as data, so that the next command can be printed whole.

use crate::payload::sh_word;

/// One argument of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// The flag's long name, without dashes; `None`: a positional argument, such as the runbook.
    pub flag: Option<String>,
    /// As it was typed: the flag and its value, or the value alone.
    pub words: Vec<String>,
}

/// What the user typed: `PROGRAM VERB ARGUMENTS`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invocation {
    /// The program, as it was called.
    pub program: String,
    /// The program, as sudo finds it: its PATH is not the user's (sudoers(5), `secure_path`).
    pub program_for_root: String,
    /// The subcommand.
    pub verb: String,
    /// What follows it, in order.
    pub arguments: Vec<Argument>,
}

/// Flags that say which host, and over what.
const REACH: &[&str] =
    &["target", "inventory", "via", "address", "login", "become", "become-method", "ask-become-pass"];
/// Flags that keep a run from changing anything.
const DRY: &[&str] = &["dry-run"];

impl Invocation {
    /// The same arguments for another subcommand.
    #[must_use]
    pub fn with_verb(&self, verb: &str) -> Self {
        Self { verb: verb.to_owned(), ..self.clone() }
    }

    /// Without these flags and their values.
    #[must_use]
    pub fn without(&self, flags: &[&str]) -> Self {
        let mut out = self.clone();
        out.arguments.retain(|a| a.flag.as_deref().is_none_or(|f| !flags.contains(&f)));
        out
    }

    /// With more words at the end.
    #[must_use]
    pub fn with(&self, words: &[&str]) -> Self {
        let mut out = self.clone();
        let words = words.iter().map(|w| (*w).to_owned()).collect();
        out.arguments.push(Argument { flag: None, words });
        out
    }

    /// What makes the changes that this run only planned.
    #[must_use]
    pub fn to_apply(&self) -> Self {
        let verb = if self.verb == "plan" { "apply" } else { &self.verb };
        self.with_verb(verb).without(DRY)
    }

    /// A plan of the same runbook on the host itself, once it runs again.
    #[must_use]
    pub fn to_check_on_host(&self) -> Self {
        self.with_verb("plan").without(REACH).without(DRY).without(&["yes", "step", "no-guard", "confirm-within"])
    }

    /// A plan of another runbook for the same host. What is said of this runbook's variables and steps is left out.
    #[must_use]
    pub fn to_plan_other(&self, runbook: &str) -> Self {
        let mut out = self.with_verb("plan");
        out.arguments.retain(|a| a.flag.as_deref().is_some_and(|f| REACH.contains(&f)));
        out.arguments.insert(0, Argument { flag: None, words: vec![runbook.to_owned()] });
        out
    }

    /// The same as root on the target.
    #[must_use]
    pub fn as_become(&self) -> Self {
        self.without(&["become"]).with(&["--become"])
    }

    /// The values of a flag, in order.
    pub fn values<'a>(&'a self, flag: &'a str) -> impl Iterator<Item = &'a str> {
        let of = self.arguments.iter().filter(move |a| a.flag.as_deref() == Some(flag));
        of.filter_map(|a| match a.words.as_slice() {
            [one] => one.split_once('=').map(|(_, value)| value),
            [_, value, ..] => Some(value.as_str()),
            [] => None,
        })
    }

    /// With a variable's value, in place of what was said of it before.
    #[must_use]
    pub fn with_variable(&self, name: &str, value: &str) -> Self {
        self.with(&["-e", &format!("{name}={value}")])
    }

    /// One line for sh, without a newline.
    #[must_use]
    pub fn to_sh(&self) -> String {
        self.line(&self.program)
    }

    /// One line for sh that runs as root.
    #[must_use]
    pub fn to_sudo(&self) -> String {
        format!("sudo {}", self.line(&self.program_for_root))
    }

    fn line(&self, program: &str) -> String {
        let words = self.arguments.iter().flat_map(|a| &a.words).map(String::as_str);
        [program, self.verb.as_str()].into_iter().chain(words).map(sh_word).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argument(flag: Option<&str>, words: &[&str]) -> Argument {
        Argument { flag: flag.map(str::to_owned), words: words.iter().map(|w| (*w).to_owned()).collect() }
    }

    fn typed() -> Invocation {
        Invocation {
            program: "runbook".into(),
            program_for_root: "/home/ops/.cargo/bin/runbook".into(),
            verb: "plan".into(),
            arguments: vec![
                argument(None, &["ssh-refused"]),
                argument(Some("target"), &["-t", "web*:!web3"]),
                argument(Some("via"), &["--via=exec:docker exec -i it's sh"]),
                argument(Some("extra-vars"), &["-e", "port=22"]),
                argument(Some("dry-run"), &["-n"]),
                argument(Some("become"), &["-b"]),
            ],
        }
    }

    #[test]
    fn the_next_command_has_all_arguments_and_can_be_pasted() {
        let via = r"'--via=exec:docker exec -i it'\''s sh'";
        let whole = format!("runbook apply ssh-refused -t 'web*:!web3' {via} -e port=22 -b");
        assert_eq!(typed().to_apply().to_sh(), whole);
        let root = format!("sudo /home/ops/.cargo/bin/runbook apply ssh-refused -t 'web*:!web3' {via} -e port=22 -b");
        assert_eq!(typed().to_apply().to_sudo(), root);
        assert_eq!(typed().to_check_on_host().to_sh(), "runbook plan ssh-refused -e port=22");
        let other = format!("runbook plan ssh-timeout -t 'web*:!web3' {via} -b");
        assert_eq!(typed().to_plan_other("ssh-timeout").to_sh(), other);
        assert!(typed().to_apply().with_variable("repair", "a b").to_sh().ends_with(" -e 'repair=a b'"));
    }
}
