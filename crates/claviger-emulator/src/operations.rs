//! From an operation id to its handler.
//!
//! Decides which operations have state here; all others are an honest 501. Handlers get a [`Call`] with everything
//! they may use.

use crate::{
    applications,
    call::Call,
    configs, connectors,
    errors::{ApiError, Outcome},
    hooks, logs, one_time_tokens, organizations, personal_tokens, resources, roles, users, well_known,
};

/// Carries an operation out.
pub(crate) fn run(call: &mut Call<'_>) -> Outcome {
    let operation = call.route.operation;
    let answered = users::run(operation, call)
        .or_else(|| personal_tokens::run(operation, call))
        .or_else(|| applications::run(operation, call))
        .or_else(|| organizations::run(operation, call))
        .or_else(|| roles::run(operation, call))
        .or_else(|| resources::run(operation, call))
        .or_else(|| connectors::run(operation, call))
        .or_else(|| hooks::run(operation, call))
        .or_else(|| one_time_tokens::run(operation, call))
        .or_else(|| logs::run(operation, call))
        .or_else(|| configs::run(operation, call))
        .or_else(|| well_known::run(operation, call));
    answered.unwrap_or_else(|| Err(ApiError::not_implemented(operation)))
}
