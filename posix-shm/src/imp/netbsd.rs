//! NetBSD: objects are files of the tmpfs at `/var/shm`, as `lib/librt/shm.c` says, so they can be built under a temporary name
//! and renamed.
//!
//! An anonymous object is a file whose name was removed, and no `memfd_create`, which NetBSD 11 has: the last page of a memfd
//! cannot be mapped unless it is full, and it has no permissions and no number (`sys/kern/sys_memfd.c`).
//!
//! What it cannot promise: seals, and read-only handles of what has no name. A process that is killed while it builds an object
//! leaves a temporary name behind.

use std::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd};

use posix_shm_sys as sys;

pub(crate) use super::calls::{allocated, set_len, write_at, write_new};
pub(crate) use super::directory::open;
use super::directory::{self, Directory};
pub(crate) use super::named::unlink;
/// `ftruncate` takes what is added from what the file system has left, or says `ENOSPC`. (`posix_fallocate` does nothing on a
/// tmpfs.)
pub(crate) use super::plain::reserve;
pub(crate) use super::plain::{anonymous, read_only};
use super::{Fill, Names, New, calls, named};
use crate::capabilities::Capabilities;
use crate::error::{Errno, Failure, Operation};
use crate::metadata::Metadata;

/// Where librt keeps the objects, and what their names begin with.
const DIRECTORY: Directory = Directory { path: c"/var/shm", prefix: b".shmobj_" };

/// What a tmpfs takes (`TMPFS_MAXNAMLEN` of the kernel's `tmpfs.h`; the limit that the C library's headers have is another one),
/// less the prefix.
pub(crate) const NAME_MAX: usize = 255 - DIRECTORY.prefix.len();

pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    named: true,
    other_users: true,
    umask: true,
    exact_len: true,
    complete_before_named: true,
    supersede_in_one_step: true,
    reserve: true,
    resize: true,
    set_permissions: true,
    read_write_at: true,
    list: true,
    seal: false,
    freeze_while_mapped: false,
    read_only_anonymous: false,
    tell_objects_apart: true,
};

pub(crate) const RESERVE_ONLY_GROWS: bool = false;

pub(crate) fn find(name: &CStr) -> Result<Metadata, Errno> {
    DIRECTORY.find(name)
}

/// Built under a temporary name, then renamed or linked.
pub(crate) fn build<T>(new: New<'_>, fill: Fill<'_, T>) -> Result<(OwnedFd, T), Failure> {
    named::build_elsewhere(new, fill, |new, fill| DIRECTORY.build(new, fill))
}

pub(crate) fn names() -> Result<Names, Failure> {
    DIRECTORY.names(|_| true)
}

/// A file of the same file system, or a memfd of a peer's.
pub(crate) fn check_kind(object: BorrowedFd<'_>) -> Result<(), Errno> {
    let found = calls::stat(object)?;
    let is_file_there = || {
        // Where a link leads, if it is one.
        let directory = directory::stat(c"/var/shm/.")?;
        Ok(found.kind() == sys::S_IFREG && found.device() == directory.device())
    };
    if super::seals(object).is_ok() || is_file_there()? { Ok(()) } else { Err(Errno::INVAL) }
}

pub(crate) fn hint(operation: Operation, errno: Errno) -> Option<&'static str> {
    match (operation, errno) {
        (Operation::Open | Operation::Create | Operation::Unlink, Errno(sys::ENOTSUP)) => {
            Some("NetBSD has shared memory where a tmpfs is mounted at /var/shm, with mode 1777")
        }
        _ => None,
    }
}
