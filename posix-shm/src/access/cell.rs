//! [`SharedCell`]: one value in a mapping.

use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

use bytemuck::{AnyBitPattern, NoUninit};

use super::copy;
use crate::error::{Error, Operation, Result};
use crate::map::{Mapping, ReadWrite};

/// One value in a mapping, which any peer may change at any time: the result of [`Mapping::cell`] and [`SharedSlice::cell`].
///
/// Integers have atomic operations too. A structure is seen field by field with [`field!`](crate::field), so that one can be
/// loaded without the rest.
///
/// [`SharedSlice::cell`]: crate::SharedSlice::cell
///
/// # Examples
///
/// ```
/// use bytemuck::{AnyBitPattern, NoUninit};
/// use posix_shm::{Shm, field};
///
/// #[derive(Clone, Copy, AnyBitPattern, NoUninit)]
/// #[repr(C)]
/// struct Header {
///     sequence: u32,
///     width: u16,
///     height: u16,
/// }
///
/// let mapping = Shm::anonymous(4096)?.map_mut()?;
/// let header = mapping.cell::<Header>(0)?;
/// header.store(Header { sequence: 1, width: 640, height: 480 });
///
/// field!(header, Header, sequence).fetch_add(1);
/// assert_eq!(field!(header, Header, height).load(), 480);
/// assert_eq!(header.load().sequence, 2);
/// # Ok::<(), posix_shm::Error>(())
/// ```
pub struct SharedCell<'m, T, A> {
    at: NonNull<T>,
    mapping: PhantomData<&'m Mapping<A>>,
}

impl<'m, T, A> SharedCell<'m, T, A> {
    /// The caller has checked that the address is aligned and inside the mapping.
    pub(super) fn new(at: NonNull<T>) -> SharedCell<'m, T, A> {
        SharedCell { at, mapping: PhantomData }
    }

    /// The address of the value. The words of [`Mapping::as_ptr`] hold.
    #[must_use]
    #[inline]
    pub fn as_ptr(&self) -> *const T {
        self.at.as_ptr()
    }

    pub(super) fn address(&self) -> *mut T {
        self.at.as_ptr()
    }

    /// A part of the value, as a value of another type, at an offset in bytes. [`field!`](crate::field) knows the offsets and
    /// types of a structure's fields.
    ///
    /// # Errors
    ///
    /// `InvalidInput`: it would reach past the end of this value, or would not be aligned for its type.
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let pair = mapping.cell::<[u32; 2]>(0)?;
    /// pair.store([1, 2]);
    /// assert_eq!(pair.part::<u32>(4)?.load(), 2);
    /// assert!(pair.part::<u32>(8).is_err());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn part<F: AnyBitPattern>(&self, offset: usize) -> Result<SharedCell<'m, F, A>> {
        super::part_of(self.at.cast(), size_of::<T>(), offset, 1)
            .map(SharedCell::new)
            .map_err(|why| Error::invalid(Operation::View, why.to_string(), None))
    }

    /// For [`field!`](crate::field), whose offset and type are of a field of `T`.
    #[doc(hidden)]
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn project<F: AnyBitPattern>(
        &self,
        offset: usize,
        _of: impl FnOnce(&T) -> &F,
    ) -> SharedCell<'m, F, A> {
        match super::part_of(self.at.cast(), size_of::<T>(), offset, 1) {
            Ok(at) => SharedCell::new(at),
            Err(why) => panic!("no field of this type is there: {why}"),
        }
    }
}

impl<T: AnyBitPattern, A> SharedCell<'_, T, A> {
    /// The value as it is now.
    #[must_use]
    #[inline]
    pub fn load(&self) -> T {
        // SAFETY: a cell's address is aligned and of a `T` inside the mapping (rule 4).
        unsafe { copy::load(self.at.as_ptr()) }
    }
}

impl<T: AnyBitPattern + NoUninit> SharedCell<'_, T, ReadWrite> {
    /// Sets the value.
    #[inline]
    pub fn store(&self, value: T) {
        // SAFETY: a cell's address is aligned and of a `T` inside the mapping (rule 4), which can be written.
        unsafe { copy::store(self.at.as_ptr(), value) }
    }
}

/// One field of a structure in a [`SharedCell`]: `field!(cell, Type, name)` is a cell of that field.
///
/// The structure should be `#[repr(C)]`: otherwise two programs need not agree where a field is. Fields that are structures
/// can be taken further, and no byte is read or written on the way.
///
/// # Examples
///
/// ```
/// use bytemuck::{AnyBitPattern, NoUninit};
/// use posix_shm::{Shm, field};
///
/// #[derive(Clone, Copy, AnyBitPattern, NoUninit)]
/// #[repr(C)]
/// struct Ring {
///     head: u64,
///     tail: u64,
/// }
///
/// let mapping = Shm::anonymous(4096)?.map_mut()?;
/// let ring = mapping.cell::<Ring>(0)?;
/// field!(ring, Ring, tail).store_release(7);
/// assert_eq!(field!(ring, Ring, tail).load_acquire(), 7);
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[macro_export]
macro_rules! field {
    ($cell:expr, $type:ty, $field:ident) => {
        $cell.project(::core::mem::offset_of!($type, $field), |value: &$type| &value.$field)
    };
}

impl<T, A> Clone for SharedCell<'_, T, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, A> Copy for SharedCell<'_, T, A> {}

// SAFETY: it is a borrow of a mapping, which is `Sync`; the value is copied in and out by accesses that any threads may do
// at once (rules 1 and 2), and types that are plain data may go to any thread.
unsafe impl<T: AnyBitPattern, A> Send for SharedCell<'_, T, A> {}
// SAFETY: as for `Send`: it is `Copy`, so a reference to it can do no more than it can.
unsafe impl<T: AnyBitPattern, A> Sync for SharedCell<'_, T, A> {}

impl<T, A> fmt::Debug for SharedCell<'_, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedCell")
            .field("type", &std::any::type_name::<T>())
            .field("ptr", &self.at)
            .finish()
    }
}
