//! Measures what waiting for another process costs, and taking a snapshot.
//!
//! Type this in `posix-shm/benches`. It needs two processors for two of its tables:
//!
//! ```sh
//! cargo bench --bench waiting
//! cargo bench --bench waiting -- --calls # without the other process
//! ```
//!
//! You should see tables like those in `README.md`: a row for each way, with the median of its
//! ratios to the first row, and of its times. The first row is hand-written: it spins, and then
//! sleeps in `futex`, in the same two processes.

#![cfg(target_os = "linux")]

use std::env;
use std::hint::{black_box, spin_loop};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::Command;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::time::{Duration, Instant};

use posix_shm::{Event, Mapping, ReadWrite, SharedAtomic, Shm, WaitOptions};
use posix_shm_benches::{Timed, Variant, ratios, timed_ratios};

/// What tells this program that it is the other side, and which descriptor the object has.
const OBJECT: &str = "WAITING_BENCH_OBJECT";

// What is where in the object.
const COMMAND: usize = 0;
const THERE: usize = 128;
const BACK: usize = 256;
const EVENT_THERE: usize = 384;
const EVENT_BACK: usize = 512;
const CELLS: usize = 4096;

/// How many round trips are measured at once.
const TRIPS: u32 = 200;
const ROUNDS: usize = 101;

/// How often a side looks before it sleeps.
const SPINS: [(u32, &str); 2] = [(0, "sleeping at once"), (100, "after 100 looks")];

/// The ways to wait, as numbers that the other side understands.
#[derive(Clone, Copy)]
enum Way {
    ByHand = 1,
    Counted,
    Word,
    Unaided,
    Event,
    Quit,
}

fn main() {
    if let Ok(descriptor) = env::var(OBJECT) {
        return answer(descriptor.parse().unwrap());
    }
    if env::args().any(|argument| argument == "--calls") {
        notifying();
        return snapshots();
    }
    let processors = processors();
    for (title, ours, theirs) in [
        ("one processor", processors[0], processors[0]),
        ("two processors", processors[0], processors[processors.len() - 1]),
    ] {
        if title == "two processors" && ours == theirs {
            println!("\nThis machine has one processor only.");
            continue;
        }
        round_trips(title, ours, theirs);
    }
    notifying();
    snapshots();
}

/// The processors that this process may run on.
fn processors() -> Vec<usize> {
    let mut set = cpu_set(None);
    // SAFETY: the pointer is to a set of that size.
    let returned = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
    assert_eq!(returned, 0);
    // SAFETY: the number is inside the set.
    (0..libc::CPU_SETSIZE as usize).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect()
}

fn cpu_set(only: Option<usize>) -> libc::cpu_set_t {
    // SAFETY: a set of zeros is an empty one.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    if let Some(cpu) = only {
        // SAFETY: the number came out of such a set.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    set
}

/// Runs a process on one processor only.
fn pin(process: libc::pid_t, cpu: usize) {
    let set = cpu_set(Some(cpu));
    // SAFETY: the pointer is to a set of that size.
    let returned = unsafe { libc::sched_setaffinity(process, size_of_val(&set), &raw const set) };
    assert_eq!(returned, 0);
}

/// The words of both sides.
struct Sides<'m> {
    mapping: &'m Mapping<ReadWrite>,
    command: SharedAtomic<'m, u32>,
    there: SharedAtomic<'m, u32>,
    back: SharedAtomic<'m, u32>,
    event_there: Event<'m>,
    event_back: Event<'m>,
}

impl<'m> Sides<'m> {
    fn of(mapping: &'m Mapping<ReadWrite>) -> Sides<'m> {
        Sides {
            mapping,
            command: mapping.atomic(COMMAND).unwrap(),
            there: mapping.atomic(THERE).unwrap(),
            back: mapping.atomic(BACK).unwrap(),
            event_there: mapping.event(EVENT_THERE).unwrap(),
            event_back: mapping.event(EVENT_BACK).unwrap(),
        }
    }

    fn by_hand(&self, offset: usize) -> &'m AtomicU32 {
        // SAFETY: the offset is one of those above, inside the mapping and aligned.
        let at = unsafe { self.mapping.as_mut_ptr().add(offset) };
        // SAFETY: as above. Both processes access the word with atomic operations only.
        unsafe { AtomicU32::from_ptr(at.cast()) }
    }

