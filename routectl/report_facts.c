/* What a report says of a platform, worked out once for every form of it.
 *
 * The figures are the daemon's; what is added here is the verdict. A target is kept when the availability is not below it: compared as
 * numbers and not as the rounded figures beside it. The allowance is what the target leaves: of 10,000 requests at 99.5 % 50 may fail, and
 * 20 that did are 40 % of it. */
#include "routectl/report_facts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "routectl/fields.h"
#include "routectl/figures.h"
#include "shared/alloc.h"

static void read_quantiles(const cJSON *json, double ret[REPORT_QUANTILES])
{
    static const char *const names[] = {[REPORT_P50] = "p50", [REPORT_P90] = "p90", [REPORT_P95] = "p95", [REPORT_P99] = "p99"};
    for (size_t i = 0; i < REPORT_QUANTILES; i++)
        ret[i] = field_number(json, names[i]);
}

void report_figures_read(const cJSON *json, struct report_figures *ret)
{
    *ret = (struct report_figures){
        .n = field_count(json, "n"),
        .ok = field_count(json, "ok"),
        .failed = field_count(json, "failed"),
        .limited = field_count(json, "limited"),
        .ours = field_count(json, "ours"),
        .availability = field_number(json, "availability"),
        .uptime = field_number(json, "uptime"),
        .down_s = field_number(json, "down_s"),
        .tokens_per_s = field_number(json, "tokens_per_s"),
        .cost = field_number(json, "cost"),
        .prompt_tokens = field_count(json, "prompt_tokens"),
        .output_tokens = field_count(json, "output_tokens"),
    };
    read_quantiles(json_at(json, "ttft"), ret->ttft);
    read_quantiles(json_at(json, "total"), ret->total);
}

const char *report_verdict_text(enum report_verdict verdict)
{
    static const char *const texts[] = {
        [REPORT_NO_DATA] = "no data", [REPORT_NO_TARGET] = "no target", [REPORT_KEPT] = "kept", [REPORT_MISSED] = "missed"};
    return texts[verdict];
}

/* The daemon's words on a platform; NULL = it does not have it any more. */
static const cJSON *status_of(const cJSON *status, const char *name)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, json_at(status, "platforms"))
    {
        if (strcmp(field_words(item, "platform"), name) == 0)
            return item;
    }
    return NULL;
}

static void judge(struct report_platform *p)
{
    const struct report_figures *f = &p->figures;
    p->allowance = NAN;
    if (!isfinite(f->availability))
        p->verdict = REPORT_NO_DATA;
    else if (!isfinite(p->target))
        p->verdict = REPORT_NO_TARGET;
    else
        p->verdict = f->availability >= p->target ? REPORT_KEPT : REPORT_MISSED;
    if (p->verdict >= REPORT_KEPT && p->target < 1)
        p->allowance = (1 - f->availability) / (1 - p->target);
}

static void count_incidents(struct report_platform *p)
{
    const cJSON *model, *incident;
    cJSON_ArrayForEach(model, json_at(p->json, "models"))
    {
        p->incidents += cJSON_GetArraySize(json_at(model, "incidents")) + field_count(model, "incidents_more");
        cJSON_ArrayForEach(incident, json_at(model, "incidents"))
        {
            p->longest_s = fmax(p->longest_s, field_number(incident, "seconds"));
        }
    }
}

/* States come from a daemon that was there; what was imported has requests without them. An uptime out of minutes says nothing of weeks of requests. */
#define STATES_LEAST 0.25 /* of the days on which there were requests */

static void forget_thin_uptime(struct report_platform *p)
{
    const cJSON *model, *day;
    double known = 0, days = 0;
    cJSON_ArrayForEach(model, json_at(p->json, "models"))
    {
        double seconds = field_number(model, "state_known_s");
        known = isfinite(seconds) && seconds > known ? seconds : known;
    }
    cJSON_ArrayForEach(day, json_at(p->json, "days")) days += field_count(day, "n") > 0;
    if (days > 1 && known < STATES_LEAST * 86400 * (days - 1))
        p->figures.uptime = p->figures.down_s = NAN;
}

