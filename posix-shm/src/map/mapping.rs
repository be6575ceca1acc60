//! [`Mapping`] and [`RawMapping`]: mapped memory.

use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeBounds;
use std::ptr::NonNull;

use super::markers::{Access, Protection, ReadOnly, ReadWrite};
use super::region::Region;
use crate::error::{Error, Result};
use crate::failure::{Detail, Errno, Failure, Operation};
use crate::range::{Outside, ends};

/// A region of memory backed by an object or a part of it: the result of `mmap`. Dropping it unmaps
/// the memory.
///
/// It stays valid when the handle is closed and when the object's name is removed. Its length is
/// only changed by [`grow`](Mapping::grow) and [`shrink_to`](Mapping::shrink_to), which borrow it
/// exclusively, so that no view is alive then. But the object may become shorter; the guide's
/// chapter on [safety](crate::guide::safety) says what happens then.
///
/// Safe code gets no `&[u8]` into it: a peer may write at any time, and a `&[u8]` promises that
/// nobody does. [`bytes`](Mapping::bytes) and [`slice`](Mapping::slice) read and write instead, and
/// never cause undefined behaviour, whatever peers do. (An
/// [`ImmutableMapping`](crate::ImmutableMapping) is a `&[u8]`.)
///
/// Views borrow it. To keep a view in a structure or in a thread, put the mapping into an
/// [`Arc`](std::sync::Arc) and call [`view`](Mapping::view).
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
    pub(super) region: Region,
    access: PhantomData<fn() -> A>,
}

impl<A> Mapping<A> {
    pub(super) fn new(region: Region) -> Mapping<A> {
        Mapping { region, access: PhantomData }
    }

