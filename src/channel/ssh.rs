//! `ssh:DESTINATION` — the system's ssh: its configuration, jump hosts, agents, certificates and FIDO keys keep working.
//!
//! One master connection (ssh_config(5), ControlMaster) is opened for each channel, and every script is a session of its
//! own on it, side by side. The master outlives a stopped sshd, so it proves nothing: a proof opens another channel.
//!
//! An unknown or changed host key is never accepted here. At a terminal ssh itself asks, for passwords too; with a
//! password given (`RUNBOOK_PASSWORD`, an inventory) it comes from our askpass (ssh(1), SSH_ASKPASS), which answers
//! nothing else, and to the ssh of a jump host nothing that leaves this machine; without either ssh is in batch mode.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openssh::{Session, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Mutex;

use super::net::{self, Knock, Outcome, Proxy};
use super::process::{Program, bounded, drain, run};
use super::ssh_errors::explain;
use super::ssh_url::Destination;
use super::{Caps, Channel, ChannelError, Login, Output, Password, Pending, PrivateDir, private_dir, run_program};
use crate::payload::sh_quote;

/// The environment variable that makes this program an askpass: the path of the socket that gives the password.
pub const ASKPASS: &str = "RUNBOOK_ASKPASS";

/// The process that may have the password: the ssh that logs in at the target. What it starts (ProxyJump, ProxyCommand)
/// inherits our askpass, and logs in elsewhere.
const ASKPASS_FOR: &str = "RUNBOOK_ASKPASS_FOR";

/// For TCP, the key exchange and the login, where nobody types anything.
const CONNECT: Duration = Duration::from_secs(30);
/// TCP alone.
const CONNECT_TCP: u64 = 10;
/// For `ssh -G`, which a configuration's `Match exec` can hold up.
const LOOKUP: Duration = Duration::from_secs(5);
/// Where a person may have to type a passphrase.
const CONNECT_BY_HAND: Duration = Duration::from_secs(180);
/// Seconds without a word from us after which a master ends by itself, should this program be killed.
const PERSIST: u64 = 60;

/// A destination, and the master connection once there is one.
pub struct Ssh {
    to: Destination,
    password: Option<Password>,
    /// A person may be asked at the terminal.
    people: bool,
    master: Mutex<Option<Arc<Master>>>,
}

struct Master {
    session: Session,
    /// What ends it: `ssh -O exit`.
    end: Vec<String>,
    /// Its socket and its log.
    _dir: PrivateDir,
}

impl Ssh {
    pub(super) fn open(rest: &str, login: &Login) -> Result<Box<dyn Channel>, ChannelError> {
        let mut to = Destination::parse(rest)?;
        to.user = login.user.clone().or(to.user);
        Ok(Self::to(to, login.password.clone()))
    }
    pub(super) fn to(to: Destination, password: Option<Password>) -> Box<dyn Channel> {
        Box::new(Self { to, password, people: true, master: Mutex::new(None) })
    }

    /// The open master; `anew`: the one that we had is gone.
    async fn master(&self, anew: Option<&Arc<Master>>) -> Result<Arc<Master>, ChannelError> {
        let mut slot = self.master.lock().await;
        if let Some(m) = &*slot
            && !anew.is_some_and(|gone| Arc::ptr_eq(gone, m))
        {
            return Ok(Arc::clone(m));
        }
        *slot = None;
        let m = Arc::new(self.connect().await?);
        *slot = Some(Arc::clone(&m));
        Ok(m)
    }

    async fn connect(&self) -> Result<Master, ChannelError> {
        let dir = private_dir("ssh").map_err(|e| ChannelError::new(format!("no private directory: {e}")))?;
        self.start_master(dir).await
    }

