/* See purse.h. Events of the accounts come from within the calls that tell them something; prices are put in force a little later (purse_second), since that tells them
 * something again. */
#include "probed/purse.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probed/alert/journal.h"
#include "probed/core/pickle.h"
#include "probed/daemon_parts.h"
#include "shared/alloc.h"
#include "shared/text.h"

struct account {
    int id;
    int *routes;
    size_t routes_len;
    char currency[CURRENCY_MAX]; /* that its money is told in; "" = nothing was told yet */
    bool by_balance;             /* currency is the balance's */
    bool has_balance;
    struct balance balance; /* the last one */
    usec_t balance_at;      /* wall clock */
};

struct purse {
    struct daemon *d;
    struct accounts *accounts;
    struct account *platforms; /* by the configuration's index */
    size_t len;
    bool refresh; /* something became sure or unsure: prices are put in force anew */
};

/* --- events ------------------------------------------------------------------------------------------------------------ */

static const char *currency_of(const struct purse *m, int platform)
{
    for (size_t i = 0; i < m->len; i++)
        if (m->platforms[i].id == platform)
            return m->platforms[i].currency;
    return "";
}

static void on_change(struct purse *m, const struct account_event *e)
{
    char amount[48], reason[100];
    int64_t pico = e->change.amount;
    units_format_money(amount, sizeof amount, pico < 0 ? -pico : pico, currency_of(m, e->platform));
    snprintf(reason, sizeof reason, "%s of %s%s", account_change_name(e->change.kind), pico < 0 ? "-" : "", amount);
    struct log_field fields[] = {{"PROBED_PLATFORM", e->name}, {"PROBED_TO", account_change_name(e->change.kind)}, {"PROBED_REASON", reason}};
    log_event(LOG_LEVEL_NOTICE, MESSAGE_TOPUP, fields, ARRAY_LEN(fields), "%s: its credit changed otherwise than by requests: %s", e->name, reason);
}

static void on_ratio(struct purse *m, const struct account_event *e)
{
    char reason[200];
    bool alarm = e->type == ACCOUNT_EVENT_DRIFT || e->state == ACCOUNT_DEARER;
    m->refresh = true;
    snprintf(reason, sizeof reason, "charged is %.3g times what is advertised (%.3g to %.3g; %s, %d windows), it was %.3g", e->ratio.ratio, e->ratio.low,
             e->ratio.high, account_evidence_name(e->ratio.evidence), e->ratio.windows, e->was_ratio);
    const char *state = account_state_name(e->type == ACCOUNT_EVENT_DRIFT ? e->ratio.state : e->state);
    struct log_field fields[] = {{"PROBED_PLATFORM", e->name}, {"PROBED_MODEL", e->model}, {"PROBED_TO", state}, {"PROBED_REASON", reason}};
    log_event(alarm ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE, MESSAGE_CHARGED, fields, ARRAY_LEN(fields), "%s%s%s: %s", e->name, e->model ? "/" : "",
              e->model ? e->model : "", reason);
}

static void on_inflated(const struct account_event *e)
{
    char reason[160];
    if (e->type == ACCOUNT_EVENT_JUMP)
        snprintf(reason, sizeof reason, "prompt tokens told moved by %+d with prompts as ever", e->tokens);
    else if (e->on)
        snprintf(reason, sizeof reason, "prompt tokens told are %.3g times what was sent (%d more than there can be)", e->inflation.ratio, e->inflation.extra);
    else
        snprintf(reason, sizeof reason, "prompt tokens told are as they should be again");
    struct log_field fields[] = {
        {"PROBED_PLATFORM", e->name}, {"PROBED_MODEL", e->model}, {"PROBED_TO", e->on ? "inflated" : "as_known"}, {"PROBED_REASON", reason}};
    log_event(e->type == ACCOUNT_EVENT_JUMP || e->on ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE, MESSAGE_INFLATED, fields, ARRAY_LEN(fields), "%s%s%s: %s",
              e->name, e->model ? "/" : "", e->model ? e->model : "", reason);
}

static void on_credit(struct purse *m, const struct account_event *e)
{
    char left[48], reason[160], days[40] = "";
    bool low = e->type == ACCOUNT_EVENT_LOW_CREDIT;
    units_format_money(left, sizeof left, e->left < 0 ? -e->left : e->left, currency_of(m, e->platform));
    if (e->days >= 0)
        snprintf(days, sizeof days, ", which lasts about %.1f days", e->days);
    snprintf(reason, sizeof reason, "%s %s%s", left, e->left < 0 ? "owed" : "left", days);
    struct log_field fields[] = {
        {"PROBED_PLATFORM", e->name}, {"PROBED_TO", !e->on ? "enough" : low ? "low" : "short"}, {"PROBED_REASON", reason}};
    log_event(e->on ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE, MESSAGE_CREDIT, fields, ARRAY_LEN(fields), "%s: %s: %s", e->name,
              !e->on ? (low ? "its credit is not low any more" : "its credit lasts again") : low ? "its credit is low" : "its credit does not last long", reason);
}

