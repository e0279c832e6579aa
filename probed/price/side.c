/* Names with numbers beside a list, for feeds that keep each kind of figure in a map of its own.
 *
 * Thousands of names come one at a time, are then looked up one at a time, and no single call may take long: so the table is kept in sorted
 * runs whose lengths are the powers of two that its length is made of. A new name is a run of one; runs of equal length are merged; the
 * first look-up merges what is left. So the longest call merges each name once or twice, and no choice of names makes it longer, as it
 * would a hash table. Merging moves numbers of entries only and is stable: of equal names the first comes first. */
#include <stdlib.h>
#include <string.h>

#include "probed/price/prices_parts.h"
#include "shared/alloc.h"

static struct side_entry *entry_at(const struct side_table *t, size_t i)
{
    return &t->chunks[i / CHUNK][i % CHUNK];
}

/* Two runs that touch: [from, middle) and [middle, to). */
static void merge(struct side_table *t, size_t from, size_t middle, size_t to)
{
    size_t left = from, right = middle, out = from;
    while (left < middle || right < to) {
        bool from_left =
            right == to || (left < middle && strcmp(entry_at(t, t->order[left])->name, entry_at(t, t->order[right])->name) <= 0);
        t->spare[out++] = from_left ? t->order[left++] : t->order[right++];
    }
    memcpy(t->order + from, t->spare + from, (to - from) * sizeof *t->order);
}

void side_add(struct side_table *t, const char *name, const char *text)
{
    if (strlen(name) >= PRICE_NAME_MAX || t->len == PRICE_ROWS_MAX)
        return;
    if (t->len == t->room) {
        t->room = t->room ? t->room * 2 : 64;
        t->order = alloc_resize(t->order, t->room, sizeof *t->order);
        t->spare = alloc_resize(t->spare, t->room, sizeof *t->spare);
    }
    if (t->len % CHUNK == 0)
        t->chunks[t->len / CHUNK] = alloc_zero(CHUNK, sizeof(struct side_entry));
    struct side_entry *entry = entry_at(t, t->len);
    strcpy(entry->name, name);
    strcpy(entry->text, text ? text : "");
    t->order[t->len] = (uint32_t)t->len;
    t->len++;
    for (size_t run = 1; t->len % (2 * run) == 0; run *= 2)
        merge(t, t->len - 2 * run, t->len - run, t->len);
}

/* The shortest run is the last. */
static void merge_all(struct side_table *t)
{
    size_t from = t->len & (t->len - 1);
    while (from > 0) {
        size_t before = from & (from - 1);
        merge(t, before, from, t->len);
        from = before;
    }
    t->merged = t->len;
}

const struct side_entry *side_find(struct side_table *t, const char *name)
{
    if (t->merged != t->len)
        merge_all(t);
    size_t low = 0, high = t->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(entry_at(t, t->order[middle])->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    const struct side_entry *found = low < t->len ? entry_at(t, t->order[low]) : NULL;
    return found && strcmp(found->name, name) == 0 ? found : NULL;
}

void side_done(struct side_table *t)
{
    for (size_t i = 0; i < ARRAY_LEN(t->chunks); i++)
        free(t->chunks[i]);
    free(t->order);
    free(t->spare);
    *t = (struct side_table){.len = 0};
}
