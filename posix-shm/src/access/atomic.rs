//! Atomic operations on mapped integers: safe ones on a [`SharedCell`], and references to std's atomics for those who can
//! promise what they need.

use std::ops::{BitAnd, BitOr, BitXor};
use std::sync::atomic::{AtomicI8, AtomicI16, AtomicI32, AtomicU8, AtomicU16, AtomicU32};
#[cfg(target_has_atomic = "64")]
use std::sync::atomic::{AtomicI64, AtomicU64};

use bytemuck::{AnyBitPattern, NoUninit};

use super::cell::SharedCell;
use crate::error::Result;
use crate::map::{Mapping, ReadWrite};

#[cfg(all(target_arch = "x86_64", not(pshm_bytewise)))]
#[path = "atomic/x86_64.rs"]
mod machine;
#[cfg(all(target_arch = "aarch64", not(pshm_bytewise)))]
#[path = "atomic/aarch64.rs"]
mod machine;
#[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(pshm_bytewise))))]
#[path = "atomic/portable.rs"]
mod machine;

pub(super) mod sealed {
    /// The operations of the machine. Every address is of an integer in mapped memory, aligned to its size; all but
    /// `load_acquire` want it to be writable.
    #[allow(clippy::missing_safety_doc, reason = "said once, above")]
    pub trait Machine: Copy + PartialEq {
        unsafe fn load_acquire(at: *const Self) -> Self;
        unsafe fn store_release(at: *mut Self, value: Self);
        unsafe fn swap(at: *mut Self, value: Self) -> Self;
        /// What was there; the new value is now, if that was `current`.
        unsafe fn compare_exchange(at: *mut Self, current: Self, new: Self) -> Self;
        unsafe fn fetch_add(at: *mut Self, value: Self) -> Self;
        unsafe fn fetch_sub(at: *mut Self, value: Self) -> Self;
    }

    pub trait Sealed {}
}

use sealed::{Machine, Sealed};

/// An integer that a machine reads, writes and changes in one step: `u8` to `u64` and `i8` to `i64`.
///
/// The trait is sealed.
pub trait Word:
    AnyBitPattern
    + NoUninit
    + Machine
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + BitXor<Output = Self>
{
}

/// An atomic type of std that can be had in mapped memory: `AtomicU8` to `AtomicU64` and `AtomicI8` to `AtomicI64`. Not
/// `AtomicBool`: a peer may write a 2.
///
/// The trait is sealed.
pub trait Atomic: Sealed + Sync + 'static {
    /// What it holds.
    type Word: Word;
}

macro_rules! words {
    ($($word:ident $atomic:ident),* $(,)?) => {
        $(
            impl Word for $word {}

            impl Sealed for $atomic {}

            impl Atomic for $atomic {
                type Word = $word;
            }
        )*
    };
}

words!(u8 AtomicU8, u16 AtomicU16, u32 AtomicU32, i8 AtomicI8, i16 AtomicI16, i32 AtomicI32);
#[cfg(target_has_atomic = "64")]
words!(u64 AtomicU64, i64 AtomicI64);

impl<T: Word, A> SharedCell<'_, T, A> {
    /// The value as it is now, ordering nothing: the same as [`load`](SharedCell::load).
    #[must_use]
    #[inline]
    pub fn load_relaxed(&self) -> T {
        self.load()
    }

    /// The value as it is now. Whatever its writer did before [`store_release`](SharedCell::store_release), or before an
    /// operation that changed it, is seen by whatever comes after this.
    ///
    /// It only reads, and so works on a read-only mapping.
    ///
    /// # Panics
    ///
    /// Where a value of 8 bytes is not aligned to 8, which can only be on 32-bit machines.
    #[must_use]
    #[inline]
    pub fn load_acquire(&self) -> T {
        // SAFETY: a cell is an aligned integer inside the mapping (rules 3 and 4).
        unsafe { T::load_acquire(self.aligned()) }
    }

    /// The address, aligned to the size of the integer: on some 32-bit machines, more than Rust asks of it.
    #[inline]
    #[track_caller]
    fn aligned(&self) -> *mut T {
        let at = self.address();
        assert!(
            align_of::<T>() == size_of::<T>() || at.addr() % size_of::<T>() == 0,
            "an atomic operation wants the value aligned to its size"
        );
        at
    }
}

