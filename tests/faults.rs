//! What happens when there is not enough: of memory, of descriptors, of addresses.

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
