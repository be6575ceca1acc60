//! Objects without a name.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use posix_shm::{Direction, OpenOptions, Permissions, Shm, capabilities};

use crate::common::{FILES, NOTHING, len, peer, run};

#[test]
fn an_anonymous_object_has_its_size_and_no_name() {
    let object = Shm::anonymous(5000).unwrap();
    assert!(object.created(), "the handle says that the object existed before");
    assert_eq!(object.name(), None);
    let metadata = object.metadata().unwrap();
    assert_eq!(metadata.len(), len(5000));
    if FILES {
        assert_eq!((metadata.links(), metadata.allocated()), (0, 8192));
    }
    assert_eq!(object.unlink().unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_read_only_anonymous_object_is_refused() {
    for size in [0, 100] {
        let error = OpenOptions::new().size(size).open_anonymous().unwrap_err();
        let seen = (error.kind(), error.raw_os_error());
        assert_eq!(seen, (ErrorKind::InvalidInput, None), "{error}");
        assert!(error.to_string().contains("Direction::Io"), "{error}");
    }
}

#[test]
fn mapping_while_creating_needs_a_size() {
    let error = OpenOptions::new().direction(Direction::Io).open_anonymous_mapped().unwrap_err();
    assert!(error.to_string().contains("needs a size"), "{error}");
    let (object, mapping) =
        OpenOptions::new().direction(Direction::Io).size(100).open_anonymous_mapped().unwrap();
    assert_eq!((object.len().unwrap(), mapping.len()), (len(100), 100));
}

#[test]
fn an_anonymous_object_has_the_requested_permissions() {
    for mode in [0o400, 0o600, 0o640, 0o700, 0o711] {
        let object = OpenOptions::new()
            .direction(Direction::Io)
            .permissions(Permissions::from_mode(mode))
            .open_anonymous()
            .unwrap();
        assert_eq!(object.metadata().unwrap().permissions().mode(), mode);
    }
}

#[test]
fn reserving_more_than_the_machine_has_is_an_error() {
    let sizes: &[u64] =
        if capabilities().reserve { &[1 << 45, 1 << 60, i64::MAX as u64] } else { &[] };
    for &size in sizes {
        let error = Shm::anonymous(size).unwrap_err();
        let kinds = [ErrorKind::OutOfMemory, ErrorKind::StorageFull];
        assert!(kinds.contains(&error.kind()), "{error}");
        let wanted = format!("reserve {size} bytes");
        assert!(error.to_string().contains(&wanted), "not {wanted:?}: {error}");
        assert!(error.hint().is_some(), "no hint: {error}");
    }
    let error = Shm::anonymous(u64::MAX).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::InvalidInput, None));
}

#[test]
fn a_process_that_inherits_the_descriptor_can_read_and_write() {
    let (object, mapping) =
        OpenOptions::new().direction(Direction::Io).size(80).open_anonymous_mapped().unwrap();
    let numbers = mapping.slice::<u64>(0, 10).unwrap();
    for i in 0..10 {
        numbers.store(i, i as u64);
    }
    run(peer("double-stdin", NOTHING).stdin(Stdio::from(OwnedFd::from(object))));
    for i in 0..10 {
        assert_eq!(numbers.load(i), 2 * i as u64, "number {i}");
    }
}
