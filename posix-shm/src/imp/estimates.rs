//! How much memory Linux could give, as it estimates itself: the limits of memory cgroups and the
//! memory of the machine. Past either of them, the kernel returns no error: it kills a process.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
#[cfg(pshm_has_sys_cachestat)]
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::path::{Component, Path, PathBuf};

#[cfg(pshm_has_sys_cachestat)]
use posix_shm_sys as sys;

#[cfg(pshm_has_sys_cachestat)]
use super::syscalls;
use crate::failure::{Errno, Failure, Operation, cvt};

/// Refuses to take more memory than there seems to be. A caller can insist, but not on more than
/// the machine has in all.
pub(super) fn ask(wanted: u64, insist: bool) -> Result<(), Failure> {
    let refuse = |hint: String| Err(Failure::new(Operation::Reserve, Errno::NOMEM).with_hint(hint));
    let machine = Machine::now();
    if let Some(total) = machine.map(|machine| machine.total).filter(|total| *total < wanted) {
        return refuse(format!("the machine has {total} bytes of memory and swap in all"));
    }
    if insist {
        return Ok(());
    }
    let tightest = tightest_cgroup(machine.map_or(0, |machine| machine.free_swap))?;
    if let Some((path, available)) = tightest.filter(|(_, available)| *available < wanted) {
        return refuse(format!(
            "the memory cgroup {} has about {available} bytes left; raise its limit, or insist \
             with OpenOptions::ignore_estimates",
            path.display()
        ));
    }
    // Free memory is certain, so the estimate does not matter.
    if machine.is_some_and(|machine| machine.free >= wanted) {
        return Ok(());
    }
    match available()? {
        Some(available) if available < wanted => refuse(format!(
            "the machine has about {available} bytes of memory available; insist with \
             OpenOptions::ignore_estimates"
        )),
        _ => Ok(()),
    }
}

/// How many of these bytes of an object have a page in memory, whatever is in it: `cachestat`.
/// (`lseek` and `mincore` do not count pages that are reserved and were never written.) `None` if
/// the system has no such call, or a filter forbids it.
pub(super) fn present(object: BorrowedFd<'_>, from: u64, len: u64) -> Option<u64> {
    #[cfg(pshm_has_sys_cachestat)]
    {
        // `struct cachestat_range`, and `struct cachestat`, whose first field is the number of
        // pages: include/uapi/linux/mman.h, Linux 6.5.
        let range = [from, len];
        let mut counts = [0_u64; 5];
        let (fd, of, into) = (object.as_raw_fd(), range.as_ptr(), counts.as_mut_ptr());
        // SAFETY: the pointers are to structures of the layout and size that the kernel knows.
        let asked = unsafe { libc::syscall(sys::SYS_cachestat, fd, of, into, 0) };
        if asked == 0 {
            return Some(counts[0].saturating_mul(syscalls::page_size() as u64));
        }
    }
    #[cfg(not(pshm_has_sys_cachestat))]
    let _ = (object, from, len);
    None
}

/// The content of a file. `None` if it cannot be read.
fn read(path: impl AsRef<Path>) -> Result<Option<String>, Failure> {
    known(fs::read_to_string(path))
}

/// What the system answered, or `None` if it answered with an error. That no descriptor is free is
/// an error here too: to take that for "no limit" could end with a process killed.
fn known<T>(answer: io::Result<T>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) => match error.raw_os_error().map(Errno) {
            Some(errno @ (Errno::MFILE | Errno::NFILE)) => {
                Err(Failure::new(Operation::Reserve, errno))
            }
            _ => Ok(None),
        },
    }
}

/// The content of the first of these files that can be read.
fn read_first(paths: [&str; 2]) -> Result<Option<String>, Failure> {
    match read(paths[0])? {
        None => read(paths[1]),
        found => Ok(found),
    }
}

/// The memory and swap of the machine, in bytes, as the kernel counts them.
#[derive(Clone, Copy)]
struct Machine {
    total: u64,
    free: u64,
    free_swap: u64,
}

