//! `[issuers.NAME]`: whose JWTs identify callers. Reads the key sets that are files and asks nobody for the others.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::checker::{Checker, DAY, MINUTE, SECOND, is_visible};
use crate::{
    config::{
        endpoint::{NOT_ASCII, is_loopback},
        issuer::{Algorithm, Issuer, Jwks},
        leaf::{BearerId, Either, Leaf, List, SecretId},
        node::Named,
        origin::Written,
        path::KeyPath,
        path_or_url::{NO_URL, path_in},
        raw::{RawIssuer, RawJwksFile},
    },
    ids::IssuerName,
    secret::{Bearer, SecretSource},
};

const FORM: &str = "Write an https URL, such as \"https://accounts.example.com\".";

/// What is asked at an issuer and is not the issuer: the end of its URL, and what it is.
const NOT_THE_ISSUER: [(&str, &str); 10] = [
    ("/.well-known/openid-configuration", DISCOVERY),
    ("/.well-known/oauth-authorization-server", DISCOVERY),
    ("/protocol/openid-connect/certs", KEY_SET),
    ("/protocol/openid-connect/auth", SIGN_IN),
    ("/jwks.json", KEY_SET),
    ("/jwks", KEY_SET),
    ("/keys", KEY_SET),
    ("/authorize", SIGN_IN),
    ("/oidc/auth", SIGN_IN),
    ("/token", TOKEN),
];
const DISCOVERY: &str = "discovery document";
const KEY_SET: &str = "key set (JWKS)";
const SIGN_IN: &str = "authorization endpoint";
const TOKEN: &str = "token endpoint";

/// What stands between an issuer and these, and what of it is the issuer's: of Keycloak, Kubernetes, Entra and Okta.
const BETWEEN: [(&str, &str); 7] = [
    ("/.well-known", ""),
    ("/protocol/openid-connect", ""),
    ("/openid/v1", ""),
    ("/discovery/v2.0", "/v2.0"),
    ("/oauth2/v2.0", "/v2.0"),
    ("/oauth2/v1", ""),
    ("/v1", ""),
];

/// What a URL is that has one of these ends, and the issuer whose it is.
fn not_the_issuer(url: &str) -> Option<(&'static str, String)> {
    let url = url.trim_end_matches('/');
    let (end, what) = NOT_THE_ISSUER.iter().find(|(end, _)| url.ends_with(end))?;
    // Logto's issuer ends with it.
    let kept = if *end == "/oidc/auth" { "/oidc" } else { "" };
    let base = url.strip_suffix(end)?;
    let own = BETWEEN.iter().find_map(|(between, own)| Some((base.strip_suffix(between)?, *own)));
    let (base, own) = own.unwrap_or((base, kept));
    Some((*what, format!("{base}{own}")))
}

/// Whether a text in the place of a URL is the name of a file of keys.
fn is_file(text: &str) -> bool {
    let is_named = || [".json", ".jwks", ".jwk"].iter().any(|end| text.to_ascii_lowercase().ends_with(end));
    text.starts_with('.') || (!text.contains([':', '@', '?']) && is_named())
}

