/* What the files that answer questions share; nobody else includes it.
 *
 * question.c            a question: its window on both clocks, the statements, what trouble means
 * question_spans.c      the requests of a window, out of the fewest spans that cover it
 * question_series.c     SERIES of what requests measured (ttft, total, availability, speed)
 * question_values.c     SERIES of what holds until it is told anew (price, rank) or was told at a time (balance)
 * question_events.c     EVENTS
 * question_report.c     REPORT: the figures of platforms, models and days
 * question_states.c     REPORT: up-time and incidents
 * question_dump.c       DUMP
 *
 * Trouble with the file is kept in the question (rc): statements then give no more rows, and whoever is in the midst of an answer just
 * ends. */
#ifndef PROBED_STORE_QUESTION_PARTS_H
#define PROBED_STORE_QUESTION_PARTS_H

#include <sqlite3.h>

#include "probed/core/history.h"
#include "probed/store/clock.h"
#include "probed/store/tally.h"

enum level { LEVEL_RAW, LEVEL_MINUTE, LEVEL_HOUR, LEVEL_DAY, LEVEL_COUNT };

struct question {
    sqlite3 *db;
    const struct history_query *query;
    struct history_answer *answer;
    struct buf *body; /* of the answer */
    int rc;           /* the first trouble; SQLITE_OK */
    struct clock clock;
    usec_t since, until; /* wall, until not included */
    usec_t now;          /* wall: nothing is known of what is later */
    usec_t from, to;     /* steady, to not included: every moment of the window is between, and with a clock that stepped also others */
    /* By spans_kept. */
    usec_t rolled, rolled_up; /* steady; minutes hold all that was told before the one, hours and days before the other */
    usec_t oldest;            /* steady; of all there is, INT64_MAX = nothing */
    usec_t kept[LEVEL_COUNT]; /* steady: what is older is not there any more; INT64_MIN = nothing was taken away */
};

/* NULL after trouble, and the functions below then do nothing. */
sqlite3_stmt *question_sql(struct question *q, const char *sql);
void question_bind(struct question *q, sqlite3_stmt *statement, int at, int64_t value);
void question_bind_text(struct question *q, sqlite3_stmt *statement, int at, const char *value); /* copied */
bool question_row(struct question *q, sqlite3_stmt *statement);                                  /* false: no more */
const char *question_text(sqlite3_stmt *statement, int column);                                  /* "" for NULL */
/* Is this steady moment in the window? */
bool question_in_window(const struct question *q, usec_t steady, usec_t *ret_wall);
/* The begin of the step that a moment of the wall is in; steps lie on multiples of their length since the Unix epoch. */
usec_t question_step_of(usec_t wall, usec_t step);

/* --- routes --- */

struct routes { /* of the history, in the order of the answer */
    size_t len, size;
    struct route_of {
        int64_t id;                    /* -1: the history does not know it */
        char platform[64], model[128]; /* model "" = the platform itself */
    } * all;
};
void routes_done(struct routes *routes);
void routes_add(struct routes *routes, int64_t id, const char *platform, const char *model);

/* --- spans --- */

usec_t level_span(enum level level); /* 0 for LEVEL_RAW */
const char *level_name(enum level level);
/* Finds out what is kept of these routes; before spans_read. */
void spans_kept(struct question *q, const struct routes *routes);

enum { SPANS_TTFT = 1, SPANS_TOTAL = 2, SPANS_LOAD = 4 };
/* Where the requests of a span (or one request) of that route are to be added; wall: its middle, in the window. NULL = nowhere. Histograms
 * and load only where asked for. */
typedef struct tally *(*spans_fn)(void *arg, size_t route, usec_t wall);
/* All requests of the routes in the window: whole spans of `coarsest`, finer ones at its ends, single records at theirs. Where finer ones
 * are not kept any more, a span counts whole if its middle lies in the window, and not otherwise. */
void spans_read(struct question *q, const struct routes *routes, enum level coarsest, unsigned parts, spans_fn fn, void *arg);

/* --- the kinds --- */

void question_series(struct question *q);
void question_values(struct question *q, const struct routes *routes, usec_t step);
void question_events(struct question *q);
void question_report(struct question *q);
void question_dump(struct question *q);

/* How long a model was in which state in the window: microseconds of the steady clock. */
struct states {
    usec_t known, down;
    size_t len, more; /* incidents: the latest HISTORY_INCIDENTS_MAX, and how many there were before them */
    struct incident {
        char state[16];
        usec_t from, until; /* steady; within the window */
        bool ongoing;       /* at its end */
    } * incidents;
};
#define HISTORY_INCIDENTS_MAX 200
void states_read(struct question *q, int64_t route, struct states *ret);
void states_done(struct states *states);
void states_write(struct question *q, const struct states *states); /* members of a model */

#endif
