//! Secrets that everybody on a machine can read in ps(1): the arguments of a program.

use serde_json::Value;

use super::Linter;
use crate::book::{Call, Diagnostic};
use crate::expr;

/// What sh does by itself, so that no process has its arguments (POSIX.1-2024, XCU 2.15 and 1.7; `printf`, `echo`, `test` and `[`
/// in every sh that runbook runs in).
const BUILTINS: &[&str] = &[
    "printf", "echo", "test", "[", ":", "export", "readonly", "local", "set", "read", "case", "eval", "unset",
    "return", "cd",
];
/// What may stand before a command's name.
const BEFORE: &[&str] = &["if", "then", "else", "elif", "while", "until", "do", "!", "{", "command", "builtin"];

/// Stands for a secret among the words of a command.
const SECRET: &str = "\u{1}";

impl Linter<'_> {
    /// `secret-in-ps`: a secret in `argv:` is an argument of a process, always; in a command it is a warning, where it is
    /// plainly an argument of a program.
    pub(super) fn shown_in_ps(&mut self, c: &Call) {
        if c.name != "command" || self.secrets.is_empty() {
            return;
        }
        for (param, value) in &c.params {
            let texts = match value {
                Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
                Value::String(text) => vec![text.as_str()],
                _ => Vec::new(),
            };
            for (n, text) in texts.into_iter().enumerate() {
                let Some(name) = self.secret_in(text) else { continue };
                let message = format!("everybody on that machine can read \"{name}\" in ps while this runs");
                let hint = format!("give it on standard input: run: \"printf %s '{{{{ {name} }}}}' | PROGRAM\"");
                let item = if value.is_array() { Some(n.to_string()) } else { None };
                let route: Vec<String> = std::iter::once(param.clone()).chain(item).collect();
                let found = Diagnostic::at(c.place_of(&route), "secret-in-ps", message).hint(hint);
                match param.as_str() {
                    "argv" => self.errors.push(found),
                    "run" | "sh" | "undo" | "unless" if self.is_argument(text) => self.warnings.push(found),
                    _ => {}
                }
            }
        }
    }

    /// A secret that a template speaks of.
    fn secret_in(&self, text: &str) -> Option<String> {
        expr::template_names(text).ok()?.into_iter().find(|name| self.secrets.contains(name))
    }

    /// Whether a secret stands in the arguments of a command that is no builtin. A here-document is input.
    fn is_argument(&self, sh: &str) -> bool {
        if sh.contains("<<") {
            return false;
        }
        // A template has blanks and marks of sh in it.
        let mut parts = sh.split("{{");
        let mut flat = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (inside, rest) = part.split_once("}}").unwrap_or((part, ""));
            let secret = self.secret_in(&format!("{{{{{inside}}}}}")).is_some();
            flat += if secret { SECRET } else { "x" };
            flat += rest;
        }
        let sh = flat.replace("&&", "\n").replace("$(", "\n").replace("||", "\n").replace([';', '|', '(', '`'], "\n");
        sh.lines().filter(|command| command.contains(SECRET)).any(|command| {
            let words = command.split_whitespace().filter(|w| !BEFORE.contains(w));
            let mut words = words.skip_while(|w| w.split_once('=').is_some_and(|(name, _)| is_name(name)));
            let program = words.next();
            words.any(|w| w.contains(SECRET))
                && program.is_some_and(|program| {
                    !BUILTINS.contains(&program)
                        && program.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./+".contains(&b))
                })
        })
    }
}

fn is_name(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use crate::book::load_text;

    fn lint(call: &str) -> (Vec<&'static str>, Vec<&'static str>) {
        let text = format!(
            "name: x\ntitle: t\nvars:\n  pw: {{type: secret, from: prompt}}\nsteps:\n  - {{name: s, check: {{command: {call}}}}}\n"
        );
        let rules = |d: &[crate::book::Diagnostic]| d.iter().map(|d| d.rule).collect();
        match load_text("x.yaml", &text) {
            Ok(b) => (Vec::new(), rules(&b.warnings)),
            Err(e) => (rules(&e), Vec::new()),
        }
    }

    #[test]
    fn a_secret_that_ps_shows_is_refused_or_told() {
        for argv in ["[mysql, '-p{{ pw }}']", "['{{ pw }}']", "[a, b, '{{ pw | trim }}']"] {
            assert_eq!(lint(&format!("{{argv: {argv}}}")).0, ["secret-in-ps"], "{argv}");
        }
        for run in ["mysql -p'{{ pw }}' -e x", "cd /; X=1 curl -u a:{{ pw }} h", "if curl {{ pw }}; then :; fi"] {
            assert_eq!(lint(&format!("{{run: \"{run}\"}}")), (vec![], vec!["secret-in-ps"]), "{run}");
        }
        for run in
            ["printf %s '{{ pw }}' | mysql", "PW='{{ pw }}' mysql", "X='{{ pw }}'; export X", "[ x = '{{ pw }}' ]"]
        {
            assert_eq!(lint(&format!("{{run: \"{run}\"}}")), (vec![], vec![]), "{run}");
        }
    }
}
