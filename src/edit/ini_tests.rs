//! What `ini` does, by example; then its laws.

use super::super::laws::{Laws, file};
use super::*;
use proptest::prelude::*;

fn spec(section: &str, set: &[(&str, &str)], unset: &[&str]) -> Spec {
    Spec {
        section: section.into(),
        set: set.iter().map(|(key, value)| ((*key).into(), vec![Some((*value).into())])).collect(),
        unset: unset.iter().map(|key| (*key).into()).collect(),
        ..Spec::default()
    }
}

fn as_of(dialect: Dialect, old: &str, spec: Spec) -> Result<String, String> {
    let edited = edit(old.as_bytes(), &Spec { dialect: Some(dialect), ..spec }).map_err(|e| e.to_string())?;
    Ok(String::from_utf8(edited.bytes).unwrap())
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
    let old = "[a]\nk=1\nK=2\n[b]\nk=5\n[a]\nk=3\n";
    assert_eq!(as_of(Dialect::Systemd, old, spec("a", &[], &["k"])).unwrap(), "[a]\nK=2\n[b]\nk=5\n[a]\n");
    assert_eq!(as_of(Dialect::Configparser, old, spec("a", &[], &["k"])).unwrap(), "[a]\n[b]\nk=5\n[a]\n");
    assert_eq!(edit(old.as_bytes(), &spec("a", &[], &["k"])).unwrap_err(), EditError::Dialect { line: 3 });
}

#[test]
fn a_value_goes_with_its_continuation_lines() {
    let old = "[Service]\nExecStart=/bin/a \\\n# why\n  -x=1\nUser=b\n";
    let systemd = |spec: Spec| as_of(Dialect::Systemd, old, spec).unwrap();
    assert_eq!(systemd(spec("Service", &[("ExecStart", "/bin/c")], &[])), "[Service]\nExecStart=/bin/c\nUser=b\n");
    assert_eq!(systemd(spec("Service", &[], &["ExecStart"])), "[Service]\nUser=b\n");
    assert_eq!(systemd(spec("Service", &[], &["-x"])), old);
    let old_action = "[a]\naction = x\n   y=z\nk=1\n";
    let action = || spec("a", &[], &["action"]);
    assert_eq!(as_of(Dialect::Configparser, old_action, action()).unwrap(), "[a]\nk=1\n");
    assert_eq!(as_of(Dialect::Systemd, old_action, action()).unwrap(), "[a]\n   y=z\nk=1\n");
    assert_eq!(edit(old_action.as_bytes(), &action()).unwrap_err(), EditError::Dialect { line: 3 });
    assert_eq!(set("[a]\nk=v\n  more\n", "a", "k", "v"), "[a]\nk=v\n");
}

