//! Peers: other users, peers that write while this process fails, and peers that race for a name.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use posix_shm::{
    Direction, Error, IfDoesNotExist, IfExists, OpenOptions, Permissions, Shm, unlink,
};

use crate::alone::check;
use crate::filter::{self, Answer};
use crate::lab::{
    Attempt, Cases, NOBODY, become_user, cannot, creating, names, need_root, own_shm, refused,
    sources,
};

crate::tasks! { IN_FILES:
    fault_14_a_failed_growth_keeps_what_a_peer_wrote
    fault_15_a_name_that_comes_and_goes_is_never_would_block
    fault_15_racing_create_and_remove_is_never_would_block
    fault_16_a_name_that_cannot_be_removed_is_told
    fault_16_nothing_is_left_where_removing_is_allowed
}

crate::tasks! { ON_LINUX:
    fault_12_a_mapping_through_a_writable_handle_still_writes_and_the_docs_say_so
    fault_13_another_user_cannot_write_through_a_read_only_handle
}

fn fault_12_a_mapping_through_a_writable_handle_still_writes_and_the_docs_say_so() {
    let object = Shm::anonymous(4096).unwrap();
    let reader = object.map().unwrap();
    let frozen = object.freeze().unwrap();
    refused(frozen.map_mut());
    // Who mapped it before, even for reading, can make the mapping writable.
    let (start, both) = (reader.as_ptr().cast_mut(), libc::PROT_READ | libc::PROT_WRITE);
    // SAFETY: the range is a mapping of this process, and its views are not used meanwhile.
    let changed = check(unsafe { libc::mprotect(start.cast(), 4096, both) });
    if changed.is_ok() {
        // SAFETY: the mapping is writable now, and memory outside all that Rust knows.
        unsafe { start.write_volatile(5) };
        assert_eq!(reader.bytes().load(0), 5);
    }
    let text: String = sources().into_iter().map(|(_, text)| text).collect();
    let docs = text.split("pub fn freeze").next().unwrap();
    let docs = &docs[docs.rfind("pub fn ").unwrap()..];
    for promise in ["no process gain write access", "nobody gains write access"] {
        assert!(!docs.to_lowercase().contains(promise), "`freeze` promises: {promise:?}");
    }
    let said = docs.contains("even for reading") || docs.contains("mprotect");
    assert!(said, "`freeze` does not say who can still write: {docs}");
}

