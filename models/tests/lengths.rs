//! Growing, with three processes.

use posix_shm_models::explorer::{Broken, Explored, explore};
use posix_shm_models::lengths::{Mutation, Object, Task, program};

use Task::{Grow, SetLenAtFirst};

fn try_with(mutation: Option<Mutation>, tasks: &[Task]) -> Result<Explored, Broken> {
    let programs: Vec<_> = tasks.iter().map(|task| program(*task, mutation)).collect();
    // Enough for some of them, and signals that interrupt three calls.
    explore(Object::new(4, 3), &programs)
}

const SCENARIOS: [[Task; 3]; 3] = [
    [Grow(2), Grow(3), Grow(5)],
    [Grow(3), Grow(6), Grow(4)],
    [SetLenAtFirst(2), Grow(3), Grow(5)],
];

#[test]
fn growing_shortens_nothing_and_leaves_no_hole() {
    for tasks in SCENARIOS {
        let explored =
            try_with(None, &tasks).unwrap_or_else(|broken| panic!("{tasks:?}: {broken:?}"));
        super::report(&format!("lengths, {tasks:?}"), explored.states);
        super::follow(&explored.sites, 5);
    }
}

#[test]
fn every_mutation_breaks_a_rule() {
    let all = [
        Mutation::RollBack,
        Mutation::StepsSetLength,
        Mutation::LengthFirst,
        Mutation::NoSteps,
        Mutation::GrowByTruncating,
        Mutation::ShortenAtFirst,
    ];
    for mutation in all {
        let broken = SCENARIOS.iter().find_map(|tasks| try_with(Some(mutation), tasks).err());
        super::caught(&format!("{mutation:?}"), broken.expect("a mutation").rule);
    }
}
