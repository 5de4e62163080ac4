//! `guest-agent:DOMAIN` — the QEMU guest agent, through libvirt's `virsh qemu-agent-command`: it needs neither the
//! guest's network nor a login.
//!
//! virsh(1) takes its commands from stdin, as from a person: an argument shows in ps, and a script holds secrets. So it
//! echoes them, says by no status how they ended, and would keep them in its history.
//!
//! QEMU Guest Agent Protocol Reference: guest-exec, guest-exec-status (base64 of what goes in and comes out; 16 MiB of
//! output at most, `out-truncated` says so). libvirt does the guest-sync-delimited.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::process::{Program, run};
use super::url::parse_query;
use super::{Caps, Channel, ChannelError, Output, Pending, private_dir};
use crate::payload::{gzip, sh_quote};

/// virsh takes a megabyte in about 3 s; a longer script than this is compressed.
const LONG: usize = 100_000;
/// libvirt's own limit is 4 MiB (`VIR_NET_MESSAGE_STRING_MAX`).
const MOST: usize = 3_000_000;
/// For one question to the agent.
const ANSWER: Duration = Duration::from_secs(20);

/// A domain of libvirt.
pub struct GuestAgent {
    domain: String,
    connect: Option<String>,
}

impl GuestAgent {
    pub(super) fn open(rest: &str) -> Result<Box<dyn Channel>, ChannelError> {
        let (domain, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut connect = None;
        for (key, value) in parse_query(query)? {
            if key != "connect" {
                return Err(ChannelError::new(format!("guest-agent: has no \"{key}\"")).hint("keys: connect"));
            }
            connect = Some(value);
        }
        if domain.is_empty() || domain.starts_with('-') || domain.contains(char::is_control) {
            return Err(ChannelError::new("guest-agent: names no domain").hint("virsh list shows them"));
        }
        Ok(Box::new(Self { domain: domain.to_owned(), connect }))
    }

    /// One command of the agent, and what it returns.
    async fn ask(&self, command: &Value) -> Result<Value, ChannelError> {
        let mut argv = vec!["virsh", "-q"];
        if let Some(c) = &self.connect {
            argv.extend(["-c", c]);
        }
        let line = line(&self.domain, command).ok_or_else(|| ChannelError::new("a NUL cannot be told to virsh"))?;
        let failed = |e: std::io::Error| ChannelError::new(format!("no private directory: {e}"));
        // Its history is truncated to this, so it must not be the user's.
        let cache = private_dir("virsh").map_err(failed)?;
        let env = [
            ("VIRSH_HISTSIZE", "0"),
            ("XDG_CACHE_HOME", &cache.0.to_string_lossy()),
            ("INPUTRC", "/dev/null"),
            ("TERM", "dumb"),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let program = Program { argv: &argv, env: &env, own_group: true };
        let out = run(&program, line.as_bytes(), ANSWER + Duration::from_secs(10)).await?;
        let answer = answer(&out.stdout).ok_or_else(|| explain(&String::from_utf8_lossy(&out.stderr)))?;
        Ok(answer["return"].clone())
    }

    async fn run(&self, script: &[u8], deadline: Duration) -> Result<Output, ChannelError> {
        let until = Instant::now() + deadline;
        let mut input = BASE64_STANDARD.encode(script);
        let mut arguments = json!([]);
        if input.len() > LONG {
            input = BASE64_STANDARD.encode(gzip(script));
            arguments = json!(["-c", "gzip -dc | sh"]);
        }
        if input.len() > MOST {
            return Err(ChannelError::new("the script is too long for the guest agent")
                .hint("a large file is better brought over another channel"));
        }
        let begun = self
            .ask(&json!({"execute": "guest-exec", "arguments": {
                "path": "/bin/sh", "arg": arguments, "input-data": input, "capture-output": true,
            }}))
            .await?;
        let mut pause = Duration::from_millis(20);
        loop {
            let status = self.ask(&json!({"execute": "guest-exec-status", "arguments": {"pid": begun["pid"]}})).await?;
            if status["exited"] == true {
                return output(&status);
            }
            if Instant::now() > until {
                let why = format!("the script did not end within {} s", deadline.as_secs());
                return Err(ChannelError::new(why).hint("it goes on in the guest; nothing here can end it"));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }
}

/// A command for virsh's stdin. It reads quotes as sh does (virsh(1), "NOTES" on quoting; vshCommandStringGetArg).
fn line(domain: &str, command: &Value) -> Option<String> {
    let seconds = ANSWER.as_secs();
    let (domain, command) = (sh_quote(domain)?, sh_quote(&command.to_string())?);
    Some(format!("qemu-agent-command --timeout {seconds} -- {domain} {command}\n"))
}

/// The agent's answer among prompts and echoes: what it was asked has no `return`.
fn answer(stdout: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(stdout);
    text.lines().rev().find_map(|l| serde_json::from_str(&l[l.find("{\"return\"")?..]).ok())
}

fn output(status: &Value) -> Result<Output, ChannelError> {
    if status["out-truncated"] == true || status["err-truncated"] == true {
        return Err(ChannelError::new("the guest agent cut the answer: it is over 16 MiB"));
    }
    let bytes = |key: &str| {
        let text = status[key].as_str().unwrap_or_default();
        BASE64_STANDARD.decode(text).map_err(|e| ChannelError::new(format!("the guest agent's {key} is damaged: {e}")))
    };
    let code = status["exitcode"].as_i64().and_then(|c| i32::try_from(c).ok());
    Ok(Output { status: code, stdout: bytes("out-data")?, stderr: bytes("err-data")? })
}

/// What virsh says when it cannot.
fn explain(said: &str) -> ChannelError {
    let line = said.lines().find(|l| !l.trim().is_empty()).unwrap_or("virsh failed without a word");
    let line = line.trim_start_matches("error: ").to_owned();
    let e = ChannelError::new(line.clone());
    if line.contains("disabled") || line.contains("CommandNotFound") {
        e.hint("this guest forbids guest-exec (RHEL: BLOCK_RPCS or FILTER_RPC_ARGS in /etc/sysconfig/qemu-ga)")
    } else if line.contains("not connected") || line.contains("not responding") {
        e.hint("does qemu-guest-agent run in the guest, and has the domain its channel device?")
    } else if line.contains("failed to get domain") {
        e.hint("virsh list --all shows them; ?connect=URI names another libvirt")
    } else {
        e
    }
}

impl Channel for GuestAgent {
    fn caps(&self) -> Caps {
        Caps::PIPES
    }
    fn exec<'a>(&'a self, script: &'a [u8], deadline: Duration) -> Pending<'a, Result<Output, ChannelError>> {
        Box::pin(self.run(script, deadline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let o = output(&json!({"exited": true, "exitcode": 3, "out-data": "b2sK", "err-data": ""})).unwrap();
        assert_eq!((o.status, o.stdout, o.stderr), (Some(3), b"ok\n".to_vec(), Vec::new()));
        let said = b"virsh # qemu-agent-command -- 'web1' '{\"execute\":\"guest-exec\"}'\n{\"return\":{\"pid\":7}}\nvirsh # \n";
        assert_eq!(answer(said).unwrap()["return"]["pid"], 7);
        assert_eq!(answer(b"virsh # {\"return\":{}}\n\nvirsh # ").unwrap(), json!({"return": {}}), "without readline");
        assert!(answer(b"virsh # \nvirsh # \n").is_none());
        let killed = output(&json!({"exited": true, "signal": 9})).unwrap();
        assert_eq!(killed.status, None);
        assert!(output(&json!({"exited": true, "exitcode": 0, "out-truncated": true})).is_err());
        let e = explain(
            "error: internal error: unable to execute QEMU agent command 'guest-exec': The command guest-exec has been disabled for this instance",
        );
        assert!(e.hint.unwrap().contains("forbids"));
    }
}
