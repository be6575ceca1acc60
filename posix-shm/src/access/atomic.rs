//! The atomic operations of a [`SharedCell`] that holds an integer.
//!
//! They are machine code, which may access bytes that other code accesses in another size, on the
//! machines that have a file in `atomic/`. Elsewhere, and in byte-wise mode, they are the standard
//! library's. build.rs chooses the file.

use std::ops::{BitAnd, BitOr, BitXor};
use std::sync::atomic::{AtomicI8, AtomicI16, AtomicI32, AtomicU8, AtomicU16, AtomicU32};
#[cfg(pshm_atomic_64)]
use std::sync::atomic::{AtomicI64, AtomicU64};

use bytemuck::{AnyBitPattern, NoUninit};

use super::cell::SharedCell;
use crate::map::ReadWrite;

#[cfg_attr(pshm_machine = "aarch64", path = "atomic/aarch64.rs")]
#[cfg_attr(pshm_machine = "arm", path = "atomic/arm.rs")]
#[cfg_attr(pshm_machine = "loongarch64", path = "atomic/loongarch64.rs")]
#[cfg_attr(pshm_machine = "riscv64", path = "atomic/riscv64.rs")]
#[cfg_attr(pshm_machine = "s390x", path = "atomic/s390x.rs")]
#[cfg_attr(pshm_machine = "std", path = "atomic/std.rs")]
#[cfg_attr(pshm_machine = "x86", path = "atomic/x86.rs")]
mod machine;

#[cfg(any(pshm_machine = "loongarch64", pshm_machine = "riscv64", pshm_machine = "s390x"))]
mod in_word;

pub(super) mod sealed {
    use bytemuck::AnyBitPattern;

    use super::super::copy;

    /// The operations of the machine. A file in `atomic/` has those of unsigned integers.
    ///
    /// # Safety
    ///
    /// For every function: the address is that of an integer in mapped memory, and a multiple of
    /// its size. Except for the loads, the memory is writable.
    #[allow(clippy::missing_safety_doc, reason = "the contract of all of them is above")]
    pub trait Machine: AnyBitPattern + PartialEq {
        unsafe fn load_relaxed(at: *const Self) -> Self {
            // SAFETY: the caller's promise. The copy engine moves an integer that fits a register
            // in one access.
            unsafe { copy::load(at) }
        }
        unsafe fn load_acquire(at: *const Self) -> Self;
        unsafe fn store_release(at: *mut Self, value: Self);
        unsafe fn swap(at: *mut Self, value: Self) -> Self;
        /// Stores `new` if the value is `current`. Returns the previous value.
        unsafe fn compare_exchange(at: *mut Self, current: Self, new: Self) -> Self;
        unsafe fn fetch_add(at: *mut Self, value: Self) -> Self;
    }

    pub trait Integer: Machine {
        /// What to add to subtract it.
        fn negated(self) -> Self;
    }

    pub trait Sealed {}
}

use sealed::{Integer, Machine, Sealed};

/// An integer that has atomic operations: `u8`, `u16`, `u32`, `u64`, `i8`, `i16`, `i32` or `i64`.
///
/// The trait is sealed.
///
/// # Platform-specific behavior
///
/// `u64` and `i64` are left out on machines without 64-bit atomics, and on ARM before version 7.
pub trait Word:
    AnyBitPattern
    + NoUninit
    + Integer
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + BitXor<Output = Self>
{
}

/// A type of the standard library that [`Mapping::atomic`] can return: `AtomicU8` to `AtomicU64`
/// and `AtomicI8` to `AtomicI64`.
///
/// `AtomicBool` is left out because a peer may write a byte that is not a `bool`.
///
/// The trait is sealed.
///
/// [`Mapping::atomic`]: crate::Mapping::atomic
pub trait Atomic: Sealed + Sync + 'static {
    /// The integer inside.
    type Word: Word;
}

macro_rules! words {
    ($($word:ident $atomic:ident),* $(,)?) => {
        $(
            impl Integer for $word {
                #[inline]
                fn negated(self) -> $word {
                    self.wrapping_neg()
                }
            }

            impl Word for $word {}

            impl Sealed for $atomic {}

            impl Atomic for $atomic {
                type Word = $word;
            }
        )*
    };
}

