/* Reading a line of history.
 *
 * A million lines must take seconds, so there is no tree: one pass over the bytes fills a record, member by member, from the table of
 * members below. Values of members that are not in the table are skipped, whatever their shape. */
#include "probed/core/record.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "probed/core/record_scan.h"
#include "probed/core/record_words.h"
#include "shared/text.h"

#define PICO_PER_USD_PER_MTOK 1e6
#define PRICE_MOST 1e9 /* USD a million tokens */
#define COST_MOST 1e3 /* USD a request: in pico it is still exact in a double */
#define BALANCE_MOST 9e6 /* USD: in pico it fits in 64 bits */
#define MS_MOST 1e9

enum member_type { TEXT, NUMBER, BOOL };
static const char *const member_words[] = {"a string", "a number", "true or false"};

struct members { /* as read, before they mean anything */
#define X(id, type) bool has_##id;
    RECORD_MEMBERS(X)
#undef X
    char kind[24], source[16], error[32], fault[16], stage[16], action[16], flags[256];
    double t, status, retry_after_s, interval_s, queue_ms, dns_ms, connect_ms, tls_ms, wait_ms, ttft_ms, content_ms, total_ms, gap_max_ms,
        tokens_per_s, prompt_tokens, output_tokens, reasoning_tokens, cost_usd, in_flight, input_usd_per_mtok, output_usd_per_mtok,
        call_usd, balance_usd, for_s;
    bool ok;
};

struct member {
    const char *name;
    uint8_t type, len;
    size_t offset, has, size; /* in struct members, or beyond it in the record */
    bool in_record;
};

#define SIZE_OF(in, id) sizeof(((in *)0)->id)
#define MEMBER(id, type, in, size, direct) {#id, type, sizeof(#id) - 1, offsetof(in, id), offsetof(struct members, has_##id), size, direct}
#define MEMBER_TEXT(id) MEMBER(id, TEXT, struct members, SIZE_OF(struct members, id), false)
#define MEMBER_NUMBER(id) MEMBER(id, NUMBER, struct members, SCAN_NUMBER_MAX + 1, false)
#define MEMBER_BOOL(id) MEMBER(id, BOOL, struct members, sizeof(bool), false)
#define MEMBER_RECORD(id) MEMBER(id, TEXT, struct record, SIZE_OF(struct record, id), true)

static const struct member member_table[] = {
#define X(id, type) MEMBER_##type(id),
    RECORD_MEMBERS(X)
#undef X
};

static const struct member *find_member(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(member_table); i++) {
        if (member_table[i].len == len && memcmp(member_table[i].name, name, len) == 0)
            return &member_table[i];
    }
    return NULL;
}

static int read_value(struct scan *r, const struct member *m, struct members *to, struct record *record, struct err *err)
{
    char *base = m->in_record ? (char *)record : (char *)to;
    int got = -EINVAL;

    scan_space(r);
    if (scan_take_word(r, "null"))
        return 0;
    if (m->type == TEXT)
        got = scan_take_string(r, base + m->offset, m->size);
    else if (m->type == NUMBER)
        got = scan_take_number(r, (double *)(base + m->offset));
    else if (scan_take_word(r, "true"))
        got = 0, *(bool *)(base + m->offset) = true;
    else if (scan_take_word(r, "false"))
        got = 0, *(bool *)(base + m->offset) = false;
    if (got == -E2BIG)
        return err_set(err, -EINVAL, "\"%s\" is longer than %zu bytes", m->name, m->size - 1);
    if (got == -EILSEQ)
        return err_set(err, -EINVAL, "\"%s\" is not valid UTF-8", m->name);
    if (got < 0)
        return err_set(err, -EINVAL, "\"%s\" should be %s", m->name, member_words[m->type]);
    *((char *)to + m->has) = true;
    return 0;
}

