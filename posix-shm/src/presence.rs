//! Who uses an object: [`Presence`], and cleaning up what nobody uses. And [`Lock`], which one at a
//! time holds.

use std::fmt;
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use crate::error::Result;
use crate::failure::{Errno, Failure, Operation};
use crate::holding::{self, Unlocks};
use crate::imp::{self, Hold, Mark, Place};
use crate::name::ShmName;
use crate::shm::Shm;

impl Shm {
    /// Says that this process uses the object, until the result is dropped: `fcntl` with
    /// `F_OFD_SETLK` and `F_RDLCK`.
    ///
    /// Any number of processes can be present. [`is_unused`](Shm::is_unused) tells whether one is.
    /// The kernel ends presence when the process ends, even if it was killed. So nothing is left
    /// behind, and no process number or heartbeat is needed.
    ///
    /// Only those who hold presence count: not handles, and not mappings. All programs that use an
    /// object must do so. For an object with a name, use
    /// [`OpenOptions::present`](crate::OpenOptions::present), which leaves no gap: this method says
    /// nothing about whether the object still has its name. If the handle was opened so, this
    /// method shares its presence, which then lasts until the last of them is dropped.
    ///
    /// [`Presence`] says what happens to it on `fork` and `exec`.
    ///
    /// # Errors
    ///
    /// * `Unsupported`: this system has no presence. Or the object has no name, and there is no
    ///   `/proc` to open it again;
    /// * `PermissionDenied` (`EACCES`): the object's permissions do not let this user read. Or
    ///   (`EPERM`) a sandbox forbids the call. Linux before 3.15 says `InvalidInput` (`EINVAL`);
    /// * `ResourceBusy`: another process has been removing the name for 2 seconds;
    /// * `NotFound`, `AlreadyExists`: the object is opened by its name, and nothing has the name
    ///   any more, or another object has it;
    /// * `EMFILE`, `ENFILE`: no descriptor is free; `ENOLCK`: no lock is.
    ///
    /// # Platform-specific behavior
    ///
    /// On Linux and Android the object is opened again through `/proc`, or by its name if there is
    /// no `/proc`. On Android, `SELinux` may close `/proc` to apps: `PermissionDenied`. On NetBSD
    /// and OpenBSD, objects are files that are opened again by their names, and presence is
    /// `flock`; anonymous objects have none. FreeBSD and macOS have no locks of shared memory
    /// objects: `Unsupported`. [`capabilities`](crate::capabilities()) says so (`presence`).
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, ShmName, capabilities};
    ///
    /// # if !capabilities().presence { return Ok(()) }
    /// let name = ShmName::random("doc.")?;
    /// let object = Shm::create(&name, 4096)?;
    /// let here = object.presence()?;
    /// assert!(!Shm::open(&name)?.is_unused()?);
    ///
    /// drop(here);
    /// assert!(Shm::open(&name)?.is_unused()?);
    /// object.unlink()?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: Linux `fcntl(2)`, "Open file description locks"; POSIX.1-2024 `fcntl`.
    #[doc(alias = "F_OFD_SETLK")]
    #[doc(alias = "flock")]
    pub fn presence(&self) -> Result<Presence> {
        let description = match self.clone_presence()? {
            Some(description) => description,
            None => holding::hold_presence(self.fd(), self.name().map(ShmName::as_c_str))
                .map_err(|failure| self.named(failure))?,
        };
        Ok(Presence { description })
    }

    /// Whether no process is [present](Shm::presence), this one included: `fcntl` with
    /// `F_OFD_GETLK`.
    ///
    /// It is exact among those who take presence, in every namespace and of every user, and it
    /// takes no lock, so no other process notices. It works on every handle, also on a read-only
    /// one. The answer may be out of date when you get it: to remove the name of an unused object,
    /// use [`unlink_if_unused`](Shm::unlink_if_unused).
    ///
    /// # Errors
    ///
    /// * `Unsupported`: this system has no presence;
    /// * `PermissionDenied` (`EPERM`) or `InvalidInput` (`EINVAL`): a sandbox forbids the call, or
    ///   the kernel is older than Linux 3.15.
    ///
    /// # Platform-specific behavior
    ///
    /// NetBSD and OpenBSD can only try to take a lock, on a description that is opened by the
    /// object's name. If two processes ask at the same moment, each may see the other as a user.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, ShmName, capabilities};
    ///
    /// # if !capabilities().presence { return Ok(()) }
    /// let object = Shm::create(ShmName::random("doc.")?, 4096)?;
    /// assert!(object.is_unused()?);
    ///
    /// let here = object.presence()?;
    /// assert!(!object.is_unused()?);
    /// object.unlink()?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: Linux `fcntl(2)`.
    #[doc(alias = "F_OFD_GETLK")]
    pub fn is_unused(&self) -> Result<bool> {
        let name = self.name().map(ShmName::as_c_str);
        let is_used = imp::is_used(imp::NAMESPACE, self.fd(), name);
        is_used.map(|is_used| !is_used).map_err(|failure| self.named(failure))
    }

    /// Removes the object's name, if no process is [present](Shm::presence) and the name still
    /// means this object: `fcntl` with `F_OFD_SETLK`, and `shm_unlink`.
    ///
    /// Returns whether this call has removed the name. `false` means that a process is present, or
    /// that the name has been removed or given to another object. If several processes call it at
    /// once, one of them gets `true`.
    ///
    /// If this handle or a clone of it is [`present`](crate::OpenOptions::present), that counts
    /// too. [`unlink_if_last`](Shm::unlink_if_last) ends its presence first.
    ///
    /// An object that is used only by programs without presence looks unused, and loses its name.
    /// So call it only for names whose users are all present.
    ///
    /// While it looks and removes, it holds the exclusive lock that goes with presence. A process
    /// that opens the object with [`present`](crate::OpenOptions::present) at this moment waits,
    /// finds that the object has lost its name, and opens or creates the next one. If a process is
    /// killed in the middle, the kernel drops the lock.
    ///
    /// # Errors
    ///
    /// * `InvalidInput`: the object is anonymous, or came as a descriptor from elsewhere;
    /// * `PermissionDenied` (`EACCES`): the object's permissions do not let this user write, which
    ///   an exclusive lock takes (the handle may be read-only); or the name belongs to another
    ///   user;
    /// * `ResourceBusy`: another process has been removing the name for 2 seconds;
    /// * those of [`is_unused`](Shm::is_unused) and, except for `NotFound`, of
    ///   [`unlink`](Shm::unlink).
    ///
    /// After an error the name is still there.
    ///
    /// # Platform-specific behavior
    ///
    /// As for [`unlink`](Shm::unlink), no system compares and removes in one call. In between, the
    /// name can pass to another object only if a process without presence removes or replaces it,
    /// by `unlink` or by [`IfExists::Supersede`](crate::IfExists::Supersede). On NetBSD and OpenBSD
    /// permission to read is enough.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{OpenOptions, list_names};
    ///
    /// # let can = posix_shm::capabilities();
    /// # if !can.presence || !can.list { return Ok(()) }
    /// // Remove what killed processes have left, of the names of this program, whose processes
    /// // are all present on the objects that they use.
    /// for name in list_names()? {
    ///     let name = name?;
    ///     if !name.as_os_str().as_encoded_bytes().starts_with(b"/my-frames.") {
    ///         continue;
    ///     }
    ///     // `None`: another process was faster.
    ///     let opened = OpenOptions::new().open_optional(&name);
    ///     match opened.and_then(|it| it.map_or(Ok(false), |object| object.unlink_if_unused())) {
    ///         Ok(true) => println!("removed {name}"),
    ///         Ok(false) => {} // it is in use
    ///         Err(error) => eprintln!("{error}"), // another user's, for instance: go on
    ///     }
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "shm_unlink")]
    pub fn unlink_if_unused(&self) -> Result<bool> {
        let name = self.name_to_remove()?;
        self.unlink_unused(name).map_err(|failure| self.named(failure))
    }

    /// Ends the presence of this handle, and removes the object's name if no process is
    /// [present](Shm::presence) then: what each process calls at its end, if none of them knows
    /// which one is last.
    ///
    /// Returns whether this call has removed the name, as
    /// [`unlink_if_unused`](Shm::unlink_if_unused) does. Of several processes that call it at once,
    /// the last one removes the name.
    ///
    /// Clones of the handle, and each [`Presence`] that was taken, still count. So drop those
    /// first. If another thread starts a program at this moment, the child is present until that
    /// program runs ([`Presence`] says why), and the name may stay. So does the name of a process
    /// that is killed. [`unlink_if_unused`](Shm::unlink_if_unused), called by whoever comes next,
    /// removes both.
    ///
    /// # Errors
    ///
    /// As [`unlink_if_unused`](Shm::unlink_if_unused). The handle is closed and its presence is
    /// ended all the same.
    ///
    /// # Platform-specific behavior
    ///
    /// As [`unlink_if_unused`](Shm::unlink_if_unused).
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Direction, IfDoesNotExist, OpenOptions, Shm, ShmName, capabilities};
    ///
    /// # if !capabilities().presence { return Ok(()) }
    /// let name = ShmName::random("doc.")?;
    /// let mut options = OpenOptions::new();
    /// options.direction(Direction::Io).if_does_not_exist(IfDoesNotExist::Create);
    /// options.size(4096).present(true);
    /// let (first, second) = (options.open(&name)?, options.open(&name)?);
    ///
    /// assert!(!first.unlink_if_last()?); // the second is present
    /// assert!(second.unlink_if_last()?);
    /// assert!(Shm::open(&name).is_err());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "shm_unlink")]
    pub fn unlink_if_last(mut self) -> Result<bool> {
        self.end_presence();
        self.unlink_if_unused()
    }

    fn unlink_unused(&self, name: &ShmName) -> Result<bool, Failure> {
        let (name, operation) = (name.as_c_str(), Operation::IsUnused);
        let cleaner = match holding::open_again(self.fd(), Some(name), imp::EXCLUSIVE, operation) {
            Ok(cleaner) => Unlocks(cleaner),
            // It is opened again by its name, which it has lost.
            Err(failure) => {
                return match holding::still_means(name, self.fd(), operation) {
                    Ok(false) => Ok(false),
                    _ => Err(failure),
                };
            }
        };
        let lock = |place| imp::try_lock(cleaner.0.as_fd(), place, Hold::Exclusive);
        // Whoever has it may have found a process present that has left since, such as this one. So
        // this call may be the last one that looks.
        let is_free = holding::poll(holding::PATIENCE, || lock(Place::Name));
        if !is_free.map_err(Failure::of(operation))? {
            let why = holding::UNFINISHED;
            return Err(Failure::refused(operation, ErrorKind::ResourceBusy, why));
        }
        if !lock(Place::Presence).map_err(Failure::of(operation))? {
            return Ok(false);
        }
        if !holding::still_means(name, self.fd(), Operation::Unlink)? {
            return Ok(false);
        }
        match imp::unlink(name) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(Failure::new(Operation::Unlink, errno)),
        }
    }

    /// Locks the object, and waits until it is free: `fcntl` with `F_OFD_SETLKW` and `F_WRLCK`.
    ///
    /// One at a time holds the lock, among all threads of all processes that call this, whatever
    /// handle they use. It protects nothing by itself. The kernel drops it when the process ends,
    /// even if it was killed: the next one gets it, and must expect data that is half written.
    /// What was stored under the lock is seen by whoever has it next.
    ///
    /// It opens the object again each time, and takes six system calls with the unlocking. So
    /// taking it often is slow: it is for what is rare, such as setting up, mending and moving.
    /// Holding it costs nothing. A process may hold it for its whole life, to be the only writer or
    /// the owner, as [the guide](crate::guide::killed_processes) shows: if
    /// [`try_lock`](Shm::try_lock) is `None`, another one is alive.
    ///
    /// It is independent of [presence](Shm::presence): neither waits for the other. A thread that
    /// locks twice waits for itself, for ever. The one that has waited longest does not necessarily
    /// get it first.
    ///
    /// # Errors
    ///
    /// * `PermissionDenied` (`EACCES`): the object's permissions do not let this user write, which
    ///   an exclusive lock takes (the handle may be read-only);
    /// * `Unsupported`: this system has no such lock;
    /// * those of [`presence`](Shm::presence), without `ResourceBusy`.
    ///
    /// # Platform-specific behavior
    ///
    /// Linux and Android have it. Elsewhere it is `Unsupported`, also where there is presence:
    /// `flock` has one lock for a file. [`capabilities`](crate::capabilities()) says so (`lock`).
    ///
    /// # Examples
    ///
    /// ```
    /// # if !posix_shm::capabilities().lock { return Ok(()) }
    /// let object = posix_shm::Shm::anonymous(4096)?;
    /// let mapping = object.map_mut()?;
    /// let counter = mapping.cell::<u64>(0)?;
    /// {
    ///     let _lock = object.lock()?;
    ///     counter.store(counter.load() + 1);
    /// }
    /// assert_eq!(counter.load(), 1);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: Linux `fcntl(2)`, "Open file description locks".
    #[doc(alias = "F_OFD_SETLKW")]
    pub fn lock(&self) -> Result<Lock> {
        let description = self.open_for_lock()?;
        imp::wait_for_lock(description.as_fd(), Place::Lock)
            .map_err(self.error(Operation::LockObject))?;
        Ok(Lock::new(description))
    }

    /// Locks the object as [`lock`](Shm::lock) does, but does not wait: `fcntl` with `F_OFD_SETLK`.
    /// `None` if another one holds it.
    ///
    /// # Errors
    ///
    /// As [`lock`](Shm::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// # if !posix_shm::capabilities().lock { return Ok(()) }
    /// let object = posix_shm::Shm::anonymous(4096)?;
    /// let lock = object.try_lock()?;
    /// assert!(lock.is_some());
    /// assert!(object.try_lock()?.is_none());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn try_lock(&self) -> Result<Option<Lock>> {
        self.lock_for(Duration::ZERO)
    }

    /// Locks the object as [`lock`](Shm::lock) does, but waits no longer than this. `None` if
    /// another one has held it all the time.
    ///
    /// The system cannot wait for a lock with a limit. So this call tries again and again, with
    /// pauses that grow from 20 µs to 5 ms. Those who wait in [`lock`](Shm::lock) usually get it
    /// first.
    ///
    /// # Errors
    ///
    /// As [`lock`](Shm::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # if !posix_shm::capabilities().lock { return Ok(()) }
    /// let object = posix_shm::Shm::anonymous(4096)?;
    /// let _lock = object.lock()?;
    /// assert!(object.lock_for(Duration::from_millis(10))?.is_none());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn lock_for(&self, limit: Duration) -> Result<Option<Lock>> {
        let description = self.open_for_lock()?;
        let attempt = || imp::try_lock(description.as_fd(), Place::Lock, Hold::Exclusive);
        let locked = holding::poll(limit, attempt).map_err(self.error(Operation::LockObject))?;
        Ok(locked.then(|| Lock::new(description)))
    }

    fn open_for_lock(&self) -> Result<OwnedFd> {
        let name = self.name().map(ShmName::as_c_str);
        holding::open_again(self.fd(), name, imp::EXCLUSIVE, Operation::LockObject)
            .map_err(|failure| self.named(failure))
    }
}

