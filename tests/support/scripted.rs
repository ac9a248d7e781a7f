//! An upstream that does what no HTTP server does. Token requests go on to a Logto, so that there is a token; any
//! other request is answered with bytes as they are given, or never read.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use super::{Logto, soon};

/// What happens to a request that is not for a token.
#[derive(Clone)]
pub(crate) enum Reaction {
    /// Nothing is read and nothing is said.
    None,
    /// These bytes come back, then the connection is closed.
    Bytes(Vec<u8>),
    /// These bytes come back, and then nothing: the connection stays open.
    Part(Vec<u8>),
    /// What [`Scripted::answers`] was last told comes back, then the connection is closed.
    AsTold(Told),
    /// Everything is read and kept, and nothing is said.
    Keep(Seen),
}

/// What an upstream read of requests.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<u8>>>);

impl Seen {
    /// Waits until what came ends in these bytes.
    pub(crate) async fn until(&self, end: &[u8]) {
        let bytes = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        soon("the bytes to arrive upstream", || bytes().ends_with(end)).await;
    }

    /// All that came since it was last asked.
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Makes the bytes of an answer out of the token that came with the request.
pub(crate) type Make = Box<dyn Fn(&str) -> Vec<u8> + Send>;

/// What is to be answered next, and the tokens that came.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<(Option<Make>, Vec<String>)>>, Arc<watch::Sender<bool>>);

impl Told {
    /// From now on this is the answer.
    pub(crate) fn answers(&self, make: impl Fn(&str) -> Vec<u8> + Send + 'static) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = Some(Box::new(make));
    }

    /// From now on answers wait, or do no more.
    pub(crate) fn wait(&self, wait: bool) {
        self.1.send_replace(wait);
    }

    /// The access tokens that came, in order.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    fn answer(&self, head: &str) -> Vec<u8> {
        let is_authorization = |line: &&str| line.to_ascii_lowercase().starts_with("authorization: bearer ");
        let token = head.lines().find(is_authorization).map_or("", |line| &line[22..]);
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.1.iter().any(|known| known == token) {
            told.1.push(token.to_owned());
        }
        told.0.as_ref().map(|make| make(token)).unwrap_or_default()
    }
}

/// A running upstream; stops when dropped.
pub(crate) struct Scripted {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Scripted {
    pub(crate) async fn start(logto: &Logto, reaction: Reaction) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let (address, issuer) = (listener.local_addr().expect("it is bound"), logto.addr());
        let task = tokio::spawn(async move {
            // Those that are never read from stay open.
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut start = [0; 16];
                let begun = stream.peek(&mut start).await.unwrap_or_default();
                if start[..begun].starts_with(b"POST /oidc/") {
                    tokio::spawn(async move {
                        let mut to = TcpStream::connect(issuer).await.expect("it listens");
                        // Either side may go first.
                        let _ = tokio::io::copy_bidirectional(&mut stream, &mut to).await;
                    });
                    continue;
                }
                match reaction.clone() {
                    Reaction::None => open.push(stream),
                    Reaction::Bytes(bytes) => {
                        tokio::spawn(async move {
                            let mut head = [0; 4096];
                            let _ = stream.read(&mut head).await;
                            let _ = stream.write_all(&bytes).await;
                        });
                    }
                    Reaction::Part(bytes) => {
                        let mut head = [0; 4096];
                        let _ = stream.read(&mut head).await;
                        let _ = stream.write_all(&bytes).await;
                        open.push(stream);
                    }
                    Reaction::Keep(seen) => {
                        tokio::spawn(async move {
                            let mut piece = [0; 4096];
                            while let Ok(length @ 1..) = stream.read(&mut piece).await {
                                let mut all = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
                                all.extend_from_slice(&piece[..length]);
                            }
                        });
                    }
                    Reaction::AsTold(told) => {
                        tokio::spawn(async move {
                            let Some(head) = whole_request(&mut stream).await else { return };
                            let _ = told.1.subscribe().wait_for(|wait| !wait).await;
                            let _ = stream.write_all(&told.answer(&head)).await;
                        });
                    }
                }
            }
        });
        Self { address, task }
    }

    /// For `endpoint` of a tenant.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Reads a request with its body, which has a length or none; its head.
async fn whole_request(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    loop {
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
        let Some(end) = memchr::memmem::find(&read, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length: ").and_then(|length| length.parse().ok())
        });
        if read.len() >= end + 4 + length.unwrap_or(0_usize) {
            return Some(head);
        }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}
