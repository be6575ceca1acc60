//! Who has an object open or mapped: what `/proc` of Linux tells.
//!
//! - A descriptor is a link in `/proc/PID/task/TID/fd`. Threads need not share their descriptors,
//!   so each is asked. The link leads to the file itself, whatever its path is in another namespace
//!   and whether it still has a name, so files are told apart by device and number.
//! - A mapping is a line of `/proc/PID/maps`, with device and number.
//! - A descriptor may be on its way from one process to another: the `scm_fds` of the socket in
//!   `/proc/PID/fdinfo`. What it is of, the system does not tell.
//!
//! It is a snapshot that takes time. So the list of processes is read again until it has no new
//! one: a process cannot hide by forking. What cannot be looked at is reported as a [`Gap`], and
//! whoever needs a proof must not go on with one.
//!
//! Sources: Linux `proc(5)` with its pages `proc_pid_fd`, `proc_pid_fdinfo`, `proc_pid_maps`,
//! `proc_pid_mountinfo`; `pid_namespaces(7)`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub(crate) use crate::proc_text::Inode;
use crate::proc_text::{DELETED, Line, Mount, carries_by, unescaped};
use crate::room::parts;
use crate::text::shown;

/// How a process uses an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) opens: bool,
    pub(crate) maps: bool,
}

/// An object that has lost its name, or never had one, and that a process still uses.
#[derive(Clone, Debug)]
pub(crate) struct Deleted {
    /// What it was called, as far as it is known.
    pub(crate) name: OsString,
    /// Unknown if it is only mapped, and this user may not look into the mapping.
    pub(crate) metadata: Option<Metadata>,
}

/// Why a process may use an object without being found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    /// There is no `/proc` of processes at all.
    NoProc,
    /// Other processes are hidden from this user.
    Hidden,
    /// There may be processes outside of this namespace.
    Namespace,
    /// `/proc/PID/maps` does not tell which files are mapped, as for overlay file systems.
    FileSystem,
    /// These processes may not be looked at.
    Closed(BTreeSet<u32>),
    /// These processes have a socket with descriptors on their way.
    OnTheirWay(BTreeSet<u32>),
    /// New processes appeared, however often the list was read.
    Restless,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    users: HashMap<Inode, BTreeMap<u32, Use>>,
    pub(crate) deleted: BTreeMap<Inode, Deleted>,
    pub(crate) gaps: Vec<Gap>,
    /// How many processes there are, without threads of the kernel.
    pub(crate) processes: usize,
}

/// How closely to look.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Care {
    /// So that what is not found is not there, or a [`Gap`] says why it may be.
    Proof,
    /// Quickly, for a screen that is drawn again soon.
    Glance,
}

/// How often the list of processes is read again, at most.
const ROUNDS: usize = 10;

/// The inode number of the first namespace of processes, `PROC_PID_INIT_INO` in the kernel's
/// `include/linux/proc_ns.h`. Programs cannot include that file.
const FIRST_NAMESPACE: &str = "pid:[4026531836]";

/// The flag of a thread of the kernel, `PF_KTHREAD` in the kernel's `include/linux/sched.h`, to
/// which `proc_pid_stat(5)` refers. Programs cannot include that file.
const OF_THE_KERNEL: u32 = 0x0020_0000;

impl Scan {
    /// Looks for users of all files on a device. What it cannot learn of an ignored process is no
    /// gap.
    pub(crate) fn of(device: u64, care: Care, ignored: &BTreeSet<u32>) -> Scan {
        let mut scan = Scan::default();
        if !Path::new("/proc/self/maps").exists() {
            scan.gaps.push(Gap::NoProc);
            return scan;
        }
        if care == Care::Proof {
            scan.gaps.extend(hidden());
            scan.gaps.extend(unclear_mappings(device));
        }
        let mut look = Look { device, care, scan, closed: BTreeSet::new(), busy: BTreeSet::new() };
        let settled = look.at_all();
        let Look { mut scan, mut closed, mut busy, .. } = look;
        closed.retain(|pid| !ignored.contains(pid));
        busy.retain(|pid| !ignored.contains(pid));
        if !closed.is_empty() {
            scan.gaps.push(Gap::Closed(closed));
        }
        if !busy.is_empty() {
            scan.gaps.push(Gap::OnTheirWay(busy));
        }
        if !settled && care == Care::Proof {
            scan.gaps.push(Gap::Restless);
        }
        scan
    }

