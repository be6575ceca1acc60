//! Tasks that wait for other processes: a token that goes round, and waiters for the tests to stop,
//! to interrupt and to kill.

use std::ptr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use posix_shm::{MapOptions, Mapping, ReadWrite, SharedAtomic, Shm, WaitOptions, Waited};

use crate::alone::check;
use crate::expected::page;

/// Goes to sleep at once, and looks only when it is woken: so that a lost wake is noticed.
const ASLEEP: WaitOptions = WaitOptions::new().spin(0).look_again(Duration::MAX);

/// Does one of these tasks. False if there is no such task.
pub(crate) fn task(arguments: &[&str]) -> bool {
    match *arguments {
        ["pass", how, name, seats, seat, passes] => {
            let [seats, seat] = [seats, seat].map(|number| number.parse().unwrap());
            pass(how, name, seats, seat, passes.parse().unwrap());
        }
        ["wait", name] => wait(name),
        ["time-limits", how, name] => time_limits(how, name),
        ["answer-events", name, rounds] => answer_events(name, rounds.parse().unwrap()),
        ["wait-for-event", name] => wait_for_event(name),
        ["frames", name] => frames(name),
        _ => return false,
    }
    true
}

/// Where in the second page the word of a seat is: in a cache line of its own.
fn offset_of(seat: usize) -> usize {
    64 * (seat + 1)
}

/// Takes the token whenever it comes, and gives it to the next. The words are in the second page.
/// Every other process sees them at another offset of its mapping, and waits in one that is
/// read-only.
fn pass(how: &str, name: &str, seats: usize, seat: usize, passes: u32) {
    let page = usize::try_from(page()).unwrap();
    let object = Shm::open_io(name).unwrap();
    let is_odd = seat % 2 == 1;
    let start = if is_odd { page } else { 0 };
    let mapping = MapOptions::new().offset(start as u64).map_mut(&object).unwrap();
    let reader = object.map().unwrap();
    let at = |mapping_start: usize, seat| page - mapping_start + offset_of(seat);
    if how == "interrupted" {
        interrupt_each_millisecond();
    }
    let next = mapping.atomic::<u32>(at(start, (seat + 1) % seats)).unwrap();
    let mine = mapping.atomic::<u32>(at(start, seat)).unwrap();
    let mine_to_read = reader.atomic::<u32>(at(0, seat)).unwrap();
    ready(&mapping, page - start);
    let mut token = 0;
    while token + (seats as u32) <= passes {
        let taken = match how {
            "alone" | "interrupted" if is_odd => mine_to_read.wait_while(|it| it == token, ASLEEP),
            "alone" | "interrupted" => mine.wait_while(|it| it == token, ASLEEP),
            _ => Ok(Some(wait_by_hand(how, &mine, token))),
        };
        token = taken.unwrap().expect("there is no limit");
        next.store(token + 1, Ordering::Release);
        match how {
            "alone" | "interrupted" if is_odd => next.notify_one().unwrap(),
            "alone" | "interrupted" => next.notify_all().unwrap(),
            _ => wake_by_hand(how, &next),
        };
    }
}

/// Counts this process in the first word of the second page.
fn ready(mapping: &Mapping<ReadWrite>, page: usize) {
    mapping.atomic::<u32>(page).unwrap().fetch_add(1, Ordering::Release);
}

/// What the library does, but with or without the flag for one process.
#[cfg(target_os = "linux")]
fn flag(how: &str) -> libc::c_int {
    match how {
        "by-hand" => 0,
        "private" => libc::FUTEX_PRIVATE_FLAG,
        _ => panic!("no such way: {how}"),
    }
}

#[cfg(target_os = "linux")]
fn wait_by_hand(how: &str, word: &SharedAtomic<'_, u32>, seen: u32) -> u32 {
    let operation = libc::FUTEX_WAIT_BITSET | flag(how);
    loop {
        let value = word.load(Ordering::Acquire);
        if value != seen {
            return value;
        }
        let (none, at) = (ptr::null::<u32>(), word.as_ptr());
        // SAFETY: the kernel only looks at the word, which is mapped.
        unsafe { libc::syscall(libc::SYS_futex, at, operation, seen, none, none, u32::MAX) };
    }
}

#[cfg(target_os = "linux")]
fn wake_by_hand(how: &str, word: &SharedAtomic<'_, u32>) -> usize {
    let operation = libc::FUTEX_WAKE | flag(how);
    // SAFETY: the kernel only looks for who waits.
    let woken = unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, i32::MAX) };
    usize::try_from(woken).unwrap()
}

#[cfg(not(target_os = "linux"))]
fn wait_by_hand(how: &str, _: &SharedAtomic<'_, u32>, _: u32) -> u32 {
    panic!("no such way: {how}")
}