#[test]
fn comments_and_other_cases_are_no_keys() {
    let old = "[a]\n#k=1\n ;k=1\nK=1\n";
    assert_eq!(as_of(Dialect::Keyfile, old, spec("a", &[], &["k"])).unwrap(), old);
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

/// Python's configparser, which the files say by themselves: no other dialect has such lines.
#[test]
fn deeper_lines_and_colons_are_configparsers() {
    let old = "[a]\nx =\n    1\n    # c\n    2\ny = 3\n";
    assert_eq!(set(old, "a", "x", "9"), "[a]\nx = 9\ny = 3\n");
    assert_eq!(set(old, "a", "y", "9"), "[a]\nx =\n    1\n    # c\n    2\ny = 9\n");
    let old = "[tox]\ndeps =\n    foo\n\n    [bar]\n";
    assert_eq!(set(old, "tox", "deps", "x"), "[tox]\ndeps = x\n");
    assert_eq!(set(old, "tox", "skip", "1"), "[tox]\ndeps =\n    foo\n\n    [bar]\nskip = 1\n");
    let both = spec("a", &[("x", "9"), ("port", "9")], &[]);
    assert_eq!(edit(b"[a]\nx: 1\nPort = 1\n", &both).unwrap().bytes, b"[a]\nx: 9\nPort = 9\n");
}

#[test]
fn each_dialect_ends_a_value_in_its_way() {
    let old = "[a]\nx = C:\\dir\\\ny = 2\nz = 3\n";
    let y = || spec("a", &[("y", "9")], &[]);
    assert_eq!(as_of(Dialect::Keyfile, old, y()).unwrap(), "[a]\nx = C:\\dir\\\ny = 9\nz = 3\n");
    assert_eq!(as_of(Dialect::Configparser, old, y()).unwrap(), "[a]\nx = C:\\dir\\\ny = 9\nz = 3\n");
    for dialect in [Dialect::Systemd, Dialect::Samba, Dialect::Git] {
        assert_eq!(as_of(dialect, old, y()).unwrap(), "[a]\nx = C:\\dir\\\ny = 2\nz = 3\ny = 9\n", "{dialect:?}");
    }
    assert_eq!(edit(old.as_bytes(), &y()).unwrap_err(), EditError::Dialect { line: 3 });
    let end = || spec("a", &[("w", "C:\\")], &[]);
    assert!(as_of(Dialect::Configparser, "[a]\n", end()).unwrap().ends_with("w=C:\\\n"));
    assert!(as_of(Dialect::Systemd, "[a]\n", end()).unwrap_err().contains("backslash"));
}

#[test]
fn git_and_samba_have_their_own_words() {
    let git = |old, key, value| as_of(Dialect::Git, old, spec("remote \"a\"", &[(key, value)], &[])).unwrap();
    let old = "[Remote \"a\"]\n\turl = \"x;y\" ; note\n";
    assert_eq!(git(old, "URL", "x;y"), old);
    assert_eq!(git(old, "url", "a#b"), "[Remote \"a\"]\n\turl = \"a#b\"\n");
    assert_eq!(git("[remote \"A\"]\n", "x", "1"), "[remote \"A\"]\n\n[remote \"a\"]\nx=1\n");
    let samba = spec("Global", &[("read only", "yes")], &[]);
    assert_eq!(as_of(Dialect::Samba, "[global]\n  ReadOnly = no\n", samba).unwrap(), "[global]\n  ReadOnly = yes\n");
}

#[test]
fn several_lines_of_one_key_and_none_at_all() {
    let exec = |values: &[Option<&str>]| Spec {
        set: vec![("ExecStart".into(), values.iter().map(|v| v.map(Into::into)).collect())],
        ..spec("Service", &[], &[])
    };
    let drop_in = exec(&[Some(""), Some("/bin/b")]);
    let after = "[Service]\nExecStart=\nExecStart=/bin/b\n";
    assert_eq!(edit(b"", &drop_in).unwrap().bytes, after.as_bytes());
    assert!(!edit(after.as_bytes(), &drop_in).unwrap().changed());
    assert_eq!(
        edit(b"[Service]\nExecStart=/bin/a\nUser=x\n", &drop_in).unwrap().bytes,
        b"[Service]\nExecStart=\nExecStart=/bin/b\nUser=x\n"
    );
    assert_eq!(
        edit(after.as_bytes(), &exec(&[Some("/bin/c")])).unwrap().bytes,
        b"[Service]\nExecStart=\nExecStart=/bin/c\n"
    );
    let many = b"[Service]\nExecStart=a\nExecStart=b\nExecStart=c\n";
    assert_eq!(edit(many, &exec(&[Some("a"), Some("d")])).unwrap().bytes, b"[Service]\nExecStart=a\nExecStart=d\n");
    let bare = Spec { set: vec![("skip-networking".into(), vec![None])], ..spec("mysqld", &[], &[]) };
    assert_eq!(
        as_of(Dialect::Configparser, "[mysqld]\nuser = a\n", bare.clone()).unwrap(),
        "[mysqld]\nuser = a\nskip-networking\n"
    );
    assert!(as_of(Dialect::Systemd, "", bare).unwrap_err().contains("without a value"));
}

#[test]
fn a_section_goes_with_its_keys() {
    let gone = |old: &str| as_of(Dialect::Configparser, old, Spec { absent: true, ..spec("b", &[], &[]) }).unwrap();
    assert_eq!(
        gone("[a]\nx=1\n\n# about b\n[b]\nx=2\n\n# about c\n[c]\n[b]\n"),
        "[a]\nx=1\n\n# about b\n# about c\n[c]\n"
    );
    assert_eq!(gone("[a]\n"), "[a]\n");
    let whole = Spec { absent: true, ..spec("", &[], &[]) };
    assert!(as_of(Dialect::Systemd, "", whole).unwrap_err().starts_with("section is empty"));
}

#[test]
fn a_path_says_whose_file_it_is() {
    for (path, dialect) in [
        ("/etc/systemd/system/a.service.d/x.conf", Some(Dialect::Systemd)),
        ("/etc/systemd/journald.conf", Some(Dialect::Systemd)),
        ("/root/.gitconfig", Some(Dialect::Git)),
        ("/srv/x/.git/config", Some(Dialect::Git)),
        ("/etc/samba/smb.conf", Some(Dialect::Samba)),
        ("/etc/fail2ban/jail.local", Some(Dialect::Configparser)),
        ("/etc/NetworkManager/conf.d/x.conf", Some(Dialect::Keyfile)),
        ("/etc/app.ini", None),
    ] {
        assert_eq!(Dialect::of_path(path), dialect, "{path}");
    }
}

#[test]
fn what_an_edit_leaves_says_the_same_in_each_dialect() {
    // Only without the line that has no `=` may the text be a unit or a keyfile, which end the value otherwise.
    let old = "j=1\na\nk=v \\\n[t]\nk=w\n";
    if let Ok(edited) = edit(old.as_bytes(), &spec("", &[], &["a"])) {
        assert_eq!(edit(&edited.bytes, &spec("", &[], &["a"])).map(|e| e.touched.len()), Ok(0));
    }
    // Below a new key, a header that is indented would be part of its value.
    let below = as_of(Dialect::Configparser, " [a]\nk=v\n", spec("", &[("j", "1")], &[]));
    assert!(below.unwrap_err().contains("line 1"));
}

proptest! {
    #[test]
    fn laws(old in file(), section in "[st]?", set in "[abjk]{0,2}", value in "[vw #=]{0,3}", unset in "[abjkP]?") {
        let set: Vec<String> = set.chars().map(String::from).collect();
        let set: Vec<_> = set.iter().map(|key| (key.as_str(), value.as_str())).collect();
        let unset: Vec<_> = Some(unset.as_str()).filter(|key| !key.is_empty()).into_iter().collect();
        let auto = spec(&section, &set, &unset);
        Laws::of(&old, |bytes| edit(bytes, &auto)).hold();
        for (_, dialect) in DIALECTS {
            let spec = Spec { dialect: Some(*dialect), ..auto.clone() };
            Laws::of(&old, |bytes| edit(bytes, &spec)).hold();
            if let Ok(edited) = edit(&old, &spec) {
                let again = Draft::new(&edited.bytes);
                let parsed = Parsed::of(&again.lines, section.as_bytes(), *dialect);
                for (key, value) in &set {
                    let last = parsed.entries.iter().rfind(|entry| dialect.same_key(entry.key, key.as_bytes())).unwrap();
                    prop_assert!(dialect.same_value(last.value, Some(dialect.written(value).as_slice())));
                }
            }
        }
    }
}
