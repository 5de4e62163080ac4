//! Values that are asked for: from text to arguments, and into a line.

use super::keywords::{self, Keyword, Kind, Type};
use super::syntax::{self, Parsed};
use super::{Directive, Error};
use super::{complaint, value};

/// One item of a list as it has to be written to be one word: where each word is a value (`AllowGroups`), one that has a
/// blank would be two.
#[must_use]
pub fn one_word(key: &str, item: &str) -> String {
    let list = keywords::find(key).is_some_and(|k| k.word_list() && k.value == Type::Words);
    let plain = !item.contains(['"', '\'', '\\', '\n', '\r', '\0']);
    match list && plain && item.contains([' ', '\t']) {
        true => format!("\"{item}\""),
        false => item.to_owned(),
    }
}

/// A value that was asked for: its arguments, and what they mean.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub args: Vec<String>,
    pub meaning: Vec<String>,
}

/// Whether a line has this value (among its words, where each word is a value).
pub fn has(keyword: &Keyword, line: &Directive, want: &Wanted) -> bool {
    match keyword.word_list() {
        true => want.args.iter().all(|word| line.args.contains(word)),
        false => value::meaning(keyword, &line.args) == want.meaning,
    }
}

pub fn joined(wanted: Vec<Wanted>) -> Vec<Wanted> {
    let args: Vec<String> = wanted.into_iter().flat_map(|want| want.args).collect();
    if args.is_empty() { Vec::new() } else { vec![Wanted { meaning: args.clone(), args }] }
}

/// The values that were asked for, each once, as far as sshd would take them.
pub fn wanted(keyword: &'static Keyword, values: &[String]) -> Result<Vec<Wanted>, Error> {
    let how_many = |wanted| Error::HowMany { keyword: keyword.name, wanted, given: values.len() };
    if values.is_empty() {
        return Err(how_many("a value"));
    }
    let accumulates = matches!(keyword.kind, Kind::Appends | Kind::PerName);
    if keyword.raw() && values.len() > 1 {
        return Err(how_many("one value"));
    }
    let mut lists = Vec::new();
    for text in values {
        lists.push(arguments(keyword, text)?);
    }
    if keyword.word_list() {
        lists = lists.into_iter().flatten().map(|word| vec![word]).collect();
    } else if !accumulates {
        lists = vec![lists.concat()];
    }
    let mut wanted: Vec<Wanted> = Vec::new();
    for args in lists {
        if let Some(why) = complaint::complaint(keyword, keyword.name, &args) {
            return Err(Error::Value { keyword: keyword.name, value: args.join(" "), why });
        }
        let meaning = value::meaning(keyword, &args);
        if !wanted.iter().any(|want| want.meaning == meaning) {
            wanted.push(Wanted { args, meaning });
        }
    }
    Ok(wanted)
}

/// The arguments of a value that was given as text.
fn arguments(keyword: &'static Keyword, text: &str) -> Result<Vec<String>, Error> {
    let bad = |why: &str| Error::Value { keyword: keyword.name, value: text.to_owned(), why: why.to_owned() };
    if text.contains(['\n', '\r', '\0']) {
        return Err(bad("a line break or NUL cannot stand in a value"));
    }
    let trimmed = text.trim_matches([' ', '\t', '\x0c']);
    if keyword.raw() {
        return match trimmed {
            "" if value::takes_none(keyword) => Err(bad("there is no value; `none` is what turns it off")),
            "" => Err(bad("there is no value")),
            _ if trimmed.starts_with('=') => Err(bad("sshd takes a `=` in front for a separator")),
            _ => Ok(vec![trimmed.to_owned()]),
        };
    }
    let line = [b"Keyword ", trimmed.as_bytes()].concat();
    let args = syntax::split(&line, 8).map_err(|_| bad("a quote is not closed"))?;
    let whole = args.last().is_none_or(|arg| arg.at.end == line.len());
    if trimmed.is_empty() || args.iter().all(|arg| arg.value.is_empty()) && args.len() < 2 {
        let none = value::takes_none(keyword);
        return Err(bad(if none { "there is no value; `none` is what turns it off" } else { "there is no value" }));
    }
    if args.is_empty() || !whole {
        return Err(bad("`#` begins a comment: put the value in quotes"));
    }
    let mut args: Vec<String> = args.iter().map(|arg| String::from_utf8_lossy(&arg.value).into_owned()).collect();
    let single = value::words_of(keyword.value);
    if let [word] = args.as_mut_slice() {
        let yes_or_no = match word.to_ascii_lowercase().as_str() {
            "true" => "yes",
            "false" => "no",
            _ => "",
        };
        if single.contains(&yes_or_no) {
            *word = yes_or_no.to_owned();
        }
    }
    Ok(args)
}

/// A new line as sshd_config(5) writes it.
pub fn new_line(keyword: &Keyword, args: &[String]) -> Vec<u8> {
    [keyword.name.as_bytes(), b" ", &value_text(keyword, args, b'"')].concat()
}

fn value_text(keyword: &Keyword, args: &[String], quote: u8) -> Vec<u8> {
    if keyword.raw() {
        return args.join(" ").into_bytes();
    }
    args.iter().map(|arg| syntax::written(arg.as_bytes(), quote)).collect::<Vec<_>>().join(&b' ')
}

/// The line with another value: keyword, separator, indentation and comment stay as they are.
pub fn with_value(text: &[u8], keyword: &Keyword, args: &[String]) -> Option<Vec<u8>> {
    let Parsed::Line(line) = syntax::parse(text) else { return None };
    let at = line.value_at(keyword.raw());
    let old = text.get(at.clone())?;
    let quote = old.iter().copied().find(|byte| matches!(byte, b'"' | b'\'')).unwrap_or(b'"');
    let mut new = value_text(keyword, args, quote);
    if at.is_empty() && at.end < text.len() {
        new.push(b' ');
    }
    Some([text.get(..at.start)?, &new, text.get(at.end..)?].concat())
}

/// The line with the words that are wanted, as they are written, and more of them; none if there would be no word.
pub fn with_words(text: &[u8], is_wanted: impl Fn(&str) -> bool, more: &[String]) -> Option<Vec<u8>> {
    let Parsed::Line(line) = syntax::parse(text) else { return None };
    let at = line.value_at(false);
    let args = line.args.iter().flatten().filter(|arg| is_wanted(&String::from_utf8_lossy(&arg.value)));
    let kept = args.filter_map(|arg| text.get(arg.at.clone())).map(<[u8]>::to_vec);
    let words: Vec<Vec<u8>> = kept.chain(more.iter().map(|word| syntax::written(word.as_bytes(), b'"'))).collect();
    if words.is_empty() {
        return None;
    }
    Some([text.get(..at.start)?, &words.join(&b' '), text.get(at.end..)?].concat())
}
