/* The prober's word to the ranker, and the ranker's to the journal. Indices of the configuration become the ranker's ids here; each probe is a debug line, each
 * change of state or of a first place one structured entry, once. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "probed/alert/journal.h"
#include "probed/core/record.h"
#include "probed/daemon_parts.h"
#include "shared/text.h"

static void log_probe(const struct daemon *d, size_t platform, size_t route, const struct observation *o)
{
    if (!log_wanted(LOG_LEVEL_DEBUG))
        return;
    const struct config_platform *c = &d->world->config->platforms[platform];
    CLEANUP(buf_done) struct buf detail = BUF_INIT;
    text_escape_terminal(&detail, o->detail, strlen(o->detail), 120);
    log_debug("%s %s%s%s: %s at %s (%s), status %d, ttft %.1f ms, total %.1f ms%s%s", probe_kind_name(o->probe), c->name,
              route == SIZE_MAX ? "" : "/", route == SIZE_MAX ? "" : c->routes[route].model, outcome_name(o->outcome.kind),
              stage_name(o->outcome.stage), fault_name(o->outcome.fault), o->outcome.http_status,
              o->ttft < 0 ? -1.0 : (double)o->ttft / 1000, o->total < 0 ? -1.0 : (double)o->total / 1000, detail.len ? ": " : "",
              buf_str(&detail));
}

/* To whoever keeps a history. route: SIZE_MAX = the platform. */
static void keep(const struct daemon *d, enum record_kind kind, size_t platform, size_t route, const struct observation *o, bool ok)
{
    if (!d->record && !d->history)
        return;
    const struct config *config = d->world->config;
    struct record record = {.t = loop_now(d->loop), .kind = kind, .ok = ok};
    if (platform != SIZE_MAX)
        text_copy(record.platform, sizeof record.platform, config->platforms[platform].name, strlen(config->platforms[platform].name));
    if (route != SIZE_MAX)
        text_copy(record.model, sizeof record.model, config->platforms[platform].routes[route].model,
                  strlen(config->platforms[platform].routes[route].model));
    if (o)
        record.o = *o;
    if (d->record)
        d->record(d->record_arg, &record);
    history_told(d->history, &record);
}

/* Relays quote keys back: from here on nothing of them is left in what they say. */
static struct observation without_keys(const struct daemon *d, size_t platform, const struct observation *o)
{
    struct observation clean = *o;
    if (clean.detail[0])
        collector_hide(d->world->collector, platform, clean.detail);
    return clean;
}

static void on_observed(void *arg, size_t platform, size_t route, const struct observation *told)
{
    struct daemon *d = arg;
    const struct observation clean = without_keys(d, platform, told), *o = &clean;
    log_probe(d, platform, route, o);
    if (o->outcome.kind == OUTCOME_CANCELED)
        return;
    keep(d, record_kind_of(o->probe), platform, route, o, false);
    purse_observed(d->purse, platform, route, o);
    if (ranker_observe(d->world->ranker, d->world->route_id[platform][route], o, loop_now(d->loop)) == 0)
        daemon_touch(d);
}

static void on_observed_platform(void *arg, size_t platform, const struct observation *told)
{
    struct daemon *d = arg;
    const struct observation clean = without_keys(d, platform, told), *o = &clean;
    log_probe(d, platform, SIZE_MAX, o);
    if (o->outcome.kind == OUTCOME_CANCELED)
        return;
    keep(d, o->probe == PROBE_MODELS ? RECORD_MODELS : RECORD_REACH, platform, SIZE_MAX, o, false);
    if (ranker_observe_platform(d->world->ranker, d->world->platform_id[platform], o, loop_now(d->loop)) == 0)
        daemon_touch(d);
}

static void on_listed(void *arg, size_t platform, size_t route, enum listing listing)
{
    struct daemon *d = arg;
    if (listing != LISTING_UNKNOWN)
        keep(d, RECORD_LISTING, platform, route, NULL, listing == LISTING_PRESENT);
    ranker_set_listing(d->world->ranker, d->world->route_id[platform][route], listing, loop_now(d->loop));
    daemon_touch(d);
}

static void on_endpoint(void *arg, size_t platform, enum dialect_id dialect, const char *url)
{
    struct daemon *d = arg;
    const char *name = d->world->config->platforms[platform].name;
    struct log_field fields[] = {{"PROBED_PLATFORM", name}, {"PROBED_TO", url}, {"PROBED_REASON", "endpoint health"}};
    log_event(LOG_LEVEL_NOTICE, MESSAGE_ENDPOINT, fields, ARRAY_LEN(fields), "platform %s: endpoint in use is now %s", name, url);
    ranker_set_endpoint(d->world->ranker, d->world->platform_id[platform], dialect_name(dialect), url, loop_now(d->loop));
    daemon_touch(d);
}

