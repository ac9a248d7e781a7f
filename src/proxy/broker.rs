//! The token broker, `POST /oidc/token`: for clients that insist on OAuth. An identified caller
//! gets a short-lived token that is good here and nowhere else, and the upstream's only where its grant says
//! `issue = "upstream"`. What the client asks for (`resource`, `organization_id`, `scope`) is judged by the policy.

use std::{borrow::Cow, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri, header, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use zeroize::Zeroizing;

use crate::{
    authn::{Client, Seal, SealError},
    clock::Clock,
    headers,
    ids::{CallerName, TenantName},
    policy::Asked,
    reply::Base,
    secret::Digest,
    token::Token,
};

/// The header fields of a token request that are read: only these are held while its form is awaited.
const FIELDS: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::HOST,
    headers::CLAVIGER_KEY,
    headers::CLAVIGER_TENANT,
];

/// More than any token request needs.
const MAX_FORM: usize = 16 * 1024;

/// Why no token is issued.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Not a POST.
    #[error("the token broker takes POST only")]
    Method,
    /// The body is not a form.
    #[error("the token request is not a form (application/x-www-form-urlencoded)")]
    Form,
    /// The body stopped arriving, or took too long.
    #[error("the form of the token request did not arrive whole within `timeouts.form`")]
    Incomplete,
    /// A parameter more than once (RFC 6749 section 3.2).
    #[error("the token request names `{0}` twice")]
    Twice(&'static str),
    /// More than one resource (RFC 8707 section 2.2).
    #[error("a token is for one `resource`")]
    Resources,
    /// The body is too large to be one.
    #[error("the token request is larger than {MAX_FORM} bytes")]
    TooLarge,
    /// Another grant type.
    #[error("the token broker issues tokens for grant_type=client_credentials only")]
    GrantType,
    /// Credentials in more than one place, or half of them.
    #[error(
        "the client must be named once: by HTTP Basic, by client_id and client_secret, or by client_assertion"
    )]
    Credentials,
    /// An assertion that is no JWT, or half of one.
    #[error("client_assertion must be a JWT, with client_assertion_type={ASSERTION}")]
    Assertion,
    /// No randomness.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// The parameters that are read.
const PARAMETERS: [&str; 8] = [
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "resource",
    "organization_id",
    "scope",
];

/// The one kind of assertion that is taken (RFC 7523 section 2.2).
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

type Zeroed = Zeroizing<Vec<u8>>;

/// A token request of a client (RFC 6749 section 4.4.2), as far as it matters here.
#[derive(Default)]
pub(super) struct BrokerRequest {
    client_id: Option<String>,
    client_secret: Option<Zeroed>,
    raw_secret: Option<Zeroed>,
    assertion: Option<Zeroed>,
    resource: Option<String>,
    organization_id: Option<String>,
    scope: Option<String>,
}

/// The head of a token request in memory of its own, without all that nobody looks at.
pub(super) fn what_counts(mut head: Parts) -> Parts {
    let mut kept = HeaderMap::with_capacity(FIELDS.len());
    for name in FIELDS {
        for value in head.headers.get_all(&name) {
            // A copy: the value as it came shares the buffer of the whole head.
            let Ok(mut copy) = HeaderValue::from_bytes(value.as_bytes()) else { continue };
            copy.set_sensitive(value.is_sensitive());
            kept.append(name.clone(), copy);
        }
    }
    head.headers = kept;
    if let Ok(uri) = Uri::try_from(head.uri.to_string()) {
        head.uri = uri;
    }
    head
}

impl BrokerRequest {
    /// Reads a token request.
    ///
    /// # Errors
    /// [`BrokerError`], each an OAuth error to the client.
    pub(super) async fn read(head: &Parts, body: Incoming, patience: Duration) -> Result<Self, BrokerError> {
        if head.method != Method::POST {
            return Err(BrokerError::Method);
        }
        if !is_form(&head.headers) {
            return Err(BrokerError::Form);
        }
        let body = tokio::time::timeout(patience, Limited::new(body, MAX_FORM).collect())
            .await
            .map_err(|_| BrokerError::Incomplete)?
            .map_err(|error| {
                if error.is::<LengthLimitError>() { BrokerError::TooLarge } else { BrokerError::Incomplete }
            })?;
        Self::parse(head.headers.get(header::AUTHORIZATION), &body.to_bytes())
    }

