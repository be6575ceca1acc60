//! Presence and locks where processes fork, change users or namespaces, or may not make the calls.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use posix_shm::{
    Direction, IfDoesNotExist, IfExists, OpenOptions, Operation, Permissions, Shm, unlink,
};

use crate::alone::{check, mount};
use crate::filter::{self, Call};
use crate::lab::{
    Cases, NOBODY, become_user, creating, fork_child, leaves_nothing, names, need_root, own_shm,
    refused, wait_for,
};

crate::tasks! { ON_LINUX:
    presence_across_namespaces_of_processes
    presence_and_locks_of_a_forked_child
    presence_ends_when_a_program_is_started
    presence_of_a_user_who_can_only_read
    presence_of_a_new_object_that_its_owner_may_not_read
    presence_that_a_sandbox_forbids_is_an_error_and_leaves_nothing
    presence_without_proc
    presence_of_the_last_that_leaves_ends_with_the_name
    presence_waits_for_a_cleaner_but_not_for_ever
    presence_under_the_own_name_looks_whether_it_has_it
    presence_under_the_own_name_survives_a_cleaner
}

/// Waits until the other end says something, or closes.
fn wait(socket: &UnixStream) {
    use std::io::Read;
    let mut byte = [0];
    let mut socket = socket;
    assert_eq!(socket.read(&mut byte).unwrap(), 1, "the other process has failed");
}

fn say(socket: &UnixStream) {
    use std::io::Write;
    let mut socket = socket;
    socket.write_all(b"x").unwrap();
}

fn kill(process: libc::pid_t, signal: libc::c_int) {
    // SAFETY: passes no pointer. The process is a child that is not waited for yet.
    check(unsafe { libc::kill(process, signal) }).unwrap();
}

fn present() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).if_does_not_exist(IfDoesNotExist::Create);
    options.size(8).present(true);
    options
}

/// Process numbers mean nothing to it: both are process 1.
fn presence_across_namespaces_of_processes() {
    need_root();
    own_shm("size=1m");
    let object = Shm::create("/x", 8).unwrap();
    let (here, there) = UnixStream::pair().unwrap();
    // SAFETY: passes no pointer.
    check(unsafe { libc::unshare(libc::CLONE_NEWPID) }).unwrap();
    let child = fork_child(|| {
        assert_eq!(std::process::id(), 1);
        let _here = Shm::open("/x").unwrap().presence().unwrap();
        let _lock = Shm::open("/x").unwrap().lock().unwrap();
        say(&there);
        std::thread::sleep(Duration::from_secs(60));
    });
    wait(&here);
    assert!(!object.is_unused().unwrap());
    assert!(!object.unlink_if_unused().unwrap());
    assert!(object.try_lock().unwrap().is_none());
    kill(child, libc::SIGKILL);
    wait_for(child);
    assert!(object.is_unused().unwrap());
    assert!(object.try_lock().unwrap().is_some());
    assert!(object.unlink_if_unused().unwrap());
}

fn presence_and_locks_of_a_forked_child() {
    own_shm("size=1m");
    let object = Shm::create("/x", 8).unwrap();
    for parent_first in [true, false] {
        let presence = object.presence().unwrap();
        let lock = object.lock().unwrap();
        let (here, there) = UnixStream::pair().unwrap();
        let child = fork_child(|| {
            let here = there;
            if !parent_first {
                // SAFETY: a copy of its own of what the parent drops.
                drop(unsafe { std::ptr::read(&presence) });
                // SAFETY: the same.
                drop(unsafe { std::ptr::read(&lock) });
                say(&here);
            }
            wait(&here);
        });
        if parent_first {
            drop(presence);
            assert!(!object.is_unused().unwrap(), "the child uses it as well");
            // The lock is the parent's alone.
            drop(lock);
            assert!(object.try_lock().unwrap().is_some(), "the child keeps the lock");
            say(&here);
            assert!(wait_for(child).success());
        } else {
            wait(&here);
            assert!(!object.is_unused().unwrap(), "the child has ended its parent's presence");
            assert!(object.try_lock().unwrap().is_none(), "the child has unlocked");
            say(&here);
            assert!(wait_for(child).success());
            assert!(!object.is_unused().unwrap());
            assert!(object.try_lock().unwrap().is_none());
            drop((presence, lock));
        }
        assert!(object.is_unused().unwrap());
        assert!(object.try_lock().unwrap().is_some());
    }
    // If the parent is killed, the child still uses the object.
    let (here, there) = UnixStream::pair().unwrap();
    let parent = fork_child(|| {
        let object = present().open("/x").unwrap();
        let grandchild = fork_child(|| {
            say(&there);
            wait(&there);
            drop(object);
            say(&there);
            wait(&there);
        });
        wait_for(grandchild);
    });
    wait(&here);
    kill(parent, libc::SIGKILL);
    wait_for(parent);
    assert!(!object.is_unused().unwrap());
    say(&here);
    wait(&here);
    assert!(object.is_unused().unwrap());
    say(&here);
    object.unlink().unwrap();
}

