//! Warnings about the listener's certificates and revocation lists: an expired certificate, an expired list, an
//! authority without a list. None of it keeps the process from starting, since a restart fixes none of it; all of it
//! is reported, here as [`Problem`]s, by `claviger check` and in the log. Trusts nothing and refuses nothing.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, SignatureVerificationAlgorithm, pem::PemObject,
};
use webpki::EndEntityCert;

use crate::{
    config::{ListenTls, Origin, PemFile, Problem},
    trust::provider,
    x509::{Certificate, Name, RevocationList, Signed},
};

/// A certificate that expires sooner is warned of, if less than a quarter of its life is left as well: those that live
/// for a day are not renewed two weeks ahead.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);
const TAKEN_UP: &str = "A changed file is taken up without a restart.";

/// Names and dates of one configuration's files.
#[derive(Debug)]
pub struct Dates {
    cert: Place,
    /// The server's own first.
    chain: Vec<Certificate>,
    names: Vec<String>,
    clients: Option<Clients>,
}

#[derive(Debug)]
struct Clients {
    ca: Place,
    authorities: Vec<Certificate>,
    crl: Option<Lists>,
}

#[derive(Debug)]
struct Lists {
    file: Place,
    lists: Vec<RevocationList>,
    /// Names of authorities whose list has another key's signature.
    forged: Vec<Name>,
}

/// A file, for messages; not what is in it, which may be large.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    origin: Option<Origin>,
}

impl Place {
    fn of(file: &PemFile) -> Self {
        Self { path: file.path.clone(), origin: file.origin.0.clone() }
    }
}

