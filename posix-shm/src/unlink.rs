//! Removing names: [`unlink`], [`Shm::unlink`] and [`UnlinkOnDrop`].

use std::io::ErrorKind;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};

use crate::error::{Error, Result};
use crate::failure::{Failure, Operation};
use crate::imp::{self, Mark};
use crate::name::{self, ShmName};
use crate::shm::Shm;

/// Removes a name: `shm_unlink`. The object can no longer be opened by it, and a new object can
/// take the name.
///
/// Handles and mappings stay valid. The object is gone with the last of them.
/// [`Shm::unlink`](crate::Shm::unlink) removes the name only if it still means its object.
///
/// # Errors
///
/// * `NotFound` (`ENOENT`): nothing has the name;
/// * `PermissionDenied` (`EACCES`, `EPERM`): the name belongs to another user;
/// * `InvalidInput`, `InvalidFilename`: a name that breaks a rule ([`ShmName::new`]).
///
/// # Examples
///
/// ```
/// use posix_shm::{Shm, ShmName};
///
/// let name = ShmName::random("doc.")?;
/// let object = Shm::create(&name, 65536)?;
/// posix_shm::unlink(&name)?;
///
/// assert!(Shm::open(&name).is_err());
/// assert_eq!(object.len()?, 65536);
/// # Ok::<(), posix_shm::Error>(())
/// ```
///
/// Sources: POSIX.1-2024 `shm_unlink`; Linux `shm_unlink(3)`.
#[doc(alias = "shm_unlink")]
#[doc(alias = "shm-unlink")]
#[doc(alias = "delete-shm")]
pub fn unlink(name: impl TryInto<ShmName, Error: Into<Error>>) -> Result<()> {
    unlink_named(&name::checked(name)?)
}

fn unlink_named(name: &ShmName) -> Result<()> {
    imp::unlink(name.as_c_str())
        .map_err(|errno| Failure::new(Operation::Unlink, errno).named(Some(name)))
}

impl Shm {
    /// Removes the object's name, if it still means this object: `shm_unlink`.
    ///
    /// Another object that has taken the name meanwhile keeps it. Handles and mappings stay valid.
    /// The object is gone with the last of them.
    ///
    /// # Errors
    ///
    /// * `NotFound` (`ENOENT`): nothing has the name any more, or another object has it;
    /// * `PermissionDenied` (`EACCES`, `EPERM`): the name belongs to another user;
    /// * `InvalidInput`: the object is anonymous, or came as a descriptor from elsewhere.
    ///
    /// # Platform-specific behavior
    ///
    /// No system has a call that compares and removes at once. If another object takes the name
    /// between the two calls, its name is removed. macOS does not tell objects apart, so there the
    /// name is removed even if another object has it. FreeBSD, OpenBSD and macOS look the name up
    /// by opening it, which takes permission to read; so does Linux behind a preloaded `shm_open`.
    /// FreeBSD also wants permission to write for removing it.
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
        let name = self.name_to_remove()?;
        let found = imp::find(name.as_c_str()).map_err(self.error(Operation::Unlink))?;
        if !found.is_same_object(&self.metadata()?.0) {
            let why = "another object has the name now";
            return Err(self.named(Failure::refused(Operation::Unlink, ErrorKind::NotFound, why)));
        }
        imp::unlink(name.as_c_str()).map_err(self.error(Operation::Unlink))
    }

    pub(crate) fn name_to_remove(&self) -> Result<&ShmName> {
        let why = "it is anonymous or came as a descriptor, so it has no name to remove";
        self.name().ok_or_else(|| self.named(Failure::invalid(Operation::Unlink, why)))
    }

    /// Removes the object's name when the result is dropped, if the name still means this object.
    ///
    /// This is for whoever is responsible for the name, usually the creator. An object without a
    /// known name, such as an anonymous one, is only closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, ShmName};
    ///
    /// let name = ShmName::random("doc.")?;
    /// {
    ///     let object = Shm::create(&name, 65536)?.unlink_on_drop();
    ///     assert_eq!(object.len()?, 65536);
    /// }
    /// assert!(Shm::open(&name).is_err());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use = "the name is removed at once if this is not kept"]
    pub fn unlink_on_drop(self) -> UnlinkOnDrop {
        UnlinkOnDrop { shm: Some(self), mark: Mark::now() }
    }
}

/// A handle whose object's name is removed when it is dropped: the result of
/// [`Shm::unlink_on_drop`].
///
/// The name is removed only if it still means this object, as [`Shm::unlink`] does, and only in the
/// process that asked for it, not in a forked child. (A child that shares its memory, as after
/// `vfork`, counts as the process itself.) If the process is killed, by Ctrl-C too, or if it calls
/// `exit` or aborts, the name stays.
///
/// # Examples
///
/// ```
/// use posix_shm::{Shm, ShmName, UnlinkOnDrop};
///
/// /// A service that removes its object when it ends.
/// struct Service {
///     frames: UnlinkOnDrop,
/// }
///
/// let name = ShmName::random("doc.")?;
/// let service = Service { frames: Shm::create(&name, 65536)?.unlink_on_drop() };
/// assert_eq!(service.frames.len()?, 65536);
/// drop(service);
/// assert!(Shm::open(&name).is_err());
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Debug)]
pub struct UnlinkOnDrop {
    /// `None` only while this value is dropped or taken apart.
    shm: Option<Shm>,
    mark: Mark,
}

impl UnlinkOnDrop {
    /// Takes the handle back; the name stays.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, ShmName};
    ///
    /// let object = Shm::create(ShmName::random("doc.")?, 4096)?.unlink_on_drop();
    /// // All went well, so the object stays for others.
    /// let object = object.keep();
    /// object.unlink()?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    pub fn keep(mut self) -> Shm {
        match self.shm.take() {
            Some(shm) => shm,
            None => unreachable!("it is taken only here, where `self` ends"),
        }
    }
}

impl Deref for UnlinkOnDrop {
    type Target = Shm;

    fn deref(&self) -> &Shm {
        match &self.shm {
            Some(shm) => shm,
            None => unreachable!("it is taken only where `self` ends"),
        }
    }
}

impl AsFd for UnlinkOnDrop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        (**self).as_fd()
    }
}

impl Drop for UnlinkOnDrop {
    fn drop(&mut self) {
        if let Some(shm) = self.shm.take() {
            if self.mark.is_of_this_process() {
                // A drop cannot report an error; `Shm::unlink` does.
                let _ = shm.unlink();
            }
        }
    }
}
