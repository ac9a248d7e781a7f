//! The one room that knows all stages of a request: the door (`service`), the router, the pipeline, what is answered
//! where a stage refuses (`error`, `problem`), and how it is all made of a configuration (`build`). Nothing below this
//! room names it.

mod adopt;
mod broker;
mod build;
mod cloud;
mod discovery;
mod dry_run;
mod error;
mod forward_auth;
mod hosts;
mod in_force;
mod issue;
mod lend;
mod once;
mod openapi;
mod origins;
mod pipeline;
mod problem;
mod read;
mod reads;
pub mod route;
mod service;
mod traffic;
mod underway;

pub use adopt::{AdoptError, Adopted, Adoption, alias};
pub use build::{BuildError, Findings, Shared, Unproved, examine};
pub use cloud::{CreationStep, NewTenant, NewTenantError, NewlyCreated, Steps};
pub use dry_run::{Allowed, Learned, Trial, Who};
pub use error::{
    CreationError, Description, Failure, NO_ACCOUNT_NAMED, NO_TENANT_NAMED, REMEDY_OF_ACCOUNT, remedy_of_try,
};
pub use hosts::{HostError, Hosts};
pub use pipeline::Pipeline;
pub use service::Service;
pub use traffic::{Counted, Tries};
pub use underway::{Task, Underway};
