//! [`SharedSlice`]: many values in a mapping.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Range, RangeBounds};
use std::ptr::NonNull;

use bytemuck::{AnyBitPattern, NoUninit};

use super::bounds::{advance, part_of};
use super::cell::SharedCell;
use super::copy;
use crate::error::Result;
use crate::failure::{Failure, Operation};
use crate::map::{Mapping, ReadOnly, ReadWrite};
use crate::range::{Outside, ends};

/// A view of part of a mapping, as values of one type that any peer may change at any time.
///
/// It loads and stores values and never lends references to them. Like a reference, it is `Copy`
/// and borrows the mapping. `A` says whether it can write: a function that only reads can take any
/// `A`, or `ReadOnly` and let its caller use [`as_read_only`](SharedSlice::as_read_only).
/// [`Mapping::bytes`] and [`Mapping::slice`] make it.
///
/// A value of 1, 2, 4 or 8 bytes is never torn if its address is a multiple of its size, as it is
/// for all integers and floats of these sizes: it is loaded or stored in one access. Any other
/// value, and whatever is copied many at a time, may be a mix of what several peers wrote.
///
/// # Platform-specific behavior
///
/// On 32-bit machines a value of 8 bytes takes two accesses, and may be torn between them.
///
/// In byte-wise mode, every byte is accessed on its own, so any value of more than one byte may be
/// torn. The [safety chapter](crate::guide::safety) says when this mode is used.
///
/// # Examples
///
/// ```
/// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
/// let numbers = mapping.slice::<u64>(0, 8)?;
/// for i in 0..numbers.len() {
///     numbers.store(i, 10 * i as u64);
/// }
/// assert_eq!(numbers.load(7), 70);
/// assert_eq!(numbers.range(..3).to_vec(), [0, 10, 20]);
/// assert_eq!(numbers.iter().sum::<u64>(), 280);
/// # Ok::<(), posix_shm::Error>(())
/// ```
///
/// Your own types can be stored if they are plain data: if any bytes are a value, and no byte is
/// padding. Derive `Pod` and `Zeroable`, which checks it. (They imply the bounds of the methods
/// here, [`AnyBitPattern`] and [`NoUninit`].) This takes the feature `derive` of this crate (`cargo
/// add posix-shm --features derive`). The traits are those of the crate bytemuck. Without the
/// attribute `bytemuck`, the compiler says "cannot find `bytemuck` in the crate root"; a program
/// that depends on that crate too can leave it out.
///
/// ```
/// use posix_shm::bytemuck::{Pod, Zeroable};
///
/// #[derive(Clone, Copy, Pod, Zeroable)]
/// #[bytemuck(crate = "posix_shm::bytemuck")]
/// #[repr(C)]
/// struct Point {
///     x: f32,
///     y: f32,
/// }
///
/// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
/// mapping.slice::<Point>(0, 100)?.store(99, Point { x: 1.0, y: 2.0 });
/// # Ok::<(), posix_shm::Error>(())
/// ```
///
/// Types that are not plain data do not compile. A structure with padding has bytes without a
/// value; a field such as `_reserved: [u8; 3]` mends it:
///
/// ```compile_fail
/// #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
/// #[repr(C)]
/// struct Padded {
///     small: u8,
///     large: u32,
/// }
/// ```
///
/// Not every byte is a `bool`, not every four bytes are a `char`, and an address from another
/// process is not a reference:
///
/// ```compile_fail
/// # let mapping = posix_shm::Shm::anonymous(4096).unwrap().map_mut().unwrap();
/// mapping.slice::<bool>(0, 1).unwrap().store(0, true);
/// ```
///
/// ```compile_fail
/// # let mapping = posix_shm::Shm::anonymous(4096).unwrap().map_mut().unwrap();
/// mapping.slice::<char>(0, 1).unwrap().store(0, 'a');
/// ```
///
/// ```compile_fail
/// # let mapping = posix_shm::Shm::anonymous(4096).unwrap().map_mut().unwrap();
/// mapping.slice::<&'static u8>(0, 1).unwrap().store(0, &7);
/// ```
#[doc(alias = "mem-aref")]
pub struct SharedSlice<'m, T, A = ReadWrite> {
    start: NonNull<T>,
    len: usize,
    mapping: PhantomData<&'m Mapping<A>>,
}

