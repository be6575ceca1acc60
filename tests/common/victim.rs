//! Runs the victim under `strace`, which makes system calls fail or kills the victim at them, and
//! reads the output of both.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::skip;

/// What is done to a system call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Injection {
    /// The name of the call.
    pub(crate) call: String,
    /// Which call of this name in the whole run, from 1.
    pub(crate) nth: usize,
    /// A later call of the same name, to which the same is done.
    pub(crate) and: Option<usize>,
    /// As `strace` spells it: `error=ENOENT`, `signal=SIGKILL`.
    pub(crate) what: String,
}

impl Injection {
    /// The name of the error number with which the call fails.
    pub(crate) fn errno(&self) -> &str {
        self.what.trim_start_matches("error=")
    }

    /// The number of calls to which it is done.
    pub(crate) fn times(&self) -> usize {
        1 + usize::from(self.and.is_some())
    }
}

/// How many calls are made to fail in all.
pub(crate) fn times(injections: &[Injection]) -> usize {
    injections.iter().map(Injection::times).sum()
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Injection { call, nth, and, what } = self;
        write!(f, "-e inject={call}:{what}:when={nth}")?;
        match and {
            Some(and) => write!(f, "..{and}+{}", and - nth),
            None => Ok(()),
        }
    }
}

/// A system call that the victim made between its marks.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// Which call of this name in the whole run, from 1.
    pub(crate) nth: usize,
    pub(crate) line: String,
    /// The path by which the descriptor in its first argument was opened. Its number says nothing:
    /// it depends on what the test runner has left open.
    pub(crate) opened_as: Option<String>,
}

/// One run of the victim.
pub(crate) struct Run {
    /// For repeating the run by hand.
    pub(crate) command: String,
    pub(crate) status: ExitStatus,
    pub(crate) said: String,
    pub(crate) log: String,
    /// The calls between the marks, without noise: [`is_noise`].
    pub(crate) calls: Vec<Call>,
    /// The second mark, if the victim reached it.
    pub(crate) end: Option<Call>,
}

impl Run {
    /// The rest of the line that begins with `start`.
    pub(crate) fn line(&self, start: &str) -> Option<&str> {
        self.said.lines().find_map(|line| line.strip_prefix(start))
    }

    /// The calls after the last one that was made to fail.
    pub(crate) fn later_calls(&self) -> &[Call] {
        let last = self.calls.iter().rposition(|call| call.line.contains("(INJECTED)"));
        &self.calls[last.map_or(0, |last| last + 1)..]
    }

    /// How many calls between the marks were made to fail. It may be fewer than asked for: how
    /// often a task tries again may depend on the room that other tests leave.
    pub(crate) fn injected(&self) -> usize {
        self.calls.iter().filter(|call| call.line.contains("(INJECTED)")).count()
    }

    /// The temporary names of the library that it used and that still exist.
    pub(crate) fn temporaries(&self) -> BTreeSet<PathBuf> {
        let quoted = self.log.split('"').filter(|part| part.starts_with("/dev/shm/posix-shm."));
        quoted.map(PathBuf::from).filter(|path| fs::exists(path).unwrap()).collect()
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = self.log.find("getppid(").unwrap_or(0);
        write!(f, "{}\n{}\n{}", self.command, self.status, self.said)?;
        f.write_str(&self.log[from..])
    }
}

/// Whether `strace` is installed and may trace. If not, the test is skipped.
pub(crate) fn can_trace() -> bool {
    let works = Command::new("strace").args(["-q", "true"]).stderr(Stdio::null()).status();
    let works = works.is_ok_and(|status| status.success());
    if !works {
        skip("strace is not installed, or may not trace");
    }
    works
}

/// The names of all tasks of the victim.
pub(crate) fn tasks() -> Vec<String> {
    let list = super::run(Command::new(env!("CARGO_BIN_EXE_victim")).arg("list"));
    list.lines().map(str::to_owned).collect()
}

/// Runs a task, and does something to these calls.
pub(crate) fn trace(task: &str, name: &str, how: &str, injections: &[Injection]) -> Run {
    let mut strace = Command::new("strace");
    let mut command = String::from("strace -q");
    strace.arg("-q");
    for injection in injections {
        let argument = injection.to_string();
        strace.args(argument.split(' '));
        command += &format!(" {argument}");
    }
    let program = env!("CARGO_BIN_EXE_victim");
    command += &format!(" {program} {task} {name} {how}");
    strace.args([program, task, name, how]).stdin(Stdio::null());
    let output = strace.output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut run = Run { command, status: output.status, said, log, calls: vec![], end: None };
    (run.calls, run.end) = between_marks(&run.log);
    run
}

fn between_marks(log: &str) -> (Vec<Call>, Option<Call>) {
    let mut calls: Vec<Call> = Vec::new();
    let mut paths = BTreeMap::new();
    for line in log.lines() {
        let Some((name, arguments)) = line.split_once('(') else { continue };
        let nth = 1 + calls.iter().filter(|call| call.name == name).count();
        let descriptor = arguments.split([',', ')']).next().and_then(|first| first.parse().ok());
        let opened_as = descriptor.and_then(|fd: i32| paths.get(&fd).cloned());
        let result = line.rsplit_once(" = ").and_then(|(_, result)| result.parse().ok());
        match (name, result, arguments.split('"').nth(1)) {
            ("openat", Some(fd @ 0..), Some(path)) => {
                paths.insert(fd, path.to_owned());
            }
            ("close", Some(0), _) => {
                descriptor.map(|fd| paths.remove(&fd));
            }
            _ => {}
        }
        calls.push(Call { name: name.to_owned(), nth, line: line.to_owned(), opened_as });
    }
    let mut marked = calls.into_iter().skip_while(|call| call.name != "getppid").skip(1);
    let between = marked.by_ref();
    let mut found = Vec::new();
    for call in between {
        if call.name == "getppid" {
            return (found, Some(call));
        }
        if !is_noise(&call) {
            found.push(call);
        }
    }
    (found, None)
}

/// The calls of the allocator, and the check with which std closes a descriptor in a debug build.
fn is_noise(call: &Call) -> bool {
    match call.name.as_str() {
        "brk" => true,
        // The library reserves address space so.
        "mmap" => call.line.contains("MAP_ANONYMOUS") && !call.line.contains("PROT_NONE"),
        "fcntl" => call.line.contains("F_GETFD"),
        _ => false,
    }
}

/// Does the work on a few threads, and returns the results in any order.
pub(crate) fn in_parallel<T: Sync, R: Send>(work: &[T], each: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = 2 * std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = each(item);
                    done.lock().unwrap().push(result);
                }
            });
        }
    });
    done.into_inner().unwrap()
}
