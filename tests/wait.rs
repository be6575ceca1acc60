//! Waiting for a word: no wake is lost between processes, whatever happens to them and to the page.

use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::thread;
use std::time::{Duration, Instant};

use posix_shm::{
    Mapping, Operation, ReadWrite, Shared, SharedAtomic, Shm, WaitOptions, Waited, capabilities,
};

use crate::common::{Names, page, peer, times};

/// As long as nothing may move: far longer than anything here needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const SEATS: usize = 8;
pub(crate) const ASLEEP: WaitOptions = WaitOptions::new().spin(0).look_again(Duration::MAX);

/// Polling takes up to a millisecond each time, and sleeping a few microseconds.
pub(crate) fn rounds(asleep: u32) -> u32 {
    if capabilities().wait_read_only { asleep } else { asleep / 50 }
}

/// Whether the call that wakes notices that the page is not there: `futex` of Linux only.
const WAKING_LOOKS: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// How a token has gone round.
#[derive(Debug, PartialEq)]
enum End {
    Done,
    /// Nobody has passed it on any more.
    Stuck,
}

/// Processes that are killed if the test fails.
pub(crate) struct Children(pub(crate) Vec<Child>);

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Children {
    fn signal(&self, which: usize, signal: libc::c_int) {
        let child = libc::pid_t::try_from(self.0[which].id()).unwrap();
        // SAFETY: passes no pointer. The process is not waited for yet.
        assert_eq!(unsafe { libc::kill(child, signal) }, 0);
    }
}