    async fn start_master(&self, private: PrivateDir) -> Result<Master, ChannelError> {
        let dir = private.0.as_path();
        let text = |p: PathBuf| p.to_string_lossy().into_owned();
        let (log, control) = (text(dir.join("log")), text(dir.join("master")));
        let by_hand =
            self.people && self.password.is_none() && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        let mut argv: Vec<String> = Vec::new();
        if self.password.is_some() {
            let known = format!("{ASKPASS_FOR}=$$ exec \"$@\"");
            argv.extend(["sh", "-c", &known, "sh"].map(String::from));
        }
        argv.extend(["ssh", "-M", "-f", "-N", "-T", "-E", &log, "-S", &control].map(String::from));
        argv.extend(option(&format!("ControlPersist={PERSIST}")));
        argv.extend(option(&format!("ConnectTimeout={CONNECT_TCP}")));
        argv.extend(option("ServerAliveInterval=5"));
        argv.extend(option("ServerAliveCountMax=3"));
        argv.extend(option("ClearAllForwardings=yes"));
        argv.extend(option("ForwardX11=no"));
        argv.extend(option("RemoteCommand=none"));
        let mut env = Vec::new();
        let giving = match &self.password {
            Some(p) => {
                argv.extend(option("NumberOfPasswordPrompts=1"));
                let socket = dir.join("askpass");
                let me = std::env::current_exe().map_err(|e| ChannelError::new(format!("no askpass: {e}")))?;
                env.push(("SSH_ASKPASS".to_owned(), text(me)));
                env.push(("SSH_ASKPASS_REQUIRE".to_owned(), "force".to_owned()));
                // Before ssh is started, which may ask at once.
                let listener = tokio::net::UnixListener::bind(&socket).map_err(|e| {
                    ChannelError::new(format!("no socket for the password: {e}"))
                        .hint("set XDG_RUNTIME_DIR or TMPDIR to a shorter path")
                })?;
                env.push((ASKPASS.to_owned(), text(socket)));
                Some(tokio::spawn(give(listener, p.clone())))
            }
            None => {
                if !by_hand {
                    argv.extend(option("BatchMode=yes"));
                }
                None
            }
        };
        argv.extend(self.to.arguments());
        let deadline = if by_hand { CONNECT_BY_HAND } else { CONNECT };
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let program = Program { argv: &argv, env: &env, own_group: !by_hand };
        let ended = run(&program, b"", deadline).await;
        if let Some(task) = giving {
            task.abort();
        }
        let out = ended.map_err(|e| e.hint("is the host up, and is this its address? (ping, ssh -v)"))?;
        if out.status != Some(0) {
            let said = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
            let beyond = if said.contains("kex_exchange_identification") { beyond_proxy(&self.to).await } else { None };
            return Err(beyond.unwrap_or_else(|| explain(&said, &String::from_utf8_lossy(&out.stderr), &self.to)));
        }
        let mut end: Vec<String> = ["ssh", "-S", &control, "-O", "exit"].map(String::from).into();
        end.extend(self.to.arguments());
        let session = Session::resume_mux(PathBuf::from(control).into(), None);
        Ok(Master { _dir: private, session, end })
    }
}

/// What ssh's own configuration makes of a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// What was looked up.
    pub name: String,
    /// Where TCP goes.
    pub hostname: String,
    /// The TCP port.
    pub port: u16,
    /// What it goes through.
    pub proxy: Option<Proxy>,
}

/// Asks `ssh -G`, which connects to nothing, as the user that logs in; `None` where it is not known how clients get there:
/// there is no ssh, it does not answer, or what it goes through cannot be done without it.
pub async fn lookup(rest: &str, login: Option<&str>) -> Option<Lookup> {
    let mut to = Destination::parse(rest).ok()?;
    to.user = login.map(str::to_owned).or(to.user);
    look_up(&to).await
}

/// What a proxy says of the host behind it. To ssh all is a connection that was closed: it shuts a proxy's mouth where the
/// master may stay (OpenSSH's sshconnect.c, ssh_proxy_connect).
async fn beyond_proxy(to: &Destination) -> Option<ChannelError> {
    let found = look_up(to).await?;
    let proxy = found.proxy?;
    let name = proxy.name.clone();
    let (hosts, timeout) = (vec![found.hostname], Duration::from_secs(CONNECT_TCP));
    let knock =
        Knock { hosts, port: found.port, family: None, banner: Some(timeout), timeout, proxy: Some(proxy), salt: 0 };
    let outcome = match net::knock(&knock).await {
        Ok(mut all) => all.pop()?.outcome,
        // ssh got through, with a password that a person typed; nobody types one for us.
        Err(why) if why.contains("Permission denied") => return None,
        Err(why) => return Some(ChannelError::new(why)),
    };
    let said = match outcome {
        Outcome::Refused => "connection refused: nothing listens there, or a firewall says so".to_owned(),
        Outcome::TimedOut => "no answer: dropped on the way, or the host is down".to_owned(),
        Outcome::Unanswered(_) => "no answer: dropped on the way, or the host is down, or silent".to_owned(),
        Outcome::Unreachable(why) | Outcome::Other(why) => why,
        Outcome::Open(_) | Outcome::Closed | Outcome::Silent => return None,
    };
    Some(ChannelError::new(format!("by way of {name}: {said}")))
}

