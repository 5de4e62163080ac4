//! What our own table finds wrong, for where no sshd can run.
//!
//! In sshd's order: it says all that is wrong with keywords and quotes up to the end of the file, and stops at the
//! first bad value (`fatal`), and at the end of a file in which anything was wrong.

use super::fault::Fault;
use super::keywords::{self, Keyword, Kind, Type};
use super::read::{self, Step};
use super::syntax::{self, Line};
use super::{Block, Tree, complaint};

/// A message, and whether sshd stops at it.
pub(super) struct Said {
    pub message: String,
    pub last: bool,
}

impl Tree {
    /// What our table of keywords and values finds wrong, in sshd's words and order. It does not know which
    /// algorithms this sshd was built with, nor which hosts resolve.
    #[must_use]
    pub fn check(&self) -> Vec<Fault> {
        let mut found = Vec::new();
        if !self.files.contains_key(&self.main) {
            let message = "No such file or directory".to_owned();
            return vec![Fault { file: self.main.clone(), line: 0, message }];
        }
        for step in read::read(&self.main, &self.files) {
            match step {
                Step::Line { file, number, text, line, scope } => {
                    for Said { message, last } in self.complaints(text, &line, scope.as_deref()) {
                        found.push(Fault { file: file.to_owned(), line: number, message });
                        if last {
                            return found;
                        }
                    }
                }
                Step::End if !found.is_empty() => return found,
                Step::End => {}
                Step::Endless => {
                    let message = "Too many recursive configuration includes".to_owned();
                    found.push(Fault { file: String::new(), line: 0, message });
                    return found;
                }
            }
        }
        found
    }

    /// What sshd says about one line.
    pub(super) fn complaints(&self, text: &[u8], line: &Line, scope: Option<&Block>) -> Vec<Said> {
        let spelled = syntax::shown(&line.keyword);
        let error = |message: String| Said { message, last: false };
        if line.rest_at.is_empty() {
            return vec![error(format!("no argument after keyword \"{spelled}\""))];
        }
        let mut said = Vec::new();
        let keyword = keywords::find(&String::from_utf8_lossy(&line.keyword));
        if keyword.is_none() {
            said.push(error(format!("Bad configuration option: {spelled}")));
        }
        let Ok(args) = &line.args else {
            said.push(error("invalid quotes".to_owned()));
            return said;
        };
        // A keyword that sshd does not know is not allowed in a Match either: it says both.
        if scope.is_some_and(|block| !block.everyone) && !keyword.is_some_and(|keyword| keyword.in_match) {
            let message = format!("Directive '{spelled}' is not allowed within a Match block");
            said.push(Said { message, last: true });
            return said;
        }
        let Some(keyword) = keyword else { return said };
        let args: Vec<String> = match keyword.raw() {
            true => vec![String::from_utf8_lossy(text.get(line.rest_at.clone()).unwrap_or_default()).into_owned()],
            false => args.iter().map(|arg| syntax::shown(&arg.value)).collect(),
        };
        said.extend(self.complaint(text, line, keyword, &spelled, &args));
        said
    }

    fn complaint(&self, text: &[u8], line: &Line, keyword: &Keyword, spelled: &str, args: &[String]) -> Option<Said> {
        match keyword.kind {
            Kind::Dead => None,
            Kind::Match => read::criteria(text, line)
                .is_err()
                .then(|| Said { message: "Bad Match condition".to_owned(), last: true }),
            Kind::Include if args.is_empty() => {
                Some(Said { message: format!("{spelled} missing filename argument"), last: true })
            }
            Kind::Include => {
                let empty = args.iter().any(String::is_empty);
                empty.then(|| Said { message: format!("keyword {spelled} empty argument"), last: false })
            }
            _ => complaint::complaint(keyword, spelled, args).map(|message| {
                let errors = ["extra arguments at end of line", "empty argument", "must appear alone."];
                let goes_on = errors.iter().any(|end| message.ends_with(end)) || keyword.value == Type::KeyOptions;
                Said { message, last: !goes_on }
            }),
        }
    }
}
