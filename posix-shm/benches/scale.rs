//! Measures what depends on how many objects there are: listing them, and creating and opening one
//! among them. And how two processes get along. This library against hand-written calls and the
//! standard library, in the same run.
//!
//! Type this in `posix-shm/benches`. It needs root rights or user namespaces, for a `/dev/shm` of
//! its own, and 1 GiB of free memory:
//!
//! ```sh
//! cargo bench --bench scale
//! cargo bench --bench scale -- --short    # to see that it works
//! ```
//!
//! You should see tables like those in `README.md`.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)]

use std::ffi::CString;
use std::hint::black_box;
use std::time::{Duration, Instant};

use posix_shm::{Shm, ShmName, list, list_names};
use posix_shm_benches::{Timed, Way, shuffled_ratios, timed_ratios};

#[path = "../../tests/peer/alone.rs"]
#[allow(dead_code, reason = "shared with the helper programs of the tests")]
mod alone;
#[path = "../../tests/counted/raw.rs"]
#[allow(dead_code, reason = "shared with the counts in tests/counted.rs")]
mod raw;
#[path = "../../tests/counted/stepped.rs"]
#[allow(dead_code, reason = "shared with the counts in tests/counted.rs")]
mod stepped;

const LEN: usize = 4096;

fn main() {
    let short = std::env::args().any(|argument| argument == "--short");
    alone::mount_own(c"mode=1777,size=2g").expect("a /dev/shm of its own");
    let counts: &[(usize, usize)] =
        if short { &[(10, 3), (1000, 3)] } else { &[(10, 301), (1000, 101), (100_000, 15)] };
    let mut made = 0;
    for &(count, rounds) in counts {
        while made < count {
            drop(Shm::create(format!("object-number-{made:06}"), LEN as u64).unwrap());
            made += 1;
        }
        listing(count, rounds);
        among_others(count, if short { 3 } else { 101 });
    }
    processes(if short { 3 } else { 15 });
}

/// A way, and how it is called.
type Named<'a> = (&'static str, Box<dyn Fn() + 'a>);

fn table(title: &str, ways: Vec<Named<'_>>, rounds: usize) {
    let allocations: Vec<u64> = ways.iter().map(|(_, run)| stepped::allocations(run)).collect();
    let mut timed: Vec<Way<'_>> = ways.iter().map(|(name, run)| Way::of(name, run)).collect();
    let found = shuffled_ratios(&mut timed, rounds);
    println!("\n### {title}\n\n| way | ratio | µs | allocations |\n|---|---:|---:|---:|");
    for (((name, _), (ratio, time)), allocations) in ways.iter().zip(found).zip(allocations) {
        println!("| {name} | {ratio:.3} | {:.2} | {allocations} |", time.as_secs_f64() * 1e6);
    }
}

fn listing(count: usize, rounds: usize) {
    let raw = || assert_eq!(raw::list(true), count);
    let ways: Vec<Named<'_>> = vec![
        ("raw, readdir and fstatat", Box::new(raw)),
        ("raw again (noise)", Box::new(raw)),
        (
            "posix-shm, list",
            Box::new(|| {
                let lens = list().unwrap().map(|entry| black_box(entry.unwrap().metadata().len()));
                assert_eq!(lens.count(), count);
            }),
        ),
        (
            "std, read_dir and metadata",
            Box::new(|| {
                let entries = std::fs::read_dir("/dev/shm").unwrap().map(|entry| {
                    let entry = entry.unwrap();
                    black_box((entry.metadata().unwrap().len(), entry.file_name()))
                });
                assert_eq!(entries.count(), count);
            }),
        ),
        ("raw, readdir alone", Box::new(|| assert_eq!(raw::list(false), count))),
        (
            "posix-shm, list_names",
            Box::new(|| assert_eq!(list_names().unwrap().filter(Result::is_ok).count(), count)),
        ),
    ];
    table(&format!("Listing {count} objects"), ways, rounds);
}

fn complete(name: &ShmName, path: &CString) {
    let object = raw::unnamed();
    raw::reserve(object, LEN);
    raw::name(object, path);
    raw::close(object);
    raw::unlink(name.as_c_str());
}

fn ours(name: &ShmName) {
    drop(Shm::create(name, LEN as u64).unwrap());
    posix_shm::unlink(name).unwrap();
}

fn path_of(name: &ShmName) -> CString {
    CString::new(format!("/dev/shm{name}")).unwrap()
}

fn among_others(count: usize, rounds: usize) {
    let name = ShmName::random("bench.").unwrap();
    let path = path_of(&name);
    let old = ShmName::new("object-number-000005").unwrap();
    let open = || raw::close(raw::open(old.as_c_str()));
    let ways: Vec<Named<'_>> = vec![
        ("raw, create and remove", Box::new(|| complete(&name, &path))),
        ("raw again (noise)", Box::new(|| complete(&name, &path))),
        ("posix-shm, create and remove", Box::new(|| ours(&name))),
        ("raw, open and close", Box::new(open)),
        ("posix-shm, open and close", Box::new(|| drop(Shm::open(&old).unwrap()))),
    ];
    table(&format!("One object among {count}"), ways, rounds);
}

/// Creating and removing, in one process and in two at once: how long one takes.
fn processes(rounds: usize) {
    const TIMES: u32 = 2000;
    let in_processes = |processes: usize, run: &dyn Fn(&ShmName)| {
        let start = Instant::now();
        let children: Vec<libc::pid_t> = (0..processes)
            .map(|_| {
                // SAFETY: the process has one thread.
                let child = unsafe { libc::fork() };
                if child == 0 {
                    let name = ShmName::random("bench.").unwrap();
                    (0..TIMES).for_each(|_| run(&name));
                    // SAFETY: passes no pointer.
                    unsafe { libc::_exit(0) };
                }
                child
            })
            .collect();
        for child in children {
            let mut status = 0;
            // SAFETY: the pointer is to an integer.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(status, 0, "a child failed");
        }
        start.elapsed() / TIMES
    };
    let raw = |name: &ShmName| complete(name, &path_of(name));
    let row = |name, processes, run: &'static dyn Fn(&ShmName)| {
        let run = Box::new(move || in_processes(processes, run)) as Box<dyn FnMut() -> Duration>;
        Timed { name, run }
    };
    let raw: &'static dyn Fn(&ShmName) = Box::leak(Box::new(raw));
    let mut ways = vec![
        row("raw, 1 process", 1, raw),
        row("posix-shm, 1 process", 1, &ours),
        row("raw, 2 processes", 2, raw),
        row("posix-shm, 2 processes", 2, &ours),
    ];
    let found = timed_ratios(&mut ways, rounds);
    println!(
        "\n### Creating and removing, at the same time\n\n| way | ratio | µs |\n|---|---:|---:|"
    );
    for (way, (ratio, time)) in ways.iter().zip(found) {
        println!("| {} | {ratio:.3} | {:.2} |", way.name, time.as_secs_f64() * 1e6);
    }
}