impl Machine {
    /// `sysinfo`; `None` if it fails.
    fn now() -> Option<Machine> {
        let mut info = MaybeUninit::<libc::sysinfo>::uninit();
        // SAFETY: the pointer is to room for one `sysinfo`.
        cvt(unsafe { libc::sysinfo(info.as_mut_ptr()) }).ok()?;
        // SAFETY: the call succeeded, so it has filled in the structure.
        let info = unsafe { info.assume_init() };
        #[allow(clippy::useless_conversion, reason = "the types are narrower on 32 bits")]
        let bytes =
            |units: libc::c_ulong| u64::from(units).saturating_mul(u64::from(info.mem_unit.max(1)));
        Some(Machine {
            total: bytes(info.totalram).saturating_add(bytes(info.totalswap)),
            free: bytes(info.freeram),
            free_swap: bytes(info.freeswap),
        })
    }
}

/// How much memory the kernel estimates it can give without killing a process. `None` without
/// `/proc`.
fn available() -> Result<Option<u64>, Failure> {
    Ok(read("/proc/meminfo")?.as_deref().and_then(available_of))
}

/// [`available`], from the content of the file.
fn available_of(meminfo: &str) -> Option<u64> {
    let kilobytes = |field: &str| -> Option<u64> {
        let rest = meminfo.lines().find_map(|line| line.strip_prefix(field))?;
        rest.trim().strip_suffix(" kB")?.parse().ok()
    };
    let available = kilobytes("MemAvailable:")?;
    available.saturating_add(kilobytes("SwapFree:")?).checked_mul(1024)
}

/// The memory cgroup of this process, or one above it, that has the least left; and how much.
fn tightest_cgroup(free_swap: u64) -> Result<Option<(PathBuf, u64)>, Failure> {
    let membership = read_first(["/proc/thread-self/cgroup", "/proc/self/cgroup"])?;
    let mounts = read_first(["/proc/thread-self/mountinfo", "/proc/self/mountinfo"])?;
    match (membership, mounts) {
        (Some(membership), Some(mounts)) => tightest(&membership, &mounts, free_swap),
        _ => Ok(None),
    }
}

/// [`tightest_cgroup`], from the content of the two files.
fn tightest(
    membership: &str,
    mounts: &str,
    free_swap: u64,
) -> Result<Option<(PathBuf, u64)>, Failure> {
    let mut found: Option<(PathBuf, u64)> = None;
    for (version, path) in membership.lines().filter_map(memory_group) {
        for (root, mount) in mounts.lines().filter_map(|line| memory_mount(line, version)) {
            let group = match Path::new(path).strip_prefix(&root) {
                Ok(below) => mount.join(below),
                // A path outside of what is mounted cannot be seen from here.
                Err(_) => match search(&mount, levels_above(&root), path)? {
                    Some(group) => group,
                    None => continue,
                },
            };
            // Every level up to the mount, which may have a limit of its own.
            for group in group.ancestors().take_while(|level| level.starts_with(&mount)) {
                let Some(left) = version.left(group, free_swap)? else { continue };
                if found.as_ref().is_none_or(|(_, least)| left < *least) {
                    found = Some((group.to_owned(), left));
                }
            }
        }
    }
    Ok(found)
}

/// How far the root of a mount lies above the cgroup namespace of this process: its path consists
/// of `..` then. Otherwise 0.
fn levels_above(root: &Path) -> usize {
    let mut levels = root.components().skip_while(|part| *part == Component::RootDir);
    if levels.all(|part| part == Component::ParentDir) { root.components().count() - 1 } else { 0 }
}

