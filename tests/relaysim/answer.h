/* What a request gets: the relay is found, its behaviour asked, and the answer written as a script. */
#ifndef RELAYSIM_ANSWER_H
#define RELAYSIM_ANSWER_H

#include "tests/relaysim/http.h"
#include "tests/relaysim/script.h"
#include "tests/relaysim/sim.h"

struct exchange { /* one request and its answer; zeroed between two */
    bool active;
    bool in_flight;              /* counted in relay->in_flight */
    struct relay *relay;         /* NULL = none was found */
    struct behaviour *behaviour; /* counted reference, NULL without relay */
    struct record *record;       /* counted reference */
    struct script script;
    size_t step, sent; /* place in the script; bytes of it that are out */
    usec_t t0;         /* the request was complete */
    usec_t before;     /* the step before was sent */
};

/* Fills relay, behaviour and script of x and the facts of x->record. `own`: the relay whose port it came in on, or NULL. nth: request on
 * this connection. */
void answer_request(struct sim *sim, const struct request *request, struct relay *own, uint32_t nth, struct exchange *x);
/* An answer to what was no HTTP request. */
void answer_bad_request(struct exchange *x);
/* The exchange is over; `how` in place of what was planned, or NULL. */
void exchange_end(struct exchange *x, const char *how);

#endif
