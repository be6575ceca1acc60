//! [`OpenOptions`]: which object to open or create, and what to do about one that exists or does not.
//!
//! Here is the policy; [`imp`] has the system calls.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use posix_shm_sys as sys;

use crate::error::{Errno, Error, Failure, Operation, Result};
use crate::imp;
use crate::map::{self, Mapping, ReadWrite};
use crate::name::ShmName;
use crate::permissions::Permissions;
use crate::shm::{self, Shm};

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
    #[doc(alias = "O_TRUNC")]
    Truncate,
    /// Put a new object in its place. Those who hold the old one keep it.
    ///
    /// # Platform-specific behavior
    ///
    /// On Linux the name goes from the old object to the new one in one step, when the new one is complete. Elsewhere the
    /// name is removed first: for a moment nothing has it, and should there be no memory for the new object, nothing has it
    /// afterwards either.
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
/// one step. On other systems it is created under its name, then sized, with the name removed where that fails.
/// [`IfExists::Supersede`] differs likewise.
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
///     .size(4096)
///     .open(&name)?;
/// assert!(object.created());
/// assert_eq!(object.len()?, 4096);
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
    size: u64,
    sparse: bool,
}

/// How often a name may appear and vanish between the two calls of create-or-open.
const FLICKER_LIMIT: usize = 64;

/// How often create-or-open looks again where there is no room for a new object: those who race for a name may take it from
/// each other, though there is room for the one that they all want.
const SHORTAGES: u32 = 8;

/// Waits for a random time, of at most 1 ms at first and twice as long each time, so that not all look again together.
fn pause(time: u32) {
    let mut random = [0];
    // Without a random source they wait equally long, and most likely not from the same moment on.
    let _ = imp::random(&mut random);
    std::thread::sleep(Duration::from_micros(4 * u64::from(random[0])) * (1 << (time - 1)));
}

/// The combinations that make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    Open { truncate: bool },
    OpenOrCreate { truncate: bool },
    Create,
    Supersede,
}

/// A handle that was opened, and what was made of the object on the way.
struct Opened<T> {
    fd: OwnedFd,
    created: bool,
    made: T,
}

