//! `security_group` of AWS: the real `aws` against moto, an emulator that keeps security groups, instances and network
//! ACLs as API state and refuses what EC2 refuses.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::clouds::step;
use crate::support::{Desk, Done, Run, full, lab_is_on, until};

const BOOK: &str = "name: cloud
title: t
vars:
  instance: {type: string, help: h}
  from: {type: string, help: h}
steps:
  - name: the cloud lets the client in
    where: controller
    ensure: {security_group: {provider: aws, instance: '{{ instance }}', from: '{{ from }}'}}
";

/// A target apart from the controller: this machine's sh without its environment, and as root with a lock and records of its
/// own.
pub fn target(desk: &Desk) -> String {
    let clean = "exec:env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    let [run, lib] = ["run", "lib"].map(|d| desk.path(d));
    if !fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0) {
        return format!("{clean} sh");
    }
    let mounts = format!("mount --bind {} /run && mount --bind {} /var/lib", run.display(), lib.display());
    format!("{clean} unshare -m sh -c '{mounts} && exec sh'")
}

/// moto with an instance whose group has no rule.
struct Aws {
    moto: Child,
    port: u16,
    bin: PathBuf,
    desk: Desk,
    group: String,
    instance: String,
}

impl Aws {
    /// `None` (and a note) where the lab is off.
    fn up() -> Option<Self> {
        if !lab_is_on() {
            return None;
        }
        let cache = std::env::var("RUNBOOK_LAB_CACHE").unwrap_or("/var/cache/runbook-lab".into());
        let bin = Path::new(&cache).join("moto/bin");
        assert!(bin.join("moto_server").exists(), "moto is missing: tests/lab/way setup ssm");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = bin.join("moto_server");
        let moto = Command::new(server)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let desk = Desk::new();
        for d in ["run", "lib"] {
            fs::create_dir(desk.path(d)).unwrap();
        }
        desk.write("book.yaml", BOOK);
        let mut aws = Self { moto, port, bin, desk, group: String::new(), instance: String::new() };
        assert!(until(60, || TcpStream::connect(("127.0.0.1", port)).is_ok()), "moto does not come up");
        aws.group = aws.text("ec2 create-security-group --group-name web --description web --query GroupId");
        // An image that moto does not know is one too; it knows so many that to ask for one takes seconds.
        let run = format!(
            "ec2 run-instances --image-id ami-12c6146b --security-group-ids {} --query Instances[0].InstanceId",
            aws.group
        );
        aws.instance = aws.text(&run);
        Some(aws)
    }
    /// The environment of somebody who is logged in.
    fn logged_in(&self, c: &mut Command) {
        let path = format!("{}:{}", self.bin.display(), std::env::var("PATH").unwrap());
        c.env("PATH", path).env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port)).env("no_proxy", "*");
        c.env("AWS_DEFAULT_REGION", "eu-central-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("HOME", self.desk.path(""));
        c.env("AWS_ACCESS_KEY_ID", "lab").env("AWS_SECRET_ACCESS_KEY", "lab");
    }
    fn aws(&self, args: &str) -> Done {
        let mut c = Command::new(self.bin.join("aws"));
        self.logged_in(&mut c);
        let done = Done::from(c.args(args.split(' ')).output().unwrap());
        assert_eq!(done.code, 0, "aws {args}: {}", done.stderr);
        done
    }
    fn text(&self, args: &str) -> String {
        self.aws(&format!("{args} --output text")).stdout.trim().to_owned()
    }
    /// What the group lets in.
    fn rules(&self) -> Vec<Value> {
        let out = self.aws(&format!("ec2 describe-security-groups --group-ids {} --output json", self.group)).stdout;
        let v: Value = serde_json::from_str(&out).unwrap();
        v["SecurityGroups"][0]["IpPermissions"].as_array().unwrap().clone()
    }
    fn command(&self, verb: &str, instance: &str, from: &str) -> Command {
        let yes: &[&str] = if verb == "apply" { &["-y"] } else { &[] };
        let (instance, from, via) = (format!("instance={instance}"), format!("from={from}"), target(&self.desk));
        let args = [yes, &["-o", "json", "-e", &instance, "-e", &from, "--via", &via]].concat();
        let mut c = self.desk.runbook(&[], verb, &self.desk.path("book.yaml"), &args);
        self.logged_in(&mut c);
        c
    }
    fn run(&self, verb: &str, from: &str) -> Run {
        Done::from(self.command(verb, &self.instance, from).output().unwrap()).into()
    }
    /// What the run's record says takes its one change back, run as a person would.
    fn undo(&self, run: &Run) {
        let undo = run.changes(0)[0]["undo"].as_str().unwrap().to_owned();
        let id = run.json["run"].as_str().unwrap();
        let journal = fs::read_to_string(self.desk.path(&format!("state/runbook/runs/{id}/journal.jsonl"))).unwrap();
        let records: Vec<Value> = journal.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let change = &records.iter().find(|r| r["record"] == "change").unwrap()["change"];
        assert_eq!((change["undo"].as_str(), change["where"].as_str()), (Some(undo.as_str()), Some("controller")));
        let mut c = Command::new("sh");
        self.logged_in(&mut c);
        let done = Done::from(c.args(["-c", &undo]).output().unwrap());
        assert_eq!(done.code, 0, "{undo}: {}", done.stderr);
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        let _ = self.moto.kill();
        let _ = self.moto.wait();
    }
}

