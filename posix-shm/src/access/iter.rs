//! [`SharedIter`] and [`SharedChunks`]: the values of a [`SharedSlice`] one after the other, or
//! some at a time.

use std::fmt;
use std::iter::FusedIterator;

use bytemuck::AnyBitPattern;

use super::copy::{self, Block};
use super::slice::SharedSlice;
use crate::map::ReadWrite;

impl<'m, T: AnyBitPattern, A> SharedSlice<'m, T, A> {
    /// Iterates over the values. Each is loaded when the iterator reaches it.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let numbers = mapping.slice::<u32>(0, 10)?;
    /// numbers.store(3, 7);
    /// assert_eq!(numbers.iter().position(|n| n == 7), Some(3));
    /// assert_eq!(numbers.iter().sum::<u32>(), 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn iter(&self) -> SharedIter<'m, T, A> {
        SharedIter::new(*self)
    }
}

impl<'m, T, A> SharedSlice<'m, T, A> {
    /// Iterates over views of `count` values each, which do not overlap. The last one is shorter if
    /// the length is not a multiple of `count`.
    ///
    /// # Panics
    ///
    /// Panics if `count` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// // A picture of 4 rows.
    /// let pixels = mapping.slice::<u32>(0, 4 * 100)?;
    /// for (y, row) in pixels.chunks(100).enumerate() {
    ///     row.fill(y as u32);
    /// }
    /// assert_eq!(pixels.load(399), 3);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn chunks(&self, count: usize) -> SharedChunks<'m, T, A> {
        assert!(count > 0, "chunks must have at least one value");
        SharedChunks::new(*self, count)
    }
}

/// An iterator over the values of a [`SharedSlice`]. [`SharedSlice::iter`] makes it.
///
/// Each value is loaded when the iterator reaches it, as [`SharedSlice::load`] loads it. So what a
/// peer writes at the same time is seen or not, value by value.
///
/// Methods that take all values (such as `fold`, `for_each`, `sum`, `max` and `count`) and methods
/// that search (`all`, `any`, `find`, `position` and `eq`) read values of 1, 2, 4 or 8 bytes in
/// blocks of 64 bytes, about as fast as those of a slice of one's own. They tear no value that
/// [`load`](SharedSlice::load) would not tear. A search may read up to 63 bytes past the value that
/// ends it.
///
/// A `for` loop and the adapters `zip` and `rev` load one value at a time. So does the compiler if
/// it finds no vectors for what is done to a value, as for `fold` with `f32::max`. Where that
/// matters, use [`for_each_block`](SharedSlice::for_each_block).
///
/// # Platform-specific behavior
///
/// Blocks take `AArch64`, or `x86_64` with AVX. Other machines load one value at a time.
///
/// # Examples
///
/// ```
/// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
/// let numbers = mapping.slice::<u32>(0, 1000)?;
/// numbers.store(7, 42);
/// assert_eq!(numbers.iter().sum::<u32>(), 42);
/// assert_eq!(numbers.iter().position(|number| number > 0), Some(7));
/// # Ok::<(), posix_shm::Error>(())
/// ```
pub struct SharedIter<'m, T, A = ReadWrite> {
    rest: SharedSlice<'m, T, A>,
}

