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

SYS_CRATE = ["--package", "posix-shm-sys"]
WRAPPER = "posix-shm-sys/wrapper.h"
LIBRARY = "posix-shm-sys/src/lib.rs"


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
        "posix-shm-sys/build/with_bindgen.rs",
        "^EEXIST: bindgen 18, cc 17$",
        replace=(("= ({of}) {name};", "= ({of}) {name} + 1;"),),
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
        found = [problem for problem in problems if re.search(fault.found, problem)]
        results.append(_line(bool(found), fault.what, "".join(found), problems))
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
    except Failure as failure:
        checks.problem(str(failure))
    return checks.report.problems


def _line(good: bool, what: str, found: str, problems: list[str]) -> bool:
    print(f"{'ok' if good else 'FAIL':<5}{what}: {found or f'not found: {problems}'}", flush=True)
    return good
