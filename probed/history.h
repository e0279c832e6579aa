/* What the daemon remembers beyond its own life: it tells the store what happens, and takes up again what an earlier run knew.
 *
 * Told: everything that the ranker is told, states, places, prices, overrides, the journal's events; every minute and at the end a checkpoint of the
 * ranker's memory. Taken up at the start: the last checkpoint and all that was told after it (without one: a day and a bit of what was told), so that a
 * restart, or kill -9, changes no rank. Without a store (options.no_store) all of this does nothing. */
#ifndef PROBED_HISTORY_H
#define PROBED_HISTORY_H

#include "probed/core/history.h"
#include "probed/core/record.h"
#include "shared/json.h"
#include "shared/table.h"

struct daemon;
struct history;

/* Opens the store; the loop's clock goes on from the last run's. NULL: there is none (no_store), or err is said and it cannot be used at all (*fatal). */
struct history *history_open(struct daemon *d, bool *fatal, struct err *err);
/* Puts the memory of the last run into the world's ranker, before anything is told to it. */
void history_restore(struct history *h);
/* From here on everything is told to the store. */
void history_begin(struct history *h);
void history_end(struct history *h); /* a last checkpoint, while the world is still there; only spending may follow. NULL is fine */
struct history *history_close(struct history *h); /* returns NULL; NULL is fine */

/* All of these with h NULL do nothing. */
void history_told(struct history *h, const struct record *record);
void history_state(struct history *h, const char *platform, const char *model, const char *state);
void history_published(struct history *h, const struct table *table);
void history_reloaded(struct history *h); /* another configuration is in force */
void history_second(struct history *h);   /* about once a second: the clock, the store's own state */

struct store *history_store(struct history *h); /* NULL = none */
int history_ask(struct history *h, const struct history_query *query, history_answer_fn fn, void *arg, struct err *err);
void history_forget(struct history *h, void *arg);
void history_to_json(const struct history *h, cJSON *status); /* its part of /v1/status */

#endif
