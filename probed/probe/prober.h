/* The prober: what is probed, when, at what depth, and within which limits; gives observations to its owner.
 *
 * Targets: reach an endpoint, models a platform, chat a route. Each has its own schedule (core/schedule), HTTP target and timer. A probe that is due
 * queues for a place (in all, a platform) and, if paid, for money (core/budget, reserved and persisted before it is sent); what does not fit is
 * done one rung down the ladder chat -> models -> reach. The platform's first healthy endpoint is used; a platform without a key is only reached. */
#ifndef PROBED_PROBE_PROBER_H
#define PROBED_PROBE_PROBER_H

#include "probed/config/config.h"
#include "probed/core/budget.h"
#include "probed/core/observation.h"
#include "probed/net/http.h"

struct prober;

/* How the owner hears of things; all on the loop, never from inside a prober_* call but prober_free-safe. Indices are the configuration's. */
struct prober_owner {
    void *arg;
    void (*observed)(void *arg, size_t platform, size_t route, const struct observation *o);        /* chat */
    void (*observed_platform)(void *arg, size_t platform, const struct observation *o);              /* models; reach when all endpoints failed or one works again */
    void (*listed)(void *arg, size_t platform, size_t route, enum listing listing);
    void (*endpoint)(void *arg, size_t platform, enum dialect_id dialect, const char *url);          /* the one in use changed */
    void (*level)(void *arg, size_t platform, size_t route, enum probe_level level, const char *why, usec_t interval);
    void (*breaker)(void *arg, size_t platform, size_t route, int64_t cost_pico, int64_t expected_pico);
    void (*local)(void *arg, bool on);                                                               /* self_check anchors */
    enum pace (*pace)(void *arg, size_t platform, size_t route);
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
struct prober_route_report { enum probe_level level; char why[160]; int64_t expected_pico, reserve_pico, spent_pico; int max_tokens; usec_t next; };
void prober_report_route(const struct prober *p, size_t platform, size_t route, struct prober_route_report *ret);

struct prober_stats {
    int in_flight, queued;
    uint64_t sent[PROBE_KIND_COUNT], failed[PROBE_KIND_COUNT];
    usec_t late_max; /* the longest that a due probe waited to start, since start */
};
struct prober_stats prober_stats(const struct prober *p);
/* Probes this route (or every route of the platform: route = SIZE_MAX) as soon as limits allow. */
void prober_kick(struct prober *p, size_t platform, size_t route);
/* The platform's key, for /v1/pick's key-readers; NULL = none. Borrowed until the next reload. */
const struct secret *prober_key(const struct prober *p, size_t platform);

#endif
