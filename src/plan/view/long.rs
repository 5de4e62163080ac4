//! Files that are too long for one answer.

use super::{View, whole};
use crate::module::Halt;
use crate::target::About;
use crate::target::files;
use crate::target::frame::Answer;

/// Pieces of a long file that are asked for in one round trip.
const PIECES: usize = 16;

impl View<'_> {
    /// The answer of a look at a file that is too long for one answer: it is asked for in pieces.
    pub(super) fn long_file(&self, path: &str, first: &Answer) -> Result<Vec<u8>, Halt> {
        let a = whole(self.fragment(About::Named(format!("length of {path}")), files::size_script(path))?)?;
        let said = String::from_utf8_lossy(&a.stdout).into_owned();
        let (size, sum) = said.split_once('\n').unwrap_or((&said, ""));
        let size: u64 = size.parse().map_err(|_| Halt::unknown(format!("{path}: its length is not known")))?;
        if size > files::MOST {
            let why = format!("{path} is {} MB long, and at most {} MB are read", size >> 20, files::MOST >> 20);
            return Err(Halt::Unknown { why, hint: Some("change it with a command: sed -i".into()) });
        }
        // The lines in front of the text are those of the look itself.
        let head = first.stdout.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(1).map_or(0, |(at, _)| at + 1);
        let mut out = first.stdout.get(..head).unwrap_or_default().to_vec();
        let mut pending = 0;
        for piece in 0..size.div_ceil(files::PIECE) {
            let name = About::Named(format!("piece {piece} of {path}"));
            match self.fragment(name, files::piece_script(path, piece)) {
                Ok(a) => out.extend_from_slice(&a.stdout),
                Err(Halt::Pending) if pending < PIECES => pending += 1,
                Err(halt) => return Err(halt),
            }
        }
        if pending > 0 {
            return Err(Halt::Pending);
        }
        let text = out.get(head..).unwrap_or_default();
        if [files::sha256(text), files::cksum(text)].iter().all(|d| d != sum.trim()) {
            return Err(Halt::unknown(format!("{path} was changed while it was read")));
        }
        Ok(out)
    }
}
