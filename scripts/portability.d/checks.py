"""The checks of one target."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import facts
import programs
from cargo import GENERATORS, Build, Cargo
from facts import Interface
from targets import Target
from tools import Failure, output, rustc_cfg

IN_LIBC = {"st_atim": "st_atime", "st_mtim": "st_mtime", "st_ctim": "st_ctime"}
IN_LIBC |= {f"{name}espec": other for name, other in IN_LIBC.items()}
"""Fields with another name in the libc crate, which has names from before POSIX had nanoseconds."""

LARGE_FILES = {name: f"{name}64" for name in ("stat", "statvfs", "flock")}
LARGE_FILES |= {"off_t": "off64_t", "ino_t": "ino64_t", "blkcnt_t": "blkcnt64_t"}
"""Types with another name in the libc crate on 32-bit targets where `Target.large_files` is set."""


@dataclass
class Report:
    """The results for one target."""

    target: Target
    notes: list[str] = field(default_factory=list)
    """What was compared or run, and how much of it."""
    problems: list[str] = field(default_factory=list)


class Checks:
    """The checks of one checkout for one target."""

    def __init__(self, cargo: Cargo, target: Target):
        self.cargo, self.target = cargo, target
        self.directory = cargo.directory / "checks" / target.rust
        self.report = Report(target)
        self.builds: dict[str, Build] = {}

    def build(self, crates: list[str]) -> bool:
        """Builds crates with both generators. Returns whether there is something to compare."""
        for generator in GENERATORS:
            self.builds[generator] = self.cargo.crates(self.target, generator, crates)
        messages = [message for build in self.builds.values() for message in build.messages]
        self.problem(*dict.fromkeys(messages))
        return all("posix_shm_sys" in build.libraries for build in self.builds.values())

    def compile(self, crates: list[str]) -> None:
        """Checks that crates compile, with the numbers of another system."""
        if self.build(crates):
            self.note("compiles, with musl's headers in place of its own")

    def compare(self, with_libc: bool) -> None:
        """Makes all comparisons that need no program to run."""
        self.directory.mkdir(parents=True, exist_ok=True)
        interfaces = [Interface.read(build.bindings) for build in self.builds.values()]
        self.interface = interfaces[1]
        self._compare_names(*interfaces)
        self.facts = {generator: self._facts(generator) for generator in GENERATORS}
        note = f"{len(self.interface.constants)} constants, bindgen = cc"
        self._compare_facts("bindgen", self.facts["bindgen"], "cc", self.facts["cc"], note)
        self._compare_with_c()
        self._compare_symbols()
        if with_libc:
            self._compare_with_libc()

    def run(self, running: bool, suite: bool, thorough: bool) -> None:
        """Runs the programs that were built. If `running` is false, checks that they linked."""
        if not all("walkthrough" in build.programs for build in self.builds.values()):
            return self.problem("no program could be linked")
        if not all(build.complete for build in self.builds.values()):
            return self.problem("not everything could be built")
        if not running:
            return self.note("linked, not run")
        for build in self.builds.values():
            programs.walkthrough(self.target, build.programs["walkthrough"])
        self.note("ran")
        if suite:
            self._run_suites(thorough)

    def _run_suites(self, thorough: bool) -> None:
        for generator, build in self.builds.items():
            ran = programs.suite(self.target, build.programs["test tests"], generator, thorough)
            self.note(f"{ran} with {generator}")

    def problem(self, *problems: str) -> None:
        self.report.problems += problems

    def note(self, note: str) -> None:
        self.report.notes.append(note)

    def _compare_names(self, bindgen: Interface, cc: Interface) -> None:
        for kind in ("constants", "functions", "types", "structures"):
            for name in getattr(bindgen, kind) ^ getattr(cc, kind):
                generator = "bindgen" if name in getattr(bindgen, kind) else "cc"
                self.problem(f"{name} is in the bindings of {generator} alone")

    def _facts(self, generator: str) -> dict[str, int]:
        """The numbers in an object file by rustc, which refers to the functions too."""
        source = facts.in_rust(self.interface, "posix_shm_sys", {})
        source += facts.addresses_in_rust(self.interface.functions, "posix_shm_sys")
        build = self.builds[generator]
        return facts.read(self._rust_object(generator, source, "posix_shm_sys", build))

    def _compare_facts(self, one: str, ones: dict, other: str, others: dict, note: str) -> None:
        differ = [name for name in ones if ones[name] != others.get(name)]
        for name in differ:
            self.problem(f"{name}: {one} {ones[name]}, {other} {others.get(name)}")
        if not differ:
            self.note(note)

    def _compare_with_c(self) -> None:
        numbers = self.facts["cc"]
        try:
            self._c_object("numbers", facts.in_c(self.interface, numbers))
            self.note(f"{len(numbers)} numbers in C")
        except Failure as failure:
            wrong = re.findall(r'static assertion failed.*: "?(.*?)"?$', str(failure), re.MULTILINE)
            self.problem(*(f"C: {each}" for each in wrong or [str(failure)]))

    def _compare_symbols(self) -> None:
        source = facts.addresses_in_c(self.interface.functions)
        expected = symbols(self._c_object("symbols", source))
        (shim,) = self.builds["cc"].bindings.glob("libposix_shm_sys*.a")
        for generator, calls in ("bindgen", self.directory / "bindgen.o"), ("cc", shim):
            found = symbols(calls)
            if found != expected:
                ours, theirs = sorted(found - expected), sorted(expected - found)
                self.problem(f"symbols: {generator} {ours}, C {theirs}")
        self.note(f"{len(expected)} symbols")

    def _compare_with_libc(self) -> None:
        renamed = IN_LIBC | (LARGE_FILES if self.target.large_files else {})
        source = facts.in_rust(self.interface, "libc", renamed)
        theirs = facts.read(self._rust_object("libc", source, "libc", self.cargo.libc(self.target)))
        constants = self.interface.constants
        # What libc lacks has the shape 0. The types of its constants may differ from ours.
        absent = {name for name in constants if theirs[f"type of {name}"] == 0}
        absent |= {name for name in self.interface.types if theirs[name] == 0}
        ignored = absent | {f"type of {name}" for name in constants}
        ignored |= self.target.libc_differs
        ours = {name: fact for name, fact in self.facts["cc"].items() if name not in ignored}
        theirs = {name: fact for name, fact in theirs.items() if name not in ignored}
        note = f"{len(ours)} against libc ({len(absent)} not there)"
        self._compare_facts("bindings", ours, "libc", theirs, note)

    def _rust_object(self, name: str, source: str, crate: str, build: Build) -> Path:
        """Compiles a Rust file that uses one crate of a build."""
        if crate not in build.libraries:
            raise Failure("\n".join(build.messages) or f"cargo did not build {crate}")
        file, result = self.directory / f"{name}.rs", self.directory / f"{name}.o"
        file.write_text(source)
        command = ["rustc", "--edition=2024", "--crate-type=lib", "--emit=obj", "-O"]
        command += ["--target", self.target.rust]
        command += ["--extern", f"{crate}={build.libraries[crate]}", "-o", result, file]
        environment = None
        if self.target.build_std:
            command += ["-Zunstable-options", "-L", f"dependency={build.libraries['core'].parent}"]
            for needed in ("core", "compiler_builtins"):
                command += ["--extern", f"noprelude:{needed}={build.libraries[needed]}"]
            environment = {**os.environ, "RUSTC_BOOTSTRAP": "1"}
        output(command, env=environment)
        return result

    def _c_object(self, name: str, source: str) -> Path:
        """Compiles a C file that includes the sys crate's wrapper.h, with the same definitions as
        the crate's build script."""
        file, result = self.directory / f"{name}.c", self.directory / f"{name}-c.o"
        file.write_text(source)
        include = self.cargo.checkout / "posix-shm-sys"
        options = ["-std=gnu11", "-O1", "-fno-stack-protector", f"-I{include}"]
        compiler = self.cargo.zig.compiler(self.target)
        output([compiler, *options, *definitions(self.target), "-c", file, "-o", result])
        return result


def definitions(target: Target) -> list[str]:
    """The definitions that describe a target to wrapper.h, as in posix-shm-sys/build/target.rs."""
    cfg = rustc_cfg(target)
    names = {"OS_" + cfg["target_os"]: 1, "BITS": cfg["target_pointer_width"]}
    if cfg["target_env"]:
        names["ENV_" + cfg["target_env"]] = 1
    if cfg["target_vendor"] == "apple":
        names["APPLE"] = 1
    return [f"-DPSHM_{name.upper()}={value}" for name, value in names.items()]


def symbols(file: Path) -> set[str]:
    """The undefined symbols of an object file or archive, without those the compiler adds."""
    command = ["llvm-nm", "--undefined-only", "--just-symbol-name", "--quiet", file]
    added = re.compile(r":$|_GLOBAL_OFFSET_TABLE_$|^__aeabi_")
    return {name for name in output(command).split() if not added.search(name)}
