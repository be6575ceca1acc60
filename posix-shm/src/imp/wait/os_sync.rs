//! Apple's `os_sync_wait_on_address` and its kind, as `os/os_sync_wait_on_address.h` and XNU's
//! `bsd/kern/sys_ulock.c` have them.
//!
//! macOS has them from version 14.4 on, iOS from 17.4 on. They are looked up at run time, so that
//! programs start on older systems too, and poll there.
//!
//! Others are reached through every mapping of the object. Reading is enough.

use std::ffi::{CStr, c_int, c_void};
use std::mem;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

use posix_shm_sys as sys;

use super::{Slept, in_time, now, rest, slept_on_address, woken_on_address};
use crate::failure::{Errno, cvt};

/// A function, which is looked up when it is first needed.
struct Function {
    name: &'static CStr,
    /// Null if there is none.
    address: AtomicPtr<c_void>,
}

/// No function has this address: it is not known yet.
const UNKNOWN: *mut c_void = ptr::without_provenance_mut(1);

static WAIT: Function = Function::named(c"os_sync_wait_on_address");
static WAIT_FOR: Function = Function::named(c"os_sync_wait_on_address_with_timeout");
static WAKE_ANY: Function = Function::named(c"os_sync_wake_by_address_any");
static WAKE_ALL: Function = Function::named(c"os_sync_wake_by_address_all");

impl Function {
    const fn named(name: &'static CStr) -> Function {
        Function { name, address: AtomicPtr::new(UNKNOWN) }
    }

    fn address(&self) -> Option<NonNull<c_void>> {
        let mut address = self.address.load(Ordering::Relaxed);
        if address == UNKNOWN {
            // SAFETY: the pointer is to a string.
            address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, self.name.as_ptr()) };
            // A second thread that does the same at this moment finds the same. There is no lock
            // here: a child could inherit it while it is held.
            self.address.store(address, Ordering::Relaxed);
        }
        NonNull::new(address)
    }
}

type Wait = unsafe extern "C" fn(*mut c_void, u64, usize, u32) -> c_int;
type WaitFor = unsafe extern "C" fn(*mut c_void, u64, usize, u32, u32, u64) -> c_int;
type Wake = unsafe extern "C" fn(*mut c_void, usize, u32) -> c_int;

/// All four, with their signatures.
struct Calls {
    wait: Wait,
    wait_for: WaitFor,
    wake_any: Wake,
    wake_all: Wake,
}

fn calls() -> Option<Calls> {
    Some(Calls {
        // SAFETY: `os/os_sync_wait_on_address.h` declares the function so.
        wait: unsafe { mem::transmute::<NonNull<c_void>, Wait>(WAIT.address()?) },
        // SAFETY: as above.
        wait_for: unsafe { mem::transmute::<NonNull<c_void>, WaitFor>(WAIT_FOR.address()?) },
        // SAFETY: as above.
        wake_any: unsafe { mem::transmute::<NonNull<c_void>, Wake>(WAKE_ANY.address()?) },
        // SAFETY: as above.
        wake_all: unsafe { mem::transmute::<NonNull<c_void>, Wake>(WAKE_ALL.address()?) },
    })
}

pub(crate) fn can_sleep() -> bool {
    calls().is_some()
}

pub(crate) fn wait(word: NonNull<u32>, seen: u32, until: Option<Duration>) -> Result<Slept, Errno> {
    let Some(calls) = calls() else { return Ok(Slept::Unable) };
    let (at, seen, size) = (word.as_ptr().cast(), u64::from(seen), size_of::<u32>());
    let shared = sys::OS_SYNC_WAIT_ON_ADDRESS_SHARED;
    let returned = if let Some(until) = until {
        // Zero is an error.
        let rest = rest(until, now()?, Duration::from_nanos(1));
        let rest = u64::try_from(rest.as_nanos()).unwrap_or(u64::MAX);
        let clock = sys::OS_CLOCK_MACH_ABSOLUTE_TIME;
        // SAFETY: the kernel looks at the word as a system call does: what is not there is an
        // error.
        unsafe { (calls.wait_for)(at, seen, size, shared, clock, rest) }
    } else {
        // SAFETY: as above.
        unsafe { (calls.wait)(at, seen, size, shared) }
    };
    let slept = slept_on_address(cvt(returned))?;
    Ok(if slept == Slept::TimedOut { in_time(slept, until, now()?) } else { slept })
}

pub(crate) fn wake(word: NonNull<u32>, all: bool) -> Result<usize, Errno> {
    // Without the calls, nobody sleeps.
    let Some(calls) = calls() else { return Ok(0) };
    let wake = if all { calls.wake_all } else { calls.wake_any };
    let shared = sys::OS_SYNC_WAKE_BY_ADDRESS_SHARED;
    // SAFETY: the kernel only looks for who sleeps on the address.
    woken_on_address(cvt(unsafe { wake(word.as_ptr().cast(), size_of::<u32>(), shared) }))
}
