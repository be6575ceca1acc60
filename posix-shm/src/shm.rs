//! [`Shm`]: the handle of an object.

use std::ffi::OsStr;
use std::fmt;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use posix_shm_sys as sys;

use crate::error::{Detail, Error, Failure, Operation, Result};
use crate::imp;
use crate::map::{MapOptions, Mapping, ReadOnly, ReadWrite};
use crate::metadata::Metadata;
use crate::name::ShmName;
use crate::open::{Direction, IfDoesNotExist, IfExists, OpenOptions};
use crate::permissions::Permissions;

/// The handle of a shared memory object: a descriptor, closed when dropped.
///
/// Dropping it removes neither the object's name nor its mappings: the object lives on until its name is removed
/// ([`unlink`](crate::unlink)) and its last handle and mapping are gone.
///
/// Any descriptor of shared memory becomes one with `Shm::from`, and [`AsFd`] lends the descriptor to whatever else can
/// use it.
///
/// # Examples
///
/// One process makes an object, any other that knows the name maps it:
///
/// ```
/// use posix_shm::{Shm, ShmName};
///
/// let name = ShmName::random("doc.")?;
/// let writer = Shm::create(&name, 4096)?.map_mut()?;
/// writer.slice::<u32>(0, 10)?.store(3, 30);
///
/// let reader = Shm::open(&name)?.map()?;
/// assert_eq!(reader.slice::<u32>(0, 10)?.load(3), 30);
///
/// posix_shm::unlink(&name)?;
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[doc(alias = "shm-fd")]
pub struct Shm {
    fd: OwnedFd,
    name: Option<ShmName>,
    /// Unknown where the descriptor came from elsewhere.
    direction: Option<Direction>,
    created: bool,
    /// We created it empty and nobody was lent the descriptor: its length is known without asking.
    still_empty: AtomicBool,
}

impl Shm {
    /// Opens an existing object for reading: [`OpenOptions::new`] as it is.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`]: `NotFound` where nothing has the name.
    #[doc(alias = "shm_open")]
    pub fn open(name: impl AsRef<OsStr>) -> Result<Shm> {
        OpenOptions::new().open(name)
    }

