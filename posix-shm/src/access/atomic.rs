//! [`SharedAtomic`]: an integer with the standard library's atomic operations.
//!
//! They are machine code, which may access bytes that other code accesses in another size, on the
//! machines that have a file in `atomic/`. Elsewhere, and in byte-wise mode, they are the standard
//! library's. build.rs chooses the file.
//!
//! No `asm!` there has the option `nomem`, so the compiler moves no access and no fence across one.

use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst};

use crate::map::{Mapping, ReadOnly, ReadWrite};

#[cfg(pshm_machine = "aarch64")]
#[path = "atomic/aarch64.rs"]
mod machine;
#[cfg(pshm_machine = "arm")]
#[path = "atomic/arm.rs"]
mod machine;
#[cfg(pshm_machine = "loongarch64")]
#[path = "atomic/loongarch64.rs"]
mod machine;
#[cfg(pshm_machine = "riscv64")]
#[path = "atomic/riscv64.rs"]
mod machine;
#[cfg(pshm_machine = "s390x")]
#[path = "atomic/s390x.rs"]
mod machine;
#[cfg(pshm_machine = "std")]
#[path = "atomic/std.rs"]
mod machine;
#[cfg(pshm_machine = "x86")]
#[path = "atomic/x86.rs"]
mod machine;

#[cfg(any(pshm_machine = "loongarch64", pshm_machine = "riscv64", pshm_machine = "s390x"))]
mod in_word;

mod update;
mod word;
use word::Machine;
pub use word::Word;

