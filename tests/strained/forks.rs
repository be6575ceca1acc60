//! Clean-up in a child that was forked: what its parent has made stays.

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use posix_shm::{Error, IfExists, Shm, unlink};

use crate::alone::check;
use crate::filter;
use crate::lab::{Cases, creating, name, need_root, run_and_exit, wait_for};

crate::tasks! { EVERYWHERE:
    fault_08_a_child_with_the_same_process_number_removes_nothing
    fault_08_a_child_does_not_remove_what_its_parent_creates
    fault_08_a_child_removes_what_is_its_own
    fault_08_without_pages_that_fork_clears
    fault_09_a_child_forked_while_creating_removes_nothing
    attack_14_without_such_pages_a_child_that_no_handler_knows_of_removes_nothing
}

/// How a child comes to be.
#[derive(Clone, Copy, Debug)]
enum Fork {
    /// By the C library, which runs handlers.
    Library,
    /// By the kernel's own call, behind the library's back.
    Raw,
}

const FORKS: [Fork; 2] = [Fork::Library, Fork::Raw];

impl Fork {
    /// `fork`: 0 in the child. With a flag, the child is process 1 of a new namespace.
    fn fork(self, flags: c_int) -> libc::pid_t {
        let child = match self {
            Fork::Library => {
                // SAFETY: passes no pointer.
                check(unsafe { libc::unshare(flags) }).unwrap();
                // SAFETY: passes no pointer; the process has one thread.
                unsafe { libc::fork() }
            }
            Fork::Raw => {
                let flags = flags | libc::SIGCHLD;
                // No stack of its own: the child goes on with a copy of this one.
                let first = if cfg!(target_arch = "s390x") { [0, flags] } else { [flags, 0] };
                // SAFETY: passes no pointer.
                let child = unsafe { libc::syscall(libc::SYS_clone, first[0], first[1], 0, 0, 0) };
                child as libc::pid_t
            }
        };
        check(child).expect("a child");
        child
    }

    /// Runs a function in a child, whose end is 1 if it panicked.
    fn child(self, flags: c_int, run: impl FnOnce()) -> libc::pid_t {
        match self.fork(flags) {
            0 => run_and_exit(run),
            child => child,
        }
    }
}

/// Parent and child are process 1, each of a namespace.
fn fault_08_a_child_with_the_same_process_number_removes_nothing() {
    need_root();
    let mut cases = Cases::new();
    for fork in FORKS {
        cases.case(format_args!("{fork:?}"), || {
            let first = fork.child(libc::CLONE_NEWPID, || {
                assert_eq!(std::process::id(), 1);
                let guard = Shm::create(name("g"), 100).unwrap().unlink_on_drop();
                let second = fork.child(libc::CLONE_NEWPID, || {
                    assert_eq!(std::process::id(), 1);
                    // SAFETY: the child has a copy of its own, and the parent drops the other one.
                    drop(unsafe { std::ptr::read(&guard) });
                });
                assert!(wait_for(second).success());
                Shm::open(name("g")).expect("the child has removed the parent's name");
                drop(guard);
                assert!(Shm::open(name("g")).is_err(), "the parent removes it");
            });
            assert!(wait_for(first).success());
        });
    }
    cases.end();
}

fn fault_08_a_child_does_not_remove_what_its_parent_creates() {
    need_root();
    let mut cases = Cases::new();
    for fork in FORKS {
        for (way, calls) in WAYS {
            // There it forks again and again, and has one more namespace each time.
            if matches!(fork, Fork::Library) && *way == OWN_NAME {
                continue;
            }
            cases.case(format_args!("{fork:?}, {way}"), || {
                let first = fork.child(libc::CLONE_NEWPID, || {
                    forbid(calls);
                    creates(fork, libc::CLONE_NEWPID, Then::Panic, IfExists::Error);
                });
                assert!(wait_for(first).success());
            });
            clean_up();
        }
    }
    cases.end();
}

const OWN_NAME: &str = "under its own name";

fn fault_08_a_child_removes_what_is_its_own() {
    let mut cases = Cases::new();
    for fork in FORKS {
        cases.case(format_args!("{fork:?}"), || {
            let parents = Shm::create(name("p"), 100).unwrap().unlink_on_drop();
            let child = fork.child(0, || {
                let own = Shm::create(name("o"), 100).unwrap().unlink_on_drop();
                let grandchild = fork.child(0, || {
                    // SAFETY: a copy of its own of what its parents drop.
                    drop(unsafe { std::ptr::read(&own) });
                    // SAFETY: the same.
                    drop(unsafe { std::ptr::read(&parents) });
                    drop(Shm::create(name("c"), 100).unwrap().unlink_on_drop());
                    assert!(Shm::open(name("c")).is_err(), "its own is left");
                });
                assert!(wait_for(grandchild).success());
                Shm::open(name("o")).expect("the grandchild has removed the child's name");
                drop(own);
                assert!(Shm::open(name("o")).is_err(), "its own is left");
            });
            assert!(wait_for(child).success());
            Shm::open(name("p")).expect("the grandchild has removed the parent's name");
            drop(parents);
            assert!(Shm::open(name("p")).is_err(), "its own is left");
        });
    }
    cases.end();
}

