//! What a connection that failed, or that a server refused, comes to in the user's terms, with what to write instead.

use std::{borrow::Cow, error::Error, io, time::Duration};

use rustls::{AlertDescription, CertificateError};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// What a failed connection comes to in the user's terms, with what to write instead; `None` where the error says it all.
pub fn explain(error: &(dyn Error + 'static)) -> Option<Cow<'static, str>> {
    first(error, |error| {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(of_tls(error));
        }
        let error = error.downcast_ref::<hyper::Error>()?;
        // What comes before it is asked for, such as SSH's first line, has no predicate.
        let is_other = error.is_parse() || error.to_string().starts_with("received unexpected message");
        is_other.then_some(Some(NO_HTTP.into()))
    })
    .flatten()
    .or_else(|| hung_up(error).then_some(HUNG_UP.into()))
}

/// Whether a TLS handshake was cut off: connectors hand on its errors in another, and no others so.
fn hung_up(error: &(dyn Error + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let inner = |error: &(dyn Error + 'static)| {
        Some(error.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref::<io::Error>()?.kind())
    };
    let mut kinds = std::iter::successors(Some(error), |&error| error.source()).filter_map(inner);
    kinds.any(|kind| matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof))
}

/// That a host has no address, where that is why; hyper-util's error for it has no type.
pub fn no_address(error: &(dyn Error + 'static), host: Option<&str>) -> Option<String> {
    let host = host?;
    let is_dns = |error: &(dyn Error + 'static)| (error.to_string() == "dns error").then_some(());
    first(error, is_dns).map(|()| format!("there is no address for {host} (DNS): is it spelt right?"))
}

/// Whether what a failed connection comes to says what to do, so that no general advice is to follow.
pub fn says_what_to_do(why: &str) -> bool {
    [
        "write http",
        "`tls.roots`",
        "look at host and port",
        "write a name",
        "have one made",
        "set the clock",
        "(DNS)",
        "have it speak",
        "through without one",
        "has to pass it on",
    ]
    .iter()
    .any(|said| why.contains(said))
}

/// What a failed request comes to, in one line: in the user's terms where they are known, else the chain of causes without the
/// outermost, which only says that a request failed.
pub fn describe(error: reqwest::Error) -> String {
    if let Some(why) = no_address(&error, error.url().and_then(reqwest::Url::host_str)) {
        return why;
    }
    let unconnected = unconnected(&error);
    let error = error.without_url();
    if let Some(known) = plainly_of_answer(&error).or(unconnected.map(Cow::Borrowed)) {
        return known.into_owned();
    }
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    if causes.is_empty() {
        causes.push(error.to_string());
    }
    let mut text = causes.join(": ");
    text.truncate(text.floor_char_boundary(300));
    text
}

/// What it comes to that there was no connection in time; `None` where that is not what happened.
pub fn unconnected(error: &reqwest::Error) -> Option<&'static str> {
    let is_tls = error.url().is_some_and(|url| url.scheme() == "https");
    (error.is_timeout() && error.is_connect()).then_some(if is_tls {
        "no TLS connection in time (`timeouts.connect`): nobody answers at this address, or what listens there does not speak TLS: look at host \
         and port"
    } else {
        "no connection in time (`timeouts.connect`): nobody answers at this address"
    })
}

/// What a request that nobody answered comes to in the user's terms, where it was the first on its connection; `None` where the error
/// says it all.
pub fn plainly_of_answer(error: &(dyn Error + 'static)) -> Option<Cow<'static, str>> {
    let closed = |error: &(dyn Error + 'static)| {
        let cut = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message);
        cut.then_some("the server closed the connection without an answer, as a port does that does not speak HTTP: look at host and port")
    };
    explain(error).or_else(|| plainly(error).or_else(|| first(error, closed)).map(Cow::Borrowed))
}

/// What TLS says, where that is the cause.
pub fn tls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    first(error, |error| error.downcast_ref())
}

/// What is found of the first cause of which something is.
fn first<'e, T>(
    error: &'e (dyn Error + 'static),
    find: impl Fn(&'e (dyn Error + 'static)) -> Option<T>,
) -> Option<T> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // One in another, which is none of its sources.
        let mut inner = error;
        while let Some(wrapped) = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            inner = wrapped;
        }
        if let Some(found) = find(inner) {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// Why there is no answer, where it was `why` and `url` was asked: with what its server proves to speak, if that was left open. It is
/// asked once more for that, in plain HTTP and without a credential.
pub async fn look_closer(why: String, url: &reqwest::Url) -> String {
    // A TLS alert, or the beginning of a status line.
    let (sign, says): (&[u8], _) = match &*why {
        NO_HTTP => (&[0x15, 0x03], SPEAKS_TLS),
        NO_TLS | HUNG_UP => (b"HTTP/", "the port speaks plain HTTP: write http:// in place of https://"),
        _ => return why,
    };
    let first = async {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let mut stream = TcpStream::connect((host, url.port_or_known_default()?)).await.ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.ok()?;
        let mut first = [0; 5];
        let first = first.get_mut(..sign.len())?;
        stream.read_exact(first).await.ok()?;
        (first == sign).then_some(())
    };
    match timeout(CLOSER, first).await {
        Ok(Some(())) => says.to_owned(),
        _ => why,
    }
}

/// How long a server may take that is asked once more.
const CLOSER: Duration = Duration::from_secs(1);
/// Of a port of something else.
pub const NO_HTTP: &str = "what answers there does not speak HTTP: if the port speaks TLS, write https:// in place of http://; else another service \
                       listens there, such as a database or SSH: look at host and port";
const NO_TLS: &str = "what answers there does not speak TLS: if the port speaks plain HTTP, write http:// in place of https://; else look at host and port";
/// Of plain HTTP at a port that speaks TLS.
const SPEAKS_TLS: &str = "the port speaks TLS: write https:// in place of http://";

const WANTS_CERTIFICATE: &str = "the server, or a proxy in front of it, wants a client certificate, and Claviger shows none, nor has its configuration a key for one: \
                                 have it let Claviger through without one";

/// What a page with status 400 comes to by which a server refuses what it is asked before it has looked at it: of plain HTTP at a port that
/// speaks TLS, as nginx, Apache, Go and another Claviger have one, and of TLS without a client certificate, as nginx has one (`ssl_verify_client`).
pub fn of_page(status: http::StatusCode, page: &[u8]) -> Option<&'static str> {
    let pages: [(&[u8], _); 3] = [
        (b"HTTPS", SPEAKS_TLS),
        (b"this listener speaks TLS", SPEAKS_TLS),
        (b"SSL certificate", WANTS_CERTIFICATE),
    ];
    let mut found = pages.iter().filter(|(sign, _)| memchr::memmem::find(page, sign).is_some());
    found.next().filter(|_| status == http::StatusCode::BAD_REQUEST).map(|(_, says)| *says)
}

