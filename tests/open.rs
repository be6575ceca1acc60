//! `OpenOptions`: every combination of policies, on a name that has an object and on one that has none.

use std::io::ErrorKind;

use posix_shm::{
    Direction, IfDoesNotExist, IfExists, OpenOptions, Operation, Permissions, Shm, ShmName,
    capabilities, unlink,
};

use crate::common::{FILES, Names, len, peer, run};

/// What a combination does to a name.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// The object that was there, as it was.
    Found,
    /// The object that was there, of length 0.
    Emptied,
    /// A new object.
    Made,
    /// The policy's own refusal, which `open_optional` makes `None`.
    Absent,
    Present,
    /// A combination that is refused whatever there is.
    Senseless,
}

use Outcome::{Absent, Emptied, Found, Made, Present, Senseless};

/// The table of the documentation: what a combination does where an object exists, and where none does.
fn specification(
    exists: IfExists,
    does_not_exist: Option<IfDoesNotExist>,
    direction: Direction,
) -> (Outcome, Outcome) {
    let input = direction == Direction::Input;
    let create = match does_not_exist {
        Some(choice) => choice == IfDoesNotExist::Create,
        None => !input && matches!(exists, IfExists::Supersede | IfExists::Error),
    };
    match (exists, create) {
        (IfExists::Truncate, _) if input => (Senseless, Senseless),
        (IfExists::Overwrite, true) => (Found, Made),
        (IfExists::Overwrite, false) => (Found, Absent),
        (IfExists::Truncate, true) => (Emptied, Made),
        (IfExists::Truncate, false) => (Emptied, Absent),
        (IfExists::Supersede, true) => (Made, Made),
        (IfExists::Error, true) => (Present, Made),
        (IfExists::Supersede | IfExists::Error, false) => (Senseless, Senseless),
    }
}

const OLD_LEN: u64 = 100;
const NEW_LEN: u64 = 5000;

/// A name with an object of `OLD_LEN` bytes, or without one.
fn prepare(name: &ShmName, present: bool) -> Option<Shm> {
    drop(unlink(name));
    present.then(|| Shm::create(name, OLD_LEN).unwrap())
}

#[test]
fn every_combination_does_what_the_table_says() {
    let names = Names::new();
    let name = names.name();
    let mut combinations = 0;
    for exists in [IfExists::Overwrite, IfExists::Truncate, IfExists::Supersede, IfExists::Error] {
        for does_not_exist in [None, Some(IfDoesNotExist::Error), Some(IfDoesNotExist::Create)] {
            for direction in [Direction::Input, Direction::Io] {
                for size in [0, NEW_LEN] {
                    let (with, without) = specification(exists, does_not_exist, direction);
                    for (present, outcome) in [(true, with), (false, without)] {
                        let mut options = OpenOptions::new();
                        options.direction(direction).if_exists(exists).size(size);
                        if let Some(choice) = does_not_exist {
                            options.if_does_not_exist(choice);
                        }
                        check(&options, &name, present, outcome, size);
                        combinations += 1;
                    }
                }
            }
        }
    }
    assert_eq!(combinations, 4 * 3 * 2 * 2 * 2);
    drop(unlink(&name));
}

fn check(options: &OpenOptions, name: &ShmName, present: bool, outcome: Outcome, size: u64) {
    let why = format!("{options:?}, present: {present}");
    for optional in [false, true] {
        let old = prepare(name, present);
        let result = if optional {
            options.open_optional(name).transpose()
        } else {
            Some(options.open(name))
        };
        match outcome {
            // What has a length cannot be emptied everywhere.
            Emptied if !capabilities().resize => {
                let error = result.expect(&why).expect_err(&why);
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{why}");
                assert_eq!(old.unwrap().len().unwrap(), len(OLD_LEN), "{why}");
            }
            Found | Emptied | Made => {
                let object = result.expect(&why).expect(&why);
                assert_eq!(object.created(), outcome == Made, "{why}");
                let expected = match outcome {
                    Found => OLD_LEN,
                    Emptied => 0,
                    _ => size,
                };
                assert_eq!(object.len().unwrap(), len(expected), "{why}");
                assert_eq!(object.name(), Some(name), "{why}");
                // The name means the object that we were given a handle of.
                let found = Shm::open(name).unwrap().metadata().unwrap();
                assert_eq!(found.inode(), object.metadata().unwrap().inode(), "{why}");
                if let Some(old) = old {
                    let same = old.metadata().unwrap().inode() == found.inode();
                    assert!(
                        same == (outcome != Made) || !capabilities().tell_objects_apart,
                        "{why}"
                    );
                    // Those who hold a superseded object keep it.
                    if outcome == Made {
                        assert_eq!(old.len().unwrap(), len(OLD_LEN), "{why}");
                    }
                }
            }
            Absent | Present => {
                let kind =
                    if outcome == Absent { ErrorKind::NotFound } else { ErrorKind::AlreadyExists };
                match result {
                    None => assert!(optional, "{why}"),
                    Some(result) => {
                        assert!(!optional, "{why}");
                        assert_eq!(result.unwrap_err().kind(), kind, "{why}");
                    }
                }
                assert_eq!(Shm::open(name).is_ok(), present, "{why}");
            }
            Senseless => {
                let error = result.expect(&why).expect_err(&why);
                let seen = (error.kind(), error.raw_os_error(), error.operation());
                assert_eq!(seen, (ErrorKind::InvalidInput, None, Operation::Open), "{why}");
                // Nothing happened.
                let left = Shm::open(name).ok().map(|object| object.len().unwrap());
                assert_eq!(left, present.then_some(len(OLD_LEN)), "{why}");
            }
        }
    }
}

