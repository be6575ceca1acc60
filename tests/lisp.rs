//! Every case of the Common Lisp library's own tests, in the same order: first those of version
//! 0.0.4, then those that 0.0.7 adds. Where it asserts that a value is an integer or a pointer, the
//! types here say so. At the end, everything that it exports is looked for in the documentation.

use posix_shm::{
    Direction, IfDoesNotExist, IfExists, MapOptions, OpenOptions, Permissions, Protection, Shm,
    ShmName, capabilities, unlink,
};

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::common::{NOTHING, Names, len, peer, run};

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

#[test]
fn delete_shm_twice() {
    let names = Names::new();
    let name = names.name();
    creating().open(&name).unwrap();
    unlink(&name).unwrap();
    let error = unlink(&name).unwrap_err();
    assert_eq!((error.kind(), error.name()), (ErrorKind::NotFound, Some(&name)));
}

#[test]
fn chown_shm_to_the_same_owner_and_to_nobody() {
    if !capabilities().set_permissions {
        return;
    }
    let names = Names::new();
    let shm = Shm::create(names.name(), 1).unwrap();
    let owner = || {
        let stat = shm.metadata().unwrap();
        (stat.uid(), stat.gid())
    };
    let before = owner();
    shm.set_owner(Some(before.0), Some(before.1)).unwrap();
    shm.set_owner(Some(before.0), None).unwrap();
    shm.set_owner(None, Some(before.1)).unwrap();
    shm.set_owner(None, None).unwrap();
    assert_eq!(owner(), before);
    shm.unlink().unwrap();
    run(&mut peer("give-to-root", NOTHING));
}

#[test]
fn chmod_shm_takes_every_permission_away() {
    if !capabilities().set_permissions {
        return;
    }
    let names = Names::new();
    let name = names.name();
    let shm = creating().permissions(Permissions::empty()).open(&name).unwrap();
    assert_eq!(shm.metadata().unwrap().permissions(), Permissions::empty());
    shm.set_permissions(Permissions::USER_ALL).unwrap();
    shm.set_permissions(Permissions::empty()).unwrap();
    assert_eq!(shm.metadata().unwrap().permissions(), Permissions::empty());
    unlink(&name).unwrap();
}

#[test]
fn truncate_shm_to_one_length_after_another() {
    let shm = OpenOptions::new().direction(Direction::Io).open_anonymous().unwrap();
    let lengths = [40_961, 7, 123_456];
    // macOS sets a length only once.
    let lengths = if capabilities().resize { &lengths[..] } else { &lengths[..1] };
    for &length in lengths {
        shm.set_len(length).unwrap();
        assert_eq!(shm.len().unwrap(), len(length));
    }
}

#[test]
fn with_open_shm_and_mmap_only_to_read() {
    let names = Names::new();
    let name = names.name();
    let only_read = MapOptions::new().len(100).clone();
    let mut options = creating();
    options.direction(Direction::Io).size(100).map_options(&only_read);
    let (named, writer) = options.open_mapped(&name).unwrap();
    writer.bytes().store(99, 7);
    // The second opener maps without sizing.
    let second = Shm::open(&name).unwrap();
    let reader = only_read.map_raw(&second, Protection::READ).unwrap();
    // SAFETY: the mapping has this byte, can be read, and outlives the call.
    assert_eq!(unsafe { reader.as_ptr().wrapping_add(99).read_volatile() }, 7);
    assert_eq!(second.map().unwrap().bytes().load(99), 7);
    named.unlink().unwrap();
    let anonymous = Shm::anonymous(100).unwrap();
    let reader = only_read.map_raw(&anonymous, Protection::READ).unwrap();
    // SAFETY: as above.
    assert_eq!(unsafe { reader.as_ptr().wrapping_add(99).read_volatile() }, 0);
}

#[test]
fn a_descriptor_that_is_not_open_is_refused_by_every_call() {
    // In a process of its own, so that no other test opens the number.
    run(&mut peer("closed-descriptor", NOTHING));
}

/// Everything that version 0.0.7 exports from `posix-shm`, with the restarts, and from
/// `posix-shm/ffi`.
const EXPORTED: &str = "
    shm open-shm closed-shm shm-p open-shm-p shm-fd shm-name make-shm open-shm open-shm*
    truncate-shm shm-stats stat-dev stat-ino stat-mode stat-nlink stat-uid stat-gid stat-rdev
    stat-size stat-blksize stat-blocks chmod-shm chown-shm close-shm delete-shm mmap-shm munmap
    shm-error shm-error-name shm-exists shm-does-not-exist mmap-error
    continue use-value overwrite truncate supersede create
    with-open-shm with-open-shm* with-mmap with-open-shm-and-mmap with-open-shm-and-mmap*
    with-mmapped-shm with-mmapped-shm*
    blkcnt blksize dev gid ino nlink off size ssize uid
    c-error open-flags mode prot-flags mmap-flags whence timespec stat
    *errno* +map-failed+ +map-shared+
    strerror shm-open ftruncate mmap munmap shm-unlink close fstat fchown fchmod
    rusr wusr xusr rwxu rgrp wgrp xgrp rwxg roth woth xoth rwxo
    read-user write-user exec-user all-user read-group write-group exec-group all-group
    read-other write-other exec-other all-other
    :direction :input :io :if-exists :if-does-not-exist :permissions";

