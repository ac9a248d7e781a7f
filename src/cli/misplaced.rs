//! Commands and options that other servers have, and what says the same here. Every other mistake keeps clap's words, but for what may be a
//! secret, and its advice to give an option as a file's name.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::secret::may_be_secret;

const ADDRESSES: [&str; 9] =
    ["--port", "-p", "--listen", "--bind", "--addr", "--address", "--host", "--http", "--proxy"];

pub(super) fn explained(mut error: clap::Error, command: Option<&str>) -> clap::Error {
    for what in [ContextKind::InvalidValue, ContextKind::InvalidArg, ContextKind::InvalidSubcommand] {
        // An option is shown with the name of its value: --address <ADDRESS>.
        let is_secret = |it: &str| !it.starts_with(['-', '<', '[']) && may_be_secret(it);
        if matches!(error.get(what), Some(ContextValue::String(given)) if is_secret(given)) {
            error.insert(what, ContextValue::String("…".to_owned()));
        }
    }
    if let Some(ContextValue::String(asked)) = error.get(ContextKind::InvalidSubcommand)
        && let Some(tip) = match command {
            Some("caller") => instead_of_below_caller(asked),
            first => instead_of(asked).filter(|_| first == Some(asked)),
        }
    {
        error.remove(ContextKind::SuggestedSubcommand);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
        return error;
    }
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return error };
    let option = option.split('=').next().unwrap_or_default().to_owned();
    // It names no option that there is: it is about a file that may stand there.
    if let Some(ContextValue::StyledStrs(tips)) = error.get(ContextKind::Suggested)
        && tips.iter().all(|tip| tip.to_string().contains("as a value"))
    {
        error.remove(ContextKind::Suggested);
    }
    let tip = match (command, &*option) {
        (Some("serve"), option) if ADDRESSES.contains(&option) => Some(
            "where it listens is listen.proxy = \"127.0.0.1:3600\" in the configuration, or the environment variable \
                   CLAVIGER_LISTEN__PROXY=127.0.0.1:3600",
        ),
        (Some("batch"), "--key") => Some(
            "--key-file FILE or --key-env VARIABLE: other users of this machine can see a key on the command line",
        ),
        _ => None,
    };
    if let Some(tip) = tip {
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// What does here what a command of this name does elsewhere.
fn instead_of(command: &str) -> Option<&'static str> {
    Some(match command {
        "run" | "start" | "server" | "up" | "proxy" => "to run the proxy: claviger serve",
        "validate" | "test" | "lint" | "verify" | "configtest" => {
            "to validate the configuration: claviger check"
        }
        "version" => "to print the version: claviger --version",
        "help" => "to print help: claviger --help, or claviger COMMAND --help",
        "reload" | "restart" => {
            "to have the configuration read again, send the running process the signal SIGHUP"
        }
        "stop" => "to end the running process, send it the signal SIGTERM",
        _ => return None,
    })
}

fn instead_of_below_caller(command: &str) -> Option<&'static str> {
    matches!(command, "create" | "add" | "new")
        .then_some("to make an API key for a caller: claviger caller key NAME")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    fn said(arguments: &[&str]) -> String {
        let all = [&["claviger"], arguments].concat();
        let error = Cli::command().try_get_matches_from(all).expect_err("there is no such option");
        explained(error, arguments.first().copied()).to_string()
    }

    #[test]
    fn commands_of_other_servers_are_told_their_names_here() {
        for (command, want) in [
            ("run", "claviger serve"),
            ("start", "claviger serve"),
            ("validate", "claviger check"),
            ("version", "claviger --version"),
            ("help", "claviger COMMAND --help"),
            ("reload", "SIGHUP"),
        ] {
            let said = said(&[command]);
            assert!(said.contains(want) && !said.contains("similar"), "{command}: {said}");
        }
        let below = said(&["tenant", "run"]);
        assert!(!below.contains("claviger serve"), "{below}");
        assert!(said(&["serv"]).contains("'serve'"), "{}", said(&["serv"]));
        for command in ["create", "add", "new"] {
            let said = said(&["caller", command, "billing"]);
            assert!(said.contains("claviger caller key NAME"), "{said}");
        }
        let key = said(&["batch", "users.ndjson", "--key", "cvk_x"]);
        assert!(
            key.contains("tip: --key-file FILE or --key-env VARIABLE: ") && !key.contains("similar"),
            "{key}"
        );
    }

    #[test]
    fn a_secret_in_the_place_of_something_else_is_not_repeated() {
        let key = "cvk_Xq3vL9pTz7Rk2Wm8Yc4Nb6Jd1Hf5Gs0A";
        for arguments in [
            &["status", "--tenant", key][..],
            &["status", "--address", key],
            &["healthcheck", "--probe", key],
            &["serve", key],
            &["token", key],
            &[key],
        ] {
            let said = said(arguments);
            assert!(!said.contains(key) && said.contains("'…'"), "{arguments:?}: {said}");
        }
        assert!(said(&["status", "--address", "x"]).contains("'x' for '--address <ADDRESS>'"));
    }

    #[test]
    fn where_serve_listens_is_said_to_whoever_looks_for_an_option() {
        for arguments in
            [&["serve", "--port", "3600"][..], &["serve", "--listen=0.0.0.0:3600"], &["serve", "-p", "3600"]]
        {
            let said = said(arguments);
            assert!(said.contains("CLAVIGER_LISTEN__PROXY=127.0.0.1:3600"), "{arguments:?}: {said}");
            assert!(!said.contains("as a value"), "{arguments:?}: {said}");
        }
        // A file may stand there, so clap advises to write the option as one.
        for arguments in
            [&["serve", "--workers", "2"][..], &["check", "--port", "3600"], &["check", "--verbose"]]
        {
            let said = said(arguments);
            assert!(
                !said.contains("as a value") && !said.contains("CLAVIGER_LISTEN"),
                "{arguments:?}: {said}"
            );
        }
        let slip = said(&["serve", "--ready-fil", "x"]);
        assert!(slip.contains("--ready-file"), "{slip}");
    }
}
