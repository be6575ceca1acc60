//! [`OwnedSlice`] and [`OwnedCell`]: views that keep their mapping alive.
//!
//! A borrowed view is checked when it is made and cannot outlive its mapping. These are checked
//! once too, and own a share of the mapping ([`Arc`]). So what they lend needs no check.

use std::fmt;
use std::ops::RangeBounds;
use std::ptr::NonNull;
use std::sync::Arc;

use bytemuck::AnyBitPattern;

use super::cell::SharedCell;
use super::slice::SharedSlice;
use crate::error::Result;
use crate::map::{Mapping, ReadWrite};

impl<A> Mapping<A> {
    /// Views part of the mapping as `count` values of type `T`, and keeps the mapping alive.
    ///
    /// This is [`slice`](Mapping::slice) for a view that is kept: in a structure, in a thread, in a
    /// task. `offset` counts bytes from the start of the mapping.
    ///
    /// # Errors
    ///
    /// The same as [`slice`](Mapping::slice).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let mapping = Arc::new(posix_shm::Shm::anonymous(4096)?.map_mut()?);
    /// let numbers = mapping.view::<u32>(64, 10)?;
    /// drop(mapping);
    /// let thread = std::thread::spawn(move || numbers.get().store(9, 90));
    /// # thread.join().unwrap();
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn view<T: AnyBitPattern>(
        self: &Arc<Self>,
        offset: usize,
        count: usize,
    ) -> Result<OwnedSlice<T, A>> {
        Ok(OwnedSlice::new(self.slice(offset, count)?, self))
    }

    /// Views one value of type `T`, at an offset in bytes, and keeps the mapping alive.
    ///
    /// This is [`cell`](Mapping::cell) for a view that is kept.
    ///
    /// # Errors
    ///
    /// The same as [`slice`](Mapping::slice).
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = std::sync::Arc::new(posix_shm::Shm::anonymous(4096)?.map_mut()?);
    /// let counter = mapping.view_cell::<u64>(0)?;
    /// drop(mapping);
    /// counter.get().store(7);
    /// assert_eq!(counter.get().load(), 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn view_cell<T: AnyBitPattern>(self: &Arc<Self>, offset: usize) -> Result<OwnedCell<T, A>> {
        Ok(OwnedCell::new(self.cell(offset)?, self))
    }
}

/// A [`SharedSlice`] that keeps its mapping alive: it borrows nothing, so it can be stored in a
/// structure, sent to a thread and returned.
///
/// [`Mapping::view`] makes it, and checks its bounds and its alignment. [`get`](OwnedSlice::get)
/// then lends the view without a check. Each `OwnedSlice` holds one [`Arc`] of the mapping: a clone
/// counts as a clone of the `Arc` does, and using it counts nothing.
///
/// The mapping keeps its place and its length while any view of it lives, because a method that
/// takes `&mut Mapping` cannot be called: [`Arc::get_mut`] is `None`.
///
/// # Examples
///
/// A server keeps its counters and its table for as long as it runs. Its threads share them:
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::Ordering;
/// use posix_shm::{OwnedCell, OwnedSlice, Shm};
///
/// /// What other processes can watch while the server runs.
/// #[derive(Clone)]
/// struct Statistics {
///     requests: OwnedCell<u64>,
///     /// One value for each worker: the number of the request it is working on.
///     working_on: OwnedSlice<u64>,
/// }
///
/// impl Statistics {
///     fn new(object: &Shm, workers: usize) -> posix_shm::Result<Statistics> {
///         let mapping = Arc::new(object.map_mut()?);
///         Ok(Statistics {
///             requests: mapping.view_cell(0)?,
///             working_on: mapping.view(64, workers)?,
///         })
///     }
///
///     fn begin(&self, worker: usize) {
///         let request = self.requests.get().atomic().fetch_add(1, Ordering::Relaxed);
///         self.working_on.get().store(worker, request);
///     }
/// }
///
/// let object = Shm::anonymous(4096)?;
/// let statistics = Statistics::new(&object, 4)?;
/// let threads: Vec<_> = (0..4)
///     .map(|worker| {
///         let statistics = statistics.clone();
///         std::thread::spawn(move || (0..25).for_each(|_| statistics.begin(worker)))
///     })
///     .collect();
/// # threads.into_iter().for_each(|thread| thread.join().unwrap());
///
/// // Another process that has the object watches.
/// assert_eq!(object.map()?.cell::<u64>(0)?.load(), 100);
/// # Ok::<(), posix_shm::Error>(())
/// ```
///
/// The bounds of [`SharedSlice`] apply. Not every byte is a `bool`:
///
/// ```compile_fail,E0277
/// # let mapping = posix_shm::Shm::anonymous(4096).unwrap().map_mut().unwrap();
/// # let mapping = std::sync::Arc::new(mapping);
/// mapping.view::<bool>(0, 1).unwrap();
/// ```
///
/// A mapping for reading has no views that write:
///
/// ```compile_fail,E0599
/// # let mapping = posix_shm::Shm::anonymous(4096).unwrap().map().unwrap();
/// # let mapping = std::sync::Arc::new(mapping);
/// mapping.view::<u8>(0, 1).unwrap().get().store(0, 1);
/// ```
///
/// What it lends cannot outlive it:
///
/// ```compile_fail,E0505
/// # let mapping = posix_shm::Shm::anonymous(4096).unwrap().map().unwrap();
/// # let mapping = std::sync::Arc::new(mapping);
/// let owned = mapping.view::<u8>(0, 1).unwrap();
/// let lent = owned.get();
/// drop(owned);
/// lent.load(0);
/// ```
pub struct OwnedSlice<T, A = ReadWrite> {
    start: NonNull<T>,
    len: usize,
    mapping: Arc<Mapping<A>>,
}

