//! The sequence lock: one writer, and readers that take snapshots without ever stopping it.
//!
//! The sequence is odd while the data changes. It only ever decides whether a copy counts, and
//! never where anything is. models/src/memory.rs goes through all that can happen, with and without
//! each fence.

use std::any::type_name;
use std::fmt;
use std::hint;
use std::io::ErrorKind;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::fence;

use bytemuck::{AnyBitPattern, NoUninit};

use super::atomic::SharedAtomic;
use super::bounds::{Refusal, aligned_part_of, part_of};
use super::cell::SharedCell;
use super::slice::SharedSlice;
use super::views::refused;
use crate::error::{Error, Result};
use crate::failure::{Failure, Operation};
use crate::map::{Mapping, ReadOnly, ReadWrite, Shared};

/// How often a reader tries.
const TRIES: usize = 128;

/// A sequence lock on a word of a mapping: one writer, and any number of readers, of any data.
///
/// Readers take a snapshot: a copy that no writer has changed meanwhile. They need no right to
/// write, and never keep the writer waiting. [`Mapping::seq_lock`] makes it; it takes 4
/// bytes, and zeroed memory is a lock that nobody has written under.
///
/// The data can be anything that is read and written by the views of this crate. For one value
/// there is [`SeqCell`], and for many values [`SeqSlice`], which have the data next to the lock.
///
/// There must be one writer at a time: a second one gets an error. To be the only one, take
/// [`Shm::try_lock`](crate::Shm::try_lock) and keep it for as long as you write. `None` means that
/// a writer is alive.
///
/// If a writer is killed while it writes, the next one gets the error too.
/// [`reset`](SeqLock::reset) takes the lock over then. Whoever holds the object's lock knows that
/// the writer before is dead.
///
/// # Examples
///
/// ```
/// let object = posix_shm::Shm::anonymous(4096)?;
/// let (writer, reader) = (object.map_mut()?, object.map()?);
///
/// let prices = writer.slice::<f64>(64, 3)?;
/// writer.seq_lock(0)?.write(|| prices.copy_from(&[1.0, 2.0, 3.0]))?;
///
/// let prices = reader.slice::<f64>(64, 3)?;
/// let mut copy = [0.0; 3];
/// reader.seq_lock(0)?.read(|| prices.copy_to(&mut copy))?;
/// assert_eq!(copy, [1.0, 2.0, 3.0]);
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[doc(alias = "seqlock")]
pub struct SeqLock<'m, A = ReadWrite> {
    sequence: SharedAtomic<'m, u32, A>,
}

