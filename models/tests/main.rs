//! Explores each model completely, and each of its mutations until a rule is broken.

mod forks;
mod lengths;
mod memory;
mod names;

use std::collections::BTreeSet;

use posix_shm_models::site::Site;

/// Says how much was explored.
fn report(model: &str, states: usize) {
    println!("{states:>9} states: {model}");
}

/// Says that a mutation was noticed, and by what.
fn caught(mutation: &str, rule: &str) {
    println!("   caught: {mutation}: {rule}");
}

/// The library still has what a model has passed through. `least` is how many functions these are.
#[track_caller]
fn follow(sites: &BTreeSet<&Site>, least: usize) {
    let wrong: Vec<_> = sites.iter().filter_map(|site| site.check().err()).collect();
    assert!(wrong.is_empty(), "the library has changed:\n{}", wrong.join("\n"));
    assert!(sites.len() >= least, "only {} functions", sites.len());
}