impl<T: AnyBitPattern, A> OwnedSlice<T, A> {
    /// Lends the view. It checks nothing and counts nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = std::sync::Arc::new(posix_shm::Shm::anonymous(4096)?.map_mut()?);
    /// let numbers = mapping.view::<u32>(0, 10)?;
    /// numbers.get().store(3, 7);
    /// assert_eq!(numbers.get().load(3), 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn get(&self) -> SharedSlice<'_, T, A> {
        // The values are aligned and inside the mapping (rule 4), which lives as long as this does.
        // Nobody can have moved or shortened it: that takes `&mut`, and this holds an `Arc` of it.
        SharedSlice::new(self.start, self.len)
    }

    /// Returns the number of values.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = std::sync::Arc::new(posix_shm::Shm::anonymous(4096)?.map_mut()?);
    /// assert_eq!(mapping.view::<u32>(0, 10)?.len(), 10);
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
    /// # let mapping = std::sync::Arc::new(posix_shm::Shm::anonymous(4096)?.map_mut()?);
    /// assert!(mapping.view::<u32>(0, 0)?.is_empty());
    /// assert!(!mapping.view::<u32>(0, 10)?.is_empty());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Views some of the values, and keeps the mapping alive as well.
    ///
    /// To view them for a moment, use `get().range(…)`, which counts nothing.
    ///
    /// # Panics
    ///
    /// Panics if the range is out of bounds, or if it ends before it starts.
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = std::sync::Arc::new(posix_shm::Shm::anonymous(4096)?.map_mut()?);
    /// let numbers = mapping.view::<u32>(0, 10)?;
    /// let last = numbers.range(5..);
    /// drop(numbers);
    /// last.get().fill(7);
    /// assert_eq!(mapping.slice::<u32>(0, 6)?.to_vec(), [0, 0, 0, 0, 0, 7]);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn range(&self, range: impl RangeBounds<usize>) -> OwnedSlice<T, A> {
        OwnedSlice::new(self.get().range(range), &self.mapping)
    }

    /// Views one of the values, and keeps the mapping alive as well.
    ///
    /// To view it for a moment, use `get().cell(…)`, which counts nothing.
    ///
    /// # Panics
    ///
    /// Panics if the index is out of bounds.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = std::sync::Arc::new(posix_shm::Shm::anonymous(4096)?.map_mut()?);
    /// let numbers = mapping.view::<u32>(0, 10)?;
    /// let last = numbers.cell(9);
    /// last.get().store(7);
    /// assert_eq!(numbers.get().load(9), 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn cell(&self, index: usize) -> OwnedCell<T, A> {
        OwnedCell::new(self.get().cell(index), &self.mapping)
    }

    /// The mapping that it keeps alive.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = std::sync::Arc::new(posix_shm::Shm::anonymous(4096)?.map_mut()?);
    /// let numbers = mapping.view::<u32>(0, 10)?;
    /// // Another view of the same mapping.
    /// let counter = numbers.mapping().view_cell::<u64>(64)?;
    /// assert_eq!(counter.get().load(), 0);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    pub fn mapping(&self) -> &Arc<Mapping<A>> {
        &self.mapping
    }

    /// The caller has made this view of this mapping.
    fn new(view: SharedSlice<'_, T, A>, mapping: &Arc<Mapping<A>>) -> OwnedSlice<T, A> {
        let (start, len) = (address(view.as_ptr()), view.len());
        OwnedSlice { start, len, mapping: Arc::clone(mapping) }
    }
}

