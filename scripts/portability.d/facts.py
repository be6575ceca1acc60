"""Turns what the bindings say into numbers, from rustc and from a C compiler.

A fact is a name and a number. The number of a type is its size in bytes, negative if it is signed:

    EEXIST                      the value of a constant
    type of EEXIST, mode_t      a type
    struct stat                 the size of a structure
    alignment of struct stat
    offset of stat.st_size       an offset
    type of stat.st_size

rustc puts the facts into the data of an object file, as text. So no program has to run, and any
machine can read them.
"""

import re
from dataclasses import dataclass
from pathlib import Path

FACT = re.compile(rb"PSHM_FACT:([^=]+)=([+-]\d{19});")

INTEGERS = {2: "uint16_t", -2: "int16_t", 4: "uint32_t", -4: "int32_t", -8: "int64_t"}
"""The C types of constants, by their number."""

ALIASES = {"fcntl_lock": "fcntl"}
"""The functions of the bindings that call a C function of another name."""

RUST = """\
#![no_std]
#![allow(dead_code, deprecated, non_camel_case_types, non_upper_case_globals, unused_imports)]
use core::mem::{align_of, offset_of, size_of, transmute_copy};

/// The number of a type. Structures count as unsigned, pointers as signed.
trait Shape { const SIGN: i64; }
macro_rules! shape {
    ($sign:literal: $($of:ty)*) => { $(impl Shape for $of { const SIGN: i64 = $sign; })* }
}
shape!(-1: i8 i16 i32 i64 isize);
shape!(1: u8 u16 u32 u64 usize);
impl<T> Shape for *const T { const SIGN: i64 = -1; }
impl<T> Shape for *mut T { const SIGN: i64 = -1; }

/// Stands for a constant or type that a crate lacks. Its shape is 0.
#[derive(Clone, Copy)]
struct Absent;
shape!(0: Absent);

const fn shape<T: Shape>() -> i64 { size_of::<T>() as i64 * T::SIGN }
const fn shape_of<T: Shape + Copy>(_: T) -> i64 { shape::<T>() }
const fn shape_of_field<S, T: Shape>(_: fn(&S) -> &T) -> i64 { shape::<T>() }
/// `as` would not do: a constant cannot cast pointers.
const fn value<T: Shape + Copy>(it: T) -> i64 {
    unsafe {
        match shape::<T>() {
            0 => 0,
            2 => transmute_copy::<T, u16>(&it) as i64,
            -2 => transmute_copy::<T, i16>(&it) as i64,
            4 => transmute_copy::<T, u32>(&it) as i64,
            -4 => transmute_copy::<T, i32>(&it) as i64,
            -8 => transmute_copy::<T, i64>(&it),
            _ => panic!("no constant should have such a type"),
        }
    }
}

#[repr(C)]
struct Fact<const N: usize> { name: [u8; N], digits: [u8; 20], end: u8 }
const fn fact<const N: usize>(name: &[u8; N], number: i64) -> Fact<N> {
    let mut digits = [if number < 0 { b'-' } else { b'+' }; 20];
    let (mut rest, mut at) = (number.unsigned_abs(), 20);
    while at > 1 { at -= 1; digits[at] = b'0' + (rest % 10) as u8; rest /= 10; }
    Fact { name: *name, digits, end: b';' }
}

/// The address of a function. It makes the object file refer to the function's symbol.
struct Address(*const ());
unsafe impl Sync for Address {}
"""


@dataclass(frozen=True)
class Interface:
    """The names that the bindings offer."""

    constants: frozenset[str]
    functions: frozenset[str]
    types: frozenset[str]
    structures: frozenset[str]
    integers: frozenset[tuple[str, str]]
    """(structure, field)"""
    nested: frozenset[tuple[str, str]]
    """The same, for fields that are structures."""

    @classmethod
    def read(cls, directory: Path) -> "Interface":
        """Reads the files that the sys crate's build script wrote, and what it told cargo."""
        bindings = (directory / "bindings.rs").read_text()
        told = (directory.parent / "output").read_text()
        has = set(re.findall(r"^cargo::metadata=has_(\w+)=1$", told, re.MULTILINE))
        constants = {name for name in has if name.upper() == name or name.startswith("SYS_")}
        functions = {name for name in has - constants if not name.startswith("st_")}
        offered = re.findall(r"^pub use raw::(\w+);$", bindings, re.MULTILINE)
        bodies = {
            name: re.search(rf"pub struct {name}\s*\{{(.*?)\}}", bindings, re.DOTALL)
            for name in offered
        }
        # A structure may have the name of a function.
        others = {name for name in offered if name not in has or bodies[name]}
        structures = {name for name, body in bodies.items() if body}
        fields = {
            (name, *field)
            for name in structures
            for field in re.findall(r"pub (\w+)\s*:\s*(\w*)", bodies[name][1])
        }
        integers = {(name, field) for name, field, of in fields if of not in structures}
        nested = {(name, field) for name, field, of in fields if of in structures}
        names = (constants, functions, others - structures, structures, integers, nested)
        return cls(*map(frozenset, names))


