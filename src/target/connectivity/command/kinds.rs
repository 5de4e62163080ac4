//! What a hostile reader of the tables tried, by kind.

use super::shell_effects;

fn word(sh: &str) -> Option<String> {
    shell_effects(sh).effects.first().map(|(w, _)| w.clone())
}

fn all_of(cases: &[&str], counts: bool) {
    let wrong: Vec<_> = cases.iter().filter(|sh| word(sh).is_some() != counts).map(|sh| (*sh, word(sh))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn nothing_in_a_script_hides_what_follows() {
    all_of(
        &[
            "cat >/root/note <<'X'\ndon't panic\nX\niptables -P INPUT DROP",
            "n=$(grep -c ')' /etc/hosts); iptables -P INPUT DROP",
            "echo don't; iptables -F",
            "echo don't",
            "x=$(a",
            "sh <<'X'\niptables -F\nX",
            "cat <<'X' | sh\nip link set eth0 down\nX",
            "cat >/root/x.sh <<X\niptables -F\nX\nsh /root/x.sh",
            "echo iptables -F | sh",
        ],
        true,
    );
    all_of(
        &[
            "cat >/root/note <<'X'\ndon't panic (it's fine\nX",
            "cat >/opt/x.sh <<'X'\n#!/bin/sh\necho x >/dev/null\nX",
            "cat >/etc/app/app.conf <<X\nuser = \"it's $USER\"\nX\nsystemctl restart app",
            "n=$(case x in a) echo it;; esac); echo $n",
            "echo $((1 << 2))",
        ],
        false,
    );
}

#[test]
fn flags_in_one_word_and_no_arguments_count() {
    all_of(
        &[
            "sed -Ei 's/^Port.*/Port 1/' /etc/ssh/sshd_config",
            "sed -ri 's/^Port.*/Port 1/' /etc/ssh/sshd_config",
            "sed -ni.bak p /etc/ssh/sshd_config",
            "perl -0pi -e 's/a/b/' /etc/ssh/sshd_config",
            "perl -lpi.bak -e 's/a/b/' /etc/ssh/sshd_config",
            "awk -i inplace '{print}' /etc/ssh/sshd_config",
            "sysctl -qp /etc/sysctl.d/99-x.conf",
            "sysctl --load=/etc/x",
            "modprobe -rv e1000",
            "echo root:x | chpasswd",
            "dhclient",
            "passwd -ql ops",
        ],
        true,
    );
}

#[test]
fn a_word_that_looks_counts_only_where_it_says_what_is_done() {
    all_of(
        &[
            "usermod -l new ops",
            "ufw deny from any to any app OpenSSH",
            "ufw deny from 10.0.0.1 comment status",
            "sudo -u test iptables -F",
            "su test -c reboot",
            "ip netns exec test ip link set lo down",
            "nft add rule inet list input drop",
            "ipset add list 10.0.0.1",
            "systemctl stop networking list",
            "brctl delif show eth0",
            "ip netns exec x iptables -F",
        ],
        true,
    );
}

#[test]
fn paths_are_found_by_what_stands_for_them() {
    all_of(
        &[
            "F=/etc/ssh/sshd_config; sed -i s/a/b/ $F",
            "F=/etc/ssh; sed -i s/a/b/ \"${F}/sshd_config\"",
            "F=/etc; G=$F/ssh; rm -r $G",
            "for f in /etc/ssh/ssh_host_*_key; do rm \"$f\"; done",
            "for n in app ssh; do rm -rf /etc/$n; done",
            "cd /etc && rm -rf ssh",
            "D=/etc; cd $D; rm -rf ssh",
            "cd /etc; cd ssh; echo x >sshd_config.d/a.conf",
            "(cd /root && chmod 777 .)",
            "cp -t /etc/pam.d/ /root/sshd",
            "cp -at/etc/pam.d /root/sshd",
            "mv --target-directory=/etc/ssh x",
            "find /etc/ssh -name '*.pub' | while read f; do rm \"$f\"; done",
            "ls /etc/ssh/ssh_host_rsa_key | xargs rm -f",
            "f() { rm \"$1\"; }; f /etc/ssh/sshd_config",
            "rm -rf /etc/{ssh,pam.d}",
            "rm -rf /etc/ss?",
            "export F=/etc/ssh/sshd_config; echo x >$F",
            "C='iptables -F'; $C",
            "a=iptables; b=-F; $a $b",
            "python3 -c \"open('/etc/ssh/sshd_config','w')\"",
            "augtool set /files/x; crudini --set /etc/NetworkManager/NetworkManager.conf a b",
            "restorecon -R /etc/ssh",
        ],
        true,
    );
    all_of(
        &[
            "F=/etc/app/x; sed -i s/a/b/ $F",
            "for f in /etc/app/*.conf; do rm \"$f\"; done",
            "cd /etc && rm -rf app",
            "cd /srv/app && rm -rf bin lib",
            "grep -q x /etc/ssh/sshd_config || touch /run/flag",
            "F=/etc/ssh/sshd_config; grep -c Port $F",
            "t=$(mktemp); sshd -T -f /etc/ssh/sshd_config >$t; rm -f $t",
            "cp -t /root/backup /etc/ssh/sshd_config",
            "for u in nginx app; do systemctl restart $u; done",
            "IPT=/sbin/iptables; $IPT -S",
            "dd if=/dev/urandom of=/root/x bs=1 count=1",
            "echo x | tee /dev/null",
        ],
        false,
    );
}

#[test]
fn abbreviations_of_nmcli_are_known() {
    all_of(
        &[
            "nmcli c d eth0",
            "nmcli d dis eth0",
            "nmcli -w 5 con up x",
            "nmcli c m x ipv4.method auto",
            "nmcli n off",
            "nmcli r all off",
            "nmcli dev wifi connect x",
            "nmcli con load /x",
        ],
        true,
    );
    all_of(
        &[
            "nmcli",
            "nmcli -t dev",
            "nmcli -t -f NAME,UUID c",
            "nmcli c s",
            "nmcli con show up",
            "nmcli d s",
            "nmcli dev wifi",
            "nmcli g",
            "nmcli -g IP4.ADDRESS device show eth0",
            "nmcli --help",
        ],
        false,
    );
}

#[test]
fn what_ends_the_host_or_a_session_counts() {
    all_of(
        &[
            "reboot",
            "/sbin/reboot -f",
            "shutdown -h now",
            "poweroff",
            "halt -p",
            "systemctl poweroff",
            "systemctl -i reboot",
            "systemctl kexec",
            "systemctl isolate multi-user.target",
            "systemctl rescue",
            "systemctl emergency",
            "systemctl stop 'ssh*'",
            "sh -c reboot",
            "kill $(cat /run/sshd.pid)",
            "kill -9 $(pidof sshd)",
            "kill -9 \"$(pgrep -o sshd)\"",
            "p=$(pidof sshd); kill $p",
            "pidof sshd | xargs kill",
            "kill -9 -1",
            "pkill sshd",
            "killall -9 sshd",
            "pkill -9 -u ops",
            "pkill -t pts/0",
            "loginctl terminate-user ops",
            "loginctl terminate-session 3",
            "fuser -k 22/tcp",
        ],
        true,
    );
    all_of(
        &[
            "shutdown -c",
            "kill -0 $(cat /run/sshd.pid)",
            "kill $(cat /run/app.pid)",
            "kill 1234",
            "pkill -0 sshd",
            "pkill -HUP nginx",
            "killall -USR1 app",
            "loginctl list-sessions",
            "loginctl show-user ops",
            "systemctl is-system-running",
            "last reboot",
            "journalctl -u ssh | grep reboot",
        ],
        false,
    );
}

#[test]
fn more_tools_are_known() {
    all_of(
        &[
            "update-crypto-policies --set FUTURE",
            "semanage port -d -t ssh_port_t -p tcp 2222",
            "ifreload -a",
            "wicked ifdown eth0",
            "wg set wg0 peer abc= remove",
            "ovs-vsctl del-br br0",
            "pkexec iptables -F",
            "ldconfig",
            "apt-get -y dist-upgrade",
            "apt-get upgrade",
            "dnf -y update",
            "pacman -Syu",
            "dpkg -i ./openssh-server_9_amd64.deb",
            "dpkg -i /root/openssh-server_*.deb",
            "dpkg -i *.deb",
            "rpm -e sudo",
            "rpm -Uvh /root/sudo-1.9.5-1.x86_64.rpm",
            "apt-get install -y --allow-downgrades sudo=1.9.1",
            "apt-get purge 'ss*'",
            "rsync -t b /etc/ssh",
            "sort -o /etc/passwd x",
            "systemctl start reboot.target",
            "set -- iptables -F; \"$@\"",
            "$SUDO iptables -F",
            "ssh localhost iptables -F",
            "dpkg --configure -a",
        ],
        true,
    );
}

/// A guard on every trivial command would be noise.
#[test]
fn what_looks_or_is_trivial_does_not_count() {
    all_of(
        &[
            "grep -c ^Port /etc/ssh/sshd_config",
            "cat /etc/ssh/sshd_config /etc/passwd",
            "sudo grep ufw /etc/rc.local",
            "sudo cat /etc/shadow",
            "diff /etc/ssh/sshd_config /root/was",
            "ss -ltnp | grep :22",
            "ip addr show",
            "ip -j link",
            "ip netns list",
            "bridge link show",
            "tc qdisc show",
            "ethtool -S eth0",
            "iptables -S",
            "sudo iptables -nvL INPUT",
            "iptables-save",
            "nft -a list ruleset",
            "nft -c -f /etc/nftables.conf",
            "ipset list",
            "nmcli -t dev",
            "ufw status numbered",
            "ufw app list",
            "firewall-cmd --list-all",
            "fail2ban-client status sshd",
            "wg show",
            "wg",
            "wicked ifstatus eth0",
            "networkctl status",
            "ovs-vsctl list-br",
            "systemctl status ssh networking",
            "systemctl -n 5 status ssh",
            "systemctl show -p ActiveState networking",
            "sudo systemctl status ufw ssh",
            "service ssh status",
            "service --status-all",
            "rc-service sshd status",
            "update-crypto-policies --show",
            "semanage port -l",
            "authselect current",
            "chage -l ops",
            "passwd -S ops",
            "getent passwd ops",
            "sshd -t -f /etc/ssh/sshd_config",
            "visudo -cf /etc/sudoers",
            "ssh-keygen -lf /etc/ssh/ssh_host_rsa_key.pub",
            "ldconfig -p | grep libssl",
            "sysctl net.ipv4.ip_forward",
            "sysctl -n net.ipv4.ip_forward",
            "touch /etc/app/x",
            "systemctl restart app",
            "apt-get install htop",
            "apt-get update",
            "apt list sudo",
            "apt-cache policy openssh-server",
            "dpkg -l openssh-server",
            "dpkg -s libc6",
            "dpkg -i /root/app_1.0_amd64.deb",
            "rpm -q openssh-server",
            "rpm -qa 'openssh*'",
            "dnf list installed sudo",
            "dnf info openssh",
            "pacman -Qi openssh",
            "apk info -e openssh",
            "apt-get -s dist-upgrade",
            "tar -tf /root/etc.tar",
            "find /etc/ssh -name '*.pub'",
            "find /srv/app -name '*.tmp' -exec rm {} \\;",
            "find /srv/app -name '*.tmp' | xargs rm -f",
            "rm -f /var/tmp/x.*",
            "echo ok >/run/flag",
            "sed -n p /etc/ssh/sshd_config",
            "sed -i s/a/b/ /etc/app.conf",
            "timeout 5 grep ufw /var/log/syslog",
            "test -e /etc/ssh/sshd_config",
            "for i in 1 2 3; do sleep 1; done",
            "if [ -f /etc/app/x ]; then mkdir -p /srv/x; fi",
            "useradd -m -s /bin/bash ops",
            "logger 'reboot is due'",
            "echo 'reboot tonight' >/etc/motd",
            "cp /etc/ssh/sshd_config \"/root/$(date +%F).bak\"",
            "tar czf /root/ssh.tgz /etc/ssh",
            "case $1 in start) echo a;; stop) echo b;; esac",
            "command -v iptables",
            "bash -c 'echo hi'",
            "f=$(ls /etc/ssh); echo $f",
            "rm -rf \"${TMPDIR:-/tmp}\"/app.*",
            "$SUDO systemctl restart app",
            "apt-get purge 'nginx*'",
            "watch -n 1 iptables -L",
        ],
        false,
    );
}
