//! An upstream that does what no HTTP server does. Token requests go on to a Logto, so that there is a token; any
//! other request is answered with bytes as they are given, or never read.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::Logto;

/// What happens to a request that is not for a token.
#[derive(Clone)]
pub(crate) enum Reaction {
    /// Nothing is read and nothing is said.
    None,
    /// These bytes come back, then the connection is closed.
    Bytes(Vec<u8>),
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

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}
