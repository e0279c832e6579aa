/* What was told and is not written yet: a bounded list in the order of telling. Not locked: its owner does that. */
#ifndef PROBED_STORE_QUEUE_H
#define PROBED_STORE_QUEUE_H

#include <sys/queue.h>

#include "probed/store/store.h"

#define QUEUE_ITEMS_MAX 200000
#define QUEUE_BYTES_MAX ((size_t)64 * 1024 * 1024)

enum item_kind { ITEM_CLOCK, ITEM_RECORD, ITEM_EVENT, ITEM_STATE, ITEM_RANK, ITEM_MARK, ITEM_CHECKPOINT, ITEM_RESERVE, ITEM_SETTLE, ITEM_RESET };

struct item {
    STAILQ_ENTRY(item) next;
    enum item_kind kind;
    usec_t t;
    size_t size; /* of the allocation, and what it owns */
    union {
        usec_t offset;                       /* CLOCK */
        struct record *record;               /* RECORD; owned */
        struct {
            int level;
            const char *name;                /* static */
            char *platform, *model, *policy, *was, *becomes, *reason, *text; /* owned; may be NULL */
            int64_t generation;
        } event;
        struct { char *platform, *model, *state; } state; /* owned; all NULL: no state is known of any route */
        struct { char *policy, *platform, *model; unsigned rank, slots; } rank; /* owned */
        struct { struct buf data; bool marked; } checkpoint; /* marked: its place in the order is that of the MARK of its time */
        struct {
            char *platform, *model;          /* owned */
            int64_t pico;                    /* what is added */
            usec_t hour_of;                  /* to the hour of this time */
            bool tripped;
            uint64_t ticket;
            store_reserved_fn done;
            void *arg;
        } money;                             /* RESERVE, SETTLE, RESET */
    };
};
STAILQ_HEAD(item_list, item);

struct queue {
    struct item_list items;
    size_t len, bytes;
    uint64_t dropped;
};

struct item *item_new(enum item_kind kind, usec_t t);
void queue_init(struct queue *q);
void queue_done(struct queue *q);
/* Takes the item over. Beyond the bounds the oldest that may go goes: not the clock, checkpoints or money. */
void queue_push(struct queue *q, struct item *item);
void queue_remove(struct queue *q, struct item *item);
/* Drops the oldest that may go until there is room for so many more; returns how many went (they are not counted by q). */
uint64_t queue_trim(struct queue *q, size_t len, size_t bytes);
/* Puts a whole list in front again; what was dropped is counted by q. */
void queue_push_back(struct queue *q, struct queue *front);
void queue_swap(struct queue *a, struct queue *b);

#endif
