//! `set`, `add` and `unset`: the lines that decide for everybody.

use super::change::{Changes, Edits};
use super::keywords::{self, Keyword, Kind};
use super::value;
use super::wanted::{Wanted, has, joined, new_line, wanted, with_value, with_words};
use super::{Directive, Error, Tree};

impl Tree {
    /// Makes a keyword have exactly these values, for everybody. No edits if it has them already.
    ///
    /// A value is written as in sshd_config: quotes and backslashes count. A keyword with one value takes one, or its
    /// words one by one (`AuthorizedKeysFile`); one that accumulates takes any number, and `AllowUsers` and its like
    /// count word by word. `Subsystem` sets the names that are given and leaves the others. `true` and `false` are
    /// `yes` and `no` where those belong.
    ///
    /// # Errors
    /// [`Error`] if the keyword is unknown, or sshd would refuse the value.
    pub fn set(&self, key: &str, values: &[String]) -> Result<Edits, Error> {
        let keyword = self.settable(key)?;
        let wanted = wanted(keyword, values)?;
        let mut changes = Changes::new(self);
        let lines = self.lines_of(keyword);
        match keyword.kind {
            Kind::Appends if keyword.word_list() => self.set_words(keyword, &lines, &wanted, &mut changes)?,
            Kind::Appends => self.set_lines(keyword, &lines, &wanted, &mut changes)?,
            Kind::PerName => self.set_names(keyword, &lines, &wanted, &mut changes)?,
            // Which line counts differs between versions: all of them say it.
            Kind::Last(_) | Kind::Mixed if !lines.is_empty() => {
                for line in &lines {
                    self.change(keyword, line, &wanted, &mut changes)?;
                }
            }
            _ => match lines.first() {
                Some(line) => self.change(keyword, line, &wanted, &mut changes)?,
                None => self.insert_home(keyword, &wanted, &mut changes)?,
            },
        }
        if keyword.name == "Port" {
            self.note_own_ports(&mut changes);
        }
        Ok(changes.finish())
    }

    /// Makes a keyword have these values too. What holds by default goes on holding: `add Port 2222` where no line
    /// says Port writes `Port 22` as well.
    ///
    /// # Errors
    /// As for [`Tree::set`], and for a keyword with one value.
    pub fn add(&self, key: &str, values: &[String]) -> Result<Edits, Error> {
        let keyword = self.settable(key)?;
        if !matches!(keyword.kind, Kind::Appends | Kind::PerName) {
            return Err(Error::OneValue { keyword: keyword.name });
        }
        let wanted = wanted(keyword, values)?;
        let mut changes = Changes::new(self);
        let lines = self.lines_of(keyword);
        match keyword.name {
            "Port" => self.add_ports(&wanted, &mut changes)?,
            "ListenAddress" => self.add_addresses(&wanted, &mut changes)?,
            _ if keyword.kind == Kind::PerName => self.set_names(keyword, &lines, &wanted, &mut changes)?,
            _ => {
                let there = |want: &Wanted| lines.iter().any(|line| has(keyword, line, want));
                let mut missing: Vec<Wanted> = wanted.into_iter().filter(|want| !there(want)).collect();
                if lines.is_empty() && !missing.is_empty() {
                    self.first_of_its_kind(keyword, &mut missing, &mut changes)?;
                }
                if keyword.word_list() {
                    missing = joined(missing);
                }
                self.insert_near(keyword, &lines, &missing, &mut changes)?;
            }
        }
        Ok(changes.finish())
    }

    /// Comments out the lines of a keyword that hold for everybody; those inside a Match stay.
    ///
    /// # Errors
    /// [`Error`] if the keyword is unknown.
    pub fn unset(&self, key: &str) -> Result<Edits, Error> {
        let keyword = match keywords::find(key) {
            Some(keyword) if keyword.kind == Kind::Dead && !self.endless => keyword,
            _ => self.settable(key)?,
        };
        let mut changes = Changes::new(self);
        let key = keyword.key();
        for line in self.directives.iter().filter(|line| line.key == key && line.global()) {
            changes.comment_out(&line.file, line.line)?;
            self.note_second_reading(&line.file, &mut changes);
            if key == "listenaddress" {
                changes
                    .note("sshd then listens on every address of this host, not on the one that is named alone".into());
            }
        }
        Ok(changes.finish())
    }

