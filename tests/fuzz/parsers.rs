//! What `/proc` and the files of cgroups say, as the library and the tool read it: the kernel's
//! lines are read back, and no bytes make a reader panic. Something else may be mounted over
//! `/proc`.

#[path = "../../posix-shm/src/imp/proc_text.rs"]
#[allow(dead_code, reason = "not all of it is tested here")]
mod ours;
#[path = "../../posix-shm/src/bin/posix-shm/proc_text.rs"]
#[allow(dead_code, reason = "not all of it is tested here")]
mod tools;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

use super::check;
use ours::Version;

/// What the files consist of. Bytes in this order are almost never a line of the kernel's.
const WORDS: &[&[u8]] = &[
    b" ",
    b"\n",
    b"-",
    b" - ",
    b":",
    b",",
    b"/",
    b"/..",
    b"..",
    b"\\",
    b"\\040",
    b"\\+12",
    b"\\777",
    b"\\012",
    b"0::/",
    b"4:memory:/",
    b"cgroup",
    b"cgroup2",
    b"memory",
    b"tmpfs",
    b"rw",
    b"0",
    b"5:1",
    b"18446744073709551615",
    b"99999999999999999999",
    b"ffffffffffffffff",
    b"1000-2000",
    b"2000-1000",
    b"MemAvailable:",
    b"SwapFree:",
    b" kB",
    b"(",
    b") Z",
    b" (deleted)",
    b"scm_fds:",
    b"\xff",
    b"\0",
];

/// Gives all readers the same bytes.
fn read_all(bytes: &[u8]) {
    let dots = bytes.windows(2).filter(|pair| pair == b"..").count();
    for line in ours::lines(bytes).chain([bytes]) {
        let plain = ours::unescape(line);
        assert!(plain.as_os_str().len() <= line.len(), "unescaping only makes shorter");
        let path = Path::new(OsStr::from_bytes(line));
        assert!(ours::levels_above(path) <= dots, "{path:?}");
        if let Some((_, group)) = ours::memory_group(line) {
            assert!(line.ends_with(group.as_os_str().as_bytes()));
        }
        for version in [Version::One, Version::Two] {
            if let Some((root, _)) = ours::memory_mount(line, version) {
                assert!(ours::levels_above(&root) <= bytes.len(), "{root:?}");
            }
        }
        ours::number_of(line);
        if let Some(mapping) = tools::Line::of(line) {
            assert!(mapping.range.len() + mapping.device.len() + mapping.path.len() <= line.len());
        }
        assert!(tools::unescaped(line).len() <= line.len());
    }
    ours::available_of(bytes);
    ours::has_ended_of(bytes);
    for address in [0, 0x1000, 0x1fff, 0x2000, usize::MAX] {
        ours::file_mapped_at(bytes, address);
    }
    tools::Mount::all_of(bytes);
    tools::carries_by(&String::from_utf8_lossy(bytes));
}

#[test]
fn no_bytes_in_proc_make_a_reader_panic() {
    let corpus = [
        // A mount whose root is empty: the levels above it were counted as -1.
        b"31 23 0:27  /m rw - cgroup2 c rw".to_vec(),
        b"".to_vec(),
        b"\n\n".to_vec(),
    ];
    let word = prop_oneof![
        9 => select(WORDS).prop_map(<[u8]>::to_vec), 1 => vec(any::<u8>(), 1..4),
    ];
    let bytes = vec(word, 0..24).prop_map(|words| words.concat());
    check(&corpus, &bytes, |bytes| read_all(bytes));
}

/// A path of any bytes but NUL.
fn path() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        3 => b'a'..=b'z', 2 => Just(b'/'), 1 => Just(b'.'), 2 => select(&b" \t\n\\"[..]),
        1 => select(&b"0123"[..]), 1 => 1_u8..=255,
    ];
    vec(byte, 0..12).prop_map(|bytes| [&b"/"[..], &bytes].concat())
}

/// As the kernel writes a path: these bytes in octal.
fn escaped(path: &[u8], which: &[u8]) -> Vec<u8> {
    let escape = |byte: &u8| match which.contains(byte) {
        true => format!("\\{byte:03o}").into_bytes(),
        false => vec![*byte],
    };
    path.iter().flat_map(escape).collect()
}

