//! Explains what would become of a request, in words and as JSON: for `claviger explain` and `POST /explain`, which differ
//! in whose pipeline they ask. Reads the request (`asked`), finds out what it means under this configuration (`question`),
//! has the pipeline try it out, and says what came of it (`answer`). It decides nothing itself: allowed or not is what
//! the pipeline's own stages say. It never repeats a credential, a query or a body.

mod answer;
mod any_path;
pub mod asked;
mod credential;
mod facts;
mod matrix;
mod question;
mod suggestion;
mod words;

use self::facts::Facts;
pub use self::{
    answer::{Explanation, Outcome},
    asked::{Asked, MAX_LEN, Refused, Unclear},
    matrix::matrix,
    question::Question,
};
use crate::proxy::Pipeline;

/// Explains what `pipeline` would do with a request.
///
/// # Errors
/// [`Unclear`]: what is asked cannot be answered before it is asked in another way.
pub async fn explain(pipeline: &Pipeline, question: Question) -> Result<Explanation, Unclear> {
    let config = pipeline.config();
    let meant = question.under(&config)?;
    let (learned, outcome) = pipeline.dry_run(meant.trial()).await;
    meant.check_caller(&config, &learned)?;
    Ok(answer::explanation(&Facts::new(pipeline, &config, &meant, &learned, &outcome)))
}

#[cfg(test)]
mod tests;
