"""The targets. To add one, add a line to TARGETS."""

from dataclasses import dataclass

GLIBC = "2.36"
"""The version whose headers and symbols zig offers. What runs here needs one at least as new: that of Debian 12."""


@dataclass(frozen=True)
class Target:
    """A system and a machine that the crates are checked for."""

    rust: str
    """What rustc calls it."""
    zig: str
    """What `zig cc -target` calls it."""
    native: bool = False
    """Whether an x86-64 Linux runs its programs."""
    qemu: str | None = None
    """The qemu-user that runs its programs, as in `qemu-NAME`."""
    libraries: str | None = None
    """The directory with its dynamic C library, for qemu."""
    packages: tuple[str, ...] = ()
    """Debian's packages that only this target needs."""
    libc_cfg: str | None = None
    """The `--cfg` with which the libc crate has the same ABI as the system's headers."""
    libc_differs: frozenset[str] = frozenset()
    """Facts of which the libc crate has another number, and it is known why."""
    large_files: bool = False
    """Whether the libc crate keeps the 64-bit file offsets under names of their own."""
    stands_in: tuple[str, ...] = ()
    """What makes headers of another system pass for the target's, which are not to be had. Then only rustc has its say."""
    build_std: bool = False
    """Whether the standard library is to be built, because there is none to install."""

    @property
    def runs(self) -> bool:
        return self.native or self.qemu is not None


def _glibc(rust, zig, *, cross=None, **options):
    """A Linux with glibc, which Debian packages for the machine as `libc6-CROSS-cross`."""
    packages = (f"libc6-{cross}-cross",) if cross else ()
    return Target(rust, f"{zig}.{GLIBC}", packages=packages, **options)


MUSL_TIME64 = "libc_unstable_musl_v1_2"
FREEBSD_14 = 'libc_unstable_freebsd_version="14"'

TARGETS = [
    _glibc("x86_64-unknown-linux-gnu", "x86_64-linux-gnu", native=True),
    Target("i686-unknown-linux-gnu", f"x86-linux-gnu.{GLIBC}", native=True, packages=("libc6-i386",), large_files=True),
    _glibc("aarch64-unknown-linux-gnu", "aarch64-linux-gnu", cross="arm64", qemu="aarch64", libraries="/usr/aarch64-linux-gnu"),
    _glibc("armv7-unknown-linux-gnueabihf", "arm-linux-gnueabihf", cross="armhf", qemu="arm", libraries="/usr/arm-linux-gnueabihf", large_files=True),
    _glibc("riscv64gc-unknown-linux-gnu", "riscv64-linux-gnu", cross="riscv64", qemu="riscv64", libraries="/usr/riscv64-linux-gnu"),
    _glibc("s390x-unknown-linux-gnu", "s390x-linux-gnu", cross="s390x", qemu="s390x", libraries="/usr/s390x-linux-gnu"),
    Target("x86_64-unknown-linux-musl", "x86_64-linux-musl", native=True),
    Target("i686-unknown-linux-musl", "x86-linux-musl", native=True, libc_cfg=MUSL_TIME64),
    Target("aarch64-unknown-linux-musl", "aarch64-linux-musl", qemu="aarch64"),
    Target("x86_64-apple-darwin", "x86_64-macos"),
    Target("aarch64-apple-darwin", "aarch64-macos"),
    Target("x86_64-unknown-freebsd", "x86_64-freebsd", libc_cfg=FREEBSD_14),
    # zig has the headers of 11, but takes 10 unless told. libc has the structure of 9, and the functions for that.
    Target("x86_64-unknown-netbsd", "x86_64-netbsd.11.0", libc_differs=frozenset({"struct statvfs"})),
    Target("x86_64-unknown-openbsd", "x86_64-openbsd", build_std=True),
    Target("aarch64-linux-android", "aarch64-linux-musl", stands_in=("-D__ANDROID__", "-D__BIONIC__")),
]
