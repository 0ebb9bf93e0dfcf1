//! When an X.509 certificate is in force. Reads the two times of RFC 5280 section 4.1.2.5 and nothing else of it.

use std::time::Duration;

use tokio_rustls::rustls::pki_types::CertificateDer;

/// A time, as it is since the start of 1970 in UTC.
pub(super) type Time = Duration;

const DAY: Duration = Duration::from_hours(24);

/// When a certificate is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    /// The first second.
    pub(super) from: Time,
    /// The last second.
    pub(super) until: Time,
}

impl Validity {
    /// Reads it from `certificate`; `None` if that is no certificate.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, fields, _) = element(certificate)?;
        let (_, mut fields, _) = element(fields)?;
        if let (VERSION, _, rest) = element(fields)? {
            fields = rest;
        }
        for _skipped in ["serialNumber", "signature", "issuer"] {
            (_, _, fields) = element(fields)?;
        }
        let (_, times, _) = element(fields)?;
        let (kind, from, rest) = element(times)?;
        let from = time(kind, from)?;
        let (kind, until, _) = element(rest)?;
        let until = time(kind, until)?;
        Some(Self { from, until })
    }

    /// Whether `now` is within.
    pub(super) fn covers(self, now: Time) -> bool {
        self.from <= now && now <= self.until
    }
}

/// Tags of DER, X.690 section 8.1.2.
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The first element of `der`: its tag, its contents, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        // The long form: so many bytes of length follow. More than four would be longer than any certificate.
        let bytes = usize::from(first & 0x7f);
        let (length, rest) = rest.split_at_checked(bytes).filter(|_| bytes <= 4)?;
        (
            length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
            rest,
        )
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn time(tag: u8, text: &[u8]) -> Option<Time> {
    let digits = text.strip_suffix(b"Z")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |digits: &[u8]| {
        digits
            .iter()
            .fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0'))
    };
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year = number(year);
            // RFC 5280 section 4.1.2.5.1: 50 and above is the last century.
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (number(year), rest)
        }
        _ => return None,
    };
    let (pairs, []) = rest.as_chunks::<2>() else {
        return None;
    };
    let [month, day, hour, minute, second] = *pairs.iter().map(|pair| number(pair)).collect::<Vec<_>>()
    else {
        return None;
    };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = u64::from(hour * 3600 + minute * 60 + second);
    Some(DAY * days(year, month, day)? + Duration::from_secs(seconds))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March here, so that a leap day is the last.
fn days(year: u32, month: u32, day: u32) -> Option<u32> {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year.checked_sub(1)?, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let before_march_1970 = 719_468; // days from 0000-03-01 to 1970-01-01
    (365 * year + leap_days + (153 * month + 2) / 5 + day - 1).checked_sub(before_march_1970)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_both_kinds_are_seconds_since_1970() {
        for (tag, text, seconds) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "261121064610Z", Some(1_795_243_570)),
            (UTC_TIME, "000229235959Z", Some(951_868_799)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "21000301000000Z", Some(4_107_542_400)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (GENERALIZED_TIME, "19691231235959Z", None),
            (UTC_TIME, "261321064610Z", None),
            (UTC_TIME, "26112106461Z", None),
            (UTC_TIME, "261121064610", None),
            (UTC_TIME, "2611210646-1Z", None),
            (UTC_TIME, "Z", None),
            (0x04, "261121064610Z", None),
        ] {
            let got = time(tag, text.as_bytes()).map(|time| time.as_secs());
            assert_eq!(got, seconds, "{text}");
        }
    }

    #[test]
    fn a_certificate_says_when_it_is_in_force() {
        let mut params = rcgen::CertificateParams::new(["x".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 11, 21);
        params.not_after = rcgen::date_time_ymd(2051, 1, 1);
        let made = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let expected = Validity {
            from: DAY * 20_778,
            until: DAY * 29_585,
        };
        assert_eq!(Validity::of(made.der()), Some(expected));
    }

    proptest::proptest! {
        #[test]
        fn rubbish_is_no_certificate(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let _ = Validity::of(&CertificateDer::from(bytes));
        }
    }
}
