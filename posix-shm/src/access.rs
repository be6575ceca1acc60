//! Views of mapped memory: [`SharedSlice`], [`SharedCell`], [`SharedAtomic`], and streams of bytes.
//!
//! Only this module reads and writes mapped bytes, and in it only [`copy`] and [`atomic`] do. A
//! view knows an address and a length, and gets both from [`bounds`]; [`map`](crate::map) decides
//! where the memory is and how long it lives. Why the accesses are sound is written in [`copy`].
//! `immutable` alone makes slices of memory, of what nobody can change.
//!
//! SAFETY comments cite the rules of the chapter on [safety](crate::guide::safety) by number.

// rustdoc shows the methods of a type in the order of these modules. What newcomers need is first.
mod views;

mod private;
mod slice;
pub use slice::SharedSlice;

mod iter;
pub use iter::{SharedChunks, SharedIter};

mod cell;
pub use cell::{SharedCell, check_index};

mod atomic;
pub use atomic::{SharedAtomic, Word};

mod wait;
pub use wait::{WaitOptions, Waited};

mod event;
pub use event::Event;

mod seq_lock;
pub use seq_lock::{SeqCell, SeqLock, SeqSlice};

mod owned;
pub use owned::{OwnedCell, OwnedSlice};

mod immutable;

mod cursor;
pub use cursor::{SharedReader, SharedWriter};

mod block;
mod bounds;
mod copy;

#[cfg(test)]
mod tests;
