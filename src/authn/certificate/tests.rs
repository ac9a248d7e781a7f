use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, UNIX_EPOCH},
};

use super::{identity::VERIFIED_FOR, *};
use crate::{
    authn::{Peer, Reach},
    config::{Identity, ListenTls, PemFile},
    listen::tls::{
        Tls,
        pki::{Authority, Certified, Wanted},
    },
    secret::Secret,
};

/// 2027-01-15
const NOW: u64 = 1_800_000_000;
const YEAR: u64 = 366 * 86_400;

static CLIENTS: LazyLock<Authority> = LazyLock::new(|| Authority::new("clients"));
static STRANGERS: LazyLock<Authority> = LazyLock::new(|| Authority::new("strangers"));

struct World {
    callers: Vec<config::Caller>,
    authenticator: Certificates,
    seconds: Arc<AtomicU64>,
}

impl World {
    fn new(callers: &[(&str, Identity)], crl: Option<String>) -> Self {
        let seconds = Arc::new(AtomicU64::new(NOW));
        let wall = seconds.clone();
        let clock = Clock::with_wall(move || UNIX_EPOCH + Duration::from_secs(wall.load(Relaxed)));
        let callers: Vec<_> = callers.iter().map(|(name, identity)| caller(name, identity.clone())).collect();
        let pem = |text: String| PemFile {
            path: "x.pem".into(),
            pem: text.into_bytes(),
            origin: Default::default(),
        };
        let server = CLIENTS.server(&["localhost"]);
        let tls = ListenTls {
            cert: pem(server.cert_pem),
            key: Secret::new(server.key_pem.into_bytes()),
            client_ca: Some(pem(CLIENTS.pem.clone())),
            crl: crl.map(pem),
        };
        let authenticator = Certificates::new(&callers, Tls::new(&tls, &clock).unwrap().clients(), clock);
        Self { callers, authenticator, seconds }
    }

    /// The caller's name; `""` where the method passes, `"rejected"` where it rejects.
    fn ask(&self, peer: &Peer) -> &str {
        match self.authenticator.authenticate(&Presented { peer, credential: None, asks_for_token: false }) {
            Outcome::Now(Finding::Known(known)) => self.callers[known.caller.0].name.as_str(),
            Outcome::Now(Finding::Pass(_)) => "",
            Outcome::Now(Finding::Rejected(_)) => "rejected",
            Outcome::Later(_) => "later",
        }
    }

    fn who(&self, certified: &Certified) -> &str {
        self.ask(&peer(certified))
    }
}

fn peer(certified: &Certified) -> Peer {
    let identity = PeerIdentity::read(std::slice::from_ref(&certified.der)).unwrap();
    Peer { certificate: Some(Arc::new(identity)), ..Peer::at(Reach::Network) }
}

fn caller(name: &str, identity: Identity) -> config::Caller {
    crate::authn::tests::caller(name, vec![identity])
}

fn usual() -> World {
    let spiffe = |id: &str| Identity::Spiffe(id.into());
    let dns = |name: &str| Identity::Dns(name.into());
    World::new(
        &[
            ("billing", spiffe("spiffe://prod/ns/shop/sa/billing")),
            ("any-job", spiffe("spiffe://prod/ns/*/sa/job")),
            ("domain", spiffe("spiffe://staging")),
            ("host", dns("billing.internal")),
            ("pool", dns("*.pool.internal")),
        ],
        None,
    )
}

fn with_uri(uri: &'static str) -> Certified {
    CLIENTS.issue(&Wanted { uris: vec![uri], ..Wanted::default() })
}

