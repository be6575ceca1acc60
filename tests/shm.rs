//! `Shm`: its length, owner, descriptor and clones, and closing it.

use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use posix_shm::{Direction, IfDoesNotExist, OpenOptions, Operation, Shm, capabilities};

use crate::common::{FILES, Names, len, peer, run};

#[test]
fn set_len_sets_the_length_and_reserves_what_it_adds() {
    if !capabilities().resize {
        // `capabilities.rs` tests what such a system can do.
        return;
    }
    let object = Shm::anonymous(0).unwrap();
    for len in [100, 1, 0, 10_000_000, 4097, 4096, 4096, 1 << 20] {
        object.set_len(len).unwrap();
        assert_eq!(object.len().unwrap(), len);
    }
    // The last growth, from 4096 bytes, is reserved.
    let allocated = object.metadata().unwrap().allocated();
    let reserved = allocated >= (1 << 20) - 4096;
    assert!(reserved || !capabilities().reserve, "only {allocated} bytes are allocated");

    object.set_len_sparse(0).unwrap();
    object.set_len_sparse(1 << 30).unwrap();
    assert_eq!(object.len().unwrap(), 1 << 30);
    if FILES {
        assert_eq!(object.metadata().unwrap().allocated(), 0, "set_len_sparse allocated memory");
    }
}

#[test]
fn the_first_set_len_counts_even_if_another_process_set_a_length() {
    if !capabilities().resize {
        return;
    }
    let names = Names::new();
    let name = names.name();
    let object = OpenOptions::new()
        .direction(Direction::Io)
        .if_does_not_exist(IfDoesNotExist::Create)
        .open(&name)
        .unwrap();
    // Behind the library's back, as another process would.
    // SAFETY: passes no pointer.
    let failed = unsafe { libc::ftruncate(object.as_raw_fd(), 10_000) };
    assert_eq!(failed, 0, "ftruncate failed");
    object.set_len(100).unwrap();
    assert_eq!(object.len().unwrap(), 100);
    object.unlink().unwrap();
}

#[test]
fn a_read_only_handle_cannot_resize() {
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, 100).unwrap();
    let reader = Shm::open(&name).unwrap();
    for result in [reader.set_len(10), reader.set_len(1000), reader.set_len_sparse(10)] {
        let error = result.unwrap_err();
        let seen = (error.kind(), error.operation());
        assert_eq!(seen, (ErrorKind::InvalidInput, Operation::SetLen), "{error}");
        assert!(error.to_string().contains("read-only"), "{error}");
    }
    // The library does not know the direction of a foreign descriptor. The system refuses.
    let foreign = Shm::from(OwnedFd::from(reader));
    for len in [10, 1000] {
        let error = foreign.set_len(len).unwrap_err();
        assert!(error.raw_os_error().is_some(), "{len}: {error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("read-only")), "{len}: {error}");
    }
    assert_eq!(object.len().unwrap(), len(100));
    object.unlink().unwrap();
}

#[test]
fn a_length_out_of_range_is_refused() {
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, 100).unwrap();
    for len in [u64::MAX, i64::MAX as u64 + 1] {
        for result in [object.set_len(len), object.set_len_sparse(len)] {
            let error = result.unwrap_err();
            let seen = (error.kind(), error.raw_os_error());
            assert_eq!(seen, (ErrorKind::InvalidInput, None), "{len}: {error}");
            assert!(error.to_string().contains(&len.to_string()), "no {len} in: {error}");
        }
    }
    // In range, but more than any machine has: an error, soon, and not a signal.
    let lengths: &[u64] =
        if capabilities().reserve { &[i64::MAX as u64, 1 << 60, 1 << 50] } else { &[] };
    for &len in lengths {
        let error = object.set_len(len).unwrap_err();
        assert_eq!(error.operation(), Operation::Reserve, "{len}: {error}");
        let said = error.to_string();
        assert!(said.contains("grow") && said.contains(&format!("to {len} bytes")), "{error}");
        assert!(!said.contains("anonymous"), "it is too late to have no name: {error}");
    }
    assert_eq!(object.len().unwrap(), len(100));
    object.unlink().unwrap();
}

