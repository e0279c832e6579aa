/* See pricing.h.
 *
 * An entry a route, found by its place in the configuration; a reload makes new entries and takes over what the same names had. Whatever may change a price (a list, the
 * reference, a rate, what is charged) ends in put_in_force, the one place from which prices go out, and only when they differ from what went out last.
 *
 * Events: a price of a route that we have is told one by one; of all the other models in a list (hundreds) only who came, went or was renamed, and no more than
 * EVENTS_MOST a list, the rest as a number. */
#include "probed/pricing.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probed/alert/journal.h"
#include "probed/core/accounts.h"
#include "probed/core/pickle.h"
#include "probed/daemon_parts.h"
#include "probed/daemon_parts.h"
#include "shared/alloc.h"
#include "shared/text.h"

#define EVENTS_MOST 20
#define REQUEST_INPUT 1000.0 /* what a change in per cent is reckoned for */
#define REQUEST_OUTPUT 300.0

struct entry {
    char platform[64], model[128], upstream[201];
    size_t platform_at, route_at; /* in the configuration */
    struct route_price price;
    bool told;        /* it went out at least once */
    struct price out; /* what went out last */
};

struct pricing {
    struct daemon *d;
    struct entry *entries;
    size_t len;
    struct entry ***at; /* [platform][route] */
    size_t platforms;
    const struct price_list *reference;
};

static const struct price_figures nothing = {PRICE_UNKNOWN, PRICE_UNKNOWN, PRICE_UNKNOWN, PRICE_UNKNOWN, PRICE_UNKNOWN};

/* --- figures ----------------------------------------------------------------------------------------------------------- */

struct price_figures pricing_convert(const struct daemon *d, const struct price_figures *price, const char *from, const char *to)
{
    const struct exchange *e = &d->exchange;
    const struct config *c = d->world->config;
    return (struct price_figures){
        .input = exchange_known(e, c, price->input, from, to),
        .output = exchange_known(e, c, price->output, from, to),
        .cache_read = exchange_known(e, c, price->cache_read, from, to),
        .cache_write = exchange_known(e, c, price->cache_write, from, to),
        .call = exchange_known(e, c, price->call, from, to),
    };
}

static int64_t times(int64_t pico, double factor)
{
    double product = (double)pico * factor;
    return pico < 0 ? pico : product >= 9e18 ? INT64_MAX : (int64_t)(product + 0.5);
}

static struct price_figures scaled(const struct price_figures *price, double factor)
{
    if (factor == 1)
        return *price;
    return (struct price_figures){times(price->input, factor), times(price->output, factor), times(price->cache_read, factor),
                                  times(price->cache_write, factor), times(price->call, factor)};
}

/* What a usual request costs: for a change in per cent. */
static double request_cost(const struct price_figures *price)
{
    double call = price->call > 0 ? (double)price->call : 0;
    return call + REQUEST_INPUT * (double)(price->input > 0 ? price->input : 0) + REQUEST_OUTPUT * (double)(price->output > 0 ? price->output : 0);
}

const struct price_row *pricing_find(const struct price_list *list, const char *upstream, const char *model)
{
    const struct price_row *row = list ? price_list_find(list, upstream) : NULL;
    const char *bare = strrchr(upstream, '/');
    if (!row && list && bare && list->source == PRICE_SOURCE_LITELLM) /* a router's name for it, and the vendor's own */
        row = price_list_find(list, bare + 1);
    if (!row && list && list->source == PRICE_SOURCE_LITELLM)
        row = price_list_find(list, model);
    return row;
}

/* --- going out --------------------------------------------------------------------------------------------------------- */

static const struct config_route *route_config(const struct pricing *p, const struct entry *e)
{
    return &p->d->world->config->platforms[e->platform_at].routes[e->route_at];
}

const char *pricing_source_name(const struct route_price *price)
{
    static const char *const names[] = {
#define X(id, name) [PRICING_##id] = name,
        PRICING_FROM_TABLE(X)
#undef X
    };
    return price->from == PRICING_FEED ? price_source_name(price->source) : names[price->from];
}

