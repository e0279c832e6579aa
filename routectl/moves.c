/* A sorted array of (model, platform, rank), made anew from each table and compared with the one before: n log n, and nothing to keep in
 * step. A route that was not there before has not moved. A mark lives on through tables that change nothing for its route. */
#include "routectl/moves.h"

#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"

struct move {
    char *model, *platform;
    uint32_t rank;
    int by;    /* ranks risen at `at` */
    usec_t at; /* 0 = never moved */
};

struct moves {
    struct move *moves; /* sorted by model, platform */
    size_t len;
};

struct moves *moves_new(void)
{
    return alloc_zero(1, sizeof(struct moves));
}

static void clear(struct moves *moves)
{
    for (size_t i = 0; i < moves->len; i++) {
        free(moves->moves[i].model);
        free(moves->moves[i].platform);
    }
    free(moves->moves);
    *moves = (struct moves){0};
}

struct moves *moves_free(struct moves *moves)
{
    if (moves)
        clear(moves);
    free(moves);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    const struct move *x = a, *y = b;
    int model = strcmp(x->model, y->model);
    return model ? model : strcmp(x->platform, y->platform);
}

static const struct move *find(const struct moves *moves, char *model, char *platform)
{
    struct move key = {.model = model, .platform = platform};
    return moves->len > 0 ? bsearch(&key, moves->moves, moves->len, sizeof key, compare) : NULL;
}

void moves_learn(struct moves *moves, const struct table *table, usec_t now)
{
    struct moves next = {0};
    const struct table_policy *policy = table->len > 0 ? &table->policies[0] : NULL;
    size_t size = 0;

    for (size_t m = 0; policy && m < policy->len; m++)
        size += policy->rankings[m]->len;
    next.moves = alloc_zero(size > 0 ? size : 1, sizeof *next.moves);
    for (size_t m = 0; policy && m < policy->len; m++) {
        const struct ranking *ranking = policy->rankings[m];
        for (size_t i = 0; i < ranking->len; i++) {
            struct move *move = &next.moves[next.len++];
            *move = (struct move){.model = alloc_string(ranking->model),
                                  .platform = alloc_string(ranking->rows[i].facts->platform),
                                  .rank = ranking->rows[i].rank};
            const struct move *before = find(moves, move->model, move->platform);
            if (!before)
                continue;
            move->by = before->by;
            move->at = before->at;
            if (before->rank != move->rank) {
                move->by = (int)before->rank - (int)move->rank;
                move->at = now;
            }
        }
    }
    qsort(next.moves, next.len, sizeof *next.moves, compare);
    clear(moves);
    *moves = next;
}

int moves_of(const struct moves *moves, const char *model, const char *platform, usec_t now)
{
    char *m CLEANUP(alloc_freep) = alloc_string(model);
    char *p CLEANUP(alloc_freep) = alloc_string(platform);
    const struct move *move = find(moves, m, p);
    return move && move->at > 0 && now - move->at < MOVES_SHOWN ? move->by : 0;
}
