/* What is known of the money of each platform and route: what was charged against what is advertised, the credit that is left and how fast
 * it goes, and token counts that are told against those known.
 *
 * Readings of balances, usages and prices go in; ratios with their confidence, burn, runway and changes come out, and events when something
 * turned. Nothing is a verdict before it is sure: "insufficient data" is a state of its own, with its reason (billing.h has the method).
 *
 * Pure: `now` is the caller's steady clock; an older one counts as the last one. The same calls give the same results. Reading (ratio,
 * inflation, credit) changes nothing. Memory is fixed: below 8 kB a platform, 2 kB a route, names apart.
 *
 * All money of one platform must be in one currency, and in the same one always: best the platform's own, since a rate that moves looks
 * like use in a balance that was converted. Which one it is does not matter here. Unknown amounts are -1. */
#ifndef PROBED_CORE_ACCOUNTS_H
#define PROBED_CORE_ACCOUNTS_H

#include "probed/core/observation.h"
#include "probed/core/tariff.h"
#include "shared/buf.h"

struct accounts;

#define ACCOUNTS_PLATFORMS_MAX 4096
#define ACCOUNTS_ROUTES_MAX    65536
#define ACCOUNTS_NAME_MAX      255

struct accounts *accounts_new(void);
void accounts_free(struct accounts *a);

/* Ids; the same name gives the same id again, so that a reload keeps what is known. -E2BIG: too many, -EINVAL: the name is empty or too
 * long. */
int accounts_platform(struct accounts *a, const char *name) ATTR_UNUSED_RESULT;
int accounts_route(struct accounts *a, int platform, const char *model) ATTR_UNUSED_RESULT;
/* Everything known of its money was wrong from now on (another key, another currency): its readings, windows and those of its routes are
 * forgotten. */
void accounts_forget(struct accounts *a, int platform);

/* --- what is told
 * ------------------------------------------------------------------------------------------------------------------------------- */

/* The advertised price. Costs from now on are worked out with it. */
void accounts_price(struct accounts *a, int route, const struct tariff *price, usec_t now);

/* A request to a model, a probe's or one that was reported (other observations are ignored): what it should have cost; how many tokens of
 * its prompt were told against those known; and, where the relay itself told what it charged, `charged`: o->charged_pico in the platform's
 * currency, -1 = not told. */
void accounts_observe(struct accounts *a, int route, const struct observation *o, int64_t charged, usec_t now);
/* What the relay says that it charged for one earlier request, asked for afterwards (OpenRouter's /generation). */
void accounts_charged(struct accounts *a, int route, int64_t charged, int32_t prompt_tokens, int32_t output_tokens, usec_t now);

struct account_reading {
    int64_t left, used, granted; /* -1 = not told; left may be below -1 when it is overdrawn (-1 itself cannot be told) */
    int64_t gift;                /* the part of left that is a gift */
    usec_t expires;              /* when the gift (or, without one, all of it) is lost, on the steady clock; 0 = never or not told */
    int64_t unit; /* how coarse these figures are: two that differ by less may be the same; 0 = not known: taken from their digits */
    int64_t step; /* single charges are whole multiples of this (one quota point); 0 = not known: a quota point of 2 millionths, if finer
                     than unit */
    bool unlimited;
    bool own_key; /* of our key alone, not of the account: nobody else is seen in it, unless he has the same key */
    bool shared;  /* the operator says that others use it: charges prove nothing then */
    bool alone;   /* the operator says that all use of it is ours, or reported to us */
};
struct account_reading account_reading_make(void); /* nothing known */
void accounts_balance(struct accounts *a, int platform, const struct account_reading *r, usec_t now);

/* --- charged against advertised
 * ------------------------------------------------------------------------------------------------------------------ */

enum account_state { ACCOUNT_INSUFFICIENT, ACCOUNT_AS_ADVERTISED, ACCOUNT_DEARER, ACCOUNT_CHEAPER, ACCOUNT_STATES };
const char *account_state_name(enum account_state state); /* "insufficient_data", "as_advertised", "dearer", "cheaper" */

