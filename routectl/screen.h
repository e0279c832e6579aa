/* A terminal that is redrawn in place. What stood on it scrolls away into its history, the last frame stays when we leave. */
#ifndef ROUTECTL_SCREEN_H
#define ROUTECTL_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

struct screen {
    int fd;
    bool entered;
    size_t rows, columns;
    size_t lines; /* of the last frame */
};

void screen_measure(struct screen *screen); /* at the start and after SIGWINCH */
void screen_enter(struct screen *screen);
/* Draws lines of text (with colours, each within the width), cut to the window's height; one write. */
void screen_draw(struct screen *screen, const char *text);
/* The cursor below the frame and visible again; may be called twice. */
void screen_leave(struct screen *screen);

#endif