impl<A: Shared> Mapping<A> {
    /// Views 4 bytes as a [`SeqLock`], at an offset in bytes.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if they reach past the end of the mapping, or if their address is not a
    /// multiple of 4.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let (lock, name) = (mapping.seq_lock(0)?, mapping.bytes().range(64..69));
    /// lock.write(|| name.copy_from(b"alice"))?;
    /// assert_eq!(lock.read(|| name.to_vec())?, b"alice");
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn seq_lock(&self, offset: usize) -> Result<SeqLock<'_, A>> {
        Ok(SeqLock::new(self.atomic(offset)?))
    }

    /// Views a value and its sequence lock as a [`SeqCell`], at an offset in bytes.
    ///
    /// It takes [`SeqCell::SIZE`] bytes.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it reaches past the end of the mapping, or if the address is misaligned
    /// for the lock, which takes a multiple of 4, or for the value.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let position = mapping.seq_cell::<[f64; 3]>(64)?;
    /// position.store([1.0, 2.0, 3.0])?;
    /// assert_eq!(position.load()?, [1.0, 2.0, 3.0]);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn seq_cell<T: AnyBitPattern>(&self, offset: usize) -> Result<SeqCell<'_, T, A>> {
        let (lock, values) = self.locked(offset, 1)?;
        Ok(SeqCell { lock, value: values.cell(0) })
    }

    /// Views `count` values and their sequence lock as a [`SeqSlice`], at an offset in bytes.
    ///
    /// The values begin [`SeqCell::VALUE`] bytes after the lock. [`SeqSlice::size`] says how many
    /// bytes both take.
    ///
    /// # Errors
    ///
    /// The same as [`seq_cell`](Mapping::seq_cell).
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let prices = mapping.seq_slice::<f64>(0, 3)?;
    /// prices.copy_from(&[1.0, 2.0, 3.0])?;
    /// let mut copy = [0.0; 3];
    /// prices.copy_to(&mut copy)?;
    /// assert_eq!(copy, [1.0, 2.0, 3.0]);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn seq_slice<T: AnyBitPattern>(
        &self,
        offset: usize,
        count: usize,
    ) -> Result<SeqSlice<'_, T, A>> {
        let (lock, values) = self.locked(offset, count)?;
        Ok(SeqSlice { lock, values })
    }

    /// A lock and the values behind it. What is refused is said of the offset of the lock, which is
    /// the one that the caller knows.
    fn locked<T: AnyBitPattern>(
        &self,
        offset: usize,
        count: usize,
    ) -> Result<(SeqLock<'_, A>, SharedSlice<'_, T, A>)> {
        let front = SeqCell::<T>::VALUE;
        let parts = || {
            // The values are aligned if the lock is aligned as they are.
            let lock = aligned_part_of::<u32>(self.start(), self.len(), offset, 1, front)?;
            let values = part_of(self.start(), self.len(), offset.saturating_add(front), count)?;
            Ok((lock, values))
        };
        let (lock, values) = parts().map_err(|refusal| {
            refused(match refusal {
                Refusal::Misaligned { align, offset, address, .. } if align > align_of::<u32>() => {
                    Refusal::Misaligned { what: type_name::<T>(), align, offset, address }
                }
                Refusal::PastTheEnd { len, .. } => Refusal::LockedPastTheEnd {
                    what: type_name::<T>(),
                    bytes: front as u128 + count as u128 * size_of::<T>() as u128,
                    offset,
                    count,
                    len,
                },
                other => other,
            })
        })?;
        let lock = SeqLock::new(SharedAtomic::new(lock));
        Ok((lock, SharedSlice::new(values, count)))
    }
}

impl<'m, A: Shared> SharedCell<'m, u32, A> {
    /// Views the 4 bytes as a [`SeqLock`]: a field of a structure, declared as `u32`.
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
    /// struct Point {
    ///     lock: u32,
    ///     at: [f32; 3],
    /// }
    ///
    /// let mapping = Shm::anonymous(4096)?.map_mut()?;
    /// let point = mapping.cell::<Point>(0)?;
    /// let (lock, at) = (field!(point, Point, lock).seq_lock(), field!(point, Point, at));
    /// lock.write(|| at.store([1.0, 2.0, 3.0]))?;
    /// assert_eq!(lock.read(|| at.load())?, [1.0, 2.0, 3.0]);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn seq_lock(&self) -> SeqLock<'m, A> {
        SeqLock::new(self.atomic())
    }
}

impl<'m, A> SeqLock<'m, A> {
    pub(super) fn new(sequence: SharedAtomic<'m, u32, A>) -> SeqLock<'m, A> {
        SeqLock { sequence }
    }
}

impl<A: Shared> SeqLock<'_, A> {
    /// Calls a function that copies the data, until no writer has come between, and returns what
    /// that call returned.
    ///
    /// It tries 128 times at most. The function sees data that may change while it copies: it must
    /// do nothing with it but copy, and the copies of all calls but the last are worthless. If it
    /// fails, so is that one.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if a writer came between each time. Either it writes all the time, or it takes
    /// its time, or it was killed while it wrote. Try again later.
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let (lock, point) = (mapping.seq_lock(0)?, mapping.cell::<[i32; 2]>(8)?);
    /// lock.write(|| point.store([3, 4]))?;
    /// assert_eq!(lock.read(|| point.load())?, [3, 4]);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    pub fn read<R>(&self, mut copy: impl FnMut() -> R) -> Result<R> {
        for _ in 0..TRIES {
            if let Some(copied) = self.try_read(&mut copy) {
                return Ok(copied);
            }
            hint::spin_loop();
        }
        Err(blocked())
    }

    /// Tries once, as [`read`](SeqLock::read) does. `None` if a writer came between.
    ///
    /// The function is not called while a writer writes.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let (lock, point) = (mapping.seq_lock(0)?, mapping.cell::<[i32; 2]>(8)?);
    /// assert_eq!(lock.try_read(|| point.load()), Some([0, 0]));
    /// lock.write(|| assert_eq!(lock.try_read(|| point.load()), None))?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn try_read<R>(&self, copy: impl FnOnce() -> R) -> Option<R> {
        let before = self.sequence.load(Acquire);
        if before % 2 != 0 {
            return None;
        }
        let copied = copy();
        // What was copied was loaded before the sequence is loaded again.
        fence(Acquire);
        (self.sequence.load(Relaxed) == before).then_some(copied)
    }
}

