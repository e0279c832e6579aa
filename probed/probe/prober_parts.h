/* What the files of the prober share among themselves; nobody else includes it.
 *
 * prober.c     targets: made, taken over from a former prober, started, reported, freed; when each is due
 * admit.c      who may run now: places in all and a platform, and the queues of those that wait
 * endpoints.c  endpoint health and the choice of the one in use
 * money.c      whether a chat may be paid for, what it should cost, how large it is
 * anchors.c    the self check: is it our own network?
 * send.c       one POST with the platform's key to the endpoint in use
 * rare.c       burst and capabilities: when each route's turn is, and why it is passed over
 * run_reach.c run_models.c run_chat.c run_burst.c run_capabilities.c   one probe kind each: its request, its answer, its observation */
#ifndef PROBED_PROBE_PROBER_PARTS_H
#define PROBED_PROBE_PROBER_PARTS_H

#include <sys/queue.h>

#include "probed/probe/capability_same.h"
#include "probed/probe/chat.h"
#include "probed/probe/manners.h"
#include "probed/probe/prober.h"
#include "shared/text.h"

#define PROBE_REACH_BODY ((size_t)64 * 1024)

enum target_phase { TARGET_IDLE, TARGET_QUEUED, TARGET_RUNNING };

struct burst;
struct trial;

/* One thing that is probed again and again. Each stands alone on the heap: a reload moves it to the next prober, running or not. */
struct target {
    struct prober *p;
    enum probe_kind kind;
    size_t platform; /* index in the configuration */
    size_t index;    /* route (chat; the one at hand of burst and capabilities), endpoint (reach), 0 (models) */
    struct schedule schedule;
    struct loop_timer *timer;
    struct http_target *http;
    enum target_phase phase;
    usec_t due;     /* when it ought to have started */
    usec_t started;
    uint8_t endpoint; /* the one it runs against */
    bool kicked;    /* asked for out of turn */
    TAILQ_ENTRY(target) queue;

    /* reach */
    bool up;
    int fails, successes; /* in a row */
    struct observation last;

    /* models */
    struct buf body;

    struct burst *burst; /* one target in all: what is under way; NULL */
    struct trial *trial; /* capabilities, one target a platform: what is under way; NULL */

    /* chat */
    struct chat_reading *reading;
    struct loop_timer *deadline;
    enum stage timeout_stage;
    struct challenge challenge;
    enum probe_level level;    /* in force */
    char why[160];             /* why not deeper */
    usec_t told_interval;      /* as the owner last heard */
    int64_t reserved, expected; /* of the probe in flight */
    struct price agreed;       /* when it was reserved */
    usec_t reserved_at;
    uint64_t ticket;           /* of the reservation that is being written down; 0 = none */
    TAILQ_ENTRY(target) reserving;
    int account;               /* budget */
    int max_tokens;            /* learnt; 0 = the default */
    double learnt_prompt, learnt_output; /* decayed means of tokens used */
    int32_t most_output;       /* the most output tokens lately */
    unsigned learnt;           /* answers that they stand on */
    struct manners manners;    /* how it wants to be asked, how it answers */
    unsigned sent;             /* parameters of the chat in flight */
};
TAILQ_HEAD(target_queue, target);

struct answers { /* to the questions that all routes of a platform are asked (capability_same.h) */
    uint64_t hash[SAME_QUESTIONS]; /* 0 = none, or too short to tell */
    uint8_t next;             /* question */
};
/* What a route has of the rare kinds. */
struct rare {
    usec_t burst_due, trial_due;        /* 0 = never */
    char *burst_why, *trial_why;        /* why the last turn was passed over; NULL = it was not */
    struct capabilities *known;         /* NULL = nothing was tried yet */
    struct answers *answers;            /* NULL = none */
    uint8_t wanted;                     /* bit a capability: what the next trial tries; 0 = all */
    uint8_t unclear;                    /* trials in a row that left something unclear */
};

