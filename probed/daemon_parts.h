/* What the files of the daemon share: daemon.c (life, table, reload), observe.c (the prober's word to the ranker, the ranker's to the journal),
 * command.c (what the socket asks for), status.c (what it is told). */
#ifndef PROBED_DAEMON_PARTS_H
#define PROBED_DAEMON_PARTS_H

#include "probed/collecting.h"
#include "probed/daemon.h"
#include "probed/exchange.h"
#include "probed/history.h"
#include "probed/purse.h"
#include "probed/net/http.h"
#include "probed/overrides.h"
#include "probed/pricing.h"
#include "probed/probe/prober.h"
#include "probed/serve/api.h"
#include "probed/spending.h"
#include "probed/store/ledger.h"
#include "probed/sys/notify.h"
#include "probed/topics.h"

/* All that is made from one configuration, and swapped with it. */
struct world {
    struct config *config;
    struct ranker *ranker;
    struct prober *prober;
    struct collector *collector;
    int *platform_id;  /* configuration index -> ranker id */
    int **route_id;    /* [platform][route] -> ranker id */
    bool *maintenance; /* [platform]: as last told to the ranker */
};

struct daemon {
    struct loop *loop;
    char *config_file, *socket_path, *state_dir; /* the latter two: given on the command line, or NULL */
    struct http *http;
    struct world *world;
    struct budget *budget;
    struct history *history;   /* NULL: none is kept */
    struct spending *spending;
    struct exchange exchange;
    struct pricing *pricing;
    struct purse *purse;
    char *state_file;
    struct overrides overrides;
    struct api *api;
    struct notify_watchdog *watchdog;
    struct loop_signal *on_hup, *on_term, *on_int;

    struct table *table;
    uint64_t epoch, generation;
    usec_t published;   /* steady */
    usec_t valid_until; /* wall */
    struct loop_timer *work, *renew, *budget_look, *calendar;
    bool all_dirty;

    char money_before[CURRENCY_MAX]; /* the reference currency in which money was counted before the hour money_since; "" = the same one */
    int64_t money_since;
    usec_t started_at, loaded_at; /* wall */
    char *config_error;           /* why the last reload was refused, or NULL */
    bool local, budget_low, debug, no_store, started;
    uint64_t seed;
    daemon_record_fn record; /* keeps a history; NULL */
    void *record_arg;
};

static inline usec_t daemon_wall_offset(const struct daemon *d) { return loop_wall(d->loop) - loop_now(d->loop); }
/* Something changed: rank and publish soon, at most once a second. */
void daemon_touch(struct daemon *d);
int64_t daemon_money(const struct daemon *d, int64_t hour, int64_t pico); /* spent in that hour, in the reference currency of now */
void daemon_apply_overrides(struct daemon *d);
void daemon_save(struct daemon *d);
void daemon_check_calendar(struct daemon *d); /* maintenance windows and expired overrides */
/* Configuration indices of a route by name; -ENOENT. model NULL or "": only the platform. */
int world_find(const struct world *w, const char *platform, const char *model, size_t *ret_platform, size_t *ret_route);

/* observe.c */
struct prober_owner observe_owner(struct daemon *d);
void observe_ranker_event(void *arg, const struct ranker_event *event);
/* command.c */
struct api_owner command_owner(struct daemon *d);
/* status.c */
cJSON *status_to_json(struct daemon *d);
cJSON *status_explain_extra(struct daemon *d, size_t platform, size_t route);

#endif
