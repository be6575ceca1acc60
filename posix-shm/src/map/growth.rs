//! Making a mapping longer.

use std::os::fd::AsFd;

use super::mapping::Mapping;
use super::region::too_long_why;
use crate::error::Result;
use crate::failure::{Detail, Failure, Operation};
use crate::imp;

/// Whether a mapping has another address than before: the result of [`Mapping::grow`].
///
/// # Examples
///
/// ```
/// use posix_shm::{MapOptions, Moved, Shm, capabilities};
///
/// # if !capabilities().resize { return Ok(()) }
/// let object = Shm::anonymous(65536)?;
/// let mut mapping = MapOptions::new().capacity(1 << 20).map(&object)?;
/// object.grow(1 << 20)?;
/// if mapping.grow(&object, 1 << 20)? == Moved::Yes {
///     println!("it is at {:?} now", mapping.as_ptr());
/// }
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moved {
    /// The address is the same. Pointers into the mapping stay valid.
    No,
    /// The address is another. Pointers from before must not be used any more.
    Yes,
}

impl<A> Mapping<A> {
    /// How long the mapping can become without moving: its
    /// [`capacity`](crate::MapOptions::capacity), rounded up to whole pages, or its length if it
    /// has none.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Shm};
    ///
    /// let object = Shm::anonymous(65536)?;
    /// assert_eq!(object.map()?.capacity(), 65536);
    /// assert!(MapOptions::new().capacity(1 << 20).map(&object)?.capacity() >= 1 << 20);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.region.capacity()
    }

    /// Makes the mapping longer, after the object has become longer: `mprotect` within the
    /// [`capacity`](crate::MapOptions::capacity), else `mremap`.
    ///
    /// `object` is a handle of the object that is mapped; its length is asked for first (`fstat`).
    /// [`Shm::grow`](crate::Shm::grow) makes the object longer. Within the capacity the address
    /// stays. Past it the system may move the mapping. What is in it is not copied then, and pages
    /// that were present stay present. A mapping that is long enough already stays as it is.
    ///
    /// Another thread's mapping never gets into the range, and is never replaced.
    ///
    /// What [`MapOptions`](crate::MapOptions) said about all pages (`populate`, `lock`,
    /// `huge_pages`) is done to the new ones. If that fails, the mapping has the length that it
    /// had.
    ///
    /// # Errors
    ///
    /// After an error the mapping has the length and the content that it had.
    ///
    /// * `InvalidInput`: the length reaches past the end of the object, which would be a signal
    ///   later; the object is another one; more than `isize::MAX` bytes;
    /// * `OutOfMemory` (`ENOMEM`): no address range of this length is free, the process has too
    ///   many mappings, or its limit on address space (`RLIMIT_AS`) is reached;
    /// * `WouldBlock` (`EAGAIN`): the mapping is locked, and this process may not lock so much;
    /// * `Unsupported`: the mapping's [`address`](crate::MapOptions::address) was given, so it
    ///   cannot move past its capacity; or it must be mapped again (see below), and that would lose
    ///   what was written to a copy-on-write mapping.
    ///
    /// # Platform-specific behavior
    ///
    /// Only Linux and Android can move a mapping, and not if it is
    /// [aligned](crate::MapOptions::align) or of huge pages, or if a part of it was advised on or
    /// locked alone. Everything else is mapped again past its capacity, and the old mapping is
    /// removed afterwards; `advise` and `lock` do not carry over.
    /// [`capacity`](crate::MapOptions::capacity) avoids all that.
    ///
    /// When a new object is mapped at once ([`open_mapped`](crate::OpenOptions::open_mapped)), or
    /// an anonymous one before another process can have it, the system is not asked which object it
    /// is, unless the mapping has a capacity. Linux and Android tell it when such a mapping first
    /// grows, by `/proc`. Elsewhere, and without `/proc`, `grow` cannot refuse another object then,
    /// and if the object must be mapped again, growing is `Unsupported`. macOS does not tell
    /// objects apart at all.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, capabilities};
    ///
    /// let object = Shm::anonymous(65536)?;
    /// let mut mapping = object.map_mut()?;
    /// mapping.bytes().store(0, 7);
    /// if capabilities().resize {
    ///     object.grow(1 << 20)?;
    ///     mapping.grow(&object, 1 << 20)?;
    ///     assert_eq!((mapping.len(), mapping.bytes().load(0)), (1 << 20, 7));
    /// }
    /// // Past the end of the object: an error now, and not a signal later.
    /// assert!(mapping.grow(&object, 1 << 30).is_err());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Views from before cannot be used afterwards:
    ///
    /// ```compile_fail
    /// # let object = posix_shm::Shm::anonymous(65536).unwrap();
    /// let mut mapping = object.map_mut().unwrap();
    /// let bytes = mapping.bytes();
    /// mapping.grow(&object, 65536).unwrap();
    /// bytes.load(0);
    /// ```
    ///
    /// Sources: Linux `mremap(2)`; POSIX.1-2024 `mmap`, `mprotect`.
    #[doc(alias = "mremap")]
    pub fn grow(&mut self, object: impl AsFd, len: usize) -> Result<Moved> {
        if len <= self.len() {
            return Ok(Moved::No);
        }
        let object = object.as_fd();
        let mut grow = || {
            if len > self.region.longest() {
                return Err(Failure::invalid(Operation::Grow, too_long_why(len as u64)));
            }
            let stat = imp::stat(object).map_err(Failure::of(Operation::Metadata))?;
            self.region.check(&stat, len)?;
            self.region.identify(object, &stat)?;
            self.region.grow(object, len)
        };
        match grow() {
            Ok(true) => Ok(Moved::Yes),
            Ok(false) => Ok(Moved::No),
            Err(failure) if failure.operation == Operation::Grow => {
                Err(failure.with_detail(Detail::Bytes(len as u64)).named(None))
            }
            Err(failure) => Err(failure.named(None)),
        }
    }
}
