//! The examples for two programs do what their first lines say. With `ring` and `frames`, each side
//! is killed at random moments. They check themselves what they receive, and fail if it is not
//! right.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{BufRead, BufReader, Read};
use std::ops::RangeInclusive;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use posix_shm::capabilities;

use crate::common::{Names, run, times};
use crate::wait::{Children, PATIENCE};

const RING: &str = env!("CARGO_BIN_EXE_example-ring");
const FRAMES: &str = env!("CARGO_BIN_EXE_example-frames");

/// A running example, and what it says.
struct Program {
    process: Children,
    lines: Receiver<String>,
    /// What it has said so far.
    said: Vec<String>,
}

impl Program {
    fn start(example: &str, arguments: &[&str]) -> Program {
        let mut command = Command::new(example);
        command.args(arguments).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the example starts");
        let (sender, lines) = channel();
        forward(child.stdout.take().unwrap(), sender.clone());
        forward(child.stderr.take().unwrap(), sender);
        Program { process: Children(vec![child]), lines, said: Vec::new() }
    }

    /// Reads on until a line has what is wanted, and returns that.
    #[track_caller]
    fn until<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("it does not say what it should: {:#?}", self.said);
            };
            let found = find(&line);
            self.said.push(line);
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// Reads on until a line ends so.
    #[track_caller]
    fn until_end_of_line(&mut self, end: &str) {
        self.until(|line| line.ends_with(end).then_some(()));
    }

    /// Kills it, unless it has failed by itself. Returns all that it has said.
    #[track_caller]
    fn kill(mut self) -> Vec<String> {
        self.process.0[0].kill().unwrap();
        let (status, said) = self.rest();
        assert_eq!(status.signal(), Some(libc::SIGKILL), "{status}: {said:#?}");
        said
    }

    /// Waits until it has ended well. Returns all that it has said.
    #[track_caller]
    fn end(self) -> Vec<String> {
        let (status, said) = self.rest();
        assert!(status.success(), "{status}: {said:#?}");
        said
    }

    #[track_caller]
    fn rest(mut self) -> (ExitStatus, Vec<String>) {
        let begun = Instant::now();
        let status = loop {
            match self.process.0[0].try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(begun.elapsed() < PATIENCE, "it hangs: {:#?}", self.said),
            }
            thread::sleep(Duration::from_millis(1));
        };
        self.said.extend(self.lines.iter());
        (status, self.said)
    }
}

fn forward(from: impl Read + Send + 'static, to: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            // The test may have ended.
            let _ = to.send(line.unwrap());
        }
    });
}

/// The number in front of a word, or behind it. A comma may follow the number.
fn number(line: &str, word: &str) -> Option<u64> {
    let words: Vec<&str> = line.split(' ').collect();
    let at = words.iter().position(|it| it.trim_end_matches([',', ';']) == word)?;
    let number = |at: usize| words.get(at)?.trim_end_matches([',', ';']).parse().ok();
    at.checked_sub(1).and_then(number).or_else(|| number(at + 1))
}

/// The last number with this word in what was said, or what was known before.
fn latest(said: &[String], word: &str, before: u64) -> u64 {
    said.iter().rev().find_map(|line| number(line, word)).unwrap_or(before)
}

/// Random numbers. The seed is printed, so that a failing test shows it.
struct Random(u64);

