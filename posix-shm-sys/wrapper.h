/*
 * The headers that the bindings are generated from. bindgen parses this file, and the C compiler
 * compiles it. build/names.rs lists the names that are bound.
 *
 * To add a constant or function, add it to build/names.rs. Change this file only if
 *   - its header is not included yet: add the header to the list of includes; or
 *   - Linux has the constant but older headers lack it: define it in the last part of this file,
 *     with its source.
 *
 * The build script defines, from what Cargo says about the target:
 *   PSHM_OS_<OS>     the operating system: LINUX, ANDROID, MACOS, FREEBSD, ...
 *   PSHM_ENV_<ENV>   the C library: GNU, MUSL, UCLIBC, ... (undefined if the system has only one)
 *   PSHM_APPLE       any system of Apple
 *   PSHM_BITS        the width of a pointer
 */
#ifndef POSIX_SHM_SYS_WRAPPER_H
#define POSIX_SHM_SYS_WRAPPER_H

/*
 * Declares memfd_create, mremap, seals and MAP_ANONYMOUS on Linux. On other systems such a macro
 * would hide the declarations that are not in the standard it names.
 */
#if (defined PSHM_OS_LINUX || defined PSHM_OS_ANDROID) && !defined _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

/* A 32-bit off_t silently loses the size of an object past 2 GiB. */
#if PSHM_BITS == 32
#undef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif

#include <errno.h>       /* E*, errno */
#include <fcntl.h>       /* open, fcntl, O_*, F_*, AT_* */
#include <limits.h>      /* NAME_MAX, PATH_MAX */
#include <stddef.h>      /* offsetof, size_t */
#include <stdint.h>      /* intptr_t, uint32_t */
#include <stdio.h>       /* rename, renameat, renameat2, RENAME_* */
#include <string.h>      /* strerror */
#include <sys/file.h>    /* flock, LOCK_* */
#include <sys/mman.h>    /* shm_*, mmap, memfd_create, PROT_*, MAP_*, MADV_*, MFD_*, SHM_* */
#include <sys/stat.h>    /* struct stat, fstat, fstatat, fchmod, S_* */
#include <sys/statvfs.h> /* struct statvfs, fstatvfs */
#include <sys/types.h>   /* mode_t, off_t and other integer types */
#include <time.h>        /* struct timespec */
#include <unistd.h>      /* ftruncate, close, link, pread, get*id, sysconf, SEEK_* and others */

#if defined PSHM_APPLE || defined PSHM_OS_ANDROID
#include <sys/random.h>  /* getentropy, which other systems have in unistd.h */
#endif

#if defined PSHM_OS_LINUX || defined PSHM_OS_ANDROID
#include <sys/syscall.h> /* SYS_* */
#if defined __has_include
#if __has_include(<linux/futex.h>)
#include <linux/futex.h> /* FUTEX_* */
#endif
#endif
#endif

#if defined PSHM_OS_FREEBSD
#include <sys/umtx.h>    /* _umtx_op, UMTX_* */
#endif

#if defined PSHM_OS_NETBSD
#include <sys/syscall.h> /* SYS___futex */
#endif

#if defined PSHM_OS_NETBSD || defined PSHM_OS_OPENBSD
#if defined __has_include
#if __has_include(<sys/futex.h>)
#include <sys/futex.h>   /* futex, FUTEX_* */
#endif
#endif
#endif

#if defined PSHM_APPLE && defined __has_include
#if __has_include(<sys/posix_shm.h>)
#include <sys/posix_shm.h> /* PSHMNAMLEN */
#endif
#if __has_include(<os/os_sync_wait_on_address.h>)
#include <os/os_sync_wait_on_address.h> /* OS_SYNC_*, OS_CLOCK_* */
/* They are the names of an enumeration. */
#define OS_SYNC_WAIT_ON_ADDRESS_SHARED OS_SYNC_WAIT_ON_ADDRESS_SHARED
#define OS_SYNC_WAKE_BY_ADDRESS_SHARED OS_SYNC_WAKE_BY_ADDRESS_SHARED
#define OS_CLOCK_MACH_ABSOLUTE_TIME OS_CLOCK_MACH_ABSOLUTE_TIME
#endif
#endif

