//! More tasks of the victim: handles that are copied, limited, sealed and handed over.

use posix_shm::{Seals, Shm, transfer};

use crate::tasks::{ErrorName, Got, SIZE, Task, no_effect, nothing};
use crate::world::{OLD_SIZE, runs};

/// As the list in `tasks.rs`.
pub(crate) const TASKS: &[Task] = &[
    Task {
        name: "try-clone",
        error_name: ErrorName::Old,
        run: |given| given.object().try_clone().map(Got::Object),
        effect: no_effect,
        is_right: |got| got.is_old_object(),
    },
    Task {
        name: "from-fd",
        error_name: ErrorName::Old,
        run: |given| {
            let descriptor = given.descriptor.take().unwrap();
            Shm::from_fd(descriptor, Some(given.old.clone())).map(Got::Object)
        },
        effect: no_effect,
        is_right: |got| got.is_old_object(),
    },
    Task {
        name: "read-only",
        error_name: ErrorName::Old,
        run: |given| given.object().read_only().map(Got::Object),
        effect: no_effect,
        is_right: |got| got.is_reader(OLD_SIZE),
    },
    Task {
        name: "read-only-anonymous",
        error_name: ErrorName::No,
        run: |given| given.anonymous().read_only().map(Got::Object),
        effect: no_effect,
        is_right: |got| got.is_reader(SIZE) && got.has_mode(0o600),
    },
    Task {
        name: "seal",
        error_name: ErrorName::No,
        run: |given| given.anonymous().seal(Seals::SHRINK).map(nothing),
        effect: no_effect,
        is_right: Got::is_nothing,
    },
    Task {
        name: "seals",
        error_name: ErrorName::No,
        run: |given| given.frozen.as_ref().unwrap().seals().map(Got::Seals),
        effect: no_effect,
        is_right: |got| matches!(got, Got::Seals(seals) if seals.contains(Seals::FUTURE_WRITE)),
    },
    Task {
        name: "freeze",
        error_name: ErrorName::No,
        run: |given| given.anonymous.take().unwrap().freeze().map(Got::Object),
        effect: no_effect,
        is_right: |got| got.is_new_object(SIZE),
    },
    Task {
        name: "make-immutable",
        error_name: ErrorName::No,
        run: |given| given.anonymous.take().unwrap().make_immutable().map(Got::Object),
        effect: no_effect,
        is_right: |got| got.is_new_object(SIZE),
    },
    Task {
        name: "map-immutable",
        error_name: ErrorName::No,
        run: |given| given.immutable.as_ref().unwrap().map_immutable().map(Got::Immutable),
        effect: no_effect,
        is_right: |got| matches!(got, Got::Immutable(bytes) if runs(bytes) == [(0, SIZE)]),
    },
    Task {
        name: "send",
        error_name: ErrorName::Old,
        run: |given| given.object().send(&given.sockets.0).map(nothing),
        effect: no_effect,
        is_right: Got::is_nothing,
    },
    Task {
        name: "receive",
        error_name: ErrorName::No,
        run: |given| Shm::receive(&given.sockets.1).map(Got::Object),
        effect: no_effect,
        is_right: |got| got.is_old_object(),
    },
    Task {
        name: "transfer-send",
        error_name: ErrorName::Old,
        run: |given| {
            let sent = transfer::send(&given.sockets.0, &[given.object()], b"bytes")?;
            Ok(Got::Bytes(Ok(sent), Vec::new()))
        },
        effect: no_effect,
        is_right: |got| got.is_count(5),
    },
    Task {
        name: "transfer-receive",
        error_name: ErrorName::No,
        run: |given| {
            let mut received = transfer::receive(&given.sockets.1, &mut [0; 8])?;
            assert_eq!(received.objects.len() + received.others, 1, "what was sent is lost");
            Ok(received.objects.next().map_or(Got::Nothing, Got::Object))
        },
        effect: no_effect,
        // Or the descriptor is found to stand for a path alone.
        is_right: |got| got.is_old_object() || got.is_nothing(),
    },
    Task {
        name: "inspect",
        error_name: ErrorName::Old,
        run: |given| given.object().inspect().map(|found| Got::Metadata(found.metadata)),
        effect: no_effect,
        is_right: |got| matches!(got, Got::Metadata(found) if found.len() == OLD_SIZE),
    },
    Task {
        name: "pass-to",
        error_name: ErrorName::Old,
        run: |given| {
            let mut command = std::process::Command::new("true");
            given.object().pass_to(&mut command).map(|number| Got::Answer(number > 2))
        },
        effect: no_effect,
        is_right: |got| matches!(got, Got::Answer(true)),
    },
];
