//! Growing an object that peers grow too: `length.rs` and `imp/reserve.rs`.
//!
//! Lengths are pages. There is less memory than all want, and signals interrupt.

use crate::explorer::{Answer, Process, Program, Step, World};
use crate::site::Site;

const PROCESSES: usize = 3;
/// The longest object.
const PAGES: u8 = 6;

const NOSPC: Answer = 102;
const INTR: Answer = 103;

/// What is done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// What was reserved is given back by setting the old length, as for an object of one's own.
    RollBack,
    /// After a signal, the steps set the length too.
    StepsSetLength,
    /// After a signal, the length is set first and the memory is reserved then.
    LengthFirst,
    /// After a signal, the length is set without the memory.
    NoSteps,
    /// Growing sets the length by `ftruncate`.
    GrowByTruncating,
    /// The first call on an object that was created empty shortens what peers have added.
    ShortenAtFirst,
}

/// What a process does.
#[derive(Clone, Copy, Debug)]
pub enum Task {
    /// `Shm::grow`.
    Grow(u8),
    /// `Shm::set_len`, the first on an object that this process has created empty.
    SetLenAtFirst(u8),
}

/// An object, and the memory that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    len: u8,
    /// A bit a page.
    memory: u8,
    free: u8,
    signals: u8,
    /// How long each process that has succeeded knows it to be.
    promised: [u8; PROCESSES],
    /// Whether each process has made it longer.
    grown: [bool; PROCESSES],
    wrong: Option<&'static str>,
}

impl Object {
    /// An empty object, so many free pages, and signals that interrupt so many calls.
    #[must_use]
    pub fn new(free: u8, signals: u8) -> Object {
        let (promised, grown) = ([0; PROCESSES], [false; PROCESSES]);
        Object { len: 0, memory: 0, free, signals, promised, grown, wrong: None }
    }

    /// `fallocate`: all pages or none.
    fn allocate(&mut self, me: usize, from: u8, to: u8, sets_len: bool) -> Answer {
        let wanted = (1u8 << to) - (1 << from);
        #[allow(clippy::cast_possible_truncation, reason = "there are six pages")]
        let missing = (wanted & !self.memory).count_ones() as u8;
        if missing > self.free {
            return NOSPC;
        }
        self.free -= missing;
        self.memory |= wanted;
        if sets_len && self.len < to {
            self.len = to;
            self.grown[me] = true;
        }
        0
    }

    /// `ftruncate`.
    fn truncate(&mut self, to: u8) {
        let kept = self.memory & ((1 << to) - 1);
        #[allow(clippy::cast_possible_truncation, reason = "there are six pages")]
        let freed = (self.memory & !kept).count_ones() as u8;
        self.free += freed;
        self.memory = kept;
        self.len = to;
    }
}

impl World for Object {
    fn end(&mut self, _: usize) {}

    fn check(&self) -> Result<(), &'static str> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        if self.memory & ((1 << self.len) - 1) != (1 << self.len) - 1 {
            return Err("a page of the object has no memory");
        }
        if self.promised.iter().any(|promised| *promised > self.len) {
            return Err("the object is shorter than a process has made it");
        }
        Ok(())
    }
}

/// The program of a process that does a task.
#[must_use]
pub fn program<'a>(task: Task, mutation: Option<Mutation>) -> Program<'a, Object> {
    Box::new(move |process| {
        let mut library = Library { process, mutation };
        let (to, from) = match task {
            Task::Grow(to) => (to, library.known_end()?),
            // It is taken to be empty still.
            Task::SetLenAtFirst(to) => (to, 0),
        };
        if let (Task::SetLenAtFirst(_), Some(Mutation::ShortenAtFirst)) = (task, mutation) {
            return library.truncate(to);
        }
        if from >= to {
            return Ok(());
        }
        let answer = library.by_fallocate(from, to)?;
        let me = library.process.me;
        library.process.note(|world| {
            if answer == 0 {
                world.promised[me] = to;
            } else if world.grown[me] {
                world.wrong = Some("growing has failed, and has made the object longer");
            }
        });
        Ok(())
    })
}

struct Library<'p, 'w> {
    process: &'p mut Process<'w, Object>,
    mutation: Option<Mutation>,
}

