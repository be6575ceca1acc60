"""The targets. To add one, add it to TARGETS."""

from dataclasses import dataclass, field

GLIBC = "2.36"
"""The glibc version that zig builds for. To run the programs, this machine's glibc must be at least
as new. Debian 12 has this one."""


@dataclass(frozen=True)
class Target:
    """A system and architecture that the crates are checked for."""

    rust: str
    """Its name in rustc."""
    zig: str
    """Its name in `zig cc -target`."""
    native: bool = False
    """Whether x86-64 Linux runs its programs without qemu."""
    qemu: str | None = None
    """The NAME of the `qemu-NAME` that runs its programs."""
    libraries: str | None = None
    """The directory where qemu finds its dynamic C library."""
    packages: tuple[str, ...] = ()
    """Debian packages that only this target needs."""
    libc_cfg: str | None = None
    """The `--cfg` that gives the libc crate the same ABI as the system's headers."""
    libc_differs: frozenset[str] = frozenset()
    """Facts (see facts.py) that are known to differ in the libc crate."""
    last_way_differs: frozenset[str] = frozenset()
    """Facts that the libc crate, as users get it, is known to have differently, with the functions
    that go with them."""
    last_way_symbols: dict[str, str] = field(default_factory=dict, hash=False)
    """The symbols that differ in the same way: that of C, and those of the libc crate."""
    syscalls: frozenset[str] = frozenset()
    """Functions that the libc crate lacks, and that do what the system call of their name does."""
    errno: str | None = None
    """The function behind `errno`, if no headers can tell."""
    large_files: bool = False
    """Whether the libc crate has types for 64-bit file offsets under separate names."""
    stands_in: tuple[str, ...] = ()
    """Compiler options that make another system's headers pass for the target's, if those are not
    available. Then the check is only that rustc compiles the crates."""
    build_std: bool = False
    """Whether the standard library must be built, because rustup has none."""

    @property
    def runs(self) -> bool:
        return self.native or self.qemu is not None


def _glibc(rust, zig, *, cross=None, **options):
    """A Linux target with glibc. `cross` is the CROSS in Debian's package `libc6-CROSS-cross`."""
    packages = (f"libc6-{cross}-cross",) if cross else ()
    return Target(rust, f"{zig}.{GLIBC}", packages=packages, **options)


MUSL_TIME64 = "libc_unstable_musl_v1_2"
FREEBSD_14 = 'libc_unstable_freebsd_version="14"'

# The libc crate has the commands for locks with 32-bit offsets under these names.
SHORT_LOCKS = frozenset({"F_GETLK", "F_SETLK", "F_SETLKW"})

# It also lacks `fcntl64`. That differs from `fcntl` only in the locks, for which the last way makes
# the system call.
NO_FCNTL64 = {"fcntl64": "fcntl syscall"}

# As users get it, the libc crate has the 32-bit times of musl before version 1.2, and the functions
# that musl keeps for programs with those.
MUSL_TIME32 = frozenset(
    {
        "time_t",
        "struct timespec",
        "type of timespec.tv_sec",
        "offset of timespec.tv_nsec",
        "struct stat",
        "offset of stat.st_atim",
        "offset of stat.st_mtim",
        "offset of stat.st_ctim",
    }
)
MUSL_TIME32_SYMBOLS = {"__fstat_time64": "fstat", "__fstatat_time64": "fstatat"}

# The libc crate has the structure of NetBSD 9, and the functions that later versions keep for it.
STATVFS_9 = frozenset({"struct statvfs"})

TARGETS = [
    _glibc("x86_64-unknown-linux-gnu", "x86_64-linux-gnu", native=True),
    Target(
        "i686-unknown-linux-gnu",
        f"x86-linux-gnu.{GLIBC}",
        native=True,
        packages=("libc6-i386",),
        large_files=True,
        libc_differs=SHORT_LOCKS,
        last_way_symbols=NO_FCNTL64,
    ),
    _glibc(
        "aarch64-unknown-linux-gnu",
        "aarch64-linux-gnu",
        cross="arm64",
        qemu="aarch64",
        libraries="/usr/aarch64-linux-gnu",
    ),
    _glibc(
        "armv7-unknown-linux-gnueabihf",
        "arm-linux-gnueabihf",
        cross="armhf",
        qemu="arm",
        libraries="/usr/arm-linux-gnueabihf",
        large_files=True,
        libc_differs=SHORT_LOCKS,
        last_way_symbols=NO_FCNTL64,
    ),
    _glibc(
        "riscv64gc-unknown-linux-gnu",
        "riscv64-linux-gnu",
        cross="riscv64",
        qemu="riscv64",
        libraries="/usr/riscv64-linux-gnu",
    ),
    _glibc(
        "s390x-unknown-linux-gnu",
        "s390x-linux-gnu",
        cross="s390x",
        qemu="s390x",
        libraries="/usr/s390x-linux-gnu",
    ),
    _glibc(
        "powerpc64le-unknown-linux-gnu",
        "powerpc64le-linux-gnu",
        cross="ppc64el",
        qemu="ppc64le",
        libraries="/usr/powerpc64le-linux-gnu",
    ),
    Target("x86_64-unknown-linux-musl", "x86_64-linux-musl", native=True),
    Target(
        "i686-unknown-linux-musl",
        "x86-linux-musl",
        native=True,
        libc_cfg=MUSL_TIME64,
        last_way_differs=MUSL_TIME32,
        last_way_symbols=MUSL_TIME32_SYMBOLS,
    ),
    Target("aarch64-unknown-linux-musl", "aarch64-linux-musl", qemu="aarch64"),
    Target(
        "x86_64-apple-darwin",
        "x86_64-macos",
        # The same function, but a thread cannot be cancelled in it.
        last_way_symbols={"_close": "_close$NOCANCEL"},
    ),
    Target("aarch64-apple-darwin", "aarch64-macos"),
    Target("x86_64-unknown-freebsd", "x86_64-freebsd", libc_cfg=FREEBSD_14),
    # zig has the headers of NetBSD 11, but defaults to version 10.
    Target(
        "x86_64-unknown-netbsd",
        "x86_64-netbsd.11.0",
        # All bits: -1 in the header, and unsigned in the libc crate.
        libc_differs=STATVFS_9 | {"FUTEX_BITSET_MATCH_ANY"},
        last_way_differs=STATVFS_9,
        last_way_symbols={"__fstatvfs90": "fstatvfs"},
    ),
    Target("x86_64-unknown-openbsd", "x86_64-openbsd", build_std=True),
    Target(
        "aarch64-linux-android",
        "aarch64-linux-musl",
        stands_in=("-D__ANDROID__", "-D__BIONIC__"),
        errno="__errno",
        syscalls=frozenset({"mremap"}),
    ),
]
