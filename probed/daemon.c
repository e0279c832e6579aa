/* The daemon's life: start, table, lease, reload, end.
 *
 * Table. What is observed makes models due in the ranker; the work timer runs at the earliest of them, but not within a second of the last table.
 * Work ranks in slices of a few milliseconds and publishes one new table if anything changed. The lease is renewed apart from content, so that a reader can
 * tell a calm table from a dead daemon.
 *
 * Reload. A whole new world (configuration, ranker, prober) is built beside the old one; only when that has worked is the old one's memory handed over and
 * the pointer swapped. A configuration with an error changes nothing.
 *
 * What survives a restart: the epoch and the overrides (state file), the budget (spending.h), statistics, evidence and the table (history.h). None of
 * these can stop the daemon: where a disk does not play along, it probes and publishes all the same, and says so. */
#include "probed/daemon_parts.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probed/alert/journal.h"
#include "probed/roster.h"
#include "probed/store/state.h"
#include "shared/alloc.h"
#include "shared/text.h"

#define PUBLISH_APART USEC_PER_SEC
#define BUDGET_LOOK (10 * USEC_PER_SEC)
#define CALENDAR USEC_PER_SEC
#define MONEY_HOURS 26 /* the longest that money spent counts */
#define SLICE (4 * USEC_PER_MSEC)
#define SLICE_MODELS 4
#define HTTP_CONNECTIONS 16384

/* --- table ------------------------------------------------------------------------------------------------------------- */

static void lease_renew(struct daemon *d)
{
    d->valid_until = loop_wall(d->loop) + d->world->config->lease;
    loop_timer_set(d->renew, loop_now(d->loop) + d->world->config->lease / 3);
}

static void publish(struct daemon *d)
{
    usec_t now = loop_now(d->loop);
    if (d->table && (d->table->flags & TABLE_RESTORED) && ranker_confirmed(d->world->ranker))
        ranker_set_restored(d->world->ranker, false);
    struct table *table = ranker_table(d->world->ranker, d->epoch, ++d->generation, now, daemon_wall_offset(d));
    table_unref(d->table);
    d->table = table;
    d->published = now;
    lease_renew(d);
    history_published(d->history, table);
    if (d->api)
        api_publish(d->api);
}

static void on_work(void *arg)
{
    struct daemon *d = arg;
    usec_t began = loop_now_fresh(d->loop), now = loop_now(d->loop);
    bool more;
    do {
        more = ranker_refresh(d->world->ranker, now, SLICE_MODELS, d->all_dirty);
        d->all_dirty = false;
    } while (more && loop_now_fresh(d->loop) - began < SLICE);
    if (more) {
        loop_timer_set(d->work, now); /* others first */
        return;
    }
    if (ranker_changed(d->world->ranker, NULL))
        publish(d);
    daemon_touch(d);
}

void daemon_touch(struct daemon *d)
{
    usec_t due = d->all_dirty || ranker_changed(d->world->ranker, NULL) ? 0 : ranker_due(d->world->ranker);
    usec_t apart = d->published + PUBLISH_APART;
    loop_timer_set(d->work, due > apart ? due : apart);
}

/* Once when the day's money is nearly gone, once when there is room again. */
static void check_budget(struct daemon *d)
{
    int64_t limit = d->world->config->budget.all;
    if (limit <= 0)
        return;
    int64_t left = limit - budget_spent(d->budget, loop_now(d->loop));
    bool low = d->budget_low ? left < limit / 10 : left < limit / 20;
    if (low == d->budget_low)
        return;
    d->budget_low = low;
    char text[48];
    units_format_money(text, sizeof text, limit, d->world->config->currency);
    struct log_field fields[] = {{"PROBED_TO", low ? "low" : "ok"}, {"PROBED_REASON", "probe budget"}};
    log_event(LOG_LEVEL_WARNING, MESSAGE_BUDGET, fields, ARRAY_LEN(fields),
              low ? "the probe budget of %s a day is nearly used up; paid probes become models probes"
                  : "the probe budget of %s a day has room again",
              text);
}