/// An integer in a mapping, with the atomic operations of the standard library.
///
/// [`SharedCell::atomic`] and [`Mapping::atomic`] make it. The methods have the names, parameters
/// and meaning of those of [`AtomicU32`](std::sync::atomic::AtomicU32) and the like, for peers in
/// this process and in others. Like a reference, it is `Copy` and borrows the mapping.
///
/// To have an `AtomicU64` in a structure, declare a `u64` and use
/// [`field!(…).atomic()`](crate::field). The sizes of `usize` and `isize` differ between 32-bit
/// and 64-bit programs, so use them only if all peers are of one kind.
///
/// # Orderings
///
/// An [`Ordering`] means what it means in the standard library. The operations go together with
/// atomics of the standard library, with [`fence`] and [`compiler_fence`], and with the atomics of
/// C and C++ in other processes. In particular, all operations and fences that are
/// [`SeqCst`](Ordering::SeqCst), in all processes, are in one order that all of them see.
///
/// A plain load or store of a [`SharedCell`] or a [`SharedSlice`] is ordered like a
/// [`Relaxed`](Ordering::Relaxed) one: by an atomic operation, or by a fence. So is everything that
/// copies, fills, compares, iterates or streams.
///
/// This gives two rules for data that one side writes and another reads:
///
/// * To hand data over, write it, then store a word with [`Release`](Ordering::Release). Whoever
///   loads that word with [`Acquire`](Ordering::Acquire) sees the data.
/// * To give the room back, read the data, then store a word with `Release`. Whoever loads that
///   word with `Acquire` may overwrite it.
///
/// Read-only mappings have [`load`](SharedAtomic::load) alone, with every ordering that a load can
/// have. (The standard library allows only relaxed loads of read-only memory.)
///
/// # Platform-specific behavior
///
/// The chapter on [safety](crate::guide::safety) says on which machines the operations may race
/// with accesses of another size.
///
/// # Examples
///
/// A header with a counter, and a flag that publishes data:
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
/// struct Header {
///     visitors: u64,
///     ready: u32,
///     size: u32,
/// }
///
/// let mapping = Shm::anonymous(4096)?.map_mut()?;
/// let header = mapping.cell::<Header>(0)?;
/// field!(header, Header, visitors).atomic().fetch_add(1, Ordering::Relaxed);
/// field!(header, Header, size).store(640);
/// field!(header, Header, ready).atomic().store(1, Ordering::Release);
///
/// // In another process:
/// if field!(header, Header, ready).atomic().load(Ordering::Acquire) == 1 {
///     assert_eq!(field!(header, Header, size).load(), 640);
/// }
/// # Ok::<(), posix_shm::Error>(())
/// ```
///
/// A sequence lock, which [`SeqLock`](crate::SeqLock) has ready made: one writer, any number of
/// readers, which need no right to write. The sequence is odd while the data changes. A reader uses
/// what it has copied only if the sequence is even and the same afterwards. The fences are needed:
/// without the first, the data could become visible before the odd sequence does; without the
/// second, the sequence could be read again before the data is.
///
/// ```
/// use std::sync::atomic::{Ordering, fence};
/// use posix_shm::{ReadOnly, ReadWrite, SharedAtomic, SharedSlice, Shm};
///
/// fn write(
///     sequence: SharedAtomic<'_, u32>,
///     data: SharedSlice<'_, u64, ReadWrite>,
///     values: &[u64],
/// ) {
///     // If a writer has died, the sequence is odd already.
///     let odd = sequence.load(Ordering::Relaxed) | 1;
///     sequence.store(odd, Ordering::Relaxed);
///     fence(Ordering::Release);
///     data.copy_from(values);
///     sequence.store(odd.wrapping_add(1), Ordering::Release);
/// }
///
/// /// Returns false if a writer came between. Try again then.
/// fn read(
///     sequence: SharedAtomic<'_, u32, ReadOnly>,
///     data: SharedSlice<'_, u64, ReadOnly>,
///     values: &mut [u64],
/// ) -> bool {
///     let before = sequence.load(Ordering::Acquire);
///     data.copy_to(values);
///     fence(Ordering::Acquire);
///     before % 2 == 0 && sequence.load(Ordering::Relaxed) == before
/// }
///
/// let object = Shm::anonymous(4096)?;
/// let (writer, reader) = (object.map_mut()?, object.map()?);
/// write(writer.atomic(0)?, writer.slice(64, 3)?, &[1, 2, 3]);
///
/// let mut values = [0; 3];
/// assert!(read(reader.atomic(0)?, reader.slice(64, 3)?, &mut values));
/// assert_eq!(values, [1, 2, 3]);
/// # Ok::<(), posix_shm::Error>(())
/// ```
///
/// Nothing can be stored through a read-only mapping:
///
/// ```compile_fail,E0599
/// # use std::sync::atomic::Ordering;
/// # let mapping = posix_shm::Shm::anonymous(4096).unwrap().map().unwrap();
/// mapping.atomic::<u32>(0).unwrap().store(1, Ordering::Relaxed);
/// ```
///
/// [`SharedCell`]: crate::SharedCell
/// [`SharedCell::atomic`]: crate::SharedCell::atomic
/// [`SharedSlice`]: crate::SharedSlice
/// [`compiler_fence`]: std::sync::atomic::compiler_fence
/// [`fence`]: std::sync::atomic::fence
#[doc(alias = "AtomicU32", alias = "AtomicU64", alias = "AtomicUsize")]
pub struct SharedAtomic<'m, T, A = ReadWrite> {
    at: NonNull<T>,
    mapping: PhantomData<&'m Mapping<A>>,
}

impl<T: Word, A> SharedAtomic<'_, T, A> {
    /// Loads the value.
    ///
    /// # Panics
    ///
    /// Panics if `order` is [`Release`](Ordering::Release) or [`AcqRel`](Ordering::AcqRel).
    ///
    /// # Platform-specific behavior
    ///
    /// In byte-wise mode on a 32-bit machine, Rust does not guarantee that 8 bytes can be loaded
    /// from a read-only mapping. The [safety chapter](crate::guide::safety) says what this mode is.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering::Relaxed;
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let frames = mapping.atomic::<u32>(0)?;
    /// assert_eq!(frames.load(Relaxed), 0);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn load(&self, order: Ordering) -> T {
        match order {
            Release => panic!("there is no such thing as a release load"),
            AcqRel => panic!("there is no such thing as an acquire-release load"),
            _ => {}
        }
        // SAFETY: an integer that is aligned to its size is there, inside the mapping (rule 4).
        T::from_bits(unsafe { T::Bits::load(self.bits(), order) })
    }
}

