/* The live screen as a whole: its state, the terminal, and what asks the daemon. Inside top*.c only. */
#ifndef ROUTECTL_TOP_H
#define ROUTECTL_TOP_H

#include "routectl/top_data.h"
#include "routectl/top_draw.h"
#include "routectl/top_keys.h"
#include "routectl/top_view.h"

struct top {
    const struct command *command;
    struct top_view view;
    struct top_terminal terminal;
    struct top_data *data;
    int signals; /* signalfd */

    struct table *table; /* the newest; NULL = none yet */
    struct table *held;  /* the one that is shown while paused, else NULL */
    struct top_status status;
    struct top_events events;
    struct top_trails trails;

    char *explain_target;        /* the question whose answer is waited for or shown; NULL = none */
    cJSON *explained;            /* its answer; NULL = not yet, or a refusal */
    struct top_confirm override; /* as asked for last */
    bool was_connected;

    struct top_frame frames[2];
    int shown;      /* which of them is on the terminal */
    bool dirty;     /* something may look different */
    bool whole;     /* the terminal has to be painted anew */
    usec_t draw_at; /* steady: not before */
    bool over;
};

/* Takes what the daemon has said. */
void top_receive(struct top *top);
/* Does what a key wished for. */
void top_fulfil(struct top *top, const struct top_wish *wish);
/* The open explanation anew, for another width. */
void top_explain_again(struct top *top);

#endif
