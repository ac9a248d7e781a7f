mod causes;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::{
    config::{Identity, Origin, TenantScope},
    ids::CallerName,
    secret::{Digest, Secret},
};

/// What the one who asks is told.
#[derive(Debug, PartialEq)]
struct Unauthenticated;

static NETWORK: Peer = Peer::at(Reach::Network);
static LOOPBACK: Peer = Peer::at(Reach::Loopback);

pub(crate) fn caller(name: &str, identify: Vec<Identity>) -> config::Caller {
    config::Caller {
        name: CallerName::parse(name).unwrap(),
        identify,
        cloud: Vec::new(),
        tenants: TenantScope::All,
        policies: Vec::new(),
        reveal: Vec::new(),
        issue: config::Issue::Claviger,
        scopes: None,
        organization_id: None,
        rate: None,
        priority: Default::default(),
        weight: 1,
        origin: Origin::from("test"),
    }
}

fn key(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

struct Fixture {
    config: Vec<config::Caller>,
    seal: Seal,
    seconds: Arc<AtomicU64>,
}

impl Fixture {
    fn new() -> Self {
        let config = vec![
            caller(
                "keyed",
                vec![Identity::ApiKey { keys: vec![key("new-key"), key("old-key")], label: None }],
            ),
            caller("local", vec![Identity::Loopback]),
            caller(
                "user",
                vec![Identity::UnixUid(1001), Identity::ApiKey { keys: vec![key("user-key")], label: None }],
            ),
            caller("group", vec![Identity::UnixGid(2002)]),
        ];
        Self { config, seal: Seal::new(None).unwrap(), seconds: Arc::new(AtomicU64::new(1_000_000)) }
    }

    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.seconds.load(Ordering::Relaxed))
    }

    fn authenticate(&self, presented: &Presented<'_>) -> Result<(&str, &'static str), Unauthenticated> {
        self.verify(presented).map_err(|_| Unauthenticated)
    }

    fn verify(&self, presented: &Presented<'_>) -> Result<(&str, &'static str), AuthnError> {
        let seconds = self.seconds.clone();
        let clock =
            Clock::with_wall(move || UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::Relaxed)));
        let deps = Deps {
            seal: self.seal.clone(),
            clock,
            clients: None,
            issuers: Vec::new(),
            usage: Default::default(),
        };
        let callers = Authenticators::new(&self.config, deps);
        let caller = callers.authenticate(presented).now_or_never().expect("nothing to wait for")?;
        Ok((self.config[caller.index().0].name.as_str(), caller.method()))
    }

    fn by(
        &self,
        peer: &Peer,
        headers: &[(&'static str, &str)],
    ) -> Result<(&str, &'static str), Unauthenticated> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        self.authenticate(&Presented::by_headers(peer, &map))
    }
}

#[test]
fn api_keys_by_either_header_and_two_at_once() {
    let f = Fixture::new();
    for headers in [
        [("claviger-key", "new-key")],
        [("claviger-key", "old-key")],
        [("authorization", "Bearer new-key")],
        [("authorization", "bearer  old-key ")],
    ] {
        assert_eq!(f.by(&NETWORK, &headers), Ok(("keyed", "api_key")), "{headers:?}");
    }
    for headers in [
        [("claviger-key", "wrong")],
        [("claviger-key", "")],
        [("authorization", "Bearer wrong")],
        [("authorization", "Bearer")],
        [("authorization", "Basic bmV3LWtleQ==")],
        [("authorization", "new-key")],
    ] {
        assert_eq!(f.by(&NETWORK, &headers), Err(Unauthenticated), "{headers:?}");
    }
    assert_eq!(f.by(&NETWORK, &[]), Err(Unauthenticated));
}

#[test]
fn several_credentials_are_none() {
    let f = Fixture::new();
    let twice = [("authorization", "Bearer new-key"), ("authorization", "Bearer new-key")];
    assert_eq!(f.by(&LOOPBACK, &twice), Err(Unauthenticated));
    assert_eq!(
        f.by(&LOOPBACK, &[("claviger-key", "new-key"), ("claviger-key", "user-key")]),
        Err(Unauthenticated)
    );
    let both = [("claviger-key", "new-key"), ("authorization", "Bearer whatever")];
    assert_eq!(
        f.by(&NETWORK, &both),
        Ok(("keyed", "api_key")),
        "Claviger-Key is the one that is meant for us"
    );
}

#[test]
fn locality_is_the_listeners_not_the_peers() {
    let f = Fixture::new();
    let mesh = Peer { address: Some(([127, 0, 0, 6], 5).into()), ..NETWORK.clone() };
    assert_eq!(f.by(&mesh, &[]), Err(Unauthenticated));
    assert_eq!(f.by(&LOOPBACK, &[]), Ok(("local", "loopback")));
    assert_eq!(f.by(&LOOPBACK, &[("authorization", "Bearer an-sdks-own")]), Ok(("local", "loopback")));
    assert_eq!(
        f.by(&LOOPBACK, &[("claviger-key", "wrong")]),
        Err(Unauthenticated),
        "meant for us, and wrong"
    );
    assert_eq!(f.by(&LOOPBACK, &[("claviger-key", "new-key")]), Ok(("keyed", "api_key")));
}

#[test]
fn unix_peers_by_uid_then_gid_and_the_rest_by_locality() {
    let f = Fixture::new();
    let unix = |uid, gid| Peer { uid: Some(uid), gid: Some(gid), ..Peer::at(Reach::Unix) };
    assert_eq!(f.by(&unix(1001, 5), &[]), Ok(("user", "unix_uid")));
    assert_eq!(f.by(&unix(1001, 2002), &[]), Ok(("user", "unix_uid")));
    assert_eq!(f.by(&unix(5, 2002), &[]), Ok(("group", "unix_gid")));
    assert_eq!(f.by(&unix(2002, 1001), &[]), Ok(("local", "loopback")), "a user is no group");
    assert_eq!(f.by(&unix(0, 0), &[]), Ok(("local", "loopback")));
    let mut strict = Fixture::new();
    strict.config.remove(1);
    assert_eq!(strict.by(&unix(0, 0), &[]), Err(Unauthenticated));
    assert_eq!(strict.by(&unix(1002, 2001), &[]), Err(Unauthenticated));
}

#[test]
fn a_client_of_the_broker_is_name_and_key_or_local() {
    let f = Fixture::new();
    let by = |peer: &Peer, id: &str, secret: &str| {
        f.authenticate(&Presented::by_client(
            peer,
            &HeaderMap::new(),
            Some(Client::Secret { id, secret: b"decoded", raw: secret.as_bytes() }),
        ))
    };
    assert_eq!(by(&NETWORK, "keyed", "new-key"), Ok(("keyed", "api_key")));
    assert_eq!(by(&NETWORK, "user", "new-key"), Err(Unauthenticated), "somebody else's key");
    assert_eq!(by(&NETWORK, "keyed", "wrong"), Err(Unauthenticated));
    assert_eq!(by(&LOOPBACK, "any", "thing"), Ok(("local", "loopback")));
}

#[test]
fn a_key_in_the_header_counts_at_the_broker_and_a_bearer_does_not() {
    let f = Fixture::new();
    let by = |peer: &Peer, name: &'static str, value: &str, client: Option<Client<'_>>| {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        f.authenticate(&Presented::by_client(peer, &headers, client))
    };
    let client = Client::Secret { id: "keyed", secret: b"new-key", raw: b"new-key" };
    assert_eq!(by(&NETWORK, "claviger-key", "new-key", None), Ok(("keyed", "api_key")));
    assert_eq!(by(&LOOPBACK, "claviger-key", "wrong", None), Err(Unauthenticated), "meant for us, and wrong");
    assert_eq!(by(&LOOPBACK, "claviger-key", "new-key", Some(client)), Err(Unauthenticated), "said twice");
    let token = f.seal.issue(&f.config[0].name, None, f.now(), Duration::from_secs(600)).unwrap();
    let bearer = format!("Bearer {}", std::str::from_utf8(token.expose()).unwrap());
    assert_eq!(by(&NETWORK, "authorization", &bearer, None), Err(Unauthenticated), "a token renews no token");
    let assertion = Client::Assertion { id: None, jwt: b"eyJ.no.issuer" };
    assert_eq!(
        by(&LOOPBACK, "x", "", Some(assertion)),
        Err(Unauthenticated),
        "meant for us, and no caller's"
    );
}

#[test]
fn a_claviger_token_lasts_as_long_as_it_says_and_no_longer() {
    let f = Fixture::new();
    let token = f.seal.issue(&f.config[0].name, None, f.now(), Duration::from_secs(600)).unwrap();
    let header = format!("Bearer {}", std::str::from_utf8(token.expose()).unwrap());
    let by = |header: &str| f.by(&NETWORK, &[("authorization", header)]);
    assert_eq!(by(&header), Ok(("keyed", "claviger_token")));
    f.seconds.fetch_add(599, Ordering::Relaxed);
    assert_eq!(by(&header), Ok(("keyed", "claviger_token")));
    f.seconds.fetch_add(1, Ordering::Relaxed);
    assert_eq!(by(&header), Err(Unauthenticated), "expired, although it had been opened before");
}

#[test]
fn b33_a_foreign_changed_or_expired_claviger_token_counts_as_any_other_bearer() {
    let f = Fixture::new();
    let issue = |seal: &Seal, name: &str| {
        let name = CallerName::parse(name).unwrap();
        seal.issue(&name, None, f.now(), Duration::from_secs(600)).unwrap()
    };
    let (foreign, own) = (issue(&Seal::new(None).unwrap(), "keyed"), issue(&f.seal, "keyed"));
    let mut changed = own.expose().to_vec();
    changed[20] ^= 1;
    let by = |peer, token: &[u8]| {
        let header = format!("Bearer {}", std::str::from_utf8(token).unwrap());
        f.by(peer, &[("authorization", &header)])
    };
    for token in
        [foreign.expose(), &changed, b"cvt_", b"cvt_AAAA", b"cvt_!", &[b"cvt_", &[b'A'; 300][..]].concat()]
    {
        assert_eq!(by(&NETWORK, token), Err(Unauthenticated));
        assert_eq!(by(&LOOPBACK, token), by(&LOOPBACK, b"anything"));
        assert!(by(&LOOPBACK, token).is_ok(), "where locality is enough");
    }
    assert_eq!(by(&LOOPBACK, issue(&f.seal, "gone").expose()), Err(Unauthenticated), "ours, and nobody's");
    assert_eq!(by(&LOOPBACK, own.expose()), Ok(("keyed", "claviger_token")));
    f.seconds.fetch_add(600, Ordering::Relaxed);
    assert_eq!(by(&LOOPBACK, own.expose()), by(&LOOPBACK, b"anything"), "expired");
    assert_eq!(by(&NETWORK, own.expose()), Err(Unauthenticated));
}

#[test]
fn a_token_that_was_got_with_a_key_ends_with_that_key() {
    let mut f = Fixture::new();
    let none = HeaderMap::new();
    let by = |f: &Fixture, key: &str| {
        let deps = Deps {
            seal: f.seal.clone(),
            clock: Clock::system(),
            clients: None,
            issuers: Vec::new(),
            usage: Default::default(),
        };
        let client = Client::Secret { id: "keyed", secret: key.as_bytes(), raw: key.as_bytes() };
        let presented = Presented::by_client(&NETWORK, &none, Some(client));
        let key = Authenticators::new(&f.config, deps).key_of(&presented);
        let token = f.seal.issue(&f.config[0].name, key.as_ref(), f.now(), Duration::from_secs(600)).unwrap();
        format!("Bearer {}", std::str::from_utf8(token.expose()).unwrap())
    };
    let (old, new) = (by(&f, "old-key"), by(&f, "new-key"));
    for header in [&old, &new] {
        assert_eq!(f.by(&NETWORK, &[("authorization", header)]), Ok(("keyed", "claviger_token")));
    }
    f.config[0].identify = vec![config::Identity::ApiKey { keys: vec![Digest::of(b"new-key")], label: None }];
    assert_eq!(f.by(&NETWORK, &[("authorization", &old)]), Err(Unauthenticated), "its key was taken out");
    assert_eq!(f.by(&NETWORK, &[("authorization", &new)]), Ok(("keyed", "claviger_token")));
}

#[test]
fn replicas_with_the_same_key_accept_each_others_tokens() {
    let secret = Secret::new(b"shared between replicas".to_vec());
    let mut f = Fixture::new();
    f.seal = Seal::new(Some(&secret)).unwrap();
    let token = Seal::new(Some(&secret))
        .unwrap()
        .issue(&f.config[2].name, None, f.now(), Duration::from_secs(60))
        .unwrap();
    let header = format!("Bearer {}", std::str::from_utf8(token.expose()).unwrap());
    assert_eq!(f.by(&NETWORK, &[("authorization", &header)]), Ok(("user", "claviger_token")));
}

#[test]
fn failures_are_counted_against_addresses_of_others_in_one_spelling() {
    let ip = |address: &str| Peer { address: Some(address.parse().unwrap()), ..NETWORK.clone() }.ip();
    assert_eq!((ip("127.0.0.1:1"), ip("[::1]:1"), ip("[::ffff:127.0.0.1]:1")), (None, None, None));
    assert_eq!(ip("[::ffff:192.0.2.1]:1"), ip("192.0.2.1:2"));
    assert!(ip("192.0.2.1:2").is_some());
}

#[test]
fn what_looks_like_a_token_or_a_key_of_ours_is_given_away_whoever_has_it() {
    for text in ["cvt_AAAA", "cvk_AAAA", "acme.cvk_AAAA"] {
        assert!(seal::holds_token(text.as_bytes()), "{text}");
    }
    assert!(!seal::holds_token(b"cv_AAAA"));
}
