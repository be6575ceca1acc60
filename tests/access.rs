//! `SharedSlice`: values in and out, and the bounds of everything.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use bytemuck::{AnyBitPattern, NoUninit};
use posix_shm::{MapOptions, Mapping, Operation, Shm};

fn mapping(len: u64) -> Mapping {
    MapOptions::new().len(len as usize).map_mut(Shm::anonymous(len).unwrap()).unwrap()
}

/// Stores values at every place there is and loads them again, by the view and by the bytes.
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
            assert_eq!(slice.load(i), *value);
            for (b, byte) in bytemuck::bytes_of(value).iter().enumerate() {
                assert_eq!(mapping.bytes().load(i * size_of::<T>() + b), *byte);
            }
        }
    }
}

#[test]
fn values_of_every_size_come_back() {
    round_trip::<u8>(&[0, 1, 255]);
    round_trip::<i8>(&[0, -1, i8::MIN]);
    round_trip::<u16>(&[0, 1, 0x1234, u16::MAX]);
    round_trip::<u32>(&[0, 1, 0x1234_5678, u32::MAX]);
    round_trip::<i64>(&[0, -1, i64::MIN, 0x1234_5678_9abc_def0]);
    round_trip::<f32>(&[0.0, -1.5, f32::INFINITY]);
    round_trip::<f64>(&[0.0, -1.5, f64::MIN_POSITIVE]);
    round_trip::<usize>(&[0, usize::MAX]);
    // Neither one machine integer nor aligned like one.
    round_trip::<[u8; 3]>(&[[1, 2, 3], [255; 3]]);
    round_trip::<[u16; 2]>(&[[1, 0xffff]]);
    round_trip::<[u32; 3]>(&[[1, 2, u32::MAX]]);
    round_trip::<[u64; 4]>(&[[1, 2, 3, u64::MAX]]);
    round_trip::<u128>(&[0, 1 << 100, u128::MAX]);
}

/// Two halves that are no integer by their type, and lie as one wants to.
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
fn a_value_of_no_bytes_is_no_trouble() {
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
            assert_eq!(
                result.is_ok(),
                inside && offset % align_of::<u64>() == 0,
                "{offset} {count}"
            );
            if let Err(error) = result {
                let seen = (error.kind(), error.operation(), error.raw_os_error());
                assert_eq!(seen, (ErrorKind::InvalidInput, Operation::View, None));
                let message = error.to_string();
                assert!(message.contains(&format!("offset {offset}")), "{message}");
                assert!(
                    message.contains(if inside { "wants a multiple of" } else { "past the end" }),
                    "{message}"
                );
            }
        }
    }
}

#[test]
fn an_index_past_the_end_panics_as_slices_do() {
    let mapping = mapping(64);
    let slice = mapping.slice::<u64>(0, 8).unwrap();
    for index in [8, 9, usize::MAX / 8, usize::MAX] {
        for stores in [false, true] {
            let panic = catch_unwind(AssertUnwindSafe(|| {
                if stores { slice.store(index, 1) } else { assert_eq!(slice.load(index), 0) }
            }))
            .unwrap_err();
            let message = panic.downcast_ref::<String>().unwrap();
            assert!(message.contains(&format!("index {index} is past the end of 8")), "{message}");
        }
    }
    assert!(mapping.slice::<u64>(64, 0).unwrap().is_empty());
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
                // On 32 bits it is two halves, and only those are promised.
                assert!(is_whole || cfg!(target_pointer_width = "32"), "{whole:#x}");
                let half = halves.load(i % 16);
                assert!([0, u32::MAX, 0x5555_5555].contains(&half), "{half:#x}");
            }
        });
    });
}

/// Rust wants an integer of 8 bytes aligned to 4 on some machines, i686 among them, and an atomic one to 8 everywhere.
#[test]
fn atomic_operations_want_values_aligned_to_their_size() {
    let mapping = mapping(64);
    match mapping.cell::<u64>(4) {
        Ok(cell) => {
            assert_eq!(align_of::<u64>(), 4);
            cell.store(7);
            assert_eq!(cell.load(), 7);
            let operations: [&dyn Fn() -> u64; 3] =
                [&|| cell.load_acquire(), &|| cell.fetch_add(1), &|| {
                    cell.store_release(1);
                    0
                }];
            for operation in operations {
                assert!(catch_unwind(AssertUnwindSafe(operation)).is_err());
            }
            assert_eq!(cell.load(), 7);
        }
        Err(error) => {
            assert_eq!((align_of::<u64>(), error.kind()), (8, ErrorKind::InvalidInput));
        }
    }
    for offset in [1, 4, 12] {
        // SAFETY: nobody else touches the bytes.
        let error = unsafe { mapping.atomic::<AtomicU64>(offset) }.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::InvalidInput, Operation::View));
    }
    let cell = mapping.cell::<u64>(8).unwrap();
    cell.store_release(u64::from(u32::MAX));
    assert_eq!(cell.fetch_add(1), u64::from(u32::MAX));
    // SAFETY: nobody else touches the bytes.
    let atomic = unsafe { mapping.atomic::<AtomicU64>(8) }.unwrap();
    assert_eq!(atomic.fetch_add(1 << 40, Ordering::SeqCst), 1 << 32);
    assert_eq!(cell.load_acquire(), (1 << 32) + (1 << 40));
}
