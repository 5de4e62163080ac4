//! Kleene's logic of three values.

/// Yes, no, or not to be known from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    /// It does not hold.
    No,
    /// It depends on what is not known.
    Maybe,
    /// It holds.
    Yes,
}

impl Truth {
    /// Both hold.
    pub fn and(self, other: impl FnOnce() -> Truth) -> Truth {
        if self == Truth::No { self } else { self.min(other()) }
    }
    pub(super) fn or(self, other: impl FnOnce() -> Truth) -> Truth {
        if self == Truth::Yes { self } else { self.max(other()) }
    }
    /// One of them holds.
    pub fn any(all: impl IntoIterator<Item = Truth>) -> Truth {
        let mut out = Truth::No;
        for one in all {
            out = out.or(|| one);
            if out == Truth::Yes {
                break;
            }
        }
        out
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Truth::Yes } else { Truth::No }
    }
}

impl std::ops::Not for Truth {
    type Output = Truth;
    fn not(self) -> Truth {
        match self {
            Truth::No => Truth::Yes,
            Truth::Maybe => Truth::Maybe,
            Truth::Yes => Truth::No,
        }
    }
}
