//! Sleeping until a word of a shared mapping changes, and waking who sleeps.
//!
//! Never with a private flag: it would be quicker, and would reach only this process.
//!
//! `futex` of Linux is here. The calls of other systems have files of their own. What those answer
//! is judged here, so that the tests run it on every system.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr;
use std::time::Duration;

// The calls of other systems take both from here, so that the tests can give them models.
use ::libc;
use posix_shm_sys as sys;

#[cfg(any(pshm_has_sys_futex, pshm_has_sys_futex_time64))]
use crate::failure::cvt_retry;
use crate::failure::{Errno, cvt};

#[cfg(all(pshm_system = "netbsd", pshm_has_sys___futex))]
pub(super) mod netbsd;
#[cfg(all(pshm_system = "openbsd", pshm_has_futex))]
pub(super) mod openbsd;
#[cfg(all(pshm_system = "apple", pshm_has_os_sync_wait_on_address_shared))]
pub(super) mod os_sync;
#[cfg(test)]
mod tests;
#[cfg(all(pshm_system = "freebsd", pshm_has__umtx_op))]
pub(super) mod umtx;

/// How a call that sleeps has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slept {
    /// It was woken, perhaps for nothing.
    Woken,
    /// The word had another value, so it did not sleep.
    Changed,
    TimedOut,
    /// A signal came first, or it woke before the time.
    Interrupted,
    /// It cannot sleep at the moment: the system may want the word's page in memory. Look at the
    /// word, which brings it there, and try again.
    NotNow,
    /// The system has no call for it, or a filter forbids it.
    Unable,
}

