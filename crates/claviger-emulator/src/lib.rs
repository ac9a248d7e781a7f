//! A small Logto in one process, for tests, demonstrations and consumers' own test suites.
//!
//! It answers as Logto OSS 1.42 was measured to answer: the token endpoint with its statuses and bodies, the
//! Management API over a bounded store in memory with paging, search and conflicts, the `Link` headers that lack the
//! `/api` prefix, the routing rules, the `Host` switch to the admin tenant, real ES384 or RS256 tokens with key
//! rotation. It also misbehaves on request ([`Faults`]) and remembers what it received ([`Recorded`], [`Surprise`]).
//!
//! It must never be reachable by anyone but its own test or demonstration: whoever can connect can read every
//! (invented) secret and switch every fault without a credential.
//!
//! # Switching it over HTTP
//!
//! Paths under `/__emulator/` are reserved. They need no token, are never recorded and never faulted.
//!
//! | request | effect |
//! |---|---|
//! | `PUT /__emulator/faults` | replaces all faults by the JSON array in the body, see below; 204 |
//! | `GET /__emulator/faults` | the faults that are armed now |
//! | `DELETE /__emulator/faults` | clears them; 204 |
//! | `GET /__emulator/recorded` | the requests that arrived, oldest first, with the surprises and the counters |
//! | `DELETE /__emulator/recorded` | forgets them; 204 |
//! | `POST /__emulator/rotate-keys` | rotates the signing key (Current becomes Previous); 204 |
//! | `PUT /__emulator/token-ttl` | `{"seconds":5}`: lifetime of Management API tokens issued from now on; 204 |
//!
//! A fault is `{"on":"token"|"api"|"any", "path":"/api/users", "method":"GET", "times":2, "effect":…}`; `path` (a
//! prefix), `method` and `times` may be left out. An effect is one of `{"latency":{"ms":500}}`,
//! `{"answer":{"status":503,"headers":[["Retry-After","2"]],"body":"…"}}`, `"reset"`, `"close"`,
//! `{"truncate":{"after":10}}`, `{"truncate-reset":{"after":10}}`, `"close-after-answer"`, `"black-hole"`,
//! `{"drip":{"bytes":16,"every_ms":100}}`.
//!
//! # The tenant's quota
//!
//! With [`Options::quota`] all requests but those under `/__emulator/` draw on one bucket, sign-in pages and the token endpoint
//! included; what is beyond is 429 without a `Retry-After`.
//!
//! # Logto Cloud
//!
//! With [`Options::cloud`] it is an account at Logto Cloud instead: `/api/me/regions`, `/api/tenants` and what is below, with a
//! personal access token as bearer token. Each tenant that is created there is a Logto of its own on a port of its own.
//!
//! # What it does not do
//!
//! Answers are compressed with gzip and deflate, never with br (which Logto prefers), and never localised; request bodies with a `Content-Encoding` are refused; scripts of the JWT customizer are stored, not run; search modes
//! `posix` and `similar_to` and every operation without state here answer 501 with the code
//! `emulator.not_implemented`, after authentication, and count as a surprise. A new connection on which no request
//! comes is closed after the idle time (6 s), where Logto waits for a minute.
#![forbid(unsafe_code)]

mod answer;
mod applications;
mod auth;
mod body;
mod call;
mod check;
mod cloud;
mod compress;
mod configs;
mod connectors;
mod control;
mod dispatch;
mod emulator;
mod errors;
mod faults;
mod hooks;
mod jwt;
mod logs;
mod oidc_error;
mod one_time_tokens;
mod openapi;
mod operations;
mod options;
mod organizations;
mod paging;
mod personal_tokens;
mod quota;
mod received;
mod record;
mod resources;
mod roles;
mod routes;
mod search;
mod seed;
mod server;
mod shared;
mod store;
mod token;
mod users;
mod well_known;
mod wire;
mod world;

pub use emulator::Emulator;
pub use faults::{Effect, Fault, Faults, Target};
pub use jwt::Algorithm;
pub use options::{CANARY, Client, Clock, Limits, MANAGEMENT_API, ManagementRole, Options, Seed};
pub use quota::{InvalidQuota, Quota};
pub use record::{Recorded, Surprise, TenantName};