static struct price for_ranker(const struct daemon *d, const struct route_price *price)
{
    const struct price_figures *f = &price->effective;
    struct price out = {.source = pricing_source_name(price)};
    out.known = price->from != PRICING_NONE && (price_known(f) || price->row.free);
    out.input = f->input > 0 ? f->input : 0;
    out.output = f->output > 0 ? f->output : 0;
    out.call = f->call > 0 ? f->call : 0;
    out.at = price->fetched_at > 0 ? price->fetched_at - daemon_wall_offset(d) : 0;
    return out;
}

static bool same_price(const struct price *a, const struct price *b)
{
    return a->known == b->known && a->input == b->input && a->output == b->output && a->call == b->call && a->source == b->source;
}

static void tell_history(const struct pricing *p, const struct entry *e)
{
    struct record record = {.t = loop_now(p->d->loop), .kind = RECORD_PRICE};
    struct price_figures usd = pricing_convert(p->d, &e->price.effective, p->d->world->config->currency, "USD");
    if (!e->out.known)
        return;
    text_copy(record.platform, sizeof record.platform, e->platform, strlen(e->platform));
    text_copy(record.model, sizeof record.model, e->model, strlen(e->model));
    record.price.input = usd.input >= 0 ? usd.input : usd.call >= 0 ? 0 : -1;
    record.price.output = usd.output >= 0 ? usd.output : usd.call >= 0 ? 0 : -1;
    record.price.call = usd.call >= 0 ? usd.call : 0;
    if (record.price.input >= 0)
        history_told(p->d->history, &record);
}

/* Where a route has no word of its list: what is configured, else the reference. */
static void fall_back(const struct pricing *p, struct entry *e)
{
    const struct config_route *route = route_config(p, e);
    struct route_price *price = &e->price;
    const struct price_row *reference = pricing_find(p->reference, route->upstream, route->model);
    if (price->from == PRICING_FEED)
        return;
    price->from = PRICING_NONE;
    price->row = (struct price_row){.price = nothing};
    if (route->price.known) {
        price->from = PRICING_CONFIG;
        bool by_call = route->price.call > 0 && route->price.input == 0 && route->price.output == 0;
        price->row.price.input = by_call ? PRICE_UNKNOWN : route->price.input;
        price->row.price.output = by_call ? PRICE_UNKNOWN : route->price.output;
        price->row.price.call = route->price.call > 0 ? route->price.call : PRICE_UNKNOWN;
        price->row.free = route->price.input == 0 && route->price.output == 0 && route->price.call == 0;
        memcpy(price->currency, route->price.currency, sizeof price->currency);
    } else if (reference && price_known(&reference->price)) {
        price->from = PRICING_REFERENCE;
        price->row = *reference;
        memcpy(price->currency, p->reference->currency, sizeof price->currency);
    }
}

static void put_in_force(struct pricing *p, struct entry *e)
{
    struct daemon *d = p->d;
    struct route_price *price = &e->price;
    const char *reference = d->world->config->currency;
    int id = d->world->route_id[e->platform_at][e->route_at];
    fall_back(p, e);
    price->advertised = price->from == PRICING_NONE ? nothing : pricing_convert(d, &price->row.price, price->currency, reference);
    price->ratio = price->from == PRICING_NONE ? 1 : purse_ratio(d->purse, e->platform_at, e->route_at);
    price->effective = scaled(&price->advertised, price->ratio);
    struct price out = for_ranker(d, price);
    if (!e->told || !same_price(&out, &e->out)) {
        bool first = !e->told;
        e->told = true;
        e->out = out;
        ranker_set_price(d->world->ranker, id, &out, loop_now(d->loop));
        if (!first || price->from == PRICING_FEED)
            tell_history(p, e);
        daemon_touch(d);
    }
    e->out.at = out.at;
    prober_set_price(d->world->prober, e->platform_at, e->route_at, &out);
    purse_priced(d->purse, e->platform_at, e->route_at, price);
}

void pricing_refresh(struct pricing *p, size_t platform)
{
    for (size_t i = 0; i < p->len; i++)
        if (platform == SIZE_MAX || p->entries[i].platform_at == platform)
            put_in_force(p, &p->entries[i]);
}


