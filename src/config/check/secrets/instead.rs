//! What is written where a secret is wanted, and is none: the path of its file, the name of its variable, a reference to it as
//! text. Nothing of it is repeated but names of variables.

use crate::{
    config::{intake::referring, path::KeyPath, short},
    secret::{SecretSource, names_variable},
};

/// What is said of such a text at `key`: what is wrong, and what to write.
pub(super) fn instead(key: &KeyPath, source: &SecretSource, secret: &[u8]) -> Option<(String, String)> {
    instead_of_path(source, secret)
        .or_else(|| instead_of_variable(source, secret))
        .or_else(|| instead_of_reference(source, secret))
        .or_else(|| instead_of_foreign(key, source, secret))
}

/// What is said where the path of a secret's file stands in the place of the secret.
fn instead_of_path(source: &SecretSource, secret: &[u8]) -> Option<(String, String)> {
    /// A key in Base64 may begin with / as well, but hardly with one of these.
    const ROOTS: [&[u8]; 14] = [
        b"./",
        b"../",
        b"~/",
        b"/etc/",
        b"/home/",
        b"/mnt/",
        b"/opt/",
        b"/run/",
        b"/secrets/",
        b"/srv/",
        b"/tmp/",
        b"/usr/",
        b"/var/",
        b"/vault/",
    ];
    if !ROOTS.iter().any(|root| secret.starts_with(root)) {
        return None;
    }
    let wanted = "the path of a file, where the secret itself is wanted";
    match source {
        SecretSource::Literal(_) => {
            Some((format!("this is {wanted}"), "Write { file = \"…\" } around it.".into()))
        }
        SecretSource::Env(name) if name == short::APP_SECRET => Some((
            format!("{name} holds {wanted}"),
            format!("Set {} to that path, and unset {name}.", short::APP_SECRET_FILE),
        )),
        SecretSource::Env(name) => {
            Some((format!("{name} holds {wanted}"), "Write { file = \"…\" } with that path.".into()))
        }
        SecretSource::File(_) | SecretSource::Exec(_) => None,
    }
}

/// What is said where a variable is written as a shell would expand it.
fn instead_of_variable(source: &SecretSource, secret: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(secret).ok()?.trim();
    // Compose halves two of them.
    let doubled = text.len() - text.trim_start_matches('$').len();
    let text = &text[doubled.saturating_sub(1)..];
    let (name, is_sure) = match text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
        // With `:-` and a default behind it.
        Some(inside) => (inside.split([':', '-', '?']).next().unwrap_or_default(), true),
        None => (text.strip_prefix('$')?, false),
    };
    let is_of_name = |byte: u8| {
        byte == b'_'
            || byte.is_ascii_uppercase()
            || byte.is_ascii_digit()
            || (is_sure && byte.is_ascii_lowercase())
    };
    if !name.bytes().all(is_of_name) || !names_variable(name) {
        return None;
    }
    let what = "this is the name of a variable, and variables are not expanded";
    let remedy = match source {
        SecretSource::Literal(_) => format!("Write {{ env = \"{name}\" }}."),
        SecretSource::Env(holder) => format!("Set {holder} to the secret itself."),
        SecretSource::File(_) | SecretSource::Exec(_) => "Write the secret itself into the file.".into(),
    };
    Some((what.into(), remedy))
}

/// What is said where a reference such as `{ file = "…" }` is text, so that nobody reads it.
fn instead_of_reference(source: &SecretSource, secret: &[u8]) -> Option<(String, String)> {
    let key = referring(std::str::from_utf8(secret).ok()?)?;
    let wanted = "a reference to a secret as text, where the secret itself is wanted";
    let said = match source {
        SecretSource::Literal(_) => {
            (format!("this is {wanted}"), "Take the quotes around the braces out.".to_owned())
        }
        SecretSource::Env(name) if name == short::APP_SECRET && key == "file" => (
            format!("{name} holds {wanted}"),
            format!("Set {} to the path of that file, and unset {name}.", short::APP_SECRET_FILE),
        ),
        SecretSource::Env(name) if name == short::APP_SECRET => (
            format!("{name} holds {wanted}"),
            format!("Set CLAVIGER_TENANTS__DEFAULT__CLIENT_SECRET to it, and unset {name}."),
        ),
        SecretSource::Env(name) => (
            format!("{name} holds {wanted}"),
            format!("Set {name} to the secret, or write the reference in place of {{ env = \"{name}\" }}."),
        ),
        SecretSource::File(path) => (
            format!("{} holds {wanted}", path.display()),
            "Write the secret itself into the file.".to_owned(),
        ),
        SecretSource::Exec(_) => return None,
    };
    Some(said)
}

