//! [`OpenOptions`]: which object to open or create, and what to do about one that exists or does not.
//!
//! Here is what can be asked for; [`decide`] carries it out, and [`imp`](crate::imp) has the system calls.

use std::cell::Cell;
use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::error::{Errno, Error, Failure, Operation, Result};
use crate::map::{self, Mapping, ReadWrite};
use crate::name::ShmName;
use crate::permissions::Permissions;
use crate::shm::Shm;

mod decide;

use decide::Make;

/// What a handle is for: reading, or reading and writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Only reading: `O_RDONLY`.
    #[default]
    #[doc(alias = "O_RDONLY")]
    #[doc(alias = ":input")]
    Input,
    /// Reading and writing: `O_RDWR`. POSIX has no way to only write.
    #[doc(alias = "O_RDWR")]
    #[doc(alias = ":io")]
    Io,
}

/// What to do where an object has the name already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IfExists {
    /// Open it as it is.
    #[default]
    Overwrite,
    /// Open it and set its length to 0: `O_TRUNC`. Those who have it mapped lose the memory under their feet.
    ///
    /// # Platform-specific behavior
    ///
    /// On macOS an object that has a length keeps it, so this is refused (`Unsupported`); [`Supersede`](IfExists::Supersede) is
    /// not.
    #[doc(alias = "O_TRUNC")]
    Truncate,
    /// Put a new object in its place. Those who hold the old one keep it.
    ///
    /// # Platform-specific behavior
    ///
    /// On Linux, FreeBSD and NetBSD the name goes from the old object to the new one in one step, when the new one is complete.
    /// Elsewhere the name is removed first: for a moment nothing has it, and should there be no memory for the new object,
    /// nothing has it afterwards either. [`capabilities`](crate::capabilities) say which.
    Supersede,
    /// Refuse: `O_EXCL`.
    #[doc(alias = "O_EXCL")]
    Error,
}

/// What to do where nothing has the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IfDoesNotExist {
    /// Create an object: `O_CREAT`.
    #[doc(alias = "O_CREAT")]
    Create,
    /// Refuse.
    Error,
}

/// How to open an object, or create it: `shm_open`, with every combination that can be told apart and none that POSIX
/// leaves undefined.
///
/// Set what matters, then call one of the methods that open; the options can be used again. [`Shm::open`],
/// [`Shm::open_io`], [`Shm::create`], [`Shm::open_or_create`] and [`Shm::anonymous`] are the usual combinations in one
/// call.
///
/// | `if_exists` \ `if_does_not_exist` | [`Error`](IfDoesNotExist::Error) | [`Create`](IfDoesNotExist::Create) |
/// |---|---|---|
/// | [`Overwrite`](IfExists::Overwrite) | open it; absent: `NotFound` | open it, or create it |
/// | [`Truncate`](IfExists::Truncate) | open it and set its length to 0; absent: `NotFound` | the same, or create it |
/// | [`Supersede`](IfExists::Supersede) | refused: cannot be told from `Overwrite` | a new object takes the name |
/// | [`Error`](IfExists::Error) | refused: can never succeed | create it; present: `AlreadyExists` |
///
/// Create or open is decided, not guessed: when both are allowed, a loop of opening what exists and creating what does
/// not ends in exactly one of the two, [`Shm::created`] tells which, and of all who race for a name exactly one creates
/// each object.
///
/// # Platform-specific behavior
///
/// On Linux an object with a [`size`](OpenOptions::size) is built without a name and given it when it is complete, in
/// one step; on FreeBSD and NetBSD it is built under a temporary name and renamed. On macOS and OpenBSD it is created under its
/// name, then sized, with the name removed where that fails. [`IfExists::Supersede`] differs likewise.
///
/// Android has no named objects: what takes a name is refused (`Unsupported`).
///
/// # Examples
///
/// ```
/// use posix_shm::{Direction, IfDoesNotExist, OpenOptions, ShmName};
///
/// let name = ShmName::random("doc.")?;
/// let object = OpenOptions::new()
///     .direction(Direction::Io)
///     .if_does_not_exist(IfDoesNotExist::Create)
///     .size(65536)
///     .open(&name)?;
/// assert!(object.created());
/// assert_eq!(object.len()?, 65536);
///
/// posix_shm::unlink(&name)?;
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[doc(alias = "shm_open")]
#[doc(alias = "open-shm")]
#[doc(alias = "with-open-shm")]
pub struct OpenOptions {
    direction: Direction,
    if_exists: IfExists,
    if_does_not_exist: Option<IfDoesNotExist>,
    permissions: Option<Permissions>,
    ignore_umask: bool,
    size: u64,
    sparse: bool,
    wait: Duration,
}