static void on_budget(void *arg)
{
    struct daemon *d = arg;
    check_budget(d);
    loop_timer_set(d->budget_look, loop_now(d->loop) + BUDGET_LOOK);
}

static void on_renew(void *arg)
{
    struct daemon *d = arg;
    lease_renew(d);
    if (d->api)
        api_renew(d->api);
}

/* --- what survives ------------------------------------------------------------------------------------------------------ */

void daemon_save(struct daemon *d)
{
    CLEANUP(json_deletep) cJSON *json = cJSON_CreateObject();
    struct err err = {""};
    json_add_int(json, "epoch", (int64_t)d->epoch);
    json_add_string(json, "currency", d->world->config->currency);
    if (d->money_before[0]) {
        json_add_string(json, "currency_before", d->money_before);
        json_add_int(json, "currency_since", d->money_since);
    }
    cJSON_AddItemToObject(json, "overrides", overrides_to_json(&d->overrides));
    if (state_write(d->state_file, json, &err) < 0)
        log_warning("%s, ignoring: overrides and epoch would not survive a restart now", err.text);
}

/* What was spent before the reference currency was another one stands in the old one, for a day. */
static void load_currency(struct daemon *d, const cJSON *json)
{
    const char *was = json_string(json, "currency"), *before = json_string(json, "currency_before");
    const char *now = d->world->config->currency;
    int64_t since = 0, hour = loop_now(d->loop) / USEC_PER_HOUR;
    if (before && json_int(json, "currency_since", &since) && since <= hour + 1 && hour - since <= MONEY_HOURS) {
        text_copy(d->money_before, sizeof d->money_before, before, strlen(before));
        d->money_since = since;
    }
    if (!was || strcmp(was, now) == 0)
        return;
    log_notice("the reference currency is %s now, it was %.7s: what the probes have spent is converted", now, was);
    text_copy(d->money_before, sizeof d->money_before, was, strlen(was));
    d->money_since = hour + 1; /* what of this hour is in which cannot be told: the dearer reading counts */
}

int64_t daemon_money(const struct daemon *d, int64_t hour, int64_t pico)
{
    if (!d->money_before[0] || hour >= d->money_since)
        return pico;
    int64_t converted = config_convert(d->world->config, pico, d->money_before);
    return converted > pico || (converted >= 0 && hour < d->money_since - 1) ? converted : pico;
}

static void load_state(struct daemon *d)
{
    CLEANUP(json_deletep) cJSON *json = NULL;
    struct err err = {""};
    int64_t epoch = 0;
    int r = state_read(d->state_file, &json, &err);
    if (r != 0)
        log_warning("%s, ignoring", err.text);
    json_int(json, "epoch", &epoch);
    load_currency(d, json);
    int64_t unix_now = loop_wall(d->loop) / USEC_PER_SEC;
    d->epoch = (uint64_t)(epoch + 1 > unix_now ? epoch + 1 : unix_now);
    unsigned skipped = overrides_from_json(&d->overrides, json_at(json, "overrides"));
    if (skipped > 0)
        log_warning("%s: %u overrides made no sense, ignoring", d->state_file, skipped);
    overrides_expire(&d->overrides, loop_wall(d->loop));
    if (r >= 0) /* one that cannot be read now is not written over for nothing */
        daemon_save(d);
}

static int make_dir(const char *path, struct err *err)
{
    CLEANUP(alloc_freep) char *copy = alloc_string(path);
    for (char *slash = copy + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdir(copy, 0755) < 0 && errno != EEXIST)
            return err_set(err, -errno, "cannot make %s: %s", copy, strerror(errno));
        *slash = '/';
    }
    if (mkdir(path, 0750) < 0 && errno != EEXIST)
        return err_set(err, -errno, "cannot make %s: %s", path, strerror(errno));
    return 0;
}

