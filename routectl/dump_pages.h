/* The daemon's history, a page at a time: NDJSON as `probed replay` reads it (GET /v1/dump). */
#ifndef ROUTECTL_DUMP_PAGES_H
#define ROUTECTL_DUMP_PAGES_H

#include "routectl/verb.h"
#include "shared/buf.h"

struct dump_pages {
    const struct command *command;
    usec_t since, until; /* wall clock */
    int64_t after;       /* 0 at first */
    bool begun, over;    /* over: there are no more pages */
};

/* The next page's lines in place of what is in *ret; none when it is over. Goes on when the daemon is started again between two pages. Else
 * the complaint has been made. */
enum exit_code dump_pages_next(struct dump_pages *pages, struct buf *ret) ATTR_UNUSED_RESULT;

#endif
