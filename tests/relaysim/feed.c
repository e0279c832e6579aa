/* Price feeds: which path is which, what goes wrong with them, and how they are sent (ETag and 304, gzip, slowly).
 *
 * The bodies are made new for each request from the models and prices that hold now, so a change shows at once; the ETag is a hash of the
 * body. Feeds need no key. A fault of the feed lies in the rows (feed_rows), in the body, or in the sending. */
#include "tests/relaysim/feed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/json.h"
#include "tests/relaysim/deflate.h"
#include "tests/relaysim/families.h"

#define HUGE_BYTES  (12 * 1024 * 1024)
#define SLOW_PIECES 16

/* --- which ----------------------------------------------------------------------------------------------------------- */

/* "/v1/models/{author}/{slug}/endpoints" -> "{author}/{slug}" */
static bool find_endpoints(struct asked *a)
{
    static const char start[] = "/v1/models/", end[] = "/endpoints";
    const char *p = strncmp(a->path, "/api/", 5) == 0 ? a->path + 4 : a->path;
    size_t len = strlen(p);
    if (len <= sizeof start + sizeof end - 2 || strncmp(p, start, sizeof start - 1) != 0 || strcmp(p + len - sizeof end + 1, end) != 0)
        return false;
    http_unescape(p + sizeof start - 1, len - sizeof start - sizeof end + 2, a->path_model, sizeof a->path_model);
    a->feed = FEED_OPENROUTER_ENDPOINTS;
    return true;
}

bool feed_find(struct asked *a)
{
    static const struct {
        int family;
        const char *path;
        enum feed_id feed;
    } feeds[] = {{FAMILY_NEWAPI, "/api/pricing", FEED_NEWAPI},
                 {FAMILY_APIYI, "/api/pricing", FEED_NEWAPI},
                 {FAMILY_DMXAPI, "/api/pricing", FEED_RIXAPI},
                 {FAMILY_RIXAPI, "/api/pricing", FEED_RIXAPI},
                 {FAMILY_SHELLAPI, "/api/pricing", FEED_SHELLAPI},
                 {FAMILY_VOAPI, "/api/models/price", FEED_VOAPI},
                 {FAMILY_ONEHUB, "/api/available_model", FEED_ONEHUB},
                 {FAMILY_ONEHUB, "/api/user_group_map", FEED_ONEHUB_GROUPS},
                 {FAMILY_ONEHUB, "/api/prices", FEED_ONEHUB_OLD},
                 {FAMILY_AIHUBMIX, "/api/v1/models", FEED_AIHUBMIX},
                 {FAMILY_ONEAPI, "/api/status", FEED_STATUS},
                 {FAMILY_NEWAPI, "/api/status", FEED_STATUS},
                 {FAMILY_APIYI, "/api/status", FEED_STATUS},
                 {FAMILY_DMXAPI, "/api/status", FEED_STATUS},
                 {FAMILY_RIXAPI, "/api/status", FEED_STATUS},
                 {FAMILY_SHELLAPI, "/api/status", FEED_STATUS},
                 {FAMILY_VOAPI, "/api/status", FEED_STATUS},
                 {FAMILY_ONEHUB, "/api/status", FEED_STATUS},
                 {-1, "/reference.json", FEED_REFERENCE},
                 {-1, "/rates.json", FEED_RATES}};
    for (size_t i = 0; i < ARRAY_LEN(feeds); i++)
        if ((feeds[i].family < 0 || feeds[i].family == a->relay->family) && strcmp(feeds[i].path, a->path) == 0) {
            a->feed = feeds[i].feed;
            return true;
        }
    if (a->relay->family != FAMILY_OPENROUTER)
        return false;
    a->feed = FEED_OPENROUTER;
    return asked_path_is(a, "/models") || find_endpoints(a);
}

/* --- for the writers ------------------------------------------------------------------------------------------------- */

void feed_add_number(double value, struct buf *ret)
{
    buf_printf(ret, "%.12g", value);
}

void feed_add_decimal(double value, struct buf *ret)
{
    char text[64];
    int places = 0;
    do
        snprintf(text, sizeof text, "%.*f", places, value);
    while (places++ < 20 && fabs(strtod(text, NULL) - value) > fabs(value) * 1e-13);
    buf_printf(ret, "\"%s\"", text);
}

static double spoil(const struct feed *f, double price)
{
    return f->fault == FEED_MINUS_ONE ? -1 : f->fault == FEED_ZERO ? 0 : price;
}

