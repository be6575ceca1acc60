"""Checks the checks: puts faults into a copy of the checkout, one at a time, and expects each to be
found.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from cargo import Cargo
from checks import Checks
from targets import TARGETS
from tools import Failure

LENGTH = 1000
"""How much is printed of what was reported instead of a fault."""

SYS_CRATE = ["--package", "posix-shm-sys"]
WRAPPER = "posix-shm-sys/wrapper.h"
LIBRARY = "posix-shm-sys/src/lib.rs"
WITH_BINDGEN = "posix-shm-sys/build/with_bindgen.rs"
WITH_LIBC = "posix-shm-sys/build/with_libc.rs"

OTHER_CONSTANTS = ("= ({of}) {name};", "= ({of}) {name} + 1;")
BELIEVING = "check(items, &functions, None)"


@dataclass(frozen=True)
class Fault:
    """A fault, and how the checks report it."""

    what: str
    target: str
    file: str
    found: str
    """A pattern for the reported problem."""
    add: str = ""
    """Text to add to the end of the file."""
    replace: tuple[tuple[str, str], ...] = ()
    """(text in the file, what replaces it)"""


USED = GNU, MUSL = "i686-unknown-linux-gnu", "i686-unknown-linux-musl"
"""The targets that the faults are tried on."""

FAULTS = [
    Fault(
        "bindgen gives constants other values",
        GNU,
        WITH_BINDGEN,
        "bindgen: its output cannot be right",
        replace=(OTHER_CONSTANTS,),
    ),
    Fault(
        "the same, and the build script believes it",
        GNU,
        WITH_BINDGEN,
        "^EEXIST: bindgen 18, cc 17$",
        replace=(OTHER_CONSTANTS, ("check(items, &functions, compiler)", BELIEVING)),
    ),
    Fault(
        "wrapper.h gives a constant another value",
        GNU,
        WRAPPER,
        "^EEXIST: bindings 99, libc 17$",
        add="#undef EEXIST\n#define EEXIST 99\n",
    ),
    Fault(
        "the crate gives a constant another value than the header",
        GNU,
        LIBRARY,
        "^C: EEXIST is not 99$",
        add="pub const EEXIST: core::ffi::c_int = 99;\n",
    ),
    Fault(
        "a field has another offset",
        GNU,
        LIBRARY,
        "^C: offset of timespec.tv_nsec is not 8$",
        add="#[repr(C)]\npub struct timespec { pub tv_sec: i64, pub tv_nsec: core::ffi::c_long }\n",
    ),
    Fault(
        "a function is linked to another symbol",
        GNU,
        LIBRARY,
        r"^symbols: bindgen \['shm_onlink'\], C \['shm_unlink'\]$",
        add='unsafe extern "C" {\n#[link_name = "shm_onlink"]\n'
        "pub fn shm_unlink(name: *const core::ffi::c_char) -> core::ffi::c_int;\n}\n",
    ),
    Fault(
        "bindgen takes musl's functions with a 32-bit time_t",
        MUSL,
        "posix-shm-sys/build/with_bindgen.rs",
        r"^symbols: bindgen \['fstat', 'fstatat'\], C \['__fstat_time64', '__fstatat_time64'\]$",
        replace=((".musl_time64.set(true)", ".musl_time64.set(false)"),),
    ),
    Fault(
        "file offsets have 32 bits",
        GNU,
        WRAPPER,
        "^C: off_t has 64 bits$",
        replace=(
            ("#define _FILE_OFFSET_BITS 64", ""),
            ("_Static_assert(sizeof(off_t) == 8", "_Static_assert(sizeof(off_t) >= 4"),
        ),
    ),
    Fault(
        "the last way has another value than the header",
        GNU,
        WITH_LIBC,
        "^EEXIST: the last way 2, headers 17$",
        replace=(('"::libc::{name}"', '"::libc::{}", name.replace("EEXIST", "ENOENT")'),),
    ),
    Fault(
        "the last way takes 64-bit locks to a function for 32-bit ones",
        GNU,
        WITH_LIBC,
        r"^symbols: the last way \[\], C \['syscall'\]$",
        replace=(("::libc::syscall(::libc::SYS_fcntl64, fd", "::libc::fcntl(fd"),),
    ),
    Fault(
        "the table for the last way lacks a constant",
        GNU,
        "posix-shm-sys/build/libc/linux-gnu.txt",
        "^the table for the last way lacks `const EEXIST`: use --write-tables$",
        replace=(("const EEXIST\n", ""),),
    ),
]


def run(cargo: Cargo) -> bool:
    """Returns whether the checks pass without a fault and find every fault."""
    scratch = Cargo(cargo.directory / "self-test", cargo.directory, cargo.zig, cargo.jobs)
    results = []
    for target in USED:
        _copy(cargo.checkout, scratch.checkout)
        problems = _problems(scratch, target)
        results.append(_line(not problems, f"no fault, {target}", "nothing found", problems))
    for fault in FAULTS:
        _copy(cargo.checkout, scratch.checkout)
        _plant(scratch.checkout, fault)
        problems = _problems(scratch, fault.target)
        found = [re.search(fault.found, problem) for problem in problems]
        # Only what was expected: the problem may be the long output of a tool.
        shown = "; ".join(match[0] for match in found if match)
        results.append(_line(bool(shown), fault.what, shown, problems))
    return all(results)


def _copy(checkout: Path, scratch: Path) -> None:
    """Copies the checkout. The files are newer than any build, so cargo builds again."""
    shutil.rmtree(scratch, ignore_errors=True)
    ignore = shutil.ignore_patterns("target", ".git")
    shutil.copytree(checkout, scratch, symlinks=True, ignore=ignore, copy_function=shutil.copy)


def _plant(scratch: Path, fault: Fault) -> None:
    file = scratch / fault.file
    text = file.read_text()
    for old, new in fault.replace:
        if old not in text:
            raise Failure(f"{fault.file} has no {old!r} any more: correct FAULTS in self_test.py")
        text = text.replace(old, new)
    file.write_text(text + fault.add)


def _problems(cargo: Cargo, target: str) -> list[str]:
    checks = Checks(cargo, next(each for each in TARGETS if each.rust == target))
    try:
        if checks.build(SYS_CRATE):
            checks.compare(with_libc=True)
            checks.last_way(SYS_CRATE)
    except Failure as failure:
        checks.problem(str(failure))
    return checks.report.problems


def _line(good: bool, what: str, found: str, problems: list[str]) -> bool:
    said = found or f"not found: {problems}"[:LENGTH]
    print(f"{'ok' if good else 'FAIL':<5}{what}: {said}", flush=True)
    return good
