//! The exact system calls of each way to use an object, in order.

#![cfg(target_os = "linux")]

use std::process::Command;

use posix_shm::Shm;

use crate::common::{Names, peer, skip};

/// The calls between the peer's two marks, as `strace` prints them.
fn traced(task: &str, name: &str) -> Option<Vec<String>> {
    if Command::new("strace").arg("-V").output().is_err() {
        skip("strace is not installed");
        return None;
    }
    let peer = peer("calls", [task, name]);
    let mut strace = Command::new("strace");
    // It writes to standard error, which the peer does not use.
    strace.arg("-q").arg(peer.get_program()).args(peer.get_args());
    let output = strace.output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    // std's own check, in a debug build, of a descriptor that it closes.
    let lines = log.lines().filter(|line| !line.contains("F_GETFD"));
    let calls = lines.filter_map(|line| line.split_once('(')).map(|(call, _)| call);
    let between = calls.skip_while(|&call| call != "getppid").skip(1);
    let calls = between.take_while(|&call| call != "getppid").map(same_call).collect();
    assert_eq!(log.matches("getppid(").count(), 2, "{log}");
    Some(calls)
}

/// One name for each call that C libraries spell differently.
fn same_call(call: &str) -> String {
    match call {
        "newfstatat" | "statx" | "fstat64" => "fstat",
        "mmap2" => "mmap",
        "open" => "openat",
        "unlinkat" => "unlink",
        other => other,
    }
    .to_owned()
}

#[track_caller]
fn assert_calls(task: &str, name: &str, expected: &[&str]) {
    if let Some(calls) = traced(task, name) {
        assert_eq!(calls, expected, "{task}");
    }
}

/// The six calls of hand-written C, and the `fstat` that keeps the mapping inside its object.
#[test]
fn create_size_map_touch_unmap_close_unlink() {
    let names = Names::new();
    assert_calls(
        "by-hand",
        &names.name().to_string(),
        &["openat", "fallocate", "fstat", "mmap", "munmap", "close", "unlink"],
    );
}

#[test]
fn open_map_touch_unmap_close() {
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, 4096).unwrap();
    assert_calls("existing", &name.to_string(), &["openat", "fstat", "mmap", "munmap", "close"]);
    object.unlink().unwrap();
}

#[test]
fn creating_and_mapping_an_anonymous_object_at_once() {
    let expected: &[&str] = if cfg!(posix_shm_portable) {
        &["getrandom", "openat", "fallocate", "mmap", "unlink", "munmap", "close"]
    } else {
        &["memfd_create", "fallocate", "mmap", "munmap", "close"]
    };
    let names = Names::new();
    assert_calls("anonymous", &names.name().to_string(), expected);
}

/// What may grow knows which object it is. What takes memory asks how much there is.
#[test]
#[cfg(not(posix_shm_portable))]
fn creating_an_anonymous_object_and_mapping_a_part_at_once() {
    let new = ["memfd_create", "fallocate"];
    let plain = ["mmap", "munmap", "close"];
    let growing = ["fstat", "mmap", "mprotect", "munmap", "close"];
    let populated = ["fstat", "mmap", "mincore", "madvise", "munmap", "close"];
    let expected = [&new[..], &plain, &new, &growing, &new, &populated].concat();
    let names = Names::new();
    assert_calls("anonymous-in-part", &names.name().to_string(), &expected);
}

/// The length is not asked for: nobody else has had the object yet.
#[test]
fn creating_an_anonymous_object_and_mapping_it_afterwards() {
    let expected: &[&str] = if cfg!(posix_shm_portable) {
        &["getrandom", "openat", "fallocate", "unlink", "fstat", "mmap", "munmap", "close"]
    } else {
        &["memfd_create", "fallocate", "mmap", "munmap", "close"]
    };
    let names = Names::new();
    assert_calls("anonymous-in-steps", &names.name().to_string(), expected);
}

/// One call more, `linkat`, gives the name to an object that is complete.
#[test]
fn creating_and_mapping_a_named_object_at_once() {
    let expected: &[&str] = if cfg!(posix_shm_portable) {
        &["openat", "fallocate", "mmap", "munmap", "close", "unlink"]
    } else {
        &["openat", "fallocate", "mmap", "linkat", "munmap", "close", "unlink"]
    };
    let names = Names::new();
    assert_calls("mapped", &names.name().to_string(), expected);
}

/// Separate steps need an `fstat` more.
#[test]
fn creating_a_named_object_and_mapping_it_afterwards() {
    let expected: &[&str] = if cfg!(posix_shm_portable) {
        &["openat", "fallocate", "fstat", "mmap", "munmap", "close", "unlink"]
    } else {
        &["openat", "fallocate", "linkat", "fstat", "mmap", "munmap", "close", "unlink"]
    };
    let names = Names::new();
    assert_calls("in-steps", &names.name().to_string(), expected);
}

/// One write sets the length, reserves the memory and copies the content. POSIX does not promise
/// that objects can be written, so the portable code maps them.
#[test]
fn publishing_an_object() {
    let expected: &[&str] = if cfg!(posix_shm_portable) {
        &["openat", "fallocate", "mmap", "munmap", "close", "unlink"]
    } else {
        &["openat", "pwrite64", "linkat", "close", "unlink"]
    };
    let names = Names::new();
    assert_calls("published", &names.name().to_string(), expected);
}

