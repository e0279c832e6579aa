/* The collector: asks relays for their prices and our balances, on their own schedules, and tells its owner what it heard.
 *
 * A feed is one thing that is asked again and again: a platform's prices, a platform's balance, the reference prices, the exchange rates.
 * At most four run at once, and a platform's one at a time. What a feed last gave well stays, with its age, however often it fails
 * afterwards: after six intervals it is stale. Everything here is free of charge. Times are the loop's steady clock.
 *
 * Keys are read here, sent, and never told: not in a reason, not in a report, not in a name in a list. */
#ifndef PROBED_PRICE_COLLECTOR_H
#define PROBED_PRICE_COLLECTOR_H

#include "probed/config/config.h"
#include "probed/net/http.h"
#include "probed/price/balance.h"
#include "probed/price/price.h"
#include "probed/price/rates.h"

struct collector;

enum collector_kind { COLLECT_PRICE, COLLECT_BALANCE, COLLECT_REFERENCE, COLLECT_RATES, COLLECT_CHARGE, COLLECT_COUNT };
const char *collector_kind_name(enum collector_kind kind); /* "price", "balance", "reference", "rates", "charge" */

enum collector_state {
    COLLECT_NONE,    /* there is no such feed, the platform is switched off, or there is no key to ask for a balance with (why says so) */
    COLLECT_CONFIG,  /* prices come from the configuration */
    COLLECT_PENDING, /* nothing was heard yet, good or bad */
    COLLECT_OK,      /* what is known is fresh; one try that failed does not change that */
    COLLECT_STALE,   /* what is known is older than six intervals */
    COLLECT_FAILED,  /* it failed: twice in a row, or without ever having worked */
};
const char *collector_state_name(enum collector_state state); /* "none", "config", "pending", "ok", "stale", "failed" */

#define COLLECTOR_WHY_MAX     240
#define COLLECTOR_NO_PLATFORM SIZE_MAX

struct collector_charge {
    const char *id;                       /* of the reply */
    int64_t pico;                         /* USD */
    int32_t prompt_tokens, output_tokens; /* as the upstream counted them; -1 = not told */
};

/* How the owner hears of things: all on the loop, never from inside a collector_* call. Indices are the configuration's. What is pointed to
 * is borrowed until the call returns; lists stay until the next one of the same feed was told. */
struct collector_owner {
    void *arg;
    /* A platform's prices were asked for and the answer was good. before: the list that was last told (NULL = this is the first); the same
     * pointer as list when nothing changed, so that only its age did. */
    void (*priced)(void *arg, size_t platform, const struct price_list *list, const struct price_list *before);
    void (*balance)(void *arg, size_t platform, const struct balance *balance);
    /* state, or why not better, is another than it was. platform: COLLECTOR_NO_PLATFORM for the reference and the rates. */
    void (*feed)(void *arg, size_t platform, enum collector_kind kind, enum collector_state state, const char *why);
    /* What a reply that collector_check_charge was asked about did cost. */
    void (*charged)(void *arg, size_t platform, size_t route, const struct collector_charge *charge);
    void (*reference)(void *arg, const struct price_list *list);
    void (*rates)(void *arg, const struct rates *rates); /* in the reference currency */
    /* The base URL of the OpenAI dialect that the platform uses now; NULL (or no such function) = the first that is configured. */
    const char *(*endpoint)(void *arg, size_t platform);
};

/* config is referenced, http borrowed. `old` (may be NULL) is the collector of the former configuration: feeds of same-named platforms with
 * the same source, address and key are taken over with what they know, their schedule and the request that runs; free it afterwards. The
 * reference and the rates likewise. */
struct collector *collector_new(struct loop *loop, struct http *http, struct config *config, const struct collector_owner *owner,
                                struct collector *old, uint64_t seed);
struct collector *collector_free(struct collector *c); /* cancels what runs; returns NULL */
void collector_start(struct collector *c);

/* The platform's site is known, from before a restart, to have had an /api/status (its prices, as they were kept, are not in the source's
 * usual currency). Call it before collector_start; an index that is none, and a platform whose status is known already (taken over from
 * `old`), are left alone. For 24 hours from now rounds that need the status then fail as long as it is not told, even when the site says
 * that it has none (404, a web page), so that what was kept stays instead of becoming USD. After that the site is believed: feeds that
 * depend on the status are read in the usual currency, and their report's `why` says so although their state is "ok". Anything else than a
 * status or a plain "there is none" (401, 403, a redirect, what is cut off, empty or says success:false) fails such rounds in any case,
 * as long as no status was told. */
void collector_expect_status(struct collector *c, size_t platform);

struct collector_report {
    const char *source; /* as configured: "newapi", "config", "none", ... */
    const char *shape;  /* prices from "auto": the shape that it turned out to have; else the source; NULL = not known yet */
    enum collector_state state;
    char why[COLLECTOR_WHY_MAX]; /* why it is not better, in words that are safe to show; "" = it is well. "ok" may have one: the last try,
                                    or what is missing */
    usec_t fetched_at;           /* when the last good answer came; -1 = never */
    usec_t changed_at;           /* when what it says last became different; -1 = never */
    usec_t next_at;              /* -1 = not planned */
    usec_t interval;
    const struct price_list *list; /* prices, reference: the last good one; NULL = none */
    const struct balance *balance; /* the last good one; NULL = none */
};
/* platform: COLLECTOR_NO_PLATFORM for the reference and the rates. What is pointed to is borrowed until the loop goes on. */
void collector_report(const struct collector *c, size_t platform, enum collector_kind kind, struct collector_report *ret);

/* Hides in a text what is in it of the platform's keys, whoever it came from: 8 characters in a row are enough. */
void collector_hide(const struct collector *c, size_t platform, char *text);

/* Asks now for the prices and the balance of the platform (COLLECTOR_NO_PLATFORM: for everything). */
void collector_kick(struct collector *c, size_t platform);

/* Asks, some seconds from now, what the reply of that id was charged, and then tells the owner; again for a while as long as the relay does
 * not know it yet. False: not asked (the platform has no such thing, the route waits for one already, too many wait). */
bool collector_check_charge(struct collector *c, size_t platform, size_t route, const char *id);

struct collector_stats {
    int running, waiting;
    uint64_t sent[COLLECT_COUNT], failed[COLLECT_COUNT]; /* rounds, of one or more requests */
};
struct collector_stats collector_stats(const struct collector *c);

#endif
