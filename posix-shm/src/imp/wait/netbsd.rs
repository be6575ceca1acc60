//! NetBSD's `__futex`, as `sys/kern/sys_futex.c` has it, from version 10 on.
//!
//! Others are reached through every mapping of the object. Reading is enough.

use std::ffi::c_int;
use std::ptr::{self, NonNull};
use std::time::Duration;

use super::{Slept, in_time, libc, now, slept_on_netbsd, sys, timespec};
use crate::failure::{Errno, cvt, cvt_retry};

/// `__futex` with `FUTEX_WAIT_BITSET`, whose time is a point in time.
pub(crate) fn wait(word: NonNull<u32>, seen: u32, until: Option<Duration>) -> Result<Slept, Errno> {
    let time = until.map(timespec);
    let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
    let (operation, any) = (sys::FUTEX_WAIT_BITSET, sys::FUTEX_BITSET_MATCH_ANY);
    let returned = futex(word, operation, seen as c_int, time, any);
    let slept = slept_on_netbsd(cvt(returned), || read(word))?;
    Ok(if slept == Slept::TimedOut { in_time(slept, until, now()?) } else { slept })
}

/// `__futex` with `FUTEX_WAKE`: how many it has woken.
pub(crate) fn wake(word: NonNull<u32>, all: bool) -> Result<usize, Errno> {
    let most = if all { c_int::MAX } else { 1 };
    let woken = cvt_retry(|| futex(word, sys::FUTEX_WAKE, most, ptr::null(), 0))?;
    Ok(woken.unsigned_abs() as usize)
}

/// The system call. The C library has no function for it.
fn futex(
    word: NonNull<u32>,
    operation: c_int,
    value: c_int,
    time: *const libc::timespec,
    bits: c_int,
) -> c_int {
    let no_word = ptr::null_mut::<u32>();
    let no_value: c_int = 0;
    // SAFETY: the kernel looks at the word as a system call does: what is not there is an error. It
    // reads the time, if there is one.
    unsafe {
        libc::syscall(
            sys::SYS___futex as c_int,
            word.as_ptr(),
            operation,
            value,
            time,
            no_word,
            no_value,
            bits,
        )
    }
}

/// Makes the kernel read the word's page: `EFAULT` if it is not there.
///
/// `sigprocmask` reads the set, and then refuses to do anything unknown with it
/// (`sys/kern/sys_sig.c`).
fn read(word: NonNull<u32>) -> Result<(), Errno> {
    const NOTHING: c_int = 0;
    const _: () = assert!(size_of::<libc::sigset_t>() == 16);
    // A set at this address has the word in it, and does not reach into another page.
    let set = word.as_ptr().map_addr(|address| address & !15).cast::<libc::sigset_t>();
    // SAFETY: only the kernel looks at the set, as a system call does. It changes nothing.
    match cvt(unsafe { libc::sigprocmask(NOTHING, set, ptr::null_mut()) }) {
        Ok(_) | Err(Errno::INVAL) => Ok(()),
        Err(errno) => Err(errno),
    }
}
