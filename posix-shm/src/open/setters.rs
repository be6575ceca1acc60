//! What can be chosen: the methods of [`OpenOptions`] that set it.

use std::time::Duration;

use super::OpenOptions;
use super::policy::{IfDoesNotExist, IfExists};
use crate::direction::Direction;
use crate::map::{HugePages, MapOptions};
use crate::permissions::Permissions;

// For the links in the text.
#[cfg(doc)]
use crate::shm::Shm;

impl OpenOptions {
    /// Opens an existing object for reading: `Input` and `Overwrite`. If the options are changed so
    /// that they create an object, its permissions are 0o600.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{OpenOptions, Shm, ShmName};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let object = Shm::create(&name, 4096)?.unlink_on_drop();
    /// assert!(!OpenOptions::new().open(&name)?.created());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    pub fn new() -> OpenOptions {
        OpenOptions::default()
    }

    /// Sets what the handle is for: reading, the default, or reading and writing.
    ///
    /// An object that this call creates gets its [`size`](OpenOptions::size) even if the returned
    /// handle is read-only.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Direction, OpenOptions, Shm, ShmName};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let object = Shm::create(&name, 4096)?.unlink_on_drop();
    /// let writer = OpenOptions::new().direction(Direction::Io).open(&name)?;
    /// writer.map_mut()?.bytes().store(0, 7);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = ":direction")]
    pub fn direction(&mut self, direction: Direction) -> &mut OpenOptions {
        self.direction = direction;
        self
    }

    /// Sets what to do if an object already has the name. The default is
    /// [`Overwrite`](IfExists::Overwrite): open it as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Direction, IfExists, OpenOptions, ShmName};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let mut options = OpenOptions::new();
    /// options.direction(Direction::Io).if_exists(IfExists::Error).size(4096);
    /// let object = options.open(&name)?.unlink_on_drop();
    /// assert!(options.open(&name).is_err()); // it exists
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Direction, IfDoesNotExist, OpenOptions, ShmName};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let mut options = OpenOptions::new();
    /// options.direction(Direction::Io).size(4096);
    /// assert!(options.open(&name).is_err());
    /// options.if_does_not_exist(IfDoesNotExist::Create);
    /// assert!(options.open(&name)?.unlink_on_drop().created());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Direction, OpenOptions};
    ///
    /// let object = OpenOptions::new().direction(Direction::Io).size(65536).open_anonymous()?;
    /// assert_eq!(object.len()?, 65536);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Direction, IfExists, OpenOptions, Permissions, ShmName};
    ///
    /// let object = OpenOptions::new()
    ///     .direction(Direction::Io)
    ///     .if_exists(IfExists::Error)
    ///     .permissions(Permissions::USER_READ)
    ///     .open(ShmName::random("doc.")?)?
    ///     .unlink_on_drop();
    /// assert_eq!(object.metadata()?.permissions().mode(), 0o400);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Direction, OpenOptions};
    ///
    /// // A gigabyte, of which only a part is ever used.
    /// let mut options = OpenOptions::new();
    /// options.direction(Direction::Io).size(1 << 30).sparse(true);
    /// assert_eq!(options.open_anonymous()?.len()?, 1 << 30);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Direction, OpenOptions};
    ///
    /// let mut options = OpenOptions::new();
    /// options.direction(Direction::Io).size(8 << 20).ignore_estimates(true);
    /// assert_eq!(options.open_anonymous()?.len()?, 8 << 20);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn ignore_estimates(&mut self, yes: bool) -> &mut OpenOptions {
        self.ignore_estimates = yes;
        self
    }

    /// Waits this long for an object to exist and to have a length. The default, zero, does not
    /// wait. [`Duration::MAX`] waits without a limit.
    ///
    /// This is for peers that create an object first and size it later, and for those that start
    /// later than this process. If there is still no object after that time, the error is
    /// `NotFound`; if it is still empty, `TimedOut`. A call that may create the object creates it
    /// at once if there is none. The call never waits for a length that it gives the object itself:
    /// if it truncates, resizes or creates it.
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
}
