"""What the checks need of the machine, and how it is installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from targets import Target
from tools import ZIG_VERSION, Zig, output, run

PACKAGES = ("clang", "libclang-dev", "llvm")
"""Debian's: libclang for bindgen with clang's own headers, llvm-nm and llvm-ar."""


def missing(targets: list[Target], zig: Zig, running: bool) -> list[list[str]]:
    """The commands that install what is not there."""
    commands = []
    if packages := [name for name in _packages(targets, running) if not _is_installed(name)]:
        administrator = [] if os.geteuid() == 0 else ["sudo"]
        commands.append([*administrator, "apt-get", "install", "--yes", "--no-install-recommends", *packages])
    if not zig.path.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        commands.append([*pip, "--target", str(zig.package), f"ziglang=={ZIG_VERSION}"])
    if libraries := [target.rust for target in targets if not target.build_std and not _has_std(target)]:
        commands.append(["rustup", "target", "add", *libraries])
    if any(target.build_std for target in targets) and not _has_std_source():
        commands.append(["rustup", "component", "add", "rust-src"])
    return commands


def install(commands: list[list[str]]) -> None:
    for command in commands:
        print("+", " ".join(command), flush=True)
        if "apt-get" in command:
            subprocess.run([*command[: command.index("apt-get")], "apt-get", "update", "--quiet"], check=True)
        subprocess.run(command, check=True)


def _packages(targets: list[Target], running: bool) -> list[str]:
    packages = list(PACKAGES)
    if running:
        packages += sorted({package for target in targets for package in target.packages})
        packages += ["qemu-user"] * any(target.qemu for target in targets)
    return packages


def _is_installed(package: str) -> bool:
    """On another system than Debian, where nobody knows, yes."""
    if shutil.which("dpkg-query") is None:
        return True
    done = run(["dpkg-query", "--show", "--showformat=${db:Status-Status}", package])
    return done.stdout == "installed"


def _has_std(target: Target) -> bool:
    directory = run(["rustc", "--print", "target-libdir", "--target", target.rust]).stdout.strip()
    return any(Path(directory).glob("libstd-*.rlib"))


def _has_std_source() -> bool:
    return (Path(output(["rustc", "--print", "sysroot"]).strip()) / "lib/rustlib/src/rust/library/Cargo.lock").exists()
