//! The console engine against real shells on real ptys.

use std::time::Duration;

use runbook::channel::{Channel, Login};

use crate::console_line::{Faults, ONE_SHELL, start};

pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_script_runs_on_every_shell() {
    for shell in ONE_SHELL {
        block_on(async {
            let host = start(shell, &Faults::default());
            let console = host.console(&Login::default());
            let script = b"printf 'a\\0b\\377\\n'; echo err >&2; umask; exit 7\n";
            let begun = std::time::Instant::now();
            let out = console.exec(script, MINUTE).await.unwrap_or_else(|e| panic!("{shell:?}: {e:?}"));
            assert_eq!(out.status, Some(7), "{shell:?}");
            assert_eq!(out.stdout, b"a\0b\xff\n0022\n", "{shell:?}");
            assert_eq!(out.stderr, b"err\n", "{shell:?}");
            let first = begun.elapsed();
            let out = console.exec(b"echo again", MINUTE).await.unwrap();
            assert_eq!(out.stdout, b"again\n");
            println!("{shell:?}: first {first:?}, both {:?}, wire {:?}", begun.elapsed(), console.wire());
            console.close().await;
        });
    }
}
