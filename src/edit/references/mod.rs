//! What the lines of configurations name: files, programs, users, groups and modules that have to exist.
//!
//! A parser for each kind of configuration gives [`Reference`]s; whether each named thing exists is asked by
//! [`crate::plan::View::existence`], and [`crate::module::references`] holds the two together.

mod nsswitch;
mod pam;
mod sshd;
mod sudoers;
mod unit;

pub use nsswitch::nsswitch_references;
pub use pam::{PamLine, pam_lines, pam_references};
pub use sshd::sshd_references;
pub use sudoers::sudoers_references;
pub use unit::unit_references;

/// What sort of thing a line names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NamedKind {
    /// A file of any kind at an absolute path.
    File,
    /// A directory at an absolute path.
    Directory,
    /// A program: an absolute path, or a name that is searched for in PATH.
    Program,
    /// A user: a name or a number.
    User,
    /// A group: a name or a number.
    Group,
    /// A module of PAM: an absolute path, or a name in the directories of pam.d(5).
    PamModule,
    /// A source of nsswitch.conf(5): `libnss_NAME.so.2`.
    NssModule,
    /// A block device of fstab(5): a path, or `UUID=`, `LABEL=`, `PARTUUID=`, `PARTLABEL=`.
    Device,
}

impl NamedKind {
    /// The word for it in the script that asks, and in fixtures.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Program => "program",
            Self::User => "user",
            Self::Group => "group",
            Self::PamModule => "pam",
            Self::NssModule => "nss",
            Self::Device => "device",
        }
    }

    /// The kind of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        use NamedKind::{Device, Directory, File, Group, NssModule, PamModule, Program, User};
        let all = [File, Directory, Program, User, Group, PamModule, NssModule, Device];
        all.into_iter().find(|k| k.word() == word)
    }

    /// What a person calls it, with its name.
    #[must_use]
    pub fn title(self, name: &str) -> String {
        match self {
            Self::File | Self::Directory => name.to_owned(),
            Self::Program => format!("the program {name}"),
            Self::User => format!("the user {name}"),
            Self::Group => format!("the group {name}"),
            Self::PamModule => format!("the PAM module {name}"),
            Self::NssModule => format!("the name service module {name} (libnss_{name}.so.2)"),
            Self::Device => format!("the device {name}"),
        }
    }
}

/// A line of a configuration that names something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The file with the line.
    pub file: String,
    /// Its number, counted from 1.
    pub line: usize,
    /// The line, without blanks around it.
    pub text: String,
    /// What sort of thing it names.
    pub kind: NamedKind,
    /// Its name or absolute path.
    pub name: String,
    /// The word of the line that names it, such as `RevokedKeys`, `account` or `ExecStart`.
    pub keyword: String,
}

impl Reference {
    /// `/etc/ssh/sshd_config:3 says "RevokedKeys /etc/ssh/revoked"`, for messages.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{} says \"{}\"", self.file, self.line, self.text.trim())
    }
}

/// Whether a word can be the name of a user or a group, and no pattern, number or other form.
fn is_account_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "._-@".contains(c))
}