impl<'m, T: AnyBitPattern, A> SharedIter<'m, T, A> {
    pub(super) fn new(slice: SharedSlice<'m, T, A>) -> SharedIter<'m, T, A> {
        SharedIter { rest: slice }
    }

    /// Whether the next values can be copied in a block, if values of this type can.
    #[inline]
    fn is_at_block(&self) -> bool {
        Block::can_be_at(self.rest.as_ptr())
            && self.rest.len() >= copy::BLOCK / size_of::<T>().max(1)
    }

    /// Passes values on until `found` returns `Some`, and stops after that one.
    #[inline]
    fn search<R>(&mut self, mut found: impl FnMut(T) -> Option<R>) -> Option<R> {
        let in_blocks = copy::suit_blocks::<T>();
        while !(in_blocks && self.is_at_block()) {
            // Without blocks, all values are passed on here.
            if let Some(result) = found(self.next()?) {
                return Some(result);
            }
        }
        while self.is_at_block() {
            // SAFETY: the address was checked, and that as many values are left, which are inside
            // the mapping (rule 4).
            let block = unsafe { Block::load(self.rest.as_ptr()) };
            // SAFETY: these values suit, and any bytes are a valid `T` (rule 5).
            let values = unsafe { block.values::<T>() };
            for (index, value) in values.iter().enumerate() {
                if let Some(result) = found(*value) {
                    self.rest = self.rest.range(index + 1..);
                    return Some(result);
                }
            }
            self.rest = self.rest.range(values.len()..);
        }
        for value in self {
            if let Some(result) = found(value) {
                return Some(result);
            }
        }
        None
    }
}

impl<T: AnyBitPattern, A> Iterator for SharedIter<'_, T, A> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        Some(self.rest.take_first()?.load())
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.rest.len(), Some(self.rest.len()))
    }

    #[inline]
    fn nth(&mut self, count: usize) -> Option<T> {
        self.rest = self.rest.range(count.min(self.rest.len())..);
        self.next()
    }

    #[inline]
    fn last(mut self) -> Option<T> {
        self.next_back()
    }

    #[inline]
    fn count(self) -> usize {
        self.rest.len()
    }

    #[inline]
    fn fold<B, F: FnMut(B, T) -> B>(mut self, init: B, mut f: F) -> B {
        let mut all = init;
        let in_blocks = copy::suit_blocks::<T>();
        while !(in_blocks && self.is_at_block()) {
            // Without blocks, all values are passed on here.
            let Some(value) = self.next() else { return all };
            all = f(all, value);
        }
        while self.is_at_block() {
            // SAFETY: the address was checked, and that as many values are left, which are inside
            // the mapping (rule 4).
            let block = unsafe { Block::load(self.rest.as_ptr()) };
            // SAFETY: these values suit, and any bytes are a valid `T` (rule 5).
            let values = unsafe { block.values::<T>() };
            for value in values {
                all = f(all, *value);
            }
            self.rest = self.rest.range(values.len()..);
        }
        for value in self {
            all = f(all, value);
        }
        all
    }

    #[inline]
    fn all<F: FnMut(T) -> bool>(&mut self, mut f: F) -> bool {
        self.search(|value| (!f(value)).then_some(())).is_none()
    }

    #[inline]
    fn any<F: FnMut(T) -> bool>(&mut self, mut f: F) -> bool {
        self.search(|value| f(value).then_some(())).is_some()
    }

    #[inline]
    fn find<P: FnMut(&T) -> bool>(&mut self, mut predicate: P) -> Option<T> {
        self.search(|value| predicate(&value).then_some(value))
    }

    #[inline]
    fn find_map<B, F: FnMut(T) -> Option<B>>(&mut self, f: F) -> Option<B> {
        self.search(f)
    }

    #[inline]
    fn position<P: FnMut(T) -> bool>(&mut self, mut predicate: P) -> Option<usize> {
        let mut index = 0;
        self.search(|value| {
            let found = predicate(value).then_some(index);
            index += 1;
            found
        })
    }

    #[inline]
    fn eq<I>(mut self, other: I) -> bool
    where
        I: IntoIterator,
        T: PartialEq<I::Item>,
    {
        let mut other = other.into_iter();
        let differs = |value: T| match other.next() {
            Some(theirs) if value == theirs => None,
            _ => Some(()),
        };
        self.search(differs).is_none() && other.next().is_none()
    }

    #[inline]
    fn ne<I>(self, other: I) -> bool
    where
        I: IntoIterator,
        T: PartialEq<I::Item>,
    {
        !self.eq(other)
    }
}

impl<T: AnyBitPattern, A> DoubleEndedIterator for SharedIter<'_, T, A> {
    #[inline]
    fn next_back(&mut self) -> Option<T> {
        Some(self.rest.take_last()?.load())
    }

    #[inline]
    fn nth_back(&mut self, count: usize) -> Option<T> {
        self.rest = self.rest.range(..self.rest.len().saturating_sub(count));
        self.next_back()
    }
}

