/* Whether the model that a relay says it answered with is the one that was asked for. Pure. */
#ifndef PROBED_PROBE_MODEL_NAME_H
#define PROBED_PROBE_MODEL_NAME_H

#include <stdbool.h>

bool model_name_same(const char *asked, const char *echoed);

#endif
