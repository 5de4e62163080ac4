//! A stream of lines with a few below it that are drawn anew: what is at work right now.

use std::io::Write;

/// Where a report goes.
pub(super) struct Screen<W: Write> {
    out: W,
    /// A terminal: lines may be drawn over.
    live: bool,
    drawn: usize,
    width: usize,
    height: usize,
}

impl<W: Write> Screen<W> {
    /// `size`: columns and rows of the terminal; `None`: it is none, and only whole lines are written.
    pub(super) fn new(out: W, size: Option<(u16, u16)>) -> Self {
        let (width, height) = size.map_or((80, 24), |(w, h)| (usize::from(w), usize::from(h)));
        Self { out, live: size.is_some(), drawn: 0, width: width.max(2), height }
    }

    pub(super) fn live(&self) -> bool {
        self.live
    }

    /// Lines that stay. What was drawn is gone.
    pub(super) fn print(&mut self, text: &str) {
        self.wipe();
        crate::report::terminal::put(&mut self.out, text, self.live);
    }

    /// Draws these below all else; as many as leave room for what stays. No line is wider than the terminal.
    pub(super) fn draw(&mut self, lines: &[String]) {
        if !self.live {
            return;
        }
        let room = (self.height / 2).clamp(1, 20);
        let (shown, hidden) = if lines.len() > room { (room - 1, lines.len() + 1 - room) } else { (lines.len(), 0) };
        let more = (hidden > 0).then(|| format!("  … and {hidden} more at work"));
        let mut text = self.up();
        self.drawn = 0;
        for line in lines[..shown].iter().chain(&more) {
            let cut: String = line.chars().take(self.width - 1).collect();
            text.push_str(&cut);
            text.push('\n');
            self.drawn += 1;
        }
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    /// Takes away what was drawn.
    pub(super) fn wipe(&mut self) {
        let up = self.up();
        self.drawn = 0;
        let _ = self.out.write_all(up.as_bytes()).and_then(|()| self.out.flush());
    }

    /// To the first line that was drawn, and clear from there (ECMA-48: CUU, ED).
    fn up(&self) -> String {
        if self.drawn == 0 { String::new() } else { format!("\x1b[{}A\x1b[J", self.drawn) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(size: Option<(u16, u16)>, count: usize) -> String {
        let mut out = Vec::new();
        let mut s = Screen::new(&mut out, size);
        let lines: Vec<String> = (1..=count).map(|n| format!("host{n} is at work")).collect();
        s.draw(&lines);
        s.print("done\n");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_a_terminal_is_drawn_on() {
        assert_eq!(drawn(None, 3), "done\n");
        assert_eq!(drawn(Some((10, 24)), 2), "host1 is \nhost2 is \n\x1b[2A\x1b[Jdone\n");
        assert_eq!(drawn(Some((80, 4)), 3), "host1 is at work\n  … and 2 more at work\n\x1b[2A\x1b[Jdone\n");
        assert_eq!(drawn(Some((80, 24)), 0), "done\n");
    }
}
