//! Too little memory, too few descriptors or addresses, missing rights, and a name that something
//! else has.

#![cfg(target_os = "linux")]

use crate::common::{NOTHING, Names, peer, run, run_if_allowed};

#[test]
fn a_full_file_system_is_an_error_and_leaves_nothing() {
    run_if_allowed(&mut peer("small-file-system", NOTHING));
}

#[test]
fn no_descriptor_left_is_an_error_and_leaves_nothing() {
    let names = Names::new();
    run(&mut peer("no-descriptors", [names.name().as_os_str()]));
}

#[test]
fn no_address_space_left_is_an_error_and_leaves_nothing() {
    let names = Names::new();
    run(&mut peer("no-address-space", [names.name().as_os_str()]));
}

#[test]
fn signals_interrupt_nothing() {
    let names = Names::new();
    run(&mut peer("under-signals", [names.name().as_os_str()]));
}

#[test]
fn an_object_of_another_user_cannot_be_changed() {
    let names = Names::new();
    run_if_allowed(&mut peer("another-user", [names.name().as_os_str()]));
}

#[test]
fn a_read_only_file_system_is_an_error_and_leaves_nothing() {
    run_if_allowed(&mut peer("read-only-file-system", NOTHING));
}

#[test]
fn a_planted_symbolic_link_or_fifo_is_not_followed() {
    let names = Names::new();
    run(&mut peer("planted", [names.name().as_os_str()]));
}