impl<T: AnyBitPattern, A> SharedSlice<'_, T, A> {
    /// Loads the value at an index.
    ///
    /// It orders no other access. To wait for data that a peer publishes, load an
    /// [atomic](SharedCell::atomic) with `Ordering::Acquire`.
    ///
    /// # Panics
    ///
    /// Panics if the index is out of bounds.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let numbers = mapping.slice::<u32>(0, 10)?;
    /// assert_eq!(numbers.load(9), 0);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn load(&self, index: usize) -> T {
        self.cell(index).load()
    }
}

impl<T: AnyBitPattern + NoUninit> SharedSlice<'_, T, ReadWrite> {
    /// Stores a value at an index.
    ///
    /// It orders no other access. To publish data to a peer, store it, and then store an
    /// [atomic](SharedCell::atomic) with `Ordering::Release`.
    ///
    /// # Panics
    ///
    /// Panics if the index is out of bounds.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let numbers = mapping.slice::<u32>(0, 10)?;
    /// numbers.store(9, 7);
    /// assert_eq!(numbers.load(9), 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn store(&self, index: usize, value: T) {
        self.cell(index).store(value);
    }
}

impl<'m, T, A> SharedSlice<'m, T, A> {
    /// The caller has checked that `len` values are aligned and inside the mapping.
    #[inline]
    pub(super) fn new(start: NonNull<T>, len: usize) -> SharedSlice<'m, T, A> {
        SharedSlice { start, len, mapping: PhantomData }
    }

    /// Returns the number of values.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// assert_eq!(mapping.slice::<u32>(0, 10)?.len(), 10);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no values.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// assert!(mapping.slice::<u32>(0, 0)?.is_empty());
    /// assert!(!mapping.bytes().is_empty());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The size of all values in bytes. It cannot overflow: they are inside the mapping.
    #[inline]
    pub(super) fn byte_len(&self) -> usize {
        self.len * size_of::<T>()
    }
}

impl<T: AnyBitPattern, A> SharedSlice<'_, T, A> {
    /// Loads the value at an index, or returns `None` if the index is out of bounds.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let numbers = mapping.slice::<u32>(0, 10)?;
    /// assert_eq!(numbers.get(9), Some(0));
    /// assert_eq!(numbers.get(10), None);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> Option<T> {
        (index < self.len).then(|| self.load(index))
    }

    /// Copies all values into a slice, at the speed of `memcpy`.
    ///
    /// If a peer writes at the same time, each byte may be the old or the new one.
    ///
    /// # Panics
    ///
    /// Panics if the lengths differ.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// mapping.bytes().range(..5).copy_from(b"hello");
    /// let mut own = [0; 5];
    /// mapping.bytes().range(..5).copy_to(&mut own);
    /// assert_eq!(&own, b"hello");
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn copy_to(&self, out: &mut [T]) {
        same_length(self.len, out.len());
        // SAFETY: all values are inside the mapping (rule 4). As many fit into `out`, which nothing
        // else can access. Any bytes are a valid `T` (rule 5).
        unsafe {
            copy::copy_out(self.start.as_ptr().cast(), out.as_mut_ptr().cast(), self.byte_len())
        }
    }

    /// Copies all values into a new vector, as [`copy_to`](SharedSlice::copy_to) does.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let numbers = mapping.slice::<u32>(0, 3)?;
    /// numbers.store(1, 7);
    /// assert_eq!(numbers.to_vec(), [0, 7, 0]);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    pub fn to_vec(&self) -> Vec<T> {
        let mut values = Vec::with_capacity(self.len);
        self.append_to(&mut values);
        values
    }

    /// Copies all values to the end of a vector.
    #[inline]
    pub(super) fn append_to(&self, values: &mut Vec<T>) {
        values.reserve(self.len);
        let room = values.spare_capacity_mut().as_mut_ptr();
        // SAFETY: all values are inside the mapping (rule 4), and the vector has room for as many.
        unsafe { copy::copy_out(self.start.as_ptr().cast(), room.cast(), self.byte_len()) };
        // SAFETY: the copy has written this many values, and any bytes are a valid `T` (rule 5).
        unsafe { values.set_len(values.len() + self.len) };
    }
}