impl OpenOptions {
    /// To open an existing object for reading: `Input`, `Overwrite`, and permissions 0o600 should it come to create one.
    #[must_use]
    pub fn new() -> OpenOptions {
        OpenOptions::default()
    }

    /// For reading, or for reading and writing.
    ///
    /// An object that is created with a [`size`](OpenOptions::size) is sized all the same when the handle is to be
    /// read-only.
    pub fn direction(&mut self, direction: Direction) -> &mut OpenOptions {
        self.direction = direction;
        self
    }

    /// What to do where an object has the name already.
    #[doc(alias = ":if-exists")]
    pub fn if_exists(&mut self, if_exists: IfExists) -> &mut OpenOptions {
        self.if_exists = if_exists;
        self
    }

    /// What to do where nothing has the name.
    ///
    /// Unless set, it is [`Error`](IfDoesNotExist::Error) for [`Direction::Input`], [`IfExists::Overwrite`] and
    /// [`IfExists::Truncate`], and [`Create`](IfDoesNotExist::Create) for the rest.
    #[doc(alias = ":if-does-not-exist")]
    pub fn if_does_not_exist(&mut self, if_does_not_exist: IfDoesNotExist) -> &mut OpenOptions {
        self.if_does_not_exist = Some(if_does_not_exist);
        self
    }

    /// The permissions of an object that this call creates, 0o600 unless set. The process's umask takes bits away from
    /// them, as POSIX says.
    ///
    /// # Platform-specific behavior
    ///
    /// An anonymous object on Linux, Android and FreeBSD has exactly the permissions that were set, and the kernel's own if none
    /// were: nobody can open it by name, so they only matter to those who are sent a handle.
    ///
    /// macOS does not ask the umask: these are the permissions. On OpenBSD only 0o600 of them counts, since an object is its
    /// owner's alone.
    #[doc(alias = ":permissions")]
    pub fn permissions(&mut self, permissions: Permissions) -> &mut OpenOptions {
        self.permissions = Some(permissions);
        self
    }

