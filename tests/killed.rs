//! Killed at every system call of creating and of superseding: another process, which is this one, sees the old state or the
//! new one, and whoever comes next succeeds. The signal comes as a call begins, which is as the one before has ended.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;

use posix_shm::{IfExists, OpenOptions, Permissions, Shm, ShmName, unlink};

use crate::common::Names;
use crate::common::victim::{Call, Injection, Run, can_trace, in_parallel, trace};

/// What the victim makes, and what it finds under the other name.
const SIZE: u64 = 8192;
const OLD_SIZE: u64 = 12288;

/// What is done when it is killed, and how long the object is then.
const TASKS: &[(&str, u64)] = &[
    ("create-unsized", 0),
    ("create-sized", SIZE),
    ("create-read-only", SIZE),
    ("create-mapped", SIZE),
    ("open-or-create-absent", SIZE),
    ("supersede-absent", SIZE),
    ("supersede", SIZE),
    ("supersede-read-only", SIZE),
    ("supersede-mapped", SIZE),
];

/// Without `O_TMPFILE`, which is made to be missing by this.
fn no_tmpfile(run: &Run) -> Option<Injection> {
    let call = run.calls.iter().find(|call| call.line.contains("O_TMPFILE"))?;
    let (call, nth, what) = (call.name.clone(), call.nth, "error=EOPNOTSUPP".into());
    Some(Injection { call, nth, and: None, what })
}

/// The two names of a victim: one that nothing has, and one of an object full of sevens.
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
            // Whichever there is.
            let _ = unlink(name);
        }
    }
}

/// What a name means to others: its length, the byte it is full of, and whether anybody else may use it.
fn seen(name: &ShmName) -> Option<(u64, Option<u8>, Permissions)> {
    let object = match OpenOptions::new().if_exists(IfExists::Overwrite).open(name) {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        object => object.unwrap(),
    };
    let metadata = object.metadata().unwrap();
    let content = if metadata.len() == 0 { vec![] } else { object.map().unwrap().bytes().to_vec() };
    assert!(content.windows(2).all(|pair| pair[0] == pair[1]), "a mix of old and new");
    Some((metadata.len(), content.first().copied(), metadata.permissions()))
}

/// One victim, killed as it enters this call, then all that has to hold.
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
        return Err(format!("not killed there\n{run}"));
    }
    let left = run.temporaries();
    for path in &left {
        fs::remove_file(path).unwrap();
    }
    // The crate's documentation says where a temporary name may stay: "Leaks", "What differs where".
    let may_leave = task.starts_with("supersede") || !before.is_empty();
    if left.len() > usize::from(may_leave) {
        return Err(format!("left {left:?}\n{run}"));
    }

    let mode = if task == "create-sized" { 0o640 } else { 0o600 };
    let made = Some((len, (len > 0).then_some(0), Permissions::from_mode(mode)));
    let found = Some((OLD_SIZE, Some(7), Permissions::from_mode(0o600)));
    let (subject, old_state) = if superseding { (&stage.old, found) } else { (&stage.new, None) };
    let state = seen(subject);
    // The portable code promises less: created under its name, then sized; to supersede, the name is removed first.
    let half_made = Some((0, None, Permissions::from_mode(mode)));
    let in_between = cfg!(posix_shm_portable) && (state == half_made || state.is_none());
    if state != old_state && state != made && !in_between {
        return Err(format!("half-made: {state:?}\n{run}"));
    }
    if !superseding && seen(&stage.old) != found {
        return Err(format!("another object was changed\n{run}"));
    }

    // Whoever comes next: what is not there is made, what is there is said to be, and what is superseded is complete.
    let again = trace(task, &stage.prefix, "shared", &[]);
    let exists = state.is_some() && task.starts_with("create");
    let said = again.line("error ").map(|error| error.contains(&format!(" {} ", libc::EEXIST)));
    let right = if exists { said == Some(true) } else { again.line("ok").is_some() };
    // What a killed one has left under the name of a peer that opens what there is stays short; that is the weaker promise.
    let opened = task.starts_with("open-or-create") && state.is_some();
    if !right && !opened {
        return Err(format!("the next one:\n{again}\nafter\n{run}"));
    }
    if seen(subject) != made && !in_between {
        return Err(format!("the next one's object is {:?}\n{again}", seen(subject)));
    }
    Ok(())
}

#[test]
fn killed_at_any_call_it_leaves_the_old_state_or_the_new_one() {
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
            // The tracer does one thing to each call.
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
    assert!(wrong.is_empty(), "{} are wrong:\n\n{}", wrong.len(), wrong.join("\n"));
    assert!(points.len() > 30, "only {} points were found", points.len());
}