#[test]
fn a_read_only_handle_of_an_object_it_sized_cannot_write() {
    let names = Names::new();
    let name = names.name();
    let object = OpenOptions::new()
        .if_does_not_exist(IfDoesNotExist::Create)
        .size(4096)
        .open(&name)
        .unwrap();
    assert!(object.created());
    assert_eq!(object.len().unwrap(), len(4096));
    object.map().unwrap();
    let error = object.map_mut().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.hint().unwrap().contains("Direction::Io"));
    object.unlink().unwrap();
}

#[test]
fn a_new_object_is_reserved_unless_it_is_to_be_sparse() {
    if !FILES {
        return;
    }
    let names = Names::new();
    let name = names.name();
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).if_exists(IfExists::Supersede).size(1 << 20);
    let object = options.open(&name).unwrap();
    assert_eq!(object.metadata().unwrap().allocated(), 1 << 20);
    let object = options.sparse(true).open(&name).unwrap();
    assert_eq!((object.len().unwrap(), object.metadata().unwrap().allocated()), (1 << 20, 0));
    object.unlink().unwrap();
}

#[test]
fn the_umask_takes_bits_from_the_permissions() {
    let names = Names::new();
    for size in ["0", "4096"] {
        let name = names.name();
        let said = run(&mut peer("umask", ["027", "0666", size, &name.to_string()]));
        let expected = match capabilities() {
            can if !can.other_users => "0o600\n",
            can if !can.umask => "0o666\n",
            _ => "0o640\n",
        };
        assert_eq!(said, expected);
        unlink(&name).unwrap();
    }
}

#[test]
fn a_new_object_is_private_unless_told_otherwise() {
    let names = Names::new();
    for size in [0, 4096] {
        let name = names.name();
        let object = Shm::create(&name, size).unwrap();
        assert_eq!(object.metadata().unwrap().permissions(), Permissions::PRIVATE);
        object.unlink().unwrap();
    }
}

#[test]
fn open_mapped_maps_what_it_makes_and_what_it_finds() {
    let names = Names::new();
    let name = names.name();
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).if_does_not_exist(IfDoesNotExist::Create).size(NEW_LEN);

    let (object, mapping) = options.open_mapped(&name).unwrap();
    assert!(object.created());
    assert_eq!(mapping.len() as u64, NEW_LEN);
    mapping.bytes().store(4999, 42);

    // What exists is mapped whole, as it is: neither resized nor cut to the size asked for.
    let (again, whole) = options.size(10).open_mapped(&name).unwrap();
    assert!(!again.created());
    assert_eq!(whole.len() as u64, len(NEW_LEN));
    assert_eq!(whole.bytes().load(4999), 42);
    object.unlink().unwrap();
}

#[test]
fn open_mapped_refuses_what_could_never_be_mapped() {
    let names = Names::new();
    let name = names.name();
    let io = OpenOptions::new().direction(Direction::Io).clone();
    let create = IfDoesNotExist::Create;
    for (options, why) in [
        (io.clone().if_does_not_exist(create), "needs a size"),
        (io.clone().if_exists(IfExists::Truncate).size(10), "nothing to map"),
        (OpenOptions::new().if_does_not_exist(create).size(10), "Direction::Io"),
        (io.clone().if_exists(IfExists::Error).size(i64::MAX as u64 + 1), "more than any object"),
    ] {
        let error = options.open_mapped(&name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(Shm::open(&name).unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[test]
fn an_empty_object_that_exists_cannot_be_mapped() {
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, 0).unwrap();
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).if_does_not_exist(IfDoesNotExist::Create).size(10);
    let error = options.open_mapped(&name).unwrap_err();
    assert!(error.to_string().contains("the object is empty"), "{error}");
    object.unlink().unwrap();
}

#[test]
fn exactly_one_of_many_creates_each_object() {
    let names = Names::new();
    let name = names.name();
    for _ in 0..200 {
        let created: usize = std::thread::scope(|scope| {
            let openers: Vec<_> =
                (0..8).map(|_| scope.spawn(|| Shm::open_or_create(&name, 64).unwrap())).collect();
            openers
                .into_iter()
                .map(|opener| {
                    let object = opener.join().unwrap();
                    // Nobody ever sees one that is too short, where the system can promise that.
                    let whole = object.len().unwrap() == len(64);
                    assert!(whole || !capabilities().complete_before_named);
                    usize::from(object.created())
                })
                .sum()
        });
        assert_eq!(created, 1);
        unlink(&name).unwrap();
    }
}

#[test]
fn a_read_only_handle_of_a_new_object_needs_no_permission() {
    let names = Names::new();
    for size in [0, 4096] {
        let name = names.name();
        // As a user whom permissions bind, where there is a choice.
        run(&mut peer("create-unreadable", [size.to_string(), name.to_string()]));
        assert_eq!(unlink(&name).is_ok(), size == 0 || capabilities().set_permissions);
    }
}
