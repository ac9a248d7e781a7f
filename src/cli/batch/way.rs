//! Which way operations go, and as whose: to a running Claviger with the caller's credential, or through a pipeline of this process as
//! a caller that the operator names.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap_complete::ArgValueCandidates;
use http::{HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use super::client::Client;
use crate::{
    app::{InProcess, StartError},
    cli::{self, Sources, usage},
    clock::Clock,
    config::{Address, Config, Log},
    headers,
    ids::CallerIndex,
    observe::{Metrics, log},
    secret::{Secret, mistaken, names_variable},
    vault::VaultError,
};

/// Bytes of a credential, with what is beside it.
const MOST_SHORT: usize = 64 * 1024;

/// The first address of listen.proxy where nothing is configured.
const USUAL: &str = "http://127.0.0.1:3600";

/// Where operations are sent, and as whom.
#[derive(clap::Args)]
pub(super) struct Way {
    /// The running Claviger. Left out: the first TCP address of listen.proxy, or 127.0.0.1:3600.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The file with the caller's API key.
    #[arg(long, value_name = "FILE", conflicts_with = "key_env")]
    key_file: Option<PathBuf>,
    /// The environment variable with the caller's API key.
    #[arg(long, value_name = "VARIABLE")]
    key_env: Option<String>,
    /// A file with further header fields, such as Authorization: Bearer …
    #[arg(long, value_name = "FILE")]
    header_file: Option<PathBuf>,
    /// Certificates that the TLS of --url is verified by, in PEM. Left out: the system's.
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
    /// Without a running Claviger: this process sends, by the configuration, as this caller. Its credential is not asked for; what it may
    /// do, and its limits, hold as always.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["url", "key_file", "key_env", "header_file", "roots"],
        add = ArgValueCandidates::new(cli::complete::callers))]
    caller: Option<String>,
}

/// The way, checked as far as it can be before anything is opened.
pub(super) enum Chosen {
    Url(Client),
    InProcess(Box<Config>, CallerIndex),
}

impl Way {
    /// What is asked for; says what is wrong with it.
    pub(super) fn choose(&self, sources: &Sources) -> Result<Chosen, ExitCode> {
        let Some(name) = &self.caller else {
            let url = self.url(sources).map_err(|why| usage(&why))?;
            let fields = self.fields().map_err(|why| usage(&why))?;
            let client = Client::of_url(&url, self.roots.as_deref(), fields);
            return client.map(Chosen::Url).map_err(|why| usage(&why));
        };
        let config = cli::load(&sources.paths).map_err(|problems| cli::report(&problems))?.config;
        let index = config.callers.iter().position(|caller| caller.name.as_str() == name);
        let index = index.ok_or_else(|| {
            let names: Vec<_> = config.callers.iter().map(|caller| caller.name.as_str()).collect();
            usage(&cli::output::no_such("caller", name, &names))
        })?;
        Ok(Chosen::InProcess(config.into(), CallerIndex(index)))
    }

    /// As said, or as the configuration has it.
    fn url(&self, sources: &Sources) -> Result<String, String> {
        if let Some(url) = &self.url {
            return Ok(url.trim_end_matches('/').to_owned());
        }
        let loaded = match cli::load_policy(&sources.paths) {
            Ok(loaded) => loaded,
            Err(problems) if problems.files.is_empty() => {
                tell!("claviger: there is no configuration file here; sending to {USUAL}");
                return Ok(USUAL.to_owned());
            }
            // What is sent changes something: not to be sent to anybody else.
            Err(_) => {
                return Err(format!(
                    "the configuration is invalid (see `claviger check`): write --url {USUAL}"
                ));
            }
        };
        let listen = loaded.config.listen;
        let scheme = if listen.tls.is_some() { "https" } else { "http" };
        let tcp = listen.proxy.iter().find_map(|address| match address {
            Address::Tcp(address) => Some(cli::process::reachable(*address)),
            Address::Unix(_) => None,
        });
        tcp.map(|address| format!("{scheme}://{address}"))
            .ok_or_else(|| "listen.proxy has no TCP address: write --url http://HOST:PORT".into())
    }