static bool charged_by_call(const struct prices *p)
{
    return p->call > 0 && p->input <= 0;
}

static bool listed(const struct feed *f, const char *model)
{
    struct prices p = prices_of(f->relay, model);
    return relay_has_model(f->relay, model) && !relay_behaviour(f->relay, model)->price_hidden && (!f->only_calls || charged_by_call(&p));
}

static void add_row(const struct feed *f, const char *model, double times, feed_row_fn fn, struct buf *ret)
{
    struct feed_row row = {
        .model = model, .p = prices_of(f->relay, model), .b = relay_behaviour(f->relay, model), .told = f->fault != FEED_UNKNOWN};
    row.by_call = charged_by_call(&row.p);
    row.p.input = spoil(f, row.p.input * times);
    row.p.output = spoil(f, row.p.output * times);
    row.p.call = spoil(f, row.p.call * times);
    row.p.cache_read *= row.p.cache_read > 0 ? times : 1;
    row.p.cache_write *= row.p.cache_write > 0 ? times : 1;
    if (f->fault == FEED_MINUS_ONE || f->fault == FEED_ZERO) {
        row.p.cache_read = row.p.cache_write = -1;
        row.p.tier_from = 0;
    }
    fn(f, &row, ret);
}

void feed_rows(const struct feed *f, feed_row_fn fn, struct buf *ret)
{
    const char *model;
    bool some = false;
    for (size_t i = 0; f->fault != FEED_EMPTY && (model = family_listed(f->relay, i)); i++) {
        if (!listed(f, model))
            continue;
        if (some)
            buf_add_char(ret, ',');
        some = true;
        add_row(f, model, 1, fn, ret);
        if (f->fault == FEED_DUPLICATE) {
            buf_add_char(ret, ',');
            add_row(f, model, 2, fn, ret);
        }
    }
}

double feed_ratio(const struct feed *f, double price)
{
    return price < 0 ? price : price / 2 * (f->b->quota_per_unit / 500000) / f->ratio;
}

double feed_call(const struct feed *f, double price)
{
    return price < 0 ? price : price / f->ratio;
}

void feed_add_groups(const struct feed *f, struct buf *ret)
{
    bool vip = strcmp(f->group, "vip") == 0, missing = f->fault == FEED_MISSING_GROUP;
    buf_add_char(ret, '{');
    if (!missing) {
        json_quote(ret, f->group);
        buf_printf(ret, ":%.12g,", f->ratio);
    }
    if (vip)
        buf_printf(ret, "\"default\":%.12g}", f->ratio * 1.25);
    else
        buf_printf(ret, "\"vip\":%.12g}", f->ratio * 0.8);
}

void feed_add_sold(const struct feed *f, const struct feed_row *row, struct buf *ret)
{
    const char *groups = row->b->price_groups;
    buf_add_char(ret, '[');
    if (!groups) {
        json_quote(ret, f->group);
        if (strcmp(f->group, "vip") != 0)
            buf_add_str(ret, ",\"vip\"");
    }
    for (const char *p = groups; p && *p; p += strcspn(p, ","), p += *p == ',') {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(p, ","), p);
        if (p != groups)
            buf_add_char(ret, ',');
        json_quote(ret, name);
    }
    buf_add_char(ret, ']');
}

/* --- sending --------------------------------------------------------------------------------------------------------- */

static void put_slowly(struct asked *a, int status, const char *type, const struct buf *body, const char *more)
{
    struct script *s = &a->x->script;
    put_head(a, status, type, (int64_t)body->len, more);
    for (size_t i = 0, at = 0; i < SLOW_PIECES && !a->head; i++) {
        size_t end = body->len * (i + 1) / SLOW_PIECES;
        buf_add(&s->bytes, body->data + at, end - at);
        at = end;
        if (i + 1 == SLOW_PIECES)
            script_mark(s, MARK_DONE, 0);
        script_cut(s);
        script_after(s, spread_draw(&a->b->feed_gap, &a->relay->random));
    }
    script_cut(s);
}

void feed_put(struct asked *a, int status, const char *type, const struct buf *body, const char *more, bool pack)
{
    CLEANUP(buf_done) struct buf packed = BUF_INIT;
    CLEANUP(buf_done) struct buf head = BUF_INIT;
    buf_add_str(&head, more);
    bool gzip = pack || (a->request->gzip && a->b->feed_gzip);
    if (gzip) {
        deflate_gzip(buf_str(body), body->len, &packed);
        buf_add_str(&head, "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n");
    }
    bool slow = a->resource == RESOURCE_FEED && a->b->feed_fault == FEED_SLOW;
    (slow ? put_slowly : put_whole)(a, status, type, gzip ? &packed : body, buf_str(&head));
}

