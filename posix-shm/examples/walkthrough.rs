//! A tour of the library, in three parts: an object with a name, the same step by step as in Common
//! Lisp, and an object without a name that another process reads.
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
//! with a name, in few steps:
//!   the last number is 90
//! with a name, step by step:
//!   0: 0
//!   …
//!   9: 90
//! without a name, read by another process:
//!   0: 0
//!   …
//!   9: 90
//! ```

use std::env;
use std::error::Error;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::process::Command;

use posix_shm::{
    Direction, IfExists, MapOptions, Mapping, OpenOptions, Permissions, Shm, ShmName, capabilities,
    unlink,
};

/// The argument that makes this program the second process.
const READER: &str = "--reader";

const INTS: usize = 10;
const BYTES: usize = INTS * size_of::<i32>();

fn main() -> Result<(), Box<dyn Error>> {
    if env::args().any(|argument| argument == READER) {
        return reader();
    }
    if capabilities().named {
        in_few_steps()?;
        step_by_step()?;
    }
    without_a_name()
}

/// What we advise: a name that nobody can guess or take first, an object that has its length and
/// its memory before others can open it, and permissions for this user alone, which is the default.
fn in_few_steps() -> Result<(), Box<dyn Error>> {
    println!("with a name, in few steps:");
    let name = ShmName::random("example.")?;
    // The name is removed at the end of the scope, also after an error.
    let object = Shm::create(&name, BYTES as u64)?.unlink_on_drop();
    write(&object.map_mut()?)?;

    // Another process that knows the name does this.
    let reader = Shm::open(&name)?.map()?;
    println!("  the last number is {}", reader.slice::<i32>(0, INTS)?.load(INTS - 1));
    Ok(())
}

/// Every step on its own, as in Common Lisp: create, set the size, map twice, write, read, unmap,
/// close, unlink.
fn step_by_step() -> Result<(), Box<dyn Error>> {
    println!("with a name, step by step:");
    let name = ShmName::random("example.")?;
    let shm = OpenOptions::new()
        .direction(Direction::Io)
        .if_exists(IfExists::Supersede)
        .permissions(Permissions::USER_ALL)
        .open(&name)?;
    shm.set_len(BYTES as u64)?;

    let writer = MapOptions::new().len(BYTES).map_mut(&shm)?;
    let reader = MapOptions::new().len(BYTES).map(&shm)?;
    write(&writer)?;
    for i in 0..INTS {
        println!("  {i}: {}", reader.slice::<i32>(0, INTS)?.load(i));
    }

    reader.unmap()?;
    writer.unmap()?;
    shm.close()?;
    unlink(&name)?;
    Ok(())
}

/// An object without a name cannot leak. Another process inherits its descriptor, here as its
/// standard input.
fn without_a_name() -> Result<(), Box<dyn Error>> {
    println!("without a name, read by another process:");
    let (object, mapping) =
        OpenOptions::new().direction(Direction::Io).size(BYTES as u64).open_anonymous_mapped()?;
    write(&mapping)?;
    let status =
        Command::new(env::current_exe()?).arg(READER).stdin(File::from(object)).status()?;
    if status.success() { Ok(()) } else { Err(format!("the reader failed: {status}").into()) }
}

/// Stores ten numbers at the start of a mapping.
fn write(mapping: &Mapping) -> Result<(), Box<dyn Error>> {
    let ints = mapping.slice::<i32>(0, INTS)?;
    for i in 0..INTS {
        ints.store(i, i32::try_from(i)? * 10);
    }
    Ok(())
}

/// The second process: maps the object that it inherited.
fn reader() -> Result<(), Box<dyn Error>> {
    let object = Shm::from_fd(io::stdin().as_fd().try_clone_to_owned()?, None)?;
    let mapping = object.map()?;
    let ints = mapping.slice::<i32>(0, INTS)?;
    for i in 0..INTS {
        println!("  {i}: {}", ints.load(i));
    }
    Ok(())
}
