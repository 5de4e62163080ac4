//! Why an editor refuses.

/// An edit that cannot be made. Lines are counted from 1.
#[allow(missing_docs, reason = "each field is in the message above it")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// A regular expression that does not compile.
    #[error("bad regular expression `{pattern}`: {problem}")]
    Pattern { pattern: String, problem: String },
    /// `with` names a group that the expression does not have (the regex crate would put in nothing).
    #[error("the replacement uses `${group}`, and the expression has no such group")]
    Group { group: String },
    /// The replacement matches in its own result; `line` counts in that result.
    #[error("the replacement would change its own result again, at line {line}")]
    NotIdempotent { line: usize },
    /// A parameter that cannot be written on one line, or would be read back as something else.
    #[error("{what} {problem}")]
    Text { what: &'static str, problem: &'static str },
    /// `# BEGIN runbook: NAME` and nothing that ends it.
    #[error("line {line}: block `{name}` begins here and has no end")]
    NoEnd { name: String, line: usize },
    /// `# END runbook: NAME` and nothing that began it.
    #[error("line {line}: block `{name}` ends here and has no beginning")]
    NoBegin { name: String, line: usize },
    /// A second `# BEGIN runbook: NAME`.
    #[error("line {line}: block `{name}` begins here, and already at line {first}")]
    TwoBegins { name: String, first: usize, line: usize },
    /// One key to be set twice, or set and unset.
    #[error("key `{key}` is given twice")]
    TwiceGiven { key: String },
    /// The last entry of an ini file is continued by a backslash, and nothing follows.
    #[error("line {line}: the value is continued by a backslash, and the file ends")]
    Unfinished { line: usize },
    /// The dialects that an ini file may be of do not agree on what the edit is.
    #[error(
        "line {line}: programs that read such files read this differently: where a value ends, or whether the case of a key counts"
    )]
    Dialect { line: usize },
    /// Another key of an ini file would be read otherwise.
    #[error("line {line}: this would be read as something else after the edit")]
    Misread { line: usize },
}

impl EditError {
    /// The line of the file that the error is about, from 1.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::NotIdempotent { line }
            | Self::NoEnd { line, .. }
            | Self::NoBegin { line, .. }
            | Self::TwoBegins { line, .. }
            | Self::Dialect { line }
            | Self::Misread { line }
            | Self::Unfinished { line } => Some(*line),
            Self::Pattern { .. } | Self::Group { .. } | Self::Text { .. } | Self::TwiceGiven { .. } => None,
        }
    }

    /// What to do about it, in one sentence.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Pattern { .. } => "look-around and back-references do not exist; non-ASCII in [...] needs (?u)",
            Self::Group { .. } => "write `${1}_x` for group 1 followed by _x, and `$$` for a dollar sign",
            Self::NotIdempotent { .. } => "anchor the expression (^ and $) so that it does not match what it writes",
            Self::Text { .. } => "give it as plain text on one line; several lines are a `block`",
            Self::NoEnd { .. } | Self::NoBegin { .. } | Self::TwoBegins { .. } => {
                "someone edited the marker lines: restore the missing one, or delete the stray one"
            }
            Self::TwiceGiven { .. } => "keep one of them",
            Self::Unfinished { .. } => "remove the backslash, or complete the value",
            Self::Dialect { .. } => "say whose file it is: `dialect`: systemd, configparser, git, samba or keyfile",
            Self::Misread { .. } => "give the lines around it one indentation, or say whose file it is: `dialect`",
        }
    }
}