double pricing_volatility(const struct pricing *p, size_t platform, size_t route)
{
    const struct route_price *price = &p->at[platform][route]->price;
    usec_t watched = price->watched_since > 0 ? loop_wall(p->d->loop) - price->watched_since : 0;
    return watched < PRICING_WATCH_LEAST ? -1 : sqrt(price->moved / ((double)watched / (double)USEC_PER_DAY));
}

bool pricing_by_status(const struct pricing *p, size_t platform)
{
    const struct config_platform *c = &p->d->world->config->platforms[platform];
    for (size_t j = 0; j < c->routes_len && !c->price_feed.currency[0]; j++) {
        const struct route_price *price = &p->at[platform][j]->price;
        bool of_family = price->source == PRICE_SOURCE_NEWAPI || price->source == PRICE_SOURCE_ONEHUB || price->source == PRICE_SOURCE_VOAPI ||
                         price->source == PRICE_SOURCE_SHELLAPI;
        if (price->from == PRICING_FEED && of_family && strcmp(price->currency, "USD") != 0)
            return true;
    }
    return false;
}

const struct route_price *pricing_of(const struct pricing *p, size_t platform, size_t route) { return &p->at[platform][route]->price; }

/* --- what a list says -------------------------------------------------------------------------------------------------- */

static char *say_figures(const struct price_figures *f, const char *currency, char *buf, size_t size)
{
    char input[32], output[32], call[48];
    if (f->input < 0 && f->call >= 0)
        snprintf(buf, size, "%s a call", units_format_money(call, sizeof call, f->call, currency));
    else
        snprintf(buf, size, "%s/%s %s", units_format_price(input, sizeof input, f->input), units_format_price(output, sizeof output, f->output),
                 currency);
    return buf;
}

static void tell_change(const struct pricing *p, const struct entry *e, const struct price_figures *was, const char *was_currency)
{
    char from[80], to[80], percent[40] = "";
    const struct route_price *price = &e->price;
    struct price_figures before = pricing_convert(p->d, was, was_currency, price->currency);
    double a = request_cost(&before), b = request_cost(&price->row.price);
    say_figures(was, was_currency, from, sizeof from);
    say_figures(&price->row.price, price->currency, to, sizeof to);
    if (a > 0)
        snprintf(percent, sizeof percent, " (%+.1f %%)", (b / a - 1) * 100);
    struct log_field fields[] = {{"PROBED_PLATFORM", e->platform}, {"PROBED_MODEL", e->model}, {"PROBED_FROM", from},
                                 {"PROBED_TO", to},                {"PROBED_REASON", percent[0] ? percent + 1 : "price list"}};
    bool by_call = price->row.price.input < 0;
    log_event(LOG_LEVEL_NOTICE, MESSAGE_PRICE, fields, ARRAY_LEN(fields), "%s/%s: price %s -> %s%s%s", e->platform, e->model, from, to,
              by_call ? "" : " per million tokens", percent);
}

static void tell_implausible(const struct entry *e, const struct price_row *row, const char *currency, double off)
{
    char told[80], reason[160];
    say_figures(&row->price, currency, told, sizeof told);
    if (isfinite(off))
        snprintf(reason, sizeof reason, "%s is %.3g times off the reference", told, off);
    else
        snprintf(reason, sizeof reason, "%s: of the list's and the reference's price one is nothing and the other is not", told);
    struct log_field fields[] = {
        {"PROBED_PLATFORM", e->platform}, {"PROBED_MODEL", e->model}, {"PROBED_TO", told}, {"PROBED_REASON", reason}};
    log_event(LOG_LEVEL_WARNING, MESSAGE_IMPLAUSIBLE, fields, ARRAY_LEN(fields), "%s/%s: the price list says %s: not believed",
              e->platform, e->model, reason);
}

static bool near(int64_t a, int64_t b)
{
    int64_t difference = a > b ? a - b : b - a;
    return a == b || (a >= 0 && b >= 0 && (difference <= 1 || (double)difference <= PRICING_TOLERANCE * (double)(a > b ? a : b)));
}

static bool changed(const struct pricing *p, const struct route_price *was, const struct price_row *row, const char *currency)
{
    struct price_figures before = pricing_convert(p->d, &was->row.price, was->currency, currency);
    const struct price_figures *now = &row->price;
    /* A call fee of nothing is none: the configuration's way of saying it and a list's may differ. */
    return !near(before.input, now->input) || !near(before.output, now->output) ||
           !near(before.call > 0 ? before.call : -1, now->call > 0 ? now->call : -1);
}

