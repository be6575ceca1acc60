//! [`MapOptions`] and [`Mapping`]: memory that is backed by an object.
//!
//! This file says where the addresses come from and how long they live.
//! [`access`](crate::access) touches what is there.
//!
//! The system maps whole pages. A mapping may begin and end inside one:
//!
//! ```text
//! object    |   page 0   |   page 1   |   page 2   |   page 3   |
//!           0                 ^offset
//! region                 |   page 1   |   page 2   |   what mmap returns
//!                        ^pages                        and munmap takes
//! mapping                |lead|======len======|        what the caller sees
//!                             ^start = pages + lead
//! ```

use std::borrow::Cow;
use std::ffi::c_int;
use std::fmt;
use std::io::ErrorKind;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;

use posix_shm_sys as sys;

use crate::error::Result;
use crate::failure::{Detail, Failure, Operation};
use crate::imp;
use crate::name::ShmName;

/// Marks memory that can only be read: a [`Mapping<ReadOnly>`] has no method that writes.
#[derive(Clone, Copy, Debug)]
pub enum ReadOnly {}

/// Marks memory that can be read and written.
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
    /// What the pages of a [`RawMapping`] allow: `PROT_READ`, `PROT_WRITE`, `PROT_EXEC`, or none.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[doc(alias = "prot-flags")]
    pub struct Protection: i32 {
        /// The pages may not be touched at all: `PROT_NONE`.
        const NONE = sys::PROT_NONE;
        /// The pages may be read: `PROT_READ`.
        const READ = sys::PROT_READ;
        /// The pages may be written: `PROT_WRITE`. On most machines they can then be read as well.
        const WRITE = sys::PROT_WRITE;
        /// The pages may be executed: `PROT_EXEC`.
        const EXEC = sys::PROT_EXEC;

        // Other bits that the system knows are passed on.
        const _ = !0;
    }
}

/// The longest mapping: the longest pointer offset.
pub(crate) const MAX_LEN: usize = isize::MAX.unsigned_abs();

/// Which part of an object to map, and where: `mmap` with `MAP_SHARED`.
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
    /// Only an address: no pointer is ever made from it.
    address: usize,
}

impl MapOptions {
    /// Maps the whole object, at an address of the system's choice.
    #[must_use]
    pub fn new() -> MapOptions {
        MapOptions::default()
    }

    /// Sets where in the object the mapping starts, in bytes. The default is 0. The offset need not
    /// be a multiple of the page size.
    pub fn offset(&mut self, bytes: u64) -> &mut MapOptions {
        self.offset = bytes;
        self
    }

    /// Sets how long the mapping is, in bytes. By default it goes to the end of the object.
    pub fn len(&mut self, bytes: usize) -> &mut MapOptions {
        self.len = Some(bytes);
        self
    }

    /// Sets the address of the first byte. Null, the default, lets the system choose.
    ///
    /// The mapping gets exactly this address or is refused. It never replaces another mapping, as
    /// `MAP_FIXED` would. The address must lie as far into its page as the offset does: for offset
    /// 0, at the start of a page.
    pub fn address(&mut self, address: *const u8) -> &mut MapOptions {
        self.address = address.addr();
        self
    }

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
    ///   does not lie as far into its page as the offset does;
    /// * `AlreadyExists`: the [`address`](MapOptions::address) is taken;
    /// * `PermissionDenied`: the descriptor does not allow it (`EACCES`), or the object is sealed
    ///   against it (`EPERM`);
    /// * `WouldBlock` (`EAGAIN`): this process locks all its memory (`mlockall`) and may not lock
    ///   so much (`RLIMIT_MEMLOCK`);
    /// * `OutOfMemory` (`ENOMEM`): no address range of this length is free, or the process has too
    ///   many mappings.
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
    pub fn map_mut(&self, object: impl AsFd) -> Result<Mapping<ReadWrite>> {
        self.map_named(object.as_fd(), None)
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

    /// Refuses a part that is not inside an object of this length.
    pub(crate) fn check(&self, object_len: u64) -> Result<(), Failure> {
        self.len_within(object_len).map(drop).map_err(|why| self.refuse(why))
    }

    /// Maps a new object for writing, whose length is known because no other process has it yet.
    pub(crate) fn map_new(
        &self,
        object: BorrowedFd<'_>,
        object_len: u64,
    ) -> Result<Mapping<ReadWrite>, Failure> {
        self.region_of(object, ReadWrite::PROTECTION, object_len, None).map(Mapping::new)
    }

    fn region(
        &self,
        object: BorrowedFd<'_>,
        protection: c_int,
        name: Option<&ShmName>,
    ) -> Result<Region> {
        let region = || {
            let stat = imp::stat(object).map_err(Failure::of(Operation::Metadata))?;
            if stat.is_certainly_no_object() {
                return Err(self.refuse("this is not a shared memory object"));
            }
            // Huge pages are mapped, offset and unmapped as a whole.
            let page = imp::huge_page_of(object, &stat);
            self.region_of(object, protection, stat.len(), page)
        };
        region().map_err(|failure| failure.named(name))
    }

    /// A part of an object of this length, with pages of this size if they are not the system's.
    fn region_of(
        &self,
        object: BorrowedFd<'_>,
        protection: c_int,
        object_len: u64,
        huge_page: Option<u64>,
    ) -> Result<Region, Failure> {
        let len = self.len_within(object_len).map_err(|why| self.refuse(why))?;
        let page = huge_page.unwrap_or_else(|| {
            // Not asked for if it does not matter.
            if self.offset == 0 && self.address == 0 { 1 } else { imp::page_size() as u64 }
        });
        // How far the offset lies into its page. Every size of a page is a power of two.
        let lead = self.offset & (page - 1);
        // The offset lies inside the object, whose length fits the type; a page fits usize.
        let (start, lead, page) =
            ((self.offset - lead) as sys::off_t, lead as usize, page as usize);
        let mapped = match huge_page {
            Some(_) => (lead + len).next_multiple_of(page),
            None => lead + len,
        };
        if self.address != 0 && self.address % page != lead {
            let Self { address, offset, .. } = self;
            return Err(self.refuse(format!(
                "address {address:#x} must be a multiple of {page} plus {lead}, as offset {offset} \
                 is"
            )));
        }
        let hint = self.address.saturating_sub(lead);
        let region = Region::map(object, protection, start, lead, len, mapped, hint)
            .map_err(|failure| failure.with_detail(self.detail()))?;
        if self.address == 0 || region.start().addr().get() == self.address {
            Ok(region)
        } else {
            let why = "the address is taken, or the system does not map there";
            let failure = Failure::refused(Operation::Map, ErrorKind::AlreadyExists, why);
            Err(failure.with_detail(self.detail()))
        }
    }

    fn detail(&self) -> Detail {
        Detail::Range { offset: self.offset, len: self.len }
    }

    #[cold]
    fn refuse(&self, why: impl Into<Cow<'static, str>>) -> Failure {
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
                     {object_len} bytes"
                ));
            }
        }
        match usize::try_from(len) {
            Ok(len) if len <= MAX_LEN => Ok(len),
            _ => Err(too_long_why(len)),
        }
    }
}

