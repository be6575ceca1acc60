//! What Linux and Android have of the same kernel: objects without a name, memory that is reserved, and the way to a descriptor
//! through `/proc`.

use std::ffi::CString;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use posix_shm_sys as sys;

use super::{calls, memfd, memory};
use crate::error::{Errno, Failure, Operation, cvt, cvt_retry};

/// An object without a name. `ENOSYS` means that the kernel has no such call.
pub(super) fn unnamed(permissions: Option<sys::mode_t>) -> Result<OwnedFd, Errno> {
    let executable = sys::S_IXUSR | sys::S_IXGRP | sys::S_IXOTH;
    let object = match permissions {
        // The seal would forbid the very permissions that are asked for.
        Some(mode) if mode & executable != 0 => memfd::create(sys::MFD_EXEC),
        _ => memfd::create(sys::MFD_NOEXEC_SEAL),
    };
    match object {
        // Linux before 6.3 knows neither flag.
        Err(Errno::INVAL) => memfd::create(0),
        result => result,
    }
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
    match memory::reserve_in_steps(object, from, to, allocate) {
        // A descriptor that came from elsewhere, of a file on a file system that cannot.
        Err(Errno::NOTSUP) => calls::set_len(object, to).map_err(Failure::of(Operation::SetLen)),
        result => result.map_err(|errno| memory::failure(object, to, errno)),
    }
}

/// From this size on, taking the memory costs far more than asking what there is.
const ASK_FIRST: sys::off_t = 16 << 20;

/// The kernel takes page after page until there is no more, and only then gives them back, or kills somebody: what is too
/// much for a file system is an error in the end, but a memfd has no limit other than the machine.
fn ask_first(object: BorrowedFd<'_>, from: sys::off_t, to: sys::off_t) -> Result<(), Failure> {
    memory::ask_file_system(object, from, to)?;
    let wanted = (to - from).unsigned_abs();
    match available_memory() {
        Some(available) if available < wanted => {
            let mut failure = memory::failure(object, to, Errno::NOMEM);
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

/// A read-only handle of the same object, through `/proc`. `ENOENT` means that there is none.
pub(super) fn reopen(object: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let path = proc_path(object);
    let flags = sys::O_RDONLY | sys::O_CLOEXEC;
    // SAFETY: the path is a NUL-terminated string that outlives the call.
    let fd = cvt_retry(|| unsafe { sys::open(path.as_ptr(), flags, 0) })?;
    // SAFETY: the call made this descriptor for us, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The path that leads to what a descriptor has open.
pub(super) fn proc_path(object: BorrowedFd<'_>) -> CString {
    // A number has no NUL byte, so there is nothing to cut; an empty path would be refused by the system.
    CString::new(format!("/proc/self/fd/{}", object.as_raw_fd())).unwrap_or_default()
}
