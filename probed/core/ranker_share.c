/* From an order to shares and ranks, for one (policy, model).
 *
 * Slots go by loss among the best class there is, within the caps (slots.c), which are priced where there is load (ranker_price.c). Ranks
 * then follow the shares: first the leader (ranker_lead.c), then the others with slots by how many they have, since they are where a failed
 * request is tried again, then the fallbacks in the order of their losses. The leader's cap keeps some room for what failed elsewhere. */
#include <math.h>
#include <string.h>

#include "probed/core/ranker_inside.h"

#define MOVE_PER_SECOND 8.0
#define MOVE_MOST       32.0
/* Two routes are equal for sharing only if they also fail about equally often: a retry that hides one's failures in the loss is not there
 * for every client. */
#define SHARE_FAILURE 0.01

/* Who may have slots: the best class there is (a pinned route may be first from a worse one); the overflow of usable ones may go to those
 * that flap. */
static bool takes(enum rank_class rank_class, enum rank_class best)
{
    return rank_class != RANK_EXCLUDED && (rank_class <= best || (best <= RANK_UNSEEN && rank_class <= RANK_FLAPPING));
}

static void share(struct ranker *r, const struct ranked_model *m, struct standing *s, const struct policy *policy,
                  const struct rank_result *result, bool first_changed, usec_t now)
{
    s->move = fmin(MOVE_MOST, s->move + MOVE_PER_SECOND * (double)(now - s->move_at) / (double)USEC_PER_SEC);
    s->move_at = now;
    for (size_t k = 0; k < m->len; k++) {
        uint32_t i = s->order[k];
        const struct rank_route *rank = &r->rank_room[i];

        r->slots_room[k] = (struct slots_route){
            .loss = (double)rank->loss / LOSS_NANO + SHARE_FAILURE * m->inputs[i].chance,
            .cap = (uint16_t)fmax(1, r->prepared_room[i].cap - ranker_leader_room(r, m, s, (int)i, now)),
            .last = s->places[i].slots,
            .takes = takes(rank->rank_class, result->best),
            .pinned = rank->pinned,
        };
        /* Flapping ones only take what is left over. */
        if (rank->rank_class != result->best)
            r->slots_room[k].loss = INFINITY;
    }
    ranker_price_load(r, m, s, policy, now);
    int moved = slots_share(r->slots_room, m->len, r->rules.alike, first_changed ? -1 : (int)s->move, r->share_room);

    if (!first_changed)
        s->move = fmax(0, s->move - moved);
}

/* The leader first, then its second where there is one; of two other routes with slots the one with more, which can take what failed
 * elsewhere. */
static bool goes_before(const struct standing *s, uint32_t a, unsigned slots_a, uint32_t b, unsigned slots_b)
{
    if ((int)a == s->leader || (int)b == s->leader)
        return (int)a == s->leader;
    if (s->second >= 0 && ((int)a == s->second || (int)b == s->second))
        return (int)a == s->second;
    return slots_a > slots_b;
}

static void sort_by_share(const struct ranker *r, const struct ranked_model *m, struct standing *s)
{
    for (size_t k = 1; k < m->len; k++) {
        uint32_t index = s->order[k];
        uint16_t slots = r->share_room[k];
        size_t at = k;

        for (; at > 0 && goes_before(s, index, slots, s->order[at - 1], r->share_room[at - 1]); at--) {
            s->order[at] = s->order[at - 1];
            r->share_room[at] = r->share_room[at - 1];
        }
        s->order[at] = index;
        r->share_room[at] = slots;
    }
}

/* The fallback of the leader should not fall with it, where that costs little. */
static void bring_other_group(struct ranker *r, const struct ranked_model *m, struct standing *s, const struct ranker_pairs *pairs)
{
    size_t best = 1;
    int64_t least = INT64_MAX;

    if (s->second >= 0 || m->len < 3 || ranker_second_extra(pairs, s->order[0], s->order[1]) == 0)
        return;
    for (size_t k = 1; k < m->len && r->share_room[k] > 0; k++) {
        int64_t loss = r->rank_room[s->order[k]].loss + ranker_second_extra(pairs, s->order[0], s->order[k]);

        if (loss >= least)
            continue;
        least = loss;
        best = k;
    }
    uint32_t index = s->order[best];
    uint16_t slots = r->share_room[best];

    memmove(&s->order[2], &s->order[1], (best - 1) * sizeof(s->order[0]));
    memmove(&r->share_room[2], &r->share_room[1], (best - 1) * sizeof(r->share_room[0]));
    s->order[1] = index;
    r->share_room[1] = slots;
}

/* Ranks: the leader, those with slots by their share, then those without in the order of their losses. */
static void settle_order(struct ranker *r, const struct ranked_model *m, struct standing *s, const struct ranker_pairs *pairs, int first,
                         usec_t now)
{
    ranker_choose_leader(r, pairs, s, first, now);
    sort_by_share(r, m, s);
    bring_other_group(r, m, s, pairs);
    for (size_t k = 0; k < m->len; k++) {
        struct place *place = &s->places[s->order[k]];

        if (place->rank != k + 1 || place->slots != r->share_room[k])
            s->changed = true;
        place->rank = (uint32_t)k + 1;
        place->slots = r->share_room[k];
    }
    if (m->len > 0)
        follow_lead(&s->follow, s->leader, r->share_room[0], now);
}

void ranker_share(struct ranker *r, const struct ranked_model *m, struct standing *s, const struct ranker_pairs *pairs,
                  const struct policy *policy, const struct rank_result *result, bool first_changed, usec_t now)
{
    share(r, m, s, policy, result, first_changed, now);
    settle_order(r, m, s, pairs, result->first, now);
}
