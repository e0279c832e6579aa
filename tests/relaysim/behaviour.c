/* What can be switched on a relay: one table says name, type, place and default of everything; parsing, printing and copying walk it.
 *
 * A behaviour never changes once made: `set` makes a new one from the old one and the members given, and swaps a pointer. Requests in
 * flight hold a reference to the one that they began under. It decides nothing: all the others read it. */
#include "tests/relaysim/behaviour.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/json.h"
#include "shared/text.h"

static const char *const fault_names[] = {
#define X(id, name, place) name,
    FAULT_TABLE(X)
#undef X
};
static const uint8_t fault_places[] = {
#define X(id, name, place) PLACE_##place,
    FAULT_TABLE(X)
#undef X
};
static const char *const error_names[] = {
#define X(id, name, status, chat) name,
    ERROR_TABLE(X)
#undef X
};
static const struct {
    int status;
    bool only_chats;
} error_facts[] = {
#define X(id, name, status, chat) {status, chat},
    ERROR_TABLE(X)
#undef X
};

const char *fault_id_name(enum fault_id fault)
{
    return fault_names[fault];
}
enum place fault_place(enum fault_id fault)
{
    return (enum place)fault_places[fault];
}
const char *error_id_name(enum error_id error)
{
    return error_names[error];
}
int error_usual_status(enum error_id error)
{
    return error_facts[error].status;
}
bool error_only_chats(enum error_id error)
{
    return error_facts[error].only_chats;
}

enum error_id error_of_status(int status)
{
    switch (status) {
    case 403:
        return ERROR_FORBIDDEN;
    case 429:
        return ERROR_RATE_LIMITED;
    case 500:
        return ERROR_SERVER;
    case 404:
        return ERROR_NOT_FOUND;
    default:
        for (int e = 1; e < ERROR_ID_COUNT; e++)
            if (error_facts[e].status == status)
                return (enum error_id)e;
        return status < 500 ? ERROR_BAD_REQUEST : ERROR_SERVER;
    }
}

static const char *const body_names[] = {"family", "empty", "html", "text", "json_string", "success_false", "error_string", "object_error"};
static const char *const answer_names[] = {"smart", "echo", "fixed", "marker", "wrong"};
static const char *const framing_names[] = {"chunked", "close"};
static const char *const usage_names[] = {"last", "finish", "each", "nulls", "zero", "never"};
static const char *const reasoning_names[] = {"reasoning_content", "reasoning", "both", "reasoning_details", "inline"};
static const char *const on_names[] = {"chat", "models", "reach", "price", "balance"};
static const char *const feed_fault_names[] = {"none",          "unknown",   "minus_one", "html", "truncated", "empty",
                                               "missing_group", "duplicate", "huge",      "slow", "zero"};
static const char *const feed_version_names[] = {"new", "old"};
static const char *const quota_display_names[] = {"USD", "CNY", "TOKENS", "CUSTOM"};
static const char *const capability_names[] = {"stream", "usage", "tools", "json", "vision", "embeddings"};
static const char *const refusal_names[] = {"error", "ignore", "lie"};

enum member_type { MEMBER_BOOL, MEMBER_INT, MEMBER_NUMBER, MEMBER_TEXT, MEMBER_ENUM, MEMBER_BITS, MEMBER_SPREAD };

struct member {
    const char *name;
    enum member_type type;
    size_t offset;
    double value;     /* the default */
    double low, high; /* of numbers */
    const char *const *names;
    size_t names_len;
};

#define AT(m) offsetof(struct behaviour, m)
#define FLAG(m, on)                                                                                                                        \
    {                                                                                                                                      \
#m, MEMBER_BOOL, AT(m), on, 0, 0, NULL, 0                                                                                          \
    }
#define INT(m, value, low, high)                                                                                                           \
    {                                                                                                                                      \
#m, MEMBER_INT, AT(m), value, low, high, NULL, 0                                                                                   \
    }
#define NUMBER(m, value, low, high)                                                                                                        \
    {                                                                                                                                      \
#m, MEMBER_NUMBER, AT(m), value, low, high, NULL, 0                                                                                \
    }
#define TEXT(m)                                                                                                                            \
    {                                                                                                                                      \
#m, MEMBER_TEXT, AT(m), 0, 0, 0, NULL, 0                                                                                           \
    }
#define ENUM(m, value, words)                                                                                                              \
    {                                                                                                                                      \
#m, MEMBER_ENUM, AT(m), value, 0, 0, words, ARRAY_LEN(words)                                                                       \
    }