impl<T: Word> SharedAtomic<'_, T, ReadWrite> {
    /// Stores a value.
    ///
    /// # Panics
    ///
    /// Panics if `order` is [`Acquire`](Ordering::Acquire) or [`AcqRel`](Ordering::AcqRel).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering::Relaxed;
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let frames = mapping.atomic::<u32>(0)?;
    /// frames.store(7, Relaxed);
    /// assert_eq!(frames.load(Relaxed), 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn store(&self, value: T, order: Ordering) {
        match order {
            Acquire => panic!("there is no such thing as an acquire store"),
            AcqRel => panic!("there is no such thing as an acquire-release store"),
            _ => {}
        }
        // SAFETY: an integer that is aligned to its size is there, inside the mapping (rule 4),
        // which is writable.
        unsafe { T::Bits::store(self.bits(), value.to_bits(), order) }
    }

    /// Stores a value and returns the previous one.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering::Relaxed;
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let newest = mapping.atomic::<u32>(0)?;
    /// assert_eq!(newest.swap(7, Relaxed), 0);
    /// assert_eq!(newest.swap(8, Relaxed), 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    pub fn swap(&self, value: T, order: Ordering) -> T {
        // SAFETY: as in `store`.
        T::from_bits(unsafe { T::Bits::swap(self.bits(), value.to_bits(), order) })
    }

    /// Stores `new` if the value is `current`, and returns the previous value.
    ///
    /// # Errors
    ///
    /// Returns the value if it is not `current`. Nothing is stored then, and the operation is a
    /// load with the ordering `failure`.
    ///
    /// # Panics
    ///
    /// Panics if `failure` is [`Release`](Ordering::Release) or [`AcqRel`](Ordering::AcqRel).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering::{AcqRel, Acquire};
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let state = mapping.atomic::<u32>(0)?;
    /// assert_eq!(state.compare_exchange(0, 1, AcqRel, Acquire), Ok(0));
    /// assert_eq!(state.compare_exchange(0, 1, AcqRel, Acquire), Err(1));
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn compare_exchange(
        &self,
        current: T,
        new: T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<T, T> {
        let order = for_both(success, failure);
        let (bits, new) = (current.to_bits(), new.to_bits());
        // SAFETY: as in `store`.
        let found =
            T::from_bits(unsafe { T::Bits::compare_exchange(self.bits(), bits, new, order) });
        if found == current { Ok(found) } else { Err(found) }
    }

    /// The same as [`compare_exchange`](SharedAtomic::compare_exchange), but it may also fail if
    /// the value is `current`. Use it in loops.
    ///
    /// # Errors
    ///
    /// Returns the value if nothing was stored.
    ///
    /// # Panics
    ///
    /// The same as [`compare_exchange`](SharedAtomic::compare_exchange).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering::Relaxed;
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let total = mapping.atomic::<u64>(0)?;
    /// let mut seen = total.load(Relaxed);
    /// while let Err(now) = total.compare_exchange_weak(seen, seen + 3, Relaxed, Relaxed) {
    ///     seen = now;
    /// }
    /// assert_eq!(total.load(Relaxed), 3);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn compare_exchange_weak(
        &self,
        current: T,
        new: T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<T, T> {
        let order = for_both(success, failure);
        let (current, new) = (current.to_bits(), new.to_bits());
        // SAFETY: as in `store`.
        let result = unsafe { T::Bits::compare_exchange_weak(self.bits(), current, new, order) };
        result.map(T::from_bits).map_err(T::from_bits)
    }

    /// Adds to the value and returns the previous one. It wraps around on overflow.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering::Relaxed;
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let counter = mapping.atomic::<u64>(0)?;
    /// assert_eq!(counter.fetch_add(3, Relaxed), 0);
    /// assert_eq!(counter.load(Relaxed), 3);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    pub fn fetch_add(&self, value: T, order: Ordering) -> T {
        // SAFETY: as in `store`.
        T::from_bits(unsafe { T::Bits::fetch_add(self.bits(), value.to_bits(), order) })
    }

    /// Subtracts from the value and returns the previous one. It wraps around on overflow.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering::Relaxed;
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let free = mapping.atomic::<u32>(0)?;
    /// free.store(8, Relaxed);
    /// assert_eq!(free.fetch_sub(1, Relaxed), 8);
    /// assert_eq!(free.load(Relaxed), 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    pub fn fetch_sub(&self, value: T, order: Ordering) -> T {
        self.fetch_add(value.negated(), order)
    }

    /// Stores the bitwise "and" of the value and another, and returns the previous value.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering::Relaxed;
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let flags = mapping.atomic::<u8>(0)?;
    /// flags.store(0b1110, Relaxed);
    /// assert_eq!(flags.fetch_and(0b0110, Relaxed), 0b1110);
    /// assert_eq!(flags.load(Relaxed), 0b0110);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    pub fn fetch_and(&self, value: T, order: Ordering) -> T {
        // SAFETY: as in `store`.
        T::from_bits(unsafe { T::Bits::fetch_and(self.bits(), value.to_bits(), order) })
    }

    /// Stores the bitwise "not and" of the value and another, `!(old & value)`, and returns the
    /// previous value.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering::Relaxed;
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let flags = mapping.atomic::<u8>(0)?;
    /// flags.store(0b1110, Relaxed);
    /// assert_eq!(flags.fetch_nand(0b0110, Relaxed), 0b1110);
    /// assert_eq!(flags.load(Relaxed), !0b0110);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    pub fn fetch_nand(&self, value: T, order: Ordering) -> T {
        let value = value.to_bits();
        self.change(order, |old| T::from_bits(!(old.to_bits() & value)))
    }

    /// Stores the bitwise "or" of the value and another, and returns the previous value.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering::Relaxed;
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let flags = mapping.atomic::<u8>(0)?;
    /// assert_eq!(flags.fetch_or(0b0110, Relaxed), 0);
    /// assert_eq!(flags.load(Relaxed), 0b0110);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    pub fn fetch_or(&self, value: T, order: Ordering) -> T {
        // SAFETY: as in `store`.
        T::from_bits(unsafe { T::Bits::fetch_or(self.bits(), value.to_bits(), order) })
    }

    /// Stores the bitwise "xor" of the value and another, and returns the previous value.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering::Relaxed;
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let flags = mapping.atomic::<u8>(0)?;
    /// flags.store(0b1110, Relaxed);
    /// assert_eq!(flags.fetch_xor(0b0110, Relaxed), 0b1110);
    /// assert_eq!(flags.load(Relaxed), 0b1000);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    pub fn fetch_xor(&self, value: T, order: Ordering) -> T {
        // SAFETY: as in `store`.
        T::from_bits(unsafe { T::Bits::fetch_xor(self.bits(), value.to_bits(), order) })
    }

    /// Stores the larger of the value and another, and returns the previous value.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering::Relaxed;
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let longest = mapping.atomic::<u32>(0)?;
    /// assert_eq!(longest.fetch_max(30, Relaxed), 0);
    /// assert_eq!(longest.fetch_max(20, Relaxed), 30);
    /// assert_eq!(longest.load(Relaxed), 30);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    pub fn fetch_max(&self, value: T, order: Ordering) -> T {
        self.change(order, |old| old.max(value))
    }

    /// Stores the smaller of the value and another, and returns the previous value.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering::Relaxed;
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let shortest = mapping.atomic::<u32>(0)?;
    /// shortest.store(u32::MAX, Relaxed);
    /// assert_eq!(shortest.fetch_min(20, Relaxed), u32::MAX);
    /// assert_eq!(shortest.load(Relaxed), 20);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    pub fn fetch_min(&self, value: T, order: Ordering) -> T {
        self.change(order, |old| old.min(value))
    }

    #[inline]
    fn change(&self, order: Ordering, change: impl Fn(T) -> T) -> T {
        let change = |old| change(T::from_bits(old)).to_bits();
        // SAFETY: as in `store`.
        T::from_bits(unsafe { T::Bits::update(self.bits(), order, change) })
    }
}

