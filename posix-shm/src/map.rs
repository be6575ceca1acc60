//! [`MapOptions`] and [`Mapping`]: address space that shows an object.
//!
//! Here is where the addresses come from and how long they live; [`access`](crate::access) touches what is there.

use std::ffi::c_int;
use std::fmt;
use std::io::ErrorKind;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;

use posix_shm_sys as sys;

use crate::error::{Detail, Error, Failure, Operation, Result};
use crate::imp;
use crate::name::ShmName;

/// Marks what can only be read: a [`Mapping<ReadOnly>`] has no method that writes.
#[derive(Clone, Copy, Debug)]
pub enum ReadOnly {}

/// Marks what can be read and written.
#[derive(Clone, Copy, Debug)]
pub enum ReadWrite {}

/// What a marker means to the system.
pub(crate) trait Access {
    const PROTECTION: c_int;
}

impl Access for ReadOnly {
    const PROTECTION: c_int = sys::PROT_READ;
}

impl Access for ReadWrite {
    const PROTECTION: c_int = sys::PROT_READ | sys::PROT_WRITE;
}

bitflags::bitflags! {
    /// What the pages of a [`RawMapping`] allow: `PROT_READ`, `PROT_WRITE`, `PROT_EXEC`, or none of them.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Protection: i32 {
        /// Nothing may touch the pages: `PROT_NONE`.
        const NONE = sys::PROT_NONE;
        /// They may be read: `PROT_READ`.
        const READ = sys::PROT_READ;
        /// They may be written: `PROT_WRITE`. On most machines they can then be read as well.
        const WRITE = sys::PROT_WRITE;
        /// They may be executed: `PROT_EXEC`.
        const EXEC = sys::PROT_EXEC;

        // Whatever else the system knows is passed on.
        const _ = !0;
    }
}

/// The longest mapping: what a pointer offset can span.
pub(crate) const MAX_LEN: usize = isize::MAX.unsigned_abs();

/// Which part of an object to map, and where: `mmap` with `MAP_SHARED`.
///
/// Set what matters, then call one of the methods that map; the options can be used again. [`Shm::map`](crate::Shm::map)
/// and [`Shm::map_mut`](crate::Shm::map_mut) map the whole object.
///
/// # Examples
///
/// ```
/// use posix_shm::{MapOptions, Shm};
///
/// let object = Shm::anonymous(10_000)?;
/// // Any offset: page alignment is our business.
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
pub struct MapOptions {
    offset: u64,
    len: Option<usize>,
    /// The address alone: no pointer is ever made from it.
    address: usize,
}

impl MapOptions {
    /// The whole object, wherever the system likes.
    #[must_use]
    pub fn new() -> MapOptions {
        MapOptions::default()
    }

    /// Where in the object the mapping starts, in bytes, 0 unless set. Any offset will do: it need not be a multiple of the
    /// page size.
    pub fn offset(&mut self, bytes: u64) -> &mut MapOptions {
        self.offset = bytes;
        self
    }

    /// How long the mapping is, in bytes. Unless set, it goes to the end of the object.
    pub fn len(&mut self, bytes: usize) -> &mut MapOptions {
        self.len = Some(bytes);
        self
    }

    /// The address that the first byte is to have; null, as it is unless set, leaves it to the system.
    ///
    /// It is taken exactly or refused, and never replaces a mapping that is there. It must lie as far into its page as the
    /// offset does: for offset 0, at the start of a page.
    pub fn address(&mut self, address: *const u8) -> &mut MapOptions {
        self.address = address.addr();
        self
    }

    /// Maps for reading: `mmap` with `PROT_READ` and `MAP_SHARED`.
    ///
    /// Nothing is mapped past the end of the object, where the system would kill who touches it: the length is asked for
    /// first (`fstat`). The descriptor is not borrowed and may be closed.
    ///
    /// # Errors
    ///
    /// * `InvalidInput`, before the system is asked to map: a length of 0, or an empty object, or a pipe or device that stands
    ///   where an object should; offset and length past the
    ///   end of the object (the message has all three numbers); more than `isize::MAX` bytes; an address that does not lie
    ///   in its page as the offset does;
    /// * `AlreadyExists`: the [`address`](MapOptions::address) cannot be had;
    /// * `PermissionDenied` (`EACCES`): the descriptor does not allow it;
    /// * `OutOfMemory` (`ENOMEM`): no address range of this length, or too many mappings.
    ///
    /// Sources: POSIX.1-2024 `mmap`; Linux `mmap(2)`.
    pub fn map(&self, object: impl AsFd) -> Result<Mapping<ReadOnly>> {
        self.map_named(object.as_fd(), None)
    }

    /// Maps for reading and writing: `mmap` with `PROT_READ | PROT_WRITE` and `MAP_SHARED`.
    ///
    /// # Errors
    ///
    /// As [`map`](MapOptions::map); `PermissionDenied` (`EACCES`) where the descriptor is read-only.
    pub fn map_mut(&self, object: impl AsFd) -> Result<Mapping<ReadWrite>> {
        self.map_named(object.as_fd(), None)
    }

