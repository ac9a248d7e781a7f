//! What is valid for its key and yet not what was meant: secrets with something around them, a filter for modules that there are not.

use super::*;

const SECRET: &str = "client_secret = { env = \"S\" }";

fn said(name: &str, text: &str) -> Vec<String> {
    Bench::new().with(name, text).env("S", "secret").problems()
}

/// As in files of Docker Compose and of shells.
#[test]
fn a_variable_in_the_place_of_a_secret_is_told_that_none_is_expanded() {
    let what = "tenants.acme.client_secret: this is the name of a variable, and variables are not expanded.";
    for (written, name) in [
        ("${LOGTO_SECRET}", "LOGTO_SECRET"),
        ("$LOGTO_SECRET", "LOGTO_SECRET"),
        ("${logto_secret:-none}", "logto_secret"),
    ] {
        let text = GOOD.replacen(SECRET, &format!("client_secret = \"{written}\""), 1);
        assert_eq!(said("c.toml", &text), [format!("c.toml:4: {what} Write {{ env = \"{name}\" }}.")]);
    }
    let variable = Bench::new().with("c.toml", GOOD).env("S", "${OTHER}").problems();
    assert_eq!(variable, [format!("c.toml:4: {what} Set S to the secret itself.")]);
    let bench = Bench::new().with("c.toml", GOOD.replacen("{ env = \"S\" }", "{ file = \"s\" }", 1));
    bench.write("s", "${OTHER}\n");
    assert_eq!(bench.problems(), [format!("c.toml:4: {what} Write the secret itself into the file.")]);
    // What may well be a secret.
    for secret in ["$ecret0123456789", "$", "${", "${}", "a${B}", "${A.B}", "$9"] {
        assert_eq!(Bench::new().with("c.toml", GOOD).env("S", secret).warnings(), [""; 0], "{secret}");
    }
}

#[test]
fn quotes_and_a_name_around_a_secret_are_a_warning() {
    let quotes = "the secret stands in quotes. Are they part of it? Write it without anything else.";
    let name = "the secret begins as the line NAME=… of a file of variables. Is the name part of it? Write the secret without it.";
    for (secret, says) in [
        ("\"0123456789abcdef\"", Some(quotes)),
        ("'0123456789abcdef'", Some(quotes)),
        ("LOGTO_M2M_APP_SECRET=0123456789abcdef", Some(name)),
        ("export APP_SECRET=0123", Some(name)),
        ("QUJD_QUJD==", None),
        ("ab=cd", None),
        ("ABC=DEF", None),
        ("=", None),
        ("\"", None),
    ] {
        let want = says.map(|says| format!("c.toml:4: tenants.acme.client_secret: {says}"));
        let said = Bench::new().with("c.toml", GOOD).env("S", secret).warnings();
        assert_eq!(said, Vec::from_iter(want), "{secret}");
    }
}

#[test]
fn a_module_of_a_log_filter_that_there_is_not_is_a_warning() {
    let warnings = |level: &str| {
        let log = format!("[log]\nlevel = \"{level}\"\n");
        Bench::new().with("c.toml", GOOD).with("log.toml", log).env("S", "secret").warnings()
    };
    let at = "log.toml:2: log.level:";
    assert_eq!(
        warnings("info,claviger::tokn=debug"),
        [format!(
            "{at} \"claviger::tokn\" has no effect: Claviger has no such module. Did you mean claviger::token?"
        )]
    );
    let none = warnings("claviger::nonsense=trace");
    assert!(none.len() == 1 && none[0].contains("There are: activity, admin, app"), "{none:?}");
    for level in [
        "info,claviger::token=debug",
        "claviger=debug,h2=warn",
        "claviger::request=off,info",
        "claviger::token::slot=trace",
    ] {
        assert_eq!(warnings(level), [""; 0], "{level}");
    }
}
