/* A whole answer, written out before it is sent: bytes, cut into steps that each have their time and become one send(). */
#ifndef RELAYSIM_SCRIPT_H
#define RELAYSIM_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/buf.h"
#include "shared/units.h"

enum mark { /* what goes out with a step's last byte */
            MARK_HEADERS = 1,
            MARK_COMMENT = 2,
            MARK_DATA = 4,
            MARK_REASONING = 8,
            MARK_CONTENT = 16,
            MARK_DONE = 32,
};

enum script_end {
    SCRIPT_KEEP,  /* the connection waits for the next request */
    SCRIPT_CLOSE, /* FIN */
    SCRIPT_RESET, /* RST */
    SCRIPT_HANG,  /* nothing any more, until the client leaves */
    SCRIPT_LOOP,  /* the last step again and again */
};

struct step {
    usec_t after; /* this long after the step before it was sent */
    usec_t at;    /* but not before this long after the request was complete */
    size_t end;   /* where its bytes end */
    uint16_t marks, tokens;
};

struct script {
    struct buf bytes;
    struct step *steps;
    size_t len, size;
    struct step open; /* being written */
    enum script_end end;
    usec_t end_at; /* the end comes no earlier than this long after the request was complete */
    bool rude;     /* closes TLS without saying so */
    usec_t drip;   /* > 0: byte by byte, this far apart */
};

void script_done(struct script *s);
/* Times of the step being written: they add up (after) or the latest counts (at). */
void script_after(struct script *s, usec_t after);
void script_at(struct script *s, usec_t at);
void script_mark(struct script *s, unsigned marks, unsigned tokens);
/* Ends the step being written, if there is anything in it. */
void script_cut(struct script *s);

#endif
