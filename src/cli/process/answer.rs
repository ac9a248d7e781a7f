//! The answer of whoever listens at an address, and whether it is Claviger. A server that answers is not yet the one that was meant:
//! each answer of the admin listener says whose it is.

use std::io;

use crate::{config::Address, headers};

/// What to do where something else was asked.
pub(super) const NAME_ADMIN: &str = "name the admin listener (listen.admin), such as 127.0.0.1:3601";

/// What it said.
#[derive(Debug)]
pub(in crate::cli) struct Answer {
    pub(in crate::cli) status: u16,
    pub(in crate::cli) body: String,
    /// Whether the admin listener says so.
    is_own: bool,
}

impl Answer {
    /// The last line of a refusal.
    pub(in crate::cli) fn last_line(&self) -> &str {
        self.body.lines().last().unwrap_or("no answer")
    }

    /// What to say where it is the proxy that was asked: its errors are of this type.
    pub(in crate::cli) fn of_proxy(&self, address: &Address) -> Option<String> {
        let json: serde_json::Value = serde_json::from_str(&self.body).ok()?;
        let is_problem = self.status >= 400 && json["type"].as_str()?.starts_with("urn:claviger:error:");
        (is_problem && !self.is_own)
            .then(|| format!("{address} is where the proxy listens (listen.proxy); {NAME_ADMIN}"))
    }

    /// One that came in parts.
    ///
    /// # Errors
    /// When it is not Claviger's.
    pub(super) fn of_parts(status: u16, is_own: bool, body: String, address: &Address) -> io::Result<Self> {
        let answer = Self { status, body, is_own };
        if is_own || answer.of_proxy(address).is_some() { Ok(answer) } else { Err(strange()) }
    }

    /// Reads a whole one.
    ///
    /// # Errors
    /// When it is not Claviger's, or not whole.
    pub(super) fn parse(text: &str, address: &Address) -> io::Result<Self> {
        if text.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (head, body) = text.split_once("\r\n\r\n").ok_or_else(strange)?;
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.ok_or_else(strange)?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        let is_own = head.lines().any(is_of_claviger);
        match length {
            Some(length) if length == body.len() => Self::of_parts(status, is_own, body.to_owned(), address),
            _ if is_own => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Err(strange()),
        }
    }
}

/// Whether this line of a head is what the admin listener puts into each of its answers.
pub(super) fn is_of_claviger(line: &str) -> bool {
    line.split_once(':').is_some_and(|(name, value)| {
        name.eq_ignore_ascii_case("server") && value.trim().as_bytes() == headers::CLAVIGER.as_bytes()
    })
}

/// Somebody else listens there.
pub(super) fn strange() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("what answers there is not Claviger: {NAME_ADMIN}"))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::Answer;
    use crate::config::Address;

    fn parsed(text: &str) -> std::io::Result<Answer> {
        Answer::parse(text, &Address::Tcp(([127, 0, 0, 1], 3601).into()))
    }

    #[test]
    fn half_an_answer_is_none() {
        let whole = "HTTP/1.1 200 OK\r\nServer: claviger\r\nContent-Length: 3\r\n\r\nok\n";
        let answer = parsed(whole).unwrap();
        assert_eq!((answer.status, answer.last_line()), (200, "ok"));
        for (bad, kind) in [
            ("", ErrorKind::UnexpectedEof),
            (&whole[..whole.len() - 1], ErrorKind::UnexpectedEof),
            ("HTTP/1.1 200 OK\r\n\r\nok", ErrorKind::InvalidData),
            ("SSH-2.0-x\r\n\r\n", ErrorKind::InvalidData),
            ("HTTP/1.1 2", ErrorKind::InvalidData),
        ] {
            assert_eq!(parsed(bad).unwrap_err().kind(), kind, "{bad:?}");
        }
    }

    #[test]
    fn an_answer_of_another_server_is_none() {
        for server in ["", "Server: nginx\r\n", "Server: claviger-like\r\n", "X-Server: claviger\r\n"] {
            for (status, body) in [("200 OK", "ok\n"), ("404 Not Found", "{\"type\":\"urn:other:error:x\"}")]
            {
                let text =
                    format!("HTTP/1.1 {status}\r\n{server}Content-Length: {}\r\n\r\n{body}", body.len());
                assert_eq!(parsed(&text).unwrap_err().kind(), ErrorKind::InvalidData, "{text}");
            }
        }
        // The proxy's refusals are told apart, to say so.
        let body = "{\"type\":\"urn:claviger:error:unknown_path\"}";
        let text = format!("HTTP/1.1 404 Not Found\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let address = Address::Tcp(([127, 0, 0, 1], 3600).into());
        assert!(parsed(&text).unwrap().of_proxy(&address).unwrap().contains("where the proxy listens"));
    }
}
