//! The ways to a console by their URLs: TCP with and without telnet, a serial device.

use std::process::{Command, Stdio};
use std::time::Duration;

use runbook::channel::{Login, Url};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::console::block_on;
use crate::console_line::{Faults, ONE_SHELL, start};

const HALF: Duration = Duration::from_secs(30);

/// A terminal server of one connection at a time; gives what the other side answered to its requests.
async fn terminal_server(telnet: bool) -> Vec<u8> {
    let host = start(ONE_SHELL[1], &Faults::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("tcp:127.0.0.1:{}", listener.local_addr().unwrap().port());
    let plug = std::sync::Arc::clone(&host.plug);
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let (mut from, mut to) = socket.into_split();
        let mut plug = plug.lock().await;
        let line = plug.as_mut().unwrap();
        if telnet {
            // WILL ECHO, WILL SGA, DO NAWS, DO TTYPE.
            to.write_all(&[255, 251, 1, 255, 251, 3, 255, 253, 31, 255, 253, 24]).await.unwrap();
        }
        let (mut answers, mut skip, mut last) = (Vec::new(), 0, 0);
        let (mut a, mut b) = ([0; 4096], [0; 4096]);
        loop {
            tokio::select! {
                n = from.read(&mut a) => match n {
                    Ok(n) if n > 0 => {
                        let mut out = Vec::new();
                        for &byte in &a[..n] {
                            if skip > 0 || telnet && byte == 255 {
                                skip = if skip == 0 { 2 } else { skip - 1 };
                                answers.push(byte);
                            } else if !(telnet && last == b'\r' && byte == 0) {
                                out.push(byte);
                            }
                            last = byte;
                        }
                        line.write_all(&out).await.unwrap();
                    }
                    _ => return answers,
                },
                n = line.read(&mut b) => { let n = n.unwrap(); let _ = to.write_all(&b[..n]).await; }
            }
        }
    });
    let channel = Url::parse(&url).unwrap().open(&Login::default()).unwrap();
    let out = channel.exec(b"printf 'a\\377b\\r\\n'; exit 4", HALF).await.unwrap();
    assert_eq!((out.status, out.stdout.as_slice()), (Some(4), b"a\xffb\r\n".as_slice()));
    channel.close().await;
    drop(channel);
    server.await.unwrap()
}

#[test]
fn tcp_with_and_without_telnet() {
    block_on(async {
        assert_eq!(terminal_server(false).await, b"");
        // DO ECHO, DO SGA, WONT NAWS, WONT TTYPE.
        assert_eq!(terminal_server(true).await, [255, 253, 1, 255, 253, 3, 255, 252, 31, 255, 252, 24]);
        let nobody = Url::parse("tcp:127.0.0.1:1").unwrap().open(&Login::default()).unwrap();
        let error = nobody.exec(b":", HALF).await.unwrap_err();
        assert!(error.why.contains("127.0.0.1 port 1: Connection refused"), "{error:?}");
    });
}

#[test]
fn a_serial_device() {
    let here = tempfile::tempdir().unwrap();
    let tty = here.path().join("tty");
    let device = format!("PTY,link={},rawer", tty.display());
    let mut socat = Command::new("socat")
        .args([device.as_str(), "EXEC:dash -i,pty,setsid,ctty,stderr"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !tty.exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    block_on(async {
        let url = format!("serial:{}?baud=115200", tty.display());
        let channel = Url::parse(&url).unwrap().open(&Login::default()).unwrap();
        let out = channel.exec(b"echo out; echo err >&2; exit 4", HALF).await.unwrap();
        assert_eq!((out.status, out.stdout.as_slice(), out.stderr.as_slice()), (Some(4), &b"out\n"[..], &b"err\n"[..]));
        channel.close().await;
        let none = Url::parse("serial:/dev/nonexistent").unwrap().open(&Login::default()).unwrap();
        assert!(none.exec(b":", HALF).await.unwrap_err().hint.unwrap().contains("getty"));
    });
    let _ = socat.kill();
    let _ = socat.wait();
}
