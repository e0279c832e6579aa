/* A disk that misbehaves on command, for the daemon under test: preloaded before libc, it stands between SQLite and the system for files with "history.db" in
 * their names. What it does is one word in the file that DISKFAULT names, read anew at each call:
 *
 *   (nothing, no file)  as usual          slow MS  every write and sync takes so long first
 *   full                ENOSPC on writes  eio      EIO on writes and syncs
 *   dead                EIO on reads as well
 *
 * And a wall clock that is wrong: by as many seconds as the file says that CLOCKFAULT names.
 *
 * It knows a file by its descriptor (readlink of /proc/self/fd), which no call of the daemon's own loop pays for: only writers of such files get here. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum fault { FAULT_NONE, FAULT_SLOW, FAULT_FULL, FAULT_EIO, FAULT_DEAD };

/* What a small file holds; "" when it is not there. */
static void read_small(const char *file, char *ret, size_t size)
{
    int saved = errno;
    int fd = file ? (int)syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC) : -1;
    long n = fd >= 0 ? syscall(SYS_read, fd, ret, size - 1) : 0;
    if (fd >= 0)
        syscall(SYS_close, fd);
    ret[n > 0 ? n : 0] = '\0';
    errno = saved;
}

static enum fault fault_now(long *ms)
{
    char word[64] = "";
    read_small(getenv("DISKFAULT"), word, sizeof(word));
    *ms = 0;
    if (sscanf(word, "slow %ld", ms) == 1)
        return FAULT_SLOW;
    return strncmp(word, "full", 4) == 0 ? FAULT_FULL : strncmp(word, "eio", 3) == 0 ? FAULT_EIO : strncmp(word, "dead", 4) == 0 ? FAULT_DEAD : FAULT_NONE;
}

static int is_ours(int fd)
{
    char link[64], path[4096];
    int saved = errno;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    errno = saved;
    if (n <= 0)
        return 0;
    path[n] = '\0';
    return strstr(path, "history.db") != NULL;
}

/* 0 = go on; else errno to fail with. */
static int strike(int fd, int writes)
{
    long ms;
    if (!is_ours(fd))
        return 0;
    enum fault fault = fault_now(&ms);
    if (fault == FAULT_SLOW && writes) {
        struct timespec t = {ms / 1000, ms % 1000 * 1000000};
        nanosleep(&t, NULL);
    }
    if (fault == FAULT_FULL && writes == 1)
        return ENOSPC;
    if ((fault == FAULT_EIO && writes) || fault == FAULT_DEAD)
        return EIO;
    return 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define STRIKE(fd, writes)                                                                                                                 \
    do {                                                                                                                                   \
        int struck = strike(fd, writes);                                                                                                   \
        if (struck) {                                                                                                                      \
            errno = struck;                                                                                                                \
            return -1;                                                                                                                     \
        }                                                                                                                                  \
    } while (0)

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
    STRIKE(fd, 1);
    return REAL(pwrite64)(fd, data, len, at);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    STRIKE(fd, 1);
    return REAL(pwrite)(fd, data, len, at);
}

ssize_t write(int fd, const void *data, size_t len)
{
    STRIKE(fd, 1);
    return REAL(write)(fd, data, len);
}

ssize_t pread64(int fd, void *data, size_t len, off64_t at)
{
    STRIKE(fd, 0);
    return REAL(pread64)(fd, data, len, at);
}

ssize_t pread(int fd, void *data, size_t len, off_t at)
{
    STRIKE(fd, 0);
    return REAL(pread)(fd, data, len, at);
}

int fsync(int fd)
{
    STRIKE(fd, 2);
    return REAL(fsync)(fd);
}

int fdatasync(int fd)
{
    STRIKE(fd, 2);
    return REAL(fdatasync)(fd);
}

int ftruncate64(int fd, off64_t len)
{
    STRIKE(fd, 2);
    return REAL(ftruncate64)(fd, len);
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
    char seconds[32] = "";
    int r = (int)syscall(SYS_clock_gettime, id, ret);
    if (r == 0 && id == CLOCK_REALTIME && getenv("CLOCKFAULT")) {
        read_small(getenv("CLOCKFAULT"), seconds, sizeof(seconds));
        ret->tv_sec += strtol(seconds, NULL, 10);
    }
    return r;
}
