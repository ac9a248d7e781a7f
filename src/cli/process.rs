//! The running process: where its admin listener is, and how to send it a request.

mod answer;

use std::{
    io::{self, BufRead as _, Read, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    process::ExitCode,
    time::Duration,
};

pub(super) use self::answer::Answer;
use self::answer::{NAME_ADMIN, is_of_claviger, strange};
use crate::{
    config::{Address, Loaded, Problem, Problems},
    secret::Secret,
};

const PATIENCE: Duration = Duration::from_secs(2);
/// More than any answer has.
const MAX_ANSWER: u64 = 16 * 1024 * 1024;

trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// A process, by its admin listener.
#[derive(Clone)]
pub(super) struct Process {
    /// Where it listens.
    pub(super) address: Address,
    /// `admin.token`, as far as it is known here.
    token: Option<Secret>,
    /// Why it is not known here, though it is configured.
    no_token: Option<Box<Problem>>,
}

impl Process {
    /// The one at the address that was said, else the one that these files configure: for what is open to everybody.
    pub(super) fn find(sources: &super::Sources, said: Option<Address>) -> Result<Self, ExitCode> {
        match said {
            Some(address) => Ok(Self { address, token: None, no_token: None }),
            None => Self::with_token(sources, None),
        }
    }

    /// The same, with the token that it asks for, which is looked for in these files.
    pub(super) fn with_token(sources: &super::Sources, said: Option<Address>) -> Result<Self, ExitCode> {
        // Who asks a process may have none of the other secrets.
        let loaded = super::load_policy(&sources.paths);
        let no_token = no_token(&loaded);
        let (configured, token) = match loaded.map(|loaded| loaded.config) {
            Ok(config) => (config.listen.admin, config.admin.token),
            // A bad edit of the file says nothing about the process, which goes on with the old one.
            Err(problems) => {
                let address = address_of(&problems);
                if said.is_none() {
                    let why = match &*problems.files {
                        [] => "there is no configuration file here",
                        _ => "the configuration is invalid now (see `claviger check`)",
                    };
                    tell!("claviger: {why}; asking {address}");
                }
                (Some(address), problems.admin_token)
            }
        };
        match said.or(configured) {
            Some(address) => Ok(Self { address, token, no_token }),
            None => Err(super::fail("listen.admin is \"off\": there is nothing to ask")),
        }
    }

    /// The same, which may be nobody, and is not worth a word where it is: for who can do without.
    pub(super) fn quietly(sources: &super::Sources, said: Option<Address>) -> Option<Self> {
        let loaded = super::load_policy(&sources.paths);
        let no_token = no_token(&loaded);
        let (configured, token) = match loaded.map(|loaded| loaded.config) {
            Ok(config) => (config.listen.admin, config.admin.token),
            Err(problems) => (Some(address_of(&problems)), problems.admin_token),
        };
        said.or(configured).map(|address| Self { address, token, no_token })
    }

    /// Whether what is sent to it stays on this machine.
    pub(super) fn is_on_this_machine(&self) -> bool {
        match &self.address {
            Address::Tcp(address) => reachable(*address).ip().is_loopback(),
            Address::Unix(_) => true,
        }
    }

    /// Whether requests to it bear `admin.token`.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Why `admin.token` is not known here, though it is configured.
    pub(super) fn no_token(&self) -> Option<&Problem> {
        self.no_token.as_deref()
    }

    /// What its 401 means here.
    pub(super) fn unauthorized(&self) -> String {
        let address = &self.address;
        match (self.no_token(), self.has_token()) {
            (Some(why), _) => format!(
                "{address} asks for admin.token, and the one that is configured here cannot be used: {why}"
            ),
            (None, true) => format!(
                "{address} does not accept the admin.token that is configured here; was it changed after the process started, or does \
                 another process listen there?"
            ),
            (None, false) => format!(
                "{address} asks for admin.token, and the configuration here has none: set CLAVIGER_ADMIN__TOKEN, or run this \
                 where ./claviger.toml or /etc/claviger/claviger.toml has it"
            ),
        }
    }

    /// An answer that is none to what was asked.
    pub(super) fn refusal(&self, answer: &Answer) -> String {
        match (answer.of_proxy(&self.address), answer.status) {
            (Some(proxy), _) => proxy,
            (None, 401) => self.unauthorized(),
            (None, _) => format!("{}: {}", self.address, answer.last_line()),
        }
    }

    /// Asks it, without a body.
    pub(super) fn ask(&self, method: &str, target: &str) -> io::Result<Answer> {
        self.send(method, target, "", PATIENCE)
    }

    /// Asks it, and waits as long for the answer.
    pub(super) fn send(
        &self,
        method: &str,
        target: &str,
        body: &str,
        patience: Duration,
    ) -> io::Result<Answer> {
        let mut stream = self.connect(patience)?;
        let sent = write!(stream, "{method} {target} HTTP/1.1\r\nConnection: close\r\n");
        let sent = sent.and_then(|()| self.rest(&mut stream, body));
        // A refusal may come, and the connection end, before the body was taken.
        let mut answer = Vec::new();
        let read = stream.take(MAX_ANSWER).read_to_end(&mut answer);
        match Answer::parse(&String::from_utf8_lossy(&answer), &self.address) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                sent.and(read)?;
                Err(error)
            }
            answer => answer,
        }
    }

    /// Asks it for an answer of lines, and hands each on as it comes; returns the status, and what is no line of such an
    /// answer. Between two of them it waits as long.
    pub(super) fn watch(
        &self,
        target: &str,
        body: &str,
        patience: Duration,
        each: &mut dyn FnMut(&str),
    ) -> io::Result<Answer> {
        let mut stream = self.connect(patience)?;
        // By HTTP/1.0 lines come as they are, and end with the connection.
        write!(stream, "POST {target} HTTP/1.0\r\nAccept: application/x-ndjson\r\n")?;
        self.rest(&mut stream, body)?;
        let mut lines = io::BufReader::new(stream.take(MAX_ANSWER)).lines();
        let status = lines.next().transpose()?.unwrap_or_default();
        let status = status.strip_prefix("HTTP/1.0 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status: u16 = status.ok_or_else(strange)?;
        let (mut is_lines, mut is_own) = (false, false);
        for header in lines.by_ref() {
            match header?.to_ascii_lowercase() {
                end if end.is_empty() => break,
                kind if kind.starts_with("content-type:") => is_lines = kind.contains("ndjson"),
                line => is_own |= is_of_claviger(&line),
            }
        }
        let mut rest = String::new();
        for line in lines {
            let line = line?;
            if is_lines && is_own {
                each(&line);
            } else {
                rest = rest + &line + "\n";
            }
        }
        Answer::of_parts(status, is_own, rest, &self.address)
    }

    /// Why there is no answer, and what to look at.
    pub(super) fn unreachable(&self, error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!(
                    "{}: no answer in time; the process there hangs, is overloaded, or is not Claviger",
                    self.address
                )
            }
            io::ErrorKind::InvalidData => format!("{}: {error}", self.address),
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => {
                format!(
                    "{}: the connection ended without a whole answer; if another service listens there, {NAME_ADMIN}",
                    self.address
                )
            }
            _ if matches!(&self.address, Address::Tcp(address) if address.port() == 0) => format!(
                "{}: claviger serve took a free port when it started: write --address with the one in the line `ready` of its log",
                self.address
            ),
            _ => format!("{}: {error}; is `claviger serve` running?", self.address),
        }
    }

    /// Within the time that anybody is given; it waits as long for what it reads and writes then.
    fn connect(&self, patience: Duration) -> io::Result<Box<dyn Stream>> {
        Ok(match &self.address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect_timeout(&reachable(*address), PATIENCE)?;
                stream.set_read_timeout(Some(patience))?;
                stream.set_write_timeout(Some(patience))?;
                Box::new(stream)
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(patience))?;
                stream.set_write_timeout(Some(patience))?;
                Box::new(stream)
            }
        })
    }

    /// What every request has behind its first line.
    fn rest(&self, stream: &mut dyn Write, body: &str) -> io::Result<()> {
        write!(stream, "Host: localhost\r\nContent-Length: {}\r\n", body.len())?;
        if let Some(token) = self.token.as_ref().and_then(|token| token.header("Bearer ").ok()) {
            stream.write_all(b"Authorization: ")?;
            stream.write_all(token.as_bytes())?;
            stream.write_all(b"\r\n")?;
        }
        stream.write_all(b"\r\n")?;
        stream.write_all(body.as_bytes())
    }
}

