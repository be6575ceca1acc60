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
