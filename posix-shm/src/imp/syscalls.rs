//! The calls that mean the same on every system, each made safe or with its contract.

use std::ffi::{CStr, c_int, c_void};
use std::fs::File;
use std::io::Read;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU64;

use posix_shm_sys as sys;

use super::seals::seals;
use super::stat::Stat;
use crate::direction::Direction;
use crate::failure::{Detail, Errno, Failure, Operation, cvt, cvt_owned_fd, cvt_retry};
use crate::seals::Seals;

/// `fstat`.
#[inline]
pub(crate) fn stat(fd: BorrowedFd<'_>) -> Result<Stat, Errno> {
    stat_in(&mut MaybeUninit::uninit(), fd).copied()
}

/// [`stat`], into memory of the caller's: the answer is long.
#[inline]
pub(crate) fn stat_in<'a>(
    room: &'a mut MaybeUninit<Stat>,
    fd: BorrowedFd<'_>,
) -> Result<&'a Stat, Errno> {
    // SAFETY: the pointer is to room for one `stat`, which is all that `Stat` has.
    cvt(unsafe { sys::fstat(fd.as_raw_fd(), room.as_mut_ptr().cast()) })?;
    // SAFETY: the call succeeded, so it has filled in the structure.
    Ok(unsafe { room.assume_init_ref() })
}

/// `fstatat`, of the file itself even if it is a symbolic link.
#[inline]
pub(super) fn stat_path(path: &CStr) -> Result<Stat, Errno> {
    fstatat(path, sys::AT_SYMLINK_NOFOLLOW)
}

/// `fstatat`, of the file that a symbolic link leads to.
pub(super) fn stat_target(path: &CStr) -> Result<Stat, Errno> {
    fstatat(path, 0)
}

/// `fstatat`, of a file in an open directory, even if it is a symbolic link. Into memory of the
/// caller's, as [`stat_in`].
#[inline]
pub(super) fn stat_in_directory<'a>(
    room: &'a mut MaybeUninit<Stat>,
    directory: c_int,
    file: &CStr,
) -> Result<&'a Stat, Errno> {
    fstatat_in(room, directory, file, sys::AT_SYMLINK_NOFOLLOW)
}

#[inline]
fn fstatat(path: &CStr, flags: c_int) -> Result<Stat, Errno> {
    fstatat_in(&mut MaybeUninit::uninit(), sys::AT_FDCWD, path, flags).copied()
}

#[inline]
fn fstatat_in<'a>(
    room: &'a mut MaybeUninit<Stat>,
    directory: c_int,
    path: &CStr,
    flags: c_int,
) -> Result<&'a Stat, Errno> {
    let at = room.as_mut_ptr().cast();
    // SAFETY: the path is a NUL-terminated string, and the pointer is to room for one `stat`, which
    // is all that `Stat` has.
    cvt(unsafe { sys::fstatat(directory, path.as_ptr(), at, flags) })?;
    // SAFETY: the call succeeded, so it has filled in the structure.
    Ok(unsafe { room.assume_init_ref() })
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
    // POSIX: -1 as the unsigned type leaves the id as it is.
    let uid = uid.unwrap_or(sys::uid_t::MAX);
    let gid = gid.unwrap_or(sys::gid_t::MAX);
    // SAFETY: passes no pointer.
    cvt_retry(|| unsafe { sys::fchown(fd.as_raw_fd(), uid, gid) }).map(drop)
}

