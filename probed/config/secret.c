/* Keys: reading one from a systemd credential, a file or the environment, and holding it so that it cannot be printed by accident.
 *
 * The holder has no formatter; its memory is wiped when it is freed, and so is every buffer that a key passed through here. A file
 * must be a regular file that nobody but its owner (us or root) may read; group-readable is accepted only when the group is root's or
 * our own, which is how distributions install secrets. Credentials are files that systemd made for this service alone:
 * only the size and the content are checked. Where a source is named and has nothing, the next is tried; where it has something that
 * is no key or is not safe, that is an error, so that a mistake does not silently become another key. */
#include "probed/config/secret.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/alloc.h"

#define SECRET_MAX 4096

struct secret {
    size_t len;
    char bytes[];
};

struct secret *secret_free(struct secret *secret)
{
    if (secret) {
        explicit_bzero(secret, sizeof *secret + secret->len + 1);
        free(secret);
    }
    return NULL;
}

const char *secret_reveal(const struct secret *secret)
{
    return secret->bytes;
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
    if (!a || !b)
        return a == b;
    unsigned char differ = 0;
    if (a->len != b->len)
        return false;
    for (size_t i = 0; i < a->len; i++)
        differ |= (unsigned char)(a->bytes[i] ^ b->bytes[i]);
    return differ == 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* From raw text: one line of visible ASCII, which is all that a header can carry. The text is not shown whatever is wrong with it. */
static int take(const char *text, size_t len, const char *where, struct secret **ret, struct err *err)
{
    while (len > 0 && is_blank(text[len - 1]))
        len--;
    while (len > 0 && is_blank(*text)) {
        text++;
        len--;
    }
    if (len == 0)
        return err_set(err, -EINVAL, "%s holds no key: it is empty", where);
    if (len > SECRET_MAX)
        return err_set(err, -EINVAL, "%s holds no key: it is longer than %d bytes", where, SECRET_MAX);
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return err_set(err, -EINVAL, "%s holds no key: it should be one line without blanks and control characters", where);
    struct secret *s = alloc_zero(1, sizeof *s + len + 1);
    s->len = len;
    memcpy(s->bytes, text, len);
    *ret = s;
    return 0;
}

static int check_mode(const struct stat *st, const char *where, struct err *err)
{
    if (st->st_uid != geteuid() && st->st_uid != 0)
        return err_set(err, -EPERM, "%s belongs to another user", where);
    if (st->st_mode & 0007)
        return err_set(err, -EPERM, "%s can be read by everybody: chmod 600", where);
    if (st->st_mode & 0030)
        return err_set(err, -EPERM, "%s can be changed by its group: chmod 600", where);
    if ((st->st_mode & 0040) && st->st_gid != 0 && st->st_gid != getegid())
        return err_set(err, -EPERM, "%s can be read by a group that is neither root's nor ours: chmod 600", where);
    return 0;
}

static int read_fd(int fd, const char *where, bool ours, struct secret **ret, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set(err, -errno, "%s: %s", where, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(err, -EPERM, "%s is not a regular file", where);
    int e = ours ? check_mode(&st, where, err) : 0;
    if (e < 0)
        return e;
    char text[SECRET_MAX + 64];
    size_t have = 0;
    ssize_t n = 1;
    while (have < sizeof text && n > 0) {
        n = read(fd, text + have, sizeof text - have);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            have += (size_t)n;
    }
    e = n < 0 ? err_set(err, -errno, "%s: %s", where, strerror(errno)) : take(text, have, where, ret, err);
    explicit_bzero(text, sizeof text);
    return e;
}

/* `ours`: a file of the user's own, whose mode is checked. */
static int read_path(const char *path, const char *where, bool ours, struct secret **ret, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return err_set(err, errno == ENOENT || errno == ENOTDIR ? -ENOENT : -errno, "%s: %s", where, strerror(errno));
    int e = read_fd(fd, where, ours, ret, err);
    close(fd);
    return e;
}

static int from_credential(const char *name, struct secret **ret, struct err *err)
{
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    if (!dir || dir[0] != '/')
        return -ENOENT;
    char *path = alloc_printf("%s/%s", dir, name), *where = alloc_printf("credential %s", name);
    int e = read_path(path, where, false, ret, err);
    free(path);
    free(where);
    return e;
}

static int from_env(const char *name, struct secret **ret, struct err *err)
{
    const char *value = getenv(name);
    if (!value || value[0] == '\0')
        return -ENOENT;
    char *where = alloc_printf("the variable %s", name);
    int e = take(value, strlen(value), where, ret, err);
    free(where);
    return e;
}

int secret_load(const struct secret_source *source, struct secret **ret, struct err *err)
{
    int e = -ENOENT;
    if (source->credential)
        e = from_credential(source->credential, ret, err);
    if (e == -ENOENT && source->file) {
        char *where = alloc_printf("the key file %s", source->file);
        e = read_path(source->file, where, true, ret, err);
        free(where);
    }
    if (e == -ENOENT && source->env)
        e = from_env(source->env, ret, err);
    if (e != -ENOENT)
        return e;
    char tried[200];
    secret_describe(source, tried, sizeof tried);
    return err_set(err, -ENOENT, "there is no key (tried: %s)", tried);
}

void secret_describe(const struct secret_source *source, char *buf, size_t size)
{
    int at = 0;
    const struct {
        const char *what, *name;
    } places[] = {{"credential", source->credential}, {"file", source->file}, {"env", source->env}};
    snprintf(buf, size, "none");
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        if (places[i].name && at >= 0 && (size_t)at < size)
            at += snprintf(buf + at, size - (size_t)at, "%s%s %s", at ? ", " : "", places[i].what, places[i].name);
}

/* --- keys in words ----------------------------------------------------------------------------------------------------- */

#define HIDE_TEXT_MAX 4096 /* of a longer text only so much is kept */
#define HIDE_ROUNDS 3      /* percent-encoding of percent-encoding */

/* A text as it reads without percent-encoding and capitals; each byte knows where it stands. */
struct plain {
    size_t len;
    unsigned char bytes[HIDE_TEXT_MAX];
    uint16_t from[HIDE_TEXT_MAX], to[HIDE_TEXT_MAX];
};

static int hex_digit(unsigned char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void plain_decode(struct plain *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->len; i++, n++) {
        p->bytes[n] = p->bytes[i];
        p->from[n] = p->from[i];
        p->to[n] = p->to[i];
        if (p->bytes[i] != '%' || i + 2 >= p->len || hex_digit(p->bytes[i + 1]) < 0 || hex_digit(p->bytes[i + 2]) < 0)
            continue;
        p->bytes[n] = (unsigned char)(hex_digit(p->bytes[i + 1]) * 16 + hex_digit(p->bytes[i + 2]));
        p->to[n] = p->to[i + 2];
        i += 2;
    }
    p->len = n;
}

static void plain_make(struct plain *p, const char *text, size_t len)
{
    p->len = len;
    for (size_t i = 0; i < len; i++) {
        p->bytes[i] = (unsigned char)text[i];
        p->from[i] = (uint16_t)i;
        p->to[i] = (uint16_t)(i + 1);
    }
    for (int round = 0; round < HIDE_ROUNDS && memchr(p->bytes, '%', p->len); round++)
        plain_decode(p);
}

/* How many bytes from `at` on are, in a row, somewhere in the key; 0 = too few to matter. */
static size_t key_run(const struct plain *p, size_t at, const struct secret *key)
{
    size_t longest = 0, enough = key->len < SECRET_SHOWS ? key->len : SECRET_SHOWS;
    for (size_t k = 0; k < key->len && enough >= 3; k++) {
        size_t n = 0;
        while (at + n < p->len && k + n < key->len && tolower(p->bytes[at + n]) == tolower((unsigned char)key->bytes[k + n]))
            n++;
        longest = n > longest ? n : longest;
    }
    return longest >= enough ? longest : 0;
}

bool secret_hide(const struct secret *const *keys, size_t keys_len, char *text)
{
    size_t len = strnlen(text, HIDE_TEXT_MAX), kept = 0, at = 0;
    bool any = false, found = false;
    for (size_t i = 0; i < keys_len; i++)
        any = any || keys[i];
    text[len] = '\0';
    if (!any || len == 0)
        return false;
    struct plain *p = alloc_zero(1, sizeof *p);
    plain_make(p, text, len);
    for (size_t i = 0; i < p->len;) {
        size_t run = 0;
        for (size_t k = 0; k < keys_len; k++) {
            size_t n = keys[k] ? key_run(p, i, keys[k]) : 0;
            run = n > run ? n : run;
        }
        if (run == 0) {
            i++;
            continue;
        }
        memmove(text + kept, text + at, p->from[i] - at);
        kept += p->from[i] - at;
        memcpy(text + kept, "***", 3); /* what is hidden has three bytes at least */
        kept += 3;
        at = p->to[i + run - 1];
        i += run;
        found = true;
    }
    memmove(text + kept, text + at, len - at + 1);
    free(p);
    return found;
}
