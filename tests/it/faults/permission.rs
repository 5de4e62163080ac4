//! The client is let in by nobody: causes 35, 58, 59.

use super::{Fault, HEALTHY_HOST, Kind, REPAIRED};

/// The user is admin, who has the lab's key and may use sudo.
const DENIED: Fault = Fault {
    number: "59",
    book: "ssh-permission-denied",
    client: ADMIN,
    symptom: r"Permission denied \(publickey",
    args: &["-e", "user=admin"],
    ..REPAIRED
};

/// Somebody has decided so.
const DECIDED: Fault = Fault { rounds: 0, exit: 1, ..DENIED };

const ADMIN: &[&str] = &["-l", "admin"];
const OVERRULE: &[&str] = &["-e", "user=admin", "-e", "policy=overrule"];
const LIFT: &[&str] = &["-e", "user=admin", "-e", "expiry=lift"];

faults! {
    permission_home {
        number: "35",
        title: "the user's home is for everybody to write",
        breaks: "chmod 777 /home/admin",
        says: r"others than admin may write to /home/admin \(mode 0777, of admin\)",
        ci: true,
        ..DENIED
    }
    permission_recursive {
        number: "35",
        title: "chmod -R 777 of the user's home",
        breaks: "chmod -R 777 /home/admin",
        says: "others than admin may write to /home/admin ",
        ..DENIED
    }
    permission_trixie {
        number: "35",
        title: "the keys are for others to write, on Debian 13",
        kind: Kind::TrixieService,
        breaks: "chmod 666 /home/admin/.ssh/authorized_keys",
        says: "may write to /home/admin/.ssh/authorized_keys",
        ..DENIED
    }
    permission_of_root {
        number: "35",
        title: "the user's keys were made by root, for root alone",
        breaks: "chown -R root:root /home/admin/.ssh",
        says: r"/home/admin/\.ssh may not be entered by admin \(mode 0700, of root\)",
        ..DENIED
    }
    permission_of_another {
        number: "35",
        title: "the user's home belongs to another user",
        breaks: "useradd -M alice; chown alice:alice /home/admin; chmod 755 /home/admin",
        says: "/home/admin belongs to alice",
        ..DENIED
    }
    permission_group {
        number: "35",
        title: "the user's own group may write to the home, and another user is in that group",
        breaks: "useradd -M alice; usermod -aG admin alice; chmod 775 /home/admin",
        says: "others than admin may write to /home/admin ",
        ..DENIED
    }
    permission_without_pam {
        title: "the account is locked, and UsePAM is no",
        breaks: "usermod -L admin; config 'UsePAM no'",
        says: "admin's account is locked, and without PAM",
        ..DECIDED
    }
    permission_mark {
        title: "the file of keys has a byte order mark",
        breaks: r"sed -i '1s/^/\xef\xbb\xbf/' /home/admin/.ssh/authorized_keys",
        says: "authorized_keys:1: it begins with a byte order mark",
        ..DENIED
    }
    permission_utf16 {
        title: "the file of keys was saved as UTF-16",
        breaks: "cd /home/admin/.ssh; iconv -t UTF-16 authorized_keys >x; cat x >authorized_keys; rm x",
        says: "UTF-16",
        ..DENIED
    }
    permission_wrapped {
        title: "the key was broken over lines when it was pasted",
        breaks: "cd /home/admin/.ssh; fold -w 50 authorized_keys >x; cat x >authorized_keys; rm x",
        says: "authorized_keys:1: the key on it is cut off or damaged",
        ..DENIED
    }
    permission_no_key {
        title: "the user has no key",
        breaks: "rm /home/admin/.ssh/authorized_keys",
        says: "there is no key of admin's: /home/admin/.ssh/authorized_keys does not exist",
        ..DECIDED
    }
    permission_from {
        title: "the key is for clients of another network",
        breaks: r#"sed -i 's/^/from="10.9.0.0\/16" /' /home/admin/.ssh/authorized_keys"#,
        says: "10\\.9\\.0\\.0/16\", and you come from 10\\.77\\.0\\.1",
        args: &["-e", "user=admin", "-e", "client=10.77.0.1"],
        ..DECIDED
    }
    permission_elsewhere {
        title: "sshd looks for keys elsewhere",
        breaks: "config 'AuthorizedKeysFile /etc/ssh/keys/%u'",
        says: r"sshd looks for admin's keys in /etc/ssh/keys/admin \(/etc/ssh/sshd_config\.d/50-lab\.conf:1",
        ..DECIDED
    }
    permission_elsewhere_overruled {
        title: "the same, and it is to look where they are, too",
        breaks: "config 'AuthorizedKeysFile /etc/ssh/keys/%u'",
        says: "sshd looks for admin's keys in /etc/ssh/keys/admin ",
        args: OVERRULE,
        ..DENIED
    }
    permission_allow_users {
        title: "AllowUsers does not name the user",
        breaks: "config 'AllowUsers root alice@10.*'",
        says: r#"those whom sshd lets in do not include admin from 10\.77\.0\.1: .*50-lab\.conf:1 says "AllowUsers root alice@10\.\*""#,
        ..DECIDED
    }
    permission_allow_users_overruled {
        title: "the same, and the user is to be let in",
        breaks: "config 'AllowUsers root alice@10.*'",
        says: "those whom sshd lets in do not include admin",
        args: OVERRULE,
        ..DENIED
    }
    permission_deny_users {
        title: "DenyUsers has a pattern that fits the user, and that is not for a program to take out",
        breaks: "config 'DenyUsers guest ad*@10.77.0.0/24'",
        says: r"sshd is told not to let admin from 10\.77\.0\.1 in: ",
        args: OVERRULE,
        ..DECIDED
    }
    permission_deny_users_overruled {
        title: "DenyUsers has the user's own name among others, and the user is to be let in",
        breaks: "config 'DenyUsers guest admin mallory'",
        says: r"sshd is told not to let admin from 10\.77\.0\.1 in: ",
        args: OVERRULE,
        ..DENIED
    }
    permission_deny_user_overruled {
        title: "DenyUsers has the user's name alone, and the user is to be let in",
        breaks: "config 'DenyUsers admin'",
        says: r"sshd is told not to let admin from 10\.77\.0\.1 in: ",
        args: OVERRULE,
        ..DENIED
    }
    permission_allow_groups {
        title: "the user is in none of the groups of AllowGroups",
        breaks: "config 'AllowGroups root wheel'",
        says: "the groups that sshd lets in are none of admin's: ",
        ..DECIDED
    }
    permission_deny_groups {
        title: "DenyGroups names a group of the user",
        breaks: "config 'DenyGroups sudo'",
        says: "admin, who is in the group sudo, in: ",
        ..DECIDED
    }
    permission_match {
        title: "a Match block takes no keys of the user",
        breaks: "config 'Match User admin' 'PubkeyAuthentication no'",
        symptom: r"Permission denied \(",
        says: r#"sshd takes no keys: .*:2 says "PubkeyAuthentication no" \(for Match User admin\)"#,
        args: OVERRULE,
        ..DECIDED
    }
    permission_no_keys {
        title: "sshd takes no keys, and is to take them",
        breaks: "config 'PubkeyAuthentication no'",
        symptom: r"Permission denied \(",
        says: r#"sshd takes no keys: .*:1 says "PubkeyAuthentication no""#,
        args: OVERRULE,
        ..DENIED
    }
    permission_methods {
        title: "sshd asks for a key and a password",
        breaks: "config 'AuthenticationMethods publickey,password'",
        symptom: r"Permission denied \(password",
        says: "a key alone is not enough for sshd",
        ..DECIDED
    }
    permission_root {
        title: "root is not let in",
        breaks: "config 'PermitRootLogin no'",
        client: &[],
        says: r#"sshd does not let root in: .*:1 says "PermitRootLogin no""#,
        args: &["-e", "user=root"],
        ..DECIDED
    }
    permission_root_overruled {
        title: "root is not let in, and is to be, by key",
        breaks: "config 'PermitRootLogin no'",
        client: &[],
        says: "sshd does not let root in: ",
        args: &["-e", "user=root", "-e", "policy=overrule"],
        ..DENIED
    }
    permission_expired {
        title: "the account has expired",
        breaks: "chage -E 2024-01-31 admin",
        symptom: "(?i)expired|closed",
        says: "admin's account has expired on 2024-01-31",
        ..DECIDED
    }
    permission_expired_lifted {
        title: "the account has expired, and is to be open again",
        breaks: "chage -E 2024-01-31 admin",
        symptom: "(?i)expired|closed",
        says: "admin's account has expired on 2024-01-31",
        args: LIFT,
        ..DENIED
    }
    permission_two_expired_and_to_choose {
        title: "two: the account has expired, and a new password is to be chosen at the next login",
        breaks: "chage -d 0 admin; chage -E 2024-01-01 admin",
        symptom: "(?i)expired|closed",
        says: "admin's account has expired on 2024-01-01",
        args: LIFT,
        rounds: 2,
        ..DENIED
    }
    permission_too_many_logins {
        title: "limits.conf lets the user have no login",
        breaks: "echo '* hard maxlogins 0' >>/etc/security/limits.conf",
        // The words are on the session's own standard output.
        symptom: "",
        says: "admin is let in and gets no session: .*maxlogins 0",
        rounds: 0,
        exit: 1,
        ..DENIED
    }
    permission_aged {
        title: "the password has run out, and the client has no terminal to change it on",
        breaks: "chage -d 2024-01-01 -M 30 admin",
        symptom: "(?i)password",
        says: "admin's password has run out on 2024-01-31: a login works on a terminal only",
        args: LIFT,
        ..DENIED
    }
    permission_shell_gone {
        title: "the user's shell was removed",
        breaks: "usermod -s /usr/bin/zsh admin",
        says: "admin's shell /usr/bin/zsh does not exist",
        ..DENIED
    }
    permission_shell_mode {
        title: "the user's shell may not be executed",
        breaks: "cp /bin/bash /usr/local/bin/shell; chmod 644 /usr/local/bin/shell; usermod -s /usr/local/bin/shell admin",
        says: r"admin's shell /usr/local/bin/shell may not be executed \(mode 0644\)",
        ..DENIED
    }
    permission_no_shell {
        title: "the user's shell ends every login",
        breaks: "usermod -s /usr/sbin/nologin admin",
        symptom: "not available|^$",
        says: "admin's shell is /usr/sbin/nologin",
        ..DECIDED
    }
    permission_run_nologin {
        number: "58",
        title: "/run/nologin was left over from the start",
        breaks: "echo 'System is booting up.' >/run/nologin",
        symptom: "System is booting up",
        says: r#"only root may log in while /run/nologin is there: "System is booting up\.""#,
        ..DENIED
    }
    permission_etc_nologin {
        number: "58",
        title: "somebody made /etc/nologin",
        breaks: "echo 'Closed for repairs' >/etc/nologin",
        symptom: "Closed for repairs",
        says: r#"while /etc/nologin is there: "Closed for repairs""#,
        ..DECIDED
    }
    permission_etc_nologin_overruled {
        number: "58",
        title: "the same, and the host is to be open again",
        breaks: "echo 'Closed for repairs' >/etc/nologin",
        symptom: "Closed for repairs",
        says: "while /etc/nologin is there",
        args: OVERRULE,
        ..DENIED
    }
    permission_access {
        title: "pam_access lets nobody but root in",
        breaks: "echo 'account required pam_access.so' >>/etc/pam.d/sshd; echo '- : ALL EXCEPT root : ALL' >>/etc/security/access.conf",
        symptom: "closed",
        says: r#"PAM does not let admin in: /etc/security/access\.conf:\d+ says "- : ALL EXCEPT root : ALL""#,
        ..DECIDED
    }
    permission_two {
        title: "two: the home is for everybody to write, and the key has a byte order mark",
        breaks: r"chmod 777 /home/admin; sed -i '1s/^/\xef\xbb\xbf/' /home/admin/.ssh/authorized_keys",
        says: "byte order mark",
        rounds: 2,
        ..DENIED
    }
}

