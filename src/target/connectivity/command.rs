//! What a command of a runbook does to the connection, as far as its text tells.

use super::LoginPath;
use super::files::{changed_package, changed_paths};
use super::programs::{
    BEFORE_A_COMMAND, DETACHING, ENDS_SESSIONS, FILE_TOOLS, LOOKS, PACKAGE_TOOLS, SERVICE_LOOKS, SERVICE_TOOLS,
    is_runner, run_by,
};
use super::shell::{HereDocument, SimpleCommand, read_script};
use super::tool::{Subject, is_tool, subject};
use super::words::{Context, Place, base, is_assignment, is_open, is_script, names_login_file};
use crate::target::units::connects;

/// Something that a command does to what a connection depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// It changes the kernel's packet filter; `stored`: and settings on disk.
    PacketFilter { stored: bool },
    /// It changes addresses, routes or links; `stored`: and settings on disk.
    Network { stored: bool },
    /// It starts, stops, restarts or reloads a unit, by the name that it was given; `stored`: or what is enabled.
    Unit { name: String, stored: bool },
    /// It changes who may log in, or a file that a login depends on.
    Login,
}

/// What the text of a command tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShellEffects {
    /// What it does to the connection, each with the word by which it was recognized: a program, a unit or a path.
    pub effects: Vec<(String, Effect)>,
    /// It does that and nothing else: each other command in it only looks.
    pub nothing_else: bool,
    /// What it does may take effect after it has ended: it puts something into the background, has the network configured
    /// anew, or calls what is not known here.
    pub may_act_later: bool,
    /// It leaves something behind that goes on when it has ended: nobody knows until when.
    pub detaches: bool,
}

/// How deep scripts within scripts and runners of runners are read.
const DEPTH: usize = 4;

/// Reads what a command does to the connection from its text.
#[must_use]
pub fn shell_effects(sh: &str) -> ShellEffects {
    let mut scan = Scan {
        context: Context::of(sh),
        out: ShellEffects { nothing_else: true, ..ShellEffects::default() },
        from_input: false,
    };
    scan.script(sh, 0);
    scan.out.nothing_else &= !scan.out.effects.is_empty();
    scan.out
}

struct Scan {
    context: Context,
    out: ShellEffects,
    /// What is changed is told by the input of a runner.
    from_input: bool,
}

impl Scan {
    fn add(&mut self, word: &str, effect: Effect) {
        if !self.out.effects.iter().any(|(_, e)| *e == effect) {
            self.out.effects.push((word.to_owned(), effect));
        }
    }

    /// Counts as a risk, for what is known or for what is not.
    fn login(&mut self, word: &str) {
        self.out.nothing_else = false;
        self.add(word, Effect::Login);
    }

    fn script(&mut self, sh: &str, depth: usize) {
        let script = read_script(sh);
        let waits = script.commands.iter().any(|c| c.words.first().is_some_and(|w| w == "wait"));
        self.out.may_act_later |= script.background;
        self.out.detaches |= script.background && !waits;
        script.commands.iter().for_each(|c| self.simple(c, depth));
        // What is written down may be run by what reads it, or later.
        for document in script.documents.iter().filter(|d| depth < DEPTH && !is_tool(base(&d.reader))) {
            self.document(document, depth + 1);
        }
        if let Some(why) = script.unclear {
            self.unclear(why);
        }
    }

    fn unclear(&mut self, why: &str) {
        self.login(why);
        self.out.may_act_later = true;
    }

    fn document(&mut self, document: &HereDocument, depth: usize) {
        let reader = base(&document.reader);
        if !(LOOKS.contains(&reader) || FILE_TOOLS.contains(&reader)) || self.context.runs_text {
            return self.script(&document.text, depth);
        }
        self.text(&document.text, depth);
    }

    /// It need not be a script: only what may cut counts.
    fn text(&mut self, text: &str, depth: usize) {
        let kept = self.out.clone();
        read_script(text).commands.iter().for_each(|c| self.simple(c, depth));
        if self.out.effects == kept.effects {
            self.out = kept;
        }
    }

    fn simple(&mut self, c: &SimpleCommand, depth: usize) {
        // What goes to /dev/null goes nowhere; it is the file itself that a login needs.
        for path in c.written.iter().filter(|p| *p != "/dev/null") {
            self.out.nothing_else = false;
            for path in self.context.expand(path) {
                self.changed(&path, false);
            }
        }
        for words in self.context.expand_all(&c.words) {
            let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
            words.drain(..words.iter().take_while(|w| is_assignment(w)).count());
            // `C="iptables -F"; $C`
            let begin = words.first().copied().unwrap_or_default();
            if begin.contains(char::is_whitespace) {
                words.splice(..1, begin.split_whitespace());
            }
            self.command(&words, depth);
        }
    }

    /// A path that is changed; `whole`: with all that it is above of.
    fn changed(&mut self, path: &str, whole: bool) {
        match self.context.place(path) {
            Place::Login(kind, path) if whole || kind == LoginPath::Itself => self.login(&path),
            Place::Unknown => self.unknown_path(),
            Place::Login(..) | Place::Other => {}
        }
    }

