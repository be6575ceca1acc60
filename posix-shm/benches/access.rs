//! Measures copies out of a mapping and into it, from 1 byte to 1 GiB: this library against
//! `memcpy`, vm-memory and loops of single bytes.
//!
//! Type one of these in `posix-shm/benches`:
//!
//! ```sh
//! cargo bench              # the tables of ratios, then criterion's absolute figures
//! cargo bench -- --table   # the tables only
//! ```
//!
//! You should see one table for each direction, like those in `README.md`: a row for each size, and
//! in the column "posix-shm" about 1.00 from 100 bytes on. Then criterion prints the time and the
//! throughput of memcpy and posix-shm for each size.

// The library itself must not use these methods on mapped bytes; it is measured against them.
#![allow(clippy::disallowed_methods)]

use std::hint::black_box;
use std::sync::atomic::{AtomicU8, Ordering};

#[path = "access/atomics.rs"]
mod atomics;
#[path = "access/in_place.rs"]
mod in_place;
#[path = "access/values.rs"]
mod values;

use criterion::{BenchmarkId, Criterion, Throughput};
use posix_shm::{Mapping, ReadWrite, Shm};
use posix_shm_benches::{Variant, ratios};
use vm_memory::VolatileSlice;

const SIZES: [usize; 13] =
    [1, 8, 16, 32, 48, 64, 100, 256, 4 << 10, 64 << 10, 1 << 20, 64 << 20, 1 << 30];

/// The direction of a copy: out of the mapping or into it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Out,
    In,
}

fn main() {
    let mapping = Shm::anonymous(1 << 30).unwrap().map_mut().unwrap();
    // Not at the same offset in its page as the mapping: processors can mistake two such addresses
    // for the same one, which slows copies down.
    const APART: usize = 2048 + 64;
    let mut own = vec![1; APART + (1 << 30)];
    let own = &mut own[APART..];
    // Allocates every page before the measurement.
    mapping.bytes().copy_from(own);
    values::table(&mapping);
    in_place::table(&mapping);
    atomics::table(&mapping);
    table(&mapping, own);
    if !std::env::args().any(|argument| argument == "--table") {
        figures(&mapping, own);
    }
}

fn table(mapping: &Mapping<ReadWrite>, own: &mut [u8]) {
    for way in [Way::Out, Way::In] {
        println!("\n{way:?}: time divided by copy_nonoverlapping's, median");
        for size in SIZES {
            let mut variants = variants(mapping, own, size, way);
            // At 1 GiB the loops of single bytes take seconds.
            let rounds = if size > 1 << 20 { 9 } else { 301 };
            if size == SIZES[0] {
                let names: Vec<_> = variants.iter().map(|variant| variant.name).collect();
                println!("| bytes | {} |", names.join(" | "));
                println!("|---:{}|", "|---:".repeat(names.len()));
            }
            let ratios = ratios(&mut variants, rounds);
            let ratios: Vec<_> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
            println!("| {size} | {} |", ratios.join(" | "));
        }
    }
}

