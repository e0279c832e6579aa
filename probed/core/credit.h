/* A platform's credit over time: what of a balance's movement is use, and what is a top-up, a gift, an expiry or a correction; from the use
 * the burn a day, and how long the rest lasts. And what our own probes cost of it, as far as that is known. */
#ifndef PROBED_CORE_CREDIT_H
#define PROBED_CORE_CREDIT_H

#include "probed/core/accounts.h"

#define CREDIT_CELL  (6 * USEC_PER_HOUR)
#define CREDIT_CELLS 56 /* 14 days */
#define CREDIT_HOURS 25 /* the running one and the 24 before it */

struct credit_cell {
    float burnt, hours;
};

struct credit {
    struct account_reading last;
    usec_t at;    /* of the last reading; 0 = none yet */
    double digit; /* how coarse the readings are, by their own digits */
    int64_t cell; /* number of the newest cell since the epoch; cell c is at c % CREDIT_CELLS */
    struct credit_cell cells[CREDIT_CELLS];
    struct account_change changes[ACCOUNT_CHANGES]; /* newest first */
    uint8_t changes_len;
    bool low, shortage; /* as was last told */
    int64_t hour;       /* newest of the probes' hours; h is at h % CREDIT_HOURS */
    float probes[CREDIT_HOURS];
    uint16_t unknown[CREDIT_HOURS];
    double probes_total;
};

/* What a reading says against the one before it. */
struct credit_step {
    bool known; /* `burnt` is all that it moved by for use */
    double burnt;
    bool changed; /* changes[0] is new */
};
/* recent: what our own use that may not have posted yet should cost at most. */
struct credit_step credit_read(struct credit *c, const struct account_reading *r, double recent, usec_t now);
/* How coarse the readings are: told, or by their digits. */
double credit_unit(const struct credit *c);
/* cost < 0: not known. */
void credit_probe(struct credit *c, double cost, usec_t now);
void credit_told(const struct credit *c, const struct account_rules *rules, usec_t now, struct account_credit *ret);

#endif
