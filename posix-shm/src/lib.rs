//! POSIX shared memory: objects that processes on one machine create, find by name, size and map
//! into their memory.
//!
//! # From the top
//!
//! * [`Shm`] is the handle of an object. [`OpenOptions`] says which object to open or create, and
//!   what to do if it exists or does not. [`ShmName`] is a checked name.
//! * [`Mapping`] is memory backed by an object, made by [`Shm::map`] and [`Shm::map_mut`], or by
//!   [`MapOptions`] for a part of it. It outlives its handle. It can [grow](Mapping::grow), be
//!   [made present](Mapping::populate) beforehand, and have [huge pages](Mapping::collapse) that
//!   nobody had to configure.
//! * [`SharedSlice`] and [`SharedCell`] read and write the bytes of a mapping, soundly, whatever
//!   other processes do to them meanwhile: one value, many at the speed of `memcpy`, a field, a
//!   stream. [`OwnedSlice`] and [`OwnedCell`] are views that a structure can keep.
//! * [`ImmutableMapping`] is an ordinary `&[u8]`, of an object that nobody can change any more
//!   ([`Shm::make_immutable`]).
//! * [`SharedAtomic`] has the standard library's atomic operations, for counters, flags and locks.
//!   To have an `AtomicU64` in a header, declare a `u64` in the structure, and use
//!   [`field!`]`(…).atomic()`.
//! * [`SharedAtomic::wait`] sleeps until a word changes, in whatever process. [`Event`] is a flag
//!   to wait for, and [`SeqLock`] takes snapshots of data that somebody writes.
//! * [`Shm::presence`] tells other processes that this one uses an object, even if it is killed.
//!   [`Shm::unlink_if_unused`] cleans up what nobody uses, and [`Shm::lock`] lets one process at a
//!   time in.
//! * [`Shm::send`] and [`Shm::receive`] pass handles between processes, and the functions of
//!   [`transfer`] several, with bytes beside them. [`Shm::pass_to`] lets a child inherit one.
//!   [`Shm::inspect`] tells what a peer's object is before it is mapped. [`Shm::seal`] and
//!   [`Shm::read_only`] restrict what peers can do. [`list()`] and
//!   [`list_names`] list the named objects.
//! * [`Error`] names the operation, the object and the system's error number, and says what helps.
//!
//! The C functions are in the crate `posix-shm-sys`, with every constant as this system's headers
//! have it.
//!
//! # Example: two processes, one object
//!
//! ```
//! use posix_shm::{Shm, ShmName};
//!
//! // One process creates the object: ten ints, reserved and zeroed.
//! let name = ShmName::random("example.")?;
//! let writer = Shm::create(&name, 40)?.map_mut()?;
//! let numbers = writer.slice::<i32>(0, 10)?;
//! for i in 0..10 {
//!     numbers.store(i, 10 * i as i32);
//! }
//!
//! // Another opens it by its name and sees them.
//! let reader = Shm::open(&name)?.map()?;
//! assert_eq!(reader.slice::<i32>(0, 10)?.load(9), 90);
//!
//! // Remove the name once no one else needs it. The memory is freed with the last mapping.
//! posix_shm::unlink(&name)?;
//! # Ok::<(), posix_shm::Error>(())
//! ```
//!
//! # Example: no name at all
//!
//! ```
//! use std::os::unix::net::UnixStream;
//! use posix_shm::{Direction, OpenOptions, Shm};
//!
//! // It cannot be left behind: it is gone with its last handle and mapping.
//! let (object, mapping) =
//!     OpenOptions::new().direction(Direction::Io).size(1 << 20).open_anonymous_mapped()?;
//! mapping.bytes().store(0, 1);
//!
//! // A socket carries it to another process. A child may inherit the descriptor instead.
//! let (here, there) = UnixStream::pair()?;
//! object.send(&here)?;
//! let received = Shm::receive(&there)?;
//! assert_eq!(received.map()?.bytes().load(0), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Example programs
//!
//! Each is in the folder `examples` of this crate, and says what to type:
//!
//! * `walkthrough`: a tour of the library;
//! * `workers`: processes that inherit one object and fill a part of it each;
//! * `compositor`: a window on a Wayland desktop;
//! * `python`: an image that Python and numpy draw on.
//!
//! # Features
//!
//! * `bindgen`, on by default: generates the bindings with bindgen. Without it, the C compiler
//!   alone does it, with the same result.
//! * `serde`: [`ShmName`], [`Permissions`] and [`Seals`] can be serialized and deserialized. A name
//!   is a string, which is checked on the way in; permissions are a number, as in `0o640`; seals
//!   are a list of names.
//!
//! # Safety
//!
//! No safe function of this crate can cause undefined behaviour, whatever peers do to the bytes. A
//! *peer* is any other thread or process that can reach the same object. These rules make it so,
//! and the code cites them by number:
//!
//! 1. **Mapped memory stays outside every Rust allocation.** Safe code gets no `&[u8]`, `&mut [u8]`
//!    or `&T` into a [`Mapping`]. A reference promises that nobody writes, or that nobody else
//!    does, and no process can promise that for another. The functions that do return references
//!    are `unsafe`, and their contract says what the caller must promise. Only the kernel can
//!    promise it: safe code gets a `&[u8]` only into memory that the kernel has confirmed to be
//!    immutable ([`ImmutableMapping`]).
//! 2. **The compiler cannot change an access**: it is a volatile one, or it is done by code that
//!    the compiler cannot see into. So racing accesses of different sizes have the result that the
//!    hardware gives them; the compiler assumes nothing about them.
//! 3. **A value of 1, 2, 4 or 8 bytes at a multiple of its size is moved in one access**, so it is
//!    never torn. (For 8 bytes this holds on 64-bit machines. The atomic operations tear nothing on
//!    any machine.) Larger values are moved in parts, and so is everything that
//!    [`copy_to`](SharedSlice::copy_to) and the like copy. The result may mix what several peers
//!    wrote. If a peer writes an integer in parts, reading it gives a mix too.
//! 4. **Bounds and alignment are checked against the mapping**, once when a view is made and once
//!    for each index, and never against what a peer wrote. A mapping keeps its length while a view
//!    borrows it.
//! 5. **Only plain data is moved.** A type can be read if any bytes are a value of it
//!    ([`AnyBitPattern`]), and written if it has no uninitialised bytes ([`NoUninit`]).
//!
//! Where these rules hold:
//!
//! * Rule 2 holds for loads, stores and copies wherever Rust 1.85 has inline assembly: on `x86_64`,
//!   `x86`, `aarch64`, `arm`, `riscv64`, `riscv32`, `s390x` and `loongarch64`. One assumption
//!   remains: the documentation of volatile accesses says that they must not trap, and an access
//!   past the end of a shortened object does trap.
//! * For [`SharedAtomic`], rule 2 holds on `x86_64`, `x86`, `aarch64`, `arm` (version 7), `riscv64`
//!   (with the extension A), `s390x` and `loongarch64`, where its operations are machine code. It
//!   does not hold on ARM before version 7, on `riscv32`, on x32 and ILP32, nor in byte-wise mode,
//!   where they are the standard library's. Rust does not define a race of such an operation with
//!   an access of another size, and no compiler is known to exploit that.
//! * *Byte-wise mode* is used on all other architectures (such as PowerPC, MIPS and SPARC), under
//!   Miri and under `ThreadSanitizer`. Every plain access is made of atomics of one byte there, so
//!   rule 3 does not hold: any value of more than one byte may tear. Miri reports a race of an
//!   atomic operation with an access of another size. To avoid that, access such an integer only
//!   with atomic operations of its own size while others may access it: `atomic().load`, and not
//!   `load`. Some versions of Miri (November 2025 to July 2026) also stop with an error of their
//!   own at a store that has another size than an earlier atomic one, even if they do not race;
//!   `-Zmiri-disable-weak-memory-emulation` avoids it.
//!
//! What that leaves to you:
//!
//! * Values are copied out. Check the copy and use the copy: a second read may give another value.
//! * There is no mutex in memory here. [Waiting](SharedAtomic::wait) and [snapshots](SeqLock) do
//!   without. Decide what happens if a peer dies while it holds something. For what is rare,
//!   [`Shm::lock`] is a lock that the kernel gives back then.
//! * Plain loads and stores order nothing around them: a peer may see two stores in either order.
//!   To publish data, write it, then store a word that says so by a [`SharedAtomic`] with
//!   `Ordering::Release`. A peer that loads this word with `Ordering::Acquire` sees the data. What
//!   was stored before a system call that a peer waits for, such as [`Shm::send`], is seen after
//!   it.
//! * A peer with a writable handle can shorten the object or punch holes into it. A process that
//!   then touches a page past the end, or a hole for which no memory is left, is killed by
//!   `SIGBUS`. That is not undefined behaviour, and Rust cannot prevent it. [`Shm::may_fault`]
//!   tells whether it can still happen to an object. If it can, map the object only if you trust
//!   its writers, or use `read_at`.
//!
//! The top of `src/access/copy.rs` explains how the rules are kept, and why they are enough.
//!
//! # Between processes
//!
//! From a word that two processes share to data that goes from one to the other, in four steps. All
//! of them work between threads as well, and none allocates.
//!
//! 1. **A word.** [`Mapping::atomic`] has the standard library's operations. Store the data first,
//!    then the word with `Release`. Whoever loads the word with `Acquire` sees the data.
//! 2. **Sleeping until it changes.** [`SharedAtomic::wait_while`] spins for a moment, then sleeps
//!    until somebody calls [`notify_all`](SharedAtomic::notify_all) after storing the word. It
//!    looks again each second, so a peer that was killed before it could notify delays it and no
//!    more.
//! 3. **Not waking for nothing.** To notify is a system call, also if nobody waits. An [`Event`]
//!    counts who waits: setting it while nobody does costs some nanoseconds. To sleep until there
//!    is work, reset the event, look for work, and only then wait.
//! 4. **More than a word.** [`SeqCell`] is a value of any size that is never torn, for one writer
//!    and any readers. [`SeqSlice`] is the same for many values, such as a frame, and [`SeqLock`]
//!    for data anywhere. Readers need no right to write, and never stop the writer.
//!
//! ```
//! use std::sync::atomic::Ordering::{Acquire, Release};
//! use std::thread;
//!
//! // A queue for one writer and one reader: 16 numbers, the two ends, and an event.
//! let object = posix_shm::Shm::anonymous(4096)?;
//! let mapping = object.map_mut()?;
//! let slots = mapping.slice::<u64>(256, 16)?;
//! let (written, read) = (mapping.atomic::<u32>(0)?, mapping.atomic::<u32>(64)?);
//! let (filled, emptied) = (mapping.event(128)?, mapping.event(192)?);
//!
//! thread::scope(|scope| {
//!     // In another process it is the same.
//!     scope.spawn(|| {
//!         for number in 1..=1000_u32 {
//!             while written.load(Acquire).wrapping_sub(read.load(Acquire)) == 16 {
//!                 emptied.reset();
//!                 if written.load(Acquire).wrapping_sub(read.load(Acquire)) == 16 {
//!                     emptied.wait(None)?;
//!                 }
//!             }
//!             slots.store(written.load(Acquire) as usize % 16, number.into());
//!             written.fetch_add(1, Release);
//!             filled.set()?;
//!         }
//!         Ok::<(), posix_shm::Error>(())
//!     });
//!     let mut sum = 0;
//!     for _ in 0..1000 {
//!         while written.load(Acquire) == read.load(Acquire) {
//!             filled.reset();
//!             if written.load(Acquire) == read.load(Acquire) {
//!                 filled.wait(None)?;
//!             }
//!         }
//!         sum += slots.load(read.load(Acquire) as usize % 16);
//!         read.fetch_add(1, Release);
//!         emptied.set()?;
//!     }
//!     assert_eq!(sum, 500_500);
//!     Ok::<(), posix_shm::Error>(())
//! })?;
//! # Ok::<(), posix_shm::Error>(())
//! ```
//!
//! Between processes that do not trust each other, take what a peer stores as a hint: here, check
//! that the ends are at most 16 apart. A mutex that survives its owner, queues for several writers,
//! and messages belong to other crates. To wait for a peer and for sockets at once, send it an
//! `eventfd` or a pipe beside the object.
//!
//! # Never half-made
//!
//! If an object is created with a [`size`](OpenOptions::size), with an initialiser
//! ([`OpenOptions::open_with`]) or with its content ([`Shm::publish`]), it gets its name only when
//! it is complete: sized, reserved, filled, with its final permissions. No process opens one that
//! is too short. A failed call leaves no name, no descriptor and no mapping. There is one
//! exception: if a directory or a sandbox lets this process create names and not remove them, a
//! temporary name may be left (`posix-shm.` and 16 characters). The error says which, unless it is
//! `AlreadyExists` or your initialiser's own.
//!
//! Memory is reserved when an object is sized. A full `/dev/shm` (64 MB in a container, by default)
//! is an [`Error`] then, and not a signal later. [`sparse`](OpenOptions::sparse) opts out.
//!
//! # What is asked before memory is taken
//!
//! Past some limits, Linux returns no error: it kills a process. So this crate asks for them first:
//!
//! * The limit on the length of files (`RLIMIT_FSIZE`), for lengths over 4096 bytes. Past it the
//!   kernel would send `SIGXFSZ`; here it is [`FileTooLarge`](std::io::ErrorKind::FileTooLarge).
//!   For shorter objects the limit is not asked for, since that would cost each of them a system
//!   call.
//! * The room in the file system, from 1 MiB on.
//! * The limits of the memory cgroups of this process, and the memory of the machine, from 4 MiB
//!   on. These are estimates: other processes may take the memory in the meantime, and what could
//!   be freed is not known exactly. If there seems to be too little, the error is
//!   [`OutOfMemory`](std::io::ErrorKind::OutOfMemory).
//!   [`ignore_estimates`](OpenOptions::ignore_estimates) takes the memory all the same. If a
//!   range is written or reserved again, what it has already does not count. (Linux before 6.5
//!   cannot tell, nor can this crate if a sandbox forbids `cachestat`. Then all of it counts.)
//!   Objects whose directory is on a disk are not asked for: their pages can be written back.
//!
//! What a sandbox does not let this crate ask counts as unlimited. Nothing is asked before a
//! mapping is made, unless it is to be populated. If a process locks all its memory from now on
//! (`mlockall` with `MCL_FUTURE`), mapping a sparse object of a peer takes memory for all of it,
//! and the kernel may kill a process.
//!
//! If the system cannot reserve memory for an object (a file system or a sandbox without
//! `fallocate`), a new object is filled with zeros instead. If peers may already use the object,
//! that is not possible, and the call fails. [`Shm::is_reserved`] tells whether an object has all
//! its memory.
//!
//! # Leaks
//!
//! A named object outlives its process. It stays until its name is removed with [`unlink()`] or the
//! system restarts. This crate removes no name by itself: no exit handler, signal handler or thread
//! does. So decide who removes it, and when:
//!
//! * If the descriptor can be inherited or sent, the object needs no name: [`Shm::anonymous`]
//!   cannot leak.
//! * If all peers have opened it, remove the name at once and go on with the handles.
//! * If no process knows who is last, have all of them open it with
//!   [`present`](OpenOptions::present), and remove it with [`Shm::unlink_if_unused`], at the end
//!   and at the start of each. The kernel knows who is [present](Shm::presence), and forgets those
//!   who were killed. So this also cleans up after them, and never removes what is in use.
//! * Otherwise the creator removes it at the end, with [`Shm::unlink_on_drop`] or [`Shm::unlink`],
//!   which leave a successor's object alone. If a killed predecessor may have left a name, create
//!   the object with [`IfExists::Supersede`], which needs room for both objects for a moment.
//!
//! ```
//! use posix_shm::{Direction, IfDoesNotExist, OpenOptions, ShmName, capabilities};
//!
//! # if !capabilities().presence { return Ok(()) }
//! let name = ShmName::random("example.")?; // one that all of them know
//! let mut options = OpenOptions::new();
//! options.direction(Direction::Io).if_does_not_exist(IfDoesNotExist::Create);
//! options.size(65536).present(true);
//!
//! let first = options.open(&name)?;
//! let second = options.open(&name)?;
//! let cleaner = second.try_clone()?;
//! drop(first);
//! assert!(!cleaner.unlink_if_unused()?); // the second is present
//! drop((second, cleaner));
//!
//! // Whoever comes next, such as a clean-up job, finds that nobody is present.
//! assert!(posix_shm::Shm::open(&name)?.unlink_if_unused()?);
//! # Ok::<(), posix_shm::Error>(())
//! ```
//!
//! Others remove names too. systemd removes all objects of a user who logs out (`RemoveIPC=`),
//! unless it is a system user. A container's `/dev/shm` goes with the container. Python's
//! `multiprocessing.shared_memory` removes at exit the name of every object that it attached to,
//! even if another process created it. To prevent that, attach with `track=False` from Python 3.13
//! on, and call `resource_tracker.unregister(memory._name, "shared_memory")` after attaching
//! before. The example `python` shows both. Python's module `mmap` removes nothing.
//!
//! A process killed during `Supersede` may leave a temporary name: `posix-shm.` and 16 random
//! characters. On FreeBSD and NetBSD, a process killed while it creates an object may leave one
//! too. The same holds on Linux if a sandbox or a file system does not let objects be built without
//! one. Remove such a name as any other, with [`unlink()`].
//!
//! # Security
//!
//! * **All users share one space of names.** Any user may take a name first (squatting). If you
//!   create with [`IfExists::Error`], the object is new. If you open, check [`Metadata::uid`].
//!   [`ShmName::random`] makes names that nobody can guess, and anonymous objects have none.
//! * **Only shared memory objects are used.** A symbolic link is refused. A FIFO, a directory or a
//!   device does not block, and cannot be mapped, sized or changed. (On OpenBSD, where objects are
//!   files in `/tmp`, a FIFO does block a process that opens it for reading: the system refuses the
//!   flag against that.)
//! * **Permissions** are 0o600 by default, and the umask clears bits (not on macOS). On Linux,
//!   FreeBSD and NetBSD they are final before the object has its name. If you set none for an
//!   anonymous object, Linux and Android let every user write who can reach it.
//!   [`Shm::read_only`] then makes them 0o600.
//! * **A user who may write** can change the content and the length at any time.
//! * **Hostile peers**: see [Safety](#safety). Use `read_at` and `write_at` of
//!   [`FileExt`](std::os::unix::fs::FileExt), or map an object that cannot fault
//!   ([`Shm::may_fault`]). Check a value after it was copied out, and only the copy.
//! * **Handles** are closed on exec. A received handle keeps its direction. On Linux the receiver
//!   can reopen the object through `/proc` with whatever access its permissions allow: for an
//!   object of 0o600, that is its owner and root. [`Shm::freeze`] stops them too. It does not stop
//!   a process that has already mapped the object through a handle that can write, even if only
//!   for reading: such a mapping can be made writable.
//!
//! # Preloaded libraries and sandboxes
//!
//! On Linux this crate reaches every object by its path below `/dev/shm`, for opening, creating and
//! removing alike, as the C library's `shm_open` does. A preloaded library, or the program itself,
//! may put its own `shm_open` in front of that one, for instance to give names another form in a
//! snap. Then this crate uses that function and its `shm_unlink` for every object, so that a name
//! means the same as in other programs there. It does not know the path of an object then. So an
//! object has its name while it is being built, and [`list()`] shows the names in the directory. A
//! statically linked program cannot tell, and takes `shm_open` for the C library's own.
//!
//! If a sandbox forbids a call, this crate uses another one that keeps the same promise. If there
//! is no other one, an object has its name while it is being built. If the sandbox forbids every
//! call that renames, superseding is refused.
//!
//! # What differs where
//!
//! | | Linux | Android | FreeBSD | NetBSD | OpenBSD | macOS |
//! |---|---|---|---|---|---|---|
//! | objects are in | `/dev/shm` | no names | the kernel | `/var/shm` | `/tmp` | the kernel |
//! | new, with a size | unnamed | | renamed | renamed | in place | in place |
//! | superseding | one step | | one step | one step | two steps | two steps |
//! | memory | reserved | reserved | | reserved | | |
//! | lengths | any | any | any | any | any | pages, once |
//! | anonymous | memfd | memfd | memfd | unlinked | unlinked | unlinked |
//! | seals | yes | yes | most | | | |
//! | `map_immutable` | yes | yes | | | | |
//! | `read_only` | `/proc` | not apps | rights | by name | by name | by name |
//! | `read_at` | `pread` | `pread` | `pread` | `pread` | mapped | mapped |
//! | `list` | yes | | yes | yes | | |
//! | umask | yes | | yes | yes | yes | |
//! | other users | yes | yes | yes | yes | | yes |
//! | longest name | 255 | | 1022 | 247 | any | 30 |
//! | `grow` only grows | yes | yes | yes | | | |
//! | `punch`, `reserve` | yes | yes | | | | |
//! | `Mapping::grow` | moves | moves | anew | anew | anew | anew |
//! | `populate` | `madvise` | `madvise` | reads | reads | reads | reads |
//! | `collapse` | yes | yes | | | | |
//! | `HugePages` | pool | pool | yes | | | |
//! | `residency` | yes | yes | | | | |
//! | `wait` | sleeps | sleeps | polls | polls | polls | polls |
//! | copy-on-write | yes | yes | yes | yes | yes | |
//! | presence | yes | not apps | | `flock` | `flock` | |
//! | `Shm::lock` | yes | not apps | | | | |
//! | `DontFork` | yes | yes | yes | yes | yes | |
//! | `DontDump` | yes | yes | yes | | | |
//!
//! * *New, with a size*: the object is built without a name, or under a temporary one and renamed,
//!   or in place under its own name, where others see it before it is complete.
//! * *Superseding* in two steps removes the old name, then creates the new object.
//! * *Anonymous*: `memfd_create`, or an object whose random name is removed.
//! * *Seals* are for anonymous objects; FreeBSD lacks [`FUTURE_WRITE`](Seals::FUTURE_WRITE) and
//!   [`EXEC`](Seals::EXEC).
//! * *`read_only`*: the object is opened again through `/proc` or by its name, or a second
//!   descriptor loses rights.
//! * *`read_at`* and `write_at` go through `pread` and `pwrite`, or through a mapping.
//! * *[`Mapping::grow`]* past the capacity moves the mapping with its pages, or maps the object
//!   again. Within the capacity no system moves it.
//! * *`populate`* uses `madvise`, or makes the kernel read each page.
//! * *[`wait`](SharedAtomic::wait)* sleeps until it is woken, or looks again and again, with pauses
//!   of up to a millisecond.
//! * *[Presence](Shm::presence)* is a lock of an open file description. `flock` needs a name.
//! * *[`DontFork`](Advice::DontFork)*, *[`DontDump`](Advice::DontDump)*: what else there is, and
//!   where, [`Mapping::advise`] says.
//!
//! [`capabilities()`] answers the same at run time, and each item says more under its own heading.
//! On a system that is not in the table, this crate uses only what POSIX promises. It then works as
//! on OpenBSD, with two differences: other users can open objects, and memory is reserved if the
//! system has `posix_fallocate`.
//!
//! Only Linux has been run. The code for macOS was run on Linux, on a model of its kernel made from
//! Apple's source. The code for Android was run on Linux, whose kernel it has. The code for
//! FreeBSD, NetBSD and OpenBSD is compiled and linked, and was never run. The README has the table
//! of what was done with which machine and C library.

