/* The collector: its sites and feeds, made, taken over from a former collector, reported, freed.
 *
 * A reload makes a new collector from the new configuration and hands it the old one. A feed goes over as it is, with its list, its plan,
 * its ETag and even the request or the reading that runs, if it asks the same thing of the same place with the same key; else it begins
 * anew, and the old one dies with the old collector. Configuration strings belong to the configuration: what goes over points to none of
 * the old. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probed/price/collector_parts.h"
#include "shared/alloc.h"

#define STARTUP_PRICE   (5 * USEC_PER_SEC)
#define STARTUP_BALANCE (10 * USEC_PER_SEC)
#define STARTUP_FETCH   (3 * USEC_PER_SEC)

const char *collector_kind_name(enum collector_kind kind)
{
    static const char *const names[COLLECT_COUNT] = {"price", "balance", "reference", "rates", "charge"};
    return (size_t)kind < COLLECT_COUNT ? names[kind] : "?";
}

const char *collector_state_name(enum collector_state state)
{
    static const char *const names[] = {"none", "config", "pending", "ok", "stale", "failed"};
    return (size_t)state < ARRAY_LEN(names) ? names[state] : "?";
}

/* --- what is the same ---------------------------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_source(const struct config_source *a, const struct config_source *b)
{
    return same_text(a->source, b->source) && same_text(a->url, b->url) && same_text(a->group, b->group) &&
           same_text(a->group_ratio, b->group_ratio) && strcmp(a->currency, b->currency) == 0 && a->quota_per_unit == b->quota_per_unit &&
           a->scale == b->scale && same_text(a->user, b->user) && same_text(a->user_header, b->user_header);
}

/* OpenRouter's endpoints are asked for by the routes that are configured. */
static bool same_routes(const struct config_platform *a, const struct config_platform *b)
{
    if (a->routes_len != b->routes_len)
        return false;
    for (size_t i = 0; i < a->routes_len; i++)
        if (strcmp(a->routes[i].upstream, b->routes[i].upstream) != 0)
            return false;
    return true;
}

static bool same_fetch(const struct config_fetch *a, const struct config_fetch *b)
{
    return same_text(a->url, b->url) && same_text(a->file, b->file);
}

/* --- feeds --------------------------------------------------------------------------------------------------------------- */

static struct feed *adopt(struct feed **from, struct collector *c, struct site *site)
{
    struct feed *f = *from;
    *from = NULL;
    feed_move(f, c, site);
    return f;
}

static void make_price(struct site *site, struct site *old)
{
    const struct config_source *config = &site->config->price_feed;
    int source = price_source_from_name(config->source);
    if (source < 0 || source == PRICE_SOURCE_LITELLM)
        return;
    bool same = old && old->price && same_source(&old->config->price_feed, config) &&
                (source != PRICE_SOURCE_OPENROUTER_ENDPOINTS || same_routes(old->config, site->config));
    if (same) {
        site->price = adopt(&old->price, site->c, site);
        return;
    }
    site->price = feed_new(site->c, site, COLLECT_PRICE, site->config->name);
    site->price->price = price_feed_new((enum price_source)source);
}

static void make_balance(struct site *site, struct site *old)
{
    const struct config_source *config = &site->config->balance_feed;
    int source = balance_source_from_name(config->source);
    if (source < 0)
        return;
    if (old && old->balance && same_source(&old->config->balance_feed, config)) {
        site->balance = adopt(&old->balance, site->c, site);
        return;
    }
    site->balance = feed_new(site->c, site, COLLECT_BALANCE, site->config->name);
    site->balance->balance = balance_feed_new((enum balance_source)source);
}

static struct site *find_site(struct collector *c, const char *name)
{
    for (size_t i = 0; c && i < c->sites_len; i++)
        if (strcmp(c->sites[i].config->name, name) == 0)
            return &c->sites[i];
    return NULL;
}

static void make_site(struct collector *c, size_t index, struct collector *from)
{
    struct site *site = &c->sites[index];
    site_init(site, c, index);
    struct site *old = find_site(from, site->config->name);
    if (old && !site_same(old, site))
        old = NULL;
    if (old) {
        strcpy(site->status, old->status);
        site->status_at = old->status_at;
        site->status_expected = old->status_expected;
        site->status_lost = old->status_lost;
        site->desk = old->desk;
        old->desk = NULL;
        if (site->desk)
            desk_move(site->desk, c, site);
    }
    make_price(site, old);
    make_balance(site, old);
}

static void make_fetches(struct collector *c, struct collector *old)
{
    const struct config *now = c->config, *was = old ? old->config : NULL;
    if (now->price_reference.url || now->price_reference.file) {
        if (old && old->reference && same_fetch(&was->price_reference, &now->price_reference))
            c->reference = adopt(&old->reference, c, NULL);
        else
            c->reference = feed_new(c, NULL, COLLECT_REFERENCE, "");
    }
    if (now->rate_source.url) {
        if (old && old->rates && same_fetch(&was->rate_source, &now->rate_source) && strcmp(was->currency, now->currency) == 0)
            c->rates = adopt(&old->rates, c, NULL);
        else
            c->rates = feed_new(c, NULL, COLLECT_RATES, "");
    }
}