impl Library<'_, '_> {
    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    fn known_end(&mut self) -> Step<u8> {
        static SITE: Site = Site {
            file: "length.rs",
            function: "grow(&self",
            does: &["self.known_end(to)?", "if from < to { self.grow_from(from, to) }"],
        };
        static END: Site = Site {
            file: "length.rs",
            function: "known_end",
            does: &[
                "self.take_still_empty() && imp::RESERVE_ONLY_GROWS",
                "return Ok(0)",
                "self.metadata()?",
            ],
        };
        static SET_LEN: Site = Site {
            file: "length.rs",
            function: "set_len",
            does: &[
                "self.is_still_empty()",
                "self.known_end(to)?",
                "true => self.grow_from(from, to)",
                "false if was_empty => Ok(())",
            ],
        };
        self.process.pass(&SITE);
        self.process.pass(&SET_LEN);
        self.process.call(&END, "fstat", |world, choice| (choice == 0).then_some(world.len))
    }

    fn truncate(&mut self, to: u8) -> Step<()> {
        static SITE: Site =
            Site { file: "length.rs", function: "truncate", does: &["imp::resize(self.fd(), to)"] };
        self.process.call(&SITE, "ftruncate", |world, choice| {
            (choice == 0).then(|| {
                world.truncate(to);
                0
            })
        })?;
        Ok(())
    }

    fn by_fallocate(&mut self, from: u8, to: u8) -> Step<Answer> {
        static SITE: Site = Site {
            file: "imp/reserve.rs",
            function: "by_fallocate",
            does: &[
                "syscalls::fallocate(object, 0, growth.from, growth.to - growth.from)",
                "after_fallocate(object, growth, errno)",
            ],
        };
        static AFTER: Site = Site {
            file: "imp/reserve.rs",
            function: "after_fallocate",
            does: &[
                "Errno::INTR =>",
                "sys::FALLOC_FL_KEEP_SIZE",
                "in_steps(&growth, |at, len| syscalls::fallocate(object, keep, at, len))",
                "retry(|| syscalls::fallocate(object, 0, to - 1, 1))",
                "give_back(object, &growth",
            ],
        };
        static STEPS: Site = Site {
            file: "imp/reserve.rs",
            function: "in_steps",
            does: &["while done < growth.to", "done += bytes", "Err(Errno::INTR) =>"],
        };
        assert!(to <= PAGES, "an object of the model has at most {PAGES} pages");
        if self.is(Mutation::GrowByTruncating) {
            let memory = self.allocate(&SITE, from, to, false)?;
            if memory == 0 {
                self.truncate(to)?;
            }
            return Ok(memory);
        }
        let mut answer = self.allocate(&SITE, from, to, true)?;
        self.process.pass(&AFTER);
        if answer == INTR {
            if self.is(Mutation::LengthFirst) {
                self.allocate_at_last(&SITE, to)?;
            }
            answer = 0;
            if !self.is(Mutation::NoSteps) {
                let mut done = from;
                let sets_len = self.is(Mutation::StepsSetLength);
                while done < to && answer == 0 {
                    match self.allocate(&STEPS, done, done + 1, sets_len)? {
                        0 => done += 1,
                        INTR => {}
                        errno => answer = errno,
                    }
                }
            }
            if answer == 0 {
                answer = self.allocate_at_last(&SITE, to)?;
            }
        }
        if answer != 0 {
            self.give_back(from)?;
        }
        Ok(answer)
    }

    /// Reserves the last page, which sets the length; for as long as signals interrupt.
    fn allocate_at_last(&mut self, site: &'static Site, to: u8) -> Step<Answer> {
        static RETRY: Site = Site {
            file: "imp/reserve.rs",
            function: "retry",
            does: &["Err(Errno::INTR) => {}", "result => return result"],
        };
        self.process.pass(&RETRY);
        loop {
            match self.allocate(site, to - 1, to, true)? {
                INTR => {}
                answer => return Ok(answer),
            }
        }
    }

    fn allocate(&mut self, site: &'static Site, from: u8, to: u8, len: bool) -> Step<Answer> {
        let me = self.process.me;
        self.process.call(site, "fallocate", |world, choice| match choice {
            0 => Some(world.allocate(me, from, to, len)),
            1 if world.signals > 0 => {
                world.signals -= 1;
                Some(INTR)
            }
            _ => None,
        })
    }

    fn give_back(&mut self, from: u8) -> Step<()> {
        static SITE: Site = Site {
            file: "imp/reserve.rs",
            function: "give_back",
            does: &[
                "if growth.ours {",
                "syscalls::set_len(object, growth.from)",
                "return failure;",
                "match syscalls::stat(object)",
            ],
        };
        self.process.pass(&SITE);
        if self.is(Mutation::RollBack) { self.truncate(from) } else { Ok(()) }
    }
}
