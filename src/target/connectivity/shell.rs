//! A rough reading of sh: its simple commands with their words. It errs towards seeing a command where none is: what is in a
//! here-document or behind a variable's expansion is read as if it were run.

/// One simple command (POSIX 2.9.1), without what is quoted being told from what is not.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SimpleCommand {
    /// Its words, quotes removed; assignments before it too.
    pub words: Vec<String>,
    /// Files that its output is redirected to.
    pub written: Vec<String>,
}

/// The simple commands of a script, those of its substitutions too; and whether one is put into the background.
#[must_use]
pub fn split_commands(sh: &str) -> (Vec<SimpleCommand>, bool) {
    let mut reader = Reader::default();
    reader.read(sh);
    (reader.commands, reader.background)
}

#[derive(Default)]
struct Reader {
    commands: Vec<SimpleCommand>,
    current: SimpleCommand,
    word: Option<String>,
    /// The word that is being read is the target of a redirection: of output, or of input.
    redirects: Option<bool>,
    background: bool,
}

impl Reader {
    fn read(&mut self, sh: &str) {
        let mut chars = sh.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some('\n') | None => {}
                    Some(next) => self.push(next),
                },
                '\'' => {
                    self.word.get_or_insert_default();
                    chars.by_ref().take_while(|c| *c != '\'').for_each(|c| self.push(c));
                }
                '"' => self.double_quoted(&mut chars),
                '#' if self.word.is_none() => while chars.next_if(|c| *c != '\n').is_some() {},
                '$' if chars.peek() == Some(&'(') => {
                    chars.next();
                    let mut depth = 1;
                    let inner: String = chars
                        .by_ref()
                        .take_while(|c| {
                            depth += i32::from(*c == '(') - i32::from(*c == ')');
                            depth > 0
                        })
                        .collect();
                    self.substituted(&inner);
                }
                '`' => {
                    let inner: String = chars.by_ref().take_while(|c| *c != '`').collect();
                    self.substituted(&inner);
                }
                '\n' | ';' | '|' | '(' | ')' => self.end_command(),
                '&' => match chars.peek() {
                    Some('&') => {
                        chars.next();
                        self.end_command();
                    }
                    Some('>') => self.end_word(),
                    _ => {
                        self.background = true;
                        self.end_command();
                    }
                },
                '<' | '>' => {
                    // A file descriptor's number before it is no word of the command.
                    if self.word.as_ref().is_some_and(|w| w.chars().all(|c| c.is_ascii_digit())) {
                        self.word = None;
                    }
                    self.end_word();
                    self.redirects = Some(c == '>');
                    while let Some(next) = chars.next_if(|c| matches!(c, '<' | '>' | '|' | '&' | '-')) {
                        if next == '&' {
                            // Of a descriptor: `2>&1`.
                            self.redirects = Some(false);
                        }
                    }
                }
                c if c.is_whitespace() => self.end_word(),
                c => self.push(c),
            }
        }
        self.end_command();
    }

    /// What is substituted is run; what it prints is not known here.
    fn substituted(&mut self, inner: &str) {
        let (commands, background) = split_commands(inner);
        self.commands.extend(commands);
        self.background |= background;
        self.word.get_or_insert_default().push_str("$()");
    }

    fn double_quoted(&mut self, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
        let mut text = String::new();
        while let Some(c) = chars.next() {
            match c {
                '"' => break,
                '\\' => text.extend(chars.next()),
                c => text.push(c),
            }
        }
        for (at, _) in text.match_indices("$(").chain(text.match_indices('`')) {
            let (inner, background) = split_commands(text[at..].trim_start_matches(['$', '(', '`']));
            self.commands.extend(inner);
            self.background |= background;
        }
        self.word.get_or_insert_default().push_str(&text);
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
            self.commands.push(command);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(sh: &str) -> Vec<Vec<String>> {
        split_commands(sh).0.into_iter().map(|c| c.words).collect()
    }

    #[test]
    fn commands_are_told_apart() {
        assert_eq!(
            words("a b && c 'd e' | f \"g h\"; i"),
            [vec!["a", "b"], vec!["c", "d e"], vec!["f", "g h"], vec!["i"]]
        );
        assert_eq!(words("a $(b c) \"x $(d e)\" # f"), [vec!["b", "c"], vec!["d", "e"], vec!["a", "$()", "x $(d e)"]]);
        assert_eq!(words("a $(b | (c)) d `e`"), [vec!["b"], vec!["c"], vec!["e"], vec!["a", "$()", "d", "$()"]]);
        assert_eq!(words("a $(b | (c)) d `e`"), [vec!["b"], vec!["c"], vec!["e"], vec!["a", "$()", "d", "$()"]]);
        assert_eq!(words("a \\\n b\nc"), [vec!["a", "b"], vec!["c"]]);
    }

    #[test]
    fn redirections_are_no_words() {
        let (commands, background) = split_commands("echo x >/etc/a 2>&1 </dev/null >>b &>c");
        assert!(!background);
        assert_eq!(
            commands,
            [SimpleCommand {
                words: vec!["echo".into(), "x".into()],
                written: vec!["/etc/a".into(), "b".into(), "c".into()],
            }]
        );
        assert!(split_commands("(sleep 1; x) >/dev/null 2>&1 &").1);
    }
}