/* --- the collector ------------------------------------------------------------------------------------------------------- */

struct collector *collector_new(struct loop *loop, struct http *http, struct config *config, const struct collector_owner *owner,
                                struct collector *old, uint64_t seed)
{
    struct collector *c = alloc_zero(1, sizeof *c);
    c->loop = loop;
    c->http = http;
    c->config = config_ref(config);
    c->owner = *owner;
    c->random = old ? old->random : seed;
    TAILQ_INIT(&c->waiting);
    c->pump = loop_timer_new(loop, "feeds", errands_pump, c);
    if (old) {
        c->stats = old->stats;
        c->stats.running = c->stats.waiting = 0;
    }
    c->sites_len = config->platforms_len;
    c->sites = alloc_zero(c->sites_len + 1, sizeof *c->sites);
    for (size_t i = 0; i < c->sites_len; i++)
        make_site(c, i, old);
    make_fetches(c, old);
    return c;
}

struct collector *collector_free(struct collector *c)
{
    if (!c)
        return NULL;
    for (size_t i = 0; i < c->sites_len; i++)
        site_done(&c->sites[i]);
    feed_free(c->reference);
    feed_free(c->rates);
    loop_timer_free(c->pump);
    free(c->sites);
    config_unref(c->config);
    free(c);
    return NULL;
}

void collector_start(struct collector *c)
{
    for (size_t i = 0; i < c->sites_len; i++) {
        if (c->sites[i].price)
            feed_start(c->sites[i].price, STARTUP_PRICE);
        if (c->sites[i].balance)
            feed_start(c->sites[i].balance, STARTUP_BALANCE);
    }
    if (c->reference)
        feed_start(c->reference, STARTUP_FETCH);
    if (c->rates)
        feed_start(c->rates, STARTUP_FETCH);
}

void collector_hide(const struct collector *c, size_t platform, char *text)
{
    if (platform < c->sites_len)
        keys_hide(&c->sites[platform], text);
}

void collector_kick(struct collector *c, size_t platform)
{
    for (size_t i = 0; i < c->sites_len; i++) {
        if (platform != COLLECTOR_NO_PLATFORM && platform != i)
            continue;
        feed_kick(c->sites[i].price);
        feed_kick(c->sites[i].balance);
    }
    if (platform != COLLECTOR_NO_PLATFORM)
        return;
    feed_kick(c->reference);
    feed_kick(c->rates);
}

/* --- reports ------------------------------------------------------------------------------------------------------------- */

static const struct feed *find_feed(const struct collector *c, size_t platform, enum collector_kind kind)
{
    if (kind == COLLECT_REFERENCE)
        return c->reference;
    if (kind == COLLECT_RATES)
        return c->rates;
    if (platform >= c->sites_len)
        return NULL;
    return kind == COLLECT_PRICE ? c->sites[platform].price : kind == COLLECT_BALANCE ? c->sites[platform].balance : NULL;
}

static const char *source_name(const struct collector *c, size_t platform, enum collector_kind kind)
{
    if (kind == COLLECT_REFERENCE)
        return "litellm";
    if (kind == COLLECT_RATES)
        return "rates";
    if (platform >= c->sites_len)
        return "none";
    const struct config_platform *config = c->sites[platform].config;
    const char *name = kind == COLLECT_PRICE ? config->price_feed.source : config->balance_feed.source;
    return name ? name : "none";
}

void collector_report(const struct collector *c, size_t platform, enum collector_kind kind, struct collector_report *ret)
{
    const struct feed *f = find_feed(c, platform, kind);
    *ret = (struct collector_report){.source = source_name(c, platform, kind), .fetched_at = -1, .changed_at = -1, .next_at = -1};
    ret->shape = ret->source;
    if (!f) {
        ret->state = strcmp(ret->source, "config") == 0 ? COLLECT_CONFIG : COLLECT_NONE;
        return;
    }
    ret->state = feed_state(f);
    strcpy(ret->why, f->why);
    if (f->balance && balance_keyless(f))
        snprintf(ret->why, sizeof ret->why, "%s", balance_keyless(f));
    bool lost = f->site && f->site->status_lost && ((f->price && price_feed_has_status(f)) || (f->balance && balance_feed_has_status(f)));
    if (!ret->why[0] && lost)
        strcpy(ret->why, "the site has no /api/status any more: the usual currency and scale are taken");
    ret->fetched_at = f->fetched_at;
    ret->changed_at = f->changed_at;
    ret->next_at = f->next_at;
    ret->interval = feed_rule(f).interval;
    if (kind == COLLECT_PRICE)
        ret->shape = price_feed_shape(f);
    if (f->fetched_at < 0)
        return;
    ret->list = kind == COLLECT_PRICE || kind == COLLECT_REFERENCE ? &f->list : NULL;
    ret->balance = kind == COLLECT_BALANCE ? &f->money : NULL;
}

struct collector_stats collector_stats(const struct collector *c)
{
    return c->stats;
}