/// All ways to copy `size` bytes. The compiler does not know the size.
fn variants<'a>(
    mapping: &'a Mapping<ReadWrite>,
    own: &'a mut [u8],
    size: usize,
    way: Way,
) -> Vec<Variant<'a>> {
    let (shared, private, size) = (mapping.as_mut_ptr(), own.as_mut_ptr(), black_box(size));
    let raw = |name, out: Raw, into: Raw| {
        let run = move |times| {
            for _ in 0..times {
                let private = black_box(private);
                // SAFETY: both are `size` bytes long and do not overlap. No one else uses them.
                unsafe {
                    match way {
                        Way::Out => out(shared, private, size),
                        Way::In => into(private, shared, size),
                    }
                }
            }
        };
        Variant { name, run: Box::new(run) }
    };
    let memcpy = |name| -> Variant<'a> {
        let run: Box<dyn FnMut(u32)> = match way {
            Way::Out => Box::new(move |times| {
                for _ in 0..times {
                    // SAFETY: as above.
                    unsafe { std::ptr::copy_nonoverlapping(shared, black_box(private), size) };
                }
            }),
            Way::In => Box::new(move |times| {
                for _ in 0..times {
                    // SAFETY: as above.
                    unsafe { std::ptr::copy_nonoverlapping(black_box(private), shared, size) };
                }
            }),
        };
        Variant { name, run }
    };
    // The view is created once, like the pointers.
    let bytes = mapping.bytes().range(..size);
    let ours: Box<dyn FnMut(u32)> = match way {
        Way::Out => Box::new(move |times| {
            for _ in 0..times {
                // SAFETY: this memory is our own, `size` bytes long, and no one else uses it.
                let own = unsafe { std::slice::from_raw_parts_mut(black_box(private), size) };
                bytes.copy_to(own);
            }
        }),
        Way::In => Box::new(move |times| {
            for _ in 0..times {
                // SAFETY: this memory is our own, `size` bytes long, and no one else uses it.
                let own = unsafe { std::slice::from_raw_parts(black_box(private), size) };
                bytes.copy_from(own);
            }
        }),
    };
    vec![
        memcpy("memcpy"),
        Variant { name: "posix-shm", run: ours },
        memcpy("memcpy again (noise)"),
        raw("vm-memory", vm_memory_out, vm_memory_in),
        raw("AtomicU8 loop", atomics_out, atomics_in),
        raw("volatile loop", volatile_out, volatile_in),
    ]
}

type Raw = unsafe fn(*const u8, *mut u8, usize);

#[inline(never)]
unsafe fn vm_memory_out(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller promises that both are valid for `len` bytes.
    unsafe {
        VolatileSlice::new(from.cast_mut(), len).copy_to(std::slice::from_raw_parts_mut(to, len))
    };
}

#[inline(never)]
unsafe fn vm_memory_in(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller promises that both are valid for `len` bytes.
    unsafe { VolatileSlice::new(to, len).copy_from(std::slice::from_raw_parts(from, len)) };
}

#[inline(never)]
unsafe fn atomics_out(from: *const u8, to: *mut u8, len: usize) {
    for i in 0..len {
        // SAFETY: the caller promises that both are valid for `len` bytes.
        unsafe { *to.add(i) = AtomicU8::from_ptr(from.add(i).cast_mut()).load(Ordering::Relaxed) };
    }
}

#[inline(never)]
unsafe fn atomics_in(from: *const u8, to: *mut u8, len: usize) {
    for i in 0..len {
        // SAFETY: the caller promises that both are valid for `len` bytes.
        unsafe { AtomicU8::from_ptr(to.add(i)).store(*from.add(i), Ordering::Relaxed) };
    }
}

#[inline(never)]
unsafe fn volatile_out(from: *const u8, to: *mut u8, len: usize) {
    for i in 0..len {
        // SAFETY: the caller promises that both are valid for `len` bytes.
        unsafe { *to.add(i) = from.add(i).read_volatile() };
    }
}

#[inline(never)]
unsafe fn volatile_in(from: *const u8, to: *mut u8, len: usize) {
    for i in 0..len {
        // SAFETY: the caller promises that both are valid for `len` bytes.
        unsafe { to.add(i).write_volatile(*from.add(i)) };
    }
}

fn figures(mapping: &Mapping<ReadWrite>, own: &mut [u8]) {
    let mut criterion = Criterion::default().sample_size(20);
    for way in [Way::Out, Way::In] {
        let mut group = criterion.benchmark_group(format!("{way:?}").to_lowercase());
        for size in SIZES {
            group.throughput(Throughput::Bytes(size as u64));
            for variant in &mut variants(mapping, own, size, way)[..2] {
                group.bench_function(BenchmarkId::new(variant.name, size), |bencher| {
                    bencher.iter_custom(|times| {
                        let start = std::time::Instant::now();
                        (variant.run)(u32::try_from(times).unwrap());
                        start.elapsed()
                    });
                });
            }
        }
        group.finish();
    }
}
