//! From a stream to a receiver: wakes whoever is there, logs in, types the one line at the prompt and brings the receiver
//! over, each step only once the one before showed that it worked.

use std::time::Duration;

use tokio::time::Instant;

use super::super::{ChannelError, Login};
use super::Pace;
use super::bring::bring;
use super::prompt::{self, Shown};
use super::receiver::{self, Marker, Sum};
use super::session::Session;
use super::wire::{Broken, Wire};

const CTRL_C: &[u8] = b"\x03";
const CTRL_Q: &[u8] = b"\x11";
/// The end of the line, then away with all of it (^E ^U): what somebody left half typed is never executed.
const AWAY: &[u8] = b"\x05\x15";

/// Somebody at the other side, on the way to a receiver.
struct Waking<'a> {
    wire: Wire,
    login: &'a Login,
    pace: &'a Pace,
    end: Instant,
    /// Enter keys sent since something new was shown, interrupts sent, times that the line was typed.
    silent: u32,
    interrupts: u32,
    typed: u32,
    named: bool,
    password_given: bool,
    maintenance: bool,
    ever_heard: bool,
    /// What was shown last that is no shell.
    last: Shown,
}

/// A session, or why there is none before `end`.
pub(super) async fn open(wire: Wire, login: &Login, pace: &Pace, end: Instant) -> Result<Session, Broken> {
    let mut w = Waking {
        wire,
        login,
        pace,
        end,
        silent: 0,
        interrupts: 0,
        typed: 0,
        named: false,
        password_given: false,
        maintenance: false,
        ever_heard: false,
        last: Shown::Nothing,
    };
    w.wire.settle(pace.listen, end.min(Instant::now() + pace.listen * 3)).await?;
    // Firmware and half a boot are left alone; a person's half line and a stale prompt are renewed.
    if !matches!(prompt::shown(&w.wire.recent()), Shown::Boot(_)) {
        w.knock().await?;
    }
    let mut attempt = 0;
    loop {
        attempt += 1;
        let (marker, sum) = w.prompt().await?;
        let mut session = Session::new(w.wire, &marker, sum);
        session.logged_in = w.named || w.password_given && !w.maintenance;
        match bring(&mut session, &marker, pace).await {
            Err(Broken::Lost) if attempt < 5 && Instant::now() < end => {
                // The starter was damaged on its way, or ended: from the beginning.
                w.wire = session.wire;
                (w.silent, w.interrupts) = (0, 0);
                w.wire.forget();
                w.say(b"\x15.q\n", pace.quiet).await?;
                w.interrupt().await?;
            }
            Err(e) => {
                // So that nothing of us stays where it can be told to go.
                let _ = session.wire.send(b"\x15.q\n\x03").await;
                return Err(e);
            }
            Ok(()) => return Ok(session),
        }
    }
}