/// Makes an object, in a certain way.
type Maker = (&'static str, fn() -> Shm);

fn fault_13_another_user_cannot_write_through_a_read_only_handle() {
    need_root();
    own_shm("size=8m,mode=1777");
    let mut cases = Cases::new();
    let makers: [Maker; 5] = [
        ("anonymous", || Shm::anonymous(4096).unwrap()),
        ("anonymous, without memfd_create", || {
            filter::forbid(filter::MEMFD_CREATE, libc::EPERM);
            Shm::anonymous(4096).unwrap()
        }),
        ("anonymous, mapped", || creating(4096).open_anonymous_mapped().unwrap().0),
        ("anonymous, another handle", || Shm::anonymous(4096).unwrap().try_clone().unwrap()),
        ("named", || Shm::create("/x", 4096).unwrap()),
    ];
    for (what, make) in makers {
        cases.case(what, || {
            let object = make();
            let writer = object.map_mut().unwrap();
            let reader = object.read_only().unwrap();
            let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
            drop(object);
            become_user(NOBODY);
            let opened = fs::File::options().write(true).open(&path);
            if let Ok(file) = &opened {
                file.write_all_at(b"hostile", 0).unwrap();
            }
            assert_eq!(writer.bytes().load(0), 0, "another user has written");
            assert_eq!(opened.unwrap_err().kind(), ErrorKind::PermissionDenied);
            refused(reader.set_permissions(Permissions::from_mode(0o666)));
            refused(reader.map_mut());
            assert_eq!(reader.map().unwrap().bytes().load(0), 0);
            let _ = unlink("/x");
        });
    }
    cases.case("permissions that were asked for stay", || {
        let mode = Permissions::from_mode(0o622);
        let object = creating(4096).permissions(mode).open_anonymous().unwrap();
        object.read_only().unwrap();
        assert_eq!(object.metadata().unwrap().permissions(), mode);
        let mode = Permissions::from_mode(0o606);
        let object = Shm::anonymous(4096).unwrap();
        object.set_permissions(mode).unwrap();
        object.read_only().unwrap();
        assert_eq!(object.metadata().unwrap().permissions(), mode, "set after it was made");
    });
    cases.case("the owner and the content stay", || {
        become_user(NOBODY);
        let object = Shm::anonymous(4096).unwrap();
        object.map_mut().unwrap().bytes().fill(3);
        let reader = object.read_only().unwrap();
        assert_eq!(reader.metadata().unwrap().uid(), NOBODY);
        assert_eq!(reader.map().unwrap().bytes().load(4095), 3);
        object.map_mut().unwrap();
        object.read_only().unwrap().read_only().unwrap();
    });
    cases.end();
}

/// A signal interrupts the growth, a step of it succeeds, a peer writes there, and then there is no
/// room. The kernel's answers come from a thread, so that it happens in this order each time.
fn fault_14_a_failed_growth_keeps_what_a_peer_wrote() {
    own_shm("size=64m");
    let mut cases = Cases::new();
    for (what, errno) in [("no room", libc::ENOSPC), ("no memory", libc::ENOMEM)] {
        for named in [true, false] {
            cases.case(format_args!("{what}, named: {named}"), || {
                let object =
                    if named { Shm::create("/x", 8192) } else { Shm::anonymous(8192) }.unwrap();
                let peer = object.try_clone().unwrap();
                let wrote = Arc::new(AtomicU64::new(0));
                let at = wrote.clone();
                filter::answer(filter::FALLOCATE, move |count| match count {
                    0 => Answer::Fail(libc::EINTR),
                    1 => Answer::Go,
                    _ => {
                        let end = peer.len().unwrap();
                        if at.load(Ordering::SeqCst) == 0 && end > 8192 {
                            peer.write_all_at(b"peer", end - 4).unwrap();
                            at.store(end, Ordering::SeqCst);
                        }
                        Answer::Fail(errno)
                    }
                });
                let result = object.set_len(8 << 20);
                let end = wrote.load(Ordering::SeqCst);
                if end == 0 {
                    // Nothing could be used before all of it was there.
                    let len = if result.is_ok() { 8 << 20 } else { 8192 };
                    assert_eq!(object.len().unwrap(), len, "{result:?}");
                } else {
                    let error = result.unwrap_err();
                    assert_eq!(error.raw_os_error(), Some(errno), "{error}");
                    let len = object.len().unwrap();
                    assert!(len >= end, "the peer's bytes are cut off: {len} of {end} bytes");
                    let mut found = [0; 4];
                    object.read_exact_at(&mut found, end - 4).unwrap();
                    assert_eq!(&found, b"peer");
                    let told = error.to_string().contains(&len.to_string());
                    assert!(told, "no word of the {len} bytes that it has kept: {error}");
                }
                if named {
                    object.unlink().unwrap();
                }
            });
        }
    }
    cases.case("a peer has made it longer", || {
        let object = Shm::create("/x", 8192).unwrap();
        let peer = object.try_clone().unwrap();
        filter::answer(filter::FALLOCATE, move |count| match count {
            0 => Answer::Fail(libc::EINTR),
            1 => Answer::Go,
            _ => {
                peer.set_len_sparse(32 << 20).unwrap();
                Answer::Fail(libc::ENOSPC)
            }
        });
        let result = object.set_len(8 << 20);
        let len = object.len().unwrap();
        if result.is_err() {
            assert_eq!(len, 32 << 20, "what the peer has made is cut off");
        }
        object.unlink().unwrap();
    });
    cases.case("what nobody can have used goes", || {
        filter::answer(filter::FALLOCATE, |count| match count {
            0 => Answer::Fail(libc::EINTR),
            1 => Answer::Go,
            _ => Answer::Fail(libc::ENOSPC),
        });
        if let Err(error) = Shm::create("/new", 8 << 20) {
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        } else {
            unlink("/new").unwrap();
        }
        assert!(names().is_empty(), "{:?}", names());
    });
    cases.end();
}

/// Each link finds the name taken, and nothing has it afterwards.
fn fault_15_a_name_that_comes_and_goes_is_never_would_block() {
    own_shm("size=8m");
    let mut cases = Cases::new();
    let opens: [Attempt<Shm>; 4] = [
        ("open_or_create", || Shm::open_or_create("/x", 100)),
        ("open_with", || either().open_with("/x", |_| Ok::<_, Error>(()))),
        ("open_mapped", || either().open_mapped("/x").map(|(object, _)| object)),
        ("to read", || either().direction(Direction::Input).open("/x")),
    ];
    for (what, open) in opens {
        cases.case(format_args!("{what}: some times"), || {
            filter::answer(filter::LINKS, |count| match count {
                0..5 => Answer::Fail(libc::EEXIST),
                _ => Answer::Go,
            });
            let object = open().unwrap();
            assert!(object.created());
            assert_eq!(object.len().unwrap(), 100);
            unlink("/x").unwrap();
        });
        cases.case(format_args!("{what}: always"), || {
            filter::answer(filter::LINKS, |_| Answer::Fail(libc::EEXIST));
            let start = Instant::now();
            match open() {
                // There are other ways to give it its name.
                Ok(object) => object.unlink().unwrap(),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::ResourceBusy, "{error}");
                    assert_eq!(error.raw_os_error(), None, "an invented number: {error}");
                    assert!(error.to_string().len() > 60, "no explanation: {error}");
                }
            }
            assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
            assert!(names().is_empty(), "{:?}", names());
        });
    }
    cases.case("superseding: always", || {
        filter::answer(filter::LINKS, |_| Answer::Fail(libc::EEXIST));
        match creating(100).if_exists(IfExists::Supersede).open("/x") {
            Ok(object) => object.unlink().unwrap(),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ResourceBusy, "{error}");
                assert_eq!(error.raw_os_error(), None, "an invented number: {error}");
            }
        }
        assert!(names().is_empty(), "{:?}", names());
    });
    cases.end();
}

