//! `unix:/path` — a console on a unix socket, as QEMU and others offer it.

use tokio::net::UnixStream;

use super::console::{Console, Opened};
use super::{Channel, ChannelError, Login, absolute};

pub(super) fn open(path: &str, login: &Login) -> Result<Box<dyn Channel>, ChannelError> {
    let path = absolute(path).map_err(|e| ChannelError::new(format!("{path}: {e}")))?;
    let dial = move || {
        let path = path.clone();
        let connect = async move {
            let stream = UnixStream::connect(&path).await;
            stream.map(Opened::plain).map_err(|e| ChannelError::new(format!("{}: {e}", path.display())))
        };
        Box::pin(connect) as super::Pending<'static, _>
    };
    Ok(Box::new(Console::new(Box::new(dial), login)))
}
