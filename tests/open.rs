//! `OpenOptions`: sizes, permissions, waiting, and mapping while opening. [`policies`] has the
//! combinations of policies, [`content`] what fills a new object.

mod content;
mod policies;

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use posix_shm::{
    Direction, HugePages, IfDoesNotExist, IfExists, MapOptions, OpenOptions, Operation,
    Permissions, Shm, capabilities, unlink,
};

use crate::common::{FILES, Names, len, page, peer, run};

const NEW_LEN: u64 = 5000;

fn open_or_create(size: u64) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).if_does_not_exist(IfDoesNotExist::Create).size(size);
    options
}

#[test]
fn a_new_object_is_reserved_unless_sparse_is_set() {
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

/// The size is for a new object, and says nothing of this one.
#[test]
fn a_part_past_the_size_of_a_new_object_can_be_mapped_of_an_old_one() {
    let names = Names::new();
    let object = Shm::create(names.name(), 3 * page()).unwrap();
    let mut part = MapOptions::new();
    part.offset(2 * page()).len(10);
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).size(page()).map_options(&part);
    let (_, mapping) = options.open_mapped(object.name().unwrap()).unwrap();
    mapping.bytes().fill(4);
    assert_eq!(object.map().unwrap().bytes().load(2 * page() as usize), 4);
    object.unlink().unwrap();
}

/// What is said of it depends on what was asked for, and not on how it was looked for.
#[test]
fn an_absent_object_is_absent_without_a_hint_about_waiting() {
    let names = Names::new();
    let name = names.name();
    let plain = Shm::open(&name).unwrap_err();
    let error = OpenOptions::new().at_least(1).open(&name).unwrap_err();
    assert_eq!(error.to_string(), plain.to_string());
    let error = OpenOptions::new().wait(Duration::from_nanos(1)).open(&name).unwrap_err();
    assert!(error.to_string().ends_with("after waiting 1ns"), "{error}");
    let error = OpenOptions::new().wait(Duration::from_nanos(1)).size(1).open(&name).unwrap_err();
    assert!(error.to_string().ends_with("after waiting 1ns"), "{error}");
}

#[test]
fn a_new_object_is_private_by_default() {
    let names = Names::new();
    for size in [0, 4096] {
        let name = names.name();
        let object = Shm::create(&name, size).unwrap();
        let found = object.metadata().unwrap().permissions();
        assert_eq!(found, Permissions::PRIVATE, "with the size {size}");
        object.unlink().unwrap();
    }
}

#[test]
fn a_new_object_has_the_requested_permissions() {
    let names = Names::new();
    for size in [0, 4096] {
        let name = names.name();
        let object = OpenOptions::new()
            .direction(Direction::Io)
            .if_does_not_exist(IfDoesNotExist::Create)
            .permissions(Permissions::USER_ALL)
            .size(size)
            .open(&name)
            .unwrap();
        let expected =
            if capabilities().other_users { Permissions::USER_ALL } else { Permissions::PRIVATE };
        let found = object.metadata().unwrap().permissions();
        assert_eq!(found, expected, "with the size {size}");
        object.unlink().unwrap();
    }
}

#[test]
fn the_umask_clears_permission_bits() {
    let names = Names::new();
    for size in ["0", "4096"] {
        let name = names.name();
        let said = run(&mut peer("umask", ["027", "0666", size, &name.to_string()]));
        let expected = match capabilities() {
            can if !can.other_users => "0o600\n",
            can if !can.umask => "0o666\n",
            _ => "0o640\n",
        };
        assert_eq!(said, expected, "with the size {size}");
        unlink(&name).unwrap();
    }
}

#[test]
fn ignore_umask_gives_the_exact_permissions() {
    let names = Names::new();
    for size in ["0", "4096"] {
        let name = names.name();
        let said = run(&mut peer("umask", ["077", "0666", size, &name.to_string(), "exactly"]));
        assert_eq!(said, "0o666\n", "with the size {size}");
        unlink(&name).unwrap();
    }
}

/// What is asked for together is done together, or refused together.
#[test]
fn whatever_is_special_about_a_new_object_counts_in_every_combination() {
    let names = Names::new();
    for special in 0..1 << 6 {
        let has = |bit: u32| special & 1 << bit != 0;
        let (present, exactly, huge, too_short) = (has(0), has(1), has(2), has(3));
        let mut options = OpenOptions::new();
        options.direction(Direction::Io).if_exists(IfExists::Error).size(4096);
        options.present(present).ignore_umask(exactly).at_least(if too_short { 8192 } else { 0 });
        options.permissions(Permissions::from_mode(0o666));
        // Only for objects that exist.
        options.resize(has(4)).wait(Duration::from_millis(u64::from(has(5))));
        if huge {
            options.huge_pages(HugePages::default());
        }
        let name = names.name();
        let made = options.open(&name);
        let possible = !present || capabilities().presence;
        if huge || too_short || !possible {
            made.expect_err("what contradicts itself was made");
            assert_eq!(unlink(&name).unwrap_err().kind(), ErrorKind::NotFound, "{special:#b}");
            continue;
        }
        let made = made.unwrap();
        let is_present = capabilities().presence && !Shm::open(&name).unwrap().is_unused().unwrap();
        assert_eq!(is_present, present, "{special:#b}");
        let open_to_all = made.metadata().unwrap().permissions() == Permissions::from_mode(0o666);
        assert!(open_to_all || !exactly || !capabilities().umask, "{special:#b}: {made:?}");
        unlink(&name).unwrap();
    }
}

