/* What top asks of the daemon, off the thread that draws: questions may take their time, keys may not.
 *
 * Two threads: one takes the tables (stream.h) and reads them, one asks everything else, one question after the other. What they bring
 * waits in a mailbox until it is taken; only the newest table waits. */
#ifndef ROUTECTL_TOP_DATA_H
#define ROUTECTL_TOP_DATA_H

#include "routectl/top_trail.h"
#include "shared/client.h"
#include "shared/json.h"
#include "shared/table.h"

struct top_data;

struct top_source {
    const char *socket;
    const char *policy; /* NULL or "" = the default one */
    const char *model;  /* NULL or "" = all */
    usec_t lease;       /* as known already; 0 = not */
    usec_t timeout;     /* of one question */
};
/* NULL with err said. The threads have all signals blocked but SIGUSR1. */
struct top_data *top_data_open(const struct top_source *source, struct err *err);
/* Does not wait for a daemon that does not answer. Returns NULL. */
struct top_data *top_data_close(struct top_data *data);
/* Readable when there is news. */
int top_data_fd(const struct top_data *data);

/* Tables of another policy or model from now on; what is on its way of the old ones is thrown away. */
void top_data_select(struct top_data *data, const char *policy, const char *model);
/* Routes whose history is wanted, those in sight: asked for again and again until others are wanted. span: how far back. Copied. */
#define TOP_WANTED_MAX 256
struct top_wanted {
    const char *platform, *model;
};
void top_data_want(struct top_data *data, const struct top_wanted *wanted, size_t len, usec_t span);

enum top_asked { TOP_ASKED_STATUS, TOP_ASKED_EVENTS, TOP_ASKED_HISTORY, TOP_ASKED_EXPLAIN, TOP_ASKED_OVERRIDE };
/* A question of a key: answered soon, before the regular ones. body NULL = GET. */
void top_data_ask(struct top_data *data, enum top_asked kind, const char *target, const cJSON *body);

struct top_answer {
    struct top_answer *next;
    enum top_asked kind;
    int error;    /* 0, or what client_request gave */
    int status;   /* HTTP */
    cJSON *json;  /* NULL = none */
    usec_t until; /* of a history: the end of what was asked for */
    char *target; /* what was asked */
    char why[ERR_TEXT_MAX];
};
struct top_answer *top_answer_free(struct top_answer *answer); /* returns the next one */

struct top_mail {
    struct table *table; /* NULL = no new one; the caller's */
    bool told;           /* the next ones say something */
    bool connected;
    usec_t lease;
    usec_t retry_at;
    int error;
    char why[ERR_TEXT_MAX];
    struct top_answer *answers; /* oldest first; the caller's */
};
/* The clock of due times, which nobody sets. */
usec_t top_data_steady(void);

void top_data_take(struct top_data *data, struct top_mail *ret);
/* The daemon's number of the newest event that was taken: later ones are asked for. */
void top_data_events_after(struct top_data *data, int64_t after);

#endif
