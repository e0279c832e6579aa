/* Questions about the past and their answers: what the socket asks and the store answers. Values only. */
#ifndef PROBED_CORE_HISTORY_H
#define PROBED_CORE_HISTORY_H

#include <stdint.h>

#include "shared/buf.h"
#include "shared/units.h"

#define HISTORY_SERIES_MAX 12
#define HISTORY_POINTS_MAX 2000
#define HISTORY_EVENTS_MAX 1000
#define HISTORY_DUMP_MAX 20000 /* records a page */

/* X(ID, name, unit) */
#define HISTORY_METRIC_TABLE(X)                                                                                                            \
    X(TTFT, "ttft", "ms")                                                                                                                  \
    X(TOTAL, "total", "ms")                                                                                                                \
    X(AVAILABILITY, "availability", "ratio")                                                                                               \
    X(PRICE, "price", "usd_per_mtok")                                                                                                      \
    X(SPEED, "speed", "tokens_per_s")                                                                                                      \
    X(RANK, "rank", "rank")                                                                                                                \
    X(BALANCE, "balance", "usd")

enum history_metric {
#define X(id, name, unit) HISTORY_METRIC_##id,
    HISTORY_METRIC_TABLE(X)
#undef X
        HISTORY_METRIC_COUNT
};
const char *history_metric_name(enum history_metric metric);
const char *history_metric_unit(enum history_metric metric);
int history_metric_from_name(const char *name); /* -1 = none */

struct history_of { char platform[64], model[128]; };

struct history_query {
    enum { HISTORY_SERIES, HISTORY_EVENTS, HISTORY_REPORT, HISTORY_DUMP } kind;
    usec_t since, until; /* wall clock; until 0 = now */
    usec_t now;          /* wall clock */
    /* SERIES: routes, at least one; model "" = each model of the platform that the history knows (BALANCE: the platform itself).
     * EVENTS: at most one; platform "" = any, model "" = any. REPORT: any number; none = all. */
    struct history_of of[HISTORY_SERIES_MAX];
    size_t of_len;
    enum history_metric metric; /* SERIES */
    unsigned points;            /* SERIES: at most so many each; 2..HISTORY_POINTS_MAX */
    char policy[64];            /* SERIES of RANK: that policy; EVENTS: only of it, "" = any */
    char event[32];             /* EVENTS: its name; "" = any */
    int64_t after;              /* EVENTS, DUMP: only what has a larger number; EVENTS: -1 = the newest `limit` since `since` */
    unsigned limit;             /* EVENTS, DUMP: at most so many */
};

struct history_answer {
    int status;          /* HTTP's: 200; or 404, 503 with `problem` */
    struct buf body;     /* JSON with a newline, or NDJSON (DUMP); whoever gets it may take it */
    int64_t next;        /* EVENTS, DUMP: `after` of the next page; for a DUMP 0 = that was all */
    char problem[200];
};
typedef void (*history_answer_fn)(void *arg, struct history_answer *answer);

#endif