#[test]
fn one_rule_for_one_client_and_back() {
    let Some(aws) = Aws::up() else { return };
    aws.aws(&format!(
        "ec2 authorize-security-group-ingress --group-id {} --protocol tcp --port 443 --cidr 0.0.0.0/0",
        aws.group
    ));
    let before = aws.rules();
    let run = aws.run("apply", "203.0.113.7");
    assert_eq!(run.exit, 0, "{}", run.seen());
    let new: Vec<Value> = aws.rules().into_iter().filter(|r| !before.contains(r)).collect();
    assert_eq!((new.len(), aws.rules().len()), (1, before.len() + 1), "{new:?}");
    assert_eq!(
        (&new[0]["IpProtocol"], &new[0]["FromPort"], &new[0]["ToPort"]),
        (&"tcp".into(), &22.into(), &22.into())
    );
    let ranges = serde_json::json!([{"CidrIp": "203.0.113.7/32", "Description": "runbook"}]);
    assert_eq!(new[0]["IpRanges"], ranges);
    let diff = run.changes(0)[0]["diff"].as_str().unwrap().to_owned();
    assert!(
        diff.ends_with("\n tcp 443 from 0.0.0.0/0\n") && diff.contains("\n+tcp 22 from 203.0.113.7/32 (runbook)\n"),
        "{diff}"
    );

    let again = aws.run("apply", "203.0.113.7");
    assert_eq!((again.exit, again.all_changes()), (0, 0), "{}", again.seen());
    assert!(
        step(&again)["evidence"].as_str().unwrap().contains("tcp 22 from 203.0.113.7/32 (runbook)"),
        "{}",
        again.seen()
    );

    aws.undo(&run);
    assert_eq!(aws.rules(), before);

    let missing = Run::from(Done::from(aws.command("plan", "i-0123456789abcdef0", "203.0.113.7").output().unwrap()));
    assert_eq!((missing.exit, step(&missing)["status"].as_str()), (1, Some("unknown")), "{}", missing.seen());
    assert!(step(&missing)["evidence"].as_str().unwrap().contains("InvalidInstanceID.NotFound"), "{}", missing.seen());
}

