//! fstab(5): its lines, and edits of one of them.
//!
//! Source: fstab(5); `mnt_parse_table_line` of libmount, which skips a line that it cannot read, and says so.

mod words;

pub use words::{lacks_a_field, lacks_options, meant_type, misspelt_option};

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
    /// How many fields it has, of the six of fstab(5); from three on the rest has defaults.
    pub fields: usize,
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
    let fields = 3 + rest.len().min(3);
    let options = rest.first().map_or("defaults", |o| o).split(',').map(str::to_owned).collect();
    Some(Ok(Entry { line, spec: decoded(first), file: decoded(file), kind: (*kind).to_owned(), options, fields }))
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

/// With another word in place of an option of that line.
#[must_use]
pub fn replace_option(bytes: &[u8], line: usize, old: &str, new: &str) -> Vec<u8> {
    changed(bytes, line, |text| {
        let text = String::from_utf8_lossy(text).into_owned();
        let Some((start, end)) = field(&text, 3) else { return text.into_bytes() };
        let options: Vec<&str> = text[start..end].split(',').map(|o| if o == old { new } else { o }).collect();
        format!("{}{}{}", &text[..start], options.join(","), &text[end..]).into_bytes()
    })
}

/// With `defaults` in front of the fourth field of that line.
#[must_use]
pub fn insert_options(bytes: &[u8], line: usize) -> Vec<u8> {
    changed(bytes, line, |text| {
        let text = String::from_utf8_lossy(text).into_owned();
        let Some((start, _)) = field(&text, 3) else { return text.into_bytes() };
        format!("{}defaults {}", &text[..start], &text[start..]).into_bytes()
    })
}

/// Where a field (from 0) begins and ends.
fn field(text: &str, n: usize) -> Option<(usize, usize)> {
    let word = text.split([' ', '\t']).filter(|w| !w.is_empty()).nth(n)?;
    let start = word.as_ptr() as usize - text.as_ptr() as usize;
    Some((start, start + word.len()))
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
        assert_eq!(
            text(replace_option(b"a b  c\tx,defualts,y 0 0\n", 1, "defualts", "defaults")),
            "a b  c\tx,defaults,y 0 0\n"
        );
        assert_eq!(text(insert_options(b"# x\na b\tc  0 2\n", 2)), "# x\na b\tc  defaults 0 2\n");
    }
}