static void on_level(void *arg, size_t platform, size_t route, enum probe_level level, const char *why, usec_t interval)
{
    struct daemon *d = arg;
    const struct config_platform *c = &d->world->config->platforms[platform];
    ranker_set_level(d->world->ranker, d->world->route_id[platform][route], probe_level_name(level), interval, loop_now(d->loop));
    daemon_touch(d);
    struct log_field fields[] = {
        {"PROBED_PLATFORM", c->name},
        {"PROBED_MODEL", c->routes[route].model},
        {"PROBED_TO", probe_level_name(level)},
        {"PROBED_REASON", why},
    };
    log_event(LOG_LEVEL_DEBUG, MESSAGE_LEVEL, fields, ARRAY_LEN(fields), "%s/%s: probed at level %s%s%s", c->name, c->routes[route].model,
              probe_level_name(level), why[0] ? ": " : "", why);
}

static void on_breaker(void *arg, size_t platform, size_t route, int64_t cost, int64_t expected)
{
    struct daemon *d = arg;
    const struct config_platform *c = &d->world->config->platforms[platform];
    char was[48], should[48];
    units_format_money(was, sizeof was, cost, d->world->config->currency);
    units_format_money(should, sizeof should, expected, d->world->config->currency);
    struct log_field fields[] = {
        {"PROBED_PLATFORM", c->name},
        {"PROBED_MODEL", c->routes[route].model},
        {"PROBED_REASON", "one probe cost more than five times what was expected"},
    };
    log_event(LOG_LEVEL_WARNING, MESSAGE_BREAKER, fields, ARRAY_LEN(fields),
              "%s/%s: a probe cost %s, expected were %s; no more paid probes there until `routectl enable %s/%s`", c->name,
              c->routes[route].model, was, should, c->name, c->routes[route].model);
}

static void on_local(void *arg, bool on)
{
    struct daemon *d = arg;
    if (d->local == on)
        return;
    d->local = on;
    keep(d, RECORD_SELF_CHECK, SIZE_MAX, SIZE_MAX, NULL, !on);
    ranker_set_local(d->world->ranker, on, loop_now(d->loop));
    daemon_touch(d);
    struct log_field fields[] = {{"PROBED_TO", on ? "local" : "none"}, {"PROBED_REASON", "self_check anchors"}};
    log_event(LOG_LEVEL_WARNING, MESSAGE_LOCAL, fields, ARRAY_LEN(fields),
              on ? "our own network fails: no self_check anchor answers; verdicts are frozen" : "our own network works again");
}

static enum pace on_pace(void *arg, size_t platform, size_t route)
{
    struct daemon *d = arg;
    return ranker_pace(d->world->ranker, d->world->route_id[platform][route], loop_now(d->loop));
}

static enum route_state on_state(void *arg, size_t platform, size_t route)
{
    struct daemon *d = arg;
    return ranker_state(d->world->ranker, d->world->route_id[platform][route]);
}

static void on_burst(void *arg, size_t platform, size_t route, const struct burst_result *result)
{
    struct daemon *d = arg;
    const struct config_platform *c = &d->world->config->platforms[platform];
    ranker_set_burst(d->world->ranker, d->world->route_id[platform][route], result, loop_now(d->loop));
    daemon_touch(d);
    log_debug("burst %s/%s: %u at once, %u ok, %u failed, %u limited, ttft p95 %.1f ms", c->name, c->routes[route].model, result->n, result->ok,
              result->failed, result->limited, result->ttft_p95 < 0 ? -1.0 : (double)result->ttft_p95 / 1000);
}

