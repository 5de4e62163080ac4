//! The runbook as typed data: what it says, each thing with its place in the YAML.

pub mod answer;
mod decode;
pub mod diagnostic;
mod events;
pub mod excerpt;
mod frame;
mod join;
mod layout;
mod lint;
mod load;
mod node;
mod place;
mod render;
mod rules;
mod shipped;
mod source;
mod spans;
mod syntax;
#[cfg(test)]
mod tests;
mod vars;
mod within;
mod yaml;

use std::time::Duration;

pub use diagnostic::{Diagnostic, did_you_mean};
pub use load::{load, load_below, load_text, read_document, read_text};
pub(crate) use load::{read_capped, unreadable};
pub use node::Node;
pub use place::{Part, Place, Route, Seg, Spot};
pub use shipped::{SHIPPED, Shipped, find};
pub use source::Source;
pub use vars::{Given, SecretFrom, TYPES as VAR_TYPES, Var, VarKind, Vars, parse_extra};
pub use yaml::Document;
pub(crate) use yaml::tidy;

use serde_json::{Map, Value};

use crate::module::Handle;

/// A text of the runbook: an expression, or a template.
#[derive(Debug, Clone)]
pub struct Text {
    /// As written.
    pub text: String,
    /// Where.
    pub place: Place,
}

/// A module with its parameters, as a check, a remediation or a validation.
#[derive(Debug, Clone)]
pub struct Call {
    /// The module.
    pub module: Handle,
    /// Its name in the YAML.
    pub name: String,
    /// Parameters, templates not yet resolved.
    pub params: Map<String, Value>,
    /// Parameters that are taken as they are: the content of a file beside the runbook.
    pub literal: Map<String, Value>,
    /// Where its parameters stand.
    pub place: Place,
    /// The parameters were one scalar.
    pub scalar: bool,
}

impl Call {
    /// The call as a person would write it, on one line.
    #[must_use]
    pub fn shown(&self) -> String {
        let short =
            |v: &Value| v.as_str().map_or_else(|| v.to_string(), |s| s.lines().next().unwrap_or_default().to_owned());
        let params: Vec<String> =
            self.params.iter().map(|(k, v)| if self.scalar { short(v) } else { format!("{k}={}", short(v)) }).collect();
        format!("{} {}", self.name, params.join(" "))
    }
    /// Where a parameter (and a route below it) stands.
    #[must_use]
    pub fn place_of(&self, route: &[String]) -> Place {
        if self.scalar { self.place.clone() } else { self.place.below(route) }
    }
}

/// Where a step looks from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Where {
    /// Where sshd lives.
    #[default]
    Target,
    /// Where the user sits.
    Controller,
}

/// Tries again.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// How often at most.
    pub times: u32,
    /// How long in between.
    pub delay: Duration,
}

/// What only a person can do.
#[derive(Debug, Clone)]
pub struct Manual {
    /// What to do.
    pub text: Text,
    /// Where to read on.
    pub link: Option<String>,
    /// A variable whose value decides it, and an expression for the list of its values.
    pub asks: Option<(Text, Text)>,
}

/// A step: a check, a condition and a remediation.
#[derive(Debug, Clone)]
pub struct Step {
    /// What is right when the step is ok: a sentence.
    pub name: Text,
    /// For `needs` and `steps.ID`.
    pub id: Option<String>,
    /// Why it matters.
    pub why: Option<String>,
    /// What is wrong when the condition holds: a sentence, a template.
    pub finding: Option<Text>,
    /// What a person should know where nothing is wrong.
    pub note: Option<Text>,
    /// From where.
    pub vantage: Where,
    /// Whether it applies at all.
    pub when: Option<Text>,
    /// It applies only where no earlier step found a cause.
    pub otherwise: bool,
    /// What is looked at.
    pub check: Option<Call>,
    /// Whether the fault is there.
    pub condition: Option<Text>,
    /// What is done about it.
    pub remediation: Vec<Call>,
    /// check, condition and remediation in one.
    pub ensure: bool,
    /// Handlers.
    pub notify: Vec<String>,
    /// Steps that must be ok (or planned to be) before.
    pub needs: Vec<String>,
    /// A list; `item` is bound.
    pub each: Option<Text>,
    /// For `--tags`.
    pub tags: Vec<String>,
    /// After which a check is unknown.
    pub timeout: Option<Duration>,
    /// How long its repair may take to show.
    pub within: Duration,
    /// For checks that may fail for a moment.
    pub retries: Option<Retries>,
    /// What the check depends on, where the module does not know: templates of [`crate::plan::Resource`]'s notation.
    pub reads: Option<Vec<Text>>,
    /// Could lock us out.
    pub risk: bool,
    /// What only a person can do.
    pub manual: Option<Manual>,
    /// The whole step.
    pub place: Place,
}

impl Step {
    /// It has a check and nothing to do about it: what it finds is a symptom, if another step finds the cause.
    #[must_use]
    pub fn looks_only(&self) -> bool {
        self.remediation.is_empty() && !self.ensure && self.manual.is_none()
    }
}

/// What is done once after a round's edits.
#[derive(Debug, Clone)]
pub struct Handler {
    /// For `notify`.
    pub id: String,
    /// Must hold of all candidates together before anything is written.
    pub validate: Option<Call>,
    /// What is done.
    pub call: Call,
    /// The whole handler.
    pub place: Place,
}

/// A runbook.
#[derive(Debug, Clone)]
pub struct Runbook {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub title: String,
    /// The error texts that lead to this runbook.
    pub answers: Vec<answer::ErrorPattern>,
    /// Other runbooks worth a look.
    pub see: Vec<String>,
    /// Its variables.
    pub vars: Vars,
    /// Proofs from the controller at the end.
    pub verify: Vec<Call>,
    /// Handlers, in the order in which they run.
    pub handlers: Vec<Handler>,
    /// Steps, in order.
    pub steps: Vec<Step>,
    /// The leading comment of the file: what a reader learns first.
    pub about: String,
    /// The past run that it takes back.
    pub undoes: Option<String>,
    /// The SHA-256 of the file and all that it includes.
    pub digest: String,
    /// Warnings: true, but not fatal.
    pub warnings: Vec<Diagnostic>,
}
