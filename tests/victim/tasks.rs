//! The tasks of the victim: every public operation that makes system calls.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use posix_shm::{
    Collapsed, CopyOnWrite, Direction, Error, IfDoesNotExist, IfExists, ImmutableMapping, Lock,
    MapOptions, Mapping, Metadata, OpenOptions, Permissions, Presence, Protection, RawMapping,
    ReadOnly, ReadWrite, Result, Seals, Shm, ShmName, Waited, capabilities, list, unlink,
};

use crate::world::{NEW, OLD, OLD_SIZE, World, runs};
use crate::{handles, mappings, presence};

/// The length of new objects.
pub(crate) const SIZE: u64 = 8192;
/// The length of an object that huge pages fit into.
pub(crate) const HUGE: u64 = 2 << 20;
/// So long that the library first asks, in every way it knows, whether there is room.
const LARGE: u64 = 16 << 20;

/// An operation of the library, and what must come of it.
pub(crate) struct Task {
    /// What the tests call it.
    pub(crate) name: &'static str,
    /// The name of an object that its errors must carry.
    pub(crate) error_name: ErrorName,
    pub(crate) run: fn(&mut Given) -> Result<Got>,
    /// What success changes in the objects.
    pub(crate) effect: fn(&mut World),
    /// Whether the value that it returned is right.
    pub(crate) is_right: fn(&Got) -> bool,
}

impl Task {
    /// Whether this system has the operation.
    pub(crate) fn is_possible(&self) -> bool {
        match self.name {
            "punch" => capabilities().punch,
            "collapse" => capabilities().collapse,
            "residency" => capabilities().residency,
            "map-copy-on-write" => capabilities().copy_on_write,
            "seal" | "seals" | "freeze" | "may-fault" => capabilities().seal,
            "make-immutable" | "map-immutable" => capabilities().map_immutable,
            "read-only-anonymous" => capabilities().read_only_anonymous,
            "list" => capabilities().list,
            "lock" | "try-lock" => capabilities().lock,
            name if name.contains("present") || name.contains("unused") => capabilities().presence,
            "presence" | "unlink-if-last" => capabilities().presence,
            _ => true,
        }
    }
}

/// What an operation may use. It is made before the marks.
pub(crate) struct Given {
    pub(crate) new: ShmName,
    pub(crate) old: ShmName,
    pub(crate) object: Option<Shm>,
    pub(crate) mapping: Option<Mapping<ReadWrite>>,
    /// A descriptor of the old object.
    pub(crate) descriptor: Option<OwnedFd>,
    /// One that can still be sealed, one that is frozen, and one that is immutable.
    pub(crate) anonymous: Option<Shm>,
    pub(crate) frozen: Option<Shm>,
    pub(crate) immutable: Option<Shm>,
    /// One that huge pages fit into.
    pub(crate) huge: Option<Shm>,
    /// Two ends of a socket. A handle of the old object has been sent to the second.
    pub(crate) sockets: (UnixStream, UnixStream),
    pub(crate) heir: u32,
}

impl Given {
    pub(crate) fn object(&self) -> &Shm {
        self.object.as_ref().expect("the old object was opened")
    }

    pub(crate) fn anonymous(&self) -> &Shm {
        self.anonymous.as_ref().expect("an anonymous object was made")
    }
}

#[derive(Clone, Copy)]
pub(crate) enum ErrorName {
    New,
    Old,
    No,
    /// That of the old object, or none.
    OldOrNo,
}

/// What an operation returned.
#[derive(Debug)]
pub(crate) enum Got {
    Nothing,
    Object(Shm),
    Mapped(Shm, Mapping<ReadWrite>),
    Reader(Mapping<ReadOnly>),
    Writer(Mapping<ReadWrite>),
    Raw(RawMapping),
    Immutable(ImmutableMapping),
    Present(Shm, #[allow(dead_code, reason = "it is held")] Presence),
    Lock(#[allow(dead_code, reason = "it is held")] Lock),
    Metadata(Metadata),
    Answer(bool),
    Seals(Seals),
    Names(Vec<ShmName>),
    Private(Mapping<CopyOnWrite>),
    Two(Mapping<ReadWrite>, Mapping<ReadWrite>),
    Collapsed(Collapsed),
    Count(usize),
    Waited(Waited),
    /// What reading or writing returned, and the bytes that were read.
    Bytes(io::Result<usize>, Vec<u8>),
}

impl Got {
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Got::Nothing)
    }

