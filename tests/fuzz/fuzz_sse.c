/* The event parser: any bytes, cut anywhere, give the same events as in one piece, and never more data than came in. The first byte seeds
 * the cuts. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probed/probe/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int collect(void *arg, const struct sse_event *event)
{
    struct buf *seen = arg;
    if (event->data[event->data_len] != '\0')
        abort();
    buf_add(seen, event->event, strlen(event->event) + 1);
    buf_add(seen, event->id, strlen(event->id) + 1);
    buf_add(seen, event->data, event->data_len + 1);
    return 0;
}

static int read_all(const char *bytes, size_t len, unsigned cuts, struct buf *seen)
{
    struct sse s;
    sse_init(&s);
    int r = 0;
    for (size_t at = 0; at < len && r == 0;) {
        size_t n = len - at;
        if (cuts) {
            cuts = cuts * 1103515245u + 12345u;
            n = 1 + (cuts >> 16) % n;
        }
        char *copy = malloc(n); /* its end is the heap's end, for the sanitizer to watch */
        memcpy(copy, bytes + at, n);
        r = sse_feed(&s, copy, n, collect, seen);
        free(copy);
        at += n;
    }
    if (r == 0)
        r = sse_end(&s, collect, seen);
    sse_done(&s);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 256 * 1024)
        return 0;
    struct buf whole = BUF_INIT, cut = BUF_INIT;
    const char *bytes = (const char *)data + 1;
    int a = read_all(bytes, size - 1, 0, &whole), b = read_all(bytes, size - 1, data[0] * 2u + 1, &cut);
    if (a != b || whole.len != cut.len || (whole.len > 0 && memcmp(whole.data, cut.data, whole.len) != 0))
        abort();
    buf_done(&whole);
    buf_done(&cut);
    return 0;
}
