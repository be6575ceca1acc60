//! What the tasks share: a forked child for each case, with limits and mounts of its own.

use std::collections::BTreeSet;
use std::ffi::{CString, c_int};
use std::fmt::{Debug, Display};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use posix_shm::{Direction, IfDoesNotExist, IfExists, OpenOptions, Shm};

use crate::alone::{check, mount_own};

/// What a task says, and then ends, where the machine does not allow it.
pub(crate) const CANNOT: &str = "cannot: ";

/// A user who is not root and owns nothing.
pub(crate) const NOBODY: libc::uid_t = 65534;

/// Ends the task: this machine cannot do it.
#[expect(clippy::disallowed_methods, reason = "this is no library")]
pub(crate) fn cannot(what: impl Display) -> ! {
    println!("{CANNOT}{what}");
    std::process::exit(0);
}

/// Whether nobody else sees this process' `/dev/shm`.
static OWN_SHM: AtomicBool = AtomicBool::new(false);

/// A name that only this test has: the test gives the first part. macOS has room for little more.
pub(crate) fn name(end: &str) -> String {
    let prefix = std::env::args().nth(2).expect("the test gives a prefix for names");
    format!("{prefix}.{end}")
}

/// Gives this process a `/dev/shm` of its own, or ends the task.
pub(crate) fn own_shm(options: &str) {
    let options = CString::new(options).unwrap();
    if let Err(why) = mount_own(&options) {
        cannot(format_args!("mount a /dev/shm of its own: {why}"));
    }
    OWN_SHM.store(true, Relaxed);
}

/// Ends the task without root rights.
pub(crate) fn need_root() {
    // SAFETY: passes no pointer.
    if unsafe { libc::geteuid() } != 0 {
        cannot("become another user: it is not root");
    }
}

