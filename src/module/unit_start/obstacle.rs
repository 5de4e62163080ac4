//! Why a start cannot succeed, from what systemd knows: a pure function.

use super::state::{StartState, StartedUnit, UnitLine, UnitProperties};

/// Units that are each to come after the other, this one among them: systemd leaves one out at each boot, and that may be this
/// one (systemd.unit(5), Before=, After=). A start by hand may go well.
fn cycle(u: &StartedUnit, state: &StartState) -> Option<StartObstacle> {
    let members = state.cycles.iter().find(|c| c.iter().any(|m| m == u.name()))?;
    let others = || members.iter().filter(|m| *m != u.name());
    let own = u.lines.iter().chain(&state.cycle_lines).find(|l| {
        let orders = matches!(l.key.as_str(), "Before" | "After");
        orders && !is_vendor(&l.file) && u.counts(l) && members.iter().any(|m| l.names(m))
    });
    let names: Vec<&str> = others().map(String::as_str).collect();
    let left = format!("an ordering cycle with {}, and systemd may leave {} out at boot", names.join(", "), u.name());
    let (evidence, fix) = match own {
        Some(l) => (format!("{}, and that makes {left}", l.quote()), StartFix::Comment(l.clone())),
        None => {
            let show = "systemctl show -p Before -p After -p FragmentPath -p DropInPaths";
            let todo = format!(
                "see which Before= or After= of theirs is one too many ({show} {}), take it out, then: systemctl daemon-reload; systemctl start {} starts it until the next boot",
                members.join(" "),
                u.name()
            );
            (format!("{} has {left}", u.name()), StartFix::Manual(todo))
        }
    };
    let file = own.map(|l| l.file.clone()).unwrap_or_default();
    Some(StartObstacle { problem: "cycle", evidence, file, other: names.first().map(|n| (*n).to_owned())?, fix })
}

/// Where a package, not a person, puts units (systemd.unit(5), UNIT FILE LOAD PATH).
const VENDOR: &[&str] = &["/usr/lib/", "/lib/", "/usr/local/lib/"];

/// For so many seconds a command that failed before the start is not tried again.
const RECENTLY: u64 = 120;

/// What repairs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StartFix {
    /// An empty `KEY=` in front of that line, so that the lines of other files before it do not count.
    Reset(UnitLine),
    /// The line becomes a comment.
    Comment(UnitLine),
    /// `-` in front of its value: the file may be missing.
    Optional(UnitLine),
    /// The file goes: another one, which it hides, counts then.
    Remove(String),
    /// A person does this.
    Manual(String),
    /// The package that owns the file puts it there again.
    Reinstall,
}

/// Why a start cannot succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StartObstacle {
    /// For expressions: `field::problem` of the module.
    pub(super) problem: &'static str,
    pub(super) evidence: String,
    /// The unit file that is about it, else empty.
    pub(super) file: String,
    /// The other unit that is about it, else empty.
    pub(super) other: String,
    pub(super) fix: StartFix,
}

/// The first thing that keeps these units from starting, in the order in which systemd would meet it.
pub(super) fn find_obstacle(state: &StartState) -> Option<StartObstacle> {
    state.units.iter().find_map(|u| {
        broken_file(u)
            .or_else(|| no_template(u))
            .or_else(|| bad_setting(u, state))
            .or_else(|| dangling(u))
            .or_else(|| nobody(u))
            .or_else(|| refused(u))
            .or_else(|| unmet(u))
            .or_else(|| required(u, state))
            .or_else(|| waiting(u, state))
            .or_else(|| failed_before(u, state))
            .or_else(|| super::timing::hangs(u, state))
            .or_else(|| cycle(u, state))
            .or_else(|| super::timing::ended_in_time(u, state))
    })
}

pub(super) fn is_vendor(file: &str) -> bool {
    VENDOR.iter().any(|v| file.starts_with(v))
}

