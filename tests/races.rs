//! Many processes and one name.

use std::process::{Child, Stdio};

use posix_shm::{OpenOptions, Shm, capabilities, unlink};

use crate::common::{Names, peer, run, times};

/// Each object has exactly one creator, none is too short, and every error is a documented one.
#[test]
fn eight_processes_create_supersede_and_remove() {
    const PROCESSES: u32 = 8;
    const ROUNDS: u32 = 100_000;
    let names = Names::new();
    let name = names.name();
    let share = (ROUNDS / PROCESSES).to_string();
    let racers: Vec<_> = (0..PROCESSES)
        .map(|_| {
            let mut racer = peer("race", [name.to_string(), share.clone()]);
            racer.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut created = 0;
    for racer in racers {
        let output = racer.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        created += String::from_utf8(output.stdout).unwrap().trim().parse::<u32>().unwrap();
    }
    drop(unlink(&name));
    assert!(created > ROUNDS / 10, "only {created} objects were created");
    println!("{ROUNDS} rounds, {created} objects, each with one creator");
}

/// While a name is superseded again and again, opening it always finds a complete object.
#[test]
fn a_reader_always_finds_the_old_object_or_the_new_one() {
    if !capabilities().supersede_in_one_step {
        // The documentation does not promise it there.
        return;
    }
    const TIMES: u64 = 100_000;
    let names = Names::new();
    let name = names.name();
    run(&mut peer("supersede", [name.to_string(), "1".to_owned()]));
    let mut writer = peer("supersede", [name.to_string(), TIMES.to_string()]).spawn().unwrap();
    let (mut opened, mut last, mut changes) = (0u64, 0, 0u64);
    while writer.try_wait().unwrap().is_none() {
        for _ in 0..100 {
            let mapping = OpenOptions::new().open(&name).unwrap().map().unwrap();
            assert_eq!(mapping.len(), 4096, "an incomplete object");
            let page = mapping.slice::<u64>(0, 512).unwrap().to_vec();
            let is_whole = page.iter().all(|word| *word == page[0] && *word > 0);
            assert!(is_whole, "an object with content of two: {page:?}");
            opened += 1;
            changes += u64::from(page[0] != last);
            last = page[0];
        }
    }
    let status = writer.wait().unwrap();
    assert!(status.success(), "the writer failed: {status}");
    assert!(opened > 1000, "the object was opened only {opened} times");
    assert!(changes > 100, "only {changes} changes were seen");
    println!("{TIMES} times superseded, {opened} times opened, {changes} changes seen");
    Shm::open(&name).unwrap().unlink().unwrap();
}

/// Processes that are present on an object, and processes that remove it whenever nobody is. No
/// live object loses its name, and no dead one keeps it.
#[test]
fn cleaners_never_remove_a_newborn() {
    if capabilities().presence {
        let [created, removed] = newborns_and_cleaners("newborn", 2);
        assert_eq!(created, removed, "each object was created and removed once");
    }
}

/// The same, while one process takes the name over again and again. The object that it replaces is
/// unused, so the cleaners are about to remove the name.
#[test]
fn cleaners_never_remove_a_successor() {
    if capabilities().presence && capabilities().supersede_in_one_step {
        newborns_and_cleaners("successor", 1);
    }
}

/// Returns how many objects were created and removed.
fn newborns_and_cleaners(task: &str, processes: u32) -> [u32; 2] {
    let rounds = times(10_000, 100_000);
    let names = Names::new();
    let name = names.name();
    let spawn = |task, arguments: &[String], stdin| {
        let mut command = peer(task, arguments);
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let cleaners: Vec<_> =
        (0..2).map(|_| spawn("clean", &[name.to_string()], Stdio::piped())).collect();
    let arguments = [name.to_string(), (rounds / processes).to_string()];
    let newborns: Vec<_> = (0..processes).map(|_| spawn(task, &arguments, Stdio::null())).collect();
    let number = |child: Child| -> u32 {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    };
    let created = newborns.into_iter().map(number).sum();
    // Waiting for a child closes its standard input, which ends a cleaner.
    let mut removed: u32 = cleaners.into_iter().map(number).sum();
    // What the last one has left is dead.
    if let Ok(object) = Shm::open(&name) {
        assert!(object.is_unused().unwrap(), "a dead object is called alive");
        assert!(object.unlink_if_unused().unwrap(), "a dead object is not removed");
        removed += 1;
    }
    println!("{rounds} rounds, {created} objects, {removed} removed");
    assert!(removed > rounds / 100, "only {removed} objects were removed");
    [created, removed]
}
