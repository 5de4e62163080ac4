//! Many targets, for reading: plans that are alike once, progress while it lasts, one table at the end.

use std::collections::HashMap;
use std::io::Write;
use std::time::Instant;

use super::screen::Screen;
use super::view::{Style, View};
use super::{Crowd, Many, alike, table};
use crate::apply::exit;
use crate::invocation::Invocation;
use crate::plan::Question;
use crate::report::human::{Ink, paint, see_also, to_decide, to_make_them};
use crate::report::words::{count, wrap};
use crate::report::{Event, Redactor, printable};

/// What texts are wrapped to where nobody says how wide the terminal is.
const WIDTH: usize = 80;

/// Human output of many targets.
pub struct HumanFleet<W: Write> {
    screen: Screen<W>,
    style: Style,
    views: Vec<View>,
    /// Who showed a plan of this key first.
    shown: HashMap<(u64, String), usize>,
    /// The plans that wait for an answer, as they were shown.
    last: String,
    see: Vec<String>,
    /// A person is asked: nothing is drawn.
    quiet: bool,
    /// The last that was printed is a target's line, and another one belongs right below it.
    listing: bool,
}

impl<W: Write> HumanFleet<W> {
    /// Writes there. `size`: columns and rows, if it is a terminal on which progress may be drawn.
    pub fn new(out: W, redactor: Redactor, colour: bool, size: Option<(u16, u16)>, verbose: bool, dry: bool) -> Self {
        Self {
            screen: Screen::new(out, size),
            style: Style { redactor, colour, verbose, dry, invocation: Invocation::default(), width: WIDTH - 2 },
            views: Vec::new(),
            shown: HashMap::new(),
            last: String::new(),
            see: Vec::new(),
            quiet: false,
            listing: false,
        }
    }

    /// For a terminal of that many columns.
    #[must_use]
    pub fn wide(mut self, width: usize) -> Self {
        // What a target says stands two columns in.
        self.style.width = width - 2;
        self
    }

    /// Of a command line, so that the next one can be printed whole.
    #[must_use]
    pub fn invoked_as(mut self, invocation: Invocation) -> Self {
        self.style.invocation = invocation;
        self
    }

    fn width(&self) -> usize {
        self.style.width + 2
    }

    /// A text of ours, with what came from outside made safe, wrapped below its first words.
    fn para(&self, ink: Ink, first: &str, text: &str) -> String {
        let safe = |t: &str| printable(&self.style.redactor.clean(t));
        let pad = first.chars().count();
        let mut out = String::new();
        for (n, l) in wrap(&safe(text), self.width().saturating_sub(pad)).iter().enumerate() {
            let head = if n == 0 { paint(self.style.colour, ink, &safe(first)) } else { " ".repeat(pad) };
            out.push_str(format!("{head}{l}").trim_end());
            out.push('\n');
        }
        out
    }

    fn line(&self, ink: Ink, text: &str) -> String {
        let safe = printable(&self.style.redactor.clean(text));
        wrap(&safe, self.width()).iter().map(|l| paint(self.style.colour, ink, l) + "\n").collect()
    }

    /// Lines to paste, below what they are for: never wrapped.
    fn command(&self, what: &str, lines: &str) -> String {
        let safe = |l: &str| printable(&self.style.redactor.clean(l));
        self.line(Ink::Plain, what) + &lines.lines().map(|l| format!("    {}\n", safe(l))).collect::<String>()
    }

    /// `3 hosts: web1, web2, web3`, or the name alone.
    fn heading(&self, targets: &[usize]) -> String {
        let names = self.names(targets);
        let text = match names.as_slice() {
            [one] => (*one).to_owned(),
            // They were named at the top.
            all if all.len() == self.views.len() => format!("All {} hosts", all.len()),
            some => who(some),
        };
        let with = self.views[targets[0]].with.join(", ");
        let with = if with.is_empty() { with } else { format!(" (with {with})") };
        self.line(Ink::Bold, &format!("== {text}{with}"))
    }

