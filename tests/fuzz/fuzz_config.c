/* Random bytes as a configuration file: never a crash or a leak; what loads must be dumped as something that loads and dumps the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probed/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Through a file in memory: the loader reads files. NULL where the text does not load. */
static struct config *load(const void *data, size_t size)
{
    char path[64];
    int errors = 0, fd = memfd_create("config", MFD_CLOEXEC);
    FILE *nowhere = fopen("/dev/null", "w");
    if (fd < 0 || !nowhere || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct config *c = config_load(path, nowhere, false, &errors);
    if ((c == NULL) != (errors > 0))
        abort(); /* refused without a reason, or accepted with one */
    fclose(nowhere);
    close(fd);
    return c;
}

static char *dump(const struct config *c, size_t *ret_len)
{
    char *text = NULL;
    FILE *stream = open_memstream(&text, ret_len);
    if (!stream)
        abort();
    config_dump(c, stream);
    fclose(stream);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Including is the file system's business, and could read anything on this machine. */
    if (size > 256 * 1024 || memmem(data, size, "include", 7))
        return 0;
    struct config *c = load(data, size);
    if (!c)
        return 0;
    size_t once_len = 0, twice_len = 0;
    char *once = dump(c, &once_len);
    struct config *again = load(once, once_len);
    if (!again)
        abort();
    char *twice = dump(again, &twice_len);
    if (once_len != twice_len || memcmp(once, twice, once_len) != 0)
        abort();
    free(once);
    free(twice);
    config_unref(again);
    config_unref(c);
    return 0;
}
