//! One script over a receiver: there in blocks, run once, and its answer back in numbered lines.

use std::time::Duration;

use tokio::time::Instant;

use super::super::process::MOST;
use super::super::{ChannelError, Output};
use super::session::{Done, Ended, Heard, Session, State};
use super::wire::Broken;

/// The most in one block: a word of an external `printf` may have 128 KiB.
const BLOCK: usize = 32 << 10;
/// A line that is no longer than this with its marker fits every terminal.
const NARROW: usize = 60;

impl Session {
    /// Runs the script, once, and brings its output back, byte for byte.
    pub async fn run(&mut self, script: &[u8]) -> Result<Output, Broken> {
        if self.dirty {
            self.end_job().await?;
        }
        self.dirty = true;
        let sum = self.sum.of(script);
        let text = self.tools.encode(script);
        let mut state = None;
        for _ in 0..3 {
            self.id += 1;
            self.upload(&text).await?;
            let s = self.start(&sum).await?;
            if s.done != Done::Undecoded {
                state = Some(s);
                break;
            }
        }
        let Some(state) = state else { return Err(undecoded()) };
        let ended = self.wait(state).await?;
        let answer = self.fetch(ended).await?;
        self.dirty = false;
        Ok(answer)
    }

    /// Brings the text there. How far the other side got is what it says, whichever of our blocks made it.
    async fn upload(&mut self, text: &[u8]) -> Result<(), Broken> {
        let id = self.id;
        let mut at = 0;
        // An upload of nothing is an upload too.
        let mut first = true;
        while first || at < text.len() {
            first = false;
            let rest = text.get(at..).unwrap_or_default();
            let lines = rest.split_inclusive(|b| *b == b'\n');
            let mut length = 0;
            for line in lines {
                if length > 0 && length + line.len() > self.block {
                    break;
                }
                length += line.len();
            }
            let block = &rest[..length];
            let command = format!("B {id} {at} {} {length}", self.sum.of(block));
            let state = self
                .ask(block, &command, 50, |heard, seq| match heard {
                    Heard::State(s) if s.upload == id && (s.bytes > at || s.after >= seq) => Some(s.clone()),
                    _ => None,
                })
                .await?;
            if state.bytes > at {
                at = state.bytes;
                self.block = (self.block * 2).min(BLOCK);
            } else if length > 0 {
                self.block = (self.block / 2).max(60);
            }
        }
        Ok(())
    }

    async fn start(&mut self, sum: &str) -> Result<State, Broken> {
        let id = self.id;
        self.ask(b"", &format!("R {id} {sum}"), 50, |heard, _| match heard {
            Heard::State(s) if s.job == id => Some(s.clone()),
            _ => None,
        })
        .await
    }

    /// The receiver tells by itself when the job ends; that may be lost, so it is asked, less and less often.
    async fn wait(&mut self, mut state: State) -> Result<Ended, Broken> {
        let id = self.id;
        let mut pause = (self.wire.round_trip * 4).max(Duration::from_millis(200));
        loop {
            match state.done {
                Done::Ended(ended) => return Ok(ended),
                Done::Undecoded => return Err(undecoded()),
                Done::NotYet => {}
            }
            let until = Instant::now() + pause;
            pause = (pause * 2).min(Duration::from_secs(10));
            let mut told = None;
            while told.is_none() && Instant::now() < until {
                told = self.hear(until).await?.into_iter().find_map(|heard| match heard {
                    Heard::State(s) if s.job == id && s.done != Done::NotYet => Some(s),
                    _ => None,
                });
            }
            state = match told {
                Some(s) => s,
                None => self.state("S").await?,
            };
        }
    }

    async fn fetch(&mut self, mut ended: Ended) -> Result<Output, Broken> {
        bounded(&ended)?;
        let mut answer = Answer::new(&ended);
        let mut window = 8 << 10;
        let mut poor = 0;
        loop {
            while let Some((ranges, count)) = answer.ask_for(window) {
                let bytes = count * (ended.width + 14);
                let asked = Instant::now();
                let before = answer.missing;
                let parts: Vec<String> = ranges.iter().map(|(from, to)| format!("{from},{to}p")).collect();
                let last = ranges.last().map_or(0, |r| r.1);
                let command = format!("G {};{last}q", parts.join(";"));
                let whole = self.collect(&command, &mut answer).await?;
                let got = before - answer.missing;
                if got == 0 && !whole {
                    self.state("S").await?;
                }
                if whole && bytes > 2000 {
                    self.wire.learn(bytes, asked.elapsed());
                }
                if got == count {
                    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                    let seconds = (self.wire.rate * 4.0) as usize;
                    window = (window * 2).min(seconds.max(8 << 10));
                } else if got * 2 < count {
                    poor += 1;
                }
                if poor >= 2 && ended.width > NARROW && self.tools.width_is_free() {
                    poor = 0;
                    self.width = NARROW;
                    ended = self.encode_again().await?;
                    bounded(&ended)?;
                    answer = Answer::new(&ended);
                }
            }
            if self.sum.of(&answer.text(1, ended.lines)) == ended.sum {
                break;
            }
            self.find_bad(&mut answer, ended.lines).await?;
        }
        let packed: String = answer.lines.iter().flatten().map(String::as_str).collect();
        let bytes = if ended.lines == 0 { Some(Vec::new()) } else { self.tools.decode(&packed) };
        let bytes = bytes.filter(|b| b.len() == ended.stdout + ended.stderr).ok_or_else(|| {
            ChannelError::new("the answer does not unpack: the target's disk is full, or its tools are broken")
                .hint("make room in /dev/shm, /run or /tmp of the target")
        })?;
        let (stdout, stderr) = bytes.split_at(ended.stdout);
        // ksh93 says 256 + N where others say 128 + N.
        let status = if ended.status > 256 { ended.status - 128 } else { ended.status };
        Ok(Output { status: Some(status), stdout: stdout.to_vec(), stderr: stderr.to_vec() })
    }

