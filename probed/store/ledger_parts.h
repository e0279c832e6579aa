/* What the two files of the ledger share: ledger.c (the file) and ledger_lines.c (its lines, and what they add up to). */
#ifndef PROBED_STORE_LEDGER_PARTS_H
#define PROBED_STORE_LEDGER_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/buf.h"
#include "shared/compiler.h"
#include "shared/units.h"

#define LEDGER_HEAD "probed-ledger 1"
#define LEDGER_LINE_MAX 1024
/* What the budget itself counts up to (two million units of the currency): whatever it holds can be written, and two of them can be added. */
#define LEDGER_PICO_MAX (INT64_MAX / 4)

enum ledger_kind {
    LEDGER_BUCKET = 'B',  /* what an hour holds; written when the file is rewritten */
    LEDGER_RESERVE = 'R', /* before a probe is sent */
    LEDGER_SETTLE = 'S',  /* what it cost */
    LEDGER_RESET = 'T',   /* the breaker was closed again by an operator */
};

struct ledger_line {
    enum ledger_kind kind;
    char platform[128], model[256];
    int64_t hour;     /* B */
    int64_t pico;     /* B, R, S: what the hour holds or what was reserved */
    usec_t at;        /* R, S: when it was reserved */
    int64_t actual;   /* S: what it cost; -1 = not known, the reservation stands */
    bool tripped;     /* B: the breaker is open; S: this opened it */
};

/* Appends the line with its checksum and line end. False: a name is too long. */
bool ledger_line_write(struct buf *ret, const struct ledger_line *line);
/* One line without its line end. False: damaged. */
bool ledger_line_read(const char *text, size_t len, struct ledger_line *ret);

/* The sum of lines: money an (account, hour), with each settlement applied to the reservation that it belongs to. */
struct ledger_sum;
struct ledger_sum *ledger_sum_new(usec_t now);
struct ledger_sum *ledger_sum_free(struct ledger_sum *sum);
/* False: a line that may not be there (a bad value). */
bool ledger_sum_add(struct ledger_sum *sum, const struct ledger_line *line);
void ledger_sum_each(const struct ledger_sum *sum,
                     void (*fn)(void *arg, const char *platform, const char *model, int64_t hour, int64_t pico, bool tripped), void *arg);
/* Appends lines that add up to the same. With `open`, reservations without a settlement stay apart, so that theirs still finds them. */
void ledger_sum_write(const struct ledger_sum *sum, bool open, struct buf *ret);

/* A whole file, line by line, into a sum; both feed any number of pieces. */
struct ledger_reading {
    struct ledger_sum *sum;
    struct buf line; /* the piece that has no end yet */
    bool head_seen;
    bool not_ours;   /* the first line is not the head of a ledger */
    unsigned skipped; /* damaged lines */
};
void ledger_reading_init(struct ledger_reading *r, struct ledger_sum *sum);
void ledger_reading_feed(struct ledger_reading *r, const char *data, size_t len);
void ledger_reading_end(struct ledger_reading *r); /* a last line without an end is torn */

#endif
