//! Many values at a time: iterators, blocks, comparing, filling, parts, streams.

use std::io::{ErrorKind, Read, Write};

use bytemuck::{AnyBitPattern, NoUninit, Pod, Zeroable};

use super::Memory;
use crate::access::SharedSlice;
use crate::map::ReadOnly;

/// Miri is slow.
const LONGEST: usize = if cfg!(miri) { 20 } else { 300 };

/// Runs a check for slices that begin at several offsets and have every length. The values count
/// from 1 on.
fn for_slices<T: Pod + PartialEq + std::fmt::Debug>(
    value: impl Fn(usize) -> T,
    check: impl Fn(SharedSlice<'_, T>, &[T]),
) {
    const BYTES: usize = 16 * (LONGEST + 16);
    let memory = Memory::<BYTES>::new();
    let most = (BYTES - 64) / size_of::<T>().max(1);
    for start in if cfg!(miri) { &[3][..] } else { &[0, 1, 3, 8] } {
        // Every length around the size of a block of bytes, and a few more.
        let lens = (0..LONGEST.min(most)).filter(|len| len % 29 == 0 || *len < 70);
        for len in lens.step_by(if cfg!(miri) { 9 } else { 1 }) {
            let slice = memory.slice::<T>(start * align_of::<T>(), len);
            let own: Vec<T> = (1..=len).map(&value).collect();
            slice.copy_from(&own);
            check(slice, &own);
        }
    }
}

/// Runs a check for all sizes that are read in blocks, and for some that are not.
macro_rules! for_types {
    ($check:ident) => {
        for_slices(|i| i as u8, $check);
        for_slices(|i| [i as u8, (i >> 8) as u8, 3], $check);
        if cfg!(miri) {
            return;
        }
        for_slices(|i| i as u16, $check);
        for_slices(|i| i as u32, $check);
        for_slices(|i| i as u64, $check);
        for_slices(|i| [i as u8, 0, 7, 9], $check);
        for_slices(|i| [i as u16; 4], $check);
        for_slices(|i| [i as u32, 1, 2], $check);
    };
}

#[test]
fn an_iterator_does_what_that_of_a_slice_does() {
    fn check<T: Pod + PartialEq + std::fmt::Debug>(slice: SharedSlice<'_, T>, own: &[T]) {
        let theirs = || own.iter().copied();
        assert_eq!(slice.iter().collect::<Vec<_>>(), own);
        assert_eq!(slice.iter().rev().collect::<Vec<_>>(), theirs().rev().collect::<Vec<_>>());
        let mut folded = Vec::new();
        slice.iter().for_each(|value| folded.push(value));
        assert_eq!(folded, own, "fold");
        assert_eq!(slice.iter().len(), own.len());
        assert_eq!(slice.iter().count(), own.len());
        assert_eq!(slice.iter().last(), theirs().last());
        assert_eq!(slice.iter().size_hint(), theirs().size_hint());
        for at in [0, 1, own.len() / 2, own.len().saturating_sub(1), own.len(), usize::MAX] {
            let (mut ours, mut theirs) = (slice.iter(), theirs());
            assert_eq!(ours.nth(at), theirs.nth(at), "nth {at}");
            assert_eq!(ours.len(), theirs.len(), "after nth {at}");
            assert_eq!(ours.nth_back(at), theirs.nth_back(at), "nth_back {at}");
            assert_eq!(ours.next(), theirs.next(), "after nth_back {at}");
        }
        let mut rest = slice.iter();
        rest.next();
        rest.next_back();
        let between = own.get(1..own.len().saturating_sub(1)).unwrap_or(&[]);
        assert!(rest.clone().eq(between.iter().copied()), "some were taken at both ends");
        assert_eq!(rest.fold(0, |count, _| count + 1), between.len());
    }
    for_types!(check);
}

#[test]
fn a_search_stops_after_what_it_finds() {
    fn check<T: Pod + PartialEq + std::fmt::Debug>(slice: SharedSlice<'_, T>, own: &[T]) {
        let ends = [0, 1, 2, own.len() / 3, own.len() / 2, own.len().saturating_sub(1)];
        for target in ends.into_iter().filter_map(|at| own.get(at).copied()) {
            let (mut ours, mut theirs) = (slice.iter(), own.iter().copied());
            let position = theirs.position(|value| value == target);
            assert_eq!(ours.position(|value| value == target), position);
            assert_eq!(ours.next(), theirs.next(), "after position");
            let (mut ours, mut theirs) = (slice.iter(), own.iter().copied());
            assert_eq!(ours.find(|value| *value == target), theirs.find(|value| *value == target));
            assert_eq!(ours.len(), theirs.len(), "after find");
            let (mut ours, mut theirs) = (slice.iter(), own.iter().copied());
            assert_eq!(ours.any(|value| value == target), theirs.any(|value| value == target));
            assert_eq!(ours.len(), theirs.len(), "after any");
            let (mut ours, mut theirs) = (slice.iter(), own.iter().copied());
            assert_eq!(ours.all(|value| value != target), theirs.all(|value| value != target));
            assert_eq!(ours.len(), theirs.len(), "after all");
        }
        assert!(slice.iter().all(|value| own.contains(&value)));
        assert!(!slice.iter().any(|value| !own.contains(&value)));
        assert_eq!(slice.iter().find_map(|_| None::<()>), None);
        let last = own.last().copied();
        assert_eq!(
            slice.iter().find_map(|value| (Some(value) == last).then_some(last)),
            last.map(Some)
        );
    }
    for_types!(check);
}

#[test]
#[allow(clippy::op_ref, reason = "every way to compare is tested")]
fn values_equal_ones_own_or_differ_at_any_place() {
    fn check<T: Pod + PartialEq + std::fmt::Debug>(slice: SharedSlice<'_, T>, own: &[T]) {
        assert!(slice == *own && slice == own && slice == own.to_vec());
        assert!(slice.iter().eq(own.iter().copied()) && !slice.iter().ne(own.iter().copied()));
        let longer = [own, &[T::zeroed()]].concat();
        assert!(slice != longer[..] && !slice.iter().eq(longer.iter().copied()));
        assert!(slice.iter().ne(longer.iter().copied()));
        for at in [0, own.len() / 2, own.len().saturating_sub(1)] {
            let mut other = own.to_vec();
            let Some(value) = other.get_mut(at) else { continue };
            *value = T::zeroed();
            // Counting goes round at 256, so a value may be zero already.
            let same = own[at] == T::zeroed();
            assert_eq!(slice == other[..], same, "one differs, at {at} of {}", own.len());
            assert_eq!(slice.iter().eq(other.iter().copied()), same, "at {at} of {}", own.len());
            assert!(slice != own[..at] && !slice.iter().eq(own[..at].iter().copied()));
        }
    }
    for_types!(check);
    let memory = Memory::of(*b"hello");
    assert!(memory.bytes() == *b"hello" && memory.bytes() == b"hello");
    let other = b"world".to_vec();
    assert!(memory.bytes() != *b"world" && memory.bytes() != b"world");
    assert!(memory.bytes() != other && memory.bytes() != &other && memory.bytes() != &other[..]);
    assert!(memory.bytes() == &b"hello".to_vec());
    // NaN is equal to nothing.
    let memory = Memory::<8>::new();
    memory.slice(0, 2).store(0, f32::NAN);
    assert!(memory.slice::<f32>(0, 2) != [f32::NAN, 0.0]);
}

/// Longer than a block, and more aligned than any.
#[derive(Clone, Copy, AnyBitPattern, NoUninit, PartialEq, Debug)]
#[repr(C, align(128))]
struct Huge([u8; 4096]);

#[test]
fn blocks_have_all_values_in_order() {
    fn check<T: Pod + PartialEq + std::fmt::Debug>(slice: SharedSlice<'_, T>, own: &[T]) {
        let mut found = Vec::new();
        slice.for_each_block(|block| {
            assert!(!block.is_empty(), "an empty block");
            found.extend_from_slice(block);
        });
        assert_eq!(found, own);
    }
    for_types!(check);
    let memory = Memory::<8192>::new();
    let mut lens = Vec::new();
    memory.slice::<u32>(0, 1030).for_each_block(|block| lens.push(block.len()));
    assert_eq!(lens, [512, 512, 6], "blocks of 2048 bytes");
    let mut lens = Vec::new();
    memory.slice::<()>(0, 3).for_each_block(|block| lens.push(block.len()));
    assert_eq!(lens, [1, 1, 1]);
    let memory: Box<HugeMemory> = Box::new(HugeMemory(Memory::new()));
    let huge = memory.0.slice::<Huge>(0, 2);
    huge.fill(Huge([7; 4096]));
    huge.store(1, Huge(std::array::from_fn(|i| i as u8)));
    let mut found = Vec::new();
    huge.for_each_block(|block| found.extend_from_slice(block));
    assert_eq!(found, [Huge([7; 4096]), Huge(std::array::from_fn(|i| i as u8))]);
    assert!(huge == found);
    huge.fill(found[1]);
    assert_eq!(huge.to_vec(), [found[1]; 2]);
}

#[repr(align(128))]
struct HugeMemory(Memory<8192>);

#[test]
fn filling_changes_every_value_and_no_byte_beside() {
    fn check<T: Pod + PartialEq + std::fmt::Debug>(slice: SharedSlice<'_, T>, own: &[T]) {
        if own.len() < 2 {
            return;
        }
        let (first, inner) = (own[0], slice.range(1..own.len() - 1));
        for value in [own[own.len() / 2], first, T::zeroed()] {
            inner.fill(value);
            assert!(inner.iter().all(|found| found == value), "{value:?}");
            assert_eq!((slice.load(0), slice.load(own.len() - 1)), (first, own[own.len() - 1]));
        }
    }
    for_types!(check);
    for_slices(|i| i as u128, check);
    let memory = Memory::<8192>::new();
    let pixels = memory.slice::<[u8; 3]>(1, 2700);
    pixels.fill([1, 2, 3]);
    let bytes = memory.bytes().to_vec();
    assert!(bytes[1..8101].chunks(3).all(|pixel| pixel == [1, 2, 3]));
    assert!(bytes[0] == 0 && bytes[8101..].iter().all(|&byte| byte == 0));
}

#[test]
fn parts_are_views_of_the_same_bytes() {
    let memory = Memory::<64>::of(std::array::from_fn(|i| i as u8));
    let bytes = memory.bytes();
    let (head, tail) = bytes.split_at(10);
    assert_eq!((head.len(), tail.len(), tail.load(0)), (10, 54, 10));
    assert_eq!((bytes.split_at(0).0.len(), bytes.split_at(64).1.len()), (0, 0));
    for count in [1, 5, 10, 63, 64, 65, usize::MAX] {
        let own: Vec<u8> = (0..64).collect();
        let (ours, theirs) = (bytes.chunks(count), own.chunks(count));
        assert_eq!(ours.len(), theirs.len(), "{count}");
        assert_eq!(ours.size_hint(), theirs.size_hint());
        assert!(ours.clone().zip(theirs.clone()).all(|(ours, theirs)| ours == theirs));
        let (ours, theirs) = (ours.rev(), theirs.rev());
        assert!(ours.zip(theirs).all(|(ours, theirs)| ours == theirs), "{count}, backwards");
        let (mut ours, mut theirs) = (bytes.chunks(count), own.chunks(count));
        assert_eq!(ours.nth(2).map(|chunk| chunk.to_vec()), theirs.nth(2).map(<[u8]>::to_vec));
        assert_eq!(ours.next_back().is_some(), theirs.next_back().is_some());
        assert_eq!(ours.len(), theirs.len(), "{count}, after nth");
    }
    let words = bytes.cast::<u32>().unwrap();
    assert_eq!((words.len(), words.load(1)), (16, u32::from_ne_bytes([4, 5, 6, 7])));
    assert_eq!(words.cast::<[u8; 8]>().unwrap().load(7), [56, 57, 58, 59, 60, 61, 62, 63]);
    assert_eq!(bytes.cast::<()>().unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(bytes.range(..0).cast::<u64>().unwrap().len(), 0);
    for (part, says) in [
        (bytes.range(..7), "7 bytes are not a whole number of values of u32 (4 bytes each)"),
        (bytes.range(1..9), "misaligned"),
    ] {
        let error = part.cast::<u32>().unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    let reader: SharedSlice<'_, u8, ReadOnly> = bytes.as_read_only();
    bytes.store(0, 200);
    assert_eq!((reader.load(0), bytes.cell(0).as_read_only().load()), (200, 200));
    let array = bytes.cast::<[u16; 8]>().unwrap().cell(1).as_slice();
    assert_eq!((array.len(), array.load(0)), (8, u16::from_ne_bytes([16, 17])));
    let mut sum = 0_u32;
    for byte in bytes.range(60..) {
        sum += u32::from(byte);
    }
    for byte in &bytes.range(60..) {
        sum += u32::from(byte);
    }
    assert_eq!(sum, 2 * (60 + 61 + 62 + 63));
}

#[derive(Clone, Copy, Pod, Zeroable, PartialEq, Debug)]
#[repr(C)]
struct Slot {
    sequence: u32,
    places: [u16; 2],
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Header {
    kind: [u8; 4],
    best: Slot,
    slots: [Slot; 3],
    grid: [[u16; 4]; 2],
}

#[test]
fn a_path_leads_to_the_field_that_it_names() {
    let memory = Memory::<128>::new();
    let header = memory.slice::<Header>(4, 2).cell(1);
    for i in 0..3 {
        crate::field!(header, Header, slots[i].sequence).store(i as u32 + 1);
        for j in 0..2 {
            crate::field!(header, Header, slots[i].places[j]).store(10 * i as u16 + j as u16);
        }
    }
    crate::field!(header, Header, slots[1]).store(Slot { sequence: 9, places: [8, 7] });
    crate::field!(header, Header, best.sequence).store(77);
    crate::field!(header, Header, best.places[1]).store(78);
    crate::field!(header, Header, kind[3]).store(79);
    let (row, column) = (1, 3);
    crate::field!(header, Header, grid[row][column]).store(80);
    let value = header.load();
    assert_eq!(value.slots[0], Slot { sequence: 1, places: [0, 1] });
    assert_eq!(value.slots[1], Slot { sequence: 9, places: [8, 7] });
    assert_eq!(value.slots[2], Slot { sequence: 3, places: [20, 21] });
    assert_eq!((value.best, value.kind), (Slot { sequence: 77, places: [0, 78] }, [0, 0, 0, 79]));
    assert_eq!(value.grid, [[0; 4], [0, 0, 0, 80]]);
    let outside = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        crate::field!(header, Header, slots[row + 2].sequence).load()
    }));
    assert!(outside.is_err(), "an index out of bounds");
}

#[test]
fn streams_read_and_write_all_or_say_so() {
    let memory = Memory::<10>::of(*b"0123456789");
    let mut reader = memory.bytes().reader();
    let mut four = [0; 4];
    reader.read_exact(&mut four).unwrap();
    assert_eq!(&four, b"0123");
    let mut rest = b"x".to_vec();
    assert_eq!(reader.read_to_end(&mut rest).unwrap(), 6);
    assert_eq!(rest, b"x456789");
    assert_eq!(reader.read_to_end(&mut rest).unwrap(), 0);
    assert_eq!(reader.read_exact(&mut four).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    let mut text = String::from("x");
    assert_eq!(memory.bytes().reader().read_to_string(&mut text).unwrap(), 10);
    assert_eq!(text, "x0123456789");
    memory.bytes().store(5, 0xff);
    let mut reader = memory.bytes().reader();
    assert_eq!(reader.read_to_string(&mut text).unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(text, "x0123456789", "it is as it was");
    let mut writer = memory.bytes().writer();
    writer.write_all(b"abcdefgh").unwrap();
    assert_eq!(writer.write_all(b"ijk").unwrap_err().kind(), ErrorKind::WriteZero);
    assert_eq!(memory.bytes().to_vec(), b"abcdefghij");
}