static int read_members(struct scan *r, struct members *to, struct record *record, struct err *err)
{
    char name[64];

    if (!scan_take(r, '{'))
        return err_set(err, -EINVAL, "not a JSON object");
    if (scan_take(r, '}'))
        return 0;
    do {
        scan_space(r);
        int got = scan_take_string(r, name, sizeof(name));

        if ((got < 0 && got != -E2BIG) || !scan_take(r, ':'))
            return err_set(err, -EINVAL, "not valid JSON: a name in quotes and a colon are missing");
        const struct member *m = got == -E2BIG ? NULL : find_member(name, strlen(name));

        if (m ? read_value(r, m, to, record, err) < 0 : scan_skip_value(r) < 0)
            return m ? -EINVAL : err_set(err, -EINVAL, "not valid JSON after \"%s\"", name);
    } while (scan_take(r, ','));
    if (!scan_take(r, '}'))
        return err_set(err, -EINVAL, "not valid JSON: the object does not end");
    scan_space(r);
    return r->at == r->end ? 0 : err_set(err, -EINVAL, "something follows the object");
}

/* --- meaning --- */

static int limit(struct err *err, const char *name, bool has, double value, double least, double most)
{
    if (!has || (value >= least && value <= most))
        return 0;
    return err_set(err, -EINVAL, "\"%s\" is %g; it should be %g to %g", name, value, least, most);
}

#define LIMIT(m, err, id, least, most) limit(err, #id, (m)->has_##id, (m)->id, least, most)

static int check_ranges(const struct members *m, struct err *err)
{
    int bad = 0;

    bad = bad ?: LIMIT(m, err, t, 0, RECORD_TIME_MAX);
    bad = bad ?: LIMIT(m, err, status, 0, 999);
    bad = bad ?: LIMIT(m, err, retry_after_s, 0, 1e9);
    bad = bad ?: LIMIT(m, err, interval_s, 0, 1e9);
    bad = bad ?: LIMIT(m, err, queue_ms, 0, MS_MOST);
    bad = bad ?: LIMIT(m, err, dns_ms, 0, MS_MOST);
    bad = bad ?: LIMIT(m, err, connect_ms, 0, MS_MOST);
    bad = bad ?: LIMIT(m, err, tls_ms, 0, MS_MOST);
    bad = bad ?: LIMIT(m, err, wait_ms, 0, MS_MOST);
    bad = bad ?: LIMIT(m, err, ttft_ms, 0, MS_MOST);
    bad = bad ?: LIMIT(m, err, content_ms, 0, MS_MOST);
    bad = bad ?: LIMIT(m, err, total_ms, 0, MS_MOST);
    bad = bad ?: LIMIT(m, err, gap_max_ms, 0, MS_MOST);
    bad = bad ?: LIMIT(m, err, tokens_per_s, 0, 1e7);
    bad = bad ?: LIMIT(m, err, prompt_tokens, 0, 1e9);
    bad = bad ?: LIMIT(m, err, output_tokens, 0, 1e9);
    bad = bad ?: LIMIT(m, err, reasoning_tokens, 0, 1e9);
    bad = bad ?: LIMIT(m, err, cost_usd, 0, COST_MOST);
    bad = bad ?: LIMIT(m, err, in_flight, 0, 1e6);
    bad = bad ?: LIMIT(m, err, input_usd_per_mtok, 0, PRICE_MOST);
    bad = bad ?: LIMIT(m, err, output_usd_per_mtok, 0, PRICE_MOST);
    bad = bad ?: LIMIT(m, err, call_usd, 0, COST_MOST);
    bad = bad ?: LIMIT(m, err, balance_usd, -BALANCE_MOST, BALANCE_MOST);
    bad = bad ?: LIMIT(m, err, for_s, 0, 1e9);
    return bad;
}

static usec_t span(bool has, double value, double scale)
{
    return has ? (usec_t)llround(value * scale) : OBSERVATION_UNKNOWN;
}

