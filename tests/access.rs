//! `SharedSlice`, `SharedCell` and atomics: values, bounds and alignment.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

use bytemuck::{AnyBitPattern, NoUninit};
use posix_shm::{MapOptions, Mapping, Operation, Shm, field};

fn mapping(len: u64) -> Mapping {
    MapOptions::new().len(len as usize).map_mut(Shm::anonymous(len).unwrap()).unwrap()
}

/// Stores values at several indexes, and loads them through the view and as bytes.
fn round_trip<T>(values: &[T])
where
    T: AnyBitPattern + NoUninit + PartialEq + std::fmt::Debug,
{
    let mapping = mapping(4096);
    let count = 4096 / size_of::<T>();
    let slice = mapping.slice::<T>(0, count).unwrap();
    assert_eq!(slice.len(), count);
    for i in [0, 1, count / 2, count - 1] {
        for value in values {
            slice.store(i, *value);
            assert_eq!(slice.load(i), *value, "index {i}");
            for (b, byte) in bytemuck::bytes_of(value).iter().enumerate() {
                let found = mapping.bytes().load(i * size_of::<T>() + b);
                assert_eq!(found, *byte, "byte {b} of {value:?} at index {i}");
            }
        }
    }
}

#[test]
fn values_of_every_size_load_as_stored() {
    round_trip::<u8>(&[0, 1, 255]);
    round_trip::<i8>(&[0, -1, i8::MIN]);
    round_trip::<u16>(&[0, 1, 0x1234, u16::MAX]);
    round_trip::<u32>(&[0, 1, 0x1234_5678, u32::MAX]);
    round_trip::<i64>(&[0, -1, i64::MIN, 0x1234_5678_9abc_def0]);
    round_trip::<f32>(&[0.0, -1.5, f32::INFINITY]);
    round_trip::<f64>(&[0.0, -1.5, f64::MIN_POSITIVE]);
    round_trip::<usize>(&[0, usize::MAX]);
    // Not the size of a machine integer, or not aligned like one.
    round_trip::<[u8; 3]>(&[[1, 2, 3], [255; 3]]);
    round_trip::<[u16; 2]>(&[[1, 0xffff]]);
    round_trip::<[u32; 3]>(&[[1, 2, u32::MAX]]);
    round_trip::<[u64; 4]>(&[[1, 2, 3, u64::MAX]]);
    round_trip::<u128>(&[0, 1 << 100, u128::MAX]);
}

/// Not an integer, but as large as one. It is aligned like one at a multiple of its size.
#[derive(Clone, Copy, AnyBitPattern, NoUninit, PartialEq, Debug)]
#[repr(C)]
struct Pair {
    first: u32,
    second: u32,
}

#[test]
#[cfg(target_pointer_width = "64")]
fn a_pair_at_a_multiple_of_its_size_never_tears() {
    let mapping = mapping(64);
    let pairs = mapping.slice::<Pair>(8, 2).unwrap();
    std::thread::scope(|scope| {
        for value in [0, u32::MAX] {
            scope.spawn(move || {
                (0..500_000).for_each(|_| pairs.store(1, Pair { first: value, second: value }));
            });
        }
        for _ in 0..500_000 {
            let pair = pairs.load(1);
            assert_eq!(pair.first, pair.second);
        }
    });
}

#[test]
fn zero_sized_values_work() {
    let mapping = mapping(16);
    let slice = mapping.slice::<[u8; 0]>(16, usize::MAX).unwrap();
    slice.store(usize::MAX - 1, []);
    assert_eq!(slice.load(usize::MAX - 1), [0; 0]);
}

#[test]
fn bounds_and_alignment_are_checked_at_every_edge() {
    const LEN: usize = 4096;
    let mapping = mapping(LEN as u64);
    let edges = |around: usize| [around.wrapping_sub(1), around, around.wrapping_add(1)];
    let numbers: Vec<usize> = [0, 8, LEN / 8, LEN, usize::MAX / 8, usize::MAX / 2, usize::MAX]
        .into_iter()
        .flat_map(edges)
        .collect();
    for &offset in &numbers {
        for &count in &numbers {
            let inside = (offset as u128) + (count as u128) * 8 <= LEN as u128;
            let result = mapping.slice::<u64>(offset, count);
            let aligned = offset % align_of::<u64>() == 0;
            assert_eq!(result.is_ok(), inside && aligned, "{count} values from {offset}");
            if let Err(error) = result {
                let seen = (error.kind(), error.operation(), error.raw_os_error());
                assert_eq!(seen, (ErrorKind::InvalidInput, Operation::View, None), "{error}");
                let message = error.to_string();
                assert!(message.contains(&format!("offset {offset}")), "{message}");
                assert!(
                    message.contains(if inside { "is not a multiple of" } else { "past the end" }),
                    "{message}"
                );
            }
        }
    }
}

