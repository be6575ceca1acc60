//! The life cycles of objects: what a program writes with this library, next to the same calls made
//! by hand. `life.rs` counts what each costs, and `posix-shm/benches/lifecycle.rs` takes the times.

use std::cell::RefCell;
use std::ffi::{CStr, CString};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use posix_shm::{Direction, IfExists, OpenOptions, Shm, ShmName, unlink};

use crate::raw;
use crate::stepped::Cost;

/// How long an object is, if nothing else is said.
pub(crate) const LEN: usize = 4096;

/// Something that programs do with objects.
pub(crate) struct Cycle<'a> {
    pub(crate) what: String,
    /// By calls that give the same guarantee.
    pub(crate) by_hand: Box<dyn Fn() + 'a>,
    pub(crate) ours: Vec<Ours<'a>>,
}

/// A way to do it with this library.
pub(crate) struct Ours<'a> {
    pub(crate) name: &'static str,
    pub(crate) run: Box<dyn Fn() + 'a>,
    /// For [`LEN`] bytes, with rustc 1.95 and glibc 2.36. `None` if it copies them, for which the C
    /// library takes other instructions on each processor.
    pub(crate) cost: Option<Cost>,
}

fn ours<'a>(name: &'static str, run: impl Fn() + 'a, cost: [u64; 3]) -> Ours<'a> {
    let [calls, instructions, allocations] = cost;
    let cost = Some(Cost { calls, instructions, allocations });
    Ours { name, run: Box::new(run), cost }
}

fn copying<'a>(name: &'static str, run: impl Fn() + 'a) -> Ours<'a> {
    Ours { name, run: Box::new(run), cost: None }
}

fn cycle<'a>(what: &str, by_hand: impl Fn() + 'a, ours: Vec<Ours<'a>>) -> Cycle<'a> {
    Cycle { what: what.to_owned(), by_hand: Box::new(by_hand), ours }
}

/// A name that nothing has, in each form that a way takes.
pub(crate) struct Name {
    pub(crate) checked: ShmName,
    pub(crate) text: String,
    path: CString,
}

impl Name {
    pub(crate) fn random() -> Name {
        let checked = ShmName::random("counted.").unwrap();
        let text = checked.to_string();
        let path = CString::new(format!("/dev/shm{text}")).unwrap();
        Name { checked, text, path }
    }

    fn as_c_str(&self) -> &CStr {
        self.checked.as_c_str()
    }
}

fn creating(len: usize) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).if_exists(IfExists::Error).size(len as u64);
    options
}

/// How a size is printed.
pub(crate) fn size_of(bytes: usize) -> String {
    match bytes {
        bytes if bytes < 1 << 20 => format!("{} KiB", bytes >> 10),
        bytes => format!("{} MiB", bytes >> 20),
    }
}

/// Complete before it has its name.
pub(crate) fn create(name: &Name) -> Cycle<'_> {
    let by_hand = || {
        let object = raw::unnamed();
        raw::reserve(object, LEN);
        let start = raw::map_and_touch(object, LEN);
        raw::name(object, &name.path);
        raw::unmap(start, LEN);
        raw::close(object);
        raw::unlink(name.as_c_str());
    };
    let by_text = || {
        let (object, mapping) = creating(LEN).open_mapped(&name.text).unwrap();
        mapping.bytes().store(0, 1);
        drop((mapping, object));
        unlink(&name.text).unwrap();
    };
    let by_name = || {
        let (object, mapping) = creating(LEN).open_mapped(&name.checked).unwrap();
        mapping.bytes().store(0, 1);
        drop((mapping, object));
        unlink(&name.checked).unwrap();
    };
    cycle(
        "create, map, write and remove 4 KiB",
        by_hand,
        vec![
            ours("open_mapped", by_text, [7, 671, 0]),
            ours("open_mapped by a ShmName", by_name, [7, 515, 0]),
        ],
    )
}

/// The same, mapped when it has its name already, so that others may have changed its length.
pub(crate) fn create_in_steps(name: &Name) -> Cycle<'_> {
    let by_hand = || {
        let object = raw::unnamed();
        raw::reserve(object, LEN);
        raw::name(object, &name.path);
        let stat = raw::stat(object);
        let start = raw::map_and_touch(object, LEN);
        raw::unmap(start, stat.st_size as usize);
        raw::close(object);
        raw::unlink(name.as_c_str());
    };
    let in_steps = || {
        let object = Shm::create(&name.text, LEN as u64).unwrap();
        let mapping = object.map_mut().unwrap();
        mapping.bytes().store(0, 1);
        drop((mapping, object));
        unlink(&name.text).unwrap();
    };
    let ways = vec![ours("create, map_mut, unlink", in_steps, [8, 719, 0])];
    cycle("the same, mapped after it has its name", by_hand, ways)
}

