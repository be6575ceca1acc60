//! The example programs: each says what its first lines promise, and leaves nothing. `foreign` has
//! those that need Python or a Wayland compositor.

use std::process::Command;

use posix_shm::{Shm, capabilities};

use crate::common::{Names, run};
#[cfg(target_os = "linux")]
use crate::common::{peer, run_if_allowed};

/// What an example prints.
macro_rules! said {
    ($name:literal $(, $argument:expr)?) => {{
        let mut example = Command::new(env!(concat!("CARGO_BIN_EXE_example-", $name)));
        $(example.arg($argument);)?
        run(&mut example)
    }};
}

fn ten_numbers() -> String {
    (0..10).map(|i| format!("  {i}: {}\n", 10 * i)).collect()
}

#[test]
fn the_walkthrough_says_what_it_promises() {
    let numbers = ten_numbers();
    let named = format!(
        "with a name, in few steps:\n  the last number is 90\nwith a name, step by step:\n{numbers}"
    );
    let named = if capabilities().named { named } else { String::new() };
    assert_eq!(
        said!("walkthrough"),
        format!("{named}without a name, read by another process:\n{numbers}")
    );
}

#[test]
fn the_example_with_workers_says_what_it_promises() {
    assert_eq!(said!("workers"), "4 workers counted 664579 primes below 10000000\n");
}

#[test]
fn the_example_of_a_server_says_what_it_promises() {
    assert_eq!(
        said!("server"),
        "seen from outside: 4 workers have answered 1000 requests\n\
         seen from inside: 1000 requests\n"
    );
}

#[test]
fn the_example_that_grows_says_what_it_promises() {
    let expected = if capabilities().resize {
        "the reader has added up 1000000 numbers: 500000500000\n\
         the object has grown from 65536 to 8388608 bytes, in 7 steps\n"
    } else {
        "an object gets its length only once on this system\n"
    };
    assert_eq!(said!("grow"), expected);
}

#[test]
fn the_example_with_orphans_removes_what_a_killed_process_has_left() {
    let expected = if capabilities().presence && capabilities().list {
        "two workers have an object each; one of them is killed\n  \
           alive: in use, left alone\n  \
           killed: no process uses its 1048576 bytes, removed\n\
         the other worker ends\n  \
           alive: no process uses its 1048576 bytes, removed\n"
    } else {
        "this system has no presence, or cannot list names\n"
    };
    assert_eq!(said!("orphans"), expected);
}

/// In a `/dev/shm` of 64 MB, and in this machine's own.
#[test]
#[cfg(target_os = "linux")]
fn the_example_in_a_container_shows_the_error_and_the_way_out() {
    let program = env!("CARGO_BIN_EXE_example-container");
    let out = "an anonymous object of 80 MiB:\n  another process has read its last byte: 7\n";
    let arguments = ["size=64m", program];
    if let Some(said) = run_if_allowed(&mut peer("alone", arguments)) {
        // Only what reserves memory has an error to show.
        let [named, message, rest @ ..] = &*said.lines().collect::<Vec<_>>() else {
            panic!("too few lines: {said}");
        };
        if capabilities().reserve && capabilities().named {
            assert_eq!(*named, "a named object of 80 MiB:");
            let start = "  reserve 83886080 bytes for \"/example.";
            assert!(message.starts_with(start), "{message}");
            for part in ["os error 28", "has 67108864 bytes free", "--shm-size"] {
                assert!(message.contains(part), "no word of {part:?}: {message}");
            }
            // Without memfds, an anonymous object needs room in the same place.
            let said = rest.join("\n") + "\n";
            let second =
                "an anonymous object of 80 MiB:\n  reserve 83886080 bytes for the object: ";
            let memfds = capabilities().seal;
            assert!(said == out || (!memfds && said.starts_with(second)), "{said}");
        }
    }
    let said = said!("container");
    assert!(said.ends_with(out), "{said}");
}

