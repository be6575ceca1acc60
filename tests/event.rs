//! Events between threads and processes. What they cost is in `system_calls.rs`, and every order of
//! their steps in `models/`.

use std::io::ErrorKind;
use std::sync::atomic::Ordering::Acquire;
use std::time::Duration;

use posix_shm::Shm;

use crate::common::{Names, page, peer};
use crate::wait::{ASLEEP, Children, PATIENCE, all_ready, meanwhile, rounds};

#[test]
fn two_processes_answer_each_other_and_no_wake_is_lost() {
    let rounds = rounds(20_000);
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, page()).unwrap();
    let mapping = object.map_mut().unwrap();
    let arguments = [name.to_string(), rounds.to_string()];
    let child = peer("answer-events", arguments).spawn().expect("the peer starts");
    let mut children = Children(vec![child]);
    all_ready(&mapping, 0, 1);
    object.unlink().unwrap();
    let [asked, answered] = [64, 128].map(|at| mapping.event(at).unwrap());
    for round in 0..rounds {
        asked.set().unwrap();
        // Half of the time it spins first.
        let options = ASLEEP.limit(PATIENCE).spin(if round % 2 == 0 { 0 } else { 100 });
        assert!(answered.wait(options).unwrap(), "no answer in round {round}");
        assert!(answered.reset());
    }
    assert!(children.0[0].wait().unwrap().success());
    let waiters = [68, 132].map(|at| mapping.atomic::<u32>(at).unwrap());
    let left = waiters.map(|word| word.load(std::sync::atomic::Ordering::Relaxed));
    assert_eq!(left, [0, 0], "somebody is still counted");
}

#[test]
fn an_event_stays_set_until_it_is_reset() {
    let mapping = Shm::anonymous(page()).unwrap().map_mut().unwrap();
    let event = mapping.event(64).unwrap();
    assert!(!event.is_set());
    assert!(!event.wait(Duration::from_millis(2)).unwrap());
    event.set().unwrap();
    event.set().unwrap();
    for _ in 0..2 {
        assert!(event.is_set() && event.wait(None).unwrap());
    }
    assert!(event.reset() && !event.reset() && !event.is_set());
    assert!(!event.wait(Duration::ZERO).unwrap());
    for bad in [2, mapping.len() - 4, usize::MAX - 3] {
        assert_eq!(mapping.event(bad).unwrap_err().kind(), ErrorKind::InvalidInput, "{bad}");
    }
}

/// The counter above the flag wraps around, and the flag stays what it is.
#[test]
fn an_event_can_be_set_for_ever() {
    let mapping = Shm::anonymous(page()).unwrap().map_mut().unwrap();
    mapping.cell::<u32>(64).unwrap().store(u32::MAX - 1);
    let event = mapping.event(64).unwrap();
    for _ in 0..3 {
        assert!(!event.is_set());
        event.set().unwrap();
        assert!(event.is_set() && event.reset());
    }
}

#[test]
fn a_waiter_comes_back_although_the_event_is_reset_at_once() {
    let mapping = Shm::anonymous(page()).unwrap().map_mut().unwrap();
    let event = mapping.event(64).unwrap();
    let pulse = || {
        event.set().unwrap();
        assert!(event.reset());
    };
    // Whoever slept sees by the word that something was there.
    let word = mapping.atomic::<u32>(64).unwrap();
    let before = word.load(Acquire);
    pulse();
    assert_ne!(word.load(Acquire), before);
    assert!(meanwhile(|| event.wait(ASLEEP), pulse).unwrap());
}

#[test]
fn a_killed_waiter_costs_a_call_and_nothing_else() {
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, page()).unwrap();
    let mapping = object.map_mut().unwrap();
    let child = peer("wait-for-event", [name.as_os_str()]).spawn().expect("the peer starts");
    let mut children = Children(vec![child]);
    all_ready(&mapping, 0, 1);
    object.unlink().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    children.0[0].kill().unwrap();
    children.0[0].wait().unwrap();
    let event = mapping.event(64).unwrap();
    assert!(meanwhile(|| event.wait(ASLEEP), || event.set().unwrap()).unwrap());
    assert!(event.reset());
    assert!(!event.wait(Duration::from_millis(1)).unwrap());
}