fn with_dns(dns: &[&'static str]) -> Certified {
    CLIENTS.issue(&Wanted { dns: dns.to_vec(), ..Wanted::default() })
}

#[test]
fn spiffe_ids_match_segment_by_segment() {
    let world = usual();
    for (id, who) in [
        ("spiffe://prod/ns/shop/sa/billing", "billing"),
        ("spiffe://prod/ns/shop/sa/job", "any-job"),
        ("spiffe://prod/ns/x-1.y_2/sa/job", "any-job"),
        ("spiffe://staging", "domain"),
        ("spiffe://prod/ns/shop/sa/billing/", ""),
        ("spiffe://prod/ns/shop/sa/billing/x", ""),
        ("spiffe://prod/ns/shop/sa", ""),
        ("spiffe://prod/ns/shop/sa/job/x", ""),
        ("spiffe://prod/ns/shop/sa/job/", ""),
        ("spiffe://prod/ns/shop/sa", ""),
        ("spiffe://prod/ns//sa/job", ""),
        ("spiffe://prod/ns/./sa/job", ""),
        ("spiffe://prod/ns/../sa/job", ""),
        ("spiffe://prod/ns/a/b/sa/job", ""),
        ("spiffe://prod/ns/a%2Fb/sa/job", ""),
        ("spiffe://prod/ns/*/sa/job?x", ""),
        ("spiffe://prod/ns/*/sa/job", ""),
        ("spiffe://prod/ns/a?b/sa/job", ""),
        ("spiffe://prod/NS/shop/sa/job", ""),
        ("spiffe://Prod/ns/shop/sa/billing", ""),
        ("spiffe://prod.example/ns/shop/sa/billing", ""),
        ("spiffe://user@prod/ns/shop/sa/billing", ""),
        ("spiffe://prod:443/ns/shop/sa/billing", ""),
        ("SPIFFE://prod/ns/shop/sa/billing", ""),
        ("https://prod/ns/shop/sa/billing", ""),
        ("spiffe:///ns/shop/sa/billing", ""),
        ("spiffe://staging/x", ""),
    ] {
        assert_eq!(world.who(&with_uri(id)), who, "{id}");
    }
}

#[test]
fn dns_names_are_exact_or_one_label_deep() {
    let world = usual();
    for (name, who) in [
        ("billing.internal", "host"),
        ("Billing.INTERNAL", "host"),
        ("a.pool.internal", "pool"),
        ("pool.internal", ""),
        ("a.b.pool.internal", ""),
        ("*.pool.internal", ""),
        ("xpool.internal", ""),
        ("billing.internal.evil.example", ""),
        ("xbilling.internal", ""),
    ] {
        assert_eq!(world.who(&with_dns(&[name])), who, "{name}");
    }
    assert_eq!(world.who(&with_dns(&["other.internal", "billing.internal"])), "host");
    assert_eq!(world.who(&with_dns(&["a.pool.internal", "b.pool.internal"])), "pool");
    assert_eq!(world.who(&with_dns(&["a.pool.internal", "billing.internal"])), "", "two callers are none");
}

#[test]
fn names_that_do_not_count() {
    let world = usual();
    let common_name = Wanted { common_name: "billing.internal", ..Wanted::default() };
    assert_eq!(world.who(&CLIENTS.issue(&common_name)), "");
    let id = "spiffe://prod/ns/shop/sa/billing";
    let common_name = Wanted { common_name: id, dns: vec!["x.internal"], ..Wanted::default() };
    assert_eq!(world.who(&CLIENTS.issue(&common_name)), "");
    for uris in [vec![id, "spiffe://prod/ns/shop/sa/job"], vec![id, id], vec![id, "https://example.com"]] {
        let two = CLIENTS.issue(&Wanted { uris: uris.clone(), ..Wanted::default() });
        assert_eq!(world.who(&two), "", "{uris:?}");
    }
    let mut unreadable =
        CLIENTS.issue(&Wanted { uris: vec![id, "https://example.com"], ..Wanted::default() });
    let mut bytes = unreadable.der.to_vec();
    let at = bytes.windows(7).position(|bytes| bytes == b"example").unwrap();
    bytes[at] = 0xFF;
    unreadable.der = bytes.into();
    let identity = PeerIdentity::read(std::slice::from_ref(&unreadable.der)).unwrap();
    assert_eq!(identity.spiffe(), None, "a URI that is not valid is one all the same");
    let identity = PeerIdentity::read(std::slice::from_ref(&with_uri(id).der)).unwrap();
    assert_eq!(identity.spiffe().map(AsRef::as_ref), Some(id));
    let as_dns = with_uri("billing.internal");
    assert_eq!(world.who(&as_dns), "", "a URI is no DNS name");
    let both = Wanted { uris: vec![id], dns: vec!["billing.internal"], ..Wanted::default() };
    assert_eq!(world.who(&CLIENTS.issue(&both)), "", "SPIFFE ID and DNS name of two callers");
    assert_eq!(world.ask(&Peer::at(Reach::Network)), "");
}

#[test]
fn a_certificate_of_another_authority_or_time_says_something_false() {
    let world = usual();
    let wanted = Wanted { dns: vec!["billing.internal"], ..Wanted::default() };
    assert_eq!(world.who(&STRANGERS.issue(&wanted)), "rejected");
    assert_eq!(world.who(&CLIENTS.issue(&Wanted { until: 2026, ..wanted.clone() })), "rejected");
    let own = Authority::new("clients");
    assert_eq!(world.who(&own.issue(&wanted)), "rejected", "an authority of the same name");
    let without_trust = Certificates::new(&world.callers, None, world.authenticator.clock.clone());
    let certified = CLIENTS.issue(&wanted);
    let peer = peer(&certified);
    assert!(matches!(
        without_trust.authenticate(&Presented { peer: &peer, credential: None, asks_for_token: false }),
        Outcome::Now(Finding::Pass(None))
    ));
}

#[tokio::test(start_paused = true)]
async fn an_open_connection_does_not_outlast_its_certificate() {
    let world = usual();
    let wanted = Wanted { dns: vec!["billing.internal"], until: 2028, ..Wanted::default() };
    let peer = peer(&CLIENTS.issue(&wanted));
    assert_eq!(world.ask(&peer), "host");
    world.seconds.fetch_add(YEAR, Relaxed);
    tokio::time::advance(VERIFIED_FOR - Duration::from_secs(1)).await;
    assert_eq!(world.ask(&peer), "host", "verified less than a minute ago");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(world.ask(&peer), "rejected");
}

#[test]
fn an_open_connection_does_not_outlast_the_trust_in_it() {
    let dns = || [("host", Identity::Dns("billing.internal".into()))];
    let certified = CLIENTS.issue(&Wanted { dns: vec!["billing.internal"], serial: 9, ..Wanted::default() });
    let peer = peer(&certified);
    assert_eq!(World::new(&dns(), Some(CLIENTS.revoke(&[], 2100))).ask(&peer), "host");
    let after = World::new(&dns(), Some(CLIENTS.revoke(&[&certified], 2100)));
    assert_eq!(after.ask(&peer), "rejected", "revoked since, and at once");
    assert_eq!(after.ask(&peer), "rejected");
    assert_eq!(World::new(&dns(), Some(CLIENTS.revoke(&[], 2026))).ask(&peer), "rejected", "a stale list");
}

#[test]
fn a_full_handshake_counts_for_a_minute_and_only_for_who_verified_in_it() {
    let (world, other) = (usual(), usual());
    // It would fail verification: that it is accepted shows that it was not verified again.
    let stranger =
        STRANGERS.issue(&Wanted { uris: vec!["spiffe://prod/ns/shop/sa/billing"], ..Wanted::default() });
    let seen_by = |world: &World| {
        let identity = PeerIdentity::read(std::slice::from_ref(&stranger.der)).unwrap();
        let verifier = world.authenticator.verifier.as_ref().unwrap();
        let identity = identity.verified(verifier, world.authenticator.clock.now().instant);
        Peer { certificate: Some(Arc::new(identity)), ..Peer::at(Reach::Network) }
    };
    assert_eq!(world.ask(&seen_by(&world)), "billing");
    assert_eq!(world.ask(&seen_by(&other)), "rejected", "a reload makes another verifier");
    let earlier = world.authenticator.clock.now().instant.checked_sub(VERIFIED_FOR).unwrap();
    let identity = PeerIdentity::read(std::slice::from_ref(&stranger.der)).unwrap();
    let identity = identity.verified(world.authenticator.verifier.as_ref().unwrap(), earlier);
    let peer = Peer { certificate: Some(Arc::new(identity)), ..Peer::at(Reach::Network) };
    assert_eq!(world.ask(&peer), "rejected", "a minute ago");
}

#[test]
fn the_operator_learns_what_is_wrong_with_a_certificate() {
    let dns =
        || [("host", Identity::Dns("a.internal".into())), ("other", Identity::Dns("b.internal".into()))];
    let certified = |dns: &[&'static str], until, serial| {
        CLIENTS.issue(&Wanted { dns: dns.to_vec(), until, serial, ..Wanted::default() })
    };
    let why = |crl: Option<String>, certified: &Certified| {
        let peer = peer(certified);
        match World::new(&dns(), crl).authenticator.authenticate(&Presented {
            peer: &peer,
            credential: None,
            asks_for_token: false,
        }) {
            Outcome::Now(Finding::Rejected(cause) | Finding::Pass(Some(cause))) => {
                (cause.text.into_owned(), cause.reason)
            }
            _ => (String::new(), ""),
        }
    };
    let said = |text: &str, reason| (format!("certificate: {text}"), reason);
    let valid = certified(&["a.internal"], 2100, 9);
    assert_eq!(why(None, &valid).1, "");
    assert_eq!(why(None, &certified(&["a.internal"], 2026, 9)), said("expired", "expired"));
    assert_eq!(why(Some(CLIENTS.revoke(&[&valid], 2100)), &valid), said("revoked", "revoked"));
    let stale = said("its revocation list has expired", "revocation_list");
    assert_eq!(why(Some(CLIENTS.revoke(&[], 2026)), &valid), stale);
    let stranger = STRANGERS.issue(&Wanted { dns: vec!["a.internal"], ..Wanted::default() });
    assert_eq!(why(None, &stranger), said("no CA in `listen.tls.client_ca` signed it", "untrusted"));
    assert_eq!(why(None, &certified(&["c.internal"], 2100, 9)), said("names no caller", "no_caller"));
    let two = certified(&["a.internal", "b.internal"], 2100, 9);
    assert_eq!(why(None, &two), said("names two callers", "two_callers"));
}
