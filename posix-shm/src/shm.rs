//! [`Shm`]: the handle of an object.

use std::fmt;
use std::io::ErrorKind;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use posix_shm_sys as sys;

use crate::direction::Direction;
use crate::error::{Error, Result};
use crate::failure::{Errno, Failure, Operation};
use crate::immutable::ImmutableMapping;
use crate::imp::{self, Growth};
use crate::map::{MapOptions, Mapping, ReadOnly, ReadWrite};
use crate::name::{self, ShmName};
use crate::open::{IfDoesNotExist, IfExists, OpenOptions};

/// The handle of a shared memory object: a descriptor, closed when dropped.
///
/// Dropping it removes neither the object's name nor its mappings. The object lives until its name
/// is removed ([`unlink`](crate::unlink())) and its last handle and mapping are gone.
///
/// [`Shm::from_fd`] makes a handle of a descriptor from elsewhere, and checks it. (`Shm::from`
/// takes any, and checks nothing.) [`AsFd`] lends the descriptor to other code that can use it.
///
/// # Examples
///
/// One process makes an object. Any other that knows the name maps it:
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
#[doc(alias = "shm")]
#[doc(alias = "shm-p")]
#[doc(alias = "open-shm-p")]
#[doc(alias = "closed-shm")]
#[doc(alias = "shm-fd")]
pub struct Shm {
    fd: OwnedFd,
    name: Option<ShmName>,
    /// Unknown if the descriptor came from elsewhere.
    direction: Option<Direction>,
    created: bool,
    /// The caller insists on reserving, whatever estimates say.
    ignore_estimates: bool,
    /// Its permissions are the kernel's own, which let everyone write.
    unprotected: AtomicBool,
    /// How long we have made the object, as long as we have lent the descriptor to no one.
    known_len: AtomicU64,
    /// How often this process had forked then.
    forks: u32,
    /// A description of its own that holds presence.
    presence: Option<OwnedFd>,
}

/// What a handle says that cannot write.
pub(crate) const READ_ONLY: &str =
    "the handle is read-only; this takes one for writing (Shm::open_io, Direction::Io)";

/// What is known about a new handle, apart from its descriptor, name and direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) created: bool,
    pub(crate) ignore_estimates: bool,
    pub(crate) unprotected: bool,
    /// The length that we have given the object, or [`UNKNOWN`].
    pub(crate) known_len: u64,
}

/// No object is so long.
pub(crate) const UNKNOWN: u64 = u64::MAX;

impl Default for Origin {
    fn default() -> Origin {
        Origin { created: false, ignore_estimates: false, unprotected: false, known_len: UNKNOWN }
    }
}

impl Origin {
    /// That of a descriptor from elsewhere. Nothing is known of it, so it may have the kernel's own
    /// permissions.
    #[inline]
    pub(crate) fn of_unknown() -> Origin {
        Origin { unprotected: true, ..Origin::default() }
    }
}

impl Shm {
    /// Opens an existing object for reading: `shm_open` with `O_RDONLY`.
    ///
    /// It makes one system call, so it does not look what has the name. A directory or a FIFO can
    /// be opened too; mapping it is refused.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`]: `NotFound` if nothing has the name.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, ShmName};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let object = Shm::create(&name, 4096)?.unlink_on_drop();
    /// let reader = Shm::open(&name)?;
    /// assert_eq!(reader.map()?.bytes().load(0), 0);
    /// assert!(reader.map_mut().is_err());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "shm_open")]
    #[doc(alias = "shm-open")]
    #[doc(alias = "open-shm")]
    pub fn open(name: impl TryInto<ShmName, Error: Into<Error>>) -> Result<Shm> {
        OpenOptions::open_plainly(name::checked(name)?, Direction::Input, false)
    }

