/* GET /v1/explain: why a route stands where it stands, whole: the terms of its loss, the evidence behind each, the last observations, and
 * what only the daemon knows (budget, level, override). Words for rows are those of /v1/routes, through the same codec. */
#include "probed/serve/api_parts.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static const struct {
    enum observation_flag flag;
    const char *name;
} explain_flags[] = {
    {OBSERVED_CHALLENGE_PASSED, "challenge_passed"},
    {OBSERVED_CHALLENGE_FAILED, "challenge_failed"},
    {OBSERVED_MODEL_DIFFERS, "model_differs"},
    {OBSERVED_ONE_BURST, "one_burst"},
    {OBSERVED_CUMULATIVE, "cumulative"},
    {OBSERVED_THINKING_ONLY, "thinking_only"},
    {OBSERVED_NO_USAGE, "no_usage"},
    {OBSERVED_USAGE_IMPOSSIBLE, "usage_impossible"},
    {OBSERVED_CACHED, "cached"},
    {OBSERVED_ID_ODD, "id_odd"},
    {OBSERVED_SAME_ANSWER, "same_answer"},
};

static void explain_add_age(cJSON *json, const char *name, usec_t age)
{
    if (age < 0)
        json_add_null(json, name);
    else
        json_add_number(json, name, (double)age / (double)USEC_PER_SEC);
}

static void explain_terms(cJSON *json, const struct explanation *e)
{
    cJSON *terms = json_add_array(json, "terms");
    for (size_t i = 0; i < e->terms_len && i < EXPLAIN_TERMS_MAX; i++) {
        cJSON *term = json_add_object(terms, NULL);
        json_add_string(term, "term", e->terms[i].name);
        json_add_int(term, "nano", e->terms[i].nano);
        json_add_string(term, "how", e->terms[i].how);
        json_add_string(term, "window", e->terms[i].window);
        json_add_number(term, "samples", e->terms[i].samples);
        explain_add_age(term, "age_s", e->terms[i].age);
    }
}

static void explain_windows(cJSON *json, const struct explanation *e)
{
    cJSON *windows = json_add_array(json, "windows");
    for (size_t i = 0; i < e->windows_len && i < ARRAY_LEN(e->windows); i++) {
        cJSON *window = json_add_object(windows, NULL);
        json_add_string(window, "window", e->windows[i].name);
        json_add_number(window, "ok", e->windows[i].ok);
        json_add_number(window, "failed", e->windows[i].failed);
        json_add_number(window, "estimate", e->windows[i].estimate);
        json_add_number(window, "low", e->windows[i].low);
    }
    cJSON *segments = json_add_array(json, "segments");
    for (size_t i = 0; i < e->segments_len && i < ARRAY_LEN(e->segments); i++) {
        const struct explain_segment *s = &e->segments[i];
        cJSON *segment = json_add_object(segments, NULL);
        json_add_string(segment, "segment", s->name);
        json_add_number(segment, "samples", s->samples);
        json_add_msec(segment, "mean_ms", s->mean);
        json_add_msec(segment, "p50_ms", s->p50);
        json_add_msec(segment, "p90_ms", s->p90);
        json_add_msec(segment, "p95_ms", s->p95);
    }
}

static void explain_load(cJSON *json, const struct explanation *e)
{
    json_add_int(json, "concurrency", e->concurrency);
    cJSON *loads = json_add_array(json, "load");
    for (size_t i = 0; i < e->load_len && i < ARRAY_LEN(e->load); i++) {
        const struct explain_load *l = &e->load[i];
        cJSON *load = json_add_object(loads, NULL);
        json_add_string(load, "in_flight", l->in_flight);
        json_add_number(load, "ok", l->ok);
        json_add_number(load, "failed", l->failed);
        json_add_number(load, "limited", l->limited);
        json_add_number(load, "fails", l->fails);
        json_add_number(load, "slower", l->slower);
        json_add_number(load, "refused", l->refused);
    }
}

static void explain_group(cJSON *json, const struct explanation *e)
{
    cJSON *group = json_add_array(json, "group");
    for (size_t i = 0; i < e->group_len && i < EXPLAIN_GROUP_MAX; i++) {
        cJSON *partner = json_add_object(group, NULL);
        json_add_string(partner, "platform", e->group[i].platform);
        json_add_number(partner, "together", e->group[i].together);
    }
}