/// What `mountinfo` escapes.
const OF_MOUNTS: &[u8] = b" \t\n\\";

#[test]
fn every_mount_is_read_as_it_was_written() {
    let random = (path(), path(), any::<bool>(), vec(select(&["shared:1", "master:2"][..]), 0..3));
    check(&[], &random, |(root, point, first, optional)| {
        let (kind, version, other) = match first {
            true => ("cgroup", Version::One, Version::Two),
            false => ("cgroup2", Version::Two, Version::One),
        };
        let optional: String = optional.iter().map(|word| format!("{word} ")).collect();
        let start = [&b"31 23 0:27 "[..], &escaped(root, OF_MOUNTS), b" "].concat();
        let end = format!(" rw,nosuid {optional}- {kind} name rw,memory");
        let line = [&start[..], &escaped(point, OF_MOUNTS), end.as_bytes()].concat();
        let (found_root, found_point) = ours::memory_mount(&line, version).expect("it is one");
        assert_eq!(found_root.as_os_str().as_bytes(), root);
        assert_eq!(found_point.as_os_str().as_bytes(), point);
        assert_eq!(ours::memory_mount(&line, other), None);
        let [mount] = tools::Mount::all_of(&line).try_into().ok().expect("one line");
        assert_eq!((&*mount.device, &*mount.kind, &*mount.options), ("0:27", kind, "rw,memory"));
        let written = escaped(point, OF_MOUNTS);
        assert_eq!(mount.point, String::from_utf8_lossy(&written));
    });
}

#[test]
fn every_mapping_is_read_as_it_was_written() {
    // How many pages a mapping has, how many are free before it, its inode, its path.
    let mapping = (1_usize..5, 0_usize..3, any::<u64>(), path());
    let random = (vec(mapping, 0..6), 0_usize..60);
    check(&[], &random, |(mappings, page)| {
        let (mut text, mut at, mut expected) = (Vec::new(), 0x10, None);
        let address = 0x10_000 + page * 0x800;
        for (pages, before, inode, path) in mappings {
            let from = (at + before) << 12;
            at += before + pages;
            let line = format!("{from:08x}-{:08x} rw-s 00000000 00:1f {inode}    ", at << 12);
            let line = [line.as_bytes(), &escaped(path, b"\n")].concat();
            let found = tools::Line::of(&line).expect("a line of maps");
            assert_eq!((found.device, found.inode), (&b"00:1f"[..], *inode));
            // The kernel does not escape the backslash, so such a path has two meanings.
            if !path.windows(4).any(|part| part == b"\\012") {
                assert_eq!(tools::unescaped(found.path), *path);
            }
            if (from..at << 12).contains(&address) {
                expected = Some((b"00:1f".to_vec(), inode.to_string().into_bytes()));
            }
            text.extend(line);
            text.push(b'\n');
        }
        let found = ours::file_mapped_at(&text, address);
        assert_eq!(found.map(|(device, inode)| (device.to_vec(), inode.to_vec())), expected);
    });
}

#[test]
fn every_membership_and_number_is_read_as_it_was_written() {
    let controllers = vec(select(&["cpu", "memory", "pids", "memoryx"][..]), 0..4);
    let random = (controllers, path(), any::<u32>(), any::<u32>(), 0_usize..4);
    check(&[], &random, |(controllers, path, available, swap, levels)| {
        let line = [format!("7:{}:", controllers.join(",")).as_bytes(), path].concat();
        let version = match &controllers[..] {
            [] => Some(Version::Two),
            some => some.contains(&"memory").then_some(Version::One),
        };
        let found = ours::memory_group(&line);
        assert_eq!(found.map(|(version, _)| version), version);
        assert!(found.is_none_or(|(_, group)| group.as_os_str().as_bytes() == path));
        let meminfo = format!(
            "MemTotal:  9 kB\nMemAvailable:  {available} kB\nSwapTotal: 1 kB\nSwapFree: {swap} kB\n"
        );
        let bytes = (u64::from(*available) + u64::from(*swap)) * 1024;
        assert_eq!(ours::available_of(meminfo.as_bytes()), Some(bytes));
        assert_eq!(ours::levels_above(Path::new(&"/..".repeat(*levels))), *levels);
        assert_eq!(tools::carries_by(&format!("pos:\t0\nscm_fds: {levels}\n")), *levels > 0);
    });
}
