/* What the files of the collector share among themselves; nobody else includes it.
 *
 * collector.c          the collector: made, taken over from a former one, freed; reports
 * collect_site.c       what is common to all feeds of a platform: keys, where it is asked, what its /api/status says
 * collect_errand.c     who may run now: four at once, a platform's one at a time
 * collect_ask.c        one request: its URL, its key, its answer, and words for what went wrong, without a key in them
 * collect_feed.c       the life of a feed: due, running, over, planned again; its state
 * collect_read.c       a list of prices is read in slices
 * collect_price.c      the rounds of a price feed; collect_endpoints.c those of one that is asked model by model
 * collect_join.c       several lists are one
 * collect_balance.c    the rounds of a balance feed
 * collect_reference.c  the reference prices and the exchange rates
 * collect_charge.c     what single replies were charged */
#ifndef PROBED_PRICE_COLLECTOR_PARTS_H
#define PROBED_PRICE_COLLECTOR_PARTS_H

#include <sys/queue.h>

#include "probed/core/schedule.h"
#include "probed/price/balance.h"
#include "probed/price/collect_join.h"
#include "probed/price/collector.h"
#include "shared/buf.h"
#include "shared/text.h"

#define COLLECT_AT_ONCE    4
#define COLLECT_STALE_RUN  6 /* intervals */
#define COLLECT_FAILED_RUN 2 /* failures in a row that make it failed, where it has worked before */
#define COLLECT_SLICE      ((size_t)65536)

/* --- collect_errand.c --------------------------------------------------------------------------------------------------- */

/* Something that wants to run; lives inside what it belongs to. */
struct errand {
    struct collector *c;
    struct site *site; /* NULL = of no platform */
    bool queued, running;
    void (*go)(void *arg);
    void *arg;
    TAILQ_ENTRY(errand) entry;
};
TAILQ_HEAD(errand_queue, errand);

void errand_queue(struct errand *e); /* go is called from the loop, when there is room */
void errand_over(struct errand *e);  /* gives its room back; withdraws it, if it only waits; nothing, if it does neither */
void errand_move(struct errand *e, struct collector *c, struct site *site); /* as it stands, to another collector */
void errands_pump(void *collector);

/* --- collect_ask.c ------------------------------------------------------------------------------------------------------ */

enum told_kind {
    TOLD_OK,
    TOLD_SAME,      /* 304 */
    TOLD_DENIED,    /* 401, 403 */
    TOLD_ABSENT,    /* 404, 405, 410, a redirect, a web page: there is nothing of the sort */
    TOLD_LIMITED,   /* 429 */
    TOLD_BROKEN,    /* any other answer */
    TOLD_UNREACHED, /* no whole answer */
};
struct told {
    enum told_kind kind;
    int status;       /* of HTTP; 0 = none came */
    const char *body; /* of a good answer; NUL after it */
    size_t len;
    const char *etag; /* "" = none */
    usec_t retry_after;
    char why[COLLECTOR_WHY_MAX]; /* of an answer that is not good */
};

enum ask_auth { ASK_OPEN, ASK_BEARER, ASK_BARE };
struct question {
    const char *url;
    enum ask_auth auth;
    const struct secret *key;
    const char *user, *user_header; /* NULL = none; the header NULL = all that are in use */
    const char *etag;               /* NULL or "" = none */
    size_t max_body;
    bool foreign;          /* not at the platform: its headers and its certificate authority do not belong there */
    enum probe_kind probe; /* whose timeouts; PROBE_KIND_COUNT = the usual */
};

/* Who asks: one request at a time. */
struct asking {
    struct collector *c;
    struct site *site; /* NULL = of no platform */
    struct http_target *http;
    bool foreign;
    bool conditional; /* an etag was sent */
    struct buf body;
    void (*answered)(void *arg, const struct told *told);
    void *arg;
};
/* answered is called once, never from inside; the body is valid until it returns (asking_keep takes it). -errno with err said: nothing was
 * sent. */
int asking_send(struct asking *a, const struct question *q, void (*answered)(void *arg, const struct told *told), void *arg,
                struct err *err) ATTR_UNUSED_RESULT;
void asking_keep(struct asking *a, struct buf *ret);
void asking_close(struct asking *a); /* cancels; drops connection and body */
/* Hides in `text` what is in it of our keys: eight characters in a row are enough. */
void keys_hide(const struct site *site, char *text);
bool keys_shown(const struct site *site, const char *text);

/* --- collect_site.c ----------------------------------------------------------------------------------------------------- */

struct desk;

struct site {
    struct collector *c;
    size_t index;
    const struct config_platform *config;
    struct secret *key, *balance_key; /* NULL = none */
    char key_why[COLLECTOR_WHY_MAX];  /* why there is no key, where one is named; "" */
    char balance_key_why[COLLECTOR_WHY_MAX];
    bool busy;                       /* one of its errands runs */
    struct feed *price, *balance;    /* NULL = no such feed */
    struct desk *desk;               /* made when first needed */
    char status[BALANCE_STATUS_MAX]; /* what matters of /api/status; "" = it never gave one */
    usec_t status_at;                /* when that, or that it has none, was last told; -1 = never */
    usec_t status_expected;          /* until then it is not believed that it has none; -1 = it may have none */
    bool status_lost;                /* it had one once, and is now taken to have none */
};

