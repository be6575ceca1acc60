//! Counts what this library costs, compiled as a user would: system calls, instructions and
//! allocations, next to hand-written code that gives the same guarantee. `.ci/run instructions`
//! runs it.

#[cfg(target_os = "linux")]
#[path = "peer/alone.rs"]
mod alone;
#[cfg(target_os = "linux")]
#[path = "counted/cycles.rs"]
mod cycles;
#[cfg(target_os = "linux")]
#[path = "counted/life.rs"]
mod life;
#[cfg(target_os = "linux")]
#[path = "counted/messages.rs"]
mod messages;
#[cfg(target_os = "linux")]
#[path = "counted/raw.rs"]
mod raw;
#[cfg(target_os = "linux")]
#[path = "counted/stepped.rs"]
mod stepped;
#[cfg(target_os = "linux")]
#[path = "counted/waiting.rs"]
mod waiting;

fn main() {
    #[cfg(target_os = "linux")]
    {
        stepped::load_at_fixed_addresses();
        messages::main();
        life::main();
        waiting::main();
    }
}
