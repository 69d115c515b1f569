/* A library between the server and the disk (LD_PRELOAD): holds syncs and simulates a full disk, controlled by a test.
 *
 *   fusion ── write, ftruncate, fsync … ──► this ── the same system call ──► disk
 *                                            ▲
 *                        the test creates and removes files in SHIM_CONTROL
 *
 *   hold      syncs of files whose path begins with its text wait until this file is removed
 *   full      no file below the data folder can be written, grown or synced: ENOSPC. Half of the first log write that
 *             does not fit is still written, as on a disk with a little space left.
 *   syncs     written by this library: a line for each completed sync, the path below the data folder (SHIM_DATA)
 *   waiting   written by this library: a line for each sync that began to wait
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* The interval at which a held sync checks whether it was released. */
#define LOOK_MICROSECONDS 1000
#define PATH_BYTES (PATH_MAX + 1)

static int control(const char *name, char *path) {
    const char *folder = getenv("SHIM_CONTROL");
    return folder != NULL && snprintf(path, PATH_BYTES, "%s/%s", folder, name) < PATH_BYTES;
}

/* Stores the path of a regular file or folder below the data folder, or returns 0 if it is elsewhere. */
static int below_data(int fd, char *path) {
    const char *data = getenv("SHIM_DATA");
    char link[64], full[PATH_BYTES];
    struct stat about;
    if (data == NULL || fstat(fd, &about) != 0 || !(S_ISREG(about.st_mode) || S_ISDIR(about.st_mode))) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, full, sizeof full - 1);
    if (length < 0) return 0;
    full[length] = 0;
    size_t folder = strlen(data);
    if (strncmp(full, data, folder) != 0 || full[folder] != '/') return 0;
    strcpy(path, full + folder + 1);
    return 1;
}

static void note(const char *name, const char *what) {
    char path[PATH_BYTES], line[PATH_BYTES + 1];
    if (!control(name, path)) return;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return;
    int length = snprintf(line, sizeof line, "%s\n", what);
    syscall(SYS_write, fd, line, (size_t)length);
    close(fd);
}

static int is_full(int fd, char *path) {
    char switched[PATH_BYTES];
    int before = errno;
    int full = control("full", switched) && access(switched, F_OK) == 0 && below_data(fd, path);
    errno = before;
    return full;
}

static int is_held(const char *path) {
    char switched[PATH_BYTES], held[PATH_BYTES];
    if (!control("hold", switched)) return 0;
    int fd = open(switched, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t length = read(fd, held, sizeof held - 1);
    close(fd);
    return length > 0 && strncmp(path, held, (size_t)length) == 0;
}

static int sync_with(long call, int fd) {
    char path[PATH_BYTES];
    if (is_full(fd, path)) {
        errno = ENOSPC;
        return -1;
    }
    if (!below_data(fd, path)) return (int)syscall(call, fd);
    if (is_held(path)) {
        note("waiting", path);
        while (is_held(path)) usleep(LOOK_MICROSECONDS);
    }
    int done = (int)syscall(call, fd);
    if (done == 0) note("syncs", path);
    return done;
}

int fsync(int fd) { return sync_with(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_with(SYS_fdatasync, fd); }

/* Returns how many bytes of a write fit: all of them, or once half of them, or none. */
static size_t room(int fd, size_t bytes) {
    static atomic_flag is_cut = ATOMIC_FLAG_INIT;
    char path[PATH_BYTES];
    if (!is_full(fd, path)) return bytes;
    const char *end = strrchr(path, '.');
    int is_log = end != NULL && strcmp(end, ".jnl") == 0;
    return is_log && bytes > 1 && !atomic_flag_test_and_set(&is_cut) ? bytes / 2 : 0;
}

#define REFUSE_IF_FULL(fd)                        \
    do {                                          \
        char refused[PATH_BYTES];                 \
        if (is_full(fd, refused)) {               \
            errno = ENOSPC;                       \
            return -1;                            \
        }                                         \
    } while (0)

ssize_t write(int fd, const void *bytes, size_t count) {
    size_t fits = room(fd, count);
    if (count > 0 && fits == 0) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_write, fd, bytes, fits);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    REFUSE_IF_FULL(fd);
    return syscall(SYS_pwrite64, fd, bytes, count, at);
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return pwrite64(fd, bytes, count, at); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REFUSE_IF_FULL(fd);
    return syscall(SYS_writev, fd, parts, count);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
    REFUSE_IF_FULL(fd);
    return syscall(SYS_pwritev, fd, parts, count, (unsigned long)at, (unsigned long)((unsigned long long)at >> 32));
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return pwritev64(fd, parts, count, at); }

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t count, unsigned flags) {
    REFUSE_IF_FULL(to);
    return syscall(SYS_copy_file_range, from, from_at, to, to_at, count, flags);
}

ssize_t sendfile64(int to, int from, off64_t *at, size_t count) {
    REFUSE_IF_FULL(to);
    return syscall(SYS_sendfile, to, from, at, count);
}
ssize_t sendfile(int to, int from, off_t *at, size_t count) { return sendfile64(to, from, at, count); }

int ftruncate64(int fd, off64_t length) {
    struct stat about;
    if (fstat(fd, &about) == 0 && length > about.st_size) REFUSE_IF_FULL(fd);
    return (int)syscall(SYS_ftruncate, fd, length);
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int fallocate64(int fd, int mode, off64_t at, off64_t length) {
    REFUSE_IF_FULL(fd);
    return (int)syscall(SYS_fallocate, fd, mode, at, length);
}
int fallocate(int fd, int mode, off_t at, off_t length) { return fallocate64(fd, mode, at, length); }

/* These two return the error number and leave errno unchanged. */
int posix_fallocate64(int fd, off64_t at, off64_t length) {
    int before = errno, failed = fallocate64(fd, 0, at, length) == 0 ? 0 : errno;
    errno = before;
    return failed;
}
int posix_fallocate(int fd, off_t at, off_t length) { return posix_fallocate64(fd, at, length); }
