//! NetBSD: `__futex` as `sys/kern/sys_futex.c` has it, and `sigprocmask` as `sys/kern/sys_sig.c`.

use super::super::{Slept, in_time, now, slept_on_netbsd, timespec};
use super::model::System;

mod sys {
    use std::ffi::c_int;

    use crate::imp::wait::tests::model;

    #[allow(non_upper_case_globals, reason = "its name in C")]
    pub(super) const SYS___futex: i64 = 1_000_000;
    pub(super) const FUTEX_WAIT_BITSET: c_int = model::WAIT;
    pub(super) const FUTEX_WAKE: c_int = model::WAKE;
    pub(super) const FUTEX_BITSET_MATCH_ANY: c_int = model::ANY;
}

mod libc {
    use std::ffi::c_int;

    pub(super) use ::libc::timespec;

    use crate::imp::wait::tests::model::{ANY, WAIT, WAKE, errno, fail, futex, in_ticks, wake};

    #[allow(non_camel_case_types, reason = "its name in C")]
    pub(super) type sigset_t = [u32; 4];

    #[allow(clippy::too_many_arguments, reason = "as the system call")]
    pub(super) unsafe fn syscall(
        number: c_int,
        word: *mut u32,
        operation: c_int,
        value: c_int,
        time: *const timespec,
        other_word: *mut u32,
        other_value: c_int,
        bits: c_int,
    ) -> c_int {
        // SAFETY: the caller has such a time, or none.
        let time = unsafe { time.as_ref() };
        let is_right = time.is_none_or(|time| time.tv_sec >= 0) && other_word.is_null();
        match operation {
            _ if number != 1_000_000 || !is_right || other_value != 0 => fail(::libc::EPROTO),
            WAIT if bits == ANY => {
                let (wait, until) = (::libc::FUTEX_WAIT_BITSET, in_ticks(time));
                let result = futex(word, wait, value as u32, until.as_ref());
                if result < 0 && errno() == ::libc::EFAULT { fail(::libc::EAGAIN) } else { result }
            }
            WAKE if time.is_none() && value > 0 => wake(word, value.unsigned_abs()),
            _ => fail(::libc::EPROTO),
        }
    }

    /// Linux's own call reads the set first too. (That of the C library would read it itself.)
    pub(super) unsafe fn sigprocmask(
        how: c_int,
        set: *const sigset_t,
        old: *mut sigset_t,
    ) -> c_int {
        assert!(how == 0 && old.is_null() && set.addr() % 16 == 0);
        let (call, unknown, size) = (::libc::SYS_rt_sigprocmask, -1, 8_usize);
        // SAFETY: only the kernel looks at the set, as a system call does. It changes nothing.
        let result = unsafe { ::libc::syscall(call, unknown, set, old, size) };
        c_int::try_from(result).unwrap()
    }
}

#[path = "../netbsd.rs"]
mod calls;

#[test]
fn netbsd_sleeps_and_wakes() {
    System { wait: calls::wait, wake: calls::wake, tells: true, counts: true }.must_work();
}
