//! From files and environment to a checked [`Config`]: finds and reads the sources, puts them in layers and
//! hands the result to `check`. Reads nothing but the files that are named and the environment that is passed
//! in, and keeps nothing: the same call again sees what has changed since.

use std::{
    ffi::OsStr,
    io::Read,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{
    address::Address,
    check,
    effective::Config,
    env::{self, Environment},
    from_text::FromText as _,
    inputs::{Inputs, References},
    intake::{Intake, Secrets},
    layer::{self, Layer},
    listen::Listen,
    origin::Origin,
    path::{KeyPath, Trail},
    path_or_url::no_path,
    policy::RuleCheck,
    problem::{Mistake, Problem, Problems},
    read::read,
    remarks::Remarks,
    short, toml,
    tree::{Node, Value},
    yaml,
};
use crate::{
    regular_file,
    secret::{Digest, Secret, SecretSource},
};

/// The largest configuration file.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// As the environment has `listen.admin`.
const ADMIN: &str = "CLAVIGER_LISTEN__ADMIN";

/// As the environment has `admin.token`.
const ADMIN_TOKEN: &str = "CLAVIGER_ADMIN__TOKEN";

/// What to load.
pub struct LoadRequest<'a> {
    /// The files given by `--config`, in order; a later one wins.
    pub paths: Vec<PathBuf>,
    /// Where to look when `paths` is empty and `CLAVIGER_CONFIG` is not set: the first of these that exists. See [`LoadRequest::SEARCH`].
    pub search: Vec<PathBuf>,
    /// The environment variables.
    pub env: Environment,
    /// Says whether a text is a rule, and whether its conditions are about something.
    pub rule_check: &'a dyn RuleCheck,
    /// What becomes of secrets and files that are named and not there.
    pub references: References,
}

