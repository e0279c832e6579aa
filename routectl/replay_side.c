/* One configuration in a replay.
 *
 * Answers come before they can be judged: a table is judged by what was seen after it. They wait in a queue, and because from one to the
 * next little or nothing changes (the order, the shares, the prices; scores are not in them) an answer that reads like the one before is
 * that one, and a ranking that has not changed is shared: what waits is small. */
#include "routectl/replay_side.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/alloc.h"
#include "shared/text.h"

static void table_unref(struct replay_table *table)
{
    if (!table || --table->refs > 0)
        return;
    for (size_t i = 0; i < table->len; i++)
        follow_ranking_unref(table->entries[i].ranking);
    free(table);
}

int replay_side_start(struct replay_side *side, const char *program, const char *config, const char *policy, struct sightings *sightings,
                      struct err *err)
{
    *side = (struct replay_side){.config = config, .policy = policy, .sightings = sightings};
    return replay_child_start(&side->child, program, config, err);
}

void replay_side_done(struct replay_side *side)
{
    if (!side->config)
        return;
    replay_child_stop(&side->child);
    replay_answer_done(&side->answer);
    buf_done(&side->body);
    table_unref(side->last);
    for (size_t i = 0; i < side->len; i++)
        table_unref(side->queue[side->head + i].table);
    free(side->queue);
    for (size_t i = 0; i < side->followed_len; i++) {
        free(side->followed[i].policy);
        free(side->followed[i].model);
        follow_free(side->followed[i].follow);
        follow_ranking_unref(side->followed[i].last);
    }
    free(side->followed);
    *side = (struct replay_side){.config = NULL};
}

/* --- an answer becomes a table ---------------------------------------------------------------------------------------- */

static bool is_followed(const struct replay_followed *f, const char *policy, const char *model)
{
    return strcmp(f->model, model) == 0 && strcmp(f->policy, policy) == 0;
}

/* hint: where it was the last time. */
static int followed(struct replay_side *side, const char *policy, const char *model, size_t hint, size_t *ret)
{
    size_t i = hint;
    if (i >= side->followed_len || !is_followed(&side->followed[i], policy, model))
        for (i = 0; i < side->followed_len && !is_followed(&side->followed[i], policy, model);)
            i++;
    *ret = i;
    if (i < side->followed_len)
        return 0;
    if (i >= REPLAY_FOLLOWED_MAX)
        return err_set(&side->err, -E2BIG, "more than %d models of policies", REPLAY_FOLLOWED_MAX);
    if (side->followed_len == side->followed_size) {
        side->followed_size = side->followed_size ? 2 * side->followed_size : 16;
        side->followed = alloc_resize(side->followed, side->followed_size, sizeof *side->followed);
    }
    side->followed[side->followed_len++] =
        (struct replay_followed){.policy = alloc_string(policy), .model = alloc_string(model), .follow = follow_new()};
    return 0;
}

static int make_ranking(struct replay_side *side, const struct replay_answer_ranking *from, const char *model, struct follow_ranking **ret)
{
    struct follow_ranking *ranking = follow_ranking_new(from->len);
    for (size_t i = 0; i < from->len; i++) {
        const struct replay_answer_row *row = &side->answer.rows[from->first + i];
        int route = sightings_route(side->sightings, replay_answer_text(&side->answer, row->platform), model);
        if (route < 0) {
            follow_ranking_unref(ranking);
            return err_set(&side->err, route, "too many routes");
        }
        ranking->rows[i] = (struct follow_row){.route = route, .slots = (uint16_t)row->slots, .cost = row->cost};
    }
    *ret = ranking;
    return 0;
}

static bool same_ranking(const struct follow_ranking *a, const struct follow_ranking *b)
{
    if (!a || a->len != b->len)
        return false;
    for (size_t i = 0; i < a->len; i++)
        if (a->rows[i].route != b->rows[i].route || a->rows[i].slots != b->rows[i].slots || a->rows[i].cost != b->rows[i].cost)
            return false;
    return true;
}

