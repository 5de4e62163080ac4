//! For reading, at 3 a.m., at 80 columns, without colour too.

use std::io::Write;

use super::unresolved::summary;
use super::words::{count, fold, wrap};
use super::{Earlier, Event, GuardNews, Proof, Redactor, Sink, printable, terminal};
use crate::apply::exit;
use crate::apply::risk::GuardPreview;
use crate::book::{Runbook, Where};
use crate::invocation::Invocation;
use crate::plan::diff::{self, Tag};
use crate::plan::{Change, CommandChange, NOT_HERE, Plan, Planned, Question, StepPlan, StepStatus, Verdict};
use crate::target::files::{Content, Kind};

/// What texts are wrapped to where nobody says how wide the terminal is.
const WIDTH: usize = 80;

/// Human output.
pub struct Human<W: Write> {
    out: W,
    redactor: Redactor,
    colour: bool,
    /// Progress may be drawn over (a terminal).
    live: bool,
    verbose: bool,
    dry: bool,
    /// It takes a past run back.
    undoes: bool,
    changed: usize,
    /// A file was changed: what it held is kept. Of what a command did nothing is.
    kept: bool,
    /// Something failed that may have changed something all the same.
    doubt: bool,
    /// A way was lost in mid-run, and the next plan is what is left.
    resumed: bool,
    /// Everything that is left, in a sentence.
    pub(super) unresolved: String,
    /// What the user typed.
    invocation: Invocation,
    /// What the user wants left, and the plan that was shown with it.
    left: Vec<String>,
    leaving: bool,
    shown: Option<Plan>,
    /// The last line was empty.
    spaced: bool,
    proofs: Vec<(Proof, String)>,
    drawn: bool,
    checked: usize,
    /// Every step was skipped, and not because none applies.
    blind: bool,
    offline: bool,
    /// The target is this machine, and we are root on it.
    here: bool,
    root: bool,
    book: String,
    see: Vec<String>,
    planned: usize,
    /// What a repair leaves for a person.
    pub(super) after: Vec<String>,
    /// What texts are wrapped to.
    pub(super) width: usize,
}

/// A colour.
#[derive(Clone, Copy)]
pub(super) enum Ink {
    Plain,
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Cyan,
}

impl<W: Write> Human<W> {
    /// Writes there. `live`: it is a terminal, and a line of progress may be drawn over.
    pub fn new(out: W, redactor: Redactor, colour: bool, live: bool, verbose: bool, dry: bool) -> Self {
        Self {
            out,
            redactor,
            colour,
            live,
            verbose,
            dry,
            undoes: false,
            changed: 0,
            kept: false,
            doubt: false,
            resumed: false,
            unresolved: String::new(),
            invocation: Invocation::default(),
            left: Vec::new(),
            leaving: false,
            shown: None,
            proofs: Vec::new(),
            drawn: false,
            checked: 0,
            blind: false,
            offline: false,
            here: false,
            root: false,
            book: String::new(),
            see: Vec::new(),
            planned: 0,
            after: Vec::new(),
            width: WIDTH,
            spaced: false,
        }
    }

    /// For a terminal of that many columns.
    #[must_use]
    pub fn wide(mut self, width: usize) -> Self {
        self.width = width;
        self
    }

    /// Of a command line, so that the next one can be printed whole.
    #[must_use]
    pub fn invoked_as(mut self, invocation: Invocation) -> Self {
        self.invocation = invocation;
        self
    }

    fn ink(&self, ink: Ink, text: &str) -> String {
        paint(self.colour, ink, text)
    }

    /// One line; what came from outside is made safe and secrets are blotted out before colour is added.
    fn line(&mut self, parts: &[(Ink, &str)]) {
        self.wipe();
        self.spaced = false;
        let mut text = String::new();
        for (ink, part) in parts {
            let safe = printable(&self.redactor.clean(part));
            text.push_str(&self.ink(*ink, &safe));
        }
        terminal::put(&mut self.out, &format!("{}\n", text.trim_end()), self.colour);
    }

    /// An empty line, and never two.
    fn blank(&mut self) {
        self.wipe();
        if !std::mem::replace(&mut self.spaced, true) {
            let _ = writeln!(self.out);
        }
    }

    /// A text wrapped to the width, below an indentation.
    fn para(&mut self, ink: Ink, first: &str, indent: usize, text: &str) {
        let pad = " ".repeat(indent);
        // Before it is wrapped: a secret of two words would be on two lines.
        let text = self.redactor.clean(text);
        for (n, l) in wrap(&text, self.width.saturating_sub(indent)).iter().enumerate() {
            if n == 0 {
                self.line(&[(ink, first), (Ink::Plain, l)]);
            } else {
                self.line(&[(Ink::Plain, &pad), (Ink::Plain, l)]);
            }
        }
    }

