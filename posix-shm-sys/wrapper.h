/*
 * What both kinds of bindings are read from: bindgen parses this file, and the C compiler compiles it.
 *
 * The build script defines, from what Cargo says about the target:
 *   PSHM_OS_<OS>     the operating system: LINUX, ANDROID, MACOS, FREEBSD, ...
 *   PSHM_ENV_<ENV>   the C library: GNU, MUSL, UCLIBC, ... (nothing where a system has only one)
 *   PSHM_APPLE       every system of Apple's
 *   PSHM_BITS        the width of a pointer
 */
#ifndef POSIX_SHM_SYS_WRAPPER_H
#define POSIX_SHM_SYS_WRAPPER_H

/* memfd_create, mremap, seals, MAP_ANONYMOUS. Elsewhere asking for a standard would hide what is not in it. */
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
#include <stdint.h>      /* intptr_t */
#include <stdio.h>       /* rename, renameat, renameat2, RENAME_* */
#include <string.h>      /* strerror */
#include <sys/mman.h>    /* shm_*, mmap and its family, memfd_create, PROT_*, MAP_*, MADV_*, MFD_*, SHM_* */
#include <sys/stat.h>    /* struct stat, fstat, fstatat, fchmod, S_* */
#include <sys/statvfs.h> /* struct statvfs, fstatvfs */
#include <sys/types.h>   /* mode_t, off_t and the other names of integers */
#include <time.h>        /* struct timespec */
#include <unistd.h>      /* ftruncate, close, link, unlink, pread, pwrite, fchown, get*id, sysconf */

#if defined PSHM_APPLE || defined PSHM_OS_ANDROID
#include <sys/random.h>  /* getentropy, which the others have in unistd.h */
#endif

#if defined PSHM_APPLE && defined __has_include
#if __has_include(<sys/posix_shm.h>)
#include <sys/posix_shm.h> /* PSHMNAMLEN */
#endif
#endif

/*
 * Without the target's headers a compiler reads the host's and says nothing: numbers of another system would come out.
 */
#if defined PSHM_OS_LINUX
#if !defined __linux__
#error "this compiler is not for Linux: set CC to one that is"
#endif
#if defined PSHM_ENV_GNU && (!defined __GLIBC__ || defined __UCLIBC__)
#error "these headers are not those of the GNU C library, which the target uses: name its headers with --sysroot"
#endif
#if !defined PSHM_ENV_GNU && !defined PSHM_ENV_UCLIBC && defined __GLIBC__
#error "these headers are those of the GNU C library, which the target does not use: name its headers with --sysroot"
#endif
#if defined __BIONIC__
#error "these headers are Android's, and the target is not: name its headers with --sysroot"
#endif
#elif defined PSHM_OS_ANDROID
#if !defined __ANDROID__ || !defined __BIONIC__
#error "these headers are not Android's: name those of the NDK with --sysroot"
#endif
#elif defined PSHM_APPLE
#if !defined __APPLE__ || !defined __DARWIN_UNIX03
#error "these headers are not those of Apple's SDK: name it with -isysroot"
#endif
#elif defined PSHM_OS_FREEBSD
#if !defined __FreeBSD__ || !defined __FBSDID
#error "these headers are not FreeBSD's: name its headers with --sysroot"
#endif
#elif defined PSHM_OS_NETBSD
#if !defined __NetBSD__ || !defined __RENAME
#error "these headers are not NetBSD's: name its headers with --sysroot"
#endif
#elif defined PSHM_OS_OPENBSD
#if !defined __OpenBSD__ || !defined __BSD_VISIBLE
#error "these headers are not OpenBSD's: name its headers with --sysroot"
#endif
#elif defined PSHM_OS_DRAGONFLY
#if !defined __DragonFly__ || !defined __BSD_VISIBLE
#error "these headers are not DragonFly's: name its headers with --sysroot"
#endif
#endif

_Static_assert(sizeof(void *) * 8 == PSHM_BITS, "this compiler is for another width of pointers than the target's");
_Static_assert(sizeof(off_t) == 8, "an object's size must not be cut to 32 bits");

/* The older of two names, where it is the only one. */
#if !defined MAP_ANONYMOUS && defined MAP_ANON
#define MAP_ANONYMOUS MAP_ANON
#endif

/*
 * What the kernel has and older headers lack. The kernel's numbers never change, and a kernel that is too old for one
 * answers EINVAL. Each line says where the value is from; paths are of the Linux kernel's source.
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
#define MFD_HUGE_2MB (21U << MFD_HUGE_SHIFT) /* include/uapi/asm-generic/hugetlb_encode.h, Linux 4.14 */
#endif
#ifndef MFD_HUGE_1GB
#define MFD_HUGE_1GB (30U << MFD_HUGE_SHIFT) /* include/uapi/asm-generic/hugetlb_encode.h, Linux 4.14 */
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010   /* include/uapi/linux/fcntl.h, Linux 5.1 */
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020           /* include/uapi/linux/fcntl.h, Linux 6.3 */
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000 /* include/uapi/asm-generic/mman-common.h, Linux 4.17 */
#endif
#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26            /* include/uapi/asm-generic/hugetlb_encode.h, Linux 3.8 */
#endif
#ifndef MAP_HUGE_2MB
#define MAP_HUGE_2MB (21U << MAP_HUGE_SHIFT) /* include/uapi/asm-generic/hugetlb_encode.h, Linux 3.8 */
#endif
#ifndef MAP_HUGE_1GB
#define MAP_HUGE_1GB (30U << MAP_HUGE_SHIFT) /* include/uapi/asm-generic/hugetlb_encode.h, Linux 3.8 */
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
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4           /* include/uapi/linux/mman.h, Linux 5.7 */
#endif
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)    /* include/uapi/linux/fs.h, Linux 3.15 */
#endif
#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1 << 1)     /* include/uapi/linux/fs.h, Linux 3.15 */
#endif
#endif

/* The same of Apple's kernel, whose header is not in every SDK. */
#if defined PSHM_APPLE && !defined PSHMNAMLEN
#define PSHMNAMLEN 31                /* bsd/sys/posix_shm.h of XNU */
#endif

#endif