/// systemd takes a unit file of 0 bytes for a mask (systemd.unit(5)).
fn broken_file(u: &StartedUnit) -> Option<StartObstacle> {
    let name = u.name();
    let load = u.properties.get("LoadState");
    let Some((file, size)) = u.files.first() else {
        let file = format!("/usr/lib/systemd/system/{name}");
        return (load == "not-found" && name.ends_with(".service")).then(|| StartObstacle {
            problem: "package_file",
            evidence: format!("there is no unit file for {name}, so nothing starts it"),
            file,
            other: String::new(),
            fix: StartFix::Reinstall,
        });
    };
    let hidden = u.files.iter().skip(1).find(|(f, size)| *size > 0 && f.rsplit('/').next() == Some(name));
    let commands = u.lines.iter().any(|l| l.file == *file && l.key.starts_with("Exec"));
    let service = name.ends_with(".service");
    let empty = *size == 0;
    if !(empty || is_vendor(file) && service && load == "bad-setting" && !commands) {
        return None;
    }
    let what = if empty { "is empty, and systemd takes that for a mask" } else { "is damaged: it starts nothing" };
    let (problem, fix) = match hidden {
        _ if is_vendor(file) => ("package_file", StartFix::Reinstall),
        Some(_) => ("empty_file", StartFix::Remove(file.clone())),
        None => ("package_file", StartFix::Reinstall),
    };
    let evidence = format!("{file} {what}");
    Some(StartObstacle { problem, evidence, file: file.clone(), other: String::new(), fix })
}

/// A socket of `Accept=yes` starts a unit of its own for each client (systemd.socket(5)).
fn no_template(u: &StartedUnit) -> Option<StartObstacle> {
    if u.properties.get("Template") != "not-found" {
        return None;
    }
    let (name, other) = (u.name(), u.name().replace(".socket", "@.service"));
    let own = u.lines_of("Accept").last().filter(|l| !is_vendor(&l.file));
    let found = |problem, evidence, file, fix| StartObstacle { problem, evidence, file, other: other.clone(), fix };
    Some(match own {
        Some(l) => {
            let evidence = format!("{}, and there is no {other}, which {name} then starts for each client", l.quote());
            found("setting", evidence, l.file.clone(), StartFix::Comment(l.clone()))
        }
        None => {
            let evidence = format!("there is no {other}, which {name} starts for each client (Accept=yes)");
            found("package_file", evidence, format!("/usr/lib/systemd/system/{other}"), StartFix::Reinstall)
        }
    })
}

/// systemd refuses the whole unit.
fn bad_setting(u: &StartedUnit, state: &StartState) -> Option<StartObstacle> {
    let load = u.properties.get("LoadState");
    if !matches!(load, "bad-setting" | "error") {
        return None;
    }
    let found = |l: &UnitLine, evidence: String, fix| StartObstacle {
        problem: "setting",
        evidence,
        file: l.file.clone(),
        other: String::new(),
        fix,
    };
    // An empty value forgets those before it (systemd.service(5), ExecStart=); only a oneshot may have several.
    let mut commands: Vec<&UnitLine> = Vec::new();
    let mut reset = None;
    for l in u.lines_of("ExecStart").filter(|l| l.section == "Service") {
        if l.value.is_empty() {
            commands.clear();
            reset = Some(l);
        } else {
            commands.push(l);
        }
    }
    let oneshot = u.lines_of("Type").last().is_some_and(|l| l.value == "oneshot");
    if commands.len() > 1 && !oneshot {
        let last = commands[commands.len() - 1];
        let first_there = commands.iter().find(|l| l.file == last.file).unwrap_or(&last);
        let several_there = commands.iter().filter(|l| l.file == last.file).count() > 1;
        let evidence = format!(
            "{} gives {} more than one ExecStart= (the first is in {}), and systemd refuses that",
            last.place(),
            u.name(),
            commands[0].place()
        );
        let fix = if several_there {
            let todo = format!(
                "leave one ExecStart= in {}, with an empty \"ExecStart=\" line before it; then: systemctl daemon-reload && systemctl restart {}",
                last.file,
                u.name()
            );
            StartFix::Manual(todo)
        } else {
            StartFix::Reset((*first_there).clone())
        };
        return Some(found(last, evidence, fix));
    }
    if let Some(reset) = reset.filter(|_| commands.is_empty()) {
        let evidence = format!("{} takes the command of {} away, and gives it no other", reset.place(), u.name());
        return Some(found(reset, evidence, StartFix::Comment(reset.clone())));
    }
    // Its files may have been corrected since systemd read them: then a start reads them again.
    if u.properties.get("NeedDaemonReload") == "yes" {
        return None;
    }
    let log = state.logs.get(u.name()).into_iter().flatten();
    let said = log.rev().find(|l| l.contains("Refusing") || l.contains("rror") || l.contains("Failed to"));
    let said = said.map(|l| l.trim_start_matches(u.name()).trim_start_matches(": ").to_owned());
    let drop_in = u.properties.list("DropInPaths").last().map(str::to_owned);
    let file = drop_in.or_else(|| u.files.first().map(|f| f.0.clone())).unwrap_or_default();
    let evidence = match said {
        Some(said) => format!("systemd cannot use {}: {said} (see {file})", u.name()),
        None => format!("systemd cannot use {}: see {file}", u.name()),
    };
    let todo = format!(
        "systemd-analyze verify {0} names the line; correct it in {file}, then: systemctl daemon-reload && systemctl restart {0}",
        u.name()
    );
    Some(StartObstacle { problem: "setting", evidence, file, other: String::new(), fix: StartFix::Manual(todo) })
}