impl Random {
    fn new() -> Random {
        let seed = match std::env::var("POSIX_SHM_TESTS_SEED") {
            Ok(seed) => seed.parse().expect("a seed is a number"),
            Err(_) => RandomState::new().hash_one("seed"),
        };
        println!("POSIX_SHM_TESTS_SEED={seed}");
        Random(seed | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % limit
    }

    fn pause(&mut self, micros: RangeInclusive<u64>) {
        let more = self.below(micros.end() - micros.start() + 1);
        thread::sleep(Duration::from_micros(micros.start() + more));
    }
}

/// How often to kill.
fn kills() -> u32 {
    times(50, 500)
}

#[test]
fn the_ring_says_what_it_promises() {
    if !capabilities().lock {
        return;
    }
    let names = Names::new();
    let name = &names.name().to_string();
    let mut consumer = Program::start(RING, &["consumer", name]);
    consumer.until_end_of_line("the producer is gone");
    let mut producer = Program::start(RING, &["producer", name]);
    assert_eq!(producer.until(|line| number(line, "is")), 1, "the number of the first record");
    // Both say how far they are while they run, and go on.
    producer.until_end_of_line("the consumer is there");
    consumer.until_end_of_line("the producer is there");
    for (program, word) in [(&mut producer, "sent"), (&mut consumer, "received")] {
        let first = program.until(|line| number(line, word));
        program.until(|line| number(line, word).filter(|second| *second > first));
    }
    // A second producer is refused, and so is removing the ring.
    let (status, said) = Program::start(RING, &["producer", name]).rest();
    assert!(!status.success() && said[0].contains("has a producer already"), "{said:#?}");
    let said = run(Command::new(RING).args(["remove", name]));
    assert_eq!(said, format!("{name} is in use\n"));
    // Alone, the producer fills the ring and sleeps.
    let received = latest(&consumer.kill(), "received", 0);
    let if_full = |line: &str| {
        let is_full = line.contains(" 1024 in the ring") && line.ends_with("the consumer is gone");
        number(line, "sent").filter(|_| is_full)
    };
    let [sent, still] = [(); 2].map(|()| producer.until(if_full));
    assert_eq!(sent, still, "more is sent than there is room for");
    assert!(sent >= received + 1024, "{sent} are sent and {received} received");
    producer.kill();
    // No process has the ring, and it is still there. Both go on where they were.
    let mut producer = Program::start(RING, &["producer", name]);
    assert_eq!(producer.until(|line| number(line, "is")), sent + 1);
    let mut consumer = Program::start(RING, &["consumer", name]);
    assert_eq!(consumer.until(|line| number(line, "is")), sent + 1 - 1024);
    consumer.until(|line| number(line, "received").filter(|received| *received > sent));
    // With a last record, both end, and nothing is left.
    producer.kill();
    let producer = Program::start(RING, &["producer", name, "1"]).end();
    let last = [producer, consumer.end()].map(|said| latest(&said, "was", 0));
    assert!(last[0] > sent && last[0] == last[1], "{last:?}");
}

/// Each life of a consumer checks every record that it receives: its number and its content. So if
/// each goes on where the one before was, no record is lost.
#[test]
fn the_ring_survives_that_either_side_is_killed_at_any_time() {
    if !capabilities().lock {
        return;
    }
    let names = Names::new();
    let name = &names.name().to_string();
    let mut random = Random::new();
    let start = |role: usize| Program::start(RING, &[["producer", "consumer"][role], name]);
    let mut programs = [0, 1].map(|role| Some(start(role)));
    // The next record of each side, as far as it has said: those before it are done with.
    let mut next = [1, 1];
    for _ in 0..kills() {
        // One of them, or both.
        let spared = random.below(3);
        for role in [0, 1] {
            if spared == role as u64 {
                continue;
            }
            let mut program = programs[role].take().unwrap();
            if random.below(4) > 0 {
                // It is at work by then. Otherwise it is perhaps just starting.
                program.until(|line| number(line, "is"));
            }
            random.pause(0..=10_000);
            let said = program.kill();
            let begun_with = said.first().and_then(|line| number(line, "is"));
            assert!(begun_with.is_none_or(|it| it >= next[role]), "{next:?}: {said:#?}");
            next[role] = begun_with.unwrap_or(next[role]);
            next[role] = latest(&said, ["sent", "received"][role], next[role] - 1) + 1;
            programs[role] = Some(start(role));
        }
    }
    let [producer, mut consumer] = programs.map(Option::unwrap);
    consumer.until(|line| number(line, "received").filter(|received| *received > 0));
    producer.kill();
    let producer = Program::start(RING, &["producer", name, "1"]).end();
    let last = [producer, consumer.end()].map(|said| latest(&said, "was", 0));
    println!("{} records, and {} rounds of killing", last[1], kills());
    assert_eq!(last[0], last[1], "not all were received");
    assert!(next.iter().all(|next| last[0] + 1 >= *next), "{last:?} and {next:?}");
}

#[test]
fn the_frames_say_what_they_promise() {
    if !capabilities().lock {
        return;
    }
    let names = Names::new();
    let name = &names.name().to_string();
    let mut early = Program::start(FRAMES, &["consumer", name]);
    early.until_end_of_line("there was no producer yet");
    let mut producer = Program::start(FRAMES, &["producer", name]);
    assert_eq!(producer.until(|line| number(line, "is")), 1, "the number of the first frame");
    let mut late = Program::start(FRAMES, &["consumer", name]);
    // All say how far they are while they run, and go on.
    for (program, word) in [(&mut producer, "frame"), (&mut early, "frame"), (&mut late, "frame")] {
        let first = program.until(|line| number(line, word));
        program.until(|line| number(line, word).filter(|second| *second > first));
    }
    let (status, said) = Program::start(FRAMES, &["producer", name]).rest();
    assert!(!status.success() && said[0].contains("has a producer already"), "{said:#?}");
    let said = run(Command::new(FRAMES).args(["remove", name]));
    assert_eq!(said, format!("{name} is in use\n"));
    producer.kill();
    for consumer in [&mut early, &mut late] {
        consumer.until_end_of_line("the producer is gone");
    }
    // The next one goes on where it was, and ends after some frames.
    let last = latest(&early.said, "frame", 0);
    let said = Program::start(FRAMES, &["producer", name, "3"]).end();
    assert_eq!(latest(&said, "was", 0), last + 3, "{said:#?}");
    late.until(|line| number(line, "frame").filter(|frame| *frame == last + 3));
    // The last frame stays.
    let said = Program::start(FRAMES, &["consumer", name, "1"]).end();
    assert_eq!(latest(&said, "received", 0), 1, "{said:#?}");
    for consumer in [early, late] {
        consumer.kill();
    }
    let said = run(Command::new(FRAMES).args(["remove", name]));
    assert_eq!(said, format!("{name} is removed\n"));
}

/// A consumer checks each pixel of every frame, and that none comes after a newer one.
#[test]
fn the_frames_survive_that_any_side_is_killed_at_any_time() {
    if !capabilities().lock {
        return;
    }
    let names = Names::new();
    let name = &names.name().to_string();
    let mut random = Random::new();
    let start = |which: usize| {
        Program::start(FRAMES, &[["producer", "consumer"][usize::from(which > 0)], name])
    };
    let mut programs = [0, 1, 2].map(|which| Some(start(which)));
    let (mut next, mut mended, mut killed) = (1, 0, 0);
    // Until a producer was killed in the middle of a frame, which is a tenth of its time.
    while killed < kills() || mended == 0 && killed < 100 * kills() {
        // The producer half of the time.
        let which = (random.below(4) as usize).saturating_sub(1);
        let mut program = programs[which].take().unwrap();
        if random.below(4) > 0 {
            program.until(|line| line.contains(": ").then_some(()));
        }
        random.pause(0..=40_000);
        let said = program.kill();
        killed += 1;
        if which == 0 {
            let begun_with = said.first().and_then(|line| number(line, "is"));
            assert!(begun_with.is_none_or(|it| it >= next), "{next} is next: {said:#?}");
            next = begun_with.unwrap_or(next);
            mended += said.iter().filter(|line| line.contains("is half-written")).count();
        }
        programs[which] = Some(start(which));
    }
    println!("{next} frames, {mended} of them half-written, {killed} kills");
    assert!(mended > 0, "{killed} times no producer was killed while it wrote");
    // All of them still work.
    let said = Program::start(FRAMES, &["consumer", name, "5"]).end();
    assert_eq!(latest(&said, "received", 0), 5, "{said:#?}");
    for program in programs.into_iter().flatten() {
        program.kill();
    }
    let said = run(Command::new(FRAMES).args(["remove", name]));
    assert_eq!(said, format!("{name} is removed\n"));
}

// Other code than Linux's takes an eventfd, which is no file, for an object.
#[cfg(not(any(posix_shm_portable, posix_shm_apple)))]
#[test]
fn the_example_with_an_eventfd_says_what_it_promises() {
    let said = run(&mut Command::new(env!("CARGO_BIN_EXE_example-eventfd")));
    let lines: Vec<&str> = said.lines().collect();
    let [half, all, end] = lines[..] else { panic!("{said}") };
    assert_eq!(half, "the other process says: half of them are written");
    assert_eq!(all, "the other process says: that was all");
    assert!(end.starts_with("200000 numbers came, and woke this process "), "{said}");
    assert!(end.ends_with(" times; their sum is 20000100000"), "{said}");
}
