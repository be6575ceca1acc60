//! The life cycles of objects, against the same calls made by hand.

use std::ffi::CString;
use std::os::unix::fs::FileExt;

use posix_shm::{Direction, IfExists, OpenOptions, Shm, ShmName, list, unlink};

use crate::alone::mount_own;
use crate::raw;
use crate::stepped::{CAN_STEP, Cost, cost};

const LEN: usize = 4096;

/// How many instructions in a hundred more than were measured are allowed. Versions of the compiler
/// and of the C library differ, and so do the ways in which the bindings are made.
const MARGIN: u64 = 5;

/// One way to use an object, next to hand-written code that gives the same guarantee.
struct Cycle<'a> {
    what: &'static str,
    by_hand: &'a dyn Fn(),
    ours: &'a dyn Fn(),
    /// With rustc 1.95 and glibc 2.36. Calls and allocations must be exactly these.
    measured: Cost,
}

fn report(cycles: &[Cycle<'_>]) -> bool {
    let mut all_fit = true;
    for Cycle { what, by_hand, ours, measured } in cycles {
        let (by_hand, ours) = (cost(by_hand), cost(ours));
        let Cost { calls, instructions, allocations } = ours;
        println!(
            "{what}: {calls} calls, {instructions} instructions, {allocations} allocations; \
             by hand {}, {}, {}",
            by_hand.calls, by_hand.instructions, by_hand.allocations
        );
        let most = measured.instructions * (100 + MARGIN) / 100;
        let fits = (ours.calls, ours.allocations) == (measured.calls, measured.allocations)
            && ours.instructions <= most;
        if !fits {
            println!("  measured before: {measured:?}");
        }
        all_fit &= fits;
    }
    all_fit
}

fn creating() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).if_exists(IfExists::Error).size(LEN as u64);
    options
}

fn cost_of(calls: u64, instructions: u64, allocations: u64) -> Cost {
    Cost { calls, instructions, allocations }
}

