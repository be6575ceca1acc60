//! The access layer over our own memory, without the system, so that Miri can follow.

use std::cell::UnsafeCell;
use std::fmt;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use bytemuck::{AnyBitPattern, NoUninit};

use super::bounds::{aligned_part_of, part_of};
use super::*;
use crate::map::ReadWrite;

mod atomics;
mod immutable;
mod kept;
mod many;
mod orders;
mod snapshots;

/// Aligned memory that only raw pointers access, like mapped memory.
#[repr(align(64))]
struct Memory<const LEN: usize>(UnsafeCell<[u8; LEN]>);

// SAFETY: only the functions under test access it, and any number of threads may call them at once.
unsafe impl<const LEN: usize> Sync for Memory<LEN> {}

impl<const LEN: usize> Memory<LEN> {
    fn new() -> Memory<LEN> {
        Memory::of([0; LEN])
    }

    fn of(bytes: [u8; LEN]) -> Memory<LEN> {
        Memory(UnsafeCell::new(bytes))
    }

    fn start(&self) -> NonNull<u8> {
        NonNull::new(self.0.get().cast()).unwrap()
    }

    fn slice<T: AnyBitPattern>(
        &self,
        offset: usize,
        count: usize,
    ) -> SharedSlice<'_, T, ReadWrite> {
        let Ok(start) = part_of(self.start(), LEN, offset, count) else {
            panic!("{count} from {offset}")
        };
        SharedSlice::new(start, count)
    }

    fn atomic<T: Word>(&self, offset: usize) -> SharedAtomic<'_, T> {
        let Ok(at) = aligned_part_of(self.start(), LEN, offset, 1, size_of::<T>()) else {
            panic!("an atomic at {offset}")
        };
        SharedAtomic::new(at)
    }

    fn bytes(&self) -> SharedSlice<'_, u8, ReadWrite> {
        self.slice(0, LEN)
    }
}

/// The number of rounds of a loop. Miri is slow.
const fn rounds(normal: usize, miri: usize) -> usize {
    if cfg!(miri) { miri } else { normal }
}

/// Calls a macro with every type that has atomic operations.
macro_rules! for_every_word {
    ($macro:ident) => {
        $macro!(u8 AtomicU8, u16 AtomicU16, u32 AtomicU32, usize AtomicUsize);
        $macro!(i8 AtomicI8, i16 AtomicI16, i32 AtomicI32, isize AtomicIsize);
        #[cfg(pshm_atomic_64)]
        $macro!(u64 AtomicU64, i64 AtomicI64);
    };
}
use for_every_word;

#[test]
fn values_of_every_size_come_back() {
    fn check<T: AnyBitPattern + NoUninit + PartialEq + fmt::Debug>(values: [T; 3]) {
        let memory = Memory::<256>::new();
        let slice = memory.slice::<T>(64, 3);
        for (i, value) in values.into_iter().enumerate() {
            slice.store(i, value);
            slice.cell(i).store(value);
        }
        assert_eq!(slice.iter().collect::<Vec<_>>(), values);
        assert_eq!(slice.iter().next_back(), Some(values[2]));
        assert_eq!(slice.to_vec(), values);
        assert_eq!([0, 1, 2].map(|i| slice.cell(i).load()), values);
        let mut out = [values[0]; 3];
        slice.copy_to(&mut out);
        assert_eq!(out, values);
        slice.fill(values[1]);
        assert_eq!(slice.to_vec(), [values[1]; 3]);
        slice.copy_from(&values);
        slice.copy_within(1.., 0);
        assert_eq!(slice.to_vec(), [values[1], values[2], values[2]]);
        // The bytes around it have not changed.
        let bytes = memory.bytes().to_vec();
        let end = 64 + 3 * size_of::<T>();
        assert!(bytes[..64].iter().chain(&bytes[end..]).all(|&byte| byte == 0));
    }
    check([1u8, 2, 255]);
    check([-1i16, 2, i16::MIN]);
    check([1.5f32, -0.25, f32::MAX]);
    check([1u64, u64::MAX, 0x0123_4567_89ab_cdef]);
    check([1u128, u128::MAX, 7]);
    check([[1u8, 2, 3], [4, 5, 6], [7, 8, 9]]);
    check([[1u16; 7], [2; 7], [3; 7]]);
    check([[1u32; 9], [2; 9], [3; 9]]);
    check([(); 3]);
}

