/* Who is rank 1, and who is rank 2 behind it.
 *
 * Three kinds of clients. Nothing is reported: rank 1 is a route with a large share, since clients that know no weights send everything
 * there. They are seen to follow the shares: then only what failed elsewhere comes to rank 1, and it is the first as long as nobody
 * refuses, else whoever takes that at the least cost (a good route has to give up some of its own share for it); the other good routes need
 * not be kept half empty for it. They are seen to know rank 1 only: then it is the pair of the least expected loss, what the first refuses
 * going to the second; where no pair can take it all, rank 1 goes round second by second, in proportion to the shares. */
#include <math.h>

#include "probed/core/ranker_inside.h"

#define RETRIES         1.5  /* times those seen lately: they come in bursts */
#define RETRIES_LEAST   0.01 /* of all that is asked */
#define RETRIES_MOST    0.25
#define LEADER_HOLDS    0.1 /* of the last request refused: what a leader has to hold */
#define STAYS           0.4 /* a leader stays until another one costs so much less */
#define STAYS_NEW       0.2 /* less still in its first minute: what it refuses now may be the burst that it was chosen in */
#define NEW             USEC_PER_MINUTE
#define UNREPORTED_ROOM 0.6   /* of its cap: what a capped leader may have as its share */
#define KEEPS           0.5   /* of the largest share or cap: a leader stays */
#define TAKES           0.9   /* the first takes the lead back */
#define PAIRS           32    /* routes that are looked at */
#define REFUSED_LOSS    0.005 /* of a refused try itself */
#define LEADER_STAYS    0.005
#define FIRST_STAYS     0.01
#define FULL            0.5  /* of the last request refused: as much as a route takes */
#define HOLDS           0.85 /* of what the limits of two say: bursts go beyond */
#define SLICE           USEC_PER_SEC
#define OWES_MOST       (2.0 * TABLE_SLOTS)
#define OWED_MOST       (1.0 * TABLE_SLOTS)
#define LOST_MOST       0.5

/* The part of the tries that failed, of which each is followed by another one. */
static double lost_part(const struct ranked_model *m)
{
    double demand = ranker_demand(m);

    return demand > 0 ? fmin(LOST_MOST, rate_at(&m->lost, m->demand.at) / demand) : 0;
}

/* In slots. */
static double retries_room(const struct ranked_model *m)
{
    return fmin(RETRIES_MOST, RETRIES * lost_part(m) + RETRIES_LEAST) * TABLE_SLOTS;
}

double ranker_leader_retries(const struct ranked_model *m)
{
    return ranker_demand(m) * (lost_part(m) + RETRIES_LEAST);
}

double ranker_leader_room(const struct ranker *r, const struct ranked_model *m, const struct standing *s, int i, usec_t now)
{
    unsigned cap = r->prepared_room[i].cap;

    if (i != s->leader || cap == TABLE_SLOTS)
        return 0;
    if (!ranker_is_reported(m, now))
        return cap * (1 - UNREPORTED_ROOM);
    return follow_alone(&s->follow, now) || follow_spreads(&s->follow) ? 0 : retries_room(m);
}

/* Nothing is known of the clients: the first, unless another has clearly more; it stays until its share is far from the largest. */
static int by_share(const struct ranker *r, const struct ranked_model *m, const struct standing *s, int first)
{
    double most = 0, firsts = 0, leaders = 0;
    int widest = first;

    for (size_t k = 0; k < m->len; k++) {
        int i = (int)s->order[k];
        /* What was left free for retries counts as its own. */
        double slots = r->share_room[k] / (i == s->leader && r->prepared_room[i].cap < TABLE_SLOTS ? UNREPORTED_ROOM : 1);

        firsts = i == first ? slots : firsts;
        leaders = i == s->leader ? slots : leaders;
        widest = slots > most ? i : widest;
        most = fmax(most, slots);
    }
    if (firsts >= (s->leader == first ? KEEPS : TAKES) * most)
        return first;
    return leaders >= KEEPS * most ? s->leader : widest;
}