pub(crate) fn main() {
    if !CAN_STEP {
        println!("skipped: instructions are only counted on x86-64");
        return;
    }
    let name = ShmName::random("counted.").unwrap();
    let text = name.to_string();
    let text = text.as_str();
    let c_name = CString::from(name.clone());
    let c_name = c_name.as_c_str();
    let path = CString::new(format!("/dev/shm{text}")).unwrap();
    let path = path.as_c_str();
    static CONTENT: [u8; LEN] = [7; LEN];

    let complete = || {
        let object = raw::unnamed();
        raw::reserve(object, LEN);
        let start = raw::map_and_touch(object, LEN);
        raw::name(object, path);
        raw::unmap(start, LEN);
        raw::close(object);
        raw::unlink(c_name);
    };
    let in_steps = || {
        let object = raw::unnamed();
        raw::reserve(object, LEN);
        raw::name(object, path);
        let stat = raw::stat(object);
        let start = raw::map_and_touch(object, LEN);
        raw::unmap(start, stat.st_size as usize);
        raw::close(object);
        raw::unlink(c_name);
    };
    let in_steps_and_ours = || {
        let object = raw::unnamed();
        raw::reserve(object, LEN);
        raw::name(object, path);
        let stat = raw::stat(object);
        let start = raw::map_and_touch(object, LEN);
        raw::unmap(start, stat.st_size as usize);
        let (ours, found) = (raw::stat(object), raw::stat_path(path));
        assert_eq!((ours.st_dev, ours.st_ino), (found.st_dev, found.st_ino));
        raw::unlink(c_name);
        raw::close(object);
    };
    let anonymous = || {
        let object = raw::anonymous();
        raw::reserve(object, LEN);
        let start = raw::map_and_touch(object, LEN);
        raw::unmap(start, LEN);
        raw::close(object);
    };
    let published = || {
        let object = raw::unnamed();
        raw::write(object, &CONTENT);
        raw::name(object, path);
        raw::close(object);
        raw::unlink(c_name);
    };
    let mut fit = report(&[
        Cycle {
            what: "open_mapped to unlink",
            by_hand: &complete,
            ours: &|| {
                let (object, mapping) = creating().open_mapped(text).unwrap();
                mapping.bytes().store(0, 1);
                drop((mapping, object));
                unlink(text).unwrap();
            },
            measured: cost_of(7, 1111, 0),
        },
        Cycle {
            what: "open_mapped to unlink, by a ShmName",
            by_hand: &complete,
            ours: &|| {
                let (object, mapping) = creating().open_mapped(&name).unwrap();
                mapping.bytes().store(0, 1);
                drop((mapping, object));
                unlink(&name).unwrap();
            },
            measured: cost_of(7, 905, 0),
        },
        Cycle {
            what: "create, map_mut, unlink",
            by_hand: &in_steps,
            ours: &|| {
                let object = Shm::create(text, LEN as u64).unwrap();
                let mapping = object.map_mut().unwrap();
                mapping.bytes().store(0, 1);
                drop((mapping, object));
                unlink(text).unwrap();
            },
            measured: cost_of(8, 1089, 0),
        },
        Cycle {
            what: "create, map_mut, Shm::unlink",
            by_hand: &in_steps_and_ours,
            ours: &|| {
                let object = Shm::create(&name, LEN as u64).unwrap();
                let mapping = object.map_mut().unwrap();
                mapping.bytes().store(0, 1);
                drop(mapping);
                object.unlink().unwrap();
            },
            measured: cost_of(10, 1063, 0),
        },
        Cycle {
            what: "anonymous, at once",
            by_hand: &anonymous,
            ours: &|| {
                let (_object, mapping) = creating().open_anonymous_mapped().unwrap();
                mapping.bytes().store(0, 1);
            },
            measured: cost_of(5, 365, 0),
        },
        Cycle {
            what: "anonymous, map_mut",
            by_hand: &anonymous,
            ours: &|| {
                let object = Shm::anonymous(LEN as u64).unwrap();
                object.map_mut().unwrap().bytes().store(0, 1);
            },
            measured: cost_of(5, 350, 0),
        },
        Cycle {
            what: "publish to unlink",
            by_hand: &published,
            ours: &|| {
                drop(Shm::publish(text, &CONTENT).unwrap());
                unlink(text).unwrap();
            },
            measured: cost_of(5, 737, 0),
        },
        Cycle {
            what: "publish to unlink, by a ShmName",
            by_hand: &published,
            ours: &|| {
                drop(Shm::publish(&name, &CONTENT).unwrap());
                unlink(&name).unwrap();
            },
            measured: cost_of(5, 531, 0),
        },
    ]);

    let kept = Shm::publish(&name, &CONTENT).unwrap();
    let by_hand = kept.try_clone().unwrap();
    let by_hand = std::os::fd::AsRawFd::as_raw_fd(&by_hand);
    let opened = || {
        let object = raw::open(c_name);
        let len = raw::stat(object).st_size as usize;
        let start = raw::map(object, libc::PROT_READ, len);
        // SAFETY: the mapping was made above.
        assert_eq!(unsafe { start.read_volatile() }, 7);
        raw::unmap(start, len);
        raw::close(object);
    };
    fit &= report(&[
        Cycle {
            what: "open, map, read, close",
            by_hand: &opened,
            ours: &|| {
                let object = Shm::open(text).unwrap();
                assert_eq!(object.map().unwrap().bytes().load(0), 7);
            },
            measured: cost_of(5, 459, 0),
        },
        Cycle {
            what: "open, map, read, close, by a ShmName",
            by_hand: &opened,
            ours: &|| {
                let object = Shm::open(&name).unwrap();
                assert_eq!(object.map().unwrap().bytes().load(0), 7);
            },
            measured: cost_of(5, 356, 0),
        },
        Cycle {
            what: "read_at",
            by_hand: &|| raw::read(by_hand, &mut [0; 64]),
            ours: &|| assert_eq!(kept.read_at(&mut [0; 64], 0).unwrap(), 64),
            measured: cost_of(1, 62, 0),
        },
    ]);
    kept.unlink().unwrap();
    drop(kept);

    match mount_own(c"mode=1777") {
        Ok(()) => fit &= listed(),
        Err(why) => println!("skipped: list() takes a /dev/shm of its own: {why}"),
    }
    assert!(fit, "a life cycle costs more than it did");
}

/// What an entry of the list costs: the difference between many and few of them.
fn listed() -> bool {
    const FEW: usize = 10;
    const MANY: usize = 110;
    let mut made = 0;
    let mut costs = Vec::new();
    for count in [FEW, MANY] {
        while made < count {
            drop(Shm::create(format!("entry-number-{made:06}"), 0).unwrap());
            made += 1;
        }
        let by_hand = cost(|| assert_eq!(raw::list(true), count));
        let ours = cost(|| assert_eq!(list().unwrap().filter(Result::is_ok).count(), count));
        costs.push((by_hand, ours));
    }
    let each =
        |of: fn(&(Cost, Cost)) -> u64| (of(&costs[1]) - of(&costs[0])) as f64 / (MANY - FEW) as f64;
    println!(
        "list(), an entry: {} calls, {} instructions, {} allocations; by hand {}, {}",
        each(|(_, ours)| ours.calls),
        each(|(_, ours)| ours.instructions),
        each(|(_, ours)| ours.allocations),
        each(|(by_hand, _)| by_hand.calls),
        each(|(by_hand, _)| by_hand.instructions),
    );
    println!("list() of {FEW}: {:?}", costs[0]);
    /// Measured as above, rounded up.
    const INSTRUCTIONS: f64 = 516.0;
    let most = INSTRUCTIONS * (100 + MARGIN) as f64 / 100.0;
    let of_hand = |of: fn(&Cost) -> u64| of(&costs[1].0) - of(&costs[0].0);
    let of_ours = |of: fn(&Cost) -> u64| of(&costs[1].1) - of(&costs[0].1);
    // With 10 objects and with 110, the one allocation is the iterator's.
    of_ours(|cost| cost.allocations) == 0
        && of_ours(|cost| cost.calls) == of_hand(|cost| cost.calls)
        && each(|(_, ours)| ours.instructions) <= most
}
