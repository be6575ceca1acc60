//! Random sequences of calls on several names, handles and mappings, compared with a plain model of
//! what POSIX and the documentation say. With faults that stay, and with faults that come once.
//!
//! A call is five numbers, so that a sequence that fails can be made shorter and simpler. [`KEPT`]
//! has the sequences that have failed once. A seed chooses the others: always the same one, or any
//! with `POSIX_SHM_TESTS_SOAK`. `POSIX_SHM_TESTS_STATES` says how many.

use std::fmt::Debug;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use posix_shm::{
    CopyOnWrite, Direction, IfDoesNotExist, IfExists, Lock, Mapping, OpenOptions, Presence,
    ReadOnly, ReadWrite, Seals, Shm, unlink,
};
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

#[path = "states/check.rs"]
mod check;

use crate::lab::{State, limit, names, next_descriptor, own_shm};

crate::tasks! { ON_LINUX:
    states_follow_the_documentation
    states_with_too_little_memory
    states_with_too_few_descriptors
}

/// What is called, and with what.
type Call = [u8; 5];

/// Sequences that have failed once, made as short as possible.
const KEPT: &[&[Call]] = &[
    // A read-only handle that has created an object empty, which a peer has made longer.
    &[
        [72, 69, 6, 209, 32],
        [10, 0, 0, 0, 0],
        [24, 66, 20, 84, 220],
        [7, 83, 0, 0, 0],
        [178, 0, 40, 14, 0],
    ],
];

/// What is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// The file system has five pages.
    Memory,
    /// Some calls find hardly a free descriptor.
    Descriptors,
}

fn states_follow_the_documentation() {
    own_shm("mode=1777");
    explore(Fault::Nothing);
}

fn states_with_too_little_memory() {
    own_shm("mode=1777,size=20k");
    explore(Fault::Memory);
}

fn states_with_too_few_descriptors() {
    own_shm("mode=1777");
    explore(Fault::Descriptors);
}

fn explore(fault: Fault) {
    for calls in KEPT {
        follow(calls, fault);
    }
    let soak = std::env::var_os("POSIX_SHM_TESTS_SOAK").is_some();
    let cases = std::env::var("POSIX_SHM_TESTS_STATES").map_or(60, |count| count.parse().unwrap());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = match soak {
        true => TestRunner::new(config),
        false => {
            let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[fault as u8; 32]);
            TestRunner::new_with_rng(config, random)
        }
    };
    let result = runner.run(&vec(any::<Call>(), 1..60), |calls| {
        follow(&calls, fault);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("with {fault:?} short: {failure}\nput the sequence into KEPT");
    }
    let [done, refused, strained] = [&DONE, &REFUSED, &STRAINED].map(|it| it.load(Relaxed));
    println!("{done} calls were done, {refused} refused, {strained} failed for lack of something");
    assert!(done > 300 && refused > 100, "the sequences do too little");
    assert!(fault == Fault::Nothing || strained > 10, "nothing was short");
}

/// How calls ended, in all sequences.
static DONE: AtomicUsize = AtomicUsize::new(0);
static REFUSED: AtomicUsize = AtomicUsize::new(0);
static STRAINED: AtomicUsize = AtomicUsize::new(0);

/// Does all calls. Afterwards nothing is left.
fn follow(calls: &[Call], fault: Fault) {
    let before = State::now();
    let mut machine = Machine::new(fault);
    let result = catch_unwind(AssertUnwindSafe(|| {
        for call in calls {
            machine.step(*call);
            machine.check();
        }
    }));
    let said = std::mem::take(&mut machine.said);
    drop(machine);
    for name in names() {
        let _ = std::fs::remove_file(format!("/dev/shm/{name}"));
    }
    if let Err(panic) = result {
        eprintln!("after:\n{}", said.join("\n"));
        resume_unwind(panic);
    }
    assert_eq!(State::now(), before, "names, descriptors or mappings are left");
}

/// An object, as the model knows it.
#[derive(Clone, Debug, Default)]
struct Object {
    bytes: Vec<u8>,
    seals: Seals,
    /// Descriptions that hold presence.
    present: Vec<u32>,
    locked: bool,
    anonymous: bool,
}

