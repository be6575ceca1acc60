//! `posix-shm orphans`: objects that no process uses any more, and objects that have no name and
//! that a process still uses.
//!
//! An object is an orphan if that is proven: no process is present on it, which the kernel knows
//! for sure, and `/proc` shows every process, and none has it open or mapped. What is not proven is
//! shown as unknown, with the reason, and is never removed.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use anstyle::{AnsiColor, Style};
use clap::ArgMatches;
use posix_shm::{Entry, Metadata, Shm, ShmName, capabilities};
use serde_json::{Value, json};

use crate::exit::{Report, Stop, note};
use crate::json;
use crate::ls::entries;
use crate::messages::{explained, explained_of};
use crate::out::Out;
use crate::owners::Owners;
use crate::procfs::{self, Care, Deleted, Gap, Inode, Scan, Use, command};
use crate::room::Room;
use crate::sizes::written;
use crate::table::{Cell, Side, Table};
use crate::text::{counted, shown};
use crate::users::{Users, listed};

/// What is known about the use of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A process uses it.
    Used,
    /// No process uses it.
    Orphan,
    /// An orphan that has been removed.
    Removed,
    /// No process uses it, but it is so new that one may be about to.
    New,
    /// It has no name, and a process uses it.
    Deleted,
    /// It cannot be told.
    Unknown,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Used => "used",
            State::Orphan => "orphan",
            State::Removed => "removed",
            State::New => "new",
            State::Deleted => "deleted",
            State::Unknown => "unknown",
        }
    }

    fn style(self) -> Style {
        match self {
            State::Orphan | State::Removed => AnsiColor::Yellow.on_default(),
            State::Used => AnsiColor::Green.on_default(),
            State::Deleted => AnsiColor::Cyan.on_default(),
            State::New | State::Unknown => AnsiColor::Magenta.on_default(),
        }
    }
}

/// An object, and who uses it.
struct Found {
    name: OsString,
    /// `None` for an object without a name.
    entry: Option<Entry>,
    /// Of an object without a name; unknown if nobody may look.
    deleted: Option<std::fs::Metadata>,
    state: State,
    /// Whether a process is present; `None` if that cannot be told.
    present: Option<bool>,
    users: Vec<(u32, Use)>,
}

/// How the caller wants it.
struct Wishes<'a> {
    names: Vec<ShmName>,
    prefix: Option<&'a OsString>,
    trust_presence: bool,
    assume_all_visible: bool,
    ignored_pids: BTreeSet<u32>,
    min_age: Duration,
}

impl Wishes<'_> {
    fn of<'a>(given: &'a ArgMatches, report: &mut Report) -> Wishes<'a> {
        let mut names = Vec::new();
        for name in given.get_many::<OsString>("names").into_iter().flatten() {
            match ShmName::new(name) {
                Ok(name) => names.push(name),
                Err(error) => report.failed(explained_of(name, &error)),
            }
        }
        Wishes {
            names,
            prefix: given.get_one("prefix"),
            trust_presence: given.get_flag("trust-presence"),
            assume_all_visible: given.get_flag("assume-all-visible"),
            ignored_pids: given.get_many("ignore-pid").into_iter().flatten().copied().collect(),
            min_age: Duration::from_secs(given.get_one("min-age").copied().unwrap_or(0)),
        }
    }

    /// Whether everything is looked at.
    fn are_all(&self, given: &ArgMatches) -> bool {
        self.prefix.is_none() && given.get_many::<OsString>("names").is_none()
    }

    fn want(&self, name: &ShmName) -> bool {
        let bytes = |name: &std::ffi::OsStr| {
            let bytes = name.as_bytes();
            bytes.strip_prefix(b"/").unwrap_or(bytes).to_vec()
        };
        self.names.contains(name)
            || self.prefix.is_some_and(|it| bytes(name.as_os_str()).starts_with(&bytes(it)))
    }
}

pub(crate) fn run(given: &ArgMatches, report: &mut Report) -> Result<(), Stop> {
    let wishes = Wishes::of(given, report);
    let all = entries(report)?;
    for name in wishes.names.iter().filter(|name| !all.iter().any(|it| it.name() == *name)) {
        let name = shown(name);
        report.failed(format!("no object is called {name}; posix-shm ls shows the names"));
    }
    let scan = match all.first().map(|entry| entry.metadata().device()) {
        Some(device) => Scan::of(device, Care::Proof, &wishes.ignored_pids),
        // There may still be objects that have lost their names.
        None => Room::now(&all)
            .map(|room| Scan::of(room.device(), Care::Proof, &wishes.ignored_pids))
            .unwrap_or_default(),
    };
    let gaps: Vec<&Gap> = scan.gaps.iter().filter(|gap| !is_assumed_away(gap, &wishes)).collect();
    let is_all = wishes.are_all(given);
    let wanted = all.into_iter().filter(|entry| is_all || wishes.want(entry.name()));
    let mut found: Vec<Found> =
        wanted.filter_map(|entry| judged(entry, &scan, gaps.is_empty(), &wishes, report)).collect();
    if is_all {
        found
            .extend(scan.deleted.iter().map(|(inode, object)| without_name(*inode, object, &scan)));
    }
    if given.get_flag("remove") {
        for object in &mut found {
            remove(object, report);
        }
    }
    if found.iter().any(|object| object.state == State::Unknown) {
        report.leaves_alone();
    }
    let shows_used = given.get_flag("all") || !wishes.names.is_empty();
    print(given, &found, shows_used)?;
    if !given.get_flag("json") {
        summarise(given, &found, &gaps, scan.processes);
    }
    Ok(())
}