/// The cgroup of this process, by its path in a namespace whose own cgroup lies some levels below
/// the mount. The kernel does not tell the names of these levels, so this looks into all of them.
fn search(mount: &Path, levels: usize, path: &str) -> Result<Option<PathBuf>, Failure> {
    /// A machine has some hundreds.
    const MOST: usize = 10_000;
    if levels == 0 {
        return Ok(None);
    }
    let mut groups = vec![mount.to_owned()];
    for _ in 0..levels {
        let mut below = Vec::new();
        for group in &groups {
            let Some(entries) = known(fs::read_dir(group))? else { continue };
            let folders = entries
                .filter_map(Result::ok)
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            below.extend(folders.map(|entry| entry.path()).take(MOST - below.len()));
        }
        groups = below;
    }
    let ours = std::process::id().to_string();
    for group in groups {
        let group = group.join(path.trim_start_matches('/'));
        let members = read(group.join("cgroup.procs"))?.unwrap_or_default();
        if members.lines().any(|member| member == ours) {
            return Ok(Some(group));
        }
    }
    Ok(None)
}

/// The two kinds of memory cgroups, which have different files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// The version and path in a line of `/proc/PID/cgroup`, if it is about memory.
fn memory_group(line: &str) -> Option<(Version, &str)> {
    let (_, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    match controllers {
        "" => Some((Version::Two, path)),
        _ if controllers.split(',').any(|name| name == "memory") => Some((Version::One, path)),
        _ => None,
    }
}

/// The cgroup that is mounted and where, in a line of `/proc/PID/mountinfo`.
fn memory_mount(line: &str, version: Version) -> Option<(PathBuf, PathBuf)> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(3);
    let (root, mount) = (before.next()?, before.next()?);
    let mut after = after.split(' ');
    let right = match (after.next()?, version) {
        ("cgroup2", Version::Two) => true,
        ("cgroup", Version::One) => after.nth(1)?.split(',').any(|option| option == "memory"),
        _ => false,
    };
    right.then(|| (PathBuf::from(unescape(root)), PathBuf::from(unescape(mount))))
}

/// Undoes the octal escapes of spaces and the like.
fn unescape(path: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(path.to_owned(), |path, (escape, plain)| path.replace(escape, plain))
}

