/* What each key does to the state. Pure: what has to be asked of the daemon comes back as a wish. */
#ifndef ROUTECTL_TOP_KEYS_H
#define ROUTECTL_TOP_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "routectl/top_view.h"

enum top_key {
    TOP_KEY_CHAR,
    TOP_KEY_UP,
    TOP_KEY_DOWN,
    TOP_KEY_PAGE_UP,
    TOP_KEY_PAGE_DOWN,
    TOP_KEY_HOME,
    TOP_KEY_END,
    TOP_KEY_ENTER,
    TOP_KEY_ESCAPE,
    TOP_KEY_TAB,
    TOP_KEY_BACKSPACE,
    TOP_KEY_ERASE_WORD,
    TOP_KEY_ERASE_LINE,
    TOP_KEY_REDRAW,
};

struct top_press {
    enum top_key key;
    uint32_t c; /* of TOP_KEY_CHAR */
};

struct top_wish {
    bool over;     /* end the program */
    bool select;   /* another policy or model: view->policy, view->model */
    bool explain;  /* view->pane.platform, .model */
    bool override; /* view->confirm */
    bool pause;    /* begun or ended: view->paused_at */
    bool span;     /* the sparklines reach another time back */
    bool redraw;   /* the whole terminal anew */
};

void top_press_key(struct top_view *view, const struct top_press *press, struct top_wish *wish);
/* Appends one character if it is fit to be shown and there is room for it. True if it was. */
bool top_input_add(struct top_input *input, uint32_t c, size_t most);

#endif
