//! [`Advice`]: telling the system how a mapping is used.

use std::io::ErrorKind;
use std::ops::RangeBounds;

use super::mapping::Mapping;
use super::region::range_failure;
use crate::error::Result;
use crate::failure::{Detail, Failure, Operation};
use crate::imp;

/// How a part of a mapping is used, and what the system shall do about it: for
/// [`Mapping::advise`].
///
/// Each says what it does to *shared* memory, which is often not what it does to a process's own.
/// There is nothing for `MADV_WIPEONFORK`, `MADV_FREE` and `MADV_MERGEABLE`: Linux refuses them for
/// shared memory. For huge pages there is [`Mapping::collapse`], and for pages that must be there
/// [`Mapping::populate`].
///
/// # Examples
///
/// ```
/// use posix_shm::{Advice, Shm};
///
/// let mapping = Shm::anonymous(65536)?.map_mut()?;
/// mapping.advise(.., Advice::Normal)?;
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Advice {
    /// Nothing special: the default. It ends [`Sequential`](Advice::Sequential) and
    /// [`Random`](Advice::Random).
    #[doc(alias = "MADV_NORMAL")]
    Normal,
    /// It will be used in order. For shared memory this matters only if it was swapped out.
    #[doc(alias = "MADV_SEQUENTIAL")]
    Sequential,
    /// It will be used in no order. For shared memory this matters only if it was swapped out.
    #[doc(alias = "MADV_RANDOM")]
    Random,
    /// It will be used soon. Linux starts to read it from swap, and does not wait for that.
    #[doc(alias = "MADV_WILLNEED")]
    WillNeed,
    /// This process does not need it now. The bytes stay in the object, and are mapped again when
    /// they are touched. What was written to a copy-on-write mapping is lost: its bytes are the
    /// object's again. Locked pages are refused.
    #[doc(alias = "MADV_DONTNEED")]
    DontNeed,
    /// It is the first to go if memory is short: also for peers. From Linux 5.4 on.
    #[doc(alias = "MADV_COLD")]
    Cold,
    /// It is swapped out now, if there is swap: also for peers. From Linux 5.4 on.
    #[doc(alias = "MADV_PAGEOUT")]
    PageOut,
    /// Gives the memory back, in the object: the bytes become zero for everyone, as by
    /// [`Shm::punch`](crate::Shm::punch). The memory is no longer reserved: if there is none left
    /// when a page is touched again, the system kills the process with `SIGBUS`. It takes whole
    /// pages, and a mapping that can write to the object.
    #[doc(alias = "MADV_REMOVE")]
    Remove,
    /// A child that is forked does not get these pages. If it touches them, the system kills it.
    /// It takes whole pages. On FreeBSD and OpenBSD,
    /// [waiting](crate::SharedAtomic::wait) in them no longer reaches other processes.
    #[doc(alias = "MADV_DONTFORK")]
    DontFork,
    /// Ends [`DontFork`](Advice::DontFork).
    #[doc(alias = "MADV_DOFORK")]
    DoFork,
    /// A core dump does not have these pages: for secrets, and for what is too large.
    #[doc(alias = "MADV_DONTDUMP")]
    #[doc(alias = "MADV_NOCORE")]
    DontDump,
    /// Ends [`DontDump`](Advice::DontDump).
    #[doc(alias = "MADV_DODUMP")]
    #[doc(alias = "MADV_CORE")]
    DoDump,
    /// New pages may be huge ones, if the administrator lets them be advised (`shmem_enabled` is
    /// `advise`, or the mount option `huge=advise`). [`Mapping::collapse`] needs neither.
    #[doc(alias = "MADV_HUGEPAGE")]
    HugePage,
    /// The kernel makes no huge pages here by itself.
    #[doc(alias = "MADV_NOHUGEPAGE")]
    NoHugePage,
    /// Puts up a guard: if this process touches these pages, the system kills it (`SIGSEGV`). The
    /// object and peers do not notice. It takes whole pages, and Linux 6.15.
    #[doc(alias = "MADV_GUARD_INSTALL")]
    Guard,
    /// Takes [guards](Advice::Guard) down.
    #[doc(alias = "MADV_GUARD_REMOVE")]
    Unguard,
}

impl Advice {
    /// Whether it changes what happens to the bytes of a page, so that it must not reach bytes
    /// outside of the range.
    fn takes_whole_pages(self) -> bool {
        use Advice::{DoFork, DontFork, Guard, Remove, Unguard};
        matches!(self, DoFork | DontFork | Guard | Remove | Unguard)
    }
}

