//! Making pages present, and keeping them so.

use std::ops::{ControlFlow, RangeBounds};
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use posix_shm_sys as sys;

use super::mapping::Mapping;
use super::region::{Region, at, range_failure};
use crate::error::Result;
use crate::failure::{Detail, Errno, Failure, Operation};
use crate::imp;

/// How much is made present at once: so much that the calls cost nothing, and so little that
/// stopping is quick.
const STEP: usize = 16 << 20;

impl<A> Mapping<A> {
    /// Makes the pages of a range present, so that using them causes no page faults: `madvise` with
    /// `MADV_POPULATE_WRITE`, or `MADV_POPULATE_READ` if they cannot be written or are there.
    ///
    /// The bytes stay as they are. Pages of a sparse object are taken from the system now. If that
    /// is impossible, the call returns an error, and no signal comes. If the memory of the machine
    /// or of a control group runs out meanwhile, the kernel kills a process, as always;
    /// [`Shm::reserve`](crate::Shm::reserve) asks beforehand.
    ///
    /// Writing to a new object for the first time takes 10 to 30 % less time with it, including the
    /// call, and less again on several threads. Attaching to a full object takes a quarter to a
    /// third. With [`collapse`](Mapping::collapse) both can take much less still.
    /// The [README of the benches][benches] has the figures.
    ///
    /// [benches]: https://github.com/posix-shm/posix-shm/tree/HEAD/posix-shm/benches
    ///
    /// # Errors
    ///
    /// * `InvalidInput`: a range that is not inside the mapping;
    /// * `EFAULT`: the object has no memory for a page: it was cut off, its file system is full, or
    ///   the page is a guard page;
    /// * `OutOfMemory` (`ENOMEM`): the system has no memory;
    /// * `EHWPOISON`: the memory of a page is broken.
    ///
    /// Pages before that may be present.
    ///
    /// # Platform-specific behavior
    ///
    /// Linux from 5.14 on and Android have these calls. Elsewhere, and if a sandbox forbids them,
    /// the kernel is made to read a byte of each page for a socket, with `writev`. That gives the
    /// same promise, but is slower. The pages of a copy-on-write mapping are not copied then.
    ///
    /// # Examples
    ///
    /// ```
    /// let object = posix_shm::Shm::anonymous(1 << 20)?;
    /// let mapping = object.map_mut()?;
    /// mapping.populate(..)?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: Linux `madvise(2)`.
    #[doc(alias = "MADV_POPULATE_WRITE")]
    #[doc(alias = "MADV_POPULATE_READ")]
    #[doc(alias = "prefault")]
    pub fn populate(&self, range: impl RangeBounds<usize>) -> Result<()> {
        self.populate_in(range, 1)
    }

    /// [`populate`](Mapping::populate) on this many threads, which end with the call. 0 is taken
    /// for 1, and fewer are used if no more can be started.
    ///
    /// # Errors
    ///
    /// As [`populate`](Mapping::populate): the first error that a thread met.
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(1 << 20)?.map_mut()?;
    /// mapping.populate_in(.., 2)?;
    /// mapping.bytes().fill(7); // no page faults
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn populate_in(&self, range: impl RangeBounds<usize>, threads: usize) -> Result<()> {
        self.populate_with(range, threads, |_| ControlFlow::Continue(())).map(drop)
    }

    /// [`populate_in`](Mapping::populate_in), and tells how far it is: this is for objects of many
    /// gigabytes.
    ///
    /// `watch` is called on this thread, again and again, with the number of bytes that are done.
    /// If it returns [`ControlFlow::Break`], no more pages are made present. The result is the
    /// number of bytes that were done: those of the range, or fewer if it was stopped. With several
    /// threads they may lie anywhere in the range.
    ///
    /// # Errors
    ///
    /// As [`populate`](Mapping::populate).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::ops::ControlFlow;
    ///
    /// let object = posix_shm::Shm::anonymous(64 << 20)?;
    /// let mapping = object.map_mut()?;
    /// let done = mapping.populate_with(.., 2, |done| {
    ///     eprintln!("{} of {} MiB", done >> 20, mapping.len() >> 20);
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert_eq!(done, mapping.len());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn populate_with(
        &self,
        range: impl RangeBounds<usize>,
        threads: usize,
        mut watch: impl FnMut(usize) -> ControlFlow<()>,
    ) -> Result<usize> {
        let (from, to) = self.ends(range, Operation::Populate)?;
        self.region.populate(from, to, threads, &mut watch).map_err(|failure| failure.named(None))
    }

