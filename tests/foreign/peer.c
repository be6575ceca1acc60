/* What a C program does with objects, over the same headers. `peer.py` and `peer.lisp` know the
 * same tasks. It prints nothing and ends with 0 if all is right. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "peer.c:%d: %s: %s\n", __LINE__, #condition, strerror(errno));         \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static int32_t *map(int fd, size_t len, int protection) {
    struct stat stat;
    MUST(fstat(fd, &stat) == 0 && (size_t)stat.st_size == len);
    void *at = mmap(NULL, len, protection, MAP_SHARED, fd, 0);
    MUST(at != MAP_FAILED);
    return at;
}

/* Each object in the message: its length is its own. */
static void add_one(int fd) {
    struct stat stat;
    MUST(fstat(fd, &stat) == 0);
    int32_t *ints = map(fd, stat.st_size, PROT_READ | PROT_WRITE);
    for (off_t i = 0; i < stat.st_size / 4; i++)
        ints[i] += 1;
}

/* Receives a message on standard input, adds one to every integer in every object of it, and sends
 * the same bytes with the objects in the opposite order. */
static void answer(void) {
    char bytes[64];
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(64 * sizeof(int))];
    } control;
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1,
                             .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t len = recvmsg(0, &message, 0);
    MUST(len > 0);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    MUST(header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS);
    int count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int), fds[64], opposite[64];
    memcpy(fds, CMSG_DATA(header), count * sizeof(int));
    for (int i = 0; i < count; i++) {
        add_one(fds[i]);
        opposite[count - 1 - i] = fds[i];
    }
    memcpy(CMSG_DATA(header), opposite, count * sizeof(int));
    part.iov_len = len;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    MUST(sendmsg(0, &message, MSG_NOSIGNAL) == len);
}

int main(int argc, char **argv) {
    MUST(argc >= 2);
    const char *task = argv[1];
    if (!strcmp(task, "answer")) {
        answer();
        return 0;
    }
    MUST(argc == 4);
    const char *name = argv[2];
    size_t len = strtoul(argv[3], NULL, 10);
    if (!strcmp(task, "inherit")) {
        add_one(atoi(name));
        return 0;
    }
    int creates = !strcmp(task, "create"), verifies = !strcmp(task, "verify");
    int fd = creates ? shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600)
                     : shm_open(name, verifies ? O_RDONLY : O_RDWR, 0);
    MUST(fd >= 0);
    if (creates)
        MUST(ftruncate(fd, len) == 0);
    int32_t *ints = map(fd, len, verifies ? PROT_READ : PROT_READ | PROT_WRITE);
    for (size_t i = 0; i < len / 4; i++) {
        if (creates)
            ints[i] = i * 7 + 1;
        else if (verifies)
            MUST(ints[i] == (int32_t)((i * 7 + 1) * 2 + i));
        else
            ints[i] = ints[i] * 2 + i;
    }
    MUST(munmap(ints, len) == 0 && close(fd) == 0);
    if (verifies)
        MUST(shm_unlink(name) == 0);
    return 0;
}
