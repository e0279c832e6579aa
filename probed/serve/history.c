/* GET /v1/history, /v1/events, /v1/report and /v1/dump: the parameters of a question about the past, checked and made into one.
 *
 * What the history knows is not looked up here: it may hold platforms and models that no configuration names any more, so an unknown name
 * is an empty answer and no error. What cannot be meant (a window that ends before it begins, a number out of range) is a problem that says
 * what would be right. */
#include "probed/serve/api_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HISTORY_TIME_MAX ((usec_t)4000000000 * USEC_PER_SEC) /* milliseconds taken for seconds are beyond it */
#define WINDOW_DEFAULT   USEC_PER_DAY
#define POINTS_DEFAULT   200
#define EVENTS_DEFAULT   100
#define RECORDS_DEFAULT  5000

/* A question in the making; the first thing that is wrong is answered, and nothing is looked at after it. */
struct reading_query {
    struct client *c;
    struct history_query query;
    bool wrong;
    enum MHD_Result answered;
};

static void ATTR_PRINTF(3, 4) refuse(struct reading_query *r, const char *parameter, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    if (r->wrong)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    cJSON *problem = answer_problem_new(MHD_HTTP_BAD_REQUEST, "%s", text);

    json_add_string(problem, "parameter", parameter);
    r->wrong = true;
    r->answered = answer_problem_json(r->c, MHD_HTTP_BAD_REQUEST, problem);
}

/* False: it is not given, or wrong. */
static bool take_time(struct reading_query *r, const char *name, usec_t *ret)
{
    const char *text = dispatch_parameter(r->c, name);
    usec_t value = 0;

    if (text == NULL || r->wrong)
        return false;
    if (units_parse_decimal(text, USEC_PER_SEC, &value) < 0 || value < 0 || value > HISTORY_TIME_MAX) {
        refuse(r, name, "parameter \"%s\" should be a time in seconds since the Unix epoch, such as 1763950000, not \"%s\"", name, text);
        return false;
    }
    *ret = value;
    return true;
}

static void take_window(struct reading_query *r)
{
    struct history_query *q = &r->query;

    q->now = loop_wall(r->c->api->loop);
    bool ends = take_time(r, "until", &q->until);
    usec_t end = ends ? q->until : q->now;

    q->since = end > WINDOW_DEFAULT ? end - WINDOW_DEFAULT : 0;
    bool begins = take_time(r, "since", &q->since);

    /* until 0 is the question's "now", and nothing is before the epoch anyway. */
    if (!r->wrong && (q->since >= end || (ends && q->until == 0)))
        refuse(r, begins ? "since" : "until", "the window is empty: \"since\" should be before \"until\"%s", ends ? "" : ", which is now");
}

static int64_t take_number(struct reading_query *r, const char *name, int64_t least, int64_t most, int64_t otherwise)
{
    const char *text = dispatch_parameter(r->c, name);
    int64_t value = 0;

    if (text == NULL || r->wrong)
        return otherwise;
    /* Whole numbers only; the parser alone would round. */
    if (strspn(text, "0123456789") != strlen(text) || units_parse_decimal(text, 1, &value) < 0 || value < least || value > most) {
        if (most == INT64_MAX)
            refuse(r, name, "parameter \"%s\" should be the number that an answer before this one told to go on with, not \"%s\"", name,
                   text);
        else
            refuse(r, name, "parameter \"%s\" should be a whole number from %" PRId64 " to %" PRId64 ", not \"%s\"", name, least, most,
                   text);
        return otherwise;
    }
    return value;
}

static void take_text(struct reading_query *r, const char *name, char *ret, size_t size)
{
    const char *text = dispatch_parameter(r->c, name);

    if (text == NULL || r->wrong)
        return;
    if (strlen(text) >= size)
        refuse(r, name, "parameter \"%s\" is longer than %zu bytes", name, size - 1);
    else
        strcpy(ret, text);
}

/* PLATFORM or PLATFORM/MODEL, where the model may have slashes of its own. */
static void take_route(struct reading_query *r, const char *text)
{
    struct history_of *of = &r->query.of[r->query.of_len];
    const char *slash = strchr(text, '/');
    size_t platform = slash != NULL ? (size_t)(slash - text) : strlen(text);

    if (platform == 0 || (slash != NULL && slash[1] == '\0'))
        refuse(r, "route", "parameter \"route\" should be PLATFORM or PLATFORM/MODEL, not \"%s\"", text);
    else if (platform >= sizeof of->platform || (slash != NULL && strlen(slash + 1) >= sizeof of->model))
        refuse(r, "route", "in parameter \"route\" a platform has at most %zu bytes and a model %zu", sizeof of->platform - 1,
               sizeof of->model - 1);
    else if (slash != NULL && r->query.metric == HISTORY_METRIC_BALANCE)
        refuse(r, "route", "the balance is a platform's: parameter \"route\" should be \"%.*s\"", (int)platform, text);
    else {
        memcpy(of->platform, text, platform);
        strcpy(of->model, slash != NULL ? slash + 1 : "");
        r->query.of_len++;
    }
}

