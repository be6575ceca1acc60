//! A control group's limit on memory is asked before the kernel would kill for it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use posix_shm::{Direction, IfExists, OpenOptions, Shm};

use crate::alone::{check, mount};
use crate::lab::{
    Cases, SizedAttempt, cannot, cover, creating, hints, is_complete, leaves_nothing, own_shm,
    refused,
};

crate::tasks! { ON_LINUX:
    fault_05_a_memory_limit_of_a_control_group_is_an_error
    fault_05_a_limit_that_a_parent_has_counts_as_well
    fault_05_the_limit_of_a_unified_hierarchy_is_asked
    fault_05_a_limit_above_the_namespace_of_the_process_counts
    attack_29_memory_that_an_object_has_is_not_counted_again
}

const LIMIT: u64 = 64 << 20;
const TOO_MUCH: u64 = 256 << 20;

/// A control group of this test, removed in the end.
pub(crate) struct Group {
    path: PathBuf,
}

impl Group {
    fn make(path: PathBuf) -> Result<Group, String> {
        let made = fs::create_dir(&path);
        made.map_err(|why| format!("{}: {why}", path.display())).map(|()| Group { path })
    }

    /// A group with a limit on memory, of version 1 or 2, whichever the machine has.
    fn with_limit(name: &str) -> Result<Group, String> {
        let told = fs::read_to_string("/proc/self/cgroup").map_err(|why| why.to_string())?;
        let path_in = |line: &str| line.rsplit(':').next().unwrap_or_default().to_owned();
        if let Some(line) = told.lines().find(|line| line.contains(":memory:")) {
            let root = Path::new("/sys/fs/cgroup/memory");
            let group = Group::make(root.join(path_in(line).trim_matches('/')).join(name))?;
            group.set("memory.limit_in_bytes", &LIMIT.to_string())?;
            return Ok(group);
        }
        let line = told.lines().find(|line| line.starts_with("0::")).ok_or("no control groups")?;
        let parent = Path::new("/sys/fs/cgroup").join(path_in(line).trim_matches('/'));
        // A group that has processes gives no controllers to those below, other than the first.
        let group = Group::make(parent.join(name))
            .and_then(|group| group.set("memory.max", &LIMIT.to_string()).map(|()| group));
        group.or_else(|_| {
            let group = Group::make(Path::new("/sys/fs/cgroup").join(name))?;
            group.set("memory.max", &LIMIT.to_string())?;
            Ok(group)
        })
    }

    /// A group below this one, without a limit of its own.
    fn below(&self) -> Result<Group, String> {
        // Version 1 has no such file, and needs none.
        let _ = self.set("cgroup.subtree_control", "+memory");
        Group::make(self.path.join("below"))
    }

    fn set(&self, file: &str, to: &str) -> Result<(), String> {
        let path = self.path.join(file);
        fs::write(&path, to).map_err(|why| format!("{}: {why}", path.display()))
    }

    /// Limits its memory, whichever version it is of.
    pub(crate) fn set_memory(&self, bytes: u64) {
        let set = ["memory.limit_in_bytes", "memory.max"].map(|file| {
            let exists = self.path.join(file).exists();
            exists.then(|| self.set(file, &bytes.to_string()))
        });
        let set: Vec<_> = set.into_iter().flatten().collect();
        assert!(set.iter().any(Result::is_ok), "limit the group's memory: {set:?}");
    }

    /// Takes one thread in. Version 1 alone does that for memory.
    pub(crate) fn join_thread(&self, thread: libc::pid_t) {
        self.set("tasks", &thread.to_string()).unwrap();
    }

