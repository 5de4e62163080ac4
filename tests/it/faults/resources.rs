//! Disks, mounts and sudo: causes 12, 56, 57.

use super::{Fault, HEALTHY_HOST, REPAIRED};

/// Its own small file system for logs.
const FULL: Fault = Fault {
    number: "56",
    book: "disk-full",
    does: "head -c 200000 /dev/zero >/var/log/probe && rm /var/log/probe",
    symptom: "No space left on device",
    ..REPAIRED
};

const FSTAB: Fault = Fault { number: "12", book: "fstab-broken", does: "mount -a", ..REPAIRED };

/// As a user who becomes root.
const SUDO: Fault = Fault {
    number: "59",
    book: "sudo-broken",
    client: &["-l", "admin"],
    does: "echo lab | sudo -S -p '' true",
    args: &["-e", "user=admin"],
    ..REPAIRED
};

faults! {
    disk_logs {
        title: "/var/log is full of rotated logs",
        breaks: "mount -t tmpfs -o size=4M tmpfs /var/log; for i in 2 3 4; do head -c 1000000 /dev/urandom >/var/log/app.$i.gz; touch -d '-20 days' /var/log/app.$i.gz; done; cat /dev/zero >/var/log/app.log",
        says: "/var/log is full: 100% of 4096 kB in use",
        ci: true,
        ..FULL
    }
    disk_young_logs {
        title: "/var/log is full, and all that is there is new: a program writes it",
        breaks: "mount -t tmpfs -o size=4M tmpfs /var/log; head -c 1000000 /dev/zero >/var/log/app.1.gz; cat /dev/zero >/var/log/app.log",
        says: "/var/log is full.*the most of it: /var/log",
        rounds: 0,
        exit: 1,
        ..FULL
    }
    disk_apt {
        title: "packages that apt downloaded fill the disk",
        breaks: "mount -t tmpfs -o size=8M tmpfs /var/cache/apt; mkdir -p /var/cache/apt/archives/partial; cat /dev/zero >/var/cache/apt/archives/big_1_all.deb",
        does: "head -c 200000 /dev/zero >/var/cache/apt/probe && rm /var/cache/apt/probe",
        says: "/var/cache/apt is full",
        ..FULL
    }
    disk_deleted {
        title: "a log was removed, and its program still has it open",
        breaks: "mount -t tmpfs -o size=4M tmpfs /var/log; systemd-run -q --unit=writer sh -c 'exec 3>/var/log/app.log; cat /dev/zero >&3; exec sleep 1000'; sleep 1; rm /var/log/app.log",
        says: r"the most of it: /var/log/app\.log",
        rounds: 0,
        exit: 1,
        ..FULL
    }
    disk_inodes {
        title: "no inode is left",
        breaks: "mkdir /srv/s; mount -t tmpfs -o size=8M,nr_inodes=200 tmpfs /srv/s; mkdir /srv/s/sessions; i=0; while : >/srv/s/sessions/$i; do i=$((i+1)); [ $i -lt 300 ] || break; done",
        does: "touch /srv/s/probe",
        says: r"/srv/s has no room for another file: 100% of its 200 inodes in use; the most of it: /srv/s/sessions 19\d files",
        rounds: 0,
        exit: 1,
        ..FULL
    }
    fstab_device {
        title: "a line of fstab names a device that is not there",
        breaks: "mkdir /data; printf '# a disk\nUUID=0c6d7f1e-ffff-4c6a-9d9c-3a1f6e4f9b11 /data ext4 defaults 0 2\n' >>/etc/fstab",
        symptom: "can't find UUID",
        says: "wants UUID=0c6d7f1e-ffff-4c6a-9d9c-3a1f6e4f9b11 on /data, and there is no such device",
        ..FSTAB
    }
    fstab_three {
        title: "three lines of fstab are wrong, each in its way",
        breaks: "mkdir /data; printf 'UUID=0c6d7f1e-ffff-4c6a-9d9c-3a1f6e4f9b11 /data ext4 defaults 0 2\nfoo\n/dev/nothing /data ext4 defaults 0 2\n' >>/etc/fstab",
        symptom: "can't find UUID|parse error",
        says: r"/etc/fstab:\d+ wants UUID=.*; /etc/fstab:\d+ has no three fields.*; /etc/fstab:\d+ wants /dev/nothing on /data",
        ..FSTAB
    }
    fstab_line {
        title: "a line of fstab cannot be read",
        breaks: "printf 'tmpfs /scratch\n' >>/etc/fstab",
        does: "! mount -a 2>&1 | grep 'parse error' >&2",
        symptom: "parse error",
        says: "has no three fields",
        ..FSTAB
    }
    fstab_emergency {
        title: "a line of fstab fails, so that the host boots into emergency mode",
        breaks: "echo 'overlay /srv overlay lowerdir=/nowhere,upperdir=/nowhere,workdir=/nowhere 0 0' >>/etc/fstab
            (sleep 0.5; systemctl reboot) >/dev/null 2>&1 &",
        reboots: Some("You are in emergency mode"),
        shows: "systemctl -q is-active emergency.target && systemctl -q is-failed srv.mount",
        does: "true",
        symptom: "Connection refused",
        says: "/etc/fstab:\\d+ could not be mounted on /srv",
        ci: true,
        ..FSTAB
    }
    fstab_readonly {
        number: "57",
        title: "the root file system is read-only, and fstab does not say so",
        breaks: "echo 'overlay / overlay defaults 0 0' >>/etc/fstab; journalctl --relinquish-var; mount -o remount,ro /",
        does: "touch /root/probe && rm /root/probe",
        symptom: "Read-only file system",
        says: "/ is mounted read-only .*, and fstab does not say so",
        ..FSTAB
    }
    sudo_program {
        title: "chmod -R took sudo's set-user-ID bit away",
        breaks: "chmod 755 /usr/bin/sudo",
        symptom: "must be owned by uid 0 and have the setuid bit set",
        says: "/usr/bin/sudo must be root's, with the set-user-ID bit: its mode is 0755",
        ..SUDO
    }
    sudo_owner {
        title: "chown -R gave sudo to a user",
        breaks: "chown admin:admin /usr/bin/sudo; chmod 4755 /usr/bin/sudo",
        symptom: "must be owned by uid 0",
        says: "/usr/bin/sudo must be root's",
        ..SUDO
    }
    sudo_writable {
        title: "everybody may write to /etc/sudoers",
        breaks: "chmod 666 /etc/sudoers",
        symptom: "is world writable",
        says: "sudo does not trust /etc/sudoers: its mode is 0666",
        ..SUDO
    }
    sudo_syntax {
        title: "/etc/sudoers was edited without visudo",
        breaks: r"sed -i 's/^%sudo.*/%sudo ALL=(ALL:ALL ALL/' /etc/sudoers; printf 'admin ALL=(ALL) ALL\n' >/etc/sudoers.d/admin",
        does: "echo lab | sudo -S -p '' true && ! sudo -n -l 2>&1 </dev/null | grep -i 'syntax error' >&2",
        symptom: "syntax error",
        says: r"sudo cannot read /etc/sudoers:\d+: syntax error",
        ..SUDO
    }
    sudo_ignored {
        title: "the user is not in the group, and the file that names it has a dot in its name",
        breaks: "gpasswd -d admin sudo; printf 'admin ALL=(ALL) ALL\n' >/etc/sudoers.d/admin.conf",
        symptom: "not in the sudoers file",
        says: r"sudo passes over /etc/sudoers\.d/admin\.conf",
        rounds: 0,
        exit: 1,
        ..SUDO
    }
    sudo_grant {
        title: "the user is not in the group that may use sudo, and is to be",
        breaks: "gpasswd -d admin sudo",
        symptom: "not in the sudoers file",
        says: "admin is not in the group sudo",
        args: &["-e", "user=admin", "-e", "grant=true"],
        ..SUDO
    }
}

healthy! {
    disk_healthy { book: "disk-full", ..HEALTHY_HOST }
    fstab_healthy { book: "fstab-broken", made: "echo 'UUID=0c6d7f1e-ffff-4c6a-9d9c-3a1f6e4f9b11 /data ext4 nofail 0 2' >>/etc/fstab", ..HEALTHY_HOST }
    sudo_healthy { book: "sudo-broken", args: &["-e", "user=admin"], made: "chmod 644 /etc/sudoers.d/README; touch /etc/sudoers.d/x.dpkg-old", ..HEALTHY_HOST }
}
