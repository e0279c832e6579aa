/* Replacing a file whole: temporary file in the same directory, fsync, rename, fsync of the directory. Whoever opens the name finds the old content or the new
 * one, whenever the process or the machine stops. */
#include "probed/store/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/alloc.h"

#define ASIDE_MAX 1000

int directory_of(const char *file, struct err *err)
{
    CLEANUP(alloc_freep) char *path = alloc_string(file);
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        strcpy(path, "."); /* a file name has at least one character */
    else
        slash[slash == path ? 1 : 0] = '\0';
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? err_set(err, -errno, "%s: %s", path, strerror(errno)) : fd;
}

int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

int write_temporary(const char *temporary, const char *data, size_t len, int flags)
{
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    if (fd < 0)
        return -errno;
    int r = write_all(fd, data, len);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (r < 0) {
        close(fd);
        unlink(temporary);
        return r;
    }
    return fd;
}

int rename_into_place(const char *temporary, const char *file, int directory)
{
    if (rename(temporary, file) < 0) {
        int r = -errno;
        unlink(temporary);
        return r;
    }
    (void)fsync(directory); /* some file systems cannot; the rename stands all the same */
    return 0;
}

int rename_aside(const char *file, char **ret)
{
    for (int n = 1; n <= ASIDE_MAX; n++) {
        char *aside = n == 1 ? alloc_printf("%s.bad", file) : alloc_printf("%s.bad.%d", file, n);
        if (renameat2(AT_FDCWD, file, AT_FDCWD, aside, RENAME_NOREPLACE) == 0) {
            *ret = aside;
            return 0;
        }
        int error = errno;
        free(aside);
        if (error != EEXIST)
            return -error;
    }
    return -EEXIST;
}

int set_aside(const char *file, struct err *err)
{
    CLEANUP(alloc_freep) char *aside = NULL;
    int r = rename_aside(file, &aside);
    if (r == 0)
        err_set(err, 0, "%s cannot be read; it was set aside as %s", file, aside);
    else if (r == -EEXIST)
        err_set(err, r, "%s cannot be read, and there are %d like it set aside already", file, ASIDE_MAX);
    else
        err_set(err, r, "%s cannot be read and cannot be set aside: %s", file, strerror(-r));
    return r;
}