const HEALTHY: super::Healthy =
    super::Healthy { book: "ssh-permission-denied", client: ADMIN, args: &["-e", "user=admin"], ..HEALTHY_HOST };

healthy! {
    permission_healthy { ci: true, ..HEALTHY }
    permission_healthy_trixie { kind: Kind::TrixieService, ..HEALTHY }
    // What looks bad and is not: Debian's private groups, what is above the home, line ends of another system, a locked
    // password, lists that have the user.
    permission_healthy_odd {
        made: r"chmod 775 /home/admin; chmod 664 /home/admin/.ssh/authorized_keys; chmod 777 /home; usermod -L admin
            sed -i 's/$/\r/' /home/admin/.ssh/authorized_keys; config 'AllowUsers root admin@10.77.*' 'AllowGroups s?do root' 'DenyUsers adm'
            echo 'auth required pam_shells.so' >>/etc/pam.d/sshd; cp /bin/bash /opt/odd; usermod -s /opt/odd admin; echo 'eve hard nproc 0' >>/etc/security/limits.conf
            echo 'account required pam_access.so' >>/etc/pam.d/sshd; echo '+ : (sudo) : 10.77.0.0/24' >>/etc/security/access.conf
            echo '- : ALL EXCEPT root : ALL' >>/etc/security/access.conf",
        ..HEALTHY
    }
    permission_healthy_elsewhere {
        made: "mkdir /etc/ssh/keys; cp /root/.ssh/authorized_keys /etc/ssh/keys/admin; chmod 644 /etc/ssh/keys/admin; rm /home/admin/.ssh/authorized_keys
            config 'AuthorizedKeysFile /etc/ssh/keys/%u' 'AuthenticationMethods password publickey'",
        ..HEALTHY
    }
}