static int open_state(struct daemon *d, struct err *err)
{
    const char *dir = d->world->config->state_dir;
    bool fatal = false;
    struct err trouble = {""};
    if (make_dir(dir, &trouble) < 0)
        log_warning("%s, ignoring: nothing will survive a restart", trouble.text);
    d->state_file = alloc_printf("%s/state.json", dir);
    if (!d->no_store)
        d->history = history_open(d, &fatal, err);
    if (fatal)
        return -EPROTONOSUPPORT;
    load_state(d);
    purse_enter(d->purse);
    if (d->history)
        history_restore(d->history);
    d->spending = spending_open(d, err);
    return d->spending ? 0 : -EIO;
}

/* --- worlds ------------------------------------------------------------------------------------------------------------ */

static struct world *world_free(struct world *w)
{
    if (!w)
        return NULL;
    prober_free(w->prober);
    collector_free(w->collector);
    ranker_free(w->ranker);
    for (size_t i = 0; w->route_id && i < w->config->platforms_len; i++)
        free(w->route_id[i]);
    free(w->route_id);
    free(w->platform_id);
    free(w->maintenance);
    config_unref(w->config);
    free(w);
    return NULL;
}

/* Everything of the new world but the prober, which takes things from the old one and is made last. Takes config over. */
static struct world *world_new(struct config *config)
{
    struct world *w = alloc_zero(1, sizeof *w);
    w->config = config;
    w->platform_id = alloc_zero(config->platforms_len, sizeof *w->platform_id);
    w->route_id = alloc_zero(config->platforms_len, sizeof *w->route_id);
    w->maintenance = alloc_zero(config->platforms_len, sizeof *w->maintenance);
    for (size_t i = 0; i < config->platforms_len; i++)
        w->route_id[i] = alloc_zero(config->platforms[i].routes_len, sizeof **w->route_id);
    w->ranker = roster_ranker(config, w->platform_id, w->route_id);
    return w;
}

/* What of the rare probes was known before the restart. */
static void tell_rare(struct world *w)
{
    for (size_t i = 0; i < w->config->platforms_len; i++)
        for (size_t j = 0; j < w->config->platforms[i].routes_len; j++)
            prober_know(w->prober, i, j, ranker_capabilities(w->ranker, w->route_id[i][j]), ranker_burst(w->ranker, w->route_id[i][j])->at);
}

static void tell_usable(struct daemon *d, struct world *w)
{
    for (size_t i = 0; i < w->config->platforms_len; i++) {
        const struct config_platform *c = &w->config->platforms[i];
        struct prober_platform_report report;
        prober_report_platform(w->prober, i, &report);
        bool off = c->level == LEVEL_OFF, keyless = c->key_required && !report.has_key;
        ranker_set_usable(w->ranker, w->platform_id[i], !off && !keyless, off ? "switched off (level: off)" : report.why,
                          loop_now(d->loop));
        if (keyless && !off)
            log_info("platform %s: %s; it is only reached", c->name, report.why);
        for (size_t k = 0; k < report.endpoints_len; k++)
            if (report.endpoints[k].in_use)
                ranker_set_endpoint(w->ranker, w->platform_id[i], dialect_name(report.endpoints[k].dialect), report.endpoints[k].url,
                                    loop_now(d->loop));
    }
}

int world_find(const struct world *w, const char *platform, const char *model, size_t *ret_platform, size_t *ret_route)
{
    for (size_t i = 0; i < w->config->platforms_len; i++) {
        const struct config_platform *c = &w->config->platforms[i];
        if (strcmp(c->name, platform) != 0)
            continue;
        *ret_platform = i;
        *ret_route = SIZE_MAX;
        if (!model || model[0] == '\0')
            return 0;
        for (size_t j = 0; j < c->routes_len; j++)
            if (strcmp(c->routes[j].model, model) == 0) {
                *ret_route = j;
                return 0;
            }
    }
    return -ENOENT;
}

