//! Waiting for shared memory and for a socket at once, as event loops and async runtimes do: an
//! `eventfd` is sent beside the object, and the other side writes to it.
//!
//! Type this in the repository:
//!
//! ```sh
//! cargo run --example eventfd
//! ```
//!
//! You should see this. How often the process was woken differs each time:
//!
//! ```text
//! the other process says: half of them are written
//! the other process says: that was all
//! 200000 numbers came, and woke this process 393 times; their sum is 20000100000
//! ```
//!
//! It waits with `poll`, as an event loop does. With tokio it is this, and no thread is blocked:
//!
//! ```text
//! // SAFETY: the file stays open, and the same one, as long as the AsyncFd lives.
//! let bell = unsafe { AsyncFd::register(bell)? }; // AsyncFd::new in older versions
//! loop {
//!     consumer.take_all();
//!     if consumer.may_sleep() {
//!         let mut ready = bell.readable().await?;
//!         let _ = ready.try_io(|bell| bell.get_ref().read(&mut [0; 8]));
//!     }
//! }
//! ```
//!
//! If the other side has no `eventfd`, and calls `notify_all` or sets an `Event`, a thread must
//! wait for it. Give it a limit, since it cannot be cancelled:
//!
//! ```text
//! let mapping = Arc::clone(&mapping);
//! let wait = move || mapping.event(0)?.wait(Duration::from_secs(1));
//! let is_set = tokio::task::spawn_blocking(wait).await??;
//! ```

use std::env;
use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::Ordering::SeqCst;

use posix_shm::transfer::{self, Foreign};
use posix_shm::{Mapping, ReadWrite, SharedAtomic, SharedSlice, Shm};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The argument that makes this program the second process.
const PRODUCER: &str = "--producer";

const NUMBERS: usize = 200_000;

// What is where in the object.
const WRITTEN: usize = 0;
const SLEEPS: usize = 64;
const FIRST: usize = 128;
const SIZE: usize = FIRST + NUMBERS * size_of::<u64>();

fn main() -> Result<()> {
    if env::args().any(|argument| argument == PRODUCER) { produce() } else { lead() }
}

/// The object, as both sides see it.
struct Shared<'m> {
    written: SharedAtomic<'m, u32>,
    /// 1 while the consumer sleeps, or is about to. So while it is busy, nobody has to wake it, and
    /// the producer makes no system call.
    sleeps: SharedAtomic<'m, u32>,
    numbers: SharedSlice<'m, u64>,
}

impl<'m> Shared<'m> {
    fn of(mapping: &'m Mapping<ReadWrite>) -> Result<Shared<'m>> {
        Ok(Shared {
            written: mapping.atomic(WRITTEN)?,
            sleeps: mapping.atomic(SLEEPS)?,
            numbers: mapping.slice(FIRST, NUMBERS)?,
        })
    }
}

/// Starts the other process, and takes the numbers that it writes.
fn lead() -> Result<()> {
    let object = Shm::anonymous(SIZE as u64)?;
    let mapping = object.map_mut()?;
    let (mut bell, theirs) = bell()?;
    let (mut socket, stdin) = UnixStream::pair()?;
    let mut command = Command::new(env::current_exe()?);
    let mut producer = command.arg(PRODUCER).stdin(OwnedFd::from(stdin)).spawn()?;
    // It has the other end of the socket: with it open here, the socket would never end.
    drop(command);
    // Any descriptor can be sent beside an object.
    transfer::send(&socket, &[&object, &Shm::from(theirs)], b"an object and a bell")?;

    let mut consumer = Consumer { shared: Shared::of(&mapping)?, taken: 0, sum: 0 };
    let mut woken = 0;
    let mut message = [0; 64];
    loop {
        consumer.take_all();
        if !consumer.may_sleep() {
            continue;
        }
        let [rings, speaks] = poll(&bell, &socket)?;
        if rings {
            woken += 1;
            // How often it has rung since the last time, which does not matter.
            let _ = bell.read(&mut [0; 8])?;
        }
        if speaks {
            match socket.read(&mut message)? {
                0 => break,
                len => print!("{}", String::from_utf8_lossy(&message[..len])),
            }
        }
    }
    consumer.take_all();
    let (taken, sum) = (consumer.taken, consumer.sum);
    println!("{taken} numbers came, and woke this process {woken} times; their sum is {sum}");
    if producer.wait()?.success() { Ok(()) } else { Err("the other process failed".into()) }
}

/// The side that sleeps.
struct Consumer<'m> {
    shared: Shared<'m>,
    taken: usize,
    sum: u64,
}

impl Consumer<'_> {
    fn take_all(&mut self) {
        self.shared.sleeps.store(0, SeqCst);
        // A peer could have written anything there.
        let written = (self.shared.written.load(SeqCst) as usize).min(NUMBERS);
        for index in self.taken..written {
            self.sum += self.shared.numbers.load(index);
        }
        self.taken = self.taken.max(written);
    }

    /// Says that it sleeps, and only then looks for the last time. The producer does it the other
    /// way round: it writes, and then looks whether the consumer sleeps. So one sees the other.
    fn may_sleep(&self) -> bool {
        self.shared.sleeps.store(1, SeqCst);
        self.shared.written.load(SeqCst) as usize <= self.taken
    }
}

/// The second process: it receives an object and a bell, writes numbers, and rings.
fn produce() -> Result<()> {
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut bell = None;
    let mut received = transfer::receive_with(&socket, &mut [0; 64], |other| {
        if let Foreign::Descriptor(descriptor) = other {
            bell = Some(File::from(descriptor));
        }
    })?;
    let object = received.objects.next().ok_or("no object came")?;
    let mut bell = bell.ok_or("no bell came")?;
    let mapping = object.map_mut()?;
    let shared = Shared::of(&mapping)?;
    for index in 0..NUMBERS {
        shared.numbers.store(index, index as u64 + 1);
        shared.written.store(index as u32 + 1, SeqCst);
        if shared.sleeps.load(SeqCst) == 1 {
            shared.sleeps.store(0, SeqCst);
            bell.write_all(&1_u64.to_ne_bytes())?;
        }
        if index == NUMBERS / 2 {
            socket.write_all(b"the other process says: half of them are written\n")?;
        }
    }
    socket.write_all(b"the other process says: that was all\n")?;
    Ok(())
}

/// Both ends of what wakes a process: one to wait for, and one to write 8 bytes to.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[expect(clippy::disallowed_methods, reason = "this is no library")]
fn bell() -> io::Result<(File, OwnedFd)> {
    use std::os::fd::FromRawFd;

    // SAFETY: passes no pointer.
    let number = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if number < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just made this descriptor, and nothing else uses it.
    let bell = unsafe { OwnedFd::from_raw_fd(number) };
    Ok((File::from(bell.try_clone()?), bell))
}

/// Where there is no `eventfd`, a pair of sockets does the same.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn bell() -> io::Result<(File, OwnedFd)> {
    let (here, there) = UnixStream::pair()?;
    here.set_nonblocking(true)?;
    Ok((File::from(OwnedFd::from(here)), OwnedFd::from(there)))
}

/// Sleeps until one of them can be read, and returns which.
#[expect(clippy::disallowed_methods, reason = "this is no library")]
fn poll(bell: &File, socket: &UnixStream) -> io::Result<[bool; 2]> {
    let mut both = [bell.as_raw_fd(), socket.as_raw_fd()].map(|fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    });
    loop {
        // SAFETY: the pointer is to two structures, which outlive the call.
        if unsafe { libc::poll(both.as_mut_ptr(), 2, -1) } >= 0 {
            return Ok(both.map(|it| it.revents != 0));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
