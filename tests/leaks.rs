//! No operation leaves a name, a descriptor or a mapping. This is checked in a process of its own,
//! because other tests run in this one. [`Names`] checks each test for its own names.

use crate::common::Names;

#[test]
#[cfg(target_os = "linux")]
fn no_operation_leaks() {
    let names = Names::new();
    crate::common::run(&mut crate::common::peer("leave-nothing", [names.name().as_os_str()]));
}

#[test]
#[should_panic(expected = "left behind")]
fn the_leak_check_notices_a_leak() {
    let names = Names::new();
    posix_shm::Shm::create(names.name(), 1).unwrap();
}
