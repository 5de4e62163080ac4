//! `ssh-prevent` on real hosts where clients get in: what would lock them out next is found, nothing is changed unless it is
//! asked for, and then it is mended and clients still get in.

use std::path::{Path, PathBuf};

use crate::faults::PRELUDE;
use crate::support::{Host, Run, difference};

fn book() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks/ssh-prevent.yaml")
}

fn faults(run: &Run) -> Vec<(String, String)> {
    let steps = run.json["rounds"][0]["steps"].as_array().cloned().unwrap_or_default();
    let text = |s: &serde_json::Value, k: &str| s[k].as_str().unwrap_or_default().to_owned();
    steps
        .iter()
        .filter(|s| !["ok", "skipped", "blocked"].contains(&s["status"].as_str().unwrap_or_default()))
        .map(|s| (text(s, "id"), text(s, "finding")))
        .collect()
}

struct Danger {
    /// Planted on a host that lets clients in, which it goes on doing.
    plant: &'static str,
    /// The step that finds it, and what it says.
    step: &'static str,
    says: &'static str,
    /// The step with `-e repair=true`, where there is a repair; else what takes it away.
    made: Result<&'static str, &'static str>,
}

const DANGERS: &[Danger] = &[
    Danger {
        plant: "systemctl -q disable ssh.service",
        step: "boot",
        says: "after the next reboot nobody gets in: sshd does not come up at boot",
        made: Ok("boot_made"),
    },
    Danger {
        plant: "sed -i '1i Prot 22' /etc/ssh/sshd_config",
        step: "config",
        says: "the next start of sshd fails: /etc/ssh/sshd_config:1: Bad configuration option: Prot",
        made: Ok("config_made"),
    },
    Danger {
        plant: "cp /usr/sbin/sshd /usr/sbin/sshd.new; mv /usr/sbin/sshd.new /usr/sbin/sshd",
        step: "upgraded",
        says: "sshd was upgraded and not restarted",
        made: Ok("upgraded_made"),
    },
    Danger {
        plant: ": >/etc/ssh/sshd_not_to_be_run",
        step: "forbidden",
        says: "sshd_not_to_be_run is there",
        made: Err("rm /etc/ssh/sshd_not_to_be_run"),
    },
    Danger {
        plant: "sleep 2; echo '# looked at' >>/etc/ssh/sshd_config",
        step: "stale",
        says: "what they say now was not tried yet",
        made: Err("systemctl reload ssh.service; sleep 1"),
    },
    Danger {
        plant: "systemctl -q set-default rescue.target",
        step: "goal",
        says: "the next boot ends in rescue.target",
        made: Err("systemctl -q set-default multi-user.target"),
    },
    Danger {
        plant: "printf '%s\\n' 'flush ruleset' 'table inet filter {' ' chain input {' '  type filter hook input priority filter; policy drop;' '  iif lo accept' '  iif eth0 tcp dport 80 accept' ' }' '}' >/etc/nftables.conf
            systemctl -q enable --now nftables; nft add rule inet filter input tcp dport 22 accept",
        step: "firewall",
        says: "dropped by the policy of chain input (nftables, table inet filter, chain input), which the file of nftables brings",
        made: Ok("firewall_made"),
    },
    // Too long to be read whole, what runs and what a boot brings.
    Danger {
        plant: "{ printf 'flush ruleset\\ntable inet f {\\nset bl { type ipv4_addr; flags interval\\nelements = { 20.0.0.0/28'; i=0
            while [ $i -lt 4000 ]; do echo \", 20.$((i / 256 + 1)).$((i % 256)).0/28\"; i=$((i + 1)); done
            printf '} \\n}\\nchain in {\\ntype filter hook input priority 0\\nip saddr @bl drop\\ntcp dport 22 drop\\n}\\n}\\n'; } >/etc/nftables.conf
            systemctl -q restart nftables; nft flush chain inet f in; nft add rule inet f in ip saddr @bl drop",
        step: "firewall",
        says: "dropped by \"tcp dport 22 drop\" (nftables, table inet f, chain in, rule 2), which the file of nftables brings",
        made: Ok("firewall_made"),
    },
    Danger {
        plant: "systemctl -q disable nftables; nft flush ruleset; ufw --force enable; systemctl -q enable ufw; iptables -I INPUT -s 10.77.0.0/24 -j ACCEPT",
        step: "firewall",
        says: "10.77.0.1 sends to port 22 is dropped by the policy of chain INPUT (iptables-nft, chain INPUT), which ufw brings",
        made: Err("ufw --force disable; systemctl -q disable ufw; iptables -F INPUT"),
    },
    Danger {
        plant: "systemctl -q enable --now firewalld; until firewall-cmd --state; do sleep 0.1; done
            firewall-cmd --permanent --remove-service=ssh",
        step: "firewall",
        says: "(icmpx admin-prohibited) by \"reject with icmpx admin-prohibited\" (nftables, table inet firewalld, chain filter_IN_public",
        made: Err("systemctl -q disable --now firewalld"),
    },
    Danger {
        plant: "firewall-offline-cmd -q --add-service=ssh; systemctl -q enable --now firewalld; until firewall-cmd --state; do sleep 0.1; done
            firewall-cmd --permanent --add-rich-rule='rule port port=22 protocol=tcp drop'; firewall-cmd --permanent --zone=internal --add-source=10.9.0.0/16",
        step: "firewall",
        says: "dropped by \"tcp dport 22 drop\" (nftables, table inet firewalld, chain filter_IN_public_deny",
        made: Err("systemctl -q disable --now firewalld"),
    },
    Danger {
        plant: "cp -p /etc/shadow /root/shadow; sed -i 's/:[$][^:]*:/:*:/' /etc/shadow",
        step: "second",
        says: "there is no second way in",
        made: Err("cp -p /root/shadow /etc/shadow"),
    },
    Danger {
        plant: "mount -t tmpfs -o size=1m none /tmp; head -c 1020000 /dev/zero >/tmp/full; :",
        step: "room",
        says: "/tmp is 9",
        made: Err("umount /tmp"),
    },
];

