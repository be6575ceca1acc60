//! The operations of the library, one a run, for a tracer to make their system calls fail or to kill them at one:
//! `victim TASK NAME HOW`. It does the task between two marks, then says what came of it and what it left behind; a result
//! that is not the right one is a panic. `victim list` lists the tasks.
//!
//! `HOW` is `alone` (a `/dev/shm` of its own, where the machine allows it), `without-proc` (the same, and no `/proc`), or
//! `shared` (the `/dev/shm` of all, where the test looks for itself and cleans up).

use std::collections::BTreeMap;
use std::env;
use std::ffi::c_int;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;

use posix_shm::{
    Direction, IfDoesNotExist, IfExists, MapOptions, Mapping, Metadata, OpenOptions, Permissions,
    Protection, RawMapping, ReadOnly, ReadWrite, Result, Shm, ShmName, unlink,
};

#[path = "peer/alone.rs"]
mod alone;

use alone::{mount, mount_own};

/// How long new objects become, and how long the old one is.
const SIZE: u64 = 8192;
const OLD_SIZE: u64 = 12288;
/// So long that the library asks first whether there is room, in all the ways it knows.
const LARGE: u64 = 16 << 20;

/// What the names end in: a name that nothing has, and that of an object full of sevens.
const NEW: &str = ".new";
const OLD: &str = ".old";

/// What an operation may use: what it is about, made before the marks.
struct Given {
    new: ShmName,
    old: ShmName,
    object: Option<Shm>,
    mapping: Option<Mapping<ReadWrite>>,
    heir: u32,
}

impl Given {
    fn object(&self) -> &Shm {
        self.object.as_ref().unwrap()
    }
}

/// What an operation gave.
enum Got {
    Nothing,
    Object(Shm),
    Mapped(Shm, Mapping<ReadWrite>),
    Reader(Mapping<ReadOnly>),
    Writer(Mapping<ReadWrite>),
    Raw(RawMapping),
    Metadata(Metadata),
}

impl Got {
    /// A handle, of a new object or of one that was there.
    fn handle(&self, created: bool, len: u64) -> bool {
        match self {
            Got::Object(object) => object.created() == created && object.len().unwrap() == len,
            Got::Mapped(object, _) => object.created() == created && object.len().unwrap() == len,
            _ => false,
        }
    }

    /// Memory with the same byte all over.
    fn shows(&self, byte: u8, len: u64) -> bool {
        let content = match self {
            Got::Reader(mapping) => mapping.bytes().to_vec(),
            Got::Writer(mapping) | Got::Mapped(_, mapping) => mapping.bytes().to_vec(),
            _ => return false,
        };
        runs(&content) == [(byte, len)]
    }
}

/// Whose name an error is to have.
#[derive(Clone, Copy)]
enum Named {
    New,
    Old,
    No,
}

