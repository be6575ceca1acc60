//! [`Stat`]: what `stat` says of an object, in types that are the same on every system.

use posix_shm_sys as sys;

use crate::permissions::Permissions;

/// What `fstat` says of an object.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Stat(pub(super) sys::stat);

// The system's types differ in width and sign; each of these widens.
#[allow(clippy::unnecessary_cast, reason = "other systems need the cast")]
impl Stat {
    #[inline]
    pub(crate) fn len(&self) -> u64 {
        // No system reports a negative length.
        u64::try_from(self.0.st_size).unwrap_or_default()
    }

    pub(crate) fn permissions(&self) -> Permissions {
        Permissions::from_mode(self.0.st_mode as u32)
    }

    pub(crate) fn uid(&self) -> u32 {
        self.0.st_uid as u32
    }

    pub(crate) fn gid(&self) -> u32 {
        self.0.st_gid as u32
    }

    #[inline]
    pub(crate) fn device(&self) -> u64 {
        self.0.st_dev as u64
    }

    #[inline]
    pub(crate) fn inode(&self) -> u64 {
        self.0.st_ino as u64
    }

    pub(crate) fn links(&self) -> u64 {
        self.0.st_nlink as u64
    }

    pub(crate) fn rdev(&self) -> u64 {
        self.0.st_rdev as u64
    }

    #[inline]
    pub(crate) fn block_size(&self) -> u64 {
        // No system reports a negative size.
        u64::try_from(self.0.st_blksize as i64).unwrap_or_default()
    }

    pub(super) fn blocks(&self) -> u64 {
        // No system reports a negative number.
        u64::try_from(self.0.st_blocks as i64).unwrap_or_default()
    }

    /// The times of the last access, modification and change: seconds, and nanoseconds after them.
    pub(crate) fn times(&self) -> [(i64, u32); 3] {
        let stat = &self.0;
        #[cfg(pshm_has_st_atim)]
        let times = [stat.st_atim, stat.st_mtim, stat.st_ctim];
        #[cfg(not(pshm_has_st_atim))]
        let times = [stat.st_atimespec, stat.st_mtimespec, stat.st_ctimespec];
        times.map(|t| (t.tv_sec as i64, t.tv_nsec as u32))
    }

    /// The type of the file, as `st_mode` has it.
    #[inline]
    pub(super) fn kind(&self) -> sys::mode_t {
        self.0.st_mode & sys::S_IFMT
    }

    /// Whether it is certainly not an object: a directory, a device, a pipe, a socket or a symbolic
    /// link. POSIX leaves open what `fstat` says of an object, but it is none of these.
    #[inline]
    pub(crate) fn is_certainly_no_object(&self) -> bool {
        let others =
            [sys::S_IFDIR, sys::S_IFCHR, sys::S_IFBLK, sys::S_IFIFO, sys::S_IFSOCK, sys::S_IFLNK];
        // A file, as nearly always, needs one comparison.
        self.kind() != sys::S_IFREG && others.contains(&self.kind())
    }

    /// Why a descriptor of this is not one of shared memory.
    #[cold]
    pub(crate) fn is_no_memory(&self) -> &'static str {
        match self.kind() {
            sys::S_IFREG => "the descriptor is of a file, and not of shared memory",
            sys::S_IFDIR => "the descriptor is of a directory, and not of shared memory",
            sys::S_IFCHR | sys::S_IFBLK => {
                "the descriptor is of a device, and not of shared memory"
            }
            sys::S_IFIFO => "the descriptor is of a pipe, and not of shared memory",
            sys::S_IFSOCK => "the descriptor is of a socket, and not of shared memory",
            sys::S_IFLNK => "the descriptor is of a symbolic link, and not of shared memory",
            _ => "the descriptor is not of shared memory",
        }
    }

    /// Whether both describe the same object, on a system that tells objects apart.
    #[inline]
    pub(crate) fn is_same_object(&self, other: &Stat) -> bool {
        (self.device(), self.inode()) == (other.device(), other.inode())
    }
}

/// How many bytes of memory an object takes that is a file. POSIX leaves the unit of `st_blocks`
/// open. Whatever `st_blksize` says, it is this one.
#[allow(dead_code, reason = "not every system keeps objects in files")]
pub(crate) fn allocated_by_file(stat: &Stat) -> u64 {
    const BLOCK: u64 = 512;
    stat.blocks().saturating_mul(BLOCK)
}

impl std::fmt::Debug for Stat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let identity = (self.device(), self.inode());
        f.debug_struct("Stat").field("identity", &identity).finish_non_exhaustive()
    }
}
