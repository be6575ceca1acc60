//! `Shm::make_immutable` and `ImmutableMapping`.

use std::io::ErrorKind;

use posix_shm::{Operation, Shm, capabilities};

use crate::common::page;

/// An object whose bytes count from 0 on.
fn counting(len: u64) -> Shm {
    let object = Shm::anonymous(len).unwrap();
    let mapping = object.map_mut().unwrap();
    (0..len as usize).for_each(|at| mapping.bytes().store(at, at as u8));
    object
}

#[test]
fn immutable_memory_is_a_slice_of_its_bytes() {
    if !capabilities().map_immutable {
        return;
    }
    let object = counting(1000).make_immutable().unwrap();
    let mapping = object.map_immutable().unwrap();
    drop(object);
    assert_eq!(mapping.len(), 1000);
    assert!(mapping.iter().enumerate().all(|(at, byte)| *byte == at as u8));
    assert_eq!(mapping.slice::<u16>().unwrap()[1], u16::from_ne_bytes([2, 3]));
    assert_eq!(mapping.part::<u32>(996, 1).unwrap(), [u32::from_ne_bytes([228, 229, 230, 231])]);
    let error = mapping.part::<u32>(998, 1).unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::InvalidInput, Operation::View));
    mapping.unmap().unwrap();
}

/// It is `'static`, so a thread takes it. Its clones are clones of the `Arc`.
#[test]
fn immutable_memory_goes_to_threads() {
    if !capabilities().map_immutable {
        return;
    }
    let object = counting(4096).make_immutable().unwrap();
    let mapping = std::sync::Arc::new(object.map_immutable().unwrap());
    let threads = [0, 1, 2, 3].map(|at| {
        let mapping = std::sync::Arc::clone(&mapping);
        std::thread::spawn(move || mapping[at])
    });
    assert_eq!(threads.map(|thread| thread.join().unwrap()), [0, 1, 2, 3]);
}

#[test]
fn a_part_of_an_immutable_object_is_mapped_from_any_offset() {
    if !capabilities().map_immutable {
        return;
    }
    let object = counting(3 * page()).make_immutable().unwrap();
    let mut part = posix_shm::MapOptions::new();
    for offset in [0, 1, page() - 1, page(), page() + 5] {
        let mapping = part.offset(offset).len(100).map_immutable(&object).unwrap();
        assert_eq!(mapping.len(), 100);
        assert!((0..100).all(|at| mapping[at] == (offset as usize + at) as u8), "from {offset}");
    }
    let error = part.offset(3 * page() - 50).map_immutable(&object).unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::InvalidInput, Operation::Map));
}

/// The crate `bytes` keeps it as it keeps a vector: a slice of a slice, in another thread, is still
/// the memory of the object.
#[test]
fn the_crate_bytes_takes_it_without_a_copy() {
    if !capabilities().map_immutable {
        return;
    }
    let mapping = counting(4096).make_immutable().unwrap().map_immutable().unwrap();
    let start = mapping.as_ptr();
    let all = bytes::Bytes::from_owner(mapping);
    assert_eq!(all.as_ptr(), start);
    let part = all.slice(10..20);
    drop(all);
    let found = std::thread::spawn(move || (part.as_ptr().addr(), part.to_vec())).join().unwrap();
    assert_eq!(found, (start.addr() + 10, (10..20).collect()));
}

/// After an error, nothing is sealed.
#[test]
fn an_object_that_is_mapped_through_a_writable_handle_is_not_made_immutable() {
    if !capabilities().map_immutable {
        return;
    }
    let object = counting(4096);
    let before = object.seals().unwrap();
    for map in [
        |object: &Shm| drop_later(object.map_mut().unwrap()),
        |object: &Shm| drop_later(object.map().unwrap()),
    ] {
        let mapping = map(&object);
        let error = object.try_clone().unwrap().make_immutable().unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::ResourceBusy, Operation::Seal));
        assert!(error.hint().unwrap().contains("unmap it there"), "{error}");
        drop(mapping);
        assert_eq!(object.seals().unwrap(), before, "a failed call has sealed it");
    }
    // Through a read-only handle it may be mapped.
    if capabilities().read_only_anonymous {
        let mapping = object.read_only().unwrap().map().unwrap();
        object.make_immutable().unwrap();
        assert_eq!(mapping.bytes().load(5), 5);
    }
}

fn drop_later<T: 'static>(mapping: T) -> Box<dyn std::any::Any> {
    Box::new(mapping)
}

/// The seals and the memory are the object's, whoever asks, and by whatever handle.
#[test]
fn every_handle_of_an_immutable_object_maps_it() {
    if !capabilities().map_immutable {
        return;
    }
    let object = counting(4096).make_immutable().unwrap();
    let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
    object.send(&here).unwrap();
    let received = Shm::receive(&there).unwrap();
    let foreign = Shm::from(std::os::fd::OwnedFd::from(object.try_clone().unwrap()));
    let mut handles = vec![object.try_clone().unwrap(), received, foreign];
    if capabilities().read_only_anonymous {
        handles.push(object.read_only().unwrap());
    }
    for handle in &handles {
        assert_eq!(handle.map_immutable().unwrap()[7], 7, "{handle:?}");
        assert!(!handle.may_fault().unwrap(), "{handle:?}");
        assert_eq!(handle.map().unwrap().bytes().load(7), 7, "{handle:?}");
    }
}
