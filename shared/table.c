/* The routing table as published: the object itself.
 *
 * Three kinds of counted objects, each immutable once its builder has let it out: facts (what does not change about a route), rankings (one
 * a policy and model) and the table that holds them. A new table takes references to whatever did not change, so publishing costs what
 * changed. The last unref frees. The counts are plain integers: tables belong to one thread. Names and sentences of states and reasons come
 * from the two tables in the header, so that none can exist without them. Nothing here ranks, times or prints. */
#include "shared/table.h"

#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

struct named {
    const char *name, *text;
    bool eligible;
};

static const struct named states[] = {
#define X(id, state_name, sentence) {.name = state_name, .text = sentence},
    ROUTE_STATE_TABLE(X)
#undef X
};

static const struct named reasons[] = {
#define X(id, reason_name, counts, sentence) {.name = reason_name, .text = sentence, .eligible = counts},
    ROUTE_REASON_TABLE(X)
#undef X
};

static int find_name(const struct named *table, size_t len, const char *name)
{
    for (size_t i = 0; name && i < len; i++)
        if (strcmp(table[i].name, name) == 0)
            return (int)i;
    return -1;
}

const char *route_state_name(enum route_state state)
{
    return (unsigned)state < ROUTE_STATE_COUNT ? states[state].name : "unknown";
}

const char *route_state_text(enum route_state state)
{
    return (unsigned)state < ROUTE_STATE_COUNT ? states[state].text : "unknown";
}

int route_state_from_name(const char *name)
{
    return find_name(states, ARRAY_LEN(states), name);
}

const char *route_reason_name(enum route_reason reason)
{
    return (unsigned)reason < REASON_COUNT ? reasons[reason].name : "unknown";
}

const char *route_reason_text(enum route_reason reason)
{
    return (unsigned)reason < REASON_COUNT ? reasons[reason].text : "unknown";
}

bool route_reason_eligible(enum route_reason reason)
{
    return (unsigned)reason < REASON_COUNT && reasons[reason].eligible;
}

int route_reason_from_name(const char *name)
{
    return find_name(reasons, ARRAY_LEN(reasons), name);
}

/* --- facts ------------------------------------------------------------------------------------------------------------ */

static char *copy_or_null(const char *s)
{
    return s ? alloc_string(s) : NULL;
}

struct table_facts *table_facts_new(const struct table_facts *from)
{
    struct table_facts *facts = alloc_zero(1, sizeof(*facts));
    facts->refs = 1;
    facts->platform = copy_or_null(from->platform);
    facts->title = copy_or_null(from->title);
    facts->model = copy_or_null(from->model);
    facts->upstream_model = copy_or_null(from->upstream_model);
    facts->endpoint = copy_or_null(from->endpoint);
    facts->dialect = copy_or_null(from->dialect);
    facts->key_env = copy_or_null(from->key_env);
    facts->level = copy_or_null(from->level);
    return facts;
}

struct table_facts *table_facts_ref(struct table_facts *facts)
{
    facts->refs++;
    return facts;
}

void table_facts_unref(struct table_facts *facts)
{
    if (!facts || --facts->refs > 0)
        return;
    free(facts->platform);
    free(facts->title);
    free(facts->model);
    free(facts->upstream_model);
    free(facts->endpoint);
    free(facts->dialect);
    free(facts->key_env);
    free(facts->level);
    free(facts);
}

/* --- rankings --------------------------------------------------------------------------------------------------------- */

struct ranking *ranking_new(const char *model, size_t len)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(len, sizeof(struct table_row), &bytes) || __builtin_add_overflow(bytes, sizeof(struct ranking), &bytes))
        abort();
    struct ranking *ranking = alloc_zero(1, bytes);
    ranking->refs = 1;
    ranking->model = alloc_string(model);
    ranking->len = len;
    return ranking;
}

struct ranking *ranking_ref(struct ranking *ranking)
{
    ranking->refs++;
    return ranking;
}

void ranking_unref(struct ranking *ranking)
{
    if (!ranking || --ranking->refs > 0)
        return;
    for (size_t i = 0; i < ranking->len; i++)
        table_facts_unref(ranking->rows[i].facts);
    free(ranking->model);
    free(ranking);
}

const struct table_row *ranking_best(const struct ranking *ranking)
{
    const struct table_row *best = NULL;
    for (size_t i = 0; i < ranking->len; i++)
        if (ranking->rows[i].slots > (best ? best->slots : 0))
            best = &ranking->rows[i];
    return best;
}

const struct table_row *ranking_slot(const struct ranking *ranking, unsigned slot)
{
    unsigned total = 0;
    for (size_t i = 0; i < ranking->len; i++)
        total += ranking->rows[i].slots;
    if (total == 0)
        return NULL;
    /* A whole table has 256 slots; a reader that was given less still gets an owner for every slot. */
    slot %= total;
    size_t i = 0;
    while (slot >= ranking->rows[i].slots)
        slot -= ranking->rows[i++].slots;
    return &ranking->rows[i];
}

/* --- tables ----------------------------------------------------------------------------------------------------------- */

struct table *table_ref(struct table *table)
{
    table->refs++;
    return table;
}

void table_unref(struct table *table)
{
    if (!table || --table->refs > 0)
        return;
    for (size_t i = 0; i < table->len; i++) {
        struct table_policy *policy = &table->policies[i];
        for (size_t j = 0; j < policy->len; j++)
            ranking_unref(policy->rankings[j]);
        free(policy->rankings);
        free(policy->name);
        free(policy->about);
    }
    free(table->policies);
    free(table->vantage);
    free(table);
}

const struct table_policy *table_find_policy(const struct table *table, const char *name)
{
    for (size_t i = 0; i < table->len; i++)
        if (!name || strcmp(table->policies[i].name, name) == 0)
            return &table->policies[i];
    return NULL;
}

const struct ranking *table_policy_find(const struct table_policy *policy, const char *model)
{
    size_t low = 0, high = policy->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(policy->rankings[middle]->model, model);
        if (order == 0)
            return policy->rankings[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
