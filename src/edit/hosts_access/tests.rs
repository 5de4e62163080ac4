use super::*;

fn files(allow: &str, deny: &str) -> Files {
    [(ALLOW, allow), (DENY, deny)].into_iter().map(|(p, t)| (p.to_owned(), Some(t.as_bytes().to_vec()))).collect()
}

fn client(address: &str) -> Client {
    Client::at(address.parse().unwrap())
}

/// Whether it is let in, and the lines that may decide it.
fn ask(allow: &str, deny: &str, client: &Client) -> (Truth, Vec<String>) {
    let files = files(allow, deny);
    let answer = Tables::new(&files).ask("sshd", client, &Host::default(), Some(22));
    let place = |w: &Way| w.place.as_ref().map_or("-".to_owned(), |p| format!("{}:{}", &p.file[11..], p.last));
    (answer.granted(), answer.ways.iter().map(place).collect())
}

#[test]
fn what_an_address_does_not_tell_is_not_guessed() {
    let at = client("10.9.0.5");
    assert_eq!(ask("", "ALL: PARANOID\n", &at), (Truth::Maybe, vec!["deny:1".into(), "-".into()]));
    assert_eq!(ask("", "sshd: .example.org\n", &at).0, Truth::Maybe);
    assert_eq!(ask("", "sshd: LOCAL, 10.9.\n", &at), (Truth::No, vec!["deny:1".into()]));
    assert_eq!(ask("", "sshd: bob@ALL\n", &at).0, Truth::Maybe);
    assert_eq!(ask("", "sshd: bob@10.8.0.1\n", &at).0, Truth::Yes);
    assert_eq!(ask("", "sshd: @trusted\n", &at).0, Truth::Maybe);
    assert_eq!(ask("", "sshd@10.0.0.1: ALL\n", &at).0, Truth::Maybe);
    assert_eq!(ask("", "22: ALL\n", &at), (Truth::No, vec!["deny:1".into()]));
    assert_eq!(ask("", "23: ALL\n", &at).0, Truth::Yes);
    assert_eq!(ask("", "sshd: /etc/not-read\n", &at).0, Truth::Maybe);
    // Both ways end alike: then it is known, and only which line decides is not.
    assert_eq!(ask("", "sshd: .example.org\nALL: ALL\n", &at), (Truth::No, vec!["deny:1".into(), "deny:2".into()]));
    assert_eq!(ask("sshd: .example.org\n", "ALL: ALL\n", &at).0, Truth::Maybe);
    // All numbers and wildcards: meant for addresses, and not a question of names.
    assert_eq!(ask("", "sshd: 10.8.*\n", &at).0, Truth::Yes);
}

#[test]
fn whoever_it_is() {
    let any = Client::default();
    assert_eq!(ask("", "ALL: ALL\n", &any), (Truth::No, vec!["deny:1".into()]));
    assert_eq!(ask("", "# sshd: ALL\n", &any).0, Truth::Yes);
    assert_eq!(ask("", "sshd: ALL EXCEPT 10.9.\n", &any).0, Truth::Maybe);
    assert_eq!(ask("sshd: 10.9.\n", "ALL: ALL\n", &any).0, Truth::Maybe);
    assert_eq!(ask("sshd: ALL\n", "ALL: ALL\n", &any).0, Truth::Yes);
    assert_eq!(ask("", "vsftpd: ALL", &any).0, Truth::No);
    assert_eq!(ask("", "sshd: 0.0.0.0/0\n", &any).0, Truth::Yes);
}

#[test]
fn a_command_that_decides_is_not_known() {
    let at = client("10.9.0.5");
    assert_eq!(ask("sshd: ALL: aclexec /bin/x\n", "ALL: ALL\n", &at).0, Truth::Maybe);
    assert_eq!(ask("", "sshd: ALL: aclexec /bin/x\n", &at).0, Truth::Maybe);
    // Whether it fails or not, nothing else in the file is asked.
    assert_eq!(ask("sshd: ALL: aclexec /bin/x\nALL: ALL: deny\n", "", &at).0, Truth::Yes);
    assert_eq!(ask("", "sshd: ALL: user nobody\n", &at).0, Truth::No);
}

#[test]
fn problems_are_named_with_their_place() {
    let files = files(
        "sshd 10.9.0.5\nsshd: 10.9.0.5/16 \\\n  10.8.1.1\nsshd: ALL: (mail root)\n",
        "vsftpd: /srv/list, 0.0.0.0/0\nALL: ALL",
    );
    let found = Tables::new(&files).problems();
    let lines: Vec<String> = found.iter().map(|p| format!("{}:{} {}", p.place.file, p.place.first, p.what)).collect();
    assert_eq!(
        lines,
        [
            "/etc/hosts.allow:1 it has no \":\" between daemons and clients, and is ignored",
            "/etc/hosts.allow:2 \"10.9.0.5/16\" matches nobody",
            "/etc/hosts.allow:4 there is no option \"(mail\": whom it matches is denied",
            "/etc/hosts.deny:1 \"0.0.0.0/0\" matches nobody",
            "/etc/hosts.deny:2 it does not end with a newline, and is not read",
        ]
    );
}

