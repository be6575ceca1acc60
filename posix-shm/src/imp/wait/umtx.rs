//! FreeBSD's `_umtx_op`, as `sys/kern/kern_umtx.c` has it.
//!
//! Others are reached through a mapping that a forked child shares, which is what `MAP_SHARED`
//! makes (`AUTO_SHARE` in `umtx_key_get`). The page is looked up as if it were to be written, so a
//! read-only mapping is `EFAULT`.

use std::ffi::{c_int, c_ulong};
use std::ptr::{self, NonNull};
use std::time::Duration;

use super::{Slept, libc, slept, sys, timespec};
use crate::failure::{Errno, cvt, cvt_retry};

/// `_umtx_op` with `UMTX_OP_WAIT_UINT`, whose time is a point in time.
///
/// A word with another value is a success too. A page that is cut off is `EFAULT`.
pub(crate) fn wait(word: NonNull<u32>, seen: u32, until: Option<Duration>) -> Result<Slept, Errno> {
    let until = until.map(|until| libc::_umtx_time {
        _timeout: timespec(until),
        _flags: sys::UMTX_ABSTIME.unsigned_abs(),
        _clockid: sys::CLOCK_MONOTONIC.unsigned_abs(),
    });
    // The kernel tells what kind of time it is by its size, in the place of a pointer.
    let (size, time) = match &until {
        None => (0, ptr::null()),
        Some(time) => (size_of::<libc::_umtx_time>(), ptr::from_ref(time)),
    };
    // SAFETY: the kernel looks at the word as a system call does: what is not there is an error. It
    // reads the time, if there is one.
    let returned = unsafe {
        sys::_umtx_op(
            word.as_ptr().cast(),
            sys::UMTX_OP_WAIT_UINT,
            seen.into(),
            ptr::without_provenance_mut(size),
            time.cast_mut().cast(),
        )
    };
    slept(cvt(returned))
}

/// `_umtx_op` with `UMTX_OP_WAKE`, which does not say how many it has woken.
pub(crate) fn wake(word: NonNull<u32>, all: bool) -> Result<usize, Errno> {
    let most: c_ulong = if all { c_int::MAX.unsigned_abs().into() } else { 1 };
    // SAFETY: the kernel only looks for who sleeps on the address.
    let wake = || unsafe {
        sys::_umtx_op(
            word.as_ptr().cast(),
            sys::UMTX_OP_WAKE,
            most,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    cvt_retry(wake).map(|_| 0)
}
