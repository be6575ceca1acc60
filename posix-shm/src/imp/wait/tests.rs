//! What each system's call can answer, and what it means. The error numbers are those that the
//! system's source gives, under the names that this machine has for them too.
//!
//! `freebsd.rs` and its neighbours run the files of those systems on Linux, on models of their
//! calls. That shows that the code respects these rules, not that the systems have them.

#[cfg(pshm_has_sys_futex)]
mod freebsd;
#[cfg(pshm_has_sys_futex)]
mod model;
#[cfg(pshm_has_sys_futex)]
mod netbsd;
#[cfg(pshm_has_sys_futex)]
mod openbsd;

use super::*;

/// Errors that no call gives for what it is asked here. They must come out as they are.
const OTHERS: [Errno; 3] = [Errno::IO, Errno::NXIO, Errno::BADF];

/// FreeBSD's `do_wait` and `umtxq_sleep`, and `futex` of Linux.
#[test]
fn each_answer_of_futex_and_of_umtx_op_has_its_meaning() {
    assert_eq!(slept(Ok(0)), Ok(Slept::Woken));
    for (errno, meaning) in [
        (Errno::AGAIN, Slept::Changed),
        (Errno::TIMEDOUT, Slept::TimedOut),
        (Errno::INTR, Slept::Interrupted),
        (Errno::NOSYS, Slept::Unable),
        (Errno::PERM, Slept::Unable),
        (Errno::ACCES, Slept::Unable),
    ] {
        assert_eq!(slept::<c_int>(Err(errno)), Ok(meaning), "{errno:?}");
    }
    for errno in [Errno::FAULT, Errno::INVAL, Errno::NOMEM].into_iter().chain(OTHERS) {
        assert_eq!(slept::<c_int>(Err(errno)), Err(errno));
    }
}

/// `futex_wait` in OpenBSD's `sys/kern/sys_futex.c`: 1.22 sets `errno`, 1.9 returns the number.
#[test]
fn openbsd_answers_by_errno_or_by_the_number_itself() {
    for answer in [|errno: Errno| Err(errno), |errno: Errno| Ok(errno.0)] {
        for (errno, meaning) in [
            (Errno::AGAIN, Ok(Slept::Changed)),
            (Errno::TIMEDOUT, Ok(Slept::TimedOut)),
            (Errno::INTR, Ok(Slept::Interrupted)),
            (Errno::CANCELED, Ok(Slept::Interrupted)),
            (Errno::NOSYS, Ok(Slept::Unable)),
            (Errno::FAULT, Err(Errno::FAULT)),
            (Errno::INVAL, Err(Errno::INVAL)),
        ] {
            assert_eq!(slept_on_openbsd(answer(errno)), meaning, "{errno:?}");
        }
        for errno in OTHERS {
            assert_eq!(slept_on_openbsd(answer(errno)), Err(errno));
        }
    }
    assert_eq!(slept_on_openbsd(Ok(0)), Ok(Slept::Woken));
}

/// `futex_func_wait` in NetBSD's `sys/kern/sys_futex.c`.
#[test]
fn netbsd_says_again_for_a_page_that_is_gone() {
    let unread = || -> Result<(), Errno> { panic!("there is no doubt, and it reads the word") };
    assert_eq!(slept_on_netbsd(Err(Errno::AGAIN), || Ok(())), Ok(Slept::Changed));
    assert_eq!(slept_on_netbsd(Err(Errno::AGAIN), || Err(Errno::FAULT)), Err(Errno::FAULT));
    assert_eq!(slept_on_netbsd(Ok(0), unread), Ok(Slept::Woken));
    for (errno, meaning) in [
        (Errno::TIMEDOUT, Ok(Slept::TimedOut)),
        (Errno::INTR, Ok(Slept::Interrupted)),
        (Errno::NOSYS, Ok(Slept::Unable)),
        (Errno::FAULT, Err(Errno::FAULT)),
        (Errno::NOMEM, Err(Errno::NOMEM)),
        (Errno::NFILE, Err(Errno::NFILE)),
    ] {
        assert_eq!(slept_on_netbsd(Err(errno), unread), meaning, "{errno:?}");
    }
}

/// `sys_ulock_wait2` and `ulock_wake` in XNU's `bsd/kern/sys_ulock.c`.
#[test]
fn each_answer_of_os_sync_has_its_meaning() {
    // The number of those who still wait.
    for others in [0, 1, 7] {
        assert_eq!(slept_on_address(Ok(others)), Ok(Slept::Woken));
    }
    for (errno, meaning) in [
        (Errno::TIMEDOUT, Slept::TimedOut),
        (Errno::INTR, Slept::Interrupted),
        (Errno::FAULT, Slept::NotNow),
        (Errno::NOMEM, Slept::NotNow),
        (Errno::DOM, Slept::Unable),
        (Errno::INVAL, Slept::Unable),
        (Errno::NOSYS, Slept::Unable),
    ] {
        assert_eq!(slept_on_address(Err(errno)), Ok(meaning), "{errno:?}");
    }
    for nobody in [Ok(0), Err(Errno::NOENT), Err(Errno::DOM), Err(Errno::INVAL)] {
        assert_eq!(woken_on_address(nobody), Ok(0));
    }
    for errno in OTHERS {
        assert_eq!(slept_on_address(Err(errno)), Err(errno));
        assert_eq!(woken_on_address(Err(errno)), Err(errno));
    }
}

#[test]
fn a_length_of_time_is_neither_too_short_nor_too_long() {
    let [none, tick, second] = [0, 1, 1_000_000_000].map(Duration::from_nanos);
    let day = second * 86_400;
    for (until, now, least, expected) in [
        (second * 3, second, none, second * 2),
        (second, second, none, none),
        (second, second, tick, tick),
        (second, second * 3, none, none),
        (second, second * 3, tick, tick),
        (second + tick * 5, second, tick, tick * 5),
        (Duration::MAX, second, tick, day),
        (day + second, none, none, day),
    ] {
        assert_eq!(rest(until, now, least), expected, "from {now:?} to {until:?}");
    }
}

#[test]
fn the_time_is_up_only_when_it_is() {
    let [before, then, after] = [1, 2, 3].map(Duration::from_secs);
    for (until, now, expected) in [
        (Some(then), before, Slept::Interrupted),
        (Some(then), then, Slept::TimedOut),
        (Some(then), after, Slept::TimedOut),
        (None, after, Slept::Interrupted),
    ] {
        assert_eq!(in_time(Slept::TimedOut, until, now), expected, "{until:?} {now:?}");
    }
    for slept in [Slept::Woken, Slept::Changed, Slept::Interrupted, Slept::NotNow, Slept::Unable] {
        assert_eq!(in_time(slept, Some(then), before), slept);
    }
}

#[test]
fn a_time_that_is_too_long_for_the_kernel_is_the_longest() {
    let time = timespec(Duration::new(5, 999_999_999));
    assert_eq!((time.tv_sec, time.tv_nsec), (5, 999_999_999));
    assert!(timespec(Duration::MAX).tv_sec >= i32::MAX.into());
}
