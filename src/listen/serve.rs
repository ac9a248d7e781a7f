//! Serves one connection until it ends, is too slow, or is drained.

use std::{convert::Infallible, sync::Arc};

use arc_swap::ArcSwap;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::watch::{Busy, PERIOD, Patience, Slow, Watch, Watched};
use crate::{
    edge::{self, Connection},
    pipeline::Pipeline,
};

/// Smallest buffer that hyper takes.
const MIN_HEAD: usize = 8 * 1024;

/// Serves `io`.
pub async fn serve<IO>(
    io: IO,
    connection: Connection,
    pipeline: Arc<ArcSwap<Pipeline>>,
    drain: CancellationToken,
) where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = pipeline.load().config().clone();
    let watch = Arc::new(Watch::default());
    let mut patience = Patience::new(&config.timeouts);
    let service = service_fn(|request: Request<Incoming>| {
        let (pipeline, connection, busy) = (&pipeline, &connection, Busy::begin(&watch));
        async move { Ok::<_, Infallible>(edge::answer(pipeline, connection, request, busy).await) }
    });
    let served = http1::Builder::new()
        .max_buf_size(config.limits.head.max(MIN_HEAD))
        .serve_connection(TokioIo::new(Watched::new(io, watch.clone())), service);
    let mut served = std::pin::pin!(served);
    let mut looks = tokio::time::interval_at(tokio::time::Instant::now() + PERIOD, PERIOD);
    let mut draining = false;
    loop {
        tokio::select! {
            biased;
            ended = served.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error = %describe(&error), "a caller's connection ended badly");
                }
                return;
            }
            () = drain.cancelled(), if !draining => {
                draining = true;
                served.as_mut().graceful_shutdown();
            }
            _ = looks.tick() => match patience.look(&watch) {
                None => {}
                Some(Slow::Idle) => served.as_mut().graceful_shutdown(),
                Some(slow) => {
                    tracing::debug!(?slow, "a caller's connection is too slow: closed");
                    return;
                }
            }
        }
    }
}

/// hyper's errors hold no bytes of the request.
fn describe(error: &hyper::Error) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{source}")
}