struct platform {
    const struct config_platform *config;
    struct secret *key;
    char key_why[160];   /* why there is no key */
    struct target **endpoints, *models, **routes, *trial;
    struct price *prices; /* a route; in force, in the reference currency */
    struct rare *rare;   /* a route */
    usec_t trial_at;     /* when the last trial began; 0 = none did */
    int in_flight, cap;
    struct target_queue waiting;
    bool ready;          /* is in prober.ready */
    TAILQ_ENTRY(platform) ready_entry;
    uint8_t in_use[DIALECT_COUNT]; /* endpoint index; UINT8_MAX = none of that dialect */
    bool all_down;
};
TAILQ_HEAD(platform_queue, platform);

struct anchors;

struct prober {
    struct loop *loop;
    struct http *http;
    struct config *config;
    struct budget *budget;
    struct prober_owner owner;
    uint64_t random;
    struct platform *platforms;
    size_t platforms_len;
    int in_flight, queued;
    struct platform_queue ready;
    struct target_queue reserving; /* chats that wait for their reservation to be written down */
    uint64_t tickets;    /* the last one given */
    struct loop_timer *pump;
    struct loop_timer *governor;
    double stretch;      /* paid intervals are this much longer, so that the budget lasts the day; >= 1 */
    struct anchors *anchors;
    struct target *burst;
    struct prober_stats stats;
};

/* prober.c */
/* Another paid probe of the same route is under way: there is one at a time. */
bool route_is_busy(const struct prober *p, size_t platform, size_t route, const struct target *but);
const struct config_probe *target_probe(const struct target *t);
const struct config_route *target_route(const struct target *t);
struct schedule_rule target_rule(const struct target *t);
/* The one end of every probe that ran: gives its place back, counts, plans the next, and delivers `o` (by way of the anchors, if it may be our own
 * network's fault). */
void target_finish(struct target *t, struct observation *o);
void target_plan(struct target *t, usec_t retry_after);
void prober_deliver(struct prober *p, struct target *t, struct observation *o);
#define PROBE_HEADERS_MAX 32
bool platform_lacks_key(const struct platform *pf); /* needs one and has none: it is only reached */
/* The platform's own request headers (and its User-Agent); how many were put there. Borrowed from the configuration. */
size_t platform_headers(const struct platform *pf, struct http_header *ret);
/* The header that carries the key: its value is built in `value` (wipe it with secret_value_done). False: the platform has no key. */
bool platform_auth(const struct platform *pf, enum dialect_id dialect, struct http_header *ret, struct buf *value);
void secret_value_done(struct buf *value);

/* admit.c */
void admit_queue(struct target *t);
void admit_withdraw(struct target *t);
void admit_done(struct target *t);
void admit_pump(struct prober *p);
/* n places at once for a burst, if they are free; each is given back by itself. */
bool admit_burst(struct target *t, int n);
void admit_burst_done(struct prober *p, size_t platform, int n);
bool admit_quiet(const struct platform *pf); /* nothing runs or waits */

/* endpoints.c */
void endpoints_init(struct platform *pf);
enum dialect_id endpoints_dialect(const struct platform *pf); /* that the platform's lists are asked for in: the first that has an endpoint */
void endpoints_seen(struct target *t, const struct observation *o);
void endpoints_suspect(struct platform *pf, struct prober *p, uint8_t endpoint);
enum pace endpoints_pace(const struct target *t, const struct health_rules *rules);

/* money.c */
/* The deepest level at which the route may be probed now, and why not deeper; does not spend. */
enum probe_level money_level(struct target *t, usec_t now, char *why, size_t size);
int money_max_tokens(const struct target *t);
bool money_reasoning(const struct target *t); /* declared, or seen to think */
bool money_too_large(struct target *t);       /* the limit was refused as such; true: the next one is smaller */
int64_t money_expected(const struct target *t), money_worst(const struct target *t);
/* Reserves and has it written down: 0; -EINPROGRESS: it is being written, under t->ticket; -ENOSPC: not granted, and the level says why. */
int money_reserve(struct target *t, usec_t now);
/* It could not be written down: nothing is reserved. */
void money_unreserve(struct target *t);
void money_settle(struct target *t, struct observation *o);
/* The same for what is no plain chat: a sum of its own; what it cost, -1 = not known. They go to the route's account as well. */
int64_t money_price(const struct target *t, double prompt, double output); /* pico for so many tokens; -1: no price is known and none given */
int money_reserve_sum(struct target *t, int64_t worst, int64_t expected, usec_t now);
void money_settle_sum(struct target *t, int64_t cost);
void money_cost(const struct target *t, struct observation *o); /* from its usage, where it has none yet */
void money_learn(struct target *t, const struct observation *o);
void money_govern(struct prober *p);
void money_level_changed(struct target *t, enum probe_level level, const char *why);

