//! Binds shared memory to a memory node before anyone touches it.
//!
//! ```sh
//! cargo run --example numa
//! ```
//!
//! You should see that 64 MiB are present, on node 0. Where the kernel has no NUMA, or a sandbox
//! forbids the call, it says so, and the memory is wherever the system puts it.

fn main() -> posix_shm::Result<()> {
    let object = posix_shm::Shm::anonymous(64 << 20)?;
    let mapping = object.map_mut()?;
    bind_to_node(0, mapping.as_ptr(), mapping.len());
    // The first to touch a page decides where it is. From now on all of it is there.
    mapping.populate(..)?;
    println!("{} MiB are present", mapping.len() >> 20);
    Ok(())
}

/// `mbind`, which is Linux' own.
#[cfg(target_os = "linux")]
#[expect(clippy::disallowed_methods, reason = "this is no library")]
fn bind_to_node(node: u32, start: *const u8, len: usize) {
    let nodes: libc::c_ulong = 1 << node;
    // The kernel takes one less than it is told.
    let bits = libc::c_ulong::BITS + 1;
    let (call, policy) = (libc::SYS_mbind, libc::MPOL_BIND);
    // SAFETY: the range is a mapping that stays, and the pointer is to a mask of that many bits.
    let result = unsafe { libc::syscall(call, start, len, policy, &raw const nodes, bits, 0) };
    if result == 0 {
        println!("bound to node {node}");
    } else {
        println!("not bound: {}", std::io::Error::last_os_error());
    }
}

#[cfg(not(target_os = "linux"))]
fn bind_to_node(_: u32, _: *const u8, _: usize) {
    println!("this example knows only Linux' call");
}