impl Checker<'_> {
    pub(super) fn issuers(&mut self, raw: Option<Named<RawIssuer>>) -> Vec<Arc<Issuer>> {
        let section = KeyPath::of(&["issuers"]);
        let tables = self.named("issuers", raw);
        let mut issuers: Vec<Arc<Issuer>> = Vec::with_capacity(tables.len());
        for (name, node) in tables {
            let Some(raw) = self.table::<RawIssuer>("issuers", name, node) else { continue };
            let at = section.key(name);
            let name = IssuerName::parse(name);
            if let Err(error) = &name {
                self.problem(&at, error.to_string(), "Rename it, here and where callers name it.");
            }
            // The rest is looked at all the same.
            let Some(valid) = name.ok().or_else(|| IssuerName::parse("x").ok()) else { continue };
            let Some(issuer) = self.issuer(&at, valid, raw) else { continue };
            if let Some(other) = issuers.iter().find(|other| other.issuer == issuer.issuer) {
                let what =
                    format!("the issuer {} has the same URL, so a token could be either's", other.name);
                self.problem(&at.key("issuer"), what, "Keep one of the two, with the audiences of both.");
            }
            issuers.push(Arc::new(issuer));
        }
        issuers
    }

    fn issuer(&mut self, at: &KeyPath, name: IssuerName, raw: RawIssuer) -> Option<Issuer> {
        let issuer = match raw.issuer {
            Some(leaf) => self.leaf(at, "issuer", Some(leaf)).filter(|url| {
                let key = at.key("issuer");
                // OpenID Connect Discovery 1.0, section 3: neither query nor fragment.
                let plain = !url.contains('?');
                if !plain {
                    self.problem(&key, "the URL of an issuer has no query", FORM);
                }
                self.key_source(&key, url) && plain && self.is_issuer(&key, url)
            }),
            None => {
                let what = "nothing says what the claim iss of its tokens is";
                self.missing(&at.key("issuer"), what, FORM);
                None
            }
        };
        let jwks = self.jwks(at, raw.jwks, issuer.as_deref());
        let audience = self.audience(at, raw.audience);
        let algorithms = self.algorithms(at, raw.algorithms);
        let leeway = self.duration(at, "leeway", raw.leeway, Duration::ZERO..=5 * MINUTE);
        let bearer = self.bearer(at, raw.bearer, jwks.as_ref());
        let ca = self.roots(&at.key("tls"), raw.tls.and_then(|tls| tls.roots));
        let refresh = self.duration(at, "refresh", raw.refresh, 10 * SECOND..=DAY);
        Some(Issuer {
            name,
            issuer: issuer?,
            jwks: jwks?,
            audience,
            algorithms,
            leeway: leeway.unwrap_or(Issuer::LEEWAY),
            bearer: bearer?,
            ca: ca?,
            refresh: refresh.unwrap_or(Issuer::REFRESH),
        })
    }

    /// Whether it is the issuer, and not what is asked there.
    fn is_issuer(&mut self, key: &KeyPath, url: &str) -> bool {
        let Some((kind, issuer)) = not_the_issuer(url) else { return true };
        let what = format!(
            "this is the URL of the issuer's {kind}; the issuer is what the claim iss of its tokens says"
        );
        let has_path = issuer.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        let slash = if has_path { "" } else { ", with a / at its end if the claim has one" };
        let remedy = format!("Write {issuer:?}{slash}");
        // Of WSO2 the token endpoint is the issuer as well.
        let may_be = matches!(kind, TOKEN | SIGN_IN);
        match may_be {
            true => self.warn(key, what, format!("{remedy}, unless the claim is this URL.")),
            false => self.problem(key, what, format!("{remedy}.")),
        }
        may_be
    }

    /// Whether a URL may be a key set's, which those of the issuer and of its discovery document are not.
    fn is_key_set(&mut self, key: &KeyPath, url: &str, issuer: Option<&str>) -> bool {
        let bare = |url: &str| url.trim_end_matches('/').to_owned();
        let what = match not_the_issuer(url) {
            _ if issuer.is_some_and(|issuer| bare(issuer) == bare(url)) => "issuer",
            Some((DISCOVERY, _)) => "issuer's discovery document",
            _ => return true,
        };
        let remedy =
            "Leave jwks out, and the keys are found by discovery; or write the jwks_uri of that document.";
        self.problem(key, format!("this is the URL of the {what}, not of its {KEY_SET}"), remedy);
        false
    }

    /// Whether keys may be fetched from `url`: an attacker who can change them on the way can be any caller.
    fn key_source(&mut self, key: &KeyPath, url: &str) -> bool {
        let parsed = url.parse::<http::Uri>().ok().filter(|_| is_visible(url.as_bytes()));
        let authority =
            parsed.as_ref().and_then(|url| url.authority()).filter(|authority| !authority.host().is_empty());
        let (Some(parsed), Some(authority)) = (&parsed, authority) else {
            let (what, remedy) = match url.is_ascii() {
                _ if path_in(url).is_some() => (NO_URL, FORM),
                true => ("this is not a URL", FORM),
                false => NOT_ASCII,
            };
            self.problem(key, what, remedy);
            return false;
        };
        // The text is not quoted before it is known to hold no password.
        let what = match parsed.scheme_str() {
            _ if authority.as_str().contains('@') => "the URL holds a user name or password",
            _ if url.contains('#') => "the URL has a fragment",
            Some("https") => return true,
            Some("http") if is_loopback(authority.host()) => return true,
            Some("http") => {
                "over http:// anybody on the way could put keys of their own in place, and be any caller"
            }
            _ => "the scheme is not https",
        };
        self.problem(key, what, FORM);
        false
    }

    fn jwks(
        &mut self,
        at: &KeyPath,
        jwks: Option<Either<String, RawJwksFile>>,
        issuer: Option<&str>,
    ) -> Option<Jwks> {
        let key = at.key("jwks");
        match jwks {
            None => Some(Jwks::Discovery),
            Some(Either::Text(leaf)) => {
                let url = self.leaf(at, "jwks", Some(leaf))?;
                if let Some(path) = path_in(&url).or_else(|| is_file(&url).then_some(&url)) {
                    self.problem(&key, NO_URL, format!("Write jwks = {{ file = {path:?} }}."));
                    return None;
                }
                (self.key_source(&key, &url) && self.is_key_set(&key, &url, issuer)).then_some(Jwks::Url(url))
            }
            Some(Either::Table(table)) => {
                if table.file.is_none() {
                    self.missing(&key, "the file is missing", "Write jwks = { file = \"jwks.json\" }.");
                }
                let path = self.leaf(&key, "file", table.file)?;
                self.jwks_file(&key, path)
            }
        }
    }

    fn jwks_file(&mut self, key: &KeyPath, path: PathBuf) -> Option<Jwks> {
        const REMEDY: &str =
            "Save what the issuer has at its jwks_uri, such as: kubectl get --raw /openid/v1/jwks";
        let json = self.file(key, &path)?;
        let what = match serde_json::from_slice::<serde_json::Value>(&json) {
            Err(error) => format!("{} is not JSON (line {})", path.display(), error.line()),
            Ok(set) => match set.get("keys").and_then(|keys| keys.as_array()) {
                Some(keys) if !keys.is_empty() => {
                    // RFC 7517 section 9.3 and RFC 7518 section 6: `d` and `k` are never public.
                    if keys.iter().any(|key| key.get("d").or_else(|| key.get("k")).is_some()) {
                        let what =
                            format!("{} holds a private key, with which tokens can be made", path.display());
                        self.warn(key, what, "Keep the public keys alone in the file, and replace that one.");
                    }
                    return Some(Jwks::File { path, json, origin: Written(self.tree.place(key)) });
                }
                Some(_) => format!("{} holds no key", path.display()),
                None => format!("{} is no key set: it has no array `keys`", path.display()),
            },
        };
        self.problem(key, what, REMEDY);
        None
    }

    /// What is shown to the server of the keys. A file is looked at, and read when it is needed: it may be there by then,
    /// and is replaced while the program runs.
    fn bearer(&mut self, at: &KeyPath, id: Option<BearerId>, jwks: Option<&Jwks>) -> Option<Option<Bearer>> {
        const FORM: &str = "A token is made of letters, digits and -._~+/ alone, with = at its end.";
        let Some(BearerId(SecretId(id))) = id else { return Some(None) };
        let key = at.key("bearer");
        if let Some(Jwks::File { .. }) = jwks {
            let what = "it is never shown to anybody: the keys are in a file";
            self.warn(&key, what, "Take it out, or write the URL of the keys into jwks.");
        }
        let bearer = match self.secrets.at(id)? {
            SecretSource::Exec(command) => {
                self.program(&key, command);
                Bearer::Exec(command.clone())
            }
            source @ SecretSource::File(path) => {
                match source.read() {
                    Ok(token) if Bearer::has_the_form(&token) => {}
                    Ok(_) => self.warn(&key, format!("{} holds no bearer token", path.display()), FORM),
                    Err(error) if self.is_no_path(&key, &error) || self.may_be_absent(&error) => {}
                    Err(error) => {
                        let remedy = "It is read when keys are fetched, and until then the issuer's tokens are refused.";
                        self.warn(&key, error.to_string(), remedy);
                    }
                }
                Bearer::File(path.clone())
            }
            SecretSource::Literal(_) | SecretSource::Env(_) => {
                let token = self.secret_at(&key, &SecretId(id))?;
                if !Bearer::has_the_form(&token) {
                    self.problem(&key, "this is no bearer token", FORM);
                    return None;
                }
                Bearer::Held(token)
            }
        };
        Some(Some(bearer))
    }

    fn audience(&mut self, at: &KeyPath, list: Option<List<String>>) -> Vec<String> {
        const REMEDY: &str = "Write what its tokens are made for, such as audience = \"claviger\".";
        let given = self.list(at, "audience", list).unwrap_or_default();
        if given.is_empty() {
            let what = "without an audience, a token that was made for another service would do here as well";
            self.missing(&at.key("audience"), what, REMEDY);
        }
        let mut audience = Vec::with_capacity(given.len());
        for (path, text) in given {
            if text.trim().is_empty() {
                self.problem(&path, "the audience is empty", REMEDY);
            } else if text.contains('*') {
                self.problem(&path, "`*` is no pattern here", "Write the audience that the tokens have.");
            } else if !audience.contains(&text) {
                audience.push(text);
            }
        }
        audience
    }

    fn algorithms(&mut self, at: &KeyPath, list: Option<List<Algorithm>>) -> Vec<Algorithm> {
        let Some(given) = self.list(at, "algorithms", list) else { return Issuer::ALGORITHMS.to_vec() };
        if given.is_empty() {
            let remedy = "Write [\"RS256\"], or leave the key out.";
            self.missing(
                &at.key("algorithms"),
                "there is no algorithm, so no token would be accepted",
                remedy,
            );
        }
        let mut algorithms = Vec::with_capacity(given.len());
        for (_, algorithm) in given {
            if !algorithms.contains(&algorithm) {
                algorithms.push(algorithm);
            }
        }
        algorithms
    }

    /// The issuer that an authentication method names, or the one that it means by naming none.
    pub(super) fn vouching(
        &mut self,
        at: &KeyPath,
        leaf: Option<Leaf<String>>,
        fallback: Option<&str>,
    ) -> Option<IssuerName> {
        let key = at.key("issuer");
        let known = self.names.issuers;
        match leaf {
            Some(leaf) => self
                .leaf(at, "issuer", Some(leaf))
                .and_then(|text| self.defined(&key, "issuer", &text, known, IssuerName::parse)),
            None => {
                let meant = known.only().or(fallback.filter(|name| known.contains(name)));
                match meant {
                    Some(name) => IssuerName::parse(name).ok(),
                    None if known.is_empty() => {
                        let remedy = "Write [issuers.NAME] with issuer and audience.";
                        self.missing(&key, "no issuer is configured whose tokens could identify it", remedy);
                        None
                    }
                    None => {
                        let remedy = format!("Write issuer = one of: {}.", known.listed());
                        self.missing(
                            &key,
                            "there are several issuers, and nothing says whose token it is",
                            remedy,
                        );
                        None
                    }
                }
            }
        }
    }
}