/// A handle: the real one, and what the model knows of it.
struct Handle {
    shm: Shm,
    object: usize,
    name: Option<usize>,
    writes: bool,
    created: bool,
    /// It may take the object to be empty still.
    may_be_empty: bool,
    /// The description that holds its presence.
    presence: Option<u32>,
}

enum Map {
    Reads(Mapping<ReadOnly>),
    Writes(Mapping<ReadWrite>),
    /// With the bytes that it has changed.
    Copies(Mapping<CopyOnWrite>, Vec<(usize, u8)>),
}

const NAMES: [&str; 3] = ["states.a", "states.b", "states.c"];
const LENGTHS: [u64; 8] = [4096, 0, 1, 100, 5000, 8192, 12288, 20480];
const MOST: usize = 6;

struct Machine {
    fault: Fault,
    objects: Vec<Object>,
    names: [Option<usize>; 3],
    handles: Vec<Handle>,
    maps: Vec<(Map, usize)>,
    presences: Vec<(Presence, usize, u32)>,
    locks: Vec<(Lock, usize)>,
    descriptions: u32,
    said: Vec<String>,
}

/// What the model says of a call.
type Expected = Result<(), ErrorKind>;

impl Machine {
    fn new(fault: Fault) -> Machine {
        Machine {
            fault,
            objects: Vec::new(),
            names: [None; 3],
            handles: Vec::new(),
            maps: Vec::new(),
            presences: Vec::new(),
            locks: Vec::new(),
            descriptions: 0,
            said: Vec::new(),
        }
    }

    /// Makes a call. `None` if it failed as the model says, or because of the fault.
    #[track_caller]
    fn call<T: Debug>(
        &mut self,
        what: impl Debug,
        strained: bool,
        expected: Expected,
        call: impl FnOnce(&Machine) -> posix_shm::Result<T>,
    ) -> Option<T> {
        let strains = strained && self.fault == Fault::Descriptors;
        let restore = strains.then(|| {
            let most = next_descriptor() + u64::from(self.descriptions % 3);
            limit(libc::RLIMIT_NOFILE, most);
        });
        let result = call(self);
        if restore.is_some() {
            limit(libc::RLIMIT_NOFILE, 1024);
        }
        self.said.push(format!("{what:?}: {result:?}"));
        let counter = match (result, expected) {
            (Ok(value), Ok(())) => {
                DONE.fetch_add(1, Relaxed);
                return Some(value);
            }
            (Err(error), _) if strains && error.raw_os_error() == Some(libc::EMFILE) => &STRAINED,
            (Err(error), Ok(()))
                if self.fault == Fault::Memory && error.kind() == ErrorKind::StorageFull =>
            {
                &STRAINED
            }
            (Err(error), Err(kind)) => {
                assert_eq!(error.kind(), kind, "{what:?}: {error}");
                &REFUSED
            }
            (result, expected) => panic!("{what:?}: {result:?}, and the model says {expected:?}"),
        };
        counter.fetch_add(1, Relaxed);
        None
    }

    fn new_object(&mut self, object: Object) -> usize {
        self.objects.push(object);
        self.objects.len() - 1
    }

    fn new_description(&mut self) -> u32 {
        self.descriptions += 1;
        self.descriptions
    }

    fn step(&mut self, [call, a, b, c, d]: Call) {
        let strained = d % 4 == 1;
        match call % 24 {
            0..=3 => self.open([a, b, c, d]),
            4 => self.anonymous(LENGTHS[usize::from(a % 8)], b % 4 == 3),
            5 => self.unlink_name(usize::from(a % 3)),
            _ if self.handles.is_empty() => {}
            6 => self.copy_handle(a, b, strained),
            7 => {
                let at = usize::from(a) % self.handles.len();
                let handle = self.handles.swap_remove(at);
                self.drop_handle(handle, b % 4 == 0);
            }
            8 | 9 => self.unlink(a, b % 2 == 0, strained),
            10..=12 => self.resize(a, LENGTHS[usize::from(b % 8)], c % 3, strained),
            13 => self.punch_or_reserve(a, b, c),
            14 | 15 => self.write(a, b, c, d),
            16 | 17 => self.map(a, b % 3, strained),
            18 if !self.maps.is_empty() => drop(self.maps.swap_remove(0)),
            19 => self.store(a, b, c),
            20 => self.presence(a, strained),
            21 => self.lock(a, strained),
            22 => self.seal(a, b),
            _ => {
                if b % 2 == 0 {
                    if let Some((presence, object, description)) = self.presences.pop() {
                        drop(presence);
                        self.leave(object, description);
                    }
                } else if let Some((lock, object)) = self.locks.pop() {
                    drop(lock);
                    self.objects[object].locked = false;
                }
            }
        }
    }

