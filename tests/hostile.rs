//! A peer that writes at random while every method runs. Nothing crashes, and no word is torn.

use std::sync::atomic::Ordering::Relaxed;

use posix_shm::{MapOptions, Shm};
use posix_shm_tests_optimised::hammer::use_everything;

use crate::common::{Names, peer};

#[test]
fn nothing_a_peer_writes_breaks_anything() {
    const LEN: usize = 64 << 10;
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, LEN as u64).unwrap();
    let mapping = object.map_mut().unwrap();
    let reader = MapOptions::new().offset(4096).map(&object).unwrap();
    let mut scribbler = peer("scribble", [name.as_os_str()]).spawn().unwrap();

    let (rounds, written) = use_everything(&mapping, &reader);
    let ended = scribbler.try_wait().unwrap();
    assert!(ended.is_none(), "the scribbler ended too early: {ended:?}");
    scribbler.kill().unwrap();
    scribbler.wait().unwrap();
    assert!(rounds > 100, "only {rounds} rounds");
    assert!(written > 0, "the scribbler wrote nothing");
    println!("{rounds} rounds, {written} whole words");
    object.unlink().unwrap();
}

#[test]
fn no_increment_of_a_shared_counter_is_lost() {
    const TIMES: u64 = 1_000_000;
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, 8).unwrap();
    let counter = object.map_mut().unwrap();
    let mut others: Vec<_> = (0..2)
        .map(|_| peer("count", [name.to_string(), TIMES.to_string()]).spawn().unwrap())
        .collect();
    for other in &mut others {
        let status = other.wait().unwrap();
        assert!(status.success(), "a counting process failed: {status}");
    }
    assert_eq!(counter.atomic::<u64>(0).unwrap().load(Relaxed), 2 * TIMES);
    object.unlink().unwrap();
}
