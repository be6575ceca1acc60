//! `Shm::pass_to`, and the conversions from and to descriptors.

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use posix_shm::{Direction, OpenOptions, Shm, capabilities};

use crate::common::{NOTHING, peer, run};

/// A sparse object: 1 GiB that takes a few pages.
fn large() -> Shm {
    let mut options = OpenOptions::new();
    options.direction(Direction::Io).size(1 << 30).sparse(true).open_anonymous().unwrap()
}

const WORKERS: u64 = 4;

#[test]
fn four_workers_inherit_an_object_and_nobody_else_does() {
    let object = large();
    let mapping = object.map_mut().unwrap();
    let quarter = (1 << 30) / WORKERS;
    let work = |number: u64| {
        let mut command = peer("work", [number.to_string(), (number * quarter).to_string()]);
        let inherited = object.pass_to(&mut command).unwrap();
        assert!(inherited > 2 && inherited != object.as_raw_fd(), "{inherited}");
        command.env("WORK_FD", inherited.to_string());
        command
    };
    let mut commands: Vec<Command> = (0..WORKERS).map(work).collect();
    // Others start all the while, and none of them gets it.
    std::thread::scope(|scope| {
        let others = scope.spawn(|| {
            for _ in 0..20 {
                run(&mut peer("inherits-nothing", NOTHING));
            }
        });
        let workers: Vec<_> = commands.iter_mut().map(|it| it.spawn().unwrap()).collect();
        for mut worker in workers {
            assert!(worker.wait().unwrap().success());
        }
        others.join().unwrap();
    });
    for number in 0..WORKERS {
        let at = usize::try_from(number * quarter).unwrap();
        assert_eq!(mapping.cell::<u64>(at).unwrap().load(), 7 + number, "worker {number}");
    }
    // Each command keeps its own descriptor, and can start another child.
    drop(object);
    run(&mut commands[0]);
    for command in &commands {
        let number = command.get_envs().find(|(name, _)| *name == "WORK_FD").unwrap().1.unwrap();
        let number: i32 = number.to_str().unwrap().parse().unwrap();
        // SAFETY: passes no pointer.
        let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
        assert_eq!(flags, libc::FD_CLOEXEC, "it is inheritable in this process");
    }
}

#[test]
fn the_number_stays_that_of_the_object() {
    let object = Shm::anonymous(8).unwrap();
    object.map_mut().unwrap().slice::<u64>(0, 1).unwrap().store(0, 7);
    let mut command = peer("has-seven", NOTHING);
    let number = object.pass_to(&mut command).unwrap();
    command.env("WORK_FD", number.to_string());
    // The handle's own number goes to others.
    drop(object);
    let _others: Vec<_> = (0..10).map(|_| File::open("/dev/null").unwrap()).collect();
    run(&mut command);
    run(&mut command);
}

#[test]
fn a_child_takes_an_object_as_its_standard_input() {
    let object = Shm::anonymous(8).unwrap();
    object.map_mut().unwrap().slice::<u64>(0, 1).unwrap().store(0, 7);
    let mut command = peer("has-seven", NOTHING);
    command.stdin(Stdio::from(File::from(object.try_clone().unwrap())));
    run(&mut command);
    // Both ways at once: std replaces the standard streams before the descriptor is kept.
    let number = object.pass_to(&mut command).unwrap();
    command.env("WORK_FD", number.to_string()).stdin(Stdio::null());
    run(&mut command);
}

#[test]
fn a_handle_becomes_a_number_and_a_file_and_back() {
    let object = Shm::anonymous(100).unwrap();
    let number = object.into_raw_fd();
    // SAFETY: the number is that of the handle, which is gone.
    let object = unsafe { Shm::from_raw_fd(number) };
    assert_eq!(object.as_raw_fd(), number);
    object.map_mut().unwrap().bytes().store(0, 9);
    let file = File::from(object);
    assert_eq!(file.as_raw_fd(), number);
    if capabilities().read_write_at {
        let mut byte = [0];
        file.read_exact_at(&mut byte, 0).unwrap();
        assert_eq!(byte, [9]);
    }
}
