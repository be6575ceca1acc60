//! [`MapOptions`]: which part of an object to map, and how.

use std::borrow::Cow;
use std::ffi::c_int;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};

use posix_shm_sys as sys;

use super::mapping::{Mapping, RawMapping};
use super::markers::{Access, CopyOnWrite, Protection, ReadOnly, ReadWrite};
use super::region::{
    Align, How, Identity, MAX_LEN, PowerOfTwo, Region, Wanted, Warm, can_be_mapped_whole,
    too_long_why,
};

use crate::error::Result;
use crate::failure::{Detail, Errno, Failure, Operation};
use crate::imp::{self, Stat};
use crate::name::ShmName;

mod setters;

/// Which part of an object to map, where and how: `mmap`.
///
/// Set what matters, then call one of the methods that map. The options can be used again.
/// [`Shm::map`](crate::Shm::map) and [`Shm::map_mut`](crate::Shm::map_mut) map the whole object.
///
/// # Examples
///
/// ```
/// use posix_shm::{MapOptions, Shm};
///
/// let object = Shm::anonymous(10_000)?;
/// // Any offset: the library takes care of page alignment.
/// let part = MapOptions::new().offset(5_000).len(100).map_mut(&object)?;
/// part.bytes().store(0, 7);
///
/// assert_eq!(object.map()?.bytes().load(5_000), 7);
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[doc(alias = "mmap")]
#[doc(alias = "mmap-shm")]
#[doc(alias = "with-mmap")]
#[doc(alias = "mmap-flags")]
#[doc(alias = "+map-shared+")]
#[doc(alias = "MAP_SHARED")]
pub struct MapOptions {
    offset: u64,
    len: Option<usize>,
    capacity: usize,
    /// Only an address: no pointer is ever made from it.
    address: usize,
    align: Option<usize>,
    warm: Warm,
    no_reserve: bool,
}

impl MapOptions {
    /// The whole object, and nothing special.
    pub(crate) const PLAIN: MapOptions = MapOptions {
        offset: 0,
        len: None,
        capacity: 0,
        address: 0,
        align: None,
        warm: Warm { collapse: false, populate: false, lock: false },
        no_reserve: false,
    };

    /// Maps for reading: `mmap` with `PROT_READ` and `MAP_SHARED`.
    ///
    /// Touching a page past the end of the object would kill the process. So this call first asks
    /// for the length (`fstat`), and maps nothing past it. The mapping does not borrow the
    /// descriptor, which may be closed.
    ///
    /// # Errors
    ///
    /// * `InvalidInput`, before the system is asked to map: a length of 0; an empty object; a pipe,
    ///   a device or a directory instead of an object; an offset and length past the end of the
    ///   object (the message has all three numbers); more than `isize::MAX` bytes; an address that
    ///   does not lie as far into its page as the offset does; an [`align`](MapOptions::align) that
    ///   is not a power of two, or that the offset or the address does not allow;
    /// * `AlreadyExists`: the [`address`](MapOptions::address) is taken;
    /// * `PermissionDenied`: the descriptor does not allow it (`EACCES`), or the object is sealed
    ///   against it (`EPERM`);
    /// * `WouldBlock` (`EAGAIN`): this process locks all its memory (`mlockall`) and may not lock
    ///   so much (`RLIMIT_MEMLOCK`);
    /// * `OutOfMemory` (`ENOMEM`): no address range of this length is free, the process has too
    ///   many mappings, or its limit on address space (`RLIMIT_AS`) is reached;
    /// * `ResourceBusy`: other threads took every [aligned](MapOptions::align) address that was
    ///   found free;
    /// * with [`populate`](MapOptions::populate), [`huge_pages`](MapOptions::huge_pages) or
    ///   [`lock`](MapOptions::lock): as [`Mapping::populate`] and [`Mapping::lock`]; also
    ///   `OutOfMemory` if the object is sparse and there seems to be too little memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Shm};
    ///
    /// let object = Shm::anonymous(65536)?;
    /// let part = MapOptions::new().offset(100).len(28).map(&object)?;
    /// assert_eq!(part.bytes().to_vec(), [0; 28]);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: POSIX.1-2024 `mmap`; Linux `mmap(2)`.
    pub fn map(&self, object: impl AsFd) -> Result<Mapping<ReadOnly>> {
        self.map_named(object.as_fd(), None)
    }