/// What is wrong with `admin.token`, where that is why it is not known.
fn no_token(loaded: &Result<Loaded, Problems>) -> Option<Box<Problem>> {
    let is_token = |problem: &&Problem| problem.key == "admin.token";
    let found = match loaded {
        Ok(loaded) => loaded.absent.iter().find(is_token),
        Err(problems) => problems.problems.iter().chain(&problems.warnings).find(is_token),
    };
    found.cloned().map(Box::new)
}

/// Where the process may be whose configuration has become invalid.
fn address_of(problems: &Problems) -> Address {
    problems.admin.as_deref().cloned().unwrap_or(Address::Tcp(([127, 0, 0, 1], 3601).into()))
}

pub(super) fn parse_address(text: &str) -> Result<Address, String> {
    match text.strip_prefix("unix:") {
        Some(path) => Ok(Address::Unix(path.into())),
        None if text.starts_with('/') => Err(format!("write unix:{text}")),
        None => socket(text, 3601).map(Address::Tcp).map_err(|why| format!("{why}, or unix: and a path")),
    }
}

/// An IP address and a port. A port alone is not taken to be one: which address it would be on is worth being written.
#[cfg(any(test, feature = "emulator"))]
pub(super) fn parse_socket(text: &str) -> Result<SocketAddr, String> {
    socket(text, 3600)
}

