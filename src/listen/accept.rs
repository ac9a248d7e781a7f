//! Accepts connections, as many as are allowed, and hands them to the workers.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::{
    bind::{Bound, Socket},
    closing::{Closing, Tcp, bound_buffers},
    connection::{Connection, Protocol},
    crowded::{Crowded, CrowdedOut},
    handler::Handler,
    plain::{self, First},
    serve::serve,
    settings::ListenSettings,
    strangers::{Progress, Standing, Strangers},
    stream::Stream,
    tls::{
        Secured, Tls,
        failure::{HandshakeFailure, HandshakeFailures},
    },
    unreadable::UnreadableRequests,
    worker::Workers,
};
use crate::{
    authn::{Peer, Reach},
    observe::Metrics,
};

/// After an error that will not pass at once, such as no free file descriptor.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts for one handler, with what all listeners share.
pub struct Acceptor<H> {
    /// Who answers requests.
    pub handler: Arc<H>,
    /// Who serves connections.
    pub workers: Arc<Workers>,
    /// Places for connections, over all listeners.
    pub places: Arc<Semaphore>,
    /// Places that are kept free, so that a newcomer does not wait for the end of whoever gives way to it.
    pub spare: usize,
    /// Bytes of each of a connection's buffers in the system; `None`: as the system likes.
    pub buffers: Option<usize>,
    /// Whose connections there are, over all listeners.
    pub strangers: Arc<Strangers>,
    /// For `connections`, `tls_handshakes_failed_total` and `unreadable_requests_total`.
    pub metrics: Arc<Metrics>,
    /// Handshakes that failed, for the log.
    pub failures: Arc<HandshakeFailures>,
    /// Connections without a place, for the log.
    pub crowded: Arc<CrowdedOut>,
    /// Requests that cannot be read, for the log.
    pub unreadable: Arc<UnreadableRequests>,
    /// Stops accepting.
    pub stop: CancellationToken,
    /// Drains connections.
    pub drain: CancellationToken,
}

