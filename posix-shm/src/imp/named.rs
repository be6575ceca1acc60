//! Objects under a name: created exclusively, filled there, opened again by it.

use std::ffi::{CStr, CString, c_int};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use posix_shm_sys as sys;

use super::calls::{set_permissions, stat};
use super::{Fill, New};
use crate::error::{Errno, Failure, Operation, cvt_retry};
use crate::name;
use crate::open::Direction;
use crate::permissions::Permissions;

/// `shm_open`. The descriptor is closed on exec, as POSIX says.
fn shm_open(name: &CStr, flags: c_int, mode: sys::mode_t) -> Result<OwnedFd, Errno> {
    // SAFETY: `name` is a NUL-terminated string that outlives the call.
    let fd = cvt_retry(|| unsafe { sys::shm_open(name.as_ptr(), flags, mode) })?;
    // SAFETY: the call made this descriptor for us, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Opens what has the name, with more flags than POSIX asks for.
pub(super) fn open(
    name: &CStr,
    direction: Direction,
    truncate: bool,
    flags: c_int,
) -> Result<OwnedFd, Errno> {
    let truncate = if truncate { sys::O_TRUNC } else { 0 };
    shm_open(name, access(direction) | truncate | flags, 0)
}

/// The access mode of `shm_open`: POSIX knows these two and no write-only one.
fn access(direction: Direction) -> c_int {
    match direction {
        Direction::Input => sys::O_RDONLY,
        Direction::Io => sys::O_RDWR,
    }
}

/// Gives a new object the permissions that the umask may have taken from it.
pub(super) fn settle_permissions(object: BorrowedFd<'_>, new: &New<'_>) -> Result<(), Failure> {
    // Where the umask takes nothing, there is nothing to give back.
    if new.exact && super::CAPABILITIES.umask {
        set_permissions(object, new.mode).map_err(Failure::of(Operation::SetPermissions))?;
    }
    Ok(())
}

/// Creates an object under its name and fills it there; the name is removed where that fails.
///
/// So whoever opens it at once may find it short, and a process that is killed in between leaves it so. Taking a name over
/// removes it first: for a moment nothing has it, and for good where the new object cannot be had.
pub(crate) fn build<T>(new: New<'_>, fill: Fill<'_, T>) -> Result<(OwnedFd, T), Failure> {
    let direction = if new.is_plain() { new.direction } else { Direction::Io };
    let object = claim(&new, direction).map_err(Failure::of(Operation::Create))?;
    let claimed = Claimed { name: new.name, object: ManuallyDrop::new(object) };
    settle_permissions(claimed.object.as_fd(), &new)?;
    let filled = fill(claimed.object.as_fd())?;
    if direction == new.direction {
        return Ok((claimed.keep(), filled));
    }
    let object = claimed.object.as_fd();
    let handle = reopen_created(object, || reopen(new.name, object))?;
    claimed.keep();
    Ok((handle, filled))
}

/// From this size on, reserving the memory costs far more than finding out that the name is taken.
const LOOK_FIRST: u64 = 1 << 20;

/// For those who build an object elsewhere, and find out only when they give it its name that the name is taken: looks first
/// where that spares much, and where the building failed for want of memory. Where nothing could be seen half-made, there is
/// nothing to build.
#[allow(dead_code, reason = "of no use where the name comes first")]
pub(super) fn build_elsewhere<T>(
    new: New<'_>,
    fill: Fill<'_, T>,
    build_aside: impl FnOnce(New<'_>, Fill<'_, T>) -> Result<(OwnedFd, T), Failure>,
) -> Result<(OwnedFd, T), Failure> {
    if new.is_plain() {
        return build(new, fill);
    }
    let taken = || !new.replace && super::find(new.name).is_ok();
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

/// An object that is not complete yet, under its name. When it is dropped the name is removed, if it still means this
/// object: somebody else may have removed it and put another in its place.
struct Claimed<'a> {
    name: &'a CStr,
    object: ManuallyDrop<OwnedFd>,
}

impl Claimed<'_> {
    fn keep(self) -> OwnedFd {
        let mut claimed = ManuallyDrop::new(self);
        // SAFETY: the value is not dropped any more, so this is the only time that it is taken.
        unsafe { ManuallyDrop::take(&mut claimed.object) }
    }
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        let ours = stat(self.object.as_fd());
        match ours {
            // Or nobody could find out what the name means. It is to vanish, so that does not matter any more.
            Ok(ours) if !ours.permissions().contains(Permissions::USER_READ) => {
                let readable = ours.permissions() | Permissions::USER_READ;
                let _ = set_permissions(self.object.as_fd(), readable.to_sys());
            }
            _ => {}
        }
        // First, since finding out what the name means may take the only descriptor there is.
        // SAFETY: it is dropped nowhere else but in `keep`, which forgets the value.
        unsafe { ManuallyDrop::drop(&mut self.object) };
        let is_ours = |ours| super::find(self.name).is_ok_and(|found| found.is_same_object(&ours));
        if !super::CAPABILITIES.tell_objects_apart || ours.is_ok_and(is_ours) {
            // There is an error on its way already, and nothing else that could be done.
            let _ = unlink(self.name);
        }
    }
}

