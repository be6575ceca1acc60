//! The steps of `Event` and `SeqLock`, in every order and with every value that a load may see.
//!
//! The memory is that of release, acquire and relaxed operations in C and Rust, as a machine with
//! views: a location keeps all values that were stored, a thread knows a least one for each, and a
//! load returns any from there on. Releasing attaches what a thread knows to a value, and acquiring
//! takes it over. Fences that are `SeqCst` also exchange it through one place that all share. The
//! kernel's sleep is a comparison under a lock that waking takes too.
//!
//! (A store goes behind all others of its location, and no store is seen before its turn. Both are
//! so on every machine for what is written by one side, or by operations that also read.)
//!
//! A thread that is killed makes no more steps. Any thread may be slow for ever, so every
//! exploration covers that. Only for telling who sleeps for ever must a program say who may die.

use std::collections::HashSet;
use std::rc::Rc;

use crate::site::Site;

/// More states than this mean that a program counts for ever.
const TOO_MANY: usize = 10_000_000;

const PLACES: usize = 3;
const REGISTERS: usize = 5;

type View = [usize; PLACES];
type Registers = [u32; REGISTERS];

/// The orderings of the standard library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "they have the standard library's names")]
pub enum Order {
    Relaxed,
    Acquire,
    Release,
    AcqRel,
    SeqCst,
}
use Order::{AcqRel, Acquire, Relaxed, Release, SeqCst};

impl Order {
    fn acquires(self) -> bool {
        matches!(self, Acquire | AcqRel | SeqCst)
    }

    fn releases(self) -> bool {
        matches!(self, Release | AcqRel | SeqCst)
    }
}