static bool has_slots(const struct ranker *r, const struct ranked_model *m, const struct standing *s, int i)
{
    for (size_t k = 0; k < m->len; k++)
        if ((int)s->order[k] == i)
            return r->share_room[k] > 0;
    return false;
}

/* What it costs, a second, that what fails elsewhere is tried again on the k-th: its loss, that it refuses some of it, which then have no
 * other chance, and that its own share goes where it is dearer, since a leader has to keep room. */
static double cost_to_lead(const struct ranker *r, const struct ranked_model *m, const struct standing *s, size_t k, double demand,
                           double retries)
{
    uint32_t i = s->order[k];
    const struct capacity *c = &r->routes[m->routes[i]]->stats.capacity;
    double loss = (double)r->rank_room[i].loss / LOSS_NANO, gain = fmax(0, r->price - loss);
    double share = r->share_room[k] * demand / TABLE_SLOTS;

    /* As it would be if another one led. */
    if (c->limit > 0)
        share = fmin(demand, capacity_takes(c, gain / (gain + PRICE_REFUSAL)));
    double own = fmax(0, fmin(share, capacity_takes(c, LEADER_HOLDS) - retries));

    return retries * (loss + capacity_refuses(c, own + retries)) + (share - own) * gain;
}

static double stays(const struct standing *s, usec_t now)
{
    return s->follow.leads_len > 0 && now - s->follow.leads[0].at < NEW ? STAYS_NEW : STAYS;
}

/* Clients follow the shares: whoever takes what failed elsewhere at the least cost. While the first was never refused there is no need to
 * look. */
static int by_room(const struct ranker *r, const struct ranked_model *m, const struct standing *s, int first, usec_t now)
{
    double demand = ranker_demand(m), retries = demand * (RETRIES * lost_part(m) + RETRIES_LEAST), least = INFINITY;
    int best = -1;

    if (r->routes[m->routes[first]]->stats.capacity.limit <= 0 && r->prepared_room[first].cap == TABLE_SLOTS)
        return first;
    for (size_t k = 0; k < m->len; k++) {
        int i = (int)s->order[k];

        if (r->share_room[k] == 0 || r->prepared_room[i].probation < TABLE_SLOTS)
            continue;
        double cost = cost_to_lead(r, m, s, k, demand, retries) * (i == s->leader ? stays(s, now) : 1);

        if (cost < least) {
            least = cost;
            best = i;
        }
    }
    return best >= 0 ? best : first;
}

/* The part of the clients' first tries that it can take. */
static double capacity_part(const struct ranker *r, const struct ranked_model *m, uint32_t i)
{
    double demand = ranker_demand(m) * (1 - lost_part(m)), cap = r->prepared_room[i].probation;
    double takes = capacity_takes(&r->routes[m->routes[i]]->stats.capacity, FULL);

    return fmin(demand > 0 ? takes / demand : 1, cap / TABLE_SLOTS);
}

struct pair {
    int leader, second; /* -1 = none */
    double loss;
    double held; /* part of the demand */
};

static void try_pair(const struct ranker *r, const struct standing *s, const struct ranker_pairs *pairs, uint32_t i, uint32_t j, int first,
                     struct pair *best)
{
    const struct ranked_model *m = pairs->model;
    double room = capacity_part(r, m, i), second = capacity_part(r, m, j);
    double over = fmax(0, 1 - room), lost = fmax(0, over - second), chance = m->inputs[j].chance;
    double loss = (1 - over) * (double)r->rank_room[i].loss / LOSS_NANO + lost;

