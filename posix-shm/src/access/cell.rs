//! [`SharedCell`]: one value in a mapping.

use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

use bytemuck::{AnyBitPattern, NoUninit};

use super::atomic::{SharedAtomic, Word};
use super::bounds::part_of;
use super::copy;
use crate::error::Result;
use crate::failure::{Failure, Operation};
use crate::map::{Mapping, ReadWrite};

/// A view of one value in a mapping, which any peer may change at any time.
///
/// [`Mapping::cell`] and [`SharedSlice::cell`] make it. Like a reference, it is `Copy` and borrows
/// the mapping.
///
/// Use [`atomic`](SharedCell::atomic) for the atomic operations of an integer, and
/// [`field!`](crate::field) to view one field of a structure, and load it without the rest.
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
/// field!(header, Header, sequence).store(2);
/// assert_eq!(field!(header, Header, height).load(), 480);
/// assert_eq!(header.load().sequence, 2);
/// # Ok::<(), posix_shm::Error>(())
/// ```
pub struct SharedCell<'m, T, A> {
    at: NonNull<T>,
    mapping: PhantomData<&'m Mapping<A>>,
}

impl<T: AnyBitPattern, A> SharedCell<'_, T, A> {
    /// Loads the value.
    ///
    /// It orders no other access. To wait for data that a peer publishes, load an
    /// [`atomic`](SharedCell::atomic) with `Ordering::Acquire`.
    #[must_use]
    #[inline]
    pub fn load(&self) -> T {
        // SAFETY: the address of a cell is aligned, and a `T` there is inside the mapping (rule 4).
        unsafe { copy::load(self.at.as_ptr()) }
    }
}

impl<T: AnyBitPattern + NoUninit> SharedCell<'_, T, ReadWrite> {
    /// Stores a value.
    ///
    /// It orders no other access. To publish data to a peer, store it, and then store an
    /// [`atomic`](SharedCell::atomic) with `Ordering::Release`.
    #[inline]
    pub fn store(&self, value: T) {
        // SAFETY: the address of a cell is aligned, and a `T` there is inside the mapping (rule 4),
        // which is writable.
        unsafe { copy::store(self.at.as_ptr(), value) }
    }
}

impl<'m, T: Word, A> SharedCell<'m, T, A> {
    /// Gives the integer its atomic operations.
    ///
    /// # Panics
    ///
    /// Panics if the address is not a multiple of the integer's size. That can only happen to
    /// integers of 8 bytes on 32-bit machines that align them to 4, such as x86. There, add
    /// `align(8)` to the `repr` of your structures, or use [`Mapping::atomic`], which returns an
    /// error.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering;
    ///
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let counters = mapping.slice::<u64>(0, 16)?;
    /// counters.cell(3).atomic().fetch_add(1, Ordering::Relaxed);
    /// assert_eq!(counters.load(3), 1);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn atomic(&self) -> SharedAtomic<'m, T, A> {
        // The compiler knows from the type whether it has to look at the address.
        if align_of::<T>() < size_of::<T>() && self.at.addr().get() % size_of::<T>() != 0 {
            misaligned::<T>(self.at.addr().get());
        }
        SharedAtomic::new(self.at)
    }
}

impl<'m, T, A> SharedCell<'m, T, A> {
    /// The caller has checked that the address is aligned and inside the mapping.
    pub(super) fn new(at: NonNull<T>) -> SharedCell<'m, T, A> {
        SharedCell { at, mapping: PhantomData }
    }

    /// Views part of the value as another type, at an offset in bytes.
    ///
    /// For the fields of a structure, use [`field!`](crate::field), which knows their offsets and
    /// types.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the part reaches past the end of this value, or if it is not aligned for
    /// its type.
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
        part_of(self.at.cast(), size_of::<T>(), offset, 1)
            .map(SharedCell::new)
            .map_err(|why| Failure::invalid(Operation::View, why.to_string()).named(None))
    }

    /// For [`field!`](crate::field), which passes the offset and the type of a field of `T`.
    #[doc(hidden)]
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn project<F: AnyBitPattern>(
        &self,
        offset: usize,
        _of: impl FnOnce(&T) -> &F,
    ) -> SharedCell<'m, F, A> {
        match part_of(self.at.cast(), size_of::<T>(), offset, 1) {
            Ok(at) => SharedCell::new(at),
            Err(why) => panic!("this is not a field of the structure: {why}"),
        }
    }

    /// Returns the address of the value. The caveats of [`Mapping::as_ptr`] apply.
    #[must_use]
    #[inline]
    pub fn as_ptr(&self) -> *const T {
        self.at.as_ptr()
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn misaligned<T>(address: usize) -> ! {
    let (what, size) = (std::any::type_name::<T>(), size_of::<T>());
    panic!("an atomic {what} must be at a multiple of {size}, and this one is at {address:#x}");
}

/// Views one field of a structure in a [`SharedCell`].
///
/// `field!(cell, Type, name)` is a cell of the field `name` of `Type`. It reads and writes nothing.
/// If the field is itself a structure, apply the macro again to view one of its fields.
///
/// The structure should be `#[repr(C)]`. Otherwise two programs may place its fields differently.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::Ordering;
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
/// field!(ring, Ring, head).store(5);
/// field!(ring, Ring, tail).atomic().store(7, Ordering::Release);
/// assert_eq!(ring.load().tail, 7);
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

// SAFETY: it borrows a mapping, which is `Sync`. The value is copied in and out by accesses that
// any number of threads may make at once (rules 1 and 2), and plain data may go to any thread.
unsafe impl<T: AnyBitPattern, A> Send for SharedCell<'_, T, A> {}
// SAFETY: as for `Send`. It is `Copy`, so a reference to it can do no more than a copy can.
unsafe impl<T: AnyBitPattern, A> Sync for SharedCell<'_, T, A> {}

impl<T, A> fmt::Debug for SharedCell<'_, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedCell")
            .field("type", &std::any::type_name::<T>())
            .field("ptr", &self.at)
            .finish()
    }
}
