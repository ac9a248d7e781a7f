//! Numbers on the command line: what is none is told what to write, in the words of the option.

use std::ops::RangeInclusive;

/// One in this range.
pub(super) fn within(text: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    let (least, most) = (range.start(), range.end());
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("write a number from {least} to {most}"))
}

/// Whatever there is room for.
pub(super) fn any(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "write a whole number, such as 1".to_owned())
}

/// Whole seconds, without a unit: a hundred years at the most.
#[cfg(any(test, feature = "emulator"))]
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    const MOST: u64 = 100 * 365 * 24 * 60 * 60;
    within(text, 1..=MOST).map_err(|_| match humantime::parse_duration(text) {
        Ok(written) if (1..=MOST).contains(&written.as_secs()) => {
            format!("write it in seconds, without a unit: {}", written.as_secs())
        }
        _ => format!("write whole seconds, from 1 to {MOST}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_told_what_to_write() {
        assert_eq!(within("20000", 0..=20_000), Ok(20_000));
        for text in ["-1", "100000000000", "", "many", "99999999999999999999999"] {
            assert_eq!(within(text, 0..=20_000).unwrap_err(), "write a number from 0 to 20000", "{text}");
        }
        assert_eq!(any("18446744073709551615"), Ok(u64::MAX));
        for text in ["abc", "-1", "1.5"] {
            assert_eq!(any(text).unwrap_err(), "write a whole number, such as 1", "{text}");
        }
        assert_eq!(seconds("10"), Ok(10));
        assert_eq!(seconds("10s").unwrap_err(), "write it in seconds, without a unit: 10");
        assert_eq!(seconds("1h").unwrap_err(), "write it in seconds, without a unit: 3600");
        for text in ["0", "-1", "soon", "0s"] {
            assert_eq!(seconds(text).unwrap_err(), "write whole seconds, from 1 to 3153600000", "{text}");
        }
    }
}
