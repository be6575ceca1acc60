//! A peer that writes at random while every method runs. Nothing crashes, and no word is torn.

use std::hint::black_box;
use std::io::{Read, Write};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::time::{Duration, Instant};

use posix_shm::{MapOptions, Shm};

use crate::common::{Names, peer, whole_word};

/// Whether the scribbler wrote this word as a whole. A word of the size of a pointer never tears.
fn is_whole(word: usize) -> bool {
    word == whole_word(word)
}

#[test]
fn nothing_a_peer_writes_breaks_anything() {
    const LEN: usize = 64 << 10;
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, LEN as u64).unwrap();
    let mapping = object.map_mut().unwrap();
    let reader = MapOptions::new().offset(4096).map(&object).unwrap();
    let mut scribbler = peer("scribble", [name.as_os_str()]).spawn().unwrap();

    let words = mapping.slice::<usize>(0, 4096 / size_of::<usize>()).unwrap();
    let rest = mapping.bytes().range(4096..);
    let mut own = vec![0; LEN - 4096];
    let (mut rounds, mut written) = (0u64, 0u64);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        rounds += 1;
        for i in 0..words.len() {
            let word = words.load(i);
            assert!(word == 0 || is_whole(word), "a torn word: {word:#018x}");
            written += u64::from(word != 0);
        }
        for word in words.iter().chain([words.get(words.len() - 1).unwrap()]) {
            assert!(word == 0 || is_whole(word), "a torn word: {word:#018x}");
        }
        // In blocks, which tear no word either.
        words.iter().for_each(|word| assert!(word == 0 || is_whole(word), "torn: {word:#018x}"));
        let torn = words.iter().position(|word| word != 0 && !is_whole(word));
        assert_eq!(torn, None, "a torn word");
        let shift = rounds as usize % 64;
        black_box(rest.iter().map(u64::from).sum::<u64>());
        rest.for_each_block(|block| drop(black_box(block.to_vec())));
        black_box(rest == own[..]);
        let records = mapping.slice::<[u64; 3]>(8192, 100).unwrap();
        records.store(shift, records.load(99 - shift));
        rest.copy_to(&mut own);
        rest.range(shift..).copy_from(&own[shift..]);
        rest.copy_within(..1000 + shift, 3);
        rest.range(..shift).fill(rounds as u8);
        black_box(reader.slice::<[u16; 7]>(2, 100).unwrap().to_vec());
        black_box(reader.cell::<u128>(16).unwrap().load());
        black_box(reader.atomic::<u32>(shift * 4).unwrap().load(SeqCst));
        let counter = mapping.atomic::<u16>(8192 + 2 * shift).unwrap();
        let added = counter.fetch_add(1, Relaxed);
        black_box((added, counter.fetch_or(2, Release), counter.swap(3, SeqCst)));
        black_box(counter.compare_exchange(4, 5, AcqRel, Acquire)).ok();
        black_box(counter.fetch_update(SeqCst, Relaxed, |old| old.checked_mul(3))).ok();
        counter.store(7, SeqCst);
        black_box(rest.reader().read(&mut own).unwrap());
        rest.range(100..300).writer().write_all(&own[..50 + shift]).unwrap();
    }
    let ended = scribbler.try_wait().unwrap();
    assert!(ended.is_none(), "the scribbler ended too early: {ended:?}");
    scribbler.kill().unwrap();
    scribbler.wait().unwrap();
    assert!(rounds > 100, "only {rounds} rounds");
    assert!(written > 0, "the scribbler wrote nothing");
    println!("{rounds} rounds, {written} whole words");
    object.unlink().unwrap();
}

#[test]
fn no_increment_of_a_shared_counter_is_lost() {
    const TIMES: u64 = 1_000_000;
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, 8).unwrap();
    let counter = object.map_mut().unwrap();
    let mut others: Vec<_> = (0..2)
        .map(|_| peer("count", [name.to_string(), TIMES.to_string()]).spawn().unwrap())
        .collect();
    for other in &mut others {
        let status = other.wait().unwrap();
        assert!(status.success(), "a counting process failed: {status}");
    }
    assert_eq!(counter.atomic::<u64>(0).unwrap().load(Relaxed), 2 * TIMES);
    object.unlink().unwrap();
}