    /// A change's title, which may be a command: folded, and otherwise as it is.
    fn titled(&mut self, ink: Ink, first: &str, text: Ink, title: &str, after: &str) {
        let title = self.redactor.clean(title);
        let lines = fold(&format!("{title}{after}"), self.width.saturating_sub(first.chars().count() + 4));
        for (n, l) in lines.iter().enumerate() {
            // What stands behind the title is no part of it.
            let (l, after) = l.strip_suffix(after).map_or((l.as_str(), ""), |l| (l, after));
            let pad = " ".repeat(first.chars().count() + 4);
            let head = if n == 0 { (ink, first) } else { (Ink::Plain, pad.as_str()) };
            self.line(&[head, (text, l), (Ink::Dim, after)]);
        }
    }

    /// A line that the next one overwrites; on a terminal only.
    fn progress(&mut self, text: &str) {
        if self.live {
            let cut: String = printable(&self.redactor.clean(text)).chars().take(self.width - 1).collect();
            let _ = write!(self.out, "\r\x1b[K{cut}").and_then(|()| self.out.flush());
            self.drawn = true;
        }
    }

    fn wipe(&mut self) {
        if self.drawn {
            let _ = write!(self.out, "\r\x1b[K");
            self.drawn = false;
        }
    }

    fn plan(&mut self, round: usize, plan: &Plan, book: &Runbook) {
        self.checked = plan.steps.iter().filter(|s| s.status != StepStatus::Skipped).count();
        self.blind = plan.nothing_checked();
        self.planned = plan.changes.len();
        let goes_on = self.goes_on(plan);
        let before = self.shown.replace(plan.clone()).unwrap_or_default();
        if std::mem::take(&mut self.leaving) && goes_on {
            return self.without(&before, plan);
        }
        if round == 1 {
            self.preamble(plan);
        } else if plan.changes.is_empty() {
            return self.todo(plan);
        } else {
            self.blank();
            let why =
                if std::mem::take(&mut self.resumed) { "what is left to do" } else { "this can be seen only now" };
            self.line(&[(Ink::Bold, &format!("Round {round}: {why}"))]);
        }
        self.findings(plan);
        if self.verbose || round == 1 {
            self.steps(plan, book);
        }
        self.todo(plan);
        self.changes(plan);
    }

    /// The plan is what was shown already, without what the user wants left.
    pub(super) fn goes_on(&self, plan: &Plan) -> bool {
        self.leaving && self.shown.as_ref().is_some_and(|before| plan.within(before))
    }

    /// What else does not happen since something was left.
    fn without(&mut self, before: &Plan, plan: &Plan) {
        let was = |s: &StepPlan| before.steps.iter().find(|b| (b.step, b.item) == (s.step, s.item)).map(|b| b.status);
        for s in plan.steps.iter().filter(|s| unresolved(s) && s.status != StepStatus::Declined) {
            if was(s) != Some(s.status) {
                let (ink, word) =
                    if self.undoes && s.status == StepStatus::Change { (Ink::Yellow, "back") } else { word(s) };
                self.para(ink, &format!("  {word:<8}"), 10, &format!("{}: {}", s.name, s.evidence));
            }
        }
        let new = |k: &&(String, String)| !before.kept_back.contains(k);
        for (handler, why) in plan.kept_back.iter().filter(new) {
            self.para(Ink::Yellow, "  left    ", 10, &format!("{handler} is not done: {why}"));
        }
        for v in plan.validations.iter().filter(|v| v.outcome == Verdict::Failed) {
            self.para(Ink::Red, "  refused ", 10, &v.evidence);
        }
        self.todo(plan);
    }

    fn preamble(&mut self, plan: &Plan) {
        let Some(f) = &plan.facts else { return };
        self.root = f.root;
        if let Some((run, _)) = &f.unconfirmed {
            let text = format!("run {run} was cut off, and the host is about to take back what it had changed");
            self.para(Ink::Yellow, "Note: ", 6, &text);
        }
        for l in &f.leftovers {
            self.para(Ink::Yellow, "Note: ", 6, l);
        }
        if !f.root && f.live {
            let user = if f.user.is_empty() { "not root" } else { &f.user };
            self.para(
                Ink::Yellow,
                "Note: ",
                6,
                &format!("we are {user} there, not root: some things cannot be read, and most repairs need root"),
            );
        }
    }