/// Two calls for making it immutable: whether the memory is there, and the seals. Four for mapping
/// it: the seals, the length, whether the memory is there in every page, and the mapping. Using it
/// makes none.
#[test]
fn making_an_object_immutable_and_mapping_it() {
    if !posix_shm::capabilities().map_immutable {
        return;
    }
    let names = Names::new();
    let made = ["memfd_create", "fallocate", "fstat", "fcntl"];
    let mapped = ["fcntl", "fstat", "fallocate", "mmap"];
    let rest = ["close", "munmap"];
    let expected = [&made[..], &mapped, &rest].concat();
    assert_calls("immutable", &names.name().to_string(), &expected);
}

/// Makes an object that the peer opens, maps in a way and closes again.
#[track_caller]
fn assert_mapping_calls(task: &str, expected: &[&str]) {
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, 3 * 4096).unwrap();
    let calls = traced(task, &name.to_string());
    object.unlink().unwrap();
    if let Some(calls) = calls {
        let all = [&["openat", "fstat"][..], expected, &["close"]].concat();
        assert_eq!(calls, all, "{task}");
    }
}

/// One call opens the room that was kept. Growing to what is there makes none.
#[test]
fn growing_within_the_capacity() {
    let expected: &[&str] = if cfg!(posix_shm_portable) {
        // Mapped once to see whether the object allows it, and then over the room.
        &["mmap", "munmap", "mmap", "mmap", "fstat", "mmap", "munmap", "mmap", "mmap", "munmap"]
    } else {
        &["mmap", "mprotect", "fstat", "mprotect", "mprotect", "madvise", "munmap"]
    };
    assert_mapping_calls("grown-in-its-room", expected);
}

#[test]
fn growing_past_the_capacity_and_splitting() {
    let rest = ["munmap", "munmap", "mprotect", "munmap"];
    let grow: &[&str] = if cfg!(posix_shm_portable) {
        &["mmap", "fstat", "mmap", "munmap"]
    } else {
        &["mmap", "fstat", "mremap"]
    };
    assert_mapping_calls("moved", &[grow, &rest].concat());
}

#[test]
fn mapping_at_an_aligned_address() {
    assert_mapping_calls("aligned", &["mmap", "munmap", "mmap", "munmap"]);
}

/// Two calls make pages present: one says whether they are there already.
#[test]
#[cfg(not(posix_shm_portable))]
fn populating_and_locking() {
    assert_mapping_calls(
        "warm",
        &[
            "mmap", "mincore", "madvise", "mlock", "munlock", "madvise", "munmap", "fstat", "mmap",
            "madvise", "munmap",
        ],
    );
}

/// `getsockname` keeps handles off sockets that would lose them. Each object that arrives is asked
/// whether it is one, and for its direction.
#[test]
fn passing_handles_on() {
    let names = Names::new();
    let name = names.name().to_string();
    let asked: &[&str] =
        if cfg!(posix_shm_portable) { &["fstat", "fcntl"] } else { &["fcntl", "fcntl"] };
    let sent: &[&str] = &["getsockname", "sendmsg", "recvmsg"];
    assert_calls("sent", &name, &[sent, asked, &["close"]].concat());
    assert_calls("transferred", &name, &[sent, asked, asked, &["close", "close"]].concat());
}

#[test]
fn inspecting_an_object() {
    let names = Names::new();
    let calls: &[&str] = &["fstat", "fcntl", "fcntl"];
    assert_calls("inspected", &names.name().to_string(), calls);
}

/// Without anybody to wake or to wait for, nothing is asked of the system. A wake is one call, and
/// a wait to its limit is two: the second has the kernel look once more.
#[test]
fn waiting_and_notifying() {
    let futexes: &[&str] = if posix_shm::capabilities().wait { &["futex"; 4] } else { &[] };
    assert_mapping_calls("waited", &[&["mmap"][..], futexes, &["munmap"]].concat());
}

/// Setting an event calls nothing while nobody waits.
#[test]
fn setting_an_event_that_nobody_waits_for() {
    let wake: &[&str] = if posix_shm::capabilities().wait { &["futex"] } else { &[] };
    assert_mapping_calls("event", &[&["mmap"][..], wake, &["munmap"]].concat());
}

/// An object with a name, and a task that opens it. Another thing than [`assert_mapping_calls`].
#[track_caller]
fn assert_calls_on_existing(task: &str, expected: &[&str]) {
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, 4096).unwrap();
    assert_calls(task, &name.to_string(), expected);
    object.unlink().unwrap();
}

/// Presence takes four calls and one for its end: opening the object again, comparing both, the
/// lock. Opening by name also looks whether the name still means the object.
#[test]
fn holding_presence() {
    if !posix_shm::capabilities().presence {
        return;
    }
    let again = ["openat", "fstat", "fstat", "fcntl"];
    let calls = [&["openat"][..], &again, &["close", "close"]].concat();
    assert_calls_on_existing("presence", &calls);
    let calls = [&["openat"][..], &again, &["fstat", "fstat", "close", "close"]].concat();
    assert_calls_on_existing("open-present", &calls);
    // One more call unlocks, in case that a forked child has the descriptor too.
    let rest = ["fcntl", "close", "close"];
    assert_calls_on_existing("lock", &[&["openat"][..], &again, &rest].concat());
}

/// Asking is one call. Removing takes two locks, and drops them before it closes.
#[test]
fn creating_with_presence_asking_and_cleaning_up() {
    if !posix_shm::capabilities().presence {
        return;
    }
    let new = ["openat", "openat", "fstat", "fstat", "fcntl", "fallocate", "linkat"];
    let asked = ["openat", "fcntl", "close", "close"];
    let removed = [
        "openat", "fstat", "fstat", "fcntl", "fcntl", "fstat", "fstat", "unlink", "fcntl", "close",
    ];
    let names = Names::new();
    let expected = [&new[..], &asked, &removed, &["close"]].concat();
    assert_calls("present", &names.name().to_string(), &expected);
}