/// Says that this process uses an object: the result of [`Shm::presence`]. Dropping it ends that.
///
/// It is a descriptor of its own, which is closed on exec and is never lent. So it does not matter
/// what happens to the handle: it can be closed, cloned, sent or made immutable.
///
/// A forked child inherits the descriptor, as it inherits the mappings. Then the object is used
/// until parent and child have both dropped it, ended or called `exec`. So a killed parent seems to
/// be alive while its child is. In the same way, presence
/// that one thread drops while another one starts a program lasts until that program runs: for some
/// microseconds the object still looks used, and never the other way round.
///
/// A process that receives a handle is not present before it calls [`Shm::presence`] itself. The
/// sender should stay until then.
///
/// # The protocol
///
/// Programs in other languages can take part. On Linux and Android, these are open-file-description
/// locks on single bytes, far beyond the end of the object. The numbers do not change. Each lock is
/// on a description that was opened for it.
///
/// | byte | shared | exclusive |
/// |---|---|---|
/// | 2⁶² | presence | a process removes the name, since nobody is present |
/// | 2⁶² + 1 | | [`Shm::lock`] |
/// | 2⁶² + 2 | | a process removes the name, or gives it to another object |
///
/// * An object is unused if `F_OFD_GETLK` finds no shared lock on the first byte.
/// * To remove the name of an unused object, lock the third byte and then the first, without
///   waiting. Then look whether the name still means the object.
/// * To give the name to another object, lock the third byte of the old one. Then look as well.
/// * To be present on an object that has a name, lock the first byte. Then look as well.
///
/// On NetBSD and OpenBSD presence is `flock` with `LOCK_SH`, and removing takes `LOCK_EX`.
///
/// # Examples
///
/// ```
/// use posix_shm::{Presence, Shm, ShmName};
///
/// # if !posix_shm::capabilities().presence { return Ok(()) }
/// let object = Shm::create(ShmName::random("doc.")?, 4096)?.unlink_on_drop();
/// let here: Presence = object.presence()?;
/// assert!(!object.is_unused()?);
/// drop(here);
/// assert!(object.is_unused()?);
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[must_use = "presence ends at once if this is not kept"]
pub struct Presence {
    #[allow(dead_code, reason = "it is kept open")]
    description: OwnedFd,
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presence").finish_non_exhaustive()
    }
}