/// An operation: its name here, whose name its errors have, what is done, what it makes of the objects, and whether what
/// it gave is right.
struct Task(&'static str, Named, fn(&mut Given) -> Result<Got>, fn(&mut World), fn(&Got) -> bool);

/// For reading and writing, with what new objects get.
fn io(if_exists: IfExists, size: u64) -> OpenOptions {
    OpenOptions::new().direction(Direction::Io).if_exists(if_exists).size(size).clone()
}

fn creating(size: u64) -> OpenOptions {
    io(IfExists::Error, size)
}

fn superseding(size: u64) -> OpenOptions {
    io(IfExists::Supersede, size)
}

fn truncating(also_creating: IfDoesNotExist) -> OpenOptions {
    io(IfExists::Truncate, SIZE).if_does_not_exist(also_creating).clone()
}

fn nothing<T>(result: Result<T>) -> Result<Got> {
    result.map(|_| Got::Nothing)
}

/// The user that the old object is given to: another where that is allowed.
fn heir() -> u32 {
    // SAFETY: passes no pointer.
    match unsafe { libc::geteuid() } {
        0 => 65534,
        user => user,
    }
}

fn mapped((object, mapping): (Shm, Mapping<ReadWrite>)) -> Got {
    Got::Mapped(object, mapping)
}

fn unchanged(_: &mut World) {}

fn no_more(got: &Got) -> bool {
    matches!(got, Got::Nothing)
}

/// Every public operation that makes system calls. A new one is a new line.
#[rustfmt::skip]
const TASKS: &[Task] = &[
    Task("create-unsized", Named::New, |g| creating(0).open(&g.new).map(Got::Object), |w| w.make(NEW, 0), |got| got.handle(true, 0)),
    Task("create-sized", Named::New, |g| creating(SIZE).permissions(Permissions::from_mode(0o640)).open(&g.new).map(Got::Object),
        |w| { w.make(NEW, SIZE); w.of(NEW).mode = 0o640; }, |got| got.handle(true, SIZE)),
    Task("create-sparse", Named::New, |g| creating(SIZE).sparse(true).open(&g.new).map(Got::Object), |w| w.make(NEW, SIZE), |got| got.handle(true, SIZE)),
    Task("create-large", Named::New, |g| Shm::create(&g.new, LARGE).map(Got::Object), |w| w.make(NEW, LARGE), |got| got.handle(true, LARGE)),
    Task("create-read-only", Named::New, |g| creating(SIZE).direction(Direction::Input).if_does_not_exist(IfDoesNotExist::Create).open(&g.new).map(Got::Object),
        |w| w.make(NEW, SIZE), |got| got.handle(true, SIZE)),
    Task("create-mapped", Named::New, |g| creating(SIZE).open_mapped(&g.new).map(mapped), |w| w.make(NEW, SIZE), |got| got.handle(true, SIZE) && got.shows(0, SIZE)),
    Task("open", Named::Old, |g| Shm::open(&g.old).map(Got::Object), unchanged, |got| got.handle(false, OLD_SIZE)),
    Task("open-io", Named::Old, |g| Shm::open_io(&g.old).map(Got::Object), unchanged, |got| got.handle(false, OLD_SIZE)),
    Task("open-mapped", Named::Old, |g| io(IfExists::Overwrite, 0).open_mapped(&g.old).map(mapped), unchanged, |got| got.handle(false, OLD_SIZE) && got.shows(7, OLD_SIZE)),
    Task("open-or-create-absent", Named::New, |g| Shm::open_or_create(&g.new, SIZE).map(Got::Object), |w| w.make(NEW, SIZE), |got| got.handle(true, SIZE)),
    Task("open-or-create-present", Named::Old, |g| Shm::open_or_create(&g.old, SIZE).map(Got::Object), unchanged, |got| got.handle(false, OLD_SIZE)),
    Task("truncate", Named::Old, |g| truncating(IfDoesNotExist::Error).open(&g.old).map(Got::Object), |w| w.of(OLD).content.clear(), |got| got.handle(false, 0)),
    Task("truncate-or-create", Named::New, |g| truncating(IfDoesNotExist::Create).open(&g.new).map(Got::Object), |w| w.make(NEW, SIZE), |got| got.handle(true, SIZE)),
    Task("supersede-absent", Named::New, |g| superseding(SIZE).open(&g.new).map(Got::Object), |w| w.make(NEW, SIZE), |got| got.handle(true, SIZE)),
    Task("supersede", Named::Old, |g| superseding(SIZE).open(&g.old).map(Got::Object), |w| w.make(OLD, SIZE), |got| got.handle(true, SIZE)),
    Task("supersede-unsized", Named::Old, |g| superseding(0).open(&g.old).map(Got::Object), |w| w.make(OLD, 0), |got| got.handle(true, 0)),
    Task("supersede-read-only", Named::Old, |g| superseding(SIZE).direction(Direction::Input).if_does_not_exist(IfDoesNotExist::Create).open(&g.old).map(Got::Object),
        |w| w.make(OLD, SIZE), |got| got.handle(true, SIZE)),
    Task("supersede-mapped", Named::Old, |g| superseding(SIZE).open_mapped(&g.old).map(mapped), |w| w.make(OLD, SIZE), |got| got.handle(true, SIZE) && got.shows(0, SIZE)),
    Task("anonymous", Named::No, |_| Shm::anonymous(SIZE).map(Got::Object), unchanged, |got| got.handle(true, SIZE)),
    Task("anonymous-permissions", Named::No, |_| creating(SIZE).permissions(Permissions::from_mode(0o700)).open_anonymous().map(Got::Object), unchanged,
        |got| got.handle(true, SIZE) && matches!(got, Got::Object(o) if o.metadata().unwrap().permissions().mode() == 0o700)),
    Task("anonymous-mapped", Named::No, |_| creating(SIZE).open_anonymous_mapped().map(mapped), unchanged, |got| got.handle(true, SIZE) && got.shows(0, SIZE)),
    Task("grow", Named::Old, |g| nothing(g.object().set_len(OLD_SIZE + SIZE)), |w| w.of(OLD).content.push((0, SIZE)), no_more),
    Task("shrink", Named::Old, |g| nothing(g.object().set_len(SIZE)), |w| w.of(OLD).content = vec![(7, SIZE)], no_more),
    Task("set-len-sparse", Named::Old, |g| nothing(g.object().set_len_sparse(OLD_SIZE + SIZE)), |w| w.of(OLD).content.push((0, SIZE)), no_more),
    Task("map", Named::Old, |g| g.object().map().map(Got::Reader), unchanged, |got| got.shows(7, OLD_SIZE)),
    Task("map-mut", Named::Old, |g| g.object().map_mut().map(Got::Writer), unchanged, |got| got.shows(7, OLD_SIZE)),
    Task("map-part", Named::No, |g| MapOptions::new().offset(5000).len(100).map(g.object()).map(Got::Reader), unchanged, |got| got.shows(7, 100)),
    Task("map-raw", Named::No, |g| MapOptions::new().map_raw(g.object(), Protection::NONE).map(Got::Raw), unchanged,
        |got| matches!(got, Got::Raw(raw) if raw.len() as u64 == OLD_SIZE)),
    Task("unmap", Named::No, |g| nothing(g.mapping.take().unwrap().unmap()), unchanged, no_more),
    Task("metadata", Named::Old, |g| g.object().metadata().map(Got::Metadata), unchanged, |got| matches!(got, Got::Metadata(m) if m.len() == OLD_SIZE)),
    Task("set-permissions", Named::Old, |g| nothing(g.object().set_permissions(Permissions::from_mode(0o640))), |w| w.of(OLD).mode = 0o640, no_more),
    Task("set-owner", Named::Old, |g| nothing(g.object().set_owner(Some(g.heir), None)), |w| w.of(OLD).owner = heir(), no_more),
    Task("unlink", Named::Old, |g| nothing(unlink(&g.old)), |w| drop(w.0.remove(OLD)), no_more),
    Task("unlink-by-handle", Named::Old, |g| nothing(g.object().unlink()), |w| drop(w.0.remove(OLD)), no_more),
    Task("close", Named::Old, |g| nothing(g.object.take().unwrap().close()), unchanged, no_more),
];

/// How often which byte comes one after the other.
fn runs(content: &[u8]) -> Vec<(u8, u64)> {
    content.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u64)).collect()
}