/// A line that counts names a program or a file that does not exist.
fn dangling(u: &StartedUnit) -> Option<StartObstacle> {
    let line = u.dangling.iter().filter(|l| l.section == "Service" && u.counts(l)).find(|l| {
        if matches!(l.key.as_str(), "User" | "Group") {
            return false;
        }
        let optional = l.value.trim_start_matches(['@', ':', '+', '!']).starts_with('-');
        // What the program itself lacks is another step's, and what runs after it does not keep it from starting.
        !optional && !matches!(l.key.as_str(), "ExecStart" | "ExecStop" | "ExecStopPost" | "ExecReload")
    })?;
    let path = line.value.trim_start_matches(['-', '@', ':', '+', '!']).split_whitespace().next().unwrap_or_default();
    // Of a package's own unit: sshd itself, whose absence is told elsewhere.
    if is_vendor(&line.file) && line.key != "EnvironmentFile" {
        return None;
    }
    let evidence = format!("{} says {}={path}, and that does not exist", line.place(), line.key);
    let fix = match line.key.as_str() {
        _ if is_vendor(&line.file) => {
            StartFix::Manual(format!("touch {path}; systemctl reset-failed {0}; systemctl start {0}", u.name()))
        }
        "EnvironmentFile" => StartFix::Optional(line.clone()),
        // What runs before another service may be what keeps it from harm.
        _ if !is_sshd(u) => StartFix::Manual(format!(
            "bring {path} back, or take the line {} out; then: systemctl daemon-reload && systemctl restart {}",
            line.place(),
            u.name()
        )),
        _ => StartFix::Comment(line.clone()),
    };
    let file = line.file.clone();
    Some(StartObstacle { problem: "dangling", evidence, file, other: String::new(), fix })
}

/// It is to run as a user, or in a group, that does not exist (status 217/USER, 216/GROUP).
fn nobody(u: &StartedUnit) -> Option<StartObstacle> {
    let dynamic = u.lines_of("DynamicUser").last().is_some_and(|l| is_yes(&l.value));
    let last = |l: &&UnitLine| u.lines_of(&l.key).last().is_some_and(|x| (&x.file, x.number) == (&l.file, l.number));
    let line = u.dangling.iter().filter(|l| matches!(l.key.as_str(), "User" | "Group") && !dynamic).find(last)?;
    let what = line.key.to_lowercase();
    let evidence = format!("{}, and there is no such {what}, so systemd cannot start {}", line.quote(), u.name());
    let start = format!("systemctl daemon-reload && systemctl restart {}", u.name());
    // sshd is root's in any case; another service would be root's without that line, and nobody has said that it may.
    let fix = if is_vendor(&line.file) || !is_sshd(u) {
        StartFix::Manual(format!("make that {what} again, or name another in {}; then: {start}", line.place()))
    } else {
        StartFix::Comment(line.clone())
    };
    Some(StartObstacle { problem: "dangling", evidence, file: line.file.clone(), other: String::new(), fix })
}

