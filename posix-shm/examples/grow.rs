//! A log that becomes longer while another process reads it.
//!
//! Type this in the repository:
//!
//! ```sh
//! cargo run --example grow
//! ```
//!
//! You should see this:
//!
//! ```text
//! the reader has added up 1000000 numbers: 500000500000
//! the object has grown from 65536 to 8388608 bytes, in 7 steps
//! ```
//!
//! Both sides keep addresses free behind their mappings (`capacity`), so nothing moves. The reader
//! has a read-only mapping, and need not trust the number that says how much there is.

use std::env;
use std::error::Error;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::Ordering::Release;
use std::time::Duration;

use posix_shm::{MapOptions, Moved, Shm, capabilities};

/// The argument that makes this program the second process.
const READER: &str = "--reader";

/// Where the numbers begin. Before them, at 0, is how many there are: a `u32`.
const NUMBERS: usize = 4096;
const BATCH: usize = 1000;
const BATCHES: usize = 1000;
const FIRST_LEN: usize = 1 << 16;
/// How long the mappings may become: a gigabyte of addresses takes no memory.
const CAPACITY: usize = 1 << 30;

fn main() -> Result<(), Box<dyn Error>> {
    if env::args().any(|argument| argument == READER) {
        return read();
    }
    if !capabilities().resize {
        println!("an object gets its length only once on this system");
        return Ok(());
    }
    let object = Shm::anonymous(FIRST_LEN as u64)?;
    let mut reader = Command::new(env::current_exe()?)
        .arg(READER)
        .stdin(File::from(object.try_clone()?))
        .spawn()?;
    let steps = write(&object);
    let status = reader.wait()?;
    if !status.success() {
        return Err(format!("the reader failed: {status}").into());
    }
    let (steps, len) = (steps?, object.len()?);
    println!("the object has grown from {FIRST_LEN} to {len} bytes, in {steps} steps");
    Ok(())
}

/// The writer: adds batches of numbers, and makes the object longer when it is full. Returns how
/// often it did.
fn write(object: &Shm) -> Result<u32, Box<dyn Error>> {
    let mut mapping = MapOptions::new().capacity(CAPACITY).map_mut(object)?;
    let mut steps = 0;
    for batch in 0..BATCHES {
        let from = batch * BATCH;
        let numbers: Vec<u64> = (from..from + BATCH).map(|number| number as u64 + 1).collect();
        let at = NUMBERS + from * size_of::<u64>();
        if at + BATCH * size_of::<u64>() > mapping.len() {
            let longer = 2 * mapping.len();
            // If there is no memory for it, the error comes here.
            object.grow(longer as u64)?;
            assert_eq!(mapping.grow(object, longer)?, Moved::No);
            steps += 1;
        }
        mapping.slice(at, BATCH)?.copy_from(&numbers);
        // First the numbers, then how many there are.
        let count = mapping.atomic::<u32>(0)?;
        count.store((from + BATCH) as u32, Release);
        count.notify_all()?;
    }
    Ok(steps)
}

/// The reader: adds up the numbers as they come.
fn read() -> Result<(), Box<dyn Error>> {
    let object = Shm::from_fd(io::stdin().as_fd().try_clone_to_owned()?, None)?;
    let mut mapping = MapOptions::new().capacity(CAPACITY).map(&object)?;
    let (mut seen, mut sum) = (0, 0);
    while seen < BATCH * BATCHES {
        // Sleeps until there are more.
        let more = mapping
            .atomic::<u32>(0)?
            .wait_while(|count| count as usize == seen, Duration::from_secs(60))?;
        let count = more.ok_or("nothing has come for a minute")? as usize;
        if NUMBERS + count * size_of::<u64>() > mapping.len() {
            mapping.grow(&object, usize::try_from(object.len()?)?)?;
        }
        // If the count is wrong, this is an error, since it is checked against the mapping.
        let numbers = mapping.slice::<u64>(NUMBERS, count)?;
        sum += numbers.range(seen..).iter().sum::<u64>();
        seen = count;
    }
    println!("the reader has added up {seen} numbers: {sum}");
    Ok(())
}
