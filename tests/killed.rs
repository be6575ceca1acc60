//! Kills a process at every system call of creating and superseding. This process must then see the
//! old state or the new one, and the next process must succeed. The signal arrives as a call
//! begins, so it tests the state after the call before.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;

use posix_shm::{IfExists, OpenOptions, Permissions, Shm, ShmName, capabilities, unlink};

use crate::common::Names;
use crate::common::victim::{Call, Injection, Run, can_trace, in_parallel, trace};

/// The lengths of the object that the victim makes, and of the one that exists before.
const SIZE: u64 = 8192;
const OLD_SIZE: u64 = 12288;

/// The tasks during which it is killed, and the length of the object that they make.
const TASKS: &[(&str, u64)] = &[
    ("create-unsized", 0),
    ("create-sized", SIZE),
    ("create-read-only", SIZE),
    ("create-mapped", SIZE),
    #[cfg(not(posix_shm_portable))]
    ("create-present", SIZE),
    #[cfg(not(posix_shm_portable))]
    ("create-present-unsized", 0),
    ("open-or-create-absent", SIZE),
    #[cfg(not(posix_shm_portable))]
    ("create-with", SIZE),
    #[cfg(not(posix_shm_portable))]
    ("publish", SIZE),
    ("supersede-absent", SIZE),
    ("supersede", SIZE),
    ("supersede-read-only", SIZE),
    ("supersede-mapped", SIZE),
    #[cfg(not(posix_shm_portable))]
    ("supersede-present", SIZE),
];

/// Makes the system behave as if it had no `O_TMPFILE`.
fn no_tmpfile(run: &Run) -> Option<Injection> {
    let call = run.calls.iter().find(|call| call.line.contains("O_TMPFILE"))?;
    let (call, nth, what) = (call.name.clone(), call.nth, "error=EOPNOTSUPP".into());
    Some(Injection { call, nth, and: None, what })
}

/// The two names of a victim: one without an object, and one of an object full of sevens.
struct Stage {
    prefix: String,
    new: ShmName,
    old: ShmName,
}

impl Stage {
    fn set(prefix: String) -> Stage {
        let [new, old] = ["new", "old"].map(|end| ShmName::new(format!("{prefix}.{end}")).unwrap());
        Shm::create(&old, OLD_SIZE).unwrap().map_mut().unwrap().bytes().fill(7);
        Stage { prefix, new, old }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for name in [&self.new, &self.old] {
            // Either may be gone.
            let _ = unlink(name);
        }
    }
}

/// An object as other processes see it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Seen {
    len: u64,
    /// The byte that is repeated over the whole length.
    byte: Option<u8>,
    permissions: Permissions,
}

impl Seen {
    fn new(len: u64, byte: Option<u8>, mode: u32) -> Option<Seen> {
        Some(Seen { len, byte, permissions: Permissions::from_mode(mode) })
    }
}

fn seen(name: &ShmName) -> Option<Seen> {
    let object = match OpenOptions::new().if_exists(IfExists::Overwrite).open(name) {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        object => object.unwrap(),
    };
    let metadata = object.metadata().unwrap();
    let content = if metadata.len() == 0 { vec![] } else { object.map().unwrap().bytes().to_vec() };
    let is_uniform = content.windows(2).all(|pair| pair[0] == pair[1]);
    assert!(is_uniform, "{name} has a mix of old and new content");
    let (len, byte) = (metadata.len(), content.first().copied());
    Some(Seen { len, byte, permissions: metadata.permissions() })
}

/// Kills a victim as it enters this call, and checks what it leaves.
fn kill(
    task: &str,
    len: u64,
    stage: &Stage,
    before: &[Injection],
    at: &Call,
) -> Result<(), String> {
    let superseding = task.starts_with("supersede") && task != "supersede-absent";
    let mut injections = before.to_vec();
    let (call, nth, what) = (at.name.clone(), at.nth, "signal=SIGKILL".into());
    injections.push(Injection { call, nth, and: None, what });
    let run = trace(task, &stage.prefix, "shared", &injections);
    if run.status.signal() != Some(libc::SIGKILL) || run.end.is_some() && at.name != "getppid" {
        return Err(format!("it was not killed at that call\n{run}"));
    }
    let left = run.temporaries();
    for path in &left {
        fs::remove_file(path).unwrap();
    }
    // The crate's documentation says when a temporary name may stay.
    let may_leave = task.starts_with("supersede") || !before.is_empty();
    if left.len() > usize::from(may_leave) {
        return Err(format!("it left {left:?}\n{run}"));
    }

    let mode = if task == "create-sized" { 0o640 } else { 0o600 };
    let byte = if matches!(task, "create-with" | "publish") { 5 } else { 0 };
    let made = Seen::new(len, (len > 0).then_some(byte), mode);
    let found = Seen::new(OLD_SIZE, Some(7), 0o600);
    let (subject, old_state) = if superseding { (&stage.old, found) } else { (&stage.new, None) };
    let state = seen(subject);
    // The portable code promises less. It creates an object under its name and sizes it afterwards,
    // and to supersede it removes the name first.
    let half_made = Seen::new(0, None, mode);
    let in_between = cfg!(posix_shm_portable) && (state == half_made || state.is_none());
    if state != old_state && state != made && !in_between {
        return Err(format!("neither the old state nor the new one: {state:?}\n{run}"));
    }
    if !superseding && seen(&stage.old) != found {
        return Err(format!("another object was changed\n{run}"));
    }

    // The kernel has ended its presence.
    if capabilities().presence
        && state.is_some()
        && !Shm::open(subject).unwrap().is_unused().unwrap()
    {
        return Err(format!("the dead process is still present\n{run}"));
    }

    // The next process creates a missing object, learns that it exists, or supersedes it.
    let again = trace(task, &stage.prefix, "shared", &[]);
    let exists = state.is_some() && (task.starts_with("create") || task == "publish");
    let said = again.line("error ").map(|error| error.contains(&format!(" {} ", libc::EEXIST)));
    let right = if exists { said == Some(true) } else { again.line("ok").is_some() };
    // The portable code may have left a short object, which the next process opens as it is.
    let opened = task.starts_with("open-or-create") && state.is_some();
    if !right && !opened {
        return Err(format!("the next process failed:\n{again}\nafter\n{run}"));
    }
    if seen(subject) != made && !in_between {
        return Err(format!("the next process made {:?}\n{again}", seen(subject)));
    }
    Ok(())
}

