//! POSIX shared memory: objects that processes on one machine create, find by name, size and map
//! into their memory.
//!
//! New to it? [Start here](guide::start_here). Something failed? [Look up the
//! message](guide::troubleshooting).
//!
//! # Overview
//!
//! * [`Shm`] is the handle of an object. [`OpenOptions`] says which object to open or create, and
//!   what to do if it exists or does not. [`ShmName`] is a checked name.
//! * [`Mapping`] is memory backed by an object, made by [`Shm::map`] and [`Shm::map_mut`], or by
//!   [`MapOptions`] for a part of it. It outlives its handle. It can [grow](Mapping::grow), be
//!   [made present](Mapping::populate) beforehand, and have [huge pages](Mapping::collapse) without
//!   any configuration.
//! * [`SharedSlice`] and [`SharedCell`] read and write the bytes of a mapping, soundly, whatever
//!   other processes do to them meanwhile: one value, many at the speed of `memcpy`, a field, a
//!   stream. [`OwnedSlice`] and [`OwnedCell`] are views that a structure can keep.
//! * [`ImmutableMapping`] is an ordinary `&[u8]`, of an object that no process can change any more
//!   ([`Shm::make_immutable`]).
//! * [`SharedAtomic`] has the standard library's atomic operations, for counters, flags and locks.
//!   [`SharedAtomic::wait`] sleeps until a word changes, in whatever process. [`Event`] is a flag
//!   to wait for, and [`SeqLock`] takes snapshots of data that a peer writes.
//! * [`Shm::presence`] tells other processes that this one uses an object, until it ends or is
//!   killed. [`Shm::unlink_if_unused`] cleans up what no process uses, and [`Shm::lock`] lets one
//!   process at a time in.
//! * [`Shm::pass_to`] lets a child inherit an object.
//! * [`Shm::send`] and [`Shm::receive`] pass handles between processes, and the functions of
//!   [`transfer`] several, with bytes beside them. [`Shm::inspect`] tells what a peer's object is
//!   before it is mapped. [`Shm::seal`] and [`Shm::read_only`] restrict what peers can do.
//! * [`list()`] and [`list_names`] list the named objects.
//! * [`Error`] names the operation, the object and the system's error number, and says what helps.
//!   [`capabilities()`] tells what this system can promise.
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
//! # The guide
//!
//! * First: [Start here](guide::start_here), [Names](guide::names), [Opening](guide::opening),
//!   [Sizes and memory](guide::sizes_and_memory), [Views and values](guide::views_and_values).
//! * Together: [Between processes](guide::between_processes), [Passing on and
//!   inheriting](guide::passing_on), [Growing](guide::growing), [Huge pages](guide::huge_pages),
//!   [Async](guide::async_programs).
//! * In earnest: [Containers](guide::containers), [Killed processes](guide::killed_processes),
//!   [Leaks and who removes what](guide::leaks), [Security](guide::security),
//!   [Safety](guide::safety), [What differs where](guide::what_differs_where).
//! * From elsewhere: [From Lisp](guide::from_lisp), [From other
//!   libraries](guide::from_other_libraries), [Choosing](guide::choosing).
//! * When it fails: [Troubleshooting](guide::troubleshooting).
//!
//! # Example programs
//!
//! Each says at its top what to type and what you should see:
//!
//! * [`walkthrough`][tour]: a tour of the library;
//! * [`workers`]: processes that inherit one object and fill a part of it each;
//! * [`ring`]: a stream of records from one program to another, either of which may be killed;
//! * [`frames`]: the newest frame of a video, for any number of programs;
//! * [`eventfd`]: waiting in an event loop, or in async code;
//! * [`server`]: a service whose state other processes watch while it runs;
//! * [`grow`]: a table that becomes longer while another process reads it;
//! * [`numa`]: an object on a memory node of your choice;
//! * [`container`]: a `/dev/shm` that is too small, and the way out;
//! * [`orphans`]: cleaning up after killed processes, and leaving alone what is in use;
//! * [`monitor`]: a live screen of all objects;
//! * [`compositor`][window]: a window on a Wayland desktop;
//! * [`python`]: an image that Python and numpy draw on.
//!
//! [tour]: https://github.com/posix-shm/posix-shm/blob/HEAD/posix-shm/examples/walkthrough.rs
//! [`workers`]: https://github.com/posix-shm/posix-shm/blob/HEAD/posix-shm/examples/workers.rs
//! [`ring`]: https://github.com/posix-shm/posix-shm/blob/HEAD/posix-shm/examples/ring.rs
//! [`frames`]: https://github.com/posix-shm/posix-shm/blob/HEAD/posix-shm/examples/frames.rs
//! [`eventfd`]: https://github.com/posix-shm/posix-shm/blob/HEAD/posix-shm/examples/eventfd.rs
//! [`server`]: https://github.com/posix-shm/posix-shm/blob/HEAD/posix-shm/examples/server.rs
//! [`grow`]: https://github.com/posix-shm/posix-shm/blob/HEAD/posix-shm/examples/grow.rs
//! [`container`]: https://github.com/posix-shm/posix-shm/blob/HEAD/posix-shm/examples/container.rs
//! [`numa`]: https://github.com/posix-shm/posix-shm/blob/HEAD/posix-shm/examples/numa.rs
//! [`orphans`]: https://github.com/posix-shm/posix-shm/blob/HEAD/posix-shm/examples/orphans.rs
//! [`monitor`]: https://github.com/posix-shm/posix-shm/blob/HEAD/posix-shm/examples/monitor.rs
//! [window]: https://github.com/posix-shm/posix-shm/blob/HEAD/posix-shm/examples/compositor.rs
//! [`python`]: https://github.com/posix-shm/posix-shm/blob/HEAD/posix-shm/examples/python.rs
//!
//! # Features
//!
//! * `bindgen`: generates the bindings with bindgen, if libclang is installed. Without it, the C
//!   compiler alone does it, with the same result.
//! * `cli`: the command-line tool `posix-shm`. To install it, type `cargo install posix-shm
//!   --features cli`.
//! * `derive`: the derive macros of `bytemuck`, for structures of your own.
//! * `serde`: [`ShmName`], [`Permissions`] and [`Seals`] can be serialized and deserialized. A name
//!   is a string, which is checked on the way in; permissions are a number, as in `0o640`; seals
//!   are a list of names.

#![cfg_attr(docsrs, feature(doc_cfg))]

// The ground floor: these use no other module.
mod bytes;
mod capabilities;
mod direction;
mod failure;
mod permissions;
mod range;
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

mod attributes;

mod length;

mod unlink;

mod presence;

mod seal;

pub mod transfer;

mod inherit;

mod inspect;

mod io;
mod list;

mod access;

mod map;

mod immutable;

pub mod guide;

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
    let known = imp::CAPABILITIES;
    // Only the running system can tell.
    let sleeps = imp::can_sleep();
    let (wait, wait_read_only) = (known.wait && sleeps, known.wait_read_only && sleeps);
    Capabilities { wait, wait_read_only, ..known }
}

/// The README's examples, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
