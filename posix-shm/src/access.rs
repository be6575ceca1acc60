//! [`SharedSlice`]: reading and writing what a mapping shows. The only file that touches mapped bytes.
//!
//! The rules that make it sound, which the SAFETY comments cite:
//!
//! 1. **The memory is outside every Rust allocation.** `mmap` made it, no reference into it is ever made, and nothing the
//!    compiler allocates overlaps it. There, a volatile access is defined whatever else goes on: "volatile operations […]
//!    may access memory outside of any Rust allocation", and a value that a peer changes meanwhile is just the value that
//!    is read (`std::ptr::read_volatile`; rust-lang/rust#141260).
//! 2. **Every access is volatile, of a plain integer.** The compiler neither invents, repeats, merges nor splits it, so two
//!    calls that touch the same bytes with different sizes, from two threads or two processes, are each what the machine
//!    makes of it and never undefined. Atomics of different sizes would be (rust-lang/unsafe-code-guidelines#345, #607).
//! 3. **Bounds and alignment are checked against the mapping**, once where a view is made and once for each index, and
//!    never against a number that a peer wrote. A mapping keeps its length for as long as a view borrows it.
//! 4. **Any bytes are a value**: what is read has a type for which that holds ([`AnyBitPattern`]), and what is written has
//!    one without uninitialised bytes ([`NoUninit`]).
//!
//! What no rule can prevent: a peer that shortens the object. Where a page is gone, touching it kills the process with
//! `SIGBUS`. That is an end, not undefined behaviour.

use std::fmt;
use std::marker::PhantomData;
use std::mem::{self, MaybeUninit};
use std::ptr::NonNull;

use bytemuck::{AnyBitPattern, NoUninit};

use crate::error::{Error, Operation, Result};
use crate::map::{Mapping, ReadWrite};

/// A part of a mapping, seen as values of one type that any peer may change at any time.
///
/// It reads and writes values and never lends them: there are no references into shared memory. It is as good as a
/// reference itself: it copies, and it cannot outlive its mapping.
///
/// A value of 1, 2, 4 or 8 bytes whose alignment is its size (all integers and floats) is loaded and stored in one access
/// and never torn. Any other value is moved byte by byte, and a peer may see, or cause, a mix of old bytes and new.
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
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[doc(alias = "mem-aref")]
pub struct SharedSlice<'m, T, A> {
    start: NonNull<T>,
    len: usize,
    mapping: PhantomData<&'m Mapping<A>>,
}

impl<A> Mapping<A> {
    /// All of the mapping, as bytes.
    #[must_use]
    pub fn bytes(&self) -> SharedSlice<'_, u8, A> {
        SharedSlice { start: self.start(), len: self.len(), mapping: PhantomData }
    }

    /// A part of the mapping, as `count` values of a type that any bytes make a valid value of.
    ///
    /// The offset counts bytes from the start of the mapping. For types of your own, `bytemuck` derives [`AnyBitPattern`]
    /// and [`NoUninit`].
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
    /// assert!(mapping.slice::<u32>(4092, 2).is_err(), "past the end");
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Not every type will do: not every byte is a `bool`, and no other process's address is a reference.
    ///
    /// ```compile_fail
    /// # let mapping = posix_shm::Shm::anonymous(4096).unwrap().map_mut().unwrap();
    /// mapping.slice::<bool>(0, 1).unwrap();
    /// ```
    #[doc(alias = "mem-aref")]
    pub fn slice<T: AnyBitPattern>(
        &self,
        offset: usize,
        count: usize,
    ) -> Result<SharedSlice<'_, T, A>> {
        let end = count.checked_mul(size_of::<T>()).and_then(|bytes| bytes.checked_add(offset));
        if end.is_none_or(|end| end > self.len()) {
            return Err(out_of_bounds::<T>(offset, count, self.len()));
        }
        // SAFETY: `offset` is at most the mapping's length, as just checked.
        let start = unsafe { self.start().add(offset) }.cast::<T>();
        if !start.is_aligned() {
            return Err(misaligned::<T>(offset, start.addr().get()));
        }
        Ok(SharedSlice { start, len: count, mapping: PhantomData })
    }
}

#[cold]
fn out_of_bounds<T>(offset: usize, count: usize, len: usize) -> Error {
    let what = std::any::type_name::<T>();
    let why = format!(
        "{count} values of {what} ({} bytes each) from offset {offset} reach past the end of the mapping, \
         which has {len} bytes",
        size_of::<T>()
    );
    Error::invalid(Operation::View, why, None)
}

