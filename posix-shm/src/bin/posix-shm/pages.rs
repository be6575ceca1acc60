//! `posix-shm completions` and `man`: what packages install beside the tool.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::{ArgMatches, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::command;
use crate::exit::Stop;

pub(crate) fn completions(given: &ArgMatches) -> Result<(), Stop> {
    let Some(&shell) = given.get_one::<Shell>("shell") else { unreachable!("clap requires it") };
    let mut command = command();
    let name = command.get_name().to_owned();
    // Made in memory: the generator panics if it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    print(&script)
}

pub(crate) fn man(given: &ArgMatches) -> Result<(), Stop> {
    // `help` has no page: every page is the help of its command.
    let mut whole = command().disable_help_subcommand(true);
    whole.build();
    if let Some(directory) = given.get_one::<OsString>("dir") {
        return all_into(Path::new(directory), whole)
            .map_err(|error| Stop::Because(format!("write pages to {directory:?}: {error}")));
    }
    let chosen = match given.get_one::<String>("command") {
        Some(name) => whole.find_subcommand(name).cloned().ok_or_else(|| {
            Stop::Because(format!("no command is called {name:?}; posix-shm --help shows them"))
        })?,
        None => whole,
    };
    print(page(chosen).map_err(|error| Stop::writing(&error))?.as_bytes())
}

fn all_into(directory: &Path, whole: Command) -> io::Result<()> {
    let commands: Vec<_> = whole.get_subcommands().cloned().collect();
    for command in commands.into_iter().chain([whole]) {
        let file = Man::new(command.clone()).get_filename();
        fs::write(directory.join(file), page(command)?)?;
    }
    Ok(())
}

fn page(command: Command) -> io::Result<String> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    // What we print below the options are the exit codes.
    Ok(String::from_utf8_lossy(&page).replace("\n.SH EXTRA\n", "\n.SH \"EXIT STATUS\"\n"))
}

fn print(bytes: &[u8]) -> Result<(), Stop> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| Stop::writing(&error))
}
