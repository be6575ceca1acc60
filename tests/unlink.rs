//! Removing a name: `unlink`, `Shm::unlink` and `UnlinkOnDrop`.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use posix_shm::{MapOptions, Operation, Shm, capabilities, unlink};

use crate::common::{Names, len, peer, run};

#[test]
fn unlink_removes_only_the_name() {
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

    // The old handle does not remove the name of a newer object.
    let new = Shm::create(&name, 200).unwrap();
    let error = old.unlink().unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::NotFound, None));
    assert_eq!(Shm::open(&name).unwrap().len().unwrap(), 200);
    new.unlink().unwrap();
    assert_eq!(new.unlink().unwrap_err().raw_os_error(), Some(libc::ENOENT));
    assert_eq!(Shm::from(OwnedFd::from(new)).unlink().unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn unlink_on_drop_removes_the_name_of_its_own_object_only() {
    let names = Names::new();
    let name = names.name();
    let is_gone = || Shm::open(&name).is_err_and(|error| error.kind() == ErrorKind::NotFound);
    drop(Shm::create(&name, 1).unwrap().unlink_on_drop());
    assert!(is_gone(), "dropping the guard did not remove the name");

    let kept = Shm::create(&name, 1).unwrap().unlink_on_drop().keep();
    assert_eq!(Shm::open(&name).unwrap().len().unwrap(), len(1));

    // A newer object keeps its name, on systems that can tell it from the older one.
    let guard = kept.unlink_on_drop();
    let mapped = MapOptions::new().map(&guard).unwrap().len();
    assert_eq!(mapped as u64, len(1));
    unlink(&name).unwrap();
    let mut successor = Shm::create(&name, 2).unwrap();
    drop(guard);
    if capabilities().tell_objects_apart {
        assert_eq!(Shm::open(&name).unwrap().len().unwrap(), len(2));
    } else {
        assert!(is_gone(), "the guard did not remove the name");
        successor = Shm::create(&name, 2).unwrap();
    }

    // A handle without a guard removes nothing. A panic drops the guard.
    drop(Shm::open(&name).unwrap());
    drop(Shm::open(&name).unwrap());
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _guard = successor.unlink_on_drop();
        panic!("on purpose");
    }));
    assert!(panic.is_err(), "it did not panic");
    assert!(is_gone(), "a panic did not remove the name");
    drop(Shm::anonymous(1).unwrap().unlink_on_drop());
}

#[test]
fn a_forked_child_does_not_remove_the_name() {
    let names = Names::new();
    run(&mut peer("fork", [names.name().as_os_str()]));
}
