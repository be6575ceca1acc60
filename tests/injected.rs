//! Every error number that a system call's manual lists, at every system call of every operation. The cases are generated:
//! `strace` tells which calls an operation makes, and each is made to fail in turn; then each of the calls that this led
//! to: the ways round it, and the cleaning up.
//!
//! The victim itself looks at the objects, its descriptors and its mappings, before and after.

#![cfg(target_os = "linux")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::Names;
use crate::common::victim::{Call, Injection, Run, can_trace, in_parallel, tasks, trace};

macro_rules! calls {
    ($($call:literal: $($errno:ident)*;)*) => {
        /// What the manuals of Linux list (section 2, and section 3 of those calls that have one), without `EFAULT`. The
        /// first of each is the one that the cleaning up is tested after.
        const CALLS: &[(&str, &[(&str, i32)])] =
            &[$(($call, &[$((stringify!($errno), libc::$errno)),*])),*];
    };
}

calls! {
    "openat": EMFILE EACCES EBADF EDQUOT EEXIST EFBIG EINTR EINVAL EISDIR ELOOP ENAMETOOLONG ENFILE ENODEV ENOENT ENOMEM
        ENOSPC ENOTDIR ENXIO EOPNOTSUPP EOVERFLOW EPERM EROFS ETXTBSY EAGAIN;
    "close": EIO EBADF EINTR ENOSPC EDQUOT;
    "fallocate": ENOSPC EBADF EFBIG EINTR EINVAL EIO ENODEV ENOSYS EOPNOTSUPP EPERM ESPIPE ETXTBSY;
    "ftruncate": EIO EACCES EBADF EFBIG EINTR EINVAL EPERM EROFS ETXTBSY;
    "fstat": ENOMEM EBADF EOVERFLOW;
    "newfstatat": ENOMEM EACCES EBADF EINVAL ELOOP ENAMETOOLONG ENOENT ENOTDIR EOVERFLOW;
    "statx": ENOMEM EACCES EBADF EINVAL ELOOP ENAMETOOLONG ENOENT ENOTDIR;
    "fstatfs": EIO EBADF EINTR ENOMEM ENOSYS EOVERFLOW;
    "fchmod": EPERM EBADF EIO EROFS EINTR;
    "fchown": EPERM EBADF EIO EROFS EINTR;
    "mmap": ENOMEM EACCES EAGAIN EBADF EEXIST EINVAL ENFILE ENODEV EOVERFLOW EPERM ETXTBSY;
    "munmap": ENOMEM EINVAL;
    "linkat": EACCES EBADF EDQUOT EEXIST EIO ELOOP EMLINK ENAMETOOLONG ENOENT ENOMEM ENOSPC ENOTDIR EPERM EROFS EXDEV EINVAL;
    "link": EACCES EDQUOT EEXIST EIO ELOOP EMLINK ENAMETOOLONG ENOENT ENOMEM ENOSPC ENOTDIR EPERM EROFS EXDEV;
    "rename": EACCES EBUSY EDQUOT EINVAL EISDIR ELOOP EMLINK ENAMETOOLONG ENOENT ENOMEM ENOSPC ENOTDIR ENOTEMPTY EEXIST
        EPERM EROFS EXDEV;
    "renameat2": EACCES EBUSY EDQUOT EINVAL EISDIR ELOOP EMLINK ENAMETOOLONG ENOENT ENOMEM ENOSPC ENOSYS ENOTDIR ENOTEMPTY
        EEXIST EPERM EROFS EXDEV EBADF;
    "unlink": EACCES EBUSY EIO EISDIR ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EPERM EROFS;
    "memfd_create": EMFILE EINVAL ENFILE ENOMEM EPERM ENOSYS EACCES;
    "getrandom": ENOSYS EAGAIN EINTR EINVAL;
    "read": EIO EAGAIN EBADF EINTR EINVAL EISDIR;
    "pwrite64": ENOSPC EBADF EDQUOT EFBIG EINTR EINVAL EIO EPERM EAGAIN;
    "pread64": EIO EBADF EINTR EINVAL EISDIR EOVERFLOW;
    "fcntl": EBADF;
    "lseek": EINVAL EBADF ESPIPE;
    "clock_nanosleep": EINTR;
}

