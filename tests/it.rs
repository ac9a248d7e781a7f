//! Runs the real program against an embedded Logto, and holds it to the behaviours by their numbers (`b01_…`).
//! One binary, so that it is linked once. Each test has a process, ports and a Logto of its own; after each,
//! everything that came out of the program is searched for secrets.

#[path = "it/admin.rs"]
mod admin;
#[path = "it/asked_tokens.rs"]
mod asked_tokens;
#[path = "it/batch.rs"]
mod batch;
#[path = "it/broker.rs"]
mod broker;
#[path = "it/callers.rs"]
mod callers;
#[path = "it/canary.rs"]
mod canary;
#[path = "it/causes.rs"]
mod causes;
#[path = "it/cloud.rs"]
mod cloud;
#[path = "it/commands.rs"]
mod commands;
#[path = "it/compression.rs"]
mod compression;
#[cfg(feature = "emulator")]
#[path = "it/demo.rs"]
mod demo;
#[path = "it/explain.rs"]
mod explain;
#[path = "it/fairness.rs"]
mod fairness;
#[path = "it/foreign.rs"]
mod foreign;
#[path = "it/forwarding.rs"]
mod forwarding;
#[path = "it/garbage.rs"]
mod garbage;
#[path = "it/grants.rs"]
mod grants;
#[path = "it/greedy.rs"]
mod greedy;
#[path = "it/healthcheck.rs"]
mod healthcheck;
#[path = "it/hung_files.rs"]
mod hung_files;
#[path = "it/idempotency.rs"]
mod idempotency;
#[path = "it/issuer_keys.rs"]
mod issuer_keys;
#[path = "it/jwt.rs"]
mod jwt;
#[path = "it/leaks.rs"]
mod leaks;
#[path = "it/leaving.rs"]
mod leaving;
#[path = "it/lending.rs"]
mod lending;
#[path = "it/lifecycle.rs"]
mod lifecycle;
#[path = "it/limits.rs"]
mod limits;
#[path = "it/masked.rs"]
mod masked;
#[path = "it/memory.rs"]
mod memory;
#[path = "it/messages.rs"]
mod messages;
#[path = "it/openapi.rs"]
mod openapi;
#[path = "it/origins.rs"]
mod origins;
#[path = "it/overload.rs"]
mod overload;
#[path = "it/page.rs"]
mod page;
#[path = "it/paths.rs"]
mod paths;
#[path = "it/quota.rs"]
mod quota;
#[path = "it/reloads.rs"]
mod reloads;
#[path = "it/resets.rs"]
mod resets;
#[path = "it/restarts.rs"]
mod restarts;
#[path = "it/retries.rs"]
mod retries;
#[path = "it/rotation.rs"]
mod rotation;
#[path = "it/sharing.rs"]
mod sharing;
#[path = "it/slow_log.rs"]
mod slow_log;
#[path = "it/slowness.rs"]
mod slowness;
#[path = "it/stampede.rs"]
mod stampede;
#[path = "it/status.rs"]
mod status;
#[path = "it/status_command.rs"]
mod status_command;
#[path = "it/stores.rs"]
mod stores;
#[path = "it/strangers.rs"]
mod strangers;
#[path = "it/streaming.rs"]
mod streaming;
#[path = "support/lib.rs"]
mod support;
#[path = "it/terminal.rs"]
mod terminal;
#[path = "it/tls.rs"]
mod tls;
#[path = "it/tokens.rs"]
mod tokens;
#[path = "it/training.rs"]
mod training;
#[path = "it/vault.rs"]
mod vault;
#[path = "it/who_asked.rs"]
mod who_asked;