/// Every size up to one that is not moved through registers, at every address.
#[test]
fn values_of_bytes_come_back_from_any_address() {
    fn check<const N: usize>() {
        let memory = Memory::<128>::new();
        let value: [u8; N] = std::array::from_fn(|i| i as u8 + 1);
        for start in 0..if cfg!(miri) { 1 } else { 16 } {
            memory.bytes().fill(0xee);
            let cell = memory.slice::<[u8; N]>(start, 1).cell(0);
            cell.store(value);
            assert_eq!(cell.load(), value, "{N} bytes from {start}");
            let bytes = memory.bytes().to_vec();
            assert_eq!(bytes[start..start + N], value);
            let beside = bytes[..start].iter().chain(&bytes[start + N..]);
            assert!(beside.copied().all(|byte| byte == 0xee), "{N} bytes from {start}");
        }
    }
    macro_rules! sizes {
        ($($size:literal)*) => { $(check::<$size>();)* };
    }
    sizes!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 20 23 24 25 31 32 33 39 40 47 48 55 56 57);
    sizes!(58 59 60 61 62 63 64 65 66 72 80);
}

#[test]
fn every_length_and_misalignment_is_copied_exactly() {
    // Miri is slow.
    const LEN: usize = if cfg!(miri) { 20 } else { 300 };
    const STARTS: usize = if cfg!(miri) { 3 } else { 9 };
    let memory = Memory::<{ LEN + 16 }>::new();
    let source: Vec<u8> = (0..LEN + 16).map(|i| (i % 251) as u8 + 1).collect();
    for start in 0..STARTS {
        for len in 0..LEN {
            memory.bytes().fill(0);
            let part = memory.bytes().range(start..start + len);
            part.copy_from(&source[start + 3..start + 3 + len]);
            let all = memory.bytes().to_vec();
            assert_eq!(all[start..start + len], source[start + 3..start + 3 + len]);
            assert!(all[..start].iter().chain(&all[start + len..]).all(|&byte| byte == 0));

            let mut out = vec![0; len + 2];
            part.copy_to(&mut out[1..=len]);
            assert_eq!(out[1..=len], source[start + 3..start + 3 + len]);
            assert_eq!((out[0], out[len + 1]), (0, 0));
        }
    }
}

#[test]
fn copies_within_may_overlap_either_way() {
    let memory = Memory::<128>::new();
    let source: Vec<u8> = (0..128).collect();
    for (from, to) in [(0..100, 20), (20..120, 0), (5..5, 7), (0..128, 0), (0..64, 64)] {
        memory.bytes().copy_from(&source);
        let mut expected = source.clone();
        expected.copy_within(from.clone(), to);
        memory.bytes().copy_within(from, to);
        assert_eq!(memory.bytes().to_vec(), expected);
    }
}

#[test]
fn everything_past_an_edge_panics_as_slices_do() {
    let memory = Memory::<128>::new();
    let slice = memory.slice::<u64>(0, 16);
    fn panics<T>(what: impl Fn() -> T) -> bool {
        catch_unwind(AssertUnwindSafe(what)).is_err()
    }
    for past in [16, 17, usize::MAX / 8, usize::MAX - 1, usize::MAX] {
        assert_eq!(slice.get(past), None);
        assert!(panics(|| slice.cell(past)));
        assert!(panics(|| slice.load(past)));
        assert!(panics(|| slice.store(past, 1)));
        assert!(panics(|| slice.range(..=past)));
        assert!(panics(|| slice.copy_within(..1, past)));
        if past > 16 {
            assert!(panics(|| slice.range(past..)));
            assert!(panics(|| slice.range(..past)));
        }
    }
    #[allow(clippy::reversed_empty_ranges, reason = "that it is reversed is what is tested")]
    {
        assert!(panics(|| slice.range(3..2)));
    }
    assert!(panics(|| slice.copy_to(&mut [0; 15])));
    assert!(panics(|| slice.copy_to(&mut [0; 17])));
    assert!(panics(|| slice.copy_from(&[0; 17])));
    assert!(panics(|| slice.copy_within(1.., 1 + 1)));
    assert!(slice.range(16..).is_empty());
    assert_eq!(slice.range((Bound::Excluded(14), Bound::Included(15))).len(), 1);
    assert_eq!(slice.get(15), Some(0));
    assert_eq!(slice.to_vec(), [0; 16]);
}

