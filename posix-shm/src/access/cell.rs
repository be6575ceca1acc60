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
use crate::map::{Mapping, ReadOnly, ReadWrite};

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
/// use posix_shm::bytemuck::{Pod, Zeroable};
/// use posix_shm::{Shm, field};
///
/// // With the feature `derive` of this crate.
/// #[derive(Clone, Copy, Pod, Zeroable)]
/// #[bytemuck(crate = "posix_shm::bytemuck")]
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
pub struct SharedCell<'m, T, A = ReadWrite> {
    at: NonNull<T>,
    mapping: PhantomData<&'m Mapping<A>>,
}

impl<T: AnyBitPattern, A> SharedCell<'_, T, A> {
    /// Loads the value.
    ///
    /// It orders no other access. To wait for data that a peer publishes, load an
    /// [`atomic`](SharedCell::atomic) with `Ordering::Acquire`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let point = mapping.cell::<[f32; 2]>(64)?;
    /// assert_eq!(point.load(), [0.0, 0.0]);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn load(&self) -> T {
        // SAFETY: the address of a cell is aligned, and a `T` there is inside the mapping (rule 4).
        unsafe { copy::load(self.at.as_ptr()) }
    }

    /// Loads the value, which counts only if nobody has written it meanwhile.
    #[inline]
    pub(super) fn load_for_snapshot(&self) -> T {
        // SAFETY: as in `load`.
        unsafe { copy::load_for_snapshot(self.at.as_ptr()) }
    }
}

impl<T: AnyBitPattern + NoUninit> SharedCell<'_, T, ReadWrite> {
    /// Stores a value.
    ///
    /// It orders no other access. To publish data to a peer, store it, and then store an
    /// [`atomic`](SharedCell::atomic) with `Ordering::Release`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let point = mapping.cell::<[f32; 2]>(64)?;
    /// point.store([1.5, -2.0]);
    /// assert_eq!(point.load(), [1.5, -2.0]);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
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

    /// Views the same value for reading only, for instance to pass it to a function that should not
    /// write.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{ReadOnly, SharedCell};
    ///
    /// /// It can only read.
    /// fn length(point: SharedCell<'_, [f32; 2], ReadOnly>) -> f32 {
    ///     let [x, y] = point.load();
    ///     x.hypot(y)
    /// }
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let point = mapping.cell::<[f32; 2]>(64)?;
    /// point.store([3.0, 4.0]);
    /// assert_eq!(length(point.as_read_only()), 5.0);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn as_read_only(&self) -> SharedCell<'m, T, ReadOnly> {
        SharedCell::new(self.at)
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
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let cell = mapping.cell::<u64>(64)?;
    /// assert_eq!(cell.as_ptr().addr(), mapping.as_ptr().addr() + 64);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn as_ptr(&self) -> *const T {
        self.at.as_ptr()
    }

    pub(super) fn at(&self) -> NonNull<T> {
        self.at
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn misaligned<T>(address: usize) -> ! {
    let (what, size) = (std::any::type_name::<T>(), size_of::<T>());
    panic!("an atomic {what} must be at a multiple of {size}, and this one is at {address:#x}");
}

impl<'m, T: AnyBitPattern, A> SharedCell<'m, T, A> {
    /// For [`field!`](crate::field), behind an index: the type has no name there, so its fields are
    /// found by looking for them in a value.
    #[doc(hidden)]
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn project_unnamed<F: AnyBitPattern>(
        &self,
        of: impl FnOnce(&T) -> &F,
    ) -> SharedCell<'m, F, A> {
        // Only addresses are computed, so the compiler leaves the value out.
        let value = T::zeroed();
        let offset = (&raw const *of(&value)).addr().wrapping_sub((&raw const value).addr());
        match part_of(self.at.cast(), size_of::<T>(), offset, 1) {
            Ok(at) => SharedCell::new(at),
            Err(why) => panic!("this is not a field of the structure: {why}"),
        }
    }
}

/// For [`field!`](crate::field): checks an index when the program is compiled.
#[doc(hidden)]
pub const fn check_index<T, F, const N: usize>(_: fn(&T) -> &[F; N], index: usize) {
    assert!(index < N, "the index is out of bounds");
}

