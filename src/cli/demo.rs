//! `claviger demo`: the proxy in front of an embedded emulator, in one process, with lines to try.

use std::{collections::BTreeMap, ffi::OsString, net::SocketAddr, process::ExitCode, sync::Arc};

use claviger_emulator::{Client, Emulator, ManagementRole, Options, Seed};

use crate::{
    app::{App, Loader, StartError},
    clock::Clock,
    config::{self, Address, LoadRequest, Loaded, Problems, References},
    listen::BindError,
    observe::{Metrics, log},
};

const CLIENT_ID: &str = "demo-app";
const CLIENT_SECRET: &str = "demo-secret-that-only-claviger-knows";
const ALLOW: &str = "users:*,organizations:read,organization-roles:read,roles:read,resources:read,applications:read,audit-logs:read";

#[derive(clap::Args)]
pub(super) struct Args {
    /// Where the proxy listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3600", value_parser = super::process::parse_socket)]
    listen: SocketAddr,
    /// Where probes, metrics and status are.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3601", value_parser = super::process::parse_socket)]
    admin: SocketAddr,
}

pub(super) fn run(args: &Args) -> ExitCode {
    match super::runtime() {
        Ok(runtime) => {
            let ended = runtime.block_on(demo(args));
            log::flush();
            ended
        }
        Err(error) => super::fail(&format!("cannot start: {error}")),
    }
}

async fn demo(args: &Args) -> ExitCode {
    if args.listen == args.admin && args.listen.port() != 0 {
        return super::usage(&format!(
            "--listen and --admin are both {}: give each a port of its own",
            args.listen
        ));
    }
    if let Some(why) = nobody_known(args.listen) {
        return super::usage(&why);
    }
    let client =
        Client { id: CLIENT_ID.into(), secrets: vec![CLIENT_SECRET.into()], role: ManagementRole::Granted };
    let options = Options { seed: Seed::Demo { users: 25 }, clients: vec![client], ..Options::default() };
    let emulator = match Emulator::start(options).await {
        Ok(emulator) => emulator,
        Err(error) => return super::fail(&format!("cannot start the emulator: {error}")),
    };
    let allow = std::env::var("CLAVIGER_ALLOW").ok().filter(|rules| !rules.is_empty());
    let allow = allow.unwrap_or_else(|| ALLOW.to_owned());
    // The same few variables that a user would set.
    let environment = BTreeMap::from([
        ("LOGTO_ENDPOINT", emulator.base_url()),
        ("LOGTO_M2M_APP_ID", CLIENT_ID.into()),
        ("LOGTO_M2M_APP_SECRET", CLIENT_SECRET.into()),
        ("CLAVIGER_ALLOW", allow.clone()),
        ("CLAVIGER_LISTEN__PROXY", format!("[\"{}\"]", args.listen)),
        ("CLAVIGER_LISTEN__ADMIN", args.admin.to_string()),
        ("CLAVIGER_LOG__FORMAT", "human".into()),
    ]);
    let loader: Loader = Box::new(move || load(&environment));
    let loaded = match loader() {
        Ok(loaded) => loaded,
        Err(problems) => return super::report(&problems),
    };
    let metrics = Arc::new(Metrics::new());
    if let Err(error) = log::init(&loaded.config.log, metrics.log_lost.clone()) {
        return super::fail(&error.to_string());
    }
    let app = match App::start(loaded, loader, metrics, Clock::system()).await {
        Ok(app) => app,
        Err(StartError::Bind(errors)) => {
            let what: Vec<_> = errors.iter().map(BindError::what).collect();
            return super::fail(&format!(
                "{}. Stop what listens there, perhaps another demo, or choose free ports: claviger demo --listen 127.0.0.1:0 \
                 --admin 127.0.0.1:0",
                what.join("; ")
            ));
        }
        Err(error) => return super::fail(&error.to_string()),
    };
    let addresses = app.addresses();
    let [Some(proxy), Some(admin)] = [addresses.proxy.first(), addresses.admin.as_ref()] else {
        return super::fail("the demo has no address");
    };
    // Before it says how to end it.
    let (stop, mut hung_up) = match super::serve::signals() {
        Ok(signals) => signals,
        Err(error) => return super::fail(&format!("cannot watch for signals: {error}")),
    };
    super::print(&guide(proxy, admin, &emulator, &allow));
    // There is nothing to reload, and nobody wants a demonstration that outlives its terminal.
    let ended = async {
        tokio::select! { () = stop => {}, _ = hung_up.recv() => {} }
    };
    let (_never, reload) = tokio::sync::mpsc::channel(1);
    app.run(ended, reload).await;
    emulator.shutdown();
    ExitCode::SUCCESS
}

