//! The files of TLS under the names that other programs have for them: what to write here.

/// What a key of another program names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    /// TLS as a whole.
    Tls,
    /// A certificate, of whoever shows it.
    Certificate,
    /// Its private key.
    Key,
    /// Who is trusted.
    Authorities,
    /// What clients show, or by whom it has to be issued.
    OfClients,
    /// Whether certificates are verified.
    Verification,
}

/// What to write in place of a key, and which key of the same table that is.
pub(super) struct Meant {
    pub(super) remedy: String,
    pub(super) key: Option<&'static str>,
}

fn named(field: &str) -> Option<Named> {
    let plain = field.to_ascii_lowercase().replace(['-', '_'], "");
    let bare = ["ssl", "tls", "https"].iter().find_map(|start| plain.strip_prefix(start)).unwrap_or(&plain);
    if bare.is_empty() {
        return Some(Named::Tls);
    }
    let bare = ["file", "path", "pem"].iter().find_map(|end| bare.strip_suffix(end)).unwrap_or(bare);
    Some(match bare {
        "cert" | "certs" | "certificate" | "certificates" | "certchain" | "certificatechain" | "chain"
        | "crt" | "fullchain" | "servercert" | "servercertificate" => Named::Certificate,
        "key" | "certkey" | "certificatekey" | "keys" | "privatekey" | "privkey" | "serverkey" => Named::Key,
        "" | "ca" | "cas" | "cabundle" | "cacert" | "cacertificate" | "cacerts" | "rootca" | "rootcas"
        | "rootcert" | "roots" | "trustedca" | "trustedcertificate" => Named::Authorities,
        "clientca" | "clientcacert" | "clientcas" | "clientcert" | "clientcertificate" | "clientkey"
        | "verifyclient" => Named::OfClients,
        "verify" | "insecure" | "skipverify" | "insecureskipverify" | "rejectunauthorized" => {
            Named::Verification
        }
        _ => return None,
    })
}

/// What is meant by the key at the end of `steps`, in a table with the keys `known`.
pub(super) fn meant(steps: &[&str], known: &[&str]) -> Option<Meant> {
    let (field, table) = steps.split_last()?;
    let named = named(field)?;
    // Names that are of TLS only where everything is.
    let is_vague = matches!(*field, "key" | "keys" | "file" | "path" | "chain" | "verify" | "insecure");
    let within = known.contains(&"roots") || known.contains(&"client_ca");
    if is_vague && !within && *table != ["listen"] {
        return None;
    }
    match table {
        [] | ["listen", ..] => of_listener(named, within),
        _ if within || known.contains(&"tls") => Some(of_servers(named, within)),
        _ => None,
    }
}

fn of_listener(named: Named, within: bool) -> Option<Meant> {
    let (key, file) = match named {
        Named::Certificate | Named::Tls => ("cert", "tls.crt"),
        Named::Key => ("key", "tls.key"),
        Named::OfClients => ("client_ca", "ca.crt"),
        Named::Authorities if within => ("client_ca", "ca.crt"),
        Named::Authorities | Named::Verification => return None,
    };
    let remedy = match (named, within) {
        (Named::Tls, _) => {
            "For TLS towards callers write listen.tls = { cert = \"/tls/tls.crt\", key = \"/tls/tls.key\" }."
                .to_owned()
        }
        (_, true) => format!("Write {key} = \"/tls/{file}\"."),
        (_, false) => format!("Write it below [listen.tls], as {key} = \"/tls/{file}\"."),
    };
    Some(Meant { remedy, key: within.then_some(key) })
}

fn of_servers(named: Named, within: bool) -> Meant {
    let roots = if within { "roots" } else { "tls.roots" };
    let trust = format!("{roots} = {{ file = \"ca.pem\" }}");
    let remedy = match named {
        Named::Authorities => format!("Write {trust}."),
        Named::Tls => format!(
            "TLS follows from https:// or rediss:// in the address; to trust a CA of your own write {trust}."
        ),
        Named::Verification => {
            format!("Certificates are always verified. To trust one of your own, write {trust}.")
        }
        Named::Certificate | Named::Key | Named::OfClients => format!(
            "Claviger shows no client certificate, so have the server let it through without one. To trust the CA of the server's \
             certificate, write {trust}."
        ),
    };
    Meant { remedy, key: None }
}
