//! The exact cost of one access: a load or a store has the same machine code as for a raw pointer
//! with the same bounds check, and an atomic operation is one instruction.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::process::Command;

use crate::common::skip;

/// The instructions of a function up to its return, without addresses. None without `objdump`.
fn instructions(function: &str) -> Option<Vec<String>> {
    let mut objdump = Command::new("objdump");
    objdump.args(["--no-show-raw-insn", &format!("--disassemble={function}")]);
    let Ok(output) = objdump.arg(env!("CARGO_BIN_EXE_codegen")).output() else {
        skip("objdump is not installed");
        return None;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let mut instructions = Vec::new();
    for line in text.lines().skip_while(|line| !line.ends_with(&format!("<{function}>:"))).skip(1) {
        let Some((_, instruction)) = line.split_once('\t') else { break };
        let words: Vec<&str> = instruction.split_whitespace().collect();
        instructions.push(words.join(" "));
        if words[0].starts_with("ret") {
            break;
        }
    }
    assert!(instructions.len() > 1, "{function} is missing: {text}");
    Some(instructions)
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

#[test]
fn an_atomic_operation_is_one_instruction_without_branches() {
    for (operation, expected) in [
        ("load_acquire", "mov"),
        ("store_release", "mov"),
        ("swap", "xchg"),
        ("compare_exchange", "lock cmpxchg"),
        ("fetch_add", "lock xadd"),
        ("fetch_sub", "lock xadd"),
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
