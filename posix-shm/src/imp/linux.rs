//! Linux: objects are files of the tmpfs at `/dev/shm`, which lets them be complete before they have a name.
//!
//! What it cannot promise: to supersede, an object has a temporary name for a moment, since linking replaces nothing. With
//! neither `O_TMPFILE` nor a way to link what it made (`linkat` with `AT_EMPTY_PATH` wants Linux 6.10 or a capability, the
//! way round it wants `/proc`), every object is built under one. A process that is killed then leaves that name behind.

use std::ffi::{CStr, CString, OsStr, OsString, c_int};
use std::fs::DirEntry;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use posix_shm_sys as sys;

use super::calls::{self, Unlinker};
use super::{Fill, New};
use crate::capabilities::Capabilities;
use crate::error::{Errno, Failure, Operation, cvt, cvt_retry};
use crate::metadata::Metadata;
use crate::open::Direction;

pub(crate) const NAME_MAX: usize = sys::NAME_MAX as usize;

pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    complete_before_named: true,
    supersede_in_one_step: true,
    reserve: true,
    resize: true,
    set_permissions: true,
    read_write_at: true,
    list: true,
    seal: true,
    read_only_anonymous: true,
    tell_objects_apart: true,
};

/// Where glibc and musl keep the objects; `shm_open(3)` promises it.
const DIRECTORY: &CStr = c"/dev/shm";

/// Without it, a FIFO planted under a name would hold up whoever opens it. On an object it does nothing.
const NO_WAITING: c_int = sys::O_NONBLOCK;

// What a kernel answers that does not have a thing, or not on this file system.
const NO_SUCH_CALL: Errno = Errno(sys::ENOSYS);
const IS_DIRECTORY: Errno = Errno(sys::EISDIR);

pub(crate) fn open(name: &CStr, direction: Direction, truncate: bool) -> Result<OwnedFd, Errno> {
    let truncate = if truncate { sys::O_TRUNC } else { 0 };
    calls::shm_open(name, calls::access(direction) | truncate | NO_WAITING, 0)
}

pub(crate) fn find(name: &CStr) -> Result<Metadata, Errno> {
    let path = path(name);
    let mut stat = std::mem::MaybeUninit::<sys::stat>::uninit();
    // SAFETY: the path is a NUL-terminated string, and the pointer is to room for one `stat`.
    cvt(unsafe {
        sys::fstatat(sys::AT_FDCWD, path.as_ptr(), stat.as_mut_ptr(), sys::AT_SYMLINK_NOFOLLOW)
    })?;
    // SAFETY: the call succeeded, so it has filled it in; and every field is an integer.
    Ok(Metadata::new(unsafe { stat.assume_init() }))
}

/// From this size on, reserving the memory costs far more than finding out that the name is taken.
const LOOK_FIRST: u64 = 1 << 20;

/// Built without a name (`O_TMPFILE`), then linked to it. Where the system lacks either, under a temporary name.
pub(crate) fn build<T>(new: New<'_>, fill: Fill<'_, T>) -> Result<(OwnedFd, T), Failure> {
    if new.is_plain() {
        // There is nothing that could be seen half-made.
        return calls::build_in_place(new, fill);
    }
    let taken = || !new.replace && find(new.name).is_ok();
    let exists = || Failure::new(Operation::Create, Errno::EXIST);
    if (new.once || new.size >= LOOK_FIRST) && taken() {
        return Err(exists());
    }
    match build_aside(new, fill) {
        // Whether there is room for another does not matter where there was none to be made.
        Err(failure) if matches!(failure.errno, Errno::NOSPC | Errno::NOMEM) && taken() => {
            Err(exists())
        }
        result => result,
    }
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
                    calls::reopen_created(object.as_fd(), reopen).map(Some)
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
    build_under_temporary_name(new, fill)
}

/// Whether a link could be made, without making one: a directory's own entry for itself is never free.
fn can_be_linked(object: BorrowedFd<'_>) -> bool {
    link(object, c"/dev/shm/.") == Err(Errno::EXIST)
}

/// Gives an object the permissions that the umask may have taken from it.
fn settle_permissions(object: BorrowedFd<'_>, new: &New<'_>) -> Result<(), Failure> {
    if new.exact {
        calls::set_permissions(object, new.mode).map_err(Failure::of(Operation::SetPermissions))?;
    }
    Ok(())
}

