//! Lengths and memory: no promise that the kernel does not keep, and no
//! signal, whatever a peer does meanwhile.

use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use posix_shm::{Seals, Shm};

use crate::alone::check;
use crate::cgroup;
use crate::filter::{self, Answer};
use crate::lab::{
    Attempt, Cases, Change, SizedAttempt, creating, fork_child, hints, is_complete, leaves_nothing,
    limit, next_descriptor, own_shm, refused, sources, truncate, wait_for,
};
use crate::memory::{HugePages, touch};

crate::tasks! { ON_LINUX:
    attack_01_may_fault_is_true_while_the_object_can_grow
    attack_01_memory_past_the_end_does_not_count
    attack_04_a_long_write_past_the_limit_of_a_control_group_is_an_error
    attack_05_a_peer_that_flips_the_length_cannot_cause_a_signal
    attack_06_set_len_after_a_write_is_the_length_that_was_asked_for
    attack_09_the_first_growth_succeeds_if_a_peer_has_grown_the_object
    attack_09_reserving_what_is_reserved_takes_no_room
    attack_09_a_failed_growth_says_which_memory_stays
    attack_12_without_a_descriptor_to_ask_control_groups_it_is_an_error
    attack_22_a_length_that_is_no_multiple_of_huge_pages_is_refused
}

const MIB: u64 = 1 << 20;

/// The seals that keep peers from shortening an object and from punching holes into it.
const NO_HOLES: [Seals; 2] =
    [Seals::SHRINK.union(Seals::WRITE), Seals::SHRINK.union(Seals::FUTURE_WRITE)];

fn attack_01_may_fault_is_true_while_the_object_can_grow() {
    for seals in NO_HOLES {
        let object = Shm::anonymous(MIB).unwrap();
        object.seal(seals).unwrap();
        assert!(object.may_fault().unwrap(), "{seals:?}: a peer can still make it longer");
        // As the peer would: the new half has no memory.
        truncate(&object, 2 * MIB as i64);
        assert!(!object.is_reserved().unwrap());
        assert!(object.may_fault().unwrap());
        let object = Shm::anonymous(MIB).unwrap();
        object.seal(seals | Seals::GROW).unwrap();
        assert!(!object.may_fault().unwrap(), "{seals:?}: all of it is there, for good");
    }
    let (_, text) = sources().into_iter().find(|(path, _)| path.ends_with("length.rs")).unwrap();
    let docs = text.split("pub fn is_reserved").next().unwrap();
    let docs = &docs[docs.rfind("Whether the object has as much memory").unwrap()..];
    assert!(docs.contains("past the end"), "is_reserved does not say what spoils the count");
    assert!(docs.contains("may_fault"), "is_reserved does not say what to ask instead");
}

/// As many blocks as the object is long, and all of them past its end: what a peer can make.
fn reserved_past_the_end(len: u64) -> Shm {
    let object = creating(0).open_anonymous().unwrap();
    object.set_len_sparse(len).unwrap();
    let (fd, keep) = (object.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE);
    let len = len as libc::off_t;
    // SAFETY: passes no pointer.
    check(unsafe { libc::fallocate(fd, keep, len, len) }).unwrap();
    assert!(object.is_reserved().unwrap(), "the blocks count");
    object.freeze().unwrap()
}

fn attack_01_memory_past_the_end_does_not_count() {
    own_shm("size=1g");
    // Made outside the group, and counted there.
    let [fits, too_long] = [20 * MIB, 96 * MIB].map(reserved_past_the_end);
    let group = cgroup::group();
    let mut cases = Cases::new();
    cases.case("the group has no memory for it", || {
        group.join();
        assert!(too_long.may_fault().unwrap(), "no page of it is there");
        assert!(too_long.read_only().unwrap().may_fault().unwrap(), "through another handle");
    });
    for read_only in [false, true] {
        cases.case(format_args!("the group has enough, read-only: {read_only}"), || {
            group.join();
            let len = fits.len().unwrap();
            let reader = fits.read_only().unwrap();
            let handle = if read_only { &reader } else { &fits };
            if handle.may_fault().unwrap() {
                return;
            }
            // It promised, so the pages are there beside those past the end.
            let allocated = fits.metadata().unwrap().allocated();
            assert_eq!(allocated, 2 * len, "it promised pages that are missing");
            assert!(handle.map().unwrap().bytes().to_vec().iter().all(|&byte| byte == 0));
        });
    }
    cases.end();
}

