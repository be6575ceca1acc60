//! The atomic operations: each does the right thing, to no other byte, and in the right order.

#[cfg(not(miri))]
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;

use super::*;
#[cfg(not(miri))]
use crate::map::ReadOnly;

type Cell<'m, T> = SharedCell<'m, T, ReadWrite>;

/// The number of rounds of a loop. Miri is slow.
const fn rounds(normal: usize, miri: usize) -> usize {
    if cfg!(miri) { miri } else { normal }
}

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
}

/// Calls a macro with every type that has atomic operations.
macro_rules! for_every_word {
    ($macro:ident) => {
        $macro!(u8 i8 u16 i16 u32 i32);
        #[cfg(pshm_atomic_64)]
        $macro!(u64 i64);
    };
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

/// Every operation, at every place in a word, with numbers of all kinds, against the same operation
/// on our own integer. All bytes are compared, so that a neighbour that changes is seen as well.
#[test]
fn every_operation_changes_the_value_as_it_should_and_nothing_else() {
    const LEN: usize = 32;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    macro_rules! check {
        ($($word:ident)*) => {
            $(for _ in 0..rounds(20_000, 60) {
                let mut expected = [0; LEN];
                expected.fill_with(|| random.next() as u8);
                let memory = Memory::of(expected);
                let size = size_of::<$word>();
                let offset = size * random.below(LEN / size);
                let cell: Cell<'_, $word> = memory.slice(offset, 1).cell(0);
                let bytes = &mut expected[offset..offset + size];
                let old = $word::from_ne_bytes((&*bytes).try_into().unwrap());

                let mut number = || match random.below(4) {
                    0 => old,
                    1 => [0, 1, $word::MAX, $word::MIN][random.below(4)],
                    _ => random.next() as $word,
                };
                let (first, second) = (number(), number());
                let operation = random.below(11);
                let (new, seen) = match operation {
                    0 => (old, cell.load_relaxed()),
                    1 => (old, cell.load_acquire()),
                    2 => (first, { cell.store_release(first); old }),
                    3 => (first, cell.swap(first)),
                    4 => (old.wrapping_add(first), cell.fetch_add(first)),
                    5 => (old.wrapping_sub(first), cell.fetch_sub(first)),
                    6 => (old & first, cell.fetch_and(first)),
                    7 => (old | first, cell.fetch_or(first)),
                    8 => (old ^ first, cell.fetch_xor(first)),
                    9 => {
                        assert_eq!(cell.compare_exchange(old, first), Ok(old));
                        (first, old)
                    }
                    _ if first == old => {
                        assert_eq!(cell.compare_exchange(first, second), Ok(old));
                        (second, old)
                    }
                    _ => (old, cell.compare_exchange(first, second).unwrap_err()),
                };
                let what = format!("operation {operation}, {}, {first:#x}", stringify!($word));
                assert_eq!(seen, old, "{what}: the previous value");
                bytes.copy_from_slice(&new.to_ne_bytes());
                assert_eq!(memory.bytes().to_vec(), expected, "{what}: the bytes after it");
            })*
        };
    }
    for_every_word!(check);
}

/// `compare_exchange` compares all bytes of the value and no others.
#[test]
fn one_different_bit_makes_an_exchange_fail() {
    macro_rules! check {
        ($($word:ident)*) => {
            $(for bit in 0..$word::BITS {
                let memory = Memory::of([0xa5; 16]);
                let cell: Cell<'_, $word> = memory.slice(8, 1).cell(0);
                let (old, other) = (cell.load(), cell.load() ^ (1 << bit));
                assert_eq!(cell.compare_exchange(other, 0), Err(old), "bit {bit}");
                assert_eq!(memory.bytes().to_vec(), [0xa5; 16], "bit {bit}");
                assert_eq!(cell.compare_exchange(old, other), Ok(old), "bit {bit}");
                assert_eq!(cell.load(), other, "bit {bit}");
            })*
        };
    }
    for_every_word!(check);
}

/// Threads change one integer, each by another operation.
#[test]
fn no_operation_of_a_thread_is_lost() {
    macro_rules! check {
        ($($word:ident)*) => {
            $({
                let memory = Memory::<64>::new();
                let count = rounds(30_000, 40);
                let counter: Cell<'_, $word> = memory.slice(0, 1).cell(0);
                let tokens: Cell<'_, $word> = memory.slice(8, 1).cell(0);
                let bits: Cell<'_, $word> = memory.slice(16, 1).cell(0);
                // The sum of what is taken out of the cell, and what is left in it at the end.
                let swapped = thread::scope(|scope| {
                    let threads = [1, 2, 3].map(|number: $word| scope.spawn(move || {
                        let mut taken = 0 as $word;
                        for _ in 0..count {
                            counter.fetch_add(number);
                            let old = counter.load_relaxed();
                            if counter.compare_exchange(old, old.wrapping_add(2)).is_err() {
                                counter.fetch_add(2);
                            }
                            counter.fetch_sub(1);
                            taken = taken.wrapping_add(tokens.swap(number));
                            // Each thread has a bit of its own.
                            bits.fetch_or(1 << number);
                            assert_ne!(bits.load_acquire() & (1 << number), 0);
                            bits.fetch_and(!(1 << number));
                            assert_eq!(bits.load_acquire() & (1 << number), 0);
                            bits.fetch_xor(1 << number);
                        }
                        taken
                    }));
                    threads.map(|thread| thread.join().unwrap())
                });
                let times = |number: u64| (number * count as u64) as $word;
                let name = stringify!($word);
                assert_eq!(counter.load_acquire(), times(1 + 2 + 3 + 3), "{name}");
                let taken = swapped.into_iter().fold(tokens.load_acquire(), $word::wrapping_add);
                assert_eq!(taken, times(1 + 2 + 3), "{name}: each number is taken out once");
                assert_eq!(bits.load_acquire(), 0b1110, "{name}");
            })*
        };
    }
    for_every_word!(check);
}

/// Each thread has an integer of its own, next to the others'. Where machines can only exchange
/// larger words, that is what must not undo the work of another thread.
#[test]
fn threads_do_not_disturb_each_others_neighbours() {
    macro_rules! check {
        ($($word:ident)*) => {
            $({
                let memory = Memory::<64>::new();
                let count = rounds(50_000, 40);
                let cells = memory.slice::<$word>(0, 4);
                thread::scope(|scope| {
                    for index in 0..4 {
                        let cell = cells.cell(index);
                        scope.spawn(move || {
                            for i in 0..count as u64 {
                                let old = i.wrapping_mul(3) as $word;
                                assert_eq!(cell.fetch_add(1), old);
                                assert_eq!(cell.swap(old), old.wrapping_add(1));
                                let new = old.wrapping_add(2);
                                assert_eq!(cell.compare_exchange(old, new), Ok(old));
                                assert_eq!(cell.load_acquire(), new);
                                cell.store_release(old.wrapping_add(3));
                            }
                        });
                    }
                });
                assert_eq!(cells.to_vec(), [(3 * count as u64) as $word; 4]);
                assert_eq!(memory.bytes().range(4 * size_of::<$word>()..).iter().max(), Some(0));
            })*
        };
    }
    for_every_word!(check);
}

/// Two threads each change one integer and then read the other. In one order of all operations, one
/// of them comes last and sees what the first did.
#[test]
fn read_modify_write_operations_have_one_order() {
    const PAIRS: usize = rounds(200, 10);
    macro_rules! check {
        ($($word:ident)*) => {
            $(for _ in 0..rounds(20, 2) {
                // Far apart, so that they are not in one cache line.
                let memory = Memory::<{ 128 * PAIRS }>::new();
                let cell = |index: usize| memory.slice::<$word>(64 * index, 1).cell(0);
                let together = Barrier::new(2);
                let run = |mine: usize, others: usize| -> Vec<$word> {
                    let read = |pair: usize| {
                        cell(2 * pair + mine).swap(1);
                        cell(2 * pair + others).fetch_add(0)
                    };
                    together.wait();
                    (0..PAIRS).map(read).collect()
                };
                let (first, second) = thread::scope(|scope| {
                    let first = scope.spawn(|| run(0, 1));
                    (run(1, 0), first.join().unwrap())
                });
                for (pair, read) in first.into_iter().zip(second).enumerate() {
                    assert_ne!(read, (0, 0), "{} {pair}", stringify!($word));
                }
            })*
        };
    }
    for_every_word!(check);
}

/// What is written before `store_release` is seen after `load_acquire`, again and again.
#[test]
fn a_release_publishes_to_an_acquire() {
    macro_rules! check {
        ($($word:ident)*) => {
            $({
                let memory = Memory::<256>::new();
                let (data, turn) = (memory.slice::<u32>(0, 1), memory.slice(128, 1).cell(0));
                let turn: Cell<'_, $word> = turn;
                let count = rounds(300, 10) as u32;
                let wait_for = |round: u32| {
                    while turn.load_acquire() != round as $word {
                        thread::yield_now();
                    }
                };
                thread::scope(|scope| {
                    scope.spawn(|| {
                        for round in 0..count {
                            wait_for(2 * round);
                            data.store(0, !round);
                            turn.store_release((2 * round + 1) as $word);
                        }
                    });
                    for round in 0..count {
                        wait_for(2 * round + 1);
                        assert_eq!(data.load(0), !round, "{}", stringify!($word));
                        turn.store_release((2 * round + 2) as $word);
                    }
                });
            })*
        };
    }
    for_every_word!(check);
}

/// On a 32-bit machine, 8 bytes take special instructions to move in one access.
#[test]
#[cfg(pshm_atomic_64)]
fn eight_bytes_are_never_torn() {
    let memory = Memory::<64>::new();
    let count = rounds(100_000, 50);
    let cell: Cell<'_, u64> = memory.slice(8, 1).cell(0);
    let both = |half: u32| u64::from(half) << 32 | u64::from(half);
    let whole = |value: u64| assert_eq!(value >> 32, value & u64::from(u32::MAX), "{value:#x}");
    thread::scope(|scope| {
        for first in [1u32, 0x8000_0000] {
            scope.spawn(move || {
                for i in 0..count as u32 {
                    cell.store_release(both(first.wrapping_add(i)));
                    whole(cell.swap(both(!i)));
                    if let Err(found) = cell.compare_exchange(both(!i), both(i)) {
                        whole(found);
                    }
                }
            });
        }
        for _ in 0..count {
            whole(cell.load_acquire());
            whole(cell.load_relaxed());
        }
    });
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
        ($($word:ident)*) => {
            $({
                let Ok(at) = part_of::<$word>(start, size_of_val(&WORDS), 8, 1) else { panic!() };
                let cell = SharedCell::<$word, ReadOnly>::new(at);
                let bytes = &WORDS.0[1].to_ne_bytes()[..size_of::<$word>()];
                let expected = $word::from_ne_bytes(bytes.try_into().unwrap());
                assert_eq!(cell.load(), expected);
                assert_eq!(cell.load_relaxed(), expected);
                assert_eq!(cell.load_acquire(), expected);
            })*
        };
    }
    check!(u8 i8 u16 i16 u32 i32);
    // The standard library does not promise it for 8 bytes on a 32-bit machine.
    #[cfg(all(pshm_atomic_64, any(target_pointer_width = "64", not(pshm_machine = "std"))))]
    check!(u64 i64);
}