#[test]
fn root_can_change_the_owner_and_anyone_can_keep_it() {
    if !capabilities().set_permissions {
        return;
    }
    let object = Shm::anonymous(0).unwrap();
    let old = object.metadata().unwrap();
    object.set_owner(None, None).unwrap();
    object.set_owner(Some(old.uid()), Some(old.gid())).unwrap();
    let same = object.metadata().unwrap();
    assert_eq!((same.uid(), same.gid()), (old.uid(), old.gid()));
    match (old.uid(), object.set_owner(Some(12_345), Some(54_321))) {
        (0, result) => {
            result.unwrap();
            let new = object.metadata().unwrap();
            assert_eq!((new.uid(), new.gid()), (12_345, 54_321));
            object.set_owner(None, Some(1)).unwrap();
            let new = object.metadata().unwrap();
            assert_eq!((new.uid(), new.gid()), (12_345, 1));
        }
        (_, result) => {
            let error = result.unwrap_err();
            let seen = (error.kind(), error.operation());
            assert_eq!(seen, (ErrorKind::PermissionDenied, Operation::SetOwner));
        }
    }
    let error = object.set_owner(Some(u32::MAX), None).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::InvalidInput, None));
}

#[test]
fn the_descriptor_can_be_borrowed_or_taken_and_closes_on_exec() {
    let names = Names::new();
    let name = names.name();
    let named = OpenOptions::new()
        .direction(Direction::Io)
        .if_does_not_exist(IfDoesNotExist::Create)
        .open(&name)
        .unwrap();
    named.unlink().unwrap();
    let sized = Shm::create(&name, 1).unwrap();
    sized.unlink().unwrap();
    for object in [named, sized, Shm::anonymous(1).unwrap()] {
        // SAFETY: passes no pointer.
        let flags = unsafe { libc::fcntl(object.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC, "{object:?}");
        let inode = object.metadata().unwrap().inode();
        let borrowed = Shm::from(object.as_fd().try_clone_to_owned().unwrap());
        assert_eq!(borrowed.metadata().unwrap().inode(), inode, "{object:?}");
        assert_eq!((borrowed.name(), borrowed.created()), (None, false), "{object:?}");
        let shown = format!("{object:?}");
        let taken = OwnedFd::from(object);
        assert_eq!(Shm::from(taken).metadata().unwrap().inode(), inode, "{shown}");
    }
}

#[test]
fn descriptor_zero_works_like_any_other() {
    let names = Names::new();
    run(&mut peer("descriptor-zero", [names.name().as_os_str()]));
}

#[test]
fn a_clone_is_the_same_object() {
    let object = Shm::anonymous(0).unwrap();
    let clone = object.try_clone().unwrap();
    clone.set_len(100).unwrap();
    assert_eq!(object.len().unwrap(), len(100));
    assert!(!clone.created(), "the clone says that it created the object");
    // The first handle does not take the object for empty once the clone has sized it.
    object.set_len(10).unwrap();
    assert_eq!(clone.len().unwrap(), len(10));
}

#[test]
fn close_succeeds_and_leaves_mappings_usable() {
    let object = Shm::anonymous(1).unwrap();
    let mapping = object.map_mut().unwrap();
    object.close().unwrap();
    // A mapping does not need its handle.
    mapping.bytes().store(0, 1);
    assert_eq!(mapping.bytes().load(0), 1);
}

#[test]
fn what_is_public_can_move_to_any_thread() {
    fn any_thread<T: Send + Sync + 'static>() {}
    any_thread::<Shm>();
    any_thread::<posix_shm::Mapping<posix_shm::ReadOnly>>();
    any_thread::<posix_shm::Mapping>();
    any_thread::<posix_shm::RawMapping>();
    any_thread::<posix_shm::SharedSlice<'static, u64, posix_shm::ReadWrite>>();
    any_thread::<OpenOptions>();
    any_thread::<posix_shm::MapOptions>();
    any_thread::<posix_shm::Error>();
    any_thread::<posix_shm::List>();
    any_thread::<posix_shm::ListNames>();
    any_thread::<posix_shm::transfer::Objects>();
}