static void on_event(void *arg, const struct account_event *e)
{
    struct purse *m = arg;
    switch (e->type) {
    case ACCOUNT_EVENT_CHANGE: on_change(m, e); break;
    case ACCOUNT_EVENT_RATIO:
    case ACCOUNT_EVENT_DRIFT: on_ratio(m, e); break;
    case ACCOUNT_EVENT_INFLATED:
    case ACCOUNT_EVENT_JUMP: on_inflated(e); break;
    case ACCOUNT_EVENT_LOW_CREDIT:
    case ACCOUNT_EVENT_SHORT_RUNWAY: on_credit(m, e); break;
    case ACCOUNT_EVENTS: break;
    }
}

/* --- life -------------------------------------------------------------------------------------------------------------- */

static void make_accounts(struct purse *m)
{
    m->accounts = accounts_new();
    accounts_set_events(m->accounts, on_event, m);
}

struct purse *purse_new(struct daemon *d)
{
    struct purse *m = alloc_zero(1, sizeof *m);
    m->d = d;
    make_accounts(m);
    return m;
}

static void free_platforms(struct account *platforms, size_t len)
{
    for (size_t i = 0; i < len; i++)
        free(platforms[i].routes);
    free(platforms);
}

struct purse *purse_free(struct purse *m)
{
    if (!m)
        return NULL;
    accounts_free(m->accounts);
    free_platforms(m->platforms, m->len);
    free(m);
    return NULL;
}

static const struct account *former(const struct account *old, size_t len, int id)
{
    for (size_t i = 0; i < len; i++)
        if (old[i].id == id)
            return &old[i];
    return NULL;
}

static void set_rules(struct purse *m, size_t platform)
{
    const struct config *config = m->d->world->config;
    struct account *p = &m->platforms[platform];
    int64_t low = -1;
    if (config->credit_low > 0 && (!p->currency[0] || !exchange_convert(&m->d->exchange, config, config->credit_low, config->currency, p->currency, &low)))
        low = p->currency[0] ? -1 : config->credit_low;
    struct account_rules rules = {.low_credit = low, .runway_days = (double)config->credit_runway / (double)USEC_PER_DAY};
    if (p->id >= 0)
        accounts_set_rules(m->accounts, p->id, &rules, loop_now(m->d->loop));
}

static void add_ids(struct purse *m)
{
    const struct config *config = m->d->world->config;
    for (size_t i = 0; i < m->len; i++) {
        struct account *p = &m->platforms[i];
        const struct config_platform *c = &config->platforms[i];
        p->id = accounts_platform(m->accounts, c->name);
        for (size_t j = 0; j < c->routes_len; j++)
            p->routes[j] = p->id < 0 ? -1 : accounts_route(m->accounts, p->id, c->routes[j].model);
        set_rules(m, i);
    }
}

void purse_enter(struct purse *m)
{
    const struct config *config = m->d->world->config;
    struct account *old = m->platforms;
    size_t old_len = m->len;
    m->len = config->platforms_len;
    m->platforms = alloc_zero(m->len + 1, sizeof *m->platforms);
    for (size_t i = 0; i < m->len; i++) {
        m->platforms[i].routes_len = config->platforms[i].routes_len;
        m->platforms[i].routes = alloc_zero(config->platforms[i].routes_len + 1, sizeof *m->platforms[i].routes);
    }
    add_ids(m);
    for (size_t i = 0; i < m->len; i++) {
        struct account *p = &m->platforms[i];
        const struct account *was = former(old, old_len, p->id);
        if (!was || p->id < 0)
            continue;
        memcpy(p->currency, was->currency, sizeof p->currency);
        p->by_balance = was->by_balance;
        p->has_balance = was->has_balance;
        p->balance = was->balance;
        p->balance_at = was->balance_at;
        set_rules(m, i);
    }
    for (size_t i = 0; i < old_len; i++) /* should it come back, its currency would not be known any more */
        if (old[i].id >= 0 && !former(m->platforms, m->len, old[i].id))
            accounts_forget(m->accounts, old[i].id);
    free_platforms(old, old_len);
}

