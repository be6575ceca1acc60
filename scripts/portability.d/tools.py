"""Runs the tools: zig for headers and linking, clang, rustc, LLVM's."""

import os
import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

from targets import Target

ZIG_VERSION = "0.17.1"
"""The version of PyPI's package `ziglang`. Pinned, because other versions have other headers."""

COMPILER = """\
#!/bin/sh
# zig as the C compiler and linker for {rust}. This script sets the target. It drops the options
# about the target that cargo, rustc and the cc crate give, and libraries that zig does not have as
# separate ones.
drop_next=
for argument; do
    shift
    if [ "$drop_next" ]; then
        drop_next=
        continue
    fi
    case $argument in
        -arch) drop_next=1 ;;
        --target=*|-Wl,-melf_i386|-m32|-m64|-march=*|-mabi=*|-mfpu=*|-mfloat-abi=*) ;;
        -lkvm|-lmemstat|-lprocstat|-ldevstat|-lutil|-lexecinfo|-liconv) ;;
        *) set -- "$@" "$argument" ;;
    esac
done
mkdir -p {cache}
export ZIG_GLOBAL_CACHE_DIR={cache} ZIG_LOCAL_CACHE_DIR={cache}
# With --version, zig writes an a.o into the current directory.
[ "$*" != --version ] || cd {cache}
# The sanitizer is off because its calls would be among the symbols.
exec {zig} cc -target {target} -fno-sanitize=undefined {stands_in} "$@"
"""


class Failure(Exception):
    """A tool failed. The text is its message."""


def run(command, **options) -> subprocess.CompletedProcess:
    """Runs a command to its end, with its output as text."""
    options.setdefault("stdin", subprocess.DEVNULL)
    try:
        return subprocess.run(
            [str(word) for word in command],
            capture_output=True,
            text=True,
            errors="replace",
            **options,
        )
    except FileNotFoundError as error:
        raise Failure(f"{error.filename} is not installed") from None


def output(command, **options) -> str:
    """Runs a command that must succeed. Returns what it printed."""
    done = run(command, **options)
    if done.returncode != 0:
        said = done.stderr.strip() or done.stdout.strip()
        raise Failure(f"{Path(str(command[0])).name}: exit status {done.returncode}: {said}")
    return done.stdout


def rustc_cfg(target: Target) -> dict[str, str]:
    """Returns rustc's cfgs for a target: target_os, target_env, …"""
    printed = output(["rustc", "--print", "cfg", "--target", target.rust])
    return dict(re.findall(r'^(target_\w+)="(.*)"$', printed, re.MULTILINE))


class Zig:
    """The C compiler and linker for every target."""

    def __init__(self, directory: Path):
        self.package = directory / f"ziglang-{ZIG_VERSION}"
        self.path = self.package / "ziglang" / "zig"
        self.cache = directory / "zig-cache"
        self.scripts = directory / "compilers"

    def compiler(self, target: Target) -> Path:
        """Returns a script that acts as the C compiler for the target."""
        script = self.scripts / target.rust
        paths = {"cache": shlex.quote(str(self.cache)), "zig": shlex.quote(str(self.path))}
        text = COMPILER.format(
            rust=target.rust, target=target.zig, stands_in=" ".join(target.stands_in), **paths
        )
        # Written only if it changes: cargo builds again if the file is newer.
        if not script.exists() or script.read_text() != text:
            script.parent.mkdir(parents=True, exist_ok=True)
            script.write_text(text)
            script.chmod(0o755)
        return script

    @cache
    def libclang_arguments(self, target: Target) -> str:
        """Returns zig's own options for libclang: target and version, headers, definitions."""
        compiler = self.compiler(target)
        empty = self.scripts / "empty.c"
        empty.touch()
        command = [compiler, "-v", "-E", empty, "-o", os.devnull]
        done = run(command, cwd=self.scripts)
        call = next((line for line in done.stderr.splitlines() if " -cc1 " in line), None)
        if call is None:
            raise Failure(f"`zig cc -v` did not print the headers it reads: {done.stderr.strip()}")
        words = shlex.split(call)
        triple = words[words.index("-triple") + 1]
        headers = ["-nostdinc", "-isystem", clang_headers(), *self._headers(words)]
        return shlex.join([f"--target={triple}", *headers, *_definitions(words)])

    def _headers(self, words: list[str]) -> list[str]:
        arguments = []
        for option, directory in zip(words, words[1:]):
            # zig's copy of clang's headers is left out: libclang needs those of its own version.
            if option == "-isystem" and not directory.endswith("/lib/include"):
                arguments += [option, os.path.normpath(self.scripts / directory)]
        return arguments


def _definitions(words: list[str]) -> list[str]:
    apart = [f"-D{name}" for option, name in zip(words, words[1:]) if option == "-D"]
    return apart + [word for word in words if re.match(r"-D\w", word)]


@cache
def clang_headers() -> str:
    """Returns the directory of clang's own headers."""
    return str(Path(output(["clang", "-print-resource-dir"]).strip()) / "include")
