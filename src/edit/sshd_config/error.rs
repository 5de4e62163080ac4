//! Why an edit of sshd_config is refused.

/// An edit that cannot be made.
#[allow(missing_docs, reason = "each field is in the message above it")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not in our table.
    #[error("sshd has no keyword `{keyword}`")]
    Unknown { keyword: String, near: Option<&'static str> },
    /// `Match`, `Include`, or what sshd throws away.
    #[error("`{keyword}` {why}")]
    NotSettable { keyword: &'static str, why: &'static str },
    /// sshd would refuse it, or it cannot be written on one line.
    #[error("`{keyword} {value}`: {why}")]
    Value { keyword: &'static str, value: String, why: String },
    /// No value, or several of a keyword that has one.
    #[error("`{keyword}` takes {wanted}, and {given} are given")]
    HowMany { keyword: &'static str, wanted: &'static str, given: usize },
    /// `add` of a keyword that has one value.
    #[error("`{keyword}` has one value, to which none can be added")]
    OneValue { keyword: &'static str },
    /// The main file is not among the files.
    #[error("{file} is not there")]
    NoFile { file: String },
    /// A file includes itself, or files are included more than 16 deep; sshd refuses such a tree.
    #[error("the Includes go round in a circle")]
    Endless,
    /// sshd joins the lines around a NUL, so that its line numbers are others.
    #[error("{file} has a NUL byte")]
    Nul { file: String },
}

impl Error {
    /// What to do about it, in one sentence.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown { near: Some(near), .. } => format!("did you mean {near}?"),
            Self::Unknown { .. } => "sshd_config(5) lists the keywords".to_owned(),
            Self::NotSettable { .. } => "edit the lines with `edit`".to_owned(),
            Self::Value { .. } => {
                "write the value as it would stand in sshd_config, in quotes if it has blanks".to_owned()
            }
            Self::HowMany { .. } => "`unset` takes a keyword away".to_owned(),
            Self::OneValue { .. } => "use `set`".to_owned(),
            Self::NoFile { .. } => "give the path of the file that sshd reads".to_owned(),
            Self::Endless => "take out the Include that leads back".to_owned(),
            Self::Nul { .. } => "remove the NUL byte first: it is no text file".to_owned(),
        }
    }
}
