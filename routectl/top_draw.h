/* The terminal: frames onto it, keys from it. The only place of routectl that knows curses. */
#ifndef ROUTECTL_TOP_DRAW_H
#define ROUTECTL_TOP_DRAW_H

#include "routectl/top_frame.h"
#include "routectl/top_keys.h"
#include "shared/err.h"

struct top_terminal {
    bool open, colour;
    bool ascii; /* it has no block characters */
    size_t rows, columns;
};

/* Takes the terminal over; whatever way the program ends from here on, the terminal is given back as it was. -ENODEV: it cannot be used so.
 */
int top_draw_open(struct top_terminal *terminal, bool colour, struct err *err) ATTR_UNUSED_RESULT;
void top_draw_close(struct top_terminal *terminal);
/* To the shell and back; in between the program stops. */
void top_draw_suspend(struct top_terminal *terminal);
/* After something else may have used it: its modes again. */
void top_draw_retake(struct top_terminal *terminal);
/* After the window changed its size. */
void top_draw_resize(struct top_terminal *terminal);
/* Only the rows that differ from `before` are gone through; `whole`: everything, whatever is thought to be there. */
void top_draw_frame(const struct top_terminal *terminal, const struct top_frame *frame, const struct top_frame *before, bool whole);
/* The next key that is there; false = none, at once. */
bool top_draw_key(struct top_press *ret);

#endif
