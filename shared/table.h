/* The routing table as published: immutable once built, counted, shared by every reader, and its JSON form.
 *
 * A table holds one ranking a (policy, model). Rankings that did not change between two tables are the same object in both, and the
 * unchanging facts of a route (names, URL) are one object for all its rows: a new table costs what changed. Not for more than one thread.
 *
 * JSON (probed-api(7), /v1/routes): times as Unix seconds, durations in milliseconds, prices per million tokens. */
#ifndef SHARED_TABLE_H
#define SHARED_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/json.h"
#include "shared/units.h"

#define TABLE_SLOTS 256

/* X(ID, name, sentence). Order: from best to worst, as shown. */
#define ROUTE_STATE_TABLE(X)                                         \
    X(UP, "up", "answers as it should")                              \
    X(DEGRADED, "degraded", "answers, but part of the time it fails") \
    X(LIMITED, "limited", "answers 429: too many requests")          \
    X(NEW, "new", "not probed often enough to say")                  \
    X(DOWN, "down", "fails")                                         \
    X(UNUSABLE, "unusable", "our own fault: key or credit")          \
    X(MISSING, "missing", "the platform does not list this model")   \
    X(DRAINED, "drained", "taken out by an operator")

enum route_state {
#define X(id, name, text) ROUTE_##id,
    ROUTE_STATE_TABLE(X)
#undef X
        ROUTE_STATE_COUNT
};
const char *route_state_name(enum route_state state);
const char *route_state_text(enum route_state state);
int route_state_from_name(const char *name); /* -1 = none */

/* Why a route stands where it stands. X(ID, name, eligible, sentence) */
#define ROUTE_REASON_TABLE(X)                                                                 \
    X(FIRST, "first", true, "the smallest expected loss")                                     \
    X(INCUMBENT, "incumbent", true, "first already; no challenger has gathered enough evidence") \
    X(PINNED, "pinned", true, "pinned here by an operator")                                   \
    X(DEARER, "loss", true, "its expected loss is higher")                                    \
    X(CHALLENGER, "challenger", true, "better now, gathering evidence against the incumbent") \
    X(CAPPED, "capped", true, "its share is capped after 429 answers")                        \
    X(PROBATION, "probation", true, "came back lately; its share grows with evidence")        \
    X(PROVISIONAL, "provisional", true, "too few samples; unknown is counted as bad")         \
    X(FLAPPING, "flapping", true, "suppressed for going up and down too often")               \
    X(LIMITED, "limited", true, "answers 429 at the moment")                                  \
    X(DOWN, "down", true, "it is down")                                                       \
    X(PANIC, "panic", true, "everything is down; this is the best of the bad")                \
    X(BEYOND, "beyond", true, "more than 256 routes; the best 256 share")                     \
    X(REQUIREMENT, "requirement", false, "the policy requires something that it does not have") \
    X(DRAINED, "drained", false, "drained by an operator")                                    \
    X(MAINTENANCE, "maintenance", false, "in a planned maintenance window")                   \
    X(UNUSABLE, "unusable", false, "our key or credit does not work there")                   \
    X(MISSING, "missing", false, "the platform does not list this model")

enum route_reason {
#define X(id, name, eligible, text) REASON_##id,
    ROUTE_REASON_TABLE(X)
#undef X
        REASON_COUNT
};
const char *route_reason_name(enum route_reason reason);
const char *route_reason_text(enum route_reason reason);
bool route_reason_eligible(enum route_reason reason);
int route_reason_from_name(const char *name);

enum row_flag { /* names in JSON in brackets */
    ROW_PROVISIONAL = 1 << 0, /* [provisional] few samples */
    ROW_UNSCORABLE = 1 << 1,  /* [unscorable] never passes the challenge */
    ROW_RESTORED = 1 << 2,    /* [restored] statistics are from before a restart */
    ROW_PANIC = 1 << 3,       /* [panic] best of the bad */
    ROW_PINNED = 1 << 4,      /* [pinned] */
    ROW_PRICE_UNKNOWN = 1 << 5, /* [price_unknown] */
    ROW_PROBATION = 1 << 6,   /* [probation] */
    ROW_STANDBY = 1 << 7,     /* [standby] eligible, no slots, kept as fallback */
};