impl<A> Mapping<A> {
    /// Tells the system how a range is used: `madvise`.
    ///
    /// Most kinds of [`Advice`] reach to the ends of the pages around the range. Those that say
    /// that they take whole pages refuse anything else.
    ///
    /// On a machine with several memory nodes (NUMA), the first to touch a page decides where it
    /// is. Other crates have the calls for that: bind the memory (`mbind`) before it is touched,
    /// and then [populate](Mapping::populate) it. The example [`numa`] shows how.
    ///
    /// [`numa`]: https://github.com/posix-shm/posix-shm/blob/HEAD/posix-shm/examples/numa.rs
    ///
    /// # Errors
    ///
    /// * `InvalidInput`: a range that is not inside the mapping, or that is not of whole pages
    ///   where they are needed; or the kernel is too old for the advice or built without it
    ///   (`EINVAL`), as real-time kernels are built without huge pages, or it does not go with this
    ///   mapping;
    /// * `PermissionDenied`: [`Advice::Remove`] through a mapping that cannot write to the object;
    /// * `PermissionDenied` (`EPERM`): [`Advice::Remove`], and the object is sealed against
    ///   writing;
    /// * `Unsupported`: the system does not have this advice at all.
    ///
    /// # Platform-specific behavior
    ///
    /// Every system has the first five, `Normal` to `DontNeed`. FreeBSD has `DontDump` and `DoDump`
    /// too, and FreeBSD, NetBSD and OpenBSD have `DontFork` and `DoFork` (by `minherit`). Linux and
    /// Android have all.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Advice, Shm};
    ///
    /// let object = Shm::anonymous(1 << 20)?;
    /// let mapping = object.map_mut()?;
    /// mapping.advise(.., Advice::Sequential)?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: Linux `madvise(2)`; FreeBSD `madvise(2)`, `minherit(2)`.
    #[doc(alias = "madvise")]
    #[doc(alias = "minherit")]
    pub fn advise(&self, range: impl RangeBounds<usize>, advice: Advice) -> Result<()> {
        let (from, to) = self.ends(range, Operation::Advise)?;
        if from == to {
            return Ok(());
        }
        let whole = |at| self.region.is_between_pages(at);
        // The end of the mapping may be inside its last page, which nobody else has mapped here.
        let ends_whole = whole(to) || to == self.len() && advice != Advice::Remove;
        let refused = |kind, why: String| {
            let failure = Failure::refused(Operation::Advise, kind, why);
            Err(failure.with_detail(Detail::Part { from, to }).named(None))
        };
        if advice.takes_whole_pages() && !(whole(from) && ends_whole) {
            let page = self.region.page();
            let why = format!("{advice:?} takes whole pages, and a page has {page} bytes");
            return refused(ErrorKind::InvalidInput, why);
        }
        // Linux would do it through a read-only mapping too, if the handle could write.
        if advice == Advice::Remove && !self.region.writes_to_the_object() {
            let why = "giving memory back takes a mapping that can write, and is not copy-on-write";
            return refused(ErrorKind::PermissionDenied, why.into());
        }
        let (start, len) = self.region.pages_of(from, to);
        let done = match advice {
            Advice::Normal => imp::Wish::NORMAL,
            Advice::Sequential => imp::Wish::SEQUENTIAL,
            Advice::Random => imp::Wish::RANDOM,
            Advice::WillNeed => imp::Wish::WILL_NEED,
            Advice::DontNeed => imp::Wish::DONT_NEED,
            Advice::Cold => imp::Wish::COLD,
            Advice::PageOut => imp::Wish::PAGE_OUT,
            Advice::Remove => imp::Wish::REMOVE,
            Advice::DontFork => imp::Wish::DONT_FORK,
            Advice::DoFork => imp::Wish::DO_FORK,
            Advice::DontDump => imp::Wish::DONT_DUMP,
            Advice::DoDump => imp::Wish::DO_DUMP,
            Advice::HugePage => imp::Wish::HUGE_PAGE,
            Advice::NoHugePage => imp::Wish::NO_HUGE_PAGE,
            Advice::Guard => imp::Wish::GUARD,
            Advice::Unguard => imp::Wish::UNGUARD,
        };
        match done {
            // SAFETY: the advice leaves every byte as it is, or as if a peer had changed it, or as
            // if the page were cut off.
            Some(wish) => unsafe { wish.tell(start, len) }
                .map_err(|errno| range_failure(Operation::Advise, from, to)(errno).named(None)),
            None => {
                refused(ErrorKind::Unsupported, format!("this system does not have {advice:?}"))
            }
        }
    }
}
