//! Four worker processes that inherit one object and fill a quarter of it each.
//!
//! Type this in the repository:
//!
//! ```sh
//! cargo run --example workers
//! ```
//!
//! You should see this:
//!
//! ```text
//! 4 workers counted 664579 primes below 10000000
//! ```
//!
//! The object has no name, so nothing is left however this ends, and no other program can find it.

use std::env;
use std::error::Error;
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Child, Command};

use posix_shm::Shm;

const WORKERS: usize = 4;
const LIMIT: usize = 10_000_000;

/// How a worker is told which descriptor it inherits.
const DESCRIPTOR: &str = "WORKERS_FD";

fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1) {
        Some(number) => work(number.parse()?),
        None => lead(),
    }
}

/// The parent: makes the object, starts the workers, and adds up what they wrote.
fn lead() -> Result<(), Box<dyn Error>> {
    // A count for each worker, each in a cache line of its own.
    let object = Shm::anonymous(WORKERS as u64 * 64)?;
    let counts = object.map()?;

    let mut workers = Vec::new();
    for number in 0..WORKERS {
        // The first argument is the worker's number.
        let mut command = Command::new(env::current_exe()?);
        let descriptor = object.pass_to(&mut command)?;
        command.arg(number.to_string()).env(DESCRIPTOR, descriptor.to_string());
        workers.push(command.spawn()?);
    }
    for worker in &mut workers {
        succeed(worker)?;
    }
    let mut sum = 0;
    for number in 0..WORKERS {
        sum += counts.cell::<u64>(number * 64)?.load();
    }
    println!("{WORKERS} workers counted {sum} primes below {LIMIT}");
    Ok(())
}

fn succeed(worker: &mut Child) -> Result<(), Box<dyn Error>> {
    let status = worker.wait()?;
    if status.success() { Ok(()) } else { Err(format!("a worker failed: {status}").into()) }
}

/// A worker: takes the object that it inherited, and writes its result.
fn work(number: usize) -> Result<(), Box<dyn Error>> {
    let descriptor = env::var(DESCRIPTOR)?.parse()?;
    // SAFETY: the parent says that this descriptor is ours, and nothing else here uses it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let counts = Shm::from_fd(descriptor, None)?.map_mut()?;

    let part = LIMIT / WORKERS;
    let primes = count_primes(number * part, (number + 1) * part);
    counts.cell::<u64>(number * 64)?.store(primes);
    Ok(())
}

/// How many primes there are from `from` to before `to`: the sieve of Eratosthenes.
fn count_primes(from: usize, to: usize) -> u64 {
    let root = to.isqrt();
    let mut is_composite = vec![false; root + 1];
    let mut part = vec![false; to - from];
    for prime in 2..=root {
        if is_composite[prime] {
            continue;
        }
        is_composite[prime..].iter_mut().step_by(prime).for_each(|it| *it = true);
        let first = (prime * prime).max(from.next_multiple_of(prime));
        part.iter_mut().skip(first - from).step_by(prime).for_each(|it| *it = true);
    }
    let start = 2_usize.saturating_sub(from);
    part[start..].iter().filter(|it| !**it).count() as u64
}