#[test]
fn views_are_only_made_inside_and_aligned() {
    let memory = Memory::<128>::new();
    let part = |offset, count| part_of::<u64>(memory.start(), 128, offset, count).is_ok();
    for (offset, count, fits) in [
        (0, 16, true),
        (0, 17, false),
        (120, 1, true),
        (121, 1, false),
        (128, 0, true),
        (129, 0, false),
        (4, 1, align_of::<u64>() <= 4),
        (8, usize::MAX / 8, false),
        (8, usize::MAX, false),
        (usize::MAX, 1, false),
        (usize::MAX - 7, 1, false),
        (0, usize::MAX / 8 + 1, false),
    ] {
        assert_eq!(part(offset, count), fits, "{offset} {count}");
    }
}

#[test]
fn filling_with_values_of_no_size_ends_at_once() {
    let memory = Memory::<64>::new();
    memory.bytes().fill(7);
    // One by one, these would take centuries.
    for count in [0, 1, usize::MAX] {
        memory.slice::<[u64; 0]>(8, count).fill([]);
        memory.slice::<()>(64, count).fill(());
    }
    assert_eq!(memory.bytes().to_vec(), [7; 64]);
}

#[test]
fn panics_say_what_is_out_of_bounds() {
    fn message(what: impl FnOnce()) -> String {
        let panic = catch_unwind(AssertUnwindSafe(what)).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    }
    let memory = Memory::<16>::new();
    let bytes = memory.slice::<u8>(0, 10);
    let after_the_last = usize::MAX as u128 + 1;
    let panics = [
        (message(|| _ = bytes.load(10)), "index 10 is out of bounds: there are 10 values".into()),
        (
            message(|| _ = bytes.range(5..20)),
            "range 5..20 is out of bounds: there are 10 values".into(),
        ),
        (
            message(|| _ = bytes.range(2..=usize::MAX)),
            format!("range 2..{after_the_last} is out of bounds: there are 10 values"),
        ),
        (
            message(|| _ = bytes.range((Bound::Excluded(usize::MAX), Bound::Unbounded))),
            format!("range start {after_the_last} is out of bounds: there are 10 values"),
        ),
        (
            message(|| _ = bytes.range(11..)),
            "range start 11 is out of bounds: there are 10 values".into(),
        ),
        (
            message(|| _ = bytes.range((Bound::Included(3), Bound::Excluded(2)))),
            "range 3..2 ends before it starts".into(),
        ),
        (
            message(|| _ = bytes.range((Bound::Included(11), Bound::Excluded(10)))),
            "range start 11 is out of bounds: there are 10 values".into(),
        ),
        (
            message(|| _ = bytes.range((Bound::Included(10), Bound::Excluded(9)))),
            "range 10..9 ends before it starts".into(),
        ),
        (
            message(|| bytes.copy_from(&[0; 9])),
            "the lengths differ: the shared slice has 10 values, the other slice has 9; range() \
             takes a part"
                .into(),
        ),
    ];
    for (message, expected) in panics {
        assert_eq!(message, expected);
    }
}

#[test]
fn refusals_say_why_a_view_cannot_be_made() {
    let memory = Memory::<16>::new();
    let why = |offset, count| part_of::<u32>(memory.start(), 16, offset, count).err();
    assert_eq!(
        why(8, 3).unwrap().to_string(),
        "from offset 8 on, 3 values of u32 take 12 bytes, which reach past the end: there are 16 \
         bytes"
    );
    let address = memory.start().addr().get() + 2;
    assert_eq!(
        why(2, 1).unwrap().to_string(),
        format!(
            "offset 2 is misaligned for u32: its address, {address:#x}, is not a multiple of 4; \
             the next offset that fits is 4"
        )
    );
}

#[derive(Clone, Copy, AnyBitPattern, NoUninit, PartialEq, Debug)]
#[repr(C)]
struct Header {
    sequence: u32,
    size: [u16; 2],
    inner: Inner,
}

