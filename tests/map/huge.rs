//! Huge pages, made of usual ones. Those from a pool are in `strained/mappings.rs`, which fills it.

use std::io::ErrorKind;
#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use posix_shm::{
    Direction, HugePages, MapOptions, Mapping, OpenOptions, ReadWrite, Shm, capabilities,
};

use super::page;
#[cfg(target_os = "linux")]
use crate::common::FILES;
use crate::common::Names;

const MIB: usize = 1 << 20;

fn huge(object: &Shm) -> Mapping<ReadWrite> {
    MapOptions::new().huge_pages(true).map_mut(object).unwrap()
}

#[test]
fn collapsing_changes_no_byte_and_says_how_much_became_huge() {
    let len = 8 * MIB;
    let object = Shm::anonymous(len as u64).unwrap();
    let writer = object.map_mut().unwrap();
    let places: Vec<usize> = (0..len).step_by(4093).collect();
    places.iter().for_each(|&place| writer.bytes().store(place, (place % 251) as u8));
    let mapping = huge(&object);
    match mapping.collapse(..) {
        Ok(found) => {
            assert!(capabilities().collapse, "it works");
            assert_eq!(found.huge + found.usual, len);
            #[cfg(target_os = "linux")]
            if FILES {
                let mapped = 1024 * super::kilobytes(mapping.as_ptr(), "ShmemPmdMapped:");
                assert!(mapped >= found.huge, "{mapped} bytes are huge, and not {}", found.huge);
            }
            // Asking again gives the same.
            assert_eq!(mapping.collapse(..).unwrap().huge, found.huge);
            // Whoever attaches has them too.
            let attached = huge(&object);
            assert_eq!(attached.collapse(..).unwrap().huge, found.huge);
            // A part of it, and what does not fill one.
            let half = mapping.collapse(..len / 2).unwrap();
            assert_eq!(half.huge + half.usual, len / 2);
            let few = mapping.collapse(5..page()).unwrap();
            assert_eq!((few.huge, few.usual), (0, page() - 5));
            assert_eq!(mapping.collapse(7..7).unwrap().huge, 0);
        }
        Err(error) => {
            assert!(!capabilities().collapse, "{error}");
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        }
    }
    for &place in &places {
        assert_eq!(mapping.bytes().load(place), (place % 251) as u8, "at {place}");
    }
    mapping.bytes().fill(3);
    assert_eq!(writer.bytes().load(len - 1), 3);
}

/// The kernel gives huge pages on the machines of the project's own CI. On others it may have none.
#[test]
#[cfg(target_os = "linux")]
fn they_need_no_configuration() {
    let collapses =
        std::fs::exists("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size").unwrap_or(false);
    if !FILES || !capabilities().collapse || !collapses {
        return;
    }
    let names = Names::new();
    let named = capabilities().named.then(|| Shm::create(names.name(), 16 * MIB as u64).unwrap());
    let sparse = Shm::anonymous(0).unwrap();
    sparse.set_len_sparse(16 * MIB as u64).unwrap();
    let reserved = Shm::anonymous(16 * MIB as u64).unwrap();
    for object in [Some(&sparse), Some(&reserved), named.as_ref()].into_iter().flatten() {
        let found = huge(object).collapse(..).unwrap();
        if found.huge == 0 {
            crate::common::skip("the kernel gives no huge pages: it is old, or memory is short");
        }
        assert_eq!(found.huge % (2 * MIB), 0, "{found:?}");
        // A hole was filled, and what is read-only is collapsed as well.
        assert_eq!(object.metadata().unwrap().allocated(), 16 * MIB as u64);
        let reader = MapOptions::new().huge_pages(true).map(object).unwrap();
        assert_eq!(reader.collapse(..).unwrap().huge, found.huge);
    }
    if let Some(object) = named {
        object.unlink().unwrap();
    }
    // A mapping that grows by less than a huge page gets it when it is full.
    let mut options = MapOptions::new();
    options.len(MIB).capacity(16 * MIB).huge_pages(true);
    sparse.punch(..).unwrap();
    let mut growing = options.map_mut(&sparse).unwrap();
    for len in (MIB..=16 * MIB).step_by(MIB) {
        growing.grow(&sparse, len).unwrap();
        growing.bytes().store(len - 1, 1);
    }
    #[cfg(target_os = "linux")]
    {
        let mapped = 1024 * super::kilobytes(growing.as_ptr(), "ShmemPmdMapped:");
        assert!(mapped > 0, "nothing has become huge while it grew");
    }
}

/// Where each huge page must be is known, if the kernel makes them at all.
#[test]
#[cfg(target_os = "linux")]
fn every_whole_huge_page_of_a_range_is_made_and_no_other() {
    let probe = Shm::anonymous(2 * MIB as u64).unwrap();
    let size = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
    let is_usual = size.is_ok_and(|size| size.trim() == (2 * MIB).to_string());
    if !FILES || !capabilities().collapse || !is_usual {
        return;
    }
    if huge(&probe).collapse(..).unwrap().huge == 0 {
        crate::common::skip("the kernel gives no huge pages: it is old, or memory is short");
        return;
    }
    let len = 8 * MIB;
    for offset in [0, page(), 2 * MIB, 3 * MIB + 5] {
        for (from, to) in [(0, len - offset), (page(), len - offset), (2 * MIB, 4 * MIB + 1)] {
            let object = Shm::anonymous(len as u64).unwrap();
            let mut options = MapOptions::new();
            options.offset(offset as u64).huge_pages(true);
            let mapping = options.map_mut(&object).unwrap();
            let first = (offset + from).next_multiple_of(2 * MIB);
            let last = (offset + to) / (2 * MIB) * (2 * MIB);
            let expected = last.saturating_sub(first);
            let found = mapping.collapse(from..to).unwrap();
            assert_eq!(found.huge, expected, "offset {offset}, {from}..{to}");
            assert_eq!(found.usual, to - from - expected, "offset {offset}, {from}..{to}");
        }
    }
}