    /// The length in bytes: what was asked for, not rounded to pages. (Mapping a whole object asks
    /// for its length, which is rounded on macOS.)
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(65536)?.map()?;
    /// assert_eq!(mapping.len(), 65536);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.region.len()
    }

    /// Whether there are no bytes. It is always `false`: no system maps 0 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!posix_shm::Shm::anonymous(4096)?.map()?.is_empty());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.region.len() == 0
    }

    /// The address of the first byte.
    ///
    /// Making a reference from it is undefined behaviour unless nobody writes there while the
    /// reference lives, and plain reads race with peers that write. [`bytes`](Mapping::bytes) needs
    /// no such promise.
    ///
    /// # Examples
    ///
    /// ```
    /// let object = posix_shm::Shm::anonymous(4096)?;
    /// let (first, second) = (object.map()?, object.map()?);
    /// assert_ne!(first.as_ptr(), second.as_ptr()); // the same memory, at two addresses
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
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
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map()?;
    /// mapping.unmap()?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: POSIX.1-2024 `munmap`.
    #[doc(alias = "munmap")]
    pub fn unmap(self) -> Result<()> {
        self.region.unmap().map_err(unmap_failure)
    }

    /// Unmaps the end of the mapping, so that this many bytes are left: `munmap` of a part.
    ///
    /// With a [`capacity`](crate::MapOptions::capacity) the address space stays reserved, and the
    /// mapping can grow again. The object keeps its length. What was written through a
    /// [`CopyOnWrite`](crate::CopyOnWrite) mapping is lost where it is cut off.
    ///
    /// # Errors
    ///
    /// * `InvalidInput`: a length of 0, or more than the mapping has;
    /// * `OutOfMemory` (`ENOMEM`): the process has too many mappings. The mapping keeps its length.
    ///
    /// # Platform-specific behavior
    ///
    /// Elsewhere than on Linux and Android, if the system fails to keep the address space, the
    /// capacity is given up. The mapping has its new length all the same, and the error says why.
    ///
    /// # Examples
    ///
    /// ```
    /// let object = posix_shm::Shm::anonymous(65536)?;
    /// let mut mapping = object.map_mut()?;
    /// mapping.shrink_to(100)?;
    /// assert_eq!(mapping.bytes().len(), 100);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: POSIX.1-2024 `munmap`, `mprotect`.
    #[doc(alias = "munmap")]
    pub fn shrink_to(&mut self, len: usize) -> Result<()> {
        let detail = Detail::Bytes(len as u64);
        let failed = |failure: Failure| failure.with_detail(detail).named(None);
        if len == 0 || len > self.len() {
            let why = format!("it has {} bytes, and keeps at least 1", self.len());
            return Err(failed(Failure::invalid(Operation::Unmap, why)));
        }
        self.region.shrink(len).map_err(|errno| failed(Failure::new(Operation::Unmap, errno)))
    }

    /// Makes two mappings of one: the first has this many bytes, the second the rest. Each can then
    /// be used, sent to a thread or unmapped alone. No system call is made.
    ///
    /// A [`capacity`](crate::MapOptions::capacity) goes to the second, behind which it is.
    ///
    /// # Errors
    ///
    /// `InvalidInput`, if a page does not begin there, or if one of the two would be empty. Both
    /// would need the page that the place is in. The mapping is unmapped then.
    ///
    /// # Examples
    ///
    /// ```
    /// let object = posix_shm::Shm::anonymous(1 << 20)?;
    /// let (header, data) = object.map_mut()?.split_at(1 << 16)?;
    /// data.bytes().store(0, 7);
    /// // As the part of a mapping that C's `munmap` removes.
    /// header.unmap()?;
    /// assert_eq!(data.bytes().load(0), 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "munmap")]
    pub fn split_at(self, bytes: usize) -> Result<(Mapping<A>, Mapping<A>)> {
        let Mapping { region, .. } = self;
        let why = if bytes == 0 || bytes >= region.len() {
            format!("it has {} bytes, and each part needs one", region.len())
        } else if !region.is_between_pages(bytes) {
            format!("no page begins there; its pages have {} bytes", region.page())
        } else {
            let (first, second) = region.split(bytes);
            return Ok((Mapping::new(first), Mapping::new(second)));
        };
        let refused = Failure::invalid(Operation::Split, why);
        Err(refused.with_detail(Detail::Bytes(bytes as u64)).named(None))
    }

    /// The ends of a range inside the mapping.
    pub(super) fn ends(
        &self,
        range: impl RangeBounds<usize>,
        operation: Operation,
    ) -> Result<(usize, usize)> {
        let len = self.len();
        ends(range, len).map_err(|Outside { start, end }| {
            let why =
                format!("range {start}..{end} is not inside the mapping, which has {len} bytes");
            Failure::invalid(operation, why).named(None)
        })
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.region.start()
    }
}

impl Mapping<ReadWrite> {
    /// The address of the first byte, for writing. The caveats of [`as_ptr`](Mapping::as_ptr)
    /// apply.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let to = mapping.as_mut_ptr();
    /// // SAFETY: the byte is inside the mapping, and no other process or thread has it.
    /// unsafe { to.write(7) };
    /// assert_eq!(mapping.bytes().load(0), 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.region.start().as_ptr()
    }

    /// Gives up writing: `mprotect` with `PROT_READ`. The address stays.
    ///
    /// From now on a stray pointer cannot write there either: the system kills the process. The
    /// object can still be written through other mappings. A seal against writing
    /// ([`Seals::WRITE`](crate::Seals::WRITE)) counts the mapping as one that can write, since the
    /// system would let it.
    ///
    /// # Errors
    ///
    /// `OutOfMemory` (`ENOMEM`): the process has too many mappings. The mapping is unmapped then.
    ///
    /// # Examples
    ///
    /// ```
    /// let object = posix_shm::Shm::anonymous(4096)?;
    /// let writer = object.map_mut()?;
    /// writer.bytes().store(0, 7);
    /// let reader = writer.into_read_only()?;
    /// assert_eq!(reader.bytes().load(0), 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: POSIX.1-2024 `mprotect`.
    #[doc(alias = "mprotect")]
    pub fn into_read_only(self) -> Result<Mapping<ReadOnly>> {
        let Mapping { mut region, .. } = self;
        region.protect(ReadOnly::PROTECTION).map_err(protect_failure)?;
        Ok(Mapping::new(region))
    }
}