/// A [`SharedCell`] that keeps its mapping alive: it borrows nothing, so it can be stored in a
/// structure, sent to a thread and returned.
///
/// [`Mapping::view_cell`] and [`OwnedSlice::cell`] make it. [`get`](OwnedCell::get) then lends the
/// view without a check. [`OwnedSlice`] says what it holds, and has the example of a server.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::Ordering;
/// use posix_shm::Shm;
///
/// let counter = Arc::new(Shm::anonymous(4096)?.map_mut()?).view_cell::<u64>(0)?;
/// let other = counter.clone();
/// let add = move || other.get().atomic().fetch_add(3, Ordering::Relaxed);
/// std::thread::spawn(add).join().unwrap();
/// assert_eq!(counter.get().load(), 3);
/// # Ok::<(), posix_shm::Error>(())
/// ```
///
/// What it lends cannot outlive it:
///
/// ```compile_fail,E0716
/// # let mapping = posix_shm::Shm::anonymous(4096).unwrap().map().unwrap();
/// # let mapping = std::sync::Arc::new(mapping);
/// let lent = mapping.view_cell::<u64>(0).unwrap().get();
/// lent.load();
/// ```
pub struct OwnedCell<T, A = ReadWrite> {
    at: NonNull<T>,
    mapping: Arc<Mapping<A>>,
}

/// For [`field!`](crate::field), which calls these of a cell.
impl<T: AnyBitPattern, A> OwnedCell<T, A> {
    #[doc(hidden)]
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn project<F: AnyBitPattern>(
        &self,
        offset: usize,
        of: impl FnOnce(&T) -> &F,
    ) -> SharedCell<'_, F, A> {
        self.get().project(offset, of)
    }
}

impl<T: AnyBitPattern, A> OwnedCell<T, A> {
    /// Lends the view. It checks nothing and counts nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = std::sync::Arc::new(posix_shm::Shm::anonymous(4096)?.map_mut()?);
    /// let counter = mapping.view_cell::<u64>(0)?;
    /// counter.get().store(7);
    /// assert_eq!(counter.get().load(), 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn get(&self) -> SharedCell<'_, T, A> {
        // As for a slice.
        SharedCell::new(self.at)
    }

    /// The mapping that it keeps alive.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = std::sync::Arc::new(posix_shm::Shm::anonymous(4096)?.map_mut()?);
    /// let counter = mapping.view_cell::<u64>(0)?;
    /// // Another view of the same mapping.
    /// let table = counter.mapping().view::<u32>(64, 10)?;
    /// assert_eq!(table.len(), 10);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    pub fn mapping(&self) -> &Arc<Mapping<A>> {
        &self.mapping
    }

    /// The caller has made this view of this mapping.
    fn new(view: SharedCell<'_, T, A>, mapping: &Arc<Mapping<A>>) -> OwnedCell<T, A> {
        OwnedCell { at: address(view.as_ptr()), mapping: Arc::clone(mapping) }
    }
}

/// The address of a view.
fn address<T>(of_view: *const T) -> NonNull<T> {
    // SAFETY: every view has its address from a mapping, and no mapping reaches address 0.
    unsafe { NonNull::new_unchecked(of_view.cast_mut()) }
}

impl<T, A> Clone for OwnedSlice<T, A> {
    fn clone(&self) -> OwnedSlice<T, A> {
        OwnedSlice { start: self.start, len: self.len, mapping: Arc::clone(&self.mapping) }
    }
}

impl<T, A> Clone for OwnedCell<T, A> {
    fn clone(&self) -> OwnedCell<T, A> {
        OwnedCell { at: self.at, mapping: Arc::clone(&self.mapping) }
    }
}

// SAFETY: as the view that it lends. An `Arc` of a mapping, which is `Send` and `Sync`, may be
// dropped by any thread.
unsafe impl<T: AnyBitPattern, A> Send for OwnedSlice<T, A> {}
// SAFETY: as for `Send`. A reference to it lends views, which are `Sync`.
unsafe impl<T: AnyBitPattern, A> Sync for OwnedSlice<T, A> {}
// SAFETY: as for `OwnedSlice`.
unsafe impl<T: AnyBitPattern, A> Send for OwnedCell<T, A> {}
// SAFETY: as for `OwnedSlice`.
unsafe impl<T: AnyBitPattern, A> Sync for OwnedCell<T, A> {}

impl<T, A> fmt::Debug for OwnedSlice<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedSlice")
            .field("type", &std::any::type_name::<T>())
            .field("ptr", &self.start)
            .field("len", &self.len)
            .field("mapping", &self.mapping)
            .finish()
    }
}

impl<T, A> fmt::Debug for OwnedCell<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedCell")
            .field("type", &std::any::type_name::<T>())
            .field("ptr", &self.at)
            .field("mapping", &self.mapping)
            .finish()
    }
}
