//! The bytes of an [`ImmutableMapping`], as ordinary slices.

use std::ops::Deref;
use std::ptr::NonNull;

use bytemuck::AnyBitPattern;

use super::bounds::part_of;
use crate::error::Result;
use crate::failure::{Failure, Operation};
use crate::immutable::ImmutableMapping;

impl ImmutableMapping {
    /// Borrows the whole mapping as values of type `T`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the length is not a multiple of the size of `T`, or if `T` needs a larger
    /// alignment than the first byte has. A mapping of a whole object starts at a page, which is
    /// aligned for every type in practice.
    ///
    /// # Examples
    ///
    /// ```
    /// # if !posix_shm::capabilities().map_immutable {
    /// #     return Ok(());
    /// # }
    /// let object = posix_shm::Shm::anonymous(16)?;
    /// object.map_mut()?.slice::<u32>(0, 4)?.copy_from(&[1, 2, 3, 4]);
    ///
    /// let numbers = object.make_immutable()?.map_immutable()?;
    /// assert_eq!(numbers.slice::<u32>()?, [1, 2, 3, 4]);
    /// assert!(numbers.slice::<[u32; 3]>().is_err(), "16 is not a multiple of 12");
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn slice<T: AnyBitPattern>(&self) -> Result<&[T]> {
        match self.byte_len().checked_rem(size_of::<T>()) {
            Some(0) => self.part(0, self.byte_len() / size_of::<T>()),
            _ => {
                let (what, size) = (std::any::type_name::<T>(), size_of::<T>());
                Err(refuse(format!(
                    "{} bytes are not a whole number of {what} ({size} bytes each)",
                    self.byte_len()
                )))
            }
        }
    }

    /// Borrows part of the mapping as `count` values of type `T`.
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
    /// # if !posix_shm::capabilities().map_immutable {
    /// #     return Ok(());
    /// # }
    /// let object = posix_shm::Shm::anonymous(16)?;
    /// object.map_mut()?.slice::<u32>(0, 4)?.copy_from(&[3, 10, 20, 30]);
    ///
    /// // A count, and then as many values. No other process can change the count now, but it may
    /// // have written a wrong one before: `part` checks it.
    /// let message = object.make_immutable()?.map_immutable()?;
    /// let count = message.part::<u32>(0, 1)?[0];
    /// assert_eq!(message.part::<u32>(4, count as usize)?, [10, 20, 30]);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn part<T: AnyBitPattern>(&self, offset: usize, count: usize) -> Result<&[T]> {
        match part_of(self.start(), self.byte_len(), offset, count) {
            Ok(start) => Ok(self.values(start, count)),
            Err(why) => Err(refuse(why.to_string())),
        }
    }

    /// The caller has checked that these values are aligned and inside the mapping.
    #[inline]
    fn values<T: AnyBitPattern>(&self, start: NonNull<T>, count: usize) -> &[T] {
        // SAFETY: the values are aligned and inside the mapping (rule 4), which the slice borrows.
        // Any bytes are a valid `T` (rule 5). The kernel has confirmed that nobody can change them
        // and that they can be read; the top of `immutable.rs` has the argument. No mapping is
        // longer than `isize::MAX` bytes.
        #[expect(clippy::disallowed_methods, reason = "nobody can write these bytes")]
        unsafe {
            std::slice::from_raw_parts(start.as_ptr(), count)
        }
    }
}

#[cold]
fn refuse(why: String) -> crate::error::Error {
    Failure::invalid(Operation::View, why).named(None)
}

impl Deref for ImmutableMapping {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.values(self.start(), self.byte_len())
    }
}

impl AsRef<[u8]> for ImmutableMapping {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}
