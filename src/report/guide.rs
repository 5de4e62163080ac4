//! A runbook for reading in a terminal: in words, wrapped. What only an expression says in full is on the page
//! ([`super::page`]).

use super::words::wrap;
use crate::book::{Call, Runbook, Step, Var, VarKind, Where};

/// The guide of a runbook that is `called` so on the command line, in lines of at most `width` characters unless a word is longer.
#[must_use]
pub fn human(b: &Runbook, called: &str, width: usize) -> String {
    let mut out = Lines { text: String::new(), width };
    out.para(0, "", &b.title);
    out.para(0, "", &format!("runbook plan {called}"));
    // Its first line is often the title.
    let about = b.about.strip_prefix(b.title.as_str()).unwrap_or(&b.about).trim();
    if !about.is_empty() {
        out.blank();
        out.prose(about);
    }
    if !b.vars.0.is_empty() {
        out.head("Variables (-e NAME=VALUE):");
        b.vars.0.iter().for_each(|v| out.var(v));
    }
    out.head("Steps:");
    for (n, s) in b.steps.iter().enumerate() {
        out.step(b, n + 1, s);
    }
    if !b.see.is_empty() {
        out.blank();
        out.para(0, "See also: ", &b.see.join(", "));
    }
    out.blank();
    out.para(0, "", &format!("In full, with every expression: runbook show {called} -o markdown"));
    out.text
}

struct Lines {
    text: String,
    width: usize,
}

impl Lines {
    fn blank(&mut self) {
        self.text.push('\n');
    }

    fn head(&mut self, text: &str) {
        self.blank();
        self.para(0, "", text);
    }

    /// A text below an indentation, hanging below its first words.
    fn para(&mut self, indent: usize, first: &str, text: &str) {
        let pad = indent + first.chars().count();
        for (n, l) in wrap(text, self.width.saturating_sub(pad)).iter().enumerate() {
            let head = if n == 0 { format!("{}{first}", " ".repeat(indent)) } else { " ".repeat(pad) };
            self.text += format!("{head}{l}").trim_end();
            self.blank();
        }
    }

    /// Paragraphs: lines that stand together are one text; an item of a list, and what is indented, begins a line.
    fn prose(&mut self, about: &str) {
        let mut held: Option<(usize, String, String)> = None;
        for l in about.lines().chain([""]) {
            let indent = l.len() - l.trim_start().len();
            let first = item(l.trim_start());
            let begins = !first.is_empty() || l.trim().is_empty();
            match &mut held {
                Some((at, mark, text)) if !begins && (indent == *at || indent == *at + mark.len()) => {
                    *text += " ";
                    *text += l.trim();
                    continue;
                }
                _ => {}
            }
            if let Some((at, mark, text)) = held.take() {
                self.para(at, &mark, &text);
            }
            match l.trim() {
                "" => self.blank(),
                body => held = Some((indent, first.to_owned(), body[first.len()..].to_owned())),
            }
        }
        // The line that ended the last one.
        self.text.pop();
    }

    fn var(&mut self, v: &Var) {
        let kind = match &v.kind {
            VarKind::Enum(words) => words.join(" or "),
            VarKind::Bool => "true or false".into(),
            VarKind::Ip => "IP address".into(),
            VarKind::Int => "whole number".into(),
            VarKind::String => "text".into(),
            VarKind::Duration => "duration, like 10s".into(),
            VarKind::Port => "port".into(),
            VarKind::Path => "path".into(),
            VarKind::User => "name of a user".into(),
            VarKind::PublicKey => "public key: a .pub file, the line in it, or SHA256:…".into(),
            VarKind::List => "list".into(),
            VarKind::Secret(_) => "secret, never shown".into(),
        };
        let default = match &v.default {
            Some(d) => format!("; {} unless given", d.as_str().map_or_else(|| d.to_string(), str::to_owned)),
            None if v.optional || matches!(v.kind, VarKind::Secret(_)) => String::new(),
            None => "; must be given".into(),
        };
        self.para(2, &format!("{}: ", v.name), &format!("{kind}{default}"));
        if !v.help.is_empty() {
            self.para(6, "", &v.help);
        }
    }

    fn step(&mut self, b: &Runbook, n: usize, s: &Step) {
        self.blank();
        let from = if s.vantage == Where::Controller { " (looked at from here)" } else { "" };
        self.para(0, &format!("{n:>3}. "), &format!("{}{from}", words(&s.name.text)));
        let after: Vec<&str> = s
            .needs
            .iter()
            .filter_map(|id| b.steps.iter().position(|x| x.id.as_ref() == Some(id)))
            .map(|at| b.steps[at].name.text.as_str())
            .collect();
        if let Some(w) = &s.why {
            self.row("why", &words(w));
        }
        if !after.is_empty() {
            self.row("after", &after.join("; "));
        }
        if let Some(t) = s.when.as_ref().and_then(|w| plain(&w.text)) {
            self.row("only if", &t);
        } else if s.when.is_some() {
            self.row("only if", "what was seen before asks for it");
        }
        if s.otherwise {
            self.row("only if", "nothing before it explains what was seen");
        }
        if let Some(c) = &s.check {
            self.row(if s.ensure { "ensures" } else { "looks at" }, &words(&c.shown()));
            self.rest(c);
        }
        let never = s.condition.as_ref().is_some_and(|c| c.text.trim() == "false");
        match (&s.finding, &s.condition) {
            _ if never => self.row("for", "what later steps ask; it is no fault by itself"),
            (Some(f), _) => self.row("fault", &words(&f.text)),
            (None, Some(c)) => {
                if let Some(t) = plain(&c.text) {
                    self.row("fault if", &t);
                }
            }
            (None, None) => {}
        }
        for c in &s.remediation {
            self.row("repairs by", &words(&c.shown()));
            self.rest(c);
        }
        if !s.notify.is_empty() {
            self.row("then", &s.notify.join(", "));
        }
        if let Some(m) = &s.manual {
            self.row("by hand", &words(m.text.text.trim()));
        }
    }

