//! Faults from public reports: the banner comes, and the user is out all the same.

use super::{Fault, Kind, REPAIRED};

/// The user is root, who has the lab's key.
const OUT: Fault = Fault {
    number: "59",
    book: "ssh-permission-denied",
    symptom: "Permission denied|Connection closed",
    args: &["-e", "user=root", "-e", "client=10.77.0.1"],
    ..REPAIRED
};

/// Named and left to a person.
const NAMED: Fault = Fault { rounds: 0, exit: 1, ..OUT };

/// The connection ends before any login.
const CLOSED: Fault = Fault { book: "ssh-closed", args: &[], ..NAMED };

/// Nobody is named: all accounts are looked at.
const EVERYBODY: Fault =
    Fault { book: "ssh-permission-denied", client: &["-l", "alice"], symptom: "Permission denied", args: &[], ..OUT };

faults! {
    everybody_at_once {
        title: "the homes of two users are for everybody to write, and the key of a third was broken over lines",
        breaks: r#"
            for u in alice bob; do useradd -m -s /bin/bash $u; cp -r /home/admin/.ssh /home/$u; chown -R $u:$u /home/$u; chmod 777 /home/$u; done
            cd /home/admin/.ssh; fold -w 50 authorized_keys >x; cat x >authorized_keys; rm x"#,
        says: "others than alice may write to /home/alice",
        ci: true,
        ..EVERYBODY
    }
    everybody_looks_elsewhere {
        title: "a slip of the pen has sshd look for everybody's keys where nobody has any, and a later line is not read",
        client: &["-l", "admin"],
        breaks: "config 'AuthorizedKeysFile .ssh/authorized_key' 'AuthorizedKeysFile .ssh/authorized_keys'",
        says: r"50-lab\.conf:1 says .*not /etc/ssh/sshd_config\.d/50-lab\.conf:2.*the 2 accounts that have keys",
        ci: true,
        ..EVERYBODY
    }
    nobody_to_look_at {
        title: "no account has a key",
        client: &["-l", "admin"],
        breaks: "rm /home/admin/.ssh/authorized_keys /root/.ssh/authorized_keys",
        says: "no account of this host has a shell to log in with and a key",
        rounds: 0,
        exit: 1,
        ..EVERYBODY
    }
    hostkey_algs {
        title: "no client of today has the types of host keys that are offered",
        breaks: "config 'HostKeyAlgorithms ssh-dss,ssh-rsa'",
        symptom: "no matching host key type found",
        says: r#"a type of host key: /etc/ssh/sshd_config\.d/50-lab\.conf:1 says "HostKeyAlgorithms ssh-dss,ssh-rsa""#,
        ci: true,
        ..CLOSED
    }
    no_common_cipher {
        title: "no client of today has the cipher that is asked for",
        breaks: "config 'Ciphers aes128-cbc'",
        symptom: "no matching cipher found",
        says: r#"a cipher: /etc/ssh/sshd_config\.d/50-lab\.conf:1 says "Ciphers aes128-cbc""#,
        ..CLOSED
    }
    refuse_connection {
        title: "RefuseConnection was left from a maintenance",
        kind: Kind::TrixieService,
        breaks: "config 'RefuseConnection yes'",
        symptom: "Connection (closed|reset)",
        says: r#"50-lab\.conf:1 says "RefuseConnection yes""#,
        ..CLOSED
    }
    pam_module_gone {
        title: "PAM asks a module that does not exist any more",
        breaks: "sed -i '1i account required pam_tally2.so' /etc/pam.d/common-account",
        says: r#"/etc/pam\.d/common-account:1 says "account required pam_tally2\.so", and the PAM module pam_tally2\.so does not exist"#,
        ci: true,
        ..NAMED
    }
    revoked_gone {
        title: "the list of revoked keys does not exist",
        breaks: "config 'RevokedKeys /etc/ssh/revoked_keys'",
        says: "refuses every key.*/etc/ssh/revoked_keys does not exist",
        ..NAMED
    }
    keyscmd_unsafe {
        title: "others may write where the command is that gives sshd its keys",
        breaks: r#"
            mv /root/.ssh/authorized_keys /root/keys; printf '#!/bin/sh\ncat /root/keys\n' >/usr/local/bin/keys.sh
            chmod 755 /usr/local/bin/keys.sh; chmod 777 /usr/local/bin
            config 'AuthorizedKeysCommand /usr/local/bin/keys.sh %u' 'AuthorizedKeysCommandUser root'"#,
        says: r"others than root may write to /usr/local/bin \(mode 0777\)",
        ..OUT
    }
    chroot_of_another {
        title: "the directory that sshd locks the session into is not root's",
        breaks: "mkdir -p /srv/sftp; chown nobody /srv/sftp; config 'Match User root' 'ChrootDirectory /srv/sftp' 'ForceCommand internal-sftp'",
        symptom: "",
        says: "/srv/sftp belongs to uid 65534, not to root",
        ..NAMED
    }
    shell_with_a_carriage_return {
        title: "the user's shell ends in a carriage return",
        breaks: r#"sed -i "s|^\(root:.*\)\$|\1\r|" /etc/passwd"#,
        says: "/etc/passwd its name \"/bin/bash\" ends in a carriage return",
        ci: true,
        ..OUT
    }
    home_gone {
        title: "the user's home directory is not there",
        breaks: r#"mkdir /data; sed -i "s|^root:\(.*\):/root:|root:\1:/data/root:|" /etc/passwd"#,
        says: "/etc/passwd says /data/root, and /data/root does not exist",
        ..NAMED
    }
    methods_of_none {
        title: "MaxAuthTries 0 ends each login before the first try",
        breaks: "config 'MaxAuthTries 0'",
        symptom: "Disconnected|Too many|closed",
        says: r#"before the first try: /etc/ssh/sshd_config\.d/50-lab\.conf:1 says "MaxAuthTries 0""#,
        ci: true,
        ..NAMED
    }
    algorithms_of_another_key {
        title: "sshd takes no keys of the type that the client has",
        breaks: "config 'PubkeyAcceptedAlgorithms rsa-sha2-512'",
        says: r#"ssh-ed25519 is not among its PubkeyAcceptedAlgorithms \(/etc/ssh/sshd_config\.d/50-lab\.conf:1 says"#,
        ..NAMED
    }
    limit_of_none {
        title: "limits.conf lets the user have no process",
        client: &["-l", "admin"],
        args: &["-e", "user=admin"],
        breaks: "echo 'admin hard nproc 0' >>/etc/security/limits.conf",
        symptom: "",
        says: r#"admin is let in and gets no session: /etc/security/limits\.conf:[0-9]+ says "admin hard nproc 0""#,
        ci: true,
        ..NAMED
    }
    force_command_that_ends {
        title: "ForceCommand ends each session",
        client: &["-l", "admin"],
        args: &["-e", "user=admin"],
        breaks: "config 'Match User admin' 'ForceCommand /bin/false'",
        symptom: "",
        says: "every session ends at once.*ForceCommand /bin/false",
        ..NAMED
    }
    keys_in_a_file_called_ssh {
        title: "the key is in a file that is called .ssh",
        client: &["-l", "admin"],
        args: &["-e", "user=admin"],
        breaks: "cd /home/admin; cp .ssh/authorized_keys x; rm -r .ssh; mv x .ssh; chown admin .ssh",
        says: "/home/admin/.ssh is a regular file, and sshd looks for a directory there",
        ..NAMED
    }
    shell_that_is_no_program {
        title: "the user's shell is a file of data, which is not to become a program",
        client: &["-l", "admin"],
        args: &["-e", "user=admin"],
        breaks: "usermod -s /etc/passwd admin",
        says: "admin's shell /etc/passwd is no program",
        ci: true,
        ..OUT
    }
    pam_by_a_rule_of_its_own {
        title: "a line of PAM lets in who is in another group",
        client: &["-l", "admin"],
        args: &["-e", "user=admin"],
        breaks: "echo 'account required pam_succeed_if.so user ingroup wheel' >>/etc/pam.d/sshd",
        says: r#"/etc/pam\.d/sshd:[0-9]+ says "account required pam_succeed_if\.so user ingroup wheel""#,
        ..NAMED
    }
    force_command_gone {
        title: "ForceCommand names a program that does not exist",
        breaks: "config 'Match User root' 'ForceCommand /opt/gate/shell'",
        symptom: "",
        says: r#"ForceCommand /opt/gate/shell", and the program /opt/gate/shell does not exist: there is no directory /opt/gate"#,
        ..NAMED
    }
}
