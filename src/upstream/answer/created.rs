//! The answer to the creation of a tenant, read whole: what its caller may see of it, which came through the response
//! filter as any other, and the credential in it, for whoever keeps that and for nobody else.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, header, request, response::Parts};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{Answer, BodyError};
use crate::{
    config::Endpoint,
    filter::{ResponseFilter, gunzip::Gunzip},
    secret::Secret,
};

/// The most that such an answer has; the documented one has 300 bytes.
const MOST: usize = 256 * 1024;

/// A tenant that was created.
#[derive(Debug)]
pub struct Created {
    /// Logto's ID of it.
    pub id: String,
    /// Where it is.
    pub endpoint: Endpoint,
    /// The App ID of its default machine-to-machine application.
    pub client_id: String,
    /// The secret of that application, which the answer has and no other ever will.
    pub secret: Secret,
}

/// What came back.
#[derive(Debug)]
pub struct CreationAnswer {
    /// As its caller may see it.
    pub head: Parts,
    /// As its caller may see it.
    pub body: Bytes,
    /// Logto's ID of the tenant, where the answer says so.
    pub id: Option<String>,
    /// What is to be kept; or why there is nothing, in words that follow "the answer".
    pub created: Result<Created, &'static str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    id: String,
    indicator: Option<String>,
    default_application: Option<Application>,
}

#[derive(Deserialize)]
struct Application {
    id: String,
    secret: Zeroized,
}

/// Text in memory that is zeroed.
#[derive(Deserialize)]
#[serde(transparent)]
struct Zeroized(#[serde(deserialize_with = "zeroizing")] Zeroizing<String>);

impl Answer {
    /// Reads the answer to the creation of a tenant. Each of its pieces is waited for, `idle` at most.
    ///
    /// # Errors
    /// [`BodyError`]: the tenant may be there, and its credential is lost.
    pub async fn created(
        self,
        request: &request::Parts,
        idle: Duration,
    ) -> Result<CreationAnswer, BodyError> {
        let (mut head, mut incoming) = self.response.into_parts();
        let coding = head.headers.get(header::CONTENT_ENCODING).cloned();
        let expansion = self.expansion;
        let mut filter = ResponseFilter::new(request, &mut head, self.masking, self.guard, self.expansion)?;
        let mut whole = Zeroizing::new(Vec::with_capacity(MOST / 16));
        let mut body = BytesMut::new();
        loop {
            let frame = timeout(idle, incoming.frame()).await.map_err(|_| BodyError::Idle(idle))?;
            let chunk = match frame.transpose().map_err(BodyError::Broken)? {
                Some(frame) => frame.into_data().unwrap_or_default(),
                None => break,
            };
            if whole.len() + chunk.len() > MOST {
                return Err(BodyError::TooLong(MOST));
            }
            whole.extend_from_slice(&chunk);
            filter.take(chunk);
            drain(&mut filter, &mut body)?;
        }
        drop((self.connection, self.place));
        filter.take_last(Bytes::new());
        drain(&mut filter, &mut body)?;
        let text = match coding.as_ref().map(HeaderValue::as_bytes) {
            None => Some(whole),
            // It is not asked for, and no reason to lose the secret.
            Some(b"gzip") => expanded(whole, expansion),
            Some(_) => None,
        };
        let said = text.and_then(|text| serde_json::from_slice::<Said>(&text).ok());
        let id = said.as_ref().map(|said| said.id.clone());
        Ok(CreationAnswer { head, body: body.freeze(), id, created: Created::of(said) })
    }
}

impl Created {
    fn of(said: Option<Said>) -> Result<Self, &'static str> {
        let said = said.ok_or("is not the JSON that was expected")?;
        let application = said.default_application.ok_or("has no defaultApplication")?;
        let indicator = said.indicator.ok_or("has no indicator")?;
        let endpoint = Endpoint::parse(&indicator).map_err(|_| "has an indicator that is no address")?;
        if endpoint.is_in_clear() {
            return Err("has an indicator where the secret would cross the network in clear");
        }
        let Zeroized(mut secret) = application.secret;
        let secret = Secret::new(std::mem::take(&mut *secret).into_bytes());
        Ok(Self { id: said.id, endpoint, client_id: application.id, secret })
    }
}

/// What was compressed; `None`: it cannot be read, or is too much.
fn expanded(compressed: Zeroizing<Vec<u8>>, expansion: u32) -> Option<Zeroizing<Vec<u8>>> {
    let (mut gunzip, mut input) = (Gunzip::new(expansion), Bytes::from_owner(compressed));
    let mut text = Zeroizing::new(Vec::with_capacity(MOST));
    while let Some(piece) = gunzip.read(&mut input).ok()? {
        if text.len() + piece.len() > MOST {
            return None;
        }
        text.extend_from_slice(&piece);
    }
    Some(text)
}

/// Takes from the filter all that may pass by now.
fn drain(filter: &mut ResponseFilter, body: &mut BytesMut) -> Result<(), BodyError> {
    while let Some(data) = filter.pass_on()? {
        body.extend_from_slice(&data);
    }
    Ok(())
}

fn zeroizing<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Created, &'static str> {
        Created::of(serde_json::from_str(text).ok())
    }

    #[test]
    fn the_credential_is_taken_from_where_logto_writes_it() {
        let text = r#"{"id":"abc123","name":"x","indicator":"https://abc123.logto.app","regionName":"EU",
            "defaultApplication":{"id":"app","secret":"s3cret"}}"#;
        let created = of(text).unwrap();
        assert_eq!((&*created.id, &*created.client_id), ("abc123", "app"));
        assert_eq!(created.endpoint.to_string(), "https://abc123.logto.app");
        assert_eq!(created.secret.expose(), b"s3cret");
        assert!(!format!("{created:?}").contains("s3cret"));
    }

    #[test]
    fn what_is_not_there_is_named() {
        for (text, why) in [
            ("[]", "is not the JSON that was expected"),
            (r#"{"id":"a","indicator":"https://a.logto.app"}"#, "has no defaultApplication"),
            (r#"{"id":"a","defaultApplication":{"id":"x","secret":"y"}}"#, "has no indicator"),
            (
                r#"{"id":"a","indicator":"a","defaultApplication":{"id":"x","secret":"y"}}"#,
                "has an indicator that is no address",
            ),
            (
                r#"{"id":"a","indicator":"http://a.logto.app","defaultApplication":{"id":"x","secret":"y"}}"#,
                "has an indicator where the secret would cross the network in clear",
            ),
            (
                r#"{"id":"a","indicator":"https://a.logto.app","defaultApplication":{"id":"x","secret":"y","secret":"z"}}"#,
                "is not the JSON that was expected",
            ),
        ] {
            assert_eq!(of(text).err(), Some(why), "{text}");
        }
    }
}
