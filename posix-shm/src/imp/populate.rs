//! Makes every page of a mapping present. A page that cannot be had is an error, and never a
//! signal.

use std::ffi::c_void;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::ptr::NonNull;

use super::syscalls;
use crate::failure::{Errno, cvt_retry};

/// `madvise` with `MADV_POPULATE_WRITE` or `MADV_POPULATE_READ`; if the kernel does not know them
/// (before 5.14), or a filter forbids them, [`by_reading`].
///
/// A page that is there already is mapped faster by reading, with its neighbours, and can be
/// written without another fault. One that is new is faster by writing.
#[cfg(all(pshm_has_madv_populate_read, pshm_has_mincore))]
pub(crate) fn by_advice(
    start: NonNull<u8>,
    len: usize,
    write: bool,
    private: bool,
) -> Result<(), Errno> {
    use posix_shm_sys as sys;

    use super::mapping::{advise, resident_pages_by_mincore};

    // A copy of one's own takes a write, whatever is there.
    let there = || !private && resident_pages_by_mincore(start, 1) == Ok(1);
    let advice = if write && !there() { sys::MADV_POPULATE_WRITE } else { sys::MADV_POPULATE_READ };
    loop {
        // SAFETY: the advice only makes pages present; whoever has the mapping sees the same bytes.
        match unsafe { advise(start, len, advice) } {
            Err(Errno::INTR) => {}
            Err(Errno::INVAL | Errno::PERM | Errno::NOSYS | Errno::ACCES) => {
                return by_reading(start, len, write, private);
            }
            result => return result,
        }
    }
}

/// Lets the kernel read a byte of each page, for a socket. To the kernel, a page that cannot be had
/// is an error of the call.
pub(crate) fn by_reading(start: NonNull<u8>, len: usize, _: bool, _: bool) -> Result<(), Errno> {
    /// How many pages a call reads: less than any system limits.
    const AT_ONCE: usize = 256;
    let errno = |error: io::Error| Errno(error.raw_os_error().unwrap_or(Errno::NOSYS.0));
    let (into, out_of) = UnixStream::pair().map_err(errno)?;
    let page = syscalls::page_size();
    let mut bytes = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 1 }; AT_ONCE];
    let pages = len.div_ceil(page);
    let mut done = 0;
    while done < pages {
        let count = AT_ONCE.min(pages - done);
        for (i, byte) in bytes[..count].iter_mut().enumerate() {
            byte.iov_base = start.as_ptr().wrapping_add((done + i) * page).cast::<c_void>();
        }
        let written = writev(&into, &bytes[..count])?;
        take(&out_of, written)?;
        done += written;
    }
    Ok(())
}

/// `writev`: how many of the bytes were read, at least one.
fn writev(socket: &UnixStream, bytes: &[libc::iovec]) -> Result<usize, Errno> {
    // At most the length of an array.
    let count = bytes.len() as libc::c_int;
    // SAFETY: the pointer is to as many structures as the call reads. It reads the bytes that they
    // point to as a system call does: what is not there is an error.
    let call = || unsafe { libc::writev(socket.as_raw_fd(), bytes.as_ptr(), count) };
    match cvt_retry(call)? {
        0 => Err(Errno::IO),
        written => Ok(written.unsigned_abs()),
    }
}

/// Takes bytes out of the socket again.
fn take(socket: &UnixStream, bytes: usize) -> Result<(), Errno> {
    let mut buffer = [0_u8; 256];
    let mut left = bytes;
    while left > 0 {
        let most = left.min(buffer.len());
        let (to, fd) = (buffer.as_mut_ptr().cast(), socket.as_raw_fd());
        // SAFETY: the pointer is to as many bytes as the call may write.
        let call = || unsafe { libc::recv(fd, to, most, 0) };
        match cvt_retry(call)? {
            0 => return Err(Errno::IO),
            taken => left -= taken.unsigned_abs(),
        }
    }
    Ok(())
}
