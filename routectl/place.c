/* A whole file put in its place: under a name of its own until all of it is on the disk. If anything fails that name is removed, and what
 * stood in the place before stays. */
#include "routectl/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/alloc.h"

static int put(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

int place_open(const char *file, char **ret_beside)
{
    struct stat st;
    *ret_beside = NULL;
    if (stat(file, &st) == 0 && !S_ISREG(st.st_mode)) {
        int there = open(file, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        return there < 0 ? -errno : there;
    }
    char *beside = alloc_printf("%s.XXXXXX", file);
    int fd = mkostemp(beside, O_CLOEXEC);
    if (fd < 0) {
        int error = -errno;
        free(beside);
        return error;
    }
    mode_t mask = umask(0);
    umask(mask);
    fchmod(fd, 0666 & ~mask);
    *ret_beside = beside;
    return fd;
}

int place_close(int fd, const char *file, const char *beside, bool whole)
{
    int error = 0;
    if (whole && beside && fsync(fd) < 0)
        error = -errno;
    if (close(fd) < 0 && error == 0)
        error = -errno;
    if (whole && error == 0 && beside && rename(beside, file) < 0)
        error = -errno;
    if (beside && (!whole || error < 0))
        unlink(beside);
    return error;
}

int place_write(const char *file, const char *data, size_t len)
{
    char *beside CLEANUP(alloc_freep) = NULL;
    int fd = place_open(file, &beside);
    if (fd < 0)
        return fd;
    int error = put(fd, data, len), closed = place_close(fd, file, beside, error == 0);
    return error < 0 ? error : closed;
}
