//! `posix-shm top`: what uses the memory of the objects now.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use clap::ArgMatches;
use crossterm::event::KeyCode;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use crate::exit::{Report, Stop};
use crate::json;
use crate::ls::entries;
use crate::out::Out;
use crate::owners::Owners;
use crate::procfs::{Care, Gap, Scan, Use, command};
use crate::room::Room;
use crate::screen::{Input, Screen};
use crate::sizes::human;
use crate::text::{counted, fitted, padded, shown};

/// What is shown of an object.
struct Row {
    name: OsString,
    uid: Option<u32>,
    size: Option<u64>,
    memory: Option<u64>,
    is_deleted: bool,
    users: Vec<(u32, Use)>,
    /// The name and the users as they are shown. They are made once, since they take reading.
    title: String,
    users_shown: String,
}

/// Everything that is shown, as it was at one moment.
struct Moment {
    room: Option<Room>,
    rows: Vec<Row>,
    processes: usize,
    /// How many of them this user may not look at. `None`: there is no `/proc`.
    closed: Option<usize>,
}

/// What the rows are sorted by.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    Memory,
    Size,
    Name,
}

pub(crate) fn run(given: &ArgMatches, report: &mut Report) -> Result<(), Stop> {
    let owners = Owners::new(given.get_flag("numeric"));
    let order = match given.get_one::<String>("sort").map(String::as_str) {
        Some("size") => Order::Size,
        Some("name") => Order::Name,
        _ => Order::Memory,
    };
    if given.get_flag("once") {
        return once(given, order, &owners, report);
    }
    if !io::stdout().is_terminal() {
        return Err("top draws on a terminal; posix-shm top --once prints one screen"
            .to_owned()
            .into());
    }
    let delay = given.get_one("delay").copied().unwrap_or(Duration::from_secs(2));
    // What fails now is said before the screen is taken.
    let first = Moment::now(report)?;
    let screen = Screen::new().map_err(|error| format!("draw on the terminal: {error}"))?;
    live(screen, first, order, delay, &owners)
}

fn once(
    given: &ArgMatches,
    order: Order,
    owners: &Owners,
    report: &mut Report,
) -> Result<(), Stop> {
    let mut moment = Moment::now(report)?;
    moment.sort(order);
    let mut out = Out::new();
    if given.get_flag("json") {
        out.json(&moment.as_json(owners))?;
        return out.end();
    }
    // For a program, nothing is cut off.
    let columns = if out.is_terminal() { Screen::size().0 } else { usize::MAX };
    let view = View::new(&moment, owners, columns, true);
    for line in view.heading().into_iter().chain(view.rows(&moment.rows)) {
        out.line(line.trim_end())?;
    }
    out.end()
}

fn live(
    screen: Screen,
    mut moment: Moment,
    mut order: Order,
    delay: Duration,
    owners: &Owners,
) -> Result<(), Stop> {
    let mut top = 0;
    let mut next = Instant::now() + delay;
    moment.sort(order);
    loop {
        let (columns, lines) = Screen::size();
        let view = View::new(&moment, owners, columns, screen.has_styles());
        let heading = view.heading();
        // The last line has the keys.
        let page = lines.saturating_sub(heading.len() + 1).max(1);
        top = top.min(moment.rows.len().saturating_sub(page));
        let shown = &moment.rows[top..moment.rows.len().min(top + page)];
        let mut frame: Vec<String> = heading.into_iter().chain(view.rows(shown)).collect();
        frame.resize(lines.saturating_sub(1), String::new());
        frame.push(view.keys(top, shown.len(), order));
        frame.truncate(lines);
        screen.draw(&frame).map_err(|error| Stop::writing(&error))?;
        let input = screen.input(next);
        match input {
            Some(Input::Quit) => return Ok(()),
            Some(Input::Signal(signal)) => {
                return screen.die(signal).map_err(|error| Stop::writing(&error));
            }
            Some(Input::Suspend) => screen.suspend().map_err(|error| Stop::writing(&error))?,
            Some(Input::Resume) => screen.resume().map_err(|error| Stop::writing(&error))?,
            Some(Input::Redraw) => {}
            Some(Input::Key(key)) => match key {
                KeyCode::Char('m') => order = Order::Memory,
                KeyCode::Char('s') => order = Order::Size,
                KeyCode::Char('n') => order = Order::Name,
                KeyCode::Up | KeyCode::Char('k') => top = top.saturating_sub(1),
                KeyCode::Down | KeyCode::Char('j') => top += 1,
                KeyCode::PageUp => top = top.saturating_sub(page),
                KeyCode::PageDown => top += page,
                KeyCode::Home => top = 0,
                KeyCode::End => top = usize::MAX - page,
                KeyCode::Char(' ') => next = Instant::now(),
                _ => {}
            },
            None => {}
        }
        if Instant::now() >= next {
            // A message would spoil the screen. What cannot be told is left out until it can.
            moment = Moment::now(&mut Report::silent()).unwrap_or(moment);
            next = Instant::now() + delay;
        }
        moment.sort(order);
    }
}

