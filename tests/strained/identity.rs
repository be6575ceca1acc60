//! Never the wrong object: descriptors, names and clean-ups in unusual processes.

use std::ffi::c_int;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use posix_shm::{Direction, IfExists, Permissions, Shm, unlink};

use crate::alone::{check, mount};
use crate::filter;
use crate::lab::{Cases, close_number, creating, own_shm, run_and_exit};

crate::tasks! { ON_LINUX:
    fault_01_read_only_never_opens_what_another_table_has_at_the_number
    fault_01_creating_never_returns_what_another_table_has_at_the_number
    fault_01_publishing_never_names_what_another_table_has_at_the_number
    fault_01_a_dead_group_leader_changes_nothing
    fault_01_a_proc_that_lies_is_not_believed
}

/// Runs a function in a thread that has a descriptor table of its own.
fn in_own_table(run: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: passes no pointer.
            check(unsafe { libc::unshare(libc::CLONE_FILES) }).unwrap();
            run();
        });
        thread.join().expect("the thread with its own table");
    });
}

/// Another user's secret, and the number of its descriptor in the table of the process.
fn secret() -> (Shm, c_int) {
    let secret = Shm::create("/a.secret", 4096).unwrap();
    secret.map_mut().unwrap().bytes().fill(b's');
    let number = secret.as_raw_fd();
    (secret, number)
}

fn inode(object: &Shm) -> u64 {
    object.metadata().unwrap().inode()
}

fn fault_01_read_only_never_opens_what_another_table_has_at_the_number() {
    own_shm("size=8m");
    let (secret, number) = secret();
    in_own_table(|| {
        close_number(number);
        let object = Shm::anonymous(4096).unwrap();
        assert_eq!(object.as_raw_fd(), number, "the number is to be used again");
        let reader = object.read_only().unwrap();
        assert_ne!(inode(&reader), inode(&Shm::open("/a.secret").unwrap()), "it is the secret");
        assert_eq!(inode(&reader), inode(&object));
        assert_eq!(reader.map().unwrap().bytes().load(0), 0, "the content of another object");
    });
    drop(secret);
}

fn fault_01_creating_never_returns_what_another_table_has_at_the_number() {
    own_shm("size=8m");
    let (secret, number) = secret();
    in_own_table(|| {
        close_number(number);
        let mut options = creating(4096);
        options.direction(Direction::Input);
        for if_exists in [IfExists::Error, IfExists::Supersede] {
            let reader = options.if_exists(if_exists).open("/new").unwrap();
            assert_eq!(fs::metadata("/dev/shm/new").unwrap().ino(), inode(&reader));
            assert_eq!(reader.map().unwrap().bytes().load(0), 0, "the content of another object");
        }
        // Its maker may not read it, other than through this handle.
        options.permissions(Permissions::empty()).if_exists(IfExists::Error);
        let reader = options.open("/unreadable").unwrap();
        assert_eq!(fs::metadata("/dev/shm/unreadable").unwrap().ino(), inode(&reader));
        assert_eq!(reader.metadata().unwrap().permissions(), Permissions::empty());
    });
    assert_eq!(secret.metadata().unwrap().permissions(), Permissions::from_mode(0o600));
    drop(secret);
}

fn fault_01_publishing_never_names_what_another_table_has_at_the_number() {
    own_shm("size=8m");
    let (secret, number) = secret();
    let hidden = inode(&secret);
    let mut cases = Cases::new();
    for errno in [libc::ENOENT, libc::EPERM] {
        cases.case(format_args!("linkat by descriptor: {errno}"), || {
            in_own_table(|| {
                filter::forbid(filter::LINKAT_BY_DESCRIPTOR, errno);
                close_number(number);
                let object = Shm::create("/new", 100).unwrap();
                let named = fs::metadata("/dev/shm/new").unwrap();
                assert_ne!(named.ino(), hidden, "another object has got the name");
                assert_eq!(named.ino(), inode(&object));
                let old = creating(200).if_exists(IfExists::Supersede).open("/new").unwrap();
                let named = fs::metadata("/dev/shm/new").unwrap();
                assert_eq!((named.ino(), named.len()), (inode(&old), 200));
                unlink("/new").unwrap();
            });
        });
    }
    cases.end();
    assert_eq!(secret.metadata().unwrap().links(), 1);
}

/// The main thread ends; another one goes on. `/proc/self/fd` is empty then.
fn fault_01_a_dead_group_leader_changes_nothing() {
    own_shm("size=8m");
    let mut cases = Cases::new();
    cases.case("the main thread has ended", || {
        std::thread::spawn(|| run_and_exit(without_leader));
        // SAFETY: passes no pointer. It ends this thread alone.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    });
    cases.end();
}

fn without_leader() {
    while fs::read_dir("/proc/self/fd").is_ok_and(|descriptors| descriptors.count() > 0) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let anonymous = Shm::anonymous(4096).unwrap();
    assert_eq!(inode(&anonymous.read_only().unwrap()), inode(&anonymous));
    let mut options = creating(4096);
    let reader = options.direction(Direction::Input).open("/new").unwrap();
    assert_eq!(inode(&reader.read_only().unwrap()), inode(&reader));
    assert_eq!(fs::metadata("/dev/shm/new").unwrap().ino(), inode(&reader));
    filter::forbid(filter::LINKAT_BY_DESCRIPTOR, libc::ENOENT);
    let other = Shm::create("/other", 4096).unwrap();
    assert_eq!(fs::metadata("/dev/shm/other").unwrap().ino(), inode(&other));
}

/// Somebody has put other files where `/proc` was.
fn fault_01_a_proc_that_lies_is_not_believed() {
    own_shm("size=8m");
    let (secret, _) = secret();
    mount(c"tmpfs", c"/proc", 0, c"").unwrap();
    for whose in ["self", "thread-self"] {
        fs::create_dir_all(format!("/proc/{whose}/fd")).unwrap();
        for number in 0..40 {
            let link = format!("/proc/{whose}/fd/{number}");
            std::os::unix::fs::symlink("/dev/shm/a.secret", link).unwrap();
        }
    }
    let anonymous = Shm::anonymous(4096).unwrap();
    if let Ok(reader) = anonymous.read_only() {
        assert_eq!(inode(&reader), inode(&anonymous), "it is the secret");
    }
    // A named one is found by its name.
    let named = Shm::create("/named", 4096).unwrap();
    assert_eq!(inode(&named.read_only().unwrap()), inode(&named));
    let mut options = creating(4096);
    let reader = options.direction(Direction::Input).open("/new").unwrap();
    assert_eq!(fs::metadata("/dev/shm/new").unwrap().ino(), inode(&reader));
    filter::forbid(filter::LINKAT_BY_DESCRIPTOR, libc::ENOENT);
    let other = Shm::create("/other", 4096).unwrap();
    assert_eq!(fs::metadata("/dev/shm/other").unwrap().ino(), inode(&other));
    assert_eq!(secret.metadata().unwrap().links(), 1, "the secret has a second name");
}
