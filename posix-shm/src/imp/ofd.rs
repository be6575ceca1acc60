//! Locks of open file descriptions (`F_OFD_SETLK`), on bytes of an object. The kernel drops them
//! when the last descriptor of the description is closed, however its process ended.
//!
//! `fcntl(2)`: it wants permission to read for a shared lock and to write for an exclusive one, and
//! `F_OFD_GETLK` wants neither. The bytes need not be there.

use std::ffi::{CStr, c_int, c_short};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use posix_shm_sys as sys;

use super::draft::Namespace;
use super::locks::{Hold, Place};
use crate::direction::Direction;
use crate::failure::{Errno, Failure, Operation, cvt_retry};

/// What a description must allow that is to hold an exclusive lock.
pub(crate) const EXCLUSIVE: Direction = Direction::Io;

/// Takes a lock for a description, if nobody has one that is in the way.
pub(crate) fn try_lock(
    description: BorrowedFd<'_>,
    place: Place,
    hold: Hold,
) -> Result<bool, Errno> {
    match set(description, sys::F_OFD_SETLK, place, kind(hold)) {
        Ok(()) => Ok(true),
        // POSIX allows EACCES too, but that is what a sandbox says; Linux says this.
        Err(Errno::AGAIN) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Waits until a description has an exclusive lock.
pub(crate) fn wait_for_lock(description: BorrowedFd<'_>, place: Place) -> Result<(), Errno> {
    set(description, sys::F_OFD_SETLKW, place, sys::F_WRLCK)
}

/// Drops all locks of a description, for all its descriptors.
pub(crate) fn unlock_all(description: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut lock = request(Place::Presence, sys::F_UNLCK);
    lock.l_len = Place::COUNT;
    call(description, sys::F_OFD_SETLK, &mut lock)
}

/// Whether any description but this one is present. Takes no lock, so nobody else notices.
///
/// If it is an exclusive lock that is in the way, its owner has just found that nobody is present.
pub(crate) fn is_used(
    _: &Namespace,
    object: BorrowedFd<'_>,
    _: Option<&CStr>,
) -> Result<bool, Failure> {
    let mut lock = request(Place::Presence, sys::F_WRLCK);
    call(object, sys::F_OFD_GETLK, &mut lock).map_err(Failure::of(Operation::IsUnused))?;
    Ok(lock.l_type == sys::F_RDLCK)
}

fn kind(hold: Hold) -> c_short {
    match hold {
        Hold::Shared => sys::F_RDLCK,
        Hold::Exclusive => sys::F_WRLCK,
    }
}

fn set(
    description: BorrowedFd<'_>,
    command: c_int,
    place: Place,
    kind: c_short,
) -> Result<(), Errno> {
    call(description, command, &mut request(place, kind))
}

/// `fcntl` with a lock. A signal may interrupt one that waits.
fn call(description: BorrowedFd<'_>, command: c_int, lock: &mut sys::flock) -> Result<(), Errno> {
    // SAFETY: the pointer is to a structure that the call may read and write.
    cvt_retry(|| unsafe { sys::fcntl_lock(description.as_raw_fd(), command, lock) }).map(drop)
}

/// A lock of one byte. The kernel wants zero for the process of a lock that has none.
fn request(place: Place, kind: c_short) -> sys::flock {
    let zero = MaybeUninit::<sys::flock>::zeroed();
    // SAFETY: the structure consists of integers and padding, so zero is a value of it.
    let mut lock = unsafe { zero.assume_init() };
    lock.l_type = kind;
    #[allow(clippy::cast_possible_truncation, reason = "it is 0, 1 or 2")]
    {
        lock.l_whence = sys::SEEK_SET as c_short;
    }
    lock.l_start = place.byte();
    lock.l_len = 1;
    lock
}
