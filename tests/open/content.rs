//! The content of a new object: `Shm::publish` and `OpenOptions::open_with`.

use std::cell::Cell;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

use posix_shm::{Direction, Error, IfExists, Operation, Permissions, Shm, capabilities, unlink};

use super::open_or_create;
use crate::common::{Names, len};

#[test]
fn publish_writes_the_whole_content() {
    let names = Names::new();
    for bytes in [0, 1, 4096, 5_000_000] {
        let name = names.name();
        let content: Vec<u8> = (0..bytes).map(|i| (i % 251) as u8).collect();
        let object = Shm::publish(&name, &content).unwrap();
        assert!(object.created(), "{bytes} bytes: the object existed before");
        assert_eq!(object.len().unwrap(), len(bytes));
        if bytes > 0 {
            let found = Shm::open(&name).unwrap().map().unwrap().bytes().to_vec();
            let (found, rest) = found.split_at(content.len());
            assert!(found == content, "{bytes} bytes: the content is another");
            assert!(rest.iter().all(|byte| *byte == 0), "{bytes} bytes: the rest is not zero");
        }
        let error = Shm::publish(&name, b"other").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{bytes} bytes: {error}");
        object.unlink().unwrap();
    }
}

#[test]
fn open_with_initialises_a_new_object_and_leaves_an_old_one_alone() {
    let names = Names::new();
    let name = names.name();
    let calls = Cell::new(0);
    let open = |bytes| {
        open_or_create(bytes).open_with::<Error>(&name, |new| {
            calls.set(calls.get() + 1);
            // No other process can see it yet, on systems that can promise that.
            let hidden = Shm::open(&name).is_err();
            assert_eq!(hidden, capabilities().complete_before_named, "with the size {bytes}");
            assert_eq!((new.name(), new.created()), (Some(&name), true));
            assert_eq!(new.try_clone()?.len()?, len(bytes));
            new.set_len(100)?;
            new.map_mut()?.bytes().store(99, 7);
            Ok(())
        })
    };
    for bytes in [0, 10] {
        let new = open(bytes).unwrap();
        assert!(new.created(), "with the size {bytes}: the object existed before");
        let byte = Shm::open(&name).unwrap().map().unwrap().bytes().load(99);
        assert_eq!(byte, 7, "with the size {bytes}: the content of the initialiser is lost");
        let again = open(bytes).unwrap().created();
        assert!(!again, "with the size {bytes}: the object was created again");
        new.set_len(10).unwrap();
        assert_eq!(new.len().unwrap(), len(10), "with the size {bytes}");
        unlink(&name).unwrap();
    }
    assert_eq!(calls.get(), 2);
}

#[test]
fn an_initialiser_that_fails_or_panics_leaves_nothing() {
    #[derive(Debug)]
    enum Mine {
        Ours(Error),
        Refused,
    }
    impl From<Error> for Mine {
        fn from(error: Error) -> Mine {
            Mine::Ours(error)
        }
    }
    let names = Names::new();
    let name = names.name();
    for size in [0, 4096] {
        let result = open_or_create(size).open_with(&name, |_| Err(Mine::Refused));
        assert!(matches!(result, Err(Mine::Refused)), "with the size {size}: {result:?}");
        let absent = Shm::open(&name).expect_err("a refused object is left");
        assert_eq!(absent.kind(), ErrorKind::NotFound, "with the size {size}");

        let result = open_or_create(size).open_with::<Mine>(&name, |new| {
            new.map_mut()?;
            Ok(())
        });
        match result {
            Ok(object) => object.unlink().unwrap(),
            Err(Mine::Ours(error)) => assert_eq!((size, error.operation()), (0, Operation::Map)),
            Err(Mine::Refused) => panic!("it is not refused"),
        }

        let panic = catch_unwind(AssertUnwindSafe(|| {
            open_or_create(size).open_with::<Error>(&name, |_| panic!("on purpose"))
        }));
        assert!(panic.is_err(), "with the size {size}: it did not panic");
        let absent = Shm::open(&name).expect_err("an object is left after a panic");
        assert_eq!(absent.kind(), ErrorKind::NotFound, "with the size {size}");
    }
    // If the policy refuses, the initialiser is not called.
    let object = Shm::create(&name, 1).unwrap();
    let mut options = open_or_create(1);
    let result = options.if_exists(IfExists::Error).open_with::<Mine>(&name, |_| panic!("not new"));
    match result {
        Err(Mine::Ours(error)) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
        other => panic!("not an error of the library: {other:?}"),
    }
    object.unlink().unwrap();
}

#[test]
fn an_initialiser_can_set_the_permissions() {
    if !capabilities().set_permissions {
        return;
    }
    let names = Names::new();
    let [private, readable, unreadable] = [0o600, 0o444, 0o040].map(Permissions::from_mode);
    for (created, then) in [(private, readable), (readable, private), (private, unreadable)] {
        for direction in [Direction::Io, Direction::Input] {
            let name = names.name();
            let mut options = open_or_create(10);
            options.direction(direction).permissions(created);
            let object = options.open_with::<Error>(&name, |new| {
                new.map_mut()?.bytes().store(0, 7);
                new.set_permissions(then)
            });
            let object = object.unwrap();
            let found = object.metadata().unwrap().permissions();
            assert_eq!(found, then, "created with {created:?}, {direction:?}");
            let byte = object.map().unwrap().bytes().load(0);
            assert_eq!(byte, 7, "created with {created:?}, {direction:?}");
            unlink(&name).unwrap();
        }
    }
}
