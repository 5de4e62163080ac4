//! The judge against what hosts say: no host.

use super::super::canned::Canned;
use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILYT+uWPVc7HKhZsiVFEpRd6bzs+2bCzBP1tf3rz67hx me\n";

const OTHER: &str = "SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDhm0oCzk8i0pD0wXo";

/// A host as it should be, with parts of its answer replaced.
fn host(changes: &[(&str, &str)]) -> String {
    let mut out = format!(
        "user bob:x:1001:1001::/home/bob:/bin/bash\nnames bob staff\ngids 1001 50\nshadow set:20000:99999::\ntoday 20400\n\
         from 10.77.0.1\ndebian\n-- T 0\nusepam yes\nstrictmodes yes\npermitrootlogin without-password\n\
         pubkeyauthentication yes\npasswordauthentication yes\nauthorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2\n\
         authenticationmethods any\nrequiredrsasize 1024\npubkeyacceptedalgorithms ssh-ed25519,rsa-sha2-512\n-- end\nhome /home/bob\n\
         file listed /home/bob/.ssh/authorized_keys\n\
         part regular file|600|1001|1001|bob|bob|/home/bob/.ssh/authorized_keys\npart directory|700|1001|1001|bob|bob|/home/bob/.ssh\n\
         part directory|750|1001|1001|bob|bob|/home/bob\npart directory|755|0|0|root|root|/home\npart directory|755|0|0|root|root|/\n\
         content {} /home/bob/.ssh/authorized_keys\n{KEY}\n\
         group 1001:bob:\ngroup 50:staff:\nprimary 1001:bob\nshell regular file|755\nspare /bin/bash\nsystem running\n\
         pam account pam_nologin.so\npam account pam_unix.so\nvalid\n",
        KEY.len()
    );
    for (old, new) in changes {
        assert!(out.contains(old), "{old}");
        out = out.replace(old, new);
    }
    out
}

fn decide(out: &str, config: &str, params: Value) -> Result<Decision, Halt> {
    Canned::new(|sh| {
        let lines = format!("= /etc/ssh/sshd_config\n{config}");
        (0, if sh.contains("rb_included") { lines } else { out.to_owned() })
    })
    .decide(&Login, &params)
}

/// The kinds and words of what stands in bob's way.
fn ways(changes: &[(&str, &str)], config: &str) -> Vec<(String, String)> {
    let d = decide(&host(changes), config, json!({"user": "bob"})).unwrap();
    let text = |o: &Value, k: &str| o[k].as_str().unwrap_or_default().to_owned();
    let all = d.fields["obstacles"].as_array().unwrap();
    assert_eq!(d.ok, all.is_empty());
    all.iter().map(|o| (text(o, "kind"), text(o, "what"))).collect()
}