/// The time since some start: it never jumps, and is what [`futex_wait`] counts in.
pub(crate) fn now() -> Result<Duration, Errno> {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    #[allow(clippy::unnecessary_cast, reason = "the type differs between systems")]
    let clock = sys::CLOCK_MONOTONIC as libc::clockid_t;
    // SAFETY: the pointer is to room for one `timespec`.
    cvt(unsafe { libc::clock_gettime(clock, time.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it has filled in the structure.
    let time = unsafe { time.assume_init() };
    // No clock that starts with the system is negative, and nanoseconds are less than a second.
    #[allow(clippy::unnecessary_cast, reason = "the types differ between machines")]
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// Sleeps for a time of less than a second. If that is not possible, it lets others run.
pub(crate) fn pause(time: Duration) {
    let request = timespec(time);
    // SAFETY: the pointer is to a `timespec` that outlives the call.
    if cvt(unsafe { libc::nanosleep(&raw const request, ptr::null_mut()) }).is_err() {
        std::thread::yield_now();
    }
}

/// `futex` with `FUTEX_WAIT_BITSET`, whose time is a point in time, so that no signal stretches it.
#[cfg(any(pshm_has_sys_futex, pshm_has_sys_futex_time64))]
pub(crate) fn futex_wait(
    word: ptr::NonNull<u32>,
    seen: u32,
    until: Option<Duration>,
) -> Result<Slept, Errno> {
    let until = until.map(|until| [saturated(until.as_secs()), i64::from(until.subsec_nanos())]);
    #[cfg(pshm_has_sys_futex_time64)]
    match wait_call(sys::SYS_futex_time64, word, seen, until.as_ref()) {
        // Linux before 5.1, and filters that are older than it, know the other call.
        #[cfg(pshm_has_sys_futex)]
        Err(Errno::NOSYS | Errno::PERM | Errno::ACCES) => {}
        result => return slept(result),
    }
    #[cfg(pshm_has_sys_futex)]
    {
        let until = until.map(|[secs, nanos]| {
            [Long::try_from(secs).unwrap_or(Long::MAX), Long::try_from(nanos).unwrap_or(0)]
        });
        slept(wait_call(sys::SYS_futex, word, seen, until.as_ref()))
    }
}

/// The fields of the older call's time. With the small pointers of x32 it is the kernel's own type.
#[cfg(all(pshm_has_sys_futex, target_arch = "x86_64"))]
type Long = i64;
#[cfg(all(pshm_has_sys_futex, not(target_arch = "x86_64")))]
type Long = libc::c_long;

#[cfg(any(pshm_has_sys_futex, pshm_has_sys_futex_time64))]
fn saturated(secs: u64) -> i64 {
    i64::try_from(secs).unwrap_or(i64::MAX)
}

#[cfg(any(pshm_has_sys_futex, pshm_has_sys_futex_time64))]
fn wait_call<T>(
    call: libc::c_long,
    word: ptr::NonNull<u32>,
    seen: u32,
    until: Option<&[T; 2]>,
) -> Result<isize, Errno> {
    let until: *const [T; 2] = until.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: the kernel looks at the word as a system call does: what is not there is an error. It
    // reads the time, whose layout is the one of this call.
    let returned = unsafe {
        libc::syscall(
            call,
            word.as_ptr(),
            sys::FUTEX_WAIT_BITSET,
            seen,
            until,
            ptr::null::<u32>(),
            sys::FUTEX_BITSET_MATCH_ANY,
        )
    };
    cvt(returned as isize)
}

/// What a `futex` of any system, or FreeBSD's `_umtx_op`, has answered.
pub(crate) fn slept<T>(result: Result<T, Errno>) -> Result<Slept, Errno> {
    match result {
        Ok(_) => Ok(Slept::Woken),
        Err(Errno::AGAIN) => Ok(Slept::Changed),
        Err(Errno::TIMEDOUT) => Ok(Slept::TimedOut),
        Err(Errno::INTR) => Ok(Slept::Interrupted),
        Err(Errno::NOSYS | Errno::PERM | Errno::ACCES) => Ok(Slept::Unable),
        Err(errno) => Err(errno),
    }
}

/// `futex` with `FUTEX_WAKE`: how many it has woken. None where a filter forbids the call.
#[cfg(any(pshm_has_sys_futex, pshm_has_sys_futex_time64))]
pub(crate) fn futex_wake(word: ptr::NonNull<u32>, all: bool) -> Result<usize, Errno> {
    let most = if all { i32::MAX } else { 1 };
    // Without a time, both calls are the same.
    #[cfg(pshm_has_sys_futex)]
    let call = sys::SYS_futex;
    #[cfg(not(pshm_has_sys_futex))]
    let call = sys::SYS_futex_time64;
    // SAFETY: the kernel only looks for who sleeps on the address.
    let wake = || unsafe { libc::syscall(call, word.as_ptr(), sys::FUTEX_WAKE, most) } as isize;
    match cvt_retry(wake) {
        Ok(woken) => Ok(woken.unsigned_abs()),
        Err(Errno::NOSYS | Errno::PERM | Errno::ACCES) => Ok(0),
        Err(errno) => Err(errno),
    }
}

/// [`slept`] for OpenBSD. Its older kernels return the error's number instead of setting `errno`.
/// `ECANCELED` is for a signal whose handler has `SA_RESTART`. (`sys/kern/sys_futex.c`)
pub(crate) fn slept_on_openbsd(result: Result<c_int, Errno>) -> Result<Slept, Errno> {
    match result {
        Ok(0) => Ok(Slept::Woken),
        Ok(number) if number > 0 => slept_on_openbsd(Err(Errno(number))),
        Err(Errno::CANCELED) => Ok(Slept::Interrupted),
        result => slept(result),
    }
}

/// [`slept`] for NetBSD, which says `EAGAIN` also for a page that is not there
/// (`sys/kern/sys_futex.c`, `futex_test`). `read` makes the kernel read the word.
pub(crate) fn slept_on_netbsd(
    result: Result<c_int, Errno>,
    read: impl FnOnce() -> Result<(), Errno>,
) -> Result<Slept, Errno> {
    match slept(result) {
        Ok(Slept::Changed) => read().map(|()| Slept::Changed),
        result => result,
    }
}

/// What Apple's calls have answered. A word with another value is a success too.
///
/// * `EFAULT`: the page is not in memory. The kernel looks at it under a lock, and does not fetch
///   it. `ENOMEM`: there is no memory for its own list. (XNU's `bsd/kern/sys_ulock.c`)
/// * `EDOM`, which the C library makes `EINVAL`: a peer waits there for 8 bytes, and nobody can
///   sleep there for 4 until it goes.
pub(crate) fn slept_on_address(result: Result<c_int, Errno>) -> Result<Slept, Errno> {
    match result {
        Err(Errno::FAULT | Errno::NOMEM) => Ok(Slept::NotNow),
        Err(Errno::DOM | Errno::INVAL) => Ok(Slept::Unable),
        result => slept(result),
    }
}

/// What Apple's calls that wake have answered: an error if nobody sleeps there, or sleeps there for
/// 4 bytes. They do not say how many they have woken.
pub(crate) fn woken_on_address(result: Result<c_int, Errno>) -> Result<usize, Errno> {
    match result {
        Ok(_) | Err(Errno::NOENT | Errno::DOM | Errno::INVAL) => Ok(0),
        Err(errno) => Err(errno),
    }
}

/// How long to sleep, where a call takes a length of time: at most a day, since kernels that count
/// in ticks cannot count further than some months.
pub(crate) fn rest(until: Duration, now: Duration, least: Duration) -> Duration {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    until.saturating_sub(now).clamp(least, DAY)
}

/// Takes back that the time is up, if it is not: the sleep was shorter than asked for, on purpose
/// or because the kernel's ticks do not fit the time.
pub(crate) fn in_time(slept: Slept, until: Option<Duration>, now: Duration) -> Slept {
    match slept {
        Slept::TimedOut if until.is_none_or(|until| now < until) => Slept::Interrupted,
        slept => slept,
    }
}

/// A time as the kernel's calls take it.
pub(crate) fn timespec(time: Duration) -> libc::timespec {
    // A billion nanoseconds fit into every type.
    #[allow(clippy::cast_possible_wrap, reason = "less than a second")]
    #[allow(deprecated, reason = "on musl the type will change together with the structure")]
    libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: time.subsec_nanos() as libc::c_long as _,
    }
}

/// Whether a system can sleep, if its headers say so.
pub(crate) const fn always() -> bool {
    true
}

/// For a system without such a call.
#[allow(clippy::unnecessary_wraps, reason = "the contract of a system")]
pub(crate) fn no_wait(_: ptr::NonNull<u32>, _: u32, _: Option<Duration>) -> Result<Slept, Errno> {
    Ok(Slept::Unable)
}

/// The same: who waits looks at the word by itself.
#[allow(clippy::unnecessary_wraps, reason = "the contract of a system")]
pub(crate) fn no_wake(_: ptr::NonNull<u32>, _: bool) -> Result<usize, Errno> {
    Ok(0)
}
