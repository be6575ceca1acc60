//! OpenBSD: objects are files of `/tmp` that are called by a hash of their name, as `lib/libc/gen/shm_open.c` says, and their
//! owner's alone.
//!
//! What is mapped and what is read and written by descriptor are kept apart by the kernel (there is no unified buffer cache), so
//! nothing but a new object is written by descriptor here.
//!
//! What it cannot promise: other users, whatever the permissions. An object has its name before it is filled. Nobody can tell
//! which names there are, and a FIFO that somebody has put where an object should be holds up who opens it for reading, since the
//! flag against that is refused.
//!
//! `shm_mkstemp` is not used: it tries again whatever the error, 2147483647 times.

use std::os::fd::BorrowedFd;

use posix_shm_sys as sys;

pub(crate) use super::calls::{allocated, set_len, write_at, write_new};
use super::memory;
pub(crate) use super::named::{build, unlink};
pub(crate) use super::plain::{anonymous, check_kind, find, names, open, read_only};
use crate::capabilities::Capabilities;
use crate::error::{Errno, Failure, Operation};

/// It is only hashed.
pub(crate) const NAME_MAX: usize = usize::MAX;

pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    named: true,
    other_users: false,
    umask: true,
    exact_len: true,
    complete_before_named: false,
    supersede_in_one_step: false,
    reserve: true,
    resize: true,
    set_permissions: true,
    read_write_at: false,
    list: false,
    seal: false,
    freeze_while_mapped: false,
    read_only_anonymous: false,
    tell_objects_apart: true,
};

/// Only what is written has a place in the file system, and there is no `posix_fallocate`: so zeroes are. Each piece is past the
/// end of the object as it is then, where nobody can have mapped it.
pub(crate) fn reserve(
    object: BorrowedFd<'_>,
    from: sys::off_t,
    to: sys::off_t,
) -> Result<(), Failure> {
    const ZEROES: [u8; 64 << 10] = [0; 64 << 10];
    let failed = |errno| memory::failure(object, to, errno);
    if memory::free_bytes(object).is_some_and(|free| free < (to - from).unsigned_abs()) {
        // Before all that there is has been taken from others.
        return Err(failed(Errno::NOSPC));
    }
    let mut done = from;
    while done < to {
        let piece = usize::try_from(to - done).map_or(ZEROES.len(), |left| left.min(ZEROES.len()));
        match write_at(object, &ZEROES[..piece], done) {
            Ok(0) => return give_back(object, from, failed(Errno::NOSPC)),
            Ok(written) => done += written as sys::off_t,
            Err(errno) => return give_back(object, from, failed(errno)),
        }
    }
    Ok(())
}

/// The length it had.
fn give_back(object: BorrowedFd<'_>, from: sys::off_t, failure: Failure) -> Result<(), Failure> {
    // The error that matters is the first one.
    let _ = set_len(object, from);
    Err(failure)
}

pub(crate) fn hint(operation: Operation, errno: Errno) -> Option<&'static str> {
    match (operation, errno) {
        (Operation::Open, Errno::PERM) => Some("OpenBSD lets nobody but its owner open an object"),
        (Operation::Open, Errno::INVAL) => {
            Some("what stands in its place is no shared memory object")
        }
        _ => None,
    }
}