impl<'m, T: Word> SharedAtomic<'m, T, ReadWrite> {
    /// Returns the same integer without the operations that store.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering::Relaxed;
    /// use posix_shm::{ReadOnly, SharedAtomic};
    ///
    /// /// It can only look.
    /// fn is_ready(flag: SharedAtomic<'_, u32, ReadOnly>) -> bool {
    ///     flag.load(Relaxed) != 0
    /// }
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// assert!(!is_ready(mapping.atomic(0)?.as_read_only()));
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn as_read_only(&self) -> SharedAtomic<'m, T, ReadOnly> {
        SharedAtomic { at: self.at, mapping: PhantomData }
    }

    /// Borrows the integer as the standard library's atomic, to pass it to code that needs one.
    ///
    /// # Safety
    ///
    /// For as long as the reference lives:
    ///
    /// * Every access to its bytes in this process is atomic and of the same size, through any
    ///   mapping: by such references, or by a `SharedAtomic` of an integer of this size. In
    ///   particular, nothing loads, stores or copies them by a [`SharedCell`](crate::SharedCell) or
    ///   a [`SharedSlice`](crate::SharedSlice).
    /// * In other processes, only atomic machine instructions of this size access them.
    /// * Nothing shortens the object.
    ///
    /// In Rust, racing accesses of different sizes are undefined. A safe function cannot rule them
    /// out as long as [`Mapping::bytes`] exists.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let counter = mapping.atomic::<u32>(64)?;
    /// // SAFETY: this program accesses these four bytes by nothing but `counter` and this
    /// // reference. No other process has the object, and nothing shortens it.
    /// let as_std: &AtomicU32 = unsafe { counter.as_std() };
    /// as_std.fetch_add(1, Ordering::Relaxed);
    /// assert_eq!(counter.load(Ordering::Relaxed), 1);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub unsafe fn as_std(&self) -> &'m T::Atomic {
        // SAFETY: an integer that is aligned to its size is there, inside the mapping (rule 4),
        // which is writable and which the reference borrows. The atomic has the same size, and any
        // bytes are a valid one (rule 5). The caller promises that no access of another size races
        // with it.
        unsafe { self.at.cast::<T::Atomic>().as_ref() }
    }
}

