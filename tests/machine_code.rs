//! The exact cost of one access: a load or a store has the same machine code as for a raw pointer
//! with the same bounds check, and an atomic operation is one instruction.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::process::Command;

use crate::common::skip;

/// The instructions of a function up to its return, without addresses. None without `objdump`.
fn instructions(function: &str) -> Option<Vec<String>> {
    let symbols = objdump(&["--syms"])?;
    // The linker gives functions with the same code one address, and objdump shows only one name.
    let symbol = symbols.lines().find(|line| line.split_whitespace().last() == Some(function));
    let address = symbol.unwrap_or_else(|| panic!("{function} is missing")).split(' ').next();
    let start = u64::from_str_radix(address.unwrap(), 16).unwrap();
    let range = [format!("--start-address={start}"), format!("--stop-address={}", start + 256)];
    let text = objdump(&["--disassemble", "--no-show-raw-insn", &range[0], &range[1]])?;
    let mut instructions = Vec::new();
    for line in text.lines().skip_while(|line| !line.ends_with(">:")).skip(1) {
        let Some((_, instruction)) = line.split_once('\t') else { break };
        let words: Vec<&str> = instruction.split_whitespace().collect();
        instructions.push(words.join(" "));
        if words[0].starts_with("ret") {
            break;
        }
    }
    assert!(instructions.len() > 1, "{function} has no code: {instructions:?}");
    Some(instructions)
}

fn objdump(arguments: &[&str]) -> Option<String> {
    let mut objdump = Command::new("objdump");
    let Ok(output) = objdump.args(arguments).arg(env!("CARGO_BIN_EXE_codegen")).output() else {
        skip("objdump is not installed");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// The number of operands in memory, in the AT&T syntax of x86.
fn memory_operands(instructions: &[String]) -> usize {
    instructions.iter().filter(|instruction| instruction.contains('(')).count()
}

#[test]
fn a_load_and_a_store_are_one_instruction_as_with_a_raw_pointer() {
    for operation in ["load", "store"] {
        for word in ["u8", "u16", "u32", "u64"] {
            let ours = instructions(&format!("{operation}_{word}"));
            let raw = instructions(&format!("raw_{operation}_{word}"));
            let (Some(ours), Some(raw)) = (ours, raw) else { return };
            let without_targets = |code: &[String]| -> Vec<String> {
                let cut = |line: &String| {
                    if line.starts_with('j') { line[..2].to_owned() } else { line.clone() }
                };
                code.iter().map(cut).collect()
            };
            assert_eq!(without_targets(&ours), without_targets(&raw), "{operation} {word}");
            assert_eq!(memory_operands(&ours), 1, "{operation} {word}: {ours:#?}");
        }
    }
}

/// The ordering is constant, so nothing is left of the choice between instructions, nor of the
/// check that the ordering exists.
#[test]
fn an_atomic_operation_is_one_instruction_without_branches() {
    for (operation, expected, instructions_with_return) in [
        ("load_relaxed", "mov", Some(2)),
        ("load_acquire", "mov", Some(2)),
        ("load_seq_cst", "mov", Some(2)),
        ("load_of_cell", "mov", Some(2)),
        ("store_relaxed", "mov", Some(2)),
        ("store_release", "mov", Some(2)),
        ("store_seq_cst", "xchg", Some(2)),
        // These also move values between registers.
        ("swap", "xchg", None),
        ("compare_exchange", "lock cmpxchg", None),
        ("compare_exchange_weak", "lock cmpxchg", None),
        ("fetch_add", "lock xadd", None),
        ("fetch_sub", "lock xadd", None),
    ] {
        for word in ["u8", "u16", "u32", "u64"] {
            let name = format!("{operation}_{word}");
            let Some(code) = instructions(&name) else { return };
            let one =
                |line: &&String| line.starts_with(&format!("{expected} ")) && line.contains('(');
            assert_eq!(code.iter().filter(one).count(), 1, "{name}: {code:#?}");
            assert_eq!(memory_operands(&code), 1, "{name}: {code:#?}");
            let elsewhere = |line: &String| line.starts_with('j') || line.starts_with("call");
            assert!(!code.iter().any(elsewhere), "{name}: {code:#?}");
            if let Some(count) = instructions_with_return {
                assert_eq!(code.len(), count, "{name}: {code:#?}");
            }
        }
    }
}

/// A kept view costs the load of its address more than a borrowed one: no check, and no count.
#[test]
fn a_load_through_a_kept_view_is_the_address_and_the_load() {
    let Some(code) = instructions("kept_cell_load") else { return };
    assert_eq!(memory_operands(&code), 2, "{code:#?}");
    assert!(code.len() == 3 && code.iter().all(|line| !line.contains("lock")), "{code:#?}");
    // The length, the address and the value.
    let Some(code) = instructions("kept_slice_load") else { return };
    assert_eq!(memory_operands(&code), 3, "{code:#?}");
    assert!(code.iter().all(|line| !line.contains("lock")), "{code:#?}");
}

/// A value that no register holds moves between memory and registers. On the stack, its
/// parts would be stored and then loaded as a whole, for which the processor waits.
#[test]
fn a_value_of_24_bytes_touches_no_stack() {
    for function in ["load_record", "store_record", "load_packed"] {
        let Some(code) = instructions(function) else { return };
        let on_stack = |line: &&String| line.contains("(%rsp") || line.contains("(%rbp");
        assert_eq!(code.iter().find(on_stack), None, "{function}: {code:#?}");
        let code: Vec<String> = code.into_iter().filter(|line| !line.starts_with("lea")).collect();
        assert_eq!(memory_operands(&code), 3, "{function}: {code:#?}");
        assert!(!code.iter().any(|line| line.starts_with("call")), "{function}: {code:#?}");
    }
}