/* X(ID, name, text): why it is not sure. */
#define ACCOUNT_WHY_TABLE(X)                                                                                                               \
    X(SURE, "sure", "it is sure")                                                                                                          \
    X(NO_PRICE, "no_price", "the advertised price is not known")                                                                           \
    X(NO_READING, "no_reading", "no balance was read, and no charge was told")                                                             \
    X(FEW, "few", "not enough was measured yet")                                                                                           \
    X(COARSE, "coarse", "the balance is too coarse for what was used")                                                                     \
    X(STILL, "still", "the balance does not move with our use")                                                                            \
    X(SCATTER, "scatter", "charges do not follow our use: others may use the account")                                                     \
    X(OTHERS, "others", "more is charged, but others may use the account: our use varies too little to tell")                              \
    X(SHARED, "shared", "others use the account")                                                                                          \
    X(BLIND, "blind", "too many requests of unknown cost")                                                                                 \
    X(OLD, "old", "what was measured is too old")

enum account_why {
#define X(id, name, text) ACCOUNT_WHY_##id,
    ACCOUNT_WHY_TABLE(X)
#undef X
        ACCOUNT_WHYS
};
const char *account_why_name(enum account_why why);
const char *account_why_text(enum account_why why);

enum account_evidence {
    ACCOUNT_NO_EVIDENCE,
    ACCOUNT_USAGE_COST,
    ACCOUNT_GENERATION,
    ACCOUNT_TOKEN_DELTA,
    ACCOUNT_BALANCE_DELTA,
    ACCOUNT_EVIDENCES
};
const char *account_evidence_name(enum account_evidence evidence); /* "none", "usage_cost", "generation", "token_delta", "balance_delta" */

struct account_ratio {
    enum account_state state;
    enum account_why why; /* SURE unless the state is INSUFFICIENT */
    enum account_evidence evidence;
    double ratio, low,
        high;      /* charged / advertised; -1 = not known. May be known though the state is INSUFFICIENT: not to be reckoned with then */
    int windows;   /* windows of a balance, or requests with a told charge, that it stands on */
    usec_t newest; /* of those; -1 = none */
    bool of_mix;   /* of the whole platform's use: its routes may differ */
};
void accounts_ratio(const struct accounts *a, int route, usec_t now, struct account_ratio *ret);
/* What its use costs against what is advertised, for reckoning: the ratio where it is sure and not as advertised, else 1. */
double accounts_factor(const struct accounts *a, int route, usec_t now);

/* --- tokens told against known
 * --------------------------------------------------------------------------------------------------------------- */

enum account_tokens { ACCOUNT_TOKENS_INSUFFICIENT, ACCOUNT_TOKENS_AS_KNOWN, ACCOUNT_TOKENS_INFLATED, ACCOUNT_TOKENS_STATES };
const char *account_tokens_name(enum account_tokens state); /* "insufficient_data", "as_known", "inflated" */
struct account_inflation {
    enum account_tokens state;
    double ratio, low, high; /* told / known, 1 anywhere within the known range; -1 = not known */
    int32_t extra;           /* tokens told beyond the known range, usually; 0 = none */
    int samples;
    usec_t newest; /* -1 = none */
};
void accounts_inflation(const struct accounts *a, int route, usec_t now, struct account_inflation *ret);

/* --- credit
 * ---------------------------------------------------------------------------------------------------------------------------------- */

enum account_change_kind { ACCOUNT_TOPUP, ACCOUNT_GIFT, ACCOUNT_EXPIRED, ACCOUNT_CORRECTION, ACCOUNT_CHANGE_KINDS };
const char *account_change_name(enum account_change_kind kind); /* "topup", "gift", "expired", "correction" */
struct account_change {
    usec_t at;
    int64_t amount; /* what came; negative = what went */
    enum account_change_kind kind;
};
#define ACCOUNT_CHANGES 10