fn is_assumed_away(gap: &Gap, wishes: &Wishes<'_>) -> bool {
    let is_about_others = matches!(gap, Gap::Namespace | Gap::Hidden);
    wishes.trust_presence || (wishes.assume_all_visible && is_about_others)
}

/// Judges an object. `None` if it has gone meanwhile.
fn judged(
    entry: Entry,
    scan: &Scan,
    is_complete: bool,
    wishes: &Wishes<'_>,
    report: &mut Report,
) -> Option<Found> {
    let users: Vec<_> = scan.users(entry.metadata().inode()).collect();
    let present = match opened(&entry) {
        Ok(Some(object)) => match object.is_unused() {
            Ok(is_unused) => Some(!is_unused),
            Err(error) if error.kind() == ErrorKind::Unsupported => None,
            Err(error) => {
                report.failed(explained(&error));
                None
            }
        },
        Ok(None) => return None,
        // Unknown, unless a process is found.
        Err(_) => None,
    };
    // On a system without presence, no process is present.
    let is_absent = present == Some(false) || !capabilities().presence;
    let is_unused = is_complete && is_absent;
    let state = if present == Some(true) || !users.is_empty() {
        State::Used
    } else if !is_unused {
        State::Unknown
    } else if age(entry.metadata()) < wishes.min_age {
        State::New
    } else {
        State::Orphan
    };
    let name = entry.name().as_os_str().to_owned();
    Some(Found { name, entry: Some(entry), deleted: None, state, present, users })
}

