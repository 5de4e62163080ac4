//! `tcp:host:port` — a console on a TCP port: raw, or telnet as terminal servers speak it.
//!
//! Nothing of telnet is sent before the other side does. It may echo and suppress go-ahead, both ways may be binary; all
//! else is refused (RFC 854, 856, 857, 858, 1143).

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::console::{Console, Opened};
use super::{Channel, ChannelError, Login};

const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
const SB: u8 = 250;
const SE: u8 = 240;

const BINARY: u8 = 0;
const ECHO: u8 = 1;
const SGA: u8 = 3;

pub(super) fn open(rest: &str, login: &Login) -> Result<Box<dyn Channel>, ChannelError> {
    let usage = || ChannelError::new(format!("tcp: \"{rest}\" is no HOST:PORT")).hint("tcp:terminal-server:7001");
    let (host, port) = rest.rsplit_once(':').ok_or_else(usage)?;
    let port: u16 = port.parse().ok().filter(|p| *p > 0).ok_or_else(usage)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let dial = move || {
        let host = host.clone();
        let connect = async move {
            let failed = |why: String| ChannelError::new(format!("{host} port {port}: {why}"));
            let connect = TcpStream::connect((host.as_str(), port));
            let stream = tokio::time::timeout(Duration::from_secs(15), connect)
                .await
                .map_err(|_| failed("no answer within 15 s".to_owned()))?
                .map_err(|e| failed(e.to_string()))?;
            let _ = stream.set_nodelay(true);
            Ok(Opened::plain(Telnet::new(stream)))
        };
        Box::pin(connect) as super::Pending<'static, _>
    };
    Ok(Box::new(Console::new(Box::new(dial), login)))
}

/// Where in a sequence the reading is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Data,
    /// After a CR that is not binary: a NUL belongs to it.
    Cr,
    Iac,
    Verb(u8),
    Sub,
    SubIac,
}

/// Takes telnet out of what comes, and puts it around what goes. Raw until the first IAC comes.
struct Telnet<T> {
    io: T,
    at: At,
    spoken: bool,
    /// Options that are on: ours, theirs.
    ours: [bool; 4],
    theirs: [bool; 4],
    /// Bytes on their way out, replies among them.
    out: Vec<u8>,
}

impl<T> Telnet<T> {
    fn new(io: T) -> Self {
        Self { io, at: At::Data, spoken: false, ours: [false; 4], theirs: [false; 4], out: Vec::new() }
    }

    /// A request of the other side; an answer only where something changes, so that there is no loop.
    fn asked(&mut self, verb: u8, option: u8) {
        let at = usize::from(option);
        let reply = match verb {
            WILL if matches!(option, BINARY | ECHO | SGA) => {
                (!std::mem::replace(&mut self.theirs[at], true)).then_some(DO)
            }
            WILL => Some(DONT),
            DO if matches!(option, BINARY | SGA) => (!std::mem::replace(&mut self.ours[at], true)).then_some(WILL),
            DO => Some(WONT),
            WONT => {
                let was = self.theirs.get_mut(at).is_some_and(std::mem::take);
                was.then_some(DONT)
            }
            _ => {
                let was = self.ours.get_mut(at).is_some_and(std::mem::take);
                was.then_some(WONT)
            }
        };
        if let Some(reply) = reply {
            self.out.extend([IAC, reply, option]);
        }
    }

    /// The data among what came.
    fn decode(&mut self, bytes: &[u8], mut data: impl FnMut(u8)) {
        for &b in bytes {
            self.at = match (self.at, b) {
                (At::Data | At::Cr, IAC) => At::Iac,
                (At::Cr, 0) if self.spoken && !self.theirs[usize::from(BINARY)] => At::Data,
                (At::Data | At::Cr, _) => {
                    data(b);
                    if b == b'\r' { At::Cr } else { At::Data }
                }
                (At::Iac, IAC) => {
                    data(IAC);
                    At::Data
                }
                (At::Iac, WILL | WONT | DO | DONT) => At::Verb(b),
                (At::Iac, SB) => At::Sub,
                (At::Iac, _) => At::Data,
                (At::Verb(verb), option) => {
                    self.spoken = true;
                    self.asked(verb, option);
                    At::Data
                }
                (At::Sub, IAC) => At::SubIac,
                (At::SubIac, SE) => At::Data,
                (At::Sub | At::SubIac, _) => At::Sub,
            };
        }
    }

