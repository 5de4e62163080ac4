//! The rules about tags, merges and repeated keys, in words.

use std::ops::Range;
use std::sync::Arc;

use saphyr_parser::Tag;

use super::diagnostic::Diagnostic;
use super::events::DEEPEST;
use super::source::Source;
use super::spans::Entry;

/// `tag`: only the tags of the core schema (YAML 1.2.2 §10.3) have a meaning here.
pub fn tag(source: &Arc<Source>, tag: &Tag, bytes: &Range<usize>) -> Option<Diagnostic> {
    let core = ["str", "int", "float", "bool", "null", "seq", "map"];
    if tag.is_yaml_core_schema() && core.contains(&tag.suffix.as_str()) {
        return None;
    }
    let line = source.clamp(bytes.start..source.text().len());
    let written = &source.text()[line.clone()];
    let from = written.find('!').unwrap_or(0);
    let word = written[from..].split([' ', '\t', ',', ']', '}']).next();
    let word = word.unwrap_or_default();
    let start = line.start + from;
    let hint = match word {
        "!vault" => "decrypt it outside: a variable of type secret with `from: {command: …}`",
        _ => "remove the tag; if the text starts with `!`, quote it",
    };
    let message = format!("the tag {word} has no meaning here");
    let spot = (source, start..start + word.len());
    Some(Diagnostic::at(spot, "tag", message).hint(hint))
}

/// `syntax`: an anchor that is not one but text, or takes the colon of a key into its name.
pub fn anchor(source: &Arc<Source>, bytes: &Range<usize>, empty: bool) -> Option<Diagnostic> {
    let raw = &source.text()[bytes.clone()];
    let word = raw[raw.find('&')?..].split_whitespace().next()?;
    let (message, hint) = if word.ends_with(':') {
        ("this anchor's name ends with a colon", "remove the colon; for a key, quote it")
    } else if empty {
        ("this is an anchor without a value", "text that starts with & must be quoted")
    } else {
        return None;
    };
    let start = bytes.start + raw.find('&')?;
    let spot = (source, start..start + word.len());
    Some(Diagnostic::at(spot, "syntax", message).hint(hint))
}

/// `duplicate-key` (YAML 1.2.2 §3.2.1.3): at the second key, with the first.
pub fn duplicate(source: &Arc<Source>, first: &Entry, second: &Entry) -> Diagnostic {
    let message = format!("the key \"{}\" is here twice", second.key);
    let hint = match second.merge {
        true => "merge several maps with one list: `<<: [*a, *b]`",
        false => "remove one of the two, or put their values together",
    };
    Diagnostic::at((source, second.key_bytes.clone()), "duplicate-key", message)
        .hint(hint)
        .also((source, first.key_bytes.clone()), "first here")
}

/// `merge`: what a `<<` takes (YAML 1.1 merge key type).
pub fn bad_merge(source: &Arc<Source>, entry: &Entry) -> Diagnostic {
    let message = "a merge needs a map or a list of maps";
    Diagnostic::at((source, entry.key_bytes.clone()), "merge", message)
        .hint("write `<<: *anchor`; if a key named << is meant, quote it")
}

/// `too-deep`.
pub fn too_deep(source: &Arc<Source>, bytes: Range<usize>) -> Diagnostic {
    let message = format!("more than {DEEPEST} lists and maps inside each other");
    Diagnostic::at((source, bytes), "too-deep", message)
        .hint("nothing in a runbook is that deep: is a bracket never closed?")
}
