//! What each fuzz target feeds, and what must hold whatever it is fed. Shared by the targets and by
//! `tests/fuzz_replay.rs`.

use std::{
    borrow::Cow,
    path::PathBuf,
    str,
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use claviger::{
    catalog::{
        Catalog,
        secrets::{Place, Secrets},
    },
    config::{LoadRequest, Origin, Policy, References, RuleText, load},
    filter::{
        gunzip::{Gunzip, PIECE, Undecodable},
        redact::{MASK, MAX_DEPTH, Redactor, Unmaskable},
    },
    ids::PolicyName,
    policy::{
        CatalogCheck,
        decide::{RuleSet, Verdict},
        matched::Matched,
        path::CanonicalPath,
        rules::{Effect, Rule},
    },
    proxy::route,
    token::{Answer, MAX_LIFE, parse},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};
use zeroize::Zeroizing;

// --- path: bytes as the path of a request target ------------------------------------------------------------

static RULES: LazyLock<RuleSet> = LazyLock::new(|| {
    let rules = |texts: &[&str]| {
        let rule = |text: &&str| RuleText {
            text: (*text).into(),
            conditions: None,
            cache: None,
            origin: Origin::from("fuzz"),
        };
        texts.iter().map(rule).map(Arc::new).collect()
    };
    let policy = Policy {
        name: PolicyName::parse("fuzz").expect("a name"),
        allow: rules(&["*", "GET /api/**", "ListApplicationSecrets", "POST /api/new/{id}/**"]),
        deny: rules(&["users:*", "GET /api/roles/{id}", "GET /api/organizations/o1"]),
    };
    RuleSet::compile(Catalog::logto(), &[&policy]).expect("rules")
});

/// A path is refused, or has one reading; and no spelling gets round a deny.
pub(crate) fn path(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let _ = Rule::parse(Catalog::logto(), Effect::Allow, text);
    if let Ok(uri) = Uri::try_from(text) {
        let _ = route::target(&uri, Version::HTTP_11, &HeaderMap::new());
    }
    let Ok(canonical) = CanonicalPath::parse(text) else { return };
    assert!(text.strip_suffix('/').unwrap_or(text) == canonical.as_str());
    for segment in canonical.as_str().split('/').skip(1) {
        let decoded = decode(segment);
        let plain = str::from_utf8(&decoded).expect("escapes are UTF-8");
        assert!(!plain.is_empty() && !plain.ends_with(['.', ' ']), "{segment}");
        assert!(!plain.contains(['/', '\\', '?', '#', ';', '%']), "{segment}");
        assert!(!plain.contains(char::is_control), "{segment}");
    }
    for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE, Method::OPTIONS] {
        decided(&method, canonical);
    }
}

fn decided(method: &Method, path: CanonicalPath<'_>) {
    let matched = Matched::find(Catalog::logto(), method, path);
    let forwarded = matched.path().to_owned();
    assert!(forwarded.eq_ignore_ascii_case(path.as_str()));
    assert_eq!(CanonicalPath::parse(&forwarded).map(CanonicalPath::as_str), Ok(forwarded.as_str()));
    assert!(http::uri::PathAndQuery::try_from(forwarded.as_str()).is_ok_and(|uri| uri == forwarded.as_str()));
    let again = CanonicalPath::parse(&forwarded).expect("seen above");
    let again = Matched::find(Catalog::logto(), method, again);
    assert_eq!(again.op(), matched.op());
    assert!(matches!(again.into_path(), Cow::Borrowed(_)), "spelled once");
    let Verdict::Allowed(rule) = RULES.decide(&matched) else { return };
    let segments: Vec<_> = forwarded.split('/').map(str::to_ascii_lowercase).collect();
    let segments: Vec<_> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["", "api", "users", ..] | ["", "api", "swagger.json", ..] => panic!("{forwarded}"),
        ["", "api", "roles", _] | ["", "api", "organizations", "o1"] => assert_eq!(method, Method::DELETE),
        ["", "api", ..] => {}
        _ => panic!("{forwarded}"),
    }
    let sensitive = matched.op().is_some_and(|op| Catalog::logto().operation(op).is_sensitive());
    assert!(!sensitive || rule.rule.text == "ListApplicationSecrets");
}

