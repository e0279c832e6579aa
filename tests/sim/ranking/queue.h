/* What happens next: events by time, those of the same time in the order in which they were added. */
#ifndef TESTS_SIM_RANKING_QUEUE_H
#define TESTS_SIM_RANKING_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

enum event_kind { EVENT_ARRIVAL, EVENT_TRY_ENDS, EVENT_PROBE, EVENT_PROBE_ENDS, EVENT_PRICE, EVENT_APPEARS, EVENT_SAMPLE };

struct event {
    double t;
    uint32_t order;
    enum event_kind kind;
    int32_t index; /* what it means depends on the kind */
};

struct queue {
    struct event *heap; /* owned */
    int len, size;
    uint32_t added;
};

void queue_done(struct queue *queue);
void queue_add(struct queue *queue, double t, enum event_kind kind, int index);
bool queue_take(struct queue *queue, struct event *ret); /* false = empty */

#endif
