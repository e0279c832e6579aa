/* A line of history, from whoever writes to `probed replay`. It is refused in words, or it is within its bounds and prints as a line that
 * reads back and prints the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probed/core/record.h"
#include "shared/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool holds)
{
    if (!holds)
        abort();
}

static bool is_text(const char *text, size_t size)
{
    size_t len = strnlen(text, size);

    return len < size && text_is_utf8(text, len);
}

static bool is_span(usec_t span)
{
    return span >= OBSERVATION_UNKNOWN && span <= (usec_t)1e9 * USEC_PER_SEC;
}

static void check_observation(const struct observation *o)
{
    insist((unsigned)o->probe < PROBE_KIND_COUNT && (o->source == SOURCE_PROBE || o->source == SOURCE_TRAFFIC));
    insist((unsigned)o->outcome.kind < OUTCOME_COUNT && (unsigned)o->outcome.stage < STAGE_COUNT &&
           (unsigned)o->outcome.fault <= FAULT_LOCAL);
    insist(o->outcome.http_status >= 0 && o->outcome.http_status <= 999);
    insist(is_span(o->queue) && is_span(o->dns) && is_span(o->connect) && is_span(o->tls) && is_span(o->wait) && is_span(o->ttft));
    insist(is_span(o->content) && is_span(o->total) && is_span(o->gap_max) && is_span(o->retry_after) && is_span(o->interval));
    insist(o->tokens_per_s >= 0 && o->tokens_per_s <= 1e7 && o->cost_pico >= -1 && o->prompt_tokens >= -1 && o->output_tokens >= -1);
    insist(is_text(o->detail, sizeof(o->detail)));
}

static void check(const struct record *r)
{
    insist(r->t >= 0 && r->t <= (usec_t)RECORD_TIME_MAX * USEC_PER_SEC && (unsigned)r->kind < RECORD_KIND_COUNT);
    insist(is_text(r->platform, sizeof(r->platform)) && is_text(r->model, sizeof(r->model)));
    insist(is_text(r->reporter, sizeof(r->reporter)) && is_text(r->text, sizeof(r->text)));
    if (r->kind == RECORD_CHAT || r->kind == RECORD_REACH || r->kind == RECORD_MODELS)
        check_observation(&r->o);
    if (r->kind == RECORD_PRICE)
        insist((r->price.input >= 0) == (r->price.output >= 0) && (r->price.input >= 0 || r->price.call >= 0));
}

static void print(const struct record *r, struct buf *to)
{
    record_print(r, to);
    insist(to->len > 1 && memchr(to->data, '\n', to->len) == to->data + to->len - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf_done) struct buf first = BUF_INIT, second = BUF_INIT;
    struct record r, again;
    struct err err = {.text = ""};

    if (record_parse((const char *)data, size, &r, &err) < 0) {
        insist(err.text[0] && is_text(err.text, sizeof(err.text)) && !strchr(err.text, '\n'));
        return 0;
    }
    insist(size <= RECORD_LINE_MAX);
    check(&r);
    print(&r, &first);
    insist(record_parse(first.data, first.len - 1, &again, &err) == 0);
    print(&again, &second);
    insist(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    return 0;
}