/// A bound address, with the settings of the listener on it.
pub struct Listening {
    /// The socket.
    pub bound: Bound,
    /// What its connections are served with, from now on.
    pub settings: Arc<ArcSwap<ListenSettings>>,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl<H: Handler> Acceptor<H> {
    /// Accepts on a listener until told to stop.
    ///
    /// # Errors
    /// When the socket cannot be watched by the runtime.
    pub async fn accept(self: Arc<Self>, listening: Listening) -> io::Result<()> {
        let Listening { bound, settings } = listening;
        let reach = bound.reach;
        let (listener, path) = match bound.socket {
            Socket::Tcp(socket) => (Listener::Tcp(TcpListener::from_std(socket)?), None),
            Socket::Unix(socket, path) => (Listener::Unix(UnixListener::from_std(socket)?), Some(path)),
        };
        if let Listener::Tcp(listener) = &listener {
            // Connections have what the listener has.
            bound_buffers(listener, self.buffers);
        }
        let accepting = async {
            loop {
                match listener.accept().await {
                    Ok(accepted) => {
                        let peer = accepted.peer(reach);
                        let Some(standing) = self.strangers.enter(peer.ip()) else {
                            self.crowded(Crowded::ByItsAddress, peer.address);
                            continue;
                        };
                        // While this one waits for a caller's place, the rest waits in the system's queue, where it costs nothing.
                        let Some(place) = self.place(&standing).await else { return };
                        self.admit(accepted, peer, standing, settings.load_full(), place);
                    }
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

    /// A place for the connection of `standing`: a free one, else that of whoever gives way, else the next that is left.
    async fn place(&self, standing: &Standing) -> Option<OwnedSemaphorePermit> {
        let (free, has_made_room) = self.strangers.take(&self.places, self.spare);
        if has_made_room {
            self.crowded(Crowded::ByAll, None);
        }
        let place = match free {
            Some(place) => place,
            None => self.places.clone().acquire_owned().await.ok()?,
        };
        standing.got(Progress::Silent);
        Some(place)
    }

    fn crowded(&self, why: Crowded, peer: Option<SocketAddr>) {
        self.crowded.note(why, peer, &self.metrics, tokio::time::Instant::now());
    }

    fn admit(
        self: &Arc<Self>,
        accepted: Accepted,
        peer: Peer,
        standing: Arc<Standing>,
        settings: Arc<ListenSettings>,
        place: OwnedSemaphorePermit,
    ) {
        // Registered with this runtime until here, with the worker's from here on.
        let detached = match accepted {
            Accepted::Tcp(stream, _) => {
                // Small answers must not wait for the peer's acknowledgement.
                let _: io::Result<()> = stream.set_nodelay(true);
                stream.into_std().map(Detached::Tcp)
            }
            Accepted::Unix(stream) => {
                bound_buffers(&stream, self.buffers);
                stream.into_std().map(Detached::Unix)
            }
        };
        let Ok(detached) = detached else { return };
        let acceptor = self.clone();
        self.workers.spawn(move |worker| async move {
            standing.admitted();
            let _open = Open::new(acceptor.metrics.clone(), place);
            let connection = Connection { peer, worker, scheme: "http", standing };
            let closing = Closing::default();
            acceptor.serve(detached, connection, &settings, &closing).await;
            closing.finish().await;
        });
    }

    async fn serve(
        &self,
        detached: Detached,
        connection: Connection,
        settings: &ListenSettings,
        closing: &Closing,
    ) {
        let (stream, protocol, connection) = match (detached, &settings.tls) {
            (Detached::Tcp(stream), Some(tls)) => {
                let Ok(stream) = TcpStream::from_std(stream) else { return };
                let secured = self.secured(stream, tls, connection, settings.timeouts.head, closing).await;
                let Some((stream, protocol, connection)) = secured else { return };
                (Stream::Tls(stream), protocol, connection)
            }
            (Detached::Tcp(stream), None) => {
                let Ok(stream) = TcpStream::from_std(stream) else { return };
                (Stream::Tcp(Tcp::new(stream, closing.clone())), Protocol::Http1, connection)
            }
            (Detached::Unix(stream), _) => {
                let Ok(stream) = UnixStream::from_std(stream) else { return };
                (Stream::Unix(stream), Protocol::Http1, connection)
            }
        };
        let (handler, drain) = (self.handler.clone(), self.drain.clone());
        let peer = connection.peer.address;
        if let Some(why) = serve(stream, protocol, connection, settings, closing, handler, drain).await {
            self.unreadable.note(why, peer, &self.metrics, tokio::time::Instant::now());
        }
    }

    /// Shakes hands within `patience`, unless the connection is to give way meanwhile.
    async fn secured(
        &self,
        stream: TcpStream,
        tls: &Tls,
        mut connection: Connection,
        patience: Duration,
        closing: &Closing,
    ) -> Option<(Box<TlsStream<Tcp>>, Protocol, Connection)> {
        let secured = tokio::select! {
            biased;
            secured = self.secure(stream, tls, &connection, patience, closing) => secured,
            () = connection.standing.has_had_its_time() => {
                tracing::debug!("a connection gives way to another before it is secure");
                closing.orderly(false);
                return None;
            }
        };
        let Secured { stream, protocol, certificate } = secured?;
        connection.standing.got(Progress::Spoken);
        closing.orderly(false);
        connection.scheme = "https";
        connection.peer.certificate = certificate;
        Some((Box::new(stream), protocol, connection))
    }

    async fn secure(
        &self,
        stream: TcpStream,
        tls: &Tls,
        connection: &Connection,
        patience: Duration,
        closing: &Closing,
    ) -> Option<Secured<Tcp>> {
        let begun = tokio::time::Instant::now();
        let failed = |failure: &HandshakeFailure| {
            self.metrics.handshakes_failed.of([&failure.reason.label()]).inc();
            self.failures.log(failure, connection.peer.address, tokio::time::Instant::now());
        };
        match plain::first(&stream, patience).await {
            First::Http => {
                failed(&HandshakeFailure::plain_http());
                plain::answer(stream).await;
                return None;
            }
            First::Nothing => {
                failed(&HandshakeFailure::silent());
                return None;
            }
            First::Other => {}
        }
        let patience = patience.saturating_sub(begun.elapsed());
        let stream = Tcp::new(stream, closing.clone());
        // A handshake that fails ends with an alert, which is for the peer to read.
        closing.orderly(true);
        let heard = || connection.standing.got(Progress::Begun);
        tls.accept(stream, patience, heard).await.inspect_err(failed).ok()
    }
}

impl Accepted {
    fn peer(&self, reach: Reach) -> Peer {
        let mut peer = Peer::at(reach);
        match self {
            Self::Tcp(_, address) => peer.address = Some(*address),
            Self::Unix(stream) => {
                let credentials = stream.peer_cred().ok();
                peer.uid = credentials.map(|peer| peer.uid());
                peer.gid = credentials.map(|peer| peer.gid());
            }
        }
        peer
    }
}

enum Detached {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// Counts an open connection and keeps its place.
struct Open {
    metrics: Arc<Metrics>,
    _place: OwnedSemaphorePermit,
}

impl Open {
    fn new(metrics: Arc<Metrics>, place: OwnedSemaphorePermit) -> Self {
        metrics.connections.inc();
        Self { metrics, _place: place }
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
