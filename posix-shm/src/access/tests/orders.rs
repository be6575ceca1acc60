//! The atomic operations between threads: nothing is lost or torn, and everything is in order.
//!
//! Miri runs these with the standard library's atomics, and lets loads return older values where
//! the orderings allow it. So it finds an ordering or a fence that is missing here, which x86 would
//! hide. `.ci/steps/50-miri` runs the sequence lock with several schedules.

#[cfg(pshm_atomic_64)]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicUsize, fence};
use std::thread;

use super::*;

/// Threads change one integer, each by another operation.
#[test]
fn no_operation_of_a_thread_is_lost() {
    macro_rules! check {
        ($($word:ident $atomic:ident),*) => {
            $(for order in [Relaxed, Acquire, Release, SeqCst] {
                let memory = Memory::<64>::new();
                let count = rounds(8_000, 10);
                let counter = memory.atomic::<$word>(0);
                let tokens = memory.atomic::<$word>(8);
                let bits = memory.atomic::<$word>(16);
                let most = memory.atomic::<$word>(24);
                let least = memory.atomic::<$word>(32);
                // The sum of what is taken out of `tokens`, and what is left in it at the end.
                let swapped = thread::scope(|scope| {
                    let threads = [1, 2, 3].map(|number: $word| scope.spawn(move || {
                        let mut taken = 0 as $word;
                        for i in 0..count {
                            counter.fetch_add(number, order);
                            let old = counter.load(Relaxed);
                            let new = old.wrapping_add(2);
                            if counter.compare_exchange(old, new, order, Relaxed).is_err() {
                                counter.fetch_add(2, order);
                            }
                            counter.fetch_sub(1, order);
                            let add = |old: $word| Some(old.wrapping_add(1));
                            counter.fetch_update(order, Relaxed, add).unwrap();
                            taken = taken.wrapping_add(tokens.swap(number, order));
                            // Each thread has a bit of its own.
                            bits.fetch_or(1 << number, order);
                            assert_ne!(bits.load(Relaxed) & (1 << number), 0);
                            bits.fetch_and(!(1 << number), order);
                            assert_eq!(bits.load(Relaxed) & (1 << number), 0);
                            bits.fetch_xor(1 << number, order);
                            let mine = (i as $word).wrapping_mul(number);
                            assert!(most.fetch_max(mine, order) <= most.load(Relaxed));
                            assert!(least.fetch_min(mine, order) >= least.load(Relaxed));
                        }
                        taken
                    }));
                    threads.map(|thread| thread.join().unwrap())
                });
                let times = |number: u64| (number * count as u64) as $word;
                let name = stringify!($word);
                assert_eq!(counter.load(SeqCst), times(1 + 2 + 3 + 3 + 3), "{name} {order:?}");
                let taken = swapped.into_iter().fold(tokens.load(SeqCst), $word::wrapping_add);
                assert_eq!(taken, times(1 + 2 + 3), "{name}: each number is taken out once");
                assert_eq!(bits.load(SeqCst), 0b1110, "{name} {order:?}");
                let all = || [1, 2, 3].into_iter().flat_map(|number: $word| {
                    (0..count).map(move |i| (i as $word).wrapping_mul(number))
                });
                assert_eq!(most.load(SeqCst), all().fold(0, Ord::max), "{name} {order:?}");
                assert_eq!(least.load(SeqCst), all().fold(0, Ord::min), "{name} {order:?}");
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
        ($($word:ident $atomic:ident),*) => {
            $({
                let memory = Memory::<64>::new();
                let count = rounds(50_000, 40);
                let cells = memory.slice::<$word>(0, 4);
                thread::scope(|scope| {
                    for index in 0..4 {
                        let own = cells.cell(index).atomic();
                        scope.spawn(move || {
                            for i in 0..count as u64 {
                                let old = i.wrapping_mul(3) as $word;
                                assert_eq!(own.fetch_add(1, AcqRel), old);
                                assert_eq!(own.swap(old, AcqRel), old.wrapping_add(1));
                                let new = old.wrapping_add(2);
                                let exchanged = own.compare_exchange(old, new, AcqRel, Relaxed);
                                assert_eq!(exchanged, Ok(old));
                                assert_eq!(own.load(Acquire), new);
                                own.store(old.wrapping_add(3), Release);
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

/// How a thread stores 1, and how it then loads.
type Way<T> = (fn(SharedAtomic<'_, T>), fn(SharedAtomic<'_, T>) -> T);

/// Two threads each store to one integer and then load the other, many times. Returns whether it
/// happened that neither saw the other's store.
fn neither_sees_the_other<T: Word>(ways: [Way<T>; 2]) -> bool {
    const PAIRS: usize = rounds(300, 5);
    // Far apart, so that they are not in one cache line.
    let memory = Memory::<{ 128 * PAIRS }>::new();
    let arrived = AtomicUsize::new(0);
    let run = |own: usize| -> Vec<T> {
        let (store, load) = ways[own];
        let read = |pair: usize| {
            let stored = memory.atomic(128 * pair + 64 * own);
            let loaded = memory.atomic(128 * pair + 64 * (1 - own));
            // Both threads go on at the same time.
            arrived.fetch_add(1, SeqCst);
            for i in 0.. {
                if arrived.load(SeqCst) >= 2 * (pair + 1) {
                    break;
                } else if cfg!(miri) || i > 1_000 {
                    thread::yield_now();
                }
            }
            store(stored);
            load(loaded)
        };
        (0..PAIRS).map(read).collect()
    };
    let (first, second) = thread::scope(|scope| {
        let first = scope.spawn(|| run(0));
        (run(1), first.join().unwrap())
    });
    first.into_iter().zip(second).any(|read| read == (T::zeroed(), T::zeroed()))
}

/// In one order of all operations, the second store comes before a load of the other thread, so one
/// of the threads sees the other's store. That holds for each way to store and to load, and if one
/// thread uses ours and the other the standard library's.
#[test]
fn sequentially_consistent_operations_have_one_order_with_stds() {
    macro_rules! check {
        ($($word:ident $atomic:ident),*) => {
            $({
                type Ours<'m> = SharedAtomic<'m, $word>;
                fn std(ours: Ours<'_>) -> &$atomic {
                    // SAFETY: only such references and operations of the same size access it.
                    unsafe { ours.as_std() }
                }
                let stds: Way<$word> = (|at| std(at).store(1, SeqCst), |at| std(at).load(SeqCst));
                let ways: [Way<$word>; 5] = [
                    (|at| at.store(1, SeqCst), |at| at.load(SeqCst)),
                    (|at| _ = at.swap(1, SeqCst), |at| at.fetch_add(0, SeqCst)),
                    (
                        |at| { at.store(1, Relaxed); fence(SeqCst) },
                        |at| { fence(SeqCst); at.load(Relaxed) },
                    ),
                    (
                        |at| _ = at.compare_exchange(0, 1, SeqCst, Relaxed),
                        |at| at.fetch_update(Relaxed, SeqCst, |_| None).unwrap_err(),
                    ),
                    stds,
                ];
                for (mine, others) in (0..25).map(|i| (i % 5, i / 5)) {
                    // Under Miri, each way meets itself and the next.
                    if cfg!(miri) && (others + 5 - mine) % 5 > 1 {
                        continue;
                    }
                    // QEMU 7.2 lets a `ldar` of AArch64 overtake a `stlr`. std's atomics show it.
                    let wrong = neither_sees_the_other([ways[mine], ways[others]])
                        && !(0..100).any(|_| neither_sees_the_other([stds, stds]));
                    assert!(!wrong, "{}: ways {mine} and {others}", stringify!($word));
                }
            })*
        };
    }
    // Signed integers have the same operations.
    check!(u8 AtomicU8, u16 AtomicU16, u32 AtomicU32);
    #[cfg(pshm_atomic_64)]
    check!(u64 AtomicU64);
}

/// What is written before a release is seen after an acquire, again and again, whether they are
/// operations or fences of the standard library.
#[test]
fn a_release_publishes_to_an_acquire() {
    macro_rules! check {
        ($($word:ident $atomic:ident),*) => {
            $(for with_fences in [false, true] {
                let memory = Memory::<256>::new();
                let (data, turn) = (memory.slice::<u32>(0, 1), memory.atomic::<$word>(128));
                let count = rounds(300, 10) as u32;
                let wait_for = |round: u32| {
                    let order = if with_fences { Relaxed } else { Acquire };
                    while turn.load(order) != round as $word {
                        thread::yield_now();
                    }
                    if with_fences {
                        fence(Acquire);
                    }
                };
                let publish = |round: u32| {
                    if with_fences {
                        fence(Release);
                        turn.store(round as $word, Relaxed);
                    } else {
                        turn.store(round as $word, Release);
                    }
                };
                thread::scope(|scope| {
                    scope.spawn(|| {
                        for round in 0..count {
                            wait_for(2 * round);
                            data.store(0, !round);
                            publish(2 * round + 1);
                        }
                    });
                    for round in 0..count {
                        wait_for(2 * round + 1);
                        assert_eq!(data.load(0), !round, "{}", stringify!($word));
                        publish(2 * round + 2);
                    }
                });
            })*
        };
    }
    for_every_word!(check);
}

/// The sequence lock in the documentation of [`SharedAtomic`]: no reader uses a mixture.
///
/// Why it is right, on every machine: if a reader has copied a word of a later write, that write's
/// release fence comes before the store of the word, and the reader's acquire fence after the load
/// of it. So the fences synchronize, and the second load of the sequence sees at least the odd
/// number that was stored before the release fence. If it has copied a word of an earlier write
/// than the sequence says, the first load of the sequence was no acquire of the later write's
/// release.
#[test]
fn a_sequence_lock_never_shows_a_mixture() {
    const WORDS: usize = 3;
    let memory = Memory::<128>::new();
    let (sequence, data) = (memory.atomic::<u32>(0), memory.slice::<u64>(64, WORDS));
    let write = |values: &[u64]| {
        let odd = sequence.load(Relaxed) | 1;
        sequence.store(odd, Relaxed);
        fence(Release);
        data.copy_from(values);
        sequence.store(odd.wrapping_add(1), Release);
    };
    let read = |values: &mut [u64]| {
        let before = sequence.load(Acquire);
        data.copy_to(values);
        fence(Acquire);
        before % 2 == 0 && sequence.load(Relaxed) == before
    };
    let count = rounds(200_000, 12) as u64;
    thread::scope(|scope| {
        scope.spawn(|| (1..=count).for_each(|round| write(&[round; WORDS])));
        for _ in 0..rounds(1, 2) {
            scope.spawn(|| {
                let mut last = 0;
                for _ in 0..rounds(usize::MAX, 30) {
                    let mut values = [0; WORDS];
                    if read(&mut values) {
                        assert_eq!(values, [values[0]; WORDS], "a mixture");
                        assert!(values[0] >= last, "{} after {last}", values[0]);
                        last = values[0];
                    }
                    if last == count {
                        break;
                    }
                }
            });
        }
    });
    let mut values = [0; WORDS];
    assert!(read(&mut values));
    assert_eq!(values, [count; WORDS]);
}

/// On a 32-bit machine, 8 bytes take special instructions to move in one access.
#[test]
#[cfg(pshm_atomic_64)]
fn eight_bytes_are_never_torn() {
    let memory = Memory::<64>::new();
    let count = rounds(100_000, 50);
    let atomic = memory.atomic::<u64>(8);
    let both = |half: u32| u64::from(half) << 32 | u64::from(half);
    let whole = |value: u64| assert_eq!(value >> 32, value & u64::from(u32::MAX), "{value:#x}");
    thread::scope(|scope| {
        for (first, order) in [(1u32, Relaxed), (0x8000_0000, Release), (0x4000_0000, SeqCst)] {
            scope.spawn(move || {
                for i in 0..count as u32 {
                    atomic.store(both(first.wrapping_add(i)), order);
                    whole(atomic.swap(both(!i), order));
                    let exchanged = atomic.compare_exchange(both(!i), both(i), order, Relaxed);
                    whole(exchanged.unwrap_or_else(|found| found));
                }
            });
        }
        for _ in 0..count {
            [Relaxed, Acquire, SeqCst].into_iter().for_each(|order| whole(atomic.load(order)));
        }
    });
}

/// Different sizes on the same bytes break no rule in any mode if no two of the accesses race.
#[test]
fn different_sizes_may_follow_each_other() {
    let memory = Memory::<64>::new();
    let (word, half, byte) =
        (memory.atomic::<u32>(0), memory.atomic::<u16>(2), memory.slice::<u8>(0, 4).cell(2));
    let ready = memory.atomic::<u8>(8);
    thread::scope(|scope| {
        scope.spawn(|| {
            word.fetch_or(u32::from_ne_bytes([1, 2, 3, 4]), Relaxed);
            ready.store(1, Release);
        });
        while ready.load(Acquire) == 0 {
            thread::yield_now();
        }
        assert_eq!(half.load(Relaxed), u16::from_ne_bytes([3, 4]));
        assert_eq!((byte.atomic().load(Acquire), byte.load()), (3, 3));
        assert_eq!(memory.bytes().range(..4).to_vec(), [1, 2, 3, 4]);
        assert_eq!(memory.slice::<u32>(0, 1).load(0), word.load(SeqCst));
    });
    // Until July 2026, Miri stopped with an error of its own at such a write
    // (rust-lang/miri#5185), unless it had the flag `-Zmiri-disable-weak-memory-emulation`.
    if !cfg!(miri) {
        assert_eq!(half.swap(u16::from_ne_bytes([5, 6]), Relaxed), u16::from_ne_bytes([3, 4]));
        memory.bytes().store(3, 7);
        assert_eq!(byte.atomic().fetch_sub(1, Relaxed), 5);
        assert_eq!(word.fetch_and(0, Relaxed), u32::from_ne_bytes([1, 2, 4, 7]));
    }
}

/// In every mode, operations of the same size may race: signed and unsigned, and those of the
/// standard library.
#[test]
fn operations_of_one_size_may_race_in_every_mode() {
    let memory = Memory::<64>::new();
    let (word, signed) = (memory.atomic::<u32>(0), memory.slice::<i32>(0, 1).cell(0).atomic());
    // SAFETY: only operations of the same size access the bytes while the reference lives.
    let std: &AtomicU32 = unsafe { word.as_std() };
    let count = rounds(1_000, 10);
    thread::scope(|scope| {
        for bit in 0..3 {
            scope.spawn(move || {
                for _ in 0..count {
                    word.fetch_or(1 << bit, Relaxed);
                    assert_ne!(std.load(Relaxed) & 1 << bit, 0);
                    std.fetch_and(!(1 << bit), Relaxed);
                    assert_eq!(signed.load(SeqCst) & 1 << bit, 0);
                    signed.fetch_add(8, AcqRel);
                }
            });
        }
    });
    assert_eq!(std.load(Relaxed), 3 * 8 * count as u32);
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
                let word = memory.atomic::<$word>(8);
                let lowest = if cfg!(target_endian = "big") { size_of::<$word>() - 1 } else { 0 };
                let byte = memory.slice::<u8>(8 + lowest, 1).cell(0);
                thread::scope(|scope| {
                    let add = move |_| _ = word.fetch_add(1 << 8, Relaxed);
                    scope.spawn(move || (0..count).for_each(add));
                    for i in 0..count {
                        byte.store(i as u8);
                        assert_eq!(byte.atomic().swap(!i as u8, Relaxed), i as u8);
                        assert_eq!(byte.atomic().load(Relaxed), !i as u8);
                    }
                });
                let (name, value) = (stringify!($word), word.load(Relaxed));
                assert_eq!(value & 0xff, !(count - 1) as u8 as $word, "{name}");
                assert_eq!(value >> 8, ((u64::from(count) << 8) as $word) >> 8, "{name}");
            })*
        };
    }
    check!(u16 u32);
    #[cfg(pshm_atomic_64)]
    check!(u64);
}
