//! `list`.

use std::io::ErrorKind;

use posix_shm::{Permissions, Shm, capabilities, list};

use crate::common::{FILES, Names, len};

#[test]
fn list_returns_objects_and_nothing_else() {
    let names = Names::new();
    if !capabilities().list {
        assert_eq!(list().unwrap_err().kind(), ErrorKind::Unsupported);
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
    std::fs::remove_dir(directory).unwrap();
    std::fs::remove_file(semaphore).unwrap();
    object.unlink().unwrap();
    let ours: Vec<_> = entries.iter().filter(|entry| entry.name() == &name).collect();
    assert_eq!(ours.len(), 1, "not listed once: {ours:?}");
    let metadata = ours[0].metadata();
    assert_eq!((metadata.len(), metadata.permissions().mode()), (5000, 0o640));
    let strangers = |entry: &&posix_shm::Entry| {
        let found = entry.name().to_string();
        found == other.to_string() || found.starts_with("/sem.")
    };
    assert_eq!(entries.iter().find(strangers).map(|entry| entry.name()), None);
}