    /// What is wrong, in a person's words, with its evidence; before anything else.
    fn findings(&mut self, plan: &Plan) {
        let (symptoms, found): (Vec<&StepPlan>, Vec<&StepPlan>) =
            plan.steps.iter().filter(|s| s.finding.is_some()).partition(|s| s.symptom);
        self.blank();
        for s in &symptoms {
            self.para(Ink::Yellow, "Seen:  ", 7, &s.finding.clone().unwrap_or_default());
        }
        if found.is_empty() && plan.changes.is_empty() {
            let unknown = plan.steps.iter().filter(|s| unresolved(s)).count();
            let text = match (self.checked, unknown) {
                _ if self.undoes && unknown == 0 => "What the run changed is as it was before it.".to_owned(),
                (0, _) if self.blind => {
                    let why = plan.steps.iter().find(|s| s.not_checked).map_or("", |s| s.evidence.as_str());
                    let why = why.strip_prefix("not checked: ").unwrap_or(why);
                    format!("Nothing could be checked here{}{why}.", if why.is_empty() { "" } else { ": " })
                }
                (0, _) => "No step of this runbook applies here.".to_owned(),
                (_, 0) if self.offline => "No problem found in what can be checked on an offline disk.".to_owned(),
                (_, 0) => "Nothing is wrong that this runbook knows of.".to_owned(),
                (_, n) => format!(
                    "Nothing wrong was found, but {n} {} could not be looked at.",
                    if n == 1 { "step" } else { "steps" }
                ),
            };
            let ink = if unknown == 0 && !self.blind { Ink::Green } else { Ink::Yellow };
            wrap(&text, self.width).iter().for_each(|l| self.line(&[(ink, l)]));
        }
        // That the run did what it did is no finding.
        let undoes = self.undoes;
        for s in found.into_iter().filter(|s| !undoes || s.status != StepStatus::Change) {
            let said = s.finding.clone().unwrap_or_default();
            self.para(Ink::Red, "Found: ", 7, &said);
            if !said.contains(&s.evidence) {
                self.para(Ink::Dim, "       ", 7, &s.evidence);
            }
        }
        for note in plan.steps.iter().filter_map(|s| s.note.as_ref()) {
            self.para(Ink::Yellow, "Note:  ", 7, note);
        }
        for o in &plan.owed {
            self.para(
                Ink::Yellow,
                "Left over: ",
                11,
                &format!("run {} changed something and did not get to \"{}\"; it is done now", o.run, o.handler),
            );
        }
    }

    fn steps(&mut self, plan: &Plan, book: &Runbook) {
        self.blank();
        let quiet = |s: &StepPlan| {
            matches!(s.status, StepStatus::Ok | StepStatus::Skipped | StepStatus::Blocked) || is_later(s)
        };
        // What was seen from here, and what could not be, is never left out: it is the proof from outside.
        let shown = |s: &&StepPlan| self.verbose || !quiet(s) || seen_from_here(book, s);
        let mut rest = plan.steps.iter().filter(shown).collect::<Vec<_>>().into_iter().peekable();
        while let Some(s) = rest.next() {
            let from_here = seen_from_here(book, s);
            let (ink, word) =
                if self.undoes && s.status == StepStatus::Change { (Ink::Yellow, "back") } else { word(s) };
            self.para(ink, &format!("  {word:<8}"), 10, &s.name);
            // What keeps several in a row from being looked at is said once, below them.
            let same = |n: &&StepPlan| (n.status, &n.evidence, &n.hint) == (s.status, &s.evidence, &s.hint);
            if s.status == StepStatus::Unknown && rest.peek().is_some_and(same) {
                continue;
            }
            let explain = match s.status {
                StepStatus::Ok | StepStatus::Change => self.verbose || from_here,
                StepStatus::Failed => s.finding.is_none() || s.hint.is_some() || self.verbose,
                _ => true,
            };
            // A finding has it above.
            let told = s.finding.as_ref().is_some_and(|f| !s.symptom && !self.undoes || f.contains(&s.evidence));
            if explain && !s.evidence.is_empty() && !told {
                self.para(Ink::Dim, "          ", 10, &s.evidence);
            }
            if let Some(h) = &s.hint {
                self.para(Ink::Cyan, "          hint: ", 16, h);
            }
        }
        if self.verbose {
            return;
        }
        self.waiting(plan);
        let shown = |s: &&StepPlan| !seen_from_here(book, s);
        let of = |status, not_checked: bool| {
            plan.with(status).filter(shown).filter(|s| s.not_checked == not_checked).count()
        };
        let offline = if self.offline { "not checked on an offline disk" } else { "not checked" };
        let hidden = [
            (of(StepStatus::Ok, false), "ok"),
            (of(StepStatus::Blocked, false), "could not be judged before that"),
            (of(StepStatus::Skipped, false), "not needed here"),
            (of(StepStatus::Skipped, true), offline),
        ];
        let parts: Vec<String> = hidden.iter().filter(|h| h.0 > 0).map(|(n, why)| format!("{n} {why}")).collect();
        if !parts.is_empty() {
            self.para(Ink::Dim, "  ", 3, &format!("(and {}; -v shows them)", parts.join(", ")));
        }
    }