/// A forward proxy answers in place of whom was asked, with 407.
pub const PROXY_LOGIN: &str = "a forward proxy in between wants a login (407), which Claviger does not send: have it let Claviger through without one, or connect past it";
const HUNG_UP: &str = "the server closed the connection during the TLS handshake: either the port speaks no TLS, the host name is none of its own (SNI), it \
                       wants a client certificate, which Claviger does not have, or a firewall cuts in: look at host and port";
/// Nobody takes connections at the port.
pub const REFUSED: &str = "connection refused";

/// The other side broke it off.
pub const RESET: &str = "connection reset";

/// What the system said of a connection, in the words that people know; `None` where it is something else.
pub fn plainly(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => return Some(REFUSED),
            Some(io::ErrorKind::ConnectionReset) => return Some(RESET),
            Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
                return Some("no route to the host");
            }
            Some(io::ErrorKind::TimedOut) => return Some("the connection timed out"),
            _ => cause = error.source(),
        }
    }
    None
}

fn of_tls(error: &rustls::Error) -> Option<Cow<'static, str>> {
    let known = match error {
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => NO_TLS,
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "the server speaks no TLS that is safe: have it speak TLS 1.2 or 1.3"
        }
        rustls::Error::AlertReceived(AlertDescription::HandshakeFailure)
        | rustls::Error::PeerIncompatible(_) => {
            "the server refuses the TLS handshake: have it speak TLS 1.2 or 1.3 with an ECDHE cipher, and want no client certificate, as Claviger has none"
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => WANTS_CERTIFICATE,
        rustls::Error::InvalidCertificate(error) => match error {
            // The second: there is an authority of this name, with another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "the certificate's authority is not trusted: name its file in `tls.roots`"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the server's certificate has expired, or this machine's clock is wrong: renew it there, or set the clock here"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet, or this machine's clock is wrong: set the clock here"
            }
            CertificateError::NotValidForNameContext { presented, .. } => return Some(of_names(presented)),
            CertificateError::NotValidForName => {
                "the server's certificate is for another host name: write a name that it has"
            }
            // It is no variant of its own.
            error if format!("{error:?}").contains("CaUsedAsEndEntity") => {
                "the certificate is one of an authority (CA:TRUE) and cannot be a server's: make one with basicConstraints=CA:FALSE"
            }
            _ => return None,
        },
        _ => return None,
    };
    Some(known.into())
}

