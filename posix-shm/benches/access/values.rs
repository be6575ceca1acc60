//! Loads and stores of single values, of many types and in three uses: into a vector, out of one,
//! and of values that were just made.

use std::hint::black_box;

use bytemuck::{AnyBitPattern, NoUninit};
use posix_shm::{Mapping, ReadWrite, SharedSlice};
use posix_shm_benches::{Variant, ratios};

/// How many values: all of them fit into the first cache.
const COUNT: usize = 256;

pub fn table(mapping: &Mapping<ReadWrite>) {
    println!("\nValues: time divided by volatile accesses of the whole type, median");
    println!("| type | bytes | alignment | load | store | store what was just made |");
    println!("|---|---:|---:|---:|---:|---:|");
    rows(mapping);
}

/// One row for each type. Functions of their own, so that the compiler knows no more of a slice
/// than a user's function does.
macro_rules! types {
    ($($name:literal $module:ident: $type:ty = $make:expr;)*) => {
        $(
            mod $module {
                use super::*;

                type Slice<'m> = SharedSlice<'m, $type>;

                #[inline(never)]
                fn load(slice: Slice<'_>, into: &mut [$type]) {
                    for i in 0..slice.len() {
                        into[i] = slice.load(i);
                    }
                }

                #[inline(never)]
                fn load_volatile(slice: Slice<'_>, into: &mut [$type]) {
                    for i in 0..slice.len() {
                        // SAFETY: the index is in bounds, and no one else uses this memory.
                        into[i] = unsafe { slice.as_ptr().add(i).read_volatile() };
                    }
                }

                #[inline(never)]
                fn store(slice: Slice<'_>, from: &[$type]) {
                    for i in 0..slice.len() {
                        slice.store(i, from[i]);
                    }
                }

                #[inline(never)]
                fn store_volatile(slice: Slice<'_>, from: &[$type]) {
                    for i in 0..slice.len() {
                        // SAFETY: as above.
                        unsafe { slice.as_ptr().cast_mut().add(i).write_volatile(from[i]) };
                    }
                }

                #[inline(never)]
                fn made(slice: Slice<'_>, seed: u32) {
                    for i in 0..slice.len() {
                        slice.store(i, make(seed.wrapping_add(i as u32)));
                    }
                }

                #[inline(never)]
                fn made_volatile(slice: Slice<'_>, seed: u32) {
                    for i in 0..slice.len() {
                        let value = make(seed.wrapping_add(i as u32));
                        // SAFETY: as above.
                        unsafe { slice.as_ptr().cast_mut().add(i).write_volatile(value) };
                    }
                }

                #[inline(always)]
                fn make(seed: u32) -> $type {
                    let make: fn(u32) -> $type = $make;
                    make(seed)
                }

                pub fn row(mapping: &Mapping<ReadWrite>) {
                    let slice = mapping.slice::<$type>(0, COUNT).unwrap();
                    let mut own = slice.to_vec();
                    let own = &raw mut *own;
                    // SAFETY: the vector lives as long as the variants, which run one at a time.
                    let own = move || unsafe { &mut *black_box(own) };
                    let variant = |name, run: Box<dyn Fn()>| Variant {
                        name,
                        run: Box::new(move |times| (0..times).for_each(|_| run())),
                    };
                    let slice = move || {
                        let slice = black_box(slice);
                        // SAFETY: the mapping lives longer than the variants.
                        unsafe { std::mem::transmute::<Slice<'_>, Slice<'static>>(slice) }
                    };
                    let uses: [[Box<dyn Fn()>; 2]; 3] = [
                        [
                            Box::new(move || load_volatile(slice(), own())),
                            Box::new(move || load(slice(), own())),
                        ],
                        [
                            Box::new(move || store_volatile(slice(), own())),
                            Box::new(move || store(slice(), own())),
                        ],
                        [
                            Box::new(move || made_volatile(slice(), black_box(5))),
                            Box::new(move || made(slice(), black_box(5))),
                        ],
                    ];
                    let columns = uses.map(|[volatile, ours]| {
                        let mut variants =
                            [variant("volatile", volatile), variant("posix-shm", ours)];
                        format!("{:.2}", ratios(&mut variants, 101)[1])
                    });
                    let (size, align) = (size_of::<$type>(), align_of::<$type>());
                    println!("| {} | {size} | {align} | {} |", $name, columns.join(" | "));
                }
            }
        )*

        fn rows(mapping: &Mapping<ReadWrite>) {
            $($module::row(mapping);)*
        }
    };
}

macro_rules! structs {
    ($($name:ident { $($field:ident: $type:ty),* })*) => {
        $(
            #[derive(Clone, Copy, AnyBitPattern, NoUninit)]
            #[repr(C)]
            pub struct $name {
                $($field: $type),*
            }
        )*
    };
}

structs! {
    Rgba { r: u8, g: u8, b: u8, a: u8 }
    Shorts { a: u16, b: u16, c: u16, d: u16 }
    Pair { a: u32, b: f32 }
    Record { a: u64, b: f64, c: u32, d: u32 }
    Entry { a: u64, b: f64, c: [u32; 4], d: u64 }
    Line { a: u64, b: f64, c: [u32; 8], d: [f32; 4] }
}

types! {
    "u32" u32: u32 = |k| k;
    "u64" u64: u64 = |k| k.into();
    "{4 × u8}" rgba: Rgba = |k| Rgba { r: k as u8, g: 1, b: 2, a: 3 };
    "[u8; 3]" rgb: [u8; 3] = |k| [k as u8, 1, 2];
    "[u8; 6]" mac: [u8; 6] = |k| [k as u8, 1, 2, 3, 4, 5];
    "{4 × u16}" shorts: Shorts = |k| Shorts { a: k as u16, b: 2, c: (k >> 3) as u16, d: 1 };
    "{u32, f32}" pair: Pair = |k| Pair { a: k, b: k as f32 };
    "[f32; 3]" vec3: [f32; 3] = |k| [k as f32, 1.0, 2.0];
    "[f32; 4]" vec4: [f32; 4] = |k| [k as f32, 1.0, 2.0, k as f32];
    "[u8; 16]" uuid: [u8; 16] = |k| (u128::from(k) * 3).to_ne_bytes();
    "u128" u128: u128 = |k| u128::from(k) * 3;
    "[u64; 2]" u64x2: [u64; 2] = |k| [k.into(), 7];
    "{u64, f64, 2 × u32}" record: Record = |k| Record { a: k.into(), b: k.into(), c: k, d: 1 };
    "[u8; 32]" hash: [u8; 32] = |k| [k as u8; 32];
    "{u64, f64, [u32; 4], u64}" entry: Entry =
        |k| Entry { a: k.into(), b: k.into(), c: [k, 1, 2, 3], d: 1 };
    "{u64, f64, [u32; 8], [f32; 4]}" line: Line =
        |k| Line { a: k.into(), b: k.into(), c: [k; 8], d: [1.0; 4] };
}
