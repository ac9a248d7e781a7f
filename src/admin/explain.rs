//! `POST /explain`: what would become of a request, and why. Only for those who may see `/status`, since it tells what is
//! wrong with a credential: to anybody else it would be an oracle. It is counted, never logged, and never repeats what it
//! was given.

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::{
    Admin, PATIENCE,
    reply::{self, json, text},
};
use crate::explain::{Asked, MAX_LEN, Question, Unclear, explain};

/// What is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    request: String,
    caller: Option<String>,
    tenant: Option<String>,
    #[serde(default)]
    headers: Map<String, Value>,
    body: Option<String>,
    certificate: Option<String>,
    #[serde(default)]
    is_whole: bool,
}

impl Admin {
    pub(super) async fn explain(&self, request: Request<Incoming>) -> Response<reply::Body> {
        if *request.method() != Method::POST {
            return text(StatusCode::METHOD_NOT_ALLOWED, "this takes POST\n");
        }
        let read = timeout(PATIENCE, Limited::new(request.into_body(), MAX_LEN).collect()).await;
        let answer = match read {
            Ok(Ok(body)) => self.answer_to(&body.to_bytes()).await,
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                let what = format!("the body is larger than {MAX_LEN} bytes\n");
                return text(StatusCode::PAYLOAD_TOO_LARGE, what);
            }
            _ => return text(StatusCode::BAD_REQUEST, "the body was not received\n"),
        };
        let (word, response) = match answer {
            Ok((word, shown)) => (word, json(&shown)),
            Err(Unclear(error)) => {
                let mut response = json(&serde_json::json!({ "error": error }));
                *response.status_mut() = StatusCode::BAD_REQUEST;
                ("unclear", response)
            }
        };
        self.shared.metrics.explanations.of([&word]).inc();
        response
    }

    /// What whoever reads lines of the configuration in force has to know.
    pub(super) fn older(&self) -> Option<&'static str> {
        self.health.reload_error().map(|_| {
            "the configuration was changed, and that was refused: this is decided by the one before it, so its lines may have other numbers now"
        })
    }

    async fn answer_to(&self, body: &[u8]) -> Result<(&'static str, Value), Unclear> {
        let mut question = Body::read(body)?.question()?;
        question.asked.notes.extend(self.older().map(Into::into));
        let explanation = explain(&self.pipeline.load_full(), question).await?;
        Ok((explanation.outcome.as_str(), explanation.to_json().clone()))
    }
}

impl Body {
    fn read(body: &[u8]) -> Result<Self, Unclear> {
        // What serde says of a value may repeat it.
        serde_json::from_slice(body).map_err(|_| {
            let what = "the body is JSON such as {\"request\": \"GET /api/users\", \"caller\": \"billing\"}; it may have request, \
                        caller, tenant, headers, body and certificate";
            Unclear(what.into())
        })
    }

    fn question(self) -> Result<Question, Unclear> {
        let mut asked = Asked::parse(&self.request)?;
        for (name, value) in &self.headers {
            let values = match value {
                Value::Array(values) => values.as_slice(),
                one => std::slice::from_ref(one),
            };
            for value in values {
                let value = value
                    .as_str()
                    .ok_or_else(|| Unclear("a header field is a text, or a list of texts".into()))?;
                asked.add_header(name, value)?;
            }
        }
        asked.is_whole |= self.is_whole;
        if let Some(body) = self.body {
            asked.body = Some(body.into_bytes());
        }
        Ok(Question { asked, caller: self.caller, tenant: self.tenant, certificate: self.certificate })
    }
}