/// Views one field of a structure in a [`SharedCell`].
///
/// `field!(cell, Type, path)` is a cell of the field of `Type` that the path leads to. It reads and
/// writes nothing. The path is written as for a value of the type: `name`, `name.inner`,
/// `names[index]`, `names[index].inner`.
///
/// The cell may also be an [`OwnedCell`](crate::OwnedCell). The type is that of the cell; a macro
/// does not see types, so it must be named. For an atomic field, declare an integer, and call
/// [`atomic`](SharedCell::atomic) on the result.
///
/// The structure should be `#[repr(C)]`. Otherwise two programs may place its fields differently.
///
/// # Panics
///
/// Panics if an index is out of bounds. If the first index of the path is a number, that does not
/// compile.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::Ordering;
/// use posix_shm::bytemuck::{Pod, Zeroable};
/// use posix_shm::{Shm, field};
///
/// // With the feature `derive` of this crate.
/// #[derive(Clone, Copy, Pod, Zeroable)]
/// #[bytemuck(crate = "posix_shm::bytemuck")]
/// #[repr(C)]
/// struct Slot {
///     sequence: u32,
///     len: u32,
/// }
///
/// #[derive(Clone, Copy, Pod, Zeroable)]
/// #[bytemuck(crate = "posix_shm::bytemuck")]
/// #[repr(C)]
/// struct Header {
///     count: u64,
///     slots: [Slot; 4],
/// }
///
/// let mapping = Shm::anonymous(4096)?.map_mut()?;
/// let header = mapping.cell::<Header>(0)?;
/// field!(header, Header, count).atomic().fetch_add(1, Ordering::Relaxed);
/// for i in 0..4 {
///     field!(header, Header, slots[i].sequence).store(i as u32);
/// }
/// assert_eq!(field!(header, Header, slots[3]).load().sequence, 3);
///
/// // A field of one of many.
/// let slots = mapping.slice::<Slot>(1024, 8)?;
/// field!(slots.cell(2), Slot, len).store(7);
/// assert_eq!(slots.load(2).len, 7);
/// # Ok::<(), posix_shm::Error>(())
/// ```
///
/// This index is out of bounds, so it does not compile:
///
/// ```compile_fail
/// # use posix_shm::{Shm, field};
/// # #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
/// # #[repr(C)]
/// # struct Header {
/// #     slots: [u32; 4],
/// # }
/// # let mapping = Shm::anonymous(4096).unwrap().map_mut().unwrap();
/// # let header = mapping.cell::<Header>(0).unwrap();
/// field!(header, Header, slots[4]).store(1);
/// ```
#[macro_export]
macro_rules! field {
    ($cell:expr, $type:ty, $first:ident $(. $more:tt)*) => {
        $cell.project(
            ::core::mem::offset_of!($type, $first $(. $more)*),
            |value: &$type| &value.$first $(. $more)*,
        )
    };
    ($cell:expr, $type:ty, $first:ident $(. $more:ident)* [$index:literal] $($rest:tt)*) => {{
        const { $crate::check_index(|value: &$type| &value.$first $(. $more)*, $index) };
        $crate::field!(@array $cell, $type, $first $(. $more)*; $index; $($rest)*)
    }};
    ($cell:expr, $type:ty, $first:ident $(. $more:ident)* [$index:expr] $($rest:tt)*) => {
        $crate::field!(@array $cell, $type, $first $(. $more)*; $index; $($rest)*)
    };
    (@array $cell:expr, $type:ty, $first:ident $(. $more:ident)*; $index:expr; $($rest:tt)*) => {
        $crate::field!(
            @element
            $crate::field!($cell, $type, $first $(. $more)*).as_slice().cell($index),
            $($rest)*
        )
    };
    (@element $cell:expr,) => {
        $cell
    };
    (@element $cell:expr, [$index:expr] $($rest:tt)*) => {
        $crate::field!(@element $cell.as_slice().cell($index), $($rest)*)
    };
    (@element $cell:expr, . $first:ident $(. $more:ident)*) => {
        $cell.project_unnamed(|value| &value.$first $(. $more)*)
    };
    (@element $cell:expr, . $first:ident $(. $more:ident)* [$index:expr] $($rest:tt)*) => {
        $crate::field!(
            @element
            $cell.project_unnamed(|value| &value.$first $(. $more)*).as_slice().cell($index),
            $($rest)*
        )
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
