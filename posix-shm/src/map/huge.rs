//! Huge pages: [`Mapping::collapse`] makes them of usual ones, [`HugePages`] come from a pool.

use std::ops::{ControlFlow, RangeBounds};

use super::mapping::Mapping;
use super::region::{Region, at};
use crate::error::Result;
use crate::failure::{Failure, Operation};
use crate::imp;

/// How much of a range has huge pages: the result of [`Mapping::collapse`]. Both together are the
/// range.
///
/// # Examples
///
/// ```
/// use posix_shm::{Shm, capabilities};
///
/// if capabilities().collapse {
///     let mapping = Shm::anonymous(4 << 20)?.map_mut()?;
///     let found = mapping.collapse(..)?;
///     assert_eq!(found.huge + found.usual, 4 << 20);
/// }
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Collapsed {
    /// How many bytes are in huge pages.
    pub huge: usize,
    /// How many bytes are not: what the system has refused, and the ends of the range that do not
    /// fill a huge page.
    pub usual: usize,
}

impl<A> Mapping<A> {
    /// Moves the bytes of a range into huge pages, as far as the system has them: `madvise` with
    /// `MADV_COLLAPSE`. Pages that are not there yet are taken from the system.
    ///
    /// It needs no configuration, no rights and no pool. It works if `shmem_enabled` is `never`,
    /// for memfds and for objects in `/dev/shm`. Map with [`MapOptions::huge_pages`], which also
    /// chooses an address at which huge pages fit. Every process that maps the object so gets the
    /// same huge pages. One that maps it otherwise sees the same bytes in usual pages.
    ///
    /// It is for memory that is used all over, from some tens of megabytes on. Attaching to such an
    /// object takes about a fiftieth of the time, and making the memory of a new one present about
    /// an eighth. Programs that jump around in it run faster. In a virtual machine, making it
    /// present has also taken three times as long as with usual pages, presumably because the host
    /// had to find the memory first.
    ///
    /// Do not use it for objects of which only a part is ever used: a huge page takes all its
    /// memory, and a hole in it is filled. Nor while peers punch holes, or while memory is short. A
    /// huge page is split again when a part of it is punched, cut off or swapped out.
    ///
    /// What cannot be had stays in usual pages, and is no error: [`Collapsed`] says how much.
    /// Calling it again asks again, and is quick where nothing is left to do.
    ///
    /// [`MapOptions::huge_pages`]: crate::MapOptions::huge_pages
    ///
    /// # Errors
    ///
    /// * `InvalidInput`: a range that is not inside the mapping;
    /// * as [`populate`](Mapping::populate): one page of each huge page is made present first;
    /// * `Unsupported`: the system cannot.
    ///
    /// # Platform-specific behavior
    ///
    /// Only Linux from 6.1 on can. [`capabilities`](crate::capabilities()) says so (`collapse`).
    /// FreeBSD makes huge pages by itself. Older kernels of Linux answer that nothing is huge.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Shm, capabilities};
    ///
    /// let object = Shm::anonymous(32 << 20)?;
    /// let mapping = MapOptions::new().huge_pages(true).map_mut(&object)?;
    /// if capabilities().collapse {
    ///     let found = mapping.collapse(..)?;
    ///     eprintln!("{} of {} MiB are in huge pages", found.huge >> 20, mapping.len() >> 20);
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: Linux `madvise(2)`, `Documentation/admin-guide/mm/transhuge.rst`.
    #[doc(alias = "MADV_COLLAPSE")]
    #[doc(alias = "THP")]
    pub fn collapse(&self, range: impl RangeBounds<usize>) -> Result<Collapsed> {
        let (from, to) = self.ends(range, Operation::Advise)?;
        if !imp::CAPABILITIES.collapse {
            let why = "this system cannot make huge pages of usual ones";
            let kind = std::io::ErrorKind::Unsupported;
            return Err(Failure::refused(Operation::Advise, kind, why).named(None));
        }
        self.region.collapse(from, to).map_err(|failure| failure.named(None))
    }
}

