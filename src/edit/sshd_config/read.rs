//! Reads a tree of files in the order in which sshd does.
//!
//! Source: `parse_server_config_depth` and the cases `sInclude` and `sMatch` (servconf.c). An included file is read in
//! the place of its Include; its own Match ends with it; inside a Match it belongs to that block. `Match all` holds for
//! everybody, and where sshd starts it counts as the global part.

use super::keywords::{self, Kind};
use super::syntax::{self, Line, Parsed};
use super::{Block, glob};
use crate::edit::lines;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How deep Includes may be nested (`SERVCONF_MAX_DEPTH`).
const DEEPEST: usize = 16;
/// How many lines are read at most: hostile trees could include one file any number of times.
const MOST: usize = 200_000;

/// One step of the reading.
#[derive(Debug)]
pub enum Step<'a> {
    /// A line with a keyword.
    Line { file: &'a str, number: usize, text: &'a [u8], line: Line, scope: Option<Arc<Block>> },
    /// A file ends.
    End,
    /// Includes are nested too deep, or there is no end to them: sshd gives up here.
    Endless,
}

struct Reader<'a> {
    files: &'a BTreeMap<String, Vec<u8>>,
    steps: Vec<Step<'a>>,
}

/// All that sshd reads, in order.
pub fn read<'a>(main: &'a str, files: &'a BTreeMap<String, Vec<u8>>) -> Vec<Step<'a>> {
    let mut reader = Reader { files, steps: Vec::new() };
    if let Some((name, bytes)) = files.get_key_value(main) {
        reader.file(name, bytes, None, 0);
    }
    reader.steps
}

impl<'a> Reader<'a> {
    /// False when there is no going on.
    fn file(&mut self, file: &'a str, bytes: &'a [u8], outer: Option<&Arc<Block>>, depth: usize) -> bool {
        if depth > DEEPEST || self.steps.len() > MOST {
            self.steps.push(Step::Endless);
            return false;
        }
        let mut scope = outer.cloned();
        for (index, text) in lines::split(bytes).iter().enumerate() {
            let Parsed::Line(line) = syntax::parse(text.text) else { continue };
            let number = index + 1;
            let kind = keywords::find(&String::from_utf8_lossy(&line.keyword)).map(|keyword| keyword.kind);
            let patterns = if kind == Some(Kind::Include) { patterns_of(&line) } else { Vec::new() };
            if kind == Some(Kind::Match) {
                scope = Some(Arc::new(block(file, number, text.text, &line, outer)));
            }
            self.steps.push(Step::Line { file, number, text: text.text, line, scope: scope.clone() });
            for pattern in patterns {
                for (name, bytes) in self.matching(&pattern) {
                    if !self.file(name, bytes, scope.as_ref(), depth + 1) {
                        return false;
                    }
                }
            }
        }
        self.steps.push(Step::End);
        true
    }

    fn matching(&self, pattern: &str) -> Vec<(&'a str, &'a [u8])> {
        let files = self.files;
        if !glob::special(pattern) {
            return files
                .get_key_value(pattern)
                .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
                .into_iter()
                .collect();
        }
        let all = files.iter().filter(|(name, _)| glob::matches(pattern, name));
        all.map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect()
    }
}

/// The patterns of an Include, absolute: relative ones are below /etc/ssh (`SSHDIR`). sshd stops at an empty one.
pub fn patterns_of(line: &Line) -> Vec<String> {
    let args = line.args.iter().flatten().map(|arg| String::from_utf8_lossy(&arg.value).into_owned());
    args.take_while(|arg| !arg.is_empty())
        .map(|arg| if arg.starts_with(['/', '~']) { arg } else { format!("/etc/ssh/{arg}") })
        .collect()
}

fn block(file: &str, line: usize, text: &[u8], parsed: &Line, outer: Option<&Arc<Block>>) -> Block {
    let written = String::from_utf8_lossy(text.get(parsed.value_at(false)).unwrap_or_default()).into_owned();
    let all = criteria(text, parsed).is_ok_and(|criteria| criteria.all);
    Block {
        file: file.to_owned(),
        line,
        criteria: written,
        everyone: all && outer.is_none_or(|outer| outer.everyone),
        within: outer.cloned(),
    }
}

/// What a Match asks for.
#[derive(Debug, Default)]
pub struct Criteria {
    pub all: bool,
}

/// The criteria that take an argument.
pub const CRITERIA: &[&str] = &["user", "group", "host", "address", "localaddress", "localport", "rdomain", "version"];

/// What is wrong with the criteria of a Match, in sshd's words, and the place of the word.
pub type Wrong = (String, Option<std::ops::Range<usize>>);

/// Reads the criteria as sshd up to 9.9 does (`match_cfg_line`); later versions take `invalid-user` too.
pub fn criteria(text: &[u8], parsed: &Line) -> Result<Criteria, Wrong> {
    let line = text.get(..parsed.rest_at.end).unwrap_or_default();
    let mut next = Some(parsed.rest_at.start);
    let (mut count, mut answer) = (0, Criteria::default());
    let word = |from: &mut Option<usize>| {
        let (word, at, after) = syntax::token(line, (*from)?)?;
        *from = after;
        (!word.is_empty() && word.first() != Some(&b'#')).then(|| (String::from_utf8_lossy(&word).into_owned(), at))
    };
    while let Some((name, at)) = word(&mut next) {
        count += 1;
        if name.eq_ignore_ascii_case("all") {
            if count > 1 || word(&mut next).is_some() {
                return Err(("'all' cannot be combined with other Match attributes".to_owned(), None));
            }
            answer.all = true;
            return Ok(answer);
        }
        if name.eq_ignore_ascii_case("invalid-user") {
            continue;
        }
        if !CRITERIA.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            return Err((format!("Unsupported Match attribute {name}"), Some(at)));
        }
        let Some((argument, _)) = word(&mut next) else {
            return Err((format!("Missing Match criteria for {name}"), None));
        };
        if name.eq_ignore_ascii_case("localport") && super::value::port(&argument).is_none() {
            return Err((format!("Invalid LocalPort '{argument}' on Match line"), None));
        }
    }
    if count == 0 {
        return Err(("One or more attributes required for Match".to_owned(), None));
    }
    Ok(answer)
}