void site_init(struct site *site, struct collector *c, size_t index);
void site_done(struct site *site);
/* Is what `old` knows good for `new`, which has the same name: same address, same keys, same way to get there? */
bool site_same(const struct site *old, const struct site *new);
/* The base URL (".../v1") and the URL above it, where the sites of the family have their /api. */
void site_base(const struct site *site, struct buf *ret);
void site_root(const struct site *site, struct buf *ret);
/* A configured URL: whole, or a path at the platform's host. *ret_foreign: it is at another host than any endpoint. */
void site_url(const struct site *site, const char *url, struct buf *ret, bool *ret_foreign);
/* What was said to the question for /api/status. -EAGAIN: no answer that says anything, and there was none before: so it is not known
 * what prices and balances of the one-api family are in. */
int site_status(struct site *site, const struct told *told, struct err *err) ATTR_UNUSED_RESULT;
void url_encode(struct buf *ret, const char *text, const char *also);
void secret_buf_done(struct buf *b); /* for CLEANUP: wipes */

/* --- collect_feed.c ----------------------------------------------------------------------------------------------------- */

/* What the rounds of each kind keep; in the file of the kind. */
struct price_feed;
struct balance_feed;

struct feed {
    struct collector *c;
    struct site *site; /* NULL = of no platform */
    enum collector_kind kind;
    struct schedule schedule;
    struct loop_timer *due, *aging, *slice;
    struct errand errand;
    struct asking asking;

    usec_t fetched_at, changed_at, next_at; /* -1 */
    unsigned fails;                         /* in a row */
    char why[COLLECTOR_WHY_MAX];            /* of the last failure; "" = the last round was good */
    enum collector_state told_state;
    char told_why[COLLECTOR_WHY_MAX];

    /* The list that is being read (collect_read.c). */
    struct price_reading *reading;
    enum price_source read_as;
    struct buf body;
    void (*read)(struct feed *f, struct price_list *list, struct err *err);

    struct price_feed *price; /* of prices */
    struct balance_feed *balance;
    struct price_list list; /* the last good one, of prices and the reference */
    struct balance money;   /* the last good one */
    struct rates *rates;    /* the last good ones; NULL = none */
    char etag[128];
    struct timespec file_at; /* the reference's file, as it was when it was read */
    int64_t file_size;
};

struct feed *feed_new(struct collector *c, struct site *site, enum collector_kind kind, const char *name);
struct feed *feed_free(struct feed *f); /* returns NULL */
void feed_move(struct feed *f, struct collector *c, struct site *site);
void feed_start(struct feed *f, usec_t spread);
void feed_kick(struct feed *f);
struct schedule_rule feed_rule(const struct feed *f);
enum collector_state feed_state(const struct feed *f);
/* The three ends of a round. changed: what it says is not what it said before. */
void feed_good(struct feed *f, bool changed);
void feed_bad(struct feed *f, const char *why, usec_t retry_after, bool hurry);
void feed_told(struct feed *f, const struct told *told); /* bad, with what was said */

/* --- collect_read.c ----------------------------------------------------------------------------------------------------- */

/* Reads f->body; `read` is called from the loop with the list (which is its to keep) or, the list NULL, with what is wrong. */
void feed_read(struct feed *f, enum price_source source, void (*read)(struct feed *f, struct price_list *list, struct err *err));
void feed_read_stop(struct feed *f);

/* --- rounds: begin is called with room taken, end drops what a round left -------------------------------------------------- */

struct price_feed {
    enum price_source source;
    bool keyed; /* its list is only given to those with a key */
    int found;  /* the place that had a list; -1 = none yet */
    enum price_source shape;
    uint64_t context; /* hash of what else the last list was read with */

    /* Of the round. */
    int place;
    bool with_key;
    uint64_t context_now;
    char etag_now[128];
    bool groups_asked;
    char telling[COLLECTOR_WHY_MAX];    /* why it was not at the places so far */
    char statusless[COLLECTOR_WHY_MAX]; /* why a list of the one-api family could not be read; "" = it can */
    bool hurry;
    struct buf groups;

    /* Of a round over OpenRouter's endpoints. */
    size_t route;
    unsigned asked;
    struct price_joining *joining;
};

struct price_feed *price_feed_new(enum price_source source);
struct price_feed *price_feed_free(struct price_feed *p);
void price_begin(struct feed *f);
void price_end(struct feed *f);
const char *price_feed_shape(const struct feed *f);
/* Does what it says depend on the site's /api/status? */
bool price_feed_has_status(const struct feed *f);
struct price_context price_feed_context(const struct feed *f);
/* The round has given this list, which is the feed's from now on. */
void price_feed_take(struct feed *f, struct price_list *list);
void endpoints_ask(struct feed *f); /* for the next model */

struct balance_feed *balance_feed_new(enum balance_source source);
struct balance_feed *balance_feed_free(struct balance_feed *b);
bool balance_feed_has_status(const struct feed *f);
/* Why it cannot be asked at all: a key that it needs is not there. NULL = it can. */
const char *balance_keyless(const struct feed *f);
void balance_begin(struct feed *f);
void balance_end(struct feed *f);
void reference_begin(struct feed *f);
void rates_begin(struct feed *f);

/* --- collect_charge.c --------------------------------------------------------------------------------------------------- */

struct desk *desk_free(struct desk *desk);
void desk_move(struct desk *desk, struct collector *c, struct site *site);

/* --- the collector ------------------------------------------------------------------------------------------------------ */

struct collector {
    struct loop *loop;
    struct http *http;
    struct config *config;
    struct collector_owner owner;
    uint64_t random;
    struct site *sites;
    size_t sites_len;
    struct feed *reference, *rates; /* NULL = none */
    struct errand_queue waiting;
    struct loop_timer *pump;
    struct collector_stats stats;
};

#endif
