//! OpenBSD: `futex` as `sys/kern/sys_futex.c` has it, now and in its older form.

use super::super::{Slept, in_time, now, rest, slept_on_openbsd, timespec};
use super::model::System;

mod sys {
    use std::ffi::c_int;

    use crate::imp::wait::tests::model::{self, errno, fail, in_ticks, is_second};

    pub(super) const FUTEX_WAIT: c_int = model::WAIT;
    pub(super) const FUTEX_WAKE: c_int = model::WAKE;

    pub(super) unsafe fn futex(
        word: *mut u32,
        operation: c_int,
        value: c_int,
        time: *const ::libc::timespec,
        other: *mut u32,
    ) -> c_int {
        // SAFETY: the caller has such a time, or none.
        let time = unsafe { time.as_ref() };
        match operation {
            // It counts in ticks: up to INT_MAX of them, which are 248 days.
            FUTEX_WAIT if time.is_none_or(|time| (0..248 * 86_400).contains(&time.tv_sec)) => {
                let time = in_ticks(time);
                let result = model::futex(word, ::libc::FUTEX_WAIT, value as u32, time.as_ref());
                // An old kernel returns the number.
                if result < 0 && is_second() { errno() } else { result }
            }
            FUTEX_WAKE if time.is_none() && other.is_null() => {
                model::wake(word, value.unsigned_abs())
            }
            _ => fail(::libc::EPROTO),
        }
    }
}

#[path = "../openbsd.rs"]
mod calls;

#[test]
fn openbsd_sleeps_and_wakes() {
    System { wait: calls::wait, wake: calls::wake, tells: true, counts: true }.must_work();
}
