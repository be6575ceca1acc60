//! [`Permissions`]: who may read, write and execute an object.

use std::fmt;

use posix_shm_sys as sys;

bitflags::bitflags! {
    /// Who may read, write and execute an object: the file mode bits of `fchmod`, printed in octal.
    ///
    /// Set-user-ID, set-group-ID and sticky have no name here but are kept. The system gets these
    /// three and the nine bits named here; all other bits are dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::Permissions;
    ///
    /// let shared = Permissions::USER_READ | Permissions::USER_WRITE | Permissions::GROUP_READ;
    /// assert_eq!(format!("{shared:?}"), "0o640");
    /// assert_eq!(shared, Permissions::from_mode(0o640));
    /// ```
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    #[doc(alias = "mode")]
    pub struct Permissions: u32 {
        /// The owner may read: `S_IRUSR`, 0o400.
        #[doc(alias = "rusr")]
        #[doc(alias = "read-user")]
        const USER_READ = widen(sys::S_IRUSR);
        /// The owner may write: `S_IWUSR`, 0o200.
        #[doc(alias = "wusr")]
        #[doc(alias = "write-user")]
        const USER_WRITE = widen(sys::S_IWUSR);
        /// The owner may execute: `S_IXUSR`, 0o100.
        #[doc(alias = "xusr")]
        #[doc(alias = "exec-user")]
        const USER_EXEC = widen(sys::S_IXUSR);
        /// The owner may do all three: `S_IRWXU`, 0o700.
        #[doc(alias = "rwxu")]
        #[doc(alias = "all-user")]
        const USER_ALL = widen(sys::S_IRWXU);
        /// The group may read: `S_IRGRP`, 0o040.
        #[doc(alias = "rgrp")]
        #[doc(alias = "read-group")]
        const GROUP_READ = widen(sys::S_IRGRP);
        /// The group may write: `S_IWGRP`, 0o020.
        #[doc(alias = "wgrp")]
        #[doc(alias = "write-group")]
        const GROUP_WRITE = widen(sys::S_IWGRP);
        /// The group may execute: `S_IXGRP`, 0o010.
        #[doc(alias = "xgrp")]
        #[doc(alias = "exec-group")]
        const GROUP_EXEC = widen(sys::S_IXGRP);
        /// The group may do all three: `S_IRWXG`, 0o070.
        #[doc(alias = "rwxg")]
        #[doc(alias = "all-group")]
        const GROUP_ALL = widen(sys::S_IRWXG);
        /// All others may read: `S_IROTH`, 0o004.
        #[doc(alias = "roth")]
        #[doc(alias = "read-other")]
        const OTHER_READ = widen(sys::S_IROTH);
        /// All others may write: `S_IWOTH`, 0o002.
        #[doc(alias = "woth")]
        #[doc(alias = "write-other")]
        const OTHER_WRITE = widen(sys::S_IWOTH);
        /// All others may execute: `S_IXOTH`, 0o001.
        #[doc(alias = "xoth")]
        #[doc(alias = "exec-other")]
        const OTHER_EXEC = widen(sys::S_IXOTH);
        /// All others may do all three: `S_IRWXO`, 0o007.
        #[doc(alias = "rwxo")]
        #[doc(alias = "all-other")]
        const OTHER_ALL = widen(sys::S_IRWXO);

        // Bits without a name here are kept.
        const _ = !0;
    }
}

/// The bits of a mode that are not the type of the file.
const MODE_BITS: u32 =
    widen(sys::S_IRWXU | sys::S_IRWXG | sys::S_IRWXO | sys::S_ISUID | sys::S_ISGID | sys::S_ISVTX);

/// The system's type is narrower on some systems.
#[allow(clippy::unnecessary_cast, reason = "the cast is needed on other systems")]
const fn widen(mode: sys::mode_t) -> u32 {
    mode as u32
}

impl Permissions {
    /// The owner may read and write, and no one else: 0o600, the default for new objects.
    pub const PRIVATE: Permissions = Permissions::USER_READ.union(Permissions::USER_WRITE);

    /// The permissions of a mode, usually written in octal (`0o640`). Other bits are dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::Permissions;
    ///
    /// let shared = Permissions::from_mode(0o640);
    /// assert!(shared.contains(Permissions::GROUP_READ));
    /// assert!(!shared.contains(Permissions::GROUP_WRITE));
    /// ```
    #[must_use]
    pub const fn from_mode(mode: u32) -> Permissions {
        Permissions::from_bits_retain(mode & MODE_BITS)
    }

    /// The mode: `0o640` if the owner may read and write and the group may read.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::Permissions;
    ///
    /// assert_eq!(Permissions::PRIVATE.mode(), 0o600);
    /// ```
    #[must_use]
    pub const fn mode(self) -> u32 {
        self.bits()
    }

    /// As the system's type, which is narrower on some systems; every permission bit fits.
    pub(crate) fn to_sys(self) -> sys::mode_t {
        (self.bits() & MODE_BITS) as sys::mode_t
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#05o}", self.bits())
    }
}

impl Default for Permissions {
    /// [`Permissions::PRIVATE`].
    fn default() -> Permissions {
        Permissions::PRIVATE
    }
}
