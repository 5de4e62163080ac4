//! An edit changes the line that it is about, and nothing else of the file.

use crate::support::{Host, fixture};

const MAKE: &str = r"
    mkdir /etc/lab; cd /etc/lab; umask 022
    for f in acl xattr mode real hard; do printf 'x = 1\na = 1\n' >$f.conf; done
    setfacl -m u:admin:rw,g:adm:r acl.conf
    setfattr -n user.test -v kept xattr.conf
    chown root:adm mode.conf; chmod 0640 mode.conf
    ln -s real.conf link.conf
    ln hard.conf other.conf
    printf 'x = 1\r\na = 1\r\nlast' >crlf.conf
    printf 'a = 1\n\377\376 = \344\n' >latin.conf
    chown 12345:54321 latin.conf; chmod 4750 latin.conf";

#[test]
fn an_edit_keeps_every_attribute() {
    let Some(host) = Host::up("attributes") else { return };
    host.sh(MAKE);
    let acl = host.sh("getfacl -n /etc/lab/acl.conf");
    let run = host.run("apply", &fixture("attributes.yaml"), None, &[]);
    assert_eq!(run.exit, 0, "{}", run.seen());
    let says = |script: &str, want: &str| {
        let got = host.sh(&format!("cd /etc/lab; {script}"));
        assert_eq!(got, want, "{script}");
    };
    assert_eq!(host.sh("getfacl -n /etc/lab/acl.conf"), acl, "the ACL");
    says("getfattr --only-values -n user.test xattr.conf", "kept");
    says("stat -c '%a %U:%G' mode.conf xattr.conf", "640 root:adm\n644 root:root\n");
    says("readlink link.conf; stat -c %F link.conf", "real.conf\nsymbolic link\n");
    says("cat acl.conf xattr.conf mode.conf real.conf hard.conf", &"x = 1\na = 2\n".repeat(5));
    says("cat other.conf; stat -c %h other.conf hard.conf", "x = 1\na = 1\n1\n1\n");
    says("od -An -c crlf.conf | tr -d ' \n'", r"x=1\r\na=2\r\nlast");
    says("od -An -to1 latin.conf", " 141 040 075 040 062 012 377 376 040 075 040 344 012\n");
    says("stat -c '%a %u:%g' latin.conf", "4750 12345:54321\n");
    says(
        "ls -A | tr '\n' ' '",
        "acl.conf crlf.conf hard.conf latin.conf link.conf mode.conf other.conf real.conf xattr.conf ",
    );
}
