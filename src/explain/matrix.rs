//! What the policies in force come to, as `claviger policy matrix --json` says it; for the callers of a query
//! (`?caller=NAME`), or for all. A large configuration is not shown whole: what is left out is counted.

use serde_json::{Value, json};

use crate::{catalog::Api, policy::matrix::Column, proxy::Pipeline};

/// As many operations, of all callers together, as are shown.
const MOST: usize = 20_000;

/// The matrix of a pipeline.
pub fn matrix(pipeline: &Pipeline, query: Option<&str>) -> Value {
    let (config, grants) = (pipeline.config(), pipeline.policy());
    let parameters = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let chosen = parameters.filter(|(name, _)| name == "caller").map(|(_, value)| value.into_owned());
    let chosen: Vec<String> = chosen.collect();
    let is_chosen = |name: &str| chosen.is_empty() || chosen.iter().any(|it| it == name);
    let wanted = config.callers.iter().filter(|caller| is_chosen(caller.name.as_str())).count();
    let (mut callers, mut shown) = (Vec::new(), 0);
    for column in Column::all(grants.catalog(Api::Management), &config, grants, &chosen) {
        if shown >= MOST {
            break;
        }
        shown += column.granted().count();
        callers.push(column.to_json());
    }
    let left_out = wanted.saturating_sub(callers.len());
    json!({ "callers": callers, "left_out": left_out })
}
