//! Objects without a name.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use posix_shm::{
    Direction, HugePages, OpenOptions, Permissions, Seals, Shm, capabilities, transfer,
};

use crate::common::{FILES, NOTHING, len, peer, run};

#[test]
fn a_label_has_at_most_249_bytes() {
    for (len, fits) in [(249, true), (250, false)] {
        let mut options = OpenOptions::new();
        let made = options.label(&"x".repeat(len)).direction(Direction::Io).open_anonymous();
        assert_eq!(made.is_ok(), fits, "{len}: {made:?}");
    }
}

/// What is asked for together is done together, or refused together.
#[test]
fn whatever_is_special_about_an_anonymous_object_counts_in_every_combination() {
    for special in 0..1 << 3 {
        let has = |bit: u32| special & 1 << bit != 0;
        let (labelled, huge, present) = (has(0), has(1), has(2));
        let mut options = OpenOptions::new();
        options.direction(Direction::Io).size(if huge { 2 << 20 } else { 4096 });
        options.present(present);
        if labelled {
            options.label("a-label");
        }
        if huge {
            options.huge_pages(HugePages::of(2 << 20));
        }
        let made = match options.open_anonymous() {
            Ok(made) => made,
            // The pool may be empty, or there is none.
            Err(error) if huge || present && !capabilities().presence => {
                assert_ne!(error.kind(), ErrorKind::InvalidInput, "{special:#b}: {error}");
                continue;
            }
            Err(error) => panic!("{special:#b}: {error}"),
        };
        if capabilities().presence {
            assert_eq!(made.try_clone().unwrap().is_unused().unwrap(), !present, "{special:#b}");
        }
        if huge {
            assert_eq!(made.metadata().unwrap().block_size(), 2 << 20, "{special:#b}");
        }
        let link = std::fs::read_link(format!("/proc/self/fd/{}", made.as_raw_fd()));
        if let Ok(link) = link.as_ref().map(|link| link.to_string_lossy()) {
            let is_labelled = link.starts_with("/memfd:a-label");
            assert_eq!(
                is_labelled,
                labelled && link.starts_with("/memfd:"),
                "{special:#b}: {link}"
            );
        }
    }
}

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
    // Linux before 6.3 has no such seal.
    let usual = Shm::anonymous(100).unwrap().seals().map(|seals| seals.contains(Seals::EXEC)).ok();
    for mode in [0o400, 0o600, 0o640, 0o700, 0o610, 0o601, 0o711] {
        let object = OpenOptions::new()
            .direction(Direction::Io)
            .permissions(Permissions::from_mode(mode))
            .open_anonymous()
            .unwrap();
        assert_eq!(object.metadata().unwrap().permissions().mode(), mode);
        if let Some(sealed) = usual {
            let may_be_executed = mode & 0o111 != 0;
            let is_sealed = object.seals().unwrap().contains(Seals::EXEC);
            assert_eq!(is_sealed, sealed && !may_be_executed, "{mode:#o}");
        }
    }
}

/// Shortens an object through a descriptor of it.
fn shorten(object: impl AsFd) {
    let shorter = Shm::from(object.as_fd().try_clone_to_owned().unwrap());
    shorter.set_len_sparse(100).unwrap();
}

/// As long as it is this handle's alone, its length is known. After that, mapping asks for it.
#[test]
fn whoever_may_have_shortened_an_object_is_noticed_when_it_is_mapped() {
    if !capabilities().resize {
        return;
    }
    type Way = (&'static str, fn(&Shm));
    let ways: [Way; 9] = [
        ("set_len", |object| object.set_len(100).unwrap()),
        ("set_len_sparse", |object| object.set_len_sparse(100).unwrap()),
        ("set_len to nothing and back", |object| {
            object.set_len(0).unwrap();
            object.set_len(100).unwrap();
        }),
        ("as_fd", |object| shorten(object)),
        ("as_raw_fd", |object| {
            let number = object.as_raw_fd();
            // SAFETY: the object is open as long as the call.
            shorten(unsafe { BorrowedFd::borrow_raw(number) });
        }),
        ("try_clone", |object| object.try_clone().unwrap().set_len(100).unwrap()),
        ("a clone of a clone", |object| {
            object.try_clone().unwrap().try_clone().unwrap().set_len(100).unwrap();
        }),
        ("send", |object| {
            let (here, there) = UnixStream::pair().unwrap();
            object.send(&here).unwrap();
            Shm::receive(&there).unwrap().set_len(100).unwrap();
        }),
        ("transfer", |object| {
            let (here, there) = UnixStream::pair().unwrap();
            transfer::send(&here, &[object], b"x").unwrap();
            Shm::receive(&there).unwrap().set_len(100).unwrap();
        }),
    ];
    for (what, way) in ways {
        for size in [101, 3 * 4096] {
            let object = Shm::anonymous(size).unwrap();
            way(&object);
            assert_eq!(object.map_mut().unwrap().len(), len(100) as usize, "{what}");
            assert_eq!(object.map().unwrap().len(), len(100) as usize, "{what}");
        }
    }
    let object = Shm::anonymous(100).unwrap();
    object.write_all_at(&[1; 100], 50).unwrap();
    assert_eq!(object.map().unwrap().len(), len(150) as usize);
    let object = Shm::anonymous(100).unwrap();
    object.grow(5000).unwrap();
    assert_eq!(object.map().unwrap().len(), len(5000) as usize);
    if FILES && !cfg!(posix_shm_portable) {
        // Through /proc, a process that has only a read-only handle opens it for writing.
        let object = Shm::anonymous(3 * 4096).unwrap();
        let reader = object.read_only().unwrap();
        let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
        File::options().write(true).open(path).unwrap().set_len(100).unwrap();
        assert_eq!(object.map_mut().unwrap().len(), 100);
    }
}

#[test]
fn a_forked_child_that_shortens_an_object_is_noticed_when_it_is_mapped() {
    if capabilities().resize && capabilities().exact_len {
        run(&mut peer("fork-and-shrink", NOTHING));
    }
}

#[test]
fn an_empty_anonymous_object_cannot_be_mapped() {
    let error = Shm::anonymous(0).unwrap().map_mut().unwrap_err();
    assert!(error.to_string().contains("the object is empty"), "{error}");
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
