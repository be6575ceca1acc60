//! `posix-shm df`: how full the file system of the objects is, and with what.

use clap::ArgMatches;
use serde_json::json;

use crate::exit::{Report, Stop};
use crate::ls::entries;
use crate::out::Out;
use crate::room::Room;
use crate::sizes::written;
use crate::table::{Side, Table};

pub(crate) fn run(given: &ArgMatches, report: &mut Report) -> Result<(), Stop> {
    let entries = entries(report)?;
    let room = Room::now(&entries)?;
    let named: u64 = entries.iter().map(|entry| entry.metadata().allocated()).sum();
    let other = room.used.saturating_sub(named);
    let mut out = Out::new();
    let human = given.get_flag("human");
    if given.get_flag("json") {
        out.json(&json!({
            "path": room.path,
            "size": room.size,
            "used": room.used,
            "available": room.available,
            "percent": room.percent(),
            "objects": entries.len(),
            "named": named,
            "other": other,
        }))?;
        return out.end();
    }
    let mut table = Table::new([
        ("SIZE", Side::Right),
        ("USED", Side::Right),
        ("AVAIL", Side::Right),
        ("USE%", Side::Right),
        ("OBJECTS", Side::Right),
        ("NAMED", Side::Right),
        ("OTHER", Side::Right),
        ("PATH", Side::Left),
    ]);
    let known = |bytes: Option<u64>| bytes.map_or("-".into(), |bytes| written(bytes, human));
    table.row([
        known(room.size).into(),
        written(room.used, human).into(),
        known(room.available).into(),
        room.percent().map_or("-".into(), |percent| format!("{percent}%")).into(),
        entries.len().to_string().into(),
        written(named, human).into(),
        written(other, human).into(),
        room.path.into(),
    ]);
    table.print(&mut out)?;
    out.end()
}
