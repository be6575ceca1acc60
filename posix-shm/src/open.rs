//! [`OpenOptions`]: which object to open or create, and what to do if it exists or does not.
//!
//! This file has the options and the methods that open. `policy` says which combinations make
//! sense, `prepare` makes a request of the options, and `attempt` carries it out.
//! [`imp`](crate::imp) has the system calls.

use std::time::Duration;

use crate::direction::Direction;
use crate::error::{Error, Result};
use crate::map::{HugePages, MapOptions, Mapping, ReadWrite};
use crate::name::{self, ShmName};
use crate::permissions::Permissions;
use crate::shm::Shm;

mod attempt;
mod policy;
mod prepare;
mod setters;

pub use policy::{IfDoesNotExist, IfExists};

use attempt::Unfilled;

/// How to open or create an object: `shm_open`, with every combination of options that makes sense
/// and none that POSIX leaves undefined.
///
/// Set what matters, then call one of the methods that open. The options can be used again.
/// [`Shm::open`], [`Shm::open_io`], [`Shm::create`], [`Shm::open_or_create`] and
/// [`Shm::anonymous`] are the usual combinations in one call.
///
/// | [if it exists](Self::if_exists) | [if it does not][not]: `Error` | if it does not: `Create` |
/// |---|---|---|
/// | `Overwrite` | open it, else `NotFound` | open it, else create it |
/// | `Truncate` | open and empty it, else `NotFound` | open and empty it, else create it |
/// | `Supersede` | refused: the same as `Overwrite` | a new object takes the name |
/// | `Error` | refused: can never succeed | create it, else `AlreadyExists` |
///
/// [not]: Self::if_does_not_exist
///
/// If both opening and creating are allowed, exactly one of them happens, and [`Shm::created`]
/// tells which. If several processes race for a name, exactly one of them creates the object.
///
/// # Platform-specific behavior
///
/// On Linux an object with a [`size`](OpenOptions::size) is built without a name, and gets it in
/// one step when it is complete. On FreeBSD and NetBSD it is built under a temporary name and
/// renamed. On macOS and OpenBSD it is created under its name, then sized; if that fails, the name
/// is removed. [`IfExists::Supersede`] differs in the same way.
///
/// If a sandbox on Linux forbids the first of these ways, the second is used, and if it forbids
/// that too, the third.
///
/// Android has no named objects: every method that takes a name is refused (`Unsupported`).
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
#[doc(alias = "open-flags")]
#[doc(alias = "with-open-shm")]
pub struct OpenOptions {
    direction: Direction,
    if_exists: IfExists,
    if_does_not_exist: Option<IfDoesNotExist>,
    permissions: Option<Permissions>,
    ignore_umask: bool,
    size: u64,
    resize: bool,
    at_least: u64,
    sparse: bool,
    ignore_estimates: bool,
    wait: Duration,
    map_options: MapOptions,
    label: Option<String>,
    huge_pages: Option<HugePages>,
    present: bool,
}

impl OpenOptions {
    /// [`new`](OpenOptions::new) of this direction, made when it is compiled.
    pub(crate) const fn opening(direction: Direction) -> OpenOptions {
        OpenOptions {
            direction,
            if_exists: IfExists::Overwrite,
            if_does_not_exist: None,
            permissions: None,
            ignore_umask: false,
            size: 0,
            resize: false,
            at_least: 0,
            sparse: false,
            ignore_estimates: false,
            wait: Duration::ZERO,
            map_options: MapOptions::PLAIN,
            label: None,
            huge_pages: None,
            present: false,
        }
    }

    /// Opens the object, or creates it: `shm_open`.
    ///
    /// The descriptor is closed on exec. A failed call leaves nothing behind: no name, no
    /// descriptor.
    ///
    /// # Errors
    ///
    /// * `InvalidInput`, before any system call: a name that breaks a rule ([`ShmName::new`]), a
    ///   combination that [`OpenOptions`] refuses, `Truncate` with [`Direction::Input`] (POSIX
    ///   leaves it undefined), a size over `i64::MAX`;
    /// * `NotFound` (`ENOENT`) and `AlreadyExists` (`EEXIST`), as the table says;
    /// * `PermissionDenied` (`EACCES`, `EPERM`): this user may not open the object in this
    ///   direction, or may not create or replace it;
    /// * `StorageFull` (`ENOSPC`): no memory for the size,
    ///   [`Operation::Reserve`](crate::Operation::Reserve);
    /// * `ELOOP`: a symbolic link has the name; `EMFILE`, `ENFILE`: no descriptor is free;
    /// * `Unsupported`: truncating on macOS, any name on Android, NetBSD without a tmpfs at
    ///   `/var/shm`;
    /// * `InvalidData`: the object is shorter than [`at_least`](OpenOptions::at_least);
    /// * `TimedOut`: the object was still empty or too short when [`wait`](OpenOptions::wait) was
    ///   over;
    /// * `FileTooLarge` (`EFBIG`), `OutOfMemory` (`ENOMEM`): a size that [`Shm::set_len`] would
    ///   refuse;
    /// * `ResourceBusy`: the name appeared and vanished 64 times between opening and creating, or
    ///   other processes kept taking the name that was to be superseded.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Direction, IfDoesNotExist, OpenOptions, ShmName};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let mut options = OpenOptions::new();
    /// options.direction(Direction::Io).if_does_not_exist(IfDoesNotExist::Create).size(4096);
    /// let object = options.open(&name)?.unlink_on_drop();
    /// assert!(object.created() && !options.open(&name)?.created());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: POSIX.1-2024 `shm_open`; Linux `shm_open(3)`, `open(2)`.
    pub fn open(&self, name: impl TryInto<ShmName, Error: Into<Error>>) -> Result<Shm> {
        self.open_named(name::checked(name)?)
    }

