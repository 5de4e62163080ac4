//! What a plain scalar of YAML 1.1 is: PyYAML's resolver and constructor (PyYAML 6.0, `resolver.py`, `constructor.py`).
//!
//! Dates come out as text, as Python's `isoformat` has them; what JSON has no number for stays text.

use serde_json::{Number, Value};

/// The value of a plain scalar.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Value::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Value::Bool(false),
        _ => {}
    }
    whole(text).or_else(|| float(text)).or_else(|| date(text)).unwrap_or_else(|| Value::String(text.to_owned()))
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn whole(text: &str) -> Option<Value> {
    let (minus, bare) = sign(text);
    let of = |t: &str, fine: fn(u8) -> bool| !t.is_empty() && t.bytes().all(|b| fine(b) || b == b'_');
    let number = if let Some(bits) = bare.strip_prefix("0b").filter(|t| of(t, |b| b"01".contains(&b))) {
        i128::from_str_radix(&bits.replace('_', ""), 2).ok()?
    } else if let Some(hex) = bare.strip_prefix("0x").filter(|t| of(t, |b| b.is_ascii_hexdigit())) {
        i128::from_str_radix(&hex.replace('_', ""), 16).ok()?
    } else if let Some(octal) = bare.strip_prefix('0').filter(|t| of(t, |b| (b'0'..=b'7').contains(&b))) {
        i128::from_str_radix(&format!("0{}", octal.replace('_', "")), 8).ok()?
    } else if bare == "0" || bare.starts_with(|c: char| ('1'..='9').contains(&c)) {
        let (first, rest) = bare.split_once(':').map_or((bare, None), |(f, r)| (f, Some(r)));
        if !of(first, |b| b.is_ascii_digit()) {
            return None;
        }
        let mut number: i128 = first.replace('_', "").parse().ok()?;
        for part in rest.into_iter().flat_map(|r| r.split(':')) {
            number = number.checked_mul(60)?.checked_add(sixtieth(part)?.into())?;
        }
        number
    } else {
        return None;
    };
    let number = if minus { -number } else { number };
    i64::try_from(number).map(Value::from).or_else(|_| u64::try_from(number).map(Value::from)).ok()
}

/// `[0-5]?[0-9]`.
fn sixtieth(text: &str) -> Option<u8> {
    text.parse().ok().filter(|n| *n < 60 && text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit()))
}

