//! What every edit promises, whatever the bytes.

use super::*;
use proptest::prelude::*;

const MAIN: &str = "/etc/ssh/sshd_config";
const DROPIN: &str = "/etc/ssh/sshd_config.d/a.conf";

fn line() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&[u8]> = vec![
        b"",
        b"# c",
        b"#Port 22",
        b"Port 22",
        b"port=2222 # x",
        b"\tPort '23'",
        b"ListenAddress 0.0.0.0:22",
        b"ListenAddress ::1",
        b"AllowUsers a b",
        b"AllowUsers c",
        b"X11Forwarding yes",
        b"X11Forwarding \"no\"",
        b"MaxStartups 5",
        b"Match all",
        b"Match User bob",
        b"Match Usr bob",
        b"Macth User bob",
        b"  ForceCommand x",
        b"Include sshd_config.d/*.conf",
        b"Include /etc/ssh/sshd_config",
        b"Prot 22",
        b"UseDNS True",
        b"Banner \"/x",
        b"PermitRootLogin True",
        b"Subsystem sftp internal-sftp",
        b"\xef\xbb\xbfPort 1",
        b"\x0c",
        b"Port",
        b"UsePAM yes\0x",
    ];
    prop_oneof![
        8 => proptest::sample::select(known).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>().prop_filter("one line", |byte| *byte != b'\n'), 0..12),
    ]
}

fn file() -> impl Strategy<Value = Vec<u8>> {
    (proptest::collection::vec(line(), 0..10), any::<bool>(), any::<bool>()).prop_map(|(lines, crlf, cut)| {
        let ending: &[u8] = if crlf { b"\r\n" } else { b"\n" };
        let mut bytes: Vec<u8> = lines.iter().flat_map(|line| [line, ending].concat()).collect();
        if cut {
            bytes.truncate(bytes.len().saturating_sub(ending.len()));
        }
        bytes
    })
}

/// The main file and a file of its directory, short where a counterexample is printed.
#[derive(Clone)]
struct Files(Vec<u8>, Vec<u8>);

impl std::fmt::Debug for Files {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} | {}", self.0.escape_ascii(), self.1.escape_ascii())
    }
}

impl Files {
    fn tree(self) -> Tree {
        Tree::new(MAIN, BTreeMap::from([(MAIN.to_owned(), self.0), (DROPIN.to_owned(), self.1)]))
    }
}

fn tree() -> impl Strategy<Value = Files> {
    (file(), file()).prop_map(|(main, dropin)| Files(main, dropin))
}

fn applied(tree: &Tree, edits: &Edits) -> Tree {
    let mut files = tree.files.clone();
    files.extend(edits.files.clone());
    Tree::new(MAIN, files)
}

/// The lines that are said to be touched are those in which old and new differ, and no other byte does.
fn only_touched(tree: &Tree, edits: &Edits) {
    for (file, new) in &edits.files {
        let old = &tree.files[file];
        let edited = crate::edit::Edited {
            bytes: new.clone(),
            touched: edits
                .touched
                .iter()
                .filter(|touched| touched.file == *file)
                .map(|touched| crate::edit::Touched {
                    line: touched.line,
                    before: touched.before.clone(),
                    after: touched.after.clone(),
                })
                .collect(),
        };
        if old.starts_with(b"\xef\xbb\xbf") {
            continue; // the law takes a mark for no part of a line
        }
        crate::edit::laws::Laws::of(old, |bytes| {
            Ok(if bytes == old.as_slice() {
                edited.clone()
            } else {
                crate::edit::Edited { bytes: bytes.to_vec(), touched: Vec::new() }
            })
        })
        .hold();
    }
}

fn value() -> impl Strategy<Value = (&'static str, Vec<String>)> {
    proptest::sample::select(vec![
        ("Port", "22"),
        ("port", "2022,23"),
        ("X11Forwarding", "no"),
        ("AllowUsers", "a,d"),
        ("MaxStartups", "7"),
        ("ListenAddress", "127.0.0.1:5"),
        ("Subsystem", "sftp /bin/x,y /bin/z"),
        ("Banner", "'/a b'"),
        ("ForceCommand", "echo #1"),
        ("UsePAM", "true"),
        ("HostKey", "/k"),
    ])
    .prop_map(|(key, values)| (key, values.split(',').map(str::to_owned).collect()))
}

proptest! {
    #[test]
    fn set_sets_and_is_done((key, values) in value(), files in tree()) {
        let tree = files.tree();
        let Ok(edits) = tree.set(key, &values) else { return Ok(()) };
        only_touched(&tree, &edits);
        let after = applied(&tree, &edits);
        prop_assert!(after.set(key, &values).unwrap().is_empty(), "{:?}", after.files);
        prop_assert!(!after.values(key).is_empty());
        // A file that is read twice may have changed in both places; otherwise no other keyword changed.
        let others = |tree: &Tree| {
            let other = |line: &&Directive| !line.key.eq_ignore_ascii_case(key);
            tree.directives.iter().filter(other).map(|line| (line.key.clone(), line.args.clone())).collect::<Vec<_>>()
        };
        prop_assert_eq!(others(&tree), others(&after));
    }

    #[test]
    fn add_adds_and_is_done((key, values) in value(), files in tree()) {
        let tree = files.tree();
        let Ok(edits) = tree.add(key, &values) else { return Ok(()) };
        only_touched(&tree, &edits);
        let after = applied(&tree, &edits);
        prop_assert!(after.add(key, &values).unwrap().is_empty(), "{:?}", after.files);
    }

    #[test]
    fn unset_unsets_and_is_done((key, _) in value(), files in tree()) {
        let tree = files.tree();
        let Ok(edits) = tree.unset(key) else { return Ok(()) };
        only_touched(&tree, &edits);
        let after = applied(&tree, &edits);
        prop_assert!(after.unset(key).unwrap().is_empty());
        prop_assert!(after.values(key).is_empty());
    }

    #[test]
    fn fix_fixes_what_was_named_and_is_done(files in tree(), policy in 0..3) {
        let tree = files.tree();
        let policy = [Policy::Ask, Policy::Comment, Policy::Correct][usize::try_from(policy).unwrap()];
        let faults = tree.check();
        let fixed = tree.fix(&faults, policy).unwrap();
        only_touched(&tree, &fixed.edits);
        let again = applied(&tree, &fixed.edits).fix(&faults, policy).unwrap();
        prop_assert!(again.edits.is_empty(), "{:?} {:?}", faults, again.edits);
    }

    #[test]
    fn the_loop_ends(files in tree()) {
        let mut tree = files.tree();
        for _ in 0..60 {
            let faults = tree.check();
            let fixed = tree.fix(&faults, Policy::Comment).unwrap();
            if fixed.edits.is_empty() {
                // What is left is no line that could be corrected.
                let nowhere = |fault: &Fault| fault.line == 0 || fixed.left.iter().any(|left| left.fault == *fault);
                prop_assert!(faults.iter().all(nowhere), "{:?} {:?}", faults, tree.files);
                return Ok(());
            }
            tree = applied(&tree, &fixed.edits);
        }
        prop_assert!(false, "it goes on and on");
    }
}
