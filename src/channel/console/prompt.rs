//! What a console shows: which prompt, if any, its last line is.

/// What the end of a console's output says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Nothing that is a prompt.
    Nothing,
    /// Asks for a user.
    Login,
    /// Asks for a password; at once after boot, for root's.
    Password { maintenance: bool },
    /// Asks for no more than the Enter key.
    Enter,
    /// Firmware or a boot loader: no system runs yet. Nothing is typed there.
    Boot(&'static str),
    /// A receiver of ours is there, left from a run that was killed.
    Ours,
    /// The second line of an unfinished command of a shell.
    Unfinished,
    /// A line that is not finished, as a shell's prompt is.
    Prompt,
}

/// What our receiver says to somebody who presses Enter.
pub(super) const NOTICE: &str = "runbook: a run is using this console";

/// Of the last two kilobytes.
pub(super) fn shown(recent: &str) -> Shown {
    let text = plain(recent);
    let mut lines = text.rsplit('\n');
    let last = lines.next().unwrap_or_default();
    let before: Vec<&str> = lines.map(str::trim).filter(|l| !l.is_empty()).take(3).collect();
    let tail = last.trim().to_lowercase();
    let near = |what: &str| tail.contains(what) || before.iter().any(|l| l.to_lowercase().contains(what));
    if tail.contains("for maintenance") || tail.contains("press control-d to continue") || tail.contains("press ctrl-d")
    {
        return match () {
            () if near("password") => Shown::Password { maintenance: true },
            () if near("press enter") => Shown::Enter,
            () => Shown::Nothing,
        };
    }
    if tail.contains("password") && tail.ends_with(':') {
        return Shown::Password { maintenance: false };
    }
    if ["login:", "username:", "user name:"].iter().any(|w| tail.ends_with(w)) {
        return Shown::Login;
    }
    if tail == "grub>" || tail == "grub rescue>" || text.contains("GNU GRUB") && !text.contains("login") {
        return Shown::Boot("the GRUB boot menu");
    }
    if tail == "shell>" || near("uefi interactive shell") {
        return Shown::Boot("the firmware's shell");
    }
    if tail == "=>" || near("hit any key to stop autoboot") {
        return Shown::Boot("U-Boot");
    }
    // The last line of all counts, whether finished or not.
    let line = if tail.is_empty() { before.first().copied().unwrap_or_default() } else { last.trim() };
    let lower = line.to_lowercase();
    if lower.contains("press enter to activate") || lower.contains("please press enter") {
        return Shown::Enter;
    }
    if line.contains(NOTICE) {
        return Shown::Ours;
    }
    match tail.as_str() {
        "" => Shown::Nothing,
        _ if tail.starts_with('[') && tail.contains("] ") && !tail.ends_with(['$', '#', '%', '>']) => Shown::Nothing,
        ">" | "quote>" | "dquote>" | "bquote>" | "cmdsubst>" | "heredoc>" | "?" => Shown::Unfinished,
        _ => Shown::Prompt,
    }
}

/// Whether a login was refused.
pub(super) fn refused(since: &str) -> bool {
    let lower = since.to_lowercase();
    ["incorrect", "authentication failure", "permission denied", "cannot make/remove"].iter().any(|w| lower.contains(w))
}

/// Without escape sequences; a carriage return that ends no line starts it anew.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => match chars.next() {
                Some('[') => while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
                Some(']') => while chars.next().is_some_and(|c| c != '\x07' && c != '\\') {},
                Some('(' | ')') => drop(chars.next()),
                _ => {}
            },
            '\r' => {
                while chars.next_if_eq(&'\r').is_some() {}
                if chars.peek().is_some_and(|c| *c != '\n') {
                    let keep = out.rfind('\n').map_or(0, |at| at + 1);
                    // What follows may be no more than an escape sequence.
                    if chars.clone().collect::<String>().trim().starts_with(|c: char| c != '\x1b') {
                        out.truncate(keep);
                    }
                }
            }
            '\x08' => drop(out.pop()),
            c if c < ' ' && c != '\n' && c != '\t' => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts() {
        for (text, expected) in [
            ("", Shown::Nothing),
            ("\r\n", Shown::Nothing),
            ("Debian GNU/Linux 12 web ttyS0\r\n\r\nweb login: ", Shown::Login),
            ("web login: root\r\nPassword: ", Shown::Password { maintenance: false }),
            ("[sudo] password for joe: ", Shown::Password { maintenance: false }),
            (
                "Give root password for maintenance\r\n(or press Control-D to continue): ",
                Shown::Password { maintenance: true },
            ),
            ("Press Enter for maintenance\r\n(or press Control-D to continue): ", Shown::Enter),
            ("\r\nPlease press Enter to activate this console. ", Shown::Enter),
            ("Please press Enter to activate this console.\r\n", Shown::Enter),
            ("                GNU GRUB  version 2.06\r\n | Debian |\r\n", Shown::Boot("the GRUB boot menu")),
            ("grub> ", Shown::Boot("the GRUB boot menu")),
            ("\r\nHit any key to stop autoboot:  3 ", Shown::Boot("U-Boot")),
            ("root@web:~# ", Shown::Prompt),
            ("\x1b[?2004hroot@web:~# ", Shown::Prompt),
            ("% \r \r\r\x1b[0m\x1b[27mhost% \x1b[K", Shown::Prompt),
            ("$ \r\n> ", Shown::Unfinished),
            ("[   12.345678] usb 1-1: new device\r\n", Shown::Nothing),
            ("[   12.345678] usb 1-1: new de", Shown::Nothing),
            ("[root@web ~]# ", Shown::Prompt),
            ("\r\nrunbook: a run is using this console; …\r\n", Shown::Ours),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }

    #[test]
    fn no_text_is_too_strange() {
        for text in ["\x1b", "\x1b[", "\x1b]", "\x08\x08", "\r\r\r", "é\r\x1b[é"] {
            let _ = shown(text);
        }
    }
}
