//! A host that is broken, half repaired by a run that is killed, and repaired, again and again.

use std::collections::BTreeMap;

use crate::lab_refusals::leftovers;
use crate::support::Host;

/// What its runs are given.
pub const ARGS: &[&str] = &["-e", "port=22"];

type Files = BTreeMap<String, Vec<u8>>;

/// A host whose fault is a wrong port in a drop-in: its repair is an edit and a restart.
pub struct Patient {
    pub host: Host,
    old: Files,
    new: Files,
    points: usize,
    wrong: Vec<String>,
}

impl Patient {
    pub fn admit(tag: &str) -> Option<Self> {
        let host = Host::up(tag)?;
        host.sh("cp -a /etc/ssh /root/etc-ssh");
        let mut patient = Self { host, old: Files::new(), new: Files::new(), points: 0, wrong: Vec::new() };
        patient.fall_ill();
        patient.old = patient.host.files("/etc/ssh");
        let cured = patient.host.apply(ARGS);
        assert_eq!(cured.exit, 0, "a run that nobody kills: {}", cured.seen());
        patient.new = patient.host.files("/etc/ssh");
        assert_ne!(patient.old, patient.new, "the repair edits no file: {}", cured.seen());
        Some(patient)
    }

    /// The fault anew. The start limit is systemd's own and no part of it.
    pub fn fall_ill(&self) {
        self.host.sh("rm -rf /var/lib/runbook /run/runbook.lock /run/kp /run/killed
            for f in sshd_config sshd_config.d; do rm -rf /etc/ssh/$f; cp -a /root/etc-ssh/$f /etc/ssh/; done
            echo Port 2222 >/etc/ssh/sshd_config.d/50-port.conf
            systemctl reset-failed ssh; systemctl restart ssh");
    }

    /// Whether the files are as an undisturbed run leaves them and the client gets in.
    pub fn is_cured(&self) -> bool {
        self.host.files("/etc/ssh") == self.new && self.host.lets_in(&[]).is_ok()
    }

    /// Takes down what was wrong at a point; one test tells of all points.
    pub fn note(&mut self, at: &str, outcome: Result<(), String>) {
        self.wrong.extend(outcome.err().map(|why| format!("{at}: {why}")));
    }

    /// What must hold right after a kill: nothing half done is where sshd reads.
    pub fn examine(&mut self, at: &str) {
        self.points += 1;
        let mut outcome = Ok(());
        for (path, now) in self.host.files("/etc/ssh") {
            let name = path.rsplit('/').next().unwrap_or_default();
            // A candidate: no glob of sshd's matches a name that begins with a dot.
            let hidden = name.starts_with('.') && name.contains(".runbook-");
            if !hidden && self.old.get(&path) != Some(&now) && self.new.get(&path) != Some(&now) {
                outcome =
                    Err(format!("{path} is neither the old file nor the new one: {:?}", String::from_utf8_lossy(&now)));
            }
        }
        let missing = self.old.keys().find(|p| self.new.contains_key(*p) && !self.host.disk(p).exists());
        self.note(at, outcome.and(missing.map_or(Ok(()), |p| Err(format!("{p} is gone")))));
    }

    /// A plain run must finish the job, and leave nothing of the killed one.
    pub fn recover(&mut self, at: &str) {
        let outcome = self.finish();
        self.note(at, outcome);
    }

    fn finish(&self) -> Result<(), String> {
        let run = self.host.apply(ARGS);
        if run.exit != 0 {
            return Err(format!("the next apply does not finish the job: {}", run.seen()));
        }
        self.host.lets_in(&[]).map_err(|e| format!("the client does not get in: {e}: {}", run.seen()))?;
        let now = self.host.files("/etc/ssh");
        let other: Vec<&String> =
            now.keys().chain(self.new.keys()).filter(|p| now.get(*p) != self.new.get(*p)).collect();
        if !other.is_empty() {
            return Err(format!("after the next apply these are not as an undisturbed run leaves them: {other:?}"));
        }
        let mut left = leftovers(&self.host);
        // Who has nothing to change takes no lock, and so does not clear a dead one: the next who needs it does.
        if run.all_changes() == 0 {
            left = left.replace("/run/runbook.lock\n", "");
        }
        if left.is_empty() { Ok(()) } else { Err(format!("after the next apply there is still: {left}")) }
    }

    /// How many points there were; fails if something was wrong at one of them.
    pub fn discharge(self, least: usize) {
        eprintln!("{}: {} kill points, {} failures", self.host.name, self.points, self.wrong.len());
        assert!(self.wrong.is_empty(), "{} of {} points:\n{}", self.wrong.len(), self.points, self.wrong.join("\n"));
        assert!(self.points >= least, "only {} points were found, {least} or more were expected", self.points);
    }
}
