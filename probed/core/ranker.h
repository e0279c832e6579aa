/* Everything that has to be remembered between two tables: each route's statistics and health, each (policy, model)'s incumbent, evidence
 * and slots. Observations go in, tables and explanations come out. This is what the daemon and `probed replay` both drive.
 *
 * Pure: `now` is the caller's steady clock (us since the Unix epoch as it stood at the caller's start); going backwards is refused (-EINVAL).
 * The same calls in the same order give the same table bytes. Routes, platforms and models are small integers handed out by the add calls.
 *
 * When a model is ranked is a function of what is told and of when it was, never of when somebody looks: a soft change counts at the next tick (a
 * whole second of the clock), a hard one (a state, an override) at its own time, and time alone in rounds of RANKER_ROUND. ranker_refresh
 * works off what is due; being called late or often gives the same rankings. So a replay of observations gives the daemon's tables. */
#ifndef PROBED_CORE_RANKER_H
#define PROBED_CORE_RANKER_H

#include "probed/core/capability.h"
#include "probed/core/honesty.h"
#include "probed/core/load.h"
#include "probed/core/observation.h"
#include "probed/core/policy.h"
#include "shared/buf.h"
#include "shared/table.h"

struct ranker;

#define RANKER_TICK USEC_PER_SEC
#define RANKER_ROUND (10 * USEC_PER_SEC)

/* Rules of the state filter; zero members mean the default in brackets. */
struct health_rules {
    int fall, window; /* down after `fall` relay failures among the last `window` [3 of 5] */
    int rise;         /* successes in a row that end `down` [2] */
    int samples;      /* provisional below this many chat observations [30] */
    double alike;     /* soft: two losses nearer than this (failed requests) are equal for sharing [0.005] */
};

struct ranker_setup {
    const struct policy *policies; /* borrowed for the ranker's life */
    size_t policies_len;
    struct health_rules health;
    const char *currency; /* reference currency */
    const char *vantage;
};

struct ranker *ranker_new(const struct ranker_setup *setup);
void ranker_free(struct ranker *r);

/* Price of a route in the reference currency, pico a token; call: fee a request. */
struct price {
    bool known;
    int64_t input, output, call;
    usec_t at;              /* when it was learnt, steady clock; 0 = configuration */
    const char *source;     /* "config", ...; static string */
};

struct ranker_route_setup {
    int platform;                    /* from ranker_add_platform */
    const char *model, *upstream_model, *dialect, *endpoint, *key_env; /* copied */
    const struct tag *tags;          /* the model's capabilities on this platform; borrowed */
    size_t tags_len;
    struct price price;
    usec_t interval;                 /* planned chat interval, for stale_at/expires_at; 0 = none */
};

int ranker_add_platform(struct ranker *r, const char *name, const char *title, const struct tag *tags, size_t tags_len);
/* The new route's id. */
int ranker_add_route(struct ranker *r, const struct ranker_route_setup *setup);
int ranker_find_platform(const struct ranker *r, const char *name); /* -1 = none */
size_t ranker_routes(const struct ranker *r);
int ranker_find(const struct ranker *r, const char *platform, const char *model); /* -1 = none */
enum route_state ranker_state(const struct ranker *r, int route); /* as of the last refresh */
const struct table_facts *ranker_facts(const struct ranker *r, int route);
const struct price *ranker_price(const struct ranker *r, int route);
const struct honesty *ranker_honesty(const struct ranker *r, int route); /* of its answers; until the next ranker call */

/* Takes over statistics, health, caps, incumbents, evidence, slots and the clock of the same-named routes, policies and models of `old`
 * (which is left fit only for ranker_free). Overrides and evidence about platforms come too. */
void ranker_adopt(struct ranker *r, struct ranker *old);

/* All memory as bytes, for a restart (pickle.h); appended. */
void ranker_save(struct ranker *r, struct buf *to);
/* The same in pieces: what is appended is the memory as it was at the begin, whatever is told to the ranker before the end. `to` is borrowed until then. No routes
 * may be added meanwhile. */
void ranker_save_begin(struct ranker *r, struct buf *to);
bool ranker_save_some(struct ranker *r, size_t routes); /* about so many of them; true = there are more */
void ranker_save_end(struct ranker *r);                 /* gives it up; fine at any time */
/* Into a ranker whose platforms and routes were added and that was told nothing yet; its clock is then the saved one's. Routes get the flag `restored` until
 * they are observed, the table until ranker_set_restored(false). -EPROTO: of another version; -EINVAL: damaged; then the ranker is fit for ranker_free only. */
