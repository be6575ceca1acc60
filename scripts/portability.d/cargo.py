"""Builds of the crates, and what cargo says came out of them."""

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from targets import TARGETS, Target
from tools import Failure, Zig, run

GENERATORS = ("bindgen", "cc")
OURS = ("posix-shm-sys", "posix-shm", "posix-shm-tests")
BUILD_STD = "-Zbuild-std=std,panic_abort"

# What the environment may have for its own builds.
FOREIGN = re.compile(r"(HOST_|TARGET_)?(CC|CFLAGS|CPPFLAGS|AR|ARFLAGS)(_.*)?$|(CARGO_ENCODED_)?RUSTFLAGS$|BINDGEN_|CARGO_BUILD_"
                     r"|CARGO_TARGET_|LIBCLANG_PATH$|POSIX_SHM_|RUSTC_BOOTSTRAP$")


@dataclass
class Build:
    """What one run of cargo made."""

    programs: dict[str, Path] = field(default_factory=dict)
    """Executables: examples and binaries by name, tests as `test NAME`."""
    libraries: dict[str, Path] = field(default_factory=dict)
    """The .rlib of each crate."""
    bindings: Path | None = None
    """Where the build script of the sys crate wrote."""
    complete: bool = False
    """Whether all was built. An executable that was not may be there of an older build."""
    messages: list[str] = field(default_factory=list)
    """The compiler's warnings about our crates, and every error."""


class Cargo:
    """Cargo for one checkout, writing below one directory."""

    def __init__(self, checkout: Path, directory: Path, zig: Zig, jobs: int):
        self.checkout, self.directory, self.zig, self.jobs = checkout, directory, zig, jobs
        for target in TARGETS:
            # Now: a file that one thread has open for writing, another cannot execute.
            zig.compiler(target)

    def crates(self, target: Target, generator: str, arguments: list[str]) -> Build:
        """Builds what the arguments name, with bindings from one generator."""
        if generator == "cc":
            arguments = [*arguments, "--no-default-features"]
        environment = {"POSIX_SHM_SYS_BINDINGS": generator}
        return self._build(target, generator, arguments, environment, [])

    def libc(self, target: Target) -> Build:
        """Builds the libc crate, with the ABI of the system's headers."""
        flags = ["--cfg", target.libc_cfg] if target.libc_cfg else []
        return self._build(target, "cc", ["--package", "libc"], {}, flags)

    def _build(self, target, directory, arguments, environment, flags) -> Build:
        command = ["cargo", "build", "--locked", "--keep-going", "--message-format=json", "--jobs", self.jobs]
        command += ["--target", target.rust, *arguments]
        environment = {**self._environment(target, flags), **environment}
        if target.build_std:
            command.append(BUILD_STD)
            environment["RUSTC_BOOTSTRAP"] = "1"
            # Build scripts look at that variable, so those of the other targets would run anew after it.
            directory += "-build-std"
        environment["CARGO_TARGET_DIR"] = str(self.directory / directory)
        done = run(command, cwd=self.checkout, env=environment)
        build = Build(complete=done.returncode == 0)
        for line in done.stdout.splitlines():
            _take(build, json.loads(line))
        if not build.complete and not build.messages:
            raise Failure(done.stderr.strip())
        return build

    def _environment(self, target: Target, flags: list[str]) -> dict[str, str]:
        compiler = str(self.zig.compiler(target))
        # By a flag and not by a variable, which would count for build scripts too if the target is this machine.
        flags = [f"-Clinker={compiler}", *flags]
        if "-musl" in target.rust:
            # zig brings its own start files.
            flags.append("-Clink-self-contained=no")
        environment = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
        environment |= {"CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags), "CARGO_TERM_COLOR": "never"}
        # All that there are, every time: one is for this machine too, and bindgen itself is built anew when it changes.
        for each in TARGETS:
            environment[f"CC_{each.rust}"] = str(self.zig.compiler(each))
            environment[f"AR_{each.rust}"] = "llvm-ar"
            environment[f"BINDGEN_EXTRA_CLANG_ARGS_{each.rust}"] = self.zig.libclang_arguments(each)
        return environment


def _take(build: Build, message: dict) -> None:
    """Takes from one of cargo's messages what is of use."""
    reason = message["reason"]
    if reason == "compiler-message":
        _take_diagnostic(build, message)
    elif reason == "build-script-executed" and _package(message) == "posix-shm-sys":
        build.bindings = Path(message["out_dir"])
    elif reason == "compiler-artifact":
        _take_artifact(build, message)


def _take_diagnostic(build: Build, message: dict) -> None:
    diagnostic = message["message"]
    is_error = diagnostic["level"].startswith("error") and not diagnostic["message"].startswith("aborting due to")
    # A summary has no code, and what the linker says is no word about ours.
    code = (diagnostic["code"] or {}).get("code", "linker_messages")
    is_warning = diagnostic["level"] == "warning" and code != "linker_messages" and _package(message) in OURS
    if is_error or is_warning:
        text = f"{_place(diagnostic['spans'])}{diagnostic['level']}: {_reason(diagnostic)}"
        if text not in build.messages:
            build.messages.append(text)


def _place(spans: list[dict]) -> str:
    """FILE:LINE of a diagnostic. What a build script wrote is the same file wherever that is."""
    for span in spans:
        if span["is_primary"]:
            file = re.sub(r".*/build/([\w-]+)-[0-9a-f]{16}/out/", r"\1/OUT_DIR/", span["file_name"])
            return f"{file}:{span['line_start']}: "
    return ""


def _reason(diagnostic: dict) -> str:
    """The message, and of a linker's what the linker said."""
    if not diagnostic["message"].startswith("linking with"):
        return diagnostic["message"]
    said = [line for child in diagnostic["children"] for line in child["message"].splitlines() if "error" in line]
    return "linker: " + "; ".join(said[:5])


def _take_artifact(build: Build, message: dict) -> None:
    name = message["target"]["name"]
    if message["executable"]:
        key = f"test {name}" if message["profile"]["test"] else name
        build.programs[key] = Path(message["executable"])
    for path in message["filenames"]:
        if path.endswith(".rlib"):
            build.libraries[name] = Path(path)


def _package(message: dict) -> str:
    """The name in `path+file:///…/posix-shm-sys#0.1.0`, or in `…#name@0.1.0`."""
    location, _, version = message["package_id"].rpartition("#")
    return version.partition("@")[0] if "@" in version else location.rpartition("/")[2]