/// A condition that a person gave it does not hold, and systemd skips the start without an error (systemd.unit(5)). Those of
/// a package (`ConditionPathExists=!/etc/ssh/sshd_not_to_be_run`) are what somebody chose by making the file.
fn unmet(u: &StartedUnit) -> Option<StartObstacle> {
    let line =
        u.lines.iter().filter(|l| l.key.starts_with("Condition") && !is_vendor(&l.file) && u.counts(l)).find(|l| {
            let is = |x: &UnitLine| (&x.file, x.number) == (&l.file, l.number);
            match l.key.as_str() {
                // Looked at just now, in place of what held when it was tried last.
                "ConditionPathExists" => !l.value.starts_with('|') && u.dangling.iter().any(is),
                _ => u.unmet.iter().any(|c| *c == format!("{}={}", l.key, l.value)),
            }
        })?;
    let evidence = format!("{}, and that is not so: systemd skips the start of {}", line.quote(), u.name());
    let path = line.value.trim_start_matches('!');
    let first = match (line.key.as_str(), line.value.starts_with('!')) {
        ("ConditionPathExists", true) => format!("if {path} is not needed, remove it; or take"),
        ("ConditionPathExists", false) => format!("see what should have made {path}; or take"),
        _ => "see whether it is meant so; if not, take".to_owned(),
    };
    let todo =
        format!("{first} the line {} out; then: systemctl daemon-reload && systemctl start {}", line.place(), u.name());
    let (file, other) = (line.file.clone(), String::new());
    Some(StartObstacle { problem: "condition", evidence, file, other, fix: StartFix::Manual(todo) })
}

fn is_sshd(u: &StartedUnit) -> bool {
    matches!(u.name().split(['.', '@']).next(), Some("ssh" | "sshd"))
}

/// systemd.syntax(7), boolean.
fn is_yes(value: &str) -> bool {
    matches!(value, "yes" | "true" | "on" | "1")
}

/// The unit itself says that it is not to be started.
fn refused(u: &StartedUnit) -> Option<StartObstacle> {
    let p = &u.properties;
    if p.get("RefuseManualStart") == "yes" {
        let line = u.lines_of("RefuseManualStart").filter(|l| is_yes(&l.value)).last()?;
        let todo = format!("take that line out, then: systemctl daemon-reload && systemctl start {}", u.name());
        let by_hand = is_vendor(&line.file);
        let fix = if by_hand { StartFix::Manual(todo) } else { StartFix::Comment(line.clone()) };
        let evidence = format!("{}, so nobody can start {}", line.quote(), u.name());
        return Some(StartObstacle {
            problem: "refused",
            evidence,
            file: line.file.clone(),
            other: String::new(),
            fix,
        });
    }
    if p.get("AssertResult") == "no" && p.seconds("AssertTimestampMonotonic").is_some() {
        let line = u.lines.iter().rfind(|l| l.key.starts_with("Assert") && !l.value.is_empty())?;
        let todo =
            format!("make it true or take the line out, then: systemctl daemon-reload && systemctl start {}", u.name());
        let evidence = format!("{} is not started: {}, and that is not so", u.name(), line.quote());
        return Some(StartObstacle {
            problem: "refused",
            evidence,
            file: line.file.clone(),
            other: String::new(),
            fix: StartFix::Manual(todo),
        });
    }
    None
}

