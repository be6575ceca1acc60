//! The methods of [`Mapping`] that make views of it.

use std::ptr::NonNull;

use bytemuck::{AnyBitPattern, NoUninit};

use super::atomic::{SharedAtomic, Word};
use super::bounds::{Refusal, aligned_part_of, part_of};
use super::cell::SharedCell;
use super::slice::SharedSlice;
use crate::error::{Error, Result};
use crate::failure::{Failure, Operation};
use crate::map::{Mapping, ReadWrite};

impl<A> Mapping<A> {
    /// Views the whole mapping as bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// mapping.bytes().store(0, 7);
    /// assert_eq!(mapping.bytes().load(0), 7);
    /// assert!(mapping.bytes().len() >= 4096);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> SharedSlice<'_, u8, A> {
        SharedSlice::new(self.start(), self.len())
    }

    /// Views part of the mapping as `count` values of type `T`.
    ///
    /// `offset` counts bytes from the start of the mapping.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the values reach past the end of the mapping, or if `T` needs a larger
    /// alignment than the first has.
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// mapping.slice::<i32>(8, 4)?.store(0, -1);
    /// assert_eq!(mapping.slice::<u32>(8, 1)?.load(0), u32::MAX);
    ///
    /// assert!(mapping.slice::<u32>(2, 1).is_err(), "misaligned");
    /// assert!(mapping.slice::<u32>(mapping.len() - 4, 2).is_err(), "past the end");
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "mem-aref")]
    pub fn slice<T: AnyBitPattern>(
        &self,
        offset: usize,
        count: usize,
    ) -> Result<SharedSlice<'_, T, A>> {
        Ok(SharedSlice::new(self.part(offset, count)?, count))
    }

    /// Views one value of type `T`, at an offset in bytes.
    ///
    /// # Errors
    ///
    /// The same as [`slice`](Mapping::slice).
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let point = mapping.cell::<[f32; 2]>(64)?;
    /// point.store([1.5, -2.0]);
    /// assert_eq!(point.load(), [1.5, -2.0]);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn cell<T: AnyBitPattern>(&self, offset: usize) -> Result<SharedCell<'_, T, A>> {
        Ok(SharedCell::new(self.part(offset, 1)?))
    }

    /// Views one integer, at an offset in bytes, with the atomic operations of the standard
    /// library.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the integer reaches past the end of the mapping, or if its address is not
    /// a multiple of its size.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering;
    ///
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let counter = mapping.atomic::<u64>(64)?;
    /// assert_eq!(counter.fetch_add(3, Ordering::Relaxed), 0);
    /// assert_eq!(counter.load(Ordering::Relaxed), 3);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn atomic<T: Word>(&self, offset: usize) -> Result<SharedAtomic<'_, T, A>> {
        aligned_part_of(self.start(), self.len(), offset, 1, size_of::<T>())
            .map(SharedAtomic::new)
            .map_err(refused)
    }

    /// Borrows part of the mapping as an ordinary slice.
    ///
    /// # Safety
    ///
    /// For as long as the slice lives:
    ///
    /// * Nothing writes to its bytes: no thread and no process, through this mapping or another,
    ///   with `write_at` or any other call.
    /// * Nothing shortens the object.
    ///
    /// You can only promise that if the object is sealed against both, or if all peers follow a
    /// protocol.
    ///
    /// # Errors
    ///
    /// The same as [`slice`](Mapping::slice).
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// mapping.bytes().range(..5).copy_from(b"hello");
    /// // SAFETY: no other process has the object, and this program neither writes nor shortens
    /// // it while the slice lives.
    /// let bytes = unsafe { mapping.as_slice::<u8>(0, 5)? };
    /// assert_eq!(bytes, b"hello");
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub unsafe fn as_slice<T: AnyBitPattern>(&self, offset: usize, count: usize) -> Result<&[T]> {
        let start = self.part(offset, count)?;
        // SAFETY: the values are aligned and inside the mapping (rule 4), which the slice borrows.
        // Any bytes are a valid `T` (rule 5). The caller promises that nothing writes to them.
        #[expect(clippy::disallowed_methods, reason = "the contract is the caller's")]
        Ok(unsafe { std::slice::from_raw_parts(start.as_ptr(), count) })
    }

    fn part<T>(&self, offset: usize, count: usize) -> Result<NonNull<T>> {
        part_of(self.start(), self.len(), offset, count).map_err(refused)
    }
}

pub(super) fn refused(why: Refusal) -> Error {
    Failure::invalid(Operation::View, why.to_string()).named(None)
}

impl Mapping<ReadWrite> {
    /// Borrows part of the mapping as an ordinary mutable slice.
    ///
    /// # Safety
    ///
    /// For as long as the slice lives:
    ///
    /// * Nothing else reads or writes its bytes: no thread and no process, through this mapping or
    ///   another, nor through a second slice from this function.
    /// * Nothing shortens the object.
    ///
    /// # Errors
    ///
    /// The same as [`slice`](Mapping::slice).
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// {
    ///     // SAFETY: no other process has the object, and this program uses these bytes only
    ///     // by the slice while it lives.
    ///     let numbers = unsafe { mapping.as_mut_slice::<u32>(0, 3)? };
    ///     numbers.copy_from_slice(&[3, 1, 2]);
    ///     numbers.sort();
    /// }
    /// assert_eq!(mapping.slice::<u32>(0, 3)?.to_vec(), [1, 2, 3]);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[allow(clippy::mut_from_ref, reason = "the caller promises that it is the only one")]
    pub unsafe fn as_mut_slice<T: AnyBitPattern + NoUninit>(
        &self,
        offset: usize,
        count: usize,
    ) -> Result<&mut [T]> {
        let start = self.part(offset, count)?;
        // SAFETY: the values are aligned and inside the mapping (rule 4), which is writable and
        // which the slice borrows. Any bytes are a valid `T`, and no `T` has uninitialised bytes
        // (rule 5). The caller promises that nothing else reads or writes them.
        #[expect(clippy::disallowed_methods, reason = "the contract is the caller's")]
        Ok(unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), count) })
    }
}
