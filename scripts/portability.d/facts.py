"""What the bindings say, as numbers: read from what rustc makes of them, and asked of a C compiler.

A fact is a name and a number. Of a type the number is the size in bytes, negative if it is signed:

    EEXIST                      the value of a constant
    type of EEXIST, mode_t      a type
    struct stat                 the size of a structure
    alignment of struct stat
    place of stat.st_size       an offset
    type of stat.st_size

In the data of an object file they are text, so that nothing has to run, whatever the machine.
"""

import re
from dataclasses import dataclass
from pathlib import Path

FACT = re.compile(rb"PSHM_FACT:([^=]+)=([+-]\d{19});")

INTEGERS = {2: "uint16_t", 4: "uint32_t", -4: "int32_t", -8: "int64_t"}
"""The types that constants have, in C."""

RUST = """\
#![no_std]
#![allow(dead_code, deprecated, non_camel_case_types, non_upper_case_globals, unused_imports)]
use core::mem::{align_of, offset_of, size_of, transmute_copy};

/// Structures count as unsigned, pointers as signed.
trait Shape { const SIGN: i64; }
macro_rules! shape { ($sign:literal: $($of:ty)*) => { $(impl Shape for $of { const SIGN: i64 = $sign; })* } }
shape!(-1: i8 i16 i32 i64 isize);
shape!(1: u8 u16 u32 u64 usize);
impl<T> Shape for *const T { const SIGN: i64 = -1; }
impl<T> Shape for *mut T { const SIGN: i64 = -1; }

/// Stands for what a crate does not have. Its shape is 0.
#[derive(Clone, Copy)]
struct Absent;
shape!(0: Absent);

const fn shape<T: Shape>() -> i64 { size_of::<T>() as i64 * T::SIGN }
const fn shape_of<T: Shape + Copy>(_: T) -> i64 { shape::<T>() }
const fn shape_of_field<S, T: Shape>(_: fn(&S) -> &T) -> i64 { shape::<T>() }
/// Not by `as`, which is not for pointers in a constant.
const fn value<T: Shape + Copy>(it: T) -> i64 {
    unsafe {
        match shape::<T>() {
            0 => 0,
            2 => transmute_copy::<T, u16>(&it) as i64,
            4 => transmute_copy::<T, u32>(&it) as i64,
            -4 => transmute_copy::<T, i32>(&it) as i64,
            -8 => transmute_copy::<T, i64>(&it),
            _ => panic!("no constant is known to have such a type"),
        }
    }
}

#[repr(C)]
struct Fact<const N: usize> { name: [u8; N], digits: [u8; 20], end: u8 }
const fn fact<const N: usize>(name: &[u8; N], number: i64) -> Fact<N> {
    let (mut digits, mut rest, mut at) = ([if number < 0 { b'-' } else { b'+' }; 20], number.unsigned_abs(), 20);
    while at > 1 { at -= 1; digits[at] = b'0' + (rest % 10) as u8; rest /= 10; }
    Fact { name: *name, digits, end: b';' }
}

/// The address of a function, so that the object file refers to its symbol.
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
    """The same, of fields that are structures."""

    @classmethod
    def read(cls, directory: Path) -> "Interface":
        """Reads what the sys crate's build script wrote, and what it told cargo."""
        bindings = (directory / "bindings.rs").read_text()
        told = (directory.parent / "output").read_text()
        has = set(re.findall(r"^cargo::metadata=has_(\w+)=1$", told, re.MULTILINE))
        constants = {name for name in has if name.upper() == name}
        functions = {name for name in has - constants if not name.startswith("st_")}
        # The last one is the crate's: bindgen may have some of its own.
        offered = re.findall(r"pub use raw::\{(.*?)\};", bindings, re.DOTALL)[-1].split(", ")
        others = {name for name in offered if name not in has and " as " not in name}
        bodies = {name: re.search(rf"pub struct {name}\s*\{{(.*?)\}}", bindings, re.DOTALL) for name in others}
        structures = {name for name, body in bodies.items() if body}
        fields = {(name, *field) for name in structures for field in re.findall(r"pub (\w+)\s*:\s*(\w*)", bodies[name][1])}
        integers = {(name, field) for name, field, of in fields if of not in structures}
        nested = {(name, field) for name, field, of in fields if of in structures}
        return cls(*map(frozenset, (constants, functions, others - structures, structures, integers, nested)))


