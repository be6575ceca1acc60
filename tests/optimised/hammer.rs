//! What hammers at shared bytes.

use std::hint::black_box;
use std::io::{Read, Write};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::time::{Duration, Instant};

use posix_shm::{Mapping, ReadOnly, ReadWrite};

/// The number of words in the first page.
const WORDS: usize = 4096 / size_of::<usize>();

/// A word whose upper half is computed from the lower one, so that a torn word can be recognised.
fn whole_word(word: usize) -> usize {
    let bits = usize::BITS / 2;
    let half = word & (usize::MAX >> bits);
    half | !(half << 7 | half >> (bits - 7)) << bits
}

/// Whether [`scribble`] wrote this word as a whole. A word of the size of a pointer never tears.
fn is_whole(word: usize) -> bool {
    word == whole_word(word)
}

/// Runs every method for ten seconds, while a peer [scribbles](scribble) on the object, which has
/// 64 KiB. It returns the number of rounds, and how many words of the peer it found.
pub fn use_everything(mapping: &Mapping<ReadWrite>, reader: &Mapping<ReadOnly>) -> (u64, u64) {
    let words = mapping.slice::<usize>(0, WORDS).unwrap();
    let rest = mapping.bytes().range(4096..);
    let mut own = vec![0; rest.len()];
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
    (rounds, written)
}

/// Writes without end, as a hostile peer would: whole words into the first page, and random bytes
/// of random lengths everywhere else.
pub fn scribble(mapping: &Mapping<ReadWrite>) -> ! {
    let words = mapping.slice::<usize>(0, WORDS).unwrap();
    let rest = mapping.bytes().range(4096..);
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut junk = vec![0; 5000];
    loop {
        for i in 0..words.len() {
            words.store(i, whole_word(random() as usize));
        }
        junk.chunks_mut(8)
            .for_each(|chunk| chunk.copy_from_slice(&random().to_ne_bytes()[..chunk.len()]));
        for _ in 0..100 {
            let len = random() as usize % junk.len();
            let start = random() as usize % (rest.len() - len);
            rest.range(start..start + len).copy_from(&junk[..len]);
            rest.store(random() as usize % rest.len(), random() as u8);
        }
    }
}

/// Adds to the first word, again and again.
pub fn count(mapping: &Mapping<ReadWrite>, times: u64) {
    let counter = mapping.atomic::<u64>(0).unwrap();
    for _ in 0..times {
        counter.fetch_add(1, Relaxed);
    }
}
