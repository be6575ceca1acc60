//! Names, options and handles: what contradicts itself is refused before
//! anything is touched, and what others do to a descriptor does no harm.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use posix_shm::{
    Direction, Error, IfDoesNotExist, IfExists, MapOptions, OpenOptions, Permissions, Shm, unlink,
};

use crate::alone::{check, mount};
use crate::filter::{self, Call};
use crate::lab::{
    Attempt, Cases, Change, NOBODY, become_user, creating, fork_child, leaves_nothing, names,
    need_root, own_shm, refused, wait_for,
};
use crate::planted::fifo;

crate::tasks! { ON_LINUX:
    attack_03_a_foreign_private_object_is_permission_denied_and_stays_the_only_one
    attack_07_truncate_with_a_least_length_or_a_resize_is_refused_and_touches_nothing
    attack_08_resize_without_a_size_is_refused
    attack_08_a_part_past_the_size_is_refused_before_the_object_is_resized
    attack_10_permissions_that_were_chosen_survive_read_only
    attack_11_append_mode_that_others_set_is_refused
    attack_13_a_directory_is_not_changed_as_if_it_were_an_object
    attack_23_ignore_umask_needs_no_call_if_the_umask_takes_nothing
    attack_24_publish_works_without_pwrite
    attack_25_resize_with_a_least_length_resizes_a_shorter_object
    attack_26_an_initialiser_that_leaves_it_too_short_leaves_nothing
    attack_27_list_never_returns_a_directory
    attack_30_a_proc_that_shows_other_files_leaves_the_name
    attack_31_creating_what_exists_leaves_no_temporary_name
    attack_32_an_object_that_is_resized_is_not_waited_for
}

/// What a kernel without the call answers, and what sandboxes and security modules do.
const FORBIDDEN: [i32; 3] = [libc::EPERM, libc::ENOSYS, libc::EACCES];

fn io() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.direction(Direction::Io);
    options
}

fn attack_03_a_foreign_private_object_is_permission_denied_and_stays_the_only_one() {
    need_root();
    own_shm("size=8m,mode=1777");
    let object = Shm::create("/x", 100).unwrap();
    object.map_mut().unwrap().bytes().fill(7);
    let mut cases = Cases::new();
    let attempts: [Attempt<()>; 8] = [
        ("open", || Shm::open("/x").map(drop)),
        ("open_io", || Shm::open_io("/x").map(drop)),
        ("open_optional", || OpenOptions::new().open_optional("/x").map(drop)),
        ("open_or_create", || Shm::open_or_create("/x", 100).map(drop)),
        ("open_or_create to read", || {
            let mut options = OpenOptions::new();
            options.if_does_not_exist(IfDoesNotExist::Create).size(100).open("/x").map(drop)
        }),
        ("truncate", || io().if_exists(IfExists::Truncate).open("/x").map(drop)),
        ("supersede", || creating(100).if_exists(IfExists::Supersede).open("/x").map(drop)),
        ("unlink", || unlink("/x")),
    ];
    for (what, attempt) in attempts {
        cases.case(what, || {
            become_user(NOBODY);
            let error = leaves_nothing(|| refused(attempt()));
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        });
    }
    for (what, attempt) in [
        ("create", (|| Shm::create("/x", 100).map(drop)) as fn() -> _),
        ("create large", || Shm::create("/x", 2 << 20).map(drop)),
        ("publish", || Shm::publish("/x", b"content").map(drop)),
    ] {
        cases.case(what, || {
            become_user(NOBODY);
            let error = leaves_nothing(|| refused(attempt()));
            assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
        });
    }
    cases.end();
    assert_eq!(names().len(), 1, "{:?}", names());
    assert!(object.map().unwrap().bytes().to_vec().iter().all(|&byte| byte == 7), "it changed");
    object.unlink().unwrap();
}

/// An object of 100 bytes is there, and is so afterwards; or nothing is there before and after.
fn touches_nothing(exists: bool, attempt: impl Fn() -> Error) {
    if !exists {
        let error = leaves_nothing(&attempt);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        return;
    }
    let object = Shm::publish("/x", &[7; 100]).unwrap();
    let error = leaves_nothing(&attempt);
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert_eq!(object.len().unwrap(), 100, "the length has changed");
    assert!(object.map().unwrap().bytes().to_vec().iter().all(|&byte| byte == 7), "it changed");
    object.unlink().expect("the name is gone or has another object");
}

