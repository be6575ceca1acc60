//! `Shm::seal`, `Shm::freeze` and `Shm::read_only`.

use std::io::ErrorKind;
#[cfg(target_os = "linux")]
use std::os::unix::fs::FileExt;

use posix_shm::{Operation, Shm, capabilities, unlink};

use crate::common::{Names, len};

#[test]
fn a_read_only_handle_cannot_write() {
    let names = Names::new();
    let name = names.name();
    let named = Shm::create(&name, 100).unwrap();
    let mut objects = vec![named];
    match Shm::anonymous(100).unwrap().read_only() {
        Ok(reader) => objects.push(reader),
        Err(error) => {
            assert!(!capabilities().read_only_anonymous, "{error}");
            let seen = (error.kind(), error.operation());
            assert_eq!(seen, (ErrorKind::Unsupported, Operation::Clone), "{error}");
        }
    }
    for object in &objects {
        let reader = object.read_only().unwrap();
        let inodes = [&reader, object].map(|one| one.metadata().unwrap().inode());
        assert_eq!(inodes[0], inodes[1], "{reader:?} is of another object than {object:?}");
        let error = reader.map_mut().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{reader:?}: {error}");
        assert!(reader.set_len(5).is_err(), "{reader:?} can set the length");
        assert_eq!(reader.map().unwrap().len() as u64, len(100), "{reader:?}");
    }
    unlink(&name).unwrap();
    assert_eq!(objects[0].read_only().is_ok(), capabilities().read_only_anonymous);
}

#[test]
#[cfg(target_os = "linux")]
fn seals_apply_to_every_handle() {
    use posix_shm::Seals;

    let names = Names::new();
    let object = Shm::anonymous(4096).unwrap();
    if capabilities().seal {
        let writer = object.map_mut().unwrap();
        let seals = object.seals().unwrap();
        assert!(!seals.intersects(Seals::SHRINK | Seals::SEAL), "a new object has {seals:?}");
        let error = object.seal(Seals::WRITE).unwrap_err();
        assert_eq!((error.raw_os_error(), error.operation()), (Some(libc::EBUSY), Operation::Seal));
        assert!(error.hint().unwrap().contains("mapped for writing"), "{error}");
        object.seal(Seals::SHRINK).unwrap();
        let seals = object.seals().unwrap();
        assert!(seals.contains(Seals::SHRINK), "the seal is missing: {seals:?}");
        let error = object.set_len(10).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert!(error.hint().unwrap().contains("sealed"), "{error}");
        object.set_len(8192).unwrap();

        let frozen = object.freeze().unwrap();
        let all = Seals::SHRINK | Seals::GROW | Seals::FUTURE_WRITE | Seals::SEAL;
        let seals = frozen.seals().unwrap();
        assert!(seals.contains(all), "a frozen object has only {seals:?}");
        assert_eq!(frozen.map_mut().unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert!(frozen.set_len(1 << 20).is_err(), "a frozen object can grow");
        assert!(frozen.seal(Seals::WRITE).is_err(), "a frozen object can be sealed again");
        assert!(frozen.write_at(b"x", 0).is_err(), "a frozen object can be written");
        writer.bytes().store(0, 9);
        assert_eq!(frozen.map().unwrap().bytes().load(0), 9);
    }
    let name = names.name();
    let named = Shm::create(&name, 10).unwrap();
    let error = named.seal(Seals::SHRINK).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.hint().unwrap().contains("only an anonymous"), "{error}");
    assert_eq!(named.seals().unwrap(), Seals::SEAL);
    named.unlink().unwrap();
}