    fn names(&self, targets: &[usize]) -> Vec<&str> {
        targets.iter().map(|t| self.views[*t].name.as_str()).collect()
    }

    /// Those of the targets for which it holds.
    fn those(&self, targets: &[usize], holds: impl Fn(&View) -> bool) -> Vec<usize> {
        targets.iter().copied().filter(|t| holds(&self.views[*t])).collect()
    }

    fn plans(&mut self, targets: &[usize]) {
        let new = self.those(targets, |v| !v.declined && !v.not_begun);
        let healthy = self.those(&new, |v| v.exit == Some(exit::OK));
        let away = self.those(&new, |v| v.exit == Some(exit::NO_CHANNEL) && v.plan.is_none());
        let asking = self.those(&new, |v| v.exit.is_none());
        let rest = self
            .those(&new, |v| v.exit.is_some_and(|e| e != exit::OK))
            .into_iter()
            .filter(|t| !away.contains(t))
            .collect::<Vec<_>>();
        let mut out = self.detours(&new);
        out += &self.healthy(&healthy);
        out += &self.unreachable(&away);
        out += &self.blocks(&rest);
        let last = self.blocks(&asking);
        out += &last;
        self.last = last;
        self.screen.print(&out);
        if self.style.verbose {
            let text = self.blocks(&healthy);
            self.screen.print(&text);
        }
    }

    /// Who is reached over another channel than the first one, and why.
    fn detours(&mut self, targets: &[usize]) -> String {
        let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
        for t in self.those(targets, |v| !v.tried.is_empty() && v.exit != Some(exit::NO_CHANNEL)) {
            let v = &mut self.views[t];
            let tried: Vec<String> =
                std::mem::take(&mut v.tried).into_iter().map(|(channel, why)| format!("{channel}: {why}")).collect();
            let text = format!("over {}; tried {}", v.channel, tried.join("; "));
            match groups.iter_mut().find(|g| g.0 == text) {
                Some(g) => g.1.push(t),
                None => groups.push((text, vec![t])),
            }
        }
        let mut out = String::new();
        for (text, targets) in groups {
            out += "\n";
            out += &self.heading(&targets);
            out += &self.para(Ink::Plain, "  ", &text);
        }
        out
    }

    /// One line for all of them.
    fn healthy(&self, targets: &[usize]) -> String {
        let mut out = String::new();
        for (kind, words) in [
            (0, "healthy, nothing to do"),
            (1, "nothing is wrong on the hosts themselves; nobody looked from outside"),
            (2, "offline checks passed"),
        ] {
            let of = |v: &View| match (v.live, v.looked) {
                (false, _) => 2,
                (true, Some(false)) => 1,
                _ => 0,
            };
            let these = self.those(targets, |v| of(v) == kind);
            if !these.is_empty() {
                let words =
                    if these.len() == 1 { words.replace("hosts themselves", "host itself") } else { words.into() };
                out += "\n";
                out += &self.heading(&these);
                out += &self.para(Ink::Green, "  ok      ", &words);
            }
        }
        out
    }

