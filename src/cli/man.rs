//! `claviger man`: manual pages, one for the program and one for each command, with the sections that readers of manual pages
//! look for. What a page says is the command's help: a heading in it is a section here.

use std::{io, process::ExitCode};

use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

/// What is true of each command that does not say otherwise.
const EXIT_STATUS: &str = "\
Exit codes:
  0   fine
  1   the answer is no, or it could not be done
  2   wrong usage
  64  invalid configuration";

/// Of each command that reads a configuration.
const SOURCES: &str = "\
Environment:
  LOGTO_ENDPOINT, LOGTO_M2M_APP_ID, LOGTO_M2M_APP_SECRET, LOGTO_M2M_APP_SECRET_FILE, CLAVIGER_ALLOW
      One tenant and one local caller, without a file.
  CLAVIGER_CONFIG
      The file of the configuration, where no --config names one.
  CLAVIGER_…
      Any key of the configuration: CLAVIGER_LISTEN__ADMIN is listen.admin.

Files:
  ./claviger.toml, /etc/claviger/claviger.toml
      The configuration where neither --config nor CLAVIGER_CONFIG names one: the first of these that is there.";

/// The order of sections behind those that every page has.
const ORDER: [&str; 5] = ["SIGNALS", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"];

#[derive(clap::Args)]
pub(super) struct Args {
    /// The command, such as `policy matrix`; left out: the program as a whole.
    command: Vec<String>,
}

pub(super) fn run(args: &Args, program: clap::Command) -> ExitCode {
    let mut command = program.disable_help_subcommand(true);
    command.build();
    let mut words = vec!["claviger"];
    for word in &args.command {
        let Some(below) = command.find_subcommand(word) else {
            let there: Vec<_> = shown(&command).map(clap::Command::get_name).collect();
            let name = words.join(" ");
            return super::usage(&format!("{name} has no command {word:?}; there are: {}", there.join(", ")));
        };
        command = below.clone();
        words.push(word);
    }
    let mut page = Vec::new();
    match render(&command, &words, &mut page) {
        Ok(()) => super::print(&String::from_utf8_lossy(&page)),
        Err(error) => super::fail(&error.to_string()),
    }
}

fn shown(command: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    command.get_subcommands().filter(|below| !below.is_hide_set())
}

fn render(command: &clap::Command, words: &[&str], page: &mut Vec<u8>) -> io::Result<()> {
    let name = words.join("-");
    let man = Man::new(visible(command, words)).title(name.to_uppercase()).manual("Claviger");
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let (remarks, mut sections) = sections(&help);
    let mut roff = Roff::new();
    for remark in remarks {
        roff.control("PP", []).text([roman(remark)]);
    }
    commands(command, &name, &mut roff);
    roff.to_writer(page)?;
    if command.get_arguments().any(|it| !it.is_hide_set()) {
        man.render_options_section(page)?;
    }
    let reads_configuration = command.get_arguments().any(|it| it.get_id() == "paths");
    let sources = if reads_configuration || words.len() == 1 { SOURCES } else { "" };
    for section in [EXIT_STATUS, sources].into_iter().flat_map(|text| self::sections(text).1) {
        if sections.iter().all(|known| known.0 != section.0) {
            sections.push(section);
        }
    }
    sections.sort_by_key(|(title, _)| ORDER.iter().position(|known| known == title).map_or(0, |at| at + 1));
    let mut roff = Roff::new();
    for (title, lines) in sections {
        // As it is written: columns and commands.
        roff.control("SH", [title.as_str()]).control("nf", []);
        for line in lines {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    see_also(command, words, &mut roff);
    roff.to_writer(page)
}

/// The command with what a page shows, and nothing that is hidden.
fn visible(command: &clap::Command, words: &[&str]) -> clap::Command {
    // clap takes names that live as long as the program, which ends here.
    let (page_name, typed): (&'static str, &'static str) = (words.join("-").leak(), words.join(" ").leak());
    let mut page = clap::Command::new(page_name)
        .bin_name(typed)
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .subcommand_value_name("COMMAND")
        .subcommand_required(command.is_subcommand_required_set())
        .args(command.get_arguments().filter(|it| !it.is_hide_set()).cloned())
        .subcommands(shown(command).cloned());
    if let Some(about) = command.get_about() {
        page = page.about(about.clone());
    }
    if let Some(about) = command.get_long_about() {
        page = page.long_about(about.clone());
    }
    page
}

fn commands(command: &clap::Command, name: &str, roff: &mut Roff) {
    if shown(command).next().is_none() {
        return;
    }
    roff.control("SH", ["COMMANDS"]);
    for below in shown(command) {
        let about = below.get_about().map(ToString::to_string).unwrap_or_default();
        roff.control("TP", []).text([bold(format!("{name}-{}", below.get_name())), roman("(1)")]);
        roff.text([roman(about)]);
    }
}

/// The command above, and those below.
fn see_also(command: &clap::Command, words: &[&str], roff: &mut Roff) {
    let name = words.join("-");
    let above = words.split_last().map(|(_, above)| above.join("-")).filter(|above| !above.is_empty());
    let below = shown(command).map(|below| format!("{name}-{}", below.get_name()));
    let pages: Vec<_> = above.into_iter().chain(below).map(|page| format!("{page}(1)")).collect();
    let reference = "The reference of keys, error codes and metrics is in docs/reference/ of the source.";
    roff.control("SH", ["SEE ALSO"]).text([roman(pages.join(", "))]);
    roff.control("PP", []).text([roman(reference)]);
}

/// What a help says after its options: paragraphs without a heading, and sections. A heading begins at the edge and ends with
/// a colon, what is below it is indented.
fn sections(help: &str) -> (Vec<String>, Vec<(String, Vec<String>)>) {
    let (mut remarks, mut sections) = (Vec::<String>::new(), Vec::<(String, Vec<String>)>::new());
    let (mut in_section, mut goes_on) = (false, false);
    for line in help.lines() {
        match (line.strip_prefix("  "), line.strip_suffix(':')) {
            (Some(indented), _) if in_section => {
                if let Some((_, lines)) = sections.last_mut() {
                    lines.push(indented.to_owned());
                }
            }
            (None, Some(heading)) => {
                in_section = true;
                sections.push((title(heading), Vec::new()));
            }
            _ if line.is_empty() => {
                if let Some((_, lines)) = sections.last_mut().filter(|_| in_section) {
                    lines.push(String::new());
                }
            }
            _ => {
                match remarks.last_mut().filter(|_| goes_on) {
                    Some(remark) => *remark = format!("{remark} {line}"),
                    None => remarks.push(line.to_owned()),
                }
                in_section = false;
            }
        }
        goes_on = !in_section && !line.is_empty();
    }
    for (_, lines) in &mut sections {
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
    }
    (remarks, sections)
}

fn title(heading: &str) -> String {
    match heading {
        "Exit codes" => "EXIT STATUS".to_owned(),
        other => other.to_uppercase(),
    }
}