int ranker_restore(struct ranker *r, const void *data, size_t len) ATTR_UNUSED_RESULT;
/* No route with a share stands on statistics from before a restart alone. */
bool ranker_confirmed(const struct ranker *r);
usec_t ranker_now(const struct ranker *r); /* the last time it was told; 0 = none */

/* A small number for whoever reports traffic, for observation.reporter; beyond RANKER_REPORTERS all share the last. */
#define RANKER_REPORTERS 255
uint8_t ranker_reporter(struct ranker *r, const char *name);

/* What is observed. A chat of a burst speaks of load only, a request that tries a capability out only of honesty. */
int ranker_observe(struct ranker *r, int route, const struct observation *o, usec_t now) ATTR_UNUSED_RESULT;
/* A models probe, or reach of the platform as a whole (failed = every endpoint failed): can lower the routes, never raise them. */
int ranker_observe_platform(struct ranker *r, int platform, const struct observation *o, usec_t now) ATTR_UNUSED_RESULT;
/* What the last models list said of the route; absent = state missing. */
enum listing { LISTING_UNKNOWN, LISTING_PRESENT, LISTING_ABSENT };
void ranker_set_listing(struct ranker *r, int route, enum listing listing, usec_t now);

/* What is known otherwise. Each marks what it touches dirty if it changes anything. */
void ranker_set_price(struct ranker *r, int route, const struct price *price, usec_t now);
/* The platform's endpoint in use for routes of that dialect. */
void ranker_set_endpoint(struct ranker *r, int platform, const char *dialect, const char *url, usec_t now);
void ranker_set_level(struct ranker *r, int route, const char *level, usec_t interval, usec_t now);
/* How often it is probed from now on. */
void ranker_set_interval(struct ranker *r, int route, usec_t interval, usec_t now);
void ranker_set_usable(struct ranker *r, int platform, bool usable, const char *why, usec_t now); /* no key: unusable */
/* What a try of a capability left known: a measured yes is a tag more, a measured no takes a declared one away, in what policies require. */
void ranker_set_capability(struct ranker *r, int route, enum capability capability, const struct capability_known *known, usec_t now);
const struct capabilities *ranker_capabilities(const struct ranker *r, int route); /* NULL = none was ever tried; until the next ranker call */
/* The last burst, for explain. */
void ranker_set_burst(struct ranker *r, int route, const struct burst_result *burst, usec_t now);
const struct burst_result *ranker_burst(const struct ranker *r, int route); /* at = 0: there was none */
void ranker_set_maintenance(struct ranker *r, int platform, bool on, usec_t now);
/* Our own network is at fault: verdicts freeze (observations with relay faults are dropped) and the table says so. */
void ranker_set_local(struct ranker *r, bool on, usec_t now);
/* Everything known is from before a restart: the table says so, and each route that was ever observed, until it is observed again. Off: the table only. */
void ranker_set_restored(struct ranker *r, bool on);

enum override_action { OVERRIDE_NONE, OVERRIDE_DRAIN, OVERRIDE_PIN, OVERRIDE_ENABLE };
const char *override_action_name(enum override_action action);
int override_action_from_name(const char *name);
void ranker_set_override(struct ranker *r, int route, enum override_action action, usec_t now);

/* What changed since it was last asked, for the journal. Names are borrowed until the next ranker call. */
struct ranker_event {
    enum { RANKER_STATE, RANKER_FIRST } type;
    const char *platform, *model; /* STATE: the route; FIRST: the platform now first ("" = none) */
    const char *policy;           /* FIRST only */
    const char *from, *to;        /* states, or platforms */
    const char *reason;           /* one sentence for people; may hold a relay's words: escape */
};
typedef void (*ranker_event_fn)(void *arg, const struct ranker_event *event);
void ranker_set_events(struct ranker *r, ranker_event_fn fn, void *arg);

/* The clock moves, and what was due before is worked off: to be called before routes are added at `now`. */
void ranker_advance(struct ranker *r, usec_t now);
/* Works off what is due, at most max_models models (0 = all). `everything`: all models are due now (after a reload). True if more is left.
 * Events are told from in here and from ranker_observe. */
bool ranker_refresh(struct ranker *r, usec_t now, size_t max_models, bool everything);
/* When ranker_refresh next has something to do; USEC_INFINITY = not before something is told. */
usec_t ranker_due(const struct ranker *r);
/* Grows by one each time that a model is ranked and a rank, share, state, reason, flag or loss changed: the same in every replay. */
uint64_t ranker_revision(const struct ranker *r);
/* Did any ranking change since the last ranker_table? `hard`: something that must be published at once (a state or first place). */
bool ranker_changed(const struct ranker *r, bool *ret_hard);
/* The table as of the last refresh; generation = the one given. wall_offset is added to steady times for the times in rows. Caller unrefs. */
struct table *ranker_table(struct ranker *r, uint64_t epoch, uint64_t generation, usec_t now, usec_t wall_offset);