/// The same, and the name is removed only if it still means this object.
pub(crate) fn create_and_remove_own(name: &Name) -> Cycle<'_> {
    let by_hand = || {
        let object = raw::unnamed();
        raw::reserve(object, LEN);
        raw::name(object, &name.path);
        let stat = raw::stat(object);
        let start = raw::map_and_touch(object, LEN);
        raw::unmap(start, stat.st_size as usize);
        let (ours, found) = (raw::stat(object), raw::stat_path(&name.path));
        assert_eq!((ours.st_dev, ours.st_ino), (found.st_dev, found.st_ino));
        raw::unlink(name.as_c_str());
        raw::close(object);
    };
    let by_handle = || {
        let object = Shm::create(&name.checked, LEN as u64).unwrap();
        object.map_mut().unwrap().bytes().store(0, 1);
        object.unlink().unwrap();
    };
    let ways = vec![ours("create, map_mut, Shm::unlink", by_handle, [10, 605, 0])];
    cycle("the same, and no other object's name removed", by_hand, ways)
}

pub(crate) fn anonymous() -> Cycle<'static> {
    let by_hand = || {
        let object = raw::anonymous();
        raw::reserve(object, LEN);
        let start = raw::map_and_touch(object, LEN);
        raw::unmap(start, LEN);
        raw::close(object);
    };
    let at_once = || {
        let (_object, mapping) = creating(LEN).open_anonymous_mapped().unwrap();
        mapping.bytes().store(0, 1);
    };
    let in_steps = || {
        let object = Shm::anonymous(LEN as u64).unwrap();
        object.map_mut().unwrap().bytes().store(0, 1);
    };
    cycle(
        "anonymous: create, map and write 4 KiB",
        by_hand,
        vec![
            ours("open_anonymous_mapped", at_once, [5, 277, 0]),
            ours("anonymous, map_mut", in_steps, [5, 296, 0]),
        ],
    )
}

/// An object has the name, and its bytes are 7.
pub(crate) fn open(name: &Name) -> Cycle<'_> {
    let by_hand = || {
        let object = raw::open(name.as_c_str());
        let len = raw::stat(object).st_size as usize;
        let start = raw::map(object, libc::PROT_READ, len);
        // SAFETY: the mapping was made above.
        assert_eq!(unsafe { start.read_volatile() }, 7);
        raw::unmap(start, len);
        raw::close(object);
    };
    let by_text = || {
        let object = Shm::open(&name.text).unwrap();
        assert_eq!(object.map().unwrap().bytes().load(0), 7);
    };
    let by_name = || {
        let object = Shm::open(&name.checked).unwrap();
        assert_eq!(object.map().unwrap().bytes().load(0), 7);
    };
    cycle(
        "open, map, read a byte and close",
        by_hand,
        vec![
            ours("open, map", by_text, [5, 397, 0]),
            ours("open, map, by a ShmName", by_name, [5, 319, 0]),
        ],
    )
}

pub(crate) fn publish<'a>(name: &'a Name, content: &'a [u8]) -> Cycle<'a> {
    let by_hand = || {
        let object = raw::unnamed();
        raw::write(object, content);
        raw::name(object, &name.path);
        raw::close(object);
        raw::unlink(name.as_c_str());
    };
    let by_text = || {
        drop(Shm::publish(&name.text, content).unwrap());
        unlink(&name.text).unwrap();
    };
    let by_name = || {
        drop(Shm::publish(&name.checked, content).unwrap());
        unlink(&name.checked).unwrap();
    };
    let mapped = || {
        let (object, mapping) = creating(content.len()).open_mapped(&name.checked).unwrap();
        mapping.bytes().copy_from(content);
        drop((mapping, object));
        unlink(&name.checked).unwrap();
    };
    let what = format!("publish and remove {}", size_of(content.len()));
    cycle(
        &what,
        by_hand,
        vec![
            ours("publish", by_text, [5, 589, 0]),
            ours("publish by a ShmName", by_name, [5, 427, 0]),
            copying("open_mapped, copy_from", mapped),
        ],
    )
}

/// The buffer is as long as the object.
pub(crate) fn read<'a>(object: &'a Shm, buffer: &'a RefCell<Vec<u8>>) -> Cycle<'a> {
    let fd = object.as_raw_fd();
    let len = buffer.borrow().len();
    let by_hand = move || raw::read(fd, &mut buffer.borrow_mut());
    let read = move || assert_eq!(object.read_at(&mut buffer.borrow_mut(), 0).unwrap(), len);
    let mapped = move || object.map().unwrap().bytes().copy_to(&mut buffer.borrow_mut());
    cycle(
        &format!("read {} through a handle", size_of(len)),
        by_hand,
        vec![ours("read_at", read, [1, 54, 0]), copying("map, copy_to, unmap", mapped)],
    )
}

/// With the questions that tell shared memory from other files.
pub(crate) fn pass<'a>(object: &'a Shm, sockets: &'a (UnixStream, UnixStream)) -> Cycle<'a> {
    let (from, to, fd) = (sockets.0.as_raw_fd(), sockets.1.as_raw_fd(), object.as_raw_fd());
    let by_hand = move || {
        raw::send(from, &[fd]);
        raw::receive(to, 1);
    };
    let passed = || {
        object.send(&sockets.0).unwrap();
        drop(Shm::receive(&sockets.1).unwrap());
    };
    let ways = vec![ours("send, receive", passed, [6, 306, 0])];
    cycle("send a handle and receive it", by_hand, ways)
}
