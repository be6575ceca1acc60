//! What both the tests and the other process expect to see.

use posix_shm::capabilities;

pub(crate) fn page() -> u64 {
    // SAFETY: passes no pointer.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap()
}

/// How long an object is that was given this length.
pub(crate) fn len(bytes: u64) -> u64 {
    if capabilities().exact_len { bytes } else { bytes.next_multiple_of(page()) }
}

/// How the whole words of a peer that scribbles tell themselves from pieces: the upper half is the lower one, turned.
pub(crate) fn whole_word(word: usize) -> usize {
    let bits = usize::BITS / 2;
    let half = word & (usize::MAX >> bits);
    half | !(half << 7 | half >> (bits - 7)) << bits
}
