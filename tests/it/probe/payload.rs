//! Quoting and payloads through the real shells.

use proptest::prelude::*;
use runbook::payload::{printf_payload, sh_quote};

use super::support::shells;

#[test]
fn every_byte_value() {
    let all: Vec<u8> = (0..=255).collect();
    let doubled: Vec<u8> = (0..=255).flat_map(|byte| [byte, b'7', byte]).collect();
    let long: Vec<u8> = all.iter().copied().cycle().take(70_000).collect();
    let dashes = vec![b'-'; 50_000];
    for shell in shells() {
        for bytes in [b"".as_slice(), &all, &doubled, &long, &dashes, b"-e x", b"\\c%d%"] {
            let output = shell.run(&[], &printf_payload(bytes));
            assert!(output.stdout == bytes, "{} {:?}", shell.name, output.stderr);
            assert!(output.status.success() && output.stderr.is_empty());
        }
    }
}

#[test]
fn a_full_disk_is_a_status() {
    for shell in shells() {
        let payload = printf_payload(&vec![b'x'; 40_000]);
        let script = format!("{{ {payload}; }} >/dev/full 2>/dev/null || echo full");
        assert_eq!(shell.run(&[], &script).stdout, b"full\n", "{}", shell.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        for shell in shells() {
            let output = shell.run(&[], &printf_payload(&bytes));
            prop_assert_eq!(&output.stdout, &bytes, "{}", shell.name);
        }
    }

    #[test]
    fn any_text_is_one_word(text in "[^\\x00]{0,200}") {
        let quoted = sh_quote(&text).expect("no NUL");
        for shell in shells() {
            let output = shell.run(&[], &format!("f() {{ printf '%s' \"$#$1\"; }}\nf {quoted}"));
            prop_assert_eq!(&output.stdout, &format!("1{text}").into_bytes(), "{}", shell.name);
        }
    }
}