    fn encode(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.out.push(b);
            match b {
                IAC if self.spoken => self.out.push(IAC),
                b'\r' if self.spoken && !self.ours[usize::from(BINARY)] => self.out.push(0),
                _ => {}
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> Telnet<T> {
    fn flush_out(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        while !self.out.is_empty() {
            let n = ready!(Pin::new(&mut self.io).poll_write(cx, &self.out))?;
            if n == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            self.out.drain(..n);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Telnet<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        loop {
            // Replies go out as soon as they can; that they cannot is no reason not to read.
            if let Poll::Ready(Err(e)) = self.flush_out(cx) {
                return Poll::Ready(Err(e));
            }
            let mut chunk = [0; 4096];
            let room = to.remaining().min(chunk.len());
            let mut buffer = ReadBuf::new(&mut chunk[..room]);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
            let came = buffer.filled();
            if came.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let before = to.filled().len();
            self.decode(came, |b| to.put_slice(&[b]));
            if to.filled().len() > before {
                let _ = self.flush_out(cx);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Telnet<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        ready!(self.flush_out(cx))?;
        let n = bytes.len().min(4096);
        self.encode(&bytes[..n]);
        // Taken; what does not go out now goes with the next write or flush.
        if let Poll::Ready(Err(e)) = self.flush_out(cx) {
            return Poll::Ready(Err(e));
        }
        Poll::Ready(Ok(n))
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        ready!(self.flush_out(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        ready!(self.flush_out(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(t: &mut Telnet<()>, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        // Byte by byte: a sequence may come in pieces.
        bytes.iter().for_each(|b| t.decode(&[*b], |d| out.push(d)));
        out
    }

    #[test]
    fn a_raw_console_stays_raw() {
        let mut t = Telnet::new(());
        assert_eq!(decoded(&mut t, b"login: \r\0x"), b"login: \r\0x");
        t.encode(b"root\r\xff");
        assert_eq!(t.out, b"root\r\xff");
    }

    #[test]
    fn what_is_not_needed_is_refused() {
        let mut t = Telnet::new(());
        let asks = [
            IAC, WILL, ECHO, IAC, WILL, SGA, IAC, DO, 24, IAC, DO, 31, IAC, WILL, 5, IAC, DO, BINARY, IAC, WILL, BINARY,
        ];
        assert_eq!(decoded(&mut t, &[&asks[..], b"hi"].concat()), b"hi");
        let answers = [
            IAC, DO, ECHO, IAC, DO, SGA, IAC, WONT, 24, IAC, WONT, 31, IAC, DONT, 5, IAC, WILL, BINARY, IAC, DO, BINARY,
        ];
        assert_eq!(t.out, answers);
        // Told again, nothing changes: no answer, no loop.
        t.out.clear();
        assert_eq!(decoded(&mut t, &[IAC, WILL, ECHO, IAC, DO, BINARY]), b"");
        assert_eq!(t.out, b"");
        t.encode(b"a\r\xff");
        assert_eq!(t.out, b"a\r\xff\xff");
    }

    #[test]
    fn escapes_and_carriage_returns() {
        let mut t = Telnet::new(());
        assert_eq!(decoded(&mut t, &[IAC, DO, 24]), b"");
        t.out.clear();
        t.encode(b"a\r");
        assert_eq!(t.out, b"a\r\0");
        assert_eq!(decoded(&mut t, b"\xff\xffx\r\0y\r\n"), b"\xffx\ry\r\n");
        assert_eq!(decoded(&mut t, &[b'a', IAC, SB, 24, 1, IAC, IAC, 7, IAC, SE, b'b', IAC, 241, b'c']), b"abc");
    }
}
