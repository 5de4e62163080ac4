//! `references`: does everything exist that the lines of a configuration name?

use serde_json::{Value, json};

use super::{Decision, Field, Halt, Module, Param, Params, Spec, Ty};
use crate::edit::references::{
    NamedKind, Reference, nsswitch_references, pam_lines, pam_references, sshd_references, sudoers_references,
    unit_references,
};
use crate::edit::sshd_config::Tree;
use crate::plan::View;
use crate::target::existence::Absence;
use crate::target::files::{Kind, Look};
use crate::target::tree::SSHD;

/// Lines that name what does not exist.
pub struct References;

static SPEC: Spec = Spec {
    name: "references",
    summary: "Whether every file, program, user, group and module exists that the lines of a configuration name, and what is there where it does not: a dangling link, a missing directory, a name that is nearly the same. What a line says may be missing (`-` in units and PAM) is no fault.",
    scalar: Some("of"),
    params: &[
        Param {
            name: "of",
            ty: Ty::OneOf(&["sshd", "pam", "unit", "sudoers", "nsswitch"]),
            required: true,
            help: "sshd: sshd_config and what it includes; pam: the files that a service of PAM's comes to; unit: a unit file; sudoers: /etc/sudoers and what it includes; nsswitch: /etc/nsswitch.conf",
        },
        Param {
            name: "service",
            ty: Ty::Str,
            required: false,
            help: "of pam: the service; sshd unless said otherwise",
        },
        Param { name: "path", ty: Ty::Path, required: false, help: "of unit: the unit file or drop-in" },
    ],
    fields: &[Field {
        name: "missing",
        help: "what does not exist: a list of {file, line, text, keyword, kind, name, what, why, near}; kind is file, directory, program, user, group, pam or nss; what is a whole sentence, why its part behind the line; near is the name that was probably meant, or empty",
    }],
    reads: "file:/etc/**, package:*",
    writes: "",
    open: false,
};

/// A line, and what is there in place of what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingReference {
    /// The line.
    pub reference: Reference,
    /// What is there.
    pub absence: Absence,
}

impl MissingReference {
    /// "/etc/ssh/revoked_keys does not exist", with what there is instead.
    pub fn reason(&self) -> String {
        self.absence.describe(self.reference.kind, &self.reference.name)
    }
    /// The line, and the reason: a whole sentence.
    pub fn describe(&self) -> String {
        format!("{}, and {}", self.reference.place(), self.reason())
    }
    fn value(&self) -> Value {
        let r = &self.reference;
        json!({
            "file": r.file, "line": r.line, "text": r.text, "keyword": r.keyword, "kind": r.kind.word(), "name": r.name,
            "what": self.describe(), "why": self.reason(), "near": self.absence.neighbour(&r.name).unwrap_or_default(),
        })
    }
}

/// Those lines whose thing does not exist, in their order. What cannot be told is not among them.
///
/// # Errors
/// It was not read yet, or cannot be read.
pub fn missing_references(view: &View<'_>, references: &[Reference]) -> Result<Vec<MissingReference>, Halt> {
    let mut names: Vec<(NamedKind, &str)> = references.iter().map(|r| (r.kind, r.name.as_str())).collect();
    names.sort_unstable();
    names.dedup();
    let found = view.existence(&names)?;
    let absence = |r: &Reference| found.absence(r.kind, &r.name).cloned();
    let missing =
        references.iter().filter_map(|r| Some(MissingReference { reference: r.clone(), absence: absence(r)? }));
    Ok(missing.collect())
}

/// The lines of PAM that a service comes to, and those of its files that were read.
///
/// # Errors
/// They were not read yet, or cannot be read.
pub fn pam_service_lines(view: &View<'_>, service: &str) -> Result<Vec<crate::edit::references::PamLine>, Halt> {
    Ok(pam_lines(service, &view.pam_lines(service)?))
}

impl Module for References {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }
    fn decide(&self, p: &Params, view: &View<'_>) -> Result<Decision, Halt> {
        let of = p.text("of");
        let text = |path: &str| -> Result<Vec<u8>, Halt> {
            let found = view.file(path, Look::Follow)?;
            match found.state.kind {
                Kind::Absent => Err(Halt::Skipped(format!("{path} does not exist"))),
                _ => Ok(found.state.bytes().unwrap_or_default().to_vec()),
            }
        };
        let references = match of {
            "sshd" => {
                let files = view.lines(super::sshd::MAIN, SSHD, ".", &[])?;
                sshd_references(&Tree::new(super::sshd::MAIN, files))
            }
            "pam" => pam_references(&pam_service_lines(view, p.str("service").unwrap_or("sshd"))?),
            "unit" => {
                let Some(path) = p.str("path") else {
                    return Err(Halt::error("path", "of a unit the path of its file is needed"));
                };
                unit_references(path, &text(path)?)
            }
            "nsswitch" => nsswitch_references("/etc/nsswitch.conf", &text("/etc/nsswitch.conf")?),
            _ => {
                let files = view.lines_of(&["/etc/sudoers", "/etc/sudoers.d/*"])?;
                files.iter().flat_map(|(name, text)| sudoers_references(name, text)).collect()
            }
        };
        let missing = missing_references(view, &references)?;
        let evidence = match missing.as_slice() {
            [] => format!("everything that its {} lines name exists", references.len()),
            [one] => one.describe(),
            [one, more @ ..] => format!("{} (and {} more)", one.describe(), more.len()),
        };
        let values: Vec<Value> = missing.iter().map(MissingReference::value).collect();
        Ok(Decision::new(missing.is_empty(), evidence).with("missing", values))
    }
}
