use std::time::UNIX_EPOCH;

use super::*;
use crate::{
    config::Origin,
    listen::tls::pki::{Authority, Wanted},
    secret::Secret,
};

const DAY: u64 = 24 * 60 * 60;
/// 2026-01-01 and 2100-01-01
const Y2026: u64 = 1_767_225_600;
const Y2100: u64 = 4_102_444_800;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn file(name: &str, pem: String) -> PemFile {
    PemFile {
        path: name.into(),
        pem: pem.into_bytes(),
        origin: crate::config::Written(Some(Origin::from("c.toml:4"))),
    }
}

fn config(until: i32, client_ca: &[&Authority], crl: Option<String>) -> ListenTls {
    let names = Wanted { dns: vec!["a.test"], uris: vec!["spiffe://a/b"], until, ..Wanted::default() };
    let server = Authority::new("servers").issue(&Wanted { common_name: "a.test", ..names });
    let ca = client_ca.iter().map(|authority| authority.pem.as_str()).collect::<String>();
    ListenTls {
        cert: file("tls.crt", server.cert_pem),
        key: Secret::new(server.key_pem.into_bytes()),
        client_ca: (!client_ca.is_empty()).then(|| file("ca.crt", ca)),
        crl: crl.map(|text| file("ca.crl", text)),
    }
}

fn concerns(config: &ListenTls, now: u64) -> Vec<String> {
    Dates::of(config).concerns(at(now)).iter().map(ToString::to_string).collect()
}

#[test]
fn the_end_of_the_certificate_is_said_ahead_and_afterwards() {
    let config = config(2026, &[], None);
    let none: [&str; 0] = [];
    assert_eq!(concerns(&config, Y2026 - 14 * DAY), none);
    let soon = "c.toml:4: listen.tls.cert: the certificate in tls.crt expires 2026-01-01T00:00:00Z, in less than 14 days: then \
                clients will refuse it. Renew it, and look at why that was not done yet. A changed file is taken up without a \
                restart.";
    assert_eq!(concerns(&config, Y2026 - 14 * DAY + 1), [soon]);
    assert_eq!(concerns(&config, Y2026), [soon], "valid up to and at its end");
    let ended = "c.toml:4: listen.tls.cert: the certificate in tls.crt expired 2026-01-01T00:00:00Z: clients will refuse it. Renew \
                 it. A changed file is taken up without a restart.";
    assert_eq!(concerns(&config, Y2026 + 1), [ended]);
    // It begins with 2020.
    let early = concerns(&config, 1_577_836_799);
    assert!(
        early[0].contains("is not valid before 2020-01-01T00:00:00Z: until then clients will refuse it"),
        "{early:?}"
    );
}

#[test]
fn a_certificate_that_lives_for_a_day_is_not_renewed_two_weeks_ahead() {
    let subject = Certificate::read(&Authority::new("x").der).unwrap().subject;
    let short = Certificate { subject, not_before: at(0), not_after: at(DAY) };
    assert!(!is_soon(&short, at(DAY * 3 / 4)));
    assert!(is_soon(&short, at(DAY * 3 / 4 + 1)));
}

#[test]
fn a_certificate_between_is_named() {
    let (mut config, between) = (config(2100, &[], None), Authority::new("between"));
    config.cert.pem.extend_from_slice(between.pem.as_bytes());
    let said = concerns(&config, Y2100 + 10 * 366 * DAY);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[1].contains("the intermediate certificate of CN=between in tls.crt expired 2110-"),
        "{said:?}"
    );
}

#[test]
fn a_list_that_has_ended_is_said_with_what_comes_of_it() {
    let clients = Authority::new("clients");
    let config = config(2100, &[&clients], Some(clients.revoke(&[], 2026)));
    assert!(concerns(&config, Y2026 - 1).is_empty());
    assert_eq!(
        concerns(&config, Y2026),
        [
            "c.toml:4: listen.tls.crl: the revocation list of CN=clients in ca.crl expired 2026-01-01T00:00:00Z: every client \
             certificate that it issued is refused. Put that authority's newest list in its place. A changed file is taken \
             up without a restart."
        ]
    );
}

#[test]
fn an_authority_without_a_list_is_said_and_whose_lists_there_are() {
    let (clients, others) = (Authority::new("clients"), Authority::new("others"));
    let one = config(2100, &[&clients], Some(others.revoke(&[], 2100)));
    assert_eq!(
        concerns(&one, Y2026),
        [
            "c.toml:4: listen.tls.crl: ca.crl holds no revocation list of CN=clients, an authority in ca.crt, only of CN=others: \
             every client certificate that CN=clients issued is refused. Add its list, or take it out of client_ca. A \
             changed file is taken up without a restart."
        ]
    );
    let both = config(2100, &[&clients, &others], Some(others.revoke(&[], 2100)));
    assert_eq!(concerns(&both, Y2026).len(), 1);
    let lists = clients.revoke(&[], 2100) + &others.revoke(&[], 2100);
    assert!(concerns(&config(2100, &[&clients, &others], Some(lists)), Y2026).is_empty());
    assert!(concerns(&config(2100, &[&clients], None), Y2026).is_empty(), "no revocation is no concern");
    // The lists of authorities between are of none in client_ca, and rightly there.
    let lists = clients.revoke(&[], 2100) + &others.revoke(&[], 2100);
    assert!(concerns(&config(2100, &[&clients], Some(lists)), Y2026).is_empty());
}

#[test]
fn a_list_of_an_authority_made_anew_is_not_the_authoritys() {
    let (clients, anew) = (Authority::new("clients"), Authority::new("clients"));
    let said = concerns(&config(2100, &[&clients], Some(anew.revoke(&[], 2100))), Y2026);
    assert_eq!(
        said,
        [
            "c.toml:4: listen.tls.crl: the revocation list of CN=clients in ca.crl is not signed by the authority of that name in \
             ca.crt: every client certificate that it issued is refused. Take list and authority from the same place: one that \
             was created again has another key. A changed file is taken up without a restart."
        ]
    );
    let both = config(2100, &[&clients, &anew], Some(anew.revoke(&[], 2100)));
    assert!(concerns(&both, Y2026).is_empty(), "one of that name has signed it");
    let behind = clients.revoke(&[], 2100) + &anew.revoke(&[], 2100);
    assert!(concerns(&config(2100, &[&clients], Some(behind)), Y2026).is_empty(), "the first counts");
}

#[test]
fn of_two_lists_of_one_authority_the_first_counts() {
    let clients = Authority::new("clients");
    let (old, new) = (clients.revoke(&[], 2026), clients.revoke(&[], 2100));
    let said = |lists: String| concerns(&config(2100, &[&clients], Some(lists)), Y2026).len();
    assert_eq!((said(old.clone() + &new), said(new + &old)), (1, 0));
}

#[test]
fn names_and_the_nearest_end_are_there_to_show() {
    let (clients, others) = (Authority::new("clients"), Authority::new("others"));
    let lists = clients.revoke(&[], 2100) + &others.revoke(&[], 2026);
    let dates = Dates::of(&config(2100, &[&clients, &others], Some(lists)));
    assert_eq!(dates.names(), ["a.test", "spiffe://a/b"]);
    assert_eq!(dates.server().unwrap().subject.to_string(), "CN=a.test");
    assert_eq!(dates.server().unwrap().not_after, at(Y2100));
    assert_eq!(dates.next_update(), Some(at(Y2026)));
    let names: Vec<_> = dates.authorities().unwrap().map(ToString::to_string).collect();
    assert_eq!(names, ["CN=clients", "CN=others"]);
}