impl SeqLock<'_, ReadWrite> {
    /// Calls a function that changes the data, and returns what it returned. Nobody's snapshot has
    /// a part of what it writes.
    ///
    /// If the function panics, it is as if the writer had been killed.
    ///
    /// # Errors
    ///
    /// `ResourceBusy`:
    ///
    /// * if another writer writes, or was killed while it wrote. The function is not called.
    /// * if another writer, or a [`reset`](SeqLock::reset), came between. Then the data may be a
    ///   mix, and readers may have taken it for a snapshot. That can only happen if there are two
    ///   writers, one of which has called `reset`, or a peer that breaks the rules.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::ErrorKind;
    ///
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let lock = mapping.seq_lock(0)?;
    /// let second = lock.write(|| lock.write(|| ()))?;
    /// assert_eq!(second.unwrap_err().kind(), ErrorKind::ResourceBusy);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    pub fn write<R>(&self, change: impl FnOnce() -> R) -> Result<R> {
        let even = self.sequence.load(Relaxed);
        if even % 2 != 0 {
            return Err(busy("another writer is writing, or was killed while it wrote"));
        }
        self.write_after(even, change)
    }

    /// Writes as [`write`](SeqLock::write) does, also if a writer was killed while it wrote.
    ///
    /// Nobody takes a snapshot of what that writer has left: the function must write all of the
    /// data, or repair it. Only call this if the writer is known to be dead. If it is just slow,
    /// its own [`write`](SeqLock::write) fails when it ends, and the data may be a mix of both. The
    /// same is true if a second process calls this while the first one repairs. Both are ruled out
    /// if writers hold [`Shm::lock`](crate::Shm::lock) for as long as they write. If they only take
    /// it to repair, look again under it whether [`write`](SeqLock::write) is still `ResourceBusy`.
    ///
    /// # Errors
    ///
    /// `ResourceBusy`, as [`write`](SeqLock::write), if another writer came between.
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let lock = mapping.seq_lock(0)?;
    /// // As a killed writer leaves it.
    /// mapping.bytes().fill(1);
    /// assert!(lock.read(|| mapping.bytes().load(64)).is_err());
    ///
    /// lock.reset(|| mapping.bytes().store(64, 7))?;
    /// assert_eq!(lock.read(|| mapping.bytes().load(64))?, 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    pub fn reset<R>(&self, repair: impl FnOnce() -> R) -> Result<R> {
        self.write_after(self.sequence.load(Relaxed), repair)
    }

    #[inline]
    fn write_after<R>(&self, old: u32, change: impl FnOnce() -> R) -> Result<R> {
        // The next odd number, also after an odd one: so two that reset do not both succeed.
        let odd = old.wrapping_add(1) | 1;
        // A writer sees what the one before it has written.
        if self.sequence.compare_exchange(old, odd, Acquire, Relaxed).is_err() {
            return Err(busy("another writer is writing"));
        }
        // The odd sequence is seen before anything that is written now.
        fence(Release);
        let result = change();
        match self.sequence.compare_exchange(odd, odd.wrapping_add(1), Release, Relaxed) {
            Ok(_) => Ok(result),
            Err(_) => Err(busy("another writer came between, and the data may be a mix")),
        }
    }
}

impl<'m> SeqLock<'m, ReadWrite> {
    /// Returns the same lock without the operations that write.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{ReadOnly, SeqLock};
    ///
    /// /// It can take snapshots, and change nothing.
    /// fn snapshot(lock: SeqLock<'_, ReadOnly>) -> posix_shm::Result<u8> {
    ///     lock.read(|| 7)
    /// }
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// assert_eq!(snapshot(mapping.seq_lock(0)?.as_read_only())?, 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn as_read_only(&self) -> SeqLock<'m, ReadOnly> {
        SeqLock { sequence: self.sequence.as_read_only() }
    }
}

#[cold]
fn blocked() -> Error {
    let why = "a writer was writing, or came between, at each of 128 tries; try again later";
    Failure::refused(Operation::Snapshot, ErrorKind::WouldBlock, why).named(None)
}

