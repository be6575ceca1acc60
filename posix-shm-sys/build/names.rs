//! The one list of what the crate binds. Both generators read it, so that they offer the same names.
//!
//! A constant, a function or a field that a system lacks is absent from its bindings.

/// Constants by their C type: the type that the functions taking them want, whatever the macro's text looks like.
pub(crate) const CONSTANTS: &[(&str, &[&str])] = &[
    ("int", OPEN),
    ("mode_t", MODE),
    ("int", MEMORY),
    ("unsigned int", MEMFD),
    ("int", DESCRIPTOR),
    ("unsigned int", &["RENAME_NOREPLACE", "RENAME_EXCHANGE"]),
    ("int", SHM),
    ("int", &["_SC_PAGESIZE", "NAME_MAX", "PATH_MAX", "PSHMNAMLEN"]),
    ("int", ERRNO),
];

/// Constants that are addresses: (name, C type). They are read as integers and shown as pointers.
pub(crate) const ADDRESSES: &[(&str, &str)] =
    &[("MAP_FAILED", "void *"), ("SHM_ANON", "const char *")];

/// (C type, name) of every constant, addresses as integers.
pub(crate) fn constants() -> impl Iterator<Item = (&'static str, &'static str)> {
    let integers = CONSTANTS.iter().flat_map(|(of, names)| names.iter().map(|name| (*of, *name)));
    integers.chain(ADDRESSES.iter().map(|(name, _)| ("intptr_t", *name)))
}

/// Names of integer types. `size_t` and `ssize_t` are not among them: they are `usize` and `isize`.
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

/// Structures and those of their fields that are offered.
pub(crate) const STRUCTS: &[(&str, &[Field])] = &[
    ("timespec", &[Field::integer("tv_sec"), Field::integer("tv_nsec")]),
    (
        "stat",
        &[
            Field::integer("st_dev"),
            Field::integer("st_ino"),
            Field::integer("st_mode"),
            Field::integer("st_nlink"),
            Field::integer("st_uid"),
            Field::integer("st_gid"),
            Field::integer("st_rdev"),
            Field::integer("st_size"),
            Field::integer("st_blksize"),
            Field::integer("st_blocks"),
            Field::timespec(&["st_atim", "st_atimespec"]),
            Field::timespec(&["st_mtim", "st_mtimespec"]),
            Field::timespec(&["st_ctim", "st_ctimespec"]),
        ],
    ),
    (
        "statvfs",
        &[
            Field::integer("f_bsize"),
            Field::integer("f_frsize"),
            Field::integer("f_blocks"),
            Field::integer("f_bfree"),
            Field::integer("f_bavail"),
        ],
    ),
];

/// A field of a structure.
pub(crate) struct Field {
    /// The one name it has, or the names it has on one system or another.
    pub(crate) names: Names,
    /// The structure it is; otherwise it is an integer.
    pub(crate) of: Option<&'static str>,
}

/// How a field is called.
pub(crate) enum Names {
    Same(&'static str),
    OneOf(&'static [&'static str]),
}

impl Field {
    const fn integer(name: &'static str) -> Self {
        Self { names: Names::Same(name), of: None }
    }

    const fn timespec(names: &'static [&'static str]) -> Self {
        Self { names: Names::OneOf(names), of: Some("timespec") }
    }

    /// Whether systems differ in its name.
    pub(crate) fn differs(&self) -> bool {
        matches!(self.names, Names::OneOf(_))
    }
}

/// Where a function is.
pub(crate) enum Presence {
    /// On every system: without it there is nothing to build.
    Everywhere,
    /// Where the headers declare it.
    Declared,
    /// Where Linux' headers declare it: another system has another function under the same name.
    DeclaredOnLinux,
}

