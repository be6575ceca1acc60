//! Makes every system call of every operation fail with every error number in the call's manual.
//!
//! The cases are generated. `strace` shows which calls an operation makes, and each is made to fail
//! in turn. Then each of the calls that follow is made to fail too: those of a fallback, and those
//! that clean up. The victim checks the objects, its descriptors and its mappings.

#![cfg(target_os = "linux")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

mod calls;

use self::calls::{errnos, number};
use crate::common::Names;
use crate::common::victim::{Call, Injection, Run, can_trace, in_parallel, tasks, times, trace};

/// How often a case is run again if the task made fewer calls than when the case was generated.
const MISSES: usize = 4;

/// The operations that an error may name when this call fails.
fn operations(call: &str) -> &'static [&'static str] {
    match call {
        "openat" => &[
            "Open",
            "Create",
            "Unlink",
            "Clone",
            "List",
            "Receive",
            "Reserve",
            "Presence",
            "IsUnused",
            "LockObject",
        ],
        "fstat" | "newfstatat" | "statx" => {
            &["Metadata", "Clone", "Unlink", "Open", "List", "Receive", "Presence"]
        }
        "fallocate" => &["Reserve", "Punch"],
        "pwrite64" => &["Write", "Reserve"],
        "fcntl" => {
            &["Clone", "Open", "Seal", "Receive", "Metadata", "Presence", "IsUnused", "LockObject"]
        }
        "getdents64" => &["List"],
        "getsockname" | "sendmsg" => &["Send"],
        "recvmsg" => &["Receive"],
        "ftruncate" => &["SetLen", "Reserve"],
        "fchmod" => &["SetPermissions", "Open"],
        "fchown" => &["SetOwner"],
        "mmap" => &["Map", "Grow", "Unmap"],
        "mprotect" => &["Map", "Grow", "Protect", "Unmap"],
        "mremap" => &["Grow"],
        "madvise" => &["Populate", "Advise"],
        "mincore" | "socketpair" | "writev" | "recvfrom" => &["Populate"],
        "mlock" | "munlock" => &["Lock"],
        "futex" => &["Wait", "Notify"],
        "munmap" => &["Unmap"],
        "close" => &["Close"],
        "linkat" | "link" | "rename" | "renameat" | "renameat2" => &["Publish", "Create"],
        "unlink" => &["Unlink", "Create", "Publish"],
        "memfd_create" => &["Create"],
        "getrandom" => &["Create", "Publish"],
        _ => &[],
    }
}

/// Whether a call only finds out how much there is, so that no failure of it matters.
fn only_asks(call: &Call) -> bool {
    let has = |part: &str| call.line.contains(part);
    match call.name.as_str() {
        "fstatfs" | "statx" | "read" | "lseek" | "prlimit64" | "sysinfo" | "getpid"
        | "cachestat" => true,
        "openat" => has("/proc/") && !has("/fd/") || has("/sys/"),
        _ => false,
    }
}

