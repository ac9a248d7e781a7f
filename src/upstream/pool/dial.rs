//! Makes connections to one upstream. A dial goes on when whoever began it has left, and is for the next who needs a connection: so
//! callers that come and go have no more made than there are of them at one time, and none for nothing.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::Uri;
use hyper::client::conn::{http1, http2};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::connect::{Connected, Connection as _, HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::{task::JoinHandle, time::Instant};
use tower::{Service as _, ServiceExt as _};

use super::error::SendError;
use crate::{trust, upstream::replay::RequestBody};

/// Heads of answers: more than Logto's longest `Link` lines (fact 4.5).
const MAX_ANSWER_HEAD: usize = 64 * 1024;
const H2_KEEP_ALIVE: Duration = Duration::from_secs(10);
const H2_KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// What an upstream is dialled with.
#[derive(Clone)]
pub(super) struct Dialler {
    pub(super) connector: HttpsConnector<HttpConnector>,
    pub(super) target: Uri,
    /// `timeouts.connect`
    pub(super) patience: Duration,
    /// Of HTTP/2: of a stream, and of the connection.
    pub(super) windows: Option<(u32, u32)>,
}

/// The dials of one worker.
pub(super) struct Dials {
    dialler: Dialler,
    idle_limit: Duration,
    left: Mutex<Vec<Begun>>,
}

/// A new connection.
pub(super) enum Dialled {
    Http1(http1::SendRequest<RequestBody>),
    Http2(http2::SendRequest<RequestBody>),
}

/// A dial, and since when.
struct Begun {
    task: JoinHandle<Result<Dialled, SendError>>,
    since: Instant,
}

/// A dial that is waited for; left to others when dropped before its end.
struct Awaited<'a> {
    dials: &'a Dials,
    begun: Option<Begun>,
}

impl Dials {
    /// Without any; a connection that was made longer ago than `idle_limit` is not used.
    pub(super) fn new(dialler: Dialler, idle_limit: Duration) -> Self {
        Self { dialler, idle_limit, left: Mutex::default() }
    }

    /// A new connection, whoever had it made.
    ///
    /// # Errors
    /// [`SendError`] where it cannot be made now.
    pub(super) async fn dial(&self) -> Result<Dialled, SendError> {
        loop {
            let left = self.left().pop();
            let is_new = left.is_none();
            let begun = left.unwrap_or_else(|| Begun::new(self.dialler.clone()));
            if begun.since.elapsed() >= self.idle_limit {
                continue;
            }
            let was_over = begun.task.is_finished();
            match (Awaited { dials: self, begun: Some(begun) }).end().await {
                Ok(dialled) if is_new || !dialled.is_closed() => return Ok(dialled),
                Err(error) if is_new || !was_over => return Err(error),
                // What went wrong before this request came says nothing about now.
                _ => {}
            }
        }
    }

    fn left(&self) -> MutexGuard<'_, Vec<Begun>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Begun {
    fn new(dialler: Dialler) -> Self {
        let task = tokio::spawn(async move { dialler.dial().await });
        Self { task, since: Instant::now() }
    }
}

impl Awaited<'_> {
    async fn end(mut self) -> Result<Dialled, SendError> {
        let ended = match &mut self.begun {
            Some(begun) => (&mut begun.task).await,
            None => std::future::pending().await,
        };
        self.begun = None;
        ended.unwrap_or_else(|error| Err(SendError::Connect(error.into())))
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.dials.left().extend(self.begun.take());
    }
}

impl Dialled {
    fn is_closed(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_closed(),
            Self::Http2(sender) => sender.is_closed(),
        }
    }
}

impl Dialler {
    async fn dial(mut self) -> Result<Dialled, SendError> {
        let patience = self.patience;
        let dialling = async {
            let connector = self.connector.ready().await.map_err(SendError::Connect)?;
            let stream = connector.call(self.target.clone()).await.map_err(|error| {
                let unknown = trust::no_address(&*error, self.target.host());
                SendError::Connect(unknown.map_or(error, Into::into))
            })?;
            let connected: Connected = stream.connected();
            let handshake = |error: hyper::Error| SendError::Connect(error.into());
            if connected.is_negotiated_h2() {
                let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .keep_alive_interval(H2_KEEP_ALIVE)
                    .keep_alive_timeout(H2_KEEP_ALIVE_TIMEOUT)
                    .keep_alive_while_idle(true)
                    .initial_stream_window_size(self.windows.map(|(stream, _)| stream))
                    .initial_connection_window_size(self.windows.map(|(_, connection)| connection))
                    .max_header_list_size(MAX_ANSWER_HEAD as u32)
                    .handshake(stream)
                    .await
                    .map_err(handshake)?;
                tokio::spawn(connection);
                return Ok(Dialled::Http2(sender));
            }
            let (sender, connection) = http1::Builder::new()
                .max_buf_size(MAX_ANSWER_HEAD)
                .handshake(stream)
                .await
                .map_err(handshake)?;
            tokio::spawn(connection);
            Ok(Dialled::Http1(sender))
        };
        tokio::time::timeout(patience, dialling).await.unwrap_or(Err(SendError::ConnectTimeout(patience)))
    }
}
