/* The rounds of a price feed: /api/status where the scale depends on it, one-hub's groups where the prices depend on them, then the list,
 * from the first place that has one.
 *
 * Places: where a source usually has its list. "auto" has several: they are tried in their order until one gives a list; that one is
 * remembered, and the search begins anew only after it has failed some times. What is not there (404, a web page, something else) leads to
 * the next place; no answer at all, or "too many requests", ends the round.
 *
 * No key is sent unless the list is refused without one; then it is, from then on. If-None-Match is sent when everything beside the list
 * (where it is, scale, groups) is as it was when that list was read: else the same list gives other prices.
 *
 * OpenRouter's endpoints, which are asked for model by model: collect_endpoints.c. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probed/price/collector_parts.h"
#include "shared/alloc.h"

#define GROUPS_BODY_MAX ((size_t)256 * 1024)
#define NONE_GOOD_FOR   USEC_PER_HOUR
#define LOST_AFTER      3 /* bad rounds in a row, and the remembered place is searched anew */

struct place {
    enum price_source source;
    const char *path;
    bool at_base;
};

/* The first is that of RixAPI and Shell API as well. */
static const struct place places[] = {
    {.source = PRICE_SOURCE_NEWAPI, .path = "/api/pricing"},
    {.source = PRICE_SOURCE_AIHUBMIX, .path = "/api/v1/models"},
    {.source = PRICE_SOURCE_OPENROUTER, .path = "/models", .at_base = true},
    {.source = PRICE_SOURCE_ONEHUB, .path = "/api/available_model"},
    {.source = PRICE_SOURCE_ONEHUB, .path = "/api/prices"},
    {.source = PRICE_SOURCE_VOAPI, .path = "/api/models/price"},
};

static void ask_next(struct feed *f);
static void ask_list(struct feed *f);

struct price_feed *price_feed_new(enum price_source source)
{
    struct price_feed *p = alloc_zero(1, sizeof *p);
    p->source = source;
    p->found = -1;
    p->shape = PRICE_SOURCE_AUTO;
    return p;
}

void price_end(struct feed *f)
{
    struct price_feed *p = f->price;
    buf_done(&p->groups);
    p->joining = price_joining_free(p->joining);
}

struct price_feed *price_feed_free(struct price_feed *p)
{
    free(p);
    return NULL;
}

const char *price_feed_shape(const struct feed *f)
{
    const struct price_feed *p = f->price;
    enum price_source shape = p->source == PRICE_SOURCE_AUTO ? p->shape : p->source;
    return shape == PRICE_SOURCE_AUTO ? NULL : price_source_name(shape);
}

static const struct config_source *configured(const struct feed *f)
{
    return &f->site->config->price_feed;
}

/* --- places ------------------------------------------------------------------------------------------------------------- */

static bool is_family(enum price_source source)
{
    return source == PRICE_SOURCE_NEWAPI || source == PRICE_SOURCE_ONEHUB || source == PRICE_SOURCE_VOAPI ||
           source == PRICE_SOURCE_RIXAPI || source == PRICE_SOURCE_SHELLAPI;
}

static bool is_place_of(const struct place *place, enum price_source source)
{
    if (source == PRICE_SOURCE_AUTO)
        return true;
    return strcmp(place->path, price_source_path(source)) == 0 || place->source == source;
}

/* The next place from `from` on where the source may be; -1 = none. With a URL configured there is only one. */
static int next_place(const struct feed *f, int from)
{
    if (configured(f)->url)
        return from == 0 ? 0 : -1;
    for (int i = from; i < (int)ARRAY_LEN(places); i++)
        if (is_place_of(&places[i], f->price->source))
            return i;
    return -1;
}

static void list_url(const struct feed *f, struct buf *ret, bool *ret_foreign)
{
    const struct place *place = &places[f->price->place];
    *ret_foreign = false;
    if (configured(f)->url) {
        site_url(f->site, configured(f)->url, ret, ret_foreign);
        return;
    }
    if (place->at_base)
        site_base(f->site, ret);
    else
        site_root(f->site, ret);
    buf_add_str(ret, place->path);
}

/* Which shape the list at this place has, as far as it is known before it is read. */
static enum price_source expected(const struct feed *f)
{
    const struct price_feed *p = f->price;
    if (p->source != PRICE_SOURCE_AUTO)
        return p->source;
    return configured(f)->url || p->found >= 0 ? p->shape : places[p->place].source;
}

/* --- what is beside the list -------------------------------------------------------------------------------------------- */

struct price_context price_feed_context(const struct feed *f)
{
    const struct config_source *config = configured(f);
    const struct site *site = f->site;
    struct price_context context = {
        .group = config->group,
        .currency = config->currency[0] ? config->currency : NULL,
        .quota_per_unit = config->quota_per_unit,
        .group_ratio = config->group_ratio,
    };
    if (site->status[0]) {
        context.status = site->status;
        context.status_len = strlen(site->status);
    }
    if (f->price->groups.len > 0) {
        context.groups = buf_str(&f->price->groups);
        context.groups_len = f->price->groups.len;
    }
    return context;
}