    fn settable(&self, key: &str) -> Result<&'static Keyword, Error> {
        let Some(keyword) = keywords::find(key) else {
            let near = keywords::nearest(key).map(|(_, name)| name);
            return Err(Error::Unknown { keyword: key.to_owned(), near });
        };
        let why = match keyword.kind {
            Kind::Match => "is a block, not a value",
            Kind::Include => "reads other files, and has no value",
            Kind::Dead => "is thrown away by sshd",
            _ if !self.files.contains_key(&self.main) => return Err(Error::NoFile { file: self.main.clone() }),
            _ if self.endless => return Err(Error::Endless),
            _ => return Ok(keyword),
        };
        Err(Error::NotSettable { keyword: keyword.name, why })
    }

    /// The lines that hold for everybody, each once.
    pub(super) fn lines_of(&self, keyword: &Keyword) -> Vec<&Directive> {
        let mut lines: Vec<&Directive> = Vec::new();
        for line in self.everybodys(keyword) {
            if !lines.iter().any(|seen| (&seen.file, seen.line) == (&line.file, line.line)) {
                lines.push(line);
            }
        }
        lines
    }

    fn set_lines(
        &self,
        keyword: &Keyword,
        lines: &[&Directive],
        wanted: &[Wanted],
        changes: &mut Changes<'_>,
    ) -> Result<(), Error> {
        let there = |want: &&Wanted| !lines.iter().any(|line| has(keyword, line, want));
        let mut missing = wanted.iter().filter(there).cloned();
        for line in lines.iter().filter(|line| !wanted.iter().any(|want| has(keyword, line, want))) {
            match missing.next() {
                Some(want) => self.change(keyword, line, &[want], changes)?,
                None => {
                    changes.comment_out(&line.file, line.line)?;
                    self.note_second_reading(&line.file, changes);
                }
            }
        }
        self.insert_near(keyword, lines, &missing.collect::<Vec<_>>(), changes)
    }

    /// Each line keeps its wanted words; what is missing goes to the first line that changes anyway.
    fn set_words(
        &self,
        keyword: &Keyword,
        lines: &[&Directive],
        wanted: &[Wanted],
        changes: &mut Changes<'_>,
    ) -> Result<(), Error> {
        let is_wanted = |word: &str| wanted.iter().any(|want| want.args.iter().any(|arg| arg == word));
        let missing = wanted.iter().filter(|want| !lines.iter().any(|line| has(keyword, line, want)));
        let mut missing: Vec<Wanted> = missing.cloned().collect();
        for line in lines.iter().filter(|line| !line.args.iter().all(|word| is_wanted(word))) {
            let more: Vec<String> = missing.drain(..).flat_map(|want| want.args).collect();
            let text = self.text(&line.file, line.line).unwrap_or_default();
            match with_words(text, is_wanted, &more) {
                Some(new) => changes.set(&line.file, line.line, new)?,
                None => changes.comment_out(&line.file, line.line)?,
            }
            self.note_second_reading(&line.file, changes);
        }
        self.insert_near(keyword, lines, &joined(missing), changes)
    }

    fn set_names(
        &self,
        keyword: &Keyword,
        lines: &[&Directive],
        wanted: &[Wanted],
        changes: &mut Changes<'_>,
    ) -> Result<(), Error> {
        for want in wanted {
            match lines.iter().find(|line| line.args.first() == want.args.first()) {
                Some(line) => self.change(keyword, line, std::slice::from_ref(want), changes)?,
                None => self.insert_near(keyword, lines, std::slice::from_ref(want), changes)?,
            }
        }
        Ok(())
    }

    /// Gives a line another value, if it does not mean the same already.
    fn change(
        &self,
        keyword: &Keyword,
        line: &Directive,
        wanted: &[Wanted],
        changes: &mut Changes<'_>,
    ) -> Result<(), Error> {
        let Some(want) = wanted.first() else { return Ok(()) };
        if value::meaning(keyword, &line.args) == want.meaning {
            return Ok(());
        }
        let text = self.text(&line.file, line.line).unwrap_or_default();
        if let Some(new) = with_value(text, keyword, &want.args) {
            changes.set(&line.file, line.line, new)?;
            self.note_second_reading(&line.file, changes);
        }
        Ok(())
    }

    fn insert_home(&self, keyword: &Keyword, wanted: &[Wanted], changes: &mut Changes<'_>) -> Result<(), Error> {
        let before = self.home(keyword);
        for want in wanted {
            changes.insert(&self.main, before, new_line(keyword, &want.args))?;
        }
        Ok(())
    }

    /// Adds lines behind the last line of the keyword in the file of the first one.
    pub(super) fn insert_near(
        &self,
        keyword: &Keyword,
        lines: &[&Directive],
        wanted: &[Wanted],
        changes: &mut Changes<'_>,
    ) -> Result<(), Error> {
        let Some(first) = lines.first() else { return self.insert_home(keyword, wanted, changes) };
        let same = lines.iter().filter(|line| line.file == first.file && line.scope == first.scope);
        let last = same.map(|line| line.line).max().unwrap_or(first.line);
        for want in wanted {
            changes.insert(&first.file, last + 1, new_line(keyword, &want.args))?;
            self.note_second_reading(&first.file, changes);
        }
        Ok(())
    }

    /// The first line of a keyword takes its default away: the default is written too, or it is said.
    fn first_of_its_kind(
        &self,
        keyword: &'static Keyword,
        missing: &mut Vec<Wanted>,
        changes: &mut Changes<'_>,
    ) -> Result<(), Error> {
        match keyword.name {
            "HostKey" => {
                let defaults = ["rsa", "ecdsa", "ed25519"].map(|kind| format!("/etc/ssh/ssh_host_{kind}_key"));
                let given: Vec<Wanted> = std::mem::take(missing);
                *missing = wanted(keyword, &defaults)?;
                missing.extend(given.into_iter().filter(|want| !defaults.contains(&want.args.concat())));
                changes.note("HostKey: the default keys are written too, else they would no longer be used".to_owned());
            }
            "AllowUsers" | "AllowGroups" => {
                changes
                    .note(format!("{}: until now it was {}; now nobody else gets in", keyword.name, keyword.default));
            }
            _ => {}
        }
        Ok(())
    }
}
