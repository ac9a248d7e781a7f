//! Everything that came out of a program under test, kept until its test is over, so that it can be searched.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Enough of one answer to find a secret in it; a body of many megabytes is what the test sent itself.
const MAX_PIECE: usize = 256 * 1024;

/// The outputs of one program. Cheap to clone; all clones share them.
#[derive(Clone, Default)]
pub(crate) struct Tap(Arc<Mutex<Vec<Piece>>>);

/// What it is, and what it says.
type Piece = (String, Vec<u8>);

impl Tap {
    /// Keeps a piece of output.
    pub(crate) fn keep(&self, what: impl Into<String>, bytes: &[u8]) {
        let bytes = bytes.get(..MAX_PIECE).unwrap_or(bytes);
        self.pieces().push((what.into(), bytes.to_vec()));
    }

    /// Keeps what comes out of `stream` until its end, as one piece that grows.
    pub(crate) fn follow(
        &self,
        what: &'static str,
        stream: impl AsyncRead + Unpin + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        let place = {
            let mut pieces = self.pieces();
            pieces.push((what.to_owned(), Vec::new()));
            pieces.len() - 1
        };
        let (tap, mut stream) = (self.clone(), stream);
        tokio::spawn(async move {
            let mut buffer = vec![0; 16 * 1024];
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                if let Some((_, bytes)) = tap.pieces().get_mut(place) {
                    bytes.extend_from_slice(&buffer[..read]);
                }
            }
        })
    }

    /// Everything so far that is called `what`, as text.
    pub(crate) fn text(&self, what: &str) -> String {
        let pieces = self.pieces();
        let named = pieces.iter().filter(|(name, _)| name == what);
        named.map(|(_, bytes)| String::from_utf8_lossy(bytes)).collect()
    }

    /// Looks at every piece.
    pub(crate) fn each(&self, mut look: impl FnMut(&str, &[u8])) {
        self.pieces().iter().for_each(|(what, bytes)| look(what, bytes));
    }

    fn pieces(&self) -> MutexGuard<'_, Vec<Piece>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