/// A step of a thread. Those with a name can be weakened.
#[derive(Clone, Copy, Debug)]
enum Step {
    Load(&'static str, Order, usize, usize),
    /// Relaxed.
    Store(usize, u32),
    /// Reads into a register and writes what a function makes of it.
    Change(&'static str, Order, usize, usize, fn(u32) -> u32),
    /// If the value is that of a register, writes what a function makes of it, into the register
    /// too. Goes to a step if not.
    ChangeIf(&'static str, Order, usize, usize, fn(u32) -> u32, usize),
    Fence(&'static str, Order),
    /// Sleeps if the value is that of a register.
    Sleep(usize, usize),
    Wake(usize),
    /// Waits until a thread has been killed. The kernel says so, under its lock.
    WhenDead(usize),
    GoIf(fn(&Registers) -> bool, usize),
    Must(fn(&Registers) -> bool, &'static str),
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Value {
    value: u32,
    /// What whoever acquires it knows.
    with: View,
}

#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Thread {
    at: usize,
    registers: Registers,
    sleeps_on: Option<usize>,
    killed: bool,
    knows: View,
    /// What an acquire fence would add.
    could_know: View,
    /// What a relaxed store publishes, because of a release fence.
    published: View,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    places: Vec<Rc<Vec<Value>>>,
    threads: Vec<Thread>,
    fences: View,
    kernel: View,
}

fn join(into: &mut View, from: &View) {
    for (into, from) in into.iter_mut().zip(from) {
        *into = (*into).max(*from);
    }
}

impl State {
    /// Reads the nth value that a place has had.
    fn read(&mut self, thread: usize, place: usize, nth: usize, order: Order) -> u32 {
        let Value { value, with } = self.places[place][nth].clone();
        let thread = &mut self.threads[thread];
        thread.knows[place] = thread.knows[place].max(nth);
        if order.acquires() {
            join(&mut thread.knows, &with);
        }
        join(&mut thread.could_know, &with);
        let knows = thread.knows;
        join(&mut thread.could_know, &knows);
        value
    }

    /// Stores a value. `read` is what came with the one that it replaces, if it is one operation.
    fn write(&mut self, thread: usize, place: usize, value: u32, order: Order, read: &View) {
        let nth = self.places[place].len();
        let thread = &mut self.threads[thread];
        thread.knows[place] = nth;
        thread.could_know[place] = nth;
        let mut with = if order.releases() { thread.knows } else { thread.published };
        join(&mut with, read);
        with[place] = nth;
        Rc::make_mut(&mut self.places[place]).push(Value { value, with });
    }

    fn fence(&mut self, thread: usize, order: Order) {
        let thread = &mut self.threads[thread];
        if order.acquires() {
            thread.knows = thread.could_know;
        }
        if order == SeqCst {
            join(&mut self.fences, &thread.knows);
            thread.knows = self.fences;
            thread.could_know = self.fences;
        }
        if order.releases() {
            thread.published = thread.knows;
        }
    }

    /// All states that the next step of a thread may lead to, or what is wrong with it.
    fn step(&self, who: usize, step: Step) -> Result<Vec<State>, &'static str> {
        let mut next = self.clone();
        next.threads[who].at += 1;
        let seen = |place: usize| self.threads[who].knows[place]..self.places[place].len();
        let last = |place: usize| self.places[place].len() - 1;
        let registers = &self.threads[who].registers;
        Ok(match step {
            Step::Load(_, order, place, register) => seen(place)
                .map(|nth| {
                    let mut next = next.clone();
                    let value = next.read(who, place, nth, order);
                    next.threads[who].registers[register] = value;
                    next
                })
                .collect(),
            Step::Store(place, value) => {
                next.write(who, place, value, Relaxed, &[0; PLACES]);
                vec![next]
            }
            Step::Change(_, order, place, register, change) => {
                let value = next.read(who, place, last(place), order);
                next.threads[who].registers[register] = value;
                let with = self.places[place][last(place)].with;
                next.write(who, place, change(value), order, &with);
                vec![next]
            }
            Step::ChangeIf(_, order, place, register, change, or_go) => {
                let Value { value, with } = self.places[place][last(place)];
                if value == registers[register] {
                    next.read(who, place, last(place), order);
                    next.write(who, place, change(value), order, &with);
                    next.threads[who].registers[register] = change(value);
                } else {
                    next.threads[who].at = or_go;
                }
                vec![next]
            }
            Step::Fence(_, order) => {
                next.fence(who, order);
                vec![next]
            }
            Step::Sleep(place, register) => {
                join(&mut next.threads[who].knows, &self.kernel);
                join(&mut next.threads[who].could_know, &self.kernel);
                join(&mut next.kernel, &self.threads[who].knows);
                let least = next.threads[who].knows[place];
                let values = &self.places[place][least..];
                let sleeps = values.iter().map(|it| it.value == registers[register]);
                sleeps
                    .map(|sleeps| {
                        let mut next = next.clone();
                        next.threads[who].sleeps_on = sleeps.then_some(place);
                        next
                    })
                    .collect()
            }
            Step::Wake(place) => {
                join(&mut next.kernel, &self.threads[who].knows);
                for thread in &mut next.threads {
                    thread.sleeps_on = thread.sleeps_on.filter(|on| *on != place);
                }
                vec![next]
            }
            Step::WhenDead(thread) if !self.threads[thread].killed => vec![],
            Step::WhenDead(thread) => {
                let theirs = self.threads[thread].knows;
                join(&mut next.threads[who].knows, &theirs);
                join(&mut next.threads[who].could_know, &theirs);
                vec![next]
            }
            Step::GoIf(is, to) => {
                if is(registers) {
                    next.threads[who].at = to;
                }
                vec![next]
            }
            Step::Must(be, or) if !be(registers) => return Err(or),
            Step::Must(..) => vec![next],
        })
    }
}

/// What some threads do.
#[derive(Clone, Debug)]
pub struct Program {
    threads: Vec<Vec<Step>>,
    /// The first thread may be killed.
    first_may_die: bool,
}

impl Program {
    fn new(threads: Vec<Vec<Step>>) -> Program {
        Program { threads, first_may_die: false }
    }
}

/// Goes through everything that can happen. Returns how many states that are.
///
/// # Errors
///
/// What goes wrong.
///
/// # Panics
///
/// There are too many states, since a program counts for ever.
pub fn explore(program: &Program) -> Result<usize, &'static str> {
    let zero = Rc::new(vec![Value { value: 0, with: [0; PLACES] }]);
    let first = State {
        places: vec![zero; PLACES],
        threads: vec![Thread::default(); program.threads.len()],
        fences: [0; PLACES],
        kernel: [0; PLACES],
    };
    let (mut known, mut open) = (HashSet::from([first.clone()]), vec![first]);
    while let Some(state) = open.pop() {
        let (mut stuck, mut asleep) = (true, false);
        for (who, steps) in program.threads.iter().enumerate() {
            let thread = &state.threads[who];
            if thread.killed {
                continue;
            }
            asleep |= thread.sleeps_on.is_some();
            let Some(step) = steps.get(thread.at) else { continue };
            if thread.sleeps_on.is_some() {
                continue;
            }
            stuck = false;
            if program.first_may_die && who == 0 {
                let mut next = state.clone();
                next.threads[who].killed = true;
                if known.insert(next.clone()) {
                    open.push(next);
                }
            }
            for next in state.step(who, *step)? {
                if known.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        assert!(known.len() < TOO_MANY, "the program of the model does not end");
        if stuck && asleep {
            return Err("a waiter sleeps for ever");
        }
    }
    Ok(known.len())
}

/// The same program with one name weakened. `None` leaves a fence out.
fn weakened(program: &Program, weak: &str, to: Option<Order>) -> Program {
    let or = to.unwrap_or(Relaxed);
    let change = |step: &Step| match *step {
        Step::Load(name, _, a, b) if name == weak => Step::Load(name, or, a, b),
        Step::Change(name, _, a, b, c) if name == weak => Step::Change(name, or, a, b, c),
        Step::ChangeIf(name, _, a, b, c, d) if name == weak => Step::ChangeIf(name, or, a, b, c, d),
        // Steps keep their numbers: a fence without an order does nothing.
        Step::Fence(name, _) if name == weak => Step::Fence(name, or),
        step => step,
    };
    let threads = program.threads.iter().map(|steps| steps.iter().map(change).collect());
    Program { threads: threads.collect(), ..*program }
}

/// Every way to weaken one ordering or one fence of some programs: what is weakened, to what, and
/// the programs with that.
#[must_use]
pub fn weakenings(programs: &[Program]) -> Vec<(String, Vec<Program>)> {
    let mut weaker = HashSet::new();
    for step in programs.iter().flat_map(|program| &program.threads).flatten() {
        match *step {
            Step::Load(name, order, ..)
            | Step::Change(name, order, ..)
            | Step::ChangeIf(name, order, ..)
                if order != Relaxed =>
            {
                weaker.insert((name, Some(Relaxed)));
            }
            Step::Fence(name, order) => {
                weaker.insert((name, None));
                if order == SeqCst {
                    weaker.extend([AcqRel, Acquire, Release].map(|order| (name, Some(order))));
                }
            }
            _ => {}
        }
    }
    let all = |(name, to)| {
        let programs = programs.iter().map(|program| weakened(program, name, to)).collect();
        (format!("{name:?} weakened to {to:?}"), programs)
    };
    weaker.into_iter().map(all).collect()
}

const STATE: usize = 0;
const WAITERS: usize = 1;
const DATA: usize = 2;

/// What is done wrong with the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventMutation {
    /// `set` wakes no waiter if the event was set already.
    WakeOnlyTheFirstTime,
    /// `set` looks for waiters, and then sets the state.
    LookBeforeSetting,
    /// `wait` does not say that it waits.
    WaitUncounted,
    /// `set` does not count, so a `reset` can hide it.
    SetWithoutCounting,
}

/// The functions that the steps of the event are from.
pub const EVENT: [Site; 4] = [
    Site {
        file: "access/event.rs",
        function: "set",
        does: &[
            "(old | SET).wrapping_add(SET + 1)",
            "compare_exchange_weak(old, new, Release, Relaxed)",
            "fence(SeqCst)",
            "self.waiters.load(Relaxed) == 0",
            "self.state.notify_all()",
        ],
    },
    Site {
        file: "access/event.rs",
        function: "wait",
        does: &[
            "self.state.load(Acquire)",
            "options.spin_on(&self.state, before)",
            "fence(Acquire)",
            "self.waiters.fetch_add(1, Relaxed)",
            "fence(SeqCst)",
            "self.state.wait_while(",
        ],
    },
    Site { file: "access/event.rs", function: "reset", does: &["fetch_and(!SET, Acquire)"] },
    Site {
        file: "access/wait.rs",
        function: "wait_while",
        does: &["self.load(Ordering::Acquire)", "!stay(value)", "waiter.wait(self, value)"],
    },
];

fn is_set(state: u32) -> bool {
    state & 1 != 0
}

/// Writes the data, then `Event::set`. It takes seven steps.
fn set(mutation: Option<EventMutation>) -> Vec<Step> {
    let change: fn(u32) -> u32 = match mutation {
        Some(EventMutation::SetWithoutCounting) => |old| old | 1,
        _ => |old| (old | 1) + 2,
    };
    let was_set: fn(&Registers) -> bool = match mutation {
        Some(EventMutation::WakeOnlyTheFirstTime) => |it| is_set(it[0]),
        _ => |_| false,
    };
    let change = Step::Change("set: state", Release, STATE, 0, change);
    let fence = Step::Fence("set: fence", SeqCst);
    let look = Step::Load("set: waiters", Relaxed, WAITERS, 1);
    let [second, third, fourth] = match mutation {
        Some(EventMutation::LookBeforeSetting) => [look, fence, change],
        _ => [change, fence, look],
    };
    vec![
        Step::Store(DATA, 1),
        second,
        third,
        fourth,
        Step::GoIf(was_set, 7),
        Step::GoIf(|it| it[1] == 0, 7),
        Step::Wake(STATE),
    ]
}

/// `Event::wait`, from this step on, for twelve steps.
fn wait(from: usize, mutation: Option<EventMutation>) -> Vec<Step> {
    let one: fn(u32) -> u32 = match mutation {
        Some(EventMutation::WaitUncounted) => |old| old,
        _ => |old| old + 1,
    };
    let count = Step::Change("wait: count", Relaxed, WAITERS, 2, one);
    let fence = Step::Fence("wait: fence", SeqCst);
    let again = Step::Load("wait: again", Acquire, STATE, 1);
    let or_end = Step::GoIf(|it| it[1] != it[0], from + 12);
    let mut steps = vec![
        Step::Load("wait: first", Acquire, STATE, 0),
        Step::GoIf(|it| is_set(it[0]), from + 12),
        // Spinning.
        Step::Load("wait: spin", Relaxed, STATE, 1),
        Step::GoIf(|it| it[1] == it[0], from + 6),
        Step::Fence("wait: spun", Acquire),
        Step::GoIf(|_| true, from + 12),
    ];
    // Sleeping. The kernel compares too, but it may see an older value than a fence would give.
    steps.extend([count, fence, again, or_end]);
    steps.extend([Step::Sleep(STATE, 0), Step::GoIf(|_| true, from + 8)]);
    steps
}

/// Threads that set an event and wait for it.
#[must_use]
pub fn event(mutation: Option<EventMutation>) -> Vec<Program> {
    let (set, wait) = (|| set(mutation), |from| wait(from, mutation));
    let data = |register| Step::Load("data", Relaxed, DATA, register);
    let waiter = [wait(0), vec![data(3), Step::Must(|it| it[3] == 1, "the data is not seen")]];
    // It resets the event and looks for work before it waits.
    let reset = Step::Change("reset", Acquire, STATE, 4, |old| old & !1);
    let worker = [
        vec![reset, data(3), Step::GoIf(|it| it[3] == 1, 16)],
        wait(3),
        vec![Step::GoIf(|_| true, 0)],
    ];
    // Another thread takes the flag away at any moment. Those that wait by then are woken.
    let early = [
        vec![Step::Load("wait: first", Acquire, STATE, 0), Step::GoIf(|it| it[0] != 0, 14)],
        waiter[0].iter().skip(2).copied().collect(),
        waiter[1].clone(),
    ];
    let resetter = vec![Step::Change("reset", Acquire, STATE, 4, |old| old & !1)];
    let (waiter, worker, early) = (waiter.concat(), worker.concat(), early.concat());
    vec![
        Program::new(vec![set(), waiter.clone()]),
        Program::new(vec![set(), worker]),
        Program::new(vec![set(), early, resetter]),
        Program::new(vec![set(), waiter.clone(), waiter.clone()]),
        // If one that sets is killed in the middle, the next one wakes.
        Program { threads: vec![set(), set(), waiter], first_may_die: true },
    ]
}

const SEQUENCE: usize = 0;
const FIRST: usize = 1;
const SECOND: usize = 2;

/// What is done wrong with the sequence lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeqLockMutation {
    /// The data changes before the sequence is odd.
    DataFirst,
    /// The sequence is even before the data is complete.
    EvenTooEarly,
    /// A reader uses what it has copied while the sequence was odd.
    ReadOdd,
    /// A reader does not look again.
    ReadOnce,
    /// A writer writes although another one is writing.
    WriteOdd,
    /// Taking over keeps an odd sequence as it is.
    ResetKeepsOdd,
}

/// The functions that the steps of the sequence lock are from.
pub const SEQ_LOCK: [Site; 4] = [
    Site {
        file: "access/seq_lock.rs",
        function: "try_read",
        does: &[
            "self.sequence.load(Acquire)",
            "before % 2 != 0",
            "copy()",
            "fence(Acquire)",
            "self.sequence.load(Relaxed) == before",
        ],
    },
    Site {
        file: "access/seq_lock.rs",
        function: "write",
        does: &["self.sequence.load(Relaxed)", "even % 2 != 0", "self.write_after(even, change)"],
    },
    Site {
        file: "access/seq_lock.rs",
        function: "reset",
        does: &["self.write_after(self.sequence.load(Relaxed), repair)"],
    },
    Site {
        file: "access/seq_lock.rs",
        function: "write_after",
        does: &[
            "old.wrapping_add(1) | 1",
            "compare_exchange(old, odd, Acquire, Relaxed)",
            "fence(Release)",
            "change()",
            "compare_exchange(odd, odd.wrapping_add(1), Release, Relaxed)",
        ],
    },
];

/// `SeqLock::write`, or `reset`, from this step on, for nine steps. It writes one number twice.
fn write(from: usize, number: u32, resets: bool, mutation: Option<SeqLockMutation>) -> Vec<Step> {
    let refuses: fn(&Registers) -> bool = match (resets, mutation) {
        // One that has looked later takes the lock over from a writer that is not dead.
        (true, _) => |it| it[0] != 1,
        (_, Some(SeqLockMutation::WriteOdd)) => |_| false,
        _ => |it| it[0] % 2 != 0,
    };
    let keeps_odd = mutation == Some(SeqLockMutation::ResetKeepsOdd);
    let odd: fn(u32) -> u32 = match keeps_odd {
        true => |old| old | 1,
        false => |old| (old + 1) | 1,
    };
    let begin = Step::ChangeIf("write: begin", Acquire, SEQUENCE, 0, odd, from + 9);
    let fence = Step::Fence("write: fence", Release);
    let (first, second) = (Step::Store(FIRST, number), Step::Store(SECOND, number));
    let end = Step::ChangeIf("write: end", Release, SEQUENCE, 0, |odd| odd + 1, from + 9);
    let steps = match mutation {
        Some(SeqLockMutation::DataFirst) => [first, begin, fence, second, end],
        Some(SeqLockMutation::EvenTooEarly) => [begin, fence, first, end, second],
        _ => [begin, fence, first, second, end],
    };
    // Who takes over knows that the writer is dead.
    let first = if resets { Step::WhenDead(0) } else { Step::GoIf(|_| false, 0) };
    let look = Step::Load("write: look", Relaxed, SEQUENCE, 0);
    let mut all = vec![first, look, Step::GoIf(refuses, from + 9)];
    all.extend(steps);
    all.push(Step::GoIf(|_| true, from + 9));
    all
}

/// A writer and readers, and one that takes the lock over.
#[must_use]
pub fn seq_lock(mutation: Option<SeqLockMutation>) -> Vec<Program> {
    let write = |from, number, resets| write(from, number, resets, mutation);
    let is_odd: fn(&Registers) -> bool = match mutation {
        Some(SeqLockMutation::ReadOdd) => |_| false,
        _ => |it| it[0] % 2 != 0,
    };
    let differs: fn(&Registers) -> bool = match mutation {
        Some(SeqLockMutation::ReadOnce) => |_| false,
        _ => |it| it[3] != it[0],
    };
    let reader_that = |must| {
        vec![
            Step::Load("read: before", Acquire, SEQUENCE, 0),
            Step::GoIf(is_odd, 8),
            Step::Load("first", Relaxed, FIRST, 1),
            Step::Load("second", Relaxed, SECOND, 2),
            Step::Fence("read: fence", Acquire),
            Step::Load("read: after", Relaxed, SEQUENCE, 3),
            Step::GoIf(differs, 8),
            must,
        ]
    };
    // The numbers are written in this order, so it is known which one belongs to a sequence.
    let reader =
        reader_that(Step::Must(|it| [it[1], it[2]] == [it[0] / 2; 2], "a snapshot is a mix"));
    let any = reader_that(Step::Must(|it| it[1] == it[2], "a snapshot is a mix"));
    // A writer that changes what another has left, as the value that it finds.
    let heir = vec![
        Step::Load("write: look", Relaxed, SEQUENCE, 0),
        Step::GoIf(|it| it[0] % 2 != 0, 5),
        Step::ChangeIf("write: begin", Acquire, SEQUENCE, 0, |even| even + 1, 5),
        Step::Load("first", Relaxed, FIRST, 1),
        Step::Must(|it| it[1] == it[0] / 2, "a writer does not see what the last one wrote"),
    ];
    let twice = [write(0, 1, false), write(9, 2, false)].concat();
    vec![
        Program::new(vec![write(0, 1, false), reader.clone()]),
        Program::new(vec![twice.clone(), reader.clone()]),
        Program::new(vec![write(0, 1, false), heir]),
        Program::new(vec![twice, reader.clone(), reader]),
        // Two that may both write: the second one is refused.
        Program::new(vec![write(0, 1, false), write(0, 2, false), any.clone()]),
        // A writer is killed in the middle, and two take over.
        Program {
            threads: vec![write(0, 1, false), write(0, 2, true), write(0, 3, true), any],
            first_may_die: true,
        },
    ]
}
