//! What POSIX gives everywhere. A system takes from here what it has no better way for.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;

use posix_shm_sys as sys;

use super::draft::{Draft, Namespace, New, Obstacle, Stopped, Way};
use super::locks::{Hold, Place};
use super::named;
use super::stat::Stat;
use super::syscalls;
use crate::direction::Direction;
use crate::failure::{Errno, Failure, Operation};

/// An object is created under its name, then filled.
pub(crate) const WAYS: &[Way] = &[Way::Named];

/// For a system whose best way takes more than straight code.
pub(crate) fn create_at_once<T>(
    _: &CStr,
    _: sys::mode_t,
    _: impl FnOnce(BorrowedFd<'_>) -> Result<T, Failure>,
) -> Result<(OwnedFd, T), Stopped> {
    Err(Stopped::Before)
}

/// The same for an object without a name.
pub(crate) fn anonymous_at_once(_: &CStr) -> Result<OwnedFd, Errno> {
    Err(Errno::NOSYS)
}

/// What follows on [`anonymous_at_once`].
pub(crate) fn anonymous_after(
    _: Errno,
    namespace: &'static Namespace,
    label: &CStr,
) -> Result<Draft<'static>, Failure> {
    anonymous(namespace, label, None)
}

/// The same on a system that has no other way.
pub(crate) fn no_anonymous_after(
    errno: Errno,
    _: &'static Namespace,
    _: &CStr,
) -> Result<Draft<'static>, Failure> {
    Err(Failure::new(Operation::Create, errno))
}

/// Begins the only way in [`WAYS`].
pub(crate) fn draft<'a>(new: &New<'a>, _: Way) -> Result<Draft<'a>, Obstacle> {
    Ok(named::claim(new)?)
}

/// Ends it.
pub(crate) fn publish(draft: &mut Draft<'_>, new: &New<'_>) -> Result<Option<OwnedFd>, Obstacle> {
    Ok(named::publish_claimed(draft, new)?)
}

/// Opens the object of a name. POSIX knows no flag against waiting for the other end of a FIFO that
/// was planted under the name, but systems that keep objects in files take one.
pub(crate) fn open(name: &CStr, direction: Direction, truncate: bool) -> Result<OwnedFd, Errno> {
    match named::open_without_waiting(name, direction, truncate) {
        Err(Errno::INVAL) => named::open(name, direction, truncate, 0),
        result => result,
    }
}

/// The object that has the name, if this user may open it.
pub(crate) fn find(name: &CStr) -> Result<Stat, Errno> {
    syscalls::stat(open(name, Direction::Input, false)?.as_fd())
}

/// The names of all objects, on a system that has no list of them.
pub(crate) enum Names {}

impl Names {
    pub(crate) fn next_name(&mut self) -> Option<Result<&[u8], Errno>> {
        match *self {}
    }

    pub(crate) fn stat<'a>(
        &self,
        _: &CStr,
        _: &'a mut MaybeUninit<Stat>,
    ) -> Result<&'a Stat, Errno> {
        match *self {}
    }
}

/// POSIX has no way to list names.
pub(crate) fn names() -> Result<Names, Failure> {
    Err(Failure::new(Operation::List, Errno::OPNOTSUPP))
}

/// An object without a name: one whose name nobody can guess. The name is removed when the object
/// is filled. (macOS leaks an object that is sized after that.)
pub(crate) fn anonymous(
    namespace: &'static Namespace,
    _: &CStr,
    permissions: Option<sys::mode_t>,
) -> Result<Draft<'static>, Failure> {
    let mode = permissions.unwrap_or(sys::S_IRUSR | sys::S_IWUSR);
    let draft = named::create_temporary(namespace, mode, false).map_err(Failure::from)?;
    // The umask is for names that others can see. It is not for the owner, so the default stays.
    let restored = match permissions {
        Some(_) => named::restore_permissions(namespace, draft.object(), mode),
        None => Ok(()),
    };
    match restored {
        Ok(()) => Ok(draft),
        Err(failure) => Err(draft.abandon(failure)),
    }
}

