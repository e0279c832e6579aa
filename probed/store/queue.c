/* See queue.h. A checkpoint that a newer one follows is not needed any more: the newest is all that waits. */
#include "probed/store/queue.h"

#include <stdlib.h>

#include "shared/alloc.h"

struct item *item_new(enum item_kind kind, usec_t t)
{
    struct item *item = alloc_zero(1, sizeof *item);
    item->kind = kind;
    item->t = t;
    item->size = sizeof *item;
    return item;
}

static void item_free(struct item *item)
{
    switch (item->kind) {
    case ITEM_RECORD: free(item->record); break;
    case ITEM_EVENT:
        free(item->event.platform);
        free(item->event.model);
        free(item->event.policy);
        free(item->event.was);
        free(item->event.becomes);
        free(item->event.reason);
        free(item->event.text);
        break;
    case ITEM_STATE:
        free(item->state.platform);
        free(item->state.model);
        free(item->state.state);
        break;
    case ITEM_RANK:
        free(item->rank.policy);
        free(item->rank.platform);
        free(item->rank.model);
        break;
    case ITEM_CHECKPOINT: buf_done(&item->checkpoint.data); break;
    case ITEM_RESERVE:
    case ITEM_SETTLE:
    case ITEM_RESET:
        free(item->money.platform);
        free(item->money.model);
        break;
    case ITEM_CLOCK:
    case ITEM_MARK: break;
    }
    free(item);
}

void queue_init(struct queue *q)
{
    *q = (struct queue){.len = 0};
    STAILQ_INIT(&q->items);
}

void queue_done(struct queue *q)
{
    while (!STAILQ_EMPTY(&q->items)) {
        struct item *item = STAILQ_FIRST(&q->items);
        STAILQ_REMOVE_HEAD(&q->items, next);
        item_free(item);
    }
    queue_init(q);
}

void queue_remove(struct queue *q, struct item *item)
{
    STAILQ_REMOVE(&q->items, item, item, next);
    q->len--;
    q->bytes -= item->size;
    item_free(item);
}

static bool may_go(const struct item *item)
{
    return item->kind == ITEM_RECORD || item->kind == ITEM_EVENT || item->kind == ITEM_STATE || item->kind == ITEM_RANK;
}

uint64_t queue_trim(struct queue *q, size_t len, size_t bytes)
{
    uint64_t dropped = 0;
    struct item *following;
    for (struct item *item = STAILQ_FIRST(&q->items); item; item = following) {
        following = STAILQ_NEXT(item, next);
        if (q->len + len <= QUEUE_ITEMS_MAX && q->bytes + bytes <= QUEUE_BYTES_MAX)
            break;
        if (!may_go(item))
            continue;
        queue_remove(q, item);
        dropped++;
    }
    return dropped;
}

static void make_room(struct queue *q) { q->dropped += queue_trim(q, 0, 0); }

void queue_push(struct queue *q, struct item *item)
{
    if (item->kind == ITEM_CHECKPOINT) {
        struct item *older;
        STAILQ_FOREACH(older, &q->items, next)
        if (older->kind == ITEM_CHECKPOINT)
            break;
        if (older)
            queue_remove(q, older);
    }
    STAILQ_INSERT_TAIL(&q->items, item, next);
    q->len++;
    q->bytes += item->size;
    make_room(q);
}

void queue_push_back(struct queue *q, struct queue *front)
{
    STAILQ_CONCAT(&front->items, &q->items);
    front->len += q->len;
    front->bytes += q->bytes;
    front->dropped = q->dropped;
    *q = *front;
    if (STAILQ_EMPTY(&q->items)) /* the tail pointer of an empty list points into itself */
        STAILQ_INIT(&q->items);
    queue_init(front);
    make_room(q);
}

void queue_swap(struct queue *a, struct queue *b)
{
    struct queue c = *a;
    *a = *b;
    *b = c;
    if (STAILQ_EMPTY(&a->items))
        STAILQ_INIT(&a->items);
    if (STAILQ_EMPTY(&b->items))
        STAILQ_INIT(&b->items);
}
