//! `Shm`: length, metadata, permissions, owner, name, closing.

use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, SystemTime};

use posix_shm::{
    Direction, IfDoesNotExist, OpenOptions, Operation, Permissions, Shm, capabilities, unlink,
};

use crate::common::{FILES, Names, len};

#[test]
fn the_length_is_what_was_set_and_growth_is_reserved() {
    if !capabilities().resize {
        // `capabilities::lengths` has what there is.
        return;
    }
    let object = Shm::anonymous(0).unwrap();
    for len in [100, 1, 0, 10_000_000, 4097, 4096, 4096, 1 << 20] {
        object.set_len(len).unwrap();
        assert_eq!(object.len().unwrap(), len);
    }
    // What was added last, from 4096 bytes on, has its memory.
    let allocated = object.metadata().unwrap().allocated();
    assert!(allocated >= (1 << 20) - 4096 || !capabilities().reserve);

    object.set_len_sparse(0).unwrap();
    object.set_len_sparse(1 << 30).unwrap();
    assert_eq!(object.len().unwrap(), 1 << 30);
    assert!(object.metadata().unwrap().allocated() == 0 || !FILES);
}

#[test]
fn the_first_length_counts_even_when_somebody_else_set_one_before() {
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
    // Through the descriptor, as any other library would.
    // SAFETY: passes no pointer.
    assert_eq!(unsafe { libc::ftruncate(object.as_raw_fd(), 10_000) }, 0);
    object.set_len(100).unwrap();
    assert_eq!(object.len().unwrap(), 100);
    object.unlink().unwrap();
}

#[test]
fn resizing_a_read_only_handle_is_refused() {
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, 100).unwrap();
    let reader = Shm::open(&name).unwrap();
    for result in [reader.set_len(10), reader.set_len(1000), reader.set_len_sparse(10)] {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::InvalidInput, Operation::SetLen));
        assert!(error.to_string().contains("read-only"), "{error}");
    }
    // Where the descriptor came from elsewhere, the system says it.
    let foreign = Shm::from(OwnedFd::from(reader));
    for len in [10, 1000] {
        let error = foreign.set_len(len).unwrap_err();
        assert!(error.raw_os_error().is_some());
        assert!(error.hint().unwrap().contains("read-only"), "{error}");
    }
    assert_eq!(object.len().unwrap(), len(100));
    object.unlink().unwrap();
}

#[test]
fn a_length_that_is_out_of_range_is_refused() {
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, 100).unwrap();
    for len in [u64::MAX, i64::MAX as u64 + 1] {
        for result in [object.set_len(len), object.set_len_sparse(len)] {
            let error = result.unwrap_err();
            assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::InvalidInput, None));
            assert!(error.to_string().contains(&len.to_string()), "{error}");
        }
    }
    // In range, and more than any file system or machine has: an error, quickly, and not a signal.
    let lengths: &[u64] =
        if capabilities().reserve { &[i64::MAX as u64, 1 << 60, 1 << 50] } else { &[] };
    for &len in lengths {
        let error = object.set_len(len).unwrap_err();
        assert_eq!(error.operation(), Operation::Reserve);
        assert!(error.to_string().contains(&format!("reserve {len} bytes")), "{error}");
    }
    assert_eq!(object.len().unwrap(), len(100));
    object.unlink().unwrap();
}

#[test]
fn metadata_is_what_the_system_says() {
    if !FILES {
        return;
    }
    let names = Names::new();
    let name = names.name();
    let before = SystemTime::now() - Duration::from_secs(2);
    let object = Shm::create(&name, 5000).unwrap();
    let metadata = object.metadata().unwrap();
    let file = std::fs::metadata(format!("/dev/shm{name}")).unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_eq!(metadata.len(), 5000);
    assert_eq!(metadata.len(), file.len());
    assert_eq!((metadata.device(), metadata.inode()), (file.dev(), file.ino()));
    assert_eq!((metadata.uid(), metadata.gid()), (file.uid(), file.gid()));
    assert_eq!(metadata.permissions().mode(), file.mode() & 0o7777);
    assert_eq!(metadata.links(), 1);
    assert_eq!(metadata.allocated(), 8192);
    assert_eq!(metadata.modified(), file.modified().unwrap());
    assert_eq!(metadata.accessed(), file.accessed().unwrap());
    for time in [metadata.modified(), metadata.accessed(), metadata.changed()] {
        assert!(before < time && time < SystemTime::now() + Duration::from_secs(2));
    }
    unlink(&name).unwrap();
    assert_eq!(object.metadata().unwrap().links(), 0);
}

