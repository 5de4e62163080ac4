//! The facts of OpenSSH's own regression tests about Include and Match, as data: files behind `== NAME`, queries for
//! `-C` behind `??` with what is then printed, or what the refusal says behind `!!`.

use std::fs;
use std::path::Path;

use runbook::edit::sshd_config::{Block, Directive, Tree};

use super::real::{Files, MAIN, ask};
use crate::support::{fixture, lab_is_on};

#[derive(Default)]
struct Fixture {
    name: String,
    files: Files,
    /// A query and lines of `sshd -T -C`.
    queries: Vec<(String, Vec<String>)>,
    refusal: Option<String>,
}

fn read(path: &Path) -> Fixture {
    let mut fixture = Fixture { name: path.file_stem().unwrap().to_string_lossy().into_owned(), ..Fixture::default() };
    let mut file = String::new();
    for line in fs::read_to_string(path).unwrap().lines() {
        if let Some(name) = line.strip_prefix("== ") {
            file = format!("/etc/ssh/{name}");
            fixture.files.insert(file.clone(), Vec::new());
        } else if let Some(query) = line.strip_prefix("??") {
            fixture.queries.push((query.trim().to_owned(), Vec::new()));
        } else if let Some(text) = line.strip_prefix("!! ") {
            fixture.refusal = Some(text.to_owned());
        } else if let Some((_, expected)) = fixture.queries.last_mut() {
            expected.push(line.to_owned());
        } else if let Some(bytes) = fixture.files.get_mut(&file) {
            bytes.extend([line.as_bytes(), b"\n"].concat());
        }
    }
    fixture
}

fn fixtures() -> Vec<Fixture> {
    let mut paths: Vec<_> = fs::read_dir(fixture("sshd")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

/// Whether the connection of a query is one that a block is about: criteria without patterns, as the fixtures have.
fn matches(block: &Block, query: &str) -> bool {
    let words: Vec<&str> = block.criteria.split([' ', '=']).collect();
    let own = block.criteria.eq_ignore_ascii_case("all")
        || words.chunks(2).all(|pair| {
            let name = pair[0].to_ascii_lowercase().replace("localaddress", "laddr").replace("address", "addr");
            query.split(',').any(|have| have == format!("{name}={}", pair[1]))
        });
    own && block.within.as_ref().is_none_or(|outer| matches(outer, query))
}

/// What the tree says to one connection: the first of the blocks that are about it, else the global part.
fn decides<'t>(tree: &'t Tree, key: &str, query: &str) -> Vec<&'t Directive> {
    let about = |line: &&Directive| line.key == key && line.scope.as_ref().is_some_and(|block| matches(block, query));
    match tree.directives().iter().find(about) {
        Some(line) => vec![line],
        None => tree.values(key),
    }
}

/// As sshd prints it; ListenAddress is printed with the ports, and is compared with sshd alone.
fn printed(key: &str, lines: &[&Directive]) -> Vec<String> {
    if lines.is_empty() {
        return vec![format!("{key} none")];
    }
    let port =
        |word: &String| if key == "permitlisten" && !word.contains(':') { format!("*:{word}") } else { word.clone() };
    lines.iter().map(|line| format!("{key} {}", line.args.iter().map(port).collect::<Vec<_>>().join(" "))).collect()
}

#[test]
fn the_facts_of_openssh_hold_in_the_tree() {
    for fixture in fixtures() {
        let tree = Tree::new(MAIN, fixture.files.clone());
        assert_eq!(tree.check().is_empty(), fixture.refusal.is_none(), "{}: {:?}", fixture.name, tree.check());
        if let Some(text) = &fixture.refusal {
            let fault = &tree.check()[0];
            assert!(format!("line {}: {}", fault.line, fault.message).contains(text), "{}: {fault:?}", fixture.name);
        }
        for (query, expected) in &fixture.queries {
            let mut keys: Vec<&str> = expected.iter().map(|line| line.split(' ').next().unwrap()).collect();
            keys.dedup();
            for key in keys.into_iter().filter(|key| *key != "listenaddress") {
                let ours = printed(key, &decides(&tree, key, query));
                let theirs: Vec<&String> =
                    expected.iter().filter(|line| line.starts_with(&format!("{key} "))).collect();
                assert_eq!(ours.iter().collect::<Vec<_>>(), theirs, "{} ?? {query}", fixture.name);
            }
        }
    }
}

#[test]
fn the_facts_of_openssh_hold_in_sshd() {
    if !lab_is_on() {
        return;
    }
    let fixtures = fixtures();
    let mut questions = Vec::new();
    for fixture in &fixtures {
        let queries = fixture.queries.iter().map(|(query, _)| Some(query.as_str()).filter(|query| !query.is_empty()));
        let queries: Vec<Option<&str>> = if fixture.refusal.is_some() { vec![None] } else { queries.collect() };
        questions.extend(queries.into_iter().map(|query| (fixture.files.clone(), query)));
    }
    let answers = ask(&questions);
    let mut answers = answers.iter();
    for fixture in &fixtures {
        if let Some(text) = &fixture.refusal {
            let answer = answers.next().unwrap();
            assert!(!answer.accepted && answer.stderr.contains(text), "{}: {}", fixture.name, answer.stderr);
        }
        for (query, expected) in &fixture.queries {
            let answer = answers.next().unwrap();
            for line in expected {
                let (key, value) = line.split_once(' ').unwrap();
                let values = answer.values.get(key).cloned().unwrap_or_default();
                assert!(
                    values.contains(&value.to_owned()),
                    "{} ?? {query}: {values:?}\n{}",
                    fixture.name,
                    answer.stderr
                );
                let count = expected.iter().filter(|line| line.starts_with(&format!("{key} "))).count();
                assert_eq!(values.len(), count, "{} ?? {query}: {values:?}", fixture.name);
            }
        }
    }
}

#[test]
fn which_of_two_lines_decides_depends_on_the_version() {
    let bytes = b"MaxStartups 1:2:3\nMaxStartups 8:16:32\n".to_vec();
    let tree = Tree::new(MAIN, Files::from([(MAIN.to_owned(), bytes)]));
    assert_eq!(tree.values("MaxStartups")[0].line, 2);
    assert_eq!(tree.clone().with_version((10, 0)).values("MaxStartups")[0].line, 2);
    assert_eq!(tree.with_version((10, 1)).values("MaxStartups")[0].line, 1);
}
