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

pub use policy::{IfDoesNotExist, IfExists};

use attempt::Unfilled;

/// How to open or create an object: `shm_open`, with every combination of options that makes sense
/// and none that POSIX leaves undefined.
///
/// Set what matters, then call one of the methods that open. The options can be used again.
/// [`Shm::open`], [`Shm::open_io`], [`Shm::create`], [`Shm::open_or_create`] and
/// [`Shm::anonymous`] are the usual combinations in one call.
///
/// | [`if_exists`](OpenOptions::if_exists) | `IfDoesNotExist::Error` | `IfDoesNotExist::Create` |
/// |---|---|---|
/// | `Overwrite` | open it, else `NotFound` | open it, else create it |
/// | `Truncate` | open and empty it, else `NotFound` | open and empty it, else create it |
/// | `Supersede` | refused: the same as `Overwrite` | a new object takes the name |
/// | `Error` | refused: can never succeed | create it, else `AlreadyExists` |
///
/// If both opening and creating are allowed, exactly one of them happens, and [`Shm::created`]
/// tells which. If several processes race for a name, exactly one of them creates the object.
///
/// # Platform-specific behavior
///
/// On Linux an object with a [`size`](OpenOptions::size) is built without a name, and gets it in
/// one step when it is complete. On FreeBSD and NetBSD it is built under a temporary name and
/// renamed. On macOS and OpenBSD it is created under its name, then sized; if that fails, the name
/// is removed. [`IfExists::Supersede`] differs likewise.
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
    /// Opens an existing object for reading: `Input` and `Overwrite`. If the options are changed so
    /// that they create an object, its permissions are 0o600.
    #[must_use]
    pub fn new() -> OpenOptions {
        OpenOptions::default()
    }

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

    /// Sets what the handle is for: reading, the default, or reading and writing.
    ///
    /// An object that this call creates gets its [`size`](OpenOptions::size) even if the returned
    /// handle is read-only.
    #[doc(alias = ":direction")]
    pub fn direction(&mut self, direction: Direction) -> &mut OpenOptions {
        self.direction = direction;
        self
    }

    /// Sets what to do if an object already has the name. The default is
    /// [`Overwrite`](IfExists::Overwrite): open it as it is.
    #[doc(alias = ":if-exists")]
    pub fn if_exists(&mut self, if_exists: IfExists) -> &mut OpenOptions {
        self.if_exists = if_exists;
        self
    }

    /// Sets what to do if nothing has the name.
    ///
    /// The default is [`Create`](IfDoesNotExist::Create) for [`Direction::Io`] with
    /// [`IfExists::Supersede`] or [`IfExists::Error`], and [`Error`](IfDoesNotExist::Error)
    /// otherwise.
    #[doc(alias = ":if-does-not-exist")]
    pub fn if_does_not_exist(&mut self, if_does_not_exist: IfDoesNotExist) -> &mut OpenOptions {
        self.if_does_not_exist = Some(if_does_not_exist);
        self
    }

    /// Sets the length in bytes of an object that this call creates. The default is 0. All its
    /// bytes are zero.
    ///
    /// The memory is reserved, so that touching it later cannot fail, unless
    /// [`sparse`](OpenOptions::sparse) is set.
    ///
    /// An object that exists keeps its length, unless [`resize`](OpenOptions::resize) is set.
    /// [`at_least`](OpenOptions::at_least) refuses one that is too short.
    pub fn size(&mut self, bytes: u64) -> &mut OpenOptions {
        self.size = bytes;
        self
    }

    /// Gives an object that exists the [`size`](OpenOptions::size) too, as
    /// [`set_len`](Shm::set_len) does, or [`set_len_sparse`](Shm::set_len_sparse) if
    /// [`sparse`](OpenOptions::sparse) is set. The default is `false`.
    ///
    /// This needs [`Direction::Io`] and a size. It cannot be combined with [`IfExists::Truncate`].
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Direction, OpenOptions, Shm, ShmName, capabilities};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let old = Shm::create(&name, 4096)?;
    /// if capabilities().resize {
    ///     OpenOptions::new().direction(Direction::Io).size(8192).resize(true).open(&name)?;
    ///     assert_eq!(old.len()?, 8192);
    /// }
    /// old.unlink()?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = ":truncate")]
    pub fn resize(&mut self, yes: bool) -> &mut OpenOptions {
        self.resize = yes;
        self
    }

    /// Refuses an existing object that is shorter than this many bytes. The default is 0.
    ///
    /// Without it, an object of any length is opened, and using it fails later if it is too short.
    /// With [`wait`](OpenOptions::wait), the call waits until the object is this long. With
    /// [`resize`](OpenOptions::resize), the length that the object had before does not matter. It
    /// cannot be combined with [`IfExists::Truncate`].
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{OpenOptions, Shm, ShmName};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let short = Shm::create(&name, 4096)?;
    /// let error = OpenOptions::new().at_least(65536).open(&name).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    /// short.unlink()?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn at_least(&mut self, bytes: u64) -> &mut OpenOptions {
        self.at_least = bytes;
        self
    }

    /// Sets the permissions of an object that this call creates. The default is 0o600. The
    /// process's umask clears bits of them, as POSIX says.
    ///
    /// # Platform-specific behavior
    ///
    /// On Linux, Android and FreeBSD the umask does not apply to an anonymous object: it has
    /// exactly these permissions, or the kernel's own if none were set. They only matter to a
    /// process that is sent a handle.
    ///
    /// macOS ignores the umask for all objects. On OpenBSD only 0o600 of the permissions counts,
    /// since only its owner can open an object.
    #[doc(alias = ":permissions")]
    pub fn permissions(&mut self, permissions: Permissions) -> &mut OpenOptions {
        self.permissions = Some(permissions);
        self
    }

    /// Gives an object that this call creates exactly its
    /// [`permissions`](OpenOptions::permissions), whatever the umask. The default is `false`.
    ///
    /// The process's umask is not changed, not even for a moment.
    ///
    /// # Platform-specific behavior
    ///
    /// On Linux, FreeBSD and NetBSD the permissions are final before the object has its name. On
    /// FreeBSD its owner may read and write it until then, whatever they are. On OpenBSD `fchmod`
    /// follows the creation. On macOS the permissions are exact anyway.
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

    /// Reserves no memory for an object that this call creates or [resizes](OpenOptions::resize).
    /// The default is `false`.
    ///
    /// Creating the object is then quick at any size, and its pages come when they are first
    /// touched. If the system has none left by then, it kills the process with `SIGBUS`.
    pub fn sparse(&mut self, yes: bool) -> &mut OpenOptions {
        self.sparse = yes;
        self
    }

    /// Reserves memory even if an estimate says that there is not enough. The default is `false`.
    ///
    /// Before this crate takes 4 MiB or more on Linux, it asks how much memory the machine and the
    /// memory cgroups have left. The answer is an estimate, and may be too low, for instance next
    /// to a large ZFS cache. With this option the crate takes the memory all the same. If there
    /// really is not enough, the kernel may kill a process.
    ///
    /// More than the machine has in all, or than the file system has left, is still refused.
    ///
    /// The handle remembers this for [`set_len`](Shm::set_len), [`grow`](Shm::grow),
    /// [`reserve`](Shm::reserve) and `write_at`.
    pub fn ignore_estimates(&mut self, yes: bool) -> &mut OpenOptions {
        self.ignore_estimates = yes;
        self
    }

    /// Waits this long for an object to exist and to have a length. The default, zero, does not
    /// wait. [`Duration::MAX`] waits without a limit.
    ///
    /// This is for peers that create an object first and size it later, and for those that start
    /// later than this process. If there is still no object after that time, the policies apply as
    /// usual. If the object is still empty, the error is `TimedOut`. The call never waits for a
    /// length that it gives the object itself: if it truncates, resizes or creates it.
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

    /// Sets which part [`open_mapped`](OpenOptions::open_mapped) and
    /// [`open_anonymous_mapped`](OpenOptions::open_anonymous_mapped) map, and where. The default is
    /// the whole object.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Direction, MapOptions, OpenOptions};
    ///
    /// let (_object, half) = OpenOptions::new()
    ///     .direction(Direction::Io)
    ///     .size(8192)
    ///     .map_options(MapOptions::new().offset(4096))
    ///     .open_anonymous_mapped()?;
    /// assert_eq!(half.len(), 4096);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn map_options(&mut self, options: &MapOptions) -> &mut OpenOptions {
        self.map_options = options.clone();
        self
    }

    /// Makes an anonymous object of huge pages from a pool. The default is usual pages.
    ///
    /// [`HugePages`] says what that is good for. An administrator has to fill the pool;
    /// [`MapOptions::huge_pages`] needs none. Everything about such an object is counted in whole
    /// huge pages: a [`size`](OpenOptions::size) that is not a multiple of their size is refused.
    ///
    /// # Errors
    ///
    /// When the object is created:
    ///
    /// * `InvalidInput`: the size is not a multiple of the huge pages; the system does not have
    ///   pages of this size (`EINVAL`; the hint says which it has); or the object would have a
    ///   name;
    /// * `StorageFull` (`ENOSPC`): too few pages are free in the pool,
    ///   [`Operation::Reserve`](crate::Operation::Reserve);
    /// * `Unsupported`: the system has no such objects.
    ///
    /// # Platform-specific behavior
    ///
    /// Linux and Android: `memfd_create` with `MFD_HUGETLB`. FreeBSD: `shm_create_largepage`, which
    /// takes its memory from the whole system. Elsewhere: `Unsupported`.
    /// [`capabilities`](crate::capabilities()) says so (`huge_pages`).
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Direction, HugePages, OpenOptions};
    ///
    /// let Some(&size) = HugePages::sizes().unwrap_or_default().first() else { return };
    /// let mut options = OpenOptions::new();
    /// options.direction(Direction::Io).huge_pages(HugePages::of(size)).size(size);
    /// if let Err(error) = options.open_anonymous_mapped() {
    ///     eprintln!("{error}");
    /// }
    /// ```
    ///
    /// Sources: Linux `memfd_create(2)`; FreeBSD `shm_create_largepage(3)`.
    #[doc(alias = "MFD_HUGETLB")]
    #[doc(alias = "shm_create_largepage")]
    pub fn huge_pages(&mut self, pages: HugePages) -> &mut OpenOptions {
        self.huge_pages = Some(pages);
        self
    }

    /// Sets what the system shows of an anonymous object, for instance in `/proc/PID/maps`. The
    /// default is `posix-shm`. It need not be unique, and nothing can be opened by it.
    ///
    /// A label with a NUL byte, or with more than 249 bytes, is refused (`InvalidInput`) when the
    /// object is created.
    ///
    /// # Platform-specific behavior
    ///
    /// Linux, Android and FreeBSD show it. Elsewhere it has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Direction, OpenOptions};
    ///
    /// let mut options = OpenOptions::new();
    /// options.direction(Direction::Io).size(4096).label("frames");
    /// let object = options.open_anonymous()?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn label(&mut self, text: &str) -> &mut OpenOptions {
        self.label = Some(text.to_owned());
        self
    }

    /// Holds [`presence`](Shm::presence) on the object for as long as the handle lives, from before
    /// a new object has its name. The default is `false`. The handle then has two descriptors.
    ///
    /// So [`unlink_if_unused`](Shm::unlink_if_unused) never removes the name of an object between
    /// its creation and its first use. An object that exists is opened only if it still has the
    /// name when presence holds; otherwise the call looks again what has the name. If presence is
    /// not possible, the call fails ([`Operation::Presence`](crate::Operation::Presence)).
    ///
    /// Clones of the handle ([`try_clone`](Shm::try_clone)) hold the same presence. A mapping does
    /// not, so keep the handle, or take a [`Presence`](crate::Presence) of it.
    ///
    /// # Platform-specific behavior
    ///
    /// `Unsupported` if [`capabilities`](crate::capabilities()) says so (`presence`). On OpenBSD,
    /// and if a sandbox on Linux forbids the other ways, an object has its name first. Then the
    /// call looks whether it was removed, and creates another one.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Direction, IfExists, OpenOptions, Shm, ShmName, capabilities};
    ///
    /// # if !capabilities().presence { return Ok(()) }
    /// let name = ShmName::random("doc.")?;
    /// let object = OpenOptions::new()
    ///     .direction(Direction::Io)
    ///     .if_exists(IfExists::Error)
    ///     .size(4096)
    ///     .present(true)
    ///     .open(&name)?;
    /// let cleaner = Shm::open_io(&name)?;
    /// assert!(!cleaner.unlink_if_unused()?);
    /// drop(object);
    /// assert!(cleaner.unlink_if_unused()?);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "F_OFD_SETLK")]
    pub fn present(&mut self, yes: bool) -> &mut OpenOptions {
        self.present = yes;
        self
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
