//! What can be done about one bad line.

use super::fault::Fault;
use super::keywords::{self, Keyword, Kind};
use super::syntax::{self, Line, Parsed};
use super::{complaint, near, read, value, wanted};

/// What is to be done about a line, before anyone was asked.
#[derive(Debug, PartialEq, Eq)]
pub enum Repair {
    /// The line is no longer the one that sshd spoke of.
    Stale,
    Line(Plan),
}

/// The repair of one line.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// The keyword that it is about, if we know one.
    pub about: Option<&'static str>,
    /// Whether it decides who gets in.
    pub policy: bool,
    /// The corrected line, and what was wrong in a person's words.
    pub correction: Option<(Vec<u8>, String)>,
    /// What is wrong with it, for where it is not corrected.
    pub wrong: String,
    pub form: Form,
}

/// What a line is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// It stands alone.
    Alone,
    /// It begins a block, which goes with it.
    Header,
    /// It is in a Match and has to be outside.
    Misplaced,
    /// A Match that looks right to us: taken out only where that was ordered.
    Opaque,
}

/// What can be done about `text`, of which sshd says `message`. `inside`: in a Match that is not for everybody.
pub fn repair(text: &[u8], fault: &Fault, inside: bool) -> Repair {
    let Parsed::Line(line) = syntax::parse(text) else { return Repair::Stale };
    let message = fault.message.as_str();
    let shown = syntax::shown(&line.keyword);
    let spelled = String::from_utf8_lossy(&line.keyword).into_owned();
    let keyword = keywords::find(&spelled);
    let about = keyword.map(|keyword| keyword.name);
    if let Some(word) = message.strip_prefix("Bad configuration option: ") {
        return if word == shown { Repair::Line(unknown(text, &line, &spelled)) } else { Repair::Stale };
    }
    if message.starts_with("no argument after keyword") {
        if !line.rest_at.is_empty() {
            return Repair::Stale;
        }
        let mut plan = plan_for(text, &line, &spelled);
        plan.wrong = format!("`{}` has no value", spelled.escape_debug());
        return Repair::Line(plan);
    }
    if message == "invalid quotes" || message.contains("missing quote") {
        return match line.args {
            Err(quote) => Repair::Line(unquoted(text, &line, quote, &spelled)),
            Ok(_) => Repair::Stale,
        };
    }
    if message.contains("is not allowed within a Match block") {
        if !message.contains(&format!("'{shown}'")) || !inside {
            return Repair::Stale;
        }
        let Some(keyword) = keyword else { return Repair::Line(unknown(text, &line, &spelled)) };
        let wrong = format!("{} may not stand inside a Match", keyword.name);
        if keyword.kind == Kind::Dead {
            return Repair::Line(Plan { about, policy: false, correction: None, wrong, form: Form::Alone });
        }
        let correction = Some((text.trim_ascii_start().to_vec(), wrong.clone()));
        let form = if keyword.in_match { Form::Alone } else { Form::Misplaced };
        // What was meant for some would hold for everybody.
        let policy = keyword.policy() || (form == Form::Misplaced && !keyword.harmless());
        return Repair::Line(Plan { about, policy, correction, wrong, form });
    }
    match keyword {
        Some(keyword) if keyword.kind == Kind::Match => header(text, &line, fault),
        Some(keyword) => bad_value(text, &line, keyword, &spelled, message),
        None => Repair::Line(unknown(text, &line, &spelled)),
    }
}

/// What a line with this keyword is, without a correction.
fn plan_for(text: &[u8], line: &Line, spelled: &str) -> Plan {
    let keyword = keywords::find(spelled).or_else(|| keywords::nearest(spelled).map(|(keyword, _)| keyword));
    let mut plan = Plan {
        about: keywords::find(spelled).map(|keyword| keyword.name),
        policy: keyword.is_some_and(Keyword::policy),
        correction: without_mark(text, line),
        wrong: format!("sshd does not know `{}`", spelled.escape_debug()),
        form: if keyword.is_some_and(|keyword| keyword.kind == Kind::Match) { Form::Header } else { Form::Alone },
    };
    if let (Some((text, _)), Parsed::Line(line)) = (&plan.correction, syntax::parse(text.get(3..).unwrap_or_default()))
    {
        let keyword = keywords::find(&String::from_utf8_lossy(&line.keyword));
        plan.policy = keyword.is_some_and(Keyword::policy);
        plan.form = if super::change::is_match(text) { Form::Header } else { Form::Alone };
    }
    plan
}

/// The line without a byte order mark in front.
fn without_mark(text: &[u8], line: &Line) -> Option<(Vec<u8>, String)> {
    let rest = text.strip_prefix(b"\xef\xbb\xbf").filter(|_| line.keyword.starts_with(b"\xef\xbb\xbf"))?;
    Some((rest.to_vec(), "a byte order mark stands in front, which sshd takes for a letter".to_owned()))
}

/// A keyword that sshd does not know.
fn unknown(text: &[u8], line: &Line, spelled: &str) -> Plan {
    let mut plan = plan_for(text, line, spelled);
    if plan.correction.is_some() || keywords::find(spelled).is_some() {
        return plan;
    }
    let Some((keyword, name)) = keywords::nearest(spelled) else { return plan };
    let rest = text.get(line.keyword_at.end..).unwrap_or_default();
    let new = [text.get(..line.keyword_at.start).unwrap_or_default(), name.as_bytes(), rest].concat();
    let what = format!("\"{}\" is a misspelling of {name}", spelled.escape_debug());
    if let Some(new) = fitting(new, keyword) {
        plan.correction = Some((new, what));
    }
    plan
}

