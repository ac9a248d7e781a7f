//! Which content codings a caller takes (RFC 9110 section 12.5.3). Claviger knows two: as it is, which is always a right
//! answer, and gzip. What is unclear counts for the former.

use http::{HeaderMap, HeaderValue, header};

/// A content coding that Claviger can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Identity,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// The coding of an answer with these headers; `None` for one that Claviger cannot read.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
        match (codings.next().map(HeaderValue::as_bytes), codings.next()) {
            (None, _) => Some(Self::Identity),
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"identity") => Some(Self::Identity),
            (Some(coding), None) if is_gzip(coding) => Some(Self::Gzip),
            _ => None,
        }
    }

    /// For `Accept-Encoding`.
    pub fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
        })
    }
}

/// Whether a caller with these headers would rather have an answer in gzip than as it is. One without `Accept-Encoding` would
/// not: hardly a client leaves it out and decompresses.
pub fn prefers_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    for value in headers.get_all(header::ACCEPT_ENCODING) {
        for member in value.as_bytes().split(|byte| *byte == b',') {
            let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let coding = parts.next().unwrap_or_default();
            let place = match coding {
                b"*" => &mut any,
                _ if is_gzip(coding) => &mut gzip,
                _ if coding.eq_ignore_ascii_case(b"identity") => &mut identity,
                _ => continue,
            };
            let weight = weight(parts);
            // Of one that is there twice, the less counts.
            *place = Some(place.map_or(weight, |before: u16| before.min(weight)));
        }
    }
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && gzip >= identity.or(any).unwrap_or(0)
}

fn is_gzip(coding: &[u8]) -> bool {
    coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip")
}

/// In thousandths (RFC 9110 section 12.4.2); 0 for what is none.
fn weight<'a>(mut parameters: impl Iterator<Item = &'a [u8]>) -> u16 {
    let Some(parameter) = parameters.next() else { return 1000 };
    let (Some(b'q' | b'Q'), Some(b'='), None) = (parameter.first(), parameter.get(1), parameters.next())
    else {
        return 0;
    };
    match &parameter[2..] {
        [b'1'] => 1000,
        [b'1', b'.', zeros @ ..] if zeros.len() <= 3 && zeros.iter().all(|digit| *digit == b'0') => 1000,
        [b'0'] => 0,
        [b'0', b'.', digits @ ..] if digits.len() <= 3 && digits.iter().all(u8::is_ascii_digit) => {
            [100, 10, 1].iter().zip(digits).map(|(unit, digit)| unit * u16::from(digit - b'0')).sum()
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(values: &[&str]) -> bool {
        let value = |value: &&str| (header::ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap());
        prefers_gzip(&values.iter().map(value).collect())
    }

    #[test]
    fn gzip_is_for_whom_it_is_acceptable_and_not_less_welcome_than_no_coding() {
        for yes in [
            &["gzip"][..],
            &["GZip"],
            &["x-gzip"],
            &["gzip, deflate, br, zstd"],
            &["br;q=1.0, gzip;q=0.8, *;q=0.1"],
            &["br, *"],
            &["*;q=0.5"],
            &["deflate", "gzip"],
            &["gzip;q=0.001"],
            &["gzip ; q=1.000 , identity;q=0"],
            &["gzip;Q=0.5, identity;q=0.5"],
            &["*;q=0, gzip"],
            &[",, gzip ,"],
            &["identity;q=0, *"],
        ] {
            assert!(takes(yes), "{yes:?}");
        }
        for no in [
            &[][..],
            &[""],
            &["identity"],
            &["br"],
            &["deflate, br"],
            &["gzip;q=0"],
            &["gzip;q=0.000"],
            &["gzip;q=0, *"],
            &["*;q=0"],
            &["*;q=0, br"],
            &["identity, gzip;q=0.5"],
            &["gzip;q=0.5, *;q=0.8"],
            &["gzip, gzip;q=0"],
            &["gzip", "gzip;q=0"],
            &["gzip;q=1.001"],
            &["gzip;q=2"],
            &["gzip;q=-1"],
            &["gzip;q=.5"],
            &["gzip;q=0.0001"],
            &["gzip;q="],
            &["gzip;q"],
            &["gzip;level=1"],
            &["gzip;q=1;x=y"],
            &["gzipped"],
            &["identity;q=0"],
        ] {
            assert!(!takes(no), "{no:?}");
        }
    }

    #[test]
    fn one_coding_is_read_and_no_other() {
        let of = |values: &[&str]| {
            let value = |value: &&str| (header::CONTENT_ENCODING, HeaderValue::from_str(value).unwrap());
            Coding::of(&values.iter().map(value).collect())
        };
        assert_eq!(of(&[]), Some(Coding::Identity));
        assert_eq!(of(&["Identity"]), Some(Coding::Identity));
        for gzip in ["gzip", "GZIP", "x-gzip"] {
            assert_eq!(of(&[gzip]), Some(Coding::Gzip));
        }
        for other in [
            &["br"][..],
            &["deflate"],
            &["gzip, gzip"],
            &["gzip", "gzip"],
            &["identity", "gzip"],
            &[""],
            &["gzip,"],
        ] {
            assert_eq!(of(other), None, "{other:?}");
        }
    }
}