    /// Goes there and back some times, on this side or on the other.
    fn run(&self, way: Way, spin: u32, is_first: bool) {
        let mut options = WaitOptions::new().spin(spin);
        if let Way::Unaided = way {
            options = options.look_again(Duration::MAX);
        }
        match way {
            Way::ByHand => {
                let [there, back] = [THERE, BACK].map(|offset| self.by_hand(offset));
                trips(
                    is_first,
                    |trip| set_by_hand(there, trip),
                    |trip| await_by_hand(there, trip, spin),
                    |trip| set_by_hand(back, trip),
                    |trip| await_by_hand(back, trip, spin),
                );
            }
            Way::Counted => {
                let [there, back] = [THERE, BACK].map(|offset| {
                    let [word, waiters] = [offset, offset + 4].map(|it| self.by_hand(it));
                    CountedWord { word, waiters }
                });
                trips(
                    is_first,
                    |trip| there.set(trip),
                    |trip| there.wait(trip, spin),
                    |trip| back.set(trip),
                    |trip| back.wait(trip, spin),
                );
            }
            Way::Word | Way::Unaided => {
                let set = |word: &SharedAtomic<'_, u32>, trip| {
                    word.store(trip, Ordering::Release);
                    word.notify_all().unwrap();
                };
                let wait = |word: &SharedAtomic<'_, u32>, trip| {
                    word.wait_while(|value| value != trip, options).unwrap();
                };
                trips(
                    is_first,
                    |trip| set(&self.there, trip),
                    |trip| wait(&self.there, trip),
                    |trip| set(&self.back, trip),
                    |trip| wait(&self.back, trip),
                );
            }
            Way::Event => {
                let wait = |event: &Event<'_>| {
                    event.wait(options).unwrap();
                    event.reset();
                };
                trips(
                    is_first,
                    |_| self.event_there.set().unwrap(),
                    |_| wait(&self.event_there),
                    |_| self.event_back.set().unwrap(),
                    |_| wait(&self.event_back),
                );
            }
            Way::Quit => {}
        }
    }
}

fn trips(
    is_first: bool,
    go: impl Fn(u32),
    await_it: impl Fn(u32),
    answer: impl Fn(u32),
    await_answer: impl Fn(u32),
) {
    for trip in 1..=TRIPS {
        if is_first {
            go(trip);
            await_answer(trip);
        } else {
            await_it(trip);
            answer(trip);
        }
    }
}

fn set_by_hand(word: &AtomicU32, value: u32) {
    word.store(value, Ordering::Release);
    // SAFETY: the kernel only looks for who waits.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
}

/// What one writes without a library: spin for a while, then sleep.
fn await_by_hand(word: &AtomicU32, value: u32, spin: u32) {
    for _ in 0..spin {
        if word.load(Ordering::Acquire) == value {
            return;
        }
        spin_loop();
    }
    sleep_by_hand(word, value);
}

fn sleep_by_hand(word: &AtomicU32, value: u32) {
    loop {
        let seen = word.load(Ordering::Acquire);
        if seen == value {
            return;
        }
        let (at, none) = (word.as_ptr(), ptr::null::<libc::timespec>());
        // SAFETY: the kernel only looks at the word.
        unsafe { libc::syscall(libc::SYS_futex, at, libc::FUTEX_WAIT, seen, none) };
    }
}

/// The same, but it wakes only those who are there.
struct CountedWord<'m> {
    word: &'m AtomicU32,
    waiters: &'m AtomicU32,
}

