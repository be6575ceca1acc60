//! Python's `multiprocessing.shared_memory`, `mmap` and `socket`. A process of Python does what it
//! is told so often, and says how long the processor took, so that it takes turns with the others.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// `track` would make the process that opens an object remove it. Older versions always do.
const SCRIPT: &str = "
import mmap, os, socket, sys, time
from multiprocessing.shared_memory import SharedMemory
options = {'track': False} if sys.version_info >= (3, 13) else {}
here, there = socket.socketpair()
sent = os.memfd_create('bench')
def create(name, content):
    s = SharedMemory(name, True, 4096, **options)
    s.buf[0] = 1
    s.close()
    s.unlink()
def open(name, content):
    s = SharedMemory(name, **options)
    assert s.buf[0] == 7
    s.close()
def anonymous(name, content):
    fd = os.memfd_create('bench')
    os.ftruncate(fd, 4096)
    m = mmap.mmap(fd, 4096)
    m[0] = 1
    m.close()
    os.close(fd)
def publish(name, content):
    s = SharedMemory(name, True, len(content), **options)
    s.buf[:len(content)] = content
    s.close()
    s.unlink()
def send(name, content):
    socket.send_fds(here, [b'-'], [sent])
    os.close(socket.recv_fds(there, 1, 1)[1][0])
content = b''
for line in sys.stdin:
    what, name, size, times = line.split()
    if len(content) != int(size):
        content = b'7' * int(size)
    run = globals()[what]
    start = time.thread_time_ns()
    for _ in range(int(times)):
        run(name, content)
    print(time.thread_time_ns() - start, flush=True)
";

/// A process that is told what to do.
pub(crate) struct Python {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    /// As it is printed.
    pub(crate) version: String,
}

impl Python {
    /// `None` if there is none here.
    pub(crate) fn start() -> Option<Python> {
        let version = Command::new("python3").arg("-V").output().ok()?;
        let version = String::from_utf8(version.stdout).ok()?.trim().to_owned();
        let mut command = Command::new("python3");
        command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped());
        // When it ends, it warns of names that it thinks are still there.
        let mut process = command.stderr(Stdio::null()).spawn().ok()?;
        let (to, from) = (process.stdin.take()?, BufReader::new(process.stdout.take()?));
        Some(Python { process, to, from, version })
    }

    /// Does it so often.
    pub(crate) fn run(&mut self, what: &str, name: &str, size: usize, times: u32) -> Duration {
        // The slash is Python's own.
        let name = name.trim_start_matches('/');
        writeln!(self.to, "{what} {name} {size} {times}").unwrap();
        let mut answer = String::new();
        self.from.read_line(&mut answer).unwrap();
        Duration::from_nanos(answer.trim().parse().expect("Python has failed"))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