#define BITS(m, words)                                                                                                                     \
    {                                                                                                                                      \
#m, MEMBER_BITS, AT(m), 0, 0, 0, words, ARRAY_LEN(words)                                                                           \
    }
#define DELAY(m, value)                                                                                                                    \
    {                                                                                                                                      \
#m, MEMBER_SPREAD, AT(m), value, 0, 0, NULL, 0                                                                                     \
    }

static const struct member members[] = {
    ENUM(fault, FAULT_NONE, fault_names),
    ENUM(error, ERROR_NONE, error_names),
    INT(status, 0, 0, 999),
    ENUM(body, BODY_FAMILY, body_names),
    TEXT(message),
    NUMBER(retry_after, -1, -1, 1e9),
    FLAG(retry_after_date, false),
    BITS(on, on_names),
    INT(at, 1, 0, 1000000),
    NUMBER(fail_share, 1, 0, 1),
    NUMBER(fail_enter, 0, 0, 1),
    NUMBER(fail_leave, 0, 0, 1),
    DELAY(accept_delay, 0),
    DELAY(header_delay, 0),
    DELAY(first_token, 20),
    DELAY(gap, 2),
    DELAY(tail, 0),
    DELAY(comment_gap, 1),
    NUMBER(drip, 0, 0, 60000),
    INT(comments, 0, 0, 10000),
    TEXT(comment),
    FLAG(role_delta, true),
    FLAG(finish, true),
    FLAG(done, true),
    FLAG(stream_options, false),
    INT(empty_deltas, 0, 0, 10000),
    INT(reasoning, 0, 0, 10000),
    INT(tokens, 0, 0, 100000),
    INT(token_chars, 4, 1, 10000),
    ENUM(reasoning_field, REASONING_CONTENT, reasoning_names),
    ENUM(usage, USAGE_LAST, usage_names),
    ENUM(framing, FRAMING_CHUNKED, framing_names),
    FLAG(bom, false),
    FLAG(crlf, false),
    FLAG(cr, false),
    FLAG(no_space, false),
    FLAG(multiline, false),
    FLAG(split_utf8, false),
    FLAG(cumulative, false),
    FLAG(burst, false),
    FLAG(plain, false),
    FLAG(no_last_blank, false),
    INT(big_event, 0, 0, 8 * 1024 * 1024),
    ENUM(answer, ANSWER_SMART, answer_names),
    TEXT(text),
    TEXT(marker),
    TEXT(model_echo),
    NUMBER(rate, 0, 0, 1e6),
    NUMBER(rate_burst, 1, 1, 1e6),
    INT(max_in_flight, 0, 0, 1000000),
    ENUM(limit_error, ERROR_RATE_LIMITED, error_names),
    INT(credit_requests, -1, -1, 1000000000),
    NUMBER(credit, -1, -1e9, 1e9),
    NUMBER(price_input, 0, 0, 1e9),
    NUMBER(price_output, 0, 0, 1e9),
    NUMBER(price_call, 0, 0, 1e9),
    NUMBER(price_cache_read, -1, -1, 1e9),
    NUMBER(price_cache_write, -1, -1, 1e9),
    INT(price_tier_from, 0, 0, 1000000000),
    NUMBER(price_tier, 2, 0, 1000),
    TEXT(price_group),
    TEXT(price_groups),
    NUMBER(price_group_ratio, 1, 1e-6, 1e6),
    FLAG(price_hidden, false),
    NUMBER(reference_input, -1, -1, 1e9),
    NUMBER(reference_output, -1, -1, 1e9),
    ENUM(feed_fault, FEED_FINE, feed_fault_names),
    INT(feed_error, 0, 0, 999),
    ENUM(feed_version, FEED_NEW, feed_version_names),
    FLAG(feed_etag, true),
    FLAG(feed_gzip, true),
    DELAY(feed_delay, 0),
    DELAY(feed_gap, 500),
    NUMBER(quota_per_unit, 500000, 1, 1e12),
    NUMBER(price, 7.3, 0, 1e6),
    NUMBER(usd_exchange_rate, 7.3, 0, 1e6),
    ENUM(quota_display_type, QUOTA_USD, quota_display_names),
    NUMBER(overcharge, 1, 0, 1000),
    NUMBER(charge_round, 0, 0, 1000),
    NUMBER(inflate_prompt, 1, 0, 1000),
    NUMBER(inflate_output, 1, 0, 1000),
    NUMBER(fail_charge, 0, 0, 1000),
    INT(hidden_prompt, 0, 0, 10000000),
    DELAY(post_delay, 0),
    NUMBER(post_lump, 0, 0, 1e9),
    NUMBER(balance, 100, -1e6, 1e6),
    NUMBER(gift, 0, 0, 1e6),
    NUMBER(gift_expires, -1, -1, 1e12),
    NUMBER(foreign, 0, 0, 1e6),
    NUMBER(balance_unit, 0, 0, 1e6),
    FLAG(unlimited, false),
    TEXT(user_header),
    BITS(capabilities_without, capability_names),
    ENUM(capability_refusal, REFUSAL_ERROR, refusal_names),
    INT(reasoning_burn, 0, 0, 100000000),
    INT(reasoning_burn_low, -1, -1, 100000000),
    INT(reasoning_min, 0, 0, 100000000),
    TEXT(refuse_parameter),
    TEXT(id_prefix),
    FLAG(usage_absurd, false),
    FLAG(cached_answer, false),
    FLAG(same_answer, false),
    INT(cached_tokens, 0, 0, 100000000),
    INT(close_after, 0, 0, 1000000000),
    FLAG(close_header, false),
    NUMBER(close_idle, -1, -1, 3600000),
    TEXT(models_without),
};

