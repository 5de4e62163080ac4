use super::*;

fn word(sh: &str) -> Option<String> {
    shell_effects(sh).effects.first().map(|(w, _)| w.clone())
}

#[test]
fn what_may_cut_is_told_from_what_looks() {
    for (sh, expected) in [
        ("iptables -F", "iptables"),
        ("iptables -P INPUT DROP", "iptables"),
        ("x && ip -6 route flush table main", "ip"),
        ("ip addr del 10.99.0.230/24 dev host0", "ip"),
        ("ip a d 10.0.0.1/24 dev eth0", "ip"),
        ("ip l s eth0 down", "ip"),
        ("ip link set down eth0", "ip"),
        ("sudo -n /usr/sbin/iptables -P INPUT DROP", "iptables"),
        ("sh -c 'sleep 1; iptables -P INPUT DROP'", "iptables"),
        ("nohup bash -c \"ifdown eth0; ifup eth0\" &", "ifdown"),
        ("(sleep 1; iptables -P INPUT DROP) >/dev/null 2>&1 &", "iptables"),
        ("for c in iptables ip6tables; do $c -P INPUT DROP; done", "iptables"),
        ("IPT=/sbin/iptables; $IPT -F", "iptables"),
        ("echo \"$(ufw --force enable)\"", "ufw"),
        ("systemctl restart networking; ufw --force enable", "networking"),
        ("nmcli con up x", "nmcli"),
        ("nmcli device disconnect eth0", "nmcli"),
        ("netplan apply", "netplan"),
        ("nft flush ruleset", "nft"),
        ("nft -f - <<'X'\ntable inet lock { }\nX", "nft"),
        ("ifdown eth0 && ifup eth0", "ifdown"),
        ("ifconfig eth0 down", "ifconfig"),
        ("firewall-cmd --panic-on", "firewall-cmd"),
        ("systemctl restart ssh.service", "ssh.service"),
        ("systemctl enable --now firewalld", "firewalld"),
        ("service networking stop", "networking"),
        ("/etc/init.d/networking restart", "networking"),
        ("systemctl isolate rescue.target", "systemctl"),
        ("pkill sshd", "pkill"),
        ("ip netns exec x ip link set lo down", "ip"),
        ("tc qdisc add dev eth0 root netem loss 100%", "tc"),
        ("sysctl -w net.ipv4.conf.all.rp_filter=1", "sysctl"),
        ("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6", "/proc/sys/net/ipv6/conf/all/disable_ipv6"),
        ("touch /root/done3; mv /root/.ssh/authorized_keys /root/ak", "/root/.ssh/authorized_keys"),
        ("chmod 777 ~", "~"),
        ("cd /root && rm -rf .ssh", ".ssh"),
        ("sed -i s/yes/no/ //etc/ssh/sshd_config", "//etc/ssh/sshd_config"),
        ("chmod 644 /bin/bash", "/bin/bash"),
        ("cp x /etc/ssh/sshd_config", "/etc/ssh/sshd_config"),
        ("echo exit 1 >>/root/.bashrc", "/root/.bashrc"),
        ("apt-get -y purge openssh-server", "openssh-server"),
        ("usermod -L ops", "usermod"),
        ("fail2ban-client set sshd banip 10.0.0.1", "fail2ban-client"),
    ] {
        let found = word(sh);
        let ok = found.as_deref() == Some(expected) || (expected == "~" && found.is_some());
        assert!(ok, "{sh}: {found:?}");
    }
    for sh in [
        "s=$(cat /x 2>/dev/null) || exit 0",
        "iptables -S INPUT | grep -q DROP",
        "iptables -nvL",
        "iptables -t nat -L -n",
        "ip -br a show dev host0",
        "ip a",
        "ip -o addr | grep x",
        "ip route get 10.0.0.1",
        "nft list ruleset",
        "ufw status verbose",
        "nmcli -t device show",
        "systemctl status ssh",
        "systemctl start ssh",
        "systemctl restart nginx",
        "systemctl enable ssh",
        "zip link a",
        "echo ok",
        "echo \"run ufw enable\"",
        "grep -q 'iptables -P' /etc/rc.local",
        "cp -a /etc/ssh /root/backup",
        "cp app.conf /etc/",
        "mkdir -p /etc/app",
        "rm -rf /srv/www",
        "apt-get install -y nginx",
        "sed -n 1p /etc/ssh/sshd_config",
        "touch /root/odd",
    ] {
        assert_eq!(word(sh), None, "{sh}");
    }
}

