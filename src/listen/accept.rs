//! Accepts connections, as many as are allowed, and hands them to the workers.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;

use super::{
    bind::{Bound, Socket},
    plain::{self, First},
    serve::{Protocol, serve},
    tls::{
        Secured, Tls,
        failure::{Failures, HandshakeFailure},
    },
    worker::Workers,
};
use crate::{
    caller::{Peer, Reach},
    edge::Connection,
    observe::Metrics,
    pipeline::Pipeline,
};

/// After an error that will not pass at once, such as no free file descriptor.
const PAUSE: Duration = Duration::from_millis(50);

/// What every connection is given.
#[derive(Clone)]
pub struct Hall {
    /// The current pipeline.
    pub pipeline: Arc<ArcSwap<Pipeline>>,
    /// Who serves.
    pub workers: Arc<Workers>,
    /// Places for connections, over all listeners.
    pub places: Arc<Semaphore>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Handshakes that failed, for the log.
    pub failures: Arc<Failures>,
    /// Stops accepting.
    pub stop: CancellationToken,
    /// Drains connections.
    pub drain: CancellationToken,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Hall {
    /// Accepts on `bound` until told to stop.
    ///
    /// # Errors
    /// When the socket cannot be watched by the runtime.
    pub async fn accept(self, bound: Bound) -> io::Result<()> {
        let reach = bound.reach;
        let (listener, path) = match bound.socket {
            Socket::Tcp(socket) => (Listener::Tcp(TcpListener::from_std(socket)?), None),
            Socket::Unix(socket, path) => (Listener::Unix(UnixListener::from_std(socket)?), Some(path)),
        };
        let accepting = async {
            loop {
                // At the limit the rest waits in the system's queue, where it costs nothing.
                let Ok(place) = self.places.clone().acquire_owned().await else { return };
                match listener.accept().await {
                    Ok(accepted) => self.admit(accepted, reach, place),
                    Err(error) if is_the_peers(&error) => {}
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept connections; perhaps the limit of open files (ulimit -n) is too low");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            () = accepting => {}
            () = self.stop.cancelled() => {}
        }
        drop(listener);
        if let Some(path) = path {
            // Somebody may have removed it before.
            let _: io::Result<()> = std::fs::remove_file(path);
        }
        Ok(())
    }

    fn admit(&self, accepted: Accepted, reach: Reach, place: OwnedSemaphorePermit) {
        let mut peer = Peer::at(reach);
        match &accepted {
            Accepted::Tcp(_, address) => peer.address = Some(*address),
            Accepted::Unix(stream) => {
                let credentials = stream.peer_cred().ok();
                peer.uid = credentials.map(|peer| peer.uid());
                peer.gid = credentials.map(|peer| peer.gid());
            }
        }
        let (pipeline, drain) = (self.pipeline.clone(), self.drain.clone());
        let (metrics, failures) = (self.metrics.clone(), self.failures.clone());
        // Registered with this runtime until here, with the worker's from here on.
        let detached = match accepted {
            Accepted::Tcp(stream, _) => {
                // Small answers must not wait for the peer's acknowledgement.
                let _: io::Result<()> = stream.set_nodelay(true);
                stream.into_std().map(Detached::Tcp)
            }
            Accepted::Unix(stream) => stream.into_std().map(Detached::Unix),
        };
        let Ok(detached) = detached else { return };
        self.workers.spawn(move |worker| async move {
            let open = Open::new(metrics, failures, place);
            match detached {
                Detached::Tcp(stream) => {
                    let Ok(stream) = TcpStream::from_std(stream) else { return };
                    match pipeline.load().tls().cloned() {
                        None => {
                            let connection = Connection { peer, worker, scheme: "http" };
                            serve(stream, Protocol::Http1, connection, pipeline, drain).await;
                        }
                        Some(tls) => {
                            serve_secured(
                                stream,
                                &tls,
                                &open,
                                Connection { peer, worker, scheme: "https" },
                                pipeline,
                                drain,
                            )
                            .await
                        }
                    }
                }
                Detached::Unix(stream) => {
                    let Ok(stream) = UnixStream::from_std(stream) else { return };
                    let connection = Connection { peer, worker, scheme: "http" };
                    serve(stream, Protocol::Http1, connection, pipeline, drain).await;
                }
            }
        });
    }
}

async fn serve_secured(
    stream: TcpStream,
    tls: &Tls,
    open: &Open,
    mut connection: Connection,
    pipeline: Arc<ArcSwap<Pipeline>>,
    drain: CancellationToken,
) {
    let patience = pipeline.load().config().timeouts.head;
    let begun = tokio::time::Instant::now();
    let failed = |failure: &HandshakeFailure| {
        open.metrics.handshake_failed(failure.reason.label());
        open.failures.log(failure, connection.peer.address, tokio::time::Instant::now());
    };
    match plain::first(&stream, patience).await {
        First::Http => {
            failed(&HandshakeFailure::plain_http());
            return plain::answer(stream).await;
        }
        First::Nothing => return failed(&HandshakeFailure::silent()),
        First::Other => {}
    }
    let patience = patience.saturating_sub(begun.elapsed());
    let Secured { stream, protocol, certificate } = match tls.accept(stream, patience).await {
        Ok(secured) => secured,
        Err(failure) => return failed(&failure),
    };
    connection.peer.certificate = certificate;
    serve(stream, protocol, connection, pipeline, drain).await;
}

enum Detached {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// Counts an open connection and keeps its place.
struct Open {
    metrics: Arc<Metrics>,
    failures: Arc<Failures>,
    _place: OwnedSemaphorePermit,
}

impl Open {
    fn new(metrics: Arc<Metrics>, failures: Arc<Failures>, place: OwnedSemaphorePermit) -> Self {
        metrics.connections.inc();
        Self { metrics, failures, _place: place }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}

impl Listener {
    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, peer)| Accepted::Tcp(stream, peer)),
            Self::Unix(listener) => listener.accept().await.map(|(stream, _)| Accepted::Unix(stream)),
        }
    }
}

/// The peer went away before it was accepted: nothing is wrong here.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
