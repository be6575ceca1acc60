//! Video frames for other programs: one writes frames of 1920 by 1080 pixels, and any number of
//! others copy the newest complete one. Each can be killed at any time.
//!
//! Type this in the repository, each line in a terminal of its own, in any order:
//!
//! ```sh
//! cargo run --example frames -- producer
//! cargo run --example frames -- consumer
//! ```
//!
//! You should see lines like these, one in a second, with numbers that grow. The first two are in
//! the terminal of the producer, the others in that of the consumer:
//!
//! ```text
//! producer: the next frame is 1
//! producer: frame 60 is written
//! consumer: waiting for frames in /example.frames
//! consumer: frame 61, 60 received, 0 skipped
//! ```
//!
//! A second consumer sees the same frames. Kill the producer with Ctrl-C or `kill -9`: the
//! consumers say that it is gone, keep the last frame, and go on when the next producer does. They
//! check each pixel, and never accept a frame that is not whole.
//!
//! ```sh
//! cargo run --example frames -- producer /my-frames 600 # another name, and how many frames
//! cargo run --example frames -- consumer /my-frames 300
//! cargo run --example frames -- remove /my-frames       # removes them, if nobody uses them
//! ```
//!
//! It needs presence and locks: Linux. The object has 25 MB.

#![forbid(unsafe_code)]

use std::env;
use std::error::Error;
use std::io::ErrorKind;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::thread;
use std::time::{Duration, Instant};

use posix_shm::{
    Direction, IfDoesNotExist, Mapping, OpenOptions, SeqCell, SeqSlice, Shared, Shm, capabilities,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const WIDTH: usize = 1920;
const HEIGHT: usize = 1080;

/// The rows of pixels, and in front of them a row whose first word is the frame's number.
const WORDS: usize = WIDTH * (1 + HEIGHT);

/// The newest frame, the one that is being written, and one in between: so whoever has just begun
/// to copy the newest one has at least the time of a frame for it.
const SLOTS: usize = 3;

// What is where in the object.
const LAYOUT: usize = 0;
const NEWEST: usize = 64;
const FRAMES: usize = 4096;
const SLOT: usize = (SeqCell::<u32>::VALUE + 4 * WORDS).next_multiple_of(4096);
const SIZE: usize = FRAMES + SLOTS * SLOT;

/// What stands at [`LAYOUT`]. Another layout would have another number.
const THIS_LAYOUT: u64 = u64::from_le_bytes(*b"frames 1");

/// How often to say how far it is, and to look around although nobody has woken us.
const EACH: Duration = Duration::from_secs(1);

/// From one frame to the next.
const PAUSE: Duration = Duration::from_micros(16_667);

fn main() -> Result<()> {
    if !capabilities().lock {
        return Err("this system has no presence or no locks".into());
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let name = arguments.get(1).copied().unwrap_or("/example.frames");
    match arguments[..] {
        ["producer"] | ["producer", _] => produce(name, u32::MAX),
        ["producer", _, count] => produce(name, count.parse()?),
        ["consumer"] | ["consumer", _] => consume(name, u32::MAX),
        ["consumer", _, count] => consume(name, count.parse()?),
        ["remove"] | ["remove", _] => {
            println!("{name} is {}", if remove(name)? { "removed" } else { "in use" });
            Ok(())
        }
        _ => Err("type: producer [NAME [FRAMES]], consumer [NAME [FRAMES]], remove [NAME]".into()),
    }
}

/// The place of a frame: its number decides which it is.
fn slot<A: Shared>(mapping: &Mapping<A>, number: u32) -> Result<SeqSlice<'_, u32, A>> {
    Ok(mapping.seq_slice(FRAMES + number as usize % SLOTS * SLOT, WORDS)?)
}

/// Writes frames, and goes on from the last one of whoever has written before.
fn produce(name: &str, count: u32) -> Result<()> {
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).if_does_not_exist(IfDoesNotExist::Create);
    options.size(SIZE as u64).present(true);
    // Nobody sees the object before it has its layout.
    let object = options.open_with::<posix_shm::Error>(name, |new| {
        new.map_mut()?.cell(LAYOUT)?.store(THIS_LAYOUT);
        Ok(())
    })?;
    // The kernel gives it back if we are killed, and not before we have stopped: whoever has it
    // knows that no other producer writes.
    let Some(lock) = object.lock_for(EACH)? else {
        return Err(format!("{name} has a producer already").into());
    };
    let mapping = object.map_mut()?;
    check_layout(name, &mapping)?;
    let newest = mapping.atomic::<u32>(NEWEST)?;
    let mut number = newest.load(Acquire);
    println!("producer: the next frame is {}", number.wrapping_add(1));
    let painter = Painter::new();
    let mut frame = vec![0; WORDS];
    let mut printed = Instant::now();
    for _ in 0..count {
        let started = Instant::now();
        // Zero means that there is no frame yet.
        number = number.wrapping_add(1).max(1);
        painter.paint(number, &mut frame);
        let slot = slot(&mapping, number)?;
        match slot.copy_from(&frame) {
            // The last producer was killed while it wrote this very slot, since we have its lock.
            Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                println!("producer: frame {number} is half-written; writing it again");
                slot.lock().reset(|| slot.values().copy_from(&frame))?;
            }
            result => result?,
        }
        // Only now does it count. If we are killed before, the next producer writes it again.
        newest.store(number, Release);
        newest.notify_all()?;
        if printed.elapsed() >= EACH {
            printed = Instant::now();
            println!("producer: frame {number} is written");
        }
        thread::sleep(PAUSE.saturating_sub(started.elapsed()));
    }
    println!("producer: the last frame was {number}");
    drop((lock, object));
    remove(name)?;
    Ok(())
}