#[cfg(not(target_os = "linux"))]
fn wake_by_hand(how: &str, _: &SharedAtomic<'_, u32>) -> usize {
    panic!("no such way: {how}")
}

/// Sends this process a signal each millisecond, which interrupts whatever it does.
fn interrupt_each_millisecond() {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: all bytes zero are a valid action: no flags, so no call is made again by the kernel.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
    // SAFETY: the pointer is to an action, and the handler does nothing.
    check(unsafe { libc::sigaction(libc::SIGALRM, &raw const action, ptr::null_mut()) }).unwrap();
    let each = libc::timeval { tv_sec: 0, tv_usec: 1000 };
    let timer = libc::itimerval { it_interval: each, it_value: each };
    // SAFETY: the pointer is to a timer.
    check(unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut()) })
        .unwrap();
}

/// Waits for the word at 64 until it is 1, in a mapping that is read-only.
fn wait(name: &str) {
    let object = Shm::open_io(name).unwrap();
    let reader = object.map().unwrap();
    ready(&object.map_mut().unwrap(), 0);
    let ended = reader.atomic::<u32>(64).unwrap().wait_while(|value| value == 0, ASLEEP).unwrap();
    assert_eq!(ended, Some(1));
}

/// Every kind of limit ends as it should, also if signals come all the time.
fn time_limits(how: &str, name: &str) {
    if how == "interrupted" {
        interrupt_each_millisecond();
    }
    let object = Shm::open_io(name).unwrap();
    let (writer, reader) = (object.map_mut().unwrap(), object.map().unwrap());
    let word = reader.atomic::<u32>(64).unwrap();
    let limits = [0, 1, 1000, 50_000_000].map(Duration::from_nanos);
    for limit in limits {
        for spin in [0, 100] {
            let options = WaitOptions::new().limit(limit).spin(spin);
            let short = options.look_again(Duration::from_millis(7));
            for options in [options, short, options.look_again(Duration::MAX)] {
                let begun = Instant::now();
                assert_eq!(word.wait(0, options).unwrap(), Waited::TimedOut, "{options:?}");
                assert!(begun.elapsed() >= limit, "{options:?}: too early");
                let begun = Instant::now();
                assert_eq!(word.wait_while(|value| value == 0, options).unwrap(), None);
                assert!(begun.elapsed() >= limit, "{options:?}: too early");
                // Not every system tells a word with another value from a wake.
                let other = word.wait(1, options).unwrap();
                assert!([Waited::Changed, Waited::Woken].contains(&other), "{options:?}");
                if spin > 0 || cfg!(all(target_os = "linux", not(posix_shm_apple))) {
                    assert_eq!(other, Waited::Changed, "{options:?}");
                }
                assert_eq!(word.wait_while(|value| value == 1, options).unwrap(), Some(0));
            }
        }
    }
    // A limit that the clock never reaches, and none.
    for options in [WaitOptions::from(Duration::MAX), WaitOptions::from(None), ASLEEP] {
        writer.atomic::<u32>(64).unwrap().store(0, Ordering::Relaxed);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(20));
                let word = writer.atomic::<u32>(64).unwrap();
                word.store(1, Ordering::Release);
                word.notify_all().unwrap();
            });
            assert_eq!(word.wait_while(|value| value == 0, options).unwrap(), Some(1));
        });
    }
}

/// Answers each event at 64 with one at 128.
fn answer_events(name: &str, rounds: u32) {
    let mapping = Shm::open_io(name).unwrap().map_mut().unwrap();
    let [asked, answered] = [64, 128].map(|at| mapping.event(at).unwrap());
    ready(&mapping, 0);
    for _ in 0..rounds {
        assert!(asked.wait(ASLEEP).unwrap());
        assert!(asked.reset());
        answered.set().unwrap();
    }
}

/// Waits for an event that is not set, until it is killed.
fn wait_for_event(name: &str) {
    let mapping = Shm::open_io(name).unwrap().map_mut().unwrap();
    ready(&mapping, 0);
    mapping.event(64).unwrap().wait(ASLEEP).unwrap();
    panic!("it was set");
}

/// Writes frames without end, each of one number, until it is killed.
fn frames(name: &str) {
    let mapping = Shm::open_io(name).unwrap().map_mut().unwrap();
    let frame = mapping.seq_slice::<u64>(64, (mapping.len() - 128) / 8).unwrap();
    let cell = mapping.seq_cell::<[u64; 6]>(mapping.len() - 56).unwrap();
    let mut pixels = vec![0; frame.values().len()];
    ready(&mapping, 0);
    for number in 1.. {
        pixels.fill(number);
        frame.copy_from(&pixels).unwrap();
        cell.store([number; 6]).unwrap();
    }
}