/* Whose key is another one than before: an array of platforms of `next`, the caller's to free. */
static bool *other_keys(const struct world *old, const struct world *next)
{
    bool *other = alloc_zero(next->config->platforms_len + 1, sizeof *other);
    size_t was, route;
    for (size_t i = 0; old && i < next->config->platforms_len; i++)
        other[i] = world_find(old, next->config->platforms[i].name, NULL, &was, &route) == 0 &&
                   !secret_equal(prober_key(old->prober, was), prober_key(next->prober, i));
    return other;
}

/* Makes `next` the world: its prober takes over from the old one's, its ranker has the old one's memory. */
static void enter_world(struct daemon *d, struct world *next)
{
    struct world *old = d->world;
    bool first = !old;
    struct prober_owner owner = observe_owner(d);
    budget_set_limits(d->budget, &next->config->budget);
    if (old)
        ranker_adopt(next->ranker, old->ranker);
    struct collector_owner collecting = collecting_owner(d);
    next->prober = prober_new(d->loop, d->http, next->config, d->budget, &owner, old ? old->prober : NULL, d->seed);
    next->collector = collector_new(d->loop, d->http, next->config, &collecting, old ? old->collector : NULL, d->seed);
    CLEANUP(alloc_freep) bool *other = other_keys(old, next);
    d->world = next;
    world_free(old);
    ranker_set_events(next->ranker, observe_ranker_event, d);
    purse_enter(d->purse);
    for (size_t i = 0; i < next->config->platforms_len; i++)
        if (other[i])
            purse_forget(d->purse, i);
    pricing_enter(d->pricing);
    collecting_enter(d);
    tell_usable(d, next);
    if (first)
        tell_rare(next);
    daemon_apply_overrides(d);
    daemon_check_calendar(d);
}

void daemon_apply_overrides(struct daemon *d)
{
    overrides_apply(&d->overrides, d->world->ranker, loop_now(d->loop));
    daemon_touch(d);
}

void daemon_check_calendar(struct daemon *d)
{
    struct world *w = d->world;
    usec_t wall = loop_wall(d->loop);
    for (size_t i = 0; i < w->config->platforms_len; i++) {
        const struct config_window *window = config_platform_maintenance(&w->config->platforms[i], wall);
        if ((window != NULL) == w->maintenance[i])
            continue;
        w->maintenance[i] = window != NULL;
        ranker_set_maintenance(w->ranker, w->platform_id[i], window != NULL, loop_now(d->loop));
        log_notice("platform %s: planned maintenance %s%s%s", w->config->platforms[i].name, window ? "begins" : "is over",
                   window && window->reason ? ": " : "", window && window->reason ? window->reason : "");
        daemon_touch(d);
    }
    if (overrides_next_expiry(&d->overrides) <= wall) {
        overrides_expire(&d->overrides, wall);
        log_notice("an override has expired; %zu are left", d->overrides.len);
        daemon_apply_overrides(d);
        daemon_save(d);
    }
}

/* --- reload ------------------------------------------------------------------------------------------------------------- */

static void take_options(const struct daemon *d, struct config *config)
{
    if (d->socket_path) {
        free(config->socket_path);
        config->socket_path = alloc_string(d->socket_path);
    }
    if (d->state_dir) {
        free(config->state_dir);
        config->state_dir = alloc_string(d->state_dir);
    }
}

static void say_difference(void *arg, const char *sentence)
{
    (void)arg;
    log_info("reload: %s", sentence);
}

