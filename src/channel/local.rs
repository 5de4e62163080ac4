//! `local:` — this machine.

use std::time::Duration;

use super::{Caps, Channel, ChannelError, Output, Pending, run_program};

/// An `sh` of this machine.
pub struct Local;

impl Channel for Local {
    fn caps(&self) -> Caps {
        Caps { here: true, ..Caps::PIPES }
    }
    fn exec<'a>(&'a self, script: &'a [u8], deadline: Duration) -> Pending<'a, Result<Output, ChannelError>> {
        Box::pin(run_program(&["sh"], script, deadline))
    }
}