    /// Of its `Authorization` and its form.
    ///
    /// # Errors
    /// [`BrokerError`].
    pub(super) fn parse(authorization: Option<&HeaderValue>, form: &[u8]) -> Result<Self, BrokerError> {
        let mut request = Self::default();
        let (mut grant_type, mut assertion_type) = (None, None);
        for (name, value) in form_urlencoded::parse(form) {
            let Some(&name) = PARAMETERS.iter().find(|known| **known == name) else { continue };
            let is_twice = match name {
                "grant_type" => grant_type.replace(value).is_some(),
                "client_id" => request.client_id.replace(value.into_owned()).is_some(),
                "client_secret" => request.client_secret.replace(secret(value)).is_some(),
                "client_assertion" => request.assertion.replace(secret(value)).is_some(),
                "resource" if request.resource.is_some() => return Err(BrokerError::Resources),
                "resource" => request.resource.replace(value.into_owned()).is_some(),
                "organization_id" => request.organization_id.replace(value.into_owned()).is_some(),
                "scope" => request.scope.replace(value.into_owned()).is_some(),
                "client_assertion_type" => assertion_type.replace(value).is_some(),
                _ => false,
            };
            if is_twice {
                return Err(BrokerError::Twice(name));
            }
        }
        if grant_type.as_deref() != Some("client_credentials") {
            return Err(BrokerError::GrantType);
        }
        if request.assertion.is_some() != assertion_type.is_some()
            || assertion_type.is_some_and(|given| given != ASSERTION)
        {
            return Err(BrokerError::Assertion);
        }
        // RFC 6749 section 2.3: not more than one way in each request.
        if request.assertion.is_some() && request.client_secret.is_some() {
            return Err(BrokerError::Credentials);
        }
        if let Some((id, secret, raw)) = authorization.and_then(basic) {
            let other_id = request.client_id.as_ref().is_some_and(|given| *given != id);
            if request.client_secret.is_some() || request.assertion.is_some() || other_id {
                return Err(BrokerError::Credentials);
            }
            let (client_id, client_secret, raw_secret) = (Some(id), Some(secret), Some(raw));
            request = Self { client_id, client_secret, raw_secret, ..request };
        }
        Ok(request)
    }

    /// What for, of a client that addresses us by `base`; what is empty is not said (RFC 6749 section 3.2).
    pub(super) fn asked(&self, base: Base<'_>) -> Asked<'_> {
        let resource = said(self.resource.as_deref());
        Asked {
            resource,
            is_of_this_proxy: resource.is_some_and(|resource| resource == format!("{base}/api")),
            organization_id: said(self.organization_id.as_deref()),
            scope: said(self.scope.as_deref()),
        }
    }

    /// Whether the client proves who it is in the form and not by HTTP Basic.
    pub(super) fn client_in_form(&self) -> bool {
        self.assertion.is_some() || (self.client_secret.is_some() && self.raw_secret.is_none())
    }

    /// How the client proves who it is, where it tries to.
    pub(super) fn client(&self) -> Option<Client<'_>> {
        if let Some(jwt) = self.assertion.as_deref() {
            // A file's last line ends, also in `curl --data-urlencode client_assertion@FILE`.
            return Some(Client::Assertion { id: self.client_id.as_deref(), jwt: jwt.trim_ascii() });
        }
        let secret = self.client_secret.as_deref()?;
        Some(Client::Secret {
            id: self.client_id.as_deref()?,
            secret,
            raw: self.raw_secret.as_deref().map_or(secret, Vec::as_slice),
        })
    }
}

/// Whether a token request says that it is a form.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| {
        let essence = value.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

fn secret(value: Cow<'_, str>) -> Zeroed {
    Zeroizing::new(value.into_owned().into_bytes())
}