#[test]
fn the_monitor_shows_the_objects_with_a_prefix() {
    let names = Names::new();
    let name = names.name();
    if !capabilities().list {
        let expected = "this system does not list the names of objects\n";
        assert_eq!(said!("monitor", name.as_os_str()), expected);
        return;
    }
    let object = Shm::create(&name, 3 << 20).unwrap();
    let said = said!("monitor", name.as_os_str());
    let lines: Vec<_> = said.lines().collect();
    let [total, "", head, line] = lines[..] else { panic!("other lines: {said}") };
    assert!(total.starts_with("1 objects, 3.0 MiB long, "), "{total}");
    let at = head.find("NAME").unwrap();
    assert_eq!(line[at..], *name.to_string(), "the columns are not aligned:\n{said}");
    assert!(line.starts_with("   3.0 MiB "), "{line}");
    assert!(line.contains("  0600  "), "{line}");
    object.unlink().unwrap();
}

/// It shows what changes, without being asked, and writes nothing but text and the three commands
/// that it needs.
#[test]
#[cfg(target_os = "linux")]
fn the_monitor_is_alive_at_a_terminal() {
    use std::fs::File;
    use std::io::Read;

    if !capabilities().list {
        return;
    }
    let names = Names::new();
    let (mut screen, terminal) = terminal();
    // Something that a terminal would take for a command, in a name.
    let first = format!("{}\x1b", names.name());
    let first = Shm::create(&first, 4096).unwrap();
    let prefix = first.name().unwrap().to_string();
    let prefix = prefix.trim_end_matches('\x1b').trim_end_matches(char::is_numeric);
    let mut monitor = Command::new(env!("CARGO_BIN_EXE_example-monitor"))
        .arg(prefix)
        .stdout(terminal)
        .spawn()
        .unwrap();
    let mut seen = String::new();
    let mut until = |screen: &mut File, what: &str| {
        while !seen.contains(what) {
            wait_for(screen);
            let mut bytes = [0; 4096];
            let n = screen.read(&mut bytes).unwrap();
            seen += &String::from_utf8_lossy(&bytes[..n]);
        }
        seen.clone()
    };
    until(&mut screen, "1 objects");
    let second = Shm::create(names.name(), 4096).unwrap();
    let seen = until(&mut screen, "2 objects");
    monitor.kill().unwrap();
    monitor.wait().unwrap();

    assert!(seen.starts_with("\x1b[H"), "it does not begin at the first place: {seen:?}");
    assert!(seen.contains(r".0\u{1"), "the name is not shown as text: {seen:?}");
    let text = seen.replace("\x1b[H", "").replace("\x1b[K", "").replace("\x1b[J", "");
    assert!(!text.contains('\x1b'), "another command: {seen:?}");
    first.unlink().unwrap();
    second.unlink().unwrap();
}

/// A pseudo-terminal: what its screen shows, and the end that a program writes to.
#[cfg(target_os = "linux")]
fn terminal() -> (std::fs::File, std::fs::File) {
    use std::fs::File;
    use std::os::fd::{AsRawFd, FromRawFd};

    // SAFETY: passes no pointer.
    let screen = unsafe { libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC) };
    assert_ne!(screen, -1, "there is no pseudo-terminal");
    // SAFETY: the call has made the descriptor.
    let screen = unsafe { File::from_raw_fd(screen) };
    // SAFETY: passes no pointer.
    assert_eq!(unsafe { libc::unlockpt(screen.as_raw_fd()) }, 0);
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: passes no pointer.
    let terminal = unsafe { libc::ioctl(screen.as_raw_fd(), libc::TIOCGPTPEER, flags) };
    assert_ne!(terminal, -1, "the other end cannot be opened");
    // SAFETY: the call has made the descriptor.
    (screen, unsafe { File::from_raw_fd(terminal) })
}

/// Waits until there is something to read, so long that only a monitor that shows nothing fails.
#[cfg(target_os = "linux")]
fn wait_for(screen: &std::fs::File) {
    use std::os::fd::AsRawFd;

    let mut one = libc::pollfd { fd: screen.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: the pointer is to one element.
    let ready = unsafe { libc::poll(&mut one, 1, 120_000) };
    assert_eq!(ready, 1, "the monitor shows nothing");
}
