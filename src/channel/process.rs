//! A child process with a script on its stdin: the base of `local:`, `exec:` and `root:`.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::{ChannelError, Output, Pending};

/// More than this from one call is not an answer but a flood.
pub(super) const MOST: u64 = 64 << 20;

/// A program of the controller to be run.
pub(super) struct Program<'a> {
    /// The program and its arguments.
    pub argv: &'a [&'a str],
    /// What its environment has beside ours.
    pub env: &'a [(String, String)],
    /// Ctrl-C on the terminal is for us alone: we let what is at work come to its end. False: it may ask at the terminal.
    pub own_group: bool,
}

/// What holds our own passwords is not handed on.
const OURS: [&str; 2] = ["RUNBOOK_PASSWORD", "RUNBOOK_BECOME_PASSWORD"];

/// A program with pipes, and without what is only for us.
fn piped(program: &str) -> Command {
    #[allow(clippy::disallowed_methods)] // The one place that starts processes.
    let mut command = Command::new(program);
    for name in OURS {
        command.env_remove(name);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs a program of the controller with something on its stdin. The child is killed at the deadline.
pub async fn run_program(argv: &[&str], stdin: &[u8], deadline: Duration) -> Result<Output, ChannelError> {
    run(&Program { argv, env: &[], own_group: true }, stdin, deadline).await
}

/// The same, with more said about how.
pub(super) async fn run(p: &Program<'_>, stdin: &[u8], deadline: Duration) -> Result<Output, ChannelError> {
    let (program, args) = p.argv.split_first().ok_or_else(|| ChannelError::new("no command"))?;
    let mut command = piped(program);
    if p.own_group {
        command.process_group(0);
    }
    let mut child = command
        .args(args)
        .envs(p.env.iter().map(|(k, v)| (k, v)))
        .spawn()
        .map_err(|e| ChannelError::new(format!("cannot start {program}: {e}")))?;
    let group = Group(child.id().filter(|_| p.own_group));
    let (mut to, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let talk = async {
        let write = async {
            if let Some(pipe) = &mut to {
                // A child that ends without reading all of it says why by its status.
                let _ = pipe.write_all(stdin).await;
                let _ = pipe.shutdown().await;
            }
            drop(to);
        };
        let ((), stdout, stderr) = tokio::join!(write, drain(out), drain(err));
        bounded(&stdout, &stderr)?;
        Ok((stdout, stderr, child.wait().await))
    };
    let answered = tokio::time::timeout(deadline, talk)
        .await
        .map_err(|_| ChannelError::new(format!("{program} did not answer within {} s", deadline.as_secs())));
    let (stdout, stderr, status) = answered??;
    group.ended();
    let status = status.map_err(|e| ChannelError::new(format!("{program}: {e}")))?;
    Ok(Output { status: status.code(), stdout, stderr })
}

/// What came of [`first_line`].
pub(super) struct Said {
    /// Without its end; what came before the end of the program counts as one.
    pub line: Option<String>,
    /// The program has ended by itself.
    pub ended: bool,
    pub stderr: String,
}

/// The first line that an sh command prints, its stdin held open; it is ended then, and at the deadline.
pub(super) async fn first_line(command: &str, deadline: Duration) -> Result<Said, ChannelError> {
    let mut program = piped("sh");
    program.args(["-c", command]).process_group(0);
    let mut child = program.spawn().map_err(|e| ChannelError::new(format!("cannot start sh: {e}")))?;
    let _group = Group(child.id());
    let (_stdin, mut stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    // All the while: who cannot get rid of what it says there says nothing here.
    let mut aside = tokio::spawn(drain(stderr));
    let mut got = Vec::new();
    let read = async {
        let mut buffer = [0; 256];
        while let Some(out) = &mut stdout {
            match out.read(&mut buffer).await {
                Ok(n) if n > 0 => got.extend_from_slice(&buffer[..n]),
                _ => return true,
            }
            if got.contains(&b'\n') || got.len() > 1024 {
                return false;
            }
        }
        true
    };
    let ended = tokio::time::timeout(deadline, read).await.unwrap_or(false);
    let first = got.split(|b| *b == b'\n').next().filter(|l| !l.is_empty());
    let line = first.map(|l| String::from_utf8_lossy(l).trim_end().to_owned());
    // What it left behind may hold its stderr open.
    let stderr = match line {
        None if ended => tokio::time::timeout(Duration::from_secs(2), &mut aside).await.unwrap_or(Ok(Vec::new())),
        _ => Ok(Vec::new()),
    };
    aside.abort();
    let stderr = stderr.unwrap_or_default();
    Ok(Said { line, ended, stderr: String::from_utf8_lossy(&stderr).into_owned() })
}

/// Ends what was started on a pty.
pub(super) type End = Box<dyn FnOnce() -> Pending<'static, ()> + Send>;

/// Starts a command on a terminal of its own, of 80 columns; it leads a session and a process group. What comes with it ends
/// it, once the terminal is closed.
pub(super) fn spawn_pty(command: &str) -> Result<(pty_process::Pty, End), ChannelError> {
    let failed = |e: pty_process::Error| ChannelError::new(format!("cannot start {command}: {e}"));
    let (pty, pts) = pty_process::open().map_err(failed)?;
    pty.resize(pty_process::Size::new(24, 80)).map_err(failed)?;
    // Until the command makes its terminal raw, our ^C must not end it, nor an echo of it look like an answer. A hangup is
    // an end of file to it and no signal: ipmitool then closes its session at the BMC, which else takes no other.
    let quiet = format!("trap '' HUP; stty -isig -echo; {command}");
    let mut shell = pty_process::Command::new("sh").arg("-c").arg(quiet).kill_on_drop(true);
    for name in OURS {
        shell = shell.env_remove(name);
    }
    let mut child = shell.spawn(pts).map_err(failed)?;
    let end = move || -> Pending<'static, ()> {
        Box::pin(async move {
            // The terminal is closed; what does not heed that is told, then killed.
            let pid = child.id();
            for signal in ["TERM", "KILL"] {
                if tokio::time::timeout(Duration::from_millis(700), child.wait()).await.is_ok() {
                    return;
                }
                signal_group(pid, signal).await;
            }
            let _ = child.wait().await;
        })
    };
    Ok((pty, Box::new(end)))
}

/// A process group that is killed if nobody waits for its end any more: at a deadline, or when a run is interrupted.
struct Group(Option<u32>);

impl Group {
    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            #[allow(clippy::disallowed_methods)] // Signals without unsafe code: the program kill(1).
            let mut kill = std::process::Command::new("kill");
            let _ = kill.args(["-KILL", "--", &format!("-{pid}")]).stderr(Stdio::null()).status();
        }
    }
}

/// Reaches what a command has started too: it is a process group of its own.
async fn signal_group(leader: Option<u32>, signal: &str) {
    if let Some(pid) = leader {
        #[allow(clippy::disallowed_methods)] // Signals without unsafe code: the program kill(1).
        let mut kill = Command::new("kill");
        let _ = kill.args([&format!("-{signal}"), "--", &format!("-{pid}")]).stderr(Stdio::null()).status().await;
    }
}

/// An answer that was cut off is none.
pub(super) fn bounded(stdout: &[u8], stderr: &[u8]) -> Result<(), ChannelError> {
    if stdout.len().max(stderr.len()) as u64 >= MOST {
        let why = format!("it prints more than {} MiB, and no end of it was waited for", MOST >> 20);
        return Err(ChannelError::new(why).hint("does a login script or the script itself print without end?"));
    }
    Ok(())
}

/// All that a pipe gives, up to a flood.
pub(super) async fn drain(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut all = Vec::new();
    if let Some(pipe) = pipe {
        let _ = pipe.take(MOST).read_to_end(&mut all).await;
    }
    all
}