    /// What waits, by the change that it waits for in the end.
    fn waiting(&mut self, plan: &Plan) {
        let mut roots: Vec<(usize, Vec<&str>)> = Vec::new();
        for s in plan.steps.iter().filter(|s| is_later(s)) {
            let mut root = s;
            for _ in 0..plan.steps.len() {
                let next = root.waits_for.and_then(|w| plan.steps.iter().find(|x| x.step == w));
                let Some(next) = next.filter(|n| n.step != root.step) else { break };
                root = next;
            }
            match roots.iter_mut().find(|r| r.0 == root.step) {
                Some(r) => r.1.push(&s.name),
                None => roots.push((root.step, vec![&s.name])),
            }
        }
        for (step, names) in roots {
            let root = plan.steps.iter().find(|s| s.step == step).map_or("", |s| s.name.as_str());
            let text = match names.as_slice() {
                [one] => format!("{one} (waits for: {root})"),
                many => format!("{} steps wait for: {root}", many.len()),
            };
            self.para(Ink::Cyan, "  later   ", 10, &text);
        }
    }

    /// What only a person can do.
    fn todo(&mut self, plan: &Plan) {
        for s in plan
            .steps
            .iter()
            .filter(|s| s.status == StepStatus::Manual || (s.manual.is_some() && s.status == StepStatus::Change))
        {
            if let Some(m) = &s.manual {
                self.blank();
                self.para(Ink::Yellow, "For you to do: ", 15, m);
                // Said again when it is done: by then it has scrolled away.
                if s.status == StepStatus::Change && !self.after.contains(m) {
                    self.after.push(m.clone());
                }
            }
        }
    }

    fn changes(&mut self, plan: &Plan) {
        self.changes_to_make(plan);
        if plan.for_root.is_empty() {
            return;
        }
        self.blank();
        self.line(&[(Ink::Bold, "As root, this would happen:")]);
        for (n, p) in plan.for_root.iter().enumerate() {
            self.change(plan.changes.len() + n + 1, p);
        }
    }

    fn changes_to_make(&mut self, plan: &Plan) {
        if plan.changes.is_empty() {
            return self.validations(plan);
        }
        self.blank();
        let head = if plan.invalid().is_some() {
            "Refused. This would have been done:"
        } else {
            "What will happen, in this order:"
        };
        self.line(&[(Ink::Bold, head)]);
        let mut shown_validation = false;
        for (n, p) in plan.changes.iter().enumerate() {
            if p.handler.is_some() && !shown_validation {
                self.validations(plan);
                shown_validation = true;
            }
            self.change(n + 1, p);
        }
        if !shown_validation {
            self.validations(plan);
        }
    }

    fn validations(&mut self, plan: &Plan) {
        for (handler, why) in &plan.kept_back {
            self.blank();
            self.para(Ink::Red, "  kept back: ", 13, &format!("{handler} is not done: {why}"));
        }
        for v in &plan.validations {
            self.blank();
            match v.outcome {
                Verdict::Passed => self.para(Ink::Green, "  checked: ", 11, &v.evidence),
                Verdict::Failed => self.para(Ink::Red, "  refused: ", 11, &v.evidence),
                Verdict::AtWrite(_) | Verdict::Impossible => self.para(Ink::Yellow, "  note: ", 8, &v.evidence),
            }
        }
    }

    fn change(&mut self, n: usize, p: &Planned) {
        self.blank();
        let why = match &p.handler {
            Some(h) if p.step == usize::MAX => format!("   ({h}, left over)"),
            Some(_) => "   (so that the edit takes effect)".into(),
            None => String::new(),
        };
        self.titled(Ink::Bold, &format!("  {n}. "), Ink::Bold, &p.change.title(), &why);
        self.change_body(p);
    }

    /// What a change alters: attributes, and the diff of a file or of what a command says of itself.
    fn change_body(&mut self, p: &Planned) {
        for a in p.change.attributes() {
            self.para(Ink::Plain, "     ", 5, &a);
        }
        let text = |k: &Kind| match k {
            Kind::File(Content::Bytes(b)) => b.clone(),
            Kind::Link(t) => format!("-> {t}\n").into_bytes(),
            _ => Vec::new(),
        };
        let (old, new) = match &p.change {
            Change::File(f) if f.sensitive => {
                return self.line(&[(Ink::Dim, "     (the content is sensitive and is not shown)")]);
            }
            Change::File(f) => (text(&f.before.kind), text(&f.after.kind)),
            Change::Command(CommandChange { listing: Some(l), .. }) => {
                (l.before.clone().into(), l.after.clone().into())
            }
            _ => return,
        };
        for hunk in diff::hunks(&old, &new) {
            self.line(&[(Ink::Cyan, &format!("     {}", hunk.header))]);
            let shown =
                |l: &diff::DiffLine<'_>| format!("{}{}", char::from(l.tag.sign()), String::from_utf8_lossy(l.text));
            let mut texts: Vec<String> = hunk.lines.iter().map(shown).collect();
            self.redactor.clean_lines(&mut texts);
            for (l, text) in hunk.lines.iter().zip(texts) {
                let ink = match l.tag {
                    Tag::Context => Ink::Plain,
                    Tag::Removed => Ink::Red,
                    Tag::Added => Ink::Green,
                };
                self.line(&[(ink, &format!("     {text}"))]);
                if l.missing_newline {
                    self.line(&[(Ink::Dim, "     \\ No newline at end of file")]);
                }
            }
        }
    }

