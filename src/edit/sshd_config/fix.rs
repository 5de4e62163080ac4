//! `fix`: repairs the lines that sshd complained about, and no others.

use super::change::{Changes, Edits, is_match};
use super::fault::Fault;
use super::keywords::{self, Kind};
use super::repair::{Form, Plan, Repair, repair};
use super::said::{Done, Place};
use super::syntax::{self, Parsed};
use super::weigh::Meant;
use super::{Block, Directive, Error, Tree, value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What to do about lines that decide who gets in: `Allow*`, `Deny*`, `PermitRootLogin`, `*Authentication*`,
/// `AuthorizedKeys*`, `AuthorizedPrincipals*`, `TrustedUserCAKeys`, `RevokedKeys`, `PermitEmptyPasswords`,
/// `RefuseConnection`, `ForceCommand`, `ChrootDirectory`, `Match`, and what is probably a misspelling of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// They are left for a person.
    Ask,
    /// They are commented out.
    Comment,
    /// They are corrected where a correction exists, and else left for a person.
    Correct,
}

/// What a repair comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fixed {
    pub edits: Edits,
    /// What a person must decide.
    pub left: Vec<Left>,
    /// What each repair means, a sentence each.
    pub said: Vec<String>,
}

/// A fault that was not repaired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    pub fault: Fault,
    /// Why a person must decide.
    pub why: String,
    /// The corrected line, if there is a correction.
    pub suggestion: Option<String>,
    /// Another [`Policy`] would decide it.
    pub by_policy: bool,
    /// What the line was meant to say: where that makes no difference, nobody has to be asked.
    pub meant: Option<Meant>,
}

type Scopes = BTreeMap<(String, usize), Option<Arc<Block>>>;

struct Fixer<'t> {
    scopes: Scopes,
    tree: &'t Tree,
    policy: Policy,
    changes: Changes<'t>,
    handled: BTreeSet<(String, usize)>,
    idle: &'t BTreeSet<(String, usize)>,
    done: Vec<Done>,
    left: Vec<Left>,
}

impl Tree {
    /// Repairs exactly the lines that sshd complained about. sshd stops at the first bad value: the caller tries the
    /// result, and comes again until sshd says nothing.
    ///
    /// A misspelling with one near neighbour is corrected, a YAML boolean becomes `yes` or `no`, an open quote is
    /// closed, a line that may not stand in a Match is moved above the first one, any other bad line is commented out,
    /// and a bad Match takes its block with it.
    ///
    /// # Errors
    /// [`Error`] if a file cannot be edited.
    pub fn fix(&self, faults: &[Fault], policy: Policy) -> Result<Fixed, Error> {
        self.fix_but(faults, policy, &BTreeSet::new())
    }

    /// As [`Self::fix`]; the lines `idle` (file, line) decide nothing: they are commented out whatever the policy.
    ///
    /// # Errors
    /// [`Error`] if a file cannot be edited.
    pub fn fix_but(&self, faults: &[Fault], policy: Policy, idle: &BTreeSet<(String, usize)>) -> Result<Fixed, Error> {
        let changes = Changes::new(self);
        let mut fixer = Fixer {
            scopes: scopes(self),
            tree: self,
            policy,
            changes,
            handled: BTreeSet::new(),
            idle,
            done: Vec::new(),
            left: Vec::new(),
        };
        for fault in faults {
            fixer.one(fault)?;
        }
        let Fixer { changes, done, left, .. } = fixer;
        let edits = changes.finish();
        let mut files = self.files.clone();
        files.extend(edits.files.clone());
        let mut after = Tree::new(&self.main, files);
        after.version = self.version;
        let said = done.iter().map(|done| self.sentence(done, &after)).collect();
        Ok(Fixed { edits, left, said })
    }

    fn places(&self, fault: &Fault, scopes: &Scopes) -> Vec<Place> {
        let place = |line: &Directive| Place { file: line.file.clone(), line: line.line, scope: line.scope.clone() };
        if !fault.file.is_empty() {
            let there = self.text(&fault.file, fault.line).is_some();
            let scope = scopes.get(&(fault.file.clone(), fault.line)).cloned().flatten();
            let place = Place { file: fault.file.clone(), line: fault.line, scope };
            return there.then_some(place).into_iter().collect();
        }
        let host = bad_host(&fault.message);
        let fits = |line: &&Directive| match host {
            Some(host) => {
                let address = line.args.first().and_then(|arg| value::address(arg));
                line.key == "listenaddress" && address.is_some_and(|(name, _)| name.eq_ignore_ascii_case(host))
            }
            None => line.key == "match" && line.line == fault.line,
        };
        let mut places: Vec<Place> = self.directives.iter().filter(fits).map(place).collect();
        places.dedup_by(|a, b| (&a.file, a.line) == (&b.file, b.line));
        if host.is_none() && places.len() > 1 { Vec::new() } else { places }
    }
}