    /// Give an object that this call creates exactly its [`permissions`](OpenOptions::permissions), whatever the umask.
    ///
    /// The process's umask is not touched, not even for a moment.
    ///
    /// # Platform-specific behavior
    ///
    /// On Linux, FreeBSD and NetBSD the permissions are final before the object has its name; but on FreeBSD its owner may read
    /// and write it until then, whatever they are. On OpenBSD `fchmod` follows the creation. On macOS they are exact already.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Direction, IfExists, OpenOptions, Permissions, ShmName};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let object = OpenOptions::new()
    ///     .direction(Direction::Io)
    ///     .if_exists(IfExists::Error)
    ///     .permissions(Permissions::from_mode(0o666))
    ///     .ignore_umask(true)
    ///     .open(&name)?;
    /// assert_eq!(object.metadata()?.permissions().mode(), 0o666);
    /// object.unlink()?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn ignore_umask(&mut self, yes: bool) -> &mut OpenOptions {
        self.ignore_umask = yes;
        self
    }

    /// The length in bytes of an object that this call creates, 0 unless set. All its bytes are zero.
    ///
    /// The memory for it is reserved, so that touching it later cannot fail; see [`sparse`](OpenOptions::sparse). An
    /// object that exists keeps its length: what this call did not make, it does not resize.
    pub fn size(&mut self, bytes: u64) -> &mut OpenOptions {
        self.size = bytes;
        self
    }

    /// Do not reserve memory for an object that this call creates.
    ///
    /// Creating it is then quick at any size, and pages come when they are first touched. Where the system has none left
    /// at that time, it kills the process with `SIGBUS`.
    pub fn sparse(&mut self, yes: bool) -> &mut OpenOptions {
        self.sparse = yes;
        self
    }

    /// Wait this long for an object to exist, and to have a length. Zero, as it is unless set, does not wait.
    ///
    /// For peers that create an object first and size it later, and for those that start later than this process. Where
    /// nothing is there at the end, the policy says what that means; what is there and still empty is `TimedOut`. What this
    /// call truncates or creates, it does not wait for.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use posix_shm::{OpenOptions, Shm, ShmName};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let late = std::thread::spawn({
    ///     let name = name.clone();
    ///     move || Shm::create(&name, 65536)
    /// });
    /// let object = OpenOptions::new().wait(Duration::from_secs(10)).open(&name)?;
    /// assert_eq!(object.len()?, 65536);
    /// late.join().unwrap()?.unlink()?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn wait(&mut self, limit: Duration) -> &mut OpenOptions {
        self.wait = limit;
        self
    }

    /// Opens the object, or creates it: `shm_open`.
    ///
    /// The descriptor is closed on exec. A failed call leaves nothing behind: no name, no descriptor.
    ///
    /// # Errors
    ///
    /// * `InvalidInput`, before any system call: a name that breaks a rule ([`ShmName::new`]), a combination the table
    ///   above refuses, `Truncate` with [`Direction::Input`] (POSIX leaves it undefined), a size over `i64::MAX`;
    /// * `NotFound` (`ENOENT`) and `AlreadyExists` (`EEXIST`), as the table says;
    /// * `PermissionDenied` (`EACCES`): an object that this user may not open so, or may not replace;
    /// * `StorageFull` (`ENOSPC`): no memory for the size, [`Operation::Reserve`];
    /// * `ELOOP`: a symbolic link has the name; `EMFILE`, `ENFILE`: no descriptor is free;
    /// * `Unsupported`: to truncate on macOS, anything with a name on Android, NetBSD without a tmpfs at `/var/shm`;
    /// * `TimedOut`: [`wait`](OpenOptions::wait) was over, and the object had no length yet;
    /// * `ResourceBusy`: the name appeared and vanished 64 times while this call tried both ways.
    ///
    /// Sources: POSIX.1-2024 `shm_open`; Linux `shm_open(3)`, `open(2)`.
    pub fn open(&self, name: impl AsRef<OsStr>) -> Result<Shm> {
        let name = ShmName::new(name)?;
        self.open_unless_refused(&name)?.map_err(|refusal| refusal.named(Some(&name)))
    }

    /// [`open`](OpenOptions::open), with `None` where the policy says that there is nothing to open, or nothing to create.
    ///
    /// Exactly `NotFound` where only an existing object will do, and `AlreadyExists` where only a new one, become `None`.
    /// Every other failure stays an error.
    ///
    /// # Errors
    ///
    /// As [`open`](OpenOptions::open), without these two.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{OpenOptions, ShmName};
    ///
    /// let nobody_has_it = ShmName::random("doc.")?;
    /// assert!(OpenOptions::new().open_optional(&nobody_has_it)?.is_none());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = ":if-exists nil")]
    #[doc(alias = ":if-does-not-exist nil")]
    pub fn open_optional(&self, name: impl AsRef<OsStr>) -> Result<Option<Shm>> {
        Ok(self.open_unless_refused(&ShmName::new(name)?)?.ok())
    }

    /// Opens the object, or creates it and lets `init` fill it before anybody sees it.
    ///
    /// A new object is sized, given to `init`, and then named: whoever opens it finds it initialised. An object that exists
    /// is opened as it is, and `init` is not called; where somebody else creates it while `init` runs, what `init` filled is
    /// thrown away. Where it fails or panics, nothing is left of the object.
    ///
    /// # Errors
    ///
    /// As [`open`](OpenOptions::open), and whatever `init` says.
    ///
    /// # Platform-specific behavior
    ///
    /// Where [`capabilities`](crate::capabilities) say that an object is not complete before it is named, it can be opened
    /// while `init` runs.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Direction, Error, IfDoesNotExist, OpenOptions, Shm, ShmName};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let mut options = OpenOptions::new();
    /// options.direction(Direction::Io).if_does_not_exist(IfDoesNotExist::Create).size(4096);
    /// let object = options.open_with::<Error>(&name, |new| {
    ///     new.map_mut()?.slice::<u32>(0, 1)?.store(0, 0xfeed);
    ///     Ok(())
    /// })?;
    /// assert_eq!(Shm::open(&name)?.map()?.slice::<u32>(0, 1)?.load(0), 0xfeed);
    /// object.unlink()?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn open_with<E: From<Error>>(
        &self,
        name: impl AsRef<OsStr>,
        init: impl FnOnce(&Shm) -> Result<(), E>,
    ) -> Result<Shm, E> {
        let name = ShmName::new(name)?;
        let bytes = self.length(Some(&name))?;
        let (init, refused) = (Cell::new(Some(init)), Cell::new(None));
        let new = |fd: BorrowedFd<'_>| {
            self.fill(fd, bytes)?;
            let Some(init) = init.take() else {
                return Err(Failure::new(Operation::Create, Errno::AGAIN));
            };
            Shm::lend(fd, &name, |new| init(new)).map_err(|error| {
                refused.set(Some(error));
                Failure::new(Operation::Create, Errno::INVAL)
            })
        };
        let make = Make { found: &|_| Ok(()), new: &new, once: true };
        match self.attempt(&name, &make) {
            Ok(Ok(opened)) => Ok(self.shm(opened, Some(&name), true).0),
            Ok(Err(refusal)) => Err(refusal.named(Some(&name)).into()),
            Err(error) => Err(refused.take().unwrap_or_else(|| error.into())),
        }
    }

    /// Opens the object, or creates it, and maps it whole for reading and writing.
    ///
    /// A new object is sized and mapped before it has a name where the system can. An existing one is mapped as it is:
    /// what this call did not make, it does not resize.
    ///
    /// # Errors
    ///
    /// As [`open`](OpenOptions::open) and [`Shm::map_mut`]. Also `InvalidInput` for what could never be mapped:
    /// [`Direction::Input`], [`IfExists::Truncate`], or no [`size`](OpenOptions::size) where an object may be created.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Direction, IfExists, OpenOptions, ShmName};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let (_object, mapping) = OpenOptions::new()
    ///     .direction(Direction::Io)
    ///     .if_exists(IfExists::Error)
    ///     .size(4096)
    ///     .open_mapped(&name)?;
    /// mapping.bytes().store(0, 42);
    ///
    /// posix_shm::unlink(&name)?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "with-mmapped-shm")]
    pub fn open_mapped(&self, name: impl AsRef<OsStr>) -> Result<(Shm, Mapping<ReadWrite>)> {
        let name = ShmName::new(name)?;
        let bytes = self.length(Some(&name))?;
        let len = self.mappable_len(self.policy(&name)?.may_create(), Some(&name))?;
        let make = Make {
            found: &|fd| map::whole(fd, Some(&name)),
            new: &|fd| {
                self.fill(fd, bytes)?;
                map::new_object(fd, len)
            },
            once: false,
        };
        let opened = self.attempt(&name, &make)?.map_err(|refusal| refusal.named(Some(&name)))?;
        Ok(self.shm(opened, Some(&name), false))
    }

    /// Creates an object that has no name, and never had one where the system can.
    ///
    /// Nobody can find it, and it is gone with its last handle and mapping: the only kind that cannot be left behind.
    /// Another process gets at it by inheriting the descriptor or being sent it. The direction must be
    /// [`Direction::Io`], and the policies for names do not apply.
    ///
    /// # Errors
    ///
    /// * `InvalidInput`: [`Direction::Input`], since nobody could ever give it content; a size over `i64::MAX`;
    /// * `StorageFull` (`ENOSPC`) or `ENOMEM`: no memory for the size; `EMFILE`, `ENFILE`: no descriptor is free.
    ///
    /// # Platform-specific behavior
    ///
    /// Linux and Android: `memfd_create`, close-on-exec and sealable. Unless its [`permissions`](OpenOptions::permissions) say
    /// otherwise it can never be made executable, where the kernel knows of that (6.3). FreeBSD: `memfd_create`, which is
    /// `shm_open` with `SHM_ANON`. Elsewhere: an exclusively created object under a random name, which is removed again once it
    /// is sized and mapped.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Direction, OpenOptions};
    ///
    /// let object = OpenOptions::new().direction(Direction::Io).size(4096).open_anonymous()?;
    /// assert!(object.name().is_none());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: Linux `memfd_create(2)`; the Common Lisp library's `open-shm*`.
    #[doc(alias = "open-shm*")]
    #[doc(alias = "with-open-shm*")]
    #[doc(alias = "memfd_create")]
    #[doc(alias = "SHM_ANON")]
    pub fn open_anonymous(&self) -> Result<Shm> {
        let bytes = self.length(None)?;
        Ok(self.anonymous(&|fd| self.fill(fd, bytes))?.0)
    }

    /// [`open_anonymous`](OpenOptions::open_anonymous), mapped whole for reading and writing: five system calls from here
    /// to the closing of both.
    ///
    /// # Errors
    ///
    /// As [`open_anonymous`](OpenOptions::open_anonymous) and [`Shm::map_mut`]; `InvalidInput` also where no
    /// [`size`](OpenOptions::size) was set.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Direction, OpenOptions};
    ///
    /// let (_object, mapping) =
    ///     OpenOptions::new().direction(Direction::Io).size(4096).open_anonymous_mapped()?;
    /// mapping.bytes().store(0, 42);
    /// assert_eq!(mapping.bytes().load(0), 42);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "with-mmapped-shm*")]
    pub fn open_anonymous_mapped(&self) -> Result<(Shm, Mapping<ReadWrite>)> {
        let bytes = self.length(None)?;
        let len = self.mappable_len(true, None)?;
        self.anonymous(&|fd| {
            self.fill(fd, bytes)?;
            map::new_object(fd, len)
        })
    }

    /// A handle, or the policy's refusal.
    fn open_unless_refused(&self, name: &ShmName) -> Result<Result<Shm, Failure>> {
        let bytes = self.length(Some(name))?;
        self.open_making(name, &|fd| self.fill(fd, bytes))
    }

    /// [`open`](OpenOptions::open), with another way to give a new object its length.
    pub(crate) fn open_filled(
        &self,
        name: &OsStr,
        fill: &dyn Fn(BorrowedFd<'_>) -> Result<(), Failure>,
    ) -> Result<Shm> {
        let name = ShmName::new(name)?;
        self.open_making(&name, fill)?.map_err(|refusal| refusal.named(Some(&name)))
    }

    fn open_making(
        &self,
        name: &ShmName,
        new: &dyn Fn(BorrowedFd<'_>) -> Result<(), Failure>,
    ) -> Result<Result<Shm, Failure>> {
        let make = Make { found: &|_| Ok(()), new, once: false };
        Ok(self.attempt(name, &make)?.map(|opened| self.shm(opened, Some(name), false).0))
    }
}
