//! The list of everything the crate binds; the functions are in `functions.rs`. Every generator
//! reads it, so all offer the same names.
//!
//! # To add a name
//!
//! * A **constant**: add a line to [`CONSTANTS`], in the group of its function and C type.
//! * A **function**: add its C declaration to `FUNCTIONS` in `functions.rs`, in the group of its
//!   header. If it is another form of a function that is there already, give it a name of its own,
//!   and add that to `ALIASES`.
//! * A **type**: add it to [`TYPES`]. A **structure** or one of its fields: add it to [`STRUCTS`].
//!
//! A constant needs nothing else, unless one of these applies:
//!
//! * Its header is not yet included: include it in `wrapper.h`.
//! * Linux has it, but older headers lack it: define it at the end of `wrapper.h`.
//! * The `libc` crate lacks it, so the tests do not compile: add it to `NOT_IN_LIBC` in
//!   `tests/build.rs`. (A function always has a place there, in `OTHERS`.)
//! * `posix-shm` compiles code only where it exists: add it to `ASKED` in `posix-shm/build.rs`.
//!
//! If a system lacks a constant or an optional function, its bindings do not have the name.

/// Constants of one purpose, from one header.
pub(crate) struct Constants {
    /// What they are for. It becomes their documentation.
    pub(crate) about: &'static str,
    /// The header that defines them.
    pub(crate) header: &'static str,
    /// Their C type: the one that functions take, whatever type the macro's own expression has.
    pub(crate) of: &'static str,
    pub(crate) names: &'static [&'static str],
}

