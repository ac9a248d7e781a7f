//! Secrets: reads them from their files and variables, and says where one is missing, empty, or open to all.

use std::{ffi::OsStr, path::Path};

use super::{checker::Checker, placeholder::is_placeholder};
use crate::{
    config::{inputs::References, leaf::SecretId, path::KeyPath, short},
    secret::{Secret, SecretError, SecretSource},
};

impl Checker<'_> {
    /// The secret of a plain key.
    pub(in crate::config) fn secret(
        &mut self,
        section: &KeyPath,
        key: &str,
        id: Option<SecretId>,
    ) -> Option<Option<Secret>> {
        id.map(|id| self.secret_at(&section.key(key), &id))
    }

    /// What `read` makes of the secrets at `key`, of which there may be two, the newer first.
    pub(super) fn up_to_two<T: PartialEq>(
        &mut self,
        key: &KeyPath,
        ids: &[usize],
        read: impl Fn(&mut Self, &KeyPath, usize) -> Option<T>,
    ) -> Vec<(KeyPath, T)> {
        if ids.len() > 2 {
            let what = format!("there are {} secrets; two is the most", ids.len());
            self.problem(key, what, "Keep the new one and the one that it replaces.");
        }
        let mut secrets: Vec<(KeyPath, T)> = Vec::new();
        for (index, id) in ids.iter().enumerate() {
            let listed = key.index(index);
            let path = if self.tree.has(&listed) { listed } else { key.clone() };
            let Some(secret) = read(self, &path, *id) else { continue };
            if secrets.iter().any(|(_, other)| *other == secret) {
                self.warn(&path, "both secrets are the same", "Keep one of them.");
            } else {
                secrets.push((path, secret));
            }
        }
        secrets
    }

    /// The secret in `id`, which stands at `key`.
    pub(super) fn secret_at(&mut self, key: &KeyPath, SecretId(id): &SecretId) -> Option<Secret> {
        let secrets = self.secrets;
        let source = secrets.at(*id)?;
        // Before it is said to be written in the configuration.
        if let SecretSource::Literal(text) = source
            && let Some((what, remedy)) =
                instead_of_path(source, text.expose()).or_else(|| instead_of_variable(source, text.expose()))
        {
            self.problem(key, what, remedy);
            return None;
        }
        let secret = self.secret_of(key, source)?;
        if is_placeholder(secret.expose()) {
            let remedy = match key.steps()[..] {
                ["tenants", ..] => "Copy the App secret of the application from the Logto Console.",
                ["issuers", ..] => "Put the real one in its place.",
                _ => "Make one with: openssl rand -hex 32",
            };
            self.problem(key, "this is the placeholder of an example, which everybody knows", remedy);
            return None;
        }
        let instead = instead_of_path(source, secret.expose());
        if let Some((what, remedy)) = instead.or_else(|| instead_of_variable(source, secret.expose())) {
            self.problem(key, what, remedy);
            return None;
        }
        if let Some((what, remedy)) = around(secret.expose()) {
            self.warn(key, what, remedy);
        }
        Some(secret)
    }

    fn secret_of(&mut self, key: &KeyPath, source: &SecretSource) -> Option<Secret> {
        let (read, name) = match source {
            SecretSource::Literal(_) => {
                let remedy =
                    "Put it into a file that only this process can read, and write { file = \"…\" }.";
                let place = self.tree.place(key);
                let open = place.and_then(|place| open_mode(Path::new(place.source()))).map(|mode| {
                    format!(", which every user of this machine may read (mode {:04o})", mode & 0o7777)
                });
                let what = "a secret is written in the configuration itself";
                self.warn(key, format!("{what}{}", open.unwrap_or_default()), remedy);
                (source.read(), None)
            }
            SecretSource::Exec(_) => (source.read(), None),
            SecretSource::File(path) => {
                if let Some((secret, open)) = self.read.get(path).cloned() {
                    self.openness(key, path, open);
                    return Some(secret);
                }
                let read = source.read();
                self.inputs.file(path, read.as_ref().ok().map(Secret::expose));
                if let Ok(secret) = &read {
                    let open = open_mode(path);
                    self.read.insert(path.clone(), (secret.clone(), open));
                    self.openness(key, path, open);
                }
                (read, None)
            }
            SecretSource::Env(name) => {
                let value = self.settings.env.get(OsStr::new(name));
                self.inputs.value(name, value.map(|value| value.as_encoded_bytes()));
                let read = match value {
                    None => Err(SecretError::Unset { name: name.clone() }),
                    Some(value) => {
                        SecretSource::Literal(Secret::new(value.clone().into_encoded_bytes())).read()
                    }
                };
                (read, Some(name))
            }
        };
        let error = match read {
            Ok(secret) => return Some(secret),
            Err(error) => error,
        };
        let (what, remedy) = match (&error, name) {
            (SecretError::Empty { .. }, Some(name)) => {
                (format!("the environment variable {name} is empty"), "Set it to the secret.".into())
            }
            (SecretError::Empty { .. }, None) => match source {
                SecretSource::Literal(_) => (
                    "the secret is empty".into(),
                    "Write { file = \"/run/secrets/…\" } or { env = \"NAME\" }.".into(),
                ),
                _ => (
                    error.to_string(),
                    "Write the secret into it, without anything else; if it is being written just now, wait."
                        .into(),
                ),
            },
            (SecretError::Unreadable { path, source }, _) if looks_like_a_secret(path) && !path.exists() => (
                format!("{}, and its name, not repeated here, looks like a secret", reason(source)),
                "Name a file that holds the secret, not the secret itself.".into(),
            ),
            (SecretError::Unreadable { path, source }, _) => {
                let directory = std::io::Error::from(std::io::ErrorKind::IsADirectory);
                let source = if path.is_dir() { &directory } else { source };
                let what = format!("cannot read the file {}: {}", path.display(), reason(source));
                (what, unreadable_remedy(source).into())
            }
            (SecretError::Exec, _) => {
                (error.to_string(), "Write { file = \"/run/secrets/…\" } or { env = \"NAME\" }.".into())
            }
            (SecretError::TooLarge { .. }, _) => {
                (error.to_string(), "Name the file that holds the secret alone.".into())
            }
            (SecretError::Unset { name }, _) => {
                (error.to_string(), format!("Set {name}, or write {{ file = \"…\" }}."))
            }
        };
        if self.may_be_absent(&error) {
            let absent = self.entry(key, what, remedy);
            self.remarks.absent.push(absent);
        } else {
            self.problem(key, what, remedy);
        }
        None
    }

    pub(super) fn may_be_absent(&self, error: &SecretError) -> bool {
        let is_absent = match error {
            SecretError::Unset { .. } => true,
            SecretError::Unreadable { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            _ => false,
        };
        is_absent && self.settings.references == References::MayBeAbsent
    }

    /// Warns of a secret that other users of the machine can read.
    fn openness(&mut self, key: &KeyPath, path: &Path, open: Option<u32>) {
        let Some(mode) = open else { return };
        let shown = path.display();
        let what = format!("every user of this machine may read {shown} (mode {:04o})", mode & 0o7777);
        let remedy = match stays_readable(path, mode) {
            true => format!("Run: chmod o= {shown}"),
            false => {
                let uid = rustix::process::geteuid();
                format!("Run as root: chown {uid} {shown} && chmod o= {shown}")
            }
        };
        self.warn(key, what, remedy);
    }
}