/* What happened, from the word for it or, without one, from the HTTP status. */
static int read_outcome(const struct members *m, struct outcome *ret, struct err *err)
{
    int status = m->has_status ? (int)m->status : 0, fault = m->has_fault && m->fault[0] ? fault_from_name(m->fault) : -1;
    int stage = m->has_stage && m->stage[0] ? stage_from_name(m->stage) : -1, kind;

    if (m->ok)
        kind = OUTCOME_OK;
    else if (m->has_error && m->error[0])
        kind = record_error_find(m->error);
    else
        kind = record_error_of_status(status);
    if (kind < 0)
        return err_set(err, -EINVAL, "\"error\" is \"%.32s\"; it should be one of %s", m->error, record_error_names());
    if (!m->ok && kind == OUTCOME_OK)
        return err_set(err, -EINVAL, "\"ok\" is false and \"error\" is \"ok\"");
    if (m->has_fault && m->fault[0] && fault < 0)
        return err_set(err, -EINVAL, "\"fault\" is \"%.16s\"; it should be none, relay, ours or local", m->fault);
    if (m->has_stage && m->stage[0] && stage < 0)
        return err_set(err, -EINVAL, "\"stage\" is \"%.16s\", which is none", m->stage);
    *ret = outcome_make(stage >= 0 ? (enum stage)stage : m->ok ? STAGE_DONE : STAGE_HEADERS, (enum outcome_kind)kind, status);
    if (fault >= 0)
        ret->fault = (enum fault)fault;
    return 0;
}

static int read_observation(const struct members *m, struct record *ret, struct err *err)
{
    struct outcome outcome;
    int source = !m->has_source || strcmp(m->source, "probe") == 0 ? SOURCE_PROBE : strcmp(m->source, "traffic") == 0 ? SOURCE_TRAFFIC : -1;
    enum probe_kind probe = PROBE_CHAT;

    record_observes(ret->kind, &probe);
    if (!m->has_ok)
        return err_set(err, -EINVAL, "\"ok\" is missing");
    if (source < 0)
        return err_set(err, -EINVAL, "\"source\" is \"%.16s\"; it should be probe or traffic", m->source);
    if (read_outcome(m, &outcome, err) < 0)
        return -EINVAL;
    struct observation *o = &ret->o;

    *o = observation_make(probe, ret->t, outcome);
    o->source = (enum source)source;
    o->retry_after = m->has_retry_after_s ? span(true, m->retry_after_s, 1e6) : 0;
    o->interval = m->has_interval_s ? span(true, m->interval_s, 1e6) : 0;
    o->queue = span(m->has_queue_ms, m->queue_ms, 1e3);
    o->dns = span(m->has_dns_ms, m->dns_ms, 1e3);
    o->connect = span(m->has_connect_ms, m->connect_ms, 1e3);
    o->tls = span(m->has_tls_ms, m->tls_ms, 1e3);
    o->wait = span(m->has_wait_ms, m->wait_ms, 1e3);
    o->ttft = span(m->has_ttft_ms, m->ttft_ms, 1e3);
    o->content = span(m->has_content_ms, m->content_ms, 1e3);
    o->total = span(m->has_total_ms, m->total_ms, 1e3);
    o->gap_max = span(m->has_gap_max_ms, m->gap_max_ms, 1e3);
    o->tokens_per_s = m->tokens_per_s;
    o->prompt_tokens = m->has_prompt_tokens ? (int32_t)m->prompt_tokens : -1;
    o->output_tokens = m->has_output_tokens ? (int32_t)m->output_tokens : -1;
    o->reasoning_tokens = m->has_reasoning_tokens ? (int32_t)m->reasoning_tokens : -1;
    o->cost_pico = m->has_cost_usd ? llround(m->cost_usd * 1e12) : -1;
    o->in_flight = (uint16_t)fmin(m->in_flight, UINT16_MAX);
    if (record_flags_parse(m->flags, &o->flags) < 0)
        return err_set(err, -EINVAL, "\"flags\" holds a word that is none");
    text_copy(o->detail, sizeof(o->detail), ret->text, strlen(ret->text));
    return 0;
}

