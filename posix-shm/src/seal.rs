//! Sealing, and read-only handles: what keeps peers from changing an object.

use crate::direction::Direction;
use crate::error::Result;
use crate::failure::{Errno, Failure, Operation};
use crate::immutable::why_not_present;
use crate::imp;
use crate::seals::Seals;
use crate::shm::{Origin, READ_ONLY, Shm};

impl Shm {
    /// Seals the object against changes, for every process and for good: `fcntl` with
    /// `F_ADD_SEALS`.
    ///
    /// # Errors
    ///
    /// * `PermissionDenied` (`EPERM`): the object is named, or sealed with [`Seals::SEAL`], or the
    ///   handle is read-only;
    /// * `ResourceBusy` (`EBUSY`): [`Seals::WRITE`] while the object is mapped through a handle
    ///   that can write;
    /// * `InvalidInput` (`EINVAL`): the system does not have such a seal;
    /// * `Unsupported`: the system has no seals.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Seals, Shm, capabilities};
    ///
    /// if capabilities().seal {
    ///     let object = Shm::anonymous(4096)?;
    ///     object.seal(Seals::SHRINK | Seals::GROW)?;
    ///     assert!(object.set_len(0).is_err());
    ///     assert!(object.seals()?.contains(Seals::SHRINK));
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: Linux `fcntl(2)`, `memfd_create(2)`; FreeBSD `fcntl(2)`.
    #[doc(alias = "F_ADD_SEALS")]
    pub fn seal(&self, seals: Seals) -> Result<()> {
        // Not every system refuses a read-only handle itself.
        let added = match self.direction() {
            Some(Direction::Input) => Err(Errno::PERM),
            _ => imp::add_seals(self.fd(), seals),
        };
        added.map_err(|errno| {
            let failure = Failure::new(Operation::Seal, errno);
            self.named(match errno {
                Errno::PERM => failure.with_hint(self.why_not_sealed()),
                _ => failure,
            })
        })
    }

