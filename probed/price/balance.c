/* The door to balances: the sources by name, what each asks for, and an answer read.
 *
 * Every answer goes the same way: parsed within caps, refused if it says itself that it is an error (which most relays do under HTTP 200),
 * then read by its source, number by number through `take`, the one place where a number becomes money. What fails leaves a balance
 * of which nothing is known, so that nobody can use half of one. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "probed/price/balance_parts.h"
#include "shared/text.h"

/* Seconds since 1970 of the last day that dates are written for. */
#define SECONDS_MAX 253402300799

static const struct {
    const char *name;
    int (*read)(struct balance_reading *r, struct err *err);
} sources[BALANCE_SOURCE_COUNT] = {
    [BALANCE_SOURCE_OPENROUTER] = {"openrouter", balance_openrouter},
    [BALANCE_SOURCE_SILICONFLOW] = {"siliconflow", balance_siliconflow},
    [BALANCE_SOURCE_ONEAPI] = {"oneapi", balance_oneapi},
    [BALANCE_SOURCE_NEWAPI] = {"newapi", balance_newapi},
    [BALANCE_SOURCE_NEWAPI_USER] = {"newapi-user", balance_newapi_user},
    [BALANCE_SOURCE_DMXAPI] = {"dmxapi", balance_dmxapi},
    [BALANCE_SOURCE_AIHUBMIX] = {"aihubmix", balance_aihubmix},
    [BALANCE_SOURCE_APIYI] = {"apiyi", balance_apiyi},
};

const char *balance_source_name(enum balance_source source)
{
    return (size_t)source < ARRAY_LEN(sources) ? sources[source].name : "?";
}

int balance_source_from_name(const char *name)
{
    for (int i = 0; name && i < BALANCE_SOURCE_COUNT; i++)
        if (strcmp(sources[i].name, name) == 0)
            return i;
    return -1;
}

const char *balance_scope_name(enum balance_scope scope)
{
    static const char *const names[] = {"account", "key", "either"};
    return (size_t)scope < ARRAY_LEN(names) ? names[scope] : "?";
}

/* --- what a source asks for --------------------------------------------------------------------------------------------- */

#define STATUS                                                                                                                             \
    {                                                                                                                                      \
        .part = BALANCE_STATUS, .path = "/api/status", .auth = BALANCE_OPEN, .may_be_refused = true                                        \
    }

static const struct balance_request openrouter[] = {
    {.part = BALANCE_MAIN, .path = "/key", .at_base = true, .auth = BALANCE_BEARER, .platform_key = true},
    {.part = BALANCE_MORE, .path = "/credits", .at_base = true, .auth = BALANCE_BEARER, .may_be_refused = true},
};
static const struct balance_request siliconflow[] = {{.part = BALANCE_MAIN, .path = "/user/info", .at_base = true, .auth = BALANCE_BEARER}};
static const struct balance_request oneapi[] = {
    STATUS,
    {.part = BALANCE_MAIN, .path = "/v1/dashboard/billing/subscription", .auth = BALANCE_BEARER},
    {.part = BALANCE_MORE, .path = "/v1/dashboard/billing/usage", .auth = BALANCE_BEARER},
};
static const struct balance_request newapi[] = {
    STATUS,
    {.part = BALANCE_MAIN, .path = "/api/usage/token/", .auth = BALANCE_BEARER},
};
static const struct balance_request newapi_user[] = {
    STATUS,
    {.part = BALANCE_MAIN, .path = "/api/user/self", .auth = BALANCE_BEARER},
};
static const struct balance_request dmxapi[] = {{.part = BALANCE_MAIN, .path = "/api/token/key/{key}", .auth = BALANCE_IN_PATH}};
static const struct balance_request user_self_bare[] = {{.part = BALANCE_MAIN, .path = "/api/user/self", .auth = BALANCE_BARE}};

const struct balance_request *balance_requests(enum balance_source source, size_t *ret_len)
{
#define LIST(list) (*ret_len = ARRAY_LEN(list), list)
    switch (source) {
    case BALANCE_SOURCE_OPENROUTER:
        return LIST(openrouter);
    case BALANCE_SOURCE_SILICONFLOW:
        return LIST(siliconflow);
    case BALANCE_SOURCE_ONEAPI:
        return LIST(oneapi);
    case BALANCE_SOURCE_NEWAPI:
        return LIST(newapi);
    case BALANCE_SOURCE_NEWAPI_USER:
        return LIST(newapi_user);
    case BALANCE_SOURCE_DMXAPI:
        return LIST(dmxapi);
    case BALANCE_SOURCE_AIHUBMIX:
    case BALANCE_SOURCE_APIYI:
        return LIST(user_self_bare);
    case BALANCE_SOURCE_COUNT:
        break;
    }
#undef LIST
    *ret_len = 0;
    return NULL;
}

/* --- numbers ------------------------------------------------------------------------------------------------------------ */

