//! HTTP/1.1 by hand: sends what it is told, byte for byte, and reads what comes, whole or piece by piece.

use std::{io, net::SocketAddr, path::PathBuf};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
};

use super::{gzip::gunzip, tap::Tap, within};

/// A request. `Host` and `Content-Length` are added where they are missing and would be expected.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Whether an answer came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whole {
    Yes,
    No,
}

/// Where to connect to.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection. What it reads is kept.
pub(crate) struct Client {
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
    tap: Tap,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self { method: method.into(), target: target.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A POST of JSON.
    pub(crate) fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", target).body("application/json", body)
    }

    /// A POST of a form.
    pub(crate) fn form(target: &str, body: &str) -> Self {
        Self::new("POST", target).body("application/x-www-form-urlencoded", body)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("Claviger-Key", key)
    }

    pub(crate) fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        if content_type.is_empty() { self } else { self.header("Content-Type", content_type) }
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
    }

    /// The head alone, as it goes out.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.has("host") {
            head.push_str("Host: localhost\r\n");
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let writes = matches!(self.method.as_str(), "POST" | "PUT" | "PATCH");
        let framed = self.has("transfer-encoding") || self.has("content-length");
        if !framed && (writes || !self.body.is_empty()) {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        if self.has("transfer-encoding") {
            bytes.extend(format!("{:x}\r\n", self.body.len()).into_bytes());
            bytes.extend(&self.body);
            bytes.extend(b"\r\n0\r\n\r\n");
        } else {
            bytes.extend(&self.body);
        }
        bytes
    }
}

impl Answer {
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values(name).into_iter().next()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or(serde_json::Value::Null)
    }

    /// What the body says, decompressed where it came in gzip.
    pub(crate) fn plain(&self) -> Vec<u8> {
        if self.value("content-encoding") == Some("gzip") { gunzip(&self.body) } else { self.body.clone() }
    }

    /// Status and Claviger's code, which is empty for an answer of the upstream.
    pub(crate) fn outcome(&self) -> (u16, String) {
        let code = self.json()["code"]
            .as_str()
            .filter(|code| code.starts_with("claviger."))
            .unwrap_or_default()
            .to_owned();
        (self.status, code)
    }

    /// `Retry-After` in seconds.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.value("retry-after")?.parse().ok()
    }

    /// Fails unless this is Claviger's own answer with this status and code, in the form of the contract.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.outcome(), (status, format!("claviger.{code}")), "{self:?} {}", self.text());
        assert_eq!(self.value("content-type"), Some("application/problem+json"));
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["message"], problem["detail"]);
        assert_eq!(problem["instance"].as_str(), self.value("x-request-id"));
        assert!(self.value("proxy-status").is_some_and(|value| value.starts_with("claviger; error=")));
    }
}

impl Place {
    pub(crate) fn parse(text: &str) -> Self {
        match text.strip_prefix("unix:") {
            Some(path) => Self::Unix(path.into()),
            None => Self::Tcp(text.parse().expect("the program writes addresses")),
        }
    }

    /// Connects.
    pub(crate) async fn connect(&self, tap: Tap) -> io::Result<Client> {
        let stream: Box<dyn Stream> = match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
        };
        Ok(Client { stream, unread: Vec::new(), tap })
    }
}

impl Client {
    /// On a connection that is there already.
    pub(crate) fn over(stream: impl Stream + 'static, tap: Tap) -> Self {
        Self { stream: Box::new(stream), unread: Vec::new(), tap }
    }

    /// Sends a request and reads its answer. Must be answered.
    pub(crate) async fn ask(&mut self, request: &Request) -> Answer {
        let answer = self.try_ask(request).await;
        answer.unwrap_or_else(|error| panic!("{} {}: {error}", request.method, request.target))
    }

    /// Sends a request and reads its answer, if there is one.
    pub(crate) async fn try_ask(&mut self, request: &Request) -> io::Result<Answer> {
        let bytes = request.bytes();
        // An answer may come before the whole body has left.
        let written = self.write(&bytes).await;
        match self.read_answer(&request.method).await {
            Err(error) if written.is_ok() => Err(error),
            Err(_) => written.map(|()| unreachable!("it failed")),
            answer => answer,
        }
    }