fn errnos(call: &str) -> &'static [(&'static str, i32)] {
    let known = CALLS.iter().find(|known| known.0 == call);
    known.unwrap_or_else(|| panic!("what {call} can fail with is not listed: add it to CALLS")).1
}

fn number(errno: &str) -> i32 {
    let mut all = CALLS.iter().flat_map(|known| known.1);
    all.find(|known| known.0 == errno).unwrap().1
}

/// The operations that an error may name when this call fails.
fn operations(call: &str) -> &'static [&'static str] {
    match call {
        "openat" => &["Open", "Create", "Unlink"],
        "fstat" | "newfstatat" | "statx" => &["Metadata", "Unlink", "Open", "Reserve"],
        "fallocate" | "pwrite64" | "pread64" | "fcntl" | "fstatfs" => &["Reserve"],
        "ftruncate" => &["SetLen", "Reserve"],
        "fchmod" => &["SetPermissions", "Open"],
        "fchown" => &["SetOwner"],
        "mmap" => &["Map"],
        "munmap" => &["Unmap"],
        "close" => &["Close"],
        "linkat" | "link" | "rename" | "renameat2" => &["Publish"],
        "unlink" => &["Unlink", "Create"],
        "memfd_create" => &["Create"],
        "getrandom" => &["Create", "Publish"],
        _ => &[],
    }
}