/// Where that port would be an example.
fn socket(text: &str, example: u16) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
        let bare = bare.split('/').next().unwrap_or_default();
        let port = bare.strip_prefix("localhost:").or(bare.strip_prefix(':')).unwrap_or(bare);
        let named = bare.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        if let Ok(port) = port.parse::<u16>() {
            format!("write 127.0.0.1:{port}")
        } else if bare.parse::<SocketAddr>().is_ok() {
            format!("write {bare}")
        } else if let Ok(ip) = bare.trim_matches(['[', ']']).parse() {
            format!("write {}", SocketAddr::new(ip, example))
        } else if bare == "localhost" {
            format!("write 127.0.0.1:{example}")
        } else if let Some(port) = named {
            format!("host names are not looked up: write the IP address, as in 127.0.0.1:{port}")
        } else {
            format!("write an IP address and a port, such as 127.0.0.1:{example}")
        }
    })
}

/// A wildcard address is one to listen on, not to connect to.
pub(super) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::{parse_address, parse_socket};

    #[test]
    fn a_port_without_an_address_is_told_what_to_write() {
        for text in ["3001", ":3001", "localhost:3001"] {
            assert_eq!(parse_socket(text).unwrap_err(), "write 127.0.0.1:3001", "{text}");
            let why = parse_address(text).unwrap_err();
            assert_eq!(why, "write 127.0.0.1:3001, or unix: and a path", "{text}");
        }
        for (text, says) in [
            ("", "write an IP address and a port, such as 127.0.0.1:3600"),
            ("70000", "write an IP address and a port, such as 127.0.0.1:3600"),
            ("127.0.0.1", "write 127.0.0.1:3600"),
            ("[::1]", "write [::1]:3600"),
            (
                "logto.example:3001",
                "host names are not looked up: write the IP address, as in 127.0.0.1:3001",
            ),
            (
                "http://logto:3001/",
                "host names are not looked up: write the IP address, as in 127.0.0.1:3001",
            ),
            ("http://127.0.0.1:3001", "write 127.0.0.1:3001"),
            ("http://localhost:3001/livez", "write 127.0.0.1:3001"),
            ("http://localhost", "write 127.0.0.1:3600"),
        ] {
            assert_eq!(parse_socket(text).unwrap_err(), says, "{text}");
        }
        // Every command that asks a process asks its admin listener.
        for (text, says) in [
            ("localhost", "write 127.0.0.1:3601, or unix: and a path"),
            ("/run/claviger/admin.sock", "write unix:/run/claviger/admin.sock"),
            ("nowhere", "write an IP address and a port, such as 127.0.0.1:3601, or unix: and a path"),
        ] {
            assert_eq!(parse_address(text).unwrap_err(), says);
        }
        assert!(parse_socket("[::1]:0").is_ok() && parse_address("unix:/x").is_ok());
    }
}