impl Waking<'_> {
    fn overdue(&self) -> bool {
        Instant::now() >= self.end
    }

    /// Sends, and reads what it leads to: until silence, which is shorter after what is surely a prompt.
    async fn say(&mut self, bytes: &[u8], first: Duration) -> Result<bool, Broken> {
        self.wire.unread.clear();
        self.wire.send(bytes).await?;
        self.listen(first).await
    }

    async fn listen(&mut self, first: Duration) -> Result<bool, Broken> {
        let asked = Instant::now();
        if !self.wire.fill(self.end.min(asked + first)).await? {
            return Ok(false);
        }
        if !self.ever_heard {
            self.wire.learn(1, asked.elapsed());
        }
        self.ever_heard = true;
        self.quiet().await?;
        Ok(true)
    }

    async fn quiet(&mut self) -> Result<(), Broken> {
        // Boot messages may go on for long; they are looked at from time to time.
        let until = self.end.min(Instant::now() + Duration::from_secs(3));
        loop {
            let sure = matches!(
                prompt::shown(&self.wire.recent()),
                Shown::Login | Shown::Password { .. } | Shown::Prompt | Shown::Ours
            );
            let quiet =
                if sure { self.pace.quiet / 3 } else { self.pace.quiet } + self.wire.round_trip.min(self.pace.quiet);
            if !self.wire.fill(until.min(Instant::now() + quiet)).await? {
                return Ok(());
            }
            self.ever_heard = true;
        }
    }

    /// Enter, on an empty line.
    async fn knock(&mut self) -> Result<(), Broken> {
        self.silent += 1;
        let first = self.pace.answer * self.silent;
        // Somebody may have stopped the output (^S): go on (^Q).
        let go_on = if self.silent > 1 { CTRL_Q } else { b"" };
        self.say(&[go_on, AWAY, b"\r"].concat(), first).await.map(|_| ())
    }

    /// Goes on until our line ran at a prompt: its marker, and the checksum that the target has.
    async fn prompt(&mut self) -> Result<(Marker, Sum), Broken> {
        loop {
            if self.overdue() {
                return Err(self.gave_up().into());
            }
            let shown = prompt::shown(&self.wire.recent());
            if !matches!(shown, Shown::Nothing | Shown::Prompt) {
                self.last = shown;
            }
            match shown {
                Shown::Boot(what) => {
                    // A menu may time out into a boot.
                    if !self.wire.fill(self.end.min(Instant::now() + self.pace.answer * 6)).await? {
                        return Err(ChannelError::new(format!("the console is at {what}; no system runs there yet"))
                            .hint("boot the host, or choose an entry of the menu, and run this again")
                            .into());
                    }
                    self.quiet().await?;
                }
                Shown::Login => self.name().await?,
                Shown::Password { maintenance } => self.password(maintenance).await?,
                Shown::Enter => {
                    self.wire.forget();
                    self.say(b"\r", self.pace.answer * 2).await?;
                }
                Shown::Ours => {
                    tracing::info!("a run that was killed left its receiver on the console: taken over");
                    self.wire.forget();
                    self.say(b"\x15.q\n", self.pace.answer).await?;
                    self.knock().await?;
                }
                Shown::Unfinished if self.interrupts < 4 => self.interrupt().await?,
                Shown::Unfinished | Shown::Prompt => {
                    self.silent = 0;
                    if let Some(found) = self.start().await? {
                        return Ok(found);
                    }
                    self.lost().await?;
                }
                Shown::Nothing => {
                    if self.wire.fill(self.end.min(Instant::now() + Duration::from_millis(1))).await? {
                        // Still talking: a boot, a message of the day.
                        self.quiet().await?;
                    } else if self.silent < 3 {
                        self.knock().await?;
                    } else if self.interrupts < 2 {
                        self.interrupt().await?;
                    } else if self.ever_heard && self.typed < 2 {
                        // A shell without a prompt?
                        if let Some(found) = self.start().await? {
                            return Ok(found);
                        }
                    } else {
                        return Err(self.gave_up().into());
                    }
                }
            }
        }
    }

    async fn interrupt(&mut self) -> Result<(), Broken> {
        self.interrupts += 1;
        self.say(CTRL_C, self.pace.answer).await?;
        self.say(&[AWAY, b"\r"].concat(), self.pace.answer).await.map(|_| ())
    }

    /// What was a prompt is not a shell's, or the line was damaged on its way.
    async fn lost(&mut self) -> Result<(), Broken> {
        if self.typed >= 14 {
            return Err(self.gave_up().into());
        }
        self.wire.forget();
        if self.typed >= 2 {
            self.interrupt().await
        } else {
            // Ends what may already run of us, and shows the prompt again.
            self.say(b"\x15\r", self.pace.answer).await.map(|_| ())
        }
    }

    fn gave_up(&self) -> ChannelError {
        if !self.ever_heard {
            return ChannelError::new("nothing answers on the console")
                .hint("is the host on, the line the right one, its speed right, and a getty or a shell on it?");
        }
        match self.last {
            Shown::Login => ChannelError::new("the login on the console did not come to a shell"),
            Shown::Password { .. } => ChannelError::new("the console still asks for a password"),
            _ if self.typed > 0 => ChannelError::new("what is on the console does not take a command: it is no shell")
                .hint("end the program that runs there, so that the console is at a shell or at login"),
            _ => ChannelError::new("no prompt came on the console: a program runs there and does not end")
                .hint("end it, so that the console is at a shell or at login"),
        }
    }

    async fn name(&mut self) -> Result<(), Broken> {
        let Some(user) = self.login.user.as_deref() else {
            return Err(ChannelError::new("the console asks for a login")
                .hint("--login USER, and RUNBOOK_PASSWORD for its password")
                .into());
        };
        if self.password_given || prompt::refused(&self.wire.recent()) && self.named {
            return Err(self.refused().into());
        }
        self.named = true;
        self.wire.forget();
        self.say(format!("{user}\r").as_bytes(), self.pace.answer * 4).await?;
        // Whatever echoed, the next prompt may take its time (a directory service).
        self.patient(self.pace.answer * 10).await
    }

    fn refused(&self) -> ChannelError {
        let user = self.login.user.as_deref().unwrap_or("root");
        ChannelError::new(format!("the console refused the login of {user}: login incorrect"))
            .hint("is RUNBOOK_PASSWORD right, and may this user log in on a console? (pam_securetty, /etc/securetty)")
    }

    /// Waits for the next prompt, at most for so long.
    async fn patient(&mut self, most: Duration) -> Result<(), Broken> {
        let until = self.end.min(Instant::now() + most);
        while prompt::shown(&self.wire.recent()) == Shown::Nothing && Instant::now() < until {
            if self.wire.fill(until).await? {
                self.quiet().await?;
            }
        }
        Ok(())
    }

    async fn password(&mut self, maintenance: bool) -> Result<(), Broken> {
        if !maintenance && !self.named {
            // Somebody else's: an empty one is refused, and the login prompt comes.
            self.wire.forget();
            self.say(b"\r", self.pace.answer * 4).await?;
            return self.patient(self.pace.answer * 10).await;
        }
        if self.password_given {
            return Err(if maintenance || prompt::refused(&self.wire.recent()) {
                self.refused()
            } else {
                ChannelError::new("the console asks for a second password")
                    .hint("an expired password is changed by hand")
            }
            .into());
        }
        let Some(password) = self.login.password.as_ref() else {
            let whose = if maintenance { "root" } else { self.login.user.as_deref().unwrap_or("root") };
            return Err(ChannelError::new(format!("the console asks for the password of {whose}"))
                .hint("set RUNBOOK_PASSWORD")
                .into());
        };
        self.unechoed().await?;
        self.password_given = true;
        self.maintenance = maintenance;
        self.wire.forget();
        let line = format!("{}\r", password.0);
        self.wire.send_secret(line.as_bytes()).await?;
        self.listen(self.pace.answer * 10).await?;
        self.patient(self.pace.answer * 20).await?;
        // A refusal is followed by the next login prompt, often after seconds.
        let text = self.wire.recent();
        if prompt::refused(&text) && prompt::shown(&text) != Shown::Prompt {
            return Err(self.refused().into());
        }
        Ok(())
    }

    /// Makes sure that what is typed now does not show: a harmless letter, taken back at once, three different ones if
    /// it seems to show (noise holds letters too).
    async fn unechoed(&mut self) -> Result<(), Broken> {
        for letter in [b"z\x15", b"q\x15", b"x\x15"] {
            self.wire.unread.clear();
            self.wire.send(letter).await?;
            let wait = self.pace.quiet + self.wire.round_trip * 3;
            self.wire.settle(wait, self.end.min(Instant::now() + wait * 4)).await?;
            if !self.wire.unread.contains(&letter[0]) {
                return Ok(());
            }
        }
        let why = "the console shows what is typed at its password prompt, so the password was not sent";
        Err(ChannelError::new(why).hint("a terminal server with local echo? switch that off").into())
    }

    /// Types the line; its marker if a shell ran it.
    async fn start(&mut self) -> Result<Option<(Marker, Sum)>, Broken> {
        self.typed += 1;
        let marker = Marker::new();
        let line = receiver::starter(&marker);
        self.wire.forget();
        let asked = Instant::now();
        self.wire.send(line.as_bytes()).await?;
        // Its echo, if there is one, shows whether it arrived whole; an editor may paint it in its own way.
        let wanted = squeezed(&line);
        let until = self.end.min(asked + self.wire.patience(line.len() * 2) + self.pace.quiet * 2);
        let mut whole = false;
        while !whole
            && self
                .wire
                .fill(until.min(self.wire.heard.max(asked) + self.pace.quiet * 3 + self.wire.round_trip))
                .await?
        {
            whole = squeezed(&String::from_utf8_lossy(&self.wire.unread)).contains(&wanted);
        }
        // An editor that paints in its own way (it scrolls sideways) shows nothing that could be compared.
        whole |= self.wire.unread.iter().filter(|b| matches!(**b, 8 | 27)).count() > 8;
        if whole {
            // Its echo comes while it is sent.
            self.wire.learn(line.len(), asked.elapsed());
        } else if !self.wire.unread.is_empty() {
            // Damaged, there or on its way back: a line that is not ours is not entered.
            self.wire.send(b"\x15").await?;
            return Ok(None);
        }
        self.wire.unread.clear();
        let entered = Instant::now();
        self.wire.send(b"\r").await?;
        let until = self.end.min(entered + self.pace.answer * 3 + self.wire.round_trip * 4);
        while self.wire.fill(until).await? {
            let text = String::from_utf8_lossy(&self.wire.unread).into_owned();
            if let Some(sum) = text.lines().find_map(|l| greeting(l, &marker)) {
                self.wire.learn(1, entered.elapsed());
                self.wire.unread.clear();
                return Ok(Some((marker, sum)));
            }
        }
        Ok(None)
    }
}

/// The starter's first word: the checksum of nothing.
fn greeting(line: &str, marker: &Marker) -> Option<Sum> {
    let (_, rest) = line.split_once(&marker.whole())?;
    Sum::of_nothing(rest.split_whitespace().next()?)
}

/// Without what a terminal or a line editor adds to an echo.
fn squeezed(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => {
                if chars.next() == Some('[') {
                    while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
                }
            }
            c if c <= ' ' => {}
            c => out.push(c),
        }
    }
    out
}
