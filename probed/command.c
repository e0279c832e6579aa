/* What the socket asks for: overrides, reload, probes, and the objects that the API shows. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "probed/alert/journal.h"
#include "probed/daemon_parts.h"
#include "shared/text.h"

static const struct table *give_table(void *arg) { return ((struct daemon *)arg)->table; }

static usec_t give_valid_until(void *arg) { return ((struct daemon *)arg)->valid_until; }

static const struct config *give_config(void *arg) { return ((struct daemon *)arg)->world->config; }

static cJSON *give_status(void *arg) { return status_to_json(arg); }

static int give_explanation(void *arg, const char *platform, const char *model, const char *policy, struct explanation *ret, cJSON **extra)
{
    struct daemon *d = arg;
    size_t p, r;
    if (world_find(d->world, platform, model, &p, &r) < 0 || r == SIZE_MAX)
        return -ENOENT;
    int result = ranker_explain(d->world->ranker, d->world->route_id[p][r], policy, loop_now(d->loop), ret);
    if (result < 0)
        return result;
    /* Everything that leaves this process is in wall-clock time. */
    usec_t offset = daemon_wall_offset(d);
    for (size_t i = 0; i < ret->last_len; i++)
        ret->last[i].at += offset;
    for (size_t i = 0; i < ret->signals_len; i++)
        if (ret->signals[i].at > 0)
            ret->signals[i].at += offset;
    if (ret->state_since > 0)
        ret->state_since += offset;
    const struct route_price *price = pricing_of(d->pricing, p, r);
    if (price->fetched_at > 0) /* the ranker knows only since when it costs that */
        ret->price.at = price->fetched_at - offset;
    if (extra)
        *extra = status_explain_extra(d, p, r);
    return 0;
}

static void reset_breakers(struct daemon *d, size_t platform, size_t route)
{
    const struct config_platform *c = &d->world->config->platforms[platform];
    for (size_t j = 0; j < c->routes_len; j++) {
        int account = budget_route(d->budget, c->name, c->routes[j].model);
        if ((route != SIZE_MAX && route != j) || !budget_tripped(d->budget, account))
            continue;
        budget_reset(d->budget, account);
        spending_reset(d->spending, c->name, c->routes[j].model);
    }
}

static void tell_override(struct daemon *d, const struct api_override *word)
{
    struct record record = {.t = loop_now(d->loop), .kind = RECORD_OVERRIDE, .action = word->action};
    text_copy(record.platform, sizeof record.platform, word->platform, strlen(word->platform));
    text_copy(record.model, sizeof record.model, word->model, strlen(word->model));
    text_copy(record.text, sizeof record.text, word->reason, strlen(word->reason));
    record.lasts = word->expires_at > word->made_at ? word->expires_at - word->made_at : 0;
    history_told(d->history, &record);
}

static int take_override(void *arg, const struct api_override *override, struct err *err)
{
    struct daemon *d = arg;
    size_t p, r;
    const char *slash = override->model[0] ? "/" : "";
    if (world_find(d->world, override->platform, override->model, &p, &r) < 0)
        return err_set(err, -ENOENT, "there is no route %s%s%s", override->platform, slash, override->model);
    struct api_override word = *override;
    word.made_at = loop_wall(d->loop);
    int result = overrides_add(&d->overrides, &word, err);
    if (result < 0)
        return result;
    if (word.action == OVERRIDE_ENABLE)
        reset_breakers(d, p, r);
    daemon_save(d);
    daemon_apply_overrides(d);
    tell_override(d, &word);
    CLEANUP(buf_done) struct buf reason = BUF_INIT;
    CLEANUP(buf_done) struct buf by = BUF_INIT;
    text_escape_terminal(&reason, word.reason, strlen(word.reason), 160);
    text_escape_terminal(&by, word.by, strlen(word.by), 64);
    struct log_field fields[] = {
        {"PROBED_PLATFORM", word.platform},
        {"PROBED_MODEL", word.model[0] ? word.model : NULL},
        {"PROBED_TO", override_action_name(word.action)},
        {"PROBED_REASON", buf_str(&reason)},
        {"PROBED_BY", buf_str(&by)},
    };
    char until[32] = "taken back";
    if (word.expires_at)
        units_format_time(until, sizeof until, word.expires_at);
    log_event(LOG_LEVEL_NOTICE, MESSAGE_OVERRIDE, fields, ARRAY_LEN(fields), "%s%s%s: %s by %s until %s%s%s", word.platform, slash, word.model,
              override_action_name(word.action), buf_str(&by), until, reason.len ? ": " : "", buf_str(&reason));
    return 0;
}

static size_t give_overrides(void *arg, const struct api_override **ret)
{
    struct daemon *d = arg;
    *ret = d->overrides.list;
    return d->overrides.len;
}

static int take_reload(void *arg, struct buf *messages) { return daemon_reload(arg, messages); }

static int take_probe(void *arg, const char *platform, const char *model, int kind, struct err *err)
{
    struct daemon *d = arg;
    size_t p, r;
    if (world_find(d->world, platform, model, &p, &r) < 0)
        return err_set(err, -ENOENT, "there is no route %s%s%s", platform, model[0] ? "/" : "", model);
    if (kind == PROBE_PRICE || kind == PROBE_BALANCE || (kind < 0 && r == SIZE_MAX))
        collector_kick(d->world->collector, p);
    if (kind < 0)
        prober_kick(d->world->prober, p, r);
    else if (kind != PROBE_PRICE && kind != PROBE_BALANCE)
        prober_kick_kind(d->world->prober, p, r, (enum probe_kind)kind);
    return 0;
}

static const char *give_key(void *arg, const char *platform)
{
    struct daemon *d = arg;
    size_t p, r;
    if (world_find(d->world, platform, NULL, &p, &r) < 0)
        return NULL;
    const struct secret *key = prober_key(d->world->prober, p);
    return key ? secret_reveal(key) : NULL;
}

static int take_question(void *arg, const struct history_query *query, history_answer_fn fn, void *fn_arg, struct err *err)
{
    return history_ask(((struct daemon *)arg)->history, query, fn, fn_arg, err);
}

static void forget_question(void *arg, void *fn_arg) { history_forget(((struct daemon *)arg)->history, fn_arg); }

struct api_owner command_owner(struct daemon *d)
{
    return (struct api_owner){
        .arg = d,
        .table = give_table,
        .valid_until = give_valid_until,
        .config = give_config,
        .status = give_status,
        .explain = give_explanation,
        .override = take_override,
        .overrides = give_overrides,
        .reload = take_reload,
        .probe = take_probe,
        .key = give_key,
        .tell = topics_tell,
        .ask = take_question,
        .forget = forget_question,
    };
}
