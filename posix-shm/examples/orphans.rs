//! Cleaning up what killed processes have left, and leaving alone what is in use.
//!
//! Type this in the repository:
//!
//! ```sh
//! cargo run --example orphans
//! ```
//!
//! You should see this:
//!
//! ```text
//! two workers have an object each; one of them is killed
//!   alive: in use, left alone
//!   killed: no process uses its 1048576 bytes, removed
//! the other worker ends
//!   alive: no process uses its 1048576 bytes, removed
//! ```
//!
//! Every worker opens its object with `present`. The kernel knows which processes are present, and
//! forgets those that were killed. No process number is needed, and no file with one in it. Objects
//! of programs that do not take presence look unused, so clean up only names with a prefix of your
//! own.

use std::env;
use std::error::Error;
use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};

use posix_shm::{Direction, IfExists, OpenOptions, Shm, ShmName, capabilities, list};

const BYTES: u64 = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(name) = env::args_os().nth(1) {
        return work(&ShmName::new(name)?);
    }
    if !capabilities().presence || !capabilities().list {
        println!("this system has no presence, or cannot list names");
        return Ok(());
    }
    // All names of a program should begin with the same text. This one is random, so that the
    // example finds nothing of another run.
    let prefix = ShmName::random("example.")?.to_string() + ".";
    let mut alive = start(&prefix, "alive")?;
    let mut killed = start(&prefix, "killed")?;

    println!("two workers have an object each; one of them is killed");
    killed.kill()?; // it can do nothing about it: SIGKILL
    killed.wait()?;
    clean_up(&prefix)?;

    println!("the other worker ends");
    drop(alive.stdin.take());
    alive.wait()?;
    clean_up(&prefix)
}

/// Removes all objects whose names begin so and that no process uses. Any process can do that at
/// any time: when it starts, when it ends, or a job every hour.
fn clean_up(prefix: &str) -> Result<(), Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in list()? {
        let entry = entry?;
        if entry.name().to_string().starts_with(prefix) {
            names.push(entry.name().clone());
        }
    }
    names.sort();
    for name in names {
        // If it is gone by now, another process has cleaned up.
        let Some(object) = OpenOptions::new().open_optional(&name)? else { continue };
        let bytes = object.len()?;
        let name = name.to_string();
        let short = &name[prefix.len()..];
        // Asks and removes in one: no process can start to use it in between.
        if object.unlink_if_unused()? {
            println!("  {short}: no process uses its {bytes} bytes, removed");
        } else {
            println!("  {short}: in use, left alone");
        }
    }
    Ok(())
}

/// Starts a worker, and waits until it has its object.
fn start(prefix: &str, name: &str) -> Result<Child, Box<dyn Error>> {
    let mut worker = Command::new(env::current_exe()?)
        .arg(format!("{prefix}{name}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = worker.stdout.as_mut().ok_or("no output")?;
    output.read_exact(&mut [0])?;
    Ok(worker)
}

/// A worker: has an object, and uses it until it is told to end. It does not clean up.
fn work(name: &ShmName) -> Result<(), Box<dyn Error>> {
    let object: Shm = OpenOptions::new()
        .direction(Direction::Io)
        .if_exists(IfExists::Error)
        .size(BYTES)
        .present(true)
        .open(name)?;
    object.map_mut()?.bytes().fill(7);
    io::stdout().write_all(b"!")?;
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
