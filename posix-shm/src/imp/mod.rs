//! The systems: one file each, with the same functions. This one picks.
//!
//! | function | what every system's version does |
//! |---|---|
//! | `NAME_MAX` | how long a name may be, in bytes after the slash |
//! | `CAPABILITIES` | what the system can promise |
//! | `open` | opens what a name means, never creates |
//! | `build` | creates an object, lets the caller fill it, and gives it its name as late as the system allows |
//! | `anonymous` | creates an object that has no name, and lets the caller fill it |
//! | `reserve` | gives an object a length and the memory for it |
//! | `find` | what a name means now |
//! | `names` | the names that there are |
//! | `read_only` | a second, read-only handle of an object |
//! | `check_kind` | refuses what is no shared memory |
//! | `times` | the three times of a `stat` |
//!
//! [`calls`] has the calls that are the same everywhere, [`seals`] and [`socket`] those of their subjects.

mod calls;
mod seals;
mod socket;

#[cfg(all(target_os = "linux", not(posix_shm_portable)))]
#[path = "linux.rs"]
mod system;

// What a system without a file of its own gets. The private cfg forces it, so that Linux tests it too.
#[cfg(not(all(target_os = "linux", not(posix_shm_portable))))]
#[path = "posix.rs"]
mod system;

pub(crate) use calls::{
    clone, close, map, page_size, random, read_at, set_len, set_owner, set_permissions, stat,
    unlink, unmap, write_all, write_at,
};
pub(crate) use seals::{add_seals, seals};
pub(crate) use socket::{receive, send};
pub(crate) use system::{
    CAPABILITIES, NAME_MAX, anonymous, build, check_kind, find, names, open, read_only, reserve,
    times,
};

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use posix_shm_sys as sys;

use crate::error::Failure;
use crate::open::Direction;

/// A named object to be built.
#[derive(Clone, Copy, Debug)]
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

impl New<'_> {
    /// Whether the object is complete as soon as it is created.
    fn is_plain(&self) -> bool {
        self.size == 0 && !self.once && !self.exact && !self.replace
    }
}

/// Fills a new object through its read-write descriptor. Unless `once` forbids it, called again on a fresh object where a
/// first one could not be given its name.
pub(crate) type Fill<'a, T> = &'a mut dyn FnMut(BorrowedFd<'_>) -> Result<T, Failure>;
