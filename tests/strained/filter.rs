//! Seccomp filters: system calls that answer with an error number, or that another thread answers.

use std::ffi::{c_int, c_long};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::thread::JoinHandle;

use crate::alone::check;

/// A system call that is not to be made, or only if an argument has certain bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Call {
    number: c_long,
    /// Which argument, the bits that count, and what they are.
    argument: Option<(u32, u32, u32)>,
}

/// Whatever its arguments are.
pub(crate) const fn any(number: c_long) -> Call {
    Call { number, argument: None }
}

/// If these bits of an argument are so.
pub(crate) const fn if_bits(number: c_long, argument: u32, mask: u32, value: u32) -> Call {
    Call { number, argument: Some((argument, mask, value)) }
}

pub(crate) const MEMFD_CREATE: &[Call] = &[any(libc::SYS_memfd_create)];
pub(crate) const LINKAT: &[Call] = &[any(libc::SYS_linkat)];
pub(crate) const LINKAT_BY_DESCRIPTOR: &[Call] =
    &[if_bits(libc::SYS_linkat, 4, libc::AT_EMPTY_PATH as u32, libc::AT_EMPTY_PATH as u32)];
pub(crate) const FALLOCATE: &[Call] = &[any(libc::SYS_fallocate)];
pub(crate) const RENAMEAT2: &[Call] = &[any(libc::SYS_renameat2)];
pub(crate) const GETRANDOM: &[Call] = &[any(libc::SYS_getrandom)];
pub(crate) const OPENAT2: &[Call] = &[any(libc::SYS_openat2)];
pub(crate) const WIPEONFORK: &[Call] =
    &[if_bits(libc::SYS_madvise, 2, u32::MAX, libc::MADV_WIPEONFORK as u32)];
pub(crate) const MADVISE: &[Call] = &[any(libc::SYS_madvise)];
pub(crate) const STATFS: &[Call] = &[any(libc::SYS_statfs), any(libc::SYS_fstatfs)];
pub(crate) const RLIMIT: &[Call] = &[any(libc::SYS_prlimit64)];
pub(crate) const SYSINFO: &[Call] = &[any(libc::SYS_sysinfo)];
pub(crate) const STATX: &[Call] = &[any(libc::SYS_statx)];
pub(crate) const FTRUNCATE: &[Call] = &[any(long_files::FTRUNCATE)];
pub(crate) const PWRITE: &[Call] =
    &[any(libc::SYS_pwrite64), any(libc::SYS_pwritev2), any(libc::SYS_pwritev)];
pub(crate) const FCHMOD: &[Call] = &[any(libc::SYS_fchmod)];
pub(crate) const ADD_SEALS: &[Call] =
    &[if_bits(long_files::FCNTL, 1, u32::MAX, libc::F_ADD_SEALS as u32)];
/// One command of `fcntl`.
pub(crate) const fn fcntl(command: c_int) -> Call {
    if_bits(long_files::FCNTL, 1, u32::MAX, command as u32)
}
pub(crate) const MMAP_SHARED: &[Call] =
    &[if_bits(long_files::MMAP, 3, libc::MAP_SHARED as u32, libc::MAP_SHARED as u32)];
pub(crate) const GET_SEALS: &[Call] =
    &[if_bits(long_files::FCNTL, 1, u32::MAX, libc::F_GET_SEALS as u32)];

#[cfg(target_pointer_width = "64")]
pub(crate) const FUTEX: &[Call] = &[any(libc::SYS_futex)];
#[cfg(target_pointer_width = "32")]
pub(crate) const FUTEX: &[Call] = &[any(libc::SYS_futex), any(422)];

/// The bit that is `O_TMPFILE`'s own; the other one means a directory.
const TMPFILE: u32 = (libc::O_TMPFILE & !libc::O_DIRECTORY) as u32;

pub(crate) const RENAMES: &[Call] = by_machine::RENAMES;

// The oldest machines have each call without a directory as well, and the newest one way alone.
#[cfg(not(any(target_arch = "aarch64", target_arch = "riscv64", target_arch = "loongarch64")))]
mod by_machine {
    use super::{Call, TMPFILE, any, if_bits};

    pub(crate) const O_TMPFILE: &[Call] = &[
        if_bits(libc::SYS_openat, 2, TMPFILE, TMPFILE),
        if_bits(libc::SYS_open, 1, TMPFILE, TMPFILE),
    ];
    pub(crate) const LINKS: &[Call] = &[any(libc::SYS_linkat), any(libc::SYS_link)];
    pub(crate) const RENAME: &[Call] = &[any(libc::SYS_rename), any(libc::SYS_renameat)];
    pub(super) const RENAMES: &[Call] =
        &[any(libc::SYS_rename), any(libc::SYS_renameat), any(libc::SYS_renameat2)];
    pub(crate) const UNLINKS: &[Call] = &[any(libc::SYS_unlink), any(libc::SYS_unlinkat)];
}

#[cfg(any(target_arch = "aarch64", target_arch = "riscv64", target_arch = "loongarch64"))]
mod by_machine {
    use super::{Call, TMPFILE, any, if_bits};