/// `close`, with its error. The descriptor is gone either way.
pub(crate) fn close(fd: OwnedFd) -> Result<(), Errno> {
    // SAFETY: the descriptor was owned, and its owner is gone, so it is closed once.
    match cvt(unsafe { sys::close(fd.into_raw_fd()) }) {
        // After an interruption too the descriptor is closed, or its number already reused.
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// `mmap`, at an address of the system's choice, or near `hint` if that is free.
#[inline]
pub(super) fn map(
    fd: BorrowedFd<'_>,
    protection: c_int,
    flags: c_int,
    offset: sys::off_t,
    len: usize,
    hint: usize,
) -> Result<NonNull<u8>, Errno> {
    match mmap(fd, protection, flags, offset, len, hint) {
        // Linux before 6.7 has no shared mapping, not even for reading, of an object that is sealed
        // against writing, through a descriptor that can write. A private one shows the same: no
        // byte of the object changes any more, and this mapping writes none.
        Err(Errno::PERM) if protection == sys::PROT_READ && is_write_sealed(fd) => {
            let flags = flags & !sys::MAP_SHARED | sys::MAP_PRIVATE;
            mmap(fd, protection, flags, offset, len, hint)
        }
        result => result,
    }
}

#[cold]
fn is_write_sealed(object: BorrowedFd<'_>) -> bool {
    seals(object).is_ok_and(|seals| seals.contains(Seals::WRITE))
}

#[inline]
fn mmap(
    fd: BorrowedFd<'_>,
    protection: c_int,
    flags: c_int,
    offset: sys::off_t,
    len: usize,
    hint: usize,
) -> Result<NonNull<u8>, Errno> {
    let hint = ptr::without_provenance_mut::<c_void>(hint);
    // SAFETY: without MAP_FIXED the call replaces no mapping: it only adds memory that nobody has a
    // pointer to.
    let start = cvt(unsafe { sys::mmap(hint, len, protection, flags, fd.as_raw_fd(), offset) })?;
    // No system maps the page at address zero without being told to.
    NonNull::new(start.cast()).ok_or(Errno::NOMEM)
}

/// Reads every page of an object, so that each is there: `MADV_POPULATE_READ` on a mapping of its
/// own. A page that cannot be had is an error, and not a signal.
#[cfg(pshm_has_madv_populate_read)]
pub(super) fn populate_read(object: BorrowedFd<'_>, len: u64) -> Result<(), Errno> {
    let len = usize::try_from(len).map_err(|_| Errno::NOMEM)?;
    let start = map(object, sys::PROT_READ, sys::MAP_SHARED, 0, len, 0)?;
    let populated = retry_advice(start, len, sys::MADV_POPULATE_READ);
    // SAFETY: the mapping was made above, and nothing else knows of it.
    unsafe { unmap(start, len) }?;
    populated
}

#[cfg(not(pshm_has_madv_populate_read))]
pub(super) fn populate_read(_: BorrowedFd<'_>, _: u64) -> Result<(), Errno> {
    Err(Errno::OPNOTSUPP)
}

#[cfg(pshm_has_madv_populate_read)]
fn retry_advice(start: NonNull<u8>, len: usize, advice: c_int) -> Result<(), Errno> {
    // SAFETY: the advice only makes pages present; whoever has the mapping sees the same bytes.
    cvt_retry(|| unsafe { sys::madvise(start.as_ptr().cast(), len, advice) }).map(drop)
}

/// `munmap`.
///
/// # Safety
///
/// The range consists of whole mappings that nothing uses any more.
#[inline]
pub(crate) unsafe fn unmap(start: NonNull<u8>, len: usize) -> Result<(), Errno> {
    // Miri knows the function of C, and not what the bindings may put around it.
    #[cfg(miri)]
    use libc::munmap;
    #[cfg(not(miri))]
    use posix_shm_sys::munmap;

    // SAFETY: the caller's promise.
    cvt(unsafe { munmap(start.as_ptr().cast(), len) }).map(drop)
}

/// The size of a page in bytes: a power of two.
pub(crate) fn page_size() -> usize {
    // SAFETY: passes no pointer.
    let size = unsafe { sys::sysconf(sys::_SC_PAGESIZE) };
    // Every system answers. If one does not, a multiple of all page sizes in use is right too.
    usize::try_from(size).unwrap_or(1 << 16)
}

/// Another descriptor of the same opening: `fcntl` with `F_DUPFD_CLOEXEC`.
pub(crate) fn clone(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    clone_from(fd, 0)
}

/// [`clone`], with a number above this one.
pub(crate) fn clone_above(fd: BorrowedFd<'_>, number: c_int) -> Result<OwnedFd, Errno> {
    clone_from(fd, number + 1)
}

fn clone_from(fd: BorrowedFd<'_>, least: c_int) -> Result<OwnedFd, Errno> {
    // SAFETY: passes no pointer.
    let call = || unsafe { sys::fcntl(fd.as_raw_fd(), sys::F_DUPFD_CLOEXEC, least) };
    // SAFETY: the call makes a new descriptor.
    unsafe { cvt_owned_fd(call) }
}

/// Whether a descriptor can write: `fcntl` with `F_GETFL`.
pub(crate) fn is_writable(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    // SAFETY: passes no pointer.
    let flags = cvt_retry(|| unsafe { sys::fcntl(fd.as_raw_fd(), sys::F_GETFL, 0) })?;
    Ok(flags & sys::O_ACCMODE != sys::O_RDONLY)
}

/// What a descriptor is for: `fcntl` with `F_GETFL`. `None` if it can only write.
#[inline]
pub(crate) fn direction(fd: BorrowedFd<'_>) -> Result<Option<Direction>, Errno> {
    // SAFETY: passes no pointer.
    let flags = cvt_retry(|| unsafe { sys::fcntl(fd.as_raw_fd(), sys::F_GETFL, 0) })?;
    Ok(match flags & sys::O_ACCMODE {
        sys::O_RDONLY => Some(Direction::Input),
        sys::O_RDWR => Some(Direction::Io),
        _ => None,
    })
}

/// Closes a descriptor on exec: `fcntl` with `F_SETFD`.
pub(crate) fn close_on_exec(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: passes no pointer.
    cvt_retry(|| unsafe { sys::fcntl(fd.as_raw_fd(), sys::F_SETFD, sys::FD_CLOEXEC) }).map(drop)
}

/// Does not close a descriptor on exec: `fcntl` with `F_SETFD`. It may be called between `fork` and
/// `exec`.
pub(crate) fn keep_on_exec(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: passes no pointer.
    cvt_retry(|| unsafe { sys::fcntl(fd.as_raw_fd(), sys::F_SETFD, 0) }).map(drop)
}

/// Whether writing goes to the end, whatever the offset: `fcntl` with `F_GETFL`.
pub(crate) fn appends(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    // SAFETY: passes no pointer.
    let flags = cvt_retry(|| unsafe { sys::fcntl(fd.as_raw_fd(), sys::F_GETFL, 0) })?;
    Ok(flags & sys::O_APPEND != 0)
}

/// `pread`: how many bytes there were, at most as many as fit.
#[inline]
pub(crate) fn read_at(
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
    offset: sys::off_t,
) -> Result<usize, Errno> {
    let (start, len) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: the pointer is to as many bytes as the call may write.
    cvt_retry(|| unsafe { sys::pread(fd.as_raw_fd(), start, len, offset) }).map(isize::unsigned_abs)
}

/// `pwrite`: how many bytes were written, at least one if there are any.
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

/// File systems whose files are memory.
#[cfg(pshm_has_fallocate)]
#[allow(clippy::unnecessary_cast, reason = "the type differs between machines")]
pub(super) const TMPFS: i64 = libc::TMPFS_MAGIC as i64;
#[cfg(pshm_has_fallocate)]
#[allow(clippy::unnecessary_cast, reason = "the type differs between machines")]
pub(super) const HUGETLBFS: i64 = libc::HUGETLBFS_MAGIC as i64;

/// The kind of file system that an object is on: `fstatfs`.
#[cfg(pshm_has_fallocate)]
pub(super) fn file_system(object: BorrowedFd<'_>) -> Result<i64, Errno> {
    let mut stat = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the pointer is to room for one `statfs`.
    cvt_retry(|| unsafe { libc::fstatfs(object.as_raw_fd(), stat.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it has filled in the structure.
    let stat = unsafe { stat.assume_init() };
    #[allow(clippy::unnecessary_cast, reason = "the type differs between machines")]
    Ok(stat.f_type as i64)
}

/// `fallocate`, once: a signal may interrupt it.
#[cfg(pshm_has_fallocate)]
#[inline]
pub(super) fn fallocate(
    object: BorrowedFd<'_>,
    mode: c_int,
    offset: sys::off_t,
    len: sys::off_t,
) -> Result<(), Errno> {
    // SAFETY: passes no pointer.
    cvt(unsafe { sys::fallocate(object.as_raw_fd(), mode, offset, len) }).map(drop)
}

/// `posix_fallocate`, once: a signal may interrupt it.
#[cfg(pshm_has_posix_fallocate)]
pub(super) fn posix_fallocate(
    object: BorrowedFd<'_>,
    offset: sys::off_t,
    len: sys::off_t,
) -> Result<(), Errno> {
    // SAFETY: passes no pointer.
    match Errno(unsafe { sys::posix_fallocate(object.as_raw_fd(), offset, len) }) {
        // It returns the error number itself, and leaves errno alone.
        Errno(0) => Ok(()),
        errno => Err(errno),
    }
}

/// How long this process may make a file, if that is limited: `getrlimit` with `RLIMIT_FSIZE`. The
/// `libc` crate has the version with 64 bits on every system.
pub(super) fn file_size_limit() -> Option<u64> {
    #[cfg(not(any(all(target_os = "linux", target_env = "gnu"), target_os = "android")))]
    use libc::{getrlimit, rlimit};
    #[cfg(any(all(target_os = "linux", target_env = "gnu"), target_os = "android"))]
    use libc::{getrlimit64 as getrlimit, rlimit64 as rlimit};

    let mut limit = MaybeUninit::<rlimit>::uninit();
    // SAFETY: the pointer is to room for one `rlimit`.
    cvt(unsafe { getrlimit(libc::RLIMIT_FSIZE, limit.as_mut_ptr()) }).ok()?;
    // SAFETY: the call succeeded, so it has filled in the structure.
    let limit = unsafe { limit.assume_init() }.rlim_cur;
    // "No limit" is at least what no object can have.
    #[allow(clippy::unnecessary_cast, reason = "narrower on other systems")]
    Some(limit as u64).filter(|limit| *limit < sys::off_t::MAX as u64)
}

/// `getentropy`: fills the buffer, of at most 256 bytes, with random bytes. If a sandbox forbids
/// it, the system's random device does.
pub(crate) fn random(buffer: &mut [u8]) -> Result<(), Errno> {
    // SAFETY: the pointer is to as many bytes as the call may write.
    match cvt(unsafe { sys::getentropy(buffer.as_mut_ptr().cast(), buffer.len()) }) {
        Ok(_) => Ok(()),
        Err(errno) => {
            let device =
                File::open("/dev/urandom").and_then(|mut device| device.read_exact(buffer));
            device.map_err(|_| errno)
        }
    }
}

/// Characters that nobody can guess, for the end of a name: five random bits each.
pub(crate) fn random_suffix<const LEN: usize>() -> Result<[u8; LEN], Errno> {
    let mut bytes = [0; LEN];
    random(&mut bytes)?;
    // 256 is a multiple of 32, so every character is as likely as the next. Lower case only, for
    // systems that fold it.
    Ok(bytes.map(|b| b"abcdefghijklmnopqrstuvwxyz234567"[usize::from(b % 32)]))
}

/// A zeroed word on a page of its own, which the kernel clears in a forked child. `None` if the
/// system has no such page.
#[cfg(any(pshm_has_madv_wipeonfork, pshm_has_inherit_zero, pshm_has_map_inherit_zero))]
pub(super) fn page_cleared_by_fork() -> Option<&'static AtomicU64> {
    let len = page_size();
    let (protection, flags) =
        (sys::PROT_READ | sys::PROT_WRITE, sys::MAP_PRIVATE | sys::MAP_ANONYMOUS);
    // SAFETY: without MAP_FIXED the call replaces no mapping.
    let page = cvt(unsafe { sys::mmap(ptr::null_mut(), len, protection, flags, -1, 0) }).ok()?;
    #[cfg(pshm_has_madv_wipeonfork)]
    // SAFETY: the page is ours alone, and the advice changes nothing in this process.
    let advised = unsafe { sys::madvise(page, len, sys::MADV_WIPEONFORK) };
    // FreeBSD's name; then that of OpenBSD and NetBSD.
    #[cfg(all(not(pshm_has_madv_wipeonfork), pshm_has_inherit_zero))]
    let zero = sys::INHERIT_ZERO;
    #[cfg(all(not(pshm_has_madv_wipeonfork), not(pshm_has_inherit_zero)))]
    let zero = sys::MAP_INHERIT_ZERO;
    #[cfg(not(pshm_has_madv_wipeonfork))]
    // SAFETY: the page is ours alone, and the setting changes nothing in this process.
    let advised = unsafe { sys::minherit(page, len, zero) };
    if cvt(advised).is_err() {
        // SAFETY: the page is ours alone. Linux before 4.14 does not know the advice.
        let _ = unsafe { sys::munmap(page, len) };
        return None;
    }
    // SAFETY: a fresh page is zero, aligned, and never unmapped.
    Some(unsafe { &*page.cast::<AtomicU64>() })
}

#[cfg(not(any(pshm_has_madv_wipeonfork, pshm_has_inherit_zero, pshm_has_map_inherit_zero)))]
pub(super) fn page_cleared_by_fork() -> Option<&'static AtomicU64> {
    None
}

/// A length as the system's signed type.
#[inline]
pub(crate) fn off_t(bytes: u64, operation: Operation) -> Result<sys::off_t, Failure> {
    sys::off_t::try_from(bytes).map_err(|_| {
        let why = format!("{bytes} bytes are more than any object can have (2^63 - 1)");
        Failure::invalid(operation, why).with_detail(Detail::Bytes(bytes))
    })
}
