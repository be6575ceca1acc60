//! What the system knows about an object, and who may use it: [`Shm::metadata`] and the methods
//! that change it.

use crate::error::Result;
use crate::failure::{Failure, Operation};
use crate::imp;
use crate::metadata::Metadata;
use crate::permissions::Permissions;
use crate::shm::Shm;

impl Shm {
    /// The length of the object in bytes: `fstat`. Asks the system each time, since any process
    /// with a handle may change it.
    ///
    /// # Errors
    ///
    /// As [`metadata`](Shm::metadata).
    ///
    /// # Platform-specific behavior
    ///
    /// macOS answers in whole pages.
    ///
    /// # Examples
    ///
    /// ```
    /// let object = posix_shm::Shm::anonymous(65536)?;
    /// assert_eq!(object.len()?, 65536);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[allow(
        clippy::len_without_is_empty,
        reason = "as std::fs::Metadata; it may change at any time"
    )]
    pub fn len(&self) -> Result<u64> {
        Ok(self.metadata()?.len())
    }

    /// What the system knows about the object: `fstat`.
    ///
    /// # Errors
    ///
    /// What `fstat` reports; none is known for a descriptor that is open.
    ///
    /// # Examples
    ///
    /// ```
    /// let metadata = posix_shm::Shm::anonymous(65536)?.metadata()?;
    /// println!("{} bytes of user {}", metadata.len(), metadata.uid());
    /// assert_eq!(metadata.len(), 65536);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: POSIX.1-2024 `fstat`.
    #[doc(alias = "fstat")]
    #[doc(alias = "shm-stats")]
    pub fn metadata(&self) -> Result<Metadata> {
        imp::stat(self.fd()).map(Metadata).map_err(self.error(Operation::Metadata))
    }

    /// Changes who may open the object from now on: `fchmod`. The umask does not apply.
    ///
    /// Open handles keep their direction.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` (`EPERM`): the object belongs to another user, or it would become
    /// executable and is sealed against that. On Linux an anonymous object is, unless it was
    /// created executable.
    ///
    /// # Platform-specific behavior
    ///
    /// macOS has no such call for shared memory: `InvalidInput` (`EINVAL`). On OpenBSD only its
    /// owner can open an object, whatever its permissions.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Permissions, Shm, capabilities};
    ///
    /// if capabilities().set_permissions {
    ///     let object = Shm::anonymous(4096)?;
    ///     object.set_permissions(Permissions::USER_READ | Permissions::GROUP_READ)?;
    ///     assert_eq!(object.metadata()?.permissions().mode(), 0o440);
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: POSIX.1-2024 `fchmod`.
    #[doc(alias = "fchmod")]
    #[doc(alias = "chmod-shm")]
    pub fn set_permissions(&self, permissions: Permissions) -> Result<()> {
        self.refuse_other_files(Operation::SetPermissions)?;
        imp::set_permissions(self.fd(), permissions.to_sys())
            .map_err(self.error(Operation::SetPermissions))?;
        self.set_protected();
        Ok(())
    }

    /// Changes the user or the group that owns the object, or both: `fchown`. `None` leaves an id
    /// as it is.
    ///
    /// # Errors
    ///
    /// * `PermissionDenied` (`EPERM`): only the superuser can give objects away, and an owner can
    ///   choose only a group that they are in;
    /// * `InvalidInput`: the id `u32::MAX`, which the system takes for "leave it as it is".
    ///
    /// # Platform-specific behavior
    ///
    /// macOS has no such call for shared memory: `InvalidInput` (`EINVAL`). On OpenBSD only the new
    /// owner can open the object then.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, capabilities};
    ///
    /// if capabilities().set_permissions {
    ///     let object = Shm::anonymous(4096)?;
    ///     let group = object.metadata()?.gid(); // one that this user is in
    ///     object.set_owner(None, Some(group))?;
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    ///
    /// Sources: POSIX.1-2024 `fchown`.
    #[doc(alias = "fchown")]
    #[doc(alias = "chown-shm")]
    pub fn set_owner(&self, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        if uid == Some(u32::MAX) || gid == Some(u32::MAX) {
            let why = "the id 4294967295 means \"leave it as it is\" to the system; use None";
            return Err(self.named(Failure::invalid(Operation::SetOwner, why)));
        }
        self.refuse_other_files(Operation::SetOwner)?;
        imp::set_owner(self.fd(), uid, gid).map_err(self.error(Operation::SetOwner))
    }

    /// A directory can be opened by its name, but must not be changed as if it were an object.
    fn refuse_other_files(&self, operation: Operation) -> Result<()> {
        if self.metadata()?.0.is_certainly_no_object() {
            let why = "this is not a shared memory object";
            return Err(self.named(Failure::invalid(operation, why)));
        }
        Ok(())
    }
}