static bool is_sought(const struct feed *f)
{
    return f->price->source == PRICE_SOURCE_AUTO && f->price->found < 0;
}

bool price_feed_has_status(const struct feed *f)
{
    const struct price_feed *p = f->price;
    enum price_source source = p->source == PRICE_SOURCE_AUTO ? p->shape : p->source;
    return is_family(source) && !(configured(f)->currency[0] && configured(f)->quota_per_unit > 0);
}

static bool wants_status(const struct feed *f)
{
    bool may_be_family = is_sought(f) && !(configured(f)->currency[0] && configured(f)->quota_per_unit > 0);
    if (!may_be_family && !price_feed_has_status(f))
        return false;
    /* A site that has none has none for an hour. */
    bool has_none = f->site->status_at >= 0 && !f->site->status[0];
    return !has_none || loop_now(f->c->loop) - f->site->status_at >= NONE_GOOD_FOR;
}

/* Nothing could be sent. */
static void not_sent(struct feed *f, const struct err *err)
{
    feed_bad(f, err->text, 0, false);
}

static void on_status(void *arg, const struct told *told)
{
    struct feed *f = arg;
    struct err err = {""};
    int e = site_status(f->site, told, &err);
    bool answered = told->kind == TOLD_OK || told->kind == TOLD_DENIED || told->kind == TOLD_ABSENT;
    if (e < 0 && is_sought(f) && answered) /* it may be no site of the family: the list will show */
        text_copy(f->price->statusless, sizeof f->price->statusless, err.text, strlen(err.text));
    else if (e < 0) {
        feed_bad(f, err.text, told->retry_after, told->kind != TOLD_LIMITED);
        return;
    }
    ask_next(f);
}

static void ask_status(struct feed *f)
{
    CLEANUP(buf_done) struct buf url = BUF_INIT;
    struct err err = {""};
    site_root(f->site, &url);
    buf_add_str(&url, "/api/status");
    struct question q = {.url = buf_str(&url), .max_body = BALANCE_BODY_MAX, .probe = PROBE_PRICE};
    if (asking_send(&f->asking, &q, on_status, f, &err) < 0)
        not_sent(f, &err);
}

static void on_groups(void *arg, const struct told *told)
{
    struct feed *f = arg;
    f->price->groups_asked = true;
    if (told->kind == TOLD_OK)
        asking_keep(&f->asking, &f->price->groups);
    if (told->kind == TOLD_LIMITED || told->kind == TOLD_BROKEN || told->kind == TOLD_UNREACHED)
        feed_told(f, told);
    else
        ask_list(f);
}

static void ask_groups(struct feed *f)
{
    CLEANUP(buf_done) struct buf url = BUF_INIT;
    struct err err = {""};
    site_root(f->site, &url);
    buf_add_str(&url, "/api/user_group_map");
    struct question q = {.url = buf_str(&url), .max_body = GROUPS_BODY_MAX, .probe = PROBE_PRICE};
    if (asking_send(&f->asking, &q, on_groups, f, &err) < 0)
        not_sent(f, &err);
}

/* --- the end of a round ------------------------------------------------------------------------------------------------- */

static int64_t scaled(int64_t figure, double scale)
{
    if (figure <= 0)
        return figure;
    long double value = roundl((long double)figure * scale);
    return value < 0x1p63L ? (int64_t)value : PRICE_UNKNOWN;
}

static void scale_figures(struct price_figures *p, double scale)
{
    p->input = scaled(p->input, scale);
    p->output = scaled(p->output, scale);
    p->cache_read = scaled(p->cache_read, scale);
    p->cache_write = scaled(p->cache_write, scale);
    p->call = scaled(p->call, scale);
}

/* A correction that was configured; the hash is of the prices with it. */
static void scale_list(struct price_list *list, double scale)
{
    if (scale <= 0 || scale == 1 || !isfinite(scale))
        return;
    for (size_t i = 0; i < list->len; i++) {
        scale_figures(&list->rows[i].price, scale);
        for (size_t j = 0; j < list->rows[i].tiers_len; j++)
            scale_figures(&list->rows[i].tiers[j].price, scale);
    }
    uint64_t bits;
    memcpy(&bits, &scale, sizeof bits);
    list->revision ^= bits * 0x9E3779B97F4A7C15u;
}

static bool names_show_key(const struct feed *f, const struct price_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        if (keys_shown(f->site, list->rows[i].model) || keys_shown(f->site, list->rows[i].provider))
            return true;
    return false;
}

void price_feed_take(struct feed *f, struct price_list *list)
{
    struct price_feed *p = f->price;
    struct collector *c = f->c;
    if (p->with_key && names_show_key(f, list)) {
        price_list_done(list);
        feed_bad(f, "the list has our key in a name", 0, false);
        return;
    }
    scale_list(list, configured(f)->scale);
    p->found = p->place;
    p->shape = list->source;
    p->context = p->context_now;
    p->keyed = p->with_key;
    strcpy(f->etag, p->etag_now);
    struct price_list before = f->list;
    bool first = f->fetched_at < 0;
    bool changed = first || before.revision != list->revision || before.len != list->len || strcmp(before.currency, list->currency) != 0;
    f->list = *list;
    feed_good(f, changed);
    if (c->owner.priced)
        c->owner.priced(c->owner.arg, f->site->index, &f->list, first ? NULL : changed ? &before : &f->list);
    price_list_done(&before);
}