words!(u8 AtomicU8, u16 AtomicU16, u32 AtomicU32, i8 AtomicI8, i16 AtomicI16, i32 AtomicI32);
#[cfg(pshm_atomic_64)]
words!(u64 AtomicU64, i64 AtomicI64);

/// Signed integers have the operations of unsigned ones: they only differ in how bits are read.
macro_rules! signed {
    ($($signed:ident $unsigned:ident),*) => {
        $(
            impl Machine for $signed {
                #[inline]
                unsafe fn load_relaxed(at: *const $signed) -> $signed {
                    // SAFETY: the caller's promise. Both have the same size.
                    let value = unsafe { $unsigned::load_relaxed(at.cast()) };
                    value as $signed
                }

                #[inline]
                unsafe fn load_acquire(at: *const $signed) -> $signed {
                    // SAFETY: as above.
                    let value = unsafe { $unsigned::load_acquire(at.cast()) };
                    value as $signed
                }

                #[inline]
                unsafe fn store_release(at: *mut $signed, value: $signed) {
                    // SAFETY: as above.
                    unsafe { $unsigned::store_release(at.cast(), value as $unsigned) }
                }

                #[inline]
                unsafe fn swap(at: *mut $signed, value: $signed) -> $signed {
                    // SAFETY: as above.
                    let value = unsafe { $unsigned::swap(at.cast(), value as $unsigned) };
                    value as $signed
                }

                #[inline]
                unsafe fn compare_exchange(
                    at: *mut $signed,
                    current: $signed,
                    new: $signed,
                ) -> $signed {
                    let (current, new) = (current as $unsigned, new as $unsigned);
                    // SAFETY: as above.
                    let value = unsafe { $unsigned::compare_exchange(at.cast(), current, new) };
                    value as $signed
                }

                #[inline]
                unsafe fn fetch_add(at: *mut $signed, value: $signed) -> $signed {
                    // SAFETY: as above.
                    let value = unsafe { $unsigned::fetch_add(at.cast(), value as $unsigned) };
                    value as $signed
                }
            }
        )*
    };
}

signed!(i8 u8, i16 u16, i32 u32);
#[cfg(pshm_atomic_64)]
signed!(i64 u64);

impl<T: Word, A> SharedCell<'_, T, A> {
    /// Loads the value with acquire ordering, like `Ordering::Acquire`.
    ///
    /// If it returns a value that [`store_release`](SharedCell::store_release) or a
    /// read-modify-write operation stored, every access after this load sees what the writer wrote
    /// before. Accesses before this load may still happen after it.
    ///
    /// # Panics
    ///
    /// Panics if a value of 8 bytes is not at a multiple of 8. That can only happen on 32-bit
    /// machines.
    ///
    /// # Platform-specific behavior
    ///
    /// It works on a read-only mapping. In byte-wise mode on a 32-bit machine, Rust does not
    /// guarantee this for values of 8 bytes. The [safety chapter](crate#safety) says what this mode
    /// is.
    #[must_use]
    #[inline]
    pub fn load_acquire(&self) -> T {
        // SAFETY: a cell is an aligned integer inside the mapping (rules 3 and 4).
        unsafe { T::load_acquire(self.aligned()) }
    }
}

impl<T: Word> SharedCell<'_, T, ReadWrite> {
    /// Stores a value with release ordering, like `Ordering::Release`.
    ///
    /// A peer whose [`load_acquire`](SharedCell::load_acquire) returns the value also sees what
    /// was written before this store. Accesses after this store may still happen before it.
    ///
    /// # Panics
    ///
    /// The same as [`load_acquire`](SharedCell::load_acquire).
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
        // SAFETY: a cell is an aligned integer inside the mapping (rules 3 and 4), which is
        // writable.
        unsafe { T::store_release(self.aligned(), value) }
    }
}