/* Explanation: what `routectl explain` prints. Fixed size, names borrowed until the next ranker call. */
#define EXPLAIN_TERMS_MAX 12
#define EXPLAIN_LAST_MAX 16
struct explain_term {
    const char *name;   /* "failure", "waiting", "money", "stability", "capacity", "honesty" */
    int64_t nano;       /* terms sum to loss_nano exactly */
    char how[160];      /* the arithmetic, "p 0.021 x q 0.034" */
    char window[16];    /* that it is from: "24h", "last 5"; "latest" = what was last told */
    double samples;     /* evidence behind it */
    usec_t age;         /* of the newest evidence; -1 = none */
};
struct explain_window { const char *name; double ok, failed; double estimate, low; }; /* "last 5", "10m", "2h", "24h" */
/* What is known at so many requests in flight, and what that adds for a policy with as many (load.h). */
struct explain_load { const char *in_flight; double ok, failed, limited, fails, slower, refused; };
#define EXPLAIN_GROUP_MAX 8
#define EXPLAIN_TOGETHER 0.5
struct explain_partner { const char *platform; double together; }; /* fails when this one does: so often */
/* Reports of named reporters that did not count (reporters.h). */
struct explain_reports { uint32_t over_rate, unconfirmed, contradicted; const char *last_by; usec_t age; }; /* NULL, -1 = none */
#define EXPLAIN_SIGNALS_MAX 12
#define EXPLAIN_EVIDENCE_MAX 64
struct explain_signal {
    const char *name, *text;
    uint32_t count, of; /* answers that showed it, of those that could have */
    double share;       /* lately */
    bool weighs;        /* in the dishonesty */
    usec_t at;          /* last seen, steady clock; 0 = never */
    char evidence[EXPLAIN_EVIDENCE_MAX]; /* of the last, valid UTF-8, raw: HOSTILE */
};
struct explain_segment { const char *name; double samples; usec_t mean, p50, p90, p95; }; /* -1 unknown */
struct explain_burst { unsigned n, ok, failed, limited; usec_t ttft_p50, ttft_p95, age; const char *why; }; /* n = 0: there was none; times -1 = unknown */
struct explanation {
    struct table_row row;      /* facts borrowed, not counted */
    char reason_why[96];       /* of REASON_REQUIREMENT: "measured: no vision", "not declared: region=cn"; "" = the reason says it all */
    const char *policy;
    int64_t loss_nano;
    struct explain_term terms[EXPLAIN_TERMS_MAX];
    size_t terms_len;
    const char *retry_on;      /* platform that the retry term stands on, or NULL */
    usec_t state_since;
    char state_why[200];       /* may hold a relay's words */
    const char *incumbent, *challenger; /* platforms; NULL = none */
    double evidence, evidence_needed;   /* the challenger's progress */
    struct explain_window windows[6];
    size_t windows_len;
    struct explain_segment segments[10]; /* queue dns connect tls wait ttft content gap total */
    size_t segments_len;
    struct observation last[EXPLAIN_LAST_MAX]; /* newest first */
    const char *last_reporter[EXPLAIN_LAST_MAX]; /* NULL = nobody in particular */
    size_t last_len;
    int concurrency;           /* the policy's */
    struct explain_load load[5]; /* those with evidence, fewest in flight first */
    size_t load_len;
    struct explain_burst burst; /* the last */
    struct explain_partner group[EXPLAIN_GROUP_MAX]; /* the same model's routes that fail with it, EXPLAIN_TOGETHER or more; most first */
    size_t group_len;
    struct explain_reports reports;
    double share_cap;          /* 0..1 */
    double flap_penalty, flap_suppress, flap_reuse;
    char counterfactual[3][160];
    size_t counterfactual_len;
    struct price price;
    double waste_s;            /* learnt seconds that a failure wastes */
    uint32_t challenges_passed, challenges_failed, model_differs, bursts;
    struct explain_signal signals[EXPLAIN_SIGNALS_MAX]; /* of honesty: all there are, seen or not (honesty.h) */
    size_t signals_len;
    double dishonesty, honesty_samples; /* 0..1; the answers behind it, decayed */
};
/* -ENOENT: no such route or policy (NULL policy = the first). */
int ranker_explain(struct ranker *r, int route, const char *policy, usec_t now, struct explanation *ret) ATTR_UNUSED_RESULT;
/* How the prober should treat the route: in transition (fast), settled, or long down (slow). */
enum pace { PACE_FAST, PACE_STEADY, PACE_SLOW };
enum pace ranker_pace(const struct ranker *r, int route, usec_t now);

#endif
