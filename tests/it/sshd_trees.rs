//! The editor of sshd_config held against the real sshd: what it says a tree means, and what its edits come to.

mod binary;
mod expect;
mod fixtures;
mod grow;
mod real;
mod repairs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use expect::{ACCUMULATE, fewest, printed};
use grow::{Dice, Grown, QUERY, SAMPLES, Sample, grow};
use real::{Answer, Files, MAIN, ask, suite};
use runbook::edit::sshd_config::{Edits, Tree};

use crate::support::lab_is_on;

/// What is done to a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Set,
    Add,
    Unset,
}

struct Edit {
    verb: Verb,
    sample: &'static Sample,
    values: Vec<String>,
}

impl Edit {
    fn on(&self, tree: &Tree) -> Edits {
        let key = self.sample.names[0];
        match self.verb {
            Verb::Set => tree.set(key, &self.values),
            Verb::Add => tree.add(key, &self.values),
            Verb::Unset => tree.unset(key),
        }
        .unwrap_or_else(|error| panic!("{:?} {key} {:?}: {error}", self.verb, self.values))
    }
}

fn edit_for(dice: &mut Dice, tree: &Tree) -> Edit {
    let there: Vec<&Sample> =
        SAMPLES.iter().filter(|sample| tree.directives().iter().any(|line| line.key == sample.key)).collect();
    let several: Vec<&Sample> = SAMPLES.iter().filter(|sample| ACCUMULATE.contains(&sample.key)).collect();
    let sample = match dice.below(4) {
        0 => *dice.pick(&several),
        1 | 2 if !there.is_empty() => *dice.pick(&there),
        _ => dice.pick(SAMPLES),
    };
    let verb = match dice.below(5) {
        0 => Verb::Unset,
        1 | 2 if ACCUMULATE.contains(&sample.key) => Verb::Add,
        _ => Verb::Set,
    };
    let mut values = vec![(*dice.pick(sample.values)).to_owned()];
    if ACCUMULATE.contains(&sample.key) && dice.once_in(3) {
        values.push((*dice.pick(sample.values)).to_owned());
        values.dedup();
    }
    Edit { verb, sample, values }
}

/// The tree as the sshd of the suite reads it.
fn reads(files: Files) -> Tree {
    Tree::new(MAIN, files).with_version(if suite() == "bookworm" { (9, 2) } else { (10, 0) })
}

fn applied(files: &Files, edits: &Edits) -> Files {
    let mut files = files.clone();
    files.extend(edits.files.clone());
    files
}

/// Everything that the tree says about everybody is what sshd says.
fn agrees(tree: &Tree, said: &Answer) -> Result<(), String> {
    for sample in SAMPLES {
        let mut real = said.values.get(sample.key).cloned().unwrap_or_default();
        if sample.key == "listenaddress" {
            real.sort();
        }
        if let Some(ours) = printed(tree, sample.key).filter(|ours| *ours != real) {
            return Err(format!("{}: sshd says {real:?}, we {ours:?}", sample.key));
        }
    }
    Ok(())
}

/// The keywords in which two answers differ.
fn differ(a: &Answer, b: &Answer) -> BTreeSet<String> {
    let keys = a.values.keys().chain(b.values.keys());
    keys.filter(|key| a.values.get(*key) != b.values.get(*key)).cloned().collect()
}

/// Replays the touched lines on the old files: every other line is there with its bytes.
fn replayed(old: &Files, edits: &Edits) -> Result<(), String> {
    for (file, new) in &edits.files {
        let lines: Vec<&[u8]> = old[file].split_inclusive(|byte| *byte == b'\n').collect();
        let mut new = new.split_inclusive(|byte| *byte == b'\n');
        let mut touched = edits.touched.iter().filter(|touched| touched.file == *file).peekable();
        let bare = |line: &[u8]| String::from_utf8_lossy(line).trim_end_matches(['\r', '\n']).to_owned();
        for number in 1..=lines.len() + 1 {
            while let Some(added) = touched.next_if(|touched| touched.line == number && touched.before.is_none()) {
                let line = new.next().ok_or("an added line is not there")?;
                let text = added.after.as_ref().ok_or("nothing was added")?;
                if bare(line) != bare(text) {
                    return Err(format!("{file}:{number}: {:?} was added", bare(line)));
                }
            }
            let Some(line) = lines.get(number - 1) else { break };
            let change = touched.next_if(|touched| touched.line == number);
            let now = new.next().ok_or("a line is gone")?;
            let same = match change {
                Some(change) => change.after.as_ref().is_some_and(|after| now.starts_with(after)),
                None => now == *line || now.strip_prefix(*line).is_some_and(|ending| matches!(ending, b"\n" | b"\r\n")),
            };
            if !same {
                return Err(format!("{file}:{number}: {:?} became {:?}", bare(line), bare(now)));
            }
        }
        if touched.next().is_some() || new.next().is_some() {
            return Err(format!("{file}: something is left over"));
        }
    }
    Ok(())
}

