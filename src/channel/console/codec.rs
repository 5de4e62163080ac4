//! Bytes as text that a console passes, with the tools that the target has.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::process::MOST;

/// The tools of the target, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Tools(pub Vec<String>);

/// Characters in a line of an upload.
const UP: usize = 76;

impl Tools {
    fn has(&self, tool: &str) -> bool {
        self.0.iter().any(|t| t == tool)
    }
    /// Whether both ways go through gzip.
    pub fn gzip(&self) -> bool {
        self.has("gzip")
    }
    /// Whether the width of the answer's lines can be chosen.
    pub fn width_is_free(&self) -> bool {
        self.has("base64")
    }
    fn hex(&self) -> bool {
        !["base64", "openssl", "uuencode"].iter().any(|t| self.has(t))
    }

    /// The command that encodes the answer, with lines of that width where the tool can; `None`: nothing there can.
    pub fn encoder(&self, width: usize) -> Option<String> {
        let text = match () {
            () if self.has("base64") => format!("base64 -w{width}||base64"),
            () if self.has("openssl") => "openssl base64".to_owned(),
            () if self.has("uuencode") => "uuencode -m -|sed \"1d;/^====/d\"".to_owned(),
            () if self.has("od") => "od -An -v -tx1|tr -d \" \"".to_owned(),
            () if self.has("hexdump") => "hexdump -v -e \"32/1 \\\"%02x\\\" \\\"\\n\\\"\"|tr -d \" \"".to_owned(),
            () => return None,
        };
        Some(if self.gzip() { format!("gzip -c|{{ {text};}}") } else { text })
    }

    /// The command that decodes an upload.
    pub fn decoder(&self) -> String {
        let text = match () {
            () if self.has("base64") => "base64 -d",
            () if self.has("openssl") => "openssl base64 -d",
            () if self.has("uudecode") => "{ echo begin-base64 600 -;cat;echo ====;}|uudecode -o /dev/stdout",
            () => return "sh".to_owned(),
        };
        if self.gzip() { format!("{text}|gzip -dc") } else { text.to_owned() }
    }

    /// An upload, in lines.
    pub fn encode(&self, bytes: &[u8]) -> Vec<u8> {
        if self.decoder() == "sh" {
            return printfs(bytes);
        }
        let packed = if self.gzip() { crate::payload::gzip(bytes) } else { bytes.to_vec() };
        let text = STANDARD.encode(packed);
        text.as_bytes().chunks(UP).flat_map(|line| [line, b"\n"].concat()).collect()
    }

    /// What the lines of an answer stand for.
    pub fn decode(&self, text: &str) -> Option<Vec<u8>> {
        let packed = if self.hex() {
            let digits = text.as_bytes().chunks(2).map(|c| u8::from_str_radix(str::from_utf8(c).ok()?, 16).ok());
            digits.collect::<Option<Vec<u8>>>()?
        } else {
            STANDARD.decode(text).ok()?
        };
        if !self.gzip() {
            return Some(packed);
        }
        let mut out = Vec::new();
        let mut plain = flate2::read::MultiGzDecoder::new(packed.as_slice()).take(2 * MOST);
        plain.read_to_end(&mut out).ok()?;
        Some(out)
    }
}

/// Lines of `printf`, where the target has no decoder at all.
fn printfs(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut line = String::new();
    let mut flush = |line: &mut String| {
        if !line.is_empty() {
            out.extend_from_slice(format!("printf '{line}'\n").as_bytes());
            line.clear();
        }
    };
    for &b in bytes {
        match b {
            b'%' => line.push_str("%%"),
            b'\\' => line.push_str("\\\\"),
            b'-' if line.is_empty() => line.push_str("\\055"),
            b'\'' => line.push_str("\\047"),
            b'\n' => line.push_str("\\n"),
            b' '..=b'~' => line.push(char::from(b)),
            _ => line.push_str(&format!("\\{b:03o}")),
        }
        if line.len() > UP {
            flush(&mut line);
        }
    }
    flush(&mut line);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(names: &[&str]) -> Tools {
        Tools(names.iter().map(|n| (*n).to_owned()).collect())
    }

    /// What a real `sh` here makes of an upload, and what is made of its answer.
    fn both_ways(tools: &Tools, bytes: &[u8]) {
        let text = tools.encode(bytes);
        assert!(text.split(|b| *b == b'\n').all(|line| line.len() < 200));
        let run = |command: &str, stdin: Vec<u8>| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let deadline = std::time::Duration::from_secs(9);
            runtime.block_on(crate::channel::run_program(&["sh", "-c", command], &stdin, deadline)).unwrap()
        };
        let there = run(&tools.decoder(), text);
        assert_eq!(there.stdout, bytes, "{tools:?} {}", String::from_utf8_lossy(&there.stderr));
        let back = run(&tools.encoder(60).unwrap(), bytes.to_vec());
        let lines = String::from_utf8(back.stdout).unwrap().replace('\n', "");
        assert_eq!(tools.decode(&lines).unwrap(), bytes, "{tools:?}");
    }

    #[test]
    fn every_set_of_tools_brings_every_byte() {
        let bytes: Vec<u8> = (0..=255).chain(b"-n % \\ 'x'\n\n".iter().copied()).cycle().take(3000).collect();
        let mut tried = 0;
        for names in [
            &["base64", "gzip"][..],
            &["base64"],
            &["openssl", "gzip"],
            &["openssl"],
            &["od"],
            &["hexdump"],
            &["od", "gzip"],
        ] {
            let command = format!("command -v {}", names.join(" && command -v "));
            #[allow(clippy::disallowed_methods)]
            if !std::process::Command::new("sh").args(["-c", &command]).output().unwrap().status.success() {
                continue;
            }
            tried += 1;
            both_ways(&tools(names), &bytes);
            both_ways(&tools(names), b"");
        }
        assert!(tried >= 4, "base64 and openssl are on every machine that builds this");
    }
}