/// Opens the object of an entry. `None` if nothing has its name any more, or another object has.
fn opened(entry: &Entry) -> posix_shm::Result<Option<Shm>> {
    let object = match Shm::open(entry.name()) {
        Ok(object) => object,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let (now, then) = (object.metadata()?, entry.metadata());
    let is_same = (now.device(), now.inode()) == (then.device(), then.inode());
    Ok(is_same.then_some(object))
}

/// How long nobody has changed an object by a call. Storing through a mapping does not count.
fn age(metadata: &Metadata) -> Duration {
    let changed = metadata.changed().max(metadata.modified());
    SystemTime::now().duration_since(changed).unwrap_or_default()
}

fn without_name(inode: Inode, object: &Deleted, scan: &Scan) -> Found {
    Found {
        name: object.name.clone(),
        entry: None,
        deleted: object.metadata.clone(),
        state: State::Deleted,
        present: None,
        users: scan.users(inode).collect(),
    }
}

/// Removes an orphan, unless it is used by now.
fn remove(object: &mut Found, report: &mut Report) {
    let (State::Orphan, Some(entry)) = (object.state, &object.entry) else { return };
    let opened = opened(entry);
    match opened.and_then(|it| it.map_or(Ok(false), |it| it.unlink_if_unused())) {
        Ok(true) => object.state = State::Removed,
        Ok(false) => {
            report.left_alone(format!("left {} alone: it is used now", shown(&object.name)));
            object.state = State::Used;
        }
        Err(error) => report.failed(explained(&error)),
    }
}

fn print(given: &ArgMatches, found: &[Found], shows_used: bool) -> Result<(), Stop> {
    let owners = Owners::new(given.get_flag("numeric"));
    let shown_ones = || found.iter().filter(|it| shows_used || it.state != State::Used);
    let mut out = Out::new();
    let human = given.get_flag("human");
    if given.get_flag("json") {
        out.json(&shown_ones().map(|object| as_json(object, &owners)).collect())?;
        return out.end();
    }
    if shown_ones().next().is_none() {
        return out.end();
    }
    let mut table = Table::new([
        ("STATE", Side::Left),
        ("OWNER", Side::Left),
        ("SIZE", Side::Right),
        ("MEMORY", Side::Right),
        ("USERS", Side::Left),
        ("PATH", Side::Left),
    ]);
    for object in shown_ones() {
        let [size, memory] = [object.size(), object.memory()]
            .map(|bytes| bytes.map_or("?".into(), |bytes| written(bytes, human)));
        table.row([
            Cell::styled(object.state.word(), object.state.style()),
            object.uid().map_or("?".into(), |uid| owners.user(uid)).into(),
            size.into(),
            memory.into(),
            object.users_shown().into(),
            shown(&object.name).into(),
        ]);
    }
    table.print(&mut out)?;
    out.end()
}

impl Found {
    fn size(&self) -> Option<u64> {
        let named = self.entry.as_ref().map(|entry| entry.metadata().len());
        named.or(self.deleted.as_ref().map(|file| file.len()))
    }

    fn memory(&self) -> Option<u64> {
        let named = self.entry.as_ref().map(|entry| entry.metadata().allocated());
        // `st_blocks` counts in units of 512 bytes, whatever the size of a block is.
        named.or(self.deleted.as_ref().map(|file| file.blocks() * 512))
    }

    fn uid(&self) -> Option<u32> {
        let named = self.entry.as_ref().map(|entry| entry.metadata().uid());
        named.or(self.deleted.as_ref().map(MetadataExt::uid))
    }

    fn users_shown(&self) -> Users {
        let none = match (self.present, self.state) {
            (Some(true), _) => "present",
            (_, State::Unknown) => "?",
            _ => "-",
        };
        Users::new(&self.users, none)
    }
}

fn as_json(object: &Found, owners: &Owners) -> Value {
    let mut map = match &object.entry {
        Some(entry) => json::object(&object.name, entry.metadata(), owners),
        None => json::name(&object.name),
    };
    let users = object.users.iter().map(|(pid, how)| {
        json!({ "pid": pid, "command": command(*pid), "open": how.opens, "mapped": how.maps })
    });
    map.insert("state".into(), object.state.word().into());
    map.insert("present".into(), object.present.into());
    map.insert("users".into(), users.collect());
    map.insert("size".into(), object.size().into());
    map.insert("memory".into(), object.memory().into());
    map.insert("uid".into(), object.uid().into());
    Value::Object(map)
}

/// What the table does not say, on the standard error.
fn summarise(given: &ArgMatches, found: &[Found], gaps: &[&Gap], processes: usize) {
    let of = |state: State| {
        let objects: Vec<_> = found.iter().filter(|object| object.state == state).collect();
        let memory = objects.iter().filter_map(|object| object.memory()).sum();
        (objects.len(), written(memory, true))
    };
    let (removed, freed) = of(State::Removed);
    let (orphans, memory) = of(State::Orphan);
    let (unknown, _) = of(State::Unknown);
    if removed > 0 {
        note(format!("{} removed, with {freed} of memory", counted(removed, "orphan")));
    } else if orphans > 0 {
        let what = counted(orphans, "orphan");
        note(format!("{what} with {memory} of memory; nothing was removed: --remove does that"));
    } else if (found.is_empty() && given.get_many::<OsString>("names").is_some()) || unknown > 0 {
        // None of these objects exists, which has been said; or what follows says more.
    } else {
        note("no orphans");
    }
    let (new, _) = of(State::New);
    if new > 0 {
        let seconds: u64 = given.get_one("min-age").copied().unwrap_or(0);
        note(format!(
            "{}: unused, but changed less than {seconds} seconds ago (--min-age)",
            counted(new, "new object"),
        ));
    }
    if unknown > 0 {
        note(format!(
            "{}: no process was found, but this is no proof:",
            counted(unknown, "unknown object")
        ));
        if gaps.is_empty() {
            note("- this user may not open it, so whether a process is present cannot be asked");
        }
        for gap in gaps {
            note(format!("- {}", reason(gap, processes)));
        }
    }
}

/// What helps if /proc proves nothing.
const PRESENCE: &str = "if all programs that use these objects hold presence, use --trust-presence";

/// Why a gap is one, and what closes it.
fn reason(gap: &Gap, processes: usize) -> String {
    let some = |pids: &BTreeSet<u32>| {
        let first: Vec<_> = pids.iter().take(3).map(|pid| (*pid, command(*pid))).collect();
        listed(&first)
    };
    match gap {
        Gap::NoProc => format!("this system has no /proc that tells who uses what; {PRESENCE}"),
        Gap::Hidden => "/proc hides processes of other users (hidepid); run this as root".into(),
        Gap::Namespace => {
            "processes outside of this container may use the objects, and /proc does \
                           not show them; run this outside, or use --assume-all-visible if \
                           /dev/shm belongs to this container alone"
                .into()
        }
        Gap::FileSystem => format!(
            "the objects are not in a tmpfs, and then /proc does not tell which ones are mapped; \
             {PRESENCE}"
        ),
        Gap::Closed(pids) => {
            let which = match pids.len() {
                1 => format!("process {}", some(pids)),
                closed => format!("{closed} of {processes} processes, such as {}", some(pids)),
            };
            let mends = if procfs::is_root() {
                "root needs CAP_SYS_PTRACE for it; if you are sure that such a process uses none \
                 of the objects, name it with --ignore-pid"
            } else {
                "run this as root"
            };
            format!("this user may not look at {which}; {mends}; {PRESENCE}")
        }
        Gap::OnTheirWay(pids) => {
            let what = if pids.len() == 1 { "process" } else { "processes" };
            let to = some(pids);
            format!(
                "descriptors are on their way to {what} {to}, and may be of these objects; try \
                 again later"
            )
        }
        Gap::Restless => "new processes kept appearing while they were looked at; try again".into(),
    }
}
