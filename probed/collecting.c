/* See collecting.h. A feed that fails is told once when it begins and once when it is over, and is no fault of any route. */
#include "probed/collecting.h"

#include <stdio.h>
#include <string.h>

#include "probed/alert/journal.h"
#include "probed/daemon_parts.h"
#include "shared/alloc.h"
#include "shared/text.h"

static void on_priced(void *arg, size_t platform, const struct price_list *list, const struct price_list *before)
{
    struct daemon *d = arg;
    pricing_listed(d->pricing, platform, list, before == list ? NULL : before, loop_wall(d->loop));
}

static void on_balance(void *arg, size_t platform, const struct balance *balance)
{
    purse_balance(((struct daemon *)arg)->purse, platform, balance);
}

static void on_feed(void *arg, size_t platform, enum collector_kind kind, enum collector_state state, const char *why)
{
    struct daemon *d = arg;
    const char *name = platform == COLLECTOR_NO_PLATFORM ? NULL : d->world->config->platforms[platform].name;
    CLEANUP(buf_done) struct buf reason = BUF_INIT;
    if (state != COLLECT_OK && state != COLLECT_STALE && state != COLLECT_FAILED)
        return;
    bool bad = state != COLLECT_OK;
    text_escape_terminal(&reason, why, strlen(why), COLLECTOR_WHY_MAX);
    struct log_field fields[] = {{"PROBED_PLATFORM", name},
                                 {"PROBED_FROM", collector_kind_name(kind)},
                                 {"PROBED_TO", collector_state_name(state)},
                                 {"PROBED_REASON", reason.len ? buf_str(&reason) : "an answer came"}};
    log_event(bad ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, MESSAGE_FEED, fields, ARRAY_LEN(fields), "%s%s%s: %s%s%s", name ? name : "", name ? ": " : "",
              collector_kind_name(kind), bad ? collector_state_name(state) : "is read", reason.len ? ": " : "", buf_str(&reason));
}

static void on_charged(void *arg, size_t platform, size_t route, const struct collector_charge *charge)
{
    purse_charged(((struct daemon *)arg)->purse, platform, route, charge->pico, charge->prompt_tokens, charge->output_tokens);
}

static void on_reference(void *arg, const struct price_list *list) { pricing_reference(((struct daemon *)arg)->pricing, list); }

static void tell_rate(const struct daemon *d, const char *currency, int64_t pico)
{
    char told[48], configured[48], reason[120];
    const char *in = d->world->config->currency;
    int64_t rate = config_convert(d->world->config, PICO_PER_UNIT, currency);
    snprintf(reason, sizeof reason, "the feed says %s, the configuration %s", units_format_money(told, sizeof told, pico, in),
             units_format_money(configured, sizeof configured, rate, in));
    struct log_field fields[] = {{"PROBED_TO", currency}, {"PROBED_REASON", reason}};
    log_event(LOG_LEVEL_WARNING, MESSAGE_RATE, fields, ARRAY_LEN(fields), "exchange rate of %s: %s: not believed", currency, reason);
}

static void on_rates(void *arg, const struct rates *rates)
{
    struct daemon *d = arg;
    const struct config *config = d->world->config;
    for (size_t i = 0; i < rates->len; i++) {
        const struct rate *r = &rates->list[i];
        if (!exchange_feed(&d->exchange, config, r->currency, r->pico, loop_now(d->loop)) && config_convert(config, PICO_PER_UNIT, r->currency) > 0)
            tell_rate(d, r->currency, r->pico);
    }
    pricing_refresh(d->pricing, SIZE_MAX);
}

static const char *on_endpoint(void *arg, size_t platform)
{
    struct daemon *d = arg;
    struct prober_platform_report report;
    prober_report_platform(d->world->prober, platform, &report);
    for (size_t i = 0; i < report.endpoints_len; i++)
        if (report.endpoints[i].in_use && report.endpoints[i].dialect == DIALECT_OPENAI)
            return report.endpoints[i].url;
    return NULL;
}

struct collector_owner collecting_owner(struct daemon *d)
{
    return (struct collector_owner){
        .arg = d,
        .priced = on_priced,
        .balance = on_balance,
        .feed = on_feed,
        .charged = on_charged,
        .reference = on_reference,
        .rates = on_rates,
        .endpoint = on_endpoint,
    };
}

void collecting_enter(struct daemon *d)
{
    struct collector_report report;
    for (size_t i = 0; i < d->world->config->platforms_len; i++) /* from before a restart */
        if (pricing_by_status(d->pricing, i))
            collector_expect_status(d->world->collector, i);
    collector_report(d->world->collector, COLLECTOR_NO_PLATFORM, COLLECT_REFERENCE, &report);
    pricing_reference(d->pricing, report.list);
    for (size_t i = 0; i < d->world->config->platforms_len; i++) { /* routes that are new find their prices in the lists that are there */
        collector_report(d->world->collector, i, COLLECT_PRICE, &report);
        if (report.list)
            pricing_listed(d->pricing, i, report.list, NULL, report.fetched_at + daemon_wall_offset(d));
    }
}