    /// Sends bytes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        within("a write", self.stream.write_all(bytes)).await
    }

    /// Reads some more; 0 is the end.
    pub(crate) async fn read_more(&mut self) -> io::Result<usize> {
        self.unread.reserve(16 * 1024);
        within("bytes", self.stream.read_buf(&mut self.unread)).await
    }

    /// Takes what was read and not looked at.
    pub(crate) fn take_unread(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unread)
    }

    /// Reads to the end of the connection, which is either closed or reset.
    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        while let Ok(1..) = self.read_more().await {}
        let all = self.take_unread();
        self.tap.keep("answer", &all);
        all
    }

    /// Sends a request and reads until the connection ends, which it is to do; what there is of an answer, and whether
    /// that is all of it.
    pub(crate) async fn ask_to_the_end(&mut self, request: &Request) -> (Answer, Whole) {
        let request = request.clone().header("Connection", "close");
        // An answer may come before the whole body has left.
        let _ = self.write(&request.bytes()).await;
        let all = self.read_to_end().await;
        let none = Answer { status: 0, headers: Vec::new(), body: Vec::new() };
        let Some(end) = memchr::memmem::find(&all, b"\r\n\r\n") else { return (none, Whole::No) };
        let mut answer = head(&all[..end]).unwrap_or(none);
        let rest = &all[end + 4..];
        let length = answer.value("content-length").and_then(|value| value.parse::<usize>().ok());
        let (body, is_whole) = match (length, answer.value("transfer-encoding")) {
            (_, Some(_)) => joined(rest),
            (Some(length), None) => (rest.to_vec(), request.method == "HEAD" || rest.len() == length),
            (None, None) => (rest.to_vec(), true),
        };
        answer.body = body;
        // In one piece, so that nothing hides on the borders of chunks.
        self.tap.keep("body of an answer", &answer.plain());
        (answer, if is_whole { Whole::Yes } else { Whole::No })
    }

    /// Reads the head of an answer; its body is still to come.
    pub(crate) async fn read_head(&mut self) -> io::Result<Answer> {
        loop {
            let end = loop {
                if let Some(end) = memchr::memmem::find(&self.unread, b"\r\n\r\n") {
                    break end;
                }
                if self.read_more().await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            };
            self.tap.keep("head of an answer", &self.unread[..end]);
            let answer = head(&self.unread[..end]).ok_or(io::ErrorKind::InvalidData)?;
            self.unread.drain(..end + 4);
            if answer.status >= 200 {
                return Ok(answer);
            }
        }
    }

    /// Reads a whole answer. A body that breaks off is an error.
    pub(crate) async fn read_answer(&mut self, method: &str) -> io::Result<Answer> {
        let mut answer = self.read_head().await?;
        let length = answer.value("content-length").and_then(|value| value.parse::<usize>().ok());
        if method == "HEAD" || matches!(answer.status, 204 | 304) {
            return Ok(answer);
        }
        answer.body = match (length, answer.value("transfer-encoding")) {
            (Some(length), _) => self.exactly(length).await?,
            (None, Some(_)) => self.chunks().await?,
            (None, None) => {
                while self.read_more().await? > 0 {}
                self.take_unread()
            }
        };
        self.tap.keep("body of an answer", &answer.plain());
        Ok(answer)
    }

    async fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < length {
            if self.read_more().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.unread.drain(..length).collect())
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = memchr::memmem::find(&self.unread, b"\r\n") {
                    break end;
                }
                if self.read_more().await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            };
            let line: Vec<u8> = self.unread.drain(..end + 2).collect();
            let size = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16)
                .map_err(|_| io::ErrorKind::InvalidData)?;
            body.extend(self.exactly(size).await?);
            self.exactly(2).await?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
}

/// As much of the chunks of a body as there is, and whether the last one is among them.
fn joined(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = memchr::memmem::find(rest, b"\r\n") else { return (body, false) };
        let size = usize::from_str_radix(&String::from_utf8_lossy(&rest[..end]), 16).unwrap_or_default();
        rest = &rest[end + 2..];
        if size == 0 {
            return (body, true);
        }
        body.extend_from_slice(&rest[..size.min(rest.len())]);
        rest = rest.get(size + 2..).unwrap_or_default();
    }
}

fn head(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut lines = text.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    Some(Answer { status, headers, body: Vec::new() })
}