/// By every call that opens, whether something has the name or not.
fn is_refused(cases: &mut Cases, what: &str, options: &OpenOptions) {
    for exists in [true, false] {
        let calls: [(&str, &dyn Fn() -> Error); 4] = [
            ("open", &|| refused(options.open("/x"))),
            ("open_optional", &|| refused(options.open_optional("/x"))),
            ("open_mapped", &|| refused(options.open_mapped("/x"))),
            ("open_with", &|| refused(options.open_with("/x", |_| Ok::<_, Error>(())))),
        ];
        for (how, call) in calls {
            cases.case(format_args!("{what}, {how}, something is there: {exists}"), || {
                touches_nothing(exists, call);
            });
        }
    }
}

fn attack_07_truncate_with_a_least_length_or_a_resize_is_refused_and_touches_nothing() {
    own_shm("size=1m");
    let mut cases = Cases::new();
    for create in [IfDoesNotExist::Create, IfDoesNotExist::Error] {
        let mut options = io();
        options.if_exists(IfExists::Truncate).if_does_not_exist(create).size(8192);
        is_refused(&mut cases, &format!("{create:?}, at_least"), options.clone().at_least(50));
        is_refused(&mut cases, &format!("{create:?}, resize"), options.clone().resize(true));
    }
    cases.end();
}

fn attack_08_resize_without_a_size_is_refused() {
    own_shm("size=1m");
    let mut cases = Cases::new();
    is_refused(&mut cases, "resize", io().resize(true));
    is_refused(&mut cases, "sparse", io().resize(true).sparse(true));
    is_refused(&mut cases, "resize to 0", io().size(8192).size(0).resize(true));
    let mut options = io();
    options.if_does_not_exist(IfDoesNotExist::Create).resize(true);
    is_refused(&mut cases, "or create", &options);
    cases.end();
}

fn attack_08_a_part_past_the_size_is_refused_before_the_object_is_resized() {
    own_shm("size=1m");
    let mut cases = Cases::new();
    let mut past_the_end = MapOptions::new();
    past_the_end.offset(8192);
    let mut too_long = MapOptions::new();
    too_long.len(4097);
    let mut partly_past = MapOptions::new();
    partly_past.offset(4096).len(1);
    for part in [past_the_end, too_long, partly_past] {
        for size in [50, 4096] {
            for (exists, creates) in [(true, true), (false, true), (true, false)] {
                let mut options = io();
                options.size(size).resize(true).map_options(&part);
                if creates {
                    options.if_does_not_exist(IfDoesNotExist::Create);
                }
                cases.case(format_args!("{part:?}, size {size}, {exists}, {creates}"), || {
                    touches_nothing(exists, || refused(options.open_mapped("/x")));
                });
            }
        }
    }
    cases.case("a part inside", || {
        let object = Shm::publish("/x", &[7; 100]).unwrap();
        let mut part = MapOptions::new();
        part.offset(4096).len(4096);
        let mut options = io();
        let opened = options.size(8192).resize(true).map_options(&part).open_mapped("/x");
        assert_eq!(opened.unwrap().1.len(), 4096);
        assert_eq!(object.len().unwrap(), 8192);
        object.unlink().unwrap();
    });
    cases.end();
}

fn attack_10_permissions_that_were_chosen_survive_read_only() {
    let mode = |object: &Shm| object.metadata().unwrap().permissions().mode();
    let all = Permissions::from_mode(0o666);
    let mut options = creating(100);
    let chosen = options.permissions(all).open_anonymous().unwrap();
    let later = Shm::anonymous(100).unwrap();
    later.set_permissions(all).unwrap();
    let narrower = Shm::anonymous(100).unwrap();
    narrower.set_permissions(Permissions::from_mode(0o640)).unwrap();
    for (what, object, expected) in
        [("options", &chosen, 0o666), ("set", &later, 0o666), ("narrower", &narrower, 0o640)]
    {
        let clone = object.try_clone().unwrap();
        for handle in [object, &clone] {
            let reader = handle.read_only().unwrap();
            assert_eq!(mode(&reader), expected, "{what}");
            assert_eq!(mode(&reader.read_only().unwrap()), expected, "{what}, read_only again");
        }
    }
    // The kernel's own, which let everyone write.
    let unchosen = Shm::anonymous(100).unwrap();
    let clone = unchosen.try_clone().unwrap();
    assert_eq!(mode(&unchosen.read_only().unwrap()), 0o600);
    assert_eq!(mode(&clone.read_only().unwrap()), 0o600);
    let unchosen = Shm::anonymous(100).unwrap().try_clone().unwrap();
    assert_eq!(mode(&unchosen.read_only().unwrap()), 0o600, "through a clone");
}

