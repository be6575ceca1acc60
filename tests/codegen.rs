//! The program whose machine code `machine_code.rs` looks at.

fn main() {
    posix_shm_tests_optimised::codegen::run();
}
