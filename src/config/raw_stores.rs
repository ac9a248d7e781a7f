//! What a file may say of where credentials rest that no file has, and of the Redis that replicas share: part of `raw`.

use std::{path::PathBuf, time::Duration};

use super::{
    leaf::{BearerId, Leaf, List},
    raw_roots::RawIssuerTls,
};

tables! {
    /// The store of credentials that are in no configuration file. A change needs a restart. Left out: there is no vault.
    RawVault {
        /// The store: one of the three. Required.
        store: RawVaultStore,
        /// The master key, of 32 bytes or more, with which each record is sealed. Required.
        key: BearerId,
        /// How often a shared store is read as a whole, besides being told of changes. Left out: "5m".
        relist: Leaf<Duration>,
        /// How long a replica that rotates a secret may be silent until another one goes on with it. Left out: "1m".
        lease: Leaf<Duration>,
    }

    /// Where the vault is.
    RawVaultStore {
        /// A file of this machine; it is made if it is not there, for this process's user alone. One process has it at a time.
        file: Leaf<PathBuf>,
        /// Whether it is in the Redis or Valkey of `[redis]`.
        redis: Leaf<bool>,
        /// Secrets of Kubernetes, one for each tenant.
        kubernetes: RawKubernetes,
    }

    /// Secrets of a namespace in Kubernetes.
    RawKubernetes {
        /// The namespace. Required.
        namespace: Leaf<String>,
        /// The API server, an https URL. Left out: that of the cluster in which this process runs.
        server: Leaf<String>,
        /// The token that the API server is shown. A file is read for each request. Left out: that of this pod's ServiceAccount.
        bearer: BearerId,
        /// How the API server is reached. Left out: by the certificate authority that this pod was given.
        tls: RawIssuerTls,
    }

    /// A Redis (6.2 or later) or Valkey that replicas share. A change needs a restart. Left out: there is none.
    RawRedis {
        /// Its address: `redis://HOST:PORT`, `rediss://HOST:PORT` with TLS, either with `/NUMBER` of a database, or `unix:` and a path. Several are tried in order: nodes of a cluster, or Sentinels where `master` is set. Required.
        url: List<String>,
        /// The name by which Sentinels know the master. Left out: `url` is no Sentinel.
        master: Leaf<String>,
        /// The user (ACL). Left out: Redis's own default.
        username: Leaf<String>,
        /// The password. A file is read for each connection. Left out: none.
        password: BearerId,
        /// The password of the Sentinels. Left out: none.
        sentinel_password: BearerId,
        /// The prefix of all keys and channels. It stands in braces, so that a cluster keeps them on one node. Left out: "claviger".
        prefix: Leaf<String>,
        /// How long it may take to connect, TLS and login included. Left out: "3s".
        connect_timeout: Leaf<Duration>,
        /// How long an answer may take. Left out: "2s".
        timeout: Leaf<Duration>,
        /// Whether the quotas of tenants and the rates of callers are counted for all replicas together (docs/quota.md). Left out: true.
        share_limits: Leaf<bool>,
        /// Whether a request with an `Idempotency-Key` is sent once by all replicas together (docs/idempotency.md). Left out: true.
        share_idempotency: Leaf<bool>,
        /// The least number of replicas: while Redis is away, each keeps to its part of a limit. Left out: as many as were seen in Redis.
        replicas: Leaf<u64>,
        /// The secret, of 32 bytes or more and the same for all replicas, that seals the tokens and the answers to requests with an `Idempotency-Key` that they share. Left out: replicas share neither.
        token_key: BearerId,
        /// How it is reached with `rediss://`.
        tls: RawIssuerTls,
    }
}
