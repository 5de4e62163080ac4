//! What nsswitch.conf(5) names.

use super::{NamedKind, Reference};

/// The modules of each line. `keyword` is the database (`passwd`); actions in brackets are none.
#[must_use]
pub fn nsswitch_references(file: &str, bytes: &[u8]) -> Vec<Reference> {
    let mut out = Vec::new();
    for (n, raw) in String::from_utf8_lossy(bytes).lines().enumerate() {
        let text = raw.split('#').next().unwrap_or_default().trim();
        let Some((database, sources)) = text.split_once(':') else { continue };
        let mut in_action = false;
        for word in sources.split_whitespace() {
            let begins = word.starts_with('[');
            in_action |= begins;
            if !in_action {
                out.push(Reference {
                    file: file.to_owned(),
                    line: n + 1,
                    text: text.to_owned(),
                    kind: NamedKind::NssModule,
                    name: word.to_owned(),
                    keyword: database.trim().to_owned(),
                });
            }
            in_action &= !word.ends_with(']');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_no_actions() {
        let text = b"# x\npasswd:  files [!UNAVAIL = return] sss # y\nhosts: dns\n";
        let all: Vec<_> = nsswitch_references("f", text).into_iter().map(|r| (r.line, r.keyword, r.name)).collect();
        let want = [(2, "passwd", "files"), (2, "passwd", "sss"), (3, "hosts", "dns")];
        assert_eq!(all, want.map(|(n, k, s)| (n, k.to_owned(), s.to_owned())));
    }
}