    fn leave(&mut self, object: usize, description: u32) {
        let kept = self.handles.iter().any(|it| it.presence == Some(description))
            || self.presences.iter().any(|it| it.2 == description);
        if !kept {
            self.objects[object].present.retain(|it| *it != description);
        }
    }

    fn open(&mut self, [a, b, c, d]: [u8; 4]) {
        if self.handles.len() >= MOST {
            return;
        }
        let nth = usize::from(a % 3);
        let writes = a / 3 % 4 != 3;
        let if_exists =
            [IfExists::Overwrite, IfExists::Truncate, IfExists::Supersede, IfExists::Error]
                [usize::from(b % 4)];
        let creates = [None, Some(true), Some(true), Some(false)][usize::from(b / 4 % 4)];
        let size = LENGTHS[usize::from(c % 8)];
        let at_least = [0, 0, 0, 100, 5000][usize::from(c / 8 % 5)];
        let (resize, present) = (d / 4 % 8 == 7, d / 32 % 3 == 2);
        let sparse = d % 4 == 3 && self.fault != Fault::Memory;

        let mut options = OpenOptions::new();
        options.direction(if writes { Direction::Io } else { Direction::Input });
        options.if_exists(if_exists).size(size).at_least(at_least);
        options.resize(resize).present(present).sparse(sparse);
        if let Some(creates) = creates {
            options.if_does_not_exist(match creates {
                true => IfDoesNotExist::Create,
                false => IfDoesNotExist::Error,
            });
        }

        let replaces = matches!(if_exists, IfExists::Supersede | IfExists::Error);
        let creates = creates.unwrap_or(writes && replaces);
        let invalid = if_exists == IfExists::Truncate && (!writes || resize || at_least > 0)
            || replaces && !creates
            || resize && (!writes || size == 0)
            || size < at_least && (resize || creates);
        let there = self.names[nth];
        let len = there.map_or(0, |object| self.objects[object].bytes.len() as u64);
        let expected = match there {
            _ if invalid => Err(ErrorKind::InvalidInput),
            None if !creates => Err(ErrorKind::NotFound),
            None => Ok(()),
            Some(_) if if_exists == IfExists::Error => Err(ErrorKind::AlreadyExists),
            Some(_) if if_exists == IfExists::Overwrite && !resize && len < at_least => {
                Err(ErrorKind::InvalidData)
            }
            Some(_) => Ok(()),
        };
        // What was truncated before the call failed stays truncated.
        let strained = d % 4 == 1 && if_exists != IfExists::Truncate && !resize;
        let opened = self.call(&options, strained, expected, |_| options.open(NAMES[nth]));
        let Some(shm) = opened else { return };
        let created = there.is_none() || if_exists == IfExists::Supersede;
        let object = match there {
            Some(object) if !created => {
                if if_exists == IfExists::Truncate {
                    self.objects[object].bytes.clear();
                }
                if resize {
                    self.objects[object].bytes.resize(size as usize, 0);
                }
                object
            }
            _ => self.new_object(Object { bytes: vec![0; size as usize], ..Object::default() }),
        };
        self.names[nth] = Some(object);
        let presence = present.then(|| self.new_description());
        self.objects[object].present.extend(presence);
        self.handles.push(Handle {
            shm,
            object,
            name: Some(nth),
            writes,
            created,
            may_be_empty: created && size == 0,
            presence,
        });
    }

