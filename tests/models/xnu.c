/*
 * A model of the shared memory of macOS. Preloaded on Linux, it behaves as bsd/kern/posix_shm.c and
 * bsd/sys/posix_shm.h of XNU say, and refuses the flags that macOS 26.4 refuses because POSIX does
 * not name them. It shows that the code for macOS respects these rules, not that macOS has them.
 *
 * An object is a file in /dev/shm. Its sticky bit is set once it has a length.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PSHMNAMLEN 31
#define PAGE 16384 /* as on AArch64 */
#define ALLPERMS_ 07777
#define SIZED S_ISVTX

#define REAL(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

static int fail(int number)
{
    errno = number;
    return -1;
}

/* Whether a descriptor is of an object, and what Linux says about it. */
static int is_object(int fd, struct stat *found)
{
    struct stat directory;
    return REAL(fstat)(fd, found) == 0 && S_ISREG(found->st_mode)
        && stat("/dev/shm", &directory) == 0 && found->st_dev == directory.st_dev;
}

int shm_open(const char *name, int flags, mode_t mode)
{
    int truncate = flags & O_TRUNC;
    int allowed = O_RDWR | O_CREAT | O_EXCL | O_TRUNC;
    if (strlen(name) > PSHMNAMLEN)
        return fail(ENAMETOOLONG);
    if (name[0] == 0 || (flags & ~allowed) != 0)
        return fail(EINVAL);
    int fd = REAL(shm_open)(name, flags & ~O_TRUNC, 0600);
    if (fd < 0)
        return fd;
    struct stat found;
    if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0)
        /* macOS ignores the umask. */
        REAL(fchmod)(fd, mode & ALLPERMS_ & ~SIZED);
    else if (truncate && is_object(fd, &found) && (found.st_mode & SIZED) != 0) {
        close(fd);
        return fail(EINVAL);
    }
    return fd;
}

long sysconf(int name)
{
    return name == _SC_PAGESIZE ? PAGE : REAL(sysconf)(name);
}

int shm_unlink(const char *name)
{
    return strlen(name) > PSHMNAMLEN ? fail(EINVAL) : REAL(shm_unlink)(name);
}

/* macOS allows it through a read-only descriptor. */
static int truncate_read_only(int fd, off_t length)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int writable = open(path, O_RDWR | O_CLOEXEC);
    if (writable < 0)
        return -1;
    int result = REAL(ftruncate)(writable, length);
    close(writable);
    return result;
}

int ftruncate(int fd, off_t length)
{
    struct stat found;
    if (!is_object(fd, &found))
        return REAL(ftruncate)(fd, length);
    if ((found.st_mode & SIZED) != 0 || length < 0)
        return fail(EINVAL);
    off_t rounded = (length + PAGE - 1) / PAGE * PAGE;
    if (REAL(ftruncate)(fd, rounded) != 0 && truncate_read_only(fd, rounded) != 0)
        return fail(ENOMEM);
    return REAL(fchmod)(fd, (found.st_mode & ALLPERMS_) | SIZED);
}

int fstat(int fd, struct stat *stat)
{
    struct stat found;
    if (!is_object(fd, &found))
        return REAL(fstat)(fd, stat);
    memset(stat, 0, sizeof *stat);
    stat->st_mode = found.st_mode & ALLPERMS_ & ~SIZED;
    stat->st_uid = found.st_uid;
    stat->st_gid = found.st_gid;
    stat->st_size = found.st_size;
    return 0;
}

int fchmod(int fd, mode_t mode)
{
    struct stat found;
    return is_object(fd, &found) ? fail(EINVAL) : REAL(fchmod)(fd, mode);
}

int fchown(int fd, uid_t owner, gid_t group)
{
    struct stat found;
    return is_object(fd, &found) ? fail(EINVAL) : REAL(fchown)(fd, owner, group);
}

ssize_t pread(int fd, void *buffer, size_t count, off_t offset)
{
    struct stat found;
    return is_object(fd, &found) ? fail(ENXIO) : REAL(pread)(fd, buffer, count, offset);
}

ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset)
{
    struct stat found;
    return is_object(fd, &found) ? fail(ENXIO) : REAL(pwrite)(fd, buffer, count, offset);
}

/* The mappings of objects: they have whole pages of this size, which Linux does not know. */
static struct { uintptr_t start; size_t length; } mapped[1 << 14];
static pthread_mutex_t mapped_lock = PTHREAD_MUTEX_INITIALIZER;

static size_t whole_pages(size_t length)
{
    return (length + PAGE - 1) / PAGE * PAGE;
}

/* Exchanges what is remembered of the mapping that starts at `old`. */
static size_t exchange(uintptr_t old, uintptr_t start, size_t length)
{
    size_t found = 0;
    pthread_mutex_lock(&mapped_lock);
    for (size_t i = 0; i < sizeof mapped / sizeof *mapped; i++)
        if (mapped[i].start == old) {
            found = mapped[i].length;
            mapped[i].start = start;
            mapped[i].length = length;
            break;
        }
    pthread_mutex_unlock(&mapped_lock);
    return found;
}