    /// Takes this process in.
    pub(crate) fn join(&self) {
        self.set("cgroup.procs", &std::process::id().to_string()).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The last process may still be on its way out.
        for _ in 0..200 {
            if fs::remove_dir(&self.path).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("the group {} cannot be removed", self.path.display());
    }
}

/// What asks for this many bytes.
const ATTEMPTS: &[SizedAttempt<Shm>] = &[
    ("anonymous", Shm::anonymous),
    ("create", |size| Shm::create("/x", size)),
    ("open_or_create", |size| Shm::open_or_create("/x", size)),
    ("to read", |size| creating(size).direction(Direction::Input).open("/x")),
    ("supersede", |size| creating(size).if_exists(IfExists::Supersede).open("/old")),
    ("mapped", |size| creating(size).open_anonymous_mapped().map(|(object, _)| object)),
    // The content is memory that was never touched, so it does not count.
    ("publish", |size| Shm::publish("/x", &vec![0; size as usize])),
    ("set_len", |size| {
        let object = Shm::anonymous(0)?;
        object.set_len(size)?;
        Ok(object)
    }),
    ("grow", |size| {
        let object = Shm::open_io("/old")?;
        object.grow(size)?;
        Ok(object)
    }),
    ("resize", |size| {
        let mut options = OpenOptions::new();
        options.direction(Direction::Io).resize(true).size(size).open("/old")
    }),
    ("reserve", |size| {
        let object = creating(size).sparse(true).open_anonymous()?;
        object.reserve(..)?;
        Ok(object)
    }),
    ("set_len of an old one", |size| {
        let object = Shm::open_io("/old")?;
        object.set_len(size)?;
        Ok(object)
    }),
];

fn try_all(enter: &dyn Fn(), sizes: &[u64]) {
    Shm::create("/old", 100).unwrap();
    let mut cases = Cases::new();
    for &size in sizes {
        for (what, attempt) in ATTEMPTS {
            cases.case(format_args!("{what} {size}"), || {
                enter();
                let error = leaves_nothing(|| refused(attempt(size)));
                assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
                hints(&error, &["cgroup", "control group"]);
                assert_eq!(Shm::open("/old").unwrap().len().unwrap(), 100);
            });
        }
    }
    cases.case("what fits", || {
        enter();
        is_complete(&Shm::anonymous(24 << 20).unwrap(), 24 << 20);
        let named = Shm::create("/fits", 24 << 20).unwrap();
        is_complete(&named, 24 << 20);
        named.unlink().unwrap();
    });
    cases.end();
}

pub(crate) fn group() -> Group {
    let name = format!("posix-shm-test.{}", std::process::id());
    Group::with_limit(&name).unwrap_or_else(|why| cannot(format_args!("make a group: {why}")))
}

fn fault_05_a_memory_limit_of_a_control_group_is_an_error() {
    own_shm("size=1g");
    let group = group();
    try_all(&|| group.join(), &[TOO_MUCH, LIMIT + (1 << 20)]);
    // Less than what a library might take without asking.
    posix_shm::unlink("/old").unwrap();
    let mut cases = Cases::new();
    group.set_memory(8 << 20);
    for (what, attempt) in &ATTEMPTS[..2] {
        cases.case(format_args!("{what}, 12 MiB of 8"), || {
            group.join();
            let error = leaves_nothing(|| refused(attempt(12 << 20)));
            assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
        });
    }
    cases.end();
}

fn fault_05_a_limit_that_a_parent_has_counts_as_well() {
    own_shm("size=1g");
    let group = group();
    let below = group.below().unwrap_or_else(|why| cannot(format_args!("make a group: {why}")));
    try_all(&|| below.join(), &[TOO_MUCH]);
    drop(below);
}

/// In a new namespace the group of the process is `/`, and the mount of before begins above it.
fn fault_05_a_limit_above_the_namespace_of_the_process_counts() {
    own_shm("size=1g");
    let group = group();
    let below = group.below().unwrap_or_else(|why| cannot(format_args!("make a group: {why}")));
    let enter = || {
        below.join();
        // SAFETY: passes no pointer.
        if let Err(why) = check(unsafe { libc::unshare(libc::CLONE_NEWCGROUP) }) {
            cannot(format_args!("make a namespace for control groups: {why}"));
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(mounts.contains(" /.."), "no mount begins above the namespace: {mounts}");
    };
    try_all(&enter, &[TOO_MUCH]);
    drop(below);
}

/// The group has room for one such object, and not for two.
fn attack_29_memory_that_an_object_has_is_not_counted_again() {
    own_shm("size=1g");
    const LEN: u64 = 40 << 20;
    // Pages that are only read take no memory of the group.
    let bytes = vec![0; LEN as usize];
    let group = group();
    let mut cases = Cases::new();
    for (what, make) in [
        ("anonymous", Shm::anonymous as fn(u64) -> posix_shm::Result<Shm>),
        ("named", |size| Shm::create("/x", size)),
    ] {
        cases.case(what, || {
            group.join();
            let object = make(LEN).unwrap();
            object.reserve(..).expect("its memory is there");
            assert_eq!(object.write_at(&bytes, 0).expect("it takes no memory"), bytes.len());
            object.set_len(LEN / 2).unwrap();
            object.set_len(LEN).expect("half of it is there");
            let error = refused(object.grow(2 * LEN));
            assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
            if object.name().is_some() {
                return object.unlink().unwrap();
            }
            let frozen = object.freeze().unwrap();
            assert!(!frozen.may_fault().unwrap(), "all its pages are there");
            let reader = frozen.read_only().unwrap();
            assert!(!reader.may_fault().unwrap(), "the same through a handle that can only read");
        });
    }
    cases.end();
}

/// A hierarchy of version 2 at the usual place. Where version 1 has the memory, as on this kernel
/// perhaps, the files of the controller are put over a real group's.
fn fault_05_the_limit_of_a_unified_hierarchy_is_asked() {
    own_shm("size=1g");
    let (target, flags) = (c"/sys/fs/cgroup", libc::MNT_DETACH);
    // SAFETY: the path is a NUL-terminated string that outlives the call.
    if let Err(why) = check(unsafe { libc::umount2(target.as_ptr(), flags) }) {
        cannot(format_args!("unmount the control groups: {why}"));
    }
    if let Err(why) = mount(c"cgroup2", target, 0, c"") {
        cannot(format_args!("mount control groups of version 2: {why}"));
    }
    let name = format!("posix-shm-test.{}", std::process::id());
    let group = Group::make(Path::new("/sys/fs/cgroup").join(&name))
        .unwrap_or_else(|why| cannot(format_args!("make a group: {why}")));
    let below = Group::make(group.path.join("below")).unwrap();
    let join = below.path.join("cgroup.procs");
    // Opened before the files of the group are covered.
    let enter_file = fs::File::options().write(true).open(&join).unwrap();
    let covered = std::ffi::CString::new(group.path.to_str().unwrap()).unwrap();
    mount(c"tmpfs", &covered, 0, c"").unwrap();
    let write = |folder: &str, limit: &str| {
        let folder = group.path.join(folder);
        fs::create_dir_all(&folder).unwrap();
        for (file, content) in [
            ("memory.max", limit),
            ("memory.high", "max"),
            ("memory.current", "1048576"),
            ("memory.swap.max", "0"),
            ("memory.swap.current", "0"),
            ("memory.stat", "anon 0\nfile 0\nshmem 0\ninactive_file 0\nactive_file 0"),
        ] {
            fs::write(folder.join(file), format!("{content}\n")).unwrap();
        }
    };
    write("", &LIMIT.to_string());
    write("below", "max");
    use std::io::Write;
    let enter = || {
        let pid = std::process::id().to_string();
        (&enter_file).write_all(pid.as_bytes()).unwrap();
        // Version 1 may have the memory here, and it is gone.
        for whose in ["self", "thread-self"] {
            cover(&format!("/proc/{whose}/cgroup"), &format!("0::/{name}/below\n"));
        }
    };
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        try_all(&enter, &[TOO_MUCH]);
    }));
    // SAFETY: the path is a NUL-terminated string that outlives the call.
    check(unsafe { libc::umount2(covered.as_ptr(), flags) }).unwrap();
    drop((below, group));
    if let Err(panic) = failed {
        std::panic::resume_unwind(panic);
    }
}
