//! Reading and writing what a mapping shows. This module is the only one that touches mapped bytes, and [`copy`] and
//! [`atomic`] are the only places in it that do.
//!
//! SAFETY comments cite the rules of the crate's [safety chapter](crate#safety) by number.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Bound, Range, RangeBounds};
use std::ptr::NonNull;

use bytemuck::{AnyBitPattern, NoUninit};

use crate::error::{Error, Operation, Result};
use crate::map::{Mapping, ReadWrite};

mod atomic;
mod cell;
mod copy;
mod cursor;
#[cfg(test)]
mod tests;

pub use atomic::{Atomic, Word};
pub use cell::SharedCell;
pub use cursor::{SharedReader, SharedWriter};

/// A part of a mapping, seen as values of one type that any peer may change at any time.
///
/// It reads and writes values and never lends them: there are no references into shared memory. It is as good as a
/// reference itself: it copies, and it cannot outlive its mapping.
///
/// A value of 1, 2, 4 or 8 bytes that lies at a multiple of its size (all integers and floats do) is loaded and stored in
/// one access and never torn. Any other value, and whatever is copied many at a time, may be a mix of what several peers
/// wrote.
///
/// # Platform-specific behavior
///
/// Values of 8 bytes take two accesses on 32-bit machines, and may tear between them.
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
/// Types of your own are plain data if `bytemuck` says so; its feature `derive` checks it:
///
/// ```
/// use bytemuck::{AnyBitPattern, NoUninit};
///
/// #[derive(Clone, Copy, AnyBitPattern, NoUninit)]
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
/// What is not plain data cannot be stored. Padding has no value:
///
/// ```compile_fail
/// #[derive(Clone, Copy, bytemuck::AnyBitPattern, bytemuck::NoUninit)]
/// #[repr(C)]
/// struct Padded {
///     small: u8,
///     large: u32,
/// }
/// ```
///
/// Not every byte is a `bool`, not every four bytes are a `char`, and no other process's address is a reference:
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
pub struct SharedSlice<'m, T, A> {
    start: NonNull<T>,
    len: usize,
    mapping: PhantomData<&'m Mapping<A>>,
}

/// Why a part cannot be seen as values.
enum Refusal {
    PastTheEnd { what: &'static str, size: usize, offset: usize, count: usize, len: usize },
    Misaligned { what: &'static str, align: usize, offset: usize, address: usize },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::PastTheEnd { what, size, offset, count, len } => write!(
                f,
                "{count} values of {what} ({size} bytes each) from offset {offset} reach past the end of the memory, \
                 which has {len} bytes"
            ),
            Refusal::Misaligned { what, align, offset, address } => write!(
                f,
                "offset {offset} is at address {address:#x}, and {what} wants a multiple of {align}"
            ),
        }
    }
}

/// The address of `count` values from an offset in `len` bytes of one allocation or mapping, if they are inside and aligned.
/// Every view is made here (rule 4).
#[inline]
fn part_of<T>(
    start: NonNull<u8>,
    len: usize,
    offset: usize,
    count: usize,
) -> Result<NonNull<T>, Refusal> {
    let (what, size, align) = (std::any::type_name::<T>(), size_of::<T>(), align_of::<T>());
    let end = count.checked_mul(size).and_then(|bytes| bytes.checked_add(offset));
    if end.is_none_or(|end| end > len) {
        return Err(Refusal::PastTheEnd { what, size, offset, count, len });
    }
    // SAFETY: `offset` is at most the length, as just checked.
    let at = unsafe { start.add(offset) }.cast::<T>();
    if at.is_aligned() {
        Ok(at)
    } else {
        Err(Refusal::Misaligned { what, align, offset, address: at.addr().get() })
    }
}

