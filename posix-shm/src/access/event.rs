//! [`Event`]: a flag that others wait for, which costs no system call while nobody does.
//!
//! Two words: the state and the number of waiters. Bit 0 of the state is the flag, and the other
//! bits count how often it was set. `set` changes the state and then looks at the number; a waiter
//! changes the number and then looks at the state. The two fences between let one of them see the
//! other. models/src/memory.rs goes through all that can happen, with and without each fence.

use std::fmt;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::fence;

use super::atomic::SharedAtomic;
use super::cell::SharedCell;
use super::slice::SharedSlice;
use super::wait::WaitOptions;
use crate::error::Result;
use crate::map::{Mapping, ReadWrite};

/// The flag. What is above it counts.
const SET: u32 = 1;

/// A flag in a mapping that others wait for, in this process and in others.
///
/// It stays set until a process resets it. Setting it wakes all who wait for it. [`Mapping::event`]
/// makes it; it takes 8 bytes, and zeroed memory is an event that is not set. It counts its
/// waiters: setting it while there are none is no system call, unlike
/// [`SharedAtomic::notify_all`].
///
/// In a structure, declare `[u32; 2]`, and use [`field!(…).event()`](crate::field).
///
/// What was written before [`set`](Event::set) is seen after [`wait`](Event::wait).
///
/// To sleep until there is work, reset the event, look for work, and only then wait. Whoever adds
/// work adds it first, and then sets the event. So nothing is missed if only one waits for the
/// event. If two do, one may reset what the other has not seen. If several wait for the same thing,
/// give each an event, or count in a word: its waiters load it, look for work, and then call
/// [`SharedAtomic::wait`] with what they have loaded.
///
/// If a process is killed after adding work and before it sets the event, nobody is woken: the wait
/// looks again at the event, and not at the work. If peers may be killed, wait with a limit, and
/// look for work then.
///
/// If a process is killed while it waits, it stays counted. From then on setting the event is a
/// system call each time, until zeros are written over it, and nothing else goes wrong. The process
/// that takes its place may write them, before it looks for work, if nobody else waits for the
/// event. A peer that writes anything else into the 8 bytes can keep waiters asleep until they
/// [look again](WaitOptions::look_again).
///
/// # Examples
///
/// ```
/// use std::thread;
///
/// let object = posix_shm::Shm::anonymous(4096)?;
/// let mapping = object.map_mut()?;
/// thread::scope(|scope| {
///     // In another process it is the same.
///     scope.spawn(|| {
///         mapping.bytes().store(64, 7);
///         mapping.event(0)?.set()
///     });
///     assert!(mapping.event(0)?.wait(None)?);
///     assert_eq!(mapping.bytes().load(64), 7);
///     Ok::<(), posix_shm::Error>(())
/// })?;
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Event<'m> {
    state: SharedAtomic<'m, u32>,
    waiters: SharedAtomic<'m, u32>,
}

impl Mapping<ReadWrite> {
    /// Views 8 bytes as an [`Event`], at an offset in bytes.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if they reach past the end of the mapping, or if their address is not a
    /// multiple of 4.
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// assert!(!mapping.event(64)?.is_set());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn event(&self, offset: usize) -> Result<Event<'_>> {
        Ok(Event::new(self.slice(offset, 2)?))
    }
}

impl<'m> SharedCell<'m, [u32; 2], ReadWrite> {
    /// Views the 8 bytes as an [`Event`]: a field of a structure, declared as `[u32; 2]`.
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
    /// struct Header {
    ///     frames: u64,
    ///     ready: [u32; 2],
    /// }
    ///
    /// let mapping = Shm::anonymous(4096)?.map_mut()?;
    /// let header = mapping.cell::<Header>(0)?;
    /// field!(header, Header, ready).event().set()?;
    /// assert!(mapping.event(8)?.is_set());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn event(&self) -> Event<'m> {
        Event::new(SharedSlice::new(self.at().cast(), 2))
    }
}

impl<'m> Event<'m> {
    /// The first of two words is the state.
    #[inline]
    fn new(words: SharedSlice<'m, u32, ReadWrite>) -> Event<'m> {
        Event { state: words.cell(0).atomic(), waiters: words.cell(1).atomic() }
    }
}

impl Event<'_> {
    /// Sets the event, and wakes everybody who waits for it.
    ///
    /// While nobody waits, it makes no system call.
    ///
    /// # Errors
    ///
    /// If somebody waits, the same as [`SharedAtomic::notify_all`]. The event is set then.
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let event = mapping.event(0)?;
    /// event.set()?;
    /// assert!(event.is_set());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    pub fn set(&self) -> Result<()> {
        let mut old = self.state.load(Relaxed);
        loop {
            let new = (old | SET).wrapping_add(SET + 1);
            match self.state.compare_exchange_weak(old, new, Release, Relaxed) {
                Ok(_) => break,
                Err(found) => old = found,
            }
        }
        fence(SeqCst);
        // Also if it was set already: whoever set it may have been killed before it could notify.
        if self.waiters.load(Relaxed) == 0 { Ok(()) } else { self.state.notify_all().map(drop) }
    }

    /// Waits until the event is set. False if the time is up.
    ///
    /// If it is set and reset while somebody waits, they come back too.
    ///
    /// `options` is a limit, as a [`Duration`](std::time::Duration) or as `None`, or
    /// [`WaitOptions`]. If the event is set, it makes no system call.
    ///
    /// # Errors
    ///
    /// The same as [`SharedAtomic::wait`].
    ///
    /// # Platform-specific behavior
    ///
    /// The same as [`SharedAtomic::wait`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let event = mapping.event(0)?;
    /// assert!(!event.wait(Duration::from_millis(1))?);
    /// event.set()?;
    /// assert!(event.wait(None)?);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn wait(&self, options: impl Into<WaitOptions>) -> Result<bool> {
        let options = options.into();
        let before = self.state.load(Acquire);
        if before & SET != 0 {
            return Ok(true);
        }
        // Not yet counted: a peer that answers at once need not wake anybody.
        if options.spin_on(&self.state, before) != before {
            fence(Acquire);
            return Ok(true);
        }
        if options.only_looks() {
            return Ok(false);
        }
        self.waiters.fetch_add(1, Relaxed);
        fence(SeqCst);
        // A reset alone changes nothing that counts, so another state is one that was set.
        let result = self.state.wait_while(|state| state == before, options.spin(0));
        self.waiters.fetch_sub(1, Relaxed);
        result.map(|ended| ended.is_some())
    }

    /// Resets the event: a wait from now on lasts until it is set again. Returns whether it was
    /// set.
    ///
    /// What was written before the event was set, by each call of [`set`](Event::set) until now, is
    /// seen after this.
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let event = mapping.event(0)?;
    /// event.set()?;
    /// assert!(event.reset());
    /// assert!(!event.reset());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[inline]
    #[allow(clippy::must_use_candidate, reason = "resetting is what it is for")]
    pub fn reset(&self) -> bool {
        self.state.fetch_and(!SET, Acquire) & SET != 0
    }

    /// Whether the event is set. If it is, what was written before it was set is seen.
    ///
    /// # Examples
    ///
    /// ```
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let event = mapping.event(0)?;
    /// assert!(!event.is_set());
    /// event.set()?;
    /// assert!(event.is_set());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn is_set(&self) -> bool {
        self.state.load(Acquire) & SET != 0
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("ptr", &self.state.as_ptr()).finish()
    }
}
