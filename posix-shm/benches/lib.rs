//! Measures variants against each other, fairly: they take turns.

mod plot;

pub use plot::bars;

use std::time::{Duration, Instant};

/// One way to do the same thing.
pub struct Variant<'a> {
    /// The column's title.
    pub name: &'static str,
    /// Runs it this many times.
    pub run: Box<dyn FnMut(u32) + 'a>,
}

/// The least time that one batch of runs should take, so that reading the clock costs little of it.
const BATCH: Duration = Duration::from_micros(100);

/// Returns for each variant the median of its ratios. A ratio is its time in a round divided by
/// that of the first variant. The order rotates, so that a disturbance affects all alike.
pub fn ratios(variants: &mut [Variant<'_>], rounds: usize) -> Vec<f64> {
    let mut times = 1;
    while time(&mut variants[0], times) < BATCH && times < 1 << 24 {
        times *= 2;
    }
    let mut ratios = vec![Vec::new(); variants.len()];
    for round in 0..rounds {
        let mut taken = vec![Duration::ZERO; variants.len()];
        for turn in 0..variants.len() {
            let which = (round + turn) % variants.len();
            taken[which] = time(&mut variants[which], times);
        }
        for (ratios, taken_here) in ratios.iter_mut().zip(&taken) {
            ratios.push(taken_here.as_secs_f64() / taken[0].as_secs_f64());
        }
    }
    ratios.iter_mut().map(|ratios| median(ratios)).collect()
}

/// One way to do the same thing, which says itself how long the part took that is compared.
pub struct Timed<'a> {
    /// The row's title.
    pub name: &'static str,
    /// Does it once.
    pub run: Box<dyn FnMut() -> Duration + 'a>,
}

/// As [`ratios`], for what is long enough to be measured once in a round. Also returns the median
/// of the times.
pub fn timed_ratios(ways: &mut [Timed<'_>], rounds: usize) -> Vec<(f64, Duration)> {
    let mut times = vec![Vec::new(); ways.len()];
    for round in 0..rounds {
        for turn in 0..ways.len() {
            let which = (round + turn) % ways.len();
            times[which].push((ways[which].run)());
        }
    }
    let first = times[0].clone();
    let row = |times: &mut Vec<Duration>| {
        let compared = times.iter().zip(&first);
        let mut ratios: Vec<f64> =
            compared.map(|(time, first)| time.as_secs_f64() / first.as_secs_f64()).collect();
        times.sort();
        (median(&mut ratios), times[times.len() / 2])
    };
    times.iter_mut().map(row).collect()
}

/// One way to do the same thing, which says how long a processor took for so many runs.
pub struct Way<'a> {
    /// The row's title.
    pub name: String,
    /// Runs it this many times.
    pub run: Box<dyn FnMut(u32) -> Duration + 'a>,
}

impl<'a> Way<'a> {
    /// A way that is a function of this process.
    pub fn of(name: &str, run: impl Fn() + 'a) -> Way<'a> {
        let run = move |times| {
            let start = processor_time();
            (0..times).for_each(|_| run());
            processor_time() - start
        };
        Way { name: name.to_owned(), run: Box::new(run) }
    }
}

/// How long this thread has had a processor. Other programs disturb that less than the time that
/// has passed, which is the same as long as nothing sleeps.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("no clock of a thread is before its start")
}

/// As [`ratios`], in a random order in each round, so that none always comes after the same other
/// one. Also returns the median of the times of one run.
pub fn shuffled_ratios(ways: &mut [Way<'_>], rounds: usize) -> Vec<(f64, Duration)> {
    let mut times = 1;
    while (ways[0].run)(times) < 20 * BATCH && times < 1 << 24 {
        times *= 2;
    }
    // Each has its memory and its caches before the first round.
    for way in &mut *ways {
        (way.run)(times.div_ceil(4));
    }
    let mut taken = vec![Vec::new(); ways.len()];
    let mut order: Vec<usize> = (0..ways.len()).collect();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..rounds {
        for last in (1..order.len()).rev() {
            // Marsaglia's xorshift.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            order.swap(last, (random % (last as u64 + 1)) as usize);
        }
        for &which in &order {
            taken[which].push((ways[which].run)(times));
        }
    }
    let first = taken[0].clone();
    let row = |taken: &mut Vec<Duration>| {
        let compared = taken.iter().zip(&first);
        let mut ratios: Vec<f64> =
            compared.map(|(time, first)| time.as_secs_f64() / first.as_secs_f64()).collect();
        taken.sort();
        (median(&mut ratios), taken[taken.len() / 2] / times)
    };
    taken.iter_mut().map(row).collect()
}

fn time(variant: &mut Variant<'_>, times: u32) -> Duration {
    let start = Instant::now();
    (variant.run)(times);
    start.elapsed()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