    /// Opens an existing object for reading and writing: [`Direction::Io`].
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`]: `NotFound` where nothing has the name.
    pub fn open_io(name: impl AsRef<OsStr>) -> Result<Shm> {
        OpenOptions::new().direction(Direction::Io).open(name)
    }

    /// Creates an object of this many bytes, for reading and writing: [`IfExists::Error`], and a
    /// [`size`](OpenOptions::size).
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`]: `AlreadyExists` where an object has the name.
    pub fn create(name: impl AsRef<OsStr>, bytes: u64) -> Result<Shm> {
        OpenOptions::new()
            .direction(Direction::Io)
            .if_exists(IfExists::Error)
            .if_does_not_exist(IfDoesNotExist::Create)
            .size(bytes)
            .open(name)
    }

    /// Opens an object for reading and writing, and creates it with this many bytes where nothing has the name;
    /// [`created`](Shm::created) tells which.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`].
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, ShmName};
    ///
    /// let name = ShmName::random("doc.")?;
    /// assert!(Shm::open_or_create(&name, 4096)?.created());
    /// assert!(!Shm::open_or_create(&name, 4096)?.created());
    ///
    /// posix_shm::unlink(&name)?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn open_or_create(name: impl AsRef<OsStr>, bytes: u64) -> Result<Shm> {
        OpenOptions::new()
            .direction(Direction::Io)
            .if_does_not_exist(IfDoesNotExist::Create)
            .size(bytes)
            .open(name)
    }

    /// Creates an object without a name, of this many bytes: [`OpenOptions::open_anonymous`].
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open_anonymous`].
    #[doc(alias = "open-shm*")]
    pub fn anonymous(bytes: u64) -> Result<Shm> {
        OpenOptions::new().direction(Direction::Io).size(bytes).open_anonymous()
    }

    /// What the handle is for, where we know.
    pub(crate) fn direction(&self) -> Option<Direction> {
        self.direction
    }

    pub(crate) fn new(
        fd: OwnedFd,
        name: Option<ShmName>,
        direction: Direction,
        created: bool,
        still_empty: bool,
    ) -> Shm {
        let (direction, still_empty) = (Some(direction), AtomicBool::new(still_empty));
        Shm { fd, name, direction, created, still_empty }
    }

    /// The name it was opened by; `None` for an anonymous object, and for a descriptor that came from elsewhere.
    #[must_use]
    pub fn name(&self) -> Option<&ShmName> {
        self.name.as_ref()
    }

    /// Whether this very call created the object. Never true for two handles that were opened of the same object.
    #[must_use]
    pub fn created(&self) -> bool {
        self.created
    }

    /// The length of the object in bytes: `fstat`. Asks the system each time, since any holder may change it.
    ///
    /// # Errors
    ///
    /// As [`metadata`](Shm::metadata).
    ///
    /// # Platform-specific behavior
    ///
    /// macOS answers in whole pages.
    #[allow(
        clippy::len_without_is_empty,
        reason = "as std::fs::Metadata; it may change at any time"
    )]
    pub fn len(&self) -> Result<u64> {
        Ok(self.metadata()?.len())
    }

    /// Sets the length of the object in bytes: `posix_fallocate` (on Linux, `fallocate`) to grow, `ftruncate` to shrink.
    ///
    /// What is added is zero, and the memory for it is reserved, so that touching it later cannot fail. What is cut off
    /// is gone, also for those who have it mapped: where they touch it, the system kills them with `SIGBUS`. Mappings
    /// keep their length; map again to see more.
    ///
    /// On failure the object has the length it had.
    ///
    /// The first call on an object that this handle created empty does not ask for the length first, where the system's call to
    /// grow never shortens (not on NetBSD, OpenBSD and macOS). Should a peer have made it longer by then, that length stays.
    ///
    /// # Errors
    ///
    /// * `InvalidInput`: more than `i64::MAX` bytes, or a read-only handle;
    /// * `StorageFull` (`ENOSPC`), or `ENOMEM`: no memory for it, [`Operation::Reserve`]; the hint says what there is;
    /// * `FileTooLarge` (`EFBIG`): more than the file system can hold in one object;
    /// * `PermissionDenied` (`EPERM`): sealed against it.
    ///
    /// # Platform-specific behavior
    ///
    /// Reserved is, on Linux and Android, the memory itself. On NetBSD it is taken from what `/var/shm` has left. OpenBSD
    /// keeps objects in files, of which only what is written has room: nothing is reserved, but more than the file system has
    /// left is refused. FreeBSD and macOS reserve nothing: there is no file system that could be full, and where the machine has
    /// no memory left they end somebody.
    ///
    /// macOS sets the length of an object once, in whole pages. After that, any other number of pages is refused
    /// (`InvalidInput`, `EINVAL`).
    ///
    /// # Examples
    ///
    /// ```
    /// let object = posix_shm::Shm::anonymous(0)?;
    /// object.set_len(65536)?;
    /// assert_eq!(object.len()?, 65536);
    ///
    /// if posix_shm::capabilities().reserve {
    ///     // More than there is: an error value, not a signal later.
    ///     assert!(object.set_len(1 << 60).is_err());
    ///     assert_eq!(object.len()?, 65536);
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: POSIX.1-2024 `ftruncate`, `posix_fallocate`; Linux `fallocate(2)`, `tmpfs(5)`.
    #[doc(alias = "ftruncate")]
    #[doc(alias = "truncate-shm")]
    #[doc(alias = "posix_fallocate")]
    #[doc(alias = "fallocate")]
    pub fn set_len(&self, bytes: u64) -> Result<()> {
        let to = self.resizable_to(bytes)?;
        let still_empty = self.still_empty.swap(false, Ordering::Relaxed);
        let from = if still_empty && imp::RESERVE_ONLY_GROWS {
            0
        } else {
            to_off_t(self.len()?, Operation::SetLen, self.name())?
        };
        if from < to {
            imp::reserve(self.fd.as_fd(), from, to).map_err(|failure| self.failure(failure))
        } else {
            self.truncate(to)
        }
    }

    /// Sets the length of the object in bytes without reserving memory: `ftruncate`.
    ///
    /// Growing is then quick at any size, and pages come when they are first touched. Where the system has none left at
    /// that time, it kills the process with `SIGBUS`; [`set_len`](Shm::set_len) is the one that reports it.
    ///
    /// # Errors
    ///
    /// As [`set_len`](Shm::set_len), without those of reserving.
    #[doc(alias = "ftruncate")]
    pub fn set_len_sparse(&self, bytes: u64) -> Result<()> {
        let to = self.resizable_to(bytes)?;
        self.still_empty.store(false, Ordering::Relaxed);
        self.truncate(to)
    }

    fn truncate(&self, to: sys::off_t) -> Result<()> {
        imp::set_len(self.fd.as_fd(), to).map_err(|errno| {
            let detail = Detail::Bytes(to.unsigned_abs());
            self.failure(Failure::new(Operation::SetLen, errno)).with_detail(detail)
        })
    }

    fn resizable_to(&self, bytes: u64) -> Result<sys::off_t> {
        if self.direction == Some(Direction::Input) {
            let why = "the handle is read-only; to size an object, open it with Direction::Io";
            return Err(Error::invalid(Operation::SetLen, why, self.name())
                .with_detail(Detail::Bytes(bytes)));
        }
        to_off_t(bytes, Operation::SetLen, self.name())
    }

    /// What the system knows about the object: `fstat`.
    ///
    /// # Errors
    ///
    /// What `fstat` reports; none is known for a descriptor that is open.
    ///
    /// Sources: POSIX.1-2024 `fstat`.
    #[doc(alias = "fstat")]
    pub fn metadata(&self) -> Result<Metadata> {
        imp::stat(self.fd.as_fd())
            .map_err(|errno| self.failure(Failure::new(Operation::Metadata, errno)))
    }

    /// Changes who may open the object from now on: `fchmod`. The umask takes nothing from it.
    ///
    /// Handles that are open keep their direction.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` (`EPERM`): the object is another user's; or it would become executable, against which anonymous
    /// objects on Linux are sealed unless they were created so.
    ///
    /// # Platform-specific behavior
    ///
    /// macOS has no such call for shared memory: `InvalidInput` (`EINVAL`). On OpenBSD an object is its owner's alone, whatever
    /// its permissions.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Permissions, Shm, capabilities};
    ///
    /// if capabilities().set_permissions {
    ///     let object = Shm::anonymous(4096)?;
    ///     object.set_permissions(Permissions::USER_READ | Permissions::GROUP_READ)?;
    ///     assert_eq!(object.metadata()?.permissions().mode(), 0o440);
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: POSIX.1-2024 `fchmod`.
    #[doc(alias = "fchmod")]
    pub fn set_permissions(&self, permissions: Permissions) -> Result<()> {
        imp::set_permissions(self.fd.as_fd(), permissions.to_sys())
            .map_err(|errno| self.failure(Failure::new(Operation::SetPermissions, errno)))
    }

    /// Changes the user or the group that owns the object, or both: `fchown`. `None` leaves it as it is.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` (`EPERM`): only the superuser gives objects away, and an owner may only choose a group of their
    /// own. `InvalidInput`: the id `u32::MAX`, which to the system means "leave it as it is".
    ///
    /// # Platform-specific behavior
    ///
    /// macOS has no such call for shared memory: `InvalidInput` (`EINVAL`). On OpenBSD nobody but the new owner can open the
    /// object then.
    ///
    /// Sources: POSIX.1-2024 `fchown`.
    #[doc(alias = "fchown")]
    pub fn set_owner(&self, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        if uid == Some(u32::MAX) || gid == Some(u32::MAX) {
            let why = "the id 4294967295 means \"leave it as it is\" to the system; use None";
            return Err(Error::invalid(Operation::SetOwner, why, self.name()));
        }
        imp::set_owner(self.fd.as_fd(), uid, gid)
            .map_err(|errno| self.failure(Failure::new(Operation::SetOwner, errno)))
    }

    /// Maps the whole object for reading: `mmap` with `PROT_READ` and `MAP_SHARED`.
    ///
    /// [`MapOptions`] maps parts of it. The mapping does not borrow the handle, which may be closed.
    ///
    /// # Errors
    ///
    /// As [`MapOptions::map`]: `InvalidInput` where the object is empty.
    #[doc(alias = "mmap")]
    #[doc(alias = "mmap-shm")]
    pub fn map(&self) -> Result<Mapping<ReadOnly>> {
        MapOptions::new().map_named(self.fd.as_fd(), self.name())
    }

    /// Maps the whole object for reading and writing: `mmap` with `PROT_READ | PROT_WRITE` and `MAP_SHARED`.
    ///
    /// # Errors
    ///
    /// As [`MapOptions::map_mut`]: `InvalidInput` where the object is empty, `PermissionDenied` (`EACCES`) where the
    /// handle is read-only.
    #[doc(alias = "mmap")]
    #[doc(alias = "mmap-shm")]
    pub fn map_mut(&self) -> Result<Mapping<ReadWrite>> {
        MapOptions::new().map_named(self.fd.as_fd(), self.name())
    }

    /// Removes the object's name, if it still means this object: `shm_unlink`.
    ///
    /// Another object that has taken the name in the meantime stays. Handles and mappings stay what they are; the object
    /// is gone with the last of them.
    ///
    /// # Errors
    ///
    /// * `NotFound` (`ENOENT`): nothing has the name any more, or another object has;
    /// * `PermissionDenied` (`EACCES`, `EPERM`): the name is another user's;
    /// * `InvalidInput`: the object is anonymous, or came as a descriptor from elsewhere.
    ///
    /// # Platform-specific behavior
    ///
    /// The system has no call that compares and removes at once: an object that takes the name between the two is
    /// removed. macOS does not tell objects apart, so there the name is removed whatever it means. FreeBSD, OpenBSD and macOS
    /// find out by opening it, which takes the permission to read; FreeBSD removes it only for who may write, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, ShmName, capabilities};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let old = Shm::create(&name, 4096)?;
    /// posix_shm::unlink(&name)?;
    ///
    /// let new = Shm::create(&name, 4096)?;
    /// if capabilities().tell_objects_apart {
    ///     assert!(old.unlink().is_err());
    /// }
    /// new.unlink()?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "shm_unlink")]
    #[doc(alias = "delete-shm")]
    pub fn unlink(&self) -> Result<()> {
        let Some(name) = self.name() else {
            return Err(Error::invalid(Operation::Unlink, "it has no name that we know", None));
        };
        let failed = |errno| Error::system(Operation::Unlink, errno, Some(name));
        let found = imp::find(name.as_c_str()).map_err(failed)?;
        if !found.is_same_object(&self.metadata()?) {
            let why = "another object has the name now";
            return Err(Error::refused(
                Operation::Unlink,
                std::io::ErrorKind::NotFound,
                why,
                Some(name),
            ));
        }
        imp::unlink(name.as_c_str()).map_err(failed)
    }

    /// Closes the handle and reports what dropping it must swallow: `close`.
    ///
    /// # Errors
    ///
    /// What `close` reports; the descriptor is gone all the same.
    ///
    /// Sources: POSIX.1-2024 `close`.
    #[doc(alias = "close-shm")]
    pub fn close(self) -> Result<()> {
        imp::close(self.fd)
            .map_err(|errno| Error::system(Operation::Close, errno, self.name.as_ref()))
    }

    /// Shows an object that is being created, through a handle that ends with the call.
    pub(crate) fn lend<T>(
        object: BorrowedFd<'_>,
        name: &ShmName,
        show: impl FnOnce(&Shm) -> T,
    ) -> T {
        // SAFETY: the descriptor is borrowed for longer than this lives, and this never closes it: it is lent by reference, so
        // that nobody can take the descriptor out of it.
        let fd = unsafe { OwnedFd::from_raw_fd(object.as_raw_fd()) };
        let shm = Shm::new(fd, Some(name.clone()), Direction::Io, true, false);
        let shm = ManuallyDrop::new(shm);
        let shown = show(&shm);
        // Its name is not the descriptor's, and is to be dropped.
        let Shm { fd, name, .. } = ManuallyDrop::into_inner(shm);
        std::mem::forget(fd);
        drop(name);
        shown
    }

    /// A handle of the same opening.
    pub(crate) fn again(&self, fd: OwnedFd) -> Shm {
        let (name, direction) = (self.name.clone(), self.direction);
        Shm { fd, name, direction, created: false, still_empty: AtomicBool::new(false) }
    }

    fn failure(&self, failure: Failure) -> Error {
        failure.named(self.name())
    }
}

