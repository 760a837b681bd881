/* A disk with faults, for one process: preloaded, it fails calls on files whose path contains a word.
 *
 * SHIM_RULES names a file, read at each call, with lines `OP ERRNO WORD`: OP is open, read, tail (a read
 * behind the first 64 KiB), write or sync; ERRNO a number, or 0 for a pause of 50 ms.
 * SHIM_SHADOW names a folder into which a file of the database is copied whenever it is synced: what a
 * power cut at that moment would leave at least. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long n = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return 1;
}

static int ruled(const char *path, const char *op) {
    const char *rules = getenv("SHIM_RULES");
    char text[4096], *rest = text, *line;
    if (!rules) return 0;
    int file = syscall(SYS_openat, AT_FDCWD, rules, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    long n = syscall(SYS_read, file, text, sizeof text - 1);
    syscall(SYS_close, file);
    if (n <= 0) return 0;
    text[n] = 0;
    while ((line = strsep(&rest, "\n"))) {
        char what[16], word[256];
        int number;
        if (sscanf(line, "%15s %d %255s", what, &number, word) != 3) continue;
        if (strcmp(what, op) != 0 || !strstr(path, word)) continue;
        if (number == 0) usleep(50000);
        else return number;
    }
    return 0;
}

static int fails(int fd, const char *op) {
    char path[PATH_MAX];
    if (!getenv("SHIM_RULES") || !path_of(fd, path)) return 0;
    int number = ruled(path, op);
    if (number) errno = number;
    return number;
}

static void shadow(int fd) {
    const char *folder = getenv("SHIM_SHADOW");
    char path[PATH_MAX], to[2 * PATH_MAX], new[2 * PATH_MAX + 8];
    static char bytes[1 << 16];
    if (!folder || !path_of(fd, path)) return;
    char *name = strrchr(path, '/');
    if (!name || (strcmp(name, "/albumen.db") && strcmp(name, "/albumen.db-wal"))) return;
    snprintf(to, sizeof to, "%s%s", folder, name);
    snprintf(new, sizeof new, "%s.new", to);
    int file = syscall(SYS_openat, AT_FDCWD, new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) return;
    off_t at = 0;
    long n;
    while ((n = syscall(SYS_pread64, fd, bytes, sizeof bytes, at)) > 0) {
        syscall(SYS_write, file, bytes, n);
        at += n;
    }
    syscall(SYS_close, file);
    rename(new, to);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int fails_at(int fd, off64_t at) {
    return fails(fd, "read") || (at >= 65536 && fails(fd, "tail"));
}

ssize_t read(int fd, void *to, size_t n) {
    return fails_at(fd, lseek(fd, 0, SEEK_CUR)) ? -1 : NEXT(read)(fd, to, n);
}
ssize_t pread(int fd, void *to, size_t n, off_t at) {
    return fails_at(fd, at) ? -1 : NEXT(pread)(fd, to, n, at);
}
ssize_t pread64(int fd, void *to, size_t n, off64_t at) {
    return fails_at(fd, at) ? -1 : NEXT(pread64)(fd, to, n, at);
}
ssize_t write(int fd, const void *from, size_t n) {
    return fails(fd, "write") ? -1 : NEXT(write)(fd, from, n);
}
ssize_t pwrite(int fd, const void *from, size_t n, off_t at) {
    return fails(fd, "write") ? -1 : NEXT(pwrite)(fd, from, n, at);
}
ssize_t pwrite64(int fd, const void *from, size_t n, off64_t at) {
    return fails(fd, "write") ? -1 : NEXT(pwrite64)(fd, from, n, at);
}
int fsync(int fd) {
    if (fails(fd, "sync")) return -1;
    int done = NEXT(fsync)(fd);
    if (done == 0) shadow(fd);
    return done;
}
int fdatasync(int fd) {
    if (fails(fd, "sync")) return -1;
    int done = NEXT(fdatasync)(fd);
    if (done == 0) shadow(fd);
    return done;
}

#define OPEN(name)                                                   \
    int name(const char *path, int flags, ...) {                     \
        va_list rest;                                                \
        va_start(rest, flags);                                       \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;    \
        va_end(rest);                                                \
        int number = ruled(path, "open");                            \
        if (number) {                                                \
            errno = number;                                          \
            return -1;                                               \
        }                                                            \
        return NEXT(name)(path, flags, mode);                        \
    }
OPEN(open)
OPEN(open64)