fn set_append(number: i32) {
    // SAFETY: passes no pointer.
    check(unsafe { libc::fcntl(number, libc::F_SETFL, libc::O_APPEND) }).unwrap();
}

/// Opens, and gives a peer the descriptor meanwhile.
fn lent(open: impl Fn(&mut dyn FnMut(&Shm)) -> posix_shm::Result<Shm>) -> (Shm, OwnedFd) {
    let mut peers = None;
    let object = open(&mut |object| peers = Some(OwnedFd::from(object.try_clone().unwrap())));
    (object.unwrap(), peers.expect("the initialiser was called"))
}

fn attack_11_append_mode_that_others_set_is_refused() {
    own_shm("size=1m");
    let mut cases = Cases::new();
    let is_refused = |object: &Shm| {
        let before = object.map().unwrap().bytes().to_vec();
        for offset in [0, 50] {
            let error = object.write_at(b"elsewhere", offset).expect_err("it was written");
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains("O_APPEND"), "{error}");
        }
        assert_eq!(object.map().unwrap().bytes().to_vec(), before, "it was written elsewhere");
        object.unlink().unwrap();
    };
    cases.case("a descriptor from inside open_with", || {
        let (object, peers) = lent(|give| {
            creating(100).open_with("/x", |object| {
                give(object);
                Ok::<_, Error>(())
            })
        });
        object.write_all_at(b"fine", 0).unwrap();
        set_append(peers.as_raw_fd());
        is_refused(&object);
    });
    let makers: [Attempt<Shm>; 3] = [
        ("create", || Shm::create("/x", 100)),
        ("open_or_create", || Shm::open_or_create("/x", 100)),
        ("publish", || Shm::publish("/x", &[0; 100])),
    ];
    for (what, make) in makers {
        cases.case(format_args!("{what}, a forked child"), || {
            let object = make().unwrap();
            object.write_all_at(b"fine", 0).unwrap();
            assert!(wait_for(fork_child(|| set_append(object.as_raw_fd()))).success());
            is_refused(&object);
        });
    }
    cases.end();
}

fn attack_13_a_directory_is_not_changed_as_if_it_were_an_object() {
    own_shm("size=1m");
    fs::create_dir("/dev/shm/d").unwrap();
    fs::set_permissions("/dev/shm/d", fs::Permissions::from_mode(0o750)).unwrap();
    let by_name = || Shm::open("/d");
    let by_descriptor = || Ok(Shm::from(OwnedFd::from(fs::File::open("/dev/shm/d").unwrap())));
    let makers: [Attempt<Shm>; 2] = [("by name", by_name), ("by descriptor", by_descriptor)];
    let mut cases = Cases::new();
    let changes: [Change; 7] = [
        ("set_permissions", |object| object.set_permissions(Permissions::PRIVATE)),
        ("set_owner", |object| object.set_owner(Some(0), None)),
        ("set_len", |object| object.set_len(100)),
        ("set_len_sparse", |object| object.set_len_sparse(100)),
        ("grow", |object| object.grow(8192)),
        ("map", |object| object.map().map(drop)),
        ("read_only", |object| object.read_only().map(drop)),
    ];
    for (how, make) in makers {
        for (what, change) in changes {
            cases.case(format_args!("{how}, {what}"), || {
                let error = leaves_nothing(|| refused(make().and_then(|object| change(&object))));
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
                let mode = fs::metadata("/dev/shm/d").unwrap().permissions().mode();
                assert_eq!(mode & 0o7777, 0o750, "its permissions have changed");
            });
        }
    }
    let mut at_least = OpenOptions::new();
    at_least.at_least(1);
    let mut wait = OpenOptions::new();
    wait.wait(Duration::from_millis(50));
    for (what, options) in [("at_least", at_least), ("wait", wait)] {
        cases.case(what, || {
            let error = leaves_nothing(|| refused(options.open("/d")));
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        });
    }
    cases.end();
}