    /// The processes that use an object.
    pub(crate) fn users(&self, inode: Inode) -> impl Iterator<Item = (u32, Use)> + '_ {
        self.users.get(&inode).into_iter().flatten().map(|(pid, how)| (*pid, *how))
    }

    fn add(&mut self, inode: Inode, pid: u32, mark: fn(&mut Use)) {
        mark(self.users.entry(inode).or_default().entry(pid).or_default());
    }
}

/// The name of a process' program, as it can be shown. Empty if the process has ended.
pub(crate) fn command(pid: u32) -> String {
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    shown(OsStr::from_bytes(name.strip_suffix(b"\n").unwrap_or(&name)))
}

/// A scan that goes on.
struct Look {
    device: u64,
    care: Care,
    scan: Scan,
    closed: BTreeSet<u32>,
    busy: BTreeSet<u32>,
}

impl Look {
    /// Returns whether the list of processes came to rest.
    fn at_all(&mut self) -> bool {
        let mut seen = BTreeSet::new();
        for _ in 0..ROUNDS {
            let new: Vec<u32> = processes().filter(|pid| seen.insert(*pid)).collect();
            if new.is_empty() {
                return true;
            }
            for pid in new {
                self.at(pid);
            }
            if self.care == Care::Glance {
                break;
            }
        }
        false
    }

