/* Writing a line of history. What is not known is left out, so that it reads back as not known. */
#include <math.h>

#include "probed/core/record_words.h"
#include "shared/json.h"

static void add_name(struct buf *to, const char *name)
{
    buf_add_str(to, ",\"");
    buf_add_str(to, name);
    buf_add_str(to, "\":");
}

static void add_text(struct buf *to, const char *name, const char *value)
{
    if (value[0] == '\0')
        return;
    add_name(to, name);
    json_quote(to, value);
}

static void add_number(struct buf *to, const char *name, double value)
{
    char text[32];

    add_name(to, name);
    buf_add_str(to, json_format_number(text, sizeof(text), value));
}

/* per: units of the member in a microsecond's scale */
static void add_span(struct buf *to, const char *name, usec_t value, double per)
{
    if (value >= 0)
        add_number(to, name, (double)value / per);
}

static void add_count(struct buf *to, const char *name, int64_t value)
{
    if (value >= 0)
        add_number(to, name, (double)value);
}

static void add_ok(struct buf *to, bool ok)
{
    add_name(to, "ok");
    buf_add_str(to, ok ? "true" : "false");
}

static void add_outcome(struct buf *to, struct outcome o)
{
    struct outcome usual = outcome_make(outcome_ok(o) ? STAGE_DONE : STAGE_HEADERS, o.kind, o.http_status);

    add_ok(to, outcome_ok(o));
    add_number(to, "status", o.http_status);
    add_text(to, "error", record_error_name(o.kind));
    if (o.fault != usual.fault)
        add_text(to, "fault", fault_name(o.fault));
    if (o.stage != usual.stage)
        add_text(to, "stage", stage_name(o.stage));
}

static void add_observation(struct buf *to, const struct observation *o)
{
    struct buf flags = BUF_INIT;

    add_text(to, "source", o->source == SOURCE_TRAFFIC ? "traffic" : "probe");
    add_outcome(to, o->outcome);
    add_span(to, "queue_ms", o->queue, 1e3);
    add_span(to, "dns_ms", o->dns, 1e3);
    add_span(to, "connect_ms", o->connect, 1e3);
    add_span(to, "tls_ms", o->tls, 1e3);
    add_span(to, "wait_ms", o->wait, 1e3);
    add_span(to, "ttft_ms", o->ttft, 1e3);
    add_span(to, "content_ms", o->content, 1e3);
    add_span(to, "total_ms", o->total, 1e3);
    add_span(to, "gap_max_ms", o->gap_max, 1e3);
    if (o->tokens_per_s > 0)
        add_number(to, "tokens_per_s", o->tokens_per_s);
    add_count(to, "prompt_tokens", o->prompt_tokens);
    add_count(to, "output_tokens", o->output_tokens);
    add_count(to, "reasoning_tokens", o->reasoning_tokens);
    if (o->cost_pico >= 0)
        add_number(to, "cost_usd", (double)o->cost_pico / 1e12);
    if (o->in_flight > 0)
        add_count(to, "in_flight", o->in_flight);
    if (o->interval > 0)
        add_span(to, "interval_s", o->interval, 1e6);
    if (o->retry_after > 0)
        add_span(to, "retry_after_s", o->retry_after, 1e6);
    record_flags_print(o->flags, &flags);
    add_text(to, "flags", buf_str(&flags));
    add_text(to, "text", o->detail);
    buf_done(&flags);
}

static void add_price(struct buf *to, const struct record *r)
{
    if (r->price.input >= 0)
        add_number(to, "input_usd_per_mtok", (double)r->price.input / 1e6);
    if (r->price.output >= 0)
        add_number(to, "output_usd_per_mtok", (double)r->price.output / 1e6);
    if (r->price.call >= 0)
        add_number(to, "call_usd", (double)r->price.call / 1e12);
}

void record_print(const struct record *r, struct buf *to)
{
    char text[32];

    buf_add_str(to, "{\"t\":");
    buf_add_str(to, json_format_number(text, sizeof(text), (double)r->t / 1e6));
    add_text(to, "platform", r->platform);
    add_text(to, "model", r->model);
    add_text(to, "kind", record_kind_name(r->kind));
    add_text(to, "reporter", r->reporter);
    enum probe_kind probe;
    if (record_observes(r->kind, &probe))
        add_observation(to, &r->o);
    else if (r->kind == RECORD_PRICE)
        add_price(to, r);
    else if (r->kind == RECORD_BALANCE)
        add_number(to, "balance_usd", (double)r->balance / 1e12);
    else if (r->kind == RECORD_LISTING || r->kind == RECORD_USABLE || r->kind == RECORD_SELF_CHECK)
        add_ok(to, r->ok);
    else if (r->kind == RECORD_OVERRIDE)
        add_text(to, "action", override_action_name(r->action));
    if (r->kind == RECORD_OVERRIDE && r->lasts > 0)
        add_span(to, "for_s", r->lasts, 1e6);
    if (r->kind == RECORD_OVERRIDE || r->kind == RECORD_CONFIG)
        add_text(to, "text", r->text);
    buf_add_str(to, "}\n");
}
