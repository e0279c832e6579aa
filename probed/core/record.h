/* A record: one line of recorded history, as `probed replay` reads it and a dump writes it (probed(8), "REPLAY").
 *
 * NDJSON, a flat object a line. Members that are not known are skipped, null counts as not there, of members with the same name the last
 * counts. Bytes are from outside: a line is at most RECORD_LINE_MAX, every name and number has a cap, and what is wrong is said in
 * words. Nothing is owned: a record is plain values. */
#ifndef PROBED_CORE_RECORD_H
#define PROBED_CORE_RECORD_H

#include "probed/core/observation.h"
#include "probed/core/ranker.h"
#include "shared/buf.h"
#include "shared/err.h"

#define RECORD_LINE_MAX 65536
#define RECORD_TIME_MAX 4e9 /* s, the year 2096; so that milliseconds taken for seconds are noticed */

/* X(ID, name, needs a platform, needs a model) */
#define RECORD_KIND_TABLE(X)                                                                                                               \
    X(CHAT, "chat", true, true)       /* one request to a route, or a probe of it */                                                       \
    X(REACH, "reach", true, false)    /* a check of all endpoints of a platform */                                                         \
    X(MODELS, "models", true, false)  /* of its list of models */                                                                          \
    X(LISTING, "listing", true, true) /* what the list says of the route */                                                                \
    X(USABLE, "usable", true, false)  /* whether there is a key for it */                                                                  \
    X(PRICE, "price", true, true)                                                                                                          \
    X(BALANCE, "balance", true, false)        /* the credit that is left on it; says nothing about its routes */                           \
    X(OVERRIDE, "override", true, false)      /* without a model: all routes of it */                                                      \
    X(SELF_CHECK, "self_check", false, false) /* our own network */                                                                        \
    X(CONFIG, "config", false, false)         /* the configuration was read again */                                                       \
    X(TABLE, "table", false, false)           /* asks for the table */                                                                     \
    X(BURST, "burst", true, true)             /* one of several requests at once: it speaks of load only */                                \
    X(TRIAL, "trial", true, true)             /* a request that tries a capability out: it speaks of honesty only */

enum record_kind {
#define X(id, name, platform, model) RECORD_##id,
    RECORD_KIND_TABLE(X)
#undef X
        RECORD_KIND_COUNT
};

struct record {
    usec_t t; /* >= 0 */
    enum record_kind kind;
    char platform[64], model[128]; /* "" = not given */
    char reporter[64];             /* who told it; "" = nobody in particular */
    struct observation o;          /* what record_observes says; at = t; cost_pico in USD */
    bool ok;                       /* LISTING: it is there; USABLE: there is a key; SELF_CHECK: an anchor answered */
    struct {                       /* PRICE: pico-USD a token, and a call; -1 = not known */
        int64_t input, output, call;
    } price;
    int64_t balance;             /* BALANCE: pico-USD; may be below 0 */
    enum override_action action; /* OVERRIDE */
    usec_t lasts;                /* OVERRIDE: until t + lasts; 0 = without an end */
    char text[256];              /* OVERRIDE: its reason; CONFIG: the file, "" = only told that it was */
};

const char *record_kind_name(enum record_kind kind);
/* Is it an observation, and of which probe kind? The others: false. */
bool record_observes(enum record_kind kind, enum probe_kind *ret);
enum record_kind record_kind_of(enum probe_kind probe); /* of REACH, MODELS, CHAT, BURST, CAPABILITIES */
/* len: without the newline. -EINVAL with err said. */
int record_parse(const char *line, size_t len, struct record *ret, struct err *err) ATTR_UNUSED_RESULT;
/* One line with its newline, that reads back as the same record. */
void record_print(const struct record *record, struct buf *to);

#endif