fn said(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// Id and secret of HTTP Basic, each form-decoded (RFC 6749 section 2.3.1), and the secret as it came.
fn basic(value: &HeaderValue) -> Option<(String, Zeroed, Zeroed)> {
    let (scheme, encoded) = value.as_bytes().split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = Zeroizing::new(BASE64.decode(encoded.trim_ascii()).ok()?);
    let (id, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    let decode = |text: &str| {
        let pair = format!("x={text}").replace('&', "%26");
        form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    Some((decode(id)?, secret(decode(password)?.into()), secret(password.into())))
}

/// Issues tokens.
#[derive(Debug)]
pub(super) struct Broker {
    /// Seals them.
    pub seal: Seal,
    /// How long they last.
    pub ttl: Duration,
    /// Time.
    pub clock: Clock,
}

impl Broker {
    /// A token for `caller` at `tenant`, who was identified by the API key `key` if by any. `scopes` are those of its upstream token, so that a client that looks for the scope
    /// that it asked for finds it.
    ///
    /// # Errors
    /// [`BrokerError::Seal`].
    pub(super) fn issue(
        &self,
        tenant: &TenantName,
        caller: &CallerName,
        key: Option<&Digest>,
        scopes: &[String],
    ) -> Result<Response<Bytes>, BrokerError> {
        let token = self.seal.issue_at(tenant, caller, key, self.clock.now().wall, self.ttl)?;
        Ok(granted(token.expose(), self.ttl, scopes))
    }

    /// The upstream's own token, for a caller whose grant says so, with as much of its life as is left.
    pub(super) fn hand_out(&self, token: &Token, scopes: &[String]) -> Response<Bytes> {
        granted(token.value(), token.usable_for(self.clock.now()), scopes)
    }
}

/// A token response (RFC 6749 section 5.1), which nobody is to keep but the client.
fn granted(token: &[u8], life: Duration, scopes: &[String]) -> Response<Bytes> {
    // A token is visible ASCII: valid text.
    let token = Zeroizing::new(String::from_utf8_lossy(token).into_owned());
    let body = serde_json::json!({
        "access_token": *token,
        "token_type": "Bearer",
        "expires_in": life.as_secs(),
        "scope": scopes.join(" "),
    });
    let mut response = Response::new(Bytes::from(body.to_string()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(authorization: Option<&str>, form: &str) -> Result<Option<(String, String)>, String> {
        let authorization = authorization.map(|text| HeaderValue::from_str(text).unwrap());
        let request =
            BrokerRequest::parse(authorization.as_ref(), form.as_bytes()).map_err(|e| e.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ok(request.client().map(|client| match client {
            Client::Secret { id, secret, .. } => (id.to_owned(), text(secret)),
            Client::Assertion { id, jwt } => (format!("asserted {}", id.unwrap_or("nobody")), text(jwt)),
        }))
    }

    fn basic_of(credentials: &str) -> String {
        format!("Basic {}", BASE64.encode(credentials))
    }

    #[test]
    fn credentials_by_basic_by_form_or_not_at_all() {
        let pair = |id: &str, secret: &str| Ok(Some((id.to_owned(), secret.to_owned())));
        const GRANT: &str = "grant_type=client_credentials";
        assert_eq!(parse(None, GRANT), Ok(None));
        assert_eq!(parse(None, &format!("{GRANT}&client_id=a&client_secret=b%26c+d")), pair("a", "b&c d"));
        assert_eq!(parse(Some(&basic_of("a%3Ab:p%40s+%26&=")), GRANT), pair("a:b", "p@s &&="));
        assert_eq!(parse(Some(&basic_of("a:b")), &format!("{GRANT}&client_id=a")), pair("a", "b"));
        assert_eq!(parse(Some("Bearer x"), GRANT), Ok(None));
        assert_eq!(parse(Some("Basic !"), GRANT), Ok(None));
    }

    #[test]
    fn what_is_not_a_token_request_is_refused() {
        const GRANT: &str = "grant_type=client_credentials";
        assert_eq!(parse(None, ""), Err(BrokerError::GrantType.to_string()));
        assert_eq!(parse(None, "grant_type=password"), Err(BrokerError::GrantType.to_string()));
        assert_eq!(
            parse(None, &format!("{GRANT}&{GRANT}")),
            Err(BrokerError::Twice("grant_type").to_string())
        );
        for form in ["&client_secret=b", "&client_id=other"] {
            let error = parse(Some(&basic_of("a:b")), &format!("{GRANT}{form}"));
            assert_eq!(error, Err(BrokerError::Credentials.to_string()));
        }
    }

    #[test]
    fn an_assertion_is_a_jwt_and_comes_alone() {
        let kind = form_urlencoded::byte_serialize(ASSERTION.as_bytes()).collect::<String>();
        let grant = format!("grant_type=client_credentials&client_assertion_type={kind}");
        let asserted = |who: &str| Ok(Some((format!("asserted {who}"), "e.y.J".to_owned())));
        assert_eq!(parse(None, &format!("{grant}&client_assertion=e.y.J")), asserted("nobody"));
        assert_eq!(parse(None, &format!("{grant}&client_assertion=e.y.J&client_id=a")), asserted("a"));
        assert_eq!(parse(None, &format!("{grant}&client_assertion=+e.y.J%0D%0A")), asserted("nobody"));
        let refused = |authorization: Option<&str>, form: String, why: BrokerError| {
            assert_eq!(parse(authorization, &form), Err(why.to_string()), "{form}");
        };
        refused(None, grant.clone(), BrokerError::Assertion);
        refused(None, "grant_type=client_credentials&client_assertion=e.y.J".into(), BrokerError::Assertion);
        refused(
            None,
            format!("{}&client_assertion=x", grant.replace("jwt-bearer", "saml2-bearer")),
            BrokerError::Assertion,
        );
        refused(
            None,
            format!("{grant}&client_assertion=x&client_assertion=x"),
            BrokerError::Twice("client_assertion"),
        );
        refused(None, format!("{grant}&client_assertion=x&client_secret=y"), BrokerError::Credentials);
        refused(
            Some(&basic_of("a:b")),
            format!("{grant}&client_assertion=x&client_id=a"),
            BrokerError::Credentials,
        );
    }
}