#[test]
fn an_index_past_the_end_panics() {
    let mapping = mapping(64);
    let slice = mapping.slice::<u64>(0, 8).unwrap();
    for index in [8, 9, usize::MAX / 8, usize::MAX] {
        for stores in [false, true] {
            let panic = catch_unwind(AssertUnwindSafe(|| {
                if stores { slice.store(index, 1) } else { assert_eq!(slice.load(index), 0) }
            }))
            .unwrap_err();
            let message = panic.downcast_ref::<String>().unwrap();
            assert!(
                message.contains(&format!("index {index} is out of bounds: there are 8 values")),
                "{message}"
            );
        }
    }
    let empty = mapping.slice::<u64>(64, 0).unwrap();
    assert!(empty.is_empty(), "a slice of no value has {}", empty.len());
}

#[test]
fn threads_that_write_the_same_bytes_in_different_sizes_see_whole_values() {
    let mapping = mapping(64);
    let rounds = 200_000;
    std::thread::scope(|scope| {
        for pattern in [0u64, u64::MAX, 0x5555_5555_5555_5555] {
            let mapping = &mapping;
            scope.spawn(move || {
                let words = mapping.slice::<u64>(0, 8).unwrap();
                for i in 0..rounds {
                    words.store(i % 8, pattern);
                }
            });
        }
        scope.spawn(|| {
            let (words, halves) =
                (mapping.slice::<u64>(0, 8).unwrap(), mapping.slice::<u32>(0, 16).unwrap());
            for i in 0..rounds {
                let whole = words.load(i % 8);
                let is_whole = [0, u64::MAX, 0x5555_5555_5555_5555].contains(&whole);
                // On 32 bits, only each half is promised to be whole.
                assert!(is_whole || cfg!(target_pointer_width = "32"), "a torn word: {whole:#x}");
                let half = halves.load(i % 16);
                let is_whole = [0, u32::MAX, 0x5555_5555].contains(&half);
                assert!(is_whole, "a torn half: {half:#x}");
            }
        });
    });
}

/// On some 32-bit machines, such as i686, an integer of 8 bytes is aligned to 4, but an atomic one
/// must be aligned to 8.
#[test]
fn atomic_operations_need_natural_alignment() {
    let mapping = mapping(64);
    for (offset, why) in [
        (1, "offset 1 is misaligned for u64: "),
        (4, "offset 4 is misaligned for u64: "),
        (12, "is not a multiple of 8"),
        (60, "1 values of u64 take 8 bytes, which reach past the end: there are 64 bytes"),
        (usize::MAX - 7, "reach past the end"),
    ] {
        let error = mapping.atomic::<u64>(offset).unwrap_err();
        let seen = (error.kind(), error.operation(), error.raw_os_error());
        assert_eq!(seen, (ErrorKind::InvalidInput, Operation::View, None), "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
    match mapping.cell::<u64>(4) {
        Ok(cell) => {
            assert_eq!(align_of::<u64>(), 4);
            cell.store(7);
            assert_eq!(cell.load(), 7);
            let result = catch_unwind(AssertUnwindSafe(|| cell.atomic()));
            assert!(result.is_err(), "a cell at a multiple of 4 has atomic operations");
        }
        Err(error) => {
            assert_eq!((align_of::<u64>(), error.kind()), (8, ErrorKind::InvalidInput));
        }
    }
}

#[derive(Clone, Copy, AnyBitPattern, NoUninit)]
#[repr(C, align(8))]
struct Header {
    tag: [u8; 8],
    readers: u32,
    sequence: i32,
    written: u64,
}

/// The same integer, as a field, by its offset, through another mapping, and as std's.
#[test]
fn atomics_of_one_integer_go_together() {
    let object = Shm::anonymous(4096).unwrap();
    let (writer, reader) = (object.map_mut().unwrap(), object.map().unwrap());
    let header = writer.cell::<Header>(64).unwrap();
    let field = field!(header, Header, written).atomic();
    assert_eq!(field.fetch_add(1 << 40, Relaxed), 0);
    // SAFETY: only operations of this size access the bytes while the reference lives, and nothing
    // shortens the object.
    let std: &AtomicU64 = unsafe { field.as_std() };
    assert_eq!(std.fetch_add(5, SeqCst), 1 << 40);
    assert_eq!(writer.atomic::<i64>(80).unwrap().fetch_sub(6, AcqRel), (1 << 40) + 5);
    assert_eq!(field.as_read_only().load(Acquire), (1 << 40) - 1);
    assert_eq!(std.load(SeqCst), (1 << 40) - 1);
    assert_eq!(field!(header, Header, sequence).atomic().fetch_min(-3, Release), 0);
    assert_eq!(field!(header, Header, readers).atomic().fetch_max(9, Release), 0);

    let header = reader.cell::<Header>(64).unwrap();
    for order in [Relaxed, Acquire, SeqCst] {
        let seen = (
            field!(header, Header, readers).atomic().load(order),
            field!(header, Header, sequence).atomic().load(order),
            reader.atomic::<u64>(80).unwrap().load(order),
            reader.slice::<u8>(0, 4096).unwrap().cell(72).atomic().load(order),
            reader.atomic::<u16>(76).unwrap().load(order),
        );
        let low = u16::from_ne_bytes((-3i32).to_ne_bytes()[..2].try_into().unwrap());
        let byte = 9u32.to_ne_bytes()[0];
        assert_eq!(seen, (9, -3, (1 << 40) - 1, byte, low), "{order:?}");
    }
}
