//! fstab(5): its lines, and edits of one of them.
//!
//! Source: fstab(5); `mnt_parse_table_line` of libmount, which skips a line that it cannot read, and says so.

use super::lines;

/// A line that mounts something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Counted from 1.
    pub line: usize,
    /// The device, `UUID=…`, `host:/path`, `none` …
    pub spec: String,
    /// Where; `none` for swap.
    pub file: String,
    /// The type of the file system.
    pub kind: String,
    /// Its options.
    pub options: Vec<String>,
}

impl Entry {
    /// Whether an option is there, with a value or without.
    #[must_use]
    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|o| o == option || o.strip_prefix(option).is_some_and(|r| r.starts_with('=')))
    }
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    /// Counted from 1.
    pub line: usize,
    /// Why.
    pub why: &'static str,
}

/// All lines, in order.
#[must_use]
pub fn read(bytes: &[u8]) -> Vec<Result<Entry, Bad>> {
    let all = lines::split(bytes);
    all.iter().enumerate().filter_map(|(n, l)| entry(n + 1, &String::from_utf8_lossy(l.text))).collect()
}

fn entry(line: usize, text: &str) -> Option<Result<Entry, Bad>> {
    let words: Vec<&str> = text.split([' ', '\t']).filter(|w| !w.is_empty()).collect();
    let first = words.first().filter(|w| !w.starts_with('#'))?;
    let bad = |why| Some(Err(Bad { line, why }));
    let [_, file, kind, rest @ ..] = &words[..] else {
        return bad("it has no three fields: what, where, and the type of the file system");
    };
    // A comment may follow what is there.
    let rest: Vec<&&str> = rest.iter().take_while(|w| !w.starts_with('#')).collect();
    if !file.starts_with('/') && *file != "none" && *file != "swap" {
        return bad("its second field is no mount point");
    }
    if rest.iter().skip(1).take(2).any(|w| w.parse::<u32>().is_err()) {
        return bad("its fifth and sixth field are to be numbers (is there a blank within the options?)");
    }
    let options = rest.first().map_or("defaults", |o| o).split(',').map(str::to_owned).collect();
    Some(Ok(Entry { line, spec: decoded(first), file: decoded(file), kind: (*kind).to_owned(), options }))
}

/// `\040` is a blank.
fn decoded(word: &str) -> String {
    ["\\040", "\\011", "\\012", "\\134"]
        .iter()
        .zip([" ", "\t", "\n", "\\"])
        .fold(word.to_owned(), |w, (a, b)| w.replace(a, b))
}

/// With a `#` in front of that line.
#[must_use]
pub fn comment_out(bytes: &[u8], line: usize) -> Vec<u8> {
    changed(bytes, line, |text| [b"#", text].concat())
}

/// With one more option on that line.
#[must_use]
pub fn with_option(bytes: &[u8], line: usize, option: &str) -> Vec<u8> {
    changed(bytes, line, |text| {
        let text = String::from_utf8_lossy(text).into_owned();
        let mut ends = Vec::new();
        let mut within = false;
        for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
            let blank = c == ' ' || c == '\t';
            if within && blank {
                ends.push(at);
            }
            within = !blank;
        }
        match (ends.get(3), ends.get(2)) {
            (Some(end), Some(start)) if !text[*start..].trim_start().starts_with('#') => {
                format!("{},{option}{}", &text[..*end], &text[*end..]).into_bytes()
            }
            (_, Some(end)) => format!("{} defaults,{option}{}", &text[..*end], &text[*end..]).into_bytes(),
            _ => text.into_bytes(),
        }
    })
}

fn changed(bytes: &[u8], line: usize, to: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 8);
    let mut rest = bytes;
    let mut n = 0;
    while !rest.is_empty() {
        let end = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |at| at + 1);
        let (whole, after) = rest.split_at(end);
        let text = whole.strip_suffix(b"\n").unwrap_or(whole);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        n += 1;
        if n == line {
            out.extend(to(text));
            out.extend_from_slice(&whole[text.len()..]);
        } else {
            out.extend_from_slice(whole);
        }
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# what where\nUUID=1 / ext4 errors=remount-ro 0 1\n\n/dev/vdb1\t/my\\040disk  xfs\n/dev/vdc1 /c ext4 defaults, noatime 0 2\nhalf a\nx y z\nswapfile none swap sw # swap\n";

    #[test]
    fn lines_are_read() {
        let all = read(TABLE.as_bytes());
        let good: Vec<&Entry> = all.iter().flatten().collect();
        assert_eq!(
            good.iter().map(|e| (e.line, e.file.as_str())).collect::<Vec<_>>(),
            [(2, "/"), (4, "/my disk"), (8, "none")]
        );
        assert!(good[0].has("errors") && good[1].options == ["defaults"] && good[2].options == ["sw"]);
        let bad: Vec<usize> = all.iter().filter_map(|e| Some(e.as_ref().err()?.line)).collect();
        assert_eq!(bad, [5, 6, 7]);
    }

    #[test]
    fn one_line_is_changed() {
        let text = |b: Vec<u8>| String::from_utf8(b).unwrap();
        let line = |t: &str, n: usize| t.lines().nth(n - 1).unwrap().to_owned();
        assert_eq!(
            line(&text(with_option(TABLE.as_bytes(), 2, "nofail")), 2),
            "UUID=1 / ext4 errors=remount-ro,nofail 0 1"
        );
        assert_eq!(
            line(&text(with_option(TABLE.as_bytes(), 4, "nofail")), 4),
            "/dev/vdb1\t/my\\040disk  xfs defaults,nofail"
        );
        assert_eq!(line(&text(with_option(TABLE.as_bytes(), 8, "nofail")), 8), "swapfile none swap sw,nofail # swap");
        assert_eq!(line(&text(comment_out(TABLE.as_bytes(), 6)), 6), "#half a");
        assert_eq!(text(comment_out(b"a\r\nb", 1)), "#a\r\nb");
        assert_eq!(with_option(b"a b c o\r\n", 1, "nofail"), b"a b c o,nofail\r\n");
    }
}
