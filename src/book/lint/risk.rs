//! Commands that may cut the connection, and that nothing can roll back.

use super::Linter;
use crate::book::{Call, Diagnostic, Step, Where};
use crate::target::connectivity::shell_effects;

impl Linter<'_> {
    /// The guard arms itself for these commands; what it can roll back of them is only what their `undo` says.
    pub(super) fn risk(&mut self, c: &Call, s: &Step) {
        let has = |param: &str| c.params.contains_key(param);
        if s.risk || c.name != "command" || has("writes") || s.vantage == Where::Controller {
            return;
        }
        let text = ["run", "sh"].iter().find_map(|k| c.params.get(*k)?.as_str());
        let Some(effects) = text.map(shell_effects) else { return };
        let Some((word, _)) = effects.effects.first() else { return };
        let message = format!("this command may cut the connection ({word}), and its step does not say so");
        let hint = if has("undo") {
            "the guard is armed for it all the same; add risk: connectivity to the step, so that readers know"
        } else {
            "the guard is armed for it all the same, but rolls back only what it knows; add undo: with the command that reverses it, and risk: connectivity to the step"
        };
        self.warnings.push(Diagnostic::at(c.place.clone(), "connectivity-risk", message).hint(hint));
    }
}
