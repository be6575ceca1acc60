//! Every case of the Common Lisp library's own tests, in the same order. Where it asserts that a
//! value is an integer or a pointer, the types here say so.

use posix_shm::{
    Direction, IfDoesNotExist, IfExists, MapOptions, OpenOptions, Permissions, Protection, Shm,
    ShmName, capabilities, unlink,
};

use crate::common::{Names, len};

const INT: usize = size_of::<i32>();

/// `:if-does-not-exist :create :permissions '(:all-user)`.
fn creating() -> OpenOptions {
    OpenOptions::new()
        .if_does_not_exist(IfDoesNotExist::Create)
        .permissions(Permissions::USER_ALL)
        .clone()
}

#[test]
fn shm_open() {
    let names = Names::new();
    let name = names.name();
    creating().open(&name).unwrap().close().unwrap();
    OpenOptions::new().direction(Direction::Io).open_anonymous().unwrap().close().unwrap();
    Shm::open(&name).unwrap();
    unlink(&name).unwrap();
}

#[test]
fn shm_open_can_use_various_options() {
    let names = Names::new();
    let name = names.name();
    let if_exists_nil = || creating().if_exists(IfExists::Error).open_optional(&name).unwrap();
    assert!(if_exists_nil().is_some(), "nothing was created");
    assert!(if_exists_nil().is_none(), "an object was created twice");

    creating().if_exists(IfExists::Error).open(&name).unwrap_err();
    creating().if_exists(IfExists::Supersede).open(&name).unwrap();
    // The Lisp library truncates through a read-only handle. POSIX does not define what that does.
    OpenOptions::new().if_exists(IfExists::Truncate).open(&name).unwrap_err();
    OpenOptions::new().direction(Direction::Io).if_exists(IfExists::Truncate).open(&name).unwrap();

    unlink(&name).unwrap();
    creating().if_exists(IfExists::Error).open(&name).unwrap();
    unlink(&name).unwrap();
    assert!(if_exists_nil().is_some(), "nothing was created after unlink");

    unlink(&name).unwrap();
    OpenOptions::new().if_does_not_exist(IfDoesNotExist::Error).open(&name).unwrap_err();
    let absent = OpenOptions::new().open_optional(&name).unwrap();
    assert!(absent.is_none(), "there is an object: {absent:?}");
}

/// The long words, the short words (aliases in the documentation here), and both kinds of "all".
#[test]
fn shm_open_can_use_various_permissions() {
    let names = Names::new();
    let name = names.name();
    let each = Permissions::USER_EXEC
        | Permissions::USER_WRITE
        | Permissions::USER_READ
        | Permissions::GROUP_EXEC
        | Permissions::GROUP_WRITE
        | Permissions::GROUP_READ
        | Permissions::OTHER_EXEC
        | Permissions::OTHER_WRITE
        | Permissions::OTHER_READ;
    let all = Permissions::USER_ALL | Permissions::GROUP_ALL | Permissions::OTHER_ALL;
    #[allow(clippy::unnecessary_cast, reason = "the type is narrower on other systems")]
    let short = Permissions::from_mode((libc::S_IRWXU | libc::S_IRWXG | libc::S_IRWXO) as u32);
    let short_each = Permissions::from_mode(0o777);
    for permissions in [each, all, short, short_each] {
        assert_eq!(permissions, each, "not all permissions");
        let object =
            creating().if_exists(IfExists::Error).permissions(permissions).open(&name).unwrap();
        // The umask may have cleared some.
        let found = object.metadata().unwrap().permissions();
        assert!(permissions.contains(found), "more than {permissions:?}: {found:?}");
        unlink(&name).unwrap();
    }
}

#[test]
fn cannot_open_names_with_multiple_slashes() {
    creating().open("/xyz.shunter.posix-shm.test/bad/name///").unwrap_err();
    ShmName::new("/xyz.shunter.posix-shm.test/bad/name///").unwrap_err();
}

#[test]
fn shm_ftruncate() {
    let names = Names::new();
    let name = names.name();
    creating().direction(Direction::Io).open(&name).unwrap().set_len(100).unwrap();
    Shm::open(&name).unwrap().set_len(100).unwrap_err();
    OpenOptions::new().direction(Direction::Input).open(&name).unwrap().set_len(100).unwrap_err();
    Shm::open_io(&name).unwrap().set_len(-1i64 as u64).unwrap_err();
    unlink(&name).unwrap();
}

#[test]
fn mmap() {
    let names = Names::new();
    let name = names.name();
    let shm = creating().direction(Direction::Io).open(&name).unwrap();
    shm.set_len(100).unwrap();
    let mapping = MapOptions::new().len(100).map(&shm).unwrap();
    assert_eq!(mapping.slice::<i32>(0, 1).unwrap().load(0), 0);
    mapping.unmap().unwrap();

    // with-mmapped-shm
    let (_shm, mapping) = OpenOptions::new().direction(Direction::Io).open_mapped(&name).unwrap();
    let ints = mapping.slice::<i32>(0, 6).unwrap();
    for i in 0..=5 {
        ints.store(i, 10 * i as i32);
    }
    for i in 0..=5 {
        assert_eq!(ints.load(i), 10 * i as i32, "index {i}");
    }

    // Mapping a read-only object with read-write protections.
    let reader = Shm::open(&name).unwrap();
    let both = Protection::READ | Protection::WRITE;
    MapOptions::new().len(10).map_raw(&reader, both).unwrap_err();
    MapOptions::new().len(10).map_mut(&reader).unwrap_err();

    // `map.rs` tests memory faults without protection. They need a process that may be killed.

    // A mapping only for writing and one only for reading share values.
    shm.set_len(INT as u64).unwrap();
    let writer = MapOptions::new().len(INT).map_raw(&shm, Protection::WRITE).unwrap();
    let reader = MapOptions::new().len(INT).map(&shm).unwrap();
    for byte in [7, 255, 0] {
        // SAFETY: the mapping has room for a byte, can be written, and outlives the call.
        unsafe { writer.as_ptr().write_volatile(byte) };
        assert_eq!(reader.bytes().load(0), byte);
    }

    // Two mappings of two handles of the same name share values.
    unlink(&name).unwrap();
    let (_one, writer) = creating()
        .direction(Direction::Io)
        .if_exists(IfExists::Error)
        .size(INT as u64)
        .open_mapped(&name)
        .unwrap();
    let reader = Shm::open(&name).unwrap().map().unwrap();
    for int in [7, 999, -1] {
        writer.slice::<i32>(0, 1).unwrap().store(0, int);
        assert_eq!(reader.slice::<i32>(0, 1).unwrap().load(0), int);
    }
    unlink(&name).unwrap();
}

/// These tests are empty in the Lisp library. They check what its functions promise.
#[test]
fn fstat_fchown_fchmod() {
    let names = Names::new();
    let name = names.name();
    let shm = creating().direction(Direction::Io).size(100).open(&name).unwrap();
    let stat = shm.metadata().unwrap();
    assert_eq!(stat.len(), len(100));
    assert_eq!(stat.permissions() == Permissions::USER_ALL, capabilities().other_users);
    if !capabilities().set_permissions {
        return unlink(&name).unwrap();
    }
    shm.set_owner(Some(stat.uid()), Some(stat.gid())).unwrap();
    shm.set_permissions(Permissions::USER_READ).unwrap();
    assert_eq!(shm.metadata().unwrap().permissions(), Permissions::USER_READ);
    unlink(&name).unwrap();
}