/// Whether an operation succeeds although this call fails once: by a fallback, by another try, or
/// because it does not need the call.
fn survives(task: &str, call: &Call, errno: &str) -> bool {
    let portable = cfg!(posix_shm_portable);
    let has = |part: &str| call.line.contains(part);
    let opened_as = |end: &str| call.opened_as.as_ref().is_some_and(|path| path.ends_with(end));
    let either = task.contains("-or-create");
    let looks_first = matches!(task, "create-large" | "create-with");
    let is_of_old_object =
        matches!(task, "set-len-longer" | "open-resized" | "grow" | "reserve" | "punch");
    // The object has a name, by which it can be opened again.
    let again = matches!(
        task,
        "read-only"
            | "presence"
            | "open-present"
            | "unlink-if-unused"
            | "unlink-if-last"
            | "lock"
            | "try-lock"
    );
    let builds = task.starts_with("create") || task.starts_with("supersede");
    match (call.name.as_str(), errno) {
        // The library repeats the call.
        (_, "EINTR") => true,
        // Without an answer there are no huge pages.
        ("openat", _) if has("/sys/kernel/mm/") => true,
        // Without a descriptor for asking, what is asked for would be a guess.
        ("openat", "EMFILE" | "ENFILE") if only_asks(call) => false,
        _ if only_asks(call) => true,
        // Not asked, how much it has counts for nothing.
        ("fstat" | "newfstatat", _) if task == "create-large" => true,
        // It reads every page instead, or says that it may fault.
        ("fallocate", _) if matches!(task, "may-fault" | "map-immutable") => true,
        // A private mapping instead, as on older kernels.
        ("mmap", "EPERM") if task == "map-immutable" => has("MAP_SHARED"),
        // Written through a mapping instead.
        ("pwrite64", "EPERM") if task == "publish" => true,
        ("newfstatat", _) if looks_first && has("AT_SYMLINK_NOFOLLOW") => true,
        // Another way makes the pages present.
        ("madvise", "EINVAL" | "EPERM" | "EACCES") if has("MADV_POPULATE_") => true,
        ("madvise", _) if has("MADV_POPULATE_") => task == "may-fault",
        ("madvise", _) if task == "advise" => false,
        // It is taken for a page that is not there. Or it is asked again.
        ("mincore", _) if task != "residency" => true,
        ("mincore", "EAGAIN") => true,
        // It polls instead, or nobody is woken.
        ("futex", "EPERM" | "EACCES" | "ENOSYS") => true,
        // What it is to find out.
        ("futex", "EAGAIN" | "ETIMEDOUT") => task == "wait",
        // It is mapped again instead.
        ("mremap", "EINVAL") => true,
        // Dropping a handle or a mapping ignores errors.
        ("close" | "munmap" | "madvise", _) => {
            !matches!(task, "close" | "unmap" | "unmap-raw" | "shrink-mapping")
        }
        // The fallbacks.
        ("openat", "EOPNOTSUPP" | "EISDIR" | "EPERM" | "EACCES" | "EINVAL" | "ENOENT")
            if has("O_TMPFILE") =>
        {
            true
        }
        // Another way to build the object, which does without a read-only handle through /proc.
        ("openat", "EOPNOTSUPP" | "EISDIR" | "EPERM" | "EACCES" | "EINVAL" | "ENOENT")
            if has("/fd/") && builds =>
        {
            true
        }
        ("newfstatat", "EACCES" | "EINVAL" | "ENOENT")
            if !portable
                && builds
                && (task.ends_with("read-only") || task.contains("present"))
                // Of the new object, and not of the old one, which has its name.
                && has("AT_EMPTY_PATH") && !opened_as(".old") =>
        {
            true
        }
        // It looks again what has the name.
        ("newfstatat", "ENOENT") if task == "open-present" || task == "supersede-present" => {
            has("AT_SYMLINK_NOFOLLOW")
        }
        // The other path in /proc, or the name.
        ("openat", "ENOENT") if has("/fd/") => true,
        // The name, if the path is refused.
        (
            "openat",
            "EOPNOTSUPP" | "EINVAL" | "EPERM" | "EACCES" | "EISDIR" | "ENXIO" | "ELOOP" | "ENOTDIR",
        ) if has("/fd/") && again => true,
        // What has the name cannot be locked, or it was not there and is looked at again.
        ("openat", "ENOENT" | "EACCES" | "EPERM" | "ELOOP" | "ENXIO" | "EISDIR" | "EINVAL")
            if task == "supersede-present" && has("/dev/shm/") && has("O_RDWR|O_NONBLOCK") =>
        {
            true
        }
        // Closing the descriptor unlocks as well.
        ("fcntl", _) if has("F_OFD_SETLK, {l_type=F_UNLCK") => true,
        // The file system of a descriptor says whether it is of shared memory.
        ("fcntl", _) if has("F_GET_SEALS") => {
            // A second question, or it counts as a descriptor of something else.
            matches!(task, "inspect" | "transfer-receive")
                || matches!(task, "from-fd" | "receive") && errno != "EBADF"
        }
        // It counts as a descriptor of something else.
        ("fstat" | "newfstatat", "EBADF" | "EINVAL") if portable && task == "transfer-receive" => {
            true
        }
        // Then the direction of what was received stays unknown.
        ("fcntl", _) if has("F_GETFL") && task.ends_with("receive") => true,
        // The umask has cleared none of the permissions.
        ("fchmod", _) if portable && task == "anonymous-permissions" => true,
        // Without the flag against waiting, which POSIX does not know. glibc says EINVAL for
        // EISDIR.
        ("openat", "EINVAL" | "EISDIR") if portable && has("O_NONBLOCK") => !has("O_CREAT"),
        ("linkat", "ENOENT" | "EACCES" | "EPERM" | "EINVAL") => true,
        ("link", "EACCES" | "EPERM") => true,
        // A filter may know the other call and not this one.
        ("rename", "EPERM" | "EACCES") => true,
        ("linkat", "EEXIST") => either || task.starts_with("supersede") && !has("/posix-shm."),
        ("renameat2", "EINVAL" | "ENOSYS" | "EPERM" | "EACCES" | "EISDIR") => true,
        // The system's rule against executable objects, which no other way goes round.
        ("memfd_create", "EACCES") if task == "anonymous-permissions" => false,
        ("memfd_create", "EINVAL" | "ENOSYS" | "EPERM" | "EACCES") => true,
        // Zeros are written instead, but only to a new object.
        // glibc writes them itself if the file system cannot reserve.
        ("fallocate", "EOPNOTSUPP") if portable => true,
        ("fallocate", "EINVAL" | "ENODEV") if portable => !is_of_old_object,
        ("fallocate", "EOPNOTSUPP" | "ENOSYS" | "EPERM") => !is_of_old_object,
        // A temporary name need not be random.
        ("getrandom", _) => true,
        // Another process may have taken the room for a moment, or the name.
        ("fallocate", "ENOSPC") => either,
        ("openat", "EEXIST") => {
            either && (has("O_CREAT") || has("O_TMPFILE"))
                || portable && has("O_CREAT") && {
                    task.starts_with("supersede") || task.starts_with("anonymous")
                }
        }
        // It tries again, or nothing is just what it should find.
        ("openat", "ENOENT") if matches!(task, "open-waiting" | "open-optional-absent") => true,
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

/// A run to make: the failures of an earlier run, and one more.
struct Case {
    task: String,
    injections: Vec<Injection>,
    /// The call that the last injection makes fail.
    call: Call,
    /// How the earlier run ended, without the last injection.
    parent: End,
}

impl Case {
    fn errno(&self) -> &str {
        self.injections.last().unwrap().errno()
    }
}

/// How many bytes stay mapped, because a call that should have unmapped them was made to fail and
/// no later one has done it.
fn left_mapped(log: &str) -> usize {
    let range = |line: &str| {
        // If one mapping should have replaced another, nobody knows whose the place is then.
        let replaces = line.contains("MAP_FIXED") && line.ends_with("(INJECTED)");
        let arguments = line.strip_prefix("munmap(0x");
        let arguments = arguments.or(line.strip_prefix("mmap(0x").filter(|_| replaces))?;
        let (start, rest) = arguments.split_once(", ")?;
        let start = usize::from_str_radix(start, 16).ok()?;
        let len: usize = rest.split([',', ')']).next()?.parse().ok()?;
        Some(start..start + len.next_multiple_of(4096))
    };
    let mut left = Vec::new();
    for line in log.lines() {
        let Some(range) = range(line) else { continue };
        left.retain(|old: &std::ops::Range<usize>| old.start < range.start || old.end > range.end);
        if line.ends_with("(INJECTED)") {
            left.push(range);
        }
    }
    left.iter().map(ExactSizeIterator::len).sum()
}

/// How a run ended, or what is wrong with it, however it should end.
fn judge(run: &Run, injections: &[Injection]) -> Result<End, String> {
    if !run.status.success() {
        return Err("the victim failed".into());
    }
    let (made, wanted) = (run.injected(), times(injections));
    if made != wanted {
        return Err(format!("{made} calls were made to fail, instead of {wanted}"));
    }
    // The tracer does not execute a call that it makes fail. So each close and each unmapping that
    // fails leaves what it should have released, and nothing else may be left. A name that cannot
    // be removed also stays.
    let denied = |calls: &[&str]| -> usize {
        let of_them = injections.iter().filter(|injection| calls.contains(&&*injection.call));
        of_them.map(Injection::times).sum()
    };
    let held = format!("{} {}", denied(&["close"]), left_mapped(&run.log));
    if run.line("held ") != Some(&held) {
        let found = run.line("held ");
        return Err(format!("{found:?} descriptors and mapped bytes are left, instead of {held}"));
    }
    let extra = run.said.lines().filter(|line| line.starts_with("extra ")).count();
    // The library does not remove a name that may belong to another object by now: if it cannot
    // find out, or if the system says that the name is gone.
    let told_so = injections.iter().any(|one| one.call == "openat" && one.errno() == "ENOENT");
    let kept = denied(&["unlink", "unlinkat", "fstat", "newfstatat"]) + usize::from(told_so);
    if extra + run.temporaries().len() > kept {
        return Err(format!("more than {kept} names are left"));
    }
    if run.line("ok").is_some() {
        return Ok(End::Done);
    }
    let Some(error) = run.line("error ") else { return Err("it printed no result".into()) };
    let mut words = error.split(' ');
    let operation = words.next().unwrap().to_owned();
    let errno = words.next().unwrap().parse().unwrap();
    if errno == libc::EINTR {
        return Err("the error is EINTR".into());
    }
    Ok(End::Failed { operation, errno })
}

/// Whether the error is about an earlier call that was made to fail, because this one only asked
/// what that means, or cleaned up, or tried `shm_open` where the path was forbidden.
fn is_about_an_earlier_call(case: &Case, operation: &str, found: i32) -> bool {
    let Some((_, earlier)) = case.injections.split_last() else { return false };
    let of = |one: &Injection| {
        operations(&one.call).contains(&operation) && number(one.errno()) == found
    };
    let asks = matches!(&*case.call.name, "fcntl" | "fstatfs" | "newfstatat" | "openat");
    (asks || reads(case, operation)) && earlier.iter().any(of)
}

/// Whether the error has the number that was injected. The C library replaces some numbers by those
/// that POSIX lists for the function.
fn same_errno(case: &Case, found: i32) -> bool {
    let injected = number(case.errno());
    // The library itself says that the name has no object.
    let by_name = case.call.line.contains("AT_SYMLINK_NOFOLLOW");
    let by_library = match (&*case.task, case.errno()) {
        // Every name on the way is taken by others.
        (task, "EEXIST" | "ENOENT") if task.starts_with("supersede") => true,
        ("from-fd", "ENOENT") => by_name || cfg!(posix_shm_portable),
        // Or that the descriptor is of something else.
        ("from-fd" | "receive", "EINVAL") => cfg!(posix_shm_portable),
        _ => false,
    };
    if by_library && found == 0 {
        return true;
    }
    let hidden = match (&*case.call.name, case.errno()) {
        ("openat", "EISDIR") => Some(libc::EINVAL),
        // Without /proc there is no way.
        ("openat", "ENOENT")
            if matches!(&*case.task, "read-only-anonymous" | "anonymous-present") =>
        {
            Some(libc::EOPNOTSUPP)
        }
        ("unlink", "EPERM") => Some(libc::EACCES),
        // If the file system cannot reserve, glibc looks at it, and returns this for every failure.
        ("newfstatat" | "fstat" | "fstatfs", _) => Some(libc::EBADF),
        _ => None,
    };
    found == injected || Some(found) == hidden
}

/// Whether the call is one of those that read every page of an object, after the question about its
/// memory was refused.
fn reads(case: &Case, operation: &str) -> bool {
    let calls = ["mmap", "madvise", "munmap"];
    case.task == "map-immutable" && calls.contains(&&*case.call.name) && operation == "Reserve"
}

/// Whether an error names an operation that may make this call.
fn names_operation(case: &Case, operation: &str) -> bool {
    // The error of std's traits names none.
    let plain = matches!(&*case.task, "read-at" | "write-at");
    let known = operations(&case.call.name);
    if plain { operation == "Plain" } else { known.contains(&operation) || reads(case, operation) }
}

/// Whether a run ended as it should.
fn right_end(case: &Case, end: &End) -> Result<(), String> {
    // A failure of the cleaning up does not replace the first error.
    // Asked whether the descriptor is open at all, the system says no.
    let not_open = case.task == "read-only-anonymous" && case.errno() == "EBADF";
    let failed = matches!(case.parent, End::Failed { .. }) && !not_open;
    if case.errno() == "EINTR" || failed {
        let (same, parent) = (*end == case.parent, &case.parent);
        return if same { Ok(()) } else { Err(format!("it ended with {end:?}, not {parent:?}")) };
    }
    // After an earlier failure, both ends are right.
    let first = case.injections.len() == 1 && case.injections[0].times() == 1;
    let survives = survives(&case.task, &case.call, case.errno());
    match end {
        End::Done if survives || !first => Ok(()),
        End::Done => Err("it succeeded, but should have failed".into()),
        End::Failed { .. } if survives && first => Err("it failed, but has a fallback".into()),
        End::Failed { operation, errno } if is_about_an_earlier_call(case, operation, *errno) => {
            Ok(())
        }
        End::Failed { operation, .. } if !names_operation(case, operation) => {
            Err(format!("{operation} is the wrong operation"))
        }
        End::Failed { errno, .. } if !same_errno(case, *errno) => {
            Err(format!("{errno} is the wrong error number"))
        }
        End::Failed { .. } => Ok(()),
    }
}

/// The first and the last of each row of equal calls.
fn without_repetitions(calls: &[Call]) -> impl Iterator<Item = &Call> {
    let runs = calls.chunk_by(|a, b| a.name == b.name && a.name != "openat");
    runs.flat_map(|run| [run.first(), run[1..].last()]).flatten()
}

/// Whether this answer is none that the library could notice.
fn is_unnoticed(task: &str, call: &Call, errno: &str) -> bool {
    // The name is gone, so it need not be removed.
    let is_gone = errno == "ENOENT" && matches!(&*call.name, "unlink" | "newfstatat");
    let removes_unused = matches!(task, "unlink-if-unused" | "unlink-if-last");
    if removes_unused && is_gone && call.line.contains("/dev/shm/") {
        return true;
    }
    task == "list"
        && match call.name.as_str() {
            // std panics if closing a directory fails, and glibc returns this error, not the first.
            "close" => true,
            // The object has vanished, so it is not listed.
            "newfstatat" => errno == "ENOENT" && call.line.contains("AT_SYMLINK_NOFOLLOW"),
            _ => false,
        }
}

/// A case for each of these calls and each error number, after these injections.
fn cases(task: &str, before: &[Injection], calls: &[Call], parent: &End) -> Vec<Case> {
    let mut cases = Vec::new();
    for call in without_repetitions(calls) {
        for (at, (errno, _)) in errnos(&call.name).iter().enumerate() {
            // At first every number. Later the first one, and those with a fallback of their own.
            let once = only_asks(call) || !survives(task, call, errno);
            if !before.is_empty() && at > 0 && once || is_unnoticed(task, call, errno) {
                continue;
            }
            let mut injections = before.to_vec();
            match injections.iter_mut().find(|earlier| earlier.call == call.name) {
                // The tracer can inject one error number for each name of a call.
                Some(earlier) if earlier.errno() != *errno || earlier.and.is_some() => continue,
                Some(earlier) => earlier.and = Some(call.nth),
                None => injections.push(Injection {
                    call: call.name.clone(),
                    nth: call.nth,
                    and: None,
                    what: format!("error={errno}"),
                }),
            }
            // The last injection is the one that the case adds.
            let at = injections.iter().position(|one| one.call == call.name).unwrap();
            let last = injections.remove(at);
            injections.push(last);
            let (task, call, parent) = (task.to_owned(), call.clone(), parent.clone());
            cases.push(Case { task, injections, call, parent });
        }
    }
    cases
}

/// Whether to make the calls after this case fail too: for one error number of each call that led
/// to failure, and for every fallback.
fn leads_on(case: &Case, end: &End) -> bool {
    // Without the size of huge pages, the system puts the mapping anywhere, by chance where one
    // fits.
    if case.call.line.contains("hpage_pmd_size") {
        return false;
    }
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
    // The portable code creates an object under its name. If its cleaning up fails, the object must
    // stay, so that is not tested.
    let deepest = if cfg!(posix_shm_portable) { 1 } else { 2 };
    for depth in 1..=deepest {
        let done = in_parallel(&generation, |case| {
            let attempt = || {
                // Each has a name of its own, because not every machine allows a /dev/shm of its
                // own.
                let name = format!("{prefix}.{}", given.fetch_add(1, Ordering::Relaxed));
                trace(&case.task, &name, "alone", &case.injections)
            };
            let mut run = attempt();
            for _ in 0..MISSES {
                if run.injected() == times(&case.injections) {
                    break;
                }
                run = attempt();
            }
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
            // Equal calls after an equal failure lead to equal cases, whatever the task.
            let path: Vec<&str> = on.iter().map(|call| &*call.name).collect();
            let path = format!("{} {end:?} {path:?}", case.call.name);
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
    assert!(wrong.is_empty(), "{} cases failed:\n\n{}", wrong.len(), wrong.join("\n"));
    assert!(all > 1000, "only {all} cases were generated");
}

/// Runs a task that must succeed although these calls fail, one after the other.
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
            found.unwrap_or_else(|| panic!("it does not call {call}: {run}")).clone();
        injections.push(Injection { call, nth, and: None, what: format!("error={errno}") });
        run = trace(task, &name, how, &injections);
    }
    assert_eq!(judge(&run, &injections), Ok(End::Done), "{run}");
    Some(run)
}

/// Checks which calls a task makes if these fail.
#[cfg(not(posix_shm_portable))]
#[track_caller]
fn assert_fallback(task: &str, how: &str, refusals: &[(&str, &str)], expected: &[&str]) {
    if let Some(run) = refused(task, how, refusals) {
        let calls: Vec<&str> = run.calls.iter().map(|call| &*call.name).collect();
        assert_eq!(calls, expected, "{run}");
    }
}

#[cfg(not(posix_shm_portable))]
#[test]
fn without_linkat_by_descriptor_a_new_object_is_linked_through_proc() {
    for errno in ["ENOENT", "EPERM"] {
        let Some(run) = refused("create-sized", "alone", &[("linkat", errno)]) else { return };
        let last = &run.calls.last().unwrap().line;
        assert!(last.starts_with("linkat(AT_FDCWD, \"/proc/thread-self/fd/"), "{run}");
        // It has looked first whether the path leads to the object.
        let calls: Vec<&str> = run.calls.iter().map(|call| &*call.name).collect();
        assert!(calls.ends_with(&["linkat", "newfstatat", "newfstatat", "linkat"]), "{run}");
    }
}

#[cfg(not(posix_shm_portable))]
#[test]
fn without_linkat_and_proc_a_new_object_is_renamed() {
    let again = ["getrandom", "openat", "fallocate", "renameat2"];
    let calls = [&["openat", "fallocate", "linkat", "linkat", "close"][..], &again].concat();
    // The order does not matter here: the first object may be closed before or after.
    if let Some(run) = refused("create-sized", "without-proc", &[("linkat", "ENOENT")]) {
        let made: Vec<&str> = run.calls.iter().map(|call| &*call.name).collect();
        assert!(calls.iter().all(|call| made.contains(call)), "{run}");
    }
}

#[cfg(not(posix_shm_portable))]
#[test]
fn without_o_tmpfile_a_temporary_name_is_renamed_or_linked() {
    let temporary =
        ["openat", "newfstatat", "getrandom", "openat", "prlimit64", "fallocate", "renameat2"];
    let no_tmpfile = ("openat", "EOPNOTSUPP");
    assert_fallback("create-sized", "alone", &[no_tmpfile], &temporary);
    assert_fallback("create-sized", "alone", &[("openat", "EISDIR")], &temporary);
    for errno in ["EINVAL", "ENOSYS"] {
        let refusals = [no_tmpfile, ("renameat2", errno)];
        let calls = [&temporary[..], &["link", "unlink"]].concat();
        assert_fallback("create-sized", "alone", &refusals, &calls);
    }
}

#[cfg(not(posix_shm_portable))]
#[test]
fn without_memfd_an_anonymous_object_is_an_unnamed_file() {
    let unnamed = ["memfd_create", "openat", "prlimit64", "fallocate"];
    assert_fallback("anonymous", "alone", &[("memfd_create", "ENOSYS")], &unnamed);
    if let Some(run) = refused("anonymous", "alone", &[("memfd_create", "ENOSYS")]) {
        assert!(run.calls[1].line.contains("O_TMPFILE, 0600)"), "{run}");
    }
    let old_kernel = ["memfd_create", "memfd_create", "prlimit64", "fallocate"];
    assert_fallback("anonymous", "alone", &[("memfd_create", "EINVAL")], &old_kernel);
}

#[cfg(not(posix_shm_portable))]
#[test]
fn a_shortage_that_passes_is_no_error() {
    if let Some(run) = refused("open-or-create-absent", "alone", &[("fallocate", "ENOSPC")]) {
        assert!(run.calls.iter().any(|call| call.name == "clock_nanosleep"), "{run}");
    }
}
