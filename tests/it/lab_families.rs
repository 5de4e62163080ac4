//! A name with an address of each family, one of which does not work: repaired at the server where it can be, else the client
//! is told how to get in.

use crate::support::{Done, Host, LAB, Run, ssh_refused};

/// Runs it for a name that is these addresses, and looks there by that name.
fn by_name(host: &Host, verb: &str, addresses: &[&str]) -> Run {
    let hosts: String = addresses.iter().map(|a| format!("{a} both.lab\n")).collect();
    let hosts = host.desk.write("hosts", &hosts);
    // Names are resolved where the user sits.
    let own = format!("mount --bind {} /etc/hosts && exec \"$@\"", hosts.display());
    let prefix = [LAB, "ctl", "unshare", "-m", "sh", "-c", &own, "sh"];
    let via = host.via();
    let yes: &[&str] = if verb == "apply" { &["-y"] } else { &[] };
    let args = [yes, &["-o", "json", "--via", &via, "--address", "both.lab"]].concat();
    Done::from(host.desk.runbook(&prefix, verb, &ssh_refused(), &args).output().unwrap()).into()
}

fn of(run: &Run, step: &str, what: &str) -> String {
    let steps = run.json["rounds"][0]["steps"].as_array().cloned().unwrap_or_default();
    let found = steps.iter().find(|s| s["id"] == step).unwrap_or_else(|| panic!("no step {step}: {}", run.seen()));
    found[what].as_str().unwrap_or_default().to_owned()
}

#[test]
fn both_families_of_a_name_are_looked_at() {
    let Some(host) = Host::up("families") else { return };
    let second = host.sh("ip -6 -o addr show scope global | awk '{ sub(\"/.*\", \"\", $4); print $4; exit }'");
    let (v4, v6) = (host.address.as_str(), second.trim());
    let run = by_name(&host, "plan", &[v4, v6]);
    assert_eq!((run.exit, run.all_changes()), (0, 0), "both work: {}", run.seen());

    // An address in the DNS that is another machine's: nothing on this host can mend that.
    let run = by_name(&host, "plan", &[v4, "fd00:77::1"]);
    assert_eq!((run.exit, run.all_changes()), (1, 0), "{}", run.seen());
    let finding = format!(
        "clients get in at {v4}, and at fd00:77::1 they do not (refused): this host does not have that address"
    );
    assert_eq!(of(&run, "families", "finding"), finding, "{}", run.seen());
    let todo = of(&run, "families", "manual");
    assert!(todo.contains("ssh -4 USER@both.lab") && todo.contains("AddressFamily inet\""), "{todo}");
    assert!(todo.contains("take fd00:77::1 out of the DNS"), "{todo}");
    assert_eq!(of(&run, "between", "status"), "skipped", "one thing is said once: {}", run.seen());

    // sshd told to keep to IPv4: the server is repaired.
    host.sh("echo AddressFamily inet >/etc/ssh/sshd_config.d/50-lab.conf; systemctl restart ssh");
    let run = by_name(&host, "apply", &[v4, v6]);
    assert_eq!(run.exit, 0, "{}", run.seen());
    assert_eq!(
        run.json["rounds"][0]["finding"],
        "sshd listens on IPv4 alone, and clients come by the other: AddressFamily inet"
    );
    host.lets_in(&["-o", &format!("HostName={v6}")]).unwrap();
    let run = by_name(&host, "apply", &[v4, v6]);
    assert_eq!((run.exit, run.all_changes()), (0, 0), "a second apply: {}", run.seen());

    // The address taken from the host, and still in the DNS.
    host.sh("ip -6 addr flush dev $(ip -o -6 addr show scope global | awk '{ print $2; exit }') scope global");
    let run = by_name(&host, "plan", &[v6, v4]);
    assert_eq!((run.exit, run.all_changes()), (1, 0), "{}", run.seen());
    let finding = of(&run, "families", "finding");
    assert!(
        finding.contains(&format!("at {v6} they do not")) && finding.contains("does not have that address"),
        "{finding}"
    );
}
