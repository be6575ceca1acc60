//! [`unlink`]: removing names.

use std::ffi::OsStr;

use crate::error::{Error, Operation, Result};
use crate::imp;
use crate::name::ShmName;

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
/// let object = Shm::create(&name, 4096)?;
/// posix_shm::unlink(&name)?;
///
/// assert!(Shm::open(&name).is_err());
/// assert_eq!(object.len()?, 4096);
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
