//! Many targets in one run: what happens on each, and what is said of all of them.

mod alike;
mod human;
mod machine;
mod screen;
mod table;
mod view;

pub use human::HumanFleet;
pub use machine::{JsonFleet, JsonLinesFleet};

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use super::Event;
use crate::book::Runbook;

/// What concerns more than one target, or a target's place among the others. Targets are numbers, in the run's order.
pub enum Many<'a> {
    /// The run begins.
    Started {
        /// The runbook.
        book: &'a Runbook,
        /// The targets' names.
        names: &'a [String],
    },
    /// The plans of these are complete, or they are finished before anything was begun: to be shown.
    Plans {
        /// Which.
        targets: &'a [usize],
    },
    /// The last of what was shown is to be shown again.
    Again,
    /// The order in which changes are made: batch after batch.
    Order {
        /// The batches.
        batches: &'a [Vec<usize>],
        /// The first target goes alone, for the change could lock somebody out.
        alone: bool,
    },
    /// A person is asked now: nothing may be drawn until the next event.
    Asking,
    /// Nobody is there to ask about the changes of that many targets.
    Nobody {
        /// How many.
        count: usize,
    },
    /// Changes are now made on it.
    Begun {
        /// Which.
        target: usize,
    },
    /// It is not begun, though its changes were agreed to.
    NotBegun {
        /// Which.
        target: usize,
        /// Why.
        why: &'a str,
    },
    /// A person said no to its changes.
    Declined {
        /// Which.
        target: usize,
    },
    /// All are finished.
    Finished {
        /// The worst exit code.
        exit: u8,
        /// How long it took.
        seconds: f64,
    },
}

/// Takes the events of many targets.
pub trait Crowd {
    /// Something happened on one of them.
    fn event(&mut self, target: usize, e: &Event<'_>);
    /// Something concerns more than one.
    fn many(&mut self, e: &Many<'_>);
    /// Whether lines of progress want to be drawn anew now and then.
    fn lively(&self) -> bool {
        false
    }
    /// Draws them.
    fn tick(&mut self) {}
}

/// A buffer that is written by a report of one target and emptied by that of all.
#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Shared {
    /// What was written since the last time.
    fn take(&self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut *self.0.borrow_mut())).into_owned()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
