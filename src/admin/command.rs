//! What the admin listener can be told to do. Only from this machine: on a listener that the network reaches there is
//! nobody to authenticate.

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::{
    Admin,
    reply::{Body, text},
};
use crate::authn::Reach;

impl Admin {
    /// `POST /token/retry`, with `?tenant=NAME` for one: ends cool-downs of tokens.
    pub(super) fn retry_tokens(&self, request: &Request<Incoming>, reach: Reach) -> Response<Body> {
        if *request.method() != Method::POST {
            return text(StatusCode::METHOD_NOT_ALLOWED, "this takes POST\n");
        }
        if reach == Reach::Network {
            let why = "only from this machine: `listen.admin` is open to the network; send SIGHUP instead\n";
            return text(StatusCode::FORBIDDEN, why);
        }
        let pipeline = self.pipeline.load();
        let tenants = match request.uri().query().map(|query| query.strip_prefix("tenant=")) {
            None => pipeline.tenants().all(),
            Some(Some(name)) => match pipeline.tenants().get(name) {
                Some(tenant) => vec![tenant],
                None => return text(StatusCode::NOT_FOUND, "there is no such tenant\n"),
            },
            Some(None) => return text(StatusCode::BAD_REQUEST, "the query is ?tenant=NAME\n"),
        };
        tenants.iter().for_each(|tenant| tenant.retry_tokens());
        match &*tenants {
            [one] => text(StatusCode::OK, format!("trying again to get a token: {}\n", one.config().name)),
            all => text(StatusCode::OK, format!("trying again to get tokens: {} tenants\n", all.len())),
        }
    }
}
