//! `posix-shm stat`: everything that the system knows about an object.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::time::SystemTime;

use clap::ArgMatches;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use posix_shm::{Metadata, Operation, Shm, ShmName};
use serde_json::Value;

use crate::exit::{Report, Stop};
use crate::json::{self, seconds};
use crate::messages::explained_of;
use crate::out::Out;
use crate::owners::Owners;
use crate::sizes::written;
use crate::table::{Cell, Side, Table};
use crate::text::shown;

/// What is known about an object.
struct Found {
    name: ShmName,
    metadata: Metadata,
    /// Whether a process is present. `None` if that cannot be asked.
    present: Option<bool>,
}

pub(crate) fn run(given: &ArgMatches, report: &mut Report) -> Result<(), Stop> {
    let (human, owners) = (given.get_flag("human"), Owners::new(given.get_flag("numeric")));
    let mut found = Vec::new();
    for name in given.get_many::<OsString>("names").into_iter().flatten() {
        match look_at(name) {
            Ok(object) => found.push(object),
            Err(error) => report.failed(explained_of(name, &error)),
        }
    }
    let mut out = Out::new();
    if given.get_flag("json") {
        let objects = found.iter().map(|Found { name, metadata, present }| {
            let mut object = json::object(name.as_os_str(), metadata, &owners);
            object.insert("present".into(), (*present).into());
            Value::Object(object)
        });
        out.json(&objects.collect())?;
        return out.end();
    }
    for (i, object) in found.iter().enumerate() {
        if i > 0 && out.is_terminal() {
            out.line("")?;
        }
        table(object, human, &owners).print(&mut out)?;
    }
    out.end()
}

/// FreeBSD's lines, and what we know beyond them.
fn table(Found { name, metadata, present }: &Found, human: bool, owners: &Owners) -> Table {
    let mut table = Table::without_heading([Side::Left, Side::Left]);
    let mut row = |what: &str, is: String| table.row([Cell::from(what), Cell::from(is)]);
    row("path", shown(name));
    row("inode", metadata.inode().to_string());
    row("mode", format!("{:04o}", metadata.permissions().mode()));
    row("nlink", metadata.links().to_string());
    let [user, group] = if owners.are_numbers() { ["uid", "gid"] } else { ["owner", "group"] };
    row(user, owners.user(metadata.uid()));
    row(group, owners.group(metadata.gid()));
    row("size", written(metadata.len(), human));
    let time = |time| if human { date(time) } else { seconds(time) };
    row("atime", time(metadata.accessed()));
    row("mtime", time(metadata.modified()));
    row("ctime", time(metadata.changed()));
    if let Some(pages) = metadata.allocated().checked_div(metadata.block_size()) {
        row("pages", pages.to_string());
    }
    row("memory", written(metadata.allocated(), human));
    row(
        "present",
        match present {
            Some(true) => "yes".into(),
            Some(false) => "no".into(),
            None => "unknown".into(),
        },
    );
    table
}

/// A time where this user is: `2026-11-29 10:20:06 +00:00`.
fn date(time: SystemTime) -> String {
    match Timestamp::try_from(time) {
        Ok(time) => time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string(),
        // Outside of the years -9999 to 9999.
        Err(_) => seconds(time),
    }
}

fn look_at(given: &OsStr) -> posix_shm::Result<Found> {
    let name = ShmName::new(given)?;
    match Shm::open(&name) {
        Ok(object) => {
            let present = object.is_unused().ok().map(|unused| !unused);
            Ok(Found { metadata: object.metadata()?, name, present })
        }
        // Whoever may not open it may still look at it, if the system lists objects.
        Err(error)
            if error.operation() == Operation::Open
                && error.kind() == ErrorKind::PermissionDenied =>
        {
            let listed = posix_shm::list().map_err(|_| ()).into_iter().flatten().flatten();
            let entry = listed.into_iter().find(|entry| entry.name() == &name).ok_or(error)?;
            Ok(Found { metadata: *entry.metadata(), name, present: None })
        }
        Err(error) => Err(error),
    }
}