    /// Asks for lines and takes what comes of them; false: their end was not told, only silence came.
    async fn collect(&mut self, command: &str, answer: &mut Answer) -> Result<bool, Broken> {
        let mut bytes = vec![0x15];
        bytes.extend(self.command(command));
        self.wire.send(&bytes).await?;
        let quiet = self.wire.patience(1500);
        let mut until = Instant::now() + quiet * 2;
        loop {
            let heard = self.hear(until).await?;
            if heard.is_empty() {
                return Ok(false);
            }
            for one in heard {
                match one {
                    Heard::Line(number, text) => answer.put(number, &text),
                    Heard::State(s) if s.after >= self.seq => return Ok(true),
                    _ => {}
                }
            }
            until = Instant::now() + quiet;
        }
    }

    /// Lines that fit any terminal, and of which noise spoils fewer.
    async fn encode_again(&mut self) -> Result<Ended, Broken> {
        self.coding("").await?;
        loop {
            match self.state("W").await?.done {
                Done::Ended(e) if e.width <= NARROW => return Ok(e),
                _ => {}
            }
        }
    }

    /// Tells the receiver how to en- and decode, and what to evaluate beside that.
    pub async fn coding(&mut self, also: &str) -> Result<(), Broken> {
        let encoder = self.tools.encoder(self.width).ok_or_else(|| {
            ChannelError::new("the target has none of base64, openssl, uuencode, od and hexdump")
                .hint("install one of them, or use another channel")
        })?;
        let command = format!("V E='{encoder}' F='{}'{also}", self.tools.decoder());
        self.state(&command).await.map(|_| ())
    }

    /// Drops the lines that are damaged and look as if they were not.
    async fn find_bad(&mut self, answer: &mut Answer, lines: usize) -> Result<(), Broken> {
        let mut ranges = vec![(1, lines)];
        while let Some((from, to)) = ranges.pop() {
            let ours = self.sum.of(&answer.text(from, to));
            let command = format!("C {from},{to}p");
            let theirs = self
                .ask(b"", &command, 20, |heard, seq| match heard {
                    Heard::Other(n, words) if *n == seq && words.len() == 2 && words[0] == "C" => {
                        Some(words[1].clone())
                    }
                    _ => None,
                })
                .await?;
            if ours == theirs {
                continue;
            }
            if to - from < 2 {
                (from..=to).for_each(|n| answer.drop(n));
            } else {
                let middle = from.midpoint(to);
                ranges.extend([(middle + 1, to), (from, middle)]);
            }
        }
        Ok(())
    }
}

fn undecoded() -> Broken {
    let why = "the script did not arrive whole: the target's disk is full, or its tools are broken";
    Broken::Other(ChannelError::new(why).hint("make room in /dev/shm, /run or /tmp of the target"))
}

/// The sizes are the target's word: none of them is believed before it is looked at.
fn bounded(ended: &Ended) -> Result<(), Broken> {
    #[allow(clippy::cast_possible_truncation)]
    let most = MOST as usize;
    let fits = ended.stdout <= most && ended.stderr <= most && ended.lines <= most / 16 && ended.width <= 4096;
    let why = "the answer is longer than anything that is waited for over a console";
    if fits { Ok(()) } else { Err(ChannelError::new(why).hint("does the script print without end?").into()) }
}

/// The lines of an answer, as far as they came.
struct Answer {
    lines: Vec<Option<String>>,
    missing: usize,
    width: usize,
}

impl Answer {
    fn new(ended: &Ended) -> Self {
        Self { lines: vec![None; ended.lines], missing: ended.lines, width: ended.width }
    }
    /// All lines are as wide as the first, but for the last.
    fn put(&mut self, number: usize, text: &str) {
        let last = number == self.lines.len();
        if !(text.len() == self.width || last && text.len() < self.width) {
            return;
        }
        if let Some(slot @ None) = number.checked_sub(1).and_then(|at| self.lines.get_mut(at)) {
            *slot = Some(text.to_owned());
            self.missing -= 1;
        }
    }
    fn drop(&mut self, number: usize) {
        if let Some(slot @ Some(_)) = number.checked_sub(1).and_then(|at| self.lines.get_mut(at)) {
            *slot = None;
            self.missing += 1;
        }
    }
    /// The first missing lines, some `window` bytes of them, as ranges; not more of these than a command holds.
    fn ask_for(&self, window: usize) -> Option<(Vec<(usize, usize)>, usize)> {
        let most = (window / (self.width + 14)).max(1);
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        let mut count = 0;
        for (at, _) in self.lines.iter().enumerate().filter(|(_, l)| l.is_none()) {
            let number = at + 1;
            if count == most {
                break;
            }
            let full = ranges.len() == 8;
            match ranges.last_mut() {
                Some((_, to)) if *to + 1 == number => *to = number,
                _ if full => break,
                _ => ranges.push((number, number)),
            }
            count += 1;
        }
        (count > 0).then_some((ranges, count))
    }
    fn text(&self, from: usize, to: usize) -> Vec<u8> {
        let lines = self.lines.get(from.saturating_sub(1)..to).unwrap_or_default();
        lines.iter().flatten().flat_map(|l| [l.as_bytes(), b"\n"].concat()).collect()
    }
}