static double off_reference(const struct pricing *p, const struct entry *e, const struct price_row *row, const char *currency)
{
    const struct config_route *route = route_config(p, e);
    const struct price_row *reference = pricing_find(p->reference, route->upstream, route->model);
    if (!reference || !price_known(&reference->price))
        return 0;
    if (row->free) { /* a 0 by mistake looks the same as a gift: believed where the name says so, or the configuration */
        const struct config_price *own = &route->price;
        bool said = strstr(row->model, ":free") || (own->known && own->input == 0 && own->output == 0 && own->call == 0);
        return said || request_cost(&reference->price) <= 0 ? 0 : HUGE_VAL;
    }
    struct price_figures mine = pricing_convert(p->d, &row->price, currency, p->reference->currency);
    return price_ratio(&mine, &reference->price);
}

/* The list knows the model: is its word good, and is it news? */
static void take_row(struct pricing *p, struct entry *e, const struct price_list *list, const struct price_row *row, usec_t fetched_at)
{
    struct route_price *price = &e->price, was = *price;
    if (!price_known(&row->price) && !row->free)
        return; /* it says that the model exists, not what it costs: the last good price stays */
    price->off_reference = off_reference(p, e, row, list->currency);
    if (price->off_reference >= PRICING_IMPLAUSIBLE) {
        if (!price->implausible)
            tell_implausible(e, row, list->currency, price->off_reference);
        price->implausible = true;
        return;
    }
    price->implausible = false;
    price->from = PRICING_FEED;
    price->source = list->source;
    price->row = *row;
    memcpy(price->currency, list->currency, sizeof price->currency);
    price->fetched_at = fetched_at;
    if (price->watched_since == 0)
        price->watched_since = price->fetched_at;
    if ((was.from != PRICING_FEED && was.from != PRICING_CONFIG) || !changed(p, &was, row, list->currency))
        return;
    tell_change(p, e, &was.row.price, was.currency);
    struct price_figures before = pricing_convert(p->d, &was.row.price, was.currency, list->currency);
    double a = request_cost(&before), b = request_cost(&row->price);
    if (was.from == PRICING_FEED && a > 0 && b > 0 && price->moved < 1e6)
        price->moved += log(b / a) * log(b / a);
}

/* The reference came after the list, or is another one now: is what was believed still good? There is no earlier price to go back to, so the configuration's or the reference's own
 * counts until the list says something else. */
static void judge_again(struct pricing *p, struct entry *e)
{
    struct route_price *price = &e->price;
    if (price->from != PRICING_FEED)
        return;
    price->off_reference = off_reference(p, e, &price->row, price->currency);
    if (price->off_reference < PRICING_IMPLAUSIBLE)
        return;
    if (!price->implausible)
        tell_implausible(e, &price->row, price->currency, price->off_reference);
    price->implausible = true;
    price->from = PRICING_NONE;
}

void pricing_reference(struct pricing *p, const struct price_list *list)
{
    p->reference = list;
    for (size_t i = 0; list && i < p->len; i++)
        judge_again(p, &p->entries[i]);
    pricing_refresh(p, SIZE_MAX);
}

/* Who came and went in the list as a whole. */
struct news {
    struct pricing *p;
    size_t platform;
    unsigned told, more;
};

static bool is_route(const struct news *n, const char *model)
{
    const struct config_platform *c = &n->p->d->world->config->platforms[n->platform];
    for (size_t i = 0; i < c->routes_len; i++)
        if (strcmp(c->routes[i].upstream, model) == 0)
            return true;
    return false;
}

/* A relay may call a model what it likes, also after our key. */
static void add_model(const struct news *n, struct buf *ret, const char *model)
{
    char clean[PRICE_NAME_MAX];
    text_copy(clean, sizeof clean, model, strlen(model));
    collector_hide(n->p->d->world->collector, n->platform, clean);
    text_escape_terminal(ret, clean, strlen(clean), PRICE_NAME_MAX);
}

