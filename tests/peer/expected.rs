//! Values that both the tests and the peer expect.

use posix_shm::capabilities;

pub(crate) fn page() -> u64 {
    // SAFETY: passes no pointer.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap()
}

/// The length that an object reports after this length was set.
pub(crate) fn len(bytes: u64) -> u64 {
    if capabilities().exact_len { bytes } else { bytes.next_multiple_of(page()) }
}