static void same_list(struct feed *f)
{
    struct collector *c = f->c;
    feed_good(f, false);
    if (c->owner.priced)
        c->owner.priced(c->owner.arg, f->site->index, &f->list, &f->list);
}

/* It is not at this place: on to the next, or the round is over. Of several reasons the most telling is told: that a list was refused or
 * that its place is broken says more than that there is a web page. told: NULL = what was read is no list. */
static void not_here(struct feed *f, const char *why, const struct told *told)
{
    struct price_feed *p = f->price;
    int next = p->found >= 0 ? -1 : next_place(f, p->place + 1);
    bool several = p->found < 0 && p->place > next_place(f, 0);
    bool broken = told && told->kind == TOLD_BROKEN, telling = broken || (told && told->kind == TOLD_DENIED);
    if (!p->telling[0] && (telling || next < 0))
        text_copy(p->telling, sizeof p->telling, why, strlen(why));
    p->hurry = p->hurry || broken;
    if (next >= 0) {
        p->place = next;
        p->with_key = p->keyed;
        ask_next(f);
        return;
    }
    if (p->found >= 0 && f->fails + 1 >= LOST_AFTER)
        p->found = -1;
    char all[2 * COLLECTOR_WHY_MAX];
    snprintf(all, sizeof all, "%s%s", several ? "no list of prices at any of the usual places: " : "", p->telling);
    feed_bad(f, all, told ? told->retry_after : 0, p->hurry);
}

/* --- the list ----------------------------------------------------------------------------------------------------------- */

static void on_list_read(struct feed *f, struct price_list *list, struct err *err)
{
    struct price_feed *p = f->price;
    if (!list) {
        not_here(f, err->text, NULL);
        return;
    }
    if (list->source == PRICE_SOURCE_ONEHUB && !p->groups_asked && !configured(f)->group_ratio) { /* who would have thought */
        p->shape = PRICE_SOURCE_ONEHUB;
        price_list_done(list);
        ask_groups(f);
        return;
    }
    if (p->statusless[0] && is_family(list->source)) {
        price_list_done(list);
        feed_bad(f, p->statusless, 0, true);
        return;
    }
    price_feed_take(f, list);
}

static void on_list(void *arg, const struct told *told)
{
    struct feed *f = arg;
    struct price_feed *p = f->price;
    switch (told->kind) {
    case TOLD_SAME:
        same_list(f);
        break;
    case TOLD_OK:
        strcpy(p->etag_now, told->etag);
        asking_keep(&f->asking, &f->body);
        feed_read(f, p->source, on_list_read);
        break;
    case TOLD_DENIED:
        if (!p->with_key && f->site->key && !f->asking.foreign) {
            p->with_key = true;
            ask_list(f);
            break;
        }
        not_here(f, told->why, told);
        break;
    case TOLD_ABSENT:
    case TOLD_BROKEN:
        not_here(f, told->why, told);
        break;
    case TOLD_LIMITED:
    case TOLD_UNREACHED:
        feed_told(f, told);
        break;
    }
}

static void ask_list(struct feed *f)
{
    struct price_feed *p = f->price;
    CLEANUP(buf_done) struct buf url = BUF_INIT;
    struct err err = {""};
    bool foreign;
    list_url(f, &url, &foreign);
    p->context_now = schedule_hash(buf_str(&url)) ^ schedule_hash(f->site->status) * 3 ^ schedule_hash(buf_str(&p->groups)) * 5;
    bool with_key = p->with_key && !foreign;
    struct question q = {
        .url = buf_str(&url),
        .auth = with_key ? ASK_BEARER : ASK_OPEN,
        .key = f->site->key,
        .etag = f->fetched_at >= 0 && p->context == p->context_now ? f->etag : NULL,
        .max_body = PRICE_BODY_MAX,
        .foreign = foreign,
        .probe = PROBE_PRICE,
    };
    if (asking_send(&f->asking, &q, on_list, f, &err) < 0)
        not_sent(f, &err);
}

static void ask_next(struct feed *f)
{
    if (f->price->source == PRICE_SOURCE_OPENROUTER_ENDPOINTS)
        endpoints_ask(f);
    else if (expected(f) == PRICE_SOURCE_ONEHUB && !configured(f)->group_ratio && !f->price->groups_asked)
        ask_groups(f);
    else
        ask_list(f);
}

void price_begin(struct feed *f)
{
    struct price_feed *p = f->price;
    p->place = p->found >= 0 ? p->found : next_place(f, 0);
    p->with_key = p->keyed;
    p->etag_now[0] = p->telling[0] = p->statusless[0] = '\0';
    p->hurry = false;
    p->groups_asked = false;
    p->route = 0;
    p->asked = 0;
    if (p->place < 0)
        p->place = 0;
    if (wants_status(f))
        ask_status(f);
    else
        ask_next(f);
}