/// For opening or creating, whichever can be done.
fn either() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).if_does_not_exist(IfDoesNotExist::Create).size(100);
    options
}

fn fault_15_racing_create_and_remove_is_never_would_block() {
    own_shm("size=8m");
    let stop = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // Others do the same.
                    drop(fs::File::create_new("/dev/shm/x"));
                    let _ = fs::remove_file("/dev/shm/x");
                }
            });
        }
        let start = Instant::now();
        let (mut opened, mut busy) = (0, 0);
        let mut wrong = None;
        while start.elapsed() < Duration::from_millis(1500) && wrong.is_none() {
            match either().open_with("/x", |_| Ok::<_, Error>(())) {
                Ok(_) => opened += 1,
                Err(error) if error.kind() == ErrorKind::ResourceBusy => busy += 1,
                Err(error) => wrong = Some(error),
            }
        }
        stop.store(true, Ordering::Relaxed);
        assert!(wrong.is_none(), "after {opened} that went well: {}", wrong.unwrap());
        assert!(opened > 100, "{opened} went well, {busy} found it busy");
    });
    let _ = unlink("/x");
}

/// The flag by which names can be added to a directory and not removed.
const APPEND_ONLY: libc::c_long = 0x20;

fn append_only(on: bool) {
    let folder = fs::File::open("/dev/shm").unwrap();
    let flags = if on { APPEND_ONLY } else { 0 };
    let request = libc::FS_IOC_SETFLAGS;
    // SAFETY: the pointer is to an integer, as the request wants.
    let set = check(unsafe { libc::ioctl(folder.as_raw_fd(), request as _, &raw const flags) });
    if let Err(why) = set {
        cannot(format_args!("make a directory append-only: {why}"));
    }
}

