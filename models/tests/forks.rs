//! Marks and forks.

use posix_shm_models::explorer::explore;
use posix_shm_models::forks::{Forks, Guard, Mutation, programs};

#[test]
fn no_child_removes_a_name() {
    for guard in [Guard::Unlink, Guard::Draft] {
        let explored = explore(Forks::new(), &programs(guard, None));
        let explored = explored.unwrap_or_else(|broken| panic!("{guard:?}: {broken:?}"));
        super::report(&format!("forks, {guard:?}"), explored.states);
        super::follow(&explored.sites, 5);
    }
}

#[test]
fn every_mutation_breaks_a_rule() {
    use Mutation::{CountCleared, DropWithoutMark, ProcessNumber, WordNotCleared};
    for mutation in [DropWithoutMark, WordNotCleared, CountCleared, ProcessNumber] {
        let broken = explore(Forks::new(), &programs(Guard::Unlink, Some(mutation)));
        super::caught(&format!("{mutation:?}"), broken.expect_err("a mutation").rule);
    }
}
