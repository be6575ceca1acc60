"""Finds out what the checks need and the machine lacks, and installs it.

On Debian and Ubuntu, --install installs everything. On another system, install clang, libclang,
LLVM and qemu-user yourself; --install does the rest.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from targets import Target
from tools import ZIG_VERSION, Zig, output, run

PACKAGES = ("clang", "libclang-dev", "llvm")
"""Debian packages with libclang for bindgen, clang's own headers, llvm-nm and llvm-ar."""


def missing(targets: list[Target], zig: Zig, running: bool) -> list[list[str]]:
    """Returns the commands that install what is missing."""
    commands = []
    if packages := [name for name in _packages(targets, running) if not _is_installed(name)]:
        apt = [*([] if os.geteuid() == 0 else ["sudo"]), "apt-get"]
        commands.append([*apt, "update", "--quiet"])
        commands.append([*apt, "install", "--yes", "--no-install-recommends", *packages])
    if not zig.path.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        commands.append([*pip, "--target", str(zig.package), f"ziglang=={ZIG_VERSION}"])
    prebuilt = [target for target in targets if not target.build_std]
    if libraries := [target.rust for target in prebuilt if not _has_std(target)]:
        commands.append(["rustup", "target", "add", *libraries])
    if any(target.build_std for target in targets) and not _has_std_source():
        commands.append(["rustup", "component", "add", "rust-src"])
    return commands


def install(commands: list[list[str]]) -> None:
    for command in commands:
        print("+", " ".join(command), flush=True)
        subprocess.run(command, check=True)


def _packages(targets: list[Target], running: bool) -> list[str]:
    packages = list(PACKAGES)
    if running:
        packages += sorted({package for target in targets for package in target.packages})
        packages += ["qemu-user"] * any(target.qemu for target in targets)
    return packages


def _is_installed(package: str) -> bool:
    """Whether a Debian package is installed. On another system, assumes that it is."""
    if shutil.which("dpkg-query") is None:
        return True
    done = run(["dpkg-query", "--show", "--showformat=${db:Status-Status}", package])
    return done.stdout == "installed"


def _has_std(target: Target) -> bool:
    directory = run(["rustc", "--print", "target-libdir", "--target", target.rust]).stdout.strip()
    return any(Path(directory).glob("libstd-*.rlib"))


def _has_std_source() -> bool:
    library = Path(output(["rustc", "--print", "sysroot"]).strip(), "lib/rustlib/src/rust/library")
    return (library / "Cargo.lock").exists()
