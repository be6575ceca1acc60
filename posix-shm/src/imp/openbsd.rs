//! OpenBSD: objects are files of `/tmp` that are called by a hash of their name, as `lib/libc/gen/shm_open.c` says, and their
//! owner's alone.
//!
//! What is mapped and what is read and written by descriptor are kept apart by the kernel (there is no unified buffer cache), so
//! nothing is read or written by descriptor here.
//!
//! What it cannot promise: other users, whatever the permissions. Memory: there is no `posix_fallocate`, and to write zeroes
//! would make an object grow piece by piece under the eyes of those who wait for it. An object has its name before it is
//! filled. Nobody can tell which names there are, and a FIFO that somebody has put where an object should be holds up who opens
//! it for reading, since the flag against that is refused.
//!
//! `shm_mkstemp` is not used: it tries again whatever the error, 2147483647 times.

use std::os::fd::BorrowedFd;

use posix_shm_sys as sys;

pub(crate) use super::calls::{allocated, set_len, write_at, write_new};
pub(crate) use super::named::{build, unlink};
pub(crate) use super::plain::{anonymous, check_kind, find, names, open, read_only};
use super::{memory, plain};
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
    reserve: false,
    resize: true,
    set_permissions: true,
    read_write_at: false,
    list: false,
    seal: false,
    freeze_while_mapped: false,
    read_only_anonymous: false,
    tell_objects_apart: true,
};

pub(crate) const RESERVE_ONLY_GROWS: bool = false;

/// `ftruncate`. What is more than the file system has left is refused, but what it has may be gone when it is touched.
pub(crate) fn reserve(
    object: BorrowedFd<'_>,
    from: sys::off_t,
    to: sys::off_t,
) -> Result<(), Failure> {
    memory::ask_file_system(object, from, to)?;
    plain::reserve(object, from, to)
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
