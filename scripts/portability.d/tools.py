"""What the checks are made with: zig's headers and linker, libclang, rustc; where they are and how they are asked."""

import os
import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

from targets import Target

ZIG_VERSION = "0.17.1"
"""Of PyPI's package `ziglang`. Pinned: with another come other headers."""

COMPILER = """\
#!/bin/sh
# zig as the C compiler and linker for {rust}. It takes its target from here, so what cargo, rustc and the cc crate say
# about it goes, and so do libraries that it has not, or has as part of others.
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
# Asked for its version, zig leaves an a.o where it is.
[ "$*" != --version ] || cd {cache}
# Without its sanitizer, whose calls would be among the symbols.
exec {zig} cc -target {target} -fno-sanitize=undefined {stands_in} "$@"
"""


class Failure(Exception):
    """A tool that says no; the text is what it said."""


def run(command, **options) -> subprocess.CompletedProcess:
    """Runs a command to its end, with its output as text."""
    options.setdefault("stdin", subprocess.DEVNULL)
    try:
        return subprocess.run([str(word) for word in command], capture_output=True, text=True, errors="replace", **options)
    except FileNotFoundError as error:
        raise Failure(f"there is no {error.filename}") from None


def output(command, **options) -> str:
    """The same for a command that is to succeed: what it printed."""
    done = run(command, **options)
    if done.returncode != 0:
        said = done.stderr.strip() or done.stdout.strip()
        raise Failure(f"{Path(str(command[0])).name}: exit status {done.returncode}: {said}")
    return done.stdout


def rustc_cfg(target: Target) -> dict[str, str]:
    """What rustc says about a target: target_os, target_env, …"""
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
        """A script that is the C compiler for the target, as far as cargo and the cc crate can tell."""
        script = self.scripts / target.rust
        paths = {"cache": shlex.quote(str(self.cache)), "zig": shlex.quote(str(self.path))}
        text = COMPILER.format(rust=target.rust, target=target.zig, stands_in=" ".join(target.stands_in), **paths)
        # A newer file would be another compiler for cargo.
        if not script.exists() or script.read_text() != text:
            script.parent.mkdir(parents=True, exist_ok=True)
            script.write_text(text)
            script.chmod(0o755)
        return script

    @cache
    def libclang_arguments(self, target: Target) -> str:
        """What the compiler gives itself, for libclang: its target with the system's version, headers, definitions."""
        compiler = self.compiler(target)
        empty = self.scripts / "empty.c"
        empty.touch()
        command = [compiler, "-v", "-E", empty, "-o", os.devnull]
        done = run(command, cwd=self.scripts)
        call = next((line for line in done.stderr.splitlines() if " -cc1 " in line), None)
        if call is None:
            raise Failure(f"zig does not say which headers it reads: {done.stderr.strip()}")
        words = shlex.split(call)
        triple = words[words.index("-triple") + 1]
        headers = ["-nostdinc", "-isystem", clang_headers(), *self._headers(words)]
        return shlex.join([f"--target={triple}", *headers, *_definitions(words)])

    def _headers(self, words: list[str]) -> list[str]:
        arguments = []
        for option, directory in zip(words, words[1:]):
            # In the place of zig's copy of clang's headers are those of the clang that libclang belongs to.
            if option == "-isystem" and not directory.endswith("/lib/include"):
                arguments += [option, os.path.normpath(self.scripts / directory)]
        return arguments


def _definitions(words: list[str]) -> list[str]:
    apart = [f"-D{name}" for option, name in zip(words, words[1:]) if option == "-D"]
    return apart + [word for word in words if re.match(r"-D\w", word)]


@cache
def clang_headers() -> str:
    """The directory of the headers that belong to clang itself."""
    return str(Path(output(["clang", "-print-resource-dir"]).strip()) / "include")