impl<'m, T, A> SharedAtomic<'m, T, A> {
    /// The caller has checked that the address is a multiple of the size, and inside the mapping.
    #[inline]
    pub(super) fn new(at: NonNull<T>) -> SharedAtomic<'m, T, A> {
        SharedAtomic { at, mapping: PhantomData }
    }

    /// Returns the address of the integer. The caveats of [`Mapping::as_ptr`] apply.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let counter = mapping.atomic::<u64>(64)?;
    /// assert_eq!(counter.as_ptr().addr(), mapping.as_ptr().addr() + 64);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn as_ptr(&self) -> *const T {
        self.at.as_ptr()
    }

    /// The address, for the calls of the system.
    #[inline]
    pub(super) fn at(&self) -> NonNull<T> {
        self.at
    }

    /// The address, for the operations of the machine.
    #[inline]
    fn bits(&self) -> *mut T::Bits
    where
        T: Word,
    {
        self.at.as_ptr().cast()
    }
}

/// The ordering of a `compare_exchange`, whether it stores or not.
#[inline]
#[track_caller]
pub(super) fn for_both(success: Ordering, failure: Ordering) -> Ordering {
    match (success, failure) {
        (_, Release) => panic!("there is no such thing as a release failure ordering"),
        (_, AcqRel) => panic!("there is no such thing as an acquire-release failure ordering"),
        (success, Relaxed) => success,
        (Relaxed | Acquire, Acquire) => Acquire,
        (Release | AcqRel, Acquire) => AcqRel,
        _ => SeqCst,
    }
}

impl<T, A> Clone for SharedAtomic<'_, T, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, A> Copy for SharedAtomic<'_, T, A> {}

// SAFETY: it borrows a mapping, which is `Sync`. Any number of threads may use atomic operations at
// once, and plain data may go to any thread.
unsafe impl<T: Word, A> Send for SharedAtomic<'_, T, A> {}
// SAFETY: as for `Send`. It is `Copy`, so a reference to it can do no more than a copy can.
unsafe impl<T: Word, A> Sync for SharedAtomic<'_, T, A> {}

impl<T, A> fmt::Debug for SharedAtomic<'_, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedAtomic")
            .field("type", &std::any::type_name::<T>())
            .field("ptr", &self.at)
            .finish()
    }
}