#[test]
fn the_files_that_are_named() {
    let mut files = files("sshd: /a EXCEPT bob@/b\n", "ALL@/c: ALL\n/d: ALL\n");
    files.insert("/a".into(), Some(b"10.9.0.5 /e\n".to_vec()));
    assert_eq!(Tables::new(&files).named().into_iter().collect::<Vec<_>>(), ["/a", "/b", "/c", "/e"]);
    // One that names itself ends, too.
    files.insert("/e".into(), Some(b"/a".to_vec()));
    files.insert("/b".into(), None);
    assert_eq!(Tables::new(&files).ask("sshd", &client("10.8.1.1"), &Host::default(), None).granted(), Truth::Maybe);
}

#[test]
fn a_client_is_let_in_and_nobody_else() {
    let allow = |text: &str, before| {
        String::from_utf8(let_in(text.as_bytes(), "sshd", "10.9.0.5".parse().unwrap(), before).bytes).unwrap()
    };
    assert_eq!(allow("", None), "sshd: 10.9.0.5\n");
    assert_eq!(allow("# mine\r\nALL: 10.8.\r\n", None), "# mine\r\nALL: 10.8.\r\nsshd: 10.9.0.5\r\n");
    assert_eq!(allow("a: b\nsshd: ALL: deny\n", Some(2)), "a: b\nsshd: 10.9.0.5\nsshd: ALL: deny\n");
    // What is not read stays so.
    assert_eq!(allow("a: b\nALL: ALL", None), "a: b\nsshd: 10.9.0.5\nALL: ALL");
    assert_eq!(allow("# goes on \\\n", None), "sshd: 10.9.0.5\n# goes on \\\n");
    let six = let_in(b"", "sshd", "2001:db8::5".parse().unwrap(), None);
    assert_eq!(six.bytes, b"sshd: [2001:db8::5]\n");
    assert_eq!(let_in(b"", "sshd", "::ffff:10.9.0.5".parse().unwrap(), None).bytes, b"sshd: 10.9.0.5\n");
}

#[test]
fn a_line_is_taken_out() {
    assert_eq!(comment_out(b"a: b\r\nALL: ALL\r\n", 2, 2).bytes, b"a: b\r\n#ALL: ALL\r\n");
    assert_eq!(comment_out(b"ALL: \\\n ALL\nx: y\n", 1, 2).bytes, b"#ALL: \\\n# ALL\nx: y\n");
    let ended = comment_out(b"a: b\nALL: ALL", 2, 2);
    assert_eq!((ended.bytes.as_slice(), ended.touched.len()), (&b"a: b\n#ALL: ALL\n"[..], 1));
    // A comment whose newline is missing denies everybody.
    let comment = comment_out(b"# x", 1, 1);
    assert_eq!((comment.bytes.as_slice(), comment.touched.len()), (&b"# x\n"[..], 1));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_a_table(allow: Vec<u8>, deny: Vec<u8>) {
        let files: Files = [(ALLOW.to_owned(), Some(allow)), (DENY.to_owned(), Some(deny))].into();
        let tables = Tables::new(&files);
        assert!(!tables.ask("sshd", &client("10.9.0.5"), &Host::default(), None).ways.is_empty());
        let _ = tables.problems();
        let _ = tables.named();
    }

    /// What it lets in for certain it did not merely seem to: with every name that the host may have, it stays so.
    #[test]
    fn what_is_known_holds_for_every_name(
        deny in "((sshd|ALL|ss\\*) ?: ?(ALL|10\\.9\\.|LOCAL|KNOWN|\\*\\.org|UNKNOWN|box|10\\.8\\.1\\.1)( EXCEPT (LOCAL|\\.org|box))?\n){0,3}",
        allow in "(sshd: (LOCAL|box|\\.org|10\\.9\\.0\\.5|PARANOID)( : deny)?\n){0,2}",
    ) {
        let address = "10.9.0.5".parse().ok();
        let said = ask(&allow, &deny, &client("10.9.0.5")).0;
        for name in [Name::None, Name::Forged, Name::Is("box".into()), Name::Is("a.org".into()), Name::Is("b.net".into())] {
            let host = Host { address, name };
            let one = ask(&allow, &deny, &Client { host, user: None }).0;
            assert!(said == Truth::Maybe || one == said, "{said:?} {one:?}");
        }
        let anyone = ask(&allow, &deny, &Client::default()).0;
        assert!(anyone == Truth::Maybe || anyone == said);
    }

    #[test]
    fn a_client_that_was_let_in_is_in(allow in "((sshd|ALL)( ?: ?)(ALL|10\\.9\\.|10\\.8\\.)( : deny)?\r?\n){0,3}", deny in "(ALL: ALL\n)?") {
        let files = files(&allow, &deny);
        let at = client("10.9.0.5");
        let answer = Tables::new(&files).ask("sshd", &at, &Host::default(), None);
        if let Some(way) = answer.denial() {
            let place = way.place.as_ref().unwrap();
            let before = (place.file == ALLOW).then_some(place.first);
            let new = String::from_utf8(let_in(allow.as_bytes(), "sshd", "10.9.0.5".parse().unwrap(), before).bytes).unwrap();
            assert_eq!(ask(&new, &deny, &at).0, Truth::Yes);
            assert_eq!(ask(&new, &deny, &client("10.7.0.1")).0, ask(&allow, &deny, &client("10.7.0.1")).0);
        }
    }
}
