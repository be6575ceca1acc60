//! [`MapOptions`] and [`Mapping`]: memory that is backed by an object.
//!
//! These files say where the addresses come from and how long they live.
//! [`access`](crate::access) touches what is there.
//!
//! The system maps whole pages. A mapping may begin and end inside one:
//!
//! ```text
//! object    |   page 0   |   page 1   |   page 2   |   page 3   |
//!           0                 ^offset
//! region                 |   page 1   |   page 2   |   what mmap returns
//!                        ^pages                        and munmap takes
//! mapping                |lead|======len======|        what the caller sees
//!                             ^start = pages + lead
//! ```
//!
//! `region` owns the pages, and the address space behind them. `options` makes one, and `whole` the
//! usual one. `mapping` is what the caller has. `growth`, `populate`, `advice` and `huge` are more
//! of its methods, by subject. `markers` has what a mapping allows.

// rustdoc shows the methods of a mapping in the order of these modules.
mod mapping;

mod growth;

mod populate;

mod huge;

mod advice;

mod markers;
mod options;
mod region;
mod whole;

pub use advice::Advice;
pub use growth::Moved;
pub use huge::{Collapsed, HugePages};
pub use mapping::{Mapping, RawMapping};
pub use markers::{CopyOnWrite, Protection, ReadOnly, ReadWrite, Shared};
pub use options::MapOptions;

pub(crate) use region::{MAX_LEN, Region, WholePages, too_long};
