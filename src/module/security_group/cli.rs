//! A provider's own command line, asked on the controller with the user's own login.

use std::time::Duration;

use serde_json::Value;

use super::Provider;
use crate::module::Halt;
use crate::payload::sh_quote;
use crate::plan::{Resource, View};
use crate::target::frame::Status;

/// For one look: these programs take seconds to start, and they try again by themselves.
const LOOK: Duration = Duration::from_secs(40);

/// What one provider's program says.
pub(super) trait Cli {
    /// Its answer to these arguments, as JSON; `Null` where it says nothing.
    ///
    /// # Errors
    /// [`Halt::Pending`] until it was asked; [`Halt::Unknown`] with its own words and what to do where it gave no answer.
    fn json(&self, args: &[&str]) -> Result<Value, Halt>;
}

/// The real one.
pub(super) struct Program<'a, 'v> {
    pub(super) provider: &'static Provider,
    pub(super) view: &'a View<'v>,
}

impl Cli for Program<'_, '_> {
    fn json(&self, args: &[&str]) -> Result<Value, Halt> {
        let p = self.provider;
        let words: Vec<String> = [p.program].iter().chain(args).map(|w| (*w).to_owned()).collect();
        let line = line(&words).ok_or_else(|| Halt::error("instance", "a name with a NUL"))?;
        let sh = format!("command -v {0} >/dev/null || exit 127\n{1} {line}", p.program, p.environment);
        let a = self.view.on_controller(&format!("$ {line}"), &sh, &[Resource::Cloud], LOOK).map_err(|h| match h {
            Halt::Unknown { why, hint } => Halt::Unknown { why: format!("{}: {why}", p.program), hint },
            other => other,
        })?;
        match a.status {
            Status::Exit(0) if a.stdout.iter().all(u8::is_ascii_whitespace) => Ok(Value::Null),
            Status::Exit(0) => serde_json::from_slice(&a.stdout)
                .map_err(|e| Halt::unknown(format!("{} answered no JSON: {e}", p.program))),
            Status::Exit(127) if a.stderr.is_empty() => Err(Halt::Unknown {
                why: format!("the program {} is not on this machine", p.program),
                hint: Some(format!("install it ({}) and log in with it: {}", p.install, p.login)),
            }),
            _ => Err(refused(p, &format!("{}\n{}", text(&a.stderr), text(&a.stdout)))),
        }
    }
}

fn text(b: &[u8]) -> String {
    String::from_utf8_lossy(b).into_owned()
}

/// What it said when it gave no answer, in its own words, and what to do about it.
fn refused(p: &Provider, said: &str) -> Halt {
    let lines = || said.lines().map(str::trim).filter(|l| !l.is_empty());
    let line = lines().find(|l| l.to_lowercase().contains("error")).or_else(|| lines().next());
    let why = line.unwrap_or("it failed without a word");
    let why = why.strip_prefix(&format!("{}: ", p.program)).unwrap_or(why);
    let known = p.refusals.iter().find(|(what, _)| what.iter().any(|w| said.contains(w)));
    let hint = known.map(|(_, hint)| (*hint).to_owned());
    Halt::Unknown { why: format!("{}: {why}", p.program), hint }
}

/// The words as a line that a person can read, copy and run; `None` for a NUL.
pub(super) fn line(words: &[String]) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@+%".contains(c);
    let word = |w: &String| if !w.is_empty() && w.chars().all(plain) { Some(w.clone()) } else { sh_quote(w) };
    Some(words.iter().map(word).collect::<Option<Vec<_>>>()?.join(" "))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Recorded answers: the words that a call's arguments must have, and what it says.
    pub(in super::super) struct Recorded<'a>(pub(in super::super) Vec<(&'a str, Value)>);

    impl Cli for Recorded<'_> {
        fn json(&self, args: &[&str]) -> Result<Value, Halt> {
            let has = |w: &str| w.split(' ').all(|w| args.contains(&w));
            match self.0.iter().find(|(words, _)| has(words)) {
                Some((_, answer)) => Ok(answer.clone()),
                None => Err(Halt::unknown(format!("nothing recorded for {args:?}"))),
            }
        }
    }

    #[test]
    fn a_line_can_be_copied() {
        let words = |w: &[&str]| w.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            line(&words(&["aws", "IpRanges=[{CidrIp=1.2.3.4/32}]"])).unwrap(),
            "aws 'IpRanges=[{CidrIp=1.2.3.4/32}]'"
        );
        assert_eq!(line(&words(&["az", "--x", "*", ""])).unwrap(), "az --x '*' ''");
        assert_eq!(line(&words(&["a\0"])), None);
    }

    #[test]
    fn what_it_says_is_told_with_what_to_do() {
        for (provider, said, why, hint) in [
            (
                "aws",
                "\nAn error occurred (UnauthorizedOperation) when calling the DescribeInstances operation: You are not authorized to perform this operation.\n",
                "aws: An error occurred (UnauthorizedOperation)",
                "ec2:DescribeInstances",
            ),
            (
                "aws",
                "aws: [ERROR]: Unable to locate credentials. You can configure credentials by running \"aws configure\".",
                "aws: [ERROR]: Unable to locate credentials",
                "aws configure",
            ),
            (
                "aws",
                "\nYou must specify a region. You can also configure your region by running \"aws configure\".",
                "You must specify a region",
                "AWS_REGION",
            ),
            (
                "gcp",
                "WARNING: something else\nERROR: (gcloud.compute.instances.list) You do not currently have an active account selected.\nPlease run:\n",
                "active account",
                "gcloud auth login",
            ),
            (
                "azure",
                "ERROR: Please run 'az login' to setup account.\n",
                "az: ERROR: Please run 'az login'",
                "az login",
            ),
            (
                "digitalocean",
                "\n{\"errors\":[{\"detail\":\"Unable to initialize DigitalOcean API client: access token is required.\"}]}",
                "access token is required",
                "doctl auth init",
            ),
        ] {
            let p = super::super::PROVIDERS.iter().find(|p| p.name == provider).unwrap();
            let Halt::Unknown { why: w, hint: h } = refused(p, said) else { panic!() };
            assert!(w.contains(why) && h.as_deref().unwrap_or_default().contains(hint), "{w} / {h:?}");
        }
    }
}