def in_rust(interface: Interface, crate: str, others: dict[str, str]) -> str:
    """Returns a Rust file with the facts of one crate. `others` has the names of types and fields
    that the crate calls otherwise."""
    fallbacks = [f"const {name}: Absent = Absent;" for name in sorted(interface.constants)]
    types = {others.get(name, name) for name in interface.types}
    fallbacks += [f"type {name} = Absent;" for name in sorted(types)]
    shapes = " ".join(f"{crate}::{others.get(name, name)}" for name in interface.structures)
    # What the function imports from the crate hides the fallbacks outside of it.
    lines = [RUST, *fallbacks, f"shape!(1: {shapes});", "fn facts() {", f"use {crate}::*;"]
    for number, (name, expression) in enumerate(_rust_expressions(interface, others)):
        tag = f"PSHM_FACT:{name}="
        value = f'fact(b"{tag}", {expression})'
        lines.append(f"#[used] static FACT_{number}: Fact<{len(tag)}> = {value};")
    return "\n".join([*lines, "}", ""])


def _rust_expressions(interface: Interface, others: dict[str, str]):
    """Yields (fact, Rust expression for its number)."""
    for name in interface.constants:
        yield name, f"value({name})"
        yield f"type of {name}", f"shape_of({name})"
    for name in interface.types:
        yield name, f"shape::<{others.get(name, name)}>()"
    for name in interface.structures:
        of = others.get(name, name)
        yield f"struct {name}", f"size_of::<{of}>() as i64"
        yield f"alignment of struct {name}", f"align_of::<{of}>() as i64"
    for name, field in interface.integers | interface.nested:
        of, its_field = others.get(name, name), others.get(field, field)
        yield f"offset of {name}.{field}", f"offset_of!({of}, {its_field}) as i64"
        if (name, field) in interface.integers:
            yield f"type of {name}.{field}", f"shape_of_field(|it: &{of}| &it.{its_field})"


def addresses_in_rust(functions: frozenset[str], crate: str) -> str:
    """Returns Rust code, to append to that file, that refers to functions."""
    names = sorted(functions | {"errno_location"})
    addresses = [f"Address({crate}::{name} as *const ())" for name in names]
    return f"#[used] static ADDRESSES: [Address; {len(addresses)}] = [{', '.join(addresses)}];\n"


def read(object_file: Path) -> dict[str, int]:
    """Returns the facts in an object file."""
    return {name.decode(): int(digits) for name, digits in FACT.findall(object_file.read_bytes())}


def in_c(interface: Interface, facts: dict[str, int]) -> str:
    """Returns a C file that compiles only if the facts are true for the headers."""
    lines = ['#include "wrapper.h"', '_Static_assert(sizeof(off_t) == 8, "off_t has 64 bits");']
    for condition, fact in _c_conditions(interface, facts):
        lines.append(f'_Static_assert({condition}, "{fact} is not {facts[fact]}");')
    return "\n".join(lines) + "\n"


def _c_conditions(interface: Interface, facts: dict[str, int]):
    """Yields (condition in C, fact)."""
    for name in interface.constants:
        # Cast to the type that the bindings give it: a macro has no type of its own.
        yield f"({INTEGERS[facts[f'type of {name}']]}) ({name}) == {facts[name]}LL", name
    for name in interface.types:
        yield _is_integer(name, facts[name]), name
    for name in interface.structures:
        yield f"sizeof(struct {name}) == {facts[f'struct {name}']}", f"struct {name}"
        fact = f"alignment of struct {name}"
        yield f"_Alignof(struct {name}) == {facts[fact]}", fact
    for name, field in interface.integers | interface.nested:
        fact = f"offset of {name}.{field}"
        yield f"offsetof(struct {name}, {field}) == {facts[fact]}", fact
    for name, field in interface.integers:
        fact = f"type of {name}.{field}"
        yield _is_integer(f"__typeof__(((struct {name} *) 0)->{field})", facts[fact]), fact


def _is_integer(of: str, shape: int) -> str:
    return f"sizeof({of}) == {abs(shape)} && (({of}) -1 < 0) == {int(shape < 0)}"


def addresses_in_c(functions: frozenset[str]) -> str:
    """Returns a C file that refers to functions and to the function behind `errno`."""
    lines = ['#include "wrapper.h"', "int *use_errno(void) { return &errno; }"]
    # Other forms of a function, which C declares with another last argument, are that function.
    for name in sorted({ALIASES.get(name, name) for name in functions}):
        lines.append(f"void *use_{name}(void) {{ return (void *) {name}; }}")
    return "\n".join(lines) + "\n"
