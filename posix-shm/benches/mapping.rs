//! Measures mappings of large objects: growing them, touching them for the first time, and
//! attaching to full ones, up to 1 GiB. This library against hand-written calls, memmap2 and
//! `shared_memory`, in the same run.
//!
//! Type this in `posix-shm/benches`. It needs 3 GiB of free memory:
//!
//! ```sh
//! cargo bench --bench mapping
//! ```
//!
//! You should see tables like those in `README.md`: a row for each way, with the median of its
//! ratios to the first row, and of its times. And how much of the memory the kernel gave as huge
//! pages.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)]

use std::ffi::c_int;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::{Duration, Instant};

use posix_shm::{MapOptions, Shm};
use posix_shm_benches::{Timed, timed_ratios};

const PAGE: usize = 4096;
const HUGE: usize = 2 << 20;
const MIB: usize = 1 << 20;
const ROUNDS: usize = 9;

fn main() {
    for touched in [true, false] {
        growth(touched);
    }
    for len in [512 * MIB, 1024 * MIB] {
        first_touch(len);
        attaching(len);
    }
}

fn table(title: &str, ways: Vec<(&'static str, Box<dyn FnMut() -> Duration + '_>)>) {
    let mut ways: Vec<Timed<'_>> =
        ways.into_iter().map(|(name, run)| Timed { name, run }).collect();
    let found = timed_ratios(&mut ways, ROUNDS);
    println!("\n{title}\n\n| way | ratio | ms |\n|---|---:|---:|");
    for (way, (ratio, time)) in ways.iter().zip(found) {
        println!("| {} | {ratio:.3} | {:.1} |", way.name, time.as_secs_f64() * 1e3);
    }
}

/// Writes a byte to each page.
fn touch(start: *mut u8, from: usize, to: usize) {
    for place in (from..to).step_by(PAGE) {
        // SAFETY: the callers have mapped this range for writing.
        unsafe { start.add(place).write_volatile(1) };
    }
}

/// A memory file, as hand-written code makes it.
fn memfd() -> OwnedFd {
    // SAFETY: the label is a NUL-terminated string.
    let fd = unsafe { libc::memfd_create(c"bench".as_ptr(), libc::MFD_CLOEXEC) };
    assert!(fd >= 0);
    // SAFETY: the call made this descriptor for us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn truncate(object: &impl AsRawFd, len: usize) {
    // SAFETY: passes no pointer.
    assert_eq!(unsafe { libc::ftruncate(object.as_raw_fd(), len as libc::off_t) }, 0);
}

fn fallocate(object: &impl AsRawFd, len: usize) {
    // SAFETY: passes no pointer.
    assert_eq!(unsafe { libc::fallocate(object.as_raw_fd(), 0, 0, len as libc::off_t) }, 0);
}

fn map(object: &impl AsRawFd, len: usize, flags: c_int) -> *mut u8 {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | flags);
    // SAFETY: without MAP_FIXED the call replaces no mapping.
    let start =
        unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, object.as_raw_fd(), 0) };
    assert_ne!(start, libc::MAP_FAILED);
    start.cast()
}

/// At a multiple of [`HUGE`]: in a larger range, whose ends go again.
fn map_aligned(object: &impl AsRawFd, len: usize) -> *mut u8 {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: without MAP_FIXED the call replaces no mapping.
    let room = unsafe { libc::mmap(ptr::null_mut(), len + HUGE, libc::PROT_NONE, flags, -1, 0) };
    assert_ne!(room, libc::MAP_FAILED);
    let lead = room.addr().next_multiple_of(HUGE) - room.addr();
    let at = room.wrapping_byte_add(lead);
    let (protection, flags) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_FIXED);
    // SAFETY: the call replaces a part of the range that was mapped above.
    let start = unsafe { libc::mmap(at, len, protection, flags, object.as_raw_fd(), 0) };
    assert_eq!(start, at);
    if lead > 0 {
        unmap(room.cast(), lead);
    }
    unmap(at.wrapping_byte_add(len).cast(), HUGE - lead);
    start.cast()
}

fn unmap(start: *mut u8, len: usize) {
    // SAFETY: the callers have made this mapping, and do not use it any more.
    assert_eq!(unsafe { libc::munmap(start.cast(), len) }, 0);
}

fn advise(start: *mut u8, len: usize, advice: c_int) {
    // SAFETY: the advice makes pages present, and changes no byte.
    assert_eq!(unsafe { libc::madvise(start.cast(), len, advice) }, 0);
}

/// What is timed, and how long it took. What it returns is dropped afterwards.
fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    let kept = work();
    let time = start.elapsed();
    drop(kept);
    time
}

/// A sparse object.
fn sparse(len: usize) -> Shm {
    let object = Shm::anonymous(0).unwrap();
    object.set_len_sparse(len as u64).unwrap();
    object
}

