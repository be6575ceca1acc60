//! What every test needs: names of its own that are checked for leaks, the helper process, and a way to skip aloud.

#[path = "../peer/expected.rs"]
mod expected;
#[cfg(target_os = "linux")]
pub(crate) mod victim;

pub(crate) use expected::{len, page, whole_word};

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use posix_shm::{Shm, ShmName};

/// Whether objects are files of Linux' `/dev/shm`, of which a test can see more than of other objects. Under the model of another
/// system they are not to be taken for that.
pub(crate) const FILES: bool = cfg!(all(target_os = "linux", not(posix_shm_apple)));

/// Names for one test. When it goes, nothing of theirs may be left: no name, no descriptor, no mapping.
pub(crate) struct Names {
    prefix: String,
    given: AtomicUsize,
}

impl Names {
    /// A prefix that no other test has, nor any other run.
    pub(crate) fn new() -> Names {
        // Tests say what permissions new objects have, so it is not left to whoever runs them.
        static UMASK: Once = Once::new();
        UMASK.call_once(|| {
            // SAFETY: passes no pointer.
            unsafe { libc::umask(0o022) };
        });
        let unique = ShmName::random("pshm-").expect("the system has a random source");
        let prefix = unique.to_string().trim_start_matches('/').to_owned();
        Names { prefix, given: AtomicUsize::new(0) }
    }

    /// A name that nothing has.
    pub(crate) fn name(&self) -> ShmName {
        self.nth(self.given.fetch_add(1, Ordering::Relaxed))
    }

    fn nth(&self, n: usize) -> ShmName {
        ShmName::portable(format!("/{}.{n}", self.prefix)).expect("the name is short and portable")
    }

    /// What is left of this test's objects in the system.
    fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        if !FILES {
            // Nothing tells the names, but those that were given.
            let given = (0..self.given.load(Ordering::Relaxed)).map(|n| self.nth(n));
            left.extend(given.filter(|name| Shm::open(name).is_ok()).map(|name| name.to_string()));
        }
        for path in objects() {
            left.push(format!("the name {}", path.display()));
        }
        let (Ok(descriptors), Ok(maps)) =
            (fs::read_dir("/proc/self/fd"), fs::read_to_string("/proc/self/maps"))
        else {
            if FILES {
                skip("without /proc, nothing tells which descriptors and mappings are left");
            }
            return left;
        };
        for entry in descriptors.flatten() {
            if let Ok(target) = fs::read_link(entry.path()) {
                left.push(format!("the descriptor of {}", target.display()));
            }
        }
        for line in maps.lines() {
            left.push(format!("the mapping {line}"));
        }
        left.retain(|what| what.contains(&self.prefix));
        left
    }
}

/// Where Linux keeps the objects.
fn objects() -> impl Iterator<Item = PathBuf> {
    fs::read_dir("/dev/shm").into_iter().flatten().flatten().map(|entry| entry.path())
}

impl Drop for Names {
    fn drop(&mut self) {
        let left = self.left();
        // Whatever went wrong, the next run finds nothing.
        for name in (0..self.given.load(Ordering::Relaxed)).map(|n| self.nth(n)) {
            drop(posix_shm::unlink(name));
        }
        for path in objects().filter(|path| path.to_string_lossy().contains(&self.prefix)) {
            drop(fs::remove_file(path));
        }
        if !left.is_empty() && !std::thread::panicking() {
            panic!("left behind: {left:#?}");
        }
    }
}

/// The other process, told what to do.
pub(crate) fn peer<I: AsRef<OsStr>>(task: &str, arguments: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peer"));
    command.arg(task).args(arguments).stdin(Stdio::null());
    command
}

/// No arguments for [`peer`].
pub(crate) const NOTHING: [&str; 0] = [];

/// Runs a command to its end, and shows what it said where it failed.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().expect("the command can be started");
    assert!(output.status.success(), "{}", told(command, &output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Runs a command that is to die, and tells how it did.
#[track_caller]
pub(crate) fn run_to_death(command: &mut Command) -> ExitStatus {
    let output = command.output().expect("the command can be started");
    assert!(!output.status.success(), "{}", told(command, &output));
    output.status
}

fn told(command: &Command, output: &Output) -> String {
    format!(
        "{command:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// What a peer says where the machine does not let it do its task.
#[cfg(target_os = "linux")]
const CANNOT: &str = "cannot: ";

/// Runs a task that not every machine allows. Where it says so, this says it too; the project's own CI allows all.
#[cfg(target_os = "linux")]
#[track_caller]
pub(crate) fn run_if_allowed(command: &mut Command) -> Option<String> {
    let said = run(command);
    match said.strip_prefix(CANNOT) {
        Some(why) => {
            skip(why);
            None
        }
        None => Some(said),
    }
}

/// Says why a test cannot be run here. In the project's own CI that is a failure.
#[track_caller]
pub(crate) fn skip(why: &str) {
    let here = std::panic::Location::caller();
    assert!(
        std::env::var_os("POSIX_SHM_TESTS_SKIP_NOTHING").is_none(),
        "this machine is to run every test, but {here} cannot be: {why}"
    );
    eprintln!("skipped at {here}: {why}");
}