fn unmap_failure(errno: Errno) -> Error {
    Failure::new(Operation::Unmap, errno).named(None)
}

fn protect_failure(errno: Errno) -> Error {
    Failure::new(Operation::Protect, errno).named(None)
}

impl<A> fmt::Debug for Mapping<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping").field("ptr", &self.as_ptr()).field("len", &self.len()).finish()
    }
}

/// Mapped memory of any [`Protection`], with only a pointer to it: the result of
/// [`MapOptions::map_raw`](crate::MapOptions::map_raw). Dropping it unmaps the memory.
///
/// # Examples
///
/// ```
/// use posix_shm::{MapOptions, Protection, Shm};
///
/// let object = Shm::anonymous(65536)?;
/// let memory = MapOptions::new().map_raw(&object, Protection::READ)?;
/// // SAFETY: the byte is inside the mapping, and nobody else has the object.
/// assert_eq!(unsafe { memory.as_ptr().read_volatile() }, 0);
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[doc(alias = "mmap")]
pub struct RawMapping {
    region: Region,
}

impl RawMapping {
    pub(super) fn new(region: Region) -> RawMapping {
        RawMapping { region }
    }

    /// Changes what the pages allow: `mprotect`. This is for memory that is filled first and then
    /// executed, or guarded for a while.
    ///
    /// # Errors
    ///
    /// * `PermissionDenied` (`EACCES`): the handle that was mapped does not allow it, or the object
    ///   is sealed against it;
    /// * `OutOfMemory` (`ENOMEM`): the process has too many mappings. Nothing has changed.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Protection, Shm};
    ///
    /// let object = Shm::anonymous(65536)?;
    /// let mut memory = MapOptions::new().map_raw(&object, Protection::NONE)?;
    /// memory.protect(Protection::READ | Protection::WRITE)?;
    /// // SAFETY: nobody else has the object.
    /// unsafe { memory.as_ptr().write_volatile(7) };
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: POSIX.1-2024 `mprotect`.
    #[doc(alias = "mprotect")]
    pub fn protect(&mut self, protection: Protection) -> Result<()> {
        self.region.protect(protection.bits()).map_err(protect_failure)
    }

    /// The address of the first byte. What may be done there depends on the protection and on what
    /// peers do.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Protection, Shm};
    ///
    /// let object = Shm::anonymous(65536)?;
    /// let memory = MapOptions::new().map_raw(&object, Protection::READ)?;
    /// assert!(!memory.as_ptr().is_null());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.region.start().as_ptr()
    }

    /// The length in bytes: what was asked for, not rounded to pages.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Protection, Shm};
    ///
    /// let object = Shm::anonymous(65536)?;
    /// let memory = MapOptions::new().map_raw(&object, Protection::READ)?;
    /// assert_eq!(memory.len(), 65536);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.region.len()
    }

    /// Whether there are no bytes. It is always `false`: no system maps 0 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Protection, Shm};
    ///
    /// let object = Shm::anonymous(65536)?;
    /// let memory = MapOptions::new().map_raw(&object, Protection::READ)?;
    /// assert!(!memory.is_empty());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.region.len() == 0
    }

    /// Removes the mapping and returns the error that drop would ignore: `munmap`.
    ///
    /// # Errors
    ///
    /// As [`Mapping::unmap`].
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{MapOptions, Protection, Shm};
    ///
    /// let object = Shm::anonymous(65536)?;
    /// let memory = MapOptions::new().map_raw(&object, Protection::READ)?;
    /// memory.unmap()?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "munmap")]
    pub fn unmap(self) -> Result<()> {
        self.region.unmap().map_err(unmap_failure)
    }
}

impl fmt::Debug for RawMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawMapping").field("ptr", &self.as_ptr()).field("len", &self.len()).finish()
    }
}
