//! What a build without the feature `emulator`, such as the image, says to `claviger demo` and `claviger emulate`:
//! that it has neither, and where they are to be found. Every other mistake keeps clap's words.

use clap::error::{ContextKind, ContextValue, ErrorKind};

const COMMANDS: [&str; 2] = ["demo", "emulate"];

pub(super) fn explained(error: clap::Error, command: &mut clap::Command) -> clap::Error {
    let Some(ContextValue::String(asked)) = error.get(ContextKind::InvalidSubcommand) else { return error };
    if !COMMANDS.contains(&asked.as_str()) {
        return error;
    }
    let message = format!(
        "this build has no emulator, so it has no `claviger {asked}`. To get both, build Claviger from its source with the \
         feature `emulator`, which is on by default: cargo install --locked --path ."
    );
    command.error(ErrorKind::InvalidSubcommand, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(asked: &str) -> String {
        let mut command = clap::Command::new("claviger").subcommand(clap::Command::new("serve"));
        let error =
            command.try_get_matches_from_mut(["claviger", asked]).expect_err("there is no such command");
        explained(error, &mut command).to_string()
    }

    #[test]
    fn it_says_why_there_is_no_demo_and_nothing_of_other_mistakes() {
        for command in COMMANDS {
            assert!(said(command).contains("this build has no emulator"), "{command}: {}", said(command));
        }
        assert!(said("servve").contains("unrecognized subcommand"), "{}", said("servve"));
    }
}