impl Region {
    /// Makes huge pages where they fit, and returns how much has them.
    pub(super) fn collapse(&self, from: usize, to: usize) -> Result<Collapsed, Failure> {
        let none = Collapsed { huge: 0, usual: to - from };
        // Pages from a pool stay what they are.
        if self.how.huge_page.is_some() {
            return Ok(Collapsed { huge: to - from, usual: 0 });
        }
        let Some(size) = imp::transparent_page() else { return Ok(none) };
        let start = self.start().addr().get();
        // Only whole huge pages of the object, at the same place in memory and in the object.
        let fits = (self.offset() & (size as u64 - 1)) as usize == start & (size - 1);
        let first = (start + from).next_multiple_of(size) - start;
        let end = (start + to) / size * size;
        if !fits || first + start >= end {
            return Ok(none);
        }
        let last = end - start;
        // A hole is not collapsed. One page is enough to fill it.
        for place in (first..last).step_by(size) {
            self.populate(place, place + 1, 1, &mut |_| ControlFlow::Continue(()))?;
        }
        let whole =
            |from: usize, to: usize| imp::collapse(at(self.start(), from), to - from).is_ok();
        let huge = if whole(first, last) {
            last - first
        } else {
            // It stops at the first that it cannot make. Ask for each.
            (first..last).step_by(size).filter(|place| whole(*place, place + size)).count() * size
        };
        Ok(Collapsed { huge, usual: to - from - huge })
    }
}

/// Pages of an object that come from a pool of the system's, much larger than the usual ones: for
/// [`OpenOptions::huge_pages`](crate::OpenOptions::huge_pages).
///
/// The default is the system's own choice of a size, 2 MiB on most machines.
///
/// An administrator fills the pool (on Linux by `vm.nr_hugepages`). That is their advantage: the
/// pages are there, are never split and never swapped out. And their price: nobody else can use
/// them. [`Mapping::collapse`] needs no pool.
///
/// # Examples
///
/// ```
/// use posix_shm::{Direction, HugePages, OpenOptions};
///
/// let mut options = OpenOptions::new();
/// options.direction(Direction::Io).huge_pages(HugePages::default()).size(2 << 20);
/// match options.open_anonymous() {
///     Ok(object) => assert_eq!(object.metadata()?.block_size(), 2 << 20),
///     // The pool is empty, or there is none: the error says so.
///     Err(error) => eprintln!("{error}"),
/// }
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[doc(alias = "MFD_HUGETLB")]
#[doc(alias = "hugetlbfs")]
#[doc(alias = "shm_create_largepage")]
pub struct HugePages {
    size: Option<u64>,
}

impl HugePages {
    /// Pages of this many bytes.
    ///
    /// Creating an object fails if the system does not have them.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::HugePages;
    ///
    /// assert_ne!(HugePages::of(1 << 30), HugePages::default());
    /// ```
    #[must_use]
    pub fn of(bytes: u64) -> HugePages {
        HugePages { size: Some(bytes) }
    }

    /// The sizes that the system has, in bytes, smallest first: on Linux those in
    /// `/sys/kernel/mm/hugepages`, on FreeBSD those of `getpagesizes`.
    ///
    /// # Errors
    ///
    /// `Unsupported`: the system has no huge pages for shared memory, or does not tell.
    ///
    /// # Examples
    ///
    /// ```
    /// for size in posix_shm::HugePages::sizes().unwrap_or_default() {
    ///     println!("{size}");
    /// }
    /// ```
    pub fn sizes() -> Result<Vec<u64>> {
        imp::pooled_pages().map_err(|failure| failure.named(None))
    }

    /// The size, if one was chosen.
    pub(crate) fn size(self) -> Option<u64> {
        self.size
    }
}
