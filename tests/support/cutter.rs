//! A way to a Logto that breaks off in the middle of a creation, at any byte of the request or of the answer. All else goes
//! through.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use super::{Logto, Proxy, proxy::Builder, quoted};

/// Where the next `POST /api/…` breaks off.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// After so many bytes of the request have gone on.
    Request(usize),
    /// After so many bytes of the answer have.
    Answer(usize),
}

type Plan = Arc<Mutex<Option<Cut>>>;

/// The way.
pub(crate) struct Cutter {
    address: SocketAddr,
    plan: Plan,
    task: JoinHandle<()>,
}

impl Cutter {
    pub(crate) async fn to(logto: &Logto) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let (address, to, plan) =
            (listener.local_addr().expect("it is bound"), logto.addr(), Plan::default());
        let task = tokio::spawn(accept(listener, to, plan.clone()));
        Self { address, plan, task }
    }

    /// A Claviger whose tenant is behind it.
    pub(crate) async fn proxy(&self, logto: &Logto) -> Proxy {
        self.builder(logto).start().await
    }

    /// The same, to be started.
    pub(crate) fn builder(&self, logto: &Logto) -> Builder {
        Proxy::builder()
            .tenant("acme", logto)
            .set("tenants.acme.endpoint", quoted(format!("http://{}", self.address)))
            .set("tenants.acme.resource", quoted("https://default.logto.app/api"))
    }

    /// Breaks the next creation off.
    pub(crate) fn plan(&self, cut: Cut) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some(cut);
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, plan: Plan) {
    let mut open = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let plan = plan.clone();
        open.spawn(async move {
            // Either side may go first.
            let _ = relay(stream, to, &plan).await;
        });
    }
}

async fn relay(mut caller: TcpStream, to: SocketAddr, plan: &Plan) -> std::io::Result<()> {
    let mut logto = TcpStream::connect(to).await?;
    caller.set_nodelay(true)?;
    logto.set_nodelay(true)?;
    let (mut up, mut down) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let (mut cut, mut seen) = (None, 0);
    loop {
        tokio::select! {
            read = caller.read(&mut up) => {
                let length = read?;
                if length == 0 {
                    return Ok(());
                }
                if up[..length].starts_with(b"POST /api") {
                    (cut, seen) = (plan.lock().unwrap_or_else(PoisonError::into_inner).take(), 0);
                }
                match cut {
                    Some(Cut::Request(most)) if seen + length > most => {
                        return logto.write_all(&up[..most - seen]).await;
                    }
                    Some(Cut::Request(_)) => seen += length,
                    _ => {}
                }
                logto.write_all(&up[..length]).await?;
            }
            read = logto.read(&mut down) => {
                let length = read?;
                if length == 0 {
                    return Ok(());
                }
                if let Some(Cut::Answer(most)) = cut {
                    if seen + length > most {
                        return caller.write_all(&down[..most - seen]).await;
                    }
                    seen += length;
                }
                caller.write_all(&down[..length]).await?;
            }
        }
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.task.abort();
    }
}
