//! `client_secret`: one or two, each held already or printed by a command. A command is looked for, and not run.

use std::{ffi::OsStr, os::unix::fs::PermissionsExt as _, path::Path};

use super::{
    checker::{Checker, is_visible},
    secrets::around,
};
use crate::{
    config::{
        leaf::{ClientSecretIds, SecretId},
        path::KeyPath,
        problem::quoted,
        tenant::{SWAPPED, look_swapped},
    },
    secret::{ClientSecret, Command, SecretSource, may_be_secret, mistaken},
};

impl Checker<'_> {
    pub(super) fn client_secrets(&mut self, at: &KeyPath, ids: Option<ClientSecretIds>) -> Vec<ClientSecret> {
        let key = at.key("client_secret");
        let ids = ids.map_or_else(Vec::new, |ClientSecretIds(ids)| ids);
        if ids.is_empty() {
            let remedy = "Write client_secret = { file = \"/run/secrets/…\" } or { env = \"NAME\" }.";
            self.missing(&key, "the tenant has no client_secret", remedy);
        }
        let secrets = self.up_to_two(&key, &ids, Self::client_secret);
        secrets.into_iter().map(|(_, secret)| secret).collect()
    }

    /// Warns where each is as long as Logto makes the other.
    pub(super) fn not_swapped(&mut self, at: &KeyPath, id: &str, secrets: &[ClientSecret]) {
        let swaps = |it: &ClientSecret| it.held().is_some_and(|secret| look_swapped(id, secret));
        let is_the_same =
            |it: &ClientSecret| it.held().is_some_and(|secret| secret.expose() == id.as_bytes());
        if secrets.iter().any(is_the_same) {
            let remedy = "Copy the App secret of the application from the Logto Console.";
            self.problem(&at.key("client_secret"), "this is the client_id once more", remedy);
        }
        if secrets.iter().any(swaps) {
            let what = "the client_id is as long as a secret, and the secret as long as an id";
            self.warn(&at.key("client_id"), what, SWAPPED);
        }
    }

    /// A secret that a command may print.
    pub(super) fn client_secret(&mut self, key: &KeyPath, id: usize) -> Option<ClientSecret> {
        if let Some(SecretSource::Exec(command)) = self.secrets.at(id) {
            self.program(key, command);
            return Some(ClientSecret::Exec(command.clone()));
        }
        let secret = self.secret_at(key, &SecretId(id))?;
        let bytes = secret.expose();
        if !is_visible(bytes) {
            let what = "the secret holds line breaks, or characters other than visible ASCII";
            let remedy = match key.steps()[..] {
                [.., "key" | "token_key"] => "Make a key on one line with: openssl rand -hex 32",
                _ => "Copy the App secret alone, without anything around it.",
            };
            self.problem(key, what, remedy);
        } else if is_jwt(bytes) && key.steps().contains(&"client_secret") {
            let remedy = "Copy the App secret of the application; Claviger asks for tokens itself.";
            self.problem(key, "this is a token (a JWT), and no secret", remedy);
        } else if bytes.first() == Some(&b' ') || bytes.last() == Some(&b' ') {
            self.warn(key, "the secret begins or ends with a space", "Is the space part of it?");
        } else if bytes.contains(&b' ') && around(bytes).is_none() {
            let what = "the secret has a space in it, and no secret that Logto makes has one";
            self.warn(key, what, "Copy the App secret alone, without words in front of it or behind it.");
        }
        Some(ClientSecret::Held(secret))
    }

    /// Warns of a program that is not there: it may be there by the time a token is asked for.
    pub(super) fn program(&mut self, key: &KeyPath, command: &Command) {
        let program = Path::new(&command.program);
        let path = self.settings.env.get(OsStr::new("PATH"));
        let in_path =
            || path.into_iter().flat_map(std::env::split_paths).map(|directory| directory.join(program));
        let is_path = command.program.contains('/');
        let found = if is_path { is_executable(program) } else { in_path().any(|file| is_executable(&file)) };
        if found {
            return;
        }
        let written = self.as_written(key, program);
        if may_be_secret(written.split_whitespace().next().unwrap_or_default()) {
            let remedy = "Write the command that prints it: exec = [\"program\", \"argument\", …].";
            self.problem(key, mistaken("exec", "a program"), remedy);
        } else if let Some((word, _)) = command.program.split_once(char::is_whitespace) {
            // What follows is an argument, and may be a password.
            let what = "the exec begins with a text that has a space in it, and no program here is called so";
            let remedy = format!(
                "Write the program and each of its arguments as a text of its own: exec = [{}, \"…\"].",
                quoted(word)
            );
            self.warn(key, what, remedy);
        } else {
            let what = format!("there is no program {} here that can be executed", command.program);
            self.warn(key, what, "Install it where claviger serve runs, or write the path of it.");
        }
    }
}

/// Whether a text is a token: the first part of one is a JSON object.
pub(super) fn is_jwt(text: &[u8]) -> bool {
    text.starts_with(b"eyJ") && text.iter().filter(|byte| **byte == b'.').count() == 2
}

fn is_executable(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
