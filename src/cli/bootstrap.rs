//! `claviger bootstrap`: the first machine-to-machine application of a Logto of one's own, without its Console: what to do, the SQL
//! that does it, and whether it worked. The secret goes to a file of the user's alone and through a pipe, never to a terminal.

mod sql;

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::SystemTime,
};

use self::sql::Application;
use super::output::keep;
use crate::{
    app::{self, GrantMetrics, ProbeError},
    clock::{Clock, Random},
    config::{Config, Endpoint},
    ids::{OPERATOR, TenantName},
    observe::Metrics,
    proxy::Shared,
    secret::SecretSource,
    token::Tokens,
    vault::Record,
};

#[derive(clap::Args)]
pub(super) struct Args {
    /// Print SQL that makes the application, for psql. Its secret goes to the file as well.
    #[arg(long, conflicts_with = "check")]
    sql: bool,
    /// Get a token with the application and make one harmless call.
    #[arg(long, requires = "endpoint", requires = "client_id")]
    check: bool,
    /// The file of the application's secret: --sql makes it, for this user alone; --check reads it.
    #[arg(long, value_name = "FILE", default_value = "claviger-app-secret")]
    client_secret_file: PathBuf,
    /// The application's name in the Logto Console.
    #[arg(long, value_name = "TEXT", default_value = "Claviger")]
    name: String,
    /// Where Logto answers, such as `https://id.example.com`.
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The App ID that --sql said.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
}

pub(super) fn run(args: Args) -> ExitCode {
    match (args.sql, args.check) {
        (true, _) => print_sql(&args),
        (_, true) => check(&args),
        _ => super::print(&steps(&args)),
    }
}

fn steps(args: &Args) -> String {
    let endpoint = args.endpoint.as_deref().unwrap_or("https://id.example.com");
    let file = args.client_secret_file.display();
    format!(
        "Logto (OSS) has no credential for its Management API until somebody makes one. The least that Claviger takes is a\n\
         machine-to-machine application with one role, whose one permission is `all` of the Logto Management API: Logto has no\n\
         finer ones, and what each caller may do is decided by Claviger.\n\
         \n\
         1. Make it, in Logto's database, as the user that owns its tables:\n\
         \n\
         \x20    claviger bootstrap --sql | psql \"$DB_URL\"\n\
         \n\
         \x20  or where Logto runs by docker compose:\n\
         \n\
         \x20    claviger bootstrap --sql | docker compose exec -T postgres psql -U postgres logto\n\
         \n\
         \x20  It prints the App ID, and leaves the secret in {file}. The transaction changes nothing that is there.\n\
         \n\
         2. See whether it works:\n\
         \n\
         \x20    claviger bootstrap --check --endpoint {endpoint} --client-id APP-ID\n\
         \n\
         3. Put it to use, in claviger.toml, which step 1 prints as well:\n\
         \n\
         {}\n\
         Without access to the database: Logto Console, Applications, Create application, Machine-to-machine, with the role\n\
         \"Logto Management API access\". On Logto Cloud a personal access token does it: claviger tenant create.\n",
        excerpt(endpoint, "APP-ID", &args.client_secret_file)
    )
}

fn excerpt(endpoint: &str, client_id: &str, file: &Path) -> String {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.into());
    format!(
        "     [tenants.default]\n     endpoint      = {endpoint:?}\n     client_id     = {client_id:?}\n     \
         client_secret = {{ file = {:?} }}\n",
        file.display().to_string()
    )
}

fn print_sql(args: &Args) -> ExitCode {
    if std::io::stdout().is_terminal() {
        return super::fail(
            "the SQL holds the secret, which is not for a terminal: claviger bootstrap --sql | psql \"$DB_URL\"",
        );
    }
    let Some(application) = Application::new(&args.name) else {
        return super::fail("the system gives no random bytes");
    };
    if let Err(error) = keep(&args.client_secret_file, &application.secret) {
        return super::fail(&format!("{}: {error}", args.client_secret_file.display()));
    }
    let endpoint = args.endpoint.as_deref().unwrap_or("https://id.example.com");
    tell!(
        "App ID {}, its secret in {}. Once psql says COMMIT:\n\n{}",
        application.id,
        args.client_secret_file.display(),
        excerpt(endpoint, &application.id, &args.client_secret_file)
    );
    super::print(&application.sql())
}

fn check(args: &Args) -> ExitCode {
    let (Some(endpoint), Some(client_id)) = (&args.endpoint, &args.client_id) else {
        return super::usage("--check takes --endpoint and --client-id");
    };
    let endpoint = match Endpoint::parse(endpoint) {
        Ok(endpoint) => endpoint,
        Err(error) => return super::usage(&format!("--endpoint: {error}. {}", error.remedy)),
    };
    let secret = match SecretSource::File(args.client_secret_file.clone()).read() {
        Ok(secret) => secret,
        Err(error) => {
            let why = super::output::sentence(&error.to_string());
            return super::fail(&format!("{why} Name the file of the App secret by --client-secret-file"));
        }
    };
    let Ok(alias) = TenantName::parse("default") else { return super::fail("there is no such name") };
    let (resource, client_id) = (endpoint.own_resource().into(), client_id.as_str().into());
    let record = Record::new(alias, endpoint, resource, client_id, secret, OPERATOR, SystemTime::UNIX_EPOCH);
    let config = Config::default();
    let tenant = Arc::new(record.tenant(&config));
    let runtime = match super::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return super::fail(&format!("cannot start: {error}")),
    };
    let probed = runtime.block_on(probe(Config { tenants: vec![tenant], ..config }));
    match probed {
        Ok(()) => super::print(
            "fine: a token was granted with the permission `all`, and the Management API takes it\n",
        ),
        Err(error) => super::fail(&error.to_string()),
    }
}

async fn probe(config: Config) -> Result<(), ProbeError> {
    let (clock, metrics) = (Clock::system(), Arc::new(Metrics::new()));
    let grants = Arc::new(GrantMetrics(metrics.clone()));
    let tokens = Tokens::new(clock.clone(), Random::system(), grants, tokio::runtime::Handle::current());
    let shared = Shared::new(metrics, clock, tokens);
    let pipeline = shared.pipeline(Arc::new(config), None, None);
    let pipeline = pipeline.map_err(|error| ProbeError::Refused(error.to_string()))?;
    match pipeline.tenants().all().first() {
        Some(tenant) => app::probe(tenant, &shared).await,
        None => Err(ProbeError::Unknown("there is no tenant to try".into())),
    }
}
