//! Waiting for a word to change, and waking who waits.
//!
//! Only the kernel's comparison decides whether a waiter sleeps, so a change just before it sleeps
//! is not lost. Where the system cannot sleep, the loop here polls.

use std::hint;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::atomic::SharedAtomic;
use crate::error::Result;
use crate::failure::{Errno, Failure, Operation};
use crate::imp::{self, Slept};
use crate::map::{ReadWrite, Shared};

/// How [`SharedAtomic::wait`] has ended.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use posix_shm::Waited;
///
/// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
/// match mapping.atomic::<u32>(0)?.wait(0, Duration::from_millis(1))? {
///     Waited::TimedOut => println!("nothing yet"),
///     _ => println!("look for work"),
/// }
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "the word may be as it was: the wait may have timed out"]
#[non_exhaustive]
pub enum Waited {
    /// It was woken. The value may be the old one: load it.
    ///
    /// On FreeBSD and macOS also if it had another value just before it would have slept, because
    /// these systems do not tell.
    Woken,
    /// The value is not the one that the caller had seen, or was not for a moment.
    Changed,
    /// The time is up, and the value was still the one that the caller had seen.
    TimedOut,
}

/// How long to wait, and how.
///
/// Every method that waits takes one, or what becomes one: a [`Duration`] is the limit, and `None`
/// is no limit.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use posix_shm::{WaitOptions, Waited};
///
/// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
/// let word = mapping.atomic::<u32>(0)?;
/// // Goes to sleep at once.
/// let options = WaitOptions::new().limit(Duration::from_millis(1)).spin(0);
/// assert_eq!(word.wait(0, options)?, Waited::TimedOut);
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WaitOptions {
    limit: Option<Duration>,
    spin: u32,
    look_again: Duration,
}

impl WaitOptions {
    /// No limit, 100 looks before it sleeps, and another look each second.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::WaitOptions;
    ///
    /// assert_eq!(WaitOptions::new(), None.into());
    /// ```
    #[must_use]
    pub const fn new() -> WaitOptions {
        WaitOptions { limit: None, spin: 100, look_again: Duration::from_secs(1) }
    }

    /// How long to wait at most. By default there is no limit.
    ///
    /// Signals do not stretch the time, and time that the machine spends suspended may not count. A
    /// limit of zero only looks. One that ends after the clock does, such as [`Duration::MAX`], is
    /// none.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use posix_shm::{WaitOptions, Waited};
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let options = WaitOptions::new().limit(Duration::from_millis(1));
    /// assert_eq!(mapping.atomic::<u32>(0)?.wait(0, options)?, Waited::TimedOut);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    pub const fn limit(self, limit: Duration) -> WaitOptions {
        WaitOptions { limit: Some(limit), ..self }
    }

    /// How often to look at the word before going to sleep: 100 times by default, which takes a few
    /// microseconds.
    ///
    /// A peer that answers within that time then costs neither side a system call. Use 0 if the two
    /// share a processor, or if the answer takes long anyway.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use posix_shm::{WaitOptions, Waited};
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// // Go to sleep at once.
    /// let options = WaitOptions::new().spin(0).limit(Duration::from_millis(1));
    /// assert_eq!(mapping.atomic::<u32>(0)?.wait(0, options)?, Waited::TimedOut);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    pub const fn spin(self, looks: u32) -> WaitOptions {
        WaitOptions { spin: looks, ..self }
    }

    /// How often to look at the word while asleep, although nobody has woken this waiter: each
    /// second by default. With [`Duration::MAX`] it never does.
    ///
    /// So a waiter comes back if a peer was killed after it stored the word and before it woke
    /// anybody, and notices that the word's page was cut off.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use posix_shm::{WaitOptions, Waited};
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let word = mapping.atomic::<u32>(0)?;
    /// // Peers that may be killed: look ten times a second.
    /// let options = WaitOptions::new().look_again(Duration::from_millis(100));
    /// assert_eq!(word.wait(0, options.limit(Duration::from_millis(1)))?, Waited::TimedOut);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    pub const fn look_again(self, every: Duration) -> WaitOptions {
        WaitOptions { look_again: every, ..self }
    }

    pub(super) fn only_looks(&self) -> bool {
        self.limit == Some(Duration::ZERO)
    }

    /// Looks at the word for a while, until it has another value. Returns the last one.
    #[inline]
    pub(super) fn spin_on<A: Shared>(&self, word: &SharedAtomic<'_, u32, A>, seen: u32) -> u32 {
        let looks = if self.only_looks() { self.spin.min(1) } else { self.spin };
        for _ in 0..looks {
            let value = word.load(Ordering::Relaxed);
            if value != seen {
                return value;
            }
            hint::spin_loop();
        }
        seen
    }
}