    /// Opens an existing object for reading and writing: `shm_open` with `O_RDWR`.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`]: `NotFound` if nothing has the name.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, ShmName};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let object = Shm::create(&name, 4096)?.unlink_on_drop();
    /// Shm::open_io(&name)?.map_mut()?.bytes().store(0, 7);
    /// assert_eq!(object.map()?.bytes().load(0), 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn open_io(name: impl TryInto<ShmName, Error: Into<Error>>) -> Result<Shm> {
        OpenOptions::open_plainly(name::checked(name)?, Direction::Io, false)
    }

    /// Creates an object of this many bytes, for reading and writing: [`IfExists::Error`], and a
    /// [`size`](OpenOptions::size).
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`]: `AlreadyExists` if an object has the name.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use posix_shm::{Shm, ShmName};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let object = Shm::create(&name, 4096)?.unlink_on_drop();
    /// assert_eq!(Shm::create(&name, 4096).unwrap_err().kind(), ErrorKind::AlreadyExists);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn create(name: impl TryInto<ShmName, Error: Into<Error>>, bytes: u64) -> Result<Shm> {
        create(name::checked(name)?, bytes)
    }

    /// Opens an object for reading and writing, or creates it with this many bytes if nothing has
    /// the name. [`created`](Shm::created) tells which.
    ///
    /// An object that exists keeps its length, which may be shorter:
    /// [`OpenOptions::at_least`] refuses such an object, and [`grow`](Shm::grow) makes it longer.
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
    pub fn open_or_create(
        name: impl TryInto<ShmName, Error: Into<Error>>,
        bytes: u64,
    ) -> Result<Shm> {
        OpenOptions::new()
            .direction(Direction::Io)
            .if_does_not_exist(IfDoesNotExist::Create)
            .size(bytes)
            .open(name)
    }

    /// Creates an object of this many bytes without a name: [`OpenOptions::open_anonymous`].
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open_anonymous`].
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::Shm;
    ///
    /// let object = Shm::anonymous(65536)?;
    /// object.map_mut()?.bytes().store(0, 7);
    /// assert_eq!((object.len()?, object.name()), (65536, None));
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "open-shm*")]
    pub fn anonymous(bytes: u64) -> Result<Shm> {
        OpenOptions::opening(Direction::Io).size(bytes).open_anonymous()
    }

    /// Creates an object with this content, for reading and writing: `pwrite`, and then the name.
    ///
    /// Every process that opens it finds all of the content. Writing faults no page, so it takes
    /// half the time of mapping and copying.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`]: `AlreadyExists` if an object has the name; `StorageFull`
    /// (`ENOSPC`) if there is no memory, [`Operation::Write`] or [`Operation::Reserve`].
    ///
    /// # Platform-specific behavior
    ///
    /// If [`capabilities`](crate::capabilities()) says that an object is not complete before it is
    /// named, other processes can open it while it is being written. If it says that `read_at` and
    /// `write_at` do not go through `pread` and `pwrite`, the content is copied through a mapping.
    /// On macOS the rest of the last page is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, ShmName};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let object = Shm::publish(&name, b"all or nothing")?;
    /// let reader = Shm::open(&name)?.map()?;
    /// assert_eq!(reader.bytes().range(..14).to_vec(), b"all or nothing");
    ///
    /// object.unlink()?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "pwrite")]
    pub fn publish(
        name: impl TryInto<ShmName, Error: Into<Error>>,
        contents: &[u8],
    ) -> Result<Shm> {
        publish(name::checked(name)?, contents)
    }

    /// Makes a handle of a descriptor that came from elsewhere: `fcntl` and `fstat`. `name` is the
    /// object's name, if it is known.
    ///
    /// The descriptor must be of shared memory. This call asks the system for its direction, and
    /// makes it close on exec. `Shm::from` takes any descriptor, and checks and changes nothing.
    ///
    /// # Errors
    ///
    /// * `InvalidInput`: the descriptor is not of shared memory, or can only write; or the name
    ///   belongs to another object, or to none;
    /// * what `fcntl` or `fstat` reports: `EBADF` for a descriptor that is not open.
    ///
    /// # Platform-specific behavior
    ///
    /// [`receive`](Shm::receive) says how well each system knows shared memory. macOS does not tell
    /// objects apart, so the name is not checked there.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::fd::OwnedFd;
    /// use posix_shm::Shm;
    ///
    /// let descriptor = OwnedFd::from(Shm::anonymous(4096)?);
    /// let object = Shm::from_fd(descriptor, None)?;
    /// assert!(object.len()? >= 4096);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "make-shm")]
    pub fn from_fd(fd: OwnedFd, name: Option<ShmName>) -> Result<Shm> {
        let shm = Shm::new(fd, name, None, Origin::of_unknown(), None);
        let refuse = |why| Err(shm.named(Failure::invalid(Operation::Open, why)));
        let direction = imp::direction(shm.fd()).map_err(shm.error(Operation::Open))?;
        imp::close_on_exec(shm.fd()).map_err(shm.error(Operation::Open))?;
        match imp::check_kind(shm.fd()) {
            Ok(()) => {}
            Err(Errno::INVAL) => return refuse("this is not a shared memory object"),
            Err(errno) => return Err(shm.error(Operation::Open)(errno)),
        }
        if let Some(name) = shm.name().filter(|_| imp::CAPABILITIES.tell_objects_apart) {
            let ours = shm.metadata()?.0;
            match imp::find(name.as_c_str()) {
                Ok(found) if found.is_same_object(&ours) => {}
                Ok(_) | Err(Errno::NOENT) => {
                    return refuse("the name belongs to another object, or to none");
                }
                Err(errno) => return Err(shm.error(Operation::Open)(errno)),
            }
        }
        let Some(direction) = direction else {
            return refuse("the descriptor can only write, and a handle must be able to read");
        };
        Ok(Shm { direction: Some(direction), ..shm })
    }

    /// Maps the whole object for reading: `mmap` with `PROT_READ` and `MAP_SHARED`.
    ///
    /// [`MapOptions`] maps parts of it. The mapping does not borrow the handle, which may be
    /// closed.
    ///
    /// The length is asked for first (`fstat`), so that nothing past the end is mapped. On Linux
    /// and Android this is left out for an anonymous object that has just been created: as long as
    /// its descriptor was not lent, cloned or sent, its length was not changed, and this process
    /// has not forked by the C library, no other process has it.
    ///
    /// # Errors
    ///
    /// As [`MapOptions::map`]: `InvalidInput` if the object is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// let object = posix_shm::Shm::anonymous(4096)?;
    /// let (writer, reader) = (object.map_mut()?, object.map()?);
    /// drop(object);
    /// writer.bytes().store(0, 7);
    /// assert_eq!(reader.bytes().load(0), 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "mmap")]
    #[doc(alias = "mmap-shm")]
    pub fn map(&self) -> Result<Mapping<ReadOnly>> {
        MapOptions::map_all(self.fd(), self.certain_len(), self.name())
    }

    /// Maps the whole object for reading and writing: `mmap` with `PROT_READ | PROT_WRITE` and
    /// `MAP_SHARED`.
    ///
    /// # Errors
    ///
    /// As [`MapOptions::map_mut`]: `InvalidInput` if the object is empty, `PermissionDenied`
    /// (`EACCES`) if the handle is read-only.
    ///
    /// # Examples
    ///
    /// ```
    /// let mapping = posix_shm::Shm::anonymous(4096)?.map_mut()?;
    /// mapping.slice::<u32>(0, 10)?.store(3, 7);
    /// assert_eq!(mapping.slice::<u32>(0, 10)?.load(3), 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "mmap")]
    #[doc(alias = "mmap-shm")]
    pub fn map_mut(&self) -> Result<Mapping<ReadWrite>> {
        MapOptions::map_all(self.fd(), self.certain_len(), self.name()).map_err(|error| {
            match (error.kind(), self.direction) {
                (ErrorKind::PermissionDenied, Some(Direction::Input)) => error.with_hint(READ_ONLY),
                _ => error,
            }
        })
    }

    /// Maps the whole object as an ordinary `&[u8]`, if no process can change it any more: `fcntl`
    /// with `F_GET_SEALS`, `fstat`, and `mmap` with `PROT_READ`.
    ///
    /// It asks the kernel, and believes no peer. [`make_immutable`](Shm::make_immutable) makes an
    /// object so.
    ///
    /// # Errors
    ///
    /// As [`MapOptions::map_immutable`]: `InvalidInput` if the object can still change.
    ///
    /// # Examples
    ///
    /// ```
    /// # if !posix_shm::capabilities().map_immutable {
    /// #     return Ok(());
    /// # }
    /// let object = posix_shm::Shm::anonymous(5)?;
    /// object.map_mut()?.bytes().copy_from(b"hello");
    ///
    /// let bytes = object.make_immutable()?.map_immutable()?;
    /// assert_eq!(*bytes, *b"hello");
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "mmap")]
    pub fn map_immutable(&self) -> Result<ImmutableMapping> {
        MapOptions::new().map_immutable_named(self.fd(), self.name())
    }

    /// The name that the object was opened by, or that [`from_fd`](Shm::from_fd) was given. `None`
    /// for an anonymous object, and for a handle that was received.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, ShmName};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let object = Shm::create(&name, 4096)?.unlink_on_drop();
    /// assert_eq!(object.name(), Some(&name));
    /// assert_eq!(Shm::anonymous(4096)?.name(), None);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[doc(alias = "shm-name")]
    pub fn name(&self) -> Option<&ShmName> {
        self.name.as_ref()
    }

    /// Whether the call that returned this handle created the object. At most one handle of an
    /// object reports `true`.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, ShmName};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let object = Shm::create(&name, 4096)?.unlink_on_drop();
    /// assert!(object.created());
    /// assert!(!Shm::open(&name)?.created());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    pub fn created(&self) -> bool {
        self.created
    }

    /// Makes another handle of the same opening, with the same direction: `fcntl` with
    /// `F_DUPFD_CLOEXEC`. If this handle holds [`presence`](OpenOptions::present), both do.
    ///
    /// # Errors
    ///
    /// `EMFILE`: no descriptor is free.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::Shm;
    ///
    /// let object = Shm::anonymous(4096)?;
    /// let other = object.try_clone()?;
    /// drop(object);
    /// other.map_mut()?.bytes().store(0, 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "dup")]
    pub fn try_clone(&self) -> Result<Shm> {
        let fd = imp::clone(self.as_fd()).map_err(self.error(Operation::Clone))?;
        let origin = Origin {
            ignore_estimates: self.ignore_estimates,
            unprotected: self.is_unprotected(),
            ..Origin::default()
        };
        let presence = self.clone_presence()?;
        Ok(Shm::new(fd, self.name.clone(), self.direction, origin, presence))
    }

    /// Closes the handle and returns the error that drop would ignore: `close`.
    ///
    /// # Errors
    ///
    /// What `close` reports; the descriptor is gone all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// posix_shm::Shm::anonymous(4096)?.close()?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: POSIX.1-2024 `close`.
    #[doc(alias = "close-shm")]
    pub fn close(self) -> Result<()> {
        let Shm { fd, name, .. } = self;
        imp::close(fd).map_err(|errno| Failure::new(Operation::Close, errno).named(name.as_ref()))
    }
}

