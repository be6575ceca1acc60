//! `posix-shm completions` and `man`: what packages install beside the tool.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::ArgMatches;
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
    if let Some(directory) = given.get_one::<OsString>("dir") {
        return clap_mangen::generate_to(whole, directory)
            .map_err(|error| Stop::Because(format!("write pages to {directory:?}: {error}")));
    }
    whole.build();
    let page = match given.get_one::<String>("command") {
        Some(name) => whole.find_subcommand(name).cloned().ok_or_else(|| {
            Stop::Because(format!("no command is called {name:?}; posix-shm --help shows them"))
        })?,
        None => whole,
    };
    let mut text = Vec::new();
    Man::new(page).render(&mut text).map_err(|error| Stop::writing(&error))?;
    print(&text)
}

fn print(bytes: &[u8]) -> Result<(), Stop> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| Stop::writing(&error))
}