async fn look_up(to: &Destination) -> Option<Lookup> {
    let arguments = to.arguments();
    let argv: Vec<&str> = ["ssh", "-G"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
    let out = run_program(&argv, b"", LOOKUP).await.ok()?;
    let text = String::from_utf8_lossy(&out.stdout);
    let field = |name: &str| text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' ')).map(str::to_owned);
    let set = |name: &str| field(name).filter(|v| v != "none");
    let proxy = match (set("proxyjump"), set("proxycommand")) {
        (Some(hops), _) => Some(by_jump(&hops, to.config())?),
        // It hands a socket over to ssh, which nobody else can take.
        (None, Some(_)) if field("proxyusefdpass").is_some_and(|v| v == "yes") => return None,
        (None, Some(command)) => {
            let user = field("user").unwrap_or_default();
            // Parts of a shell's command line.
            let odd = |token, value| command.contains(token) && super::plain(value).is_err();
            if odd("%n", &to.host) || odd("%r", &user) {
                return None;
            }
            let command = net::expand(&command, |token| match token {
                'n' => to.host.clone(),
                'r' => user.clone(),
                // Ours to expand later, with where to.
                other => format!("%{other}"),
            });
            Some(Proxy { name: "its ProxyCommand".into(), command: format!("exec {command}") })
        }
        (None, None) => None,
    };
    Some(Lookup { name: to.host.clone(), hostname: field("hostname")?, port: field("port")?.parse().ok()?, proxy })
}

/// As ssh itself makes a ProxyJump a ProxyCommand (OpenSSH's ssh.c): the hosts before the last are jumped over to get to it.
fn by_jump(hops: &str, config: Option<&str>) -> Option<Proxy> {
    let (before, last) = hops.rsplit_once(',').map_or((None, hops), |(b, l)| (Some(b), l));
    let mut words = vec!["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ClearAllForwardings=yes"];
    // Over a connection that is there already, ssh would not say why the host beyond is not reached (its mux.c).
    words.extend(["-o", "ControlMaster=no", "-o", "ControlPath=none"]);
    words.extend(config.iter().flat_map(|c| ["-F", c]));
    words.extend(before.iter().flat_map(|b| ["-J", b]));
    let last = if last.starts_with("ssh://") { last.to_owned() } else { format!("ssh://{last}") };
    // What is not ours to expand: the values, beside the two tokens.
    let words: Option<Vec<String>> = words.iter().map(|w| sh_quote(&w.replace('%', "%%"))).collect();
    let command = format!("exec {} -W '[%h]:%p' -- {}", words?.join(" "), sh_quote(&last.replace('%', "%%"))?);
    Some(Proxy { name: last.trim_start_matches("ssh://").to_owned(), command })
}

fn option(o: &str) -> [String; 2] {
    ["-o".to_owned(), o.to_owned()]
}

/// What ssh asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Of a key's file: it stays on this machine.
    Passphrase,
    /// It goes to the other side.
    Password,
}

impl Asked {
    /// The words of OpenSSH's sshconnect2.c; keyboard-interactive's own are the server's. `own`: it is the target's ssh.
    fn read(prompt: &str, own: bool) -> Option<Self> {
        if prompt.starts_with("Enter passphrase for key '") {
            return Some(Self::Passphrase);
        }
        let lower = prompt.to_lowercase();
        (own && lower.contains("password") && !lower.contains("(yes/no")).then_some(Self::Password)
    }
    fn word(self) -> &'static str {
        match self {
            Self::Passphrase => "passphrase",
            Self::Password => "password",
        }
    }
}

/// Gives the password to our askpass at the socket, which only this user can reach. It goes to the other side once:
/// refused by one method, it would be by the next, and count twice towards a lockout.
async fn give(listener: tokio::net::UnixListener, password: Password) {
    let mut given = false;
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut asked = String::new();
        let _ = stream.read_to_string(&mut asked).await;
        let leaves = asked == Asked::Password.word();
        if !leaves || !std::mem::replace(&mut given, true) {
            let _ = stream.write_all(password.0.as_bytes()).await;
        }
    }
}

