//! Why a request got no answer: whether it was sent, and what the system said.

use std::time::Duration;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection: the request was not sent.
    #[error("cannot be reached")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No connection in time: the request was not sent.
    #[error("did not accept a connection within {0:?}")]
    ConnectTimeout(Duration),
    /// The connection was closed before the request was written: it was not sent.
    #[error("closed the connection")]
    Closed(#[source] hyper::Error),
    /// The connection broke: the request may have been carried out.
    #[error("broke the connection")]
    Broken(#[source] hyper::Error),
}

impl SendError {
    /// Whether the request has certainly not been carried out.
    pub fn unsent(&self) -> bool {
        !matches!(self, Self::Broken(_))
    }

    /// Whether nobody takes connections there at the moment, as during a restart. A failed handshake is something else.
    pub fn is_refusal(&self) -> bool {
        use std::io::ErrorKind;

        let mut cause: Option<&(dyn std::error::Error + 'static)> = match self {
            Self::Connect(source) => Some(source.as_ref()),
            Self::ConnectTimeout(_) => return true,
            Self::Closed(_) | Self::Broken(_) => None,
        };
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<std::io::Error>() {
                return matches!(
                    error.kind(),
                    ErrorKind::ConnectionRefused
                        | ErrorKind::ConnectionReset
                        | ErrorKind::ConnectionAborted
                        | ErrorKind::HostUnreachable
                        | ErrorKind::NetworkUnreachable
                        | ErrorKind::TimedOut
                );
            }
            cause = error.source();
        }
        false
    }

    /// A label from a closed set.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::ConnectTimeout(_) => "connect_timeout",
            Self::Closed(_) => "closed",
            Self::Broken(_) => "reset",
        }
    }

    /// What the system said, in a few words; holds no more than addresses.
    pub fn cause(&self) -> String {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = match self {
            Self::Connect(source) => Some(source.as_ref()),
            Self::ConnectTimeout(_) => None,
            Self::Closed(source) | Self::Broken(source) => Some(source),
        };
        let known = cause.and_then(|error| {
            crate::trust::explain(error).or_else(|| crate::trust::plainly(error).map(Into::into))
        });
        if let Some(known) = known {
            return known.into_owned();
        }
        let mut innermost = String::new();
        while let Some(error) = cause {
            innermost = error.to_string();
            cause = error.source();
        }
        innermost
    }
}