static void take_metric(struct reading_query *r)
{
    const char *name = dispatch_parameter(r->c, "metric"), *names[HISTORY_METRIC_COUNT];

    r->query.metric = HISTORY_METRIC_TTFT;
    if (name == NULL || r->wrong)
        return;
    int metric = history_metric_from_name(name);

    if (metric >= 0) {
        r->query.metric = (enum history_metric)metric;
        return;
    }
    struct buf all CLEANUP(buf_done) = BUF_INIT;

    for (int i = 0; i < HISTORY_METRIC_COUNT; i++) {
        names[i] = history_metric_name(i);
        buf_printf(&all, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    cJSON *problem =
        answer_problem_new(MHD_HTTP_BAD_REQUEST, "there is no metric \"%s\": it should be one of %s", name, buf_str(&all));

    json_add_string(problem, "parameter", "metric");
    find_suggest(problem, name, names, HISTORY_METRIC_COUNT);
    r->wrong = true;
    r->answered = answer_problem_json(r->c, MHD_HTTP_BAD_REQUEST, problem);
}

/* A rank is one of a policy: the default one's unless another is named. */
static void take_policy_of_rank(struct reading_query *r)
{
    const struct table *table = api_table(r->c->api);

    take_text(r, "policy", r->query.policy, sizeof r->query.policy);
    if (r->wrong)
        return;
    if (r->query.metric != HISTORY_METRIC_RANK) {
        if (r->query.policy[0] != '\0')
            refuse(r, "policy", "parameter \"policy\" goes with metric=rank: a route's %s does not depend on it",
                   history_metric_name(r->query.metric));
    } else if (r->query.policy[0] == '\0' && table->len > 0 && strlen(table->policies[0].name) < sizeof r->query.policy)
        strcpy(r->query.policy, table->policies[0].name);
}

static enum MHD_Result ask_it(struct reading_query *r)
{
    return r->wrong ? r->answered : asking_start(r->c, &r->query);
}

enum MHD_Result history_get(struct client *c)
{
    struct reading_query r = {.c = c, .query.kind = HISTORY_SERIES};

    take_window(&r);
    take_metric(&r);
    for (size_t i = 0; i < c->many_len && !r.wrong; i++)
        take_route(&r, c->many[i]);
    r.query.points = (unsigned)take_number(&r, "points", 2, HISTORY_POINTS_MAX, POINTS_DEFAULT);
    take_policy_of_rank(&r);
    return ask_it(&r);
}

enum MHD_Result events_get(struct client *c)
{
    struct reading_query r = {.c = c, .query.kind = HISTORY_EVENTS};

    take_window(&r);
    take_text(&r, "platform", r.query.of[0].platform, sizeof r.query.of[0].platform);
    take_text(&r, "model", r.query.of[0].model, sizeof r.query.of[0].model);
    r.query.of_len = r.query.of[0].platform[0] != '\0' || r.query.of[0].model[0] != '\0';
    take_text(&r, "policy", r.query.policy, sizeof r.query.policy);
    take_text(&r, "name", r.query.event, sizeof r.query.event);
    r.query.after = take_number(&r, "after", 0, INT64_MAX, -1);
    r.query.limit = (unsigned)take_number(&r, "limit", 1, HISTORY_EVENTS_MAX, EVENTS_DEFAULT);
    return ask_it(&r);
}

enum MHD_Result report_get(struct client *c)
{
    struct reading_query r = {.c = c, .query.kind = HISTORY_REPORT};

    take_window(&r);
    for (size_t i = 0; i < c->many_len; i++)
        strcpy(r.query.of[r.query.of_len++].platform, c->many[i]); /* its length is the endpoint's cap */
    return ask_it(&r);
}

enum MHD_Result dump_get(struct client *c)
{
    struct reading_query r = {.c = c, .query.kind = HISTORY_DUMP};

    take_window(&r);
    r.query.after = take_number(&r, "after", 0, INT64_MAX, 0);
    r.query.limit = (unsigned)take_number(&r, "limit", 1, HISTORY_DUMP_MAX, RECORDS_DEFAULT);
    return ask_it(&r);
}