impl<'a> LoadRequest<'a> {
    /// Where a configuration is looked for when none is named.
    pub const SEARCH: [&'static str; 2] = ["./claviger.toml", "/etc/claviger/claviger.toml"];

    /// The request of a process: the usual places and its own environment.
    pub fn of_process(paths: Vec<PathBuf>, rule_check: &'a dyn RuleCheck) -> Self {
        let search = Self::SEARCH.iter().map(PathBuf::from).collect();
        let env = std::env::vars_os().collect();
        Self { paths, search, env, rule_check, references: References::Needed }
    }

    fn settings(&'a self) -> check::Settings<'a> {
        check::Settings { env: &self.env, rule_check: self.rule_check, references: self.references }
    }
}

/// A configuration, and what is to be known about its making.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What works and should be changed.
    pub warnings: Vec<Problem>,
    /// Secrets that are not there, and need not be for what it is read for ([`References::MayBeAbsent`]).
    pub absent: Vec<Problem>,
    /// Where the keys stand that are about what is outside the configuration.
    places: Vec<(&'static str, Origin)>,
    /// Everything that was read, files of secrets and certificates included.
    pub files: Vec<PathBuf>,
    /// Fingerprint of all that was read, secrets included: another digest, another configuration. Not to be shown.
    pub digest: Digest,
}

/// Keys whose values are about the machine.
const OUTSIDE: [&str; 10] = [
    "audit.output",
    "listen.admin",
    "listen.proxy",
    "listen.tls",
    "listen.tls.cert",
    "listen.tls.client_ca",
    "listen.tls.crl",
    "listen.tls.key",
    "vault",
    "vault.store",
];

impl Loaded {
    /// Whether this one of those is written, though what it needs may be absent.
    pub fn has(&self, key: &str) -> bool {
        self.places.iter().any(|(place, _)| *place == key)
    }

    /// What is said of a key of those, as it begins with it, behind the file and the line of the key.
    pub fn placed(&self, said: &str) -> String {
        let place = self.places.iter().find(|(key, _)| said.split(": ").next() == Some(key));
        place.map_or_else(|| said.to_owned(), |(_, origin)| format!("{origin}: {said}"))
    }
}

/// Loads a configuration. Blocking: reads files. Called again to see whether anything has changed.
///
/// # Errors
/// [`Problems`]: all of them, not the first.
pub fn load(request: &LoadRequest<'_>) -> Result<Loaded, Problems> {
    let mut inputs = Inputs::default();
    let mut secrets = Secrets::default();
    let mut remarks = Remarks::default();
    for name in env::names(&request.env).chain(short::VARIABLES) {
        inputs.value(name, request.env.get(OsStr::new(name)).map(|value| value.as_encoded_bytes()));
    }

    let mut layers = Vec::new();
    let mut unread = Vec::new();
    for path in chosen(request) {
        let root = match tree_of(&path, &mut inputs) {
            Ok(root) => root,
            Err(problems) => {
                unread.extend(problems);
                continue;
            }
        };
        let base = path.parent().unwrap_or(Path::new(""));
        layers.push(taken_in(path.display().to_string(), root, base, &mut secrets, &mut remarks));
    }
    if !unread.is_empty() {
        // What the rest of such a file would have said is not to be guessed at, so nothing else is judged.
        remarks.problems = unread;
        let admin =
            env::text(&request.env, ADMIN).and_then(|text| Address::from_text(text).ok()).map(Box::new);
        let admin_token = env::text(&request.env, ADMIN_TOKEN).map(|token| Secret::new(token.into()));
        return Err(Problems { admin, admin_token, ..problems(remarks, inputs) });
    }

    let root = env::tree(&request.env, &secrets, &mut remarks);
    let environment = taken_in("environment".into(), root, env::base(), &mut secrets, &mut remarks);
    let short = short::layer(&request.env, &layers, &environment, &mut remarks);
    layers.push(environment);
    if let Some(Layer { name, root }) = short {
        layers.push(taken_in(name, root, env::base(), &mut secrets, &mut remarks));
    }

    if layers.iter().all(|layer| layer.root.is_empty()) && remarks.problems.is_empty() {
        remarks.problems.push(nothing(request, &layers));
        let admin = Listen::default().admin.map(Box::new);
        return Err(Problems { admin, ..problems(remarks, inputs) });
    }
    let root = layer::merge(layers);
    let admin = admin(&root).map(Box::new);
    let raw = read(&root, &root, &Trail::Root, &mut remarks).unwrap_or_default();
    let mut checker = check::Checker::new(&root, &secrets, request.settings(), remarks, inputs);
    let config = check::config(&mut checker, raw);
    let (remarks, inputs) = checker.into_findings();
    match config {
        Some(config) if remarks.problems.is_empty() => {
            let digest = inputs.digest();
            let Remarks { warnings, absent, .. } = remarks;
            let place = |key: &&'static str| {
                let path = KeyPath::of(&key.split('.').collect::<Vec<_>>());
                root.place(&path).map(|origin| (*key, origin))
            };
            let places = OUTSIDE.iter().filter_map(place).collect();
            Ok(Loaded { config, warnings, absent, places, files: inputs.into_files(), digest })
        }
        _ => {
            let admin_token = admin_token(&root, &secrets, &request.env);
            Err(Problems { admin, admin_token, ..problems(remarks, inputs) })
        }
    }
}

/// The files to read: the given ones, each once, or the one that the environment names, or the first that is found.
fn chosen(request: &LoadRequest<'_>) -> Vec<PathBuf> {
    let mut chosen: Vec<PathBuf> = Vec::new();
    for path in &request.paths {
        if !chosen.contains(path) {
            chosen.push(path.clone());
        }
    }
    if chosen.is_empty() {
        let found = || request.search.iter().find(|path| path.exists()).cloned();
        chosen.extend(env::config(&request.env).or_else(found));
    }
    chosen
}

fn taken_in(
    name: String,
    mut root: Node,
    base: &Path,
    secrets: &mut Secrets,
    remarks: &mut Remarks,
) -> Layer {
    Intake { base, secrets, problems: &mut remarks.problems, reported: &mut remarks.reported }
        .take(&mut root);
    Layer { name, root }
}

fn problems(mut remarks: Remarks, inputs: Inputs) -> Problems {
    let digest = inputs.digest();
    let files = inputs.into_files();
    // Who asks the process that still runs needs it.
    let absent = std::mem::take(&mut remarks.absent).into_iter();
    remarks.warnings.extend(absent.filter(|problem| problem.key == "admin.token"));
    for list in [&mut remarks.problems, &mut remarks.warnings] {
        list.sort_by_cached_key(|problem| place(problem, &files));
    }
    Problems {
        problems: remarks.problems,
        warnings: remarks.warnings,
        files,
        digest,
        admin: None,
        admin_token: None,
    }
}

/// The admin listener, whatever is wrong elsewhere.
fn admin(root: &Node) -> Option<Address> {
    let written = root.member("listen").map(|listen| (listen.member("admin"), &listen.value));
    match written {
        None | Some((None, Value::Map(_))) => Listen::default().admin,
        Some((Some(Node { value: Value::Text(text), .. }), _)) => Address::from_text(text).ok(),
        Some(_) => None,
    }
}

/// The token that it asks for.
fn admin_token(root: &Node, secrets: &Secrets, env: &Environment) -> Option<Secret> {
    let Value::Secret(id) = root.member("admin")?.member("token")?.value else { return None };
    match secrets.at(id)? {
        SecretSource::Env(name) => env::text(env, name).map(|token| Secret::new(token.into())),
        source => source.read().ok(),
    }
}

/// The order in which somebody works through a list: file by file, from top to bottom; then what stands in no file.
fn place(problem: &Problem, files: &[PathBuf]) -> (usize, usize) {
    let Some(origin) = &problem.origin else { return (usize::MAX, 0) };
    let file = files.iter().position(|known| known.as_os_str() == origin.source());
    (file.unwrap_or(usize::MAX), origin.line() as usize)
}

/// How somebody begins.
const START: &str = "Write a claviger.toml (config/minimal.toml is one), or set LOGTO_ENDPOINT, LOGTO_M2M_APP_ID and \
                     LOGTO_M2M_APP_SECRET. To look around without a Logto tenant: claviger demo.";

impl Problem {
    /// The same for whoever has a process that runs with what was there before.
    #[must_use]
    pub fn while_running(self) -> Self {
        let is_gone = self.remedy == START;
        let remedy = match is_gone {
            true => "What this process was started with is gone from there: put it back.".into(),
            false => self.remedy,
        };
        Self { remedy, ..self }
    }
}

fn nothing(request: &LoadRequest<'_>, layers: &[Layer]) -> Problem {
    let what = match layers.first() {
        Some(file) if layers.len() > 1 => format!("{} configures nothing", file.name),
        _ => {
            let places: Vec<_> = request.search.iter().map(|path| path.display().to_string()).collect();
            format!(
                "nothing is configured: no file at {}, and nothing in the environment",
                places.join(" or ")
            )
        }
    };
    Problem { key: String::new(), origin: None, what, remedy: START.into() }
}

/// Reads and parses one file.
fn tree_of(path: &Path, inputs: &mut Inputs) -> Result<Node, Vec<Problem>> {
    let problem = |what: String, remedy: &str| {
        vec![Problem {
            key: String::new(),
            origin: Some(Origin::from(path.display().to_string())),
            what,
            remedy: remedy.into(),
        }]
    };
    type Parse = fn(&Path, &str) -> Result<Node, Vec<Problem>>;
    let parse: Parse = match path.extension().and_then(OsStr::to_str) {
        Some("toml") => toml::parse,
        Some("yaml" | "yml" | "json") => yaml::parse,
        _ if path.is_dir() => {
            inputs.file(path, None);
            return Err(problem("this is a directory".into(), "Name a file in it."));
        }
        _ => {
            inputs.file(path, None);
            let what = "the name does not say what the file is written in".into();
            return Err(problem(what, "Let it end in .toml, .yaml, .yml or .json."));
        }
    };
    let bytes = match bytes(path) {
        Ok(bytes) => bytes,
        Err((what, remedy)) => {
            inputs.file(path, None);
            if let Some(Mistake { what, remedy }) = no_path(&path.to_string_lossy(), str::to_owned) {
                return Err(problem(what, &remedy));
            }
            return Err(problem(what, remedy));
        }
    };
    inputs.file(path, Some(&bytes));
    let Ok(text) = std::str::from_utf8(&bytes) else {
        let line = memchr::memchr_iter(b'\n', valid_part(&bytes)).count() + 1;
        let what = format!("line {line} is not UTF-8");
        return Err(problem(what, "Save the file as UTF-8; is it perhaps a binary file?"));
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let is_toml = || path.extension().is_none_or(|end| end != "toml") && toml::parse(path, text).is_ok();
    match parse(path, text) {
        Err(_) if is_toml() => Err(problem("this is TOML".into(), "Let the name of the file end in .toml.")),
        Err(_) if is_yaml(path, text) => {
            Err(problem("this is YAML or JSON".into(), "Let the name of the file end in .yaml or .json."))
        }
        tree => tree,
    }
}

/// Whether a file that is not TOML, as its name has it, is YAML: as a whole, or by how it begins.
fn is_yaml(path: &Path, text: &str) -> bool {
    let is_named_toml = path.extension().is_some_and(|end| end == "toml");
    let mut lines = text.lines().map(str::trim_end);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    is_named_toml && (first.is_some_and(|line| line.ends_with(':')) || yaml::parse(path, text).is_ok())
}

fn valid_part(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Ok(_) => bytes,
        Err(error) => &bytes[..error.valid_up_to()],
    }
}

/// The file's bytes, in memory that is zeroed: they may hold a secret.
fn bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, (String, &'static str)> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            ("there is no such file".to_owned(), "Look at the path, and at what is mounted there.")
        }
        std::io::ErrorKind::PermissionDenied => (
            "this process may not read the file".to_owned(),
            "Give its user read permission on the file and on the directories above it.",
        ),
        std::io::ErrorKind::IsADirectory => ("this is a directory".into(), "Name a file in it."),
        std::io::ErrorKind::Other => {
            ("this is not a regular file".into(), "Write the configuration to a file.")
        }
        _ => (format!("the file cannot be read: {error}"), ""),
    };
    let (file, about) = regular_file::open(path).map_err(unreadable)?;
    let too_large = || ("the file is larger than 16 MiB".to_owned(), "Is this the right file?");
    if about.len() > MAX_FILE {
        return Err(too_large());
    }
    // Room for all of it at once: growing would leave copies behind that nobody zeroes.
    let room = usize::try_from(about.len()).unwrap_or(0) + 4096;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(too_large());
    }
    Ok(bytes)
}