/// Linux before 4.14, and sandboxes.
fn fault_08_without_pages_that_fork_clears() {
    let mut cases = Cases::new();
    for errno in [libc::EINVAL, libc::EPERM, libc::ENOSYS] {
        cases.case(format_args!("madvise: {errno}"), || {
            filter::forbid(filter::WIPEONFORK, errno);
            let guard = Shm::create(name("g"), 100).unwrap().unlink_on_drop();
            let child = Fork::Library.child(0, || {
                // SAFETY: the child has a copy of its own, and the parent drops the other one.
                drop(unsafe { std::ptr::read(&guard) });
            });
            assert!(wait_for(child).success());
            Shm::open(name("g")).expect("the child has removed the parent's name");
            drop(guard);
            assert!(Shm::open(name("g")).is_err(), "the parent removes it");
            creates(Fork::Library, 0, Then::Panic, IfExists::Error);
        });
        clean_up();
    }
    cases.end();
}

/// The handler of the C library's `fork` does not run then. The child has another process number.
fn attack_14_without_such_pages_a_child_that_no_handler_knows_of_removes_nothing() {
    let mut cases = Cases::new();
    for errno in [libc::EINVAL, libc::EPERM, libc::ENOSYS] {
        cases.case(format_args!("madvise: {errno}"), || {
            filter::forbid(filter::WIPEONFORK, errno);
            let guard = Shm::create(name("g"), 100).unwrap().unlink_on_drop();
            let child = Fork::Raw.child(0, || {
                // SAFETY: the child has a copy of its own, and the parent drops the other one.
                drop(unsafe { std::ptr::read(&guard) });
                drop(Shm::create(name("c"), 100).unwrap().unlink_on_drop());
                assert!(Shm::open(name("c")).is_err(), "the child's own is left");
            });
            assert!(wait_for(child).success());
            Shm::open(name("g")).expect("the child has removed the parent's name");
            drop(guard);
            assert!(Shm::open(name("g")).is_err(), "the parent removes it");
            for then in [Then::Panic, Then::Fail] {
                creates(Fork::Raw, 0, then, IfExists::Error);
            }
        });
        clean_up();
    }
    cases.end();
}

/// What is forbidden, so that an object is built in another way.
const WAYS: &[(&str, &[&[filter::Call]])] = &[
    ("without a name", &[]),
    ("under a temporary name", &[filter::O_TMPFILE]),
    (OWN_NAME, &[filter::O_TMPFILE, filter::LINKS, filter::RENAMES]),
];

fn forbid(calls: &[&[filter::Call]]) {
    calls.iter().for_each(|calls| filter::forbid(calls, libc::EACCES));
}

/// What the child does inside the initialiser.
#[derive(Clone, Copy, Debug)]
enum Then {
    Panic,
    Fail,
}

fn fault_09_a_child_forked_while_creating_removes_nothing() {
    let mut cases = Cases::new();
    for fork in FORKS {
        for then in [Then::Panic, Then::Fail] {
            for if_exists in [IfExists::Error, IfExists::Supersede] {
                for (way, calls) in WAYS {
                    // Superseding is refused where nothing renames.
                    let refused = if_exists == IfExists::Supersede && *way == OWN_NAME;
                    if refused && !cfg!(posix_shm_portable) {
                        continue;
                    }
                    cases.case(format_args!("{fork:?}, {then:?}, {if_exists:?}, {way}"), || {
                        forbid(calls);
                        creates(fork, 0, then, if_exists);
                    });
                    clean_up();
                }
            }
        }
    }
    cases.end();
}

/// A case that failed is not to fail the next one.
fn clean_up() {
    // Nothing has the name if all went well.
    let _ = unlink(name("l"));
}

/// Creates an object and forks meanwhile. The child unwinds through the library when its parent has
/// finished the object.
fn creates(fork: Fork, flags: c_int, then: Then, if_exists: IfExists) {
    let name = name("l");
    if if_exists == IfExists::Supersede {
        Shm::create(&name, 50).unwrap();
    }
    let mut is_child = false;
    let mut children = Vec::new();
    let opened = catch_unwind(AssertUnwindSafe(|| {
        creating(100).if_exists(if_exists).open_with::<Error>(&name, |_| {
            match fork.fork(flags) {
                0 => is_child = true,
                // It may be asked for a second object, in another way.
                child => {
                    children.push(child);
                    return Ok(());
                }
            }
            // The parent goes on meanwhile.
            std::thread::sleep(Duration::from_millis(50));
            match then {
                Then::Panic => std::panic::resume_unwind(Box::new("in the child")),
                Then::Fail => Err(Shm::open("/not/a/name").unwrap_err()),
            }
        })
    }));
    if is_child {
        let failed = !matches!(opened, Ok(Ok(_)));
        // SAFETY: passes no pointer.
        unsafe { libc::_exit(c_int::from(!failed)) };
    }
    let object = opened.unwrap().expect("the parent's own object");
    assert!(!children.is_empty());
    assert!(children.into_iter().all(|child| wait_for(child).success()), "a child's object");
    let found = Shm::open(&name).expect("the child has removed the parent's object");
    assert!(found.len().unwrap() >= 100, "the child has changed the parent's object");
    drop(object);
    unlink(&name).unwrap();
}
