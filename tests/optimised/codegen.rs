//! Functions for `tests/machine_code.rs`: pairs that must have the same machine code, of which one
//! uses the library and the other a raw pointer with the same bounds check, and atomic operations
//! with constant orderings.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

use posix_shm::{OwnedCell, OwnedSlice, ReadWrite, SharedAtomic, SharedCell, SharedSlice, Shm};

macro_rules! pairs {
    ($($word:ident $load:ident $raw_load:ident $store:ident $raw_store:ident)*) => {
        $(
            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "Rust" fn $load(
                slice: SharedSlice<'_, $word, ReadWrite>,
                index: usize,
            ) -> $word {
                slice.load(index)
            }

            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "Rust" fn $raw_load(start: *const $word, len: usize, index: usize) -> $word {
                check(index, len);
                // SAFETY: the index was checked, and the only caller passes its own memory.
                let at = unsafe { start.add(index) };
                // SAFETY: as above.
                unsafe { at.read_volatile() }
            }

            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "Rust" fn $store(
                slice: SharedSlice<'_, $word, ReadWrite>,
                index: usize,
                value: $word,
            ) {
                slice.store(index, value);
            }

            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "Rust" fn $raw_store(start: *mut $word, len: usize, index: usize, value: $word) {
                check(index, len);
                // SAFETY: the index was checked, and the only caller passes its own memory.
                let at = unsafe { start.add(index) };
                // SAFETY: as above.
                unsafe { at.write_volatile(value) }
            }
        )*

        /// Uses each function, so that the linker keeps it.
        fn call_pairs() {
            let mapping = Shm::anonymous(4096).unwrap().map_mut().unwrap();
            $(
                let slice = mapping.slice::<$word>(0, 8).unwrap();
                $store(black_box(slice), black_box(1), black_box(7));
                assert_eq!($load(black_box(slice), black_box(1)), 7, stringify!($load));
                let mut own = [0; 8];
                $raw_store(black_box(own.as_mut_ptr()), black_box(8), black_box(1), black_box(7));
                let loaded = $raw_load(black_box(own.as_ptr()), black_box(8), black_box(1));
                assert_eq!(loaded, 7, stringify!($raw_load));
            )*
        }
    };
}

pairs! {
    u8 load_u8 raw_load_u8 store_u8 raw_store_u8
    u16 load_u16 raw_load_u16 store_u16 raw_store_u16
    u32 load_u32 raw_load_u32 store_u32 raw_store_u32
    u64 load_u64 raw_load_u64 store_u64 raw_store_u64
}

macro_rules! functions {
    ($($name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? { $body:expr })*) => {
        $(
            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "Rust" fn $name($($argument: $type),*) $(-> $result)? {
                $body
            }
        )*
    };
}

