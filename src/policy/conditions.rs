//! What a rule asks of a request beside its operation: query parameters and top-level members of the body. A
//! request that Logto could read in another way than this module does never meets a condition: what is unclear
//! is refused. The query is judged with the permit; the body later, and nothing is sent before ([`ApprovedTarget`]).

mod body;
mod broken;
mod pending;
mod query;
mod target;
mod words;

pub(super) use self::pending::{Met, Pending};
pub use self::{
    body::check as check_body,
    broken::{Broken, Member, Parameter, Unmet},
    query::check as check_query,
    target::{ApprovedTarget, ConditionalTarget},
    words::Words,
};

#[cfg(test)]
mod tests;
