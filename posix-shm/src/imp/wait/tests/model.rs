//! What the models of other systems' calls have in common, and what each must be able to do.
//!
//! Linux's `futex` does the work. A call with arguments that the system would take for something
//! else fails with `EPROTO`. The constants are not those of the systems, so that none passes for
//! another.

use std::cell::Cell;
use std::ffi::c_int;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::super::{Slept, now, timespec};
use crate::failure::Errno;

pub(super) const WAIT: c_int = 1001;
pub(super) const WAKE: c_int = 1002;
pub(super) const ABSOLUTE: c_int = 1003;
pub(super) const MONOTONIC: c_int = 1004;
pub(super) const ANY: c_int = 1005;

pub(super) fn fail(errno: c_int) -> c_int {
    // SAFETY: the C library has it for each thread.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: it is this thread's own.
    unsafe { place.write(errno) };
    -1
}

pub(super) fn errno() -> c_int {
    // SAFETY: the C library has it for each thread.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: it is this thread's own.
    unsafe { place.read() }
}

/// Linux's call for a word of several processes. The time is what the operation takes.
pub(super) fn futex(
    word: *mut u32,
    operation: c_int,
    value: u32,
    time: Option<&libc::timespec>,
) -> c_int {
    let time: *const libc::timespec = time.map_or(ptr::null(), ptr::from_ref);
    let (call, none) = (libc::SYS_futex, ptr::null::<u32>());
    // SAFETY: the kernel looks at the word as a system call does, and reads the time.
    let result = unsafe { libc::syscall(call, word, operation, value, time, none, u32::MAX) };
    c_int::try_from(result).unwrap()
}

/// Linux's call that wakes. The other systems do not look at the page.
pub(super) fn wake(word: *mut u32, most: u32) -> c_int {
    MOST.set(most);
    futex(word, libc::FUTEX_WAKE, most, None).max(0)
}

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
    /// How many the last call was to wake.
    static MOST: Cell<u32> = const { Cell::new(0) };
}

/// Whether this call of the thread is one that behaves in the other way that a system has.
pub(super) fn is_second() -> bool {
    CALLS.set(CALLS.get() + 1);
    CALLS.get() % 2 == 0
}

/// A time as a kernel may see it that counts in ticks, and cannot count for ever: too short.
pub(super) fn in_ticks(time: Option<&libc::timespec>) -> Option<libc::timespec> {
    time.map(|time| {
        let secs = u64::try_from(time.tv_sec).unwrap();
        let time = Duration::new(secs, u32::try_from(time.tv_nsec).unwrap());
        timespec(if is_second() { time.saturating_sub(Duration::from_millis(10)) } else { time })
    })
}

/// One page of shared memory, mapped twice.
struct Page {
    object: c_int,
    maps: [NonNull<u32>; 2],
}

// SAFETY: only atomic operations and the kernel touch the page.
unsafe impl Sync for Page {}

const LEN: usize = 4096;

impl Page {
    fn new() -> Page {
        // SAFETY: the pointer is to a string.
        let object = unsafe { libc::memfd_create(c"model".as_ptr(), libc::MFD_CLOEXEC) };
        let map = |protection| {
            let (none, shared) = (ptr::null_mut(), libc::MAP_SHARED);
            // SAFETY: it replaces no mapping.
            let map = unsafe { libc::mmap(none, LEN, protection, shared, object, 0) };
            assert_ne!(map, libc::MAP_FAILED);
            NonNull::new(map.cast()).unwrap()
        };
        let maps = [map(libc::PROT_READ | libc::PROT_WRITE), map(libc::PROT_READ)];
        let page = Page { object, maps };
        page.set_len(LEN);
        page
    }

    fn set_len(&self, len: usize) {
        // SAFETY: passes no pointer.
        assert_eq!(unsafe { libc::ftruncate(self.object, len.try_into().unwrap()) }, 0);
    }

    fn word(&self) -> &AtomicU32 {
        // SAFETY: the page is mapped as long as `self` lives.
        unsafe { AtomicU32::from_ptr(self.maps[0].as_ptr()) }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        for map in self.maps {
            // SAFETY: nobody uses the mapping any more.
            unsafe { libc::munmap(map.as_ptr().cast(), LEN) };
        }
        // SAFETY: nobody uses the descriptor any more.
        unsafe { libc::close(self.object) };
    }
}

