//! Where secrets come from: the environment, a file, a command, a person.

use std::io::IsTerminal;
use std::time::Duration;

use crate::book::SecretFrom;
use crate::channel::{Password, run_program};

/// The first line of what the source gives; the error says what was tried.
pub(super) async fn secret(from: &SecretFrom, what: &str) -> Result<String, String> {
    let first = |text: String| text.lines().next().map(str::to_owned).ok_or_else(|| "it is empty".to_owned());
    match from {
        SecretFrom::Env(name) => std::env::var(name).map_err(|_| format!("{name} is not in the environment")),
        SecretFrom::File(path) => std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}")).and_then(first),
        SecretFrom::Command(c) => {
            let out = run_program(&["sh", "-c", c], b"", Duration::from_secs(60)).await.map_err(|e| e.why)?;
            if out.status == Some(0) {
                first(String::from_utf8_lossy(&out.stdout).into_owned())
            } else {
                Err(format!("{c}: status {}", out.status.unwrap_or(-1)))
            }
        }
        SecretFrom::Literal(p) => Ok(p.0.clone()),
        SecretFrom::Prompt => typed(what),
    }
}

/// What a person types at the terminal, without echo.
pub(super) fn typed(what: &str) -> Result<String, String> {
    if !std::io::stdin().is_terminal() {
        return Err("there is no terminal to ask at".into());
    }
    rpassword::prompt_password(format!("{}: ", crate::report::printable(what)))
        .map_err(|e| format!("it could not be asked for: {e}"))
}

/// A password that the environment gives.
pub(super) fn from_env(name: &str) -> Option<Password> {
    std::env::var(name).ok().filter(|p| !p.is_empty()).map(Password)
}