static void explain_reports(cJSON *json, const struct explanation *e)
{
    cJSON *reports = json_add_object(json, "reports");
    json_add_int(reports, "over_rate", e->reports.over_rate);
    json_add_int(reports, "unconfirmed", e->reports.unconfirmed);
    json_add_int(reports, "contradicted", e->reports.contradicted);
    json_add_string(reports, "last_by", e->reports.last_by);
    explain_add_age(reports, "age_s", e->reports.age);
}

static void explain_observation(cJSON *list, const struct observation *o, const char *reporter)
{
    cJSON *json = json_add_object(list, NULL);
    json_add_time(json, "at", o->at);
    json_add_string(json, "probe", probe_kind_name(o->probe));
    json_add_string(json, "source", o->source == SOURCE_TRAFFIC ? "traffic" : "probe");
    json_add_string(json, "reporter", reporter);
    if (o->in_flight > 0)
        json_add_int(json, "in_flight", o->in_flight);
    else
        json_add_null(json, "in_flight");
    json_add_string(json, "outcome", outcome_name(o->outcome.kind));
    json_add_string(json, "outcome_text", outcome_text(o->outcome.kind));
    json_add_string(json, "stage", stage_name(o->outcome.stage));
    json_add_string(json, "fault", fault_name(o->outcome.fault));
    if (o->outcome.http_status > 0)
        json_add_int(json, "status", o->outcome.http_status);
    else
        json_add_null(json, "status");
    json_add_msec(json, "ttft_ms", o->ttft);
    json_add_msec(json, "total_ms", o->total);
    if (o->tokens_per_s > 0)
        json_add_number(json, "tokens_per_s", o->tokens_per_s);
    else
        json_add_null(json, "tokens_per_s");
    json_add_string(json, "detail", o->detail);
    cJSON *flags = json_add_array(json, "flags");
    for (size_t i = 0; i < ARRAY_LEN(explain_flags); i++)
        if ((o->flags & (unsigned)explain_flags[i].flag) != 0)
            json_add_string(flags, NULL, explain_flags[i].name);
}

static void explain_place(cJSON *json, cJSON *row, const struct explanation *e)
{
    row_move(row, json, (const char *const[]){"platform", "title", NULL});
    json_add_string(json, "model", e->row.facts->model);
    row_move(row, json, (const char *const[]){"upstream_model", "endpoint", "dialect", "level", "rank", "slots", "weight", "state", NULL});
    json_add_string(json, "state_text", route_state_text(e->row.state));
    if (e->state_since > 0)
        json_add_time(json, "state_since", e->state_since);
    else
        json_add_null(json, "state_since");
    json_add_string(json, "state_why", e->state_why);
    row_move(row, json, (const char *const[]){"reason", NULL});
    json_add_string(json, "reason_text", route_reason_text(e->row.reason));
    row_move(row, json, (const char *const[]){"flags", "score", NULL});
    json_add_number(json, "loss", (double)e->loss_nano / 1e9);
    json_add_int(json, "loss_nano", e->loss_nano);
}

static void explain_price(cJSON *json, cJSON *row, const struct explanation *e, usec_t now)
{
    row_move(row, json, (const char *const[]){"price", NULL});
    cJSON *price = cJSON_GetObjectItemCaseSensitive(json, "price");
    if (!cJSON_IsObject(price))
        return;
    json_add_string(price, "source", e->price.source);
    /* A price from the configuration has no age: it is as old as the file. */
    explain_add_age(price, "age_s", e->price.at > 0 ? now - e->price.at : -1);
}

static void explain_honesty(cJSON *json, const struct explanation *e)
{
    cJSON *honesty = json_add_object(json, "honesty");
    json_add_int(honesty, "challenges_passed", e->challenges_passed);
    json_add_int(honesty, "challenges_failed", e->challenges_failed);
    json_add_int(honesty, "model_differs", e->model_differs);
    json_add_int(honesty, "bursts", e->bursts);
    json_add_number(honesty, "dishonesty", e->honesty_samples > 0 ? e->dishonesty : NAN);
    json_add_number(honesty, "samples", e->honesty_samples);
    cJSON *signals = json_add_array(honesty, "signals");
    for (size_t i = 0; i < e->signals_len && i < EXPLAIN_SIGNALS_MAX; i++) {
        const struct explain_signal *s = &e->signals[i];
        cJSON *signal = json_add_object(signals, NULL);
        json_add_string(signal, "signal", s->name);
        json_add_string(signal, "text", s->text);
        json_add_int(signal, "count", s->count);
        json_add_int(signal, "of", s->of);
        json_add_number(signal, "share", s->of > 0 ? s->share : NAN);
        json_add_bool(signal, "weighs", s->weighs);
        json_add_time(signal, "at", s->at > 0 ? s->at : -1);
        json_add_string(signal, "evidence", s->evidence[0] ? s->evidence : NULL);
    }
}