static int64_t price_pico(bool has, double usd, double scale)
{
    return has ? llround(usd * scale) : -1;
}

static int read_price(const struct members *m, struct record *ret, struct err *err)
{
    ret->price.input = price_pico(m->has_input_usd_per_mtok, m->input_usd_per_mtok, PICO_PER_USD_PER_MTOK);
    ret->price.output = price_pico(m->has_output_usd_per_mtok, m->output_usd_per_mtok, PICO_PER_USD_PER_MTOK);
    ret->price.call = price_pico(m->has_call_usd, m->call_usd, 1e12);
    if (m->has_input_usd_per_mtok != m->has_output_usd_per_mtok)
        return err_set(err, -EINVAL, "\"input_usd_per_mtok\" and \"output_usd_per_mtok\" go together");
    if (!m->has_input_usd_per_mtok && !m->has_call_usd)
        return err_set(err, -EINVAL,
                       "a price without any: \"input_usd_per_mtok\" with \"output_usd_per_mtok\", or \"call_usd\", is missing");
    return 0;
}

static int read_rest(const struct members *m, struct record *ret, struct err *err)
{
    switch (ret->kind) {
    case RECORD_CHAT:
    case RECORD_REACH:
    case RECORD_MODELS:
    case RECORD_BURST:
    case RECORD_TRIAL:
        return read_observation(m, ret, err);
    case RECORD_PRICE:
        return read_price(m, ret, err);
    case RECORD_BALANCE:
        ret->balance = llround(m->balance_usd * 1e12);
        return m->has_balance_usd ? 0 : err_set(err, -EINVAL, "\"balance_usd\" is missing");
    case RECORD_LISTING:
    case RECORD_USABLE:
    case RECORD_SELF_CHECK:
        ret->ok = m->ok;
        return m->has_ok ? 0 : err_set(err, -EINVAL, "\"ok\" is missing");
    case RECORD_OVERRIDE: {
        int action = override_action_from_name(m->action);

        if (action < 0)
            return err_set(err, -EINVAL, "\"action\" is \"%.16s\"; it should be drain, pin, enable or none", m->action);
        ret->action = (enum override_action)action;
        ret->lasts = m->has_for_s ? span(true, m->for_s, 1e6) : 0;
        return 0;
    }
    default:
        return 0;
    }
}

int record_parse(const char *line, size_t len, struct record *ret, struct err *err)
{
    struct scan r = {line, line + len};
    struct members m;

    memset(&m, 0, sizeof(m));
    ret->platform[0] = ret->model[0] = ret->reporter[0] = ret->text[0] = '\0';
    if (len > RECORD_LINE_MAX)
        return err_set(err, -EINVAL, "longer than %d bytes", RECORD_LINE_MAX);
    if (read_members(&r, &m, ret, err) < 0)
        return -EINVAL;
    if (!m.has_t)
        return err_set(err, -EINVAL, "\"t\" is missing");
    int kind = record_kind_find(m.kind);

    if (kind < 0)
        return err_set(err, -EINVAL, "\"kind\" is \"%.24s\"; it should be one of %s", m.kind, record_kind_names());
    ret->kind = (enum record_kind)kind;
    if (record_kind_needs_platform(ret->kind) && ret->platform[0] == '\0')
        return err_set(err, -EINVAL, "\"platform\" is missing");
    if (record_kind_needs_model(ret->kind) && ret->model[0] == '\0')
        return err_set(err, -EINVAL, "\"model\" is missing");
    if (check_ranges(&m, err) < 0)
        return -EINVAL;
    ret->t = (usec_t)llroundl((long double)m.t * 1e6L); /* exact to the microsecond up to RECORD_TIME_MAX */
    return read_rest(&m, ret, err);
}