/// A tree, the edit, and what sshd said: to everybody and to one connection, before and after.
struct Case {
    grown: Grown,
    tree: Tree,
    edit: Edit,
    edits: Edits,
}

fn proved(case: &Case, before: [&Answer; 2], after: [&Answer; 2], default: &Answer) -> Result<(), String> {
    let Case { tree, edit, edits, .. } = case;
    let new = reads(applied(tree.files(), edits));
    let key = edit.sample.key;
    agrees(tree, before[0]).map_err(|why| format!("before: {why}"))?;
    for said in after {
        if !said.accepted {
            return Err(format!("sshd refuses it: {}", said.stderr));
        }
    }
    agrees(&new, after[0]).map_err(|why| format!("after: {why}"))?;
    let allowed: &[&str] = match key {
        "port" if edit.verb == Verb::Add => &["port", "listenaddress"],
        "port" | "addressfamily" => &[key, "listenaddress"],
        _ => &[key],
    };
    for (old, new) in before.iter().zip(after) {
        if let Some(other) = differ(old, new).iter().find(|other| !allowed.contains(&other.as_str())) {
            return Err(format!("{other} is another: {:?}, {:?}", old.values.get(other), new.values.get(other)));
        }
    }
    match edit.verb {
        Verb::Unset if after[0].values.get(key) != default.values.get(key) && key != "listenaddress" => {
            return Err(format!("{key} is not the default: {:?}", after[0].values.get(key)));
        }
        Verb::Add if matches!(key, "port" | "listenaddress") => {
            let gone = |place: &String| !after[0].values["listenaddress"].contains(place);
            if let Some(place) = before[0].values["listenaddress"].iter().find(|place| gone(place)) {
                return Err(format!("it no longer listens on {place}"));
            }
            let port = |place: &String| edit.values.iter().any(|port| place.ends_with(&format!(":{port}")));
            if key == "port" && !after[0].values["listenaddress"].iter().any(port) {
                return Err("it does not listen on the port that was added".to_owned());
            }
        }
        Verb::Set | Verb::Add => {
            let want = Edit { verb: edit.verb, sample: edit.sample, values: edit.values.clone() };
            if !want.on(&new).is_empty() {
                return Err("a second time it has something to do".to_owned());
            }
        }
        Verb::Unset => {}
    }
    if !edit.on(&new).is_empty() {
        return Err("a second time it has something to do".to_owned());
    }
    replayed(tree.files(), edits)?;
    let most = fewest(tree, edit, before[0], after[0]);
    if edits.touched.len() > most {
        return Err(format!("{} lines changed, {most} would do", edits.touched.len()));
    }
    Ok(())
}

fn shown(case: &Case) -> String {
    let show = |files: &Files| {
        files
            .iter()
            .map(|(name, bytes)| format!("--- {name}\n{}", String::from_utf8_lossy(bytes).replace('\r', "\\r")))
            .collect::<String>()
    };
    let Case { tree, edit, edits, .. } = case;
    let edited = show(&edits.files);
    format!("{:?} {} {:?}\n{}\n=== edited\n{edited}", edit.verb, edit.sample.key, edit.values, show(tree.files()))
}

