/* The prober: what is probed, when, at what depth, and within which limits; gives observations to its owner.
 *
 * Targets: reach an endpoint, models a platform, chat a route. Each has its own schedule (core/schedule), HTTP target and timer. A probe that is due
 * queues for a place (in all, a platform) and, if paid, for money (core/budget, reserved and persisted before it is sent); what does not fit is
 * done one rung down the ladder chat -> models -> reach. The platform's first healthy endpoint is used; a platform without a key is only reached.
 * Beside these, rarely, and only of routes whose level in force is chat: bursts (one at a time in all) and tries of capabilities (one route a platform
 * and hour). Prices and balances are somebody else's (probed/price). */
#ifndef PROBED_PROBE_PROBER_H
#define PROBED_PROBE_PROBER_H

#include "probed/config/config.h"
#include "probed/core/budget.h"
#include "probed/core/capability.h"
#include "probed/core/load.h"
#include "probed/core/observation.h"
#include "probed/net/http.h"

struct prober;

/* How the owner hears of things; all on the loop, never from inside a prober_* call but prober_free-safe. Indices are the configuration's. */
struct prober_owner {
    void *arg;
    void (*observed)(void *arg, size_t platform, size_t route, const struct observation *o);        /* chat; one of a burst; a try of a capability */
    void (*observed_platform)(void *arg, size_t platform, const struct observation *o);              /* models; reach when all endpoints failed or one works again */
    void (*listed)(void *arg, size_t platform, size_t route, enum listing listing);
    void (*endpoint)(void *arg, size_t platform, enum dialect_id dialect, const char *url);          /* the one in use changed */
    void (*level)(void *arg, size_t platform, size_t route, enum probe_level level, const char *why, usec_t interval);
    void (*breaker)(void *arg, size_t platform, size_t route, int64_t cost_pico, int64_t expected_pico);
    void (*local)(void *arg, bool on);                                                               /* self_check anchors */
    /* A good chat's id, as the relay gave it: 1 to 64 of A-Z a-z 0-9 _ . -. Before the chat is observed. May be NULL. */
    void (*replied)(void *arg, size_t platform, size_t route, const char *id);
    enum pace (*pace)(void *arg, size_t platform, size_t route);
    /* These three may be NULL. */
    enum route_state (*state)(void *arg, size_t platform, size_t route); /* no burst unless it is up, no try of a capability unless it is that or degraded */
    void (*burst)(void *arg, size_t platform, size_t route, const struct burst_result *result); /* after its observations */
    void (*capability)(void *arg, size_t platform, size_t route, enum capability capability, const struct capability_known *known);
    /* Writes the reservation down before money is spent. 0: done; -EINPROGRESS: prober_reserved will be called, later, with the ticket; else < 0: it
     * could not, the probe is not sent. */
    int (*reserve)(void *arg, size_t platform, size_t route, int64_t pico, usec_t now, uint64_t ticket);
    void (*settle)(void *arg, size_t platform, size_t route, int64_t reserved, usec_t reserved_at, int64_t actual, bool tripped);
};

/* config is referenced, budget borrowed. `old` (may be NULL) is the prober of the former configuration: schedules, endpoint health, learnt sizes and kept
 * connections of same-named targets are taken over, its probes in flight for unchanged targets go on; free it afterwards. */
struct prober *prober_new(struct loop *loop, struct http *http, struct config *config, struct budget *budget,
                          const struct prober_owner *owner, struct prober *old, uint64_t seed);
struct prober *prober_free(struct prober *p); /* cancels what is in flight; returns NULL */
/* What a former run of the program left known of a route: its capabilities (NULL = nothing), and when its last burst was (0 = never). Before prober_start. A
 * former prober's knowledge comes by itself. */
void prober_know(struct prober *p, size_t platform, size_t route, const struct capabilities *known, usec_t burst_at);
void prober_start(struct prober *p);
/* What became of a reservation that was in progress: 0 = it is written down, < 0 = it could not be, and nothing of it stands. A ticket of a probe that is gone by now
 * is passed over. */
void prober_reserved(struct prober *p, uint64_t ticket, int error);

struct prober_endpoint_report { const char *url; enum dialect_id dialect; bool in_use, up; struct observation last; };
struct prober_platform_report {
    enum probe_level level;
    char why[160]; /* why not deeper; "" = as configured */
    const char *endpoint;
    bool has_key;
    size_t endpoints_len;
    struct prober_endpoint_report endpoints[CONFIG_ENDPOINTS_MAX];
};
void prober_report_platform(const struct prober *p, size_t platform, struct prober_platform_report *ret);
struct prober_route_report { enum probe_level level; char why[160]; int64_t expected_pico, reserve_pico, spent_pico; int max_tokens; usec_t next;
    bool reasoning;    /* declared, or seen to think */
    char left_out[96]; /* parameters that the route refused and that are left out since, for people; "" = none */
};
void prober_report_route(const struct prober *p, size_t platform, size_t route, struct prober_route_report *ret);

/* Burst and tries of capabilities. next_at = 0: never. why: "not probed: ...", or why the last turn was passed over; "" = nothing is amiss. */
struct prober_burst_report { usec_t next_at; char why[160]; };
void prober_report_burst(const struct prober *p, size_t platform, size_t route, struct prober_burst_report *ret);
struct prober_capabilities_report {
    usec_t tested_at, next_at; /* tested_at = 0: never */
    char why[160];
    bool declared[CAPABILITY_COUNT];
    struct capabilities known; /* evidence is HOSTILE */
};
void prober_report_capabilities(const struct prober *p, size_t platform, size_t route, struct prober_capabilities_report *ret);

struct prober_stats {
    int in_flight, queued;
    uint64_t sent[PROBE_KIND_COUNT], failed[PROBE_KIND_COUNT];
    usec_t late_max; /* the longest that a due probe waited to start, since start */
};
struct prober_stats prober_stats(const struct prober *p);
double prober_stretch(const struct prober *p); /* by which paid intervals are longer than configured, so that the budget lasts the day; >= 1 */
/* Probes this route (or every route of the platform: route = SIZE_MAX) as soon as limits allow. */
void prober_kick(struct prober *p, size_t platform, size_t route);
/* The same for one kind: BURST and CAPABILITIES are not kicked by the former. route = SIZE_MAX: every route of the platform. */
void prober_kick_kind(struct prober *p, size_t platform, size_t route, enum probe_kind kind);
/* What a route's requests cost from now on, in the reference currency; until told, what the configuration says. A new prober is told anew. */
void prober_set_price(struct prober *p, size_t platform, size_t route, const struct price *price);
/* The platform's key, for /v1/pick's key-readers; NULL = none. Borrowed until the next reload. */
const struct secret *prober_key(const struct prober *p, size_t platform);

#endif
