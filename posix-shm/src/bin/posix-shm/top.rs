//! `posix-shm top`: what uses the memory of the objects now.

use std::collections::BTreeSet;
use std::env;
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
use crate::procfs::{Care, Gap, Inode, Scan, Use, command};
use crate::room::Room;
use crate::screen::{Input, Screen};
use crate::sizes::written;
use crate::table::{Cell, Side, Table};
use crate::text::{counted, first_that_fits, fitted, padded, shown};
use crate::users::Users;

/// What is shown of an object.
struct Row {
    name: OsString,
    uid: Option<u32>,
    size: Option<u64>,
    memory: Option<u64>,
    is_deleted: bool,
    users: Vec<(u32, Use)>,
    /// The name and the users as they are shown. They are made once, since they take reading.
    shown: String,
    users_shown: Users,
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
    if given.get_flag("once") || given.get_flag("json") {
        return once(given, order, &owners, report);
    }
    let instead = "posix-shm top --once prints all objects";
    if !io::stdout().is_terminal() {
        return Err(Stop::Usage(format!("top draws on a terminal; {instead}")));
    }
    if env::var_os("TERM").is_some_and(|terminal| terminal == "dumb") {
        let why = "top cannot draw on this terminal, which is dumb (TERM)";
        return Err(Stop::Usage(format!("{why}; {instead}")));
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
    let human = given.get_flag("human");
    let mut out = Out::new();
    if given.get_flag("json") {
        out.json(&moment.as_json(owners))?;
    } else if out.is_terminal() {
        let look = Look { columns: Screen::size().0, human, has_styles: true };
        let view = View::new(&moment, owners, look);
        for line in view.heading().into_iter().chain(view.rows(&moment.rows)) {
            out.line(line.trim_end())?;
        }
    } else {
        moment.print(owners, human, &mut out)?;
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
        let look = Look { columns, human: true, has_styles: screen.has_styles() };
        let view = View::new(&moment, owners, look);
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
        let closed = scan.gaps.iter().try_fold(0, |closed, gap| match gap {
            Gap::NoProc => None,
            Gap::Closed(pids) => Some(closed + pids.len()),
            _ => Some(closed),
        });
        let row = |name: &OsStr, inode: Inode, is_deleted| {
            let users: Vec<_> = scan.users(inode).collect();
            let users_shown = Users::new(&users, if closed == Some(0) { "-" } else { "?" });
            let (name, shown) = (name.to_owned(), shown(name));
            let (uid, size, memory) = (None, None, None);
            Row { name, uid, size, memory, is_deleted, users, shown, users_shown }
        };
        let named = entries.iter().map(|entry| {
            let metadata = entry.metadata();
            Row {
                uid: Some(metadata.uid()),
                size: Some(metadata.len()),
                memory: Some(metadata.allocated()),
                ..row(entry.name().as_os_str(), metadata.inode(), false)
            }
        });
        let deleted = scan.deleted.iter().map(|(inode, object)| {
            let metadata = object.metadata.as_ref();
            Row {
                uid: metadata.map(MetadataExt::uid),
                size: metadata.map(MetadataExt::size),
                // `st_blocks` counts in units of 512 bytes, whatever the size of a block is.
                memory: metadata.map(|file| file.blocks() * 512),
                ..row(&object.name, *inode, true)
            }
        });
        let rows = named.chain(deleted).collect();
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

    /// The table for a program, with everything that the screen may leave out.
    fn print(&self, owners: &Owners, human: bool, out: &mut Out) -> Result<(), Stop> {
        let sides = [Side::Right, Side::Right, Side::Left, Side::Right, Side::Right];
        let [size, memory, owner, maps, opens] = std::array::from_fn(|i| (HEADINGS[i], sides[i]));
        let columns =
            [size, memory, owner, maps, opens, ("NAME", Side::Left), ("USERS", Side::Left)];
        let mut table = Table::new(columns);
        for row in &self.rows {
            let [size, memory, owner, maps, opens] =
                row.facts(owners, human, self.closed).map(Cell::from);
            let users = row.users_shown.whole().into();
            table.row([size, memory, owner, maps, opens, row.title(usize::MAX).into(), users]);
        }
        table.print(out)
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

impl Row {
    /// What the columns before the name have.
    fn facts(&self, owners: &Owners, human: bool, closed: Option<usize>) -> [String; 5] {
        let size = |bytes: Option<u64>| bytes.map_or("?".into(), |bytes| written(bytes, human));
        let count = |counts: fn(&Use) -> bool| match closed {
            Some(0) => self.count(counts).to_string(),
            _ if self.users.is_empty() => "?".into(),
            _ => self.count(counts).to_string(),
        };
        [
            size(self.size),
            size(self.memory),
            self.uid.map_or("?".into(), |uid| owners.user(uid)),
            count(|how| how.maps),
            count(|how| how.opens),
        ]
    }

    fn count(&self, counts: fn(&Use) -> bool) -> usize {
        self.users.iter().filter(|(_, how)| counts(how)).count()
    }

    /// The name in so many columns, and that the object has lost it.
    fn title(&self, columns: usize) -> String {
        // So that enough of the name is left.
        let is_short = columns < self.title_width() && columns < 2 * DELETED.len();
        let mark = match self.is_deleted {
            false => "",
            true if is_short => " (del)",
            true => DELETED,
        };
        format!("{}{mark}", fitted(&self.shown, columns.saturating_sub(mark.len())))
    }

    fn title_width(&self) -> usize {
        self.shown.width() + if self.is_deleted { DELETED.len() } else { 0 }
    }
}

const DELETED: &str = " (deleted)";

/// How a moment is shown.
#[derive(Clone, Copy)]
struct Look {
    columns: usize,
    /// Sizes have k, M and G.
    human: bool,
    has_styles: bool,
}

/// A moment, and how it is shown.
struct View<'a> {
    moment: &'a Moment,
    owners: &'a Owners,
    look: Look,
    /// The width of each column before the name. `None`: there is no room for it.
    of_facts: [Option<usize>; 5],
    of_names: usize,
    /// Zero: there is no room for them.
    of_users: usize,
}

/// The columns before the name.
const HEADINGS: [&str; 5] = ["SIZE", "MEMORY", "OWNER", "MAPS", "OPEN"];

/// Which of these go first in a narrow terminal, and how many tenths of it names may take before
/// that. The memory stays.
const GO: [(usize, usize); 4] = [(4, 5), (3, 5), (2, 5), (0, 4)];

/// What an owner takes at most.
const MOST_OF_OWNER: usize = 12;

/// Between two columns.
const GAP: usize = 2;

impl<'a> View<'a> {
    fn new(moment: &'a Moment, owners: &'a Owners, look: Look) -> View<'a> {
        let longest = |of: &dyn Fn(&Row) -> usize| moment.rows.iter().map(of).max().unwrap_or(0);
        let names = longest(&Row::title_width).max("NAME".len());
        let users = longest(&|row| row.users_shown.whole().width()).max("USERS".len());
        let size = |of: fn(&Row) -> Option<u64>| {
            let width = |row: &Row| of(row).map_or(1, |bytes| written(bytes, look.human).len());
            // So much that the columns seldom move.
            Some(longest(&width).max("MEMORY".len()))
        };
        let uids: BTreeSet<u32> = moment.rows.iter().filter_map(|row| row.uid).collect();
        let owner = uids.iter().map(|uid| owners.user(*uid).width()).max().unwrap_or(0);
        let owner = owner.clamp("OWNER".len(), MOST_OF_OWNER);
        let mut of_facts =
            [size(|row| row.size), size(|row| row.memory), Some(owner), Some(4), Some(4)];
        let of_users = users.min(look.columns / 4);
        let left = |of_facts: &[Option<usize>; 5]| {
            let taken: usize = of_facts.iter().flatten().map(|width| width + GAP).sum();
            look.columns.saturating_sub(taken)
        };
        for (column, for_names) in GO {
            // Whole names come first, if they do not take most of the screen. For the size, names
            // that can be told apart are enough.
            if left(&of_facts) < names.min(look.columns * for_names / 10) + GAP + of_users {
                of_facts[column] = None;
            }
        }
        let left = left(&of_facts);
        // At last the users go. What names leave is theirs.
        let has_users = left >= names.min(look.columns * 4 / 10) + GAP + of_users;
        let of_names = names.min(if has_users { left - GAP - of_users } else { left });
        let of_users = if has_users { users.min(left - GAP - of_names) } else { 0 };
        View { moment, owners, look, of_facts, of_names, of_users }
    }

    /// The lines above the objects.
    fn heading(&self) -> Vec<String> {
        let headings = HEADINGS.map(str::to_owned);
        let columns = self.look.columns;
        vec![
            first_that_fits(self.of_the_room(), columns),
            first_that_fits(self.of_the_objects(), columns),
            first_that_fits(self.of_the_processes(), columns),
            self.styled(Style::new().bold(), &self.line(&headings, "NAME", "USERS")),
        ]
    }

    fn size(&self, bytes: u64) -> String {
        written(bytes, self.look.human)
    }

    /// From the longest text to the shortest. What is free is said first.
    fn of_the_room(&self) -> Vec<String> {
        let Some(room) = &self.moment.room else {
            return vec!["the system does not tell how much room there is".into()];
        };
        let (path, used) = (room.path, self.size(room.used));
        match (room.size, room.available) {
            (Some(size), Some(free)) => {
                let (size, free) = (self.size(size), self.size(free));
                let percent = room.percent().unwrap_or(0);
                let short = format!("{path}  {free} free of {size}");
                vec![
                    format!("{short}, {used} used ({percent}%)"),
                    format!("{short} ({percent}% used)"),
                    short,
                    format!("{path}  {free} free"),
                    format!("{free} free"),
                ]
            }
            _ => vec![format!("{path}  {used} used, no limit"), format!("{used} used")],
        }
    }

    fn of_the_objects(&self) -> Vec<String> {
        let [(named, memory), (deleted, of_deleted)] = [false, true].map(|is| self.moment.sum(is));
        let short = format!("{} {}", counted(named, "object"), self.size(memory));
        match deleted {
            0 => vec![short],
            _ => vec![format!("{short}, {deleted} deleted {}", self.size(of_deleted)), short],
        }
    }

    /// Why users may be missing. Usually that is nothing.
    fn of_the_processes(&self) -> Vec<String> {
        match self.moment.closed {
            None => vec![
                "without /proc, nothing tells who uses them".into(),
                "no /proc, no users".into(),
            ],
            Some(0) => vec![String::new()],
            Some(closed) => {
                let of = format!("{closed} of {}", counted(self.moment.processes, "process"));
                vec![
                    format!("this user may not look at {of}"),
                    format!("{of} not looked at"),
                    format!("{closed} not looked at"),
                ]
            }
        }
    }

    fn rows(&self, rows: &[Row]) -> Vec<String> {
        rows.iter().map(|row| self.row(row)).collect()
    }

    fn row(&self, row: &Row) -> String {
        let facts = row.facts(self.owners, self.look.human, self.moment.closed);
        let users = row.users_shown.fitted(self.of_users);
        let line = self.line(&facts, &row.title(self.of_names), &users);
        if row.is_deleted { self.styled(AnsiColor::Cyan.on_default(), &line) } else { line }
    }

    fn line(&self, facts: &[String; 5], name: &str, users: &str) -> String {
        let mut line = String::new();
        for ((fact, width), heading) in facts.iter().zip(self.of_facts).zip(HEADINGS) {
            let Some(width) = width else { continue };
            line += &match heading {
                "OWNER" => padded(fact, width),
                _ => format!("{:>width$}", fitted(fact, width)),
            };
            line += &" ".repeat(GAP);
        }
        line += &padded(name, self.of_names);
        if self.of_users > 0 {
            line += &" ".repeat(GAP);
            line += users;
        }
        fitted(&line, self.look.columns).into_owned()
    }

    fn keys(&self, top: usize, shown: usize, order: Order) -> String {
        let by = match order {
            Order::Memory => "by memory",
            Order::Size => "by size",
            Order::Name => "by name",
        };
        let all = self.moment.rows.len();
        let which = match shown < all {
            true => format!("{}-{} of {all}", top + 1, top + shown),
            false => String::new(),
        };
        let comma = if which.is_empty() { "" } else { ", " };
        let both = format!("{which}{comma}{by}   ");
        let texts = [
            format!("{both}q quit  m memory  s size  n name  arrows scroll"),
            format!("{both}q quit  m/s/n sort  arrows scroll"),
            format!("{both}q quit  m/s/n sort"),
            format!("{both}q quit"),
            format!("{which}  q quit").trim_start().to_owned(),
            "q quit".into(),
        ];
        let columns = self.look.columns;
        self.styled(Style::new().invert(), &padded(&first_that_fits(texts, columns), columns))
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if self.look.has_styles { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}
