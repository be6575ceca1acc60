//! Reads what Linux' `/proc` and the files of cgroups say. It takes bytes and makes no system call,
//! so that `tests/fuzz/parsers.rs` can give it any.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// A number at the start of a line, without what is around it.
pub(super) fn number_of(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// How much memory the kernel estimates it can give, from the content of `/proc/meminfo`.
pub(super) fn available_of(meminfo: &[u8]) -> Option<u64> {
    let kilobytes = |field: &str| -> Option<u64> {
        let rest = lines(meminfo).find_map(|line| line.strip_prefix(field.as_bytes()))?;
        number_of(rest.trim_ascii().strip_suffix(b" kB")?)
    };
    let available = kilobytes("MemAvailable:")?;
    available.saturating_add(kilobytes("SwapFree:")?).checked_mul(1024)
}

/// Whether a thread has ended, from the content of its `stat`.
pub(super) fn has_ended_of(stat: &[u8]) -> bool {
    // Its name is in parentheses, and may have some of its own.
    let state = stat.iter().rposition(|byte| *byte == b')').map(|end| &stat[end + 1..]);
    state.is_some_and(|state| matches!(state.trim_ascii_start().first(), Some(b'Z' | b'X')))
}

/// How far the root of a mount lies above the cgroup namespace of this process: its path consists
/// of `..` then. Otherwise 0.
pub(super) fn levels_above(root: &Path) -> usize {
    let levels = || root.components().skip_while(|part| *part == Component::RootDir);
    if levels().all(|part| part == Component::ParentDir) { levels().count() } else { 0 }
}

/// The two kinds of memory cgroups, which have different files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// The version and path in a line of `/proc/PID/cgroup`, if it is about memory.
pub(super) fn memory_group(line: &[u8]) -> Option<(Version, &Path)> {
    let mut parts = line.splitn(3, |byte| *byte == b':').skip(1);
    let (controllers, path) = (parts.next()?, Path::new(OsStr::from_bytes(parts.next()?)));
    match controllers {
        b"" => Some((Version::Two, path)),
        _ if has(controllers, b"memory") => Some((Version::One, path)),
        _ => None,
    }
}

/// Whether a list with commas has this word.
fn has(list: &[u8], word: &[u8]) -> bool {
    list.split(|byte| *byte == b',').any(|one| one == word)
}

/// The cgroup that is mounted and where, in a line of `/proc/PID/mountinfo`.
pub(super) fn memory_mount(line: &[u8], version: Version) -> Option<(PathBuf, PathBuf)> {
    let mut words = line.split(|byte| *byte == b' ').skip(3);
    let (root, mount) = (words.next()?, words.next()?);
    let mut after = words.skip_while(|word| *word != b"-").skip(1);
    let right = match (after.next()?, version) {
        (b"cgroup2", Version::Two) => true,
        (b"cgroup", Version::One) => has(after.nth(1)?, b"memory"),
        _ => false,
    };
    right.then(|| (unescape(root), unescape(mount)))
}

/// Undoes the octal escapes of spaces and the like.
pub(super) fn unescape(path: &[u8]) -> PathBuf {
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = (byte == b'\\').then(|| after.get(..3)).flatten();
        // A sign is no digit.
        let escaped = escaped.filter(|digits| digits.iter().all(u8::is_ascii_digit));
        let escaped = escaped.and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = &after[3..];
            }
            None => {
                plain.push(byte);
                rest = after;
            }
        }
    }
    PathBuf::from(OsStr::from_bytes(&plain))
}

/// The device and the inode, as the content of `maps` has them: the fourth and fifth field of the
/// line whose first field has the address.
pub(super) fn file_mapped_at(maps: &[u8], address: usize) -> Option<(&[u8], &[u8])> {
    let number = |text: &[u8]| usize::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok();
    maps.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let mut ends = fields.next()?.splitn(2, |byte| *byte == b'-');
        let range = number(ends.next()?)?..number(ends.next()?)?;
        let (device, inode) = (fields.nth(2)?, fields.next()?);
        range.contains(&address).then_some((device, inode))
    })
}
