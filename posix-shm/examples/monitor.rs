//! A live screen of all shared memory objects: what `top` is for processes.
//!
//! Type this in the repository, at a terminal, and Ctrl-C to end it:
//!
//! ```sh
//! cargo run --example monitor
//! ```
//!
//! You should see a screen that changes each second, such as this:
//!
//! ```text
//! 3 objects, 17.0 MiB long, 16.5 MiB of memory
//!
//!     LENGTH     MEMORY  OWNER  MODE     AGE  USED  NAME
//!   16.0 MiB   16.0 MiB   1000  0600   2 min  yes   /my-app.frames
//!    1.0 MiB  512.0 KiB   1000  0644    12 d  -     /pulse-shm-3145
//!    4.0 KiB    4.0 KiB      0  0600     1 h  ?     /root-only
//! ```
//!
//! With a text behind the command (`-- my-app`), it shows only names that begin so. If the output
//! is not a terminal, it prints one screen and ends.
//!
//! "Used" is whether a process is present (`Shm::presence`); programs that do not take presence
//! have `-`. It is `?` if this user may not open the object.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::thread;
use std::time::{Duration, SystemTime};

use posix_shm::{Entry, Shm, capabilities, list};

/// How many objects the screen shows: those with most memory.
const ROWS: usize = 20;
/// How many characters of a name the screen shows: with them, a line has 79.
const NAME: usize = 29;

/// To the first place of the screen.
const HOME: &str = "\x1b[H";
/// Clears the rest of the line.
const CLEAR_LINE: &str = "\x1b[K";
/// Clears the rest of the screen.
const CLEAR_BELOW: &str = "\x1b[J";

fn main() -> Result<(), Box<dyn Error>> {
    let prefix = env::args().nth(1).unwrap_or_default();
    let prefix = format!("/{}", prefix.trim_start_matches('/'));
    if !capabilities().list {
        println!("this system does not list the names of objects");
        return Ok(());
    }
    let mut output = io::stdout();
    if !output.is_terminal() {
        output.write_all(screen(&prefix)?.as_bytes())?;
        return Ok(());
    }
    loop {
        // Each line is written over the one that was there, so that nothing flickers.
        let text = screen(&prefix)?.replace('\n', &format!("{CLEAR_LINE}\n"));
        write!(output, "{HOME}{text}{CLEAR_BELOW}")?;
        output.flush()?;
        thread::sleep(Duration::from_secs(1));
    }
}

/// The lines of a screen.
fn screen(prefix: &str) -> Result<String, Box<dyn Error>> {
    let mut objects = Vec::new();
    for entry in list()? {
        // On FreeBSD, what another user's object has is an error.
        let Ok(entry) = entry else { continue };
        if entry.name().to_string().starts_with(prefix) {
            objects.push(entry);
        }
    }
    objects.sort_by_key(|entry| {
        (std::cmp::Reverse(entry.metadata().allocated()), entry.name().clone())
    });
    let total = |of: fn(&Entry) -> u64| size(objects.iter().map(of).sum());
    let mut text = format!(
        "{} objects, {} long, {} of memory\n\n",
        objects.len(),
        total(|entry| entry.metadata().len()),
        total(|entry| entry.metadata().allocated())
    );
    writeln!(
        text,
        "{:>10} {:>10} {:>6}  {:4} {:>7}  {:4}  NAME",
        "LENGTH", "MEMORY", "OWNER", "MODE", "AGE", "USED"
    )?;
    for entry in objects.iter().take(ROWS) {
        let found = entry.metadata();
        writeln!(
            text,
            "{:>10} {:>10} {:>6}  {:04o} {:>7}  {:4}  {}",
            size(found.len()),
            size(found.allocated()),
            found.uid(),
            found.permissions().mode(),
            age(found.modified()),
            used(entry),
            shown(&entry.name().to_string())
        )?;
    }
    if objects.len() > ROWS {
        writeln!(text, "… and {} more", objects.len() - ROWS)?;
    }
    Ok(text)
}

/// Whether a process is present.
fn used(entry: &Entry) -> &'static str {
    match Shm::open(entry.name()).map(|object| object.is_unused()) {
        Ok(Ok(false)) => "yes",
        Ok(Ok(true)) => "-",
        _ => "?",
    }
}

/// A name of another user may have anything in it, also what a terminal takes for a command.
fn shown(name: &str) -> String {
    let name: String = name.escape_debug().collect();
    if name.chars().count() <= NAME {
        return name;
    }
    name.chars().take(NAME - 1).chain(['…']).collect()
}

/// A number of bytes, in the unit that suits it.
fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            let digits = if unit == "B" { 0 } else { 1 };
            return format!("{value:.digits$} {unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// How long ago that was.
fn age(then: SystemTime) -> String {
    let seconds = then.elapsed().unwrap_or_default().as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}