const FCHMOD: &[Call] = &[filter::any(libc::SYS_fchmod)];

fn set_umask(mask: libc::mode_t) {
    // SAFETY: passes no pointer.
    unsafe { libc::umask(mask) };
}

fn attack_23_ignore_umask_needs_no_call_if_the_umask_takes_nothing() {
    own_shm("size=8m");
    let mut cases = Cases::new();
    for errno in FORBIDDEN {
        for if_exists in [IfExists::Error, IfExists::Supersede] {
            for size in [0, 100, 2 << 20] {
                let create = || {
                    let mut options = creating(size);
                    options.if_exists(if_exists).ignore_umask(true);
                    options.permissions(Permissions::from_mode(0o640)).open("/x")
                };
                for mask in [0, 0o022] {
                    cases.case(format_args!("{errno}, {if_exists:?}, {size}, {mask:o}"), || {
                        set_umask(mask);
                        filter::forbid(FCHMOD, errno);
                        let object = create().unwrap();
                        assert_eq!(object.metadata().unwrap().permissions().mode(), 0o640);
                        object.unlink().unwrap();
                    });
                }
                cases.case(format_args!("{errno}, {if_exists:?}, {size}, it takes bits"), || {
                    set_umask(0o077);
                    filter::forbid(FCHMOD, errno);
                    leaves_nothing(|| refused(create()));
                });
            }
        }
    }
    cases.end();
}

fn attack_24_publish_works_without_pwrite() {
    own_shm("size=8m");
    let mut cases = Cases::new();
    for errno in FORBIDDEN {
        for len in [0, 1, 5000, 5 << 20] {
            cases.case(format_args!("{errno}, {len} bytes"), || {
                filter::forbid(filter::PWRITE, errno);
                let content: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
                let object = Shm::publish("/x", &content).unwrap();
                assert_eq!(object.len().unwrap(), len as u64);
                if len > 0 {
                    assert_eq!(Shm::open("/x").unwrap().map().unwrap().bytes().to_vec(), content);
                }
                object.unlink().unwrap();
            });
        }
        cases.case(format_args!("{errno}, no room"), || {
            filter::forbid(filter::PWRITE, errno);
            let error = leaves_nothing(|| refused(Shm::publish("/x", &vec![1; 9 << 20])));
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        });
    }
    cases.end();
}

fn attack_25_resize_with_a_least_length_resizes_a_shorter_object() {
    own_shm("size=1m");
    for (size, at_least) in [(8192, 8192), (8192, 4096)] {
        let short = Shm::publish("/x", &[7; 100]).unwrap();
        let mut options = io();
        options.resize(true).size(size).at_least(at_least);
        let object = options.open("/x").expect("it was to be resized first");
        assert_eq!((object.len().unwrap(), object.created()), (size, false));
        assert_eq!(short.map().unwrap().bytes().load(99), 7, "its content is lost");
        short.set_len(100).unwrap();
        let (object, mapping) = options.open_mapped("/x").expect("it was to be resized first");
        assert_eq!((object.len().unwrap(), mapping.len() as u64), (size, size));
        object.unlink().unwrap();
    }
    // Its own size would not do.
    Shm::publish("/x", &[7; 100]).unwrap();
    let mut options = io();
    let error = refused(options.resize(true).size(4096).at_least(8192).open("/x"));
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert_eq!(Shm::open("/x").unwrap().len().unwrap(), 100);
    unlink("/x").unwrap();
}

fn attack_26_an_initialiser_that_leaves_it_too_short_leaves_nothing() {
    own_shm("size=1m");
    let ways: [(&str, &[&[Call]]); 3] = [
        ("without a name", &[]),
        ("under a temporary name", &[filter::O_TMPFILE]),
        ("under its own name", &[filter::O_TMPFILE, filter::LINKS, filter::RENAMES]),
    ];
    let mut cases = Cases::new();
    for (way, calls) in ways {
        for create in [IfExists::Error, IfExists::Overwrite] {
            for (size, left) in [(0, None), (8192, Some(100)), (100, Some(4095)), (0, Some(50))] {
                cases.case(format_args!("{way}, {create:?}, {size}, {left:?}"), || {
                    calls.iter().for_each(|calls| filter::forbid(calls, libc::EACCES));
                    let mut options = creating(size);
                    options.if_exists(create).at_least(4096);
                    let error = leaves_nothing(|| {
                        refused(options.open_with("/x", |object| match left {
                            Some(len) => object.set_len(len),
                            None => Ok(()),
                        }))
                    });
                    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
                });
                cases.case(format_args!("{way}, {create:?}, {size}, long enough"), || {
                    calls.iter().for_each(|calls| filter::forbid(calls, libc::EACCES));
                    let mut options = creating(size);
                    options.if_exists(create).at_least(4096);
                    let made = options.open_with("/x", |object| object.set_len(4096));
                    assert_eq!(made.unwrap().len().unwrap(), 4096);
                    unlink("/x").unwrap();
                });
            }
        }
    }
    cases.end();
}

