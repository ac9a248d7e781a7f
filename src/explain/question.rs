//! What a request means under a configuration: which tenant a URL is at, which listener it would come in by, and whose it is
//! taken to be.

use http::{HeaderValue, Request, header, request::Parts};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::asked::{Asked, Unclear};
use crate::{
    authn::{Peer, PeerIdentity, Reach},
    config::{Address, Caller, Config, Identity, Tenant},
    headers::{CLAVIGER_KEY, CLAVIGER_TENANT},
    ids::CallerIndex,
    proxy::{Hosts, Learned, Trial, Who},
};

/// The most names that a message lists.
const MOST: usize = 20;

/// What is asked.
pub struct Question {
    /// The request.
    pub asked: Asked,
    /// Whose it is, instead of what its credentials and its log line say.
    pub caller: Option<String>,
    /// Where it goes, where the request itself does not say so.
    pub tenant: Option<String>,
    /// The client certificate that it comes with, as PEM.
    pub certificate: Option<String>,
}

/// What it means.
pub(super) struct Meant {
    pub(super) head: Parts,
    pub(super) body: Option<Vec<u8>>,
    pub(super) peer: Peer,
    pub(super) who: Who,
    /// The caller that was named beside credentials, which must be theirs.
    named: Option<CallerIndex>,
    /// Whose it was taken to be for want of a credential that it has to have, with what it has to have.
    pub(super) assumed: Option<String>,
    pub(super) notes: Vec<String>,
}

impl Question {
    /// The request alone.
    pub fn of(asked: Asked) -> Self {
        Self { asked, caller: None, tenant: None, certificate: None }
    }

    pub(super) fn under(self, config: &Config) -> Result<Meant, Unclear> {
        let Self { mut asked, caller, tenant, certificate } = self;
        let mut notes = std::mem::take(&mut asked.notes);
        let logtos = at_logto(&asked, config, tenant.as_deref())?;
        if logtos.is_some() && asked.has_credential() {
            asked.headers.remove(header::AUTHORIZATION);
            asked.headers.remove(CLAVIGER_KEY);
            notes.push("its credential is for Logto, so it was not looked at".into());
        }
        let target = within_public_url(&asked, config).unwrap_or_else(|| asked.target.clone());
        let is_at_logto = logtos.is_some();
        let tenant = logtos.or(tenant).or_else(|| asked.tenant.take());
        if let Some(tenant) = tenant.filter(|_| !asked.headers.contains_key(CLAVIGER_TENANT)) {
            let value = HeaderValue::from_str(&tenant)
                .map_err(|_| Unclear("the name of the tenant holds a character that no name has".into()))?;
            asked.headers.insert(CLAVIGER_TENANT, value);
        }
        let mut peer = Peer::at(reach(asked.authority.as_deref(), config));
        peer.certificate = certificate.as_deref().map(identity).transpose()?.map(Into::into);
        if peer.certificate.is_some() && config.listen.tls.as_ref().is_none_or(|tls| tls.client_ca.is_none())
        {
            notes.push(
                "listen.tls.client_ca is not configured, so no client is asked for a certificate".into(),
            );
        }
        let path = target.split('?').next().unwrap_or_default();
        if path.split('/').any(|segment| segment.starts_with(':') && segment.len() > 1) {
            const NOTE: &str = "a segment begins with \":\" like a placeholder such as :id, and was taken for the id itself: write the id in its place";
            notes.push(NOTE.into());
        }
        notes.extend(address(&mut asked, config, peer.listener, is_at_logto));
        let named = caller.or(asked.caller.take()).map(|name| index_of(&name, config)).transpose()?;
        let presents = !is_at_logto && asked.has_credential() || peer.certificate.is_some();
        let mut taken_for = None;
        let who = match (named, config.callers.as_slice()) {
            _ if presents => Who::Presented,
            (Some(named), callers) => {
                let caller = callers.get(named.0).filter(|_| asked.is_whole && !is_at_logto);
                taken_for = caller.and_then(|caller| {
                    let by = format!("as if caller {} had sent it", caller.name);
                    assumed(caller, &by, by_address(callers, peer.listener))
                });
                Who::Caller(named)
            }
            (None, [only]) => {
                taken_for = assumed(only, &format!("for the only caller, {}", only.name), None);
                Who::Caller(CallerIndex(0))
            }
            (None, callers) => return Err(whose(callers, &notes)),
        };
        let has_body = asked.body.as_ref().is_some_and(|body| !body.is_empty());
        if has_body && !asked.headers.contains_key(header::CONTENT_TYPE) {
            asked.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let mut head = Request::new(()).into_parts().0;
        head.method = asked.method;
        head.headers = asked.headers;
        head.uri = target.parse().map_err(|_| {
            Unclear(
                "path and query hold a character that no URL has: percent-encode it, as clients do".into(),
            )
        })?;
        Ok(Meant { head, body: asked.body, peer, who, named, assumed: taken_for, notes })
    }
}

impl Meant {
    pub(super) fn trial(&self) -> Trial<'_> {
        Trial { peer: &self.peer, head: &self.head, body: self.body.as_deref(), who: self.who }
    }

