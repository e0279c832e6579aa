/* The state file: one JSON object, read at start, replaced whole at each change.
 *
 * Knows nothing of what is in it. Whatever cannot be read as one JSON object (torn, edited, of another program, too large) is put aside under another
 * name and the daemon starts with nothing, saying so: it must start, and nothing may be lost. */
#include "probed/store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probed/store/replace.h"
#include "shared/alloc.h"

/* 10,000 overrides with long reasons fit twice. */
#define STATE_MAX (8u * 1024 * 1024)

/* 0, -EBADMSG: not to be had as JSON, or -errno of reading. */
static int read_object(int fd, cJSON **ret, struct err *err)
{
    struct buf text = BUF_CAP(STATE_MAX);
    char chunk[8192];
    ssize_t n;
    int r = 0;
    while (r == 0 && (n = read(fd, chunk, sizeof(chunk))) != 0) {
        if (n > 0)
            buf_add(&text, chunk, (size_t)n);
        else if (errno != EINTR)
            r = -errno;
        if (text.full)
            r = -EBADMSG;
    }
    cJSON *json = NULL;
    if (r == 0) {
        json = json_parse(buf_str(&text), text.len, err);
        if (!cJSON_IsObject(json)) {
            cJSON_Delete(json);
            r = -EBADMSG;
        }
    }
    buf_done(&text);
    if (r == 0)
        *ret = json;
    return r;
}

int state_read(const char *file, cJSON **ret, struct err *err)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno != ENOENT)
            return err_set(err, -errno, "%s: %s", file, strerror(errno));
        *ret = cJSON_CreateObject();
        return 0;
    }
    int r = read_object(fd, ret, NULL);
    close(fd);
    if (r == -EBADMSG) {
        r = set_aside(file, err);
        if (r < 0)
            return r;
        *ret = cJSON_CreateObject();
        return 1;
    }
    return r < 0 ? err_set(err, r, "%s: %s", file, strerror(-r)) : 0;
}

int state_write(const char *file, const cJSON *json, struct err *err)
{
    int dir = directory_of(file, err);
    if (dir < 0)
        return dir;
    CLEANUP(alloc_freep) char *temporary = alloc_printf("%s.new", file);
    struct buf text = BUF_CAP(STATE_MAX);
    json_print(json, true, &text);
    buf_add_char(&text, '\n');
    int r = -EFBIG;
    if (!text.full) {
        int fd = write_temporary(temporary, buf_str(&text), text.len, 0);
        if (fd >= 0)
            close(fd);
        r = fd < 0 ? fd : rename_into_place(temporary, file, dir);
    }
    buf_done(&text);
    close(dir);
    return r < 0 ? err_set(err, r, "%s: cannot be written: %s", file, strerror(-r)) : 0;
}
