/* Any bytes as an HTTP answer, and as an event stream: an end or a sentence, the same however the bytes are cut.
 * The first byte chooses the cut, the rest is the stream. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shared/client_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool holds)
{
    if (!holds)
        abort();
}

static int to_body(void *arg, const char *data, size_t len, struct err *err)
{
    (void)err;
    buf_add(arg, data, len);
    return 0;
}

struct outcome_of {
    int error;
    struct err err;
    struct client_answer answer;
};

static struct outcome_of read_answer(const char *data, size_t size, size_t piece)
{
    struct outcome_of o = {.err.text = ""};
    struct client_parser p;
    client_parser_init(&p, &o.answer, to_body, &o.answer.body);
    for (size_t n; size > 0 && o.error == 0; data += n, size -= n) {
        n = size < piece ? size : piece;
        o.error = client_parser_feed(&p, data, n, &o.err);
    }
    if (o.error == 0)
        o.error = client_parser_end(&p, &o.err);
    insist(o.error == 0 ? client_parser_whole(&p) && o.answer.status >= 200 : o.error == -EPROTO && o.err.text[0]);
    client_parser_done(&p);
    return o;
}

static int tell(void *arg, const char *event, const char *id, const char *data, size_t len)
{
    struct buf *told = arg;
    insist(strlen(buf_str(told)) <= told->len && data[len] == '\0' && (event == NULL) == (id == NULL));
    buf_printf(told, "%s|%s|", event ? event : "", id ? id : "");
    buf_add(told, data, len);
    return 0;
}

static int read_events(const char *data, size_t size, size_t piece, struct buf *told)
{
    struct client_events e;
    client_events_init(&e, tell, told);
    int error = 0;
    for (size_t n; size > 0 && error == 0; data += n, size -= n) {
        n = size < piece ? size : piece;
        error = client_events_feed(&e, data, n, NULL);
    }
    client_events_done(&e);
    insist(error == 0 || error == -EPROTO);
    return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t piece = 1 + data[0] % 64u;
    const char *text = (const char *)data + 1;
    size--;

    struct outcome_of a = read_answer(text, size, size + 1), b = read_answer(text, size, piece);
    insist(a.error == b.error && a.answer.status == b.answer.status && a.answer.body.len == b.answer.body.len);
    insist(strcmp(a.err.text, b.err.text) == 0 && strcmp(a.answer.etag, b.answer.etag) == 0 &&
           a.answer.valid_until == b.answer.valid_until);
    insist(a.answer.body.len == 0 || memcmp(a.answer.body.data, b.answer.body.data, a.answer.body.len) == 0);
    client_answer_done(&a.answer);
    client_answer_done(&b.answer);

    CLEANUP(buf_done) struct buf whole = BUF_INIT, cut = BUF_INIT;
    insist(read_events(text, size, size + 1, &whole) == read_events(text, size, piece, &cut));
    insist(whole.len == cut.len && memcmp(buf_str(&whole), buf_str(&cut), whole.len) == 0);
    return 0;
}
