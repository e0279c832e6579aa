/* The log of requests.
 *
 * A ring of the last N records, over all relays, oldest dropped. A record is in the ring from the first byte of its request on and is
 * filled in while the request runs, so an unanswered request is seen as well. It is counted: a running exchange keeps its record although
 * the ring has dropped it. Beside it, a table counts each (relay, body): a chat that carries a nonce comes once, so a second one is a
 * client that sent it twice. The table is bounded; once full, new bodies are not entered and the log says so. */
#include "tests/relaysim/record.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/json.h"

#define SEEN_MAX ((size_t)1 << 21)

struct seen {
    uint64_t key; /* 0 = free */
    uint32_t count;
};

static const char *const kind_names[] = {"other", "reach", "models", "chat", "embeddings", "price", "balance"};

static const char *const dialect_names[] = {
#define X(id, name) name,
    DIALECT_TABLE(X)
#undef X
};

const char *dialect_name(enum dialect dialect)
{
    return dialect_names[dialect];
}

int record_kind_from_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(kind_names); i++)
        if (strcmp(kind_names[i], name) == 0)
            return (int)i;
    return -1;
}

void records_init(struct records *r, size_t size)
{
    *r = (struct records){.size = size};
    r->ring = alloc_zero(size, sizeof(struct record *));
}

void record_unref(struct record *record)
{
    if (!record || --record->refs)
        return;
    free(record->tokens);
    free(record);
}

void records_clear(struct records *r)
{
    for (size_t i = 0; i < r->size; i++) {
        record_unref(r->ring[i]);
        r->ring[i] = NULL;
    }
    free(r->seen);
    r->seen = NULL;
    r->seen_len = r->seen_size = 0;
    r->seen_full = false;
}

void records_done(struct records *r)
{
    records_clear(r);
    free(r->ring);
    *r = (struct records){.ring = NULL};
}

struct record *records_begin(struct records *r)
{
    struct record *record = alloc_zero(1, sizeof *record);
    record->refs = 2;
    record->seq = ++r->seq;
    record_unref(r->ring[r->next]);
    r->ring[r->next] = record;
    r->next = (r->next + 1) % r->size;
    return record;
}

static struct seen *seen_slot(struct seen *table, size_t size, uint64_t key)
{
    size_t i = key & (size - 1);
    while (table[i].key && table[i].key != key)
        i = (i + 1) & (size - 1);
    return &table[i];
}

static bool seen_make_room(struct records *r)
{
    if (2 * (r->seen_len + 1) <= r->seen_size)
        return true;
    if (r->seen_size >= SEEN_MAX)
        return false;
    size_t size = r->seen_size ? r->seen_size * 2 : 1024;
    struct seen *table = alloc_zero(size, sizeof *table);
    for (size_t i = 0; i < r->seen_size; i++)
        if (r->seen[i].key)
            *seen_slot(table, size, r->seen[i].key) = r->seen[i];
    free(r->seen);
    r->seen = table;
    r->seen_size = size;
    return true;
}

void records_body(struct records *r, struct record *record, const struct relay *relay, const char *body, size_t len)
{
    SHA256((const unsigned char *)body, len, (unsigned char *)record->body_hash);
    record->body_len = len;
    record->seen = 1;
    uint64_t key = (record->body_hash[0] ^ (uint64_t)(uintptr_t)relay * 0x9e3779b97f4a7c15u) | 1;
    bool room = seen_make_room(r);
    struct seen *slot = seen_slot(r->seen, r->seen_size, key);
    if (!slot->key && !room) {
        r->seen_full = true;
        return;
    }
    if (!slot->key)
        r->seen_len++;
    slot->key = key;
    record->seen = ++slot->count;
}

void record_token(struct record *record, usec_t at)
{
    record->tokens_sent++;
    if (record->tokens_len >= RECORD_TOKENS_MAX)
        return;
    if (record->tokens_len == record->tokens_size) {
        record->tokens_size = record->tokens_size ? record->tokens_size * 2 : 16;
        record->tokens = alloc_resize(record->tokens, record->tokens_size, sizeof *record->tokens);
    }
    record->tokens[record->tokens_len++] = at;
}

static void add_instant(cJSON *json, const char *name, struct instant at)
{
    if (!at.real)
        return;
    cJSON *pair = json_add_array(json, name);
    json_add_int(pair, NULL, at.steady);
    json_add_int(pair, NULL, at.real);
}

