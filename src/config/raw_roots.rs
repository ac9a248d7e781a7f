//! What a file may say of TLS towards others, and of who is trusted to vouch for them: part of `raw`.

use std::path::PathBuf;

use super::{
    leaf::{Either, Leaf},
    words::RootsName,
};

tables! {
    /// TLS towards an issuer.
    RawIssuerTls {
        /// The trusted CAs: "system", "bundled" (Mozilla's, compiled in) or the certificates of a file. Left out: "system"; of an API server, the authority that this pod was given.
        roots: Either<RootsName, RawRootsFile>,
    }

    /// TLS towards a tenant.
    RawTls {
        /// The trusted CAs: "system", "bundled" (Mozilla's, compiled in) or the certificates of a file. Left out: "system".
        roots: Either<RootsName, RawRootsFile>,
        /// Offer HTTP/2. Left out: false.
        http2: Leaf<bool>,
    }

    /// Certificate authorities of one's own.
    RawRootsFile {
        /// A file of PEM certificates; only these are trusted.
        file: Leaf<PathBuf>,
    }
}