macro_rules! atomics {
    ($(
        $word:ident
        $load_relaxed:ident $load_acquire:ident $load_seq_cst:ident $load_of_cell:ident
        $store_relaxed:ident $store_release:ident $store_seq_cst:ident $swap:ident
        $compare_exchange:ident $compare_exchange_weak:ident $fetch_add:ident $fetch_sub:ident
    )*) => {
        $(
            functions! {
                $load_relaxed(at: SharedAtomic<'_, $word>) -> $word { at.load(Relaxed) }
                $load_acquire(at: SharedAtomic<'_, $word>) -> $word { at.load(Acquire) }
                $load_seq_cst(at: SharedAtomic<'_, $word>) -> $word { at.load(SeqCst) }
                $load_of_cell(cell: SharedCell<'_, $word, ReadWrite>) -> $word {
                    cell.atomic().load(Acquire)
                }
                $store_relaxed(at: SharedAtomic<'_, $word>, value: $word) {
                    at.store(value, Relaxed)
                }
                $store_release(at: SharedAtomic<'_, $word>, value: $word) {
                    at.store(value, Release)
                }
                $store_seq_cst(at: SharedAtomic<'_, $word>, value: $word) {
                    at.store(value, SeqCst)
                }
                $swap(at: SharedAtomic<'_, $word>, value: $word) -> $word {
                    at.swap(value, Relaxed)
                }
                $compare_exchange(at: SharedAtomic<'_, $word>, old: $word, new: $word) -> bool {
                    at.compare_exchange(old, new, SeqCst, Acquire).is_ok()
                }
                $compare_exchange_weak(
                    at: SharedAtomic<'_, $word>, old: $word, new: $word
                ) -> bool {
                    at.compare_exchange_weak(old, new, Release, Relaxed).is_ok()
                }
                $fetch_add(at: SharedAtomic<'_, $word>, value: $word) -> $word {
                    at.fetch_add(value, AcqRel)
                }
                $fetch_sub(at: SharedAtomic<'_, $word>, value: $word) -> $word {
                    at.fetch_sub(value, SeqCst)
                }
            }
        )*

        /// Uses each function, so that the linker keeps it.
        fn call_atomics() {
            let mapping = Shm::anonymous(4096).unwrap().map_mut().unwrap();
            $(
                let cell = mapping.cell::<$word>(64).unwrap();
                let at = || black_box(cell.atomic());
                $store_relaxed(at(), black_box(4));
                assert_eq!($load_relaxed(at()), 4, stringify!($load_relaxed));
                $store_release(at(), black_box(5));
                assert_eq!($load_acquire(at()), 5, stringify!($load_acquire));
                $store_seq_cst(at(), black_box(6));
                assert_eq!($load_seq_cst(at()), 6, stringify!($load_seq_cst));
                assert_eq!($swap(at(), black_box(7)), 6, stringify!($swap));
                let exchanged = $compare_exchange(at(), black_box(7), black_box(8));
                assert!(exchanged, stringify!($compare_exchange));
                let exchanged = $compare_exchange_weak(at(), black_box(7), black_box(9));
                assert!(!exchanged, stringify!($compare_exchange_weak));
                assert_eq!($fetch_add(at(), black_box(1)), 8, stringify!($fetch_add));
                assert_eq!($fetch_sub(at(), black_box(9)), 9, stringify!($fetch_sub));
                assert_eq!($load_of_cell(black_box(cell)), 0, stringify!($load_of_cell));
            )*
        }
    };
}

atomics! {
    u8
    load_relaxed_u8 load_acquire_u8 load_seq_cst_u8 load_of_cell_u8 store_relaxed_u8
    store_release_u8 store_seq_cst_u8 swap_u8 compare_exchange_u8 compare_exchange_weak_u8
    fetch_add_u8 fetch_sub_u8
    u16
    load_relaxed_u16 load_acquire_u16 load_seq_cst_u16 load_of_cell_u16 store_relaxed_u16
    store_release_u16 store_seq_cst_u16 swap_u16 compare_exchange_u16 compare_exchange_weak_u16
    fetch_add_u16 fetch_sub_u16
    u32
    load_relaxed_u32 load_acquire_u32 load_seq_cst_u32 load_of_cell_u32 store_relaxed_u32
    store_release_u32 store_seq_cst_u32 swap_u32 compare_exchange_u32 compare_exchange_weak_u32
    fetch_add_u32 fetch_sub_u32
    u64
    load_relaxed_u64 load_acquire_u64 load_seq_cst_u64 load_of_cell_u64 store_relaxed_u64
    store_release_u64 store_seq_cst_u64 swap_u64 compare_exchange_u64 compare_exchange_weak_u64
    fetch_add_u64 fetch_sub_u64
}

/// A value of 24 bytes, which no register holds.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Record {
    sequence: u64,
    size: f64,
    kind: u32,
    flags: u32,
}

/// The same with a smaller alignment than its words have.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Packed {
    words: [u32; 6],
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "Rust" fn load_record(slice: SharedSlice<'_, Record>, index: usize) -> (u64, u32) {
    let record = slice.load(index);
    (record.sequence ^ record.size.to_bits(), record.kind ^ record.flags)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "Rust" fn store_record(slice: SharedSlice<'_, Record>, index: usize, seed: u64) {
    let (size, kind) = (f64::from_bits(seed ^ 1), seed as u32);
    slice.store(index, Record { sequence: seed, size, kind, flags: 3 });
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "Rust" fn load_packed(slice: SharedSlice<'_, Packed>, index: usize) -> u32 {
    slice.load(index).words.iter().fold(0, |all, word| all ^ word)
}

fn call_records() {
    let mapping = Shm::anonymous(4096).unwrap().map_mut().unwrap();
    let records = mapping.slice::<Record>(0, 4).unwrap();
    store_record(black_box(records), black_box(1), black_box(7));
    assert_eq!(load_record(black_box(records), black_box(1)), (7 ^ 6, 7 ^ 3));
    let packed = records.range(1..2).cast::<Packed>().unwrap();
    assert_eq!(load_packed(black_box(packed), black_box(0)), 7 ^ 6 ^ 7 ^ 3);
}

#[inline(always)]
fn check(index: usize, len: usize) {
    if index >= len {
        past_the_end(index, len);
    }
}

#[cold]
#[inline(never)]
fn past_the_end(index: usize, len: usize) -> ! {
    panic!("{index} {len}")
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "Rust" fn kept_cell_load(cell: &OwnedCell<u32>) -> u32 {
    cell.get().load()
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "Rust" fn kept_slice_load(slice: &OwnedSlice<u32>, index: usize) -> u32 {
    slice.get().load(index)
}

/// Uses each function, so that the linker keeps it.
fn call_kept() {
    let object = Shm::anonymous(4096).unwrap();
    let slice = Arc::new(object.map_mut().unwrap()).view::<u32>(0, 8).unwrap();
    slice.get().fill(7);
    assert_eq!(kept_slice_load(black_box(&slice), black_box(1)), 7);
    assert_eq!(kept_cell_load(black_box(&slice.cell(1))), 7);
}

/// Calls every function, so that the linker keeps it.
pub fn run() {
    call_pairs();
    call_records();
    call_atomics();
    call_kept();
}
