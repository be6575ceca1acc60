"""Runs programs for Linux, natively or in qemu-user, inside new namespaces (see inside.py)."""

import os
import re
import shutil
import sys
from pathlib import Path

from targets import Target
from tools import Failure, run, rustc_cfg

INSIDE = Path(__file__).with_name("inside.py")

SECONDS = 1200
"""How long a program may run. Only one that hangs takes that long, even on a busy machine."""

TRACED = ("system_calls::", "injected::", "killed::")
"""Tests that run another process under strace. .ci/run runs them; qemu makes other system calls."""

LONG = ("races::", "hostile::nothing_a_peer_writes")
"""Tests that try for 10 seconds or more to provoke a race. Only --thorough runs them."""

NOT_IN_NAMESPACES = {
    "nothing_planted_is_opened_again": "it makes a device, which is forbidden",
    "attack_47_objects_of_a_folder": "it mounts a file system of huge pages, which is forbidden",
}
"""Tests that cannot work in namespaces of our own, each with the reason."""

NOT_IN_32_BITS = {
    "ways_round_all_but_shm_open": "it forbids statx, which the standard library itself needs",
    "ways_round_statx": "the same",
}
"""The same, for 32-bit machines."""

_ZEROS = "musl touches a new vector of zeros, and the cgroup of the test lacks the memory for it"
NOT_WITH_MUSL = {
    "attack_12_without_a_descriptor": _ZEROS,
    "fault_05_a_limit_above_the_namespace": _ZEROS,
    "fault_05_a_limit_that_a_parent_has": _ZEROS,
    "fault_05_a_memory_limit": _ZEROS,
    "allows_only_what_shm_open_opens": "a static program cannot tell whose shm_open it has",
}
"""The same, for programs with musl."""

_IGNORED = "qemu 7.2 passes advice and locks on to the kernel only in part"
NOT_IN_QEMU = {
    "map::advice::": _IGNORED,
    "map::huge::": _IGNORED,
    "map::populate::": _IGNORED,
    "error::texts::": _IGNORED,
    "a_terabyte_of_capacity": "qemu gives a program fewer addresses",
    "limits::": "qemu installs no filter of system calls",
    "no_address_space_left": "qemu does not limit a program's addresses",
    "surplus_descriptors": "qemu leaves open the descriptors that do not fit into the message",
    "tool::": "the processes that the tool finds in /proc are qemu's",
}
"""Tests that cannot work in qemu, each with the reason."""

_OTHER_ADDRESSES = "what the kernel shows in /proc has qemu's addresses"
NOT_IN_32_BIT_QEMU = {
    "agree_beyond_4_gib": "qemu 7.2 cuts the offset of a mapping to 32 bits",
    "does_not_grow_by_another_one": _OTHER_ADDRESSES,
    "what_open_mapped_returns_grows": _OTHER_ADDRESSES,
    "no_reserve_is_what_the_system_is_told": _OTHER_ADDRESSES,
}
"""The same, for 32-bit machines in qemu."""


_BYTE_BY_BYTE = "Rust has no stable `asm!` for this machine, so bytes are moved one by one"
NOT_WITHOUT_ASM = {
    "a_pair_at_a_multiple_of_its_size": _BYTE_BY_BYTE,
    "threads_that_write_the_same_bytes": _BYTE_BY_BYTE,
    "no_snapshot_is_a_mix": "that takes so long that no frame is complete before the next one",
    "killed_examples::the_frames": "the same, with frames of 8 MB",
}
"""The same, for machines without machine code of ours."""


def walkthrough(target: Target, program: Path) -> None:
    """Runs the example, which reads its numbers in one process, and then in a second one."""
    said = _run(target, program).split("\n")
    if said.count("  9: 90") != 2:
        raise Failure(f"the walkthrough did not print `9: 90` twice: {said}")


def suite(target: Target, program: Path, generator: str, thorough: bool) -> str:
    """Runs the test suite. Returns how many tests passed, and how many did not run."""
    leave_out = [*TRACED, *NOT_IN_NAMESPACES, *(() if thorough else LONG)]
    if rustc_cfg(target)["target_pointer_width"] == "32":
        leave_out += NOT_IN_32_BITS
    if target.rust.endswith("-musl"):
        leave_out += NOT_WITH_MUSL
    if target.rust.startswith("powerpc64le"):
        leave_out += NOT_WITHOUT_ASM
    if target.qemu:
        leave_out += NOT_IN_QEMU
        leave_out += NOT_IN_32_BIT_QEMU if rustc_cfg(target)["target_pointer_width"] == "32" else ()
    arguments = ["--show-output", *(word for name in leave_out for word in ("--skip", name))]
    if target.qemu:
        # In qemu, a child of fork can wait forever for a lock that another thread held at the time.
        arguments.append("--test-threads=1")
    said = _run(target, program, *arguments, POSIX_SHM_SYS_BINDINGS=generator)
    summary = re.compile(r"^test result: ok\. (\d+) passed;.* (\d+) filtered out", re.MULTILINE)
    passed, left_out = summary.search(said).groups()
    skipped = len(re.findall("^skipped at ", said, re.MULTILINE))
    notes = [f"{left_out} left out"] * (left_out != "0") + [f"{skipped} skipped"] * (skipped > 0)
    return f"{passed} tests" + (f" ({', '.join(notes)})" if notes else "")


def _run(target: Target, program: Path, *arguments: str, **variables: str) -> str:
    """Runs a program to its end. Returns what it printed."""
    registration = qemu_registration(target, program) if target.qemu else ""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("POSIX_SHM_", "RUST_", "QEMU_"))
    }
    if target.libraries:
        environment["QEMU_LD_PREFIX"] = target.libraries
    command = [sys.executable, INSIDE, SECONDS, registration, program, *arguments]
    done = run(command, env={**environment, **variables})
    if done.returncode != 0:
        reason = _reason(done.stdout, done.stderr)
        raise Failure(f"{program.name}: exit status {done.returncode}: {reason}")
    return done.stdout


def _reason(stdout: str, stderr: str) -> str:
    """Sums up a failed program: its last errors, tests that hang, and where tests panicked."""
    said = stderr.strip().splitlines()[-5:]
    said += re.findall(r"^test (\S+ has been running for over 60 seconds)$", stdout, re.MULTILINE)
    details = stdout.rpartition("\nfailures:\n\n")[2]
    failed = r"^---- (\S+) stdout ----\n(.*?)(?=\n----|\nfailures:|\Z)"
    for test, text in re.findall(failed, details, re.MULTILINE | re.DOTALL):
        panics = re.findall(r"panicked at (.*):\n(.*)", text)
        said += [f"{test}: " + ", ".join(f"{place} {why}" for place, why in panics)]
    return "; ".join(said)


def qemu_registration(target: Target, program: Path) -> str:
    """The line that makes binfmt_misc run such programs with qemu. It matches their first 20 bytes,
    except for the ABI and for whether the program is position-independent."""
    with program.open("rb") as file:
        magic = bytearray(file.read(20))
    mask = bytearray(b"\xff" * 20)
    big_endian = magic[5] == 2
    mask[7] = 0
    mask[16 + big_endian] = 0xFE
    magic[16 + big_endian] &= 0xFE
    quoted = ("".join(f"\\x{byte:02x}" for byte in field) for field in (magic, mask))
    qemu = shutil.which(f"qemu-{target.qemu}")
    return f":{target.qemu}:M:0:{':'.join(quoted)}:{qemu}:"