static void add_times(cJSON *json, const struct record *record)
{
    cJSON *times = json_add_object(json, "times");
    add_instant(times, "accepted", record->accepted);
    add_instant(times, "handshaked", record->handshaked);
    add_instant(times, "first_byte", record->first_byte);
    add_instant(times, "complete", record->complete);
    add_instant(times, "headers", record->headers);
    add_instant(times, "comment", record->comment);
    add_instant(times, "data", record->data);
    add_instant(times, "reasoning", record->reasoning);
    add_instant(times, "content", record->content);
    add_instant(times, "content_last", record->content_last);
    add_instant(times, "done", record->done);
    add_instant(times, "end", record->end);
}

cJSON *record_to_json(const struct record *record)
{
    cJSON *json = cJSON_CreateObject();
    json_add_int(json, "seq", (int64_t)record->seq);
    json_add_string(json, "relay", record->relay ? record->relay->name : NULL);
    json_add_string(json, "kind", kind_names[record->kind]);
    json_add_string(json, "dialect", dialect_name((enum dialect)record->dialect));
    json_add_string(json, "model", record->model);
    json_add_bool(json, "stream", record->stream);
    json_add_int(json, "connection", (int64_t)record->connection);
    json_add_int(json, "nth", record->nth);
    json_add_bool(json, "tls", record->tls);
    json_add_bool(json, "ended", record->ended);
    json_add_string(json, "how", record->how);
    json_add_string(json, "error", record->error[0] ? record->error : NULL);
    json_add_int(json, "status", record->status);
    char hash[65];
    for (size_t i = 0; i < 32; i++)
        snprintf(hash + 2 * i, 3, "%02x", ((const unsigned char *)record->body_hash)[i]);
    json_add_string(json, "body_sha256", record->seen ? hash : NULL);
    json_add_int(json, "body_len", (int64_t)record->body_len);
    json_add_int(json, "seen", record->seen);
    json_add_int(json, "prompt_tokens", record->prompt_tokens);
    json_add_int(json, "completion_tokens", record->completion_tokens);
    json_add_int(json, "reasoning_tokens", record->reasoning_tokens);
    json_add_int(json, "told_prompt_tokens", record->told_prompt_tokens);
    json_add_int(json, "told_completion_tokens", record->told_completion_tokens);
    json_add_number(json, "advertised", record->advertised);
    json_add_number(json, "charged", record->charged);
    json_add_number(json, "cost", record->charged); /* the name that it had first */
    json_add_int(json, "sent", (int64_t)record->sent);
    json_add_int(json, "tokens_sent", record->tokens_sent);
    add_times(json, record);
    cJSON *tokens = json_add_array(json, "tokens");
    for (uint32_t i = 0; i < record->tokens_len; i++)
        json_add_int(tokens, NULL, record->tokens[i]);
    return json;
}

static bool wanted(const struct record *record, const struct relay *relay, int kind, uint64_t since, bool only_ended)
{
    return record && record->seq > since && (!relay || record->relay == relay) && (kind < 0 || record->kind == kind) &&
           (!only_ended || record->ended);
}

/* The i-th newest, 0 = the newest. */
static const struct record *from_newest(const struct records *r, size_t i)
{
    return r->ring[(r->next + 2 * r->size - 1 - i) % r->size];
}

cJSON *records_log(const struct records *r, const struct relay *relay, int kind, uint64_t since, size_t last, bool only_ended,
                   bool only_duplicates)
{
    size_t first = 0, found = 0;
    for (; first < r->size && found < last; first++) {
        const struct record *record = from_newest(r, first);
        if (!record || record->seq <= since)
            break;
        if (wanted(record, relay, kind, since, only_ended) && (!only_duplicates || record->seen > 1))
            found++;
    }
    cJSON *list = cJSON_CreateArray();
    while (first-- > 0) {
        const struct record *record = from_newest(r, first);
        if (wanted(record, relay, kind, since, only_ended) && (!only_duplicates || record->seen > 1))
            cJSON_AddItemToArray(list, record_to_json(record));
    }
    return list;
}

size_t records_count(const struct records *r, const struct relay *relay, int kind, uint64_t since, bool only_ended)
{
    size_t count = 0;
    for (size_t i = 0; i < r->size; i++) {
        const struct record *record = from_newest(r, i);
        if (!record || record->seq <= since)
            break;
        count += wanted(record, relay, kind, since, only_ended);
    }
    return count;
}
