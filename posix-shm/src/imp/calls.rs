//! The calls that mean the same on every system, each made safe or with its contract.

use std::ffi::{CStr, CString, c_int, c_void};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::ptr::{self, NonNull};

use posix_shm_sys as sys;

use super::{Fill, New};
use crate::error::{Detail, Errno, Failure, Operation, cvt, cvt_retry};
use crate::metadata::Metadata;
use crate::name;
use crate::open::Direction;
use crate::permissions::Permissions;

/// `shm_open`. The descriptor is closed on exec, as POSIX says.
pub(super) fn shm_open(name: &CStr, flags: c_int, mode: sys::mode_t) -> Result<OwnedFd, Errno> {
    // SAFETY: `name` is a NUL-terminated string that outlives the call.
    let fd = cvt_retry(|| unsafe { sys::shm_open(name.as_ptr(), flags, mode) })?;
    // SAFETY: the call made this descriptor for us, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The access mode of `shm_open`: POSIX knows these two and no write-only one.
pub(super) fn access(direction: Direction) -> c_int {
    match direction {
        Direction::Input => sys::O_RDONLY,
        Direction::Io => sys::O_RDWR,
    }
}

/// Creates an object under its name and fills it there; the name is removed where that fails.
pub(super) fn build_in_place<T>(new: New<'_>, fill: Fill<'_, T>) -> Result<(OwnedFd, T), Failure> {
    let direction = if new.is_plain() { new.direction } else { Direction::Io };
    let object = claim(&new, direction).map_err(Failure::of(Operation::Create))?;
    let claimed = Claimed { name: new.name, object: ManuallyDrop::new(object) };
    if new.exact {
        set_permissions(claimed.object.as_fd(), new.mode)
            .map_err(Failure::of(Operation::SetPermissions))?;
    }
    let filled = fill(claimed.object.as_fd())?;
    if direction == new.direction {
        return Ok((claimed.keep(), filled));
    }
    let object = claimed.object.as_fd();
    let handle = reopen_created(object, || reopen(new.name, object))?;
    claimed.keep();
    Ok((handle, filled))
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
        // First, since finding out what the name means may take the only descriptor there is.
        // SAFETY: it is dropped nowhere else but in `keep`, which forgets the value.
        unsafe { ManuallyDrop::drop(&mut self.object) };
        if let (Ok(ours), Ok(found)) = (ours, super::find(self.name)) {
            if found.is_same_object(&ours) {
                // There is an error on its way already, and nothing else that could be done.
                let _ = unlink(self.name);
            }
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
        Err(Failure { operation: Operation::Open, errno: Errno::ACCES, .. }) => {}
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

/// An object under a name that nobody else knows; the caller removes the name.
pub(super) fn create_temporary(mode: sys::mode_t) -> Result<(CString, OwnedFd), Errno> {
    /// A collision of 80 random bits does not happen; the bound is for a random source that is broken.
    const ATTEMPTS: usize = 100;
    let flags = sys::O_RDWR | sys::O_CREAT | sys::O_EXCL;
    let mut tried = 1;
    loop {
        let name = name::temporary()?;
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

/// `fstat`.
pub(crate) fn stat(fd: BorrowedFd<'_>) -> Result<Metadata, Errno> {
    let mut stat = MaybeUninit::<sys::stat>::uninit();
    // SAFETY: the pointer is to room for one `stat`.
    cvt(unsafe { sys::fstat(fd.as_raw_fd(), stat.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it has filled it in; and every field is an integer.
    Ok(Metadata::new(unsafe { stat.assume_init() }))
}

/// `ftruncate`.
pub(crate) fn set_len(fd: BorrowedFd<'_>, bytes: sys::off_t) -> Result<(), Errno> {
    // SAFETY: passes no pointer.
    cvt_retry(|| unsafe { sys::ftruncate(fd.as_raw_fd(), bytes) }).map(drop)
}

/// `fchmod`.
pub(crate) fn set_permissions(fd: BorrowedFd<'_>, mode: sys::mode_t) -> Result<(), Errno> {
    // SAFETY: passes no pointer.
    cvt_retry(|| unsafe { sys::fchmod(fd.as_raw_fd(), mode) }).map(drop)
}

/// `fchown`; `None` leaves as is.
pub(crate) fn set_owner(
    fd: BorrowedFd<'_>,
    uid: Option<u32>,
    gid: Option<u32>,
) -> Result<(), Errno> {
    // POSIX: the value -1 of the (unsigned) type leaves it as it is.
    let uid = uid.unwrap_or(sys::uid_t::MAX);
    let gid = gid.unwrap_or(sys::gid_t::MAX);
    // SAFETY: passes no pointer.
    cvt_retry(|| unsafe { sys::fchown(fd.as_raw_fd(), uid, gid) }).map(drop)
}

/// `close`, with its error. The descriptor is gone either way.
pub(crate) fn close(fd: OwnedFd) -> Result<(), Errno> {
    // SAFETY: the descriptor was owned, and its owner is gone: nobody closes it twice.
    match cvt(unsafe { sys::close(fd.into_raw_fd()) }) {
        // Where a signal interrupts it, the descriptor is closed all the same or its number already somebody else's.
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// `mmap`, shared and at an address of the system's choice, or near `hint` if that is free.
pub(crate) fn map(
    fd: BorrowedFd<'_>,
    protection: c_int,
    offset: sys::off_t,
    len: usize,
    hint: usize,
) -> Result<NonNull<u8>, Errno> {
    let hint = ptr::without_provenance_mut::<c_void>(hint);
    // SAFETY: without MAP_FIXED the call replaces no mapping, so it only adds memory that nobody has a pointer to.
    let start =
        cvt(unsafe { sys::mmap(hint, len, protection, sys::MAP_SHARED, fd.as_raw_fd(), offset) })?;
    // No system maps the page at address zero without being told to.
    NonNull::new(start.cast()).ok_or(Errno::NOMEM)
}

/// `munmap`.
///
/// # Safety
///
/// The range is of one or more mappings that nothing uses any more.
pub(crate) unsafe fn unmap(start: NonNull<u8>, len: usize) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    cvt(unsafe { sys::munmap(start.as_ptr().cast(), len) }).map(drop)
}

/// The size of a page in bytes: a power of two.
pub(crate) fn page_size() -> usize {
    // SAFETY: passes no pointer.
    let size = unsafe { sys::sysconf(sys::_SC_PAGESIZE) };
    // Every system answers; if one did not, the multiple of all page sizes in use would still be right.
    usize::try_from(size).unwrap_or(1 << 16)
}

/// Another descriptor of the same opening: `fcntl` with `F_DUPFD_CLOEXEC`.
pub(crate) fn clone(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    // SAFETY: passes no pointer.
    let fd = cvt_retry(|| unsafe { sys::fcntl(fd.as_raw_fd(), sys::F_DUPFD_CLOEXEC, 0) })?;
    // SAFETY: the call made this descriptor for us, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `pread`: how many bytes there were, at most as many as fit.
pub(crate) fn read_at(
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
    offset: sys::off_t,
) -> Result<usize, Errno> {
    let (start, len) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: the pointer is to as many bytes as the call may write.
    cvt_retry(|| unsafe { sys::pread(fd.as_raw_fd(), start, len, offset) }).map(isize::unsigned_abs)
}

/// `pwrite`: how many bytes were written, at least one unless there is none.
pub(crate) fn write_at(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    offset: sys::off_t,
) -> Result<usize, Errno> {
    let (start, len) = (bytes.as_ptr().cast(), bytes.len());
    // SAFETY: the pointer is to as many bytes as the call may read.
    cvt_retry(|| unsafe { sys::pwrite(fd.as_raw_fd(), start, len, offset) })
        .map(isize::unsigned_abs)
}

/// Writes all from the first byte of an object on.
pub(crate) fn write_all(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), Failure> {
    let mut done = 0;
    while done < bytes.len() {
        // A slice is never longer than `isize::MAX`.
        let written = match write_at(fd, &bytes[done..], done as sys::off_t) {
            // Nothing at all, and no reason: there is no room.
            Ok(0) => Err(Errno::NOSPC),
            result => result,
        };
        done += written.map_err(|errno| Failure {
            operation: Operation::Write,
            ..reserve_failure(fd, bytes.len() as sys::off_t, errno)
        })?;
    }
    Ok(())
}

/// `getentropy`: fills the buffer, of at most 256 bytes, with what nobody can guess.
pub(crate) fn random(buffer: &mut [u8]) -> Result<(), Errno> {
    // SAFETY: the pointer is to as many bytes as the call may write.
    cvt(unsafe { sys::getentropy(buffer.as_mut_ptr().cast(), buffer.len()) }).map(drop)
}

/// Reserves memory from `from` to `to` and makes the object that long, so that a full file system is an error now and not a
/// signal later; `allocate` is the system's call for it, for an offset and a length. Where it fails, the length is again what
/// it was.
///
/// Some systems undo all they did when a signal arrives, and would never finish under a fast timer. So after the first
/// interruption it goes on in steps that keep their progress.
#[cfg_attr(not(pshm_has_posix_fallocate), allow(dead_code, reason = "nothing can be reserved"))]
pub(super) fn reserve_in_steps(
    fd: BorrowedFd<'_>,
    from: sys::off_t,
    to: sys::off_t,
    allocate: impl Fn(sys::off_t, sys::off_t) -> Result<(), Errno>,
) -> Result<(), Errno> {
    /// A step that is this small is retried as it is: some microseconds of work.
    const SMALLEST_STEP: sys::off_t = 64 << 10;
    let mut step = to - from;
    let mut done = from;
    let mut old_len = from;
    while done < to {
        let bytes = step.min(to - done);
        match allocate(done, bytes) {
            Ok(()) => done += bytes,
            Err(Errno::INTR) => {
                if done == from {
                    // From here on it may be done in part, and undone again: but what a peer has added meanwhile stays.
                    let len = stat(fd)?.len();
                    old_len = sys::off_t::try_from(len).unwrap_or(sys::off_t::MAX);
                }
                step = (step / 4).max(SMALLEST_STEP);
            }
            Err(errno) => {
                if done > from {
                    // The error that matters is the first one.
                    let _ = set_len(fd, old_len.max(from));
                }
                return Err(errno);
            }
        }
    }
    Ok(())
}

/// The failure to reserve memory for an object of `bytes`, with what there is where that is why.
#[cold]
pub(super) fn reserve_failure(fd: BorrowedFd<'_>, bytes: sys::off_t, errno: Errno) -> Failure {
    let mut failure = Failure::new(Operation::Reserve, errno);
    failure.detail = Detail::Bytes(bytes.unsigned_abs());
    if errno == Errno::NOSPC {
        failure.hint = free_bytes(fd).map(|free| {
            format!(
                "the shared memory file system has {free} bytes free; in a container, raise --shm-size"
            )
        });
    }
    failure
}

/// What the object's file system has left, where it has a limit: `fstatvfs`.
pub(super) fn free_bytes(fd: BorrowedFd<'_>) -> Option<u64> {
    let mut stat = MaybeUninit::<sys::statvfs>::uninit();
    // SAFETY: the pointer is to room for one `statvfs`.
    cvt(unsafe { sys::fstatvfs(fd.as_raw_fd(), stat.as_mut_ptr()) }).ok()?;
    // SAFETY: the call succeeded, so it has filled it in; and every field is an integer.
    let stat = unsafe { stat.assume_init() };
    #[allow(clippy::useless_conversion, reason = "the types are narrower on other systems")]
    let (blocks, free, size) =
        (u64::from(stat.f_blocks), u64::from(stat.f_bavail), u64::from(stat.f_frsize));
    // A file system without a limit has no blocks at all.
    if blocks == 0 { None } else { free.checked_mul(size) }
}