static const char *last_name(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

/* ret_owed: how much it is below zero; NULL = it must not be. */
static int take(const struct balance_reading *r, enum balance_part part, const char *path, const struct measure *measure, bool needed,
                int64_t *ret, int64_t *ret_owed, struct err *err)
{
    const cJSON *item = r->json[part] ? json_at(r->json[part], path) : NULL;
    const char *name = last_name(path);
    char text[DECIMAL_MAX];
    int64_t whole;
    *ret = BALANCE_UNKNOWN;
    if (!item || cJSON_IsNull(item))
        return needed ? err_set(err, -EINVAL, "%s is not told", name) : 0;
    /* Text that does not fit would be cut to another number. */
    const char *string = cJSON_GetStringValue(item);
    if ((string && strlen(string) >= sizeof text) || !json_text(item, "", text, sizeof text))
        return err_set(err, -EINVAL, "%s is no number", name);
    int e = units_parse_decimal(text, 1, &whole);
    if (e == -EINVAL)
        return err_set(err, -EINVAL, "%s is no number", name);
    bool negative = text[0] == '-';
    if (negative && !ret_owed)
        return err_set(err, -EINVAL, "%s is negative", name);
    const char *const factors[] = {text + negative, measure->rate, r->scale};
    int64_t money = e == 0 ? exact_product(factors, ARRAY_LEN(factors), measure->scale, measure->divisor) : PRICE_UNKNOWN;
    if (money < 0)
        return err_set(err, -EINVAL, "%s is beyond all reason", name);
    *ret = negative ? 0 : money;
    if (negative)
        *ret_owed = money;
    return 0;
}

int balance_take(const struct balance_reading *r, enum balance_part part, const char *path, const struct measure *measure, bool needed,
                 int64_t *ret, struct err *err)
{
    return take(r, part, path, measure, needed, ret, NULL, err);
}

int balance_take_left(const struct balance_reading *r, enum balance_part part, const char *path, const struct measure *measure, bool needed,
                      int64_t *ret_left, int64_t *ret_owed, struct err *err)
{
    *ret_owed = 0;
    return take(r, part, path, measure, needed, ret_left, ret_owed, err);
}

int64_t balance_step(const struct balance_reading *r, const char *text, const struct measure *measure)
{
    const char *const factors[] = {text, measure->rate, r->scale};
    int64_t step = exact_product(factors, ARRAY_LEN(factors), measure->scale, measure->divisor);
    return step > 0 ? step : 1;
}

static bool is_currency(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len < CURRENCY_MAX && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == len;
}

int balance_currency(const struct balance_reading *r, const char *usual, struct err *err)
{
    const char *name = r->context->currency && r->context->currency[0] ? r->context->currency : usual;
    if (!is_currency(name))
        return err_set(err, -EINVAL, "\"%.20s\" is no currency", name);
    strcpy(r->balance->currency, name);
    return 0;
}

usec_t balance_expiry(const cJSON *json, const char *path)
{
    int64_t seconds;
    return json_int(json, path, &seconds) && seconds > 0 && seconds <= SECONDS_MAX ? seconds * USEC_PER_SEC : 0;
}

/* --- answers ------------------------------------------------------------------------------------------------------------ */

void balance_words(const cJSON *json, const char *path, struct buf *ret)
{
    const char *said = json_string(json, path);
    if (said)
        text_escape_terminal(ret, said, strlen(said), 100);
}

/* An answer that says itself that it is none: {"error"}, {"success":false}, {"code":false}, or nothing but words. */
static int refused(const cJSON *json, struct err *err)
{
    bool success = true, code = true;
    CLEANUP(buf_done) struct buf words = BUF_INIT;
    const cJSON *error = json_at(json, "error");
    json_bool(json, "success", &success);
    json_bool(json, "code", &code);
    if (cJSON_IsString(json))
        balance_words(json, "", &words);
    else if (!cJSON_IsObject(json))
        return err_set(err, -EINVAL, "an object was expected");
    else if (error && !cJSON_IsNull(error))
        balance_words(json, cJSON_IsObject(error) ? "error.message" : "error", &words);
    else if (!success || !code)
        balance_words(json, "message", &words);
    else
        return 0;
    return err_set(err, -EINVAL, "the relay answers with an error%s%s", words.len > 0 ? ": " : "", buf_str(&words));
}

static int parse(struct balance_reading *r, const struct balance_answer *answers, struct err *err)
{
    static const char *const names[] = {[BALANCE_MAIN] = "", [BALANCE_MORE] = "second answer", [BALANCE_STATUS] = "/api/status"};
    if (!answers[BALANCE_MAIN].body)
        return err_set(err, -EINVAL, "there is no answer");
    for (int i = 0; i < BALANCE_PARTS; i++) {
        if (!answers[i].body)
            continue;
        int e = 0;
        if (answers[i].len > BALANCE_BODY_MAX)
            e = err_set(err, -EINVAL, "%zu bytes are too many for a balance", answers[i].len);
        else if (!(r->json[i] = json_parse(answers[i].body, answers[i].len, err)))
            e = -EINVAL;
        else
            e = refused(r->json[i], err);
        if (e < 0) {
            if (names[i][0])
                err_prefix(err, "%s", names[i]);
            return e;
        }
    }
    return 0;
}

static struct balance nothing_known(enum balance_source source)
{
    return (struct balance){.source = source,
                            .left = BALANCE_UNKNOWN,
                            .used = BALANCE_UNKNOWN,
                            .granted = BALANCE_UNKNOWN,
                            .gift = BALANCE_UNKNOWN,
                            .key_used = BALANCE_UNKNOWN,
                            .unit = 1};
}

int balance_read(enum balance_source source, const struct balance_answer *answers, const struct balance_context *context,
                 struct balance *ret, struct err *err)
{
    static const struct balance_context nothing = {.currency = NULL};
    struct balance_reading r = {.context = context ? context : &nothing, .balance = ret, .scale = "1"};
    *ret = nothing_known(source);
    if ((size_t)source >= BALANCE_SOURCE_COUNT)
        return err_set(err, -EINVAL, "there is no such source");
    double scale = r.context->scale;
    if (!isfinite(scale) || scale < 0)
        return err_set(err, -EINVAL, "the scale is none");
    if (scale > 0)
        json_format_number(r.scale, sizeof r.scale, scale);
    int e = parse(&r, answers, err);
    if (e == 0)
        e = sources[source].read(&r, err);
    for (int i = 0; i < BALANCE_PARTS; i++)
        cJSON_Delete(r.json[i]);
    if (e < 0)
        *ret = nothing_known(source);
    return e;
}