    /// All of them, each with its why, and what to do about it once.
    fn unreachable(&self, targets: &[usize]) -> String {
        if targets.is_empty() {
            return String::new();
        }
        let to = match self.names(targets).as_slice() {
            [one] => (*one).to_owned(),
            many => who(many),
        };
        let mut out = format!("\n{}", self.line(Ink::Bold, &format!("== No channel works to {to}")));
        let wide = self.names(targets).iter().map(|n| n.chars().count()).max().unwrap_or(0).min(20);
        let mut hints: Vec<&str> = Vec::new();
        let mut whys: Vec<(String, String, Vec<usize>)> = Vec::new();
        for t in targets {
            let v = &self.views[*t];
            let (why, hint) = v.broken.as_ref().map_or(("it said nothing", None), |b| (b.0.as_str(), b.1.as_deref()));
            let tried: String = v.tried.iter().map(|(channel, why)| format!("{channel}: {why}; ")).collect();
            let last = if v.tried.is_empty() { String::new() } else { format!("{}: ", v.channel) };
            let text = format!("{tried}{last}{why}");
            let alike = v.anonymous(&text);
            match whys.iter_mut().find(|w| w.1 == alike) {
                Some(w) => w.2.push(*t),
                None => whys.push((text, alike, vec![*t])),
            }
            hints.extend(hint.filter(|h| !hints.contains(h)));
        }
        let one = whys.len() == 1;
        for (why, _, of) in whys {
            let name = match self.names(&of).as_slice() {
                [_] if one => String::new(),
                [one] => format!("{one:<wide$}  "),
                many => {
                    if one {
                        format!("as on {}: ", many[0])
                    } else {
                        out += &self.para(Ink::Plain, "  ", &who(many));
                        format!("  as on {}: ", many[0])
                    }
                }
            };
            out += &self.para(Ink::Red, &format!("  {name}"), &why);
        }
        for hint in hints {
            out += &self.para(Ink::Cyan, "  hint: ", hint);
        }
        out
    }

    /// What these say, those that say the same together.
    fn blocks(&mut self, targets: &[usize]) -> String {
        let mut groups: Vec<Group> = Vec::new();
        for t in targets {
            let (text, key) = self.views[*t].says();
            if text.trim().is_empty() {
                continue;
            }
            match groups.iter_mut().find(|g| g.key == key) {
                Some(g) => {
                    g.targets.push(*t);
                    g.differ |= g.text != text;
                }
                None => groups.push(Group { key, text, targets: vec![*t], differ: false }),
            }
        }
        let mut out = String::new();
        for Group { key, text, targets, differ } in groups {
            out += "\n";
            out += &self.heading(&targets);
            let first = *self.shown.entry(key).or_insert(targets[0]);
            if first != targets[0] {
                let (name, round) = (&self.views[first].name, self.views[targets[0]].round);
                out += &self.para(Ink::Plain, "  ", &format!("round {round}: the same as on {name}"));
                continue;
            }
            if differ {
                let name = &self.views[targets[0]].name;
                let note = format!("(as on {name}; elsewhere other names and numbers in what was seen)");
                out += &self.para(Ink::Dim, "  ", &note);
            }
            out += text.trim_start_matches('\n');
        }
        out
    }

    fn order(&self, batches: &[Vec<usize>], alone: bool) -> String {
        let sizes: Vec<String> = batches.iter().skip(usize::from(alone)).map(|b| b.len().to_string()).collect();
        let rest: usize = batches.iter().skip(usize::from(alone)).map(Vec::len).sum();
        let in_batches = match sizes.as_slice() {
            [_] => String::new(),
            many if many.len() <= 8 => format!(" in batches of {}", many.join(", ")),
            many => format!(" in {} batches of up to {}", many.len(), many[0]),
        };
        let text = match (alone, batches.first().and_then(|b| b.first())) {
            (true, Some(first)) => {
                let name = &self.views[*first].name;
                let others = if rest == 1 { "the other one".to_owned() } else { format!("the other {rest}") };
                format!(
                    "{name} goes first, alone: this could cut the way to a host. Then {others}{in_batches}, unless it fails."
                )
            }
            _ => format!("They go{in_batches}, one batch after the other."),
        };
        format!("\n{}", self.line(Ink::Yellow, &text))
    }

    /// A target that was begun is finished: a line, and below it what went wrong.
    fn ended(&mut self, target: usize) {
        let v = &mut self.views[target];
        let exit = v.exit.unwrap_or(exit::FAILED);
        let seconds = v.seconds;
        let sentence = v.human.sentence(exit, v.rounds, seconds);
        let detail = std::mem::take(&mut v.detail);
        v.plan = None;
        let wide = self.views.iter().map(|v| v.name.chars().count()).max().unwrap_or(0).min(20);
        let ink = if exit == exit::OK { Ink::Green } else { Ink::Red };
        let mut out = self.para(ink, &format!("{:<wide$}  ", self.views[target].name), &sentence);
        if exit != exit::OK || self.style.verbose {
            let lines: String = detail.lines().filter(|l| !l.trim().is_empty()).map(|l| format!("{l}\n")).collect();
            out += &indented(&lines);
        }
        self.list(&out);
    }

