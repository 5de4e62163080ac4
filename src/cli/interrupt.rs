//! Signals that ask to stop.

use std::io::{self, IsTerminal};

use futures_util::future::select_all;
use tokio::signal::unix::{SignalKind, signal};

use crate::apply::{Interrupt, exit};

/// The first Ctrl-C, SIGTERM or SIGHUP asks to stop, so that the target is left in order; the second one insists.
pub(super) fn on_interrupt() -> Interrupt {
    let (sender, receiver) = tokio::sync::watch::channel(false);
    let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
    if !nohup() {
        kinds.push(SignalKind::hangup());
    }
    tokio::spawn(async move {
        let signals: io::Result<Vec<_>> = kinds.into_iter().map(signal).collect();
        let mut signals = match signals {
            Ok(signals) => signals,
            Err(e) => {
                return super::warn(&format!("warning: Ctrl-C ends this at once, and leaves the lock there: {e}\n"));
            }
        };
        loop {
            select_all(signals.iter_mut().map(|s| Box::pin(s.recv()))).await;
            if sender.send_replace(true) {
                let last =
                    "\nended at once: what was sent may go on there, and the next run finds out (runbook runs)\n";
                super::warn(last);
                std::process::exit(i32::from(exit::INTERRUPTED));
            }
            if io::stderr().is_terminal() {
                super::warn("\nafter what is being done now it ends; again: at once\n");
            }
        }
    });
    receiver
}

/// Whether hangups are ignored, as under nohup(1): they stay so.
fn nohup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|l| l.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}
