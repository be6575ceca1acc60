//! Reading and writing in place, without a copy that the caller keeps: sums, searches, comparisons,
//! filling, blocks, streams.

use std::hint::black_box;
use std::io::{Read, Write};

use posix_shm::{Mapping, ReadWrite};
use posix_shm_benches::{Variant, ratios};

/// Prints one row: ours against the same on a plain slice.
fn row(name: &str, mut plain: impl FnMut(), mut ours: impl FnMut()) {
    let mut variants = [
        Variant { name: "slice", run: Box::new(|times| (0..times).for_each(|_| plain())) },
        Variant { name: "posix-shm", run: Box::new(|times| (0..times).for_each(|_| ours())) },
    ];
    println!("| {name} | {:.2} |", ratios(&mut variants, 101)[1]);
}

macro_rules! sums {
    ($mapping:ident: $($type:ident => $sum:ident),*) => {
        $(
            for (name, bytes) in [("4 KiB", 4 << 10), ("1 MiB", 1 << 20), ("64 MiB", 64 << 20)] {
                let shared = $mapping.slice::<$type>(0, bytes / size_of::<$type>()).unwrap();
                let own = shared.to_vec();
                row(
                    &format!("sum of {name} of {}", stringify!($type)),
                    || {
                        black_box(black_box(&own[..]).iter().map(|&x| x as $sum).sum::<$sum>());
                    },
                    || {
                        black_box(black_box(shared).iter().map(|x| x as $sum).sum::<$sum>());
                    },
                );
            }
        )*
    };
}

pub fn table(mapping: &Mapping<ReadWrite>) {
    println!("\nIn place: time divided by the same on a plain slice, median");
    println!("| | posix-shm |\n|---|---:|");
    mapping.bytes().range(..64 << 20).fill(1);
    sums!(mapping: u8 => u64, u16 => u64, u32 => u32, u64 => u64, f32 => f32);
    scans(mapping);
    fills(mapping);
    streams(mapping);
}

fn scans(mapping: &Mapping<ReadWrite>) {
    let shared = mapping.slice::<u32>(0, 1024).unwrap();
    let own = shared.to_vec();
    row(
        "max of 1024 u32",
        || {
            black_box(black_box(&own[..]).iter().copied().max());
        },
        || {
            black_box(black_box(shared).iter().max());
        },
    );
    row(
        "position of the last of 1024 u32",
        || {
            black_box(black_box(&own[..]).iter().position(|&x| x == black_box(7)));
        },
        || {
            black_box(black_box(shared).iter().position(|x| x == black_box(7)));
        },
    );
    row(
        "1024 u32 in a for loop",
        || {
            let mut all = 0_u32;
            for &x in black_box(&own[..]) {
                // Volatile reads cannot be done in vectors, so neither may these.
                all = black_box(all ^ x);
            }
        },
        || {
            let mut all = 0_u32;
            for x in black_box(shared) {
                all = black_box(all ^ x);
            }
        },
    );
    for (name, bytes) in [("1 KiB", 1 << 10), ("256 KiB", 256 << 10)] {
        let shared = mapping.bytes().range(..bytes);
        let (own, other) = (shared.to_vec(), shared.to_vec());
        row(
            &format!("{name} == one's own"),
            || {
                black_box(black_box(&own[..]) == black_box(&other[..]));
            },
            || {
                black_box(black_box(shared) == black_box(&other[..]));
            },
        );
    }
    let shared = mapping.slice::<f32>(0, 1 << 16).unwrap();
    let own = shared.to_vec();
    let energy = |block: &[f32]| {
        let parts = block.chunks_exact(8).fold([0_f32; 8], |mut all, part| {
            all.iter_mut().zip(part).for_each(|(all, x)| *all += x * x);
            all
        });
        parts.iter().sum::<f32>()
    };
    row(
        "for_each_block, energy of 256 KiB of f32",
        || {
            black_box(energy(black_box(&own)));
        },
        || {
            let mut all = 0.0;
            black_box(shared).for_each_block(|block| all += energy(block));
            black_box(all);
        },
    );
}

fn fills(mapping: &Mapping<ReadWrite>) {
    macro_rules! fill {
        ($($name:literal, $count:literal, $value:expr;)*) => {
            $({
                let mut own = vec![$value; $count];
                let shared = mapping.slice(1 << 20, $count).unwrap();
                row(
                    $name,
                    || black_box(&mut own[..]).fill(black_box($value)),
                    || black_box(shared).fill(black_box($value)),
                );
            })*
        };
    }
    fill! {
        "fill 16 u32", 16, 0x0102_0304_u32;
        "fill 1024 u32", 1024, 0x0102_0304_u32;
        "fill 1024 u8", 1024, 7_u8;
        "fill 1024 [u8; 3]", 1024, [1_u8, 2, 3];
        "fill 1024 [f32; 3]", 1024, [1_f32, 2.0, 3.0];
        "fill 65536 u64", 65536, 0x0102_0304_0506_0708_u64;
    }
}

fn streams(mapping: &Mapping<ReadWrite>) {
    let shared = mapping.bytes().range(..256 << 10);
    let own = shared.to_vec();
    row(
        "read_to_end of 256 KiB",
        || {
            let mut into = Vec::new();
            black_box(&own[..]).read_to_end(&mut into).unwrap();
            black_box(into);
        },
        || {
            let mut into = Vec::new();
            black_box(shared).reader().read_to_end(&mut into).unwrap();
            black_box(into);
        },
    );
    for (size, read, write) in [
        (8, "read_exact of 8 bytes, 1000 times", "write_all of 8 bytes, 1000 times"),
        (64, "read_exact of 64 bytes, 1000 times", "write_all of 64 bytes, 1000 times"),
        (256, "read_exact of 256 bytes, 1000 times", "write_all of 256 bytes, 1000 times"),
    ] {
        let size = black_box(size);
        let mut buffer = vec![0; size];
        let mut second = vec![0; size];
        row(
            read,
            || {
                let mut from = black_box(&own[..]);
                for _ in 0..1000 {
                    from.read_exact(black_box(&mut buffer[..])).unwrap();
                }
            },
            || {
                let mut from = black_box(shared).reader();
                for _ in 0..1000 {
                    from.read_exact(black_box(&mut second[..])).unwrap();
                }
            },
        );
        let from = vec![1; size];
        let mut room = vec![0; 256 << 10];
        row(
            write,
            || {
                let mut into = black_box(&mut room[..]);
                for _ in 0..1000 {
                    into.write_all(black_box(&from[..])).unwrap();
                }
            },
            || {
                let mut into = black_box(shared).writer();
                for _ in 0..1000 {
                    into.write_all(black_box(&from[..])).unwrap();
                }
            },
        );
    }
}
