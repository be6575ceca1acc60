//! What every test needs: names of its own that are checked for leaks, the peer process, and a way
//! to skip a test that says so.

#[path = "../peer/expected.rs"]
mod expected;
#[cfg(target_os = "linux")]
pub(crate) mod victim;

pub(crate) use expected::{len, page};

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use posix_shm::{Shm, ShmName};

/// Whether objects are files in the `/dev/shm` of Linux, so that a test can look at the files. Not
/// with the model of macOS, although its objects are such files.
pub(crate) const FILES: bool = cfg!(all(target_os = "linux", not(posix_shm_apple)));

/// The names of one test. Dropping it panics if an object with such a name is left, or a descriptor
/// or a mapping of one.
pub(crate) struct Names {
    prefix: String,
    given: AtomicUsize,
}

impl Names {
    /// With a prefix that no other test and no other run has.
    pub(crate) fn new() -> Names {
        // The permissions that the tests expect depend on the umask.
        static UMASK: Once = Once::new();
        UMASK.call_once(|| {
            // SAFETY: passes no pointer.
            unsafe { libc::umask(0o022) };
        });
        let unique = ShmName::random("pshm-").expect("the system has a random source");
        let prefix = unique.to_string().trim_start_matches('/').to_owned();
        Names { prefix, given: AtomicUsize::new(0) }
    }

    /// A new name, which no object has.
    pub(crate) fn name(&self) -> ShmName {
        self.nth(self.given.fetch_add(1, Ordering::Relaxed))
    }

    fn nth(&self, n: usize) -> ShmName {
        ShmName::portable(format!("/{}.{n}", self.prefix)).expect("the name is short and portable")
    }

    /// What the system still has of this test's objects.
    fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        if !FILES {
            // The system cannot list names, so this tries those that were given.
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
                skip("without /proc, it cannot find the descriptors and mappings that are left");
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

/// The files of the objects on Linux.
fn objects() -> impl Iterator<Item = PathBuf> {
    fs::read_dir("/dev/shm").into_iter().flatten().flatten().map(|entry| entry.path())
}

impl Drop for Names {
    fn drop(&mut self) {
        let left = self.left();
        // Clean up, even if the test has failed.
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

/// A process that does one task.
pub(crate) fn peer<I: AsRef<OsStr>>(task: &str, arguments: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peer"));
    command.arg(task).args(arguments).stdin(Stdio::null());
    command
}

/// No argument for [`peer`].
pub(crate) const NOTHING: [&str; 0] = [];

/// Runs a command, and returns its output. If it fails, the panic shows what it printed.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().expect("the command can be started");
    assert!(output.status.success(), "it failed: {}", report(command, &output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Runs a command that must fail, and returns its status.
#[track_caller]
pub(crate) fn run_to_death(command: &mut Command) -> ExitStatus {
    let output = command.output().expect("the command can be started");
    assert!(!output.status.success(), "it did not fail: {}", report(command, &output));
    output.status
}

fn report(command: &Command, output: &Output) -> String {
    format!(
        "{command:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The start of a peer's output if the machine does not allow its task.
#[cfg(target_os = "linux")]
const CANNOT: &str = "cannot: ";

/// Runs a task that not every machine allows, and returns its output. None if the peer says that it
/// is not allowed; the test is then skipped. The project's own CI allows every task.
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

/// How often to do something: usually, and in the step "90-soak" of the CI.
pub(crate) fn times(usually: u32, soaking: u32) -> u32 {
    if std::env::var_os("POSIX_SHM_TESTS_SOAK").is_some() { soaking } else { usually }
}

/// Prints why a test cannot run on this machine. In the project's own CI that is a failure.
#[track_caller]
pub(crate) fn skip(why: &str) {
    let here = std::panic::Location::caller();
    assert!(
        std::env::var_os("POSIX_SHM_TESTS_SKIP_NOTHING").is_none(),
        "every test must run on this machine, but {here} cannot: {why}"
    );
    eprintln!("skipped at {here}: {why}");
}
