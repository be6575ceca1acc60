//! Objects without a name.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use posix_shm::{Direction, OpenOptions, Permissions, Shm, capabilities};

use crate::common::{FILES, NOTHING, len, peer, run};

#[test]
fn it_has_no_name_and_its_size() {
    let object = Shm::anonymous(5000).unwrap();
    assert!(object.created());
    assert!(object.name().is_none());
    let metadata = object.metadata().unwrap();
    assert_eq!(metadata.len(), len(5000));
    if FILES {
        assert_eq!((metadata.links(), metadata.allocated()), (0, 8192));
    }
    assert_eq!(object.unlink().unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn read_only_is_refused() {
    for size in [0, 100] {
        let error = OpenOptions::new().size(size).open_anonymous().unwrap_err();
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::InvalidInput, None));
        assert!(error.to_string().contains("Direction::Io"), "{error}");
    }
}

#[test]
fn mapped_at_once_it_needs_a_size() {
    let error = OpenOptions::new().direction(Direction::Io).open_anonymous_mapped().unwrap_err();
    assert!(error.to_string().contains("needs a size"), "{error}");
    let (object, mapping) =
        OpenOptions::new().direction(Direction::Io).size(100).open_anonymous_mapped().unwrap();
    assert_eq!((object.len().unwrap(), mapping.len()), (len(100), 100));
}

#[test]
fn it_has_the_permissions_that_were_asked_for() {
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
fn more_than_the_machine_has_is_an_error_and_kills_nobody() {
    let sizes: &[u64] =
        if capabilities().reserve { &[1 << 45, 1 << 60, i64::MAX as u64] } else { &[] };
    for &size in sizes {
        let error = Shm::anonymous(size).unwrap_err();
        let kinds = [ErrorKind::OutOfMemory, ErrorKind::StorageFull];
        assert!(kinds.contains(&error.kind()), "{error}");
        assert!(error.to_string().contains(&format!("reserve {size} bytes")), "{error}");
        assert!(error.hint().is_some(), "{error}");
    }
    let error = Shm::anonymous(u64::MAX).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::InvalidInput, None));
}

#[test]
fn another_process_that_inherits_the_descriptor_reads_and_writes_it() {
    let (object, mapping) =
        OpenOptions::new().direction(Direction::Io).size(80).open_anonymous_mapped().unwrap();
    let numbers = mapping.slice::<u64>(0, 10).unwrap();
    for i in 0..10 {
        numbers.store(i, i as u64);
    }
    run(peer("double-stdin", NOTHING).stdin(Stdio::from(OwnedFd::from(object))));
    for i in 0..10 {
        assert_eq!(numbers.load(i), 2 * i as u64);
    }
}
