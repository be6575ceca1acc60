//! [`Metadata`]: what the system knows about an object.

use std::time::{Duration, SystemTime};

use posix_shm_sys as sys;

use crate::imp;
use crate::permissions::Permissions;

/// What `fstat` says about an object: its length, owner, permissions, identity and times, as they were when it was asked.
///
/// # Platform-specific behavior
///
/// macOS fills in the length (rounded up to whole pages), the permissions and the owner; the rest is zero there. FreeBSD counts an
/// object's mappings among its [`links`](Metadata::links), and takes all of its length for [`allocated`](Metadata::allocated).
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
pub struct Metadata(sys::stat);

// The system's types differ in width and sign; each of these widens.
#[allow(clippy::unnecessary_cast, reason = "the cast is needed on other systems")]
impl Metadata {
    pub(crate) fn new(stat: sys::stat) -> Metadata {
        Metadata(stat)
    }

    /// The length in bytes: `st_size`.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "as std::fs::Metadata")]
    pub fn len(&self) -> u64 {
        // No system reports a negative length.
        u64::try_from(self.0.st_size).unwrap_or_default()
    }

    /// Who may read, write and execute it: `st_mode` without the type of the file.
    #[must_use]
    pub fn permissions(&self) -> Permissions {
        Permissions::from_mode(self.0.st_mode as u32)
    }

    /// The user who owns it: `st_uid`.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.0.st_uid as u32
    }

    /// The group that owns it: `st_gid`.
    #[must_use]
    pub fn gid(&self) -> u32 {
        self.0.st_gid as u32
    }

    /// The device it lies on: `st_dev`. With [`inode`](Metadata::inode) it tells objects apart.
    #[must_use]
    pub fn device(&self) -> u64 {
        self.0.st_dev as u64
    }

    /// Its number on that device: `st_ino`.
    #[must_use]
    pub fn inode(&self) -> u64 {
        self.0.st_ino as u64
    }

    /// How many names it has: `st_nlink`, 0 for an anonymous object and for one whose name was removed.
    #[must_use]
    pub fn links(&self) -> u64 {
        self.0.st_nlink as u64
    }

    /// How many bytes of memory it takes now: `st_blocks`, in bytes. Less than [`len`](Metadata::len) where it is sparse.
    #[must_use]
    pub fn allocated(&self) -> u64 {
        imp::allocated(&self.0)
    }

    /// When it was last read: `st_atime`. Accesses through a mapping need not count.
    #[must_use]
    pub fn accessed(&self) -> SystemTime {
        time(imp::times(&self.0)[0])
    }

    /// When it was last written: `st_mtime`. Stores through a mapping need not count.
    #[must_use]
    pub fn modified(&self) -> SystemTime {
        time(imp::times(&self.0)[1])
    }

    /// When its owner, permissions, names or length last changed: `st_ctime`.
    #[must_use]
    pub fn changed(&self) -> SystemTime {
        time(imp::times(&self.0)[2])
    }

    /// The type of the file, as `st_mode` has it.
    pub(crate) fn kind(&self) -> sys::mode_t {
        self.0.st_mode & sys::S_IFMT
    }

    /// Whether it is something else than an object: a directory, a device, a pipe or a socket. What `fstat` says of an object
    /// POSIX leaves open, but it is none of these.
    pub(crate) fn is_no_object(&self) -> bool {
        let others = [sys::S_IFDIR, sys::S_IFCHR, sys::S_IFBLK, sys::S_IFIFO, sys::S_IFSOCK];
        others.contains(&self.kind())
    }

    /// Whether both describe the same object, where the system tells objects apart.
    pub(crate) fn is_same_object(&self, other: &Metadata) -> bool {
        (self.device(), self.inode()) == (other.device(), other.inode())
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

impl std::fmt::Debug for Metadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