impl Shm {
    /// Every handle is made here. `presence` is a description that is kept for as long.
    #[inline]
    pub(crate) fn new(
        fd: OwnedFd,
        name: Option<ShmName>,
        direction: Option<Direction>,
        origin: Origin,
        presence: Option<OwnedFd>,
    ) -> Shm {
        let Origin { created, ignore_estimates, unprotected, known_len } = origin;
        let forks = if known_len == UNKNOWN { 0 } else { imp::forks() };
        let (unprotected, known_len) = (AtomicBool::new(unprotected), AtomicU64::new(known_len));
        Shm {
            fd,
            name,
            direction,
            created,
            ignore_estimates,
            unprotected,
            known_len,
            forks,
            presence,
        }
    }

    /// Another descriptor of the description that holds presence, if there is one.
    pub(crate) fn clone_presence(&self) -> Result<Option<OwnedFd>> {
        let clone = |presence: &OwnedFd| imp::clone(presence.as_fd());
        self.presence.as_ref().map(clone).transpose().map_err(self.error(Operation::Clone))
    }

    /// Clones of this handle keep theirs.
    pub(crate) fn end_presence(&mut self) {
        self.presence = None;
    }

    /// Shows an object that is being created, by a handle that lives as long as the call.
    pub(crate) fn lend<T>(
        object: BorrowedFd<'_>,
        name: &ShmName,
        show: impl FnOnce(&Shm) -> T,
    ) -> T {
        /// Drops a handle, but for its descriptor.
        struct Lent(ManuallyDrop<Shm>);

        impl Drop for Lent {
            fn drop(&mut self) {
                // SAFETY: the value is never used or dropped again.
                let Shm { fd, name, .. } = unsafe { ManuallyDrop::take(&mut self.0) };
                std::mem::forget(fd);
                drop(name);
            }
        }

        // SAFETY: the descriptor is borrowed for longer than this handle lives, which never closes
        // it. The handle is lent by reference, so the descriptor cannot be taken out of it.
        let fd = unsafe { OwnedFd::from_raw_fd(object.as_raw_fd()) };
        let origin = Origin { created: true, ..Origin::default() };
        let shm = Shm::new(fd, Some(name.clone()), Some(Direction::Io), origin, None);
        let lent = Lent(ManuallyDrop::new(shm));
        show(&lent.0)
    }

