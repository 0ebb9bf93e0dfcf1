//! Times as Go writes them: `90s`, `1m30s`, `1.5h`. Owns the syntax, not what the times mean.
//!
//! The type of the Kubernetes client cannot be used: it panics on times that are too long, and on a sign inside.

use std::time::Duration;

/// One of each unit, in nanoseconds.
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

/// Reads a time that is not negative. `None` if it is none, or too long for Go (292 years).
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    match rest {
        "" => return None,
        "0" => return Some(Duration::ZERO),
        _ => {}
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number);
        let unit = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(multiply(number, *unit)?)?;
        rest = after;
    }
    i64::try_from(total).is_ok().then(|| Duration::from_nanos(total))
}

/// `number` (`2`, `1.5`, `.5` or `1.`) times `unit`. Digits that are worth less than a nanosecond do not count.
fn multiply(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut total = whole.checked_mul(unit)?;
    let mut worth = unit;
    for digit in fraction.chars().filter_map(|c| c.to_digit(10)) {
        worth /= 10;
        total = total.checked_add(worth.checked_mul(u64::from(digit))?)?;
    }
    Some(total)
}

/// Whole seconds as Go writes them.
pub(crate) fn of_seconds(seconds: u64) -> String {
    let (hours, minutes, left) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{left}s"),
        (0, _) => format!("{minutes}m{left}s"),
        _ => format!("{hours}h{minutes}m{left}s"),
    }
}

/// A time as Go writes it: `1m30s`, `1.5s`, `250ms`.
pub(crate) fn text(time: Duration) -> String {
    let fraction = |nanos: u32, unit: u32| {
        let width = unit.ilog10() as usize;
        let digits = format!("{:0width$}", nanos % unit);
        let digits = digits.trim_end_matches('0');
        let whole = nanos / unit;
        if digits.is_empty() {
            whole.to_string()
        } else {
            format!("{whole}.{digits}")
        }
    };
    let nanos = time.subsec_nanos();
    if time.as_secs() == 0 {
        return match nanos {
            0 => "0s".to_owned(),
            1..1_000 => format!("{nanos}ns"),
            1_000..1_000_000 => format!("{}µs", fraction(nanos, 1_000)),
            _ => format!("{}ms", fraction(nanos, 1_000_000)),
        };
    }
    let whole = of_seconds(time.as_secs());
    match fraction(nanos, 1_000_000_000).strip_prefix("0.") {
        Some(digits) => format!("{}.{digits}s", whole.trim_end_matches('s')),
        None => whole,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read_as_go_reads_them() {
        for (text, milliseconds) in [
            ("0", Some(0)),
            ("0s", Some(0)),
            ("90s", Some(90_000)),
            ("+1m30s", Some(90_000)),
            ("1.5m", Some(90_000)),
            (".5s", Some(500)),
            ("1.s", Some(1_000)),
            ("250ms", Some(250)),
            ("5000µs", Some(5)),
            ("2h", Some(7_200_000)),
            ("", None),
            ("+", None),
            ("90", None),
            ("s", None),
            (".s", None),
            ("1.2.3s", None),
            ("-5s", None),
            ("5s-5s", None),
            ("5 s", None),
            ("1d", None),
            ("99999999999999999999h", None),
            ("9999999h", None),
        ] {
            assert_eq!(parse(text), milliseconds.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn seconds_are_written_as_go_writes_them() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (90, "1m30s"),
            (180, "3m0s"),
            (3600, "1h0m0s"),
        ] {
            assert_eq!(of_seconds(seconds), text);
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)));
        }
    }

    #[test]
    fn parts_of_a_second_are_written_as_go_writes_them() {
        for written in [
            "1.5s",
            "1m0.25s",
            "250ms",
            "1.5ms",
            "20µs",
            "1ns",
            "0s",
            "3.000000001s",
        ] {
            assert_eq!(text(parse(written).unwrap()), written);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_nothing_panics(seconds in 0_u64..10_000_000, text in "[0-9.smhnuµ+-]{0,24}") {
            prop_assert_eq!(parse(&of_seconds(seconds)), Some(Duration::from_secs(seconds)));
            let _ = parse(&text);
        }
    }
}
