//! `local:` — this machine.

use std::time::Duration;

use super::{Caps, Channel, ChannelError, Output, Pending, run_program};

/// An `sh` of this machine.
pub struct Local;

impl Channel for Local {
    fn caps(&self) -> Caps {
        Caps {
            separate_stderr: true,
            binary_safe: true,
            survives_sshd_restart: true,
            survives_network_cut: true,
            live: true,
            here: true,
        }
    }
    fn exec<'a>(&'a self, script: &'a [u8], deadline: Duration) -> Pending<'a, Result<Output, ChannelError>> {
        Box::pin(run_program(&["sh"], script, deadline))
    }
}