fn float(text: &str) -> Option<Value> {
    let (minus, bare) = sign(text);
    let (head, tail) = bare.split_once('.')?;
    let (fraction, exponent) = tail.find(['e', 'E']).map_or((tail, ""), |at| tail.split_at(at));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let fine = match exponent.as_bytes() {
        [] => true,
        [_, b'+' | b'-', rest @ ..] => !rest.is_empty() && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !fine || !digits(fraction) {
        return None;
    }
    let value = if head.contains(':') {
        if !exponent.is_empty() {
            return None;
        }
        let mut parts = head.split(':');
        let first = parts.next().filter(|f| f.starts_with(|c: char| c.is_ascii_digit()) && digits(f))?;
        let mut value: f64 = first.replace('_', "").parse().ok()?;
        let mut rest: Vec<&str> = parts.collect();
        let last = rest.pop()?;
        for part in rest {
            value = value * 60.0 + f64::from(sixtieth(part)?);
        }
        sixtieth(last)?;
        value * 60.0 + format!("{last}.{}", fraction.replace('_', "")).parse::<f64>().ok()?
    } else {
        let starts = head.starts_with(|c: char| c.is_ascii_digit());
        let signed = text.len() != bare.len();
        // .5 has no sign in YAML 1.1's pattern.
        let point = head.is_empty() && !signed && fraction.starts_with(|c: char| c.is_ascii_digit());
        if !(starts && digits(head) || point) {
            return None;
        }
        format!("{head}.{fraction}{exponent}").replace('_', "").parse().ok()?
    };
    Number::from_f64(if minus { -value } else { value }).map(Value::Number)
}

/// `2024-01-31`, and with a time `2024-1-31 10:20:30.5 +2`.
fn date(text: &str) -> Option<Value> {
    let number = |t: &str, min: usize, max: usize| {
        let fine = (min..=max).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit());
        fine.then(|| t.parse::<u32>().ok()).flatten()
    };
    let end = text.find(['T', 't', ' ', '\t']).unwrap_or(text.len());
    let (day, rest) = text.split_at(end);
    let mut parts = day.split('-');
    let (y, m, d) = (parts.next()?, parts.next()?, parts.next()?);
    let least = if rest.is_empty() { 2 } else { 1 };
    let (y, m, d) = (number(y, 4, 4)?, number(m, least, 2)?, number(d, least, 2)?);
    if parts.next().is_some() || !(1..=12).contains(&m) || !(1..=31).contains(&d) {
        return None;
    }
    let day = format!("{y:04}-{m:02}-{d:02}");
    if rest.is_empty() {
        return Some(Value::String(day));
    }
    let rest = rest.strip_prefix(['T', 't']).unwrap_or_else(|| rest.trim_start());
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.')).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(end);
    let (clock, fraction) = time.split_once('.').map_or((time, None), |(c, f)| (c, Some(f)));
    let mut parts = clock.split(':');
    let (h, mi, s) = (number(parts.next()?, 1, 2)?, number(parts.next()?, 2, 2)?, number(parts.next()?, 2, 2)?);
    if parts.next().is_some() || h > 23 || mi > 59 || s > 59 {
        return None;
    }
    let micros = match fraction {
        Some(f) if f.bytes().all(|b| b.is_ascii_digit()) => number(&format!("{:0<6.6}", f), 6, 6)?,
        Some(_) => return None,
        None => 0,
    };
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    let zone = match zone.trim_start() {
        "" => String::new(),
        "Z" => "+00:00".into(),
        z => {
            let (h, m) = z.get(1..)?.split_once(':').unwrap_or((z.get(1..)?, "00"));
            format!(
                "{}{:02}:{:02}",
                z.get(..1).filter(|s| matches!(*s, "+" | "-"))?,
                number(h, 1, 2)?,
                number(m, 2, 2)?
            )
        }
    };
    Some(Value::String(format!("{day}T{h:02}:{mi:02}:{s:02}{fraction}{zone}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Each as `ansible-inventory --list` of ansible-core 2.19 has it.
    #[test]
    fn scalars_are_of_yaml_1_1() {
        for (text, out) in [
            ("yes", json!(true)),
            ("y", json!("y")),
            ("off", json!(false)),
            ("0644", json!(420)),
            ("08", json!("08")),
            ("0o17", json!("0o17")),
            ("1:30", json!(90)),
            ("1:30:20.5", json!(5420.5)),
            ("22:99", json!("22:99")),
            ("1_000", json!(1000)),
            ("1e3", json!("1e3")),
            ("1.5e+3", json!(1500.0)),
            ("1.", json!(1.0)),
            (".5", json!(0.5)),
            ("-.5", json!("-.5")),
            ("+5", json!(5)),
            ("-0", json!(0)),
            ("0x1F", json!(31)),
            ("0b11", json!(3)),
            ("~", json!(null)),
            ("10.0.0.1", json!("10.0.0.1")),
            ("2001:db8::1", json!("2001:db8::1")),
            ("2024-01-01", json!("2024-01-01")),
            ("2024-01-01 10:20:30", json!("2024-01-01T10:20:30")),
            ("2024-01-01T10:20:30.5Z", json!("2024-01-01T10:20:30.500000+00:00")),
            ("2024-01-01T10:20:30+02:00", json!("2024-01-01T10:20:30+02:00")),
            ("2024-1-1", json!("2024-1-1")),
            ("1.2.3", json!("1.2.3")),
            ("web1", json!("web1")),
        ] {
            assert_eq!(plain(text), out, "{text}");
        }
    }
}
