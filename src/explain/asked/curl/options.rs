//! Which options of `curl` take a value (curl 8): so that a value is never taken for the URL.

/// Of those with one letter.
const SHORT: &str = "AbcCdDeEFHKmoPQrtTuUwxXyYz";

/// Of those that are written out.
const LONG: &str = " abstract-unix-socket alt-svc aws-sigv4 cacert capath cert cert-type ciphers config connect-timeout \
    connect-to continue-at cookie cookie-jar create-file-mode crlfile curves data data-ascii data-binary data-raw \
    data-urlencode delegation dns-interface dns-ipv4-addr dns-ipv6-addr dns-servers doh-url dump-header ech egd-file \
    engine etag-compare etag-save expect100-timeout form form-string ftp-account ftp-alternative-to-user ftp-method \
    ftp-port ftp-ssl-ccc-mode happy-eyeballs-timeout-ms haproxy-clientip header hostpubmd5 hostpubsha256 hsts interface \
    ip-tos ipfs-gateway json keepalive-cnt keepalive-time key key-type krb libcurl limit-rate local-port login-options \
    mail-auth mail-from mail-rcpt max-filesize max-redirs max-time netrc-file noproxy oauth2-bearer output output-dir \
    parallel-max pass pinnedpubkey preproxy proto proto-default proto-redir proxy proxy-cacert proxy-capath proxy-cert \
    proxy-cert-type proxy-ciphers proxy-crlfile proxy-header proxy-key proxy-key-type proxy-pass proxy-pinnedpubkey \
    proxy-service-name proxy-tls13-ciphers proxy-tlsauthtype proxy-tlspassword proxy-tlsuser proxy-user proxy1.0 pubkey \
    quote random-file range rate referer request request-target resolve retry retry-delay retry-max-time sasl-authzid \
    service-name socks4 socks4a socks5 socks5-gssapi-service socks5-hostname speed-limit speed-time stderr \
    telnet-option tftp-blksize time-cond tls-max tls13-ciphers tlsauthtype tlspassword tlsuser trace trace-ascii \
    trace-config unix-socket upload-file upload-flags url url-query user user-agent variable vlan-priority write-out ";

/// Whether the option takes a value.
pub(super) fn takes_value(name: &str) -> bool {
    match name.len() {
        1 => SHORT.contains(name),
        _ => {
            !name.contains(' ')
                && memchr::memmem::find(LONG.as_bytes(), format!(" {name} ").as_bytes()).is_some()
        }
    }
}

/// The option of `claviger explain` that curl does not have, where it is one.
pub(super) fn of_explain(name: &str) -> Option<&'static str> {
    let name = name.split('=').next().unwrap_or_default();
    ["--caller", "--tenant", "--address"].into_iter().find(|own| own[2..] == *name)
}

/// The long name of an option with one letter, where it means something here.
pub(super) fn long(short: char) -> &'static str {
    match short {
        'd' => "data",
        'F' => "form",
        'G' => "get",
        'H' => "header",
        'I' => "head",
        'K' => "config",
        'T' => "upload-file",
        'u' => "user",
        'X' => "request",
        'E' => "cert",
        ':' => "next",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_known_from_flags() {
        for name in ["X", "d", "data-raw", "request", "url", "write-out", "o", "abstract-unix-socket"] {
            assert!(takes_value(name), "{name}");
        }
        for name in ["s", "v", "G", "silent", "data-", "raw", "path-as-is", "", " ", "url url-query"] {
            assert!(!takes_value(name), "{name}");
        }
    }
}
