//! What a listener needs of whoever answers its requests, and nothing more: so that it knows framing, TLS and time
//! limits, and no stage of a request.

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;

use super::connection::Connection;
use crate::activity::Busy;

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// The body of an answer.
    type Body: http_body::Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static>
        + Send
        + 'static;

    /// Answers one request, always. `busy` is what the connection is busy with until the answer's body has ended.
    fn handle(
        &self,
        connection: &Connection,
        request: Request<Incoming>,
        busy: Busy,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}