// The ground floor: these use no other module.
mod capabilities;
mod direction;
mod failure;
mod permissions;
mod seals;

mod error;
mod holding;
mod imp;
mod metadata;
mod name;
#[cfg(feature = "serde")]
mod serde;

// rustdoc shows the methods of a type in the order of these modules.
mod open;
mod shm;

mod length;

mod unlink;

mod presence;

mod seal;

pub mod transfer;

mod inherit;

mod inspect;

mod io;
mod list;
mod map;

mod immutable;

mod access;

#[doc(hidden)]
pub use access::check_index;
pub use access::{
    Event, OwnedCell, OwnedSlice, SeqCell, SeqLock, SeqSlice, SharedAtomic, SharedCell,
    SharedChunks, SharedIter, SharedReader, SharedSlice, SharedWriter, WaitOptions, Waited, Word,
};
pub use capabilities::Capabilities;
pub use direction::Direction;
pub use error::{Error, Result};
pub use failure::Operation;
pub use immutable::ImmutableMapping;
pub use inspect::{Inspection, Kind};
pub use list::{Entry, List, ListNames, list, list_names};
pub use map::{
    Advice, Collapsed, CopyOnWrite, HugePages, MapOptions, Mapping, Moved, Protection, RawMapping,
    ReadOnly, ReadWrite, Shared,
};
pub use metadata::Metadata;
pub use name::ShmName;
pub use open::{IfDoesNotExist, IfExists, OpenOptions};
pub use permissions::Permissions;
pub use presence::{Lock, Presence};
pub use seals::Seals;
pub use shm::Shm;
pub use unlink::{UnlinkOnDrop, unlink};

// The traits in the bounds of `Mapping::slice` and `SharedSlice::store`, from the same version, and
// with the feature `derive` their macros. What the macros write needs the path of the crate.
pub use bytemuck;
pub use bytemuck::{AnyBitPattern, NoUninit};

/// What this system can promise.
///
/// # Examples
///
/// ```
/// if !posix_shm::capabilities().reserve {
///     eprintln!("a shortage of memory is a signal on this system, and not an error");
/// }
/// ```
#[must_use]
pub fn capabilities() -> Capabilities {
    imp::CAPABILITIES
}

/// The README's examples, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