/// What the guard keeps as a whole is all that such a command changes.
#[test]
fn what_does_nothing_else_is_known() {
    for (sh, expected) in [
        ("iptables -P INPUT DROP", true),
        ("iptables -P INPUT DROP; sleep 40", true),
        ("sudo ip addr del 10.0.0.1/24 dev eth0", true),
        ("systemctl stop ssh", true),
        ("touch /root/done1; iptables -P INPUT DROP", false),
        ("ufw --force enable", false),
        ("systemctl disable --now ssh", false),
        ("iptables-save >/etc/iptables/rules.v4; iptables -F", false),
        ("./x.sh; iptables -F", false),
        ("echo ok", false),
    ] {
        assert_eq!(shell_effects(sh).nothing_else, expected, "{sh}");
    }
}

#[test]
fn what_may_act_later_is_known() {
    for (sh, expected) in [
        ("iptables -P INPUT DROP", false),
        ("ip link set eth0 down", false),
        ("systemctl restart ssh", false),
        ("usermod -aG sudo ops", false),
        ("touch /root/odd", false),
        ("(sleep 1; iptables -P INPUT DROP) &", true),
        ("nohup /root/net.sh &", true),
        ("/root/net.sh", true),
        ("systemd-run --on-active=5 iptables -P INPUT DROP", true),
        ("setsid sh -c 'iptables -F'", true),
        ("systemctl restart networking", true),
        ("systemctl --no-block restart ssh", true),
        ("echo reboot | at now + 1 minute", true),
        ("netplan apply", true),
        ("ifdown eth0", true),
    ] {
        assert_eq!(shell_effects(sh).may_act_later, expected, "{sh}");
    }
}

#[test]
fn what_leaves_something_behind_is_known() {
    for (sh, expected) in [
        ("(sleep 30; iptables -P INPUT DROP) &", true),
        ("systemd-run --on-active=30 iptables -F", true),
        ("sh -c 'sleep 30; reboot' &", true),
        ("echo 'iptables -F' | at now + 1 minute", true),
        ("systemctl --no-block restart networking", true),
        ("a & b & wait; iptables -F", false),
        ("netplan apply", false),
        ("/root/net.sh", false),
        ("iptables -F 2>&1", false),
    ] {
        assert_eq!(shell_effects(sh).detaches, expected, "{sh}");
    }
}

/// No text stops it, or makes it take long.
#[test]
fn any_text_can_be_read() {
    let mut texts: Vec<String> = [
        "$(",
        "((",
        "`",
        "${",
        "'",
        "\"$(",
        "<<",
        "<<X\n",
        "(",
        ")",
        "case x in ",
        "$",
        "\\",
        "$((",
        "{}",
        "for a in ",
    ]
    .iter()
    .flat_map(|t| [t.to_string(), t.repeat(3000), format!("{t}é'$x {t}")])
    .collect();
    texts.push((0..60).map(|n| format!("v{n}=$v{}$v{}; ", n + 1, n + 1)).collect::<String>() + "rm $v0");
    texts.push("x=$x$x; rm $x $x".into());
    texts.push("eval ".repeat(2000));
    texts.push("sh -c 'sh -c \"sh -c a\"' ".repeat(300));
    texts.push("echo a | sh; ".repeat(500));
    let begun = std::time::Instant::now();
    for text in texts {
        let _ = shell_effects(&text);
        assert!(begun.elapsed().as_secs() < 20, "{}", text.chars().take(40).collect::<String>());
    }
}
