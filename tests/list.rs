//! `list`.

use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;

use posix_shm::{Permissions, Shm, ShmName, capabilities, list, list_names};

use crate::common::{FILES, Names, len};

#[test]
fn list_returns_objects_and_nothing_else() {
    let names = Names::new();
    if !capabilities().list {
        assert_eq!(list().unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(list_names().unwrap_err().kind(), ErrorKind::Unsupported);
        return;
    }
    let (name, other) = (names.name(), names.name());
    let object = Shm::create(&name, 5000).unwrap();
    object.set_permissions(Permissions::from_mode(0o640)).unwrap();
    if !FILES {
        let mut entries = list().unwrap().filter_map(Result::ok);
        assert_eq!(
            entries.find(|entry| entry.name() == &name).unwrap().metadata().len(),
            len(5000)
        );
        return object.unlink().unwrap();
    }
    // Semaphores and directories are no objects.
    let semaphore = format!("/dev/shm/sem.{}", other.to_string().trim_start_matches('/'));
    std::fs::write(&semaphore, b"semaphore").unwrap();
    let directory = format!("/dev/shm{other}");
    std::fs::create_dir(&directory).unwrap();
    // Other tests create and remove objects meanwhile.
    let entries: Vec<_> = list().unwrap().map(|entry| entry.unwrap()).collect();
    let found: Vec<ShmName> = list_names().unwrap().map(|name| name.unwrap()).collect();
    std::fs::remove_dir(directory).unwrap();
    std::fs::remove_file(semaphore).unwrap();
    object.unlink().unwrap();
    let ours: Vec<_> = entries.iter().filter(|entry| entry.name() == &name).collect();
    assert_eq!(ours.len(), 1, "not listed once: {ours:?}");
    let metadata = ours[0].metadata();
    assert_eq!((metadata.len(), metadata.permissions().mode()), (5000, 0o640));
    assert_eq!(found.iter().filter(|found| **found == name).count(), 1, "{found:?}");
    let is_stranger =
        |found: &ShmName| found == &other || found.as_os_str().as_bytes().starts_with(b"/sem.");
    assert_eq!(found.iter().find(|found| is_stranger(found)), None);
    let strangers = |entry: &&posix_shm::Entry| {
        let found = entry.name().to_string();
        found == other.to_string() || found.starts_with("/sem.")
    };
    assert_eq!(entries.iter().find(strangers).map(|entry| entry.name()), None);
}

/// The longest names, and those that are no text, are listed as they are.
#[test]
fn names_of_every_length_are_listed() {
    if !capabilities().list || !FILES {
        return;
    }
    let names = Names::new();
    let made: Vec<ShmName> = [30, 31, 32, 46, 47, 48, 100, 254, 255]
        .map(|len| {
            let mut bytes = names.name().as_os_str().as_bytes().to_vec();
            bytes.resize(len, 0xff);
            bytes.push(b'x');
            ShmName::new(std::ffi::OsStr::from_bytes(&bytes)).unwrap()
        })
        .into();
    let objects: Vec<Shm> = made.iter().map(|name| Shm::create(name, 100).unwrap()).collect();
    let listed: Vec<_> = list().unwrap().map(|entry| entry.unwrap()).collect();
    let found: Vec<_> = list_names().unwrap().map(|name| name.unwrap()).collect();
    for (object, name) in objects.iter().zip(&made) {
        let entry = listed.iter().find(|entry| entry.name() == name);
        let inode = entry.expect("it is not listed").metadata().inode();
        assert_eq!(inode, object.metadata().unwrap().inode(), "{name}");
        assert!(found.contains(name), "{name}");
        object.unlink().unwrap();
    }
}