impl Moment {
    fn now(report: &mut Report) -> Result<Moment, Stop> {
        let entries = entries(report)?;
        let room = Room::now(&entries).ok();
        let device = entries.first().map(|entry| entry.metadata().device());
        let device = device.or(room.as_ref().map(Room::device));
        let scan = device
            .map(|device| Scan::of(device, Care::Glance, &BTreeSet::new()))
            .unwrap_or_default();
        let named = entries.iter().map(|entry| {
            let metadata = entry.metadata();
            let users = scan.users(metadata.inode()).collect();
            Row {
                uid: Some(metadata.uid()),
                size: Some(metadata.len()),
                memory: Some(metadata.allocated()),
                ..Row::new(entry.name().as_os_str(), false, users)
            }
        });
        let deleted = scan.deleted.iter().map(|(inode, object)| {
            let metadata = object.metadata.as_ref();
            Row {
                uid: metadata.map(MetadataExt::uid),
                size: metadata.map(MetadataExt::size),
                // `st_blocks` counts in units of 512 bytes, whatever the size of a block is.
                memory: metadata.map(|file| file.blocks() * 512),
                ..Row::new(&object.name, true, scan.users(*inode).collect())
            }
        });
        let rows = named.chain(deleted).collect();
        let closed = scan.gaps.iter().try_fold(0, |closed, gap| match gap {
            Gap::NoProc => None,
            Gap::Closed(pids) => Some(closed + pids.len()),
            _ => Some(closed),
        });
        Ok(Moment { room, rows, processes: scan.processes, closed })
    }

    fn sort(&mut self, order: Order) {
        // What nobody may see comes last. Rows that are equal keep the order of their names.
        self.rows.sort_by(|a, b| {
            let by = match order {
                Order::Memory => b.memory.cmp(&a.memory).then(b.size.cmp(&a.size)),
                Order::Size => b.size.cmp(&a.size),
                Order::Name => std::cmp::Ordering::Equal,
            };
            by.then_with(|| a.name.cmp(&b.name))
        });
    }

    /// How many objects with or without a name there are, and their memory.
    fn sum(&self, deleted: bool) -> (usize, u64) {
        let rows = || self.rows.iter().filter(|row| row.is_deleted == deleted);
        (rows().count(), rows().filter_map(|row| row.memory).sum())
    }

    fn as_json(&self, owners: &Owners) -> Value {
        let objects = self.rows.iter().map(|row| {
            let mut map = json::name(&row.name);
            let users = row.users.iter().map(|(pid, how)| {
                json!({
                    "pid": pid, "command": command(*pid), "open": how.opens, "mapped": how.maps
                })
            });
            map.insert("size".into(), row.size.into());
            map.insert("memory".into(), row.memory.into());
            map.insert("uid".into(), row.uid.into());
            map.insert("owner".into(), row.uid.map(|uid| owners.user(uid)).into());
            map.insert("deleted".into(), row.is_deleted.into());
            map.insert("users".into(), users.collect());
            Value::Object(map)
        });
        json!({
            "room": self.room.as_ref().map(|room| json!({
                "path": room.path,
                "size": room.size,
                "used": room.used,
                "available": room.available,
                "percent": room.percent(),
            })),
            "objects": objects.collect::<Vec<_>>(),
            "processes": self.processes,
            "closed": self.closed,
        })
    }
}

/// A moment, and how wide it is shown.
struct View<'a> {
    moment: &'a Moment,
    owners: &'a Owners,
    columns: usize,
    /// How many of them the names take.
    of_names: usize,
    has_styles: bool,
}

/// The columns before the name: two for sizes, the owner, how many map it, how many open it.
const BEFORE: usize = 6 + 2 + 6 + 2 + 8 + 2 + 4 + 2 + 4 + 2;

/// In a terminal of less than so many columns, only the sizes come before the name.
const WIDE: usize = 60;

/// The columns before the name there.
const BEFORE_IF_NARROW: usize = 6 + 2 + 6 + 2;

