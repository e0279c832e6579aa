/* What is fetched for all platforms: the reference prices (LiteLLM's map, by URL or from a file) and the exchange rates.
 *
 * Of no platform: no key, no headers of anybody, the system's certificate authority. A file is looked at once an interval and read when it
 * is another than it was (time or size); it is a plain file, or it is refused: reading must not wait. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probed/price/collector_parts.h"
#include "shared/alloc.h"

static void usual_end(struct feed *f, const struct told *told)
{
    if (told->kind == TOLD_SAME)
        feed_good(f, false);
    else
        feed_told(f, told);
}

static void ask(struct feed *f, const char *url, size_t max_body, void (*answered)(void *arg, const struct told *told))
{
    struct err err = {""};
    struct question q = {.url = url, .etag = f->fetched_at >= 0 ? f->etag : NULL, .max_body = max_body, .probe = PROBE_KIND_COUNT};
    if (asking_send(&f->asking, &q, answered, f, &err) < 0)
        feed_bad(f, err.text, 0, false);
}

/* --- reference prices --------------------------------------------------------------------------------------------------- */

static void on_list_read(struct feed *f, struct price_list *list, struct err *err)
{
    struct collector *c = f->c;
    if (!list) {
        f->etag[0] = '\0';
        f->file_size = -1;
        feed_bad(f, err->text, 0, true);
        return;
    }
    struct price_list before = f->list;
    f->list = *list;
    feed_good(f, before.revision != list->revision || before.len != list->len);
    price_list_done(&before);
    if (c->owner.reference)
        c->owner.reference(c->owner.arg, &f->list);
}

static void on_list(void *arg, const struct told *told)
{
    struct feed *f = arg;
    if (told->kind != TOLD_OK) {
        usual_end(f, told);
        return;
    }
    strcpy(f->etag, told->etag);
    asking_keep(&f->asking, &f->body);
    feed_read(f, PRICE_SOURCE_LITELLM, on_list_read);
}

static int read_whole(int fd, size_t size, struct buf *ret, struct err *err)
{
    char *data = alloc_zero(size + 1, 1);
    size_t len = 0;
    ssize_t n = 1;
    while (len < size && (n = read(fd, data + len, size - len)) > 0)
        len += (size_t)n;
    int e = n < 0 ? err_set(err, -errno, "it cannot be read: %s", strerror(errno)) : 0;
    buf_done(ret);
    if (e == 0) {
        *ret = (struct buf)BUF_CAP(PRICE_BODY_MAX);
        buf_add(ret, data, len);
    }
    alloc_freep(&data);
    return e;
}

/* 1 = it was read, 0 = it is as it was. */
static int read_file(struct feed *f, const char *name, struct err *err)
{
    struct stat st;
    int fd = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "%s: %s", name, strerror(errno));
    int e = 0;
    if (fstat(fd, &st) < 0)
        e = err_set(err, -errno, "%s: %s", name, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        e = err_set(err, -EINVAL, "%s: this is no plain file", name);
    else if ((size_t)st.st_size > PRICE_BODY_MAX)
        e = err_set(err, -EINVAL, "%s: it is larger than %zu bytes", name, PRICE_BODY_MAX);
    else if (f->fetched_at < 0 || st.st_size != f->file_size || memcmp(&st.st_mtim, &f->file_at, sizeof st.st_mtim) != 0)
        e = read_whole(fd, (size_t)st.st_size, &f->body, err) < 0 ? -EIO : 1;
    close(fd);
    if (e == 1) {
        f->file_at = st.st_mtim;
        f->file_size = st.st_size;
    }
    return e;
}

void reference_begin(struct feed *f)
{
    const struct config_fetch *fetch = &f->c->config->price_reference;
    struct err err = {""};
    if (fetch->url) {
        ask(f, fetch->url, PRICE_BODY_MAX, on_list);
        return;
    }
    int e = read_file(f, fetch->file, &err);
    if (e < 0)
        feed_bad(f, err.text, 0, false);
    else if (e == 0)
        feed_good(f, false);
    else
        feed_read(f, PRICE_SOURCE_LITELLM, on_list_read);
}

/* --- rates -------------------------------------------------------------------------------------------------------------- */

static void take_rates(struct feed *f, const char *body, size_t len)
{
    struct collector *c = f->c;
    struct err err = {""};
    struct rates *rates = alloc_zero(1, sizeof *rates);
    if (rates_read(body, len, c->config->currency, rates, &err) < 0) {
        alloc_freep(&rates);
        f->etag[0] = '\0';
        feed_bad(f, err.text, 0, true);
        return;
    }
    bool changed = !f->rates || f->rates->len != rates->len || memcmp(f->rates->list, rates->list, rates->len * sizeof rates->list[0]) != 0;
    alloc_freep(&f->rates);
    f->rates = rates;
    feed_good(f, changed);
    if (c->owner.rates)
        c->owner.rates(c->owner.arg, f->rates);
}

static void on_rates(void *arg, const struct told *told)
{
    struct feed *f = arg;
    if (told->kind != TOLD_OK) {
        usual_end(f, told);
        return;
    }
    strcpy(f->etag, told->etag);
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    asking_keep(&f->asking, &body);
    take_rates(f, buf_str(&body), body.len);
}

void rates_begin(struct feed *f)
{
    ask(f, f->c->config->rate_source.url, RATES_BODY_MAX, on_rates);
}
