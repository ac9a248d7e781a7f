//! A client that sends what it is told, byte for byte, and reads one answer.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One request. `Content-Length` is added for a body unless a framing header is given.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self { method: method.into(), target: target.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        if content_type.is_empty() { self } else { self.header("Content-Type", content_type) }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let chunked = self.has("transfer-encoding");
        let writes = matches!(self.method.as_str(), "POST" | "PUT" | "PATCH");
        if !chunked && !self.has("content-length") && (writes || !self.body.is_empty()) {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if chunked {
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
}

/// Sends one request on a connection of its own.
pub(crate) async fn send(addr: SocketAddr, request: &Request) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(addr).await?;
    ask(&mut stream, request).await
}

/// Sends one request on `stream` and reads its answer.
pub(crate) async fn ask(stream: &mut TcpStream, request: &Request) -> std::io::Result<Answer> {
    // An answer may arrive before the whole body has left.
    let bytes = request.bytes();
    let (mut read, mut write) = stream.split();
    let (written, answer) = tokio::join!(write.write_all(&bytes), receive(&mut read, &request.method));
    if answer.is_err() {
        written?;
    }
    answer
}

/// Reads one answer, interim answers (100) left out.
pub(crate) async fn receive<R: tokio::io::AsyncRead + Unpin>(
    read: &mut R,
    method: &str,
) -> std::io::Result<Answer> {
    let cut = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let mut buffer = Vec::new();
    let mut answer = loop {
        let end = loop {
            if let Some(end) = memchr::memmem::find(&buffer, b"\r\n\r\n") {
                break end;
            }
            if read.read_buf(&mut buffer).await? == 0 {
                return Err(cut());
            }
        };
        let answer = head(&buffer[..end]).ok_or_else(cut)?;
        buffer.drain(..end + 4);
        if answer.status >= 200 {
            break answer;
        }
    };
    let bodiless = method == "HEAD" || matches!(answer.status, 204 | 304);
    let length = answer.value("content-length").and_then(|value| value.parse::<usize>().ok());
    let chunked = answer.value("transfer-encoding").is_some();
    loop {
        let done = match length {
            _ if bodiless => true,
            Some(length) => buffer.len() >= length,
            None if chunked => buffer.ends_with(b"0\r\n\r\n"),
            None => false,
        };
        if done {
            break;
        }
        if read.read_buf(&mut buffer).await? == 0 {
            if length.is_some() || chunked {
                return Err(cut());
            }
            break;
        }
    }
    answer.body = if chunked { unchunked(&buffer) } else { buffer };
    Ok(answer)
}

/// Joins the chunks of a complete chunked body.
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = memchr::memmem::find(rest, b"\r\n") {
        let size = usize::from_str_radix(&String::from_utf8_lossy(&rest[..end]), 16).unwrap_or_default();
        let data = end + 2;
        let Some(chunk) = rest.get(data..data + size).filter(|chunk| !chunk.is_empty()) else { break };
        body.extend_from_slice(chunk);
        rest = rest.get(data + size + 2..).unwrap_or_default();
    }
    body
}

/// Reads status and headers.
pub(crate) fn head(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut lines = text.split('\n').map(str::trim_end);
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect();
    Some(Answer { status, headers, body: Vec::new() })
}