/// Where no request would be let in.
fn nobody_known(listen: SocketAddr) -> Option<String> {
    (!listen.ip().to_canonical().is_loopback()).then(|| {
        format!(
            "--listen {listen}: the demo knows its caller by locality, so every request there would be answered with 401: write \
             --listen 127.0.0.1:{}",
            listen.port()
        )
    })
}

fn load(environment: &BTreeMap<&'static str, String>) -> Result<Loaded, Problems> {
    let env = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
    let rule_check = &crate::policy::CatalogCheck;
    let (paths, search) = (Vec::new(), Vec::new());
    config::load(&LoadRequest { paths, search, env, rule_check, references: References::Needed })
}

fn guide(proxy: &Address, admin: &Address, emulator: &Emulator, allow: &str) -> String {
    format!(
        "\
Claviger runs on http://{proxy}, in front of a Logto emulator on {emulator}.
It holds the secret and the token; you need neither.
What happens is shown at http://{admin}/ while it happens. In another terminal:

  # read, page, search: no credential anywhere
  curl -s 'http://{proxy}/api/users?page_size=2' -i
  curl -s 'http://{proxy}/api/users?search=%25user1%25'
  # write
  curl -s -X POST http://{proxy}/api/users -H 'Content-Type: application/json' -d '{{\"username\":\"ada\"}}'
  # not granted: 403 claviger.not_permitted
  curl -s -X DELETE http://{proxy}/api/roles/anything
  # sensitive: needs a rule that names it
  curl -s -X DELETE http://{proxy}/api/users/anyone/personal-access-tokens/any
  # two parsers could read this path differently: 400 claviger.path_ambiguous
  curl -s --path-as-is 'http://{proxy}/api/users/..%2froles'
  # a token for clients that insist on OAuth: good here, and nowhere else
  curl -s -u any:thing -d grant_type=client_credentials http://{proxy}/oidc/token
  # how it is doing: claviger status --watch
  curl -s http://{admin}/status
  curl -s http://{admin}/metrics
  # the issuer goes down for the next requests; the cached token carries on
  curl -s -X PUT {emulator}/__emulator/faults -d '[{{\"on\":\"token\",\"effect\":{{\"answer\":{{\"status\":503,\"body\":\"\"}}}}}}]'
  curl -s 'http://{proxy}/api/users?page_size=1'

What it allows is CLAVIGER_ALLOW='{allow}', which you can set to something else.
Ctrl-C ends it.
",
        emulator = emulator.base_url(),
    )
}

#[cfg(test)]
mod tests {
    use super::nobody_known;

    #[test]
    fn a_demo_that_lets_nobody_in_does_not_start() {
        for good in ["127.0.0.1:3600", "[::1]:0", "127.0.0.2:1"] {
            assert_eq!(nobody_known(good.parse().unwrap()), None);
        }
        for (address, port) in [("0.0.0.0:3699", "3699"), ("[::]:0", "0"), ("10.0.0.1:3600", "3600")] {
            let why = nobody_known(address.parse().unwrap()).unwrap();
            assert!(why.starts_with(&format!("--listen {address}: ")), "{why}");
            assert!(why.ends_with(&format!("write --listen 127.0.0.1:{port}")), "{why}");
        }
    }
}
