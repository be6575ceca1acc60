//! Huge pages: those that the kernel makes of usual ones, and those that come from a pool.

use std::ffi::{CStr, c_uint};
use std::fs;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use posix_shm_sys as sys;

use super::draft::{Draft, Namespace};
use super::mapping::advise;
use super::memfd;
use crate::failure::{Errno, Failure, Operation};

/// The size of the pages that [`collapse`] makes: Linux' `hpage_pmd_size`. `None` if the kernel
/// makes none, or does not say.
pub(crate) fn transparent_page() -> Option<usize> {
    /// 0 until it is known; it never changes.
    static SIZE: AtomicUsize = AtomicUsize::new(0);
    let known = SIZE.load(Ordering::Relaxed);
    if known > 0 {
        return Some(known);
    }
    let text = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size").ok()?;
    let size = text.trim().parse().ok().filter(|size: &usize| size.is_power_of_two())?;
    SIZE.store(size, Ordering::Relaxed);
    Some(size)
}

/// Makes huge pages of usual ones: `madvise` with `MADV_COLLAPSE`. Every byte keeps its value.
pub(crate) fn collapse(start: NonNull<u8>, len: usize) -> Result<(), Errno> {
    loop {
        // SAFETY: the advice moves bytes to other pages; whoever has the mapping sees the same
        // bytes.
        match unsafe { advise(start, len, sys::MADV_COLLAPSE) } {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

/// The sizes of the pages in pools, in bytes: the folders of `/sys/kernel/mm/hugepages`.
pub(crate) fn pooled_pages() -> Result<Vec<u64>, Failure> {
    let failed = |error: std::io::Error| {
        let errno = error.raw_os_error().map_or(Errno::IO, Errno);
        match errno {
            // A kernel without huge pages.
            Errno::NOENT => Failure::new(Operation::List, Errno::OPNOTSUPP),
            errno => Failure::new(Operation::List, errno),
        }
    };
    let mut sizes = Vec::new();
    for entry in fs::read_dir("/sys/kernel/mm/hugepages").map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let size = name.to_str().and_then(|name| {
            name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse::<u64>().ok()
        });
        sizes.extend(size.and_then(|kilobytes| kilobytes.checked_mul(1024)));
    }
    sizes.sort_unstable();
    Ok(sizes)
}

/// Begins an object of huge pages, of this size or of the system's usual one: `memfd_create` with
/// `MFD_HUGETLB`.
pub(crate) fn anonymous_of_huge_pages(
    namespace: &'static Namespace,
    label: &CStr,
    permissions: Option<sys::mode_t>,
    page: Option<u64>,
) -> Result<Draft<'static>, Failure> {
    let size = match page {
        // The logarithm of the size, in the bits above the flags.
        Some(page) => (page.ilog2() as c_uint) << sys::MFD_HUGE_SHIFT as c_uint,
        None => 0,
    };
    let object: OwnedFd =
        memfd::create(label, sys::MFD_HUGETLB | size).map_err(|errno| explain(errno, page))?;
    memfd::draft(namespace, object, permissions)
}

/// Says which sizes there are, if it is the size that is wrong.
#[cold]
fn explain(errno: Errno, page: Option<u64>) -> Failure {
    let failure = Failure::new(Operation::Create, errno);
    let pool = pooled_pages();
    // A kernel that is built without them says that it lacks the call.
    let unknown = [Errno::INVAL, Errno::NODEV, Errno::NOENT].contains(&errno)
        || (errno == Errno::NOSYS && pool.is_err());
    match (page, pool) {
        (Some(_), Ok(sizes)) if unknown => failure.with_hint(format!(
            "the system has no huge pages of this size; it has those of {sizes:?} bytes"
        )),
        _ if unknown => failure.with_hint("the system has no pool of huge pages"),
        _ => failure,
    }
}