void purse_forget(struct purse *m, size_t platform)
{
    struct account *p = &m->platforms[platform];
    if (p->id >= 0)
        accounts_forget(m->accounts, p->id);
    p->has_balance = false;
}

/* --- telling ----------------------------------------------------------------------------------------------------------- */

/* Its money is told in this from now on. The balance's word goes before the price list's. */
static void set_currency(struct purse *m, size_t platform, const char *currency, bool by_balance)
{
    struct account *p = &m->platforms[platform];
    if (strcmp(p->currency, currency) == 0) {
        p->by_balance = p->by_balance || by_balance;
        return;
    }
    if (p->by_balance && !by_balance)
        return;
    if (p->currency[0])
        accounts_forget(m->accounts, p->id);
    text_copy(p->currency, sizeof p->currency, currency, strlen(currency));
    p->by_balance = by_balance;
    set_rules(m, platform);
    m->refresh = true; /* prices are told again, in that currency */
}

static void copy_figures(struct tariff_figures *to, const struct price_figures *from)
{
    *to = (struct tariff_figures){from->input, from->output, from->cache_read, from->cache_write, from->call};
}

struct tariff purse_tariff(const struct daemon *d, const struct route_price *price, const char *currency)
{
    struct tariff t = tariff_make();
    if (price->from == PRICING_NONE)
        return t;
    struct price_figures f = pricing_convert(d, &price->row.price, price->currency, currency);
    copy_figures(&t.price, &f);
    for (size_t i = 0; i < price->row.tiers_len && i < TARIFF_TIERS; i++) {
        f = pricing_convert(d, &price->row.tiers[i].price, price->currency, currency);
        t.tiers[i].from_tokens = price->row.tiers[i].from_tokens;
        copy_figures(&t.tiers[i].price, &f);
        t.tiers_len++;
    }
    return t;
}

void purse_priced(struct purse *m, size_t platform, size_t route, const struct route_price *price)
{
    struct account *p = &m->platforms[platform];
    if (p->id < 0 || p->routes[route] < 0)
        return;
    if (!p->currency[0] && price->from != PRICING_NONE)
        set_currency(m, platform, price->currency, false);
    if (!p->currency[0])
        return;
    struct tariff t = purse_tariff(m->d, price, p->currency);
    /* A vendor's list price is not what this relay says that it charges. */
    if (price->from == PRICING_REFERENCE)
        t = tariff_make();
    accounts_price(m->accounts, p->routes[route], &t, loop_now(m->d->loop));
}

void purse_observed(struct purse *m, size_t platform, size_t route, const struct observation *o)
{
    struct account *p = &m->platforms[platform];
    if (p->id < 0 || p->routes[route] < 0)
        return;
    int64_t charged = exchange_known(&m->d->exchange, m->d->world->config, o->charged_pico, "USD", p->currency);
    accounts_observe(m->accounts, p->routes[route], o, charged, loop_now(m->d->loop));
}

void purse_charged(struct purse *m, size_t platform, size_t route, int64_t usd, int32_t prompt_tokens, int32_t output_tokens)
{
    struct account *p = &m->platforms[platform];
    int64_t charged = exchange_known(&m->d->exchange, m->d->world->config, usd, "USD", p->currency);
    if (p->id >= 0 && p->routes[route] >= 0 && charged >= 0)
        accounts_charged(m->accounts, p->routes[route], charged, prompt_tokens, output_tokens, loop_now(m->d->loop));
}

static void tell_history(struct purse *m, size_t platform, const struct balance *b)
{
    const struct config *config = m->d->world->config;
    const char *name = config->platforms[platform].name;
    struct record record = {.t = loop_now(m->d->loop), .kind = RECORD_BALANCE};
    int64_t left = b->owed > 0 ? -b->owed : b->left;
    if (b->unlimited || (b->left < 0 && b->owed <= 0) || !exchange_convert(&m->d->exchange, config, left, b->currency, "USD", &record.balance))
        return;
    text_copy(record.platform, sizeof record.platform, name, strlen(name));
    history_told(m->d->history, &record);
}