fn attack_27_list_never_returns_a_directory() {
    own_shm("size=1m");
    fs::create_dir("/dev/shm/d").unwrap();
    let mut both = ["a", "b"];
    both.iter().for_each(|name| drop(Shm::create(name, 100).unwrap()));
    let mut list = posix_shm::list().unwrap();
    let first = list.next().expect("two objects").unwrap();
    both.sort_by_key(|name| first.name().as_os_str().to_str().unwrap().ends_with(name));
    // The names were read together. Another file takes the second one's now.
    unlink(both[0]).unwrap();
    fs::create_dir(format!("/dev/shm/{}", both[0])).unwrap();
    let rest: Vec<_> = list.collect();
    assert_eq!(rest.len(), 0, "it says that a directory is an object: {rest:?}");
    unlink(first.name()).unwrap();
}

/// Something else is mounted over `/proc`, with other files where descriptors should be.
fn attack_30_a_proc_that_shows_other_files_leaves_the_name() {
    own_shm("size=1m");
    let kinds: [(&str, fn(&str)); 5] = [
        ("a FIFO", fifo),
        ("a socket", |path| drop(UnixListener::bind(path).unwrap())),
        ("a directory", |path| fs::create_dir(path).unwrap()),
        ("a file", |path| fs::write(path, "x").unwrap()),
        ("a link to itself", |path| std::os::unix::fs::symlink(path, path).unwrap()),
    ];
    let mut cases = Cases::new();
    for (what, plant) in kinds {
        cases.case(what, || {
            mount(c"tmpfs", c"/proc", 0, c"").unwrap();
            for whose in ["self", "thread-self"] {
                fs::create_dir_all(format!("/proc/{whose}/fd")).unwrap();
                (0..40).for_each(|number| plant(&format!("/proc/{whose}/fd/{number}")));
            }
            let object = Shm::create("/x", 100).unwrap();
            let reader = object.read_only().expect("the object has a name");
            let inode = |object: &Shm| object.metadata().unwrap().inode();
            assert_eq!(inode(&reader), inode(&object));
            refused(reader.map_mut());
            unlink("/x").unwrap();
            refused(Shm::anonymous(100).unwrap().read_only());
        });
    }
    cases.end();
}

fn attack_31_creating_what_exists_leaves_no_temporary_name() {
    own_shm("size=1m");
    Shm::create("/old", 100).unwrap();
    let mut cases = Cases::new();
    for size in [0, 100, 4096, 512 << 10] {
        cases.case(format_args!("{size} bytes"), || {
            filter::forbid(filter::O_TMPFILE, libc::EACCES);
            filter::forbid(filter::UNLINKS, libc::EPERM);
            let before = names();
            for _ in 0..3 {
                let error = refused(creating(size).open("/old"));
                assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
                assert!(!Shm::open_or_create("/old", size).unwrap().created());
            }
            assert_eq!(names(), before);
        });
    }
    cases.end();
}

fn attack_32_an_object_that_is_resized_is_not_waited_for() {
    own_shm("size=1m");
    let empty = Shm::create("/x", 0).unwrap();
    let mut options = io();
    let start = Instant::now();
    options.resize(true).size(4096).wait(Duration::from_secs(40)).open("/x").unwrap();
    assert!(start.elapsed() < Duration::from_secs(20), "it waited for a length");
    assert_eq!(empty.len().unwrap(), 4096);
    // Without memory, if that is wanted.
    options.sparse(true).size(512 << 10).open("/x").unwrap();
    assert!(!empty.is_reserved().unwrap(), "sparse was not heeded");
    options.sparse(false).open("/x").unwrap();
    empty.unlink().unwrap();
}
