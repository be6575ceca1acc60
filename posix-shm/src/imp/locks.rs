//! What can be locked, and how.
//!
//! A lock belongs to an open file description, and not to a process or a descriptor. So each is
//! taken on a description that was opened for it.

use posix_shm_sys as sys;

/// What a lock is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Shared: this process uses the object. Exclusive: nobody does.
    Presence,
    /// Exclusive, for the program's own purposes.
    Lock,
    /// Exclusive: the name of the object is being removed, or given to another object.
    Name,
}

impl Place {
    /// How many bytes there are, from that of [`Place::Presence`] on.
    #[allow(dead_code, reason = "not every system has byte ranges")]
    pub(super) const COUNT: sys::off_t = 3;

    /// The byte of the object that is locked, where parts of a file can be. Programs that work
    /// together must agree, so these numbers never change. They lie beyond the end of any object,
    /// so that they meet no lock that a program has put on bytes that it uses.
    #[allow(dead_code, reason = "not every system has byte ranges")]
    pub(super) fn byte(self) -> sys::off_t {
        const FIRST: sys::off_t = 1 << 62;
        match self {
            Place::Presence => FIRST,
            Place::Lock => FIRST + 1,
            Place::Name => FIRST + 2,
        }
    }
}

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// With others.
    Shared,
    /// Alone.
    Exclusive,
}
