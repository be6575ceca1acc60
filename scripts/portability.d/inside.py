"""Runs a program in namespaces of its own: its /dev/shm is empty and is to be so again afterwards, and no process of it is left.

    inside.py SECONDS REGISTRATION PROGRAM [ARGUMENT…]

REGISTRATION is what binfmt_misc is told, or empty. It holds in there alone, and makes programs of another machine programs
like others: they can start each other. The kernel is to be Linux 6.7 or later for that. Only root can give a namespace more
than one user.
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
        sys.exit(f"cannot {what}: {os.strerror(ctypes.get_errno())}")


def end_with_parent() -> None:
    check("end with the parent", LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))


def mount(kind: bytes, directory: bytes) -> None:
    check(f"mount {kind.decode()} in a namespace", LIBC.mount(b"none", directory, kind, 0, None))


def exit_as(child: int) -> None:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def map_users(child: int) -> None:
    """Gives a process in a new namespace the users and groups that there are in this one."""
    for kind in ("uid_map", "gid_map"):
        lines = [line.split() for line in Path(f"/proc/self/{kind}").read_text().splitlines()]
        Path(f"/proc/{child}/{kind}").write_text("".join(f"{first} {first} {count}\n" for first, _, count in lines))


def enter_user_namespace() -> None:
    """Returns in a child. The parent stays outside, where it may say which users there are inside."""
    (unshared, tell_unshared), (mapped, tell_mapped) = os.pipe(), os.pipe()
    if child := os.fork():
        os.close(tell_unshared)
        if os.read(unshared, 1):
            map_users(child)
            os.write(tell_mapped, b".")
        exit_as(child)
    end_with_parent()
    check("make namespaces", LIBC.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID))
    os.write(tell_unshared, b".")
    os.read(mapped, 1)


def enter_pid_namespace() -> None:
    """Returns in its first process, with which all the others end."""
    if child := os.fork():
        exit_as(child)
    end_with_parent()
    mount(b"proc", b"/proc")


def run(seconds: int, command: list[str]) -> int:
    try:
        # In a session of its own too: a signal to a process group knows no namespaces.
        return subprocess.run(command, timeout=seconds, start_new_session=True).returncode
    except subprocess.TimeoutExpired:
        print(f"not done in {seconds} seconds", file=sys.stderr)
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
        print(f"left in /dev/shm: {', '.join(left)}", file=sys.stderr)
    # A signal's number is negative, and would come out as another number.
    return 1 if status or left else 0


sys.exit(main(*sys.argv[1:]))
