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

#[test]
fn a_mebibyte_there_and_back() {
    block_on(async {
        let mut dice = crate::console_line::Dice::new(7);
        let bytes: Vec<u8> = (0..1 << 20).map(|_| dice.below(256) as u8).collect();
        let speed = 120_000;
        let host = start(ONE_SHELL[0], &Faults { seed: 7, speed, noise: 30, ..Faults::default() });
        let console = host.console(&Login::default());
        console.exec(b":", MINUTE).await.unwrap();
        let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &bytes);
        let script = format!("base64 -d <<'E'\n{text}\nE\n");
        let begun = std::time::Instant::now();
        let out = console.exec(script.as_bytes(), MINUTE * 5).await.unwrap();
        let took = begun.elapsed().as_secs_f64();
        assert!(out.stdout == bytes);
        // Random bytes do not compress: it is the time of their base64, there and back.
        let own = 2.0 * text.len() as f64 / speed as f64;
        println!(
            "1 MiB there and back: {took:.1} s, the line's own time {own:.1} s: ratio {:.2}; {:?}",
            took / own,
            console.wire()
        );
        // Time is for benches/console.sh; what went over the line is asserted.
        let (sent, received) = console.wire().unwrap();
        // On a machine that is busy some of it goes twice, since an answer comes late.
        assert!(sent + received < 2 * text.len() as u64 * 3 / 2, "{sent} + {received}");
        console.close().await;
    });
}
