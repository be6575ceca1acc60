//! What POSIX gives everywhere, for a system without a file of its own.
//!
//! What it cannot promise: an object has its name before it is filled, so whoever opens it at once may find it short, and
//! a process killed in between leaves it so. Taking a name over removes it first, so for a moment nothing has it, and for
//! good where the new object cannot be had. Memory
//! is reserved only where the system has `posix_fallocate` and takes it for shared memory.

use std::ffi::{CStr, OsString};
#[cfg(pshm_has_posix_fallocate)]
use std::os::fd::AsRawFd;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use posix_shm_sys as sys;

use super::calls::{self, Unlinker};
use super::{Fill, New};
use crate::capabilities::Capabilities;
use crate::error::{Errno, Failure, Operation};
use crate::metadata::Metadata;
use crate::open::Direction;

/// In bytes after the slash; Apple's and FreeBSD's limits count the slash, and FreeBSD's the NUL byte.
pub(crate) const NAME_MAX: usize = {
    #[cfg(target_vendor = "apple")]
    const MAX: i32 = sys::PSHMNAMLEN - 1;
    #[cfg(target_os = "freebsd")]
    const MAX: i32 = sys::PATH_MAX - 2;
    #[cfg(not(any(target_vendor = "apple", target_os = "freebsd")))]
    const MAX: i32 = sys::NAME_MAX;
    MAX as usize
};

pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    complete_before_named: false,
    supersede_in_one_step: false,
    reserve: cfg!(pshm_has_posix_fallocate) || cfg!(target_os = "freebsd"),
    resize: !cfg!(target_vendor = "apple"),
    set_permissions: !cfg!(target_vendor = "apple"),
    read_write_at: !cfg!(target_vendor = "apple"),
    list: false,
    // What was created under a name can never be sealed, where there are seals.
    seal: false,
    read_only_anonymous: false,
    tell_objects_apart: !cfg!(target_vendor = "apple"),
};

pub(crate) fn open(name: &CStr, direction: Direction, truncate: bool) -> Result<OwnedFd, Errno> {
    let truncate = if truncate { sys::O_TRUNC } else { 0 };
    calls::shm_open(name, calls::access(direction) | truncate, 0)
}

pub(crate) fn find(name: &CStr) -> Result<Metadata, Errno> {
    calls::stat(open(name, Direction::Input, false)?.as_fd())
}

/// Created under its name, then filled.
pub(crate) fn build<T>(new: New<'_>, fill: Fill<'_, T>) -> Result<(OwnedFd, T), Failure> {
    calls::build_in_place(new, fill)
}

/// A name nobody can guess, removed again once the object is filled: macOS leaked what was sized after that.
pub(crate) fn anonymous<T>(
    permissions: Option<sys::mode_t>,
    fill: Fill<'_, T>,
) -> Result<(OwnedFd, T), Failure> {
    let mode = permissions.unwrap_or(sys::S_IRUSR | sys::S_IWUSR);
    let (name, object) = calls::create_temporary(mode).map_err(Failure::of(Operation::Create))?;
    let guard = Unlinker::new(&name);
    let filled = fill(object.as_fd())?;
    guard.keep();
    calls::unlink(&name).map_err(Failure::of(Operation::Unlink))?;
    Ok((object, filled))
}

/// Grows an object from `from` bytes to `to`, with memory behind every byte where the system can.
pub(crate) fn reserve(
    object: BorrowedFd<'_>,
    #[cfg_attr(not(pshm_has_posix_fallocate), expect(unused_variables))] from: sys::off_t,
    to: sys::off_t,
) -> Result<(), Failure> {
    #[cfg(pshm_has_posix_fallocate)]
    match calls::reserve_in_steps(object, from, to, |offset, len| {
        // SAFETY: passes no pointer.
        match Errno(unsafe { sys::posix_fallocate(object.as_raw_fd(), offset, len) }) {
            // It answers with the error number itself, and leaves errno alone.
            Errno(0) => Ok(()),
            errno => Err(errno),
        }
    }) {
        // What the systems say that have the call, and not for shared memory: FreeBSD, QNX, musl on other file systems.
        Err(Errno(sys::EOPNOTSUPP | sys::ENODEV) | Errno::INVAL) => {}
        result => {
            return result.map_err(|errno| {
                // Some C libraries write bytes where the file system cannot reserve, and stop in the middle.
                let len = calls::stat(object).map_or(0, |stat| stat.len());
                if from > 0 && len > from.unsigned_abs() {
                    let _ = calls::set_len(object, from);
                }
                calls::reserve_failure(object, to, errno)
            });
        }
    }
    // FreeBSD reserves swap here.
    calls::set_len(object, to).map_err(|errno| calls::reserve_failure(object, to, errno))
}

/// POSIX has no way to ask.
pub(crate) fn names() -> Result<Box<dyn Iterator<Item = std::io::Result<OsString>>>, Failure> {
    Err(Failure::new(Operation::List, Errno::NOTSUP))
}

/// Only by its name, and only as long as that means this object.
pub(crate) fn read_only(object: BorrowedFd<'_>, name: Option<&CStr>) -> Result<OwnedFd, Failure> {
    match name {
        Some(name) => calls::reopen(name, object),
        None => Err(Failure::new(Operation::Clone, Errno::NOTSUP)),
    }
}

/// What it is for certain that it is not.
pub(crate) fn check_kind(object: BorrowedFd<'_>) -> Result<(), Errno> {
    if calls::stat(object)?.is_no_object() { Err(Errno::INVAL) } else { Ok(()) }
}

#[allow(clippy::unnecessary_cast, reason = "both are narrower on 32 bits")]
pub(crate) fn times(stat: &sys::stat) -> [(i64, u32); 3] {
    #[cfg(pshm_has_st_atim)]
    let times = [stat.st_atim, stat.st_mtim, stat.st_ctim];
    #[cfg(not(pshm_has_st_atim))]
    let times = [stat.st_atimespec, stat.st_mtimespec, stat.st_ctimespec];
    times.map(|t| (t.tv_sec as i64, t.tv_nsec as u32))
}