enum account_runway {
    ACCOUNT_RUNWAY_INSUFFICIENT,
    ACCOUNT_RUNWAY_OK,
    ACCOUNT_RUNWAY_NOT_FALLING,
    ACCOUNT_RUNWAY_UNLIMITED,
    ACCOUNT_RUNWAYS
};
const char *account_runway_name(enum account_runway state); /* "insufficient_data", "ok", "not_falling", "unlimited" */

struct account_credit {
    struct account_reading reading;    /* the last one */
    usec_t at;                         /* -1 = none came yet */
    int64_t burn, burn_low, burn_high; /* a day; -1 = not known */
    double burn_hours;                 /* that it was measured over */
    enum account_runway runway;
    double days, days_low, days_high;               /* -1 = not known; high: -1 = no end */
    struct account_change changes[ACCOUNT_CHANGES]; /* newest first */
    int changes_len;
    bool low_credit, short_runway;    /* by the rules */
    int64_t probes_day, probes_total; /* what our own probes cost as far as it is known (told, or as advertised times the ratio that was
                                         sure then): the last 24 h, ever */
    uint32_t probes_unknown;          /* of the last 24 h: probes whose cost is not known */
};
void accounts_credit(const struct accounts *a, int platform, usec_t now, struct account_credit *ret);

struct account_rules {
    int64_t low_credit; /* left below this; -1 = no such rule */
    double runway_days; /* runway below this; 0 = no such rule */
};
/* platform -1: for all, also those that are added later. */
void accounts_set_rules(struct accounts *a, int platform, const struct account_rules *rules, usec_t now);

/* --- events
 * ------------------------------------------------------------------------------------------------------------------------------------ */

enum account_event_type {
    ACCOUNT_EVENT_CHANGE,       /* a top-up, gift, expiry or correction: change */
    ACCOUNT_EVENT_RATIO,        /* a route's ratio became sure, or changed its state: state, was_state, ratio */
    ACCOUNT_EVENT_DRIFT,        /* it moved by 2x against was_ratio (1 before anything was sure) */
    ACCOUNT_EVENT_INFLATED,     /* tokens told: on: beyond what is known, off: no more */
    ACCOUNT_EVENT_JUMP,         /* the prompt's tokens moved by `tokens` against usual, with prompts as ever */
    ACCOUNT_EVENT_LOW_CREDIT,   /* on, off */
    ACCOUNT_EVENT_SHORT_RUNWAY, /* on, off */
    ACCOUNT_EVENTS
};
const char *account_event_name(enum account_event_type type); /* "change", "ratio", ... */
struct account_event {
    enum account_event_type type;
    int platform, route;      /* route -1: of the platform */
    const char *name, *model; /* borrowed; model NULL: of the platform */
    usec_t at;
    bool on;
    struct account_change change; /* CHANGE */
    enum account_state state, was_state;
    double was_ratio;
    struct account_ratio ratio;         /* RATIO, DRIFT */
    struct account_inflation inflation; /* INFLATED, JUMP */
    int32_t tokens;                     /* JUMP: more (or fewer) than usual */
    int64_t left;                       /* LOW_CREDIT, SHORT_RUNWAY */
    double days;                        /* SHORT_RUNWAY; -1 = not known */
};
/* Told from within the calls that tell something; fn must not call back into the accounts but for reading. */
typedef void (*account_event_fn)(void *arg, const struct account_event *event);
void accounts_set_events(struct accounts *a, account_event_fn fn, void *arg);

/* --- over a restart
 * -------------------------------------------------------------------------------------------------------------------------- */

/* All memory as bytes, appended; prices and rules are the configuration's and feeds', and come again by themselves. */
void accounts_save(struct accounts *a, struct buf *to);
/* Into accounts whose platforms and routes were added and that were told nothing yet; those that are not there any more are skipped. now:
 * the clock; what is from later is refused. The time in between is not held against anybody. -EPROTO: of another version; -EINVAL: damaged;
 * then the accounts are fit for accounts_free only. */
int accounts_restore(struct accounts *a, const void *data, size_t len, usec_t now) ATTR_UNUSED_RESULT;

#endif
