//! The types that are written as text: durations, sizes and words. A value is quoted in a message
//! only where it cannot be a secret.

use std::{path::PathBuf, time::Duration};

use schemars::{Schema, json_schema};

use crate::{
    config::{
        from_text::FromText,
        issuer::Algorithm,
        pattern,
        problem::{Mistake, nearest, quoted},
    },
    secret::Digest,
};

impl FromText for String {
    const WANTED: &'static str = "text";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        Ok(text.into())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl FromText for PathBuf {
    const WANTED: &'static str = "a path";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        if text.is_empty() {
            return Err(Mistake::new("the path is empty", "Write the path of a file."));
        }
        if text.ends_with('/') {
            return Err(Mistake::new(
                "the path ends with a slash, so it is a directory's",
                "Name a file in it.",
            ));
        }
        Ok(text.into())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl FromText for bool {
    const WANTED: &'static str = "true or false";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Mistake::new(
                format!("{} is neither true nor false", quoted(text)),
                "Write true or false.",
            )),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "boolean" })
    }
}

/// What may be written where the key has no range of its own.
pub(in crate::config) const WHOLE_NUMBERS: &str = "Write a whole number from 0 to 18446744073709551615.";
/// The same of durations and sizes.
pub(in crate::config) const DURATIONS: &str = "Write a shorter one, such as \"1d\".";
/// The same of what is no duration at all.
pub(in crate::config) const UNITS: &str =
    "Write a number with a unit, such as \"10s\", \"500ms\" or \"1m 30s\".";
pub(in crate::config) const SIZES: &str = "Write a size of at most 18446744073709551615 bytes.";

impl FromText for u64 {
    const WANTED: &'static str = "a whole number";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        let digits = text.trim().replace('_', "");
        digits.parse().map_err(|_| {
            let number = digits.strip_prefix('-').unwrap_or(&digits);
            if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
                return Mistake::new(format!("{} is out of range", quoted(text)), WHOLE_NUMBERS);
            }
            Mistake::new(
                format!("{} is not a whole number", quoted(text)),
                "Write digits alone, such as 100.",
            )
        })
    }

    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": 0 })
    }
}

impl FromText for f64 {
    const WANTED: &'static str = "a number";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        match text.trim().replace('_', "").parse::<Self>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(Mistake::new(
                format!("{} is not a number", quoted(text)),
                "Write a fraction such as 0.8.",
            )),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "number" })
    }
}

impl FromText for Duration {
    const WANTED: &'static str = "a duration";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        let text = text.trim();
        if text != "0" && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Mistake::new(
                format!("the duration {} has no unit", quoted(text)),
                format!(
                    "Write \"{0}s\" for seconds or \"{0}ms\" for milliseconds.",
                    text.get(..12).unwrap_or(text)
                ),
            ));
        }
        humantime::parse_duration(text).map_err(|error| {
            if matches!(error, humantime::DurationError::NumberOverflow) {
                return Mistake::new(format!("{} is out of range", quoted(text)), DURATIONS);
            }
            Mistake::new(format!("{} is not a duration", quoted(text)), UNITS)
        })
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": pattern::DURATION, "examples": ["10s", "500ms", "1m 30s"] })
    }
}

/// A number of bytes.
pub(in crate::config) struct Size(pub(in crate::config) u64);

impl FromText for Size {
    const WANTED: &'static str = "a size";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        let mistake = || {
            Mistake::new(
                format!("{} is not a size", quoted(text)),
                "Write a number of bytes, or a number with a unit, such as \"64KiB\" or \"1MiB\".",
            )
        };
        let compact: String = text.chars().filter(|c| !c.is_whitespace() && *c != '_').collect();
        let end = compact.find(|c: char| !c.is_ascii_digit()).unwrap_or(compact.len());
        let (number, unit) = compact.split_at(end);
        let factor: u64 = match unit {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(mistake()),
        };
        if number.is_empty() {
            return Err(mistake());
        }
        let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        bytes.map(Self).ok_or_else(|| Mistake::new(format!("{} is out of range", quoted(text)), SIZES))
    }

    fn schema() -> Schema {
        json_schema!({ "type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9_ ]+(B|KiB|MiB|GiB)?$" })
    }
}

/// Permission bits.
pub(in crate::config) struct Mode(pub(in crate::config) u32);

