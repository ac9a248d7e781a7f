//! A script that the server runs in one step: asked for by its digest, and sent whole where the server does not have it yet, which is
//! once for each server.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use redis::{Cmd, FromRedisValue};

use super::{Redis, RedisError};

/// A script in Lua.
#[derive(Debug)]
pub struct Script {
    text: &'static str,
    /// By which the server knows it: SHA-1, in hexadecimal digits.
    name: String,
}

impl Script {
    /// The script of this text.
    pub fn new(text: &'static str) -> Self {
        let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        let mut name = String::with_capacity(40);
        for byte in digest.as_ref() {
            // To a string there is always room.
            let _ = write!(name, "{byte:02x}");
        }
        Self { text, name }
    }

    fn command(&self, how: &str, what: &str, keys: &[&str], arguments: &[impl AsRef<[u8]>]) -> Cmd {
        let mut command = redis::cmd(how);
        command.arg(what).arg(keys.len()).arg(keys);
        arguments.iter().for_each(|argument| _ = command.arg(argument.as_ref()));
        command
    }
}

impl Redis {
    /// Has a script run on these keys. It is sent a second time only where the server says that it did not run.
    ///
    /// # Errors
    /// As of [`Redis::ask`].
    pub async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[&str],
        arguments: &[impl AsRef<[u8]>],
    ) -> Result<T, RedisError> {
        match self.ask(&script.command("EVALSHA", &script.name, keys, arguments)).await {
            Err(RedisError::NoScript) => {
                self.ask(&script.command("EVAL", script.text, keys, arguments)).await
            }
            answer => answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_known_by_the_digest_that_the_server_makes_of_it() {
        assert_eq!(Script::new("return 1").name, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
    }
}