    /// Maps with any protection: `mmap` with `MAP_SHARED`, for what a [`Mapping`] cannot be, such as memory to execute or
    /// to only write. All there is to it is a pointer.
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
        let region = self.region(object.as_fd(), protection.bits(), None)?;
        Ok(RawMapping { region })
    }

    pub(crate) fn map_named<A: Access>(
        &self,
        object: BorrowedFd<'_>,
        name: Option<&ShmName>,
    ) -> Result<Mapping<A>> {
        Ok(Mapping::new(self.region(object, A::PROTECTION, name)?))
    }

    fn region(
        &self,
        object: BorrowedFd<'_>,
        protection: c_int,
        name: Option<&ShmName>,
    ) -> Result<Region> {
        let detail = Detail::Range { offset: self.offset, len: self.len };
        let explain = |failure: Failure| failure.named(name).with_detail(detail);
        let stat = imp::stat(object).map_err(Failure::of(Operation::Metadata));
        let stat = stat.map_err(|failure| failure.named(name))?;
        let len = if stat.is_no_object() {
            Err("what stands under this name is no shared memory object".to_owned())
        } else {
            self.len_within(stat.len())
        };
        let len =
            len.map_err(|why| Error::invalid(Operation::Map, why, name).with_detail(detail))?;

        // How far the offset lies into its page; the system maps whole pages.
        let lead = if self.offset == 0 { 0 } else { self.offset & (imp::page_size() as u64 - 1) };
        // The offset lies inside the object, whose length fits; and a page is no longer than usize can say.
        let (start, lead) = ((self.offset - lead) as sys::off_t, lead as usize);
        if self.address == 0 {
            return Region::map(object, protection, start, lead, len, 0).map_err(explain);
        }
        let refuse = |kind, why: &'static str| {
            Error::refused(Operation::Map, kind, why, name).with_detail(detail)
        };
        if self.address % imp::page_size() != lead {
            let why = "the address does not lie in its page as the offset does";
            return Err(refuse(ErrorKind::InvalidInput, why));
        }
        let hint = self.address - lead;
        let region = Region::map(object, protection, start, lead, len, hint).map_err(explain)?;
        if region.start().addr().get() == self.address {
            Ok(region)
        } else {
            let why = "the address is taken, or the system does not give it away";
            Err(refuse(ErrorKind::AlreadyExists, why))
        }
    }

    /// The length to map, or the rule that is broken.
    fn len_within(&self, object_len: u64) -> Result<usize, String> {
        let Self { offset, len, .. } = *self;
        if object_len == 0 {
            return Err("the object is empty; give it a length first (set_len)".into());
        }
        let len = match len {
            Some(0) => return Err("a mapping of 0 bytes shows nothing".into()),
            Some(len) => len as u64,
            None if offset < object_len => object_len - offset,
            None => {
                return Err(format!(
                    "offset {offset} is not inside the object, which has {object_len} bytes"
                ));
            }
        };
        match offset.checked_add(len) {
            Some(end) if end <= object_len => {}
            _ => {
                return Err(format!(
                    "offset {offset} and length {len} reach past the end of the object, which has {object_len} bytes"
                ));
            }
        }
        match usize::try_from(len) {
            Ok(len) if len <= MAX_LEN => Ok(len),
            _ => Err(too_long_why(len)),
        }
    }
}

/// Maps a new object, whose length is known because nobody else has it yet.
pub(crate) fn new_object(
    object: BorrowedFd<'_>,
    len: usize,
) -> Result<Mapping<ReadWrite>, Failure> {
    Region::map(object, ReadWrite::PROTECTION, 0, 0, len, 0).map(Mapping::new)
}

/// Maps an object that exists, as it is.
pub(crate) fn whole(object: BorrowedFd<'_>, name: Option<&ShmName>) -> Result<Mapping<ReadWrite>> {
    MapOptions::new().map_named(object, name)
}

#[cold]
pub(crate) fn too_long(bytes: u64, name: Option<&ShmName>) -> Error {
    Error::invalid(Operation::Map, too_long_why(bytes), name)
}

fn too_long_why(bytes: u64) -> String {
    format!("{bytes} bytes are more than one mapping can have ({MAX_LEN})")
}

/// A range of mapped pages and the part of it that is ours to show. Unmapped when dropped.
struct Region {
    /// The first mapped page.
    pages: NonNull<u8>,
    /// How far into it the mapping starts.
    lead: usize,
    len: usize,
}

impl Region {
    /// The caller has checked that all of it lies inside the object.
    fn map(
        object: BorrowedFd<'_>,
        protection: c_int,
        offset: sys::off_t,
        lead: usize,
        len: usize,
        hint: usize,
    ) -> Result<Region, Failure> {
        let pages = imp::map(object, protection, offset, lead + len, hint)
            .map_err(Failure::of(Operation::Map))?;
        Ok(Region { pages, lead, len })
    }

