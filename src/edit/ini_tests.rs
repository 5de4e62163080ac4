//! What `ini` does, by example; then its laws.

use super::super::laws::{Laws, file};
use super::*;
use proptest::prelude::*;

fn spec(section: &str, set: &[(&str, &str)], unset: &[&str]) -> Spec {
    Spec {
        section: section.into(),
        set: set.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        unset: unset.iter().map(|key| (*key).into()).collect(),
    }
}

fn set(old: &str, section: &str, key: &str, value: &str) -> String {
    String::from_utf8(edit(old.as_bytes(), &spec(section, &[(key, value)], &[])).unwrap().bytes).unwrap()
}

fn unset(old: &str, section: &str, key: &str) -> String {
    String::from_utf8(edit(old.as_bytes(), &spec(section, &[], &[key])).unwrap().bytes).unwrap()
}

#[test]
fn a_value_is_changed_in_the_files_own_style() {
    assert_eq!(set("[a]\nk=1\n[b]\nk=1\n", "b", "k", "2"), "[a]\nk=1\n[b]\nk=2\n");
    assert_eq!(set("[a]\r\n\tk  =  1\r\n", "a", "k", "2"), "[a]\r\n\tk  =  2\r\n");
    assert_eq!(set("[a]\nk =\n", "a", "k", "2"), "[a]\nk = 2\n");
    assert_eq!(set("[a]\nk = 1\n", "a", "k", ""), "[a]\nk =\n");
    assert_eq!(set("[a]\nj = 1\nk\n", "a", "k", "2"), "[a]\nj = 1\nk = 2\n");
    assert_eq!(set("[a]\nk=1  ", "a", "k", "1"), "[a]\nk=1  ");
}

#[test]
fn a_new_key_follows_the_last_one() {
    assert_eq!(set("[a]\nj = 1\n\n# about b\n[b]\n", "a", "k", "2"), "[a]\nj = 1\nk = 2\n\n# about b\n[b]\n");
    assert_eq!(
        set("[Journal]\n#Storage=auto\n", "Journal", "Storage", "none"),
        "[Journal]\nStorage=none\n#Storage=auto\n"
    );
    assert_eq!(set("[b]\nj = 1\n[a]", "a", "k", "2"), "[b]\nj = 1\n[a]\nk = 2");
    assert_eq!(set("[a]\nj=1 \\\n  2\n[b]\n", "a", "k", "2"), "[a]\nj=1 \\\n  2\nk=2\n[b]\n");
}

#[test]
fn a_missing_section_is_appended() {
    assert_eq!(set("[a]\nj = 1\n", "b", "k", "2"), "[a]\nj = 1\n\n[b]\nk = 2\n");
    assert_eq!(set("[a]\r\n\r\n", "b", "k", "2"), "[a]\r\n\r\n[b]\r\nk=2\r\n");
    assert_eq!(set("", "b", "k", "2"), "[b]\nk=2\n");
    assert_eq!(unset("[a]\n", "b", "k"), "[a]\n");
}

#[test]
fn the_empty_section_is_before_the_first_header() {
    assert_eq!(set("# about\n\n[a]\nk=1\n", "", "root", "true"), "# about\nroot=true\n\n[a]\nk=1\n");
    assert_eq!(set("A=1\nB=2\n", "", "A", "3"), "A=3\nB=2\n");
}

#[test]
fn the_last_of_several_decides() {
    assert_eq!(set("[a]\nk=1\nk=2\n[b]\n[a]\nk=3\n[c]\n", "a", "k", "4"), "[a]\nk=1\nk=2\n[b]\n[a]\nk=4\n[c]\n");
    assert_eq!(set("[a]\nj=1\n[b]\n[a]\n[c]\n", "a", "k", "4"), "[a]\nj=1\n[b]\n[a]\nk=4\n[c]\n");
    assert_eq!(unset("[a]\nk=1\nK=2\n[b]\nk=5\n[a]\nk=3\n", "a", "k"), "[a]\nK=2\n[b]\nk=5\n[a]\n");
}

#[test]
fn a_value_goes_with_its_continuation_lines() {
    let old = "[Service]\nExecStart=/bin/a \\\n# why\n  -x=1\nUser=b\n";
    assert_eq!(set(old, "Service", "ExecStart", "/bin/c"), "[Service]\nExecStart=/bin/c\nUser=b\n");
    assert_eq!(unset(old, "Service", "ExecStart"), "[Service]\nUser=b\n");
    assert_eq!(unset("[a]\naction = x\n   y=z\nk=1\n", "a", "action"), "[a]\nk=1\n");
    assert_eq!(unset(old, "Service", "-x"), old);
    assert_eq!(set("[a]\nk=v\n  more\n", "a", "k", "v"), "[a]\nk=v\n");
}

#[test]
fn comments_and_other_cases_are_no_keys() {
    let old = "[a]\n#k=1\n ;k=1\nK=1\n";
    assert_eq!(unset(old, "a", "k"), old);
    assert_eq!(set("[a] ; first\nk=1\n", "a", "k", "2"), "[a] ; first\nk=2\n");
}

#[test]
fn what_would_be_read_back_otherwise_is_refused() {
    let error = |section, key, value| edit(b"", &spec(section, &[(key, value)], &[])).unwrap_err().to_string();
    assert_eq!(error("a]", "k", "v"), "section has a `]` in it");
    assert_eq!(error("a", "k", "1\n2"), "value has a line break");
    assert_eq!(error("a", "k", "C:\\"), "value ends in a backslash, which would join it with the next line");
    assert!(error("a", "#k", "v").starts_with("key is empty"));
    let twice = edit(b"", &spec("a", &[("k", "1")], &["k"])).unwrap_err();
    assert_eq!(twice, EditError::TwiceGiven { key: "k".into() });
    let open = edit(b"[a]\nj=1 \\\n", &spec("a", &[("k", "1")], &[])).unwrap_err();
    assert_eq!(open, EditError::Unfinished { line: 2 });
    let open = edit(b"j=\\\r", &spec("", &[("k", "1")], &[])).unwrap_err();
    assert_eq!(open, EditError::Unfinished { line: 1 });
}

proptest! {
    #[test]
    fn laws(old in file(), section in "[st]?", set in "[abjk]{0,2}", value in "[vw #=]{0,3}", unset in "[abjkP]?") {
        let set: Vec<String> = set.chars().map(String::from).collect();
        let set: Vec<_> = set.iter().map(|key| (key.as_str(), value.as_str())).collect();
        let unset: Vec<_> = Some(unset.as_str()).filter(|key| !key.is_empty()).into_iter().collect();
        let spec = spec(&section, &set, &unset);
        Laws::of(&old, |bytes| edit(bytes, &spec)).hold();
        if let Ok(edited) = edit(&old, &spec) {
            let again = Draft::new(&edited.bytes);
            let parsed = Parsed::of(&again.lines, section.as_bytes());
            for (key, value) in set {
                let last = parsed.entries.iter().rfind(|entry| entry.key == key.as_bytes()).unwrap();
                prop_assert_eq!(last.value, Some(value.trim_ascii().as_bytes()));
            }
        }
    }
}
