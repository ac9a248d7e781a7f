//! Where commands find the configuration, and how they load it.

use std::path::PathBuf;

use crate::{
    config::{self, LoadRequest, Loaded, Problems, References},
    policy::CatalogCheck,
    secret::may_be_secret,
};

/// Where the configuration is.
#[derive(clap::Args, Clone)]
pub(super) struct Sources {
    /// Configuration file (.toml, .yaml, .json); may be repeated, a later one wins.
    /// Left out: the file that CLAVIGER_CONFIG names, else ./claviger.toml, then /etc/claviger/claviger.toml, else the environment alone.
    #[arg(short = 'c', long = "config", value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
}

/// Of an argument that is a file: what to write instead.
pub(super) fn by_option(text: &str) -> Result<PathBuf, String> {
    let file = if may_be_secret(text) { "FILE" } else { text };
    Err(format!("write it as an option: --config {file}"))
}

pub(super) fn load(paths: &[PathBuf]) -> Result<Loaded, Problems> {
    config::load(&LoadRequest::of_process(paths.to_vec(), &CatalogCheck))
}

/// The configuration for commands that say what it allows: they are for reviewers too, who have no secrets.
pub(super) fn load_policy(paths: &[PathBuf]) -> Result<Loaded, Problems> {
    let request = LoadRequest::of_process(paths.to_vec(), &CatalogCheck);
    config::load(&LoadRequest { references: References::MayBeAbsent, ..request })
}

/// What commands that go by the files have to say of a vault that these name.
pub(super) fn unseen_vault(loaded: &Loaded) -> Option<&'static str> {
    loaded.has("vault").then_some("the vault was not looked at: tenants adopted into it are unknown here")
}

/// What a command about the vault takes beside what it is about.
#[derive(clap::Args)]
pub(super) struct Plain {
    #[command(flatten)]
    pub(super) sources: Sources,
    /// As JSON.
    #[arg(long)]
    pub(super) json: bool,
}
