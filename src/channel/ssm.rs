//! `ssm:INSTANCE[?region=REGION&profile=PROFILE]` — AWS Systems Manager's Run Command, through the user's own `aws`.
//!
//! SendCommand and GetCommandInvocation: stdout is cut at 24,000 characters, stderr at 8,000, and a response code of −1
//! means that nothing was started. So the output stays in a private directory there, goes out as numbered pages of
//! base64 with a checksum, and what does not carry our own marks is no answer, whatever the status says.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::process::MOST;
use super::url::parse_query;
use super::{Caps, Channel, ChannelError, Output, Pending, run_program};
use crate::payload::{cksum, gzip, nonce};

/// Characters of one page, below the 24,000 that stdout is cut at.
const PAGE: usize = 20_000;
/// For one call of `aws`.
const CALL: Duration = Duration::from_secs(60);

/// An instance.
pub struct Ssm {
    instance: String,
    /// `--region`, `--profile` and their values, for each call of `aws`.
    options: Vec<String>,
}

impl Ssm {
    pub(super) fn open(rest: &str) -> Result<Box<dyn Channel>, ChannelError> {
        let (instance, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut options = Vec::new();
        for (key, value) in parse_query(query)? {
            if !matches!(key.as_str(), "region" | "profile") {
                return Err(ChannelError::new(format!("ssm: has no \"{key}\"")).hint("keys: region, profile"));
            }
            options.extend([format!("--{key}"), value]);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if instance.starts_with('-') || !instance.chars().all(plain) {
            return Err(
                ChannelError::new(format!("\"{instance}\" is no instance")).hint("like ssm:i-0123456789abcdef0")
            );
        }
        Ok(Box::new(Self { instance: instance.to_owned(), options }))
    }

    async fn aws(&self, action: &str, input: &Value) -> Result<Value, ChannelError> {
        let mut argv =
            vec!["aws", "ssm", action, "--output", "json", "--no-cli-pager", "--cli-input-json", "file:///dev/stdin"];
        argv.extend(self.options.iter().map(String::as_str));
        let out = run_program(&argv, input.to_string().as_bytes(), CALL).await?;
        if out.status != Some(0) {
            return Err(explain(&String::from_utf8_lossy(&out.stderr)));
        }
        serde_json::from_slice(&out.stdout).map_err(|e| ChannelError::new(format!("aws answered no JSON: {e}")))
    }

    /// Runs one command there; its stdout, cut as it may be.
    async fn command(&self, sh: &str, until: Instant) -> Result<String, ChannelError> {
        let left = until.saturating_duration_since(Instant::now()).as_secs().max(1);
        let sent = self
            .aws("send-command", &json!({
                "InstanceIds": [self.instance], "DocumentName": "AWS-RunShellScript", "TimeoutSeconds": left.clamp(30, 2_592_000),
                "Parameters": {"commands": [sh], "executionTimeout": [left.to_string()]},
            }))
            .await?;
        let id = sent["Command"]["CommandId"].as_str().unwrap_or_default().to_owned();
        let asked = json!({"CommandId": id, "InstanceId": self.instance});
        loop {
            let answer = match self.aws("get-command-invocation", &asked).await {
                // It takes a moment to be known.
                Err(e) if e.why.contains("InvocationDoesNotExist") => json!({"Status": "Pending"}),
                other => other?,
            };
            match answer["Status"].as_str().unwrap_or_default() {
                "Pending" | "InProgress" | "Delayed" => {}
                "Success" | "Failed" => {
                    return Ok(answer["StandardOutputContent"].as_str().unwrap_or_default().to_owned());
                }
                other => {
                    let detail = answer["StatusDetails"].as_str().unwrap_or_default();
                    return Err(ChannelError::new(format!("run-command ended as {other} ({detail})"))
                        .hint("is the agent of this instance online? (aws ssm describe-instance-information)"));
                }
            }
            if Instant::now() > until {
                return Err(ChannelError::new("run-command did not end in time"));
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn run(&self, script: &[u8], deadline: Duration) -> Result<Output, ChannelError> {
        let until = Instant::now() + deadline;
        let n = nonce();
        let payload = BASE64_STANDARD.encode(gzip(script));
        let sh = BEGIN.replace("@N@", &n).replace("@S@", &payload).replace("@P@", &PAGE.to_string());
        let first = self.command(&sh, until).await?;
        let (head, first) = answer(&n, &first)?;
        let pages = self.pages(&n, first, head.length, until).await;
        if head.length > PAGE {
            self.command(&format!("rm -rf /run/rb{n}"), until).await?;
        }
        head.output(&pages?)
    }

    /// The answer's other pages behind its first.
    async fn pages(&self, n: &str, mut pages: String, length: usize, until: Instant) -> Result<String, ChannelError> {
        while pages.len() < length {
            let sh = format!("tail -c +{} /run/rb{n}/p | head -c {PAGE}; echo; echo ={n}=.", pages.len() + 1);
            let more = self.command(&sh, until).await?;
            let page = more.strip_suffix(&format!("\n={n}=.\n")).or_else(|| more.strip_suffix(&format!("\n={n}=.")));
            match page.filter(|p| !p.is_empty()) {
                Some(p) => pages.push_str(p),
                None => return Err(ChannelError::new("run-command lost a page of the answer")),
            }
        }
        Ok(pages)
    }
}

/// Runs the script with its output in files; prints `=N= STATUS BYTES-OF-STDOUT LENGTH CHECKSUM`, the first page, `=N=.`.
const BEGIN: &str = "umask 077; mkdir -m 700 /run/rb@N@ && cd /run/rb@N@ || exit 1
TMPDIR=/run/rb@N@; export TMPDIR
base64 -d <<'@N@' | gzip -dc >s
@S@
@N@
sh ./s </dev/null >o 2>e; r=$?; rm -f s
set -- $(wc -c <o); cat o e | gzip -c | base64 -w 0 >p; l=$(wc -c <p); rm -f o e
echo \"=@N@= $r $1 $l $(cksum <p | tr ' ' :)\"; head -c @P@ p; echo; echo =@N@=.
[ $l -gt @P@ ] || rm -rf /run/rb@N@
exit 0
";

struct Head {
    status: i32,
    stdout: usize,
    length: usize,
    sum: String,
}

/// The first page with what stands before it.
fn answer(nonce: &str, text: &str) -> Result<(Head, String), ChannelError> {
    let none = || {
        ChannelError::new("run-command says that it is done, but nothing of ours came back")
            .hint("is it a Linux instance with a shell, and does the agent run as root?")
    };
    let after = text.split_once(&format!("={nonce}= ")).ok_or_else(none)?.1;
    let (first, rest) = after.split_once('\n').ok_or_else(none)?;
    let page = rest.split_once(&format!("\n={nonce}=.")).ok_or_else(none)?.0;
    let words: Vec<&str> = first.split_whitespace().collect();
    let [status, stdout, length, sum] = words[..] else { return Err(none()) };
    let head = Head {
        status: status.parse().map_err(|_| none())?,
        stdout: stdout.parse().map_err(|_| none())?,
        length: length.parse().map_err(|_| none())?,
        sum: sum.to_owned(),
    };
    Ok((head, page.to_owned()))
}

impl Head {
    fn output(&self, pages: &str) -> Result<Output, ChannelError> {
        use std::io::Read;
        let damaged = || ChannelError::new("run-command's answer is damaged: its checksum does not fit");
        if format!("{}:{}", cksum(pages.as_bytes()), pages.len()) != self.sum {
            return Err(damaged());
        }
        let packed = BASE64_STANDARD.decode(pages).map_err(|_| damaged())?;
        let mut all = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).take(2 * MOST).read_to_end(&mut all).map_err(|_| damaged())?;
        if self.stdout > all.len() {
            return Err(damaged());
        }
        let stderr = all.split_off(self.stdout);
        Ok(Output { status: Some(self.status), stdout: all, stderr })
    }
}

/// What `aws` says when it cannot.
fn explain(said: &str) -> ChannelError {
    let line = said.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or("aws failed without a word").to_owned();
    let hint = if line.contains("InvalidInstanceId") {
        "is it the right region and account, and is the instance managed by SSM?"
    } else if line.contains("Unable to locate credentials") || line.contains("ExpiredToken") {
        "aws sts get-caller-identity shows who you are"
    } else if line.contains("AccessDenied") {
        "it takes ssm:SendCommand and ssm:GetCommandInvocation"
    } else {
        return ChannelError::new(line);
    };
    ChannelError::new(line).hint(hint)
}

impl Channel for Ssm {
    fn caps(&self) -> Caps {
        Caps { survives_network_cut: false, ..Caps::PIPES }
    }
    fn exec<'a>(&'a self, script: &'a [u8], deadline: Duration) -> Pending<'a, Result<Output, ChannelError>> {
        Box::pin(self.run(script, deadline))
    }
}
