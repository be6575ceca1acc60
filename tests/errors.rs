//! What errors say, and what becomes of them.

use std::io;

use posix_shm::{Error, Operation, Shm, ShmName};

use crate::common::Names;

#[test]
fn a_message_says_what_on_which_name_and_why() {
    let names = Names::new();
    let name = names.name();
    let error = Shm::open(&name).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("open \"{name}\": No such file or directory (os error 2)")
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
fn an_io_error_keeps_the_number_or_the_words() {
    let error = Shm::open(Names::new().name()).unwrap_err();
    let error = io::Error::from(error);
    assert_eq!((error.kind(), error.raw_os_error()), (io::ErrorKind::NotFound, Some(libc::ENOENT)));

    let error = ShmName::new("a/b").unwrap_err();
    let words = error.to_string();
    let error = io::Error::from(error);
    assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::InvalidInput, words));
    let inner = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!(inner.operation(), Operation::Name);
}

#[test]
fn debug_shows_the_whole_message() {
    let error = ShmName::new("").unwrap_err();
    let shown = format!("{error:?}");
    assert!(shown.contains("InvalidInput") && shown.contains("it is empty"), "{shown}");
}
