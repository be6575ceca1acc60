//! What can be chosen: the methods of [`MapOptions`] that set it.

use super::MapOptions;

// For the links in the text.
#[cfg(doc)]
use crate::map::{Mapping, RawMapping};

impl MapOptions {
    /// Maps the whole object, at an address of the system's choice.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Shm};
    ///
    /// let object = Shm::anonymous(65536)?;
    /// assert_eq!(MapOptions::new().map(&object)?.len(), 65536);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    pub fn new() -> MapOptions {
        MapOptions::default()
    }

    /// Sets where in the object the mapping starts, in bytes. The default is 0. The offset need not
    /// be a multiple of the page size.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Shm};
    ///
    /// let object = Shm::anonymous(65536)?;
    /// object.map_mut()?.bytes().store(100, 7);
    /// assert_eq!(MapOptions::new().offset(100).map(&object)?.bytes().load(0), 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn offset(&mut self, bytes: u64) -> &mut MapOptions {
        self.offset = bytes;
        self
    }

    /// Sets how long the mapping is, in bytes. By default it goes to the end of the object.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Shm};
    ///
    /// let object = Shm::anonymous(65536)?;
    /// let header = MapOptions::new().len(64).map(&object)?;
    /// assert_eq!(header.len(), 64);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn len(&mut self, bytes: usize) -> &mut MapOptions {
        self.len = Some(bytes);
        self
    }

    /// Keeps address space free behind the mapping, so that it can [grow](Mapping::grow) to this
    /// many bytes without moving. The default is none.
    ///
    /// It takes no memory: a terabyte is fine. Nobody can touch it, and no other mapping gets in
    /// between. What it does count against is the limit on address space (`RLIMIT_AS`), if there is
    /// one. A [`RawMapping`] keeps it free too, but cannot grow.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Moved, Shm, capabilities};
    ///
    /// let object = Shm::anonymous(65536)?;
    /// let mut mapping = MapOptions::new().capacity(1 << 30).map_mut(&object)?;
    /// let start = mapping.as_ptr();
    /// if capabilities().resize {
    ///     object.grow(1 << 20)?;
    ///     assert_eq!(mapping.grow(&object, 1 << 20)?, Moved::No);
    ///     assert_eq!((mapping.as_ptr(), mapping.len()), (start, 1 << 20));
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: Linux `mmap(2)`.
    pub fn capacity(&mut self, bytes: usize) -> &mut MapOptions {
        self.capacity = bytes;
        self
    }

    /// Sets the address of the first byte. Null, the default, lets the system choose.
    ///
    /// The mapping gets exactly this address or is refused. It never replaces another mapping, as
    /// `MAP_FIXED` would. The address must lie as far into its page as the offset does: for offset
    /// 0, at the start of a page.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use posix_shm::{MapOptions, Shm};
    ///
    /// let object = Shm::anonymous(65536)?;
    /// let mapping = object.map()?;
    /// let taken = MapOptions::new().address(mapping.as_ptr()).map(&object).unwrap_err();
    /// assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn address(&mut self, address: *const u8) -> &mut MapOptions {
        self.address = address.addr();
        self
    }

    /// Makes the address of the first byte a multiple of this many bytes, a power of two.
    ///
    /// Every mapping of a whole object begins at a page, so this is for more than that. A mapping
    /// that was aligned stays so when it [grows](Mapping::grow).
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Shm};
    ///
    /// let object = Shm::anonymous(65536)?;
    /// let mapping = MapOptions::new().align(1 << 20).map(&object)?;
    /// assert_eq!(mapping.as_ptr().addr() % (1 << 20), 0);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn align(&mut self, bytes: usize) -> &mut MapOptions {
        self.align = Some(bytes);
        self
    }

    /// Makes every page present before the call returns, as [`Mapping::populate`] does: also those
    /// by which the mapping grows. The default is `false`.
    ///
    /// Using the mapping is then free of page faults. Mapping fails if a page cannot be had.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Shm};
    ///
    /// let object = Shm::anonymous(1 << 20)?;
    /// let mapping = MapOptions::new().populate(true).map_mut(&object)?;
    /// mapping.bytes().fill(7); // no page faults
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "MAP_POPULATE")]
    #[doc(alias = "prefault")]
    pub fn populate(&mut self, yes: bool) -> &mut MapOptions {
        self.warm.populate = yes;
        self
    }

    /// Maps with huge pages as far as the system has them, as [`Mapping::collapse`] does: also what
    /// the mapping grows by. The default is `false`.
    ///
    /// This needs no configuration and no rights. The address is chosen so that huge pages fit.
    /// Where the system gives none, the mapping has pages of the usual size, and nothing fails:
    /// `collapse` says how much became huge.
    ///
    /// # Platform-specific behavior
    ///
    /// Only Linux from 6.1 on has this. Elsewhere the option has no effect, and
    /// [`capabilities`](crate::capabilities()) says so (`collapse`).
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Shm};
    ///
    /// let object = Shm::anonymous(4 << 20)?;
    /// let mapping = MapOptions::new().huge_pages(true).map_mut(&object)?;
    /// assert_eq!(mapping.len(), 4 << 20);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "MADV_COLLAPSE")]
    #[doc(alias = "THP")]
    pub fn huge_pages(&mut self, yes: bool) -> &mut MapOptions {
        self.warm.collapse = yes;
        self
    }

    /// Keeps every page in memory, as [`Mapping::lock`] does: also those by which the mapping
    /// grows. The default is `false`.
    ///
    /// Mapping fails if this process may not lock so much.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Shm};
    ///
    /// let object = Shm::anonymous(4096)?;
    /// let keys = MapOptions::new().lock(true).map_mut(&object)?;
    /// keys.bytes().store(0, 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "mlock")]
    #[doc(alias = "MAP_LOCKED")]
    pub fn lock(&mut self, yes: bool) -> &mut MapOptions {
        self.warm.lock = yes;
        self
    }

    /// Promises no memory to the mapping beforehand: `MAP_NORESERVE`. The default is `false`.
    ///
    /// For shared memory of the usual pages it means nothing, since the object's memory is the
    /// object's. It means something for two kinds of mappings. A
    /// [copy-on-write](MapOptions::map_copy_on_write) mapping is counted as if all of it were
    /// copied, and with this option is not. And a mapping of a sparse object of
    /// [`HugePages`](crate::HugePages) takes its pages out of their pool, and with this option does
    /// not: if the pool is then empty when a page is touched, the system kills the process with
    /// `SIGBUS`.
    ///
    /// # Platform-specific behavior
    ///
    /// FreeBSD and OpenBSD have no such flag, and Linux ignores it if `vm.overcommit_memory` is 2.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Shm};
    ///
    /// let object = Shm::anonymous(4096)?;
    /// let mapping = MapOptions::new().no_reserve(true).map_mut(&object)?;
    /// mapping.bytes().store(0, 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "MAP_NORESERVE")]
    #[doc(alias = ":noreserve")]
    pub fn no_reserve(&mut self, yes: bool) -> &mut MapOptions {
        self.no_reserve = yes;
        self
    }
}
