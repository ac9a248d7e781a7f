//! A kept answer as bytes, to be sealed and kept where replicas share it: format, whether it was masked, status, headers and
//! body. What is read again was written here: whoever keeps the bytes authenticates them.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use zeroize::Zeroizing;

use super::{KeptAnswer, WholeAnswer};

const FORMAT: u8 = 1;

impl KeptAnswer {
    /// All of it; `None` where a header is longer than any that was received.
    pub fn to_bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        let (headers, data) = (self.answer.headers(), self.answer.data());
        // Room for the seal as well: growing would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.size() + 64));
        bytes.extend_from_slice(&[FORMAT, u8::from(self.is_masked)]);
        bytes.extend_from_slice(&self.status().as_u16().to_be_bytes());
        bytes.extend_from_slice(&u16::try_from(headers.len()).ok()?.to_be_bytes());
        for part in headers.iter().flat_map(|(name, value)| [name.as_ref(), value.as_bytes()]) {
            bytes.extend_from_slice(&u16::try_from(part.len()).ok()?.to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(&data);
        Some(bytes)
    }

    /// What [`KeptAnswer::to_bytes`] wrote; `None` of anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ([FORMAT, masked @ (0 | 1)], mut rest) = bytes.split_first_chunk()? else { return None };
        let status = StatusCode::from_u16(number(&mut rest)?).ok()?;
        let mut headers = HeaderMap::new();
        for _ in 0..number(&mut rest)? {
            let name = HeaderName::from_bytes(part(&mut rest)?).ok()?;
            headers.try_append(name, HeaderValue::from_bytes(part(&mut rest)?).ok()?).ok()?;
        }
        let answer = WholeAnswer::resting(status, headers, Bytes::copy_from_slice(rest));
        Some(Self { answer, is_masked: *masked == 1 })
    }
}

fn number(bytes: &mut &[u8]) -> Option<u16> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u16::from_be_bytes(*number))
}

fn part<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = number(bytes)?;
    let (part, rest) = bytes.split_at_checked(length.into())?;
    *bytes = rest;
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written_and_nothing_else_is() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("content-type", "application/json"), ("x-a", "1"), ("x-a", "2"), ("x-b", "")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        for (is_masked, body) in [(true, &b"{\"a\":1}"[..]), (false, b"")] {
            let answer = WholeAnswer::of(StatusCode::CREATED, headers.clone(), Bytes::from_static(body));
            let bytes = KeptAnswer { answer, is_masked }.to_bytes().unwrap();
            let read = KeptAnswer::from_bytes(&bytes).unwrap();
            assert_eq!((read.status(), read.is_masked), (StatusCode::CREATED, is_masked));
            assert_eq!((read.answer.headers(), &*read.answer.data()), (&headers, body));
            for end in 0..bytes.len() - body.len() {
                assert!(KeptAnswer::from_bytes(&bytes[..end]).is_none(), "{end}");
            }
            for (at, wrong) in [(0, 2), (1, 2), (3, 0), (6, 0xff)] {
                let mut damaged = bytes.to_vec();
                damaged[at] = wrong;
                assert!(KeptAnswer::from_bytes(&damaged).is_none(), "{at}");
            }
        }
    }
}