static void explain_burst(cJSON *json, const struct explanation *e)
{
    if (e->burst.n == 0) {
        json_add_null(json, "burst");
        return;
    }
    cJSON *burst = json_add_object(json, "burst");
    json_add_int(burst, "n", e->burst.n);
    json_add_int(burst, "ok", e->burst.ok);
    json_add_int(burst, "failed", e->burst.failed);
    json_add_int(burst, "limited", e->burst.limited);
    json_add_msec(burst, "ttft_p50_ms", e->burst.ttft_p50);
    json_add_msec(burst, "ttft_p95_ms", e->burst.ttft_p95);
    explain_add_age(burst, "age_s", e->burst.age);
    json_add_string(burst, "why", e->burst.why && e->burst.why[0] ? e->burst.why : NULL);
}

static void explain_numbers(cJSON *json, const struct explanation *e)
{
    json_add_number(json, "share_cap", e->share_cap);
    cJSON *flap = json_add_object(json, "flap");
    json_add_number(flap, "penalty", e->flap_penalty);
    json_add_number(flap, "suppress", e->flap_suppress);
    json_add_number(flap, "reuse", e->flap_reuse);
    cJSON *counterfactual = json_add_array(json, "counterfactual");
    for (size_t i = 0; i < e->counterfactual_len && i < ARRAY_LEN(e->counterfactual); i++)
        json_add_string(counterfactual, NULL, e->counterfactual[i]);
    json_add_number(json, "waste_s", e->waste_s);
    explain_honesty(json, e);
    explain_burst(json, e);
}

/* The daemon's own members go last, and win where both speak (the level in force). */
static void explain_merge(cJSON *json, cJSON *extra)
{
    while (extra != NULL && extra->child != NULL) {
        cJSON *item = cJSON_DetachItemViaPointer(extra, extra->child);
        cJSON_DeleteItemFromObjectCaseSensitive(json, item->string);
        cJSON_AddItemToObject(json, item->string, item);
    }
    cJSON_Delete(extra);
}

static cJSON *explain_to_json(struct api *api, const struct explanation *e)
{
    cJSON *row = row_to_json(&e->row);
    cJSON *json = json_new_object();
    json_add_int(json, "epoch", (int64_t)api->table->epoch);
    json_add_int(json, "generation", (int64_t)api->table->generation);
    json_add_string(json, "policy", e->policy);
    json_add_string(json, "currency", api->table->currency);
    explain_place(json, row, e);
    json_add_string(json, "reason_why", e->reason_why[0] ? e->reason_why : NULL);
    explain_terms(json, e);
    json_add_string(json, "retry_on", e->retry_on);
    json_add_string(json, "incumbent", e->incumbent);
    json_add_string(json, "challenger", e->challenger);
    json_add_number(json, "evidence", e->evidence);
    json_add_number(json, "evidence_needed", e->evidence_needed);
    explain_windows(json, e);
    cJSON *last = json_add_array(json, "last");
    for (size_t i = 0; i < e->last_len && i < EXPLAIN_LAST_MAX; i++)
        explain_observation(last, &e->last[i], e->last_reporter[i]);
    explain_load(json, e);
    explain_group(json, e);
    explain_reports(json, e);
    explain_price(json, row, e, loop_now(api->loop));
    explain_numbers(json, e);
    cJSON_Delete(row);
    return json;
}

enum MHD_Result explain_get(struct client *c)
{
    struct api *api = c->api;
    struct found found;
    struct explanation e = {.policy = NULL};
    enum MHD_Result answered = MHD_NO;
    const char *platform = dispatch_parameter(c, "platform"), *model = dispatch_parameter(c, "model");
    if (!find_ranking(c, dispatch_parameter(c, "policy"), model, &found, &answered) || !find_route(c, platform, model, &answered))
        return answered;
    cJSON *extra = NULL;
    if (api->owner.explain(api->owner.arg, platform, model, found.policy->name, &e, &extra) < 0) {
        cJSON_Delete(extra);
        return answer_problem(c, MHD_HTTP_NOT_FOUND, "there is no route %s/%s under policy %s", platform, model, found.policy->name);
    }
    cJSON *json = explain_to_json(api, &e);
    explain_merge(json, extra);
    return answer_json(c, MHD_HTTP_OK, json);
}