static void on_change(void *arg, enum price_change change, const struct price_row *was, const struct price_row *is)
{
    struct news *n = arg;
    const char *platform = n->p->d->world->config->platforms[n->platform].name;
    static const char *const words[] = {"changed", "appeared", "gone", "renamed"};
    CLEANUP(buf_done) struct buf name = BUF_INIT;
    CLEANUP(buf_done) struct buf other = BUF_INIT;
    if (change == PRICE_CHANGED) /* those of routes are told by themselves */
        return;
    bool ours = (was && is_route(n, was->model)) || (is && is_route(n, is->model));
    if (!ours && n->told >= EVENTS_MOST) {
        n->more++;
        return;
    }
    n->told += !ours;
    add_model(n, &name, was ? was->model : is->model);
    if (change == PRICE_RENAMED)
        add_model(n, &other, is->model);
    struct log_field fields[] = {{"PROBED_PLATFORM", platform}, {"PROBED_MODEL", buf_str(&name)}, {"PROBED_TO", words[change]},
                                 {"PROBED_REASON", other.len ? buf_str(&other) : "price list"}};
    log_event(ours ? LOG_LEVEL_NOTICE : LOG_LEVEL_INFO, MESSAGE_LISTED, fields, ARRAY_LEN(fields), "%s: %s %s in its price list%s%s", platform,
              buf_str(&name), change == PRICE_GONE ? "is gone" : change == PRICE_RENAMED ? "was renamed" : "appeared", other.len ? ": now " : "",
              buf_str(&other));
}

static void tell_news(struct pricing *p, size_t platform, const struct price_list *before, const struct price_list *list)
{
    struct news n = {.p = p, .platform = platform};
    price_compare(before, list, PRICING_TOLERANCE, on_change, &n);
    if (n.more > 0)
        log_info("%s: %u other models came, went or were renamed in its price list", p->d->world->config->platforms[platform].name, n.more);
}

void pricing_listed(struct pricing *p, size_t platform, const struct price_list *list, const struct price_list *before, usec_t fetched_at)
{
    const struct config_platform *c = &p->d->world->config->platforms[platform];
    if (before)
        tell_news(p, platform, before, list);
    for (size_t j = 0; j < c->routes_len; j++) {
        struct entry *e = p->at[platform][j];
        const struct price_row *row = pricing_find(list, c->routes[j].upstream, c->routes[j].model);
        e->price.listed = row && (price_known(&row->price) || row->free);
        if (row)
            take_row(p, e, list, row, fetched_at);
        put_in_force(p, e);
    }
}

/* --- life -------------------------------------------------------------------------------------------------------------- */

struct pricing *pricing_new(struct daemon *d)
{
    struct pricing *p = alloc_zero(1, sizeof *p);
    p->d = d;
    return p;
}

static void free_places(struct pricing *p)
{
    for (size_t i = 0; i < p->platforms; i++)
        free(p->at[i]);
    free(p->at);
    p->at = NULL;
}

struct pricing *pricing_free(struct pricing *p)
{
    if (!p)
        return NULL;
    free_places(p);
    free(p->entries);
    free(p);
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = strcmp(x->platform, y->platform);
    return order ? order : strcmp(x->model, y->model);
}

static bool has_feed(const struct config_platform *c)
{
    return strcmp(c->price_feed.source, "config") != 0 && strcmp(c->price_feed.source, "none") != 0;
}

