//! Files that name other files: a main file and all that its include lines reach, in one look.

use std::collections::BTreeMap;

use crate::payload::sh_quote;
use crate::target::files::{FileReading, parse_look};

/// How a family of configuration files includes others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Including {
    /// The word of an include line, in lower case; it is matched in any case.
    pub word: &'static str,
    /// Where a relative name begins.
    pub base: &'static str,
}

/// sshd_config(5), Include: "relative paths are assumed to be in /etc/ssh".
pub const SSHD: Including = Including { word: "include", base: "/etc/ssh" };

/// The fragment that brings every file, each framed; read by [`parse_tree`].
#[must_use]
pub fn tree_script(main: &str, how: Including) -> Option<String> {
    script("rb_framed", main, how)
}

/// The fragment that brings only the lines that match `pattern` (an extended regular expression, in any case), as
/// [`parse_lines`] reads them: a tenth of the bytes, for a slow line.
#[must_use]
pub fn lines_script(main: &str, how: Including, pattern: &str) -> Option<String> {
    Some(format!("rb_k={}; {}", sh_quote(pattern)?, script("rb_matching", main, how)?))
}

/// The fragment that brings the lines of every file in /etc/pam.d that a service comes to (pam.d(5): `@include`, `include` and
/// `substack`), as [`parse_lines`] reads them.
#[must_use]
pub fn pam_script(service: &str) -> Option<String> {
    Some(format!("rb_pam_seen=' '; rb_pam {}", sh_quote(service).filter(|_| !service.contains('\n'))?))
}

/// The fragment that brings the lines of these patterns' files; a pattern is expanded by sh.
#[must_use]
pub fn pattern_script(patterns: &[&str]) -> String {
    let all: String = patterns.iter().map(|p| format!(" \"$R\"{p}")).collect();
    format!(
        "for rb_f in{all}; do [ -f \"$rb_f\" ] || continue; rb_real \"${{rb_f#\"$R\"}}\"; echo \"= ${{rb_f#\"$R\"}}\"; grep -na . \"$R$REPLY\" || :; done"
    )
}

fn script(each: &str, main: &str, how: Including) -> Option<String> {
    if main.contains('\n') {
        return None;
    }
    // busybox's sed has no flag for any case.
    let word: String = how.word.chars().map(|c| format!("[{}{c}]", c.to_ascii_uppercase())).collect();
    Some(format!("rb_included {each} {} {} {}", sh_quote(&word)?, sh_quote(how.base)?, sh_quote(main)?))
}

/// Frames of a line `LENGTH PATH`, then that many bytes: the answer of a look.
///
/// # Errors
/// A frame that is cut short: the file changed while it was read.
pub fn parse_tree(mut out: &[u8]) -> Result<Vec<(String, FileReading)>, String> {
    let mut all = Vec::new();
    while !out.is_empty() {
        let end = out.iter().position(|b| *b == b'\n').ok_or("a frame without a head")?;
        let head = String::from_utf8_lossy(&out[..end]).into_owned();
        let (length, path) = head.split_once(' ').ok_or("a frame without a path")?;
        let length: usize = length.trim().parse().map_err(|_| "a frame without a length")?;
        let body = out.get(end + 1..end + 1 + length).ok_or_else(|| format!("{path} changed while it was read"))?;
        all.push((path.to_owned(), parse_look(body)?));
        out = &out[end + 1 + length..];
    }
    Ok(all)
}

/// `= PATH` and then `N:TEXT` for every line that matched: each file as a text in which every other line is empty, so
/// that line numbers hold.
#[must_use]
pub fn parse_lines(out: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    for line in out.split(|b| *b == b'\n') {
        if let Some(path) = line.strip_prefix(b"= ") {
            all.push((String::from_utf8_lossy(path).into_owned(), Vec::new()));
            continue;
        }
        let colon = line.iter().position(|b| *b == b':');
        let number = colon.and_then(|at| std::str::from_utf8(&line[..at]).ok()?.parse::<usize>().ok());
        let (Some((_, text)), Some(at), Some(number)) = (all.last_mut(), colon, number) else { continue };
        // A file of a million lines with one word on the last is no configuration.
        let have = text.iter().filter(|b| **b == b'\n').count();
        text.extend(std::iter::repeat_n(b'\n', number.saturating_sub(1 + have).min(100_000)));
        text.extend_from_slice(&line[at + 1..]);
        text.push(b'\n');
    }
    all.into_iter().collect()
}