/* anchors.c */
struct anchors *anchors_new(struct prober *p);
struct anchors *anchors_free(struct anchors *a);
void anchors_start(struct anchors *a);
/* Takes the observation if it has to wait for the anchors' word (then delivers it later); false: deliver it yourself. */
bool anchors_hold(struct anchors *a, struct target *t, const struct observation *o);
bool anchors_local(const struct anchors *a);
void anchors_forget(struct anchors *a, const struct target *t);

/* send.c: 0, or -errno with nothing started. To the endpoint of the route's dialect, by the request's own path; of a chat, by the configured one if there is one. Callbacks and
 * timeouts are the caller's, in *request. */
int send_post(struct target *t, struct http_target *http, const struct chat_request *chat, bool is_chat, struct http_request *request);

/* rare.c */
void rare_init(struct platform *pf, struct platform *before, struct prober *p, size_t platform);
void rare_free(struct platform *pf);
void rare_start(struct prober *p);
const struct config_timeouts *rare_timeouts(const struct target *t);
/* Whether the route may have such a probe now; else *ret_why says why not, and it is looked at again after the time returned (0 = it may). */
usec_t rare_barred(const struct prober *p, enum probe_kind kind, size_t platform, size_t route, const char **ret_why);
void rare_burst_plan(struct prober *p), rare_trial_plan(struct prober *p, size_t platform); /* sets the timer for what is due first */
/* Whose turn it is, of those that may have it; false = nobody's. */
bool rare_burst_choose(struct prober *p, size_t *ret_platform, size_t *ret_route);
bool rare_trial_choose(struct prober *p, size_t platform, size_t *ret_route);
/* The turn is over: plans the route's next. why: why it was not as it should be; NULL. */
void rare_burst_over(struct prober *p, size_t platform, size_t route, const char *why);
void rare_trial_over(struct prober *p, size_t platform, size_t route);
void rare_trial_unpaid(struct prober *p, size_t platform, size_t route, const char *why);
void rare_trial_again(struct prober *p, size_t platform, size_t route, unsigned wanted); /* as soon as the platform's hour allows */
void rare_kick(struct prober *p, size_t platform, size_t route, enum probe_kind kind);
bool rare_applies(const struct prober *p, size_t platform, size_t route, enum capability capability);

/* run_*.c: 0, or -errno with nothing started. */
int reach_start(struct target *t);
int models_start(struct target *t);
int chat_start(struct target *t);
struct chat_ask chat_ask_of(const struct target *t, const char *prompt); /* as its route wants to be asked; t: the chat target of the route, which knows that */
void chat_reserved(struct target *t, int error);
void chat_abandon(struct target *t);
void burst_due(struct target *t); /* whose turn is it? */
void burst_look(struct target *t); /* is there room for the one that waits? */
void burst_reserved(struct target *t, int error);
void burst_told(struct target *t, const struct observation *o);
void burst_chat_seen(struct prober *p, const struct target *chat, const struct observation *o); /* what a plain chat of its route came to */
void burst_abandon(struct target *t);
bool burst_waits(const struct target *t);     /* for its places */
bool burst_under_way(const struct target *t); /* it is beyond waiting for its places */
void burst_move(struct target *t, struct prober *p, size_t platform, size_t index); /* one that is under way, to the next prober */
void trial_due(struct target *t);
int trial_start(struct target *t);
void trial_plan(struct target *t); /* a request is over: what is next? */
void trial_reserved(struct target *t, int error);
void trial_abandon(struct target *t);
/* DNS, connection, TLS, what is common to every answer, from http's result. */
void observation_from_http(struct observation *o, const struct target *t, const struct http_result *result);

#endif