/// Read-modify-write operations, for counters, flags and locks.
///
/// Each is atomic: no other operation on the value, in any thread or process, happens in between.
///
/// Each has sequentially consistent ordering, like `Ordering::SeqCst`: it acquires and releases,
/// and all threads and processes see all operations of this group, on all values, in one order.
/// [`load_acquire`](SharedCell::load_acquire) and [`store_release`](SharedCell::store_release) are
/// not part of that order. For example, if a thread calls `store_release` on one value and then
/// `load_acquire` on another, the load may happen first. Where that matters, store with
/// [`swap`](SharedCell::swap) and load with `fetch_add(0)`.
impl<T: Word> SharedCell<'_, T, ReadWrite> {
    /// Stores a value and returns the previous one.
    ///
    /// # Panics
    ///
    /// The same as [`load_acquire`](SharedCell::load_acquire).
    #[inline]
    pub fn swap(&self, value: T) -> T {
        // SAFETY: as in `store_release`.
        unsafe { T::swap(self.aligned(), value) }
    }

    /// Stores `new` if the value is `current`, and returns the previous value.
    ///
    /// # Errors
    ///
    /// Returns the value if it is not `current`. Nothing is stored then.
    ///
    /// # Panics
    ///
    /// The same as [`load_acquire`](SharedCell::load_acquire).
    #[inline]
    pub fn compare_exchange(&self, current: T, new: T) -> Result<T, T> {
        // SAFETY: as in `store_release`.
        let found = unsafe { T::compare_exchange(self.aligned(), current, new) };
        if found == current { Ok(found) } else { Err(found) }
    }

    /// Adds to the value and returns the previous one. It wraps around on overflow.
    ///
    /// # Panics
    ///
    /// The same as [`load_acquire`](SharedCell::load_acquire).
    #[inline]
    pub fn fetch_add(&self, value: T) -> T {
        // SAFETY: as in `store_release`.
        unsafe { T::fetch_add(self.aligned(), value) }
    }

    /// Subtracts from the value and returns the previous one. It wraps around on overflow.
    ///
    /// # Panics
    ///
    /// The same as [`load_acquire`](SharedCell::load_acquire).
    #[inline]
    pub fn fetch_sub(&self, value: T) -> T {
        // SAFETY: as in `store_release`.
        unsafe { T::fetch_add(self.aligned(), value.negated()) }
    }

    /// Clears the bits that are not set in `value`, and returns the previous value.
    ///
    /// # Panics
    ///
    /// The same as [`load_acquire`](SharedCell::load_acquire).
    #[inline]
    pub fn fetch_and(&self, value: T) -> T {
        self.fetch_update(|old| old & value)
    }

    /// Sets the bits that are set in `value`, and returns the previous value.
    ///
    /// # Panics
    ///
    /// The same as [`load_acquire`](SharedCell::load_acquire).
    #[inline]
    pub fn fetch_or(&self, value: T) -> T {
        self.fetch_update(|old| old | value)
    }

    /// Flips the bits that are set in `value`, and returns the previous value.
    ///
    /// # Panics
    ///
    /// The same as [`load_acquire`](SharedCell::load_acquire).
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

impl<T: Word, A> SharedCell<'_, T, A> {
    /// Loads the value with relaxed ordering, like `Ordering::Relaxed`. It orders no other access.
    ///
    /// Unlike [`load`](SharedCell::load), it is atomic in every mode and on every machine.
    ///
    /// # Panics
    ///
    /// The same as [`load_acquire`](SharedCell::load_acquire).
    #[must_use]
    #[inline]
    pub fn load_relaxed(&self) -> T {
        // SAFETY: as in `load_acquire`.
        unsafe { T::load_relaxed(self.aligned()) }
    }

    /// The address, checked to be a multiple of the integer's size. On some 32-bit machines Rust
    /// does not align integers of 8 bytes that far.
    #[inline]
    #[track_caller]
    fn aligned(&self) -> *mut T {
        let at = self.address();
        assert!(
            align_of::<T>() == size_of::<T>() || at.addr() % size_of::<T>() == 0,
            "atomic operations need a value that is aligned to its size"
        );
        at
    }
}