fn way(changes: &[(&str, &str)], config: &str) -> (String, String) {
    let mut all = ways(changes, config);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn a_host_that_lets_bob_in() {
    let d = decide(&host(&[]), "", json!({"user": "bob"})).unwrap();
    assert_eq!(
        d.evidence,
        "bob may log in by key: /home/bob/.ssh/authorized_keys has SHA256:WSN1oEt1NPBGlCuhS6C0QbMK3nP1n8ZXMapufRWm1yQ"
    );
    assert_eq!(d.fields["keys"], json!(["SHA256:WSN1oEt1NPBGlCuhS6C0QbMK3nP1n8ZXMapufRWm1yQ"]));
    assert!(decide(&host(&[]), "", json!({"user": "bob", "key": KEY})).unwrap().ok);
    assert!(decide(&host(&[]), "", json!({"user": "bob", "by": "password"})).unwrap().ok);
}

#[test]
fn modes_and_owners() {
    let (kind, what) = way(&[("|750|1001|1001|bob|bob|/home/bob\n", "|777|1001|1001|bob|bob|/home/bob\n")], "");
    assert_eq!(kind, "modes");
    assert_eq!(
        what,
        "others than bob may write to /home/bob (mode 0777, of bob), and so sshd does not trust the keys in /home/bob/.ssh/authorized_keys; \
         anybody on this host may have added a key there: ssh-keygen -lf /home/bob/.ssh/authorized_keys"
    );
    let open = [
        ("|700|1001|1001|bob|bob|/home/bob/.ssh\n", "|777|1001|1001|bob|bob|/home/bob/.ssh\n"),
        ("|600|1001|1001|bob|bob|/home/bob/.ssh/auth", "|666|1001|1001|bob|bob|/home/bob/.ssh/auth"),
    ];
    let d = decide(&host(&open), "", json!({"user": "bob"})).unwrap();
    let all = d.fields["obstacles"].as_array().unwrap();
    let modes: Vec<&Value> = all.iter().map(|o| &o["mode"]).collect();
    assert_eq!(modes, ["0700", "0600"]);
    let said = |o: &Value| o["what"].as_str().unwrap().contains("anybody on this host may have added a key");
    assert!(said(&all[0]) && !said(&all[1]));
    // Above the home nothing is judged, and a private group of Debian's does no harm.
    assert!(ways(&[("|755|0|0|root|root|/home\n", "|777|0|0|root|root|/home\n")], "").is_empty());
    let private = ("|750|1001|1001|bob|bob|/home/bob\n", "|770|1001|1001|bob|bob|/home/bob\n");
    assert!(ways(&[private], "").is_empty());
    assert_eq!(ways(&[private, ("debian\n", "")], "").len(), 1);
    assert_eq!(ways(&[private, ("group 1001:bob:", "group 1001:bob:alice")], "").len(), 1);
    assert!(ways(&[private, ("debian\n", ""), ("strictmodes yes", "strictmodes no")], "").is_empty());
    // root's, and for root alone: sshd reads it as bob.
    let (_, what) =
        way(&[("|600|1001|1001|bob|bob|/home/bob/.ssh/auth", "|600|0|0|root|root|/home/bob/.ssh/auth")], "");
    assert_eq!(
        what,
        "/home/bob/.ssh/authorized_keys may not be read by bob (mode 0600, of root), and sshd looks for keys as bob"
    );
    let (_, what) =
        way(&[("|700|1001|1001|bob|bob|/home/bob/.ssh\n", "|755|1002|1002|alice|alice|/home/bob/.ssh\n")], "");
    assert!(what.contains("/home/bob/.ssh belongs to alice"), "{what}");
}

#[test]
fn keys_that_are_not_there() {
    let gone = ("part regular file|600|1001|1001|bob|bob|/home/bob/.ssh/authorized_keys\n", "absent\n");
    let content = format!("content {} /home/bob/.ssh/authorized_keys\n{KEY}\n", KEY.len());
    let none = [gone, (content.as_str(), "")];
    assert_eq!(way(&none, "").1, "there is no key of bob's: /home/bob/.ssh/authorized_keys does not exist");
    let d = decide(&host(&[]), "", json!({"user": "bob", "key": OTHER})).unwrap();
    assert_eq!(
        d.evidence,
        "the key SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDhm0oCzk8i0pD0wXo is not among the 1 in /home/bob/.ssh/authorized_keys"
    );
    let elsewhere = [
        ("file listed /home/bob", "file listed /etc/keys/bob\nabsent\nfile other /home/bob"),
        (".ssh/authorized_keys .ssh/authorized_keys2", "/etc/keys/%u"),
    ];
    let (kind, what) = way(&elsewhere, "4:AuthorizedKeysFile /etc/keys/%u\n");
    assert_eq!(kind, "policy");
    assert_eq!(
        what,
        "sshd looks for bob's keys in /etc/keys/bob (/etc/ssh/sshd_config:4 says \"AuthorizedKeysFile /etc/keys/%u\"), and they are in /home/bob/.ssh/authorized_keys"
    );
    let options = |o: &str| format!("content {} x\n{o} {KEY}\n", KEY.len() + o.len() + 1);
    let with = |o: &str| way(&[(content.as_str(), &options(o))], "").1;
    assert!(with("from=\"10.9.0.0/16\"").ends_with("from=\"10.9.0.0/16\", and you come from 10.77.0.1"));
    assert!(with("expiry-time=\"20200101\"").ends_with("expiry-time=\"20200101\" is past"));
    assert!(way(&[("ssh-ed25519,", "")], "").1.contains("PubkeyAcceptedAlgorithms"));
    let bom = format!("content {} x\n\u{feff}{KEY}\n", KEY.len() + 3);
    assert_eq!(way(&[(content.as_str(), &bom)], "").0, "spoiled");
}

#[test]
fn who_may_come_in() {
    let with = |setting: &str, config: &str| way(&[("usepam yes\n", &format!("usepam yes\n{setting}\n"))], config);
    assert_eq!(
        with("allowusers alice", "7:AllowUsers alice\n").1,
        "those whom sshd lets in do not include bob from 10.77.0.1: /etc/ssh/sshd_config:7 says \"AllowUsers alice\""
    );
    assert_eq!(with("allowgroups wheel adm", "7:AllowGroups wheel adm\n").0, "policy");
    assert!(with("denyusers b*@10.77.0.0/24", "7:DenyUsers b*@10.77.0.0/24\n").1.contains("sshd_config:7"));
    assert!(with("denygroups staff", "").1.contains("who is in the group staff,"));
    // What is overruled: a word for bob alone, which stands in a line for everybody.
    let denied = |setting: &str, config: &str| {
        let out = host(&[("usepam yes\n", &format!("usepam yes\n{setting}\n"))]);
        let d = decide(&out, config, json!({"user": "bob"})).unwrap();
        let o = &d.fields["obstacles"][0];
        (o["set"].clone(), o["unset"].clone())
    };
    let nothing = (json!({}), json!([]));
    assert_eq!(denied("denyusers bob", "7:DenyUsers bob\n"), (json!({}), json!(["DenyUsers"])));
    let two = "7:DenyUsers eve bob\n9:DenyUsers bob@10.* mallory\n";
    let rest = json!({"DenyUsers": ["eve", "mallory"]});
    assert_eq!(denied("denyusers eve\ndenyusers bob\ndenyusers bob@10.*\ndenyusers mallory", two), (rest, json!([])));
    assert_eq!(denied("denyusers bob\ndenyusers b*", "7:DenyUsers bob b*\n"), nothing);
    assert_eq!(denied("denyusers bob", "6:Match Address 10.*\n7:DenyUsers bob\n"), nothing);
    assert_eq!(denied("denygroups staff", "7:DenyGroups staff\n"), nothing);
    assert!(
        ways(&[("usepam yes\n", "usepam yes\nallowusers b?b@10.*\nallowgroups staff\ndenyusers al\n")], "").is_empty()
    );
    assert!(
        way(&[("pubkeyauthentication yes", "pubkeyauthentication no")], "2:PubkeyAuthentication no\n")
            .1
            .contains(":2 says")
    );
    let methods = [("authenticationmethods any", "authenticationmethods publickey,password")];
    assert!(way(&methods, "3:AuthenticationMethods publickey,password\n").1.starts_with("a key alone is not enough"));
    let root = |value: &str, by: &str| {
        let out = host(&[
            ("user bob:x:1001:1001::/home/bob", "user root:x:0:0::/home/bob"),
            ("permitrootlogin without-password", &format!("permitrootlogin {value}")),
        ]);
        decide(&out, "5:PermitRootLogin prohibit-password\n", json!({"user": "root", "by": by})).unwrap()
    };
    assert!(root("no", "key").evidence.starts_with("sshd does not let root in: "));
    assert!(
        root("without-password", "password")
            .evidence
            .ends_with("/etc/ssh/sshd_config:5 says \"PermitRootLogin prohibit-password\"")
    );
    assert!(root("yes", "password").ok);
}

#[test]
fn accounts() {
    assert_eq!(way(&[("user bob:x:1001:1001::/home/bob:/bin/bash\n", "")], "").1, "there is no user bob on this host");
    assert_eq!(
        way(&[("shadow set:20000:99999::", "shadow set:20000:99999::20399")], "").1,
        "bob's account has expired on 2025-11-07"
    );
    assert_eq!(way(&[("shadow set:20000:99999::", "shadow set:20000:90::")], "").0, "aged");
    assert_eq!(way(&[("shadow set:20000:99999::", "shadow set:20000:90:10:")], "").0, "expired");
    assert_eq!(way(&[("shadow set:20000:99999::", "shadow set:0:99999::")], "").0, "aged");
    // A locked password keeps keys out only where PAM does not decide.
    let locked = ("shadow set:", "shadow locked:");
    assert!(ways(&[locked], "").is_empty());
    assert_eq!(way(&[locked, ("usepam yes", "usepam no")], "").0, "locked");
    let d = decide(&host(&[locked]), "", json!({"user": "bob", "by": "password"})).unwrap();
    assert_eq!(d.evidence, "bob's password is locked");
    assert_eq!(way(&[("shell regular file|755", "shell absent")], "").1, "bob's shell /bin/bash does not exist");
    assert_eq!(way(&[("shell regular file|755", "shell regular file|644")], "").0, "shell_mode");
    assert_eq!(way(&[(":/bin/bash\n", ":/usr/sbin/nologin\n")], "").0, "no_shell");
}

#[test]
fn pam_s_rules() {
    let there = ("valid\n", "valid\nnologin /run/nologin System is booting up.\n");
    assert_eq!(way(&[there], "").1, "only root may log in while /run/nologin is there: \"System is booting up.\"");
    assert_eq!(way(&[there, ("system running", "system starting\njob network-online.target")], "").0, "booting");
    assert_eq!(way(&[there, ("system running", "system running\nshutdown")], "").0, "going_down");
    assert!(ways(&[there, ("pam account pam_nologin.so\n", "")], "").is_empty());
    let access = [(
        "valid\n",
        "valid\npam account pam_access.so\naccess /etc/security/access.conf:9:- : ALL EXCEPT root : ALL\n",
    )];
    let mut maybe = access;
    maybe[0].1 = "valid\npam account pam_access.so\naccess /a:1:+ : bob : .example.org\naccess /a:2:- : ALL : ALL\n";
    assert!(ways(&maybe, "").is_empty());
    assert_eq!(
        way(&access, "").1,
        "PAM does not let bob in: /etc/security/access.conf:9 says \"- : ALL EXCEPT root : ALL\""
    );
}

#[test]
fn a_home_that_hangs() {
    let out = host(&[]);
    let (before, rest) = out.split_once("home /home/bob\n").unwrap();
    let after = &rest[rest.find("shell regular").unwrap()..];
    let d = decide(&format!("{before}hangs /home/bob\n{after}"), "", json!({"user": "bob"})).unwrap();
    let all = d.fields["obstacles"].as_array().unwrap();
    assert_eq!((d.ok, all.len(), &all[0]["kind"]), (false, 1, &json!("place")));
    assert!(
        d.evidence.starts_with("/home/bob is on a file system of the network that did not answer"),
        "{}",
        d.evidence
    );
}

#[test]
fn what_cannot_be_told() {
    let out = host(&[("-- T 0\n", "-- T 255\n/etc/ssh/sshd_config: line 3: Bad configuration option: Prot\n")]);
    assert!(
        matches!(decide(&out, "", json!({"user": "bob"})), Err(Halt::Unknown { why, .. }) if why.ends_with("Prot"))
    );
    assert!(matches!(decide("", "", json!({"user": "a b"})), Err(Halt::Error { .. })));
    assert!(matches!(decide("", "", json!({"user": "bob", "key": "x"})), Err(Halt::Error { .. })));
}

/// The kinds and words of what stands in bob's way, by what PAM's files say and what exists.
fn named(changes: &[(&str, &str)], config: &str, pam: &str, exists: &str) -> Vec<(String, String)> {
    let out = host(changes);
    let canned = Canned::new(|sh| {
        let text = match () {
            () if sh.contains("rb_included") => format!("= /etc/ssh/sshd_config\n{config}"),
            () if sh.starts_with("rb_pam") => pam.to_owned(),
            () if sh.starts_with("rb_exist") => exists.to_owned(),
            () => out.clone(),
        };
        (0, text)
    });
    let d = canned.decide(&Login, &json!({"user": "bob"})).unwrap();
    let text = |o: &Value, k: &str| o[k].as_str().unwrap_or_default().to_owned();
    d.fields["obstacles"].as_array().unwrap().iter().map(|o| (text(o, "kind"), text(o, "what"))).collect()
}

#[test]
fn lines_that_name_what_does_not_exist() {
    let pam = "= /etc/pam.d/sshd\n1:account required pam_tally2.so\n2:account sufficient pam_ldap.so\n";
    let gone = "= pam pam_tally2.so\nno\n= pam pam_ldap.so\nno\n";
    assert_eq!(
        named(&[], "", pam, gone),
        [(
            "named".to_owned(),
            "PAM lets nobody in: /etc/pam.d/sshd:1 says \"account required pam_tally2.so\", and the PAM module pam_tally2.so does not exist".to_owned()
        )]
    );
    let with = |setting: &str| format!("usepam yes\n{setting}\n");
    let revoked = with("revokedkeys /etc/ssh/revoked_keys");
    let all = named(
        &[("usepam yes\n", &revoked)],
        "3:RevokedKeys /etc/ssh/revoked_keys\n",
        "",
        "= file /etc/ssh/revoked_keys\nno\nnear revoked_key\n",
    );
    assert!(all[0].1.ends_with("/etc/ssh/revoked_keys does not exist (/etc/ssh/revoked_key does)"), "{all:?}");
    // A line that does not count for bob is no fault of his.
    assert!(named(&[], "3:RevokedKeys /x\n", "", "= file /x\nno\n").is_empty());
    let all = named(&[], "", "", "= directory /home/bob\nno\ndirectory /home\n");
    assert_eq!((all.len(), all[0].0.as_str()), (1, "home"));
    assert!(all[0].1.ends_with("/home/bob does not exist: there is no directory /home"), "{all:?}");
    let chroot = with("chrootdirectory /srv/sftp\nforcecommand internal-sftp");
    let exists = "= file /srv/sftp\nok directory|755|65534|0\n= file /srv\nok directory|755|0|0\n= file /\nok directory|755|0|0\n";
    let all = named(&[("usepam yes\n", &chroot)], "", "", exists);
    assert_eq!(all[0].0, "chroot");
    assert!(all[0].1.contains("/srv/sftp belongs to uid 65534"), "{all:?}");
}

#[test]
fn the_log_of_the_last_try() {
    let said = |line: &str| named(&[("valid\n", &format!("valid\nreason {line}\n"))], "", "", "");
    let all = said("pam_listfile(sshd:account): Refused user bob for service sshd");
    // A module that PAM does not ask any more explains nothing.
    assert!(said("PAM unable to dlopen(pam_gone.so): /lib/security/pam_gone.so: cannot open").is_empty(), "{all:?}");
    let all = said("fatal: Access denied for user bob by PAM account configuration [preauth]");
    assert_eq!((all.len(), all[0].0.as_str()), (1, "log"));
    // What is judged by looking may have been repaired since.
    assert!(said("User bob from 10.77.0.1 not allowed because not listed in AllowUsers").is_empty());
}

/// A host with some accounts like bob; what is put in place of what in the part of each.
fn everybody(accounts: &[(&str, &[(&str, &str)])], params: Value, config: &str) -> Decision {
    let one = host(&[]);
    let (account, common) = one.split_once("spare ").unwrap();
    let mut out = format!("debian\ntoday 20400\nspare {common}");
    for (name, changes) in accounts {
        let mut part =
            account.replace("debian\n", "").replace("from 10.77.0.1", "guessed\nfrom 10.77.0.1").replace("bob", name);
        for (old, new) in *changes {
            assert!(part.contains(old), "{old}");
            part = part.replace(old, new);
        }
        out += &format!("account {name}\n{part}valid\n");
    }
    decide(&out.replace("pam_unix.so\nvalid\n", "pam_unix.so\n"), config, params).unwrap()
}

#[test]
fn everybody_at_once() {
    let open = |name: &'static str| {
        (format!("|750|1001|1001|{name}|{name}|/home/{name}\n"), format!("|777|1001|1001|{name}|{name}|/home/{name}\n"))
    };
    let (a, c) = (open("alice"), open("carol"));
    let (a, c) = ([(a.0.as_str(), a.1.as_str())], [(c.0.as_str(), c.1.as_str())]);
    let d = everybody(&[("alice", &a), ("bob", &[]), ("carol", &c)], json!({}), "");
    let whats: Vec<(&Value, &Value, &Value)> =
        d.fields["obstacles"].as_array().unwrap().iter().map(|o| (&o["kind"], &o["user"], &o["path"])).collect();
    assert_eq!(json!(whats), json!([["modes", "alice", "/home/alice"], ["modes", "carol", "/home/carol"]]));
    let fine = everybody(&[("alice", &[]), ("bob", &[])], json!({"user": ""}), "");
    assert_eq!((fine.ok, fine.evidence.as_str()), (true, "alice and bob may log in by key"));
    assert_eq!(fine.fields["accounts"].as_array().unwrap().len(), 2);
    // sshd's settings come once for all of whom they are the same.
    let one = host(&[]);
    let at = |word: &str| one.find(word).unwrap();
    let dump = &one[at("-- T 0")..at("-- end") + "-- end\n".len()];
    let d = everybody(&[("alice", &[]), ("carol", &[(dump, "-- same\n")])], json!({}), "");
    assert_eq!(d.evidence, "alice and carol may log in by key");
    // What is the same for all is said once.
    let shut = [("shell regular", "nologin /run/nologin System is booting up.\nshell regular")];
    let d = everybody(&[("alice", &shut), ("bob", &shut)], json!({}), "");
    assert_eq!(d.fields["obstacles"].as_array().unwrap().len(), 1, "{}", d.evidence);
    // Nobody at all.
    let d = everybody(&[], json!({}), "");
    assert_eq!((d.ok, d.evidence.as_str()), (false, "no account of this host has a shell to log in with and a key"));
    // Whose key it is.
    assert!(everybody(&[("alice", &[])], json!({"key": KEY}), "").ok);
    let d = everybody(&[("alice", &[])], json!({"key": OTHER}), "");
    assert!(d.evidence.starts_with("none of the 1 accounts with keys has the key SHA256:uNi"), "{}", d.evidence);
}