/// Has processes pass a token round, and does something to them meanwhile.
fn pass(how: &str, passes: u32, patience: Duration, disturb: impl Fn(&Children, u32)) -> End {
    let names = Names::new();
    let name = names.name();
    let page = usize::try_from(page()).unwrap();
    let object = Shm::create(&name, 2 * page as u64).unwrap();
    let mapping = object.map_mut().unwrap();
    let [seats, passes_] = [SEATS.to_string(), passes.to_string()];
    let start = |seat: usize| {
        let (name, seat) = (name.to_string(), seat.to_string());
        peer("pass", [how, &name, &seats, &seat, &passes_]).spawn().expect("the peer starts")
    };
    let mut children = Children((0..SEATS).map(start).collect());
    all_ready(&mapping, page, SEATS as u32);
    object.unlink().unwrap();
    // They sleep now, or will before long.
    thread::sleep(Duration::from_millis(50));
    let first = mapping.atomic::<u32>(page + 64).unwrap();
    first.store(1, Release);
    match how {
        #[cfg(target_os = "linux")]
        "private" => wake_in_this_process(&first),
        _ => drop(first.notify_all().unwrap()),
    }
    let progress = || {
        (0..SEATS)
            .map(|seat| mapping.atomic::<u32>(page + 64 * (seat + 1)).unwrap())
            .fold(0, |most, word| most.max(word.load(Acquire)))
    };
    let (mut moved, mut at, mut round) = (Instant::now(), 0, 0);
    loop {
        let ended: Vec<_> = children.0.iter_mut().map(|child| child.try_wait().unwrap()).collect();
        for (seat, status) in ended.iter().enumerate() {
            assert!(status.is_none_or(|status| status.success()), "seat {seat}: {status:?}");
        }
        if ended.iter().all(Option::is_some) {
            assert!(progress() >= passes, "only {} passes", progress());
            return End::Done;
        }
        if ended.iter().all(Option::is_none) {
            disturb(&children, round);
        }
        round += 1;
        if progress() != at {
            (at, moved) = (progress(), Instant::now());
        } else if moved.elapsed() > patience {
            return End::Stuck;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// The call that would be made with the flag for one process.
#[cfg(target_os = "linux")]
fn wake_in_this_process(word: &SharedAtomic<'_, u32>) {
    let (call, at) = (libc::SYS_futex, word.as_ptr());
    let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the kernel only looks for who waits.
    assert_eq!(unsafe { libc::syscall(call, at, operation, i32::MAX) }, 0);
}

pub(crate) fn all_ready(mapping: &Mapping<ReadWrite>, at: usize, count: u32) {
    let ready = mapping.atomic::<u32>(at).unwrap();
    let all = ready.wait_while(|here| here < count, WaitOptions::from(PATIENCE).look_again(SOON));
    assert_eq!(all.unwrap(), Some(count), "not all have started");
}

/// How often to look where nobody notifies.
const SOON: Duration = Duration::from_millis(1);

/// Half of them wait in read-only mappings, and half of them map another part of the object.
#[test]
fn eight_processes_pass_a_token_and_no_wake_is_lost() {
    let passes = rounds(times(100_000, 1_000_000));
    assert_eq!(pass("alone", passes, PATIENCE, |_, _| {}), End::Done);
}

#[test]
fn no_wake_is_lost_under_signals() {
    assert_eq!(pass("interrupted", rounds(20_000), PATIENCE, |_, _| {}), End::Done);
}

#[test]
fn no_wake_is_lost_if_processes_are_stopped() {
    let stop_and_go = |children: &Children, round: u32| {
        let which = round as usize * 5 % SEATS;
        children.signal(which, libc::SIGSTOP);
        thread::sleep(Duration::from_millis(3));
        children.signal(which, libc::SIGCONT);
    };
    assert_eq!(pass("alone", rounds(20_000), PATIENCE, stop_and_go), End::Done);
}

/// The same program would fail if the calls had the flag for one process. It passes without.
#[test]
#[cfg(target_os = "linux")]
fn a_private_flag_would_lose_the_token() {
    // It is the library that wakes the first.
    if !capabilities().wait {
        return;
    }
    assert_eq!(pass("private", 1000, Duration::from_secs(2), |_, _| {}), End::Stuck);
    assert_eq!(pass("by-hand", 1000, PATIENCE, |_, _| {}), End::Done);
}

#[test]
fn every_time_limit_ends_with_and_without_signals() {
    for how in ["alone", "interrupted"] {
        let names = Names::new();
        let name = names.name();
        let object = Shm::create(&name, page()).unwrap();
        let child = peer("time-limits", [how, &name.to_string()]).spawn().expect("the peer starts");
        let mut children = Children(vec![child]);
        let begun = Instant::now();
        let status = loop {
            match children.0[0].try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(begun.elapsed() < PATIENCE, "{how}: it never ends"),
            }
            thread::sleep(SOON);
        };
        object.unlink().unwrap();
        assert!(status.success(), "{how}: {status}");
    }
}

/// A word that never stops changing must not stretch the time. This one changes between each look
/// and the wait.
#[test]
fn a_limit_ends_although_the_value_changes_all_the_time() {
    let mapping = Shm::anonymous(page()).unwrap().map_mut().unwrap();
    let word = mapping.atomic::<u32>(0).unwrap();
    let begun = Instant::now();
    let stay = |_| {
        word.fetch_add(1, Release);
        assert!(begun.elapsed() < PATIENCE, "it never ends");
        true
    };
    assert_eq!(word.wait_while(stay, Duration::from_millis(20)).unwrap(), None);
}

#[test]
fn a_duration_is_a_limit_and_none_is_none() {
    let limit = Duration::from_millis(3);
    assert_eq!(WaitOptions::from(limit), WaitOptions::new().limit(limit));
    assert_eq!(WaitOptions::from(Some(limit)), WaitOptions::new().limit(limit));
    assert_eq!(WaitOptions::from(None), WaitOptions::new());
    assert_eq!(WaitOptions::default(), WaitOptions::new());
    assert_ne!(WaitOptions::new().limit(limit), WaitOptions::new());
    assert_ne!(WaitOptions::new().spin(7), WaitOptions::new());
    assert_ne!(WaitOptions::new().look_again(limit), WaitOptions::new());
}

/// Waits in another thread, and returns what came of it.
pub(crate) fn meanwhile<T: Send>(wait: impl FnOnce() -> T + Send, act: impl FnOnce()) -> T {
    thread::scope(|scope| {
        let waiting = scope.spawn(wait);
        // It sleeps by then, or misses the call: both must end well.
        thread::sleep(Duration::from_millis(50));
        act();
        let begun = Instant::now();
        while !waiting.is_finished() {
            assert!(begun.elapsed() < PATIENCE, "it hangs");
            thread::sleep(SOON);
        }
        waiting.join().unwrap()
    })
}

#[test]
fn a_waiter_whose_page_is_cut_off_gets_an_error() {
    if !capabilities().wait || !capabilities().resize {
        return;
    }
    let object = Shm::anonymous(page()).unwrap();
    let mapping = object.map_mut().unwrap();
    let word = mapping.atomic::<u32>(64).unwrap();
    waiter_of_what_is_cut_off(&object, &word, &word);
    if capabilities().wait_read_only {
        let reader = object.map().unwrap();
        waiter_of_what_is_cut_off(&object, &word, &reader.atomic::<u32>(64).unwrap());
    }
}

fn waiter_of_what_is_cut_off<A: Shared>(
    object: &Shm,
    word: &SharedAtomic<'_, u32>,
    seen: &SharedAtomic<'_, u32, A>,
) {
    word.store(0, Release);
    // Never looking itself, where a page that is gone is a signal.
    let options = WaitOptions::new().spin(0);
    let with_limit = options.limit(Duration::from_millis(300)).look_again(Duration::MAX);
    for options in [options.look_again(Duration::from_millis(60)), with_limit] {
        let result = meanwhile(|| seen.wait(0, options), || object.set_len(0).unwrap());
        let error = result.expect_err("the page is cut off");
        assert_eq!(error.raw_os_error(), Some(libc::EFAULT), "{error}");
        assert_eq!(error.operation(), Operation::Wait, "{error}");
        // A page that is not there from the start.
        let error = seen.wait(0, options).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EFAULT), "{error}");
        for result in [word.notify_all(), word.notify_one()] {
            if !WAKING_LOOKS {
                result.unwrap();
                continue;
            }
            let error = result.unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EFAULT), "{error}");
            assert_eq!(error.operation(), Operation::Notify, "{error}");
            assert_ne!(error.kind(), ErrorKind::Unsupported, "{error}");
        }
        object.set_len(page()).unwrap();
    }
    // After the page is back, the wake arrives.
    let woken = meanwhile(
        || seen.wait(0, ASLEEP),
        || {
            object.set_len(0).unwrap();
            object.set_len(page()).unwrap();
            word.store(1, Release);
            word.notify_all().unwrap();
        },
    );
    // Or it began to wait so late that it found the value.
    assert!(matches!(woken.unwrap(), Waited::Woken | Waited::Changed));
}

