//! [`Mark`]: tells a process from a child that it forked. Process numbers do not: numbers are used
//! again, and in a new PID namespace parent and child may both be process 1.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use super::syscalls;

/// Says in which process it was made, by a number that a child does not have.
///
/// If the kernel does not clear the number in a child, the mark has the process number as well.
/// That helps with most children that the kernel's own calls make without the C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(u64, Option<u32>);

impl Mark {
    /// The mark of this process.
    pub(crate) fn now() -> Mark {
        /// A child gets a copy, so no ancestor of this process has had the next number.
        static LAST: AtomicU64 = AtomicU64::new(0);
        let word = word();
        let process = ptr::eq(word, &CLEARED_BY_HANDLER).then(std::process::id);
        let current = word.load(Ordering::Relaxed);
        if current != 0 {
            return Mark(current, process);
        }
        let next = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        match word.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => Mark(next, process),
            // Another thread was quicker.
            Err(current) => Mark(current, process),
        }
    }

    /// Whether this process made it. `false` in a child that was forked since.
    pub(crate) fn is_of_this_process(&self) -> bool {
        *self == Mark::now()
    }
}

/// How often this process has forked. A handle that was made before has gone to the child as well.
///
/// Children that the kernel's own calls make without the C library are not counted, nor those that
/// start another program at once, in which the descriptor is closed.
#[inline]
pub(crate) fn forks() -> u32 {
    if !COUNTED.load(Ordering::Relaxed) {
        count_forks();
    }
    FORKS.load(Ordering::Relaxed)
}

static FORKS: AtomicU32 = AtomicU32::new(0);

/// Whether [`count`] is called before every fork.
static COUNTED: AtomicBool = AtomicBool::new(false);

#[cold]
fn count_forks() {
    // If a second thread does the same at this moment, each fork counts twice, which does not
    // matter.
    // SAFETY: the handler only adds to a static.
    let failed = unsafe { libc::pthread_atfork(Some(count), None, None) } != 0;
    if failed {
        // Without memory for the handler, every look counts as a fork.
        FORKS.fetch_add(1, Ordering::Relaxed);
    } else {
        COUNTED.store(true, Ordering::Relaxed);
    }
}

unsafe extern "C" fn count() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// A word that fork clears in the child.
static WORD: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());

/// The word itself, if the kernel has no page that it clears.
static CLEARED_BY_HANDLER: AtomicU64 = AtomicU64::new(0);

/// [`WORD`], made when it is first asked for. There is no lock here: a child could inherit it while
/// it is held.
fn word() -> &'static AtomicU64 {
    let mut word = WORD.load(Ordering::Acquire);
    if word.is_null() {
        let new = syscalls::page_cleared_by_fork().unwrap_or(&CLEARED_BY_HANDLER);
        let new = ptr::from_ref(new).cast_mut();
        // For a page too: emulators (qemu) accept the advice to clear it, and do not.
        // SAFETY: the handler only stores to a word that is never unmapped. If there is no memory
        // for another handler, it is not called.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(clear)) };
        // A second thread that does the same at this moment leaves one page unused.
        word = match WORD.compare_exchange(
            ptr::null_mut(),
            new,
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            Ok(_) => new,
            Err(theirs) => theirs,
        };
    }
    // SAFETY: it points to a static or to a page that is never unmapped.
    unsafe { &*word }
}

/// Clears the word in a child that the C library's `fork` made. The kernel's own calls, made
/// without the C library, do not come here.
unsafe extern "C" fn clear() {
    // SAFETY: it is null, or points to a static or to a page that is never unmapped.
    if let Some(word) = unsafe { WORD.load(Ordering::Acquire).as_ref() } {
        word.store(0, Ordering::Relaxed);
    }
}
