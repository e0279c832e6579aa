/* An observation with nothing known in it, and the names of the probe kinds. Whoever measures fills in what was seen, so that a
 * member that was forgotten reads as unknown and never as a time of zero. */
#include "probed/core/observation.h"

#include <stddef.h>

static const char *const probe_kinds[PROBE_KIND_COUNT] = {"reach", "models", "chat", "price", "balance", "burst", "capabilities"};

const char *probe_kind_name(enum probe_kind kind)
{
    return (size_t)kind < PROBE_KIND_COUNT ? probe_kinds[kind] : "?";
}

struct observation observation_make(enum probe_kind probe, usec_t at, struct outcome outcome)
{
    return (struct observation){
        .at = at,
        .probe = probe,
        .source = SOURCE_PROBE,
        .outcome = outcome,
        .queue = OBSERVATION_UNKNOWN,
        .dns = OBSERVATION_UNKNOWN,
        .connect = OBSERVATION_UNKNOWN,
        .tls = OBSERVATION_UNKNOWN,
        .wait = OBSERVATION_UNKNOWN,
        .ttft = OBSERVATION_UNKNOWN,
        .content = OBSERVATION_UNKNOWN,
        .total = OBSERVATION_UNKNOWN,
        .gap_max = OBSERVATION_UNKNOWN,
        .prompt_tokens = -1,
        .output_tokens = -1,
        .reasoning_tokens = -1,
        .cached_tokens = -1,
        .cost_pico = -1,
        .charged_pico = -1,
    };
}