fn decode(segment: &str) -> Vec<u8> {
    let mut pieces = segment.split('%');
    let mut decoded = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        decoded.push(u8::from_str_radix(&piece[..2], 16).expect("two digits"));
        decoded.extend(&piece.as_bytes()[2..]);
    }
    decoded
}

// --- config: the first byte chooses the format, the rest is the file ------------------------------------------

/// A configuration is loaded or refused with something to say; and what is loaded does not depend on luck.
pub(crate) fn config(data: &[u8]) {
    let Some((format, text)) = data.split_first() else { return };
    // A reference may name any file; those that never end are of no interest here.
    if text.windows(4).any(|window| window == b"/dev" || window == b"/pro" || window == b"/sys") {
        return;
    }
    let extension = match format % 3 {
        0 => "toml",
        1 => "yaml",
        _ => "json",
    };
    let thread = format!("{:?}", std::thread::current().id());
    let name = format!("claviger-fuzz-{}-{thread}.{extension}", std::process::id());
    let path: PathBuf = std::env::temp_dir().join(name);
    std::fs::write(&path, text).expect("a writable temporary directory");
    let request = LoadRequest {
        paths: vec![path.clone()],
        search: Vec::new(),
        env: std::iter::empty::<(std::ffi::OsString, std::ffi::OsString)>().collect(),
        rule_check: &CatalogCheck,
        references: References::Needed,
    };
    match (load(&request), load(&request)) {
        (Ok(first), Ok(second)) => assert!(first.digest == second.digest),
        (Err(first), Err(second)) => {
            assert!(!first.to_string().trim().is_empty());
            assert_eq!(first.to_string(), second.to_string());
        }
        _ => panic!("loaded once and refused once"),
    }
    let _ = std::fs::remove_file(path);
}

// --- token_answer: the first byte chooses status and headers, the rest is the body ----------------------------

/// A token answer gives a token with a bounded life, or a fault; it never panics.
pub(crate) fn token_answer(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else { return };
    let status = [200, 201, 204, 400, 401, 403, 404, 429, 500, 502, 503][usize::from(choice % 11)];
    let kinds = [None, Some("application/json"), Some("text/html; charset=utf-8"), Some("text/plain")];
    let content_type = kinds[usize::from(choice >> 4) % kinds.len()].map(HeaderValue::from_static);
    let retry_after = body.get(..8).and_then(|bytes| HeaderValue::from_bytes(bytes).ok());
    let status = StatusCode::from_u16(status).expect("a status");
    let answer = Answer { status, content_type, retry_after, body: Zeroizing::new(body.to_vec()) };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let scopes = ["all".to_owned()];
    match parse(&answer, &scopes, now) {
        Ok(grant) => {
            assert!(status.is_success());
            assert!(grant.life >= Duration::from_secs(1) && grant.life <= MAX_LIFE);
            assert!(grant.header.is_sensitive() && grant.header.as_bytes().starts_with(b"Bearer "));
        }
        Err(failure) => assert!(format!("{failure:?}").len() < 4096, "bounded, whatever the issuer says"),
    }
}

// --- redact: the first byte chooses the operation, the second the size of chunks, the rest is the answer ----------