/* A declared capability that is not there, and one that came back, are told; that there is one that nobody declared is only shown. */
static void on_capability(void *arg, size_t platform, size_t route, enum capability capability, const struct capability_known *told)
{
    struct daemon *d = arg;
    struct capability_known clean = *told, *known = &clean;
    collector_hide(d->world->collector, platform, clean.evidence);
    const struct config_platform *c = &d->world->config->platforms[platform];
    const struct config_route *r = &c->routes[route];
    int id = d->world->route_id[platform][route];
    const struct capabilities *before = ranker_capabilities(d->world->ranker, id);
    unsigned was = before ? before->of[capability].state : CAPABILITY_UNTESTED;
    ranker_set_capability(d->world->ranker, id, capability, known, loop_now(d->loop));
    daemon_touch(d);
    bool declared = capability_declared(capability, r->tags, r->tags_len, c->tags, c->tags_len), no = known->state == CAPABILITY_NO;
    if (was == known->state || !(declared ? no || was == CAPABILITY_NO : was == CAPABILITY_YES && no))
        return;
    char to[64];
    CLEANUP(buf_done) struct buf evidence = BUF_INIT;
    text_escape_terminal(&evidence, known->evidence, strlen(known->evidence), 80);
    snprintf(to, sizeof to, "%s: %s", capability_name(capability), capability_state_name((enum capability_state)known->state));
    struct log_field fields[] = {{"PROBED_PLATFORM", c->name}, {"PROBED_MODEL", r->model}, {"PROBED_TO", to},
                                 {"PROBED_REASON", evidence.len ? buf_str(&evidence) : capability_text(capability)}};
    log_event(no ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE, MESSAGE_CAPABILITY, fields, ARRAY_LEN(fields), "%s/%s: %s %s%s%s", c->name, r->model,
              no ? "cannot do what it is said to do," : "can do again", to, evidence.len ? ": " : "", buf_str(&evidence));
}

/* What OpenRouter charged can be asked for by the answer's id; elsewhere the collector has no use for it. */
static void on_replied(void *arg, size_t platform, size_t route, const char *id)
{
    struct daemon *d = arg;
    collector_check_charge(d->world->collector, platform, route, id);
}

static int on_reserve(void *arg, size_t platform, size_t route, int64_t pico, usec_t now, uint64_t ticket)
{
    struct daemon *d = arg;
    const struct config_platform *c = &d->world->config->platforms[platform];
    return spending_reserve(d->spending, c->name, c->routes[route].model, pico, now, ticket);
}

static void on_settle(void *arg, size_t platform, size_t route, int64_t reserved, usec_t reserved_at, int64_t actual, bool tripped)
{
    struct daemon *d = arg;
    const struct config_platform *c = &d->world->config->platforms[platform];
    spending_settle(d->spending, c->name, c->routes[route].model, reserved, reserved_at, actual, tripped);
}

struct prober_owner observe_owner(struct daemon *d)
{
    return (struct prober_owner){
        .arg = d,
        .observed = on_observed,
        .observed_platform = on_observed_platform,
        .listed = on_listed,
        .endpoint = on_endpoint,
        .level = on_level,
        .breaker = on_breaker,
        .local = on_local,
        .pace = on_pace,
        .state = on_state,
        .burst = on_burst,
        .capability = on_capability,
        .replied = on_replied,
        .reserve = on_reserve,
        .settle = on_settle,
    };
}

static bool is_bad(const char *state) { return strcmp(state, "down") == 0 || strcmp(state, "unusable") == 0 || strcmp(state, "missing") == 0; }

void observe_ranker_event(void *arg, const struct ranker_event *event)
{
    struct daemon *d = arg;
    char generation[24];
    CLEANUP(buf_done) struct buf reason = BUF_INIT;
    text_escape_terminal(&reason, event->reason ? event->reason : "", event->reason ? strlen(event->reason) : 0, 200);
    snprintf(generation, sizeof generation, "%llu", (unsigned long long)(d->generation + 1)); /* the one it will be published with */
    struct log_field fields[] = {
        {"PROBED_PLATFORM", event->platform}, {"PROBED_MODEL", event->model},  {"PROBED_FROM", event->from},
        {"PROBED_TO", event->to},             {"PROBED_POLICY", event->policy}, {"PROBED_REASON", buf_str(&reason)},
        {"PROBED_GENERATION", generation},
    };
    if (event->type == RANKER_STATE)
        history_state(d->history, event->platform, event->model, event->to);
    if (event->type == RANKER_STATE)
        log_event(is_bad(event->to) ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE, MESSAGE_STATE, fields, ARRAY_LEN(fields), "%s/%s: %s -> %s%s%s",
                  event->platform, event->model, event->from, event->to, reason.len ? ": " : "", buf_str(&reason));
    else
        log_event(LOG_LEVEL_NOTICE, MESSAGE_FIRST, fields, ARRAY_LEN(fields), "%s for %s: first is %s, was %s%s%s", event->model, event->policy,
                  event->to && event->to[0] ? event->to : "nobody", event->from && event->from[0] ? event->from : "nobody",
                  reason.len ? ": " : "", buf_str(&reason));
}