int munmap(void *start, size_t length)
{
    size_t found = exchange((uintptr_t) start, 0, 0);
    if (found != 0 && length < found)
        length = whole_pages(length) < found ? whole_pages(length) : found;
    return REAL(munmap)(start, length);
}

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    struct stat found;
    int object = fd >= 0 && (flags & MAP_ANONYMOUS) == 0 && is_object(fd, &found);
    if (object) {
        length = whole_pages(length);
        errno = 0;
        size_t size = (size_t) found.st_size;
        if ((flags & MAP_SHARED) == 0 || (found.st_mode & SIZED) == 0 || offset < 0
            || offset % PAGE != 0 || length > size || (size_t) offset > size - length)
            errno = EINVAL;
        else if ((protection & PROT_WRITE) != 0 && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
            errno = EPERM;
        else if ((protection & PROT_EXEC) != 0)
            errno = EACCES;
        if (errno != 0)
            return MAP_FAILED;
    }
    /* Also address space for objects. */
    if (at == NULL && (object || protection == PROT_NONE)) {
        /* At a multiple of this page size, which is larger than that of Linux. */
        int unused = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        char *room = REAL(mmap)(NULL, length + PAGE, PROT_NONE, unused, -1, 0);
        if (room == MAP_FAILED)
            return MAP_FAILED;
        REAL(munmap)(room, length + PAGE);
        at = room + (PAGE - (uintptr_t) room % PAGE) % PAGE;
    }
    void *start = REAL(mmap)(at, length, protection, flags, fd, offset);
    if (object && start != MAP_FAILED)
        exchange(0, (uintptr_t) start, length);
    return start;
}

/*
 * Sleeping, as bsd/kern/sys_ulock.c and os/os_sync_wait_on_address.h say. With OLD, the model is of
 * a macOS before 14.4, which has none of it.
 */
#ifndef OLD

#define SHARED 1
#define CLOCK_MACH_ABSOLUTE_TIME 32

/* The flag for one process, if the flag for several is not there. */
static int operation(int of, uint32_t flags)
{
    return flags == SHARED ? of : of | FUTEX_PRIVATE_FLAG;
}

static int is_wrong(void *at, size_t size, uint32_t flags)
{
    return at == NULL || size != sizeof(uint32_t) || (uintptr_t) at % size != 0 || flags > SHARED;
}

/* Whether a page is in the page table. XNU looks at the word under a lock, and fetches no page. */
static int is_present(void *at)
{
    uint64_t entry = UINT64_MAX;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        size_t page = (uintptr_t) at / (size_t) REAL(sysconf)(_SC_PAGESIZE);
        if (REAL(pread)(fd, &entry, sizeof entry, (off_t) (page * sizeof entry)) < 0)
            entry = UINT64_MAX;
        close(fd);
    }
    return entry >> 63 != 0;
}

static int sleep_on(void *at, uint64_t value, uint32_t flags, const struct timespec *timeout)
{
    /* As XNU does where it simulates it, so that pages are missed that were there. */
    static _Atomic unsigned count;
    if (!is_present(at) || ++count % 73 == 0)
        return fail(EFAULT);
    int wait = operation(FUTEX_WAIT, flags);
    if (syscall(SYS_futex, at, wait, (uint32_t) value, timeout, NULL, 0) == 0 || errno == EAGAIN)
        return 0;
    return -1;
}

int os_sync_wait_on_address(void *at, uint64_t value, size_t size, uint32_t flags)
{
    return is_wrong(at, size, flags) ? fail(EINVAL) : sleep_on(at, value, flags, NULL);
}

int os_sync_wait_on_address_with_timeout(void *at, uint64_t value, size_t size, uint32_t flags,
                                         uint32_t clock, uint64_t nanoseconds)
{
    if (is_wrong(at, size, flags) || clock != CLOCK_MACH_ABSOLUTE_TIME || nanoseconds == 0)
        return fail(EINVAL);
    struct timespec timeout = {
        .tv_sec = (time_t) (nanoseconds / 1000000000),
        .tv_nsec = (long) (nanoseconds % 1000000000),
    };
    return sleep_on(at, value, flags, &timeout);
}

/* It does not say how many it has woken. */
static int wake(void *at, size_t size, uint32_t flags, int most)
{
    if (is_wrong(at, size, flags))
        return fail(EINVAL);
    long woken = syscall(SYS_futex, at, operation(FUTEX_WAKE, flags), most, NULL, NULL, 0);
    return woken > 0 ? 0 : fail(ENOENT);
}

int os_sync_wake_by_address_any(void *at, size_t size, uint32_t flags)
{
    return wake(at, size, flags, 1);
}

int os_sync_wake_by_address_all(void *at, size_t size, uint32_t flags)
{
    return wake(at, size, flags, INT_MAX);
}

#endif
