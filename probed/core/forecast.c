/* The arithmetic of a month's bill.
 *
 * A request that succeeds costs its price times the ratio charged/advertised, and the failed tries before it: with a chance p that a try
 * fails there are p / (1-p) of them, each paid for by its learnt share. What is not sure (the ratio, the share of failures, what they cost,
 * where prices go) moves the bill up or down independently, so the parts of the interval are put together as logarithms, by the root of
 * their squares. A price that wanders from day to day by a relative deviation s is, in the mean over n days, off by s * sqrt(n / 3). All in
 * floating point; what is told is an integer that saturates. */
#include "probed/core/forecast.h"

#include <math.h>

#define FAILURE_MOST       0.95 /* beyond, nobody goes on trying */
#define FAILURE_UNKNOWN    0.2  /* at most, where nothing is known */
#define RATIO_UNKNOWN      1.1  /* off by this factor, where nothing was verified */
#define VOLATILITY_UNKNOWN 0.02
#define VOLATILITY_MOST    1.0
#define DEVIATIONS         2.0
#define RATIO_MOST         1e6

static const struct forecast unknown = {.cost = -1, .low = -1, .high = -1, .per_request = -1, .failed_share = -1};

static double within(double v, double least, double most)
{
    return v > least ? v < most ? v : most : least; /* least for what is no number */
}

static int64_t pico(double v)
{
    return v >= (double)FORECAST_MOST ? FORECAST_MOST : v > 0 ? (int64_t)llround(v) : 0;
}

/* Paid failed tries a success. */
static double wasted(double failure, double charged)
{
    double p = within(failure, 0, FAILURE_MOST);

    return within(charged, 0, 1) * p / (1 - p);
}

/* An estimate with its least and most, all above 0. */
struct part {
    double is, low, high;
};

static struct part ratio_part(const struct forecast_route *r)
{
    if (!(r->ratio > 0))
        return (struct part){1, 1 / RATIO_UNKNOWN, RATIO_UNKNOWN};
    double is = within(r->ratio, 1 / RATIO_MOST, RATIO_MOST);

    return (struct part){is, r->ratio_low > 0 ? within(r->ratio_low, is / RATIO_MOST, is) : is / RATIO_UNKNOWN,
                         r->ratio_high > 0 ? within(r->ratio_high, is, RATIO_MOST) : is * RATIO_UNKNOWN};
}

static struct part failure_part(const struct forecast_route *r)
{
    bool known = r->failure >= 0, charged = r->charged >= 0;
    double is = known ? r->failure : 0;
    double low = known && r->failure_low >= 0 ? within(r->failure_low, 0, is) : is;
    double high = r->failure_high >= 0 ? within(r->failure_high, is, 1) : known ? is : FAILURE_UNKNOWN;

    return (struct part){1 + wasted(is, charged ? r->charged : 0.5), 1 + wasted(low, charged ? r->charged : 0),
                         1 + wasted(high, charged ? r->charged : 1)};
}

static struct part price_part(const struct forecast_route *r, int days)
{
    double daily = r->volatility >= 0 ? within(r->volatility, 0, VOLATILITY_MOST) : VOLATILITY_UNKNOWN;
    double factor = exp(DEVIATIONS * daily * sqrt(days / 3.0));

    return (struct part){1, 1 / factor, factor};
}

/* What is needed of the workload is there. */
static bool sane(const struct forecast_workload *w)
{
    return w->requests_per_day >= 0 && w->requests_per_day <= 1e15 && w->input >= 0 && w->output >= 0 && w->days > 0 &&
           w->days <= FORECAST_DAYS_MAX;
}

static struct forecast forecast_part(const struct forecast_route *r, const struct forecast_workload *w, double share)
{
    struct tariff_cost range;

    if (!sane(w) || !tariff_cost(&r->price, &(struct tariff_usage){w->input, w->output, -1, -1}, &range))
        return unknown;
    double least = (double)range.low, most = (double)range.high, each = (least + most) / 2;
    double requests = w->requests_per_day * w->days * share, down = 0, up = 0;
    const struct part parts[] = {ratio_part(r), failure_part(r), price_part(r, w->days), {each, least, most}};

