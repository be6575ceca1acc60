//! What a forked child inherits removes no name: `Mark`, `UnlinkOnDrop` and `Draft`.
//!
//! The first process makes a guard and forks the second, which forks the third. Each drops the
//! guard that it has or has inherited. Process numbers are used again.

use crate::explorer::{Process, Program, Step, World};
use crate::site::Site;

const PROCESSES: usize = 3;

/// What is done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Dropping does not look whose guard it is.
    DropWithoutMark,
    /// Fork leaves the word as it is.
    WordNotCleared,
    /// Fork clears the count of marks, too.
    CountCleared,
    /// The process number is the mark.
    ProcessNumber,
}

/// What the guard is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// `UnlinkOnDrop`.
    Unlink,
    /// A `Draft` that an initialiser has, which forks.
    Draft,
}

/// The processes, with their memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Forks {
    /// 0 if there is none (yet, or any more).
    numbers: [u8; PROCESSES],
    words: [u8; PROCESSES],
    counts: [u8; PROCESSES],
    /// The mark in the guard, of which every process has a copy.
    mark: u8,
    removed_by: Option<usize>,
    dropped: [bool; PROCESSES],
}

impl Forks {
    /// One process, which has process number 1.
    #[must_use]
    pub fn new() -> Forks {
        Forks {
            numbers: [1, 0, 0],
            words: [0; PROCESSES],
            counts: [0; PROCESSES],
            mark: 0,
            removed_by: None,
            dropped: [false; PROCESSES],
        }
    }

    /// `Mark::now`.
    fn now(&mut self, me: usize, mutation: Option<Mutation>) -> u8 {
        if mutation == Some(Mutation::ProcessNumber) {
            return self.numbers[me];
        }
        if self.words[me] == 0 {
            self.counts[me] += 1;
            self.words[me] = self.counts[me];
        }
        self.words[me]
    }

    /// Forks a child, which gets any process number that is free. `None` if there are not so many.
    fn fork(&mut self, me: usize, choice: usize, mutation: Option<Mutation>) -> Option<()> {
        let number = (1..=4).filter(|number| !self.numbers.contains(number)).nth(choice)?;
        let child = me + 1;
        self.numbers[child] = number;
        let keeps = mutation == Some(Mutation::WordNotCleared);
        self.words[child] = if keeps { self.words[me] } else { 0 };
        let loses = mutation == Some(Mutation::CountCleared);
        self.counts[child] = if loses { 0 } else { self.counts[me] };
        Some(())
    }
}

impl Default for Forks {
    fn default() -> Forks {
        Forks::new()
    }
}

impl World for Forks {
    fn end(&mut self, process: usize) {
        self.numbers[process] = 0;
    }

    fn check(&self) -> Result<(), &'static str> {
        match self.removed_by {
            Some(1..) => Err("a child has removed the name"),
            None if self.dropped[0] => Err("the process that made the guard leaves the name"),
            _ => Ok(()),
        }
    }
}

/// The program of each process.
#[must_use]
pub fn programs<'a>(guard: Guard, mutation: Option<Mutation>) -> Vec<Program<'a, Forks>> {
    (0..PROCESSES)
        .map(|_| -> Program<'a, Forks> { Box::new(move |it| run(it, guard, mutation)) })
        .collect()
}

fn run(process: &mut Process<'_, Forks>, guard: Guard, mutation: Option<Mutation>) -> Step<()> {
    static NOW: Site = Site {
        file: "imp/fork.rs",
        function: "now",
        does: &["static LAST", "word.load(", "LAST.fetch_add(1", "word.compare_exchange(0, next"],
    };
    static WORD: Site = Site {
        file: "imp/fork.rs",
        function: "word",
        does: &["page_cleared_by_fork()", "pthread_atfork(None, None, Some(clear))"],
    };
    static MADE: Site =
        Site { file: "unlink.rs", function: "unlink_on_drop", does: &["mark: Mark::now()"] };
    static DRAFT: Site = Site {
        file: "imp/draft.rs",
        function: "new",
        does: &["(lent && held.name().is_some()).then(Mark::now)"],
    };
    static IS_OURS: Site = Site {
        file: "imp/fork.rs",
        function: "is_of_this_process",
        does: &["*self == Mark::now()"],
    };
    static DROP: Site = Site {
        file: "unlink.rs",
        function: "drop",
        does: &["self.mark.is_of_this_process()", "shm.unlink()"],
    };
    static REMOVE: Site = Site {
        file: "imp/draft.rs",
        function: "remove",
        does: &["Mark::is_of_this_process", "remove_if_same("],
    };
    let me = process.me;
    let (made, drop) = match guard {
        Guard::Unlink => (&MADE, &DROP),
        Guard::Draft => (&DRAFT, &REMOVE),
    };
    process.pass(&NOW);
    if me == 0 {
        process.pass(made);
        process.call(&NOW, "makes a guard", |world, choice| {
            (choice == 0).then(|| {
                world.mark = world.now(me, mutation);
                0
            })
        })?;
    } else {
        // It may use the library before it forks, or only then.
        process.call(&WORD, "is forked, and may ask for a mark", |world, choice| {
            (choice < 2 && world.numbers[me] != 0).then(|| {
                if choice == 1 {
                    world.now(me, mutation);
                }
                0
            })
        })?;
    }
    if me + 1 < PROCESSES {
        process
            .call(&WORD, "forks", |world, choice| world.fork(me, choice, mutation).map(|()| 0))?;
    }
    process.pass(drop);
    let is_ours = process.call(&IS_OURS, "looks whose guard it is", |world, choice| {
        let is_ours = world.mark == world.now(me, mutation);
        (choice == 0).then_some(is_ours.into())
    })?;
    if is_ours != 0 || mutation == Some(Mutation::DropWithoutMark) {
        process.call(drop, "unlink", |world, choice| {
            (choice == 0).then(|| {
                world.removed_by = world.removed_by.or(Some(me));
                0
            })
        })?;
    }
    process.note(|world| world.dropped[me] = true);
    Ok(())
}