    /// The descriptor, for a call that passes it on to no one.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// What the handle is for, if we know.
    pub(crate) fn direction(&self) -> Option<Direction> {
        self.direction
    }

    pub(crate) fn ignores_estimates(&self) -> bool {
        self.ignore_estimates
    }

    /// Whether the object still has the kernel's own permissions, which let everyone write.
    pub(crate) fn is_unprotected(&self) -> bool {
        self.unprotected.load(Ordering::Relaxed)
    }

    /// From now on, the object has permissions that were chosen.
    pub(crate) fn set_protected(&self) {
        self.unprotected.store(false, Ordering::Relaxed);
    }

    /// Whether this handle has created the object empty, and nothing may have changed its length
    /// through it since.
    pub(crate) fn is_still_empty(&self) -> bool {
        self.known_len.load(Ordering::Relaxed) == 0
    }

    /// Whether the object is certainly still empty. From now on it counts as if it were not.
    pub(crate) fn take_still_empty(&self) -> bool {
        self.known_len.swap(UNKNOWN, Ordering::Relaxed) == 0
    }

    /// From now on, others may change the length.
    pub(crate) fn forget_len(&self) {
        self.known_len.store(UNKNOWN, Ordering::Relaxed);
    }

    /// The length, if no other process can have changed it: the object has no name, and no other
    /// process has the descriptor. `None` if it is empty, which cannot be mapped.
    #[inline]
    fn certain_len(&self) -> Option<u64> {
        let len = self.known_len.load(Ordering::Relaxed);
        // A child that was forked since has the descriptor too.
        let is_ours = self.name.is_none() && self.forks == imp::forks();
        (len != UNKNOWN && len > 0 && is_ours && imp::TELLS_WHAT_IS_MAPPED).then_some(len)
    }

