//! The command-line tool, as a user types it: in a `/dev/shm` of its own, at a terminal and not, as
//! root and as nobody, with other processes that use the objects.

#![cfg(all(target_os = "linux", feature = "tool"))]

mod change;
mod content;
mod many;
mod messages;
mod orphans;
mod screen;
mod show;
mod terminal;
mod world;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

/// Names that would spoil the output if they were printed as they are, and how they are shown.
fn odd_names() -> [(OsString, &'static str); 5] {
    [
        (b"/line\nbreak".to_vec(), r"$'/line\nbreak'"),
        (b"/not\xff\xfeutf8".to_vec(), r"$'/not\xff\xfeutf8'"),
        (b"/red\x1b[31m".to_vec(), r"$'/red\x1b[31m'"),
        // Text that is written from right to left from here on.
        ("/turned\u{202e}'".into(), r"$'/turned\xe2\x80\xae\''"),
        ("/it's \\ fine".into(), r"/it's \ fine"),
    ]
    .map(|(name, shown)| (OsString::from_vec(name), shown))
}

/// The arguments of a command line, some of which are no UTF-8.
fn arguments<'a>(first: &'a [&'a str], rest: &[&'a OsStr]) -> Vec<&'a OsStr> {
    first.iter().map(OsStr::new).chain(rest.iter().copied()).collect()
}