struct table_facts { /* one a route; counted */
    unsigned refs;
    char *platform, *title, *model;
    char *upstream_model; /* what the platform calls it */
    char *endpoint;       /* base URL in use */
    char *dialect;        /* "openai", "anthropic" */
    char *key_env;        /* name of the variable that holds the key for clients, or NULL */
    char *level;          /* "chat", "models", "reach": how deep it is probed now */
};
/* Copies every string (NULL stays NULL) out of `from`; refs = 1. */
struct table_facts *table_facts_new(const struct table_facts *from);
struct table_facts *table_facts_ref(struct table_facts *facts);
void table_facts_unref(struct table_facts *facts); /* NULL is fine */

struct table_row {
    struct table_facts *facts; /* counted reference */
    uint32_t rank;             /* 1..; rank order over all rows: those with slots, then fallbacks, then those not eligible */
    uint16_t slots;            /* 0..256 */
    enum route_state state;
    enum route_reason reason;
    uint16_t flags;            /* enum row_flag */
    int64_t loss_nano;         /* expected loss of one request, 1e-9 failed requests */
    double score;              /* max(0, 1 - loss), 0..1, for people */
    double availability;       /* estimate 0..1; NAN = unknown */
    double availability_low;   /* its lower bound, what the loss uses */
    usec_t ttft_p50, ttft_p95; /* -1 unknown */
    usec_t total_p50;          /* -1 unknown */
    double tokens_per_s;       /* 0 unknown */
    int64_t price_input, price_output, price_call; /* pico reference currency a token / a call; -1 unknown */
    int64_t cost_pico;         /* of the policy's request; -1 unknown */
    uint32_t samples;          /* chat observations that its statistics stand on (decayed, rounded) */
    usec_t sampled_at;         /* wall clock, us; 0 = never */
    usec_t stale_at, expires_at; /* 0 = no schedule */
};

enum ranking_flag { RANKING_PANIC = 1 << 0, RANKING_NO_ELIGIBLE_ROUTE = 1 << 1, RANKING_NO_PRICE = 1 << 2 };

struct ranking { /* one (policy, model); immutable, counted */
    unsigned refs;
    char *model;
    uint8_t flags;
    size_t len;
    struct table_row rows[]; /* in rank order */
};
struct ranking *ranking_new(const char *model, size_t len); /* rows zeroed, refs = 1 */
struct ranking *ranking_ref(struct ranking *ranking);
void ranking_unref(struct ranking *ranking);
/* The row of the largest share (the first of equals), or NULL if there are no slots. */
const struct table_row *ranking_best(const struct ranking *ranking);
/* The row that owns slot 0..255 when slots are laid out in rank order; NULL if there are no slots. */
const struct table_row *ranking_slot(const struct ranking *ranking, unsigned slot);

enum table_flag { TABLE_RESTORED = 1 << 0, TABLE_LOCAL = 1 << 1 /* our own network is at fault, verdicts are frozen */ };

struct table_policy {
    char *name, *about;
    size_t len;               /* models, sorted by name */
    struct ranking **rankings; /* counted references */
};

struct table {
    unsigned refs;
    uint64_t epoch, generation;
    usec_t published_at; /* wall */
    uint8_t flags;
    char currency[CURRENCY_MAX]; /* the reference currency of all money in here */
    char *vantage;
    size_t len;
    struct table_policy *policies; /* in configuration order; the first is the default */
};
struct table *table_ref(struct table *table);
void table_unref(struct table *table);
const struct table_policy *table_find_policy(const struct table *table, const char *name); /* NULL name = the default */
const struct ranking *table_policy_find(const struct table_policy *policy, const char *model);

/* JSON. A ranking alone is what is cached and shared; the whole is {"epoch","generation","published_at","policy","currency","flags","models":[...]}. */
cJSON *ranking_to_json(const struct ranking *ranking);
cJSON *table_head_to_json(const struct table *table, const struct table_policy *policy); /* all but "models" */
/* From an answer of /v1/routes: a table with one policy. NULL with err said. Caps: 64 Ki rows. */
struct table *table_from_json(const cJSON *json, struct err *err) ATTR_UNUSED_RESULT;

#endif