impl<T: AnyBitPattern + NoUninit> SharedSlice<'_, T, ReadWrite> {
    /// Copies all values from a slice, at the speed of `memcpy`.
    ///
    /// Peers may see the bytes arrive in any order, until they are told by a later store with
    /// [`Ordering::Release`](std::sync::atomic::Ordering::Release).
    ///
    /// # Panics
    ///
    /// Panics if the lengths differ.
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// mapping.bytes().range(..5).copy_from(b"hello");
    /// assert_eq!(mapping.bytes().range(1..5).to_vec(), b"ello");
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn copy_from(&self, values: &[T]) {
        same_length(self.len, values.len());
        // SAFETY: as many values are inside the mapping (rule 4), which is writable. No value has
        // uninitialised bytes (rule 5).
        unsafe {
            copy::copy_in(values.as_ptr().cast(), self.start.as_ptr().cast(), self.byte_len())
        }
    }

    /// Copies some of the values to another index, at the speed of `memmove`. The two ranges may
    /// overlap.
    ///
    /// # Panics
    ///
    /// Panics if either range is out of bounds, or if `from` ends before it starts.
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let bytes = mapping.bytes().range(..5);
    /// bytes.copy_from(b"abcde");
    /// bytes.copy_within(..4, 1);
    /// assert_eq!(bytes.to_vec(), b"aabcd");
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[track_caller]
    pub fn copy_within(&self, from: impl RangeBounds<usize>, to: usize) {
        let from = self.range(from);
        let Some(end) = to.checked_add(from.len) else { out_of_bounds(to, self.len) };
        let to = self.range(to..end);
        // SAFETY: both ranges have the same length and are inside the mapping (rule 4), which is
        // writable.
        unsafe {
            copy::move_within(
                from.start.as_ptr().cast(),
                to.start.as_ptr().cast(),
                from.byte_len(),
            );
        }
    }
}

impl<'m, T, A> SharedSlice<'m, T, A> {
    /// Views some of the values.
    ///
    /// # Panics
    ///
    /// Panics if the range is out of bounds, or if it ends before it starts.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let numbers = mapping.slice::<u32>(0, 10)?;
    /// numbers.range(5..).fill(7);
    /// assert_eq!(numbers.range(4..6).to_vec(), [0, 7]);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn range(&self, range: impl RangeBounds<usize>) -> SharedSlice<'m, T, A> {
        let Range { start, end } = within(range, self.len);
        // SAFETY: `start` is at most the length, and all values are inside the mapping (rule 4).
        SharedSlice::new(unsafe { advance(self.start, start) }, end - start)
    }

    /// Views one of the values.
    ///
    /// # Panics
    ///
    /// Panics if the index is out of bounds.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let points = mapping.slice::<[f32; 2]>(0, 10)?;
    /// let third = points.cell(2);
    /// third.store([1.5, -2.0]);
    /// assert_eq!(points.load(2), [1.5, -2.0]);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn cell(&self, index: usize) -> SharedCell<'m, T, A> {
        if index >= self.len {
            out_of_bounds(index, self.len);
        }
        // SAFETY: the index is in bounds, and all values are inside the mapping (rule 4).
        SharedCell::new(unsafe { advance(self.start, index) })
    }

    /// Views the values before an index, and those from it on.
    ///
    /// # Panics
    ///
    /// Panics if the index is greater than the length.
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let (header, payload) = mapping.bytes().split_at(64);
    /// assert_eq!((header.len(), payload.len()), (64, mapping.len() - 64));
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn split_at(&self, index: usize) -> (SharedSlice<'m, T, A>, SharedSlice<'m, T, A>) {
        (self.range(..index), self.range(index..))
    }

    /// Views the same bytes as values of another type.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the bytes are not a whole number of such values, or if the first of them
    /// is not aligned for the type.
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let bytes = mapping.bytes().range(..8);
    /// let words = bytes.cast::<u32>()?;
    /// words.store(1, u32::MAX);
    /// assert_eq!(bytes.load(7), 0xff);
    /// assert!(bytes.range(..7).cast::<u32>().is_err());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn cast<U: AnyBitPattern>(&self) -> Result<SharedSlice<'m, U, A>> {
        let (start, bytes, size) = (self.start.cast::<u8>(), self.byte_len(), size_of::<U>());
        let refuse = |why: String| Failure::invalid(Operation::View, why).named(None);
        // Of values without a size there are as many as there were.
        let (count, rest) = match size {
            0 => (self.len, bytes),
            size => (bytes / size, bytes % size),
        };
        if rest != 0 {
            let what = std::any::type_name::<U>();
            return Err(refuse(format!(
                "{bytes} bytes are not a whole number of values of {what} ({size} bytes each)"
            )));
        }
        let start = part_of(start, bytes, 0, count).map_err(|why| refuse(why.to_string()))?;
        Ok(SharedSlice::new(start, count))
    }

    /// Views the same values for reading only, for instance to pass them to a function that should
    /// not write.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{ReadOnly, SharedSlice};
    ///
    /// /// It can only read.
    /// fn sum(numbers: SharedSlice<'_, u32, ReadOnly>) -> u32 {
    ///     numbers.iter().sum()
    /// }
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let numbers = mapping.slice::<u32>(0, 10)?;
    /// numbers.fill(7);
    /// assert_eq!(sum(numbers.as_read_only()), 70);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn as_read_only(&self) -> SharedSlice<'m, T, ReadOnly> {
        SharedSlice::new(self.start, self.len)
    }

    /// Returns the first value's cell, and leaves it out from then on.
    #[inline]
    pub(super) fn take_first(&mut self) -> Option<SharedCell<'m, T, A>> {
        let first = (self.len > 0).then(|| SharedCell::new(self.start))?;
        self.len -= 1;
        // SAFETY: there was a value at the start, which is inside the mapping (rule 4).
        self.start = unsafe { advance(self.start, 1) };
        Some(first)
    }

    /// Returns the last value's cell, and leaves it out from then on.
    #[inline]
    pub(super) fn take_last(&mut self) -> Option<SharedCell<'m, T, A>> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: that many values come before the last one, inside the mapping (rule 4).
        Some(SharedCell::new(unsafe { advance(self.start, self.len) }))
    }

    #[inline]
    pub(super) fn address(&self) -> *mut T {
        self.start.as_ptr()
    }

    /// Returns the address of the first value. The caveats of [`Mapping::as_ptr`] apply.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let numbers = mapping.slice::<u32>(64, 10)?;
    /// assert_eq!(numbers.as_ptr().addr(), mapping.as_ptr().addr() + 64);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn as_ptr(&self) -> *const T {
        self.start.as_ptr()
    }
}