impl<A> Mapping<A> {
    /// All of the mapping, as bytes.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> SharedSlice<'_, u8, A> {
        SharedSlice { start: self.start(), len: self.len(), mapping: PhantomData }
    }

    /// A part of the mapping, as `count` values of a type that any bytes make a valid value of.
    ///
    /// The offset counts bytes from the start of the mapping.
    ///
    /// # Errors
    ///
    /// `InvalidInput`: the values would reach past the end of the mapping, or the first would not be aligned for its type.
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
        Ok(SharedSlice { start: self.part(offset, count)?, len: count, mapping: PhantomData })
    }

    /// One value of a type that any bytes make a valid value of, at an offset in bytes.
    ///
    /// # Errors
    ///
    /// As [`slice`](Mapping::slice).
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let counter = mapping.cell::<u64>(64)?;
    /// counter.fetch_add(3);
    /// assert_eq!(counter.load(), 3);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn cell<T: AnyBitPattern>(&self, offset: usize) -> Result<SharedCell<'_, T, A>> {
        Ok(SharedCell::new(self.part(offset, 1)?))
    }

    /// A part of the mapping, as an ordinary slice.
    ///
    /// # Safety
    ///
    /// For as long as the slice lives, nobody writes to its bytes: no thread and no process, through this mapping or another,
    /// with `write_at` or any other call. And nobody shortens the object. Only an object that is sealed against both, or
    /// peers that keep to a protocol, can promise that.
    ///
    /// # Errors
    ///
    /// As [`slice`](Mapping::slice).
    pub unsafe fn as_slice<T: AnyBitPattern>(&self, offset: usize, count: usize) -> Result<&[T]> {
        let start = self.part(offset, count)?;
        // SAFETY: the values are aligned and inside the mapping (rule 4), which the slice borrows; any bytes are a `T`
        // (rule 5); that nobody writes is the caller's promise.
        #[expect(clippy::disallowed_methods, reason = "the contract is the caller's")]
        Ok(unsafe { std::slice::from_raw_parts(start.as_ptr(), count) })
    }

    pub(crate) fn part<T>(&self, offset: usize, count: usize) -> Result<NonNull<T>> {
        part_of(self.start(), self.len(), offset, count)
            .map_err(|why| Error::invalid(Operation::View, why.to_string(), None))
    }
}

impl Mapping<ReadWrite> {
    /// A part of the mapping, as an ordinary slice that can be written.
    ///
    /// # Safety
    ///
    /// For as long as the slice lives, nobody else reads or writes its bytes: no thread and no process, through this mapping
    /// or another, this function included. And nobody shortens the object.
    ///
    /// # Errors
    ///
    /// As [`slice`](Mapping::slice).
    #[allow(clippy::mut_from_ref, reason = "that it is the only one is the caller's promise")]
    pub unsafe fn as_mut_slice<T: AnyBitPattern + NoUninit>(
        &self,
        offset: usize,
        count: usize,
    ) -> Result<&mut [T]> {
        let start = self.part(offset, count)?;
        // SAFETY: the values are aligned and inside the mapping (rule 4), which can be written and which the slice borrows;
        // any bytes are a `T`, and none it has is uninitialised (rule 5); that nobody else is there is the caller's promise.
        #[expect(clippy::disallowed_methods, reason = "the contract is the caller's")]
        Ok(unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), count) })
    }
}

impl<'m, T, A> SharedSlice<'m, T, A> {
    /// How many values there are.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no value at all.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The address of the first value. The words of [`Mapping::as_ptr`] hold.
    #[must_use]
    #[inline]
    pub fn as_ptr(&self) -> *const T {
        self.start.as_ptr()
    }