#[test]
fn who_is_kept_out_on_purpose() {
    let allowed = [("usepam yes\n", "usepam yes\nallowusers bob\n")];
    let config = "7:AllowUsers bob\n";
    let d = everybody(&[("alice", &allowed), ("bob", &allowed)], json!({}), config);
    assert!(d.ok);
    assert_eq!(
        d.evidence,
        "bob may log in by key; alice is kept out on purpose: those whom sshd lets in do not include alice: /etc/ssh/sshd_config:7 says \"AllowUsers bob\""
    );
    assert_eq!(d.fields["accounts"].as_array().unwrap().len(), 1);
    // Where nobody is left it is a fault.
    let d = everybody(&[("alice", &allowed), ("carol", &allowed)], json!({}), config);
    assert_eq!((d.ok, d.fields["obstacles"].as_array().unwrap().len()), (false, 2));
    // A key for other places is for them; the last who tried that name may be anybody.
    let content = format!("content {} /home/bob/.ssh/authorized_keys\n{KEY}\n", KEY.len());
    let from = format!("content {} x\nfrom=\"10.9.0.0/16\" {KEY}\n", KEY.len() + 19);
    let bob: &[(&str, &str)] = &[(&content, &from)];
    assert!(everybody(&[("alice", &[]), ("bob", bob)], json!({}), "").ok);
}

