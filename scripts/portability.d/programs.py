"""Runs programs for Linux, natively or in qemu-user."""

import os
import re
import shutil
import sys
from pathlib import Path

from targets import Target
from tools import Failure, run, rustc_cfg

INSIDE = Path(__file__).with_name("inside.py")

SECONDS = 300
"""What a program may take."""

TRACED = ("system_calls::", "injected::", "killed::")
"""Tests that watch another process with strace, or tamper with it: .ci/run has them, and in qemu its calls are not ours."""

LONG = ("races::", "hostile::nothing_a_peer_writes")
"""Tests that look for accidents for 10 seconds or more: only where time is no matter."""

NOT_IN_QEMU = {
    "no_address_space_left": "qemu gives a program all the addresses that there are",
    "surplus_descriptors": "qemu takes descriptors that the program has no room for, and leaves them open",
}
"""Tests that say nothing there."""

NOT_IN_32_BIT_QEMU = {"a_far_place": "qemu 7.2 cuts the offset of a mapping to 32 bits"}
"""The same, for machines of 32 bits."""


def walkthrough(target: Target, program: Path) -> None:
    """Runs the example: one process, and then two."""
    said = _run(target, program).split("\n")
    if said.count("  9: 90") != 2:
        raise Failure(f"the walkthrough did not read what it wrote: {said}")


def suite(target: Target, program: Path, generator: str, thorough: bool) -> str:
    """Runs the tests in a program. How many those were."""
    leave_out = [*TRACED, *(() if thorough else LONG)]
    if target.qemu:
        leave_out += NOT_IN_QEMU
        leave_out += NOT_IN_32_BIT_QEMU if rustc_cfg(target)["target_pointer_width"] == "32" else ()
    arguments = ["--show-output", *(word for name in leave_out for word in ("--skip", name))]
    if target.qemu:
        # The child of a process with several threads may wait there for a lock that one of them had as it was made.
        arguments.append("--test-threads=1")
    said = _run(target, program, *arguments, POSIX_SHM_SYS_BINDINGS=generator)
    passed, left_out = re.search(r"^test result: ok\. (\d+) passed;.* (\d+) filtered out", said, re.MULTILINE).groups()
    skipped = len(re.findall("^skipped at ", said, re.MULTILINE))
    notes = [f"{left_out} left out"] * (left_out != "0") + [f"{skipped} skipped"] * (skipped > 0)
    return f"{passed} tests" + (f" ({', '.join(notes)})" if notes else "")


def _run(target: Target, program: Path, *arguments: str, **variables: str) -> str:
    """Runs a program to its end. What it printed."""
    registration = qemu_registration(target, program) if target.qemu else ""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("POSIX_SHM_", "RUST_", "QEMU_"))}
    if target.libraries:
        environment["QEMU_LD_PREFIX"] = target.libraries
    done = run([sys.executable, INSIDE, SECONDS, registration, program, *arguments], env={**environment, **variables})
    if done.returncode != 0:
        raise Failure(f"{program.name}: {_reason(done.stdout, done.stderr)}, exit status {done.returncode}")
    return done.stdout


def _reason(stdout: str, stderr: str) -> str:
    """What a program said that failed: each failed test, where it and its peer panicked; what did not end; what else there is."""
    said = stderr.strip().splitlines()[-5:]
    said += re.findall(r"^test (\S+ has been running for over 60 seconds)$", stdout, re.MULTILINE)
    details = stdout.rpartition("\nfailures:\n\n")[2]
    for test, text in re.findall(r"^---- (\S+) stdout ----\n(.*?)(?=\n----|\nfailures:|\Z)", details, re.MULTILINE | re.DOTALL):
        panics = re.findall(r"panicked at (.*):\n(.*)", text)
        said += [f"{test}: " + ", ".join(f"{place} {why}" for place, why in panics)]
    return "; ".join(said)


def qemu_registration(target: Target, program: Path) -> str:
    """The line that tells binfmt_misc to run such programs with qemu: by the first 20 bytes, but for the ABI and whether
    the program can be loaded anywhere."""
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
