//! Go's durations as text: `1h30m`, `1.5h`, `250ms`. Not for dates, and nothing here is negative.

use std::time::Duration;

/// Go's longest duration, 2^63 - 1 ns: about 292 years.
const LONGEST_NS: u64 = i64::MAX as u64;

/// The units of Go's `time.ParseDuration`, both micro signs among them.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration by the rules of Go's `time.ParseDuration`, without a sign. The error says what
/// is wrong and what was expected, and does not repeat the text.
pub fn parse(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.starts_with(['+', '-']) {
        return Err(expected("a sign"));
    }
    if text.is_empty() {
        return Err(expected("nothing"));
    }
    let (mut rest, mut total_ns) = (text, 0u64);
    while !rest.is_empty() {
        let (ns, tail) = term(rest)?;
        total_ns = total_ns.checked_add(ns).filter(|n| *n <= LONGEST_NS).ok_or_else(too_long)?;
        rest = tail;
    }
    Ok(Duration::from_nanos(total_ns))
}

/// As [`parse`], but a bare number counts seconds, as in `docker stop --time`.
pub fn seconds_or_duration(text: &str) -> Result<Duration, String> {
    let bare = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if bare && !text.is_empty() { parse(&format!("{text}s")) } else { parse(text) }
}

/// The shortest text that [`parse`] reads back: `1h30m`, `10s`, `1.5s`, `250ms`, `0s`.
pub fn show(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let ns = u64::from(duration.subsec_nanos());
    if seconds == 0 && ns > 0 {
        return match ns {
            1_000_000.. => decimal(ns, 1_000_000, "ms"),
            1_000.. => decimal(ns, 1_000, "µs"),
            _ => format!("{ns}ns"),
        };
    }
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = String::new();
    if hours > 0 {
        text += &format!("{hours}h");
    }
    if minutes > 0 {
        text += &format!("{minutes}m");
    }
    if ns > 0 {
        text += &decimal(rest * 1_000_000_000 + ns, 1_000_000_000, "s");
    } else if rest > 0 || text.is_empty() {
        text += &format!("{rest}s");
    }
    text
}

/// One number with its unit at the start of the text, in ns, and what follows it.
fn term(text: &str) -> Result<(u64, &str), String> {
    let (whole, tail) = digits(text);
    let (fraction, tail) = tail.strip_prefix('.').map_or(("", tail), digits);
    if whole.is_empty() && fraction.is_empty() {
        return Err(expected("not a number"));
    }
    let end = tail.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(tail.len());
    let (unit, tail) = tail.split_at(end);
    if unit.is_empty() {
        return Err(expected("a number without a unit"));
    }
    let Some((_, unit_ns)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(expected("an unknown unit"));
    };
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| too_long())? };
    let ns = whole.checked_mul(*unit_ns).ok_or_else(too_long)?;
    Ok((ns.checked_add(part(fraction, *unit_ns)).ok_or_else(too_long)?, tail))
}

/// The decimal digits at the start of the text, and what follows them.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// A fraction of a unit in ns. In floating point and with at most 18 digits, as Go does it, so
/// that `0.3333333333333333333h` is 20 minutes here too.
fn part(fraction: &str, unit_ns: u64) -> u64 {
    let (mut value, mut scale) = (0u64, 1f64);
    for digit in fraction.bytes() {
        let next = value.checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0')));
        let Some(next) = next.filter(|v| *v <= LONGEST_NS) else { break };
        value = next;
        scale *= 10.0;
    }
    (value as f64 * (unit_ns as f64 / scale)) as u64
}

/// `1.5s` of a count of ns, without needless zeros.
fn decimal(ns: u64, unit_ns: u64, unit: &str) -> String {
    let (whole, part) = (ns / unit_ns, ns % unit_ns);
    if part == 0 {
        return format!("{whole}{unit}");
    }
    let width = unit_ns.ilog10() as usize;
    let digits = format!("{part:0width$}");
    format!("{whole}.{}{unit}", digits.trim_end_matches('0'))
}

fn expected(what: &str) -> String {
    format!("{what}: expected a duration such as 90s, 1h30m or 250ms")
}