    fn anonymous(&mut self, size: u64, sparse: bool) {
        if self.handles.len() >= MOST {
            return;
        }
        let mut options = OpenOptions::new();
        options.direction(Direction::Io).size(size);
        options.sparse(sparse && self.fault != Fault::Memory);
        let Some(shm) = self.call(&options, false, Ok(()), |_| options.open_anonymous()) else {
            return;
        };
        let bytes = vec![0; size as usize];
        let object = self.new_object(Object { bytes, anonymous: true, ..Object::default() });
        self.handles.push(Handle {
            shm,
            object,
            name: None,
            writes: true,
            created: true,
            may_be_empty: size == 0,
            presence: None,
        });
    }

    fn unlink_name(&mut self, nth: usize) {
        let expected = self.names[nth].map(drop).ok_or(ErrorKind::NotFound);
        if self.call(("unlink", nth), true, expected, |_| unlink(NAMES[nth])).is_some() {
            self.names[nth] = None;
        }
    }

    /// Clones a handle, makes a read-only one, or sends it over a socket.
    fn copy_handle(&mut self, a: u8, b: u8, strained: bool) {
        let at = usize::from(a) % self.handles.len();
        if self.handles.len() >= MOST {
            return;
        }
        let what = ["try_clone", "read_only", "send and receive"][usize::from(b % 3)];
        let copy = self.call((what, at), strained, Ok(()), |machine| {
            let shm = &machine.handles[at].shm;
            match b % 3 {
                0 => shm.try_clone(),
                1 => shm.read_only(),
                _ => {
                    let Ok((from, to)) = UnixStream::pair() else {
                        // As if the call itself had found no descriptor.
                        return shm.try_clone();
                    };
                    shm.send(&from)?;
                    Shm::receive(&to)
                }
            }
        });
        let Some(shm) = copy else { return };
        let original = &self.handles[at];
        let received = shm.name().is_none();
        let handle = Handle {
            object: original.object,
            name: if received { None } else { original.name },
            writes: original.writes && b % 3 != 1,
            created: false,
            may_be_empty: false,
            presence: if b % 3 == 2 { None } else { original.presence },
            shm,
        };
        // A clone made in the place of a message has all that a clone has.
        let handle = match (b % 3, handle.name) {
            (2, Some(_)) => Handle { presence: original.presence, ..handle },
            _ => handle,
        };
        self.handles.push(handle);
    }

    fn drop_handle(&mut self, handle: Handle, unlinks: bool) {
        let Handle { shm, object, name, presence, .. } = handle;
        if unlinks {
            drop(shm.unlink_on_drop());
            if let Some(nth) = name.filter(|nth| self.names[*nth] == Some(object)) {
                self.names[nth] = None;
            }
            self.said.push(format!("unlink_on_drop {name:?}"));
        } else {
            shm.close().expect("closing does not fail");
            self.said.push(format!("close {name:?}"));
        }
        if let Some(description) = presence {
            self.leave(object, description);
        }
    }

    fn unlink(&mut self, a: u8, if_unused: bool, strained: bool) {
        let at = usize::from(a) % self.handles.len();
        let Handle { object, name, .. } = self.handles[at];
        let has_it = name.is_some_and(|nth| self.names[nth] == Some(object));
        if if_unused {
            let expected = name.map(drop).ok_or(ErrorKind::InvalidInput);
            let removed = self.call(("unlink_if_unused", at), strained, expected, |machine| {
                machine.handles[at].shm.unlink_if_unused()
            });
            let Some(removed) = removed else { return };
            assert_eq!(removed, has_it && self.objects[object].present.is_empty());
            if !removed {
                return;
            }
        } else {
            let expected = match name {
                None => Err(ErrorKind::InvalidInput),
                Some(_) if !has_it => Err(ErrorKind::NotFound),
                Some(_) => Ok(()),
            };
            let unlink = |machine: &Machine| machine.handles[at].shm.unlink();
            if self.call(("Shm::unlink", at), strained, expected, unlink).is_none() {
                return;
            }
        }
        if let Some(nth) = name {
            self.names[nth] = None;
        }
    }

