//! Copy-on-write mappings: what is written to them stays in this process.

use std::io::ErrorKind;

use posix_shm::{CopyOnWrite, MapOptions, Mapping, Moved, Shm, capabilities};

use super::page;
#[cfg(target_os = "linux")]
use crate::common::FILES;
use crate::common::Names;

fn copy_of(object: &Shm) -> Option<Mapping<CopyOnWrite>> {
    match MapOptions::new().map_copy_on_write(object) {
        Ok(mapping) => {
            assert!(capabilities().copy_on_write, "it works");
            Some(mapping)
        }
        Err(error) => {
            assert!(!capabilities().copy_on_write, "{error}");
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            None
        }
    }
}

#[test]
fn what_is_written_stays_here() {
    let object = Shm::anonymous(4 * page() as u64).unwrap();
    let shared = object.map_mut().unwrap();
    shared.bytes().fill(1);
    let Some(copy) = copy_of(&object) else { return };
    assert_eq!(copy.bytes().to_vec(), vec![1; 4 * page()]);
    copy.store(8, 0x0807_0605_u32).unwrap();
    copy.copy_from(page() + 1, &[7_u8; 100]).unwrap();
    assert_eq!(copy.cell::<u32>(8).unwrap().load(), 0x0807_0605);
    assert_eq!(copy.slice::<u8>(page() + 1, 100).unwrap().to_vec(), vec![7; 100]);
    assert_eq!(shared.bytes().to_vec(), vec![1; 4 * page()], "a peer sees what was written");
    // A page that was copied does not follow the object any more.
    shared.bytes().fill(2);
    assert_eq!(copy.bytes().load(0), 1);
    // Two of them share nothing.
    let other = copy_of(&object).unwrap();
    assert_eq!(other.bytes().to_vec(), vec![2; 4 * page()]);
    other.store(0, 3_u8).unwrap();
    assert_eq!(copy.bytes().load(0), 1);
}

#[test]
fn every_write_is_checked() {
    let object = Shm::anonymous(page() as u64).unwrap();
    let Some(copy) = copy_of(&object) else { return };
    for error in [
        copy.store(copy.len(), 1_u8).unwrap_err(),
        copy.store(1, 1_u32).unwrap_err(),
        copy.store(usize::MAX, 1_u8).unwrap_err(),
        copy.copy_from(copy.len() - 1, &[1_u8; 2]).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    copy.copy_from::<u64>(0, &[]).unwrap();
    assert!(copy.bytes().to_vec().iter().all(|&byte| byte == 0));
}

#[test]
fn a_handle_for_reading_is_enough() {
    let names = Names::new();
    if !capabilities().named {
        return;
    }
    let object = Shm::create(names.name(), 100).unwrap();
    let reader = Shm::open(object.name().unwrap()).unwrap();
    if let Some(copy) = copy_of(&reader) {
        copy.store(0, 5_u8).unwrap();
        assert_eq!((copy.bytes().load(0), object.map().unwrap().bytes().load(0)), (5, 0));
    }
    object.unlink().unwrap();
}

#[test]
fn growing_keeps_what_was_written() {
    if !capabilities().copy_on_write {
        return;
    }
    let len = 16 * page();
    let object = Shm::anonymous(len as u64).unwrap();
    object.map_mut().unwrap().bytes().fill(1);
    for capacity in [0, len] {
        let mut options = MapOptions::new();
        options.len(page());
        if capacity > 0 {
            options.capacity(capacity);
        }
        let mut copy = options.map_copy_on_write(&object).unwrap();
        copy.store(0, 5_u8).unwrap();
        match copy.grow(&object, len) {
            Ok(moved) => {
                assert!(moved == Moved::No || capacity == 0);
                assert_eq!((copy.bytes().load(0), copy.bytes().load(len - 1)), (5, 1));
                copy.store(len - 1, 6_u8).unwrap();
            }
            Err(error) => {
                assert!(!capabilities().move_mappings && capacity == 0, "{error}");
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
                assert_eq!((copy.len(), copy.bytes().load(0)), (page(), 5));
            }
        }
        // What is cut off is the object's again.
        copy.shrink_to(1).unwrap();
        if capacity > 0 {
            copy.grow(&object, len).unwrap();
            assert_eq!((copy.bytes().load(0), copy.bytes().load(len - 1)), (5, 1));
        }
        assert_eq!(object.map().unwrap().bytes().load(0), 1);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn no_reserve_is_what_the_system_is_told() {
    if !FILES {
        return;
    }
    let object = Shm::anonymous(4 * page() as u64).unwrap();
    let promised = MapOptions::new().map_copy_on_write(&object).unwrap();
    let not = MapOptions::new().no_reserve(true).map_copy_on_write(&object).unwrap();
    let has =
        |mapping: &Mapping<CopyOnWrite>| super::flags(mapping.as_ptr()).contains(&"nr".into());
    assert!(!has(&promised), "the default reserves");
    assert!(has(&not), "no_reserve has no effect");
    // For shared memory it changes nothing that can be seen.
    let shared = MapOptions::new().no_reserve(true).map_mut(&object).unwrap();
    shared.bytes().store(0, 1);
    assert_eq!(not.bytes().load(0), 1);
}

#[test]
fn the_parts_of_a_copy_grow_and_keep_what_was_written() {
    let object = Shm::anonymous(16 * page() as u64).unwrap();
    if copy_of(&object).is_none() || !capabilities().move_mappings {
        return;
    }
    for align in [1, 1 << 21] {
        let mut options = MapOptions::new();
        let whole = options.len(4 * page()).align(align).map_copy_on_write(&object).unwrap();
        whole.copy_from(0, &vec![6_u8; 4 * page()]).unwrap();
        let (first, mut second) = whole.split_at(2 * page()).unwrap();
        second.grow(&object, 4 * page()).unwrap();
        assert_eq!(second.bytes().load(2 * page() - 1), 6, "{align}");
        assert_eq!(second.bytes().load(2 * page()), 0, "{align}");
        drop(first);
    }
}
