//! What POSIX gives everywhere, for a system without a file of its own.
//!
//! What it cannot promise: an object has its name before it is filled. Memory is reserved only where the system has
//! `posix_fallocate` and takes it for shared memory. Whether an object can be read and written by its descriptor POSIX leaves
//! open, so nothing is.

use posix_shm_sys as sys;
#[cfg(pshm_has_posix_fallocate)]
use {
    super::{calls, memory, plain},
    crate::error::Failure,
    std::os::fd::BorrowedFd,
};

pub(crate) use super::calls::{allocated, set_len, write_at, write_new};
pub(crate) use super::named::{build, unlink};
#[cfg(not(pshm_has_posix_fallocate))]
pub(crate) use super::plain::reserve;
pub(crate) use super::plain::{anonymous, check_kind, find, names, open, read_only};
use crate::capabilities::Capabilities;
use crate::error::{Errno, Operation};

pub(crate) const NAME_MAX: usize = sys::NAME_MAX as usize;

pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    named: true,
    other_users: true,
    umask: true,
    exact_len: true,
    complete_before_named: false,
    supersede_in_one_step: false,
    reserve: cfg!(pshm_has_posix_fallocate),
    resize: true,
    set_permissions: true,
    read_write_at: false,
    list: false,
    // What was created under a name can never be sealed, where there are seals.
    seal: false,
    freeze_while_mapped: false,
    read_only_anonymous: false,
    tell_objects_apart: true,
};

pub(crate) const RESERVE_ONLY_GROWS: bool = cfg!(pshm_has_posix_fallocate);

/// Grows an object from `from` bytes to `to`, with memory behind every byte where the system takes shared memory for it.
#[cfg(pshm_has_posix_fallocate)]
pub(crate) fn reserve(
    object: BorrowedFd<'_>,
    from: sys::off_t,
    to: sys::off_t,
) -> Result<(), Failure> {
    let allocate = |offset, len| memory::posix_fallocate(object, offset, len);
    match memory::reserve_in_steps(object, from, to, allocate) {
        // What the systems say that have the call, and not for shared memory: QNX, musl on other file systems.
        Err(Errno(sys::EOPNOTSUPP | sys::ENODEV) | Errno::INVAL) => {
            plain::reserve(object, from, to)
        }
        result => result.map_err(|errno| {
            // Some C libraries write bytes where the file system cannot reserve, and stop in the middle.
            let len = calls::stat(object).map_or(0, |stat| stat.len());
            if from > 0 && len > from.unsigned_abs() {
                let _ = set_len(object, from);
            }
            memory::failure(object, to, errno)
        }),
    }
}

pub(crate) fn hint(_: Operation, _: Errno) -> Option<&'static str> {
    None
}