def in_rust(interface: Interface, crate: str, others: dict[str, str]) -> str:
    """A Rust file with the facts as a crate has them. Some of its types and fields have other names there."""
    fallbacks = [f"const {name}: Absent = Absent;" for name in sorted(interface.constants)]
    fallbacks += [f"type {name} = Absent;" for name in sorted({others.get(name, name) for name in interface.types})]
    shapes = " ".join(f"{crate}::{others.get(name, name)}" for name in interface.structures)
    # The names of the crate, imported this near, hide those above, which are for what it has not.
    lines = [RUST, *fallbacks, f"shape!(1: {shapes});", "fn facts() {", f"use {crate}::*;"]
    for number, (name, expression) in enumerate(_rust_expressions(interface, others)):
        tag = f"PSHM_FACT:{name}="
        lines.append(f'#[used] static FACT_{number}: Fact<{len(tag)}> = fact(b"{tag}", {expression});')
    return "\n".join([*lines, "}", ""])


def _rust_expressions(interface: Interface, others: dict[str, str]):
    """(fact, expression for it)"""
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
        yield f"place of {name}.{field}", f"offset_of!({others.get(name, name)}, {others.get(field, field)}) as i64"
    for name, field in interface.integers:
        yield f"type of {name}.{field}", f"shape_of_field(|it: &{others.get(name, name)}| &it.{others.get(field, field)})"


def addresses_in_rust(functions: frozenset[str], crate: str) -> str:
    """More of the file: references to functions."""
    addresses = [f"Address({crate}::{name} as *const ())" for name in sorted(functions | {"errno_location"})]
    return f"#[used] static ADDRESSES: [Address; {len(addresses)}] = [{', '.join(addresses)}];\n"


def read(object_file: Path) -> dict[str, int]:
    """The facts in an object file."""
    return {name.decode(): int(digits) for name, digits in FACT.findall(object_file.read_bytes())}


def in_c(interface: Interface, facts: dict[str, int]) -> str:
    """A C file that compiles only if the facts are true of the headers."""
    lines = ['#include "wrapper.h"', '_Static_assert(sizeof(off_t) == 8, "off_t has 64 bits");']
    for condition, fact in _c_conditions(interface, facts):
        lines.append(f'_Static_assert({condition}, "{fact} is not {facts[fact]}");')
    return "\n".join(lines) + "\n"


def _c_conditions(interface: Interface, facts: dict[str, int]):
    """(what is to be true in C, fact)"""
    for name in interface.constants:
        # In the type that the functions want: C's own macro has none.
        yield f"({INTEGERS[facts[f'type of {name}']]}) ({name}) == {facts[name]}LL", name
    for name in interface.types:
        yield _is_integer(name, facts[name]), name
    for name in interface.structures:
        yield f"sizeof(struct {name}) == {facts[f'struct {name}']}", f"struct {name}"
        yield f"_Alignof(struct {name}) == {facts[f'alignment of struct {name}']}", f"alignment of struct {name}"
    for name, field in interface.integers | interface.nested:
        fact = f"place of {name}.{field}"
        yield f"offsetof(struct {name}, {field}) == {facts[fact]}", fact
    for name, field in interface.integers:
        fact = f"type of {name}.{field}"
        yield _is_integer(f"__typeof__(((struct {name} *) 0)->{field})", facts[fact]), fact


def _is_integer(of: str, shape: int) -> str:
    return f"sizeof({of}) == {abs(shape)} && (({of}) -1 < 0) == {int(shape < 0)}"


def addresses_in_c(functions: frozenset[str]) -> str:
    """A C file that refers to functions and to what `errno` is made of."""
    uses = "\n".join(f"void *use_{name}(void) {{ return (void *) {name}; }}" for name in sorted(functions))
    return f'#include "wrapper.h"\nint *use_errno(void) {{ return &errno; }}\n{uses}\n'
