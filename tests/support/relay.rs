//! A way to a Logto that can be closed and opened again on the same port: while it is closed, connections are refused,
//! as during a restart, and the Logto behind it keeps its keys and its memory.

use std::net::SocketAddr;

use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use super::{Logto, within};

/// The way.
pub(crate) struct Relay {
    address: SocketAddr,
    to: SocketAddr,
    task: Option<JoinHandle<()>>,
}

impl Relay {
    /// Open.
    pub(crate) async fn to(logto: &Logto) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let (address, to) = (listener.local_addr().expect("it is bound"), logto.addr());
        Self { address, to, task: Some(tokio::spawn(relay(listener, to))) }
    }

    /// For `endpoint` of a tenant.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts all connections and refuses new ones.
    pub(crate) async fn close(&mut self) {
        let task = self.task.take().expect("it is open");
        task.abort();
        // It was aborted.
        let _ = task.await;
    }

    /// Takes connections again.
    pub(crate) async fn open(&mut self) {
        let bound = async {
            loop {
                match TcpListener::bind(self.address).await {
                    Ok(listener) => return listener,
                    // Somebody was given the port for a moment.
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        self.task = Some(tokio::spawn(relay(within("the port to be free", bound).await, self.to)));
    }
}

async fn relay(listener: TcpListener, to: SocketAddr) {
    let mut open = JoinSet::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        open.spawn(async move {
            let mut to = TcpStream::connect(to).await.expect("it listens");
            // Either side may go first.
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut to).await;
        });
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