#[test]
fn a_read_only_handle_of_a_new_object_cannot_write() {
    let names = Names::new();
    let name = names.name();
    let object = OpenOptions::new()
        .if_does_not_exist(IfDoesNotExist::Create)
        .size(4096)
        .open(&name)
        .unwrap();
    assert!(object.created(), "the object existed before");
    assert_eq!(object.len().unwrap(), len(4096));
    object.map().unwrap();
    let error = object.map_mut().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.hint().unwrap().contains("Direction::Io"), "{error}");
    object.unlink().unwrap();
}

#[test]
fn a_new_object_can_be_opened_read_only_without_read_permission() {
    let names = Names::new();
    for size in [0, 4096] {
        let name = names.name();
        // The peer is not root, because root may read everything.
        run(&mut peer("create-unreadable", [size.to_string(), name.to_string()]));
        let exists = unlink(&name).is_ok();
        let expected = size == 0 || capabilities().set_permissions;
        assert_eq!(exists, expected, "with the size {size}");
    }
}

#[test]
fn waiting_ends_when_the_object_has_a_length_or_time_runs_out() {
    let names = Names::new();
    let name = names.name();
    let short = Duration::from_millis(30);
    let start = Instant::now();
    let error = OpenOptions::new().wait(short).open(&name).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(start.elapsed() >= short, "it waited only {:?}", start.elapsed());
    let absent = OpenOptions::new().wait(short).open_optional(&name).unwrap();
    assert!(absent.is_none(), "there is an object: {absent:?}");

    let empty = Shm::create(&name, 0).unwrap();
    for mut options in [OpenOptions::new(), open_or_create(10)] {
        let error = options.wait(short).open(&name).unwrap_err();
        let seen = (error.kind(), error.operation());
        assert_eq!(seen, (ErrorKind::TimedOut, Operation::Open), "{options:?}: {error}");
        assert!(error.to_string().contains("no length"), "{error}");
    }
    std::thread::scope(|scope| {
        let opener = scope.spawn(|| OpenOptions::new().wait(Duration::from_secs(60)).open(&name));
        std::thread::sleep(short);
        empty.set_len(4096).unwrap();
        assert_eq!(opener.join().unwrap().unwrap().len().unwrap(), len(4096));
    });
    // It does not wait for a length after it has created or truncated the object itself.
    unlink(&name).unwrap();
    let long = Duration::from_secs(600);
    let created = open_or_create(0).wait(long).open(&name).unwrap().created();
    assert!(created, "the object existed before");
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).if_exists(IfExists::Truncate).wait(long);
    assert_eq!(options.open(&name).unwrap().len().unwrap(), 0);
    unlink(&name).unwrap();
}

#[test]
fn open_mapped_maps_new_and_existing_objects() {
    let names = Names::new();
    let name = names.name();
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).if_does_not_exist(IfDoesNotExist::Create).size(NEW_LEN);

    let (object, mapping) = options.open_mapped(&name).unwrap();
    assert!(object.created(), "the object existed before");
    assert_eq!(mapping.len() as u64, NEW_LEN);
    mapping.bytes().store(4999, 42);

    // An existing object is mapped whole. The requested size does not matter.
    let (again, whole) = options.size(10).open_mapped(&name).unwrap();
    assert!(!again.created(), "the object was created again");
    assert_eq!(whole.len() as u64, len(NEW_LEN));
    assert_eq!(whole.bytes().load(4999), 42);
    object.unlink().unwrap();
}

#[test]
fn open_mapped_refuses_options_that_cannot_work() {
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
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{options:?}: {error}");
        assert!(error.to_string().contains(why), "not {why:?}: {error}");
        let absent = Shm::open(&name).expect_err("it created an object");
        assert_eq!(absent.kind(), ErrorKind::NotFound, "{options:?}: {absent}");
    }
}

#[test]
fn open_mapped_refuses_an_empty_object_that_exists() {
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, 0).unwrap();
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).if_does_not_exist(IfDoesNotExist::Create).size(10);
    let error = options.open_mapped(&name).unwrap_err();
    assert!(error.to_string().contains("the object is empty"), "{error}");
    object.unlink().unwrap();
}