/// Something to try, and what it is called.
pub(crate) type Attempt<T> = (&'static str, fn() -> posix_shm::Result<T>);

/// The same for a number of bytes.
pub(crate) type SizedAttempt<T> = (&'static str, fn(u64) -> posix_shm::Result<T>);

/// The same with an object.
pub(crate) type Change = (&'static str, fn(&Shm) -> posix_shm::Result<()>);

/// The cases of a task. Each runs in a forked child, so that it may limit, mount and die.
#[derive(Default)]
pub(crate) struct Cases {
    wrong: Vec<String>,
}

impl Cases {
    pub(crate) fn new() -> Cases {
        Cases::default()
    }

    /// Runs a case. It fails if it panics, is killed, or hangs.
    pub(crate) fn case(&mut self, what: impl Display, run: impl FnOnce()) {
        let before = own_names();
        let status = status_of(|| {
            // Far longer than any case needs, also on a busy machine or in an emulator.
            // SAFETY: passes no pointer.
            unsafe { libc::alarm(120) };
            run();
        });
        if !status.success() {
            let how = match status.signal() {
                Some(libc::SIGALRM) => "it hung".to_owned(),
                Some(signal) => format!("killed by signal {signal}"),
                None => "it failed".to_owned(),
            };
            eprintln!("--- {what}: {how}\n");
            // What it has left is not to fail the next case.
            let own = own_names();
            for name in own.difference(&before) {
                // A file, or something that is no object.
                let _ = fs::remove_file(format!("/dev/shm/{name}"));
            }
            self.wrong.push(format!("{what}: {how}"));
        }
    }

    /// Fails if a case did.
    #[track_caller]
    pub(crate) fn end(self) {
        assert!(self.wrong.is_empty(), "these cases failed: {:#?}", self.wrong);
    }
}

/// Forks. The child runs the function, and ends with 1 if that panicked.
pub(crate) fn fork_child(run: impl FnOnce()) -> libc::pid_t {
    // SAFETY: passes no pointer, and no thread of this process holds a lock that the child needs.
    let child = unsafe { libc::fork() };
    if child == 0 {
        run_and_exit(run);
    }
    check(child).expect("fork");
    child
}

/// Runs a function, then ends the process, with 1 if the function panicked.
pub(crate) fn run_and_exit(run: impl FnOnce()) -> ! {
    let failed = catch_unwind(AssertUnwindSafe(run)).is_err();
    // SAFETY: passes no pointer.
    unsafe { libc::_exit(c_int::from(failed)) }
}

/// Runs a function in a forked child and tells how that ended.
pub(crate) fn status_of(run: impl FnOnce()) -> ExitStatus {
    wait_for(fork_child(run))
}

/// Waits for a child to end.
pub(crate) fn wait_for(child: libc::pid_t) -> ExitStatus {
    let mut status = 0;
    // SAFETY: the pointer is to an integer.
    check(unsafe { libc::waitpid(child, &mut status, 0) }).unwrap();
    ExitStatus::from_raw(status)
}

/// What a process has open, and its own names.
#[derive(Debug, PartialEq)]
pub(crate) struct State {
    names: BTreeSet<String>,
    descriptors: usize,
    shared_mappings: usize,
}

impl State {
    pub(crate) fn now() -> State {
        let maps = fs::read_to_string("/proc/thread-self/maps").unwrap();
        State {
            names: own_names(),
            descriptors: descriptors(),
            shared_mappings: maps.lines().filter(|line| line.contains("s ")).count(),
        }
    }
}

/// Runs a function that must leave nothing behind.
#[track_caller]
pub(crate) fn leaves_nothing<T>(run: impl FnOnce() -> T) -> T {
    let before = State::now();
    let result = run();
    assert_eq!(State::now(), before, "names, descriptors or mappings are left");
    result
}

/// The names, if `/dev/shm` is this task's own. Else they come and go.
fn own_names() -> BTreeSet<String> {
    OWN_SHM.load(Relaxed).then(names).unwrap_or_default()
}

/// The names in `/dev/shm`.
pub(crate) fn names() -> BTreeSet<String> {
    let names = fs::read_dir("/dev/shm").unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// How many descriptors are open, without the one that looks.
pub(crate) fn descriptors() -> usize {
    fs::read_dir("/proc/thread-self/fd").unwrap().count() - 1
}

#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = c_int;

/// Sets a resource limit of this process.
#[allow(clippy::unnecessary_cast, reason = "the type is narrower on 32 bits")]
pub(crate) fn limit(resource: Resource, to: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to an rlimit.
    check(unsafe { libc::getrlimit(resource, &mut limit) }).unwrap();
    limit.rlim_cur = to as libc::rlim_t;
    // SAFETY: the pointer is to an rlimit.
    check(unsafe { libc::setrlimit(resource, &limit) }).unwrap();
}

/// Turns this process into another user's, for good. It keeps what it has open.
pub(crate) fn become_user(user: libc::uid_t) {
    // SAFETY: the pointer is null and the list empty.
    check(unsafe { libc::setgroups(0, std::ptr::null()) }).unwrap();
    // SAFETY: passes no pointer.
    check(unsafe { libc::setresgid(user, user, user) }).unwrap();
    // SAFETY: passes no pointer.
    check(unsafe { libc::setresuid(user, user, user) }).unwrap();
    // Or this process may not look at its own /proc.
    // SAFETY: passes no pointer.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) }).unwrap();
}

/// `mount`, of something that has a source.
pub(crate) fn mount_from(source: &str, on: &str, kind: &str, flags: libc::c_ulong) {
    let [source, on, kind] = [source, on, kind].map(|text| CString::new(text).unwrap());
    let (from, to) = (source.as_ptr(), on.as_ptr());
    // SAFETY: all are NUL-terminated strings that outlive the call, and there is no data.
    check(unsafe { libc::mount(from, to, kind.as_ptr(), flags, std::ptr::null()) })
        .unwrap_or_else(|why| panic!("mount {source:?} on {on:?}: {why}"));
}

/// Puts a file with this content over another file, for this process alone.
pub(crate) fn cover(path: &str, content: &str) {
    let folder = "/dev/shm/cover";
    fs::create_dir_all(folder).unwrap();
    let file = format!("{folder}/{}", path.replace('/', "_"));
    fs::write(&file, content).unwrap();
    mount_from(&file, path, "none", libc::MS_BIND);
    // The file stays mounted, and /dev/shm has nothing that the task did not make.
    fs::remove_file(&file).unwrap();
    fs::remove_dir(folder).unwrap();
}

/// For creating alone, with a size or none.
pub(crate) fn creating(size: u64) -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .direction(Direction::Io)
        .if_exists(IfExists::Error)
        .if_does_not_exist(IfDoesNotExist::Create)
        .size(size);
    options
}

/// The error of something that had to fail, which says so if it did not.
#[track_caller]
pub(crate) fn refused<T: Debug>(result: posix_shm::Result<T>) -> posix_shm::Error {
    match result {
        Err(error) => error,
        Ok(value) => panic!("it should have been refused, and was {value:?}"),
    }
}

/// Asserts that an error helps with one of these words, in its hint.
#[track_caller]
pub(crate) fn hints(error: &posix_shm::Error, words: &[&str]) {
    let hint = error.hint().unwrap_or_default();
    let found = words.iter().any(|word| hint.to_lowercase().contains(&word.to_lowercase()));
    assert!(found, "the hint has none of {words:?}: {error}");
}

/// Asserts that an object has this length, memory behind every byte, and nothing but zeros.
#[track_caller]
pub(crate) fn is_complete(object: &Shm, len: u64) {
    let metadata = object.metadata().unwrap();
    assert_eq!(metadata.len(), len, "the length");
    assert!(metadata.allocated() >= len, "only {} bytes are reserved", metadata.allocated());
    if len > 0 {
        let bytes = object.map().unwrap().bytes().to_vec();
        assert!(bytes.iter().all(|&byte| byte == 0), "not all bytes are zero");
    }
}

/// A memfd that the library has not made.
pub(crate) fn memfd(flags: libc::c_uint) -> io::Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING | flags;
    // SAFETY: the label is a NUL-terminated string that outlives the call.
    let fd = unsafe { libc::memfd_create(c"strained".as_ptr(), flags) };
    check(fd)?;
    // SAFETY: the call made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A pipe: the end to read from and the one to write to.
pub(crate) fn pipe() -> [OwnedFd; 2] {
    let mut ends = [-1; 2];
    // SAFETY: the pointer is to room for two descriptors.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }).unwrap();
    ends.map(|fd| {
        // SAFETY: the call made this descriptor for us.
        unsafe { OwnedFd::from_raw_fd(fd) }
    })
}

/// `ftruncate`, which the library has no part in.
pub(crate) fn truncate(object: &impl AsRawFd, len: i64) {
    // SAFETY: passes no pointer.
    check(unsafe { libc::ftruncate(object.as_raw_fd(), len as libc::off_t) }).unwrap();
}

/// A descriptor that is in use goes, as if its owner had closed it.
pub(crate) fn close_number(number: c_int) {
    // SAFETY: passes no pointer. The owner of the number is not used again in this table.
    check(unsafe { libc::close(number) }).unwrap();
}

/// The library's source files, whose comments are its documentation, and the README.
pub(crate) fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders = vec![root.join("posix-shm/src")];
    let mut found = vec![root.join("README.md")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    // A file system lists them in an order of its own.
    found.sort();
    // A sentence goes on in the next line.
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let lines = text.lines().map(|line| line.trim().trim_start_matches(['/', '!']).trim());
        lines.collect::<Vec<_>>().join(" ")
    };
    found.iter().map(|path| (path.display().to_string(), read(path))).collect()
}

/// The lowest number of a descriptor that is free.
pub(crate) fn next_descriptor() -> u64 {
    fs::File::open("/dev/null").unwrap().as_raw_fd() as u64
}