    fn resize(&mut self, a: u8, to: u64, how: u8, strained: bool) {
        let at = usize::from(a) % self.handles.len();
        let Handle { object, writes, may_be_empty, .. } = self.handles[at];
        let seals = self.objects[object].seals;
        let len = self.objects[object].bytes.len() as u64;
        // Without reserved memory, a full file system would kill this process.
        let how = if self.fault == Fault::Memory { how % 2 } else { how };
        let (what, new) = match how {
            0 => ("set_len", to),
            1 => ("grow", to.max(len)),
            _ => ("set_len_sparse", to),
        };
        let sealed = if new < len { Seals::SHRINK } else { Seals::GROW };
        let expected = match () {
            () if !writes => Err(ErrorKind::InvalidInput),
            () if new != len && seals.contains(sealed) => Err(ErrorKind::PermissionDenied),
            () => Ok(()),
        };
        // A handle that has created it empty may leave a longer one as it is.
        let stays = may_be_empty && writes && how == 0 && to < len;
        let expected = if stays { Ok(()) } else { expected };
        let done = self.call((what, at, to), strained, expected, |machine| {
            let shm = &machine.handles[at].shm;
            match how {
                0 => shm.set_len(to),
                1 => shm.grow(to),
                _ => shm.set_len_sparse(to),
            }
        });
        self.handles[at].may_be_empty &= done.is_none();
        if done.is_none() {
            return;
        }
        let new = match stays {
            true => self.handles[at].shm.len().expect("it has a length"),
            false => new,
        };
        assert!(new == to || how == 1 || new == len, "{new} is neither {to} nor {len}");
        self.objects[object].bytes.resize(new as usize, 0);
    }

    fn punch_or_reserve(&mut self, a: u8, b: u8, c: u8) {
        let at = usize::from(a) % self.handles.len();
        let Handle { object, writes, .. } = self.handles[at];
        let Object { ref bytes, seals, .. } = self.objects[object];
        let len = bytes.len() as u64;
        let (from, to) = (LENGTHS[usize::from(b % 8)], LENGTHS[usize::from(c % 8)]);
        let punches = b / 8 % 2 == 0 && self.fault != Fault::Memory;
        let is_empty = from == to;
        let expected = match () {
            () if !writes || from > to || to > len => Err(ErrorKind::InvalidInput),
            () if is_empty => Ok(()),
            () if punches && seals.contains(Seals::FUTURE_WRITE) => {
                Err(ErrorKind::PermissionDenied)
            }
            () => Ok(()),
        };
        let done = self.call((punches, at, from..to), false, expected, |machine| {
            let shm = &machine.handles[at].shm;
            if punches { shm.punch(from..to) } else { shm.reserve(from..to) }
        });
        if done.is_some() && punches {
            self.objects[object].bytes[from as usize..to as usize].fill(0);
        }
    }

    fn write(&mut self, a: u8, b: u8, c: u8, d: u8) {
        let at = usize::from(a) % self.handles.len();
        let Handle { object, writes, .. } = self.handles[at];
        let Object { ref bytes, seals, .. } = self.objects[object];
        let from = LENGTHS[usize::from(b % 8)] as usize;
        let count = usize::from(c);
        // Past the end it makes the object longer.
        let grows = from + count > bytes.len();
        if count == 0 || grows && (self.fault == Fault::Memory || seals.contains(Seals::GROW)) {
            return;
        }
        let written = self.handles[at].shm.write_at(&vec![d; count], from as u64);
        self.said.push(format!("write_at {at} {from} {count} {d}: {written:?}"));
        if !writes || seals.contains(Seals::FUTURE_WRITE) {
            assert!(written.is_err(), "it may not write");
            return;
        }
        assert_eq!(written.expect("it can write"), count);
        let bytes = &mut self.objects[object].bytes;
        bytes.resize(bytes.len().max(from + count), 0);
        bytes[from..from + count].fill(d);
        self.handles[at].may_be_empty = false;
    }

