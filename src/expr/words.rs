//! The words of expressions and templates with their places, which the engine does not tell: names, filters, tests
//! and functions. What the engine refuses is read
//! somehow.

use std::ops::Range;

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A variable: `port`, `check.errors`.
    Name,
    /// `| length`.
    Filter,
    /// `is defined`.
    Test,
    /// `range(3)`.
    Function,
    /// `text.split(",")`: the last part of a name, called.
    Method,
}

/// One word and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// What it is.
    pub kind: Kind,
    /// The word; a name with its fields, also those written `['field']`.
    pub path: Vec<String>,
    /// Bytes of the text.
    pub range: Range<usize>,
    /// `is defined`, `is undefined` or `default` follows: it may have no value.
    pub may_be_undefined: bool,
}

impl Word {
    /// Whether a block of a template can define it.
    #[must_use]
    pub fn can_be_bound(&self) -> bool {
        matches!(self.kind, Kind::Name | Kind::Function)
    }

    /// `check.errors`.
    #[must_use]
    pub fn dotted(&self) -> String {
        self.path.join(".")
    }
}

/// What is in a text.
#[derive(Debug, Default)]
pub struct Found {
    /// Its words, in order.
    pub words: Vec<Word>,
    /// How many words and operators there are: so deep may the engine recurse.
    pub weight: usize,
}

/// The words of a bare expression.
#[must_use]
pub fn of_expression(text: &str) -> Found {
    let mut out = Found::default();
    Scan { text, at: 0, out: &mut out }.code("");
    out
}

/// The words of all `{{ … }}` and `{% … %}` of a template.
#[must_use]
pub fn of_template(text: &str) -> Found {
    let mut out = Found::default();
    let mut at = 0;
    while let Some(open) = text[at..].find('{').map(|n| at + n) {
        let end = match text[open..].get(..2) {
            Some("{{") => Scan { text, at: open + 2, out: &mut out }.code("}}"),
            Some("{%") if is_raw(&text[open + 2..]) => text[open..].find("endraw").map_or(text.len(), |n| open + n),
            Some("{%") => Scan { text, at: open + 2, out: &mut out }.code("%}"),
            Some("{#") => text[open..].find("#}").map_or(text.len(), |n| open + n),
            _ => open + 1,
        };
        at = end;
    }
    out
}

fn is_raw(block: &str) -> bool {
    block.trim_start_matches('-').trim_start().starts_with("raw")
}

const KEYWORDS: &[&str] =
    &["and", "or", "not", "in", "is", "if", "else", "true", "True", "false", "False", "none", "None", "recursive"];

struct Scan<'a> {
    text: &'a str,
    at: usize,
    out: &'a mut Found,
}