#[derive(Clone, Copy, AnyBitPattern, NoUninit, PartialEq, Debug)]
#[repr(C)]
struct Inner {
    bytes: [u8; 3],
    flag: i8,
}

#[test]
fn fields_are_seen_one_by_one() {
    let memory = Memory::<64>::new();
    let header = memory.slice::<Header>(16, 1).cell(0);
    let inner = Inner { bytes: [7, 8, 9], flag: -1 };
    header.store(Header { sequence: 1, size: [2, 3], inner });
    let sequence = crate::field!(header, Header, sequence);
    sequence.store(41);
    let flag = crate::field!(crate::field!(header, Header, inner), Inner, flag);
    assert_eq!((sequence.load(), flag.load()), (41, -1));
    assert_eq!(crate::field!(header, Header, size).part::<u16>(2).unwrap().load(), 3);
    assert_eq!(header.load(), Header { sequence: 41, size: [2, 3], inner });

    assert!(header.part::<u32>(9).is_err(), "misaligned");
    assert!(header.part::<u32>(12).is_err(), "past the end");
    assert!(header.part::<u32>(usize::MAX - 3).is_err(), "overflow");
    let wrong = || header.project::<u32>(12, |header| &header.sequence);
    assert!(catch_unwind(AssertUnwindSafe(wrong)).is_err());
}

#[test]
fn streams_are_short_at_the_end_and_seek() {
    let memory = Memory::<64>::new();
    let bytes = memory.slice::<u8>(10, 8);
    let mut writer = bytes.writer();
    assert_eq!(writer.write(b"abcde").unwrap(), 5);
    assert_eq!(writer.write(b"fghij").unwrap(), 3);
    assert_eq!(writer.write(b"k").unwrap(), 0);
    let error = writer.write_all(b"k").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WriteZero);
    assert_eq!(writer.seek(SeekFrom::End(-2)).unwrap(), 6);
    writer.write_all(b"GH").unwrap();
    assert_eq!(writer.seek(SeekFrom::Current(-8)).unwrap(), 0);
    writer.write_all(b"A").unwrap();
    assert_eq!(writer.seek(SeekFrom::Start(100)).unwrap(), 100);
    assert_eq!(writer.write(b"x").unwrap(), 0);
    assert!(writer.seek(SeekFrom::Current(-101)).is_err());
    assert!(writer.seek(SeekFrom::End(i64::MIN)).is_err());
    assert_eq!(writer.stream_position().unwrap(), 100);
    writer.flush().unwrap();

    let mut reader = bytes.reader();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "AbcdefGH");
    assert_eq!(reader.read(&mut [0; 4]).unwrap(), 0);
    assert_eq!(reader.seek(SeekFrom::Start(u64::MAX)).unwrap(), u64::MAX);
    assert_eq!(reader.read(&mut [0; 4]).unwrap(), 0);
    assert!(reader.seek(SeekFrom::Current(1)).is_err());
    reader.seek(SeekFrom::Start(6)).unwrap();
    let mut out = [0; 4];
    assert_eq!(reader.read(&mut out).unwrap(), 2);
    assert_eq!(&out, b"GH\0\0");
    assert!(memory.bytes().range(18..).iter().all(|byte| byte == 0));
}

/// Under Miri, this shows that no rule of the language is broken, whatever the threads write.
#[test]
fn threads_that_write_the_same_bytes_break_no_rule() {
    let memory = Memory::<64>::new();
    let rounds = if cfg!(miri) { 20 } else { 20_000 };
    std::thread::scope(|scope| {
        for value in 1..4u64 {
            let memory = &memory;
            scope.spawn(move || {
                let words = memory.slice::<u64>(0, 8);
                for i in 0..rounds {
                    words.store(i % 8, value);
                    memory.slice::<u32>(0, 16).store(i % 16, value as u32);
                    words.copy_from(&[value; 8]);
                    memory.bytes().fill(value as u8);
                    words.copy_within(2..5, 1);
                    std::hint::black_box((words.load(i % 8), words.to_vec()));
                    write!(memory.bytes().writer(), "{value}").unwrap();
                }
            });
        }
    });
}