/// `rb_included EACH WORD BASE MAIN` calls EACH with every file that MAIN reaches by lines that begin with WORD (a
/// pattern of sed), itself first; a file that several lines reach, once. A line's names are parted by blanks, may be quoted,
/// and may be patterns, as sh expands them: more names than the program means do no harm. More than 1000 files are an error.
pub const FUNCTIONS: &[(&str, &str)] = &[
    (
        "rb_framed",
        r#"rb_framed() { printf '%s %s\n' $(rb_look f "$1" | wc -c) "$1"; rb_look f "$1"; }
"#,
    ),
    (
        "rb_pam",
        r#"rb_pam() {
case $1 in /*) rb_real "$1";; *) rb_real "/etc/pam.d/$1"; set -- "/etc/pam.d/$1";; esac
case $rb_pam_seen in *" $1 "*) return 0;; esac; rb_pam_seen="$rb_pam_seen$1 "
[ -f "$R$REPLY" ] || return 0
echo "= $1"; grep -naE '^[[:space:]]*[^#[:space:]]' "$R$REPLY" || :
for rb_g in $(sed -n 's/^[[:space:]]*@include[[:space:]]*\([^[:space:]#]*\).*/\1/p; s/^[[:space:]]*-*[a-z]*[[:space:]]*\(include\|substack\)[[:space:]]*\([^[:space:]#]*\).*/\2/p' "$R$REPLY"); do rb_pam "$rb_g"; done; }
"#,
    ),
    (
        "rb_matching",
        r#"rb_matching() { rb_real "$1"; [ -f "$R$REPLY" ] || return 0; printf '= %s\n' "$1"; grep -naiE -e "$rb_k" "$R$REPLY" || :; }
"#,
    ),
    (
        "rb_included",
        r#"rb_included() {
rb_z='
' rb_todo=$4$rb_z rb_seen=$rb_z rb_i=0
while [ -n "$rb_todo" ]; do
rb_f=${rb_todo%%"$rb_z"*} rb_todo=${rb_todo#*"$rb_z"}
case $rb_seen in *"$rb_z$rb_f$rb_z"*) continue;; esac
rb_seen=$rb_seen$rb_f$rb_z rb_i=$((rb_i+1)); [ $rb_i -le 1000 ] || { echo 'more than 1000 files are included' >&2; return 1; }
"$1" "$rb_f"
rb_real "$rb_f"; [ -f "$R$REPLY" ] && [ -r "$R$REPLY" ] || continue
rb_s=$IFS IFS=$rb_z; set -f
for rb_j in $(sed -n "s/^[[:space:]]*\"*$2\"*[[:space:]=]\{1,\}//p" "$R$REPLY" | tr -d '\r' | rb_words); do
set +f
case $rb_j in /*) ;; *) rb_j=$3/$rb_j;; esac
if [ -z "$R" ]; then for rb_g in $rb_j; do [ -e "$rb_g" ] || [ -L "$rb_g" ] || continue; rb_todo=$rb_todo$rb_g$rb_z; done
else rb_y=${rb_j%%[*?[]*}; rb_y=${rb_y%/*}; rb_j=${rb_j#"$rb_y"}; rb_real "$rb_y/."; rb_h=$R$REPLY
for rb_g in "$rb_h"$rb_j; do [ -e "$rb_g" ] || [ -L "$rb_g" ] || continue; rb_todo=$rb_todo$rb_y${rb_g#"$rb_h"}$rb_z; done; fi
done; set +f; IFS=$rb_s
done; }
"#,
    ),
    (
        "rb_words",
        r#"rb_words() { awk '{ s = $0; while (1) { sub(/^[ \t]+/, "", s); if (s == "" || s ~ /^#/) break
q = substr(s, 1, 1); if (q == "\"" || q == "\047") { s = substr(s, 2); n = index(s, q); if (!n) n = length(s) + 1; print substr(s, 1, n - 1); s = substr(s, n + 1) }
else { n = match(s, /[ \t]/); if (!n) n = length(s) + 1; print substr(s, 1, n - 1); s = substr(s, n) } } }'; }
"#,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_hold_any_bytes() {
        let look = b"regular file|644|0|0|root|root|1|w\n/etc/a\nPort 22\n7 x";
        let mut out = format!("{} /etc/a\n", look.len()).into_bytes();
        out.extend_from_slice(look);
        let cut = out.len() - 1;
        let all = parse_tree(&out).unwrap();
        assert_eq!((all[0].0.as_str(), all[0].1.state.bytes()), ("/etc/a", Some(&b"Port 22\n7 x"[..])));
        assert!(parse_tree(&out[..cut]).is_err());
    }

    #[test]
    fn lines_keep_their_numbers() {
        let all = parse_lines(b"= /etc/a\n3:Port 22\n= /etc/b\n1:Include x\n2:Port 23\n");
        assert_eq!(all["/etc/a"], b"\n\nPort 22\n");
        assert_eq!(all["/etc/b"], b"Include x\nPort 23\n");
    }
}
