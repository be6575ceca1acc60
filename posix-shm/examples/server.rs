//! A server whose state other processes watch while it runs, without asking it.
//!
//! Type this in the repository:
//!
//! ```sh
//! cargo run --example server
//! ```
//!
//! You should see this:
//!
//! ```text
//! seen from outside: 4 workers have answered 1000 requests
//! seen from inside: 1000 requests
//! ```
//!
//! The views are owned: they keep their mapping alive, so a structure can have them and threads can
//! share them. A watcher gets a handle that can only read. It costs the server nothing, however
//! often it looks.

use std::env;
use std::error::Error;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use posix_shm::bytemuck::{Pod, Zeroable};
use posix_shm::{OwnedCell, OwnedSlice, Shm, capabilities, field};

/// The argument that makes this program the watcher.
const WATCHER: &str = "--watcher";

const WORKERS: usize = 4;
const REQUESTS: u32 = 1000;

/// What is at the start of the object. Server and watcher must agree on it.
#[derive(Clone, Copy, Pod, Zeroable)]
#[bytemuck(crate = "posix_shm::bytemuck")]
#[repr(C)]
struct Header {
    magic: u32,
    workers: u32,
    requests: u32,
}

const MAGIC: u32 = 0x5345_5256;
/// Where the workers' counts are: each in a cache line of its own, of which it uses one word.
const COUNTS: usize = 64;
const WORDS_A_LINE: usize = 8;

/// The server's state, in shared memory. A clone shares it.
#[derive(Clone)]
struct State {
    header: OwnedCell<Header>,
    counts: OwnedSlice<u64>,
}

impl State {
    fn new(object: &Shm) -> posix_shm::Result<State> {
        let mapping = Arc::new(object.map_mut()?);
        let header = mapping.view_cell::<Header>(0)?;
        header.get().store(Header { magic: MAGIC, workers: WORKERS as u32, requests: 0 });
        let counts = mapping.view(COUNTS, WORKERS * WORDS_A_LINE)?;
        Ok(State { header, counts })
    }

    /// Counts a request that a worker has answered, and wakes those who wait for it.
    fn count(&self, worker: usize) -> posix_shm::Result<()> {
        self.counts.get().cell(worker * WORDS_A_LINE).atomic().fetch_add(1, Relaxed);
        let requests = field!(self.header.get(), Header, requests).atomic();
        if requests.fetch_add(1, AcqRel) + 1 == REQUESTS {
            requests.notify_all()?;
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    if env::args().any(|argument| argument == WATCHER) {
        return watch();
    }
    let object = Shm::anonymous(4096)?;
    let state = State::new(&object)?;

    // A watcher connects. A real server would accept it at a `UnixListener`.
    let (here, there) = UnixStream::pair()?;
    let mut watcher =
        Command::new(env::current_exe()?).arg(WATCHER).stdin(OwnedFd::from(there)).spawn()?;
    if capabilities().read_only_anonymous {
        object.read_only()?.send(&here)?;
    } else {
        object.send(&here)?;
    }

    serve(&state)?;
    let status = watcher.wait()?;
    if !status.success() {
        return Err(format!("the watcher failed: {status}").into());
    }
    println!("seen from inside: {} requests", state.header.get().load().requests);
    Ok(())
}

/// Answers the requests on several threads.
fn serve(state: &State) -> Result<(), Box<dyn Error>> {
    let (sender, requests) = mpsc::channel();
    let requests = Arc::new(Mutex::new(requests));
    let mut workers = Vec::new();
    for worker in 0..WORKERS {
        let (state, requests) = (state.clone(), Arc::clone(&requests));
        workers.push(thread::spawn(move || {
            let next = || requests.lock().unwrap().recv();
            // Here the request would be answered.
            while let Ok(()) = next() {
                state.count(worker)?;
            }
            Ok::<(), posix_shm::Error>(())
        }));
    }
    for _ in 0..REQUESTS {
        sender.send(())?;
    }
    drop(sender);
    for worker in workers {
        worker.join().map_err(|_| "a worker has panicked")??;
    }
    Ok(())
}

/// The watcher: receives the handle, and waits for the last request.
fn watch() -> Result<(), Box<dyn Error>> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mapping = Shm::receive(&socket)?.map()?;
    let header = mapping.cell::<Header>(0)?;
    // A copy: what was checked cannot change any more.
    let Header { magic, workers, .. } = header.load();
    if magic != MAGIC {
        return Err("this is not the server's object".into());
    }
    field!(header, Header, requests)
        .atomic()
        .wait_while(|requests| requests < REQUESTS, Duration::from_secs(60))?
        .ok_or("the server has not answered for a minute")?;

    let counts = mapping.slice::<u64>(COUNTS, workers as usize * WORDS_A_LINE)?;
    let of = |worker| counts.cell(worker * WORDS_A_LINE).atomic().load(Acquire);
    let answered: u64 = (0..workers as usize).map(of).sum();
    println!("seen from outside: {workers} workers have answered {answered} requests");
    Ok(())
}
