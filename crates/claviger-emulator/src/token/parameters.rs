//! What a token request says, before anything is looked up.
//!
//! Reads forms and JSON as koa's body parser does (fact 1), and bounds their size. It must never judge a value.

use serde_json::Value;

use crate::{
    body::{Parsed, Refused},
    received::Received,
};

/// Marks a body that oidc-provider refuses to read; no parameter can be called so.
const UNSUPPORTED: &str = "\0";

/// The parameters of a token request, in their order; a name may occur more than once.
#[derive(Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn read(received: &Received<'_>) -> Result<Self, Refused> {
        if received.payload.len > 56 * 1024 {
            return Err(Refused::TooLarge);
        }
        let unsupported = || {
            let description =
                "only application/x-www-form-urlencoded content-type bodies are supported on POST /token";
            Ok(Self(vec![(UNSUPPORTED.to_owned(), description.to_owned())]))
        };
        let value = match received.payload.parse(received.headers)? {
            Parsed::Multipart => return unsupported(),
            Parsed::Absent => return Ok(Self::default()),
            Parsed::Value(Value::Object(fields)) => fields,
            Parsed::Value(_) => return unsupported(),
        };
        let mut params = Vec::new();
        for (key, value) in value {
            match value {
                Value::Array(values) => {
                    let texts = values.iter().filter_map(Value::as_str);
                    params.extend(texts.map(|text| (key.clone(), text.to_owned())));
                }
                Value::String(text) => params.push((key, text)),
                other => params.push((key, other.to_string())),
            }
        }
        Ok(Self(params))
    }

    /// Why the body is one that oidc-provider refuses to read.
    pub(crate) fn unsupported(&self) -> Option<&str> {
        self.values(UNSUPPORTED).next()
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = &(String, String)> {
        self.0.iter().filter(|(key, _)| key != UNSUPPORTED)
    }

    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A value that is there and not empty.
    pub(crate) fn value<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.values(name).next().filter(|value| !value.is_empty())
    }
}