    /// Maps for reading and writing: `mmap` with `PROT_READ | PROT_WRITE` and `MAP_SHARED`.
    ///
    /// # Errors
    ///
    /// As [`map`](MapOptions::map); `PermissionDenied` (`EACCES`) if the descriptor is read-only.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Shm};
    ///
    /// let object = Shm::anonymous(65536)?;
    /// let part = MapOptions::new().offset(100).len(28).map_mut(&object)?;
    /// part.bytes().fill(7);
    /// assert_eq!(object.map()?.bytes().range(99..102).to_vec(), [0, 7, 7]);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn map_mut(&self, object: impl AsFd) -> Result<Mapping<ReadWrite>> {
        self.map_named(object.as_fd(), None)
    }

    /// Maps for reading and writing, and keeps what is written in this process: `mmap` with
    /// `PROT_READ | PROT_WRITE` and `MAP_PRIVATE`.
    ///
    /// The object stays as it is: a page is copied when it is first written to. A read-only handle
    /// is enough. What peers write to a page that was not copied yet may still be seen.
    ///
    /// A copy takes memory at the moment of the first write. If there is none left, the system
    /// kills a process. [`populate`](Mapping::populate) copies beforehand.
    ///
    /// # Errors
    ///
    /// As [`map`](MapOptions::map); `Unsupported` if the system has no such mappings of shared
    /// memory.
    ///
    /// # Platform-specific behavior
    ///
    /// macOS has none. [`capabilities`](crate::capabilities()) says so (`copy_on_write`).
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Shm, capabilities};
    ///
    /// if capabilities().copy_on_write {
    ///     let object = Shm::anonymous(4096)?;
    ///     let copy = MapOptions::new().map_copy_on_write(&object)?;
    ///     copy.store(0, 7_u8)?;
    ///     assert_eq!(copy.bytes().load(0), 7);
    ///     assert_eq!(object.map()?.bytes().load(0), 0);
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// What no peer sees cannot wake or count anything, so there are no such methods:
    ///
    /// ```compile_fail
    /// # let object = posix_shm::Shm::anonymous(4096).unwrap();
    /// let copy = posix_shm::MapOptions::new().map_copy_on_write(&object).unwrap();
    /// copy.cell::<u32>(0).unwrap().fetch_add(1);
    /// ```
    ///
    /// Sources: POSIX.1-2024 `mmap`.
    #[doc(alias = "MAP_PRIVATE")]
    #[doc(alias = ":private")]
    pub fn map_copy_on_write(&self, object: impl AsFd) -> Result<Mapping<CopyOnWrite>> {
        if imp::CAPABILITIES.copy_on_write {
            return self.map_named(object.as_fd(), None);
        }
        let why = "this system has no copy-on-write mappings of shared memory";
        Err(Failure::refused(Operation::Map, ErrorKind::Unsupported, why).named(None))
    }

    /// Maps with any protection: `mmap` with `MAP_SHARED`. This is for memory that a [`Mapping`]
    /// cannot be, such as memory to execute. The result has only a pointer.
    ///
    /// # Errors
    ///
    /// As [`map`](MapOptions::map).
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Protection, Shm};
    ///
    /// let object = Shm::anonymous(65536)?;
    /// let out_of_bounds = MapOptions::new().map_raw(&object, Protection::NONE)?;
    /// assert_eq!(out_of_bounds.len(), 65536);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn map_raw(&self, object: impl AsFd, protection: Protection) -> Result<RawMapping> {
        let region = self.region(object.as_fd(), protection.bits(), false, None)?;
        Ok(RawMapping::new(region))
    }

    pub(crate) fn map_named<A: Access>(
        &self,
        object: BorrowedFd<'_>,
        name: Option<&ShmName>,
    ) -> Result<Mapping<A>> {
        Ok(Mapping::new(self.region(object, A::PROTECTION, A::PRIVATE, name)?))
    }

    /// Maps an object for writing that is about to be made as short as this.
    pub(crate) fn map_before_cut(
        &self,
        object: BorrowedFd<'_>,
        object_len: u64,
        name: Option<&ShmName>,
    ) -> Result<Mapping<ReadWrite>> {
        let region = || {
            let stat = imp::stat(object).map_err(Failure::of(Operation::Metadata))?;
            let page = imp::huge_page_of(object, &stat);
            self.region_of(object, ReadWrite::PROTECTION, false, object_len, Some(&stat), page)
        };
        region().map(Mapping::new).map_err(|failure: Failure| failure.named(name))
    }

    /// Whether these options map the whole object, and ask for nothing else.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        let Self { offset, len, capacity, address, align, warm, no_reserve } = *self;
        let is_zero = offset == 0 && capacity == 0 && address == 0;
        is_zero && len.is_none() && align.is_none() && warm == Warm::default() && !no_reserve
    }

    /// Refuses a part that is not inside an object of this length, and an address that it cannot
    /// have.
    #[inline]
    pub(crate) fn check(&self, object_len: u64) -> Result<(), Failure> {
        if self.is_plain() && can_be_mapped_whole(object_len) {
            return Ok(());
        }
        self.check_part(object_len)
    }

    #[inline(never)]
    fn check_part(&self, object_len: u64) -> Result<(), Failure> {
        self.len_within(object_len).map_err(|why| self.refuse(why))?;
        let page = imp::page_size();
        // The remainder is less than a page.
        self.check_address(page, (self.offset % page as u64) as usize)
    }

    /// Refuses an address that does not lie as far into its page as the offset does.
    fn check_address(&self, page: usize, lead: usize) -> Result<(), Failure> {
        let Self { address, offset, .. } = *self;
        if address == 0 || address % page == lead {
            return Ok(());
        }
        Err(self.refuse(format!(
            "address {address:#x} must be a multiple of {page} plus {lead}, as offset {offset} is"
        )))
    }

    /// Maps a new object for writing, whose length is known because no other process has it yet.
    #[inline(never)]
    pub(crate) fn map_new(
        &self,
        object: BorrowedFd<'_>,
        object_len: u64,
        huge: bool,
    ) -> Result<Mapping<ReadWrite>, Failure> {
        // Growing and taking memory need more than the length.
        let stat = if huge || self.capacity > 0 || self.warm != Warm::default() {
            Some(imp::stat(object).map_err(Failure::of(Operation::Metadata))?)
        } else {
            None
        };
        let map = |stat: Option<&Stat>, page| {
            self.region_of(object, ReadWrite::PROTECTION, false, object_len, stat, page)
        };
        let known = stat.as_ref().filter(|_| huge);
        let page = known.and_then(|stat| imp::huge_page_of(object, stat));
        let region = match map(stat.as_ref(), page) {
            // The directory of the objects may be one of huge pages.
            Err(failure) if failure.is(Errno::INVAL) => {
                let stat = imp::stat(object).map_err(Failure::of(Operation::Metadata))?;
                let Some(page) = imp::huge_page_of(object, &stat) else { return Err(failure) };
                map(Some(&stat), Some(page))?
            }
            result => result?,
        };
        Ok(Mapping::new(region))
    }

    fn region(
        &self,
        object: BorrowedFd<'_>,
        protection: c_int,
        private: bool,
        name: Option<&ShmName>,
    ) -> Result<Region> {
        let region = || {
            let stat = imp::stat(object).map_err(Failure::of(Operation::Metadata))?;
            self.region_at(object, protection, private, &stat)
        };
        region().map_err(|failure| failure.named(name))
    }

    pub(super) fn region_at(
        &self,
        object: BorrowedFd<'_>,
        protection: c_int,
        private: bool,
        stat: &Stat,
    ) -> Result<Region, Failure> {
        if stat.is_certainly_no_object() {
            return Err(self.refuse("this is not a shared memory object"));
        }
        // Huge pages are mapped, offset and unmapped as a whole.
        let page = imp::huge_page_of(object, stat);
        self.region_of(object, protection, private, stat.len(), Some(stat), page)
    }

    /// A part of an object of this length, with pages of this size if they are not the system's.
    pub(crate) fn region_of(
        &self,
        object: BorrowedFd<'_>,
        protection: c_int,
        private: bool,
        object_len: u64,
        stat: Option<&Stat>,
        huge_page: Option<u64>,
    ) -> Result<Region, Failure> {
        if self.is_plain() && huge_page.is_none() && can_be_mapped_whole(object_len) {
            let (len, identity) = (object_len as usize, stat.and_then(Identity::of));
            return match Region::whole(object, protection, private, len, identity) {
                Ok(region) => Ok(region),
                Err(errno) => Err(self.no_mapping(errno)),
            };
        }
        self.region_of_part(object, protection, private, object_len, stat, huge_page)
    }

    #[inline(never)]
    fn region_of_part(
        &self,
        object: BorrowedFd<'_>,
        protection: c_int,
        private: bool,
        object_len: u64,
        stat: Option<&Stat>,
        huge_page: Option<u64>,
    ) -> Result<Region, Failure> {
        let len = self.len_within(object_len).map_err(|why| self.refuse(why))?;
        let Self { offset, capacity, address, align, warm, no_reserve, .. } = *self;
        let has_room = capacity > 0;
        let page = huge_page.unwrap_or_else(|| {
            // Not asked for if it does not matter.
            let matters = offset != 0 || address != 0 || has_room || align.is_some();
            if matters || warm.collapse { imp::page_size() as u64 } else { 1 }
        });
        // How far the offset lies into its page. Every size of a page is a power of two.
        let lead = offset & (page - 1);
        // The offset lies inside the object, whose length fits the type; a page fits usize.
        let (start, lead, page) = ((offset - lead) as sys::off_t, lead as usize, page as usize);
        let mapped = (lead + len).next_multiple_of(page);
        let room = if has_room { self.room(lead, page)?.max(mapped) } else { mapped };
        self.check_address(page, lead)?;
        let align = self.alignment(page, lead, has_room && huge_page.is_some())?;
        if let Some(stat) = stat.filter(|_| warm != Warm::default()) {
            let len = len as u64;
            let missing = object_len.saturating_sub(imp::allocated(stat)).min(len);
            // Copies are memory of their own.
            imp::may_take(object, if private { len } else { missing })?;
        }
        let huge_page = huge_page.map(|_| PowerOfTwo::new(page));
        let how = How {
            protection,
            private,
            no_reserve,
            fixed: address != 0,
            modulus: align.modulus,
            has_room,
            huge_page,
            warm,
        };
        let hint = address.saturating_sub(lead);
        let identity = stat.and_then(Identity::of);
        let wanted = Wanted {
            offset: start,
            lead,
            len,
            mapped,
            room,
            hint,
            object: identity,
            rest: align.rest,
            how,
        };
        let region = Region::map(object, &wanted)
            .map_err(|failure| self.explain(failure, huge_page.is_some()))?;
        if address != 0 && region.start().addr().get() != address {
            let why = "the address is taken, or the system does not map there";
            let failure = Failure::refused(Operation::Map, ErrorKind::AlreadyExists, why);
            return Err(failure.with_detail(self.detail()));
        }
        if warm != Warm::default() {
            region.warm(0, len)?;
        }
        Ok(region)
    }

    /// How much address space the capacity takes.
    fn room(&self, lead: usize, page: usize) -> Result<usize, Failure> {
        let room = self.capacity.checked_add(lead).and_then(|it| it.checked_next_multiple_of(page));
        match room {
            Some(room) if self.capacity <= MAX_LEN => Ok(room),
            _ => Err(self.refuse(too_long_why(self.capacity as u64))),
        }
    }

    /// What the address of the first page must be a multiple of, and what it must leave. A power of
    /// two and less than that.
    ///
    /// `room`: the pages are huge, and are put into address space that is reserved first.
    fn alignment(&self, page: usize, lead: usize, room: bool) -> Result<Align, Failure> {
        let Self { offset, address, align, warm, .. } = *self;
        let wanted = align.unwrap_or(1);
        if !wanted.is_power_of_two() {
            return Err(self.refuse(format!("an alignment of {wanted} is not a power of two")));
        }
        // How far into a huge page the first page is, in the object and thus in memory.
        let huge = imp::transparent_page().filter(|_| warm.collapse);
        let modulus = huge.map_or(page, |size| size.max(page));
        let rest = (offset % modulus as u64) as usize - lead;
        let fits = if wanted <= modulus { (rest + lead) % wanted == 0 } else { rest + lead == 0 };
        if !fits || address % wanted != 0 {
            let what = if fits { "address" } else { "offset" };
            let why = format!("an alignment of {wanted} bytes does not go with this {what}");
            return Err(self.refuse(why));
        }
        Ok(match (wanted.max(modulus), address) {
            // The system aligns to pages, and an address is what it is.
            (modulus, 0) if modulus > page || room => {
                Align { modulus: PowerOfTwo::new(modulus), rest }
            }
            _ => Align::NONE,
        })
    }

    pub(crate) fn detail(&self) -> Detail {
        Detail::Range { offset: self.offset, len: self.len }
    }

    #[cold]
    pub(super) fn no_mapping(&self, errno: Errno) -> Failure {
        self.explain(Failure::new(Operation::Map, errno), false)
    }

    /// Says what the system's error means for objects of huge pages.
    #[cold]
    fn explain(&self, failure: Failure, huge: bool) -> Failure {
        let failure = failure.with_detail(self.detail());
        if huge && failure.is(Errno::NOMEM) {
            return failure.with_hint(
                "too few huge pages are free in their pool, or no address range of this length is",
            );
        }
        if self.capacity > 0 && failure.is(Errno::NOMEM) {
            return failure.with_hint(format!(
                "no {} bytes of addresses (the capacity) are free, this process has too many \
                 mappings, or its limit on address space (RLIMIT_AS) is reached; a smaller \
                 capacity needs less",
                self.capacity
            ));
        }
        failure
    }

    #[cold]
    pub(crate) fn refuse(&self, why: impl Into<Cow<'static, str>>) -> Failure {
        Failure::invalid(Operation::Map, why).with_detail(self.detail())
    }

    /// The length to map, or why it cannot be mapped.
    fn len_within(&self, object_len: u64) -> Result<usize, String> {
        let Self { offset, len, .. } = *self;
        if object_len == 0 {
            return Err("the object is empty; give it a length first (set_len)".into());
        }
        let len = match len {
            Some(0) => return Err("a mapping cannot have 0 bytes".into()),
            Some(len) => len as u64,
            None if offset < object_len => object_len - offset,
            None => {
                return Err(format!(
                    "offset {offset} is past the end of the object, which has {object_len} bytes"
                ));
            }
        };
        match offset.checked_add(len) {
            Some(end) if end <= object_len => {}
            _ => {
                return Err(format!(
                    "offset {offset} and length {len} reach past the end of the object, which has \
                     {object_len} bytes; make it longer first (Shm::grow)"
                ));
            }
        }
        match usize::try_from(len) {
            Ok(len) if len <= MAX_LEN => Ok(len),
            _ => Err(too_long_why(len)),
        }
    }
}
