//! What earlier steps would change, laid over what was read.

use std::collections::BTreeMap;

use crate::plan::{Change, Resource};
use crate::target::Candidates;
use crate::target::files::{Content, FileReading, Kind};
use crate::target::units::Verb;

/// What earlier steps of the plan would change.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    pub(super) files: Candidates,
    pub(super) units: BTreeMap<String, Vec<Verb>>,
    touched: Vec<Touched>,
}

/// What a step touches.
#[derive(Debug, Clone)]
struct Touched {
    what: Resource,
    step: usize,
    /// What it will be like is known: a file among the candidates. What a command writes is known when it has run.
    known: bool,
}

impl Overlay {
    /// Records a planned change of a step.
    pub fn add(&mut self, change: &Change, step: usize) {
        match change {
            Change::File(f) => {
                let mut after = f.after.clone();
                after.mode = after.mode.or(f.before.mode);
                after.owner = after.owner.or_else(|| f.before.owner.clone());
                self.files.insert(f.real.clone(), after);
            }
            Change::Unit(u) => self.units.entry(u.unit.clone()).or_default().push(u.verb),
            Change::Command(_) => {}
        }
        let known = matches!(change, Change::File(_));
        self.touched.extend(change.writes().into_iter().map(|what| Touched { what, step, known }));
    }
    /// Records that a step will touch something whose new state is not known (a handler that was notified).
    pub fn touch(&mut self, r: Resource, step: usize) {
        let known = r.is_file();
        self.touched.push(Touched { what: r, step, known });
    }
    /// The files as they would be.
    #[must_use]
    pub fn files(&self) -> &Candidates {
        &self.files
    }
    /// What was read, as it would be.
    pub(super) fn lay_over(&self, r: &mut FileReading) {
        let Some(after) = self.files.get(&r.real) else { return };
        let there = std::mem::replace(&mut r.state, after.clone()).kind;
        // A change of mode or owner knows no bytes: those that are there stay.
        if matches!((&r.state.kind, &there), (Kind::File(Content::Digest(_)), Kind::File(_))) {
            r.state.kind = there;
        }
    }
    fn last(&self, reads: &[Resource], of: impl Fn(&Touched) -> bool) -> Option<usize> {
        self.touched.iter().rev().find(|t| of(t) && reads.iter().any(|x| x.meets(&t.what))).map(|t| t.step)
    }
    /// The last step that touches one of these otherwise than by files that are candidates.
    pub(super) fn beyond_files(&self, reads: &[Resource]) -> Option<usize> {
        self.last(reads, |t| !t.known)
    }
    /// The last step that has candidates for one of these.
    pub(super) fn in_files(&self, reads: &[Resource]) -> Option<usize> {
        self.last(reads, |t| t.known)
    }
    /// The last step whose command writes one of these files.
    pub(super) fn by_command(&self, reads: &[Resource]) -> Option<usize> {
        self.last(reads, |t| !t.known && t.what.is_file())
    }
    /// The last step that may touch anything.
    pub(super) fn everything(&self) -> Option<usize> {
        self.last(&[Resource::All], |t| t.what == Resource::All)
    }
}