static void read_platform(struct report_platform *p, const cJSON *json, const cJSON *status)
{
    *p = (struct report_platform){.name = field_words(json, "platform"), .json = json};
    const cJSON *now = status_of(status, p->name);
    p->title = now && field_words(now, "title")[0] ? field_words(now, "title") : p->name;
    p->tags = json_at(now, "tags");
    p->target = field_number(now, "target");
    report_figures_read(json, &p->figures);
    forget_thin_uptime(p);
    judge(p);
    count_incidents(p);
}

/* What was not seen comes last; then the more available, the quicker, the name. */
static int compare(const void *a, const void *b)
{
    const struct report_platform *x = a, *y = b;
    double ax = isfinite(x->figures.availability) ? x->figures.availability : -1;
    double ay = isfinite(y->figures.availability) ? y->figures.availability : -1;
    if (ax != ay)
        return ax < ay ? 1 : -1;
    double tx = isfinite(x->figures.ttft[REPORT_P50]) ? x->figures.ttft[REPORT_P50] : INFINITY;
    double ty = isfinite(y->figures.ttft[REPORT_P50]) ? y->figures.ttft[REPORT_P50] : INFINITY;
    if (tx != ty)
        return tx > ty ? 1 : -1;
    return strcmp(x->name, y->name);
}

void report_read(struct report *ret, const cJSON *answer, const cJSON *status)
{
    const cJSON *list = json_at(answer, "platforms"), *item;
    ret->answer = answer;
    ret->status = status;
    ret->len = 0;
    ret->platforms = alloc_zero((size_t)cJSON_GetArraySize(list) + 1, sizeof *ret->platforms);
    cJSON_ArrayForEach(item, list)
    {
        read_platform(&ret->platforms[ret->len++], item, status);
    }
    qsort(ret->platforms, ret->len, sizeof *ret->platforms, compare);
}

void report_done(struct report *report)
{
    free(report->platforms);
    report->platforms = NULL;
    report->len = 0;
}

bool report_is_empty(const struct report *report)
{
    for (size_t i = 0; i < report->len; i++) {
        if (report->platforms[i].figures.n > 0)
            return false;
    }
    return true;
}

size_t report_loads(const struct report_platform *platform, struct report_load ret[REPORT_LOADS_MAX])
{
    const cJSON *model, *load;
    size_t len = 0;
    cJSON_ArrayForEach(model, json_at(platform->json, "models"))
    {
        cJSON_ArrayForEach(load, json_at(model, "by_in_flight"))
        {
            const char *name = field_words(load, "in_flight");
            size_t at = 0;
            while (at < len && strcmp(ret[at].in_flight, name) != 0)
                at++;
            if (at == REPORT_LOADS_MAX)
                continue;
            if (at == len)
                ret[len++] = (struct report_load){.in_flight = name};
            ret[at].n += field_count(load, "n");
            ret[at].failed += field_count(load, "failed");
            ret[at].limited += field_count(load, "limited");
        }
    }
    return len;
}

static int compare_incidents(const void *a, const void *b)
{
    const struct report_incident *x = a, *y = b;
    if (x->from != y->from)
        return x->from > y->from ? 1 : -1;
    return strcmp(x->model, y->model);
}

size_t report_incidents(const struct report_platform *platform, struct report_incident **ret)
{
    const cJSON *model, *item;
    size_t len = 0, size = 1;
    cJSON_ArrayForEach(model, json_at(platform->json, "models"))
    {
        size += (size_t)cJSON_GetArraySize(json_at(model, "incidents"));
    }
    *ret = alloc_zero(size, sizeof **ret);
    cJSON_ArrayForEach(model, json_at(platform->json, "models"))
    {
        cJSON_ArrayForEach(item, json_at(model, "incidents"))
        {
            (*ret)[len++] = (struct report_incident){
                .model = field_words(model, "model"),
                .state = field_words(item, "state"),
                .from = field_time(item, "from"),
                .until = field_time(item, "until"),
                .seconds = field_number(item, "seconds"),
                .ongoing = field_true(item, "ongoing"),
            };
        }
    }
    qsort(*ret, len, sizeof **ret, compare_incidents);
    return len;
}

