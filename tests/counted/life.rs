//! The life cycles of objects, against the same calls made by hand.

use std::cell::RefCell;
use std::os::unix::net::UnixStream;

use posix_shm::{Shm, list};

use crate::alone::mount_own;
use crate::cycles::{self, Cycle, LEN, Name, Ours};
use crate::raw;
use crate::stepped::{CAN_STEP, Cost, cost};

/// How many instructions in a hundred more than were measured are allowed. Versions of the compiler
/// and of the C library differ, and so do the ways in which the bindings are made.
const MARGIN: u64 = 5;

/// Whether each way costs what it did.
fn report(Cycle { what, by_hand, ours }: Cycle<'_>) -> bool {
    let by_hand = cost(by_hand);
    let Cost { calls, instructions, allocations } = by_hand;
    println!(
        "{what}: by hand {calls} calls, {instructions} instructions, {allocations} allocations"
    );
    let mut all_fit = true;
    for Ours { name, run, cost: measured } in ours {
        let found = cost(run);
        let Cost { calls, instructions, allocations } = found;
        println!("  {name}: {calls}, {instructions}, {allocations}");
        let Some(measured) = measured else { continue };
        let most = measured.instructions * (100 + MARGIN) / 100;
        let fits =
            (calls, allocations) == (measured.calls, measured.allocations) && instructions <= most;
        if !fits {
            println!("    measured before: {measured:?}");
        }
        all_fit &= fits;
    }
    all_fit
}

pub(crate) fn main() {
    if !CAN_STEP {
        println!("skipped: instructions are only counted on x86-64");
        return;
    }
    let name = Name::random();
    let content = [7; LEN];
    let mut fit = report(cycles::create(&name));
    fit &= report(cycles::create_in_steps(&name));
    fit &= report(cycles::create_and_remove_own(&name));
    fit &= report(cycles::anonymous());
    fit &= report(cycles::publish(&name, &content));

    let kept = Shm::publish(&name.checked, &content).unwrap();
    fit &= report(cycles::open(&name));
    fit &= report(cycles::read(&kept, &RefCell::new(vec![0; LEN])));
    kept.unlink().unwrap();
    drop(kept);

    let sockets = UnixStream::pair().unwrap();
    fit &= report(cycles::pass(&Shm::anonymous(LEN as u64).unwrap(), &sockets));

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
    const INSTRUCTIONS: f64 = 342.0;
    let most = INSTRUCTIONS * (100 + MARGIN) as f64 / 100.0;
    let of_hand = |of: fn(&Cost) -> u64| of(&costs[1].0) - of(&costs[0].0);
    let of_ours = |of: fn(&Cost) -> u64| of(&costs[1].1) - of(&costs[0].1);
    costs.iter().all(|(_, ours)| ours.allocations == 0)
        && of_ours(|cost| cost.calls) == of_hand(|cost| cost.calls)
        && each(|(_, ours)| ours.instructions) <= most
}