#[cold]
fn misaligned<T>(offset: usize, address: usize) -> Error {
    let what = std::any::type_name::<T>();
    let why = format!(
        "offset {offset} is at address {address:#x}, and {what} wants a multiple of {}",
        align_of::<T>()
    );
    Error::invalid(Operation::View, why, None)
}

impl<T, A> SharedSlice<'_, T, A> {
    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no value at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The address of a value, if there is one of this index.
    #[track_caller]
    fn at(&self, index: usize) -> *mut T {
        assert!(index < self.len, "index {index} is past the end of {} shared values", self.len);
        // SAFETY: the index is inside, and all values are inside the mapping (rule 3).
        unsafe { self.start.add(index) }.as_ptr()
    }
}

impl<T: AnyBitPattern, A> SharedSlice<'_, T, A> {
    /// The value at an index, as it is now.
    ///
    /// # Panics
    ///
    /// Where the index is past the end, as slices do.
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn load(&self, index: usize) -> T {
        // SAFETY: `at` answers with an aligned address of a `T` inside the mapping (rule 3).
        unsafe { load(self.at(index)) }
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
        // SAFETY: `at` answers with an aligned address of a `T` inside the mapping (rule 3), which can be written, since
        // it is `ReadWrite`.
        unsafe { store(self.at(index), value) }
    }
}

/// Reads a value: in one access where a machine integer is as long and as aligned, else byte by byte.
///
/// # Safety
///
/// The address is aligned and of memory as rule 1 has it, as long as a `T`.
#[inline]
unsafe fn load<T: AnyBitPattern>(at: *const T) -> T {
    macro_rules! as_integer {
        ($integer:ty) => {{
            // SAFETY: the caller's promise; the integer is as long as the value and no more aligned (rules 1 and 2).
            let value = unsafe { at.cast::<$integer>().read_volatile() };
            // SAFETY: both have the same size, and any bytes are a `T` (rule 4).
            unsafe { mem::transmute_copy::<$integer, T>(&value) }
        }};
    }
    match (size_of::<T>(), align_of::<T>()) {
        (1, 1) => as_integer!(u8),
        (2, 2) => as_integer!(u16),
        (4, 4) => as_integer!(u32),
        (8, 8) => as_integer!(u64),
        (size, _) => {
            let mut value = MaybeUninit::<T>::uninit();
            for i in 0..size {
                // SAFETY: the byte is inside the value.
                let from = unsafe { at.cast::<u8>().add(i) };
                // SAFETY: as above.
                let to = unsafe { value.as_mut_ptr().cast::<u8>().add(i) };
                // SAFETY: the caller's promise (rules 1 and 2).
                let byte = unsafe { from.read_volatile() };
                // SAFETY: `to` is a byte of our own value.
                unsafe { to.write(byte) };
            }
            // SAFETY: every byte is written, and any bytes are a `T` (rule 4).
            unsafe { value.assume_init() }
        }
    }
}

/// Writes a value, as [`load`] reads it.
///
/// # Safety
///
/// As [`load`], and the memory can be written.
#[inline]
unsafe fn store<T: NoUninit>(at: *mut T, value: T) {
    macro_rules! as_integer {
        ($integer:ty) => {{
            // SAFETY: both have the same size, and no byte of the value is uninitialised (rule 4).
            let value = unsafe { mem::transmute_copy::<T, $integer>(&value) };
            // SAFETY: the caller's promise; the integer is as long as the value and no more aligned (rules 1 and 2).
            unsafe { at.cast::<$integer>().write_volatile(value) }
        }};
    }
    match (size_of::<T>(), align_of::<T>()) {
        (1, 1) => as_integer!(u8),
        (2, 2) => as_integer!(u16),
        (4, 4) => as_integer!(u32),
        (8, 8) => as_integer!(u64),
        _ => {
            for (i, &byte) in bytemuck::bytes_of(&value).iter().enumerate() {
                // SAFETY: the byte is inside the value.
                let to = unsafe { at.cast::<u8>().add(i) };
                // SAFETY: the caller's promise (rules 1 and 2).
                unsafe { to.write_volatile(byte) };
            }
        }
    }
}

impl<T, A> Clone for SharedSlice<'_, T, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, A> Copy for SharedSlice<'_, T, A> {}

// SAFETY: it is a borrow of a mapping, which is `Sync`; the values are copied in and out by volatile accesses, which any
// threads may do at once (rules 1 and 2), and types that are plain data may go to any thread.
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
