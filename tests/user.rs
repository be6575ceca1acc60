//! A process that uses an object, for the tests of the tool. `user HOW NAME` begins, prints
//! `ready`, and goes on until its standard input ends.

use std::env;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;

use posix_shm::{Direction, IfDoesNotExist, OpenOptions, Shm};

fn main() {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let [how, name] = &arguments[..] else { panic!("user HOW NAME, and not {arguments:?}") };
    match how.to_str().unwrap() {
        "open" => until_the_end(&Shm::open(name).unwrap()),
        "map" => {
            let mapping = Shm::open(name).unwrap().map().unwrap();
            until_the_end(&mapping);
        }
        "present" => {
            let mut options = OpenOptions::new();
            options.direction(Direction::Io).if_does_not_exist(IfDoesNotExist::Create);
            let object = options.size(4096).present(true).open(name).unwrap();
            until_the_end(&object);
        }
        "open-deleted" => {
            let object = Shm::open(name).unwrap();
            posix_shm::unlink(name).unwrap();
            until_the_end(&object);
        }
        "map-deleted" => {
            let mapping = Shm::open(name).unwrap().map().unwrap();
            posix_shm::unlink(name).unwrap();
            until_the_end(&mapping);
        }
        // Nobody has it open: it waits in the socket.
        "send" => {
            let sockets = UnixStream::pair().unwrap();
            Shm::open(name).unwrap().send(&sockets.0).unwrap();
            until_the_end(&sockets);
        }
        #[cfg(target_os = "linux")]
        "in-a-thread" => in_a_thread(name),
        how => panic!("no such use: {how}"),
    }
}

/// Has it open in a thread that does not share its descriptors with the others.
#[cfg(target_os = "linux")]
fn in_a_thread(name: &std::ffi::OsStr) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let name = name.to_owned();
    std::thread::spawn(move || {
        // SAFETY: passes no pointer.
        let result = unsafe { libc::unshare(libc::CLONE_FILES) };
        assert_eq!(result, 0, "the thread cannot have descriptors of its own");
        let _object = Shm::open(name).unwrap();
        sender.send(()).unwrap();
        loop {
            std::thread::park();
        }
    });
    receiver.recv().unwrap();
    until_the_end(&());
}

/// Prints that everything is there, and keeps it until the standard input ends.
fn until_the_end<T>(_: &T) {
    println!("ready");
    let mut nothing = Vec::new();
    io::stdin().read_to_end(&mut nothing).unwrap();
}