    pub(crate) const O_TMPFILE: &[Call] = &[if_bits(libc::SYS_openat, 2, TMPFILE, TMPFILE)];
    pub(crate) const LINKS: &[Call] = &[any(libc::SYS_linkat)];
    #[cfg(target_arch = "aarch64")]
    pub(crate) const RENAME: &[Call] = &[any(libc::SYS_renameat)];
    #[cfg(not(target_arch = "aarch64"))]
    pub(crate) const RENAME: &[Call] = &[];
    pub(super) const RENAMES: &[Call] = &[
        #[cfg(target_arch = "aarch64")]
        any(libc::SYS_renameat),
        any(libc::SYS_renameat2),
    ];
    pub(crate) const UNLINKS: &[Call] = &[any(libc::SYS_unlinkat)];
}

pub(crate) use by_machine::{LINKS, O_TMPFILE, RENAME, UNLINKS};

/// The calls that 32-bit machines have in a second version, for long files.
#[cfg(target_pointer_width = "64")]
mod long_files {
    pub(super) use libc::{SYS_fcntl as FCNTL, SYS_ftruncate as FTRUNCATE, SYS_mmap as MMAP};
}

#[cfg(target_pointer_width = "32")]
mod long_files {
    pub(super) use libc::{SYS_fcntl64 as FCNTL, SYS_ftruncate64 as FTRUNCATE, SYS_mmap2 as MMAP};
}

/// From now on these calls of this process answer with the error number, whoever makes them.
pub(crate) fn forbid(calls: &[Call], errno: c_int) {
    install(calls, libc::SECCOMP_RET_ERRNO | errno as u32, 0).expect("a seccomp filter");
}

/// From now on whoever makes one of these calls is killed for it.
pub(crate) fn kill(calls: &[Call]) {
    install(calls, libc::SECCOMP_RET_KILL_PROCESS, 0).expect("a seccomp filter");
}

/// One answer of the thread that watches.
pub(crate) enum Answer {
    /// The kernel does what was asked.
    Go,
    /// The call fails with this error number, and does nothing.
    Fail(c_int),
}

/// From now on another thread answers these calls of this thread, one after the other. The function
/// is told how many there were before.
pub(crate) fn answer(
    calls: &[Call],
    mut each: impl FnMut(usize) -> Answer + Send + 'static,
) -> JoinHandle<()> {
    // The thread is made first, so that the filter is not its own.
    let (send, receive) = std::sync::mpsc::channel::<OwnedFd>();
    let thread = std::thread::spawn(move || {
        let Ok(listener) = receive.recv() else { return };
        for count in 0.. {
            // SAFETY: all fields are integers.
            let mut asked: libc::seccomp_notif = unsafe { std::mem::zeroed() };
            let request = libc::SECCOMP_IOCTL_NOTIF_RECV;
            // SAFETY: the pointer is to the structure that the request fills in.
            if unsafe { libc::ioctl(listener.as_raw_fd(), request as _, &raw mut asked) } == -1 {
                return;
            }
            let answer = each(count);
            let mut reply = libc::seccomp_notif_resp { id: asked.id, val: 0, error: 0, flags: 0 };
            match answer {
                Answer::Go => reply.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
                Answer::Fail(errno) => reply.error = -errno,
            }
            let request = libc::SECCOMP_IOCTL_NOTIF_SEND;
            // SAFETY: the pointer is to the structure that the request reads.
            if unsafe { libc::ioctl(listener.as_raw_fd(), request as _, &raw mut reply) } == -1 {
                return;
            }
        }
    });
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    let listener = install(calls, libc::SECCOMP_RET_USER_NOTIF, flags).expect("a listener");
    // SAFETY: the call made this descriptor for us.
    send.send(unsafe { OwnedFd::from_raw_fd(listener) }).unwrap();
    thread
}

/// `seccomp`: the calls are answered as said, all others are made.
fn install(calls: &[Call], verdict: u32, flags: libc::c_ulong) -> std::io::Result<c_int> {
    let load = |at: usize| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, at as u32, 0);
    let unless = |value: u32, skip: u8| libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        jt: 0,
        jf: skip,
        k: value,
    };
    let mut program = Vec::new();
    for call in calls {
        program.push(load(std::mem::offset_of!(libc::seccomp_data, nr)));
        program.push(unless(call.number as u32, if call.argument.is_some() { 4 } else { 1 }));
        if let Some((argument, mask, value)) = call.argument {
            // The low half, which is where all flags are.
            let half = if cfg!(target_endian = "big") { 4 } else { 0 };
            let arguments = std::mem::offset_of!(libc::seccomp_data, args);
            program.push(load(arguments + 8 * argument as usize + half));
            program.push(step(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, mask, 0));
            program.push(unless(value, 1));
        }
        program.push(step(libc::BPF_RET | libc::BPF_K, verdict, 0));
    }
    program.push(step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0));
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: passes no pointer.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    let (call, mode) = (libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER);
    // SAFETY: the pointer is to a program, which outlives the call.
    let result = unsafe { libc::syscall(call, mode, flags, &raw const filter) } as c_int;
    check(result)?;
    Ok(result)
}

fn step(code: u32, k: u32, skip: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: skip, jf: skip, k }
}