/// The line if sshd would take its value, or with the value corrected if that can be.
fn fitting(text: Vec<u8>, keyword: &'static Keyword) -> Option<Vec<u8>> {
    let Parsed::Line(line) = syntax::parse(&text) else { return None };
    let args = super::arguments(&text, &line, keyword.raw()).filter(|args| !args.is_empty())?;
    match keyword.kind {
        Kind::Match => read::criteria(&text, &line).is_ok().then_some(text),
        _ if complaint::complaint(keyword, keyword.name, &args).is_none() => Some(text),
        _ => other_word(&text, keyword, &args).map(|(new, _)| new),
    }
}

/// A value of few words that was probably meant: a YAML boolean, or a misspelling.
fn other_word(text: &[u8], keyword: &'static Keyword, args: &[String]) -> Option<(Vec<u8>, String)> {
    let [given] = args else { return None };
    let words = value::words_of(keyword.value);
    let yes_or_no = match given.to_ascii_lowercase().as_str() {
        "true" | "on" => Some("yes"),
        "false" | "off" => Some("no"),
        _ => None,
    };
    let boolean = yes_or_no.filter(|word| words.contains(word));
    let case = words.iter().copied().find(|word| word.eq_ignore_ascii_case(given));
    let word = boolean.or(case).or_else(|| near::nearest(given, words.iter().map(|word| (*word, *word))))?;
    let what = match boolean {
        Some(_) => format!("{} is written {word} in sshd_config, not {given}", keyword.name),
        None => format!("\"{given}\" is a misspelling of {word}"),
    };
    Some((wanted::with_value(text, keyword, &[word.to_owned()])?, what))
}

/// A quote that is not closed: closed at the end of the line, if sshd then takes the value.
fn unquoted(text: &[u8], line: &Line, quote: u8, spelled: &str) -> Plan {
    let mut plan = plan_for(text, line, spelled);
    plan.wrong = "a quote is not closed".to_owned();
    let (head, tail) = text.split_at(line.rest_at.end.min(text.len()));
    let new = [head, &[quote], tail].concat();
    let comment_inside = text.get(line.rest_at.clone()).is_some_and(|rest| rest.contains(&b'#'));
    if let (Some(keyword), false) = (keywords::find(spelled), comment_inside) {
        let what = "the quote was not closed".to_owned();
        plan.correction = fitting(new, keyword).map(|new| (new, what));
    }
    plan
}

/// A Match that sshd does not take.
fn header(text: &[u8], line: &Line, fault: &Fault) -> Repair {
    let mut plan = Plan {
        about: Some("Match"),
        policy: true,
        correction: None,
        wrong: "sshd does not understand this Match".to_owned(),
        form: Form::Header,
    };
    match read::criteria(text, line) {
        Err((wrong, at)) => {
            plan.wrong = wrong;
            plan.correction = at.and_then(|at| criterion(text, at));
        }
        Ok(_) if !plan.names_a_value(&fault.message) => plan.form = Form::Opaque,
        Ok(_) if !mentioned(text, &fault.message) => return Repair::Stale,
        Ok(_) => plan.wrong.clone_from(&fault.message),
    }
    Repair::Line(plan)
}

/// The line with the misspelt criterion at this place corrected, if that makes it whole.
fn criterion(text: &[u8], at: std::ops::Range<usize>) -> Option<(Vec<u8>, String)> {
    let given = String::from_utf8_lossy(text.get(at.clone())?).into_owned();
    let spelled = ["User", "Group", "Host", "Address", "LocalAddress", "LocalPort", "RDomain", "all"];
    let word = near::nearest(&given, spelled.into_iter().map(|word| (word, word)))?;
    let new = [text.get(..at.start)?, word.as_bytes(), text.get(at.end..)?].concat();
    let Parsed::Line(line) = syntax::parse(&new) else { return None };
    read::criteria(&new, &line).ok()?;
    Some((new, format!("\"{given}\" is a misspelling of {word}")))
}

impl Plan {
    fn names_a_value(&self, message: &str) -> bool {
        named_value(message).is_some()
    }
}

/// A value that sshd does not take.
fn bad_value(text: &[u8], line: &Line, keyword: &'static Keyword, spelled: &str, message: &str) -> Repair {
    let args = super::arguments(text, line, keyword.raw()).unwrap_or_default();
    let ours = complaint::complaint(keyword, spelled, &args);
    if ours.is_none() && named_value(message).is_some() && !mentioned(text, message) {
        return Repair::Stale;
    }
    let correction = if ours.is_some() { other_word(text, keyword, &args) } else { None };
    let wrong = message.trim_end_matches('.').to_owned();
    Repair::Line(Plan { about: Some(keyword.name), policy: keyword.policy(), correction, wrong, form: Form::Alone })
}

/// The value that a message names: in quotes, or behind `argument`, `value:`, `option`, `timeout`.
fn named_value(message: &str) -> Option<&str> {
    for quote in ['"', '\''] {
        if let Some((before, _)) = message.rsplit_once(quote)
            && let Some((_, value)) = before.rsplit_once(quote)
        {
            return Some(value);
        }
    }
    let mut words = message.rsplitn(2, ' ');
    let (last, before) = (words.next()?, words.next()?);
    ["argument", "value:", "option", "timeout"].iter().any(|word| before.ends_with(word)).then_some(last)
}

fn mentioned(text: &[u8], message: &str) -> bool {
    named_value(message).is_some_and(|value| syntax::shown(text).contains(value))
}
