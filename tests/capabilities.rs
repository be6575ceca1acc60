//! What the system is said to be able to do, it does, and nothing that it is said not to: the same test for every system.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use posix_shm::{
    Direction, IfDoesNotExist, IfExists, OpenOptions, Permissions, Seals, Shm, capabilities, list,
    unlink,
};

use crate::common::{Names, len, page};

#[test]
fn names() {
    let names = Names::new();
    let name = names.name();
    if capabilities().named {
        Shm::create(&name, 1).unwrap().unlink().unwrap();
        return;
    }
    for error in [
        Shm::create(&name, 1).unwrap_err(),
        Shm::create(&name, 0).unwrap_err(),
        Shm::publish(&name, b"x").unwrap_err(),
        Shm::open(&name).unwrap_err(),
        Shm::open_or_create(&name, 1).unwrap_err(),
        OpenOptions::new().open_optional(&name).unwrap_err(),
        unlink(&name).unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.name()), (ErrorKind::Unsupported, Some(&name)));
        assert!(error.hint().unwrap().contains("anonymous"), "{error}");
    }
    assert!(!capabilities().list && !capabilities().complete_before_named);
}

#[test]
fn lengths() {
    let object = Shm::anonymous(1).unwrap();
    assert_eq!(object.len().unwrap(), len(1));
    // What it is already it can always be made.
    object.set_len(1).unwrap();
    object.set_len_sparse(1).unwrap();
    let longer = 3 * page();
    for result in [object.set_len(longer), object.set_len_sparse(2 * longer), object.set_len(0)] {
        match result {
            Ok(()) => assert!(capabilities().resize),
            Err(error) => {
                assert!(!capabilities().resize);
                assert!(error.hint().unwrap().contains("once"), "{error}");
                assert!(object.len().unwrap() >= 1);
            }
        }
    }
    // An object of no length at all is not one that can never have any.
    let empty = Shm::anonymous(0).unwrap();
    empty.set_len(0).unwrap();
    empty.set_len_sparse(0).unwrap();
    // Nor is it one that who may only read it can size.
    let names = Names::new();
    if capabilities().named {
        let object = Shm::create(names.name(), 0).unwrap();
        let reader = Shm::open(object.name().unwrap()).unwrap();
        reader.write_at(b"x", 0).unwrap_err();
        Shm::from(OwnedFd::from(reader)).set_len(longer).unwrap_err();
        assert_eq!(object.len().unwrap(), 0);
        object.set_len(longer).unwrap();
        object.unlink().unwrap();
    }
    empty.set_len(longer).unwrap();
    assert_eq!(empty.map_mut().unwrap().len() as u64, longer);
}

#[test]
fn memory() {
    if capabilities().reserve {
        assert!(Shm::anonymous(1 << 60).is_err());
        let object = Shm::anonymous(1 << 20).unwrap();
        assert!(object.metadata().unwrap().allocated() >= 1 << 20);
    }
}

#[test]
fn truncation() {
    let names = Names::new();
    let name = names.name();
    if !capabilities().named {
        return;
    }
    let object = Shm::create(&name, 100).unwrap();
    let mut options = OpenOptions::new();
    let truncated = options.direction(Direction::Io).if_exists(IfExists::Truncate).open(&name);
    match truncated {
        Ok(truncated) => {
            assert!(capabilities().resize);
            assert_eq!(truncated.len().unwrap(), 0);
        }
        Err(error) => {
            assert!(!capabilities().resize);
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.hint().unwrap().contains("Supersede"), "{error}");
            assert!(object.len().unwrap() >= 100);
        }
    }
    object.unlink().unwrap();
    // What has no length yet can be truncated everywhere.
    let empty = Shm::create(&name, 0).unwrap();
    assert_eq!(options.open(&name).unwrap().len().unwrap(), 0);
    empty.unlink().unwrap();
}

#[test]
fn permissions() {
    let object = Shm::anonymous(1).unwrap();
    let wanted = Permissions::from_mode(0o640);
    for done in [object.set_permissions(wanted), object.set_owner(None, None)] {
        match done {
            Ok(()) => assert!(capabilities().set_permissions),
            Err(error) => {
                assert!(!capabilities().set_permissions);
                assert!(error.hint().is_some(), "{error}");
            }
        }
    }
    let same = object.metadata().unwrap().permissions() == wanted;
    assert_eq!(same, capabilities().set_permissions);

    let names = Names::new();
    if !capabilities().named {
        return;
    }
    // The tests have the umask 022.
    for (exactly, size) in [(false, 0), (false, 1), (true, 0), (true, 1)] {
        let name = names.name();
        let object = OpenOptions::new()
            .direction(Direction::Io)
            .if_does_not_exist(IfDoesNotExist::Create)
            .permissions(Permissions::from_mode(0o622))
            .ignore_umask(exactly)
            .size(size)
            .open(&name)
            .unwrap();
        let mut mode = if exactly || !capabilities().umask { 0o622 } else { 0o600 };
        if !capabilities().other_users && !exactly {
            mode &= 0o600;
        }
        assert_eq!(object.metadata().unwrap().permissions().mode(), mode);
        object.unlink().unwrap();
    }
}

#[test]
fn identity() {
    let (one, two) = (Shm::anonymous(1).unwrap(), Shm::anonymous(1).unwrap());
    let [one, two] = [one, two].map(|object| {
        let metadata = object.metadata().unwrap();
        (metadata.device(), metadata.inode())
    });
    assert_eq!(one != two, capabilities().tell_objects_apart);
}

#[test]
fn seals() {
    let object = Shm::anonymous(page()).unwrap();
    let sealed = object.seal(Seals::SHRINK);
    assert_eq!(sealed.is_ok(), capabilities().seal);
    if let Err(error) = sealed {
        assert!(!capabilities().freeze_while_mapped);
        assert!([ErrorKind::Unsupported, ErrorKind::PermissionDenied].contains(&error.kind()));
        return;
    }
    let writer = object.map_mut().unwrap();
    match object.try_clone().unwrap().freeze() {
        Ok(frozen) => {
            assert!(capabilities().freeze_while_mapped && frozen.map_mut().is_err());
            writer.bytes().store(0, 9);
            assert_eq!(frozen.map().unwrap().bytes().load(0), 9);
        }
        Err(error) => {
            assert!(!capabilities().freeze_while_mapped);
            assert_eq!(error.kind(), ErrorKind::ResourceBusy);
            drop(writer);
            assert!(object.freeze().unwrap().map_mut().is_err());
        }
    }
}

#[test]
fn read_only_handles() {
    let object = Shm::anonymous(page()).unwrap();
    match object.read_only() {
        Ok(reader) => {
            assert_eq!(reader.map_mut().unwrap_err().kind(), ErrorKind::PermissionDenied);
            assert_eq!(reader.map().unwrap().len() as u64, page());
            assert_eq!(reader.read_only().unwrap().len().unwrap(), page());
        }
        Err(error) => {
            assert!(!capabilities().read_only_anonymous);
            let kinds = [ErrorKind::Unsupported, ErrorKind::PermissionDenied];
            assert!(kinds.contains(&error.kind()), "{error}");
        }
    }
}

#[test]
fn listing() {
    match list() {
        Ok(_) => assert!(capabilities().list),
        Err(error) => {
            assert!(!capabilities().list);
            assert_eq!(error.kind(), ErrorKind::Unsupported);
        }
    }
}