#[cold]
pub(crate) fn too_long(bytes: u64) -> Failure {
    Failure::invalid(Operation::Map, too_long_why(bytes))
}

fn too_long_why(bytes: u64) -> String {
    format!("{bytes} bytes are more than one mapping can have ({MAX_LEN})")
}

/// A range of mapped pages, and the part of it that the caller sees. Unmapped when dropped.
struct Region {
    /// The first mapped page.
    pages: NonNull<u8>,
    /// How far into it the mapping starts.
    lead: usize,
    len: usize,
    /// How many bytes are mapped. Huge pages are mapped as a whole.
    mapped: usize,
}

impl Region {
    /// The caller has checked that all of it lies inside the object.
    fn map(
        object: BorrowedFd<'_>,
        protection: c_int,
        offset: sys::off_t,
        lead: usize,
        len: usize,
        mapped: usize,
        hint: usize,
    ) -> Result<Region, Failure> {
        let pages = imp::map(object, protection, offset, mapped, hint)
            .map_err(Failure::of(Operation::Map))?;
        Ok(Region { pages, lead, len, mapped })
    }

    fn start(&self) -> NonNull<u8> {
        let start = self.pages.as_ptr().wrapping_add(self.lead);
        // SAFETY: the lead lies inside the mapped pages, which do not wrap around to address 0.
        unsafe { NonNull::new_unchecked(start) }
    }

    fn unmap(self) -> Result<()> {
        ManuallyDrop::new(self).unmap_pages()
    }

    /// Call it once.
    fn unmap_pages(&mut self) -> Result<()> {
        // SAFETY: `map` gave these pages to this value alone. The value ends here, and every view
        // of them borrows from it.
        unsafe { imp::unmap(self.pages, self.mapped) }
            .map_err(|errno| Failure::new(Operation::Unmap, errno).named(None))
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // A drop cannot report an error; `unmap` does.
        let _ = self.unmap_pages();
    }
}

// SAFETY: a region is an address range of the process and nothing else. Any thread may unmap it.
unsafe impl Send for Region {}
// SAFETY: a shared reference only tells addresses.
unsafe impl Sync for Region {}

/// A region of memory backed by an object or a part of it: the result of `mmap`. Dropping it unmaps
/// the memory.
///
/// It stays valid when the handle is closed and when the object's name is removed. Its length never
/// changes. But the object may become shorter; the crate's chapter on [safety](crate#safety) says
/// what happens then.
///
/// Safe code gets no `&[u8]` into it: a peer may write at any time, and a `&[u8]` promises that
/// nobody does. [`bytes`](Mapping::bytes) and [`slice`](Mapping::slice) read and write instead, and
/// never cause undefined behaviour, whatever peers do.
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
/// A view cannot outlive its mapping:
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
    /// Making a reference from it is undefined behaviour unless nobody writes there while the
    /// reference lives, and plain reads race with peers that write. [`bytes`](Mapping::bytes) needs
    /// no such promise.
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.region.start().as_ptr()
    }

    /// Removes the mapping and returns the error that drop would ignore: `munmap`.
    ///
    /// # Errors
    ///
    /// What `munmap` reports; none is known for a mapping of this crate.
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
    /// The address of the first byte, for writing. The caveats of [`as_ptr`](Mapping::as_ptr)
    /// apply.
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

/// Mapped memory of any [`Protection`], with only a pointer to it: the result of
/// [`MapOptions::map_raw`]. Dropping it unmaps the memory.
#[doc(alias = "mmap")]
pub struct RawMapping {
    region: Region,
}

impl RawMapping {
    /// The address of the first byte. What may be done there depends on the protection and on what
    /// peers do.
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

    /// Removes the mapping and returns the error that drop would ignore: `munmap`.
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