/// The name, with a new object: where the new one is to take it over, nothing has it for a moment.
fn claim(new: &New<'_>, direction: Direction) -> Result<OwnedFd, Errno> {
    /// How often a name is freed that others take again first.
    const ATTEMPTS: usize = 64;
    let flags = access(direction) | sys::O_CREAT | sys::O_EXCL;
    let mut tried = 1;
    loop {
        match shm_open(new.name, flags, new.mode) {
            Err(Errno::EXIST) if new.replace && tried < ATTEMPTS => tried += 1,
            result => return result,
        }
        match unlink(new.name) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Opens an object again that this process has just created: that is not limited by its permissions, as creating was not.
pub(super) fn reopen_created(
    object: BorrowedFd<'_>,
    reopen: impl Fn() -> Result<OwnedFd, Failure>,
) -> Result<OwnedFd, Failure> {
    match reopen() {
        Err(Failure { operation: Operation::Open, errno: Errno::ACCES, .. })
            if super::CAPABILITIES.set_permissions => {}
        result => return result,
    }
    let set = |permissions: Permissions| {
        set_permissions(object, permissions.to_sys())
            .map_err(Failure::of(Operation::SetPermissions))
    };
    let permissions = stat(object).map_err(Failure::of(Operation::Metadata))?.permissions();
    set(permissions | Permissions::USER_READ)?;
    let handle = reopen();
    set(permissions)?;
    handle
}

/// A read-only handle of the object that has the name, if it is still this one.
pub(super) fn reopen(name: &CStr, object: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    let stat = |fd| stat(fd).map_err(Failure::of(Operation::Metadata));
    let handle =
        super::open(name, Direction::Input, false).map_err(Failure::of(Operation::Open))?;
    if stat(handle.as_fd())?.is_same_object(&stat(object)?) {
        Ok(handle)
    } else {
        // Somebody has put another object in its place.
        Err(Failure::new(Operation::Open, Errno::EXIST))
    }
}

/// A name for the time in which an object must have one that nobody else knows.
pub(super) fn temporary() -> Result<CString, Errno> {
    let mut bytes = b"/posix-shm.".to_vec();
    bytes.extend_from_slice(&name::random_suffix()?);
    // The alphabet has no NUL byte, so this cannot fail.
    CString::new(bytes).map_err(|_| Errno::INVAL)
}

/// An object under a name that nobody else knows; the caller removes the name.
pub(super) fn create_temporary(mode: sys::mode_t) -> Result<(CString, OwnedFd), Errno> {
    /// A collision of 80 random bits does not happen; the bound is for a random source that is broken.
    const ATTEMPTS: usize = 100;
    let flags = sys::O_RDWR | sys::O_CREAT | sys::O_EXCL;
    let mut tried = 1;
    loop {
        let name = temporary()?;
        match shm_open(&name, flags, mode) {
            Err(Errno::EXIST) if tried < ATTEMPTS => tried += 1,
            result => return Ok((name, result?)),
        }
    }
}

/// `shm_unlink`.
pub(crate) fn unlink(name: &CStr) -> Result<(), Errno> {
    // SAFETY: `name` is a NUL-terminated string that outlives the call.
    cvt_retry(|| unsafe { sys::shm_unlink(name.as_ptr()) }).map(drop)
}

/// Removes a name that nobody else knows when dropped, unless [`Unlinker::keep`] says that it is not needed any more.
pub(super) struct Unlinker<'a>(&'a CStr);

impl<'a> Unlinker<'a> {
    pub(super) fn new(name: &'a CStr) -> Unlinker<'a> {
        Unlinker(name)
    }

    pub(super) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Unlinker<'_> {
    fn drop(&mut self) {
        // As in `Claimed`.
        let _ = unlink(self.0);
    }
}