impl Default for WaitOptions {
    fn default() -> WaitOptions {
        WaitOptions::new()
    }
}

/// This limit.
impl From<Duration> for WaitOptions {
    fn from(limit: Duration) -> WaitOptions {
        WaitOptions::new().limit(limit)
    }
}

/// This limit, or none.
impl From<Option<Duration>> for WaitOptions {
    fn from(limit: Option<Duration>) -> WaitOptions {
        WaitOptions { limit, ..WaitOptions::new() }
    }
}

/// One wait, which may sleep several times.
struct Waiter {
    options: WaitOptions,
    /// When the time is up, once it is known. `Some(None)` is never.
    end: Option<Option<Duration>>,
    /// How long the last pause was, where the system cannot sleep.
    pause: Duration,
}

impl Waiter {
    fn new(options: WaitOptions) -> Waiter {
        Waiter { options, end: None, pause: Duration::ZERO }
    }

    /// When the time is up. The clock is asked only once it matters.
    fn end(&mut self) -> Result<Option<Duration>> {
        if let Some(end) = self.end {
            return Ok(end);
        }
        let end = match self.options.limit {
            None => None,
            Some(limit) => now()?.checked_add(limit),
        };
        self.end = Some(end);
        Ok(end)
    }

    fn is_over(&mut self) -> Result<bool> {
        Ok(match self.end()? {
            None => false,
            Some(end) => now()? >= end,
        })
    }

    fn wait<A: Shared>(&mut self, word: &SharedAtomic<'_, u32, A>, seen: u32) -> Result<Waited> {
        if self.options.spin_on(word, seen) != seen {
            return Ok(Waited::Changed);
        }
        let only_looks = self.options.only_looks();
        if only_looks && self.options.spin > 0 {
            return Ok(Waited::TimedOut);
        }
        if A::IS_READ_ONLY && !imp::CAPABILITIES.wait_read_only {
            return self.poll(word, seen);
        }
        let end = self.end()?;
        let mut until = self.nap(end)?;
        let mut is_last = only_looks;
        loop {
            match imp::wait(word.at(), seen, until).map_err(failed(Operation::Wait))? {
                Slept::Woken => return Ok(Waited::Woken),
                Slept::Changed => return Ok(Waited::Changed),
                Slept::Interrupted => {}
                // The kernel has not looked at the word since it began to sleep.
                Slept::TimedOut if until != end => until = self.nap(end)?,
                Slept::TimedOut if !is_last => is_last = true,
                Slept::TimedOut => return Ok(Waited::TimedOut),
                Slept::NotNow => {
                    if let Some(waited) = self.look(word, seen)? {
                        return Ok(waited);
                    }
                }
                Slept::Unable => return self.poll(word, seen),
            }
        }
    }

    /// Until when to sleep: to the end, or until it is time to look again.
    fn nap(&self, end: Option<Duration>) -> Result<Option<Duration>> {
        if self.options.look_again == Duration::MAX {
            return Ok(end);
        }
        let nap = now()?.checked_add(self.options.look_again);
        Ok(match (end, nap) {
            (Some(end), Some(nap)) => Some(end.min(nap)),
            (end, nap) => end.or(nap),
        })
    }

    /// Looks at the word again and again, with pauses that grow.
    #[cold]
    fn poll<A: Shared>(&mut self, word: &SharedAtomic<'_, u32, A>, seen: u32) -> Result<Waited> {
        loop {
            if let Some(waited) = self.look(word, seen)? {
                return Ok(waited);
            }
        }
    }

    /// Looks at the word, and pauses: for longer than the last time, and at most a millisecond.
    #[cold]
    fn look<A: Shared>(
        &mut self,
        word: &SharedAtomic<'_, u32, A>,
        seen: u32,
    ) -> Result<Option<Waited>> {
        const SHORTEST: Duration = Duration::from_micros(1);
        const LONGEST: Duration = Duration::from_millis(1);
        if word.load(Ordering::Relaxed) != seen {
            return Ok(Some(Waited::Changed));
        }
        self.pause = (self.pause * 2).clamp(SHORTEST, LONGEST);
        let left = match self.end()? {
            None => LONGEST,
            Some(end) => end.saturating_sub(now()?),
        };
        if left.is_zero() {
            return Ok(Some(Waited::TimedOut));
        }
        imp::pause(self.pause.min(left));
        Ok(None)
    }
}

