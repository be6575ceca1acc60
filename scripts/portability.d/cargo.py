"""Builds the crates with cargo, and reads from its messages what it built."""

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from targets import TARGETS, Target
from tools import Failure, Zig, run

GENERATORS = ("bindgen", "cc")
LAST_WAY = "libc"
"""What the bindings come from if neither generator can read the headers."""
OURS = ("posix-shm-sys", "posix-shm", "posix-shm-tests", "posix-shm-tests-optimised")
BUILD_STD = "-Zbuild-std=std,panic_abort"
BUILD_CORE = "-Zbuild-std=core"
"""The same for the crates that are no_std."""

# Variables that the caller's environment may have for other builds. They are removed.
FOREIGN = re.compile(
    r"(HOST_|TARGET_)?(CC|CFLAGS|CPPFLAGS|AR|ARFLAGS)(_.*)?$|(CARGO_ENCODED_)?RUSTFLAGS$"
    r"|BINDGEN_|CARGO_BUILD_|CARGO_TARGET_|LIBCLANG_PATH$|POSIX_SHM_|RUSTC_BOOTSTRAP$"
)


@dataclass
class Build:
    """The result of one run of cargo."""

    programs: dict[str, Path] = field(default_factory=dict)
    """Executables by name. A test is `test NAME`."""
    libraries: dict[str, Path] = field(default_factory=dict)
    """The .rlib of each crate, by its name."""
    bindings: Path | None = None
    """The OUT_DIR of the sys crate's build script."""
    complete: bool = False
    """Whether everything was built. If not, an executable may be left from an older build."""
    messages: list[str] = field(default_factory=list)
    """rustc's warnings about our crates, and all errors."""


class Cargo:
    """Runs cargo in one checkout. All output is below one directory."""

    def __init__(self, checkout: Path, directory: Path, zig: Zig, jobs: int):
        self.checkout, self.directory, self.zig, self.jobs = checkout, directory, zig, jobs
        for target in TARGETS:
            # Written before threads start: a file that is open for writing cannot be executed.
            zig.compiler(target)

    def crates(self, target: Target, generator: str, arguments: list[str]) -> Build:
        """Builds what the arguments of cargo name, with bindings from one generator."""
        environment = {"POSIX_SHM_SYS_BINDINGS": generator}
        if generator == LAST_WAY:
            # As on a machine that has no compiler for the target.
            environment = {f"CC_{target.rust}": "/nonexistent/cc", "LIBCLANG_PATH": "/nonexistent"}
            arguments = [*arguments, "--no-default-features", "--features", "posix-shm-sys/libc"]
        elif generator == "cc":
            arguments = [*arguments, "--no-default-features"]
        elif "posix-shm" in arguments:
            arguments = [*arguments, "--features", "posix-shm/bindgen"]
        return self._build(target, generator, arguments, environment, [])

    def libc(self, target: Target, same_abi: bool = True) -> Build:
        """Builds the libc crate, with the same ABI as the system's headers or as users get it."""
        flags = ["--cfg", target.libc_cfg] if target.libc_cfg and same_abi else []
        return self._build(target, "cc", ["--package", "libc"], {}, flags)

    def _build(self, target, directory, arguments, environment, flags) -> Build:
        command = ["cargo", "build", "--locked", "--keep-going", "--message-format=json"]
        command += ["--jobs", self.jobs, "--target", target.rust, *arguments]
        environment = {**self._environment(target, flags), **environment}
        if target.build_std:
            command.append(BUILD_STD if "posix-shm" in arguments else BUILD_CORE)
            environment["RUSTC_BOOTSTRAP"] = "1"
            # A directory of its own: when that variable changes, cargo runs build scripts again.
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
        # A flag, because a variable would apply to build scripts too if the target is this machine.
        flags = [f"-Clinker={compiler}", *flags]
        if "-musl" in target.rust:
            # zig links its own start files.
            flags.append("-Clink-self-contained=no")
        environment = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
        environment |= {"CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags), "CARGO_TERM_COLOR": "never"}
        # Always for all targets: one of them is this machine, and when its variables change, cargo
        # builds bindgen again.
        for each in TARGETS:
            environment[f"CC_{each.rust}"] = str(self.zig.compiler(each))
            environment[f"AR_{each.rust}"] = "llvm-ar"
            environment[f"BINDGEN_EXTRA_CLANG_ARGS_{each.rust}"] = self.zig.libclang_arguments(each)
        return environment


def _take(build: Build, message: dict) -> None:
    """Adds what one of cargo's messages reports."""
    reason = message["reason"]
    if reason == "compiler-message":
        _take_diagnostic(build, message)
    elif reason == "build-script-executed" and _package(message) == "posix-shm-sys":
        build.bindings = Path(message["out_dir"])
    elif reason == "compiler-artifact":
        _take_artifact(build, message)


def _take_diagnostic(build: Build, message: dict) -> None:
    diagnostic = message["message"]
    level, text = diagnostic["level"], diagnostic["message"]
    is_error = level.startswith("error") and not text.startswith("aborting due to")
    # Leaves out summaries, which have no code, and the linker's warnings, which are not about us.
    code = (diagnostic["code"] or {}).get("code", "linker_messages")
    is_warning = level == "warning" and code != "linker_messages" and _package(message) in OURS
    if is_error or is_warning:
        text = f"{_place(diagnostic['spans'])}{level}: {_reason(diagnostic)}"
        if text not in build.messages:
            build.messages.append(text)


def _place(spans: list[dict]) -> str:
    """FILE:LINE of a diagnostic. Generated files have the same name for every build."""
    for span in spans:
        if span["is_primary"]:
            file = re.sub(r".*/build/([\w-]+)-[0-9a-f]{16}/out/", r"\1/OUT_DIR/", span["file_name"])
            return f"{file}:{span['line_start']}: "
    return ""


def _reason(diagnostic: dict) -> str:
    """The message. If linking failed, the linker's own errors."""
    if not diagnostic["message"].startswith("linking with"):
        return diagnostic["message"]
    lines = "\n".join(child["message"] for child in diagnostic["children"]).splitlines()
    return "linker: " + "; ".join([line for line in lines if "error" in line][:5])


def _take_artifact(build: Build, message: dict) -> None:
    name = message["target"]["name"]
    if message["executable"]:
        key = f"test {name}" if message["profile"]["test"] else name
        build.programs[key] = Path(message["executable"])
    for path in message["filenames"]:
        if path.endswith(".rlib"):
            build.libraries[name] = Path(path)


def _package(message: dict) -> str:
    """The package's name, from `path+file:///…/posix-shm-sys#0.1.0` or `…#name@0.1.0`."""
    location, _, version = message["package_id"].rpartition("#")
    return version.partition("@")[0] if "@" in version else location.rpartition("/")[2]