/// A length as the system's signed type.
pub(crate) fn to_off_t(
    bytes: u64,
    operation: Operation,
    name: Option<&ShmName>,
) -> Result<sys::off_t> {
    sys::off_t::try_from(bytes).map_err(|_| {
        let why = format!("{bytes} bytes are more than any object can have (2^63 - 1)");
        Error::invalid(operation, why, name).with_detail(Detail::Bytes(bytes))
    })
}

impl AsFd for Shm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // Whoever is lent the descriptor may size the object.
        self.still_empty.store(false, Ordering::Relaxed);
        self.fd.as_fd()
    }
}

impl AsRawFd for Shm {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl IntoRawFd for Shm {
    fn into_raw_fd(self) -> RawFd {
        self.fd.into_raw_fd()
    }
}

impl From<OwnedFd> for Shm {
    /// A handle of what the descriptor has open, with no name known. That it is shared memory is taken on trust; all that
    /// is done through it checks what it needs.
    fn from(fd: OwnedFd) -> Shm {
        let still_empty = AtomicBool::new(false);
        Shm { fd, name: None, direction: None, created: false, still_empty }
    }
}

impl From<Shm> for OwnedFd {
    fn from(shm: Shm) -> OwnedFd {
        shm.fd
    }
}

impl fmt::Debug for Shm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shm")
            .field("fd", &self.fd)
            .field("name", &self.name)
            .field("direction", &self.direction)
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}