fn too_long() -> String {
    expected("longer than 292 years")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn reads_what_go_reads() {
        let table: [(&str, u64); 31] = [
            ("0", 0),
            ("0s", 0),
            ("0h0m0s", 0),
            ("5s", 5 * S),
            ("30s", 30 * S),
            ("1478s", 1478 * S),
            ("5.0s", 5 * S),
            ("5.6s", 5 * S + 600_000_000),
            ("5.s", 5 * S),
            (".5s", 500_000_000),
            ("1.0s", S),
            ("1.00s", S),
            ("1.004s", S + 4_000_000),
            ("1.0040s", S + 4_000_000),
            ("100.00100s", 100 * S + 1_000_000),
            ("10ns", 10),
            ("11us", 11_000),
            ("12µs", 12_000),
            ("12μs", 12_000),
            ("13ms", 13_000_000),
            ("14s", 14 * S),
            ("15m", 15 * 60 * S),
            ("16h", 16 * 3600 * S),
            ("3h30m", 12_600 * S),
            ("10.5s4m", 250 * S + 500_000_000),
            ("1h2m3s4ms5us6ns", 3723 * S + 4_005_006),
            ("39h9m14.425s", 140_954 * S + 425_000_000),
            ("0.100000000000000000000h", 360 * S),
            ("0.3333333333333333333h", 1200 * S),
            ("0.9223372036854775807h", 3320 * S + 413_933_267),
            ("9223372036854775807ns", i64::MAX as u64),
        ];
        for (text, ns) in table {
            assert_eq!(parse(text), Ok(Duration::from_nanos(ns)), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses_and_every_sign() {
        for text in [
            "", "3", "-", "s", ".", "-.", ".s", "+.s", "1d", "1.", "1..5s", "1 s", " 1s", "1s ",
            "-5s", "+5s", "-0", "1h-5m", "x1s", "1e3s", "0x1s", "١s", "\u{85}85", "1S",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_longer_than_go_can_hold_is_an_error() {
        for text in [
            "9223372036854775808ns",
            "9223372036854775.808us",
            "9223372036.854775808s",
            "3000000h",
            "2562047h47m16.854775808s",
            "99999999999999999999s",
            "9223372036854775807ns1ns",
        ] {
            assert_eq!(parse(text), Err(too_long()), "{text}");
        }
    }

    #[test]
    fn the_error_says_what_is_wrong_and_what_was_expected() {
        let expected = ": expected a duration such as 90s, 1h30m or 250ms";
        assert_eq!(parse("10"), Err(format!("a number without a unit{expected}")));
        assert_eq!(parse("10d"), Err(format!("an unknown unit{expected}")));
        assert_eq!(parse("-10s"), Err(format!("a sign{expected}")));
        assert_eq!(parse("3000000h"), Err(format!("longer than 292 years{expected}")));
        assert_eq!(parse("soon"), Err(format!("not a number{expected}")));
    }

    #[test]
    fn a_bare_number_is_seconds_only_where_seconds_are_usual() {
        assert_eq!(seconds_or_duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(seconds_or_duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(seconds_or_duration("1m"), Ok(Duration::from_secs(60)));
        for text in ["", "-1", "+1", ".", "1.2.3", "9223372037"] {
            assert!(seconds_or_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shows_the_short_form() {
        let table: [(u64, &str); 12] = [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (250_000_000, "250ms"),
            (S, "1s"),
            (S + 500_000_000, "1.5s"),
            (60 * S, "1m"),
            (60 * S + 1, "1m0.000000001s"),
            (90 * S, "1m30s"),
            (3600 * S, "1h"),
            (5400 * S, "1h30m"),
            (3605 * S, "1h5s"),
        ];
        for (ns, text) in table {
            assert_eq!(show(Duration::from_nanos(ns)), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(ns in 0..=LONGEST_NS) {
            // Go's fractions are floating point: up to a second they are exact to the ns.
            let duration = Duration::from_nanos(ns);
            prop_assert_eq!(parse(&show(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9.+-]{0,30}(ns|us|µs|ms|s|m|h|é)?[0-9.]{0,20}\\PC?") {
            let _ = (parse(&text), seconds_or_duration(&text));
        }
    }
}
