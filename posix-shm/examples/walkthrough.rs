//! A tour of the library, in three parts: a named object step by step, the same in fewer steps, and
//! an anonymous object that another process reads.
//!
//! Type this in the repository:
//!
//! ```sh
//! cargo run --example walkthrough
//! ```
//!
//! You should see this, with a line for each of the ten numbers in the place of `…`:
//!
//! ```text
//! by hand: /foobar-shm
//!   0: 0
//!   …
//!   9: 90
//! scoped: /foobar-shm
//!   the last number is 90
//! anonymous, read by another process:
//!   0: 0
//!   …
//!   9: 90
//! ```

use std::env;
use std::error::Error;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};

use posix_shm::{Direction, IfExists, MapOptions, OpenOptions, Permissions, Shm, unlink};

/// The argument that makes this program the second process.
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

/// Every step on its own: create, set the size, map twice, write, read, unmap, close, unlink.
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

/// The same in fewer steps. One call creates the object with its size and maps it before any other
/// process can see the name. The end of the scope unmaps and closes it.
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
    println!("  the last number is {}", ints.load(INTS - 1));
    shm.unlink()?;
    Ok(())
}

/// An object without a name cannot leak. Another process inherits its descriptor, here as its
/// standard input.
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

/// The second process: maps the object that it inherited.
fn reader() -> Result<(), Box<dyn Error>> {
    let shm = Shm::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mapping = shm.map()?;
    let ints = mapping.slice::<i32>(0, INTS)?;
    for i in 0..INTS {
        println!("  {i}: {}", ints.load(i));
    }
    Ok(())
}
