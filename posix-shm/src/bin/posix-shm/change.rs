//! `posix-shm create`, `rm`, `truncate` and `chmod`.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;

use clap::ArgMatches;
use posix_shm::{Direction, IfDoesNotExist, IfExists, OpenOptions, Permissions, Shm};

use crate::exit::{Report, Stop};
use crate::messages::explained_of;
use crate::modes::Mode;
use crate::text::shown_name;

/// Does something to each object that is named on the command line.
fn each(
    given: &ArgMatches,
    report: &mut Report,
    mut act: impl FnMut(&OsStr, &mut Report) -> posix_shm::Result<()>,
) {
    for name in given.get_many::<OsString>("names").into_iter().flatten() {
        if let Err(error) = act(name, report) {
            report.failed(explained_of(name, &error));
        }
    }
}

/// The options that make a new object as the command line says.
pub(crate) fn creating(given: &ArgMatches) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).if_does_not_exist(IfDoesNotExist::Create);
    options.if_exists(match given.get_one::<String>("if-exists").map(String::as_str) {
        Some("replace") => IfExists::Supersede,
        Some("keep") => IfExists::Overwrite,
        _ => IfExists::Error,
    });
    if let Some(mode) = given.get_one::<Permissions>("mode") {
        // Whoever types a mode means it, whatever the umask says.
        options.permissions(*mode).ignore_umask(true);
    }
    options
}

pub(crate) fn create(given: &ArgMatches, report: &mut Report) -> Result<(), Stop> {
    let mut options = creating(given);
    if let Some(&size) = given.get_one::<u64>("size") {
        options.size(size).sparse(given.get_flag("sparse"));
    }
    each(given, report, |name, _| options.open(name).map(drop));
    Ok(())
}

pub(crate) fn remove(given: &ArgMatches, report: &mut Report) -> Result<(), Stop> {
    let if_unused = given.get_flag("if-unused");
    each(given, report, |name, report| {
        let removed = if if_unused {
            Shm::open(name).and_then(|object| object.unlink_if_unused())
        } else {
            posix_shm::unlink(name).map(|()| true)
        };
        match removed {
            Ok(true) => {}
            Ok(false) => {
                let name = shown_name(name);
                report.left_alone(format!("left {name} alone: a process is present on it"));
            }
            Err(error) if given.get_flag("force") && error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(())
    });
    Ok(())
}

pub(crate) fn truncate(given: &ArgMatches, report: &mut Report) -> Result<(), Stop> {
    let Some(&size) = given.get_one::<u64>("size") else { unreachable!("clap requires it") };
    each(given, report, |name, _| {
        let object = Shm::open_io(name)?;
        if given.get_flag("sparse") { object.set_len_sparse(size) } else { object.set_len(size) }
    });
    Ok(())
}

pub(crate) fn chmod(given: &ArgMatches, report: &mut Report) -> Result<(), Stop> {
    let Some(mode) = given.get_one::<Mode>("mode") else { unreachable!("clap requires it") };
    each(given, report, |name, _| {
        let object = Shm::open(name)?;
        object.set_permissions(mode.applied_to(object.metadata()?.permissions()))
    });
    Ok(())
}
