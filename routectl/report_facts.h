/* What a report says of a platform or a model, out of the daemon's answers. */
#ifndef ROUTECTL_REPORT_FACTS_H
#define ROUTECTL_REPORT_FACTS_H

#include "routectl/period.h"
#include "routectl/writer.h"
#include "shared/json.h"

enum report_quantile { REPORT_P50, REPORT_P90, REPORT_P95, REPORT_P99, REPORT_QUANTILES };

struct report_figures { /* of a platform or of one of its models; NAN = unknown */
    int64_t n, ok, failed, limited, ours;
    double availability, uptime, down_s;
    double ttft[REPORT_QUANTILES], total[REPORT_QUANTILES]; /* ms */
    double tokens_per_s, cost;
    int64_t prompt_tokens, output_tokens;
};
void report_figures_read(const cJSON *json, struct report_figures *ret);

enum report_verdict { REPORT_NO_DATA, REPORT_NO_TARGET, REPORT_KEPT, REPORT_MISSED };
const char *report_verdict_text(enum report_verdict verdict);

struct report_platform {
    const char *name, *title; /* borrowed from the answers; never NULL */
    const cJSON *json;        /* its part of the report */
    const cJSON *tags;        /* NULL = none */
    struct report_figures figures;
    double target; /* NAN = none */
    enum report_verdict verdict;
    double allowance; /* part of the failures that the target allows which was used; NAN without a target or with one of 100 % */
    int64_t incidents;
    double longest_s; /* of them */
};

struct report {
    const cJSON *answer, *status; /* borrowed; status may be NULL */
    struct period period;
    usec_t now;
    struct report_platform *platforms; /* the best first */
    size_t len;
};
/* Reads what the two answers hold. The answers must outlive it. */
void report_read(struct report *ret, const cJSON *answer, const cJSON *status);
void report_done(struct report *report);
/* True if not one request was recorded. */
bool report_is_empty(const struct report *report);

/* Requests by requests in flight, over a platform's models. */
#define REPORT_LOADS_MAX 8
struct report_load {
    const char *in_flight;
    int64_t n, failed, limited;
};
size_t report_loads(const struct report_platform *platform, struct report_load ret[REPORT_LOADS_MAX]);

/* A platform's incidents, over its models, by time. Caller frees *ret. */
struct report_incident {
    const char *model, *state;
    usec_t from, until; /* until 0 = not told */
    double seconds;
    bool ongoing;
};
size_t report_incidents(const struct report_platform *platform, struct report_incident **ret);

/* All routes: by model, then the cheapest input first, what has no price last. Caller frees *ret. */
struct report_offer {
    const char *model;
    const struct report_platform *platform;
    struct report_figures figures;
    double input, output, call; /* the last known; NAN = unknown */
    int changes;
};
size_t report_offers(const struct report *report, struct report_offer **ret);

/* "1h 20m"; programs: seconds; NAN = unknown. */
struct cell report_span_cell(double seconds);
struct cell report_msec_cell(double ms);
struct cell report_speed_cell(double tokens_per_s);
struct cell report_price_cell(double usd_per_mtok);
struct cell report_call_cell(double usd); /* beside the tokens: usually none */
struct cell report_money_cell(double usd);
struct cell report_verdict_cell(const struct report_platform *platform);
struct cell report_time_cell(usec_t at); /* local, to the minute; programs: Unix seconds */

#endif
