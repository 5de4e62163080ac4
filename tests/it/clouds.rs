//! `security_group` of Google Cloud, Azure and DigitalOcean, against a stand-in of each one's tool that prints what was
//! recorded. Nothing here was run against the real service.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::{Desk, Done, Run, fixture};

struct Cloud {
    desk: Desk,
    provider: &'static str,
    instance: &'static str,
}

impl Cloud {
    fn new(provider: &'static str, instance: &'static str) -> Self {
        let desk = Desk::new();
        for d in ["stand-in", "run", "lib"] {
            fs::create_dir(desk.path(d)).unwrap();
        }
        desk.write("book.yaml", BOOK);
        Self { desk, provider, instance }
    }
    fn command(&self, verb: &str, from: &str, bin: &str) -> Command {
        let yes: &[&str] = if verb == "apply" { &["-y"] } else { &[] };
        let of = [format!("cloud={}", self.provider), format!("instance={}", self.instance), format!("from={from}")];
        let vars: Vec<&str> = of.iter().flat_map(|v| ["-e", v.as_str()]).collect();
        let via = super::clouds_aws::target(&self.desk);
        let book = self.desk.path("book.yaml");
        let mut c = self.desk.runbook(&[], verb, &book, &[yes, &vars, &["-o", "json", "--via", &via]].concat());
        c.env("PATH", bin).env("CLOUD_STAND_IN", self.desk.path("stand-in"));
        c
    }
    fn run(&self, verb: &str, from: &str) -> Run {
        let bin = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", fixture("clouds/bin").display());
        Done::from(self.command(verb, from, &bin).output().unwrap()).into()
    }
    /// What the tool was told that is no look.
    fn told(&self) -> Vec<String> {
        let said = fs::read_to_string(self.desk.path("stand-in/said")).unwrap_or_default();
        let looks = [" list ", " show ", " get ", " get-effective-firewalls "];
        said.lines().filter(|l| !looks.iter().any(|w| l.contains(w))).map(str::to_owned).collect()
    }
}

const BOOK: &str = "name: cloud
title: t
vars:
  cloud: {type: string, help: h}
  instance: {type: string, help: h}
  from: {type: string, help: h}
steps:
  - name: the cloud lets the client in
    where: controller
    ensure: {security_group: {provider: '{{ cloud }}', instance: '{{ instance }}', allow: 22/tcp, from: '{{ from }}'}}
";

/// The first step of the first round.
pub fn step(run: &Run) -> &Value {
    &run.json["rounds"][0]["steps"][0]
}

/// Closed, opened for one address, open; and what takes it back is what the journal has.
fn opened(provider: &'static str, instance: &'static str, run: &str, undo: &str, line: &str) {
    let cloud = Cloud::new(provider, instance);
    let planned = cloud.run("plan", "203.0.113.7");
    assert_eq!(planned.exit, 4, "{}", planned.seen());
    assert_eq!(cloud.told(), Vec::<String>::new(), "a plan only looks");
    let change = planned.changes(0)[0].clone();
    let diff = change["diff"].as_str().unwrap();
    let added: Vec<&str> = diff.lines().skip(2).filter(|l| l.starts_with(['+', '-'])).collect();
    assert_eq!(added, [format!("+{line}")], "{diff}");
    assert_eq!(change["undo"], undo);

    let applied = cloud.run("apply", "203.0.113.7");
    assert_eq!(applied.exit, 0, "{}", applied.seen());
    assert_eq!(applied.changes(0)[0]["command"], change["command"], "apply does what the plan said");
    assert_eq!(cloud.told(), [run]);

    let again = cloud.run("apply", "203.0.113.7");
    assert_eq!((again.exit, again.all_changes()), (0, 0), "{}", again.seen());
    assert_eq!(cloud.told().len(), 1);
}

#[test]
fn google_cloud() {
    opened(
        "gcp",
        "web1",
        "gcloud compute firewall-rules create runbook-tcp-22-203-0-113-7 --project=shop --network=default --direction=INGRESS --action=ALLOW --rules=tcp:22 --source-ranges=203.0.113.7/32 --priority=1000 --description=runbook --target-tags=web",
        "gcloud compute firewall-rules delete runbook-tcp-22-203-0-113-7 --project=shop --quiet",
        "1000 allow tcp:22 from 203.0.113.7/32 to tag web (runbook-tcp-22-203-0-113-7)",
    );
}

