//! How a connection over TCP is closed. The system keeps what its peer has yet to take for minutes after that, in memory that counts
//! against the process and in which nobody has a place any more. So a connection that is cut is reset, and keeps nothing; one that ends by
//! itself keeps its place until all has been sent, and is reset where the peer does not take it for two seconds.

use std::{
    io::{self, IoSlice},
    os::fd::AsFd as _,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};

/// How long a peer may take for what is left at the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// How one connection is closed.
#[derive(Debug, Clone, Default)]
pub struct Closing(Arc<End>);

#[derive(Debug, Default)]
struct End {
    is_orderly: AtomicBool,
    left: Mutex<Option<std::net::TcpStream>>,
}

/// A connection that is reset when it is dropped, unless it has ended by itself.
#[derive(Debug)]
pub struct Tcp {
    stream: TcpStream,
    closing: Closing,
}

/// Gives the connections of a listener, or one connection, buffers of so many bytes in the system.
pub fn bound_buffers<'s>(socket: impl Into<SockRef<'s>>, bytes: Option<usize>) {
    if let Some(bytes) = bytes {
        let socket = socket.into();
        // Where the system refuses, it has a bound of its own.
        let _: io::Result<()> = socket.set_recv_buffer_size(bytes);
        let _: io::Result<()> = socket.set_send_buffer_size(bytes);
    }
}

impl Closing {
    /// Whether its end is to be one by itself from now on.
    pub fn orderly(&self, is_orderly: bool) {
        self.0.is_orderly.store(is_orderly, Relaxed);
    }

    /// Closes what is left of it, once its stream is dropped.
    pub async fn finish(self) {
        let left = self.0.left.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(stream) = left.and_then(|left| TcpStream::from_std(left).ok()) else { return };
        let is_orderly = self.0.is_orderly.load(Relaxed);
        if !is_orderly || !matches!(timeout(PATIENCE, stream.writable()).await, Ok(Ok(()))) {
            // Whatever keeps it from being reset, the system closes it in its own time.
            let _: io::Result<()> = stream.set_zero_linger();
        }
    }
}

impl Tcp {
    /// To be closed as `closing` says.
    pub fn new(stream: TcpStream, closing: Closing) -> Self {
        Self { stream, closing }
    }

    /// Another descriptor of it, which can be written to when nothing waits to be sent.
    fn left(&self) -> io::Result<std::net::TcpStream> {
        SockRef::from(&self.stream).set_tcp_notsent_lowat(1)?;
        self.stream.as_fd().try_clone_to_owned().map(Into::into)
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        let End { is_orderly, left } = &*self.closing.0;
        if is_orderly.load(Relaxed) {
            *left.lock().unwrap_or_else(PoisonError::into_inner) = self.left().ok();
        } else {
            // As above.
            let _: io::Result<()> = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Tcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Not yet: from then on the system no longer says whether all has been sent. See [`Closing::finish`].
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// Two ends of a connection, of which ours has written as much as there is room for.
    async fn full() -> (Tcp, Closing, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (closing, (stream, _)) = (Closing::default(), listener.accept().await.unwrap());
        while stream.try_write(&[b'x'; 65536]).is_ok() {}
        (Tcp::new(stream, closing.clone()), closing, peer)
    }

    async fn read_all(mut peer: TcpStream) -> io::Result<usize> {
        peer.read_to_end(&mut Vec::new()).await
    }

    #[tokio::test]
    async fn b46_a_connection_that_is_cut_keeps_nothing() {
        let (ours, closing, peer) = full().await;
        drop(ours);
        closing.finish().await;
        assert_eq!(read_all(peer).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test(start_paused = true)]
    async fn b46_one_that_ends_is_waited_for_and_reset_where_nobody_takes_what_is_left() {
        let (ours, closing, peer) = full().await;
        closing.orderly(true);
        drop(ours);
        let begun = tokio::time::Instant::now();
        closing.finish().await;
        assert_eq!(begun.elapsed(), PATIENCE);
        assert_eq!(read_all(peer).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn b46_what_is_taken_arrives_whole_and_ends_as_it_should() {
        let (mut ours, closing, peer) = full().await;
        closing.orderly(true);
        let reading = tokio::spawn(read_all(peer));
        ours.write_all(&[b'y'; 1_000_000]).await.unwrap();
        ours.shutdown().await.unwrap();
        drop(ours);
        closing.finish().await;
        assert!(reading.await.unwrap().unwrap() > 1_000_000);
    }
}
