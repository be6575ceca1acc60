//! Measures the life cycles of objects: creating, opening, publishing, reading and passing on. This
//! library against hand-written calls that give the same guarantee, and against other libraries, in
//! the same run and in turns.
//!
//! `README.md` says how to run it. You should see tables like those there: a row for each way, with
//! the median of its ratios to the first row, its time, and exactly how many system calls,
//! instructions and allocations it takes; and at the end the small table of the README at the root.
//! `lifecycle.svg` has the ratios as bars.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)]

use std::cell::RefCell;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;

use posix_shm::Shm;
use posix_shm_benches::{Way, bars, shuffled_ratios};

#[path = "../../tests/counted/cycles.rs"]
#[allow(dead_code, reason = "shared with the counts in tests/counted.rs")]
mod cycles;
#[path = "lifecycle/peers.rs"]
mod peers;
#[path = "lifecycle/python.rs"]
mod python;
#[path = "../../tests/counted/raw.rs"]
#[allow(dead_code, reason = "shared with the counts in tests/counted.rs")]
mod raw;
#[path = "../../tests/counted/stepped.rs"]
#[allow(dead_code, reason = "shared with the counts in tests/counted.rs")]
mod stepped;

use cycles::{Cycle, LEN, Name};
use peers::{HALF_MADE, Peer, SPARSE, TRUSTS};
use python::Python;
use stepped::{CAN_STEP, Cost, cost};

/// What Python is told to do, with which name and how many bytes, and what it lacks.
type Told<'a> = (&'static str, &'a str, usize, &'static str);

const OURS: &str = "posix-shm";
/// Up to this length.
const MOST_COUNTED: usize = 64 << 10;
const BY_HAND: &str = "by hand";

/// The columns of the small table. The ways of one begin with its first word.
const COLUMNS: [&str; 8] = [
    "rustix",
    "nix, memmap2",
    "shared_memory",
    "psx-shm",
    "memfd, memmap2",
    "iceoryx2-bb-posix",
    "ipc-channel",
    "Python",
];

struct Bench {
    rounds: usize,
    /// Whether what a way costs is counted. Long copies take a step for each few bytes.
    counts: bool,
    /// Whether the small table has a row for it.
    in_small: bool,
    python: Option<RefCell<Python>>,
    plotted: Vec<(String, Vec<(String, f64)>)>,
    /// The rows of the small table, and what is said below it.
    small: Vec<String>,
    notes: Vec<&'static str>,
}

/// A row of a table.
struct Row {
    name: String,
    lacks: &'static str,
    /// Unknown of another process, and of long copies.
    cost: Option<Cost>,
}

fn main() {
    let short = std::env::args().any(|argument| argument == "--short");
    let (rounds, python) = (if short { 5 } else { 301 }, Python::start().map(RefCell::new));
    let mut bench = Bench {
        rounds,
        counts: true,
        in_small: true,
        python,
        plotted: vec![],
        small: vec![],
        notes: vec![],
    };
    let name = Name::random();
    let told = ("create", name.text.as_str(), LEN, HALF_MADE);
    bench.table(cycles::create(&name), peers::create(&name.text), Some(told));
    bench.table(cycles::create_in_steps(&name), vec![], None);
    bench.table(cycles::create_and_remove_own(&name), vec![], None);

    let old = Name::random();
    let kept = Shm::publish(&old.checked, &[7; LEN]).unwrap();
    let forgets = "before Python 3.13, removes the name when the process ends";
    let told = ("open", old.text.as_str(), LEN, forgets);
    bench.table(cycles::open(&old), peers::open(&old.text), Some(told));
    kept.unlink().unwrap();

    let told = ("anonymous", "-", LEN, SPARSE);
    bench.table(cycles::anonymous(), peers::anonymous(), Some(told));

    let sizes: &[usize] =
        if short { &[LEN] } else { &[LEN, 64 << 10, 1 << 20, 16 << 20, 256 << 20] };
    for &size in sizes {
        let content = vec![7; size];
        let told = ("publish", name.text.as_str(), size, HALF_MADE);
        bench.rounds = rounds.min((64 << 20) / size + 5);
        bench.counts = size <= MOST_COUNTED;
        bench.in_small = [LEN, 1 << 20].contains(&size);
        bench.table(
            cycles::publish(&name, &content),
            peers::publish(&name.text, &content),
            Some(told),
        );
    }
    for &size in &sizes[..sizes.len().min(4)] {
        let object = Shm::publish(&name.checked, &vec![7; size]).unwrap();
        let buffer = RefCell::new(vec![0; size]);
        bench.rounds = rounds.min((256 << 20) / size + 5);
        bench.counts = size <= MOST_COUNTED;
        bench.in_small = size == LEN;
        bench.table(cycles::read(&object, &buffer), peers::read(&object, &buffer), None);
        object.unlink().unwrap();
    }
    (bench.rounds, bench.counts, bench.in_small) = (rounds, true, true);

    let object = Shm::anonymous(LEN as u64).unwrap();
    let sockets = UnixStream::pair().unwrap();
    let told = ("send", "-", LEN, TRUSTS);
    bench.table(cycles::pass(&object, &sockets), peers::pass(&object, &sockets), Some(told));
    bench.finish(short);
}

