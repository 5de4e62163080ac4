//! Edits of small trees, each a rule of its own.

use super::*;

const MAIN: &str = "/etc/ssh/sshd_config";

fn files(texts: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    texts.iter().map(|(name, text)| (format!("/etc/ssh/{name}"), text.as_bytes().to_vec())).collect()
}

fn tree(text: &str) -> Tree {
    Tree::new(MAIN, files(&[("sshd_config", text)]))
}

fn words(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn main_of(edits: &Edits) -> String {
    String::from_utf8(edits.files.get(MAIN).cloned().unwrap_or_default()).unwrap()
}

fn set(text: &str, key: &str, values: &[&str]) -> String {
    main_of(&tree(text).set(key, &words(values)).unwrap())
}

fn add(text: &str, key: &str, values: &[&str]) -> String {
    main_of(&tree(text).add(key, &words(values)).unwrap())
}

#[test]
fn set_changes_the_value_of_the_line_that_decides_and_nothing_else_of_it() {
    assert_eq!(set("x11forwarding = \"yes\"  # why\r\n", "X11Forwarding", &["no"]), "x11forwarding = no  # why\r\n");
    assert_eq!(set("  Banner '/a b'\n", "banner", &["'/c d'"]), "  Banner '/c d'\n");
    assert_eq!(set("UseDNS yes\nUseDNS no", "UseDNS", &["no"]), "UseDNS no\nUseDNS no");
    assert_eq!(set("UseDNS yes\nUseDNS no", "UseDNS", &["true"]), "", "the first line decides, and says so already");
    assert_eq!(set("KeepAlive yes\n", "TCPKeepAlive", &["no"]), "KeepAlive no\n", "an alias is the same keyword");
    assert_eq!(set("ForceCommand a # b\n", "ForceCommand", &["c \"d\" # e"]), "ForceCommand c \"d\" # e\n");
    assert_eq!(set("AllowUsers # nobody yet\n", "AllowUsers", &["bob"]), "AllowUsers # nobody yet\nAllowUsers bob\n");
}

#[test]
fn where_a_new_line_goes() {
    assert_eq!(set("#Port 22\n#Port 23\nUseDNS no\n", "Port", &["2222"]), "#Port 22\nPort 2222\n#Port 23\nUseDNS no\n");
    assert_eq!(
        set("UseDNS no\n\n# for bob\n# alone\nMatch User bob\n#Port 22\n", "Port", &["2222"]),
        "UseDNS no\n\nPort 2222\n# for bob\n# alone\nMatch User bob\n#Port 22\n"
    );
    assert_eq!(
        set("Match User bob\nX11Forwarding no\n", "UseDNS", &["no"]),
        "UseDNS no\nMatch User bob\nX11Forwarding no\n"
    );
    assert_eq!(set("# Port forwarding is off", "Port", &["22"]), "# Port forwarding is off\nPort 22");
    assert_eq!(set("UseDNS no\r\n", "Port", &["22"]), "UseDNS no\r\nPort 22\r\n");
    assert_eq!(set("", "Port", &["22"]), "Port 22\n");
}

#[test]
fn the_line_that_decides_may_be_in_another_file() {
    let tree = Tree::new(
        MAIN,
        files(&[
            ("sshd_config", "Include sshd_config.d/*.conf\nPasswordAuthentication yes\n"),
            ("sshd_config.d/50-cloud.conf", "passwordauthentication yes\n"),
            ("sshd_config.d/.x.conf", "PasswordAuthentication no\n"),
        ]),
    );
    assert_eq!(tree.patterns(), ["/etc/ssh/sshd_config.d/*.conf"]);
    let edits = tree.set("PasswordAuthentication", &words(&["no"])).unwrap();
    assert_eq!(edits.files.keys().collect::<Vec<_>>(), ["/etc/ssh/sshd_config.d/50-cloud.conf"]);
    assert_eq!(edits.files["/etc/ssh/sshd_config.d/50-cloud.conf"], b"passwordauthentication no\n");
}

#[test]
fn match_all_decides_before_the_global_part() {
    let text = "X11Forwarding no\nMatch User bob\nX11Forwarding no\nMatch all\nX11Forwarding yes\nPort 24\n";
    assert_eq!(tree(text).values("X11Forwarding")[0].line, 5);
    assert_eq!(tree(text).values("Port")[0].line, 6);
    assert_eq!(set(text, "X11Forwarding", &["no"]), text.replace("yes", "no"));
}

#[test]
fn scopes_through_includes() {
    let tree = Tree::new(
        MAIN,
        files(&[
            ("sshd_config", "Include a\nBanner /1\nMatch Host m\nInclude b\nBanner /2\n"),
            ("a", "Match Host x\nBanner /3\n"),
            ("b", "Banner /4\nMatch all\nBanner /5\n"),
        ]),
    );
    let banners: Vec<(String, Option<String>)> = tree
        .directives()
        .iter()
        .filter(|line| line.key == "banner")
        .map(|line| (line.args[0].clone(), line.scope.as_ref().map(|block| block.criteria.clone())))
        .collect();
    let some = |text: &str| Some(text.to_owned());
    let expected =
        [("/3", some("Host x")), ("/1", None), ("/4", some("Host m")), ("/5", some("all")), ("/2", some("Host m"))];
    assert_eq!(banners, expected.map(|(banner, scope)| (banner.to_owned(), scope)));
    assert_eq!(tree.values("Banner").len(), 1, "a Match all inside another Match is not for everybody");
}

#[test]
fn set_of_what_accumulates_touches_as_few_lines_as_it_can() {
    assert_eq!(set("Port 22\nPort 23\nPort 24\n", "Port", &["24", "2222"]), "Port 2222\n#Port 23\nPort 24\n");
    assert_eq!(set("Port 22\nUseDNS no\n", "Port", &["22", "23"]), "Port 22\nPort 23\nUseDNS no\n");
    assert_eq!(
        set("AllowUsers a b # x\nAllowUsers c\n", "AllowUsers", &["a", "d"]),
        "AllowUsers a d # x\n#AllowUsers c\n"
    );
    assert_eq!(set("ListenAddress [::1]\n", "ListenAddress", &["::1"]), "");
    assert_eq!(set("MaxStartups 5\nMaxStartups 6\n", "MaxStartups", &["6"]), "MaxStartups 6\nMaxStartups 6\n");
    let subsystems = "Subsystem sftp /bin/a\nSubsystem b /bin/b\n";
    assert_eq!(
        set(subsystems, "Subsystem", &["sftp internal-sftp"]),
        "Subsystem sftp internal-sftp\nSubsystem b /bin/b\n"
    );
}

#[test]
fn add_keeps_what_held_by_default() {
    assert_eq!(add("UseDNS no\n", "Port", &["2222"]), "UseDNS no\nPort 22\nPort 2222\n");
    assert_eq!(add("UseDNS no\n", "Port", &["22"]), "");
    assert_eq!(add("Port 2222\n", "Port", &["22"]), "Port 2222\nPort 22\n");
    let bad = "Port 99999\n";
    assert_eq!(add(bad, "Port", &["2222"]), "#Port 99999\nPort 2222\n", "a port that is none was never one");
    assert_eq!(add("", "ListenAddress", &["10.0.0.1"]), "", "sshd listens on every address");
    assert_eq!(
        add("AddressFamily inet\n", "ListenAddress", &["10.0.0.1:5"]),
        "AddressFamily inet\nListenAddress 0.0.0.0\nListenAddress 10.0.0.1:5\n"
    );
    assert!(add("", "HostKey", &["/k"]).contains("HostKey /etc/ssh/ssh_host_ed25519_key\nHostKey /k\n"));
    assert_eq!(add("AcceptEnv LANG\n", "AcceptEnv", &["LANG", "TZ"]), "AcceptEnv LANG\nAcceptEnv TZ\n");
    assert!(matches!(tree("").add("UseDNS", &words(&["no"])), Err(Error::OneValue { .. })));
}

#[test]
fn add_of_a_port_where_addresses_have_ports_of_their_own() {
    assert_eq!(
        add("ListenAddress 0.0.0.0:22\nListenAddress [::]:22\n", "Port", &["2222"]),
        "ListenAddress 0.0.0.0:22\nListenAddress [::]:22\nListenAddress 0.0.0.0:2222\nListenAddress [::]:2222\n"
    );
    assert_eq!(
        add("ListenAddress 10.0.0.1\nListenAddress ::1\nListenAddress [::1]:5\n", "Port", &["6"]),
        "ListenAddress 10.0.0.1\nListenAddress ::1\nListenAddress [::1]:5\nPort 22\nPort 6\n"
    );
}

#[test]
fn unset_leaves_what_is_inside_a_match() {
    let text = "\tx11forwarding yes\nMatch User bob\nX11Forwarding no\nX11Forwarding=yes\n";
    let edits = tree(text).unset("X11Forwarding").unwrap();
    assert_eq!(main_of(&edits), format!("#{text}"));
}

#[test]
fn what_is_refused() {
    let error = |key: &str, values: &[&str]| tree("").set(key, &words(values)).unwrap_err().to_string();
    assert_eq!(error("Prot", &["22"]), "sshd has no keyword `Prot`");
    assert_eq!(tree("").set("Prot", &words(&["22"])).unwrap_err().hint(), "did you mean Port?");
    assert_eq!(error("Port", &["99999"]), "`Port 99999`: Badly formatted port number.");
    assert_eq!(error("Port", &[]), "`Port` takes a value, and 0 are given");
    assert_eq!(error("Match", &["x"]), "`Match` is a block, not a value");
    assert_eq!(error("Banner", &["a\nb"]), "`Banner a\nb`: a line break or NUL cannot stand in a value");
    assert_eq!(tree("Include sshd_config\n").set("Port", &words(&["1"])), Err(Error::Endless));
    assert_eq!(tree("Port 1\0").set("Port", &words(&["2"])), Err(Error::Nul { file: MAIN.to_owned() }));
}

#[test]
fn words_that_stay_keep_their_bytes() {
    let text = b"AllowUsers 'a'\t\"b b\" \xff gone # x\n".to_vec();
    let tree = Tree::new(MAIN, BTreeMap::from([(MAIN.to_owned(), text)]));
    let edits = tree.set("AllowUsers", &words(&["a", "'b b'", "\u{fffd}", "new"])).unwrap();
    assert_eq!(edits.files[MAIN], b"AllowUsers 'a' \"b b\" \xff new # x\n");
}

#[test]
fn notes_say_what_a_person_should_know() {
    let notes = |edits: Edits| edits.notes.join("; ");
    let own = tree("ListenAddress 0.0.0.0:22\n").set("Port", &words(&["23"])).unwrap();
    assert!(notes(own).contains("has a port of its own"));
    let first = tree("").add("AllowUsers", &words(&["bob"])).unwrap();
    assert_eq!(notes(first), "AllowUsers: until now it was every user; now nobody else gets in");
    let twice =
        Tree::new(MAIN, files(&[("sshd_config", "Include a\nMatch User bob\nInclude a\n"), ("a", "Banner /x\n")]));
    let edits = twice.set("Banner", &words(&["/y"])).unwrap();
    assert_eq!(notes(edits), "/etc/ssh/a is also read inside `Match User bob` (/etc/ssh/sshd_config:2)");
}

/// A list item with a blank is one name: as two words it would let two other groups in.
#[test]
fn a_name_with_a_blank_is_one_word() {
    assert_eq!(one_word("allowgroups", "domain users"), "\"domain users\"");
    assert_eq!(one_word("AllowGroups", "admins"), "admins");
    assert_eq!(one_word("AllowGroups", "\"domain users\""), "\"domain users\"");
    assert_eq!(one_word("AcceptEnv", "LANG LC_*"), "LANG LC_*");
    assert_eq!(one_word("ListenAddress", "10.0.0.1 rdomain 1"), "10.0.0.1 rdomain 1");
    let tree = |text: &str| Tree::new("/m", [("/m".to_owned(), text.as_bytes().to_vec())].into());
    let set = |text: &str, item: &str| tree(text).set("AllowGroups", &[one_word("AllowGroups", item)]).unwrap().files;
    assert_eq!(set("AllowGroups domain users\n", "domain users")["/m"], b"AllowGroups \"domain users\"\n");
    assert!(set("AllowGroups \"domain users\"\n", "domain users").is_empty());
}

#[test]
fn no_value_is_said_so() {
    let tree = Tree::new("/m", [("/m".to_owned(), b"Port 22\n".to_vec())].into());
    let said = |key: &str, value: &str| tree.set(key, &[value.to_owned()]).unwrap_err().to_string();
    assert_eq!(said("Banner", ""), "`Banner `: there is no value; `none` is what turns it off");
    assert_eq!(said("Banner", "\"\""), "`Banner \"\"`: there is no value; `none` is what turns it off");
    assert_eq!(said("Port", " "), "`Port  `: there is no value");
}
