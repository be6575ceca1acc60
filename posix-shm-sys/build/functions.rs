//! The part of the list in `names.rs` that has the functions.

/// Which systems have a function.
pub(crate) enum Presence {
    /// Every system. The build fails if the headers do not declare it.
    Everywhere,
    /// Every system whose headers declare it.
    Declared,
    /// Linux, if its headers declare it. Other systems may have another function of that name.
    DeclaredOnLinux,
}

/// Functions of one purpose, from one header.
pub(crate) struct Functions {
    /// What they are for. It becomes their documentation.
    pub(crate) about: &'static str,
    /// The header that declares them.
    pub(crate) header: &'static str,
    pub(crate) presence: Presence,
    pub(crate) declarations: &'static [&'static str],
}

/// C declarations of functions. The Rust signatures are made from them. If C hides the last
/// argument behind `...`, declare it here as what it really is, and add the function to
/// [`VARIADIC`] too.
pub(crate) const FUNCTIONS: &[Functions] = &[
    Functions {
        about: "Mappings: making and removing them, and what is done to their pages.",
        header: "sys/mman.h",
        presence: Presence::Everywhere,
        declarations: &[
            "void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)",
            "int munmap(void *addr, size_t length)",
            "int mprotect(void *addr, size_t length, int prot)",
            "int madvise(void *addr, size_t length, int advice)",
            "int msync(void *addr, size_t length, int flags)",
            "int mlock(const void *addr, size_t length)",
            "int munlock(const void *addr, size_t length)",
        ],
    },
    Functions {
        about: "Mappings: pages that are present, and mappings that move.",
        header: "sys/mman.h",
        presence: Presence::DeclaredOnLinux,
        declarations: &[
            "int mincore(void *addr, size_t length, unsigned char *vec)",
            "void *mremap(void *old_addr, size_t old_length, size_t new_length, int flags, \
             void *new_addr)",
        ],
    },
    Functions {
        about: "Mappings: what a forked child gets of them. macOS and the BSDs have it.",
        header: "sys/mman.h",
        presence: Presence::Declared,
        declarations: &["int minherit(void *addr, size_t length, int inherit)"],
    },
    Functions {
        about: "Objects by name. Android has none.",
        header: "sys/mman.h",
        presence: Presence::Declared,
        declarations: &[
            "int shm_open(const char *name, int oflag, mode_t mode)",
            "int shm_unlink(const char *name)",
        ],
    },
    Functions {
        about: "Objects by name: one with a random name. OpenBSD has it.",
        header: "sys/mman.h",
        presence: Presence::Declared,
        declarations: &["int shm_mkstemp(char *template)"],
    },
    Functions {
        about: "Objects by name: renaming, and objects of large pages. FreeBSD has them.",
        header: "sys/mman.h",
        presence: Presence::Declared,
        declarations: &[
            "int shm_rename(const char *path_from, const char *path_to, int flags)",
            "int shm_create_largepage(const char *path, int flags, int psind, \
             int alloc_policy, mode_t mode)",
        ],
    },
    Functions {
        about: "Objects without a name. Linux, Android, FreeBSD and NetBSD 11 have it.",
        header: "sys/mman.h",
        presence: Presence::Declared,
        declarations: &["int memfd_create(const char *name, unsigned int flags)"],
    },
    Functions {
        about: "Files: opening, and commands for a descriptor.",
        header: "fcntl.h",
        presence: Presence::Everywhere,
        declarations: &[
            "int open(const char *path, int oflag, mode_t mode)",
            "int fcntl(int fd, int cmd, int arg)",
            "int fcntl_lock(int fd, int cmd, struct flock *lock)",
        ],
    },
    Functions {
        about: "Files: reserving memory for a part.",
        header: "fcntl.h",
        presence: Presence::Declared,
        declarations: &["int posix_fallocate(int fd, off_t offset, off_t length)"],
    },
    Functions {
        about: "Files: reserving memory for a part, and giving it back.",
        header: "fcntl.h",
        presence: Presence::DeclaredOnLinux,
        declarations: &["int fallocate(int fd, int mode, off_t offset, off_t length)"],
    },
    Functions {
        about: "Files: length, owner, bytes, names and closing.",
        header: "unistd.h",
        presence: Presence::Everywhere,
        declarations: &[
            "int ftruncate(int fd, off_t length)",
            "int close(int fd)",
            "int fchown(int fd, uid_t owner, gid_t group)",
            "ssize_t pread(int fd, void *buf, size_t count, off_t offset)",
            "ssize_t pwrite(int fd, const void *buf, size_t count, off_t offset)",
            "int link(const char *path1, const char *path2)",
            "int linkat(int fd1, const char *path1, int fd2, const char *path2, int flag)",
            "int unlink(const char *path)",
            "int unlinkat(int fd, const char *path, int flag)",
        ],
    },
    Functions {
        about: "Files: what the system knows about one, and its permissions.",
        header: "sys/stat.h",
        presence: Presence::Everywhere,
        declarations: &[
            "int fstat(int fd, struct stat *buf)",
            "int fstatat(int fd, const char *path, struct stat *buf, int flag)",
            "int fchmod(int fd, mode_t mode)",
        ],
    },
    Functions {
        about: "File systems: their size, and what is free.",
        header: "sys/statvfs.h",
        presence: Presence::Everywhere,
        declarations: &["int fstatvfs(int fd, struct statvfs *buf)"],
    },
    Functions {
        about: "Files: renaming.",
        header: "stdio.h",
        presence: Presence::Everywhere,
        declarations: &[
            "int rename(const char *old, const char *new)",
            "int renameat(int oldfd, const char *old, int newfd, const char *new)",
        ],
    },
    Functions {
        about: "Files: renaming without replacing, or exchanging two names.",
        header: "stdio.h",
        presence: Presence::Declared,
        declarations: &["int renameat2(int oldfd, const char *old, int newfd, const char *new, \
             unsigned int flags)"],
    },
    Functions {
        about: "Files: locks of a whole file.",
        header: "sys/file.h",
        presence: Presence::Declared,
        declarations: &["int flock(int fd, int operation)"],
    },
    Functions {
        about: "Sleeping until a word of memory changes. OpenBSD has it.",
        header: "sys/futex.h",
        presence: Presence::Declared,
        declarations: &["int futex(uint32_t *uaddr, int op, int val, \
             const struct timespec *timeout, uint32_t *uaddr2)"],
    },
    Functions {
        about: "Sleeping until a word of memory changes. FreeBSD has it.",
        header: "sys/umtx.h",
        presence: Presence::Declared,
        declarations: &["int _umtx_op(void *obj, int op, unsigned long val, void *uaddr, \
             void *uaddr2)"],
    },
    Functions {
        about: "The process and the machine.",
        header: "unistd.h",
        presence: Presence::Everywhere,
        declarations: &[
            "pid_t getpid(void)",
            "uid_t getuid(void)",
            "uid_t geteuid(void)",
            "long sysconf(int name)",
        ],
    },
    Functions {
        about: "Random bytes. `<sys/random.h>` on macOS and Android.",
        header: "unistd.h",
        presence: Presence::Declared,
        declarations: &["int getentropy(void *buffer, size_t length)"],
    },
    Functions {
        about: "Errors: the text of an error number.",
        header: "string.h",
        presence: Presence::Everywhere,
        declarations: &["char *strerror(int errnum)"],
    },
];

/// (our name, C's name) of functions that C calls with arguments of several types: each of ours
/// takes one of them.
pub(crate) const ALIASES: &[(&str, &str)] = &[("fcntl_lock", "fcntl")];

/// Functions whose last argument C passes through `...`.
pub(crate) const VARIADIC: &[&str] = &["open", "fcntl", "mremap"];
/// The same, on Apple's systems only.
pub(crate) const VARIADIC_ON_APPLE: &[&str] = &["shm_open"];
