//! Explores every order of the steps of several processes.
//!
//! A process is ordinary code, in which each system call goes through [`Process::call`]. The
//! explorer runs one call at a time. To go on from a state, it runs the code again from its start
//! and gives it the answers that it had so far. So a process's own state is the list of these
//! answers, and the code can be read next to the library's.

use std::collections::{BTreeSet, HashSet};
use std::fmt::{self, Debug, Write as _};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::site::Site;

/// What the processes share: the system.
pub trait World: Copy + Eq + Hash + Debug {
    /// A process has ended, after its last step or because it was killed.
    fn end(&mut self, process: usize);

    /// What must be true in every state.
    ///
    /// # Errors
    ///
    /// What is wrong.
    fn check(&self) -> Result<(), &'static str>;

    /// What must be true when no process can do anything more.
    ///
    /// # Errors
    ///
    /// What is wrong.
    fn check_end(&self) -> Result<(), &'static str> {
        Ok(())
    }
}

/// The answer of a call: a number, or one of the world's error codes.
pub type Answer = u8;

/// The process can go no further in this run.
#[derive(Clone, Copy, Debug)]
pub struct Stop;

/// The result of code that may have to stop.
pub type Step<T> = Result<T, Stop>;

/// The code of a process.
pub type Program<'a, W> = Box<dyn Fn(&mut Process<'_, W>) -> Step<()> + 'a>;

/// The most calls that one process makes.
const LONGEST: usize = 56;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Past {
    len: u8,
    answers: [Answer; LONGEST],
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Life {
    Running(Past),
    Finished,
    /// Ended, of its own accord or not.
    Ended,
}

/// A process while its code runs.
#[derive(Debug)]
pub struct Process<'a, W> {
    /// Its number.
    pub me: usize,
    world: &'a mut W,
    past: Vec<Answer>,
    at: usize,
    choice: usize,
    made: Option<(&'static Site, &'static str)>,
    passed: Vec<&'static Site>,
}

impl<W> Process<'_, W> {
    /// Makes a system call, which is one step. `act` gets the world and the number of a way in
    /// which the call may go, and returns the answer; `None` if there are not so many ways. A call
    /// with no way at all waits.
    ///
    /// # Errors
    ///
    /// It is not its turn.
    pub fn call(
        &mut self,
        site: &'static Site,
        what: &'static str,
        act: impl FnOnce(&mut W, usize) -> Option<Answer>,
    ) -> Step<Answer> {
        if let Some(answer) = self.past.get(self.at) {
            self.at += 1;
            return Ok(*answer);
        }
        if self.made.is_some() {
            return Err(Stop);
        }
        let answer = act(self.world, self.choice).ok_or(Stop)?;
        self.made = Some((site, what));
        self.past.push(answer);
        self.at += 1;
        Ok(answer)
    }

    /// Passes through a function that makes its calls by others.
    pub fn pass(&mut self, site: &'static Site) {
        self.passed.push(site);
    }

    /// Writes down what has happened, together with the call before.
    pub fn note(&mut self, note: impl FnOnce(&mut W)) {
        if self.made.is_some() && self.at == self.past.len() {
            note(self.world);
        }
    }
}

#[derive(Clone)]
struct State<W> {
    world: W,
    lives: Vec<Life>,
}

impl<W: World> State<W> {
    /// Two hashes of 64 bits. Two states with the same ones do not occur.
    fn fingerprint(&self) -> u128 {
        let mut hashers = [DefaultHasher::new(), DefaultHasher::new()];
        hashers[1].write_u8(1);
        for hasher in &mut hashers {
            self.world.hash(hasher);
            for life in &self.lives {
                match life {
                    Life::Running(past) => past.answers[..past.len.into()].hash(hasher),
                    Life::Finished => hasher.write_u8(1),
                    Life::Ended => hasher.write_u8(2),
                }
            }
        }
        let [high, low] = hashers.map(|hasher| u128::from(hasher.finish()));
        high << 64 | low
    }
}

/// A complete exploration.
#[derive(Debug)]
pub struct Explored {
    /// How many states there are.
    pub states: usize,
    /// The functions of the library that were passed through.
    pub sites: BTreeSet<&'static Site>,
}