    /// Whether the credentials are those of the caller that was named beside them.
    pub(super) fn check_caller(&self, config: &Config, learned: &Learned) -> Result<(), Unclear> {
        match (self.named, learned.caller) {
            (Some(named), Some(found)) if named != found => {
                let name = |index: CallerIndex| &config.callers[index.0].name;
                let what = format!(
                    "what the request presents is caller {}'s and not {}'s: leave one of the two out",
                    name(found),
                    name(named)
                );
                Err(Unclear(what))
            }
            _ => Ok(()),
        }
    }
}

/// That a request without a credential is taken for a caller's, what it is as it is sent, and what it has to have.
fn assumed(caller: &Caller, decided: &str, by_address: Option<&Caller>) -> Option<String> {
    let mut proofs: Vec<&str> = caller.identify.iter().map(proof).collect::<Option<_>>()?;
    proofs.dedup();
    let is = by_address.map_or("a 401".into(), |other| format!("taken for caller {} (loopback)", other.name));
    let what = match proofs.is_empty() {
        true => format!("nothing identifies it, so it is {is} as it is sent"),
        false => format!("as it is sent without one it is {is}. Add {}", proofs.join(", or ")),
    };
    Some(format!("no credential was given: decided {decided}; {what}"))
}

/// Whose whatever comes from this machine is.
fn by_address(callers: &[Caller], listener: Reach) -> Option<&Caller> {
    let is_near = matches!(listener, Reach::Loopback | Reach::Unix);
    callers.iter().find(|caller| is_near && caller.identify.contains(&Identity::Loopback))
}

/// What a request has to have to be of a caller that is identified so; `None`: nothing.
fn proof(identity: &Identity) -> Option<&'static str> {
    Some(match identity {
        Identity::Loopback => return None,
        Identity::UnixUid(_) | Identity::UnixGid(_) => "the Unix socket, as its user",
        Identity::ApiKey { .. } => "its API key, as the header Claviger-Key",
        Identity::ServiceAccount { .. } | Identity::Jwt { .. } => {
            "its JWT, as the header Authorization: Bearer"
        }
        Identity::Spiffe(_) | Identity::Dns(_) => "its client certificate",
    })
}

fn index_of(name: &str, config: &Config) -> Result<CallerIndex, Unclear> {
    let found = config.callers.iter().position(|caller| caller.name.as_str() == name);
    found.map(CallerIndex).ok_or_else(|| {
        let names = config.callers.iter().map(|caller| caller.name.to_string());
        Unclear(format!("there is no such caller; there are: {}", listed(names)))
    })
}

fn whose(callers: &[Caller], notes: &[String]) -> Unclear {
    if callers.is_empty() {
        return Unclear("there are no callers: nobody may do anything".into());
    }
    let with_methods = |caller: &Caller| {
        let mut methods: Vec<_> = caller.identify.iter().map(Identity::key).collect();
        methods.dedup();
        let methods = if methods.is_empty() { String::new() } else { format!(" ({})", methods.join(", ")) };
        format!("{}{methods}", caller.name)
    };
    let notes: String = notes.iter().map(|note| format!(" ({note})")).collect();
    Unclear(format!(
        "whose request is it? Name the caller, or give the credential that it comes with. There are: {}{notes}",
        listed(callers.iter().map(with_methods))
    ))
}

/// The tenant whose own endpoint the request is addressed to.
fn at_logto(asked: &Asked, config: &Config, named: Option<&str>) -> Result<Option<String>, Unclear> {
    let Some(authority) = &asked.authority else { return Ok(None) };
    let is_there = |tenant: &&Tenant| {
        let own = tenant.endpoint.authority.as_str().to_ascii_lowercase();
        let port = if tenant.endpoint.scheme == http::uri::Scheme::HTTPS { ":443" } else { ":80" };
        own.strip_suffix(port).unwrap_or(&own) == authority
    };
    let there: Vec<&Tenant> = config.tenants.iter().map(|tenant| &**tenant).filter(is_there).collect();
    match *there {
        [] if authority.ends_with(".logto.app") => {
            let known = config.tenants.iter().map(|tenant| format!("{} ({})", tenant.name, tenant.endpoint));
            Err(Unclear(format!("no tenant has this endpoint; there are: {}", listed(known))))
        }
        [] => Ok(None),
        [only] => Ok(Some(only.name.to_string())),
        _ => match there.iter().find(|tenant| named == Some(tenant.name.as_str())) {
            Some(tenant) => Ok(Some(tenant.name.to_string())),
            None => {
                let names = there.iter().map(|tenant| tenant.name.to_string());
                Err(Unclear(format!("several tenants have this endpoint: name one of {}", listed(names))))
            }
        },
    }
}