/// Of a certificate with other names than was asked for, which stand there as the library's `DnsName("localhost")`.
fn of_names(presented: &[String]) -> Cow<'static, str> {
    const MOST: usize = 5;
    const LONGEST: usize = 100;
    if presented.is_empty() {
        return "the server's certificate has no subjectAltName, and a CN is not looked at: have one made with the name of its host there"
            .into();
    }
    let plain = |name: &String| {
        let name = name.split_once('(').map_or(&**name, |(_, name)| name);
        let name = name.trim_matches(['"', ')']).chars().take(LONGEST);
        name.map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect::<String>()
    };
    let names: Vec<_> = presented.iter().take(MOST).map(plain).collect();
    let more = if presented.len() > MOST { ", …" } else { "" };
    let names = names.join(", ");
    format!("the server's certificate is for another host name: write a name that it has ({names}{more})")
        .into()
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::*;
    use crate::{
        config::Roots,
        trust::{client, cold_client},
    };

    #[test]
    fn what_is_wrong_with_a_certificate_says_what_to_do() {
        let named = |presented: &[&str]| CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("127.0.0.2").unwrap(),
            presented: presented.iter().map(|&name| name.to_owned()).collect(),
        };
        for (error, said) in [
            (
                CertificateError::Expired,
                "the server's certificate has expired, or this machine's clock is wrong: renew it there, or set the clock here",
            ),
            (
                CertificateError::NotValidYet,
                "the server's certificate is not valid yet, or this machine's clock is wrong: set the clock here",
            ),
            (
                named(&["DnsName(\"localhost\")", "IpAddress(127.0.0.1)"]),
                "the server's certificate is for another host name: write a name that it has (localhost, 127.0.0.1)",
            ),
            (
                named(&[]),
                "the server's certificate has no subjectAltName, and a CN is not looked at: have one made with the name of its host there",
            ),
        ] {
            // As hyper-rustls hands it on.
            let error = io::Error::other(io::Error::other(rustls::Error::InvalidCertificate(error)));
            let shown = explain(&error).unwrap();
            assert_eq!(shown, said);
            assert!(says_what_to_do(&shown), "{shown}");
        }
        for alert in [
            AlertDescription::ProtocolVersion,
            AlertDescription::HandshakeFailure,
            AlertDescription::CertificateRequired,
        ] {
            let error = io::Error::other(io::Error::other(rustls::Error::AlertReceived(alert)));
            let shown = explain(&error).unwrap();
            assert!(says_what_to_do(&shown) && !shown.contains("alert"), "{shown}");
        }
        let many = vec!["DnsName(\"\u{1b}[2Jx.example\")"; 1000];
        let error = io::Error::other(rustls::Error::InvalidCertificate(named(&many)));
        let shown = explain(&error).unwrap();
        assert!(
            shown.len() < 700 && shown.contains("(?[2Jx.example, ?[2Jx.example") && shown.ends_with(", …)"),
            "{shown}"
        );
    }

    #[test]
    fn a_page_of_a_port_that_speaks_tls_says_so() {
        let says = |page: &[u8]| of_page(http::StatusCode::BAD_REQUEST, page);
        assert_eq!(says(b"The plain HTTP request was sent to HTTPS port"), Some(SPEAKS_TLS));
        assert_eq!(says(crate::listen::SPEAKS_TLS.as_bytes()), Some(SPEAKS_TLS));
        assert_eq!(says(b"{}"), None);
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_named() {
        let tls = client(&Roots::Bundled).unwrap();
        let http = cold_client(tls, Duration::from_secs(5)).build().unwrap();
        // Longer than a label can be, so that no server is asked for it.
        let host = "a".repeat(64);
        let error = http.get(format!("http://{host}/oidc/token")).send().await.unwrap_err();
        let shown = describe(error);
        assert_eq!(shown, format!("there is no address for {host} (DNS): is it spelt right?"));
        assert!(says_what_to_do(&shown));
    }
}
