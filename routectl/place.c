/* A whole file put in its place: under a name of its own until all of it is on the disk. If anything fails that name is removed, and what
 * stood in the place before stays. */
#include "routectl/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
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

int place_write(const char *file, const char *data, size_t len)
{
    struct stat st;
    bool in_place = stat(file, &st) == 0 && !S_ISREG(st.st_mode);
    char *beside CLEANUP(alloc_freep) = alloc_printf("%s.XXXXXX", file);

    int fd = in_place ? open(file, O_WRONLY | O_CLOEXEC | O_NOCTTY) : mkostemp(beside, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int error = put(fd, data, len);
    if (!in_place) {
        mode_t mask = umask(0);
        umask(mask);
        fchmod(fd, 0666 & ~mask);
        if (error == 0 && fsync(fd) < 0)
            error = -errno;
    }
    if (close(fd) < 0 && error == 0)
        error = -errno;
    if (!in_place && error == 0 && rename(beside, file) < 0)
        error = -errno;
    if (!in_place && error < 0)
        unlink(beside);
    return error;
}
