//! FreeBSD: `_umtx_op` as `sys/kern/kern_umtx.c` has it.

use super::super::{Slept, slept, timespec};
use super::model::System;

mod libc {
    #[allow(non_camel_case_types, reason = "its name in C")]
    pub(super) struct _umtx_time {
        pub(super) _timeout: ::libc::timespec,
        pub(super) _flags: u32,
        pub(super) _clockid: u32,
    }
}

mod sys {
    use std::ffi::{c_int, c_ulong, c_void};

    use super::libc::_umtx_time;
    use crate::imp::wait::tests::model::{
        ABSOLUTE, MONOTONIC, WAIT, WAKE, errno, fail, futex, wake,
    };

    pub(super) const UMTX_OP_WAIT_UINT: c_int = WAIT;
    pub(super) const UMTX_OP_WAKE: c_int = WAKE;
    pub(super) const UMTX_ABSTIME: c_int = ABSOLUTE;
    pub(super) const CLOCK_MONOTONIC: c_int = MONOTONIC;

    pub(super) unsafe fn _umtx_op(
        object: *mut c_void,
        operation: c_int,
        value: c_ulong,
        size: *mut c_void,
        time: *mut c_void,
    ) -> c_int {
        let (word, value) = (object.cast::<u32>(), u32::try_from(value).unwrap());
        // SAFETY: the caller has such a time, or none.
        let time = unsafe { time.cast::<_umtx_time>().as_ref() };
        let is_right = time.is_none_or(|time| {
            size.addr() == size_of::<_umtx_time>()
                && time._flags == ABSOLUTE.unsigned_abs()
                && time._clockid == MONOTONIC.unsigned_abs()
                && time._timeout.tv_sec >= 0
        });
        match operation {
            WAIT if is_right => {
                let until = time.map(|time| &time._timeout);
                let result = futex(word, ::libc::FUTEX_WAIT_BITSET, value, until);
                // A word with another value is a success.
                if result < 0 && errno() == ::libc::EAGAIN { 0 } else { result }
            }
            // It does not say how many it has woken.
            WAKE if time.is_none() => wake(word, value).min(0),
            _ => fail(::libc::EPROTO),
        }
    }
}

#[path = "../umtx.rs"]
mod calls;

#[test]
fn freebsd_sleeps_and_wakes() {
    System { wait: calls::wait, wake: calls::wake, tells: false, counts: false }.must_work();
}