/// A rule that is broken, and the shortest way there.
pub struct Broken {
    /// Which rule.
    pub rule: &'static str,
    /// A line a step.
    pub steps: Vec<String>,
}

impl Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, after:", self.rule)?;
        self.steps.iter().try_for_each(|step| write!(f, "\n  {step}"))
    }
}

/// A step: who, what, and the number of the state that it was made in.
struct Link {
    from: usize,
    who: usize,
    what: Option<(&'static Site, &'static str)>,
}

/// Goes through everything that can happen, shortest ways first.
///
/// # Errors
///
/// The first rule that is broken.
///
/// # Panics
///
/// A process makes more calls than there is room for.
pub fn explore<W: World>(first: W, programs: &[Program<'_, W>]) -> Result<Explored, Broken> {
    let start = Past { len: 0, answers: [0; LONGEST] };
    let first = State { world: first, lives: vec![Life::Running(start); programs.len()] };
    let mut sites = BTreeSet::new();
    let mut known = HashSet::from([first.fingerprint()]);
    let mut links = vec![Link { from: 0, who: 0, what: None }];
    let mut layer = vec![(0, first)];
    while !layer.is_empty() {
        let mut next_layer = Vec::new();
        for (number, state) in layer {
            let mut all_ended = true;
            let mut add = |next: State<W>, who, what| {
                if !known.insert(next.fingerprint()) {
                    return Ok(());
                }
                links.push(Link { from: number, who, what });
                let wrong = next.world.check();
                next_layer.push((links.len() - 1, next));
                wrong.map_err(|rule| Broken { rule, steps: steps_to(&links, links.len() - 1) })
            };
            for (who, program) in programs.iter().enumerate() {
                match state.lives[who] {
                    Life::Ended => continue,
                    Life::Running(past) => {
                        for choice in 0.. {
                            let Some((next, made)) =
                                run(&state, who, &past, choice, program, &mut sites)
                            else {
                                break;
                            };
                            add(next, who, Some(made))?;
                        }
                    }
                    Life::Finished => {}
                }
                all_ended = false;
                let mut killed = state.clone();
                killed.lives[who] = Life::Ended;
                killed.world.end(who);
                add(killed, who, None)?;
            }
            if all_ended {
                state
                    .world
                    .check_end()
                    .map_err(|rule| Broken { rule, steps: steps_to(&links, number) })?;
            }
        }
        layer = next_layer;
    }
    Ok(Explored { states: known.len(), sites })
}

/// Lets a process make one call. `None` if there is no such way.
fn run<W: World>(
    state: &State<W>,
    who: usize,
    past: &Past,
    choice: usize,
    program: &Program<'_, W>,
    sites: &mut BTreeSet<&'static Site>,
) -> Option<(State<W>, (&'static Site, &'static str))> {
    let mut next = state.clone();
    let answers = past.answers[..past.len.into()].to_vec();
    let mut process = Process {
        me: who,
        world: &mut next.world,
        past: answers,
        at: 0,
        choice,
        made: None,
        passed: Vec::new(),
    };
    let result = program(&mut process);
    let Process { past, made, passed, .. } = process;
    let made = made?;
    sites.extend(passed);
    sites.insert(made.0);
    next.lives[who] = match result {
        Ok(()) => Life::Finished,
        Err(Stop) => {
            assert!(past.len() <= LONGEST, "a process makes more than {LONGEST} calls");
            let mut answers = [0; LONGEST];
            answers[..past.len()].copy_from_slice(&past);
            #[allow(clippy::cast_possible_truncation, reason = "asserted just before")]
            Life::Running(Past { len: past.len() as u8, answers })
        }
    };
    Some((next, made))
}

fn steps_to(links: &[Link], mut number: usize) -> Vec<String> {
    let mut steps = Vec::new();
    while number != 0 {
        let Link { from, who, what } = &links[number];
        let mut step = format!("process {who}: ");
        let _ = match what {
            Some((site, what)) => write!(step, "{what} ({} in {})", site.function, site.file),
            None => write!(step, "ends"),
        };
        steps.push(step);
        number = *from;
    }
    steps.reverse();
    steps
}
