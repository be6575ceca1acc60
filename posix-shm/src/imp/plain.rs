//! What POSIX gives everywhere: a system takes from here what it has nothing better for.

#![allow(dead_code, reason = "not every system takes everything")]

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use posix_shm_sys as sys;

use super::{Fill, Names, calls, memory, named};
use crate::error::{Errno, Failure, Operation};
use crate::metadata::Metadata;
use crate::open::Direction;

/// Opens what has the name.
pub(crate) fn open(name: &CStr, direction: Direction, truncate: bool) -> Result<OwnedFd, Errno> {
    named::open(name, direction, truncate, 0)
}

/// What has the name, as far as this user may open it.
pub(crate) fn find(name: &CStr) -> Result<Metadata, Errno> {
    calls::stat(open(name, Direction::Input, false)?.as_fd())
}

/// Gives an object a length, and whatever memory comes with that.
pub(crate) fn reserve(
    object: BorrowedFd<'_>,
    _: sys::off_t,
    to: sys::off_t,
) -> Result<(), Failure> {
    super::set_len(object, to).map_err(|errno| memory::failure(object, to, errno))
}

/// Which names there are, nobody is told.
pub(crate) fn names() -> Result<Names, Failure> {
    Err(Failure::new(Operation::List, Errno::NOTSUP))
}

/// An object without a name: one that nobody can guess, removed again once the object is filled. (macOS leaked what was sized
/// after that.)
pub(crate) fn anonymous<T>(
    permissions: Option<sys::mode_t>,
    fill: Fill<'_, T>,
) -> Result<(OwnedFd, T), Failure> {
    let mode = permissions.unwrap_or(sys::S_IRUSR | sys::S_IWUSR);
    let (name, object) = named::create_temporary(mode).map_err(Failure::of(Operation::Create))?;
    let guard = named::Unlinker::new(&name);
    let filled = fill(object.as_fd())?;
    guard.keep();
    named::unlink(&name).map_err(Failure::of(Operation::Unlink))?;
    Ok((object, filled))
}

/// A second, read-only handle: only by the object's name, and only as long as that means this object.
pub(crate) fn read_only(object: BorrowedFd<'_>, name: Option<&CStr>) -> Result<OwnedFd, Failure> {
    match name {
        Some(name) => named::reopen(name, object),
        None => Err(Failure::new(Operation::Clone, Errno::NOTSUP)),
    }
}

/// Refuses what is for certain no shared memory.
pub(crate) fn check_kind(object: BorrowedFd<'_>) -> Result<(), Errno> {
    if calls::stat(object)?.is_no_object() { Err(Errno::INVAL) } else { Ok(()) }
}
