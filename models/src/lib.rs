//! Models of the protocols between processes that `posix-shm` relies on. Each is explored
//! completely: every order of the system calls, with every process killed at any of them.
//!
//! A model is written like the code that it stands for, function by function, with every system
//! call as one step ([`explorer`]). [`site`] ties the two together: each step names the function it
//! is from and the calls which that function makes, in their order. If the library's source no
//! longer has them, a test fails, and the model must be made to follow.
//!
//! - [`names`]: creating, publishing, superseding, opening, unlinking, with and without presence;
//! - [`forks`]: what a forked child inherits must not remove names;
//! - [`lengths`]: growing an object that peers grow too, and what happens if that fails;
//! - [`memory`]: the event and the sequence lock, with every value that a load may return.
//!
//! Each model takes a mutation: one thing in it done wrong, as it could be in the library. The
//! tests show that the correct model breaks no rule, and that each mutation breaks one.

pub mod explorer;
pub mod forks;
pub mod lengths;
pub mod memory;
pub mod names;
pub mod site;
