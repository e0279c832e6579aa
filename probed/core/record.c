/* Reading a line of history.
 *
 * A million lines must take seconds, so there is no tree: one pass over the bytes fills a record, member by member, from the table of
 * members below. Values of members that are not in the table are skipped, whatever their shape. */
#include "probed/core/record.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "probed/core/record_words.h"
#include "shared/text.h"

#define NEST_MAX 32
#define NUMBER_MAX 64
#define PICO_PER_USD_PER_MTOK 1e6
#define PRICE_MOST 1e9 /* USD a million tokens */
#define COST_MOST 1e3  /* USD a request: in pico it is still exact in a double */
#define MS_MOST 1e9

struct reader {
    const char *at, *end;
    struct err *err;
};

enum member_type { TEXT, NUMBER, BOOL };

struct members { /* as read, before they mean anything */
#define X(id, type) bool has_##id;
    RECORD_MEMBERS(X)
#undef X
    char kind[24], source[16], error[32], fault[16], stage[16], action[16], flags[256];
    double t, status, retry_after_s, interval_s, queue_ms, dns_ms, connect_ms, tls_ms, wait_ms, ttft_ms, content_ms, total_ms, gap_max_ms,
        tokens_per_s, prompt_tokens, output_tokens, reasoning_tokens, cost_usd, in_flight, input_usd_per_mtok, output_usd_per_mtok, call_usd,
        for_s;
    bool ok;
};

static void skip_space(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r'))
        r->at++;
}

static bool take(struct reader *r, char c)
{
    skip_space(r);
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool take_word(struct reader *r, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
        return false;
    r->at += len;
    return true;
}

static int hex4(struct reader *r, uint32_t *ret)
{
    uint32_t value = 0;

    if (r->end - r->at < 4)
        return -EINVAL;
    for (int i = 0; i < 4; i++) {
        char c = *r->at++;
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;

        if (digit < 0)
            return -EINVAL;
        value = value << 4 | (uint32_t)digit;
    }
    *ret = value;
    return 0;
}

/* After the backslash. */
static int take_escape(struct reader *r, uint32_t *ret)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint32_t low;

    if (r->at == r->end)
        return -EINVAL;
    char c = *r->at++;
    const char *found = c ? strchr(from, c) : NULL;

    if (found) {
        *ret = (unsigned char)to[found - from];
        return 0;
    }
    if (c != 'u' || hex4(r, ret) < 0)
        return -EINVAL;
    if (*ret >= 0xd800 && *ret < 0xdc00) {
        const char *back = r->at;

        if (take_word(r, "\\u") && hex4(r, &low) == 0 && low >= 0xdc00 && low < 0xe000) {
            *ret = 0x10000 + ((*ret - 0xd800) << 10) + (low - 0xdc00);
            return 0;
        }
        r->at = back;
    }
    if (*ret == 0 || (*ret >= 0xd800 && *ret < 0xe000))
        *ret = 0xfffd; /* what a C string cannot hold */
    return 0;
}

/* A JSON string into dst (size bytes with NUL; NULL = only skipped). -E2BIG when it does not fit. */
static int take_string(struct reader *r, char *dst, size_t size)
{
    size_t len = 0;
    bool fits = true;

    if (!take(r, '"'))
        return -EINVAL;
    while (r->at < r->end && *r->at != '"') {
        char bytes[4] = {*r->at++};
        size_t n = 1;

        if ((unsigned char)bytes[0] < 0x20)
            return -EINVAL;
        if (bytes[0] == '\\') {
            uint32_t c;

            if (take_escape(r, &c) < 0)
                return -EINVAL;
            n = text_encode(bytes, c);
        }
        if (!dst)
            continue;
        fits = fits && len + n < size;
        if (fits)
            memcpy(dst + len, bytes, n);
        len += fits ? n : 0;
    }
    if (r->at == r->end)
        return -EINVAL;
    r->at++;
    if (!dst)
        return 0;
    dst[len] = '\0';
    if (!fits)
        return -E2BIG; /* and perhaps cut inside a character */
    return text_is_utf8(dst, len) ? 0 : -EILSEQ;
}

static bool scan_digits(struct reader *r)
{
    const char *begin = r->at;

    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
    return r->at > begin;
}

static bool scan(struct reader *r, const char *any)
{
    if (r->at == r->end || *r->at == '\0' || !strchr(any, *r->at))
        return false;
    r->at++;
    return true;
}

/* By JSON's grammar, which strtod does not know. */
static int scan_number(struct reader *r)
{
    scan(r, "-");
    if (!scan(r, "0") && !scan_digits(r))
        return -EINVAL;
    if (scan(r, ".") && !scan_digits(r))
        return -EINVAL;
    if (!scan(r, "eE"))
        return 0;
    scan(r, "+-");
    return scan_digits(r) ? 0 : -EINVAL;
}

static int take_number(struct reader *r, double *ret)
{
    char text[NUMBER_MAX + 1];
    const char *begin = r->at;

    if (scan_number(r) < 0)
        return -EINVAL;
    size_t len = (size_t)(r->at - begin);

    if (len > NUMBER_MAX)
        return -E2BIG;
    memcpy(text, begin, len);
    text[len] = '\0';
    *ret = strtod(text, NULL);
    return isfinite(*ret) ? 0 : -EINVAL;
}