    pub(crate) fn is_new_object(&self, len: u64) -> bool {
        self.is_object(true, len)
    }

    pub(crate) fn is_old_object(&self) -> bool {
        self.is_object(false, OLD_SIZE)
    }

    fn is_object(&self, created: bool, len: u64) -> bool {
        match self {
            Got::Object(object) | Got::Mapped(object, _) => {
                object.created() == created && object.len().unwrap() == len
            }
            _ => false,
        }
    }

    /// Whether it is memory of this length, and every byte is this one.
    pub(crate) fn is_memory(&self, byte: u8, len: u64) -> bool {
        let content = match self {
            Got::Reader(mapping) => mapping.bytes().to_vec(),
            Got::Private(mapping) => mapping.bytes().to_vec(),
            Got::Writer(mapping) | Got::Mapped(_, mapping) => mapping.bytes().to_vec(),
            _ => return false,
        };
        runs(&content) == [(byte, len)]
    }

    pub(crate) fn is_reader(&self, len: u64) -> bool {
        self.is_object(false, len) && matches!(self, Got::Object(it) if it.map_mut().is_err())
    }

    pub(crate) fn is_count(&self, count: usize) -> bool {
        matches!(self, Got::Bytes(Ok(found), _) if *found == count)
    }

    pub(crate) fn has_mode(&self, mode: u32) -> bool {
        matches!(self, Got::Object(it) if it.metadata().unwrap().permissions().mode() == mode)
    }
}

/// For reading and writing; new objects get this size.
fn io(if_exists: IfExists, size: u64) -> OpenOptions {
    OpenOptions::new().direction(Direction::Io).if_exists(if_exists).size(size).clone()
}

pub(crate) fn creating(size: u64) -> OpenOptions {
    io(IfExists::Error, size)
}

fn superseding(size: u64) -> OpenOptions {
    io(IfExists::Supersede, size)
}

fn truncating(if_does_not_exist: IfDoesNotExist) -> OpenOptions {
    io(IfExists::Truncate, SIZE).if_does_not_exist(if_does_not_exist).clone()
}

/// The same, but the handle of a new object is read-only.
fn read_only(mut options: OpenOptions) -> OpenOptions {
    options.direction(Direction::Input).if_does_not_exist(IfDoesNotExist::Create);
    options
}

fn mode(mode: u32) -> Permissions {
    Permissions::from_mode(mode)
}

pub(crate) fn nothing((): ()) -> Got {
    Got::Nothing
}

fn mapped((object, mapping): (Shm, Mapping<ReadWrite>)) -> Got {
    Got::Mapped(object, mapping)
}

pub(crate) fn no_effect(_: &mut World) {}

