//! A rough reading of sh: its simple commands with their words, and its here-documents. It errs towards seeing a command where
//! none is; and where a quote or a parenthesis does not close, it says so, as then some of the script may be hidden.

/// One simple command (POSIX 2.9.1), without what is quoted being told from what is not.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SimpleCommand {
    /// Its words, quotes removed; assignments before it too.
    pub words: Vec<String>,
    /// Files that its output is redirected to.
    pub written: Vec<String>,
}

/// A here-document (POSIX 2.7.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HereDocument {
    /// The first word of the command that reads it, as far as it stands before it.
    pub reader: String,
    pub text: String,
}

/// What a script consists of.
#[derive(Debug, Default)]
pub struct Script {
    /// Its simple commands, those of its substitutions too.
    pub commands: Vec<SimpleCommand>,
    pub documents: Vec<HereDocument>,
    /// One of the commands is put into the background.
    pub background: bool,
    /// What keeps it from being read for certain.
    pub unclear: Option<&'static str>,
}

/// Reads a script.
#[must_use]
pub fn read_script(sh: &str) -> Script {
    let mut reader = Reader { chars: sh.chars().collect(), ..Reader::default() };
    reader.list(None);
    if !reader.pending.is_empty() {
        reader.unclear("a here-document in it does not end");
    }
    reader.script
}

/// Nested deeper than this, nobody wrote it to be read.
const DEPTH: usize = 40;

#[derive(Default)]
struct Reader {
    chars: Vec<char>,
    at: usize,
    depth: usize,
    script: Script,
    current: SimpleCommand,
    word: Option<String>,
    /// The word that is being read is the target of a redirection: of output, or of input.
    redirects: Option<bool>,
    /// Here-documents whose text begins on the next line.
    pending: Vec<Pending>,
}

