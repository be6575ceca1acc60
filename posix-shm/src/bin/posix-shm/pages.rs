//! `posix-shm completions` and `man`: what packages install beside the tool.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::command;
use crate::endings::{examples, exit_codes};
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
        Some(name) => match whole.find_subcommand(name) {
            Some(command) => command.clone(),
            None => unreachable!("clap accepts no other command"),
        },
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
    let has_subcommands = command.has_subcommands();
    let name = command.get_name().to_owned();
    let usage = usage(&command);
    let has_version = command.get_version().is_some();
    // The synopsis of clap_mangen leaves out what an option takes.
    let man = Man::new(command.override_usage(usage));
    let man = man.source(concat!("posix-shm ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_subcommands {
        man.render_subcommands_section(&mut page)?;
    }
    let mut rest = Roff::new();
    rest.control("SH", ["EXAMPLES"]);
    for (what, line) in examples(&name) {
        rest.control("PP", []).text([roman(format!("{what}:"))]);
        rest.control("RS", ["4"]).text([bold(*line)]).control("RE", []);
    }
    rest.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in exit_codes(&name) {
        rest.control("TP", []).text([bold(code.to_string())]).text([roman(*meaning)]);
    }
    rest.to_writer(&mut page)?;
    if has_version {
        man.render_version_section(&mut page)?;
    }
    // Each section begins with the same two lines. Once is enough.
    let page = String::from_utf8_lossy(&page);
    let end = page.match_indices('\n').nth(1).map_or(0, |(at, _)| at + 1);
    let (beginning, rest) = page.split_at(end);
    Ok(format!("{beginning}{}", rest.replace(beginning, "")))
}

/// The whole command line: each option with what it takes.
fn usage(command: &Command) -> String {
    let mut usage = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut add = |text: String, is_required: bool| {
        usage += &if is_required { format!(" {text}") } else { format!(" [{text}]") };
    };
    for option in command.get_arguments().filter(|it| !it.is_positional()) {
        let names = option.get_short().map(|short| format!("-{short}")).into_iter();
        let names = names.chain(option.get_long().map(|long| format!("--{long}")));
        let text = names.collect::<Vec<_>>().join("|") + &value(option, " ");
        add(text, option.is_required_set());
    }
    for argument in command.get_positionals() {
        add(value(argument, ""), argument.is_required_set());
    }
    if command.has_subcommands() {
        add("COMMAND".into(), true);
    }
    usage
}

/// What an argument takes. Empty if that is nothing.
fn value(argument: &Arg, before: &str) -> String {
    let names = argument.get_value_names().unwrap_or_default().join(" ");
    let is_many = argument.get_num_args().is_some_and(|n| n.max_values() > 1);
    match argument.get_action() {
        ArgAction::Set | ArgAction::Append if is_many => format!("{before}{names}..."),
        ArgAction::Set | ArgAction::Append => format!("{before}{names}"),
        _ => String::new(),
    }
}

fn print(bytes: &[u8]) -> Result<(), Stop> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| Stop::writing(&error))
}
