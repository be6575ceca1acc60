//! POSIX shared memory: objects that processes on one machine create, find by name, size and map into their memory.
//!
//! # From the top
//!
//! * [`Shm`] is the handle of an object, [`OpenOptions`] says which to open or create and what to do about one that
//!   exists. [`ShmName`] is a checked name.
//! * [`Mapping`] is memory that shows an object, made by [`Shm::map`] and [`Shm::map_mut`], or by [`MapOptions`] for a part
//!   of it. It outlives its handle.
//! * [`SharedSlice`] and [`SharedCell`] read and write what a mapping shows, soundly, whatever other processes do to it
//!   meanwhile: one value, many at the speed of `memcpy`, a field, a stream, a counter.
//! * [`Shm::send`] and [`Shm::receive`] pass handles between processes, [`Shm::seal`] and [`Shm::read_only`] keep peers from
//!   what they should not do. [`list`] tells which objects there are.
//! * [`Error`] names the operation, the object and the system's error number, and says what helps.
//!
//! The C functions are in the crate `posix-shm-sys`, with every constant as this system's headers have it.
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
//! // The name is removed when nobody is to find it any more. The memory is gone with the last mapping.
//! posix_shm::unlink(&name)?;
//! # Ok::<(), posix_shm::Error>(())
//! ```
//!
//! # Example: no name at all
//!
//! ```
//! use posix_shm::{Direction, OpenOptions};
//!
//! // Nothing can be left behind: it is gone with its last handle and mapping.
//! let (object, mapping) =
//!     OpenOptions::new().direction(Direction::Io).size(1 << 20).open_anonymous_mapped()?;
//! mapping.bytes().store(0, 1);
//!
//! // A socket carries it to another process; a child may inherit the descriptor instead.
//! let (here, there) = std::os::unix::net::UnixStream::pair()?;
//! object.send(&here)?;
//! let received = posix_shm::Shm::receive(&there)?;
//! assert_eq!(received.map()?.bytes().load(0), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Safety
//!
//! No safe function of this crate can cause undefined behaviour, whatever peers do to the bytes. A *peer* is any other
//! thread or process that can reach the same object. These rules see to it, and the code cites them by number:
//!
//! 1. **Mapped memory stays outside every Rust allocation.** Safe code gets no `&[u8]`, `&mut [u8]` or `&T` into a mapping.
//!    A reference promises that nobody writes, or that nobody else does, and no process can promise that for another. The
//!    functions that do give references are `unsafe`, and their contract says what has to be promised.
//! 2. **Every access is one that the compiler cannot touch**: a volatile one, or one by code it cannot see into. So accesses
//!    of different sizes to the same bytes, by any threads and processes, are each what the machine makes of them.
//! 3. **A value of 1, 2, 4 or 8 bytes at a multiple of its size is moved in one access** and never torn (8 bytes: on 64-bit
//!    machines). All else is a copy, and may be a mix of what several peers wrote: larger values, and whatever
//!    [`copy_to`](SharedSlice::copy_to) and its kind move. A peer that writes parts of an integer makes such a mix, too.
//! 4. **Bounds and alignment are checked against the mapping**, once where a view is made and once for each index, and never
//!    against what a peer wrote. A mapping keeps its length for as long as a view borrows it.
//! 5. **Only plain data is moved**: types for which any bytes are a value ([`AnyBitPattern`]) are read, and types without
//!    uninitialised bytes ([`NoUninit`]) are written.
//!
//! What that leaves to you:
//!
//! * Values are copied out. Check the copy and use the copy: what you read again may be something else.
//! * Plain loads and stores order nothing around them: a peer may see two stores in either order. To publish data, write it,
//!   then [`store_release`](SharedCell::store_release) a word that says so; the peer that sees it with
//!   [`load_acquire`](SharedCell::load_acquire) sees the data.
//! * A peer with a writable handle can shorten the object, and a process that then touches a page past its end is killed by
//!   the system with `SIGBUS`. That is an end, not undefined behaviour, and Rust cannot prevent it. Map objects of peers you
//!   trust that far.
//!
//! How it is done, and why that is enough, is written beside the code in `src/access/copy.rs`.
//!
//! # Never half-made
//!
//! An object that is created with a [`size`](OpenOptions::size), with an initialiser ([`OpenOptions::open_with`]) or with its
//! content ([`Shm::publish`]) has its name only when it is complete: sized, reserved, filled, with its final permissions.
//! Nobody ever opens one that is too short. A call that fails leaves no name, no descriptor and no mapping behind.
//!
//! Memory is reserved when an object is sized: a full `/dev/shm` (64 MB in a container, unless told otherwise) is an
//! [`Error`] and not a signal later. [`sparse`](OpenOptions::sparse) opts out. What a peer can still do is shorten the
//! object; against that there are seals ([`Seals::SHRINK`]), and `read_at` and `write_at` of
//! [`FileExt`](std::os::unix::fs::FileExt), which need no mapping.
//!
//! # Leaks
//!
//! A named object outlives its process: it stays until its name is removed with [`unlink`] or the system restarts. Nothing
//! here removes a name by itself; no drop, exit handler, signal handler or thread does. So decide who removes it, and when:
//!
//! * nobody needs a name if the descriptor can be inherited or sent: [`Shm::anonymous`] cannot leak;
//! * if all peers have opened it, remove the name at once, and go on with the handles;
//! * else the creator removes it at the end, with [`Shm::unlink_on_drop`] or [`Shm::unlink`], which leave a successor's
//!   object alone; and at the start, what a killed predecessor left: [`IfExists::Supersede`].
//!
//! Others remove names too: systemd removes all objects of a user who logs out (`RemoveIPC=`), unless it is a system user;
//! and a container's `/dev/shm` goes with the container.
//!
//! A process that is killed while it supersedes may leave a name of ours behind, `posix-shm.` and 16 random characters, under
//! which the new object was for a moment; on FreeBSD and NetBSD also one that is killed while it creates. Such a name can be
//! removed by anybody who may.
//!
//! # Security
//!
//! * **Names are a space that all users share.** Anybody may take a name first (squatting). Who creates with
//!   [`IfExists::Error`] knows that the object is new; who opens should look at [`Metadata::uid`]. [`ShmName::random`] makes
//!   names that nobody can guess, and anonymous objects have none.
//! * **What is no object is not followed.** Symbolic links that stand under a name are refused, and a FIFO that does holds up
//!   nobody and is refused where it is mapped. (On OpenBSD, where objects are files in `/tmp`, it does hold up who opens it for
//!   reading: the flag against that is refused there.)
//! * **Permissions** are 0o600 unless set, and the umask takes bits away (not on macOS). They are final before the object has its
//!   name on Linux, FreeBSD and NetBSD. Who may open an object for writing can change its content and its length at any time.
//! * **Hostile peers**: see [Safety](#safety). Map what is sealed against shrinking; use `read_at` for what is not. Check a
//!   value after it was copied out, and the copy alone.
//! * **Handles** are closed on exec. Who is sent one has its direction and, on Linux, whatever more the object's permissions
//!   let them open again through `/proc`: [`Shm::freeze`] is a barrier, [`Shm::read_only`] alone is one only for others.
//!
//! # What differs where
//!
//! | | Linux | Android | FreeBSD | NetBSD | OpenBSD | macOS |
//! |---|---|---|---|---|---|---|
//! | objects are | files of the tmpfs at `/dev/shm` | without a name | the kernel's own | files of the tmpfs at `/var/shm` | files of `/tmp`, called by a hash | the kernel's own |
//! | a new object with a size | has no name until it is complete | | is built under another name | is built under another name | is created under its name, then sized | is created under its name, then sized |
//! | [`IfExists::Supersede`] | in one step | | in one step | in one step | removes the name, then creates | removes the name, then creates |
//! | reserving memory | `fallocate` | `fallocate` | nothing is reserved | counted by the file system | nothing is reserved | nothing is reserved |
//! | the length | any, at any time | any, at any time | any, at any time | any, at any time | any, at any time | whole pages, once |
//! | [`Shm::anonymous`] | `memfd_create` | `memfd_create` | `memfd_create` | a name that is removed | a name that is removed | a name that is removed |
//! | seals | on anonymous objects | on anonymous objects | on anonymous objects, no [`FUTURE_WRITE`](Seals::FUTURE_WRITE) | none | none | none |
//! | [`Shm::read_only`] | through `/proc` | not for apps | `cap_rights_limit` | by name | by name | by name |
//! | `read_at`, `write_at` | `pread`, `pwrite` | `pread`, `pwrite` | `pread`, `pwrite` | `pread`, `pwrite` | through a mapping | through a mapping |
//! | [`list`] | reads `/dev/shm` | | `sysctl` | reads `/var/shm` | `Unsupported` | `Unsupported` |
//! | permissions | as set, less the umask | as set | as set, less the umask | as set, less the umask | the owner's alone | as set; final |
//! | the longest name | 255 bytes | | 1022 | 247 | any | 30 |
//!
//! [`capabilities`] answer the same at run time; each item says more under its own heading. On a system that is not in the table
//! everything is done by what POSIX promises everywhere: as on OpenBSD, with `posix_fallocate` where the system has it, and with
//! other users.
//!
//! Only Linux has been run. The code for macOS was run on Linux, on a model of its kernel made from Apple's source; that for
//! Android was run on Linux, whose kernel it has. That for FreeBSD, NetBSD and OpenBSD is compiled and linked, and never was run.
//! The README has the table of what was done with which machine and C library.

mod access;
mod capabilities;
mod error;
mod imp;
mod io;
mod list;
mod map;
mod metadata;
mod name;
mod open;
mod permissions;
mod seal;
mod shm;
mod transfer;
mod unlink;

pub use access::{Atomic, SharedCell, SharedReader, SharedSlice, SharedWriter, Word};
pub use capabilities::{Capabilities, capabilities};
pub use error::{Error, Operation, Result};
pub use list::{Entry, List, list};
pub use map::{MapOptions, Mapping, Protection, RawMapping, ReadOnly, ReadWrite};
pub use metadata::Metadata;
pub use name::ShmName;
pub use open::{Direction, IfDoesNotExist, IfExists, OpenOptions};
pub use permissions::Permissions;
pub use seal::Seals;
pub use shm::Shm;
pub use unlink::{UnlinkOnDrop, unlink};

// The traits in the bounds of `Mapping::slice` and `SharedSlice::store`, from the same version.
pub use bytemuck::{AnyBitPattern, NoUninit};

/// The README's examples, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
