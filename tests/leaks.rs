//! Nothing is left of anything: names, descriptors, mappings, before and after. In a process of its own, since other tests
//! go on in this one; [`Names`] checks them one by one.

use crate::common::Names;

#[test]
#[cfg(target_os = "linux")]
fn nothing_is_left_of_anything() {
    let names = Names::new();
    crate::common::run(&mut crate::common::peer("leave-nothing", [names.name().as_os_str()]));
}

#[test]
#[should_panic(expected = "left behind")]
fn a_leak_is_noticed() {
    let names = Names::new();
    posix_shm::Shm::create(names.name(), 1).unwrap();
}
