//! Reading what a probe script sent back.
//!
//! ```text
//! =NONCE= 2              the number of checks
//! 0 3 12 0               check 0: status, duration in 1/100 s, bytes of stdout, of stderr
//! T 500 1048576+ 7       check 1: timed out; stdout was cut at 1048576 bytes
//! <stdout 0><stderr 0><stdout 1><stderr 1>=NONCE=.
//! ```
//!
//! A status is a number, `T` (timed out), `V` (no overlay, the reason is in place of stderr) or
//! `F` (no room for the output). A script that found no room at all sends `=NONCE= - reason`.
//! What stands before the first and after the last line does not matter. The markers are put
//! together by the script, so an echo of the script's own text does not hold one.

use std::time::Duration;

/// What one check answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: Status,
    /// Empty unless the check was run.
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// One of the streams was longer than [`super::probe::OUTPUT_CAP`] and was cut there.
    pub truncated: bool,
    /// In steps of 10 ms, from `/proc/uptime`; 0 where there is no `/proc`.
    pub duration: Duration,
}

/// How one check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// What the shell says: 0 to 255; 128 + N if signal N killed it (or it exited so: a shell
    /// cannot tell), 127 not found, 126 not executable.
    Exit(i32),
    /// The deadline passed. What the check had written until then is there.
    TimedOut,
    /// The overlay could not be laid, or its `writes` failed; the check was not run.
    NoOverlay(String),
    /// The disk under the probe's directory was full: the output is missing or cut.
    NoRoom,
}

impl Status {
    /// The signal that killed the check, by the shell's convention of 128 + N.
    pub fn signal(&self) -> Option<i32> {
        match self {
            Self::Exit(status @ 129..=192) => Some(status - 128),
            _ => None,
        }
    }
}

/// Why there is no answer. In no case did any check answer "no".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("no sh answered there")]
    NoFrame,
    #[error("the channel was lost in the middle of the answer")]
    Cut,
    #[error("the target has no room for a probe: {reason}")]
    NoRoom { reason: String },
    #[error("the answer is damaged: {what}")]
    Garbled { what: &'static str },
}

/// One line of the header.
struct Entry<'a> {
    status: &'a str,
    duration: Duration,
    stdout: usize,
    stderr: usize,
    truncated: bool,
}

/// The answers of the `n` checks of the probe with this `nonce`, in order.
///
/// # Errors
/// [`FrameError::NoFrame`], [`FrameError::Cut`] and [`FrameError::Garbled`] if `stdout` holds no
/// whole frame, [`FrameError::NoRoom`] if the script says that it could not start.
pub fn parse(nonce: &str, n: usize, stdout: &[u8]) -> Result<Vec<Answer>, FrameError> {
    let begin = format!("={nonce}= ");
    let end = format!("={nonce}=.\n");
    let mut error = FrameError::NoFrame;
    // Noise may hold the marker too (`set -x`): the first frame that is whole counts.
    let mut rest = stdout;
    while let Some(at) = find(rest, begin.as_bytes()) {
        rest = &rest[at + begin.len()..];
        match parse_at(rest, n, end.as_bytes()) {
            Ok(answers) => return Ok(answers),
            Err(new) if error == FrameError::NoFrame => error = new,
            Err(_) => {}
        }
    }
    Err(error)
}

/// The answers of the frame whose begin marker ends where `frame` begins.
fn parse_at(frame: &[u8], n: usize, end: &[u8]) -> Result<Vec<Answer>, FrameError> {
    let (first, mut rest) = line(frame)?;
    if let Some(reason) = first.strip_prefix("- ") {
        let reason = reason.to_owned();
        return Err(FrameError::NoRoom { reason });
    }
    if first.parse() != Ok(n) {
        let what = "the number of checks differs";
        return Err(FrameError::Garbled { what });
    }
    let mut entries = Vec::new();
    for _ in 0..n {
        let (text, after) = line(rest)?;
        let what = "a line of the header";
        entries.push(entry(text).ok_or(FrameError::Garbled { what })?);
        rest = after;
    }
    let mut answers = Vec::new();
    for entry in entries {
        let stdout = take(&mut rest, entry.stdout)?;
        let stderr = take(&mut rest, entry.stderr)?;
        answers.push(answer(&entry, stdout, stderr)?);
    }
    if rest.starts_with(end) {
        Ok(answers)
    } else if end.starts_with(rest) || find(rest, end).is_none() {
        Err(FrameError::Cut)
    } else {
        let what = "more output than announced";
        Err(FrameError::Garbled { what })
    }
}

