//! Mappings of memory without an object, so that Miri can follow what is done with them.

use std::ptr::{self, NonNull};

use super::{How, PowerOfTwo, Region, Warm, at};
use crate::failure::cvt;
use crate::immutable::ImmutableMapping;
use crate::imp;
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

#[test]
fn room_that_was_lost_is_given_up() {
    let page = imp::page_size();
    let mut region = Region::of_own_memory(&vec![0; 6 * page]);
    (region.len, region.mapped, region.how.has_room) = (3 * page, 3 * page, true);
    // Something else may be there by now, and stays.
    region.lose_room(2 * page, 4 * page);
    region.len = 2 * page;
    assert_eq!((region.mapped, region.room, region.how.has_room), (2 * page, 2 * page, false));
    let is_mapped = |at_page: usize| {
        let place = at(region.pages, at_page * page).as_ptr().cast();
        // SAFETY: the call changes nothing, and fails where no page is.
        unsafe { libc::msync(place, page, libc::MS_ASYNC) == 0 }
    };
    assert_eq!([0, 1, 2, 3, 4, 5].map(is_mapped), [true, true, true, true, false, false]);
    // SAFETY: these pages are in no region any more, and nothing points into them.
    unsafe { imp::unmap(at(region.pages, 2 * page), 2 * page) }.unwrap();
}

impl ImmutableMapping {
    pub(crate) fn of_own_memory(bytes: &[u8]) -> ImmutableMapping {
        ImmutableMapping::new(Region::of_own_memory(bytes))
    }
}
