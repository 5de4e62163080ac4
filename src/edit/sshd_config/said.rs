//! What a repair means, in a person's words.

use super::keywords::{self, Kind};
use super::repair::Form;
use super::{Block, Directive, Tree};
use std::sync::Arc;

/// The line that a fault is about.
pub struct Place {
    pub file: String,
    pub line: usize,
    pub scope: Option<Arc<Block>>,
}

/// What was done to a line, for the sentence about it.
pub struct Done {
    pub place: Place,
    pub what: String,
    pub about: Option<&'static str>,
    pub form: Form,
    pub corrected: bool,
}

impl Tree {
    /// `line 12 of FILE: … corrected` or `… commented out; the default then holds: LoginGraceTime 120`.
    pub(super) fn sentence(&self, done: &Done, after: &Tree) -> String {
        let Done { place, what, about, form, corrected } = done;
        let mut text = format!("line {} of {}: {what}", place.line, place.file);
        let Some(keyword) = about.and_then(keywords::find) else { return text };
        if matches!(form, Form::Header | Form::Opaque) || *corrected && *form != Form::Misplaced {
            return text;
        }
        if let Some(then) = after.holds(keyword, place, *form) {
            text += "; ";
            text += &then;
        }
        text
    }

    /// What holds for a keyword once a line of it is gone or elsewhere.
    fn holds(&self, keyword: &keywords::Keyword, place: &Place, form: Form) -> Option<String> {
        let name = keyword.name;
        let show = |line: &Directive| format!("{name} {} (line {} of {})", line.args.join(" "), line.line, line.file);
        let values = self.values(name);
        if form == Form::Misplaced {
            let all = self.lines_of(keyword);
            let first = values.first().filter(|_| keyword.kind == Kind::First && all.len() > 1)?;
            return Some(format!("of {} lines the first one decides: {}", all.len(), show(first)));
        }
        let mut then = match (values.first(), keyword.kind) {
            (_, Kind::Include | Kind::Match | Kind::Dead) => return None,
            (None, _) => format!("the default then holds: {name} {}", keyword.default),
            (Some(_), Kind::Appends | Kind::PerName) => {
                let all: Vec<String> = values.iter().map(|line| show(line)).collect();
                format!("its other lines go on holding: {}", all.join(", "))
            }
            (Some(line), _) => format!("what then decides is {}", show(line)),
        };
        if let Some(block) = place.scope.as_ref().filter(|block| !block.everyone) {
            let key = keyword.key();
            let same = self.directives.iter().find(|line| {
                line.key == key
                    && line
                        .scope
                        .as_ref()
                        .is_some_and(|other| (&other.file, &other.criteria) == (&block.file, &block.criteria))
            });
            then = match same {
                Some(line) => format!("for `Match {}` what then decides is {}", block.criteria, show(line)),
                None => format!("for `Match {}`, {then}", block.criteria),
            };
        }
        Some(then)
    }
}
