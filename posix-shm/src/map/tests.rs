//! Mappings of memory without an object, so that Miri can follow what is done with them.

use std::ptr::{self, NonNull};

use super::{How, PowerOfTwo, Region, Warm};
use crate::failure::cvt;
use crate::immutable::ImmutableMapping;
use crate::map::{Mapping, ReadWrite};

impl Region {
    /// Fresh pages that begin with these bytes. The region unmaps them, as it does with others.
    fn of_own_memory(bytes: &[u8]) -> Region {
        let (len, protection) = (bytes.len(), libc::PROT_READ | libc::PROT_WRITE);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
        // Miri knows only the function of C itself.
        // SAFETY: without MAP_FIXED the call replaces no mapping.
        let start = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
        let pages = NonNull::new(cvt(start).unwrap().cast::<u8>()).unwrap();
        for (at, byte) in bytes.iter().enumerate() {
            // SAFETY: the pages are at least as long, and nothing else knows of them.
            unsafe { pages.as_ptr().wrapping_add(at).write(*byte) };
        }
        let how = How {
            protection,
            private: true,
            no_reserve: false,
            fixed: false,
            modulus: PowerOfTwo::ONE,
            has_room: false,
            huge_page: None,
            warm: Warm::default(),
        };
        Region { pages, lead: 0, len, mapped: len, room: len, offset: 0, object: None, how }
    }
}

impl Mapping<ReadWrite> {
    pub(crate) fn of_own_memory(len: usize) -> Mapping<ReadWrite> {
        Mapping::new(Region::of_own_memory(&vec![0; len]))
    }
}

impl ImmutableMapping {
    pub(crate) fn of_own_memory(bytes: &[u8]) -> ImmutableMapping {
        ImmutableMapping::new(Region::of_own_memory(bytes))
    }
}