    /// A target's line, in the list of them.
    fn list(&mut self, line: &str) {
        let gap = if std::mem::replace(&mut self.listing, true) { "" } else { "\n" };
        self.screen.print(&format!("{gap}{line}"));
    }

    fn finished(&mut self, exit: u8, seconds: f64) {
        let took = if seconds < 10.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") };
        let mut out = format!("\n{}", self.line(Ink::Bold, &format!("{} in {took}:", count(self.views.len(), "host"))));
        let rows: Vec<table::Row<'_>> = self.views.iter().map(|v| v.row(self.style.dry)).collect();
        for (line, exit) in table::lines(&rows, self.width()) {
            let ink = match exit {
                None => Ink::Dim,
                Some(exit::OK) => Ink::Plain,
                Some(exit::CHANGES | exit::USAGE) => Ink::Yellow,
                Some(_) => Ink::Red,
            };
            out += &paint(self.style.colour, ink, &printable(&self.style.redactor.clean(&line)));
            out.push('\n');
        }
        let changed = self.views.iter().any(|v| v.made() > 0);
        let mut todo: Vec<(String, Vec<usize>)> = Vec::new();
        for (t, v) in self.views.iter_mut().enumerate().filter(|(_, v)| v.made() > 0) {
            for text in std::mem::take(&mut v.human.after) {
                match todo.iter_mut().find(|x| x.0 == text) {
                    Some(x) => x.1.push(t),
                    None => todo.push((text, vec![t])),
                }
            }
        }
        for (text, targets) in todo {
            let on = if targets.len() == self.views.len() {
                String::new()
            } else {
                format!(" ({})", alike::list(&self.names(&targets)))
            };
            out += &self.para(Ink::Yellow, "For you to do: ", &format!("{text}{on}"));
        }
        for (q, targets) in self.questions() {
            let names = self.names(&targets);
            let all = targets.len() == self.views.len();
            let here = &self.style.invocation;
            let of = if all { here.clone() } else { here.without(&["target"]).with(&["-t", &names.join(",")]) };
            let on = if all { String::new() } else { format!(" ({})", alike::list(&names)) };
            out += &self.command(&format!("To decide \"{}\"{on}:", q.var), &to_decide(&q, &of, false));
        }
        if exit == exit::FAILED && !self.see.is_empty() {
            out += &self.command("See also:", &see_also(&self.style.invocation, &self.see));
        }
        if changed {
            let kept = if self.views.iter().any(|v| v.kept) { "What was there before is kept. " } else { "" };
            out += &self.line(Ink::Dim, &format!("{kept}The records: runbook runs"));
            for v in self.views.iter().filter(|_| self.style.verbose) {
                if let Some(id) = &v.run {
                    out += &self.line(Ink::Dim, &format!("  {}: runbook runs {id}", v.name));
                }
            }
        } else if exit == exit::CHANGES && self.style.dry {
            out += &self.command("To make them:", &to_make_them(&self.style.invocation, false, false));
        }
        self.screen.print(&out);
    }

    /// What is left to a person to decide, and on which targets.
    fn questions(&self) -> Vec<(Question, Vec<usize>)> {
        let mut out: Vec<(Question, Vec<usize>)> = Vec::new();
        for (t, v) in self.views.iter().enumerate() {
            for q in v.exit.map(|exit| v.human.questions(exit)).unwrap_or_default() {
                match out.iter_mut().find(|(other, _)| *other == q) {
                    Some((_, targets)) => targets.push(t),
                    None => out.push((q, vec![t])),
                }
            }
        }
        out
    }

