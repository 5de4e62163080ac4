//! Words for people: wrapping, counting, beginnings of sentences.

/// `1 change`, `2 changes`.
pub(super) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Words in lines of at most `width` characters; longer words stand alone. A line that begins with four blanks is a command
/// to paste, and stays whole.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut out = Vec::new();
    for para in text.lines() {
        if para.starts_with("    ") {
            out.push(para.trim_end().to_owned());
            continue;
        }
        let mut line = String::new();
        for word in para.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                out.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        out.push(line);
    }
    if out.is_empty() {
        out.push(String::new());
    }
    out
}

/// The text in lines of at most `width` characters, as it is: a line ends at a single blank between words, and nowhere else.
#[must_use]
pub fn fold(text: &str, width: usize) -> Vec<String> {
    let mut out = Vec::new();
    let mut line = String::new();
    for (n, word) in text.split(' ').enumerate() {
        let inside = line.is_empty() || line.ends_with(' ') || word.is_empty();
        if n > 0 && !inside && line.chars().count() + 1 + word.chars().count() > width {
            out.push(std::mem::take(&mut line));
        } else if n > 0 {
            line.push(' ');
        }
        line.push_str(word);
    }
    out.push(line);
    out
}

/// A diff, in colour as git and diff(1) have it, or as it is.
#[must_use]
pub fn diff(text: &str, colour: bool) -> String {
    let inked = |l: &str| {
        let ink = match l.as_bytes().first() {
            Some(b'+') => "32",
            Some(b'-') => "31",
            Some(b'@') => "36",
            _ => return l.to_owned(),
        };
        format!("\x1b[{ink}m{l}\x1b[0m")
    };
    if colour { text.lines().map(|l| inked(l) + "\n").collect() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_wrap_and_nothing_is_lost() {
        let w = wrap("one two three", 7);
        assert_eq!(w, ["one two", "three"]);
        assert_eq!(wrap("averyveryverylongword x", 5), ["averyveryverylongword", "x"]);
        let command = "    sudo runbook apply x -e 'a=b  c'";
        assert_eq!(wrap(&format!("one two:\n{command}"), 5), ["one", "two:", command]);
    }

    #[test]
    fn a_command_is_folded_and_not_altered() {
        let command = "nft insert rule  inet filter input tcp dport 22 accept comment 'a  b'";
        for width in 5..80 {
            let lines = fold(command, width);
            assert_eq!(lines.join(" "), command, "{width}");
        }
        assert_eq!(fold("one two three", 7), ["one two", "three"]);
    }
}
