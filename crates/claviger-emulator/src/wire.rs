//! The socket under hyper: keeps a copy of what was read, and can end the connection rudely.
//!
//! Hands the head of a request, as it stood on the wire, to the recorder. It must never change a byte.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// What is kept of unread bytes; a head is at most 16 KiB.
const KEPT: usize = 64 * 1024;

/// What the handler of a request can tell the socket below it.
#[derive(Debug, Default)]
pub(crate) struct Control {
    reset: AtomicBool,
    ended: AtomicBool,
    read: Mutex<Vec<u8>>,
}

impl Control {
    /// Ends the connection with a reset once hyper lets go of it.
    pub(crate) fn reset(&self) {
        self.reset.store(true, Ordering::SeqCst);
    }

    /// Pretends that the client closed its side, which makes hyper close as soon as it is idle.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }

    /// Takes the next request head if the bytes at hand begin with one.
    pub(crate) fn take_head(&self, method: &str) -> Option<RawHead> {
        let mut read = self.lock();
        let start = read.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(0);
        let end = memchr::memmem::find(&read, b"\r\n\r\n")?;
        let head = RawHead::parse(read.get(start..end)?, method);
        read.drain(..end + 4);
        head
    }

    /// Forgets `len` bytes of body, or all bytes when the length is not known.
    pub(crate) fn skip_body(&self, len: Option<usize>) {
        let mut read = self.lock();
        let len = len.unwrap_or(read.len()).min(read.len());
        read.drain(..len);
    }

    fn keep(&self, bytes: &[u8]) {
        let mut read = self.lock();
        let room = KEPT.saturating_sub(read.len());
        read.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request head, not interpreted.
#[derive(Debug)]
pub(crate) struct RawHead {
    pub(crate) target: Vec<u8>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

impl RawHead {
    fn parse(head: &[u8], method: &str) -> Option<Self> {
        let mut lines =
            head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let line = lines.next()?.strip_prefix(method.as_bytes())?.strip_prefix(b" ")?;
        let version = memchr::memmem::rfind(line, b" HTTP/1.")?;
        let target = line.get(..version)?.to_vec();
        let headers = lines.filter_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            let name = String::from_utf8_lossy(line.get(..colon)?).into_owned();
            Some((name, line.get(colon + 1..)?.trim_ascii().to_vec()))
        });
        Some(Self { target, headers: headers.collect() })
    }
}

/// A TCP stream with a [`Control`].
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    control: Arc<Control>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, control: Arc<Control>) -> Self {
        Self { stream, control }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.control.reset.load(Ordering::SeqCst) {
            // Closing with a linger time of zero makes the kernel send RST instead of FIN.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.control.ended.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.control.keep(buf.filled().get(before..).unwrap_or_default());
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.control.reset.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