fn now() -> Result<Duration> {
    imp::now().map_err(failed(Operation::Wait))
}

fn failed(operation: Operation) -> impl Fn(Errno) -> crate::error::Error {
    move |errno| Failure::new(operation, errno).named(None)
}

/// Waiting for a word that others change, in this process or another: `futex`, and what other
/// systems have for it.
///
/// A waiter sleeps only if the word still has the value that it has seen, which the kernel checks.
/// So nothing is lost if whoever changes the word does that first, and then
/// [notifies](SharedAtomic::notify_all):
///
/// ```
/// use std::sync::atomic::Ordering::{Acquire, Release};
/// use std::thread;
///
/// let object = posix_shm::Shm::anonymous(4096)?;
/// let (writer, reader) = (object.map_mut()?, object.map()?);
/// thread::scope(|scope| {
///     // In another process it is the same.
///     let waiting = scope.spawn(|| {
///         let ready = reader.atomic::<u32>(0)?;
///         ready.wait_while(|value| value == 0, None)?;
///         Ok::<u8, posix_shm::Error>(reader.bytes().load(64))
///     });
///     writer.bytes().store(64, 7);
///     let ready = writer.atomic::<u32>(0)?;
///     ready.store(1, Release);
///     ready.notify_all()?;
///     assert_eq!(waiting.join().unwrap()?, 7);
///     Ok::<(), posix_shm::Error>(())
/// })?;
/// # Ok::<(), posix_shm::Error>(())
/// ```
impl<A: Shared> SharedAtomic<'_, u32, A> {
    /// Waits while a function says so of the value, and returns the value that ended it. `None` if
    /// the time is up.
    ///
    /// The function gets each value that is seen, some of them more than once. They are loaded with
    /// [`Ordering::Acquire`], so data that was published by storing the word is seen.
    ///
    /// `options` is a limit, as a [`Duration`] or as `None`, or [`WaitOptions`].
    ///
    /// # Errors
    ///
    /// * If a peer has cut the word's page off (`EFAULT`): see [`wait`](SharedAtomic::wait).
    /// * Any other error number of the system's call, if it ever gives one.
    ///
    /// # Platform-specific behavior
    ///
    /// The same as [`wait`](SharedAtomic::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering;
    /// use std::time::Duration;
    ///
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let written = mapping.atomic::<u32>(0)?;
    /// let soon = Duration::from_millis(1);
    /// assert_eq!(written.wait_while(|n| n < 3, soon)?, None);
    /// written.store(3, Ordering::Release);
    /// assert_eq!(written.wait_while(|n| n < 3, soon)?, Some(3));
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "futex")]
    pub fn wait_while(
        &self,
        mut stay: impl FnMut(u32) -> bool,
        options: impl Into<WaitOptions>,
    ) -> Result<Option<u32>> {
        let mut waiter = Waiter::new(options.into());
        let mut is_over = false;
        loop {
            let value = self.load(Ordering::Acquire);
            if !stay(value) {
                return Ok(Some(value));
            }
            // A word that never stops changing must not stretch the time.
            if is_over || waiter.wait(self, value)? == Waited::TimedOut {
                return Ok(None);
            }
            is_over = waiter.is_over()?;
        }
    }

    /// Waits until somebody [notifies](SharedAtomic::notify_all), if the value still is `seen`.
    ///
    /// It may also return for nothing, so load the value again, with [`Ordering::Acquire`], and
    /// wait again if need be. [`wait_while`](SharedAtomic::wait_while) does that.
    ///
    /// `options` is a limit, as a [`Duration`] or as `None`, or [`WaitOptions`].
    ///
    /// First it looks at the word 100 times, which takes a few microseconds. Then it sleeps, and
    /// looks again each second. [`WaitOptions`] changes both. A wait that finds another value at
    /// once makes no system call. Nor does one with a limit of zero.
    ///
    /// # Errors
    ///
    /// * If a peer has cut the word's page off (`EFAULT`): it is noticed when going to sleep, at
    ///   each further look, and when the time is up. While this process itself looks at the word,
    ///   before it sleeps, it is killed by `SIGBUS` instead, as by any load. With
    ///   [`spin(0)`](WaitOptions::spin) it never looks itself where it can sleep, and a page that
    ///   is not there is always an error.
    /// * Any other error number of the system's call, if it ever gives one.
    ///
    /// # Platform-specific behavior
    ///
    /// Systems sleep in a call of their own, or poll: look at the word, and pause for longer and
    /// longer, up to a millisecond. [`capabilities().wait`](crate::Capabilities::wait) and
    /// [`wait_read_only`](crate::Capabilities::wait_read_only) tell.
    ///
    /// * Linux and Android sleep, in `futex`, also if the mapping is read-only. If a sandbox
    ///   forbids the call, they poll.
    /// * NetBSD from version 10 on, and OpenBSD, sleep in a `futex` of their own, also if the
    ///   mapping is read-only.
    /// * FreeBSD sleeps, in `_umtx_op`, if the mapping is writable. In one that is read-only it
    ///   polls, because the call wants to write.
    /// * macOS from version 14.4 on and iOS from 17.4 on sleep, in `os_sync_wait_on_address`. Older
    ///   ones poll. So they do while a peer waits for 8 bytes at the same place, which this library
    ///   never does.
    /// * Other systems poll.
    ///
    /// Whoever polls looks at the word itself, so a page that is cut off is a `SIGBUS`. (On macOS
    /// no page can be cut off.)
    ///
    /// On FreeBSD and OpenBSD, a mapping with [`Advice::DontFork`](crate::Advice::DontFork) reaches
    /// no other mapping: those that wait there or elsewhere notice a new value when a wait
    /// looks again.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use posix_shm::Waited;
    ///
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let word = mapping.atomic::<u32>(0)?;
    /// assert_eq!(word.wait(1, None)?, Waited::Changed);
    /// assert_eq!(word.wait(0, Duration::from_millis(1))?, Waited::TimedOut);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Nobody else sees memory that is copied on writing, so nobody could wake a waiter there:
    ///
    /// ```compile_fail,E0277
    /// # let object = posix_shm::Shm::anonymous(4096).unwrap();
    /// let mapping = posix_shm::MapOptions::new().map_copy_on_write(&object).unwrap();
    /// mapping.atomic::<u32>(0).unwrap().wait(0, None).unwrap();
    /// ```
    #[doc(alias = "futex", alias = "FUTEX_WAIT")]
    #[doc(alias = "_umtx_op", alias = "os_sync_wait_on_address")]
    pub fn wait(&self, seen: u32, options: impl Into<WaitOptions>) -> Result<Waited> {
        Waiter::new(options.into()).wait(self, seen)
    }
}

