//! The typed configuration: what every other module is given. A value of these types is right: names are
//! parsed, references resolved, numbers in range, every name that is used is defined. The way there is
//! `raw` (what a file may say) → `load` (figment layers) → `check` (all problems at once) → [`Config`].

mod audit;
mod caller;
mod changed;
mod check;
mod effective;
mod env;
mod inputs;
mod intake;
mod issuer;
mod layer;
mod leaf;
mod listen;
mod load;
mod node;
mod origin;
mod path;
mod policy;
mod problem;
mod rate;
mod raw;
mod read;
mod redacted;
mod remarks;
mod restart;
mod schema;
mod scope;
mod sections;
mod short;
mod tenant;
mod tls;
mod toml;
mod tree;
mod yaml;

#[cfg(test)]
mod tests;

pub use audit::{Audit, AuditOutput};
pub use caller::{Caller, ClaimMatch, Identity, Issue};
pub use changed::changed;
pub use effective::Config;
pub use env::Environment;
pub use inputs::References;
pub use issuer::{Algorithm, Issuer, Jwks};
pub use listen::{Address, Listen};
pub use load::{LoadRequest, Loaded, load, read_whole as read};
pub use origin::{Origin, Written};
pub use policy::{Conditions, Policy, QueryCondition, RuleCheck, RuleList, RuleText};
pub use problem::{Problem, Problems};
pub use rate::Rate;
pub use redacted::redacted;
pub use restart::needs_restart;
pub use schema::schema;
pub use scope::{InvalidPattern, TenantMatch, TenantPattern, TenantScope};
pub use sections::{
    BrokerOptions, Limits, Log, LogFormat, LogRequests, Reload, Retry, Shutdown, Timeouts, TokenOptions,
};
pub use tenant::{ClientAuth, DEFAULT_MAX_IN_FLIGHT, Endpoint, Roots, Tenant, UpstreamTls};
pub use tls::{ListenTls, PemFile};
