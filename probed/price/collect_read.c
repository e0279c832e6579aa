/* A list of prices, read in slices, so that no turn of the loop takes long however long the list is.
 *
 * The body belongs to the feed while it is read; each turn reads on for 64 KiB. What is wrong with it, or the list, goes to who asked for
 * the reading; stopped, it goes to nobody. */
#include <string.h>

#include "probed/price/collector_parts.h"

void feed_read_stop(struct feed *f)
{
    if (f->slice)
        loop_timer_stop(f->slice);
    price_reading_free(f->reading);
    f->reading = NULL;
    buf_done(&f->body);
}

static void finish(struct feed *f, struct price_list *list, struct err *err)
{
    feed_read_stop(f);
    f->read(f, list, err);
}

/* The first slice finds out what it is, the others read on. The context is made here and not kept from before: it points into the
 * configuration, which may be another by now (with the same in it). */
static void on_slice(void *arg)
{
    struct feed *f = arg;
    struct err err = {""};
    struct price_list list;
    if (!f->reading) {
        struct price_context context = f->price ? price_feed_context(f) : (struct price_context){.group = NULL};
        f->reading = price_reading_new(f->read_as, buf_str(&f->body), f->body.len, &context, &err);
        if (f->reading)
            loop_timer_set(f->slice, 0);
        else
            finish(f, NULL, &err);
        return;
    }
    int more = price_reading_step(f->reading, COLLECT_SLICE, &err);
    if (more > 0) {
        loop_timer_set(f->slice, 0);
        return;
    }
    if (more < 0) {
        finish(f, NULL, &err);
        return;
    }
    price_reading_take(f->reading, &list);
    finish(f, &list, &err);
}

void feed_read(struct feed *f, enum price_source source, void (*read)(struct feed *f, struct price_list *list, struct err *err))
{
    f->read = read;
    f->read_as = source;
    if (!f->slice)
        f->slice = loop_timer_new(f->c->loop, "price list", on_slice, f);
    loop_timer_set(f->slice, 0);
}