static void *place_of(struct behaviour *b, const struct member *m)
{
    return (char *)b + m->offset;
}
static const void *place_in(const struct behaviour *b, const struct member *m)
{
    return (const char *)b + m->offset;
}

static void member_reset(struct behaviour *b, const struct member *m)
{
    void *p = place_of(b, m);
    switch (m->type) {
    case MEMBER_BOOL:
        *(bool *)p = m->value != 0;
        break;
    case MEMBER_INT:
    case MEMBER_ENUM:
    case MEMBER_BITS:
        *(int *)p = (int)m->value;
        break;
    case MEMBER_NUMBER:
        *(double *)p = m->value;
        break;
    case MEMBER_TEXT:
        free(*(char **)p);
        *(char **)p = NULL;
        break;
    case MEMBER_SPREAD:
        *(struct spread *)p = (struct spread){.kind = SPREAD_CONSTANT, .a = m->value};
        break;
    }
}

struct behaviour *behaviour_default(void)
{
    struct behaviour *b = alloc_zero(1, sizeof *b);
    b->refs = 1;
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        member_reset(b, &members[i]);
    return b;
}

struct behaviour *behaviour_ref(struct behaviour *b)
{
    b->refs++;
    return b;
}

void behaviour_unref(struct behaviour *b)
{
    if (!b || --b->refs)
        return;
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (members[i].type == MEMBER_TEXT)
            free(*(char **)place_of(b, &members[i]));
    free(b);
}

static struct behaviour *behaviour_copy(const struct behaviour *from)
{
    struct behaviour *b = alloc_zero(1, sizeof *b);
    *b = *from;
    b->refs = 1;
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (members[i].type == MEMBER_TEXT) {
            char **text = place_of(b, &members[i]);
            *text = *text ? alloc_string(*text) : NULL;
        }
    return b;
}

static int find_word(const struct member *m, const cJSON *json, struct err *err)
{
    if (cJSON_IsString(json)) {
        for (size_t i = 0; i < m->names_len; i++)
            if (strcmp(m->names[i], json->valuestring) == 0)
                return (int)i;
        const char *near = text_nearest(json->valuestring, m->names, m->names_len);
        return err_set(err, -EINVAL, "%s: there is no \"%s\"%s%s%s", m->name, json->valuestring, near ? "; did you mean \"" : "",
                       near ? near : "", near ? "\"?" : "");
    }
    return err_set(err, -EINVAL, "%s: one of its words is wanted, such as \"%s\"", m->name, m->names[0]);
}

static int parse_bits(const struct member *m, const cJSON *json, int *ret, struct err *err)
{
    int bits = 0;
    const cJSON *item = cJSON_IsArray(json) ? json->child : json;
    for (; item; item = cJSON_IsArray(json) ? item->next : NULL) {
        int word = find_word(m, item, err);
        if (word < 0)
            return word;
        bits |= 1 << word;
    }
    *ret = bits;
    return 0;
}

/* "a,b" or ["a","b"]: both become the first. */
static int parse_text(const struct member *m, const cJSON *json, char **ret, struct err *err)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    if (cJSON_IsString(json)) {
        buf_add_str(&text, json->valuestring);
    } else if (cJSON_IsArray(json)) {
        for (const cJSON *item = json->child; item; item = item->next) {
            if (!cJSON_IsString(item))
                return err_set(err, -EINVAL, "%s: a list of texts is wanted", m->name);
            buf_printf(&text, "%s%s", text.len ? "," : "", item->valuestring);
        }
    } else {
        return err_set(err, -EINVAL, "%s: a text is wanted", m->name);
    }
    free(*ret);
    *ret = buf_take(&text);
    return 0;
}