    fn start(&self) -> NonNull<u8> {
        // SAFETY: the lead lies inside the mapped pages, whose length is at most `isize::MAX` and a page.
        unsafe { self.pages.add(self.lead) }
    }

    fn unmap(self) -> Result<()> {
        ManuallyDrop::new(self).unmap_pages()
    }

    /// To be called once.
    fn unmap_pages(&mut self) -> Result<()> {
        // SAFETY: the pages were mapped by `map`, which gave them to this value alone; it goes, and all that shows them
        // borrows from it.
        unsafe { imp::unmap(self.pages, self.lead + self.len) }
            .map_err(|errno| Error::system(Operation::Unmap, errno, None))
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // There is nobody to tell; `unmap` is for those who want to know.
        let _ = self.unmap_pages();
    }
}

// SAFETY: a region is an address range that belongs to the process; any thread may unmap it, and it has no state beside.
unsafe impl Send for Region {}
// SAFETY: nothing changes through a shared reference: it only tells addresses.
unsafe impl Sync for Region {}

/// Memory that shows an object, or a part of it: the result of `mmap`, unmapped when dropped.
///
/// It lives on when the handle is closed and when the object's name is removed. Its length is what was asked for and never
/// changes; whether the object is still that long is another matter: see the crate's chapter on
/// [safety](crate#safety).
///
/// There is no `&[u8]` to be had from it, since a peer may write at any time, and a `&[u8]` promises that nobody does.
/// [`bytes`](Mapping::bytes) and [`slice`](Mapping::slice) read and write instead, and never cause undefined behaviour,
/// whatever peers do.
///
/// # Examples
///
/// ```
/// use posix_shm::Shm;
///
/// let object = Shm::anonymous(4096)?;
/// let writer = object.map_mut()?;
/// let reader = object.map()?;
///
/// writer.slice::<i32>(0, 10)?.store(3, 30);
/// assert_eq!(reader.slice::<i32>(0, 10)?.load(3), 30);
/// # Ok::<(), posix_shm::Error>(())
/// ```
///
/// A mapping for reading has no method that writes:
///
/// ```compile_fail
/// # let object = posix_shm::Shm::anonymous(4096).unwrap();
/// let reader = object.map().unwrap();
/// reader.bytes().store(0, 1);
/// ```
///
/// What shows it does not outlive it:
///
/// ```compile_fail
/// # let object = posix_shm::Shm::anonymous(4096).unwrap();
/// let mapping = object.map().unwrap();
/// let bytes = mapping.bytes();
/// mapping.unmap().unwrap();
/// bytes.load(0);
/// ```
#[doc(alias = "mmap")]
pub struct Mapping<A = ReadWrite> {
    region: Region,
    access: PhantomData<fn() -> A>,
}

impl<A> Mapping<A> {
    fn new(region: Region) -> Mapping<A> {
        Mapping { region, access: PhantomData }
    }

    /// The length in bytes: what was asked for, not rounded to pages.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a mapping is never empty")]
    pub fn len(&self) -> usize {
        self.region.len
    }

    /// The address of the first byte.
    ///
    /// Making a reference from it is undefined behaviour unless nobody writes there for as long as it lives; plain reads
    /// race with peers that write. [`bytes`](Mapping::bytes) needs no such promise.
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.region.start().as_ptr()
    }

    /// Removes the mapping and reports what dropping it must swallow: `munmap`.
    ///
    /// # Errors
    ///
    /// What `munmap` reports; none is known for a mapping of ours.
    ///
    /// Sources: POSIX.1-2024 `munmap`.
    #[doc(alias = "munmap")]
    pub fn unmap(self) -> Result<()> {
        self.region.unmap()
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.region.start()
    }
}

impl Mapping<ReadWrite> {
    /// The address of the first byte, to write there. The words of [`as_ptr`](Mapping::as_ptr) hold.
    #[must_use]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.region.start().as_ptr()
    }
}

impl<A> fmt::Debug for Mapping<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping").field("ptr", &self.as_ptr()).field("len", &self.len()).finish()
    }
}

/// Mapped memory of any [`Protection`], of which there is only a pointer: the result of [`MapOptions::map_raw`], unmapped
/// when dropped.
#[doc(alias = "mmap")]
pub struct RawMapping {
    region: Region,
}

impl RawMapping {
    /// The address of the first byte. What may be done there is a matter of its protection and of what peers do.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.region.start().as_ptr()
    }

    /// The length in bytes: what was asked for, not rounded to pages.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a mapping is never empty")]
    pub fn len(&self) -> usize {
        self.region.len
    }

    /// Removes the mapping and reports what dropping it must swallow: `munmap`.
    ///
    /// # Errors
    ///
    /// As [`Mapping::unmap`].
    #[doc(alias = "munmap")]
    pub fn unmap(self) -> Result<()> {
        self.region.unmap()
    }
}

impl fmt::Debug for RawMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawMapping").field("ptr", &self.as_ptr()).field("len", &self.len()).finish()
    }
}