/// The texts between two marks.
fn between<'a>(text: &'a str, from: &'a str, to: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(from).skip(1).filter_map(move |rest| rest.split_once(to)).map(|(found, _)| found)
}

/// A search finds aliases, and names of functions, variants and types; those of C in the other
/// crate, where `off` finds `off_t`.
#[test]
fn every_symbol_that_the_lisp_library_exports_is_found_in_the_documentation() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = BTreeSet::new();
    let mut folders = vec![root.join("posix-shm/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(path).unwrap();
            found.extend(between(&text, "#[doc(alias = \"", "\")]").map(str::to_owned));
            found.extend(between(&text, "    pub fn ", "(").map(str::to_owned));
        }
    }
    let lists =
        ["names.rs", "functions.rs"].map(|file| root.join("posix-shm-sys/build").join(file));
    let sys = lists.map(|list| fs::read_to_string(list).unwrap()).concat();
    found.extend(between(&sys, "\"", "\"").map(str::to_owned));
    // The name of a function is what stands before its arguments.
    let functions = sys.split(['(', '"']).filter_map(|part| part.rsplit([' ', '*']).next());
    found.extend(functions.map(str::to_owned));
    let types = fs::read_to_string(root.join("posix-shm-sys/src/lib.rs")).unwrap();
    found.extend(between(&types, "pub type ", " =").map(str::to_owned));
    let variants = ["Overwrite", "Truncate", "Supersede", "Create", "Error"];
    found.extend(variants.map(str::to_lowercase));

    let is_found = |symbol: &&str| {
        let of_c = format!("{symbol}_t");
        found.contains(*symbol) || found.contains(&of_c)
    };
    let missing: Vec<&str> =
        EXPORTED.split_whitespace().filter(|symbol| !is_found(symbol)).collect();
    assert!(missing.is_empty(), "no search finds {missing:?}; add `#[doc(alias = …)]`");
    assert!(!is_found(&"no-such-symbol"));
}

/// Everything in `posix-shm/ffi`, by its C name. What is missing does not compile.
#[test]
fn the_ffi_has_what_the_lisp_library_has() {
    use posix_shm_sys as sys;
    type Types = (
        (sys::blkcnt_t, sys::blksize_t, sys::dev_t, sys::gid_t, sys::ino_t, sys::nlink_t),
        (sys::off_t, sys::size_t, sys::ssize_t, sys::uid_t, sys::timespec, sys::stat),
    );
    assert!(size_of::<Types>() > 0);
    let flags = [sys::MAP_SHARED, sys::MAP_PRIVATE, sys::MAP_ANONYMOUS, sys::MAP_FIXED];
    let others = [libc::MAP_SHARED, libc::MAP_PRIVATE, libc::MAP_ANON, libc::MAP_FIXED];
    assert_eq!(flags, others);
    let whence = [sys::SEEK_SET, sys::SEEK_CUR, sys::SEEK_END];
    assert_eq!(whence, [libc::SEEK_SET, libc::SEEK_CUR, libc::SEEK_END]);
    let prot = [sys::PROT_NONE, sys::PROT_READ, sys::PROT_WRITE, sys::PROT_EXEC];
    assert_eq!(prot, [libc::PROT_NONE, libc::PROT_READ, libc::PROT_WRITE, libc::PROT_EXEC]);
    let functions = [
        sys::strerror as *const (),
        sys::shm_open as *const (),
        sys::ftruncate as *const (),
        sys::mmap as *const (),
        sys::munmap as *const (),
        sys::shm_unlink as *const (),
        sys::close as *const (),
        sys::fstat as *const (),
        sys::fchown as *const (),
        sys::fchmod as *const (),
        sys::errno_location as *const (),
    ];
    let distinct = BTreeSet::from(functions);
    assert_eq!(distinct.len(), functions.len(), "two functions are the same");
    assert_eq!(sys::MAP_FAILED, libc::MAP_FAILED);
}

/// Only Linux has these flags of the Lisp library.
#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn mmap_takes_the_flags_of_the_lisp_library_that_only_linux_has() {
    use posix_shm_sys as sys;
    assert_eq!(sys::MAP_GROWSDOWN, libc::MAP_GROWSDOWN);
    assert_eq!(sys::MAP_NORESERVE, libc::MAP_NORESERVE);
    let (prot, flags) = (sys::PROT_READ, sys::MAP_PRIVATE | sys::MAP_ANONYMOUS);
    let flags = flags | sys::MAP_GROWSDOWN | sys::MAP_NORESERVE;
    // SAFETY: the system chooses the address, so no other mapping is replaced.
    let start = unsafe { sys::mmap(std::ptr::null_mut(), 4096, prot, flags, -1, 0) };
    assert_ne!(start, sys::MAP_FAILED, "the pages are not mapped");
    // SAFETY: nothing refers to the mapping.
    assert_eq!(unsafe { sys::munmap(start, 4096) }, 0);
}
