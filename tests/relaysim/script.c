/* A whole answer, written out before it is sent.
 *
 * Writers (answer.c, stream.c) append to `bytes`, mark and pace the open step, and cut. conn.c plays the steps: each is one send() when the
 * socket takes it, so that what is cut apart arrives apart. Nothing in here looks at a clock. */
#include "tests/relaysim/script.h"

#include <stdlib.h>

#include "shared/alloc.h"

void script_done(struct script *s)
{
    buf_done(&s->bytes);
    free(s->steps);
    *s = (struct script){.steps = NULL};
}

void script_after(struct script *s, usec_t after)
{
    s->open.after += after;
}

void script_at(struct script *s, usec_t at)
{
    if (at > s->open.at)
        s->open.at = at;
}

void script_mark(struct script *s, unsigned marks, unsigned tokens)
{
    s->open.marks |= (uint16_t)marks;
    s->open.tokens = (uint16_t)(s->open.tokens + tokens);
}

void script_cut(struct script *s)
{
    size_t start = s->len ? s->steps[s->len - 1].end : 0;
    if (s->bytes.len == start)
        return;
    if (s->len == s->size) {
        s->size = s->size ? s->size * 2 : 32;
        s->steps = alloc_resize(s->steps, s->size, sizeof *s->steps);
    }
    s->open.end = s->bytes.len;
    s->steps[s->len++] = s->open;
    s->open = (struct step){.after = 0};
}