    /// Why the system does not let this handle seal the object.
    #[cold]
    fn why_not_sealed(&self) -> &'static str {
        match (imp::seals(self.fd()), imp::is_writable(self.fd())) {
            // The kernel's own answer for an object that never had another.
            (Ok(Seals::SEAL), _) => {
                "only an anonymous object that memfd_create made can be sealed, and not after \
                 Seals::SEAL"
            }
            (Ok(seals), _) if seals.contains(Seals::SEAL) => {
                "the object was sealed with Seals::SEAL, so no seal can be added"
            }
            (_, Ok(false)) => READ_ONLY,
            _ => "the system forbids the call, as a sandbox does",
        }
    }

    /// What the object is sealed against: `fcntl` with `F_GET_SEALS`.
    ///
    /// A peer's object that is sealed with [`Seals::SHRINK`] cannot become shorter.
    /// [`may_fault`](Shm::may_fault) says whether a mapping of it can still fault.
    ///
    /// # Errors
    ///
    /// `InvalidInput` (`EINVAL`): the descriptor is not of shared memory; `Unsupported`: the system
    /// has no seals.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Seals, Shm, capabilities};
    ///
    /// if capabilities().seal {
    ///     let object = Shm::anonymous(4096)?;
    ///     object.seal(Seals::SHRINK)?;
    ///     assert!(object.seals()?.contains(Seals::SHRINK));
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[doc(alias = "F_GET_SEALS")]
    pub fn seals(&self) -> Result<Seals> {
        imp::seals(self.fd()).map_err(self.error(Operation::Seal))
    }

    /// Lets no process open or map the object for writing from now on, and makes its length final:
    /// [`seal`](Shm::seal) with [`Seals::FUTURE_WRITE`], [`Seals::GROW`], [`Seals::SHRINK`] and
    /// [`Seals::SEAL`].
    ///
    /// Use it to share memory that one process writes and all others only read: create, map,
    /// freeze, send. If a process has already mapped the object through a handle that can write,
    /// even if only for reading, it can still write. So freeze an object before you send it. If
    /// nobody writes any more, use [`make_immutable`](Shm::make_immutable).
    ///
    /// # Errors
    ///
    /// As [`seal`](Shm::seal).
    ///
    /// # Platform-specific behavior
    ///
    /// FreeBSD has no seal that leaves one writer. There this call uses [`Seals::WRITE`], which is
    /// refused (`ResourceBusy`) while the object is mapped, even for reading, through a handle that
    /// can write or through a [`read_only`](Shm::read_only) handle made from one.
    /// [`capabilities`](crate::capabilities()) says so (`freeze_while_mapped`).
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Direction, OpenOptions, capabilities};
    ///
    /// if capabilities().freeze_while_mapped {
    ///     let (object, writer) =
    ///         OpenOptions::new().direction(Direction::Io).size(4096).open_anonymous_mapped()?;
    ///     let frozen = object.freeze()?;
    ///     assert!(frozen.map_mut().is_err());
    ///     writer.bytes().store(0, 7);
    ///     assert_eq!(frozen.map()?.bytes().load(0), 7);
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn freeze(self) -> Result<Shm> {
        let written =
            if imp::CAPABILITIES.freeze_while_mapped { Seals::FUTURE_WRITE } else { Seals::WRITE };
        self.seal(written | Seals::GROW | Seals::SHRINK | Seals::SEAL)?;
        Ok(self)
    }

    /// Lets no process change the object from now on, neither its bytes nor its length:
    /// [`seal`](Shm::seal) with [`Seals::WRITE`], [`Seals::SHRINK`], [`Seals::GROW`] and
    /// [`Seals::SEAL`].
    ///
    /// Use it to hand data over: create, map, fill, unmap, make immutable, send. Any process can
    /// then use the memory as an ordinary `&[u8]`, by [`map_immutable`](Shm::map_immutable), and
    /// need not trust the sender. To go on writing while others read, use [`freeze`](Shm::freeze).
    ///
    /// First it looks whether all memory of the object is there, since `map_immutable` refuses it
    /// otherwise.
    ///
    /// # Errors
    ///
    /// After an error the handle is closed. To keep it, call this on a
    /// [clone](Shm::try_clone) of it.
    ///
    /// * `ResourceBusy` (`EBUSY`): a process still has the object mapped through a handle that can
    ///   write, even if only for reading, or the kernel still uses its memory for input or output
    ///   (direct I/O, `io_uring`). So drop every mapping first, also those of this process. After
    ///   that, map it with `map_immutable`, or through a [`read_only`](Shm::read_only) handle;
    /// * `InvalidInput`: the object is sparse, has holes, or has huge pages;
    /// * `Unsupported`: this system cannot promise it;
    /// * those of [`seal`](Shm::seal): `PermissionDenied` (`EPERM`) for a named object.
    ///
    /// # Platform-specific behavior
    ///
    /// This works on Linux and Android. [`capabilities`](crate::capabilities()) says so
    /// (`map_immutable`).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use posix_shm::{Shm, capabilities};
    ///
    /// if capabilities().map_immutable {
    ///     let object = Shm::anonymous(4096)?;
    ///     let writer = object.map_mut()?;
    ///     writer.bytes().fill(7);
    ///     let busy = object.try_clone()?.make_immutable().unwrap_err();
    ///     assert_eq!(busy.kind(), ErrorKind::ResourceBusy);
    ///
    ///     drop(writer);
    ///     let object = object.make_immutable()?;
    ///     assert!(object.map_mut().is_err());
    ///     assert!(object.map_immutable()?.iter().all(|&byte| byte == 7));
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: Linux `fcntl(2)`, `memfd_create(2)`.
    #[doc(alias = "F_SEAL_WRITE")]
    pub fn make_immutable(self) -> Result<Shm> {
        if !imp::CAPABILITIES.map_immutable {
            return Err(self.error(Operation::Seal)(Errno::OPNOTSUPP));
        }
        if let Some(lack) = imp::lack_of(self.fd(), &self.metadata()?.0) {
            return Err(self.named(Failure::invalid(Operation::Seal, why_not_present(lack))));
        }
        self.seal(Seals::WRITE | Seals::SHRINK | Seals::GROW | Seals::SEAL)?;
        Ok(self)
    }

    /// Makes a second handle of the same object, which can only read.
    ///
    /// If you send it to a process, that process cannot write through it. On Linux the process can
    /// open the object again through `/proc`, with whatever access the object's permissions allow:
    /// by default, only the owner and root can. (The kernel lets everyone write to an anonymous
    /// object. If no permissions were chosen for it through this handle, and the object is this
    /// user's, this call makes them 0o600.)
    /// [`freeze`](Shm::freeze) stops the owner and root too.
    ///
    /// # Errors
    ///
    /// * `Unsupported`: the system cannot do it;
    /// * `InvalidInput`: the descriptor is not of shared memory;
    /// * `AlreadyExists`: the object is opened by its name, and another object has the name now;
    /// * `NotFound`: the object is opened by its name, and nothing has the name;
    /// * `PermissionDenied` (`EACCES`): the object's permissions do not let this user read;
    /// * `EMFILE`, `ENFILE`: no descriptor is free.
    ///
    /// # Platform-specific behavior
    ///
    /// Linux opens the object again through `/proc`, or by its name if there is no `/proc`. FreeBSD
    /// takes rights from a second descriptor for good (`cap_rights_limit`): it can then only be
    /// read, mapped for reading and asked for metadata. But a process that receives it can still
    /// seal the object, as with any handle there. To prevent that, seal the object first with
    /// [`Seals::SEAL`]. On other systems the object is opened by its name, so this fails for
    /// anonymous objects. macOS cannot tell whether the name still means this object. On Android,
    /// `SELinux` closes `/proc` to apps: `PermissionDenied`.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, capabilities};
    ///
    /// if capabilities().read_only_anonymous {
    ///     let reader = Shm::anonymous(4096)?.read_only()?;
    ///     assert!(reader.map_mut().is_err());
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    pub fn read_only(&self) -> Result<Shm> {
        // On Linux, a process that gets it can open the object for writing through /proc.
        self.forget_len();
        let name = self.name();
        if self.is_unprotected() {
            match imp::protect(self.fd()) {
                // It belongs to another user, who has chosen its permissions or not.
                Err(failure) if !self.created() && failure.is(Errno::PERM) => {}
                result => result.map_err(|failure| self.named(failure))?,
            }
        }
        let fd = imp::read_only(imp::NAMESPACE, self.fd(), name.map(|name| name.as_c_str()))
            .map_err(|failure| self.named(failure))?;
        let presence = self.clone_presence()?;
        Ok(Shm::new(fd, name.cloned(), Some(Direction::Input), Origin::default(), presence))
    }
}
