"""Runs a program in new namespaces, where /dev/shm is empty. Fails if the program leaves anything
in /dev/shm. At the end, no process of the program is left.

    inside.py SECONDS REGISTRATION PROGRAM [ARGUMENT…]

REGISTRATION is a line for binfmt_misc, or empty. It is in force only inside the namespaces and lets
programs for another machine run as usual, so they can also start each other. This needs Linux 6.7
or later. Only root can give a namespace more than one user.
"""

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
PR_SET_PDEATHSIG = 1

LIBC = ctypes.CDLL(None, use_errno=True)


def check(what: str, returned: int) -> None:
    if returned != 0:
        sys.exit(f"inside.py: cannot {what}: {os.strerror(ctypes.get_errno())}")


def end_with_parent() -> None:
    check("ask to be killed with the parent", LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))


def mount(kind: bytes, directory: bytes) -> None:
    check(f"mount {kind.decode()} in a namespace", LIBC.mount(b"none", directory, kind, 0, None))


def exit_as(child: int) -> None:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def map_users(child: int) -> None:
    """Gives a process in a new namespace the users and groups of this one."""
    for kind in ("uid_map", "gid_map"):
        lines = [line.split() for line in Path(f"/proc/self/{kind}").read_text().splitlines()]
        Path(f"/proc/{child}/{kind}").write_text(
            "".join(f"{first} {first} {count}\n" for first, _, count in lines)
        )


def enter_user_namespace() -> None:
    """Returns in a child, inside. The parent stays outside, because only there may it map users."""
    (unshared, tell_unshared), (mapped, tell_mapped) = os.pipe(), os.pipe()
    if child := os.fork():
        os.close(tell_unshared)
        if os.read(unshared, 1):
            map_users(child)
            os.write(tell_mapped, b".")
        exit_as(child)
    end_with_parent()
    check("create namespaces", LIBC.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID))
    os.write(tell_unshared, b".")
    os.read(mapped, 1)


def enter_pid_namespace() -> None:
    """Returns in the first process of the namespace. When it ends, the kernel kills the others."""
    if child := os.fork():
        exit_as(child)
    end_with_parent()
    mount(b"proc", b"/proc")


def run(seconds: int, command: list[str]) -> int:
    try:
        # A new session too: a signal to a process group does not stop at a namespace.
        return subprocess.run(command, timeout=seconds, start_new_session=True).returncode
    except subprocess.TimeoutExpired:
        print(f"killed: still running after {seconds} seconds", file=sys.stderr)
        return 1


def main(seconds: str, registration: str, *command: str) -> int:
    end_with_parent()
    enter_user_namespace()
    enter_pid_namespace()
    mount(b"tmpfs", b"/dev/shm")
    if registration:
        mount(b"binfmt_misc", b"/proc/sys/fs/binfmt_misc")
        Path("/proc/sys/fs/binfmt_misc/register").write_text(registration)
    status = run(int(seconds), list(command))
    if left := os.listdir("/dev/shm"):
        print(f"left behind in /dev/shm: {', '.join(left)}", file=sys.stderr)
    # After a signal the status is negative, which is no valid exit status.
    return 1 if status or left else 0


sys.exit(main(*sys.argv[1:]))
