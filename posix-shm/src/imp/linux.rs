//! Linux: objects are files of the tmpfs at `/dev/shm`, which lets them be complete before they have a name.
//!
//! What it cannot promise: to supersede, an object has a temporary name for a moment, since linking replaces nothing. With
//! neither `O_TMPFILE` nor a way to link what it made (`linkat` with `AT_EMPTY_PATH` wants Linux 6.10 or a capability, the
//! way round it wants `/proc`), every object is built under one. A process that is killed then leaves that name behind.

use std::ffi::{CStr, c_int};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use posix_shm_sys as sys;

pub(crate) use super::calls::{allocated, set_len, write_at, write_new};
pub(crate) use super::directory::open;
use super::directory::{self, Directory};
pub(crate) use super::linux_kernel::reserve;
use super::linux_kernel::{proc_path, reopen};
pub(crate) use super::memfd::check_kind;
pub(crate) use super::named::unlink;
use super::named::{self, Unlinker, settle_permissions};
use super::{Fill, Names, New, linux_kernel, memfd, plain};
use crate::capabilities::Capabilities;
use crate::error::{Errno, Failure, Operation, cvt_retry};
use crate::metadata::Metadata;
use crate::open::Direction;

pub(crate) const NAME_MAX: usize = sys::NAME_MAX as usize;

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
    seal: true,
    freeze_while_mapped: true,
    read_only_anonymous: true,
    tell_objects_apart: true,
};

pub(crate) const RESERVE_ONLY_GROWS: bool = true;

/// Where glibc and musl keep the objects; `shm_open(3)` promises it.
const DIRECTORY: Directory = Directory { path: c"/dev/shm", prefix: b"" };

// What a kernel answers that does not have a thing, or not on this file system.
const NO_SUCH_CALL: Errno = Errno(sys::ENOSYS);
const IS_DIRECTORY: Errno = Errno(sys::EISDIR);

pub(crate) fn find(name: &CStr) -> Result<Metadata, Errno> {
    DIRECTORY.find(name)
}

/// Built without a name (`O_TMPFILE`), then linked to it. Where the system lacks either, under a temporary name.
pub(crate) fn build<T>(new: New<'_>, fill: Fill<'_, T>) -> Result<(OwnedFd, T), Failure> {
    named::build_elsewhere(new, fill, build_aside)
}

fn build_aside<T>(new: New<'_>, fill: Fill<'_, T>) -> Result<(OwnedFd, T), Failure> {
    match unnamed(0, new.mode) {
        // What cannot be linked cannot be filled either, where that can be done only once.
        Ok(object) if new.once && !can_be_linked(object.as_fd()) => {}
        Ok(object) => {
            settle_permissions(object.as_fd(), &new)?;
            let filled = fill(object.as_fd())?;
            let handle = match new.direction {
                Direction::Io => Ok(None),
                Direction::Input => {
                    let reopen = || reopen(object.as_fd()).map_err(Failure::of(Operation::Open));
                    named::reopen_created(object.as_fd(), reopen).map(Some)
                }
            };
            match handle {
                Ok(handle) => match publish(object.as_fd(), &new) {
                    Ok(()) => return Ok((handle.unwrap_or(object), filled)),
                    Err(Errno::NOENT) => {}
                    Err(errno) => return Err(Failure::new(Operation::Publish, errno)),
                },
                Err(failure) if failure.errno == Errno::NOENT => {}
                Err(failure) => return Err(failure),
            }
        }
        // A file system without O_TMPFILE, a kernel without it.
        Err(Errno::NOTSUP | IS_DIRECTORY) => {}
        Err(errno) => return Err(Failure::new(Operation::Create, errno)),
    }
    DIRECTORY.build(new, fill)
}

/// Whether a link could be made, without making one: a directory's own entry for itself is never free.
fn can_be_linked(object: BorrowedFd<'_>) -> bool {
    link(object, c"/dev/shm/.") == Err(Errno::EXIST)
}

/// An object without a name, which `flags` may forbid to ever get one.
fn unnamed(flags: c_int, mode: sys::mode_t) -> Result<OwnedFd, Errno> {
    let flags = sys::O_TMPFILE | sys::O_RDWR | sys::O_CLOEXEC | flags;
    // SAFETY: the path is a NUL-terminated string that outlives the call.
    let fd = cvt_retry(|| unsafe { sys::open(DIRECTORY.path.as_ptr(), flags, mode) })?;
    // SAFETY: the call made this descriptor for us, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Gives an object without a name its name. `ENOENT` means that this system has no way to.
fn publish(object: BorrowedFd<'_>, new: &New<'_>) -> Result<(), Errno> {
    let path = DIRECTORY.path_of(new.name);
    match link(object, &path) {
        Err(Errno::EXIST) if new.replace => {}
        result => return result,
    }
    // Linking never replaces and renaming does, so a name in between takes part.
    let temporary = named::temporary()?;
    let temporary_path = DIRECTORY.path_of(&temporary);
    link(object, &temporary_path)?;
    let guard = Unlinker::new(&temporary);
    directory::rename(&temporary_path, &path)?;
    guard.keep();
    Ok(())
}

/// `linkat` from a descriptor: itself where the kernel lets us, else through `/proc`.
fn link(object: BorrowedFd<'_>, path: &CStr) -> Result<(), Errno> {
    let linkat = |fd, from: &CStr, flags| {
        // SAFETY: both paths are NUL-terminated strings that outlive the call.
        cvt_retry(|| unsafe { sys::linkat(fd, from.as_ptr(), sys::AT_FDCWD, path.as_ptr(), flags) })
    };
    match linkat(object.as_raw_fd(), c"", sys::AT_EMPTY_PATH) {
        // What older kernels say to those without the capability for it.
        Err(Errno::NOENT) => {
            linkat(sys::AT_FDCWD, &proc_path(object), sys::AT_SYMLINK_FOLLOW).map(drop)
        }
        result => result.map(drop),
    }
}

/// `memfd_create`; where the kernel has none (`ENOSYS`), an unnamed file in `/dev/shm` that can never be linked.
pub(crate) fn anonymous<T>(
    permissions: Option<sys::mode_t>,
    fill: Fill<'_, T>,
) -> Result<(OwnedFd, T), Failure> {
    let object = match linux_kernel::unnamed(permissions) {
        Err(NO_SUCH_CALL) => {
            unnamed(sys::O_EXCL, permissions.unwrap_or(sys::S_IRUSR | sys::S_IWUSR))
        }
        result => result,
    }
    .map_err(Failure::of(Operation::Create))?;
    memfd::complete(object, permissions, fill)
}

/// Semaphores are there too, under names of their own.
pub(crate) fn names() -> Result<Names, Failure> {
    DIRECTORY.names(|name| !name.as_bytes().starts_with(b"sem."))
}

/// The same object again, through `/proc` or else by its name.
pub(crate) fn read_only(object: BorrowedFd<'_>, name: Option<&CStr>) -> Result<OwnedFd, Failure> {
    match reopen(object) {
        Err(Errno::NOENT) => plain::read_only(object, name),
        result => result.map_err(Failure::of(Operation::Clone)),
    }
}

pub(crate) fn hint(operation: Operation, errno: Errno) -> Option<&'static str> {
    match (operation, errno) {
        (Operation::Create, Errno::NOENT) => {
            Some("the directory of the objects is missing; is /dev/shm mounted?")
        }
        _ => None,
    }
}
