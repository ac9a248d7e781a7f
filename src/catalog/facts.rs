//! What is known of an operation besides its line in the table: what it takes, and where its answer holds secrets. Of an embedded operation the
//! tables beside `operations.tsv` say so, of an added one its file.

mod parameters;
mod secrets;

use super::{index::Catalog, operation::Op, parameters::Parameters, secrets::Secrets};

impl Catalog {
    /// The query parameters that an operation takes, and the members of its body.
    pub fn parameters(&self, op: Op) -> Parameters {
        match self.extra(op) {
            Some(added) => added.parameters,
            None => parameters::of(op),
        }
    }

    /// The secrets in the answers of an operation; `None` where there are none, or none without a request that asks for them.
    pub fn secrets(&self, op: Op) -> Option<&'static Secrets> {
        match self.extra(op) {
            Some(added) => added.secrets,
            None => secrets::of(op),
        }
    }

    /// The same for a request with this query.
    pub fn secrets_of_request(&self, op: Op, query: Option<&str>) -> Option<&'static Secrets> {
        match self.extra(op) {
            Some(added) => added.secrets,
            None => secrets::of_request(op, query),
        }
    }

    /// The query parameter without which an operation's answer holds no secret, where there is one.
    pub fn secret_asked_by(&self, op: Op) -> Option<&'static str> {
        match self.extra(op) {
            Some(_) => None,
            None => secrets::asked_by(op),
        }
    }
}