#[test]
#[cfg(pshm_atomic_64)]
fn a_misaligned_integer_panics() {
    // Only on some 32-bit machines does such a cell exist.
    if align_of::<u64>() == size_of::<u64>() {
        return;
    }
    let memory = Memory::<16>::new();
    let cell: Cell<'_, u64> = memory.slice(4, 1).cell(0);
    cell.store(7);
    assert_eq!(cell.load(), 7);
    let operations: [&dyn Fn(); 5] = [
        &|| _ = cell.load_relaxed(),
        &|| _ = cell.load_acquire(),
        &|| cell.store_release(1),
        &|| _ = cell.fetch_sub(1),
        &|| _ = cell.compare_exchange(7, 1),
    ];
    for operation in operations {
        assert!(catch_unwind(AssertUnwindSafe(operation)).is_err());
    }
    assert_eq!(cell.load(), 7);
}

/// Different sizes on the same bytes break no rule in any mode if no two of the accesses race.
#[test]
fn different_sizes_may_follow_each_other() {
    let memory = Memory::<64>::new();
    let (word, half, byte) = (memory.slice(0, 1), memory.slice(0, 2), memory.slice(0, 4));
    let (word, half, byte): (Cell<'_, u32>, Cell<'_, u16>, Cell<'_, u8>) =
        (word.cell(0), half.cell(1), byte.cell(2));
    let ready: Cell<'_, u8> = memory.slice(8, 1).cell(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            word.fetch_or(u32::from_ne_bytes([1, 2, 3, 4]));
            ready.store_release(1);
        });
        while ready.load_acquire() == 0 {
            thread::yield_now();
        }
        assert_eq!(half.load_acquire(), u16::from_ne_bytes([3, 4]));
        assert_eq!((byte.load_acquire(), byte.load()), (3, 3));
        assert_eq!(memory.bytes().range(..4).to_vec(), [1, 2, 3, 4]);
        assert_eq!(word.load(), word.load_relaxed());
    });
    // Until July 2026, Miri stopped with an error of its own at such a write
    // (rust-lang/miri#5185), unless it had the flag `-Zmiri-disable-weak-memory-emulation`.
    if !cfg!(miri) {
        assert_eq!(half.swap(u16::from_ne_bytes([5, 6])), u16::from_ne_bytes([3, 4]));
        memory.bytes().store(3, 7);
        assert_eq!(byte.fetch_sub(1), 5);
        assert_eq!(word.fetch_and(0), u32::from_ne_bytes([1, 2, 4, 7]));
    }
}

