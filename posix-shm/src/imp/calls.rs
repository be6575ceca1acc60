//! The calls that mean the same on every system, each made safe or with its contract.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::ptr::{self, NonNull};

use posix_shm_sys as sys;

use super::memory;
use crate::error::{Errno, Failure, Operation, cvt, cvt_retry};
use crate::metadata::Metadata;

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

/// Whether a descriptor can write: `fcntl` with `F_GETFL`.
pub(crate) fn is_writable(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    // SAFETY: passes no pointer.
    let flags = cvt_retry(|| unsafe { sys::fcntl(fd.as_raw_fd(), sys::F_GETFL, 0) })?;
    Ok(flags & sys::O_ACCMODE != sys::O_RDONLY)
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

/// Writes all from the first byte of a new object on, which makes it that long and takes the memory for it.
pub(crate) fn write_new(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), Failure> {
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
            ..memory::failure(fd, bytes.len() as sys::off_t, errno)
        })?;
    }
    Ok(())
}

/// `getentropy`: fills the buffer, of at most 256 bytes, with what nobody can guess.
pub(crate) fn random(buffer: &mut [u8]) -> Result<(), Errno> {
    // SAFETY: the pointer is to as many bytes as the call may write.
    cvt(unsafe { sys::getentropy(buffer.as_mut_ptr().cast(), buffer.len()) }).map(drop)
}

/// The times of the last access, modification and change: seconds, and nanoseconds after them.
#[allow(clippy::unnecessary_cast, reason = "both are narrower on 32 bits")]
pub(crate) fn times(stat: &sys::stat) -> [(i64, u32); 3] {
    #[cfg(pshm_has_st_atim)]
    let times = [stat.st_atim, stat.st_mtim, stat.st_ctim];
    #[cfg(not(pshm_has_st_atim))]
    let times = [stat.st_atimespec, stat.st_mtimespec, stat.st_ctimespec];
    times.map(|t| (t.tv_sec as i64, t.tv_nsec as u32))
}

/// How many bytes of memory an object takes. POSIX leaves the unit of `st_blocks` open; whatever `st_blksize` says, it is this
/// one, but for objects that are no files.
#[cfg(not(pshm_system = "freebsd"))]
#[allow(clippy::unnecessary_cast, reason = "narrower on other systems")]
pub(crate) fn allocated(stat: &sys::stat) -> u64 {
    const BLOCK: u64 = 512;
    u64::try_from(stat.st_blocks as i64).unwrap_or_default().saturating_mul(BLOCK)
}