#[test]
fn ipv6_an_acl_a_stopped_instance_and_no_rights() {
    if !full() {
        return;
    }
    let Some(aws) = Aws::up() else { return };
    let run = aws.run("apply", "2001:db8::7");
    assert_eq!(run.exit, 0, "{}", run.seen());
    let ranges = serde_json::json!([{"CidrIpv6": "2001:db8::7/128", "Description": "runbook"}]);
    assert_eq!(aws.rules()[0]["Ipv6Ranges"], ranges);
    aws.undo(&run);
    assert_eq!(aws.rules(), Vec::<Value>::new());

    // A rule that somebody makes between the plan and the apply is the same rule.
    let permission = "IpProtocol=tcp,FromPort=22,ToPort=22,IpRanges=[{CidrIp=203.0.113.7/32}]";
    aws.aws(&format!("ec2 authorize-security-group-ingress --group-id {} --ip-permissions {permission}", aws.group));
    let open = aws.run("plan", "203.0.113.7");
    assert_eq!(open.exit, 0, "{}", open.seen());

    let acl = aws.text("ec2 describe-network-acls --query NetworkAcls[0].NetworkAclId");
    let entry = "--ingress --rule-number 90 --protocol 6 --port-range From=22,To=22 --cidr-block 203.0.113.0/24 --rule-action deny";
    aws.aws(&format!("ec2 create-network-acl-entry --network-acl-id {acl} {entry}"));
    let run = aws.run("apply", "203.0.113.7");
    assert_eq!((run.exit, run.all_changes(), step(&run)["status"].as_str()), (1, 0, Some("manual")), "{}", run.seen());
    let said = step(&run)["evidence"].as_str().unwrap();
    assert!(said.contains(&acl) && said.contains("its rule 90 denies port 22 from 203.0.113.7/32"), "{said}");
    let todo = step(&run)["manual"].as_str().unwrap().to_owned();
    // What a person is told to do helps.
    let line = &todo[todo.find("aws ec2").unwrap() + "aws ".len()..];
    aws.aws(line);
    assert_eq!(aws.run("plan", "203.0.113.7").exit, 0);

    let mut nobody = aws.command("plan", &aws.instance, "203.0.113.7");
    let run = Run::from(Done::from(nobody.env_remove("AWS_ACCESS_KEY_ID").output().unwrap()));
    assert!(step(&run)["evidence"].as_str().unwrap().contains("Unable to locate credentials"), "{}", run.seen());
    assert!(step(&run)["hint"].as_str().unwrap().contains("aws configure"));

    aws.aws(&format!("ec2 stop-instances --instance-ids {}", aws.instance));
    let run = aws.run("plan", "203.0.113.7");
    assert!(step(&run)["evidence"].as_str().unwrap().ends_with("is stopped: nobody can reach it"), "{}", run.seen());
    assert!(step(&run)["manual"].as_str().unwrap().contains("aws ec2 start-instances"));
    aws.aws(&format!("ec2 start-instances --instance-ids {}", aws.instance));

    // From here on moto asks who may do what.
    aws.aws("iam create-user --user-name guest");
    let key: Value =
        serde_json::from_str(&aws.aws("iam create-access-key --user-name guest --output json").stdout).unwrap();
    let mut server = TcpStream::connect(("127.0.0.1", aws.port)).unwrap();
    server.write_all(b"POST /moto-api/reset-auth HTTP/1.0\r\nContent-Length: 1\r\n\r\n0").unwrap();
    server.read_to_end(&mut Vec::new()).unwrap();
    let mut guest = aws.command("apply", &aws.instance, "198.51.100.7");
    guest.env("AWS_ACCESS_KEY_ID", key["AccessKey"]["AccessKeyId"].as_str().unwrap());
    guest.env("AWS_SECRET_ACCESS_KEY", key["AccessKey"]["SecretAccessKey"].as_str().unwrap());
    let run = Run::from(Done::from(guest.output().unwrap()));
    assert_eq!((run.exit, run.all_changes(), step(&run)["status"].as_str()), (1, 0, Some("unknown")), "{}", run.seen());
    // EC2 itself says UnauthorizedOperation, which `cli` knows too.
    assert!(step(&run)["evidence"].as_str().unwrap().contains("is not authorized to perform"), "{}", run.seen());
    assert!(step(&run)["hint"].as_str().unwrap().contains("ec2:DescribeInstances"));
}