fn presence_ends_when_a_program_is_started() {
    own_shm("size=1m");
    let object = Shm::create("/x", 8).unwrap();
    let held = (present().open("/x").unwrap(), object.presence().unwrap(), object.lock().unwrap());
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    drop(held);
    // The system closes its descriptors a moment after `spawn` returns.
    let begun = Instant::now();
    while !object.is_unused().unwrap() {
        assert!(begun.elapsed() < Duration::from_secs(40), "the program is present");
    }
    assert!(object.try_lock().unwrap().is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    object.unlink().unwrap();
}

fn presence_of_a_user_who_can_only_read() {
    need_root();
    own_shm("size=1m,mode=1777");
    let object = creating(8)
        .permissions(Permissions::from_mode(0o644))
        .ignore_umask(true)
        .open("/x")
        .unwrap();
    let anonymous = Shm::anonymous(8).unwrap();
    anonymous.set_permissions(Permissions::from_mode(0o644)).unwrap();
    let (here, there) = UnixStream::pair().unwrap();
    let child = fork_child(|| {
        become_user(NOBODY);
        let reader = Shm::open("/x").unwrap();
        assert!(reader.is_unused().unwrap());
        let _present = OpenOptions::new().present(true).open("/x").unwrap();
        let _of_anonymous = anonymous.presence().unwrap();
        for error in [
            leaves_nothing(|| refused(reader.unlink_if_unused())),
            leaves_nothing(|| refused(reader.lock())),
            leaves_nothing(|| refused(reader.try_lock())),
            leaves_nothing(|| refused(object.lock())),
        ] {
            assert_eq!(error.raw_os_error(), Some(libc::EACCES), "{error}");
            assert!(error.hint().unwrap().contains("permission to write"), "{error}");
        }
        say(&there);
        wait(&there);
    });
    wait(&here);
    assert!(!object.is_unused().unwrap());
    assert!(!anonymous.is_unused().unwrap());
    assert!(!object.unlink_if_unused().unwrap());
    say(&here);
    assert!(wait_for(child).success());
    assert!(anonymous.is_unused().unwrap());
    assert!(object.unlink_if_unused().unwrap());
}

/// Creating it gives more rights than opening it again would.
fn presence_of_a_new_object_that_its_owner_may_not_read() {
    need_root();
    own_shm("size=1m,mode=1777");
    let mut cases = Cases::new();
    for mode in [0, 0o200, 0o077] {
        for if_exists in [IfExists::Error, IfExists::Supersede] {
            cases.case(format_args!("{mode:o}, {if_exists:?}"), || {
                become_user(NOBODY);
                let permissions = Permissions::from_mode(mode);
                let mut options = present();
                options.if_exists(if_exists).permissions(permissions).ignore_umask(true);
                let object = options.open("/x").unwrap();
                assert_eq!(object.metadata().unwrap().permissions(), permissions);
                assert!(!object.is_unused().unwrap());
                unlink("/x").unwrap();
            });
        }
    }
    cases.end();
}

/// Every command for locks of descriptions.
const LOCKS: &[Call] = &[
    filter::fcntl(libc::F_OFD_GETLK),
    filter::fcntl(libc::F_OFD_SETLK),
    filter::fcntl(libc::F_OFD_SETLKW),
];

fn presence_that_a_sandbox_forbids_is_an_error_and_leaves_nothing() {
    own_shm("size=1m");
    let mut cases = Cases::new();
    for errno in [libc::EPERM, libc::ENOSYS, libc::EINVAL, libc::EACCES] {
        cases.case(errno, || {
            let object = Shm::create("/x", 8).unwrap();
            filter::forbid(LOCKS, errno);
            let mut superseding = present();
            superseding.if_exists(IfExists::Supersede);
            let errors = [
                (Operation::Presence, leaves_nothing(|| refused(object.presence()))),
                (Operation::Presence, leaves_nothing(|| refused(present().open("/x")))),
                (Operation::Presence, leaves_nothing(|| refused(present().open("/y")))),
                (Operation::Presence, leaves_nothing(|| refused(superseding.open("/x")))),
                (Operation::Presence, leaves_nothing(|| refused(present().open_anonymous()))),
                (Operation::IsUnused, leaves_nothing(|| refused(object.is_unused()))),
                (Operation::IsUnused, leaves_nothing(|| refused(object.unlink_if_unused()))),
                (Operation::LockObject, leaves_nothing(|| refused(object.lock()))),
                (Operation::LockObject, leaves_nothing(|| refused(object.try_lock()))),
            ];
            for (operation, error) in errors {
                let seen = (error.operation(), error.raw_os_error());
                assert_eq!(seen, (operation, Some(errno)), "{error}");
                assert!(error.hint().is_some(), "{error}");
            }
            assert_eq!(names().len(), 1, "the name is there");
            object.unlink().unwrap();
        });
    }
    cases.end();
}

/// Named objects are opened again by their names. A new one that has none yet is built in another
/// way. Anonymous ones have no presence.
fn presence_without_proc() {
    need_root();
    own_shm("size=1m");
    mount(c"tmpfs", c"/proc", 0, c"").unwrap();
    let object = present().open("/x").unwrap();
    assert!(object.created());
    assert!(!object.is_unused().unwrap());
    assert!(object.try_lock().unwrap().is_some());
    drop(object);
    let object = Shm::open("/x").unwrap();
    assert!(object.is_unused().unwrap());
    let here = object.presence().unwrap();
    assert!(!object.is_unused().unwrap());
    assert!(!object.unlink_if_unused().unwrap());
    drop(here);
    let mut superseding = present();
    let new = superseding.if_exists(IfExists::Supersede).open("/x").unwrap();
    // It would be opened again by its name, which another object has.
    assert_eq!(refused(object.presence()).kind(), ErrorKind::AlreadyExists);
    assert!(object.is_unused().unwrap());
    assert!(!object.unlink_if_unused().unwrap());
    assert!(!new.unlink_if_unused().unwrap());
    drop(new);
    assert!(Shm::open("/x").unwrap().unlink_if_unused().unwrap());
    assert!(!object.unlink_if_unused().unwrap());
    assert_eq!(refused(object.presence()).kind(), ErrorKind::NotFound);

    let anonymous = Shm::anonymous(8).unwrap();
    for error in [
        refused(anonymous.presence()),
        refused(anonymous.lock()),
        refused(present().open_anonymous()),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.hint().unwrap().contains("/proc"), "{error}");
    }
    assert!(anonymous.is_unused().unwrap());
    assert_eq!(names().len(), 0);
}