/// What an operation gets over that fails with this once: a way round it, another try, or nothing that it needs.
fn survives(task: &str, call: &Call, errno: &str) -> bool {
    let portable = cfg!(posix_shm_portable);
    let has = |part: &str| call.line.contains(part);
    let either = task.contains("-or-create");
    match (call.name.as_str(), errno) {
        // It never escapes.
        (_, "EINTR") => true,
        // What only tells how much room there is.
        ("fstatfs" | "statx" | "read" | "lseek", _) => true,
        ("openat", _) if has("/proc/meminfo") => true,
        ("newfstatat", _) if task == "create-large" && has("AT_SYMLINK_NOFOLLOW") => true,
        // What is dropped is closed as well as can be.
        ("close" | "munmap", _) => !matches!(task, "close" | "unmap"),
        // The ways round.
        ("openat", "EOPNOTSUPP" | "EISDIR") if has("O_TMPFILE") => true,
        ("openat", "ENOENT" | "EACCES") if has("/proc/self/fd/") => true,
        // A new object is opened again, whatever its permissions.
        ("openat", "EACCES") if portable && task.ends_with("read-only") => !has("O_CREAT"),
        ("linkat" | "rename", "ENOENT") => true,
        ("linkat", "EEXIST") => either || task.starts_with("supersede") && !has("/posix-shm."),
        ("renameat2", "EINVAL" | "ENOSYS") => true,
        ("memfd_create", "EINVAL" | "ENOSYS") => true,
        ("fallocate", "EOPNOTSUPP") => true,
        ("fallocate", "EINVAL" | "ENODEV") if portable => true,
        // Others may have taken the room for a moment, or the name.
        ("fallocate", _) => either,
        ("openat", "EEXIST") => {
            either && (has("O_CREAT") || has("O_TMPFILE"))
                || portable && has("O_CREAT") && {
                    task.starts_with("supersede") || task.starts_with("anonymous")
                }
        }
        ("openat", "ENOENT") => either && !has("O_CREAT") && !has("O_TMPFILE"),
        ("unlink", "ENOENT") => task.starts_with("supersede"),
        _ => false,
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
enum End {
    Done,
    Failed { operation: String, errno: i32 },
}

/// A run to be made: what led to it, and what it adds to that.
struct Case {
    task: String,
    injections: Vec<Injection>,
    /// The call that is made to fail here.
    call: Call,
    /// How it ended without that.
    parent: End,
}

impl Case {
    fn errno(&self) -> &str {
        self.injections.last().unwrap().errno()
    }
}

/// What is wrong with a run, whatever it was to end with; else how it ended.
fn judge(run: &Run, injections: &[Injection]) -> Result<End, String> {
    if !run.status.success() {
        return Err("the victim died".into());
    }
    let missed = injections.iter().map(Injection::times).sum::<usize>();
    let hit = run.calls.iter().filter(|call| call.line.contains("(INJECTED)")).count();
    if hit != missed {
        return Err(format!("{hit} of {missed} calls were hit"));
    }
    // What is made to fail is not done at all. So what a close or an unmapping, even one that says it was interrupted, was
    // to give back is still there: exactly that, and it is the tracer's doing. A name that cannot be removed stays, too.
    let denied = |calls: &[&str]| -> usize {
        let of_them = injections.iter().filter(|injection| calls.contains(&&*injection.call));
        of_them.map(Injection::times).sum()
    };
    let held = format!("{} {}", denied(&["close"]), denied(&["munmap"]));
    if run.line("held ") != Some(&held) {
        return Err(format!("not the descriptors and mappings there should be, {held}"));
    }
    let extra = run.said.lines().filter(|line| line.starts_with("extra ")).count();
    // Nor is a name removed that may be another object's by now: where it cannot be told, or is said to be gone.
    let told_so = injections.iter().any(|one| one.call == "openat" && one.errno() == "ENOENT");
    let kept = denied(&["unlink", "unlinkat", "fstat", "newfstatat"]) + usize::from(told_so);
    if extra + run.temporaries().len() > kept {
        return Err("a name is left".into());
    }
    if run.line("ok").is_some() {
        return Ok(End::Done);
    }
    let Some(error) = run.line("error ") else { return Err("it said nothing".into()) };
    let mut words = error.split(' ');
    let operation = words.next().unwrap().to_owned();
    let errno = words.next().unwrap().parse().unwrap();
    if errno == libc::EINTR {
        return Err("EINTR escaped".into());
    }
    Ok(End::Failed { operation, errno })
}

/// Whether a number that was injected came out. The C library hides some behind what POSIX knows for the function.
fn same_errno(case: &Case, came_out: i32) -> bool {
    let went_in = number(case.errno());
    let hidden = match (&*case.call.name, case.errno()) {
        ("openat", "EISDIR") => Some(libc::EINVAL),
        ("unlink", "EPERM") => Some(libc::EACCES),
        // Where the file system cannot reserve, glibc looks itself what it has, and says this for all.
        ("newfstatat" | "fstat" | "fstatfs", _) => Some(libc::EBADF),
        _ => None,
    };
    came_out == went_in || Some(came_out) == hidden
}

/// Whether it ended as it should.
fn right_end(case: &Case, end: &End) -> Result<(), String> {
    // What has failed before says so, whatever fails in the cleaning up.
    if case.errno() == "EINTR" || matches!(case.parent, End::Failed { .. }) {
        return if *end == case.parent { Ok(()) } else { Err(format!("not {:?}", case.parent)) };
    }
    // Where it failed already, one more failure may be one too many.
    let first = case.injections.len() == 1 && case.injections[0].times() == 1;
    let survives = survives(&case.task, &case.call, case.errno());
    match end {
        End::Done if survives || !first => Ok(()),
        End::Done => Err("it succeeded".into()),
        End::Failed { .. } if survives && first => Err("it has a way round that".into()),
        End::Failed { operation, .. } if !operations(&case.call.name).contains(&&**operation) => {
            Err(format!("{operation} is not what failed"))
        }
        End::Failed { errno, .. } if !same_errno(case, *errno) => Err("another error".into()),
        End::Failed { .. } => Ok(()),
    }
}

/// Of calls in a row that are the same, the first and the last.
fn without_repetitions(calls: &[Call]) -> impl Iterator<Item = &Call> {
    let runs = calls.chunk_by(|a, b| a.name == b.name && a.name != "openat");
    runs.flat_map(|run| [run.first(), run[1..].last()]).flatten()
}

/// Each of these calls, with each error number, after what led to them.
fn cases(task: &str, before: &[Injection], calls: &[Call], parent: &End) -> Vec<Case> {
    let mut cases = Vec::new();
    for call in without_repetitions(calls) {
        for (at, (errno, _)) in errnos(&call.name).iter().enumerate() {
            // At first each; later one that means failure, and those that mean something else.
            if !before.is_empty() && at > 0 && !survives(task, call, errno) {
                continue;
            }
            let mut injections = before.to_vec();
            match injections.iter_mut().find(|earlier| earlier.call == call.name) {
                // The tracer has one error number for each call.
                Some(earlier) if earlier.errno() != *errno || earlier.and.is_some() => continue,
                Some(earlier) => earlier.and = Some(call.nth),
                None => injections.push(Injection {
                    call: call.name.clone(),
                    nth: call.nth,
                    and: None,
                    what: format!("error={errno}"),
                }),
            }
            // What is injected last is what the case is about.
            let at = injections.iter().position(|one| one.call == call.name).unwrap();
            let last = injections.remove(at);
            injections.push(last);
            let (task, call, parent) = (task.to_owned(), call.clone(), parent.clone());
            cases.push(Case { task, injections, call, parent });
        }
    }
    cases
}

/// Whether what follows this case is worth failing, too: once for each call that failed, and every way round.
fn leads_on(case: &Case, end: &End) -> bool {
    match end {
        End::Failed { .. } => case.errno() == errnos(&case.call.name)[0].0,
        End::Done => case.errno() != "EINTR" || case.call.name == "fallocate",
    }
}

#[test]
fn every_errno_at_every_call_is_an_error_and_leaves_nothing() {
    if !can_trace() {
        return;
    }
    let names = Names::new();
    let prefix = names.name().to_string();
    let plain = in_parallel(&tasks(), |task| {
        let run = trace(task, &format!("{prefix}.{task}"), "alone", &[]);
        assert_eq!(judge(&run, &[]), Ok(End::Done), "{run}");
        cases(task, &[], &run.calls, &End::Done)
    });
    let mut generation: Vec<Case> = plain.into_iter().flatten().collect();
    let (given, paths) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    let mut wrong = Vec::new();
    let mut counts = BTreeMap::new();
    // Where an object has its name while it is made, a clean-up that fails leaves it behind: that cannot be helped, and is not
    // tested.
    let deepest = if cfg!(posix_shm_portable) { 1 } else { 2 };
    for depth in 1..=deepest {
        let done = in_parallel(&generation, |case| {
            // A name for each, since not every machine gives each a /dev/shm of its own.
            let name = format!("{prefix}.{}", given.fetch_add(1, Ordering::Relaxed));
            let run = trace(&case.task, &name, "alone", &case.injections);
            let end = judge(&run, &case.injections);
            let verdict = end.clone().and_then(|end| right_end(case, &end));
            for left in run.temporaries() {
                std::fs::remove_file(left).unwrap();
            }
            if let Err(why) = verdict {
                return Err(format!("{}: {why}\n{run}", case.task));
            }
            let end = end.unwrap();
            let on = if leads_on(case, &end) { run.later_calls() } else { &[] };
            // The same calls lead to the same cases, whatever led to them.
            let path: Vec<&str> = on.iter().map(|call| &*call.name).collect();
            let task = if depth == 1 { &*case.task } else { "any" };
            let path = format!("{task} {end:?} {path:?}");
            if !paths.lock().unwrap().insert(path) {
                return Ok(vec![]);
            }
            Ok(cases(&case.task, &case.injections, on, &end))
        });
        counts.insert(depth, generation.len());
        generation.clear();
        for result in done {
            match result {
                Ok(next) => generation.extend(next),
                Err(why) => wrong.push(why),
            }
        }
    }
    let all: usize = counts.values().sum();
    println!("errno cases: {all} (at each depth: {counts:?})");
    wrong.sort();
    assert!(wrong.is_empty(), "{} are wrong:\n\n{}", wrong.len(), wrong.join("\n"));
    assert!(all > 1000, "only {all} cases were found");
}

/// A task, with these calls refused one after the other, which it is to get over.
#[cfg(not(posix_shm_portable))]
fn refused(task: &str, how: &str, refusals: &[(&str, &str)]) -> Option<Run> {
    if !can_trace() {
        return None;
    }
    let names = Names::new();
    let name = names.name().to_string();
    let mut injections = Vec::new();
    let mut run = trace(task, &name, how, &[]);
    for (call, errno) in refusals {
        if run.line("cannot: ").is_some() {
            crate::common::skip("no /proc can be hidden here");
            return None;
        }
        let found = run.later_calls().iter().find(|later| later.name == *call);
        let Call { name: call, nth, .. } =
            found.unwrap_or_else(|| panic!("no {call}: {run}")).clone();
        injections.push(Injection { call, nth, and: None, what: format!("error={errno}") });
        run = trace(task, &name, how, &injections);
    }
    assert_eq!(judge(&run, &injections), Ok(End::Done), "{run}");
    Some(run)
}

/// The calls of a run, with what is refused to it, by their names.
#[cfg(not(posix_shm_portable))]
#[track_caller]
fn assert_way_round(task: &str, how: &str, refusals: &[(&str, &str)], expected: &[&str]) {
    if let Some(run) = refused(task, how, refusals) {
        let calls: Vec<&str> = run.calls.iter().map(|call| &*call.name).collect();
        assert_eq!(calls, expected, "{run}");
    }
}

#[cfg(not(posix_shm_portable))]
#[test]
fn what_cannot_be_linked_by_its_descriptor_is_linked_through_proc() {
    if let Some(run) = refused("create-sized", "alone", &[("linkat", "ENOENT")]) {
        let last = &run.calls.last().unwrap().line;
        assert!(last.starts_with("linkat(AT_FDCWD, \"/proc/self/fd/"), "{run}");
    }
}

#[cfg(not(posix_shm_portable))]
#[test]
fn what_cannot_be_linked_at_all_is_renamed() {
    let again = ["getrandom", "openat", "fallocate", "renameat2"];
    let calls = [&["openat", "fallocate", "linkat", "linkat", "close"][..], &again].concat();
    // Closed first or last: that is not what this is about.
    if let Some(run) = refused("create-sized", "without-proc", &[("linkat", "ENOENT")]) {
        let made: Vec<&str> = run.calls.iter().map(|call| &*call.name).collect();
        assert!(calls.iter().all(|call| made.contains(call)), "{run}");
    }
}

#[cfg(not(posix_shm_portable))]
#[test]
fn without_o_tmpfile_a_temporary_name_is_renamed_or_linked() {
    let temporary = ["openat", "getrandom", "openat", "fallocate", "renameat2"];
    let no_tmpfile = ("openat", "EOPNOTSUPP");
    assert_way_round("create-sized", "alone", &[no_tmpfile], &temporary);
    assert_way_round("create-sized", "alone", &[("openat", "EISDIR")], &temporary);
    for errno in ["EINVAL", "ENOSYS"] {
        let refusals = [no_tmpfile, ("renameat2", errno)];
        let calls = [&temporary[..], &["link", "unlink"]].concat();
        assert_way_round("create-sized", "alone", &refusals, &calls);
    }
}

#[cfg(not(posix_shm_portable))]
#[test]
fn without_memfd_an_anonymous_object_is_an_unnamed_file() {
    let unnamed = ["memfd_create", "openat", "fallocate"];
    assert_way_round("anonymous", "alone", &[("memfd_create", "ENOSYS")], &unnamed);
    let old_kernel = ["memfd_create", "memfd_create", "fallocate"];
    assert_way_round("anonymous", "alone", &[("memfd_create", "EINVAL")], &old_kernel);
}
