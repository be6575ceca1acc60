//! The length of an object, and the memory behind it.

use std::ops::RangeBounds;

use posix_shm_sys as sys;

use crate::direction::Direction;
use crate::error::{Error, Result};
use crate::failure::{Detail, Errno, Failure, Operation};
use crate::imp::{self, Growth};
use crate::range::{Outside, ends};
use crate::seals::Seals;
use crate::shm::{READ_ONLY, Shm};

impl Shm {
    /// Sets the length of the object in bytes: `posix_fallocate` (on Linux, `fallocate`) to grow,
    /// `ftruncate` to shrink.
    ///
    /// Added bytes are zero, except up to the end of the page that the object ended in: a process
    /// that has this page mapped may have written there. The memory for all of them is reserved, so
    /// that touching it later cannot fail. Bytes that are cut off are lost, also for processes that
    /// have them mapped: if such a process touches them, the system kills it with `SIGBUS`.
    /// Mappings keep their length; map again to see more.
    ///
    /// If the call fails, the object has the length it had. To grow an object that peers may grow
    /// too, use [`grow`](Shm::grow), which never shortens it.
    ///
    /// If this handle created the object empty, and this is the first call that may change its
    /// length, clone the handle or give out its descriptor, then it never shortens the object, even
    /// if a peer has grown it (except on NetBSD, OpenBSD and macOS).
    ///
    /// # Errors
    ///
    /// * `InvalidInput`: more than `i64::MAX` bytes, or a read-only handle;
    /// * `StorageFull` (`ENOSPC`) or `OutOfMemory` (`ENOMEM`): no memory for it,
    ///   [`Operation::Reserve`]; the hint says how much there is. From 4 MiB on, this crate
    ///   also estimates what Linux can give, unless
    ///   [`OpenOptions::ignore_estimates`](crate::OpenOptions::ignore_estimates) is set;
    /// * `FileTooLarge` (`EFBIG`): the length is over 4096 bytes and over the limit of this process
    ///   for files (`RLIMIT_FSIZE`), even if it would shorten the object; or the file system cannot
    ///   hold so long an object;
    /// * `Unsupported` or `PermissionDenied`: the file system or a sandbox does not let memory be
    ///   reserved, and peers may have the object, so zeros cannot be written instead;
    /// * `PermissionDenied` (`EPERM`): the object is sealed against it.
    ///
    /// # Platform-specific behavior
    ///
    /// Linux and Android reserve the memory itself. NetBSD takes it from what `/var/shm` has left.
    /// OpenBSD keeps objects in files, which take room only when they are written. So it reserves
    /// nothing, but this crate refuses a length that the file system has no room for. FreeBSD and
    /// macOS reserve nothing either. When memory runs out there, the system kills a process.
    ///
    /// macOS sets the length of an object once, in whole pages. After that, any other number of
    /// pages is refused (`InvalidInput`, `EINVAL`).
    ///
    /// # Examples
    ///
    /// ```
    /// let object = posix_shm::Shm::anonymous(0)?;
    /// object.set_len(65536)?;
    /// assert_eq!(object.len()?, 65536);
    ///
    /// if posix_shm::capabilities().reserve {
    ///     // More than there is: an error value, not a signal later.
    ///     assert!(object.set_len(1 << 60).is_err());
    ///     assert_eq!(object.len()?, 65536);
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: POSIX.1-2024 `ftruncate`, `posix_fallocate`; Linux `fallocate(2)`, `tmpfs(5)`.
    #[doc(alias = "ftruncate")]
    #[doc(alias = "truncate-shm")]
    #[doc(alias = "posix_fallocate")]
    #[doc(alias = "fallocate")]
    pub fn set_len(&self, bytes: u64) -> Result<()> {
        let to = self.resizable_to(bytes)?;
        let was_empty = self.is_still_empty();
        let from = self.known_end(to)?;
        match from < to {
            true => self.grow_from(from, to),
            // It is empty, or a peer has made it longer.
            false if was_empty => Ok(()),
            false => self.truncate(to),
        }
    }

