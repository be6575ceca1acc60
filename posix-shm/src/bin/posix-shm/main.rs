//! `posix-shm`: looks at shared memory objects from a shell, and works on them.
//!
//! The tool is a user of the library like any other. What it needs beyond the library it reads from
//! `/proc`, if there is one: `procfs.rs`. So no file here asks which system it is compiled for.

#![forbid(unsafe_code)]

mod change;
mod cli;
mod content;
mod df;
mod endings;
mod exit;
mod hex;
mod json;
mod ls;
mod messages;
mod modes;
mod orphans;
mod out;
mod owners;
mod pages;
mod proc_text;
mod procfs;
mod progress;
mod room;
mod screen;
mod sizes;
mod stat;
mod table;
mod text;
mod top;
mod users;

use std::process::ExitCode;

use crate::exit::Report;

fn main() -> ExitCode {
    let matches = match cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // Help, the version, or what is wrong with the command line. If nobody reads it, the
            // exit code still tells.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::USAGE));
        }
    };
    let mut report = Report::new();
    let result = match matches.subcommand() {
        Some(("ls", given)) => ls::run(given, &mut report),
        Some(("stat", given)) => stat::run(given, &mut report),
        Some(("create", given)) => change::create(given, &mut report),
        Some(("rm", given)) => change::remove(given, &mut report),
        Some(("truncate", given)) => change::truncate(given, &mut report),
        Some(("chmod", given)) => change::chmod(given, &mut report),
        Some(("dump", given)) => content::dump(given, &mut report),
        Some(("load", given)) => content::load(given, &mut report),
        Some(("df", given)) => df::run(given, &mut report),
        Some(("top", given)) => top::run(given, &mut report),
        Some(("orphans", given)) => orphans::run(given, &mut report),
        Some(("completions", given)) => pages::completions(given),
        Some(("man", given)) => pages::man(given),
        _ => unreachable!("clap accepts no other command"),
    };
    report.end(result)
}
