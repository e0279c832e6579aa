/* The HTTP API on the Unix socket (probed-api(7)): the only user of libmicrohttpd, run from the loop.
 *
 * It shows what its owner gives it and asks the owner for every change; it knows no other part. JSON of a ranking is built once a generation, when first
 * asked for, and shared by all readers. Watchers are suspended connections that api_publish wakes. Caps: clients, watchers, request size, URL length, time. */
#ifndef PROBED_SERVE_API_H
#define PROBED_SERVE_API_H

#include "probed/config/config.h"
#include "probed/core/history.h"
#include "probed/core/ranker.h"
#include "probed/sys/loop.h"
#include "shared/table.h"

struct api;

struct api_override { /* an operator's word on a platform or a route */
    enum override_action action;
    char platform[64];
    char model[128];   /* "" = the whole platform */
    usec_t made_at, expires_at; /* wall; expires_at 0 = until taken back */
    char reason[160];  /* as typed; escape */
    char by[64];       /* user name or "uid N" */
};

/* What is asked about money and conduct; members that were not given are NULL or below 0. */
enum api_topic { API_PRICES, API_SPEND, API_CAPABILITIES, API_HONESTY, API_FORECAST };
struct api_topic_query {
    const char *platform, *model, *policy, *currency;
    double requests, days; /* a day; of the forecast */
    int64_t input, output;
};

struct api_owner { /* answered by the daemon, all on the loop */
    void *arg;
    const struct table *(*table)(void *arg);      /* the current one; borrowed; never NULL */
    usec_t (*valid_until)(void *arg);             /* the lease, wall clock */
    const struct config *(*config)(void *arg);
    /* The body of /v1/status; new object. */
    cJSON *(*status)(void *arg);
    /* -ENOENT; borrowed until back on the loop. state_since and last[].at are wall clock by then, price.at is steady.
     * extra: members that only the daemon knows (budget, level, override, endpoint evidence), may be NULL, new. */
    int (*explain)(void *arg, const char *platform, const char *model, const char *policy, struct explanation *ret, cJSON **extra);
    /* 0, -ENOENT, -EINVAL, -EBUSY (too many) with err said. In: action, platform, model, reason, by; expires_at. */
    int (*override)(void *arg, const struct api_override *override, struct err *err);
    size_t (*overrides)(void *arg, const struct api_override **ret); /* borrowed */
    int (*reload)(void *arg, struct buf *messages); /* 0, or -EINVAL: messages says what is wrong, the old one stays */
    /* model "" = all of it; kind: enum probe_kind, or -1 = what is due anyway (all but bursts and capabilities) */
    int (*probe)(void *arg, const char *platform, const char *model, int kind, struct err *err);
    /* The key for a key-reader's pick, NULL = none. */
    const char *(*key)(void *arg, const char *platform);
    /* The body of a topic's answer; new object. -ENOENT: no such platform, model or policy; -EINVAL: what is asked makes no sense; err said. */
    int (*tell)(void *arg, enum api_topic topic, const struct api_topic_query *query, cJSON **ret, struct err *err);
    /* A question about the past; fn is called once, later, from the loop, unless `forget` is called with its argument before. -EBUSY (too many at once),
     * -ENODEV (nothing is recorded) with err said. */
    int (*ask)(void *arg, const struct history_query *query, history_answer_fn fn, void *fn_arg, struct err *err);
    void (*forget)(void *arg, void *fn_arg);
};

/* listen_fd: an activated socket, or -1 to bind config's path (stale socket removed, mode set by umask around bind, group by chown, second daemon
 * refused by a lock beside it). NULL with err said. */
struct api *api_new(struct loop *loop, const struct api_owner *owner, int listen_fd, struct err *err);
struct api *api_free(struct api *api); /* ends watchers, removes the socket it bound; returns NULL */
/* A new table is out: wake watchers. */
void api_publish(struct api *api);
/* The lease was renewed: tell watchers by a comment. */
void api_renew(struct api *api);

struct api_stats { int clients, watchers; uint64_t requests, refused; };
struct api_stats api_stats(const struct api *api);

#endif
