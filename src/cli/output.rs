//! What commands print in common, and the exit codes that go with it.

use std::{
    fmt,
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    process::ExitCode,
};

use crate::{
    catalog::nearest,
    config::Problems,
    secret::{may_be_secret, mistaken},
};

pub(super) const NO: u8 = 1;
/// Wrong usage; of a question: it cannot be answered, neither yes nor no.
const USAGE: u8 = 2;
pub(super) const INVALID_CONFIGURATION: u8 = 64;

/// As `println!`, which panics where its reader has seen enough (`| head`).
macro_rules! say {
    ($($part:tt)*) => { $crate::cli::output::line(&mut std::io::stdout().lock(), format_args!($($part)*)) };
}

/// As `eprintln!`, likewise.
macro_rules! tell {
    ($($part:tt)*) => { $crate::cli::output::line(&mut std::io::stderr().lock(), format_args!($($part)*)) };
}

pub(super) fn line(to: &mut dyn io::Write, text: fmt::Arguments<'_>) {
    let _: io::Result<()> = writeln!(to, "{text}");
}

/// Prints all of it; a reader that has seen enough (`| head`) is no failure, a disk without room is.
pub(super) fn print(text: &str) -> ExitCode {
    let mut to = io::stdout().lock();
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail(&format!(
            "standard output cannot be written, and what was written of it is not whole: {error}"
        )),
        _ => ExitCode::SUCCESS,
    }
}

/// For a terminal, which does what the control characters of a foreign text say.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}

/// With the full stop that it lacks, for another sentence to follow.
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['.', '?', '!']) { text.to_owned() } else { format!("{text}.") }
}

pub(super) fn fail(why: &str) -> ExitCode {
    tell!("claviger: {}", plain(why));
    ExitCode::from(NO)
}

/// It was asked wrongly, or there is nobody to ask.
pub(super) fn usage(why: &str) -> ExitCode {
    tell!("claviger: {}", plain(why));
    ExitCode::from(USAGE)
}

/// Prints every problem, then how many there were.
pub(super) fn report(problems: &Problems) -> ExitCode {
    report_with("", problems)
}

/// The same, where more is looked at once they are mended.
pub(super) fn report_first(problems: &Problems) -> ExitCode {
    report_with("claviger: more errors and warnings may show when these are mended\n", problems)
}

fn report_with(more: &str, problems: &Problems) -> ExitCode {
    for warning in &problems.warnings {
        tell!("warning: {warning}");
    }
    for problem in &problems.problems {
        tell!("error: {problem}");
    }
    tell!("{more}claviger: the configuration is invalid: {}", count(problems.problems.len(), "problem"));
    ExitCode::from(INVALID_CONFIGURATION)
}

/// Why a file that somebody named cannot be opened or read.
pub(super) fn unopened(option: &str, path: &Path, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound && may_be_secret(&path.to_string_lossy()) {
        let option = Some(option.trim()).filter(|option| !option.is_empty());
        return mistaken(option.unwrap_or("the argument"), "a file");
    }
    format!("{option}{}: {}", path.display(), why_unopened(path, error))
}

/// The same without its name.
fn why_unopened(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => {
            let directory = path.parent().filter(|it| !it.as_os_str().is_empty() && !it.exists());
            let what = match directory {
                Some(directory) => format!("there is no directory {}", directory.display()),
                None => "there is no such file".to_owned(),
            };
            format!("{what}: look at the path")
        }
        _ => error.to_string(),
    }
}

/// What to say where `name` is none of these, which may be a secret that was given in the place of a name.
pub(super) fn no_such(what: &str, name: &str, names: &[&str]) -> String {
    let named = if may_be_secret(name) { "of that name".to_owned() } else { format!("{name:?}") };
    match nearest(&name.to_ascii_lowercase(), names.iter().copied()) {
        Some(near) => format!("there is no {what} {named}. Did you mean {near}?"),
        None => format!("there is no {what} {named}; there are: {}", names.join(", ")),
    }
}

/// Writes a secret to a file that was not there, for this user alone. The error says what to do.
pub(super) fn keep(path: &Path, secret: &str) -> Result<(), String> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| {
        let written = file.write_all(secret.as_bytes()).and_then(|()| file.sync_all());
        if written.is_err() {
            // Half a secret is none; the first error is the one to tell.
            let _: io::Result<()> = std::fs::remove_file(path);
        }
        written
    });
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => "it is there already and stays as it is. Name another file.".into(),
        io::ErrorKind::NotFound => "its directory does not exist. Create it first.".into(),
        io::ErrorKind::StorageFull => "the disk is full. Make room, or name another place.".into(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only. Name another place.".into(),
        io::ErrorKind::PermissionDenied => "this user may not write there. Name another place.".into(),
        _ => error.to_string(),
    })
}

pub(super) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::{no_such, sentence};

    #[test]
    fn a_name_that_is_none_is_not_repeated_where_it_may_be_a_secret() {
        let said = |name| no_such("caller", name, &["billing", "shop"]);
        assert_eq!(said("Biling"), "there is no caller \"Biling\". Did you mean billing?");
        assert_eq!(said("x"), "there is no caller \"x\"; there are: billing, shop");
        let key = "cvk_Xq3vL9pTz7Rk2Wm8Yc4Nb6Jd1Hf5Gs0A";
        assert_eq!(said(key), "there is no caller of that name; there are: billing, shop");
    }

    #[test]
    fn a_sentence_has_one_end() {
        for (text, want) in [("gone", "gone."), ("gone.", "gone."), ("is it?", "is it?"), ("", ".")] {
            assert_eq!(sentence(text), want);
        }
    }
}
