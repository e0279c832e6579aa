/* An answer of /v1/explain for people, as the verb explain and the pane of top show it. */
#ifndef ROUTECTL_EXPLAIN_H
#define ROUTECTL_EXPLAIN_H

#include "routectl/writer.h"
#include "shared/json.h"

void explain_write(const cJSON *json, struct writer *w);

#endif
