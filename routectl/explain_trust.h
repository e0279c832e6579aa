/* Parts of explain about how far a route is to be trusted: what it charges, what it can do, how it bears a burst, what makes one doubt. */
#ifndef ROUTECTL_EXPLAIN_TRUST_H
#define ROUTECTL_EXPLAIN_TRUST_H

#include "routectl/writer.h"
#include "shared/json.h"
#include "shared/units.h"

/* Each shows what the answer holds of it, and nothing if it holds nothing. */
void explain_write_charges(const cJSON *json, struct writer *w, usec_t now);
void explain_write_capabilities(const cJSON *json, struct writer *w, usec_t now);
void explain_write_burst(const cJSON *json, struct writer *w);
void explain_write_signals(const cJSON *json, struct writer *w, usec_t now);

#endif
