//! [`Metadata`]: what the system knows about an object.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::imp::{self, Stat};
use crate::permissions::Permissions;

/// The length, owner, permissions, identity and times of an object, as they were when it was
/// asked: what `fstat` says.
///
/// # Platform-specific behavior
///
/// macOS fills in the length (rounded up to whole pages), the permissions and the owner; the rest
/// is zero there. FreeBSD counts an object's mappings among its [`links`](Metadata::links), and
/// its whole length as [`allocated`](Metadata::allocated).
///
/// # Examples
///
/// ```
/// let object = posix_shm::Shm::anonymous(65536)?;
/// let metadata = object.metadata()?;
/// assert_eq!(metadata.len(), 65536);
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone, Copy)]
#[doc(alias = "stat")]
#[doc(alias = "shm-stats")]
pub struct Metadata(pub(crate) Stat);

impl Metadata {
    /// The length in bytes: `st_size`.
    ///
    /// # Examples
    ///
    /// ```
    /// let metadata = posix_shm::Shm::anonymous(65536)?.metadata()?;
    /// assert_eq!(metadata.len(), 65536);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "as std::fs::Metadata")]
    #[doc(alias = "stat-size")]
    #[doc(alias = "st_size")]
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Who may read, write and execute the object: `st_mode` without the type of the file.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Permissions, Shm, ShmName};
    ///
    /// let object = Shm::create(ShmName::random("doc.")?, 4096)?.unlink_on_drop();
    /// assert_eq!(object.metadata()?.permissions(), Permissions::PRIVATE);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[doc(alias = "stat-mode")]
    #[doc(alias = "st_mode")]
    pub fn permissions(&self) -> Permissions {
        self.0.permissions()
    }

    /// The user who owns the object: `st_uid`.
    ///
    /// # Examples
    ///
    /// ```
    /// let metadata = posix_shm::Shm::anonymous(65536)?.metadata()?;
    /// println!("user {}", metadata.uid());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[doc(alias = "stat-uid")]
    #[doc(alias = "st_uid")]
    pub fn uid(&self) -> u32 {
        self.0.uid()
    }

    /// The group that owns the object: `st_gid`.
    ///
    /// # Examples
    ///
    /// ```
    /// let metadata = posix_shm::Shm::anonymous(65536)?.metadata()?;
    /// println!("group {}", metadata.gid());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[doc(alias = "stat-gid")]
    #[doc(alias = "st_gid")]
    pub fn gid(&self) -> u32 {
        self.0.gid()
    }

    /// The size of the object's blocks in bytes: `st_blksize`. For an object of huge pages, the
    /// size of a page.
    ///
    /// # Examples
    ///
    /// ```
    /// let metadata = posix_shm::Shm::anonymous(65536)?.metadata()?;
    /// println!("in blocks of {} bytes", metadata.block_size());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[doc(alias = "stat-blksize")]
    #[doc(alias = "st_blksize")]
    pub fn block_size(&self) -> u64 {
        self.0.block_size()
    }

    /// How many bytes of memory the object takes now: `st_blocks`, in bytes. A sparse object takes
    /// less than its [`len`](Metadata::len).
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, capabilities};
    ///
    /// if capabilities().punch {
    ///     let object = Shm::anonymous(65536)?;
    ///     assert!(object.metadata()?.allocated() >= 65536);
    ///     object.punch(..)?;
    ///     assert_eq!(object.metadata()?.allocated(), 0);
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[doc(alias = "stat-blocks")]
    #[doc(alias = "st_blocks")]
    pub fn allocated(&self) -> u64 {
        imp::allocated(&self.0)
    }

    /// How many names the object has: `st_nlink`. Zero for an anonymous object and for one whose
    /// name was removed.
    ///
    /// # Platform-specific behavior
    ///
    /// FreeBSD and macOS do not count names: see [`Metadata`].
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, ShmName, capabilities};
    ///
    /// let object = Shm::create(ShmName::random("doc.")?, 4096)?;
    /// if capabilities().list {
    ///     println!("it has {} name", object.metadata()?.links());
    /// }
    /// object.unlink()?;
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[doc(alias = "stat-nlink")]
    #[doc(alias = "st_nlink")]
    pub fn links(&self) -> u64 {
        self.0.links()
    }

    /// The device that holds the object: `st_dev`. Together with [`inode`](Metadata::inode) it
    /// tells objects apart.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, ShmName, capabilities};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let object = Shm::create(&name, 4096)?.unlink_on_drop();
    /// let (ours, found) = (object.metadata()?, Shm::open(&name)?.metadata()?);
    /// let is_same = (ours.device(), ours.inode()) == (found.device(), found.inode());
    /// assert!(is_same || !capabilities().tell_objects_apart);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[doc(alias = "stat-dev")]
    #[doc(alias = "st_dev")]
    pub fn device(&self) -> u64 {
        self.0.device()
    }

    /// The object's number on that device: `st_ino`.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Shm, ShmName, capabilities};
    ///
    /// let name = ShmName::random("doc.")?;
    /// let old = Shm::create(&name, 4096)?;
    /// posix_shm::unlink(&name)?;
    /// let new = Shm::create(&name, 4096)?.unlink_on_drop();
    /// let is_same = old.metadata()?.inode() == new.metadata()?.inode();
    /// assert!(!is_same || !capabilities().tell_objects_apart);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[doc(alias = "stat-ino")]
    #[doc(alias = "st_ino")]
    pub fn inode(&self) -> u64 {
        self.0.inode()
    }

    /// The device number, if the descriptor is of a device: `st_rdev`. Zero for shared memory.
    ///
    /// # Examples
    ///
    /// ```
    /// let metadata = posix_shm::Shm::anonymous(65536)?.metadata()?;
    /// assert_eq!(metadata.rdev(), 0);
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[doc(alias = "stat-rdev")]
    #[doc(alias = "st_rdev")]
    pub fn rdev(&self) -> u64 {
        self.0.rdev()
    }

    /// When the object was last read: `st_atime`. Reading through a mapping may not count.
    ///
    /// # Examples
    ///
    /// ```
    /// let metadata = posix_shm::Shm::anonymous(65536)?.metadata()?;
    /// assert!(metadata.accessed() <= std::time::SystemTime::now());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[doc(alias = "st_atime")]
    pub fn accessed(&self) -> SystemTime {
        time(self.0.times()[0])
    }

    /// When the object was last written: `st_mtime`. Writing through a mapping may not count.
    ///
    /// # Examples
    ///
    /// ```
    /// let metadata = posix_shm::Shm::anonymous(65536)?.metadata()?;
    /// assert!(metadata.modified() <= std::time::SystemTime::now());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[doc(alias = "st_mtime")]
    pub fn modified(&self) -> SystemTime {
        time(self.0.times()[1])
    }

    /// When the object's owner, permissions, names or length last changed: `st_ctime`.
    ///
    /// # Examples
    ///
    /// ```
    /// let metadata = posix_shm::Shm::anonymous(65536)?.metadata()?;
    /// assert!(metadata.changed() <= std::time::SystemTime::now());
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[must_use]
    #[doc(alias = "st_ctime")]
    pub fn changed(&self) -> SystemTime {
        time(self.0.times()[2])
    }
}

/// Seconds and nanoseconds after 1970, the seconds possibly negative.
fn time((seconds, nanoseconds): (i64, u32)) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let start = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(whole)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(whole)
    };
    start
        .and_then(|start| start.checked_add(Duration::new(0, nanoseconds)))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata")
            .field("len", &self.len())
            .field("permissions", &self.permissions())
            .field("uid", &self.uid())
            .field("gid", &self.gid())
            .field("device", &self.device())
            .field("inode", &self.inode())
            .field("links", &self.links())
            .field("allocated", &self.allocated())
            .field("modified", &self.modified())
            .finish_non_exhaustive()
    }
}
