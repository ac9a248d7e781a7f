//! Proxies that the environment names for other programs: Claviger uses none, and says so where one is set and would be needed.

use crate::config::Config;

const NAMES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
const EXCEPT: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// What to say, where one is set and not all hosts are excepted from it.
pub(super) fn note(config: &Config) -> Option<String> {
    let set = |name: &&str| std::env::var(*name).ok().filter(|value| !value.is_empty());
    let (name, except) = (NAMES.iter().find(|name| set(name).is_some())?, EXCEPT.iter().find_map(set));
    said(name, &except.unwrap_or_default(), &hosts(config))
}

/// Those that Claviger connects to.
fn hosts(config: &Config) -> Vec<String> {
    let tenants = config.tenants.iter().map(|tenant| tenant.endpoint.authority.host().to_owned());
    let accounts = config.cloud.iter().map(|account| account.endpoint.authority.host().to_owned());
    let issuers = config.issuers.iter().filter_map(|issuer| {
        let url: http::Uri = issuer.asked()?.parse().ok()?;
        url.host().map(str::to_owned)
    });
    tenants.chain(accounts).chain(issuers).collect()
}

fn said(name: &str, except: &str, hosts: &[String]) -> Option<String> {
    let is_here = |host: &str| {
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    };
    let is_excepted = |host: &str| {
        except.split(',').map(str::trim).any(|entry| {
            let domain = entry.strip_prefix("*.").or(entry.strip_prefix('.')).unwrap_or(entry);
            let above = host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
            entry == "*" || (!domain.is_empty() && above)
        })
    };
    let host = hosts.iter().find(|host| !is_here(host) && !is_excepted(host))?;
    Some(format!(
        "{name} is set, and Claviger does not use it: it connects to {host} directly. Let it reach that host, and name the host in NO_PROXY, which \
         silences this"
    ))
}

#[cfg(test)]
mod tests {
    use super::said;

    #[test]
    fn a_proxy_that_is_not_used_is_told_of_where_it_would_be_needed() {
        let hosts = |all: &[&str]| all.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>();
        let both = hosts(&["127.0.0.1", "acme.logto.app"]);
        let note = said("HTTPS_PROXY", "", &both).unwrap();
        assert!(
            note.starts_with(
                "HTTPS_PROXY is set, and Claviger does not use it: it connects to acme.logto.app directly."
            ),
            "{note}"
        );
        for except in ["*", "acme.logto.app", "x, .logto.app", "*.logto.app", "logto.app"] {
            assert_eq!(said("HTTPS_PROXY", except, &both), None, "{except}");
        }
        for except in ["", ",", "to.app", "other.logto.app", "127.0.0.1"] {
            assert!(said("HTTPS_PROXY", except, &both).is_some(), "{except}");
        }
        assert_eq!(said("ALL_PROXY", "", &hosts(&["localhost", "[::1]", "127.0.0.2"])), None);
    }
}