    /// One of the values.
    ///
    /// # Panics
    ///
    /// Where the index is past the end, as slices do.
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn cell(&self, index: usize) -> SharedCell<'m, T, A> {
        if index >= self.len {
            past_the_end(index, self.len);
        }
        // SAFETY: the index is inside, and all values are inside the mapping (rule 4).
        SharedCell::new(unsafe { self.start.add(index) })
    }

    /// Some of the values.
    ///
    /// # Panics
    ///
    /// Where the range ends past the end or before it starts, as slices do.
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn range(&self, range: impl RangeBounds<usize>) -> SharedSlice<'m, T, A> {
        let Range { start, end } = within(range, self.len);
        // SAFETY: the start is inside or at the end, and all values are inside the mapping (rule 4).
        SharedSlice { start: unsafe { self.start.add(start) }, len: end - start, ..*self }
    }

    /// The bytes of all values: their length is checked where the view is made.
    fn byte_len(&self) -> usize {
        self.len * size_of::<T>()
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn past_the_end(index: usize, len: usize) -> ! {
    panic!("index {index} is past the end of {len} shared values")
}

/// A range with both ends, inside `len` values.
#[inline]
#[track_caller]
fn within(range: impl RangeBounds<usize>, len: usize) -> Range<usize> {
    let start = match range.start_bound() {
        Bound::Included(&start) => Some(start),
        Bound::Excluded(&before) => before.checked_add(1),
        Bound::Unbounded => Some(0),
    };
    let end = match range.end_bound() {
        Bound::Included(&last) => last.checked_add(1),
        Bound::Excluded(&end) => Some(end),
        Bound::Unbounded => Some(len),
    };
    match (start, end) {
        (Some(start), Some(end)) if start <= end && end <= len => start..end,
        _ => no_range(start, end, len),
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn no_range(start: Option<usize>, end: Option<usize>, len: usize) -> ! {
    panic!("{:?} is not a range of {len} shared values", (start, end))
}

impl<'m, T: AnyBitPattern, A> SharedSlice<'m, T, A> {
    /// The value at an index, as it is now.
    ///
    /// # Panics
    ///
    /// Where the index is past the end, as slices do.
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn load(&self, index: usize) -> T {
        self.cell(index).load()
    }

    /// The value at an index, as it is now; `None` past the end.
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> Option<T> {
        (index < self.len).then(|| self.load(index))
    }

    /// The values one after the other, each as it is when its turn comes.
    #[must_use]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = T> + ExactSizeIterator + use<'m, T, A> {
        let all = *self;
        (0..all.len).map(move |index| all.load(index))
    }

    /// Copies all values out, at the speed of `memcpy`. What peers write meanwhile may be seen or not, byte by byte.
    ///
    /// # Panics
    ///
    /// Where the lengths differ, as `copy_from_slice` does.
    #[inline]
    #[track_caller]
    pub fn copy_to(&self, out: &mut [T]) {
        same_length(self.len, out.len());
        // SAFETY: all values are inside the mapping (rule 4), and as many fit into `out`, which nobody else has; any bytes
        // are a `T` (rule 5).
        unsafe {
            copy::copy_out(self.start.as_ptr().cast(), out.as_mut_ptr().cast(), self.byte_len())
        }
    }

    /// Copies all values out, into a new vector.
    #[must_use]
    pub fn to_vec(&self) -> Vec<T> {
        let mut values = Vec::<T>::with_capacity(self.len);
        // SAFETY: all values are inside the mapping (rule 4), and as many fit into the vector's capacity.
        unsafe {
            copy::copy_out(self.start.as_ptr().cast(), values.as_mut_ptr().cast(), self.byte_len())
        };
        // SAFETY: they are there now, and any bytes are a `T` (rule 5).
        unsafe { values.set_len(self.len) };
        values
    }
}

impl<T: AnyBitPattern + NoUninit> SharedSlice<'_, T, ReadWrite> {
    /// Sets the value at an index.
    ///
    /// # Panics
    ///
    /// Where the index is past the end, as slices do.
    #[inline]
    #[track_caller]
    pub fn store(&self, index: usize, value: T) {
        self.cell(index).store(value);
    }

    /// Sets every value to this one.
    pub fn fill(&self, value: T) {
        let bytes = bytemuck::bytes_of(&value);
        match bytes {
            [first, rest @ ..] if rest.iter().all(|byte| byte == first) => {
                // SAFETY: all values are inside the mapping (rule 4), which can be written.
                unsafe { copy::fill(self.start.as_ptr().cast(), *first, self.byte_len()) }
            }
            _ => (0..self.len).for_each(|index| self.store(index, value)),
        }
    }

    /// Copies as many values in, at the speed of `memcpy`. Peers may see them arrive byte by byte.
    ///
    /// # Panics
    ///
    /// Where the lengths differ, as `copy_from_slice` does.
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
        // SAFETY: there are as many values as are inside the mapping (rule 4), which can be written, and none has an
        // uninitialised byte (rule 5).
        unsafe {
            copy::copy_in(values.as_ptr().cast(), self.start.as_ptr().cast(), self.byte_len())
        }
    }

    /// Copies some of the values to another place among them, at the speed of `memmove`; the places may overlap.
    ///
    /// # Panics
    ///
    /// Where the range or the place it goes to is past the end, as `slice::copy_within` does.
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
        let Some(end) = to.checked_add(from.len) else { past_the_end(to, self.len) };
        let to = self.range(to..end);
        // SAFETY: both are as long and inside the mapping (rule 4), which can be written.
        unsafe {
            copy::move_within(
                from.start.as_ptr().cast(),
                to.start.as_ptr().cast(),
                from.byte_len(),
            );
        }
    }
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
    panic!("{own} values for {shared} shared ones")
}

impl<T, A> Clone for SharedSlice<'_, T, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, A> Copy for SharedSlice<'_, T, A> {}

// SAFETY: it is a borrow of a mapping, which is `Sync`; the values are copied in and out by accesses that any threads may
// do at once (rules 1 and 2), and types that are plain data may go to any thread.
unsafe impl<T: AnyBitPattern, A> Send for SharedSlice<'_, T, A> {}
// SAFETY: as for `Send`: it is `Copy`, so a reference to it can do no more than it can.
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