impl<'m, T, A, const N: usize> SharedCell<'m, [T; N], A> {
    /// Views an array as a slice.
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let array = mapping.cell::<[u16; 4]>(0)?.as_slice();
    /// array.store(3, 7);
    /// assert_eq!(array.to_vec(), [0, 0, 0, 7]);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> SharedSlice<'m, T, A> {
        SharedSlice::new(self.at().cast(), N)
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn out_of_bounds(index: usize, len: usize) -> ! {
    panic!("index {index} is out of bounds: there are {len} values")
}

/// Gives a range both ends, and checks it against `len` values.
#[inline]
#[track_caller]
fn within(range: impl RangeBounds<usize>, len: usize) -> Range<usize> {
    match ends(range, len) {
        Ok((start, end)) => start..end,
        Err(outside) => bad_range(&outside, len),
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn bad_range(&Outside { start, end }: &Outside, len: usize) -> ! {
    if end > len as u128 {
        panic!("range {start}..{end} is out of bounds: there are {len} values");
    }
    if start > len as u128 {
        panic!("range start {start} is out of bounds: there are {len} values");
    }
    panic!("range {start}..{end} ends before it starts")
}

#[inline]
#[track_caller]
fn same_length(shared: usize, own: usize) {
    if shared != own {
        different_lengths(shared, own);
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn different_lengths(shared: usize, own: usize) -> ! {
    panic!(
        "the lengths differ: the shared slice has {shared} values, the other slice has {own}; \
         range() takes a part"
    )
}

impl<T, A> Clone for SharedSlice<'_, T, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, A> Copy for SharedSlice<'_, T, A> {}

// SAFETY: it borrows a mapping, which is `Sync`. Values are copied in and out by accesses that any
// number of threads may make at once (rules 1 and 2), and plain data may go to any thread.
unsafe impl<T: AnyBitPattern, A> Send for SharedSlice<'_, T, A> {}
// SAFETY: as for `Send`. It is `Copy`, so a reference to it can do no more than a copy can.
unsafe impl<T: AnyBitPattern, A> Sync for SharedSlice<'_, T, A> {}

impl<T, A> fmt::Debug for SharedSlice<'_, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSlice")
            .field("type", &std::any::type_name::<T>())
            .field("ptr", &self.start)
            .field("len", &self.len)
            .finish()
    }
}
