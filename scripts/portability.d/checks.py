"""The checks of one target."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import facts
import programs
import tables
from cargo import GENERATORS, LAST_WAY, Build, Cargo
from facts import Interface
from targets import Target
from tools import Failure, output, rustc_cfg

IN_LIBC = {"st_atim": "st_atime", "st_mtim": "st_mtime", "st_ctim": "st_ctime"}
IN_LIBC |= {f"{name}espec": other for name, other in IN_LIBC.items()}
"""Fields with another name in the libc crate, which has names from before POSIX had nanoseconds."""

LARGE_FILES = {name: f"{name}64" for name in ("stat", "statvfs", "flock")}
LARGE_FILES |= {
    name: name.replace("_t", "64_t")
    for name in ("off_t", "ino_t", "blkcnt_t", "fsblkcnt_t", "fsfilcnt_t")
}
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
        if not all("posix_shm_sys" in build.libraries for build in self.builds.values()):
            return False
        self.directory.mkdir(parents=True, exist_ok=True)
        self.interface = Interface.read(self.builds["cc"].bindings)
        return True

    def last_way(self, crates: list[str]) -> None:
        """Checks the bindings that come from the libc crate: that crates compile with them without
        headers, and that they have the values of the headers."""
        self._check_table()
        build = self.builds[LAST_WAY] = self.cargo.crates(self.target, LAST_WAY, crates)
        self.problem(*build.messages)
        if "posix_shm_sys" not in build.libraries:
            return self.problem("the last way: it does not build")
        if self.target.stands_in:
            return self.note("compiles the last way")
        interface = Interface.read(build.bindings)
        ours = self._facts(LAST_WAY, interface)
        ours = {name: ours[name] for name in ours if name not in self.target.last_way_differs}
        note = f"{len(ours)} numbers the last way"
        self._compare_facts("the last way", ours, "headers", self.facts["cc"], note)
        found = symbols(self.directory / f"{LAST_WAY}-bindings.o")
        expected = symbols(self._c_object("last", facts.addresses_in_c(interface.functions)))
        for name, others in self.target.last_way_symbols.items():
            expected = (expected - {name}) | set(others.split())
        if found != expected:
            ours, theirs = sorted(found - expected), sorted(expected - found)
            self.problem(f"symbols: the last way {ours}, C {theirs}")

    def table(self) -> list[str]:
        """The lines of this target in the table for the last way."""
        interface = self.interface
        renamed = LARGE_FILES if self.target.large_files else {}
        source = facts.in_rust(interface, "libc", IN_LIBC | renamed)
        functions, _ = tables.in_libc(interface)
        build = self.cargo.libc(self.target, same_abi=False)
        object_file = self._rust_object("table", source + functions, "libc", build)
        theirs, found = facts.read(object_file), symbols(object_file)
        found |= {name.removeprefix("_") for name in found}
        same = {name for name in interface.constants if theirs[f"type of {name}"] != 0}
        expected = set()
        if not self.target.stands_in:
            headers = self.facts["cc"]
            same = {name for name in same if theirs[name] == headers[name]}
            expected = symbols(self._c_object("table", facts.addresses_in_c(interface.functions)))
        errno = self.target.errno or re.search(
            r"^pub use raw::(\w+) as errno_location;$",
            (self.builds["bindgen"].bindings / "bindings.rs").read_text(),
            re.MULTILINE,
        )[1]
        crate = self.cargo.checkout / "posix-shm-sys"
        texts = [(crate / file).read_text() for file in ("wrapper.h", "build/names.rs")]
        return tables.lines(
            self.target, interface, theirs, same, found, expected, errno, renamed, *texts
        )

    def _check_table(self) -> None:
        """Checks that the table for the last way is what would be written now."""
        now, then = set(self.table()), tables.read(self.cargo.checkout, self.target)
        if then is None:
            return self.problem("it is in no table for the last way: use --write-tables")
        for line in sorted(now ^ set(then)):
            state = "lacks" if line in now else "should not have"
            self.problem(f"the table for the last way {state} `{line}`: use --write-tables")

    def compare(self, with_libc: bool) -> None:
        """Makes all comparisons that need no program to run."""
        self._compare_names(Interface.read(self.builds["bindgen"].bindings), self.interface)
        self.facts = {name: self._facts(name, self.interface) for name in GENERATORS}
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
        for generator in GENERATORS:
            program = self.builds[generator].programs["test tests"]
            ran = programs.suite(self.target, program, generator, thorough)
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

    def _facts(self, generator: str, interface: Interface) -> dict[str, int]:
        """The numbers in an object file by rustc, which refers to the functions too."""
        source = facts.in_rust(interface, "posix_shm_sys", {})
        source += facts.addresses_in_rust(interface.functions, "posix_shm_sys")
        build = self.builds[generator]
        name = f"{generator}-bindings"
        return facts.read(self._rust_object(name, source, "posix_shm_sys", build))

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
        for generator, calls in ("bindgen", self.directory / "bindgen-bindings.o"), ("cc", shim):
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
        for directory in sorted({library.parent for library in build.libraries.values()}):
            command += ["-L", f"dependency={directory}"]
        environment = None
        if self.target.build_std:
            command.append("-Zunstable-options")
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