#[test]
fn a_punched_hole_loses_no_waiter() {
    if !capabilities().wait || !capabilities().punch {
        return;
    }
    let object = Shm::anonymous(page()).unwrap();
    let (writer, reader) = (object.map_mut().unwrap(), object.map().unwrap());
    let (word, seen) = (writer.atomic::<u32>(64).unwrap(), reader.atomic::<u32>(64).unwrap());
    let woken = meanwhile(
        || seen.wait(0, ASLEEP),
        || {
            object.punch(..).unwrap();
            word.store(1, Release);
            word.notify_all().unwrap();
        },
    );
    // Or it began to wait so late that it found the value.
    assert!(matches!(woken.unwrap(), Waited::Woken | Waited::Changed));
}

/// Nobody notifies, as if the writer had been killed before it could.
#[test]
fn a_waiter_looks_again_although_nobody_notifies() {
    let object = Shm::anonymous(page()).unwrap();
    let (writer, reader) = (object.map_mut().unwrap(), object.map().unwrap());
    let (word, seen) = (writer.atomic::<u32>(64).unwrap(), reader.atomic::<u32>(64).unwrap());
    let options = WaitOptions::new().look_again(Duration::from_millis(70));
    let act = || word.store(1, Release);
    assert_eq!(meanwhile(|| seen.wait_while(|it| it == 0, options), act).unwrap(), Some(1));
}

#[test]
fn a_killed_waiter_swallows_no_wake() {
    let names = Names::new();
    let name = names.name();
    let object = Shm::create(&name, page()).unwrap();
    let mapping = object.map_mut().unwrap();
    let word = mapping.atomic::<u32>(64).unwrap();
    let start = || peer("wait", [name.as_os_str()]).spawn().expect("the peer starts");
    let mut children = Children(vec![start(), start()]);
    all_ready(&mapping, 0, 2);
    object.unlink().unwrap();
    thread::sleep(Duration::from_millis(50));
    children.0[0].kill().unwrap();
    let status = children.0[0].wait().unwrap();
    assert_eq!(status.signal(), Some(libc::SIGKILL));
    word.store(1, Release);
    let woken = word.notify_one().unwrap();
    // None if the other one has not gone to sleep yet.
    assert!(woken <= 1, "{woken} were woken");
    let begun = Instant::now();
    while children.0[1].try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < PATIENCE, "the other waiter hangs");
        thread::sleep(SOON);
    }
    assert!(children.0[1].wait().unwrap().success());
}

#[test]
fn notify_tells_how_many_were_woken() {
    if !capabilities().notify_counts {
        return;
    }
    let object = Shm::anonymous(page()).unwrap();
    let writer = object.map_mut().unwrap();
    let word = writer.atomic::<u32>(64).unwrap();
    assert_eq!((word.notify_one().unwrap(), word.notify_all().unwrap()), (0, 0));
    thread::scope(|scope| {
        let waiting: [_; 3] = std::array::from_fn(|_| scope.spawn(|| word.wait(0, ASLEEP)));
        let begun = Instant::now();
        let mut woken = 0;
        // One at a time, and then the rest. None of them may sleep yet.
        while woken < 1 {
            woken += word.notify_one().unwrap();
            assert!(begun.elapsed() < PATIENCE, "nobody sleeps");
        }
        assert_eq!(woken, 1);
        while woken < 3 {
            woken += word.notify_all().unwrap();
            assert!(begun.elapsed() < PATIENCE, "nobody sleeps");
        }
        for waiter in waiting {
            assert_eq!(waiter.join().unwrap().unwrap(), Waited::Woken);
        }
    });
    assert_eq!(word.notify_all().unwrap(), 0);
}
