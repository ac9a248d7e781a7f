//! Connections from within this process, of a command that sends requests as a caller whom the operator names (`claviger batch
//! --caller`). What comes on them is served as on any other; there is no port, and nobody else can have one.

use std::{sync::Arc, time::Duration};

use tokio::{io::DuplexStream, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    closing::Closing,
    connection::{Connection, Protocol},
    handler::Handler,
    serve::serve,
    settings::ListenSettings,
    strangers::Strangers,
    stream::Stream,
};
use crate::{
    authn::{Peer, Reach},
    ids::CallerIndex,
};

/// Bytes on their way in each direction.
const BUFFER: usize = 64 * 1024;
/// How long the last answers may take to be over.
const PATIENCE: Duration = Duration::from_secs(2);

/// Makes such connections.
#[derive(Debug)]
pub struct InProcess<H> {
    handler: Arc<H>,
    settings: Arc<ListenSettings>,
    peer: Peer,
    strangers: Arc<Strangers>,
    open: TaskTracker,
}

impl<H: Handler> InProcess<H> {
    /// All that comes is `caller`'s.
    pub fn new(handler: Arc<H>, settings: Arc<ListenSettings>, caller: CallerIndex) -> Self {
        let uid = Some(rustix::process::getuid().as_raw());
        let peer = Peer { uid, ..Peer::at(Reach::CommandLine(caller)) };
        // They have no address, and none gives way to another.
        let strangers = Arc::new(Strangers::new(0, 0));
        Self { handler, settings, peer, strangers, open: TaskTracker::new() }
    }

    /// The caller's end of a new one, whose requests are answered on the current runtime.
    pub fn connect(&self) -> DuplexStream {
        let (theirs, ours) = tokio::io::duplex(BUFFER);
        if let Some(standing) = self.strangers.enter(None) {
            let connection = Connection { peer: self.peer.clone(), worker: 0, scheme: "http", standing };
            let (handler, settings) = (self.handler.clone(), self.settings.clone());
            self.open.spawn(async move {
                let (stream, closing) = (Stream::InProcess(ours), Closing::default());
                let never = CancellationToken::new();
                serve(stream, Protocol::Http1, connection, &settings, &closing, handler, never).await;
            });
        }
        theirs
    }

    /// All of them are over when this returns, or took too long.
    pub async fn end(&self) {
        self.open.close();
        let _: Result<(), _> = timeout(PATIENCE, self.open.wait()).await;
    }
}
