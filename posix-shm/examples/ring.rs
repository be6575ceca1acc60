//! A ring between two programs: one sends records, the other receives them, and each can be killed
//! at any time.
//!
//! Type this in the repository, each line in a terminal of its own, in any order:
//!
//! ```sh
//! cargo run --example ring -- producer
//! cargo run --example ring -- consumer
//! ```
//!
//! You should see lines like these, two in a second, with numbers that grow. The first two are in
//! the terminal of the producer, the others in that of the consumer:
//!
//! ```text
//! producer: the next record is 1
//! producer: 1310720 sent, 512 in the ring, slept 25 times, the consumer is there
//! consumer: the next record is 1
//! consumer: 1310208 received, 512 in the ring, slept 11 times, the producer is there
//! ```
//!
//! Kill one of them with Ctrl-C or `kill -9`. The other one says that it is gone, and sleeps.
//! Start it again: it goes on where it was. No record is lost or damaged; the consumer only sees
//! the one again that it had just begun with. Kill both, and the ring stays for the next two.
//!
//! ```sh
//! cargo run --example ring -- producer /my-ring 5000 # another name, and the last record
//! cargo run --example ring -- remove /my-ring        # removes the ring, if nobody uses it
//! ```
//!
//! After the last record both end, and the one that ends last removes the ring.
//!
//! It needs presence and locks: Linux.

#![forbid(unsafe_code)]

use std::env;
use std::error::Error;
use std::io::ErrorKind;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant};

use posix_shm::{
    Direction, Event, IfDoesNotExist, Lock, Mapping, OpenOptions, ReadWrite, SharedAtomic,
    SharedSlice, Shm, capabilities,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// 64 bytes: the record's number, and words that follow from it.
type Record = [u64; 8];

/// How many records the ring has room for.
const SLOTS: u64 = 1024;

// What is where in the object. What two processes write is in different cache lines.
const LAYOUT: usize = 0;
const WRITTEN: usize = 64;
const READ: usize = 128;
const ENDED: usize = 192;
const FILLED: usize = 256;
const EMPTIED: usize = 320;
const RECORDS: usize = 384;
const SIZE: usize = RECORDS + SLOTS as usize * size_of::<Record>();

/// What stands at [`LAYOUT`]. Another layout would have another number.
const THIS_LAYOUT: u64 = u64::from_le_bytes(*b"ring 001");

/// How often to say how far it is, and to look around although nobody has woken us.
const EACH: Duration = Duration::from_millis(500);

fn main() -> Result<()> {
    if !capabilities().lock {
        return Err("this system has no presence or no locks".into());
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let name = arguments.get(1).copied().unwrap_or("/example.ring");
    match arguments[..] {
        ["producer"] | ["producer", _] => produce(name, u64::MAX),
        ["producer", _, last] => produce(name, last.parse()?),
        ["consumer"] | ["consumer", _] => consume(name),
        ["remove"] | ["remove", _] => {
            let is_gone = remove(name)?;
            println!("{name} is {}", if is_gone { "removed" } else { "in use" });
            Ok(())
        }
        _ => Err("type one of: producer [NAME [LAST]], consumer [NAME], remove [NAME]".into()),
    }
}

/// The ring, as both sides see it. Zeros are an empty one, so there is nothing to set up.
///
/// Each number has one writer, who changes nothing else to hand a record over. So a process that
/// is killed, at whatever instruction, leaves nothing half-done.
struct Ring<'m> {
    /// How many records the producer has written, since the ring was made.
    written: SharedAtomic<'m, u64>,
    /// How many of them the consumer is done with.
    read: SharedAtomic<'m, u64>,
    /// 1 after the last record.
    ended: SharedAtomic<'m, u32>,
    /// The consumer waits for this one, and the producer for the other.
    filled: Event<'m>,
    emptied: Event<'m>,
    records: SharedSlice<'m, Record>,
}

impl<'m> Ring<'m> {
    fn of(mapping: &'m Mapping<ReadWrite>) -> Result<Ring<'m>> {
        Ok(Ring {
            written: mapping.atomic(WRITTEN)?,
            read: mapping.atomic(READ)?,
            ended: mapping.atomic(ENDED)?,
            filled: mapping.event(FILLED)?,
            emptied: mapping.event(EMPTIED)?,
            records: mapping.slice(RECORDS, SLOTS as usize)?,
        })
    }

    /// How many records are in the ring.
    fn len(&self) -> Result<u64> {
        // One of the two is the caller's own, so it stays the same meanwhile.
        let (written, read) = (self.written.load(Acquire), self.read.load(Acquire));
        match written.checked_sub(read) {
            Some(len) if len <= SLOTS => Ok(len),
            _ => Err(format!("the ring is damaged: {written} written and {read} read").into()),
        }
    }
}

/// Opens the ring, or makes one. The handle says that this process uses it.
fn open(name: &str) -> Result<(Shm, Mapping<ReadWrite>)> {
    // Nobody sees the object before it has its layout.
    let object = present(SIZE).open_with::<posix_shm::Error>(name, |new| {
        new.map_mut()?.cell(LAYOUT)?.store(THIS_LAYOUT);
        Ok(())
    })?;
    let mapping = object.map_mut()?;
    if mapping.len() < SIZE || mapping.cell::<u64>(LAYOUT)?.load() != THIS_LAYOUT {
        return Err(format!("{name} is not a ring of this program: take another name").into());
    }
    Ok((object, mapping))
}

fn present(size: usize) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).if_does_not_exist(IfDoesNotExist::Create);
    options.size(size as u64).present(true);
    options
}

