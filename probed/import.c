/* `probed import`: what `routectl dump` wrote, into the history of this machine.
 *
 * The store does the work (all of it or nothing, what is there already is passed over); this gives it a directory, a file and somebody who
 * watches. Files that root made in a directory of the daemon's user would lock the daemon out of its own history: so root becomes the owner
 * of the directory first, after the file to read was opened. */
#include "probed/import.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probed/store/store.h"
#include "probed/sys/loop.h"

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "probed import: %s: %s\n", what, why);
    return -1;
}

/* Standard input is nobody's to close. */
static int open_input(const char *file)
{
    if (!file || strcmp(file, "-") == 0)
        return STDIN_FILENO;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? complain(file, strerror(errno)) : fd;
}

static int open_directory(const char *directory)
{
    struct stat st;
    if (mkdir(directory, 0750) < 0 && errno != EEXIST)
        return complain(directory, strerror(errno));
    if (stat(directory, &st) < 0)
        return complain(directory, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return complain(directory, "not a directory");
    if (geteuid() != 0 || st.st_uid == 0)
        return 0;
    if (setgroups(1, &st.st_gid) < 0 || setgid(st.st_gid) < 0 || setuid(st.st_uid) < 0)
        return complain("cannot become the owner of the directory", strerror(errno));
    return 0;
}

static void show_progress(void *arg, uint64_t lines)
{
    (void)arg;
    fprintf(stderr, "\r\033[K%" PRIu64 " lines", lines);
}

static void show_outcome(const struct store_import *import, FILE *answer)
{
    fprintf(answer, "%" PRIu64 " lines: %" PRIu64 " added, %" PRIu64 " known already", import->lines, import->added, import->known);
    if (import->bad > 0)
        fprintf(answer, ", %" PRIu64 " bad ones skipped", import->bad);
    fputs("\n", answer);
}

static usec_t wall_now(void)
{
    struct loop *loop = loop_new();
    usec_t wall = loop_wall(loop);
    loop_free(loop);
    return wall;
}

int import_run(const struct config *config, const struct import_options *options, FILE *answer)
{
    struct err err = {""};
    bool terminal = isatty(STDERR_FILENO) == 1;
    struct store_import import = {.skip_bad = options->skip_bad, .progress = terminal ? show_progress : NULL};
    struct store_setup setup = {.directory = options->state_dir ? options->state_dir : config->state_dir, .wall = wall_now()};
    if (config)
        setup.limits = (struct store_limits){.raw = config->store.raw,
                                             .minutes = config->store.minutes,
                                             .hours = config->store.hours,
                                             .size = config->store.size > INT64_MAX ? INT64_MAX : (int64_t)config->store.size};
    int fd = open_input(options->file);
    if (fd < 0)
        return -1;
    int result = open_directory(setup.directory);
    if (result == 0 && (result = store_import(&setup, fd, &import, &err)) < 0) {
        fprintf(stderr, "%sprobed import: %s%s\n", terminal ? "\r\033[K" : "", err.text,
                result == -EBUSY ? " (systemctl stop probed)" : "");
        result = -1;
    } else if (result == 0) {
        fputs(terminal ? "\r\033[K" : "", stderr);
        show_outcome(&import, answer);
    }
    if (fd != STDIN_FILENO)
        close(fd);
    return result == 0 && fflush(answer) == 0 ? 0 : -1;
}