    /// Something is changed that the command does not name: it may be what the script does.
    fn unknown_path(&mut self) {
        if let Some(named) = self.context.named.clone() {
            self.login(&named);
        }
    }

    /// Words that begin with a program.
    fn command(&mut self, words: &[&str], depth: usize) {
        let begin = words.iter().take_while(|w| BEFORE_A_COMMAND.contains(w)).count();
        let asks = words[..begin].contains(&"command") && words.get(begin).is_some_and(|w| matches!(*w, "-v" | "-V"));
        let words = &words[begin..];
        let Some((program, args)) = words.split_first().filter(|_| !asks) else { return };
        let program = base(program);
        if let Some(s) = subject(program, args) {
            return self.subject(program, s);
        }
        if SERVICE_TOOLS.contains(&program) {
            return self.service(program, args);
        }
        if words[0].contains("/init.d/") {
            return self.service("service", &[&[program], args].concat());
        }
        if PACKAGE_TOOLS.contains(&program) {
            self.out.nothing_else = false;
            if let Some(p) = changed_package(program, args) {
                self.login(p);
            }
            return;
        }
        if program == "kill" {
            return self.kill(args);
        }
        let in_place = program.ends_with("awk") && args.contains(&"inplace");
        if FILE_TOOLS.contains(&program) || in_place {
            self.files(program, args);
        }
        if is_runner(program) && depth < DEPTH {
            self.out.nothing_else &=
                matches!(program, "sudo" | "doas" | "pkexec" | "env" | "sh" | "bash" | "dash" | "timeout" | "ip");
            let detaches = DETACHING.contains(&program) || program == "setsid";
            self.out.may_act_later |= detaches;
            self.out.detaches |= detaches;
            return self.run_by(program, args, depth + 1);
        }
        if matches!(program, "echo" | "printf") && self.context.runs_text && depth < DEPTH {
            // `echo iptables -F | sh`
            self.text(&args.join(" "), depth + 1);
        }
        if is_open(program) {
            // It may be `sudo`; and `"$@"` anything.
            if let Some(tool) = self.context.tool.clone().filter(|_| matches!(program, "$@" | "$*" | "$1")) {
                let tried = subject(&tool, &["-F"]).or(subject(&tool, &["link", "set"]));
                tried.into_iter().for_each(|s| self.subject(&tool, s));
            }
            if depth < DEPTH {
                self.command(args, depth + 1);
            }
        }
        if program == "sort" {
            let out = args.iter().position(|a| matches!(*a, "-o" | "--output")).and_then(|at| args.get(at + 1));
            out.into_iter().for_each(|path| self.changed(path, false));
        }
        if let ("ssh", Some(at)) = (program, args.iter().position(|a| matches!(*a, "localhost" | "127.0.0.1" | "::1")))
        {
            return self.command(&args[at + 1..], depth);
        }
        // A tool that was called only to look, as the table says.
        let looks = LOOKS.contains(&program) || is_tool(program) || only_looks(program, args);
        self.out.nothing_else &= looks;
        self.out.may_act_later |= !looks && !FILE_TOOLS.contains(&program);
        if !looks && !FILE_TOOLS.contains(&program) {
            // Nobody knows what it does with a file that it is given.
            let quoted = |c: char| !c.is_ascii_alphanumeric() && !"/._-*@+".contains(c);
            let given = args.iter().flat_map(|a| a.split(quoted)).find(|w| names_login_file(w));
            given.into_iter().for_each(|w| self.login(w));
        }
    }

    /// The program among a runner's arguments, and scripts that it is given as one.
    fn run_by(&mut self, program: &str, args: &[&str], depth: usize) {
        let texts: Vec<&str> = args.iter().copied().filter(|a| is_script(a)).collect();
        texts.iter().for_each(|text| self.script(text, depth));
        if program == "eval" {
            return self.script(&args.join(" "), depth);
        }
        let lists = [SERVICE_TOOLS, FILE_TOOLS, PACKAGE_TOOLS];
        let acts = |w: &str| is_tool(w) || is_runner(w) || w == "kill" || lists.iter().any(|names| names.contains(&w));
        let own = run_by(program, args);
        let is_known = |w: &str| acts(w) || LOOKS.contains(&w);
        let at = match own.first() {
            Some(first) if is_known(base(first)) || first.contains("/init.d/") => Some(0),
            // Behind an option that is not known here.
            _ => own.iter().position(|a| acts(base(a)) || a.contains("/init.d/")),
        };
        let outer = self.from_input;
        self.from_input |= matches!(program, "xargs" | "parallel");
        match (at, own.first()) {
            (Some(at), _) => self.command(&own[at..], depth),
            (None, Some(first)) if !is_script(first) && !matches!(program, "case" | "trap") => self.command(own, depth),
            _ => self.out.may_act_later |= texts.is_empty() && !matches!(program, "find" | "ip" | "case" | "trap"),
        }
        self.from_input = outer;
    }