impl Version {
    /// How many bytes a group has left, if it has a limit.
    fn left(self, group: &Path, free_swap: u64) -> Result<Option<u64>, Failure> {
        let number = |file: &str| -> Result<Option<u64>, Failure> {
            Ok(read(group.join(file))?.and_then(|text| text.trim().parse().ok()))
        };
        let (limit, used, file, shmem) = match self {
            Version::Two => ("memory.max", "memory.current", "file", "shmem"),
            Version::One => {
                ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache", "total_shmem")
            }
        };
        // Without a limit: "max", or a number of almost 64 bits.
        let Some(limit) = number(limit)?.filter(|limit| *limit < 1 << 62) else { return Ok(None) };
        let Some(used) = number(used)? else { return Ok(None) };
        // Cached files give way to new memory, and shared memory does not.
        let stat = read(group.join("memory.stat"))?.unwrap_or_default();
        let counted = |field: &str| -> u64 {
            let value = |line: &str| line.strip_prefix(field)?.strip_prefix(' ')?.parse().ok();
            stat.lines().find_map(value).unwrap_or(0)
        };
        let cached = counted(file).saturating_sub(counted(shmem));
        let swap = match self {
            Version::Two => match number("memory.swap.max")? {
                Some(max) => max.saturating_sub(number("memory.swap.current")?.unwrap_or(0)),
                None => free_swap,
            },
            Version::One => match number("memory.memsw.limit_in_bytes")? {
                Some(both) => both.saturating_sub(limit),
                None => free_swap,
            },
        };
        let left = limit.saturating_sub(used.saturating_sub(cached));
        Ok(Some(left.saturating_add(swap.min(free_swap))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes groups out of plain files, since not every machine lets a test make real ones.
    fn group(root: &Path, path: &str, files: &[(&str, &str)]) {
        let folder = root.join(path);
        fs::create_dir_all(&folder).unwrap();
        for (name, content) in files {
            fs::write(folder.join(name), content).unwrap();
        }
    }

    fn scratch() -> PathBuf {
        let name = crate::imp::random_suffix::<16>().unwrap();
        std::env::temp_dir().join(format!("posix-shm-{}", String::from_utf8_lossy(&name)))
    }

    #[test]
    fn the_tightest_level_of_version_2_counts() {
        let root = scratch();
        group(&root, "", &[("memory.max", "max\n"), ("memory.current", "9000\n")]);
        let stat = "anon 5\nfile 300\nshmem 100\nfile_mapped 999999\n";
        let files = [("memory.max", "5000\n"), ("memory.current", "4000\n"), ("memory.stat", stat)];
        group(&root, "a b", &files);
        group(&root, "a b/c", &[("memory.max", "90000\n"), ("memory.current", "10\n")]);
        let at = root.to_str().unwrap();
        let mounts = format!("31 23 0:27 / {at} rw,nosuid shared:9 - cgroup2 cgroup2 rw\n");
        let found = tightest("0::/a b/c\n", &mounts, 0).unwrap().unwrap();
        assert_eq!(found, (root.join("a b"), 1200), "its limit, less use that is not cache");
        // Swap helps as far as the machine has it and the group may have it.
        assert_eq!(tightest("0::/a b/c\n", &mounts, 70).unwrap().unwrap().1, 1270);
        fs::write(root.join("a b/memory.swap.max"), "50\n").unwrap();
        assert_eq!(tightest("0::/a b/c\n", &mounts, 70).unwrap().unwrap().1, 1250);
        // A container sees only a part of the tree, under the root of its mount.
        let part = format!("31 23 0:27 /a {at}/a\\040b rw - cgroup2 cgroup2 rw\n");
        assert_eq!(tightest("0::/a/c\n", &part, 0).unwrap().unwrap().1, 1200);
        assert_eq!(tightest("0::/elsewhere\n", &part, 0).unwrap(), None);
        fs::remove_dir_all(root).unwrap();
    }

    /// A namespace for cgroups, and the mount of before.
    #[test]
    fn a_mount_from_outside_the_namespace_is_searched() {
        let root = scratch();
        let limited = [("memory.max", "5000\n"), ("memory.current", "4000\n")];
        let ours = std::process::id().to_string();
        group(&root, "other/x", &[("cgroup.procs", "1\n")]);
        group(&root, "above", &limited);
        group(&root, "above/own", &[("cgroup.procs", "")]);
        group(&root, "above/own/x", &[("cgroup.procs", &ours)]);
        let at = root.to_str().unwrap();
        let mounts = format!("31 23 0:27 /../.. {at} rw - cgroup2 cgroup2 rw\n");
        let found = tightest("0::/x\n", &mounts, 0).unwrap();
        assert_eq!(found, Some((root.join("above"), 1000)), "a level above the namespace");
        for (root, levels) in [("/..", 1), ("/../..", 2), ("/", 0), ("/a", 0), ("/../a", 0)] {
            assert_eq!(levels_above(Path::new(root)), levels, "{root}");
        }
        assert_eq!(tightest("0::/elsewhere\n", &mounts, 0).unwrap(), None);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn version_1_counts_beside_version_2() {
        let root = scratch();
        let files = [
            ("memory.limit_in_bytes", "1000\n"),
            ("memory.usage_in_bytes", "900\n"),
            ("memory.stat", "cache 1\ntotal_cache 50\ntotal_shmem 20\n"),
        ];
        group(&root, "job", &files);
        group(&root, "", &[("memory.limit_in_bytes", "9223372036854771712\n")]);
        let at = root.to_str().unwrap();
        let mounts = format!(
            "40 30 0:33 / {at} rw - cgroup cgroup rw,memory\n\
             41 30 0:34 / /cpu rw - cgroup c rw,cpu\n"
        );
        let membership = "5:cpu,cpuacct:/job\n4:memory:/job\n0::/\n";
        assert_eq!(tightest(membership, &mounts, 0).unwrap(), Some((root.join("job"), 130)));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn more_than_the_machine_has_cannot_be_insisted_on() {
        for insist in [false, true] {
            let failure = ask(u64::MAX, insist).unwrap_err();
            assert!(failure.hint.as_ref().unwrap().contains("in all"), "{failure:?}");
        }
        ask(0, false).unwrap();
    }
}