    /// How it ended, in a sentence.
    pub(super) fn sentence(&self, exit: u8, rounds: usize, seconds: f64) -> String {
        let took = if seconds < 10.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") };
        let changes = format!("{} {}", self.changed, if self.changed == 1 { "change" } else { "changes" });
        let rounds = if rounds > 1 { format!(" in {rounds} rounds") } else { String::new() };
        let unresolved = &self.unresolved;
        // Healthy is what was seen: how far, where a client was not let all the way in.
        let seen = self.proofs.iter().find(|p| p.0 == Proof::NotPossible && p.1.contains("no login was tried"));
        let seen = seen.map(|p| format!("; {}", p.1)).unwrap_or_default();
        let left = if self.left.is_empty() { String::new() } else { format!("; you left: {}", self.left.join(", ")) };
        match (exit, self.changed) {
            (0, 0) if self.offline && !self.undoes => format!("Offline checks passed ({took})."),
            (0, 0) if !self.proofs.is_empty() && self.proofs.iter().all(|p| p.0 == Proof::NotPossible) => {
                format!("Nothing is wrong on the host itself; nobody looked from outside ({took}).")
            }
            (0, 0) if self.undoes => format!("Nothing to take back ({took})."),
            (0, 0) => format!("Healthy: nothing to do{seen} ({took})."),
            (0, _) if self.undoes => format!("Taken back: {changes}{rounds} ({took})."),
            (0, _) if self.offline => {
                format!("{changes} made on the disk{rounds}; offline checks passed ({took}).")
            }
            (0, _) => format!("Repaired: {changes}{rounds}{seen} ({took})."),
            (4, _) if self.dry => format!("{} to make; none was made ({took}).", count(self.planned, "change")),
            (4, _) => "Nothing was changed.".into(),
            (3, _) => {
                "No channel works; nothing was changed. Another way in: --via console:COMMAND, exec:COMMAND, root:/mnt."
                    .into()
            }
            (exit::ROLLED_BACK, _) => format!("Taken back: the host is as it was before that round ({took})."),
            (exit::NOT_ROLLED_BACK, _) => format!("The host needs somebody now ({took})."),
            (_, 0) if self.dry && self.planned > 0 => {
                format!("{} to make, and not all is resolved: {unresolved} ({took}).", count(self.planned, "change"))
            }
            (_, 0) if self.doubt && unresolved.is_empty() => {
                format!("Not healthy; what failed may have changed something ({took}).")
            }
            (_, 0) if self.doubt => {
                format!("Unresolved: {unresolved}{left}. What failed may have changed something ({took}).")
            }
            (_, 0) if self.blind || self.checked == 0 && self.proofs.is_empty() => {
                format!("Nothing could be checked here; nothing was changed ({took}).")
            }
            (_, 0) if unresolved.is_empty() => format!("Not healthy; nothing was changed ({took})."),
            (_, 0) => format!("Unresolved: {unresolved}{left} ({took})."),
            (_, _) if unresolved.is_empty() && !left.is_empty() => format!("{changes} made{rounds}{left} ({took})."),
            (_, _) if unresolved.is_empty() => format!("{changes} made{rounds}; not all is well yet ({took})."),
            (_, _) => format!("{changes} made{rounds}; still unresolved: {unresolved}{left} ({took})."),
        }
    }

    /// What the guard will do about a plan, before anybody agrees to it.
    fn guard_preview(&mut self, guard: &GuardPreview) {
        let numbers = |all: &[usize]| {
            let listed = all.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
            format!("change{} {listed}", if all.len() == 1 { "" } else { "s" })
        };
        self.blank();
        // An undo brings back what was there, whatever clients make of that: only the way in that is in use counts.
        let unless = if self.undoes { "this way in still works" } else { "nothing is worse" };
        let text = format!(
            "{} may cut the connection: unless {unless} afterwards, the host rolls this round back by itself within {} s",
            numbers(&guard.risks),
            guard.within.as_secs()
        );
        self.para(Ink::Dim, "  guard   ", 10, &text);
        if !guard.irreversible.is_empty() {
            let text = format!("it cannot roll back {}: there is no undo", numbers(&guard.irreversible));
            self.para(Ink::Yellow, "          ", 10, &text);
        }
    }