#[test]
fn a_process_killed_at_any_call_leaves_the_old_state_or_the_new_one() {
    if !can_trace() {
        return;
    }
    let names = Names::new();
    let prefix = names.name().to_string();
    let mut points = Vec::new();
    for (task, len) in TASKS {
        for forced in [false, true] {
            let stage = Stage::set(format!("{prefix}.{task}.{forced}"));
            let mut run = trace(task, &stage.prefix, "shared", &[]);
            let mut before = vec![];
            if forced {
                let Some(injection) = no_tmpfile(&run) else { continue };
                before.push(injection);
                drop(stage);
                let stage = Stage::set(format!("{prefix}.{task}.{forced}"));
                run = trace(task, &stage.prefix, "shared", &before);
            }
            assert!(run.line("ok").is_some(), "{run}");
            let calls = run.calls.iter().chain(&run.end).cloned();
            // The tracer can do one thing to each name of a call.
            let free = calls.filter(|call| before.iter().all(|one| one.call != call.name));
            points.extend(free.map(|call| (*task, *len, before.clone(), call)));
        }
    }
    let numbered: Vec<_> = points.iter().enumerate().collect();
    let results = in_parallel(&numbered, |(i, (task, len, before, call))| {
        let stage = Stage::set(format!("{prefix}.{i}"));
        kill(task, *len, &stage, before, call).map_err(|why| format!("{task}: {why}"))
    });
    let wrong: Vec<String> = results.into_iter().filter_map(Result::err).collect();
    println!("kill points: {}", points.len());
    assert!(wrong.is_empty(), "{} cases failed:\n\n{}", wrong.len(), wrong.join("\n"));
    assert!(points.len() > 30, "only {} calls to kill at were found", points.len());
}

/// Whatever it held or was about to do, the next process finds the object unused and unlocked.
#[test]
fn a_process_killed_at_any_call_is_not_present_and_has_no_lock() {
    if !can_trace() || !capabilities().lock {
        return;
    }
    let names = Names::new();
    let prefix = names.name().to_string();
    let mut points = Vec::new();
    let tasks = [
        "open-present",
        "presence",
        "is-unused",
        "unlink-if-unused",
        "unlink-if-last",
        "lock",
        "try-lock",
    ];
    for task in tasks {
        let stage = Stage::set(format!("{prefix}.{task}"));
        let run = trace(task, &stage.prefix, "shared", &[]);
        assert!(run.line("ok").is_some(), "{run}");
        points.extend(run.calls.iter().chain(&run.end).cloned().map(|call| (task, call)));
    }
    let numbered: Vec<_> = points.iter().enumerate().collect();
    let results = in_parallel(&numbered, |(i, (task, at))| {
        let stage = Stage::set(format!("{prefix}.{i}"));
        let object = Shm::open_io(&stage.old).unwrap();
        let (call, nth, what) = (at.name.clone(), at.nth, "signal=SIGKILL".into());
        let injection = Injection { call, nth, and: None, what };
        let run = trace(task, &stage.prefix, "shared", &[injection]);
        let wrong = |why: &str| Err(format!("{task}: {why}\n{run}"));
        if run.status.signal() != Some(libc::SIGKILL) {
            return wrong("it was not killed at that call");
        }
        if !object.is_unused().unwrap() || object.try_lock().unwrap().is_none() {
            return wrong("the dead process still holds something");
        }
        let was_removed = seen(&stage.old).is_none();
        if was_removed && !task.starts_with("unlink-if-") {
            return wrong("the name is gone");
        }
        // The next one does what is left to do.
        match object.unlink_if_unused().unwrap() != was_removed && seen(&stage.old).is_none() {
            true => Ok(()),
            false => wrong("the name is not removed once"),
        }
    });
    let wrong: Vec<String> = results.into_iter().filter_map(Result::err).collect();
    println!("kill points: {}", points.len());
    assert!(wrong.is_empty(), "{} cases failed:\n\n{}", wrong.len(), wrong.join("\n"));
    assert!(points.len() > 15, "only {} calls to kill at were found", points.len());
}
