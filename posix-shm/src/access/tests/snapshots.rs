//! The sequence lock over our own memory. Miri tries other schedules, and old values.

use std::thread;

use super::*;
use crate::access::seq_lock::SeqLock;

#[test]
fn no_snapshot_is_a_mix() {
    const ROUNDS: u32 = if cfg!(miri) { 8 } else { 10_000 };
    let memory = Memory::<64>::new();
    let lock = SeqLock::new(memory.atomic(0));
    let data = memory.slice::<u8>(8, 16);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 1..=ROUNDS {
                lock.write(|| data.copy_from(&[number as u8; 16])).unwrap();
            }
        });
        let reader = lock.as_read_only();
        let mut copy = [0; 16];
        while !writer.is_finished() {
            if reader.try_read(|| data.copy_to(&mut copy)).is_some() {
                assert_eq!(copy, [copy[0]; 16]);
            }
        }
    });
    assert_eq!(lock.read(|| data.load(15)).unwrap(), ROUNDS as u8);
}

/// Values of up to 64 bytes are copied in other pieces than by `load`.
#[test]
fn snapshots_of_every_size_come_back_from_any_address() {
    fn check<const N: usize>() {
        let memory = Memory::<256>::new();
        for offset in 0..17 {
            let slice = memory.slice::<[u8; N]>(offset, 2);
            let values = [1, 101].map(|first| std::array::from_fn(|i| (first + i) as u8));
            slice.copy_from(&values);
            let found = [0, 1].map(|i| slice.cell(i).load_for_snapshot());
            assert_eq!(found, values, "{N} bytes at {offset}");
            slice.fill([0; N]);
        }
    }
    macro_rules! check_all {
        ($($size:literal)*) => {
            $(check::<$size>();)*
        };
    }
    check_all!(0 1 2 3 4 7 8 9 12 15 16 17 18 19 20 23 24 25 28 31 32 33 34 36 39 40 41 47 48 49);
    check_all!(50 52 55 56 57 62 63 64 65 80);
}