static void put_feed_error(struct asked *a)
{
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    int status = a->b->feed_error;
    if (a->relay->family == FAMILY_OPENROUTER)
        buf_printf(&body, "{\"error\":{\"code\":%d,\"message\":\"The list is not available\"}}", status);
    else if (status != 429) /* the site's own limiter says nothing */
        buf_add_str(&body, "{\"success\":false,\"message\":\"无权进行此操作\"}");
    put_whole(a, status, body.len ? "application/json; charset=utf-8" : NULL, &body, "");
    snprintf(a->x->record->error, sizeof a->x->record->error, "%s", error_id_name(error_of_status(status)));
    asked_set_how(a, "error");
}

/* False: there is no such thing. */
static bool write_body(const struct feed *f, enum feed_id feed, struct buf *ret)
{
    static void (*const writers[])(const struct feed *f, struct buf *ret) = {[FEED_OPENROUTER] = feed_write_openrouter,
                                                                             [FEED_NEWAPI] = feed_write_newapi,
                                                                             [FEED_STATUS] = feed_write_status,
                                                                             [FEED_ONEHUB] = feed_write_onehub,
                                                                             [FEED_ONEHUB_GROUPS] = feed_write_onehub_groups,
                                                                             [FEED_ONEHUB_OLD] = feed_write_onehub_old,
                                                                             [FEED_VOAPI] = feed_write_voapi,
                                                                             [FEED_RIXAPI] = feed_write_rixapi,
                                                                             [FEED_SHELLAPI] = feed_write_shellapi,
                                                                             [FEED_AIHUBMIX] = feed_write_aihubmix,
                                                                             [FEED_REFERENCE] = feed_write_reference,
                                                                             [FEED_RATES] = feed_write_rates};
    if (feed == FEED_OPENROUTER_ENDPOINTS)
        return feed_write_endpoints(f, ret);
    writers[feed](f, ret);
    return true;
}

static void put_feed(struct asked *a, struct buf *body)
{
    CLEANUP(buf_done) struct buf more = BUF_INIT;
    char etag[32];
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < body->len; i++)
        hash = (hash ^ (unsigned char)body->data[i]) * 0x100000001b3u;
    snprintf(etag, sizeof etag, "\"%016llx\"", (unsigned long long)hash);
    if (a->b->feed_etag)
        buf_printf(&more, "ETag: %s\r\n", etag);
    if (a->feed == FEED_AIHUBMIX)
        buf_add_str(&more, "Cache-Control: max-age=300\r\n");
    asked_set_how(a, "answered");
    if (a->b->feed_etag && strstr(a->request->matches, etag)) {
        CLEANUP(buf_done) struct buf none = BUF_INIT;
        put_whole(a, 304, NULL, &none, buf_str(&more));
    } else {
        feed_put(a, 200, "application/json; charset=utf-8", body, buf_str(&more), false);
    }
}

void feed_answer(struct asked *a)
{
    const struct behaviour *b = a->b;
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    struct feed f = {.relay = a->relay,
                     .b = b,
                     .fault = (enum feed_fault)b->feed_fault,
                     .old = b->feed_version == FEED_OLD,
                     .group = prices_group(b),
                     .ratio = b->price_group_ratio,
                     .model = a->path_model};
    script_at(&a->x->script, spread_draw(&b->feed_delay, &a->relay->random));
    if (b->feed_error && a->feed != FEED_STATUS) {
        put_feed_error(a);
    } else if (f.fault == FEED_HTML && a->feed != FEED_STATUS) {
        family_page(a->relay, &body);
        put_whole(a, 200, "text/html; charset=utf-8", &body, "");
        asked_set_how(a, "answered");
    } else if (!write_body(&f, (enum feed_id)a->feed, &body)) {
        put_error(a, ERROR_NOT_FOUND, false);
    } else {
        for (size_t i = 0; f.fault == FEED_HUGE && i < HUGE_BYTES / 64; i++)
            buf_add_str(&body, "                                                                ");
        if (f.fault == FEED_TRUNCATED)
            body.len /= 2;
        put_feed(a, &body);
    }
}