/*
 * If a compiler does not find the target's headers, it may silently read those of the machine that
 * builds, and the bindings would have the numbers of another system. So check that they match.
 */
#if defined PSHM_OS_LINUX
#if !defined __linux__
#error "the target is Linux, but this compiler is not for Linux: set CC_<target>"
#endif
#if defined PSHM_ENV_GNU && (!defined __GLIBC__ || defined __UCLIBC__)
#error "the target uses the GNU C library, but these are other headers: set --sysroot"
#endif
#if !defined PSHM_ENV_GNU && !defined PSHM_ENV_UCLIBC && defined __GLIBC__
#error "the target does not use the GNU C library, but these are its headers: set --sysroot"
#endif
#if defined __BIONIC__
#error "the target is not Android, but these are Android's headers: set --sysroot"
#endif
#elif defined PSHM_OS_ANDROID
#if !defined __ANDROID__ || !defined __BIONIC__
#error "the target is Android, but these are other headers: set --sysroot to the NDK's"
#endif
#elif defined PSHM_APPLE
#if !defined __APPLE__ || !defined __DARWIN_UNIX03
#error "the target is an Apple system, but these are other headers: set -isysroot to Apple's SDK"
#endif
#elif defined PSHM_OS_FREEBSD
#if !defined __FreeBSD__ || !defined __FBSDID
#error "the target is FreeBSD, but these are other headers: set --sysroot"
#endif
#elif defined PSHM_OS_NETBSD
#if !defined __NetBSD__ || !defined __RENAME
#error "the target is NetBSD, but these are other headers: set --sysroot"
#endif
#elif defined PSHM_OS_OPENBSD
#if !defined __OpenBSD__ || !defined __BSD_VISIBLE
#error "the target is OpenBSD, but these are other headers: set --sysroot"
#endif
#elif defined PSHM_OS_DRAGONFLY
#if !defined __DragonFly__ || !defined __BSD_VISIBLE
#error "the target is DragonFly, but these are other headers: set --sysroot"
#endif
#endif

_Static_assert(sizeof(void *) * 8 == PSHM_BITS,
               "the pointers of this compiler do not have the target's width: set CC_<target>");
_Static_assert(sizeof(off_t) == 8, "off_t must have 64 bits, or large objects lose their size");

/* Some headers have only the older of these two names. */
#if !defined MAP_ANONYMOUS && defined MAP_ANON
#define MAP_ANONYMOUS MAP_ANON
#endif

/*
 * Constants of the kernel that older headers lack. The kernel never changes their values, and a
 * kernel that is too old for one fails with EINVAL. Each line names the file in the kernel's source
 * that has the value, and the first version that has the constant.
 */
