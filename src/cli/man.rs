//! `claviger man`: manual pages, one for the program and one for each command.

use std::process::ExitCode;

use clap_mangen::Man;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The command, such as `policy matrix`; left out: the program as a whole.
    command: Vec<String>,
}

pub(super) fn run(args: &Args, program: clap::Command) -> ExitCode {
    let mut command = program.disable_help_subcommand(true);
    command.build();
    let mut name = String::from("claviger");
    for word in &args.command {
        let Some(below) = command.find_subcommand(word) else {
            let there: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
            return super::fail(&format!("{name} has no command {word:?}; there are: {}", there.join(", ")));
        };
        command = below.clone();
        name = format!("{name}-{word}");
    }
    let mut page = Vec::new();
    // clap takes names that live as long as the program, which ends here.
    let page_name = command.name(&*name.leak()).version(env!("CARGO_PKG_VERSION"));
    match Man::new(page_name).manual("Claviger").render(&mut page) {
        Ok(()) => super::print(&String::from_utf8_lossy(&page)),
        Err(error) => super::fail(&error.to_string()),
    }
}