/// The kernel does not move a page that a pipe holds.
#[test]
#[cfg(target_os = "linux")]
fn what_cannot_become_huge_keeps_nothing_else_from_it() {
    let object = Shm::anonymous(8 * MIB as u64).unwrap();
    let mapping = MapOptions::new().align(2 * MIB).map_mut(&object).unwrap();
    mapping.bytes().fill(4);
    if !FILES || !capabilities().collapse {
        return;
    }
    if huge(&Shm::anonymous(2 * MIB as u64).unwrap()).collapse(..).unwrap().huge == 0 {
        crate::common::skip("the kernel gives no huge pages: it is old, or memory is short");
        return;
    }
    let mut pipe = [-1; 2];
    // SAFETY: the array has room for two descriptors.
    assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
    // SAFETY: the call has made them, and nothing else has them.
    let [_reader, writer] = pipe.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    let held = libc::iovec {
        iov_base: mapping.as_mut_ptr().wrapping_add(2 * MIB + 7 * page()).cast(),
        iov_len: page(),
    };
    // SAFETY: the range is inside the mapping.
    let done = unsafe { libc::vmsplice(writer.as_raw_fd(), &held, 1, 0) };
    assert_eq!(done, page() as isize, "the pipe does not take the page");
    let found = mapping.collapse(..).unwrap();
    assert_eq!((found.huge, found.usual), (6 * MIB, 2 * MIB));
}

#[test]
fn a_mapping_at_any_place_works_without_huge_pages() {
    let object = Shm::anonymous(8 * MIB as u64).unwrap();
    for offset in [1, page(), MIB, 2 * MIB, 2 * MIB + 5] {
        for len in [1, page(), 2 * MIB, 5 * MIB] {
            for capacity in [0, 6 * MIB] {
                let mut options = MapOptions::new();
                options.offset(offset as u64).len(len).huge_pages(true);
                if capacity > 0 {
                    options.capacity(capacity);
                }
                let mut mapping = options.map_mut(&object).unwrap();
                mapping.bytes().store(len - 1, 9);
                if capabilities().collapse {
                    let found = mapping.collapse(..).unwrap();
                    assert_eq!(found.huge + found.usual, len, "{offset} {len} {capacity}");
                }
                mapping.grow(&object, 8 * MIB - offset).unwrap();
                assert_eq!(mapping.bytes().load(len - 1), 9);
                assert_eq!(object.map().unwrap().bytes().load(offset + len - 1), 9);
            }
        }
    }
    // At an address that does not fit, nothing is huge and nothing fails.
    let plain = MapOptions::new().offset(page() as u64).map_mut(&object).unwrap();
    if capabilities().collapse {
        let found = plain.collapse(..).unwrap();
        assert_eq!(found.huge + found.usual, plain.len());
    }
}

#[test]
fn pages_from_a_pool_are_for_anonymous_objects() {
    let names = Names::new();
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).size(2 * MIB as u64).huge_pages(HugePages::default());
    options.if_does_not_exist(posix_shm::IfDoesNotExist::Create);
    let error = options.open(names.name()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert!(error.to_string().contains("anonymous"), "{error}");
    match options.open_anonymous() {
        Ok(object) => assert!(capabilities().huge_pages, "it works: {object:?}"),
        Err(error) => {
            // The kernel may be built without them.
            let expected = if capabilities().huge_pages && HugePages::sizes().is_ok() {
                // The pool is empty.
                [ErrorKind::StorageFull, ErrorKind::OutOfMemory]
            } else {
                [ErrorKind::Unsupported; 2]
            };
            assert!(expected.contains(&error.kind()), "{error}");
            assert!(error.hint().is_some(), "{error}");
        }
    }
    match HugePages::sizes() {
        Ok(sizes) => {
            assert!(capabilities().huge_pages, "it works");
            assert!(sizes.is_sorted() && sizes.iter().all(|size| size.is_power_of_two()));
            if cfg!(target_os = "linux") {
                let pools = std::fs::read_dir("/sys/kernel/mm/hugepages").unwrap();
                let names = pools.map(|pool| pool.unwrap().file_name().into_string().unwrap());
                let mut names: Vec<String> = names.collect();
                let mut found: Vec<String> =
                    sizes.iter().map(|size| format!("hugepages-{}kB", size / 1024)).collect();
                names.sort();
                found.sort();
                assert_eq!(found, names);
            }
        }
        Err(error) => {
            let supported = capabilities().huge_pages && cfg!(not(target_os = "linux"));
            assert!(!supported, "{error}");
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        }
    }
}