    fn guard(&mut self, news: &GuardNews<'_>) {
        match news {
            GuardNews::Waiting { why, within } => {
                self.blank();
                let text = format!(
                    "{why}; the host rolls this round back by itself within {} s: waiting for it (Ctrl-C stops waiting)",
                    within.as_secs()
                );
                self.para(Ink::Yellow, "  lost    ", 10, &text);
            }
            GuardNews::Armed { within, boot } => {
                self.blank();
                // The plan above says what it does.
                let boot = if *boot { "it outlives a reboot" } else { "a reboot would end it" };
                let text = format!("armed on the host, for {} s; {boot}", within.as_secs());
                self.para(Ink::Dim, "  guard   ", 10, &text);
            }
            GuardNews::Unknown { why, waited } => {
                self.blank();
                let text = format!("the host has not answered again for {} s: {why}", waited.as_secs());
                self.para(Ink::Red, "Unknown: ", 9, &text);
                let rest = "it rolls this round back by itself, unless it is down; that was not seen";
                self.para(Ink::Plain, "         ", 9, rest);
                let hint = "run it again once the host answers, or over another channel (--via console:COMMAND): it says what was rolled back";
                self.para(Ink::Cyan, "   hint: ", 9, hint);
            }
            GuardNews::Kept { measured: true } => {
                self.para(Ink::Green, "  kept    ", 10, "nothing is worse than before");
            }
            GuardNews::Kept { measured: false } if self.undoes => {
                let what = "this way in works; an undo brings back what was there, and what clients get of it was not measured";
                self.para(Ink::Yellow, "  kept    ", 10, what);
            }
            GuardNews::Kept { measured: false } => {
                let what = "nothing was measured from outside: the way that this came by works, and no more is known";
                self.para(Ink::Yellow, "  kept    ", 10, what);
            }
            GuardNews::Back { all, why, rest } => {
                self.blank();
                let (word, what) = if *all {
                    ("Back:    ", "what this round had changed was taken back")
                } else {
                    ("NOT all back: ", "what this round had changed was to be taken back")
                };
                self.para(Ink::Red, word, 9, &format!("{what}: {why}"));
                for l in *rest {
                    self.para(Ink::Plain, "         ", 9, l);
                }
                if !*all {
                    let hint =
                        "see to the host now; files that were changed are kept below /var/lib/runbook/runs on it";
                    self.para(Ink::Cyan, "   hint: ", 9, hint);
                }
            }
            GuardNews::Earlier { run, became, rest } => {
                let what = match became {
                    Earlier::Kept => "all is well, so it stays",
                    Earlier::Back => "what it had changed was taken back first",
                    Earlier::NotAllBack => "NOT all of what it had changed could be taken back",
                };
                let ink = if *became == Earlier::NotAllBack { Ink::Red } else { Ink::Yellow };
                self.para(ink, "Note: ", 6, &format!("run {run} was cut off before it was confirmed: {what}"));
                for l in *rest {
                    self.para(Ink::Plain, "      ", 6, l);
                }
            }
        }
    }

    fn last(&mut self, text: &str) {
        wrap(text, self.width).iter().for_each(|l| self.line(&[(Ink::Dim, l)]));
    }

    fn finished(&mut self, exit: u8, rounds: usize, run: Option<&str>, seconds: f64) {
        self.blank();
        let text = self.sentence(exit, rounds, seconds);
        let ink = if exit == 0 { Ink::Green } else { Ink::Yellow };
        for l in wrap(&self.redactor.clean(&text), self.width) {
            self.line(&[(ink, &l)]);
        }
        if self.offline && exit == 0 && !self.undoes {
            let host = self.invocation.to_check_on_host();
            self.command("After booting that disk, check on the host:", &host.to_sh());
        }
        for q in self.questions(exit) {
            let lines = to_decide(&q, &self.invocation, self.here && !self.root);
            self.command(&format!("To decide \"{}\":", q.var), &lines);
        }
        let unseen = |p: &Plan| !p.for_root.is_empty() || p.with(StepStatus::Unknown).any(|s| s.waits_for.is_none());
        if self.dry && exit == 1 && !self.root && !self.offline && self.shown.as_ref().is_some_and(unseen) {
            let line = if self.here { self.invocation.to_sudo() } else { self.invocation.as_become().to_sh() };
            self.command("Root sees and repairs more:", &line);
        }
        if exit == 1 && !self.see.is_empty() {
            let see = see_also(&self.invocation, &self.see);
            self.command("See also:", &see);
        }
        if self.changed > 0 {
            for m in std::mem::take(&mut self.after) {
                self.para(Ink::Yellow, "For you to do: ", 15, &m);
            }
        }
        if let Some(id) = run.filter(|_| self.changed > 0) {
            let kept = if self.kept { "What was there before is kept. " } else { "" };
            self.last(&format!("{kept}The record: runbook runs {id}"));
        } else if exit == 4 && self.dry {
            self.command("To make them:", &to_make_them(&self.invocation, self.here, self.root));
        }
    }

