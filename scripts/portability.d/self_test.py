"""Plants faults in a copy of the checkout, each of which is to be found."""

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
    """A fault, and what is said of it where it is found."""

    what: str
    target: str
    file: str
    found: str
    """A pattern."""
    add: str = ""
    """What goes to the end of the file."""
    replace: tuple[tuple[str, str], ...] = ()


GNU, MUSL = "i686-unknown-linux-gnu", "i686-unknown-linux-musl"

FAULTS = [
    Fault(
        "constants that bindgen sees otherwise",
        GNU,
        "posix-shm-sys/build/with_bindgen.rs",
        "^EEXIST: bindgen 18, cc 17$",
        replace=(("= ({of}) {name};", "= ({of}) {name} + 1;"),),
    ),
    Fault(
        "a constant that all who read the wrapper see otherwise",
        GNU,
        WRAPPER,
        "^EEXIST: bindings 99, libc 17$",
        add="#undef EEXIST\n#define EEXIST 99\n",
    ),
    Fault(
        "a constant that is no longer what the header says",
        GNU,
        LIBRARY,
        "^C: EEXIST is not 99$",
        add="pub const EEXIST: core::ffi::c_int = 99;\n",
    ),
    Fault(
        "a field at another place",
        GNU,
        LIBRARY,
        "^C: place of timespec.tv_nsec is not 8$",
        add="#[repr(C)]\npub struct timespec { pub tv_sec: i64, pub tv_nsec: c_long }\nuse core::ffi::c_long;\n",
    ),
    Fault(
        "a function under another name",
        GNU,
        LIBRARY,
        r"^symbols: bindgen \['shm_onlink'\], C \['shm_unlink'\]$",
        add='unsafe extern "C" {\n#[link_name = "shm_onlink"]\n'
        "pub fn shm_unlink(name: *const core::ffi::c_char) -> core::ffi::c_int;\n}\n",
    ),
    Fault(
        "musl's functions for 32-bit time, which bindgen takes by itself",
        MUSL,
        "posix-shm-sys/build/with_bindgen.rs",
        r"^symbols: bindgen \['fstat', 'fstatat'\], C \['__fstat_time64', '__fstatat_time64'\]$",
        replace=((".musl_time64.set(true)", ".musl_time64.set(false)"),),
    ),
    Fault(
        "no 64-bit file offsets",
        GNU,
        WRAPPER,
        "^C: off_t has 64 bits$",
        replace=(("#define _FILE_OFFSET_BITS 64", ""), ("_Static_assert(sizeof(off_t) == 8", "_Static_assert(sizeof(off_t) >= 4")),
    ),
]


def run(cargo: Cargo) -> bool:
    """Whether the crates as they are have no fault, and every fault that is planted is found."""
    scratch = Cargo(cargo.directory / "self-test", cargo.directory, cargo.zig, cargo.jobs)
    results = []
    for target in (GNU, MUSL):
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
    """A copy that is newer than all before, so that cargo looks at it."""
    shutil.rmtree(scratch, ignore_errors=True)
    ignore = shutil.ignore_patterns("target", ".git")
    shutil.copytree(checkout, scratch, symlinks=True, ignore=ignore, copy_function=shutil.copy)


def _plant(scratch: Path, fault: Fault) -> None:
    file = scratch / fault.file
    text = file.read_text()
    for old, new in fault.replace:
        if old not in text:
            raise Failure(f"{fault.file} has no {old!r} any more, where a fault is to be planted")
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