/// A second, read-only handle: only by the object's name, and only while it means this object.
pub(crate) fn read_only(
    namespace: &Namespace,
    object: BorrowedFd<'_>,
    name: Option<&CStr>,
) -> Result<OwnedFd, Failure> {
    open_again(namespace, object, name, Direction::Input, Operation::Clone)
}

/// Opens the object again: only by its name, and only while it means this object.
pub(crate) fn open_again(
    namespace: &Namespace,
    object: BorrowedFd<'_>,
    name: Option<&CStr>,
    direction: Direction,
    operation: Operation,
) -> Result<OwnedFd, Failure> {
    match name {
        Some(name) => named::reopen(namespace, name, object, direction),
        None => Err(Failure::new(operation, Errno::OPNOTSUPP)),
    }
}

/// As [`no_try_lock`], which nothing needs.
pub(crate) const EXCLUSIVE: Direction = Direction::Io;

/// POSIX has no locks of shared memory objects.
pub(crate) fn no_try_lock(_: BorrowedFd<'_>, _: Place, _: Hold) -> Result<bool, Errno> {
    Err(Errno::OPNOTSUPP)
}

/// As [`no_try_lock`].
pub(crate) fn no_wait(_: BorrowedFd<'_>, _: Place) -> Result<(), Errno> {
    Err(Errno::OPNOTSUPP)
}

/// As [`no_try_lock`].
pub(crate) fn no_unlock(_: BorrowedFd<'_>) -> Result<(), Errno> {
    Err(Errno::OPNOTSUPP)
}

/// As [`no_try_lock`].
pub(crate) fn no_is_used(
    _: &Namespace,
    _: BorrowedFd<'_>,
    _: Option<&CStr>,
) -> Result<bool, Failure> {
    Err(Failure::new(Operation::IsUnused, Errno::OPNOTSUPP))
}

/// Nothing to do: an object has the permissions that it was created with, 0o600 by default.
pub(crate) fn protect(_: BorrowedFd<'_>) -> Result<(), Failure> {
    Ok(())
}

/// Refuses a descriptor that is certainly not of shared memory.
pub(crate) fn check_kind(object: BorrowedFd<'_>) -> Result<(), Errno> {
    if syscalls::stat(object)?.is_certainly_no_object() { Err(Errno::INVAL) } else { Ok(()) }
}

/// No object has pages of another size than the system's.
pub(crate) fn no_huge_page(_: BorrowedFd<'_>, _: &Stat) -> Option<u64> {
    None
}

/// Nothing makes huge pages of usual ones on demand.
pub(crate) fn no_transparent_page() -> Option<usize> {
    None
}

/// As [`no_transparent_page`].
pub(crate) fn no_collapse(_: NonNull<u8>, _: usize) -> Result<(), Errno> {
    Err(Errno::OPNOTSUPP)
}

/// The system does not tell what a mapping shows.
pub(crate) fn no_shows(_: NonNull<u8>, _: BorrowedFd<'_>) -> Option<bool> {
    None
}

/// There is no pool of huge pages.
pub(crate) fn no_pooled_pages() -> Result<Vec<u64>, Failure> {
    Err(Failure::new(Operation::List, Errno::OPNOTSUPP))
}

/// As [`no_pooled_pages`].
pub(crate) fn no_huge_pages(
    _: &'static Namespace,
    _: &CStr,
    _: Option<sys::mode_t>,
    _: Option<u64>,
) -> Result<Draft<'static>, Failure> {
    Err(Failure::new(Operation::Create, Errno::OPNOTSUPP)
        .with_hint("this system has no objects of huge pages"))
}

/// The limit on the length of files is not for objects.
pub(crate) fn may_write(
    _: BorrowedFd<'_>,
    _: sys::off_t,
    _: usize,
    _: bool,
) -> Result<(), Failure> {
    Ok(())
}