/// A text that another program would put something else in the place of, and this one does not. Whoever reads the
/// deployment knows it, so it must not become a credential.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config::check) enum Foreign<'t> {
    Template,
    Expansion,
    Variable(&'t str),
    File,
    Store,
    Nothing,
}

impl<'t> Foreign<'t> {
    pub(in crate::config::check) fn of(text: &'t str) -> Option<Self> {
        /// Of Vault, AWS, 1Password, Google, Azure, vals, SOPS, Spring, Bitwarden, Infisical, Doppler, Grafana, Perl; of the web.
        const STORES: [&str; 27] = [
            "vault:",
            "hashivault:",
            "arn:aws",
            "op://",
            "awskms:",
            "gcpkms:",
            "azurekms:",
            "sm://",
            "ssm://",
            "secretsmanager:",
            "secretref:",
            "@microsoft.keyvault(",
            "ref+",
            "enc[",
            "env[",
            "{cipher}",
            "$env{",
            "$__file{",
            "aws:",
            "aws_sm:",
            "gcp:",
            "azurekeyvault://",
            "bws://",
            "infisical://",
            "doppler:",
            "http://",
            "https://",
        ];
        /// What stands around the name in a template: of batch files, pipelines, Octopus.
        const AROUND: [(&str, &str); 4] = [("%", "%"), ("__", "__"), ("#{", "}#"), ("#{", "}")];
        let text = text.trim();
        let begins = |with: &str| text.get(..with.len()).is_some_and(|it| it.eq_ignore_ascii_case(with));
        let begins_with_any = |beginnings: &[&str]| beginnings.iter().any(|it| begins(it));
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
        };
        // Whether there is an opening with what looks like a name behind it, and its end or nothing but dollars before it.
        let has = |open: &str, close: &str| {
            text.split_once(open).is_some_and(|(before, inside)| {
                inside.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                    && (inside.contains(close) || before.bytes().all(|byte| byte == b'$'))
            })
        };
        let within = |(open, close): (&str, &str)| text.strip_prefix(open)?.strip_suffix(close);
        let is_template =
            AROUND.into_iter().filter_map(within).any(|name| is_name(&name.replace(['.', '-'], "_")));
        if is_template || text.split_once("{{").is_some_and(|(_, rest)| rest.contains("}}")) {
            Some(Self::Template)
        } else if has("${", "}") || has("$(", ")") || within(("`", "`")).is_some() {
            Some(Self::Expansion)
        } else if begins_with_any(&["env:", "env="]) {
            Some(text[4..].trim_start_matches('/')).filter(|name| is_name(name)).map(Self::Variable)
        } else if begins_with_any(&["file:", "file=", "@/", "@./", "@../", "@~/"]) {
            Some(Self::File)
        } else if begins_with_any(&STORES) || (begins("projects/") && text.contains("/secrets/")) {
            Some(Self::Store)
        } else if ["null", "undefined", "none"].iter().any(|word| text.eq_ignore_ascii_case(word))
            || (text.starts_with('*') && text.bytes().all(|byte| byte == b'*'))
        {
            Some(Self::Nothing)
        } else {
            None
        }
    }

    pub(in crate::config::check) fn what(&self) -> &'static str {
        match self {
            Self::Template => "this is a template that was not rendered",
            Self::Expansion => {
                "there is a variable or a command in this as a shell writes it, and nothing is expanded here"
            }
            Self::Nothing => "this stands for a value that is missing or masked, and is none",
            Self::Variable(_) | Self::File | Self::Store => {
                "this is a reference as another program writes it, and is not followed here"
            }
        }
    }
}