/// However they come and go, nothing is left. (All orders of the calls are in `models/`.) No thread
/// of this process starts a program, which would be present until it runs.
fn presence_of_the_last_that_leaves_ends_with_the_name() {
    own_shm("size=1m");
    for round in 0..500 {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| present().open("/x").unwrap().unlink_if_last().unwrap());
            }
        });
        assert_eq!(names().len(), 0, "round {round}: the name is left");
    }
}

/// A lock as the protocol describes it, on a description that another process never closes.
fn lock_by_hand(object: &Shm, byte: libc::off64_t) -> Shm {
    use std::os::fd::AsRawFd;
    let description = Shm::open_io(object.name().unwrap()).unwrap();
    // SAFETY: all fields are integers.
    let mut lock: libc::flock64 = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as _;
    (lock.l_start, lock.l_len) = (byte, 1);
    let command = libc::F_OFD_SETLK;
    // SAFETY: the pointer is to the structure that the command reads.
    check(unsafe { libc::fcntl(description.as_raw_fd(), command, &raw mut lock) }).unwrap();
    description
}

/// The numbers are those of the documentation.
#[cfg(target_pointer_width = "64")]
fn presence_waits_for_a_cleaner_but_not_for_ever() {
    own_shm("size=1m");
    let object = Shm::create("/x", 8).unwrap();
    let cleaner = lock_by_hand(&object, 1 << 62);
    assert!(object.is_unused().unwrap(), "whoever has the exclusive lock has found it unused");
    assert!(!object.unlink_if_unused().unwrap(), "there is a cleaner already");
    type Attempt = fn(&Shm) -> posix_shm::Result<()>;
    let attempts: [Attempt; 2] =
        [|object| object.presence().map(drop), |_| present().open("/x").map(drop)];
    for attempt in attempts {
        let start = Instant::now();
        let error = refused(attempt(&object));
        assert_eq!(error.kind(), ErrorKind::ResourceBusy, "{error}");
        let took = start.elapsed();
        assert!(took > Duration::from_secs(1) && took < Duration::from_secs(20), "{took:?}");
    }
    drop(cleaner);
    let cleaner = lock_by_hand(&object, (1 << 62) + 2);
    let start = Instant::now();
    let error = refused(object.unlink_if_unused());
    assert_eq!(error.kind(), ErrorKind::ResourceBusy, "{error}");
    assert!(start.elapsed() > Duration::from_secs(1), "it has not waited");
    drop(cleaner);
    // It ends in the meantime, and has removed the name or not. Superseding waits for it too.
    for if_exists in [IfExists::Overwrite, IfExists::Supersede] {
        for remove in [false, true] {
            let byte = if if_exists == IfExists::Supersede { (1 << 62) + 2 } else { 1 << 62 };
            let cleaner = lock_by_hand(&Shm::open("/x").unwrap(), byte);
            let ends = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                if remove {
                    unlink("/x").unwrap();
                }
                drop(cleaner);
            });
            let start = Instant::now();
            let opened = present().if_exists(if_exists).open("/x").unwrap();
            assert!(start.elapsed() > Duration::from_millis(40), "it does not wait");
            assert_eq!(opened.created(), remove || if_exists == IfExists::Supersede);
            assert_eq!(opened.metadata().unwrap().links(), 1, "it has no name");
            ends.join().unwrap();
        }
    }
    let object = present().open("/x").unwrap();
    let lock = lock_by_hand(&object, (1 << 62) + 1);
    assert!(object.try_lock().unwrap().is_none());
    drop(lock);
    assert!(object.try_lock().unwrap().is_some());
    object.unlink().unwrap();
}

