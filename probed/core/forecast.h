/* What a workload would cost on one route, or on several by their shares, and when a credit runs out under it.
 *
 * Pure functions of values. Money: pico-units of one currency; a cost that is not known is -1, never 0, and one that is too large to be
 * said is FORECAST_MOST. The interval holds what is not sure: the charged/advertised ratio, prices that move, and how many tries fail. */
#ifndef PROBED_CORE_FORECAST_H
#define PROBED_CORE_FORECAST_H

#include <stddef.h>

#include "probed/core/tariff.h"
#include "shared/units.h"

#define FORECAST_MOST     (INT64_MAX / 2)
#define FORECAST_DAYS_MAX 3650

struct forecast_route {
    struct tariff price;
    double ratio, ratio_low, ratio_high;       /* charged / advertised; <= 0 = not sure: 1 */
    double failure, failure_low, failure_high; /* chance that a try fails; negative = not known: 0, up to failure_high if that is known */
    double charged;    /* the share of a try's price that is paid when it fails; negative = not known: none at least, all at most */
    double volatility; /* relative standard deviation of the price's daily change; negative = not known */
    double weight;     /* share of the requests; only ratios between routes matter */
};

struct forecast_workload {
    double requests_per_day;
    int64_t input, output; /* tokens a request */
    int days;
};

struct forecast {
    bool known;
    int64_t cost, low, high; /* over the days; -1 = not known */
    double per_request;      /* pico a request that succeeds, failed tries included; -1 = not known */
    double failed_share;     /* of the cost; -1 = not known */
};

/* On that route alone, each failed try repeated there. */
struct forecast forecast_route(const struct forecast_route *route, const struct forecast_workload *work);
/* On all by their weights. Known only if the price of every route that has a weight is. ret_each: each one's part of the cost (at its share
 * of the requests), or NULL. */
struct forecast forecast_table(const struct forecast_route *routes, size_t len, const struct forecast_workload *work,
                               struct forecast *ret_each);

enum forecast_end { FORECAST_INSUFFICIENT, FORECAST_OK, FORECAST_NOT_WITHIN, FORECAST_UNLIMITED };
const char *forecast_end_name(enum forecast_end state); /* "insufficient_data", "ok", "not_within", "unlimited" */
struct forecast_credit {
    bool unlimited;
    int64_t left;                      /* -1 = not known */
    int64_t burn, burn_low, burn_high; /* a day, without the workload; -1 = not known: then nothing is said */
    usec_t expires;                    /* after so long the gift (gift < 0: all) is lost; 0 = never */
    int64_t gift;
};
struct forecast_ending {
    enum forecast_end state;
    usec_t after, low, high; /* from now on; -1 = not within the days */
};
/* f: of the workload on that platform. NOT_WITHIN: it lasts longer than `days`. */
struct forecast_ending forecast_runs_out(const struct forecast_credit *credit, const struct forecast *f, int days);

#endif
