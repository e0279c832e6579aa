/* The tills of simulated relays, and a witness of the ledger: whether what was truly charged keeps within the budget, whatever the daemon believes.
 *
 * A request that reaches a relay is charged there, by the relay's own price and count, and posted half a minute later; what it tells may differ. The witness
 * reads the ledger's file as a stranger would: no request may start without a reservation for its account in the file (unless the account is said to be free),
 * which is also how the reservation's sum is known, and the order in which costs became known. At each charge, for all, the platform and the account:
 *
 *     charged in the last 24 h <= limit at the last reservation + surprises in flight + told too low
 *
 * surprises in flight: by how much the reservations of which nothing was known when the last one was granted were exceeded (in flight then, or cut off by a crash or
 * a reload, or never told;
 * a burst of which some chats told nothing is settled with what was reserved for those). Told too low: by how much the charges of settled ones are above what their settlement says; it is counted apart, and a scenario whose
 * relays tell the truth asserts that there is none. */
#ifndef TESTS_SIM_BUDGET_TILL_H
#define TESTS_SIM_BUDGET_TILL_H

#include "probed/core/budget.h"
#include "tests/sim/sim.h"

struct till;

struct till_charge { /* the scenario's word on a request that has reached its relay */
    int64_t pico;    /* what it is truly charged */
    int prompt_tokens, output_tokens, reasoning_tokens; /* what it is told; -1 = nothing */
};
typedef struct till_charge (*till_price_fn)(const char *host, const char *model, int max_tokens, usec_t now);

struct till *till_new(struct sim *sim, till_price_fn price);
struct till *till_free(struct till *till);
void till_watch(struct till *till, const char *host, const char *platform); /* this relay is that platform of the configuration */
void till_limits(struct till *till, const struct budget_limits *limits, int64_t platform_limit); /* with each reload; platform_limit: of every platform; -1 = none */
void till_look(struct till *till); /* posts what is due, asserts the bound */

/* kill -9 when the n-th moment of that kind comes: from then on nothing that the process does reaches the world or its files. */
void till_plan_crash(struct till *till, enum sim_moment moment, unsigned n);
bool till_dead(const struct till *till);
void till_crash(struct till *till); /* now, or when it was planned: starts the next life on the files of that moment */

struct till_totals {
    int64_t charged;              /* in all */
    int64_t window, most_window;  /* in the last 24 h; the most that ever was */
    int64_t most_over, most_bound; /* the most beyond the limit for all, and what the surprises then allowed */
    int64_t too_low;              /* in all: told too low, of what was settled */
    unsigned long requests, reservations, surprises, lost; /* surprises: reservations that were exceeded; lost: of which nothing was ever heard */
    unsigned crashes;
};
struct till_totals till_totals(const struct till *till);
int64_t till_charged(const struct till *till, const char *platform, const char *model); /* in all; NULL = all models */
unsigned long till_requests(const struct till *till, const char *platform, const char *model);

#endif