    /// The variables whose values are left to a person, where that is why nothing is repaired.
    pub(super) fn questions(&self, exit: u8) -> Vec<Question> {
        let asks = self.shown.iter().flat_map(|p| &p.steps).filter_map(|s| s.asks.as_deref());
        let mut asks: Vec<Question> = if exit == 1 { asks.cloned().collect() } else { Vec::new() };
        asks.dedup();
        asks
    }

    /// Lines to paste, below what they are for: never wrapped.
    fn command(&mut self, what: &str, lines: &str) {
        self.line(&[(Ink::Plain, what)]);
        lines.lines().for_each(|l| self.line(&[(Ink::Plain, &format!("    {l}"))]));
    }
}

/// What a person types to decide a question: a line for each answer, for sh.
pub(super) fn to_decide(q: &Question, invocation: &Invocation, sudo: bool) -> String {
    let line = |c: &String| invocation.to_apply().with_variable(&q.var, c);
    q.choices.iter().map(line).map(|i| if sudo { i.to_sudo() } else { i.to_sh() } + "\n").collect()
}

/// What a person types after a dry run, for sh.
pub(super) fn to_make_them(invocation: &Invocation, here: bool, root: bool) -> String {
    let apply = invocation.to_apply();
    if here && !root { apply.to_sudo() } else { apply.to_sh() }
}

/// What looks at the same host by other runbooks, a line each for sh.
pub(super) fn see_also(invocation: &Invocation, runbooks: &[String]) -> String {
    runbooks.iter().map(|r| invocation.to_plan_other(r).to_sh() + "\n").collect()
}

