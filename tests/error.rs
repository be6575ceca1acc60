//! `Error`: its message, and its conversion into `io::Error`. [`texts`] has the exact messages.

// The other systems have other hints, and cannot provoke all of them.
#[cfg(all(target_os = "linux", not(any(posix_shm_portable, posix_shm_apple, posix_shm_android))))]
mod mapped;
#[cfg(all(target_os = "linux", not(any(posix_shm_portable, posix_shm_apple, posix_shm_android))))]
mod texts;

use std::io;

use posix_shm::{Error, Operation, Shm, ShmName};

use crate::common::Names;

#[test]
fn a_message_has_the_operation_the_name_and_the_reason() {
    let names = Names::new();
    let name = names.name();
    let error = Shm::open(&name).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("open \"{name}\": No such file or directory (os error 2); no object has this name")
    );
    let object = Shm::create(&name, 10).unwrap();
    let error = Shm::create(&name, 10).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EEXIST));
    assert!(
        error.to_string().contains(&format!("\"{name}\": File exists (os error 17)")),
        "{error}"
    );
    object.unlink().unwrap();
}

#[test]
fn an_io_error_keeps_everything_and_the_plain_one_the_number() {
    let name = Names::new().name();
    let error = Shm::open(&name).unwrap_err();
    let text = error.to_string();
    let error = io::Error::from(error);
    assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::NotFound, text));
    let inner = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!((inner.operation(), inner.name()), (Operation::Open, Some(&name)));
    assert_eq!(inner.raw_os_error(), Some(libc::ENOENT));
    let plain = Shm::open(&name).unwrap_err().into_io_error();
    assert_eq!((plain.kind(), plain.raw_os_error()), (io::ErrorKind::NotFound, Some(libc::ENOENT)));

    let error = ShmName::new("a/b").unwrap_err();
    let words = error.to_string();
    let error = io::Error::from(error);
    assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::InvalidInput, words));
    let inner = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!(inner.operation(), Operation::Name);
}

#[test]
fn debug_is_the_sentence_and_in_its_long_form_all_parts() {
    let error = ShmName::new("").unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
    let parts = format!("{error:#?}");
    assert!(parts.contains("kind: InvalidInput") && parts.contains("it is empty"), "{parts}");
}