void pricing_enter(struct pricing *p)
{
    const struct config *config = p->d->world->config;
    struct entry *old = p->entries;
    size_t old_len = p->len, n = 0;
    if (old_len > 0)
        qsort(old, old_len, sizeof *old, by_name);
    free_places(p);
    p->reference = NULL; /* the collector tells it anew */
    p->platforms = config->platforms_len;
    p->at = alloc_zero(p->platforms + 1, sizeof *p->at);
    for (size_t i = 0; i < p->platforms; i++)
        n += config->platforms[i].routes_len;
    p->entries = alloc_zero(n + 1, sizeof *p->entries);
    p->len = 0;
    for (size_t i = 0; i < p->platforms; i++) {
        const struct config_platform *c = &config->platforms[i];
        p->at[i] = alloc_zero(c->routes_len + 1, sizeof **p->at);
        for (size_t j = 0; j < c->routes_len; j++) {
            struct entry *e = p->at[i][j] = &p->entries[p->len++];
            text_copy(e->platform, sizeof e->platform, c->name, strlen(c->name));
            text_copy(e->model, sizeof e->model, c->routes[j].model, strlen(c->routes[j].model));
            text_copy(e->upstream, sizeof e->upstream, c->routes[j].upstream, strlen(c->routes[j].upstream));
            const struct entry *was = old_len > 0 ? bsearch(e, old, old_len, sizeof *old, by_name) : NULL;
            bool same = was && strcmp(was->upstream, e->upstream) == 0; /* else it is another model's price */
            e->price = same && has_feed(c) ? was->price : (struct route_price){.row = {.price = nothing}, .ratio = 1};
            e->platform_at = i;
            e->route_at = j;
        }
    }
    free(old);
}

/* --- over a restart ---------------------------------------------------------------------------------------------------- */

#define PRICING_VERSION 2

static void figures_pickle(struct pickle *k, struct price_figures *f)
{
    PICKLE(k, &f->input);
    PICKLE(k, &f->output);
    PICKLE(k, &f->cache_read);
    PICKLE(k, &f->cache_write);
    PICKLE(k, &f->call);
}

static void entry_pickle(struct pickle *k, struct entry *e)
{
    struct route_price *price = &e->price;
    uint8_t source = (uint8_t)price->source;
    pickle_text(k, e->platform, sizeof e->platform);
    pickle_text(k, e->model, sizeof e->model);
    pickle_text(k, e->upstream, sizeof e->upstream);
    pickle_below(k, &source, PRICE_SOURCE_COUNT);
    pickle_text(k, price->row.model, sizeof price->row.model);
    figures_pickle(k, &price->row.price);
    pickle_count(k, &price->row.tiers_len, PRICE_TIERS_MAX);
    for (size_t i = 0; i < price->row.tiers_len && pickle_fine(k); i++) {
        PICKLE(k, &price->row.tiers[i].from_tokens);
        figures_pickle(k, &price->row.tiers[i].price);
    }
    PICKLE(k, &price->row.free);
    pickle_text(k, price->currency, sizeof price->currency);
    PICKLE(k, &price->fetched_at);
    PICKLE(k, &price->listed);
    PICKLE(k, &price->implausible);
    pickle_part(k, &price->off_reference, 0, 1e18);
    PICKLE(k, &price->watched_since);
    pickle_part(k, &price->moved, 0, 1e9);
    price->source = (enum price_source)source;
    price->from = PRICING_FEED;
    price->ratio = 1;
}

void pricing_save(const struct pricing *p, struct buf *to)
{
    struct pickle k = {.to = to};
    uint8_t version = PRICING_VERSION;
    size_t n = 0;
    for (size_t i = 0; i < p->len; i++)
        n += p->entries[i].price.from == PRICING_FEED;
    PICKLE(&k, &version);
    pickle_count(&k, &n, SIZE_MAX);
    for (size_t i = 0; i < p->len; i++)
        if (p->entries[i].price.from == PRICING_FEED) {
            struct entry copy = p->entries[i];
            if (!isfinite(copy.price.off_reference))
                copy.price.off_reference = 0;
            entry_pickle(&k, &copy);
        }
}

int pricing_restore(struct pricing *p, const void *data, size_t len)
{
    struct pickle k = {.at = data, .end = (const uint8_t *)data + len, .latest = INT64_MAX / 2};
    uint8_t version = 0;
    size_t n = 0;
    PICKLE(&k, &version);
    pickle_count(&k, &n, (size_t)CONFIG_PLATFORMS_MAX * 64);
    if (!pickle_fine(&k) || version != PRICING_VERSION || n > len)
        return -EINVAL;
    struct entry *entries = alloc_zero(n + 1, sizeof *entries);
    for (size_t i = 0; i < n && pickle_fine(&k); i++)
        entry_pickle(&k, &entries[i]);
    if (!pickle_fine(&k) || k.at != k.end) {
        free(entries);
        return -EINVAL;
    }
    free(p->entries);
    p->entries = entries;
    p->len = n;
    return 0;
}
