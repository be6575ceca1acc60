//! The part of the tests that is compiled as a user would: what machine code is looked at, and what
//! hammers at shared bytes. (See the profile in the workspace's manifest. Optimising all tests
//! takes five times as long.)

#![expect(clippy::missing_panics_doc, reason = "a panic is how a test fails")]

pub mod codegen;
pub mod hammer;