fn attack_04_a_long_write_past_the_limit_of_a_control_group_is_an_error() {
    own_shm("size=1g");
    let group = cgroup::group();
    group.set_memory(32 * MIB);
    // Pages that are only read take no memory of the group.
    let bytes = vec![0; 64 << 20];
    let mut cases = Cases::new();
    let makers: [Attempt<Shm>; 3] = [
        ("anonymous", || Shm::anonymous(0)),
        ("named", || Shm::create("/x", 0)),
        ("sparse", || creating(64 * MIB).sparse(true).open_anonymous()),
    ];
    for (what, make) in makers {
        cases.case(what, || {
            group.join();
            let object = make().unwrap();
            let len = object.len().unwrap();
            let refused =
                [object.write_at(&bytes, 0).err(), object.write_all_at(&bytes, 4096).err()];
            for error in refused.map(|error| error.expect("more than the group has was written")) {
                assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
                assert_eq!(error.raw_os_error(), Some(libc::ENOMEM), "{error}");
            }
            assert_eq!(object.len().unwrap(), len, "a refused write has made it longer");
            assert_eq!(object.metadata().unwrap().allocated(), 0, "a refused write took memory");
            object.write_all_at(&bytes[..16 << 20], 0).expect("the group has that much");
            if object.name().is_some() {
                object.unlink().unwrap();
            }
        });
    }
    cases.end();
}

fn attack_05_a_peer_that_flips_the_length_cannot_cause_a_signal() {
    const LIMIT: u64 = 8192;
    own_shm("size=1m");
    let mut cases = Cases::new();
    let calls: [Change; 4] = [
        ("set_len", |object| object.set_len(2 * LIMIT)),
        ("set_len_sparse", |object| object.set_len_sparse(2 * LIMIT)),
        ("grow", |object| object.grow(2 * LIMIT)),
        ("reserve", |object| object.reserve(..)),
    ];
    for (what, call) in calls {
        cases.case(what, || {
            let object = Shm::anonymous(0).unwrap();
            let time = Duration::from_millis(400);
            let flip = || {
                let start = Instant::now();
                while start.elapsed() < time {
                    truncate(&object, 2 * LIMIT as i64);
                    truncate(&object, 0);
                }
            };
            let peer = fork_child(flip);
            limit(libc::RLIMIT_FSIZE, LIMIT);
            let start = Instant::now();
            while start.elapsed() < time {
                if let Err(error) = call(&object) {
                    // What the range is not inside of is a short object.
                    let kinds = [ErrorKind::FileTooLarge, ErrorKind::InvalidInput];
                    assert!(kinds.contains(&error.kind()), "{error}");
                }
            }
            assert!(wait_for(peer).success());
        });
    }
    cases.end();
}

fn attack_06_set_len_after_a_write_is_the_length_that_was_asked_for() {
    own_shm("size=1m");
    for make in [|| Shm::anonymous(0), || Shm::create("/x", 0)] {
        let object = make().unwrap();
        object.write_all_at(&[7; 8192], 0).unwrap();
        assert_eq!(object.len().unwrap(), 8192);
        object.set_len(4096).unwrap();
        assert_eq!(object.len().unwrap(), 4096, "the handle took the object to be empty");
        if object.name().is_some() {
            object.unlink().unwrap();
        }
    }
}

fn attack_09_the_first_growth_succeeds_if_a_peer_has_grown_the_object() {
    own_shm("size=64m");
    let mut cases = Cases::new();
    let calls: [Change; 2] =
        [("set_len", |object| object.set_len(40 * MIB)), ("grow", |object| object.grow(40 * MIB))];
    for (what, call) in calls {
        cases.case(what, || {
            let object = Shm::create("/g", 0).unwrap();
            Shm::open_io("/g").unwrap().set_len(40 * MIB).unwrap();
            call(&object).expect("the memory is there already");
            is_complete(&object, 40 * MIB);
            object.unlink().unwrap();
        });
        cases.case(format_args!("{what}, and there is no room"), || {
            let object = Shm::create("/g", 0).unwrap();
            Shm::open_io("/g").unwrap().set_len(20 * MIB).unwrap();
            let other = Shm::create("/h", 30 * MIB).unwrap();
            let error = refused(call(&object));
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
            assert_eq!(object.len().unwrap(), 20 * MIB, "the peer's length is lost");
            object.unlink().unwrap();
            other.unlink().unwrap();
        });
    }
    cases.end();
}

fn attack_09_reserving_what_is_reserved_takes_no_room() {
    own_shm("size=64m");
    let object = Shm::create("/g", 40 * MIB).unwrap();
    object.reserve(..40 * MIB).expect("the memory is there already");
    object.reserve(..).expect("the memory is there already");
    Shm::open_io("/g").unwrap().reserve(..).expect("through another handle");
    is_complete(&object, 40 * MIB);
    // Nor does it matter how much is missing behind it.
    object.set_len_sparse(100 * MIB).unwrap();
    object.reserve(..40 * MIB).expect("the memory is there already");
    let error = refused(object.reserve(..));
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    assert_eq!(object.metadata().unwrap().allocated(), 40 * MIB);
    object.unlink().unwrap();
}

