//! Seals, and read-only handles: what peers are kept from.

use std::os::fd::AsFd;

use crate::error::{Errno, Failure, Operation, Result};
use crate::imp;
use crate::open::Direction;
use crate::shm::Shm;

bitflags::bitflags! {
    /// What an object is sealed against, for everybody and for good.
    ///
    /// # Platform-specific behavior
    ///
    /// Linux, Android and FreeBSD seal anonymous objects; FreeBSD knows neither [`FUTURE_WRITE`](Seals::FUTURE_WRITE) nor
    /// [`EXEC`](Seals::EXEC). Elsewhere the calls fail; [`capabilities`](crate::capabilities) say so.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Seals: u32 {
        /// Against further seals: `F_SEAL_SEAL`.
        const SEAL = 1;
        /// Against becoming shorter: `F_SEAL_SHRINK`. Whoever maps it need fear no `SIGBUS` from a peer.
        const SHRINK = 2;
        /// Against becoming longer: `F_SEAL_GROW`.
        const GROW = 4;
        /// Against being written at all: `F_SEAL_WRITE`. Refused while anybody has it mapped for writing.
        const WRITE = 8;
        /// Against being written in any new way: `F_SEAL_FUTURE_WRITE`. What is mapped for writing stays so.
        const FUTURE_WRITE = 16;
        /// Against becoming executable or not: `F_SEAL_EXEC`.
        const EXEC = 32;
    }
}

impl Shm {
    /// Seals the object against changes, for everybody and for good: `fcntl` with `F_ADD_SEALS`.
    ///
    /// # Errors
    ///
    /// * `PermissionDenied` (`EPERM`): the object is named, or sealed against further seals, or the handle is read-only;
    /// * `ResourceBusy` (`EBUSY`): [`Seals::WRITE`] while it is mapped for writing;
    /// * `InvalidInput` (`EINVAL`): the system does not have such a seal;
    /// * `Unsupported`: it has none.
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
        if self.direction() == Some(Direction::Input) {
            // Not every system says so itself.
            return Err(self.seal_failure(Errno::PERM));
        }
        imp::add_seals(self.as_fd(), seals).map_err(|errno| self.seal_failure(errno))
    }

    /// What the object is sealed against: `fcntl` with `F_GET_SEALS`.
    ///
    /// A peer's object that is sealed against [`Seals::SHRINK`] can be mapped without fear.
    ///
    /// # Errors
    ///
    /// `InvalidInput` (`EINVAL`): the descriptor is of something that has no seals; `Unsupported`: the system has none.
    #[doc(alias = "F_GET_SEALS")]
    pub fn seals(&self) -> Result<Seals> {
        imp::seals(self.as_fd()).map_err(|errno| self.seal_failure(errno))
    }

    /// Nobody gains write access to the object from now on, and its length is final: [`Seals::FUTURE_WRITE`],
    /// [`Seals::GROW`], [`Seals::SHRINK`] and [`Seals::SEAL`]. What is mapped for writing stays so.
    ///
    /// The way to share what one process writes and all others only read: create, map, freeze, send.
    ///
    /// # Errors
    ///
    /// As [`seal`](Shm::seal).
    ///
    /// # Platform-specific behavior
    ///
    /// FreeBSD has no seal that leaves one writer: there it is [`Seals::WRITE`], and refused (`ResourceBusy`) while a handle that
    /// can write, or a [`read_only`](Shm::read_only) one that was made of it, has the object mapped, even for reading.
    /// [`capabilities`](crate::capabilities) say so (`freeze_while_mapped`).
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

    /// A second handle of the same object, which can only read.
    ///
    /// Whoever is sent it cannot write through it. On Linux, who owns the object or is root can open it again for writing
    /// through `/proc`; [`freeze`](Shm::freeze) is a barrier for them too.
    ///
    /// # Errors
    ///
    /// * `Unsupported`: the system has no way to;
    /// * `AlreadyExists`: the way is by name, and the name means another object now; `NotFound`: it means none;
    /// * `PermissionDenied` (`EACCES`): the object's permissions do not let this user read; `EMFILE`, `ENFILE`.
    ///
    /// # Platform-specific behavior
    ///
    /// Linux opens it again through `/proc`, and by its name where there is no `/proc`. FreeBSD takes the rights from a second
    /// descriptor for good (`cap_rights_limit`), which then can read, be mapped for reading and be asked about. But whoever is
    /// sent it can still seal the object, as with any handle there: seal it against that first ([`Seals::SEAL`]).
    /// Elsewhere it is by name, so not for anonymous objects; macOS cannot tell whether the name still means this one. Android's
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
        let name = self.name();
        let fd = imp::read_only(self.as_fd(), name.map(|name| name.as_c_str()))
            .map_err(|failure| failure.named(name))?;
        Ok(Shm::new(fd, name.cloned(), Direction::Input, false, false))
    }

    fn seal_failure(&self, errno: Errno) -> crate::error::Error {
        Failure::new(Operation::Seal, errno).named(self.name())
    }
}