impl CountedWord<'_> {
    fn set(&self, value: u32) {
        self.word.store(value, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.waiters.load(Ordering::Relaxed) != 0 {
            set_by_hand(self.word, value);
        }
    }

    fn wait(&self, value: u32, spin: u32) {
        for _ in 0..spin {
            if self.word.load(Ordering::Acquire) == value {
                return;
            }
            spin_loop();
        }
        self.waiters.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        sleep_by_hand(self.word, value);
        self.waiters.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The other process: does what it is told, with the same way to wait.
fn answer(descriptor: i32) {
    // SAFETY: whoever has started this process says that the descriptor is ours.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let mapping = Shm::from_fd(descriptor, None).unwrap().map_mut().unwrap();
    let sides = Sides::of(&mapping);
    let mut done = 0;
    loop {
        let command = sides.command.wait_while(|command| command == done, None).unwrap().unwrap();
        done = command;
        let (way, spin) = (command >> 16 & 0xff, command & 0xffff);
        let way = [Way::ByHand, Way::Counted, Way::Word, Way::Unaided, Way::Event, Way::Quit]
            [way as usize - 1];
        if let Way::Quit = way {
            return;
        }
        sides.run(way, spin, false);
    }
}

/// There and back, between two processes.
fn round_trips(title: &str, ours: usize, theirs: usize) {
    let object = Shm::anonymous(4096).unwrap();
    let mapping = object.map_mut().unwrap();
    let sides = Sides::of(&mapping);
    let mut command = Command::new(env::current_exe().unwrap());
    let descriptor = object.pass_to(&mut command).unwrap();
    let mut child = command.env(OBJECT, descriptor.to_string()).spawn().unwrap();
    pin(child.id() as libc::pid_t, theirs);
    pin(0, ours);
    let count = std::cell::Cell::new(0);
    let sides = &sides;
    let tell = |way: Way, spin: u32| {
        // The count makes it another word each time.
        count.set((count.get() + 1) % 256);
        sides.there.store(0, Ordering::Relaxed);
        sides.back.store(0, Ordering::Relaxed);
        sides.command.store(count.get() << 24 | (way as u32) << 16 | spin, Ordering::Release);
        sides.command.notify_all().unwrap();
    };
    let tell = &tell;
    for (spin, how) in SPINS {
        let way = |name, way: Way| Timed {
            name,
            run: Box::new(move || {
                tell(way, spin);
                let begun = Instant::now();
                sides.run(way, spin, true);
                begun.elapsed() / TRIPS
            }) as Box<dyn FnMut() -> Duration + '_>,
        };
        let mut ways = [
            way("by hand", Way::ByHand),
            way("by hand again (noise)", Way::ByHand),
            way("by hand, counting who waits", Way::Counted),
            way("SharedAtomic, wait_while and notify_all", Way::Word),
            way("the same, never looking again", Way::Unaided),
            way("Event, wait, reset and set", Way::Event),
        ];
        table(&format!("There and back on {title}, {how}"), &mut ways);
    }
    tell(Way::Quit, 0);
    assert!(child.wait().unwrap().success());
}

fn table(title: &str, ways: &mut [Timed<'_>]) {
    let found = timed_ratios(ways, ROUNDS);
    println!("\n{title}\n\n| way | ratio | µs |\n|---|---:|---:|");
    for (way, (ratio, time)) in ways.iter().zip(found) {
        println!("| {} | {ratio:.2} | {:.2} |", way.name, time.as_secs_f64() * 1e6);
    }
}

fn variants(title: &str, mut variants: Vec<Variant<'_>>) {
    println!("\n{title}\n\n| way | ratio |\n|---|---:|");
    let found = ratios(&mut variants, 301);
    for (variant, ratio) in variants.iter().zip(found) {
        println!("| {} | {ratio:.2} |", variant.name);
    }
}

fn variant<'a>(name: &'static str, mut once: impl FnMut() + 'a) -> Variant<'a> {
    Variant { name, run: Box::new(move |times| (0..times).for_each(|_| once())) }
}

/// Setting what nobody waits for.
fn notifying() {
    let object = Shm::anonymous(4096).unwrap();
    let mapping = object.map_mut().unwrap();
    let sides = Sides::of(&mapping);
    let (word, waiters) = (sides.by_hand(THERE), sides.by_hand(THERE + 4));
    let counted = CountedWord { word, waiters };
    variants(
        "Setting what nobody waits for",
        vec![
            variant("by hand, counting who waits", || counted.set(black_box(1))),
            variant("by hand, counting again (noise)", || counted.set(black_box(1))),
            variant("Event::set", || black_box(&sides.event_there).set().unwrap()),
            variant("by hand, with a system call", || set_by_hand(word, black_box(1))),
            variant("SharedAtomic::notify_all", || {
                black_box(&sides.there).notify_all().unwrap();
            }),
        ],
    );
}

/// Reading values of 64 bytes that nobody writes meanwhile.
fn snapshots() {
    type Value = [u64; 8];
    const COUNT: usize = 64;
    const APART: usize = 128;
    let object = Shm::anonymous((CELLS + COUNT * APART) as u64).unwrap();
    let (mapping, reader) = (object.map_mut().unwrap(), object.map().unwrap());
    let offsets = || (0..COUNT).map(|index| CELLS + index * APART);
    let cells: Vec<_> = offsets().map(|at| reader.seq_cell::<Value>(at).unwrap()).collect();
    for at in offsets() {
        mapping.seq_cell::<Value>(at).unwrap().store([at as u64; 8]).unwrap();
    }
    let values: Vec<_> = cells.iter().map(|cell| cell.value()).collect();
    let pointers: Vec<_> = values.iter().map(|value| value.as_ptr()).collect();
    let sequences: Vec<_> = offsets()
        // SAFETY: the offsets are inside the mapping.
        .map(|at| unsafe { mapping.as_mut_ptr().add(at) })
        // SAFETY: as above, and the words are aligned. All access them with atomic operations.
        .map(|at| unsafe { AtomicU32::from_ptr(at.cast()) })
        .collect();
    let out = std::cell::RefCell::new(vec![[0; 8]; COUNT]);
    let bare = |index: usize| {
        let mut value = [0; 8];
        // SAFETY: both are 64 bytes long, and do not overlap. Nobody writes them.
        unsafe { ptr::copy_nonoverlapping(pointers[index], &raw mut value, 1) };
        value
    };
    let by_hand = |index: usize| {
        loop {
            let before = sequences[index].load(Ordering::Acquire);
            let value = bare(index);
            fence(Ordering::Acquire);
            if before % 2 == 0 && sequences[index].load(Ordering::Relaxed) == before {
                return value;
            }
        }
    };
    variants(
        "Reading values of 64 bytes that nobody writes meanwhile, many in a row",
        vec![
            variant("the bare copy", || read_all(&mut out.borrow_mut(), bare)),
            variant("the bare copy again (noise)", || read_all(&mut out.borrow_mut(), bare)),
            variant("SharedCell::load", || {
                read_all(&mut out.borrow_mut(), |index| values[index].load());
            }),
            variant("a sequence lock by hand", || read_all(&mut out.borrow_mut(), by_hand)),
            variant("SeqCell::load", || {
                read_all(&mut out.borrow_mut(), |index| cells[index].load().unwrap());
            }),
        ],
    );
    let next = std::cell::Cell::new(0);
    let index = || {
        next.set((next.get() + 1) % COUNT);
        next.get()
    };
    variants(
        "The same, one at a time",
        vec![
            variant("the bare copy", || read_one(index(), bare)),
            variant("the bare copy again (noise)", || read_one(index(), bare)),
            variant("SharedCell::load", || read_one(index(), |index| values[index].load())),
            variant("a sequence lock by hand", || read_one(index(), by_hand)),
            variant("SeqCell::load", || read_one(index(), |index| cells[index].load().unwrap())),
        ],
    );
}

/// A function of its own for each way, so that the compiler knows no more than in a user's.
#[inline(never)]
fn read_all(out: &mut [[u64; 8]], read: impl Fn(usize) -> [u64; 8]) {
    for (index, value) in out.iter_mut().enumerate() {
        *value = read(index);
    }
}

#[inline(never)]
fn read_one(index: usize, read: impl Fn(usize) -> [u64; 8]) {
    black_box(&read(index));
}
