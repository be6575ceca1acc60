//! The process that `limits.rs` puts under strain: does one task, in an environment that it makes
//! itself, asserts what it sees, and exits with 0 if all was as it should be.
//!
//! `strained TASK NAME` does a task; the names of its objects begin with `NAME`. `strained list`
//! lists the tasks. A task that the machine does not allow says `cannot: ` and why.

#[cfg(target_os = "linux")]
#[path = "peer/alone.rs"]
mod alone;
#[cfg(target_os = "linux")]
#[path = "strained/anew.rs"]
mod anew;
#[cfg(target_os = "linux")]
#[path = "strained/api.rs"]
mod api;
#[cfg(target_os = "linux")]
#[path = "strained/cgroup.rs"]
mod cgroup;
#[cfg(target_os = "linux")]
#[path = "strained/descriptors.rs"]
mod descriptors;
#[cfg(target_os = "linux")]
#[path = "strained/filter.rs"]
mod filter;
#[cfg(target_os = "linux")]
#[path = "strained/forks.rs"]
mod forks;
#[cfg(target_os = "linux")]
#[path = "strained/handles.rs"]
mod handles;
#[cfg(target_os = "linux")]
#[path = "strained/identity.rs"]
mod identity;
#[cfg(target_os = "linux")]
#[path = "strained/immutable.rs"]
mod immutable;
#[cfg(target_os = "linux")]
#[path = "strained/lab.rs"]
mod lab;
#[cfg(target_os = "linux")]
#[path = "strained/lengths.rs"]
mod lengths;
#[cfg(target_os = "linux")]
#[path = "strained/mappings.rs"]
mod mappings;
#[cfg(target_os = "linux")]
#[path = "strained/memory.rs"]
mod memory;
#[cfg(target_os = "linux")]
#[path = "strained/messages.rs"]
mod messages;
#[cfg(target_os = "linux")]
#[path = "strained/peers.rs"]
mod peers;
#[cfg(target_os = "linux")]
#[path = "strained/planted.rs"]
mod planted;
#[cfg(target_os = "linux")]
#[path = "strained/presence.rs"]
mod presence;
#[cfg(target_os = "linux")]
#[path = "strained/sockets.rs"]
mod sockets;
#[cfg(target_os = "linux")]
#[path = "strained/states.rs"]
mod states;
#[cfg(target_os = "linux")]
#[path = "strained/ways.rs"]
mod ways;
#[cfg(target_os = "linux")]
#[path = "strained/words.rs"]
mod words;

/// A task: the name of its test, and what it does.
#[cfg(target_os = "linux")]
type Task = (&'static str, fn());

/// The tasks of a file: those for every system's code, those where objects are files, and those for
/// the code for Linux itself.
#[cfg(target_os = "linux")]
macro_rules! tasks {
    ($list:ident: $($name:ident)*) => {
        pub(crate) const $list: &[crate::Task] = &[$((stringify!($name), $name)),*];
    };
}
#[cfg(target_os = "linux")]
use tasks;

#[cfg(target_os = "linux")]
fn main() {
    let mut tasks = [descriptors::EVERYWHERE, forks::EVERYWHERE, sockets::EVERYWHERE].concat();
    tasks.extend(messages::EVERYWHERE);
    // With these systems' code as well, objects are files of Linux.
    if !cfg!(posix_shm_apple) {
        tasks.extend([memory::IN_FILES, peers::IN_FILES, planted::IN_FILES].concat());
    }
    if !cfg!(any(posix_shm_apple, posix_shm_portable)) {
        tasks
            .extend([anew::ON_LINUX, api::ON_LINUX, cgroup::ON_LINUX, identity::ON_LINUX].concat());
        tasks.extend([handles::ON_LINUX, lengths::ON_LINUX].concat());
        tasks.extend([descriptors::ON_LINUX, messages::ON_LINUX].concat());
        tasks.extend(immutable::ON_LINUX);
        tasks.extend([mappings::ON_LINUX, memory::ON_LINUX, peers::ON_LINUX].concat());
        tasks.extend(presence::ON_LINUX);
        tasks.extend(states::ON_LINUX);
        tasks.extend([ways::ON_LINUX, words::ON_LINUX].concat());
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("list") => tasks.iter().for_each(|task| println!("{}", task.0)),
        Some(name) => {
            let task = tasks.iter().find(|task| task.0 == name);
            task.unwrap_or_else(|| panic!("no such task: {name}")).1();
        }
        None => panic!("no task"),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}