impl Bench {
    fn table<'a>(&mut self, cycle: Cycle<'a>, peers: Vec<Peer<'a>>, told: Option<Told<'_>>) {
        let Cycle { what, by_hand, ours } = cycle;
        let by_hand: Rc<dyn Fn() + 'a> = by_hand.into();
        let again = by_hand.clone();
        let mut functions: Vec<(String, &str, Box<dyn Fn() + 'a>)> = vec![
            (BY_HAND.to_owned(), "", Box::new(move || by_hand())),
            (format!("{BY_HAND} again (noise)"), "", Box::new(move || again())),
        ];
        functions.extend(ours.into_iter().map(|it| (format!("{OURS}, {}", it.name), "", it.run)));
        functions.extend(peers.into_iter().map(|(name, lacks, run)| (name.to_owned(), lacks, run)));
        let (mut rows, mut ways) = (Vec::new(), Vec::new());
        for (name, lacks, run) in functions {
            let cost = self.counts.then(|| cost(&run));
            rows.push(Row { name: name.clone(), lacks, cost });
            ways.push(Way::of(&name, run));
        }
        if let (Some(python), Some((task, name, size, lacks))) = (&self.python, told) {
            let run = move |times| python.borrow_mut().run(task, name, size, times);
            let version = python.borrow().version.clone();
            rows.push(Row { name: version.clone(), lacks, cost: None });
            ways.push(Way { name: version, run: Box::new(run) });
        }
        let found = shuffled_ratios(&mut ways, self.rounds);
        drop(ways);

        println!("\n### {}{}\n", what[..1].to_uppercase(), &what[1..]);
        println!("| way | ratio | µs | calls | instructions | allocations | what it lacks |");
        println!("|---|---:|---:|---:|---:|---:|---|");
        for (row, (ratio, time)) in rows.iter().zip(&found) {
            let (us, lacks) = (time.as_secs_f64() * 1e6, row.lacks);
            println!("| {} | {ratio:.3} | {us:.2} | {} | {lacks} |", row.name, row.costs());
        }
        let ratios: Vec<f64> = found.iter().map(|(ratio, _)| *ratio).collect();
        self.add_small(&what, &rows, &ratios, found[0].1.as_secs_f64() * 1e6);
    }

    /// Adds a row to the small table and to the picture, if others can do this too.
    fn add_small(&mut self, what: &str, rows: &[Row], ratios: &[f64], by_hand: f64) {
        let is_of = |row: &Row, column: &str| {
            let first = |text: &str| text.split([' ', ',']).next().map(str::to_owned);
            first(&row.name) == first(column)
        };
        let has_peer = rows.iter().any(|row| COLUMNS.iter().any(|column| is_of(row, column)));
        if !self.in_small || !has_peer {
            return;
        }
        let mut line = format!("| {what} | {by_hand:.1} µs");
        let mut bars = Vec::new();
        for column in [OURS].iter().chain(&COLUMNS) {
            let found = rows.iter().zip(ratios).find(|(row, _)| is_of(row, column));
            let (text, lacks) = match found {
                Some((row, ratio)) => {
                    bars.push((row.name.clone(), *ratio));
                    (format!("{ratio:.2}"), row.lacks)
                }
                None => (String::new(), ""),
            };
            line += " | ";
            line += &text;
            if !lacks.is_empty() {
                let known = self.notes.iter().position(|note| *note == lacks);
                let note = known.unwrap_or_else(|| {
                    self.notes.push(lacks);
                    self.notes.len() - 1
                });
                line.push(' ');
                line.push(['¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][note]);
            }
        }
        self.small.push(line + " |");
        self.plotted.push((what.to_owned(), bars));
    }

    /// Prints the small table and draws the bars.
    fn finish(self, short: bool) {
        let heads = [OURS].iter().chain(&COLUMNS).copied().collect::<Vec<_>>().join(" | ");
        println!("\n### The small table\n\n| | by hand | {heads} |");
        println!("|---|---:|{}", "---:|".repeat(COLUMNS.len() + 1));
        self.small.iter().for_each(|line| println!("{line}"));
        println!();
        for (number, note) in (1..).zip(&self.notes) {
            println!("{number}. {note}.");
        }
        // A rough run must not replace the picture that README.md shows.
        let file = if short { "target/lifecycle.svg" } else { "lifecycle.svg" };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let title = "Time, compared with hand-written calls of the same guarantee (1)";
        bars(&path, title, &self.plotted, OURS).unwrap();
        println!("\nThe bars are in {}.", path.display());
    }
}

impl Row {
    fn costs(&self) -> String {
        let Some(cost) = self.cost else { return "? | ? | ?".to_owned() };
        let [calls, instructions] = [cost.calls, cost.instructions]
            .map(|count| if CAN_STEP { count.to_string() } else { "?".to_owned() });
        format!("{calls} | {instructions} | {}", cost.allocations)
    }
}