#[test]
fn azure() {
    let rule = "--subscription 00000000-0000-0000-0000-000000000001 --resource-group shop --nsg-name web1NSG --name runbook-tcp-22-203-0-113-7";
    opened(
        "azure",
        "shop/web1",
        &format!(
            "az network nsg rule create {rule} --priority 1001 --direction Inbound --access Allow --protocol Tcp --source-address-prefixes 203.0.113.7/32 --source-port-ranges * --destination-address-prefixes 10.0.0.4/32 --destination-port-ranges 22 --description runbook"
        ),
        &format!("az network nsg rule delete {rule}"),
        "1001 Allow Tcp 22 from 203.0.113.7/32 to 10.0.0.4/32 (runbook-tcp-22-203-0-113-7)",
    );
}

#[test]
fn digitalocean() {
    let rule = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6 --inbound-rules protocol:tcp,ports:22,address:203.0.113.7/32";
    opened(
        "digitalocean",
        "386734086",
        &format!("doctl compute firewall add-rules {rule}"),
        &format!("doctl compute firewall remove-rules {rule}"),
        "tcp 22 from 203.0.113.7/32",
    );
}

#[test]
fn who_is_let_in_already_changes_nothing() {
    for (provider, by) in
        [("gcp", "allow-office-ssh"), ("azure", "office"), ("digitalocean", "tcp 22 from 198.51.100.0/24")]
    {
        let run = Cloud::new(provider, "web1").run("plan", "198.51.100.30");
        assert_eq!(run.exit, 0, "{}", run.seen());
        assert!(step(&run)["evidence"].as_str().unwrap().contains(by), "{}", run.seen());
    }
}

#[test]
fn everybody_only_when_asked_for_and_with_a_warning() {
    let run = Cloud::new("digitalocean", "web1").run("plan", "0.0.0.0/0");
    let change = run.changes(0)[0].clone();
    assert!(change["command"].as_str().unwrap().ends_with("address:0.0.0.0/0"), "{change:#}");
    assert!(
        change["attributes"].as_array().unwrap().iter().any(|a| a.as_str().unwrap().starts_with("WARNING")),
        "{change:#}"
    );
}

#[test]
fn a_tool_that_is_missing_or_refuses_is_told_in_its_own_words() {
    let cloud = Cloud::new("gcp", "web1");
    let missing = Done::from(cloud.command("plan", "203.0.113.7", &bare(&cloud.desk)).output().unwrap());
    let run = Run::from(missing);
    assert_eq!((run.exit, step(&run)["status"].as_str()), (1, Some("unknown")), "{}", run.seen());
    assert_eq!(step(&run)["evidence"], "the program gcloud is not on this machine");
    assert!(step(&run)["hint"].as_str().unwrap().contains("gcloud auth login"));

    // Word for word what gcloud 528 says without a login.
    let said =
        "ERROR: (gcloud.compute.instances.list) You do not currently have an active account selected.\nPlease run:\n";
    cloud.desk.write("stand-in/refuses", said);
    let run = cloud.run("apply", "203.0.113.7");
    assert_eq!((run.exit, run.all_changes()), (1, 0), "{}", run.seen());
    assert!(
        step(&run)["evidence"].as_str().unwrap().contains("You do not currently have an active account"),
        "{}",
        run.seen()
    );
    assert!(step(&run)["hint"].as_str().unwrap().contains("gcloud auth login"));
}

/// A PATH with what sh scripts need, and no cloud's tool: machines may well have one.
fn bare(desk: &Desk) -> String {
    let bin = desk.path("bin");
    fs::create_dir_all(&bin).unwrap();
    for tool in [
        "sh", "env", "unshare", "mount", "mkdir", "rm", "cat", "wc", "sed", "grep", "sleep", "dd", "tail", "tr",
        "uname", "id", "stat",
    ] {
        let from = ["/usr/bin", "/bin"].map(|d| std::path::Path::new(d).join(tool)).into_iter().find(|p| p.exists());
        std::os::unix::fs::symlink(from.unwrap(), bin.join(tool)).unwrap();
    }
    bin.display().to_string()
}