/// Copies the newest frame whenever there is one. It needs no right to write.
fn consume(name: &str, count: u32) -> Result<()> {
    println!("consumer: waiting for frames in {name}");
    let mut options = OpenOptions::new();
    options.wait(EACH).present(true);
    let object = loop {
        match options.open(name) {
            Ok(object) => break object,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                println!("consumer: there was no producer yet");
            }
            Err(error) => return Err(error.into()),
        }
    };
    let mapping = object.map()?;
    check_layout(name, &mapping)?;
    let newest = mapping.atomic::<u32>(NEWEST)?;
    let painter = Painter::new();
    let mut frame = vec![0; WORDS];
    let (mut last, mut received, mut skipped) = (0, 0, 0);
    let mut printed = Instant::now();
    while received < count {
        if newest.wait_while(|number| !is_newer(number, last), EACH)?.is_none() {
            // It can only be locked if no producer has the lock.
            let is = if object.try_lock()?.is_some() { "gone" } else { "slow" };
            println!("consumer: still frame {last}; the producer is {is}");
            continue;
        }
        copy_newest(&mapping, &mut frame)?;
        let number = frame[0];
        if !painter.is_whole(number, &frame) || !is_newer(number, last) {
            return Err(format!("frame {number} after {last} is torn, or an old one").into());
        }
        // Before the first one that it sees, it has skipped none.
        if last != 0 {
            skipped += number.wrapping_sub(last) - 1;
        }
        received += 1;
        last = number;
        if printed.elapsed() >= EACH {
            printed = Instant::now();
            println!("consumer: frame {number}, {received} received, {skipped} skipped");
        }
    }
    println!("consumer: {received} received, {skipped} skipped");
    drop(object);
    remove(name)?;
    Ok(())
}

/// Whether a frame came after the last one. Zero is no frame. After years the numbers wrap around.
fn is_newer(number: u32, last: u32) -> bool {
    number != 0 && (last == 0 || (1..1 << 31).contains(&number.wrapping_sub(last)))
}

/// Copies the newest frame out, whole. It may be one that is about to be the newest.
fn copy_newest<A: Shared>(mapping: &Mapping<A>, frame: &mut [u32]) -> Result<()> {
    let newest = mapping.atomic::<u32>(NEWEST)?;
    loop {
        let slot = slot(mapping, newest.load(Acquire))?;
        // Nothing, if the producer has gone round in the meantime. Then there are newer ones.
        if slot.lock().try_read(|| slot.values().copy_to(frame)).is_some() {
            return Ok(());
        }
    }
}

fn check_layout<A: Shared>(name: &str, mapping: &Mapping<A>) -> Result<()> {
    if mapping.len() < SIZE || mapping.cell::<u64>(LAYOUT)?.load() != THIS_LAYOUT {
        return Err(format!("{name} has no frames of this program: take another name").into());
    }
    Ok(())
}

/// Paints a frame that only this number has, in each of its pixels: stripes that move.
struct Painter {
    /// Twice the colours of a row, each at its own place.
    colours: Vec<u32>,
}

impl Painter {
    fn new() -> Painter {
        let colour = |at: usize| {
            let at = (at % WIDTH) as u32;
            // Blue and red, so that each place has another colour.
            at & 0xff | at >> 8 << 16
        };
        Painter { colours: (0..2 * WIDTH).map(colour).collect() }
    }

    fn row(&self, number: u32, row: usize) -> &[u32] {
        let start = (number as usize + row) % WIDTH;
        &self.colours[start..start + WIDTH]
    }

    fn paint(&self, number: u32, frame: &mut [u32]) {
        frame[..WIDTH].fill(number);
        for (row, pixels) in frame[WIDTH..].chunks_exact_mut(WIDTH).enumerate() {
            pixels.copy_from_slice(self.row(number, row));
        }
    }

    fn is_whole(&self, number: u32, frame: &[u32]) -> bool {
        let mut rows = frame[WIDTH..].chunks_exact(WIDTH).enumerate();
        frame[..WIDTH].iter().all(|word| *word == number)
            && rows.all(|(row, pixels)| pixels == self.row(number, row))
    }
}

/// Removes the frames, if no process uses them. False if one does.
fn remove(name: &str) -> Result<bool> {
    match Shm::open(name) {
        Ok(object) => Ok(object.unlink_if_unused()?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error.into()),
    }
}
