//! Keys and directories: causes 29 to 35.

use super::{Kind, REPAIRED};

faults! {
    no_keys {
        number: "29",
        title: "no host keys",
        breaks: "rm /etc/ssh/ssh_host_*; systemctl restart ssh",
        shows: "failed && log 'no hostkeys available'",
        says: "(?i)host ?key",
        new_keys: true,
        ci: true,
        ..REPAIRED
    }
    key_path {
        number: "29",
        title: "HostKey names a file that is not there",
        breaks: "config 'HostKey /etc/ssh/keys/ssh_host_ed25519_key'",
        shows: "failed && log 'Unable to load host key: /etc/ssh/keys/ssh_host_ed25519_key'",
        says: "/etc/ssh/keys/ssh_host_ed25519_key",
        new_keys: true,
        ..REPAIRED
    }
    socket_no_keys {
        number: "29",
        title: "no host keys under ssh.socket",
        kind: Kind::TrixieSocket,
        breaks: "systemctl stop ssh; rm /etc/ssh/ssh_host_*; knock",
        shows: "failed ssh.socket",
        says: "(?i)host ?key",
        new_keys: true,
        ..REPAIRED
    }
    keys_open {
        number: "30",
        title: "host keys that others may read",
        breaks: "chmod 644 /etc/ssh/ssh_host_*_key; systemctl restart ssh",
        shows: "failed && log 'are too open'",
        says: r"0?644|too open",
        ci: true,
        ..REPAIRED
    }
    keys_group {
        number: "30",
        title: "host keys that a group may read, as other distributions have it",
        breaks: "chgrp adm /etc/ssh/ssh_host_*_key; chmod 640 /etc/ssh/ssh_host_*_key; systemctl restart ssh",
        shows: "failed && log 'are too open'",
        says: r"0?640|too open",
        ..REPAIRED
    }
    key_blank {
        number: "30",
        title: "the only host key has a blank in its name, and others may read it",
        breaks: "mv /etc/ssh/ssh_host_ed25519_key '/etc/ssh/my key'; chmod 644 '/etc/ssh/my key'
            config 'HostKey \"/etc/ssh/my key\"'",
        shows: "failed && log 'are too open'",
        says: "/etc/ssh/my key",
        ..REPAIRED
    }
    key_in_run {
        number: "1",
        title: "stopped, with its host key below /run, where a second look must find it",
        breaks: "mkdir /run/keys; mv /etc/ssh/ssh_host_ed25519_key /run/keys/hk; config 'HostKey /run/keys/hk'; systemctl stop ssh",
        says: "stopped",
        ..REPAIRED
    }
    keys_corrupt {
        number: "31",
        title: "host keys that are damaged",
        breaks: "broken() { sed -i '3s/[A-Za-z]/!/g' $key; }; each_key broken; systemctl restart ssh",
        shows: "failed && log 'no hostkeys available'",
        says: "ssh_host_[a-z0-9]*_key",
        new_keys: true,
        ..REPAIRED
    }
    keys_empty {
        number: "31",
        title: "host keys of zero bytes, as after a full disk",
        breaks: "each_key eval ': >$key'; systemctl restart ssh",
        shows: "failed && log 'no hostkeys available'",
        says: "ssh_host_[a-z0-9]*_key",
        new_keys: true,
        ..REPAIRED
    }
    // The key is whole: nobody needs to learn a new fingerprint.
    keys_crlf {
        number: "31",
        title: "host keys with the line ends of another system",
        breaks: "sed -i 's/$/\\r/' /etc/ssh/ssh_host_*_key; systemctl restart ssh",
        shows: "failed && log 'no hostkeys available'",
        says: "ssh_host_[a-z0-9]*_key",
        ..REPAIRED
    }
    keys_without_newline {
        number: "31",
        title: "host keys without their last line end, as pasted",
        breaks: "each_key eval 'truncate -s -1 $key'; systemctl restart ssh",
        shows: "failed && log 'no hostkeys available'",
        says: "ssh_host_[a-z0-9]*_key",
        ..REPAIRED
    }
    keys_with_passphrase {
        number: "31",
        title: "host keys with a passphrase",
        breaks: "each_key eval \"ssh-keygen -q -p -P '' -N secret -f \\$key\"; systemctl restart ssh",
        shows: "failed && log 'no hostkeys available'",
        says: "ssh_host_[a-z0-9]*_key",
        new_keys: true,
        ..REPAIRED
    }
    rundir_missing {
        number: "32",
        title: "/run/sshd missing, and a drop-in keeps systemd from making it",
        breaks: "unit ssh.service '[Service]' RuntimeDirectory=; systemctl stop ssh; rm -rf /run/sshd; systemctl start ssh",
        shows: "failed && log 'Missing privilege separation directory'",
        says: "/run/sshd",
        ..REPAIRED
    }
    rundir_removed {
        number: "32",
        title: "/run/sshd removed from under a running sshd",
        breaks: "rm -rf /run/sshd",
        symptom: "Connection reset|Connection closed",
        says: "/run/sshd",
        ..REPAIRED
    }
    rundir_link {
        number: "32",
        title: "/run/sshd is a link to nowhere",
        breaks: "systemctl stop ssh; ln -s /nowhere /run/sshd; systemctl start ssh",
        shows: "failed",
        says: "/run/sshd",
        ..REPAIRED
    }
    rundir_mode {
        number: "33",
        title: "/run/sshd that everybody may write to, by a drop-in of the unit",
        breaks: "unit ssh.service '[Service]' RuntimeDirectoryMode=0777; systemctl restart ssh",
        shows: "failed && log 'must be owned by root and not group or world-writable'",
        says: "/run/sshd",
        ..REPAIRED
    }
    rundir_owner {
        number: "33",
        title: "/run/sshd of another user, and a drop-in keeps systemd from making it",
        breaks: "unit ssh.service '[Service]' RuntimeDirectory=; systemctl stop ssh
            mkdir -p /run/sshd; chown admin /run/sshd; systemctl start ssh",
        shows: "failed && log 'must be owned by root and not group or world-writable'",
        says: "/run/sshd",
        ..REPAIRED
    }
    user_gone {
        number: "34",
        title: "the user sshd is gone",
        breaks: "userdel sshd; systemctl restart ssh",
        shows: "failed && log 'Privilege separation user sshd does not exist'",
        says: "user sshd",
        ci: true,
        ..REPAIRED
    }
    modes_777 {
        number: "35",
        title: "chmod -R 777 /etc/ssh",
        breaks: "chmod -R 777 /etc/ssh; systemctl restart ssh",
        shows: "failed && log 'are too open'",
        says: "0?777|too open",
        ..REPAIRED
    }
}