impl FromText for Mode {
    const WANTED: &'static str = "permission bits";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        let digits = text.trim().trim_start_matches("0o");
        match u32::from_str_radix(digits, 8) {
            Ok(mode) if mode <= 0o777 => Ok(Self(mode)),
            _ => Err(Mistake::new(
                format!("{} are not permission bits", quoted(text)),
                "Write them in octal, such as \"0660\".",
            )),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": ["string", "integer"], "pattern": pattern::MODE, "examples": ["0660"] })
    }
}

/// A value that only says that something is switched off.
pub(in crate::config) struct Off;

impl FromText for Off {
    const WANTED: &'static str = "a rate";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        if text == "off" {
            return Ok(Self);
        }
        let remedy = format!("Write {}, or \"off\".", rate_in(text));
        Err(Mistake::new(format!("{} is not {}", quoted(text), Self::WANTED), remedy))
    }

    fn schema() -> Schema {
        json_schema!({ "enum": ["off"] })
    }
}

/// A condition that only says that a parameter must not be given.
pub(in crate::config) struct Forbidden;

impl FromText for Forbidden {
    const WANTED: &'static str = "a condition";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        if text == "forbidden" {
            return Ok(Self);
        }
        // Not quoted: what stands in a place of its own choice may be a secret.
        let what = "this is not what can be asked of a parameter";
        Err(Mistake::new(what, "Write \"forbidden\", or a table such as { max = 50 }."))
    }

    fn schema() -> Schema {
        json_schema!({ "enum": ["forbidden"] })
    }
}

/// The rate that was meant by a text such as "100 per 10s" or "5/s", or else an example, as it is to be written.
fn rate_in(text: &str) -> String {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (requests, rest) = text.split_at(end);
    let rest = rest.trim_start();
    let per = rest.strip_prefix('/').or_else(|| rest.strip_prefix("per ")).unwrap_or_default().trim();
    let per = if per.starts_with(|c: char| c.is_ascii_digit()) { per.to_owned() } else { format!("1{per}") };
    let shown = match humantime::parse_duration(&per) {
        Ok(_) if (1..=7).contains(&requests.len()) && per.len() < 20 => (requests, per.as_str()),
        _ => ("100", "10s"),
    };
    format!("{{ requests = {}, per = \"{}\" }}", shown.0, shown.1)
}

/// The SHA-256 of an API key.
pub(in crate::config) struct HexDigest(pub(in crate::config) Digest);

impl FromText for HexDigest {
    const WANTED: &'static str = "64 hexadecimal digits";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        // Not quoted: it may be the key itself.
        Digest::from_hex(text.trim()).map(Self).ok_or_else(|| {
            Mistake::new(
                "this is not a SHA-256 in 64 hexadecimal digits",
                "Print one with: printf %s \"$KEY\" | sha256sum",
            )
        })
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9a-fA-F]{64}$" })
    }
}

impl FromText for Algorithm {
    const WANTED: &'static str = "the name of a signature algorithm";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        if let Some(algorithm) = Self::parse(text) {
            return Ok(algorithm);
        }
        let upper = text.to_ascii_uppercase();
        if upper == "NONE" {
            let what = "a token without a signature proves nothing, so \"none\" is not accepted";
            return Err(Mistake::new(what, "Take it out."));
        }
        if upper.starts_with("HS") {
            let what = format!(
                "{} signs with a shared secret: whoever can verify such a token can make one",
                quoted(text)
            );
            return Err(Mistake::new(what, "Let the issuer sign with RS256, ES256 or EdDSA."));
        }
        let known = Self::ALL.map(Self::as_str);
        let remedy = match nearest(text, known) {
            Some(near) => format!("Did you mean \"{near}\"?"),
            None => format!("There are: {}.", known.join(", ")),
        };
        Err(Mistake::new(format!("{} is not a signature algorithm known here", quoted(text)), remedy))
    }

    fn schema() -> Schema {
        json_schema!({ "enum": Self::ALL.map(Self::as_str) })
    }
}

/// A rule of a list where no rule has conditions.
pub(in crate::config) struct Unconditional(pub(in crate::config) String);

impl FromText for Unconditional {
    const WANTED: &'static str = "a rule without conditions";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        Ok(Self(text.into()))
    }

    fn schema() -> Schema {
        String::schema()
    }
}
