//! Packet filters: what they hold, and whether a connection gets through.
//!
//! [`nft`] reads nftables, [`iptables`] both kinds of iptables, [`ipset`] their sets, all into one [`model`];
//! [`walk`] goes through it as the kernel does, [`judge`] says what that comes to, and [`repair`] where a rule has to stand
//! that changes it. Nothing here reads or writes.

pub mod ipset;
pub mod iptables;
pub mod judge;
pub mod matching;
pub mod model;
pub mod nft;
pub mod owner;
pub mod repair;
pub mod saved;
pub mod walk;

#[cfg(test)]
mod tests;

pub use judge::{Answer, Outcome, judge};
pub use matching::{Truth, Why};
pub use model::{Backend, Family, Ruleset};
pub use owner::{Owner, owner};
pub use repair::{Insertion, Stuck, repair};
pub use walk::{End, Ending, Leg, Place, Question};

/// Both, in the order in which iptables' own tables go before what nft shows of them.
///
/// What iptables owns nft cannot show as it is (its extensions are nothing to nft), and so `tables` replace nft's of the
/// same name; a table that holds what iptables does not understand is nft's alone.
#[must_use]
pub fn join(nft: Ruleset, tables: Vec<model::Table>, ipsets: Option<Vec<model::Ipset>>) -> Ruleset {
    let own = |t: &model::Table| {
        tables.iter().any(|x| x.backend == Backend::IptablesNft && x.family == t.family && x.name == t.name)
    };
    let mut all: Vec<model::Table> = nft.tables.into_iter().filter(|t| !own(t)).collect();
    all.extend(tables);
    Ruleset { tables: all, ipsets }
}