fn answer(entry: &Entry, stdout: &[u8], stderr: &[u8]) -> Result<Answer, FrameError> {
    let mut answer = Answer {
        status: Status::TimedOut,
        stdout: stdout.to_vec(),
        stderr: stderr.to_vec(),
        truncated: entry.truncated,
        duration: entry.duration,
    };
    answer.status = match entry.status {
        "T" => Status::TimedOut,
        "F" => Status::NoRoom,
        "V" => {
            let reason = String::from_utf8_lossy(&std::mem::take(&mut answer.stderr)).trim().to_owned();
            answer.stdout.clear();
            Status::NoOverlay(reason)
        }
        number => {
            let what = "a status";
            let status: i32 = number.parse().map_err(|_| FrameError::Garbled { what })?;
            // ksh93 says 256 + N where others say 128 + N.
            let status = if status > 256 { status - 128 } else { status };
            Status::Exit(status)
        }
    };
    Ok(answer)
}

fn entry(text: &str) -> Option<Entry<'_>> {
    let mut words = text.split(' ');
    let status = words.next()?;
    let hundredths: i64 = words.next()?.parse().ok()?;
    let (stdout, stdout_cut) = length(words.next()?)?;
    let (stderr, stderr_cut) = length(words.next()?)?;
    words.next().is_none().then_some(Entry {
        status,
        duration: Duration::from_millis(u64::try_from(hundredths).unwrap_or(0).saturating_mul(10)),
        stdout,
        stderr,
        truncated: stdout_cut || stderr_cut,
    })
}

/// A length, and whether a `+` says that the stream was longer.
fn length(word: &str) -> Option<(usize, bool)> {
    match word.strip_suffix('+') {
        Some(number) => Some((number.parse().ok()?, true)),
        None => Some((word.parse().ok()?, false)),
    }
}

/// The text up to the first newline, and what follows it.
fn line(bytes: &[u8]) -> Result<(&str, &[u8]), FrameError> {
    let at = find(bytes, b"\n").ok_or(FrameError::Cut)?;
    let what = "the header is not text";
    let text = str::from_utf8(&bytes[..at]).map_err(|_| FrameError::Garbled { what })?;
    Ok((text, &bytes[at + 1..]))
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], FrameError> {
    let (head, tail) = rest.split_at_checked(len).ok_or(FrameError::Cut)?;
    *rest = tail;
    Ok(head)
}

/// Where `needle` (not empty) first stands in `hay`.
fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: &[u8] = b"motd\n=n1= 2\n0 3 5 0\nT 500 4+ 2\nab\0=nABCDee=n1=.\nbye";

    #[test]
    fn reads_a_frame_between_noise() {
        let answers = parse("n1", 2, FRAME).expect("whole");
        assert_eq!(answers[0].stdout, b"ab\0=n");
        assert_eq!(answers[0].status, Status::Exit(0));
        assert_eq!(answers[0].duration, Duration::from_millis(30));
        assert_eq!(answers[1].stderr, b"ee");
        assert_eq!(answers[1].status, Status::TimedOut);
        assert!(answers[1].truncated && !answers[0].truncated);
        let twice = [b"+ echo =n1= 2\n".as_slice(), FRAME].concat();
        assert_eq!(parse("n1", 2, &twice).expect("the second"), answers);
    }

    #[test]
    fn a_lost_channel_is_no_answer() {
        let end = FRAME.len() - b"bye".len();
        for len in 0..end {
            let error = parse("n1", 2, &FRAME[..len]).expect_err("not whole");
            let begun = len >= b"motd\n=n1= ".len();
            let expected = if begun { FrameError::Cut } else { FrameError::NoFrame };
            assert_eq!(error, expected, "{len}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let garbled = |n, bytes: &[u8]| matches!(parse("n1", n, bytes), Err(FrameError::Garbled { .. }));
        assert!(garbled(3, FRAME));
        assert!(garbled(1, b"=n1= 1\n0 3 1\nx=n1=.\n"));
        assert!(garbled(1, b"=n1= 1\nQ 3 1 0\nx=n1=.\n"));
        assert!(garbled(1, b"=n1= 1\n0 3 1 0\nxyz=n1=.\n"));
        let reason = "no /dev/null".to_owned();
        let none = parse("n1", 1, b"=n1= - no /dev/null\n");
        assert_eq!(none, Err(FrameError::NoRoom { reason }));
    }

    #[test]
    fn statuses_of_all_shells() {
        let status = |text: &str| {
            let frame = format!("=n= 1\n{text} 0 0 3\nwhy=n=.\n");
            parse("n", 1, frame.as_bytes()).expect("whole").remove(0).status
        };
        assert_eq!(status("137").signal(), Some(9));
        assert_eq!(status("265"), Status::Exit(137));
        assert_eq!(status("3").signal(), None);
        assert_eq!(status("V"), Status::NoOverlay("why".to_owned()));
        assert_eq!(status("F"), Status::NoRoom);
    }
}
