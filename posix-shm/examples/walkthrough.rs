//! The README's walk-through: a named object by hand, the same in the scoped form, and one without a name that another
//! process reads.
//!
//! ```sh
//! cargo run --example walkthrough
//! ```

use std::env;
use std::error::Error;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};

use posix_shm::{Direction, IfExists, MapOptions, OpenOptions, Permissions, Shm, unlink};

/// How the second process is told what it is.
const READER: &str = "--reader";

const INTS: usize = 10;
const BYTES: usize = INTS * size_of::<i32>();

fn main() -> Result<(), Box<dyn Error>> {
    if env::args().any(|argument| argument == READER) {
        return reader();
    }
    by_hand()?;
    scoped()?;
    anonymous()
}

/// Create, size, map twice, write, read, unmap, close, delete.
fn by_hand() -> Result<(), Box<dyn Error>> {
    println!("by hand: /foobar-shm");
    let shm = OpenOptions::new()
        .direction(Direction::Io)
        .if_exists(IfExists::Supersede)
        .permissions(Permissions::USER_ALL)
        .open("/foobar-shm")?;
    shm.set_len(BYTES as u64)?;

    let writer = MapOptions::new().len(BYTES).map_mut(&shm)?;
    let reader = MapOptions::new().len(BYTES).map(&shm)?;
    for i in 0..INTS {
        writer.slice::<i32>(0, INTS)?.store(i, i32::try_from(i)? * 10);
    }
    for i in 0..INTS {
        println!("  {i}: {}", reader.slice::<i32>(0, INTS)?.load(i));
    }

    reader.unmap()?;
    writer.unmap()?;
    shm.close()?;
    unlink("/foobar-shm")?;
    Ok(())
}

/// The same: created with its size, mapped before it has its name, unmapped and closed at the end of the scope.
fn scoped() -> Result<(), Box<dyn Error>> {
    println!("scoped: /foobar-shm");
    let (shm, mapping) = OpenOptions::new()
        .direction(Direction::Io)
        .if_exists(IfExists::Supersede)
        .size(BYTES as u64)
        .open_mapped("/foobar-shm")?;
    let ints = mapping.slice::<i32>(0, INTS)?;
    for i in 0..INTS {
        ints.store(i, i32::try_from(i)? * 10);
    }
    println!("  the last one is {}", ints.load(INTS - 1));
    shm.unlink()?;
    Ok(())
}

/// No name that could be left behind: another process inherits the descriptor, here as its standard input.
fn anonymous() -> Result<(), Box<dyn Error>> {
    println!("anonymous, read by another process:");
    let (shm, mapping) =
        OpenOptions::new().direction(Direction::Io).size(BYTES as u64).open_anonymous_mapped()?;
    let ints = mapping.slice::<i32>(0, INTS)?;
    for i in 0..INTS {
        ints.store(i, i32::try_from(i)? * 10);
    }
    let status = Command::new(env::current_exe()?)
        .arg(READER)
        .stdin(Stdio::from(OwnedFd::from(shm)))
        .status()?;
    if status.success() { Ok(()) } else { Err(format!("the reader failed: {status}").into()) }
}

/// The second process: maps what it was given.
fn reader() -> Result<(), Box<dyn Error>> {
    let shm = Shm::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mapping = shm.map()?;
    let ints = mapping.slice::<i32>(0, INTS)?;
    for i in 0..INTS {
        println!("  {i}: {}", ints.load(i));
    }
    Ok(())
}