impl<'a> View<'a> {
    fn new(moment: &'a Moment, owners: &'a Owners, columns: usize, has_styles: bool) -> View<'a> {
        let longest = |of: fn(&Row) -> &String| moment.rows.iter().map(|row| of(row).width()).max();
        let names = longest(|row| &row.title).unwrap_or(0).max("NAME".len());
        let users = longest(|row| &row.users_shown).unwrap_or(0).max("USERS".len());
        // As many as the longest name takes, but the users get at least half of what is there.
        let before = if columns < WIDE { BEFORE_IF_NARROW } else { BEFORE };
        let there = columns.saturating_sub(before + 2);
        let of_names = names.min((there / 2).max(there.saturating_sub(users)));
        View { moment, owners, columns, of_names, has_styles }
    }

    /// The lines above the objects.
    fn heading(&self) -> Vec<String> {
        let bold = Style::new().bold();
        vec![
            fitted(&self.of_the_room(), self.columns).into_owned(),
            fitted(&self.of_the_objects(), self.columns).into_owned(),
            String::new(),
            self.styled(
                bold,
                &self.line(["SIZE", "MEMORY", "OWNER", "MAPS", "OPEN"], "NAME", "USERS"),
            ),
        ]
    }

    fn of_the_room(&self) -> String {
        match &self.moment.room {
            None => "the system does not tell how much room there is".into(),
            Some(room) => {
                let used = human(room.used);
                let (path, percent) = (room.path, room.percent().unwrap_or(0));
                match (room.size, room.available) {
                    (Some(size), Some(free)) => {
                        let (size, free) = (human(size), human(free));
                        format!("{path}  {size} size, {used} used ({percent}%), {free} free")
                    }
                    _ => format!("{path}  no limit, {used} used"),
                }
            }
        }
    }

    fn of_the_objects(&self) -> String {
        let [(named, memory), (deleted, of_deleted)] = [false, true].map(|is| self.moment.sum(is));
        let mut line = format!("{} {}", counted(named, "object"), human(memory));
        if deleted > 0 {
            line += &format!(", {deleted} deleted {}", human(of_deleted));
        }
        match self.moment.closed {
            None => line += "; without /proc, nothing tells who uses them",
            Some(0) => {}
            Some(closed) => {
                let processes = self.moment.processes;
                line += &format!("; closed to this user: {closed} of {processes} processes");
            }
        }
        line
    }

    fn rows(&self, rows: &[Row]) -> Vec<String> {
        rows.iter().map(|row| self.row(row)).collect()
    }

    fn row(&self, row: &Row) -> String {
        let size = |bytes: Option<u64>| bytes.map_or("?".into(), human);
        let count = |counts: fn(&Use) -> bool| match self.moment.closed {
            None => "?".into(),
            Some(_) => row.users.iter().filter(|(_, how)| counts(how)).count().to_string(),
        };
        let cells = [
            size(row.size),
            size(row.memory),
            row.uid.map_or("?".into(), |uid| self.owners.user(uid)),
            count(|how| how.maps),
            count(|how| how.opens),
        ];
        let line = self.line(cells.each_ref().map(String::as_str), &row.title, &row.users_shown);
        if row.is_deleted { self.styled(AnsiColor::Cyan.on_default(), &line) } else { line }
    }

    fn line(
        &self,
        [size, memory, owner, maps, opens]: [&str; 5],
        name: &str,
        users: &str,
    ) -> String {
        let (size, memory) = (fitted(size, 6), fitted(memory, 6));
        let (owner, maps, opens) = (padded(owner, 8), fitted(maps, 4), fitted(opens, 4));
        let sizes = format!("{size:>6}  {memory:>6}  ");
        let before = match self.columns {
            ..WIDE => sizes,
            _ => format!("{sizes}{owner}  {maps:>4}  {opens:>4}  "),
        };
        let line = format!("{before}{}  {users}", padded(name, self.of_names));
        fitted(&line, self.columns).into_owned()
    }

    fn keys(&self, top: usize, shown: usize, order: Order) -> String {
        let by = match order {
            Order::Memory => "memory",
            Order::Size => "size",
            Order::Name => "name",
        };
        let all = self.moment.rows.len();
        let which = if shown < all {
            format!("{}-{} of {all}, ", top + 1, top + shown)
        } else {
            String::new()
        };
        let keys = format!("{which}by {by}   q quit  m memory  s size  n name  arrows scroll");
        self.styled(Style::new().invert(), &padded(&keys, self.columns))
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if self.has_styles { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

impl Row {
    fn new(name: &OsStr, is_deleted: bool, users: Vec<(u32, Use)>) -> Row {
        let title = if is_deleted { format!("{} (deleted)", shown(name)) } else { shown(name) };
        // Those who map it come first.
        let (maps, opens): (Vec<_>, Vec<_>) = users.iter().partition(|(_, how)| how.maps);
        let each = maps.into_iter().chain(opens).map(|(pid, _)| format!("{pid} {}", command(pid)));
        let users_shown = each.collect::<Vec<_>>().join(", ");
        let (uid, size, memory) = (None, None, None);
        Row { name: name.to_owned(), uid, size, memory, is_deleted, users, title, users_shown }
    }
}