    /// For `map_err`: the error of an operation on this object.
    pub(crate) fn error(&self, operation: Operation) -> impl Fn(Errno) -> Error {
        move |errno| self.named(Failure::new(operation, errno))
    }

    pub(crate) fn named(&self, failure: Failure) -> Error {
        failure.named(self.name())
    }
}

/// The options of [`Shm::create`].
#[inline(always)]
fn creating(bytes: u64) -> OpenOptions {
    let mut options = OpenOptions::opening(Direction::Io);
    options.if_exists(IfExists::Error).if_does_not_exist(IfDoesNotExist::Create).size(bytes);
    options
}

fn create(name: ShmName, bytes: u64) -> Result<Shm> {
    creating(bytes).open_named(name)
}

fn publish(name: ShmName, contents: &[u8]) -> Result<Shm> {
    creating(contents.len() as u64).open_filled(name, |object| write_new(object, contents))
}

/// Gives a new object its content.
fn write_new(object: BorrowedFd<'_>, contents: &[u8]) -> Result<(), Failure> {
    /// What sandboxes and security modules answer, and a write to a new object does not.
    const FORBIDDEN: [Errno; 3] = [Errno::PERM, Errno::NOSYS, Errno::ACCES];
    if imp::CAPABILITIES.read_write_at {
        match imp::write_new(object, contents) {
            // A sandbox forbids it: write through a mapping.
            Err(failure) if FORBIDDEN.iter().any(|errno| failure.is(*errno)) => {}
            result => return result,
        }
    }
    if !contents.is_empty() {
        // A slice is never longer than `isize::MAX`.
        let to = contents.len() as sys::off_t;
        imp::reserve(object, Growth { from: 0, to, ours: true, ignore_estimates: false })?;
        let mapping = MapOptions::new().map_new(object, contents.len() as u64, false)?;
        mapping.bytes().copy_from(contents);
    }
    Ok(())
}

impl AsFd for Shm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // Code that is lent the descriptor may size the object.
        self.forget_len();
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
    /// Makes a handle without a name. It does not check that the descriptor is of shared memory:
    /// each method checks what it needs.
    fn from(fd: OwnedFd) -> Shm {
        Shm::new(fd, None, None, Origin::of_unknown(), None)
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