    /// The fields of every request that prove whose it is.
    fn fields(&self) -> Result<HeaderMap, String> {
        let mut fields = HeaderMap::new();
        let key = match (&self.key_file, &self.key_env) {
            (Some(path), _) => {
                let what = format!("--key-file {}", path.display());
                Some((short(path).map_err(|error| cli::output::unopened("--key-file ", path, &error))?, what))
            }
            (None, Some(name)) => {
                let what = format!("--key-env {name}");
                let value = std::env::var(name).map_err(|_| match names_variable(name) {
                    true => format!("{what}: there is no such variable"),
                    false => mistaken("--key-env", "a variable"),
                })?;
                Some((Zeroizing::new(value), what))
            }
            (None, None) => None,
        };
        if let Some((key, what)) = key {
            let key = Secret::new(key.trim().as_bytes().to_vec());
            let value = key.header("").map_err(|_| format!("{what}: what is there can be no key"))?;
            fields.insert(headers::CLAVIGER_KEY, value);
        }
        if let Some(path) = &self.header_file {
            let what = format!("--header-file {}", path.display());
            let text = short(path).map_err(|error| cli::output::unopened("--header-file ", path, &error))?;
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                let field = line.split_once(':').and_then(|(name, value)| {
                    let name = HeaderName::try_from(name.trim()).ok()?;
                    let mut value = HeaderValue::from_str(value.trim()).ok()?;
                    value.set_sensitive(true);
                    Some((name, value))
                });
                let (name, value) = field.ok_or_else(|| format!("{what}: write NAME: VALUE in each line"))?;
                fields.append(name, value);
            }
        }
        Ok(fields)
    }
}

impl Chosen {
    /// Opens what is needed for it. To be called in the runtime that sends.
    pub(super) async fn open(self) -> Result<Client, String> {
        let (config, caller) = match self {
            Self::Url(client) => return Ok(client),
            Self::InProcess(config, caller) => (config, caller),
        };
        let name = config.callers[caller.0].name.clone();
        let metrics = Arc::new(Metrics::new());
        // What the operator has to know; what came of each operation is in the results.
        let log = Log { level: "warn,claviger::request=off".into(), ..config.log.clone() };
        let repeated = log::init(&log, metrics.log_lost.clone()).map_err(|error| error.to_string())?;
        tokio::spawn(repeated.tell());
        let app = InProcess::start(*config, caller, metrics, Clock::system()).await;
        let app = app.map_err(|error| match error {
            StartError::Vault(VaultError::Unavailable(why)) if why.is_in_use() => {
                format!("{why}: send through it, with --url in place of --caller")
            }
            StartError::Audit(_) => {
                format!(
                    "{error}. If a running Claviger has it, send through that: --url in place of --caller"
                )
            }
            error => error.to_string(),
        })?;
        Ok(Client::in_process(app, &name))
    }
}

/// What is in a file that holds a credential, or a pipe.
fn short(path: &Path) -> io::Result<Zeroizing<String>> {
    // As large as it will be: growing would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(MOST_SHORT));
    File::open(path)?.take(MOST_SHORT as u64).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        way: Way,
    }

    #[test]
    fn a_key_in_the_place_of_its_name_is_not_repeated() {
        let key = "cvk_Xq3vL9pTz7Rk2Wm8Yc4Nb6Jd1Hf5Gs0A";
        for (option, wanted) in
            [("--key-env", "a variable"), ("--key-file", "a file"), ("--header-file", "a file")]
        {
            let said = Line::parse_from(["batch", option, key]).way.fields().unwrap_err();
            let want = format!(
                "{option} names {wanted}; this looks like the secret itself, and is not repeated here"
            );
            assert_eq!(said, want);
        }
        let said = Line::parse_from(["batch", "--key-env", "NOT_SET_ANYWHERE"]).way.fields().unwrap_err();
        assert_eq!(said, "--key-env NOT_SET_ANYWHERE: there is no such variable");
    }

    fn url(paths: &[&Path]) -> Result<String, String> {
        let way =
            Way { url: None, key_file: None, key_env: None, header_file: None, roots: None, caller: None };
        way.url(&Sources { paths: paths.iter().map(|path| path.to_path_buf()).collect() })
    }

    #[test]
    fn without_a_configuration_it_is_the_usual_address_that_is_asked() {
        assert_eq!(url(&[]).as_deref(), Ok(USUAL));
        // Not where there is one that may name another.
        let directory = tempfile::tempdir().unwrap();
        let broken = directory.path().join("c.toml");
        std::fs::write(&broken, "nonsense\n").unwrap();
        assert!(url(&[&broken]).unwrap_err().ends_with("write --url http://127.0.0.1:3600"));
    }
}