/// A rule that forbids to remove files, everywhere.
fn forbid_removing() -> bool {
    const REMOVE_FILE: u64 = 1 << 5;
    let handled: u64 = REMOVE_FILE;
    let (call, len) = (libc::SYS_landlock_create_ruleset, size_of::<u64>());
    // SAFETY: the pointer is to the structure's first field, and the length says so.
    let rules = unsafe { libc::syscall(call, &raw const handled, len, 0) };
    if rules == -1 {
        return false;
    }
    // SAFETY: passes no pointer.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }).unwrap();
    // SAFETY: passes no pointer.
    unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules, 0) == 0 }
}

/// Takes the name over in vain, again and again. Each name that stays is in the error.
fn supersedes_in_vain() {
    for round in 0..3 {
        let before = names();
        let result = creating(100).if_exists(IfExists::Supersede).open("/old");
        let after = names();
        let left: Vec<_> = after.difference(&before).collect();
        match result {
            Ok(_) => assert!(left.is_empty(), "it went well and left {left:?}"),
            Err(error) => {
                let text = error.to_string();
                for name in left {
                    assert!(text.contains(name.as_str()), "{round}: {name:?} stays, and {text:?}");
                }
            }
        }
        assert!(after.contains("old"), "the old object's name is gone");
    }
    // What needs no removing goes well.
    creating(100).open("/new").unwrap();
    refused(creating(100).open("/old"));
    assert!(names().contains("new"));
}

fn fault_16_a_name_that_cannot_be_removed_is_told() {
    own_shm("size=8m");
    Shm::create("/old", 100).unwrap();
    let mut cases = Cases::new();
    cases.case("an append-only directory", || {
        append_only(true);
        let failed = std::panic::catch_unwind(supersedes_in_vain);
        append_only(false);
        failed.unwrap();
        let _ = unlink("/new");
        for name in names().iter().filter(|name| name.starts_with("posix-shm.")) {
            fs::remove_file(format!("/dev/shm/{name}")).unwrap();
        }
    });
    cases.case("Landlock", || {
        if !forbid_removing() {
            cannot("forbid removing: the kernel has no Landlock");
        }
        supersedes_in_vain();
    });
    for path in names().iter().filter(|name| *name != "old") {
        fs::remove_file(format!("/dev/shm/{path}")).unwrap();
    }
    cases.case("a filter", || {
        filter::forbid(filter::UNLINKS, libc::EPERM);
        filter::forbid(filter::RENAMES, libc::EPERM);
        supersedes_in_vain();
    });
    // What cannot be filled can then not be removed.
    let ways: [(&str, &[&[filter::Call]]); 3] = [
        ("without a name", &[]),
        ("under a temporary name", &[filter::O_TMPFILE]),
        ("under its own name", &[filter::O_TMPFILE, filter::LINKS, filter::RENAMES]),
    ];
    for (way, calls) in ways {
        cases.case(format_args!("no room, {way}"), || {
            calls.iter().for_each(|calls| filter::forbid(calls, libc::EACCES));
            filter::forbid(filter::UNLINKS, libc::EPERM);
            for size in [100_000, 64 << 20] {
                let before = names();
                filter::forbid(filter::FALLOCATE, libc::ENOSPC);
                let text = refused(creating(size).open(format!("/new{size}"))).to_string();
                for left in names().difference(&before) {
                    assert!(text.contains(left.as_str()), "{left:?} stays, and {text:?}");
                }
            }
        });
    }
    cases.end();
}

fn fault_16_nothing_is_left_where_removing_is_allowed() {
    own_shm("size=8m");
    Shm::create("/old", 100).unwrap();
    let mut cases = Cases::new();
    for errno in [libc::EPERM, libc::EACCES, libc::ENOSYS, libc::EIO, libc::ENOSPC] {
        cases.case(format_args!("renaming fails: {errno}"), || {
            filter::forbid(filter::RENAMES, errno);
            let before = names();
            for _ in 0..3 {
                // Whether there is another way is another test's question.
                let _ = creating(100).if_exists(IfExists::Supersede).open("/old");
                assert_eq!(names(), before);
            }
        });
    }
    cases.end();
}
