//! Atomic operations against the standard library's, and a ring of messages between two threads.

use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use posix_shm::{Mapping, ReadWrite, SharedAtomic};
use posix_shm_benches::{Variant, ratios};

pub fn table(mapping: &Mapping<ReadWrite>) {
    println!("\nAtomic operations: time divided by the standard library's, median");
    println!("| | posix-shm |\n|---|---:|");
    operations(mapping);
    println!("\nA ring between two threads: time divided by that of raw pointers, median");
    println!("| bytes in a message | posix-shm |\n|---:|---:|");
    for size in [8, 64, 1 << 10, 64 << 10] {
        ring(mapping, size);
    }
}

fn operations(mapping: &Mapping<ReadWrite>) {
    let ours = mapping.atomic::<u32>(0).unwrap();
    let theirs = AtomicU32::new(0);
    macro_rules! row {
        ($name:literal, $operation:ident($($argument:expr),*)) => {
            let std = |times| {
                for _ in 0..times {
                    let _ = black_box(theirs.$operation($($argument),*));
                }
            };
            let shared = |times| {
                for _ in 0..times {
                    let _ = black_box(ours.$operation($($argument),*));
                }
            };
            let mut variants = [
                Variant { name: "std", run: Box::new(std) },
                Variant { name: "posix-shm", run: Box::new(shared) },
            ];
            println!("| {} | {:.2} |", $name, ratios(&mut variants, 101)[1]);
        };
    }
    row!("load, Relaxed", load(Ordering::Relaxed));
    row!("load, Acquire", load(Ordering::Acquire));
    row!("load, SeqCst", load(Ordering::SeqCst));
    row!("store, Release", store(7, Ordering::Release));
    row!("store, SeqCst", store(7, Ordering::SeqCst));
    row!("swap, AcqRel", swap(7, Ordering::AcqRel));
    row!("fetch_add, Relaxed", fetch_add(1, Ordering::Relaxed));
    row!("fetch_add, SeqCst", fetch_add(1, Ordering::SeqCst));
    row!("compare_exchange, AcqRel", compare_exchange(7, 7, Ordering::AcqRel, Ordering::Acquire));
    row!("fetch_or, Release", fetch_or(1, Ordering::Release));
    row!("fetch_max, Relaxed", fetch_max(1, Ordering::Relaxed));
}

/// Where the parts of the ring are: the words that are written by one side, and the messages.
const HEAD: usize = 0;
const TAIL: usize = 256;
const DATA: usize = 4096;
const CAPACITY: usize = 1 << 20;

/// A word of the ring, ours or the standard library's.
trait Counter: Copy + Send {
    fn get(self) -> u64;
    fn set(self, value: u64);
}

impl Counter for SharedAtomic<'_, u64> {
    fn get(self) -> u64 {
        self.load(Ordering::Acquire)
    }
    fn set(self, value: u64) {
        self.store(value, Ordering::Release);
    }
}

impl Counter for &AtomicU64 {
    fn get(self) -> u64 {
        self.load(Ordering::Acquire)
    }
    fn set(self, value: u64) {
        self.store(value, Ordering::Release);
    }
}

/// Sends messages of one size, each by `put`, which gets its place.
fn produce(head: impl Counter, tail: impl Counter, size: u64, times: u64, put: impl Fn(usize)) {
    let (mut taken, mut sent) = (head.get(), tail.get());
    for _ in 0..times {
        while sent + size - taken > CAPACITY as u64 {
            taken = head.get();
            spin_loop();
        }
        put(sent as usize % CAPACITY);
        sent += size;
        tail.set(sent);
    }
}

/// Takes as many.
fn consume(head: impl Counter, tail: impl Counter, size: u64, times: u64, take: impl Fn(usize)) {
    let (mut taken, mut sent) = (head.get(), tail.get());
    for _ in 0..times {
        while sent - taken < size {
            sent = tail.get();
            spin_loop();
        }
        take(taken as usize % CAPACITY);
        taken += size;
        head.set(taken);
    }
}

#[derive(Clone, Copy)]
struct Start(*mut u8);

// SAFETY: the two threads access disjoint parts of the ring, in turns.
unsafe impl Send for Start {}

fn ring(mapping: &Mapping<ReadWrite>, size: usize) {
    mapping.atomic::<u64>(HEAD).unwrap().store(0, Ordering::Relaxed);
    mapping.atomic::<u64>(TAIL).unwrap().store(0, Ordering::Relaxed);
    let raw = move |times: u32| {
        let start = Start(mapping.as_mut_ptr());
        let word = move |offset| {
            // SAFETY: the mapping is longer than that, and these words are aligned in it.
            unsafe { AtomicU64::from_ptr(start.0.add(offset).cast()) }
        };
        let (head, tail): (&AtomicU64, &AtomicU64) = (word(HEAD), word(TAIL));
        let times = u64::from(times);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let start = start;
                let message = vec![1_u8; size];
                produce(head, tail, size as u64, times, |at| {
                    // SAFETY: the place is inside the ring, and the other side waits for it.
                    unsafe {
                        let to = start.0.add(DATA + at);
                        std::ptr::copy_nonoverlapping(black_box(&message[..]).as_ptr(), to, size);
                    }
                });
            });
            let into = vec![0_u8; size];
            consume(head, tail, size as u64, times, |at| {
                // SAFETY: as above.
                unsafe {
                    let from = mapping.as_ptr().add(DATA + at);
                    let into = black_box(&into[..]).as_ptr().cast_mut();
                    std::ptr::copy_nonoverlapping(from, into, size);
                }
            });
        });
    };
    let ours = move |times: u32| {
        let (head, tail) = (mapping.atomic(HEAD).unwrap(), mapping.atomic(TAIL).unwrap());
        let data = mapping.slice::<u8>(DATA, CAPACITY).unwrap();
        let times = u64::from(times);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let message = vec![1_u8; size];
                produce(head, tail, size as u64, times, |at| {
                    data.range(at..at + size).copy_from(black_box(&message[..]));
                });
            });
            let into = std::cell::RefCell::new(vec![0_u8; size]);
            consume(head, tail, size as u64, times, |at| {
                data.range(at..at + size).copy_to(black_box(&mut into.borrow_mut()[..]));
            });
        });
    };
    // One batch is so long that starting a thread costs little of it.
    let batch = (1 << 24) / size.max(256) as u32;
    let batched = |name, run: Box<dyn Fn(u32)>| Variant {
        name,
        run: Box::new(move |times| (0..times).for_each(|_| run(batch))),
    };
    let mut variants = [batched("raw", Box::new(raw)), batched("posix-shm", Box::new(ours))];
    println!("| {size} | {:.2} |", ratios(&mut variants, 31)[1]);
}