/// The constants that are integers.
pub(crate) const CONSTANTS: &[Constants] = &[
    Constants {
        about: "`open` and `shm_open`: access and flags.",
        header: "fcntl.h",
        of: "int",
        names: &[
            "O_RDONLY",
            "O_WRONLY",
            "O_RDWR",
            "O_ACCMODE",
            "O_CREAT",
            "O_EXCL",
            "O_TRUNC",
            "O_APPEND",
            "O_CLOEXEC",
            "O_NOFOLLOW",
            "O_NONBLOCK",
            "O_DIRECTORY",
            "O_PATH",
            "O_TMPFILE",
        ],
    },
    Constants {
        about: "Permissions and kinds of file.",
        header: "sys/stat.h",
        of: "mode_t",
        names: &[
            "S_IRWXU", "S_IRUSR", "S_IWUSR", "S_IXUSR", "S_IRWXG", "S_IRGRP", "S_IWGRP", "S_IXGRP",
            "S_IRWXO", "S_IROTH", "S_IWOTH", "S_IXOTH", "S_ISUID", "S_ISGID", "S_ISVTX", "S_IFMT",
            "S_IFREG", "S_IFDIR", "S_IFCHR", "S_IFBLK", "S_IFIFO", "S_IFLNK", "S_IFSOCK",
        ],
    },
    Constants {
        about: "`mmap` and `mprotect`: protection.",
        header: "sys/mman.h",
        of: "int",
        names: &["PROT_NONE", "PROT_READ", "PROT_WRITE", "PROT_EXEC"],
    },
    Constants {
        about: "`mmap`: flags, and the sizes of huge pages.",
        header: "sys/mman.h",
        of: "int",
        names: &[
            "MAP_SHARED",
            "MAP_SHARED_VALIDATE",
            "MAP_PRIVATE",
            "MAP_FIXED",
            "MAP_FIXED_NOREPLACE",
            "MAP_EXCL",
            "MAP_ANON",
            "MAP_ANONYMOUS",
            "MAP_POPULATE",
            "MAP_PREFAULT_READ",
            "MAP_NORESERVE",
            "MAP_GROWSDOWN",
            "MAP_NOSYNC",
            "MAP_NOCORE",
            "MAP_CONCEAL",
            "MAP_LOCKED",
            "MAP_NONBLOCK",
            "MAP_SYNC",
            "MAP_HASSEMAPHORE",
            "MAP_ALIGNED_SUPER",
            "MAP_HUGETLB",
            "MAP_HUGE_SHIFT",
            "MAP_HUGE_2MB",
            "MAP_HUGE_1GB",
        ],
    },
    Constants {
        about: "`lseek` and `struct flock`: what an offset counts from.",
        header: "unistd.h",
        of: "int",
        names: &["SEEK_SET", "SEEK_CUR", "SEEK_END"],
    },
    Constants {
        about: "`msync`: flags.",
        header: "sys/mman.h",
        of: "int",
        names: &["MS_ASYNC", "MS_SYNC", "MS_INVALIDATE"],
    },
    Constants {
        about: "`madvise`: advice.",
        header: "sys/mman.h",
        of: "int",
        names: &[
            "MADV_NORMAL",
            "MADV_RANDOM",
            "MADV_SEQUENTIAL",
            "MADV_WILLNEED",
            "MADV_DONTNEED",
            "MADV_FREE",
            "MADV_REMOVE",
            "MADV_DONTFORK",
            "MADV_DOFORK",
            "MADV_WIPEONFORK",
            "MADV_KEEPONFORK",
            "MADV_MERGEABLE",
            "MADV_UNMERGEABLE",
            "MADV_HUGEPAGE",
            "MADV_NOHUGEPAGE",
            "MADV_COLLAPSE",
            "MADV_GUARD_INSTALL",
            "MADV_GUARD_REMOVE",
            "MADV_DONTDUMP",
            "MADV_DODUMP",
            "MADV_COLD",
            "MADV_PAGEOUT",
            "MADV_POPULATE_READ",
            "MADV_POPULATE_WRITE",
            "MADV_NOSYNC",
            "MADV_AUTOSYNC",
            "MADV_NOCORE",
            "MADV_CORE",
        ],
    },
    Constants {
        about: "`minherit`: pages that are zero in a forked child, or that it does not get.",
        header: "sys/mman.h",
        of: "int",
        names: &[
            "INHERIT_ZERO",
            "INHERIT_NONE",
            "INHERIT_SHARE",
            "MAP_INHERIT_ZERO",
            "MAP_INHERIT_NONE",
            "MAP_INHERIT_SHARE",
        ],
    },
    Constants {
        about: "`mremap`: flags.",
        header: "sys/mman.h",
        of: "int",
        names: &["MREMAP_MAYMOVE", "MREMAP_FIXED", "MREMAP_DONTUNMAP"],
    },
    Constants {
        about: "`syscall`: calls that C libraries have no function for.",
        header: "sys/syscall.h",
        of: "long",
        names: &["SYS_cachestat", "SYS_futex", "SYS_futex_time64", "SYS___futex"],
    },
    Constants {
        about: "`futex`: operations, and the bits that every waiter has. `<sys/futex.h>` on NetBSD \
                and OpenBSD.",
        header: "linux/futex.h",
        of: "int",
        names: &["FUTEX_WAIT", "FUTEX_WAKE", "FUTEX_WAIT_BITSET", "FUTEX_BITSET_MATCH_ANY"],
    },
    Constants {
        about: "`_umtx_op`: operations, and the flag of a time that is a point in time.",
        header: "sys/umtx.h",
        of: "int",
        names: &["UMTX_OP_WAIT_UINT", "UMTX_OP_WAKE", "UMTX_ABSTIME"],
    },
    Constants {
        about: "`os_sync_wait_on_address` and its kind: the flags for memory that processes share, \
                and the clock.",
        header: "os/os_sync_wait_on_address.h",
        of: "unsigned int",
        names: &[
            "OS_SYNC_WAIT_ON_ADDRESS_SHARED",
            "OS_SYNC_WAKE_BY_ADDRESS_SHARED",
            "OS_CLOCK_MACH_ABSOLUTE_TIME",
        ],
    },
    Constants {
        about: "`clock_gettime`: the clock that is never set.",
        header: "time.h",
        of: "int",
        names: &["CLOCK_MONOTONIC"],
    },
    Constants {
        about: "`memfd_create`: flags.",
        header: "sys/mman.h",
        of: "unsigned int",
        names: &[
            "MFD_CLOEXEC",
            "MFD_ALLOW_SEALING",
            "MFD_HUGETLB",
            "MFD_NOEXEC_SEAL",
            "MFD_EXEC",
            "MFD_HUGE_SHIFT",
            "MFD_HUGE_2MB",
            "MFD_HUGE_1GB",
        ],
    },
    Constants {
        about: "`fcntl`: commands and the flag of a descriptor.",
        header: "fcntl.h",
        of: "int",
        names: &[
            "F_DUPFD",
            "F_DUPFD_CLOEXEC",
            "F_GETFD",
            "F_SETFD",
            "FD_CLOEXEC",
            "F_GETFL",
            "F_SETFL",
        ],
    },
    Constants {
        about: "`fcntl`: commands for locks, of an open file description and of a process.",
        header: "fcntl.h",
        of: "int",
        names: &["F_OFD_GETLK", "F_OFD_SETLK", "F_OFD_SETLKW", "F_GETLK", "F_SETLK", "F_SETLKW"],
    },
    Constants {
        about: "`struct flock`: kinds of lock.",
        header: "fcntl.h",
        of: "short",
        names: &["F_RDLCK", "F_WRLCK", "F_UNLCK"],
    },
    Constants {
        about: "`flock`: operations.",
        header: "sys/file.h",
        of: "int",
        names: &["LOCK_SH", "LOCK_EX", "LOCK_NB", "LOCK_UN"],
    },
    Constants {
        about: "`fcntl`: seals.",
        header: "fcntl.h",
        of: "int",
        names: &[
            "F_ADD_SEALS",
            "F_GET_SEALS",
            "F_SEAL_SEAL",
            "F_SEAL_SHRINK",
            "F_SEAL_GROW",
            "F_SEAL_WRITE",
            "F_SEAL_FUTURE_WRITE",
            "F_SEAL_EXEC",
        ],
    },
    Constants {
        about: "`fallocate`: modes.",
        header: "fcntl.h",
        of: "int",
        names: &["FALLOC_FL_KEEP_SIZE", "FALLOC_FL_PUNCH_HOLE"],
    },
    Constants {
        about: "`recvmsg`: a control message with a descriptor of the sending process.",
        header: "sys/socket.h",
        of: "int",
        names: &["SCM_PIDFD"],
    },
    Constants {
        about: "`fstatat`, `linkat`, `unlinkat`: the working directory, and flags.",
        header: "fcntl.h",
        of: "int",
        names: &[
            "AT_FDCWD",
            "AT_EMPTY_PATH",
            "AT_SYMLINK_FOLLOW",
            "AT_SYMLINK_NOFOLLOW",
            "AT_REMOVEDIR",
        ],
    },
    Constants {
        about: "`renameat2`: flags.",
        header: "stdio.h",
        of: "unsigned int",
        names: &["RENAME_NOREPLACE", "RENAME_EXCHANGE"],
    },
    Constants {
        about: "`shm_rename` and `shm_create_largepage`: flags.",
        header: "sys/mman.h",
        of: "int",
        names: &[
            "SHM_RENAME_NOREPLACE",
            "SHM_RENAME_EXCHANGE",
            "SHM_LARGEPAGE_ALLOC_DEFAULT",
            "SHM_LARGEPAGE_ALLOC_NOWAIT",
            "SHM_LARGEPAGE_ALLOC_HARD",
        ],
    },
    Constants {
        about: "Limits, and the names that `sysconf` knows them by.",
        header: "limits.h",
        of: "int",
        names: &["_SC_PAGESIZE", "NAME_MAX", "PATH_MAX", "PSHMNAMLEN"],
    },
    Constants {
        about: "`errno`: every error of POSIX, of FreeBSD's Capsicum, and of broken memory.",
        header: "errno.h",
        of: "int",
        names: &[
            "E2BIG",
            "EACCES",
            "EADDRINUSE",
            "EADDRNOTAVAIL",
            "EAFNOSUPPORT",
            "EAGAIN",
            "EALREADY",
            "EBADF",
            "EBADMSG",
            "EBUSY",
            "ECANCELED",
            "ECAPMODE",
            "ECHILD",
            "ECONNABORTED",
            "ECONNREFUSED",
            "ECONNRESET",
            "EDEADLK",
            "EDESTADDRREQ",
            "EDOM",
            "EDQUOT",
            "EEXIST",
            "EFAULT",
            "EFBIG",
            "EHOSTUNREACH",
            "EHWPOISON",
            "EIDRM",
            "EILSEQ",
            "EINPROGRESS",
            "EINTR",
            "EINVAL",
            "EIO",
            "EISCONN",
            "EISDIR",
            "ELOOP",
            "EMFILE",
            "EMLINK",
            "EMSGSIZE",
            "EMULTIHOP",
            "ENAMETOOLONG",
            "ENETDOWN",
            "ENETRESET",
            "ENETUNREACH",
            "ENFILE",
            "ENOBUFS",
            "ENODATA",
            "ENODEV",
            "ENOENT",
            "ENOEXEC",
            "ENOLCK",
            "ENOLINK",
            "ENOMEM",
            "ENOMSG",
            "ENOPROTOOPT",
            "ENOSPC",
            "ENOSR",
            "ENOSTR",
            "ENOSYS",
            "ENOTCAPABLE",
            "ENOTCONN",
            "ENOTDIR",
            "ENOTEMPTY",
            "ENOTRECOVERABLE",
            "ENOTSOCK",
            "ENOTSUP",
            "ENOTTY",
            "ENXIO",
            "EOPNOTSUPP",
            "EOVERFLOW",
            "EOWNERDEAD",
            "EPERM",
            "EPIPE",
            "EPROTO",
            "EPROTONOSUPPORT",
            "EPROTOTYPE",
            "ERANGE",
            "EROFS",
            "ESOCKTNOSUPPORT",
            "ESPIPE",
            "ESRCH",
            "ESTALE",
            "ETIME",
            "ETIMEDOUT",
            "ETOOMANYREFS",
            "ETXTBSY",
            "EWOULDBLOCK",
            "EXDEV",
        ],
    },
];