/// A system's two functions, and what its call tells.
pub(super) struct System {
    pub(super) wait: fn(NonNull<u32>, u32, Option<Duration>) -> Result<Slept, Errno>,
    pub(super) wake: fn(NonNull<u32>, bool) -> Result<usize, Errno>,
    /// Whether it tells a word with another value from a wake.
    pub(super) tells: bool,
    /// Whether it says how many it has woken.
    pub(super) counts: bool,
}

impl System {
    pub(super) fn must_work(&self) {
        self.must_not_sleep_if_the_word_has_another_value();
        self.must_sleep_as_long_as_asked_for();
        self.must_be_woken_through_another_mapping();
        self.must_notice_a_page_that_is_cut_off();
    }

    /// As [`Waiter::wait`](crate::access) does it.
    fn wait(&self, word: NonNull<u32>, until: Option<Duration>) -> Result<Slept, Errno> {
        loop {
            match (self.wait)(word, 0, until) {
                Ok(Slept::Interrupted) => {}
                ended => return ended,
            }
        }
    }

    fn must_not_sleep_if_the_word_has_another_value(&self) {
        let page = Page::new();
        page.word().store(u32::MAX, Ordering::Relaxed);
        let expected = if self.tells { Slept::Changed } else { Slept::Woken };
        let now = now().unwrap();
        for until in [None, Some(now), Some(now + Duration::from_secs(30)), Some(Duration::MAX)] {
            assert_eq!(self.wait(page.maps[1], until), Ok(expected), "{until:?}");
        }
        // The highest value is not a sign.
        let seen = u32::MAX;
        let until = Some(now + Duration::from_millis(2));
        let ended = (self.wait)(page.maps[1], seen, until).unwrap();
        assert!([Slept::TimedOut, Slept::Interrupted].contains(&ended), "{ended:?}");
    }

    fn must_sleep_as_long_as_asked_for(&self) {
        let page = Page::new();
        for length in [0, 1, 3_000_000, 30_000_000].map(Duration::from_nanos) {
            let until = now().unwrap() + length;
            assert_eq!(self.wait(page.maps[0], Some(until)), Ok(Slept::TimedOut), "{length:?}");
            let late = now().unwrap().checked_sub(until);
            assert!(
                late.is_some_and(|late| late < Duration::from_secs(10)),
                "{length:?}: {late:?}"
            );
        }
    }

    fn must_be_woken_through_another_mapping(&self) {
        let page = Page::new();
        for (all, most) in [(false, 1), (true, i32::MAX.unsigned_abs())] {
            assert_eq!((self.wake)(page.maps[0], all), Ok(0));
            assert_eq!(MOST.get(), most);
        }
        let far = now().unwrap() + Duration::from_secs(400 * 24 * 60 * 60);
        for (until, all) in [(None, true), (Some(far), false), (Some(Duration::MAX), true)] {
            thread::scope(|scope| {
                let page = &page;
                let waiting = scope.spawn(move || self.wait(page.maps[1], until));
                let mut woken = 0;
                while !waiting.is_finished() {
                    woken += (self.wake)(page.maps[0], all).unwrap();
                    thread::yield_now();
                }
                assert_eq!(waiting.join().unwrap(), Ok(Slept::Woken), "{until:?}");
                assert_eq!(woken, usize::from(self.counts), "{until:?}");
            });
        }
    }

    fn must_notice_a_page_that_is_cut_off(&self) {
        let page = Page::new();
        page.set_len(0);
        let now = now().unwrap();
        for until in [None, Some(now), Some(now + Duration::from_secs(30))] {
            for map in page.maps {
                assert_eq!(self.wait(map, until), Err(Errno::FAULT), "{until:?}");
            }
        }
        assert_eq!((self.wake)(page.maps[0], true), Ok(0));
        page.set_len(LEN);
        let until = Some(now + Duration::from_millis(1));
        assert_eq!(self.wait(page.maps[1], until), Ok(Slept::TimedOut));
    }
}
