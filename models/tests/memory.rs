//! The event and the sequence lock.

use posix_shm_models::memory::{
    EVENT, EventMutation, Program, SEQ_LOCK, SeqLockMutation, event, explore, seq_lock, weakenings,
};

/// Explores programs, and every weakening of an ordering or a fence in them.
fn check(model: &str, programs: &[Program]) {
    for (nth, program) in programs.iter().enumerate() {
        let states = explore(program).unwrap_or_else(|wrong| panic!("program {nth}: {wrong}"));
        super::report(&format!("{model}, program {nth}"), states);
    }
    let weakenings = weakenings(programs);
    assert!(weakenings.len() >= 4, "only {} ways to weaken it", weakenings.len());
    for (what, programs) in weakenings {
        super::caught(
            &what,
            first_wrong(&programs).unwrap_or_else(|| panic!("not noticed: {what}")),
        );
    }
}

fn first_wrong(programs: &[Program]) -> Option<&'static str> {
    programs.iter().find_map(|program| explore(program).err())
}

#[test]
fn an_event_loses_no_wake_and_publishes_the_data() {
    check("event", &event(None));
    super::follow(&EVENT.iter().collect(), 4);
    let all = [
        EventMutation::WakeOnlyTheFirstTime,
        EventMutation::LookBeforeSetting,
        EventMutation::WaitUncounted,
        EventMutation::SetWithoutCounting,
    ];
    for mutation in all {
        let wrong = first_wrong(&event(Some(mutation)));
        super::caught(&format!("{mutation:?}"), wrong.expect("a mutation"));
    }
}

#[test]
fn a_sequence_lock_gives_no_mix() {
    check("sequence lock", &seq_lock(None));
    super::follow(&SEQ_LOCK.iter().collect(), 4);
    let all = [
        SeqLockMutation::DataFirst,
        SeqLockMutation::EvenTooEarly,
        SeqLockMutation::ReadOdd,
        SeqLockMutation::ReadOnce,
        SeqLockMutation::WriteOdd,
        SeqLockMutation::ResetKeepsOdd,
    ];
    for mutation in all {
        let wrong = first_wrong(&seq_lock(Some(mutation)));
        super::caught(&format!("{mutation:?}"), wrong.unwrap_or_else(|| panic!("{mutation:?}")));
    }
}