static int add_entry(struct replay_side *side, struct replay_table *table, const struct replay_answer_ranking *from)
{
    const char *policy = replay_answer_text(&side->answer, from->policy), *model = replay_answer_text(&side->answer, from->model);
    struct replay_entry *entry = &table->entries[table->len];
    struct follow_ranking *ranking;
    if (side->policy && strcmp(side->policy, policy) != 0)
        return 0;
    int e = followed(side, policy, model, table->len, &entry->followed);
    if (e < 0 || (e = make_ranking(side, from, model, &ranking)) < 0)
        return e;
    struct replay_followed *f = &side->followed[entry->followed];
    if (same_ranking(f->last, ranking)) {
        follow_ranking_unref(ranking);
        ranking = f->last;
    } else {
        follow_ranking_unref(f->last);
        f->last = ranking;
    }
    entry->ranking = follow_ranking_ref(ranking);
    table->len++;
    return 0;
}

static int make_table(struct replay_side *side, const char *line)
{
    struct replay_answer *answer = &side->answer;
    int e = replay_answer_read(answer, line, &side->err);
    if (e < 0)
        return e;
    struct replay_table *table = alloc_zero(1, sizeof *table + answer->rankings_len * sizeof *table->entries);
    table->refs = 1;
    for (size_t i = 0; i < answer->rankings_len && e == 0; i++)
        e = add_entry(side, table, &answer->rankings[i]);
    table_unref(side->last);
    side->last = table;
    text_copy(side->currency, sizeof side->currency, answer->currency, strlen(answer->currency));
    return e;
}

/* What of an answer makes the table; its time and its generation stand before it. */
static const char *body_of(const char *line)
{
    const char *body = strstr(line, "\"flags\":");
    return body ? body : line;
}

/* The time alone; only of an answer whose likes have been read whole. */
static bool time_of(const char *line, usec_t *ret)
{
    char *end;
    if (strncmp(line, "{\"t\":", 5) != 0)
        return false;
    double t = strtod(line + 5, &end);
    if (*end != ',' || !(t >= 0 && t <= 1e11))
        return false;
    *ret = llround(t * 1e6);
    return true;
}

static void push(struct replay_side *side, usec_t t)
{
    if (side->head + side->len == side->size && side->head > side->len) {
        memmove(side->queue, side->queue + side->head, side->len * sizeof *side->queue);
        side->head = 0;
    } else if (side->head + side->len == side->size) {
        side->size = side->size ? 2 * side->size : 256;
        side->queue = alloc_resize(side->queue, side->size, sizeof *side->queue);
    }
    side->last->refs++;
    side->queue[side->head + side->len++] = (struct replay_answered){.t = t, .table = side->last};
}

int replay_side_take(void *arg, const char *line, size_t len)
{
    struct replay_side *side = arg;
    const char *body = body_of(line);
    size_t body_len = len - (size_t)(body - line);
    usec_t t;
    if (side->last && body_len == side->body.len && memcmp(body, side->body.data, body_len) == 0 && time_of(line, &t)) {
        push(side, t);
        return 0;
    }
    int e = make_table(side, line);
    if (e < 0)
        return e;
    buf_clear(&side->body);
    buf_add(&side->body, body, body_len);
    push(side, side->answer.t);
    return 0;
}

const struct replay_answered *replay_side_next(const struct replay_side *side)
{
    return side->len > 0 ? &side->queue[side->head] : NULL;
}

void replay_side_judge(struct replay_side *side, usec_t until)
{
    struct replay_answered *answered = &side->queue[side->head];
    for (size_t i = 0; i < answered->table->len; i++) {
        const struct replay_entry *entry = &answered->table->entries[i];
        follow_step(side->followed[entry->followed].follow, entry->ranking, side->sightings, answered->t, until);
    }
    table_unref(answered->table);
    side->head++;
    side->len--;
}