    /// A line for each that is at work, the longest at work first.
    fn progress(&mut self) {
        if self.quiet || !self.screen.live() {
            return;
        }
        let mut busy: Vec<(&View, &str, Instant)> = self
            .views
            .iter()
            .filter_map(|v| v.doing.as_ref().map(|(what, since)| (v, what.as_str(), *since)))
            .collect();
        busy.sort_by_key(|b| b.2);
        let wide = busy.iter().map(|b| b.0.name.chars().count()).max().unwrap_or(0).min(20);
        let lines: Vec<String> = busy
            .iter()
            .map(|(v, what, since)| {
                let seconds = since.elapsed().as_secs();
                let long = if seconds >= 3 { format!(" {seconds} s") } else { String::new() };
                printable(&self.style.redactor.clean(&format!("  {:<wide$}  {what}{long}", v.name)))
            })
            .collect();
        self.screen.draw(&lines);
    }
}

impl<W: Write> Crowd for HumanFleet<W> {
    fn event(&mut self, target: usize, e: &Event<'_>) {
        self.quiet = false;
        self.views[target].event(e);
        if matches!(e, Event::Finished { .. }) && self.views[target].begun.is_some() {
            self.ended(target);
        }
        self.progress();
    }

    fn many(&mut self, e: &Many<'_>) {
        self.listing &= matches!(e, Many::Begun { .. } | Many::NotBegun { .. });
        match e {
            Many::Started { book, names } => {
                self.views = names.iter().map(|n| View::new(n, &self.style)).collect();
                self.see.clone_from(&book.see);
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let text = self.line(Ink::Bold, &who(&names))
                    + &self.line(Ink::Dim, &format!("{}: {}", book.name, book.title));
                self.screen.print(&text);
            }
            Many::Plans { targets } => {
                for t in *targets {
                    self.views[*t].doing = None;
                }
                self.plans(targets);
            }
            Many::Again => {
                let last = self.last.clone();
                self.screen.print(&last);
            }
            Many::Order { batches, alone } => {
                let text = self.order(batches, *alone);
                self.screen.print(&text);
            }
            Many::Asking => {
                self.quiet = true;
                self.screen.wipe();
            }
            Many::Nobody { count: n } => {
                let why = format!("there are changes to make on {}, and nobody to ask", count(*n, "host"));
                let line = self.style.invocation.with(&["--yes"]).to_sh();
                let text = self.para(Ink::Red, "Stopped: ", &why)
                    + &self.para(Ink::Cyan, "   hint: ", &format!("make them without asking:\n    {line}"));
                self.screen.print(&format!("\n{text}"));
            }
            Many::Begun { target } => {
                self.views[*target].begun = Some(Instant::now());
                self.views[*target].does("begins …");
            }
            Many::NotBegun { target, why } => {
                self.views[*target].not_begun = true;
                let wide = self.views.iter().map(|v| v.name.chars().count()).max().unwrap_or(0).min(20);
                let name = format!("{:<wide$}  ", self.views[*target].name);
                let text = self.para(Ink::Yellow, &name, &format!("Not begun: {why}."));
                self.list(&text);
            }
            Many::Declined { target } => self.views[*target].declined = self.views[*target].begun.is_none(),
            Many::Finished { exit, seconds } => self.finished(*exit, *seconds),
        }
    }

    fn lively(&self) -> bool {
        self.screen.live()
    }

    fn tick(&mut self) {
        self.progress();
    }
}

/// Targets that say the same.
struct Group {
    key: (u64, String),
    /// In the words of the first of them.
    text: String,
    targets: Vec<usize>,
    /// In the words of the others it has other names and numbers.
    differ: bool,
}

/// `3 hosts: web1, web2, web3`
fn who(names: &[&str]) -> String {
    format!("{}: {}", count(names.len(), "host"), alike::list(names))
}

/// Two columns in.
fn indented(text: &str) -> String {
    text.lines().map(|l| if l.is_empty() { "\n".to_owned() } else { format!("  {l}\n") }).collect()
}
