/* A binary heap in one array that grows by doubling: no allocation an event. The order of equal times makes a world the same each time it
 * is played. */
#include "tests/sim/ranking/queue.h"

#include <stdlib.h>

#include "shared/alloc.h"

static bool earlier(const struct event *a, const struct event *b)
{
    if (a->t != b->t)
        return a->t < b->t;
    return (int32_t)(a->order - b->order) < 0;
}

void queue_done(struct queue *queue)
{
    free(queue->heap);
    *queue = (struct queue){.heap = NULL};
}

void queue_add(struct queue *queue, double t, enum event_kind kind, int index)
{
    struct event event = {.t = t, .order = queue->added++, .kind = kind, .index = index};

    if (queue->len == queue->size) {
        queue->size = queue->size ? queue->size * 2 : 256;
        queue->heap = alloc_resize(queue->heap, (size_t)queue->size, sizeof(*queue->heap));
    }
    int at = queue->len++;

    while (at > 0 && earlier(&event, &queue->heap[(at - 1) / 2])) {
        queue->heap[at] = queue->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    queue->heap[at] = event;
}

bool queue_take(struct queue *queue, struct event *ret)
{
    if (queue->len == 0)
        return false;
    *ret = queue->heap[0];
    struct event last = queue->heap[--queue->len];
    int at = 0;

    for (int child = 1; child < queue->len; child = 2 * at + 1) {
        if (child + 1 < queue->len && earlier(&queue->heap[child + 1], &queue->heap[child]))
            child++;
        if (!earlier(&queue->heap[child], &last))
            break;
        queue->heap[at] = queue->heap[child];
        at = child;
    }
    queue->heap[at] = last;
    return true;
}