/// The scope of each line, the one in which sshd refuses most if the file is read in several places: inside a Match.
fn scopes(tree: &Tree) -> Scopes {
    let mut scopes = Scopes::new();
    for step in super::read::read(&tree.main, &tree.files) {
        let super::read::Step::Line { file, number, scope, .. } = step else { continue };
        let inside = scope.as_ref().is_some_and(|block| !block.everyone);
        let place = (file.to_owned(), number);
        if inside || !scopes.contains_key(&place) {
            scopes.insert(place, scope);
        }
    }
    scopes
}

/// The address of a ListenAddress that sshd cannot use.
fn bad_host(message: &str) -> Option<&str> {
    message.strip_prefix("bad addr or host: ").and_then(|rest| rest.split(' ').next())
}

/// A ListenAddress that may go: every address was meant, or this host alone, which keeps everybody else out and is what is
/// to be repaired here.
fn free(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok_and(|a| a.is_unspecified() || a.is_loopback())
}

impl Fixer<'_> {
    fn one(&mut self, fault: &Fault) -> Result<(), Error> {
        if self.tree.endless {
            self.leave(fault, "the Includes go round in a circle");
            return Ok(());
        }
        // Without its ListenAddress sshd is open to every network: nobody asked for that, unless it does not matter.
        let host = bad_host(&fault.message);
        let free = host.is_some_and(free);
        if let Some(host) = host.filter(|_| !free && self.policy != Policy::Comment) {
            let why = match host.parse::<std::net::IpAddr>() {
                Ok(_) => "it does not go with AddressFamily, and without the line sshd listens on every address",
                Err(_) => "the name may resolve again, and without the line sshd listens on every address",
            };
            self.ask(fault, why.to_owned(), None, None);
            return Ok(());
        }
        let places = self.tree.places(fault, &self.scopes);
        if places.is_empty() {
            let gone = fault.file.is_empty() && fault.message.starts_with("bad addr or host: ");
            let why = match fault.line {
                _ if gone => return Ok(()),
                0 => "it is not a line of a file that can be corrected",
                _ => "the line is not in the files that were read",
            };
            self.leave(fault, why);
        }
        for place in places {
            if self.handled.contains(&(place.file.clone(), place.line)) {
                continue;
            }
            // Into the main file a line may be moved.
            let nul = |file: &String| self.tree.files.get(file).is_some_and(|bytes| bytes.contains(&0));
            if nul(&place.file) || nul(&self.tree.main) {
                self.leave(fault, "a file has a NUL byte, and sshd counts its lines otherwise");
                continue;
            }
            let text = self.tree.text(&place.file, place.line).unwrap_or_default().to_vec();
            let inside = place.scope.as_ref().is_some_and(|block| !block.everyone);
            match repair(&text, fault, inside) {
                Repair::Stale => {}
                Repair::Line(plan) => self.carry_out(fault, place, plan)?,
            }
        }
        Ok(())
    }

    /// What no policy would decide.
    fn leave(&mut self, fault: &Fault, why: &str) {
        let why = why.to_owned();
        self.left.push(Left { fault: fault.clone(), why, suggestion: None, by_policy: false, meant: None });
    }

    /// What [`Policy::Comment`] or [`Policy::Correct`] would decide.
    fn ask(&mut self, fault: &Fault, why: String, suggestion: Option<String>, meant: Option<Meant>) {
        self.left.push(Left { fault: fault.clone(), why, suggestion, by_policy: true, meant });
    }

    fn carry_out(&mut self, fault: &Fault, place: Place, plan: Plan) -> Result<(), Error> {
        self.handled.insert((place.file.clone(), place.line));
        let asked = plan.policy && self.policy == Policy::Ask;
        let opaque = plan.form == Form::Opaque && self.policy != Policy::Comment;
        // Taken out, the only address that sshd is bound to would open it to every network.
        let opens = plan.about == Some("ListenAddress")
            && plan.correction.is_none()
            && self.policy != Policy::Comment
            && !bad_host(&fault.message).is_some_and(free)
            && self.tree.values("listenaddress").len() <= 1;
        if opens {
            let why = format!("{}, and without the line sshd listens on every address", plan.wrong);
            self.ask(fault, why, None, None);
            return Ok(());
        }
        let idle = self.idle.contains(&(place.file.clone(), place.line));
        let uncorrected = plan.policy && self.policy == Policy::Correct && plan.correction.is_none();
        if !idle && (asked || opaque || uncorrected) {
            let meant = self.tree.meant(&place, &plan);
            let suggestion = plan.correction.map(|(text, _)| String::from_utf8_lossy(&text).trim().to_owned());
            let why = match plan.form {
                Form::Misplaced => format!("{}, and elsewhere it would hold for everybody", plan.wrong),
                _ => format!("it decides who gets in: {}", plan.wrong),
            };
            self.ask(fault, why, suggestion, meant);
            return Ok(());
        }
        let comment = idle || plan.policy && self.policy == Policy::Comment;
        let Plan { about, correction, wrong, form, .. } = plan;
        let (what, corrected) = match correction.filter(|_| !comment) {
            Some((text, what)) if form == Form::Misplaced => (self.lift(&place, text, &what)?, true),
            Some((text, what)) => {
                self.changes.set(&place.file, place.line, text)?;
                (format!("{what}: corrected"), true)
            }
            None if matches!(form, Form::Header | Form::Opaque) => (self.comment_block(&place, &wrong)?, false),
            None => {
                self.changes.comment_out(&place.file, place.line)?;
                let anyway = if idle { ", since nothing changes without it" } else { "" };
                (format!("{wrong}: commented out{anyway}"), false)
            }
        };
        // Commented out, it is nowhere else.
        let form = if idle { Form::Alone } else { form };
        self.done.push(Done { place, what, about, form, corrected });
        Ok(())
    }

    /// Moves a line above the first Match of its file, or of the main file if its file is read inside a Match.
    fn lift(&mut self, place: &Place, text: Vec<u8>, what: &str) -> Result<String, Error> {
        let own = place.scope.as_ref().is_some_and(|block| block.file == place.file);
        let file = if own { place.file.clone() } else { self.tree.main.clone() };
        let before = self.tree.before_match(&file);
        self.changes.insert(&file, before, text)?;
        if own {
            self.changes.remove(&place.file, place.line)?;
        } else {
            // The lines below keep their numbers, by which sshd may have named more of them.
            self.changes.comment_out(&place.file, place.line)?;
        }
        Ok(format!("{what}: moved to line {before} of {file}, where it holds for everybody"))
    }

    /// Comments out a Match and all lines of its block; comments and blank lines stay as they are.
    fn comment_block(&mut self, place: &Place, wrong: &str) -> Result<String, Error> {
        let bytes = self.tree.files.get(&place.file).map(Vec::as_slice).unwrap_or_default();
        let lines = crate::edit::lines::split(bytes);
        let mut last = place.line;
        for (index, line) in lines.iter().enumerate().skip(place.line.saturating_sub(1)) {
            let number = index + 1;
            if number > place.line && begins_block(line.text) {
                break;
            }
            if let Parsed::Line(_) = syntax::parse(line.text) {
                self.changes.set(&place.file, number, [b"#", line.text].concat())?;
                self.handled.insert((place.file.clone(), number));
                last = number;
            }
        }
        let lines = if last > place.line { format!(" with its block, to line {last}") } else { String::new() };
        Ok(format!("{wrong}: commented out{lines}; what it said then holds for nobody"))
    }
}

/// A Match, also a misspelt one.
fn begins_block(text: &[u8]) -> bool {
    let Parsed::Line(line) = syntax::parse(text) else { return false };
    let spelled = String::from_utf8_lossy(&line.keyword).into_owned();
    let near = || keywords::find(&spelled).is_none() && is_near_match(&spelled);
    is_match(text) || near()
}

fn is_near_match(spelled: &str) -> bool {
    keywords::nearest(spelled).is_some_and(|(keyword, _)| keyword.kind == Kind::Match)
}