#[cfg(not(target_pointer_width = "64"))]
fn presence_waits_for_a_cleaner_but_not_for_ever() {
    let _ = (lock_by_hand, refused::<()>);
    crate::lab::cannot("pass the structure of 64 bits");
}

/// At the moment at which the lock is taken for the first time, the name is removed.
fn presence_under_the_own_name_looks_whether_it_has_it() {
    own_shm("size=1m");
    let mut cases = Cases::new();
    for exists in [false, true] {
        cases.case(exists, || {
            if exists {
                Shm::create("/x", 8).unwrap();
            }
            filter::forbid(filter::O_TMPFILE, libc::EACCES);
            filter::forbid(filter::LINKS, libc::EACCES);
            filter::forbid(filter::RENAMES, libc::EACCES);
            const TAKE: &[Call] = &[filter::fcntl(libc::F_OFD_SETLK)];
            // The thread ends with the process.
            let mut removed = false;
            let _watcher = filter::answer(TAKE, move |_| {
                // At first the object may have a temporary name.
                removed = removed || std::fs::remove_file("/dev/shm/x").is_ok();
                filter::Answer::Go
            });
            let object = present().open("/x").unwrap();
            assert!(object.created());
            assert_eq!(object.metadata().unwrap().links(), 1, "it has lost its name");
            object.unlink().unwrap();
        });
    }
    cases.end();
}

/// If an object must be created under its own name, it is unused for a moment.
fn presence_under_the_own_name_survives_a_cleaner() {
    own_shm("size=1m");
    filter::forbid(filter::O_TMPFILE, libc::EACCES);
    filter::forbid(filter::LINKS, libc::EACCES);
    filter::forbid(filter::RENAMES, libc::EACCES);
    let cleaner = fork_child(|| {
        loop {
            if let Ok(object) = Shm::open("/x") {
                object.unlink_if_unused().unwrap();
            }
        }
    });
    let mut created = 0;
    for round in 0..1001 {
        let mut options = present();
        options.size([0, 8][round % 2]);
        let object = options.open("/x").unwrap();
        created += u32::from(object.created());
        for _ in 0..3 {
            let found = Shm::open("/x").expect("the name of a live object was removed");
            let inode = |object: &Shm| object.metadata().unwrap().inode();
            assert_eq!(inode(&found), inode(&object));
        }
        drop(object);
        // Now and then the cleaner is given the time that it needs.
        while round % 8 == 0 && Shm::open("/x").is_ok() {
            std::thread::yield_now();
        }
    }
    kill(cleaner, libc::SIGKILL);
    wait_for(cleaner);
    assert!(created > 100, "only {created} objects were created");
    // The last one may be there or not.
    let _ = unlink("/x");
}