    /// As [`open`](OpenOptions::open), but a refusal by the policies is `None` and not an error.
    ///
    /// `None` replaces `NotFound` if creating is not allowed, and `AlreadyExists` if opening is
    /// not. Every other failure stays an error.
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
    /// let absent = ShmName::random("doc.")?;
    /// assert!(OpenOptions::new().open_optional(&absent)?.is_none());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = ":if-exists nil")]
    #[doc(alias = "continue")]
    #[doc(alias = "use-value")]
    #[doc(alias = ":if-does-not-exist nil")]
    pub fn open_optional(
        &self,
        name: impl TryInto<ShmName, Error: Into<Error>>,
    ) -> Result<Option<Shm>> {
        self.open_named_optional(name::checked(name)?)
    }

    /// Opens or creates the object, and maps it for reading and writing: `shm_open` and `mmap`.
    ///
    /// A new object is sized and mapped before it has a name, if the system can do that. An
    /// existing object keeps its length, unless [`resize`](OpenOptions::resize) is set. (If one
    /// that was made longer cannot be mapped, it stays longer.) The whole object is mapped, unless
    /// [`map_options`](OpenOptions::map_options) says which part.
    ///
    /// # Errors
    ///
    /// As [`open`](OpenOptions::open) and [`Shm::map_mut`]. Also `InvalidInput` for options that
    /// leave nothing to map: [`Direction::Input`], [`IfExists::Truncate`], or no
    /// [`size`](OpenOptions::size) if an object may be created.
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
    #[doc(alias = "with-open-shm-and-mmap")]
    #[doc(alias = "with-mmapped-shm")]
    pub fn open_mapped(
        &self,
        name: impl TryInto<ShmName, Error: Into<Error>>,
    ) -> Result<(Shm, Mapping<ReadWrite>)> {
        self.open_named_mapped(name::checked(name)?)
    }

    /// Opens the object, or creates it and lets `init` fill it before any other process sees it.
    ///
    /// A new object is sized, given to `init`, and then named, so every process that opens it finds
    /// it initialised. An object that exists is opened as it is, and `init` is not called. If
    /// another process creates the object while `init` runs, the object that `init` filled is
    /// thrown away. If `init` fails or panics, nothing is left of the object.
    ///
    /// With [`IfExists::Supersede`], `init` always runs. The old object keeps the name until it
    /// returns, and for good if it fails.
    ///
    /// `init` may be called again on a fresh object, if the first one could not be given its name.
    ///
    /// # Errors
    ///
    /// As [`open`](OpenOptions::open), and what `init` returns.
    ///
    /// # Platform-specific behavior
    ///
    /// If [`capabilities`](crate::capabilities()) says that an object is not complete before it is
    /// named, other processes can open it while `init` runs.
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
        name: impl TryInto<ShmName, Error: Into<Error>>,
        mut init: impl FnMut(&Shm) -> Result<(), E>,
    ) -> Result<Shm, E> {
        let name = name::checked(name)?;
        let bytes = self.length(Some(&name))?;
        let request = self.request(&name, true)?;
        let mut refused = None;
        let outcome = request.attempt(&mut |object| {
            self.fill(object, bytes)?;
            Shm::lend(object, &name, &mut init).map_err(|error| {
                refused = Some(error);
                Unfilled::Callers
            })?;
            Ok(self.check_filled(object)?)
        });
        if let (Some(error), Err(Unfilled::Callers)) = (refused, &outcome) {
            return Err(error);
        }
        let opened = request.opened(outcome)?;
        let created = opened.created;
        let object = self.handle_of(opened, name)?;
        if created {
            // `init` may have given it any length.
            object.take_still_empty();
        }
        Ok(object)
    }

    /// Creates an object that has no name.
    ///
    /// No other process can find it, and it is gone with its last handle and mapping. It is the
    /// only kind of object that cannot be left behind. Another process gets it if it inherits the
    /// descriptor, or if you [send](Shm::send) it. The direction must be [`Direction::Io`], and the
    /// policies for names do not apply.
    ///
    /// # Errors
    ///
    /// * `InvalidInput`: [`Direction::Input`], since nothing could ever give it content; a size
    ///   over `i64::MAX`;
    /// * `StorageFull` (`ENOSPC`) or `OutOfMemory` (`ENOMEM`): no memory for the size;
    /// * `EMFILE`, `ENFILE`: no descriptor is free.
    ///
    /// # Platform-specific behavior
    ///
    /// Linux and Android: `memfd_create`, close-on-exec and sealable. Unless its
    /// [`permissions`](OpenOptions::permissions) say otherwise, it can never be made executable
    /// (from Linux 6.3 on). FreeBSD: `memfd_create`, which is `shm_open` with `SHM_ANON`.
    /// Elsewhere: an object under a random name, created exclusively; the name is removed when the
    /// object is sized and mapped.
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
        self.open_unnamed()
    }

    /// As [`open_anonymous`](OpenOptions::open_anonymous), and maps the object for reading and
    /// writing: `mmap`.
    ///
    /// The whole object is mapped, unless [`map_options`](OpenOptions::map_options) says which
    /// part. On Linux an object of up to 4096 bytes takes five system calls, with those that unmap
    /// and close it.
    ///
    /// # Errors
    ///
    /// As [`open_anonymous`](OpenOptions::open_anonymous) and [`Shm::map_mut`]. Also `InvalidInput`
    /// if no [`size`](OpenOptions::size) was set.
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
    #[doc(alias = "with-open-shm-and-mmap*")]
    #[doc(alias = "with-mmapped-shm*")]
    pub fn open_anonymous_mapped(&self) -> Result<(Shm, Mapping<ReadWrite>)> {
        self.open_unnamed_mapped()
    }
}