/// This program as ssh's askpass: the password, if that is what ssh asks for. The exit code.
pub fn askpass(socket: &str, prompt: &str) -> u8 {
    use std::io::{Read, Write};
    let parent = std::os::unix::process::parent_id().to_string();
    let own = std::env::var(ASKPASS_FOR).is_ok_and(|pid| pid == parent);
    let Some(asked) = Asked::read(prompt, own) else { return 1 };
    let mut password = String::new();
    let got = std::os::unix::net::UnixStream::connect(socket).and_then(|mut s| {
        s.write_all(asked.word().as_bytes())?;
        s.shutdown(std::net::Shutdown::Write)?;
        s.read_to_string(&mut password)
    });
    if password.is_empty() || got.and_then(|_| writeln!(std::io::stdout(), "{password}")).is_err() { 1 } else { 0 }
}

/// How one script came out of a session.
enum Ended {
    /// No session could be begun: nothing ran.
    NotBegun,
    Lost(String),
    /// It printed more than is waited for.
    Flood(ChannelError),
    Output(Output),
}

async fn run_on(master: &Master, script: &[u8]) -> Ended {
    let mut command = master.session.command("sh");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn().await else { return Ended::NotBegun };
    let (mut to, out, err) = (child.stdin().take(), child.stdout().take(), child.stderr().take());
    let write = async {
        if let Some(pipe) = &mut to {
            // A shell that ends without reading all of it says why by its status.
            let _ = pipe.write_all(script).await;
            let _ = pipe.shutdown().await;
        }
        drop(to);
    };
    let ((), stdout, stderr) = tokio::join!(write, drain(out), drain(err));
    if let Err(e) = bounded(&stdout, &stderr) {
        return Ended::Flood(e);
    }
    match child.wait().await {
        Ok(status) => Ended::Output(Output { status: status.code(), stdout, stderr }),
        // Nobody can tell a connection that was ended from a shell that was: neither is an answer.
        Err(openssh::Error::RemoteProcessTerminated) => Ended::Lost("the connection, or its shell, was ended".into()),
        Err(openssh::Error::Remote(e)) => {
            let stderr = if stderr.is_empty() { e.to_string().into_bytes() } else { stderr };
            Ended::Output(Output { status: Some(127), stdout, stderr })
        }
        Err(e) => Ended::Lost(e.to_string()),
    }
}

impl Channel for Ssh {
    fn caps(&self) -> Caps {
        Caps { survives_network_cut: false, ..Caps::PIPES }
    }
    fn anew(&self) -> Option<Box<dyn Channel>> {
        let (to, password) = (self.to.clone(), self.password.clone());
        Some(Box::new(Self { to, password, people: false, master: Mutex::new(None) }))
    }
    fn exec<'a>(&'a self, script: &'a [u8], deadline: Duration) -> Pending<'a, Result<Output, ChannelError>> {
        Box::pin(async move {
            let mut gone = None;
            for _ in 0..2 {
                let master = self.master(gone.as_ref()).await?;
                let ended = tokio::time::timeout(deadline, run_on(&master, script)).await.map_err(|_| {
                    ChannelError::new(format!("no answer over ssh within {} s", deadline.as_secs()))
                        .hint("is the line cut, or the host stuck?")
                })?;
                match ended {
                    Ended::Output(out) => return Ok(out),
                    Ended::Lost(why) => {
                        *self.master.lock().await = None;
                        return Err(ChannelError::new(format!("the ssh connection was lost in mid-command: {why}")));
                    }
                    Ended::Flood(e) => {
                        *self.master.lock().await = None;
                        return Err(e);
                    }
                    // The master has ended (idle for long, killed): once more over a new one.
                    Ended::NotBegun => gone = Some(master),
                }
            }
            Err(ChannelError::new("ssh connects, but no session can be opened")
                .hint("is MaxSessions 0, or the account restricted? (ssh -v)"))
        })
    }
    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async {
            let Some(master) = self.master.lock().await.take() else { return };
            let argv: Vec<&str> = master.end.iter().map(String::as_str).collect();
            let program = Program { argv: &argv, env: &[], own_group: true };
            let _ = run(&program, b"", Duration::from_secs(3)).await;
        })
    }
}