/// From 1 MiB to 1 GiB in ten steps that double. In each, every new page is written, or none.
fn growth(touched: bool) {
    const FIRST: usize = MIB;
    const LAST: usize = 1024 * MIB;
    let sizes = || (1..=10).map(|step| FIRST << step);
    let touch = |start: *mut u8, from: usize, to: usize| {
        if touched || from == 0 && to == FIRST {
            touch(start, from, to);
        }
    };
    let mremap = || {
        let object = memfd();
        truncate(&object, FIRST);
        let mut start = map(&object, FIRST, 0);
        touch(start, 0, FIRST);
        let time = timed(|| {
            let mut len = FIRST;
            for to in sizes() {
                truncate(&object, to);
                // SAFETY: the mapping was made above, and nothing else points into it.
                let moved = unsafe { libc::mremap(start.cast(), len, to, libc::MREMAP_MAYMOVE) };
                assert_ne!(moved, libc::MAP_FAILED);
                start = moved.cast();
                touch(start, len, to);
                len = to;
            }
        });
        unmap(start, LAST);
        time
    };
    let ours = |capacity: usize, reserve: bool| {
        let object = sparse(FIRST);
        let mut options = MapOptions::new();
        options.capacity(capacity);
        let mut mapping = options.map_mut(&object).unwrap();
        touch(mapping.as_mut_ptr(), 0, FIRST);
        timed(|| {
            let mut len = FIRST;
            for to in sizes() {
                if reserve {
                    object.grow(to as u64).unwrap();
                } else {
                    object.set_len_sparse(to as u64).unwrap();
                }
                mapping.grow(&object, to).unwrap();
                touch(mapping.as_mut_ptr(), len, to);
                len = to;
            }
        })
    };
    let anew = || {
        let object = memfd();
        truncate(&object, FIRST);
        let mut start = map(&object, FIRST, 0);
        touch(start, 0, FIRST);
        let time = timed(|| {
            let mut len = FIRST;
            for to in sizes() {
                truncate(&object, to);
                unmap(start, len);
                start = map(&object, to, 0);
                // What was there is used again, which faults again.
                touch(start, 0, to);
                len = to;
            }
        });
        unmap(start, LAST);
        time
    };
    let memmap2 = || {
        let object = std::fs::File::from(memfd());
        object.set_len(FIRST as u64).unwrap();
        // SAFETY: no other process has the object.
        let mut mapping = unsafe { memmap2::MmapMut::map_mut(&object) }.unwrap();
        touch(mapping.as_mut_ptr(), 0, FIRST);
        timed(|| {
            let mut len = FIRST;
            for to in sizes() {
                object.set_len(to as u64).unwrap();
                let options = memmap2::RemapOptions::new().may_move(true);
                // SAFETY: the object is that long, and nothing points into the mapping.
                unsafe { mapping.remap(to, options) }.unwrap();
                touch(mapping.as_mut_ptr(), len, to);
                len = to;
            }
        })
    };
    let what = if touched { "each new page written" } else { "the calls alone" };
    table(
        &format!("Growing from 1 MiB to 1 GiB, {what}"),
        vec![
            ("raw, mremap", Box::new(mremap)),
            ("raw again (noise)", Box::new(mremap)),
            ("posix-shm, capacity", Box::new(|| ours(LAST, false))),
            ("posix-shm, no capacity", Box::new(|| ours(0, false))),
            // With Shm::grow, which makes sure of the memory.
            ("posix-shm, capacity, memory reserved", Box::new(|| ours(LAST, touched))),
            ("memmap2, remap", Box::new(memmap2)),
            ("raw, munmap and mmap (shared_memory has no other way)", Box::new(anew)),
        ],
    );
}