    if (each <= 0) /* for nothing, whatever fails */
        return (struct forecast){.known = true};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        double low = parts[i].low > 0 ? log(parts[i].is / parts[i].low) : 40, high = log(parts[i].high / parts[i].is);

        down += low * low;
        up += high * high;
    }
    double per_request = each * parts[0].is * parts[1].is, cost = per_request * requests;

    return (struct forecast){.known = true,
                             .cost = pico(cost),
                             .low = pico(cost * exp(-sqrt(down))),
                             .high = pico(cost * exp(sqrt(up))),
                             .per_request = per_request,
                             .failed_share = 1 - 1 / parts[1].is};
}

struct forecast forecast_route(const struct forecast_route *route, const struct forecast_workload *work)
{
    return forecast_part(route, work, 1);
}

static int64_t plus(int64_t a, int64_t b)
{
    return a > FORECAST_MOST - b ? FORECAST_MOST : a + b;
}

struct forecast forecast_table(const struct forecast_route *routes, size_t len, const struct forecast_workload *work,
                               struct forecast *ret_each)
{
    struct forecast all = {.known = true};
    double weights = 0, failed = 0, paid = 0;

    for (size_t i = 0; i < len; i++)
        weights += routes[i].weight > 0 ? routes[i].weight : 0;
    for (size_t i = 0; i < len; i++) {
        double share = weights > 0 && routes[i].weight > 0 ? routes[i].weight / weights : 0;
        struct forecast part = forecast_part(&routes[i], work, share);

        if (ret_each)
            ret_each[i] = part;
        if (share <= 0)
            continue;
        if (!part.known) {
            all.known = false;
            continue;
        }
        all.cost = plus(all.cost, part.cost);
        all.low = plus(all.low, part.low);
        all.high = plus(all.high, part.high);
        all.per_request += share * part.per_request;
        paid += share * part.per_request;
        failed += share * part.per_request * part.failed_share;
    }
    if (!all.known || !(weights > 0))
        return unknown;
    all.failed_share = paid > 0 ? failed / paid : 0;
    return all;
}

/* --- when a credit runs out ------------------------------------------------------------------------------------------------ */

const char *forecast_end_name(enum forecast_end state)
{
    static const char *const names[] = {"insufficient_data", "ok", "not_within", "unlimited"};

    return (unsigned)state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

/* Days that it lasts at so much a day; HUGE_VAL = for ever. Gifts are used first, and lost when they expire. */
static double lasts(const struct forecast_credit *c, double day)
{
    double left = c->left > 0 ? (double)c->left : 0, until = c->expires > 0 ? (double)c->expires / (double)USEC_PER_DAY : HUGE_VAL;
    double days = left <= 0 ? 0 : day > 0 ? left / day : HUGE_VAL;

    if (days <= until)
        return days;
    double lost = c->gift < 0 ? left : fmax(0, fmin((double)c->gift, left) - day * until);

    if (left - lost <= 0)
        return until;
    return day > 0 ? fmax(until, (left - lost) / day) : HUGE_VAL;
}

static usec_t after(double days, int most)
{
    return days <= most ? (usec_t)(days * (double)USEC_PER_DAY) : -1;
}

struct forecast_ending forecast_runs_out(const struct forecast_credit *credit, const struct forecast *f, int days)
{
    struct forecast_ending end = {.state = FORECAST_INSUFFICIENT, .after = -1, .low = -1, .high = -1};

    if (credit->unlimited) {
        end.state = FORECAST_UNLIMITED;
        return end;
    }
    if (credit->left == -1 || credit->burn < 0 || !f->known || days <= 0 || days > FORECAST_DAYS_MAX)
        return end;
    double burn = (double)credit->burn, least = credit->burn_low >= 0 ? (double)credit->burn_low : burn;
    double most = credit->burn_high >= 0 ? (double)credit->burn_high : burn;

    end.after = after(lasts(credit, burn + (double)f->cost / days), days);
    end.low = after(lasts(credit, most + (double)f->high / days), days);
    end.high = after(lasts(credit, least + (double)f->low / days), days);
    end.state = end.after < 0 ? FORECAST_NOT_WITHIN : FORECAST_OK;
    return end;
}
