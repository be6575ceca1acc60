//! The atomic operations: each does the right thing, and to no other byte.

#![allow(deprecated, reason = "our oldest compiler has no other name for `fetch_update`")]

#[cfg(not(miri))]
use std::hint::black_box;
use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{
    AtomicI8, AtomicI16, AtomicI32, AtomicIsize, AtomicU8, AtomicU16, AtomicU32, AtomicUsize,
};
#[cfg(pshm_atomic_64)]
use std::sync::atomic::{AtomicI64, AtomicU64};

use super::*;
#[cfg(not(miri))]
use crate::map::ReadOnly;

const LOADS: [Ordering; 3] = [Relaxed, Acquire, SeqCst];
const STORES: [Ordering; 3] = [Relaxed, Release, SeqCst];
const ALL: [Ordering; 5] = [Relaxed, Release, Acquire, AcqRel, SeqCst];

/// The same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

#[test]
fn machine_code_is_used_where_it_is_written() {
    let written = match std::env::consts::ARCH {
        "x86" => true,
        "aarch64" | "loongarch64" | "riscv64" | "s390x" | "x86_64" => usize::BITS == 64,
        // The version cannot be told here.
        "arm" => cfg!(pshm_machine = "arm"),
        _ => false,
    };
    assert_eq!(cfg!(not(pshm_machine = "std")), written && cfg!(not(pshm_bytewise)));
}

/// Every operation in every ordering, at every place in a word, with numbers of all kinds, does
/// what the same operation does to an atomic of the standard library. All bytes are compared, so
/// that a neighbour that changes is seen as well.
#[test]
fn every_operation_does_what_stds_does_and_changes_nothing_else() {
    const LEN: usize = 32;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    macro_rules! check {
        ($($word:ident $atomic:ident),*) => {
            $(for round in 0..rounds(17_000, 170) {
                let mut expected = [0; LEN];
                expected.fill_with(|| random.next() as u8);
                let memory = Memory::of(expected);
                let size = size_of::<$word>();
                let offset = size * random.below(LEN / size);
                let ours = memory.atomic::<$word>(offset);
                let bytes = &mut expected[offset..offset + size];
                let old = $word::from_ne_bytes((&*bytes).try_into().unwrap());
                let std = $atomic::new(old);

                let number = |random: &mut Random| match random.below(4) {
                    0 => old,
                    1 => random.one_of(&[0, 1, $word::MAX, $word::MIN]),
                    _ => random.next() as $word,
                };
                let (first, second) = (number(&mut random), number(&mut random));
                let order = random.one_of(&ALL);
                let (load, store) = (random.one_of(&LOADS), random.one_of(&STORES));
                let what =
                    (stringify!($word), round % 17, old, first, second, order, load, store);
                macro_rules! same {
                    ($operation:ident $arguments:tt) => {
                        assert_eq!(
                            ours.$operation $arguments, std.$operation $arguments, "{what:x?}"
                        )
                    };
                }
                match round % 17 {
                    0 => same!(load(load)),
                    1 => same!(store(first, store)),
                    2 => same!(swap(first, order)),
                    3 => same!(compare_exchange(first, second, order, load)),
                    4 => same!(compare_exchange(old, second, order, load)),
                    5 => same!(compare_exchange_weak(!old, second, order, load)),
                    6 => {
                        while ours.compare_exchange_weak(old, first, order, load).is_err() {}
                        std.store(first, Relaxed);
                    }
                    7 => same!(fetch_add(first, order)),
                    8 => same!(fetch_sub(first, order)),
                    9 => same!(fetch_and(first, order)),
                    10 => same!(fetch_nand(first, order)),
                    11 => same!(fetch_or(first, order)),
                    12 => same!(fetch_xor(first, order)),
                    13 => same!(fetch_max(first, order)),
                    14 => same!(fetch_min(first, order)),
                    15 => assert_eq!(
                        ours.update(order, load, |value| value ^ first),
                        std.fetch_xor(first, order),
                        "{what:x?}"
                    ),
                    _ => same!(fetch_update(order, load, |value| value.checked_add(first))),
                }
                bytes.copy_from_slice(&std.into_inner().to_ne_bytes());
                assert_eq!(memory.bytes().to_vec(), expected, "the bytes after {what:x?}");
            })*
        };
    }
    for_every_word!(check);
}

/// `compare_exchange` compares all bytes of the value and no others.
#[test]
fn one_different_bit_makes_an_exchange_fail() {
    macro_rules! check {
        ($($word:ident $atomic:ident),*) => {
            $(for bit in 0..$word::BITS {
                let memory = Memory::of([0xa5; 16]);
                let atomic = memory.atomic::<$word>(8);
                let old = atomic.load(Relaxed);
                let other = old ^ (1 << bit);
                let exchange = |current, new| atomic.compare_exchange(current, new, SeqCst, SeqCst);
                assert_eq!(exchange(other, 0), Err(old), "bit {bit}");
                assert_eq!(memory.bytes().to_vec(), [0xa5; 16], "bit {bit}");
                assert_eq!(exchange(old, other), Ok(old), "bit {bit}");
                assert_eq!(atomic.load(Relaxed), other, "bit {bit}");
            })*
        };
    }
    for_every_word!(check);
}