#[cold]
fn busy(why: &'static str) -> Error {
    let hint = "a lock has one writer; if it is dead, SeqLock::reset takes it over";
    Failure::refused(Operation::Snapshot, ErrorKind::ResourceBusy, why).with_hint(hint).named(None)
}

/// A value in a mapping that is never torn, whatever its size: one writer, any number of readers.
///
/// [`Mapping::seq_cell`] makes it. It is a [`SeqLock`] in front of the value: the lock's 4 bytes,
/// padding up to [`VALUE`](SeqCell::VALUE), and the value. Zeroed memory is a value of zeros.
///
/// # Examples
///
/// ```
/// let object = posix_shm::Shm::anonymous(4096)?;
/// let (writer, reader) = (object.map_mut()?, object.map()?);
/// writer.seq_cell::<[f64; 8]>(0)?.store([0.5; 8])?;
/// assert_eq!(reader.seq_cell::<[f64; 8]>(0)?.load()?, [0.5; 8]);
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[doc(alias = "seqlock")]
pub struct SeqCell<'m, T, A = ReadWrite> {
    lock: SeqLock<'m, A>,
    value: SharedCell<'m, T, A>,
}

impl<T> SeqCell<'_, T> {
    /// How many bytes after the lock the value is: 4, or the alignment of `T` if that is more.
    pub const VALUE: usize = if align_of::<T>() > 4 { align_of::<T>() } else { 4 };

    /// How many bytes the lock and the value take.
    pub const SIZE: usize = Self::VALUE + size_of::<T>();
}

impl<T: AnyBitPattern, A: Shared> SeqCell<'_, T, A> {
    /// Loads the value, whole.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, as [`SeqLock::read`].
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let position = mapping.seq_cell::<[f64; 3]>(0)?;
    /// assert_eq!(position.load()?, [0.0; 3]);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    pub fn load(&self) -> Result<T> {
        self.lock.read(|| self.value.load_for_snapshot())
    }
}

impl<T: AnyBitPattern + NoUninit> SeqCell<'_, T, ReadWrite> {
    /// Stores a value.
    ///
    /// # Errors
    ///
    /// `ResourceBusy`, as [`SeqLock::write`].
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let position = mapping.seq_cell::<[f64; 3]>(0)?;
    /// position.store([1.0, 2.0, 3.0])?;
    /// assert_eq!(position.load()?[2], 3.0);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    pub fn store(&self, value: T) -> Result<()> {
        self.lock.write(|| self.value.store(value))
    }
}

impl<'m, T, A> SeqCell<'m, T, A> {
    /// The lock alone: to [take it over](SeqLock::reset), or to change only a part of the value.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let counter = mapping.seq_cell::<[u64; 2]>(0)?;
    /// // As a killed writer leaves it.
    /// mapping.cell::<u32>(0)?.store(1);
    /// assert!(counter.load().is_err());
    /// counter.lock().reset(|| counter.value().store([7, 7]))?;
    /// assert_eq!(counter.load()?, [7, 7]);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn lock(&self) -> SeqLock<'m, A> {
        self.lock
    }

    /// The value alone. Read and write it only under the lock.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let pair = mapping.seq_cell::<[u32; 2]>(0)?;
    /// // Only the second changes.
    /// pair.lock().write(|| pair.value().part::<u32>(4).map(|second| second.store(7)))??;
    /// assert_eq!(pair.load()?, [0, 7]);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn value(&self) -> SharedCell<'m, T, A> {
        self.value
    }
}

/// Many values in a mapping that are copied as a whole: a frame, a table. One writer, any number of
/// readers.
///
/// [`Mapping::seq_slice`] makes it. It is a [`SeqLock`] in front of the values, as in a
/// [`SeqCell`].
///
/// The longer a copy takes, the likelier it is that the writer comes between. If it writes all the
/// time, use several of them in turn, so that a reader has one that is not written: [Between
/// processes](crate::guide::between_processes) says how.
///
/// # Examples
///
/// ```
/// let object = posix_shm::Shm::anonymous(1 << 20)?;
/// let (writer, reader) = (object.map_mut()?, object.map()?);
/// writer.seq_slice::<u8>(0, 640 * 480)?.copy_from(&vec![7; 640 * 480])?;
///
/// let mut frame = vec![0; 640 * 480];
/// reader.seq_slice::<u8>(0, 640 * 480)?.copy_to(&mut frame)?;
/// assert_eq!(frame, vec![7; 640 * 480]);
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[doc(alias = "seqlock")]
pub struct SeqSlice<'m, T, A = ReadWrite> {
    lock: SeqLock<'m, A>,
    values: SharedSlice<'m, T, A>,
}