/// The four groups of permission words of the Lisp library: long, short, and the two kinds of "all".
#[test]
fn permissions_are_set_exactly() {
    if !capabilities().set_permissions {
        return;
    }
    let object = Shm::anonymous(0).unwrap();
    let each = [
        (Permissions::USER_READ, 0o400),
        (Permissions::USER_WRITE, 0o200),
        (Permissions::USER_EXEC, 0o100),
        (Permissions::GROUP_READ, 0o040),
        (Permissions::GROUP_WRITE, 0o020),
        (Permissions::GROUP_EXEC, 0o010),
        (Permissions::OTHER_READ, 0o004),
        (Permissions::OTHER_WRITE, 0o002),
        (Permissions::OTHER_EXEC, 0o001),
        (Permissions::USER_ALL, 0o700),
        (Permissions::GROUP_ALL, 0o070),
        (Permissions::OTHER_ALL, 0o007),
        (Permissions::USER_ALL | Permissions::GROUP_ALL | Permissions::OTHER_ALL, 0o777),
        (Permissions::empty(), 0),
    ];
    // An anonymous one may be sealed against ever being executable.
    let names = Names::new();
    let unsealed = Shm::create(names.name(), 0).unwrap();
    unsealed.unlink().unwrap();
    for (permissions, mode) in each {
        assert_eq!(permissions.mode(), mode);
        unsealed.set_permissions(permissions).unwrap();
        assert_eq!(unsealed.metadata().unwrap().permissions(), permissions);
        assert_eq!(format!("{permissions:?}"), format!("0o{mode:03o}"));
    }
    object.set_permissions(Permissions::from_mode(0o640)).unwrap();
    assert_eq!(object.metadata().unwrap().permissions().mode(), 0o640);
}

#[test]
fn new_objects_have_the_permissions_that_were_asked_for() {
    let names = Names::new();
    for size in [0, 4096] {
        let name = names.name();
        let object = OpenOptions::new()
            .direction(Direction::Io)
            .if_does_not_exist(IfDoesNotExist::Create)
            .permissions(Permissions::USER_ALL)
            .size(size)
            .open(&name)
            .unwrap();
        let expected =
            if capabilities().other_users { Permissions::USER_ALL } else { Permissions::PRIVATE };
        assert_eq!(object.metadata().unwrap().permissions(), expected);
        object.unlink().unwrap();
    }
}

#[test]
fn the_owner_can_be_changed_by_root_and_kept_by_all() {
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
fn unlink_removes_the_name_and_nothing_else() {
    let names = Names::new();
    let name = names.name();
    let old = Shm::create(&name, 100).unwrap();
    let mapping = old.map_mut().unwrap();
    mapping.bytes().store(0, 1);
    unlink(&name).unwrap();
    let error = unlink(&name).unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::NotFound, Operation::Unlink));
    assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
    assert_eq!(error.name(), Some(&name));
    assert_eq!((old.len().unwrap(), mapping.bytes().load(0)), (len(100), 1));
    if !capabilities().tell_objects_apart {
        return;
    }

    // A successor's object is not the old handle's to remove.
    let new = Shm::create(&name, 200).unwrap();
    let error = old.unlink().unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::NotFound, None));
    assert_eq!(Shm::open(&name).unwrap().len().unwrap(), 200);
    new.unlink().unwrap();
    assert_eq!(new.unlink().unwrap_err().raw_os_error(), Some(libc::ENOENT));
    assert_eq!(Shm::from(OwnedFd::from(new)).unlink().unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn the_descriptor_is_lent_taken_and_closed_on_exec() {
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
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        let inode = object.metadata().unwrap().inode();
        let lent = Shm::from(object.as_fd().try_clone_to_owned().unwrap());
        assert_eq!(lent.metadata().unwrap().inode(), inode);
        assert_eq!((lent.name(), lent.created()), (None, false));
        let taken = OwnedFd::from(object);
        assert_eq!(Shm::from(taken).metadata().unwrap().inode(), inode);
    }
}

#[test]
fn close_reports_success_and_closes() {
    let object = Shm::anonymous(1).unwrap();
    let mapping = object.map_mut().unwrap();
    object.close().unwrap();
    // The mapping does not need the handle.
    mapping.bytes().store(0, 1);
    assert_eq!(mapping.bytes().load(0), 1);
}

#[test]
fn handles_and_mappings_go_to_any_thread() {
    fn any_thread<T: Send + Sync + 'static>() {}
    any_thread::<Shm>();
    any_thread::<posix_shm::Mapping<posix_shm::ReadOnly>>();
    any_thread::<posix_shm::Mapping>();
    any_thread::<posix_shm::RawMapping>();
    any_thread::<posix_shm::SharedSlice<'static, u64, posix_shm::ReadWrite>>();
    any_thread::<OpenOptions>();
    any_thread::<posix_shm::MapOptions>();
    any_thread::<posix_shm::Error>();
}