/// A unit that it requires cannot be had (systemd.unit(5), Requires=, Requisite=, BindsTo=).
fn required(u: &StartedUnit, state: &StartState) -> Option<StartObstacle> {
    let bad = |n: &&UnitProperties| {
        !matches!(n.get("LoadState"), "loaded" | "stub" | "merged" | "")
            || n.get("ActiveState") == "failed"
            || n.name().ends_with(".device") && n.get("ActiveState") == "inactive"
    };
    let is_requisite = |n: &&UnitProperties| {
        u.properties.list("Requisite").any(|w| w == n.name())
            && !matches!(n.get("ActiveState"), "active" | "reloading" | "activating")
    };
    let need = u.needs.iter().find(bad).or_else(|| u.needs.iter().find(is_requisite))?;
    let name = need.name();
    let line = |word: &str| {
        let keys = ["Requires", "Requisite", "BindsTo"];
        u.lines.iter().find(|l| keys.contains(&l.key.as_str()) && l.names(word)).or_else(|| {
            let mount = word.strip_suffix(".mount")?;
            let fits = |l: &&UnitLine| l.value.trim_matches('/').replace('/', "-").contains(mount);
            u.lines_of("RequiresMountsFor").find(fits)
        })
    };
    let log = state.logs.get(name).into_iter().flatten();
    let own = |l: &&String| {
        !l.starts_with(name) && !["Start", "Stop", "Failed to start", "Dependency"].iter().any(|p| l.starts_with(p))
    };
    let last = log.rev().find(own).map(|l| format!(" ({})", l.trim_end_matches('.'))).unwrap_or_default();
    let how = match (need.get("LoadState"), need.get("ActiveState")) {
        ("masked", _) => "is masked".to_owned(),
        ("not-found", _) => "does not exist".to_owned(),
        ("bad-setting" | "error", _) => "systemd cannot use".to_owned(),
        (_, "failed") => format!("failed{last}"),
        _ if name.ends_with(".device") => "is not there (no such device)".to_owned(),
        _ => "does not run".to_owned(),
    };
    let by = line(name).map_or_else(
        || format!("{} requires it, by way of others (systemctl list-dependencies {0})", u.name()),
        |l| format!("{}, so {} cannot start without it", l.quote(), u.name()),
    );
    let evidence = format!("{name} {how}: {by}");
    let start = format!("systemctl start {}", u.name());
    let without = line(name).map_or_else(String::new, |l| {
        let change = match l.key.as_str() {
            "RequiresMountsFor" => "take the line out:".to_owned(),
            key => format!("write Wants= for {key}= in"),
        };
        let (unit, place) = (u.name(), l.place());
        format!("; or, where {unit} can do without it, {change} {place} and: systemctl daemon-reload; {start}")
    });
    let todo = match need.get("LoadState") {
        "masked" => format!("systemctl unmask {name}, then: {start}{without}"),
        _ if name.ends_with(".device") => format!("bring that device up, then: {start}{without}"),
        "not-found" => format!("install what {name} belongs to, then: {start}{without}"),
        _ => format!("see why it failed: journalctl -u {name}; correct that, then: {start}{without}"),
    };
    let file = line(name).map(|l| l.file.clone()).unwrap_or_default();
    Some(StartObstacle { problem: "required", evidence, file, other: name.to_owned(), fix: StartFix::Manual(todo) })
}