impl<T> SeqSlice<'_, T> {
    /// How many bytes a lock and `count` values take.
    ///
    /// # Panics
    ///
    /// Panics if that is more than `usize::MAX`.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{SeqSlice, Shm};
    ///
    /// // Three frames in turn, each with a lock of its own.
    /// const FRAME: usize = SeqSlice::<u8>::size(640 * 480).next_multiple_of(64);
    /// let mapping = Shm::anonymous(3 * FRAME as u64)?.map_mut()?;
    /// mapping.seq_slice::<u8>(2 * FRAME, 640 * 480)?.copy_from(&[7; 640 * 480])?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub const fn size(count: usize) -> usize {
        match count.checked_mul(size_of::<T>()) {
            Some(bytes) => match bytes.checked_add(SeqCell::<T>::VALUE) {
                Some(bytes) => bytes,
                None => panic!("so many values do not fit into memory"),
            },
            None => panic!("so many values do not fit into memory"),
        }
    }
}

impl<T: AnyBitPattern, A: Shared> SeqSlice<'_, T, A> {
    /// Copies all values out. After an error, `out` has nothing of use.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, as [`SeqLock::read`].
    ///
    /// # Panics
    ///
    /// Panics if the lengths differ.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let prices = mapping.seq_slice::<f64>(0, 3)?;
    /// let mut copy = [1.0; 3];
    /// prices.copy_to(&mut copy)?;
    /// assert_eq!(copy, [0.0; 3]);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn copy_to(&self, out: &mut [T]) -> Result<()> {
        self.lock.read(|| self.values.copy_to(out))
    }
}

impl<T: AnyBitPattern + NoUninit> SeqSlice<'_, T, ReadWrite> {
    /// Copies all values in.
    ///
    /// # Errors
    ///
    /// `ResourceBusy`, as [`SeqLock::write`].
    ///
    /// # Panics
    ///
    /// Panics if the lengths differ. Nothing is changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let prices = mapping.seq_slice::<f64>(0, 3)?;
    /// prices.copy_from(&[1.0, 2.0, 3.0])?;
    /// assert_eq!(prices.values().load(2), 3.0);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn copy_from(&self, values: &[T]) -> Result<()> {
        assert_eq!(values.len(), self.values.len(), "the lengths differ");
        self.lock.write(|| self.values.copy_from(values))
    }
}

impl<'m, T, A> SeqSlice<'m, T, A> {
    /// The lock alone: to try only once ([`try_read`](SeqLock::try_read)), to copy a part of the
    /// values, to change them in place ([`write`](SeqLock::write)), or to
    /// [take it over](SeqLock::reset).
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let pixels = mapping.seq_slice::<u32>(0, 100)?;
    /// // A row in the middle, if no writer comes between. It tries once.
    /// let row = pixels.lock().try_read(|| pixels.values().range(40..50).to_vec());
    /// assert_eq!(row, Some(vec![0; 10]));
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn lock(&self) -> SeqLock<'m, A> {
        self.lock
    }

    /// The values alone. Read and write them only under the lock.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let pixels = mapping.seq_slice::<u32>(0, 100)?;
    /// pixels.lock().write(|| pixels.values().fill(7))?;
    /// assert_eq!(pixels.values().len(), 100);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn values(&self) -> SharedSlice<'m, T, A> {
        self.values
    }
}

macro_rules! copy_and_debug {
    ($($name:ident [$($t:ident)?] $at:ident;)*) => {
        $(
            impl<$($t,)? A> Clone for $name<'_, $($t,)? A> {
                fn clone(&self) -> Self {
                    *self
                }
            }

            impl<$($t,)? A> Copy for $name<'_, $($t,)? A> {}

            impl<$($t,)? A> fmt::Debug for $name<'_, $($t,)? A> {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.debug_struct(stringify!($name)).field(stringify!($at), &self.$at).finish()
                }
            }
        )*
    };
}

copy_and_debug! {
    SeqLock [] sequence;
    SeqCell [T] value;
    SeqSlice [T] values;
}
