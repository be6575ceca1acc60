//! [`unlink`] and [`UnlinkOnDrop`]: removing names.

use std::ffi::OsStr;
use std::ops::Deref;

use crate::error::{Error, Operation, Result};
use crate::imp;
use crate::name::ShmName;
use crate::shm::Shm;

/// Removes a name: `shm_unlink`. Nobody can open the object by it any more, and a new one may take it.
///
/// Handles and mappings stay what they are; the object is gone with the last of them. [`Shm::unlink`](crate::Shm::unlink)
/// removes the name only if it still means the object at hand.
///
/// # Errors
///
/// * `NotFound` (`ENOENT`): nothing has the name;
/// * `PermissionDenied` (`EACCES`, `EPERM`): the name is another user's;
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
#[doc(alias = "delete-shm")]
pub fn unlink(name: impl AsRef<OsStr>) -> Result<()> {
    let name = ShmName::new(name)?;
    imp::unlink(name.as_c_str())
        .map_err(|errno| Error::system(Operation::Unlink, errno, Some(&name)))
}

/// A handle whose object's name is removed when it is dropped: the result of [`Shm::unlink_on_drop`].
///
/// Only if the name still means this object, as [`Shm::unlink`] does; and only in the process that asked for it: in a forked
/// child nothing is removed. Where the process is killed, or ends without unwinding, nothing is removed either.
#[derive(Debug)]
pub struct UnlinkOnDrop {
    /// Taken only when this goes.
    shm: Option<Shm>,
    process: u32,
}

impl Shm {
    /// Removes the object's name when the result is dropped, if the name still means this object.
    ///
    /// For the one who owns the name, usually who created the object. Opening never asks for it. An object whose name is not
    /// known here, such as an anonymous one, is just closed.
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
    #[must_use = "the name is removed at once where this is not kept"]
    pub fn unlink_on_drop(self) -> UnlinkOnDrop {
        UnlinkOnDrop { shm: Some(self), process: std::process::id() }
    }
}

impl UnlinkOnDrop {
    /// Takes the handle back; the name stays.
    #[must_use]
    pub fn keep(mut self) -> Shm {
        match self.shm.take() {
            Some(shm) => shm,
            None => unreachable!("it is taken nowhere else but here, where `self` ends"),
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

impl Drop for UnlinkOnDrop {
    fn drop(&mut self) {
        if let Some(shm) = self.shm.take() {
            if std::process::id() == self.process {
                // There is nobody to tell; `Shm::unlink` is for those who want to know.
                let _ = shm.unlink();
            }
        }
    }
}
