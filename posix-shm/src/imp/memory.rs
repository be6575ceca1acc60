//! Reserving memory for an object: what the systems share of it.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use posix_shm_sys as sys;

use crate::error::{Detail, Errno, Failure, Operation, cvt};

/// Reserves memory from `from` to `to` and makes the object that long, so that a full file system is an error now and not a
/// signal later; `allocate` is the system's call for it, for an offset and a length. Where it fails, the length is again what
/// it was.
///
/// Some systems undo all they did when a signal arrives, and would never finish under a fast timer. So after the first
/// interruption it goes on in steps that keep their progress.
#[cfg(any(
    pshm_system = "linux",
    pshm_system = "android",
    all(pshm_system = "posix", pshm_has_posix_fallocate)
))]
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
                    let len = super::stat(fd)?.len();
                    old_len = sys::off_t::try_from(len).unwrap_or(sys::off_t::MAX);
                }
                step = (step / 4).max(SMALLEST_STEP);
            }
            Err(errno) => {
                if done > from {
                    // The error that matters is the first one.
                    let _ = super::set_len(fd, old_len.max(from));
                }
                return Err(errno);
            }
        }
    }
    Ok(())
}

/// `posix_fallocate`, once: a signal may interrupt it.
#[cfg(any(pshm_system = "freebsd", all(pshm_system = "posix", pshm_has_posix_fallocate)))]
pub(super) fn posix_fallocate(
    fd: BorrowedFd<'_>,
    offset: sys::off_t,
    len: sys::off_t,
) -> Result<(), Errno> {
    // SAFETY: passes no pointer.
    match Errno(unsafe { sys::posix_fallocate(fd.as_raw_fd(), offset, len) }) {
        // It answers with the error number itself, and leaves errno alone.
        Errno(0) => Ok(()),
        errno => Err(errno),
    }
}

/// Refuses to grow an object from `from` bytes to `to` where its file system has not so much left, before all that there is has
/// been taken from others.
#[cfg(any(pshm_system = "linux", pshm_system = "android", pshm_system = "openbsd"))]
pub(super) fn ask_file_system(
    fd: BorrowedFd<'_>,
    from: sys::off_t,
    to: sys::off_t,
) -> Result<(), Failure> {
    let wanted = (to - from).unsigned_abs();
    if free_bytes(fd).is_some_and(|free| free < wanted) {
        return Err(failure(fd, to, Errno::NOSPC));
    }
    Ok(())
}

/// The failure to reserve memory for an object of `bytes`, with what there is where that is why.
#[cold]
pub(super) fn failure(fd: BorrowedFd<'_>, bytes: sys::off_t, errno: Errno) -> Failure {
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
fn free_bytes(fd: BorrowedFd<'_>) -> Option<u64> {
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