/// Operations that read, change and write in one step, for counters, flags and sequence words. No other operation on the
/// same value comes in between, in whatever thread or process; and all of them, on all values, have one order that everybody
/// sees (`Ordering::SeqCst`).
impl<T: Word> SharedCell<'_, T, ReadWrite> {
    /// Sets the value. Whoever sees it with [`load_acquire`](SharedCell::load_acquire) sees whatever was done before this.
    ///
    /// # Panics
    ///
    /// As [`load_acquire`](SharedCell::load_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let (ready, data) = (mapping.cell::<u32>(0)?, mapping.slice::<u64>(8, 100)?);
    /// data.store(0, 42);
    /// ready.store_release(1);
    ///
    /// // In another process:
    /// if ready.load_acquire() == 1 {
    ///     assert_eq!(data.load(0), 42);
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    pub fn store_release(&self, value: T) {
        // SAFETY: a cell is an aligned integer inside the mapping (rules 3 and 4), which can be written.
        unsafe { T::store_release(self.aligned(), value) }
    }

    /// Sets the value and answers what it was.
    ///
    /// # Panics
    ///
    /// As [`load_acquire`](SharedCell::load_acquire).
    #[inline]
    pub fn swap(&self, value: T) -> T {
        // SAFETY: as in `store_release`.
        unsafe { T::swap(self.aligned(), value) }
    }

    /// Sets the value if it is `current`.
    ///
    /// # Errors
    ///
    /// What it was, where that was something else; nothing is changed then.
    ///
    /// # Panics
    ///
    /// As [`load_acquire`](SharedCell::load_acquire).
    #[inline]
    pub fn compare_exchange(&self, current: T, new: T) -> Result<T, T> {
        // SAFETY: as in `store_release`.
        let found = unsafe { T::compare_exchange(self.aligned(), current, new) };
        if found == current { Ok(found) } else { Err(found) }
    }

    /// Adds to the value, wrapping around, and answers what it was.
    ///
    /// # Panics
    ///
    /// As [`load_acquire`](SharedCell::load_acquire).
    #[inline]
    pub fn fetch_add(&self, value: T) -> T {
        // SAFETY: as in `store_release`.
        unsafe { T::fetch_add(self.aligned(), value) }
    }

    /// Takes from the value, wrapping around, and answers what it was.
    ///
    /// # Panics
    ///
    /// As [`load_acquire`](SharedCell::load_acquire).
    #[inline]
    pub fn fetch_sub(&self, value: T) -> T {
        // SAFETY: as in `store_release`.
        unsafe { T::fetch_sub(self.aligned(), value) }
    }

    /// Keeps the bits that are also set in `value`, and answers what it was.
    ///
    /// # Panics
    ///
    /// As [`load_acquire`](SharedCell::load_acquire).
    #[inline]
    pub fn fetch_and(&self, value: T) -> T {
        self.fetch_update(|old| old & value)
    }

    /// Sets the bits that are set in `value`, and answers what it was.
    ///
    /// # Panics
    ///
    /// As [`load_acquire`](SharedCell::load_acquire).
    #[inline]
    pub fn fetch_or(&self, value: T) -> T {
        self.fetch_update(|old| old | value)
    }

    /// Flips the bits that are set in `value`, and answers what it was.
    ///
    /// # Panics
    ///
    /// As [`load_acquire`](SharedCell::load_acquire).
    #[inline]
    pub fn fetch_xor(&self, value: T) -> T {
        self.fetch_update(|old| old ^ value)
    }

    fn fetch_update(&self, change: impl Fn(T) -> T) -> T {
        let mut old = self.load_relaxed();
        loop {
            match self.compare_exchange(old, change(old)) {
                Ok(old) => return old,
                Err(found) => old = found,
            }
        }
    }
}

impl Mapping<ReadWrite> {
    /// A reference to one of std's atomics in the mapping, at an offset in bytes.
    ///
    /// [`SharedCell`] has safe operations for counters, flags and sequence words. This is for what they do not do, such as
    /// handing the reference to code that wants one.
    ///
    /// # Safety
    ///
    /// For as long as the reference lives, whatever may touch its bytes at the same time is an atomic access of the same
    /// size: in this process, only references that this function gave for the same offset and size, and no other view of
    /// the mapping, nor of another one of the same object; in other processes, only machine instructions that are atomic
    /// and of this size. In Rust, racing accesses of different sizes are undefined, and no way is known to keep that
    /// promise in a safe function while [`bytes`](Mapping::bytes) exists.
    ///
    /// # Errors
    ///
    /// `InvalidInput`: it would reach past the end of the mapping, or would not be aligned to its size.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// // SAFETY: nothing else in this program touches these four bytes, and nobody else has the object.
    /// let counter = unsafe { mapping.atomic::<AtomicU32>(64)? };
    /// counter.fetch_add(1, Ordering::Relaxed);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub unsafe fn atomic<T: Atomic>(&self, offset: usize) -> Result<&T> {
        let at = self.part::<T>(offset, 1)?;
        // SAFETY: it is aligned and inside the mapping (rules 3 and 4), which can be written and which the reference
        // borrows; any bytes are an integer; that nothing races with it in another size is the caller's promise.
        Ok(unsafe { at.as_ref() })
    }
}