impl Scan<'_> {
    /// Reads up to `close` (the end if it is empty), and returns where that ends.
    fn code(mut self, close: &str) -> usize {
        // The first word of a block says what it is: `if`, `for`, `set`.
        let mut statement = close == "%}";
        let (mut depth, mut before) = (0_usize, ' ');
        let mut word_before = String::new();
        while let Some(c) = self.rest().chars().next() {
            if depth == 0 && !close.is_empty() && self.rest().starts_with(close) {
                return self.at + close.len();
            }
            if c.is_whitespace() || (statement && c == '-') {
                self.at += c.len_utf8();
                continue;
            }
            if c == '"' || c == '\'' {
                self.string(c);
                before = c;
            } else if c.is_ascii_digit() {
                self.ident();
                before = '0';
            } else if c.is_alphabetic() || c == '_' {
                let word = self.ident();
                self.out.weight += 1;
                if !statement {
                    self.word(&word, before, &word_before);
                }
                statement = false;
                before = 'a';
                word_before = word;
                continue;
            } else {
                match c {
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                self.out.weight += usize::from(!matches!(c, ')' | ']' | '}' | ',' | ':'));
                self.at += c.len_utf8();
                before = c;
            }
            word_before.clear();
        }
        self.text.len()
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn ident(&mut self) -> String {
        let rest = self.rest();
        let len = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let word = rest[..len].to_owned();
        self.at += len;
        word
    }

    /// Moves behind a string; its content where that needs no unescaping.
    fn string(&mut self, quote: char) -> Option<String> {
        let start = self.at + 1;
        let mut escaped = false;
        for (n, c) in self.text[start..].char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if c == quote => {
                    self.at = start + n + 1;
                    return Some(self.text[start..start + n].to_owned()).filter(|s| !s.contains('\\'));
                }
                _ => {}
            }
        }
        self.at = self.text.len();
        None
    }

    /// Notes a word that was just read; `before` is the token in front of it, `word_before` if that is a word.
    fn word(&mut self, word: &str, before: char, word_before: &str) {
        let start = self.at - word.len();
        let is_test = word_before == "is" || (word_before == "not" && self.out_is_not(start));
        let kind = match before {
            '|' => Kind::Filter,
            _ if is_test && word != "not" => Kind::Test,
            // A field of something that is no plain name: `(a or b).c`.
            '.' => return,
            _ if KEYWORDS.contains(&word) => return,
            _ if self.next_is('(') => Kind::Function,
            // A keyword argument.
            _ if self.next_is('=') && !self.rest().trim_start().starts_with("==") => return,
            _ => Kind::Name,
        };
        let mut found = Word { kind, path: vec![word.to_owned()], range: start..self.at, may_be_undefined: false };
        if kind == Kind::Name {
            self.fields(&mut found);
            found.may_be_undefined = self.may_be_undefined();
        }
        self.out.words.push(found);
    }

    /// Whether the `not` in front of `start` belongs to an `is`.
    fn out_is_not(&self, start: usize) -> bool {
        let head = self.text[..start].trim_end();
        let head = head.strip_suffix("not").map_or(head, str::trim_end);
        head.strip_suffix("is").is_some_and(|h| !h.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
    }

    fn next_is(&self, c: char) -> bool {
        self.rest().trim_start().starts_with(c)
    }

    /// `.field` and `['field']` behind a name; a call behind the last one makes that a method.
    fn fields(&mut self, name: &mut Word) {
        loop {
            self.out.weight += 1;
            let back = self.at;
            let dot = self.rest().starts_with('.');
            let bracket = self.rest().starts_with('[');
            let field = if dot {
                self.at += 1;
                Some(self.ident()).filter(|f| !f.is_empty())
            } else if bracket {
                self.at += 1;
                let quote = self.rest().chars().next().filter(|c| matches!(c, '"' | '\''));
                let key = quote.and_then(|q| self.string(q));
                key.filter(|_| self.rest().starts_with(']'))
            } else {
                None
            };
            let Some(field) = field else {
                self.at = back;
                return;
            };
            if dot && self.next_is('(') {
                let range = self.at - field.len()..self.at;
                self.out.words.push(Word { kind: Kind::Method, path: vec![field], range, may_be_undefined: false });
                return;
            }
            self.at += usize::from(bracket);
            name.path.push(field);
            name.range.end = self.at;
        }
    }

    /// Whether what follows asks for that, or gives a default.
    fn may_be_undefined(&self) -> bool {
        let word = |text: &str, wanted: &[&str]| {
            let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
            wanted.contains(&&text[..end]).then(|| text[end..].trim_start().to_owned())
        };
        let rest = self.rest().trim_start();
        if let Some(filter) = rest.strip_prefix('|') {
            return word(filter.trim_start(), &["default", "d"]).is_some();
        }
        let Some(test) = word(rest, &["is"]) else { return false };
        let test = word(&test, &["not"]).unwrap_or(test);
        word(&test, &["defined", "undefined"]).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(found: &Found) -> String {
        let words = &found.words;
        let mark = |w: &Word| if w.may_be_undefined { "?" } else { "" };
        words.iter().map(|w| format!("{:?} {}{}", w.kind, w.dotted(), mark(w))).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn an_expression_s_words() {
        let of = |text| shown(&of_expression(text));
        assert_eq!(of("check.errors | length > 0"), "Name check.errors, Filter length");
        assert_eq!(
            of("port is defined and port not in check.ports"),
            "Name port?, Test defined, Name port, Name check.ports"
        );
        assert_eq!(of("x is not defnied or y|d(1)"), "Name x, Test defnied, Name y?, Filter d");
        assert_eq!(of("facts['os'] == \"a | b.c\""), "Name facts.os");
        assert_eq!(of("steps.a[0].ok and rnage(3)"), "Name steps.a, Function rnage");
        assert_eq!(of("a.b.split(',') | map(attribute='x')"), "Method split, Name a.b, Filter map");
        assert_eq!(of("not missing and {'a': b}.a == 1.5"), "Name missing, Name b");
        assert_eq!(of("a is not defined and not b"), "Name a?, Test defined, Name b");
        assert_eq!(of("this is none"), "Name this, Test none");
    }

    #[test]
    fn a_template_s_words() {
        let of = |text| shown(&of_template(text));
        assert_eq!(of("a {{ x }} {b} {# {{ no }} #} {{- y -}}"), "Name x, Name y");
        assert_eq!(of("{% for p in ports %}{{ p }}{% endfor %}"), "Name p, Name ports, Name p");
        assert_eq!(of("{%- if not a %}}{% endif %}{{ {'k': {'l': v}} }}"), "Name a, Name v");
        assert_eq!(of("{% raw %}{{ no }}{% endraw %}{{ yes }}"), "Name yes");
        assert_eq!(of("{{ '}}' ~ x | default('\\'') }} {{ z"), "Name x?, Filter default, Name z");
    }
}
