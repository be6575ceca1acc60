//! What a function costs: system calls and instructions in a child that the parent follows step by
//! step (`ptrace`), and allocations.

use std::alloc::{GlobalAlloc, Layout, System};
use std::os::unix::process::CommandExt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: it does what the system's allocator does, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a function costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) calls: u64,
    /// Of the process itself. A system call is one of them.
    pub(crate) instructions: u64,
    pub(crate) allocations: u64,
}

/// What the function costs. It is called twice before: the first time, the linker looks functions
/// up, and the allocator gets its memory.
pub(crate) fn cost(run: impl Fn()) -> Cost {
    run();
    let allocations = allocations(&run);
    let (calls, instructions) = stepped(&run);
    // Those of the marks.
    let (_, of_marks) = stepped(|| {});
    Cost { calls, instructions: instructions - of_marks, allocations }
}

/// How often the function allocates.
pub(crate) fn allocations(run: impl Fn()) -> u64 {
    let before = ALLOCATIONS.load(Relaxed);
    run();
    ALLOCATIONS.load(Relaxed) - before
}

/// Whether instructions can be counted on this machine.
pub(crate) const CAN_STEP: bool = cfg!(target_arch = "x86_64");

/// Starts the program again without random addresses. The C library's functions for strings take
/// other instructions near the end of a page.
pub(crate) fn load_at_fixed_addresses() {
    const ASK: libc::c_ulong = 0xffff_ffff;
    // SAFETY: passes no pointer.
    let now = unsafe { libc::personality(ASK) };
    let wanted = now | libc::ADDR_NO_RANDOMIZE;
    // A container may forbid it. The numbers then differ by some instructions.
    // SAFETY: passes no pointer.
    if now == wanted || now < 0 || unsafe { libc::personality(wanted as libc::c_ulong) } < 0 {
        return;
    }
    let error = std::process::Command::new("/proc/self/exe").exec();
    panic!("cannot start the program again: {error}");
}

/// Makes a call that nothing else makes.
#[cfg(target_arch = "x86_64")]
fn mark() {
    // SAFETY: passes no pointer.
    unsafe { libc::syscall(libc::SYS_getppid) };
}

/// How many system calls and how many instructions a function makes, in a forked child.
#[cfg(target_arch = "x86_64")]
fn stepped(run: impl Fn()) -> (u64, u64) {
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: the process has one thread.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: asks the parent to follow; the pointers are not used.
        unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, none, none) };
        // SAFETY: passes no pointer.
        unsafe { libc::raise(libc::SIGSTOP) };
        mark();
        run();
        mark();
        // SAFETY: passes no pointer.
        unsafe { libc::_exit(0) };
    }
    let wait = || {
        let mut status = 0;
        // SAFETY: the pointer is to an integer.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(waited, child, "the child is gone");
        status
    };
    wait();
    let (mut marks, mut calls, mut instructions) = (0, 0, 0);
    while marks < 2 {
        // SAFETY: every field is an integer.
        let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        // SAFETY: the child is stopped, and the pointer is to room for its registers.
        unsafe { libc::ptrace(libc::PTRACE_GETREGS, child, none, &raw mut registers) };
        // SAFETY: the child is stopped; the address is that of its next instruction.
        let code = unsafe { libc::ptrace(libc::PTRACE_PEEKTEXT, child, registers.rip, none) };
        let is_call = code & 0xffff == 0x050f;
        if is_call && registers.rax == libc::SYS_getppid as u64 {
            marks += 1;
        } else if marks == 1 {
            calls += u64::from(is_call);
            instructions += 1;
        }
        // SAFETY: the child is stopped; the pointers are not used.
        unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, child, none, none) };
        assert!(libc::WIFSTOPPED(wait()), "the child has ended");
    }
    // SAFETY: the child is stopped; the pointers are not used.
    unsafe { libc::ptrace(libc::PTRACE_KILL, child, none, none) };
    wait();
    (calls, instructions)
}

#[cfg(not(target_arch = "x86_64"))]
fn stepped(_: impl Fn()) -> (u64, u64) {
    (0, 0)
}
