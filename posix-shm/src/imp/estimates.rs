//! How much memory Linux could give, as it estimates itself: the limits of memory cgroups and the
//! memory of the machine. Past either of them, the kernel returns no error: it kills a process.

use std::fs::{self, File};
use std::io::{self, Read};
use std::mem::MaybeUninit;
#[cfg(pshm_has_sys_cachestat)]
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use posix_shm_sys as sys;

use super::proc_text::{
    Version, available_of, has_ended_of, levels_above, lines, memory_group, memory_mount, number_of,
};
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

/// The content of a file of the kernel, which need not be text: it may have paths. `None` if it
/// cannot be read.
fn read(path: impl AsRef<Path>) -> Result<Option<Vec<u8>>, Failure> {
    known(read_plain(path.as_ref()))
}

/// Reads a plain file, and not for ever: something else may be mounted over what the kernel offers.
fn read_plain(path: &Path) -> io::Result<Vec<u8>> {
    /// Ten thousand mounts need less.
    const MOST: u64 = 16 << 20;
    // The standard library closes it on exec.
    let file = File::options().read(true).custom_flags(sys::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut content = Vec::new();
    file.take(MOST).read_to_end(&mut content)?;
    Ok(content)
}

/// What the system answered, or `None` if it answered with an error. That no descriptor is free is
/// an error here too: to take that for "no limit" could end with a process killed.
fn known<T>(answer: io::Result<T>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) => match error.raw_os_error().map(Errno) {
            Some(errno @ (Errno::MFILE | Errno::NFILE)) => {
                let who = if errno == Errno::MFILE { "this process" } else { "the system" };
                Err(Failure::new(Operation::Reserve, errno).with_hint(format!(
                    "{who} has no free descriptor to ask how much memory is left; close some, \
                     raise the limit, or insist with OpenOptions::ignore_estimates"
                )))
            }
            _ => Ok(None),
        },
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

/// The memory cgroup of this process, or one above it, that has the least left; and how much.
fn tightest_cgroup(free_swap: u64) -> Result<Option<(PathBuf, u64)>, Failure> {
    let (thread, process) = (read("/proc/thread-self/cgroup")?, read("/proc/self/cgroup")?);
    let mounts = match read("/proc/thread-self/mountinfo")? {
        None => read("/proc/self/mountinfo")?,
        found => found,
    };
    let Some(mounts) = mounts else { return Ok(None) };
    // Threads can be in groups of their own. Version 2 counts their memory at a level above both.
    // Version 1 counts it in the group of the thread that the process began with, while it lives.
    let membership = match (thread, process) {
        (Some(thread), Some(process)) if thread != process && has_ended()? => thread,
        (thread, process) => process.or(thread).unwrap_or_default(),
    };
    tightest(&membership, &mounts, free_swap)
}

/// Whether the thread that the process began with has ended, and others go on.
fn has_ended() -> Result<bool, Failure> {
    Ok(has_ended_of(&read("/proc/self/stat")?.unwrap_or_default()))
}

/// [`tightest_cgroup`], from the content of the two files.
fn tightest(
    membership: &[u8],
    mounts: &[u8],
    free_swap: u64,
) -> Result<Option<(PathBuf, u64)>, Failure> {
    let mut found: Option<(PathBuf, u64)> = None;
    for (version, path) in lines(membership).filter_map(memory_group) {
        for (root, mount) in lines(mounts).filter_map(|line| memory_mount(line, version)) {
            let group = match path.strip_prefix(&root) {
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

/// The cgroup of this process, by its path in a namespace whose own cgroup lies some levels below
/// the mount. The kernel does not tell the names of these levels, so this looks into all of them.
fn search(mount: &Path, levels: usize, path: &Path) -> Result<Option<PathBuf>, Failure> {
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
        let group = group.join(path.strip_prefix("/").unwrap_or(path));
        let members = read(group.join("cgroup.procs"))?.unwrap_or_default();
        if lines(&members).any(|member| member == ours.as_bytes()) {
            return Ok(Some(group));
        }
    }
    Ok(None)
}

impl Version {
    /// How many bytes a group has left, if it has a limit.
    fn left(self, group: &Path, free_swap: u64) -> Result<Option<u64>, Failure> {
        let number = |file: &str| -> Result<Option<u64>, Failure> {
            Ok(read(group.join(file))?.as_deref().and_then(number_of))
        };
        let (limit, used) = match self {
            Version::Two => ("memory.max", "memory.current"),
            Version::One => ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        };
        let [file, shmem, unevictable] = match self {
            Version::Two => ["file", "shmem", "unevictable"],
            Version::One => ["total_cache", "total_shmem", "total_unevictable"],
        };
        // Without a limit: "max", or a number of almost 64 bits.
        let Some(limit) = number(limit)?.filter(|limit| *limit < 1 << 62) else { return Ok(None) };
        let Some(used) = number(used)? else { return Ok(None) };
        // Cached files give way to new memory. Shared memory and locked pages do not.
        let stat = read(group.join("memory.stat"))?.unwrap_or_default();
        let counted = |field: &str| -> u64 {
            let value = |line: &[u8]| -> Option<u64> {
                number_of(line.strip_prefix(field.as_bytes())?.strip_prefix(b" ")?)
            };
            lines(&stat).find_map(value).unwrap_or(0)
        };
        let stays = counted(shmem).saturating_add(counted(unevictable));
        let cached = counted(file).saturating_sub(stays);
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
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::super::proc_text::unescape;
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
        let found = tightest(b"0::/a b/c\n", mounts.as_bytes(), 0).unwrap().unwrap();
        assert_eq!(found, (root.join("a b"), 1200), "its limit, less use that is not cache");
        // Swap helps as far as the machine has it and the group may have it.
        assert_eq!(tightest(b"0::/a b/c\n", mounts.as_bytes(), 70).unwrap().unwrap().1, 1270);
        fs::write(root.join("a b/memory.swap.max"), "50\n").unwrap();
        assert_eq!(tightest(b"0::/a b/c\n", mounts.as_bytes(), 70).unwrap().unwrap().1, 1250);
        // A container sees only a part of the tree, under the root of its mount.
        let part = format!("31 23 0:27 /a {at}/a\\040b rw - cgroup2 cgroup2 rw\n");
        assert_eq!(tightest(b"0::/a/c\n", part.as_bytes(), 0).unwrap().unwrap().1, 1200);
        assert_eq!(tightest(b"0::/elsewhere\n", part.as_bytes(), 0).unwrap(), None);
        fs::remove_dir_all(root).unwrap();
    }

    /// Paths are bytes, and what else is mounted may have any. Locked files do not give way.
    #[test]
    fn no_byte_hides_a_limit() {
        let root = scratch();
        let name = OsStr::from_bytes(b"caf\xe9 \\");
        let stat = "file 4000\nshmem 1000\nunevictable 2500\n";
        let files = [("memory.max", "5000"), ("memory.current", "4500"), ("memory.stat", stat)];
        group(&root.join(name), "", &files);
        let at = root.to_str().unwrap();
        let mut mounts =
            b"30 23 0:27 / /media/Fotos-M\xfcnchen rw - tmpfs //M\xfcller rw\n".to_vec();
        mounts.extend(format!("31 23 0:27 / {at} rw a:1 b:2 - cgroup2 cgroup2 rw\n").bytes());
        let found = tightest(b"0::/caf\xe9 \\\n", &mounts, 0).unwrap();
        assert_eq!(found, Some((root.join(name), 1000)), "less use that can give way: 500");
        assert_eq!(unescape(b"/a\\040b\\134\\303\\9"), OsStr::from_bytes(b"/a b\\\xc3\\9"));
        fs::remove_dir_all(root).unwrap();
    }

    /// Something else may be mounted over the kernel's files.
    #[test]
    fn a_file_that_is_not_plain_is_not_read() {
        assert_eq!(read("/dev/zero").unwrap(), None);
        assert_eq!(read("/").unwrap(), None);
        let path = scratch();
        let fifo = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: the path is a NUL-terminated string that outlives the call.
        assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
        assert_eq!(read(&path).unwrap(), None);
        fs::remove_file(path).unwrap();
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
        let found = tightest(b"0::/x\n", mounts.as_bytes(), 0).unwrap();
        assert_eq!(found, Some((root.join("above"), 1000)), "a level above the namespace");
        for (root, levels) in [("/..", 1), ("/../..", 2), ("/", 0), ("/a", 0), ("/../a", 0)] {
            assert_eq!(levels_above(Path::new(root)), levels, "{root}");
        }
        assert_eq!(tightest(b"0::/elsewhere\n", mounts.as_bytes(), 0).unwrap(), None);
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
        let membership = b"5:cpu,cpuacct:/job\n4:memory:/job\n0::/\n";
        assert_eq!(
            tightest(membership, mounts.as_bytes(), 0).unwrap(),
            Some((root.join("job"), 130))
        );
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