/// Its start waits, or would wait, for a job that runs: what it is ordered after is being started or stopped.
fn waiting(u: &StartedUnit, state: &StartState) -> Option<StartObstacle> {
    let job = |name: &str| state.jobs.iter().find(|j| j.unit == name);
    let own = job(u.name());
    if own.is_some_and(|j| j.running) {
        return None;
    }
    // From one to the next that it waits for; a circle is none of systemd's, but it may be in what was read.
    let (mut at, mut seen) = (u.name(), vec![u.name()]);
    let culprit = loop {
        let after = state.order.iter().find(|p| p.name() == at)?;
        let mut next = after.list("After").filter(|a| !seen.contains(a)).filter_map(job);
        let all: Vec<_> = next.by_ref().collect();
        if let Some(runs) = all.iter().find(|j| j.running) {
            break *runs;
        }
        let first = all.first()?;
        at = &first.unit;
        seen.push(at);
    };
    let name = culprit.unit.as_str();
    let since = state.order.iter().find(|p| p.name() == name).and_then(|p| p.seconds("InactiveExitTimestampMonotonic"));
    let since = since.filter(|_| culprit.verb == "start").map(|s| state.uptime.saturating_sub(s));
    // What has just begun may well be about to end.
    if own.is_none() && since.is_some_and(|s| s < 2) {
        return None;
    }
    let line = u.lines_of("After").find(|l| l.names(name) || seen.iter().skip(1).any(|s| l.names(s)));
    let long = since.map_or_else(String::new, |s| format!(" since {s} s"));
    let waits = if own.is_some() { "waits" } else { "would wait" };
    let doing = if culprit.verb == "stop" { "is being stopped" } else { "is being started" };
    let by = line.map_or_else(String::new, |l| format!("; {}", l.quote()));
    let evidence = format!("the start of {} {waits} for {name}, which {doing}{long}{by}", u.name());
    let without = line.map_or_else(String::new, |l| {
        format!("; or, where {} can do without it, take it out of {} and: systemctl daemon-reload", u.name(), l.place())
    });
    let todo = format!(
        "see what it waits for: systemctl status {name}; end it with: systemctl stop {name}, then: systemctl start {}{without}",
        u.name()
    );
    let file = line.map(|l| l.file.clone()).unwrap_or_default();
    Some(StartObstacle { problem: "waits", evidence, file, other: name.to_owned(), fix: StartFix::Manual(todo) })
}

/// A command before the start, or right after it, failed a moment ago (systemd.service(5), ExecStartPre=, ExecCondition=,
/// ExecStartPost=).
fn failed_before(u: &StartedUnit, state: &StartState) -> Option<StartObstacle> {
    let ended = u.properties.seconds("InactiveEnterTimestampMonotonic")?;
    if u.properties.get("ActiveState") == "active" || state.uptime.saturating_sub(ended) > RECENTLY {
        return None;
    }
    ["ExecStartPre", "ExecCondition", "ExecStartPost"].iter().find_map(|key| {
        let failed = u.properties.get(key).lines().find(|l| {
            let field = |name: &str| l.split(" ; ").find_map(|f| f.trim().strip_prefix(name)).unwrap_or_default();
            let status = field("status=").split([' ', '/']).next().unwrap_or_default();
            field("ignore_errors=") == "no"
                && matches!(field("code="), "exited" | "killed" | "dumped")
                && !matches!(status, "" | "0")
        })?;
        let program = failed.split("path=").nth(1)?.split(" ;").next()?.trim();
        // `sshd -t`: what it complains of is told by the steps that ask it.
        if program.ends_with("/sshd") {
            return None;
        }
        let status = failed.split("status=").nth(1)?.split([' ', '/', '}']).next()?.to_owned();
        let line = u.lines_of(key).filter(|l| l.value.contains(program)).last();
        let place = line.map_or_else(|| format!("{key}={program}"), UnitLine::quote);
        let mut log = state.logs.get(u.name()).into_iter().flatten().rev();
        let said = log.find(|l| !l.starts_with(u.name()) && !l.contains("tart") && !l.starts_with("Stop"));
        let said = said.map(|l| format!(": {}", l.trim_end_matches('.'))).unwrap_or_default();
        let evidence = format!("{place}, and that ended with status {status} just now{said}");
        let todo = format!(
            "correct what {program} finds wrong, or take the line out{}; then: systemctl daemon-reload && systemctl restart {}",
            line.map_or_else(String::new, |l| format!(" of {}", l.file)),
            u.name()
        );
        let file = line.map(|l| l.file.clone()).unwrap_or_default();
        Some(StartObstacle {
            problem: "failed_before",
            evidence,
            file,
            other: String::new(),
            fix: StartFix::Manual(todo),
        })
    })
}