/// What is said of a text that another program would put the secret in the place of. What a file holds or a command prints
/// is taken as it is.
fn instead_of_foreign(key: &KeyPath, source: &SecretSource, secret: &[u8]) -> Option<(String, String)> {
    let foreign = Foreign::of(std::str::from_utf8(secret).ok()?)?;
    let may_run = matches!(
        key.steps()[..],
        ["tenants" | "tenant_templates", _, "client_secret", ..]
            | ["cloud", _, "token", ..]
            | ["issuers", _, "bearer"]
            | ["redis", "password" | "sentinel_password"]
            | ["vault", "store", "kubernetes", "bearer"]
    );
    let what = match source {
        SecretSource::Literal(_) => foreign.what().to_owned(),
        // What is set from outside may well have it in it.
        SecretSource::Env(_) if foreign == Foreign::Expansion => return None,
        SecretSource::Env(name) => format!("{name}: {}", foreign.what()),
        SecretSource::File(_) | SecretSource::Exec(_) => return None,
    };
    let remedy = match (&foreign, source) {
        (Foreign::Template, _) => "Render the template first.".to_owned(),
        (Foreign::File, SecretSource::Env(name)) if name == short::APP_SECRET => {
            format!("Set {} to the path of the file, and unset {name}.", short::APP_SECRET_FILE)
        }
        (_, SecretSource::Env(name)) => {
            format!(
                "Set {name} to the secret itself, or write {{ file = \"…\" }} in place of {{ env = \"{name}\" }}."
            )
        }
        (Foreign::Variable(name), _) => format!("Write {{ env = \"{name}\" }}."),
        (Foreign::File, _) => "Write { file = \"…\" } with the path of the file.".to_owned(),
        _ if may_run => {
            "Write { file = \"…\" }, { env = \"…\" }, or { exec = [\"…\"] } with a command that prints it."
                .to_owned()
        }
        _ => "Write { file = \"…\" } or { env = \"…\" }.".to_owned(),
    };
    Some((what, remedy))
}

/// What is said of a secret that looks like a reference, as other programs write one, and may be a secret all the same.
pub(super) fn like_a_reference(source: &SecretSource, secret: &[u8]) -> Option<(&'static str, String)> {
    const BEGINNINGS: [&[u8]; 4] = [b"@", b"env:", b"env=", b"exec:"];
    let begins =
        |with: &&[u8]| secret.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    if !BEGINNINGS.iter().any(begins) {
        return None;
    }
    let remedy = match source {
        SecretSource::Env(name) if name == short::APP_SECRET => {
            format!("If it is one, set {} to the path of the file.", short::APP_SECRET_FILE)
        }
        SecretSource::Env(name) if name.starts_with("CLAVIGER_") => {
            format!("If it is one, write {name}='{{ file = \"…\" }}'.")
        }
        SecretSource::Env(_) | SecretSource::Literal(_) => "If it is one, write { file = \"…\" }.".into(),
        SecretSource::File(_) | SecretSource::Exec(_) => return None,
    };
    Some(("the secret begins as a reference to one, and is taken as it is", remedy))
}

/// What seems to stand around a secret, as in a file of variables.
pub(in crate::config::check) fn around(secret: &[u8]) -> Option<(&'static str, &'static str)> {
    let is_quoted =
        |quote: u8| secret.len() > 2 && secret.first() == Some(&quote) && secret.last() == Some(&quote);
    if is_quoted(b'"') || is_quoted(b'\'') {
        return Some(("the secret stands in quotes", "Are they part of it? Write it without anything else."));
    }
    let equals = secret.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (&secret[..equals], &secret[equals + 1..]);
    let name = name.strip_prefix(b"export ").unwrap_or(name);
    // What Base64 ends with is no value.
    let is_assigned = value.iter().any(|byte| *byte != b'=')
        && name.contains(&b'_')
        && name.iter().all(|byte| *byte == b'_' || byte.is_ascii_uppercase() || byte.is_ascii_digit());
    is_assigned.then_some((
        "the secret begins as the line NAME=… of a file of variables",
        "Is the name part of it? Write the secret without it.",
    ))
}