impl<T: AnyBitPattern, A> ExactSizeIterator for SharedIter<'_, T, A> {}

impl<T: AnyBitPattern, A> FusedIterator for SharedIter<'_, T, A> {}

impl<T, A> Clone for SharedIter<'_, T, A> {
    fn clone(&self) -> Self {
        SharedIter { rest: self.rest }
    }
}

impl<T, A> fmt::Debug for SharedIter<'_, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedIter").field("rest", &self.rest).finish()
    }
}

impl<'m, T: AnyBitPattern, A> IntoIterator for SharedSlice<'m, T, A> {
    type Item = T;
    type IntoIter = SharedIter<'m, T, A>;

    #[inline]
    fn into_iter(self) -> SharedIter<'m, T, A> {
        self.iter()
    }
}

impl<'m, T: AnyBitPattern, A> IntoIterator for &SharedSlice<'m, T, A> {
    type Item = T;
    type IntoIter = SharedIter<'m, T, A>;

    #[inline]
    fn into_iter(self) -> SharedIter<'m, T, A> {
        self.iter()
    }
}

/// An iterator over parts of a [`SharedSlice`] that do not overlap. [`SharedSlice::chunks`] makes
/// it.
///
/// # Examples
///
/// ```
/// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
/// let numbers = mapping.slice::<u32>(0, 10)?;
/// numbers.fill(1);
/// let sums = numbers.chunks(4).map(|some| some.iter().sum::<u32>());
/// assert_eq!(sums.collect::<Vec<_>>(), [4, 4, 2]);
/// # Ok::<(), posix_shm::Error>(())
/// ```
pub struct SharedChunks<'m, T, A = ReadWrite> {
    rest: SharedSlice<'m, T, A>,
    /// At least 1.
    size: usize,
}

impl<'m, T, A> SharedChunks<'m, T, A> {
    pub(super) fn new(slice: SharedSlice<'m, T, A>, size: usize) -> SharedChunks<'m, T, A> {
        SharedChunks { rest: slice, size }
    }
}

impl<'m, T, A> Iterator for SharedChunks<'m, T, A> {
    type Item = SharedSlice<'m, T, A>;

    #[inline]
    fn next(&mut self) -> Option<SharedSlice<'m, T, A>> {
        if self.rest.is_empty() {
            return None;
        }
        let (chunk, rest) = self.rest.split_at(self.size.min(self.rest.len()));
        self.rest = rest;
        Some(chunk)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = self.rest.len().div_ceil(self.size);
        (count, Some(count))
    }

    #[inline]
    fn nth(&mut self, count: usize) -> Option<SharedSlice<'m, T, A>> {
        let skipped = count.saturating_mul(self.size).min(self.rest.len());
        self.rest = self.rest.range(skipped..);
        self.next()
    }
}

impl<'m, T, A> DoubleEndedIterator for SharedChunks<'m, T, A> {
    #[inline]
    fn next_back(&mut self) -> Option<SharedSlice<'m, T, A>> {
        if self.rest.is_empty() {
            return None;
        }
        // Only the last chunk may be shorter.
        let len = match self.rest.len() % self.size {
            0 => self.size,
            shorter => shorter,
        };
        let (rest, chunk) = self.rest.split_at(self.rest.len() - len);
        self.rest = rest;
        Some(chunk)
    }
}

impl<T, A> ExactSizeIterator for SharedChunks<'_, T, A> {}

impl<T, A> FusedIterator for SharedChunks<'_, T, A> {}

impl<T, A> Clone for SharedChunks<'_, T, A> {
    fn clone(&self) -> Self {
        SharedChunks { rest: self.rest, size: self.size }
    }
}

impl<T, A> fmt::Debug for SharedChunks<'_, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedChunks").field("rest", &self.rest).field("size", &self.size).finish()
    }
}
