//! The systems: one file each, with the same functions. This one picks.
//!
//! | item | what every system's version is |
//! |---|---|
//! | `NAME_MAX` | how long a name may be, in bytes after the slash |
//! | `CAPABILITIES` | what the system can promise |
//! | `open` | opens what a name means, never creates |
//! | `build` | creates an object, lets the caller fill it, and gives it its name as late as the system allows |
//! | `unlink` | removes a name |
//! | `find` | what a name means now |
//! | `names` | the names that there are |
//! | `anonymous` | creates an object that has no name, and lets the caller fill it |
//! | `set_len` | gives an object a length |
//! | `reserve` | gives an object a length and the memory for it |
//! | `RESERVE_ONLY_GROWS` | whether that leaves alone what a peer has made longer meanwhile |
//! | `write_at`, `write_new` | write to an object by its descriptor: anywhere, or what makes a new one |
//! | `read_only` | a second, read-only handle of an object |
//! | `check_kind` | refuses what is no shared memory |
//! | `allocated` | how many bytes of memory an object takes, by its `stat` |
//! | `hint` | what helps against an error that means something else here than elsewhere |
//!
//! What several of them share is here too, by its subject: [`calls`] that mean the same on every system, [`memory`] that is
//! reserved, objects under a name (`named`) and all else that POSIX gives (`plain`), objects that are files of a directory
//! (`directory`) or have no name (`memfd`), what Linux and Android have of the same kernel (`linux_kernel`), [`seals`], and
//! [`socket`].

mod calls;
#[cfg(any(pshm_system = "linux", pshm_system = "netbsd"))]
mod directory;
#[cfg(any(pshm_system = "linux", pshm_system = "android"))]
mod linux_kernel;
#[cfg(any(pshm_system = "linux", pshm_system = "android", pshm_system = "freebsd"))]
mod memfd;
mod memory;
#[cfg(not(pshm_system = "android"))]
mod named;
#[cfg(not(pshm_system = "android"))]
mod plain;
mod seals;
mod socket;

// What has no file of its own gets posix.rs. Which one it is, build.rs says.
#[cfg_attr(pshm_system = "android", path = "android.rs")]
#[cfg_attr(pshm_system = "apple", path = "apple.rs")]
#[cfg_attr(pshm_system = "freebsd", path = "freebsd.rs")]
#[cfg_attr(pshm_system = "linux", path = "linux.rs")]
#[cfg_attr(pshm_system = "netbsd", path = "netbsd.rs")]
#[cfg_attr(pshm_system = "openbsd", path = "openbsd.rs")]
#[cfg_attr(pshm_system = "posix", path = "posix.rs")]
mod system;

pub(crate) use calls::{
    clone, close, is_writable, map, page_size, random, read_at, set_owner, set_permissions, stat,
    times, unmap,
};
pub(crate) use seals::{add_seals, seals};
pub(crate) use socket::{receive, send};
pub(crate) use system::{
    CAPABILITIES, NAME_MAX, RESERVE_ONLY_GROWS, allocated, anonymous, build, check_kind, find,
    hint, names, open, read_only, reserve, set_len, unlink, write_at, write_new,
};

use std::ffi::{CStr, OsString};
use std::io;
use std::os::fd::BorrowedFd;

use posix_shm_sys as sys;

use crate::error::Failure;
use crate::open::Direction;

/// A named object to be built.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(pshm_system = "android", expect(dead_code, reason = "nothing has a name there"))]
pub(crate) struct New<'a> {
    pub(crate) name: &'a CStr,
    pub(crate) direction: Direction,
    pub(crate) mode: sys::mode_t,
    /// The umask is to take nothing from the mode.
    pub(crate) exact: bool,
    /// Take the name over from an object that has it; otherwise that is `EEXIST`.
    pub(crate) replace: bool,
    /// How long the caller is going to make it.
    pub(crate) size: u64,
    /// The caller can fill only one object.
    pub(crate) once: bool,
}

#[cfg(not(pshm_system = "android"))]
impl New<'_> {
    /// Whether the object is complete as soon as it is created.
    fn is_plain(&self) -> bool {
        self.size == 0 && !self.once && !self.exact && !self.replace
    }
}

/// Fills a new object through its read-write descriptor. Unless `once` forbids it, called again on a fresh object where a
/// first one could not be given its name.
pub(crate) type Fill<'a, T> = &'a mut dyn FnMut(BorrowedFd<'_>) -> Result<T, Failure>;

/// Names as the system has them, without the slash or with it.
pub(crate) type Names = Box<dyn Iterator<Item = io::Result<OsString>>>;