/// A new object: until every page has been written once.
fn first_touch(len: usize) {
    /// Unmaps at the end.
    struct Raw(*mut u8, usize, #[expect(dead_code, reason = "closed at the end")] OwnedFd);
    impl Drop for Raw {
        fn drop(&mut self) {
            unmap(self.0, self.1);
        }
    }
    let raw = |reserve: bool, flags: c_int, advice: Option<c_int>| {
        timed(|| {
            let object = memfd();
            if reserve {
                fallocate(&object, len)
            } else {
                truncate(&object, len)
            }
            let start = map(&object, len, flags);
            if let Some(advice) = advice {
                advise(start, len, advice);
            }
            touch(start, 0, len);
            Raw(start, len, object)
        })
    };
    let collapse = || {
        timed(|| {
            let object = memfd();
            truncate(&object, len);
            let start = map_aligned(&object, len);
            for place in (0..len).step_by(HUGE) {
                touch(start, place, place + 1);
            }
            advise(start, len, libc::MADV_COLLAPSE);
            touch(start, 0, len);
            Raw(start, len, object)
        })
    };
    let ours = |reserve: bool, threads: usize, huge: bool| {
        timed(|| {
            let object = if reserve { Shm::anonymous(len as u64).unwrap() } else { sparse(len) };
            let mapping = MapOptions::new().huge_pages(huge).map_mut(&object).unwrap();
            if threads > 0 {
                mapping.populate_in(.., threads).unwrap();
            }
            touch(mapping.as_mut_ptr(), 0, len);
            mapping
        })
    };
    let memmap2 = |populate: bool| {
        timed(|| {
            let object = std::fs::File::from(memfd());
            object.set_len(len as u64).unwrap();
            let mut options = memmap2::MmapOptions::new();
            if populate {
                options.populate();
            }
            // SAFETY: no other process has the object.
            let mut mapping = unsafe { options.map_mut(&object) }.unwrap();
            touch(mapping.as_mut_ptr(), 0, len);
            mapping
        })
    };
    let shared_memory = || {
        timed(|| {
            let mapping = shared_memory::ShmemConf::new().size(len).create().unwrap();
            touch(mapping.as_ptr(), 0, len);
            mapping
        })
    };
    table(
        &format!("First touch of {} MiB", len / MIB),
        vec![
            ("raw, plain faults", Box::new(|| raw(false, 0, None))),
            ("raw again (noise)", Box::new(|| raw(false, 0, None))),
            ("raw, MAP_POPULATE", Box::new(|| raw(false, libc::MAP_POPULATE, None))),
            (
                "raw, fallocate, MADV_POPULATE_WRITE",
                Box::new(|| raw(true, 0, Some(libc::MADV_POPULATE_WRITE))),
            ),
            ("memmap2", Box::new(|| memmap2(false))),
            ("memmap2, populate", Box::new(|| memmap2(true))),
            ("shared_memory", Box::new(shared_memory)),
            ("posix-shm, sparse", Box::new(|| ours(false, 0, false))),
            ("posix-shm", Box::new(|| ours(true, 0, false))),
            ("posix-shm, sparse, populate", Box::new(|| ours(false, 1, false))),
            ("posix-shm, populate", Box::new(|| ours(true, 1, false))),
            ("posix-shm, populate on 2 threads", Box::new(|| ours(true, 2, false))),
            ("raw, a byte in each 2 MiB, MADV_COLLAPSE", Box::new(collapse)),
            ("posix-shm, sparse, huge pages", Box::new(|| ours(false, 0, true))),
        ],
    );
}

/// A full object: until every page has been written once through a new mapping.
fn attaching(len: usize) {
    let full = Shm::anonymous(len as u64).unwrap();
    full.map_mut().unwrap().bytes().fill(1);
    let huge = sparse(len);
    let mapped = MapOptions::new().huge_pages(true).map_mut(&huge).unwrap();
    mapped.bytes().fill(1);
    let given = mapped.collapse(..).unwrap();
    let raw = |flags: c_int, advice: Option<c_int>| {
        let mut start = ptr::null_mut();
        let time = timed(|| {
            start = map(&full, len, flags);
            if let Some(advice) = advice {
                advise(start, len, advice);
            }
            touch(start, 0, len);
        });
        unmap(start, len);
        time
    };
    let memmap2 = |populate: bool| {
        timed(|| {
            let mut options = memmap2::MmapOptions::new();
            if populate {
                options.populate();
            }
            // SAFETY: no other process has the object.
            let mut mapping = unsafe { options.len(len).map_mut(&full) }.unwrap();
            touch(mapping.as_mut_ptr(), 0, len);
            mapping
        })
    };
    let ours = |object: &Shm, options: &MapOptions| {
        timed(|| {
            let mapping = options.map_mut(object).unwrap();
            touch(mapping.as_mut_ptr(), 0, len);
            mapping
        })
    };
    let on_threads = |threads: usize| {
        timed(|| {
            let mapping = full.map_mut().unwrap();
            mapping.populate_in(.., threads).unwrap();
            touch(mapping.as_mut_ptr(), 0, len);
            mapping
        })
    };
    let plain = MapOptions::new();
    let populate = MapOptions::new().populate(true).clone();
    let collapse = MapOptions::new().huge_pages(true).clone();
    table(
        &format!("Attaching to {} MiB", len / MIB),
        vec![
            ("raw, plain faults", Box::new(|| raw(0, None))),
            ("raw again (noise)", Box::new(|| raw(0, None))),
            ("raw, MAP_POPULATE", Box::new(|| raw(libc::MAP_POPULATE, None))),
            ("raw, MADV_POPULATE_READ", Box::new(|| raw(0, Some(libc::MADV_POPULATE_READ)))),
            ("raw, MADV_POPULATE_WRITE", Box::new(|| raw(0, Some(libc::MADV_POPULATE_WRITE)))),
            ("memmap2", Box::new(|| memmap2(false))),
            ("memmap2, populate", Box::new(|| memmap2(true))),
            ("posix-shm", Box::new(|| ours(&full, &plain))),
            ("posix-shm, populate", Box::new(|| ours(&full, &populate))),
            ("posix-shm, populate on 2 threads", Box::new(|| on_threads(2))),
            ("posix-shm, huge pages", Box::new(|| ours(&huge, &collapse))),
        ],
    );
    println!("\nThe kernel gave {} of {} MiB as huge pages.", given.huge / MIB, len / MIB);
}
