//! Pairs of functions that should be the same machine code: ours, and the raw pointer's with the same check of the index.
//! `machine_code.rs` compares them.

use std::hint::black_box;

use posix_shm::{ReadWrite, SharedCell, SharedSlice, Shm};

macro_rules! pairs {
    ($($word:ident $load:ident $raw_load:ident $store:ident $raw_store:ident)*) => {
        $(
            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "Rust" fn $load(slice: SharedSlice<'_, $word, ReadWrite>, index: usize) -> $word {
                slice.load(index)
            }

            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "Rust" fn $raw_load(start: *const $word, len: usize, index: usize) -> $word {
                check(index, len);
                // SAFETY: inside, as checked; never called but with memory of its own.
                let at = unsafe { start.add(index) };
                // SAFETY: as above.
                unsafe { at.read_volatile() }
            }

            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "Rust" fn $store(slice: SharedSlice<'_, $word, ReadWrite>, index: usize, value: $word) {
                slice.store(index, value);
            }

            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "Rust" fn $raw_store(start: *mut $word, len: usize, index: usize, value: $word) {
                check(index, len);
                // SAFETY: inside, as checked; never called but with memory of its own.
                let at = unsafe { start.add(index) };
                // SAFETY: as above.
                unsafe { at.write_volatile(value) }
            }
        )*

        /// So that none of them is left out.
        fn call_all() {
            let mapping = Shm::anonymous(4096).unwrap().map_mut().unwrap();
            $(
                let slice = mapping.slice::<$word>(0, 8).unwrap();
                $store(black_box(slice), black_box(1), black_box(7));
                assert_eq!($load(black_box(slice), black_box(1)), 7);
                let mut own = [0; 8];
                $raw_store(black_box(own.as_mut_ptr()), black_box(8), black_box(1), black_box(7));
                assert_eq!($raw_load(black_box(own.as_ptr()), black_box(8), black_box(1)), 7);
            )*
            let cell = mapping.cell::<u64>(64).unwrap();
            assert_eq!(count(black_box(cell)), 0);
        }
    };
}

pairs! {
    u8 load_u8 raw_load_u8 store_u8 raw_store_u8
    u16 load_u16 raw_load_u16 store_u16 raw_store_u16
    u32 load_u32 raw_load_u32 store_u32 raw_store_u32
    u64 load_u64 raw_load_u64 store_u64 raw_store_u64
}

/// One locked instruction.
#[unsafe(no_mangle)]
#[inline(never)]
extern "Rust" fn count(cell: SharedCell<'_, u64, ReadWrite>) -> u64 {
    cell.fetch_add(1)
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

fn main() {
    call_all();
}