/// Interrupted once, memory is taken step by step; the second step finds no more.
fn attack_09_a_failed_growth_says_which_memory_stays() {
    own_shm("size=64m");
    let mut cases = Cases::new();
    for errno in [libc::ENOSPC, libc::ENOMEM] {
        cases.case(format_args!("{errno}"), || {
            let object = Shm::create("/g", 8192).unwrap();
            filter::answer(filter::FALLOCATE, move |count| match count {
                0 => Answer::Fail(libc::EINTR),
                1 => Answer::Go,
                _ => Answer::Fail(errno),
            });
            let error = refused(object.set_len(8 * MIB));
            assert_eq!(error.raw_os_error(), Some(errno), "{error}");
            let metadata = object.metadata().unwrap();
            assert_eq!(metadata.len(), 8192, "{error}");
            let stays = metadata.allocated() - 8192;
            assert!(stays > 0, "the case needs a step that was made");
            assert!(error.to_string().contains(&format!("{stays} bytes")), "{stays}: {error}");
            object.unlink().unwrap();
        });
    }
    cases.end();
}

/// More than the group has.
const TOO_MUCH: u64 = 256 * MIB;

fn attack_12_without_a_descriptor_to_ask_control_groups_it_is_an_error() {
    own_shm("size=1g");
    let group = cgroup::group();
    let mut cases = Cases::new();
    let calls: [Change; 4] = [
        ("set_len", |object| object.set_len(TOO_MUCH)),
        ("grow", |object| object.grow(TOO_MUCH)),
        ("write_at", |object| {
            let bytes = vec![0; TOO_MUCH as usize];
            let written = object.write_at(&bytes, 0);
            let errno = written.expect_err("it was written").raw_os_error();
            assert_eq!(errno, Some(libc::EMFILE));
            object.set_len(TOO_MUCH)
        }),
        ("reserve", |object| {
            object.set_len_sparse(TOO_MUCH)?;
            let reserved = object.reserve(..);
            object.set_len_sparse(0)?;
            reserved
        }),
    ];
    for (what, call) in calls {
        cases.case(what, || {
            let object = Shm::anonymous(0).unwrap();
            group.join();
            limit(libc::RLIMIT_NOFILE, next_descriptor());
            let error = refused(call(&object));
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
            hints(&error, &["how much memory is left", "ignore_estimates"]);
            limit(libc::RLIMIT_NOFILE, 100);
            assert_eq!(object.len().unwrap(), 0);
            assert_eq!(object.metadata().unwrap().allocated(), 0, "memory was taken");
            object.set_len(8 * MIB).expect("it can ask now");
            touch(&object);
        });
    }
    let makers: [SizedAttempt<Shm>; 2] =
        [("anonymous", Shm::anonymous), ("create", |size| Shm::create("/x", size))];
    for (what, make) in makers {
        // One for the object, and none to ask with.
        for room in [1, 0] {
            cases.case(format_args!("{what}, {room} free"), || {
                group.join();
                leaves_nothing(|| {
                    limit(libc::RLIMIT_NOFILE, next_descriptor() + room);
                    let error = refused(make(TOO_MUCH));
                    assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
                    limit(libc::RLIMIT_NOFILE, 100);
                });
            });
        }
    }
    cases.end();
}

/// `fallocate` would round the length up, and `ftruncate` says only that it is invalid.
fn attack_22_a_length_that_is_no_multiple_of_huge_pages_is_refused() {
    let pages = HugePages::add(3);
    let object = pages.object(pages.size);
    for to in [1, pages.size - 1, pages.size + 4096, 2 * pages.size - 1] {
        let refusals = [object.set_len(to), object.set_len_sparse(to)];
        let grown = (to > pages.size).then(|| object.grow(to));
        for result in refusals.into_iter().chain(grown) {
            let error = refused(result);
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{to}: {error}");
            assert!(error.to_string().contains("huge page"), "{to}: {error}");
        }
        assert_eq!(object.len().unwrap(), pages.size, "to {to}");
    }
    object.set_len(2 * pages.size).unwrap();
    object.set_len(pages.size).unwrap();
    object.set_len_sparse(0).unwrap();
    object.set_len(3 * pages.size).unwrap();
    assert_eq!(object.len().unwrap(), 3 * pages.size);
}
