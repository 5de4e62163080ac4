//! `console:COMMAND` — any command that gives a terminal: `virsh console web1`, `ipmitool … sol activate`, `telnet`.

use super::console::{Console, Opened};
use super::process::spawn_pty;
use super::{Channel, ChannelError, Login};

#[allow(clippy::unnecessary_wraps)] // A line of SCHEMES.
pub(super) fn open(command: &str, login: &Login) -> Result<Box<dyn Channel>, ChannelError> {
    let command = command.to_owned();
    let dial = move || {
        let spawned = spawn_pty(&command).map(|(io, end)| Opened { io: Box::new(io), end: Some(end) });
        Box::pin(async { spawned }) as super::Pending<'static, _>
    };
    Ok(Box::new(Console::new(Box::new(dial), login)))
}