struct Pending {
    reader: String,
    delimiter: String,
    quoted: bool,
    tabs: bool,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn next_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        self.peek().filter(|c| wanted(*c)).and_then(|_| self.next())
    }

    fn follows(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(n, c)| self.chars.get(self.at + n) == Some(&c))
    }

    fn unclear(&mut self, why: &'static str) {
        self.script.unclear.get_or_insert(why);
    }

    /// Commands up to the end of the text, or to the parenthesis that closes a substitution.
    fn list(&mut self, end: Option<char>) {
        // What is open: a parenthesis, or `case`, in which one that closes ends a pattern.
        let mut open: Vec<char> = Vec::new();
        loop {
            let Some(c) = self.next() else {
                self.keyword(&mut open);
                if end.is_some() || !open.is_empty() {
                    self.unclear("a parenthesis in it does not close");
                }
                break;
            };
            match c {
                '\\' => match self.next() {
                    Some('\n') | None => {}
                    Some(next) => self.push(next),
                },
                '\'' => self.single_quoted(),
                '"' => {
                    let text = self.double_quoted(Some('"'));
                    self.word.get_or_insert_default().push_str(&text);
                }
                '#' if self.word.is_none() => while self.next_if(|c| c != '\n').is_some() {},
                '$' => self.dollar(),
                '`' => self.backticks(),
                '(' if self.peek() == Some('(') && self.arithmetic() => {}
                '(' => {
                    self.end_command();
                    open.push('(');
                }
                ')' => {
                    self.keyword(&mut open);
                    self.end_command();
                    match open.last() {
                        Some('(') => drop(open.pop()),
                        Some(_) => {}
                        None if end == Some(')') => return,
                        None => self.unclear("a parenthesis in it closes that is not open"),
                    }
                }
                '\n' | ';' | '|' => {
                    self.keyword(&mut open);
                    self.end_command();
                    match c {
                        // `;;`, and bash's `;&`; and its `|&`.
                        ';' => while self.next_if(|c| matches!(c, ';' | '&')).is_some() {},
                        '|' => drop(self.next_if(|c| c == '&')),
                        _ => self.here_documents(),
                    }
                }
                '&' => {
                    self.keyword(&mut open);
                    match self.peek() {
                        Some('&') => {
                            self.next();
                            self.end_command();
                        }
                        Some('>') => self.end_word(),
                        _ => {
                            self.script.background = true;
                            self.end_command();
                        }
                    }
                }
                '<' | '>' => self.redirection(c),
                c if c.is_whitespace() => {
                    self.keyword(&mut open);
                    self.end_word();
                }
                c => self.push(c),
            }
        }
        self.end_command();
    }

    /// Takes note of `case` and `esac`, where one is the word that just ended.
    fn keyword(&self, open: &mut Vec<char>) {
        const BEFORE: &[&str] = &["if", "then", "elif", "else", "do", "while", "until", "!", "{", "time"];
        let Some(word) = &self.word else { return };
        let begins = self.current.words.iter().all(|w| BEFORE.contains(&w.as_str()));
        let empty =
            self.current.words.iter().any(|w| w == "case") && self.current.words.last().is_some_and(|w| w == "in");
        match word.as_str() {
            "case" if begins => open.push('c'),
            "esac" if (begins || empty) && open.last() == Some(&'c') => drop(open.pop()),
            _ => {}
        }
    }

    fn single_quoted(&mut self) {
        self.word.get_or_insert_default();
        loop {
            match self.next() {
                Some('\'') => return,
                Some(c) => self.push(c),
                None => return self.unclear("a quote in it does not close"),
            }
        }
    }

    /// Up to `"`, or all the rest; gives the text as it is written, without its backslashes.
    fn double_quoted(&mut self, end: Option<char>) -> String {
        let mut text = String::new();
        loop {
            let from = self.at;
            match self.next() {
                c if c == end => return text,
                None => {
                    self.unclear("a quote in it does not close");
                    return text;
                }
                Some('\\') => text.extend(self.next()),
                Some('$') if self.peek().is_some_and(|c| matches!(c, '(' | '{')) => {
                    self.aside(|r| r.dollar());
                    text.extend(&self.chars[from..self.at]);
                }
                Some('`') => {
                    self.aside(|r| r.backticks());
                    text.extend(&self.chars[from..self.at]);
                }
                Some(c) => text.push(c),
            }
        }
    }

    /// Reads what is nested in a word, and goes on with the word.
    fn aside(&mut self, read: impl FnOnce(&mut Self)) {
        let kept = (std::mem::take(&mut self.current), self.word.take(), self.redirects.take());
        self.depth += 1;
        if self.depth > DEPTH {
            self.unclear("it is nested too deep");
            self.at = self.chars.len();
        } else {
            read(self);
        }
        self.depth -= 1;
        (self.current, self.word, self.redirects) = kept;
    }

    /// `$( )`, `$(( ))`, `${ }`, or a name, which is left as it is. What is substituted is run; what it prints is not known.
    fn dollar(&mut self) {
        let from = self.at;
        match self.peek() {
            Some('(') => {
                self.next();
                if self.peek() == Some('(') && self.arithmetic() {
                    return self.word.get_or_insert_default().push_str("$()");
                }
                self.aside(|r| r.list(Some(')')));
                let temporary = self.chars[from + 1..].iter().collect::<String>().trim_start().starts_with("mktemp");
                self.word.get_or_insert_default().push_str(if temporary { "$(mktemp)" } else { "$()" });
            }
            Some('{') => {
                self.next();
                self.aside(|r| r.braces());
                let text: String = self.chars[from..self.at].iter().collect();
                self.word.get_or_insert_default().push_str(&format!("${text}"));
            }
            _ => self.push('$'),
        }
    }

    fn braces(&mut self) {
        loop {
            match self.next() {
                Some('}') => return,
                None => return self.unclear("a brace in it does not close"),
                Some('\\') => drop(self.next()),
                // Within double quotes it is none, and nothing may follow that would close it.
                Some('\'') => {
                    let rest = &self.chars[self.at..];
                    let brace = rest.iter().position(|c| *c == '}');
                    let quote = rest.iter().position(|c| *c == '\'');
                    if quote.is_some_and(|q| brace.is_none_or(|b| q < b) || rest.get(q + 1) == Some(&'}')) {
                        self.single_quoted();
                    }
                }
                Some('"') => drop(self.double_quoted(Some('"'))),
                Some('`') => self.aside(|r| r.backticks()),
                Some('$') => self.aside(|r| r.dollar()),
                Some(_) => {}
            }
        }
    }

    fn backticks(&mut self) {
        let mut inner = String::new();
        loop {
            match self.next() {
                Some('`') => break,
                None => {
                    self.unclear("a quote in it does not close");
                    break;
                }
                Some('\\') => match self.next() {
                    Some(c) if matches!(c, '`' | '\\' | '$') => inner.push(c),
                    other => {
                        inner.push('\\');
                        inner.extend(other);
                    }
                },
                Some(c) => inner.push(c),
            }
        }
        if self.depth < DEPTH {
            let nested = Self { chars: inner.chars().collect(), depth: self.depth + 1, ..Self::default() };
            self.nested(nested, |r| r.list(None));
        } else {
            self.unclear("it is nested too deep");
        }
        self.word.get_or_insert_default().push_str("$()");
    }

    fn nested(&mut self, mut reader: Self, read: impl FnOnce(&mut Self)) {
        read(&mut reader);
        if !reader.pending.is_empty() {
            reader.unclear("a here-document in it does not end");
        }
        self.script.commands.append(&mut reader.script.commands);
        self.script.documents.append(&mut reader.script.documents);
        self.script.background |= reader.script.background;
        if let Some(why) = reader.script.unclear {
            self.unclear(why);
        }
    }

    /// At the second parenthesis of `((`: whether it is arithmetic, whose end is `))`; then it is behind it.
    fn arithmetic(&mut self) -> bool {
        let (mut depth, mut at) = (0_usize, self.at);
        loop {
            match self.chars.get(at) {
                Some('(') => depth += 1,
                Some(')') if depth > 1 => depth -= 1,
                Some(')') => break,
                None | Some('\n' | ';' | '\'' | '`' | '#') if !self.is_for() => return false,
                None => return false,
                Some(_) => {}
            }
            at += 1;
        }
        if self.chars.get(at + 1) != Some(&')') {
            return false;
        }
        let inner: Vec<char> = self.chars[self.at + 1..at].to_vec();
        if inner.windows(2).any(|w| w == ['$', '(']) {
            let nested = Self { chars: inner, depth: self.depth + 1, ..Self::default() };
            if self.depth >= DEPTH {
                return false;
            }
            self.nested(nested, |r| drop(r.double_quoted(None)));
        }
        self.at = at + 2;
        true
    }

    fn is_for(&self) -> bool {
        self.current.words.first().is_some_and(|w| w == "for")
    }

    fn redirection(&mut self, c: char) {
        // A file descriptor's number before it is no word of the command.
        if self.word.as_ref().is_some_and(|w| w.chars().all(|c| c.is_ascii_digit())) {
            self.word = None;
        }
        self.end_word();
        if self.peek() == Some('(') {
            // bash's `<(list)`.
            self.next();
            self.aside(|r| r.list(Some(')')));
            return self.word.get_or_insert_default().push_str("$()");
        }
        if c == '<' && self.follows("<") && !self.follows("<<") {
            self.next();
            return self.here_document();
        }
        self.redirects = Some(c == '>');
        while let Some(next) = self.next_if(|c| matches!(c, '<' | '>' | '|' | '&' | '-')) {
            match next {
                // Of a descriptor: `2>&1`.
                '&' => self.redirects = Some(false),
                '>' if c == '<' => self.redirects = Some(true),
                _ => {}
            }
        }
    }

    /// Behind `<<`: notes its delimiter.
    fn here_document(&mut self) {
        let tabs = self.next_if(|c| c == '-').is_some();
        while self.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        let (mut delimiter, mut quoted) = (String::new(), false);
        while let Some(c) = self.next_if(|c| !c.is_whitespace() && !";|&<>()".contains(c)) {
            match c {
                '\'' | '"' => {
                    quoted = true;
                    while let Some(inner) = self.next_if(|inner| inner != c) {
                        delimiter.push(inner);
                    }
                    if self.next().is_none() {
                        self.unclear("a quote in it does not close");
                    }
                }
                '\\' => {
                    quoted = true;
                    delimiter.extend(self.next());
                }
                c => delimiter.push(c),
            }
        }
        let reader = self.current.words.first().cloned().unwrap_or_default();
        self.pending.push(Pending { reader, delimiter, quoted, tabs });
    }

    /// At the begin of a line: takes the text of those that were announced on the one before.
    fn here_documents(&mut self) {
        for Pending { reader, delimiter, quoted, tabs } in std::mem::take(&mut self.pending) {
            let mut text = String::new();
            let ended = loop {
                if self.peek().is_none() {
                    break false;
                }
                let mut line = String::new();
                while let Some(c) = self.next_if(|c| c != '\n') {
                    line.push(c);
                }
                self.next();
                let line = if tabs { line.trim_start_matches('\t') } else { &line };
                if line == delimiter {
                    break true;
                }
                text.push_str(line);
                text.push('\n');
            };
            if !ended {
                self.unclear("a here-document in it does not end");
            }
            if !quoted && self.depth < DEPTH {
                let nested = Self { chars: text.chars().collect(), depth: self.depth + 1, ..Self::default() };
                self.nested(nested, |r| drop(r.double_quoted(None)));
            }
            self.script.documents.push(HereDocument { reader, text });
        }
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        match self.redirects.take() {
            Some(true) => self.current.written.push(word),
            Some(false) => {}
            None => self.current.words.push(word),
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        self.redirects = None;
        let command = std::mem::take(&mut self.current);
        if command != SimpleCommand::default() {
            self.script.commands.push(command);
        }
    }
}

#[cfg(test)]
mod tests;
