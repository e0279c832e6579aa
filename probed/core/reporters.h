/* How far a named reporter is believed (DESIGN: reports).
 *
 * Bounds by rate: what one reporter tells of one route counts REPORTS_A_ROUTE times a second, once of these in the decayed counts; over all routes
 * REPORTS_IN_ALL times a second. Demand and capacity are about numbers of requests: of these REPORTS_OF_LOAD a second are heard.
 * Bounds by witness: against the probes' word no verdict stands on one reporter alone, and no cap on 429s that one alone is told where others
 * are served. Probes and what nobody in particular reports are never bounded. */
#ifndef PROBED_CORE_REPORTERS_H
#define PROBED_CORE_REPORTERS_H

#include "probed/core/health.h"
#include "probed/core/observation.h"

#define REPORTS_A_ROUTE 5
#define REPORTS_IN_ALL 200
#define REPORTS_OF_LOAD 500 /* more than an honest gateway tells; whoever tells more is heard in proportion on all routes */
#define REPORTS_APART 8 /* so many reporters of one route are told apart in one second; the others share the last one's allowance */
#define REPORTS_PROBES_SPEAK USEC_PER_HOUR /* the probes' word holds so long */

/* One reporter's allowance over all routes. */
struct reporter_rate {
    uint32_t second;
    uint16_t told, load;
};

/* What an observation may do beside what it says of load. The later three: nothing. */
enum report {
    REPORT_COUNTS,
    REPORT_DECIDES,         /* a probe: as many in a row as make a route down failed, against one reporter's word alone */
    REPORT_COUNTS_LIGHTLY,  /* not in the decayed counts */
    REPORT_OVER_RATE,
    REPORT_UNCONFIRMED,     /* a failure, or a 429, that only this reporter has seen */
    REPORT_CONTRADICTED,    /* a success that only this reporter has seen while the probes fail */
};
static inline bool report_counts(enum report report) { return report < REPORT_OVER_RATE; }

/* A route's memory of who told what. */
struct reports {
    usec_t probe_at;      /* last success or relay fault of a probe; 0 = none */
    usec_t held_at;       /* last report that did not count */
    usec_t denied_at;     /* a probe was served while one reporter alone said that the route is limited; 0 = never, or it is so since */
    uint32_t second;
    uint32_t over_rate, unconfirmed, contradicted; /* reports that did not count */
    /* Who told of it: 0 = nobody, a reporter, or more than one (a probe and an unnamed report are as good as that). */
    uint16_t failed_by, ours_by, limited_by; /* since the last success of a probe */
    uint16_t ok_by;              /* since the probes began to fail; of more than one: since the last one that failed */
    uint8_t probe_fails;  /* in a row, saturating */
    uint8_t held_by;
    struct {
        uint8_t reporter, told;
        bool weighed;
    } now[REPORTS_APART]; /* in this second */
    /* Whom it serves and whom it refuses, in decayed counts. The first place is that of all who have no name, whoever comes when all are taken shares the
     * last. */
    usec_t heard_at;
    struct voice {
        float served, refused;
    } voices[REPORTS_APART];
    uint8_t voice_of[REPORTS_APART];
};

/* What `o` may do, and remembers that it was told. rate: the named reporter's; NULL = not bounded in all. *ret_load: it speaks of demand and capacity. */
enum report reports_weigh(struct reports *w, struct reporter_rate *rate, const struct health *h, const struct health_rules *rules,
                          const struct observation *o, usec_t now, bool *ret_load);

/* Have its failures since the last success of a probe been told by one reporter alone, against the probes' word? */
bool reports_one_alone(const struct reports *w, usec_t now);

#endif