#[test]
fn where_nobody_has_keys() {
    let elsewhere = |name: &str| {
        let listed = format!("file listed /home/{name}/.ssh/authorized_keys");
        (
            listed,
            format!(
                "file listed /home/{name}/.ssh/authorized_key\nabsent\nfile other /home/{name}/.ssh/authorized_keys"
            ),
        )
    };
    let place = (".ssh/authorized_keys .ssh/authorized_keys2", ".ssh/authorized_key");
    let (a, b) = (elsewhere("alice"), elsewhere("bob"));
    let (a, b) = ([(a.0.as_str(), a.1.as_str()), place], [(b.0.as_str(), b.1.as_str()), place]);
    let config = "4:AuthorizedKeysFile .ssh/authorized_key\n9:AuthorizedKeysFile .ssh/authorized_keys\n";
    let d = everybody(&[("alice", &a), ("bob", &b)], json!({}), config);
    let all = d.fields["obstacles"].as_array().unwrap();
    assert_eq!((all.len(), &all[0]["kind"]), (1, &json!("nobody")));
    assert_eq!(
        d.evidence,
        "sshd looks for keys in .ssh/authorized_key (/etc/ssh/sshd_config:4 says \"AuthorizedKeysFile .ssh/authorized_key\", and sshd \
         takes the first such line, not /etc/ssh/sshd_config:9), and there are none: the 2 accounts that have keys have them in ~/.ssh \
         (alice and bob)"
    );
    assert_eq!(all[0]["set"], json!({"AuthorizedKeysFile": ".ssh/authorized_key .ssh/authorized_keys"}));
    // Where it works for somebody, it is meant so.
    assert!(everybody(&[("alice", &a), ("bob", &[])], json!({}), config).ok);
}

