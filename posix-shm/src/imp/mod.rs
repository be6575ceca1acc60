//! The systems: one file each, with the same functions. This one picks.
//!
//! | function | what every system's version does |
//! |---|---|
//! | `NAME_MAX` | how long a name may be, in bytes after the slash |
//! | `open` | opens what a name means, never creates |
//! | `build` | creates an object, lets the caller fill it, and gives it its name as late as the system allows |
//! | `anonymous` | creates an object that has no name, and lets the caller fill it |
//! | `reserve` | gives an object a length and the memory for it |
//! | `find` | what a name means now |
//! | `times` | the three times of a `stat` |
//!
//! [`calls`] has the calls that are the same everywhere.

mod calls;

#[cfg(all(target_os = "linux", not(posix_shm_portable)))]
#[path = "linux.rs"]
mod system;

// What a system without a file of its own gets. The private cfg forces it, so that Linux tests it too.
#[cfg(not(all(target_os = "linux", not(posix_shm_portable))))]
#[path = "posix.rs"]
mod system;

pub(crate) use calls::{
    close, map, page_size, random, set_len, set_owner, set_permissions, stat, unlink, unmap,
};
pub(crate) use system::{NAME_MAX, anonymous, build, find, open, reserve, times};

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
    /// Masked by umask.
    pub(crate) mode: sys::mode_t,
    /// Take the name over from an object that has it; otherwise that is `EEXIST`.
    pub(crate) replace: bool,
    /// How long the caller is going to make it. Without any length, it is complete as it is created.
    pub(crate) size: u64,
}

/// Fills a new object through its read-write descriptor. Called again on a fresh object where a first one could not be
/// given its name.
pub(crate) type Fill<'a, T> = &'a mut dyn FnMut(BorrowedFd<'_>) -> Result<T, Failure>;