/// What to make of an object: with one that was found, and with one that is being created.
struct Make<'a, T> {
    found: &'a dyn Fn(BorrowedFd<'_>) -> Result<T>,
    new: &'a dyn Fn(BorrowedFd<'_>) -> Result<T, Failure>,
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
    /// An anonymous object on Linux has exactly the permissions that were set, and the kernel's own if none were: nobody
    /// can open it by name, so they only matter to those who are sent a handle.
    #[doc(alias = ":permissions")]
    pub fn permissions(&mut self, permissions: Permissions) -> &mut OpenOptions {
        self.permissions = Some(permissions);
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
        };
        let opened = self.attempt(&name, &make)?.map_err(|refusal| refusal.named(Some(&name)))?;
        Ok(self.shm(opened, Some(&name)))
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
    /// Linux: `memfd_create`, close-on-exec and sealable. Unless its [`permissions`](OpenOptions::permissions) say
    /// otherwise it can never be made executable, where the kernel knows of that (6.3).
    /// Elsewhere: an exclusively created object under a random name, which is removed again at once.
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
        let make = Make { found: &|_| Ok(()), new: &|fd| self.fill(fd, bytes) };
        let opened = self.attempt(name, &make)?;
        Ok(opened.map(|opened| self.shm(opened, Some(name)).0))
    }

    fn anonymous<T>(
        &self,
        make: &dyn Fn(BorrowedFd<'_>) -> Result<T, Failure>,
    ) -> Result<(Shm, T)> {
        if self.direction == Direction::Input {
            return Err(Error::invalid(
                Operation::Create,
                "an anonymous read-only object could never have content; use Direction::Io",
                None,
            ));
        }
        let permissions = self.permissions.map(Permissions::to_sys);
        let (fd, made) = imp::anonymous(permissions, &mut |fd| make(fd))
            .map_err(|failure| failure.named(None))?;
        Ok(self.shm(Opened { fd, created: true, made }, None))
    }

    fn shm<T>(&self, opened: Opened<T>, name: Option<&ShmName>) -> (Shm, T) {
        let Opened { fd, created, made } = opened;
        let still_empty = created && self.size == 0;
        (Shm::new(fd, name.cloned(), self.direction, created, still_empty), made)
    }

    /// One go at what the policy says. The inner error is its refusal: `ENOENT` or `EEXIST`.
    fn attempt<T>(&self, name: &ShmName, make: &Make<'_, T>) -> Result<Result<Opened<T>, Failure>> {
        let policy = self.policy(name)?;
        let truncate = match policy {
            Policy::Open { truncate } | Policy::OpenOrCreate { truncate } => truncate,
            Policy::Create => return self.create(name, false, make),
            Policy::Supersede => return self.create(name, true, make),
        };
        let mut shortages = 0;
        for _ in 0..FLICKER_LIMIT {
            match imp::open(name.as_c_str(), self.direction, truncate) {
                Ok(fd) => {
                    let made = (make.found)(fd.as_fd())?;
                    return Ok(Ok(Opened { fd, created: false, made }));
                }
                Err(Errno::NOENT) if policy.may_create() => {}
                Err(Errno::NOENT) => return Ok(Err(Failure::new(Operation::Open, Errno::NOENT))),
                Err(errno) => return Err(Error::system(Operation::Open, errno, Some(name))),
            }
            match self.create(name, false, make) {
                Ok(Ok(opened)) => return Ok(Ok(opened)),
                // Somebody was quicker.
                Ok(Err(_)) => {}
                Err(error) if error.operation() == Operation::Reserve && shortages < SHORTAGES => {
                    shortages += 1;
                    pause(shortages);
                }
                Err(error) => return Err(error),
            }
        }
        let why = format!(
            "the name appeared and vanished {FLICKER_LIMIT} times between opening and creating"
        );
        Err(Error::refused(Operation::Open, ErrorKind::ResourceBusy, why, Some(name)))
    }

    /// A new object. The inner error is `EEXIST`.
    fn create<T>(
        &self,
        name: &ShmName,
        replace: bool,
        make: &Make<'_, T>,
    ) -> Result<Result<Opened<T>, Failure>> {
        let new = imp::New {
            name: name.as_c_str(),
            direction: self.direction,
            mode: self.permissions.unwrap_or_default().to_sys(),
            replace,
            size: self.size,
        };
        match imp::build(new, &mut |fd| (make.new)(fd)) {
            Ok((fd, made)) => Ok(Ok(Opened { fd, created: true, made })),
            // What replaces does not mind what exists, so there it is another's doing in the middle of ours.
            Err(failure) if failure.errno == Errno::EXIST && !replace => Ok(Err(failure)),
            Err(failure) => Err(failure.named(Some(name))),
        }
    }

    /// Gives a new object its length.
    fn fill(&self, fd: BorrowedFd<'_>, bytes: sys::off_t) -> Result<(), Failure> {
        match bytes {
            0 => Ok(()),
            bytes if self.sparse => imp::set_len(fd, bytes).map_err(Failure::of(Operation::SetLen)),
            bytes => imp::reserve(fd, 0, bytes),
        }
    }

    /// Which combination this is, if it is one that can work.
    fn policy(&self, name: &ShmName) -> Result<Policy> {
        let if_does_not_exist = self.if_does_not_exist.unwrap_or({
            match (self.direction, self.if_exists) {
                (Direction::Input, _) | (_, IfExists::Overwrite | IfExists::Truncate) => {
                    IfDoesNotExist::Error
                }
                (Direction::Io, IfExists::Supersede | IfExists::Error) => IfDoesNotExist::Create,
            }
        });
        let create = if_does_not_exist == IfDoesNotExist::Create;
        let refuse = |why| Err(Error::invalid(Operation::Open, why, Some(name)));
        match self.if_exists {
            IfExists::Truncate if self.direction == Direction::Input => refuse(
                "POSIX leaves truncating through a read-only handle undefined; use Direction::Io",
            ),
            IfExists::Overwrite if create => Ok(Policy::OpenOrCreate { truncate: false }),
            IfExists::Overwrite => Ok(Policy::Open { truncate: false }),
            IfExists::Truncate if create => Ok(Policy::OpenOrCreate { truncate: true }),
            IfExists::Truncate => Ok(Policy::Open { truncate: true }),
            IfExists::Supersede if create => Ok(Policy::Supersede),
            IfExists::Supersede => refuse(
                "to supersede is to create, which IfDoesNotExist::Error forbids (the default with Direction::Input); \
                 set IfDoesNotExist::Create, or use IfExists::Overwrite",
            ),
            IfExists::Error if create => Ok(Policy::Create),
            IfExists::Error => refuse(
                "IfExists::Error with IfDoesNotExist::Error (the default with Direction::Input) can never succeed; \
                 set IfDoesNotExist::Create",
            ),
        }
    }

    /// The size as the system's type.
    fn length(&self, name: Option<&ShmName>) -> Result<sys::off_t> {
        shm::to_off_t(self.size, Operation::Create, name)
    }

    /// The size as that of a mapping, where there is one and it can be written.
    fn mappable_len(&self, may_create: bool, name: Option<&ShmName>) -> Result<usize> {
        let refuse = |why| Err(Error::invalid(Operation::Map, why, name));
        match usize::try_from(self.size) {
            _ if self.direction == Direction::Input => {
                refuse("a mapping that can be written needs a handle that can; use Direction::Io")
            }
            _ if self.if_exists == IfExists::Truncate => {
                refuse("IfExists::Truncate would leave nothing to map")
            }
            Ok(0) if may_create => {
                refuse("an object that is created needs a size, or there is nothing to map")
            }
            Ok(len) if len <= map::MAX_LEN => Ok(len),
            _ => Err(map::too_long(self.size, name)),
        }
    }
}

impl Policy {
    fn may_create(self) -> bool {
        !matches!(self, Policy::Open { .. })
    }
}