impl SharedAtomic<'_, u32, ReadWrite> {
    /// Wakes all who wait for this word, in all processes. Returns how many that were, if
    /// the [system counts them](crate::Capabilities::notify_counts).
    ///
    /// Store the new value first. It is one system call, also if nobody waits. An
    /// [`Event`](crate::Event) knows whether somebody does.
    ///
    /// # Errors
    ///
    /// * If a peer has cut the word's page off (`EFAULT`), on Linux and Android. Those who wait for
    ///   it are not woken. They notice it by themselves when they look again.
    /// * Any other error number of the system's call, if it ever gives one.
    ///
    /// # Platform-specific behavior
    ///
    /// Where waiters poll, nobody has to be woken, and it returns 0. So it does if a sandbox
    /// forbids the call in this process. Waiters that sleep notice the new value when they look
    /// again.
    ///
    /// FreeBSD and macOS do not say how many were woken: it returns 0. The BSDs do not look at the
    /// word's page, so there one that is cut off is no error here.
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// assert_eq!(mapping.atomic::<u32>(0)?.notify_all()?, 0);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "futex", alias = "FUTEX_WAKE")]
    pub fn notify_all(&self) -> Result<usize> {
        imp::wake(self.at(), true).map_err(failed(Operation::Notify))
    }

    /// Wakes one of those who wait for this word, if somebody does. Returns how many that were, if
    /// the [system counts them](crate::Capabilities::notify_counts).
    ///
    /// Use it only if it does not matter who is woken, and if all who wait are trusted: any process
    /// that can read the object can wait, be the one that is woken, and do nothing. A process that
    /// is killed just after it was woken does nothing either.
    /// [`notify_all`](SharedAtomic::notify_all) has neither problem.
    ///
    /// # Errors
    ///
    /// The same as [`notify_all`](SharedAtomic::notify_all).
    ///
    /// # Platform-specific behavior
    ///
    /// The same as [`notify_all`](SharedAtomic::notify_all).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering;
    ///
    /// # let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// let tasks = mapping.atomic::<u32>(0)?;
    /// tasks.fetch_add(1, Ordering::Release);
    /// tasks.notify_one()?; // one of the workers is enough
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "futex", alias = "FUTEX_WAKE")]
    pub fn notify_one(&self) -> Result<usize> {
        imp::wake(self.at(), false).map_err(failed(Operation::Notify))
    }
}
