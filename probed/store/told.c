/* A record as a row and back, so that what comes back is what was told: times exact to the microsecond, money to the pico.
 *
 * An observation has a column for each member; what is not known is NULL, what is 0 takes no room. Any other record is one line of text (record.h) in `more`. Rows may
 * come from a damaged file: what cannot be is refused, and texts are made whole. */
#include <string.h>

#include "probed/store/store_parts.h"
#include "shared/text.h"

enum column {
    COLUMN_ID, COLUMN_LATE, COLUMN_KIND, COLUMN_ROUTE, COLUMN_SOURCE, COLUMN_STAGE, COLUMN_OUTCOME, COLUMN_FAULT, COLUMN_STATUS, COLUMN_RETRY_AFTER,
    COLUMN_QUEUE, COLUMN_DNS, COLUMN_CONNECT, COLUMN_TLS, COLUMN_WAIT, COLUMN_TTFT, COLUMN_CONTENT, COLUMN_TOTAL, COLUMN_GAP_MAX, COLUMN_STALLS,
    COLUMN_CHUNKS, COLUMN_TOKENS_PER_S, COLUMN_PROMPT_TOKENS, COLUMN_OUTPUT_TOKENS, COLUMN_REASONING_TOKENS, COLUMN_COST, COLUMN_IN_FLIGHT,
    COLUMN_FLAGS, COLUMN_INTERVAL, COLUMN_ENDPOINT, COLUMN_REUSED, COLUMN_HTTP_VERSION, COLUMN_REPORTER, COLUMN_DETAIL, COLUMN_MORE,
    COLUMN_PLATFORM, COLUMN_MODEL,
};
_Static_assert(COLUMN_PLATFORM == TOLD_COLUMNS, "a column of told is not named");

static bool is_observation(enum record_kind kind)
{
    enum probe_kind probe;
    return record_observes(kind, &probe);
}

static void put(sqlite3_stmt *s, enum column column, int64_t value)
{
    sqlite3_bind_int64(s, (int)column + 1, value);
}

static void put_known(sqlite3_stmt *s, enum column column, int64_t value)
{
    if (value >= 0)
        put(s, column, value);
}

static void bind_observation(sqlite3_stmt *s, const struct observation *o)
{
    put(s, COLUMN_SOURCE, o->source);
    put(s, COLUMN_STAGE, o->outcome.stage);
    put(s, COLUMN_OUTCOME, o->outcome.kind);
    put(s, COLUMN_FAULT, o->outcome.fault);
    put(s, COLUMN_STATUS, o->outcome.http_status);
    put(s, COLUMN_RETRY_AFTER, o->retry_after);
    put_known(s, COLUMN_QUEUE, o->queue);
    put_known(s, COLUMN_DNS, o->dns);
    put_known(s, COLUMN_CONNECT, o->connect);
    put_known(s, COLUMN_TLS, o->tls);
    put_known(s, COLUMN_WAIT, o->wait);
    put_known(s, COLUMN_TTFT, o->ttft);
    put_known(s, COLUMN_CONTENT, o->content);
    put_known(s, COLUMN_TOTAL, o->total);
    put_known(s, COLUMN_GAP_MAX, o->gap_max);
    put(s, COLUMN_STALLS, o->stalls);
    put(s, COLUMN_CHUNKS, o->chunks);
    if (o->tokens_per_s > 0)
        sqlite3_bind_double(s, COLUMN_TOKENS_PER_S + 1, o->tokens_per_s);
    put_known(s, COLUMN_PROMPT_TOKENS, o->prompt_tokens);
    put_known(s, COLUMN_OUTPUT_TOKENS, o->output_tokens);
    put_known(s, COLUMN_REASONING_TOKENS, o->reasoning_tokens);
    put_known(s, COLUMN_COST, o->cost_pico);
    put(s, COLUMN_IN_FLIGHT, o->in_flight);
    put(s, COLUMN_FLAGS, o->flags);
    put(s, COLUMN_INTERVAL, o->interval);
    put(s, COLUMN_ENDPOINT, o->endpoint);
    put(s, COLUMN_REUSED, o->reused);
    put(s, COLUMN_HTTP_VERSION, o->http_version);
    writer_text(s, COLUMN_DETAIL + 1, o->detail);
}

void told_bind(sqlite3_stmt *s, int64_t id, int64_t route, const struct record *record)
{
    put(s, COLUMN_ID, id);
    put(s, COLUMN_LATE, id - record->t);
    put(s, COLUMN_KIND, record->kind);
    if (route > 0)
        put(s, COLUMN_ROUTE, route);
    writer_text(s, COLUMN_REPORTER + 1, record->reporter);
    if (is_observation(record->kind)) {
        bind_observation(s, &record->o);
        return;
    }
    struct buf line CLEANUP(buf_done) = BUF_INIT;
    record_print(record, &line);
    sqlite3_bind_text(s, COLUMN_MORE + 1, line.data, (int)line.len - 1, SQLITE_TRANSIENT);
}

/* --- reading --- */

static int64_t get(sqlite3_stmt *s, enum column column, int64_t least, int64_t most, bool *bad)
{
    int64_t value = sqlite3_column_int64(s, (int)column);
    if (value >= least && value <= most)
        return value;
    *bad = true;
    return least;
}

