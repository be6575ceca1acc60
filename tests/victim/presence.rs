//! The tasks of the victim that are about presence and locks.

use posix_shm::{IfExists, OpenOptions, Shm};

use crate::tasks::{ErrorName, Got, SIZE, Task, creating, no_effect};
use crate::world::{NEW, OLD, OLD_SIZE};

fn present(mut options: OpenOptions) -> OpenOptions {
    options.present(true);
    options
}

/// Whether the object counts as used while the result lives, and not afterwards.
fn is_held(got: &Got) -> bool {
    match got {
        Got::Present(object, _) => !object.is_unused().unwrap(),
        Got::Object(object) | Got::Mapped(object, _) => !object.is_unused().unwrap(),
        _ => false,
    }
}

fn made(got: &Got, size: u64) -> bool {
    let right = |object: &Shm| object.created() && object.len().unwrap() == size;
    matches!(got, Got::Object(object) | Got::Mapped(object, _) if right(object)) && is_held(got)
}

/// As the list in `tasks.rs`.
pub(crate) const TASKS: &[Task] = &[
    Task {
        name: "create-present",
        error_name: ErrorName::New,
        run: |given| present(creating(SIZE)).open(&given.new).map(Got::Object),
        effect: |world| world.make(NEW, SIZE),
        is_right: |got| made(got, SIZE),
    },
    Task {
        name: "create-present-unsized",
        error_name: ErrorName::New,
        run: |given| present(creating(0)).open(&given.new).map(Got::Object),
        effect: |world| world.make(NEW, 0),
        is_right: |got| made(got, 0),
    },
    Task {
        name: "anonymous-present",
        error_name: ErrorName::No,
        run: |_| present(creating(SIZE)).open_anonymous().map(Got::Object),
        effect: no_effect,
        is_right: |got| made(got, SIZE),
    },
    Task {
        name: "supersede-present",
        error_name: ErrorName::Old,
        run: |given| {
            let mut options = present(creating(SIZE));
            options.if_exists(IfExists::Supersede).open(&given.old).map(Got::Object)
        },
        effect: |world| world.make(OLD, SIZE),
        is_right: |got| made(got, SIZE),
    },
    Task {
        name: "open-present",
        error_name: ErrorName::Old,
        run: |given| present(OpenOptions::new()).open(&given.old).map(Got::Object),
        effect: no_effect,
        is_right: |got| {
            matches!(got, Got::Object(object) if object.len().unwrap() == OLD_SIZE) && is_held(got)
        },
    },
    Task {
        name: "presence",
        error_name: ErrorName::Old,
        run: |given| {
            let presence = given.object().presence()?;
            Ok(Got::Present(given.object.take().unwrap(), presence))
        },
        effect: no_effect,
        is_right: is_held,
    },
    Task {
        name: "is-unused",
        error_name: ErrorName::Old,
        run: |given| given.object().is_unused().map(Got::Answer),
        effect: no_effect,
        is_right: |got| matches!(got, Got::Answer(true)),
    },
    Task {
        name: "unlink-if-unused",
        error_name: ErrorName::Old,
        run: |given| given.object().unlink_if_unused().map(Got::Answer),
        effect: |world| world.remove(OLD),
        is_right: |got| matches!(got, Got::Answer(true)),
    },
    Task {
        name: "unlink-if-last",
        error_name: ErrorName::Old,
        run: |given| given.object.take().unwrap().unlink_if_last().map(Got::Answer),
        effect: |world| world.remove(OLD),
        is_right: |got| matches!(got, Got::Answer(true)),
    },
    Task {
        name: "lock",
        error_name: ErrorName::Old,
        run: |given| given.object().lock().map(Got::Lock),
        effect: no_effect,
        is_right: |got| matches!(got, Got::Lock(_)),
    },
    Task {
        name: "try-lock",
        error_name: ErrorName::Old,
        run: |given| given.object().try_lock().map(|lock| Got::Lock(lock.expect("it is free"))),
        effect: no_effect,
        is_right: |got| matches!(got, Got::Lock(_)),
    },
];
