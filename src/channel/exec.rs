//! `exec:COMMAND` — any command that gives an `sh` on its stdin: `docker exec -i web sh`, `lxc-attach`, `nsenter`.

use std::time::Duration;

use super::{Caps, Channel, ChannelError, Output, Pending, run_program};

/// The command, run by the controller's own `sh`, so that it may be written as in a terminal.
pub struct Exec {
    command: String,
}

impl Exec {
    pub(super) fn open(command: &str) -> Result<Box<dyn Channel>, ChannelError> {
        Ok(Box::new(Self { command: command.to_owned() }))
    }
}

impl Channel for Exec {
    fn caps(&self) -> Caps {
        Caps::PIPES
    }
    fn exec<'a>(&'a self, script: &'a [u8], deadline: Duration) -> Pending<'a, Result<Output, ChannelError>> {
        Box::pin(async move { run_program(&["sh", "-c", &self.command], script, deadline).await })
    }
}