#if defined PSHM_OS_LINUX || defined PSHM_OS_ANDROID
#ifndef MFD_HUGETLB
#define MFD_HUGETLB 0x0004U          /* include/uapi/linux/memfd.h, Linux 4.14 */
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U      /* include/uapi/linux/memfd.h, Linux 6.3 */
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U             /* include/uapi/linux/memfd.h, Linux 6.3 */
#endif
#ifndef MFD_HUGE_SHIFT
#define MFD_HUGE_SHIFT 26            /* include/uapi/asm-generic/hugetlb_encode.h, Linux 4.14 */
#endif
#ifndef MFD_HUGE_2MB
/* include/uapi/asm-generic/hugetlb_encode.h, Linux 4.14 */
#define MFD_HUGE_2MB (21U << MFD_HUGE_SHIFT)
#endif
#ifndef MFD_HUGE_1GB
/* include/uapi/asm-generic/hugetlb_encode.h, Linux 4.14 */
#define MFD_HUGE_1GB (30U << MFD_HUGE_SHIFT)
#endif
#ifndef F_OFD_GETLK
#define F_OFD_GETLK 36               /* include/uapi/asm-generic/fcntl.h, Linux 3.15 */
#endif
#ifndef F_OFD_SETLK
#define F_OFD_SETLK 37               /* include/uapi/asm-generic/fcntl.h, Linux 3.15 */
#endif
#ifndef F_OFD_SETLKW
#define F_OFD_SETLKW 38              /* include/uapi/asm-generic/fcntl.h, Linux 3.15 */
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010   /* include/uapi/linux/fcntl.h, Linux 5.1 */
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020           /* include/uapi/linux/fcntl.h, Linux 6.3 */
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 0x04               /* include/linux/socket.h, Linux 6.5 */
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000 /* include/uapi/asm-generic/mman-common.h, Linux 4.17 */
#endif
#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26            /* include/uapi/asm-generic/hugetlb_encode.h, Linux 3.8 */
#endif
#ifndef MAP_HUGE_2MB
/* include/uapi/asm-generic/hugetlb_encode.h, Linux 3.8 */
#define MAP_HUGE_2MB (21U << MAP_HUGE_SHIFT)
#endif
#ifndef MAP_HUGE_1GB
/* include/uapi/asm-generic/hugetlb_encode.h, Linux 3.8 */
#define MAP_HUGE_1GB (30U << MAP_HUGE_SHIFT)
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22        /* include/uapi/asm-generic/mman-common.h, Linux 5.14 */
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23       /* include/uapi/asm-generic/mman-common.h, Linux 5.14 */
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25             /* include/uapi/asm-generic/mman-common.h, Linux 6.1 */
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102       /* include/uapi/asm-generic/mman-common.h, Linux 6.13 */
#endif
#ifndef MADV_GUARD_REMOVE
#define MADV_GUARD_REMOVE 103        /* include/uapi/asm-generic/mman-common.h, Linux 6.13 */
#endif
#ifndef MREMAP_MAYMOVE
#define MREMAP_MAYMOVE 1             /* include/uapi/linux/mman.h, Linux 2.6.0 */
#endif
#ifndef MREMAP_FIXED
#define MREMAP_FIXED 2               /* include/uapi/linux/mman.h, Linux 2.6.0 */
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4           /* include/uapi/linux/mman.h, Linux 5.7 */
#endif
#if !defined SYS_cachestat && defined SYS_pidfd_send_signal
/*
 * include/uapi/asm-generic/unistd.h, Linux 6.5. From pidfd_send_signal on, all machines number the
 * calls in the same order, though not all from the same number.
 */
#define SYS_cachestat (SYS_pidfd_send_signal + 27)
#endif
#if !defined SYS_futex_time64 && defined SYS_pidfd_send_signal && PSHM_BITS == 32 \
    && !defined __x86_64__
/*
 * include/uapi/asm-generic/unistd.h, Linux 5.1. Only machines of 32 bits have the calls with times
 * of 64 bits, and all of them number these in the same order.
 */
#define SYS_futex_time64 (SYS_pidfd_send_signal - 2)
#endif
/* The headers of some C libraries come without those of the kernel. */
#ifndef FUTEX_WAKE
#define FUTEX_WAKE 1                 /* include/uapi/linux/futex.h, Linux 2.6.0 */
#endif
#ifndef FUTEX_WAIT_BITSET
#define FUTEX_WAIT_BITSET 9          /* include/uapi/linux/futex.h, Linux 2.6.25 */
#endif
#ifndef FUTEX_BITSET_MATCH_ANY
#define FUTEX_BITSET_MATCH_ANY 0xffffffff /* include/uapi/linux/futex.h, Linux 2.6.25 */
#endif
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)    /* include/uapi/linux/fs.h, Linux 3.15 */
#endif
#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1 << 1)     /* include/uapi/linux/fs.h, Linux 3.15 */
#endif
#endif

/* The same for Apple's systems, because not every SDK has these headers. */
#if defined PSHM_APPLE
#ifndef PSHMNAMLEN
#define PSHMNAMLEN 31                /* bsd/sys/posix_shm.h of XNU */
#endif
#ifndef OS_SYNC_WAIT_ON_ADDRESS_SHARED
#define OS_SYNC_WAIT_ON_ADDRESS_SHARED 1 /* os/os_sync_wait_on_address.h, macOS 14.4 */
#endif
#ifndef OS_SYNC_WAKE_BY_ADDRESS_SHARED
#define OS_SYNC_WAKE_BY_ADDRESS_SHARED 1 /* os/os_sync_wait_on_address.h, macOS 14.4 */
#endif
#ifndef OS_CLOCK_MACH_ABSOLUTE_TIME
#define OS_CLOCK_MACH_ABSOLUTE_TIME 32 /* os/clock.h, macOS 11 */
#endif
#endif

#endif
