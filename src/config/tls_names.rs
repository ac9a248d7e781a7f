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
    /// Certificate and key in a Secret of Kubernetes.
    Stored,
    /// Certificate and key under a passphrase.
    Locked,
    /// Who is trusted.
    Authorities,
    /// What clients show, or by whom it has to be issued.
    OfClients,
    /// Whether certificates are verified.
    Verification,
    /// Versions and cipher suites.
    Parameters,
}

/// What to write in place of a key, and the keys of the same table, between spaces, that it stands for.
pub(super) struct Meant {
    pub(super) remedy: String,
    pub(super) keys: &'static str,
}

/// A name is found with `ssl`, `tls` or `https` in front, and `file`, `path` or `pem` behind.
const NAMES: [(Named, &str); 8] = [
    (
        Named::Certificate,
        "cert certs certificate certificates certchain certificatechain chain crt fullchain servercert servercertificate",
    ),
    (Named::Key, "key certkey certificatekey keys privatekey privkey serverkey"),
    (Named::Stored, "secretname secretref certificateref certificaterefs certref"),
    (Named::Locked, "keypassword keypassphrase passphrase pfx pkcs12 p12 keystore"),
    (
        Named::Authorities,
        "ca cas cabundle cacert cacertificate cacerts rootca rootcas rootcert roots trustedca trustedcertificate",
    ),
    (
        Named::OfClients,
        "clientca clientcacert clientcas clientcert clientcertificate clientkey verifyclient clientauth mtls",
    ),
    (
        Named::Verification,
        "verify insecure skipverify insecureskipverify rejectunauthorized certreqs checkhostname",
    ),
    (Named::Parameters, "minversion maxversion protocols ciphers ciphersuites curves dhparam"),
];

/// A name as all programs would have it.
pub(super) fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace(['-', '_'], "")
}

fn named(field: &str) -> Option<Named> {
    let plain = plain(field);
    let bare = ["ssl", "tls", "https"].iter().find_map(|start| plain.strip_prefix(start)).unwrap_or(&plain);
    if bare.is_empty() {
        return Some(Named::Tls);
    }
    let bare = ["file", "path", "pem"].iter().find_map(|end| bare.strip_suffix(end)).unwrap_or(bare);
    if bare.is_empty() {
        return Some(Named::Authorities);
    }
    NAMES.iter().find(|(_, names)| names.split(' ').any(|name| name == bare)).map(|(named, _)| *named)
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

const PARAMETERS: &str = "TLS 1.2 and 1.3 are spoken, with safe cipher suites alone: leave it out.";

fn of_listener(named: Named, within: bool) -> Option<Meant> {
    const CERT: &str = "cert = \"/tls/tls.crt\"";
    const KEY: &str = "key = \"/tls/tls.key\"";
    const CLIENT_CA: &str = "client_ca = \"/tls/ca.crt\"";
    let (keys, written) = match named {
        Named::Certificate => ("cert", CERT.to_owned()),
        Named::Key => ("key", KEY.to_owned()),
        Named::OfClients => ("client_ca", CLIENT_CA.to_owned()),
        Named::Authorities if within => ("client_ca", CLIENT_CA.to_owned()),
        Named::Stored => ("cert key", format!("{CERT} and {KEY}, where the Secret is mounted")),
        Named::Tls => {
            let remedy = format!("For TLS towards callers write listen.tls = {{ {CERT}, {KEY} }}.");
            return Some(Meant { remedy, keys: "" });
        }
        Named::Locked => {
            let remedy = format!(
                "Write {CERT} and {KEY}: PEM, and without a passphrase (openssl pkcs12 -nodes, openssl pkey)."
            );
            return Some(Meant { remedy, keys: "" });
        }
        Named::Parameters => return Some(Meant { remedy: PARAMETERS.to_owned(), keys: "" }),
        Named::Authorities | Named::Verification => return None,
    };
    Some(match within {
        true => Meant { remedy: format!("Write {written}."), keys },
        false => Meant { remedy: format!("Write it below [listen.tls], as {written}."), keys: "" },
    })
}

fn of_servers(named: Named, within: bool) -> Meant {
    let roots = if within { "roots" } else { "tls.roots" };
    let trust = format!("{roots} = {{ file = \"ca.pem\" }}");
    let remedy = match named {
        Named::Authorities | Named::Stored => format!("Write {trust}."),
        Named::Parameters => PARAMETERS.to_owned(),
        Named::Tls => format!(
            "TLS follows from https:// or rediss:// in the address; to trust a CA of your own write {trust}."
        ),
        Named::Verification => {
            format!("Certificates are always verified. To trust one of your own, write {trust}.")
        }
        Named::Certificate | Named::Key | Named::Locked | Named::OfClients => format!(
            "Claviger shows no client certificate, so have the server let it through without one. To trust the CA of the server's \
             certificate, write {trust}."
        ),
    };
    Meant { remedy, keys: "" }
}