fn message(operation: impl FnOnce()) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(operation)).err()?;
    match panic.downcast::<String>() {
        Ok(message) => Some(*message),
        Err(panic) => Some((*panic.downcast::<&str>().unwrap()).to_owned()),
    }
}

/// The orderings that panic are those of the standard library, with the same words.
#[test]
fn orderings_that_do_not_exist_panic_as_in_std() {
    let memory = Memory::<16>::new();
    let (ours, std) = (memory.atomic::<u32>(8), AtomicU32::new(0));
    let mut panics = 0;
    let mut same = |what: String, ours: Option<String>, std: Option<String>| {
        assert_eq!(ours, std, "{what}");
        panics += usize::from(std.is_some());
    };
    for a in ALL {
        macro_rules! check {
            ($($operation:ident $arguments:tt)*) => {
                $(same(
                    format!("{} {a:?}", stringify!($operation $arguments)),
                    message(|| _ = ours.$operation $arguments),
                    message(|| _ = std.$operation $arguments),
                );)*
            };
        }
        check!(load(a) store(0, a) swap(0, a) fetch_add(0, a) fetch_min(0, a) fetch_max(0, a));
        for b in ALL {
            check!(
                compare_exchange(0, 0, a, b) compare_exchange(1, 0, a, b)
                compare_exchange_weak(1, 0, a, b) fetch_update(a, b, |_| None)
                fetch_update(a, b, Some)
            );
        }
    }
    // Two for a load, two for a store, and two for each ordering of the others.
    assert_eq!(panics, 4 + 5 * 5 * 2);
    let words = message(|| _ = ours.load(Release));
    assert_eq!(words.as_deref(), Some("there is no such thing as a release load"));
    assert_eq!(memory.bytes().to_vec(), [0; 16]);
}

/// An ordering for both outcomes is at least as strong as each. Only the unit tests of the machine
/// could tell a wrong one, on machines that reorder much.
#[test]
fn a_compare_exchange_is_as_strong_as_both_of_its_orderings() {
    let memory = Memory::<16>::new();
    let atomic = memory.atomic::<u32>(0);
    let (acquires, releases) = ([Acquire, AcqRel, SeqCst], [Release, AcqRel, SeqCst]);
    for success in ALL {
        for failure in LOADS {
            let both = atomic::for_both(success, failure);
            let either = [success, failure];
            let has = |orders: [Ordering; 3]| either.iter().any(|order| orders.contains(order));
            let expected = match (has(acquires), has(releases)) {
                _ if either.contains(&SeqCst) => SeqCst,
                (true, true) => AcqRel,
                (true, false) => Acquire,
                (false, true) => Release,
                (false, false) => Relaxed,
            };
            assert_eq!(both, expected, "{success:?} {failure:?}");
            assert_eq!(atomic.compare_exchange(0, 0, success, failure), Ok(0));
        }
    }
}

/// In memory where a write would kill the process. Miri has no such memory for atomics.
#[test]
#[cfg(not(miri))]
fn loads_write_nothing() {
    // A constant without interior mutability is in a read-only page.
    #[repr(align(8))]
    struct Words([u64; 2]);
    static WORDS: Words = Words([0, 0x0123_4567_89ab_cdef]);
    let start = NonNull::new(black_box(&raw const WORDS).cast_mut().cast::<u8>()).unwrap();
    macro_rules! check {
        ($($word:ident $atomic:ident),*) => {
            $({
                let Ok(at) = part_of::<$word>(start, size_of_val(&WORDS), 8, 1) else { panic!() };
                let cell = SharedCell::<$word, ReadOnly>::new(at);
                let bytes = &WORDS.0[1].to_ne_bytes()[..size_of::<$word>()];
                let expected = $word::from_ne_bytes(bytes.try_into().unwrap());
                assert_eq!(cell.load(), expected);
                // The standard library does not promise it for 8 bytes on a 32-bit machine.
                if size_of::<$word>() <= size_of::<usize>() || cfg!(not(pshm_machine = "std")) {
                    assert_eq!(LOADS.map(|order| cell.atomic().load(order)), [expected; 3]);
                }
            })*
        };
    }
    for_every_word!(check);
}

#[test]
#[cfg(pshm_atomic_64)]
fn a_misaligned_integer_has_no_atomic_operations() {
    let memory = Memory::<16>::new();
    assert!(aligned_part_of::<u64>(memory.start(), 16, 4, 1, size_of::<u64>()).is_err());
    // Only on some 32-bit machines does such a cell exist.
    if align_of::<u64>() < size_of::<u64>() {
        let cell = memory.slice::<u64>(4, 1).cell(0);
        cell.store(7);
        let words = message(|| _ = cell.atomic());
        let address = memory.start().addr().get() + 4;
        let expected =
            format!("an atomic u64 must be at a multiple of 8, and this one is at {address:#x}");
        assert_eq!(words, Some(expected));
        assert_eq!(cell.load(), 7);
    }
}
