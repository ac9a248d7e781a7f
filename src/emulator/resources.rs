//! Not carried out yet.
use super::errors::Outcome;
use super::operations::Call;
pub(super) fn run(_operation: &str, _call: &mut Call<'_>) -> Option<Outcome> {
    None
}