#[test]
fn what_a_key_does_not_come_to() {
    // sshd asks PAM's `auth` for passwords alone.
    let shells = [("valid\n", "pam auth pam_shells.so\n")];
    assert!(ways(&shells, "").is_empty());
    assert!(!decide(&host(&shells), "", json!({"user": "bob", "by": "password"})).unwrap().ok);
    assert_eq!(way(&[("valid\n", "pam account pam_shells.so\n")], "").0, "no_shell");
}

#[test]
fn a_session_that_ends_at_once() {
    let with = |setting: &str, config: &str| way(&[("usepam yes\n", &format!("usepam yes\n{setting}\n"))], config).1;
    assert_eq!(
        with("maxauthtries 0", "3:MaxAuthTries 0\n"),
        "sshd ends each login of bob before the first try: /etc/ssh/sshd_config:3 says \"MaxAuthTries 0\""
    );
    assert!(with("forcecommand /bin/false", "3:ForceCommand /bin/false\n").contains("every session ends at once"));
    let limit = "valid\nlimit /etc/security/limits.conf:57:@staff - maxlogins 0\nlimit /x:1:eve - nproc 0\n";
    let session = "= /etc/pam.d/sshd\n9:session required pam_limits.so\n";
    assert_eq!(
        named(&[("valid\n", limit)], "", session, ""),
        [(
            "limit".to_owned(),
            "bob is let in and gets no session: /etc/security/limits.conf:57 says \"@staff - maxlogins 0\"".to_owned()
        )]
    );
    assert!(named(&[("valid\n", limit)], "", "", "").is_empty());
    // A file of data does not become a program.
    let d = decide(&host(&[("valid\n", "noprogram\n"), ("file|755", "file|644")]), "", json!({"user": "bob"})).unwrap();
    assert_eq!(
        (&d.fields["obstacles"][0]["kind"], d.evidence.as_str()),
        (&json!("shell"), "bob's shell /bin/bash is no program")
    );
}