    /* What is refused has no other try behind it. */
    loss += (over - lost) * ((double)r->rank_room[j].loss / LOSS_NANO + chance + REFUSED_LOSS);
    loss += m->inputs[i].chance * fmax(0, ranker_together(pairs, i, j) - chance);
    loss -= ((int)i == s->leader ? LEADER_STAYS : 0) + ((int)i == first ? FIRST_STAYS : 0);
    if (loss < best->loss)
        *best = (struct pair){(int)i, (int)j, loss, room + second};
}

static struct pair choose_pair(const struct ranker *r, const struct standing *s, const struct ranker_pairs *pairs, int first)
{
    const struct ranked_model *m = pairs->model;
    struct pair best = {first, -1, INFINITY, 1};

    for (size_t a = 0; a < m->len && a < PAIRS; a++)
        for (size_t b = 0; b < m->len && b < PAIRS; b++)
            if (a != b && r->share_room[a] > 0 && r->share_room[b] > 0)
                try_pair(r, s, pairs, s->order[a], s->order[b], first, &best);
    return best;
}

static int most_owed(const struct ranker *r, const struct ranked_model *m, const struct standing *s, int not_this)
{
    int best = -1;

    for (size_t k = 0; k < m->len; k++) {
        int i = (int)s->order[k];

        if (i != not_this && r->share_room[k] > 0 && (best < 0 || s->places[i].credit > s->places[best].credit))
            best = i;
    }
    return best;
}

/* A second of all the traffic for whom most is owed to, and what it refuses for the next one. */
static void next_slice(const struct ranker *r, const struct ranked_model *m, struct standing *s, usec_t now)
{
    double lost = lost_part(m);

    if (now - s->sliced_at < SLICE && has_slots(r, m, s, s->leader) && (s->second < 0 || has_slots(r, m, s, s->second)))
        return;
    for (size_t k = 0; k < m->len; k++) {
        struct place *place = &s->places[s->order[k]];

        place->credit = (float)fmin(fmax((double)place->credit + r->share_room[k], -OWES_MOST), OWED_MOST);
    }
    int next = most_owed(r, m, s, -1), second = next >= 0 ? most_owed(r, m, s, next) : -1;

    if (next < 0)
        return;
    s->leader = next;
    s->second = second;
    s->sliced_at = now;
    s->places[next].credit -= (float)(TABLE_SLOTS * (1 - lost));
    if (second >= 0)
        s->places[second].credit -= (float)(TABLE_SLOTS * lost);
}

/* Rank 1 has slots, whoever else has: those without stand behind as the fallback order. */
static int with_slots(const struct ranker *r, const struct ranked_model *m, const struct standing *s, int leader)
{
    int widest = leader, most = 0;

    if (leader < 0 || has_slots(r, m, s, leader))
        return leader;
    for (size_t k = 0; k < m->len; k++) {
        if (r->share_room[k] <= most)
            continue;
        most = r->share_room[k];
        widest = (int)s->order[k];
    }
    return widest;
}

static void choose(const struct ranker *r, const struct ranker_pairs *pairs, struct standing *s, int first, usec_t now)
{
    const struct ranked_model *m = pairs->model;

    if (first < 0 || r->rank_room[first].pinned || !ranker_is_reported(m, now) || !follow_alone(&s->follow, now)) {
        s->second = -1;
        if (first < 0 || r->rank_room[first].pinned)
            s->leader = first;
        else
            s->leader = ranker_is_reported(m, now) && !follow_spreads(&s->follow) ? by_room(r, m, s, first, now) : by_share(r, m, s, first);
        return;
    }
    struct pair pair = choose_pair(r, s, pairs, first);

    if (pair.second >= 0 && pair.held * HOLDS < 1) {
        next_slice(r, m, s, now);
        return;
    }
    s->leader = pair.leader;
    s->second = pair.second;
}

void ranker_choose_leader(const struct ranker *r, const struct ranker_pairs *pairs, struct standing *s, int first, usec_t now)
{
    choose(r, pairs, s, first, now);
    s->leader = with_slots(r, pairs->model, s, s->leader);
    if (s->second == s->leader)
        s->second = -1;
}