    /// Makes the object at least this long, and reserves memory for the new bytes:
    /// `posix_fallocate` (on Linux, `fallocate`).
    ///
    /// This is [`set_len`](Shm::set_len), except that an object that is longer stays as it is, even
    /// if a peer makes it longer at the same moment.
    ///
    /// # Errors
    ///
    /// As [`set_len`](Shm::set_len).
    ///
    /// # Platform-specific behavior
    ///
    /// On NetBSD, OpenBSD and macOS a peer that makes the object longer between two system calls of
    /// `grow` loses what it added. [`capabilities`](crate::capabilities()) says so
    /// (`grow_never_shortens`).
    ///
    /// # Examples
    ///
    /// ```
    /// let object = posix_shm::Shm::anonymous(4096)?;
    /// if posix_shm::capabilities().resize {
    ///     object.grow(8192)?;
    ///     object.grow(100)?;
    ///     assert_eq!(object.len()?, 8192);
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "posix_fallocate")]
    pub fn grow(&self, bytes: u64) -> Result<()> {
        let to = self.resizable_to(bytes)?;
        let from = self.known_end(to)?;
        if from < to { self.grow_from(from, to) } else { Ok(()) }
    }

    /// Sets the length of the object in bytes without reserving memory: `ftruncate`.
    ///
    /// Growing is then quick at any size, and pages come when they are first touched. If the system
    /// has none left by then, it kills the process with `SIGBUS`. [`set_len`](Shm::set_len) returns
    /// an error instead.
    ///
    /// # Errors
    ///
    /// As [`set_len`](Shm::set_len), without those of reserving.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::Shm;
    ///
    /// // An object for a table that is large and mostly empty.
    /// let object = Shm::anonymous(0)?;
    /// object.set_len_sparse(1 << 30)?;
    /// assert_eq!(object.len()?, 1 << 30);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "ftruncate")]
    pub fn set_len_sparse(&self, bytes: u64) -> Result<()> {
        let to = self.resizable_to(bytes)?;
        self.take_still_empty();
        self.truncate(to)
    }

    /// Reserves memory for bytes that the object has already, for instance because it was
    /// [`sparse`](crate::OpenOptions::sparse): `fallocate` with `FALLOC_FL_KEEP_SIZE`. The bytes
    /// keep their values.
    ///
    /// # Errors
    ///
    /// * `InvalidInput`: a range that is not inside the object, or a read-only handle;
    /// * `StorageFull` (`ENOSPC`) or `OutOfMemory` (`ENOMEM`), as [`set_len`](Shm::set_len);
    /// * `FileTooLarge` (`EFBIG`), as [`set_len`](Shm::set_len), unless the object is sealed with
    ///   [`Seals::SHRINK`]: a peer may shorten it at that moment;
    /// * `Unsupported`: the system or the file system cannot, or a sandbox forbids it.
    ///
    /// If the call fails, what it has reserved until then stays reserved.
    ///
    /// # Platform-specific behavior
    ///
    /// This works on Linux and Android. FreeBSD, NetBSD, OpenBSD and macOS cannot do it. All other
    /// systems use `posix_fallocate`, if it works for shared memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, capabilities};
    ///
    /// if capabilities().punch {
    ///     let object = Shm::anonymous(0)?;
    ///     object.set_len_sparse(1 << 20)?;
    ///     assert!(!object.is_reserved()?);
    ///     object.reserve(..)?;
    ///     assert!(object.is_reserved()?);
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: Linux `fallocate(2)`.
    #[doc(alias = "fallocate")]
    pub fn reserve(&self, range: impl RangeBounds<u64>) -> Result<()> {
        let (from, to) = self.bytes_of(range, Operation::Reserve)?;
        if from == to {
            return Ok(());
        }
        let growth = Growth { from, to, ours: false, ignore_estimates: self.ignores_estimates() };
        imp::reserve_range(self.fd(), growth).map_err(|failure| self.sizing_failure(failure))
    }

    /// Gives back the memory behind some bytes: `fallocate` with `FALLOC_FL_PUNCH_HOLE`. The bytes
    /// become zero, also for processes that have them mapped; the length stays.
    ///
    /// Only whole pages are given back. The memory is no longer reserved: if there is none left
    /// when a page is touched again, the system kills the process with `SIGBUS`.
    ///
    /// # Errors
    ///
    /// * `InvalidInput`: a range that is not inside the object, or a read-only handle;
    /// * `PermissionDenied` (`EPERM`): the object is sealed against writing;
    /// * `Unsupported`: the system cannot.
    ///
    /// # Platform-specific behavior
    ///
    /// This works on Linux and Android. [`capabilities`](crate::capabilities()) says so (`punch`).
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, capabilities};
    ///
    /// if capabilities().punch {
    ///     let object = Shm::anonymous(65536)?;
    ///     let mapping = object.map_mut()?;
    ///     mapping.bytes().fill(7);
    ///     object.punch(..32768)?;
    ///     assert_eq!((mapping.bytes().load(0), mapping.bytes().load(32768)), (0, 7));
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: Linux `fallocate(2)`.
    #[doc(alias = "FALLOC_FL_PUNCH_HOLE")]
    pub fn punch(&self, range: impl RangeBounds<u64>) -> Result<()> {
        let (from, to) = self.bytes_of(range, Operation::Punch)?;
        if from == to {
            return Ok(());
        }
        imp::punch(self.fd(), from, to - from).map_err(|errno| {
            self.sizing_failure(imp::denied(self.fd(), Failure::new(Operation::Punch, errno)))
        })
    }

    /// Whether the object has as much memory as it is long, as the system counts it: `fstat`,
    /// [`allocated`](crate::Metadata::allocated) against [`len`](crate::Metadata::len).
    ///
    /// It is `true` for an object that was reserved and that no peer has changed. A peer can take
    /// memory away at any time, or make the count wrong with memory past the end.
    /// [`may_fault`](Shm::may_fault) does not rely on the count.
    ///
    /// # Errors
    ///
    /// As [`metadata`](Shm::metadata).
    ///
    /// # Platform-specific behavior
    ///
    /// Only Linux and Android count the memory itself. Elsewhere the count may include memory that
    /// is not there.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, capabilities};
    ///
    /// if capabilities().punch {
    ///     let object = Shm::anonymous(1 << 20)?;
    ///     assert!(object.is_reserved()?);
    ///     object.punch(..)?;
    ///     assert!(!object.is_reserved()?);
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn is_reserved(&self) -> Result<bool> {
        let metadata = self.metadata()?;
        Ok(metadata.allocated() >= metadata.len())
    }

    /// Whether touching a mapping of the object may still cause a `SIGBUS`: `fcntl` with
    /// `F_GET_SEALS`, and `fstat`.
    ///
    /// `false` is a promise that holds for good. It is given if all of these are true:
    ///
    /// * the object is sealed with [`Seals::SHRINK`] and [`Seals::GROW`], so its length is final;
    /// * it is sealed with [`Seals::WRITE`] or [`Seals::FUTURE_WRITE`], so no peer can punch holes
    ///   into it;
    /// * it has no huge pages, which may be lost;
    /// * it has as much memory as it is long, in every page. Some of what the system counts may lie
    ///   past the end. So the kernel is asked to reserve or read each page, which takes time, and
    ///   memory for a page that is missing. Less than 4 MiB is taken without asking how much there
    ///   is: a peer that sends many sparse objects can fill a memory cgroup this way. From 4 MiB
    ///   on, the answer is `true` if a memory cgroup does not have left what is missing. (Linux
    ///   before 6.5 cannot tell what is missing, and asks for the whole length.)
    ///
    /// [`freeze`](Shm::freeze) sets these seals.
    ///
    /// Pages can still be swapped out. If the machine or a memory cgroup then has no memory to swap
    /// them in again, the system kills a process, as for any other memory.
    ///
    /// # Errors
    ///
    /// As [`seals`](Shm::seals) and [`metadata`](Shm::metadata).
    ///
    /// # Platform-specific behavior
    ///
    /// On Linux and Android it may be `false`. With a read-only handle, that needs Linux 5.14. On
    /// other systems it is always `true`.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, capabilities};
    ///
    /// let object = Shm::anonymous(4096)?;
    /// assert!(object.may_fault()?);
    /// if capabilities().seal && capabilities().reserve {
    ///     assert!(!object.freeze()?.may_fault()?);
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: Linux `fcntl(2)`, `memfd_create(2)`, `madvise(2)`.
    #[doc(alias = "SIGBUS")]
    pub fn may_fault(&self) -> Result<bool> {
        if !imp::CAPABILITIES.seal || !imp::CAPABILITIES.reserve {
            return Ok(true);
        }
        let seals = match imp::seals(self.fd()) {
            Ok(seals) => seals,
            // It is no memfd, so it has no seals.
            Err(Errno::INVAL) => return Ok(true),
            Err(errno) => return Err(self.error(Operation::Seal)(errno)),
        };
        let fixed = seals.contains(Seals::SHRINK | Seals::GROW)
            && seals.intersects(Seals::WRITE | Seals::FUTURE_WRITE);
        // Asked after the seals, which keep it so.
        let stat = self.metadata()?.0;
        Ok(!fixed
            || imp::lack_of(self.fd(), &stat).is_some()
            || imp::has_all_memory(self.fd(), stat.len()).is_err())
    }

    /// Where the object ends. If this handle has created it empty, it is taken to be still empty,
    /// provided that growing leaves alone what a peer has added since. For an object of huge pages,
    /// a length `to` is refused that the kernel would take and later round up.
    fn known_end(&self, to: sys::off_t) -> Result<sys::off_t> {
        if self.take_still_empty() && imp::RESERVE_ONLY_GROWS {
            return Ok(0);
        }
        let stat = self.metadata()?.0;
        let huge_page = imp::huge_page_of(self.fd(), &stat);
        match huge_page.filter(|page| to.unsigned_abs() % *page != 0) {
            Some(page) => Err(self.named(not_whole(Operation::SetLen, page))),
            None => {
                imp::off_t(stat.len(), Operation::SetLen).map_err(|failure| self.named(failure))
            }
        }
    }

    fn grow_from(&self, from: sys::off_t, to: sys::off_t) -> Result<()> {
        let growth = Growth { from, to, ours: false, ignore_estimates: self.ignores_estimates() };
        imp::reserve(self.fd(), growth).map_err(|failure| {
            let detail = match failure.operation {
                Operation::Reserve if from > 0 => {
                    Detail::Grown { from: from.unsigned_abs(), to: to.unsigned_abs() }
                }
                _ => failure.detail,
            };
            self.sizing_failure(failure.with_detail(detail))
        })
    }

    fn truncate(&self, to: sys::off_t) -> Result<()> {
        imp::resize(self.fd(), to).map_err(|failure| {
            self.sizing_failure(failure.with_detail(Detail::Bytes(to.unsigned_abs())))
        })
    }

    /// The error of sizing. The systems have no clear answer for a read-only handle, nor for a
    /// length that is not a multiple of the huge pages, so this looks for both.
    #[cold]
    fn sizing_failure(&self, failure: Failure) -> Error {
        let unclear = [Errno::BADF, Errno::INVAL, Errno::SPIPE, Errno::NODEV, Errno::ISDIR];
        if unclear.iter().any(|errno| failure.is(*errno)) {
            if imp::stat(self.fd()).is_ok_and(|stat| stat.is_certainly_no_object()) {
                let why = "this is not a shared memory object";
                let refused = Failure::invalid(failure.operation, why);
                return self.named(refused.with_detail(failure.detail));
            }
            if imp::is_writable(self.fd()) == Ok(false) {
                return self.named(failure.with_hint(READ_ONLY));
            }
            let huge_page =
                imp::stat(self.fd()).ok().and_then(|stat| imp::huge_page_of(self.fd(), &stat));
            if let Some(page) = huge_page {
                let refused = not_whole(failure.operation, page);
                return self.named(refused.with_detail(failure.detail));
            }
        }
        self.named(failure)
    }

    fn resizable_to(&self, bytes: u64) -> Result<sys::off_t> {
        if self.direction() == Some(Direction::Input) {
            let refused = read_only(Operation::SetLen);
            return Err(self.named(refused.with_detail(Detail::Bytes(bytes))));
        }
        imp::off_t(bytes, Operation::SetLen).map_err(|failure| self.named(failure))
    }

    /// The ends of a range inside the object, for a handle that can write.
    fn bytes_of(
        &self,
        range: impl RangeBounds<u64>,
        operation: Operation,
    ) -> Result<(sys::off_t, sys::off_t)> {
        if self.direction() == Some(Direction::Input) {
            return Err(self.named(read_only(operation)));
        }
        let len = self.len()?;
        match ends(range, len) {
            // What lies inside the object fits the type of its length.
            Ok((from, to)) => Ok((from as sys::off_t, to as sys::off_t)),
            Err(Outside { start, end }) => {
                let why =
                    format!("range {start}..{end} is not inside the object, which has {len} bytes");
                Err(self.named(Failure::invalid(operation, why)))
            }
        }
    }
}

/// An object of huge pages has only whole ones.
#[cold]
fn not_whole(operation: Operation, page: u64) -> Failure {
    let why = format!("its length must be a multiple of its huge pages, of {page} bytes each");
    Failure::invalid(operation, why)
}

/// What a read-only handle refuses.
#[cold]
fn read_only(operation: Operation) -> Failure {
    Failure::invalid(operation, READ_ONLY)
}