    fn map(&mut self, a: u8, how: u8, strained: bool) {
        let at = usize::from(a) % self.handles.len();
        if self.maps.len() >= MOST {
            return;
        }
        let Handle { object, writes, .. } = self.handles[at];
        let Object { ref bytes, seals, .. } = self.objects[object];
        let expected = match () {
            () if how == 1 && !writes && !bytes.is_empty() => Err(ErrorKind::PermissionDenied),
            () if bytes.is_empty() => Err(ErrorKind::InvalidInput),
            () if how == 1 && seals.contains(Seals::FUTURE_WRITE) => {
                Err(ErrorKind::PermissionDenied)
            }
            () => Ok(()),
        };
        let len = bytes.len();
        let map = self.call(("map", at, how), strained, expected, |machine| {
            let shm = &machine.handles[at].shm;
            Ok(match how {
                0 => Map::Reads(shm.map()?),
                1 => Map::Writes(shm.map_mut()?),
                _ => {
                    let options = posix_shm::MapOptions::new();
                    Map::Copies(options.map_copy_on_write(shm)?, Vec::new())
                }
            })
        });
        let Some(map) = map else { return };
        let mapped = match &map {
            Map::Reads(map) => map.len(),
            Map::Writes(map) => map.len(),
            Map::Copies(map, _) => map.len(),
        };
        assert_eq!(mapped, len, "the mapping is as long as the object");
        self.handles[at].may_be_empty = false;
        self.maps.push((map, object));
    }

    /// Stores through a mapping, where the object still has memory.
    fn store(&mut self, a: u8, b: u8, c: u8) {
        if self.maps.is_empty() {
            return;
        }
        let at = usize::from(a) % self.maps.len();
        let (map, object) = &mut self.maps[at];
        let bytes = &mut self.objects[*object].bytes;
        let place = 80 * usize::from(b);
        match map {
            Map::Reads(_) => {}
            Map::Writes(map) if place < map.len().min(bytes.len()) => {
                map.bytes().store(place, c);
                bytes[place] = c;
                self.said.push(format!("store {at} {place} {c}"));
            }
            Map::Copies(map, changed) if place < map.len().min(bytes.len()) => {
                map.store(place, c).expect("it is inside");
                changed.push((place, c));
                self.said.push(format!("store privately {at} {place} {c}"));
            }
            _ => {}
        }
    }

    fn presence(&mut self, a: u8, strained: bool) {
        let at = usize::from(a) % self.handles.len();
        let Handle { object, presence, .. } = self.handles[at];
        let unused = self.handles[at].shm.is_unused().expect("it can be asked");
        assert_eq!(unused, self.objects[object].present.is_empty(), "is_unused of {at}");
        let take = |machine: &Machine| machine.handles[at].shm.presence();
        let Some(taken) = self.call(("presence", at), strained, Ok(()), take) else { return };
        let description = presence.unwrap_or_else(|| self.new_description());
        if presence.is_none() {
            self.objects[object].present.push(description);
        }
        self.presences.push((taken, object, description));
    }

    fn lock(&mut self, a: u8, strained: bool) {
        let at = usize::from(a) % self.handles.len();
        let Handle { object, .. } = self.handles[at];
        let try_lock = |machine: &Machine| machine.handles[at].shm.try_lock();
        let Some(lock) = self.call(("try_lock", at), strained, Ok(()), try_lock) else { return };
        assert_eq!(lock.is_none(), self.objects[object].locked, "try_lock of {at}");
        if let Some(lock) = lock {
            self.objects[object].locked = true;
            self.locks.push((lock, object));
        }
    }

    fn seal(&mut self, a: u8, b: u8) {
        let at = usize::from(a) % self.handles.len();
        let Handle { object, writes, .. } = self.handles[at];
        let Object { anonymous, seals, .. } = self.objects[object];
        let new = [Seals::SHRINK, Seals::GROW, Seals::FUTURE_WRITE, Seals::SEAL];
        let new = new[usize::from(b % 4)];
        let allowed = anonymous && writes && !seals.contains(Seals::SEAL);
        let expected = if allowed { Ok(()) } else { Err(ErrorKind::PermissionDenied) };
        let seal = |machine: &Machine| machine.handles[at].shm.seal(new);
        if self.call(("seal", at, new), false, expected, seal).is_some() {
            self.objects[object].seals |= new;
        }
    }
}

impl Debug for Map {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Map::Reads(_) => "reads",
            Map::Writes(_) => "writes",
            Map::Copies(..) => "copies",
        })
    }
}