    /// Of a command of several lines every one: who reads this decides whether it may run.
    fn rest(&mut self, c: &Call) {
        let own = ["run", "sh"].iter().filter(|_| c.name == "command").filter_map(|k| c.params.get(*k)?.as_str());
        for text in own.filter(|t| t.trim_end().contains('\n')) {
            for line in text.trim_end().lines() {
                self.text += format!("{:16}| {}\n", "", super::printable(line)).trim_end();
                self.blank();
            }
        }
    }

    fn row(&mut self, label: &str, text: &str) {
        // A text that is made by an expression alone says nothing here.
        if text.chars().any(char::is_alphanumeric) {
            self.para(5, &format!("{label:<10} "), text);
        }
    }
}

/// The mark of a list's item: `- `, `* `, `1. `.
fn item(line: &str) -> &str {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let mark = match line.as_bytes().get(digits) {
        Some(b'.' | b')') if digits > 0 => digits + 1,
        Some(b'-' | b'*') if digits == 0 => 1,
        _ => return "",
    };
    if line[mark..].starts_with(' ') { &line[..=mark] } else { "" }
}

/// A template as words: a value by its name, `<program>`; what is made by more than a name is an ellipsis.
fn words(template: &str) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        out += &rest[..at];
        let (end, value) = if rest[at..].starts_with("{{") { ("}}", true) } else { ("%}", false) };
        let body = &rest[at + 2..];
        let (body, after) = body.split_once(end).unwrap_or((body, ""));
        let name = body.trim().trim_matches('-').trim();
        let simple = name.chars().all(|c| c.is_alphanumeric() || "._".contains(c));
        match (value, simple) {
            (true, true) => out += &format!("<{}>", name.rsplit('.').next().unwrap_or(name)),
            (true, false) => out.push('…'),
            (false, _) => {}
        }
        rest = after;
    }
    out + rest
}

/// An expression that reads as words: names, values, and, or, not.
fn plain(expression: &str) -> Option<String> {
    if expression.contains(['|', '(', '[', '{', '~', '+']) || expression.len() > 80 {
        return None;
    }
    let word = |w: &str| match w {
        "==" => "is".to_owned(),
        "!=" => "is not".to_owned(),
        w => w.strip_prefix("check.").or_else(|| w.strip_prefix("facts.")).unwrap_or(w).replace("\"\"", "empty"),
    };
    Some(expression.split_whitespace().map(word).collect::<Vec<_>>().join(" ").replace("is not none", "is there"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::{SHIPPED, find};

    #[test]
    fn every_shipped_guide_is_in_words_and_fits() {
        for b in SHIPPED.iter().map(|s| find(s.name).unwrap()) {
            for width in [45, 80] {
                // A command's own lines stand as they are.
                let all = human(&b, &b.name, width);
                let text: String = all
                    .lines()
                    .filter(|l| !l.starts_with("                | "))
                    .fold(String::new(), |t, l| t + l + "\n");
                let wide = |l: &&str| {
                    let l = l.trim_start();
                    l.chars().count() > width && l.contains(' ')
                };
                // One long word may stand behind a label.
                let wide: Vec<&str> = text.lines().filter(wide).filter(|l| l.split_whitespace().count() > 3).collect();
                assert!(wide.is_empty(), "{}: {wide:?}", b.name);
                for technical in ["{{", "{%", "fault if   false", "selectattr"] {
                    assert!(!text.contains(technical), "{}: {technical:?}\n{text}", b.name);
                }
                let title = |l: &&str| l.trim() == b.title;
                assert!(text.lines().filter(title).count() <= 1, "{}: the title twice", b.name);
            }
        }
    }

    #[test]
    fn templates_and_expressions_as_words() {
        assert_eq!(words("file path={{ check.program }} mode={{ a | b }}"), "file path=<program> mode=…");
        assert_eq!(words("{% if x %}mend it: {{ e }}{% endif %}"), "mend it: <e>");
        assert_eq!(plain("facts.init != \"\" and not check.ok").as_deref(), Some("init is not empty and not ok"));
        assert_eq!(plain("a | length > 0"), None);
    }

    #[test]
    fn prose_is_wrapped_and_its_lists_stay() {
        let mut l = Lines { text: String::new(), width: 20 };
        l.prose("one two three four five\nsix\n\n1. an item that is long\n   and goes on\n2. another\n\n    code line");
        let want =
            "one two three four\nfive six\n\n1. an item that is\n   long and goes on\n2. another\n\n    code line\n";
        assert_eq!(l.text, want);
    }
}
