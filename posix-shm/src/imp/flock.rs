//! Presence by `flock`, on systems that keep objects in files and have no locks of parts of a file
//! that belong to a description.
//!
//! `flock` has one lock for a whole file, so there is presence and nothing else. It needs no
//! permission to write. To ask is to try, so for a moment the one who asks is in the way of others.
//!
//! NetBSD: `shm_open` opens a file of the tmpfs at `/var/shm` (`lib/librt/shm.c`), and `sys_flock`
//! takes any vnode (`sys/kern/sys_descrip.c`). OpenBSD: a file in `/tmp`
//! (`lib/libc/gen/shm_open.c`), and `sys_flock` does too (`sys/kern/kern_descrip.c`).

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use posix_shm_sys as sys;

use super::draft::Namespace;
use super::fallback::open_again;
use super::locks::{Hold, Place};
use crate::direction::Direction;
use crate::failure::{Errno, Failure, Operation, cvt_retry};

/// What a description must allow that is to hold an exclusive lock.
pub(crate) const EXCLUSIVE: Direction = Direction::Input;

/// Takes the lock for a description, if nobody has one that is in the way.
pub(crate) fn try_lock(
    description: BorrowedFd<'_>,
    place: Place,
    hold: Hold,
) -> Result<bool, Errno> {
    let operation = match (place, hold) {
        (Place::Presence, Hold::Shared) => sys::LOCK_SH,
        (Place::Presence, Hold::Exclusive) => sys::LOCK_EX,
        // Whoever removes unused objects then takes the exclusive one, and nobody has that as well.
        (Place::Name, _) => sys::LOCK_SH,
        (Place::Lock, _) => return Err(Errno::OPNOTSUPP),
    };
    // SAFETY: passes no pointer.
    let call = || unsafe { sys::flock(description.as_raw_fd(), operation | sys::LOCK_NB) };
    match cvt_retry(call) {
        Ok(_) => Ok(true),
        // EWOULDBLOCK, which is the same number.
        Err(Errno::AGAIN) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Nothing but presence can be locked.
pub(crate) fn wait_for_lock(_: BorrowedFd<'_>, _: Place) -> Result<(), Errno> {
    Err(Errno::OPNOTSUPP)
}

/// Drops the lock, for all descriptors of the description.
pub(crate) fn unlock_all(description: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: passes no pointer.
    cvt_retry(|| unsafe { sys::flock(description.as_raw_fd(), sys::LOCK_UN) }).map(drop)
}

/// Whether anyone is present. If another process asks at the same moment, it looks like a user, so
/// a "yes" is asked for again.
pub(crate) fn is_used(
    namespace: &Namespace,
    object: BorrowedFd<'_>,
    name: Option<&CStr>,
) -> Result<bool, Failure> {
    const TRIES: u32 = 4;
    let operation = Operation::IsUnused;
    let description = open_again(namespace, object, name, Direction::Input, operation)?;
    for attempt in 1..=TRIES {
        let free = try_lock(description.as_fd(), Place::Presence, Hold::Exclusive)
            .map_err(Failure::of(operation))?;
        if free {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_micros(50) * attempt);
    }
    Ok(true)
}