/// Functions by where they are, as C declares them but for the `...` that hides the last argument of some
/// ([`VARIADIC`]). The Rust signatures are made from these.
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
            "int shm_create_largepage(const char *path, int flags, int psind, int alloc_policy, mode_t mode)",
            "int memfd_create(const char *name, unsigned int flags)",
            "int posix_fallocate(int fd, off_t offset, off_t length)",
            "int renameat2(int oldfd, const char *old, int newfd, const char *new, unsigned int flags)",
            "int getentropy(void *buffer, size_t length)",
        ],
    ),
    (
        Presence::DeclaredOnLinux,
        &[
            "int fallocate(int fd, int mode, off_t offset, off_t length)",
            "void *mremap(void *old_addr, size_t old_length, size_t new_length, int flags, void *new_addr)",
        ],
    ),
];

/// Functions whose last argument C passes through `...`.
pub(crate) const VARIADIC: &[&str] = &["open", "fcntl", "mremap"];
/// The same, on Apple's systems alone.
pub(crate) const VARIADIC_ON_APPLE: &[&str] = &["shm_open"];

/// What `errno` is made of, one system or another. The bindings call it `errno_location`.
#[cfg(feature = "bindgen")]
pub(crate) const ERRNO_LOCATION: &[&str] = &["__errno_location", "__error", "__errno", "___errno"];

const OPEN: &[&str] = &[
    "O_RDONLY",
    "O_WRONLY",
    "O_RDWR",
    "O_ACCMODE",
    "O_CREAT",
    "O_EXCL",
    "O_TRUNC",
    "O_CLOEXEC",
    "O_NOFOLLOW",
    "O_NONBLOCK",
    "O_DIRECTORY",
    "O_PATH",
    "O_TMPFILE",
];

const MODE: &[&str] = &[
    "S_IRWXU", "S_IRUSR", "S_IWUSR", "S_IXUSR", "S_IRWXG", "S_IRGRP", "S_IWGRP", "S_IXGRP",
    "S_IRWXO", "S_IROTH", "S_IWOTH", "S_IXOTH", "S_ISUID", "S_ISGID", "S_ISVTX", "S_IFMT",
    "S_IFREG", "S_IFDIR", "S_IFCHR", "S_IFBLK", "S_IFIFO", "S_IFLNK", "S_IFSOCK",
];

const MEMORY: &[&str] = &[
    "PROT_NONE",
    "PROT_READ",
    "PROT_WRITE",
    "PROT_EXEC",
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
    "MS_ASYNC",
    "MS_SYNC",
    "MS_INVALIDATE",
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
    "MREMAP_MAYMOVE",
    "MREMAP_FIXED",
    "MREMAP_DONTUNMAP",
];

const MEMFD: &[&str] = &[
    "MFD_CLOEXEC",
    "MFD_ALLOW_SEALING",
    "MFD_HUGETLB",
    "MFD_NOEXEC_SEAL",
    "MFD_EXEC",
    "MFD_HUGE_SHIFT",
    "MFD_HUGE_2MB",
    "MFD_HUGE_1GB",
];

const DESCRIPTOR: &[&str] = &[
    "F_DUPFD",
    "F_DUPFD_CLOEXEC",
    "F_GETFD",
    "F_SETFD",
    "FD_CLOEXEC",
    "F_GETFL",
    "F_SETFL",
    "F_ADD_SEALS",
    "F_GET_SEALS",
    "F_SEAL_SEAL",
    "F_SEAL_SHRINK",
    "F_SEAL_GROW",
    "F_SEAL_WRITE",
    "F_SEAL_FUTURE_WRITE",
    "F_SEAL_EXEC",
    "AT_FDCWD",
    "AT_EMPTY_PATH",
    "AT_SYMLINK_FOLLOW",
    "AT_SYMLINK_NOFOLLOW",
    "AT_REMOVEDIR",
];

const SHM: &[&str] = &[
    "SHM_RENAME_NOREPLACE",
    "SHM_RENAME_EXCHANGE",
    "SHM_LARGEPAGE_ALLOC_DEFAULT",
    "SHM_LARGEPAGE_ALLOC_NOWAIT",
    "SHM_LARGEPAGE_ALLOC_HARD",
];

/// Every error that POSIX names, and those of FreeBSD's sandbox.
const ERRNO: &[&str] = &[
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
    "ETXTBSY",
    "EWOULDBLOCK",
    "EXDEV",
];