/// A text in a colour, where colour is wanted.
pub(super) fn paint(colour: bool, ink: Ink, text: &str) -> String {
    let code = match ink {
        Ink::Plain => return text.to_owned(),
        _ if !colour || text.is_empty() => return text.to_owned(),
        Ink::Bold => "1",
        Ink::Dim => "2",
        Ink::Red => "31",
        Ink::Green => "32",
        Ink::Yellow => "33",
        Ink::Cyan => "36",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// It can be judged only after a change of this plan.
fn is_later(s: &StepPlan) -> bool {
    s.status == StepStatus::Unknown && s.waits_for.is_some() && !s.symptom
}

/// The word for how a step stands.
pub(super) fn word(s: &StepPlan) -> (Ink, &'static str) {
    match s.status {
        StepStatus::Ok => (Ink::Green, "ok"),
        StepStatus::Change => (Ink::Yellow, "repair"),
        StepStatus::Manual => (Ink::Yellow, "by hand"),
        StepStatus::Skipped => (Ink::Dim, "skipped"),
        StepStatus::Declined => (Ink::Yellow, "left"),
        StepStatus::Blocked => (Ink::Red, "blocked"),
        StepStatus::Unknown | StepStatus::Failed if s.symptom => (Ink::Yellow, "symptom"),
        StepStatus::Unknown if s.waits_for.is_some() => (Ink::Cyan, "later"),
        StepStatus::Unknown => (Ink::Yellow, "unknown"),
        StepStatus::Failed | StepStatus::Pending => (Ink::Red, "failed"),
    }
}

fn unresolved(s: &StepPlan) -> bool {
    match s.status {
        StepStatus::Failed | StepStatus::Manual | StepStatus::Blocked | StepStatus::Declined => true,
        StepStatus::Unknown => s.waits_for.is_none(),
        _ => false,
    }
}

impl<W: Write> Sink for Human<W> {
    fn event(&mut self, e: &Event<'_>) {
        match e {
            Event::Tried { channel, why, hint, lost } => {
                self.resumed |= *lost;
                let word = if *lost { "Lost " } else { "Tried " };
                self.para(Ink::Yellow, word, 6, &format!("{channel}: {why}"));
                if let Some(h) = hint {
                    self.para(Ink::Cyan, "      hint: ", 12, h);
                }
            }
            Event::Started { book, place } => {
                let known = place.address.as_ref().filter(|a| !place.here && **a != place.name);
                self.offline = !place.live;
                self.here = place.here;
                self.see.clone_from(&book.see);
                self.undoes = book.undoes.is_some();
                let via = if place.here || !place.live {
                    place.name.clone()
                } else {
                    format!("{} over {}", place.name, place.channel)
                };
                let at = known.map(|a| format!(", {a}")).unwrap_or_default();
                let again = !self.book.is_empty();
                self.book.clone_from(&book.name);
                if again {
                    return self.line(&[(Ink::Bold, &format!("Going on: {via}{at}"))]);
                }
                self.line(&[(Ink::Bold, &format!("{via}{at}"))]);
                let name = if self.undoes { "undo" } else { &book.name };
                for l in wrap(&format!("{name}: {}", book.title), self.width) {
                    self.line(&[(Ink::Dim, &l)]);
                }
            }
            Event::Asking { count } => self.progress(&format!("looking ({}) …", self::count(*count, "question"))),
            Event::Planned { round, plan, book, guard } => {
                self.plan(*round, plan, book);
                if let Some(g) = guard.filter(|_| !plan.changes.is_empty()) {
                    self.guard_preview(g);
                }
            }
            Event::Decided { decided } => {
                self.line(&[(Ink::Bold, &format!("With {}={}:", decided.var, decided.value))]);
            }
            Event::Left { planned } => {
                self.leaving = true;
                self.left.push(planned.change.title());
                self.titled(Ink::Yellow, "  left    ", Ink::Plain, &planned.change.title(), "");
            }
            Event::Doing { number, of, planned } => {
                if *number == 1 {
                    self.blank();
                }
                self.progress(&format!("  {number}/{of}  {} …", planned.change.title()));
            }
            Event::Done { planned, seconds } => {
                self.changed += 1;
                self.kept |= matches!(planned.change, Change::File(_));
                let slow = if *seconds >= 1.0 { format!(" ({seconds:.1} s)") } else { String::new() };
                self.titled(Ink::Green, "  done    ", Ink::Plain, &planned.change.title(), &slow);
            }
            Event::NotDone { planned, why, hint, said } => {
                self.doubt |= !matches!(planned.change, Change::File(_));
                self.titled(Ink::Red, "  failed  ", Ink::Plain, &planned.change.title(), "");
                self.para(Ink::Plain, "          ", 10, why);
                for l in said.lines().skip(1).take(8) {
                    self.line(&[(Ink::Dim, &format!("          {l}"))]);
                }
                if let Some(h) = hint {
                    self.para(Ink::Cyan, "          hint: ", 16, h);
                }
            }
            Event::Verified { step } => {
                let (ink, word) = if step.status == StepStatus::Ok {
                    (Ink::Green, if self.offline { "  checked " } else { "  proven  " })
                } else {
                    (Ink::Yellow, "  not yet ")
                };
                let short = step.evidence.is_empty() || (step.status == StepStatus::Ok && !self.verbose);
                let text = if short { step.name.clone() } else { format!("{}: {}", step.name, step.evidence) };
                self.para(ink, word, 10, &text);
            }
            Event::Proved { proof, evidence } => {
                let (ink, word) = match proof {
                    Proof::Passed if self.offline => (Ink::Green, "  checked "),
                    Proof::Passed => (Ink::Green, "  proven  "),
                    Proof::Failed => (Ink::Red, "  failed  "),
                    // The evidence says that it was not.
                    Proof::NotPossible => (Ink::Yellow, "  note    "),
                };
                self.proofs.push((*proof, (*evidence).to_owned()));
                let outside = *proof == Proof::NotPossible && !self.offline;
                let text =
                    if outside { format!("not proven from outside: {evidence}") } else { (*evidence).to_owned() };
                self.para(ink, word, 10, &text);
            }
            Event::Guard { news } => self.guard(news),
            Event::Broken { why, hint, changed } => {
                self.blank();
                self.para(Ink::Red, "Stopped: ", 9, why);
                if let Some(h) = hint {
                    self.para(Ink::Cyan, "   hint: ", 9, h);
                }
                if *changed {
                    self.para(Ink::Plain, "         ", 9, "what was done before stays, and is on record");
                }
            }
            Event::Finished { exit, rounds, run, wire, seconds, unresolved } => {
                self.unresolved = summary(unresolved);
                self.finished(*exit, *rounds, *run, *seconds);
                if self.verbose {
                    let w = format!(
                        "{} round trip(s), {} bytes out, {} in",
                        wire.round_trips, wire.bytes_sent, wire.bytes_received
                    );
                    self.line(&[(Ink::Dim, &w)]);
                }
            }
        }
    }
}

/// What a change alters, as a plan shows it below the change's title.
#[must_use]
pub fn change_body(planned: &Planned, redactor: &Redactor, colour: bool, width: usize) -> String {
    let mut out = Vec::new();
    Human::new(&mut out, redactor.clone(), colour, false, false, false).wide(width).change_body(planned);
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether a step looks from the controller, and does so here.
fn seen_from_here(book: &Runbook, s: &StepPlan) -> bool {
    s.evidence != NOT_HERE && book.steps.get(s.step).is_some_and(|b| b.vantage == Where::Controller)
}