#[test]
fn what_would_lock_out_next_is_found() {
    let Some(host) = Host::up("prevent") else { return };
    let run = |verb: &str, args: &[&str]| host.run(verb, &book(), None, args);
    let well = |what: &str| {
        let run = run("plan", &[]);
        assert_eq!((run.exit, faults(&run)), (0, Vec::new()), "{what}: {}", run.seen());
    };
    well("a healthy host");
    // As fixtures of `runbook test`, too, where that is asked for.
    let fixtures = std::env::var_os("RUNBOOK_RECORD").map(PathBuf::from);
    let record = |case: &str, about: &str, from: Option<&str>, args: &[&str]| {
        if let Some(dir) = &fixtures {
            host.record(dir, &book(), case, about, from, args);
        }
    };
    record("healthy", "nothing is wrong", None, &[]);
    for (n, d) in DANGERS.iter().enumerate() {
        host.sh(&format!("{PRELUDE}{}", d.plant));
        host.lets_in(&[]).unwrap_or_else(|e| panic!("{}: the host is to let clients in: {e}", d.step));
        record(&format!("{}-{n}", d.step), d.says, Some("healthy"), &[]);
        if d.made.is_ok() {
            record(&format!("{}-{n}-repair", d.step), d.says, Some("healthy"), &["-e", "repair=true"]);
        }
        let before = host.snapshot();
        let found = run("apply", &[]);
        let all = faults(&found);
        assert_eq!((found.exit, found.all_changes()), (1, 0), "{}: {}", d.step, found.seen());
        // An edit makes the files newer than the sshd that runs, too.
        let own: Vec<_> = all.iter().filter(|f| f.0 == d.step || f.0 != "stale").collect();
        assert!(own.len() == 1 && own[0].0 == d.step && own[0].1.contains(d.says), "{}: {all:?}", d.step);
        let after = host.snapshot();
        assert_eq!(before, after, "{} changed something:\n{}", d.step, difference(&before, &after));
        match d.made {
            Err(undo) => drop(host.sh(&format!("{PRELUDE}{undo}"))),
            Ok(step) => {
                let mended = run("apply", &["-e", "repair=true"]);
                // A mended file is not tried by a restart: that is for whoever has a second session open.
                let tried = step == "config_made";
                assert_eq!(mended.exit, i32::from(tried), "{step}: {}", mended.seen());
                if tried {
                    host.sh("systemctl reload ssh.service; sleep 1");
                }
                assert!(faults(&mended).iter().any(|f| f.0 == step), "{step}: {}", mended.seen());
                let again = run("apply", &["-e", "repair=true"]);
                assert_eq!((again.exit, again.all_changes()), (0, 0), "{step}: {}", again.seen());
            }
        }
        well(d.step);
        host.lets_in(&[]).unwrap_or_else(|e| panic!("after {}: {e}", d.step));
    }
}

#[test]
fn a_repair_ahead_of_time_never_takes_away_the_sshd_that_runs() {
    let Some(host) = Host::up("prevent-runs") else { return };
    let repair = || host.run("apply", &book(), None, &["-e", "repair=true"]);
    let daemon = host.sh("cat /run/sshd.pid");
    // It runs with keys that are gone from the disk, and its files have a line that it would refuse.
    host.sh(&format!("{PRELUDE}mkdir /root/keys; cp -p /etc/ssh/ssh_host_* /root/keys; rm /etc/ssh/ssh_host_*; echo 'Prot 22' >$dropin"));
    let run = repair();
    assert_eq!((run.exit, host.sh("cat /run/sshd.pid")), (1, daemon.clone()), "{}", run.seen());
    // Its files name another port than the one it has.
    host.sh(&format!("{PRELUDE}cp -p /root/keys/* /etc/ssh; printf 'Port 2222\\nFoo bar\\n' >$dropin"));
    let run = repair();
    assert_eq!((run.exit, host.sh("cat /run/sshd.pid")), (1, daemon), "{}", run.seen());
    host.lets_in(&[]).unwrap_or_else(|e| panic!("{e}\n{}", run.seen()));
}

#[test]
fn other_inits_are_asked_in_their_own_words() {
    // Not runit: what it does not start at boot, it stops within five seconds (runsvdir(8)).
    for kind in if crate::support::full() { &["sysvinit", "openrc"][..] } else { &["openrc"] } {
        let Some(host) = Host::up_as(kind, &format!("prevent-{kind}")) else { return };
        let healthy = host.run("plan", &book(), None, &[]);
        assert_eq!((healthy.exit, faults(&healthy)), (0, Vec::new()), "{kind}: {}", healthy.seen());
        host.sh("find /etc/runlevels /etc/rc?.d -name '*ssh*' -exec rm -rf {} + 2>/dev/null; :");
        host.lets_in(&[]).unwrap();
        let found = host.run("plan", &book(), None, &[]);
        let all = faults(&found);
        assert!(
            all.len() == 1 && all[0].0 == "boot" && all[0].1.contains("does not come up at boot"),
            "{kind}: {all:?}"
        );
        let mended = host.run("apply", &book(), None, &["-e", "repair=true"]);
        assert_eq!(mended.exit, 0, "{kind}: {}", mended.seen());
        host.lets_in(&[]).unwrap();
    }
}