void purse_balance(struct purse *m, size_t platform, const struct balance *b)
{
    struct account *p = &m->platforms[platform];
    const struct config_source *source = &m->d->world->config->platforms[platform].balance_feed;
    if (p->id < 0)
        return;
    set_currency(m, platform, b->currency, true);
    p->has_balance = true;
    p->balance = *b;
    p->balance_at = loop_wall(m->d->loop);
    struct account_reading r = account_reading_make();
    r.left = b->owed > 0 ? (b->owed == 1 ? -2 : -b->owed) : b->resets ? -1 : b->left; /* -1 is "unknown" */
    r.used = b->used;
    r.granted = b->resets ? -1 : b->granted;
    r.gift = b->gift;
    r.expires = b->expires > 0 ? b->expires - daemon_wall_offset(m->d) : 0;
    r.unit = b->unit;
    r.unlimited = b->unlimited && b->scope == BALANCE_ACCOUNT; /* a key without a limit ends with its account's credit */
    r.own_key = b->scope == BALANCE_KEY;
    r.shared = source->shared;
    r.alone = source->alone;
    accounts_balance(m->accounts, p->id, &r, loop_now(m->d->loop));
    tell_history(m, platform, b);
}

void purse_second(struct purse *m)
{
    exchange_clock(&m->d->exchange, loop_now(m->d->loop));
    if (!m->refresh)
        return;
    m->refresh = false;
    pricing_refresh(m->d->pricing, SIZE_MAX);
}

/* --- for others -------------------------------------------------------------------------------------------------------- */

double purse_ratio(const struct purse *m, size_t platform, size_t route)
{
    const struct account *p = &m->platforms[platform];
    return p->id < 0 || p->routes[route] < 0 ? 1 : accounts_factor(m->accounts, p->routes[route], loop_now(m->d->loop));
}

const struct accounts *purse_accounts(const struct purse *m) { return m->accounts; }
int purse_platform_id(const struct purse *m, size_t platform) { return m->platforms[platform].id; }
int purse_route_id(const struct purse *m, size_t platform, size_t route) { return m->platforms[platform].routes[route]; }
const char *purse_currency(const struct purse *m, size_t platform) { return m->platforms[platform].currency; }

const struct balance *purse_last(const struct purse *m, size_t platform, usec_t *ret_at)
{
    *ret_at = m->platforms[platform].balance_at;
    return m->platforms[platform].has_balance ? &m->platforms[platform].balance : NULL;
}

/* --- over a restart ---------------------------------------------------------------------------------------------------- */

#define PURSE_VERSION 1

void purse_save(const struct purse *m, struct buf *to)
{
    struct pickle k = {.to = to};
    uint8_t version = PURSE_VERSION;
    size_t len = m->len;
    PICKLE(&k, &version);
    pickle_count(&k, &len, SIZE_MAX);
    for (size_t i = 0; i < m->len; i++) {
        char name[64];
        const char *platform = m->d->world->config->platforms[i].name;
        text_copy(name, sizeof name, platform, strlen(platform));
        pickle_text(&k, name, sizeof name);
        pickle_text(&k, m->platforms[i].currency, sizeof m->platforms[i].currency);
        PICKLE(&k, &m->platforms[i].by_balance);
    }
    accounts_save(m->accounts, to);
}

static bool restore_currencies(struct purse *m, struct pickle *k)
{
    uint8_t version = 0;
    size_t len = 0;
    PICKLE(k, &version);
    pickle_count(k, &len, CONFIG_PLATFORMS_MAX);
    if (!pickle_fine(k) || version != PURSE_VERSION)
        return false;
    for (size_t i = 0; i < len && pickle_fine(k); i++) {
        char name[64] = "", currency[CURRENCY_MAX] = "";
        bool by_balance = false;
        size_t platform, route;
        pickle_text(k, name, sizeof name);
        pickle_text(k, currency, sizeof currency);
        PICKLE(k, &by_balance);
        if (pickle_fine(k) && world_find(m->d->world, name, NULL, &platform, &route) == 0) {
            memcpy(m->platforms[platform].currency, currency, sizeof currency);
            m->platforms[platform].by_balance = by_balance;
        }
    }
    return pickle_fine(k);
}

int purse_restore(struct purse *m, const void *data, size_t len)
{
    struct pickle k = {.at = data, .end = (const uint8_t *)data + len, .latest = INT64_MAX / 2};
    int r = restore_currencies(m, &k) ? accounts_restore(m->accounts, k.at, (size_t)(k.end - k.at), loop_now(m->d->loop)) : -EINVAL;
    if (r < 0) { /* half restored they are good for nothing */
        accounts_free(m->accounts);
        make_accounts(m);
        for (size_t i = 0; i < m->len; i++) {
            m->platforms[i].currency[0] = '\0';
            m->platforms[i].by_balance = false;
        }
        add_ids(m);
        return r;
    }
    for (size_t i = 0; i < m->len; i++)
        set_rules(m, i);
    return 0;
}