#[derive(Clone, Debug, PartialEq)]
struct Object {
    content: Vec<(u8, u64)>,
    mode: u32,
    owner: u32,
}

/// The objects that count, by what follows the prefix of their names; others by the whole name.
#[derive(Clone, Debug)]
struct World(BTreeMap<String, Object>);

impl World {
    /// All objects of a `/dev/shm` of our own, else those that begin with the prefix.
    fn now(prefix: &str, alone: bool) -> World {
        let prefix = prefix.trim_start_matches('/');
        let mut objects = BTreeMap::new();
        for entry in fs::read_dir("/dev/shm").unwrap().map(io::Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            let rest = name.strip_prefix(prefix).map(str::to_owned);
            if rest.is_none() && !alone {
                continue;
            }
            let (content, metadata) = (fs::read(entry.path()).unwrap(), entry.metadata().unwrap());
            let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
            objects.insert(rest.unwrap_or(name), Object { content: runs(&content), mode, owner });
        }
        World(objects)
    }

    /// A new object, with what it has unless told otherwise.
    fn make(&mut self, name: &str, len: u64) {
        let content = if len == 0 { vec![] } else { vec![(0, len)] };
        // SAFETY: passes no pointer.
        let owner = unsafe { libc::geteuid() };
        self.0.insert(name.to_owned(), Object { content, mode: 0o600, owner });
    }

