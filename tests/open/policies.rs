//! Every combination of policies, on a name that has an object and on one that has none.

use std::io::ErrorKind;

use posix_shm::{
    Direction, IfDoesNotExist, IfExists, OpenOptions, Operation, Shm, ShmName, capabilities, unlink,
};

use crate::common::{Names, len};

/// What a combination of policies does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// Opens the existing object and does not change it.
    Found,
    /// Opens the existing object and sets its length to 0.
    Emptied,
    /// Creates a new object.
    Made,
    /// Fails because there is no object. `open_optional` returns `None`.
    Absent,
    /// Fails because there is an object. `open_optional` returns `None`.
    Present,
    /// Fails in every case, because the options contradict each other.
    Senseless,
}

use Outcome::{Absent, Emptied, Found, Made, Present, Senseless};

/// The table in the documentation: the outcome if an object exists, and if none does.
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
        _ => unimplemented!("a line for {exists:?}"),
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
            // Not every system can truncate an object that has a length.
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
                // The name and the handle are of the same object.
                let found = Shm::open(name).unwrap().metadata().unwrap();
                assert_eq!(found.inode(), object.metadata().unwrap().inode(), "{why}");
                if let Some(old) = old {
                    let same = old.metadata().unwrap().inode() == found.inode();
                    let expected = outcome != Made;
                    assert!(
                        same == expected || !capabilities().tell_objects_apart,
                        "{why}, the same object: {same}"
                    );
                    // A handle of a superseded object still works.
                    if outcome == Made {
                        assert_eq!(old.len().unwrap(), len(OLD_LEN), "{why}");
                    }
                }
            }
            Absent | Present => {
                let kind =
                    if outcome == Absent { ErrorKind::NotFound } else { ErrorKind::AlreadyExists };
                match result {
                    None => assert!(optional, "open returned no result: {why}"),
                    Some(result) => {
                        assert!(!optional, "open_optional did not return None: {why}");
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
                    // No handle is of an object that is too short, if the system promises that.
                    let found = object.len().unwrap();
                    let whole = found == len(64);
                    assert!(
                        whole || !capabilities().complete_before_named,
                        "an object of only {found} bytes"
                    );
                    usize::from(object.created())
                })
                .sum()
        });
        assert_eq!(created, 1, "not one thread created the object");
        unlink(&name).unwrap();
    }
}