impl Dates {
    /// Reads what can be read; files that cannot be used at all are refused elsewhere.
    pub fn of(config: &ListenTls) -> Self {
        let clients = config.client_ca.as_ref().map(|ca| Clients {
            ca: Place::of(ca),
            authorities: read(ca, |der: CertificateDer<'_>| Certificate::read(&der)),
            crl: config.crl.as_ref().map(|file| Lists {
                file: Place::of(file),
                lists: read(file, |der: CertificateRevocationListDer<'_>| RevocationList::read(&der)),
                forged: forged(file, ca),
            }),
        });
        Self {
            cert: Place::of(&config.cert),
            chain: read(&config.cert, |der: CertificateDer<'_>| Certificate::read(&der)),
            names: names(&config.cert),
            clients,
        }
    }

    /// The server's certificate, without its chain.
    pub fn server(&self) -> Option<&Certificate> {
        self.chain.first()
    }

    /// Whether it and all that are sent with it are valid at `now`.
    pub fn chain_is_valid(&self, now: SystemTime) -> bool {
        self.chain.iter().all(|certificate| (certificate.not_before..=certificate.not_after).contains(&now))
    }

    /// The DNS names and URIs in it.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The trusted CAs of clients' certificates; `None` where no client is asked for one.
    pub fn authorities(&self) -> Option<impl Iterator<Item = &Name>> {
        let clients = self.clients.as_ref()?;
        Some(clients.authorities.iter().map(|authority| &authority.subject))
    }

    /// Their revocation lists; `None` where there is no revocation.
    pub fn lists(&self) -> Option<&[RevocationList]> {
        Some(&self.clients.as_ref()?.crl.as_ref()?.lists)
    }

    /// When the first of the revocation lists expires.
    pub fn next_update(&self) -> Option<SystemTime> {
        self.lists()?.iter().filter_map(|list| list.next_update).min()
    }

    /// All warnings at `now`. They stay the same as long as nothing changes: no text says how much time is left.
    pub fn concerns(&self, now: SystemTime) -> Vec<Problem> {
        let mut problems = self.of_server(now);
        if let Some(clients) = &self.clients {
            problems.extend(clients.concerns(now));
        }
        problems
    }

    fn of_server(&self, now: SystemTime) -> Vec<Problem> {
        let file = self.cert.path.display();
        let one = |(place, certificate): (usize, &Certificate)| {
            let (begin, end) = (certificate.not_before, certificate.not_after);
            let which = match place {
                0 => format!("the certificate in {file}"),
                _ => format!("the intermediate certificate of {} in {file}", certificate.subject),
            };
            let (what, remedy) = if now < begin {
                let what =
                    format!("{which} is not valid before {}: until then clients will refuse it", date(begin));
                (what, "Look at the clock of this machine, and at whether this is the right file.".to_owned())
            } else if now > end {
                let what = format!("{which} expired {}: clients will refuse it", date(end));
                (what, format!("Renew it. {TAKEN_UP}"))
            } else if is_soon(certificate, now) {
                let what = format!(
                    "{which} expires {}, in less than 14 days: then clients will refuse it",
                    date(end)
                );
                (what, format!("Renew it, and look at why that was not done yet. {TAKEN_UP}"))
            } else {
                return None;
            };
            Some(problem("cert", &self.cert, what, remedy))
        };
        self.chain.iter().enumerate().filter_map(one).collect()
    }
}

impl Clients {
    fn concerns(&self, now: SystemTime) -> Vec<Problem> {
        let Some(Lists { file, lists, forged }) = &self.crl else { return Vec::new() };
        let path = file.path.display();
        let mut problems = Vec::new();
        let missing = self.authorities.iter().map(|authority| &authority.subject);
        for authority in missing.filter(|name| lists.iter().all(|list| list.issuer != **name)) {
            let held: Vec<_> = lists.iter().map(|list| list.issuer.to_string()).collect();
            let what = format!(
                "{path} holds no revocation list of {authority}, an authority in {}, only of {}: every client certificate \
                 that {authority} issued is refused",
                self.ca.path.display(),
                held.join("; "),
            );
            let remedy = format!("Add its list, or take it out of client_ca. {TAKEN_UP}");
            problems.push(problem("crl", file, what, remedy));
        }
        for (place, list) in lists.iter().enumerate() {
            // webpki asks the first list of an authority, and no other.
            let is_asked = lists[..place].iter().all(|before| before.issuer != list.issuer);
            if is_asked && forged.contains(&list.issuer) {
                let what = format!(
                    "the revocation list of {} in {path} is not signed by the authority of that name in {}: every client \
                     certificate that it issued is refused",
                    list.issuer,
                    self.ca.path.display(),
                );
                let remedy = "Take list and authority from the same place: one that was created again has another key.";
                problems.push(problem("crl", file, what, format!("{remedy} {TAKEN_UP}")));
            }
            let Some(end) = list.next_update.filter(|end| is_asked && now >= *end) else { continue };
            let what = format!(
                "the revocation list of {} in {path} expired {}: every client certificate that it issued is refused",
                list.issuer,
                date(end),
            );
            let remedy = format!("Put that authority's newest list in its place. {TAKEN_UP}");
            problems.push(problem("crl", file, what, remedy));
        }
        problems
    }
}

fn is_soon(certificate: &Certificate, now: SystemTime) -> bool {
    let left = certificate.not_after.duration_since(now).unwrap_or_default();
    let life = certificate.not_after.duration_since(certificate.not_before).unwrap_or_default();
    left < SOON && left < life / 4
}

fn problem(key: &str, file: &Place, what: String, remedy: String) -> Problem {
    Problem { key: format!("listen.tls.{key}"), origin: file.origin.clone(), what, remedy }
}

/// In the form of RFC 3339, UTC, to the second.
pub fn date(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

fn read<T: PemObject, R>(file: &PemFile, one: impl Fn(T) -> Option<R>) -> Vec<R> {
    T::pem_slice_iter(&file.pem).filter_map(|section| one(section.ok()?)).collect()
}

/// The issuers whose first list none of the authorities of that name has signed.
fn forged(crl: &PemFile, ca: &PemFile) -> Vec<Name> {
    let authorities: Vec<CertificateDer<'_>> = read(ca, Some);
    let mut seen = Vec::new();
    let mut forged = Vec::new();
    for der in read(crl, Some::<CertificateRevocationListDer<'_>>) {
        let (Some(list), Some(signed)) = (RevocationList::read(&der), Signed::read(&der)) else { continue };
        if seen.contains(&list.issuer) {
            continue;
        }
        let of_that_name = |der: &&CertificateDer<'_>| {
            Certificate::read(der).is_some_and(|authority| authority.subject == list.issuer)
        };
        // An authority whose key cannot be read is neither for nor against it.
        let mut verdicts =
            authorities.iter().filter(of_that_name).map(|der| has_signed(der, signed)).peekable();
        if verdicts.peek().is_some() && verdicts.all(|verdict| verdict == Some(false)) {
            forged.push(list.issuer.clone());
        }
        seen.push(list.issuer);
    }
    forged
}

fn has_signed(authority: &CertificateDer<'_>, signed: Signed<'_>) -> Option<bool> {
    let authority = EndEntityCert::try_from(authority).ok()?;
    let known = provider().signature_verification_algorithms.all;
    let fitting = known.iter().filter(|algorithm| algorithm.signature_alg_id().as_ref() == signed.algorithm);
    let verify = |algorithm: &dyn SignatureVerificationAlgorithm| {
        authority.verify_signature(algorithm, signed.content, signed.signature).is_ok()
    };
    Some(fitting.into_iter().any(|algorithm| verify(*algorithm)))
}

fn names(file: &PemFile) -> Vec<String> {
    let Ok(own) = CertificateDer::from_pem_slice(&file.pem) else { return Vec::new() };
    let Ok(own) = EndEntityCert::try_from(&own) else { return Vec::new() };
    own.valid_dns_names().chain(own.valid_uri_names()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