/// The lock of an object: the result of [`Shm::lock`]. Dropping it gives the lock back.
///
/// It borrows nothing, and stays when the handle is dropped. Programs in other languages can take
/// part: the [protocol](Presence#the-protocol) has its byte.
///
/// The kernel gives it back when the process ends. It is closed on exec. A forked child does not
/// have the lock, although it inherits the descriptor: dropping it there does nothing, and dropping
/// it in the parent gives the lock back whatever the child does. But if the parent is killed, the
/// lock is held until such a child has ended, too.
///
/// # Examples
///
/// ```
/// use posix_shm::{Lock, Shm};
///
/// # if !posix_shm::capabilities().lock { return Ok(()) }
/// let object = Shm::anonymous(4096)?;
/// let lock: Lock = object.lock()?;
/// assert!(object.try_lock()?.is_none());
/// drop(lock);
/// assert!(object.try_lock()?.is_some());
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[must_use = "the lock is given back at once if this is not kept"]
pub struct Lock {
    description: OwnedFd,
    mark: Mark,
}

impl Lock {
    fn new(description: OwnedFd) -> Lock {
        // What the last holder stored is seen from here on.
        fence(Ordering::Acquire);
        Lock { description, mark: Mark::now() }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        fence(Ordering::Release);
        // Closing it does not give it back if a child has the description too.
        if self.mark.is_of_this_process() {
            // A drop cannot report an error, and closing is what else there is to do.
            let _ = imp::unlock_all(self.description.as_fd());
        }
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").finish_non_exhaustive()
    }
}