    fn at(&mut self, pid: u32) {
        // A thread of the kernel has no descriptors and no mappings.
        if is_of_the_kernel(pid) {
            return;
        }
        self.scan.processes += 1;
        // A process that has ended meanwhile uses nothing.
        let result = self.at_descriptors(pid).and_then(|()| self.at_mappings(pid));
        if result.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
            self.closed.insert(pid);
        }
    }

    fn at_descriptors(&mut self, pid: u32) -> io::Result<()> {
        let process = PathBuf::from(format!("/proc/{pid}"));
        if self.care == Care::Glance {
            return self.at_table(pid, &process);
        }
        for thread in fs::read_dir(process.join("task"))? {
            match self.at_table(pid, &thread?.path()) {
                // The thread has ended.
                Err(error) if error.kind() != ErrorKind::PermissionDenied => {}
                result => result?,
            }
        }
        Ok(())
    }

    /// Looks at one table of descriptors.
    fn at_table(&mut self, pid: u32, owner: &Path) -> io::Result<()> {
        for entry in fs::read_dir(owner.join("fd"))? {
            let (path, number) = match entry {
                Ok(entry) => (entry.path(), entry.file_name()),
                Err(_) => continue,
            };
            let target = match fs::read_link(&path) {
                Ok(target) => target.into_os_string().into_vec(),
                Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(error),
                // It has been closed.
                Err(_) => continue,
            };
            // What is no file has no path; neither has a memfd, which no name leads to.
            if target.starts_with(b"socket:") {
                if self.care == Care::Proof && carries(&owner.join("fdinfo").join(number)) {
                    self.busy.insert(pid);
                }
            } else if target.starts_with(b"/") && !target.starts_with(b"/memfd:") {
                match fs::metadata(&path) {
                    Ok(file) if file.is_file() && file.dev() == self.device => {
                        self.scan.add(file.ino(), pid, |how| how.opens = true);
                        self.remember_deleted(file.ino(), &target, Some(file));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn at_mappings(&mut self, pid: u32) -> io::Result<()> {
        let (major, minor) = parts(self.device);
        let device = format!("{major:02x}:{minor:02x}");
        for line in fs::read(format!("/proc/{pid}/maps"))?.split(|byte| *byte == b'\n') {
            let Some(mapping) = Line::of(line) else { continue };
            if mapping.device != device.as_bytes() {
                continue;
            }
            self.scan.add(mapping.inode, pid, |how| how.maps = true);
            if mapping.path.ends_with(DELETED) {
                let range = OsStr::from_bytes(mapping.range);
                let link = Path::new("/proc").join(pid.to_string()).join("map_files").join(range);
                let file = fs::metadata(link).ok();
                self.remember_deleted(mapping.inode, &unescaped(mapping.path), file);
            }
        }
        Ok(())
    }

    /// Keeps what is known about an object that has no name.
    fn remember_deleted(&mut self, inode: Inode, path: &[u8], file: Option<Metadata>) {
        if file.as_ref().is_some_and(|file| file.nlink() > 0) {
            return;
        }
        let path = path.strip_suffix(DELETED).unwrap_or(path);
        let name = path.iter().rposition(|byte| *byte == b'/').map_or(path, |at| &path[at..]);
        // A semaphore is no object of ours; `ls` leaves them out too.
        if name.starts_with(b"/sem.") {
            return;
        }
        let known = self.scan.deleted.entry(inode).or_insert_with(|| Deleted {
            name: OsStr::from_bytes(name).to_owned(),
            metadata: None,
        });
        known.metadata = known.metadata.take().or(file);
    }
}

/// All processes that can be seen.
fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Whether a process is a thread of the kernel. Everyone may ask, unless processes are hidden.
fn is_of_the_kernel(pid: u32) -> bool {
    let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name is in parentheses, and may have such characters itself.
    let after_name = stat.iter().rposition(|byte| *byte == b')').map_or(&[][..], |at| &stat[at..]);
    let flags =
        after_name.split(|byte| *byte == b' ').nth(7).and_then(|it| std::str::from_utf8(it).ok());
    flags.and_then(|flags| flags.parse::<u32>().ok()).is_some_and(|it| it & OF_THE_KERNEL != 0)
}

/// Whether descriptors wait in a socket to be received.
fn carries(fdinfo: &Path) -> bool {
    // Linux before 5.6 does not tell.
    fs::read_to_string(fdinfo).is_ok_and(|info| carries_by(&info))
}

/// Why there may be processes that `/proc` does not show.
fn hidden() -> Vec<Gap> {
    let mut gaps = Vec::new();
    // Whoever may not look at the first process asks for the own namespace.
    let link = fs::read_link("/proc/1/ns/pid").or_else(|_| fs::read_link("/proc/self/ns/pid"));
    let may_be_another = match link {
        Ok(namespace) => namespace.as_os_str() != FIRST_NAMESPACE,
        // The kernel has no namespaces.
        Err(error) => error.kind() != ErrorKind::NotFound,
    };
    if may_be_another {
        gaps.push(Gap::Namespace);
    }
    let hides = |mount: &Mount| {
        let option =
            |it: &&str| it.starts_with("hidepid=") && !matches!(*it, "hidepid=0" | "hidepid=off");
        mount.point == "/proc" && mount.options.split(',').any(|it| option(&it))
    };
    // Every namespace has a process 1.
    let has_first = Path::new("/proc/1").exists();
    if !has_first || (!is_root() && mounts().iter().any(hides)) {
        gaps.push(Gap::Hidden);
    }
    gaps
}

/// Whether this user is root, who may look at every process unless the system takes that away.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Whether `maps` may name files of this device by other numbers than `stat` does. Of a tmpfs it
/// does not. Of an overlay it does.
fn unclear_mappings(device: u64) -> Option<Gap> {
    let (major, minor) = parts(device);
    let device = format!("{major}:{minor}");
    let is_clear = |mount: &Mount| {
        mount.device == device && matches!(&*mount.kind, "tmpfs" | "ramfs" | "devtmpfs")
    };
    (!mounts().iter().any(is_clear)).then_some(Gap::FileSystem)
}

fn mounts() -> Vec<Mount> {
    Mount::all_of(&fs::read("/proc/self/mountinfo").unwrap_or_default())
}