static int member_parse(struct behaviour *b, const struct member *m, const cJSON *json, struct err *err)
{
    void *p = place_of(b, m);
    switch (m->type) {
    case MEMBER_BOOL:
        if (!cJSON_IsBool(json))
            return err_set(err, -EINVAL, "%s: true or false is wanted", m->name);
        *(bool *)p = cJSON_IsTrue(json);
        return 0;
    case MEMBER_INT:
    case MEMBER_NUMBER:
        if (!cJSON_IsNumber(json) || !(json->valuedouble >= m->low && json->valuedouble <= m->high))
            return err_set(err, -EINVAL, "%s: a number between %g and %g is wanted", m->name, m->low, m->high);
        if (m->type == MEMBER_INT)
            *(int *)p = (int)json->valuedouble;
        else
            *(double *)p = json->valuedouble;
        return 0;
    case MEMBER_TEXT:
        return parse_text(m, json, p, err);
    case MEMBER_ENUM: {
        int word = find_word(m, json, err);
        if (word < 0)
            return word;
        *(int *)p = word;
        return 0;
    }
    case MEMBER_BITS:
        return parse_bits(m, json, p, err);
    case MEMBER_SPREAD: {
        int r = spread_from_json(json, p, err);
        if (r < 0)
            err_prefix(err, "%s", m->name);
        return r;
    }
    }
    return -EINVAL;
}

static const struct member *find_member(const char *name, struct err *err)
{
    const char *names[ARRAY_LEN(members)];
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (strcmp(members[i].name, name) == 0)
            return &members[i];
        names[i] = members[i].name;
    }
    const char *near = text_nearest(name, names, ARRAY_LEN(members));
    err_set(err, -EINVAL, "no behaviour is called \"%s\"%s%s%s", name, near ? "; did you mean \"" : "", near ? near : "",
            near ? "\"?" : "");
    return NULL;
}

struct behaviour *behaviour_merge(const struct behaviour *base, const cJSON *json, struct err *err)
{
    if (!cJSON_IsObject(json)) {
        err_set(err, -EINVAL, "a behaviour is an object");
        return NULL;
    }
    struct behaviour *b = behaviour_copy(base);
    for (const cJSON *item = json->child; item; item = item->next) {
        const struct member *m = find_member(item->string, err);
        if (m && cJSON_IsNull(item)) {
            member_reset(b, m);
        } else if (!m || member_parse(b, m, item, err) < 0) {
            behaviour_unref(b);
            return NULL;
        }
    }
    return b;
}

static bool is_default(const struct behaviour *b, const struct member *m)
{
    const void *p = place_in(b, m);
    switch (m->type) {
    case MEMBER_BOOL:
        return *(const bool *)p == (m->value != 0);
    case MEMBER_INT:
    case MEMBER_ENUM:
    case MEMBER_BITS:
        return *(const int *)p == (int)m->value;
    case MEMBER_NUMBER:
        return *(const double *)p == m->value;
    case MEMBER_TEXT:
        return !*(char *const *)p;
    case MEMBER_SPREAD:
        return ((const struct spread *)p)->kind == SPREAD_CONSTANT && ((const struct spread *)p)->a == m->value;
    }
    return false;
}

cJSON *behaviour_to_json(const struct behaviour *b, bool all)
{
    cJSON *json = cJSON_CreateObject();
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const struct member *m = &members[i];
        const void *p = place_in(b, m);
        if (!all && is_default(b, m))
            continue;
        switch (m->type) {
        case MEMBER_BOOL:
            json_add_bool(json, m->name, *(const bool *)p);
            break;
        case MEMBER_INT:
            json_add_int(json, m->name, *(const int *)p);
            break;
        case MEMBER_NUMBER:
            json_add_number(json, m->name, *(const double *)p);
            break;
        case MEMBER_TEXT:
            json_add_string(json, m->name, *(char *const *)p);
            break;
        case MEMBER_ENUM:
            json_add_string(json, m->name, m->names[*(const int *)p]);
            break;
        case MEMBER_BITS: {
            cJSON *list = json_add_array(json, m->name);
            for (size_t bit = 0; bit < m->names_len; bit++)
                if (*(const int *)p & 1 << bit)
                    json_add_string(list, NULL, m->names[bit]);
            break;
        }
        case MEMBER_SPREAD:
            cJSON_AddItemToObject(json, m->name, spread_to_json(p));
            break;
        }
    }
    return json;
}