/// The right to be the producer, or the consumer: the lock of a small object. The kernel gives it
/// back if the process is killed, and not before the process has stopped.
struct Seat {
    #[expect(dead_code, reason = "given back before the presence on the object ends")]
    lock: Lock,
    /// Present, so that others see that the seat is taken.
    #[expect(dead_code, reason = "as above")]
    object: Shm,
}

impl Seat {
    fn name(ring: &str, role: &str) -> String {
        format!("{ring}.{role}")
    }

    fn take(ring: &str, role: &str) -> Result<Seat> {
        let object = present(1).open(Seat::name(ring, role))?;
        match object.lock_for(Duration::from_secs(1))? {
            Some(lock) => Ok(Seat { lock, object }),
            None => Err(format!("{ring} has a {role} already").into()),
        }
    }

    /// Takes no lock, so nobody notices.
    fn is_taken(ring: &str, role: &str) -> Result<bool> {
        Ok(match existing(&Seat::name(ring, role))? {
            Some(seat) => !seat.is_unused()?,
            None => false,
        })
    }
}

/// Sends the records up to this number, whoever has sent those before.
fn produce(name: &str, last: u64) -> Result<()> {
    let seat = Seat::take(name, "producer")?;
    let (object, mapping) = open(name)?;
    // Only a producer waits here. One that was killed while it waited is counted no more.
    mapping.cell::<u64>(EMPTIED)?.store(0);
    let ring = Ring::of(&mapping)?;
    ring.ended.store(0, Relaxed);
    // Ours alone: nobody else has the seat.
    let mut sent = ring.written.load(Acquire);
    println!("producer: the next record is {}", sent + 1);
    let mut progress = Progress::new();
    while sent < last {
        if ring.len()? < SLOTS {
            // If we are killed before the second line, the record does not count, and the next
            // producer writes it again. If it is before the third, the consumer looks by itself.
            ring.records.store((sent % SLOTS) as usize, record(sent + 1));
            ring.written.store(sent + 1, Release);
            ring.filled.set()?;
            sent += 1;
        } else {
            ring.emptied.reset();
            if ring.len()? == SLOTS {
                progress.sleep(&ring.emptied)?;
            }
        }
        if progress.is_due() {
            progress.print(name, "producer", &format!("{sent} sent"), &ring, "consumer")?;
        }
    }
    ring.ended.store(1, Release);
    ring.filled.set()?;
    // From here on the ring is the consumer's, if there is anything left in it.
    drop((object, seat));
    let left = ring.len()?;
    println!("producer: the last record was {sent}; {left} are still in the ring");
    if left == 0 {
        remove(name)?;
    }
    Ok(())
}