/// The user that the old object is given to: another one if that is allowed.
pub(crate) fn heir() -> u32 {
    // SAFETY: passes no pointer.
    match unsafe { libc::geteuid() } {
        0 => 65534,
        user => user,
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// All tasks.
pub(crate) fn all() -> impl Iterator<Item = &'static Task> {
    TASKS.iter().chain(handles::TASKS).chain(mappings::TASKS).chain(presence::TASKS)
}

/// A new operation gets an entry here, and is then tested with every error and every kill.
const TASKS: &[Task] = &[
    Task {
        name: "create-unsized",
        error_name: ErrorName::New,
        run: |given| creating(0).open(&given.new).map(Got::Object),
        effect: |world| world.make(NEW, 0),
        is_right: |got| got.is_new_object(0),
    },
    Task {
        name: "create-sized",
        error_name: ErrorName::New,
        run: |given| creating(SIZE).permissions(mode(0o640)).open(&given.new).map(Got::Object),
        effect: |world| {
            world.make(NEW, SIZE);
            world.of(NEW).mode = 0o640;
        },
        is_right: |got| got.is_new_object(SIZE),
    },
    Task {
        name: "create-sparse",
        error_name: ErrorName::New,
        run: |given| creating(SIZE).sparse(true).open(&given.new).map(Got::Object),
        effect: |world| world.make(NEW, SIZE),
        is_right: |got| got.is_new_object(SIZE),
    },
    Task {
        name: "create-large",
        error_name: ErrorName::New,
        run: |given| Shm::create(&given.new, LARGE).map(Got::Object),
        effect: |world| world.make(NEW, LARGE),
        is_right: |got| got.is_new_object(LARGE),
    },
    Task {
        name: "create-read-only",
        error_name: ErrorName::New,
        run: |given| read_only(creating(SIZE)).open(&given.new).map(Got::Object),
        effect: |world| world.make(NEW, SIZE),
        is_right: |got| got.is_new_object(SIZE),
    },
    Task {
        name: "create-mapped",
        error_name: ErrorName::New,
        run: |given| creating(SIZE).open_mapped(&given.new).map(mapped),
        effect: |world| world.make(NEW, SIZE),
        is_right: |got| got.is_new_object(SIZE) && got.is_memory(0, SIZE),
    },
    Task {
        name: "create-with",
        error_name: ErrorName::New,
        run: |given| {
            let filled = |new: &Shm| new.map_mut().map(|mapping| mapping.bytes().fill(5));
            creating(SIZE).open_with::<Error>(&given.new, filled).map(Got::Object)
        },
        effect: |world| {
            world.make(NEW, SIZE);
            world.of(NEW).content = vec![(5, SIZE)];
        },
        is_right: |got| got.is_new_object(SIZE),
    },
    Task {
        name: "publish",
        error_name: ErrorName::New,
        run: |given| Shm::publish(&given.new, &[5; SIZE as usize]).map(Got::Object),
        effect: |world| {
            world.make(NEW, SIZE);
            world.of(NEW).content = vec![(5, SIZE)];
        },
        is_right: |got| got.is_new_object(SIZE),
    },
    Task {
        name: "open",
        error_name: ErrorName::Old,
        run: |given| Shm::open(&given.old).map(Got::Object),
        effect: no_effect,
        is_right: |got| got.is_old_object(),
    },
    Task {
        name: "open-io",
        error_name: ErrorName::Old,
        run: |given| Shm::open_io(&given.old).map(Got::Object),
        effect: no_effect,
        is_right: |got| got.is_old_object(),
    },
    Task {
        name: "open-mapped",
        error_name: ErrorName::Old,
        run: |given| io(IfExists::Overwrite, 0).open_mapped(&given.old).map(mapped),
        effect: no_effect,
        is_right: |got| got.is_old_object() && got.is_memory(7, OLD_SIZE),
    },
    Task {
        name: "open-resized",
        error_name: ErrorName::Old,
        run: |given| {
            let mut options = io(IfExists::Overwrite, OLD_SIZE + SIZE);
            options.resize(true).open(&given.old).map(Got::Object)
        },
        effect: |world| world.of(OLD).content.push((0, SIZE)),
        is_right: |got| got.is_object(false, OLD_SIZE + SIZE),
    },
    Task {
        name: "open-at-least",
        error_name: ErrorName::Old,
        run: |given| OpenOptions::new().at_least(SIZE).open(&given.old).map(Got::Object),
        effect: no_effect,
        is_right: |got| got.is_old_object(),
    },
    Task {
        name: "open-waiting",
        error_name: ErrorName::Old,
        run: |given| {
            let mut options = OpenOptions::new();
            // So long that how often it looks depends on what it finds, not on the machine's speed.
            options.wait(Duration::from_secs(60)).open(&given.old).map(Got::Object)
        },
        effect: no_effect,
        is_right: |got| got.is_old_object(),
    },
    Task {
        name: "open-optional-absent",
        error_name: ErrorName::New,
        run: |given| {
            let found = OpenOptions::new().open_optional(&given.new)?;
            Ok(found.map_or(Got::Nothing, Got::Object))
        },
        effect: no_effect,
        is_right: Got::is_nothing,
    },
    Task {
        name: "open-or-create-absent",
        error_name: ErrorName::New,
        run: |given| Shm::open_or_create(&given.new, SIZE).map(Got::Object),
        effect: |world| world.make(NEW, SIZE),
        is_right: |got| got.is_new_object(SIZE),
    },
    Task {
        name: "open-or-create-present",
        error_name: ErrorName::Old,
        run: |given| Shm::open_or_create(&given.old, SIZE).map(Got::Object),
        effect: no_effect,
        is_right: |got| got.is_old_object(),
    },
    Task {
        name: "truncate",
        error_name: ErrorName::Old,
        run: |given| truncating(IfDoesNotExist::Error).open(&given.old).map(Got::Object),
        effect: |world| world.of(OLD).content.clear(),
        is_right: |got| got.is_object(false, 0),
    },
    Task {
        name: "truncate-or-create",
        error_name: ErrorName::New,
        run: |given| truncating(IfDoesNotExist::Create).open(&given.new).map(Got::Object),
        effect: |world| world.make(NEW, SIZE),
        is_right: |got| got.is_new_object(SIZE),
    },
    Task {
        name: "supersede-absent",
        error_name: ErrorName::New,
        run: |given| superseding(SIZE).open(&given.new).map(Got::Object),
        effect: |world| world.make(NEW, SIZE),
        is_right: |got| got.is_new_object(SIZE),
    },
    Task {
        name: "supersede",
        error_name: ErrorName::Old,
        run: |given| superseding(SIZE).open(&given.old).map(Got::Object),
        effect: |world| world.make(OLD, SIZE),
        is_right: |got| got.is_new_object(SIZE),
    },
    Task {
        name: "supersede-unsized",
        error_name: ErrorName::Old,
        run: |given| superseding(0).open(&given.old).map(Got::Object),
        effect: |world| world.make(OLD, 0),
        is_right: |got| got.is_new_object(0),
    },
    Task {
        name: "supersede-read-only",
        error_name: ErrorName::Old,
        run: |given| read_only(superseding(SIZE)).open(&given.old).map(Got::Object),
        effect: |world| world.make(OLD, SIZE),
        is_right: |got| got.is_new_object(SIZE),
    },
    Task {
        name: "supersede-mapped",
        error_name: ErrorName::Old,
        run: |given| superseding(SIZE).open_mapped(&given.old).map(mapped),
        effect: |world| world.make(OLD, SIZE),
        is_right: |got| got.is_new_object(SIZE) && got.is_memory(0, SIZE),
    },
    Task {
        name: "anonymous",
        error_name: ErrorName::No,
        run: |_| Shm::anonymous(SIZE).map(Got::Object),
        effect: no_effect,
        is_right: |got| got.is_new_object(SIZE),
    },
    Task {
        name: "anonymous-permissions",
        error_name: ErrorName::No,
        run: |_| creating(SIZE).permissions(mode(0o700)).open_anonymous().map(Got::Object),
        effect: no_effect,
        is_right: |got| got.is_new_object(SIZE) && got.has_mode(0o700),
    },
    Task {
        name: "anonymous-mapped",
        error_name: ErrorName::No,
        run: |_| creating(SIZE).open_anonymous_mapped().map(mapped),
        effect: no_effect,
        is_right: |got| got.is_new_object(SIZE) && got.is_memory(0, SIZE),
    },
    Task {
        name: "set-len-longer",
        error_name: ErrorName::Old,
        run: |given| given.object().set_len(OLD_SIZE + SIZE).map(nothing),
        effect: |world| world.of(OLD).content.push((0, SIZE)),
        is_right: Got::is_nothing,
    },
    Task {
        name: "set-len-shorter",
        error_name: ErrorName::Old,
        run: |given| given.object().set_len(SIZE).map(nothing),
        effect: |world| world.of(OLD).content = vec![(7, SIZE)],
        is_right: Got::is_nothing,
    },
    Task {
        name: "set-len-sparse",
        error_name: ErrorName::Old,
        run: |given| given.object().set_len_sparse(OLD_SIZE + SIZE).map(nothing),
        effect: |world| world.of(OLD).content.push((0, SIZE)),
        is_right: Got::is_nothing,
    },
    Task {
        name: "grow",
        error_name: ErrorName::Old,
        run: |given| given.object().grow(OLD_SIZE + SIZE).map(nothing),
        effect: |world| world.of(OLD).content.push((0, SIZE)),
        is_right: Got::is_nothing,
    },
    Task {
        name: "reserve",
        error_name: ErrorName::Old,
        run: |given| given.object().reserve(..SIZE).map(nothing),
        effect: no_effect,
        is_right: Got::is_nothing,
    },
    Task {
        name: "punch",
        error_name: ErrorName::Old,
        run: |given| given.object().punch(..SIZE).map(nothing),
        effect: |world| world.of(OLD).content = vec![(0, SIZE), (7, OLD_SIZE - SIZE)],
        is_right: Got::is_nothing,
    },
    Task {
        name: "is-reserved",
        error_name: ErrorName::Old,
        run: |given| given.object().is_reserved().map(Got::Answer),
        effect: no_effect,
        is_right: |got| matches!(got, Got::Answer(true)),
    },
    Task {
        name: "may-fault",
        error_name: ErrorName::No,
        run: |given| given.frozen.as_ref().unwrap().may_fault().map(Got::Answer),
        effect: no_effect,
        // If nothing can find out, it may fault.
        is_right: |got| matches!(got, Got::Answer(_)),
    },
    Task {
        name: "read-at",
        error_name: ErrorName::No,
        run: |given| {
            let mut buffer = vec![0; 100];
            let read = given.object().read_at(&mut buffer, 5000);
            Ok(Got::Bytes(read, buffer))
        },
        effect: no_effect,
        is_right: |got| {
            got.is_count(100) && matches!(got, Got::Bytes(_, bytes) if *bytes == [7; 100])
        },
    },
    Task {
        name: "write-at",
        error_name: ErrorName::No,
        run: |given| Ok(Got::Bytes(given.object().write_at(&[5; SIZE as usize], 0), vec![])),
        effect: |world| world.of(OLD).content = vec![(5, SIZE), (7, OLD_SIZE - SIZE)],
        is_right: |got| got.is_count(SIZE as usize),
    },
    Task {
        name: "map",
        error_name: ErrorName::Old,
        run: |given| given.object().map().map(Got::Reader),
        effect: no_effect,
        is_right: |got| got.is_memory(7, OLD_SIZE),
    },
    Task {
        name: "map-mut",
        error_name: ErrorName::Old,
        run: |given| given.object().map_mut().map(Got::Writer),
        effect: no_effect,
        is_right: |got| got.is_memory(7, OLD_SIZE),
    },
    Task {
        name: "map-part",
        error_name: ErrorName::No,
        run: |given| MapOptions::new().offset(5000).len(100).map(given.object()).map(Got::Reader),
        effect: no_effect,
        is_right: |got| got.is_memory(7, 100),
    },
    Task {
        name: "map-raw",
        error_name: ErrorName::No,
        run: |given| MapOptions::new().map_raw(given.object(), Protection::NONE).map(Got::Raw),
        effect: no_effect,
        is_right: |got| matches!(got, Got::Raw(raw) if raw.len() as u64 == OLD_SIZE),
    },
    Task {
        name: "unmap-raw",
        error_name: ErrorName::No,
        run: |given| {
            let raw = MapOptions::new().map_raw(given.object(), Protection::NONE)?;
            raw.unmap().map(nothing)
        },
        effect: no_effect,
        is_right: Got::is_nothing,
    },
    Task {
        name: "unmap",
        error_name: ErrorName::No,
        run: |given| given.mapping.take().unwrap().unmap().map(nothing),
        effect: no_effect,
        is_right: Got::is_nothing,
    },
    Task {
        name: "metadata",
        error_name: ErrorName::Old,
        run: |given| given.object().metadata().map(Got::Metadata),
        effect: no_effect,
        is_right: |got| matches!(got, Got::Metadata(it) if it.len() == OLD_SIZE),
    },
    Task {
        name: "set-permissions",
        error_name: ErrorName::Old,
        run: |given| given.object().set_permissions(mode(0o640)).map(nothing),
        effect: |world| world.of(OLD).mode = 0o640,
        is_right: Got::is_nothing,
    },
    Task {
        name: "set-owner",
        error_name: ErrorName::Old,
        run: |given| given.object().set_owner(Some(given.heir), None).map(nothing),
        effect: |world| world.of(OLD).owner = heir(),
        is_right: Got::is_nothing,
    },
    Task {
        name: "unlink",
        error_name: ErrorName::Old,
        run: |given| unlink(&given.old).map(nothing),
        effect: |world| world.remove(OLD),
        is_right: Got::is_nothing,
    },
    Task {
        name: "unlink-by-handle",
        error_name: ErrorName::Old,
        run: |given| given.object().unlink().map(nothing),
        effect: |world| world.remove(OLD),
        is_right: Got::is_nothing,
    },
    Task {
        name: "list",
        error_name: ErrorName::OldOrNo,
        run: |given| {
            let names: Vec<ShmName> =
                list()?.map(|entry| Ok(entry?.name().clone())).collect::<Result<_>>()?;
            Ok(Got::Names(names.into_iter().filter(|name| *name == given.old).collect()))
        },
        effect: no_effect,
        is_right: |got| matches!(got, Got::Names(names) if names.len() == 1),
    },
    Task {
        name: "close",
        error_name: ErrorName::Old,
        run: |given| given.object.take().unwrap().close().map(nothing),
        effect: no_effect,
        is_right: Got::is_nothing,
    },
];
