//! How files and environments are loaded: each test writes real files into a directory of its own.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::*;
use crate::ids::TenantName;

mod callers;
mod catalog;
mod elsewhere;
mod example;
mod exec;
mod expectations;
mod files;
mod foreign;
mod gateway;
mod good;
mod layers;
mod misread;
mod newcomers;
mod pasted;
mod policies;
mod problems;
mod reference;
mod remedies;
mod resources;
mod scope;
mod secrecy;
mod slips;
mod tls_names;
mod urls;
mod vault;

/// A directory with configuration files, and an environment.
pub(super) struct Bench {
    dir: tempfile::TempDir,
    paths: Vec<PathBuf>,
    env: Environment,
}

/// The configuration as `/config` shows it.
pub(super) fn in_effect(config: &Config) -> serde_json::Value {
    serde_json::to_value(config).unwrap()
}

/// A tenant, for what is asked of one.
pub(super) fn tenant() -> Tenant {
    Tenant {
        name: TenantName::parse("acme").unwrap(),
        labels: Vec::new(),
        endpoint: Endpoint::parse("https://acme.logto.app").unwrap(),
        resource: "https://acme.logto.app/api".into(),
        client_id: "m2m".into(),
        client_secrets: Vec::new(),
        client_auth: ClientAuth::Basic,
        scopes: vec!["all".into()],
        resources: Vec::new(),
        organization_id: None,
        parameters: Vec::new(),
        quota: None,
        max_in_flight: 1,
        compression: false,
        tls: UpstreamTls::default(),
        rotate: None,
        created_by: None,
    }
}

/// As the policy module does, only simpler.
pub(super) fn rule_check(_: RuleList, text: &str) -> Result<(), String> {
    match text.contains(' ') && !text.starts_with("GET ") {
        true => Err(format!("{text:?} is not a rule. Write a tag, an operationId or a template.")),
        false => Ok(()),
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), paths: Vec::new(), env: Environment::new() }
    }

    /// Writes a file and loads it.
    pub(super) fn with(mut self, name: &str, text: impl AsRef<[u8]>) -> Self {
        self.paths.push(self.write(name, text));
        self
    }

    /// Writes a file.
    pub(super) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    pub(super) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn load(&self) -> Result<Loaded, Problems> {
        self.load_by(&rule_check)
    }

    pub(super) fn load_by(&self, rule_check: &dyn RuleCheck) -> Result<Loaded, Problems> {
        load(&LoadRequest {
            paths: self.paths.clone(),
            search: vec![self.dir.path().join("claviger.toml"), self.dir.path().join("etc.toml")],
            env: self.env.clone(),
            rule_check,
            references: References::Needed,
        })
    }

    /// Without the directory in front of the names of files.
    pub(super) fn short(&self, problems: &[Problem]) -> Vec<String> {
        let dir = format!("{}/", self.dir.path().display());
        problems.iter().map(|problem| problem.to_string().replace(&dir, "")).collect()
    }

    /// The configuration, which must be right and without warnings.
    #[track_caller]
    pub(super) fn config(&self) -> Config {
        let loaded = self.load().unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(self.short(&loaded.warnings), Vec::<String>::new());
        loaded.config
    }

    /// The problems, of which there must be some.
    #[track_caller]
    pub(super) fn problems(&self) -> Vec<String> {
        self.short(&self.load().expect_err("problems").problems)
    }

    /// The problems that another check of rules finds.
    #[track_caller]
    pub(super) fn problems_by(&self, rule_check: &dyn RuleCheck) -> Vec<String> {
        self.short(&self.load_by(rule_check).expect_err("problems").problems)
    }

    #[track_caller]
    pub(super) fn warnings(&self) -> Vec<String> {
        self.short(&self.load().unwrap_or_else(|problems| panic!("{problems}")).warnings)
    }
}

/// An authority, a server's certificate and key, and an empty revocation list, as PEM.
pub(super) struct Tls {
    pub(super) ca: String,
    pub(super) cert: String,
    pub(super) key: String,
    pub(super) crl: String,
}

impl Tls {
    pub(super) fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["proxy.internal".into()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
        let cert = params.self_signed(&key).unwrap().pem();
        let crl = rcgen::CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2020, 1, 1),
            next_update: rcgen::date_time_ymd(2120, 1, 1),
            crl_number: rcgen::SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        let crl = crl.signed_by(&rcgen::Issuer::new(params, &key)).unwrap().pem().unwrap();
        Self { ca: cert.clone(), cert, key: key.serialize_pem(), crl }
    }

    /// Under the names that the example has for them.
    pub(super) fn write(&self, bench: &Bench) {
        for (name, pem) in
            [("ca.crt", &self.ca), ("tls.crt", &self.cert), ("tls.key", &self.key), ("ca.crl", &self.crl)]
        {
            bench.write(name, pem);
        }
    }
}

/// A tenant, a policy and a caller, without warnings given `S`.
pub(super) const GOOD: &str = r#"
[tenants.acme]
client_id = "app"
client_secret = { env = "S" }
[policies.p]
allow = ["users:read"]
[callers.c]
identify = { loopback = true }
policies = ["p"]
"#;