/// Receives records until the last one.
fn consume(name: &str) -> Result<()> {
    let seat = Seat::take(name, "consumer")?;
    let (object, mapping) = open(name)?;
    // As in `produce`.
    mapping.cell::<u64>(FILLED)?.store(0);
    let ring = Ring::of(&mapping)?;
    let mut received = ring.read.load(Acquire);
    println!("consumer: the next record is {}", received + 1);
    let mut progress = Progress::new();
    loop {
        let has_ended = ring.ended.load(Acquire) == 1;
        if ring.len()? > 0 {
            // A copy: whatever the producer does now, it stays the same.
            let copy = ring.records.load((received % SLOTS) as usize);
            use_up(received + 1, &copy)?;
            // If we are killed before this, the next consumer has the record again.
            ring.read.store(received + 1, Release);
            ring.emptied.set()?;
            received += 1;
        } else if has_ended {
            break;
        } else {
            ring.filled.reset();
            if ring.len()? == 0 && ring.ended.load(Acquire) == 0 {
                progress.sleep(&ring.filled)?;
            }
        }
        if progress.is_due() {
            progress.print(name, "consumer", &format!("{received} received"), &ring, "producer")?;
        }
    }
    println!("consumer: the last record was {received}");
    drop((object, seat));
    remove(name)?;
    Ok(())
}

fn record(number: u64) -> Record {
    let mut record = [number; 8];
    for (index, word) in record.iter_mut().enumerate().skip(1) {
        *word = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(8 * index as u32);
    }
    record
}

/// What a real program does with a record. This one looks whether it is the right one, and whole.
fn use_up(number: u64, found: &Record) -> Result<()> {
    if *found == record(number) {
        Ok(())
    } else {
        Err(format!("instead of record {number} there is {found:x?}").into())
    }
}

/// Says now and then how far it is.
struct Progress {
    printed: Instant,
    /// How many records there were since the clock was read.
    records: u32,
    slept: u64,
}

impl Progress {
    /// Reading the clock takes about as long as sending a record.
    const RECORDS: u32 = 256;

    fn new() -> Progress {
        Progress { printed: Instant::now(), records: 0, slept: 0 }
    }

    /// Waits until the other side has done something. If it was killed before it could say so, we
    /// look ourselves when the time is up.
    fn sleep(&mut self, event: &Event<'_>) -> Result<()> {
        self.slept += 1;
        self.records = Progress::RECORDS;
        event.wait(EACH)?;
        Ok(())
    }

    fn is_due(&mut self) -> bool {
        self.records += 1;
        if self.records < Progress::RECORDS {
            return false;
        }
        self.records = 0;
        let is_due = self.printed.elapsed() >= EACH;
        if is_due {
            self.printed = Instant::now();
        }
        is_due
    }

    fn print(&self, name: &str, us: &str, done: &str, ring: &Ring<'_>, other: &str) -> Result<()> {
        let is = if Seat::is_taken(name, other)? { "is there" } else { "is gone" };
        let (len, slept) = (ring.len()?, self.slept);
        println!("{us}: {done}, {len} in the ring, slept {slept} times, the {other} {is}");
        Ok(())
    }
}

/// Removes the ring and the seats, each if no process uses it. False if the ring is in use.
fn remove(name: &str) -> Result<bool> {
    let remove_one = |name: &str| -> Result<bool> {
        Ok(match existing(name)? {
            Some(object) => object.unlink_if_unused()?,
            None => true,
        })
    };
    for role in ["producer", "consumer"] {
        remove_one(&Seat::name(name, role))?;
    }
    remove_one(name)
}

fn existing(name: &str) -> Result<Option<Shm>> {
    match Shm::open(name) {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