/// (name, C type, what it is for) of constants that are addresses. The generators read them as
/// integers, and the bindings offer them as pointers. `<sys/mman.h>` defines them.
pub(crate) const ADDRESSES: &[(&str, &str, &str)] = &[
    ("MAP_FAILED", "void *", "What `mmap` returns if it fails."),
    ("SHM_ANON", "const char *", "The name that makes `shm_open` create an object without a name."),
];

/// Integer types. `size_t` and `ssize_t` are not here: `src/lib.rs` defines them.
pub(crate) const TYPES: &[&str] = &[
    "mode_t",
    "off_t",
    "uid_t",
    "gid_t",
    "pid_t",
    "dev_t",
    "ino_t",
    "nlink_t",
    "blksize_t",
    "blkcnt_t",
    "time_t",
    "fsblkcnt_t",
    "fsfilcnt_t",
];

/// Structures, with the fields that users may rely on.
pub(crate) const STRUCTS: &[Struct] = &[
    Struct {
        name: "timespec",
        about: "A time, or a length of time: seconds and nanoseconds.",
        header: "time.h",
        integers: &[("time_t", "tv_sec"), ("long", "tv_nsec")],
        timespecs: &[],
    },
    Struct {
        name: "stat",
        about: "What `fstat` and `fstatat` know about a file. `struct stat` in C.",
        header: "sys/stat.h",
        integers: &[
            ("dev_t", "st_dev"),
            ("ino_t", "st_ino"),
            ("mode_t", "st_mode"),
            ("nlink_t", "st_nlink"),
            ("uid_t", "st_uid"),
            ("gid_t", "st_gid"),
            ("dev_t", "st_rdev"),
            ("off_t", "st_size"),
            ("blksize_t", "st_blksize"),
            ("blkcnt_t", "st_blocks"),
        ],
        timespecs: &[
            &["st_atim", "st_atimespec"],
            &["st_mtim", "st_mtimespec"],
            &["st_ctim", "st_ctimespec"],
        ],
    },
    Struct {
        name: "flock",
        about: "A lock of a part of a file, for `fcntl_lock`. `struct flock` in C.",
        header: "fcntl.h",
        integers: &[
            ("short", "l_type"),
            ("short", "l_whence"),
            ("off_t", "l_start"),
            ("off_t", "l_len"),
            ("pid_t", "l_pid"),
        ],
        timespecs: &[],
    },
    Struct {
        name: "statvfs",
        about: "What `fstatvfs` knows about a file system. `struct statvfs` in C.",
        header: "sys/statvfs.h",
        integers: &[
            ("unsigned long", "f_bsize"),
            ("unsigned long", "f_frsize"),
            ("fsblkcnt_t", "f_blocks"),
            ("fsblkcnt_t", "f_bfree"),
            ("fsblkcnt_t", "f_bavail"),
            ("fsfilcnt_t", "f_files"),
            ("fsfilcnt_t", "f_ffree"),
            ("fsfilcnt_t", "f_favail"),
            ("unsigned long", "f_fsid"),
        ],
        timespecs: &[],
    },
];

