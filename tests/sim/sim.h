/* The daemon in virtual time: tests/sim/loop_sim.c and http_sim.c stand in for probed/sys/loop.c and probed/net/http.c; everything else is the real code.
 *
 * A scenario makes a world of relays by host name, starts the daemon on a configuration, lets time pass, changes relays, and looks at tables. Hours take
 * milliseconds. All randomness comes from one seed, which is printed. */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "probed/core/outcome.h"
#include "probed/daemon.h"
#include "probed/sys/loop.h"
#include "shared/buf.h"
#include "shared/table.h"

#define SIM_START ((usec_t)1767225600 * USEC_PER_SEC) /* 2026-01-01 */

/* A paid request as the relay sees it: for a scenario that keeps the relays' tills. */
enum sim_moment { SIM_STARTED, SIM_ARRIVED, SIM_OVER };
struct sim_relay;
struct sim_paid {
    struct sim_relay *relay;
    const char *url, *body;
    size_t account;          /* these two are the scenario's own */
    int64_t pico;
    int prompt_tokens, output_tokens, reasoning_tokens; /* what it will tell, to be set on arrival; -1 = it tells no usage */
    bool told;               /* when it is over: it has told them */
};

struct sim_relay {
    char host[64];           /* "p1.test" */
    double ttft_ms, sigma;   /* median of the first-token time, and its lognormal spread */
    double connect_ms;
    int tokens;              /* content deltas */
    double gap_ms;           /* between them */
    enum outcome_kind break_with; /* OK = nothing; REFUSED, RESET, TLS, RESOLVE, UNREACHABLE, TIMEOUT: the network does that */
    double break_share;      /* 0..1 of requests, 0 = all of them */
    int status;              /* 0 = 200; else this status with `body` */
    const char *body;        /* of a failing answer; NULL = an OpenAI-shaped error */
    double status_share;     /* 0 = all */
    usec_t retry_after;
    bool stall;              /* after the first token */
    bool empty, truncated;
    const char *missing;     /* a model that the list leaves out, or NULL */
    int output_tokens;       /* as told by usage; 0 = what was sent */
    int busy_above;          /* with more chats in flight than this it is busy; 0 = never */
    int busy_status;         /* answered to chats that come while it is; 0 = they are only slower, */
    double busy_slower;      /* so many times; 0 = not */
    const char *unable;      /* names of capabilities that it refuses, " vision tools "; NULL = none */
    bool deaf;               /* what it is unable to do it ignores instead of refusing it */
    bool (*till)(struct sim_paid *paid, enum sim_moment moment); /* NULL = nobody counts. False: whoever asked is dead, nothing more of it happens */
    const char *listing;     /* the answer to /models; NULL = m1 to m4 */
    bool same_words;         /* open questions are answered alike, whatever the model */
    unsigned long chats, reaches, lists, in_flight, in_flight_most; /* counted */
    unsigned long chats_now, chats_most, tries, connections; /* chats in flight; requests that were no plain chat; new connections of chats */
};

struct sim;
/* config: YAML text. relays are found by host; unknown hosts do not resolve. */
struct sim *sim_new(const char *config, uint64_t seed);
void sim_free(struct sim *sim);
struct sim_relay *sim_relay(struct sim *sim, const char *host); /* made on first use: 400 ms, sigma 0.2, all well */
void sim_run(struct sim *sim, usec_t duration);
usec_t sim_now(const struct sim *sim);
struct daemon *sim_daemon(struct sim *sim);
/* kill -9 and a new start: the daemon's memory is gone, its files are not. */
void sim_crash(struct sim *sim);
/* A new configuration text and a reload; the daemon's answer. */
int sim_reload(struct sim *sim, const char *config);
/* The process stands still for so long: nothing of ours runs, the world goes on. */
void sim_pause(struct sim *sim, usec_t duration);

const struct table_row *sim_row(struct sim *sim, const char *policy, const char *model, const char *platform);
const char *sim_first(struct sim *sim, const char *policy, const char *model); /* platform of rank 1 */
unsigned sim_first_changes(const struct sim *sim);  /* in all policies and models since sim_new */
unsigned sim_state_changes(const struct sim *sim);

/* A model's answer to a request that is no stream, or no chat: status and body (model.c has what it can do). */
int sim_model_answer(const struct sim_relay *relay, const char *url, const char *body, struct buf *ret);
/* The n-th piece of its answer to an open question; NULL = it has ended. */
const char *sim_model_piece(const struct sim_relay *relay, const char *model, const char *prompt, int n);

/* For the stand-ins. */
struct sim *sim_current(void);
double sim_uniform(struct sim *sim);
double sim_lognormal(struct sim *sim, double median, double sigma);
void sim_loop_run_until(struct loop *loop, usec_t at);
void sim_loop_skip(struct loop *loop, usec_t duration);

#endif
