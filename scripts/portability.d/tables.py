"""The tables of the last way, in posix-shm-sys/build/libc/. Each says which names of the libc crate
are like those in the headers of one system. posix-shm-sys/build/with_libc.rs explains the lines.
"""

import re
from pathlib import Path

import facts
from facts import Interface
from targets import TARGETS, Target
from tools import rustc_cfg

ABSENT = "pshm_absent_"
"""The start of the symbols that stand for functions that the libc crate lacks."""

KINDS = ("target", "errno", "type", "struct", "const", "wrapper", "fn", "extern", "syscall")
"""The kinds of lines, in the order of the file."""

HEADER = """\
# What the libc crate has of the names in names.rs and functions.rs, for {system}. {compared}
# Written by `scripts/portability --write-tables`; do not edit. with_libc.rs explains the lines.
"""
COMPARED = "Compared with the headers."
NOT_COMPARED = "Not compared: no package has its headers."


def system(target: Target) -> str:
    """The system of a target, as in posix-shm-sys/build/target.rs."""
    cfg = rustc_cfg(target)
    return f"linux-{cfg['target_env']}" if cfg["target_os"] == "linux" else cfg["target_os"]


def path(checkout: Path, name: str) -> Path:
    return checkout / "posix-shm-sys/build/libc" / f"{name}.txt"


def read(checkout: Path, target: Target) -> list[str] | None:
    """The lines of a target in the table of its system. None if there is no such table."""
    file = path(checkout, system(target))
    if not file.exists():
        return None
    lines = (line.partition(" @ ") for line in file.read_text().splitlines() if line[:1] != "#")
    here = [line for line, _, only in lines if not only or target.rust in only.split()]
    return [line for line in here if not line.startswith("target ") or target.rust in line.split()]


def write(checkout: Path, tables: dict[Target, list[str]]) -> list[str]:
    """Writes the table of each system all of whose targets were checked. Returns the others."""
    left_out = []
    for name in sorted({system(target) for target in tables}):
        targets = [target for target in TARGETS if system(target) == name]
        if all(target in tables for target in targets):
            path(checkout, name).parent.mkdir(exist_ok=True)
            path(checkout, name).write_text(_text(name, {each: tables[each] for each in targets}))
        else:
            left_out.append(name)
    return left_out


def _text(name: str, tables: dict[Target, list[str]]) -> str:
    lines: dict[str, list[str]] = {}
    for target, its in tables.items():
        for line in its:
            lines.setdefault(line, []).append(target.rust)
    compared = COMPARED if not any(target.stands_in for target in tables) else NOT_COMPARED
    text = HEADER.format(system=name, compared=compared)
    for line in sorted(lines, key=lambda line: (KINDS.index(line.split()[0]), line)):
        everywhere = len(lines[line]) == len(tables) or line.startswith("target ")
        text += line + ("" if everywhere else f" @ {' '.join(lines[line])}") + "\n"
    return text


def in_libc(interface: Interface) -> tuple[str, list[str]]:
    """Returns Rust code that refers to the libc crate's functions, and their names."""
    names = {facts.ALIASES.get(name, name) for name in interface.functions}
    candidates = sorted(names | {f"{name}64" for name in names})
    fallbacks = (f'#[link_name = "{ABSENT}{name}"] fn {name}();' for name in candidates)
    addresses = ", ".join(f"Address({name} as *const ())" for name in candidates)
    count = len(candidates)
    # What the function imports hides the fallbacks outside of it.
    return (
        f'unsafe extern "C" {{ {" ".join(fallbacks)} }}\n'
        "fn addresses() { use libc::*;\n"
        f"#[used] static ADDRESSES: [Address; {count}] = [{addresses}]; }}\n"
    ), candidates


def lines(
    target: Target,
    interface: Interface,
    theirs: dict[str, int],
    same: set[str],
    found: set[str],
    expected: set[str],
    errno: str,
    renamed: dict[str, str],
    wrapper: str,
    names: str,
) -> list[str]:
    """The lines for one target. `theirs` are the facts of the libc crate, `same` the constants that
    have the value of the headers, `found` the symbols of its functions, `expected` those of C.
    `wrapper` and `names` are the texts of wrapper.h and names.rs."""
    types = {field: of for of, field in re.findall(r'\("(\w+)", "(\w+)"\)', names)}
    table = [f"target {target.rust}", f"errno {errno}"]
    table += [f"type {name} {renamed.get(name, name)}" for name in interface.types]
    for name in interface.structures:
        fields = [field for of, field in interface.integers | interface.nested if of == name]
        fields.sort(key=lambda field: theirs[f"offset of {name}.{field}"])
        # The libc crate gives some fields another type than POSIX does.
        for number, field in enumerate(fields):
            its, posix = theirs.get(f"type of {name}.{field}"), theirs.get(types.get(field, ""), 0)
            if posix and its != posix:
                fields[number] += f":{'i' if its < 0 else 'u'}{abs(its) * 8}"
        table.append(f"struct {name} {renamed.get(name, name)} {' '.join(fields)}")
    table += [f"const {name}" for name in interface.constants & same]
    table += [f"wrapper {name}" for name in _defined(target, wrapper) & interface.constants - same]
    # On other systems the libc crate is for older versions too, which may lack the function.
    declared = expected if system(target).startswith("linux") else set()
    for name in interface.functions:
        calls = facts.ALIASES.get(name, name)
        if f"{calls}64" in expected and f"{ABSENT}{calls}64" not in found:
            table.append(f"fn {name} {calls}64")
        elif f"{ABSENT}{calls}" not in found:
            table.append(f"fn {name} {calls}")
        elif name in declared:
            table.append(f"extern {name}")
        elif name in target.syscalls:
            table.append(f"syscall {name}")
    return table


def _defined(target: Target, wrapper: str) -> set[str]:
    """The constants that wrapper.h defines as a number for a target, if its headers are older."""
    if not system(target).startswith(("linux", "android", "macos")):
        return set()
    number = r"^#define (\w+) (?:0x[0-9a-fA-F]+|\d+)U?(?:\s|$)"
    return set(re.findall(number, wrapper, re.MULTILINE))