static int skip_value(struct reader *r, int depth);

/* After the bracket; objects have names. */
static int skip_items(struct reader *r, char close, int depth)
{
    if (depth > NEST_MAX)
        return -EINVAL;
    if (take(r, close))
        return 0;
    do {
        if (close == '}' && (take_string(r, NULL, 0) < 0 || !take(r, ':')))
            return -EINVAL;
        if (skip_value(r, depth) < 0)
            return -EINVAL;
    } while (take(r, ','));
    return take(r, close) ? 0 : -EINVAL;
}

static int skip_value(struct reader *r, int depth)
{
    if (take(r, '{'))
        return skip_items(r, '}', depth + 1);
    if (take(r, '['))
        return skip_items(r, ']', depth + 1);
    if (r->at < r->end && *r->at == '"')
        return take_string(r, NULL, 0);
    return take_word(r, "true") || take_word(r, "false") || take_word(r, "null") ? 0 : scan_number(r);
}

struct member {
    const char *name;
    uint8_t type, len;
    size_t offset, has, size; /* in struct members, or beyond it in the record */
    bool in_record;
};

#define MEMBER_TEXT(id) {#id, TEXT, sizeof(#id) - 1, offsetof(struct members, id), offsetof(struct members, has_##id), sizeof(((struct members *)0)->id), false}
#define MEMBER_NUMBER(id) {#id, NUMBER, sizeof(#id) - 1, offsetof(struct members, id), offsetof(struct members, has_##id), NUMBER_MAX + 1, false}
#define MEMBER_BOOL(id) {#id, BOOL, sizeof(#id) - 1, offsetof(struct members, id), offsetof(struct members, has_##id), sizeof(bool), false}
#define MEMBER_RECORD(id) {#id, TEXT, sizeof(#id) - 1, offsetof(struct record, id), offsetof(struct members, has_##id), sizeof(((struct record *)0)->id), true}

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

static int read_value(struct reader *r, const struct member *m, struct members *to, struct record *record)
{
    char *base = m->in_record ? (char *)record : (char *)to;
    int got = -EINVAL;

    skip_space(r);
    if (take_word(r, "null"))
        return 0;
    if (m->type == TEXT)
        got = take_string(r, base + m->offset, m->size);
    else if (m->type == NUMBER)
        got = take_number(r, (double *)(base + m->offset));
    else if (take_word(r, "true"))
        got = 0, *(bool *)(base + m->offset) = true;
    else if (take_word(r, "false"))
        got = 0, *(bool *)(base + m->offset) = false;
    if (got == -E2BIG)
        return err_set(r->err, -EINVAL, "\"%s\" is longer than %zu bytes", m->name, m->size - 1);
    if (got == -EILSEQ)
        return err_set(r->err, -EINVAL, "\"%s\" is not valid UTF-8", m->name);
    if (got < 0)
        return err_set(r->err, -EINVAL, "\"%s\" should be %s", m->name, m->type == TEXT ? "a string" : m->type == NUMBER ? "a number" : "true or false");
    *((char *)to + m->has) = true;
    return 0;
}

static int read_members(struct reader *r, struct members *to, struct record *record)
{
    char name[64];

    if (!take(r, '{'))
        return err_set(r->err, -EINVAL, "not a JSON object");
    if (take(r, '}'))
        return 0;
    do {
        skip_space(r);
        int got = take_string(r, name, sizeof(name));

        if ((got < 0 && got != -E2BIG) || !take(r, ':'))
            return err_set(r->err, -EINVAL, "not valid JSON: a name in quotes and a colon are missing");
        const struct member *m = got == -E2BIG ? NULL : find_member(name, strlen(name));

        if (m ? read_value(r, m, to, record) < 0 : skip_value(r, 0) < 0)
            return m ? -EINVAL : err_set(r->err, -EINVAL, "not valid JSON after \"%s\"", name);
    } while (take(r, ','));
    if (!take(r, '}'))
        return err_set(r->err, -EINVAL, "not valid JSON: the object does not end");
    skip_space(r);
    return r->at == r->end ? 0 : err_set(r->err, -EINVAL, "something follows the object");
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
    enum probe_kind probe = ret->kind == RECORD_REACH ? PROBE_REACH : ret->kind == RECORD_MODELS ? PROBE_MODELS : PROBE_CHAT;

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
        return err_set(err, -EINVAL, "a price without any: \"input_usd_per_mtok\" with \"output_usd_per_mtok\", or \"call_usd\", is missing");
    return 0;
}

static int read_rest(const struct members *m, struct record *ret, struct err *err)
{
    switch (ret->kind) {
    case RECORD_CHAT:
    case RECORD_REACH:
    case RECORD_MODELS:
        return read_observation(m, ret, err);
    case RECORD_PRICE:
        return read_price(m, ret, err);
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
    struct reader r = {line, line + len, err};
    struct members m;

    memset(&m, 0, sizeof(m));
    ret->platform[0] = ret->model[0] = ret->reporter[0] = ret->text[0] = '\0';
    if (len > RECORD_LINE_MAX)
        return err_set(err, -EINVAL, "longer than %d bytes", RECORD_LINE_MAX);
    if (read_members(&r, &m, ret) < 0)
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
