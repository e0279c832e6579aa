/* What is known of one request to a route, or of one check of an endpoint or platform. Values only. */
#ifndef PROBED_CORE_OBSERVATION_H
#define PROBED_CORE_OBSERVATION_H

#include <stdbool.h>
#include <stdint.h>

#include "probed/core/outcome.h"
#include "shared/units.h"

enum probe_kind { PROBE_REACH, PROBE_MODELS, PROBE_CHAT, PROBE_PRICE, PROBE_BALANCE, PROBE_BURST, PROBE_CAPABILITIES, PROBE_KIND_COUNT };
enum source { SOURCE_PROBE, SOURCE_TRAFFIC };
const char *probe_kind_name(enum probe_kind kind); /* "reach", "models", "chat", "price", ... */

#define OBSERVATION_DETAIL_MAX 160
#define OBSERVATION_UNKNOWN ((usec_t)-1)

/* Soft signals about a chat answer; none is a verdict on its own. */
enum observation_flag {
    OBSERVED_CHALLENGE_PASSED = 1 << 0, /* the answer holds what had to be worked out */
    OBSERVED_CHALLENGE_FAILED = 1 << 1,
    OBSERVED_MODEL_DIFFERS = 1 << 2,  /* the model echoed is not the one asked for */
    OBSERVED_ONE_BURST = 1 << 3,      /* the whole answer came at once: its first-token time is no first-token time */
    OBSERVED_CUMULATIVE = 1 << 4,     /* deltas that repeat the text so far */
    OBSERVED_THINKING_ONLY = 1 << 5,  /* finish_reason length with reasoning and no content */
    OBSERVED_NO_USAGE = 1 << 6,
    OBSERVED_USAGE_IMPOSSIBLE = 1 << 7, /* token counts that the prompt or the text cannot have */
    OBSERVED_CACHED = 1 << 8,         /* from a cache, though the prompt begins with a fresh nonce */
    OBSERVED_ID_ODD = 1 << 9,         /* its id is not like those that this vendor, or this route, gives */
    OBSERVED_SAME_ANSWER = 1 << 10,   /* to the letter what another model answered on the same platform */
};

struct observation {
    usec_t at;               /* when it ended, on the caller's steady clock */
    enum probe_kind probe;
    enum source source;
    struct outcome outcome;
    usec_t retry_after;      /* as told by the relay, 0 = not told */
    /* Times in us; OBSERVATION_UNKNOWN where the request did not get so far or the segment did not exist (kept connection). */
    usec_t queue;            /* due -> started */
    usec_t dns, connect, tls; /* each its own segment, not cumulative */
    usec_t wait;             /* request sent -> status line */
    usec_t ttft;             /* request sent -> first non-empty content or reasoning delta (PLATFORMS.md 13 rules) */
    usec_t content;          /* request sent -> first non-empty content delta */
    usec_t total;            /* request started -> end, whatever the end was; on a failure: the time it wasted */
    usec_t gap_max;          /* longest pause between tokens */
    uint16_t stalls;         /* pauses longer than 2 s (configurable by the prober) */
    uint16_t chunks;         /* deltas with text in them */
    double tokens_per_s;     /* after the first token; 0 = unknown */
    int32_t prompt_tokens, output_tokens, reasoning_tokens; /* -1 = not told */
    int32_t cached_tokens;   /* of prompt_tokens, read from a cache; -1 = not told */
    int64_t cost_pico;       /* in the reference currency; -1 = unknown */
    int64_t charged_pico;    /* what the relay itself says that it charged, in USD; -1 = not told */
    int16_t known_low, known_high; /* how many tokens an honest count of the probe's prompt can be; 0 = not known */
    uint16_t in_flight;      /* our requests to this route at that time, this one included */
    uint16_t flags;          /* enum observation_flag */
    usec_t interval;         /* the interval it was scheduled at; 0 = not scheduled */
    uint8_t reporter;        /* from ranker_reporter; 0 = nobody in particular */
    uint8_t endpoint;        /* index in the platform's list */
    bool reused;             /* on a kept connection */
    uint8_t http_version;    /* 11, 20; 0 = none came */
    /* On a failure the relay's own words; on a good answer the evidence of its flags, "model_differs: gpt-3.5; cached: ...". Valid UTF-8, raw: HOSTILE, escape
     * where shown. */
    char detail[OBSERVATION_DETAIL_MAX];
};

/* An observation with everything unknown. */
struct observation observation_make(enum probe_kind probe, usec_t at, struct outcome outcome);

#endif
