//! The bindings compared with the `libc` crate, which was made independently: every constant, size,
//! offset and signature.

use std::ffi::{c_char, c_int, c_void};
use std::mem::offset_of;
use std::os::unix::fs::FileExt;

use posix_shm_sys as sys;

use crate::common::len;

/// Every constant of the bindings: its name, and its value in the bindings and in the `libc` crate.
#[allow(clippy::cast_lossless, clippy::unnecessary_cast, reason = "of every integer type")]
fn constants() -> Vec<(&'static str, i128, i128)> {
    include!(concat!(env!("OUT_DIR"), "/constants.rs"))
}

#[test]
fn every_constant_has_the_value_of_libc() {
    let constants = constants();
    for (name, ours, theirs) in &constants {
        assert_eq!(ours, theirs, "{name}");
    }
    for must in ["O_CREAT", "S_IRUSR", "PROT_READ", "MAP_SHARED", "MAP_FAILED", "EEXIST", "ENOSPC"]
    {
        assert!(constants.iter().any(|(name, ..)| *name == must), "{must} is missing");
    }
}

#[test]
fn constants_have_the_types_of_the_functions_that_take_them() {
    let _: [c_int; 4] = [sys::O_CREAT, sys::PROT_READ, sys::MAP_SHARED, sys::EEXIST];
    let _: sys::mode_t = sys::S_IRUSR;
    let _: *mut c_void = sys::MAP_FAILED;
    #[cfg(target_os = "linux")]
    let _: std::ffi::c_uint = sys::MFD_CLOEXEC;
}

/// Checks that each field has the same offset and the same size.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
macro_rules! same_layout {
    ($ours:path, $theirs:path: $($field:ident)*) => {
        assert_eq!(size_of::<$ours>(), size_of::<$theirs>());
        assert_eq!(align_of::<$ours>(), align_of::<$theirs>());
        // SAFETY: both consist of integers only.
        let ours: $ours = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        let theirs: $theirs = unsafe { std::mem::zeroed() };
        $(
            assert_eq!(offset_of!($ours, $field), offset_of!($theirs, $field), stringify!($field));
            assert_eq!(size_of_val(&ours.$field), size_of_val(&theirs.$field), stringify!($field));
        )*
    };
}

#[test]
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn structures_have_the_layout_of_libc() {
    same_layout!(
        sys::stat, libc::stat:
        st_dev st_ino st_mode st_nlink st_uid st_gid st_rdev st_size st_blksize st_blocks
    );
    assert_eq!(offset_of!(sys::stat, st_atim), offset_of!(libc::stat, st_atime));
    assert_eq!(offset_of!(sys::stat, st_mtim), offset_of!(libc::stat, st_mtime));
    assert_eq!(offset_of!(sys::stat, st_ctim), offset_of!(libc::stat, st_ctime));
    same_layout!(sys::flock, libc::flock: l_type l_whence l_start l_len l_pid);
    same_layout!(sys::timespec, libc::timespec: tv_sec tv_nsec);
    same_layout!(sys::statvfs, libc::statvfs: f_bsize f_frsize f_blocks f_bfree f_bavail);
}

/// On 32 bits the types differ: the bindings have those that belong to a 64-bit `off_t`.
#[test]
#[cfg(target_pointer_width = "64")]
#[allow(deprecated, reason = "time_t on musl will change to the type that it has here")]
fn types_have_the_size_and_sign_of_libc() {
    macro_rules! same {
        ($($name:ident)*) => {
            $(
                let _: libc::$name = sys::$name::MAX;
                let _: libc::$name = sys::$name::MIN;
            )*
        };
    }
    same!(mode_t uid_t gid_t pid_t dev_t ino_t nlink_t blksize_t blkcnt_t time_t);
}

#[test]
fn an_object_can_be_larger_than_4_gib() {
    assert_eq!(size_of::<sys::off_t>(), 8);
    let object = posix_shm::Shm::anonymous(0).unwrap();
    object.set_len_sparse((5 << 30) + 12_345).unwrap();
    assert_eq!(object.len().unwrap(), len((5 << 30) + 12_345));
    let mut options = posix_shm::MapOptions::new();
    let far = options.offset(5 << 30).len(100).map_mut(&object).unwrap();
    far.bytes().store(99, 7);
    assert_eq!(far.bytes().load(99), 7);
}

#[test]
fn a_mapping_and_its_handle_agree_beyond_4_gib() {
    let object = posix_shm::Shm::anonymous(0).unwrap();
    object.set_len_sparse(6 << 30).unwrap();
    object.write_all_at(b"far", 5 << 30).unwrap();
    let mut options = posix_shm::MapOptions::new();
    let far = options.offset(5 << 30).len(3).map(&object).unwrap();
    assert_eq!(far.bytes().to_vec(), b"far");
    let mut near = [1; 3];
    object.read_exact_at(&mut near, 1 << 30).unwrap();
    assert_eq!(near, [0; 3]);
}

#[test]
fn functions_have_one_signature_from_both_generators() {
    let _: unsafe extern "C" fn(*const c_char) -> c_int = sys::shm_unlink;
    let _: unsafe extern "C" fn(c_int, sys::mode_t) -> c_int = sys::fchmod;
    let _: unsafe extern "C" fn(c_int) -> c_int = sys::close;
    // SAFETY: the name is a NUL-terminated string; the object does not exist.
    let fd: c_int =
        unsafe { sys::shm_open(c"/pshm-test-absent".as_ptr(), sys::O_RDONLY, 0 as sys::mode_t) };
    // SAFETY: the function has no precondition.
    let errno = unsafe { sys::errno_location() };
    // SAFETY: the pointer to this thread's errno is valid for as long as the thread runs.
    assert_eq!((fd, unsafe { *errno }), (-1, libc::ENOENT));
}

/// If the CI asks for a generator, the bindings must come from it.
#[test]
fn bindings_source_names_the_generator() {
    let source = sys::BINDINGS_SOURCE;
    assert!(["bindgen", "cc", "libc"].contains(&source), "an unknown generator: {source}");
    if let Ok(asked) = std::env::var("POSIX_SHM_SYS_BINDINGS") {
        assert_eq!(source, asked);
    }
}

/// For the CI, which generates the bindings in both ways and compares this output.
#[test]
fn print_all_numbers() {
    for (name, ours, _) in constants() {
        println!("NUMBER {name} {ours}");
    }
    macro_rules! print_layout {
        ($of:ident: $($field:ident)*) => {
            let of = stringify!($of);
            println!("NUMBER {of} {} {}", size_of::<sys::$of>(), align_of::<sys::$of>());
            // SAFETY: the structure consists of integers only.
            let zero: sys::$of = unsafe { std::mem::zeroed() };
            $(
                let (offset, size) = (offset_of!(sys::$of, $field), size_of_val(&zero.$field));
                println!("NUMBER {of}.{} {offset} {size}", stringify!($field));
            )*
        };
    }
    print_layout!(
        stat: st_dev st_ino st_mode st_nlink st_uid st_gid st_rdev st_size st_blksize st_blocks
    );
    print_layout!(timespec: tv_sec tv_nsec);
    print_layout!(flock: l_type l_whence l_start l_len l_pid);
    print_layout!(statvfs: f_bsize f_frsize f_blocks f_bfree f_bavail);
}