/// Byte-wise mode, too, allows operations of the same size to race, `load_relaxed` among them.
#[test]
fn operations_of_one_size_may_race_in_every_mode() {
    let memory = Memory::<64>::new();
    let word: Cell<'_, u32> = memory.slice(0, 1).cell(0);
    thread::scope(|scope| {
        for bit in 0..3 {
            scope.spawn(move || {
                for _ in 0..rounds(1_000, 10) {
                    word.fetch_or(1 << bit);
                    assert_ne!(word.load_relaxed() & 1 << bit, 0);
                    word.fetch_xor(1 << bit);
                }
                word.store_release(word.load_relaxed());
            });
        }
    });
}

/// Different sizes that race have the result that the hardware gives them. That is not so in
/// byte-wise mode: Miri reports this test there.
#[test]
#[cfg(not(pshm_machine = "std"))]
fn a_byte_that_is_stored_inside_an_integer_is_not_lost() {
    macro_rules! check {
        ($($word:ident)*) => {
            $({
                let memory = Memory::<16>::new();
                let count = 100_000u32;
                let word: Cell<'_, $word> = memory.slice(8, 1).cell(0);
                let lowest = if cfg!(target_endian = "big") { size_of::<$word>() - 1 } else { 0 };
                let byte: Cell<'_, u8> = memory.slice(8 + lowest, 1).cell(0);
                thread::scope(|scope| {
                    scope.spawn(move || (0..count).for_each(|_| _ = word.fetch_add(1 << 8)));
                    for i in 0..count {
                        byte.store(i as u8);
                        assert_eq!(byte.swap(!i as u8), i as u8);
                        assert_eq!(byte.load_acquire(), !i as u8);
                    }
                });
                let (name, value) = (stringify!($word), word.load_acquire());
                assert_eq!(value & 0xff, !(count - 1) as u8 as $word, "{name}");
                assert_eq!(value >> 8, ((u64::from(count) << 8) as $word) >> 8, "{name}");
            })*
        };
    }
    check!(u16 u32);
    #[cfg(pshm_atomic_64)]
    check!(u64);
}
