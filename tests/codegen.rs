//! Functions for `machine_code.rs`: pairs that must have the same machine code, of which one uses
//! the library and the other a raw pointer with the same bounds check, and atomic operations.

use std::hint::black_box;
use std::sync::Arc;

use posix_shm::{OwnedCell, OwnedSlice, ReadWrite, SharedCell, SharedSlice, Shm};

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

macro_rules! atomics {
    ($(
        $word:ident $load_acquire:ident $store_release:ident $swap:ident $compare_exchange:ident
        $fetch_add:ident $fetch_sub:ident
    )*) => {
        $(
            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "Rust" fn $load_acquire(cell: SharedCell<'_, $word, ReadWrite>) -> $word {
                cell.load_acquire()
            }

            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "Rust" fn $store_release(cell: SharedCell<'_, $word, ReadWrite>, value: $word) {
                cell.store_release(value);
            }

            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "Rust" fn $swap(cell: SharedCell<'_, $word, ReadWrite>, value: $word) -> $word {
                cell.swap(value)
            }

            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "Rust" fn $compare_exchange(
                cell: SharedCell<'_, $word, ReadWrite>,
                current: $word,
                new: $word,
            ) -> bool {
                cell.compare_exchange(current, new).is_ok()
            }

            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "Rust" fn $fetch_add(cell: SharedCell<'_, $word, ReadWrite>) -> $word {
                cell.fetch_add(1)
            }

            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "Rust" fn $fetch_sub(
                cell: SharedCell<'_, $word, ReadWrite>,
                value: $word,
            ) -> $word {
                cell.fetch_sub(value)
            }
        )*

        /// Uses each function, so that the linker keeps it.
        fn call_atomics() {
            let mapping = Shm::anonymous(4096).unwrap().map_mut().unwrap();
            $(
                let cell = mapping.cell::<$word>(64).unwrap();
                $store_release(black_box(cell), black_box(5));
                assert_eq!($swap(black_box(cell), black_box(7)), 5, stringify!($swap));
                let exchanged = $compare_exchange(black_box(cell), black_box(7), black_box(8));
                assert!(exchanged, stringify!($compare_exchange));
                assert_eq!($fetch_add(black_box(cell)), 8, stringify!($fetch_add));
                assert_eq!($fetch_sub(black_box(cell), black_box(9)), 9, stringify!($fetch_sub));
                assert_eq!($load_acquire(black_box(cell)), 0, stringify!($load_acquire));
            )*
        }
    };
}

atomics! {
    u8 load_acquire_u8 store_release_u8 swap_u8 compare_exchange_u8 fetch_add_u8 fetch_sub_u8
    u16 load_acquire_u16 store_release_u16 swap_u16 compare_exchange_u16 fetch_add_u16 fetch_sub_u16
    u32 load_acquire_u32 store_release_u32 swap_u32 compare_exchange_u32 fetch_add_u32 fetch_sub_u32
    u64 load_acquire_u64 store_release_u64 swap_u64 compare_exchange_u64 fetch_add_u64 fetch_sub_u64
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

fn main() {
    call_pairs();
    call_atomics();
    call_kept();
}