    /// How many bytes of a range are in memory: `mincore`.
    ///
    /// It counts the object's pages, whoever has put them there, and not only those that this
    /// mapping has used. A page that was reserved and never written does not count.
    ///
    /// # Errors
    ///
    /// * `InvalidInput`: a range that is not inside the mapping;
    /// * `Unsupported`: the system does not tell.
    ///
    /// # Platform-specific behavior
    ///
    /// Linux and Android tell. If the object belongs to another user and this user may not write
    /// it, Linux says that all of it is in memory. [`capabilities`](crate::capabilities()) says so
    /// (`residency`).
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, capabilities};
    ///
    /// if capabilities().residency {
    ///     let object = Shm::anonymous(1 << 20)?;
    ///     let mapping = object.map_mut()?;
    ///     assert_eq!(mapping.residency(..)?, 0);
    ///     mapping.bytes().range(..1 << 19).fill(7);
    ///     assert_eq!(mapping.residency(..)?, 1 << 19);
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: Linux `mincore(2)`.
    #[doc(alias = "mincore")]
    pub fn residency(&self, range: impl RangeBounds<usize>) -> Result<usize> {
        let (from, to) = self.ends(range, Operation::Populate)?;
        if from == to {
            return Ok(0);
        }
        let (start, len) = self.region.pages_of(from, to);
        let page = imp::page_size();
        let resident = imp::resident_pages(start, len / page)
            .map_err(|errno| range_failure(Operation::Populate, from, to)(errno).named(None))?;
        // Pages at the ends reach past the range.
        Ok((resident * page).min(to - from))
    }

    /// Keeps the pages of a range in memory, so that they are never swapped out: `mlock`. Pages
    /// that are not present are made present first.
    ///
    /// Only this process's lock on them counts. It ends with [`unlock`](Mapping::unlock) or with
    /// the mapping, and a child that is forked does not have it. Locks do not add up.
    ///
    /// # Errors
    ///
    /// If it fails, no page of the range is locked.
    ///
    /// * `InvalidInput`: a range that is not inside the mapping;
    /// * `OutOfMemory` (`ENOMEM`), `PermissionDenied` (`EPERM`), `WouldBlock` (`EAGAIN`): this
    ///   process may not lock so much (`RLIMIT_MEMLOCK`), or the object has no memory for a page.
    ///
    /// # Examples
    ///
    /// ```
    /// let object = posix_shm::Shm::anonymous(4096)?;
    /// let keys = object.map_mut()?;
    /// keys.lock(..)?;
    /// keys.unlock(..)?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: POSIX.1-2024 `mlock`; Linux `mlock(2)`.
    #[doc(alias = "mlock")]
    pub fn lock(&self, range: impl RangeBounds<usize>) -> Result<()> {
        let (from, to) = self.ends(range, Operation::Lock)?;
        self.region.lock(from, to).map_err(|failure| failure.named(None))
    }

    /// Lets the pages of a range be swapped out again: `munlock`.
    ///
    /// # Errors
    ///
    /// * `InvalidInput`: a range that is not inside the mapping;
    /// * `OutOfMemory` (`ENOMEM`): the process has too many mappings.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// mapping.lock(..)?;
    /// mapping.unlock(..)?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: POSIX.1-2024 `munlock`.
    #[doc(alias = "munlock")]
    pub fn unlock(&self, range: impl RangeBounds<usize>) -> Result<()> {
        let (from, to) = self.ends(range, Operation::Lock)?;
        if from == to {
            return Ok(());
        }
        let (start, len) = self.region.pages_of(from, to);
        imp::unlock(start, len)
            .map_err(|errno| range_failure(Operation::Lock, from, to)(errno).named(None))
    }
}

impl Region {
    pub(super) fn lock(&self, from: usize, to: usize) -> Result<(), Failure> {
        if from == to {
            return Ok(());
        }
        let (start, len) = self.pages_of(from, to);
        imp::lock(start, len).map_err(|errno| {
            // The pages count as locked if it was only their memory that was missing.
            let _ = imp::unlock(start, len);
            range_failure(Operation::Lock, from, to)(errno)
        })
    }

    /// Makes the pages of a range present, and returns how many bytes of it were done.
    pub(super) fn populate(
        &self,
        from: usize,
        to: usize,
        threads: usize,
        watch: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<usize, Failure> {
        if from == to {
            return Ok(0);
        }
        let (start, len) = self.pages_of(from, to);
        let work = Work {
            pages: self.pages_of(from, to),
            write: self.how.protection & sys::PROT_WRITE != 0,
            private: self.how.private,
            next: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            failed: Mutex::new(None),
        };
        debug_assert_eq!(work.pages, (start, len));
        let seen = |done: usize| done.min(to - from);
        let helpers = threads.max(1).min(len.div_ceil(STEP)) - 1;
        let mut report = |work: &Work| {
            if watch(seen(work.done.load(Ordering::Relaxed))).is_break() {
                work.over.store(true, Ordering::Relaxed);
            }
        };
        if helpers == 0 {
            while work.step() {
                report(&work);
            }
        } else {
            thread::scope(|scope| {
                for _ in 0..helpers {
                    let help = thread::Builder::new().name("posix-shm populate".into());
                    // Without it, the others do its part.
                    let _ = help.spawn_scoped(scope, || while work.step() {});
                }
                while work.step() {
                    report(&work);
                }
            });
            // What the others did last.
            report(&work);
        }
        let done = seen(work.done.load(Ordering::Relaxed));
        match work.failed.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
            None => Ok(done),
            Some(errno) => {
                let failure = Failure::new(Operation::Populate, errno);
                Err(failure.with_detail(Detail::Part { from, to }))
            }
        }
    }
}

/// A range of pages that threads make present together.
struct Work {
    pages: (NonNull<u8>, usize),
    write: bool,
    private: bool,
    /// Where the next step begins.
    next: AtomicUsize,
    /// How many bytes are present.
    done: AtomicUsize,
    /// Whether to stop.
    over: AtomicBool,
    /// The first error.
    failed: Mutex<Option<Errno>>,
}

// SAFETY: the pages are only named to the system, which lets any thread make them present. They are
// mapped for as long as the value lives, since it is used within a borrow of the mapping.
unsafe impl Sync for Work {}

impl Work {
    /// Makes some pages present. `false` if nothing is left to do.
    fn step(&self) -> bool {
        let (start, len) = self.pages;
        if self.over.load(Ordering::Relaxed) {
            return false;
        }
        let from = self.next.fetch_add(STEP, Ordering::Relaxed);
        if from >= len {
            return false;
        }
        let bytes = STEP.min(len - from);
        match imp::populate(at(start, from), bytes, self.write, self.private) {
            Ok(()) => {
                self.done.fetch_add(bytes, Ordering::Relaxed);
                true
            }
            Err(errno) => {
                self.over.store(true, Ordering::Relaxed);
                let mut failed =
                    self.failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                failed.get_or_insert(errno);
                false
            }
        }
    }
}
