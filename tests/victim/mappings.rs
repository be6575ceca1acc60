//! More tasks of the victim: what is done to mappings.

use std::time::Duration;

use posix_shm::{Advice, MapOptions, Mapping, Protection, ReadWrite, Result, WaitOptions, Waited};

use crate::tasks::{ErrorName, Given, Got, HUGE, Task, no_effect, nothing};
use crate::world::OLD_SIZE;

/// The length of a mapping of a part.
const PART: u64 = 4096;

/// The first page of the old object.
fn part() -> MapOptions {
    MapOptions::new().len(PART as usize).clone()
}

/// Makes a mapping as long as the old object. If that fails, the mapping must be as it was.
fn grown(given: &Given, mut mapping: Mapping<ReadWrite>) -> Result<Got> {
    let before = mapping.as_ptr();
    let grown = mapping.grow(given.object(), OLD_SIZE as usize);
    if grown.is_err() {
        assert_eq!((mapping.as_ptr(), mapping.len() as u64), (before, PART));
        assert_eq!(mapping.bytes().to_vec(), [7; PART as usize]);
    }
    grown.map(|_| Got::Writer(mapping))
}

/// As the list in `tasks.rs`.
pub(crate) const TASKS: &[Task] = &[
    Task {
        name: "map-copy-on-write",
        error_name: ErrorName::No,
        run: |given| MapOptions::new().map_copy_on_write(given.object()).map(Got::Private),
        effect: no_effect,
        is_right: |got| got.is_memory(7, OLD_SIZE),
    },
    Task {
        name: "map-with-capacity",
        error_name: ErrorName::No,
        run: |given| part().capacity(1 << 20).map_mut(given.object()).map(Got::Writer),
        effect: no_effect,
        is_right: |got| got.is_memory(7, PART),
    },
    Task {
        name: "map-aligned",
        error_name: ErrorName::No,
        run: |given| part().align(1 << 21).map_mut(given.object()).map(Got::Writer),
        effect: no_effect,
        is_right: |got| got.is_memory(7, PART),
    },
    Task {
        name: "map-and-lock",
        error_name: ErrorName::No,
        run: |given| part().lock(true).populate(true).map_mut(given.object()).map(Got::Writer),
        effect: no_effect,
        is_right: |got| got.is_memory(7, PART),
    },
    Task {
        name: "grow-mapping",
        error_name: ErrorName::No,
        run: |given| grown(given, part().map_mut(given.object())?),
        effect: no_effect,
        is_right: |got| got.is_memory(7, OLD_SIZE),
    },
    Task {
        name: "grow-mapping-in-its-room",
        error_name: ErrorName::No,
        run: |given| grown(given, part().capacity(1 << 20).map_mut(given.object())?),
        effect: no_effect,
        is_right: |got| got.is_memory(7, OLD_SIZE),
    },
    Task {
        name: "grow-mapping-aligned",
        error_name: ErrorName::No,
        run: |given| grown(given, part().align(1 << 21).map_mut(given.object())?),
        effect: no_effect,
        is_right: |got| got.is_memory(7, OLD_SIZE),
    },
    Task {
        name: "shrink-mapping",
        error_name: ErrorName::No,
        run: |given| {
            let mut mapping = given.mapping.take().unwrap();
            mapping.shrink_to(PART as usize).map(|()| Got::Writer(mapping))
        },
        effect: no_effect,
        is_right: |got| got.is_memory(7, PART),
    },
    Task {
        name: "shrink-mapping-to-its-room",
        error_name: ErrorName::No,
        run: |given| {
            let mut options = MapOptions::new();
            let mut mapping = options.capacity(1 << 20).map_mut(given.object())?;
            mapping.shrink_to(PART as usize).map(|()| Got::Writer(mapping))
        },
        effect: no_effect,
        is_right: |got| got.is_memory(7, PART),
    },
    Task {
        name: "split",
        error_name: ErrorName::No,
        run: |given| {
            let (first, second) = given.mapping.take().unwrap().split_at(PART as usize)?;
            Ok(Got::Two(first, second))
        },
        effect: no_effect,
        is_right: |got| {
            matches!(got, Got::Two(first, second)
                if first.bytes().to_vec() == [7; PART as usize]
                    && second.bytes().to_vec() == [7; (OLD_SIZE - PART) as usize])
        },
    },
    Task {
        name: "into-read-only",
        error_name: ErrorName::No,
        run: |given| given.mapping.take().unwrap().into_read_only().map(Got::Reader),
        effect: no_effect,
        is_right: |got| got.is_memory(7, OLD_SIZE),
    },
    Task {
        name: "protect",
        error_name: ErrorName::No,
        run: |given| {
            let mut raw = MapOptions::new().map_raw(given.object(), Protection::NONE)?;
            raw.protect(Protection::READ).map(|()| Got::Raw(raw))
        },
        effect: no_effect,
        is_right: |got| matches!(got, Got::Raw(raw) if raw.len() as u64 == OLD_SIZE),
    },
    Task {
        name: "populate",
        error_name: ErrorName::No,
        run: |given| given.mapping.as_ref().unwrap().populate(..).map(nothing),
        effect: no_effect,
        is_right: Got::is_nothing,
    },
    Task {
        name: "residency",
        error_name: ErrorName::No,
        run: |given| given.mapping.as_ref().unwrap().residency(..).map(Got::Count),
        effect: no_effect,
        is_right: |got| matches!(got, Got::Count(bytes) if *bytes as u64 == OLD_SIZE),
    },
    Task {
        name: "lock",
        error_name: ErrorName::No,
        run: |given| given.mapping.as_ref().unwrap().lock(..).map(nothing),
        effect: no_effect,
        is_right: Got::is_nothing,
    },
    Task {
        name: "unlock",
        error_name: ErrorName::No,
        run: |given| given.mapping.as_ref().unwrap().unlock(..).map(nothing),
        effect: no_effect,
        is_right: Got::is_nothing,
    },
    Task {
        name: "advise",
        error_name: ErrorName::No,
        run: |given| given.mapping.as_ref().unwrap().advise(.., Advice::Sequential).map(nothing),
        effect: no_effect,
        is_right: Got::is_nothing,
    },
    Task {
        name: "wait",
        error_name: ErrorName::No,
        run: |given| {
            let word = given.mapping.as_ref().unwrap().atomic::<u32>(64)?;
            // So short that how often it looks does not depend on the machine's speed.
            let options = WaitOptions::new().limit(Duration::from_nanos(1)).spin(0);
            word.wait(0x0707_0707, options).map(Got::Waited)
        },
        effect: no_effect,
        is_right: |got| matches!(got, Got::Waited(Waited::TimedOut | Waited::Changed)),
    },
    Task {
        name: "notify",
        error_name: ErrorName::No,
        run: |given| {
            given.mapping.as_ref().unwrap().atomic::<u32>(64)?.notify_all().map(Got::Count)
        },
        effect: no_effect,
        is_right: |got| matches!(got, Got::Count(0)),
    },
    Task {
        name: "collapse",
        error_name: ErrorName::No,
        run: |given| {
            let object = given.huge.as_ref().unwrap();
            let mapping = MapOptions::new().huge_pages(true).map_mut(object)?;
            mapping.collapse(..).map(Got::Collapsed)
        },
        effect: no_effect,
        is_right: |got| match got {
            Got::Collapsed(found) => (found.huge + found.usual) as u64 == HUGE,
            _ => false,
        },
    },
];