/// An object without a name, which `flags` may forbid to ever get one.
fn unnamed(flags: c_int, mode: sys::mode_t) -> Result<OwnedFd, Errno> {
    let flags = sys::O_TMPFILE | sys::O_RDWR | sys::O_CLOEXEC | flags;
    // SAFETY: the path is a NUL-terminated string that outlives the call.
    let fd = cvt_retry(|| unsafe { sys::open(DIRECTORY.as_ptr(), flags, mode) })?;
    // SAFETY: the call made this descriptor for us, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A read-only handle of the same object, through `/proc`. `ENOENT` means that there is none.
fn reopen(object: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let path = proc_path(object);
    let flags = sys::O_RDONLY | sys::O_CLOEXEC;
    // SAFETY: the path is a NUL-terminated string that outlives the call.
    let fd = cvt_retry(|| unsafe { sys::open(path.as_ptr(), flags, 0) })?;
    // SAFETY: the call made this descriptor for us, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Gives an object without a name its name. `ENOENT` means that this system has no way to.
fn publish(object: BorrowedFd<'_>, new: &New<'_>) -> Result<(), Errno> {
    let path = path(new.name);
    match link(object, &path) {
        Err(Errno::EXIST) if new.replace => {}
        result => return result,
    }
    // Linking never replaces and renaming does, so a name in between takes part.
    let temporary = crate::name::temporary()?;
    link(object, &self::path(&temporary))?;
    let guard = Unlinker::new(&temporary);
    rename(&self::path(&temporary), &path)?;
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

fn build_under_temporary_name<T>(new: New<'_>, fill: Fill<'_, T>) -> Result<(OwnedFd, T), Failure> {
    let (temporary, object) =
        calls::create_temporary(new.mode).map_err(Failure::of(Operation::Create))?;
    let guard = Unlinker::new(&temporary);
    settle_permissions(object.as_fd(), &new)?;
    let filled = fill(object.as_fd())?;
    let handle = match new.direction {
        Direction::Io => object,
        Direction::Input => {
            let reopen =
                || open(&temporary, Direction::Input, false).map_err(Failure::of(Operation::Open));
            calls::reopen_created(object.as_fd(), reopen)?
        }
    };
    let (from, to) = (path(&temporary), path(new.name));
    let renamed = if new.replace { rename(&from, &to) } else { rename_to_free(&from, &to) };
    renamed.map_err(Failure::of(Operation::Publish))?;
    guard.keep();
    Ok((handle, filled))
}

fn rename(from: &CStr, to: &CStr) -> Result<(), Errno> {
    // SAFETY: both paths are NUL-terminated strings that outlive the call.
    cvt_retry(|| unsafe { sys::rename(from.as_ptr(), to.as_ptr()) }).map(drop)
}

/// Renames to a name that nothing has, or says `EEXIST`.
fn rename_to_free(from: &CStr, to: &CStr) -> Result<(), Errno> {
    #[cfg(pshm_has_renameat2)]
    {
        // SAFETY: both paths are NUL-terminated strings that outlive the call.
        match cvt_retry(|| unsafe {
            sys::renameat2(
                sys::AT_FDCWD,
                from.as_ptr(),
                sys::AT_FDCWD,
                to.as_ptr(),
                sys::RENAME_NOREPLACE,
            )
        }) {
            // A kernel without the call, or without the flag on this file system.
            Err(NO_SUCH_CALL | Errno::INVAL) => {}
            result => return result.map(drop),
        }
    }
    // SAFETY: both paths are NUL-terminated strings that outlive the call.
    cvt_retry(|| unsafe { sys::link(from.as_ptr(), to.as_ptr()) })?;
    // SAFETY: the path is a NUL-terminated string that outlives the call.
    // The object is complete under its name; a temporary one that could not be removed takes nothing from it.
    let _ = cvt_retry(|| unsafe { sys::unlink(from.as_ptr()) });
    Ok(())
}

/// `memfd_create`; where the kernel has none (`ENOSYS`), an unnamed file in `/dev/shm` that can never be linked.
pub(crate) fn anonymous<T>(
    permissions: Option<sys::mode_t>,
    fill: Fill<'_, T>,
) -> Result<(OwnedFd, T), Failure> {
    let executable = sys::S_IXUSR | sys::S_IXGRP | sys::S_IXOTH;
    let object = match permissions {
        // The seal would forbid the very permissions that are asked for.
        Some(mode) if mode & executable != 0 => memfd(sys::MFD_EXEC),
        _ => memfd(sys::MFD_NOEXEC_SEAL),
    };
    let object = match object {
        // Linux before 6.3 knows neither flag.
        Err(Errno::INVAL) => memfd(0),
        result => result,
    };
    let object = match object {
        Err(NO_SUCH_CALL) => {
            unnamed(sys::O_EXCL, permissions.unwrap_or(sys::S_IRUSR | sys::S_IWUSR))
        }
        result => result,
    }
    .map_err(Failure::of(Operation::Create))?;
    if let Some(mode) = permissions {
        calls::set_permissions(object.as_fd(), mode)
            .map_err(Failure::of(Operation::SetPermissions))?;
    }
    let filled = fill(object.as_fd())?;
    Ok((object, filled))
}

fn memfd(flags: std::ffi::c_uint) -> Result<OwnedFd, Errno> {
    let flags = sys::MFD_CLOEXEC | sys::MFD_ALLOW_SEALING | flags;
    // The label is what /proc shows.
    // SAFETY: the label is a NUL-terminated string that outlives the call.
    let fd = cvt_retry(|| unsafe { sys::memfd_create(c"posix-shm".as_ptr(), flags) })?;
    // SAFETY: the call made this descriptor for us, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Grows an object from `from` bytes to `to` with memory behind every byte. Fallocate sets the length, too.
pub(crate) fn reserve(
    object: BorrowedFd<'_>,
    from: sys::off_t,
    to: sys::off_t,
) -> Result<(), Failure> {
    if to - from >= ASK_FIRST {
        ask_first(object, from, to)?;
    }
    // Not posix_fallocate: where the file system cannot, glibc's reads and writes bytes, which peers may be writing too.
    let allocate = |offset, len| {
        // SAFETY: passes no pointer.
        cvt(unsafe { sys::fallocate(object.as_raw_fd(), 0, offset, len) }).map(drop)
    };
    match calls::reserve_in_steps(object, from, to, allocate) {
        // A descriptor that came from elsewhere, of a file on a file system that cannot.
        Err(Errno::NOTSUP) => calls::set_len(object, to).map_err(Failure::of(Operation::SetLen)),
        result => result.map_err(|errno| calls::reserve_failure(object, to, errno)),
    }
}

/// From this size on, taking the memory costs far more than asking what there is.
const ASK_FIRST: sys::off_t = 16 << 20;

/// The kernel takes page after page until there is no more, and only then gives them back, or kills somebody: what is too
/// much for a file system is an error in the end, but a memfd has no limit other than the machine.
fn ask_first(object: BorrowedFd<'_>, from: sys::off_t, to: sys::off_t) -> Result<(), Failure> {
    let wanted = (to - from).unsigned_abs();
    if calls::free_bytes(object).is_some_and(|free| free < wanted) {
        return Err(calls::reserve_failure(object, to, Errno::NOSPC));
    }
    match available_memory() {
        Some(available) if available < wanted => {
            let mut failure = calls::reserve_failure(object, to, Errno::NOMEM);
            failure.hint = Some(format!("the machine has {available} bytes of memory available"));
            Err(failure)
        }
        _ => Ok(()),
    }
}

/// What could be had without killing anybody, in the kernel's own estimate; `None` where there is no `/proc`.
fn available_memory() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kilobytes = |field: &str| -> Option<u64> {
        let rest = meminfo.lines().find_map(|line| line.strip_prefix(field))?;
        rest.trim().strip_suffix(" kB")?.parse().ok()
    };
    let available = kilobytes("MemAvailable:")?;
    available.saturating_add(kilobytes("SwapFree:")?).checked_mul(1024)
}

/// The names of `/dev/shm` that can mean an object: semaphores are there too, under names of their own.
pub(crate) fn names() -> Result<Box<dyn Iterator<Item = std::io::Result<OsString>>>, Failure> {
    let entries = std::fs::read_dir(OsStr::from_bytes(DIRECTORY.to_bytes())).map_err(|error| {
        let errno = Errno(error.raw_os_error().unwrap_or(sys::EIO));
        Failure::new(Operation::List, errno)
    })?;
    let is_object = |entry: &std::io::Result<DirEntry>| match entry {
        Ok(entry) => {
            !entry.file_name().as_bytes().starts_with(b"sem.")
                && entry.file_type().is_ok_and(|kind| kind.is_file())
        }
        Err(_) => true,
    };
    Ok(Box::new(entries.filter(is_object).map(|entry| Ok(entry?.file_name()))))
}

/// The same object again, through `/proc` or else by its name.
pub(crate) fn read_only(object: BorrowedFd<'_>, name: Option<&CStr>) -> Result<OwnedFd, Failure> {
    match (reopen(object), name) {
        (Err(Errno::NOENT), Some(name)) => calls::reopen(name, object),
        (Err(Errno::NOENT), None) => Err(Failure::new(Operation::Clone, Errno::NOTSUP)),
        (result, _) => result.map_err(Failure::of(Operation::Clone)),
    }
}

/// Only shared memory has seals, or none: a file of another kind has no answer.
pub(crate) fn check_kind(object: BorrowedFd<'_>) -> Result<(), Errno> {
    super::seals(object).map(drop)
}

#[allow(clippy::unnecessary_cast, reason = "both are narrower on 32 bits")]
pub(crate) fn times(stat: &sys::stat) -> [(i64, u32); 3] {
    [stat.st_atim, stat.st_mtim, stat.st_ctim].map(|t| (t.tv_sec as i64, t.tv_nsec as u32))
}

/// The path of a name, which starts with its slash.
fn path(name: &CStr) -> CString {
    join(DIRECTORY.to_bytes(), name.to_bytes())
}

/// The path that leads to what a descriptor has open.
fn proc_path(object: BorrowedFd<'_>) -> CString {
    join(b"/proc/self/fd/", object.as_raw_fd().to_string().as_bytes())
}

fn join(a: &[u8], b: &[u8]) -> CString {
    // Neither part has a NUL byte, so there is nothing to cut; an empty path would be refused by the system.
    CString::new([a, b].concat()).unwrap_or_default()
}