/// (C type, name) of every constant. Addresses are integers here.
pub(crate) fn constants() -> impl Iterator<Item = (&'static str, &'static str)> {
    let integers =
        CONSTANTS.iter().flat_map(|group| group.names.iter().map(|name| (group.of, *name)));
    integers.chain(ADDRESSES.iter().map(|(name, ..)| ("intptr_t", *name)))
}

/// A C structure.
pub(crate) struct Struct {
    pub(crate) name: &'static str,
    /// What it is for. It becomes its documentation.
    pub(crate) about: &'static str,
    /// The header that defines it.
    pub(crate) header: &'static str,
    /// (C type in POSIX, name) of the fields that are integers.
    pub(crate) integers: &'static [(&'static str, &'static str)],
    /// The fields that are a `struct timespec`. Each has a list of names, and every system uses one
    /// of them.
    pub(crate) timespecs: &'static [&'static [&'static str]],
}

impl Struct {
    /// The names of the fields that are integers.
    pub(crate) fn integer_names(&self) -> impl Iterator<Item = &'static str> {
        self.integers.iter().map(|(_, name)| *name)
    }

    /// The names that the `timespec` fields have in these headers. `has` says whether the structure
    /// has a field of some name.
    pub(crate) fn timespecs(
        &self,
        has: impl Fn(&str) -> bool,
    ) -> Result<Vec<&'static str>, String> {
        let find = |names: &&'static [&'static str]| {
            let found = names.iter().copied().find(|name| has(name));
            found.ok_or_else(|| {
                format!("struct {} has no field {} in these headers", self.name, names.join(" or "))
            })
        };
        self.timespecs.iter().map(find).collect()
    }
}