    fn subject(&mut self, program: &str, subject: Subject) {
        match subject {
            Subject::PacketFilter => self.add(program, Effect::PacketFilter { stored: false }),
            Subject::StoredPacketFilter => self.add(program, Effect::PacketFilter { stored: true }),
            Subject::Network => self.add(program, Effect::Network { stored: false }),
            Subject::StoredNetwork => self.add(program, Effect::Network { stored: true }),
            Subject::Login => self.add(program, Effect::Login),
        }
        let stored = matches!(subject, Subject::StoredPacketFilter | Subject::StoredNetwork | Subject::Login);
        self.out.nothing_else &= !stored;
        // An address that is asked for over the network comes later, a service does what it was told when it gets to it, and
        // the host goes when its services have ended.
        let at_once = matches!(program, "ip" | "ifconfig" | "route" | "tc" | "sysctl");
        self.out.may_act_later |= matches!(subject, Subject::Network | Subject::StoredNetwork) && !at_once
            || matches!(program, "reboot" | "shutdown" | "poweroff" | "halt" | "kexec" | "init" | "telinit");
    }

    /// By number nobody knows whom; by what another command says, it may be what the script names.
    fn kill(&mut self, args: &[&str]) {
        let asks = args.iter().any(|a| matches!(*a, "-0" | "-l" | "-L"));
        // The first `-1` is a signal.
        let everybody = args.iter().skip(1).any(|a| *a == "-1");
        let named: Vec<&str> = args.iter().copied().skip_while(|a| a.starts_with('-')).collect();
        let all = everybody || named.iter().any(|a| matches!(*a, "1" | "$PPID"));
        let told = named.is_empty() || self.from_input || named.iter().any(|a| is_open(a));
        if !asks && (all || told && self.context.names_daemon) {
            self.login("kill");
        }
        self.out.nothing_else = false;
    }

    fn service(&mut self, program: &str, args: &[&str]) {
        const WITH_VALUE: &[&str] =
            &["-H", "-M", "-p", "-P", "-t", "-n", "-o", "-s", "--signal", "--property", "--type"];
        let option = |n: usize| n > 0 && program == "systemctl" && WITH_VALUE.contains(&args[n - 1]);
        let words: Vec<&str> =
            (0..args.len()).filter(|n| !args[*n].starts_with('-') && !option(*n)).map(|n| args[n]).collect();
        let units: Vec<&str> = words.iter().copied().filter(|w| connects(w)).collect();
        let name_first = matches!(program, "service" | "rc-service" | "invoke-rc.d" | "update-rc.d" | "chkconfig");
        let verb = words.get(usize::from(name_first)).copied().unwrap_or("status");
        let target = |w: &&str| w.strip_suffix(".target").is_some_and(|name| ENDS_SESSIONS.contains(&name));
        let starts_end = matches!(verb, "start" | "restart") && words.iter().any(target);
        if program == "systemctl" && (ENDS_SESSIONS.contains(&verb) || starts_end) {
            self.out.may_act_later = true;
            return self.login(program);
        }
        if SERVICE_LOOKS.contains(&verb) {
            return;
        }
        let detaches = args.contains(&"--no-block");
        self.out.may_act_later |= detaches;
        self.out.detaches |= detaches;
        let now = args.contains(&"--now");
        let stored = matches!(program, "rc-update" | "update-rc.d" | "chkconfig")
            || matches!(verb, "enable" | "disable" | "mask" | "unmask" | "reenable" | "preset");
        let starts = matches!(verb, "start" | "enable" | "unmask");
        for unit in units.iter().copied() {
            let login = matches!(unit.split(['.', '@']).next(), Some("ssh" | "sshd"));
            // That it runs, or will at the next boot, cannot be in the way.
            if starts && (login || stored && !now) {
                self.out.nothing_else = false;
                continue;
            }
            self.out.may_act_later |= !login;
            self.add(unit, Effect::Unit { name: unit.to_owned(), stored });
            self.out.nothing_else &= !stored;
        }
        let pattern = words.iter().find(|w| w.contains(['*', '?', '['])).filter(|_| program == "systemctl" && !starts);
        pattern.into_iter().for_each(|w| self.login(w));
        self.out.nothing_else &= !units.is_empty();
    }

    fn files(&mut self, program: &str, args: &[&str]) {
        self.out.nothing_else = false;
        let Some(paths) = changed_paths(program, args) else { return };
        if self.from_input || program == "patch" || paths.is_empty() && matches!(program, "cpio" | "ed" | "ex") {
            self.unknown_path();
        }
        paths.iter().for_each(|(path, whole)| self.changed(path, *whole));
    }
}

/// Programs of a login's own that were called only to look.
fn only_looks(program: &str, args: &[&str]) -> bool {
    let has = |words: &[&str]| args.iter().any(|a| words.contains(a));
    match program {
        "sshd" => has(&["-t", "-T", "-G"]),
        "visudo" => {
            args.iter().any(|a| *a == "--check" || a.starts_with('-') && !a.starts_with("--") && a.contains('c'))
        }
        "ssh-keygen" => has(&["-l", "-lf", "-y", "-yf", "-F"]),
        _ => false,
    }
}

#[cfg(test)]
mod kinds;
#[cfg(test)]
mod tests;