/// The target of a URL below `listen.public_url`, which may have a path of its own.
fn within_public_url(asked: &Asked, config: &Config) -> Option<String> {
    let (_, url) = config.listen.public_url.as_deref()?.split_once("://")?;
    let (host, prefix) = url.split_at(url.find('/')?);
    let rest = asked.target.strip_prefix(prefix).filter(|rest| rest.starts_with('/'))?;
    (asked.authority.as_deref() == Some(&host.to_ascii_lowercase())).then(|| rest.to_owned())
}

/// Gives the request the `Host` by which it would reach the listener, where it has none; says so where its URL leads elsewhere,
/// as far as the configuration tells.
fn address(asked: &mut Asked, config: &Config, listener: Reach, is_at_logto: bool) -> Option<String> {
    let authority = asked.authority.take().filter(|_| !is_at_logto);
    let is_name_of_loopback = |it: &&str| Hosts::new(&config.listen.allowed_hosts, &[]).is_ours(it);
    if !asked.headers.contains_key(header::HOST) {
        let host = authority.as_deref().filter(is_name_of_loopback).unwrap_or("localhost");
        asked.headers.insert(header::HOST, HeaderValue::from_str(host).ok()?);
    }
    let foreign = authority.filter(|it| !is_name_of_loopback(&it.as_str()) && !may_be_here(it, config))?;
    let refused = match listener {
        Reach::Loopback => "; as a Host it would be refused (listen.allowed_hosts)",
        Reach::Unix | Reach::Network | Reach::CommandLine(_) => "",
    };
    let here = config.listen.proxy.iter().find_map(|address| match address {
        Address::Tcp(address) if config.listen.tls.is_some() => Some(format!("https://{address}")),
        Address::Tcp(address) => Some(format!("http://{address}")),
        Address::Unix(_) => None,
    });
    let here = here.map(|here| format!(", to {here}")).unwrap_or_default();
    Some(format!(
        "{foreign} is no tenant's endpoint, and no address or name of this Claviger that its configuration has{refused}. \
         Explained as if the request came here{here}. If it is this Claviger's name, write listen.public_url; if a Logto's, a tenant's endpoint"
    ))
}

/// Whether an authority is that of a listener or of `public_url`, or has a name such as those that only the network inside has.
fn may_be_here(authority: &str, config: &Config) -> bool {
    let public = config.listen.public_url.as_deref().and_then(|url| url.split_once("://"));
    let public = public.and_then(|(_, url)| url.split('/').next());
    let name = authority.rsplit_once(':').map_or(authority, |(name, _)| name);
    let is_inner = !name.contains('.')
        || name.contains(".svc.")
        || [".svc", ".local", ".internal"].iter().any(|end| name.ends_with(end));
    let mut listeners = config.listen.proxy.iter();
    public.is_some_and(|public| public.eq_ignore_ascii_case(authority))
        || listeners.clone().any(|address| address.to_string() == authority)
        || (is_inner
            && listeners.any(|address| matches!(address, Address::Tcp(it) if !it.ip().is_loopback())))
}

/// Who can reach the listener that a request for `authority` comes in by; else the first one.
fn reach(authority: Option<&str>, config: &Config) -> Reach {
    let of = |address: &Address| match address {
        Address::Unix(_) => Reach::Unix,
        Address::Tcp(address) if address.ip().is_loopback() => Reach::Loopback,
        Address::Tcp(_) => Reach::Network,
    };
    let is_it = |address: &&Address| authority.is_some_and(|authority| address.to_string() == authority);
    let listeners = &config.listen.proxy;
    listeners.iter().find(is_it).or(listeners.first()).map_or(Reach::Network, of)
}

fn identity(pem: &str) -> Result<PeerIdentity, Unclear> {
    let chain: Result<Vec<CertificateDer<'_>>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let read = chain.ok().and_then(|chain| PeerIdentity::read(&chain));
    read.ok_or_else(|| Unclear("the certificate is not one in PEM form (-----BEGIN CERTIFICATE-----)".into()))
}

/// The first of some names, and how many more there are.
pub(super) fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(MOST);
    let shown = names.take(MOST).collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
