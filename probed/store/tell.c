/* What the loop says: each thing is copied into the queue, and the loop goes on. Only a reservation wakes the thread, since a probe waits for it; it is refused at
 * once while nothing can be written. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probed/store/store_parts.h"
#include "shared/alloc.h"

static void push(struct store *s, struct item *item, bool urgent)
{
    pthread_mutex_lock(&s->lock);
    queue_push(&s->queue, item);
    if (item->kind <= ITEM_CHECKPOINT && item->t > s->newest)
        s->newest = item->t;
    if (s->waits_since == 0)
        s->waits_since = store_monotonic();
    if (urgent && !s->urgent) {
        s->urgent = true;
        pthread_cond_broadcast(&s->wake);
    }
    pthread_mutex_unlock(&s->lock);
}

static char *copy_text(struct item *item, const char *text)
{
    if (!text)
        return NULL;
    item->size += strlen(text) + 17;
    return alloc_string(text);
}

void store_clock(struct store *s, usec_t t, usec_t offset)
{
    struct item *item = item_new(ITEM_CLOCK, t);
    item->offset = offset;
    push(s, item, false);
}

void store_record(struct store *s, const struct record *record)
{
    struct item *item = item_new(ITEM_RECORD, record->t);
    item->record = alloc_zero(1, sizeof *item->record);
    *item->record = *record;
    item->size += sizeof *record;
    push(s, item, false);
}

static const char *field(const struct log_entry *entry, const char *name)
{
    for (size_t i = 0; i < entry->fields_len; i++)
        if (entry->fields[i].name && strcmp(entry->fields[i].name, name) == 0)
            return entry->fields[i].value;
    return NULL;
}

void store_event(struct store *s, usec_t t, const char *name, const struct log_entry *entry)
{
    struct item *item = item_new(ITEM_EVENT, t);
    const char *generation = field(entry, "PROBED_GENERATION");
    item->event.level = (int)entry->level;
    item->event.name = name;
    item->event.platform = copy_text(item, field(entry, "PROBED_PLATFORM"));
    item->event.model = copy_text(item, field(entry, "PROBED_MODEL"));
    item->event.policy = copy_text(item, field(entry, "PROBED_POLICY"));
    item->event.was = copy_text(item, field(entry, "PROBED_FROM"));
    item->event.becomes = copy_text(item, field(entry, "PROBED_TO"));
    item->event.reason = copy_text(item, field(entry, "PROBED_REASON"));
    item->event.text = copy_text(item, entry->message);
    item->event.generation = generation ? strtoll(generation, NULL, 10) : 0;
    push(s, item, false);
}

void store_state_of(struct store *s, usec_t t, const char *platform, const char *model, const char *state)
{
    struct item *item = item_new(ITEM_STATE, t);
    item->state.platform = copy_text(item, platform);
    item->state.model = copy_text(item, model);
    item->state.state = copy_text(item, state);
    push(s, item, false);
}

void store_states_end(struct store *s, usec_t t) { push(s, item_new(ITEM_STATE, t), false); }

void store_rank(struct store *s, usec_t t, const struct store_rank *rank)
{
    struct item *item = item_new(ITEM_RANK, t);
    item->rank.policy = copy_text(item, rank->policy);
    item->rank.platform = copy_text(item, rank->platform);
    item->rank.model = copy_text(item, rank->model);
    item->rank.rank = rank->rank;
    item->rank.slots = rank->slots;
    push(s, item, false);
}

void store_checkpoint_begin(struct store *s, usec_t t)
{
    push(s, item_new(ITEM_MARK, t), false);
    s->marked = t;
}

void store_checkpoint(struct store *s, usec_t t, struct buf *data)
{
    struct item *item = item_new(ITEM_CHECKPOINT, t);
    item->checkpoint.data = *data;
    item->checkpoint.marked = s->marked == t && t > 0;
    s->marked = 0;
    item->size += data->len;
    *data = (struct buf)BUF_INIT;
    push(s, item, false);
}

/* --- money --- */

static struct item *money_item(enum item_kind kind, const char *platform, const char *model, int64_t pico, usec_t hour_of)
{
    struct item *item = item_new(kind, hour_of);
    item->money.platform = copy_text(item, platform);
    item->money.model = copy_text(item, model);
    item->money.pico = pico;
    item->money.hour_of = hour_of;
    return item;
}

int store_reserve(struct store *s, const char *platform, const char *model, int64_t pico, usec_t t, uint64_t ticket, store_reserved_fn done, void *arg)
{
    pthread_mutex_lock(&s->lock);
    bool can = s->running && s->report.state == STORE_OK && !(s->writes_since > 0 && store_monotonic() - s->writes_since > SLOW_AFTER);
    pthread_mutex_unlock(&s->lock);
    if (!can)
        return -EAGAIN;
    struct item *item = money_item(ITEM_RESERVE, platform, model, pico, t);
    item->money.ticket = ticket;
    item->money.done = done;
    item->money.arg = arg;
    push(s, item, true);
    return 0;
}

void store_settle(struct store *s, const char *platform, const char *model, int64_t reserved, usec_t reserved_at, int64_t actual, bool tripped)
{
    struct item *item = money_item(ITEM_SETTLE, platform, model, actual < 0 ? 0 : actual - reserved, reserved_at);
    item->money.tripped = tripped;
    push(s, item, tripped);
}

void store_breaker_reset(struct store *s, const char *platform, const char *model)
{
    push(s, money_item(ITEM_RESET, platform, model, 0, 0), true);
}
