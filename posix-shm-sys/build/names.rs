//! The list of everything the crate binds. Both generators read it, so both offer the same names.
//!
//! # To add a name
//!
//! * A **constant**: add a line to [`CONSTANTS`], in the group of its function and C type.
//! * A **function**: add its C declaration to [`FUNCTIONS`]. If it is another form of a function
//!   that is there already, give it a name of its own, and add that to [`ALIASES`].
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

/// (C type, names) of constants. The type is the one that functions take, whatever type the macro's
/// own expression has.
pub(crate) const CONSTANTS: &[(&str, &[&str])] = &[
    // `open` and `shm_open`: access and flags.
    (
        "int",
        &[
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
    ),
    // Permissions and kinds of file.
    (
        "mode_t",
        &[
            "S_IRWXU", "S_IRUSR", "S_IWUSR", "S_IXUSR", "S_IRWXG", "S_IRGRP", "S_IWGRP", "S_IXGRP",
            "S_IRWXO", "S_IROTH", "S_IWOTH", "S_IXOTH", "S_ISUID", "S_ISGID", "S_ISVTX", "S_IFMT",
            "S_IFREG", "S_IFDIR", "S_IFCHR", "S_IFBLK", "S_IFIFO", "S_IFLNK", "S_IFSOCK",
        ],
    ),
    // `mmap` and `mprotect`: protection.
    ("int", &["PROT_NONE", "PROT_READ", "PROT_WRITE", "PROT_EXEC"]),
    // `mmap`: flags, and the sizes of huge pages.
    (
        "int",
        &[
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
    ),
    // `lseek` and `struct flock`: what an offset counts from.
    ("int", &["SEEK_SET", "SEEK_CUR", "SEEK_END"]),
    // `msync`: flags.
    ("int", &["MS_ASYNC", "MS_SYNC", "MS_INVALIDATE"]),
    // `madvise`: advice.
    (
        "int",
        &[
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
    ),
    // `minherit`: pages that are zero in a forked child, or that it does not get.
    (
        "int",
        &[
            "INHERIT_ZERO",
            "INHERIT_NONE",
            "INHERIT_SHARE",
            "MAP_INHERIT_ZERO",
            "MAP_INHERIT_NONE",
            "MAP_INHERIT_SHARE",
        ],
    ),
    // `mremap`: flags.
    ("int", &["MREMAP_MAYMOVE", "MREMAP_FIXED", "MREMAP_DONTUNMAP"]),
    // `syscall`: calls that C libraries have no function for.
    ("long", &["SYS_cachestat", "SYS_futex", "SYS_futex_time64"]),
    // `futex`: operations, and the bits that every waiter has.
    ("int", &["FUTEX_WAKE", "FUTEX_WAIT_BITSET", "FUTEX_BITSET_MATCH_ANY"]),
    // `clock_gettime`: the clock that nobody sets.
    ("int", &["CLOCK_MONOTONIC"]),
    // `memfd_create`: flags.
    (
        "unsigned int",
        &[
            "MFD_CLOEXEC",
            "MFD_ALLOW_SEALING",
            "MFD_HUGETLB",
            "MFD_NOEXEC_SEAL",
            "MFD_EXEC",
            "MFD_HUGE_SHIFT",
            "MFD_HUGE_2MB",
            "MFD_HUGE_1GB",
        ],
    ),
    // `fcntl`: commands and the flag of a descriptor.
    (
        "int",
        &["F_DUPFD", "F_DUPFD_CLOEXEC", "F_GETFD", "F_SETFD", "FD_CLOEXEC", "F_GETFL", "F_SETFL"],
    ),
    // `fcntl`: commands for locks, of an open file description and of a process.
    ("int", &["F_OFD_GETLK", "F_OFD_SETLK", "F_OFD_SETLKW", "F_GETLK", "F_SETLK", "F_SETLKW"]),
    // `struct flock`: kinds of lock.
    ("short", &["F_RDLCK", "F_WRLCK", "F_UNLCK"]),
    // `flock`: operations.
    ("int", &["LOCK_SH", "LOCK_EX", "LOCK_NB", "LOCK_UN"]),
    // `fcntl`: seals.
    (
        "int",
        &[
            "F_ADD_SEALS",
            "F_GET_SEALS",
            "F_SEAL_SEAL",
            "F_SEAL_SHRINK",
            "F_SEAL_GROW",
            "F_SEAL_WRITE",
            "F_SEAL_FUTURE_WRITE",
            "F_SEAL_EXEC",
        ],
    ),
    // `fallocate`: modes.
    ("int", &["FALLOC_FL_KEEP_SIZE", "FALLOC_FL_PUNCH_HOLE"]),
    // `recvmsg`: a control message with a descriptor of the sending process.
    ("int", &["SCM_PIDFD"]),
    // `fstatat`, `linkat`, `unlinkat`: the working directory, and flags.
    (
        "int",
        &["AT_FDCWD", "AT_EMPTY_PATH", "AT_SYMLINK_FOLLOW", "AT_SYMLINK_NOFOLLOW", "AT_REMOVEDIR"],
    ),
    // `renameat2`: flags.
    ("unsigned int", &["RENAME_NOREPLACE", "RENAME_EXCHANGE"]),
    // `shm_rename` and `shm_create_largepage`: flags.
    (
        "int",
        &[
            "SHM_RENAME_NOREPLACE",
            "SHM_RENAME_EXCHANGE",
            "SHM_LARGEPAGE_ALLOC_DEFAULT",
            "SHM_LARGEPAGE_ALLOC_NOWAIT",
            "SHM_LARGEPAGE_ALLOC_HARD",
        ],
    ),
    // Limits, and the names that `sysconf` knows them by.
    ("int", &["_SC_PAGESIZE", "NAME_MAX", "PATH_MAX", "PSHMNAMLEN"]),
    // `errno`: every error that POSIX names, and those of FreeBSD's Capsicum and of broken memory.
    (
        "int",
        &[
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
    ),
];

/// (name, C type) of constants that are addresses. The generators read them as integers, and the
/// bindings offer them as pointers.
pub(crate) const ADDRESSES: &[(&str, &str)] =
    &[("MAP_FAILED", "void *"), ("SHM_ANON", "const char *")];

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
];

/// Structures, with the fields that users may rely on.
pub(crate) const STRUCTS: &[Struct] = &[
    Struct { name: "timespec", integers: &["tv_sec", "tv_nsec"], timespecs: &[] },
    Struct {
        name: "stat",
        integers: &[
            "st_dev",
            "st_ino",
            "st_mode",
            "st_nlink",
            "st_uid",
            "st_gid",
            "st_rdev",
            "st_size",
            "st_blksize",
            "st_blocks",
        ],
        timespecs: &[
            &["st_atim", "st_atimespec"],
            &["st_mtim", "st_mtimespec"],
            &["st_ctim", "st_ctimespec"],
        ],
    },
    Struct {
        name: "flock",
        integers: &["l_type", "l_whence", "l_start", "l_len", "l_pid"],
        timespecs: &[],
    },
    Struct {
        name: "statvfs",
        integers: &[
            "f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree",
            "f_favail", "f_fsid",
        ],
        timespecs: &[],
    },
];

/// Which systems have a function.
pub(crate) enum Presence {
    /// Every system. The build fails if the headers do not declare it.
    Everywhere,
    /// Every system whose headers declare it.
    Declared,
    /// Linux, if its headers declare it. Other systems may have another function of that name.
    DeclaredOnLinux,
}

/// C declarations of functions. The Rust signatures are made from them. If C hides the last
/// argument behind `...`, declare it here as what it really is, and add the function to
/// [`VARIADIC`] too.
pub(crate) const FUNCTIONS: &[(Presence, &[&str])] = &[
    (
        Presence::Everywhere,
        &[
            "int ftruncate(int fd, off_t length)",
            "void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)",
            "int munmap(void *addr, size_t length)",
            "int mprotect(void *addr, size_t length, int prot)",
            "int madvise(void *addr, size_t length, int advice)",
            "int msync(void *addr, size_t length, int flags)",
            "int mlock(const void *addr, size_t length)",
            "int munlock(const void *addr, size_t length)",
            "int open(const char *path, int oflag, mode_t mode)",
            "int close(int fd)",
            "int fcntl(int fd, int cmd, int arg)",
            "int fcntl_lock(int fd, int cmd, struct flock *lock)",
            "int fstat(int fd, struct stat *buf)",
            "int fstatat(int fd, const char *path, struct stat *buf, int flag)",
            "int fstatvfs(int fd, struct statvfs *buf)",
            "int fchown(int fd, uid_t owner, gid_t group)",
            "int fchmod(int fd, mode_t mode)",
            "ssize_t pread(int fd, void *buf, size_t count, off_t offset)",
            "ssize_t pwrite(int fd, const void *buf, size_t count, off_t offset)",
            "int link(const char *path1, const char *path2)",
            "int linkat(int fd1, const char *path1, int fd2, const char *path2, int flag)",
            "int rename(const char *old, const char *new)",
            "int renameat(int oldfd, const char *old, int newfd, const char *new)",
            "int unlink(const char *path)",
            "int unlinkat(int fd, const char *path, int flag)",
            "char *strerror(int errnum)",
            "pid_t getpid(void)",
            "uid_t getuid(void)",
            "uid_t geteuid(void)",
            "long sysconf(int name)",
        ],
    ),
    (
        Presence::Declared,
        &[
            "int shm_open(const char *name, int oflag, mode_t mode)",
            "int shm_unlink(const char *name)",
            "int shm_mkstemp(char *template)",
            "int shm_rename(const char *path_from, const char *path_to, int flags)",
            "int shm_create_largepage(const char *path, int flags, \
             int psind, int alloc_policy, mode_t mode)",
            "int memfd_create(const char *name, unsigned int flags)",
            "int posix_fallocate(int fd, off_t offset, off_t length)",
            "int renameat2(int oldfd, const char *old, int newfd, const char *new, \
             unsigned int flags)",
            "int getentropy(void *buffer, size_t length)",
            "int minherit(void *addr, size_t length, int inherit)",
            "int flock(int fd, int operation)",
        ],
    ),
    (
        Presence::DeclaredOnLinux,
        &[
            "int fallocate(int fd, int mode, off_t offset, off_t length)",
            "int mincore(void *addr, size_t length, unsigned char *vec)",
            "void *mremap(void *old_addr, size_t old_length, size_t new_length, \
             int flags, void *new_addr)",
        ],
    ),
];

/// (our name, C's name) of functions that C calls with arguments of several types: each of ours
/// takes one of them.
pub(crate) const ALIASES: &[(&str, &str)] = &[("fcntl_lock", "fcntl")];

/// Functions whose last argument C passes through `...`.
pub(crate) const VARIADIC: &[&str] = &["open", "fcntl", "mremap"];
/// The same, on Apple's systems only.
pub(crate) const VARIADIC_ON_APPLE: &[&str] = &["shm_open"];

/// The functions behind the macro `errno`: each system has one of them. The bindings call it
/// `errno_location`.
#[cfg(feature = "bindgen")]
pub(crate) const ERRNO_LOCATION: &[&str] = &["__errno_location", "__error", "__errno", "___errno"];

/// (C type, name) of every constant. Addresses are integers here.
pub(crate) fn constants() -> impl Iterator<Item = (&'static str, &'static str)> {
    let integers = CONSTANTS.iter().flat_map(|(of, names)| names.iter().map(|name| (*of, *name)));
    integers.chain(ADDRESSES.iter().map(|(name, _)| ("intptr_t", *name)))
}

/// A C structure.
pub(crate) struct Struct {
    pub(crate) name: &'static str,
    /// The fields that are integers.
    pub(crate) integers: &'static [&'static str],
    /// The fields that are a `struct timespec`. Each has a list of names, and every system uses one
    /// of them.
    timespecs: &'static [&'static [&'static str]],
}

impl Struct {
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