static int64_t get_known(sqlite3_stmt *s, enum column column, int64_t most, bool *bad)
{
    return sqlite3_column_type(s, (int)column) == SQLITE_NULL ? -1 : get(s, column, 0, most, bad);
}

static void get_text(sqlite3_stmt *s, enum column column, char *ret, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(s, (int)column);
    text_copy(ret, size, text ? text : "", text ? strlen(text) : 0);
}

#define SPAN_MOST (1000 * USEC_PER_DAY)

static bool read_observation(sqlite3_stmt *s, enum record_kind kind, usec_t t, struct observation *o)
{
    bool bad = false;
    enum probe_kind probe = PROBE_CHAT;
    record_observes(kind, &probe);
    *o = observation_make(probe, t,
                          (struct outcome){
                              .stage = (enum stage)get(s, COLUMN_STAGE, 0, STAGE_COUNT - 1, &bad),
                              .kind = (enum outcome_kind)get(s, COLUMN_OUTCOME, 0, OUTCOME_COUNT - 1, &bad),
                              .fault = (enum fault)get(s, COLUMN_FAULT, 0, FAULT_LOCAL, &bad),
                              .http_status = (int)get(s, COLUMN_STATUS, 0, 999, &bad),
                          });
    o->source = (enum source)get(s, COLUMN_SOURCE, 0, SOURCE_TRAFFIC, &bad);
    o->retry_after = get(s, COLUMN_RETRY_AFTER, 0, SPAN_MOST, &bad);
    o->queue = get_known(s, COLUMN_QUEUE, SPAN_MOST, &bad);
    o->dns = get_known(s, COLUMN_DNS, SPAN_MOST, &bad);
    o->connect = get_known(s, COLUMN_CONNECT, SPAN_MOST, &bad);
    o->tls = get_known(s, COLUMN_TLS, SPAN_MOST, &bad);
    o->wait = get_known(s, COLUMN_WAIT, SPAN_MOST, &bad);
    o->ttft = get_known(s, COLUMN_TTFT, SPAN_MOST, &bad);
    o->content = get_known(s, COLUMN_CONTENT, SPAN_MOST, &bad);
    o->total = get_known(s, COLUMN_TOTAL, SPAN_MOST, &bad);
    o->gap_max = get_known(s, COLUMN_GAP_MAX, SPAN_MOST, &bad);
    o->stalls = (uint16_t)get(s, COLUMN_STALLS, 0, UINT16_MAX, &bad);
    o->chunks = (uint16_t)get(s, COLUMN_CHUNKS, 0, UINT16_MAX, &bad);
    double speed = sqlite3_column_double(s, COLUMN_TOKENS_PER_S);
    o->tokens_per_s = speed > 0 && speed <= 1e7 ? speed : 0;
    o->prompt_tokens = (int32_t)get_known(s, COLUMN_PROMPT_TOKENS, INT32_MAX, &bad);
    o->output_tokens = (int32_t)get_known(s, COLUMN_OUTPUT_TOKENS, INT32_MAX, &bad);
    o->reasoning_tokens = (int32_t)get_known(s, COLUMN_REASONING_TOKENS, INT32_MAX, &bad);
    o->cost_pico = get_known(s, COLUMN_COST, 1000000000000000000, &bad);
    o->in_flight = (uint16_t)get(s, COLUMN_IN_FLIGHT, 0, UINT16_MAX, &bad);
    o->flags = (uint16_t)get(s, COLUMN_FLAGS, 0, UINT16_MAX, &bad);
    o->interval = get(s, COLUMN_INTERVAL, 0, SPAN_MOST, &bad);
    o->endpoint = (uint8_t)get(s, COLUMN_ENDPOINT, 0, UINT8_MAX, &bad);
    o->reused = get(s, COLUMN_REUSED, 0, 1, &bad) != 0;
    o->http_version = (uint8_t)get(s, COLUMN_HTTP_VERSION, 0, UINT8_MAX, &bad);
    get_text(s, COLUMN_DETAIL, o->detail, sizeof o->detail);
    return !bad;
}

bool told_read(sqlite3_stmt *s, struct record *ret)
{
    struct err err;
    bool bad = false;
    usec_t t = get(s, COLUMN_ID, 0, (int64_t)RECORD_TIME_MAX * USEC_PER_SEC, &bad) - get(s, COLUMN_LATE, 0, USEC_PER_HOUR, &bad);
    enum record_kind kind = (enum record_kind)get(s, COLUMN_KIND, 0, RECORD_KIND_COUNT - 1, &bad);
    memset(ret, 0, sizeof *ret);
    if (bad || t < 0)
        return false;
    if (!is_observation(kind)) {
        const char *line = (const char *)sqlite3_column_text(s, COLUMN_MORE);
        if (!line || record_parse(line, strlen(line), ret, &err) < 0 || ret->kind != kind)
            return false;
        ret->t = t;
        return true;
    }
    ret->t = t;
    ret->kind = kind;
    get_text(s, COLUMN_PLATFORM, ret->platform, sizeof ret->platform);
    get_text(s, COLUMN_MODEL, ret->model, sizeof ret->model);
    get_text(s, COLUMN_REPORTER, ret->reporter, sizeof ret->reporter);
    return ret->platform[0] != '\0' && read_observation(s, kind, t, &ret->o);
}