/// Whether this process may still read a file once others may not.
fn stays_readable(path: &Path, mode: u32) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(about) = std::fs::metadata(path) else { return true };
    let mut groups = vec![rustix::process::getegid()];
    groups.extend(rustix::process::getgroups().unwrap_or_default());
    let groups: Vec<_> = groups.into_iter().map(|group| group.as_raw()).collect();
    let user = rustix::process::geteuid().as_raw();
    is_beside_others((about.uid(), about.gid(), mode), user, &groups)
}

/// Whether a user with these groups reads a file by more than what all may do.
fn is_beside_others((owner, group, mode): (u32, u32, u32), user: u32, groups: &[u32]) -> bool {
    user == 0 || user == owner || (mode & 0o040 != 0 && groups.contains(&group))
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
    if !name.bytes().all(is_of_name) || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
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

/// What seems to stand around a secret, as in a file of variables.
fn around(secret: &[u8]) -> Option<(&'static str, &'static str)> {
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

/// The mode of a file that every user of the machine may read.
fn open_mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o007 != 0 && !is_mounted(path)).then_some(mode)
}

/// Whether the file comes from a mounted volume, where the mode says little: Kubernetes links it through
/// `..data`, Docker puts it under /run/secrets with mode 0444, each visible in the container alone.
fn is_mounted(path: &Path) -> bool {
    let through_data = |path: &Path| {
        path.components().any(|part| {
            let part = part.as_os_str();
            part != ".." && part.as_encoded_bytes().starts_with(b"..")
        })
    };
    path.starts_with("/run/secrets")
        || through_data(path)
        || path.read_link().is_ok_and(|target| through_data(&target))
        || path.canonicalize().is_ok_and(|target| through_data(&target))
}

/// Whether what should be a path is written like a secret: no directory, no ending, long, with letters and digits.
fn looks_like_a_secret(path: &Path) -> bool {
    let text = path.as_os_str().as_encoded_bytes();
    text.len() >= 20
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && text.iter().any(u8::is_ascii_digit)
        && text.iter().any(u8::is_ascii_alphabetic)
}

pub(super) fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".into(),
        std::io::ErrorKind::PermissionDenied => "this process may not read it".into(),
        std::io::ErrorKind::IsADirectory => "it is a directory".into(),
        _ => error.to_string(),
    }
}

pub(super) fn unreadable_remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => "Look at the path, and at what is mounted there.",
        std::io::ErrorKind::PermissionDenied => {
            "Give the user of this process read permission on the file and on the directories above it."
        }
        std::io::ErrorKind::IsADirectory => "Name the file in it that holds the value.",
        _ => "Look at the path, and at what is mounted there.",
    }
}

#[cfg(test)]
mod tests {
    use super::is_beside_others;

    #[test]
    fn who_reads_a_file_as_one_of_all_loses_it_with_them() {
        for (file, user, groups, keeps) in [
            ((1000, 1000, 0o644), 1000, &[1000][..], true),
            ((0, 0, 0o644), 65534, &[65534], false),
            ((0, 2000, 0o644), 65534, &[65534, 2000], true),
            ((0, 2000, 0o604), 65534, &[2000], false),
            ((1000, 1000, 0o644), 0, &[0], true),
        ] {
            assert_eq!(is_beside_others(file, user, groups), keeps, "{file:?} {user} {groups:?}");
        }
    }
}
