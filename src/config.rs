//! The typed configuration: what every other module is given. A value of these types is right: names are
//! parsed, references resolved, numbers in range, every name that is used is defined. The way there is
//! files → `tree` → `layer` (figment) → `raw` (what a file may say) → `check` (all problems at once) → [`Config`].
//! Here is only the list; nothing below imports this file.

#[macro_use]
mod section;

mod address;
mod audit;
mod belongs;
mod caller;
mod catalog;
mod changed;
mod check;
mod cloud;
mod effective;
mod elsewhere;
mod endpoint;
mod env;
mod exec;
mod from_text;
mod inputs;
mod intake;
mod issuer;
mod layer;
mod leaf;
mod listen;
mod load;
mod methods;
mod node;
mod origin;
mod path;
mod path_or_url;
mod pattern;
mod policy;
mod problem;
mod quota;
mod rate;
mod raw;
mod raw_roots;
mod raw_stores;
mod read;
mod redis;
mod remarks;
mod restart;
mod rotate;
mod schema;
mod scope;
mod sections;
mod short;
mod show;
mod template;
mod tenant;
mod tls;
mod tls_names;
mod toml;
mod tree;
mod vault;
mod version;
mod words;
mod yaml;

#[cfg(test)]
mod tests;

pub use address::Address;
pub use audit::{Audit, AuditOutput};
pub use caller::{Caller, ClaimMatch, Identity};
pub use catalog::CatalogOptions;
pub use changed::changed;
pub use cloud::{AliasForm, Cloud};
pub use effective::Config;
pub use endpoint::{Endpoint, InvalidEndpoint};
pub use env::Environment;
pub use inputs::References;
pub use issuer::{Algorithm, Issuer, Jwks};
pub use listen::Listen;
pub use load::{LoadRequest, Loaded, load};
pub use origin::{Origin, Written};
pub use policy::{Conditions, OtherParameters, Policy, QueryCondition, RuleCheck, RuleList, RuleText};
pub use problem::{Problem, Problems};
pub use quota::{GivenQuota, Quota};
pub use rate::Rate;
pub use redis::{RedisAddress, RedisOptions};
pub use restart::needs_restart;
pub use rotate::Rotate;
pub use schema::{SCHEMA, schema};
pub use scope::{InvalidPattern, TenantMatch, TenantPattern, TenantScope};
pub use sections::{
    AdminOptions, AuthzOptions, Breaker, BrokerOptions, Limits, Log, OpenApiOptions, Reload, Retry, Shutdown,
    Timeouts, TokenOptions,
};
pub use template::TenantTemplate;
pub use tenant::{DEFAULT_MAX_IN_FLIGHT, Resource, Roots, SWAPPED, Tenant, UpstreamTls, look_swapped};
pub use tls::{ListenTls, PemFile};
pub use vault::{KubernetesOptions, StoreOptions, VaultOptions};
pub use version::PolicyVersion;
pub use words::{Class, ClientAuth, Indicator, Issue, LogFormat, LogRequests};
