//! A `/dev/shm` of 64 MB, as a container has it, and what to do with an object that does not fit.
//!
//! Type this in a container with 64 MB:
//!
//! ```sh
//! cargo run --example container
//! ```
//!
//! Or have such a `/dev/shm` for this one command, on any Linux:
//!
//! ```sh
//! unshare --map-root-user --mount sh -c \
//!     'mount -t tmpfs -o size=64m tmpfs /dev/shm && cargo run --example container'
//! ```
//!
//! You should see this, with the whole message in the place of `…`:
//!
//! ```text
//! a named object of 80 MiB:
//!   reserve 83886080 bytes for "/example.…
//! an anonymous object of 80 MiB:
//!   another process has read its last byte: 7
//! ```
//!
//! If `/dev/shm` is large enough, the second line is `it fits`.

use std::env;
use std::error::Error;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::process::Command;

use posix_shm::{Shm, ShmName, capabilities};

/// The argument that makes this program the second process.
const READER: &str = "--reader";

const BYTES: u64 = 80 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    if env::args().any(|argument| argument == READER) {
        return reader();
    }
    if capabilities().named {
        println!("a named object of 80 MiB:");
        match Shm::create(ShmName::random("example.")?, BYTES) {
            Ok(object) => {
                object.unlink()?;
                println!("  it fits");
            }
            // An error now, and not a signal when the memory is used. It says what helps.
            Err(error) if error.kind() == ErrorKind::StorageFull => println!("  {error}"),
            Err(error) => return Err(error.into()),
        }
    }

    // The way out. On Linux an object without a name is not in /dev/shm. Only the limit of the
    // container's memory counts.
    println!("an anonymous object of 80 MiB:");
    let object = match Shm::anonymous(BYTES) {
        // Where anonymous objects have no place of their own.
        Err(error) if error.kind() == ErrorKind::StorageFull => {
            println!("  {error}");
            return Ok(());
        }
        other => other?,
    };
    object.map_mut()?.bytes().store(BYTES as usize - 1, 7);
    // It has no name, so the other process inherits it, here as its standard input.
    let status =
        Command::new(env::current_exe()?).arg(READER).stdin(File::from(object)).status()?;
    if status.success() { Ok(()) } else { Err(format!("the reader failed: {status}").into()) }
}

/// The second process: maps the object that it inherited.
fn reader() -> Result<(), Box<dyn Error>> {
    let object = Shm::from_fd(io::stdin().as_fd().try_clone_to_owned()?, None)?;
    let last = object.map()?.bytes().load(BYTES as usize - 1);
    println!("  another process has read its last byte: {last}");
    Ok(())
}
