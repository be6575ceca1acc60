//! `posix-shm ls`: all objects that have a name.

use clap::ArgMatches;
use posix_shm::Entry;
use serde_json::Value;

use crate::exit::{Report, Stop};
use crate::json;
use crate::messages::explained;
use crate::modes::letters;
use crate::out::Out;
use crate::owners::Owners;
use crate::sizes::written;
use crate::table::{Side, Table};
use crate::text::shown;

pub(crate) fn run(given: &ArgMatches, report: &mut Report) -> Result<(), Stop> {
    let (human, owners) = (given.get_flag("human"), Owners::new(given.get_flag("numeric")));
    let entries = entries(report)?;
    let mut out = Out::new();
    if given.get_flag("json") {
        let objects = entries.iter().map(|entry| {
            Value::Object(json::object(entry.name().as_os_str(), entry.metadata(), &owners))
        });
        out.json(&objects.collect())?;
        return out.end();
    }
    let mut table = Table::new([
        ("MODE", Side::Left),
        ("OWNER", Side::Left),
        ("GROUP", Side::Left),
        ("SIZE", Side::Right),
        ("PATH", Side::Left),
    ]);
    for entry in &entries {
        let metadata = entry.metadata();
        table.row([
            letters(metadata.permissions()).into(),
            owners.user(metadata.uid()).into(),
            owners.group(metadata.gid()).into(),
            written(metadata.len(), human).into(),
            shown(entry.name()).into(),
        ]);
    }
    table.print(&mut out)?;
    out.end()
}

/// All objects, by their names. What the system does not tell is reported.
pub(crate) fn entries(report: &mut Report) -> Result<Vec<Entry>, Stop> {
    let mut entries = Vec::new();
    for entry in posix_shm::list().map_err(|error| explained(&error))? {
        match entry {
            Ok(entry) => entries.push(entry),
            Err(error) => report.failed(explained(&error)),
        }
    }
    entries.sort_by(|a, b| a.name().cmp(b.name()));
    Ok(entries)
}
