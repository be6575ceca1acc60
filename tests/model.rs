//! The steps of `Event` and `SeqLock`, in every order and with every value that a load may see.
//!
//! The memory is that of release, acquire and relaxed operations in C and Rust, as a machine with
//! views: a location keeps all values that were stored, a thread knows a least one for each, and a
//! load returns any from there on. Releasing attaches what a thread knows to a value, and acquiring
//! takes it over. Fences that are `SeqCst` also exchange it through one place that all share. The
//! kernel's sleep is a comparison under a lock that waking takes too.
//!
//! Then each ordering is weakened, each fence is weakened or left out, and the model must notice.
//! (A store goes behind all others of its location, and no store is seen before its turn. Both are
//! so on every machine for what is written by one side, or by operations that also read.)

use std::collections::HashSet;
use std::rc::Rc;

const PLACES: usize = 3;
const REGISTERS: usize = 5;

type View = [usize; PLACES];
type Registers = [u32; REGISTERS];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Order {
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
#[derive(Clone, Copy)]
enum Step {
    Load(&'static str, Order, usize, usize),
    /// Relaxed.
    Store(usize, u32),
    /// Reads into a register and writes what a function makes of it.
    Change(&'static str, Order, usize, usize, fn(u32) -> u32),
    /// Adds one if the value is that of a register. Goes to a step if not.
    AddIf(&'static str, Order, usize, usize, usize),
    Fence(&'static str, Order),
    /// Sleeps if the value is that of a register.
    Sleep(usize, usize),
    Wake(usize),
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
            Step::AddIf(_, order, place, register, or_go) => {
                let Value { value, with } = self.places[place][last(place)];
                if value == registers[register] {
                    next.read(who, place, last(place), order);
                    next.write(who, place, value + 1, order, &with);
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

type Program = Vec<Vec<Step>>;

/// Goes through everything that can happen. Returns how many states that are, or what goes wrong.
fn explore(program: &Program) -> Result<usize, &'static str> {
    let zero = Rc::new(vec![Value { value: 0, with: [0; PLACES] }]);
    let first = State {
        places: vec![zero; PLACES],
        threads: vec![Thread::default(); program.len()],
        fences: [0; PLACES],
        kernel: [0; PLACES],
    };
    let (mut known, mut open) = (HashSet::from([first.clone()]), vec![first]);
    while let Some(state) = open.pop() {
        let (mut stuck, mut asleep) = (true, false);
        for (who, steps) in program.iter().enumerate() {
            let thread = &state.threads[who];
            asleep |= thread.sleeps_on.is_some();
            let Some(step) = steps.get(thread.at) else { continue };
            if thread.sleeps_on.is_some() {
                continue;
            }
            stuck = false;
            for next in state.step(who, *step)? {
                if known.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        if stuck && asleep {
            return Err("a waiter sleeps for ever");
        }
    }
    Ok(known.len())
}

/// The same program with one name weakened. `None` leaves a fence out.
fn weakened(program: &Program, weak: &str, to: Option<Order>) -> Program {
    let change = |step: &Step| match *step {
        Step::Load(name, _, a, b) if name == weak => Step::Load(name, to.unwrap(), a, b),
        Step::Change(name, _, a, b, c) if name == weak => Step::Change(name, to.unwrap(), a, b, c),
        Step::AddIf(name, _, a, b, c) if name == weak => Step::AddIf(name, to.unwrap(), a, b, c),
        // Steps keep their numbers: a fence without an order does nothing.
        Step::Fence(name, _) if name == weak => Step::Fence(name, to.unwrap_or(Relaxed)),
        step => step,
    };
    program.iter().map(|steps| steps.iter().map(change).collect()).collect()
}

/// Checks programs, and that each weakening of a name in them is noticed by one of them.
fn check(programs: &[Program]) {
    for (nth, program) in programs.iter().enumerate() {
        let states = explore(program).unwrap_or_else(|wrong| panic!("program {nth}: {wrong}"));
        assert!(states > 50, "program {nth} has only {states} states");
    }
    let mut weaker = HashSet::new();
    for step in programs.iter().flatten().flatten() {
        match *step {
            Step::Load(name, order, ..)
            | Step::Change(name, order, ..)
            | Step::AddIf(name, order, ..)
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
    assert!(weaker.len() >= 4, "only {} ways to weaken it", weaker.len());
    for (name, to) in weaker {
        let noticed = programs.iter().any(|program| explore(&weakened(program, name, to)).is_err());
        assert!(noticed, "{name:?} could be weakened to {to:?}");
    }
}

const STATE: usize = 0;
const WAITERS: usize = 1;
const DATA: usize = 2;

fn is_set(state: u32) -> bool {
    state & 1 != 0
}

/// Writes the data, then `Event::set`. It takes six steps.
fn set() -> Vec<Step> {
    vec![
        Step::Store(DATA, 1),
        Step::Change("set: state", Release, STATE, 0, |old| (old | 1) + 2),
        Step::Fence("set: fence", SeqCst),
        Step::Load("set: waiters", Relaxed, WAITERS, 1),
        Step::GoIf(|it| it[1] == 0, 6),
        Step::Wake(STATE),
    ]
}

/// `Event::wait`, from this step on, for twelve steps.
fn wait(from: usize) -> Vec<Step> {
    vec![
        Step::Load("wait: first", Acquire, STATE, 0),
        Step::GoIf(|it| is_set(it[0]), from + 12),
        // Spinning.
        Step::Load("wait: spin", Relaxed, STATE, 1),
        Step::GoIf(|it| it[1] == it[0], from + 6),
        Step::Fence("wait: spun", Acquire),
        Step::GoIf(|_| true, from + 12),
        // Sleeping.
        Step::Change("wait: count", Relaxed, WAITERS, 2, |old| old + 1),
        Step::Fence("wait: fence", SeqCst),
        Step::Load("wait: again", Acquire, STATE, 1),
        Step::GoIf(|it| it[1] != it[0], from + 12),
        Step::Sleep(STATE, 0),
        Step::GoIf(|_| true, from + 8),
    ]
}

#[test]
fn an_event_loses_no_wake_and_publishes_the_data() {
    let data = |register| Step::Load("data", Relaxed, DATA, register);
    let waiter = [wait(0), vec![data(3), Step::Must(|it| it[3] == 1, "the data is not seen")]];
    // It resets the event and looks for work before it waits.
    let reset = Step::Change("reset", Acquire, STATE, 4, |old| old & !1);
    let worker = [
        vec![reset, data(3), Step::GoIf(|it| it[3] == 1, 16)],
        wait(3),
        vec![Step::GoIf(|_| true, 0)],
    ];
    let (waiter, worker) = (waiter.concat(), worker.concat());
    check(&[vec![set(), waiter.clone()], vec![set(), worker], vec![set(), waiter.clone(), waiter]]);
}

const SEQUENCE: usize = 0;
const FIRST: usize = 1;
const SECOND: usize = 2;

/// `SeqLock::write`, from this step on, for eight steps. It writes one number twice.
fn write(from: usize, number: u32) -> Vec<Step> {
    vec![
        Step::Load("write: look", Relaxed, SEQUENCE, 0),
        Step::GoIf(|it| it[0] % 2 != 0, from + 8),
        Step::AddIf("write: begin", Acquire, SEQUENCE, 0, from + 8),
        Step::Fence("write: fence", Release),
        Step::Store(FIRST, number),
        Step::Store(SECOND, number),
        Step::Change("write: end", Release, SEQUENCE, 1, |odd| odd + 1),
        Step::GoIf(|_| true, from + 8),
    ]
}

#[test]
fn a_sequence_lock_gives_no_mix() {
    let reader = vec![
        Step::Load("read: before", Acquire, SEQUENCE, 0),
        Step::GoIf(|it| it[0] % 2 != 0, 8),
        Step::Load("first", Relaxed, FIRST, 1),
        Step::Load("second", Relaxed, SECOND, 2),
        Step::Fence("read: fence", Acquire),
        Step::Load("read: after", Relaxed, SEQUENCE, 3),
        Step::GoIf(|it| it[3] != it[0], 8),
        Step::Must(|it| [it[1], it[2]] == [it[0] / 2; 2], "a snapshot is a mix"),
    ];
    // A writer that changes what another has left, as the value that it finds.
    let heir = vec![
        Step::Load("write: look", Relaxed, SEQUENCE, 0),
        Step::GoIf(|it| it[0] % 2 != 0, 5),
        Step::AddIf("write: begin", Acquire, SEQUENCE, 0, 5),
        Step::Load("first", Relaxed, FIRST, 1),
        Step::Must(|it| it[1] == it[0] / 2, "a writer does not see what the last one wrote"),
    ];
    let twice = [write(0, 1), write(8, 2)].concat();
    check(&[
        vec![write(0, 1), reader.clone()],
        vec![twice.clone(), reader.clone()],
        vec![write(0, 1), heir],
        vec![twice, reader.clone(), reader],
    ]);
}
