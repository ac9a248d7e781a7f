//! Secrets: reads them from their files and variables, and says where one is missing, empty, or open to all.

use std::{ffi::OsStr, path::Path};

use super::{checker::Checker, placeholder::is_placeholder};
use crate::{
    config::{from_text::unexpanded, inputs::References, leaf::SecretId, path::KeyPath},
    secret::{Secret, SecretError, SecretSource, may_be_secret, names_variable},
};

mod instead;

use instead::{instead, like_a_reference};

pub(super) use instead::{Foreign, around};

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
            && let Some((what, remedy)) = instead(key, source, text.expose())
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
        if let Some((what, remedy)) = instead(key, source, secret.expose()) {
            self.problem(key, what, remedy);
            return None;
        }
        if let Some((what, remedy)) = around(secret.expose()) {
            self.warn(key, what, remedy);
        }
        if let Some((what, remedy)) = like_a_reference(source, secret.expose()) {
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
        if self.is_no_path(key, &error) {
            return None;
        }
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
            (SecretError::Unreadable { path, source }, _) => {
                let directory = std::io::Error::from(std::io::ErrorKind::IsADirectory);
                let source = if path.is_dir() { &directory } else { source };
                let what = format!("cannot read the file {}: {}", path.display(), reason(source));
                let is_home = path.components().any(|part| {
                    let part = part.as_os_str().to_string_lossy();
                    part == "~" || unexpanded(&part).is_some()
                });
                let remedy = match source.kind() {
                    std::io::ErrorKind::NotFound if is_home => {
                        "~ is not expanded, nor is a variable: write the whole path."
                    }
                    _ => unreadable_remedy(source),
                };
                (what, remedy.into())
            }
            (SecretError::Exec, _) => {
                (error.to_string(), "Write { file = \"/run/secrets/…\" } or { env = \"NAME\" }.".into())
            }
            (SecretError::TooLarge { .. }, _) => {
                (error.to_string(), "Name the file that holds the secret alone.".into())
            }
            (SecretError::Unset { name }, _) if !names_variable(name) => (
                error.to_string(),
                "Write { file = \"…\" }, or { env = \"NAME\" } and set NAME to it.".into(),
            ),
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

    /// Reports a secret that stands in place of the path of its file.
    pub(super) fn is_no_path(&mut self, key: &KeyPath, error: &SecretError) -> bool {
        let SecretError::Unreadable { path, source } = error else { return false };
        let is_none = !path.exists() && may_be_secret(&self.as_written(key, path));
        if is_none {
            let what = format!("{}, and its name, not repeated here, looks like a secret", reason(source));
            self.problem(key, what, "Name a file that holds the secret, not the secret itself.");
        }
        is_none
    }

    /// A path without the directory that it became relative to.
    pub(super) fn as_written(&self, key: &KeyPath, path: &Path) -> String {
        let place = self.tree.place(key);
        let directory = place.as_ref().and_then(|place| Path::new(place.source()).parent());
        let written = directory.and_then(|directory| path.strip_prefix(directory).ok());
        written.unwrap_or(path).display().to_string()
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