#[test]
fn what_is_in_the_place_of_keys() {
    let content = format!("content {} /home/bob/.ssh/authorized_keys\n{KEY}\n", KEY.len());
    let file = "part regular file|600|1001|1001|bob|bob|/home/bob/.ssh/authorized_keys\n";
    let directory = file.replace("regular file", "directory");
    let (kind, what) = way(&[(file, &directory), (&content, "")], "");
    assert_eq!(kind, "keys");
    assert!(what.ends_with("/home/bob/.ssh/authorized_keys is a directory, and sshd looks for a file there"), "{what}");
    let above = "part directory|700|1001|1001|bob|bob|/home/bob/.ssh\n";
    let (_, what) =
        way(&[(file, "absent\n"), (above, &above.replace("directory", "regular file")), (&content, "")], "");
    assert!(what.ends_with("/home/bob/.ssh is a regular file, and sshd looks for a directory there"), "{what}");
    let taken = [("ssh-ed25519,rsa-sha2-512", "rsa-sha2-512")];
    assert!(
        way(&taken, "3:PubkeyAcceptedAlgorithms rsa-sha2-512\n").1.ends_with(
            "is not among its PubkeyAcceptedAlgorithms (/etc/ssh/sshd_config:3 says \"PubkeyAcceptedAlgorithms rsa-sha2-512\")"
        )
    );
}
