//! The cost, counted: which system calls each way of using an object takes, in order, and no other.

#![cfg(target_os = "linux")]

use std::process::Command;

use posix_shm::Shm;

use crate::common::{Names, peer, skip};

/// What `strace` saw between the peer's two marks.
fn traced(task: &str, name: &str) -> Option<Vec<String>> {
    if Command::new("strace").arg("-V").output().is_err() {
        skip("strace is not installed");
        return None;
    }
    let peer = peer("calls", [task, name]);
    let mut strace = Command::new("strace");
    // To standard error, which the peer does not use.
    strace.arg("-q").arg(peer.get_program()).args(peer.get_args());
    let output = strace.output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    let calls = log.lines().filter_map(|line| line.split_once('(')).map(|(call, _)| call);
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

/// The six of hand-written C, and the `fstat` that keeps the mapping inside its object.
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
fn an_anonymous_object_sized_and_mapped_at_once() {
    let expected: &[&str] = if cfg!(posix_shm_portable) {
        &["getrandom", "openat", "fallocate", "mmap", "unlink", "munmap", "close"]
    } else {
        &["memfd_create", "fallocate", "mmap", "munmap", "close"]
    };
    let names = Names::new();
    assert_calls("anonymous", &names.name().to_string(), expected);
}

/// Never half-made costs one call more than half-made.
#[test]
fn a_named_object_sized_and_mapped_before_it_has_its_name() {
    let expected: &[&str] = if cfg!(posix_shm_portable) {
        &["openat", "fallocate", "mmap", "munmap", "close", "unlink"]
    } else {
        &["openat", "fallocate", "mmap", "linkat", "munmap", "close", "unlink"]
    };
    let names = Names::new();
    assert_calls("mapped", &names.name().to_string(), expected);
}

/// In separate steps it is one `fstat` more.
#[test]
fn a_named_object_sized_then_mapped() {
    let expected: &[&str] = if cfg!(posix_shm_portable) {
        &["openat", "fallocate", "fstat", "mmap", "munmap", "close", "unlink"]
    } else {
        &["openat", "fallocate", "linkat", "fstat", "mmap", "munmap", "close", "unlink"]
    };
    let names = Names::new();
    assert_calls("in-steps", &names.name().to_string(), expected);
}

/// Writing gives the object its length and its memory, so nothing else has to. Where POSIX promises no writing, it is mapped.
#[test]
fn an_object_that_is_published() {
    let expected: &[&str] = if cfg!(posix_shm_portable) {
        &["openat", "fallocate", "mmap", "munmap", "close", "unlink"]
    } else {
        &["openat", "pwrite64", "linkat", "close", "unlink"]
    };
    let names = Names::new();
    assert_calls("published", &names.name().to_string(), expected);
}