static void read_offer(struct report_offer *offer, const struct report_platform *platform, const cJSON *model)
{
    const cJSON *price;
    *offer = (struct report_offer){.model = field_words(model, "model"), .platform = platform, .input = NAN, .output = NAN, .call = NAN};
    report_figures_read(model, &offer->figures);
    int prices = 0;
    cJSON_ArrayForEach(price, json_at(model, "prices"))
    {
        offer->input = field_number(price, "input");
        offer->output = field_number(price, "output");
        offer->call = field_number(price, "call");
        prices++;
    }
    offer->changes = prices > 1 ? prices - 1 : 0;
}

static int compare_offers(const void *a, const void *b)
{
    const struct report_offer *x = a, *y = b;
    int order = strcmp(x->model, y->model);
    double xi = isfinite(x->input) ? x->input : INFINITY, yi = isfinite(y->input) ? y->input : INFINITY;
    if (order == 0 && xi != yi)
        order = xi > yi ? 1 : -1;
    return order != 0 ? order : strcmp(x->platform->name, y->platform->name);
}

size_t report_offers(const struct report *report, struct report_offer **ret)
{
    size_t len = 0, size = 1;
    for (size_t i = 0; i < report->len; i++)
        size += (size_t)cJSON_GetArraySize(json_at(report->platforms[i].json, "models"));
    *ret = alloc_zero(size, sizeof **ret);
    for (size_t i = 0; i < report->len; i++) {
        const cJSON *model;
        cJSON_ArrayForEach(model, json_at(report->platforms[i].json, "models"))
        {
            read_offer(&(*ret)[len++], &report->platforms[i], model);
        }
    }
    qsort(*ret, len, sizeof **ret, compare_offers);
    return len;
}

/* --- cells ------------------------------------------------------------------------------------------------------------ */

static struct cell number_cell(double value)
{
    return (struct cell){.kind = CELL_NUMBER, .number = value};
}

struct cell report_span_cell(double seconds)
{
    char span[32];
    if (!isfinite(seconds) || seconds < 0 || seconds > 1e11)
        return cell_unknown();
    if (seconds == 0)
        return cell_shown(number_cell(0), "0");
    double shown = seconds < 10 ? seconds : round(seconds);
    return cell_shown(number_cell(seconds), "%s", units_format_duration(span, sizeof span, (usec_t)(shown * 1e6)));
}

struct cell report_msec_cell(double ms)
{
    struct cell cell = figure_seconds(ms / 1000);
    cell.number = ms;
    return cell;
}

struct cell report_speed_cell(double tokens_per_s)
{
    return isfinite(tokens_per_s) && tokens_per_s > 0 ? cell_shown(number_cell(tokens_per_s), "%.0f", tokens_per_s) : cell_unknown();
}

struct cell report_price_cell(double usd_per_mtok)
{
    char amount[64];
    if (!isfinite(usd_per_mtok) || usd_per_mtok < 0)
        return cell_unknown();
    if (usd_per_mtok == 0)
        return cell_shown(number_cell(0), "free");
    return cell_shown(number_cell(usd_per_mtok), "%s", figure_amount(amount, sizeof amount, usd_per_mtok, "USD"));
}

struct cell report_call_cell(double usd)
{
    return usd == 0 ? cell_shown(number_cell(0), "none") : report_price_cell(usd);
}

struct cell report_money_cell(double usd)
{
    char amount[64];
    return isfinite(usd) ? cell_shown(number_cell(usd), "%s", figure_amount(amount, sizeof amount, usd, "USD")) : cell_unknown();
}

struct cell report_verdict_cell(const struct report_platform *platform)
{
    static const enum style styles[] = {
        [REPORT_NO_DATA] = STYLE_DIM, [REPORT_NO_TARGET] = STYLE_DIM, [REPORT_KEPT] = STYLE_GOOD, [REPORT_MISSED] = STYLE_BAD};
    return cell_styled(cell_string(report_verdict_text(platform->verdict)), styles[platform->verdict]);
}

struct cell report_time_cell(usec_t at)
{
    char when[PERIOD_SHOWN_MAX];
    if (at <= 0)
        return cell_unknown();
    return cell_shown(number_cell((double)(at / 1000) / 1000), "%s", period_time(when, at));
}