static void refuse_reload(struct daemon *d, const char *messages)
{
    CLEANUP(buf_done) struct buf line = BUF_INIT;
    size_t len = strcspn(messages, "\n");
    text_escape_terminal(&line, messages, len, 300);
    free(d->config_error);
    d->config_error = alloc_string(buf_str(&line));
    struct log_field fields[] = {{"PROBED_REASON", d->config_error}};
    log_event(LOG_LEVEL_ERR, MESSAGE_RELOAD_FAILED, fields, ARRAY_LEN(fields), "reload refused, the old configuration stays: %s", d->config_error);
    notify_ready("reload refused: %s", d->config_error);
}

int daemon_reload(struct daemon *d, struct buf *messages)
{
    char *text = NULL;
    size_t size = 0;
    int errors = 0;
    notify_reloading(d->loop);
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return -ENOMEM;
    struct config *config = config_load(d->config_file, stream, false, &errors);
    fclose(stream);
    if (messages)
        buf_add_str(messages, text);
    if (!config) {
        refuse_reload(d, text);
        free(text);
        return -EINVAL;
    }
    free(text);
    if (strcmp(config->currency, d->world->config->currency) != 0) { /* all that is counted is in it */
        CLEANUP(alloc_freep) char *why = alloc_printf("%s: the reference currency can be changed from %s to %s by a restart only", d->config_file,
                                                      d->world->config->currency, config->currency);
        if (messages)
            buf_printf(messages, "%s\n", why);
        refuse_reload(d, why);
        config_unref(config);
        return -EINVAL;
    }
    take_options(d, config);
    if (!d->debug)
        log_set_level((enum log_level)config->log_level);
    if (strcmp(config->socket_path, d->world->config->socket_path) != 0 || strcmp(config->state_dir, d->world->config->state_dir) != 0)
        log_warning("a changed socket or state_dir takes effect at the next start only, ignoring");
    config_diff(d->world->config, config, 20, say_difference, d);
    struct world *next = world_new(config);
    enter_world(d, next);
    history_reloaded(d->history);
    prober_start(d->world->prober);
    collector_start(d->world->collector);
    free(d->config_error);
    d->config_error = NULL;
    d->loaded_at = loop_wall(d->loop);
    d->all_dirty = true;
    daemon_touch(d);
    struct log_field fields[] = {{"PROBED_REASON", "reload"}};
    log_event(LOG_LEVEL_NOTICE, MESSAGE_RELOADED, fields, ARRAY_LEN(fields), "configuration %s reloaded", d->config_file);
    notify_ready("%zu platforms, %zu routes", d->world->config->platforms_len, ranker_routes(d->world->ranker));
    return 0;
}

static void on_hup(void *arg, int signo)
{
    (void)signo;
    CLEANUP(buf_done) struct buf messages = BUF_INIT;
    if (daemon_reload(arg, &messages) < 0)
        log_debug("%s", buf_str(&messages));
}

static void on_term(void *arg, int signo)
{
    struct daemon *d = arg;
    (void)signo;
    notify_stopping();
    loop_stop(d->loop);
}

static void on_calendar(void *arg)
{
    struct daemon *d = arg;
    daemon_check_calendar(d);
    history_second(d->history);
    spending_second(d->spending);
    purse_second(d->purse);
    loop_timer_set(d->calendar, loop_now(d->loop) + CALENDAR);
}

/* --- life --------------------------------------------------------------------------------------------------------------- */