#[test]
fn grown_trees_are_edited_as_sshd_sees_it() {
    if !lab_is_on() {
        return;
    }
    let full = std::env::var_os("RUNBOOK_FULL").is_some();
    let count = if full { 1000 } else { 200 };
    let started = Instant::now();
    let mut cases = Vec::new();
    // Some trees sshd does not take, and some edits cannot be had (ListenAddress :: with AddressFamily inet).
    for seed in 1..=count + count / 10 {
        let grown = grow(seed);
        let tree = reads(grown.files.clone());
        let edit = edit_for(&mut Dice::new(seed + 1_000_000), &tree);
        let edits = edit.on(&tree);
        cases.push(Case { grown, tree, edit, edits });
    }
    let blank: Files = BTreeMap::from([(MAIN.to_owned(), Vec::new())]);
    let mut questions: Vec<(Files, Option<&str>)> = vec![(blank, None)];
    for case in &cases {
        let new = applied(&case.grown.files, &case.edits);
        let query = case.grown.matches.then_some(QUERY);
        questions.push((case.grown.files.clone(), None));
        questions.push((new.clone(), None));
        if query.is_some() {
            questions.push((case.grown.files.clone(), query));
            questions.push((new, query));
        }
    }
    let answers = ask(&questions);
    let mut rest = answers[1..].iter();
    let mut next = || rest.next().unwrap();
    let mut failures = Vec::new();
    let mut kept = Vec::new();
    for (number, case) in cases.into_iter().enumerate() {
        let mut before = [next(); 2];
        let mut after = [next(); 2];
        if case.grown.matches {
            (before[1], after[1]) = (next(), next());
        }
        if kept.len() == usize::try_from(count).unwrap()
            || !before[0].accepted
            || after.iter().any(|said| at_odds(&said.stderr))
        {
            continue;
        }
        if let Err(why) = proved(&case, before, after, &answers[0]) {
            failures.push(format!("tree {}: {why}\n{}", number + 1, shown(&case)));
        }
        kept.push(case);
    }
    let cases = kept;
    let of = |holds: fn(&Case) -> bool| cases.iter().filter(|case| holds(case)).count();
    let with = [of(|case| case.grown.includes), of(|case| case.grown.matches), of(|case| case.grown.crlf)];
    let seconds = started.elapsed().as_secs_f64();
    let (trees, runs) = (cases.len(), questions.len());
    eprintln!("{trees} trees, Include/Match/CRLF {with:?}, {runs} runs of sshd, {seconds:.1} s");
    let some = failures[..failures.len().min(4)].join("\n\n");
    assert!(failures.is_empty(), "{} of {trees}:\n{some}", failures.len());
    assert_eq!(trees, usize::try_from(count).unwrap());
    assert!(with.iter().all(|part| part * 5 >= trees), "{with:?}");
    if full {
        write_table(&cases, with, questions.len(), seconds);
    }
}

/// Whether sshd takes each line and not all of them together.
fn at_odds(stderr: &str) -> bool {
    let said = [
        "Address family for hostname not supported",
        "cannot be satisfied by enabled authentication methods",
        // Up to 9.2 `any` may not follow any other line of AuthenticationMethods, not even one in another Match.
        "must appear alone in AuthenticationMethods",
    ];
    said.iter().any(|said| stderr.contains(said))
}

fn write_table(cases: &[Case], with: [usize; 3], runs: usize, seconds: f64) {
    let day = jiff::Timestamp::now().strftime("%Y-%m-%d");
    let verb = |verb| cases.iter().filter(|case| case.edit.verb == verb).count();
    let touched = |lines| cases.iter().filter(|case| case.edits.touched.len() == lines).count();
    let suite = suite();
    let text = format!(
        "# Edits of grown sshd_config trees, held against the real sshd of {suite}\n\nMeasured on {day} by `tests/run --full`; do not edit.\n\n\
         | | trees |\n| --- | --- |\n| all, each accepted before and after, one keyword changed and no other | {} |\n\
         | with Include | {} |\n| with Match | {} |\n| with CRLF | {} |\n| set, add, unset | {}, {}, {} |\n\
         | no line, one line, more lines changed | {}, {}, {} |\n\n{runs} runs of `sshd -T` in {seconds:.0} s.\n",
        cases.len(),
        with[0],
        with[1],
        with[2],
        verb(Verb::Set),
        verb(Verb::Add),
        verb(Verb::Unset),
        touched(0),
        touched(1),
        cases.len() - touched(0) - touched(1),
    );
    std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/sshd-trees-{suite}.md")), text).unwrap();
}