/// What passes is JSON with every secret masked and the rest as it was, however it is cut; all else is refused.
pub(crate) fn redact(data: &[u8]) {
    let Some(([choice, size], body)) = data.split_first_chunk() else { return };
    let known: Vec<_> = Catalog::logto()
        .operations()
        .filter_map(|(op, _)| Catalog::logto().secrets(op))
        .chain([Secrets::of_unknown()])
        .collect();
    let secrets = known[usize::from(*choice) % known.len()];
    let whole = masked(secrets, body, body.len());
    let pieces = masked(secrets, body, usize::from(*size) % 16 + 1);
    assert_eq!(whole.as_ref().ok(), pieces.as_ref().ok(), "chunks make no difference");
    let text = str::from_utf8(body).ok();
    let is_empty = body.iter().all(u8::is_ascii_whitespace) && !body.contains(&0x0c);
    let is_json = text.is_some_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
    match whole {
        Ok(whole) => {
            assert!(is_json || is_empty, "passed");
            assert_eq!(masked(secrets, &whole, 7).as_deref(), Ok(&*whole), "twice is once");
            // Numbers and halves of pairs that this parser refuses, others do not; they passed as they were.
            let Ok(mut want) = serde_json::from_slice::<serde_json::Value>(body) else { return };
            hide(secrets, secrets.root(), &mut want);
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&whole).ok(), Some(want));
        }
        Err(Unmaskable::TooDeep) => {
            let opened = body.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
            assert!(opened > MAX_DEPTH);
        }
        Err(_) => assert!(!is_json && !is_empty, "refused"),
    }
}

fn masked(secrets: &'static Secrets, body: &[u8], size: usize) -> Result<Vec<u8>, Unmaskable> {
    let mut redactor = Redactor::new(secrets);
    let mut masked = Vec::new();
    for chunk in body.chunks(size.max(1)) {
        masked.extend(redactor.mask(Bytes::copy_from_slice(chunk))?);
    }
    redactor.finish().map(|()| masked)
}

fn hide(secrets: &Secrets, place: Place, value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Array(elements) => {
            elements.iter_mut().for_each(|value| hide(secrets, place, value))
        }
        serde_json::Value::Object(members) => members.iter_mut().for_each(|(name, value)| {
            let inner = match place {
                Place::Above(step) => secrets.member(step, name.as_bytes()),
                other => other,
            };
            hide(secrets, inner, value);
        }),
        serde_json::Value::String(_) | serde_json::Value::Number(_) if place == Place::Secret => {
            *value = serde_json::from_slice(MASK).expect("a JSON string");
        }
        _ => {}
    }
}

// --- gunzip: the first byte chooses whether a header is put before it, the second the size of chunks -----------------

/// What expands does so in small pieces, to the same text however it is cut, and not beyond the bound.
pub(crate) fn gunzip(data: &[u8]) {
    const EXPANSION: u32 = 50;
    let Some(([choice, size], rest)) = data.split_first_chunk() else { return };
    let header = if choice % 2 == 0 { &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..] } else { &[] };
    let bytes = [header, rest].concat();
    let (whole, why) = expanded(&bytes, bytes.len(), EXPANSION);
    let pieces = expanded(&bytes, usize::from(*size) % 16 + 1, EXPANSION);
    // Where it is broken, or too much, is seen by the piece.
    let (least, most) = if whole.len() < pieces.0.len() { (&whole, &pieces.0) } else { (&pieces.0, &whole) };
    assert!(most.starts_with(least) && most.len() - least.len() <= PIECE);
    // How much was read when a piece was whole depends on the chunks, and so does where too much is seen.
    if ![why, pieces.1].contains(&Err(Undecodable::Expansion)) {
        assert_eq!(why, pieces.1, "chunks make no difference");
        assert!(why.is_err() || whole == pieces.0);
    }
    assert!(most.len() <= (1 << 20) + PIECE || most.len() <= bytes.len() * EXPANSION as usize);
}

fn expanded(bytes: &[u8], size: usize, expansion: u32) -> (Vec<u8>, Result<(), Undecodable>) {
    let mut gunzip = Gunzip::new(expansion);
    let mut text = Vec::new();
    for chunk in bytes.chunks(size.max(1)) {
        let mut chunk = Bytes::copy_from_slice(chunk);
        loop {
            match gunzip.read(&mut chunk) {
                Ok(Some(piece)) => {
                    assert!(!piece.is_empty() && piece.len() <= PIECE);
                    text.extend(piece);
                }
                Ok(None) => break,
                Err(error) => return (text, Err(error)),
            }
        }
        assert!(chunk.is_empty() && gunzip.needs_more(&chunk));
    }
    let end = gunzip.finish();
    assert!(end.is_err() || gunzip.is_whole() || bytes.is_empty());
    (text, end)
}