struct daemon *daemon_new(struct loop *loop, const struct daemon_options *options, struct config *config, struct err *err)
{
    struct daemon *d = alloc_zero(1, sizeof *d);
    d->loop = loop;
    d->seed = options->seed;
    d->debug = options->debug;
    d->no_store = options->no_store;
    d->config_file = alloc_string(options->config_file);
    d->socket_path = options->socket_path ? alloc_string(options->socket_path) : NULL;
    d->state_dir = options->state_dir ? alloc_string(options->state_dir) : NULL;
    d->started_at = d->loaded_at = loop_wall(loop);
    d->work = loop_timer_new(loop, "rank and publish", on_work, d);
    d->renew = loop_timer_new(loop, "lease", on_renew, d);
    d->budget_look = loop_timer_new(loop, "budget", on_budget, d);
    d->calendar = loop_timer_new(loop, "calendar", on_calendar, d);
    take_options(d, config);
    d->budget = budget_new(&config->budget);
    d->world = world_new(config);
    d->pricing = pricing_new(d);
    d->purse = purse_new(d);
    struct http_setup http = {
        .connections = HTTP_CONNECTIONS,
        .dns_concurrency = config->dns_concurrency,
        .ca_file = config->ca_file,
        .user_agent = "probed/" PROBED_VERSION,
    };
    d->http = http_new(loop, &http, err);
    if (!d->http || open_state(d, err) < 0)
        return daemon_free(d);
    struct world *w = d->world;
    d->world = NULL;
    enter_world(d, w);
    ranker_set_events(w->ranker, NULL, NULL); /* where things begin is no change */
    ranker_refresh(w->ranker, loop_now(loop), 0, ranker_now(w->ranker) == 0);
    publish(d);
    history_begin(d->history);
    daemon_touch(d);
    ranker_set_events(w->ranker, observe_ranker_event, d);
    if (options->no_api)
        return d;
    struct api_owner owner = command_owner(d);
    d->api = api_new(loop, &owner, options->listen_fd, err);
    return d->api ? d : daemon_free(d);
}

void daemon_start(struct daemon *d)
{
    d->on_hup = loop_signal_new(d->loop, SIGHUP, on_hup, d);
    d->on_term = loop_signal_new(d->loop, SIGTERM, on_term, d);
    d->on_int = loop_signal_new(d->loop, SIGINT, on_term, d);
    d->watchdog = notify_watchdog_new(d->loop);
    d->started = true;
    prober_start(d->world->prober);
    collector_start(d->world->collector);
    on_budget(d);
    on_calendar(d);
    size_t routes = ranker_routes(d->world->ranker);
    struct log_field fields[] = {{"PROBED_REASON", "start"}};
    log_event(LOG_LEVEL_INFO, MESSAGE_STARTED, fields, ARRAY_LEN(fields),
              "probed " PROBED_VERSION " started: %zu platforms, %zu routes, %zu policies, socket %s", d->world->config->platforms_len, routes,
              d->world->config->policies_len, d->api ? d->world->config->socket_path : "none");
    notify_ready("%zu platforms, %zu routes", d->world->config->platforms_len, routes);
}

struct daemon *daemon_free(struct daemon *d)
{
    if (!d)
        return NULL;
    api_free(d->api);
    if (d->started) {
        struct log_field fields[] = {{"PROBED_REASON", "stop"}};
        log_event(LOG_LEVEL_INFO, MESSAGE_STOPPED, fields, ARRAY_LEN(fields), "probed stopped");
    }
    history_end(d->history);
    world_free(d->world);
    spending_close(d->spending);
    history_close(d->history);
    pricing_free(d->pricing);
    purse_free(d->purse);
    budget_free(d->budget);
    if (d->http)
        http_free(d->http);
    overrides_done(&d->overrides);
    table_unref(d->table);
    notify_watchdog_free(d->watchdog);
    loop_signal_free(d->on_hup);
    loop_signal_free(d->on_term);
    loop_signal_free(d->on_int);
    loop_timer_free(d->work);
    loop_timer_free(d->renew);
    loop_timer_free(d->budget_look);
    loop_timer_free(d->calendar);
    free(d->config_file);
    free(d->socket_path);
    free(d->state_dir);
    free(d->state_file);
    free(d->config_error);
    free(d);
    return NULL;
}

void daemon_set_recorder(struct daemon *d, daemon_record_fn fn, void *arg)
{
    d->record = fn;
    d->record_arg = arg;
}

const struct table *daemon_table(const struct daemon *d) { return d->table; }

struct ranker *daemon_ranker(struct daemon *d) { return d->world->ranker; }
