//! Updates by any function, in a loop of `compare_exchange_weak`.

use std::sync::atomic::Ordering;

use super::SharedAtomic;
use super::word::Word;
use crate::map::ReadWrite;

impl<T: Word> SharedAtomic<'_, T, ReadWrite> {
    /// Replaces the value with the result of a function, unless that is `None`. Returns the
    /// previous value.
    ///
    /// If a peer changes the value meanwhile, the function is called again. The result of its last
    /// call is stored.
    ///
    /// `set_order` is for the operation that stores, and `fetch_order` for the loads before it and
    /// for attempts that fail.
    ///
    /// # Errors
    ///
    /// Returns the value if the function returns `None`. Nothing is stored then.
    ///
    /// # Panics
    ///
    /// Panics if `fetch_order` is [`Release`](Ordering::Release) or [`AcqRel`](Ordering::AcqRel).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering::Relaxed;
    ///
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let free = mapping.atomic::<u32>(0)?;
    /// free.store(1, Relaxed);
    /// assert_eq!(free.try_update(Relaxed, Relaxed, |n| n.checked_sub(1)), Ok(1));
    /// assert_eq!(free.try_update(Relaxed, Relaxed, |n| n.checked_sub(1)), Err(0));
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_update(
        &self,
        set_order: Ordering,
        fetch_order: Ordering,
        mut change: impl FnMut(T) -> Option<T>,
    ) -> Result<T, T> {
        let mut old = self.load(fetch_order);
        while let Some(new) = change(old) {
            match self.compare_exchange_weak(old, new, set_order, fetch_order) {
                Ok(old) => return Ok(old),
                Err(found) => old = found,
            }
        }
        Err(old)
    }

    /// Replaces the value with the result of a function, and returns the previous value.
    ///
    /// As [`try_update`](SharedAtomic::try_update), with a function that always has a new value.
    ///
    /// # Panics
    ///
    /// As [`try_update`](SharedAtomic::try_update).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering::Relaxed;
    ///
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let next = mapping.atomic::<u32>(0)?;
    /// next.store(7, Relaxed);
    /// assert_eq!(next.update(Relaxed, Relaxed, |n| (n + 1) % 8), 7);
    /// assert_eq!(next.load(Relaxed), 0);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn update(
        &self,
        set_order: Ordering,
        fetch_order: Ordering,
        mut change: impl FnMut(T) -> T,
    ) -> T {
        let updated = self.try_update(set_order, fetch_order, |old| Some(change(old)));
        let (Ok(old) | Err(old)) = updated;
        old
    }

    /// The older name of [`try_update`](SharedAtomic::try_update), as in the standard library.
    ///
    /// # Errors
    ///
    /// As [`try_update`](SharedAtomic::try_update).
    ///
    /// # Panics
    ///
    /// As [`try_update`](SharedAtomic::try_update).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering::Relaxed;
    ///
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let taken = mapping.atomic::<u32>(0)?;
    /// assert_eq!(taken.fetch_update(Relaxed, Relaxed, |n| n.checked_add(1)), Ok(0));
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn fetch_update(
        &self,
        set_order: Ordering,
        fetch_order: Ordering,
        change: impl FnMut(T) -> Option<T>,
    ) -> Result<T, T> {
        self.try_update(set_order, fetch_order, change)
    }
}