    fn of(&mut self, name: &str) -> &mut Object {
        self.0.get_mut(name).unwrap()
    }
}

/// How many descriptors and shared mappings there are. Needs no `/proc`, once the file is open.
fn held(maps: &mut File) -> (usize, usize) {
    // SAFETY: passes no pointer, and only asks.
    let is_open = |fd: c_int| unsafe { libc::fcntl(fd, libc::F_GETFD) } != -1;
    let mut lines = String::new();
    maps.rewind().unwrap();
    maps.read_to_string(&mut lines).unwrap();
    ((0..40).filter(|&fd| is_open(fd)).count(), lines.matches("s ").count())
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments == ["list"] {
        TASKS.iter().for_each(|task| println!("{}", task.0));
        return;
    }
    let [task, prefix, how] = &arguments[..] else { panic!("not a task: {arguments:?}") };
    let task = TASKS.iter().find(|known| known.0 == task).expect("no such task");
    // SAFETY: passes no pointer.
    unsafe { libc::umask(0o022) };
    let shared = how == "shared";
    let alone = !shared && mount_own(c"").is_ok();
    let mut maps = File::open("/proc/self/maps").unwrap();
    if how == "without-proc" {
        if !alone || mount(c"tmpfs", c"/proc", 0, c"").is_err() {
            println!("cannot: hide /proc");
            return;
        }
        assert!(!fs::exists("/proc/self").unwrap());
    }
    let before = held(&mut maps);
    let mut given = give(prefix, shared);
    let mut expected = World::now(prefix, alone);
    let result = between_marks(|| (task.2)(&mut given));
    let failed = result.is_err();
    match result {
        Ok(got) => {
            (task.3)(&mut expected);
            println!("ok");
            assert!((task.4)(&got), "{}: not the right result", task.0);
        }
        Err(error) => {
            let name = match task.1 {
                Named::New => Some(&given.new),
                Named::Old => Some(&given.old),
                Named::No => None,
            };
            assert_eq!(error.name(), name, "{error}");
            // The sentence has it, too, and what the system said.
            let text = error.to_string();
            assert!(name.is_none_or(|name| text.contains(&format!("{name:?}"))), "{text}");
            assert!(text.contains("(os error "), "{text}");
            let number = error.raw_os_error().unwrap();
            println!("error {:?} {number} {text}", error.operation());
        }
    }
    drop(given);
    let after = held(&mut maps);
    println!("held {} {}", after.0 - before.0, after.1 - before.1);
    let mut found = World::now(prefix, alone);
    // The portable code removes the name first: where the new object cannot be had, nothing has it.
    let superseding = cfg!(posix_shm_portable) && task.0.starts_with("supersede");
    if superseding && failed && !found.0.contains_key(OLD) {
        expected.0.remove(OLD);
    }
    for (name, object) in &found.0 {
        if !expected.0.contains_key(name) {
            println!("extra {name} {object:?}");
        }
    }
    found.0.retain(|name, _| expected.0.contains_key(name));
    assert_eq!(found.0, expected.0, "{}: not the objects that there should be", task.0);
    if !shared {
        for end in [NEW, OLD] {
            // Whichever of them there is.
            let _ = unlink(format!("{prefix}{end}"));
        }
    }
}

fn give(prefix: &str, shared: bool) -> Given {
    let [new, old] = [NEW, OLD].map(|end| ShmName::new(format!("{prefix}{end}")).unwrap());
    if !shared {
        let (_, sevens) = creating(OLD_SIZE).open_mapped(&old).unwrap();
        sevens.bytes().fill(7);
    }
    // What was killed may have left nothing to be given.
    let object = Shm::open_io(&old).ok();
    let mapping = object.as_ref().and_then(|object| object.map_mut().ok());
    Given { new, old, object, mapping, heir: heir() }
}

/// Two calls that the library never makes and that a tracer recognises, and what is done between them.
fn between_marks<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: passes no pointer.
    unsafe { libc::getppid() };
    let result = work();
    // SAFETY: passes no pointer.
    unsafe { libc::getppid() };
    result
}
