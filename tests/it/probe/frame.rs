//! Properties and measures of the whole way there and back.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use runbook::payload::printf_payload;
use runbook::target::frame::{FrameError, Status, parse};

use super::support::{Case, builtin, dash, nonce, shells, user};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_bytes_come_back(
        pairs in prop::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>(), any::<u8>()), 1..6),
        pick in any::<prop::sample::Index>(),
    ) {
        let shell = *pick.get(&shells());
        let check = |(out, err, status): &(Vec<u8>, Vec<u8>, u8)| {
            let (out, err) = (printf_payload(out), printf_payload(err));
            let script = format!("{{ {out}; }}\n{{ {err}; }} >&2\nexit {status}");
            if status % 2 == 0 { user(&script) } else { builtin(&script) }
        };
        let answers = Case::of(pairs.iter().map(check)).answers(shell);
        for (answer, (out, err, status)) in answers.iter().zip(&pairs) {
            prop_assert_eq!(&answer.stdout, out);
            prop_assert_eq!(&answer.stderr, err);
            prop_assert_eq!(&answer.status, &Status::Exit(i32::from(*status)));
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in any::<Vec<u8>>(), n in 0..4usize) {
        let frame = [b"=nonce123= 1\n".as_slice(), &bytes].concat();
        let _ = parse("nonce123", n, &frame);
        prop_assert_eq!(parse("nonce123", n, &bytes), Err(FrameError::NoFrame));
    }
}

#[test]
fn a_cut_channel_is_an_error() {
    let nonce = nonce();
    let case = Case::of([user("echo out; echo err >&2"), builtin("echo more")]);
    let output = dash().run(&[], &case.script(&nonce));
    assert!(parse(&nonce, 2, &output.stdout).is_ok());
    for len in 0..output.stdout.len() {
        assert!(parse(&nonce, 2, &output.stdout[..len]).is_err(), "{len}");
    }
}

#[test]
fn shellcheck_has_no_complaints() {
    let mut case = Case::of([user("true"), builtin("true")]);
    let plain = case.script("nonce123");
    case.overlays = vec![super::overlay::spec(&["/etc"], "rm /etc/x")];
    case.checks[0].overlay = Some(0);
    let sshd = include_str!("../../../src/module/sshd/probe.sh").to_owned();
    let switch = include_str!("../../../src/apply/guard/switch.sh").to_owned();
    for (name, text) in [("plain", plain), ("overlays", case.script("nonce123")), ("sshd", sshd), ("switch", switch)] {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, text).expect("temporary file");
        let checker = std::process::Command::new("shellcheck")
            // On purpose: words that are split (2086, 2046), text that `sh -c` or eval expands
            // (2016), what eval sets or reads (2154, 2034), a trap's text made at once (2064) and
            // its function (2317), files made at run time (1090, 1091), `_x= _y=` (1007), `)&_a`
            // (1132), a `cd` that may fail (2164), `_s 1` in acting scripts alone (2119, 2120).
            .args(["-s", "sh", "-e", "SC2086,SC2046,SC2016,SC2154,SC2034,SC2064,SC2317"])
            .args(["-e", "SC1090,SC1091,SC1007,SC1132,SC2164,SC2119,SC2120"])
            .arg(path)
            .output();
        let Ok(checker) = checker else { return };
        assert_eq!(String::from_utf8_lossy(&checker.stdout), "");
    }
}

/// Printed, not asserted: `cargo test -- --nocapture measure`.
#[test]
fn measure() {
    let size = |n: usize| Case::of((0..n).map(|_| builtin("true"))).script("nonce123456").len();
    println!("bytes of script: {} and {} a check", size(0), size(2) - size(1));
    let nonce = nonce();
    for shell in shells() {
        for (name, check) in [("built-in", builtin("true")), ("isolated", user("true"))] {
            let script = Case::of((0..30).map(|_| check.clone())).script(&nonce);
            let mut times: Vec<Duration> = (0..15)
                .map(|_| {
                    let start = Instant::now();
                    shell.run(&[], &script);
                    start.elapsed()
                })
                .collect();
            times.sort();
            println!("{} 30 {name}: {:?} at best, {:?} median", shell.name, times[0], times[7]);
        }
    }
}
