//! OpenBSD's `futex`, as `sys/kern/sys_futex.c` has it.
//!
//! Others are reached through a mapping that a forked child shares, which is what `MAP_SHARED`
//! makes. Reading is enough.

use std::ptr::{self, NonNull};
use std::time::Duration;

use super::{Slept, in_time, now, rest, slept_on_openbsd, sys, timespec};
use crate::failure::{Errno, cvt, cvt_retry};

/// `futex` with `FUTEX_WAIT`, whose time is a length of time.
pub(crate) fn wait(word: NonNull<u32>, seen: u32, until: Option<Duration>) -> Result<Slept, Errno> {
    let rest = match until {
        None => None,
        Some(until) => Some(timespec(rest(until, now()?, Duration::ZERO))),
    };
    let rest = rest.as_ref().map_or(ptr::null(), ptr::from_ref);
    let (at, operation) = (word.as_ptr(), sys::FUTEX_WAIT);
    // SAFETY: the kernel looks at the word as a system call does: what is not there is an error. It
    // reads the time, if there is one.
    let returned = unsafe { sys::futex(at, operation, seen as i32, rest.cast(), ptr::null_mut()) };
    let slept = slept_on_openbsd(cvt(returned))?;
    Ok(if slept == Slept::TimedOut { in_time(slept, until, now()?) } else { slept })
}

/// `futex` with `FUTEX_WAKE`: how many it has woken.
pub(crate) fn wake(word: NonNull<u32>, all: bool) -> Result<usize, Errno> {
    let (at, most) = (word.as_ptr(), if all { i32::MAX } else { 1 });
    // SAFETY: the kernel only looks for who sleeps on the address.
    let wake = || unsafe { sys::futex(at, sys::FUTEX_WAKE, most, ptr::null(), ptr::null_mut()) };
    Ok(cvt_retry(wake)?.unsigned_abs() as usize)
}
